"""`python -m dgenlazy play` and `export`, a page inside of a notebook, and what the doctor says about compilers."""

import html
import re
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import test_page

import dgenlazy as dg
from dgenlazy import DGen, Signal, __main__, audio, display, doctor
from dgenlazy.ship import inspection
from dgenlazy.ship.native import build

SCRIPT = """
import numpy as np
from dgenlazy import Signal, Tensor

freq = Signal.param(220.0, min=50.0, max=2000.0)
level = Signal.param(0.5, min=0.0, max=1.0)
unused = Signal.param(0.5, min=0.0, max=1.0)
weights = Tensor([0.5, 0.25], requires_grad=True)
sound = (Signal.phasor(freq) * weights).sum() * level
both = {"left": sound, "right": -sound}
nothing = 3

def made():
    return (sound, -sound), {"pitch": freq}
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    (tmp_path / "voice_of_tests.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inspection, "apart", lambda *_: "")  # no second process for what this one has written
    yield tmp_path
    sys.modules.pop("voice_of_tests", None)


@pytest.fixture
def shell(capsys, monkeypatch):
    """Runs a command: `(exit code, what it says)`."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dgenlazy", *map(str, arguments)])
        code = __main__.main()
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.mark.parametrize(
    ("place", "options", "params"),
    [
        ("voice_of_tests:sound", [], ["freq", "level"]),
        ("voice_of_tests:both", ["--params", "level"], ["level"]),
        ("voice_of_tests.py:made", [], ["pitch"]),
        ("voice_of_tests:sound", ["--params", "weights,freq", "--unit", "freq=Hz", "--rate", "8000"], ["weights", "freq"]),
    ],
)
def test_a_script_is_exported_with_the_parameters_that_its_variables_name(place, options, params, script, shell):
    code, said = shell("export", place, "voice.c", *options)
    assert code == 0, said
    assert f"params {', '.join(params)}, SHA-256" in said
    text = (script / "voice.c").read_text()
    fields = re.findall(
        r"^    float (\w+)[\[;]", re.search(r"typedef struct.*?uint32_t seed", text, re.DOTALL)[0], re.MULTILINE
    )
    assert fields == params
    assert ("for 8000 Hz" in text) == ("--rate" in options)
    assert ('"Hz"}' in text) == ("--unit" in options)


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")
@pytest.mark.parametrize(("suffix", "option", "name"), [("lv2", "--uri", "urn:us:voice"), ("clap", "--id", "org.us.voice")])
def test_a_script_is_exported_as_a_plugin_that_is_named(suffix, option, name, script, shell):
    code, said = shell("export", "voice_of_tests:sound", f"voice.{suffix}", option, name)
    assert code == 0, said
    files = [f for f in (script / f"voice.{suffix}").rglob("*") if f.is_file()] or [script / f"voice.{suffix}"]
    assert f"voice.{suffix}: {sum(f.stat().st_size for f in files)} bytes, params freq, level" in said
    assert any(name.encode() in f.read_bytes() for f in files)
    code, said = shell("export", "voice_of_tests:sound", f"voice.{suffix}")
    assert code == 1
    assert f"takes {option[2:]}=" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "voice_of_tests:none", "x.c"], "the module has no none"),
        (["export", "no_such_module:x", "x.c"], "there is no module no_such_module"),
        (["export", "no_such_file.py:x", "x.c"], "there is no file no_such_file.py"),
        (["export", "voice_of_tests", "x.c"], "is not like module:name"),
        (["export", "voice_of_tests:sound", "x.c", "--params", "frq"], "--params frq: there is no such value"),
        (["export", "voice_of_tests:sound", "x.c", "--unit", "freq"], "--unit freq: it is not like name=value"),
        (
            ["export", "voice_of_tests:sound", "x.html", "--params", "weights"],
            "params without bounds have no slider: 'weights'",
        ),
        (["export", "voice_of_tests:sound", "x.wasm", "--title", "x"], "takes no title"),
        (["export", "voice_of_tests:nothing", "x.c"], "3"),
        (["play", "none.dgen", "--output", "x.wav"], "none.dgen"),
        (["play", "voice.dgen", "--output", "x.wav"], "takes --seconds"),
        (["play", "voice.dgen", "--output", "x.wav", "--seconds", "1", "--set", "frq=3"], "--set frq: there is freq, level"),
        (["play", "voice.dgen", "--output", "x.wav", "--seconds", "1", "--set", "freq=x"], "freq"),
        (["play", "voice.dgen", "--output", "x.wav", "--seconds", "1", "--set", "freq=3"], "freq"),
        (["play", "voice.dgen", "--output", "x.wav", "--input", "a.wav"], "1 --input for 0 inputs"),
    ],
)
def test_what_does_not_go_is_said_in_a_line(arguments, message, script, shell):
    if arguments[0] == "play":
        assert shell("export", "voice_of_tests:sound", "voice.dgen")[0] == 0
    code, said = shell(*arguments)
    assert code == 1
    assert message in said
    assert "Traceback" not in said
    assert not [*script.glob("x.*")]


@pytest.mark.parametrize("frames", [None, 100])
def test_a_file_is_rendered_without_a_sound_card(frames, script, shell):
    block = [] if frames is None else ["--frames", frames]
    assert shell("export", "voice_of_tests:both", "voice.dgen", *block)[0] == 0
    code, said = shell("play", "voice.dgen", "--output", "x.wav", "--seconds", 0.02, "--set", "freq=440")
    assert (code, said) == (0, "882 frames at 44100 Hz in x.wav\n")
    got, rate = audio.read("x.wav", mono=False)
    want = (Signal.phasor(440.0) * 0.75 * 0.5).realize(882)
    assert rate == 44100
    np.testing.assert_allclose(got, np.stack([want, -want], 1), atol=1e-4)


def test_inputs_are_files_at_the_rate_of_the_graph_and_end_as_they_do(script, shell):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 700).astype(np.float32)
    audio.write("x.wav", x, 44100, bits=32)
    dg.export(Signal.input(0).onepole(0.5) + Signal.input(1), "filter.dgen")
    assert shell("play", "filter.dgen", "--output", "y.wav", "--input", "x.wav")[0] == 0
    got, _ = audio.read("y.wav")
    np.testing.assert_allclose(got, Signal.input(0).onepole(0.5).realize(700, inputs={0: x}), atol=1e-4)


class Card:
    """What sounddevice does: it keeps what it is given."""

    def __init__(self, **options):
        self.options, self.heard = options, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, block):
        if sum(map(len, self.heard)) > 40_000:
            raise KeyboardInterrupt
        self.heard.append(block)


def test_a_file_is_played_on_the_sound_card_until_it_is_interrupted(script, shell, monkeypatch):
    cards = []
    module = types.ModuleType("sounddevice")
    module.OutputStream = lambda **options: cards.append(Card(**options)) or cards[-1]
    module.PortAudioError = type("PortAudioError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    assert shell("export", "voice_of_tests:both", "voice.dgen")[0] == 0
    code, said = shell("play", "voice.dgen")
    assert code == 0
    assert "0.9 s played" in said
    assert cards[0].options == {"samplerate": 44100.0, "channels": 2, "dtype": "float32"}
    want = (Signal.phasor(220.0) * 0.75 * 0.5).realize(40_000)
    np.testing.assert_allclose(np.concatenate(cards[0].heard)[:40_000, 0], want, atol=1e-5)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    code, said = shell("play", "voice.dgen")
    assert code == 1
    assert "-m pip install sounddevice, or --output FILE.wav" in said


def test_the_commands_run_as_a_program(script):
    done = subprocess.run([sys.executable, "-m", "dgenlazy", "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("doctor", "play", "export"))


# In a notebook.


@test_page.builds
def test_a_value_is_live_in_a_notebook_as_a_page_of_its_own():
    outputs, params = test_page.voice()
    shown = display.live(outputs, params, units={"cutoff": "Hz"}, title="A voice").data
    assert re.sub(r"<[^>]*>", "", shown) == "Run this cell, or trust the notebook, and a page that plays is here."
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1])
    assert page.startswith("<!doctype html>")
    assert "<title>A voice</title>" in page
    assert len(outputs._repr_html_()) < 20_000
    with pytest.raises(dg.ArgumentError, match="'free'; give them"):
        display.live(outputs * (free := Signal.param(1.0)), {"free": free})


def test_where_no_compiler_is_the_page_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "_zig", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    shown = html.unescape(html.unescape(display.live(Signal.phasor(100.0)).data))
    assert f"{sys.executable} -m pip install ziglang" in shown


# The doctor.


def test_the_doctor_says_which_compilers_there_are(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "PROBES", {})
    lines = []
    assert doctor.report("cpu", lines.append)
    text = "\n".join(lines)
    if test_page.can_build():
        assert re.search(r"WebAssembly +\S.*(wasm32-wasi).*(clang|zig)", text)
    monkeypatch.setattr(build, "_zig", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    lines.clear()
    assert doctor.report("cpu", lines.append)
    text = "\n".join(lines)
    assert re.search(r"C  +there is no C compiler \(cc, clang, gcc\); install one, or run: .* -m pip install ziglang", text)
    assert re.search(r"WebAssembly  +there is no C compiler for wasm32-wasi; install one, or run: .* -m pip install zigl", text)
    assert DGen.backend == "auto"
