"""The live example, where there is no sound card, and with a module that stands in for one."""

import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from dgenlazy import BackendError, DGen, audio

ROOT = Path(__file__).parents[1]
MISSING = {
    "no module": ("raise ModuleNotFoundError('sounddevice')", "sounddevice is not installed"),
    "no library": ("raise OSError('PortAudio library not found')", "libportaudio2"),
    "no device": (
        "class PortAudioError(Exception): pass\n"
        "def check_output_settings(**settings): raise PortAudioError('Error querying device -1')",
        "there is no output device for 48000 Hz (Error querying device -1)",
    ),
}
# Takes blocks ten times faster than they can be computed, and keeps what it was given.
STAND_IN = """
import threading, time
import numpy as np

class PortAudioError(Exception): pass
class CallbackStop(Exception): pass

def check_output_settings(**settings):
    assert settings == {"channels": 1, "samplerate": 48000, "dtype": "float32"}

class OutputStream:
    def __init__(self, samplerate, blocksize, channels, dtype, callback, finished_callback):
        self.made = blocksize, channels
        self.callback, self.finished = callback, finished_callback

    def run(self):
        heard = []
        try:
            while True:
                out = np.full(self.made, np.nan, np.float32)
                self.callback(out, len(out), None, None)
                heard.append(out)
                time.sleep(0.00003)
        except CallbackStop:
            heard.append(out)
            np.save("heard.npy", heard)
            self.finished()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __exit__(self, *error):
        self.thread.join()
"""


@pytest.fixture
def live(tmp_path, monkeypatch, capsys):
    """Runs the example in this process, in a folder of its own, with a text as its sounddevice: the lines that it prints."""
    spec = importlib.util.spec_from_file_location("live", ROOT / "examples" / "live.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(module, *arguments):
        (tmp_path / "sounddevice.py").write_text(module)
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        monkeypatch.setattr(sys, "argv", ["live.py", *map(str, arguments)])
        example.main()
        return capsys.readouterr().out.splitlines()

    yield run
    sys.modules.pop("sounddevice", None)


def is_music(file, frames):
    sound, rate = audio.read(file)
    assert (len(sound), rate) == (frames, 48000)
    assert 0.05 < np.sqrt(np.mean(sound**2)) < 0.7
    return sound


def test_as_a_user_runs_it_without_a_sound_card_it_says_so_in_one_line_and_writes_a_file(tmp_path):
    (tmp_path / "sounddevice.py").write_text(MISSING["no library"][0])
    command = [sys.executable, str(ROOT / "examples" / "live.py"), "--seconds", "0.5", "--block", "512"]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("no live sound: sounddevice does not find its library (PortAudio library not found)")
    assert re.match(r"wrote 0\.5 s to .*live\.wav; a block of 10\.67 ms took", second)
    is_music(tmp_path / "output" / "live.wav", 24000)


@pytest.mark.parametrize("kind", MISSING)
def test_it_says_what_is_missing_and_how_to_get_it(live, tmp_path, kind):
    module, says = MISSING[kind]
    first, _ = live(module, "--seconds", 0.5, "--block", 512)
    assert first.startswith("no live sound: ")
    assert says in first
    is_music(tmp_path / "output" / "live.wav", 24000)


def test_what_is_played_is_what_would_be_written_with_silence_where_a_block_was_late(live, tmp_path):
    first, last = live(STAND_IN, "--seconds", 1, "--block", 512, "--ahead", 2)
    assert first == "playing 1 s; Ctrl-C stops"
    played, underruns = re.match(r"played ([\d.]+) s, (\d+) underruns; a block of", last).groups()
    assert float(played) == 1.0
    heard = np.load(tmp_path / "heard.npy")[:, :, 0]
    silent = ~heard.any(axis=1)
    assert silent.sum() == int(underruns) + 1 > 1  # and one at the end
    (written,) = live(STAND_IN, "--seconds", 1, "--block", 512, "--out", "one.wav")
    assert written.startswith("wrote 1.0 s to one.wav; ")
    sound = is_music(tmp_path / "one.wav", 48000)
    np.testing.assert_allclose(heard[~silent].ravel()[: len(sound)], sound, atol=2 / 2**15)


def test_what_goes_wrong_in_the_thread_ends_the_run(live):
    threads = threading.active_count()
    with DGen.override(backend="metal"), pytest.raises(BackendError, match="no such device"):
        live(STAND_IN, "--seconds", 1)
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--block", 8), "--block: 8 is not in 16 to 4096"),
        (("--block", 8192), "8192 is not in 16 to 4096"),
        (("--seconds", 0), "--seconds: 0 is not above 0"),
        (("--ahead", 0), "--ahead: 0 is not in 1 to 1000"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(live, capsys, arguments, says):
    with pytest.raises(SystemExit):
        live(STAND_IN, *arguments)
    assert says in capsys.readouterr().err
