"""How values look."""

import sys

import numpy as np
import pytest

from dgenlazy import ArgumentError, BackendError, ShapeError, Signal, Tensor, display

pytest.importorskip("matplotlib").use("Agg")
pytest.importorskip("IPython")


@pytest.fixture(autouse=True)
def figures_closed():
    yield
    sys.modules["matplotlib"].pyplot.close("all")


def test_a_waveform_shows_every_sample_of_every_lane_in_time():
    samples = np.arange(12.0).reshape(4, 3)
    lines = display.plot(samples, 1000.0).get_lines()
    np.testing.assert_allclose(np.stack([line.get_ydata() for line in lines], 1), samples)
    np.testing.assert_allclose(lines[0].get_xdata(), [0, 1, 2, 3], rtol=1e-6)  # ms
    assert [line.get_label() for line in lines] == ["0", "1", "2"]


def test_a_spectrum_peaks_at_the_frequency_of_a_sine():
    sine = np.sin(2 * np.pi * 1000 * np.arange(800) / 8000)
    line = display.plot(sine, 8000.0, "spectrum").get_lines()[0]
    assert line.get_xdata()[np.argmax(line.get_ydata())] == 1000
    assert line.get_ydata().max() == 0


def test_a_spectrogram_peaks_at_the_frequency_of_a_sine_all_the_time():
    sine = np.sin(2 * np.pi * 1000 * np.arange(8192) / 8000)
    mesh = display.plot(sine, 8000.0, "spectrogram").collections[0]
    level = mesh.get_array()
    assert (np.argmax(level, axis=0) == 128).all()  # of windows of 1024


@pytest.mark.parametrize("kind", display.PLOTS)
@pytest.mark.parametrize("frames", [1, 2, 63, 65])
def test_short_and_silent_runs_are_drawn(kind, frames):
    display.plot(np.zeros(frames), 8000.0, kind)


def test_what_cannot_be_drawn_is_an_error():
    with pytest.raises(ArgumentError, match=r"kind='wave' is not one of waveform, spectrum, spectrogram"):
        display.plot([0.0], 8000.0, "wave")
    with pytest.raises(ShapeError, match=r"\(0,\) has no frames"):
        display.plot([], 8000.0)
    with pytest.raises(ShapeError, match="one lane"):
        display.plot(np.zeros((8, 2)), 8000.0, "spectrogram")


def test_a_player_holds_the_samples_as_16_bit_wav():
    data = display.player(np.array([0.0, 0.5, -1.0]), 8000.0).data
    np.testing.assert_array_equal(np.frombuffer(data[-6:], "<i2"), [0, 16383, -32767])


def test_a_player_scales_down_what_is_too_loud():
    data = display.player(np.array([0.0, 2.0, -1.0]), 8000.0).data
    np.testing.assert_array_equal(np.frombuffer(data[-6:], "<i2"), [0, 32767, -16383])


def test_a_player_takes_finite_mono_or_stereo():
    assert display.player(np.zeros((5, 2)), 8000.0).data[22] == 2  # channels, in the header of a WAV file
    with pytest.raises(ShapeError, match=r"got \(5, 3\)"):
        display.player(np.zeros((5, 3)), 8000.0)
    with pytest.raises(ArgumentError, match="infinite or not numbers"):
        display.player([np.nan], 8000.0)


@pytest.mark.parametrize(("call", "package"), [(display.plot, "matplotlib"), (display.player, "IPython")])
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, call, package):
    for module in ("matplotlib.pyplot", "IPython.display"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BackendError, match=rf'{package} is not installed .*; pip install "dgenlazy\[notebook\]"'):
        call([0.0, 1.0], 8000.0)


def test_html_escapes_and_folds_the_program():
    text = Signal.phasor(440.0).biquad(1000, mode="highpass")._repr_html_()
    assert "<details>" in text
    assert "mode=&#x27;highpass&#x27;" in text


def test_html_of_a_large_graph_stays_small():
    x = Tensor([1.0])
    for _ in range(1000):
        x = x.sin()
    assert len(x._repr_html_().splitlines()) < 110
    assert "902 more lines" in x._repr_html_()
