"""JAX's modes: 64 bits, checks of leaks, and shapes and types told in full. Results are those of the defaults."""

import contextlib
import gc
import shutil
import zlib

import cases
import contract
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import references as ref
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.graph import Data, infer
from dgenlazy.run import stage
from dgenlazy.values import promoted

# The first case of each op, traced; or every case, run as well, which takes an hour on two cores.
TABLE = cases.TABLE if THOROUGH else list({c.op: c for c in reversed(cases.TABLE)}.values())
RECURRENT = {dg.onepole, dg.biquad, Signal.phasor, dg.feedback, dg.latch, dg.read, dg.delay}
MODES = {
    "x64": contract.double_precision,
    "leaks": jax.checking_leaks,
    "rank": lambda: jax.numpy_rank_promotion("raise"),
    "strict": lambda: jax.numpy_dtype_promotion("strict"),
}


@contextlib.contextmanager
def modes(*names):
    infer.cache_clear()  # what was inferred in another mode says nothing about this one
    gc.freeze()  # looking for leaks collects at every turn: not through all that other tests have left
    try:
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(MODES[name]())
            yield
    finally:
        gc.unfreeze()


class Graded:
    """A graph as functions of all the floats that it holds: its values, and the gradient of their sum."""

    def __init__(self, value, samples, frames):
        held = [promoted(leaf) for leaf in stage([value.node])[1] if isinstance(leaf, Data) and leaf.spec.dtype == np.float32]
        params = [x for x in held if not x.node.spec.varies]
        inputs = {str(i): x for i, x in enumerate(held) if x.node.spec.varies}
        self.inputs = {name: np.asarray(x.node.array) for name, x in inputs.items()}
        self.inputs |= {f"channel {k}": np.float32(x) for k, x in samples.items()}
        self.fn = dg.function(value, params, inputs | {f"channel {k}": k for k in samples})
        self.frames = {} if self.inputs else {"frames": frames}

    def arguments(self):
        return self.fn.params, self.inputs

    def gradient(self, params, inputs):
        """Of a function that is jitted, so that rules of derivatives are asked for when it has been traced."""

        @jax.jit
        def loss(params, inputs):
            y = self.fn.whole(params, inputs, **self.frames)
            return jnp.sum(jnp.cos(y)), y

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(params, inputs)


def graded(case):
    DGen.numbering(at=0)  # what is made without a seed is the same in every mode
    random = np.random.default_rng(zlib.crc32(case.id.encode()))
    inputs = ref.over(case.inputs, lambda x: x.draw(random) if isinstance(x, cases.Drawn) else x)
    value = (case.call or case.op)(*inputs, **case.params)
    return Graded(value, case.options.get("samples", {}), case.options.get("frames", contract.FRAMES))


def types(tree):
    return {np.dtype(x.dtype).name for x in jax.tree.leaves(tree)}


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in TABLE])
def test_an_op_and_its_gradient_are_float32_in_all_modes_at_once(case):
    # To look for leaks takes three times as long; what recurs is where they were.
    names = MODES if THOROUGH or case.op in RECURRENT else MODES.keys() - {"leaks"}
    with modes(*names):
        graph = graded(case)
        assert types(jax.eval_shape(graph.gradient, *graph.arguments())) == {"float32"}
        found = jax.jit(graph.gradient)(*graph.arguments()) if THOROUGH else ()
    if THOROUGH:
        with modes():
            usual = graded(case)
            wanted = jax.jit(usual.gradient)(*usual.arguments())
        jax.tree.map(lambda a, b: contract.close_to_scale(a, b, 1e-5, case.id), found, wanted)


SAMPLES = np.sin(np.arange(48) * 0.2).astype(np.float32)


def played(share):
    """What once had 64 bits, some of it in a loop."""
    x = Signal.input(0)
    loop = dg.feedback(lambda y: 0.3 * dg.compressor(y + x, attack_ms=2.0) + dg.onepole(y, share), init=0.0)
    return loop + (Signal.noise(seed=1) * 0.1).smooth(10.0)


def everything(path):
    """A graph in all the ways in which it leaves the library."""
    DGen.inputs, DGen.sample_rate, share = {0: SAMPLES}, 8000.0, Signal.param(0.2, min=0.0, max=1.0)
    value, x = played(share), Signal.input(0)
    found = {"whole": value.realize(48)}
    found["stream"] = np.concatenate([value.realize(n, preserve_state=True) for n in (20, 28)])
    (value * value).mean().backward()
    found["gradient"] = share.grad

    fn = dg.function(value, [share], {"x": x})
    first, state = jax.jit(lambda p, x: fn(p, {"x": x}))(fn.params, SAMPLES[:20])
    second, _ = jax.jit(lambda p, x, state: fn(p, {"x": x}, state))(fn.params, SAMPLES[20:], state)
    found["function"] = np.concatenate([first, second])
    found["its gradient"] = jax.grad(jax.jit(lambda p: (fn(p, {"x": SAMPLES})[0] ** 2).mean()))(fn.params)[0]
    found["batch"] = jax.jit(jax.vmap(lambda x: fn(fn.params, {"x": x})[0]))(np.stack([SAMPLES, -SAMPLES]))

    digest = dg.export(value, path, params={"share": share})
    player = dg.load(path, sha256=digest)
    found["player"] = np.concatenate([player.process(SAMPLES[:20]), player.process(SAMPLES[20:])])
    if shutil.which("gcc"):
        player = dg.compile(value, params={"share": share})
        found["C"] = np.concatenate([player.process(SAMPLES[:20]), player.process(SAMPLES[20:])])
    return found


def test_a_run_a_stream_a_gradient_and_a_file_are_those_of_the_defaults(tmp_path):
    with modes():
        wanted = everything(tmp_path / "usual.dgen")
    with modes("x64", "rank", "strict"):
        found = everything(tmp_path / "played.dgen")
    assert types(found) == {"float32"}
    jax.tree.map(lambda a, b: contract.close_to_scale(a, b, 1e-5, "in modes"), found, wanted)
    for name in {"stream", "function", "player", "C"} & found.keys():
        contract.close_to_scale(found[name], found["whole"], 1e-5, name)
    np.testing.assert_allclose(found["its gradient"], found["gradient"], rtol=1e-4)


@pytest.mark.parametrize("names", [("x64",), ("strict", "rank")], ids=" ".join)
def test_an_optimizer_steps_as_by_default(names):
    def stepped():
        w = Tensor([3.0, 4.0], requires_grad=True)
        optimizer = dg.Optimizer([w], optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)))
        other = dg.Adam([w], lr=0.1)
        for _ in range(2):
            (w * Signal.phasor(100.0)).sum().mean().backward(frames=8)
            optimizer.step()
            other.step()
        return w.value

    with modes():
        wanted = stepped()
    with modes(*names):
        found = stepped()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_search_ends_where_it_does_by_default():
    def found():
        x = Signal.param(3.0, min=-4.0, max=4.0)
        return dg.multistart((x**2 - 1) ** 2 + 0.1 * x, frames=1, starts=4, steps=4, polish=0, progress=False).losses

    with modes():
        wanted = found()
    with modes("x64", "rank", "strict"):
        np.testing.assert_allclose(found(), wanted, rtol=1e-4, atol=1e-4)


def test_a_function_of_a_user_keeps_the_modes_of_the_user():
    seen = []

    def fn(x):
        seen.append((jax.config.jax_numpy_rank_promotion, jax.config.jax_numpy_dtype_promotion))
        return x + 1.0

    with modes("rank", "strict"):
        dg.from_jax(fn)(Tensor([1.0])).realize()
    assert set(seen) == {("raise", "strict")}
    with modes("rank"), pytest.raises(dg.ShapeError, match="promotion"):
        dg.from_jax(lambda x: x + jnp.ones((2, 1)))(Tensor([1.0]))
    with modes("strict"), pytest.raises(dg.ShapeError, match="promotion"):
        dg.from_jax(lambda x: x + jnp.arange(1))(Tensor([1.0]))
