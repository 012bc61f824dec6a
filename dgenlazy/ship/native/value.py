"""Arrays of one frame: where each comes from, how often it is computed, and what is known of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .views import View, dense

CONSTANT, PREPARED, FRAME = range(3)  # how often a value is computed: never again, once per change of parameters, per frame
TYPES = ("float32", "int32", "uint32", "bool")


class Region:
    """The inside of a loop or a branch: what is made in it is computed there alone."""


@dataclass(eq=False)
class Value:
    """An array of one frame.

    Attributes:
        number: In the order in which values are made: arguments come first.
        prim, params, args: The instruction; of what is none, "".
        level: How often it is computed.
        op: The op whose instruction it is.
        const: What it is, where that is known.
        rated: What it is at each of the sample rates, where that is known and differs.
        source: Where it comes from, where from outside: "param", "input" and "state" with a number, "frame", "seed".
        region: The loop or branch that it is computed in.
        base, view: Of a view, the value that it looks at, and how.
    """

    number: int
    shape: tuple[int, ...]
    dtype: str
    prim: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()
    level: int = CONSTANT
    op: str = ""
    const: Any = None
    rated: tuple[Any, ...] = ()
    source: tuple[Any, ...] = ()
    region: Region | None = None
    base: Any = None
    view: View | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def known(self) -> bool:
        """Whether it is a number now, or one for each rate."""
        return self.const is not None or bool(self.rated)

    def at(self, rate: int) -> Any:
        """What is known, at one of the sample rates."""
        return self.rated[rate] if self.rated else self.const

    def seen(self) -> tuple[Value, int, tuple[int, ...]]:
        """The array that it looks at, itself if it is no view, and offset and strides there."""
        return (self.base, self.view.offset, self.view.strides) if self.view else (self, 0, dense(self.shape))


@dataclass(eq=False)
class Key:
    """The key of a noise: two numbers."""

    pair: tuple[Value, Value]


def everywhere(v: Value) -> Any:
    """The number that all elements of a constant are, if they are one."""
    return v.const.flat[0] if v.const is not None and v.size and (v.const == v.const.flat[0]).all() else None


def part(x: np.ndarray, view: View, shape: tuple[int, ...]) -> np.ndarray:
    """What a view sees of numbers that are known."""
    flat = np.ascontiguousarray(x).ravel()
    if not math.prod(shape):
        return np.zeros(shape, flat.dtype)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], shape, [s * flat.itemsize for s in view.strides]).copy()


def view_of(x: Value) -> View:
    return View(*x.seen()[1:])
