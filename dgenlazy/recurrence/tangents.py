"""States and inputs as JAX differentiates them: which parts have tangents, and how to keep them in shapes that it expects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..graph import FLOAT
from .alike import batched_alike


def mark(arrays: Iterable[Any]) -> Any:
    """A number that depends on all arrays; where it is not used but seems to be, compilers leave it out."""
    return sum(x.ravel()[0].astype(FLOAT) for x in arrays if x.size)


def is_zero(x: Any) -> bool:
    return isinstance(x, SymbolicZero)


def is_float(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def tied(first: list[Any], force: list[Any]) -> tuple[list[Any], list[Any]]:
    """The same numbers, each linear in whatever one of them is linear in: a linear solve is transposed as a whole."""
    both = mark((*first, *force))
    return jax.tree.map(lambda x: jnp.where(np.False_, jnp.asarray(both, x.dtype), x), (first, force))


def live_of(values: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any], Callable[[list[Any]], list[Any]]]:
    """The values that have a tangent, the tangents, and how to put such values back among the others."""
    at = [i for i, t in enumerate(tangents) if not is_zero(t) and is_float(values[i])]

    def merge(live):
        out = list(values)
        for i, x in zip(at, live):
            out[i] = x
        return out

    return [values[i] for i in at], [tangents[i] for i in at], merge


def spread(inputs: Sequence[Any], tangents: Sequence[Any], varies: Sequence[bool], frames: int) -> tuple[list[Any], list[Any]]:
    """Numbers among the inputs that are the same in every frame and have a tangent, as values of every frame, with tangents.

    The gradient of each is a sum over all frames. Spread together they are summed together, in one pass, and in a batch for
    each example before the sum over examples, which devices may have to send each other.
    """
    each: list[Any] = [None] * len(inputs)
    at = [i for i, x in enumerate(inputs) if not varies[i] and not jnp.shape(x) and is_float(x) and not is_zero(tangents[i])]
    if len(at) < 2 or len({inputs[i].dtype for i in at}) > 1:
        return each, list(each)
    moved = list(each)
    own = batched_alike(jnp.stack([tangents[i] for i in at]), inputs)
    together = lax.broadcast_in_dim(own, (len(at), frames), (0,))
    for i, row in zip(at, lax.split(together, [1] * len(at))):
        each[i], moved[i] = jnp.broadcast_to(inputs[i], (frames,)), row.reshape(frames)
    return each, moved


def kept(tree: Any) -> list[bool]:
    """Which leaves of a state say where it is, and not what the rounding of a sum has lost."""
    return [jax.tree_util.DictKey("lost") not in path for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


def live(tree: Any) -> list[bool]:
    """Which leaves of a state have tangents: floats, but not what rounding has lost."""
    return [is_float(x) and k for x, k in zip(jax.tree.leaves(tree), kept(tree))]


def floats_of(tree: Any) -> tuple[list[Any], Any]:
    """The leaves that have tangents, and the tree without them."""
    leaves, rebuild = jax.tree.flatten(tree)
    lives = live(tree)
    return [x for x, a in zip(leaves, lives) if a], rebuild.unflatten([None if a else x for x, a in zip(leaves, lives)])


def joined(floats: list[Any], rest: Any) -> Any:
    left = iter(floats)
    return jax.tree.map(lambda x: next(left) if x is None else x, rest, is_leaf=lambda x: x is None)


def tangents_of(tree: Any, floats: list[Any]) -> Any:
    """`floats` in the structure of `tree`, and zeros for all else, which for whole numbers have a type of their own."""
    leaves, rebuild = jax.tree.flatten(tree)
    left = iter(floats)

    def tangent(x, alive):
        return next(left) if alive else jnp.zeros_like(x) if is_float(x) else np.zeros(x.shape, jax.dtypes.float0)

    return rebuild.unflatten([tangent(x, a) for x, a in zip(leaves, live(tree))])
