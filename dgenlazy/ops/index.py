"""Choosing: fixed indices, rows of a table at an index that moves, one value or the other."""

from __future__ import annotations

import dataclasses
import operator
from types import EllipsisType
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..errors import ArgumentError, AxisError, ShapeError
from ..graph import Data, Spec, Value, composite, derivative_of, lift, pointwise
from .slopes import between, within

_Part = int | np.integer[Any] | slice | EllipsisType | None
Index = _Part | list[int] | list[bool] | npt.NDArray[Any] | tuple[_Part, ...]


@pointwise
def slices(x, *, index):
    return x[tuple(slice(*i[1:]) if isinstance(i, tuple) else i for i in index)]


@pointwise
def gather(x, rows):
    return x[rows]


@composite
def getitem(x: Any, index: Index) -> Any:
    """Part of a value: `x[0]`, `x[1:, ::2]`, `x[..., None]`, or rows `x[[2, 0]]`, as in NumPy.

    Indices that are known now. For one that varies or is learned: `peek_row`.

    >>> Tensor([[1, 2], [3, 4]])[0].realize()
    array([1., 2.], dtype=float32)
    """
    if isinstance(index, Value):
        raise ArgumentError(f"getitem: a {type(index).__name__} is not a fixed index; use peek_row(index)")
    if isinstance(index, (list, np.ndarray)):
        try:
            rows = np.asarray(index)
        except ValueError:
            raise ArgumentError(f"getitem: {index!r} is not a list of whole numbers") from None
        return _rows(lift(x), rows)
    index = index if isinstance(index, tuple) else (index,)
    x = lift(x)
    shape, picked = x.spec.shape, []
    taken = sum(i is not None and i is not Ellipsis for i in index)
    if taken > len(shape):
        hint = "; frames are no axis of it: index what realize() gives" if x.spec.signal and not shape else ""
        raise AxisError(f"getitem: {taken} indices for shape {shape}{hint}")
    axis = 0
    for i in index:
        if isinstance(i, slice):
            try:
                start, stop, stride = (None if n is None else operator.index(n) for n in (i.start, i.stop, i.step))
            except TypeError:
                raise ArgumentError(f"getitem: {i} is not made of whole numbers") from None
            if stride == 0:
                raise ArgumentError("getitem: the step of a slice cannot be 0")
            picked.append(("slice", start, stop, stride))
        elif i is None:
            picked.append(None)
            continue
        elif i is Ellipsis:
            if Ellipsis in picked:
                raise ArgumentError("getitem: more than one ...")
            picked.append(Ellipsis)
            axis += len(shape) - taken
            continue
        else:
            try:
                if isinstance(i, (bool, np.bool_)):
                    raise TypeError
                i = operator.index(i)  # type: ignore[arg-type]
            except TypeError:
                raise ArgumentError(f"getitem: {i!r} is not a whole number, slice, None, ... or list of rows") from None
            if not -shape[axis] <= i < shape[axis]:
                raise AxisError(f"getitem: index {i} is out of range for axis {axis} of length {shape[axis]}")
            picked.append(i)
        axis += 1
    return slices(x, index=tuple(picked))


def _rows(x: Any, rows: np.ndarray) -> Any:
    shape = x.spec.shape
    if not shape:
        raise AxisError("getitem: a single number has no rows")
    if rows.dtype == bool:
        if rows.shape != shape[:1]:
            raise ShapeError(f"getitem: a mask of shape {rows.shape} for {shape[0]} rows")
        rows = np.flatnonzero(rows)
    if rows.size and rows.dtype.kind not in "iu":
        raise ArgumentError(f"getitem: rows of type {rows.dtype} are not whole numbers")
    rows = rows.astype(np.int32)
    if rows.size and not (-shape[0] <= rows.min() and rows.max() < shape[0]):
        raise AxisError(f"getitem: rows {rows.min()} to {rows.max()} are out of range for {shape[0]} rows")
    return gather(x, Data(Spec(rows.shape, dtype=rows.dtype), rows))


_FEW_ROWS, _SMALL_TABLE = 64, 1024  # up to which it was measured


@jax.custom_jvp
def _row(x, at):
    """`x[at]` whose gradient is a sum over all that read a row: of few rows faster than one addition after another."""
    return x[at]


@derivative_of(_row)
def _(primals, tangents):
    (x, at), moved = primals, tangents[0]
    if isinstance(moved, SymbolicZero):
        return x[at], jnp.zeros_like(x[at])
    own = (jnp.arange(len(x)) == at[..., None]).reshape(*at.shape, len(x), *(1,) * (x.ndim - 1))
    return x[at], jnp.where(own, moved, 0).sum(at.ndim)


@pointwise
def peek_row(x, index, *, mode: Literal["clamp", "wrap"] = "clamp", parallel):
    """Row `index` of a table, read between rows by linear interpolation.

    Args:
        x: The table; rows lie along its first axis, `(rows, *shape)`.
        index: Which row, from 0; any shape, it may vary per frame.
        mode: Outside the table, "clamp" gives the first or last row; "wrap" counts modulo the number of rows, and
            between the last row and the end leads back to the first.

    Returns:
        Shape `(*index.shape, *shape)`. At a whole index it is that row, whatever its neighbours are. The gradient goes to
        the table and to the index: there the slope to the next row, at the last of "clamp" from the row before; outside 0.

    Raises:
        ShapeError: the table is a single number or has no rows.

    >>> Tensor([[0, 10], [1, 20]]).peek_row(0.5).realize()
    array([ 0.5, 15. ], dtype=float32)
    """
    if mode not in ("clamp", "wrap"):
        raise ArgumentError(f"mode={mode!r} is not one of clamp, wrap")
    if not x.ndim or not x.shape[0]:
        raise ShapeError("the table has no rows")
    rows = x.shape[0]
    if mode == "clamp":
        index = within(index, 0.0, rows - 1.0)
        below = jnp.minimum(jnp.floor(index), max(rows - 2, 0))
    else:
        index = jnp.mod(index, rows)  # exact at any size, and before it is made a whole number of 32 bits
        below = jnp.floor(index)
    part = jnp.reshape(index - below, index.shape + (1,) * (x.ndim - 1))
    low = below.astype(jnp.int32)
    low, high = (low % rows, (low + 1) % rows) if mode == "wrap" else (low, jnp.minimum(low + 1, rows - 1))
    row = _row if parallel and rows <= _FEW_ROWS and x.size <= _SMALL_TABLE else operator.getitem
    return between(row(x, low), row(x, high), part)


@pointwise
def detached(x):
    return lax.stop_gradient(x)


@composite
def detach(x: Any) -> Any:
    """The same value, through which no gradient goes.

    >>> w = Tensor([3.0], requires_grad=True)
    >>> (w * w.detach()).sum().backward()
    9.0
    >>> w.grad.value
    array([3.], dtype=float32)
    """
    return dataclasses.replace(detached.node(lift(x, "detach")), requires_grad=False)


@pointwise
def where(condition, x, y):
    """`x` where `condition` is not 0, else `y`. What is not taken may be infinite or NaN, and gets a gradient of 0.

    >>> x = Tensor([-1.0, 2.0])
    >>> dg.where(x > 0, x, 0.1 * x).realize()
    array([-0.1,  2. ], dtype=float32)
    """
    return jnp.where(condition != 0, x, y)
