"""Batches: which arrays of a run hold one value per example, and how many examples there are.

A batched run is the program of one example under `jax.vmap`, so that no op knows of it and each example is what it would be
alone. Whether a run is batched follows from its arrays; the program does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import InputError
from .node import Data, Input, Leaf


class Batch(NamedTuple):
    """A batched run, as part of the key of what is compiled.

    Attributes:
        size: How many examples.
        axes: For each array of the program, 0 where it has the batch axis, None where all examples share it.
    """

    size: int
    axes: tuple[int | None, ...]


def may_be_batched(leaves: Sequence[Leaf]) -> tuple[int, ...]:
    """Which leaves make a run batched, or may, by what is given to them."""
    return tuple([i for i, x in enumerate(leaves) if isinstance(x, Input) or (isinstance(x, Data) and x.batched)])


def batch_of(leaves: Sequence[Leaf], arrays: Sequence[Any], where: Sequence[int]) -> Batch | None:
    """The batch of a run, by its arrays; None if no array has a batch axis. `where` is `may_be_batched(leaves)`."""
    found = [i for i in where if arrays[i].ndim > len(leaves[i].spec.shape) + leaves[i].spec.varies]
    if not found:
        return None
    sizes = {i: arrays[i].shape[0] for i in found}
    size = sizes[found[0]]
    other = next((i for i in found if sizes[i] != size), None)
    if other is not None:
        one, two = (f"{_named(leaves[i])} has {sizes[i]} examples" for i in (found[0], other))
        raise InputError(f"batch: {one}, {two}; a run has as many of each")
    return Batch(size, tuple([0 if i in sizes else None for i in range(len(arrays))]))


def _named(leaf: Leaf) -> str:
    if isinstance(leaf, Input):
        return f"Signal.input({leaf.channel})"
    if leaf.spec.varies:
        return f"Signal.from_samples of shape {leaf.spec.shape}"
    return "a Signal" if leaf.spec.signal else f"a Tensor of shape {leaf.spec.shape}"
