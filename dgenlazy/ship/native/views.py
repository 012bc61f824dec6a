"""Arrays of one frame as views of others: base, offset and strides, so that slices and reshapes cost nothing in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class View(NamedTuple):
    """Where the elements of an array lie in the one that it looks at, in elements."""

    offset: int
    strides: Shape


def dense(shape: Sequence[int]) -> Shape:
    """Strides of an array whose elements lie in order."""
    out, count = [], 1
    for length in reversed(shape):
        out.append(count)
        count *= length
    return tuple(reversed(out))


def longer(shape: Sequence[int]) -> Shape:
    """The axes that are not of length 1, which are the loops over an array."""
    return tuple([d for d in shape if d != 1])


def moving(shape: Sequence[int], strides: Sequence[int]) -> Shape:
    """The strides of those axes."""
    return tuple([s for s, d in zip(strides, shape) if d != 1])


def spread(old: Shape, view: View, new: Shape) -> View:
    """As broadcasting does it: axes of length 1, and those that are not there, do not move."""
    strides = [s if d != 1 else 0 for d, s in zip(old, view.strides)]
    return View(view.offset, (*(0,) * (len(new) - len(old)), *strides))


def _reshape(old: Shape, view: View, params: Mapping[str, Any], new: Shape) -> View | None:
    """None for what does not lie in order."""
    if longer(old) == longer(new):
        left = iter(moving(old, view.strides))
        return View(view.offset, tuple([next(left) if d != 1 else 0 for d in new]))
    in_order = moving(old, view.strides) == moving(old, dense(old))
    return View(view.offset, dense(new)) if in_order else None


def _broadcast(old: Shape, view: View, params: Mapping[str, Any], new: Shape) -> View:
    strides = [0] * len(new)
    for length, stride, axis in zip(old, view.strides, params["broadcast_dimensions"]):
        strides[axis] = stride if length != 1 else 0
    return View(view.offset, tuple(strides))


def _transpose(old: Shape, view: View, params: Mapping[str, Any], new: Shape) -> View:
    return View(view.offset, tuple([view.strides[axis] for axis in params["permutation"]]))


def _slice(old: Shape, view: View, params: Mapping[str, Any], new: Shape) -> View:
    steps = params["strides"] or (1,) * len(old)
    first = sum(start * stride for start, stride in zip(params["start_indices"], view.strides))
    return View(view.offset + first, tuple([stride * step for stride, step in zip(view.strides, steps)]))


def _rev(old: Shape, view: View, params: Mapping[str, Any], new: Shape) -> View:
    axes = params["dimensions"]
    last = sum((old[axis] - 1) * view.strides[axis] for axis in axes)
    return View(view.offset + last, tuple([-s if axis in axes else s for axis, s in enumerate(view.strides)]))


# What a primitive only looks at: `(old shape, view, parameters, new shape) -> view`.
LOOKS = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "rev": _rev,
}
