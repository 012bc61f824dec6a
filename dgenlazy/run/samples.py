"""Samples of a run: how many there are, how they lie in an array, and those of one block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import Inputs
from ..errors import ArgumentError, InputError
from ..graph import Context, Data, Input, Spec
from .program import Program

_LONG = 8  # times as many examples as frames are taken for a mistake


def inside(leaf: Data, start: int, frames: int, beyond: int = 0) -> None:
    """Raise an InputError where samples end before a block does; `beyond` frames may be missing, to flush what is late."""
    if start + frames > leaf.frames + beyond:
        asked = f"frames {start} to {start + frames} were asked for"
        raise InputError(f"Signal.from_samples: {leaf.frames} frames of samples, but {asked}")


def enough(rows: int, hop: int, frames: int, start: int | None, more: bool) -> None:
    """Raise an InputError unless a pure function can take so many rows for ticks of a block from `start` on, None if not known.

    One row more than there are ticks is fine where other blocks of this length hold as many, and with `more` any number is.
    """
    least, most = frames // hop, -(-frames // hop)
    name = f"function: an input with a value every {hop} frames has {rows}"
    if not (rows >= most if more else least <= rows <= most):
        raise InputError(f"{name}; {frames} frames hold {f'{most} ticks' if least == most else f'{least} or {most} ticks'}")
    if start is not None and rows < (held := -(-(start + frames) // hop) - -(-start // hop)):
        raise InputError(f"{name}; the {frames} frames from {start} on hold {held} ticks")


def later(leaf: Data, frames: int, start: int) -> np.ndarray | None:
    """The samples of a block from `start` on, of a leaf that holds as many as the block has and would be taken for it."""
    hop, axis = leaf.spec.every, leaf.array.ndim - len(leaf.spec.shape) - 1
    first, rows = -(-start // hop), leaf.array.shape[axis]
    if not first or rows != -(-frames // hop):
        return None
    size = [(0, first * (i == axis)) for i in range(leaf.array.ndim)]
    longer = np.pad(np.asarray(leaf.array), size, mode="edge" if hop > 1 and rows else "constant")
    return longer[(slice(None),) * axis + (slice(first, None),)]


def rest(name: str, frames: int, start: int) -> int:
    """How many of so many frames there are from `start` on."""
    if start and start >= frames:
        raise InputError(f"{name}: the stream is at frame {start}, the end of the samples")
    return frames - start


def layouts(shape: tuple[int, ...]) -> list[str]:
    """How samples of frames of this shape lie, of one example and of a batch."""
    return [str((*axes, *shape)).replace("'", "") for axes in (("frames",), ("batch", "frames"))]


def one_reading(name: str, shape: tuple[int, ...]) -> None:
    """Raise an InputError where `(frames, channels)` may have been given for `(batch, frames)`."""
    if len(shape) == 2 and shape[0] > _LONG * shape[1] > 0:
        frames = f"{shape[0]} frames of {shape[1]} channels, which take Signal.input(channel, shape=({shape[1]},))"
        batch = f"a batch of {shape[0]} examples of {shape[1]} frames, which takes Signal.from_samples(samples, batched=True)"
        raise InputError(f"{name}: samples of shape {shape} are either {frames}, or {batch}")


Channels = Mapping[int, Any]


def given(inputs: Any) -> Channels | None:
    """The `inputs=` of a call, checked as `DGen.inputs` is, in arrays of its own."""
    if inputs is None or isinstance(inputs, Mapping):
        return None if inputs is None else Inputs(inputs)
    raise ArgumentError(f"inputs={inputs!r} is not a mapping from channel to samples, like {{0: samples}}")


def lent(inputs: Any) -> Channels | None:
    """The same for a call that is over before they change: arrays of float32 are not copied."""
    plain = isinstance(inputs, dict) and all([type(c) is int and 0 <= c < 2**31 and _is_plain(x) for c, x in inputs.items()])
    return inputs if plain else given(inputs)


def _is_plain(x: Any) -> bool:
    return type(x) is np.ndarray and x.dtype == np.float32 and x.ndim > 0


def found(leaf: Input, start: int, call: Channels | None, session: Channels) -> tuple[np.ndarray, int, int]:
    """The samples of a channel, which axis of them is the frames (or ticks), and at which a block from `start` on begins.

    Those given to the call go before those of the session, and begin with the block.
    """
    channel, shape = leaf.channel, leaf.spec.shape
    given = call is not None and channel in call
    if not given and channel not in session:  # `get` of a MutableMapping would raise a KeyError inside, and catch it
        fix = f"pass inputs={{{channel}: samples}}, or assign DGen.inputs[{channel}] = samples"
        raise InputError(f"Signal.input({channel}): there are no samples for channel {channel}; {fix}")
    samples = call[channel] if call is not None and given else session[channel]
    axis = samples.ndim - len(shape) - 1
    if axis not in (0, 1) or samples.shape[axis + 1 :] != shape:
        raise ArgumentError(f"inputs[{channel}]: shape {samples.shape} is not {', nor '.join(layouts(shape))} for a batch")
    if axis and not shape and not start:  # a stream that goes on knows
        one_reading(f"Signal.input({channel})", samples.shape)
    return samples, axis, 0 if given else -(-start // leaf.spec.every)


def block(leaf: Input, frames: int, start: int, call: Channels | None, session: Channels, beyond: int = 0) -> np.ndarray:
    """The samples of a channel for the frames from `start` on; of a whole run, `beyond` frames more where there are.

    Of ticks it gives as many as the frames may hold: where they hold one less, the last is not used.
    """
    samples, axis, first = found(leaf, start, call, session)
    hop = leaf.spec.every
    slots, frames = -(-frames // hop), -(-(start + frames) // hop) - -(-start // hop)
    if samples.shape[axis] < first + frames:
        unit = "frame" if hop == 1 else "tick"
        at, has = f" from {unit} {first} on" if first else "", f"channel {leaf.channel} has {samples.shape[axis]}"
        fix = f"ask for fewer frames, or give channel {leaf.channel} longer samples"
        raise InputError(f"Signal.input({leaf.channel}): {frames} {unit}s{at} were asked for, {has}; {fix}")
    part = slice(first, first + frames + -(-beyond // hop))
    rows = samples[:, part] if axis else samples[part]
    return np.pad(rows, [(0, (slots - frames) * (i == axis)) for i in range(rows.ndim)]) if frames < slots else rows


def unpack(program: Program, ctx: Context, numbers: Any, arrays: Sequence[Any]) -> list[Any]:
    """The leaves of `program` in order. Samples longer than the block are cut to it."""
    out = list(numbers) if isinstance(numbers, (list, tuple)) else _split(numbers) if program.numbers else []
    for spec, array in zip(program.leaves[program.numbers :], arrays):
        if spec.varies:
            array = _of_block(spec, ctx, array)
        out.append(array)
    return out


def _split(numbers: Any) -> list[Any]:
    """All at once: to index them one by one is most of what tracing a graph with many takes."""
    return [lax.squeeze(x, (0,)) for x in lax.split(numbers, [1] * len(numbers))]


def _of_block(spec: Spec, ctx: Context, array: Any) -> Any:
    """Samples cut to the block. Where it looks beyond their end, frames are 0, and ticks the last again."""
    rows, hop = array.shape[0], spec.every
    wanted = -(-(ctx.frames + (ctx.ahead or 0)) // hop)
    if ctx.ahead is None and rows == wanted:
        return array
    known = isinstance(wanted, int) and isinstance(rows, int)  # not symbolic
    missing = max(wanted - rows, 0) if known and ctx.ahead is not None else wanted
    last = array[-1:] if hop > 1 and rows else jnp.zeros((1, *array.shape[1:]), array.dtype)
    more = () if known and not missing else (jnp.broadcast_to(last, (missing, *array.shape[1:])),)
    longer = jnp.concatenate([array, *more])
    if ctx.ahead is not None:
        return longer[:wanted]
    first = (jnp.asarray(ctx.start, jnp.uint32) + np.uint32(hop - 1)) // np.uint32(hop)
    return lax.dynamic_slice_in_dim(longer, jnp.minimum(first, np.uint32(rows)).astype(jnp.int32), wanted)


def cut(samples: Any, spec: Spec, start: Any, count: Any, beyond: int) -> Any:
    """The samples of a block. For `beyond` frames past their end they are 0, or the last tick again; then there is nothing to
    play, and no error to raise where `start` is traced: NaN."""
    hop, axis = spec.every, samples.ndim - len(spec.shape) - 1
    slots, rows = -(-count // hop), samples.shape[axis]
    if start is None and isinstance(slots, int) and slots <= rows:
        return lax.slice_in_dim(samples, 0, slots, axis=axis)
    first = (jnp.asarray(0 if start is None else start, jnp.uint32) + np.uint32(hop - 1)) // np.uint32(hop)
    at = first + jnp.arange(slots, dtype=jnp.uint32)
    if beyond:
        size = [(0, -(-beyond // hop) * (i == axis)) for i in range(samples.ndim)]
        samples = jnp.pad(samples, size, mode="edge") if hop > 1 and rows else jnp.pad(samples, size)
    place = (slice(None),) * axis + (at,)
    return samples.at[place].get(mode="fill", fill_value=jnp.nan, indices_are_sorted=True, unique_indices=True)


def filled(rows: Any, spec: Spec, count: Any) -> Any:
    """Ticks of a block, and one more that is not used where it holds one less than it could: all blocks are one program."""
    if not (spec.varies and isinstance(count, int)) or spec.hop == 1:
        return rows
    axis = rows.ndim - len(spec.shape) - 1
    missing = -(-count // spec.every) - rows.shape[axis]
    return jnp.pad(rows, [(0, max(missing, 0) * (i == axis)) for i in range(rows.ndim)]) if missing > 0 else rows
