"""A folder of recordings as training data: short segments, read, resampled and analysed when they are needed."""

import functools
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dgenlazy import DGenError, audio

ENDINGS = (".wav", ".flac")
REACH = 512  # frames at the lower of two rates within which resampling hears: soxr's longest filter has about 300 a side

CONTROL_RATE = 100  # points per second at which a recording is analysed, and a synthesizer is controlled
WINDOW_MS = 64  # of the analysis around each point: four periods of the lowest pitch
PITCHES = (60.0, 500.0)  # Hz
BANDS = 12  # of the spectrum, whose levels are features
FEATURES = 3 + BANDS


@dataclass(frozen=True)
class Recording:
    """One file: its name within the folder, its own sample rate, its length, and a checksum of its samples."""

    path: Path
    name: str
    rate: int
    frames: int
    checksum: int

    def fingerprint(self):
        return f"{self.frames} frames at {self.rate} Hz, checksum {self.checksum:08x}"


@dataclass(frozen=True)
class Segment:
    recording: Recording
    start: int  # in frames at the rate of training


def find_recordings(folder, report):
    """Every WAV and FLAC file below `folder`, sorted by name. Each is read once, block by block.

    What cannot be used (not audio, damaged, cut off, empty, not finite) is told to `report` in one line, and left out.
    """
    found = []
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()):
        name = path.relative_to(folder).as_posix()
        try:
            found.append(_examined(path, name))
        except (DGenError, OSError) as error:
            report(f"{name} is left out: {error}")
    return found


def _examined(path, name):
    frames, checksum = 0, 0
    blocks, rate = audio.blocks(path)
    for block in blocks:
        frames += len(block)
        checksum = zlib.crc32(block.tobytes(), checksum)
    return Recording(path, name, rate, frames, checksum)


def cut(recording, frames, rate):
    """Segments of `frames` frames at `rate`, end to end; the rest of the file is dropped if it is less than half of one.

    The last one may reach beyond the file, into silence; a short file makes one segment all the same.
    """
    total = recording.frames * rate / recording.rate
    return [Segment(recording, i * frames) for i in range(max(1, round(total / frames)))]


def split(recordings, frames, rate):
    """Segments for training and for validation.

    Of ten recordings or more, whole ones are held out, drawn by hashes of their names until they are a tenth of all segments,
    but none that would make them more than a fifth. Of fewer, the last fifth of each, at least one segment; what has only
    one is all for training.
    """
    if len(recordings) >= 10:
        parts = {r: cut(r, frames, rate) for r in sorted(recordings, key=lambda r: hashlib.sha256(r.name.encode()).digest())}
        held, count, total = set(), 0, sum(map(len, parts.values()))
        for recording, part in parts.items():
            if count < total / 10 and count + len(part) <= total / 5:
                held.add(recording)
                count += len(part)
        return [s for r in recordings if r not in held for s in parts[r]], [
            s for r in recordings if r in held for s in parts[r]
        ]
    training, validation = [], []
    for recording in recordings:
        part = cut(recording, frames, rate)
        out = max(1, len(part) // 5) if len(part) > 1 else 0
        training += part[: len(part) - out]
        validation += part[len(part) - out :]
    return training, validation


def batch_order(count, batch, step, seed):
    """Which of `count` segments are in the batch of `step`, counted from 0, and the epoch of the first of them.

    Epochs follow each other without a gap, each in an order of its own: no batch is smaller, and none is dropped.
    The order is a function of the arguments alone, so a resumed run has nothing to remember.
    """
    places = range(step * batch, (step + 1) * batch)
    return [int(_shuffled(count, seed, p // count)[p % count]) for p in places], places[0] // count


@functools.lru_cache(maxsize=4)
def _shuffled(count, seed, epoch):
    return np.random.default_rng((seed, epoch)).permutation(count)


def load_batch(segments, frames, rate):
    """The examples of several segments, stacked: a dict of arrays with a leading batch axis."""
    examples = [example(s.recording, s.start, frames, rate) for s in segments]
    return {name: np.stack([e[name] for e in examples]) for name in examples[0]}


def example(recording, start, frames, rate):
    """A stretch of a recording and its analysis: `audio` `(frames,)`, `f0` `(points,)`, `features` `(points, FEATURES)`.

    Points lie `rate / CONTROL_RATE` frames apart; the first is at the first frame, the last just after the last one, where
    the next stretch begins. They hear beyond the stretch on both sides. `playhead` `(frames,)` is each frame's place among
    them.
    """
    half = round(WINDOW_MS / 2000 * rate)
    x = read_stretch(recording, start - half, frames + 2 * half, rate)
    f0, features = analyse(x, rate)
    playhead = np.arange(frames, dtype=np.float32) * np.float32(CONTROL_RATE / rate)
    return {"audio": x[half : half + frames], "f0": f0, "features": features, "playhead": playhead}


def read_stretch(recording, start, frames, rate):
    """Frames of a recording at another rate, mixed to mono: those that resampling all of it would give. Silence outside.

    Only this stretch is read, and as much around it as the resampler hears.
    """
    common = math.gcd(recording.rate, rate)
    up, down = rate // common, recording.rate // common  # so many frames here last as long as so many of the file
    reach = math.ceil(REACH * max(1, rate / recording.rate))
    first = max(0, (start - reach) // up)
    last = min(math.ceil((start + frames + reach) / up), math.ceil(recording.frames / down))
    out = np.zeros(frames, np.float32)
    if first >= last:
        return out
    end = min(last * down, recording.frames)
    x, _ = audio.read(recording.path, rate, start=first * down, frames=end - first * down)
    begin = first * up  # of x, as `start` is of the stretch
    low, high = max(start, begin), min(start + frames, begin + len(x))
    if low < high:
        out[low - start : high - start] = x[low - begin : high - begin]
    return out


def analyse(x, rate, hop=None):
    """Pitch in Hz `(points,)` and features `(points, FEATURES)` of what lies around each point, one every `hop` frames.

    The features are loudness, pitch, how periodic the sound is, and the levels of `BANDS` bands, all of order one. `x`
    begins and ends half a window before the first and after the last point.
    """
    size = 2 * round(WINDOW_MS / 2000 * rate)
    windows = np.lib.stride_tricks.sliding_window_view(x, size)[:: hop or rate // CONTROL_RATE]
    hann = np.hanning(size).astype(np.float32)
    power = np.abs(np.fft.rfft(windows * hann, 2 * size)) ** 2  # padded, so that its transform is no circular correlation

    f0, periodicity = _pitch(power, np.abs(np.fft.rfft(hann, 2 * size)) ** 2, rate)
    edges = np.round(np.geomspace(60, rate / 2, BANDS + 1) * 2 * size / rate).astype(int)
    bands = np.add.reduceat(power, edges[:-1], axis=1) / (size * (hann**2).sum())  # the last one up to half of the rate
    level_db = 10 * np.log10(np.column_stack([(windows**2).mean(axis=1), bands]) + 1e-8)
    features = np.column_stack([level_db / 40 + 1, np.log2(f0 / 200), 2 * periodicity - 1])
    return f0.astype(np.float32), features.astype(np.float32)


def _pitch(power, window_power, rate):
    """Pitch and periodicity, by autocorrelation: the shortest period that is about as good as the best.

    Source: P. Boersma, Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
    sampled sound: the autocorrelation of what was windowed is divided by that of the window.
    """
    lags = np.arange(int(rate / PITCHES[1]) - 1, int(rate / PITCHES[0]) + 2)
    own, window = np.fft.irfft(power), np.fft.irfft(window_power)
    r = own[:, lags] / (own[:, :1] + 1e-6) / (window[lags] / window[0])
    before, here, after = r[:, :-2], r[:, 1:-1], r[:, 2:]
    good = (here >= before) & (here >= after) & (here >= 0.9 * here.max(axis=1, keepdims=True))
    row, best = np.arange(len(r)), np.where(good.any(axis=1), good.argmax(axis=1), here.argmax(axis=1))
    a, b, c = before[row, best], here[row, best], after[row, best]
    curve = np.minimum(a - 2 * b + c, -1e-6)  # of the parabola through the peak and its neighbours
    period = lags[1:-1][best] + np.clip(0.5 * (a - c) / curve, -0.5, 0.5)
    return np.clip(rate / period, *PITCHES), np.clip(b, 0, 1)
