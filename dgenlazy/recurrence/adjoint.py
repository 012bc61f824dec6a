"""The backward pass of a loop whose step is costly.

Side by side, many lanes or examples fill vectors, and the loop computes what it needs of a frame itself. Few do not, nor what
XLA would not make one piece: then Jacobians are computed before the loop, of all frames, or of a piece of it while it is near.
"""

from __future__ import annotations

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..graph import carrying
from .analysis import reads
from .batch_rule import counted
from .frames import unwritten
from .lanes import FILLED, rows
from .loops import loop, side_by_side
from .rising import Rising, piece_of, slow_at

_MOST_SLOPES = 20  # entries of a Jacobian that are kept for every frame and lane
_MANY = 16  # numbers side by side, of which the Jacobians of all frames would not stay near
_PIECE = 2048  # frames
_TURNED = 512  # frames of a few lanes that fit a core's nearest memory
_FEW_LANES = 24  # one after another, each in its own memory, they are faster than together


def backwards(
    rec: Any, pull: Any, by_loop: Any, states: Any, rest: Any, inputs: tuple[Any, ...], last: Any, force: Any
) -> tuple[Any, Any]:
    """Solve `t[n] = J[n]^T t[n + 1] + force[n]` from `last` on, J the Jacobian of a step whose lanes are apart.

    Args:
        pull: `J^T t` at one frame, of `(t, *inputs, states, rest)`.
        by_loop: `(last, force, states=, rest=, inputs=)`, the same with all of it computed in the loop.

    Returns:
        The first `t`, and the `t` after every frame.
    """

    def solved(examples, states, rest, inputs, last, force):
        many = last[0].size * examples
        if many < FILLED or not _fills(rec, pull, states, rest, inputs, last, force):
            found = _by_jacobians(rec, states, rest, inputs, last, force, many)
            if found is not None:
                return found
        return by_loop(last, force, states=states, rest=rest, inputs=inputs)

    return counted(lambda examples: ft.partial(solved, examples))(states, rest, inputs, last, force)


def _fills(rec: Any, pull: Any, states: Any, rest: Any, inputs: tuple[Any, ...], last: Any, force: Any) -> bool:
    """Whether as many numbers as fill vectors fit in an iteration of the loop that computes all itself."""

    def body(t, now, fixed):
        moving, states, rest, force = now
        return jax.tree.map(jnp.add, pull(t, *rec.merged(moving, fixed), states, rest), force), t

    return side_by_side(body, last, (rec.moving(inputs), states, rest, force), rec.fixed(inputs)) >= FILLED


def _by_jacobians(rec: Any, states: Any, rest: Any, inputs: tuple[Any, ...], last: Any, force: Any, many: int) -> Any:
    """The same, of Jacobians that are computed before; None where there would be too many slopes to keep."""
    width, shape = len(states), last[0].shape

    def column(j, states, rest, *inputs):
        def with_one(s):
            return rec.next([s if i == j else x for i, x in enumerate(states)], rest, *inputs)

        return jax.jvp(with_one, (states[j],), (jnp.ones_like(states[j]),))[1]

    def jacobian(states, rest, *inputs):
        return [column(j, states, rest, *inputs) for j in range(width)]

    def one_frame(t, now, fixed):
        left, right = iter(now[0]), iter(fixed)
        slopes = [next(left) if m else next(right) for m in moves]
        columns = [slopes[j * width : (j + 1) * width] for j in range(width)]
        return [sum((a * x for a, x in zip(c, t)), f) for c, f in zip(columns, now[1])], t

    def run(states, rest, inputs, last, force):
        frames = rec.ctx.frames
        carry = last if rec.rise is None else carrying(last)
        if many < _MANY or frames <= _PIECE:
            carry, t = run_piece(states, rest, inputs, carry, force, frames)
        else:
            carry, t = by_pieces(states, rest, inputs, carry, force, frames)
        return carry if rec.rise is None else carry["held"], t

    def by_pieces(states, rest, inputs, carry, force, frames):
        def piece(start, count, held):
            carry, t = held
            part = lambda x: lax.dynamic_slice_in_dim(x, start, count)  # noqa: E731
            own = tuple([part(x) if v else x for v, x in zip(rec.varies, inputs)])
            near_states, near_rest, near_force = jax.tree.map(part, (states, rest, force))
            carry, near = run_piece(near_states, near_rest, own, carry, near_force, count)
            return carry, [lax.dynamic_update_slice_in_dim(x, y, start, 0) for x, y in zip(t, near)]

        size = piece_of(frames, _PIECE)
        pieces, left = divmod(frames, size)
        held = carry, unwritten([x[0] for x in force], (frames,), True)
        held = piece(frames - left, left, held) if left else held
        return lax.fori_loop(0, pieces, lambda k, held: piece((pieces - 1 - k) * size, size, held), held)

    def run_piece(states, rest, inputs, carry, force, frames):
        entries = jax.tree.leaves(jax.vmap(jacobian, (0, 0, *rec.axes))(states, rest, *inputs))
        moving = [e for e, m in zip(entries, moves) if m]
        fixed = [e[0] for e, m in zip(entries, moves) if not m]
        apart = rec.ctx.one_device and not rec.ctx.parallel
        if rec.rise is None:
            return loop(one_frame, carry, (moving, force), fixed, frames, False, True, apart)
        moving_slow, fixed_slow = slow_at(rec, inputs, reverse=True)
        moving, fixed = ((moving, force), moving_slow), (fixed, fixed_slow)
        return loop(Rising(one_frame, False), carry, moving, fixed, frames, False, True, apart)

    frame = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), (states, rest))
    frame += tuple(rec.frame(inputs))
    still = {len(jax.tree.leaves((states, rest))) + i for i, v in enumerate(rec.varies) if not v}
    moves = [bool(need - still) for need in reads(jacobian, *frame)]
    if sum(moves) > _MOST_SLOPES:
        return None
    if len(shape) != 1 or not 1 < shape[0] <= _FEW_LANES or not _takes_one_lane(jacobian, frame):
        return run(states, rest, inputs, last, force)

    shared = [x.size == (len(x) if v else 1) for v, x in zip(rec.varies, inputs)]
    own = [x if v else x[None] for v, s, x in zip(rec.varies, shared, inputs) if not s]

    def one_lane(lane):
        states, rest, own, last, force = lane
        left = iter(own)
        now = [x if s else next(left) if v else next(left)[0] for v, s, x in zip(rec.varies, shared, inputs)]
        return run(states, rest, tuple(now), last, force)

    states, rest, own, force = jax.tree.map(lambda x: _turned(rows(x, shape)), (states, rest, own, force))
    first, t = lax.map(one_lane, (states, rest, own, [x[:, None] for x in last], force))
    return [x.reshape(shape) for x in first], [x[..., 0].T for x in t]


def _turned(x: Any) -> Any:
    """`(frames, lanes)` with lanes first, each with an axis of length 1.

    In pieces: turned as a whole, what it is computed from would be computed in that order, one number at a time.
    """
    frames, lanes = x.shape
    size = min(frames, _TURNED)

    def piece(n, out):
        at = jnp.minimum(n * size, frames - size)  # the last piece may turn some frames again
        return lax.dynamic_update_slice(out, lax.dynamic_slice_in_dim(x, at, size).T, (0, at))

    return lax.fori_loop(0, -(-frames // size), piece, jnp.zeros((lanes, frames), x.dtype))[..., None]


def _takes_one_lane(jacobian: Any, frame: Any) -> bool:
    """Whether a step of many lanes may be run on one: not if it names their number."""
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct((1,) if x.shape else (), x.dtype), frame)
    try:
        return all(x.shape == (1,) for x in jax.tree.leaves(jax.eval_shape(jacobian, *one)))
    except (TypeError, ValueError, IndexError):
        return False
