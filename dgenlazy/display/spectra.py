"""Spectra of samples as pictures show them: windows over time, on scales of Hz, mel and notes. NumPy, in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dsp import features, hz_to_mel, mel_to_hz
from ..errors import ArgumentError
from ..ops import hann

FLOOR_DB = -90.0  # below the loudest: what pictures still show
_MOST_WINDOWS = 500  # in a picture
_LOWEST = 440.0 * 2 ** (-45 / 12)  # C1, in Hz
_PER_OCTAVE = 36  # three to a semitone, the second of which is in tune
_SEMITONES = 12


class Levels(NamedTuple):
    """Power by time and frequency.

    Attributes:
        time: Of the middle of each window, in seconds.
        frequency: In Hz.
        power: `(frequencies, windows)`.
    """

    time: np.ndarray
    frequency: np.ndarray
    power: np.ndarray


def decibels(power: Any, loudest: float | None = None) -> np.ndarray:
    """Below the loudest, which may be that of other spectra."""
    loudest = power.max(initial=0.0) if loudest is None else loudest
    return 10 * np.log10(np.maximum(power / (loudest or 1.0), 10 ** (FLOOR_DB / 10)))


def short_time(lane: np.ndarray, sample_rate: float, longest: int = 1024) -> Levels:
    """Windows of `longest` frames, or of an eighth of a shorter run."""
    size = int(np.clip(len(lane) // 8, min(len(lane), 64), longest))
    hop = max(size // 8, len(lane) // _MOST_WINDOWS, 1)
    windows = np.lib.stride_tricks.sliding_window_view(lane, size)[::hop]
    power = np.abs(np.fft.rfft(windows * hann(size))).T ** 2
    time = (np.arange(len(windows)) * hop + size / 2) / sample_rate
    return Levels(time, np.fft.rfftfreq(size, 1 / sample_rate), power)


def mel(lane: np.ndarray, sample_rate: float) -> Levels:
    """Windows of 2048 frames, through 128 triangles of equal width in mel, fewer where a window has not the bins for them."""
    time, frequency, power = short_time(lane, sample_rate, 2048)
    bands = int(np.clip(len(frequency) // 8, 1, 128))
    corners = mel_to_hz(np.linspace(0, hz_to_mel(sample_rate / 2), bands + 2))
    if len(frequency) == 1:  # of a window of one frame
        return Levels(time, corners[1:-1], power)
    size = round(sample_rate / frequency[1])
    return Levels(time, corners[1:-1], features.mel_filters(sample_rate, size, bands) @ power)


def constant_q(lane: np.ndarray, sample_rate: float) -> Levels:
    """Windows that are as many cycles long at every pitch, from C1 to below half of the sample rate.

    `X(t, f) = 2 / sum(w) * sum_n w[n] x[t + n] exp(-2 pi i f n / sample_rate)`, where w is a Hann window of `Q sample_rate / f`
    frames around t, `Q = 1 / (2^(1/12) - 1)` and nothing is heard before the run and after it: a sine has its amplitude. A
    window is not longer than the run, so that the lowest notes of a short one are wider than a semitone.

    Source: J. C. Brown, Calculation of a Constant Q Spectral Transform, 1991.
    """
    cycles = 1 / (2 ** (1 / _SEMITONES) - 1)
    highest = sample_rate / 2 / (1 + 2 / cycles)  # whose window lets through nothing from beyond half of the rate
    if highest < _LOWEST:
        raise ArgumentError(f"plot: half of a sample rate of {sample_rate:g} Hz is below every note; kind='cqt' begins at C1")
    frequency = _LOWEST * 2.0 ** (np.arange(-1, int(_PER_OCTAVE * np.log2(highest / _LOWEST)) + 1) / _PER_OCTAVE)
    hop = max(len(lane) // _MOST_WINDOWS, int(sample_rate / 200), 1)
    middle = np.arange(0, len(lane), hop)
    power = np.empty((len(frequency), len(middle)))
    for first in range(0, len(frequency), _PER_OCTAVE):  # an octave's windows see the same frames
        kernels = [_kernel(f, min(cycles * sample_rate / f, len(lane)), sample_rate) for f in frequency[first:][:_PER_OCTAVE]]
        half = max(len(k) for k in kernels) // 2
        table = np.stack([np.pad(k, half - len(k) // 2) for k in kernels], 1)
        real = np.concatenate([np.real(table), np.imag(table)], 1)
        padded = np.pad(lane, half)
        step = max(1, 2**22 // len(real))  # windows at once, so that memory does not grow with the run
        for at in range(0, len(middle), step):
            seen = np.stack([padded[m : m + len(real)] for m in middle[at : at + step]]) @ real
            power[first:][:_PER_OCTAVE, at : at + step] = np.add(*np.split(seen.T**2, 2))
    return Levels(middle / sample_rate, frequency, power)


def _kernel(freq: float, length: float, sample_rate: float) -> np.ndarray:
    """A windowed cycle, of an odd number of frames."""
    n = np.arange(-int(length / 2), int(length / 2) + 1)
    window = 0.5 + 0.5 * np.cos(2 * np.pi * n / max(length, 1))
    return 2 / window.sum() * window * np.exp(-2j * np.pi * freq * n / sample_rate)
