"""Elementwise arithmetic, elementary functions and activations. Broadcasting and edge cases are NumPy's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import Context, Elementwise, Params, Spec, composite, elementwise, in_our_modes, pointwise
from . import slopes
from .sine import MANY, cosine, sine


@elementwise
def add(x, y):
    """Sum.

    >>> (Tensor([1.0, 2.0]) + 3).realize()
    array([4., 5.], dtype=float32)
    """
    return jnp.add(x, y)


@elementwise
def sub(x, y):
    """Difference.

    >>> (1 - Tensor([1.0, 2.0])).realize()
    array([ 0., -1.], dtype=float32)
    """
    return jnp.subtract(x, y)


class Product(Elementwise):
    """Multiplies. Where each value of a signal meets each of many numbers, slopes are found by products of matrices."""

    def run(self, ctx: Context, params: Params, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        signal, numbers = inputs if specs[0].varies else inputs[::-1]
        each = signal.ndim == 1 and numbers.ndim == 1 and sum(s.varies for s in specs) == 1
        if each and not ctx.parallel and signal.dtype == numbers.dtype == jnp.float32 and numbers.size >= slopes.LINE:
            return slopes.each_by_each(signal, numbers)
        return super().run(ctx, params, inputs, specs)


@Product
def mul(x, y):
    """Product.

    >>> (Tensor([1.0, 2.0]) * Tensor([3.0, 4.0])).realize()
    array([3., 8.], dtype=float32)
    """
    return jnp.multiply(x, y)


@pointwise
def div(x, y):
    """Quotient. Division by zero gives an infinity, 0 / 0 gives NaN; the gradient is finite there.

    So a pole that `where` leaves out does no harm: `dg.where(x == 0, 1, x.sin() / x)` has a gradient everywhere.

    >>> (Tensor([1.0, 2.0]) / 4).realize()
    array([0.25, 0.5 ], dtype=float32)
    """
    return slopes.quotient(x, y)


@elementwise
def neg(x):
    """Negation.

    >>> (-Tensor([1.0, -2.0])).realize()
    array([-1.,  2.], dtype=float32)
    """
    return jnp.negative(x)


@pointwise
def power(x, y):
    return slopes.power(x, y)


@composite
def pow(x: Any, y: Any) -> Any:
    """`x` to the power `y`. A negative `x` with a fractional `y` gives NaN.

    The whole number 2 is special: `x ** 2` becomes `x * x`, which is faster and exact. Any other exponent is data, so
    that changing it does not compile the program again.

    `x ** 0` is 1 and its gradient 0, also at 0. Gradients that are infinite or not real count as 0: to `x` at 0 where `y < 1`
    (of a root, of a pole), to `y` where `x <= 0`.

    >>> dg.pow(Tensor([1.0, 4.0]), 0.5).realize()
    array([1., 2.], dtype=float32)
    >>> (Tensor([-3.0, 4.0]) ** 2).realize()
    array([ 9., 16.], dtype=float32)
    """
    return mul(x, x) if type(y) is int and y == 2 else power(x, y)


@pointwise
def mod(x, y):
    """Remainder of the floored division: it has the sign of `y`. The gradient ignores the wrap. NaN where `y` is 0.

    >>> dg.mod(Tensor([-1.0, 4.0]), 3).realize()
    array([2., 1.], dtype=float32)
    """
    return slopes.remainder(x, y)


@pointwise
def floor_divide(x, y):
    """Floored quotient, `x // y`: how often `y` fits into `x`; the gradient is 0.

    >>> (Tensor([-1.0, 4.0]) // 3).realize()
    array([-1.,  1.], dtype=float32)
    """
    return lax.stop_gradient(jnp.floor_divide(x, y))


@pointwise
def abs(x):
    """Absolute value; the gradient at 0 is 0.

    >>> abs(Tensor([-2.0, 3.0])).realize()
    array([2., 3.], dtype=float32)
    """
    return slopes.magnitude(x)


@pointwise
def sign(x):
    """-1, 0 or 1; the gradient is 0.

    >>> Tensor([-2.0, 0.0, 3.0]).sign().realize()
    array([-1.,  0.,  1.], dtype=float32)
    """
    return jnp.sign(x)


@pointwise
def floor(x):
    """Largest whole number not above `x`; the gradient is 0.

    >>> Tensor([-0.5, 1.5]).floor().realize()
    array([-1.,  1.], dtype=float32)
    """
    return jnp.floor(x)


@pointwise
def ceil(x):
    """Smallest whole number not below `x`; the gradient is 0.

    >>> Tensor([-0.5, 1.5]).ceil().realize()
    array([-0.,  2.], dtype=float32)
    """
    return jnp.ceil(x)


@pointwise
def round(x):
    """Nearest whole number, half to even; the gradient is 0.

    >>> Tensor([0.5, 1.5, 2.4]).round().realize()
    array([0., 2., 2.], dtype=float32)
    """
    return jnp.round(x)


@pointwise
def minimum(x, y):
    return jnp.minimum(x, y)


@pointwise
def maximum(x, y):
    return jnp.maximum(x, y)


@pointwise
def clamp(x, lo=-jnp.inf, hi=jnp.inf):
    """`x` kept inside [lo, hi]. The gradient goes to `x` inside, both ends included, and to the bound outside.

    NaN in any of the three gives NaN. Where `lo` is above `hi`, the result is `hi`.

    >>> dg.clamp(Tensor([-2.0, 0.5, 2.0]), -1, 1).realize()
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return slopes.within(x, lo, hi)


clip = clamp


@pointwise
def exp(x):
    """e to the power `x`.

    >>> Tensor([0.0, 1.0]).exp().realize()
    array([1.       , 2.7182817], dtype=float32)
    """
    return jnp.exp(x)


@pointwise
def log(x):
    """Natural logarithm: -inf at 0, NaN below. The gradient at 0 is 8.5e37, which `where` can leave out.

    >>> Tensor([1.0, 0.0]).log().realize()
    array([  0., -inf], dtype=float32)
    """
    return slopes.logarithm(x)


@pointwise
def log10(x):
    """Logarithm to base 10: -inf at 0, NaN below. The gradient at 0 is 8.5e37, which `where` can leave out.

    >>> Tensor([1.0, 0.0]).log10().realize()
    array([  0., -inf], dtype=float32)
    """
    return slopes.logarithm(x, jnp.log10)


@pointwise
def sqrt(x):
    """Square root: NaN below 0. The gradient at 0, infinite in mathematics, counts as 0.

    So a norm or a level has a gradient at silence, 0: `(x * x).sum().sqrt()`.

    >>> Tensor([0.0, 9.0]).sqrt().realize()
    array([0., 3.], dtype=float32)
    """
    return slopes.root(x)


def _many(x: Any, parallel: bool) -> bool:
    """Whether XLA's own sine is slow for it."""
    return not parallel and x.dtype == jnp.float32 and isinstance(x.size, int) and x.size >= MANY


@elementwise
def sin(x, *, parallel):
    """Sine; `x` in radians.

    >>> Tensor([0.0, np.pi / 2]).sin().realize()
    array([0., 1.], dtype=float32)
    """
    return sine(x) if _many(x, parallel) else jnp.sin(x)


@elementwise
def cos(x, *, parallel):
    """Cosine; `x` in radians.

    >>> Tensor([0.0]).cos().realize()
    array([1.], dtype=float32)
    """
    return cosine(x) if _many(x, parallel) else jnp.cos(x)


@pointwise
def tan(x):
    """Tangent; `x` in radians. No float32 is a pole: the largest value next to one is about 2e7.

    >>> Tensor([0.0]).tan().realize()
    array([0.], dtype=float32)
    """
    return jnp.tan(x)


_LN2 = float(np.log(2))


@pointwise
def sinh(x):
    """Hyperbolic sine.

    >>> Tensor([0.0]).sinh().realize()
    array([0.], dtype=float32)
    """
    small = jnp.abs(x) < 1
    part = jnp.expm1(jnp.where(small, x, 0))
    return jnp.where(small, (part + part / (part + 1)) / 2, jnp.exp(x - _LN2) - jnp.exp(-x - _LN2))


@pointwise
def cosh(x):
    """Hyperbolic cosine.

    >>> Tensor([0.0]).cosh().realize()
    array([1.], dtype=float32)
    """
    return jnp.exp(x - _LN2) + jnp.exp(-x - _LN2)  # not lax.cosh: Metal has none


@jax.custom_jvp
@jax.jit
def _tanh(x):
    """For float32, where one frame waits for another: XLA's own takes a third longer from its input to its output.

    `x` times the ratio of two polynomials in `x**2`, each evaluated from several ends at once (Estrin), fitted to the least
    relative error in [-8, 8], which is 2e-8; beyond, the result is 1 or -1. The quotient comes last: XLA computes no quotient
    twice, but all that follows one anew in each of the loops that it makes of what a frame needs.
    """
    z = x * x
    zz = z * z
    top = (1.0 + 0.1297922283411026 * z) + (2.9858609195798635e-3 + 9.8786513262894e-6 * z) * zz
    top = top + (-1.4704193418424438e-8 + 2.350853713084522e-11 * z) * (zz * zz)
    bottom = (1.0 + 0.4631253778934479 * z) + (2.402791939675808e-2 + 2.3720308672636747e-4 * z) * zz
    far = jnp.abs(x) > 8.0
    return jnp.where(far, jnp.sign(x), x * top) / jnp.where(far, jnp.ones_like(x), bottom)


@_tanh.defjvp
@in_our_modes
def _(x, moved):
    y = _tanh(*x)
    return y, moved[0] * (1 - y * y)


def tanh_of(x: Any, parallel: bool) -> Any:
    """Hyperbolic tangent of an array, the faster one for such a backend."""
    return jnp.tanh(x) if parallel or x.dtype != jnp.float32 else _tanh(x)


@pointwise
def tanh(x, *, parallel):
    """Hyperbolic tangent, a soft clipper into (-1, 1).

    >>> Tensor([0.0, 100.0]).tanh().realize()
    array([0., 1.], dtype=float32)
    """
    return tanh_of(x, parallel)


@pointwise
def atan2(y, x):
    """Angle of the point `(x, y)`, in radians in [-pi, pi]. The gradient at the origin, which has no angle, is 0.

    >>> dg.atan2(Tensor([0.0]), Tensor([1.0])).realize()
    array([0.], dtype=float32)
    """
    return slopes.angle(y, x)


@pointwise
def relu(x):
    """The larger of `x` and 0; the gradient at 0 is 0.

    >>> Tensor([-1.0, 2.0]).relu().realize()
    array([0., 2.], dtype=float32)
    """
    return jax.nn.relu(x)


@pointwise
def sigmoid(x):
    """Logistic function `1 / (1 + exp(-x))`, into (0, 1).

    >>> Tensor([0.0]).sigmoid().realize()
    array([0.5], dtype=float32)
    """
    return jax.nn.sigmoid(x)
