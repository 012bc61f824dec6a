"""Sounds made longer or shorter: what is tonal by a phase vocoder, the rest by grains, with attacks left as they are.

Source: J. Driedger, M. Müller and S. Ewert, Improving Time-Scale Modification of Music Signals Using Harmonic-Percussive
Separation, IEEE Signal Processing Letters 21(1), 2014; F. Nagel and A. Walther, A Novel Transient Handling Scheme for Time
Stretching Algorithms, AES Convention 127, 2009.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = Callable[[Floats], Floats]

_AT_ONCE = 2**19  # numbers in the windows that are transformed together
_MEDIAN = 17  # windows, and bins, that tell what lasts from what is short
_RISE = 10.0  # of power, that makes an attack
_MOST_GAIN = 1.5  # of sums of windows that do not fit: a little more than those of white noise take
_QUIET = 1e-6  # of the power of the loudest moment; what is below is none


def stretched(x: Floats, factor: float, frames: int, size: int) -> Floats:
    """`(n, channels)` -> `(frames, channels)`, of which frame `factor * t` is what `x` is at `t`; in windows of `size` frames.

    All channels get the same masks, times and rotations of phase, and so stay as they were to each other.
    """
    tonal = _tonal(x, size)
    rest = x - tonal
    at = _times(_attacks(rest, x, size // 32), factor, len(x), size // 16)
    return _vocoded(tonal, at, frames, size) + _grains(rest, at, frames, size // 16)


def _hann(size: int) -> Floats:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _windows(x: Floats, begins: npt.NDArray[np.int64], window: Floats) -> Floats:
    """Windows of `x` from these frames on, `(count, size, channels)`; zeros outside of it."""
    places = begins[:, None] + np.arange(len(window))
    inside = (places >= 0) & (places < len(x))
    return x[np.where(inside, places, 0)] * (inside * window)[..., None]


def _overlapped(windows: Floats, hop: int, into: Floats, first: int) -> None:
    """Add windows, a hop apart, to a sound."""
    for i, window in enumerate(windows):
        into[first + i * hop :][: len(window)] += window


def _filled(y: Floats, power: Floats, size: int) -> Floats:
    """`y`, as loud as the windows that it is the sum of: those of noise do not fit each other, and their sum is fainter.

    `power` is that of windows that do fit, which are left as they are.
    """
    from scipy.ndimage import uniform_filter1d

    wanted, found = (uniform_filter1d(p, size, mode="constant") for p in (power, (y**2).sum(1)))
    ratio = wanted / np.where(found > 0, found, 1)
    return y * np.sqrt(np.clip(ratio, 1, _MOST_GAIN**2))[:, None]


def _tonal(x: Floats, size: int) -> Floats:
    """What lasts: the bins that stand out of their own window more than out of the windows around.

    Source: D. FitzGerald, Harmonic/Percussive Separation Using Median Filtering, DAFx 2010.
    """
    from scipy.ndimage import median_filter

    hop, window, reach = size // 4, _hann(size), _MEDIAN // 2
    count = -(-len(x) // hop) + 3
    y, step = np.zeros((count * hop + size, x.shape[1])), max(_AT_ONCE // (size * x.shape[1]), 1)
    for begin in range(0, count, step):
        some = np.arange(max(begin - reach, 0), min(begin + step + reach, count))
        spectra = np.fft.rfft(_windows(x, (some - 3) * hop, window), axis=1)
        power = (np.abs(spectra) ** 2).sum(2)
        lasting = median_filter(power, (_MEDIAN, 1), mode="nearest") >= median_filter(power, (1, _MEDIAN), mode="nearest")
        own = slice(begin - some[0], begin - some[0] + step)
        kept = np.fft.irfft(spectra[own] * lasting[own, :, None], size, axis=1)
        _overlapped(kept * window[:, None], hop, y, begin * hop)
    return y[3 * hop :][: len(x)] / 1.5  # the sum of the squares of windows a quarter apart


def _attacks(rest: Floats, x: Floats, hop: int) -> npt.NDArray[np.int64]:
    """The frames where the power rises suddenly."""
    count = -(-len(x) // hop)
    moments, whole = (np.pad((y**2).sum(1), (0, count * hop - len(y))).reshape(count, hop) for y in (rest, x))
    power = moments.sum(1)
    sums = np.cumsum(np.pad(power, (5, 0)))
    rise = power / ((sums[4:-1] - sums[:-5]) / 4 + _QUIET * whole.sum(1).max() + np.finfo(float).tiny)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(rise, 4), 9)
    found = np.flatnonzero((rise > _RISE) & (rise == around.max(1)))
    return np.minimum(found * hop + moments[found].argmax(1), len(x) - 1)


def _times(attacks: npt.NDArray[np.int64], factor: float, frames: int, before: int) -> Times:
    """Where in the sound a frame of the stretched one is: attacks keep their speed, what is between makes up for it."""
    room = 0.45 * min(factor, 1.0) * np.diff([0, *attacks, frames])
    back, on = np.minimum(before, room[:-1]), np.minimum(2 * before, room[1:])
    source = np.concatenate([[0.0, frames], attacks - back, attacks + on])
    place = np.concatenate([[0.0, frames * factor], attacks * factor - back, attacks * factor + on])
    source.sort()
    place.sort()

    def at(t: Floats) -> Floats:
        return np.interp(t, place, source) + np.minimum(t, 0) + np.maximum(t - place[-1], 0)

    return at


def _vocoded(x: Floats, at: Times, frames: int, size: int) -> Floats:
    """A phase vocoder. Each window goes on from the one before by the turn that the sound itself makes in a hop.

    The bins around a peak turn with it, all channels with the strongest.

    Source: M. Puckette, Phase-locked Vocoder, IEEE WASPAA 1995 (the turn from two windows of the input); J. Laroche and
    M. Dolson, Improved Phase Vocoder Time-Scale Modification of Audio, IEEE Trans. Speech Audio Process. 7(3), 1999.
    """
    hop, window = size // 4, _hann(size)
    count = -(-frames // hop) + 3
    begins = np.rint(at(np.arange(-1.0, count - 1) * hop)).astype(np.int64) - size // 2
    y, power = (np.zeros((count * hop + size, n)) for n in (x.shape[1], 1))
    before, step = np.zeros((size // 2 + 1, x.shape[1]), complex), max(_AT_ONCE // (size * x.shape[1]), 1)
    for first in range(0, count, step):
        some = begins[first : first + step]
        spectra = np.fft.rfft(_windows(x, some, window), axis=1)
        earlier = np.fft.rfft(_windows(x, some - hop, window), axis=1)
        loud = (np.abs(spectra) ** 2).sum(2)
        around = np.lib.stride_tricks.sliding_window_view(np.pad(loud, ((0, 0), (2, 2))), 5, axis=1)
        peaks = (loud == around.max(2)) & (loud > 0)
        for i, spectrum in enumerate(spectra):
            peak = np.flatnonzero(peaks[i])
            if len(peak):
                channel = np.abs(spectrum[peak]).argmax(1)
                turn = before[peak, channel] * earlier[i, peak, channel].conj()
                size_of = np.abs(turn)
                turn = np.where(size_of > 0, turn, 1) / np.where(size_of > 0, size_of, 1)
                borders = [0, *((peak[1:] + peak[:-1] + 1) // 2), len(spectrum)]
                spectrum *= np.repeat(turn, np.diff(borders))[:, None]
            before = spectrum
        windows = np.fft.irfft(spectra, size, axis=1) * window[:, None]
        _overlapped(windows, hop, y, first * hop)
        _overlapped((windows**2).sum(2, keepdims=True), hop, power, first * hop)
    fourth = np.tile((window**4).reshape(4, hop).sum(0), count + 4)
    return _filled(y / 1.5, power[:, 0] / fourth, hop)[hop + size // 2 :][:frames]


def _grains(x: Floats, at: Times, frames: int, size: int) -> Floats:
    """Short windows of the sound, each as it is."""
    hop = size // 2
    count = -(-frames // hop) + 1
    window, step = _hann(size), max(_AT_ONCE // (size * x.shape[1]), 1)
    y, power = (np.zeros((count * hop + size, n)) for n in (x.shape[1], 1))
    begins = np.rint(at(np.arange(0.0, count) * hop)).astype(np.int64) - hop
    for first in range(0, count, step):
        windows = _windows(x, begins[first : first + step], window)
        _overlapped(windows, hop, y, first * hop)
        _overlapped((windows**2).sum(2, keepdims=True), hop, power, first * hop)
    squares = np.tile((window**2).reshape(2, hop).sum(0), count + 2)
    return _filled(y, power[:, 0] / squares, hop)[hop:][:frames]
