"""Pitch: YIN and pYIN against the definitions written down once more, and numbers of librosa 0.11."""

import kit
import numpy as np
import pytest
import scipy.stats

from dgenlazy import ArgumentError, ShapeError, Signal, features


def windows(x, size, hop):
    padded = np.pad(x, size // 2)
    return [padded[at : at + size] for at in range(0, len(padded) - size + 1, hop)]


def differences(w, shortest, longest):
    """Normalised, lag by lag: of what overlaps, less its energy that the definition counts apart."""
    d = np.zeros(longest + 1)
    for k in range(1, longest + 1):
        same = [np.dot(w[: len(w) - lag], w[lag:]) for lag in (0, k)]
        d[k] = 2 * (same[0] - same[1]) - np.sum(w[:k] ** 2)
    return np.array([d[k] / (np.mean(d[1 : k + 1]) + np.finfo(float).tiny) for k in range(shortest, longest + 1)])


def troughs(y):
    last = len(y) - 1
    below = lambda i: i == last or y[i] <= y[i + 1]  # noqa: E731
    return [i for i in range(1, last + 1) if y[i] < y[i - 1] and below(i)] + [0] * int(y[0] < y[1])


def shift(y, i):
    if i in (0, len(y) - 1):
        return 0.0
    a, b = y[i + 1] + y[i - 1] - 2 * y[i], (y[i + 1] - y[i - 1]) / 2
    return -b / a if abs(b) < abs(a) else 0.0


def yin(x, rate, low, high, size, hop):
    out, shortest, longest = [], int(rate // high), min(int(np.ceil(rate / low)), size - 1)
    for w in windows(x, size, hop):
        y = differences(w, shortest, longest)
        i = min((i for i in troughs(y) if y[i] < 0.1), default=int(np.argmin(y)))
        out.append(rate / (shortest + i + shift(y, i)))
    return np.array(out)


def pyin(x, rate, low, high, size, hop):
    """The whole matrix of transitions, and Viterbi through all of it."""
    shortest, longest = int(rate // high), min(int(np.ceil(rate / low)), size - 1)
    pitches = int(np.floor(120 * np.log2(high / low))) + 1
    thresholds, tiny = np.linspace(0, 1, 101), np.finfo(float).tiny
    prior = np.diff(scipy.stats.beta.cdf(thresholds, 2, 18))
    observed, probability = [], []
    for w in windows(x, size, hop):
        y, row = differences(w, shortest, longest), np.zeros(pitches + 1)
        found = sorted(troughs(y))
        for i in found:
            likely = 0.0
            for s, p in zip(thresholds[1:], prior):
                deep = [j for j in found if y[j] < s]
                if i in deep:
                    likely += p * scipy.stats.boltzmann.pmf(deep.index(i), 2, len(deep))
                elif i == min(found, key=lambda j: y[j]):
                    likely += 0.01 * p
            if likely > 0:
                step = np.round(120 * np.log2(rate / (shortest + i + shift(y, i)) / low))
                row[int(np.clip(step, 0, pitches))] = likely
        probability.append(min(row[:pitches].sum(), 1))
        observed.append([*row[:pitches], *[(1 - probability[-1]) / pitches] * pitches])
    reach = round(35.92 * 12 * hop / rate) * 5
    moves = np.array([[max(reach + 1 - abs(i - j), 0) for j in range(pitches)] for i in range(pitches)], float)
    moves = np.kron([[0.99, 0.01], [0.01, 0.99]], moves / moves.sum(1, keepdims=True))
    value, came = np.log(np.array(observed[0]) + tiny), []
    for row in observed[1:]:
        ways = value[:, None] + np.log(moves + tiny)
        came.append(ways.argmax(0))
        value = ways.max(0) + np.log(np.array(row) + tiny)
    states = [int(value.argmax())]
    for back in reversed(came):
        states.append(int(back[states[-1]]))
    states = np.array(states[::-1])
    voiced = states < pitches
    return np.where(voiced, low * 2 ** (states % pitches / 120), np.nan), voiced, np.array(probability)


def phrase(rate, seconds=0.5, seed=0):
    """A tone that glides and stops, a leap, noise, and silence."""
    n = np.arange(int(rate * seconds))
    glide = np.sin(2 * np.pi * np.cumsum(240 + 60 * n / len(n)) / rate) + 0.4 * np.sin(
        4 * np.pi * np.cumsum(240 + 60 * n / len(n)) / rate
    )
    leap = np.sin(2 * np.pi * 371 * n / rate)
    noise = 0.3 * kit.congruential(seed + 1, len(n) // 2)
    return np.concatenate([glide, leap, noise, np.zeros(len(n) // 2)])


CASES = {
    "plain": (8000, 200.0, 400.0, 256, 64),
    "odd": (4000, 110.3, 420.0, 201, 77),
    "far hops": (8000, 150.0, 500.0, 256, 300),
}


@pytest.mark.parametrize("case", CASES)
def test_both_methods_follow_their_definitions(case):
    rate, low, high, size, hop = CASES[case]
    x = phrase(rate, 0.15)
    found = features.f0(x, rate, low, high, "yin", size, hop)
    np.testing.assert_allclose(found.f0, yin(x, rate, low, high, size, hop), rtol=1e-6)
    found = features.f0(x, rate, low, high, frame_length=size, hop=hop)
    f0, voiced, probability = pyin(x, rate, low, high, size, hop)
    np.testing.assert_allclose(found.probability, probability, atol=1e-9)
    np.testing.assert_array_equal(found.voiced, voiced)
    np.testing.assert_allclose(found.f0, f0, rtol=1e-9)
    assert 0.2 < voiced.mean() < 1


LIBROSA = {  # sums of f0 where voiced, how many, of probability; of yin
    16000: (10983.535751787642, 34, 27.81471687316015, 16537.374988401094),
    44100: (28304.082899062476, 88, 73.80867069440828, 49972.000232675404),
}


@pytest.mark.parametrize("rate", LIBROSA)
def test_the_numbers_of_librosa(rate):
    x = phrase(rate)
    total, count, likely, of_yin = LIBROSA[rate]
    pitch = features.f0(x, rate, 65.4, 1000.0)
    np.testing.assert_allclose(
        [np.nansum(pitch.f0), pitch.voiced.sum(), pitch.probability.sum()], [total, count, likely], rtol=1e-6
    )
    assert (np.isnan(pitch.f0) == ~pitch.voiced).all()
    np.testing.assert_allclose(features.f0(x, rate, 65.4, 1000.0, method="yin").f0.sum(), of_yin, rtol=1e-6)


@pytest.mark.parametrize("method", ["pyin", "yin"])
def test_channels_are_heard_alone_and_what_is_short_or_silent_has_no_pitch(method):
    x = phrase(8000, 0.1)
    both = features.f0(np.stack([x, x[::-1]], 1), 8000, 200, 400, method, 256)
    for channel, alone in enumerate((x, x[::-1])):
        for a, b in zip(both, features.f0(alone, 8000, 200, 400, method, 256)):
            np.testing.assert_array_equal(a[:, channel], b)
    for silent, ticks in ((np.zeros(1000), 16), (np.zeros(0), 0), (np.zeros((0, 2)), 0), ([0.5], 1), (np.full(1, 0.0), 1)):
        pitch = features.f0(silent, 8000, 200, 400, method, 256)
        assert len(pitch.f0) == len(pitch.voiced) == len(pitch.probability) == ticks
        assert pitch.voiced.dtype == bool
        if not np.any(silent):
            assert not pitch.voiced.any()
    quiet = features.f0(x * 1e-6, 8000, 200, 400, method, 256)
    np.testing.assert_allclose(quiet.f0, both.f0[:, 0], rtol=1e-6)


@pytest.mark.parametrize("method", ["pyin", "yin"])
@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
def test_a_tone_is_found_at_every_rate(method, rate):
    x = np.sin(2 * np.pi * 440 * np.arange(rate // 4) / rate)
    pitch = features.f0(x, rate, 100, 1000, method)
    middle = slice(2, -2)
    assert np.abs(12 * np.log2(pitch.f0[middle] / 440)).max() < 0.1
    assert pitch.voiced[middle].all()
    assert pitch.probability[middle].min() > 0.7


ERRORS = {
    "order": (lambda x: features.f0(x, 8000, 400, 200), "f0: fmin=400.0 and fmax=200.0: takes 0 < fmin < fmax <= 4000.0"),
    "nyquist": (lambda x: features.f0(x, 8000, 400, 4001), "f0: fmin=400.0 and fmax=4001.0"),
    "zero": (lambda x: features.f0(x, 8000, 0, 400), "f0: fmin=0.0"),
    "short": (lambda x: features.f0(x, 8000, 50, 400, frame_length=161), "frame_length=161 is too short .* at least 162"),
    "method": (lambda x: features.f0(x, 8000, 50, 400, "crepe"), "f0: method='crepe' is not one of pyin, yin"),
    "hop": (lambda x: features.f0(x, 8000, 50, 400, hop=0), "f0: hop=0 is less than 1"),
    "rate": (lambda x: features.f0(x, np.inf, 50, 400), "f0: sample_rate=inf is not finite"),
    "nan": (lambda x: features.f0([0.0, np.nan], 8000, 50, 400), "f0: the sample at frame 1 is nan"),
    "shape": (lambda x: features.f0(np.zeros((2, 2, 2)), 8000, 50, 400), r"f0: takes \(frames,\) or .*got shape \(2, 2, 2\)"),
    "lazy": (lambda x: features.f0(Signal.input(0), 8000, 50, 400), r"f0: .* not a Signal; realize\(\) it"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_names_what_was_given_and_what_is_allowed(name):
    make, message = ERRORS[name]
    with pytest.raises((ArgumentError, ShapeError), match=message):
        make(np.zeros(100))
