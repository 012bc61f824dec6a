"""`==` and `!=` compare elements, lazily; values themselves are told apart by `is`."""

import copy
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from dgenlazy import ArgumentError, ShapeError, Signal, Tensor

X = Signal.from_samples(np.float32([0.5, -1.0, 2.0, 0.0, 1.0]))


def test_equality_is_lazy_and_of_the_type_of_its_operands():
    x = Tensor([1.0, 2.0])
    assert isinstance(x == 1, Tensor)
    assert isinstance(x != 1, Tensor)
    assert isinstance(X == 1, Signal)
    assert (X == x).shape == (2,)
    for other in (1, True, np.float32(1), np.array([1, 1]), jnp.ones(2), [1, 1], (1, 1), Tensor(1.0)):
        np.testing.assert_array_equal((x == other).realize(), [1, 0])
        np.testing.assert_array_equal((x != other).realize(), [0, 1])
    for other in (np.float32(1), np.array([1, 1]), jnp.ones(2), [1, 1]):  # from the left
        np.testing.assert_array_equal((other == x).realize(), [1, 0])
        np.testing.assert_array_equal((other != x).realize(), [0, 1])
    with pytest.raises(ShapeError, match=r"equal: cannot combine \(2,\) with \(3,\)"):
        _ = x == np.ones(3)
    with pytest.raises(ArgumentError, match="equal"):
        _ = x == 1j
    assert (X == X).realize(5).dtype == np.float32


def test_what_is_no_number_is_another_thing():
    for other in (None, "a", {}, object(), Tensor, np.ndarray, ...):
        assert (X == other) is False
        assert (X != other) is True


def test_values_are_kept_apart_by_identity():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: "x", y: "y"}[x] == "x"
    assert len({x, y, x}) == 2
    assert hash(x) == hash(x) != hash(y)
    assert x in {x}
    assert x not in {y}
    assert any(v is x for v in [y, x])
    assert x in [x, y]  # Python asks for identity first
    with pytest.raises(ArgumentError, match=r"neither true nor false.*`is`"):
        _ = x in [y]
    with pytest.raises(ArgumentError, match="neither true nor false"):
        bool(x == y)
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin is not x
        assert twin in {twin}
        np.testing.assert_array_equal((twin == x).realize(), [1])


def test_nan_equals_nothing_and_equality_has_no_gradient():
    x = Tensor([1.0, np.nan])
    np.testing.assert_array_equal((x == x).realize(), [1, 0])
    np.testing.assert_array_equal((x != x).realize(), [0, 1])
    w = Tensor([1.0, 2.0], requires_grad=True)
    ((w == 1) * 3 + (w != 1) * 5).sum().backward()
    np.testing.assert_array_equal(w.grad.value, 0.0)
