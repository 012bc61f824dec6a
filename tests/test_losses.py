"""What a loss may compare, and what sees the whole run: samples are not lanes, and a Tensor has no frames."""

import functools as ft

import jax
import jax.numpy as jnp
import kit
import numpy as np
import pytest
import references as ref

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, Tensor
from dgenlazy.graph import block

X = np.random.default_rng(0).uniform(-1, 1, 600).astype(np.float32)
LANES = np.random.default_rng(1).uniform(-1, 1, (600, 3)).astype(np.float32)


@block
def energy(x):
    return jnp.sum(x**2)


@block
def product(x, y):
    return jnp.sum(x * y)


def spectral(pred, target):
    return dg.spectral_loss(pred, target, window_size=64)


# Samples or lanes.

SIGNALS = {
    "samples": lambda: Signal.from_samples(X),
    "constant": lambda: Signal.constant(0.5),
    "parameter": lambda: Signal.param(0.5),
    "input": lambda: Signal.input(0),
    "lanes": lambda: Signal.from_samples(LANES),
    "lanes of the array's shape": lambda: Tensor(np.ones(600)) * Signal.constant(1.0),
}
ARRAYS = {
    "array": X,
    "list": [0.5, 1.0],
    "tuple": (0.5, 1.0),
    "rows": LANES,
    "of jax": jnp.asarray(X),
    "one element": np.ones(1),
    "empty": [],
    "doubles": X.astype(np.float64),
    "whole numbers": np.arange(3),
}


@pytest.mark.parametrize("loss", [dg.mse, spectral], ids=["mse", "spectral_loss"])
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("signal", SIGNALS)
def test_an_array_beside_a_signal_is_an_error_that_says_how_to_write_either(loss, signal, array):
    signal, array = SIGNALS[signal](), ARRAYS[array]
    message = r"^(mse|spectral_loss): {} is an array .* samples or lanes: Signal\.from_samples\(\.\.\.\) .*, Tensor\(\.\.\.\) "
    with pytest.raises(ShapeError, match=message.format("target")):
        loss(signal, array)
    with pytest.raises(ShapeError, match=message.format("pred")):
        loss(array, signal)


def test_methods_are_as_strict():
    for signal in (Signal.from_samples(X), Signal.from_samples(LANES)):
        with pytest.raises(ShapeError, match="mse: target is an array"):
            signal.mse(X)
        with pytest.raises(ShapeError, match="spectral_loss: target is an array"):
            signal.spectral_loss(target=list(X))


def test_what_the_error_says_is_what_was_meant():
    signal = Signal.from_samples(X)
    assert dg.mse(signal, Signal.from_samples(X)).realize().max() == 0
    np.testing.assert_allclose(dg.mse(signal, Tensor([0.0, 1.0])).realize(), (X**2 + (X - 1) ** 2) / 2, rtol=1e-5)
    lanes = dg.mse(Signal.from_samples(LANES), Tensor([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(lanes.realize(), ((LANES - [0.1, 0.2, 0.3]) ** 2).mean(1), rtol=1e-4)


@pytest.mark.parametrize("number", [0.5, 1, True, np.float32(0.5), np.array(0.5), jnp.float32(0.5), Tensor(0.5)])
def test_a_number_goes_with_every_shape_on_either_side(number):
    value = float(number.value if isinstance(number, Tensor) else number)
    for x, given in ((X[:, None], Signal.from_samples(X)), (LANES, Signal.from_samples(LANES)), (LANES, Tensor(LANES))):
        expected = ((x - value) ** 2).mean(1) if given.is_frame_varying else ((x - value) ** 2).mean()
        np.testing.assert_allclose(dg.mse(given, number).realize(), expected, rtol=1e-4)
        np.testing.assert_allclose(dg.mse(number, given).realize(), expected, rtol=1e-4)
    np.testing.assert_allclose(
        spectral(Signal.from_samples(X), number).realize(), ref.spectral_loss(X, np.full(600, value), window_size=64), rtol=1e-3
    )


@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4,), (4, 1)), ((1,), (4,)), ((2, 3), (3,)), ((3,), (2,)), ((1, 4), (4,))])
def test_shapes_that_only_broadcast_are_an_error(shapes):
    one, two = (np.ones(shape, np.float32) for shape in shapes)
    message = rf"mse: cannot combine \({str(shapes[0])[1:-1]}\) with \({str(shapes[1])[1:-1]}\): a loss takes equal shapes"
    still = Signal.constant(1.0)
    for a, b in ((Tensor(one), Tensor(two)), (Tensor(one), two), (one, Tensor(two)), (Tensor(one) * still, Tensor(two))):
        with pytest.raises(ShapeError, match=message):
            dg.mse(a, b)
    with pytest.raises(ShapeError, match=message.replace("mse", "spectral_loss")):
        spectral(Tensor(one) * still, Tensor(two) * still)


def test_arrays_beside_tensors_need_no_explanation():
    assert dg.mse(Tensor([1.0, 2.0]), [1.0, 4.0]).realize() == 2
    assert dg.mse(np.float32([[1.0], [2.0]]), Tensor([[1.0], [4.0]])).realize() == 2


def test_an_example_of_a_batch_is_held_to_the_same():
    batch = Tensor(np.ones((5, 3)), batched=True)
    assert dg.mse(batch, Tensor([1.0, 1.0, 4.0])).realize().tolist() == [3.0] * 5
    with pytest.raises(ShapeError, match=r"cannot combine \(3,\) with \(5, 3\)"):
        dg.mse(batch, Tensor(np.ones((5, 3))))


# The whole run.

WHOLE = {
    "spectral_loss": lambda x: dg.spectral_loss(x, x),
    "method": lambda x: x.spectral_loss(x),
    "block": energy,
    "block of two": lambda x: product(x, 2.0),
    "from_jax": dg.from_jax(lambda x: jnp.sum(x**2), whole_run=True),
    "from_jax, two results": dg.from_jax(lambda x: (x.sum(), x.max()), whole_run=True),
}


@pytest.mark.parametrize("op", WHOLE)
@pytest.mark.parametrize("tensor", [Tensor(X), Tensor(2.0), Tensor(X, requires_grad=True) * 2, Tensor(LANES, batched=True)])
def test_what_sees_the_whole_run_refuses_what_has_no_frames(op, tensor):
    with pytest.raises(ArgumentError, match=r"sees all frames of a run, .* has none; Signal\.from_samples"):
        WHOLE[op](tensor)


def test_what_comes_of_a_whole_run_has_no_frames_either():
    with pytest.raises(ArgumentError, match="energy: it sees all frames"):
        energy(energy(Signal.from_samples(X)))


@pytest.mark.parametrize("still", [Signal.constant, Signal.param, lambda x: Signal.constant(x / 2) * 2])
def test_a_signal_that_does_not_vary_has_the_frames_of_the_run(still):
    assert energy(still(2.0)).realize(7) == 28
    assert dg.from_jax(jnp.sum, whole_run=True)(still(2.0)).realize(5) == 10
    assert energy(Tensor([1.0, 2.0]) * still(1.0)).realize(7) == 35
    assert product(still(2.0), 3.0).realize(3) == 18
    with DGen.override(default_frame_count=6):
        assert energy(still(2.0)).realize() == 24
    expected = ref.spectral_loss(np.full(300, 0.5), np.full(300, 0.2), window_size=64)
    np.testing.assert_allclose(spectral(still(0.5), Signal.constant(0.2)).realize(300), expected, rtol=1e-3)


def test_the_gradient_of_a_run_that_does_not_vary_is_that_of_all_its_frames():
    p = Signal.param(3.0)
    assert energy(p).backward(frames=10) == 90
    assert p.grad.value == 60
    out, state = dg.function(energy(p))(frames=10)
    assert out == 90
    assert state["position"] == 10


# Windows of the spectral loss: centred, and enough of them for every frame.


def centred_loss(pred, target, size, hop):
    """One frame, one bin, one window at a time, in float64."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    linear, logarithmic = [], []
    for centre in range(0, len(pred), hop):
        places = np.arange(centre - size // 2, centre - size // 2 + size)
        inside = (places >= 0) & (places < len(pred))
        a, b = (abs(np.fft.rfft(np.where(inside, x[np.where(inside, places, 0)], 0) * hann)) for x in (pred, target))
        linear.append(np.mean(abs(a - b)))
        logarithmic.append(np.mean(abs(np.log(a + 1e-3) - np.log(b + 1e-3))))
    return np.mean(linear), np.mean(logarithmic)


@pytest.mark.parametrize(
    ("how", "sizes", "golden"),
    [
        ({}, [(1024, 256)], 1.17520112003),  # with windows from 0 on, while they fit, it was 1.17665915207
        ({"hop": 300}, [(1024, 300)], 1.17357722325),
        ({"window_size": [2048, 512, 63]}, [(2048, 512), (512, 128), (63, 15)], 1.13824528198),
        ({"log_weight": 0.0}, [(1024, 256)], 0.456788954847),
    ],
)
def test_the_golden_numbers_of_the_spectral_loss(how, sizes, golden):
    pred, target = kit.pair(8192, 44100)
    parts = np.mean([centred_loss(pred, target, *size) for size in sizes], axis=0)
    assert parts @ [1.0, how.get("log_weight", 1.0)] == pytest.approx(golden, rel=1e-11)
    loss = dg.spectral_loss(Signal.from_samples(pred), Signal.from_samples(target), **how)
    np.testing.assert_allclose(loss.realize(), golden, rtol=2e-6)


@pytest.mark.parametrize(
    ("loss", "frames", "size", "hop"),
    [
        (dg.spectral_loss, 61, 16, None),
        (dg.spectral_loss, 64, 15, 7),
        (dg.spectral_loss, 9, 32, 8),
        (dg.spectral_loss, 1, 8, 2),
        (dg.log_spectral_distance, 61, 16, 8),
    ],
)
def test_no_frame_may_be_wrong_without_a_change_of_the_loss_and_of_its_gradient(loss, frames, size, hop):
    sizes = {"window_size" if loss is dg.spectral_loss else "fft_size": size, "hop": hop}
    pred, target = Signal.from_samples(0.8 * X[:frames], requires_grad=True), Signal.from_samples(X[100:][:frames])
    apart = loss(pred, target, **sizes)
    before = apart.backward()
    assert np.abs(pred.grad.value).min() > 0
    for n in range(frames):
        pred.value = 0.8 * X[:frames] + 50 * (np.arange(frames) == n)
        assert abs(apart.realize() - before) > 1e-4, n


@pytest.mark.parametrize("of", [(0,), (1,), (0, 1)])
def test_spectra_that_a_parallel_backend_makes_together_are_those_made_one_by_one_and_so_are_their_slopes(of):
    from dgenlazy.dsp.losses import spectral_distances

    pair = np.random.default_rng(0).normal(size=(2, 300, 2)).astype(np.float32)
    loss = ft.partial(spectral_distances.fn, window_size=(64, 50), hop=None, log_eps=1e-3, fft=True)

    def slopes(parallel):
        return jax.jit(jax.value_and_grad(lambda *pair: loss(*pair, parallel=parallel).sum(), of))(*pair)

    jax.tree.map(ft.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), slopes(True), slopes(False))
