"""Loudness and peaks: the numbers of BS.1770, and every case of EBU Tech 3341 and 3342 that can be synthesised."""

import kit
import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, features

RATE = 48000


def sine(*parts, freq=1000.0, channels=2):
    """Level in dBFS and seconds of each part, without fades."""
    level = np.concatenate([np.full(round(seconds * RATE), 10 ** (db / 20)) for db, seconds in parts])
    return np.repeat((level * np.sin(2 * np.pi * freq * np.arange(len(level)) / RATE))[:, None], channels, 1)


def test_a_full_sine_of_997_hz_in_one_channel_reads_3_01_below_0():
    x = sine((0, 10), freq=997.0, channels=1)
    assert abs(features.integrated_loudness(x[:, 0], RATE) + 3.0103) < 1e-3
    assert abs(features.integrated_loudness(x, RATE) + 3.0103) < 1e-3


def test_the_golden_numbers_of_two_channels_and_of_one():
    x, t = kit.pair(144000, RATE)
    assert abs(features.integrated_loudness(np.stack([x, t], 1), RATE) + 4.869088) < 1e-5
    assert abs(features.integrated_loudness(t, RATE) + 7.448895) < 1e-5


EBU = {
    1: (((-23, 20),), -22.9933),
    2: (((-33, 20),), -32.9933),
    3: (((-36, 10), (-23, 60), (-36, 10)), -23.0139),
    4: (((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0139),
    5: (((-26, 20), (-20, 20.1), (-26, 20)), -22.9787),
}


@pytest.mark.parametrize("case", EBU)
def test_cases_of_tech_3341(case):
    parts, loudness = EBU[case]
    assert abs(features.integrated_loudness(sine(*parts), RATE) - loudness) < 1e-3


def test_case_6_of_tech_3341_has_five_channels():
    left, centre, surround = (sine((db, 20), channels=1) for db in (-28, -24, -30))
    x = np.concatenate([left, left, centre, surround, surround], 1)
    assert abs(features.integrated_loudness(x, RATE) + 23.0163) < 1e-3


def test_short_term_and_momentary_loudness_are_steady_in_cases_9_and_12():
    short = features.short_term(sine(*((-20, 1.34), (-30, 1.66)) * 5), RATE)
    assert np.abs(short + 23).max() < 0.1
    moment = features.momentary(sine(*((-20, 0.18), (-30, 0.22)) * 25), RATE)
    assert np.abs(moment[60:] + 23).max() < 0.1


@pytest.mark.parametrize("i", [0, 7, 19])
def test_the_loudest_moment_is_found_in_cases_10_and_13(i):
    assert abs(features.short_term(sine((-200, 0.15 * i), (-23, 3), (-200, 1)), RATE).max() + 23) < 0.1
    assert abs(features.momentary(sine((-200, 0.02 * i), (-23, 0.4), (-200, 1)), RATE).max() + 23) < 0.1


def test_the_loudest_moments_of_case_11_and_14_rise_by_1_lu_each():
    def loudest(of, seconds, apart):
        """Of each segment, which ends as long after its tone as the next begins before its own."""
        parts = [((-200, apart * i), (-38 + i, seconds), (-200, seconds - apart * i)) for i in range(20)]
        heard = of(np.concatenate([sine(*p, channels=1) for p in parts]), RATE)  # blocks end from `seconds` on, every 10 ms
        ends = [round(100 * seconds * (2 * i + 1)) for i in range(20)]
        return [heard[max(end - round(200 * seconds), 0) : end].max() for end in ends]

    mono = 10 * np.log10(2)
    expected = np.arange(-38, -18) - mono
    np.testing.assert_allclose(loudest(features.short_term, 3.0, 0.15), expected, atol=0.1)
    np.testing.assert_allclose(loudest(features.momentary, 0.4, 0.02), expected, atol=0.1)


TRUE_PEAKS = {  # frames a period, peak, degrees, dBTP
    15: (4, 0.5, 0, -6.0),
    16: (4, 0.5, 45, -6.0),
    17: (6, 0.5, 60, -6.0),
    18: (8, 0.5, 67.5, -6.0),
    19: (4, 1.41, 45, 3.0),
}


@pytest.mark.parametrize("case", TRUE_PEAKS)
@pytest.mark.parametrize("rate", [16000, 44100, 48000, 96000])
@pytest.mark.parametrize("fade", [0, 1000], ids=["cut", "faded"])
def test_true_peaks_of_tech_3341(case, rate, fade):
    period, peak, degrees, expected = TRUE_PEAKS[case]
    for frames in (rate, rate - 3, 60):
        n = np.arange(frames)
        x = peak * np.sin(2 * np.pi * n / period + np.deg2rad(degrees))
        if fade and frames > 2 * fade:
            x *= np.clip(np.minimum(n, n[::-1]) / fade, 0, 1)
        found = features.true_peak(np.stack([x, 0 * x], 1), rate)
        assert expected - 0.4 <= found <= expected + 0.2
        assert abs(found - 20 * np.log10(peak)) < 0.01


def test_the_true_peak_is_that_of_the_interpolated_signal():
    t = np.arange(4000)
    x = sum(np.sin(2 * np.pi * f * t + p) for f, p in zip((0.01, 0.133, 0.271, 0.4, 0.44), range(5)))
    x *= scipy.signal.windows.tukey(4000, 0.2)
    often = np.abs(scipy.signal.resample(x, 16000)).max()  # of a period: exact
    assert abs(features.true_peak(x, RATE) - 20 * np.log10(often)) < 0.02
    peaks = [features.true_peak(c, RATE) for c in (x, 0.5 * x, 2 * x)]
    assert features.true_peak(np.stack([x, 0.5 * x, 2 * x, 0 * x, x, x], 1), RATE) == max(peaks) == peaks[2]


@pytest.mark.parametrize("x", [np.zeros(1000), np.zeros((0, 2)), np.zeros(0), [0.0]])
def test_silence_has_no_peak(x):
    assert features.true_peak(x, RATE) == -np.inf


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 47, 200])
def test_the_true_peak_is_never_under_the_highest_sample_and_a_constant_is_no_click(frames):
    assert abs(features.true_peak(np.full(frames, -0.5), RATE) - 20 * np.log10(0.5)) < 1e-9
    for at in range(min(frames, 50)):
        assert abs(features.true_peak(np.eye(frames)[at], RATE)) < 1e-9


@pytest.mark.parametrize(
    ("levels", "range_"), [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)]
)
def test_cases_of_tech_3342(levels, range_):
    assert abs(features.loudness_range(sine(*((db, 20) for db in levels)), RATE) - range_) < 1e-2


def test_silence_and_short_recordings_have_no_loudness():
    for x in (np.zeros(RATE), np.zeros((0, 2)), np.ones(100)):
        assert features.integrated_loudness(x, RATE) == -np.inf
        assert features.loudness_range(x, RATE) == 0


def test_errors_name_what_was_given():
    with pytest.raises(ShapeError, match=r"integrated_loudness: .*\(10, 6\)"):
        features.integrated_loudness(np.zeros((10, 6)), RATE)
    with pytest.raises(ArgumentError, match=r"momentary: sample_rate=0\.0 is not above 0"):
        features.momentary(np.zeros(10), 0)
    with pytest.raises(ArgumentError, match=r"short_term: sample_rate=4000\.0 is too low for a filter at 1682 Hz"):
        features.short_term(np.zeros(10), 4000)
    with pytest.raises(ArgumentError, match="true_peak: sample_rate=-1"):
        features.true_peak(np.zeros(10), -1)
    with pytest.raises(ShapeError, match=r"loudness_loss: pred of shape \(6,\) is more than 5 channels"):
        dg.loudness_loss(Signal.input(0, shape=(6,)), Signal.input(0, shape=(6,)))


METERS = [getattr(features, name) for name in ("integrated_loudness", "loudness_range", "momentary", "short_term", "true_peak")]


@pytest.mark.parametrize("of", METERS)
@pytest.mark.parametrize(
    ("x", "says"),
    [
        ([0.0, 1.0, np.nan, np.inf], "frame 2 is nan"),
        ([[0.0, 1.0], [0.0, -np.inf]], "frame 1 is -inf"),
        ("speech.wav", "str is not an array of numbers"),
        ([[1.0], [1.0, 2.0]], "list is not an array of numbers"),
    ],
)
def test_what_is_no_recording_is_named_and_not_measured_as_silence(of, x, says):
    with pytest.raises(ArgumentError, match=f"{of.__name__}: .*{says}"):
        of(x, 48000)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_the_loss_is_the_distance_of_integrated_loudness(rate):
    x, t = kit.pair(rate, rate)
    x = x * np.linspace(0, 1, len(x)) ** 3  # so that both gates have something to leave out
    with DGen.override(sample_rate=float(rate)):
        for a, b in ((x, t), (np.stack([x, t, 0 * t, x, t], 1), np.stack([t, 0 * t, 0 * t, 0 * t, x], 1))):
            expected = abs(features.integrated_loudness(a, rate) - features.integrated_loudness(b, rate))
            found = dg.loudness_loss(Signal.from_samples(a), Signal.from_samples(b)).realize()
            np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_slope_of_the_loss_to_a_gain_is_that_of_decibels():
    _, t = kit.pair(30000, 44100)
    t = Signal.from_samples(t)
    for gain, sign in ((2.0, 1), (0.5, -1), (1e-3, -1), (1.0, 0)):
        p = Signal.param(gain)
        loss = dg.loudness_loss(t * p, t).backward()
        np.testing.assert_allclose(loss, abs(20 * np.log10(gain)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(p.grad.value, sign * 20 / np.log(10) / gain, rtol=1e-4)


def test_at_a_rate_too_low_for_a_meter_the_loss_still_hears_gains():
    with DGen.override(sample_rate=1000.0):
        x = Signal.from_samples(kit.congruential(1, 30000))
        np.testing.assert_allclose(dg.loudness_loss(0.1 * x, x).realize(), 20, rtol=1e-4)


def test_under_what_a_meter_reads_the_loss_goes_on_in_a_straight_line_of_power():
    _, t = kit.pair(30000, 44100)
    loud = features.integrated_loudness(t, 44100)
    for gain in (10 ** (-70 / 20), 10 ** (-80 / 20), 0.0):
        power = 10 ** (loud / 10) * gain**2 / 1e-7
        expected = loud + 70 - 10 / np.log(10) * (power - 1) if power < 1 else -20 * np.log10(gain)
        p = Signal.param(gain)
        x = Signal.from_samples(t)
        np.testing.assert_allclose(dg.loudness_loss(x * p, x).backward(), expected, rtol=1e-5)
        assert p.grad.value <= 0
        assert (p.grad.value == 0) == (gain == 0)
