"""Features of recordings, arrays in and arrays out: mel filters, levels, and loudness as broadcasters measure it."""

from __future__ import annotations

import functools as ft
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..config import flag, one_of, real_number, whole_number
from ..errors import ArgumentError, ShapeError
from .mel import triangles

Floats = npt.NDArray[np.float64]

_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)  # of left, right, centre and the two surrounds
_OFFSET = -0.691  # the gain of the filters at 997 Hz, taken out again


def _rate(name: str, value: Any) -> float:
    rate = real_number(f"{name}: sample_rate", value)
    if not rate > 0:
        raise ArgumentError(f"{name}: sample_rate={rate!r} is not above 0")
    return rate


def mel_filters(
    sample_rate: float,
    n_fft: int,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: Literal["slaney"] | None = "slaney",
) -> Floats:
    """Triangular filters of equal width in mel, as `librosa.filters.mel` has them.

    Args:
        sample_rate: In Hz, above 0.
        n_fft: Size of the FFT, at least 2.
        n_mels: How many, at least 1.
        fmin, fmax: Ends of the first and the last in Hz; fmax is half the sample rate by default.
        htk: The scale of HTK instead of Slaney's.
        norm: "slaney" for equal areas, None for peaks of 1.

    Returns:
        `(n_mels, n_fft // 2 + 1)`. Narrow filters between two bins are 0 throughout.

    Raises:
        ArgumentError: a number out of range, or fmin not under fmax.

    Source: Slaney, Auditory Toolbox.

    >>> dg.features.mel_filters(44100, 1024).shape
    (128, 513)
    """
    rate = _rate("mel_filters", sample_rate)
    size = whole_number("mel_filters: n_fft", n_fft, least=2)
    low = real_number("mel_filters: fmin", fmin)
    high = rate / 2 if fmax is None else real_number("mel_filters: fmax", fmax)
    if not 0 <= low < high:
        raise ArgumentError(f"mel_filters: fmin={low} and fmax={high}: takes 0 <= fmin < fmax")
    one_of("mel_filters: norm", norm, ("slaney", None))
    count = whole_number("mel_filters: n_mels", n_mels, least=1)
    return triangles(rate, size, count, low, high, flag("mel_filters: htk", htk), norm).copy()


@ft.lru_cache(maxsize=32)
def k_weighting(sample_rate: float) -> Floats:
    """The two filters of BS.1770 at any rate, `(2, 6)` as sections: a shelf for the head, and a high pass."""
    sections = []
    for freq, q in ((1681.974450955533, 0.7071752369554196), (38.13547087602444, 0.5003270373238773)):
        k = np.tan(np.pi * freq / sample_rate)
        a0 = 1 + k / q + k * k
        b = [1.0, -2.0, 1.0]
        if not sections:
            high = 10 ** (3.999843853973347 / 20)
            middle = high**0.4996667741545416
            shelf = np.array([high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k])
            b = (shelf / a0).tolist()
        sections.append([*b, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
    return np.array(sections)


def _recording(name: str, x: Any) -> Floats:
    """A recording as `(frames, channels)`."""
    try:
        x = np.asarray(x, np.float64)
    except (TypeError, ValueError) as e:
        raise ArgumentError(f"{name}: {type(x).__name__} is not an array of numbers: {str(e).splitlines()[0]}") from None
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[1] > len(_WEIGHTS):
        raise ShapeError(f"{name}: takes (frames,) or (frames, channels) of at most {len(_WEIGHTS)}, got shape {x.shape}")
    if not np.isfinite(x).all():
        frame, channel = np.argwhere(~np.isfinite(x))[0]
        raise ArgumentError(f"{name}: the sample at frame {frame} is {x[frame, channel]}, and would be heard to the end")
    return x


def _powers(name: str, x: Any, sample_rate: Any, seconds: float, step: float) -> Floats:
    """Weighted power of K-weighted blocks, those that are complete, one every `step` seconds."""
    from scipy.signal import sosfilt  # JAX depends on scipy; it takes half a second to import

    rate, x, step = _rate(name, sample_rate), _recording(name, x), real_number(f"{name}: step", step)
    length, hop = round(seconds * rate), round(step * rate)
    if hop < 1:
        raise ArgumentError(f"{name}: step={step} is less than a frame")
    weighted = np.asarray(sosfilt(k_weighting(rate), x, axis=0)) if len(x) else x
    heard = weighted**2 @ np.array(_WEIGHTS[: x.shape[1]])
    total = np.concatenate([[0.0], np.cumsum(heard)])
    starts = np.arange(0, max(len(x) - length + 1, 0), hop)
    return np.maximum(total[starts + length] - total[starts], 0) / length


def _lufs(power: Any) -> Any:
    with np.errstate(divide="ignore"):
        return _OFFSET + 10 * np.log10(power)


def integrated_loudness(x: Any, sample_rate: float) -> float:
    """Loudness of a programme in LUFS: mean power of blocks of 400 ms, those under -70 LUFS and 10 LU under the rest left out.

    Args:
        x: `(frames,)`, or `(frames, channels)`: left, right, centre and two surrounds, without the LFE.
        sample_rate: In Hz, above 0.

    Returns:
        LUFS; -inf where nothing is louder than -70, or the recording is shorter than a block.

    Raises:
        ShapeError: another shape. ArgumentError: a sample rate not above 0, or a sample that is NaN or infinite.

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
