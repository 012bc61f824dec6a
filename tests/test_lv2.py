"""Bundles of LV2: clean for lv2_validate, equal to `realize` through lv2apply, whole whatever happens meanwhile."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor, files

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="there is no gcc")

RATE, URI = 44100, "urn:test:voice"
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")


def needs(tool):
    return pytest.mark.skipif(not shutil.which(tool), reason=f"there is no {tool}")


@pytest.fixture(autouse=True)
def rate():
    DGen.sample_rate = RATE


def filter_of(**given):
    """A filter with a knob of each kind."""
    cutoff = Signal.param(800.0, min=20.0, max=20000.0)
    gain = Signal.param(-6.0, min=-60.0, max=12.0)
    pan = Signal.param(0.5, min=-1.0, max=1.0)
    y = Signal.input(0).biquad(cutoff) * 10 ** (gain / 20) * (pan * Tensor([1.0, 0.5]))
    names = {"cutoff": cutoff, "gain": gain, "pan": pan}
    units = {"cutoff": "Hz", "gain": "dB", "pan": 'of "all" %'}
    return y, {"params": names, "units": units, **given}


def applied(folder, bundle, block, uri=URI, **controls):
    """What lv2apply makes of a recording, channels last."""
    soundfile = pytest.importorskip("soundfile", reason="the extra `audio` is not installed")
    soundfile.write(folder / "in.wav", block, RATE, subtype="FLOAT")
    knobs = [x for name, value in controls.items() for x in ("-c", name, repr(float(value)))]
    command = ["lv2apply", "-i", str(folder / "in.wav"), "-o", str(folder / "out.wav"), *knobs, uri]
    path = f"{bundle.parent}:{os.environ.get('LV2_PATH', '/usr/lib/lv2:/usr/local/lib/lv2')}"
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LV2_PATH": path}, timeout=60)
    assert done.returncode == 0, done.stderr
    return soundfile.read(folder / "out.wav", dtype="float32")[0]


def noise(frames, *lanes):
    return np.random.default_rng(1).uniform(-1, 1, (frames, *lanes)).astype(np.float32)


def exported(folder, y, name="voice.lv2", **given):
    (folder / "bundles").mkdir(exist_ok=True)
    dg.export(y, folder / "bundles" / name, **{"uri": URI, **given})
    return folder / "bundles" / name


@needs("lv2_validate")
def test_bundles_are_clean_for_lv2_validate(tmp_path):
    y, given = filter_of(title='A "voice" \\ é')
    freq, gate = Signal.param(440.0, min=20.0, max=2e4), Signal.param(0.0, min=0.0, max=1.0)
    tiny = Signal.param(1e-7, min=1e-9, max=1e9)
    bundles = [
        exported(tmp_path, y, **given),
        exported(tmp_path, {"out": Signal.phasor(freq) * gate, "in0": freq * 1.0, "a b": tiny * 1.0}, "synth.lv2",
                 params={"freq": freq, "gate": gate, "tiny": tiny}, units={"freq": "kHz", "tiny": "ms"}),
        exported(tmp_path, Signal.input(0).stft(64).istft(), "late.lv2"),
        exported(tmp_path, [Signal.input(0, shape=[2]), Signal.input(3)], "lanes.lv2"),
    ]  # fmt: skip
    for bundle in bundles:
        done = subprocess.run(["lv2_validate", *map(str, bundle.glob("*.ttl"))], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Found 0 errors" in done.stdout + done.stderr
        assert "warning" not in (done.stdout + done.stderr).lower()


@needs("lv2apply")
def test_a_bundle_equals_realize_through_lv2apply(tmp_path):
    y, given = filter_of()
    bundle, block = exported(tmp_path, y, **given), noise(2000)
    np.testing.assert_allclose(applied(tmp_path, bundle, block), y.realize(2000, inputs={0: block}), atol=1e-5)
    leaves = given["params"]
    leaves["cutoff"].value, leaves["gain"].value = 3000.0, 3.0
    leaves["pan"].value = -1.0
    turned = applied(tmp_path, bundle, block, cutoff=3000, gain=3, pan=-7)  # outside: the nearest inside
    np.testing.assert_allclose(turned, y.realize(2000, inputs={0: block}), atol=1e-5)


@needs("lv2apply")
@pytest.mark.parametrize(
    "graph",
    [
        lambda x: x[0].stft(64).istft(),
        lambda x: {"left": x[1] * 0.5, "right": x[0].comb(0.01 * RATE, 0.5, max_delay=1000)},
        lambda x: [Signal.noise(), Signal.phasor(Tensor([440.1, 3.7])) + x[0] * 0 + x[1] * 0],
    ],
)
def test_latency_lanes_and_noise_are_those_of_realize(graph, tmp_path):
    x = [Signal.input(0), Signal.input(1)]
    y = graph(x)
    bundle = exported(tmp_path, y)
    block = noise(1500, 2) if "in1" in (bundle / "voice.ttl").read_text() else noise(1500)
    latency = int((re.findall(r"lv2:default (\d+) ;\n +lv2:minimum 0 ", (bundle / "voice.ttl").read_text()) or [0])[0])
    outputs = list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y]
    inputs = dict(enumerate(block.T.reshape(-1, 1500)))
    want = dg.realize(*outputs, frames=1500, inputs=inputs)
    want = np.column_stack([np.reshape(w, (1500, -1)) for w in (want if len(outputs) > 1 else [want])])
    got = applied(tmp_path, bundle, block).reshape(1500, -1)
    assert (latency > 0) == (len(outputs) == 1)
    np.testing.assert_allclose(got[latency:], want[: 1500 - latency], atol=1e-5)


HOST = r"""
#include <stdio.h>
#include VOICE
int main(void) {
    const LV2_Descriptor *d = lv2_descriptor(0);
    static float in[2048], out[2][2048], cutoff = 800.0f, gain = -6.0f, pan = 0.5f;
    LV2_Handle h;
    if (lv2_descriptor(1) || !d || d->instantiate(d, 48000.0, "", NULL)) return 1;
    if (!(h = d->instantiate(d, 44100.0, "", NULL))) return 2;
    if (fread(in, sizeof *in, 2048, stdin) != 2048) return 3;
    d->connect_port(h, 3, &cutoff); d->connect_port(h, 4, &gain); d->connect_port(h, 5, &pan);
    for (int again = 0; again < 2; again++) {
        const int lengths[] = LENGTHS;
        int at = 0, i = 0;
        cutoff = 500.0f;
        d->activate(h);
        while (at < 2048) {
            int length = lengths[i++ % (int)(sizeof lengths / sizeof *lengths)];
            if (at < 640 && at + length > 640) length = 640 - at;
            if (at + length > 2048) length = 2048 - at;
            if (at == 640) cutoff = 5000.0f;
            d->connect_port(h, 0, in + at); d->connect_port(h, 1, out[0] + at); d->connect_port(h, 2, out[1] + at);
            d->run(h, (uint32_t)length);
            at += length;
        }
        if (d->deactivate) d->deactivate(h);
        fwrite(out, sizeof **out, 4096, stdout);
    }
    gain = NAN; cutoff = INFINITY; pan = -INFINITY;
    d->connect_port(h, 0, in); d->connect_port(h, 1, out[0]); d->connect_port(h, 2, out[1]);
    d->run(h, 64);
    d->cleanup(h);
    return 0;
}
"""


def ramped(first, last, moved, frames):
    """A knob that is moved at a frame: 20 ms in steps of 64 frames, each of them a level."""
    steps = int(np.ceil(0.02 * RATE / 64))
    at = np.clip((np.arange(frames) - moved) // 64 + 1, 0, steps)
    return (last - (last - first) / steps * (steps - at)).astype(np.float32)


@pytest.mark.parametrize("lengths", ["{64}", "{1, 63, 0, 200}", "{2048}"])
def test_a_knob_that_is_moved_ramps_whatever_the_blocks_and_sanitizers_are_silent(lengths, tmp_path):
    y, given = filter_of()
    bundle = exported(tmp_path, y, **given)
    (tmp_path / "host.c").write_text(HOST)
    given = [f'-DVOICE="{bundle / "voice.c"}"', f"-DLENGTHS={lengths}"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = ["gcc", "-std=c99", "-O1", *STRICT, *given, str(tmp_path / "host.c"), "-o", str(tmp_path / "host"), "-lm"]
    done = subprocess.run([*command, *checks], capture_output=True, text=True)
    if "cannot find" in done.stderr and "san" in done.stderr:
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    block = noise(2048)
    run = subprocess.run([str(tmp_path / "host")], input=block.tobytes(), capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr
    got = np.frombuffer(run.stdout, np.float32).reshape(2, 2, 2048)
    np.testing.assert_array_equal(got[0], got[1])
    cutoff = Signal.input(1)
    want = Signal.input(0).biquad(cutoff) * np.float32(10 ** (-6 / 20)) * Tensor([0.5, 0.25])
    want = want.realize(2048, inputs={0: block, 1: ramped(500, 5000, 640, 2048)})
    np.testing.assert_allclose(got[0].T, want, atol=1e-5)


def test_the_c_of_a_bundle_is_c99_and_cpp_without_a_word_with_the_structs_of_lv2(tmp_path):
    y, given = filter_of()
    late = exported(tmp_path, Signal.input(0).stft(64).istft(), "late.lv2")
    for source in (exported(tmp_path, y, **given) / "voice.c", late / "late.c"):
        shutil.copy(source, tmp_path / "voice.cpp")
        subprocess.run(["gcc", "-std=c99", "-O2", *STRICT, "-c", str(source), "-o", os.devnull], check=True)
        subprocess.run(["g++", "-std=c++11", "-O2", *STRICT, "-c", str(tmp_path / "voice.cpp"), "-o", os.devnull], check=True)
    header = next((h for h in ("/usr/include/lv2/core/lv2.h", "/usr/include/lv2.h") if os.path.exists(h)), None)
    if header:
        (tmp_path / "real.c").write_text(f'#include "{header}"\n{PLACES}')
        (tmp_path / "ours.c").write_text(f'#include "{late / "late.c"}"\n{PLACES}')
        said = []
        for name in ("real", "ours"):
            subprocess.run(["gcc", str(tmp_path / f"{name}.c"), "-o", str(tmp_path / name), "-lm"], check=True)
            said.append(subprocess.run([str(tmp_path / name)], capture_output=True, text=True, check=True).stdout)
        assert said[0] == said[1]


PLACES = r"""
#include <stddef.h>
#include <stdio.h>
#define AT(x) (int)offsetof(LV2_Descriptor, x)
int main(void) {
    printf("%d %d %d %d %d %d %d %d\n", AT(instantiate), AT(connect_port), AT(activate), AT(run), AT(deactivate), AT(cleanup),
           AT(extension_data), (int)sizeof(LV2_Descriptor));
    return 0;
}
"""


def test_a_library_hands_out_one_name_and_calls_no_more_than_math_and_memory(tmp_path):
    y, given = filter_of()
    library = str(exported(tmp_path, y, **given) / "voice.so")
    names = {}
    for way in ("-uD", "--defined-only -D"):
        said = subprocess.run(["nm", *way.split(), library], capture_output=True, text=True, check=True).stdout
        names[way] = {line.split()[-1].split("@")[0] for line in said.splitlines()}
    assert names["--defined-only -D"] == {"lv2_descriptor"}
    strange = {n for n in names["-uD"] if not n.startswith(("_ITM", "__gmon", "__cxa_finalize", "__stack_chk_fail"))}
    assert strange <= {"calloc", "free", "memset", "memcpy", "memmove", "powf", "expf", "tanf", "sinf", "cosf"}


def test_a_bundle_says_its_units_scales_and_digest(tmp_path):
    y, given = filter_of()
    (tmp_path / "bundles").mkdir()
    digest = dg.export(y, tmp_path / "bundles" / "voice.lv2", uri=URI, **given)
    bundle = tmp_path / "bundles" / "voice.lv2"
    assert sorted(p.name for p in bundle.iterdir()) == ["manifest.ttl", "voice.c", "voice.so", "voice.ttl"]
    rows = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(bundle.iterdir())]
    assert digest == hashlib.sha256("".join(rows).encode()).hexdigest()
    ports = (bundle / "voice.ttl").read_text().split("] , [")
    assert ["units:hz" in p for p in ports] == ["logarithmic" in p for p in ports] == [False] * 3 + [True] + [False] * 2
    assert "units:db" in ports[4]
    assert '"of \\"all\\" %"' in ports[5]
    assert "lv2:default 0.5 " in ports[5]
    assert "reportsLatency" not in ports[-1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"uri": None}, "an LV2 plug-in takes uri=, its name in the world"),
        ({"uri": "a b"}, "an LV2 plug-in takes uri=, its name in the world"),
        ({"uri": "urn:a>b"}, "an LV2 plug-in takes uri=, its name in the world"),
        ({"id": "com.you"}, "a .lv2 file takes no id='com.you'"),
        ({"frames": 3}, "a .lv2 file takes no frames=3"),
        ({"title": "a\nb"}, "title='a\\nb' is no text of one line"),
        ({"target": "amiga"}, "target='amiga' is no machine as zig names it"),
        ({"params": {"free": Signal.param(1.0)}}, "'free' has no bounds, which a plug-in needs"),
        ({"params": {"free": Tensor([1.0, 2.0])}}, "'free' has no bounds, which a plug-in needs"),
        (
            {"params": {"free": Tensor.param(np.zeros(129), min=-1.0, max=1.0)}},
            "'free' has 129 elements; a plug-in has at most 128",
        ),
    ],
)
def test_what_a_bundle_cannot_be_made_of_is_named(given, says, tmp_path):
    y = Signal.input(0) * given.get("params", {"free": Signal.param(1.0)})["free"]
    with pytest.raises(dg.ArgumentError, match=re.escape(says)):
        dg.export(y, tmp_path / "voice.lv2", **{"uri": URI, **given})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "option"), [(".c", "target"), (".dgen", "id"), (".dgen", "title"), (".clap", "uri")])
def test_options_of_plugins_are_for_plugins_only(suffix, option, tmp_path):
    with pytest.raises(dg.ArgumentError, match=f"a {suffix} file takes no {option}='x'"):
        dg.export(Signal.input(0), tmp_path / f"voice{suffix}", **{option: "x"})


def test_c_with_the_uri_of_a_plugin_is_the_c_of_its_bundle(tmp_path):
    y, given = filter_of()
    bundle = exported(tmp_path, y, **given)
    dg.export(y, tmp_path / "voice.c", uri=URI, **given)
    assert (tmp_path / "voice.c").read_text() == (bundle / "voice.c").read_text()
    for options in ({"uri": URI, "id": "x"}, {"title": "x"}):
        with pytest.raises(dg.ArgumentError, match=r"a \.c file takes uri= or id= and then title="):
            dg.export(y, tmp_path / "voice.c", **options)


def test_a_folder_of_other_things_is_not_replaced(tmp_path):
    (tmp_path / "voice.lv2").mkdir()
    (tmp_path / "voice.lv2" / "thesis.txt").write_text("years of work")
    with pytest.raises(dg.ArgumentError, match=r"folder of other things: it has no manifest.ttl"):
        dg.export(Signal.input(0), tmp_path / "voice.lv2", uri=URI)
    (tmp_path / "file.lv2").write_text("a file")
    with pytest.raises(dg.ArgumentError, match="is a file, not a folder"):
        dg.export(Signal.input(0), tmp_path / "file.lv2", uri=URI)
    with pytest.raises(dg.ArgumentError, match="there is no folder"):
        dg.export(Signal.input(0), tmp_path / "missing" / "voice.lv2", uri=URI)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file.lv2", "thesis.txt", "voice.lv2"]


KILLED = """
import os, signal, sys, types
package = types.ModuleType("dgenlazy")  # without all that its own __init__ imports
package.__path__ = [sys.argv[1]]
sys.modules["dgenlazy"] = package
from dgenlazy import files
folder, moment, nth = sys.argv[2:]
call, calls = getattr(os, moment), []
def killed(*args, **kwargs):
    calls.append(args)
    if len(calls) > int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
    return call(*args, **kwargs)
setattr(os, moment, killed)
files.replace_folder("test", folder, {"manifest.ttl": b"new", "a/b.so": b"new" * 100_000}, "manifest.ttl")
"""


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_writer_of_a_folder_that_is_killed_leaves_the_old_one_or_the_new_one_and_the_next_tidies_up(tmp_path):
    target, kills = tmp_path / "voice.lv2", 0
    old, new = {"manifest.ttl": b"old"}, {"manifest.ttl": b"new", "a/b.so": b"new" * 100_000}
    for moment in ("mkdir", "open", "fstat", "fsync", "chmod", "scandir", "unlink", "rmdir", "close"):
        for nth in range(4):
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            (target / "manifest.ttl").write_bytes(b"old")
            command = [sys.executable, "-c", KILLED, str(Path(files.__file__).parent), str(target), moment, str(nth)]
            done = subprocess.run(command, timeout=60)
            assert done.returncode in (0, -signal.SIGKILL)
            kills += done.returncode != 0
            assert contents(target) in ((new,) if done.returncode == 0 else (old, new))
            files.replace_folder("test", str(tmp_path / "other.lv2"), old, "manifest.ttl")
            assert sorted(p.name for p in tmp_path.iterdir()) == ["other.lv2", "voice.lv2"]
    assert kills >= 20


def test_folders_are_replaced_where_two_cannot_change_places(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    for text in (b"1", b"2", b"3"):
        files.replace_folder("test", str(tmp_path / "a"), {"manifest.ttl": text}, "manifest.ttl")
        assert contents(tmp_path) == {"a/manifest.ttl": text}


def page_of(readme, word):
    """The page of code in the README that has a word in it."""
    return next(m for m in re.findall(r"^```c(?:pp)?\n(.*?)^```$", readme, re.S | re.M) if word in m)


@pytest.fixture
def pages(tmp_path):
    """The README, and beside what is made of it a `voice.c` as it says: one input, one output, a parameter `cutoff`."""
    cutoff = Signal.param(800.0, min=20.0, max=20000.0)
    dg.export(Signal.input(0).biquad(cutoff), tmp_path / "voice.c", params={"cutoff": cutoff})
    return (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.skipif(not os.path.exists("/usr/include/m_pd.h"), reason="there is no header of Pure Data")
def test_the_wrapper_for_pure_data_compiles_as_the_readme_says(pages, tmp_path):
    (tmp_path / "pd.c").write_text(page_of(pages, "m_pd.h"))
    command = ["gcc", "-std=c99", "-O3", "-Wall", "-Werror", "-shared", "-fPIC", str(tmp_path / "pd.c"), "-o"]
    done = subprocess.run([*command, str(tmp_path / "voice~.pd_linux"), "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


JUCE = Path("/usr/share/juce/modules")
PROCESSOR = """
#define JUCE_GLOBAL_MODULE_SETTINGS_INCLUDED 1
#define NDEBUG 1
#include <juce_audio_processors/juce_audio_processors.h>
struct Voices;
struct Processor : juce::AudioProcessor {
    ~Processor() override;
    void prepareToPlay(double, int) override;
    void processBlock(juce::AudioBuffer<float>&, juce::MidiBuffer&) override;
    std::unique_ptr<Voices> voices;
    juce::SmoothedValue<float> cutoff;
    std::atomic<float>* knob = nullptr;
};
"""


@pytest.mark.skipif(not JUCE.exists(), reason="there are no modules of JUCE; the package juce-modules-source has them")
def test_the_wrapper_for_juce_compiles_as_the_readme_says(pages, tmp_path):
    text = f"{PROCESSOR}{page_of(pages, 'juce::')}\nProcessor::~Processor() {{}}\n"
    (tmp_path / "processor.cpp").write_text(text)
    command = ["g++", "-std=c++17", "-fsyntax-only", "-isystem", str(JUCE), "-Wall", "-Wextra", "-Werror"]
    done = subprocess.run([*command, str(tmp_path / "processor.cpp")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


BOARDS = {  # as far as the pages ask for their SDKs
    "daisy_seed.h": """
#include <stddef.h>
#define DSY_SDRAM_BSS
namespace daisy {
struct AudioHandle {
    typedef const float *const *InputBuffer;
    typedef float **OutputBuffer;
    typedef void (*AudioCallback)(InputBuffer, OutputBuffer, size_t);
};
struct Pin {};
struct AdcChannelConfig { void InitSingle(Pin); };
struct AdcHandle { void Init(AdcChannelConfig *, size_t); void Start(); float GetFloat(int) const; };
struct DaisySeed {
    void Init();
    Pin GetPin(int);
    float AudioSampleRate();
    void StartAudio(AudioHandle::AudioCallback);
    AdcHandle adc;
};
}
""",
    "Audio.h": """
#include <stdint.h>
#define AUDIO_BLOCK_SAMPLES 128
#define AudioNoInterrupts() (void)0
#define AudioInterrupts() (void)0
#define constrain(x, low, high) ((x) < (low) ? (low) : (x) > (high) ? (high) : (x))
struct audio_block_t { int16_t data[AUDIO_BLOCK_SAMPLES]; };
class AudioStream {
public:
    AudioStream(unsigned char, audio_block_t **) {}
protected:
    static audio_block_t *allocate();
    static void release(audio_block_t *);
    void transmit(audio_block_t *, unsigned char = 0);
    audio_block_t *receiveWritable(unsigned = 0);
private:
    virtual void update() = 0;
};
""",
}


@pytest.mark.parametrize("header", BOARDS)
def test_the_wrappers_for_boards_are_cpp_and_fit_what_their_sdks_declare(header, pages, tmp_path):
    (tmp_path / header).write_text(BOARDS[header])
    (tmp_path / "voice.h").write_bytes((tmp_path / "voice.c").read_bytes())
    (tmp_path / "board.cpp").write_text(page_of(pages, header))
    command = ["g++", "-std=c++14", "-fsyntax-only", f"-I{tmp_path}", "-Wall", "-Wextra", "-Werror"]
    done = subprocess.run([*command, str(tmp_path / "board.cpp")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
