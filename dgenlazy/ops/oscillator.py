"""Oscillators and noise."""

from __future__ import annotations

import functools as ft
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..graph import Number, composite, derivative_of, in_our_modes, lift, outputs_of, parts, pointwise, recurrence, zeros
from ..recurrence import restarting
from .fixed import added, fraction, made_once, negative, running, summed, times

# A phase is kept as a whole number of 2**-64 cycles in two words.


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
    parts = [x.astype(jnp.float32) for x in (freq, *left)]
    high, low = _turns_of_parts(jnp.stack(parts), pieces) if left else _turns_of_one(parts[0], pieces)
    return high if half == "high" else low


def _turns_of_parts(parts, pieces):
    """Of a sum along the first axis that rests: all products at once, which are traced and compiled sooner than one by one."""
    bits = jnp.stack(_cut(jnp.abs(parts)))
    words = _turns_of(bits * np.float32(pieces).reshape(-1, *(1,) * bits.ndim))
    words = [jnp.where(parts < 0, b, t) for t, b in zip(words, negative(words))]
    return summed(tuple([x.reshape(-1, *parts.shape[1:]) for x in words]))


def _turns_of_one(part, pieces):
    """Of what may be another in each frame: one product after another, in one pass over the frames."""
    none = jnp.zeros_like(part, jnp.uint32)
    total = none, none
    for piece in pieces:
        for bits in _cut(jnp.abs(part)):
            total = added(total, _turns_of(bits * jnp.float32(piece)))
    return [jnp.where(part < 0, b, t) for t, b in zip(total, negative(total))]


def _cut(size):
    """A float32 as the sum of two, the first of 12 bits."""
    top = lax.bitcast_convert_type(lax.bitcast_convert_type(size, jnp.uint32) & jnp.uint32(0xFFFFF000), jnp.float32)
    return top, size - top


def _turns_of(cycles):
    return fraction(cycles - jnp.floor(cycles))


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


def _read(phase: tuple[Any, ...], words: bool) -> Any:
    return phase if words else _cycles(phase[0], phase[2])


@recurrence(init=lambda *values, **_: _ramp_init(*values), every_frame=True)
def ramp(state, high, low, cycles, reset, *, words=False, resets=True, parallel=False):
    """Running sum of the increment `(high, low)`, modulo one cycle: in cycles, or as all of its state.

    Where `resets` is false, `reset` is 0.

    `drift` is always 0. It carries what integers cannot: the gradient to `cycles`, and NaN where a frequency was not finite.
    """
    restart = reset > 0
    phase_high, phase_low, drift = (jnp.where(restart, jnp.zeros_like(s), s) for s in state)
    after = added((phase_high, phase_low), (high, low))
    return (*after, drift + (cycles - lax.stop_gradient(cycles))), _read((phase_high, phase_low, drift), words)


@ramp.parallel(when=lambda parallel, *specs: parallel or not any(s.varies for s in specs))
def _(state, high, low, cycles, reset, *, frames, words=False, resets=True, parallel=False):
    moved = cycles - lax.stop_gradient(cycles)
    if all(x.shape[0] == 1 for x in (high, low, cycles, reset)) and frames != 1:
        if isinstance(frames, int) and frames <= _BLOCK and state[0].size == 1 and not (words or resets or parallel):
            return _walked(frames, state, (high[0], low[0]), moved[0])
        high, low = made_once(high, low)
        restart = reset[0] > 0
        start = [jnp.where(restart, jnp.zeros_like(s), s) for s in state]
        k = jnp.arange(frames + 1, dtype=jnp.uint32).reshape(-1, *(1,) * state[0].ndim)
        sum_high, sum_low = added((start[0], start[1]), times((high, low), k, frames))
        drift = start[2] + _drifted(k.astype(cycles.dtype), moved)
        sums = sum_high, sum_low, drift
        out = tuple(jnp.where(restart, jnp.zeros_like(s[:-1]), s[:-1]) for s in sums)
        return _last_ramp(restart, sums, (high, low, moved)), _read(out, words)
    shape = (frames, *state[0].shape)
    high, low, moved, restart = (jnp.broadcast_to(x, shape) for x in (high, low, moved, reset > 0))
    if not resets and isinstance(frames, int):  # not symbolic
        return _summed(state, (high, low), moved, words)
    sums = [jnp.concatenate([s[None], x]) for s, x in zip(state, (high, low, moved))]
    restart = jnp.concatenate([restart, jnp.zeros_like(state[0], bool)[None]])
    sums = tuple(jnp.where(restart, jnp.zeros_like(s), s) for s in sums)
    _, sums = restarting(lambda a, b: (*added(a[:2], b[:2]), a[2] + b[2]), restart, sums)
    return tuple(s[-1] for s in sums), _read(tuple(s[:-1] for s in sums), words)


def _summed(state, step, moved, words):
    """`ramp` of a step that may be another in each frame, all frames at once."""
    bad = (moved != moved).astype(jnp.uint32)  # NaN, where a frequency is not finite
    after, lost = running(step, bad)
    after = added(state[:2], after)
    before = added(after, negative(step))
    drift_after, drift = _drifts(state[2], moved, lost[-1] > 0, lost > bad)
    return (after[0][-1], after[1][-1], drift_after), _read((*before, drift), words)


@jax.custom_jvp
def _drifts(start, moved, lost_after, lost):
    """What a phase drifts by, after the last frame and before each: where it starts, or NaN; its derivative is a sum."""
    return tuple(jnp.where(x, jnp.full((), jnp.nan, start.dtype), start) for x in (lost_after, lost))


@_drifts.defjvp  # without symbolic zeros, which shard_map of old JAX does not take
@in_our_modes
def _(primals, tangents):
    start, moved = tangents[:2]
    # The sum is not cut, so that its gradient does not sum what was padded: XLA makes a window as long as the run of that.
    return _drifts(*primals), (start + jnp.sum(moved, 0), jnp.cumsum(jnp.concatenate([start[None], moved])[:-1], 0))


_BLOCK = 4096  # frames of one phase that a CPU steps through in less time than a product for each takes


@ft.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _walked(frames, state, step, moved):
    """`ramp` of a block, a sum in each frame; the words of the phase in one array, as a stream holds them."""
    drift, by = state[2] + moved, jnp.stack(jnp.broadcast_arrays(*step))

    def one_frame(phase, _):
        return jnp.stack(added(tuple(phase), tuple(by))), _cycles(phase[0], drift)

    several = 4 if frames % 4 == 0 and frames > 1024 else 1
    phase, y = lax.scan(one_frame, jnp.stack(state[:2]), None, length=frames, unroll=several)
    return (*phase, drift), y


@_walked.defjvp  # without symbolic zeros, which shard_map of old JAX does not take
@in_our_modes
def _(frames, primals, tangents):
    (end, y), (*words, drift), moved = _walked(frames, *primals), tangents[0], tangents[2]
    k = jnp.arange(frames + 1, dtype=y.dtype)
    moves = drift + jnp.matmul(k[:, None], moved.reshape(1, 1), precision=lax.Precision.HIGHEST).reshape(-1, *drift.shape)
    return (end, y), ((*words, moves[-1]), moves[:-1])


@jax.custom_jvp
def _drifted(k, moved):
    """`k * moved`, whose gradient to what is `moved` is a product of matrices: CPUs run it several times as fast as a sum."""
    return k * moved


@_drifted.defjvp  # without symbolic zeros, which shard_map of old JAX does not take
@in_our_modes
def _(primals, tangents):
    (k, _), moved, y = primals, tangents[1], _drifted(*primals)
    rows = jnp.matmul(k.reshape(-1, 1), moved.reshape(1, -1), precision=lax.Precision.HIGHEST)
    return y, rows.reshape(y.shape)


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
    resets = not (isinstance(reset, Number) and reset.number <= 0)
    return ramp(turns(*freq, half="high"), turns(*freq, half="low"), per_frame(freq[0]), reset, resets=resets)


def turning(freq: list[Any]) -> list[Any]:
    """The phase of `phasor` for a sum of frequencies, the first of which has the gradient: two words, and `drift`.

    What is made of the words is as exact as they are; `drift` is to be added to it, and to be differentiated.
    """
    return turned(turns(*freq, half="high"), turns(*freq, half="low"), per_frame(freq[0]))


def turned(high: Any, low: Any, cycles: Any) -> list[Any]:
    """The same of increments in words, which as floats are `cycles`."""
    return outputs_of(ramp(high, low, cycles, lift(0.0), words=True, resets=False))


_SINE = 6.283185160089218, -41.34165503136203, 81.60100407014946, -76.54978222741322, 39.53670556  # of odd powers


@jax.custom_jvp
def sine(high: Any, drift: Any) -> Any:
    """The sine of a phase in units of 2**-32 cycles, to 2e-7; a minimax polynomial on the quarters around 0.

    The half around the other zero is mirrored as whole numbers, so that there, too, it is as exact as near 0.
    """
    mirrored = (high + jnp.uint32(1 << 30)) >> 31 == 1
    near = jnp.where(mirrored, jnp.uint32(1 << 31) - high, high)
    x = lax.bitcast_convert_type(near, jnp.int32).astype(drift.dtype) * 2.0**-32
    return x * _powers(_SINE, x * x) + drift


@derivative_of(sine)
def _(primals, tangents):
    high, drift = primals
    y, moved = sine(high, drift), tangents[1]
    if isinstance(moved, SymbolicZero):
        return y, jnp.zeros_like(y)
    return y, (2 * np.pi) * sine(high + jnp.uint32(1 << 30), drift) * moved


_SINE_NEAR = 6.283185220246993, -41.34162799414148, 81.58811842402862, -75.23983682830634  # of odd powers
_COSINE_NEAR = 1.0, -19.73920869073927, 64.93932550212759, -85.4436445611612, 59.24293456210515  # of even powers


@jax.custom_jvp
def sine_and_cosine(high: Any, drift: Any) -> tuple[Any, Any]:
    """Of a phase in units of 2**-32 cycles, both to 1e-7: minimax polynomials on the eighths around 0, turned by quarters."""
    quarters = (high + jnp.uint32(1 << 29)) >> 30
    x = lax.bitcast_convert_type(high - (quarters << 30), jnp.int32).astype(drift.dtype) * 2.0**-32
    s, c = x * _powers(_SINE_NEAR, x * x), _powers(_COSINE_NEAR, x * x)
    odd, back, down = quarters & 1 == 1, quarters >> 1 == 1, (quarters + 1) >> 1 & 1 == 1
    s, c = jnp.where(odd, c, s), jnp.where(odd, s, c)
    return jnp.where(back, -s, s) + drift, jnp.where(down, -c, c) + drift


@sine_and_cosine.defjvp  # without symbolic zeros, which shard_map of old JAX does not take
@in_our_modes
def _(primals, tangents):
    s, c = sine_and_cosine(*primals)
    turned = 2 * np.pi * tangents[1]
    return (s, c), (c * turned, -s * turned)


def _powers(coefficients: tuple[float, ...], x: Any) -> Any:
    y: Any = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        y = y * x + coefficient
    return y


@pointwise
def noise(seed, *, shape=(), frame):
    """White noise, uniform in [-1, 1): a pure function of the seed, the absolute frame and the element."""
    key = jax.random.key(seed[0], impl="threefry2x32")
    for part in (seed[1], seed[2], frame):
        key = jax.random.fold_in(key, part)
    return jax.random.uniform(key, shape, jnp.float32, minval=-1.0, maxval=1.0)
