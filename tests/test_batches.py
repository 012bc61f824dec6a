"""Batches: each example is what it would be alone, in value, gradient, state and noise."""

import io
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from test_properties import BINARY, UNARY

import dgenlazy as dg
from dgenlazy import Adam, ArgumentError, DGen, InputError, ShapeError, Signal, Tensor
from dgenlazy.graph import Context
from dgenlazy.recurrence import adjoint, choose, loops
from dgenlazy.run import runtime
from dgenlazy.run.stage import staged

BATCH, FRAMES = 3, 24
RANDOM = np.random.default_rng(0)
X, S = (RANDOM.uniform(-1, 1, (BATCH, FRAMES)).astype(np.float32) for _ in range(2))
LANES = RANDOM.uniform(-1, 1, (BATCH, FRAMES, 3)).astype(np.float32)
T, Q = RANDOM.uniform(-1, 1, (BATCH, 3)).astype(np.float32), RANDOM.uniform(0.2, 0.8, BATCH).astype(np.float32)


@pytest.fixture(autouse=True)
def _slow_rate():
    with DGen.override(sample_rate=1000.0):
        yield


def rows():
    """The data of the whole batch, and that of each example."""
    return [None, *range(BATCH)]


def of(data, i):
    """Arguments for a leaf of the batch, or of example `i`."""
    return {"data": data, "batched": True} if i is None else {"data": data[i], "batched": False}


def samples(data, i, requires_grad=False):
    return Signal.from_samples(data if i is None else data[i], requires_grad, batched=i is None)


def param(data, i, **bounds):
    return Signal.param(data if i is None else data[i], **bounds, batched=i is None)


def x(i):
    return {0: X if i is None else X[i]}


def close(a, b, tol=1e-5):
    scale = np.max(np.abs(b), initial=1e-3)
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol * scale)


# Any graph. Each op of the property tests stands in one of these chains.

NAMES = list(np.random.default_rng(1).permutation(sorted(UNARY) + sorted(BINARY)))
CHAINS = [NAMES[i : i + 4] for i in range(0, len(NAMES), 4)]


def chain(names, i):
    """A loss through some ops, what goes into it, and the leaves: three with a batch axis, then one that is shared."""
    DGen.seed = 0  # the same noise for the batch and for each example
    random = np.random.default_rng(len("".join(names)))
    tensor, still, moving = Tensor(**of(T, i), requires_grad=True), param(Q, i), samples(S, i, True)
    shared = Signal.param(0.4)
    pool = [tensor, still, moving, shared, samples(LANES, i), Signal.noise(), Signal.phasor(30.0), Signal.input(0)]
    value = Signal.input(0) + 0.3 * tensor * Signal.noise(seed=3) if random.integers(2) else Signal.input(0) * shared
    for name in names:
        value = UNARY[name](value) if name in UNARY else BINARY[name](value, pool[random.integers(len(pool))])
    value = value + 0.1 * (tensor.sum() + still + moving + shared)
    return value, dg.mse(value, 0.1), [tensor, still, moving, shared]


@pytest.mark.parametrize("names", CHAINS, ids=" ".join)
def test_a_batch_is_its_examples_one_by_one(names):
    def streamed(value, i):
        blocks = [{0: x(i)[0][..., n : n + FRAMES // 2]} for n in (0, FRAMES // 2)]
        return [value.realize(inputs=block, frames=FRAMES // 2, preserve_state=True) for block in blocks]

    (value, loss, leaves), *alone = (chain(names, i) for i in rows())
    together = np.concatenate(streamed(value, None), 1)
    close(together, [np.concatenate(streamed(v, i)) for i, (v, _, _) in enumerate(alone)])

    state, states = value.save_state(), [v.save_state() for v, _, _ in alone]
    assert state.keys() == {*states[0], "batch"}
    assert state["program"] == states[0]["program"]
    for name in states[0].keys() - {"position", "program"}:
        close(state[name], [s[name] for s in states])

    error = loss.backward(FRAMES, inputs=x(None))
    errors = [one.backward(FRAMES, inputs=x(i)) for i, (_, one, _) in enumerate(alone)]
    assert error == pytest.approx(np.mean(errors), rel=1e-5)
    for k, leaf in enumerate(leaves):
        slopes = np.array([ones[k].grad.value for _, _, ones in alone])
        close(leaf.grad.value, slopes.mean(0) if leaf is leaves[-1] else slopes / BATCH, 1e-4)


def test_noise_is_that_of_each_example_alone_to_the_bit():
    noise = Signal.noise(shape=(2,)) + 0.0 * Signal.input(0)
    together = noise.realize(inputs=x(None))
    for i in range(BATCH):
        np.testing.assert_array_equal(together[i], noise.realize(inputs=x(i)))
    np.testing.assert_array_equal(noise.realize(inputs={0: X[:2]}), together[:2])


@pytest.mark.parametrize("plan", ["scan", "newton"])
def test_loops_and_filters_start_from_the_state_of_each_example(plan):
    def build(i):
        first = Tensor(**of(T, i), requires_grad=True)
        loop = dg.feedback(lambda y: (0.8 * y + Signal.input(0)).tanh(), init=first, plan=plan)
        return (loop + Signal.input(0).history(init=first)), first

    (y, first), *alone = (build(i) for i in rows())
    error = dg.mse(y, 0.0).backward(inputs=x(None))
    errors = [dg.mse(one, 0.0).backward(inputs=x(i)) for i, (one, _) in enumerate(alone)]
    assert error == pytest.approx(np.mean(errors), rel=1e-5)
    close(first.grad.value, [start.grad.value / BATCH for _, start in alone], 1e-4)


@pytest.mark.parametrize("times", [[9.0, 12.0, 20.0], [2.25, 12.0, 20.0]])  # the second has one too short for blocks
def test_a_loop_through_a_delay_of_each_example_is_run_in_blocks_where_all_allow_it(times):
    def echo(time):
        return dg.feedback(lambda y: Signal.input(0) + 0.5 * y.delay(time))

    held = Tensor([9.0, 12.0, 20.0], batched=True)
    y = echo(held)
    assert y.plan().rows[0].plan == "blocks"
    held.value = times
    close(y.realize(inputs={0: X}), [echo(times[i]).realize(inputs=x(i)) for i in range(BATCH)])


def test_a_loss_of_the_whole_run_is_one_of_each_example():
    energy = dg.from_jax(lambda x: jnp.sum(x**2), whole_run=True)
    loss = dg.spectral_loss(Signal.input(0), samples(S, None), window_size=8) + energy(Signal.input(0))
    each = loss.realize(FRAMES, inputs=x(None))
    ones = [dg.spectral_loss(Signal.input(0), samples(S, i), window_size=8) + energy(Signal.input(0)) for i in range(BATCH)]
    close(each, [one.realize(FRAMES, inputs=x(i)) for i, one in enumerate(ones)])


def test_a_sum_is_over_frames_and_the_mean_over_examples():
    gain, offset = Signal.param(2.0), Tensor(Q, requires_grad=True, batched=True)
    loss = Signal.input(0) * gain + offset
    assert loss.backward(inputs=x(None), reduction="sum") == pytest.approx((2 * X.sum(1) + Q).mean(), abs=1e-5)
    assert gain.grad.value == pytest.approx(X.sum(1).mean(), abs=1e-5)
    close(offset.grad.value, np.full(BATCH, 1 / BATCH))  # what does not vary counts once, as without a batch


# What is given, and what comes out.


def test_in_a_batch_every_output_has_the_batch_axis():
    still, shared = Tensor([1.0, 2.0]), Signal.input(1)
    outputs = dg.realize(still, shared, shared * still, Signal.input(0), inputs={0: X, 1: S[0]})
    assert [y.shape for y in outputs] == [(BATCH, 2), (BATCH, FRAMES), (BATCH, FRAMES, 2), (BATCH, FRAMES)]
    np.testing.assert_array_equal(outputs[1], np.stack([S[0]] * BATCH))
    assert dg.realize(still, shared, inputs={1: S[0]})[0].shape == (2,)


def test_samples_of_one_example_are_shared_and_those_of_the_session_may_be_a_batch():
    y = Signal.input(0) * Signal.input(1)
    close(y.realize(inputs={0: X, 1: S[0]}), X * S[0])
    with DGen.override(inputs={0: X, 1: S}):
        close(y.realize(FRAMES), X * S)
        assert repr(DGen.inputs) == "{0: 3 x 24 frames, 1: 3 x 24 frames}"
        blocks = [y.realize(n, preserve_state=True) for n in (10, 14)]
        close(np.concatenate(blocks, 1), X * S)
    assert y.realize(inputs={0: X[:, :5], 1: S}).shape == (BATCH, 5)


def test_a_batch_of_one_keeps_its_axis_and_one_of_none_is_empty():
    filtered = Signal.input(0).biquad(100.0) * Signal.param(2.0)
    close(filtered.realize(inputs={0: X[:1]})[0], filtered.realize(inputs={0: X[0]}))
    assert filtered.realize(inputs={0: X[:0]}).shape == (0, FRAMES)
    assert filtered.realize(0, inputs={0: X}).shape == (BATCH, 0)
    assert Tensor(T[:0], batched=True).sum().realize().shape == (0,)
    with pytest.raises(ArgumentError, match="no loss over a batch of 0 examples"):
        filtered.backward(inputs={0: X[:0]})


@pytest.mark.parametrize("op", ["onepole", "biquad", "ladder", "accum", "smooth", "adsr", "comb"])
def test_a_batch_of_no_lanes_is_empty(op):
    arguments = {"onepole": [0.3], "biquad": [100.0], "ladder": [100.0], "comb": [20.0], "adsr": [5, 50, 0.6, 200]}.get(op, [])
    y = getattr(Signal.input(0) * Tensor.zeros((0,)), op)(*arguments)
    assert y.realize(inputs={0: X}).shape == (BATCH, FRAMES, 0)


def test_a_batched_leaf_shows_one_example_and_holds_them_all():
    codes = Tensor(T, batched=True)
    assert codes.shape == (3,)
    assert codes.value.shape == T.shape
    assert repr(codes).startswith("Tensor(shape=(3,), batch=3, value=")
    codes.value = 1.0
    np.testing.assert_array_equal(codes.realize(), np.ones_like(T))
    assert Signal(Q, batched=True).realize(2).shape == Signal.constant(Q, batched=True).realize(2).shape == (BATCH, 2)
    assert samples(LANES, None).shape == (3,)
    assert samples(LANES, None).realize().shape == LANES.shape
    with pytest.raises(ShapeError, match=r"value: shape \(2, 3\) does not fit into \(3, 3\)"):
        codes.value = T[:2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Tensor(1.0, batched=True), ShapeError, "Tensor: batched=True takes an array whose first axis is the batch"),
        (lambda: Tensor([1.0], batched=1), ArgumentError, "Tensor: batched=1 is not True or False"),
        (lambda: Signal.param(1.0, batched=True), ShapeError, r"Signal.param: .* one number for each example, got shape \(\)"),
        (lambda: Signal.param(T, batched=True), ShapeError, r"got shape \(3, 3\)"),
        (lambda: Signal.param(Q), ShapeError, r"Signal.param: takes one number, got shape \(3,\)"),
        (lambda: Signal.param([0.0, 2.0], min=0.0, max=1.0, batched=True), ArgumentError, r"0.0 to 2.0 is not inside"),
        (lambda: Signal.param([0.0, np.nan], batched=True), ArgumentError, "must be finite"),
        (lambda: Signal.from_samples([1.0, 2.0], batched=True), ShapeError, r"takes \(frames,\) or \(frames, \*shape\)"),
        (lambda: Signal.input(0).realize(inputs={0: X[None]}), ArgumentError, r"shape \(1, 3, 24\) is not \(frames,\)"),
        (lambda: Signal.input(0).realize(99, inputs={0: X}), InputError, "99 frames were asked for, channel 0 has 24"),
        (lambda: Signal.input(0).realize(inputs={0: X * np.inf * 1j}), ArgumentError, "not a type of real numbers"),
        (lambda: samples(S, None).realize(99), InputError, "24 frames of samples"),
        (
            lambda: (Signal.input(0) + Signal.input(1)).realize(inputs={0: X, 1: X[:2]}),
            InputError,
            r"batch: Signal.input\(0\) has 3 examples, Signal.input\(1\) has 2 examples",
        ),
        (
            lambda: (Signal.input(0) * Tensor(T, batched=True)).realize(inputs={0: X[:2]}),
            InputError,
            r"Signal.input\(0\) has 2 examples, a Tensor of shape \(3,\) has 3",
        ),
        (
            lambda: (samples(S, None) * Signal.param([1.0, 2.0], batched=True)).backward(),
            InputError,
            r"Signal.from_samples of shape \(\) has 3 examples, a Signal has 2",
        ),
        (lambda: samples(S, None).plot(), ArgumentError, "plot: this is a batch of 3"),
        (lambda: samples(S, None).play(), ArgumentError, "play: this is a batch of 3"),
        (lambda: dg.export(samples(S, None), "unwritten.dgen"), ArgumentError, "export: a leaf of the graph is batched"),
    ],
)
def test_wrong_uses_are_errors(make, error, message):
    with pytest.raises(error, match=message), np.errstate(invalid="ignore"):
        make()


# Streams.


def test_blocks_of_any_length_are_the_sound_of_one_run():
    y = Signal.input(0).delay(2.5) * Signal.phasor(30.0) + samples(S, None).accum() * Signal.noise()
    cuts = [0, *np.sort(np.random.default_rng(0).integers(0, FRAMES + 1, 4)).tolist(), FRAMES]
    blocks = [y.realize(b - a, inputs={0: X[:, a:b]}, preserve_state=True) for a, b in itertools.pairwise(cuts)]
    assert [b.shape[1] for b in blocks] == np.diff(cuts).tolist()
    close(np.concatenate(blocks, 1), y.realize(inputs={0: X}))


def test_a_stream_refuses_another_batch_until_it_is_reset():
    y = Signal.input(0).onepole(0.3)
    first = y.realize(inputs={0: X[:, :10]}, preserve_state=True)
    for other, said in ((X[:2], "a batch of 2"), (X[0], "no batch")):
        with pytest.raises(InputError, match=f"the stream is of a batch of 3, at frame 10; this block has {said}"):
            y.realize(inputs={0: other}, preserve_state=True)
    rest = y.realize(inputs={0: X[:, 10:]}, preserve_state=True)
    close(np.concatenate([first, rest], 1), y.realize(inputs={0: X}))
    y.reset()
    assert y.realize(inputs={0: X[0]}, preserve_state=True).shape == (FRAMES,)
    with pytest.raises(InputError, match="the stream is of no batch, at frame 24; this block has a batch of 3"):
        y.realize(inputs={0: X}, preserve_state=True)


def test_the_state_of_a_batch_is_kept_in_a_file_and_goes_on_elsewhere():
    def build():
        return dg.feedback(lambda y: Signal.input(0) + 0.5 * y.delay(2)) + Signal.noise()

    one, other = build(), build()
    one.realize(inputs={0: X}, preserve_state=True)
    file = io.BytesIO()
    np.savez(file, **one.save_state())
    file.seek(0)
    other.load_state(np.load(file))
    again = other.save_state()
    assert again["batch"] == BATCH
    with pytest.raises(InputError, match="of a batch of 3, at frame 24"):
        other.realize(inputs={0: X[0]}, preserve_state=True)
    go_on = [y.realize(inputs={0: S}, preserve_state=True) for y in (one, other)]
    np.testing.assert_array_equal(*go_on)
    with pytest.raises(ShapeError, match=r"has shape \(3\), not \(2\)|has shape \(3,.*not \(2"):
        other.load_state({**again, "batch": 2})
    with pytest.raises(ArgumentError, match="load_state: batch='a' is not a whole number"):
        other.load_state({**again, "batch": "a"})


# Compiling.


def test_another_content_of_a_batch_compiles_nothing_and_another_size_once():
    def step(inputs, codes):
        leaf = Tensor(codes, requires_grad=True, batched=True)
        loss = dg.mse(Signal.input(0).onepole(0.37) * leaf, 0.2)
        return loss.backward(inputs={0: inputs}), loss.realize(inputs={0: inputs}), leaf.grad.value

    step(X, T)
    with compilations() as compiled:
        step(S, T + 1)
    assert not compiled
    with compilations() as compiled:
        step(X[:2], T[:2])
    assert len(compiled) == 2  # one for the gradient, one for the values
    with compilations() as compiled:
        step(S[1:], T[1:])
    assert not compiled


def test_what_is_not_batched_is_compiled_as_if_there_were_no_batches():
    y = Signal.input(0).onepole(0.3).tanh().sin()
    y.realize(inputs={0: X[0]})
    before = runtime._compiled.cache_info()
    runtime._compiled(runtime.staged([y.node]).program, FRAMES, DGen.sample_rate, runtime.device())
    after = runtime._compiled.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)
    with compilations() as compiled:
        y.realize(inputs={0: X})
        y.realize(inputs={0: X[0]})
    assert len(compiled) == 1


# Learning.


def test_each_example_learns_what_it_alone_is_to_sound_like():
    wanted = np.float32([300.0, 120.0, 220.0])
    noise = Signal.noise(seed=1).realize(200)
    targets = np.stack([Signal.from_samples(noise).biquad(float(f)).realize() for f in wanted])
    octave = Signal.param(np.zeros(BATCH), min=-3.0, max=0.4, batched=True)
    gain = Signal.param(0.5)
    optimizer = Adam([octave, gain], lr=0.05)
    for _ in range(200):
        loss = dg.mse(gain * Signal.input(0).biquad(200.0 * 2.0**octave), Signal.input(1))
        error = loss.backward(inputs={0: noise, 1: targets})
        optimizer.step()
        optimizer.zero_grad()
    assert octave.value[0] == np.float32(0.4)  # its bound; the others are free of it
    np.testing.assert_allclose(200 * 2 ** octave.value[1:], wanted[1:], rtol=0.05)
    assert error < 0.01
    saved = optimizer.state_dict()
    other = Adam([octave, gain])
    other.load_state_dict(saved)
    assert sum(a.shape == (BATCH,) for a in saved["state"]) == 2


# Pure functions.


def test_a_pure_function_takes_batched_leaves_and_inputs():
    codes, gain = Tensor(T, requires_grad=True, batched=True), Signal.param(2.0)
    y = Signal.input(0).onepole(0.3) * codes * gain
    fn = dg.function(y, {"codes": codes, "gain": gain}, {"x": Signal.input(0)})
    run = jax.jit(lambda *args: fn(*args))
    whole, _ = run(fn.params, {"x": X})
    close(whole, y.realize(inputs={0: X}))
    first, state = run(None, {"x": X[:, :7]})
    rest, state = run(None, {"x": X[:, 7:]}, state)
    close(np.concatenate([first, rest], 1), whole)
    assert state["position"] == FRAMES
    shapes = [a.shape for a in jax.tree.leaves((state["recurrences"], fn.initial_state(inputs={"x": X})["recurrences"]))]
    assert shapes == [(BATCH,)] * 4  # where the filter is, and what rounding has lost of it
    close(run({"codes": T[:2], "gain": 2.0}, {"x": X[:2]})[0], whole[:2])
    close(run(None, {"x": X[0]})[0][0], whole[0])  # shared by the three codes
    gradient = jax.jit(jax.grad(lambda p: jnp.mean(fn(p, {"x": X})[0] ** 2)))(fn.params)
    dg.mse(y, 0.0).backward(inputs={0: X})
    close(gradient["codes"], codes.grad.value)
    close(gradient["gain"], gain.grad.value)
    mapped = jax.jit(jax.vmap(lambda a: fn(inputs={"x": a})[0]))(np.stack([X, S]))
    close(mapped[0], whole)
    with pytest.raises(InputError, match="has 2 examples"):
        fn(inputs={"x": X[:2]})
    with pytest.raises(ShapeError, match=r"has shape \(3,\), not \(3, 3\)"):
        fn({"codes": T[0], "gain": 2.0}, {"x": X})
    with pytest.raises(ShapeError, match=r"has shape \(3, 24, 1\), not \(frames,\) or \(batch, frames\)"):
        fn(inputs={"x": X[..., None]})


def test_a_pure_function_takes_batched_samples_and_plans_are_those_of_one_example():
    held = samples(S, None)
    fn = dg.function(held.accum(), inputs={"held": held})
    close(fn(inputs={"held": X[:2, :9]})[0], np.cumsum(X[:2, :9], 1))
    assert str(held.onepole(0.1).plan()) == str(samples(S, 0).onepole(0.1).plan()).replace("1024", "24")


def test_the_choice_of_a_plan_counts_the_examples():
    """As it counts lanes: many keep a device busy frame by frame."""
    x = Signal.input(0)
    graph = staged([dg.feedback(lambda s: (x + 0.5 * s).tanh()).node])
    line = graph.program.lines[0]
    specs = [graph.program.specs[a] for a in line.args]
    shapes = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in specs]
    first = line.op.init([np.float32(0)] * len(specs), line.params)
    few, many = (
        choose(line.op, Context(44100.0, 44100, parallel=True, examples=n), line.params, first, shapes, specs)
        for n in (1, 10**7)
    )
    assert (few.name, many.name) == ("newton", "scan")


@pytest.mark.parametrize(("examples", "wanted"), [(2, "newton"), (10**6, "scan")])
def test_the_plan_that_is_shown_counts_the_examples_of_batched_values(monkeypatch, examples, wanted):
    monkeypatch.setattr(runtime, "device", lambda: type("Device", (), {"platform": "cuda"}))
    gain = Tensor(np.ones(examples), batched=True)
    (row,) = dg.feedback(lambda s: (Signal.input(0) + gain * s).tanh()).plan(44100).rows
    assert row.plan == wanted


# On one CPU a few examples at a time are run where they lie.

LOOPS = {
    "filter at rest": lambda x, p, lanes: x.biquad(100 + 300 * p, 0.8),
    "filter that moves": lambda x, p, lanes: x.biquad(200 + 100 * x * p, 0.8),
    "steep step": lambda x, p, lanes: x.ladder(150 + 50 * x, p),
    "loop": lambda x, p, lanes: dg.feedback(lambda prev: (x + p * prev).tanh()),
    "loop of two": lambda x, p, lanes: dg.feedback(lambda s: (x + p * s[1].tanh(), s[0] - 0.3 * p * s[1]), (0.1, 0.2))[0],
    "loop around a filter": lambda x, p, lanes: dg.feedback(lambda prev: (x + p * prev.onepole(0.4)).tanh()),
    "a few lanes": lambda x, p, lanes: (x * lanes).biquad(100 + 300 * p, 0.8).sum(),
    "a few lanes of a steep step": lambda x, p, lanes: (x * lanes).ladder(150.0, p).sum(),
    "many lanes": lambda x, p, lanes: (x * Tensor(np.linspace(0.1, 1, 40))).svf(100 + 300 * p, 0.8).sum(),
    "lanes that mix": lambda x, p, lanes: dg.feedback(
        lambda prev: (x * lanes + p * (prev @ Tensor(np.eye(3) - 0.4))).tanh(), init=lanes
    ).sum(),
    "delay": lambda x, p, lanes: dg.feedback(lambda prev: x + p * prev.delay(2.5)),
}


def loss_of(name):
    """A function of one example's parameter, input and of lanes that all examples may share."""
    p, lanes = Signal.param(0.5), Tensor(np.zeros(3))
    value = LOOPS[name](Signal.input(0), p, lanes)
    fn = dg.function(dg.mse(value, 0.1), params={"p": p, "lanes": lanes}, inputs={"x": Signal.input(0)})
    return lambda p, lanes, x: fn({"p": p, "lanes": lanes}, {"x": x})[0].mean()


def same(a, b):
    np.testing.assert_allclose(a, b[: len(a)], rtol=2e-5, atol=2e-5 * np.abs(b).max() + 1e-7)


def examples(size):
    random = np.random.default_rng(2)
    lanes = np.float32([0.3, -0.5, 0.9])
    p, x = random.uniform(0.2, 0.8, size), random.uniform(-1, 1, (size, FRAMES))
    return p.astype(np.float32), lanes, x.astype(np.float32)


@pytest.mark.parametrize("name", LOOPS)
def test_examples_that_are_run_apart_are_what_each_is_alone(name):
    """In a batch of none, and in one of more than are run at a time."""
    graded, (p, lanes, x) = jax.value_and_grad(loss_of(name), (0, 1, 2)), examples(19)
    each, whole = jax.jit(graded), jax.jit(jax.vmap(graded, (0, None, 0)))
    alone = jax.tree.map(lambda *y: np.stack(y), *[each(p[i], lanes, x[i]) for i in range(19)])
    for size in (0, 19):
        jax.tree.map(same, whole(p[:size], lanes, x[:size]), alone)


def test_outputs_that_nothing_is_made_of_are_not_written():
    """A loop of four states of which one is taken needs no memory for the other three."""
    x = Signal.input(0)
    value = dg.feedback(lambda s: (x + s[3].tanh(), *(0.5 * y.tanh() for y in s[:3])), (0.0,) * 4)[3]
    fn = dg.function(value, inputs={"x": x})
    many = np.zeros((64, 1000), np.float32)
    compiled = jax.jit(jax.vmap(lambda x: fn([], {"x": x})[0])).lower(many).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 2 * many.nbytes


@pytest.mark.parametrize("name", ["filter that moves", "loop of two", "a few lanes"])
def test_examples_whose_frames_meet_in_a_cache_are_what_each_is_alone(name, monkeypatch):
    """Those of a multiple of 512 frames are laid out anew piece by piece."""
    monkeypatch.setattr(loops, "_MOST_LINES", 0)
    graded, (p, lanes, _) = jax.value_and_grad(loss_of(name), (0, 1, 2)), examples(9)
    x = np.random.default_rng(4).uniform(-1, 1, (9, 1024)).astype(np.float32)
    whole = jax.jit(jax.vmap(graded, (0, None, 0)))(p, lanes, x)
    alone = [jax.jit(graded)(p[i], lanes, x[i]) for i in (0, 8)]
    jax.tree.map(lambda a, *b: same(np.asarray(a)[[0, 8]], np.stack(b)), whole, *alone)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="loops over frames are for CPUs")
@pytest.mark.parametrize("fills", [True, False])
@pytest.mark.parametrize("size", [2, 9, 17])
def test_a_steep_step_is_differentiated_in_the_loop_or_before_it(fills, size, monkeypatch):
    """For few examples, for many, and for so many that it is done piece by piece."""
    monkeypatch.setattr(adjoint, "_fills", lambda *args: fills)
    monkeypatch.setattr(adjoint, "_PIECE", 256)
    p, lanes, x = examples(size)
    x = np.tile(x, 600 // FRAMES + 1)[:, :600]

    def by_hand(p, x):
        def frame(state, x):
            a, b = state
            state = x + p * jnp.tanh(b), a - 0.3 * p * b
            return state, state[0]

        y = jax.lax.scan(frame, (jnp.float32(0.1), jnp.float32(0.2)), x)[1]
        return ((y - 0.1) ** 2).mean()

    loss = loss_of("loop of two")
    ours = jax.jit(jax.vmap(jax.value_and_grad(lambda p, x: loss(p, lanes, x), (0, 1))))(p, x)
    theirs = jax.jit(jax.vmap(jax.value_and_grad(by_hand, (0, 1))))(p, x)
    jax.tree.map(same, ours, theirs)


@pytest.mark.parametrize("name", ["filter that moves", "loop", "a few lanes", "lanes that mix"])
def test_they_may_share_anything_and_be_nested_and_differentiated_twice(name):
    loss, (p, lanes, x) = loss_of(name), examples(6)
    graded = jax.value_and_grad(loss, (0, 1, 2))
    each = jax.jit(graded)
    alone = jax.tree.map(lambda *y: np.stack(y), *[each(p[i], lanes, x[i]) for i in range(6)])
    for axes in ((None, 0, None), (0, None, None), (None, None, 0)):
        args = [
            np.stack([y, y]) if axis == 0 and y is lanes else y[:2] if axis == 0 else y if y is lanes else y[0]
            for y, axis in zip((p, lanes, x), axes)
        ]
        shared = jax.jit(jax.vmap(graded, axes))(*args)
        jax.tree.map(lambda a, b: same(a[:1], b), shared, alone)
    nested = jax.jit(jax.vmap(jax.vmap(graded, (0, None, 0)), (0, None, 0)))(p.reshape(2, 3), lanes, x.reshape(2, 3, -1))
    jax.tree.map(lambda a, b: same(np.reshape(a, b.shape), b), nested, alone)

    def mean(p, lanes):
        return jax.vmap(loss, (None, None, 0))(p, lanes, x).mean()

    curves = jax.jit(jax.hessian(loss, (0, 1)))
    each = [curves(p[0], lanes, example) for example in x]
    jax.tree.map(lambda a, *b: close(a, np.mean(b, 0), 1e-4), jax.jit(jax.hessian(mean, (0, 1)))(p[0], lanes), *each)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="loops over frames are for CPUs")
def test_examples_on_two_axes_are_laid_out_as_the_same_on_one(monkeypatch):
    """What batches other arrays than what is around it does not count with it, and is right too."""
    sizes, by_groups = [], loops._by_groups

    def spied(body, frames, tile, reverse, batched, carry, *args):
        sizes.append((tile, len(jax.tree.leaves(carry)[0])))
        return by_groups(body, frames, tile, reverse, batched, carry, *args)

    monkeypatch.setattr(loops, "_by_groups", spied)
    graded, (p, lanes, x) = jax.value_and_grad(loss_of("loop of two"), (0, 1, 2)), examples(18)
    one = jax.vmap(graded, (0, None, 0))
    jax.make_jaxpr(one)(p, lanes, x)
    wanted, sizes[:] = set(sizes), []
    jax.make_jaxpr(jax.vmap(one, (0, None, 0)))(p.reshape(9, 2), lanes, x.reshape(9, 2, -1))
    assert wanted
    assert wanted <= set(sizes)
    crossed = jax.jit(jax.vmap(jax.vmap(graded, (None, None, 0)), (0, None, None)))(p[:3], lanes, x[:2])
    alone = jax.jit(one)(np.repeat(p[:3], 2), lanes, np.tile(x[:2], (3, 1)))
    jax.tree.map(lambda a, b: same(np.reshape(a, b.shape), b), crossed, alone)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="loops over frames are for CPUs")
@pytest.mark.parametrize("one_device", [True, False])
def test_examples_that_may_be_on_several_devices_are_not_run_apart(one_device, monkeypatch):
    """There a few of them would have to be fetched from where they are."""
    tiles, by_groups = [], loops._by_groups

    def spied(body, frames, tile, *args):
        tiles.append(tile)
        return by_groups(body, frames, tile, *args)

    monkeypatch.setattr(loops, "_by_groups", spied)
    monkeypatch.setattr(sys.modules["dgenlazy.ship.function"], "_one_device", lambda where: one_device)
    p, lanes, x = examples(19)
    jax.make_jaxpr(jax.vmap(jax.grad(loss_of("filter that moves")), (0, None, 0)))(p, lanes, x)
    assert (len(tiles) > 0) == one_device
    assert all(1 < tile <= 16 for tile in tiles)
