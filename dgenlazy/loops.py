"""Loops over frames, one after another, in the shapes that XLA runs fast on a CPU.

XLA:CPU compiles a `while` loop to a single piece of machine code if one iteration touches at most about a kilobyte; beyond it,
each operation of the body becomes a call, and an iteration costs several times as much (measured with jax 0.10: 8 lanes of a
biquad 1 ms for 44,100 frames, 16 lanes 5 ms). So a few lanes that are independent of each other are run tile by tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

_SMALL = 1024  # bytes that an iteration may touch
_MOVING, _CARRIED = 8, 24  # bytes that a lane of an input, and of the state, counts for
_MOST_TILES = 5  # with more, one wide loop is faster


def loop(
    body: Callable[[Any, Any, Any], tuple[Any, Any]],
    carry: Any,
    moving: Any,
    fixed: Any,
    frames: int,
    lanewise: bool,
    reverse: bool,
) -> tuple[Any, Any]:
    """`body(carry, moving, fixed) -> (carry, output)` for every frame: `(carry after the last, outputs)`.

    Args:
        moving: Arrays with the frame axis first.
        fixed: Arrays that are the same in every frame.
        lanewise: Whether lanes may be run apart on a CPU: then all of `carry` and the outputs have one shape, and the
            body works on any part of it.
        reverse: From the last frame to the first; outputs stay where they belong.
    """
    tile = _tile(carry, moving) if lanewise else 0
    if tile:
        return _tiled(body, carry, moving, fixed, frames, tile, reverse)
    return lax.scan(lambda c, m: body(c, m, fixed), carry, moving, length=frames, reverse=reverse)


def _tile(carry: Any, moving: Any) -> int:
    """How many lanes to run at a time; 0 for all."""
    leaves = jax.tree.leaves(carry)
    lanes = leaves[0].size
    wide = sum(x[0].size > 1 for x in jax.tree.leaves(moving) if len(x))
    most = _SMALL // (_MOVING * wide + _CARRIED * len(leaves))
    tile = most if most < 4 else most - most % 4
    return tile if 0 < tile < lanes <= _MOST_TILES * tile else 0


def _tiled(body: Any, carry: Any, moving: Any, fixed: Any, frames: int, tile: int, reverse: bool) -> tuple[Any, Any]:
    shape = jax.tree.leaves(carry)[0].shape
    lanes = math.prod(shape)

    def rows(x):
        """`(frames, lanes)`, or `(frames,)` for what all lanes share."""
        if math.prod(x.shape[1:]) == 1:
            return x.reshape(len(x))
        x = x.reshape(len(x), *(1,) * (len(shape) + 1 - x.ndim), *x.shape[1:])
        return jnp.broadcast_to(x, (len(x), *shape)).reshape(len(x), lanes)

    carry = jax.tree.map(lambda x: x.reshape(lanes), carry)
    moving, (fixed,) = jax.tree.map(rows, moving), jax.tree.map(lambda x: rows(x[None]), (fixed,))
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct((tile,) * (x.ndim - 1), x.dtype), (moving, fixed))
    part = jax.tree.map(lambda x: jax.ShapeDtypeStruct((tile,), x.dtype), carry)
    made = jax.eval_shape(body, part, *one)[1]
    outputs = jax.tree.map(lambda x: jnp.zeros((frames, lanes), x.dtype), made)

    def group(g, held):
        ends, outputs = held
        at = jnp.minimum(g * tile, lanes - tile)  # the last tile may run some lanes again
        first = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, at, tile), carry)
        same = jax.tree.map(lambda x: x[0] if x.ndim == 1 else lax.dynamic_slice(x, (0, at), (1, tile))[0], fixed)

        def frame(i, held):
            n = frames - 1 - i if reverse else i
            state, outputs = held
            now = jax.tree.map(lambda x: x[n] if x.ndim == 1 else lax.dynamic_slice(x, (n, at), (1, tile))[0], moving)
            state, out = body(state, now, same)
            return state, jax.tree.map(lambda all_, x: lax.dynamic_update_slice(all_, x[None], (n, at)), outputs, out)

        last, outputs = lax.fori_loop(0, frames, frame, (first, outputs))
        return jax.tree.map(lambda all_, x: lax.dynamic_update_slice_in_dim(all_, x, at, 0), ends, last), outputs

    ends, outputs = lax.fori_loop(0, -(-lanes // tile), group, (carry, outputs))
    return jax.tree.map(lambda x: x.reshape(shape), ends), jax.tree.map(lambda x: x.reshape(frames, *shape), outputs)
