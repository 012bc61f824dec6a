"""Sums of sines: a partial each, or all from one phase; frequency modulation, and tables that are read in a cycle."""

from __future__ import annotations

import functools as ft
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..config import flag
from ..errors import ShapeError
from ..graph import Lists, Number, in_our_modes, lift, outputs_of, parts, pointwise
from ..ops import added, per_frame, rows_between, sine, times, turned, turning, turns
from .chord import above, audible, chord, mixed


def order(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.uint32)


@ft.partial(jax.custom_jvp, nondiff_argnums=(3,))
def overtones(high: Any, low: Any, drift: Any, count: int) -> Any:
    """Sines of 1 to `count` times a phase in words, along a new last axis."""
    return sine(_times(high, low, count), drift[..., None])


def _times(high: Any, low: Any, count: int) -> Any:
    """The high word of a phase times 1 to `count`, to one of its units."""
    return high[..., None] * order(count) + (((low >> 16)[..., None] * order(count)) >> 16)


@ft.partial(overtones.defjvp, symbolic_zeros=True)
@in_our_modes
def _(count, primals, tangents):
    high, low, drift = primals
    y, moved = overtones(high, low, drift, count), tangents[2]
    if isinstance(moved, SymbolicZero):
        return y, jnp.zeros_like(y)
    turned = jnp.matmul(moved[..., None], order(count)[None].astype(y.dtype), precision=lax.Precision.HIGHEST)
    return y, (2 * np.pi) * sine(_times(high, low, count) + jnp.uint32(1 << 30), drift[..., None]) * turned


@pointwise
def tones(high, drift, freqs, amps, *, sum, sample_rate):
    """Sines of phases in words, and their sum along the last axis."""
    waves = audible(freqs, above(Fraction(sample_rate) / 2), sine(high, drift))
    return mixed(amps, waves) if sum and (amps.ndim or waves.ndim) else amps * waves


def oscillator_bank(freqs: Lists, amps: Lists, sum: bool = True) -> Any:
    """Sines, each of its own frequency and amplitude, and their sum.

    They begin at phase 0, and their phases do not drift, however long the run. Where a frequency is at or above half the sample
    rate, or that far below 0, the partial is silent, while its phase goes on.

    Args:
        freqs: In Hz, `(partials,)` or `(*lanes, partials)`. Numbers are taken as the float64 that they are.
        amps: Of the same shape, or one that broadcasts with it.
        sum: Whether the partials, the last axis, are added up.

    Both may vary per frame, or at a hop, and may be learned. Sines are within 3e-7 of those of the exact phase.

    Returns:
        Shape `lanes`, or without the sum that of `freqs` and `amps` broadcast.

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> with DGen.override(sample_rate=8.0):
    ...     dg.oscillator_bank([1.0, 2.0, 4.0], [1.0, 0.5, 100.0]).realize(3)
    array([0.        , 1.2071067 , 0.99999994], dtype=float32)

    Source: of the mask, J. Engel et al., DDSP: Differentiable Digital Signal Processing, ICLR 2020.
    """
    freqs, amps = parts(freqs, "oscillator_bank: freqs"), lift(amps, "oscillator_bank: amps")
    sum = flag("oscillator_bank: sum", sum)
    given = *freqs, amps
    if sum and not any(x.spec.varies for x in given) and max(len(x.spec.shape) for x in given) == 1:
        return chord(turns(*freqs, half="high"), turns(*freqs, half="low"), per_frame(freqs[0]), freqs[0], amps)
    high, _, drift = turning(freqs)
    return tones(high, drift, freqs[0], amps, sum=sum)


def _bounds(count: int, sample_rate: float) -> np.ndarray:
    """From which fundamental on each of so many partials is silent."""
    return np.array([above(Fraction(sample_rate) / 2 / k) for k in range(1, count + 1)], np.float32)


@pointwise
def partials(high, low, drift, f0, amps, *, sample_rate):
    """Sines of 1, 2, ... times one phase, and their sum."""
    count = amps.shape[-1]
    bounds = _bounds(count, sample_rate)
    return mixed(amps, audible(f0[..., None], bounds, overtones(high, low, drift, count)))


@pointwise
def bent(f0, shifts, *, count):
    """By how much each partial lies beside its multiple of `f0`, and where."""
    multiple = f0[..., None] * order(count).astype(f0.dtype)
    return multiple * shifts, multiple * (1 + shifts)


@pointwise
def increments(high, low, more_high, more_low, *, count):
    """What the partials of a fundamental move by in a frame, each by so much more."""
    return added(times((high[..., None], low[..., None]), order(count)), (more_high, more_low))


def harmonic(f0: Any, amps: Lists, shifts: Lists = None) -> Any:
    """A sound of partials `f0 * k * (1 + shifts[k])`, k = 1, 2, ..., each with its amplitude.

    Where there are no shifts all partials come from one phase, k times which is theirs before anything is rounded: they
    keep step for ever. A partial at or above half the sample rate is silent.

    Args:
        f0: Of the fundamental, in Hz: a number, or one per lane.
        amps: Of the partials, `(partials,)` or `(*lanes, partials)`.
        shifts: How far partials lie beside the multiples, as a part of these, `(partials,)`: of a stiff string
            `sqrt(1 + b k**2) - 1`. Each partial then has a phase of its own.

    All may vary per frame, or at a hop, and may be learned.

    Returns:
        The sum of the partials: shape `()`, or `lanes`.

    Raises:
        ShapeError: `amps` is one number, or shapes do not broadcast.

    >>> with DGen.override(sample_rate=8.0):
    ...     dg.harmonic(1.0, [1.0, 0.5]).realize(4)
    array([0.        , 1.2071067 , 0.99999994, 0.2071068 ], dtype=float32)

    Source: J. Engel et al., DDSP: Differentiable Digital Signal Processing, ICLR 2020, "Harmonic Oscillator / Additive
    Synthesizer".
    """
    f0, amps = parts(f0, "harmonic: f0"), lift(amps, "harmonic: amps")
    count = _partials("harmonic: amps", amps)
    if shifts is None:
        return partials(*turning(f0), f0[0], amps)
    excess, freqs = outputs_of(bent(f0[0], lift(shifts, "harmonic: shifts"), count=count))
    own, more = ([turns(*freq, half=half) for half in ("high", "low")] for freq in (f0, [excess]))
    by_high, by_low = outputs_of(increments(*own, *more, count=count))
    high, _, drift = turned(by_high, by_low, per_frame(freqs))
    return tones(high, drift, freqs, amps, sum=True)


def _partials(name: str, amps: Any) -> int:
    """How many partials an array of their amplitudes has, on its last axis."""
    if not amps.spec.shape:
        raise ShapeError(f"{name} is one number; it takes one for each partial, on the last axis")
    if amps.spec.shape[-1] >= 1 << 16:
        raise ShapeError(f"{name} are of {amps.spec.shape[-1]} partials, of {(1 << 16) - 1} at most")
    return amps.spec.shape[-1]


@pointwise
def normalized(dist, f0, *, sample_rate):
    dist = audible(f0[..., None], _bounds(dist.shape[-1], sample_rate), dist)
    sum_ = jnp.sum(dist, -1, keepdims=True)
    return dist / jnp.where(sum_ == 0, jnp.ones((), sum_.dtype), sum_)


def normalize_harmonics(dist: Lists, f0: Any) -> Any:
    """How the amplitude of a harmonic sound is spread over its partials: what can be heard, with a sum of 1.

    Args:
        dist: Any share of each partial, `(*lanes, partials)`, from 0 on.
        f0: Of the fundamental, in Hz. A partial `f0 * k` at or above half the sample rate gets nothing.

    Returns:
        Shares that add up to 1, in the shape of `dist` and `f0` broadcast; 0 where no partial can be heard.

    Raises:
        ShapeError: `dist` is one number, or shapes do not broadcast.

    >>> with DGen.override(sample_rate=8.0):
    ...     dg.normalize_harmonics([3.0, 1.0, 4.0], Tensor(1.5)).realize()
    array([0.75, 0.25, 0.  ], dtype=float32)

    Source: J. Engel et al., DDSP: Differentiable Digital Signal Processing, ICLR 2020.
    """
    dist = lift(dist, "normalize_harmonics: dist")
    _partials("normalize_harmonics: dist", dist)
    return normalized(dist, lift(f0, "normalize_harmonics: f0"))


@pointwise
def product(x, y):
    """`x * y` as two numbers whose sum it is exactly (T. J. Dekker, A Floating-Point Technique, 1971; split by bits)."""
    parts_of = []
    for number in (x, y):
        single = number.astype(jnp.float32)
        bits = lax.bitcast_convert_type(single, jnp.uint32) & jnp.uint32(0xFFFFF000)
        top = lax.bitcast_convert_type(bits, jnp.float32)
        parts_of.append((top, single - top))
    (a, b), (c, d) = parts_of
    rounded = x * y
    return rounded, lax.stop_gradient((((a * c - rounded.astype(jnp.float32)) + a * d) + b * c) + b * d)


@pointwise
def modulated(high, drift, other_high, other_drift, index):
    """A sine whose phase is moved by another sine, `index` radians far."""
    cycles = index / (2 * np.pi) * sine(other_high, other_drift)
    part = jnp.round((cycles - jnp.round(cycles)) * 2.0**30).astype(jnp.int32)
    high = high + (lax.bitcast_convert_type(part, jnp.uint32) << 2)
    return sine(high, drift + (cycles - lax.stop_gradient(cycles)))


def _whole(number: list[Any]) -> float:
    return sum(part.number for part in number)


def fm(carrier: Any, ratio: Any, index: Any) -> Any:
    """Frequency modulation: a sine whose phase another sine moves, `sin(2 pi carrier t + index sin(2 pi carrier ratio t))`.

    Args:
        carrier: In Hz.
        ratio: Of the frequency of the modulator to that of the carrier; with whole numbers, or quotients of small ones, the
            sound is harmonic. The product is exact, so that both keep step for ever.
        index: How far the phase is moved, in radians: sidebands are heard up to about `index + 1` times the modulator's
            frequency beside the carrier. What lies above half the sample rate is folded back.

    All may vary per frame, or at a hop, and per lane, and may be learned.

    Returns:
        The shape of `carrier`, `ratio` and `index` broadcast, from 0 at the first frame.

    Raises:
        ShapeError: the shapes do not broadcast.

    >>> with DGen.override(sample_rate=8.0):
    ...     dg.fm(1.0, 2.0, np.pi / 2).realize(3)
    array([0.        , 0.7071068 , 0.99999994], dtype=float32)

    Source: J. M. Chowning, The Synthesis of Complex Audio Spectra by Means of Frequency Modulation, JAES 21(7), 1973.
    """
    a, b = parts(carrier, "fm: carrier"), parts(ratio, "fm: ratio")
    if len(a) == len(b) == 1:
        both = outputs_of(product(a[0], b[0]))
    elif isinstance(a[0], Number) and isinstance(b[0], Number):
        both = parts(Number(a[0].spec, _whole(a) * _whole(b)))
    else:  # a number times float32: two parts of it are 48 bits
        pairs = [outputs_of(product(x, y)) for x, y in zip(*((a[:2], b * 2) if len(b) == 1 else (a * 2, b[:2])))]
        both = [*pairs[0], pairs[1][0]]
    high, _, drift = turning(a)
    other_high, _, other_drift = turning(both)
    return modulated(high, drift, other_high, other_drift, lift(index, "fm: index"))


@pointwise
def place(high, drift, *, rows):
    """Where a phase is in a cycle of so many rows: the row, and the part of the way to the next."""
    row, rest = times((jnp.zeros_like(high), high), jnp.uint32(rows))
    return row.astype(jnp.int32), rest.astype(drift.dtype) * 2.0**-32 + drift * rows


def wavetable(table: Lists, freq: Any) -> Any:
    """A table read in a cycle, `freq` times a second, by linear interpolation; the last row leads to the first.

    Args:
        table: One period, `(rows,)`, or `(rows, *lanes)` for several: it may vary per frame, or at a hop.
        freq: In Hz; of a shape other than () there is one reader per element. Numbers are taken as the float64 that they are.

    Both may be learned. Nothing is band-limited: what of the table lies above half the sample rate is folded back.

    Returns:
        Shape `(*freq.shape, *lanes)`. The first frame is the first row.

    Raises:
        ShapeError: the table is a single number, or has no rows.

    >>> with DGen.override(sample_rate=8.0):
    ...     dg.wavetable([0.0, 1.0, 0.0, -1.0], 1.0).realize(5)
    array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    table, freq = lift(table, "wavetable: table"), parts(freq, "wavetable: freq")
    if not table.spec.shape or not table.spec.shape[0]:
        raise ShapeError("wavetable: the table has no rows")
    high, _, drift = turning(freq)
    row, part = outputs_of(place(high, drift, rows=table.spec.shape[0]))
    return rows_between(table, row, part, loop=True)
