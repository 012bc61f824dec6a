"""Noise through a filter that is given by its magnitudes and moves."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np

from ..config import whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import composite, lift, outputs_of, pointwise
from ..ops import add, getitem, irfft, mul, overlap_add, spectrum_of, sub, windows
from . import noises

Convention = Literal["exact", "ddsp"]


class Cut(NamedTuple):
    """How a filter is cut out of the response of zero phase that its magnitudes have.

    Attributes:
        start: Of the first tap, which frame of that response it is.
        window: What each tap is multiplied by.
        early: How many frames before the time of a tick the first tap is laid.
    """

    start: int
    window: np.ndarray
    early: int


def _centred(length: int, size: int) -> Cut:
    """A Hann window about time 0, whose ends, where it is 0, are left out. There is no delay."""
    half = max(size // 2, 1)
    return Cut(1 - half, 0.5 + 0.5 * np.cos(np.pi * np.arange(1 - half, half) / half), half - 1)


def _as_ddsp(length: int, size: int) -> Cut:
    """As magenta/ddsp cuts it, and makes up for its delay: two frames too few, or where the window is the shorter none."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / (size - size % 2))
    if size == length:
        return Cut(-(length // 2), hann, (length - 1) // 2 - 1)
    half = (size + 1) // 2
    about_zero = np.concatenate([hann[half:], np.zeros(length - size), hann[:half]])
    at = np.arange(2 - half, half + 1)
    return Cut(2 - half, about_zero[at % length], (len(at) - 1) // 2 - 1)


@pointwise
def cut(response, *, start, count):
    """So many frames of a response that goes round, from `start` on."""
    return jnp.roll(response, -start, -1)[..., :count]


def _spectrum(x: Any, size: int) -> list[Any]:
    return outputs_of(spectrum_of.node(x, params=(("size", size), ("window", False))))


@composite
def filtered_noise(magnitudes: Any, noise: Any = None, size: int | None = None, convention: Convention = "exact") -> Any:
    """Noise whose spectrum is given: each stretch of it, from tick to tick, through the filter that has these magnitudes.

    The filter of a tick is the inverse FFT of its magnitudes, of zero phase, under a Hann window. What comes in from a tick to
    the next is convolved with it in full, and all is added up. Nothing is late: what comes in at a frame sounds around it.

    Args:
        magnitudes: `(*lanes, bands)`, at a hop: the gain at `bands` frequencies in equal steps from 0 to half the sample rate,
            at least 2. Where they do not vary, the filter stays.
        noise: What is filtered, a Signal or SignalTensor at hop 1; by default white noise as that of `Signal.noise()`, another
            in each lane.
        size: Of the window in frames; shorter ones smooth the spectrum. By default, and at most, `2 * (bands - 1)`.
        convention: "exact": centred and without delay. "ddsp": that of magenta/ddsp, for models trained with it: with the
            default size the sound is 2 frames late, and a smaller odd window is a frame off its centre. Its synthesiser has
            size=257.

    Returns:
        `lanes` of magnitudes and noise, broadcast, at hop 1. In a stream it is later by hop - 1 frames, and half the window.

    Raises:
        ShapeError: fewer than 2 bands. ArgumentError: another convention, a size under 1, for "ddsp" under 3; noise at a hop.

    >>> flat = Signal.from_samples(np.ones((2, 5)), hop=4)
    >>> flat.filtered_noise(Signal.from_samples(np.arange(8.0))).realize().round(5)
    array([0., 1., 2., 3., 4., 5., 6., 7.], dtype=float32)

    Source: J. Engel et al., DDSP: Differentiable Digital Signal Processing, ICLR 2020, "Filtered Noise".
    """
    gains = lift(magnitudes, "filtered_noise: magnitudes")
    bands = gains.spec.shape[-1] if gains.spec.shape else 0
    if bands < 2:
        raise ShapeError(f"filtered_noise: magnitudes have shape {gains.spec.shape}, not (*lanes, bands) of 2 bands or more")
    if not (isinstance(convention, str) and convention in get_args(Convention)):
        raise ArgumentError(f"filtered_noise: convention={convention!r} is not one of {', '.join(get_args(Convention))}")
    length = 2 * (bands - 1)
    window_size = min(length, length if size is None else whole_number("filtered_noise: size", size, least=1))
    if convention == "ddsp" and window_size < 3:
        raise ArgumentError(f"filtered_noise: size={window_size} is less than 3, for which convention='ddsp' has no response")
    start, window, early = (_centred if convention == "exact" else _as_ddsp)(length, window_size)
    taps = mul(cut(irfft(gains, size=length), start=start, count=len(window)), lift(window))
    hop = gains.spec.hop or length
    x = noises.noise(None, gains.spec.shape[:-1], "white") if noise is None else lift(noise, "filtered_noise: noise")
    stretches = windows(x, hop, hop, "start")
    long = hop + len(window) - 1
    points = 1 << (long - 1).bit_length()
    (a, b), (c, d) = (_spectrum(y, points) for y in (stretches, taps))
    y = irfft(sub(mul(a, c), mul(b, d)), add(mul(a, d), mul(b, c)), size=points)
    return overlap_add(getitem(y, (..., slice(long))), early)
