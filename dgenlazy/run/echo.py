"""Loops that come back through delay lines alone, in blocks: each line is as long as the run, and written in place.

A block is no longer than any delay, so what it hears of a line was written by blocks before it. What it hears is read as soon
as the block before it is written, and carried: read and written in one step, XLA would copy the line for each block. Backwards,
a line holds what each of its frames adds to the loss, and gets what each block adds to what it heard. Only that goes from block
to block: all else that has a derivative gets it from all frames at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import lax

from ..graph import Context, Pointwise, derivative_of
from ..ops import delay_line, parted, slopes
from ..recurrence import batched_alike, is_zero, live_of, with_transpose
from .program import Line, Program

_MOST_LANES = 8  # more compile longer than they are worth
_ALIKE = 4  # and those of one time are as fast together


class Echo(NamedTuple):
    """A delay line of an output of the loop.

    Attributes:
        value: Which of the program it is.
        source: Which output it delays.
        size: How many frames it holds before the first, less one: that which is fed back in the first.
        shape: Of its lanes.
    """

    value: int
    source: int
    size: int
    shape: tuple[int, ...]

    @property
    def past(self) -> int:
        return self.size + 1

    def apart(self, line: Any) -> tuple[Any, ...]:
        """The lanes, one by one: as rows of one array XLA would copy them for each block."""
        return tuple(line.reshape(-1, line.shape[-1]))

    def together(self, lanes: Sequence[Any]) -> Any:
        return jnp.stack(lanes).reshape(*self.shape, -1)

    def lanes_of(self, y: Any) -> tuple[Any, ...]:
        """What an output writes."""
        return self.apart(jnp.broadcast_to(y, (*self.shape, y.shape[-1])))


def echoes_of(body: Program, held: int, rings: dict[int, Any], frames: int) -> list[Echo]:
    """The delay lines of a loop that has no other memory; none where they cannot be run so, or it would not be faster."""
    out, lanes = [], 0
    if any(isinstance(line.op, Pointwise) and line.op.foreign for line in body.lines):
        return []  # which may have no derivative forwards
    for i, (ring, position) in rings.items():
        line = body.lines[i - len(body.leaves)]
        times = [body.specs[a] for a in line.args[1:] if a < len(body.leaves) and not body.specs[a].varies]
        still = len(times) == len(line.args) - 1
        if line.op is not delay_line or position is not None or line.args[0] >= held or not still or frames < len(ring):
            return []
        out.append(Echo(i, line.args[0], len(ring) - 1, ring.shape[1:]))
        lanes += ring[0].size
        if not 0 < lanes <= _MOST_LANES or (ring[0].size > _ALIKE and all(math.prod(t.shape) == 1 for t in times)):
            return []
    return out


@final
class Echoes:
    """The loop of `body`, whose memory are `echoes`: all frames of `ctx`, `size` at once.

    Args:
        free: The lines that do not wait for the loop.
        varies: Which of the leaves have a value for each frame.
    """

    def __init__(
        self,
        body: Program,
        ctx: Context,
        size: int,
        shapes: Sequence[tuple[int, ...]],
        free: Sequence[tuple[int, Line]],
        echoes: Sequence[Echo],
        varies: Sequence[bool],
    ):
        self.body, self.ctx, self.size, self.shapes, self.free = body, ctx, size, shapes, free
        self.echoes, self.varies = echoes, varies
        hosts = {e.source: k for k, e in reversed([*enumerate(echoes)]) if e.shape == shapes[e.source]}
        self.hosts = [hosts.get(i) for i in range(len(shapes))]  # which line is the output itself

    def __call__(self, starts: Sequence[Any], leaves: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """What the lines hold at the end, and the outputs, from what they hold at the start and what enters the loop."""

        @jax.custom_jvp
        def run(starts, parts, wholes, leaves):
            block = lambda at, frames, heard, _: self.outputs(heard, parts, self.cut(leaves, at, frames), frames)  # noqa: E731
            return batched_alike(self.forth(wholes, starts, block), (starts, parts, wholes, leaves))

        @derivative_of(run)
        def _(primals, tangents):
            return batched_alike(self.derivative(run, primals, tangents), primals)

        wholes, parts = zip(*[self.time(e, leaves) for e in self.echoes])
        leaves = [jnp.moveaxis(x, 0, -1) if v else x for x, v in zip(leaves, self.varies)]
        starts = [jnp.moveaxis(x, 0, -1) for x in starts]
        y = run(starts, [*parts], [*wholes], leaves)
        ends = [e.together(e.lanes_of(y[e.source]))[..., -e.past :] for e in self.echoes]
        return [jnp.moveaxis(x, -1, 0) for x in ends], [jnp.moveaxis(x, -1, 0) for x in y]

    def time(self, echo: Echo, leaves: Sequence[Any]) -> tuple[Any, Any]:
        """Whole frames of each lane, and the parts of one beyond."""
        args = self.body.lines[echo.value - len(self.body.leaves)].args[1:]
        rank = max([len(echo.shape), *[len(self.body.specs[a].shape) for a in args]])
        given = [leaves[a - len(self.shapes)] for a in args]
        whole, part = parted([jnp.reshape(x, (1, *(1,) * (rank - jnp.ndim(x)), *jnp.shape(x))) for x in given], echo.size)
        return jnp.broadcast_to(whole, (1, *echo.shape)).reshape(-1), jnp.moveaxis(part, 0, -1)

    def outputs(self, heard: list[Any], parts: list[Any], leaves: Sequence[Any], frames: int) -> list[Any]:
        """Of a block, from what it hears: its frames and the one before them."""
        return self.values([slopes.between(x[..., 1:], x[..., :-1], p) for x, p in zip(heard, parts)], leaves, frames)

    def values(self, taps: Sequence[Any], leaves: Sequence[Any], frames: int) -> list[Any]:
        env: dict[int, Any] = dict(enumerate(leaves, len(self.shapes))) | {e.value: x for e, x in zip(self.echoes, taps)}
        ctx, specs = self.ctx._replace(frames=frames), self.body.specs
        for i, line in self.free:
            frame = lambda *inputs, line=line: line.op.step(ctx, line.params, (), *inputs)[1]  # noqa: E731
            axes = [-1 if specs[a].varies else None for a in line.args]
            env[i] = (jax.vmap(frame, axes, -1) if specs[i].varies else frame)(*[env[a] for a in line.args])
        made = [env[i] if specs[i].varies else env[i][..., None] for i in self.body.outputs]
        return [jnp.broadcast_to(x, (*shape, frames)) for x, shape in zip(made, self.shapes)]

    def cut(self, leaves: Sequence[Any], at: Any, frames: int) -> list[Any]:
        return [_slice(x, at, frames) if v else x for x, v in zip(leaves, self.varies)]

    def heard(self, lines: Sequence[Any], wholes: Sequence[Any], at: Any, frames: int) -> list[Any]:
        """What so many frames from `at` on hear of each lane, and that of the frame before them."""
        return [
            tuple([_slice(x, e.size - 1 - whole[k] + at, frames + 1) for k, x in enumerate(line)])
            for e, line, whole in zip(self.echoes, lines, wholes)
        ]

    def forth(
        self, wholes: Sequence[Any], starts: Sequence[Any], block: Callable[..., Any], forces: Sequence[Any] = ()
    ) -> list[Any]:
        """Run `block`: the first frame, how many, what they hear of each line and their part of `forces`, to outputs."""
        frames = self.ctx.frames
        end = frames // self.size * self.size

        def one(at, frames, lines, heard, forces):
            made = block(at, frames, [e.together(x) for e, x in zip(self.echoes, heard)], forces)
            for k, e in enumerate(self.echoes):
                new = e.lanes_of(made[e.source])
                lines[k] = tuple([lax.dynamic_update_slice_in_dim(x, y, e.past + at, 0) for x, y in zip(lines[k], new)])
            return [y for y, host in zip(made, self.hosts) if host is None]

        def step(carry, now):
            lines, heard, (forces, at) = [*carry[0]], carry[1], now
            made = one(at, self.size, lines, heard, forces)
            return (lines, self.heard(lines, wholes, at + self.size, self.size)), made

        lines = [e.apart(_joined(x, _silence(e, frames, x))) for e, x in zip(self.echoes, starts)]
        first = self.heard(lines, wholes, 0, self.size)
        rows = [jnp.moveaxis(x[..., :end].reshape(*x.shape[:-1], -1, self.size), -2, 0) for x in forces]
        (lines, _), made = lax.scan(step, (lines, first), (rows, jnp.arange(0, end, self.size)))
        made = [jnp.moveaxis(x, 0, -2).reshape(*x.shape[1:-1], end) for x in made]
        if end < frames:
            more = one(end, frames - end, lines, self.heard(lines, wholes, end, frames - end), [x[..., end:] for x in forces])
            made = [_joined(*pair) for pair in zip(made, more)]
        left, run = iter(made), self.run_of(lines)
        return [next(left) if k is None else self.echoes[k].together(run[k]) for k in self.hosts]

    def run_of(self, lines: Sequence[Any]) -> list[Any]:
        """What each lane holds of the run itself."""
        return [tuple([_slice(x, e.past, self.ctx.frames) for x in line]) for e, line in zip(self.echoes, lines)]

    def back(self, wholes: Sequence[Any], given: Sequence[Any], block: Callable[..., Any]) -> tuple[list[Any], list[Any]]:
        """The transpose of `forth`: of outputs what each of their frames adds in all, and what each line does before the first.

        Args:
            block: The transpose of that of `forth`.
        """
        frames = self.ctx.frames
        end = frames // self.size * self.size

        def asked(lines, at, frames):
            """What each lane has got so far, for so many frames from `at` on."""
            return [tuple([_slice(x, e.past + at, frames) for x in line]) for e, line in zip(self.echoes, lines)]

        def total(own, lanes):
            """Of an output: what it was given itself, where it is no line, and by all lines that delay it."""
            out = [x if k is None else jnp.zeros_like(x) for x, k in zip(own, self.hosts)]
            for e, x in zip(self.echoes, lanes):
                widened = jax.linear_transpose(lambda y, e=e: jnp.broadcast_to(y, (*e.shape, y.shape[-1])), out[e.source])
                out[e.source] = out[e.source] + widened(e.together(x))[0]
            return out

        def one(at, frames, lines, lanes):
            own = [_slice(x, at, frames) for x in given]
            for k, (e, x) in enumerate(zip(self.echoes, block(at, frames, total(own, lanes)))):
                old = self.heard(lines, wholes, at, frames)[k]
                new = [a + b for a, b in zip(old, e.apart(x))]
                starts = [e.size - 1 - whole + at for whole in wholes[k]]
                lines[k] = tuple([lax.dynamic_update_slice_in_dim(*z, 0) for z in zip(lines[k], new, starts)])

        def step(carry, at):
            lines, lanes = [*carry[0]], carry[1]
            one(at, self.size, lines, lanes)
            return (lines, asked(lines, at - self.size, self.size)), None

        lines = []
        for k, e in enumerate(self.echoes):
            own = given[e.source]
            own = own if k == self.hosts[e.source] else _silence(e, frames, own)
            lines.append(e.apart(_joined(_silence(e, e.past, own), own)))
        if end < frames:
            one(end, frames - end, lines, asked(lines, end, frames - end))
        first = asked(lines, end - self.size, self.size)
        (lines, _), _ = lax.scan(step, (lines, first), jnp.arange(0, end, self.size), reverse=True)
        out = total(given, self.run_of(lines))
        return out, [e.together([_slice(x, 0, e.past) for x in line]) for e, line in zip(self.echoes, lines)]

    def derivative(self, run: Callable[..., Any], primals: Any, tangents: Any) -> tuple[list[Any], list[Any]]:
        """The outputs, and their tangents: the loop made linear, driven by what each frame gets from elsewhere."""
        starts, parts, wholes, leaves = primals
        y = run(*primals)
        frames = self.ctx.frames
        lines = [e.apart(_joined(x, e.together(e.lanes_of(y[e.source])))) for e, x in zip(self.echoes, starts)]
        heard = [e.together(x) for e, x in zip(self.echoes, self.heard(lines, wholes, 0, frames))]
        live, moved, merge = live_of([*parts, *leaves], [*tangents[1], *tangents[3]])
        width = len(parts)

        def driven(live):
            values = merge(live)
            return self.outputs(heard, values[:width], values[width:], frames)

        force = jax.jvp(driven, (live,), (moved,))[1] if live else [jnp.zeros_like(x) for x in y]
        first = [jnp.zeros_like(x) if is_zero(t) else t for x, t in zip(starts, tangents[0])]

        def taken(kept):
            left = iter(kept)
            return [[next(left) for _ in range(n)] for n in (width, width, width, len(leaves))]

        def at_block(kept, at, frames):
            """How a block hears, and its outputs as a function of that, both as they are to be made linear."""
            parts, _, heard, leaves = taken(kept)
            some = self.cut(leaves, at, frames)
            now = [_slice(x, at, frames + 1) for x in heard]
            return (lambda heard: self.outputs(heard, parts, some, frames)), now

        def forth(kept, moved):
            def block(at, frames, heard, forces):
                fn, now = at_block(kept, at, frames)
                return [a + b for a, b in zip(jax.jvp(fn, (now,), (heard,))[1], forces)]

            def loop(moved):
                return self.forth(taken(kept)[1], moved[len(y) :], block, moved[: len(y)])

            return jax.linearize(loop, moved)[1](moved)  # older JAX transposes no loop that is not marked as linear

        def back(kept, given):
            def block(at, frames, given):
                fn, now = at_block(kept, at, frames)
                return jax.vjp(fn, now)[1](given)[0]

            of_outputs, of_starts = self.back(taken(kept)[1], given, block)
            return [*of_outputs, *of_starts]

        solve = with_transpose(forth, back, y)
        return y, solve([*parts, *wholes, *heard, *leaves], [*force, *first])


def _slice(x: Any, at: Any, frames: int) -> Any:
    return lax.dynamic_slice_in_dim(x, at, frames, -1)


def _joined(*pieces: Any) -> Any:
    return jnp.concatenate(pieces, -1)


def _silence(echo: Echo, frames: int, like: Any) -> Any:
    return jnp.zeros((*echo.shape, frames), like.dtype)
