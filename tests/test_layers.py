"""Layers: against loops, and as the networks of PyTorch have them."""

import numpy as np
import pytest
import references as ref

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, Tensor

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-1, 1, (7, 3))
W, U, B = (RANDOM.uniform(-1, 1, shape) for shape in ((12, 3), (12, 4), (2, 12)))


def test_a_unit_steps_once_a_tick():
    want = ref.gru(X, W[None], U[None], B[None])
    ticks = Signal.from_samples(X, hop=64).gru(W, U, B)
    assert ticks.hop == 64
    np.testing.assert_allclose(ticks.realize(), want, atol=1e-6)
    np.testing.assert_allclose(Signal.from_samples(X).gru(W, U, B).realize(), want, atol=1e-6)
    late = np.concatenate([ticks.realize(n, preserve_state=True) for n in (1, 63, 100, 200, 84)])
    np.testing.assert_allclose(late, want, atol=1e-6)


def test_one_bias_is_that_of_the_input():
    both = np.stack([B[0], np.zeros(12)])
    one = Signal.from_samples(X).gru(W, U, B[0]).realize()
    np.testing.assert_allclose(one, ref.gru(X, W[None], U[None], both[None]), atol=1e-6)


def test_its_gradients_are_those_of_differences():
    weights = [Tensor(x, requires_grad=True) for x in (W, U, B, np.full(4, 0.3))]
    y = Signal.from_samples(X).gru(*weights)
    (y**2).sum().backward(reduction="sum")

    def loss(values):
        return (ref.gru(X, *[v[None] for v in values]) ** 2).sum()

    values = [np.array(w.value, np.float64) for w in weights]
    for k, w in enumerate(weights):
        for _ in range(3):
            at = tuple(RANDOM.integers(0, n) for n in w.shape)
            ends = []
            for step in (1e-5, -1e-5):
                moved = [v.copy() for v in values]
                moved[k][at] += step
                ends.append(loss(moved))
            np.testing.assert_allclose(w.grad.value[at], (ends[0] - ends[1]) / 2e-5, rtol=1e-3, atol=1e-5)


def test_glorot_weights_are_within_their_limit_and_seeded():
    w = Tensor.glorot((30, 20), seed=1, requires_grad=True)
    limit = np.sqrt(6 / 50)
    assert w.requires_grad
    assert np.abs(w.value).max() <= limit
    assert np.isclose(w.value.std(), limit / np.sqrt(3), rtol=0.1)
    np.testing.assert_array_equal(Tensor.glorot((30, 20), seed=1).value, w.value)
    DGen.seed = 5
    first, second = Tensor.glorot((2, 2)).value, Tensor.glorot((2, 2)).value
    assert (first != second).all()
    DGen.seed = 5
    np.testing.assert_array_equal(Tensor.glorot((2, 2)).value, first)
    kernel = Tensor.glorot((8, 4, 5)).value
    assert np.sqrt(6 / 60) * 0.9 < np.abs(kernel).max() <= np.sqrt(6 / 60)
    assert Tensor.glorot((0, 3)).shape == (0, 3)


def test_a_layer_of_lanes_has_one_weight():
    x, w, b = RANDOM.uniform(-1, 1, (5, 2, 3)), RANDOM.uniform(-1, 1, (4, 3)), RANDOM.uniform(-1, 1, 4)
    np.testing.assert_allclose(Signal.from_samples(x).linear(w, b).realize(), x @ w.T + b, atol=1e-6)


x, w, u = Signal.from_samples(X), Tensor(W), Tensor(U)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: x.linear(np.ones((2, 4))), ShapeError, r"linear: weight has shape \(2, 4\): it takes 4 inputs, not \(3,\)"),
        (lambda: x.linear(np.ones(3)), ShapeError, r"linear: weight has shape \(3,\), not \(outputs, inputs\)"),
        (lambda: x.linear(np.ones((2, 3)), np.ones(3)), ShapeError, r"linear: bias has shape \(3,\), not \(2,\)"),
        (lambda: x[0].linear(np.ones((2, 3))), ShapeError, "linear: weight"),
        (lambda: x.gru(w[:11], u, 0.0), ShapeError, r"gru: weight_input has shape \(11, 3\)"),
        (lambda: x.gru(w, u[:, :3], 0.0), ShapeError, r"gru: .* weight_state \(12, 3\)"),
        (lambda: x.gru(w, u, np.ones(4)), ShapeError, r"gru: bias has shape \(4,\), not \(12,\) or \(2, 12\)"),
        (lambda: x.gru(w, u, 0.0, init=np.ones(3)), ShapeError, r"gru: init has shape \(3,\), not \(4,\)"),
        (lambda: x.gru(w, u, 0.0, init=x[0]), ArgumentError, "gru: init varies"),
        (lambda: Tensor.glorot(3), ShapeError, r"Tensor.glorot: shape \(3,\)"),
    ],
)
def test_wrong_shapes_are_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_constant_is_heard_again_and_again():
    still = Tensor(X[0]).gru(w, u, Tensor(B))
    np.testing.assert_allclose(still.realize(4), ref.gru(np.tile(X[0], (4, 1)), W[None], U[None], B[None]), atol=1e-6)
    assert dg.gru(x, w, u, 0.0).realize(0).shape == (0, 4)
