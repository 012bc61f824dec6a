"""Samples of input channels: how long a run is, and how frames, channels and examples lie in an array."""

import itertools

import jax
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import SGD, ArgumentError, DGen, InputError, ShapeError, Signal, SignalTensor, Tensor

LONG = 3000  # more than DGen.default_frame_count
X = np.random.default_rng(0).uniform(-1, 1, LONG).astype(np.float32)
STEREO = np.random.default_rng(1).uniform(-1, 1, (LONG, 2)).astype(np.float32)


# How long a run is.


def test_a_run_is_as_long_as_the_inputs_of_the_session():
    DGen.inputs[0] = X
    gain = Signal.param(0.5)
    np.testing.assert_array_equal(Signal.input(0).realize(), X)
    assert [y.shape for y in dg.realize(Signal.input(0) * 2, Signal.phasor(440.0), Tensor(1.0))] == [(LONG,), (LONG,), ()]
    assert dg.mse(Signal.input(0) * gain, 0.0).backward() == pytest.approx(0.25 * np.mean(X.astype(float) ** 2), rel=1e-5)
    np.testing.assert_allclose(gain.grad.value, np.mean(X.astype(float) ** 2), rtol=1e-5)
    assert Signal.input(0).onepole(0.1).plan().frames == LONG
    assert dg.spectral_loss(Signal.input(0), 0.0).realize() == dg.spectral_loss(Signal.from_samples(X), 0.0).realize()


def test_training_on_the_inputs_of_the_session_hears_all_of_them():
    """The end of the recording is another gain than its beginning: least squares of all of it, not of the first frames."""
    wanted = np.where(np.arange(LONG) < 1024, 2.0, -1.0) * X
    DGen.inputs = {0: X, 1: wanted}
    gain = Signal.param(0.0)
    loss, opt = dg.mse(Signal.input(0) * gain, Signal.input(1)), SGD([gain], lr=1.0)
    for _ in range(40):
        loss.backward()
        opt.step()
        opt.zero_grad()
    np.testing.assert_allclose(gain.value, np.sum(X * wanted) / np.sum(X * X), rtol=1e-4)


SOURCES = {
    "session": lambda n, k: DGen.inputs.update({k: X[:n]}) or (Signal.input(k), {}),
    "call": lambda n, k: (Signal.input(k), {k: X[:n]}),
    "samples": lambda n, k: (Signal.from_samples(X[:n]), {}),
}


@pytest.mark.parametrize(("one", "two"), list(itertools.product(SOURCES, repeat=2)))
@pytest.mark.parametrize("lengths", [(40, 30), (30, 40), (30, 0), (2000, 1500)])
def test_the_shortest_decides_wherever_samples_come_from(one, two, lengths):
    (a, given), (b, more) = (SOURCES[source](n, k) for k, (source, n) in enumerate(zip((one, two), lengths)))
    np.testing.assert_array_equal((a + b).realize(inputs={**given, **more}), 2 * X[: min(lengths)])


def test_only_the_inputs_in_use_decide():
    DGen.inputs = {0: X[:50], 1: X[:20]}
    assert Signal.input(0).realize().shape == (50,)
    assert Signal.input(0).realize(inputs={0: X[:60]}).shape == (60,)
    assert Signal.input(0).realize(inputs={1: X[:10]}).shape == (50,)
    assert Signal.phasor(440.0).realize().shape == (1024,)
    assert Signal.input(0).realize(30).shape == (30,)
    DGen.inputs.clear()
    with pytest.raises(InputError, match="there are no samples for channel 0"):
        Signal.input(0).realize()
    assert Signal.input(0).onepole(0.1).plan().frames == 1024


def test_of_a_stream_the_rest_of_the_session_is_run():
    DGen.inputs[0] = X
    y = Signal.input(0).onepole(0.3)
    blocks = [y.realize(n, preserve_state=True) for n in (2000, 1)] + [y.realize(preserve_state=True)]
    np.testing.assert_allclose(np.concatenate(blocks), y.realize(), atol=1e-5)
    with pytest.raises(InputError, match=r"Signal\.input\(0\): the stream is at frame 3000, the end of the samples"):
        y.realize(preserve_state=True)
    assert y.realize(0, preserve_state=True).shape == (0,)
    assert y.realize(inputs={0: X[:7]}, preserve_state=True).shape == (7,)
    y.reset()
    assert y.realize(preserve_state=True).shape == (LONG,)


def test_a_batch_of_the_session_decides_by_its_frames():
    DGen.inputs = {0: X[:60].reshape(3, 20), 1: X[:25]}
    assert (Signal.input(0) * Signal.input(1)).realize().shape == (3, 20)


def test_of_a_function_that_goes_on_the_rest_of_its_samples_is_run():
    fn = dg.function(Signal.from_samples(X[:9]) * 1.0)
    first, state = fn(frames=4)
    rest, state = fn(state=state)
    np.testing.assert_array_equal(np.concatenate([first, rest]), X[:9])
    with pytest.raises(InputError, match="at frame 9, the end of the samples"):
        fn(state=state)


# Channels as lanes.


def mid():
    return Signal.input(0, shape=(2,)).mean()


def test_channels_are_lanes():
    x = Signal.input(0, shape=(2,))
    assert (type(x), x.shape) == (SignalTensor, (2,))
    np.testing.assert_array_equal(x.realize(inputs={0: STEREO}), STEREO)
    DGen.inputs[0] = STEREO
    np.testing.assert_array_equal(x.realize(), STEREO)
    np.testing.assert_allclose(mid().realize(), STEREO.mean(1), atol=1e-6)
    left = x.onepole(0.2)[0].realize()
    alone = Signal.from_samples(STEREO[:, 0]).onepole(0.2).realize()  # one lane is summed in another order
    np.testing.assert_allclose(left, alone, atol=1e-7)
    blocks = [x.accum().realize(n) for n in (LONG,)] + [x.realize(n, preserve_state=True) for n in (1, 2000)]
    np.testing.assert_array_equal(np.concatenate([*blocks[1:], x.realize(preserve_state=True)]), STEREO)


@pytest.mark.parametrize("shape", [(1,), (2, 3), (0,)])
def test_samples_of_any_shape_of_a_frame_alone_and_in_a_batch(shape):
    x = Signal.input(3, shape=shape)
    own = x.shape
    batch = np.random.default_rng(0).uniform(-1, 1, (5, 16, *own)).astype(np.float32)
    np.testing.assert_array_equal(x.realize(inputs={3: batch}), batch)
    np.testing.assert_array_equal(x.realize(7, inputs={3: batch[0]}), batch[0, :7])
    y = x.history() * Signal.noise(seed=1)
    together = y.realize(inputs={3: batch})
    for alone, one in zip(batch, together):
        np.testing.assert_allclose(y.realize(inputs={3: alone}), one, atol=1e-5)


def test_gradients_pass_through_lanes_of_an_input():
    gain = Tensor([0.5, 2.0], requires_grad=True)
    DGen.inputs[0] = STEREO
    loss = dg.mse(Signal.input(0, shape=(2,)) * gain, 0.0)
    power = np.mean(STEREO.astype(float) ** 2, 0)
    assert loss.backward() == pytest.approx((power * [0.25, 4]).mean(), rel=1e-5)
    np.testing.assert_allclose(gain.grad.value, power * [0.5, 2.0], rtol=1e-4)
    gain.node.grad = None
    loss.backward(inputs={0: np.stack([STEREO, 2 * STEREO])})
    np.testing.assert_allclose(gain.grad.value, power * [0.5, 2.0] * 2.5, rtol=1e-4)


def test_functions_and_files_take_lanes(tmp_path):
    pytest.importorskip("flatbuffers")
    graph = Signal.input(0, shape=(2,)).onepole(0.3) * Signal.input(1)
    whole = graph.realize(inputs={0: STEREO, 1: X})
    fn = dg.function(graph, inputs={"stereo": 0, "level": 1})
    np.testing.assert_allclose(fn(None, {"stereo": STEREO, "level": X})[0], whole, atol=1e-6)
    two = fn(None, {"stereo": np.stack([STEREO, -STEREO]), "level": X})[0]
    np.testing.assert_allclose(two, [whole, -whole], atol=1e-6)
    mapped = jax.vmap(lambda x: fn(None, {"stereo": x, "level": X})[0])(np.stack([STEREO, -STEREO]))
    np.testing.assert_allclose(mapped, [whole, -whole], atol=1e-6)
    with pytest.raises(ShapeError, match=r"has shape \(3000,\), not \(frames, 2\) or \(batch, frames, 2\)"):
        fn(None, {"stereo": X, "level": X})
    digest = dg.export(graph, tmp_path / "stereo.dgen", inputs={"stereo": 0, "level": 1})
    player = dg.load(tmp_path / "stereo.dgen", sha256=digest)
    blocks = [player.process({"stereo": STEREO[a:b], "level": X[a:b]}) for a, b in ((0, 1000), (1000, LONG))]
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-5)
    with pytest.raises(ShapeError, match=r"has shape \(3000,\), not \(frames, 2\)"):
        player.process({"stereo": X, "level": X})


@pytest.mark.parametrize("channels", [1, 2, 8, 333])
def test_frames_and_channels_are_not_taken_for_a_batch(channels):
    recorded = np.zeros((LONG, channels), np.float32)
    x, fn = Signal.input(0), dg.function(Signal.input(0) * 2)
    DGen.inputs[0] = recorded  # what they are is known when they are used
    readings = rf"{LONG} frames of {channels} channels, .*shape=\({channels},\)\), or a batch of {LONG} examples of"
    for use in (
        lambda: x.realize(),
        lambda: x.realize(1),
        lambda: x.plan(),
        lambda: (x * Signal.param(1.0)).backward(),
        lambda: x.realize(preserve_state=True),
        lambda: Signal.input(5).realize(inputs={5: recorded}),
        lambda: fn(None, {0: recorded}),
        lambda: jax.jit(fn)(None, {0: recorded}),
    ):
        with pytest.raises(InputError, match=readings):
            use()
    assert Signal.input(0, shape=(channels,)).realize().shape == recorded.shape
    as_batch = Signal.from_samples(recorded, batched=True)
    assert (as_batch * 2).realize().shape == recorded.shape


def test_a_batch_of_up_to_eight_times_as_many_examples_as_frames_is_one():
    x = Signal.input(0)
    assert x.realize(inputs={0: np.zeros((16, 2))}).shape == (16, 2)
    with pytest.raises(InputError, match="17 examples of 2 frames"):
        x.realize(inputs={0: np.zeros((17, 2))})
    assert x.realize(inputs={0: np.zeros((17, 0))}).shape == (17, 0)
    y = Signal.input(0).accum()  # a stream that has begun as a batch knows what it is given
    y.realize(inputs={0: np.ones((17, 3))}, preserve_state=True)
    np.testing.assert_array_equal(y.realize(inputs={0: np.ones((17, 1))}, preserve_state=True), np.full((17, 1), 4))


@pytest.mark.parametrize(
    ("shape", "samples", "message"),
    [
        ((), np.zeros((1, 3, 4)), r"inputs\[0\]: shape \(1, 3, 4\) is not \(frames,\), nor \(batch, frames\) for a batch"),
        ((2,), np.zeros(4), r"inputs\[0\]: shape \(4,\) is not \(frames, 2\), nor \(batch, frames, 2\) for a batch"),
        ((2,), np.zeros((2, 44100)), r"shape \(2, 44100\) is not \(frames, 2\)"),
        ((2,), np.zeros((1, 1, 4, 2)), r"shape \(1, 1, 4, 2\) is not \(frames, 2\)"),
        ((2, 3), np.zeros((4, 3, 2)), r"shape \(4, 3, 2\) is not \(frames, 2, 3\), nor \(batch, frames, 2, 3\)"),
    ],
)
def test_samples_of_another_shape_are_an_error_at_the_run(shape, samples, message):
    x = Signal.input(0, shape=shape)
    with pytest.raises(ArgumentError, match=message):
        x.realize(inputs={0: samples})
    DGen.inputs[0] = samples
    for frames in (None, 0, 1):
        with pytest.raises(ArgumentError, match=message):
            x.realize(frames)


@pytest.mark.parametrize("shape", [-1, (2, 0.5), "a", None])
def test_a_wrong_shape_of_an_input_is_an_error_when_it_is_made(shape):
    with pytest.raises(ArgumentError, match=r"Signal\.input: shape"):
        Signal.input(0, shape=shape)


def test_a_channel_that_is_read_in_two_shapes_is_an_error():
    both = Signal.input(0) + Signal.input(0, shape=(2,))[0]
    with pytest.raises(ArgumentError, match=r"shape \(20,\) is not \(frames, 2\)"):
        both.realize(inputs={0: X[:20]})


def test_a_plot_is_as_long_as_the_inputs_of_the_session():
    pytest.importorskip("matplotlib")
    DGen.inputs = {0: X}
    np.testing.assert_array_equal(Signal.input(0).plot().lines[0].get_ydata(), X)
