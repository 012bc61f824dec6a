"""The derivative of a loop whose lanes are apart, as one linear system of what stands still and what varies.

It keeps no more than it depends on: an array of many frames and lanes takes longer to be written, in memory that the system
clears first, than to be computed. The slopes of numbers that stand still are sums over all frames. Added up by the loop that
runs backwards, or after every piece of it, they are never written down for every frame, which for many lanes would take
several times the memory.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..graph import carrying
from . import system
from .analysis import NONLINEAR, cheap, reads
from .batch_rule import counted, with_batch_rule
from .lanes import FILLED
from .loops import loop, room, side_by_side
from .rising import Rising, piece_of, slow_at
from .summing import Summing
from .tangents import floats_of, is_float, is_zero, live, tangents_of, tied
from .transposed import with_transpose

_FEW_LANES = 4  # of which one frame in an iteration is as fast as several
_FEW_EXAMPLES = 4  # whose sums are taken together faster than each by itself
_PIECE = 16384  # numbers of an array, of which a few fit a core's nearest memory


def fits(rec: Any, state: Any, inputs: Sequence[Any], moved: Sequence[Any], after: Sequence[int | None]) -> bool:
    """Whether a recurrence, whose inputs have such tangents, is differentiated so; its outputs are those states `after`."""
    facts, leaves = rec.plan.facts, jax.tree.leaves(state)
    if rec.plan.name != "scan" or not rec.lanewise or rec.ctx.parallel:
        return False
    shape = leaves[0].shape
    if not math.prod(shape) or not all(is_float(x) and x.dtype == leaves[0].dtype for x in (*leaves, *inputs)):
        return False
    alive = [(x, v) for x, t, v in zip(inputs, moved, rec.varies) if not is_zero(t)]
    if not alive or not all(x.shape[1:] == shape for x, v in alive if v):
        return False
    if facts.order == NONLINEAR:
        held = state["held"] if rec.rise is not None else state
        return all(live(held)) and _Frames(rec, held, [not is_zero(t) for t in moved]).fills(inputs)
    # Else each frame would wait longer for the one after it: for the output's tangent too.
    return math.prod(shape) > 1 or all(i is None for i in after) or all(v for _, v in alive)


def derivative(
    rec: Any, observed: Any, outputs_of: Any, primals: Any, tangents: Any, after: Sequence[int | None]
) -> tuple[Any, Any]:
    """The last state and the outputs of all frames, and their tangents, of those of the first state and of the inputs.

    Args:
        observed: `(seen)` -> the last state, and what is `seen` of the states before every frame.
        outputs_of: `(state, inputs, each, end, states, after)`.
        after: For each array of the output the one of the next state that it is, if it is one.
    """
    state, inputs = primals
    held_of = (lambda state: state["held"]) if rec.rise is not None else lambda state: state
    first = [jnp.zeros(t.shape, t.dtype) if is_zero(t) else t for t in jax.tree.leaves(held_of(tangents[0]), is_leaf=is_zero)]
    frames = _Frames(rec, held_of(state), [not is_zero(t) for t in tangents[1]])
    # What lanes share gets a slope of each lane, and the sum of them is left to JAX.
    wide = [jnp.broadcast_to(x, frames.shape) if i in frames.still else x for i, x in enumerate(inputs)]
    moved = [jnp.broadcast_to(tangents[1][i], wide[i].shape) for i in frames.alive]

    needed = frames.needed(state, wide, after)
    end, some = observed(lambda held: [jax.tree.leaves(held)[i] for i in needed])
    states = [jnp.zeros((rec.ctx.frames, *x.shape), x.dtype) for x in first]
    for i, x in zip(needed, some):
        states[i] = x
    found = outputs_of(state, inputs, [None] * len(inputs), end, frames.tree(states), after)
    solve = with_transpose(frames.forth, frames.back, jax.tree.leaves((held_of(end), found[1])))
    out = solve([*states, *wide], [*first, *moved])
    ends = [x for x, alive in zip(out, live(held_of(end))) if alive]
    return found, (tangents_of(end, ends), jax.tree.structure(found[1]).unflatten(out[frames.width :]))


class _Frames:
    """The linear system: a step's derivative at one frame, and at all of them, forwards and transposed.

    Attributes:
        alive: Which inputs have tangents: first those that stand `still`, and then those that vary.
    """

    def __init__(self, rec: Any, held: Any, alive: Sequence[bool]):
        leaves, self.rebuild = jax.tree.flatten(held)
        self.rec, self.shape, self.width = rec, leaves[0].shape, len(leaves)
        self.still = [i for i, v in enumerate(rec.varies) if alive[i] and not v]
        self.alive = [*self.still, *[i for i, v in enumerate(rec.varies) if alive[i] and v]]

    def tree(self, floats: list[Any]) -> Any:
        held = self.rebuild.unflatten(floats)
        return held if self.rec.rise is None else carrying(held)

    def step(self, floats: list[Any], live: list[Any], inputs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The next state, or by how much it rises, and the output, where `live` are in their places among the inputs."""
        values = list(inputs)
        for i, x in zip(self.alive, live):
            values[i] = x
        after, y = (self.rec.rise or self.rec.step)(self.rebuild.unflatten(floats), *values)
        after = jax.tree.leaves(after)
        return after, [floats[0] + after[0]] if y is None else jax.tree.leaves(y)

    def push(self, floats: list[Any], inputs: list[Any], t: list[Any], moved: list[Any]) -> Any:
        """The tangents of what `step` gives."""
        live = [inputs[i] for i in self.alive]
        return jax.jvp(lambda floats, live: self.step(floats, live, inputs), (floats, live), (t, moved))[1]

    def pull(
        self, floats: list[Any], inputs: list[Any], after: list[Any], y: list[Any]
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Its transpose: of the state, and the slopes of what stands still and of what varies."""
        live = [inputs[i] for i in self.alive]
        before, slopes = jax.vjp(lambda floats, live: self.step(floats, live, inputs), floats, live)[1]((after, y))
        return before, slopes[: len(self.still)], slopes[len(self.still) :]

    def needed(self, state: Any, inputs: list[Any], after: Sequence[int | None]) -> list[int]:
        """Which arrays of the states before a frame the derivative and the output depend on."""
        rec = self.rec
        frame = rec.frame(inputs)
        floats = [jax.ShapeDtypeStruct(self.shape, x.dtype) for x in jax.tree.leaves(state)[: self.width]]
        needs = reads(self.push, floats, frame, floats, [frame[i] for i in self.alive])
        outputs = reads(lambda s, *xs: rec.step(s, *xs)[1], state, *frame)
        needs += [n if i is None else frozenset([i]) for n, i in zip(outputs, after)]
        return [i for i in range(self.width) if any(i in need for need in needs)]

    # What is kept are the states before every frame and the inputs.

    def forth(self, kept: list[Any], moved: list[Any]) -> list[Any]:
        """The tangents of the last state and of the outputs."""
        floats, inputs, first, moved = kept[: self.width], kept[self.width :], moved[: self.width], moved[self.width :]
        axes = 0, self.rec.axes, 0, [None if i in self.still else 0 for i in self.alive]
        pushed = jax.vmap(self.push, axes)
        force = pushed(floats, inputs, [jnp.zeros_like(x) for x in floats], moved)[0]
        last, t = system.solved(self.rec, floats, floats_of(self.tree(floats))[1], tuple(inputs), *tied(first, force))
        return [*last, *pushed(floats, inputs, t, moved)[1]]

    def back(self, kept: list[Any], given: list[Any]) -> list[Any]:
        """Its transpose: of the first state and of the inputs."""
        floats, inputs, last, y = kept[: self.width], kept[self.width :], given[: self.width], given[self.width :]
        if self.rec.plan.facts.order == NONLINEAR:
            return self.costly(floats, inputs, last, y)
        if not self.still or math.prod(self.shape) == 1:
            return self.apart(floats, inputs, last, y)
        return self.summed(floats, inputs, last, y, 4 if math.prod(self.shape) > _FEW_LANES else 1)

    def one_frame(self, t: list[Any], now: Any, same: Any) -> tuple[list[Any], tuple[list[Any], list[Any]]]:
        """Of a frame, from the last to the first: its slopes of what varies, and of what stands still."""
        moving, floats, y = now
        before, terms, slopes = self.pull(floats, self.rec.merged(moving, same), t, y)
        return before, (slopes, terms)

    def summed(self, floats: list[Any], inputs: list[Any], last: list[Any], y: list[Any], most: int) -> Any:
        """One loop of the state and of all slopes; those of what stands still are added up, or those of a piece after it."""
        sums = [jnp.zeros_like(inputs[i]) for i in self.still]
        body, carry, moving, fixed = self.backwards(self.one_frame, last, inputs, floats, y)
        body, carry = Summing(body), (carry, sums)
        fit = min(room(body, carry, moving, fixed), most)
        if fit:
            at_once = next(n for n in (4, 2, 1) if n <= fit)
            (first, sums), slopes = self.run(body, carry, moving, fixed, self.rec.ctx.frames, at_once)
        else:
            first, sums, slopes = self.by_pieces(floats, inputs, last, y, sums)
        return [*(first if self.rec.rise is None else first["held"]), *sums, *slopes]

    # A step that is costly, of which `fills` has said that an iteration holds as many numbers as fill vectors.

    def fills(self, inputs: Sequence[Any]) -> bool:
        """Whether as many numbers as fill vectors fit in an iteration of the loop that makes all slopes of a costly step."""
        frame = [
            jax.ShapeDtypeStruct(self.shape, x.dtype) if i in self.still else x for i, x in enumerate(self.rec.frame(inputs))
        ]
        floats = [jax.ShapeDtypeStruct(self.shape, inputs[0].dtype)] * self.width
        taken = floats, [frame[i] for i in self.alive], frame
        if cheap(self.step, *taken):
            return False
        y, moving, fixed = jax.eval_shape(self.step, *taken)[1], self.rec.moving(frame), self.rec.fixed(frame)
        all_frames = jax.tree.map(lambda x: jax.ShapeDtypeStruct((self.rec.ctx.frames, *x.shape), x.dtype), (moving, floats, y))
        return side_by_side(self.one_frame, floats, all_frames, fixed) >= FILLED

    def costly(self, floats: list[Any], inputs: list[Any], last: list[Any], y: list[Any]) -> Any:
        """All in one loop where there are numbers enough for vectors; else the states' slopes of all frames, first."""

        def solved(examples, floats, inputs, last, y):
            if examples * math.prod(self.shape) >= FILLED // 2:
                return self.summed(floats, inputs, last, y, 1)
            return self.by_jacobians(floats, inputs, last, y)

        return counted(lambda examples: ft.partial(solved, examples))(floats, inputs, last, y)

    def by_jacobians(self, floats: list[Any], inputs: list[Any], last: list[Any], y: list[Any]) -> Any:
        """The slopes of the states of all frames, and after it what depends on them."""
        pulled = jax.vmap(self.pull, (0, self.rec.axes, 0, 0))
        force = pulled(floats, inputs, [jnp.zeros_like(x) for x in floats], y)[0]
        first, after = system.transposed_costly(self.rec, floats, floats_of(self.tree(floats))[1], tuple(inputs), last, force)
        _, terms, slopes = pulled(floats, inputs, after, y)
        return [*first, *_sums(terms), *slopes]

    def apart(self, floats: list[Any], inputs: list[Any], last: list[Any], y: list[Any]) -> Any:
        """The loop of the state alone, and after it the slopes, which XLA computes together with what they are used for."""

        def one_frame(t, now, same):
            moving, floats, y = now
            return self.pull(floats, self.rec.merged(moving, same), t, y)[0], t

        body, carry, moving, fixed = self.backwards(one_frame, last, inputs, floats, y)
        first, after = self.run(body, carry, moving, fixed, self.rec.ctx.frames)
        _, terms, slopes = jax.vmap(self.pull, (0, self.rec.axes, 0, 0))(floats, inputs, after, y)
        return [*(first if self.rec.rise is None else first["held"]), *_sums(terms), *slopes]

    def by_pieces(self, floats: list[Any], inputs: list[Any], last: list[Any], y: list[Any], sums: list[Any]) -> Any:
        """The loop of the state alone, and after each piece what depends on it, while it is near."""
        frames, axes = self.rec.ctx.frames, self.rec.axes
        size = min(frames, piece_of(frames, max(_PIECE // math.prod(self.shape) // 4 * 4, 32)))
        slopes = [jnp.zeros_like(inputs[i]) for i in self.alive[len(self.still) :]]
        carry = last if self.rec.rise is None else carrying(last)

        def one_frame(t, now, same):
            moving, floats, y = now
            return self.pull(floats, self.rec.merged(moving, same), t, y)[0], t

        def piece(start, count, held):
            carry, sums, slopes = held
            part = lambda x: lax.dynamic_slice_in_dim(x, start, count)  # noqa: E731
            own = [part(x) if v else x for v, x in zip(self.rec.varies, inputs)]
            near = [part(x) for x in floats], own, [part(x) for x in y]
            body, _, moving, fixed = self.backwards(one_frame, last, own, near[0], near[2])
            carry, after = self.run(body, carry, moving, fixed, count)
            _, terms, moved = jax.vmap(self.pull, (0, axes, 0, 0))(near[0], own, after, near[2])
            sums = [s + x.sum(0) for s, x in zip(sums, terms)]
            return carry, sums, [lax.dynamic_update_slice_in_dim(s, x, start, 0) for s, x in zip(slopes, moved)]

        pieces, rest = divmod(frames, size)
        held = carry, sums, slopes
        held = piece(frames - rest, rest, held) if rest else held
        return lax.fori_loop(0, pieces, lambda k, held: piece((pieces - 1 - k) * size, size, held), held)

    def backwards(self, body: Any, last: list[Any], inputs: list[Any], floats: list[Any], y: list[Any]) -> tuple[Any, ...]:
        """Of a `body(t, (inputs, states, tangents of outputs), fixed)` what `loop` takes."""
        moving, fixed = (self.rec.moving(inputs), floats, y), self.rec.fixed(inputs)
        if self.rec.rise is None:
            return body, last, moving, fixed
        moving_slow, fixed_slow = slow_at(self.rec, tuple(inputs), reverse=True)
        return Rising(body, False), carrying(last), (moving, moving_slow), (fixed, fixed_slow)

    def run(self, body: Any, carry: Any, moving: Any, fixed: Any, frames: int, at_once: int | None = None) -> Any:
        return loop(body, carry, moving, fixed, frames, True, True, self.rec.ctx.one_device, at_once)


def _sums(terms: list[Any]) -> list[Any]:
    """Over all frames. Those of one lane are summed together, in one pass; in a batch that would copy them first."""
    if len(terms) < 2 or math.prod(terms[0].shape[1:]) > 1:
        return [x.sum(0) for x in terms]

    def of_batch(size, batched, terms):
        terms = [x if b else jnp.broadcast_to(x, (size, *x.shape)) for x, b in zip(terms, batched[0])]
        return [x.sum(1) for x in terms] if size > _FEW_EXAMPLES else list(jnp.stack(terms).sum(2))

    return with_batch_rule(lambda terms: list(jnp.stack(terms).sum(1)), of_batch)(terms)
