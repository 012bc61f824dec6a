"""Shapes, reductions, linear algebra and convolution. Axes are those of one frame, never the frame axis."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import whole_number
from ..errors import ArgumentError, AxisError, ShapeError
from ..graph import Value, composite, pointwise
from . import math, slopes


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    """`axis`, one or several, as axes in [0, rank); None means all."""
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if isinstance(a, bool) or not isinstance(a, int):
            raise ArgumentError(f"axis={axis!r} is not a whole number")
        if not -rank <= a < rank:
            hint = " (a frame is a single number; accum() sums over frames)" if rank == 0 else ""
            raise AxisError(f"axis {a} is out of range for {rank} axes{hint}")
    positive = tuple(a % rank for a in axes)
    if len(set(positive)) < len(positive):
        raise AxisError(f"axis={axis!r} names an axis twice")
    return positive


def _one_axis(axis: Any, rank: int) -> int:
    if axis is None or isinstance(axis, tuple):
        raise ArgumentError(f"axis={axis!r} is not one axis, a whole number")
    return _axes(axis, rank)[0]


@pointwise
def reshape(x, *, shape: int | Sequence[int]):
    """The same elements in another shape. One length may be -1: it follows from the others.

    >>> Tensor([1, 2, 3, 4, 5, 6]).reshape([2, 3]).shape
    (2, 3)
    """
    lengths = [whole_number("shape", n, least=-1) for n in (shape if isinstance(shape, tuple) else (shape,))]
    known = int(np.prod([n for n in lengths if n != -1]))
    if lengths.count(-1) > 1:
        raise ShapeError("more than one length is -1")
    if -1 in lengths:
        if known == 0 or x.size % known:
            raise ShapeError(f"{x.size} elements do not divide into it")
        lengths = [x.size // known if n == -1 else n for n in lengths]
    elif known != x.size:
        raise ShapeError(f"{x.size} elements do not fit into {known}")
    return jnp.reshape(x, lengths)


@pointwise
def transpose(x, *, axes: Sequence[int] | None = None):
    """Axes in another order; reversed without `axes`.

    >>> Tensor([[1, 2, 3], [4, 5, 6]]).transpose().shape
    (3, 2)
    >>> Tensor.zeros([2, 3, 4]).transpose(axes=[1, 0, 2]).shape
    (3, 2, 4)
    """
    if axes is None:
        return jnp.transpose(x)
    axes = _axes(axes, x.ndim)
    if len(axes) != x.ndim:
        raise AxisError(f"axes={axes!r} does not name each of {x.ndim} axes once")
    return jnp.transpose(x, axes)


@pointwise
def flip(x, *, axis: int | Sequence[int] | None = None):
    """The elements of a frame in reverse order, along all axes or along `axis`.

    >>> Tensor([[1, 2], [3, 4]]).flip(axis=1).realize()
    array([[2., 1.],
           [4., 3.]], dtype=float32)
    """
    return jnp.flip(x, _axes(axis, x.ndim))


@pointwise
def sum(x, *, axis: int | Sequence[int] | None = None):
    """Sum over all elements of a frame, or over `axis`.

    >>> Tensor([[1, 2], [3, 4]]).sum(axis=0).realize()
    array([4., 6.], dtype=float32)
    """
    return jnp.sum(x, axis=_axes(axis, x.ndim))


@pointwise
def mean(x, *, axis: int | Sequence[int] | None = None):
    """Mean over all elements of a frame, or over `axis`. NaN where there are none.

    >>> Tensor([[1, 2], [3, 4]]).mean(axis=1).realize()
    array([1.5, 3.5], dtype=float32)
    """
    return jnp.mean(x, axis=_axes(axis, x.ndim))


@pointwise
def amin(x, *, axis=None):
    return slopes.extreme(x, _axes(axis, x.ndim), False)


@pointwise
def amax(x, *, axis=None):
    return slopes.extreme(x, _axes(axis, x.ndim), True)


@composite
def min(x: Any, y: Any = None, axis: int | Sequence[int] | None = None) -> Any:
    """With `y`, the smaller of each pair of elements; without, the smallest over `axis` or over all.

    Where several are the smallest, they share the gradient in equal parts: halves, of a pair.

    >>> Tensor([1.0, 5.0]).min(3).realize()
    array([1., 3.], dtype=float32)
    >>> Tensor([[1, 2], [3, 0]]).min(axis=0).realize()
    array([1., 0.], dtype=float32)
    """
    return _extreme("min", math.minimum, amin, x, y, axis)


@composite
def max(x: Any, y: Any = None, axis: int | Sequence[int] | None = None) -> Any:
    """With `y`, the larger of each pair of elements; without, the largest over `axis` or over all.

    Where several are the largest, they share the gradient in equal parts: halves, of a pair. `relu` and `clamp` do not.

    >>> Tensor([1.0, 5.0]).max(3).realize()
    array([3., 5.], dtype=float32)
    >>> Tensor([[1, 2], [3, 0]]).max().realize()
    array(3., dtype=float32)
    """
    return _extreme("max", math.maximum, amax, x, y, axis)


def _extreme(name: str, pairwise: Any, reduction: Any, x: Any, y: Any, axis: Any) -> Any:
    if y is None:
        return reduction(x, axis=axis)
    if axis is not None:
        raise ArgumentError(f"{name}: takes a second value or an axis, not both")
    return pairwise(x, y)


@pointwise
def cumsum(x, *, axis=-1):
    """Running sum along an axis of a frame, the last by default. Over frames: `accum`.

    >>> Tensor([1, 2, 3]).cumsum().realize()
    array([1., 3., 6.], dtype=float32)
    """
    return jnp.cumsum(x, axis=_one_axis(axis, x.ndim))


@pointwise
def softmax(x, *, axis=-1):
    """`exp(x)` divided by its sum along `axis`.

    >>> Tensor([0.0, 0.0]).softmax().realize()
    array([0.5, 0.5], dtype=float32)
    """
    return jax.nn.softmax(x, axis=_axes(axis, x.ndim))


@pointwise
def log_softmax(x, *, axis=-1):
    """Logarithm of `softmax`, without its rounding.

    >>> Tensor([0.0, 0.0]).log_softmax().realize()
    array([-0.6931472, -0.6931472], dtype=float32)
    """
    return jax.nn.log_softmax(x, axis=_axes(axis, x.ndim))


@pointwise
def matmul(x, y):
    """Matrix product, as NumPy's `@`: vectors, matrices and stacks of matrices.

    Args:
        x: Shape `(..., n, k)` or `(k,)`.
        y: Shape `(..., k, m)` or `(k,)`.

    Returns:
        Shape `(..., n, m)`, without the axis that a vector does not have.

    Raises:
        ShapeError: the inner dimensions differ, or one of them is a single number.

    >>> (Tensor([[1, 2], [3, 4]]) @ Tensor([1, 1])).realize()
    array([3., 7.], dtype=float32)
    """
    if not x.ndim or not y.ndim:
        raise ShapeError("a single number has no inner dimension; use *")
    inner = x.shape[-1], y.shape[builtins.max(-2, -y.ndim)]
    if inner[0] != inner[1]:
        raise ShapeError(f"inner dimensions {inner[0]} and {inner[1]} differ")
    return jnp.matmul(x, y, precision=lax.Precision.HIGHEST)


@pointwise
def contract(*xs, subscripts):
    return jnp.einsum(subscripts, *xs, precision=lax.Precision.HIGHEST)


@composite
def einsum(subscripts: str, *xs: Any) -> Any:
    """Sums of products by Einstein's notation, as `numpy.einsum`, over the axes of one frame.

    >>> dg.einsum("ij,j->i", Tensor([[1, 2], [3, 4]]), Tensor([1, 1])).realize()
    array([3., 7.], dtype=float32)
    """
    if not isinstance(subscripts, str):
        raise ArgumentError(f"einsum: takes subscripts first, such as 'ij,j->i', got {type(subscripts).__name__}")
    if not xs:
        raise ArgumentError("einsum: takes at least one value")
    return contract(*xs, subscripts=subscripts)


def _convolve(x, kernel, stride, padding, rank):
    strides = stride if isinstance(stride, tuple) else (stride,) * rank
    if len(strides) != rank:
        raise ArgumentError(f"stride={stride!r} is not one number or {rank}")
    strides = [whole_number("stride", s, least=1) for s in strides]
    if padding not in ("valid", "same"):
        raise ArgumentError(f"padding={padding!r} is not one of valid, same")
    plain = x.ndim == rank
    along_time = "; along time, over the frames of a Signal, it is fir(taps)" if rank == 1 else ""
    if (x.ndim, kernel.ndim) not in ((rank, rank), (rank + 1, rank + 2)):
        raise ShapeError(f"the input takes {rank} axes with a kernel of {rank}, or {rank + 1} with {rank + 2}{along_time}")
    if plain:
        x, kernel = x[None], kernel[None, None]
    if x.shape[0] != kernel.shape[1]:
        raise ShapeError(f"the input has {x.shape[0]} channels, the kernel takes {kernel.shape[1]}")
    sizes = kernel.shape[2:]
    if 0 in sizes:
        raise ShapeError("the kernel is empty")
    same = [((k - 1) // 2, k // 2) for k in sizes]
    pads = same if padding == "same" else [(0, 0)] * rank
    if any(n + low + high < k for n, k, (low, high) in zip(x.shape[1:], sizes, pads)):
        raise ShapeError(f"the kernel is larger than the input{along_time}")
    y = lax.conv_general_dilated(x[None], kernel, strides, pads, precision=lax.Precision.HIGHEST)[0]
    return y[0] if plain else y


@pointwise
def conv1d(x, kernel, *, stride: int = 1, padding: Literal["valid", "same"] = "valid"):
    """Cross-correlation along the last axis of one frame, as in PyTorch: the kernel is not flipped. Along time: `fir`.

    Args:
        x: Shape `(n,)`, or `(channels_in, n)`.
        kernel: Shape `(k,)`, or `(channels_out, channels_in, k)`.
        stride: Distance between outputs.
        padding: "valid" (none) or "same": zeros, (k - 1) // 2 of them before, so that with stride 1 the length stays.

    Returns:
        Shape `(m,)`, or `(channels_out, m)`.

    Raises:
        ShapeError: the ranks or channels do not go together, or the kernel is longer than the input.

    >>> Tensor([1, 2, 3, 4]).conv1d(Tensor([1, 1])).realize()
    array([3., 5., 7.], dtype=float32)
    """
    return _convolve(x, kernel, stride, padding, 1)


@pointwise
def conv2d(x, kernel, *, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"):
    """Cross-correlation along the last two axes, as in PyTorch: the kernel is not flipped.

    Args:
        x: Shape `(h, w)`, or `(channels_in, h, w)`.
        kernel: Shape `(kh, kw)`, or `(channels_out, channels_in, kh, kw)`.
        stride: Distance between outputs, one number or one for each axis.
        padding: "valid" (none) or "same": zeros, (k - 1) // 2 of them before, so that with stride 1 the size stays.

    Returns:
        Shape `(h', w')`, or `(channels_out, h', w')`.

    Raises:
        ShapeError: the ranks or channels do not go together, or the kernel is larger than the input.

    >>> Tensor.ones([3, 3]).conv2d(Tensor.ones([2, 2])).realize()
    array([[4., 4.],
           [4., 4.]], dtype=float32)
    """
    return _convolve(x, kernel, stride, padding, 2)


@pointwise
def concatenate(*xs, axis):
    return jnp.concatenate(xs, _one_axis(axis, xs[0].ndim))


@pointwise
def join(*xs, axis):
    return jnp.stack(xs, _one_axis(axis, xs[0].ndim + 1))


def _several(name: str, xs: Any) -> Sequence[Any]:
    if isinstance(xs, Value) or not isinstance(xs, Sequence):
        raise ArgumentError(f"{name}: takes a list of values first, got {type(xs).__name__}")
    if not xs:
        raise ArgumentError(f"{name}: the list is empty")
    return xs


@composite
def concat(xs: Sequence[Any], axis: int = 0) -> Any:
    """Values one after another along an axis that they have; the other axes must agree.

    >>> dg.concat([Tensor([1, 2]), Tensor([3])]).realize()
    array([1., 2., 3.], dtype=float32)
    """
    return concatenate(*_several("concat", xs), axis=axis)


@composite
def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Values of one shape side by side along a new axis. Signals become the lanes of a SignalTensor.

    >>> dg.stack([Tensor([1, 2]), Tensor([3, 4])]).shape
    (2, 2)
    """
    return join(*_several("stack", xs), axis=axis)
