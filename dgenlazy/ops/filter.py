"""Recursive filters. Coefficients have no memory and are computed apart; one `second_order` recurrence serves all."""

from __future__ import annotations

import functools as ft
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError, ShapeError
from ..graph import Data, Leaf, Lists, Node, Value, composite, in_our_modes, lift, outputs_of, pointwise, recurrence, zeros
from . import sections
from .convolution import fir
from .math import clamp
from .slopes import toward

Mode = Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"]
MODES = get_args(Mode)
GAINED = "peak", "lowshelf", "highshelf"  # which `gain_db` is of
LEAST_Q = 1e-3
_MOST_APART = 16  # order of a direct form that is faster with each state by itself


@recurrence(rises=lambda x, cutoff: cutoff, renews=lambda x, cutoff: cutoff == 1)
def first_order(y, x, cutoff):
    return toward(y, x, cutoff), None


@composite
def onepole(x: Any, cutoff: Any) -> Any:
    """Smoothing filter `y[n] = y[n-1] + cutoff * (x[n] - y[n-1])`.

    It arrives however small `cutoff` is: what float32 would lose of a small step is kept for the next ones.

    Args:
        x: Any shape.
        cutoff: Coefficient (not Hz), kept inside [0, 1]: 1 passes everything, 0 nothing; beyond, its gradient is 0. May vary
            per frame and lane. At exactly 1 it gives `x`, at exactly 0 what it gave before, whatever the other is.

    >>> Signal.constant(1.0).onepole(0.5).realize(3)
    array([0.5  , 0.75 , 0.875], dtype=float32)
    """
    return first_order(lift(x, "onepole: x"), clamp(lift(cutoff, "onepole: cutoff"), 0.0, 1.0))


def _fastest(x, b0, b1, b2, a1, a2):
    """The poles are 1 - p with p**2 - a1 p + a2 = 0: no p is larger."""
    return jnp.abs(a1) + jnp.sqrt(jnp.abs(a2))


@recurrence(init=lambda *values: (zeros(*values),) * 2, rises=_fastest)
def second_order(state, x, b0, b1, b2, a1, a2):
    """Second-order filter: the transposed direct form II, in coordinates that float32 can hold.

    With the states `s1`, `s2` of the usual form, this keeps `s1` and `t = s1 + s2`. The poles of a low cutoff lie next
    to 1, where the usual `a1`, `a2` lose the cutoff to rounding (20 Hz at 96 kHz: 5 % of the gain at 0 Hz). Here
    they enter as distances from 1, and outputs are the same, also when coefficients move.

    Args:
        x: Input, any shape.
        b0, b1, b2, a1, a2: Here `(b0, 2 b0 + b1, b0 + b1 + b2, 2 + a1, 1 + a1 + a2)` of the usual ones, with a0 = 1.

    Source: J. O. Smith, Introduction to Digital Filters, "Transposed Direct-Forms"; Middleton and Goodwin, Digital
    Control and Estimation, "delta operator".
    """
    s1, t = state
    y = b0 * x + s1
    return (t + (b1 * x - a1 * y), b2 * x - a2 * y), y


@jax.custom_jvp
def _sin_cos(angle):
    """Sine and cosine of angles in [0, pi/2], to float32 precision, also relative to the small ones.

    Coefficients take longer than the filter if these are taken from a library that is ready for any angle.
    Source: minimax polynomials on [0, pi/4] of S. L. Moshier, Cephes Math Library, sinf.c.
    """
    beyond = angle > np.pi / 4
    x = jnp.where(beyond, np.pi / 2 - angle, angle)
    z = x * x
    sin = x + x * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4))
    cos = 1 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5))
    return jnp.where(beyond, cos, sin), jnp.where(beyond, sin, cos)


@_sin_cos.defjvp
@in_our_modes
def _(angle, moved):
    sin, cos = _sin_cos(*angle)
    return (sin, cos), (cos * moved[0], -sin * moved[0])


@jax.custom_jvp
def _tan(angle):
    sin, cos = _sin_cos(angle)
    return sin / cos


@_tan.defjvp
@in_our_modes
def _(angle, moved):
    tan = _tan(*angle)  # its slope is of itself, so that a gradient keeps no sine and no cosine for every frame
    return tan, (1 + tan * tan) * moved[0]


def above(x: Any, least: Any) -> Any:
    """`x`, or `least` where it is below; NaN stays."""
    return jnp.where(x < least, least, x)


def _half(cutoff: Any, sample_rate: Any) -> Any:
    """Half the angle that a frequency turns by in a frame; the frequency is kept inside (0, rate / 2)."""
    highest = 0.499 * sample_rate
    cutoff = above(cutoff, 1e-7 * sample_rate)
    return jnp.where(cutoff > highest, highest, cutoff) * (np.pi / sample_rate)


def half_angle(cutoff: Any, sample_rate: Any) -> Any:
    """Sine and cosine of half the angle that a frequency turns by in a frame, kept inside (0, rate / 2)."""
    return _sin_cos(_half(cutoff, sample_rate))


def half_tangent(cutoff: Any, sample_rate: Any) -> Any:
    """The tangent of the same."""
    return _tan(_half(cutoff, sample_rate))


@jax.custom_jvp
def _over(values: Any, divisor: Any) -> Any:
    scale = 1 / divisor  # one division: five take five times as long as all the rest
    return tuple(x * scale for x in values)


@_over.defjvp
@in_our_modes
def _(primals, tangents):
    made = _over(*primals)  # its slope is of itself, so that a gradient does not keep what was divided
    scale = 1 / primals[1]
    return made, tuple((t - y * tangents[1]) * scale for y, t in zip(made, tangents[0]))


@pointwise
def biquad_coefficients(cutoff, q, gain_db, *, mode, sample_rate):
    """Coefficients of `second_order`. Each is written so that no two large numbers cancel at low cutoffs.

    Source: R. Bristow-Johnson, Audio EQ Cookbook; with s = sin(w/2)**2, 1 - cos(w) = 2 s.
    """
    if mode not in MODES:
        raise ArgumentError(f"mode={mode!r} is not one of {', '.join(MODES)}")
    cutoff, q, gain_db = jnp.broadcast_arrays(cutoff, q, gain_db)
    sin, cos = half_angle(cutoff, sample_rate)
    q = above(q, LEAST_Q)
    s, c = sin * sin, cos * cos
    alpha = sin * cos / q
    a = 10.0 ** (gain_db / 40) if mode in GAINED else 1.0
    none, s4 = jnp.zeros_like(s), 4 * s
    plain = 1 + alpha, s4 + 2 * alpha, s4  # a0, 2 a0 + a1, a0 + a1 + a2
    if mode == "lowpass":
        top, bottom = (s, s4, s4), plain
    elif mode == "highpass":
        top, bottom = (c, none, none), plain
    elif mode == "bandpass":
        top, bottom = (alpha, 2 * alpha, none), plain
    elif mode == "notch":
        top, bottom = (jnp.ones_like(s), s4, s4), plain
    elif mode == "allpass":
        top, bottom = (1 - alpha, s4 - 2 * alpha, s4), plain
    elif mode == "peak":
        top = 1 + alpha * a, s4 + 2 * alpha * a, s4
        bottom = 1 + alpha / a, s4 + 2 * alpha / a, s4
    elif mode == "lowshelf":
        r = jnp.sqrt(a) * alpha
        top = a * (1 + (a - 1) * s + r), a * (4 * a * s + 2 * r), 4 * a * a * s
        bottom = a - (a - 1) * s + r, s4 + 2 * r, s4
    else:
        r = jnp.sqrt(a) * alpha
        top = a * (a - (a - 1) * s + r), a * (s4 + 2 * r), 4 * a * s
        bottom = 1 + (a - 1) * s + r, 4 * a * s + 2 * r, 4 * a * s
    return _over((*top, *bottom[1:]), bottom[0])


@composite
def biquad(x: Any, cutoff: Any, q: Any = 0.7071, mode: Mode = "lowpass", gain_db: Any = 0.0) -> Any:
    """Second-order filter of the Audio EQ Cookbook, at `DGen.sample_rate`.

    For cutoffs up to 0.45 of the sample rate it is exact to 3e-5 of the largest output, for q up to 10, and its gradient to
    3e-4. From there to half the rate, float32 holds its poles ever less: 2e-4 at 0.49 of the rate (gradient 4e-3), 1e-2 at
    0.498 (gradient 10 %).

    While its parameters move it is the transposed direct form II, whose states are no signals of a circuit: sweeps are fine,
    but a cutoff that swings by octaves at an audio rate may pump them up without bound (1 kHz by 2 octaves up and down,
    1,000 times a second, q = 5). `svf` is the filter to modulate.

    Args:
        x: Any shape.
        cutoff: Corner, centre or midpoint frequency in Hz, kept inside (0, sample_rate / 2).
        q: Quality factor, kept above 0: 0.7071 is the flattest lowpass; the bandwidth of a peak is cutoff / q.
        mode: "lowpass", "highpass", "bandpass" (0 dB at its peak), "notch", "allpass", "peak", "lowshelf", "highshelf".
        gain_db: Gain of the last three, in dB.

    All but `mode` may be learned, and may vary per frame and per lane.

    Returns:
        The shape of `x`, `cutoff`, `q` and `gain_db` broadcast.

    Raises:
        ArgumentError: an unknown mode. ShapeError: shapes that do not broadcast.

    >>> Signal.constant(1.0).biquad(1000, q=0.5, mode="highpass").realize(2)
    array([0.87122476, 0.6391103 ], dtype=float32)

    Source: R. Bristow-Johnson, Audio EQ Cookbook.
    """
    cutoff, q, gain_db = lift(cutoff, "biquad: cutoff"), lift(q, "biquad: q"), lift(gain_db, "biquad: gain_db")
    params = (("mode", biquad_coefficients.frozen("mode", mode)),)
    coefficients = outputs_of(biquad_coefficients.node(cutoff, q, gain_db, params=params))
    return second_order.node(lift(x, "biquad: x"), *coefficients)


@recurrence(init=lambda x, *coefficients: (zeros(x, *coefficients),) * (len(coefficients) // 2))
def transposed_direct(state, *values):
    """Filter of any order, transposed direct form II. `values` are `x, b0 ... bn, a1 ... an`, with a0 = 1."""
    x, (b, a) = values[0], np.split(np.arange(1, len(values)), [len(state) + 1])
    y = values[b[0]] * x + state[0]
    after = [*state[1:], jnp.zeros_like(y)]
    return tuple(s + (values[i] * x - values[j] * y) for s, i, j in zip(after, b[1:], a)), y


def _at_rest(x: Any, b: Any, a: Any) -> Any:
    like = zeros(x, b[0], a[0])
    return jnp.zeros((len(b) - 1, *like.shape), like.dtype)


@recurrence(init=_at_rest)
def long_direct(state, x, b, a):
    """`transposed_direct` of a high order, its coefficients and its state in one array each, which compiles fast."""
    b, a = (c.reshape(len(c), *(1,) * (state.ndim - c.ndim), *c.shape[1:]) for c in (b, a))
    y = b[0] * x + state[0]
    return jnp.concatenate([state[1:], jnp.zeros_like(state[:1])]) + (b[1:] * x - a[1:] * y), y


@recurrence(init=lambda x, system: jnp.zeros((len(system) - 1, *x.shape), x.dtype))
def state_space(state, x, system):
    """One matrix takes the states and the input to the next states and the output."""
    after = jnp.tensordot(system, jnp.concatenate([state, x[None]]), 1, precision="highest")
    return after[:-1], after[-1]


@pointwise
def transfer_function(b, a, *, apart):
    """`b` and `a` of one length, at least order 1, and normalised: two lists, or all coefficients but `a[0]` apart."""
    if not (b.ndim and a.ndim and len(b) and len(a)):
        raise ShapeError(f"b and a list at least one coefficient along their first axis, got {b.shape} and {a.shape}")
    count = max(len(b), len(a), 2)
    if apart:
        b, a = ([*(x / a[0]), *[jnp.zeros_like(a[0])] * (count - len(x))] for x in (b, a))
        return (*b, *a[1:])
    b, a = (x.reshape(len(x), *(1,) * (a.ndim - x.ndim), *x.shape[1:]) / a[0] for x in (b, a))
    return tuple(jnp.pad(x, [(0, count - len(x)), *[(0, 0)] * (x.ndim - 1)]) for x in (b, a))


@composite
def lfilter(x: Any, b: Lists, a: Lists) -> Any:
    """Filter of any order with `scipy.signal.lfilter`'s coefficients, along the frames.

    `a[0] y[n] = b[0] x[n] + b[1] x[n-1] + ... - a[1] y[n-1] - a[2] y[n-2] - ...`, in transposed direct form II. Its
    coefficients say little about its poles beyond order 2 or 3, less in float32, and nothing keeps it stable. So where
    `b` and `a` are numbers, the filter is tried out on 2,048 frames in direct form, in second-order sections and as a
    normalised lattice, and the form is taken whose float32 is close to the exact filter: to 5e-6 for most, to 1e-4
    where float64 itself is not better than 1e-8. Where none is closer than 1 % a warning says so. Lazy coefficients are
    taken as they are: use `sosfilt` for their high orders, and `biquad` or `svf` for what is learned. Where `a` is `a[0]`
    alone, or numbers of which the others are 0, it is `fir`, as fast with thousands of coefficients.

    Args:
        x: Any shape.
        b, a: Coefficients, `(taps,)` each, or `(taps, *lanes)` for different ones in each lane. May be learned, and may
            vary per frame.

    Returns:
        The shape of `x` and the lanes of `b` and `a` broadcast.

    Raises:
        ShapeError: `b` or `a` is not a list, or the lanes do not broadcast. ArgumentError: `a[0]` is 0.

    Warns:
        UserWarning: numbers of a filter that float32 does not hold.

    >>> Signal.from_samples([1, 0, 0]).lfilter([1, 1], [2, -1]).realize()
    array([0.5  , 0.75 , 0.375], dtype=float32)

    Source: J. O. Smith, Introduction to Digital Filters, "Transposed Direct-Forms"; A. H. Gray and J. D. Markel, A
    Normalized Digital Filter Structure, IEEE Transactions ASSP 23(3), 1975.
    """
    x, top, bottom = lift(x, "lfilter: x"), lift(b, "lfilter: b"), lift(a, "lfilter: a")
    _leading(bottom, "lfilter: a[0]", 0)
    apart = max([0, *top.spec.shape[:1], *bottom.spec.shape[:1]]) <= _MOST_APART + 1
    taps = _taps(b, a, top, bottom)
    if taps is not None:
        return fir(x, taps)
    coefficients = outputs_of(transfer_function(top, bottom, apart=apart))
    form = sections.of_transfer_function(b, a)
    if form and form.name != "direct":
        return _known(x, form)
    return (transposed_direct if apart else long_direct)(x, *coefficients)


@pointwise
def finite_response(b, a):
    return b.reshape(len(b), *(1,) * (a.ndim - b.ndim), *b.shape[1:]) / a[0]


def _taps(b: Any, a: Any, top: Any, bottom: Any) -> Any:
    """What the filter is if it has no poles; None if it may have some.

    Coefficients that vary stay in the transposed form, which takes them when a frame comes in, not when it goes out.
    """
    if top.spec.varies or bottom.spec.varies or 0 in (*top.spec.shape[:1], *bottom.spec.shape[:1]) or not top.spec.shape:
        return None
    if isinstance(a, (Value, Node, Leaf)):
        return finite_response(top, bottom) if bottom.spec.shape[:1] == (1,) else None
    exact = np.asarray(a, np.float64)
    if not exact.ndim or np.any(exact[1:] != 0):
        return None
    if isinstance(b, (Value, Node, Leaf)):
        return finite_response(top, lift(exact[:1]))
    wide = np.asarray(b, np.float64)
    return lift(wide.reshape(len(wide), *(1,) * (exact.ndim - wide.ndim), *wide.shape[1:]) / exact[0])


@pointwise
def section_coefficients(sos):
    """The coefficients of `second_order` for each section, one section after the other."""
    if sos.ndim < 2 or sos.shape[1] != 6 or not len(sos):
        raise ShapeError(f"sos lists sections of six coefficients, (sections, 6), got {sos.shape}")
    out = []
    for b0, b1, b2, a0, a1, a2 in sos:
        out += [b0 / a0, (2 * b0 + b1) / a0, (b0 + b1 + b2) / a0, (2 * a0 + a1) / a0, (a0 + a1 + a2) / a0]
    return tuple(out)


@composite
def sosfilt(x: Any, sos: Lists) -> Any:
    """Second-order sections in series, with `scipy.signal.sosfilt`'s coefficients, along the frames.

    Args:
        x: Any shape.
        sos: `(sections, 6)`, or `(sections, 6, *lanes)` for different ones in each lane: b0, b1, b2, a0, a1, a2 of each
            section. May be learned, and may vary per frame.

    Returns:
        The shape of `x` and the lanes of `sos` broadcast.

    Raises:
        ShapeError: another shape of `sos`, or lanes that do not broadcast. ArgumentError: an a0 is 0.

    >>> sos = [[1, 1, 0, 1, -0.5, 0], [1, 0, 0, 1, 0.5, 0]]  # scipy.signal.butter(6, 0.1, output="sos") gives one
    >>> Signal.from_samples([1, 0, 0]).sosfilt(sos).realize()
    array([1.  , 1.  , 0.25], dtype=float32)
    """
    y, listed = lift(x, "sosfilt: x"), lift(sos, "sosfilt: sos")
    coefficients = outputs_of(section_coefficients(listed))
    _leading(listed, "sosfilt: a0", (slice(None), 3))
    known = sections.of_sos(sos)
    if known is not None:
        return ft.reduce(_known, known, y)
    for i in range(0, len(coefficients), 5):
        y = second_order(y, *coefficients[i : i + 5])
    return y


def _known(y: Any, form: sections.Form) -> Any:
    """What is known before the run, as a lattice or as `second_order`, `(sections, 5, *lanes)`, one after the other."""
    if form.name == "lattice":
        return state_space(y, lift(form.values))
    for section in form.values:
        y = second_order(y, *[lift(c if c.ndim else float(c)) for c in section])
    return y


def _leading(coefficients: Any, name: str, at: Any) -> None:
    """The coefficient that all are divided by is not 0, as far as that is known."""
    known = isinstance(coefficients, Data) and not coefficients.spec.varies and coefficients.spec.shape
    if known and 0 not in coefficients.spec.shape and not np.all(np.asarray(coefficients.array)[at]):
        raise ArgumentError(f"{name} is 0")
