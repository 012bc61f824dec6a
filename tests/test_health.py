"""How a loss stands: norms, the first op that is not finite, and which parameters the data determines."""

import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, ShapeError, Signal, Tensor


def test_norms_are_those_of_backward():
    w, gain = Tensor([3.0, -4.0], requires_grad=True), Signal.param(0.5)
    loss = (w * w).sum() + dg.mse(Signal.noise(seed=1).onepole(0.3) * gain, 0.0)
    found = dg.health(loss, {"w": w, "gain": gain}, frames=32)
    assert loss.backward(frames=32) == pytest.approx(found.loss, rel=1e-6)
    assert found.rows[0].norm == pytest.approx(10.0)
    assert found.rows[1].norm == pytest.approx(abs(float(gain.grad.value)), rel=1e-5)
    assert found.ok
    assert found.first is None
    assert str(found).splitlines()[0].endswith("all is finite")


def test_the_first_op_whose_value_is_not_finite_is_named():
    x = Signal.input(0)
    gain = Signal.param(1.0)
    loss = dg.mse((x * gain).log().tanh().onepole(0.5), 0.0)
    found = dg.health(loss, inputs={0: [1.0, 2.0, 0.0, 1.0]})
    assert (found.first.what, found.first.op, found.first.row, found.ok) == ("value", "log", 2, False)
    assert "the value is not finite from log on" in str(found)


def test_the_first_op_whose_gradient_is_not_finite_is_named():
    w = Tensor([0.0, 1.0], requires_grad=True)
    root = dg.from_jax(jnp.sqrt)
    found = dg.health((root(w * 2.0) * 2.0).tanh().sum())
    assert np.isfinite(found.loss)
    assert found.first.what == "gradient"
    assert "sqrt" in found.first.op
    assert not found.ok
    assert not found.rows[0].finite


def test_what_enters_is_named_before_any_op():
    gain = Signal.param(1.0)
    found = dg.health(dg.mse(Signal.input(2) * gain, 0.0), inputs={2: [0.0, 1.0, np.nan]})
    assert (found.first.op, found.first.row) == ("Signal.input(2)", 2)
    samples = Signal.from_samples([0.0, np.inf])
    assert dg.health(dg.mse(samples * gain, 0.0)).first.op == "samples"
    batch = np.zeros((2, 4), np.float32)
    batch[1, 3] = np.nan
    assert dg.health(dg.mse(Signal.input(0) * gain, 0.0), inputs={0: batch}).first.row == 3


def test_at_other_rates_and_in_batches_it_looks_as_well():
    gain = Signal.param(0.5)
    slow = Signal.input(0).downsample(4) * gain
    assert dg.health(dg.mse(slow.upsample(), 0.0) + dg.mse(Signal.input(0), 0.0), inputs={0: np.ones((3, 16))}).ok


def test_the_row_that_is_told_is_the_first_of_all_examples_and_outputs():
    gain = Signal.param(1.0)
    samples = np.ones((2, 8), np.float32)
    samples[0, 6], samples[1, 3] = -1.0, -1.0
    found = dg.health(dg.mse((Signal.from_samples(samples, batched=True) * gain).log(), 0.0))
    assert (found.first.op, found.first.row) == ("log", 3)

    both = dg.from_jax(lambda x: ((x - 6.0) ** -0.5, (x - 3.0) ** -0.5))
    late, early = both(Signal.from_samples(np.arange(8.0, 0.0, -1.0)) * gain)
    found = dg.health((late.mean() if late.shape else late) + early)
    assert (found.first.what, found.first.row) == ("value", 2)


def test_curvature_is_that_of_the_formula():
    a, b = Signal.param(2.0), Signal.param(3.0, min=0.0, max=10.0)
    found = dg.health(3.0 * (a - 2.0) ** 2 + (b - 3.0) ** 2 + (a - 2.0) * (b - 3.0) + 0.5, [a, b], frames=1)
    assert [r.curvature for r in found.rows] == pytest.approx([6.0, 2.0], rel=1e-4)
    inverse = np.linalg.inv([[6.0, 1.0], [1.0, 2.0]])  # to where, at its least over the other, the loss is 1
    assert [r.spread for r in found.rows] == pytest.approx(np.sqrt(2 * 0.5 * np.diag(inverse)), rel=1e-4)
    assert [r.determined for r in found.rows] == [True, True]


def test_what_the_data_does_not_determine_is_told():
    x = Signal.noise(seed=1)
    a, b, c, unused = (Signal.param(v) for v in (2.0, 3.0, 0.5, 1.0))
    loss = dg.mse(x * a * b + c, x * 6.0 + 0.5) + 1e-6 + unused * 0.0
    found = dg.health(loss, {"a": a, "b": b, "c": c, "unused": unused}, frames=64)
    assert [row.determined for row in found.rows] == [False, False, True, False]
    assert found.rows[0].curvature > 1  # alone it has an effect, which b can undo


def test_with_many_numbers_no_curvature_is_computed():
    w = Tensor(np.ones(65), requires_grad=True)
    (row,) = dg.health((w * w).sum()).rows
    assert np.isnan(row.curvature)
    assert row.determined is None
    (row,) = dg.health((w * w).sum(), most=65).rows
    assert row.curvature == pytest.approx(2.0, rel=1e-5)


def test_bad_settings_are_named():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ShapeError, match="health: a loss has shape"):
        dg.health(w * w)
    with pytest.raises(ArgumentError, match="health: most=-1 is less than 0"):
        dg.health((w * w).sum(), most=-1)
    assert w.grad is None
