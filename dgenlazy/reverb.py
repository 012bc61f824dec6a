"""Echoes fed back: what reverberators are made of, and plucked strings. Loops through delays, in blocks as long as these."""

from __future__ import annotations

from typing import Any

from .graph import Number, lift
from .loop import close
from .op import composite
from .ops.filter import onepole
from .ops.math import add, clamp, mul, sub
from .ops.signal import bounded, delay_line


def _late(prev: Any, time: Any, size: int, least: int) -> Any:
    """`delay` of what `prev` is one frame earlier."""
    shorter = least - 1 if least > 0 else min(least + 1, 0)
    return delay_line(prev, sub(time, 1.0), size=size, least=shorter)


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
    ahead = sub(delay_line(x, time, size=size, least=0), mul(gain, x))
    return _loop(lambda prev: add(ahead, mul(gain, _late(prev, time, size, least))))
