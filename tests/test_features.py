"""Features of recordings: the numbers of standards and of librosa."""

import kit
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, ShapeError, features

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


@pytest.mark.parametrize(
    ("levels", "range_"), [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)]
)
def test_cases_of_tech_3342(levels, range_):
    assert abs(features.loudness_range(sine(*((db, 20) for db in levels)), RATE) - range_) < 1e-2


def test_silence_and_short_recordings_have_no_loudness():
    for x in (np.zeros(RATE), np.zeros((0, 2)), np.ones(100)):
        assert features.integrated_loudness(x, RATE) == -np.inf
        assert features.loudness_range(x, RATE) == 0


def test_mel_filters_are_librosas():
    np.testing.assert_allclose(features.mel_filters(44100, 1024).sum(), 2.96766611599, rtol=1e-9)
    peaks = features.mel_filters(16000, 512, 20, 100.0, 7000.0, htk=True, norm=None)
    assert peaks.shape == (20, 257)
    assert 0.7 < peaks.max() <= 1


def test_errors_name_what_was_given():
    with pytest.raises(ShapeError, match=r"integrated_loudness: .*\(10, 6\)"):
        features.integrated_loudness(np.zeros((10, 6)), RATE)
    with pytest.raises(ArgumentError, match=r"momentary: sample_rate=0\.0 is not above 0"):
        features.momentary(np.zeros(10), 0)
    with pytest.raises(ArgumentError, match=r"mel_filters: fmin=5\.0 and fmax=2\.0"):
        dg.features.mel_filters(44100, 64, fmin=5, fmax=2)


@pytest.mark.parametrize("of", [features.integrated_loudness, features.momentary, features.short_term, features.loudness_range])
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


def test_options_of_filters_are_held_to_their_names():
    with pytest.raises(ArgumentError, match="mel_filters: norm=2 is not one of slaney, None"):
        features.mel_filters(48000, 512, norm=2)
    with pytest.raises(ArgumentError, match="mel_filters: htk='yes' is not True or False"):
        features.mel_filters(48000, 512, htk="yes")
