"""A loss as a function of its parameters, also in float64: what differences are taken of."""

from __future__ import annotations

import contextlib
import functools as ft
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from jax.sharding import SingleDeviceSharding

from ..graph import with_float64
from ..run import Compiled, kept, loss_of, title
from .source import Part

Floats = npt.NDArray[np.floating[Any]]


class Landscape:
    """A loss as a function of its parameters: as training sees it, or in float64 on the CPU.

    Attributes:
        values: Of the parameters, as they are.
    """

    def __init__(self, part: Part, double: bool):
        program, learned, settings = part.kind
        self._kind = program, learned, (*settings[:2], jax.devices("cpu")[0], *settings[3:]) if double else settings
        self._mode = ft.partial(with_float64, True) if double else contextlib.nullcontext
        self._real = np.float64 if double else np.float32
        arrays = [np.asarray(x) for x in part.arrays]
        self._arrays: list[Any] = [x.astype(self._real) if x.dtype.kind == "f" else x for x in arrays]
        self.values: list[Floats] = [self._arrays[i + 1] for i in learned]

    def gradient(self, values: Sequence[Floats]) -> tuple[float, list[Floats]]:
        """The loss at a point, and its slope along each parameter there."""
        with self._mode():
            loss, slopes = _compiled(*self._kind)(list(values), self._arrays)
            return float(loss), [np.asarray(g) for g in slopes]


@kept
def _compiled(program: Any, learned: tuple[int, ...], settings: tuple[Any, ...]) -> Any:
    """`(values, arrays) -> (loss, gradient)`."""
    loss_in = loss_of(program, learned, *settings)

    def loss(values, arrays):
        return loss_in(values, arrays[0], arrays[1:])

    what = title(program, settings[0], "the gradient of ")
    return Compiled(jax.value_and_grad(loss), what, in_shardings=SingleDeviceSharding(settings[2]))
