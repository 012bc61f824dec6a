"""One frame of a graph as instructions: its leaves, its state before and after, and what leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ArgumentError
from ...graph import Clock, Context, Data, Input, Rated, Recurrence, Seed
from ...ops import clock
from ...run import Program, Staged, initial_state, runtime
from .lower import Instructions
from .value import FRAME, PREPARED, Value


class Step:
    """A graph lowered, at one sample rate or several.

    Attributes:
        params: The parameters, by name.
        channels: Of each input channel its number and the shape of a frame.
        state, start, after: Of each array of state its value before a frame, before the first frame, and after a frame.
        owners: Of each of them, which of the recurrences has it.
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
        self.start, tree = self._start(env)
        self.state = [self.made.new(v.shape, v.dtype, source=("state", i), level=FRAME) for i, v in enumerate(self.start)]
        trees = jax.tree.unflatten(tree, range(len(self.state)))
        self.owners = [number for number, held in enumerate(trees) for _ in jax.tree.leaves(held)]
        self.after: list[Value] = []
        before = iter(jax.tree.unflatten(tree, self.state))
        for i, (op, args, _) in enumerate(self.program.lines, len(env)):
            self.made.op = op.__name__
            held = next(before) if isinstance(op, Recurrence) else ()
            seen = {a: env[a] for a in args} | ({self.program.clock: env[self.program.clock]} if self._rated(i) else {})
            state, out = self.made.traced(lambda rate, *xs, i=i: self._line(rate, i, *xs), self.frame, held, seen)
            self.after += jax.tree.leaves(state) if isinstance(op, Recurrence) else []
            env.append(out)
        self.made.op = "output"
        self.outputs: list[Value] = [self._copied(self._given_out(env, i), "state", "input") for i in self.program.outputs]
        self.after = [v if v is self.state[i] else self._copied(v, "state") for i, v in enumerate(self.after)]

    def _leaves(self, graph: Staged, settings: runtime.Settings) -> list[Any]:
        made, env = self.made, [self.made.constant(x) for x in graph.numbers]
        names = {leaf: name for name, leaf in self.params.items()}
        at = {}
        for number, (shape, _) in self.channels.items():
            at[number] = made.new(shape, "float32", source=("input", number), level=FRAME)
        for leaf, spec in zip(graph.arrays, graph.program.leaves[graph.program.numbers :]):
            made.op = "Signal.from_samples" if spec.varies else "constant"
            if isinstance(leaf, Input):
                env.append(at[leaf.channel])
            elif isinstance(leaf, Seed):
                env.append(self._key(leaf, settings))
            elif leaf in names:
                env.append(made.new(spec.shape, "float32", source=("param", names[leaf]), level=PREPARED))
            elif spec.varies:
                table = made.constant(_beyond(np.asarray(leaf.array, spec.dtype), spec.every, self.program.latency))
                env.append(made.traced(lambda rate, frame, table, spec=spec: _row(frame, table, spec.every), self.frame, table))
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
        """One frame of line `i`; of what ticks more seldom, of each frame what it would be if it ticked."""
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
            live = jnp.asarray(now.full(hop, latency)) & now.live(hop, latency)[0]
            state, out = op.step(ctx._replace(hop=hop), params, held, *inputs)
            state = jax.tree.map(lambda a, b: jnp.where(live, a, b), state, held)
            return state, jax.tree.map(lambda y: jnp.where(live, y, jnp.zeros_like(y)), out)
        shift = jnp.asarray(now.offset(hop, latency) - np.int32(latency), jnp.int32).astype(jnp.uint32)
        return op.step(ctx._replace(start=frame + shift, hop=hop), params, held, *inputs)

    def _given_out(self, env: Sequence[Any], i: int) -> Value:
        """An output, 0 before its beginning."""
        hop, latency = self._hop(i), self.program.latencies[i]
        if hop not in (None, 1):
            raise ArgumentError(f"export: an output has a value every {hop} frames; C gives one in each: upsample() it")
        if not (hop and latency):
            return env[i]
        live = lambda rate, now, x: jnp.where(Clock(now, 1).live(1, latency)[0], x, 0)  # noqa: E731
        return self.made.traced(live, env[self.program.clock], env[i])

    def _copied(self, value: Value, *sources: str) -> Value:
        """A value; of what will be overwritten in the same frame, a copy."""
        base = value.seen()[0]
        if base.source and base.source[0] in sources:
            return self.made.made("copy", {}, (value,), value.shape, value.dtype)
        return value


def _context(rate: float) -> Context:
    return Context(rate, 1, fft=False)


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


def _beyond(table: np.ndarray, every: int, latency: int) -> np.ndarray:
    """Samples, and what stands for those past their end while the last of them are still to come out."""
    ends = [(0, -(-latency // every) if axis == 0 else 0) for axis in range(table.ndim)]
    return np.pad(table, ends, mode="edge") if every > 1 and len(table) else np.pad(table, ends)


def _row(frame: Any, table: Any, every: int) -> Any:
    """The row of samples for a frame, NaN past their end, as in a pure function."""
    at = (frame + np.uint32(every - 1)) // np.uint32(every) if every > 1 else frame
    return table.at[at].get(mode="fill", fill_value=jnp.nan)
