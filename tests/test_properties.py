"""Random graphs: what must hold for any of them, whatever the ops, the types and the blocks."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import quick
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.graph import Context, Data, Input, Number
from dgenlazy.run import initial_state, run, stage

FRAMES = 24
EXAMPLES = settings(
    max_examples=quick.EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
FEWER = settings(EXAMPLES, max_examples=-(-EXAMPLES.max_examples // 3))  # each is compiled, and differentiated


@contextlib.contextmanager
def float64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def numbers(shape, seed):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(np.float32)


def unit(x):
    """Any value squeezed into (0, 1), so that it can serve as a coefficient."""
    return dg.sigmoid(x)


def at_run_time(leaf, seed):
    """What a leaf brings into a run of FRAMES frames, in float64."""
    if isinstance(leaf, Data):
        return np.array(leaf.array[:FRAMES] if leaf.spec.varies else leaf.array, np.float64)
    if isinstance(leaf, Number):
        return np.float64(leaf.number)
    if isinstance(leaf, Input):
        return numbers((FRAMES,), seed).astype(np.float64)
    return np.array([0, 1, 7], np.uint32)  # a Seed


def every(frames):
    """A trigger that no finite difference can tip."""
    return Signal.from_samples(np.arange(4096) % frames == 1)


# Bodies are smooth, so that finite differences mean something, and contract, so that no output grows without bound.
UNARY = {
    "tanh": lambda x: x.tanh(),
    "sin": lambda x: (2 * x).sin(),
    "squash": lambda x: x / (1 + x * x),
    "exp": lambda x: (-(x**2)).exp(),
    "log": lambda x: (1 + x**2).log(),
    "sqrt": lambda x: (0.1 + x**2).sqrt(),
    "atan2": lambda x: dg.atan2(x, 1.5 + x**2),
    "softmax": lambda x: x.softmax() if x.ndim else x,
    "cumsum": lambda x: x.cumsum() * 0.3 if x.ndim else x,
    "sum": lambda x: x.sum() * 0.3,
    "mean": lambda x: x.mean(axis=0) if x.ndim else x,
    "flip": lambda x: x[::-1] if x.ndim else x,
    "transpose": lambda x: dg.stack([x, -x]).transpose()[..., 0] if x.ndim else x,
    "history": lambda x: x.history(init=0.25),
    "delta": lambda x: x.delta(),
    "onepole": lambda x: x.onepole(0.3),
    "accum": lambda x: (0.05 * x).accum(),
    "delay": lambda x: x.delay(2.5),
    "long delay": lambda x: x.delay(40),
    "latch": lambda x: x.latch(every(5)),
    "reset accum": lambda x: x.accum(reset=every(7)),
    "lowpass": lambda x: x.biquad(0.1 * DGen.sample_rate, 0.9),
    "peak": lambda x: x.biquad(0.2 * DGen.sample_rate, 1.5, mode="peak", gain_db=6.0),
    "echo": lambda x: dg.feedback(lambda prev: x + 0.4 * prev.tanh()),
    "comb": lambda x: dg.feedback(lambda prev: 0.5 * x + 0.6 * prev.delay(2)),
    "damped": lambda x: dg.feedback(lambda prev: x - 0.5 * prev.onepole(0.4).history()),
    "pair": lambda x: dg.feedback(lambda s: (0.5 * s[0] - 0.3 * s[1] + x, 0.3 * s[0] + 0.5 * s[1]), init=(0.0, 0.1))[1],
}
BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (1.5 + y.tanh()),
    "pow": lambda x, y: (1.5 + x.tanh()) ** y.tanh(),
    "swept onepole": lambda x, y: x.onepole(unit(y)),
    "swept filter": lambda x, y: x.biquad(DGen.sample_rate * (0.02 + 0.4 * unit(y)), 0.5 + unit(y)),
    "moving delay": lambda x, y: x.delay(3 * unit(y) + 0.2, max_delay=8),
    "learned init": lambda x, y: x.history(init=0.5) * y,
    "table": lambda x, y: (dg.stack([x, 2 * x, -x, x * x]) if not x.ndim else x).peek_row(1.9 * unit(y) + 0.03),
    "am": lambda x, y: x * dg.sin(2 * np.pi * Signal.phasor(20.0 + y.tanh())),
    "loop": lambda x, y: dg.feedback(lambda prev: x + unit(y) * 0.6 * prev.tanh()),
}


@st.composite
def graphs(draw, sample_rate=44100.0):
    """A value computed by a handful of random ops from leaves of every kind, and their names. Cutoffs are parts of the rate."""
    seed = draw(st.integers(0, 2**20))
    leaves = [
        Tensor(numbers((3,), seed), requires_grad=True),
        Tensor(numbers((), seed + 1), requires_grad=True),
        Signal.param(float(numbers((), seed + 2))),
        Signal.from_samples(numbers((4096,), seed + 3), requires_grad=True),
        Signal.from_samples(numbers((4096, 3), seed + 4), requires_grad=True),
    ]
    pool = [*leaves, Signal.noise(), Signal.noise(seed=seed), Signal.phasor(30.0), Signal.phasor(Tensor([3.0, 50.0, -20.0]))]
    pool.append(Signal.input(0))
    picked = draw(st.lists(st.sampled_from(sorted(UNARY) + sorted(BINARY)), min_size=1, max_size=5))
    value = draw(st.sampled_from(pool))
    for name in picked:
        others = () if name in UNARY else (draw(st.sampled_from([*pool, value])),)
        with DGen.override(sample_rate=sample_rate):
            value = (UNARY | BINARY)[name](value, *others)
        pool.append(value)
    return value, picked


@EXAMPLES
@given(graphs(1000.0), st.integers(1, FRAMES - 1), st.integers(0, 2**20))
def test_any_split_into_blocks_gives_the_output_of_one_run(graph, block, seed):
    value, _ = graph
    assume(value.is_frame_varying)
    with DGen.override(sample_rate=1000.0, inputs={0: numbers((FRAMES,), seed)}):
        whole = value.realize(FRAMES)
        blocks = [value.realize(min(block, FRAMES - n), preserve_state=True) for n in range(0, FRAMES, block)]
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-5, rtol=1e-5)


@FEWER
@given(graphs(), st.integers(0, 2**20))
def test_the_gradient_is_that_of_finite_differences(graph, seed):
    value, _ = graph
    assume(value.requires_grad)
    assume(not {"am", "table"} <= set(graph[1]))  # a table's kinks, in the wide steps that a phase takes
    program, leaves = stage([value.node])
    rng = np.random.default_rng(seed)
    data = [at_run_time(leaf, seed) for leaf in leaves]
    slopes = [rng.normal(size=np.shape(x)) if leaf.requires_grad else None for x, leaf in zip(data, leaves)]
    with float64():
        weights = rng.normal(size=(FRAMES, *value.shape) if value.node.spec.varies else value.shape)

        @jax.jit
        def loss(step):
            moved = [jnp.asarray(d) if s is None else d + step * s for d, s in zip(data, slopes)]
            ctx = Context(1000.0, FRAMES, np.uint32(0))
            (out,), _ = run(program, ctx, moved, initial_state(program, ctx, moved))
            return (out * weights).sum()

        slope = float(jax.jit(jax.grad(loss))(0.0))
        eps = 1e-3 if "am" in graph[1] else 1e-5  # a phase has 2**-24 of a cycle
        finite = float(loss(eps) - loss(-eps)) / (2 * eps)
    assert abs(slope - finite) <= (2e-3 if "am" in graph[1] else 1e-5) * max(1.0, abs(finite))
