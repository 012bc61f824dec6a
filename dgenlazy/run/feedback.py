"""Feedback loops: a body of ops that is fed its own previous output becomes one recurrence."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ArgumentError, ShapeError
from ..graph import (
    EVERY,
    Block,
    Context,
    Hole,
    Leaf,
    Node,
    Params,
    Rated,
    Recurrence,
    Spec,
    lift,
    outputs_of,
    toposort,
    varying,
)
from ..ops import delay_line, rolled, spectrum, unrolled
from ..recurrence import scan
from .echo import Echo, Echoes, echoes_of
from .program import Line, Program, flat, run_line
from .stage import initial_state, number, step

PLANS = ("auto", "scan", "blocks", "linear", "newton")
_MOST_ROUNDS = 8  # of a body that is traced again because its output is wider than what it was fed


@final
class Feedback(Recurrence):
    """The recurrence that a loop's body makes. Its inputs: the first `prev`, then what the body takes from outside."""

    def __init__(self, body: Program, shapes: tuple[tuple[int, ...], ...], plan: str = "auto"):
        self.key = (body, shapes, plan)
        held = len(shapes)

        def init(*values):
            first = tuple(jnp.broadcast_to(v, s) for v, s in zip(values, shapes))
            return first, initial_state(body, Context(0.0, 1), [*first, *values[held:]])

        def feedback(state, *values, sample_rate, parallel):
            previous, inner = state
            outputs, inner = step(body, Context(sample_rate, 1, parallel=parallel), [*previous, *values[held:]], inner)
            outputs = tuple(jnp.broadcast_to(y, p.shape) for y, p in zip(outputs, previous))
            return (outputs, inner), outputs

        super().__init__(feedback, init)
        self.plan = plan
        self.reach = _Reach(body, held)
        self.block_frames = self.reach.frames

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feedback) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __reduce__(self) -> Any:
        return Feedback, self.key

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        return tuple(Spec(shape, True, varying(inputs) or 1) for shape in self.key[1])

    def inside(self) -> list[str]:
        return str(self.key[0]).splitlines()

    def known(self, ctx: Context, specs: Sequence[Spec]) -> tuple[str, str] | None:
        least = self.reach.frames
        if self.plan not in ("auto", "blocks") or least < _LEAST_BLOCK or ctx.frames < 2:
            return None
        return "blocks", f"what is fed back is delayed by {least} frames or more, which are run at once"

    def whole(self, ctx: Context, params: Params, state: Any, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        given: dict[str, Any] = dict(params)
        ctx = ctx._replace(sample_rate=ctx.sample_rate / given.get(EVERY, 1))  # the body's ops are not told themselves
        frames = ctx.frames
        size = _even(frames, min(self.reach.frames, frames))
        moving = tuple(x for x, s in zip(inputs, specs) if s.varies)

        def blocks():
            held, rings = self.reach.laid_out(state, size)
            found = [] if ctx.parallel else echoes_of(self.key[0], len(self.key[1]), self.reach.states(rings), frames)
            if found:
                return self.echoing(ctx, size, state, rings, found, inputs, specs)
            body = ft.partial(self.block, ctx._replace(frames=size), inputs=inputs, specs=specs)
            cut = frames // size * size
            pieces = [x[:cut].reshape(frames // size, size, *x.shape[1:]) for x in moving]
            end, y = lax.scan(body, (held, rings), pieces, length=frames // size)
            y = tuple(x.reshape(cut, *x.shape[2:]) for x in y)
            if cut < frames:
                end, rest = self.block(ctx._replace(frames=frames - cut), end, [x[cut:] for x in moving], inputs, specs)
                y = tuple(jnp.concatenate(pair) for pair in zip(y, rest))
            return self.reach.taken_back(end, state, y), y

        def frame_by_frame():
            return scan(ft.partial(self.step, ctx._replace(frames=1), ()), state, inputs, specs, frames)

        if not self.reach.unsure:
            return blocks()
        shortest = jnp.stack([jnp.min(inputs[i]) for i in self.reach.unsure])
        return lax.cond(jnp.all(shortest >= self.reach.frames), blocks, frame_by_frame)

    def echoing(
        self,
        ctx: Context,
        size: int,
        state: Any,
        rings: Any,
        echoes: list[Echo],
        inputs: Sequence[Any],
        specs: Sequence[Spec],
    ) -> Any:
        """The run of a loop whose only memory are delay lines of its outputs."""
        body, shapes, _ = self.key
        held, free = len(shapes), self.reach.lines(_FREE)
        run = Echoes(body, ctx, size, shapes, free, echoes, [s.varies for s in specs[held:]])
        ends, y = run([ring for ring, _ in rings], inputs[held:])
        return self.reach.taken_back((None, [(x, None) for x in ends]), state, tuple(y)), tuple(y)

    def block(self, ctx: Context, state: Any, moving: Sequence[Any], inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        """A block no longer than the delay of the loop: what it feeds back is not needed before its end.

        First all that does not wait for the block's own output, which gives that output; then what does.
        """
        body, shapes, _ = self.key
        previous, inner = state
        left = iter(moving)
        leaves = [next(left) if s.varies else x for x, s in zip(inputs, specs)][len(shapes) :]
        env: dict[int, Any] = dict(enumerate(leaves, len(shapes)))
        before, after = self.reach.states(inner), {}
        for i, line in self.reach.lines(_FREE, _CUT):
            known = [env.get(a, None) for a in line.args]
            if known[0] is None:  # a delay of what is not yet known, and does not matter within this block
                known[0] = jnp.zeros((ctx.frames, *body.specs[line.args[0]].shape), before[i][0].dtype)
            after[i], env[i] = run_line(body, ctx, line, dict(zip(line.args, known)), before.get(i))
        y = tuple(_every_frame(env[i], body.specs[i], ctx.frames, s) for i, s in zip(body.outputs, shapes))
        late = {i: jnp.concatenate([p[None], x[:-1]]) for i, (p, x) in enumerate(zip(previous, y)) if p is not None}
        for i, line in self.reach.lines(_WAITS, _CUT):
            fed = dict(enumerate(y)) if self.reach.follows(line, before.get(i)) else late
            after[i], env[i] = run_line(body, ctx, line, env | fed, before.get(i))
        held = tuple(None if p is None else x[-1] for p, x in zip(previous, y))
        return (held, tuple(after[i] for i in before)), y


_FREE, _CUT, _WAITS = range(3)  # a line that does not depend on the loop, delays what does, depends on it at once
_LONG_RING = 16  # blocks
_LEAST_BLOCK = 8  # frames; shorter blocks are not worth their overhead


class _Reach:
    """How far back the lines of a loop's body reach for its own output.

    Attributes:
        frames: Every way from `prev` to the output is delayed by so many frames or more; 0 where one is not.
        unsure: Those leaves of the body that are delay times which may be shorter than they were: checked when run.
    """

    def __init__(self, body: Program, held: int):
        kinds: dict[int, int] = {i: _WAITS if i < held else _FREE for i in range(len(body.leaves))}
        least, self.unsure = [], []
        for i, line in enumerate(body.lines, len(body.leaves)):
            depends = [kinds[a] == _WAITS for a in line.args]
            kinds[i] = _WAITS if any(depends) else _FREE
            given: dict[str, Any] = dict(line.params) if line.op is delay_line else {"least": 0, "size": 0}
            shortest = given["least"]
            if shortest and depends[0] and not depends[1]:
                kinds[i] = _CUT
                least.append(min(abs(shortest), given["size"] - 1))  # the longest time is one frame less, and a part of 1
                self.unsure += [line.args[1]] if shortest < 0 else []
        waits = any(kinds[i] == _WAITS for i in body.outputs)
        self.frames = 0 if waits or not least else min(least)
        self.kinds, self.body, self.held = kinds, body, held

    def lines(self, *kinds: int) -> list[tuple[int, Any]]:
        """The lines of these kinds, each with its index."""
        return [(i, line) for i, line in enumerate(self.body.lines, len(self.body.leaves)) if self.kinds[i] in kinds]

    def laid_out(self, state: Any, frames: int) -> Any:
        """The state for blocks of so many frames: rings that are not far longer begin with their oldest frame.

        One that delays `prev` itself holds it, too, as its last; a `prev` that nothing else asks for is left out.
        """
        previous, inner = state
        states, asked = self.states(inner), set()
        for i, line in self.lines(_WAITS, _CUT):
            if self.kinds[i] == _CUT and dict(line.params)["size"] < _LONG_RING * frames:
                ring, _ = states[i] = unrolled(states[i])
                if line.args[0] < self.held:
                    now = jnp.broadcast_to(previous[line.args[0]], ring.shape[1:])
                    states[i] = jnp.concatenate([ring, now[None]]), None
            asked |= set() if self.follows(line, states.get(i)) else {*line.args}
        return tuple(p if i in asked else None for i, p in enumerate(previous)), tuple(states.values())

    def follows(self, line: Line, state: Any) -> bool:
        """Whether a line delays `prev` itself, and its state holds that already."""
        return line.op is delay_line and line.args[0] < self.held and state[1] is None

    def taken_back(self, end: Any, start: Any, outputs: tuple[Any, ...]) -> Any:
        """The state at the end, from one that was laid out and that at the start."""
        states, first = self.states(end[1]), self.states(start[1])
        for i, line in self.lines(_CUT):
            line_of, position = states[i]
            if position is None:
                states[i] = rolled((line_of[: dict(line.params)["size"]], None), first[i][1] + len(outputs[0]))
        return tuple(x[-1] for x in outputs), tuple(states.values())

    def states(self, inner: Sequence[Any]) -> dict[int, Any]:
        """The state of each line that has one."""
        lines = enumerate(self.body.lines, len(self.body.leaves))
        return dict(zip([i for i, line in lines if isinstance(line.op, Recurrence)], inner))


def _even(frames: int, most: int) -> int:
    """Frames of a block: `most`, or a little less where the last block is then no shorter than the others."""
    count = -(-frames // most)
    return next((frames // k for k in range(count, count + count // 8 + 1) if frames % k == 0), most)


def _every_frame(x: Any, spec: Spec, frames: int, shape: tuple[int, ...]) -> Any:
    x = x if spec.varies else x[None]
    return jnp.broadcast_to(x.reshape(len(x), *(1,) * (len(shape) - len(spec.shape)), *spec.shape), (frames, *shape))


def close(fn: Callable[[Any], Any], init: Any, wrap: Callable[[Node | Leaf], Any], plan: str = "auto") -> Any:
    """Feed the output of `fn` back to it one frame later; see `dgenlazy.feedback`."""
    if not callable(fn):
        raise ArgumentError(f"feedback: {fn!r} is not a function of the previous output")
    if not (isinstance(plan, str) and plan in PLANS):
        raise ArgumentError(f"feedback: plan={plan!r} is not one of {', '.join(PLANS)}")
    first, structure = jax.tree.flatten(init)
    starts = [lift(x, "feedback: init") for x in first]
    if not starts:
        raise ArgumentError(f"feedback: init={init!r} holds no number, array or Tensor")
    for start in starts:
        if start.spec.varies:
            raise ArgumentError("feedback: init varies from frame to frame; it must be a number, an array or a Tensor")
    shapes, hop = [start.spec.shape for start in starts], 1
    for _ in range(_MOST_ROUNDS):
        holes = [Hole(Spec(shape, True, hop)) for shape in shapes]
        outputs, given = jax.tree.flatten(fn(structure.unflatten([wrap(hole) for hole in holes])))
        if given != structure:
            nothing = "nothing, None: " if given == jax.tree.structure(None) else ""
            raise ArgumentError(f"feedback: the body returns {nothing}{given}, init is {structure}; the two must be alike")
        nodes = [lift(y, "feedback: the body's output") for y in outputs]
        try:
            wider = [np.broadcast_shapes(shape, node.spec.shape) for shape, node in zip(shapes, nodes)]
        except ValueError:
            made = ", ".join(str(node.spec.shape) for node in nodes)
            was = ", ".join(map(str, shapes))
            raise ShapeError(f"feedback: the body turns {was} into {made}; the shape must stay") from None
        slower = _slowest(holes, nodes) if hop == 1 else hop
        if wider == shapes and slower == hop:
            return structure.unflatten([wrap(node) for node in _loop(starts, holes, nodes, plan)])
        shapes, hop = wider, slower
    raise ShapeError(f"feedback: the output grows each time it is fed back, to {shapes[0]} so far; the shape must stay")


def _slowest(holes: list[Any], outputs: list[Any]) -> int:
    """The hop at which a loop can run: that of the fastest of what enters it."""
    inside, entering = set(holes), []
    for node in toposort(outputs):
        if isinstance(node, Node) and any(i in inside for i in node.inputs):
            inside.add(node)
            entering += [s for i in node.inputs if i not in inside for s in flat([i.spec])]
    entering += [node.spec for node in outputs if node not in inside]
    return varying(entering) or 1


def _called(node: Node, order: list[Any]) -> str:
    """What the user called that `node` is part of: the outermost function made of ops, or the op itself."""
    for outer in reversed(order):
        if isinstance(outer, Node) and outer.part_of and node in toposort([outer], outer.given)[len(outer.given) :]:
            return outer.part_of
    return node.name


def _of_spectra(node: Node, order: list[Any]) -> str:
    """Which method of spectra, whose parts are told one by one, an error that names `node` is about."""
    beside = [*node.inputs, *[n for n in order if node in n.inputs]]
    made = {n.op for n in beside if isinstance(n, Node) and ("window", True) in n.params}
    name = "stft" if spectrum.spectrum_of in made else "istft" if spectrum.signal_of in made else ""
    return f"; it is part of {name}" if name else ""


def _loop(starts: list[Any], holes: list[Any], outputs: list[Any], plan: str) -> list[Node]:
    """The nodes of the loop. Only what depends on `holes` goes into it; all else is an input, computed outside."""
    inside = set(holes)
    order = toposort(outputs)
    for node in order:
        if isinstance(node, Node) and any(i in inside for i in node.inputs):
            if isinstance(node.op, Block):
                raise ArgumentError(f"feedback: {_called(node, order)} sees the whole run and cannot be inside a loop")
            if isinstance(node.op, Rated):
                raise ArgumentError(
                    f"feedback: {_called(node, order)} changes the rate or looks ahead, and cannot be inside a loop"
                    + _of_spectra(node, order)
                )
            if "frame" in node.op.injected:
                raise ArgumentError(f"feedback: {_called(node, order)} counts frames and cannot depend on the loop")
            inside.add(node)
    entering = dict.fromkeys(i for node in order if node in inside for i in node.inputs if i not in inside)
    entering |= dict.fromkeys(node for node in outputs if node not in inside)
    body = number(outputs, [*holes, *entering], [node for node in order if node in inside])
    op = Feedback(body, tuple(hole.spec.shape for hole in holes), plan)
    if plan == "blocks" and op.reach.frames < _LEAST_BLOCK:
        raise ArgumentError(f"feedback: plan='blocks' takes a loop in which all is delayed by {_LEAST_BLOCK} frames or more")
    loop = op.node(*starts, *entering)
    return outputs_of(loop)
