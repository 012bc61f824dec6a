"""Gradients held to differences: what is right passes at any size and at bounds, what is wrong is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, ShapeError, Signal, Tensor


def times(factor):
    """A sine whose gradient is so many times too large."""

    @jax.custom_vjp
    def sine(x):
        return jnp.sin(x)

    sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x) * factor,))
    return dg.from_jax(sine)


def weights(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_right_gradient_agrees_at_any_scale(scale):
    w = Tensor(scale * np.array([0.5, -1.0, 2.0]), requires_grad=True)
    found = dg.check_grads(((w / scale).tanh() ** 2).sum())
    (row,) = found.rows
    assert found.ok
    assert (row.verdict, row.checked, row.error < 1e-6, row.rounding < 1e-5) == ("agrees", 3, True, True)


@pytest.mark.parametrize("shape", [(), (3,), (40, 50)])
@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0])
def test_a_wrong_gradient_is_named_and_the_others_agree(shape, factor):
    bad, good = weights(*shape), weights(2)
    found = dg.check_grads(times(factor)(bad).mean() + (good**3).sum(), {"good": good, "bad": bad})
    assert not found.ok
    assert found.wrong == ["bad"]
    assert [row.verdict for row in found.rows] == ["agrees", "disagrees"]
    assert "not those of the loss: bad" in str(found)
    assert dg.check_grads(times(1.0)(bad).mean()).ok


def test_one_wrong_number_among_thousands_is_found():
    w = weights(5000)
    mostly = times(3.0)(w[1234]) + (w.sin() * np.float32(np.arange(5000) != 1234)).sum()
    assert dg.check_grads(mostly, rtol=1e-2, most=4).wrong == ["params[0]"]


def test_the_numbers_are_those_of_the_formula():
    w = Tensor([0.3, 0.7], requires_grad=True)
    (row,) = dg.check_grads((times(1.5)(w) * Tensor([0.0, 1.0])).sum()).rows
    assert row.gradient == pytest.approx(1.5 * np.cos(0.7), rel=1e-6)
    assert row.difference == pytest.approx(np.cos(0.7), rel=1e-6)
    assert row.error == pytest.approx(1 / 3, rel=1e-4)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 5.0), (-3.0, 1.0), (1.0, 1.0001), (0.9999, 1.0), (0.9999, 1.0001), (None, 1.0)]
)
def test_at_a_bound_it_moves_to_the_inside(low, high):
    p = Signal.param(1.0, min=low, max=high)
    outside = (dg.where(p < (-9 if low is None else low), np.nan, 0.0), dg.where(p > high, np.nan, 0.0))
    for factor, ok in ((1.0, True), (1.01, False)):
        assert dg.check_grads(times(factor)(p) + sum(outside) * 0.0 + outside[0] + outside[1], frames=1).ok == ok


def test_a_kink_takes_any_slope_between_its_sides_and_no_other():
    w = Tensor([0.0, 1.0], requires_grad=True)
    assert [r.verdict for r in dg.check_grads(w.relu().sum()).rows] == ["kink"]
    assert dg.check_grads(w.abs().sum()).ok
    wrong = w.abs() + (w - w.detach()) * 1.5
    assert dg.check_grads(wrong.sum()).wrong == ["params[0]"]


def test_what_is_no_derivative_on_purpose_disagrees():
    w = weights(3)
    assert not dg.check_grads((w.detach() * w).sum()).ok
    assert dg.check_grads((w.round() * w).sum()).ok


def test_a_gradient_that_is_not_finite_is_said():
    w = Tensor([0.0], requires_grad=True)
    assert dg.check_grads((w * 0.0).log().sum()).rows[0].verdict == "not finite"


def test_a_parameter_without_numbers_or_influence_agrees():
    assert dg.check_grads(Tensor(np.zeros((0, 3)), requires_grad=True).sum()).ok
    w = weights(2)
    assert dg.check_grads((w * 0.0).sum()).ok


def test_a_filter_of_a_batch_agrees_and_the_function_that_makes_a_loss_as_well():
    gain = Signal.param([0.5, 0.25], batched=True)
    coefficient = Signal.param(0.3, min=0.0, max=1.0)
    x = np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32)

    def loss():
        return dg.mse(Signal.input(0).onepole(coefficient) * gain, 0.0)

    for made in (loss, loss()):
        found = dg.check_grads(made, inputs={0: x})
        assert found.ok
        assert {row.checked for row in found.rows} == {1, 2}
    assert [p.grad for p in (gain, coefficient)] == [None, None]


def test_bad_settings_are_named():
    w = weights(2)
    for options, says in (
        ({"rtol": 0.0}, "check_grads: rtol=0.0 is not above 0"),
        ({"most": 0}, "check_grads: most=0 is less than 1"),
        ({"seed": -1}, "check_grads: seed=-1 is less than 0"),
        ({"params": [weights(1)]}, r"check_grads: params\[0\]: the loss does not depend on it"),
        ({"params": {3: w}}, "check_grads: params: 3 is no name"),
    ):
        with pytest.raises(ArgumentError, match=says):
            dg.check_grads((w * w).sum(), **options)
    with pytest.raises(ShapeError, match="check_grads: a loss has shape"):
        dg.check_grads(w * w)
