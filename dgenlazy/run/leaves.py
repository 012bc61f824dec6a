"""Leaves made of the numbers that users give."""

from __future__ import annotations

import functools as ft
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..config import Array, flag, real_array, whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Data, Spec, Value, checked
from . import memory


def number(name: str, value: Any) -> float:
    array = real_array(name, value)
    if array.shape:
        raise ShapeError(
            f"{name}: takes one number, got shape {array.shape}; use Signal.from_samples for one per frame, Tensor for an array"
        )
    return float(array)


def of_one(name: str, array: np.ndarray, batched: bool) -> tuple[int, ...]:
    """The shape of the data of one example."""
    if flag(f"{name}: batched", batched) and not array.ndim:
        raise ShapeError(f"{name}: batched=True takes an array whose first axis is the batch, got one number")
    return array.shape[batched:]


def shape(name: str, given: Any) -> tuple[int, ...]:
    if type(given) is tuple and not given:
        return ()
    lengths = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    out = tuple(whole_number(f"{name}: shape", n) for n in lengths)
    memory.needs(name, out)
    return out


@ft.lru_cache
def every(shape: tuple[int, ...], hop: int) -> Spec:
    """The spec of a Signal; graphs that are built anew have the same one, which is told from others at once."""
    return Spec(shape, True, hop)


def bounds(name: str, low: Array | None, high: Array | None) -> tuple[float, float]:
    out = (
        -np.inf if low is None else number(f"{name}: min", low),
        np.inf if high is None else number(f"{name}: max", high),
    )
    if not out[0] < out[1]:
        raise ArgumentError(f"{name}: min={low!r} is not below max={high!r}")
    return out


def parameter(name: str, x: Any, requires_grad: bool, low: Array | None, high: Array | None, batched: bool) -> Data:
    if isinstance(x, Value):
        raise ArgumentError(f"{name}: takes a number, got a {type(x).__name__}")
    inside = bounds(name, low, high)
    array = real_array(name, x) if flag(f"{name}: batched", batched) else np.array(number(name, x), np.float32)
    if array.ndim != batched:
        raise ShapeError(f"{name}: batched=True takes one number for each example, got shape {array.shape}")
    array = checked(name, array, requires_grad, *inside)
    return Data(Spec((), True), array, *inside, requires_grad=requires_grad)


def parameters(name: str, x: Any, low: Array | None, high: Array | None) -> Data:
    """An array of them, all inside the same bounds."""
    if isinstance(x, Value):
        raise ArgumentError(f"{name}: takes numbers, got a {type(x).__name__}")
    inside = bounds(name, low, high)
    array = checked(name, real_array(name, x), True, *inside)
    return Data(Spec(array.shape), array, *inside, requires_grad=True)
