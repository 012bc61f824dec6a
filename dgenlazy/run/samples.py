"""Samples of a run: how many there are, how they lie in an array, and those of one block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, InputError
from ..graph import Data, Input

_LONG = 8  # times as many examples as frames are taken for a mistake


def inside(leaf: Data, start: int, frames: int) -> None:
    """Raise an InputError where samples end before a block does."""
    if start + frames > leaf.frames:
        asked = f"frames {start} to {start + frames} were asked for"
        raise InputError(f"Signal.from_samples: {leaf.frames} frames of samples, but {asked}")


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


def found(leaf: Input, start: int, call: Channels | None, session: Channels) -> tuple[np.ndarray, int, int]:
    """The samples of a channel, which axis of them is the frames, and at which of these a block from `start` on begins.

    Those given to the call go before those of the session, and begin with the block.
    """
    channel, shape = leaf.channel, leaf.spec.shape
    given = call is not None and channel in call
    samples = call[channel] if call is not None and given else session.get(channel)
    if samples is None:
        fix = f"pass inputs={{{channel}: samples}}, or assign DGen.inputs[{channel}] = samples"
        raise InputError(f"Signal.input({channel}): there are no samples for channel {channel}; {fix}")
    axis = samples.ndim - len(shape) - 1
    if axis not in (0, 1) or samples.shape[axis + 1 :] != shape:
        raise ArgumentError(f"inputs[{channel}]: shape {samples.shape} is not {', nor '.join(layouts(shape))} for a batch")
    if not shape and not start:  # a stream that goes on knows
        one_reading(f"Signal.input({channel})", samples.shape)
    return samples, axis, 0 if given else start


def block(leaf: Input, frames: int, start: int, call: Channels | None, session: Channels) -> np.ndarray:
    """The samples of a channel for the frames from `start` on."""
    samples, axis, first = found(leaf, start, call, session)
    if samples.shape[axis] < first + frames:
        at, has = f" from frame {first} on" if first else "", f"channel {leaf.channel} has {samples.shape[axis]}"
        fix = f"ask for fewer frames, or give channel {leaf.channel} longer samples"
        raise InputError(f"Signal.input({leaf.channel}): {frames} frames{at} were asked for, {has}; {fix}")
    return samples[:, first : first + frames] if axis else samples[first : first + frames]
