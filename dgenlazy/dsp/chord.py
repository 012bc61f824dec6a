"""Sums of sines: which of them are heard, and of those that rest all frames at once."""

from __future__ import annotations

import functools as ft
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..graph import derivative_of, in_our_modes, recurrence
from ..ops import added, made_once, sine, sine_and_cosine, times

_SOME = 64  # partials that are added at once
_FEW = 16  # that one after another are added at once: of four times as many a sum loses twice as much


def above(bound: Fraction) -> np.float32:
    """The least float32 that is not below a bound: what is compared with it is compared with the bound itself."""
    near = np.float32(float(bound))
    return near if Fraction(float(near)) >= bound else np.nextafter(near, np.float32(np.inf))


def audible(freq: Any, bounds: Any, x: Any) -> Any:
    """`x`, and nothing where a frequency has reached its bound, upwards or downwards."""
    return jnp.where(jnp.abs(freq) >= bounds, jnp.zeros((), x.dtype), x)


def _sum(y: Any) -> Any:
    """Along the last axis. Of many, sums of some are added, however a compiler goes about it: one by one they lose digits."""
    count = y.shape[-1]
    if count > 2 * _SOME:
        whole = count // _SOME * _SOME
        y = jnp.concatenate([_sum(y[..., :whole].reshape(*y.shape[:-1], -1, _SOME)), y[..., whole:]], -1)
    return jnp.matmul(y, jnp.ones(y.shape[-1], y.dtype), precision=lax.Precision.HIGHEST)


@jax.custom_jvp
def mixed(amps: Any, waves: Any) -> Any:
    """The sum of `amps * waves` along the last axis: by products of matrices, which CPUs run several times as fast as sums."""
    return _sum(amps * waves)


@derivative_of(mixed)
def _(primals, tangents):
    amps, waves = primals
    y = mixed(amps, waves)
    moved = jnp.zeros_like(y)
    if not isinstance(tangents[0], SymbolicZero):
        moved += jnp.einsum("...k,...k->...", tangents[0], waves, precision=lax.Precision.HIGHEST)
    if not isinstance(tangents[1], SymbolicZero):
        moved += jnp.sum(amps * tangents[1], -1)
    return y, moved


def _silence(cycles: Any) -> Any:
    """The phase before the first frame: two words, and what it drifts by."""
    return *[jnp.zeros_like(cycles, jnp.uint32)] * 2, jnp.zeros_like(cycles)


@recurrence(init=lambda high, low, cycles, freqs, amps: _silence(cycles), every_frame=True)
def chord(state, high, low, cycles, freqs, amps, *, sample_rate, parallel=False):
    """The sum of sines that rest, by what their phases move by in a frame: two words, and the same as floats, `cycles`."""
    *phase, drift = state
    y = mixed(amps, audible(freqs, above(Fraction(sample_rate) / 2), sine(phase[0], drift)))
    return (*added(tuple(phase), (high, low)), drift + (cycles - lax.stop_gradient(cycles))), y


@chord.parallel(when=lambda parallel, *specs: True)
def _(state, high, low, cycles, freqs, amps, *, frames, sample_rate, parallel=False):
    high, low, cycles, freqs, amps = (x[0] for x in (high, low, cycles, freqs, amps))
    *phase, drift = state
    shape, step, moved = drift.shape, made_once(high, low), cycles - lax.stop_gradient(cycles)
    end = added(tuple(phase), times(tuple(step), jnp.uint32(frames)))
    after = *[x.reshape(shape) for x in end], drift + frames * moved.reshape(shape)
    bound = above(Fraction(sample_rate) / 2)
    *words, drift, moved, freqs, amps = jnp.broadcast_arrays(*phase, *step, drift, moved, freqs, amps)
    if not 0 < len(amps) <= frames:  # tables would hold more sines than the run has, or none
        k = np.arange(frames, dtype=np.uint32)[:, None]
        at, _ = added(tuple(words[:2]), times(tuple(words[2:]), k))
        return after, mixed(amps, audible(freqs, bound, sine(at, drift + k.astype(drift.dtype) * moved)))
    return after, _chord(frames, bound, parallel, tuple(words), drift, moved, freqs, amps)


@ft.partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _chord(frames, bound, parallel, words, drift, moved, freqs, amps):
    """All frames at once. The run is cut into rows, and of each sine only two things are made: where a row begins, and how far
    a frame is from there. `sin(a + b) = sin(a) cos(b) + cos(a) sin(b)`, so that the sum is a product of matrices.
    """
    (sin, cos), (more_sin, more_cos), *_ = _rows(frames, bound, words, drift, moved, freqs)
    endless = jnp.isinf(amps) & (not parallel)  # to ask it in each call would make it 1.7 times as long on a GPU
    finite = jnp.where(endless, 0, amps)[:, None]
    rows, columns = [finite * sin, finite * cos], [more_cos, more_sin]
    if not parallel:
        heard = amps * audible(freqs, bound, jnp.ones_like(amps))
        return _with_endless(_product(rows, columns, frames, _FEW), endless, words, drift, moved, heard)
    if len(amps) <= _FEW:
        return _product(rows, columns, frames, _FEW)
    lacking = [(0, 0), (0, -len(amps) % _FEW), (0, 0)]
    some = [jnp.pad(jnp.stack(x), lacking).reshape(2, -1, _FEW, x[0].shape[-1]) for x in (rows, columns)]
    return jnp.sum(jnp.einsum("cgkr,cgkn->grn", *some, precision=lax.Precision.HIGHEST), 0).reshape(-1)[:frames]


def _with_endless(y, left, words, drift, moved, amps):
    """With the sines of infinite amplitude, frame by frame: the two halves that a product makes would meet as `inf - inf`."""
    k = np.arange(len(y), dtype=np.uint32)

    def one(state):
        y, left = state
        i = jnp.argmax(left)
        high, low, more_high, more_low = (word[i] for word in words)
        at, _ = added((high, low), times((more_high, more_low), k))
        return y + amps[i] * sine(at, drift[i] + k.astype(y.dtype) * moved[i]), left.at[i].set(False)

    return lax.while_loop(lambda state: state[1].any(), one, (y, left))[0]


@_chord.defjvp  # without symbolic zeros, which shard_map of old JAX does not take
@in_our_modes
def _(frames, bound, parallel, primals, tangents):
    """A product too, of tables twice as large: XLA would sum over the frames of each table by itself."""
    *_, amps = primals
    _, *slopes = tangents
    drifted, moved, _, louder = (x[:, None] for x in slopes)
    (sin, cos), (more_sin, more_cos), begins, after = _rows(frames, bound, *primals[:-1])
    scale = 2 * np.pi * amps[:, None]
    by, turned = scale * moved, scale * (drifted + begins * moved)
    rows = [louder * sin + turned * cos, louder * cos - turned * sin, by * cos, -by * sin]
    slope = _product(rows, [more_cos, more_sin, after * more_cos, after * more_sin], frames, _SOME)
    return _chord(frames, bound, parallel, *primals), slope


def _rows(frames: int, bound: Any, words: Any, drift: Any, moved: Any, freqs: Any) -> tuple[Any, ...]:
    """Sine and cosine at the beginning of each row and of what each frame of a row is on from there, and these frames.

    Partials are the first axis, along which GPUs sum fast. Rows are longer than there are rows: gradients sum over these.
    """
    size = 2 << (frames.bit_length() + 1) // 2 if frames >= 1 << 12 else 1 << (frames.bit_length() + 1) // 2
    begins, after = np.arange(0, frames, size, dtype=np.uint32), np.arange(size, dtype=np.uint32)
    *phase, high, low = (x[:, None] for x in words)
    at = added(tuple(phase), times((high, low), begins))[0], times((high, low), after)[0]
    begins, after = begins.astype(drift.dtype), after.astype(drift.dtype)
    drifts = drift[:, None] + begins * moved[:, None], after * moved[:, None]
    waves = [[audible(freqs[:, None], bound, x) for x in sine_and_cosine(*phase)] for phase in zip(at, drifts)]
    return *waves, begins, after


def _product(rows: Any, columns: Any, frames: int, most: int) -> Any:
    """All rows, one after another, of sums over partials, of so many at once at most."""
    count, y = len(rows[0]), 0.0
    for some in [slice(i, i + most) for i in range(0, count, most)]:
        both = [jnp.concatenate([x[some] for x in table]) for table in (rows, columns)]
        y += jnp.einsum("kr,kn->rn", *both, precision=lax.Precision.HIGHEST)
    return jnp.reshape(y, -1)[:frames]
