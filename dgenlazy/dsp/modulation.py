"""Effects that sweep: chorus, flanger and vibrato by a delay that swings, phaser by allpass filters that do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ..config import whole_number
from ..errors import ArgumentError
from ..graph import composite, lift, pointwise, recurrence, varying, zeros
from ..ops import add, delay_line, downsample, half_angle, mul, phasor, within
from ..run import close
from .echo import blended
from .ranges import kept, number_of

_LONGEST = 50.0  # ms, of a delay and of its depth each
_FASTEST = 192_000  # Hz, the highest sample rate that the lines are long enough for


@pointwise
def swung(phase, delay_ms, depth_ms, *, shortest, size, sample_rate):
    """A delay in frames that swings round `delay_ms` by `depth_ms` up and down, a sine."""
    if sample_rate > _FASTEST:
        raise ArgumentError(f"a delay that swings takes sample rates up to {_FASTEST} Hz, not {sample_rate:g}")
    time = delay_ms + depth_ms * jnp.sin(2 * math.pi * phase)
    return within(time * (sample_rate / 1000), shortest, size)


def _lfo(rate: Any, others: Sequence[Any]) -> Any:
    """The phase of a sweep, a value for each of the fastest of `others`."""
    hop = varying([node.spec for node in others]) or 1
    phase = phasor(rate)
    return downsample(phase, hop) if hop > 1 else phase


def _swing(x: Any, rate: Any, delay: Any, depth: Any, others: Sequence[Any] = (), shortest: int = 0) -> tuple[Any, int]:
    """A delay that swings, in frames, and the length of a line that is long enough for it."""
    most = sum(_LONGEST if (ms := number_of(node)) is None else ms for node in (delay, depth)) * _FASTEST / 1000
    size = 1 << max(math.ceil(most) - 1, shortest).bit_length()  # few programs for all numbers
    phase = _lfo(rate, [x, delay, depth, *others])
    return swung(phase, delay, depth, shortest=shortest, size=size), size


@composite
def chorus(x: Any, rate: Any = 1.0, depth_ms: Any = 3.0, delay_ms: Any = 15.0, mix: Any = 0.5) -> Any:
    """Chorus: a copy whose delay swings, and its pitch with it, beside the sound itself.

    `y[n] = (1 - mix) x[n] + mix x[n - t[n]]`, `t[n]` being `delay_ms + depth_ms sin(2 pi phase[n])`, never below 0, and
    `phase` the ramp of `Signal.phasor(rate)`; between frames, linear interpolation.

    Args:
        x: Any shape. At a hop the sweep has its values, and all times stay as long.
        rate: Of the sweep in Hz, from 0.
        depth_ms: By how much the delay swings to each side in milliseconds, in [0, 50].
        delay_ms: Its mean in milliseconds, in [0, 50].
        mix: Part of the copy, in [0, 1]: 0 is the sound itself, exactly.

    All may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range. A rate, delay
    or depth for each lane makes the voices of an ensemble.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: a number outside its range; a sample rate above 192 kHz. ShapeError: shapes that do not broadcast.

    >>> with DGen.override(sample_rate=1000.0):
    ...     Signal.from_samples([1, 0, 0, 0]).chorus(depth_ms=0, delay_ms=2.5).realize()
    array([0.5 , 0.  , 0.25, 0.25], dtype=float32)

    Source: J. Dattorro, Effect Design Part 2: Delay-Line Modulation and Chorus, JAES 45(10), 1997.
    """
    x, rate = lift(x, "chorus: x"), kept("chorus: rate", rate, 0.0)
    depth, delay = kept("chorus: depth_ms", depth_ms, 0.0, _LONGEST), kept("chorus: delay_ms", delay_ms, 0.0, _LONGEST)
    share = kept("chorus: mix", mix, 0.0, 1.0)
    time, size = _swing(x, rate, delay, depth, [share])
    return blended(x, delay_line(x, time, size=size, least=0), share)


@composite
def flanger(x: Any, rate: Any = 0.3, depth_ms: Any = 2.0, delay_ms: Any = 2.0, feedback: Any = 0.5, mix: Any = 0.5) -> Any:
    """Flanger: a comb of notches that sweeps, from a short delay that swings and is fed back.

    `y[n] = (1 - mix) x[n] + mix w[n]`, `w[n] = v[n - t[n]]`, `v[n] = x[n] + feedback w[n]`, where `t[n]` is that of `chorus`,
    but never below one frame.

    Args:
        x: Any shape.
        rate: Of the sweep in Hz, from 0.
        depth_ms: By how much the delay swings to each side in milliseconds, in [0, 50].
        delay_ms: Its mean in milliseconds, in [0, 50].
        feedback: Gain of what is fed back, in [-1, 1]: at both ends it never dies away.
        mix: Part of the delayed sound, in [0, 1]: at 0.5 the notches are deepest, 0 is the sound itself.

    All may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: a number outside its range; a sample rate above 192 kHz. ShapeError: shapes that do not broadcast.

    >>> with DGen.override(sample_rate=1000.0):
    ...     Signal.from_samples([1, 0, 0, 0, 0]).flanger(depth_ms=0).realize()
    array([0.5  , 0.   , 0.5  , 0.   , 0.25 ], dtype=float32)

    Source: J. Dattorro, Effect Design Part 2: Delay-Line Modulation and Chorus, JAES 45(10), 1997.
    """
    x, rate = lift(x, "flanger: x"), kept("flanger: rate", rate, 0.0)
    depth, delay = kept("flanger: depth_ms", depth_ms, 0.0, _LONGEST), kept("flanger: delay_ms", delay_ms, 0.0, _LONGEST)
    gain, share = kept("flanger: feedback", feedback, -1.0, 1.0), kept("flanger: mix", mix, 0.0, 1.0)
    time, size = _swing(x, rate, delay, depth, [gain, share], shortest=1)
    if number_of(gain) == 0:
        return blended(x, delay_line(x, time, size=size, least=1), share)

    def body(prev):
        late = delay_line(prev[0], add(time, -1.0), size=size, least=0)  # `prev` is a frame late itself
        return add(x, mul(gain, late)), late

    return blended(x, close(body, (0.0, 0.0), lambda node: node)[1], share)


@composite
def vibrato(x: Any, rate: Any = 5.0, depth_ms: Any = 1.0) -> Any:
    """Vibrato: the pitch swings, by a delay that does.

    `y[n] = x[n - t[n]]`, with `t[n] = depth_ms (1 + sin(2 pi phase[n]))`, `phase` the ramp of `Signal.phasor(rate)`. A
    frequency f becomes up to `2 pi rate depth_ms / 1000` times f higher and lower: 1 ms at 5 Hz is 3.1 %, half a semitone.

    Args:
        x: Any shape.
        rate: In Hz, from 0.
        depth_ms: By how much the delay swings to each side of itself in milliseconds, in [0, 50]; 0 is the sound itself.

    Both may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: a number outside its range; a sample rate above 192 kHz. ShapeError: shapes that do not broadcast.

    >>> with DGen.override(sample_rate=1000.0):
    ...     Signal.from_samples([1, 2, 3, 4]).vibrato(rate=250).realize()
    array([0., 0., 2., 4.], dtype=float32)

    Source: J. Dattorro, Effect Design Part 2: Delay-Line Modulation and Chorus, JAES 45(10), 1997.
    """
    x, rate = lift(x, "vibrato: x"), kept("vibrato: rate", rate, 0.0)
    depth = kept("vibrato: depth_ms", depth_ms, 0.0, _LONGEST)
    time, size = _swing(x, rate, depth, depth)
    return delay_line(x, time, size=size, least=0)


@pointwise
def swept_pole(phase, low, high, *, sample_rate):
    """The coefficient of a first-order allpass whose corner swings between two frequencies, evenly in octaves."""
    up = 0.5 + 0.5 * jnp.sin(2 * math.pi * phase)
    sin, cos = half_angle(jnp.exp((1 - up) * jnp.log(low) + up * jnp.log(high)), sample_rate)
    return (sin - cos) / (sin + cos)


@recurrence(init=lambda x, pole, feedback, *, stages: (zeros(x, pole, feedback),) * (stages + 1))
def allpass_chain(state, x, pole, feedback, *, stages):
    """First-order allpass filters in series, `(c + 1/z) / (1 + c/z)` each; the last output is fed back a frame later."""
    last, *memory = state
    y, after = x + feedback * last, []
    for s in memory:
        through = pole * y + s
        after.append(y - pole * through)
        y = through
    return (y, *after), y


@composite
def phaser(
    x: Any,
    rate: Any = 0.5,
    low: Any = 300.0,
    high: Any = 3000.0,
    stages: int = 4,
    feedback: Any = 0.5,
    mix: Any = 0.5,
) -> Any:
    """Phaser: notches that sweep, from a chain of first-order allpass filters.

    `y[n] = (1 - mix) x[n] + mix w[n]`, where `w` is what leaves the chain, and `x[n] + feedback w[n-1]` what enters it. All
    stages turn by -90 degrees at the same frequency, `low (high / low) ** (0.5 + 0.5 sin(2 pi phase[n]))`, with `phase` the
    ramp of `Signal.phasor(rate)`. Two stages make a notch.

    Args:
        x: Any shape.
        rate: Of the sweep in Hz, from 0.
        low, high: Where it turns, in Hz, from 1; kept below half the sample rate.
        stages: How many filters there are, 1 to 64; part of the program.
        feedback: Gain of what is fed back, in [-1, 1]: at both ends it never dies away.
        mix: Part of the filtered sound, in [0, 1]: at 0.5 the notches are deepest, 0 is the sound itself.

    All but `stages` may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: a number outside its range, or `low` above `high`. ShapeError: shapes that do not broadcast.

    >>> with DGen.override(sample_rate=1000.0):
    ...     Signal.from_samples([1, 0, 0]).phaser(low=100, high=100, stages=1, feedback=0).realize()
    array([0.24523735, 0.37019196, 0.18862219], dtype=float32)

    Source: J. O. Smith, Physical Audio Signal Processing, "Phasing with First-Order Allpass Filters".
    """
    x, rate = lift(x, "phaser: x"), kept("phaser: rate", rate, 0.0)
    bottom, top = kept("phaser: low", low, 1.0), kept("phaser: high", high, 1.0)
    if (a := number_of(bottom)) is not None and (b := number_of(top)) is not None and a > b:
        raise ArgumentError(f"phaser: low={a:g} is above high={b:g}")
    count = whole_number("phaser: stages", stages, least=1, most=64)
    gain, share = kept("phaser: feedback", feedback, -1.0, 1.0), kept("phaser: mix", mix, 0.0, 1.0)
    pole = swept_pole(_lfo(rate, [x, bottom, top, gain, share]), bottom, top)
    return blended(x, allpass_chain(x, pole, gain, stages=count), share)
