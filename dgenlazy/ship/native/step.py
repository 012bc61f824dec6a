"""One frame of a graph as instructions: its leaves, its state before and after, and what leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ArgumentError
from ...graph import Clock, Context, Data, Input, Rated, Recurrence, Seed
from ...ops import clock, finite
from ...run import Program, Staged, initial_state, runtime
from . import convolution, rates, regions
from .lower import Instructions
from .value import FRAME, PREPARED, Region, Value

Ticks = tuple[int, int]  # hop, and how late it ticks


class Step:
    """A graph lowered, at one sample rate or several.

    Attributes:
        params: The parameters, by name.
        channels: Of each input channel its number and the shape of a frame.
        state, start, after: Of each array of state its value before a frame, before the first frame, and after a frame.
        owners: Of each of them, which of the recurrences has it, -2 for what is only held.
        kept: Of those that are written only at some ticks, what they hold from then on.
        samples: After how many frames the graph's own samples end, if it has some.
        outputs: What leaves it.
    """

    def __init__(self, graph: Staged, settings: runtime.Settings, params: Mapping[str, Data], rates: Sequence[float]):
        self.program: Program = graph.program
        self.params = dict(params)
        if self.program.sees_whole_run:
            raise ArgumentError(f"export: {self.program.sees_whole_run} sees the whole run, and has no form in C")
        self.made = Instructions(rates)
        self.channels = _channels(graph)
        held = [leaf.frames for leaf in graph.arrays if isinstance(leaf, Data) and leaf.spec.varies]
        self.samples = min(held, default=None)
        self.frame = self.made.new((), "uint32", source=("frame",), level=FRAME)
        self.seed = self.made.new((), "uint32", source=("seed",), level=PREPARED)
        env = self._leaves(graph, settings)
        self._env = env
        starts, tree = self._start(env)
        self._starts = iter(jax.tree.unflatten(tree, starts))
        self.start: list[Value] = []
        self.state: list[Value] = []
        self.after: list[Value] = []
        self.owners: list[int] = []
        self.kept: dict[int, Value] = {}
        self._recurrences = -1
        for ticks, lines in self._runs():
            if ticks is None:
                self._frames(lines[0])
            else:
                self._ticks(ticks, lines)
        self.made.op = "output"
        self.outputs: list[Value] = [self._copied(self._given_out(i), "state", "input", "part") for i in self.program.outputs]
        same = lambda i, v: v is self.state[i] or v is self.kept.get(i)  # noqa: E731
        self.after = [v if same(i, v) else self._copied(v, "state") for i, v in enumerate(self.after)]

    def _runs(self) -> list[tuple[Ticks | None, list[int]]]:
        """Lines in order, those together that run at the same ticks; None for what runs in every frame."""
        runs: list[tuple[Ticks | None, list[int]]] = []
        for i in self._lines():
            op, hop = self._op(i), self._hop(i)
            seldom = self._rated(i) and not isinstance(op, Rated) and hop is not None and hop > 1
            ticks = (hop or 1, self.program.latencies[i]) if seldom else None
            if ticks and runs and runs[-1][0] == ticks:
                runs[-1][1].append(i)
            else:
                runs.append((ticks, [i]))
        return runs

    def _op(self, i: int) -> Any:
        return self.program.lines[i - len(self.program.leaves)].op

    def places(self, start: Any) -> Any:
        """Places for what a line carries on, `start` before the first frame."""
        flat, tree = jax.tree.flatten(start)
        for v in flat:
            self.state.append(self.made.new(v.shape, v.dtype, source=("state", len(self.state)), level=FRAME))
            self.owners.append(self._recurrences)
        self.start += flat
        self.after += self.state[len(self.after) :]
        return jax.tree.unflatten(tree, self.state[len(self.state) - len(flat) :])

    def zeros(self, shape: Sequence[int], dtype: Any) -> Value:
        """A place for an array that is 0 at first."""
        return self.places(self.made.constant(np.zeros(shape, dtype)))

    def held(self, shape: Sequence[int], dtype: Any) -> Value:
        """A place for what lasts until the next tick."""
        self._recurrences, before = -2, self._recurrences
        place = self.zeros(shape, dtype)
        self._recurrences = before
        return place

    def params_of(self, i: int) -> Any:
        return self.program.lines[i - len(self.program.leaves)].params

    def named(self, i: int) -> None:
        """What is made next is of line `i`."""
        self.made.op = self._op(i).__name__

    def becomes(self, before: Any, after: Any) -> None:
        """What a place holds after the frame."""
        for v, x in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            self.after[v.source[1]] = x

    def now(self, i: int) -> Any:
        """The value of line `i` in this frame. A row of samples is looked up where it is asked for."""
        if self._env[i] is None:
            table, every = self._tables[i]
            return self.made.traced(lambda rate, frame, table: _row(frame, table, every), self.frame, table)
        return self._env[i]

    def _frames(self, i: int) -> None:
        """A line that runs in every frame."""
        op = self._op(i)
        self.made.op, own = op.__name__, isinstance(op, Recurrence)
        self._recurrences += own
        start = next(self._starts) if own else ()
        if isinstance(op, Rated) and self._hop(i) is not None:
            self._env.append(rates.lowered(self, i, start))
            return
        if op is finite and convolution.suits(*[self.program.specs[a] for a in self._args(i)]):
            self._env.append(convolution.lowered(self, i))
            return
        held = self.places(start)
        state, out = self.traced(i, held)
        if own:
            self.becomes(held, state)
        self._env.append(out)

    def traced(self, i: int, held: Any) -> tuple[Any, Any]:
        """State and output of a line."""
        args = self.program.lines[i - len(self.program.leaves)].args
        seen = {a: self.now(a) for a in args} | ({self.program.clock: self.now(self.program.clock)} if self._rated(i) else {})
        return self.made.traced(lambda rate, *xs: self._line(rate, i, *xs), self.frame, held, seen)

    def _ticks(self, ticks: Ticks, lines: Sequence[int]) -> None:
        """Lines that run at the same ticks, and hold what they give until the next."""
        writes: list[tuple[Value, Value]] = []
        due = self.due(ticks)
        with regions.inside(self.made) as region:
            for i in lines:
                op = self._op(i)
                self.made.op, own = op.__name__, isinstance(op, Recurrence)
                self._recurrences += own
                held = self._outside(lambda own=own: self.places(next(self._starts) if own else ()))
                state, out = self.traced(i, held)
                writes += zip(jax.tree.leaves(held), jax.tree.leaves(state) if own else [])
                self._env.append(out)
        used = {a for j in self._lines() if j not in lines for a in self._args(j)} | {*self.program.outputs}
        shown = [i for i in lines if i in used]
        flat, tree = jax.tree.flatten([self._env[i] for i in shown])
        parts = self.guarded(due, region, [*writes, *[(self.held(v.shape, v.dtype), v) for v in flat]])
        for i, out in zip(shown, jax.tree.unflatten(tree, parts[len(writes) :])):
            self._env[i] = out

    def _lines(self) -> range:
        return range(len(self.program.leaves), len(self.program.specs))

    def _args(self, i: int) -> Sequence[int]:
        return self.program.lines[i - len(self.program.leaves)].args

    def _outside(self, make: Any) -> Any:
        """What is made in a region, but belongs to the frame."""
        region, self.made.region = self.made.region, None
        try:
            return make()
        finally:
            self.made.region = region

    def due(self, ticks: Ticks) -> Value:
        """Whether this frame is a tick."""
        self.made.op = f"hop {ticks[0]}"
        return self.made.traced(lambda rate, now: Clock(now, 1).offset(*ticks) == 0, self.now(self.program.clock))

    def guarded(self, due: Value, region: Region, writes: Sequence[tuple[Value, Value]]) -> list[Value]:
        """What is written only where it is due: for each pair a place, and what it holds from then on, which is returned."""
        with regions.again(self.made, region):
            values = [self._copied(v, "state") for _, v in writes]
        node = self.made.new((), "int32", prim="guard")
        parts = []
        for (place, _), v in zip(writes, values):
            number = place.source[1]
            parts.append(self.made.new(v.shape, v.dtype, prim="part", args=(node,), params={"state": number}))
            self.after[number] = self.kept[number] = parts[-1]
        node.params = {"parts": parts, "region": region, "due": due, "values": values}
        regions.reads(node, [due], [(region, values)])
        self.made.placed(node, parts)
        return parts

    def _leaves(self, graph: Staged, settings: runtime.Settings) -> list[Any]:
        made = self.made
        env: list[Any] = [made.constant(x) for x in graph.numbers]
        names = {leaf: name for name, leaf in self.params.items()}
        at = {}
        for number, (shape, _) in self.channels.items():
            at[number] = made.new(shape, "float32", source=("input", number), level=FRAME)
        self._tables: dict[int, tuple[Value, int]] = {}  # samples: of a leaf, its rows, and frames from one to the next
        for leaf, spec in zip(graph.arrays, graph.program.leaves[graph.program.numbers :]):
            made.op = "Signal.from_samples" if spec.varies else "constant"
            if isinstance(leaf, Input):
                env.append(at[leaf.channel])
            elif isinstance(leaf, Seed):
                env.append(self._key(leaf, settings))
            elif leaf in names:
                env.append(made.new(spec.shape, "float32", source=("param", names[leaf]), level=PREPARED))
            elif spec.varies:
                self._tables[len(env)] = made.constant(_ended(np.asarray(leaf.array, spec.dtype), spec.every)), spec.every
                env.append(None)
            else:
                env.append(made.constant(np.asarray(leaf.array, spec.dtype)))
        for name, leaf in self.params.items():
            if leaf.spec.varies:
                raise ArgumentError(f"export: params: {name!r} holds samples, which are no parameter of a C file")
        return env

    def _key(self, leaf: Seed, settings: runtime.Settings) -> Value:
        """What a noise is a function of; of one without a seed, the field `seed` instead of `DGen.seed`."""
        key = self.made.constant(runtime.key(leaf, settings.seed, leaf.number))
        if leaf.seed is not None:
            return key
        return self.made.traced(lambda rate, seed, key: jnp.concatenate([seed[None], key[1:]]), self.seed, key)

    def _start(self, env: Sequence[Any]) -> tuple[list[Value], Any]:
        """The state before the first frame, of what does not vary, and its structure."""
        self.made.op = "the initial state"
        program, still = self.program, [v for v, spec in zip(env, self.program.leaves) if not spec.varies]

        def first(rate, *given):
            left = iter(given)
            zeros = [jnp.zeros(s.shape, s.dtype) if s.varies else next(left) for s in program.leaves]
            return initial_state(program, _context(rate), zeros)

        return jax.tree.flatten(self.made.traced(first, *still))

    def _hop(self, i: int) -> int | None:
        spec = self.program.specs[i]
        return next((s.hop for s in (spec if isinstance(spec, tuple) else (spec,)) if s.varies), None)

    def _rated(self, i: int) -> bool:
        """Whether a line must know where its ticks are."""
        op = self.program.lines[i - len(self.program.leaves)].op
        return self.program.rated and op is not clock and self._hop(i) is not None

    def _line(self, rate: float, i: int, frame: Any, held: Any, seen: Mapping[int, Any]) -> tuple[Any, Any]:
        """One frame of line `i`; of what ticks more seldom, one in which it does."""
        op, args, params = self.program.lines[i - len(self.program.leaves)]
        inputs, ctx = [seen[a] for a in args], _context(rate)._replace(start=frame)
        if op is clock:
            return clock.after(params, held, 1), held
        if not self._rated(i):
            return op.step(ctx, params, held, *inputs)
        hop, latency, now = self._hop(i) or 1, self.program.latencies[i], Clock(seen[self.program.clock], 1)
        if isinstance(op, Rated):
            spec, before = self.program.specs[args[0]], self.program.latencies[args[0]]
            state, out = op.block(params, now, held, inputs[0][None], spec, before)
            return state, out[0]
        if isinstance(op, Recurrence):
            live = now.live(hop, latency)[0]
            state, out = op.step(ctx._replace(hop=hop), params, held, *inputs)
            state = jax.tree.map(lambda a, b: jnp.where(live, a, b), state, held)
            return state, jax.tree.map(lambda y: jnp.where(live, y, jnp.zeros_like(y)), out)
        shift = jnp.asarray(now.offset(hop, latency) - np.int32(latency), jnp.int32).astype(jnp.uint32)
        return op.step(ctx._replace(start=frame + shift, hop=hop), params, held, *inputs)

    def _given_out(self, i: int) -> Value:
        """An output, 0 before its beginning."""
        hop, latency = self._hop(i), self.program.latencies[i]
        if hop not in (None, 1):
            raise ArgumentError(f"export: an output has a value every {hop} frames; C gives one in each: upsample() it")
        if not (hop and latency):
            return self.now(i)
        live = lambda rate, now, x: jnp.where(Clock(now, 1).live(1, latency)[0], x, 0)  # noqa: E731
        return self.made.traced(live, self.now(self.program.clock), self.now(i))

    def _copied(self, value: Value, *sources: str) -> Value:
        """A value; of what will be overwritten in the same frame, a copy."""
        base = value.seen()[0]
        if (base.source and base.source[0] in sources) or (base.prim == "part" and "part" in sources):
            return self.made.made("copy", {}, (value,), value.shape, value.dtype)
        return value


def _context(rate: float) -> Context:
    return Context(rate, 1)


def _channels(graph: Staged) -> dict[int, tuple[tuple[int, ...], int]]:
    """Of each input channel, in ascending order, the shape of a frame, and which planar channel is its first."""
    shapes: dict[int, tuple[int, ...]] = {}
    for leaf in graph.arrays:
        if isinstance(leaf, Input):
            if leaf.spec.every > 1:
                raise ArgumentError(
                    f"export: Signal.input({leaf.channel}) has a value every {leaf.spec.every} frames, not one in each"
                )
            if shapes.setdefault(leaf.channel, leaf.spec.shape) != leaf.spec.shape:
                raise ArgumentError(
                    f"export: Signal.input({leaf.channel}) has shapes {shapes[leaf.channel]} and {leaf.spec.shape}"
                )
    out, first = {}, 0
    for number in sorted(shapes):
        out[number] = shapes[number], first
        first += int(np.prod(shapes[number]))
    return out


def _ended(table: np.ndarray, every: int) -> np.ndarray:
    """Samples, and what is behind their end, where C has no error to raise: frames are 0 and ticks the last again."""
    end = table[-1:] if every > 1 and len(table) else np.zeros((1, *table.shape[1:]), table.dtype)
    return np.concatenate([table, end])


def _row(frame: Any, table: Any, every: int) -> Any:
    """The row of samples for a frame."""
    at = (frame + np.uint32(every - 1)) // np.uint32(every) if every > 1 else frame
    return table.at[jnp.minimum(at, np.uint32(len(table) - 1))].get(mode="clip")
