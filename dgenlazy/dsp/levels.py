"""How loud a recording or a Signal is, window by window: root mean square, and A-weighted loudness as magenta/ddsp has it."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..config import real_number, whole_number
from ..errors import ArgumentError
from ..graph import Value, pointwise
from ..ops import hypot, root
from .mel import a_weighting
from .recordings import over_windows, rate_of, window_sizes
from .spectral_features import measured, windows_at

TO_DB = float(10 / np.log(10))
_QUIETEST = 1e-8  # of power, at -80 dB


def weighted_level(xp: Any, m: Any, size: int, rate: float) -> Any:
    """Magnitudes `(..., bins)` -> the mean of their A-weighted power in dB, not under -80."""
    return TO_DB * weighted_log(xp, m, size, rate)


def weighted_log(xp: Any, m: Any, size: int, rate: float) -> Any:
    """The same as a natural logarithm, `TO_DB` of which are the dB."""
    weights = 10 ** (a_weighting(np.arange(size // 2 + 1) * (rate / size)) / 10)
    power = xp.mean(m * m * weights.astype(m.dtype), axis=-1)
    return xp.log(xp.where(power > _QUIETEST, power, _QUIETEST))


@pointwise
def loudness_of(re, im, *, size, rate, sample_rate):
    return weighted_level(jnp, hypot(re, im), size, rate or sample_rate)


@pointwise
def rms_of(w):
    return root(jnp.mean(w * w, axis=-1))


loudness_of.__name__, rms_of.__name__ = "loudness", "rms"  # in errors and programs


def loudness(x: Any, sample_rate: float | None = None, rate: float = 250.0, n_fft: int = 512, hop: int | None = None) -> Any:
    """A-weighted loudness in dB, `rate` times a second, as magenta/ddsp has it since 2.0 (`spectral_ops.compute_loudness`).

    The mean over bins of A-weighted power, of Hann windows centred at 0, hop, ..., zeros outside; the gain of the window is not
    taken out: a full sine of 1 kHz at 16 kHz has 19.8 dB. For loudness as broadcasters measure it, see `integrated_loudness`.

    Args:
        x: A recording, `(frames,)` or `(frames, channels)`, or a Signal or SignalTensor at hop 1.
        sample_rate: In Hz, above 0. Of a Signal it is that of the run, if none is given.
        rate: Values a second; their distance is `sample_rate // rate` frames, at least one. A Signal takes a `hop` if no
            sample rate is given: what its program looks like cannot depend on that of the run.
        n_fft: Size of the windows in frames, at least 2.
        hop: The distance in frames, instead of `rate`.

    Returns:
        `(1 + frames // hop,)`, or `(..., channels)`, not under -80; nothing of no frames. Of a Signal a value of its shape at
        `hop`, differentiable, with a gradient of 0 at -80 dB, which is later in a stream by half a window.

    Raises:
        ShapeError: another shape. ArgumentError: a number out of range, NaN among the samples, or no sample rate.

    Source: Engel et al., DDSP: Differentiable Digital Signal Processing; its code, `ddsp/spectral_ops.py`.

    >>> dg.features.loudness(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000), 16000)[125].round(3)
    np.float64(19.805)
    """
    size, _ = window_sizes("loudness", n_fft, None)
    if hop is not None:
        hop = whole_number("loudness: hop", hop, least=1)
    elif sample_rate is not None:
        rate = real_number("loudness: rate", rate)
        hop = int(rate_of("loudness", sample_rate) // rate) if rate > 0 else 0
        if not hop:
            raise ArgumentError(f"loudness: rate={rate!r} is not above 0 and up to sample_rate={sample_rate!r}")
    else:
        what = "a Signal takes hop=, or a sample rate" if isinstance(x, Value) else "a recording does not know its own"
        raise ArgumentError(f"loudness: sample_rate is missing: {what}")
    return measured("loudness", x, sample_rate, (size, hop), weighted_level, loudness_of)


def rms(x: Any, sample_rate: float | None = None, frame_length: int = 2048, hop: int | None = None) -> Any:
    """Root of the mean square of windows centred at 0, hop, ..., zeros outside: `librosa.feature.rms`.

    magenta/ddsp's `compute_rms_energy` is that with `frame_length=512` and `hop=sample_rate // 250`.

    Args:
        x: A recording, `(frames,)` or `(frames, channels)`, or a Signal or SignalTensor at hop 1.
        sample_rate: Taken as by its siblings; it makes no difference.
        frame_length: Size of the windows in frames, at least 2.
        hop: From one to the next in frames; by default a quarter of the size.

    Returns:
        `(1 + frames // hop,)`, or `(..., channels)`; nothing of no frames. Of a Signal a value of its shape at `hop`,
        differentiable, with a gradient of 0 at silence, which is later in a stream by half a window.

    Raises:
        ShapeError: another shape. ArgumentError: a number out of range, or NaN among the samples.

    Source: librosa.

    >>> dg.features.rms(np.ones(1000), frame_length=100, hop=500)[1]
    np.float64(1.0)
    """
    size, hop = window_sizes("rms", frame_length, hop, "frame_length")
    if sample_rate is not None:
        rate_of("rms", sample_rate)
    if isinstance(x, Value):
        return x.wrap(rms_of.node(windows_at("rms", x, size, hop).node))
    return over_windows("rms", x, lambda w: np.sqrt(np.mean(w * w, axis=-1)), size, hop)
