"""Pitch of recordings: YIN, and probabilistic YIN, which decides with a hidden Markov model. As librosa 0.11 has them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ..config import one_of, real_number
from ..errors import ArgumentError
from .recordings import Floats, over_windows, rate_of, window_sizes

Method = Literal["pyin", "yin"]

_TINY = np.finfo(np.float64).tiny
_TROUGH = 0.1  # YIN takes the first trough that is deeper
_THRESHOLDS = np.linspace(0, 1, 101)
_BETA, _BOLTZMANN, _NO_TROUGH = (2, 18), 2.0, 0.01  # what pYIN believes of thresholds, and of troughs one after the other
_PER_SEMITONE, _FASTEST, _SWITCH = 10, 35.92, 0.01  # pitches; octaves a second; from voiced to unvoiced or back


class Pitch(NamedTuple):
    """Pitch, tick by tick.

    Attributes:
        f0: In Hz.
        voiced: Whether there is one.
        probability: That there is one, from 0 to 1.
    """

    f0: Floats
    voiced: np.ndarray
    probability: Floats


def f0(
    x: Any,
    sample_rate: float,
    fmin: float,
    fmax: float,
    method: Method = "pyin",
    frame_length: int = 2048,
    hop: int | None = None,
) -> Pitch:
    """The fundamental frequency of windows centred at 0, hop, ..., zeros outside, as `librosa.pyin` and `librosa.yin` find it.

    Args:
        x: A recording, `(frames,)` or `(frames, channels)`.
        sample_rate: In Hz.
        fmin, fmax: The lowest and the highest pitch in Hz, above 0 and up to half the sample rate.
        method: "pyin" weighs all troughs and finds the likeliest way through them, in steps of a tenth of a semitone; "yin"
            takes the first deep trough of each window, refined by a parabola.
        frame_length: Size of the windows in frames; a period of fmin has to fit in, and two of them should.
        hop: From one window to the next in frames; by default a quarter of the size.

    Returns:
        `f0, voiced, probability`, each `(1 + frames // hop,)` or `(..., channels)`; nothing of no frames. With "pyin" f0 is NaN
        where it is not voiced. With "yin" there is always a guess; it is voiced where a trough is deep enough, and its
        probability is one less the depth that is left.

    Raises:
        ShapeError: another shape. ArgumentError: a number out of range, an unknown method, or NaN among the samples.

    Source: Mauch and Dixon, pYIN: A fundamental frequency estimator using probabilistic threshold distributions; de Cheveigné
    and Kawahara, YIN; librosa, whose difference function this is.

    >>> sine = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    >>> pitch = dg.features.f0(sine, 22050, 110, 880)
    >>> pitch.f0[20].round(1), pitch.voiced[20]
    (np.float64(440.0), np.True_)
    """
    rate, (size, hop) = rate_of("f0", sample_rate), window_sizes("f0", frame_length, hop, "frame_length")
    low, high = real_number("f0: fmin", fmin), real_number("f0: fmax", fmax)
    one_of("f0: method", method, get_args(Method))
    if not 0 < low < high <= rate / 2:
        raise ArgumentError(f"f0: fmin={low} and fmax={high}: takes 0 < fmin < fmax <= {rate / 2}, half the sample rate")
    if rate / low >= size - 1:
        raise ArgumentError(f"f0: frame_length={size} is too short for a period of fmin={low}: at least {int(rate / low) + 2}")
    shortest, longest = int(rate // high), min(int(np.ceil(rate / low)), size - 1)
    if method == "yin":
        found = over_windows("f0", x, lambda w: _first_trough(*_troughs(w, shortest, longest)), size, hop)
        period, left, deep = np.moveaxis(found, -1, 0)
        return Pitch(rate / (shortest + period), deep > 0, np.clip(1 - left, 0, 1))

    pitches = int(12 * _PER_SEMITONE * np.log2(high / low)) + 1

    def observed(w: Floats) -> Floats:
        """Probability of each pitch."""
        heights, is_trough, shifts = _troughs(w, shortest, longest)
        out = np.zeros((*heights.shape[:-1], pitches + 1))
        for at in np.ndindex(heights.shape[:-1]):
            (lags,) = np.nonzero(is_trough[at])
            likely = _likelihoods(heights[at][lags])
            lags, likely = lags[likely > 0], likely[likely > 0]
            steps = 12 * _PER_SEMITONE * np.log2(rate / (shortest + lags + shifts[at][lags]) / low)
            out[at][np.clip(np.round(steps), 0, pitches).astype(int)] = likely  # of several in one step, the longest lag
        return out[..., :pitches]

    likely = over_windows("f0", x, observed, size, hop)
    semitones = round(_FASTEST * 12 * hop / rate)
    log_moves = _log_moves(pitches, semitones * _PER_SEMITONE // 2)
    probability = np.clip(likely.sum(-1), 0, 1)
    states = np.empty(probability.shape, int)
    for channel in np.ndindex(probability.shape[1:]):
        states[:, *channel] = _likeliest(likely[:, *channel], probability[:, *channel], log_moves)
    voiced = states < pitches
    return Pitch(np.where(voiced, low * 2 ** (states % pitches / (12 * _PER_SEMITONE)), np.nan), voiced, probability)


def _troughs(w: Floats, shortest: int, longest: int) -> tuple[Floats, np.ndarray, Floats]:
    """YIN's normalised difference at each lag, whether it is a local minimum, and how far off the parabola has its own."""
    size = w.shape[-1]
    power = np.fft.rfft(w, 1 << (2 * size - 1).bit_length())
    same = np.fft.irfft(power.real**2 + power.imag**2)[..., : longest + 1]
    energy = np.cumsum(w * w, axis=-1)[..., :longest]
    difference = 2 * (same[..., :1] - same[..., 1:]) - energy  # at lags from 1 on
    mean = np.cumsum(difference, axis=-1) / np.arange(1, longest + 1)
    y = difference[..., shortest - 1 :] / (mean[..., shortest - 1 :] + _TINY)

    falls, stays = y[..., 1:] < y[..., :-1], y[..., :-1] <= y[..., 1:]
    is_trough = np.zeros(y.shape, bool)
    is_trough[..., 1:-1] = falls[..., :-1] & stays[..., 1:]
    is_trough[..., 0], is_trough[..., -1] = y[..., 0] < y[..., 1], falls[..., -1]

    before, at, after = y[..., :-2], y[..., 1:-1], y[..., 2:]
    bend, slope = after + before - 2 * at, (after - before) / 2
    shifts = np.zeros(y.shape)
    inside = np.abs(slope) < np.abs(bend)
    np.divide(-slope, bend, out=shifts[..., 1:-1], where=inside)
    return y, is_trough, shifts


def _first_trough(heights: Floats, is_trough: np.ndarray, shifts: Floats) -> Floats:
    """`(..., 3)`: the lag of the first deep trough, else of the lowest point; its height; and whether it is deep."""
    deep = is_trough & (heights < _TROUGH)
    any_deep = deep.any(-1)
    lag = np.where(any_deep, deep.argmax(-1), heights.argmin(-1))[..., None]
    period, left = (np.take_along_axis(a, lag, -1)[..., 0] for a in (lag + shifts, heights))
    return np.stack([period, left, any_deep.astype(float)], -1)


def _likelihoods(heights: Floats) -> Floats:
    """How likely each trough is the period: over all thresholds, the first under one is likeliest, the next less."""
    from scipy.special import betainc

    if not len(heights):
        return heights
    prior = np.diff(betainc(*_BETA, _THRESHOLDS))
    under = heights[:, None] < _THRESHOLDS[1:]
    rank, count = np.cumsum(under, axis=0) - 1, np.maximum(under.sum(0), 1)
    share = (1 - np.exp(-_BOLTZMANN)) / (1 - np.exp(-_BOLTZMANN * count))
    likely = np.where(under, share * np.exp(-_BOLTZMANN * rank), 0) @ prior
    deepest = heights.argmin()
    likely[deepest] += _NO_TROUGH * prior[~under[deepest]].sum()
    return likely


def _log_moves(pitches: int, reach: int) -> Floats:
    """`(2, pitches, 2 reach + 1)`: log probability to come to a pitch from those around, voiced as before or not."""
    triangle = 1 - np.abs(np.arange(-reach, reach + 1)) / (reach + 1)
    place = np.arange(pitches)
    total = np.convolve(np.ones(pitches), triangle)[reach : reach + pitches]
    source = place[:, None] + np.arange(-reach, reach + 1)
    there = (source >= 0) & (source < pitches)
    moves = np.where(there, triangle / total[np.clip(source, 0, pitches - 1)], 0)
    return np.log(np.array([1 - _SWITCH, _SWITCH])[:, None, None] * moves + _TINY)


def _likeliest(likely: Floats, voiced: Floats, log_moves: Floats) -> np.ndarray:
    """The likeliest way of Viterbi through pitches, and through as many again that are not heard.

    Only moves to near pitches are tried one by one: all others have the same probability, next to none, and of these the
    best begins at the best of all.
    """
    ticks, pitches = likely.shape
    reach, place = log_moves.shape[-1] // 2, np.arange(pitches)
    came, states = np.zeros((ticks, 2 * pitches), np.int32), np.zeros(ticks, int)
    value = np.full((2, pitches), np.log(1 / (2 * pitches)))  # of pitches that are voiced, and that are not
    for t in range(ticks):
        if t:
            near = np.pad(value, ((0, 0), (reach, reach)), constant_values=-np.inf)
            near = np.lib.stride_tricks.sliding_window_view(near, 2 * reach + 1, axis=1)
            tried = near[:, None] + log_moves  # from voiced or not, staying so or changing, to each pitch, from those around
            best = tried.argmax(-1)
            gain = np.take_along_axis(tried, best[..., None], -1)[..., 0]
            best += place - reach
            best[1] += pitches
            (stay, turn), (stay_off, turn_back) = gain
            gain = np.array([np.maximum(stay, turn_back), np.maximum(turn, stay_off)])
            source = np.array(
                [np.where(turn_back > stay, best[1, 1], best[0, 0]), np.where(stay_off > turn, best[1, 0], best[0, 1])]
            )
            far = value.max() + np.log(_TINY)
            came[t] = np.where(far > gain, value.argmax(), source).ravel()
            value = np.maximum(gain, far)
        unvoiced = np.full(pitches, (1 - voiced[t]) / pitches)
        value = value + np.log(np.array([likely[t], unvoiced]) + _TINY)
    if ticks:
        states[-1] = value.argmax()
    for t in range(ticks - 1, 0, -1):
        states[t - 1] = came[t, states[t]]
    return states
