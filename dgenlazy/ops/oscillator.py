"""Oscillators and noise."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import composite, lift, parts, pointwise, recurrence, zeros
from ..recurrence import restarting
from .fixed import added, fraction, negative

# A phase is kept as a whole number of 2**-64 cycles in two words.


def _times64(a: tuple[Any, Any], k: Any) -> tuple[Any, Any]:
    """`a` times the uint32 `k`, modulo 2**64; by halves, since a product of two uint32 does not fit into one."""
    high, low = a
    low1, low0, k1, k0 = low >> 16, low & 0xFFFF, k >> 16, k & 0xFFFF
    cross1, cross0 = low1 * k0, low0 * k1
    middle = ((low0 * k0) >> 16) + (cross1 & 0xFFFF) + (cross0 & 0xFFFF)
    return high * k + low1 * k1 + (cross1 >> 16) + (cross0 >> 16) + (middle >> 16), low * k


def _pieces(number: Fraction, bits: int, count: int) -> list[float]:
    """`number` in (0, 1] as a sum of floats with `bits` significant bits each."""
    out = []
    for _ in range(count):
        scale = Fraction(2) ** (bits - 1 - int(np.floor(np.log2(float(number))))) if number else Fraction(1)
        piece = Fraction(int(number * scale)) / scale
        out.append(float(piece))
        number -= piece
    return out


@pointwise
def turns(freq, *left, half, sample_rate):
    """`freq / sample_rate` cycles, modulo 1, in units of 2**-64 cycles: the high or the low 32 bits.

    float32 cannot hold it to the 40 bits that ten minutes need. A number comes with what float32 has left of it. All, and what
    they are multiplied by, are cut into pieces of 12 bits, whose products are exact in the 24 bits of a float32; these are
    added up as integers.
    """
    pieces = _pieces(1 / Fraction(sample_rate), 12, 5 if left else 4)
    none = jnp.zeros_like(freq, jnp.uint32)
    total = none, none
    for part in (freq, *left):
        size = jnp.abs(part.astype(jnp.float32))
        top = lax.bitcast_convert_type(lax.bitcast_convert_type(size, jnp.uint32) & jnp.uint32(0xFFFFF000), jnp.float32)
        own = none, none
        for piece in pieces:
            for bits in (top, size - top):
                cycles = bits * jnp.float32(piece)
                own = added(own, fraction(cycles - jnp.floor(cycles)))
        total = added(total, tuple(jnp.where(part < 0, b, t) for t, b in zip(own, negative(own))))
    high, low = total
    return high if half == "high" else low


@pointwise
def frames_per_second(*, sample_rate):
    """The sample rate of whatever runs it, in Hz; also at a hop that of audio."""
    return jnp.asarray(sample_rate, jnp.float32)


frames_per_second.__name__ = "sample_rate"


@pointwise
def per_frame(freq, *, sample_rate):
    """`freq` in cycles per frame."""
    return freq / sample_rate


def _cycles(high: Any, drift: Any) -> Any:
    """Phase in [0, 1): the top 24 bits, all of which a float32 can hold."""
    return ((high + jnp.uint32(128)) >> 8).astype(drift.dtype) * 2.0**-24 + drift


def _ramp_init(high, low, cycles, reset):
    drift = zeros(cycles, reset)
    return jnp.zeros_like(drift, jnp.uint32), jnp.zeros_like(drift, jnp.uint32), drift


@recurrence(init=_ramp_init, every_frame=True)
def ramp(state, high, low, cycles, reset):
    """Running sum of the increment `(high, low)`, modulo one cycle.

    `drift` is always 0. It carries what integers cannot: the gradient to `cycles`, and NaN where a frequency was not finite.
    """
    restart = reset > 0
    phase_high, phase_low, drift = (jnp.where(restart, jnp.zeros_like(s), s) for s in state)
    after = added((phase_high, phase_low), (high, low))
    return (*after, drift + (cycles - lax.stop_gradient(cycles))), _cycles(phase_high, drift)


@ramp.parallel(when=lambda parallel, *specs: parallel or not any(s.varies for s in specs))
def _(state, high, low, cycles, reset, *, frames):
    moved = cycles - lax.stop_gradient(cycles)
    if all(x.shape[0] == 1 for x in (high, low, cycles, reset)) and frames != 1:
        restart = reset[0] > 0
        start = [jnp.where(restart, jnp.zeros_like(s), s) for s in state]
        k = jnp.arange(frames + 1, dtype=jnp.uint32).reshape(-1, *(1,) * state[0].ndim)
        sum_high, sum_low = added((start[0], start[1]), _times64((high, low), k))
        drift = start[2] + k.astype(cycles.dtype) * moved
        out = _cycles(jnp.where(restart, jnp.uint32(0), sum_high[:-1]), jnp.where(restart, 0.0 * drift[:-1], drift[:-1]))
        return _last_ramp(restart, (sum_high, sum_low, drift), (high, low, moved)), out
    shape = (frames, *state[0].shape)
    restart = jnp.broadcast_to(reset > 0, shape)
    sums = [jnp.concatenate([s[None], jnp.broadcast_to(x, shape)]) for s, x in zip(state, (high, low, moved))]
    restart = jnp.concatenate([restart, jnp.zeros_like(state[0], bool)[None]])
    sums = tuple(jnp.where(restart, jnp.zeros_like(s), s) for s in sums)
    _, sums = restarting(lambda a, b: (*added(a[:2], b[:2]), a[2] + b[2]), restart, sums)
    return tuple(s[-1] for s in sums), _cycles(sums[0][:-1], sums[2][:-1])


def _last_ramp(restart, sums, step):
    """After a run whose every frame restarts, the phase is one step on; else the sum of all."""
    return tuple(jnp.where(restart, jnp.broadcast_to(b[0], s[-1].shape), s[-1]) for s, b in zip(sums, step))


@composite
def phasor(freq: Any, reset: Any = None) -> Any:
    """Ramp from 0 to 1, `freq` times a second: 0, f/sr, 2 f/sr, ... in [0, 1), downwards for negative `freq`.

    The phase is exact to 2**-24 cycles however long the run (a float32 sum would be off by 1e-3 after ten seconds).

    Args:
        freq: In Hz; a number, Tensor, Signal or SignalTensor. A shape other than () gives one lane per element. Numbers are
            taken as the float64 that they are, what a Tensor or Signal holds as the float32 that it is.
        reset: The phase is 0 at each frame where `reset > 0`, and goes on from there.

    Returns:
        Phase in cycles, the shape of `freq` and `reset` broadcast. The gradient to `freq` ignores the wrap and ends at a reset.

    >>> with DGen.override(sample_rate=8.0):
    ...     Signal.phasor(1.0).realize(4)
    array([0.   , 0.125, 0.25 , 0.375], dtype=float32)
    """
    freq = parts(freq, "phasor: freq")
    reset = lift(0.0 if reset is None else reset, "phasor: reset")
    return ramp(turns(*freq, half="high"), turns(*freq, half="low"), per_frame(freq[0]), reset)


@pointwise
def noise(seed, *, shape=(), frame):
    """White noise, uniform in [-1, 1): a pure function of the seed, the absolute frame and the element."""
    key = jax.random.key(seed[0], impl="threefry2x32")
    for part in (seed[1], seed[2], frame):
        key = jax.random.fold_in(key, part)
    return jax.random.uniform(key, shape, jnp.float32, minval=-1.0, maxval=1.0)
