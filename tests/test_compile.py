"""What is compiled, how often, and what is kept: structure is in the key, data never, and nothing outlives its graph."""

import gc
import itertools
import pickle
import sys
import weakref

import jax
import numpy as np
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import SGD, Adam, DGen, Signal, Tensor, mse
from dgenlazy.graph import infer, toposort
from dgenlazy.run import runtime, stage
from dgenlazy.run.stage import _staged, _walked

X = np.random.default_rng(0).uniform(-1.0, 1.0, 64).astype(np.float32)


def living():
    """Objects of the package, arrays of JAX, and entries of every cache."""
    gc.collect()
    mine = sum(str(type(x).__module__).startswith("dgenlazy") for x in gc.get_objects())
    caches = [runtime._compiled, runtime._compiled_state, runtime._compiled_gradient, infer]
    return mine, len(jax.live_arrays()), len(_staged), *(cache.cache_info().currsize for cache in caches)


# Programs.


def chained(times):
    """A chain, each link of the one before and of what all share."""
    x, y = Signal.input(0), Signal.phasor(440.0)
    for _ in range(times):
        x = (x * y + 0.5).max(x) - Tensor(2.0)
    return x.biquad(900.0)


def test_a_graph_is_numbered_alike_by_calls_and_in_the_order_of_a_walk():
    roots = [chained(20).node, chained(3).node, Signal.input(1).node]
    assert _walked(roots) == _walked(toposort(roots))
    deep = chained(sys.getrecursionlimit())
    program, leaves = stage([deep.node])
    assert len(program.lines) > 3 * sys.getrecursionlimit()
    assert len(leaves) == len(program.leaves)
    assert stage([chained(sys.getrecursionlimit()).node])[0] is program


def test_a_graph_that_is_built_anew_has_the_very_program_of_the_one_before():
    def build(gain):
        return (Signal.input(0, shape=(2,)).biquad(Signal.param(100.0)) * gain + Tensor([1.0, 2.0])).sum()

    first, again, other = (build(gain).program() for gain in (1.0, 2.0, Tensor([1.0, 2.0])))
    assert again is first
    assert other is not first
    assert other != first


def test_a_setting_by_name_by_place_or_by_default_is_one_program():
    x = Signal.input(0, shape=(2, 3))
    assert x.sum().program() is x.sum(axis=None).program()
    assert x.sum(axis=1).program() is x.sum(1).program()
    assert x.sum(axis=1).program() is not x.sum(axis=0).program()
    with pytest.raises(dg.ArgumentError, match="axes"):
        x.sum(axes=1)


def test_a_spec_that_was_pickled_is_equal_and_has_an_equal_hash():
    spec = Signal.input(0, shape=(2, 3)).node.spec
    copy = pickle.loads(pickle.dumps(spec))
    assert copy == spec
    assert hash(copy) == hash(spec)
    assert copy != Signal.input(0, shape=(3, 2)).node.spec


SHAPES = {"signal": (), "lanes": (3,), "grid": (2, 3), "number": (), "row": (3,), "table": (3, 2, 3)}


@pytest.mark.parametrize("two", SHAPES)
@pytest.mark.parametrize("one", ["signal", "lanes", "grid"])
def test_arithmetic_broadcasts_the_values_of_one_frame_however_many_frames_there_are(one, two):
    for frames in (0, 3):
        rng, values, arrays = np.random.default_rng(0), [], []
        for name in (one, two):
            varies = name in ("signal", "lanes", "grid")
            data = rng.normal(size=(frames,) * varies + SHAPES[name]).astype(np.float32)
            values.append(Signal.from_samples(data) if varies else Tensor(data))
            arrays.append([data[n] if varies else data for n in range(frames)])
        x, y = values
        shape = np.broadcast_shapes(SHAPES[one], SHAPES[two])
        expected = np.array([(a * b + -b) - a for a, b in zip(*arrays)], np.float32).reshape(frames, *shape)
        np.testing.assert_allclose(((x * y + -y) - x).realize(frames), expected, atol=1e-6)


# Training loops.


def network(step, w, c, p):
    """A loss of every kind of leaf and of plan, with numbers and samples that are new in each step."""
    x = Signal.from_samples(np.roll(X, step)) + Signal.input(0) + 0.01 * step * Signal.noise()
    y = (x * w).sum().onepole(c).biquad(1000.0 + step, 0.7, mode="peak", gain_db=0.1 * step)
    y = dg.feedback(lambda prev: y + 0.3 * (prev * p).tanh()).delay(1.1 + step / 2000)
    y = y + Signal.phasor(200.0 + step).latch(x) + Tensor([float(step), 1.0]).mean() * 1e-4
    return mse(y, np.float32(step) * 1e-3) + 0.01 * (w * w).sum()


def test_a_thousand_steps_that_rebuild_the_graph_compile_once_and_keep_nothing():
    w, c, p = Tensor([0.5, -0.5, 0.1], requires_grad=True), Signal.param(0.5, min=0.0, max=1.0), Signal.param(0.5)
    opt = Adam([w, c, p], lr=0.01)
    kept = {}
    for step in range(1000):
        with compilations() as compiled:
            loss = network(step, w, c, p)
            loss.backward(inputs={0: np.roll(X, -step)})
            opt.lr = 0.01 / (1 + step)
            opt.step()
            opt.zero_grad()
            heard = loss.realize(inputs={0: X}) if step % 10 == 0 else None
        if step:
            assert not compiled, step
        else:
            assert compiled
        if step in (99, 999):
            del loss, heard
            kept[step] = living()
    assert kept[99] == kept[999]


def test_a_loop_over_one_graph_keeps_nothing_either():
    p = Signal.param(0.5)
    loss, opt = mse(Signal.from_samples(X).onepole(p), 0.1), SGD([p], lr=0.01, momentum=0.9)
    kept = []
    for step in range(300):
        with compilations() as compiled:
            loss.backward()
            opt.step()
            opt.zero_grad()
            loss.realize()
        assert bool(compiled) == (step == 0), step
        if step in (99, 299):
            kept.append(living())
    assert kept[0] == kept[1]


def test_gradients_that_add_up_compile_one_addition():
    p = Signal.param(0.5)
    for step in range(5):
        with compilations() as compiled:
            mse(p, float(step)).backward()
        assert not (step > 1 and compiled), step
    np.testing.assert_allclose(p.grad.value, sum(2 * (0.5 - step) for step in range(5)))


# What may change without compiling anything, and what may not.


def _seed(value):
    DGen.seed = value


def _inputs(samples):
    DGen.inputs[0] = samples


NOISE, INPUT = Signal.noise(), Signal.input(0)
SAME = {
    "number": [lambda k=k: Signal.from_samples(X) * k for k in (2.0, 3.5, 7, -1e9, np.float64(3), float("inf"), True)],
    "numbers": [lambda k=k: Signal.phasor(k).biquad(k, q=k / 50).accum(min=-k, max=k) for k in (30.0, 77.0, 1)],
    "tensor": [lambda k=k: Tensor(np.full((2, 3), k)).sum(axis=0) * Tensor.randn([3]) for k in (1.0, 2.0)],
    "constant": [lambda k=k: Signal.constant(k) * Signal.phasor(10.0) for k in (1.0, 2.0)],
    "parameter": [lambda k=k: Signal.param(k, min=k - 1, max=k + 1) * Signal.phasor(10.0) for k in (1.0, 2.0, 3.0)],
    "learned or not": [lambda k=k: Tensor([1.0, 2.0], requires_grad=k) * Signal.phasor(10.0) for k in (True, False)],
    "samples": [lambda k=k: Signal.from_samples(np.roll(X, k)).onepole(0.5) for k in (0, 1, 2)],
    "input": [lambda k=k: (_inputs(np.roll(X, k)), Signal.input(0) * 2)[1] for k in (0, 1)],
    "longer input": [lambda k=k: (_inputs(np.tile(X, k)), INPUT.onepole(0.1))[1] for k in (1, 2, 30)],
    "channel": [lambda k=k: (DGen.inputs.update({k: X}), Signal.input(k) * 3)[1] for k in (0, 7)],
    "seed": [lambda k=k: (_seed(k), NOISE * 1)[1] for k in (0, 1, 2**32 - 1)],
    "noise made again": [lambda: Signal.noise() + Signal.noise().onepole(0.3)] * 3,
    "seed of a noise": [lambda k=k: Signal.noise(seed=k) for k in (0, 5, 2**32 - 1, None)],
    "delay": [lambda k=k: Signal.from_samples(X).delay(k) for k in (4.5, 5, 8, 7.99)],
    "loop": [lambda k=k: dg.feedback(lambda prev: k + prev.tanh() * k, init=k) for k in (0.1, 0.2, 1)],
    "tensor in a loop": [lambda k=k: dg.feedback(lambda s: s * Tensor([k, 0.5]), init=np.array([k, 1.0])) for k in (0.1, 0.2)],
    "weights of a loss": [
        lambda k=k: dg.spectral_loss(Signal.phasor(k), Signal.from_samples(X), window_size=32, mag_weight=k) for k in (1.0, 2.0)
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_other_data_in_the_same_structure_compiles_nothing(name):
    first, *others = SAME[name]
    first().realize(64)
    for k, build in enumerate(others):
        with compilations() as compiled:
            build().realize(64)
            dg.realize(build(), frames=64)
            build().realize(frames=np.int64(64))
        assert not compiled, k


def test_a_group_compiles_once_whoever_builds_it():
    def build(k):
        x = Signal.phasor(k)
        return x, (x * k).onepole(0.1), Tensor([k, 1.0])

    dg.realize(*build(3.0), frames=16)
    with compilations() as compiled:
        for k in (4.0, 5.0):
            x, _, t = dg.realize(*build(k), frames=16)
            assert x.shape == (16,)
            np.testing.assert_array_equal(t, [k, 1.0])
    assert not compiled


def test_assigned_data_compiles_nothing():
    t, p, x = Tensor([1.0, 2.0], requires_grad=True), Signal.param(1.0), Signal.from_samples(X)
    loss = mse(t * p * x, 0.0)
    loss.realize(), loss.backward()
    with compilations() as compiled:
        t.value, p.value, x.value = [3.0, 4.0], 5, np.zeros(64)
        np.testing.assert_array_equal(loss.realize(), np.zeros(64))
        assert (p.value, p.grad.shape) == (5.0, ())
    assert not compiled


def test_settings_that_are_not_read_compile_nothing():
    y, backend = Signal.from_samples(X) * 2, {"cpu": "cpu", "gpu": "gpu"}.get(jax.default_backend(), "metal")
    y.realize()
    with compilations() as compiled, DGen.override(seed=9, default_frame_count=7, inputs={0: [1.0]}, backend=backend):
        y.realize()
    assert not compiled


OTHER = {
    "mode": [lambda k=k: Signal.from_samples(X).biquad(1000.0, mode=k) for k in ("lowpass", "notch", "peak")],
    "window size": [lambda k=k: dg.spectral_loss(Signal.phasor(9.0), Signal.from_samples(X), window_size=k)
                    for k in (16, 32, [32, 16])],
    "hop": [lambda k=k: dg.spectral_loss(Signal.phasor(9.0), Signal.from_samples(X), window_size=16, hop=k) for k in (3, 5)],
    "axis": [lambda k=k: (Tensor(np.arange(9.0).reshape(3, 3)) * Signal.phasor(9.0)).sum(axis=k) for k in (0, 1, None)],
    "shape": [lambda k=k: Tensor(np.ones(k)) * Signal.phasor(9.0) for k in (3, 4, (2, 2), (1, 4))],
    "op": [lambda k=k: getattr(Signal.from_samples(X), k)() for k in ("sin", "cos", "tanh")],
    "sharing": [lambda: (lambda p: p * p * X[0])(Signal.phasor(3.0)), lambda: Signal.phasor(3.0) * Signal.phasor(4.0) * X[0]],
    "order": [lambda: (lambda a, b: a - b)(Signal.phasor(3.0), INPUT), lambda: (lambda a, b: b - a)(Signal.phasor(3.0), INPUT)],
    "type": [lambda: Tensor(2.0) * 3.0, lambda: Signal.constant(2.0) * 3.0],
    "body of a loop": [lambda: dg.feedback(lambda p: p + 1.0), lambda: dg.feedback(lambda p: p - 1.0)],
    "index": [lambda k=k: Tensor([[1.0, 2.0], [3.0, 4.0]])[k] * INPUT for k in (0, 1, slice(1), (0, 1))],
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_another_structure_is_another_program_and_both_are_remembered(name):
    DGen.inputs[0] = X
    results = []
    for build in OTHER[name]:
        with compilations() as compiled:
            results.append(build().realize(61))  # frames that no other test has
        assert compiled
    with compilations() as compiled:
        for build, expected in zip(OTHER[name], results):
            np.testing.assert_array_equal(build().realize(61), expected)
    assert not compiled
    for a, b in itertools.combinations(results, 2):
        assert a.shape != b.shape or not np.array_equal(a, b)


def test_other_frames_and_another_sample_rate_are_compiled_once_each():
    def build():
        return Signal.phasor(61.0).onepole(0.37).biquad(900.0)

    for expected in (True, False):
        for frames in (8, 9, 0, 1):
            for rate in (44100, 48000.0):
                with compilations() as compiled, DGen.override(sample_rate=rate):
                    assert build().realize(frames).shape == (frames,)
                assert bool(compiled) == expected, (frames, rate)


# The key.


def test_a_rebuilt_graph_is_an_equal_program_and_other_structure_is_not():
    def build(k, mode):
        x = Signal.phasor(k).biquad(k, mode=mode)
        return stage([dg.feedback(lambda prev: x + prev.delay(2) * k).node])[0]

    one, same, other = build(1.0, "notch"), build(2.0, "notch"), build(1.0, "peak")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "program"
    assert str(one) == str(same) != str(other)


def test_whole_numbers_truth_values_and_fractions_are_not_mixed_up_in_a_key():
    """1, True and 1.0 are equal and hash alike; the cache of shapes must not answer for another."""
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for first, second in ((1, True), (0, False)):
        np.testing.assert_array_equal(x[first].realize(), [[1, 2], [3, 4]][first])
        try:
            got = x[second].realize()
        except dg.DGenError:
            continue
        np.testing.assert_array_equal(got, x.value[second])


def test_equal_parts_of_a_graph_are_computed_once():
    x, p = Signal.input(0), Signal.param(0.5)

    def part():
        return (x * p).latch(x).sin().accum(reset=p) + p

    assert len(stage([(part() * part()).node])[0].lines) == len(stage([part().node])[0].lines) + 1


def test_all_numbers_travel_as_one_packed_argument():
    x, expected = Signal.from_samples(X), X.astype(float)
    for k in range(200):
        x = (x + k) * 0.5
        expected = (expected + k) * 0.5
    graph = runtime.staged([x.node])
    assert graph.numbers.shape == (400,)
    assert graph.numbers.dtype == np.float32
    assert graph.program.numbers == 400
    assert len(graph.arrays) == 1
    np.testing.assert_array_equal(np.sort(graph.numbers), np.sort(np.r_[np.arange(200), np.full(200, 0.5)]))
    arguments = graph.numbers, [X], np.uint32(0), None
    lowered = runtime._compiled(graph.program, 64, 44100.0, runtime.device()).lower(*arguments)
    assert len(jax.tree.leaves(lowered.in_avals)) == 3
    np.testing.assert_allclose(x.realize(), expected, rtol=1e-5)


def test_no_data_is_part_of_what_is_compiled():
    def text(size):
        y = Tensor(np.arange(float(size))).sum() * Signal.from_samples(np.arange(float(size))).delay(3.0).onepole(0.123456)
        graph = runtime.staged([y.node])
        arrays = [np.asarray(leaf.array) for leaf in graph.arrays]
        fn = runtime._compiled(graph.program, 64, 44100.0, runtime.device())
        return fn.lower(graph.numbers, arrays, np.uint32(0), None).as_text()

    assert len(text(100_000)) < len(text(100)) + 1000
    assert "123456" not in text(100)


# What outlives a graph.


@pytest.mark.parametrize(
    "build",
    [
        lambda p: (p * Signal.noise()).onepole(0.5),
        lambda p: dg.feedback(lambda prev: p + prev * 0.5),
        lambda p: mse(p * Tensor([1.0, 2.0]), 1.0),
    ],
    ids=["chain", "loop", "loss"],
)
def test_a_graph_that_has_run_goes_when_the_last_of_its_values_does(build):
    p = Signal.param(1.0)
    gc.collect()
    remembered = len(_staged)
    y = build(p)
    y.realize(4)
    y.backward(4)
    y.realize(4, preserve_state=True)
    dg.realize(y, y + 1, frames=4, preserve_state=True)
    gone = weakref.ref(y.node)
    assert len(_staged) > remembered
    del y
    gc.collect()
    assert gone() is None
    assert len(_staged) == remembered


def test_a_program_outlives_its_graph_and_its_data_does_not():
    data = Tensor(np.ones(1000))
    y = data * Signal.phasor(1.0)
    y.realize(8)
    leaf = weakref.ref(data.node)
    before = len(jax.live_arrays())
    del data, y
    gc.collect()
    assert leaf() is None
    assert len(jax.live_arrays()) == before - 1
    with compilations() as compiled:
        (Tensor(np.zeros(1000)) * Signal.phasor(2.0)).realize(8)
    assert not compiled


# Large graphs.

DEPTH = 10_000
STEPS = {
    "arithmetic": (lambda x: x * 0.5 + 1.0, 2),
    "memory": (lambda x: x.onepole(0.5).history(), 3),
    "diamonds": (lambda x: x + x, 1),
    "wide": (lambda x: dg.stack([x, x]).sum(), 2),
}


@pytest.mark.parametrize(
    "start", [Signal.phasor(1.0), Signal.param(1.0), Tensor([1.0, 2.0])], ids=["signal", "parameter", "tensor"]
)
@pytest.mark.parametrize("name", STEPS)
def test_a_chain_of_ten_thousand_nodes_is_built_and_staged(name, start):
    x = start
    grow, lines = STEPS[name]
    if name == "wide":
        x = x.sum()
    first = len(stage([x.node])[0].lines)
    for _ in range(DEPTH // lines):
        x = grow(x)
    program, _ = stage([x.node])
    assert len(program.lines) - first == DEPTH // lines * lines
    assert program == stage([x.node])[0]
    assert hash(program) == hash(stage([x.node])[0])
    assert len(repr(x)) < 500
    assert x.requires_grad == start.requires_grad
    gone = weakref.ref(x.node)
    del x
    gc.collect()
    assert gone() is None


def test_a_loop_with_a_body_of_ten_thousand_nodes_is_built_and_staged():
    def body(prev):
        for _ in range(DEPTH // 2):
            prev = prev * 0.5 + 1.0
        return prev

    program, leaves = stage([dg.feedback(body).node])
    assert len(program.lines) == 2
    assert len(leaves) == DEPTH + 1


def test_loops_are_nested_deeply():
    x = Signal.phasor(1.0)

    def nested(depth):
        return (lambda prev: prev * 0.5 + x) if depth == 0 else lambda prev: dg.feedback(nested(depth - 1)) * 0.5 + prev * 0.25

    program, _ = stage([dg.feedback(nested(8)).node])
    assert program == stage([dg.feedback(nested(8)).node])[0]


def test_as_many_leaves_as_a_large_model_has_are_staged_in_order():
    leaves = [Tensor([float(k)], requires_grad=True) for k in range(2000)]
    program, found = stage([dg.concat(leaves).node])
    assert found == [leaf.node for leaf in leaves]
    assert len(program.lines) == 1
