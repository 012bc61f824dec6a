"""Echoes fed back: what reverberators are made of, and plucked strings. Loops through delays, in blocks as long as these."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Data, Lists, Number, composite, lift, outputs_of, pointwise
from ..ops import above, add, between, bounded, clamp, delay_line, history, mul, onepole, sub, within
from ..run import close, runtime


def _late(prev: Any, time: list[Any], size: int, least: int) -> Any:
    """`delay` of what `prev` is one frame earlier."""
    shorter = least - 1 if least > 0 else min(least + 1, 0)
    return delay_line(prev, sub(time[0], 1.0), *time[1:], size=max(size - 1, 1), least=shorter)


def _damped(x: Any, damping: Any) -> Any:
    """`x`, its high frequencies lost by a one-pole lowpass; nothing where the damping is the number 0."""
    return x if isinstance(damping, Number) and damping.number == 0 else onepole(x, sub(1.0, damping))


def _loop(body: Any, init: Any = 0.0) -> Any:
    return close(body, init, lambda node: node)


@composite
def comb(
    x: Any, frames: Any, feedback: Any = 0.5, damping: Any = 0.0, max_delay: float | None = None, min_delay: float = 1.0
) -> Any:
    """Comb filter: an echo that is fed back, `y[n] = x[n] + feedback * lowpass(y[n - frames])`.

    Args:
        x: Any shape.
        frames: Delay in frames, from 1, fractions allowed (linear interpolation). A shorter one counts as 1.
        feedback: Gain of the loop, kept inside [-1, 1].
        damping: Coefficient of the lowpass in the loop, `s[n] = (1 - damping) y[n - frames] + damping s[n-1]`: 0 for
            none, towards 1 for duller echoes; kept inside [0, 1].
        max_delay, min_delay: Bounds of `frames`, as for `delay`: a time that varies or is computed needs the first, and
            is far faster with the second.

    The gains and the time may be learned, and may vary per frame and per lane.

    Returns:
        The shape of `x`, `frames`, `feedback` and `damping` broadcast.

    Raises:
        ArgumentError: a time that varies or is computed comes without `max_delay`. ShapeError: shapes that do not
            broadcast.

    >>> Signal.from_samples([1, 0, 0, 0, 0]).comb(2, feedback=0.5).realize()
    array([1.  , 0.  , 0.5 , 0.  , 0.25], dtype=float32)

    Source: M. R. Schroeder, Natural Sounding Artificial Reverberation, JAES 10(3), 1962; the lowpass: J. A. Moorer,
    About This Reverberation Business, Computer Music Journal 3(2), 1979.
    """
    x, damping = lift(x, "comb: x"), lift(damping, "comb: damping")
    time, size, least = bounded(frames, max_delay, min_delay)
    gain = clamp(lift(feedback, "comb: feedback"), -1.0, 1.0)
    return _loop(lambda prev: add(x, mul(gain, _damped(_late(prev, time, size, least), damping))))


@composite
def allpass(x: Any, frames: Any, gain: Any = 0.5, max_delay: float | None = None, min_delay: float = 1.0) -> Any:
    """Schroeder's allpass: echoes without colour, `y[n] = -gain x[n] + x[n - frames] + gain y[n - frames]`.

    Every frequency passes with gain 1 if `frames` is whole; linear interpolation between frames dulls a little.

    Args:
        x: Any shape.
        frames: Delay in frames, from 1, fractions allowed. A shorter one counts as 1.
        gain: Of what is fed back, kept inside [-1, 1].
        max_delay, min_delay: Bounds of `frames`, as for `delay`: a time that varies or is computed needs the first, and
            is far faster with the second.

    The gain and the time may be learned, and may vary per frame and per lane.

    Returns:
        The shape of `x`, `frames` and `gain` broadcast.

    Raises:
        ArgumentError: a time that varies or is computed comes without `max_delay`. ShapeError: shapes that do not
            broadcast.

    >>> Signal.from_samples([1, 0, 0, 0, 0]).allpass(2, gain=0.5).realize()
    array([-0.5  ,  0.   ,  0.75 ,  0.   ,  0.375], dtype=float32)

    Source: M. R. Schroeder, Natural Sounding Artificial Reverberation, JAES 10(3), 1962.
    """
    x = lift(x, "allpass: x")
    time, size, least = bounded(frames, max_delay, min_delay)
    gain = clamp(lift(gain, "allpass: gain"), -1.0, 1.0)
    ahead = sub(delay_line(x, *time, size=size, least=0), mul(gain, x))
    return _loop(lambda prev: add(ahead, mul(gain, _late(prev, time, size, least))))


@pointwise
def mix(matrix, lines):
    """The lines, on the last axis, each a sum of all: `matrix @ lines`."""
    count = lines.shape[-1] if lines.ndim else 1
    if not lines.ndim or matrix.shape[-2:] != (count, count):
        raise ShapeError(f"{count} lines take a matrix of {(count, count)}, and times for each line, (lines,)")
    return jnp.matmul(matrix, lines[..., None], precision=lax.Precision.HIGHEST)[..., 0]


@composite
def fdn(
    x: Any,
    frames: Lists,
    matrix: Lists,
    gain: Any = 0.9,
    damping: Any = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> Any:
    """Feedback delay network: delay lines that feed each other through a matrix, the core of a reverberator.

    `y[n]` are the ends of the lines, one lane each; what enters them is `x[n] + matrix @ (gain * lowpass(y[n]))`.

    Args:
        x: What enters every line, or `(lines,)` for each its own; more axes before that are lanes.
        frames: Delay of each line in frames, `(lines,)`, from 1, fractions allowed.
        matrix: `(lines, lines)`. With an orthogonal one (Hadamard, Householder) sound is lost through `gain` alone.
        gain: Of what is fed back, `()` or `(lines,)`. For a decay by 60 dB in t seconds it is
            `10 ** (-3 * frames / (t * sample_rate))`.
        damping: Coefficient of the lowpass of each line, as in `comb`: 0 for none; kept inside [0, 1].
        max_delay, min_delay: Bounds of `frames`, as for `delay`: times that vary or are computed need the first, and
            are far faster with the second.

    All may be learned, and may vary per frame. Nothing keeps the network stable: it is where the matrix is orthogonal
    and the gain below 1.

    Returns:
        A SignalTensor `(lines,)`, the ends of the lines; sum them, or mix them to several channels by a `matmul`.

    Raises:
        ShapeError: `matrix` is not square, or does not fit `frames`. ArgumentError: times that vary or are computed
            come without `max_delay`.

    >>> impulse = Signal.from_samples([1, 0, 0, 0])
    >>> impulse.fdn([1, 2], [[0, 1], [1, 0]], gain=0.5).realize()
    array([[0. , 0. ],
           [1. , 0. ],
           [0. , 1. ],
           [0.5, 0.5]], dtype=float32)

    Source: J.-M. Jot and A. Chaigne, Digital Delay Networks for Designing Artificial Reverberators, AES 90, 1991.
    """
    x, matrix, gain, damping = (
        lift(v, f"fdn: {name}") for v, name in ((x, "x"), (matrix, "matrix"), (gain, "gain"), (damping, "damping"))
    )
    time, size, least = bounded(frames, max_delay, min_delay)

    def body(prev):
        ends = _late(prev[0], time, size, least)
        return add(x, mix(matrix, mul(gain, _damped(ends, damping)))), ends

    return _loop(body, (0.0, 0.0))[1]


@pointwise
def string_coefficients(freq, decay, brightness, *, shortest, longest, sample_rate):
    """Delay of the string's line in frames, the gain of its two taps, a frame apart, and the share of the second.

    The period is the line, the phase delay of the taps at `freq`, and the frame by which the loop is late.
    """
    freq = within(freq, sample_rate / longest, sample_rate * min(1 / shortest, 0.499))
    angle = freq * (2 * np.pi / sample_rate)
    loss = 10.0 ** (-3 / (freq * above(decay, 1e-6)))
    blend = 0.5 - 0.5 * within(brightness, 0.0, 1.0)
    taps = jnp.arctan2(blend * jnp.sin(angle), 1 - blend + blend * jnp.cos(angle)) / angle
    return sample_rate / freq - taps - 1, loss, blend


@pointwise
def blended(near, far, part):
    return between(near, far, part)


@composite
def karplus_strong(
    excitation: Any, freq: Any, decay: Any = 1.0, brightness: Any = 0.5, max_delay: int = 4096, min_delay: int = 2
) -> Any:
    """Plucked string: what excites it runs round a line one period long, and loses its high frequencies.

    `y[n] = excitation[n] + loss * ((1 - s) y[n - t] + s y[n - t - 1])`, t in fractions of a frame, by linear
    interpolation, such that the string sounds at `freq`.

    Args:
        excitation: Any shape: a burst of noise plucks it, any other sound makes it resonate.
        freq: In Hz. The period is kept inside `[min_delay, max_delay]` frames.
        decay: Time in seconds in which the lowest partials fall by 60 dB; higher ones fall sooner.
        brightness: From 0, s = 1/2, the string of Karplus and Strong, to 1, s = 0, where partials last alike; kept there.
        max_delay: Longest period in frames; 4096 is a lowest note of 10.8 Hz at 44.1 kHz.
        min_delay: Shortest period in frames. Strings whose frequency moves or is computed are far faster with one.

    `freq`, `decay` and `brightness` may be learned, and may vary per frame and per lane.

    Returns:
        The shape of `excitation` and the parameters broadcast.

    Raises:
        ArgumentError: not 2 <= `min_delay` <= `max_delay`, in whole frames. ShapeError: shapes that do not broadcast.

    >>> with DGen.override(sample_rate=8.0):
    ...     Signal.from_samples([1, 0, 0, 0, 0, 0]).karplus_strong(2.0, brightness=1.0, decay=1.5).realize()
    array([1. , 0. , 0. , 0. , 0.1, 0. ], dtype=float32)

    Source: K. Karplus and A. Strong, Digital Synthesis of Plucked-String and Drum Timbres, Computer Music Journal 7(2),
    1983; D. A. Jaffe and J. O. Smith, Extensions of the Karplus-Strong Plucked-String Algorithm, in the same issue.
    """
    longest = whole_number("karplus_strong: max_delay", max_delay, least=2)
    shortest = whole_number("karplus_strong: min_delay", min_delay, least=2)
    if shortest > longest:
        raise ArgumentError(f"karplus_strong: min_delay={min_delay!r} is above max_delay={max_delay!r}")
    x, freq = lift(excitation, "karplus_strong: excitation"), lift(freq, "karplus_strong: freq")
    parameters = lift(decay, "karplus_strong: decay"), lift(brightness, "karplus_strong: brightness")
    time, loss, blend = outputs_of(string_coefficients(freq, *parameters, shortest=shortest, longest=longest))
    least = max(shortest - 2, _probably(freq, longest), key=abs)

    def body(prev):
        end = delay_line(prev, time, size=longest, least=least)
        return add(x, mul(loss, blended(end, history(end), blend)))

    return _loop(body)


def _probably(freq: Any, longest: int) -> int:
    """Minus the frames that a string of this frequency is likely to be delayed by at least; checked when run."""
    if isinstance(freq, Number):
        highest = freq.number
    elif isinstance(freq, Data) and not freq.spec.varies:
        highest = float(np.max(freq.array, initial=0.0))
    else:
        return 0
    period = min(runtime.sample_rate() / highest, longest) - 2 if highest > 0 else 0.0
    return -(1 << int(period).bit_length() - 1) if period >= 1 else 0
