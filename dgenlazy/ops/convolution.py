"""Filters of finite length, of any: a sum of what came before, each frame with its own weight."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ShapeError
from ..graph import Context, Lists, Params, Recurrence, Spec, composite, lift, zeros
from .window import framed

_FEW = 32  # taps that are faster one by one than by a Fourier transform
_SHORT = 128  # frames that are, of no more taps than a stream takes from the frames themselves
_PARTS = (1024, 8192, 65536)  # taps from which on a stream keeps what later blocks hear of what has come, and how many frames
_AT_ONCE = 4096  # frames that are transformed as a whole, however few the taps


def good_size(least: int) -> int:
    """The shortest length, of those that are quick to transform, that is not below `least`."""
    return min(m << max(0, (-(-least // m) - 1).bit_length()) for m in (8, 9, 10, 12, 15))


def convolved(x: Any, taps: Any, fft: bool, once: bool = False) -> Any:
    """`(n, *lanes)` and `(k, *lanes)` -> `(n - k + 1, *lanes)`: the convolution where all taps lie on the signal.

    With `once`, many of both, and in one transform.
    """
    count, frames = len(taps), len(x) - len(taps) + 1
    lanes = jnp.broadcast_shapes(x.shape[1:], taps.shape[1:])
    x, taps = (y.reshape(len(y), *(1,) * (len(lanes) + 1 - y.ndim), *y.shape[1:]) for y in (x, taps))
    if not frames or 0 in lanes:
        return jnp.zeros((frames, *lanes), jnp.result_type(x, taps))
    if once and fft:
        return _by_transform(x, taps, frames, _in_one)
    if count <= _FEW:
        return sum(taps[k] * x[count - 1 - k :][:frames] for k in range(count))
    if frames == 1:
        return (taps[::-1] * x).sum(0)[None]
    if frames <= _SHORT and count <= _PARTS[0]:
        return _one_by_one(x, taps, frames)
    return (_by_transform if fft else _directly)(x, taps, frames)


def _one_by_one(x: Any, taps: Any, frames: int) -> Any:
    def add(y, given):
        tap, begin = given
        return y + tap * lax.dynamic_slice_in_dim(x, begin, frames), None

    begins = jnp.arange(len(taps) - 2, -1, -1, dtype=jnp.int32)
    return lax.scan(add, taps[0] * x[len(taps) - 1 :], (taps[1:], begins))[0]


def _directly(x: Any, taps: Any, frames: int) -> Any:
    def one(x, taps):
        return lax.conv_general_dilated(x[None, None], taps[None, None, ::-1], (1,), "VALID", precision=lax.Precision.HIGHEST)[
            0, 0
        ]

    lanes = jnp.broadcast_shapes(x.shape[1:], taps.shape[1:])
    x, taps = (jnp.broadcast_to(y, (len(y), *lanes)).reshape(len(y), -1) for y in (x, taps))
    return jax.vmap(one, 1, 1)(x, taps).reshape(frames, *lanes)


def _by_transform(x: Any, taps: Any, frames: int, how: Callable[..., Any] | None = None) -> Any:
    """By Fourier transforms. What is not finite is kept out of them, where it would reach frames before it.

    Source: T. G. Stockham, High-speed convolution and correlation, 1966 ("overlap-save").
    """
    count = len(taps)
    wrong = ~jnp.isfinite(x)
    y = (how or _transformed)(jnp.where(wrong, 0, x), taps, count, frames)

    def marked(y):
        before = jnp.pad(jnp.cumsum(wrong, 0, dtype=jnp.int32), [(1, 0)] + [(0, 0)] * (x.ndim - 1))
        return jnp.where(before[count:] > before[:frames], jnp.nan, y)

    return lax.cond(wrong.any(), marked, lambda y: y, y)


def _transformed(x: Any, taps: Any, count: int, frames: int) -> Any:
    size = good_size(len(x))
    chunk = max(good_size(4 * count), min(size, _AT_ONCE))
    if size <= chunk:
        x, chunk, hop = jnp.moveaxis(x, 0, -1), size, frames
    else:  # shorter transforms are quicker, and less of them is lost to what wraps round
        hop = chunk - count + 1
        x = framed(x, chunk, hop, -(-frames // hop))
    spectrum = jnp.fft.rfft(x, chunk) * jnp.fft.rfft(jnp.moveaxis(taps, 0, -1), chunk)
    y = jnp.fft.irfft(spectrum, chunk)[..., count - 1 : count - 1 + hop]
    if size <= chunk:
        return jnp.moveaxis(y, -1, 0)
    y = jnp.moveaxis(y, -1, 1)
    return y.reshape(-1, *y.shape[2:])[:frames]


def _in_one(x: Any, taps: Any, count: int, frames: int) -> Any:
    """Both as one complex signal, made equally loud: on a CPU half of the time of real transforms."""
    size, lanes = good_size(len(x)), jnp.broadcast_shapes(x.shape[1:], taps.shape[1:])
    x, taps = (jnp.moveaxis(jnp.broadcast_to(y, (len(y), *lanes)), 0, -1) for y in (x, taps))
    loud, other = (lax.stop_gradient(jnp.abs(y).max(-1, keepdims=True)) for y in (x, taps))
    heard = (loud > 0) & (other > 0)
    ratio = jnp.where(heard, loud, 1) / jnp.where(heard, other, 1)
    x, taps = (jnp.pad(y, [(0, 0)] * len(lanes) + [(0, size - y.shape[-1])]) for y in (x, taps * ratio))
    spectrum = jnp.fft.fft(lax.complex(x, taps))
    mirrored = jnp.conj(jnp.roll(spectrum[..., ::-1], 1, -1))
    y = jnp.fft.ifft((spectrum**2 - mirrored**2) * -0.25j).real / ratio
    y = jnp.where(heard, y, y - lax.stop_gradient(y))  # silence, which has slopes
    return jnp.moveaxis(y[..., count - 1 : count - 1 + frames], -1, 0)


def _parts(count: int) -> tuple[int, ...]:
    """Where the parts of so many taps begin, but the first, which begins at 0."""
    return tuple(part for part in _PARTS if part < count)


def _at_rest(x: Any, taps: Any) -> Any:
    """What the filter remembers: the frames before, the latest last. Of many taps, a ring of them, and what later frames hear.

    `heard` is of each part, one after the other, what it adds to the frames of the block, as long as the part begins, that the
    next frame lies in. `at` is the next frame's place in the ring, and for each part 1 where what is heard is known. There are
    as few arrays as can be, for in a short block each takes as long as thousands of frames.
    """
    count, parts = len(taps), _parts(len(taps))
    line = zeros(x, taps[0])
    if not parts:
        return jnp.zeros((count - 1, *x.shape), line.dtype)
    ring = -(-(count + 2 * parts[-1]) // parts[-1]) * parts[-1]
    at = jnp.array([0] + [1] * len(parts), jnp.int32)
    return {
        "at": at,
        "heard": jnp.zeros((sum(parts), *line.shape), line.dtype),
        "ring": jnp.zeros((ring, *x.shape), line.dtype),
    }


def _past(state: Any, at: Any, frames: int) -> Any:
    """The last frames before a place in the ring."""
    if not isinstance(state, dict):
        return state
    ring = state["ring"]
    if frames <= _PARTS[0]:
        return ring[(at + np.arange(-frames, 0, dtype=np.int32)) % len(ring)]
    return lax.dynamic_slice_in_dim(jnp.concatenate([ring, ring]), len(ring) + at % len(ring) - frames, frames)


def _gone_on(state: Any, x: Any) -> Any:
    """The state after more frames; what is heard in a block that begins among them is not known."""
    if not isinstance(state, dict):
        return jnp.concatenate([state, x])[len(x) :]
    ring, frames, at = state["ring"], len(x), state["at"][0]
    if frames == 1:
        ring = lax.dynamic_update_slice_in_dim(ring, x, at, 0)
    else:
        kept = min(frames, len(ring))
        places = (at + np.arange(frames - kept, frames, dtype=np.int32)) % len(ring)
        ring = ring.at[places].set(x[frames - kept :], unique_indices=True)
    parts = np.array(_PARTS[: len(state["at"]) - 1], np.int32)
    known = jnp.where(at % parts + frames < parts, state["at"][1:], 0)
    return {**state, "ring": ring, "at": jnp.concatenate([((at + frames) % len(ring))[None], known])}


class Finite(Recurrence):
    """`taps[0] x[n] + taps[1] x[n-1] + ...`, whose block form knows where taps do not vary."""

    fusible = False

    def __init__(self, fn: Callable[..., Any]):
        super().__init__(fn, init=_at_rest)
        self.takes_blocks = lambda parallel, *specs: True

    def known(self, ctx: Context, specs: Sequence[Spec]) -> tuple[str, str]:
        return "parallel form", "a convolution"

    def whole(self, ctx: Context, params: Params, state: Any, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        (x, taps), frames = inputs, ctx.frames
        long = isinstance(state, dict)
        x = x if specs[0].varies else jnp.broadcast_to(x, (frames, *specs[0].shape))
        x = x.astype((state["ring"] if long else state).dtype)
        if long and not specs[1].varies and frames < len(taps) // 4:
            return _short(state, x, taps, ctx.fft)
        joined = jnp.concatenate([_past(state, state["at"][0], specs[1].shape[0] - 1) if long else state, x])
        y = _moving(joined, taps) if specs[1].varies else convolved(joined, taps, ctx.fft)
        return _gone_on(state, x), y


def _short(state: Any, x: Any, taps: Any, fft: bool) -> Any:
    """A block shorter than the taps: its own first ones, and of the later ones what was heard before.

    Source: W. G. Gardner, Efficient convolution without input-output delay, JAES 43(3), 1995.
    """
    parts, frames, after = _parts(len(taps)), len(x), _gone_on(state, x)
    at, places = state["at"][0], [sum(parts[:i]) for i in range(len(parts))]
    first = next((i for i, part in enumerate(parts) if part >= frames), len(parts))
    near = [*parts, len(taps)][first]
    y = convolved(jnp.concatenate([_past(state, at, near - 1), x]), taps[:near], fft)
    kept = range(first, len(parts))
    if not kept:
        return after, y

    def go_on(heard):
        return heard, sum(lax.dynamic_slice_in_dim(heard, places[i] + at % parts[i], frames) for i in kept)

    def begin(heard):
        total = 0
        for i, end in zip(kept, (*parts[first + 1 :], len(taps))):
            part, into = parts[i], at % parts[i]

            def hear(begin, i=i, end=end):
                return convolved(_past(after, begin, end - 1), taps[parts[i] : end], fft, once=True)

            now = heard[places[i] :][:part]
            now = lax.cond(state["at"][1 + i] > 0, lambda now, _: now, lambda _, start, hear=hear: hear(start), now, at - into)
            over = into + frames >= part  # the block reaches the next one as long as the part
            then = lax.cond(over, lambda _, end, hear=hear: hear(end), lambda now, _: now, now, at - into + part)
            heard = heard.at[places[i] : places[i] + part].set(then)
            total += lax.dynamic_slice_in_dim(jnp.concatenate([now, then]), into, frames)
        return heard, total

    due = [(state["at"][1 + i] == 0) | (at % parts[i] + frames >= parts[i]) for i in kept]
    heard, later = lax.cond(ft.reduce(jnp.logical_or, due), begin, go_on, state["heard"])
    known = after["at"].at[1 + first :].set(1)
    return {**after, "at": known, "heard": heard}, y + later


def _moving(joined: Any, taps: Any) -> Any:
    """The same with taps of each frame, `(frames, k, *lanes)`, one tap after the other."""
    frames, count = taps.shape[:2]
    first = len(joined) - frames  # of the block
    joined = joined.reshape(len(joined), *(1,) * (taps.ndim - 1 - joined.ndim), *joined.shape[1:])
    by_tap = jnp.moveaxis(taps, 1, 0)
    by_tap = by_tap.reshape(count, frames, *(1,) * (joined.ndim - taps.ndim + 1), *taps.shape[2:])
    if count <= _FEW:
        return sum(by_tap[k] * joined[first - k :][:frames] for k in range(count))

    def add(y, given):
        taps, begin = given
        return y + taps * lax.dynamic_slice_in_dim(joined, begin, frames), None

    begins = first - jnp.arange(1, count, dtype=jnp.int32)
    return lax.scan(add, by_tap[0] * joined[first:], (by_tap[1:], begins))[0]


@Finite
def finite(state, x, taps, *, fft):
    """One frame of a filter of finite length: `fir` behind its checks."""
    past = _past(state, state["at"][0], len(taps) - 1) if isinstance(state, dict) else state
    x = jnp.broadcast_to(x, past.shape[1:])[None].astype(past.dtype)
    return _gone_on(state, x), convolved(jnp.concatenate([past, x]), taps, fft)[0]


finite.__name__ = "fir"


@composite
def fir(x: Any, taps: Lists) -> Any:
    """Filter of finite length: `y[n] = taps[0] x[n] + taps[1] x[n-1] + ...`, the causal convolution with an impulse response.

    Of any length, and without latency: a whole run, and a block longer than the taps, by Fourier transforms; a stream adds what
    is to come of longer blocks, whose transforms are made once a block (48,000 taps in blocks of 64 frames). So does C, with
    blocks of its own.

    Args:
        x: Any shape. Zeros before its start. Where it is not finite, the frames that hear it are not either.
        taps: `(taps,)`, or `(taps, *lanes)` for different ones in each lane; at least one. May be learned. Taps that vary, one
            set at each tick of a hop or in every frame, are those of the frame that comes out: `y[n]` is the sum over `k` of
            `taps[n][k] x[n-k]`, not faded from set to set: `upsample()` them for that. They are held in every frame, so that a
            run takes as much memory as all of them. In a stream, later ones of more than 1,024 taps that are assigned anew are
            heard at the next multiple of 1,024 frames, those from 8,192 on of 8,192, from 65,536 on of 65,536.

    Returns:
        The shape of `x` and the lanes of `taps` broadcast. Within 1e-6 of the largest of `x` times the sum of all `|taps|`.

    Raises:
        ShapeError: `taps` is no list, or is empty, or lanes do not broadcast.

    >>> Signal.from_samples([1, 2, 0, 0]).fir([1.0, 0.5]).realize()
    array([1. , 2.5, 1. , 0. ], dtype=float32)

    Source: W. G. Gardner, Efficient convolution without input-output delay, JAES 43(3), 1995.
    """
    taps = lift(taps, "fir: taps")
    if not taps.spec.shape or not taps.spec.shape[0]:
        raise ShapeError(f"fir: taps are a list of at least one, (taps,) or (taps, *lanes), got {taps.spec.shape}")
    return finite(lift(x, "fir: x"), taps)
