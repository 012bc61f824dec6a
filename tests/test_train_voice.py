"""The training script: a killed and resumed run is the run that was not killed, and bad files do no harm."""

import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from dgenlazy import audio

checkpoints = pytest.importorskip("checkpoints", reason="the extra `train` is not installed")
voice_data = pytest.importorskip("voice_data", reason="the extra `train` is not installed")
train_voice = pytest.importorskip("train_voice", reason="the extra `train` is not installed")
soundfile = pytest.importorskip("soundfile", reason="the extra `train` is not installed")
pytest.importorskip("matplotlib", reason="the extra `train` is not installed")

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT.parent / "shared" / "audio"
KILLS = int(os.environ.get("DGENLAZY_KILLS", "2"))
RATE, FRAMES = 4000, 400
TINY = ["--rate", RATE, "--seconds", FRAMES / RATE, "--batch", 2, "--checkpoint-every", 4, "--validate-every", 6]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """One cache of compiled programs for all processes of these tests."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    return os.environ | cache


@pytest.fixture(scope="module")
def whole(tmp_path_factory, environment):
    """The folder of a run that nothing interrupts, and its arguments."""
    out = tmp_path_factory.mktemp("whole") / "run"
    steps = "--steps", 60 * max(KILLS, 2)
    run(environment, out, *steps)
    return out, steps


def start(environment, out, *arguments):
    script = ROOT / "examples" / "train_voice.py"
    command = map(str, [sys.executable, script, "--backend", "cpu", *TINY, "--out", out, *arguments])
    return subprocess.Popen([*command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def run(environment, out, *arguments, code=0):
    """What a run printed that ended by itself."""
    process = start(environment, out, *arguments)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == code, printed
    assert "Traceback" not in printed
    return printed


def wait(process, condition):
    """Until it holds, or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.001)


def assert_same_run(out, other):
    """Parameters, optimizer, best checkpoint and log, to the last bit; seconds aside."""
    for name in (checkpoints.LATEST, checkpoints.BEST):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name
    assert log_of(out) == log_of(other)


def log_of(out):
    lines = (out / "log.jsonl").read_text().splitlines()
    return [{name: x for name, x in json.loads(line).items() if name != "seconds"} for line in lines]


# Killed, interrupted, resumed.


def kill_at_random(process, log, moments):
    """Kill a process while it trains, most of the time; otherwise while it starts, which takes longest by far."""
    before = log.stat().st_ino if log.exists() else None
    if moments.random() < 0.8:
        wait(process, lambda: log.exists() and log.stat().st_ino != before)  # a log that is cut is a new file
        lines = len(log.read_bytes().splitlines()) + moments.randint(1, 70)
        wait(process, lambda: len(log.read_bytes().splitlines()) >= lines)
        time.sleep(moments.uniform(0, 0.05))  # anywhere in a step or a save
    else:
        time.sleep(moments.uniform(0, 6))
    process.kill()
    process.communicate()


def test_a_run_killed_at_random_moments_and_resumed_is_the_run_that_was_not(tmp_path, environment, whole):
    uninterrupted, steps = whole
    moments = random.Random(int(os.environ.get("DGENLAZY_KILL_SEED", "0")))
    out, kills = tmp_path / "killed", []
    while len(kills) < KILLS:
        process = start(environment, out, *steps, "--resume")
        kill_at_random(process, out / "log.jsonl", moments)
        if process.returncode == 0:  # it was through: that is one more run to compare, and another begins
            assert_same_run(out, uninterrupted)
            out = tmp_path / f"killed after {len(kills)}"
            continue
        assert process.returncode == -signal.SIGKILL
        unfinished = [p.name for p in out.iterdir() if p.name.startswith(".")] if out.exists() else []
        kills.append(f"killed after line {len(checkpoints.read_log(out / 'log.jsonl'))} of the log, unfinished: {unfinished}")
    print(*kills, sep="\n")
    run(environment, out, *steps, "--resume")
    assert_same_run(out, uninterrupted)
    assert len(log_of(out)) == steps[1] + steps[1] // 6 + 1


def test_ctrl_c_saves_the_step_it_was_in_and_the_run_goes_on_from_there(tmp_path, environment, whole):
    uninterrupted, steps = whole
    process = start(environment, tmp_path / "stopped", *steps)
    wait(process, lambda: len(checkpoints.read_log(tmp_path / "stopped" / "log.jsonl")) > 10)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    step = int(re.search(r"stopped after step (\d+)", printed)[1])
    assert 0 < step < steps[1]
    assert log_of(tmp_path / "stopped")[-1]["step"] == step
    run(environment, tmp_path / "stopped", *steps, "--resume")
    assert_same_run(tmp_path / "stopped", uninterrupted)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory, environment):
    """The folder of a run of 13 steps on the shipped recordings, and what it printed."""
    out = tmp_path_factory.mktemp("short") / "run"
    return out, run(environment, out, "--steps", 13)


def test_a_run_leaves_its_log_its_checkpoints_and_its_results(short_run):
    out, printed = short_run
    assert "2 recordings; 40 segments to learn from, 10 held out" in printed
    log = log_of(out)
    assert [e["step"] for e in log if "loss" in e] == list(range(1, 14))
    assert [e["step"] for e in log if "validation" in e] == [0, 6, 12, 13]
    assert log[-1]["validation"] < log[0]["validation"]
    for name in ("original.wav", "voice.wav"):
        samples, rate = audio.read(out / name)
        assert (rate, samples.ndim, len(samples) % FRAMES) == (RATE, 1, 0)
        assert samples.any()
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    assert not [p.name for p in out.iterdir() if p.name.startswith(".")]


def copy(folder, to):
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "is not empty; --resume goes on with the run there"),
        (["--resume", "--data", "changed"], "recordings: speech.wav was 54659 frames at 22050 Hz, checksum"),
        (["--resume", "--data", "short"], "no recording has two segments of 0.1 s"),
    ],
)
def test_what_cannot_go_on_says_why_and_changes_nothing(tmp_path, environment, short_run, arguments, says):
    out = copy(short_run[0], tmp_path / "run")
    for name in ("changed", "short"):
        (tmp_path / name).mkdir()
    audio.write(tmp_path / "short" / "blip.wav", np.ones(100), RATE)
    for file in (ROOT / "examples" / "data").glob("*.wav"):
        data = bytearray(file.read_bytes())
        data[5000] ^= file.name == "speech.wav"  # one bit of one sample
        (tmp_path / "changed" / file.name).write_bytes(data)
    before = {p: p.read_bytes() for p in out.iterdir()}
    given = [tmp_path / a if a in ("changed", "short") else a for a in arguments]
    assert says in run(environment, out, "--steps", 14, *given, code=1)
    assert {p: p.read_bytes() for p in out.iterdir()} == before


def test_a_folder_is_entered_by_the_run_that_began_there_only(tmp_path):
    begun = {"settings": {"rate": 8000, "lr": 0.1}, "recordings": {"a.wav": "1 frame", "b.wav": "2 frames"}}
    checkpoints.enter(tmp_path / "new" / "run", begun, resume=False)
    checkpoints.enter(tmp_path / "new" / "run", begun, resume=True)
    for part, changed, says in (
        ("settings", {"rate": 8000, "lr": 0.2}, "settings: lr was 0.1, and is 0.2"),
        ("settings", {"lr": 0.1}, "settings: rate was 8000, and is not there"),
        ("recordings", {"a.wav": "1 frame"}, "recordings: b.wav was 2 frames, and is not there"),
    ):
        with pytest.raises(checkpoints.Refused, match=says):
            checkpoints.enter(tmp_path / "new" / "run", begun | {part: changed}, resume=True)
    with pytest.raises(checkpoints.Refused, match="not empty"):
        checkpoints.enter(tmp_path / "new" / "run", begun, resume=False)
    with pytest.raises(checkpoints.Refused, match="no run to resume"):
        checkpoints.enter(tmp_path, begun, resume=True)
    checkpoints.enter(tmp_path / "other", begun, resume=True)
    (tmp_path / "other" / "run.json").write_text('{"settings": {"ra')
    with pytest.raises(checkpoints.Damaged, match=r"run\.json"):
        checkpoints.enter(tmp_path / "other", begun, resume=True)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_leads_to_the_same_end(tmp_path, environment, short_run):
    out = copy(short_run[0], tmp_path / "run")
    latest = out / checkpoints.LATEST
    latest.write_bytes(latest.read_bytes()[:-1000])
    (out / "log.jsonl").write_text((out / "log.jsonl").read_text() + '{"step": 14, "lo')
    printed = run(environment, out, "--steps", 13, "--resume")
    assert "latest.safetensors" in printed
    assert "going on from previous.safetensors" in printed
    assert_same_run(out, short_run[0])


# Validations that are no numbers.


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs 12 steps, of which none changes anything, with the losses of the validations of steps 0, 6 and 12 as given."""

    def run(validations, *arguments, out="run"):
        left = list(validations)

        def pretended(voice, optimizer):
            return lambda *learned_and_batch: (*learned_and_batch[:2], 1.0), lambda _, batch: np.full(
                len(batch["audio"]), left[0]
            )

        validate = train_voice.Run.validate

        def judged(self):
            loss = validate(self)
            left.pop(0)
            return loss

        command = ["train_voice.py", "--backend", "cpu", *TINY, "--out", tmp_path / out, "--steps", 12, *arguments]
        with monkeypatch.context() as patch:
            patch.setattr(train_voice, "compiled", pretended)
            patch.setattr(train_voice.Run, "validate", judged)
            patch.setattr(train_voice, "resynthesis", lambda run, params: (noise(RATE), noise(RATE)))
            patch.setattr(sys, "argv", [*map(str, command)])
            train_voice.main()
        return tmp_path / out

    before = jax.config.jax_default_device
    yield run
    jax.config.update("jax_default_device", before)


@pytest.mark.parametrize(
    ("validations", "best"),
    [([np.nan, 0.5, 0.7], 6), ([np.nan, np.inf, 0.5], 12), ([0.5, np.nan, 0.4], 12), ([0.5, -np.inf, np.nan], 0)],
)
def test_a_validation_that_is_no_number_is_never_the_best_and_blocks_no_other(trained, capsys, validations, best):
    out = trained(validations)
    seen = capsys.readouterr()
    for step, loss in zip((0, 6, 12), validations):
        assert (f"validation is {loss} at step {step}, and does not count" in seen.err) == (not np.isfinite(loss))
    assert f"at step {best}; see" in seen.out
    with checkpoints.safe_open(out / checkpoints.BEST, framework="numpy") as file:
        assert json.loads(file.metadata()["run"])["state"]["best"] == {"step": best, "validation": validations[best // 6]}


def test_a_run_without_any_validation_that_is_a_number_fails_and_says_at_which_steps(trained):
    with pytest.raises(checkpoints.Refused, match=r"no validation .* \(nan at step 0, inf at step 6, nan at step 12\)"):
        trained([np.nan, np.inf, np.nan])


def test_a_run_is_resumed_whose_best_validation_is_none_or_no_number(trained, tmp_path, capsys):
    with pytest.raises(checkpoints.Refused, match="no validation"):
        trained([np.nan] * 3)
    trained([0.25], "--resume", "--steps", 13)
    assert "at step 13; see" in capsys.readouterr().out
    assert [e["step"] for e in log_of(tmp_path / "run") if "validation" in e] == [0, 6, 12, 13]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of ../shared/audio are not here")
def test_it_learns_from_natural_recordings(tmp_path, environment):
    full = "--rate", 16000, "--seconds", 0.5, "--batch", 8  # what users get: 0.1 s of 4 kHz can sit in silence for 200 steps
    run(environment, tmp_path, "--data", RECORDINGS, "--steps", 80, "--validate-every", 40, "--checkpoint-every", 40, *full)
    validation = [e["validation"] for e in log_of(tmp_path) if "validation" in e]
    assert validation[-1] < 0.75 * validation[0]


# Checkpoints.


def tree_of(step):
    values = np.arange(6, dtype=np.float32).reshape(2, 3) + step
    return {"params": {"a": values}, "optimizer": (np.array(step, np.int32), {"a": -values})}


def saved(folder, step):
    checkpoints.save(folder, tree_of(step), {"step": step, "best": {"validation": 0.1 + step}})


def newest(folder):
    complaints = []
    found = checkpoints.load_newest(folder, tree_of(0), complaints.append)
    if found:
        tree, state = found
        assert state == {"step": state["step"], "best": {"validation": 0.1 + state["step"]}}
        np.testing.assert_array_equal(tree["params"]["a"], tree_of(state["step"])["params"]["a"])
        np.testing.assert_array_equal(tree["optimizer"][1]["a"], tree_of(state["step"])["optimizer"][1]["a"])
        assert tree["optimizer"][0] == state["step"]
    return found and found[1]["step"], complaints


class Crash(BaseException):
    """The process ends here."""


def crash_at(monkeypatch, number):
    """Let the `number`th call into the operating system be the last one, half done where it writes."""
    calls = []

    def crashing(name, call):
        def instead(*args, **kwargs):
            calls.append(name)
            if len(calls) > number:
                raise Crash(name)
            return call(*args, **kwargs)

        return instead

    class Torn:
        """A file whose writes end halfway in a crash."""

        def __init__(self, file):
            self.file = file

        def write(self, data):
            calls.append("write")
            if len(calls) > number:
                self.file.write(data[: len(data) // 2])
                self.file.flush()
                raise Crash("write")
            self.file.write(data)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

    opened = crashing("open", open)
    monkeypatch.setattr(checkpoints, "open", lambda *args: Torn(opened(*args)), raising=False)
    for name in ("fsync", "replace"):
        monkeypatch.setattr(checkpoints.os, name, crashing(name, getattr(os, name)))
    return calls


def test_a_crash_at_any_point_of_saving_leaves_a_good_checkpoint_and_the_next_one_is_saved(tmp_path, monkeypatch):
    crashed = []
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        saved(folder, 1)
        saved(folder, 2)
        with monkeypatch.context() as patch:
            calls = crash_at(patch, number)
            try:
                saved(folder, 3)
            except Crash as crash:
                crashed.append(str(crash))
            else:
                break
        step, complaints = newest(folder)
        assert step in (2, 3)
        assert (step == 3) == (calls.count("replace") == 2 and crashed[-1] != "replace")
        assert not complaints
        saved(folder, 4)
        assert newest(folder) == (4, [])
        os.remove(folder / checkpoints.LATEST)
        assert newest(folder)[0] in (1, 2, 3)
    assert crashed == ["open", "write", "fsync", "replace", "replace", "fsync"]


def test_any_changed_byte_and_any_cut_is_found(tmp_path):
    saved(tmp_path, 1)
    saved(tmp_path, 2)
    file = tmp_path / checkpoints.LATEST
    data = file.read_bytes()
    flips = [data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :] for i in range(len(data))]
    cuts = [data[:n] for n in range(len(data))]
    for bad in flips + cuts + [data + b"\0", b""]:
        file.write_bytes(bad)
        try:
            tree, state = checkpoints.load(file, tree_of(0))
        except checkpoints.Damaged:
            continue
        assert state["step"] == 2  # a byte that means nothing: padding of the header
        np.testing.assert_array_equal(tree["params"]["a"], tree_of(2)["params"]["a"])


def test_a_damaged_checkpoint_is_put_aside_so_that_it_never_replaces_a_good_one(tmp_path):
    saved(tmp_path, 1)
    saved(tmp_path, 2)
    (tmp_path / checkpoints.LATEST).write_bytes(b"half of a")
    step, complaints = newest(tmp_path)
    assert step == 1
    assert len(complaints) == 1
    assert "going on from previous.safetensors" in complaints[0]
    saved(tmp_path, 3)
    (tmp_path / checkpoints.LATEST).write_bytes(b"half of a")
    assert newest(tmp_path)[0] == 1


def test_without_any_good_checkpoint_nothing_is_made_up(tmp_path):
    assert newest(tmp_path) == (None, [])
    saved(tmp_path, 1)
    saved(tmp_path, 2)
    for name in (checkpoints.LATEST, checkpoints.PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(checkpoints.Damaged, match=r"latest\.safetensors"):
        newest(tmp_path)


def test_a_checkpoint_of_another_model_is_refused_by_name(tmp_path):
    saved(tmp_path, 1)
    with pytest.raises(checkpoints.Damaged, match=r"other arrays.*'b'"):
        checkpoints.load(tmp_path / checkpoints.LATEST, {"b": np.zeros(3)})


def test_equal_checkpoints_are_equal_files(tmp_path):
    files = []
    for name in "ab":
        (tmp_path / name).mkdir()
        saved(tmp_path / name, 1)
        files.append((tmp_path / name / checkpoints.LATEST).read_bytes())
    assert files[0] == files[1]


def test_a_log_is_cut_after_a_step_and_before_a_line_that_was_not_finished(tmp_path):
    log = tmp_path / "log.jsonl"
    checkpoints.cut_log(log, 3)
    assert log.read_text() == ""
    lines = ['{"step": 1, "loss": 0.1}\n', '{"step": 2, "loss": 1e-07}\n', '{"step": 2, "validation": 3.0}\n']
    log.write_text("".join(lines) + '{"step": 3, "lo')
    checkpoints.cut_log(log, 3)
    assert log.read_text() == "".join(lines)
    checkpoints.cut_log(log, 1)
    assert log.read_text() == lines[0]


# Recordings.


@pytest.fixture
def complaints():
    return []


def noise(frames, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, frames).astype(np.float32)


def only(folder, complaints):
    (found,) = voice_data.find_recordings(folder, complaints.append)
    assert not complaints
    return found


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 44101, 48000, 96000])
def test_a_stretch_is_that_of_the_whole_file_resampled(tmp_path, complaints, rate):
    samples = np.stack([noise(2 * rate), noise(2 * rate, seed=1)], axis=1)
    audio.write(tmp_path / "x.wav", samples, rate, bits=32)
    recording = only(tmp_path, complaints)
    whole = audio.resample(samples.mean(axis=1), rate, 16000)
    padded = np.pad(whole, 3000)
    for at in (-2500, -100, 0, 1, 7777, 16000, 29999, 31900, 33000):
        got = voice_data.read_stretch(recording, at, 2000, 16000)
        np.testing.assert_allclose(got, padded[3000 + at :][:2000], atol=2e-6)


def test_a_segment_is_read_without_the_rest_of_its_file(tmp_path, complaints, monkeypatch):
    audio.write(tmp_path / "long.wav", noise(60 * 44100), 44100)
    recording = only(tmp_path, complaints)
    frames_read = []
    read = audio.read
    monkeypatch.setattr(audio, "read", lambda *args, **kwargs: frames_read.append(kwargs["frames"]) or read(*args, **kwargs))
    voice_data.example(recording, 16000 * 30, 8000, 16000)
    assert sum(frames_read) < 44100


def test_files_that_are_no_recordings_are_named_once_and_left_out(tmp_path, complaints):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    audio.write(tmp_path / "deep" / "er" / "good.flac", noise(1000), 8000)
    audio.write(tmp_path / "Good.WAV", noise(1000), 8000)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not audio" * 100)
    audio.write(tmp_path / "nothing.wav", noise(10), 8000)
    header = (tmp_path / "nothing.wav").read_bytes()[:44]
    (tmp_path / "nothing.wav").write_bytes(header[:40] + b"\0\0\0\0")
    broken = noise(1000)
    broken[7] = np.nan
    soundfile.write(tmp_path / "broken.wav", broken, 8000, "FLOAT")
    whole = (tmp_path / "deep" / "er" / "good.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    audio.write(tmp_path / "stopped.wav", noise(1000), 8000)
    (tmp_path / "stopped.wav").write_bytes((tmp_path / "stopped.wav").read_bytes()[:700])
    audio.write(tmp_path / "streamed.wav", noise(1000), 8000)  # by a program that could not know how long it would be
    data = bytearray((tmp_path / "streamed.wav").read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    (tmp_path / "streamed.wav").write_bytes(data)
    (tmp_path / "notes.txt").write_text("no recording at all")
    found = voice_data.find_recordings(tmp_path, complaints.append)
    assert [(r.name, r.frames) for r in found] == [("Good.WAV", 1000), ("deep/er/good.flac", 1000), ("streamed.wav", 1000)]
    named = sorted(line.split(" is left out")[0] for line in complaints)
    assert all("broken.wav: frame 7 is not a finite number" in line for line in complaints if line.startswith("broken"))
    assert named == ["broken.wav", "cut.flac", "empty.wav", "nothing.wav", "stopped.wav", "text.wav"]


def recordings(lengths, rate=8000):
    return [voice_data.Recording(Path(f"{i}"), f"{i}.wav", rate, n, i) for i, n in enumerate(lengths)]


def test_segments_lie_end_to_end_and_short_files_make_one():
    for length, count in ((100, 1), (1000, 1), (1400, 1), (1600, 2), (2000, 2), (10_000, 10)):
        (recording,) = recordings([length])
        assert [s.start for s in voice_data.cut(recording, 2000, 16000)] == [2000 * i for i in range(count)]


@pytest.mark.parametrize("count", [1, 3, 10, 25])
def test_nothing_is_for_training_and_for_validation_at_once(count):
    found = recordings([8000] * count)
    training, validation = voice_data.split(found, 800, 8000)
    assert not set(training) & set(validation)
    assert len(training) + len(validation) == 10 * count
    if count < 10:
        assert len(validation) == 2 * count
    else:
        held_out = {s.recording for s in validation}
        assert len(held_out) == math.ceil(count / 10)
        assert not held_out & {s.recording for s in training}
    assert (training, validation) == voice_data.split(found, 800, 8000)


@pytest.mark.parametrize(
    "lengths", [[5] * 9 + [80_000], [5] * 3 + [8000] * 20, [80_000] + [8000] * 12, list(range(100, 20_000, 900))]
)
def test_about_a_tenth_is_held_out_of_recordings_of_any_lengths(lengths):
    for rotation in range(len(lengths)):  # which name has which length
        training, validation = voice_data.split(recordings(lengths[rotation:] + lengths[:rotation]), 800, 8000)
        share = len(validation) / (len(training) + len(validation))
        assert share <= 0.2
        assert share >= 0.08 or max(lengths) > sum(lengths) / 2
        assert validation


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (3, 8), (1, 4)])
def test_each_epoch_takes_every_segment_once_in_an_order_of_its_own(count, batch):
    drawn = [voice_data.batch_order(count, batch, step, seed=5) for step in range(40)]
    taken = [i for indices, _ in drawn for i in indices]
    epochs = [taken[i : i + count] for i in range(0, len(taken) - count + 1, count)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    assert count < 10 or len({tuple(epoch) for epoch in epochs}) == len(epochs)
    assert [epoch for _, epoch in drawn] == [step * batch // count for step in range(40)]
    assert count == 1 or drawn != [voice_data.batch_order(count, batch, step, seed=6) for step in range(40)]


def test_pitch_and_periodicity_are_those_of_the_sound():
    rate, seconds = 16000, 0.5
    time_ = np.arange(int(rate * seconds)) / rate
    for f0 in (70.0, 123.4, 220.0, 480.0):
        buzz = sum(np.sin(2 * np.pi * k * f0 * time_) / k for k in range(1, 8)).astype(np.float32)
        found, features = voice_data.analyse(0.2 * buzz, rate)
        np.testing.assert_allclose(found, f0, rtol=0.005)
        assert (features[:, -1] > 0.9).all()
    found, features = voice_data.analyse(noise(8000), rate)
    assert (features[:, -1] < 0.2).mean() > 0.9
    found, features = voice_data.analyse(np.zeros(8000, np.float32), rate)
    assert np.isfinite(found).all()
    assert np.isfinite(features).all()


def test_neighbouring_segments_share_the_point_between_them(tmp_path, complaints):
    audio.write(tmp_path / "x.wav", noise(2 * 22050), 22050)
    recording = only(tmp_path, complaints)
    left, right = (voice_data.example(recording, start, 8000, 16000) for start in (0, 8000))
    assert left["features"].shape == (51, voice_data.FEATURES)
    np.testing.assert_allclose(left["features"][-1], right["features"][0], atol=1e-4)
    np.testing.assert_allclose(left["f0"][-1], right["f0"][0], rtol=1e-4)
