"""What spectra tell of a recording or of a Signal: mel bands, cepstra, onsets, and where along frequency the energy lies.

Of an array they are computed at once, in float64, as librosa does; of a Signal they are values at a hop, lazy as all others.
Each is one formula, of NumPy's arrays or of JAX's: `xp` is the one library or the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import flag, one_of, real_number, whole_number
from ..errors import ArgumentError
from ..graph import Value, pointwise
from ..ops import hann, hypot, mul, rfft, windows
from .mel import triangles
from .recordings import Floats, not_lazy, over_windows, rate_of, window_sizes

Norm = Literal["slaney"] | None
_LEAST, _RANGE = 1e-10, 80.0  # of power; dB under the loudest that are kept


# Formulas: magnitudes (..., bins) of windows of `size` frames -> what they tell.


def _frequencies(size: int, rate: float) -> np.ndarray:
    return np.arange(size // 2 + 1) * (rate / size)


def _mel(xp: Any, m: Any, size: int, rate: float, power: float, **bands: Any) -> Any:
    filters = _bands(rate, size, **bands).T.astype(m.dtype)
    energy = m * m if power == 2 else m**power
    return energy @ filters if xp is np else jnp.matmul(energy, filters, precision=lax.Precision.HIGHEST)


def _decibels(xp: Any, power: Any) -> Any:
    return 10 * xp.log10(xp.where(power > _LEAST, power, _LEAST))


def _cosines(xp: Any, decibels: Any, n_mfcc: int) -> Any:
    """The first of an orthonormal cosine transform, DCT-II."""
    count = decibels.shape[-1]
    basis = np.cos(np.pi / count * np.outer(np.arange(count) + 0.5, np.arange(n_mfcc))) * np.sqrt(2 / count)
    basis[:, 0] /= np.sqrt(2)
    basis = basis.astype(decibels.dtype)
    return decibels @ basis if xp is np else jnp.matmul(decibels, basis, precision=lax.Precision.HIGHEST)


def _centroid(xp: Any, m: Any, size: int, rate: float) -> Any:
    total = xp.sum(m, axis=-1)
    return xp.sum(m * _frequencies(size, rate).astype(m.dtype), axis=-1) / xp.where(total > 0, total, 1)


def _flatness(xp: Any, m: Any, size: int, rate: float | None) -> Any:
    power = xp.where(m * m > _LEAST, m * m, _LEAST)
    return xp.exp(xp.mean(xp.log(power), axis=-1)) / xp.mean(power, axis=-1)


def _rolloff(xp: Any, m: Any, size: int, rate: float, roll_percent: float) -> Any:
    below = xp.cumsum(m, axis=-1)
    place = xp.argmax(below >= roll_percent * below[..., -1:], axis=-1)
    return place.astype(m.dtype) * (rate / size)


# The same as ops, of real and imaginary parts. `rate` is that of the run where it is None.


@pointwise
def mel_of(re, im, *, size, rate, power, n_mels, fmin, fmax, htk, norm, sample_rate):
    bands = {"n_mels": n_mels, "fmin": fmin, "fmax": fmax, "htk": htk, "norm": norm}
    return _mel(jnp, hypot(re, im), size, rate or sample_rate, power, **bands)


@pointwise
def mfcc_of(mel, *, n_mfcc):
    return _cosines(jnp, _decibels(jnp, mel), n_mfcc)


@pointwise
def centroid_of(re, im, *, size, rate, sample_rate):
    return _centroid(jnp, hypot(re, im), size, rate or sample_rate)


@pointwise
def flatness_of(re, im, *, size, rate):
    return _flatness(jnp, hypot(re, im), size, rate)


@pointwise
def rolloff_of(re, im, *, size, rate, roll_percent, sample_rate):
    return _rolloff(jnp, hypot(re, im), size, rate or sample_rate, roll_percent)


mel_of.__name__, mfcc_of.__name__, centroid_of.__name__ = "mel_spectrogram", "mfcc", "spectral_centroid"
flatness_of.__name__, rolloff_of.__name__ = "spectral_flatness", "spectral_rolloff"  # in errors and programs


def windows_at(name: str, x: Any, size: int, hop: int) -> Any:
    """Those of a Signal, centred at 0, hop, ..."""
    if x.hop not in (None, 1):
        raise ArgumentError(f"{name}: takes a value every frame, this one comes every {x.hop}; upsample() it")
    return windows(x, size, hop, "centre")


def measured(name: str, x: Any, rate: Any, sizes: tuple[int, int], formula: Callable[..., Any], op: Any, **options: Any) -> Any:
    """What a formula finds in the spectra of a recording or of a Signal. Options are static."""
    size, hop = sizes
    rate = None if rate is None else rate_of(name, rate)
    if isinstance(x, Value):
        parts = rfft(mul(windows_at(name, x, size, hop), hann(size).astype(np.float32)))
        return x.wrap(op.node(*[part.node for part in parts], params=(("size", size), ("rate", rate), *options.items())))
    if rate is None and "sample_rate" in op.injected:
        raise ArgumentError(f"{name}: sample_rate is missing: a recording does not know its own")
    window = hann(size)
    return over_windows(name, x, lambda w: formula(np, np.abs(np.fft.rfft(w * window)), size, rate, **options), size, hop)


# What users call.


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
    rate = rate_of("mel_filters", sample_rate)
    size = whole_number("mel_filters: n_fft", n_fft, least=2)
    return _bands(rate, size, **_checked_bands("mel_filters", n_mels, fmin, fmax, htk, norm)).copy()


def _checked_bands(name: str, n_mels: Any, fmin: Any, fmax: Any, htk: Any, norm: Any) -> dict[str, Any]:
    low = real_number(f"{name}: fmin", fmin)
    high = None if fmax is None else real_number(f"{name}: fmax", fmax)
    if low < 0 or (high is not None and high <= low):
        raise ArgumentError(f"{name}: fmin={low} and fmax={high}: takes 0 <= fmin < fmax")
    one_of(f"{name}: norm", norm, ("slaney", None))
    count = whole_number(f"{name}: n_mels", n_mels, least=1)
    return {"n_mels": count, "fmin": low, "fmax": high, "htk": flag(f"{name}: htk", htk), "norm": norm}


def _bands(rate: float, size: int, n_mels: int, fmin: float, fmax: float | None, htk: bool, norm: Any) -> Floats:
    high = rate / 2 if fmax is None else fmax
    if high <= fmin:
        raise ArgumentError(f"mel filters from fmin={fmin} to half of sample_rate={rate}: takes 0 <= fmin < fmax")
    return triangles(rate, size, n_mels, fmin, high, htk, norm)


def mel_spectrogram(
    x: Any,
    sample_rate: float | None = None,
    n_fft: int = 2048,
    hop: int | None = None,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    power: float = 2.0,
    htk: bool = False,
    norm: Norm = "slaney",
) -> Any:
    """Energy in mel filters, of Hann windows centred at 0, hop, ..., zeros outside, as `librosa.feature.melspectrogram`.

    Args:
        x: A recording, `(frames,)` or `(frames, channels)`, or a Signal or SignalTensor at hop 1.
        sample_rate: In Hz, above 0. Of a Signal it is that of the run, if none is given.
        n_fft: Size of the windows in frames, at least 2.
        hop: From one to the next in frames; by default a quarter of the size.
        power: Of the magnitudes: 2 for energy, 1 for the magnitudes themselves; at least 1.
        n_mels, fmin, fmax, htk, norm: Of the filters, as for `mel_filters`.

    Returns:
        `(1 + frames // hop, n_mels)`, or `(..., channels, n_mels)`, in float64; nothing of no frames. Of a Signal a value of
        shape `(*shape, n_mels)` at `hop`, differentiable, which is later in a stream by half a window.

    Raises:
        ShapeError: another shape. ArgumentError: a number out of range, NaN among the samples, or no sample rate.

    Source: librosa.

    >>> dg.features.mel_spectrogram(np.zeros(44100), 44100).shape
    (87, 128)
    >>> dg.features.mel_spectrogram(Signal.phasor(440.0), hop=512).shape
    (128,)
    """
    name = "mel_spectrogram"
    sizes, bands = window_sizes(name, n_fft, hop), _checked_bands(name, n_mels, fmin, fmax, htk, norm)
    return measured(name, x, sample_rate, sizes, _mel, mel_of, power=_power(name, power), **bands)


def _power(name: str, power: Any) -> float:
    power = real_number(f"{name}: power", power)
    if power < 1:
        raise ArgumentError(f"{name}: power={power!r} is less than 1")
    return power


def _levels(mel: Floats) -> Floats:
    """In dB; of each channel, not more than 80 under its loudest."""
    decibels = _decibels(np, mel)
    return np.maximum(decibels, decibels.max((0, -1), keepdims=True, initial=-np.inf) - _RANGE)


def mfcc(
    x: Any,
    sample_rate: float | None = None,
    n_mfcc: int = 20,
    n_fft: int = 2048,
    hop: int | None = None,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    htk: bool = False,
    norm: Norm = "slaney",
) -> Any:
    """Mel-frequency cepstral coefficients: an orthonormal cosine transform of mel energies in dB, as `librosa.feature.mfcc`.

    Args:
        x, sample_rate, n_fft, hop, n_mels, fmin, fmax, htk, norm: As for `mel_spectrogram`.
        n_mfcc: How many, from 1 to n_mels.

    Returns:
        `(1 + frames // hop, n_mfcc)`, or `(..., channels, n_mfcc)`. Of a recording, energies are not let more than 80 dB
        under the highest of their channel; of a Signal, whose highest is not known before its end, not under -100 dB. Those are
        values `(*shape, n_mfcc)` at `hop`, differentiable.

    Raises:
        What `mel_spectrogram` does.

    Source: librosa.

    >>> dg.features.mfcc(np.zeros(44100), 44100, n_mfcc=13).shape
    (87, 13)
    """
    sizes, bands = window_sizes("mfcc", n_fft, hop), _checked_bands("mfcc", n_mels, fmin, fmax, htk, norm)
    n_mfcc = whole_number("mfcc: n_mfcc", n_mfcc, least=1, most=bands["n_mels"])
    mel = measured("mfcc", x, sample_rate, sizes, _mel, mel_of, power=2.0, **bands)
    if isinstance(x, Value):
        return x.wrap(mfcc_of.node(mel.node, params=(("n_mfcc", n_mfcc),)))
    return _cosines(np, _levels(mel), n_mfcc)


def onset_strength(x: Any, sample_rate: float, n_fft: int = 2048, hop: int = 512, n_mels: int = 128) -> Floats:
    """How much louder it becomes: the mean over mel filters of what each gains in dB from one window to the next.

    Args:
        x: A recording, `(frames,)` or `(frames, channels)`.
        sample_rate, n_fft, hop, n_mels: As for `mel_spectrogram`.

    Returns:
        `(1 + frames // hop,)`, or `(..., channels)`; each value at the time when the window begins to hear it, so that it is 0
        for the first `1 + n_fft // (2 hop)`.

    Raises:
        What `mel_spectrogram` does.

    Source: Böck and Widmer, Maximum filter vibrato suppression for onset detection; `librosa.onset.onset_strength`.

    >>> x = np.where(np.arange(44100) < 22050, 0, np.sin(np.arange(44100)))
    >>> int(dg.features.onset_strength(x, 44100).argmax()) * 512 // 1000  # from the frame 22,050 on
    22
    """
    name = "onset_strength"
    not_lazy(name, x)
    sizes, bands = window_sizes(name, n_fft, hop), _checked_bands(name, n_mels, 0.0, None, False, "slaney")
    levels = _levels(measured(name, x, sample_rate, sizes, _mel, mel_of, power=2.0, **bands))
    gains = np.maximum(np.diff(levels, axis=0), 0).mean(-1)
    late = min(1 + sizes[0] // (2 * sizes[1]), len(levels))
    return np.concatenate([np.zeros((late, *levels.shape[1:-1])), gains])[: len(levels)]


def spectral_centroid(x: Any, sample_rate: float | None = None, n_fft: int = 2048, hop: int | None = None) -> Any:
    """The mean frequency in Hz, weighted by magnitude, of each window; as `librosa.feature.spectral_centroid`.

    Args:
        x, sample_rate, n_fft, hop: As for `mel_spectrogram`.

    Returns:
        `(1 + frames // hop,)`, or `(..., channels)`; 0 at silence. Of a Signal a value of its shape at `hop`, differentiable.

    Raises:
        What `mel_spectrogram` does.

    Source: librosa.

    >>> sine = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    >>> dg.features.spectral_centroid(sine, 44100)[40].round()
    np.float64(1000.0)
    """
    sizes = window_sizes("spectral_centroid", n_fft, hop)
    return measured("spectral_centroid", x, sample_rate, sizes, _centroid, centroid_of)


def spectral_flatness(x: Any, sample_rate: float | None = None, n_fft: int = 2048, hop: int | None = None) -> Any:
    """How much like noise: the geometric mean of the energy of bins over its mean; as `librosa.feature.spectral_flatness`.

    Args:
        x, n_fft, hop: As for `mel_spectrogram`.
        sample_rate: Taken as by its siblings; it makes no difference.

    Returns:
        `(1 + frames // hop,)`, or `(..., channels)`, from 0, of a tone, to 1, also of silence. Energies count as 1e-10 or
        more.
        Of a Signal a value of its shape at `hop`, differentiable.

    Raises:
        What `mel_spectrogram` does.

    Source: Dubnov, Generalization of spectral flatness measure for non-Gaussian linear processes; librosa.

    >>> dg.features.spectral_flatness(np.zeros(1000), n_fft=256, hop=500)
    array([1., 1., 1.])
    """
    sizes = window_sizes("spectral_flatness", n_fft, hop)
    return measured("spectral_flatness", x, sample_rate, sizes, _flatness, flatness_of)


def spectral_rolloff(
    x: Any, sample_rate: float | None = None, n_fft: int = 2048, hop: int | None = None, roll_percent: float = 0.85
) -> Any:
    """The first frequency in Hz below which there is so much of all magnitude; as `librosa.feature.spectral_rolloff`.

    Args:
        x, sample_rate, n_fft, hop: As for `mel_spectrogram`.
        roll_percent: A share, between 0 and 1.

    Returns:
        `(1 + frames // hop,)`, or `(..., channels)`: the frequency of a bin; 0 at silence. Of a Signal a value of its shape at
        `hop`; it steps from bin to bin, so that its gradient is 0.

    Raises:
        What `mel_spectrogram` does.

    Source: librosa.

    >>> sine = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    >>> dg.features.spectral_rolloff(sine, 44100, n_fft=441, roll_percent=0.5)[40]
    np.float64(1000.0)
    """
    sizes, share = window_sizes("spectral_rolloff", n_fft, hop), real_number("spectral_rolloff: roll_percent", roll_percent)
    if not 0 < share < 1:
        raise ArgumentError(f"spectral_rolloff: roll_percent={share!r} is not between 0 and 1")
    return measured("spectral_rolloff", x, sample_rate, sizes, _rolloff, rolloff_of, roll_percent=share)
