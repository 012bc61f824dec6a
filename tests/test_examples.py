"""The examples run as a user runs them, and do what they say."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import audio

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT.parent / "shared" / "audio"


def run(script, *arguments, succeeds=True):
    """The two streams of a run, stdout and stderr."""
    command = [sys.executable, str(ROOT / "examples" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert (done.returncode == 0) == succeeds, done.stderr
    return done.stdout, done.stderr


def numbers(pattern, text):
    found = re.search(pattern, text)
    assert found, text
    return [float(number) for number in found.groups()]


def losses(stderr):
    return [float(number) for number in re.findall(r"loss ([0-9.e+-]+)", stderr)]


def is_picture(file):
    data = file.read_bytes()
    return data.startswith(b"\x89PNG") and len(data) > 20_000


def rbj_lowpass(x, cutoff, q, sample_rate):
    """The lowpass of the Audio EQ Cookbook, written down from it: what sox runs as well."""
    w = 2 * np.pi * cutoff / sample_rate
    alpha = np.sin(w) / (2 * q)
    b = np.array([1 - np.cos(w), 2 * (1 - np.cos(w)), 1 - np.cos(w)]) / 2
    a = [1 + alpha, -2 * np.cos(w), 1 - alpha]
    return scipy.signal.lfilter(b, a, x.astype(np.float64))


FOUND = r"cutoff ([\d.]+) Hz, q ([\d.]+), error (-?[\d.]+) dB"


def test_train_filter_finds_the_filter_of_its_data_from_an_octave_away(tmp_path):
    stdout, stderr = run("train_filter.py", "--output", tmp_path / "results")
    cutoff, q, error_db = numbers(FOUND, stdout)
    assert cutoff == pytest.approx(2200, rel=0.01)
    assert q == pytest.approx(1.4, rel=0.03)
    assert error_db < -60
    falling = losses(stderr)
    assert falling[-1] < 1e-4 * falling[0]
    assert is_picture(tmp_path / "results" / "filter.png")
    result, rate = audio.read(tmp_path / "results" / "filtered.wav")
    target, _ = audio.read(ROOT / "examples" / "data" / "speech-lowpass.wav")
    assert rate == 22050
    assert np.mean((result - target) ** 2) < 1e-6 * np.mean(target**2)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of ../shared/audio are not here")
def test_train_filter_finds_another_filter_on_natural_speech(tmp_path):
    x, rate = audio.read(RECORDINGS / "speech-female.wav")
    audio.write(tmp_path / "dry.wav", 0.5 * x, rate)
    audio.write(tmp_path / "wet.wav", rbj_lowpass(0.5 * x, 430.0, 2.5, rate), rate)
    files = "--input", tmp_path / "dry.wav", "--target", tmp_path / "wet.wav", "--output", tmp_path
    for start in (215, 860):
        stdout, _ = run("train_filter.py", *files, "--cutoff", start, "--steps", 300)
        cutoff, q, error_db = numbers(FOUND, stdout)
        assert cutoff == pytest.approx(430, rel=0.01)
        assert q == pytest.approx(2.5, rel=0.03)
        assert error_db < -40


def test_train_filter_takes_files_of_unequal_length_and_trains_on_their_loudest_part(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).clip(-3, 3)
    noise[:8000] *= 0.01
    audio.write(tmp_path / "dry.flac", noise, 16000)
    audio.write(tmp_path / "wet.flac", rbj_lowpass(noise, 3000.0, 0.9, 16000)[:15000], 16000)
    files = "--input", tmp_path / "dry.flac", "--target", tmp_path / "wet.flac", "--output", tmp_path
    stdout, _ = run("train_filter.py", *files, "--frames", 4000, "--steps", 150)
    assert "16000 frames, --target 15000" in stdout
    cutoff, q, _ = numbers(FOUND, stdout)
    assert cutoff == pytest.approx(3000, rel=0.01)
    assert q == pytest.approx(0.9, rel=0.03)
    assert len(audio.read(tmp_path / "filtered.wav")[0]) == 15000


def test_train_filter_says_when_a_lowpass_does_not_explain_the_target(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    audio.write(tmp_path / "dry.wav", noise, 16000)
    audio.write(tmp_path / "other.wav", noise[::-1], 16000)
    files = "--input", tmp_path / "dry.wav", "--target", tmp_path / "other.wav", "--output", tmp_path
    stdout, stderr = run("train_filter.py", *files, "--steps", 5, succeeds=False)
    assert "more than a lowpass explains" in stdout
    assert "found" not in stdout
    assert "Traceback" not in stderr


@pytest.mark.parametrize(("gain", "delay"), [(-0.5, 37), (2.0, -100)])
def test_train_filter_finds_gain_polarity_and_delay(tmp_path, gain, delay):
    x, rate = audio.read(ROOT / "examples" / "data" / "speech.wav")
    wet = 0.4 * gain * rbj_lowpass(x, 900.0, 1.7, rate)
    wet = np.concatenate([np.zeros(delay), wet])[: len(x)] if delay > 0 else np.concatenate([wet[-delay:], np.zeros(-delay)])
    audio.write(tmp_path / "dry.wav", 0.4 * x, rate, bits=32)
    audio.write(tmp_path / "wet.wav", wet, rate, bits=32)
    files = "--input", tmp_path / "dry.wav", "--target", tmp_path / "wet.wav", "--output", tmp_path
    stdout, _ = run("train_filter.py", *files, "--steps", 200, "--frames", 20000)
    cutoff, q, _ = numbers(FOUND, stdout)
    assert cutoff == pytest.approx(900, rel=0.02)
    assert q == pytest.approx(1.7, rel=0.02)
    assert numbers(r"gain (-?[\d.]+)", stdout)[0] == pytest.approx(gain, rel=0.02)
    assert f"{abs(delay)} frames {'late' if delay > 0 else 'early'}" in stdout
    assert stdout.startswith("found")


@pytest.mark.parametrize(
    ("script", "arguments", "says"),
    [
        ("train_filter.py", ["--input", "speech.wav"], "--input and --target belong together"),
        (
            "train_filter.py",
            ["--input", "no.wav", "--target", "no.wav"],
            "train_filter: audio.read: no.wav: there is no such file",
        ),
        ("train_filter.py", ["--input", "tone.wav", "--target", "slow.wav"], "--input has 44100 Hz, --target 22050 Hz"),
        ("train_filter.py", ["--input", "tone.wav", "--target", "silence.wav"], "--target is silent"),
        ("train_filter.py", ["--input", "silence.wav", "--target", "tone.wav"], "--input is silent"),
        ("train_filter.py", ["--steps", "0"], "--steps: 0 is not at least 1"),
        ("train_filter.py", ["--cutoff", "20000"], "the first guess is outside of 20 to 10804 Hz"),
        ("train_filter.py", ["--input", "far.wav", "--target", "far.wav", "--steps", "3"], "the loss is nan in step 1"),
        ("train_filter.py", ["--output", "text.wav", "--steps", "1"], "train_filter: [Errno 17] File exists"),
        ("train_filter.py", ["--q", "nan"], "--q: nan is not above 0"),
        ("train_filter.py", ["--steps", "many"], "--steps: many is not a whole number"),
        ("neural_synthesis.py", ["--target", "farther.wav", "--f0", "100", "--steps", "3"], "the loss is "),
        ("neural_synthesis.py", ["--target", "tone.wav"], "--target takes --f0"),
        ("neural_synthesis.py", ["--f0", "-1"], "--f0: -1 is not above 0"),
        ("neural_synthesis.py", ["--f0", "22050"], "not below half of the sample rate"),
        ("neural_synthesis.py", ["--target", "silence.wav", "--f0", "100"], "--target is silent"),
        ("neural_synthesis.py", ["--target", "text.wav", "--f0", "100"], "not an audio file"),
        ("spectral_freeze.py", ["--freeze", "2", "1"], "--freeze 2 1: it ends before it begins"),
        ("spectral_freeze.py", ["--input", "silence.wav"], "spectral_freeze: --input is silent"),
        ("stft_mask.py", ["--snr", "100"], "--snr 100 is not in -60 to 60 dB"),
        ("stft_mask.py", ["--input", "text.wav"], "stft_mask: "),
        ("gru_voice.py", ["--input", "silence.wav"], "gru_voice: --input is silent"),
        ("resynthesise.py", ["--input", "silence.wav"], "resynthesise: --input is silent"),
        ("resynthesise.py", ["--input", "tone.wav", "--low", "500", "--high", "100"], "resynthesise: "),
    ],
)
def test_a_wrong_argument_is_one_clear_line(tmp_path, script, arguments, says):
    tone = 0.5 * np.sin(np.arange(1000) / 10)
    audio.write(tmp_path / "tone.wav", tone, 44100)
    audio.write(tmp_path / "slow.wav", tone, 22050)
    audio.write(tmp_path / "silence.wav", 0 * tone, 44100)
    audio.write(tmp_path / "far.wav", 1e30 * tone, 44100, bits=32)  # its square is beyond float32
    audio.write(tmp_path / "farther.wav", 6e38 * tone, 44100, bits=32)  # its spectrum is, too
    (tmp_path / "text.wav").write_text("not audio" * 100)
    made = {p.name for p in tmp_path.iterdir()}
    _, stderr = run(script, *[str(tmp_path / a) if a in made else a for a in arguments], succeeds=False)
    assert says in stderr
    assert "Traceback" not in stderr


SPECTRUM = r"loss ([\d.]+) -> ([\d.]+), spectrum off by ([\d.]+)%"


def test_neural_synthesis_learns_its_generated_note(tmp_path):
    stdout, stderr = run("neural_synthesis.py", "--output", tmp_path / "results", "--steps", 150, "--frames", 22050)
    first, last, off = numbers(SPECTRUM, stdout)
    assert last < 0.1 * first  # what is left is where the note begins and ends
    assert off < 5
    falling = losses(stderr)
    assert falling[-1] < 0.1 * falling[0]
    assert is_picture(tmp_path / "results" / "synthesis.png")
    target, rate = audio.read(tmp_path / "results" / "target.wav")
    result, _ = audio.read(tmp_path / "results" / "synthesis.wav")
    assert rate == 44100
    assert len(result) == len(target) == 22050
    loudness = np.sqrt(np.mean(result**2) / np.mean(target**2))
    assert loudness == pytest.approx(1, abs=0.1)


def test_neural_synthesis_plays_a_recording_at_its_own_rate(tmp_path):
    time = np.arange(8000) / 16000
    note = 0.3 * np.sin(2 * np.pi * 300 * time) * time + 0.1 * np.sin(2 * np.pi * 600 * time)
    audio.write(tmp_path / "note.wav", note, 16000)
    stdout, _ = run("neural_synthesis.py", "--target", tmp_path / "note.wav", "--f0", 300, "--output", tmp_path, "--steps", 100)
    first, last, _ = numbers(SPECTRUM, stdout)
    assert last < 0.1 * first
    assert audio.read(tmp_path / "synthesis.wav")[1] == 16000


def test_spectral_freeze_is_the_same_whole_and_in_blocks_and_holds_the_sound_while_the_gate_is_on(tmp_path):
    time = np.arange(24000) / 16000
    audio.write(tmp_path / "sweep.wav", 0.3 * np.sin(2 * np.pi * (400 + 400 * time) * time), 16000)
    files = "--input", tmp_path / "sweep.wav", "--output", tmp_path / "results"
    stdout, _ = run("spectral_freeze.py", *files, "--freeze", 0.5, 1.0, "--block", 777)
    latency, milliseconds, block, off = numbers(
        r"latency (\d+) frames \(([\d.]+) ms\)\n.* blocks of (\d+): .* for ([\d.e+-]+)", stdout
    )
    assert (latency, block) == (1023, 777)
    assert milliseconds == pytest.approx(63.9)
    assert off < 1e-5
    assert is_picture(tmp_path / "results" / "freeze.png")
    frozen, rate = audio.read(tmp_path / "results" / "frozen.wav")

    def loudest_hz(second):
        part = frozen[int(second * rate) :][:2048] * np.hanning(2048)
        return np.abs(np.fft.rfft(part, 32768)).argmax() * rate / 32768

    held = [loudest_hz(second) for second in (0.55, 0.7, 0.85)]  # a sweep of 800 Hz a second, which then stands still
    assert held == pytest.approx([800 * 0.48 + 400] * 3, abs=25)
    assert np.ptp(held) < 10
    assert loudest_hz(1.2) == pytest.approx(800 * 1.264 + 400, abs=25)


def test_stft_mask_takes_out_noise_where_it_was_not_learned(tmp_path):
    stdout, stderr = run("stft_mask.py", "--output", tmp_path / "results", "--steps", 40)
    before, after = numbers(r"never heard: SNR (-?[\d.]+) dB -> (-?[\d.]+) dB", stdout)
    assert before == pytest.approx(5, abs=1)
    assert after > before + 6
    falling = losses(stderr)
    assert falling[-1] < 0.3 * falling[0]
    assert is_picture(tmp_path / "results" / "mask.png")
    x, rate = audio.read(ROOT / "examples" / "data" / "speech.wav")
    cleaned, _ = audio.read(tmp_path / "results" / "cleaned.wav")
    assert rate == 22050
    part = slice(int(0.6 * len(x)), None)
    snr = 10 * np.log10(np.mean(x[part] ** 2) / np.mean((cleaned[part] - x[part]) ** 2))
    assert snr == pytest.approx(after, abs=0.1)


def test_resynthesise_comes_near_to_a_recording(tmp_path):
    arguments = ["--output", tmp_path / "results", "--seconds", 0.4, "--steps", 25]
    stdout, _ = run("resynthesise.py", *arguments)
    first, last, less = numbers(r"spectral distance ([\d.]+) -> ([\d.]+), (\d+) % less", stdout)
    assert last < 0.5 * first
    assert less == pytest.approx(100 * (1 - last / first), abs=1)
    assert is_picture(tmp_path / "results" / "resynthesis.png")
    original, rate = audio.read(tmp_path / "results" / "original.wav")
    result, _ = audio.read(tmp_path / "results" / "resynthesis.wav")
    assert rate == 22050
    assert len(result) == len(original) == int(0.4 * rate)
    of = lambda x: np.abs(np.fft.rfft(x.reshape(-1, 490) * np.hanning(490)))  # noqa: E731
    off = np.linalg.norm(of(result) - of(original)) / np.linalg.norm(of(original))
    assert off < 0.6  # by a distance that was not trained on


def test_resynthesise_takes_a_recording_that_begins_with_silence(tmp_path):
    rate = 22050
    time = np.arange(int(0.3 * rate)) / rate
    x = 0.3 * scipy.signal.sawtooth(2 * np.pi * 220 * time)
    x[: len(x) // 2] = 0
    audio.write(tmp_path / "in.wav", x, rate, bits=32)
    stdout, _ = run("resynthesise.py", "--input", tmp_path / "in.wav", "--output", tmp_path / "results", "--steps", 12)
    assert "nan" not in stdout
    first, last = numbers(r"spectral distance ([\d.]+) -> ([\d.]+)", stdout)
    assert last < 0.9 * first
    before, after = numbers(r"log-mel distance, not trained on: ([\d.]+) -> ([\d.]+) dB", stdout)
    assert after < before
    original, _ = audio.read(tmp_path / "results" / "original.wav")
    result, got = audio.read(tmp_path / "results" / "resynthesis.wav")
    assert got == rate
    assert len(result) == len(x)
    assert np.isfinite(result).all()
    assert 0.1 < np.linalg.norm(result) / np.linalg.norm(original) < 10


def test_gru_voice_learns_from_loudness_and_pitch_alone(tmp_path):
    stdout, stderr = run("gru_voice.py", "--output", tmp_path / "results", "--steps", 25, "--frames", 12000)
    first, last, off = numbers(SPECTRUM, stdout)
    assert last < 0.75 * first
    assert off < 100
    assert losses(stderr)[0] == pytest.approx(first, abs=1e-3)
    assert is_picture(tmp_path / "results" / "voice.png")
    target, rate = audio.read(tmp_path / "results" / "target.wav")
    result, _ = audio.read(tmp_path / "results" / "synthesis.wav")
    assert rate == 16000
    assert len(result) == len(target) == 12000
    assert np.corrcoef(level(target), level(result))[0, 1] > 0.6


def level(samples, hop=400):
    return np.sqrt(np.mean(samples.reshape(-1, hop) ** 2, axis=1))


# Chosen on its own: none of these settings, and nothing like this sound, was in the training.
AMP_SETTINGS = [(cutoff, drive) for cutoff in (330.0, 700.0, 1500.0, 2500.0) for drive in (0.55, 1.2, 3.3)]


def test_neural_amp_learns_and_tells_what_it_reaches_at_each_setting(tmp_path):
    stdout, _ = run("neural_amp.py", "--output", tmp_path, "--steps", 40, "--seed", 3)
    first, last = numbers(r"loss ([\d.]+) -> ([\d.]+)", stdout)
    assert last < 0.2 * first
    assert len(re.findall(r"cutoff .* drive .* ESR", stdout)) == 12
    assert (tmp_path / "neural_amp.safetensors").stat().st_size < 200_000


def test_the_neural_amp_of_the_repository_imitates_the_ladder_where_it_was_not_trained(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    neural_amp = importlib.import_module("neural_amp")
    learned = neural_amp.weights()
    data = ROOT / "examples" / "data"
    dg.load_params(data / "neural_amp.safetensors", learned)
    samples, rate = audio.read(data / "speech.wav")
    speech = audio.resample(samples, rate, neural_amp.RATE)[:12000]
    with dg.DGen.override(sample_rate=neural_amp.RATE):
        errors = neural_amp.table(learned, 0.7 * speech / abs(speech).max(), AMP_SETTINGS)
    assert errors.shape == (12,)
    assert errors.max() < 0.01
