"""Control curves: slow oscillations, values from a time on, notes."""

from __future__ import annotations

from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ArgumentError, ShapeError
from ..graph import Lists, lift, parts, pointwise
from ..ops import getitem, midi_to_hz, mul, oscillator
from ..recurrence import exact

Shape = Literal["sine", "triangle", "saw", "falling", "square"]


@pointwise
def swept(phase, low, high, *, shape):
    """From `low` to `high` as the phase goes round."""
    match shape:
        case "sine":
            part = 0.5 + 0.5 * jnp.sin(2 * np.pi * phase)
        case "triangle":
            part = 1 - 2 * jnp.abs(jnp.mod(phase + 0.25, 1.0) - 0.5)
        case "saw":
            part = phase
        case "falling":
            part = 1 - phase
        case _:
            part = (phase < 0.5).astype(phase.dtype)
    return low + (high - low) * part


def lfo(freq: Any, shape: Shape = "sine", low: Any = -1.0, high: Any = 1.0) -> Any:
    """A slow oscillation between two values.

    Nothing is done against aliasing: it is to move something else. Its phase is that of `Signal.phasor` and does not drift.

    Args:
        freq: In Hz; a number, Tensor, Signal or SignalTensor, one lane for each element.
        shape: "sine" and "triangle" begin halfway and rise; "saw" rises from `low` to `high` in each cycle, "falling" falls
            from `high` to `low`; "square" is `high` for half a cycle, then `low`.
        low, high: What it goes between: numbers, or lazy values that may vary or be learned.

    Returns:
        A Signal, or a SignalTensor of the shape of `freq`, `low` and `high` broadcast. Gradients go to all three; through
        jumps there is none.

    Raises:
        ArgumentError: another shape.

    >>> with DGen.override(sample_rate=8.0):
    ...     dg.lfo(1.0, "triangle", low=0.0, high=1.0).realize(8)
    array([0.5 , 0.75, 1.  , 0.75, 0.5 , 0.25, 0.  , 0.25], dtype=float32)
    """
    if not (isinstance(shape, str) and shape in get_args(Shape)):
        raise ArgumentError(f"lfo: shape={shape!r} is not one of {', '.join(get_args(Shape))}")
    phase = oscillator.phasor(getattr(freq, "node", freq), lift(0.0))
    return swept(phase, lift(low, "lfo: low"), lift(high, "lfo: high"), shape=shape)


def _first_frames(times: Any, sample_rate: float) -> Any:
    """The first frames at or behind times in seconds, given in float32 parts.

    All products of 12 bits by 12 bits are exact, and so is their sum, as a pair. A thousandth of a frame early is on time.
    """
    rate, pieces = sample_rate, []
    while rate and len(pieces) < 4:
        scale = 2.0 ** (11 - np.floor(np.log2(rate)))
        pieces.append(np.float32(np.floor(rate * scale) / scale))
        rate -= float(pieces[-1])
    total = rest = jnp.zeros_like(times[0], jnp.float32)
    for part in times:
        part = part.astype(jnp.float32)
        top = lax.bitcast_convert_type(lax.bitcast_convert_type(part, jnp.uint32) & jnp.uint32(0xFFFFF000), jnp.float32)
        for piece in pieces:
            for bits in (top, part - top):
                total, left = exact(total, bits * piece)
                rest = rest + left
    total, rest = exact(total, rest)
    whole = jnp.floor(total)
    more = jnp.clip(jnp.ceil((total - whole) + rest - 2.0**-10), -512.0, 512.0).astype(jnp.int32).astype(jnp.uint32)
    late = jnp.clip(whole, 0.0, 2.0**32 - 1024).astype(jnp.uint32) + more
    return jnp.where(whole < 0, jnp.uint32(0), late)


_FEW = 64  # times, up to which all are compared with a frame; more are searched


@pointwise
def last_begun(values, *times, frame, sample_rate):
    """The row of `values` whose time was the last, 0 before the first."""
    first = _first_frames(times, sample_rate)
    if len(first) <= _FEW:
        count = jnp.sum((first <= frame).astype(jnp.int32))
    else:
        count = jnp.int32(0)
        for step in (1 << bit for bit in reversed(range(len(first).bit_length()))):
            ahead = count + step
            begun = (ahead <= len(first)) & (first[jnp.minimum(ahead, len(first)) - 1] <= frame)
            count = jnp.where(begun, ahead, count)
    return jnp.concatenate([jnp.zeros_like(values, shape=(1, *values.shape[1:])), values])[count]


last_begun.__name__ = "sequence"


def _seconds(name: str, times: Any, count: int) -> np.ndarray:
    """Times as float64, one for each of so many values."""
    try:
        seconds = np.broadcast_to(np.asarray(times, np.float64), (count,))
    except (TypeError, ValueError):
        raise ShapeError(f"{name}: takes one number for each of {count} values, in seconds") from None
    if not np.isfinite(seconds).all():
        raise ArgumentError(f"{name}: {seconds[~np.isfinite(seconds)][0]} is not a time")
    return seconds


def _rows(name: str, values: Any) -> Any:
    node = lift(values, name)
    if not node.spec.shape:
        raise ShapeError(f"{name}: takes values (count, *shape), got one number")
    return node


def sequence(values: Lists, times: Lists) -> Any:
    """A curve of steps: each value from its time on, until that of the next; 0 before the first.

    Args:
        values: `(count, *shape)`: numbers, or a Tensor, to which the gradient goes.
        times: `(count,)`, in seconds, not falling; of equal ones the last counts. Numbers: nothing is learned about them. A
            time between two frames begins with the later one.

    Returns:
        A Signal, or a SignalTensor of `shape`, with a value every frame; `downsample` it for one at a hop.

    Raises:
        ShapeError: not one time for each value. ArgumentError: times that fall, or are not finite.

    >>> with DGen.override(sample_rate=4.0):
    ...     dg.sequence([1.0, 5.0], [0.25, 1.0]).realize(6)
    array([0., 1., 1., 1., 5., 5.], dtype=float32)
    """
    values = _rows("sequence: values", values)
    seconds = _seconds("sequence: times", times, values.spec.shape[0])
    if np.shape(times) != seconds.shape:
        raise ShapeError(f"sequence: times has shape {np.shape(times)}, not {seconds.shape}, one for each value")
    if (np.diff(seconds) < 0).any():
        at = int(np.argmax(np.diff(seconds) < 0))
        raise ArgumentError(f"sequence: times fall from {seconds[at]:g} to {seconds[at + 1]:g}; sort them, and the values")
    return last_begun(values, *parts(seconds, "sequence: times"))


def notes(midi: Lists, start: Lists, duration: Lists, velocity: Lists = 1.0) -> tuple[Any, Any, Any]:
    """A part for one voice, from lists of notes: what drives an oscillator, an envelope and a level.

    Where notes overlap, the one that began last is heard, also where an earlier one lasts longer; of those that begin together
    the last in the list.

    Args:
        midi: `(count,)`, note numbers, 69 for A4; fractions allowed. It may be a Tensor to learn.
        start, duration: In seconds, numbers; one duration may serve all notes. Starts may come in any order.
        velocity: `(count,)` or one for all; it may be a Tensor to learn.

    Returns:
        Three Signals. f0: in Hz, until the next note begins; gate: 1 while the note lasts, else 0, so that it stays 1 where one
        begins before the last has ended; velocity: until the next note begins. All are 0 before the first note.

    Raises:
        ShapeError: not one number for each note. ArgumentError: a time that is not finite, or a duration below 0.

    >>> with DGen.override(sample_rate=4.0):
    ...     f0, gate, velocity = dg.notes([69, 81], start=[0.0, 1.0], duration=0.5, velocity=[1.0, 0.5])
    ...     print(f0.realize(6), gate.realize(6), velocity.realize(6))
    [440. 440. 440. 440. 880. 880.] [1. 1. 0. 0. 1. 1.] [1.  1.  1.  1.  0.5 0.5]
    """
    midi, velocity = _rows("notes: midi", midi), lift(velocity, "notes: velocity")
    if len(midi.spec.shape) != 1:
        raise ShapeError(f"notes: midi has shape {midi.spec.shape}, not (count,)")
    count = midi.spec.shape[0]
    if velocity.spec.shape not in ((), (count,)):
        raise ShapeError(f"notes: velocity has shape {velocity.spec.shape}, not {(count,)}")
    begin, length = _seconds("notes: start", start, count), _seconds("notes: duration", duration, count)
    if (length < 0).any():
        raise ArgumentError(f"notes: duration={length.min():g} is below 0")
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], (begin + length)[order]
    rows = order.astype(np.int32)
    f0, level = (getitem(x, rows) for x in (midi_to_hz(midi), mul(velocity, lift(np.ones(count)))))
    ends = np.append(end[:-1] <= begin[1:], True)[:count]  # not while the next sounds
    kept = np.stack([np.ones(count, bool), ends], 1)
    on, changes = np.stack([np.ones(count), np.zeros(count)], 1)[kept], np.stack([begin, end], 1)[kept]
    return sequence(f0, begin), sequence(on, changes), sequence(level, begin)
