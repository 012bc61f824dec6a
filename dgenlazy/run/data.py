"""The data of leaves: how it gets to a device, and how it is assigned while others read it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..graph import Data, Input, Leaf, Seed
from . import backend
from .cache import kept
from .compiling import Compiled

assigning = threading.RLock()  # held to change a leaf's data or gradient by what it was


def on_device(leaf: Data, where: Any) -> Any:
    """The array of a leaf, moved to `where` once and kept there."""
    array = leaf.array
    if not isinstance(array, (np.ndarray, np.generic)) and array.devices() == {where}:
        return array
    moved = backend.concrete(jax.device_put(array, where))
    with assigning:
        if leaf.array is array:  # another thread may have assigned what is newer
            leaf.array = moved
    return moved


def given(leaf: Data, where: Any, start: int) -> Any:
    """The array of a leaf for a run from `start` on. A knob turned between blocks is handed over faster than it is moved."""
    array = leaf.array
    turned = start and isinstance(array, np.ndarray) and array.size <= _SMALL and where.platform == "cpu"
    return array if turned else on_device(leaf, where)


_SMALL = 64  # elements


def key(leaf: Seed, seed: int, number: int) -> np.ndarray:
    """What a noise is a function of. Given seeds and numbers never meet: the second of three tells them apart."""
    return np.array([seed, *((0, number) if leaf.seed is None else (1, leaf.seed))], np.uint32)


def assign(objects: Sequence[Any], name: str, values: Sequence[Any], *others: tuple[Any, str, Any]) -> None:
    """Set one attribute of many objects, and `others`, all in one call into C: an interrupt finds all of it old, or all new."""
    changes = [*zip(objects, repeat(name), values), *others]
    with assigning:
        deque(map(setattr, *zip(*changes)), maxlen=0)


@contextlib.contextmanager
def added(leaves: Sequence[Any], grads: Sequence[Any], where: Any) -> Iterator[None]:
    """A block in which gradients, added to what each leaf has, may still be computed. If that fails, what was there comes back.

    So the time of waiting for them is made use of, and who interrupts it finds all as it was.
    """
    with assigning:  # so that of two threads both count
        before = [leaf.grad for leaf in leaves]
        if any([grad is not None for grad in before]):
            kinds = tuple([None if grad is None else grad.shape for grad in before])
            grads = _compiled_sum(kinds, where)(jax.device_put(before, where), grads)
        assign(leaves, "grad", grads)
    try:
        yield
    except BaseException:
        with assigning:
            if all([leaf.grad is grad for leaf, grad in zip(leaves, grads)]):  # else another thread has added to them
                assign(leaves, "grad", before)
        raise


@kept
def _compiled_sum(kinds: tuple[Any, ...], where: Any) -> Any:
    """`(before, more) -> sums`, of gradients some of which may be None before; `kinds` tells their shapes, or None."""

    def fn(before, more):
        return [b if a is None else a + b for a, b in zip(before, more)]

    return Compiled(fn, f"the sum of {len(kinds)} gradients", in_shardings=SingleDeviceSharding(where))


def name_what_is_not_finite(leaves: Sequence[Leaf], arrays: Sequence[Any], start: int) -> None:
    """Say in the log which inputs of a run hold a NaN or an infinity, and where the first is."""
    for leaf, x in zip(leaves, arrays):
        if isinstance(leaf, Input) and not np.isfinite(x).all():
            at = np.argwhere(~np.isfinite(x))[0]
            _log.warning("Signal.input(%d): %s at frame %d", leaf.channel, x[tuple(at)], start + at[-1])


def name_what_is_too_long(leaf: Data, array: np.ndarray) -> None:
    """Say in the log that delays made of a leaf do not hold the time that it is given."""
    if leaf.longest < np.inf and (array > leaf.longest).any():
        _log.warning(
            "value: %g is more than the %d frames that a delay made with it holds, and counts as these; "
            "give the delay max_delay, or the parameter max",
            array.max(),
            leaf.longest,
        )


_log = logging.getLogger("dgenlazy")
