"""The backward pass of a loop whose step is costly: its Jacobians are computed before it, for all frames at once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..graph import carrying
from .analysis import reads
from .loops import loop, rows
from .rising import Rising, slow_at

_MOST_SLOPES = 20  # entries of a Jacobian that are kept for every frame and lane
_TURNED = 512  # frames of a few lanes that fit a core's nearest memory
_FEW_LANES = 24  # one after another, each in its own memory, they are faster than together


def backwards(rec: Any, states: Any, rest: Any, inputs: tuple[Any, ...], last: Any, force: Any) -> Any:
    """Solve `t[n] = J[n]^T t[n + 1] + force[n]` from `last` on, J the Jacobian of a step whose lanes are apart.

    Returns:
        The first `t`, and the `t` after every frame; None where there would be too many slopes to keep.
    """
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
        entries = jax.tree.leaves(jax.vmap(jacobian, (0, 0, *rec.axes))(states, rest, *inputs))
        moving = [e for e, m in zip(entries, moves) if m]
        fixed = [e[0] for e, m in zip(entries, moves) if not m]
        apart = rec.ctx.one_device and not rec.ctx.parallel
        if rec.rise is None:
            return loop(one_frame, last, (moving, force), fixed, rec.ctx.frames, False, True, apart)
        moving_slow, fixed_slow = slow_at(rec, inputs, reverse=True)
        moving, fixed = ((moving, force), moving_slow), (fixed, fixed_slow)
        first, t = loop(Rising(one_frame, False), carrying(last), moving, fixed, rec.ctx.frames, False, True, apart)
        return first["held"], t

    frame = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), (states, rest))
    frame += tuple(jax.ShapeDtypeStruct(x.shape[v:], x.dtype) for v, x in zip(rec.varies, inputs))
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
