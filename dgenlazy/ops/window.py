"""Windows: stretches of a signal every hop frames, and signals laid together from them."""

from __future__ import annotations

import functools as ft
from collections.abc import Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Clock, Context, Params, Rated, Spec, beside, composite, lift

Align = Literal["centre", "start", "end"] | int  # where in a window its tick lies
_MOST_CHUNKS = 64  # of a window; with more, it is gathered


def before(name: str, align: Any, size: int) -> int:
    """How many frames of a window lie before its tick."""
    if isinstance(align, str):
        known = {"centre": size // 2, "start": 0, "end": size - 1}
        if align not in known:
            raise ArgumentError(f"{name}: align={align!r} is not one of centre, start, end or a number of frames")
        return known[align]
    frames = whole_number(f"{name}: align", align)
    if frames >= size:
        raise ArgumentError(f"{name}: align={align}: the tick would lie behind its window of {size} frames")
    return frames


def framed(x: Any, size: int, hop: int, count: int, start: int = 0) -> Any:
    """`(frames, *shape)` -> `(count, *shape, size)`: windows from `start`, `start + hop`, ... on, zeros outside of `x`.

    A window is put together from chunks of `hop` frames, so that its gradient is a sum of blocks and not a scatter.
    """
    chunks = -(-size // hop)
    if chunks > _MOST_CHUNKS:
        x = padded(x, (count - 1) * hop + size, -start)
        return jnp.moveaxis(x[_places(size, hop, count)], 1, -1)
    x = padded(x, (count + chunks - 1) * hop, -start).reshape(count + chunks - 1, hop, *x.shape[1:])
    out = jnp.concatenate([x[k : k + count] for k in range(chunks)], axis=1)[:, :size]
    return jnp.moveaxis(out, 1, -1)


def _places(size: int, hop: int, count: Any) -> Any:
    """`(count, size)`: of each frame of each window, which it is."""
    many = np.arange(count) if isinstance(count, int) else jnp.arange(count)
    return np.arange(size)[None] + hop * many[:, None]


def padded(x: Any, frames: Any, zeros: int = 0) -> Any:
    """`frames` of `x`, with so many zeros in front, or without so many frames if negative, and zeros behind its end."""
    zero, rest = jnp.zeros((), x.dtype), [(0, 0, 0)] * (x.ndim - 1)
    if not (isinstance(frames, int) and isinstance(x.shape[0], int)):  # symbolic: which is longer is not known
        return lax.pad(x[max(-zeros, 0) :], zero, [(max(zeros, 0), frames, 0), *rest])[:frames]
    kept = x[max(-zeros, 0) :][: max(frames - max(zeros, 0), 0)]
    pad = max(zeros, 0), frames - max(zeros, 0) - kept.shape[0]
    return kept if pad == (0, 0) else lax.pad(kept, zero, [(*pad, 0), *rest])


def laid(w: Any, hop: int) -> Any:
    """`(count, *shape, size)` -> `((count + chunks - 1) * hop, *shape)`: the sum of windows laid at 0, hop, ..."""
    count, size = w.shape[0], w.shape[-1]
    chunks = -(-size // hop)
    w = jnp.moveaxis(w, -1, 1)
    if chunks > _MOST_CHUNKS:
        room = jnp.zeros(((count + chunks - 1) * hop, *w.shape[2:]), w.dtype)
        return room.at[_places(size, hop, count)].add(w)
    rest, zero = [(0, 0, 0)] * (w.ndim - 2), jnp.zeros((), w.dtype)
    w = lax.pad(w, zero, [(0, 0, 0), (0, chunks * hop - size, 0), *rest]).reshape(count, chunks, hop, *w.shape[2:])
    parts = [lax.pad(w[:, k], zero, [(k, chunks - 1 - k, 0), (0, 0, 0), *rest]) for k in range(chunks)]
    return sum(parts[1:], parts[0]).reshape((count + chunks - 1) * hop, *w.shape[3:])


@ft.lru_cache(maxsize=64)
def hann(size: int) -> np.ndarray:
    """Periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


@ft.lru_cache(maxsize=64)
def divisor(size: int, hop: int, ahead_of_tick: int) -> tuple[np.ndarray, int]:
    """One over the sum of squared Hann windows at each time from 0 on, and from when on it repeats every `hop` frames.

    There is no window before time 0, so that fewer overlap there. What no window covers is given a 0.
    """
    settled = -(-size // hop) * hop
    total = np.zeros(settled + hop + 3 * size)
    for k in range(-(-(settled + hop + ahead_of_tick) // hop) + 1):
        part = total[k * hop - ahead_of_tick + size :][:size]
        part += hann(size)[: len(part)] ** 2
    total = total[size : size + settled + hop]
    if total[settled:].min() < 1e-8:
        raise ArgumentError(f"hop={hop} leaves frames that no window of {size} covers; a quarter of the window is usual")
    return np.where(total < 1e-8, 0, 1 / np.maximum(total, 1e-8)), settled


def _at(table: np.ndarray, settled: int, hop: int, time: Any, dtype: Any) -> Any:
    """What `divisor` gives for each time."""
    return jnp.asarray(table, dtype)[jnp.where(time < settled, jnp.maximum(time, 0), settled + (time - settled) % hop)]


class Windows(Rated):
    def lookahead(self, inputs: Sequence[Spec], params: Params) -> int:
        given: dict[str, Any] = dict(params)
        return given["size"] - 1 - given["before"]

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        (x,), given = inputs, dict(params)
        if x.hop not in (None, 1):
            raise ArgumentError(f"it takes a value every frame, this one comes every {x.hop}; upsample() it")
        return Spec((*x.shape, given["size"]), True, given["hop"], x.dtype)

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        return jnp.zeros((dict(params)["size"] - 1, *inputs[0].shape), inputs[0].dtype)

    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        given: dict[str, Any] = dict(params)
        return framed(x, given["size"], given["hop"], -(-ctx.frames // given["hop"]), -given["before"])

    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        given: dict[str, Any] = dict(params)
        size, hop = given["size"], given["hop"]
        if latency:
            x = jnp.where(beside(clock.live(1, latency), x), x, jnp.zeros_like(x))
        slots, joined = clock.slots(hop), jnp.concatenate([state, x])
        empty = isinstance(slots, int) and not slots
        needed = 0 if empty else (slots - 1) * hop + size
        begin = clock.offset(hop, latency + self.lookahead((spec,), params))
        part = joined if hop == 1 else lax.dynamic_slice_in_dim(padded(joined, needed + hop - 1), begin, needed)
        return joined[clock.frames :], framed(part, size, hop, slots)


@Windows
def windows_of(x, *, size, hop, before):
    """Windows of `size` frames, `hop` apart, each with `before` frames before its tick."""


windows_of.__name__ = "windows"


class OverlapAdd(Rated):
    def lookahead(self, inputs: Sequence[Spec], params: Params) -> int:
        return dict(params)["before"]

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        (w,) = inputs
        if not w.varies:
            raise ArgumentError("its windows come with a hop, this value does not vary")
        if not w.shape:
            raise ShapeError("its last axis is the window, this value has shape ()")
        return Spec(w.shape[:-1], True, 1, w.dtype)

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        (w,) = inputs
        return jnp.zeros((w.shape[-1] - 1, *w.shape[:-1]), w.dtype)

    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        given: dict[str, Any] = dict(params)
        frames = ctx.frames
        y = padded(laid(x, spec.every), frames, -given["before"])
        if not given["divided"]:
            return y
        table, settled = divisor(spec.shape[-1], spec.every, given["before"])
        if not isinstance(frames, int):
            return y * beside(_at(table, settled, spec.every, jnp.arange(frames), y.dtype), y)
        table = np.concatenate([table, np.tile(table[settled:], max(-(-(frames - len(table)) // spec.every), 0))])[:frames]
        return y * beside(jnp.asarray(table, y.dtype), y)

    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        hop, size, slots = spec.every, spec.shape[-1], clock.slots(spec.every)
        live = clock.live(hop, latency) if latency else jnp.ones(slots, bool)
        live = jnp.where(jnp.arange(slots) < slots - 1, live, live & clock.full(hop, latency))
        x = jnp.where(beside(live, x), x, jnp.zeros_like(x))
        length, parts = clock.frames + size - 1, laid(x, hop)
        if hop > 1:
            room = jnp.zeros((parts.shape[0] + hop - 1, *parts.shape[1:]), parts.dtype)
            parts = lax.dynamic_update_slice_in_dim(room, parts, clock.offset(hop, latency), 0)
        total = padded(state, length) + padded(parts, length)
        return total[clock.frames :], self.scaled(params, spec, latency, clock, total[: clock.frames])

    def scaled(self, params: Params, spec: Spec, latency: int, clock: Clock, y: Any) -> Any:
        """A block of sums of windows, where that is asked for divided by the sum of the squares of theirs."""
        given: dict[str, Any] = dict(params)
        if not given["divided"]:
            return y
        table, settled = divisor(spec.shape[-1], spec.every, given["before"])
        late_by = latency + given["before"]
        time = jnp.uint32(clock.start).astype(jnp.int32) - late_by + jnp.arange(clock.frames, dtype=jnp.int32)
        return y * beside(_at(table, settled, spec.every, time, y.dtype), y)


@OverlapAdd
def laid_together(w, *, before, divided):
    """The sum of windows, each laid so that `before` of its frames come before its tick."""


laid_together.__name__ = "overlap_add"


# What users call.


@composite
def windows(x: Any, size: int, hop: int, align: Align = "centre") -> Any:
    """Stretches of a signal: `size` frames of it every `hop` frames, zeros where it has not begun.

    Args:
        x: A Signal or SignalTensor at hop 1.
        size: Frames of each window, at least 1.
        hop: Frames from one window to the next, at least 1.
        align: Where the tick of a window lies in it: "centre" from `k hop - size // 2` on, "start" from `k hop` on, "end" up to
            and including `k hop`; or how many of its frames come before the tick, under `size`.

    Returns:
        `(*shape, size)` at `hop`. In a stream it is later by the frames of a window that come after its tick.

    Raises:
        ArgumentError: another `align`, a tick outside its window, a size or hop under 1, a value that is at a hop already.

    >>> Signal.from_samples([1.0, 2.0, 3.0, 4.0]).windows(3, 2).realize()
    array([[0., 1., 2.],
           [2., 3., 4.]], dtype=float32)
    """
    size, hop = whole_number("windows: size", size, least=1), whole_number("windows: hop", hop, least=1)
    params = (("size", size), ("hop", hop), ("before", before("windows", align, size)))
    return windows_of.node(lift(x, "windows: x"), params=params)


@composite
def overlap_add(w: Any, align: Align = "centre") -> Any:
    """The signal that windows make up, each added at its place.

    Args:
        w: A SignalTensor at a hop, whose last axis is the window: `(*shape, size)`.
        align: Where in a window its tick lies, as for `windows`.

    Returns:
        `shape`, at hop 1. In a stream it is later by the frames of a window that come before its tick.

    Raises:
        ArgumentError: another `align`, or a value that does not vary. ShapeError: a value without a last axis.

    >>> w = Signal.from_samples([1.0, 2.0, 3.0, 4.0]).windows(2, 2, align="start")
    >>> w.overlap_add(align="start").realize()
    array([1., 2., 3., 4.], dtype=float32)
    """
    w = lift(w, "overlap_add: w")
    size = w.spec.shape[-1] if w.spec.shape else 1
    return laid_together.node(w, params=(("before", before("overlap_add", align, size)), ("divided", False)))
