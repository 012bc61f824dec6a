"""Memory: what is kept from frame to frame. Lanes of a SignalTensor never mix."""

from __future__ import annotations

import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import real_number
from ..errors import ArgumentError
from ..graph import Data, Leaf, Node, Number, Value, composite, lift, parts, recurrence, zeros
from ..recurrence import exact, joined, restarting, running, sums
from .math import clamp, sign, sub
from .slopes import between, within


@recurrence(init=lambda x, init: jnp.broadcast_to(init, jnp.broadcast_shapes(x.shape, init.shape)))
def previous(state, x, init):
    return jnp.broadcast_to(x, state.shape), state


@previous.parallel(when=lambda parallel, *specs: True)
def _(state, x, init, *, frames):
    joined = jnp.concatenate([state[None], jnp.broadcast_to(x, (frames, *state.shape))])
    return joined[-1], joined[:-1]


@composite
def history(x: Any, init: Any = 0.0) -> Any:
    """The value of the frame before; `init` at frame 0.

    Args:
        x: Any shape.
        init: Number or Tensor; it must not vary from frame to frame. It may be learned.

    >>> Signal.from_samples([1, 2, 3]).history().realize()
    array([0., 1., 2.], dtype=float32)
    """
    init = lift(init, "history: init")
    if init.spec.varies:
        raise ArgumentError("history: init varies from frame to frame; it must be a number or a Tensor")
    return previous(lift(x, "history: x"), init)


@composite
def delta(x: Any) -> Any:
    """Difference from the frame before; the value itself at frame 0.

    >>> Signal.from_samples([1, 3, 2]).delta().realize()
    array([ 1.,  2., -1.], dtype=float32)
    """
    return sub(x, history(x))


@composite
def change(x: Any) -> Any:
    """Sign of `delta`: -1, 0 or 1; the gradient is 0.

    >>> Signal.from_samples([1, 3, 2, 2]).change().realize()
    array([ 1.,  1., -1.,  0.], dtype=float32)
    """
    return sign(delta(x))


@recurrence(init=lambda x, trigger: zeros(x, trigger))
def latch(held, x, trigger):
    """Sample and hold: takes `x` in each frame where `trigger > 0` and holds it; 0 before the first.

    The gradient of the whole hold goes to the frame that was taken; none goes to `trigger`.

    >>> Signal.from_samples([1, 2, 3, 4]).latch(Signal.from_samples([0, 1, 0, 1])).realize()
    array([0., 2., 2., 4.], dtype=float32)
    """
    held = jnp.where(trigger > 0, x, held)
    return held, held


@latch.parallel
def _(held, x, trigger, *, frames):
    return running(lambda a, b: a, held, trigger, x, frames)


def _pair(*values):
    return (zeros(*values),) * 2


@recurrence(init=_pair)
def accumulate(state, x, reset):
    """One frame of `accum`. The state is the sum, and what rounding has left of it."""
    total, rest = (jnp.where(reset > 0, jnp.zeros_like(s), s) for s in state)
    total, left = exact(total, x)
    total, rest = exact(total, rest + left)
    return (total, rest), total


@accumulate.parallel(when=lambda parallel, *specs: True)
def _(state, x, reset, *, frames, ctx):
    return sums(state, reset > 0, x, ctx)


def _wrap(total, rest, low, high):
    """A sum, as a pair, wrapped into [low, high)."""
    span, span_rest = exact(high, -low)
    above, left = exact(total, -low)
    part = lax.rem(*jnp.broadcast_arrays(above, span))
    turns = lax.stop_gradient(jnp.round((above - part) / span))
    part, rest = exact(part, rest + left - turns * span_rest)
    over = (part > span) | ((part == span) & (rest >= span_rest))
    step = jnp.where(part < 0, 1.0, jnp.where(over, -1.0, 0.0)).astype(part.dtype)
    part, left = exact(part, step * span)
    rest = rest + left + step * span_rest
    total, left = exact(low, part)
    return exact(total, rest + left)


def _below(total, low, high):
    """What is rounded up to the end is at the beginning."""
    return jnp.where(total >= high, low + (total - high), total)


@recurrence(init=_pair)
def accumulate_wrapped(state, x, reset, low, high):
    total, rest = (jnp.where(reset > 0, jnp.zeros_like(s), s) for s in state)
    total, left = exact(total, x)
    total, rest = _wrap(total, rest + left, low, high)
    return (total, lax.stop_gradient(rest)), _below(total, low, high)


@accumulate_wrapped.parallel(when=lambda parallel, x, reset, low, high: parallel and not (low.varies or high.varies))
def _(state, x, reset, low, high, *, frames):
    low, high = low[0], high[0]
    shape = (frames, *state[0].shape)
    x, restart = jnp.broadcast_to(x, shape), jnp.broadcast_to(reset > 0, shape)
    add = lambda a, b: _wrap(*joined(a, b), low, high)  # noqa: E731
    begun, pair = restarting(add, restart, _wrap(x, jnp.zeros_like(x), low, high))
    pair = tuple(jnp.where(begun, p, q) for p, q in zip(pair, add(state, pair)))
    return (pair[0][-1], lax.stop_gradient(pair[1][-1])), _below(pair[0], low, high)


@composite
def accum(x: Any, reset: Any = None, min: Any = None, max: Any = None) -> Any:
    """Running sum over frames, this one included.

    What rounding leaves is kept: the sum is the exact one, rounded to float32, also after hours. A value that is not finite
    makes it NaN, to the next reset.

    Args:
        x: Any shape.
        reset: The sum starts again at `x` in each frame where `reset > 0`.
        min, max: Both or none: the sum wraps into [min, max).

    Raises:
        ArgumentError: only one bound is given (a sum cannot wrap into a half-line; use `clamp` for a limit), or
            both are numbers and `min` is not below `max`.

    >>> Signal.constant(1).accum().realize(3)
    array([1., 2., 3.], dtype=float32)
    >>> Signal.constant(1).accum(min=0, max=2).realize(4)
    array([1., 0., 1., 0.], dtype=float32)
    """
    reset = 0.0 if reset is None else reset
    if min is None and max is None:
        return accumulate(x, reset)
    if min is None or max is None:
        raise ArgumentError(f"accum: min={min!r}, max={max!r}; the sum wraps between both bounds, or has none")
    if isinstance(min, numbers.Real) and isinstance(max, numbers.Real) and not min < max:
        raise ArgumentError(f"accum: min={min!r} is not below max={max!r}")
    return accumulate_wrapped(x, reset, min, max)


def _ring(x, *time, size, least):
    line = zeros(x, *time)
    return jnp.zeros((size, *line.shape), line.dtype), jnp.int32(0)


def parted(time, size):
    """A delay time kept in [0, size]: so many whole frames, fewer than `size`, and how far towards the next.

    What float32 has left of a number comes second.
    """
    time, *left = time
    time = within(time, 0.0, size)
    whole = jnp.minimum(jnp.floor(time), size - 1)
    whole, part = whole.astype(jnp.int32), time - whole
    if left:
        part = part + left[0]
        more = jnp.clip(jnp.floor(part).astype(jnp.int32), -whole, size - 1 - whole)
        whole, part = whole + more, part - more
    return whole, part


@recurrence(init=_ring)
def delay_line(state, x, *time, size, least):
    """One frame of `delay`; the ring holds the last `size` frames, the oldest at `position`.

    A time may come in two parts: a float32, and what that has left of a number.
    No time is below `least`, so that a loop through it may run as many frames at once; below 0 it is probably so.
    """
    ring, position = state
    whole, part = parted(time, size)
    x = jnp.broadcast_to(x, ring.shape[1:])
    whole = jnp.broadcast_to(whole, x.shape)

    def tap(k):
        at = position - k
        past = jnp.take_along_axis(ring, jnp.where(at < 0, at + size, at)[None], 0)[0]
        return jnp.where(k == 0, x, past)

    near, far = tap(whole), tap(whole + 1)
    ring = lax.dynamic_update_slice_in_dim(ring, x[None], position, 0)
    return (ring, jnp.where(position + 1 == size, 0, position + 1)), between(near, far, part)


def _between_taps(line, whole, part, size, frames):
    """What each of so many frames, which come after the first `size` of a line, has before it."""
    if (len(whole) == 1 and line[0].size <= _FEW_TAPS) or whole.size == 1:  # slices are faster than looking up each element
        both = _tapped(line, whole[0] + 1, size, frames + 1)
        return between(both[1:], both[:-1], part)
    here = size + jnp.arange(frames, dtype=jnp.int32).reshape(-1, *(1,) * (line.ndim - 1))
    at = jnp.broadcast_to(here - whole, (frames, *line.shape[1:]))
    return between(*(jnp.take_along_axis(line, at - k, 0) for k in (0, 1)), part)


def _tapped(line, whole, size, frames):
    """`frames` of a line from `size - whole` on; `whole` of one lane, or of each."""
    if whole.size == 1:
        return lax.dynamic_slice_in_dim(line, size - whole.reshape(()), frames, 0)
    lanes, each = line.reshape(len(line), -1), jnp.broadcast_to(whole, line.shape[1:]).reshape(-1)
    if len(line) > size + 1 and len(each) <= _FEW_SLICES:
        taps = [lax.dynamic_slice(lanes, (size - each[i], jnp.int32(i)), (frames, 1)) for i in range(len(each))]
        return jnp.concatenate(taps, 1).reshape(frames, *line.shape[1:])
    taps = jax.vmap(lambda lane, w: lax.dynamic_slice_in_dim(lane, size - w, frames), (1, 0), 1)(lanes, each)
    return taps.reshape(frames, *line.shape[1:])


def _looked_up(ring, x, position, whole):
    """Each frame of a block as it was `whole` frames before, found without moving the ring."""
    frames, size = len(x), len(ring)
    at = jnp.arange(frames, dtype=jnp.int32).reshape(-1, *(1,) * (ring.ndim - 1)) - whole
    at = jnp.broadcast_to(at, x.shape)
    old = jnp.take_along_axis(ring, (position + at) % size, 0)
    return jnp.where(at < 0, old, jnp.take_along_axis(x, jnp.maximum(at, 0), 0))


@delay_line.parallel(when=lambda parallel, *specs: True)
def _(state, x, *time, size, least, frames):
    ring, position = state
    (whole, part), x = parted(time, size), jnp.broadcast_to(x, (frames, *ring.shape[1:]))
    if position is None:  # `unrolled`, and no time is shorter than the block
        return (jnp.concatenate([ring[frames:], x]), None), _between_taps(ring, whole, part, size, frames)
    if 0 < frames * _SHORT_BLOCK <= size:
        near, far = (_looked_up(ring, x, position, whole + k) for k in (0, 1))
        at = (position + jnp.arange(frames, dtype=position.dtype)) % size
        after = ring.at[at].set(x, unique_indices=True), (position + frames) % size
        return after, between(near, far, part)
    line = jnp.concatenate([unrolled(state)[0], x])
    return rolled((line[frames:], None), position + frames), _between_taps(line, whole, part, size, frames)


def unrolled(state: Any) -> Any:
    """The state of a delay line as it is while a loop runs in blocks: the oldest frame first, with no position."""
    ring, position = state
    return jnp.roll(ring, -position, 0), None


def rolled(state: Any, position: Any) -> Any:
    """The state whose ring, from `position` on, is that of one that was unrolled."""
    position = position % len(state[0])
    return jnp.roll(state[0], position, 0), position


_FEW_TAPS = 16
_FEW_SLICES = 4  # in loops none: their gradients take a pass over the line each
_SHORT_BLOCK = 16  # blocks this much shorter than the line look their frames up, one by one
_LONGEST = 2**27  # frames, 50 minutes at 44.1 kHz


@composite
def delay(x: Any, frames: Any, max_delay: float | None = None, min_delay: float = 0.0) -> Any:
    """The signal some frames later, with zeros before its start; between frames, linear interpolation.

    Args:
        x: Any shape.
        frames: The delay time in frames, from 0, fractions allowed. A time that moves or is learned counts as 0 below 0.
            Numbers are taken as the float64 that they are: 100000.1 keeps its fraction, a Tensor rounds it to 100000.1015625.
        max_delay: Longest time in frames; longer ones are clamped to it. A constant time needs none: a number is its
            own bound, and a Tensor, `Signal.constant` or `Signal.param` may grow to its `max`, or without one to twice its
            value of now (at least to 64). Beyond, it is clamped, which the log warns of where `value` is assigned.
        min_delay: Shortest time in frames; shorter ones are clamped to it. A feedback loop through a time that moves
            is far faster with one.

    Returns:
        The shape of `x` and `frames` broadcast. At a whole time it is that frame, whatever its neighbours are. The gradient
        goes to the signal and to the time: there the slope to a longer time, at the longest from a shorter; outside 0.

    Raises:
        ArgumentError: a constant time is negative or not finite; one that varies or is computed comes without
            `max_delay`; a bound is negative, or `min_delay` above `max_delay`.

    >>> Signal.from_samples([1, 2, 3]).delay(1).realize()
    array([0., 1., 2.], dtype=float32)
    >>> Signal.from_samples([1, 2, 3]).delay(0.5).realize()
    array([0.5, 1.5, 2.5], dtype=float32)
    """
    time, size, least = bounded(frames, max_delay, min_delay)
    return delay_line(lift(x, "delay: x"), *time, size=size, least=least)


def bounded(frames: Any, max_delay: float | None, min_delay: float) -> tuple[list[Any], int, int]:
    """A delay time kept inside its bounds, as one or two nodes, and `size` and `least` of its `delay_line`."""
    time: Any = lift(frames, "delay: frames")
    if not isinstance(frames, (Value, Node, Leaf, float)) and np.asarray(frames).dtype.kind == "b":
        raise ArgumentError(f"delay: frames={frames!r} is not a number")
    shortest = real_number("delay: min_delay", min_delay)
    longest = np.inf if max_delay is None else real_number("delay: max_delay", max_delay)
    if max_delay is not None and longest > _LONGEST:
        raise ArgumentError(f"delay: max_delay={max_delay!r} is more than {_LONGEST}")
    if not 0 <= shortest <= longest:
        raise ArgumentError(f"delay: min_delay={min_delay!r}, max_delay={max_delay!r}: they are 0 <= min_delay <= max_delay")
    least, now = int(shortest), _known(time)
    if now is not None and now.size and _LONGEST > min(now.min(), longest) >= max(1, 2 * least):
        shortest_now = float(min(now.min(), longest))
        if isinstance(time, Number) or isinstance(frames, (Value, Leaf)):  # these change: few programs for all of them
            least = _next_power_of_two(shortest_now) // 2
            least = least if isinstance(time, Number) else -least  # checked when it runs
        else:
            least = int(shortest_now) & -1 << max(int(shortest_now).bit_length() - 3, 0)
    if max_delay is not None:
        size = int(np.ceil(longest))
    elif isinstance(time, Number):
        size = _next_power_of_two(max(time.number, shortest))
    elif now is not None and isinstance(time, Data):
        most = max(32.0, shortest, float(np.max(now, initial=0.0))) * (2 if isinstance(frames, (Value, Leaf)) else 1)
        size = _next_power_of_two(time.high if np.isfinite(time.high) else most)
        time.longest = min(time.longest, size)
    else:
        raise ArgumentError("delay: the time varies or is computed; give max_delay, the longest time in frames")
    if isinstance(time, Number) or not isinstance(frames, (Value, Node, Leaf)):
        exact_time = time.number if isinstance(time, Number) else np.asarray(frames, np.float64)
        return parts(np.clip(exact_time, shortest, longest), "delay: frames")[:2], max(size, 1), least
    bounds = shortest or max_delay is not None
    return [clamp(time, shortest, longest) if bounds else time], max(size, 1), least


def _known(time: Node | Leaf) -> np.ndarray | None:
    """The delay time of now, if it does not vary. One that is learned may get below 0, a constant is not."""
    if isinstance(time, Number):
        now = np.array(time.number, np.float32)
    elif isinstance(time, Data) and not time.spec.varies:
        now = np.asarray(time.array)
    else:
        return None
    if not time.requires_grad:
        if not np.isfinite(now).all():
            raise ArgumentError(f"delay: frames={now[~np.isfinite(now)][0]:g} is not finite")
        if (now < 0).any():
            raise ArgumentError(f"delay: frames={now.min():g} is negative")
    return now


def _next_power_of_two(time: float) -> int:
    """Bounds are rounded up, so that another time seldom means another program."""
    if not np.isfinite(time):
        raise ArgumentError(f"delay: frames={time} is not finite")
    if time > _LONGEST:
        raise ArgumentError(f"delay: frames={time:g} is more than {_LONGEST}")
    return 1 << max(int(np.ceil(time)) - 1, 0).bit_length()
