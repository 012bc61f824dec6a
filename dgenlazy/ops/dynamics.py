"""What follows a signal, a gate or a parameter in time: compressor, envelope and smoothing."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from ..graph import composite, lift, pointwise, recurrence, varying, zeros
from .comparison import greater
from .filter import above
from .math import sub
from .signal import previous
from .slopes import toward, within

_SHORTEST = 1e-4  # ms; shorter times count as this one, which is at once at any sample rate in use
_QUIETEST = 1e-10  # -200 dB: the level of silence


@pointwise
def share_per_frame(ms, *, left, sample_rate):
    """What part of a distance is gone in a frame, if all but a part of `left` of it is gone in `ms`."""
    return -jnp.expm1(math.log(left) * 1000 / (above(ms, _SHORTEST) * sample_rate))


def seen(slope: Any) -> Any:
    """A slope, or 1e-20 for 0: too little to be heard, but detectors tell attack from release by it, and so do gradients."""
    return slope + jnp.where(slope == 0, 1e-20, 0.0)


@pointwise
def gain_reduction(x, threshold_db, ratio, knee_db):
    """By how many dB a static compressor turns `x` down: straight lines, and a parabola between them over the knee."""
    size = above(jnp.abs(x), _QUIETEST)
    over = jnp.log(size) * (20 / math.log(10)) - threshold_db
    knee = above(knee_db, 1e-3)
    into, beyond = within(over + knee / 2, 0.0, knee), jax.nn.relu(over - knee / 2)  # one slope ends where the other begins
    return seen(1 - 1 / above(ratio, 1.0)) * (into * into / (2 * knee) + beyond)


@recurrence(  # where both are at once: to ask whether the level is infinite takes half as long again
    rises=lambda x, rise, fall: jnp.maximum(rise, fall), renews=lambda x, rise, fall: (rise == 1) & (fall == 1)
)
def ballistics(level, x, rise, fall):
    """Follows `x` by a share of `rise` upwards and of `fall` downwards: the smooth, branching peak detector."""
    return jnp.where(x > level, rise, fall) * (x - level), None


@pointwise
def amplified(x, gain_db):
    return x * jnp.exp(gain_db * (math.log(10) / 20))


@composite
def compressor(
    x: Any,
    threshold_db: Any = -20.0,
    ratio: Any = 4.0,
    attack_ms: Any = 10.0,
    release_ms: Any = 100.0,
    knee_db: Any = 6.0,
    makeup_db: Any = 0.0,
) -> Any:
    """Turns down what is loud: a feed-forward compressor, its level taken and smoothed in dB.

    Args:
        x: Any shape; each lane is turned down by itself. 0 dB is an absolute value of 1.
        threshold_db: Level from which on it works.
        ratio: By how many dB the input rises for one more at the output, kept at 1 or above; `inf` limits.
        attack_ms, release_ms: Time constants in milliseconds of turning down and of letting go again: what is gone to
            1/e. 0 is at once, and flat: its gradient is 0.
        knee_db: Width of the bend around the threshold; 0 (kept at 0.001 or above) for a corner.
        makeup_db: Gain of all.

    All may be learned, and may vary per frame and per lane.

    Returns:
        The shape of all broadcast.

    Raises:
        ShapeError: shapes that do not broadcast.

    >>> x = Signal.from_samples([1.0, 1.0, 0.01])
    >>> x.compressor(threshold_db=-20, ratio=2, attack_ms=0, release_ms=0, knee_db=0).realize()
    array([0.31622776, 0.31622776, 0.01      ], dtype=float32)

    Source: D. Giannoulis, M. Massberg and J. D. Reiss, Digital Dynamic Range Compressor Design - A Tutorial and Analysis,
    JAES 60(6), 2012: equation 4 for the knee, 16 for the smooth branching detector, in the log domain.
    """
    x, makeup_db = lift(x, "compressor: x"), lift(makeup_db, "compressor: makeup_db")
    curve = (
        lift(threshold_db, "compressor: threshold_db"),
        lift(ratio, "compressor: ratio"),
        lift(knee_db, "compressor: knee_db"),
    )
    rise, fall = (
        share_per_frame(lift(v, f"compressor: {name}"), left=math.exp(-1))
        for v, name in ((attack_ms, "attack_ms"), (release_ms, "release_ms"))
    )
    return amplified(x, sub(makeup_db, ballistics(gain_reduction(x, *curve), rise, fall)))


@pointwise
def rise_per_frame(ms, *, sample_rate):
    return 1000 / (above(ms, _SHORTEST) * sample_rate)


# How many rises are left before the last frame, at most: a time of whole frames ends with them, however sums are rounded.
_LAST = 1 + 1 / 64


def _at_rest(*values):
    level = zeros(*values)
    return level, jnp.zeros_like(level, bool), jnp.zeros_like(level, bool)


@recurrence(init=_at_rest, rises=lambda gate, rise, decay, sustain, release: jnp.maximum(decay, release))
def segments(state, gate, rise, decay, sustain, release):
    """The three segments of `adsr`; the state is the level, whether it is in its attack, and whether the gate was on."""
    level, attack, was_on = state
    on = gate > 0
    attack = on & (attack | ~was_on)
    ends = ~(level < 1 - _LAST * rise)
    up = jnp.where(attack & ends, 1 - level, jnp.broadcast_to(rise, level.shape))
    level = jnp.where(attack, up, jnp.where(on, decay * (sustain - level), -release * level))
    return (level, attack & ~ends, jnp.broadcast_to(on, level.shape)), None


@composite
def adsr(gate: Any, attack_ms: Any, decay_ms: Any, sustain: Any, release_ms: Any) -> Any:
    """Envelope of a note: attack, decay, sustain, release.

    While `gate > 0` it rises to 1 in a straight line, then falls to `sustain` along an exponential; afterwards it falls to
    0 along another. A gate that rises again starts a new attack from the level of now.

    Args:
        gate: On where it is above 0. Any shape.
        attack_ms: Time in milliseconds of a rise from 0 to 1; 0 is at once, and its gradient 0.
        decay_ms, release_ms: Times in milliseconds in which all but a thousandth (60 dB) of the way is gone.
        sustain: Level that is held, usually in [0, 1].

    All but the gate may be learned, and may vary per frame and per lane. The gradient is that of the levels, each stage as many
    frames long as it is: stages end with a frame, so what follows an attack comes a frame later as soon as its time is longer
    than so many frames, by a 64th of one, a jump that has no slope. At a time of whole frames the gradient to it is the slope
    to a shorter one; it is 0 in the frame at 1 that ends an attack, which is the same for all times around. A release in the
    midst of an attack starts from its level, and has the slope of that.

    Returns:
        The level, the shape of all broadcast.

    Raises:
        ShapeError: shapes that do not broadcast.

    >>> with DGen.override(sample_rate=1000.0):
    ...     Signal.from_samples([1, 1, 1, 1, 0, 0]).adsr(2, 3, 0.5, 3).realize()
    array([0.5  , 1.   , 0.55 , 0.505, 0.0505, 0.00505], dtype=float32)

    Source: N. Redmon, Envelope generators - ADSR, EarLevel Engineering, 2013, with a straight attack.
    """
    decay, release = (
        share_per_frame(lift(v, f"adsr: {name}"), left=1e-3) for v, name in ((decay_ms, "decay_ms"), (release_ms, "release_ms"))
    )
    rise = rise_per_frame(lift(attack_ms, "adsr: attack_ms"))
    return segments(lift(gate, "adsr: gate"), rise, decay, lift(sustain, "adsr: sustain"), release)


@recurrence(  # the first frame starts at 0 and has nowhere to come from
    rises=lambda x, share, first: share, renews=lambda x, share, first: share == 1
)
def glide(y, x, share, first):
    return toward(y, x, jnp.where(first > 0, 1, share)), None


@composite
def smooth(x: Any, time_ms: Any = 20.0) -> Any:
    """Follows a parameter without clicks: a step becomes a glide along an exponential.

    It starts at the first value of `x`, not at 0. Where a parameter is changed between the blocks of a stream, it glides
    from the old value to the new one.

    Args:
        x: Any shape, a Tensor or a Signal that does not vary from frame to frame included.
        time_ms: Time in milliseconds in which all but a hundredth of a step is gone; 0 or less is at once,
            and flat: its gradient is 0.

    Both may be learned, and may vary per frame and per lane.

    Returns:
        A Signal or SignalTensor, the shape of both broadcast.

    Raises:
        ShapeError: shapes that do not broadcast.

    >>> gain = Signal.param(1.0)
    >>> glide = gain.smooth(time_ms=2)
    >>> with DGen.override(sample_rate=1000.0):
    ...     before = glide.realize(2, preserve_state=True)
    ...     gain.value = 0.0
    ...     np.concatenate([before, glide.realize(3, preserve_state=True)])
    array([1.   , 1.   , 0.1  , 0.01 , 0.001], dtype=float32)
    """
    x, share = lift(x, "smooth: x"), share_per_frame(lift(time_ms, "smooth: time_ms"), left=1e-2)
    first = previous(_zero_at_the_rate_of(x, share), lift(1.0))  # not the count of frames, which comes back to 0 after a day
    return glide(x, share, first)


def _zero_at_the_rate_of(*nodes: Any) -> Any:
    """0, once for each value of the fastest of what varies: where all are slow, what follows is not to run at every frame."""
    hop = varying([node.spec for node in nodes])
    fastest = next((node for node in nodes if node.spec.varies and node.spec.hop == hop), None)
    return lift(0.0) if fastest is None or hop == 1 else greater(fastest, fastest)
