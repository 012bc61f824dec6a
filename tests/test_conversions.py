"""Units: goldens, edges, and that each inverse takes back what its function did."""

import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import Signal, Tensor


def test_exp_sigmoid_is_that_of_ddsp():
    y = dg.exp_sigmoid(Tensor([-5.0, -1.0, 0.0, 1.0, 5.0])).realize()
    np.testing.assert_allclose(y, [1.98e-5, 0.0972229, 0.4053992, 0.9722285, 1.9693126], rtol=1e-6, atol=1e-8)


THERE_AND_BACK = {
    "midi": (dg.midi_to_hz, dg.hz_to_midi, np.linspace(0, 127, 50)),
    "hz": (dg.hz_to_midi, dg.midi_to_hz, np.geomspace(8, 20000, 50)),
    "gain": (dg.gain_to_db, dg.db_to_gain, np.geomspace(1e-6, 100, 50)),
    "decibels": (dg.db_to_gain, dg.gain_to_db, np.linspace(-120, 40, 50)),
    "sigmoid": (dg.exp_sigmoid, dg.inverse_exp_sigmoid, np.linspace(-4, 5, 50)),
}


@pytest.mark.parametrize("name", THERE_AND_BACK)
def test_an_inverse_takes_back_what_was_done(name):
    there, back, x = THERE_AND_BACK[name]
    np.testing.assert_allclose(back(there(Tensor(x))).realize(), x, rtol=2e-4, atol=2e-4)
    method = getattr(getattr(Signal.from_samples(x), there.__name__)(), back.__name__)()
    np.testing.assert_allclose(method.realize(), x, rtol=2e-4, atol=2e-4)


FUNCTIONS = [dg.hz_to_midi, dg.gain_to_db, dg.exp_sigmoid, dg.midi_to_hz, dg.db_to_gain]


@pytest.mark.parametrize("fn", FUNCTIONS, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("at", [0.0, -0.0, 1e-30, 100.0])
def test_gradients_are_finite_at_silence_and_far_out(fn, at):
    x = Tensor(at, requires_grad=True)
    fn(x).backward()
    assert np.isfinite(x.grad.value)


def test_a_network_far_below_its_threshold_still_learns():
    x = Tensor([-30.0, 15.0], requires_grad=True)
    dg.exp_sigmoid(x).sum().backward()
    assert 0 < x.grad.value[0] < 1e-20
    assert 0 < x.grad.value[1] < 1e-5
