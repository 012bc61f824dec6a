"""Graphs in the browser: WebAssembly in node, the page in Chromium, equal to `realize`; what is refused, and what is left."""

import json
import os
import re
import shutil
import subprocess
import sys

import browser
import numpy as np
import pytest
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import ArgumentError, BackendError, DGen, Signal, Tensor
from dgenlazy.ship import native
from dgenlazy.ship.native import build, plugin, wasm

NODE = shutil.which("node")
X = np.random.default_rng(0).uniform(-1, 1, (2, 2048)).astype(np.float32)


def can_build():
    try:
        return bool(build.compiler("wasm32-wasi"))
    except BackendError:
        return False


builds = pytest.mark.skipif(not can_build(), reason="there is no compiler for WebAssembly")
in_node = pytest.mark.skipif(not (NODE and can_build()), reason="there is no node")
in_chromium = pytest.mark.skipif(not (browser.CHROMIUM and can_build()), reason="there is no chromium")

# A host of its own: what the section of the module says is all that it knows. It runs `blocks`, after the first of which it
# moves a parameter, and tells what came out and how long it took.
HOST = """
const {path, inputs, blocks, params, times} = JSON.parse(require("fs").readFileSync(0));
const module = new WebAssembly.Module(require("fs").readFileSync(path));
const meta = JSON.parse(Buffer.from(WebAssembly.Module.customSections(module, "dgenlazy")[0]));
const e = new WebAssembly.Instance(module, {}).exports, frames = Math.max(1, ...blocks), n = meta.inputs + meta.outputs;
e._initialize();
const self = e.memory.grow(Math.ceil((meta.size + n * 4 * (frames + 1)) / 65536) + 1) * 65536, list = self + meta.size;
const at = c => list + 4 * n + 4 * frames * c, view = c => new Float32Array(e.memory.buffer, at(c), frames);
new Uint32Array(e.memory.buffer, list, n).set([...Array(n).keys()].map(at));
const call = (name, ...args) => e[meta.name + "_" + name](self, ...args);
const wrong = call("init", 12345), right = call("init", meta.sample_rate);
const move = given => {
  for (const [name, xs] of Object.entries(given)) {
    const p = meta.parameters.find(p => p.name === name);
    new Float32Array(e.memory.buffer, self + p.offset, p.length).set(xs);
  }
  call("prepare");
};
const out = [...Array(meta.outputs)].map(() => []), took = [];
let first = 0;
blocks.forEach((count, i) => {
  if (params[i]) move(params[i]);
  inputs.forEach((x, c) => view(c).set(x.slice(first, first + count)));
  const begun = performance.now();
  call("process", list, list + 4 * meta.inputs, count);
  took.push(performance.now() - begun);
  out.forEach((to, c) => to.push(...view(meta.inputs + c).slice(0, count)));
  first += count;
});
const exported = WebAssembly.Module.exports(module).map(x => x.name), imported = WebAssembly.Module.imports(module);
console.log(JSON.stringify({out, meta, exported, imported, wrong, right, took: times ? took : []}));
"""


def run(path, inputs=(), blocks=(1024,), params=None, times=False):
    """What a module gives in node, `(channels, frames)` as "out", and what is said about it."""
    told = {"path": str(path), "inputs": [x.tolist() for x in inputs], "blocks": blocks, "params": params or {}, "times": times}
    done = subprocess.run([NODE, "-e", HOST], input=json.dumps(told), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def voice():
    freq = Signal.param(220.0, min=50.0, max=2000.0)
    cutoff = Signal.param(800.0, min=20.0, max=20000.0)
    gate = Signal.param(0.0, min=0.0, max=1.0)
    sound = (Signal.phasor(freq) * 2 - 1).biquad(cutoff, 2.0) * (0.2 + gate.smooth(10.0))
    return sound.tanh(), {"freq": freq, "cutoff": cutoff, "gate": gate}


def echo():
    gain = Signal.param(0.5, min=0.0, max=1.0)
    wet = Signal.input(0).delay(100).comb(150, feedback=0.7)
    return {"left": wet * gain, "right": Signal.input(1) * gain + 0.1 * Signal.noise(seed=3)}, {"gain": gain}


def lanes():
    weights = Tensor(np.linspace(0.1, 1.0, 8))
    return (Signal.phasor(Tensor(np.arange(1.0, 9.0) * 100)) * weights - 0.5).onepole(0.3), {}


def told(answer, frames):
    return np.array(answer["out"], np.float32).reshape(-1, frames)


def wanted(outputs, frames, inputs=None):
    values = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    return np.concatenate([x.T.reshape(-1, frames) for x in dg.realize(*values, frames=frames, inputs=inputs)])


GRAPHS = {"voice": voice, "echo": echo, "lanes": lanes}


@in_node
@pytest.mark.parametrize("graph", sorted(GRAPHS))
def test_a_module_equals_realize_in_blocks_of_any_length(graph, tmp_path):
    outputs, params = GRAPHS[graph]()
    path, blocks = tmp_path / "x.wasm", [1, 7, 64, 0, 1000, 952]
    digest = dg.export(outputs, path, params=params, name="x")
    given = X if graph == "echo" else ()
    answer = run(path, given, blocks)
    frames = sum(blocks)
    inputs = {i: x[:frames] for i, x in enumerate(X)} if graph == "echo" else None
    np.testing.assert_allclose(told(answer, frames), wanted(outputs, frames, inputs), atol=1e-5)
    assert np.ptp(answer["out"][0]) > 0.1
    assert (answer["wrong"], answer["right"]) == (1, 0)
    assert sorted(answer["exported"]) == sorted(["memory", "_initialize", "x_init", "x_prepare", "x_process", "x_reset"])
    assert answer["imported"] == []
    assert path.stat().st_size <= 12_000
    assert digest == dg.export(outputs, path, params=params, name="x")


@in_node
def test_parameters_lie_where_the_section_of_a_module_says(tmp_path):
    gains = Tensor([0.1, 0.2, 0.3], requires_grad=True)
    level = Signal.param(0.5, min=0.0, max=1.0)
    made = (Signal.input(0) * gains).sum() * level
    dg.export(made, tmp_path / "x.wasm", params={"gains": gains, "level": level}, units={"level": "x"}, name="x")
    answer = run(tmp_path / "x.wasm", X[:1], [10, 10], {1: {"gains": [1, 2, 3], "level": [0.25]}})
    np.testing.assert_allclose(told(answer, 20)[0], X[0, :20] * np.repeat([0.3, 1.5], 10), rtol=1e-6)
    rows = {row["name"]: row for row in answer["meta"]["parameters"]}
    assert rows["gains"]["max"] is None
    assert (rows["level"]["min"], rows["level"]["max"], rows["level"]["unit"]) == (0.0, 1.0, "x")
    np.testing.assert_allclose(rows["gains"]["initial"], [0.1, 0.2, 0.3], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "unit", "low", "high", "octaves"),
    [
        ("x", "Hz", 20.0, 2000.0, True),
        ("x", " khz ", 0.0, 20.0, True),
        ("x", "Hz", -100.0, 100.0, False),
        ("cutoff", "", 0.0, 20000.0, True),
        ("lfo_freq2", "", 0.5, 8.0, True),
        ("lowCutoff", "", 100.0, 400.0, True),
        ("center_hz", "", 100.0, 400.0, True),
        ("f0", "", 50.0, 800.0, True),
        ("cutoff", "", 0.0, 1.0, False),
        ("cutoff", "%", 0.0, 100.0, False),
        ("freq_depth", "", 0.0, 4.0, False),
        ("time", "ms", 1.0, 1000.0, True),
        ("time", "ms", 0.0, 1000.0, False),
        ("gain", "", 0.01, 1.0, True),
        ("level", "dB", 0.5, 96.0, False),
        ("key", "midi", 1.0, 127.0, False),
        ("q", "", 0.3, 10.0, False),
    ],
)
def test_what_moves_by_octaves_is_what_people_think_of_in_ratios(name, unit, low, high, octaves):
    knobs = {name: Signal.param(high, min=low, max=high)}
    made = native.source(Signal.input(0) * knobs[name], knobs, "x", {name: unit})
    assert wasm.about(made)["parameters"][0]["octaves"] is octaves
    assert plugin.controls(made, made.units)[0].by_octaves is (octaves and low > 0)


@in_node
@pytest.mark.skipif(not THOROUGH, reason="zig builds its C library for it, once, in a minute; DGENLAZY_EVERY=1")
def test_a_module_takes_from_the_c_library_what_it_needs(tmp_path):
    y = abs(Signal.input(0)).atan2(0.3) + (2 + Signal.input(0)).pow(Signal.input(0)) + (1.1 * Signal.input(0)).tan()
    dg.export(y, tmp_path / "x.wasm", name="x", math="libm")
    answer = run(tmp_path / "x.wasm", X[:1])
    assert answer["imported"] == []
    np.testing.assert_allclose(told(answer, 1024), wanted(y, 1024, {0: X[0, :1024]}), atol=1e-5)


def ringing():
    """What rings for long: filters, a loop, and a delay line."""
    x = Signal.input(0)
    low = x.biquad(300.0, 20.0) + x.svf(500.0, 20.0) + x.onepole(0.01)
    return low + x.comb(40, feedback=0.5) + low.delay(30)


@in_node
def test_what_rings_on_does_not_fall_where_numbers_are_slow(tmp_path):
    dg.export(ringing(), tmp_path / "x.wasm", name="x")
    blocks = [1024] * 260
    silent = np.zeros(sum(blocks), np.float32)
    burst = silent.copy()
    burst[:1024] = X[0, :1024]
    loud = np.tile(X[0, :1024], len(blocks))
    calm = run(tmp_path / "x.wasm", [burst], blocks, times=True)
    busy = run(tmp_path / "x.wasm", [loud], blocks, times=True)
    assert np.abs(calm["out"][0][:4096]).max() > 0.1
    assert calm["out"][0][-1] == 0
    tails = [np.array(answer["took"][20:]).reshape(-1, 20).min(axis=1) for answer in (calm, busy)]  # of 20 blocks the best
    assert tails[0].max() <= 1.5 * tails[1].min()


@builds
def test_a_page_is_one_file_that_names_no_address(tmp_path):
    outputs, params = voice()
    title = "A </script> & <b>voice</b>"
    digest = dg.export(outputs, tmp_path / "voice.html", params=params, units={"cutoff": "Hz"}, title=title)
    text = (tmp_path / "voice.html").read_text()
    assert [*tmp_path.iterdir()] == [tmp_path / "voice.html"]
    assert not re.search(r"https?:|//[a-z]+\.|src=|@import|fetch\(|XMLHttp", text)
    assert "<title>A &lt;/script&gt; &amp; &lt;b&gt;voice&lt;/b&gt;</title>" in text
    assert text.count("</script>") == 1
    assert len(digest) == 64
    meta = json.loads(re.search(r"const META = (.*), BYTES", text)[1])
    assert meta["title"] == title
    assert meta["sample_rate"] == DGen.sample_rate
    dg.export(outputs, tmp_path / "voice.html", params=params)
    assert "<title>voice</title>" in (tmp_path / "voice.html").read_text()


def test_what_a_page_cannot_have_is_refused_before_anything_is_built(tmp_path):
    x, free, half = Signal.input(0), Signal.param(1.0), Signal.param(1.0, min=0.0)
    good = Signal.param(1.0, min=0.0, max=2.0)
    params = {"free": free, "half": half, "good": good}
    cases = [
        ({"outputs": x * free * half * good, "params": params}, "'free', 'half'; give them min= and max="),
        ({"outputs": x, "title": 3}, "title=3 is no text"),
        ({"outputs": x, "frames": 64}, "takes no frames=64"),
        ({"outputs": x, "sample_rates": [1000.0]}, "browsers do not play 1000 Hz"),
        ({"outputs": Signal.input(0, shape=[33])}, "33"),
        ({"outputs": []}, "there is no output"),
    ]
    for given, message in cases:
        with pytest.raises(ArgumentError, match=re.escape(message)):
            dg.export(**given, path=tmp_path / "x.html")
    for suffix in (".wasm", ".dgen"):
        with pytest.raises(ArgumentError, match="takes no title='x'"):
            dg.export(x, tmp_path / f"x{suffix}", title="x")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("suffix", ["html", "wasm"])
def test_where_no_compiler_is_the_error_says_how_to_get_one_and_the_old_file_stays(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_zig", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    path = tmp_path / f"x.{suffix}"
    path.write_text("old")
    with pytest.raises(
        BackendError, match=re.escape(f"wasm32-wasi; install one, or run: {sys.executable} -m pip install ziglang")
    ):
        dg.export(Signal.input(0), path)
    assert path.read_text() == "old"


def test_zig_alone_builds_a_module_where_no_program_is_on_the_path(tmp_path, monkeypatch):
    pytest.importorskip("ziglang")
    monkeypatch.setenv("PATH", "")
    for suffix in ("c", "wasm", "html"):
        dg.export(Signal.input(0).onepole(0.5), tmp_path / f"x.{suffix}")
        assert (tmp_path / f"x.{suffix}").stat().st_size > 500


KILLED = """
import sys, os, time, signal, random
import dgenlazy as dg
from dgenlazy import Signal

path, times = sys.argv[1], int(sys.argv[2])
cases = [(Signal.input(0).onepole(0.5), "one"), (Signal.input(0).biquad(500.0, 2.0), "another")]
for i in range(times):
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        while True:
            for value, title in cases:
                dg.export(value, path, title=title)
    time.sleep(random.Random(i).uniform(1.0, 3.0))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    text = open(path).read()
    print(text[-8:].strip(), "<title>one</title>" in text or "<title>another</title>" in text or text[:3] == "old", flush=True)
"""


@builds
@pytest.mark.skipif(os.name != "posix", reason="there is no fork")
def test_a_page_whose_export_is_killed_is_whole(tmp_path):
    path, times = tmp_path / "x.html", 20 if THOROUGH else 2
    path.write_text("old </html>\n")
    done = subprocess.run([sys.executable, "-c", KILLED, path, str(times)], capture_output=True, text=True, timeout=300)
    assert done.stdout.split("\n") == ["</html> True"] * times + [""], done.stderr
    assert path.read_text()[:3] != "old"


# In Chromium.

OFFLINE = """(async inputs => {
  const frames = inputs[0].length, off = new OfflineAudioContext(META.outputs, frames, META.sample_rate);
  const node = await voiceNode(off);
  if (META.inputs) {
    const buffer = off.createBuffer(META.inputs, frames, META.sample_rate), from = off.createBufferSource();
    for (let c = 0; c < META.inputs; c++) buffer.copyToChannel(new Float32Array(inputs[c]), c);
    from.buffer = buffer; from.connect(node); from.start();
  }
  node.connect(off.destination);
  const made = await off.startRendering();
  return {how: node.how, out: [...Array(META.outputs).keys()].map(c => Array.from(made.getChannelData(c)))};
})"""


PEAK = "(w => (analyser.getFloatTimeDomainData(w), Math.max(...w.map(Math.abs))))(new Float32Array(2048))"


def asked(function, *args):
    return f"{function}({', '.join(map(json.dumps, args))})"


def settled(page, ms=300):
    page.run(f"new Promise(done => setTimeout(done, {ms}))")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The addresses of the pages of the graphs."""
    folder = tmp_path_factory.mktemp("pages")
    units = {"voice": {"freq": "Hz", "cutoff": "Hz"}, "echo": {}, "lanes": {}}
    for name, made in GRAPHS.items():
        outputs, params = made()
        dg.export(outputs, folder / f"{name}.html", params=params, units=units[name], sample_rates=[44100.0])
    return {name: (folder / f"{name}.html").as_uri() for name in GRAPHS}


@pytest.fixture(scope="module")
def voice_page(exported):
    with browser.Page(exported["voice"]) as page:
        yield page


@in_chromium
@pytest.mark.parametrize("graph", sorted(GRAPHS))
def test_the_page_plays_through_its_audio_worklet_what_realize_gives(graph, exported, voice_page):
    outputs, _ = GRAPHS[graph]()
    voice_page.go(exported[graph])
    answer = voice_page.run(asked(OFFLINE, X.tolist()))
    inputs = dict(enumerate(X)) if graph == "echo" else None
    assert answer["how"] == "AudioWorklet"
    np.testing.assert_allclose(told(answer, 2048), wanted(outputs, 2048, inputs), atol=1e-5)
    assert not voice_page.said


MOVED = """(async (name, value) => {
  const off = new OfflineAudioContext(1, 44100, META.sample_rate), node = await voiceNode(off);
  node.connect(off.destination);
  off.suspend(0.5).then(() => { node.set(name, 0, value); setTimeout(() => off.resume(), 200); });
  return Array.from((await off.startRendering()).getChannelData(0));
})"""


@in_chromium
def test_a_parameter_that_moves_gets_there_in_20_ms_without_a_click(exported, voice_page):
    """A step of a gain would be one jump; a ramp in steps of 64 frames has jumps of at most a fourteenth of it."""
    level = Signal.param(0.0, min=0.0, max=1.0)
    path = exported["voice"].removeprefix("file://").replace("voice.html", "level.html")
    dg.export(level * 1.0, path, params={"level": level})
    voice_page.go(f"file://{path}")
    got = np.array(voice_page.run(asked(MOVED, "level", 1.0)))
    before, after = got[:22016], got[22144 + 64 * 15 :]
    assert np.all(before == 0)
    assert np.all(after == 1)
    assert np.count_nonzero(np.diff(got)) == 14
    assert np.abs(np.diff(got)).max() < 1.01 / 14
    assert np.all(np.diff(got) >= 0)


@in_chromium
def test_sliders_move_frequencies_by_octaves_and_the_sound_with_them(exported, voice_page):
    voice_page.go(exported["voice"])
    voice_page.run("find('play').click()")
    voice_page.until("voice !== null")
    assert voice_page.run("context.sampleRate") == 44100
    assert voice_page.run("find('how').textContent") == "playing, AudioWorklet"
    move = "(id, to) => { const s = find(id); s.value = to; s.dispatchEvent(new Event('input')); }"
    voice_page.run(asked(f"({move})", "knob-cutoff-0", 0.5))
    assert abs(voice_page.run("values.cutoff[0]") - np.sqrt(20 * 20000)) < 2
    assert voice_page.run("find('knob-cutoff-0').getAttribute('aria-valuetext')") == "632.5 Hz"
    voice_page.run(asked(f"({move})", "knob-gate-0", 0.5))
    assert voice_page.run("values.gate[0]") == 0.5
    settled(voice_page)
    assert voice_page.run(PEAK) > 0.1
    voice_page.run("find('play').click()")
    voice_page.until("context === null")
    assert voice_page.run("find('play').textContent") == "Start"
    assert not voice_page.said


@in_chromium
def test_the_keyboard_plays_by_mouse_and_by_keys_and_lets_go(exported, voice_page):
    voice_page.go(exported["voice"])
    assert voice_page.run("[...document.querySelectorAll('#keys button')].length") == 25
    voice_page.key("keyDown", "a")
    voice_page.until("voice !== null && values.gate[0] === 1")
    assert abs(voice_page.run("values.freq[0]") - 261.63) < 0.01
    voice_page.key("keyUp", "a")
    voice_page.until("values.gate[0] === 0")
    voice_page.run("key = document.querySelectorAll('#keys button')[9].getBoundingClientRect()")
    box = voice_page.run("[key.x + 9, key.bottom - 9]")
    voice_page.mouse("mousePressed", *box)
    voice_page.until("values.gate[0] === 1")
    assert voice_page.run("values.freq[0]") == 440
    voice_page.mouse("mouseReleased", *box)
    voice_page.until("values.gate[0] === 0")
    assert voice_page.run("find('lower').click(), lowest") == 48
    voice_page.go(exported["echo"])
    assert voice_page.run("find('keyboard').hidden")


@in_chromium
def test_fingers_play_the_keyboard_on_a_phone(exported, voice_page):
    voice_page.size(390, 844)
    voice_page.go(exported["voice"])
    voice_page.run(
        "key = document.querySelectorAll('#keys button')[9], key.scrollIntoView(), box = key.getBoundingClientRect()"
    )
    x, y = voice_page.run("[box.x + 9, box.bottom - 9]")
    voice_page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    voice_page.until("values.gate[0] === 1")
    assert voice_page.run("values.freq[0]") == 440
    voice_page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    voice_page.until("values.gate[0] === 0")
    voice_page.size(1100, 900)


@in_chromium
def test_a_microphone_is_heard(exported, voice_page):
    voice_page.go(exported["echo"])  # Chromium's own microphone beeps once a second
    voice_page.run("document.querySelector('[data-source=microphone]').click()")
    voice_page.until("voice !== null")
    voice_page.run(f"loudest = 0, setInterval(() => loudest = Math.max(loudest, {PEAK}), 20)")
    voice_page.until("loudest > 0.01")


@in_chromium
def test_a_file_is_heard_and_what_is_no_sound_is_named(exported, voice_page, tmp_path):
    sound, text = tmp_path / "tone.wav", tmp_path / "notes.txt"
    dg.audio.write(sound, 0.5 * np.sin(np.arange(44100, dtype=np.float32) * 0.05), 44100)
    text.write_text("no sound")
    voice_page.go(exported["echo"])
    document = voice_page.call("DOM.getDocument")["root"]["nodeId"]
    chooser = voice_page.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
    voice_page.call("DOM.setFileInputFiles", nodeId=chooser, files=[str(text)])
    voice_page.until("document.body.innerText.includes('notes.txt is no sound that this browser reads.')")
    assert voice_page.run("voice === null")
    voice_page.call("DOM.setFileInputFiles", nodeId=chooser, files=[str(sound)])
    voice_page.until("voice !== null")
    assert voice_page.run("find('source').textContent") == "tone.wav, 1.0 s, again and again"
    voice_page.until(f"{PEAK} > 0.05")


@in_chromium
def test_without_a_worklet_a_script_processor_plays(exported, voice_page):
    voice_page.go(exported["lanes"])
    voice_page.run("AudioWorklet.prototype.addModule = () => Promise.reject(new Error('none')); find('play').click()")
    voice_page.until("voice !== null")
    assert voice_page.run("find('how').textContent") == "playing, ScriptProcessor"
    voice_page.until(f"{PEAK} > 0.01")


@in_chromium
@pytest.mark.parametrize("graph", sorted(GRAPHS))
def test_a_phone_shows_all_of_the_page_and_every_control_has_a_name(graph, exported, voice_page):
    voice_page.go(exported[graph])
    for width in (320, 390, 1100):
        voice_page.size(width, 800)
        settled(voice_page, 50)
        assert voice_page.run("document.documentElement.scrollWidth") <= width
    nodes = voice_page.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "textbox", "combobox")
    named = [n["name"]["value"] for n in nodes if n.get("role", {}).get("value") in roles and not n["ignored"]]
    assert len(named) >= 2
    assert all(named)
