"""Graphs written to a file: what it plays, where it goes, what it says of itself."""

import hashlib
import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import ArgumentError, ArtifactError, BackendError, DGen, InputError, ShapeError, Signal, Tensor
from dgenlazy.ship import artifact

EXAMPLES = Path(__file__).parents[1] / "examples"
X, Y = np.random.default_rng(0).uniform(-1, 1, (2, 64)).astype(np.float32)
BLOCKS = [24, 7, 24, 1, 7, 1]
EVERYWHERE = ["cpu", "cuda", "rocm", "tpu", "mps"]
HERE = artifact.platform_of(jax.devices()[0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "program.dgen"


def exported(path, outputs, **options):
    """A player of the outputs, by way of a file."""
    return dg.load(path, sha256=dg.export(outputs, path, **options))


def played(player, x, blocks):
    """What a player gives, block by block, in one piece; `x` is its input, or None."""
    pieces, at = [], 0
    for n in blocks:
        pieces.append(player.process(frames=n) if x is None else player.process(x[at : at + n]))
        at += n
    return np.concatenate(pieces)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def example(name):
    """An example as a module."""
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train_filter():
    return example("train_filter").train(X, Y, 1000.0, 0.7, steps=1)[0]


def neural_synthesis():
    return example("neural_synthesis").synthesizer(220.0)[0]


def x():
    return Signal.input(0)


GRAPHS = {
    "examples/train_filter.py": train_filter,
    "examples/neural_synthesis.py": neural_synthesis,
    "phasor": lambda: Signal.phasor(Tensor([440.0, -880.0])),
    "moving phasor": lambda: Signal.phasor(500.0 * x()),
    "noise": lambda: Signal.noise() + Signal.noise(seed=3),
    "biquad": lambda: (Tensor([1.0, 2.0, 3.0]) * x()).biquad(1000.0 + 500.0 * x()),
    "delay": lambda: x().delay(10.5) + x().delay(5 + 4 * x(), max_delay=9),
    "memory": lambda: x().accum().latch(x()) + x().history(init=0.5) + x().delta(),
    "feedback": lambda: dg.feedback(lambda previous: (x() + 0.5 * previous.onepole(0.3)).tanh()),
    "feedback of two": lambda: dg.feedback(lambda p: (x() + 0.5 * p[1], 0.9 * p[0] - p[1]), (0.0, 1.0))[1],
    "ladder": lambda: x().ladder(1000.0, resonance=0.9, drive=2),
    "comb": lambda: x().comb(17, feedback=0.8, damping=0.2),
    "fdn": lambda: x().fdn([9, 13], [[0.8, 0.6], [-0.6, 0.8]], damping=0.2).sum(),
    "samples": lambda: x() * Signal.from_samples(Y),
    "network": lambda: (x() * Tensor(np.ones((3, 4)))).matmul(Tensor(np.ones((4, 2)))).softmax().peek_row(x()),
    "constant": lambda: Signal.constant(2.0),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_file_plays_what_realize_gives_in_blocks_of_any_length(name, path):
    graph = GRAPHS[name]()
    whole = graph.realize(frames=64, inputs={0: X})
    player = exported(path, graph)
    takes = player.manifest["inputs"] != [{"name": "frames", "shape": [0], "frames": True}]
    close(played(player, X if takes else None, BLOCKS), whole)
    assert player.position == 64


def in_blocks(player, moving, still=None):
    """The same for inputs by name, in blocks of several lengths."""
    ends = [0, 64, 65, 300, 307, len(next(iter(moving.values())))]
    pieces = [{name: x[a:b] for name, x in moving.items()} | (still or {}) for a, b in itertools.pairwise(ends)]
    return np.concatenate([player.process(piece) for piece in pieces])


def test_the_instrument_of_live_plays_from_a_file(path):
    live = example("live")
    with DGen.override(sample_rate=live.RATE):
        sound, cutoff = live.instrument()
        plucks = live.plucks(0, 600)
        whole = sound.realize(600, inputs=plucks)
        player = exported(path, sound, params={"cutoff": cutoff})
        played = in_blocks(player, {str(channel): x for channel, x in plucks.items()})
        atol = 1e-6 if HERE == "cpu" else 2e-5  # where blocks of any length have another plan than a run
        np.testing.assert_allclose(played, whole, rtol=0, atol=atol)


def test_the_voice_of_train_voice_plays_from_a_file(path):
    model = pytest.importorskip("voice_model", reason="the extra `audio` is not installed")
    heard = {"features": np.random.default_rng(1).normal(size=(7, model.FEATURES)), "f0": 220.0 + 20 * np.arange(7)}
    with DGen.override(sample_rate=8000.0):
        features, f0, playhead = Tensor(heard["features"]), Tensor(heard["f0"]), Signal.input(0)
        learned = model.parameters(seed=0)
        voice = model.synthesizer(learned, features, f0, playhead)
        points = np.linspace(0, 6, 600, dtype=np.float32)
        whole = voice.realize(inputs={0: points})
        player = exported(path, voice, params=learned, inputs={"features": features, "f0": f0, "playhead": playhead})
        close(in_blocks(player, {"playhead": points}, heard), whole)


@pytest.mark.parametrize("name", ["biquad", "comb", "ladder", "moving phasor", "samples"])
def test_a_file_of_fixed_blocks_plays_the_same(name, path):
    graph = GRAPHS[name]()
    close(played(exported(path, graph, frames=16), X, [16] * 4), graph.realize(inputs={0: X}, frames=64))


def test_a_spectral_loss_sees_each_block_as_a_run_of_its_own(path):
    loss = dg.spectral_loss(Signal.input(0).biquad(900.0), Signal.input(1), window_size=[16, 32])
    player = exported(path, loss, frames=64)
    assert player.manifest["whole_run"]
    for _ in range(2):
        close(player.process({0: X, 1: Y}), loss.realize(inputs={0: X, 1: Y}))
    player = exported(path, loss)  # of any number of frames
    close(player.process({0: X, 1: Y}), loss.realize(inputs={0: X, 1: Y}))


WITHOUT = """
import sys

class Blocker:
    def find_spec(self, name, *args):
        if name.split(".")[0] == "dgenlazy":
            raise ImportError("dgenlazy is not here")

sys.meta_path.insert(0, Blocker())
import jax.export, numpy as np

file = np.load(sys.argv[1])
step = jax.export.deserialize(bytearray(file["step." + sys.argv[4]]))
state = tuple(file[f"state.{i}"] for i in range(len([name for name in file if name.startswith("state.")])))
out, at, x = [], 0, np.load(sys.argv[2])
for n in (40, 24):
    y, state = step.call({"cutoff": file["params.cutoff"]}, {"x": x[at : at + n]}, state)
    out, at = [*out, y], at + n
np.save(sys.argv[3], np.concatenate(out))
assert not [name for name in sys.modules if name.startswith("dgenlazy")]
"""


def test_a_file_is_played_by_jax_without_this_package(path, tmp_path):
    cutoff = Signal.param(900.0)
    graph = x().biquad(cutoff) + 0.1 * Signal.noise()
    dg.export(graph, path, params={"cutoff": cutoff}, inputs={"x": 0})
    np.save(tmp_path / "x.npy", X)
    run = [sys.executable, "-P", "-c", WITHOUT, path, tmp_path / "x.npy", tmp_path / "y.npy", HERE]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert not done.returncode, done.stderr
    close(np.load(tmp_path / "y.npy"), graph.realize(inputs={0: X}))


def test_a_file_that_is_not_pinned_is_read_by_another_process_first(path):
    dg.export(x().biquad(900.0), path)
    close(dg.load(path).process(X), x().biquad(900.0).realize(inputs={0: X}))


def test_the_next_block_of_a_length_compiles_nothing(path):
    player = exported(path, x().biquad(900.0) + Signal.noise())
    player.process(X)
    with compilations() as again:
        player.process(X)
        player.reset()
        player.process(X)
        kept = player.state
        player.process(X)
        player.state = kept
        player.process(X)
    assert again == []


def test_structures_names_and_kinds_of_outputs_are_kept(path):
    gain = Tensor([1.0, 2.0])
    player = exported(path, {"y": x() * gain, "b": gain * 2}, inputs={"x": Signal.input(0)})
    out = player.process({"x": X[:3]})
    close(out["y"], X[:3, None] * [1, 2])
    close(out["b"], [2, 4])
    assert player.manifest["outputs"] == [
        {"name": "b", "shape": [2], "frames": False},
        {"name": "y", "shape": [2], "frames": True},
    ]
    assert isinstance(exported(path, [x(), x()]).process(X), list)
    assert isinstance(exported(path, (x(), x())).process(X), tuple)
    close(exported(path, gain * 2).process(), [2, 4])


def test_inputs_may_be_any_leaf(path):
    table, start = Tensor([1.0, 2.0, 3.0]), Tensor([0.5])
    player = exported(path, table.peek_row(x()), inputs={"table": table, "index": 0})
    close(player.process({"table": [4.0, 5.0, 6.0], "index": [2.0, 0.0]}), [6, 4])
    player = exported(path, x().history(init=start), inputs={"x": 0, "start": start})
    assert player.manifest["start"]
    close(player.process({"x": [1.0, 2.0], "start": [7.0]})[:, 0], [7, 1])


# Parameters and gradients.


def test_an_oscillator_whose_frequency_moves_is_exported_for_blocks_of_any_length(tmp_path):
    freq, path = Signal.input(0), tmp_path / "osc.dgen"
    y = Signal.phasor(freq) + dg.harmonic(freq, [1.0, 0.5])
    dg.export(y, path, inputs={"freq": freq}, platforms=["cpu", "cuda"])
    samples = np.linspace(100.0, 400.0, 90).astype(np.float32)
    player = dg.load(path)
    played = np.concatenate([player.process(samples[:40]), player.process(samples[40:])])
    np.testing.assert_allclose(played, y.realize(inputs={0: samples}), atol=1e-6)


def test_parameters_are_constants_or_arguments(path):
    gain = Signal.param(0.5, min=0.0, max=1.0)
    fixed, free = exported(path, x() * gain), exported(path, x() * gain, params={"gain": gain})
    gain.value = 0.75
    assert len(fixed.params) == 0
    close(fixed.process(X), 0.5 * X)
    close(free.process(X), 0.5 * X)
    free.params["gain"] = 1.0
    close(free.process(X), X)
    assert free.manifest["params"] == [{"name": "gain", "shape": [], "min": 0.0, "max": 1.0}]
    assert dict(free.params) == {"gain": 1.0}


@pytest.mark.parametrize("frames", [None, 16])
def test_samples_that_are_learned_are_arguments(path, frames):
    curve = Signal.from_samples(Y, requires_grad=True)
    player = exported(path, x() * curve, params={"curve": curve}, frames=frames, gradient=True)
    assert (player.manifest["params"][0]["shape"], player.manifest["samples"]) == ([64], 64)
    close(np.concatenate([player.process(b) for b in X.reshape(4, 16)]), X * Y)
    with pytest.raises(InputError, match="16 frames from 64 on, but the program's own samples end at 64"):
        player.process(X[:16])
    player.reset()
    player.params["curve"] = 2 * Y
    close(player.process(X[:16]), 2 * X[:16] * Y[:16])
    np.testing.assert_allclose(player.gradient(X[:16])[1]["curve"], np.pad(X[:16] / 16, (0, 48)), rtol=1e-6)


def test_a_parameter_cannot_be_written_past_its_check(path):
    gain = Signal.param(0.5, min=0.0, max=1.0)
    player = exported(path, x() * gain, params={"gain": gain})
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            player.params["gain"][...] = np.nan
        player.params["gain"] = given = np.array(0.75, np.float32)
        given[...] = 0.0
    close(player.process(X), 0.75 * X)


def test_the_first_state_follows_the_parameters(path):
    first = Signal.param(2.0)
    player = exported(path, x().history(init=first), params={"first": first})
    assert player.process(X)[0] == 2
    player.params["first"] = 3.0
    player.reset()
    assert player.process(X)[0] == 3


@pytest.mark.parametrize("frames", [None, 64])
def test_the_gradient_is_that_of_backward(path, frames):
    cutoff, gain, first = Signal.param(900.0), Tensor([0.5, 0.25], requires_grad=True), Signal.param(0.3)
    echo = dg.feedback(lambda previous: x() + 0.5 * previous.delay(9))
    loss = dg.mse((echo.biquad(cutoff) * gain).sum() + x().history(init=first), Signal.input(1))
    params = {"cutoff": cutoff, "gain": gain, "first": first}
    player = exported(path, loss, params=params, frames=frames, gradient=True)
    value, grads = player.gradient({0: X, 1: Y})
    assert loss.backward(inputs={0: X, 1: Y}) == pytest.approx(value, rel=1e-5)
    for name, leaf in params.items():
        np.testing.assert_allclose(grads[name], leaf.grad.value, rtol=1e-4)
    assert player.position == 0


def test_the_pure_call_fits_other_jax_code(path):
    gain = Signal.param(0.5)
    player = exported(path, (x() * gain).accum(), params={"gain": gain}, frames=8)
    blocks = np.arange(64, dtype=np.float32).reshape(8, 8)
    state = tuple(jnp.asarray(s) for s in player.state)
    run = jax.jit(lambda s: jax.lax.scan(lambda s, b: player.call({"gain": 2.0}, {"0": b}, s)[::-1], s, blocks))
    end, y = run(state)
    np.testing.assert_array_equal(y.ravel(), np.cumsum(2 * blocks))
    assert (end[0], player.position) == (64, 0)
    np.testing.assert_array_equal(player.call(player.params, {"0": blocks[1]}, player.state)[0], np.cumsum(0.5 * blocks[1]))


# What is in the file.


def test_the_manifest_says_what_there_is(path):
    with DGen.override(sample_rate=8000.0, seed=5):
        graph = Signal.phasor(1000.0) + Signal.noise() + x().biquad(500.0) + Signal.from_samples(Y)
        whole = graph.realize(inputs={0: X})
        digest = dg.export(graph, path, frames=32, platforms=[HERE, "mps"])
    data = path.read_bytes()
    assert digest == hashlib.sha256(data).hexdigest()
    manifest, sections = artifact.unpack(data)
    assert {key: manifest[key] for key in ("sample_rate", "seed", "frames", "latency", "samples")} == {
        "sample_rate": 8000.0,
        "seed": 5,
        "frames": 32,
        "latency": 0,
        "samples": 64,
    }
    assert manifest["made_with"].keys() == {"dgenlazy", "jax", "jaxlib", "numpy"}
    assert [row["name"] for row in manifest["state"][:3]] == ["position", "ramp[0]", "ramp[1]"]
    assert list(sections)[:3] == [f"step.{HERE}", "step.mps", "state.0.npy"]
    player = dg.load(path, sha256=digest)
    close(played(player, X, [32, 32]), whole)
    with pytest.raises(InputError, match="32 frames from 64 on, but the program's own samples end at 64"):
        player.process(X[:32])


def test_equal_graphs_are_equal_files_that_name_no_path(path, tmp_path):
    def digest(cutoff):
        return dg.export(x().biquad(cutoff) + Signal.noise(), path)

    digests = []
    for cutoff in (900.0, 900.0, 901.0):
        DGen.seed = 0
        digests.append(digest(cutoff))
    assert digests[0] == digests[1] != digests[2]
    assert digest(901.0) != digests[2]  # another noise
    for folder in (Path(__file__).parents[1], tmp_path, Path(jax.__file__).parent):
        assert str(folder).encode() not in path.read_bytes()


@pytest.mark.parametrize("frames", [None, 64])
def test_every_platform_is_lowered_for_anywhere(path, frames):
    gain = Signal.param(0.5)
    loss = dg.mse(x().biquad(900.0) * gain + Signal.noise() + Signal.phasor(440.0), 0.0)
    dg.export(loss, path, frames=frames, platforms=EVERYWHERE, params={"gain": gain}, gradient=True)
    _, sections = artifact.unpack(path.read_bytes())
    for platform in EVERYWHERE:
        for kind in ("step", "gradient"):
            program = jax.export.deserialize(bytearray(sections[f"{kind}.{platform}"]))
            assert program.platforms == (platform,)


def test_fixed_blocks_take_the_plans_of_their_platform(path):
    dg.export(x().accum(), path, frames=64, platforms=["cpu", "cuda"])
    _, sections = artifact.unpack(path.read_bytes())
    texts = [jax.export.deserialize(bytearray(sections[f"step.{p}"])).mlir_module() for p in ("cpu", "cuda")]
    assert ["stablehlo.while" in text for text in texts] == [True, False]


def test_another_platform_is_an_error_that_names_those_there_are(path):
    digest = dg.export(x(), path, platforms=["mps", "tpu"])
    with pytest.raises(ArtifactError, match=f"this is {HERE}, and the artefact is for mps, tpu"):
        dg.load(path, sha256=digest)


def test_custom_calls_must_be_allowed_on_both_sides(path):
    spd = dg.from_jax(lambda x: jnp.linalg.cholesky(jnp.eye(2) * (1 + x * x))[0])
    with pytest.raises(ArgumentError, match=r"custom call (lapack|cusolver)_\w+ is not on the list") as caught:
        dg.export(spd(x()), path, frames=8)
    assert not path.exists()
    allow = [str(caught.value).split()[3]]
    digest = dg.export(spd(x()), path, frames=8, allow=allow)
    with pytest.raises(ArtifactError, match=f"custom call {allow[0]} is not on the list"):
        dg.load(path, sha256=digest)
    close(dg.load(path, sha256=digest, allow=allow).process(X[:8]), spd(x()).realize(inputs={0: X[:8]}))


# Errors.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "export: frames=0 is less than 1"),
        ({"platforms": "cpu"}, "platforms='cpu' is not a list"),
        ({"platforms": ["gpu"]}, "'gpu' is not one of cpu, cuda, rocm, tpu, mps"),
        ({"params": [1]}, r"params=\[1\] is not a mapping"),
        ({"params": {"a/b": 1}}, "the name 'a/b' is not made of letters"),
        ({"params": {"a": 1.0}}, "1.0 is not a Tensor"),
        ({"inputs": {"0": 0, 0: 0}}, "two names read the same"),
        ({"gradient": True}, r"gradient=True takes params, and one output of shape \(\)"),
        ({"gradient": 1}, "gradient=1 is not True or False"),
    ],
)
def test_wrong_exports_are_errors_and_write_nothing(path, options, message):
    with pytest.raises(ArgumentError, match=message):
        dg.export(x(), path, **options)
    assert not path.exists()


@pytest.mark.parametrize("outputs", [{"a": [1]}, [[x()]], {}, {"a b": x()}, 3.0])
def test_outputs_are_values_by_name(path, outputs):
    with pytest.raises(ArgumentError):
        dg.export(outputs, path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="there is no folder"):
        dg.export(x(), tmp_path / "none" / "a.dgen")


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(ArgumentError, match="is a folder"):
        dg.export(x(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole_or_not_at_all(path, monkeypatch):
    dg.export(x(), path)
    before = path.read_bytes()

    def full(*args):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        dg.export(x() * 2, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_package_is_an_error_that_says_how_to_get_it(path, monkeypatch):
    monkeypatch.setattr(artifact.importlib.util, "find_spec", lambda name: None)
    for call in (lambda: dg.export(x(), path), lambda: dg.load(path)):
        with pytest.raises(BackendError, match=r'pip install "dgenlazy\[export\]"'):
            call()


def test_wrong_uses_of_a_player_are_errors(path):
    gain = Signal.param(0.5, min=0.0, max=1.0)
    player = exported(path, x() * gain + Signal.input(1), params={"gain": gain}, frames=4)
    both = {0: X[:4], 1: Y[:4]}
    for wrong, error, message in [
        (lambda: player.process(X[:4]), InputError, "takes 2 inputs by name: 0, 1"),
        (lambda: player.process({0: X[:4]}), InputError, "inputs are 0; 0, 1 are taken"),
        (lambda: player.process({0: X[:4], 1: Y[:3]}), InputError, "3 and 4 frames do not go together"),
        (lambda: player.process({0: X[:5], 1: Y[:5]}), InputError, "5 frames; the program takes 4"),
        (lambda: player.process({0: X[:4, None], 1: Y[:4]}), ShapeError, r"0 has shape \(4, 1\), not \(frames\)"),
        (lambda: player.process({0: "a", 1: Y}), ArgumentError, "is not a number or an array"),
        (lambda: player.gradient(both), ArgumentError, "exported without gradient=True"),
        (lambda: player.params.update(gain=2.0), ArgumentError, r"gain=2.0 is not inside \[0.0, 1.0\]"),
        (lambda: player.params.update(gain=np.nan), ArgumentError, "is not inside"),
        (lambda: player.params.update(gain=[1.0]), ShapeError, r"gain has shape \(\), this value has \(1,\)"),
        (lambda: player.params.update(level=1.0), ArgumentError, "'level' is not one of gain"),
        (lambda: player.params.pop("gain"), ArgumentError, "cannot be removed"),
        (lambda: setattr(player, "state", 5), ShapeError, "not of the shapes and types"),
        (lambda: setattr(player, "state", [1.0]), ShapeError, "not of the shapes and types"),
    ]:
        with pytest.raises(error, match=message):
            wrong()
    close(player.process(both), 0.5 * X[:4] + Y[:4])
    with pytest.raises(InputError, match="give frames"):
        exported(path, Signal.noise()).process()
    for suffix in (".htm", ".HTML", ".vst3"):
        with pytest.raises(ArgumentError, match=rf"export: '{suffix}' is not one of .dgen, .c, .wasm, .html, .lv2, .clap"):
            dg.export(x(), path.with_suffix(suffix))
        assert not path.with_suffix(suffix).exists()
    with pytest.raises(InputError, match=r"takes no inputs; give the number of frames, as process\(frames=64\)"):
        exported(path, Signal.noise()).process(64)
    assert exported(path, x()).process([]).shape == (0,)
