"""Effects of level: gate and expander turn down what is soft, a limiter what is too loud, pan one side."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..config import real_number
from ..errors import ArgumentError, ShapeError
from ..graph import composite, lift, pointwise, recurrence
from ..ops import above, amplified, ballistics, seen, share_per_frame, sooner, sub, within
from ..run import runtime
from .ranges import kept

_QUIETEST = 1e-10  # -200 dB: the level of silence, and the most that is turned down by
_LONGEST = 1000.0  # ms, of a look-ahead


def _decibels(x: Any) -> Any:
    return jnp.log(above(jnp.abs(x), _QUIETEST)) * (20 / math.log(10))


@pointwise
def expansion(x, threshold_db, ratio):
    """By how many dB an expander turns `x` down, at most 200."""
    under = jax.nn.relu(threshold_db - _decibels(x))
    return within(seen(ratio - 1) * under, 0.0, 200.0)


def _expanded(name: str, x: Any, threshold_db: Any, ratio: Any, attack_ms: Any, release_ms: Any) -> Any:
    x, threshold = lift(x, f"{name}: x"), lift(threshold_db, f"{name}: threshold_db")
    steep = kept(f"{name}: ratio", ratio, 1.0)
    times = kept(f"{name}: release_ms", release_ms, 0.0), kept(f"{name}: attack_ms", attack_ms, 0.0)
    rise, fall = (share_per_frame(ms, left=math.exp(-1)) for ms in times)
    return amplified(x, sub(0.0, ballistics(expansion(x, threshold, steep), rise, fall)))


@composite
def gate(x: Any, threshold_db: Any, ratio: Any = 10.0, attack_ms: Any = 1.0, release_ms: Any = 100.0) -> Any:
    """Noise gate: an `expander` so steep that it closes below the threshold.

    Args:
        x: Any shape; each lane is turned down by itself. 0 dB is an absolute value of 1.
        threshold_db: Level below which it closes.
        ratio: By how many dB the output falls for one less at the input, from 1.
        attack_ms: Time constant of opening in milliseconds, from 0.
        release_ms: Time constant of closing in milliseconds, from 0.

    All may be learned, and may vary per frame and per lane; what moves or is learned is kept inside its range. Nothing is
    turned down by more than 200 dB. It is open when it begins.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: a number outside its range. ShapeError: shapes that do not broadcast.

    >>> x = Signal.from_samples([1.0, 0.01])
    >>> x.gate(threshold_db=-38, attack_ms=0, release_ms=0).realize()
    array([1.        , 0.00125893], dtype=float32)

    Source: D. Giannoulis, M. Massberg and J. D. Reiss, Digital Dynamic Range Compressor Design - A Tutorial and Analysis,
    JAES 60(6), 2012, turned upside down.
    """
    return _expanded("gate", x, threshold_db, ratio, attack_ms, release_ms)


@composite
def expander(x: Any, threshold_db: Any, ratio: Any = 2.0, attack_ms: Any = 1.0, release_ms: Any = 100.0) -> Any:
    """Downward expander: what is softer than a threshold is made softer still.

    Below the threshold a level of L dB becomes `threshold_db + ratio (L - threshold_db)`. The gain follows in dB, by the smooth
    branching detector of `compressor`.

    Args:
        x: Any shape; each lane is turned down by itself. 0 dB is an absolute value of 1.
        threshold_db: Level below which it works.
        ratio: By how many dB the output falls for one less at the input, from 1: nothing is changed.
        attack_ms: Time constant in milliseconds of letting go where it gets louder, from 0; 0 is at once.
        release_ms: Time constant in milliseconds of turning down where it gets softer, from 0.

    All may be learned, and may vary per frame and per lane; what moves or is learned is kept inside its range. Nothing is
    turned down by more than 200 dB, and nothing when it begins.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: a number outside its range. ShapeError: shapes that do not broadcast.

    >>> x = Signal.from_samples([1.0, 0.01])
    >>> x.expander(threshold_db=-20, attack_ms=0, release_ms=0).realize()
    array([1.   , 0.001], dtype=float32)

    Source: D. Giannoulis, M. Massberg and J. D. Reiss, Digital Dynamic Range Compressor Design - A Tutorial and Analysis,
    JAES 60(6), 2012, turned upside down.
    """
    return _expanded("expander", x, threshold_db, ratio, attack_ms, release_ms)


@pointwise
def excess(x, threshold_db):
    """By how many dB `x` is above a threshold."""
    return jax.nn.relu(_decibels(x) - threshold_db)


@pointwise
def ceiled(x, reduction_db, threshold_db):
    """`x` turned down, and no louder than the threshold, whatever was rounded on the way."""
    scale = math.log(10) / 20
    ceiling = jnp.exp(threshold_db * scale) * (1 - 2.0**-22 * (1 + jnp.abs(threshold_db) * scale))
    y = x * jnp.exp(-reduction_db * scale)
    held = within(y, -ceiling, ceiling)
    rounded = jnp.abs(y) <= ceiling * (1 + 1e-5)  # a peak is at the ceiling: which side of it must not decide the slope
    return jnp.where(rounded, y + lax.stop_gradient(held - y), held)


def _over_last(line: Any, size: int, what: str) -> Any:
    """`(size - 1 + frames, *shape)` -> `(frames, *shape)`: the largest of `size` rows, or their mean, in log2(size) steps."""
    combine = jnp.maximum if what == "largest" else jnp.add
    frames, out, at, width = line.shape[0] - size + 1, None, 0, 1
    while at < size:
        if size & width:
            piece = line[at : at + frames]
            out, at = piece if out is None else combine(out, piece), at + width
        if 2 * width <= size:
            line = combine(line[: line.shape[0] - width], line[width:])
        width *= 2
    assert out is not None
    return out if what == "largest" else out / size


@recurrence(init=lambda x, *, before, what: jnp.zeros((before, *x.shape), x.dtype))
def sliding(state, x, *, before, what):
    """The largest of this frame and so many before, or their mean; 0 before the beginning."""
    line = jnp.concatenate([state, x[None]])
    return line[1:], _over_last(line, before + 1, what)[0]


@sliding.parallel(when=lambda parallel, *specs: True)
def _(state, x, *, before, what, frames):
    line = jnp.concatenate([state, jnp.broadcast_to(x, (frames, *state.shape[1:]))])
    return line[frames:], _over_last(line, before + 1, what)


@composite
def limiter(x: Any, threshold_db: Any = -1.0, release_ms: Any = 50.0, lookahead_ms: float = 5.0) -> Any:
    """Limiter that looks ahead: no sample leaves it above the threshold, and the gain is down before a peak comes.

    The gain that a peak needs is held for the look-ahead before it, let go by an exponential after it, and smoothed by a mean
    over the look-ahead, all in dB.

    Args:
        x: A Signal or SignalTensor at hop 1; each lane is turned down by itself. 0 dB is an absolute value of 1.
        threshold_db: The ceiling.
        release_ms: Time constant in milliseconds of letting go, from 0.
        lookahead_ms: In milliseconds, in [0, 1000]; part of the program. It is rounded to whole frames of `DGen.sample_rate`
            as that is now; 0 turns down each peak by itself.

    The first two may be learned, and may vary per frame and per lane; a release that moves or is learned is kept from 0 on. A
    ceiling that moves is met at each frame by that of this frame.

    Returns:
        The shape of all broadcast, in time with `x`; a stream of it is later by the look-ahead, `latency` frames. Below the
        threshold the sound is what it was, exactly.

    Raises:
        ArgumentError: a number outside its range; a value that is not at hop 1, or in a loop. ShapeError: shapes that do not
            broadcast.

    >>> with DGen.override(sample_rate=1000.0):
    ...     y = Signal.from_samples([0.5, 0.5, 0.5, 2.0, 0.5]).limiter(threshold_db=0, release_ms=0, lookahead_ms=2)
    ...     y.realize(), y.latency
    (array([0.5       , 0.39685026, 0.31498027, 0.99999976, 0.31498027], dtype=float32), 2)

    Source: P. Haemaelaeinen, Smoothing of the Control Signal Without Clipped Output in Digital Peak Limiters, DAFx 2002.
    """
    x, threshold = lift(x, "limiter: x"), lift(threshold_db, "limiter: threshold_db")
    release = share_per_frame(kept("limiter: release_ms", release_ms, 0.0), left=math.exp(-1))
    ahead = real_number("limiter: lookahead_ms", lookahead_ms)
    if not 0 <= ahead <= _LONGEST:
        raise ArgumentError(f"limiter: lookahead_ms={ahead:g} is not inside [0, {_LONGEST:g}]")
    frames = round(ahead * runtime.sample_rate() / 1000)
    reduction = sliding(excess(x, threshold), before=frames, what="largest")
    reduction = sliding(ballistics(reduction, 1.0, release), before=frames, what="mean")
    if frames and reduction.spec.hop != 1:
        hop = reduction.spec.hop
        raise ArgumentError(f"limiter: it looks ahead in a value of every frame, this one comes every {hop}; upsample() it")
    return ceiled(x, sooner(reduction, ticks=frames) if frames else reduction, threshold)


@pointwise
def panned(x, position):
    """Two lanes on the last axis, of one or of two."""
    x = x if x.ndim else x[None]
    if x.shape[-1] not in (1, 2):
        raise ShapeError(f"it takes one lane or two, on the last axis, not {x.shape}; reshape(..., 1) makes each lane a voice")
    return x * jnp.sin((1 + jnp.stack([-position, position], -1)) * (math.pi / 4))


@composite
def pan(x: Any, position: Any = 0.0) -> Any:
    """A place between two loudspeakers, by equal power: the squares of both gains add up to 1.

    `sin((1 - position) pi / 4)` is the gain of the first lane, `sin((1 + position) pi / 4)` that of the second: in the middle
    both are 3 dB down.

    Args:
        x: One lane, `()` or `(..., 1)`, is laid on two. Of two, `(..., 2)`, each stays where it is, with the gain of its side.
        position: From -1, all in the first lane and the second silent, exactly, to 1, all in the second and the first silent.
            May be learned, and may vary per frame; a place for each voice, `(voices,)`, goes with voices of `(voices, 1)`.

    Returns:
        A SignalTensor `(..., 2)`.

    Raises:
        ArgumentError: a number outside [-1, 1]; what moves or is learned is kept inside. ShapeError: more than two lanes on the
            last axis, or shapes that do not broadcast.

    >>> Signal.from_samples([1.0, 2.0]).pan(1.0).realize()
    array([[0., 1.],
           [0., 2.]], dtype=float32)
    """
    return panned(lift(x, "pan: x"), kept("pan: position", position, -1.0, 1.0))
