"""Audio files, resampling, and sounds made longer or higher.

Takes the extra `audio`: soundfile and soxr, imported when they are first needed.
"""

from __future__ import annotations

import io
import itertools
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from . import codec, files
from .config import flag, real_array, real_number, whole_number
from .errors import ArgumentError, OutOfMemoryError, ShapeError
from .timescale import stretched


class Format(NamedTuple):
    """What a kind of file can hold."""

    subtypes: dict[int, str]  # by bits
    most_channels: int
    most_hz: int
    most_bytes: int  # of samples


FORMATS = {
    ".wav": Format({16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}, 1024, 2**31 - 1, 2**32 - 2**12),
    ".flac": Format({16: "PCM_16", 24: "PCM_24"}, 8, 655_350, 2**62),
}
MOST_RATIO = 100_000  # of two rates: filters of soxr grow with it; from about a million on, it does not return


def read(
    path: str | os.PathLike[str],
    sample_rate: float | None = None,
    mono: bool = True,
    start: int = 0,
    frames: int | None = None,
) -> tuple[np.ndarray, float]:
    """Read an audio file: WAV, FLAC and what else libsndfile knows (MP3, OGG, AIFF, AU, RF64, W64, CAF, ...).

    A file that was cut off is an error. It is read to its end all the same where its header does not know how long it is,
    as that of a stream, or says too little. Only samples stored as they are, and FLAC, can be entered anywhere: of MP3, OGG
    and other compressed files, all that comes before `start` is decoded too, so that a part is that part of the whole.

    Args:
        path: The file.
        sample_rate: Resample to this rate in Hz; by default samples stay at the rate of the file.
        mono: Mix all channels into one, by their mean.
        start, frames: Read only this range, counted at the rate of the file; by default all from `start` on.

    Returns:
        `(samples, sample_rate)`: float32 of shape `(frames,)`, or `(frames, channels)` with `mono=False`, which is for
        `Signal.input(0, shape=(channels,))` and `Signal.from_samples`; the full scale of an integer file is [-1, 1). And the
        rate in Hz of these samples.

    Raises:
        MissingFileError, also a FileNotFoundError: there is no such file. ReadError, an OSError: it may not be read.
        InputError, which both are, too: it is empty, cut off, damaged or not audio, holds NaN, or ends
            before the range. A cut is not seen in a few old formats, where it is not looked for: PAF, PVF, IRCAM, AVR, MPC,
            SDS, XI.
        ArgumentError: a rate that is not above 0, or 100,000 times that of the file; a range that is not of whole numbers.
        BackendError: soundfile (or, to resample, soxr) is not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.audio.write(f"{folder}/steps.wav", [0.0, 0.25, -0.5], 44100)
    ...     dg.audio.read(f"{folder}/steps.wav")
    (array([ 0.  ,  0.25, -0.5 ], dtype=float32), 44100)
    """
    place = files.checked_path("audio.read", path)
    name = f"audio.read: {files.shown(place)}"
    if sample_rate is not None:
        sample_rate = _rate("audio.read: sample_rate", sample_rate)
    flag("audio.read: mono", mono)
    start = whole_number("audio.read: start", start)
    stop = None if frames is None else start + whole_number("audio.read: frames", frames, least=1)
    found = codec.stretch(name, place, start, stop, codec.BLOCK)
    pieces, (rate, *_) = zip(*((_mixed(block) if mono else block, rate) for block, rate in found))
    samples = np.concatenate(pieces)
    if sample_rate is not None and sample_rate != rate:
        return resample(samples, rate, sample_rate), sample_rate
    return samples, rate


def blocks(path: str | os.PathLike[str], frames: int = codec.BLOCK) -> tuple[Iterator[np.ndarray], int]:
    """Read an audio file block by block, for one that is too long to be held at once.

    Args:
        path: The file; see `read` for what it may be.
        frames: The length of a block, at least 1. The last one may be shorter, and in a chained OGG file that of each link.

    Returns:
        `(blocks, sample_rate)`: an iterator of float32 arrays `(frames, channels)`, and the rate of the file in Hz.

    Raises:
        InputError: as `read` does: at once, or when the iterator comes to what is wrong.
        ArgumentError: `frames` is not a whole number from 1 on. BackendError: soundfile is not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.audio.write(f"{folder}/silence.wav", np.zeros((100, 2)), 8000)
    ...     parts, rate = dg.audio.blocks(f"{folder}/silence.wav", 64)
    ...     [part.shape for part in parts], rate
    ([(64, 2), (36, 2)], 8000)
    """
    place = files.checked_path("audio.blocks", path)
    frames = whole_number("audio.blocks: frames", frames, least=1)
    found = codec.stretch(f"audio.blocks: {files.shown(place)}", place, 0, None, frames)
    first, rate = next(found)
    return itertools.chain([first], (block for block, _ in found)), rate


def write(path: str | os.PathLike[str], samples: Any, sample_rate: float, bits: int = 16) -> None:
    """Write samples to a WAV or FLAC file. A file that is there already is replaced whole, or on an error not touched.

    Its mode stays, and a link to it. A device or a FIFO is written to, and not replaced.

    Args:
        path: Ends in `.wav` or `.flac`. Its folder exists.
        samples: Real numbers of shape `(frames,)` or `(frames, channels)`, at least one frame; for 16 and 24 bits in [-1, 1].
            At most 1,024 channels and 4 GB in WAV, 8 channels in FLAC.
        sample_rate: In Hz, a whole number; in FLAC up to 655,350, and above 65,535 a multiple of 10.
        bits: 16 or 24 for integers, rounded without dither, so that what `read` gave of such a file is written back bit
            for bit; 32 for floating point (WAV only), which takes any range.

    Raises:
        ArgumentError: samples that would clip, NaN or none at all; another ending; `bits`, a rate or channels that the format
            does not have; channels first; a folder that does not exist, or whatever else the system does not write to.
        ShapeError: samples of another rank. BackendError: soundfile is not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tone = (Signal.phasor(440.0) * (2 * np.pi)).sin() * 0.5
    ...     dg.audio.write(f"{folder}/tone.flac", tone.realize(44100), 44100, bits=24)
    ...     dg.audio.read(f"{folder}/tone.flac", frames=3)
    (array([0.        , 0.03132403, 0.06252515], dtype=float32), 44100)
    """
    place = files.checked_path("audio.write", path)
    name = f"audio.write: {files.shown(place)}"
    endings = [os.path.splitext(p)[1].lower() for p in (os.path.realpath(place), place)]
    ending = endings[endings[0] not in FORMATS]  # that of the file that a link leads to, if a device there is not without one
    soundfile = codec.package("soundfile")
    if ending not in FORMATS:
        raise ArgumentError(f"{name}: the ending is not one of {', '.join(FORMATS)}")
    format = FORMATS[ending]
    if not isinstance(bits, int) or bits not in format.subtypes:
        raise ArgumentError(f"{name}: bits={bits!r} is not one of {', '.join(map(str, format.subtypes))}")
    rate = _rate(f"{name}: sample_rate", sample_rate)
    if rate != round(rate):
        raise ArgumentError(f"{name}: sample_rate={sample_rate!r} is not a whole number, as files take it; resample() first")
    samples = _samples(name, samples)
    if not samples.size:
        raise ArgumentError(f"{name}: there are no samples in shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise ArgumentError(f"{name}: the samples are not all finite numbers")
    peak = float(np.abs(samples).max())
    if peak > 1 and bits != 32:
        fix = "make them quieter" + (", or write floating point with bits=32" if 32 in format.subtypes else "")
        raise ArgumentError(f"{name}: samples of up to {peak:.4g} would be clipped to [-1, 1]; {fix}")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    what = f"{channels} channels of {bits} bits at {rate} Hz"
    if channels > format.most_channels or rate > format.most_hz:
        most = f"it holds up to {format.most_channels} channels and {format.most_hz} Hz"
        raise ArgumentError(f"{name}: {what} cannot be written in this format: {most}")
    if samples.size * bits // 8 > format.most_bytes:
        raise ArgumentError(
            f"{name}: {len(samples)} frames of {what} are more than the 4 GB that WAV holds; write parts, or FLAC"
        )
    files.place(name, place)
    content = io.BytesIO()
    try:
        soundfile.write(content, samples, int(rate), format.subtypes[bits], format=ending[1:].upper())
    except soundfile.SoundFileError as e:
        raise ArgumentError(f"{name}: {what} cannot be written in this format: {codec.fact(e)}") from None
    with content.getbuffer() as written:
        files.replace(name, place, written)


def resample(samples: Any, rate_in: float, rate_out: float) -> np.ndarray:
    """The same sound at another sample rate, band-limited and with no delay.

    Args:
        samples: Real numbers of shape `(frames,)` or `(frames, channels)`, all finite.
        rate_in, rate_out: In Hz, above 0; neither more than 100,000 times the other.

    Returns:
        float32, `frames * rate_out / rate_in` frames, rounded. What lies above half of the lower rate is removed.

    Raises:
        ArgumentError: a rate that is not above 0, two that are too far apart; samples that are not finite, or would not be any
            more in float32; channels first. OutOfMemoryError: more frames than this machine can hold.
        ShapeError: samples of another rank. BackendError: soxr is not installed.

    >>> dg.audio.resample(np.ones(44100), 44100, 16000).shape
    (16000,)
    """
    rate_in, rate_out = _rate("audio.resample: rate_in", rate_in), _rate("audio.resample: rate_out", rate_out)
    samples = _samples("audio.resample", samples)
    rates = f"{rate_in} to {rate_out} Hz"
    ratio = rate_out / rate_in
    if not 1 / MOST_RATIO <= ratio <= MOST_RATIO:
        raise ArgumentError(f"audio.resample: from {rates} is a ratio beyond {MOST_RATIO:,}")
    _finite("audio.resample", samples)
    if rate_in == rate_out or not samples.size:
        return samples.copy()
    size = 4 * samples.size * ratio
    _fits(f"audio.resample: {len(samples)} frames from {rates}", size)
    try:
        out = codec.package("soxr").resample(samples, rate_in, rate_out, quality="VHQ")
    except MemoryError:
        raise OutOfMemoryError(f"audio.resample: there is no memory for {size / 1e9:.3g} GB of samples") from None
    if not np.isfinite(out).all():
        raise ArgumentError(f"audio.resample: samples of up to {np.abs(samples).max():.4g} become more than float32 holds")
    return out


def time_stretch(samples: Any, factor: float, window_size: int = 4096) -> np.ndarray:
    """The same sound in another time, at its own pitch.

    What is tonal goes through a phase vocoder, the rest as short grains, and attacks pass at their own speed: a click stays a
    click, at `factor` times its time. Channels keep their phases to each other.

    Args:
        samples: Real numbers of shape `(frames,)` or `(frames, channels)`, all finite.
        factor: How many times as long, above 0: 2 is twice as long (half as fast; a `rate` of 0.5 in librosa), 1 leaves the
            samples as they are.
        window_size: Frames in which partials are told apart, from 128 on, a multiple of 32. The default suits music at 32 to
            48 kHz, half of it half of these rates.

    Returns:
        float32, `frames * factor` frames, rounded.

    Raises:
        ArgumentError: a factor that is not above 0 and finite; samples that are not finite; channels first.
        OutOfMemoryError: more frames than this machine can hold. ShapeError: samples of another rank.

    >>> tone = np.sin(2 * np.pi * 440 / 44100 * np.arange(44100))
    >>> longer = dg.audio.time_stretch(tone, 1.5)
    >>> longer.shape, float(np.abs(np.fft.rfft(longer)).argmax() / 1.5)
    ((66150,), 440.0)

    Source: J. Driedger, M. Müller and S. Ewert, Improving Time-Scale Modification of Music Signals Using Harmonic-Percussive
    Separation, IEEE Signal Processing Letters 21(1), 2014; J. Laroche and M. Dolson, Improved Phase Vocoder Time-Scale
    Modification of Audio, IEEE Trans. Speech Audio Process. 7(3), 1999.
    """
    samples = _finite("audio.time_stretch", _samples("audio.time_stretch", samples))
    factor = real_number("audio.time_stretch: factor", factor)
    if not factor > 0:
        raise ArgumentError(f"audio.time_stretch: factor={factor!r} is not above 0; 2 is twice as long, 0.5 half as long")
    size = whole_number("audio.time_stretch: window_size", window_size, least=128)
    if size % 32:
        raise ArgumentError(f"audio.time_stretch: window_size={size} is not a multiple of 32")
    return _stretched("audio.time_stretch", samples, factor, round(len(samples) * factor), size)


def pitch_shift(samples: Any, semitones: float, sample_rate: float) -> np.ndarray:
    """The same sound at another pitch, in its own time: stretched by `time_stretch`, and resampled to its old length.

    All frequencies are multiplied by `2 ** (semitones / 12)`, formants too; none is folded back.

    Args:
        samples: Real numbers of shape `(frames,)` or `(frames, channels)`, all finite.
        semitones: How much higher, lower below 0; fractions allowed, at most 120 up or down.
        sample_rate: Of the samples, in Hz, above 0: windows last 93 ms, or next to it.

    Returns:
        float32 of the shape of the samples.

    Raises:
        ArgumentError: `semitones` or a rate out of its range; samples that are not finite; channels first.
        OutOfMemoryError: there is no memory for the stretched sound. ShapeError: samples of another rank. BackendError: soxr
            is not installed.

    >>> tone = np.sin(2 * np.pi * 440 / 44100 * np.arange(44100))
    >>> higher = dg.audio.pitch_shift(tone, 12, 44100)
    >>> higher.shape, int(np.abs(np.fft.rfft(higher)).argmax())
    ((44100,), 880)
    """
    samples = _finite("audio.pitch_shift", _samples("audio.pitch_shift", samples))
    semitones, rate = (
        real_number("audio.pitch_shift: semitones", semitones),
        _rate("audio.pitch_shift: sample_rate", sample_rate),
    )
    if abs(semitones) > 120:
        raise ArgumentError(f"audio.pitch_shift: semitones={semitones!r} is not from -120 to 120")
    if not semitones or not samples.size:
        return samples.copy()
    ratio, size = 2 ** (semitones / 12), 2 ** min(max(round(math.log2(rate * 0.093)), 7), 16)
    longer = _stretched("audio.pitch_shift", samples, ratio, math.ceil((len(samples) + 2) * ratio) + 1, size)
    return resample(longer, rate * ratio, rate)[: len(samples)]


def _stretched(name: str, samples: np.ndarray, factor: float, frames: int, size: int) -> np.ndarray:
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    _fits(f"{name}: {len(samples)} frames times {factor:.4g}", 8 * channels * frames)
    if factor == 1:
        return samples.copy()
    shape = (frames, *samples.shape[1:])
    if not samples.size:
        return np.zeros(shape, np.float32)
    x = samples.reshape(len(samples), channels).astype(np.float64)
    return stretched(x, factor, frames, size).astype(np.float32).reshape(shape)


def _finite(name: str, samples: np.ndarray) -> np.ndarray:
    if not np.isfinite(samples).all():
        raise ArgumentError(f"{name}: the samples are not all finite numbers")
    return samples


def _fits(what: str, size: float) -> None:
    """What cannot be held is an error before it is made; `size` in bytes."""
    memory = _memory()
    if size > memory:
        raise OutOfMemoryError(f"{what} would be {size / 1e9:.3g} GB, more than the {memory / 1e9:.3g} GB of this machine")


def _mixed(samples: np.ndarray) -> np.ndarray:
    """Channels mixed to mono. In double precision: the sum of numbers that float32 holds may be one that it does not hold."""
    return samples.mean(axis=1, dtype=np.float64).astype(np.float32)


def _memory() -> int:
    """The bytes of this machine's memory, as far as it says."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, and systems that do not tell
        return 2**36


def _rate(name: str, value: Any) -> float:
    """`value` as a rate in Hz; an `int` where it is whole."""
    try:
        if isinstance(value, (str, bool)):
            raise TypeError
        rate = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"{name}={value!r} is not a number of Hz") from None
    if not (math.isfinite(rate) and rate > 0):
        raise ArgumentError(f"{name}={value!r} is not above 0 Hz and finite")
    return int(rate) if rate.is_integer() else rate


def _samples(name: str, samples: Any) -> np.ndarray:
    array = real_array(name, samples)
    if array.ndim not in (1, 2):
        raise ShapeError(f"{name}: samples of shape {array.shape} are not (frames,) or (frames, channels)")
    if array.ndim == 2 and array.shape[1] > max(16, 8 * array.shape[0]):
        a, b = array.shape
        readings = f"{a} frames of {b} channels, or {b} frames of {a} channels? The first is what it says: channels come last"
        raise ArgumentError(f"{name}: shape {array.shape}: {readings}; transpose it with .T")
    return array
