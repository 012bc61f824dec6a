"""Recordings made longer and higher: length, pitch, attacks, channels and what is no sound."""

import numpy as np
import pytest

from dgenlazy import ArgumentError, OutOfMemoryError, ShapeError, audio

RATE = 44100
FACTORS = [0.3, 0.5, 0.8, 1.25, 2.0, 3.7]


def tone(freq, frames=RATE, phase=0.0):
    return np.sin(2 * np.pi * freq / RATE * np.arange(frames) + phase)


def measured(y, freq):
    """Frequency and amplitude of the sine next to `freq` in the middle of `y`, and what is no sine."""
    y = np.float64(y[len(y) // 4 : -(len(y) // 4)])
    n = np.arange(len(y))
    for _ in range(4):
        carried = y * np.exp(-2j * np.pi * freq / RATE * n)
        halves = [np.sum(part * np.hanning(len(part))) for part in (carried[: len(y) // 2], carried[len(y) // 2 :])]
        freq += np.angle(halves[1] / halves[0]) / (2 * np.pi) * RATE / (len(y) / 2)
    basis = np.stack([np.cos(2 * np.pi * freq / RATE * n), np.sin(2 * np.pi * freq / RATE * n)], 1)
    weights = np.linalg.lstsq(basis, y, rcond=None)[0]
    return freq, np.hypot(*weights), np.std(y - basis @ weights)


@pytest.mark.parametrize("factor", [*FACTORS, 1.0, 1 / 3, 1e-3, 10.0])
@pytest.mark.parametrize("frames", [0, 1, 2, 3, 999])
def test_a_sound_becomes_factor_times_as_long(factor, frames):
    for shape in ((frames,), (frames, 2)):
        y = audio.time_stretch(np.ones(shape), factor)
        assert y.shape == (round(frames * factor), *shape[1:])
        assert y.dtype == np.float32
        assert np.isfinite(y).all()


@pytest.mark.parametrize("freq", [60.0, 440.0, 9000.3])
@pytest.mark.parametrize("factor", FACTORS)
def test_a_stretched_sine_keeps_its_frequency_and_amplitude(factor, freq):
    found, amplitude, rest = measured(audio.time_stretch(tone(freq), factor), freq)
    assert abs(1200 * np.log2(found / freq)) < 0.05  # cents
    assert amplitude == pytest.approx(1, abs=2e-3)
    assert rest < 0.01


def test_partials_keep_their_frequencies_beside_each_other():
    chord = [220.0, 277.2, 329.6, 3000.0]
    y = audio.time_stretch(sum(tone(f, 2 * RATE, f) for f in chord), 1.6)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y)))) * 4 / len(y)
    for freq in chord:
        near = slice(int((freq - 8) * len(y) / RATE), int((freq + 8) * len(y) / RATE))
        assert (near.start + spectrum[near].argmax()) * RATE / len(y) == pytest.approx(freq, abs=0.4)
        assert spectrum[near].max() == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("factor", FACTORS)
def test_clicks_stay_single_clicks_at_factor_times_their_time(factor):
    places = np.array([5000, 12000, 13000, 30000])
    x = np.zeros(RATE)
    x[places] = [1.0, -1.0, 0.5, 1.0]
    y = audio.time_stretch(x, factor)
    found = np.rint(places * factor).astype(int)
    heights = [y[max(n - 2, 0) : n + 3][np.abs(y[max(n - 2, 0) : n + 3]).argmax()] for n in found]
    np.testing.assert_allclose(heights, [1.0, -1.0, 0.5, 1.0], atol=0.02)
    assert np.sum(np.float64(y) ** 2) == pytest.approx(3.25, rel=0.03)  # there is nothing else


def test_a_click_in_a_tone_leaves_both():
    x = 0.3 * tone(500.0)
    x[20000] += 1.0
    y = audio.time_stretch(x, 2.0)
    found, amplitude, _ = measured(y, 500.0)
    assert found == pytest.approx(500.0, abs=0.02)
    assert amplitude == pytest.approx(0.3, abs=0.01)
    assert np.abs(y).argmax() == pytest.approx(40000, abs=3)
    assert np.abs(y).max() > 0.8


def test_noise_stays_about_as_loud():
    x = np.random.default_rng(0).normal(0, 0.1, RATE)
    for factor in (0.5, 2.0):
        assert audio.time_stretch(x, factor).std() / x.std() == pytest.approx(1, abs=0.2)


def test_silence_stays_silent_and_factor_1_changes_nothing():
    assert not audio.time_stretch(np.zeros(5000), 1.7).any()
    assert not audio.pitch_shift(np.zeros((5000, 2)), 3, RATE).any()
    x = np.float32(np.random.default_rng(0).uniform(-1, 1, (3000, 2)))
    np.testing.assert_array_equal(audio.time_stretch(x, 1), x)
    np.testing.assert_array_equal(audio.pitch_shift(x, 0, RATE), x)


def test_a_factor_next_to_1_changes_next_to_nothing():
    x = np.random.default_rng(0).uniform(-1, 1, 9000)
    y = audio.time_stretch(x, 1 + 1e-9)
    np.testing.assert_allclose(y, x, atol=1e-6)


@pytest.mark.parametrize("change", [lambda x: audio.time_stretch(x, 1.7), lambda x: audio.pitch_shift(x, -5, RATE)])
def test_channels_keep_their_phases_to_each_other(change):
    x = tone(440.0) + np.random.default_rng(0).normal(0, 0.1, RATE)
    one = change(x)
    both = change(np.stack([x, -0.5 * x], 1))
    np.testing.assert_allclose(both[:, 1], -0.5 * both[:, 0], atol=1e-6)
    np.testing.assert_allclose(both[:, 0], one, atol=1e-4)
    quarter = change(np.stack([tone(440.0), tone(440.0, phase=np.pi / 2)], 1))[10000:20000]
    np.testing.assert_allclose((quarter**2).sum(1), 1, atol=0.03)  # still a quarter of a period apart


@pytest.mark.parametrize("semitones", [-24, -7, -0.5, 0.01, 1, 7, 12.0])
def test_a_shifted_sine_has_the_frequency_asked_for(semitones):
    x = tone(1000.0)
    y = audio.pitch_shift(x, semitones, RATE)
    assert y.shape == x.shape
    wanted = 1000.0 * 2 ** (semitones / 12)
    found, amplitude, rest = measured(y, wanted)
    assert abs(1200 * np.log2(found / wanted)) < 0.05
    assert amplitude == pytest.approx(1, abs=3e-3)
    assert rest < 0.01


def test_a_shifted_click_stays_where_it_was():
    x = np.zeros(20000)
    x[[4000, 15000]] = 1.0
    y = np.abs(audio.pitch_shift(x, 5, RATE))
    assert sorted(np.argsort(y)[-2:]) == [4000, 15000]


def test_nothing_is_folded_back_when_pitch_goes_up():
    y = audio.pitch_shift(tone(15000.0), 12, RATE)
    assert np.abs(y[5000:-5000]).max() < 1e-2


@pytest.mark.parametrize("semitones", [-120, -31.7, -1e-9, 3, 60])
def test_shifted_samples_keep_their_shape_however_few(semitones):
    for frames in (0, 1, 2, 7, 64, 500):
        for shape in ((frames,), (frames, 2)):
            y = audio.pitch_shift(np.ones(shape), semitones, 8000)
            assert y.shape == shape
            assert np.isfinite(y).all()


@pytest.mark.parametrize("factor", [0, -1.0, np.inf, np.nan, "2", None, [2.0]])
def test_a_bad_factor_is_named(factor):
    with pytest.raises(ArgumentError, match=r"audio\.time_stretch: factor[=:]"):
        audio.time_stretch(np.zeros(10), factor)


def test_what_is_no_sound_is_named():
    for change in (lambda x: audio.time_stretch(x, 2), lambda x: audio.pitch_shift(x, 2, RATE)):
        for wrong, error, says in (
            (np.full(5, np.nan), ArgumentError, "not all finite"),
            (1.0, ShapeError, r"\(\)"),
            (np.zeros((2, 1000)), ArgumentError, "channels come last"),
            (["a"], ArgumentError, r"audio\.(time_stretch|pitch_shift)"),
        ):
            with pytest.raises(error, match=says):
                change(wrong)
    for semitones in (np.nan, 121, "up", None):
        with pytest.raises(ArgumentError, match=r"audio\.pitch_shift: semitones[=:]"):
            audio.pitch_shift(np.zeros(10), semitones, RATE)
    for rate in (0, -1, "fast"):
        with pytest.raises(ArgumentError, match=r"audio\.pitch_shift: sample_rate="):
            audio.pitch_shift(np.zeros(10), 1, rate)
    for size in (96, 140, 2.5):
        with pytest.raises(ArgumentError, match=r"audio\.time_stretch: window_size[=:]"):
            audio.time_stretch(np.zeros(10), 2, size)
    with pytest.raises(OutOfMemoryError, match=r"audio\.time_stretch: 1000 frames times 1e\+12"):
        audio.time_stretch(np.zeros(1000), 1e12)
