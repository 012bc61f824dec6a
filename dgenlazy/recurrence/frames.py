"""A loop over all frames, or over a piece after another, of a body that may want to know where pieces begin."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .rising import Rising, piece_of
from .summing import Summing

PIECED = Rising, Summing  # bodies of loops that run in pieces
CROWDED = 512  # frames; examples of a multiple of that meet in the same few places of a cache


def unwritten(like: Any, axes: tuple[int, ...], reverse: bool) -> Any:
    """Arrays with these axes before those of `like`, whose every number is written before it is read.

    Each begins as another number, those of a loop and of its derivative too, and none as 0 or 1, of which there are others: XLA
    makes what is equal once, and would copy it for each array of its own.
    """
    leaves, rebuild = jax.tree.flatten(like)
    return rebuild.unflatten([jnp.full((*axes, *x.shape), i, x.dtype) for i, x in zip(itertools.count(2 + reverse, 2), leaves)])


def inside(body: Any, carry: Any, fixed: Any) -> tuple[Any, Any]:
    """What the body itself takes as its carry and as what is fixed."""
    return body.inside(carry, fixed) if isinstance(body, PIECED) else (carry, fixed)


def ends_of(body: Any) -> tuple[Any, Any] | None:
    return (body.enter, body.leave) if isinstance(body, PIECED) else None


def whole(
    body: Any, carry: Any, moving: Any, fixed: Any, frames: int, reverse: bool, at_once: int, turned: Any
) -> tuple[Any, Any]:
    """`body(carry, moving, fixed)` for every frame: `(carry after the last, outputs)`.

    Args:
        turned: What becomes of each array that moves, at its frame.
    """
    if not isinstance(body, PIECED):
        step = lambda c, m: body(c, jax.tree.map(turned, m), fixed)  # noqa: E731
        return lax.scan(step, carry, moving, length=frames, reverse=reverse, unroll=at_once)
    now = jax.tree.map(lambda x: jax.eval_shape(turned, jax.ShapeDtypeStruct(x.shape[1:], x.dtype)), moving)
    first, same = inside(body, carry, fixed)
    outputs = unwritten(jax.eval_shape(body, first, now, same)[1], (frames,), reverse)

    def at_frame(n):
        return jax.tree.map(lambda x: turned(lax.dynamic_index_in_dim(x, n, keepdims=False)), moving)

    def put(all_, x, n):
        return lax.dynamic_update_index_in_dim(all_, x, n, 0)

    return over_frames(body, ends_of(body), (carry, outputs), at_frame, put, fixed, frames, reverse, at_once)


def over_frames(
    body: Any, ends: Any, held: Any, at_frame: Any, put: Any, fixed: Any, frames: int, reverse: bool, unroll: int = 1
) -> tuple[Any, Any]:
    """`held`, a carry and the outputs, after all frames.

    Args:
        ends: What a body that runs in pieces does where one begins and where it ends, else None.
        at_frame: Of a frame's number; what moves.
        put: `(outputs, output, number)`.
    """

    def number(i):
        return frames - 1 - i if reverse else i

    def run(held, same, start, count):
        def frame(i, held):
            n = number(start + i)
            state, out = body(held[0], at_frame(n), same)
            return state, jax.tree.map(lambda all_, x: put(all_, x, n), held[1], out)

        return lax.fori_loop(0, count, frame, held, unroll=unroll if count % unroll == 0 else 1)

    if not ends:
        return run(held, fixed, 0, frames)

    def piece(start, count, held):
        base, away = ends[0](held[0], at_frame(number(start)), fixed)
        away, outputs = run((away, held[1]), (fixed, base), start, count)
        return ends[1](base, away), outputs

    size = piece_of(frames)
    pieces, rest = divmod(frames, size)
    if pieces:
        held = lax.fori_loop(0, pieces, lambda k, held: piece(k * size, size, held), held)
    return piece(frames - rest, rest, held) if rest else held


def by_pieces(body: Any, ends: Any, held: Any, near: Any, put: Any, fixed: Any, frames: int, reverse: bool) -> tuple[Any, Any]:
    """`over_frames`, of whole pieces, of which each is laid out anew with the frame axis first.

    Args:
        near: Of the number of a frame, and how many; what moves, with the frame axis first.
        put: `(outputs, outputs of so many frames, number of the first)`.
    """

    def piece(start, held):
        low = frames - CROWDED - start if reverse else start
        moving = near(low, CROWDED)

        def at_frame(n):
            return jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, n, keepdims=False), moving)

        def put_one(all_, x, n):
            return lax.dynamic_update_index_in_dim(all_, x, n, 0)

        shape = jax.tree.leaves(held[0])[0].shape
        made = unwritten(jax.tree.map(lambda x: jax.ShapeDtypeStruct(shape, x.dtype), held[1]), (CROWDED,), reverse)
        carry, made = over_frames(body, ends, (held[0], made), at_frame, put_one, fixed, CROWDED, reverse)
        return carry, jax.tree.map(lambda all_, x: put(all_, x, low), held[1], made)

    return lax.fori_loop(0, frames // CROWDED, lambda k, held: piece(k * CROWDED, held), held)
