"""Every op and every example lowers, forwards and in reverse, to what the plugins for Apple's GPUs take.

Nothing is compiled and nothing runs here: that the plugins then compute the same is not shown. `python -m dgenlazy doctor` on
a Mac compares numbers.
"""

import functools as ft
import importlib.util
import sys
from pathlib import Path

import cases
import contract
import jax
import jax.numpy as jnp
import metal
import numpy as np
import optax
import pytest
import references as ref
from jax import export, lax
from test_ops import FIRST, TABLE

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.dsp import spectral_distances
from dgenlazy.graph import FLOAT, Context
from dgenlazy.run import initial_state, plans, restage, run, runtime

ROOT = Path(__file__).parents[1]
FRAMES = 1024
platforms = pytest.mark.parametrize("platform", metal.PLATFORMS)


def refused(nodes, platform, frames=FRAMES):
    """What the plugin does not take of a graph, of its state, and of its gradient to all data that it holds."""
    graph = restage(nodes)
    return refused_program(graph.program, platform, frames)


def refused_program(program, platform, frames, sample_rate=cases.RATE):
    given = [jax.ShapeDtypeStruct((-(-frames // s.every),) * s.varies + s.shape, s.dtype) for s in program.leaves]
    learned = [i for i in range(program.numbers, len(given)) if given[i].dtype == FLOAT]

    def outputs(start, leaves):
        ctx = runtime.context(sample_rate, frames, start, metal.Place(platform))
        return run(program, ctx, leaves, initial_state(program, ctx, leaves))

    def both(start, leaves):
        def loss(some):
            return sum(y.sum() for y in outputs(start, [some.get(i, x) for i, x in enumerate(leaves)])[0])

        return outputs(start, leaves), jax.grad(loss)({i: leaves[i] for i in learned})

    return metal.refused(both, jax.ShapeDtypeStruct((), np.uint32), given, platform=platform)


def node_of(case):
    random = np.random.default_rng(0)
    inputs = ref.over(case.inputs, lambda x: x.draw(random) if isinstance(x, cases.Drawn) else x)
    return (case.call or case.op)(*inputs, **case.params).node


# On "METAL" the first case of each op, and all that take another way there.
CASES = [(c, p) for c in TABLE for p in metal.PLATFORMS if p == "mps" or FIRST[c.op] is c or c.op is dg.spectral_loss]


@pytest.mark.parametrize(("case", "platform"), [pytest.param(c, p, id=f"{p} {c.id}") for c, p in CASES])
def test_an_op_lowers_to_what_the_plugin_takes(case, platform):
    assert not refused([node_of(case)], platform)


@platforms
def test_a_run_so_long_that_it_is_cut_into_pieces_lowers_to_what_the_plugin_takes(platform):
    y = dg.feedback(lambda previous: (Signal.from_samples([0.0]) + 2.0 * previous).tanh())
    assert not refused([y.node], platform, frames=20_000_000)


def test_the_audit_sees_the_plans_that_a_gpu_would_run():
    loop = dg.feedback(lambda previous: (Signal.noise() + 2.0 * previous).tanh())
    program = runtime.staged([loop.node]).program
    for platform in metal.PLATFORMS:
        ctx = runtime.context(44100.0, FRAMES, 0, metal.Place(platform))
        assert ctx == Context(44100.0, FRAMES, 0, parallel=True, fft=platform == "mps")
        assert [row.plan for row in plans(program, ctx, platform).rows] == ["newton"]


# Examples.


def ran_by(script, arguments, monkeypatch):
    """The programs that an example would run: `(program, frames, sample rate)`. Its numbers are random, nothing is compiled."""
    programs, random = [], np.random.default_rng(0)

    def realized(program, frames, sample_rate, where):
        programs.append((program, frames, sample_rate))
        shapes = [(frames,) * (s.varies or s.signal) + s.shape for s in program.output_specs]
        return lambda numbers, arrays, start, state: ([random.uniform(-1, 1, s).astype(np.float32) for s in shapes], state)

    def differentiated(program, learned, frames, sample_rate, where, total):
        programs.append((program, frames, sample_rate))
        return lambda parameters, numbers, arrays: (1.0, [np.ones_like(p) for p in parameters])

    spec = importlib.util.spec_from_file_location(Path(script).stem, ROOT / "examples" / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(runtime, "_compiled", realized)
    monkeypatch.setattr(runtime, "_compiled_gradient", differentiated)
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    module.main()
    return list(dict.fromkeys(programs))


@pytest.mark.parametrize("script", ["train_filter.py", "neural_synthesis.py"])
def test_an_example_lowers_to_what_the_plugins_take(script, monkeypatch, tmp_path):
    for module in ("matplotlib", "soundfile", "tqdm"):
        pytest.importorskip(module, reason="the extras `audio` and `notebook` are not installed")
    programs = ran_by(script, ["--steps", 1, "--output", tmp_path], monkeypatch)
    assert len(programs) > 1
    for program, frames, sample_rate in programs:
        for platform in metal.PLATFORMS:
            assert not refused_program(program, platform, frames, sample_rate)


@platforms
def test_a_step_that_trains_a_voice_lowers_to_what_the_plugin_takes(platform, monkeypatch):
    """As train_voice.py does it: a pure function of a graph, in a batch."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    voice_model = pytest.importorskip("voice_model", reason="the extra `audio` is not installed")
    monkeypatch.setattr(runtime, "device", lambda: metal.Place(platform))
    with DGen.override(sample_rate=16000.0):
        voice = voice_model.voice_function(1600, seed=0)

    def loss(params, batch):
        return jax.vmap(lambda example: voice(params, example)[0]["loss"])(batch).mean()

    points = 1600 * voice_model.CONTROL_RATE // 16000 + 1
    shapes = {"audio": (1600,), "playhead": (1600,), "features": (points, voice_model.FEATURES), "f0": (points,)}
    batch = {name: jax.ShapeDtypeStruct((2, *shape), np.float32) for name, shape in shapes.items()}
    assert not metal.refused(jax.value_and_grad(loss), voice.params, batch, platform=platform)


@platforms
@pytest.mark.parametrize("tx", [optax.adam(0.1), optax.sgd(0.1, momentum=0.9, nesterov=True), optax.adamw(0.1)])
def test_a_step_of_an_optimizer_lowers_to_what_the_plugin_takes(tx, platform):
    def step(values, grads):
        changes, state = tx.update(grads, tx.init(values), values)
        return optax.apply_updates(values, changes), state

    given = [jax.ShapeDtypeStruct((3,), np.float32)]
    assert not metal.refused(step, given, given, platform=platform)


# Without an FFT.


def distances(fft, sizes, hop):
    ctx = Context(44100.0, 1, fft=fft)
    given = spectral_distances.given((("window_size", sizes), ("hop", hop), ("log_eps", 1e-3)), ctx)
    return lambda x, y: spectral_distances.fn(x, y, **given)


@pytest.mark.parametrize("size", [2, 3, 7, 12, 97, 1000, 1024, 4096])
def test_a_spectral_loss_without_fft_is_the_one_with_it(size):
    random = np.random.default_rng(size)
    x, y = random.standard_normal((2, 2 * size + 5, 2)).astype(np.float32)
    with_fft, without = (
        jax.jit(lambda x, y, loss=loss: (loss(x, y), *jax.jacrev(loss, (0, 1))(x, y)))(x, y)
        for loss in (distances(True, (size,), None), distances(False, (size,), None))
    )
    for part in (0, 1):
        for a, b, what in zip(without, with_fft, ("value", "gradient to pred", "gradient to target"), strict=True):
            contract.close_to_scale(a[part], b[part], 1e-4, f"{what}, part {part}")


@ft.lru_cache
def slope(fft):
    loss = distances(fft, (16,), 4)
    return jax.jit(jax.grad(lambda x, y: loss(x, y).sum()))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-22, 1e-6, 1e16])
def test_without_fft_gradients_are_finite_at_silence_and_right_next_to_it(scale):
    random = np.random.default_rng(0)
    x, y = scale * random.standard_normal((2, 64, 1)).astype(np.float32)
    with_fft, without = (slope(fft)(x, y) for fft in (True, False))
    assert np.isfinite(without).all()
    contract.close_to_scale(without, with_fft, 1e-4, "gradient")


def test_without_fft_a_nan_is_not_hidden():
    x = np.where(np.arange(64) == 40, np.nan, 1.0).astype(np.float32)[:, None]
    assert np.isnan(distances(False, (16,), 4)(x, np.ones_like(x))).all()


@platforms
def test_fft_is_used_where_there_is_one(platform):
    loss = dg.spectral_loss(Signal.from_samples(np.ones(64)), Signal.noise(), window_size=16)
    graph = runtime.staged([loss.node])

    def fn(leaves):
        ctx = runtime.context(44100.0, 64, 0, metal.Place(platform))
        return run(graph.program, ctx, leaves, initial_state(graph.program, ctx, leaves))[0]

    given = [jax.ShapeDtypeStruct((64,) * s.varies + s.shape, s.dtype) for s in graph.program.leaves]
    text = str(jax.make_jaxpr(fn)(given))
    assert ("fft[" in text) == (platform == "mps")
    assert ("dot_general" in text) == (platform == "METAL")


# The audit finds what it is for.

X = jax.ShapeDtypeStruct((8, 8), np.float32)


@pytest.mark.parametrize(
    ("fn", "platforms", "says"),
    [
        (lambda x: jnp.abs(jnp.fft.rfft(x)), ["METAL"], ["stablehlo.fft", "complex<f32>, from stablehlo.fft"]),
        (lambda x: lax.complex(x, x).real, ["METAL"], ["stablehlo.complex", "stablehlo.real", "complex<f32>"]),
        (jnp.linalg.eigvalsh, ["mps", "METAL"], ["MLIR translation rule for primitive 'eigh' not found"]),
        (lax.lgamma, ["mps", "METAL"] if jax.__version_info__ < (0, 12) else [], ["chlo.lgamma"]),
        (lambda x: x.astype(jnp.float8_e5m2), ["mps", "METAL"], ["f8E5M2, from stablehlo.convert"]),
        (lambda x: lax.reduce(x, 0.0, lambda a, b: a + 2 * b, (0,)), ["mps", "METAL"], ["reduce by stablehlo."]),
        (lambda x: lax.scan(lambda c, x: (c, jnp.abs(jnp.fft.fft(x))), 0.0, x)[1], ["METAL"], ["stablehlo.fft"]),
        (lambda x: jax.pure_callback(np.sin, x, x), ["mps", "METAL"], ["Callback"]),
        (lambda x: jnp.square(jnp.sin(x) @ x), [], []),
    ],
)
def test_what_a_plugin_does_not_take_is_found(fn, platforms, says):
    for platform in metal.PLATFORMS:
        found = metal.refused(fn, X, platform=platform)
        assert bool(found) == (platform in platforms), found
        for text in says if platform in platforms else ():
            assert any(text in complaint for complaint in found), found


@platforms
def test_float64_is_found(platform):
    with contract.double_precision():
        found = metal.refused(lambda x: 2 * x, np.float64([1.0, 2.0]), platform=platform)
    assert any("f64" in complaint for complaint in found)


@platforms
def test_an_op_whose_gradient_alone_is_not_taken_is_found(platform):
    @jax.custom_jvp
    def double(x):
        return 2 * x

    @double.defjvp
    def _(primals, tangents):
        return double(*primals), 2 * tangents[0] * jnp.linalg.eigvalsh(jnp.eye(2))[0]

    assert "eigh" in refused([dg.from_jax(double)(Tensor([1.0])).node], platform)[0]


@pytest.mark.parametrize("name", sorted(metal.SERIALIZED))
def test_what_is_taken_on_trust_is_stablehlo_by_the_time_that_a_plugin_sees_it(name):
    fn = getattr(jnp, name.removeprefix("chlo."))
    text = export.export(jax.jit(fn), platforms=["mps"])(X).mlir_module()
    assert f"{name} " not in text
    assert "stablehlo.multiply" in text
