"""The shape in which lanes are run, of which LLVM makes vectors.

XLA has the innermost of several loops unrolled, and the others not. So a row of few numbers is taken apart, number by number,
and a column of them is not.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from .summing import Summing

FILLED = 8  # numbers that fill a vector
_ROW = 64  # numbers side by side, of which vectors are made also in a row


def laid_out(body: Any, tile: int, carry: Any, moving: Any) -> tuple[int, ...]:
    """The shape in which so many of all lanes are run."""
    lanes, wide = jax.tree.leaves(carry)[0].size, sum(math.prod(x.shape[1:]) > 1 for x in jax.tree.leaves(moving))
    # What is computed from all frames of a column is not written in its place, but takes another array as long as the run.
    crowds = lanes > 4 * FILLED and wide > 1 and not isinstance(body, Summing)
    return (tile, 1) if is_column(tile) and not crowds else (tile,)


def is_column(numbers: int) -> bool:
    """Whether so many numbers are run as a column."""
    return FILLED // 2 <= numbers < _ROW


def rows(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` of a value per frame, for lanes of `shape`: `(frames, lanes)`, or `(frames,)` for what all lanes share."""
    if math.prod(x.shape[1:]) == 1 and shape != ():
        return x.reshape(len(x))
    x = x.reshape(len(x), *(1,) * (len(shape) + 1 - x.ndim), *x.shape[1:])
    return jnp.broadcast_to(x, (len(x), *shape)).reshape(len(x), math.prod(shape))


def parts_of(laid: tuple[int, ...], carry: Any, moving: Any, fixed: Any) -> tuple[Any, Any, Any]:
    """The shapes that the body takes for lanes of the shape `laid`."""

    def part(x, frames):
        alone = math.prod(x.shape[frames:]) == 1
        return jax.ShapeDtypeStruct(() if alone else laid, x.dtype)

    now, same = jax.tree.map(lambda x: part(x, 1), moving), jax.tree.map(lambda x: part(x, 0), fixed)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(laid, x.dtype), carry), now, same


def works(body: Any, laid: tuple[int, ...], carry: Any, moving: Any, fixed: Any) -> bool:
    """Whether a body takes any number of lanes; one that names the number of all, or an axis, does not."""
    sizes = {x.size for x in jax.tree.leaves(fixed)} | {math.prod(x.shape[1:]) for x in jax.tree.leaves(moving)}
    if not sizes <= {1, jax.tree.leaves(carry)[0].size}:  # what no output depends on
        return False
    parts = parts_of(laid, carry, moving, fixed)
    try:
        out = jax.eval_shape(body, *parts)
    except (TypeError, ValueError, IndexError):
        return False
    return all(x.shape == laid for x in jax.tree.leaves(out))
