"""Audio files and resampling: what is written is read back, what is wrong is said."""

import os
import sys
import time

import numpy as np
import pytest
import scipy.signal
import soundfile

import dgenlazy as dg
from dgenlazy import ArgumentError, BackendError, DGenError, InputError, OutOfMemoryError, ShapeError, audio


@pytest.fixture
def noise():
    return np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)


@pytest.fixture
def stereo(noise):
    return np.stack([noise, noise[::-1]], axis=1)


# Round trips.


@pytest.mark.parametrize("ending", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("shape", ["mono", "stereo"])
def test_integer_files_hold_samples_to_one_step_of_the_scale(tmp_path, noise, stereo, ending, bits, shape):
    path, samples = tmp_path / f"a{ending}", noise if shape == "mono" else stereo
    audio.write(path, samples, 22050, bits=bits)
    again, rate = audio.read(path, mono=False)
    assert rate == 22050
    assert again.dtype == np.float32
    assert again.shape == (1000, 1 if shape == "mono" else 2)
    np.testing.assert_allclose(again, samples.reshape(1000, -1), atol=2.0 ** (1 - bits), rtol=0)
    audio.write(tmp_path / f"b{ending}", again, rate, bits=bits)
    np.testing.assert_array_equal(audio.read(tmp_path / f"b{ending}", mono=False)[0], again)


def test_float_files_hold_samples_exactly_and_beyond_the_full_scale(tmp_path, noise):
    audio.write(tmp_path / "a.wav", noise * 3, 44100, bits=32)
    again, rate = audio.read(tmp_path / "a.wav")
    assert rate == 44100
    np.testing.assert_array_equal(again, noise * 3)


def test_samples_may_be_lists_integers_and_doubles(tmp_path):
    for samples in ([0, 1, -1], np.array([0, 1, -1]), np.array([0.0, 1.0, -1.0])):
        audio.write(tmp_path / "a.wav", samples, 8000.0)
        np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], [0, 1, -1], atol=2**-15)


@pytest.mark.parametrize(("subtype", "least"), [("PCM_16", 2.0**-15), ("PCM_24", 2.0**-23), ("PCM_U8", 2.0**-7)])
def test_full_scale_of_an_integer_file_is_one(tmp_path, subtype, least):
    soundfile.write(tmp_path / "a.wav", np.array([-(2**31), 0, 2**31 - 1], np.int32), 8000, subtype)
    np.testing.assert_array_equal(audio.read(tmp_path / "a.wav")[0], np.float32([-1, 0, 1 - least]))


def test_mono_is_the_mean_of_the_channels(tmp_path, stereo):
    audio.write(tmp_path / "a.wav", stereo, 8000, bits=32)
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], stereo.mean(axis=1), atol=1e-7)


def test_loud_channels_are_mixed_to_what_float32_holds(tmp_path):
    loud = np.float32([[3e38, 3e38], [-3e38, -3e38], [3e38, -3e38], [3.4e38, 3.4e38]])
    audio.write(tmp_path / "a.wav", loud, 8000, bits=32)
    np.testing.assert_array_equal(audio.read(tmp_path / "a.wav")[0], np.float32([3e38, -3e38, 0, 3.4e38]))


def test_a_range_is_read_at_the_rate_of_the_file(tmp_path, noise):
    audio.write(tmp_path / "a.wav", noise, 8000, bits=32)
    np.testing.assert_array_equal(audio.read(tmp_path / "a.wav", start=900)[0], noise[900:])
    np.testing.assert_array_equal(audio.read(tmp_path / "a.wav", start=10, frames=3)[0], noise[10:13])
    assert audio.read(tmp_path / "a.wav", 4000, start=200, frames=400)[0].shape == (200,)


def test_an_existing_file_is_replaced_through_a_link(tmp_path, noise):
    audio.write(tmp_path / "a.wav", noise, 8000)
    os.symlink(tmp_path / "a.wav", tmp_path / "link.wav")
    audio.write(tmp_path / "link.wav", noise[:10], 16000)
    assert (tmp_path / "link.wav").is_symlink()
    samples, rate = audio.read(tmp_path / "a.wav")
    assert (len(samples), rate) == (10, 16000)


# Resampling.


@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(44100, 16000), (16000, 44100), (22050, 44100), (48000, 44100), (8000, 8000)]
)
def test_a_resampled_sine_is_the_sine_at_the_other_rate(rate_in, rate_out):
    def sine(rate):
        return np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate).astype(np.float32)

    y = audio.resample(sine(rate_in), rate_in, rate_out)
    assert y.dtype == np.float32
    assert len(y) == rate_out // 2
    middle = slice(rate_out // 20, -rate_out // 20)  # the ends see the silence around the signal
    np.testing.assert_allclose(y[middle], sine(rate_out)[middle], atol=1e-5)


def test_resampling_agrees_with_scipy_on_a_band_limited_signal(noise):
    padded = np.pad(noise, 500)
    smooth = scipy.signal.sosfiltfilt(scipy.signal.butter(12, 0.3, output="sos"), padded)  # nothing above 0.6 of the new band
    expected = scipy.signal.resample(smooth, len(smooth) // 2)
    np.testing.assert_allclose(audio.resample(smooth, 44100, 22050), expected, atol=1e-4)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    x = np.sin(2 * np.pi * 10_000 * np.arange(22050) / 44100)
    assert np.abs(audio.resample(x, 44100, 16000)[1000:-1000]).max() < 1e-4


def test_channels_are_resampled_one_by_one(stereo):
    y = audio.resample(stereo, 44100, 16000)
    assert y.shape == (363, 2)
    np.testing.assert_allclose(y[:, 1], audio.resample(stereo[:, 1], 44100, 16000), atol=1e-6)


def test_reading_at_a_rate_is_reading_and_resampling(tmp_path, noise):
    audio.write(tmp_path / "a.wav", noise, 44100, bits=32)
    samples, rate = audio.read(tmp_path / "a.wav", sample_rate=16000)
    assert rate == 16000
    np.testing.assert_array_equal(samples, audio.resample(noise, 44100, 16000))


@pytest.mark.parametrize("rates", [(44100, 44101), (44100.1, 48000.37), (44100, 1), (1, 50_000), (1e-3, 3e-3), (192_000, 8000)])
def test_any_two_rates_within_reason_are_resampled_soon(rates):
    begun = time.perf_counter()
    y = audio.resample(np.ones(1000), *rates)
    assert time.perf_counter() - begun < 10
    assert len(y) == round(1000 * rates[1] / rates[0])
    if len(y) > 900:
        np.testing.assert_allclose(y[len(y) // 4 : -len(y) // 4], 1, atol=0.01)


@pytest.mark.parametrize("rates", [(1, 1e6), (1, 100_001), (1e6, 1), (1e-300, 1e300), (5e-324, 1)])
def test_rates_too_far_apart_are_an_argument_error_at_once(tmp_path, noise, rates):
    with pytest.raises(ArgumentError, match="is a ratio beyond 100,000"):
        audio.resample(noise, *rates)


def test_reading_at_a_rate_too_far_from_that_of_the_file_is_an_argument_error(tmp_path, noise):
    audio.write(tmp_path / "a.wav", noise, 1)
    with pytest.raises(ArgumentError, match="from 1 to 1000000 Hz is a ratio beyond 100,000"):
        audio.read(tmp_path / "a.wav", 1_000_000)


def test_more_samples_than_memory_holds_are_an_out_of_memory_error_before_any_work(monkeypatch):
    monkeypatch.setattr(audio, "_memory", lambda: 10**6)
    for error in (OutOfMemoryError, MemoryError, DGenError):
        with pytest.raises(error, match=r"1000 frames from 1 to 1000 Hz would be 0\.008 GB, more than the 0\.001 GB"):
            audio.resample(np.zeros((1000, 2)), 1, 1000)
    assert audio.resample(np.zeros((1000, 2)), 1, 100).shape == (100_000, 2)


def test_what_resampling_would_make_infinite_is_an_argument_error(tmp_path):
    square = np.float32(3e38) * np.sign(np.sin(np.arange(1000)))
    with pytest.raises(ArgumentError, match="become more than float32 holds"):
        audio.resample(square, 44100, 48000)
    with pytest.raises(ArgumentError, match="not all finite"):
        audio.resample([0.0, np.nan], 44100, 48000)


def test_resampling_nothing_gives_nothing():
    assert audio.resample(np.zeros(0), 44100, 16000).shape == (0,)
    assert audio.resample(np.zeros((0, 2)), 44100, 16000).shape == (0, 2)


# What is wrong with a file.


def files(folder):
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is not audio\n" * 100)
    (folder / "folder.wav").mkdir()
    audio.write(folder / "good.flac", np.random.default_rng(0).uniform(-1, 1, 20_000), 8000)
    data = (folder / "good.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])
    soundfile.write(folder / "no-samples.wav", np.zeros(0), 8000)
    soundfile.write(folder / "nan.wav", np.array([0.0, 1.0, np.nan]), 8000, "FLOAT")


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("missing.wav", "there is no such file"),
        ("folder.wav", "a folder"),
        ("empty.wav", "the file is empty"),
        ("text.wav", "not an audio file"),
        ("cut.flac", "damaged|not an audio file"),
        ("no-samples.wav", "holds no samples"),
        ("nan.wav", "frame 2 is not a finite number"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_input_error_that_names_it(tmp_path, file, says):
    files(tmp_path)
    with pytest.raises(InputError, match=rf"audio\.read: .*{file}: .*({says})"):
        audio.read(tmp_path / file)


def test_what_the_system_does_not_let_be_read_is_also_its_own_error(tmp_path, monkeypatch):
    files(tmp_path)
    for read in (audio.read, audio.blocks):
        for place in (tmp_path / "missing.wav", tmp_path / "good.flac" / "in a file.wav"):
            for error in (FileNotFoundError, dg.MissingFileError, InputError, ValueError):
                with pytest.raises(error, match=r"there is no such file$"):
                    read(place)
        for error in (OSError, dg.ReadError, InputError):
            with pytest.raises(error, match=r"this is a folder, not a file$") as caught:
                read(tmp_path / "folder.wav")
            assert not isinstance(caught.value, FileNotFoundError)
        for name in ("empty.wav", "text.wav", "cut.flac"):  # it was read, and is no audio
            with pytest.raises(InputError) as caught:
                read(tmp_path / name)
            assert not isinstance(caught.value, OSError)

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.stat", denied)
    with pytest.raises(dg.ReadError, match=r"the system does not let it be read: Permission denied$"):
        audio.read(tmp_path / "good.flac")


@pytest.mark.parametrize("span", [{"start": 1000}, {"start": 999, "frames": 2}, {"frames": 1001}])
def test_a_range_beyond_the_end_is_an_input_error_with_both_lengths(tmp_path, noise, span):
    audio.write(tmp_path / "a.wav", noise, 8000)
    with pytest.raises(InputError, match="were asked for, the file has 1000"):
        audio.read(tmp_path / "a.wav", **span)


@pytest.mark.parametrize(
    "wrong", [{"start": -1}, {"frames": 0}, {"frames": 1.5}, {"sample_rate": 0}, {"sample_rate": "44100"}, {"mono": 3}]
)
def test_a_bad_argument_of_read_is_an_argument_error(tmp_path, noise, wrong):
    audio.write(tmp_path / "a.wav", noise, 8000)
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        audio.read(tmp_path / "a.wav", **wrong)


@pytest.mark.parametrize(
    ("file", "samples", "arguments", "says"),
    [
        ("a.wav", [0.0, 1.5], {}, r"up to 1\.5 would be clipped .* bits=32"),
        ("a.flac", [0.0, -1.5], {}, r"up to 1\.5 would be clipped .* quieter$"),
        ("a.wav", [0.0, np.nan], {"bits": 32}, "finite"),
        ("a.wav", [], {}, "no samples"),
        ("a.mp3", [0.0], {}, r"\.wav, \.flac"),
        ("a", [0.0], {}, r"\.wav, \.flac"),
        ("a.wav", [0.0], {"bits": 8}, "16, 24, 32"),
        ("a.flac", [0.0], {"bits": 32}, "16, 24"),
        ("a.wav", [0.0], {"sample_rate": 44100.5}, "whole"),
        *(("a.wav", [0.0], {"sample_rate": rate}, "above 0") for rate in (-1, 0, np.nan, np.inf, -np.inf)),
        *(("a.wav", [0.0], {"sample_rate": rate}, "up to 1024 channels and 2147483647 Hz") for rate in (2**31, 2.0**40)),
        ("a.flac", [0.0], {"sample_rate": 655_351}, "up to 8 channels and 655350 Hz"),
        ("a.flac", [0.0], {"sample_rate": 65_537}, "cannot be written in this format"),
        *(("a.wav", [0.0], {"sample_rate": rate}, "sample_rate=") for rate in (10**400, "44100", None, [1, 2], True, 1j)),
        ("a.wav", np.zeros((2000, 1025)), {}, "1025 channels .* up to 1024 channels"),
        *(
            ("a.wav", np.zeros(shape), {"bits": bits}, rf"{a} frames of {b} channels, or {b} frames of {a} channels")
            for shape in ((2, 1000), (1, 1000), (1, 17), (6, 100), (2, 2000))
            for (a, b), bits in ((shape, 16), (shape, 32))
        ),
        ("a.flac", np.zeros((2, 1000)), {}, "channels come last"),
        ("a.flac", [0.0], {"sample_rate": 2_000_000}, "cannot be written in this format"),
        ("a.flac", np.zeros((5, 9)), {}, "9 channels .* cannot be written"),
        ("no/a.wav", [0.0], {}, "no folder"),
        ("a.wav", "samples", {}, "not a number"),
    ],
)
def test_what_cannot_be_written_is_an_argument_error_and_leaves_nothing(tmp_path, file, samples, arguments, says):
    with pytest.raises(ArgumentError, match=says):
        audio.write(tmp_path / file, samples, **{"sample_rate": 44100, **arguments})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 8), (2, 16), (100, 64), (1000, 1024)])
def test_few_frames_of_many_channels_are_written(tmp_path, shape):
    audio.write(tmp_path / "a.wav", np.zeros(shape), 8000)
    assert audio.read(tmp_path / "a.wav", mono=False)[0].shape == shape


def test_channels_first_are_an_argument_error_of_resample_too():
    with pytest.raises(ArgumentError, match="2 frames of 1000 channels, or 1000 frames of 2 channels"):
        audio.resample(np.zeros((2, 1000)), 44100, 48000)


def test_the_highest_rate_of_a_format_is_written_and_read(tmp_path):
    for file, rate in (("a.wav", 2**31 - 1), ("a.flac", 655_350), ("a.flac", 65_535)):
        audio.write(tmp_path / file, [0.0, 0.5], rate)
        assert audio.read(tmp_path / file)[1] == rate


def test_more_samples_than_a_format_holds_are_an_argument_error(tmp_path, noise, monkeypatch):
    monkeypatch.setitem(audio.FORMATS, ".wav", audio.FORMATS[".wav"]._replace(most_bytes=2000))
    audio.write(tmp_path / "a.wav", noise, 8000)
    with pytest.raises(ArgumentError, match=r"1000 frames of 1 channels of 24 bits .* more than the 4 GB"):
        audio.write(tmp_path / "a.wav", noise, 8000, bits=24)


def test_samples_of_another_rank_are_a_shape_error(tmp_path):
    with pytest.raises(ShapeError, match=r"\(1, 2, 3\)"):
        audio.write(tmp_path / "a.wav", np.zeros((1, 2, 3)), 44100)
    with pytest.raises(ShapeError, match=r"\(\)"):
        audio.resample(1.0, 44100, 16000)


@pytest.mark.parametrize("rates", [(0, 44100), (44100, -1), (np.nan, 44100), ("fast", 44100), (44100, True)])
def test_a_bad_rate_is_an_argument_error(noise, rates):
    with pytest.raises(ArgumentError, match="rate_"):
        audio.resample(noise, *rates)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, noise, monkeypatch):
    audio.write(tmp_path / "a.wav", noise, 44100)
    before = (tmp_path / "a.wav").read_bytes()

    def full_disk(file, *args, **kwargs):
        file.write(b"half of a header")
        raise OSError("no space left on device")

    monkeypatch.setattr(soundfile, "write", full_disk)
    with pytest.raises(OSError, match="no space left"):
        audio.write(tmp_path / "a.wav", noise[:10], 44100)
    assert (tmp_path / "a.wav").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_package_is_a_backend_error_with_the_fix(tmp_path, noise, monkeypatch, package):
    audio.write(tmp_path / "a.wav", noise, 44100)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match=rf'{package} is not installed.*pip install "dgenlazy\[audio\]"'):
        audio.read(tmp_path / "a.wav", sample_rate=16000)
