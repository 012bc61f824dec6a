"""Libraries of CLAP, loaded and played by a small host: equal to `realize`, events at their samples, with their state."""

import importlib.util
import os
import platform
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="there is no gcc")

RATE, ID = 44100, "org.test.voice"
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")


@pytest.fixture(autouse=True)
def rate():
    DGen.sample_rate = RATE


def compiled(command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    program = tmp_path_factory.mktemp("host") / "clap_host"
    source = Path(__file__).with_name("clap_host.c")
    compiled(["gcc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(program), "-ldl", "-pthread"])
    return program


def played(host, file, block, outputs, *events, lengths="64", frames=None, rate=RATE):
    """The outputs `(frames, channels)` of an instance, of the same after a reset, of one with its state; and what was found."""
    block = np.zeros((frames, 0), np.float32) if block is None else np.reshape(block, (len(block), -1))
    frames = len(block)
    command = [str(host), str(file), ID, str(rate), str(frames), str(block.shape[1]), str(outputs), lengths, *events]
    done = subprocess.run(command, input=np.ascontiguousarray(block.T).tobytes(), capture_output=True, timeout=60)
    said = done.stderr.decode()
    assert done.returncode == 0, said[-3000:]
    return np.frombuffer(done.stdout, np.float32).reshape(3, outputs, frames).transpose(0, 2, 1), said.splitlines()


def noise(frames, *lanes):
    return np.random.default_rng(1).uniform(-1, 1, (frames, *lanes)).astype(np.float32)


def ramped(levels, frames):
    """A knob that is moved: `{frame: level}`, 20 ms in steps of 64 frames; before the first frame it jumps."""
    steps = int(np.ceil(0.02 * RATE / 64))
    moves = sorted(levels.items())
    y = np.full(frames, moves[0][1], np.float32)
    for moved, last in moves[1:]:
        at = np.clip((np.arange(frames) - moved) // 64 + 1, 0, steps)
        y = np.where(at > 0, last - (last - y[moved - 1]) / steps * (steps - at), y).astype(np.float32)
    return y


def filter_of(**given):
    cutoff, gain = Signal.param(800.0, min=20.0, max=20000.0), Signal.param(-6.0, min=-60.0, max=12.0)
    y = Signal.input(0).biquad(cutoff) * 10 ** (gain / 20)
    return y, {"params": {"cutoff": cutoff, "gain": gain}, "units": {"cutoff": "Hz", "gain": "dB"}, "id": ID, **given}


def synth_of():
    freq, gate = Signal.param(440.0, min=20.0, max=20000.0), Signal.param(0.0, min=0.0, max=1.0)
    velocity = Signal.param(1.0, min=0.0, max=2.0)
    y = {"phase": Signal.phasor(freq), "gate": gate * 1.0, "loud": velocity.onepole(0.5)}
    return y, {"params": {"velocity": velocity, "freq": freq, "gate": gate}, "units": {"freq": "Hz"}, "id": ID}


@pytest.mark.parametrize("lengths", ["64", "1,63,200", "2000"])
def test_a_library_equals_realize_and_its_events_come_at_their_samples(host, lengths, tmp_path):
    y, given = filter_of(title="My voice")
    dg.export(y, tmp_path / "voice.clap", **given)
    block = noise(2000)
    events = ["p:0:cutoff:500", "p:701:cutoff:5000", "p:701:gain:99"]
    got, said = played(host, tmp_path / "voice.clap", block, 1, *events, lengths=lengths)
    cutoff, gain = ramped({0: 500, 701: 5000}, 2000), ramped({0: -6, 701: 12}, 2000)
    moved = Signal.input(0).biquad(Signal.input(1)) * 10 ** (Signal.input(2) / 20)
    np.testing.assert_allclose(got[0, :, 0], moved.realize(2000, inputs={0: block, 1: cutoff, 2: gain}), atol=1e-5)
    leaves = given["params"]
    leaves["cutoff"].value, leaves["gain"].value = 5000.0, 12.0
    np.testing.assert_allclose(got[1, :, 0], y.realize(2000, inputs={0: block}), atol=1e-5)
    np.testing.assert_array_equal(got[2], got[1])
    assert said[:4] == [f"{ID} My voice audio-effect", "latency 0", "from in 1 mono", "to out 1 mono"]
    assert said[4].startswith("cutoff 20 20000 800 '800.00 Hz' 250 ")
    assert said[5].startswith("gain -60 12 -6 '-6.00 dB' 12 ")
    assert said[6:] == ["cutoff=5000", "gain=12"]


def test_each_element_of_an_array_is_a_control(host, tmp_path):
    gain, gain_0 = Tensor.param([[0.5, 1.0]], min=0.0, max=2.0), Signal.param(1.0, min=0.0, max=2.0)
    y = Signal.input(0, shape=[2]) * gain[0] * gain_0
    dg.export(y, tmp_path / "voice.clap", params={"gain": gain, "gain_0": gain_0}, id=ID, units={"gain": "%"})
    block = noise(500, 2)
    got, said = played(host, tmp_path / "voice.clap", block, 2, "p:0:gain[1]:0.25")
    np.testing.assert_allclose(got[0], block * np.float32([0.5, 0.25]), rtol=1e-6)
    assert [line.partition(" ")[0] for line in said[4:7]] == ["gain[0]", "gain[1]", "gain_0"]
    assert said[-3:] == ["gain[0]=0.5", "gain[1]=0.25", "gain_0=1"]


def test_latency_channels_and_noise_are_those_of_realize(host, tmp_path):
    y = [Signal.input(3).stft(64).istft(), Signal.input(0, shape=[2]) * Tensor([1.0, -1.0])]
    dg.export(y, tmp_path / "voice.clap", id=ID)
    block = noise(900, 3)
    got, said = played(host, tmp_path / "voice.clap", block, 3, lengths="1,100,64")
    latency = int(said[1].removeprefix("latency "))
    want = dg.realize(*y, frames=900, inputs={0: block[:, :2], 3: block[:, 2]})
    want = np.column_stack([np.reshape(w, (900, -1)) for w in want])
    np.testing.assert_allclose(got[0, latency:], want[: 900 - latency], atol=1e-5)
    assert latency > 0
    assert said[2:] == ["from in 3 -", "to out 3 -"]
    y = [Signal.noise(), Signal.phasor(440.1)]
    dg.export(y, tmp_path / "source.clap", id=ID)
    got, said = played(host, tmp_path / "source.clap", None, 2, frames=500)
    np.testing.assert_array_equal(got[0], np.column_stack(dg.realize(*y, frames=500)))
    assert said == [f"{ID} source instrument synthesizer", "latency 0", "to out 2 stereo"]


def pitch(key):
    return 440 * 2 ** ((key - 69) / 12)


@pytest.mark.parametrize("lengths", ["64", "1,7,200", "1000"])
def test_notes_play_at_their_samples_and_the_newest_key_that_is_down_sounds(host, lengths, tmp_path):
    y, given = synth_of()
    dg.export(y, tmp_path / "voice.clap", **given)
    events = ["n:100:69:0.25", "n:200:81:1", "f:300:81:0", "f:400:69:0", "n:400:57:0.5", "f:500:57:0", "f:510:57:0"]
    events += ["m:600:144:15487", "m:700:128:15360", "n:800:127:1", "n:800:0:0", "m:900:176:31488"]  # key 60, then all off
    got, said = played(host, tmp_path / "voice.clap", None, 3, *events, frames=1000, lengths=lengths)
    at = np.arange(1000)
    freq = np.full(1000, 440.0, np.float32)
    for begin, key in ((100, 69), (200, 81), (300, 69), (400, 57), (600, 60), (800, 0)):
        freq[begin:] = max(pitch(key), 20)
    gate = ((at >= 100) & (at < 500) & (at != 400)) | ((at >= 600) & (at < 700)) | ((at >= 800) & (at < 900))
    loud = np.select([at < 100, at < 200, at < 400, at < 600, at < 800], [1, 0.5, 2, 1, 2], 0).astype(np.float32)
    want = dg.realize(Signal.phasor(Signal.input(0)), Signal.input(1).onepole(0.5), frames=1000, inputs={0: freq, 1: loud})
    np.testing.assert_allclose(got[0, :, 0], want[0], atol=1e-5)
    np.testing.assert_array_equal(got[0, :, 1], gate)
    np.testing.assert_allclose(got[0, :, 2], want[1], atol=1e-6)
    assert "from notes 3" in said
    assert said[-3:] == ["velocity=1", "freq=440", "gate=0"]  # keys that are down are no part of the state


def test_a_parameter_keeps_its_number_when_others_come_and_go(host, tmp_path):
    y, given = filter_of()
    dg.export(y, tmp_path / "voice.clap", **given)
    cutoff, more = given["params"]["cutoff"], Signal.param(0.0, min=-1.0, max=1.0)
    dg.export(y + more, tmp_path / "more.clap", id=ID, params={"more": more, "cutoff": cutoff})
    found = []
    for name in ("voice", "more"):
        _, said = played(host, tmp_path / f"{name}.clap", noise(64), 1)
        found.append(next(line.split()[-1] for line in said if line.startswith("cutoff ")))
    assert found[0] == found[1]


def test_the_c_of_a_library_is_c99_and_cpp_without_a_word(tmp_path):
    for number, (y, given) in enumerate((filter_of(), synth_of(), (Signal.input(0) * 2, {"id": ID}))):
        dg.export(y, tmp_path / f"v{number}.c", **given)
        shutil.copy(tmp_path / f"v{number}.c", tmp_path / "voice.cpp")
        compiled(["gcc", "-std=c99", "-O2", *STRICT, "-c", str(tmp_path / f"v{number}.c"), "-o", os.devnull])
        compiled(["g++", "-std=c++11", "-O2", *STRICT, "-c", str(tmp_path / "voice.cpp"), "-o", os.devnull])


@pytest.mark.parametrize("checks", ["address,undefined", "thread"])
def test_sanitizers_are_silent_while_a_host_plays(checks, tmp_path):
    y, given = synth_of()
    dg.export(y, tmp_path / "voice.c", **given)
    program, flags = tmp_path / "host", [f"-fsanitize={checks}", "-fno-sanitize-recover=all", "-g", "-O1"]
    source = str(Path(__file__).with_name("clap_host.c"))
    library = ["gcc", "-std=c99", *flags, "-shared", "-fPIC", str(tmp_path / "voice.c"), "-o", str(tmp_path / "voice.clap")]
    done = subprocess.run([*library, "-lm"], capture_output=True, text=True)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("gcc has no sanitizers here")
    assert done.returncode == 0, done.stderr
    compiled(["gcc", "-std=c99", "-DBUSY", *flags, source, "-o", str(program), "-ldl", "-pthread"])
    keys = [f"n:{i}:{i}:1" for i in range(100)]  # more than it remembers
    wild = ["p:200:freq:nan", "p:201:freq:inf", "p:202:gate:-inf", "p:203:unknown:1"]
    wild += ["n:210:-1:1", "f:220:-1:0", "m:230:255:65535"]
    played(program, tmp_path / "voice.clap", None, 3, *keys, *wild, frames=300, lengths="64,0,1")


def test_a_library_hands_out_one_name_and_calls_no_more_than_math_memory_and_text(tmp_path):
    y, given = synth_of()
    dg.export(y, tmp_path / "voice.clap", **given)
    names = {}
    for way in ("-uD", "--defined-only -D"):
        command = ["nm", *way.split(), str(tmp_path / "voice.clap")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names[way] = {line.split()[-1].split("@")[0] for line in said.splitlines()}
    assert names["--defined-only -D"] == {"clap_entry"}
    strange = {n for n in names["-uD"] if not n.startswith(("_ITM", "__gmon", "__cxa_finalize", "__stack_chk_fail"))}
    memory = {"calloc", "free", "memset", "memcpy", "memmove", "strcmp", "strcpy", "strncpy", "strlen"}
    assert strange <= memory | {"pow", "exp2", "fmod", "floor", "powf"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"id": None}, "a CLAP plug-in takes id=, its name in the world"),
        ({"id": "a b"}, "a CLAP plug-in takes id=, its name in the world"),
        ({"uri": "urn:a"}, "a .clap file takes no uri='urn:a'"),
        ({"target": "x86_64-plan9"}, "target='x86_64-plan9' is no machine as zig names it"),
        ({"params": {"free": Signal.param(1.0)}}, "'free' has no bounds, which a plug-in needs"),
    ],
)
def test_what_a_library_cannot_be_made_of_is_named(given, says, tmp_path):
    (tmp_path / "voice.clap").write_text("old")
    y = Signal.input(0) * given.get("params", {"free": Signal.param(1.0)})["free"]
    with pytest.raises(dg.ArgumentError, match=re.escape(says)):
        dg.export(y, tmp_path / "voice.clap", **{"id": ID, **given})
    assert (tmp_path / "voice.clap").read_text() == "old"


MACHINES = {
    "x86_64-windows-gnu": b"MZ",
    "aarch64-macos": b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01",
    "x86_64-macos": b"\xcf\xfa\xed\xfe\x07\x00\x00\x01",
    "aarch64-linux-gnu": b"\x7fELF",
    "x86_64-linux-gnu": b"\x7fELF",
}


@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="the extra `native` is not installed")
@pytest.mark.skipif(not THOROUGH, reason="zig takes a minute for a machine that it has not met")
@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_plugins_are_linked_for_other_machines(host, machine, tmp_path):
    y, given = filter_of(name="voice")
    dg.export(y, tmp_path / "v.clap", target=machine, **given)
    dg.export(y, tmp_path / "v.lv2", target=machine, **{**given, "id": None, "uri": "urn:test:voice"})
    end = ".dylib" if "macos" in machine else ".dll" if "windows" in machine else ".so"
    library = tmp_path / "v.clap" / "Contents" / "MacOS" / "voice" if "macos" in machine else tmp_path / "v.clap"
    for file in (library, tmp_path / "v.lv2" / f"voice{end}"):
        data = file.read_bytes()
        assert data.startswith(MACHINES[machine])
        assert (b"clap_entry" if file is library else b"lv2_descriptor") in data
        assert str(tmp_path).encode() not in data
        assert b"/dgenlazy-" not in data
    assert f"<voice{end}>" in (tmp_path / "v.lv2" / "manifest.ttl").read_text()
    if "macos" in machine:
        with (tmp_path / "v.clap" / "Contents" / "Info.plist").open("rb") as file:
            assert plistlib.load(file)["CFBundleExecutable"] == "voice"
    if machine == "x86_64-linux-gnu" and platform.machine() == "x86_64" and sys.platform == "linux":
        block = noise(500)
        np.testing.assert_allclose(played(host, library, block, 1)[0][0, :, 0], y.realize(500, inputs={0: block}), atol=1e-5)
