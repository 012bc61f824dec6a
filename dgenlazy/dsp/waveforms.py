"""Saw, square, triangle and pulse: the sums of all their partials below half the sample rate, in closed form.

A waveform that jumps is its endless series less what lies above. With `N = K + 1/2` the rest of the saw's is

    sum_{k > K} sin(k t) / k = int_N^oo sin(x t) / x dx + cos(N t) (g / N - g'' / N^3) + sin(N t) (-g' / N^2 + g''' / N^4) + ...

where `g(t) = 1 / (2 sin(t / 2)) - 1 / t`, and that of the triangle's follows likewise: sum and integral are
`-1 / (2 sinh(u / 2))` and `-1 / u`, of `u = i t + d/dx`, applied to `exp(i N t) / x`. From 8 partials on what is left out is
below 1e-6; of fewer the others are taken off one by one. The integral is that of the sine integral, by its series and its
auxiliary functions.
"""

from __future__ import annotations

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..graph import in_our_modes, lift, parts, pointwise
from ..ops import sine, turning, within

_FEW = 8  # partials, from which on the closed form holds
_MOST = (1 << 16) - 1  # partials: the factor of a phase is of 16 bits

# Minimax polynomials: of the sine integral over x, in x**2, up to x = 4; of its auxiliary functions times x and x**2, in
# 1 / x**2; of g and its derivatives, in t**2, up to pi.
_INTEGRAL = (0.99999999985, -0.055555555099, 0.0016666662653, -2.834451247e-05, 3.0615909e-07, -2.2734765e-09, 1.20796e-11,
             -4.084915e-14)  # fmt: skip
_F = 0.99998596521, -1.988870769, 21.2509676675, -361.11595680, 5266.2490691, -47351.047236, 185252.71393
_G = 0.99977024555, -5.8734027335, 93.766061333, -1793.7722073, 26293.808113, -229651.27167, 866206.0868
_SLOPES = (
    (0.0416665567669, 0.00121557664311, 3.18045034e-05, 8.9563081e-07, 9.246235e-09, 1.31452653e-09),
    (0.0416664215925, 0.00364753109311, 0.000158278786899, 6.5071751e-06, 5.2585345e-08, 1.5826809e-08),
    (0.00729086292173, 0.000642868199886, 3.28035318e-05, 2.02913146e-06, -2.1261383e-08, 7.2247321e-09),
    (0.00728981455695, 0.00193477661081, 0.000158316607223, 1.60194299e-05, -4.245319636e-07, 8.98526926e-08),
)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    y = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        y = y * x + coefficient
    return y


def _multiple(high: Any, low: Any, count: Any) -> Any:
    """The high word of a phase times a number."""
    return high * count + (((low >> 16) * count) >> 16)


def _cosine(high: Any, none: Any) -> Any:
    return sine(high + jnp.uint32(1 << 30), none)


def _below(high: Any) -> Any:
    """Whether a phase, taken from -1/2 to 1/2, is below 0."""
    return high >> 31 == 1


def _half(high: Any) -> Any:
    """Half of a phase, taken from -1/2 to 1/2."""
    return (high >> 1) | (high & jnp.uint32(1 << 31))


def _halfway(high: Any, low: Any, count: Any) -> Any:
    """A phase, taken from -1/2 to 1/2, times `count + 1/2`."""
    return _multiple(high, low, count) + _half(high)


@ft.partial(jax.custom_jvp, nondiff_argnums=(4,))
def series(high: Any, low: Any, drift: Any, count: Any, power: int) -> Any:
    """`sum_{k <= count} sin(k t) / k`, or for `power` 2 `cos(k t) / k**2`, of a phase in words."""
    none, many = jnp.zeros_like(drift), jnp.maximum(count, jnp.uint32(_FEW))
    negative, n = _below(high), many.astype(drift.dtype) + 0.5
    t = jnp.where(negative, jnp.uint32(0) - high, high).astype(drift.dtype) * (2 * np.pi * 2.0**-32)
    at = _halfway(high, low, many)
    c, s = _cosine(at, none), jnp.where(negative, -1, 1) * sine(at, none)
    x = n * t
    far = jnp.maximum(x, 4.0)
    y = 1 / (far * far)
    near = np.pi / 2 - x * _polynomial(_INTEGRAL, jnp.minimum(x * x, 16.0))
    rest = jnp.where(x < 4, near, c * _polynomial(_F, y) / far + s * _polynomial(_G, y) * y)
    g, g1, g2, g3 = (_polynomial(p, t * t) for p in _SLOPES)
    g, g2 = g * t, g2 * t
    few = [jnp.uint32(k) for k in range(1, _FEW + 1)]
    if power == 1:
        above = rest + c * (g / n - g2 / n**3) + s * (-g1 / n**2 + g3 / n**4)
        y = jnp.where(negative, -1, 1) * ((np.pi - t) / 2 - above)
        single = [sine(high * k, none) / float(i) for i, k in enumerate(few, 1)]
    else:
        above = c / n - t * rest - s * (g / n**2 - 3 * g2 / n**4) + c * (-2 * g1 / n**3 + 4 * g3 / n**5)
        y = t * (t / 4 - np.pi / 2) + np.pi**2 / 6 - above
        single = [_cosine(high * k, none) / float(i * i) for i, k in enumerate(few, 1)]
    for k, part in zip(few, single):
        y = y - jnp.where(k > count, part, none)
    return jnp.where(count == 0, none, y) + drift


@ft.partial(series.defjvp, symbolic_zeros=True)
@in_our_modes
def _(power, primals, tangents):
    high, low, drift, count = primals
    y, moved, none = series(*primals, power), tangents[2], jnp.zeros_like(drift)
    if isinstance(moved, SymbolicZero):
        return y, jnp.zeros_like(y)
    if power == 2:
        return y, -2 * np.pi * series(high, low, none, count, 1) * moved
    n, turn = count.astype(drift.dtype) + 0.5, 2 * np.pi * 2.0**-32
    units = lax.bitcast_convert_type(high, jnp.int32).astype(drift.dtype) + low.astype(drift.dtype) * 2.0**-32
    near = jnp.abs(units) < 1 << 16  # half a unit is much of a phase of few of them, which has its digits as a number
    far = sine(_halfway(high, low, count), none) / jnp.where(near, 1, 2 * sine(_half(high), none))
    kernel = jnp.where(near, n * jnp.sinc(n * units * (turn / np.pi)), far)
    return y, 2 * np.pi * (kernel - 0.5) * moved


def _partials(freq: Any, sample_rate: float) -> tuple[Any, Any]:
    """How many partials are below half the sample rate, and how much is heard of the highest, which fades in.

    It does so within a tenth of the band, or where partials lie closer until the next one comes: so a pitch that moves makes no
    clicks, and has a slope.
    """
    bound, size = sample_rate / 2, jnp.abs(freq)
    room = bound / jnp.maximum(size, 1e-30)
    whole = lax.stop_gradient(jnp.ceil(jnp.where(room < _MOST + 1, room, _MOST + 1.0)) - 1)
    return whole.astype(jnp.uint32), within((bound - whole * size) / jnp.clip(size, 1e-30, bound / 10), 0.0, 1.0)


def _sum(high: Any, low: Any, drift: Any, count: Any, heard: Any, power: int) -> Any:
    """`series`, of whose last partial only so much is heard."""
    last = _multiple(high, low, count)
    k = jnp.maximum(count.astype(drift.dtype), 1)
    missing = jnp.where(count == 0, jnp.zeros_like(heard), 1 - heard)
    moved = k * drift
    top = sine(last, moved) / k if power == 1 else sine(last + jnp.uint32(1 << 30), moved) / (k * k)
    return series(high, low, drift, count, power) - missing * top


@pointwise
def sawtooth(high, low, drift, freq, *, sample_rate):
    return -2 / np.pi * _sum(high, low, drift, *_partials(freq, sample_rate), 1)


@pointwise
def rectangle(high, low, drift, freq, width, *, sample_rate):
    """Two saws, the second later by the width."""
    partials, width = _partials(freq, sample_rate), within(width, 0.0, 1.0)
    part = lax.stop_gradient(jnp.where(width < 1, width, 0.0))
    later = high - (part * 2.0**31).astype(jnp.uint32) * jnp.uint32(2)
    drift = drift + jnp.zeros_like(width)
    high, low = jnp.broadcast_to(high, drift.shape), jnp.broadcast_to(low, drift.shape)
    second = _sum(later, low, drift - (width - lax.stop_gradient(width)), *partials, 1)
    return 2 / np.pi * (_sum(high, low, drift, *partials, 1) - second) + 2 * width - 1


@pointwise
def triangular(high, low, drift, freq, *, sample_rate):
    partials = _partials(freq, sample_rate)
    opposite = _sum(high ^ jnp.uint32(1 << 31), low, drift, *partials, 2)
    return -4 / np.pi**2 * (_sum(high, low, drift, *partials, 2) - opposite)


def saw(freq: Any) -> Any:
    """Sawtooth: rises from -1 to 1, `freq` times a second, by all of its partials below half the sample rate, and no others.

    It begins in the middle of its jump, at 0. What is folded back is 80 dB and more below what is heard. The highest partial
    fades in as a falling pitch makes room for it. A waveform whose partials are all too high is silent.

    Args:
        freq: In Hz; a shape other than () gives one lane per element. Below 0 it runs backwards. It may vary and be learned:
            the gradient is that of what is heard.

    Returns:
        The shape of `freq`. Its peaks are a little beyond 1, as those of a series that ends are.

    >>> dg.saw(11025.0).realize(4)[1::2]
    array([-0.6366197,  0.6366197], dtype=float32)

    Source: of the series, J. Stilson and J. O. Smith, Alias-Free Digital Synthesis of Classic Analog Waveforms, ICMC 1996.
    """
    freq = parts(freq, "saw: freq")
    return sawtooth(*turning(freq), freq[0])


def square(freq: Any) -> Any:
    """Square wave, 1 and then -1, `freq` times a second; band-limited as `saw` is, and with its arguments.

    >>> dg.square(11025.0).realize(4)[1::2]
    array([ 1.2732394, -1.2732394], dtype=float32)
    """
    return pulse(freq, 0.5)


def triangle(freq: Any) -> Any:
    """Triangle: from -1 to 1 and back, `freq` times a second; band-limited as `saw` is, and with its arguments.

    >>> dg.triangle(11025.0).realize(4)[::2]
    array([-0.81057006,  0.81057006], dtype=float32)
    """
    freq = parts(freq, "triangle: freq")
    return triangular(*turning(freq), freq[0])


def pulse(freq: Any, width: Any = 0.5) -> Any:
    """Rectangular wave: 1 for a part of its period and -1 for the rest; band-limited as `saw` is.

    Args:
        freq: In Hz, as of `saw`.
        width: The part, kept in [0, 1]; it may vary and be learned. The mean is `2 * width - 1`.

    Returns:
        The shape of `freq` and `width` broadcast.

    >>> dg.pulse(11025.0, width=1.0).realize(2)
    array([1., 1.], dtype=float32)
    """
    freq = parts(freq, "pulse: freq")
    return rectangle(*turning(freq), freq[0], lift(width, "pulse: width"))
