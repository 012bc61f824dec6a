"""Functions with a corner, a bound or a pole, and slopes there that training can use.

JAX halves a slope where a clip meets its bound, and gives NaN where 0 meets an infinite one. Here the slope at a bound is that
towards the inside, where a value is finite so is every slope, and what is not read or not learned adds nothing.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..graph import derivative_of, in_our_modes

LINE = 16  # numbers, as memory is read; slopes to fewer are as fast as JAX sums them
_TINY = float(np.finfo(np.float32).tiny)  # 1 / _TINY is as good as an infinite slope, and 0 / _TINY is 0


def within(x: Any, lo: Any = -np.inf, hi: Any = np.inf) -> Any:
    """`x` kept in [lo, hi]. Its slope is 1 inside, both ends included, and 0 outside; NaN stays."""
    return _within(x, lo, hi) if jnp.issubdtype(jnp.result_type(x), jnp.floating) else _bounded(x, lo, hi)


def _bounded(x: Any, lo: Any, hi: Any) -> Any:
    raised = jnp.where((x >= lo) | jnp.isnan(x), x, lo)
    return jnp.where((raised <= hi) | jnp.isnan(raised), raised, hi)


_within = jax.custom_jvp(_bounded)


def magnitude(x: Any) -> Any:
    """Absolute value; the slope at 0 is 0."""
    return jnp.where(x == 0, 0, jnp.abs(x))


def root(x: Any) -> Any:
    """Square root; the slope at 0 counts as 0, so that a norm has one there: `sqrt(x * x + y * y)`."""
    zero = x == 0
    return jnp.where(zero, lax.stop_gradient(x), jnp.sqrt(jnp.where(zero, 1, x)))


def logarithm(x: Any, of: Callable[[Any], Any] = jnp.log) -> Any:
    """Logarithm, natural or by the function `of`; the slope at 0 is 1e38, which times 0 is 0."""
    zero = x == 0
    return jnp.where(zero, x / _TINY - jnp.inf, of(jnp.where(zero, 1, x)))


def remainder(x: Any, y: Any) -> Any:
    """Of the floored division; NaN, and without a slope, where `y` is 0."""
    zero = y == 0
    return jnp.where(zero, jnp.nan, jnp.mod(x, jnp.where(zero, 1, y)))


def _tangent(y: Any, *terms: tuple[Any, Callable[[Any], Any]]) -> Any:
    """The tangent of `y`, a sum over its inputs: of each the tangent, and what it is multiplied by.

    An input that is not learned has no part in it: 0 times an infinite slope is NaN.
    """
    parts = [by(moved) for moved, by in terms if not isinstance(moved, SymbolicZero)]
    return jnp.broadcast_to(ft.reduce(jnp.add, parts), y.shape).astype(y.dtype) if parts else jnp.zeros_like(y)


@derivative_of(_within)
def _(primals, tangents):
    """By the input, and not by whether the result equals it: XLA may compute it twice, and round it differently."""
    x, lo, hi = primals
    inside = ((x >= lo) & (x <= hi)) | jnp.isnan(x)
    y = _within(*primals)

    def by_bound(low):
        raised = jnp.logical_not(x >= lo) & ((lo <= hi) | jnp.isnan(lo))
        return lambda t: jnp.where(~inside & (raised if low else ~raised), t, 0)

    return y, _tangent(
        y, (tangents[0], lambda t: jnp.where(inside, t, 0)), (tangents[1], by_bound(True)), (tangents[2], by_bound(False))
    )


@jax.custom_jvp
def quotient(x: Any, y: Any) -> Any:
    """`x / y`; where `y` is 0 the slope to `x` is 1e38, and that to `y` counts as 0."""
    return jnp.divide(x, y)


@derivative_of(quotient)
def _(primals, tangents):
    y, z = primals[1], quotient(*primals)
    pole = y == 0
    below = jnp.where(pole, _TINY, y)
    return z, _tangent(z, (tangents[0], lambda t: t / below), (tangents[1], lambda t: -jnp.where(pole, 0, z) / below * t))


@jax.custom_jvp
def each_by_each(x: Any, y: Any) -> Any:
    """Every number of `x` times every number of `y`, both of one axis.

    Its slopes are a matrix times a vector each: of a sum of products XLA:CPU would write out what is multiplied.
    """
    return x[:, None] * y


@derivative_of(each_by_each)
def _(primals, tangents):
    (x, y), dot = primals, ft.partial(lax.dot, precision=lax.Precision.HIGHEST)
    by_x, by_y = (lambda t: dot(t[:, None], y[None])), (lambda t: dot(x[:, None], t[None]))
    z = each_by_each(x, y)
    return z, _tangent(z, (tangents[0], by_x), (tangents[1], by_y))


@jax.custom_jvp
def power(x: Any, y: Any) -> Any:
    """`x ** y`. Slopes that are infinite or not real count as 0: to `x` at 0 where `y < 1`, to `y` where `x <= 0`."""
    return jnp.power(x, y)


@derivative_of(power)
def _(primals, tangents):
    (x, y), z = primals, power(*primals)
    smooth, positive = (x != 0) | (y >= 1), x > 0

    def by_base(t):
        return jnp.where(smooth, y * power(jnp.where(smooth, x, 1), y - 1), 0) * t

    def by_exponent(t):
        return jnp.where(positive, z * jnp.log(jnp.where(positive, x, 1)), 0) * t

    return z, _tangent(z, (tangents[0], by_base), (tangents[1], by_exponent))


@jax.custom_jvp
def angle(y: Any, x: Any) -> Any:
    """`atan2(y, x)`, of points of any size; the slope at the origin, which has no angle, and at infinity is 0."""
    return jnp.arctan2(y, x)


@derivative_of(angle)
def _(primals, tangents):
    (y, x), z = primals, angle(*primals)
    size = lax.stop_gradient(jnp.maximum(jnp.abs(x), jnp.abs(y)))
    regular = (size >= _TINY) & (size <= 1 / _TINY)
    scale = 1 / jnp.where(regular, size, 1)  # the square of a small number is 0
    u, v = jnp.where(regular, x, 1) * scale, jnp.where(regular, y, 0) * scale

    def by(part):
        return lambda t: jnp.where(regular, part * scale / (u * u + v * v), 0) * t

    return z, _tangent(z, (tangents[0], by(u)), (tangents[1], by(-v)))


@jax.custom_jvp
def between(first: Any, second: Any, part: Any) -> Any:
    """Linear interpolation: `first` at `part` 0, `second` at 1, and exactly these, whatever the other is.

    The slope to `part` is `second - first`, also at both ends; 0 if it is not finite there.
    """
    return jnp.where(part == 0, first, jnp.where(part == 1, second, first + part * (second - first)))


@derivative_of(between)
def _(primals, tangents):
    (first, second, part), y = primals, between(*primals)

    def by_part(t):
        slope = second - first
        return jnp.where(((part == 0) | (part == 1)) & ~jnp.isfinite(slope), 0, slope) * t

    return y, _tangent(y, (tangents[0], lambda t: (1 - part) * t), (tangents[1], lambda t: part * t), (tangents[2], by_part))


@jax.custom_jvp
def toward(y: Any, x: Any, share: Any) -> Any:
    """A share of the way from `y` to `x`; none of it where that is 0, whatever `x` is.

    The slope to the share is the way; 0 where that is not finite, and the share 0 or 1.
    """
    return share * (jnp.where(share == 0, 0, x) - y)


@derivative_of(toward)
def _(primals, tangents):
    y, x, share = primals

    def by_share(t):
        way = x - y
        return jnp.where(((share == 0) | (share == 1)) & ~(jnp.abs(way) < jnp.inf), 0, way) * t

    rise = toward(*primals)
    return rise, _tangent(
        rise, (tangents[0], lambda t: -share * t), (tangents[1], lambda t: share * t), (tangents[2], by_share)
    )


@ft.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def extreme(x: Any, axes: tuple[int, ...], largest: bool) -> Any:
    """The largest or the smallest over some axes; several share the slope in equal parts."""
    return (jnp.max if largest else jnp.min)(x, axis=axes)


@extreme.defjvp
@in_our_modes
def _(axes, largest, primals, tangents):
    """One is known by its place: XLA may compute `x` twice, and round it differently, and then none equals the result."""
    y = extreme(primals[0], axes, largest)
    flat = *y.shape, math.prod(primals[0].shape[i] for i in axes)
    x, t = (jnp.moveaxis(x, axes, range(-len(axes), 0)).reshape(flat) for x in (primals[0], tangents[0]))
    place = (jnp.argmax if largest else jnp.argmin)(x, axis=-1, keepdims=True)
    found = (lax.broadcasted_iota(place.dtype, x.shape, x.ndim - 1) == place) | (x == y[..., None])
    return y, jnp.where(found, t, 0).sum(-1) / found.sum(-1).astype(y.dtype)


def hypot(x: Any, y: Any) -> Any:
    """`sqrt(x**2 + y**2)` of any size, with a gradient of 0 at 0, where the square root has none."""
    size = lax.stop_gradient(jnp.maximum(jnp.abs(x), jnp.abs(y)))
    silent = size == 0
    size = jnp.where(silent, 1, size)
    square = (x / size) ** 2 + (y / size) ** 2
    return jnp.where(silent, 0, size * jnp.sqrt(jnp.where(silent, 1, square)))


@ft.partial(jax.custom_jvp, nondiff_argnums=(4,))
def modulus(re: Any, im: Any, toward_re: Any, toward_im: Any, fft: bool) -> Any:
    """`hypot(re, im)`, whose slope at 0, where it has none, is 1 in the direction of another point, and 0 if that is 0 too.

    With `fft` the backend has complex numbers: their modulus is one operation, so that of equal numbers are equal to the bit.
    """
    return jnp.abs(lax.complex(re, im)) if fft else hypot(re, im)


@modulus.defjvp
def _(fft, primals, tangents):
    (re, im, *toward), size = primals, modulus(*primals, fft)
    silent = size == 0
    x, y = jnp.where(silent, toward[0], re), jnp.where(silent, toward[1], im)
    length = jnp.where(silent, modulus(*toward, *toward, fft), size)
    length = jnp.where(length == 0, 1, length)
    return size, x / length * tangents[0] + y / length * tangents[1]
