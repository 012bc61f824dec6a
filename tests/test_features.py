"""Features of recordings and of Signals: the numbers of librosa and of magenta/ddsp, and what each is by definition."""

import itertools

import kit
import numpy as np
import pytest
import scipy.fft
from contract import check_op
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, features

X, T = kit.pair(8192, 44100)


def magnitudes(x, size, hop):
    """Of windows centred at 0, hop, ..., one after the other."""
    window = [0.5 - 0.5 * np.cos(2 * np.pi * n / size) for n in range(size)]
    padded = np.pad(x, size // 2)
    return np.array([np.abs(np.fft.rfft(padded[at : at + size] * window)) for at in range(0, len(padded) - size + 1, hop)])


def triangles(rate, size, count, low, high, htk, area):
    """Each filter from its three corners."""
    to = (
        (lambda f: 2595 * np.log10(1 + f / 700))
        if htk
        else (lambda f: f * 3 / 200 if f < 1000 else 15 + np.log(f / 1000) * 27 / np.log(6.4))
    )
    back = (
        (lambda m: 700 * (10 ** (m / 2595) - 1))
        if htk
        else (lambda m: m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27))
    )
    corners = [back(m) for m in np.linspace(to(low), to(high), count + 2)]
    freqs = np.arange(size // 2 + 1) * rate / size
    tents = [
        np.interp(freqs, c, [0, 1, 0]) * (2 / (c[2] - c[0]) if area else 1) for c in zip(corners, corners[1:], corners[2:])
    ]
    return np.array(tents)


def mel(x, rate, size=2048, hop=512, count=128, low=0.0, high=None, htk=False, area=True, power=2.0):
    return magnitudes(x, size, hop) ** power @ triangles(rate, size, count, low, high or rate / 2, htk, area).T


def decibels(power, top=80.0):
    out = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(out, out.max() - top)


def mfcc(x, rate, many=20, top=80.0, **how):
    return scipy.fft.dct(decibels(mel(x, rate, **how), top), norm="ortho", axis=1)[:, :many]


def onsets(x, rate, size=2048, hop=512):
    levels = decibels(mel(x, rate, size, hop))
    gains = [np.mean([max(b - a, 0) for a, b in zip(*pair)]) for pair in itertools.pairwise(levels)]
    return np.array(([0.0] * (1 + size // (2 * hop)) + gains)[: len(levels)])


def centroid(x, rate, size=2048, hop=512):
    freqs = np.arange(size // 2 + 1) * rate / size
    return np.array([np.dot(m, freqs) / m.sum() if m.any() else 0.0 for m in magnitudes(x, size, hop)])


def flatness(x, size=2048, hop=512):
    powers = np.maximum(magnitudes(x, size, hop) ** 2, 1e-10)
    return np.array([np.exp(np.mean(np.log(p))) / np.mean(p) for p in powers])


def rolloff(x, rate, size=2048, hop=512, share=0.85):
    below = np.cumsum(magnitudes(x, size, hop), 1)
    return np.array([next(k for k in range(len(b)) if b[k] >= share * b[-1]) * rate / size for b in below])


def rms(x, size=2048, hop=512):
    padded = np.pad(x, size // 2)
    return np.array([np.sqrt(np.mean(padded[at : at + size] ** 2)) for at in range(0, len(padded) - size + 1, hop)])


def loudness(x, rate, size=512, hop=64):
    f = np.arange(size // 2 + 1) * rate / size + 1e-30
    ratio = (
        12194.217**2
        * f**4
        / ((f**2 + 20.598997**2) * (f**2 + 12194.217**2) * np.sqrt((f**2 + 107.65265**2) * (f**2 + 737.86223**2)))
    )
    weights = 10 ** (np.maximum(20 * np.log10(ratio) + 2.0, -80) / 10)
    return np.maximum(10 * np.log10(np.maximum((magnitudes(x, size, hop) ** 2 * weights).mean(1), 1e-10)), -80)


LIBROSA = {  # librosa 0.11 of float64: the sum of all, and the first, the fourth and the last of the last band
    "mel": (lambda: features.mel_spectrogram(X, 44100), 59648.720050963, [0.008390939, 0.024665615, 0.009766018]),
    "htk": (
        lambda: features.mel_spectrogram(X, 44100, 1023, 200, 40, 50, 8000, power=1, htk=True, norm=None),
        19624.675213362,
        [4.105488885, 5.788244618, 2.574504848],
    ),
    "mfcc": (lambda: features.mfcc(X, 44100), -1902.376730762, [16.559410888, 35.382727773, 11.019216857]),
    "mfcc, few": (
        lambda: features.mfcc(X, 44100, n_mfcc=13, n_fft=512, hop=128, n_mels=40),
        -10016.596748057,
        [4.071551691, -1.281780624, 1.251268679],
    ),
    "centroid": (
        lambda: features.spectral_centroid(X, 44100),
        81267.13563111996,
        [3335.681580669, 5139.867588744, 3497.917871048],
    ),
    "flatness": (lambda: features.spectral_flatness(X, 44100), 0.043257772, [0.004010118, 0.002297676, 0.005099102]),
    "rolloff": (lambda: features.spectral_rolloff(X, 44100), 227261.42578125, [8634.814453125, 14298.046875, 8957.8125]),
    "half": (
        lambda: features.spectral_rolloff(X, 44100, n_fft=1024, hop=300, roll_percent=0.5),
        35357.51953125,
        [775.1953125, 1291.9921875, 1033.59375],
    ),
    "rms": (lambda: features.rms(X), 6.386226654, [0.280730068, 0.395738214, 0.275872409]),
    "onset": (
        lambda: features.onset_strength(np.concatenate([np.zeros(4000), X, 0 * X, X]), 44100),
        106.369916301,
        [0.0, 0.0, 0.843615762],
    ),
}


@pytest.mark.parametrize("name", LIBROSA)
def test_the_numbers_of_librosa(name):
    find, total, some = LIBROSA[name]
    found = find()
    np.testing.assert_allclose(found.sum(), total, rtol=1e-6)  # librosa's rms is in float32
    np.testing.assert_allclose(found.reshape(len(found), -1)[[0, 3, -1], -1], some, rtol=1e-6)


@pytest.mark.parametrize(("size", "first", "middle"), [(512, 16.739034, 19.805260), (2048, None, 25.839364)])
def test_the_loudness_of_ddsp(size, first, middle):
    sine = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    found = features.loudness(sine, 16000, n_fft=size)
    assert len(found) == 1 + 16000 // 64
    np.testing.assert_allclose(found[125], middle, atol=1e-6)
    assert first is None or abs(found[0] - first) < 1e-6
    assert (features.loudness(0 * sine, 16000) == -80).all()


DEFINED = {  # what is found, what it is by definition, how a Signal is asked for the same
    "mel_spectrogram": (lambda x, r: features.mel_spectrogram(x, r, 512, 100, 30), lambda x, r: mel(x, r, 512, 100, 30)),
    "magnitudes": (
        lambda x, r: features.mel_spectrogram(x, r, 301, 77, 20, 100.0, 7000.0, 1.5, True, None),
        lambda x, r: mel(x, r, 301, 77, 20, 100.0, 7000.0, True, False, 1.5),
    ),
    "mfcc": (
        lambda x, r: features.mfcc(x, r, 13, 512, 128, 40),
        lambda x, r: mfcc(x, r, 13, 100.0, size=512, hop=128, count=40),
    ),
    "spectral_centroid": (lambda x, r: features.spectral_centroid(x, r, 256), lambda x, r: centroid(x, r, 256, 64)),
    "spectral_flatness": (lambda x, r: features.spectral_flatness(x, r, 255, 300), lambda x, r: flatness(x, 255, 300)),
    "spectral_rolloff": (lambda x, r: features.spectral_rolloff(x, r, 256, 50, 0.3), lambda x, r: rolloff(x, r, 256, 50, 0.3)),
    "rms": (lambda x, r: features.rms(x, r, 101, 40), lambda x, r: rms(x, 101, 40)),
    "loudness": (lambda x, r: features.loudness(x, r, hop=64), lambda x, r: loudness(x, r)),
}


@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
@pytest.mark.parametrize("name", DEFINED)
def test_features_are_what_they_are_by_definition(name, rate):
    x = 0.3 * X[:1500] + 0.01 * T[2000:3500]
    find, reference = DEFINED[name]
    found, expected = find(x, rate), reference(x, rate)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
    both = find(np.stack([x, x[::-1]], 1), rate)
    np.testing.assert_allclose(both[:, 0], expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(both[:, 1], reference(x[::-1], rate), rtol=1e-8, atol=1e-9)


def test_onsets_are_what_they_are_by_definition_and_are_seen_where_a_sound_begins():
    for size, hop in ((2048, 512), (512, 100), (400, 500)):
        x = np.concatenate([np.zeros(4000), X[:3000]])
        found = features.onset_strength(x, 22050, size, hop)
        np.testing.assert_allclose(found, onsets(x, 22050, size, hop), atol=1e-9)
        assert abs(found.argmax() - 4000 / hop) < 1.5
    both = features.onset_strength(np.stack([x, 0.1 * x], 1), 22050, size, hop)
    np.testing.assert_allclose(both[:, 0], both[:, 1], atol=1e-9)  # a soft channel is not held to the level of a loud one


SHORT = [*DEFINED, "onset_strength"]


@pytest.mark.parametrize("name", SHORT)
def test_nothing_one_frame_and_silence_have_features_too(name):
    find = DEFINED[name][0] if name in DEFINED else features.onset_strength
    for frames in (1, 2, 1000):
        found = find(np.zeros(frames), 44100)
        assert len(found) >= 1
        assert np.isfinite(found).all()
        assert np.isfinite(find(np.full((frames, 2), 1e-9), 44100)).all()
    one, none = find(np.ones((1, 2)), 44100), find(np.zeros((0, 2)), 44100)
    assert one.shape[0] == 1
    assert none.shape == (0, *one.shape[1:])
    assert find([], 44100).shape == (0, *one.shape[2:])
    long = find(np.tile(X, 12), 44100)  # in several stretches
    assert len(long) == len(find(np.zeros(12 * len(X)), 44100))


# Of Signals.

SMALL = {
    "mel_spectrogram": (lambda x: features.mel_spectrogram(x, None, 8, 3, 3), lambda x: mel(x, 1000.0, 8, 3, 3), 3),
    "magnitudes": (
        lambda x: features.mel_spectrogram(x, None, 7, 3, 3, 10.0, 400.0, 1.0, True, None),
        lambda x: mel(x, 1000.0, 7, 3, 3, 10.0, 400.0, True, False, 1.0),
        3,
    ),
    "mfcc": (lambda x: features.mfcc(x, None, 2, 16, 5, 3), lambda x: mfcc(x, 1000.0, 2, np.inf, size=16, hop=5, count=3), 2),
    "spectral_centroid": (lambda x: features.spectral_centroid(x, None, 8, 3), lambda x: centroid(x, 1000.0, 8, 3), 0),
    "another rate": (lambda x: features.spectral_centroid(x, 8000, 8, 3), lambda x: centroid(x, 8000.0, 8, 3), 0),
    "spectral_flatness": (lambda x: features.spectral_flatness(x, None, 7), lambda x: flatness(x, 7, 1), 0),
    "spectral_rolloff": (lambda x: features.spectral_rolloff(x, None, 8, 3, 0.5), lambda x: rolloff(x, 1000.0, 8, 3, 0.5), 0),
    "rms": (lambda x: features.rms(x, None, 6, 4), lambda x: rms(x, 6, 4), 0),
    "loudness": (lambda x: features.loudness(x, n_fft=8, hop=3), lambda x: loudness(x, 1000.0, 8, 3), 0),
    "loudness at a rate": (lambda x: features.loudness(x, 1000.0, 250, 8), lambda x: loudness(x, 1000.0, 8, 4), 0),
}


@pytest.mark.parametrize("name", SMALL if THOROUGH else ["mel_spectrogram"])
def test_features_of_signals_are_values_that_keep_the_contract(name):
    op, reference, _ = SMALL[name]
    x = np.random.default_rng(1).uniform(-1, 1, 13)
    wanted = reference(x)[: -(-13 // op(Signal.input(0)).hop)].astype(np.float32)
    check_op(op, Signal.from_samples(x), reference=wanted, tol=2e-5, gradient_tol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_features_of_signals_are_what_they_are_by_definition_in_each_lane(name):
    op, reference, many = SMALL[name]
    x = np.random.default_rng(1).uniform(-1, 1, 13)
    ticks = -(-13 // op(Signal.input(0)).hop)
    wanted = reference(x)[:ticks]
    assert op(Signal.input(0)).shape == ((many,) if many else ())
    lanes = np.stack([x, -x[::-1], 0 * x], 1)
    with DGen.override(sample_rate=1000.0):
        found = op(Signal.from_samples(lanes)).realize()
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[:, 1], reference(lanes[:, 1])[:ticks], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_their_gradients_are_finite_at_silence(name):
    p = Signal.from_samples(np.zeros(13), requires_grad=True)
    y = SMALL[name][0](p)
    (y.sum() if y.shape else y).backward()
    assert np.isfinite(p.grad.value).all()


def test_a_level_can_be_trained():
    target = features.rms(Signal.from_samples(X), hop=512)
    gain = Signal.param(0.1)
    optimizer = dg.Adam([gain], lr=0.05)
    for _ in range(150):
        dg.mse(features.rms(Signal.from_samples(X) * gain, hop=512), target).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert abs(float(gain.value) - 1) < 1e-2


def test_mel_filters_are_librosas():
    np.testing.assert_allclose(features.mel_filters(44100, 1024).sum(), 2.96766611599, rtol=1e-9)
    peaks = features.mel_filters(16000, 512, 20, 100.0, 7000.0, htk=True, norm=None)
    assert peaks.shape == (20, 257)
    assert 0.7 < peaks.max() <= 1


def test_errors_name_what_was_given():
    with pytest.raises(ArgumentError, match=r"mel_filters: fmin=5\.0 and fmax=2\.0"):
        dg.features.mel_filters(44100, 64, fmin=5, fmax=2)


def test_options_of_filters_are_held_to_their_names():
    with pytest.raises(ArgumentError, match="mel_filters: norm=2 is not one of slaney, None"):
        features.mel_filters(48000, 512, norm=2)
    with pytest.raises(ArgumentError, match="mel_filters: htk='yes' is not True or False"):
        features.mel_filters(48000, 512, htk="yes")


ERRORS = {
    "no rate": (
        lambda x: features.mel_spectrogram(x),
        "mel_spectrogram: sample_rate is missing: a recording does not know its own",
    ),
    "rate": (lambda x: features.spectral_centroid(x, 0), "spectral_centroid: sample_rate=0.0 is not above 0"),
    "size": (lambda x: features.mfcc(x, 44100, n_fft=1), "mfcc: n_fft=1 is less than 2"),
    "many": (lambda x: features.mfcc(x, 44100, n_mfcc=41, n_mels=40), "mfcc: n_mfcc=41 is more than 40"),
    "hop": (lambda x: features.rms(x, hop=0), "rms: hop=0 is less than 1"),
    "window": (lambda x: features.rms(x, frame_length=2.5), "rms: frame_length=2.5 is not a whole number"),
    "power": (lambda x: features.mel_spectrogram(x, 44100, power=0.5), "mel_spectrogram: power=0.5 is less than 1"),
    "above nyquist": (lambda x: features.mel_spectrogram(x, 8000, fmin=5000), "fmin=5000.0 to half of sample_rate=8000.0"),
    "share": (
        lambda x: features.spectral_rolloff(x, 44100, roll_percent=85),
        "spectral_rolloff: roll_percent=85.0 is not between",
    ),
    "ticks": (lambda x: features.loudness(x, 16000, 0), "loudness: rate=0.0 is not above 0 and up to sample_rate=16000"),
    "more ticks": (lambda x: features.loudness(x, 16000, 16001), "loudness: rate=16001.0 is not"),
    "loudness": (lambda x: features.loudness(x), "loudness: sample_rate is missing: a recording"),
    "of a signal": (lambda x: features.loudness(Signal.input(0)), "loudness: sample_rate is missing: a Signal takes hop="),
    "nan": (lambda x: features.spectral_flatness([0.0, np.nan]), "spectral_flatness: the sample at frame 1 is nan"),
    "complex": (lambda x: features.rms(np.zeros(3, complex)), "rms: ndarray is not an array of numbers: it holds complex128"),
    "shape": (
        lambda x: features.rms(np.zeros((2, 2, 2))),
        r"rms: takes \(frames,\) or \(frames, channels\), got shape \(2, 2, 2\)",
    ),
    "number": (lambda x: features.loudness(1.0, 16000), r"loudness: takes \(frames,\) .*got shape \(\)"),
    "lazy": (lambda x: features.onset_strength(Signal.input(0), 44100), r"onset_strength: .* not a Signal; realize\(\) it"),
    "at a hop": (
        lambda x: features.rms(Signal.input(0, hop=4), hop=8),
        "rms: takes a value every frame, this one comes every 4",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_names_what_was_given_and_what_is_allowed(name):
    make, message = ERRORS[name]
    with pytest.raises((ArgumentError, ShapeError), match=message):
        make(np.zeros(100))
