"""Loudness and peaks of recordings as broadcasters measure them: ITU-R BS.1770, EBU Tech 3341 and 3342."""

from __future__ import annotations

import functools as ft
from typing import Any

import numpy as np

from ..config import real_number
from ..errors import ArgumentError
from .recordings import Floats, rate_of, recording

WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)  # of left, right, centre and the two surrounds
OFFSET = -0.691  # the gain of the filters at 997 Hz, taken out again
SHELF, HIGH_PASS = (1681.974450955533, 0.7071752369554196), (38.13547087602444, 0.5003270373238773)  # Hz, q
_OVERSAMPLED, _HALF = 4, 24  # times; frames on either side that a value between two frames is found from


@ft.lru_cache(maxsize=32)
def k_weighting(sample_rate: float) -> Floats:
    """The two filters of BS.1770, `(2, 6)` as sections: a shelf for the head, kept under half of the rate, and a high pass."""
    sections = []
    for freq, q in (SHELF, HIGH_PASS):
        k = np.tan(np.pi * min(freq / sample_rate, 0.4))
        a0 = 1 + k / q + k * k
        b = [1.0, -2.0, 1.0]
        if not sections:
            high = 10 ** (3.999843853973347 / 20)
            middle = high**0.4996667741545416
            shelf = np.array([high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k])
            b = (shelf / a0).tolist()
        sections.append([*b, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
    return np.array(sections)


def _powers(name: str, x: Any, sample_rate: Any, seconds: float, step: float) -> Floats:
    """Weighted power of K-weighted blocks, those that are complete, one every `step` seconds."""
    from scipy.signal import sosfilt  # JAX depends on scipy; it takes half a second to import

    rate, x, step = rate_of(name, sample_rate), recording(name, x, len(WEIGHTS)), real_number(f"{name}: step", step)
    if rate < 2.5 * SHELF[0]:
        raise ArgumentError(f"{name}: sample_rate={rate!r} is too low for a filter at {SHELF[0]:.0f} Hz")
    length, hop = round(seconds * rate), round(step * rate)
    if hop < 1:
        raise ArgumentError(f"{name}: step={step} is less than a frame")
    weighted = np.asarray(sosfilt(k_weighting(rate), x, axis=0)) if len(x) else x
    heard = weighted**2 @ np.array(WEIGHTS[: x.shape[1]])
    total = np.concatenate([[0.0], np.cumsum(heard)])
    starts = np.arange(0, max(len(x) - length + 1, 0), hop)
    return np.maximum(total[starts + length] - total[starts], 0) / length


def _lufs(power: Any) -> Any:
    with np.errstate(divide="ignore"):
        return OFFSET + 10 * np.log10(power)


def integrated_loudness(x: Any, sample_rate: float) -> float:
    """Loudness of a programme in LUFS: mean power of blocks of 400 ms, those under -70 LUFS and 10 LU under the rest left out.

    Args:
        x: `(frames,)`, or `(frames, channels)`: left, right, centre and two surrounds, without the LFE.
        sample_rate: In Hz, above 0.

    Returns:
        LUFS; -inf where nothing is louder than -70, or the recording is shorter than a block.

    Raises:
        ShapeError: another shape. ArgumentError: a sample rate under 4205 Hz, or a sample that is NaN or infinite.

    Source: ITU-R BS.1770-4.

    >>> sine = np.sin(2 * np.pi * 997 * np.arange(96000) / 48000)
    >>> round(dg.features.integrated_loudness(sine, 48000), 2)
    -3.01
    """
    power = _powers("integrated_loudness", x, sample_rate, 0.4, 0.1)
    power = power[_lufs(power) > -70]
    if not len(power):
        return -np.inf
    return float(_lufs(power[_lufs(power) > _lufs(power.mean()) - 10].mean()))


def momentary(x: Any, sample_rate: float, step: float = 0.01) -> Floats:
    """Loudness of the last 400 ms in LUFS, every `step` seconds, from the first complete block on.

    Args:
        x, sample_rate: As for `integrated_loudness`.
        step: In seconds, at least a frame.

    Returns:
        `(blocks,)`; -inf at silence.

    Raises:
        What `integrated_loudness` does.

    Source: EBU Tech 3341.

    >>> dg.features.momentary(np.zeros(48000), 48000).shape
    (61,)
    """
    return _lufs(_powers("momentary", x, sample_rate, 0.4, step))


def short_term(x: Any, sample_rate: float, step: float = 0.01) -> Floats:
    """Loudness of the last 3 seconds in LUFS, every `step` seconds, from the first complete block on.

    Args:
        x, sample_rate, step: As for `momentary`.

    Returns:
        `(blocks,)`; -inf at silence.

    Raises:
        What `integrated_loudness` does.

    Source: EBU Tech 3341.

    >>> dg.features.short_term(np.zeros(4 * 48000), 48000).shape
    (101,)
    """
    return _lufs(_powers("short_term", x, sample_rate, 3.0, step))


def loudness_range(x: Any, sample_rate: float) -> float:
    """From soft to loud in LU: between the 10th and the 95th percentile of `short_term`, without what is 20 LU under the rest.

    Args:
        x, sample_rate: As for `integrated_loudness`.

    Returns:
        LU; 0 where nothing is louder than -70 LUFS, or the recording is shorter than 3 seconds.

    Raises:
        What `integrated_loudness` does.

    Source: EBU Tech 3342.

    >>> dg.features.loudness_range(np.zeros(48000), 48000)
    0.0
    """
    power = _powers("loudness_range", x, sample_rate, 3.0, 0.1)
    power = power[_lufs(power) >= -70]
    if not len(power):
        return 0.0
    kept = _lufs(power[_lufs(power) >= _lufs(power.mean()) - 20])
    return float(np.percentile(kept, 95) - np.percentile(kept, 10))


def true_peak(x: Any, sample_rate: float) -> float:
    """The highest level in dBTP that a recording reaches in any channel at or between its samples, looked at 4 times as often.

    Values between samples come from 24 frames on either side, exact to 0.01 dB up to 0.45 of the sample rate; a peak between
    two of these reads up to 0.6 dB lower, if it is of the highest frequencies. Nearer to either end than 24 frames samples
    count alone: what comes before and after is not known, and silence there would make a click.

    Args:
        x: `(frames,)` or `(frames, channels)`.
        sample_rate: In Hz, above 0. The peak does not depend on it; a recording above 96 kHz is looked at as often.

    Returns:
        dBTP, 0 for a full scale of 1; never under the highest sample; -inf for silence and for no frames.

    Raises:
        ShapeError: another shape. ArgumentError: a sample rate not above 0, or a sample that is NaN or infinite.

    Source: ITU-R BS.1770-4, annex 2.

    >>> sine = np.sin(2 * np.pi * (np.arange(48000) / 4 + 1 / 8))  # its samples are at 3 dB under its peaks
    >>> round(dg.features.true_peak(sine, 48000), 2)
    0.0
    """
    rate_of("true_peak", sample_rate)
    x = recording("true_peak", x)
    peak = np.abs(x).max(initial=0)
    for taps in _between(min(_HALF, len(x) // 4)):
        for channel in x.T:
            peak = max(peak, np.abs(np.convolve(channel, taps, "valid")).max())
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(peak))


@ft.lru_cache(maxsize=_HALF + 1)
def _between(half: int) -> Floats:
    """Taps for each of the places between two samples, from so many on either side: a sinc under a Kaiser window."""
    if not half:
        return np.zeros((0, 0))
    away = np.arange(1 - half, half + 1) - np.arange(1, _OVERSAMPLED)[:, None] / _OVERSAMPLED
    taps = np.sinc(away) * np.i0(6 * np.sqrt(1 - (away / half) ** 2))
    return (taps / taps.sum(1, keepdims=True))[:, ::-1]
