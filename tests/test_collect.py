"""From the frames of a run to a Tensor and back, and functions of the whole run that give frames."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, InputError, ShapeError, Signal, SignalTensor, Tensor

X = np.random.default_rng(0).uniform(-1, 1, 6).astype(np.float32)


def test_a_run_is_a_tensor():
    y = Signal.from_samples(X).collect()
    assert type(y) is Tensor
    assert y.shape == (6,)
    np.testing.assert_array_equal(y.realize(), X)
    lanes = Signal.from_samples(np.stack([X, -X], 1)).collect()
    assert lanes.shape == (6, 2)
    np.testing.assert_array_equal(dg.collect(Signal.constant(2.0), 3).realize(), [2, 2, 2])


def test_of_what_comes_at_a_hop_the_ticks_are_collected():
    ticks = Signal.from_samples([1.0, 2.0, 3.0], hop=4)
    np.testing.assert_array_equal(ticks.collect().realize(), [1, 2, 3])
    np.testing.assert_array_equal(ticks.collect().realize(5), [1, 2])
    np.testing.assert_array_equal(ticks.collect(frames=9).realize(), [1, 2, 3])
    np.testing.assert_array_equal(ticks.upsample("hold").collect(2).realize(), [1, 1])


def test_mathematics_of_the_whole_run_has_its_gradient():
    x = Signal.from_samples(X, requires_grad=True)
    spread = ((x.collect() - x.collect().mean()) ** 2).mean()
    assert spread.backward() == pytest.approx(np.var(X))
    np.testing.assert_allclose(x.grad.value, 2 * (X - X.mean()) / 6, rtol=1e-5)


def test_a_loss_of_what_looks_ahead_sees_the_run_and_no_more():
    x = Signal.from_samples(X, requires_grad=True)
    y = x.windows(3, 1).sum().collect()
    want = np.convolve(X, np.ones(3), "same")
    np.testing.assert_allclose(y.realize(), want, rtol=1e-5)
    (y**2).sum().backward()
    np.testing.assert_allclose(x.grad.value, np.convolve(2 * want, np.ones(3), "same"), rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 4, 6])
def test_a_run_of_another_length_is_collected_too(frames):
    x = Signal.from_samples(X).onepole(0.5)
    for op in (lambda t: t[1:] - t[:-1], lambda t: dg.softmax(t.flip()), lambda t: t.reshape(-1, 1) @ Tensor([2.0])):
        np.testing.assert_allclose(op(x.collect()).realize(frames), op(Tensor(x.realize(frames))).realize(), rtol=1e-6)
    np.testing.assert_array_equal(Signal.from_tensor(x.collect().flip()).realize(frames), x.realize(frames)[::-1])


def test_of_no_frames_nothing_is_collected():
    assert Signal.from_samples(X).collect().realize(0).shape == (0,)
    assert Signal.from_samples(np.zeros((0, 2))).collect().realize().shape == (0, 2)
    assert Signal.from_tensor(Tensor.zeros([0, 2])).realize().shape == (0, 2)


def test_what_has_no_samples_is_as_long_as_the_run():
    ramp = Signal.constant(1.0).accum()
    with DGen.override(default_frame_count=5):
        assert ramp.collect().shape == (5,)
    np.testing.assert_array_equal(ramp.collect(3).realize(), [1, 2, 3])
    np.testing.assert_array_equal(ramp.collect(3).realize(8), [1, 2, 3])
    np.testing.assert_array_equal(ramp.collect().realize(4), [1, 2, 3, 4])


def test_an_example_of_a_batch_is_collected_as_it_is_alone():
    x = Signal.from_samples(np.stack([X, 2 * X]), batched=True)
    y = x.collect()
    np.testing.assert_allclose((y / y.max()).realize(), np.stack([X / X.max()] * 2), rtol=1e-6)
    rows = Signal.from_tensor(Tensor(np.stack([X, -X]), batched=True))
    np.testing.assert_array_equal(rows.realize(), [X, -X])


def test_a_pure_function_of_it_takes_runs_of_any_length():
    gain = Signal.param(2.0)
    fn = dg.function(((Signal.input(0) * gain).collect() ** 2).mean(), params=[gain])
    for frames in (3, 50):
        x = np.full(frames, 3.0, np.float32)
        loss, slope = jax.value_and_grad(lambda p, x=x: fn(p, {0: x})[0])([jnp.float32(2.0)])
        np.testing.assert_allclose([loss, slope[0]], [36, 36])


def test_it_is_exported_for_runs_of_any_length(tmp_path):
    x = Signal.input(0).collect()
    dg.export(((x[1:] - x[:-1]) ** 2).mean(), tmp_path / "slope.dgen")
    player = dg.load(tmp_path / "slope.dgen")
    for frames, step in ((16, 2.0), (5, 3.0)):
        np.testing.assert_array_equal(player.process(step * np.arange(frames, dtype=np.float32)), step**2)


def test_a_tensor_is_frames_or_ticks():
    t = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    lanes = Signal.from_tensor(t)
    assert type(lanes) is SignalTensor
    assert lanes.shape == (2,)
    assert lanes.requires_grad
    assert type(Signal.from_tensor([1.0, 2.0])) is Signal
    np.testing.assert_array_equal(lanes.realize(), t.value)
    ticks = Signal.from_tensor(t[:, 0], hop=2)
    assert ticks.hop == 2
    np.testing.assert_array_equal(ticks.realize(), [0, 2, 4])
    np.testing.assert_array_equal(ticks.upsample().realize(), [0, 1, 2, 3, 4, 4])  # behind the end as the last
    np.testing.assert_array_equal(Signal.from_tensor(t[:, 0]).windows(2, 1, align="start").realize()[-1], [4, 0])


@pytest.mark.parametrize("hop", [1, 3])
def test_it_is_as_samples_are(hop):
    out = []
    for x in (Signal.from_samples(X, hop=hop), Signal.from_tensor(X, hop)):
        y = x.onepole(0.3).upsample().windows(4, 2).sum()
        out.append([y.realize(), *[y.realize(2, preserve_state=True) for _ in range(3)]])
    for a, b in zip(*out):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("hop", [1, 3])
def test_its_gradient_is_that_of_samples(hop):
    t, x = Tensor(X, requires_grad=True), Signal.from_samples(X, requires_grad=True, hop=hop)
    for value in (Signal.from_tensor(t, hop), x):
        (value.onepole(0.3).upsample() ** 3).backward()
    np.testing.assert_allclose(t.grad.value, x.grad.value, rtol=1e-6)


def test_a_stream_of_it_ends_where_it_ends():
    u = Signal.from_tensor(Tensor(X)).windows(3, 1).sum()
    whole, late = u.realize(), []
    for frames in (2, 3, 2):  # a frame more, to hear what is late
        late.append(u.realize(frames, preserve_state=True))
    np.testing.assert_allclose(np.concatenate(late)[1:], whole, rtol=1e-6)
    with pytest.raises(InputError, match="the Tensor holds 6 frames, but frames 7 to 8 were asked for"):
        u.realize(1, preserve_state=True)


def test_there_and_back_is_what_it_was():
    x = Signal.from_samples(np.stack([X, -X], 1), hop=2)
    np.testing.assert_array_equal(Signal.from_tensor(x.collect(), hop=2).realize(), x.realize())


def test_a_function_of_the_whole_run_may_give_frames():
    x = Signal.from_samples(X, requires_grad=True)
    back, total, both = dg.from_jax(lambda x: (x[::-1], x.sum(), jnp.stack([x, -x], 1)), whole_run=True)(x)
    assert [type(v) for v in (back, total, both)] == [Signal, Tensor, SignalTensor]
    np.testing.assert_array_equal(back.realize(), X[::-1])
    np.testing.assert_array_equal(both.realize(4), np.stack([X, -X], 1)[:4])
    (back * Signal.from_samples(np.arange(6.0))).backward(reduction="sum")
    np.testing.assert_array_equal(x.grad.value, np.arange(6.0)[::-1])


def test_of_ticks_it_gives_ticks():
    x = Signal.from_samples([1.0, 2.0, 3.0], hop=4)
    y = dg.from_jax(jnp.cumsum, whole_run=True)(x)
    assert y.hop == 4
    np.testing.assert_array_equal(y.realize(), [1, 3, 6])
    np.testing.assert_array_equal(y.realize(6), [1, 3])
    np.testing.assert_array_equal(y.upsample("hold").realize(5), [1, 1, 1, 1, 3])


def test_what_gives_frames_and_looks_ahead_meets_the_end_of_the_run():
    y = dg.from_jax(lambda x: x + 1, whole_run=True)(Signal.from_samples(X))
    np.testing.assert_allclose(y.windows(2, 1, align="start").realize(3)[:, 1], [X[1] + 1, X[2] + 1, 0])


x, ramp = Signal.from_samples(X), Signal.constant(1.0).accum()
WRONG = [
    (lambda: Tensor([1.0]).collect(), ArgumentError, "collect: it sees all frames of a run"),
    (lambda: dg.collect(2.0), ArgumentError, "collect"),
    (lambda: x.collect(-1), ArgumentError, "collect: frames=-1"),
    (lambda: x.collect(2.5), ArgumentError, "collect: frames"),
    (lambda: x.collect(7).realize(6), ArgumentError, "collect: frames=7, but the run has 6"),
    (lambda: x.collect().realize(3, preserve_state=True), ArgumentError, "collect sees the whole run"),
    (lambda: dg.feedback(lambda y: y + y.collect().mean()), ArgumentError, "collect sees the whole run"),
    (lambda: x.collect().rfft()[0].realize(4), ArgumentError, "rfft: it depends on how long the run is; the run has 4"),
    (lambda: x.collect()[[0, 5]].realize(4), ArgumentError, "gather: it depends"),
    (lambda: x.collect()[5].realize(4), ArgumentError, "slices: it depends"),
    (lambda: (x.collect() * np.ones(6)).realize(4), ShapeError, "the run has 4 frames, and the graph was built for another"),
    (lambda: Signal.from_tensor(1.0), ShapeError, r"Signal.from_tensor: takes \(frames,\)"),
    (lambda: Signal.from_tensor(x), ArgumentError, "Signal.from_tensor: takes a Tensor"),
    (lambda: Signal.from_tensor([1.0], hop=0), ArgumentError, "Signal.from_tensor: hop=0"),
    (lambda: Signal.from_tensor([1.0, 2.0]).realize(3), InputError, "Signal.from_tensor: the Tensor holds 2 frames"),
    (lambda: Signal.from_tensor([1.0, 2.0], hop=3).realize(7), InputError, "the Tensor holds 6 frames"),
    (lambda: Signal.from_tensor(ramp.collect()[1:]).realize(4), InputError, "the Tensor holds 3 frames"),
    (lambda: dg.function(Signal.from_tensor([1.0]))(frames=2), InputError, "the Tensor holds 1 frames"),
    (
        lambda: dg.from_jax(lambda x: jnp.zeros(1 << max(len(x) - 1, 0).bit_length()), whole_run=True)(x).realize(),
        ArgumentError,
        "it returns 8 rows of 6",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_wrong_uses_are_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
