"""Random graphs that mix rates and look-ahead: whole, streamed in any blocks, and differentiated."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import quick
from contract import double_precision
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import dgenlazy as dg
from dgenlazy import DGen, Signal, Spectrum, Tensor
from dgenlazy.graph import Context, Data, Input, Number
from dgenlazy.run import initial_state, run, samples, stage

FRAMES = 75
RATE = 1000.0
FAMILIES = [(3,), (8, 64), (3, 12), (64,), (5, 10), (2, 8), (1, 4)]
EXAMPLES = settings(
    max_examples=200 if quick.THOROUGH else max(quick.EXAMPLES // 8, 1),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
FEWER = settings(EXAMPLES, max_examples=-(-EXAMPLES.max_examples // 2))  # each is compiled twice, and differentiated


class Graph(NamedTuple):
    """A value, what it was made with, and whether nothing in it rounds."""

    value: object
    inputs: dict
    names: list
    exact: bool


def numbers(rows, seed, *shape):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (rows, *shape)).astype(np.float32)


def ticks(hop, frames=FRAMES):
    return -(-frames // hop)


def unit(x):
    return dg.sigmoid(x)


def nyquist(x):
    return DGen.sample_rate / 2 / (x.hop or 1)


def every(hop, n):
    """A trigger at every n-th tick."""
    return Signal.from_samples(np.arange(ticks(hop)) % n == 1, hop=hop)


def drawn_hop(draw, family, least=1):
    return draw(st.sampled_from([h for h in family if h % least == 0] or [least]))


def aligned(draw, size):
    return draw(st.sampled_from(["centre", "start", "end", size // 3]))


def stretches(draw, x, family):
    size = draw(st.integers(1, 12))
    return x.windows(size, drawn_hop(draw, family), aligned(draw, size))


def relaid(draw, x, family):
    w = stretches(draw, x, family)
    return (w * Tensor(np.hanning(w.shape[-1] + 2)[1:-1])).overlap_add(aligned(draw, w.shape[-1])) * 0.2


def spectra(draw, x, family):
    hop = drawn_hop(draw, family)
    size = draw(st.sampled_from([2 * hop, 2 * hop + 1, 4 * hop])) if hop > 1 else draw(st.sampled_from([2, 4, 7]))
    return x.stft(size, hop, draw(st.sampled_from(["centre", "end", size // 2 + size // 5])))


def masked(draw, x, family):
    s = spectra(draw, x, family)
    learned = Tensor(1 + 0.5 * numbers(s.shape[-1], draw(st.integers(0, 99))), requires_grad=True)
    control = Signal.from_samples(1 + 0.5 * numbers(ticks(s.hop), 5), hop=s.hop, requires_grad=True)
    return (s * draw(st.sampled_from([learned, control, control * learned]))).istft()


def frozen(draw, x, family):
    s = spectra(draw, x, family)
    louder = s.abs().latch(every(s.hop, 3)) + 0.5 * s.abs().history()
    return Spectrum.polar(0.5 * louder, s.angle(), s.size).istft()


def levels(draw, x, family):
    s = spectra(draw, x, family)
    return (0.1 + s.power()).log().mean(axis=-1) * 0.2


# Nothing in these rounds: they must agree in every bit. `x` is any Signal or SignalTensor with rows of shape () or (2,).
EXACT = {
    "negative": lambda draw, x, family: -x,
    "history": lambda draw, x, family: x.history(init=0.25),
    "delay": lambda draw, x, family: x.delay(draw(st.sampled_from([1, 4, 90]))),
    "latch": lambda draw, x, family: x.latch(every(x.hop, 3)),
}
EXACT_OF_FRAMES = {
    "first of windows": lambda draw, x, family: stretches(draw, x, family)[..., 0],
    "last of windows": lambda draw, x, family: stretches(draw, x, family)[..., -1],
    "downsample": lambda draw, x, family: x.downsample(drawn_hop(draw, family)),
    "phase": lambda draw, x, family: Signal.phasor(x * 40.0),
}
EXACT_OF_TICKS = {
    "hold": lambda draw, x, family: x.upsample("hold"),
    "downsample": lambda draw, x, family: x.downsample(drawn_hop(draw, family, x.hop)),
    "phase": EXACT_OF_FRAMES["phase"],
}
CLOSE = {
    "tanh": lambda draw, x, family: (2 * x).tanh(),
    "squash": lambda draw, x, family: x / (1 + x * x),
    "sum": lambda draw, x, family: x.sum() * 0.5,
    "spread": lambda draw, x, family: x.sum() * Tensor([0.7, -0.4], requires_grad=True),
    "onepole": lambda draw, x, family: x.onepole(0.3),
    "accum": lambda draw, x, family: (0.05 * x).accum(),
    "reset accum": lambda draw, x, family: (0.2 * x).accum(reset=every(x.hop, 4)),
    "moving delay": lambda draw, x, family: x.delay(2.5 * unit(x) + 0.2, max_delay=8),
    "lowpass": lambda draw, x, family: x.biquad(0.2 * nyquist(x), 0.9),
    "svf": lambda draw, x, family: x.svf(0.3 * nyquist(x), 1.2, mode="bandpass"),
    "smooth": lambda draw, x, family: x.smooth(time_ms=20.0),
    "loop": lambda draw, x, family: dg.feedback(lambda before: x + 0.4 * before.tanh()),
    "echo": lambda draw, x, family: dg.feedback(lambda before: 0.5 * x + 0.6 * before.delay(3).onepole(0.5)),
    "held loop": lambda draw, x, family: dg.feedback(lambda before: x * unit(every(x.hop, 2)) - 0.5 * before.history()),
}
CLOSE_OF_FRAMES = {
    "mean of windows": lambda draw, x, family: stretches(draw, x, family).mean(axis=-1),
    "windows laid together": relaid,
    "mask": masked,
    "freeze": frozen,
    "levels": levels,
    "stft and back": lambda draw, x, family: spectra(draw, x, family).istft(),
}
CLOSE_OF_TICKS = {
    "upsample": lambda draw, x, family: x.upsample(draw(st.sampled_from(["linear", "window", "cubic", "cubic-ddsp"]))),
    "laid together": lambda draw, x, family: (
        (x.sum() * Tensor(numbers(6, 8), requires_grad=True)).overlap_add(aligned(draw, 6)) * 0.5
    ),
}
BINARY = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "where": lambda x, y: dg.where(every(x.hop, 2), x, y),
    "swept filter": lambda x, y: x.biquad(0.8 * nyquist(x) * (0.1 + 0.5 * unit(y)), 0.5 + unit(y)),
    "loop of two": lambda x, y: dg.feedback(lambda before: x + unit(y) * 0.6 * before.tanh()),
    "gate": lambda x, y: dg.feedback(
        lambda s: (0.5 * s[0] - 0.3 * s[1] + x.sum(), 0.3 * s[0] + 0.5 * s[1] * unit(y.sum())), (0.0, 0.1)
    )[1],
}
WITHOUT_GRADIENT = {"phase"}  # it has 2**-24 of a cycle: no small step shows its slope


def ops(x, smooth):
    """The ops that `x` may go through, by name, and whether each is exact."""
    kinds = [(EXACT, True), (CLOSE, False)]
    kinds += [(EXACT_OF_FRAMES, True), (CLOSE_OF_FRAMES, False)] if x.hop == 1 else []
    kinds += [(EXACT_OF_TICKS, True), (CLOSE_OF_TICKS, False)] if x.hop > 1 else []
    return {
        name: (op, exact) for table, exact in kinds for name, op in table.items() if not (smooth and name in WITHOUT_GRADIENT)
    }


def leaves(seed, family):
    """What a graph may begin with, and whether it is at a rate."""
    slow = [Signal.from_samples(numbers(ticks(h), seed + h), hop=h, requires_grad=True) for h in family]
    lanes = [Signal.from_samples(numbers(ticks(family[0]), seed + 2, 2), hop=family[0], requires_grad=True)]
    fast = [
        Signal.input(0),
        Signal.from_samples(numbers(FRAMES, seed), requires_grad=True),
        Signal.from_samples(numbers(FRAMES, seed + 1, 2), requires_grad=True),
        Signal.noise(seed=seed),
        Signal.phasor(Tensor([3.0, 50.0])),
    ]
    return fast + slow + lanes + [Signal.input(1, hop=family[-1])]


@st.composite
def graphs(draw, smooth=False):
    """A value made by up to seven ops from leaves of many rates; with `smooth`, of ops that finite differences can follow."""
    seed, family = draw(st.integers(0, 2**20)), draw(st.sampled_from(FAMILIES))
    inputs = {0: numbers(FRAMES, seed + 3), 1: numbers(ticks(family[-1]), seed + 4)}
    pool = [(x, True) for x in leaves(seed, family)]
    value, exact = draw(st.sampled_from(pool))
    names = []
    with DGen.override(sample_rate=RATE):
        for _ in range(draw(st.integers(1, 7))):
            unary = ops(value, smooth)
            name = draw(st.sampled_from([*unary, *BINARY]))
            if name in BINARY:
                other, _ = draw(st.sampled_from(pool))
                assume(max(other.hop, value.hop) % min(other.hop, value.hop) == 0)
                value, exact = BINARY[name](value, other), False
            else:
                op, kept = unary[name]
                value, exact = op(draw, value, family), exact and kept
            pool.append((value, exact))
            names.append(name)
    return Graph(value, inputs, names, exact)


def channels(graph):
    """How many frames lie between the values of each input channel."""
    return {leaf.channel: leaf.spec.every for leaf in stage([graph.value.node])[1] if isinstance(leaf, Input)}


def streamed(graph, sizes):
    """Blocks of these sizes, one after the other. Behind the end of the inputs come zeros, and the last tick again."""
    value, hops, out, at = graph.value, channels(graph), [], 0
    longer = {c: np.pad(graph.inputs[c], (0, sum(sizes)), mode="edge" if h > 1 else "constant") for c, h in hops.items()}
    value.reset()
    for size in sizes:
        block = {c: x[ticks(hops[c], at) : ticks(hops[c], at + size)] for c, x in longer.items()}
        out.append(value.realize(size, inputs=block, preserve_state=True))
        at += size
    return np.concatenate(out)


@st.composite
def splits(draw, frames):
    """Sizes of blocks that are `frames` together: single frames, one block, or two sizes in any order, and what is left."""
    kind = draw(st.sampled_from(["mixed", "mixed", "mixed", "single frames", "one block"]))
    if kind != "mixed":
        return [1] * frames if kind == "single frames" else [frames]
    two = draw(st.lists(st.sampled_from([1, 2, 3, 5, 7, 8, 13, 20, 64, 70]), min_size=2, max_size=2))
    random, sizes = np.random.default_rng(draw(st.integers(0, 2**20))), []
    while fitting := [n for n in two if n <= frames - sum(sizes)]:
        sizes.append(int(random.choice(fitting)))
    return sizes + [frames - sum(sizes)] * (sum(sizes) < frames)


@EXAMPLES
@given(graphs(), st.data())
def test_a_stream_in_any_blocks_is_the_whole_run_so_many_frames_late(graph, data):
    value, latency = graph.value, graph.value.latency
    with DGen.override(sample_rate=RATE):
        whole = value.realize(FRAMES, inputs=graph.inputs)
        assert np.isfinite(whole).all()
        assert len(whole) == ticks(value.hop)
        for _ in range(2):
            got = streamed(graph, data.draw(splits(FRAMES + latency)))
            before = latency // value.hop
            assert not got[:before].any()
            got = got[before:][: len(whole)]
            if graph.exact:
                np.testing.assert_array_equal(got, whole)
            np.testing.assert_allclose(got, whole, atol=1e-5 * max(1.0, np.abs(whole).max(initial=0.0)), rtol=0)


def at_run_time(leaf, graph):
    """What a leaf brings into a run of FRAMES frames, in float64."""
    if isinstance(leaf, Data):
        return np.array(leaf.array, np.float64)
    if isinstance(leaf, Number):
        return np.float64(leaf.number)
    if isinstance(leaf, Input):
        return graph.inputs[leaf.channel].astype(np.float64)
    return np.array([0, 1, leaf.seed], np.uint32)


def kind(leaf):
    return f"a signal at hop {leaf.spec.every}" if leaf.spec.varies else "a tensor"


@FEWER
@given(graphs(smooth=True), st.integers(0, 2**20))
def test_gradients_to_signals_ticks_and_tensors_are_those_of_finite_differences(graph, seed):
    value, random = graph.value, np.random.default_rng(seed)
    assume(value.requires_grad)
    program, found = stage([value.node])
    data = [at_run_time(leaf, graph) for leaf in found]
    learned = [i for i, leaf in enumerate(found) if leaf.requires_grad]
    slopes = {i: random.normal(size=np.shape(data[i])) for i in learned}
    weights = random.normal(size=(ticks(value.hop), *value.shape))

    def output(leaves):
        ctx = Context(RATE, FRAMES, np.uint32(0), ahead=program.latency)
        leaves = samples.unpack(program, ctx, leaves[: program.numbers], leaves[program.numbers :])
        return run(program, ctx, leaves, initial_state(program, ctx, leaves))[0][0]

    with double_precision():

        @jax.jit
        def loss(steps):
            moved = [jnp.asarray(x) + steps[i] * slopes[i] if i in slopes else jnp.asarray(x) for i, x in enumerate(data)]
            return (output(moved) * weights).sum()

        still, eps = dict.fromkeys(learned, 0.0), 1e-5
        exactly = {i: float(g) for i, g in jax.jit(jax.grad(loss))(still).items()}
        finite = {i: float(loss({**still, i: eps}) - loss({**still, i: -eps})) / (2 * eps) for i in learned}
    for i in learned:
        assert abs(exactly[i] - finite[i]) <= 1e-6 * max(1.0, abs(finite[i])), (
            f"{kind(found[i])}: {exactly[i]}, not {finite[i]}"
        )

    for i in learned:  # and so is what users get, as far as float32 goes
        found[i].grad = None
    with DGen.override(sample_rate=RATE):
        weighted = value * (
            weights.astype(np.float32) if not value.node.spec.varies else Signal.from_samples(weights, hop=value.hop)
        )
        weighted.sum().backward(FRAMES, inputs=graph.inputs, reduction="sum")
    for i in learned:
        got = float((np.asarray(found[i].grad, np.float64) * slopes[i]).sum())
        size = np.abs(np.asarray(found[i].grad, np.float64) * slopes[i]).sum()
        assert abs(got - exactly[i]) <= 1e-3 * max(1.0, size), f"{kind(found[i])}: {got}, not {exactly[i]}"
