"""Rooms by their impulse response: recorded ones and decaying noise."""

import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, Signal, Tensor
from dgenlazy.errors import ShapeError

RATE = 8000.0


@pytest.fixture(autouse=True)
def _rate():
    with DGen.override(sample_rate=RATE):
        yield


def impulse(frames):
    return Signal.from_samples(np.eye(1, frames)[0])


def test_a_recording_keeps_the_length_of_the_signal_and_has_a_lane_for_each_channel():
    x, ir = (np.random.default_rng(0).uniform(-1, 1, shape) for shape in ((500,), (90, 2)))
    y = Signal.from_samples(x).convolve(ir)
    assert y.shape == (2,)
    expected = np.stack([np.convolve(x, ir[:, i])[:500] for i in (0, 1)], 1)
    np.testing.assert_allclose(y.realize(), expected, atol=1e-5)
    ir = Tensor(ir, requires_grad=True)
    Signal.from_samples(x).convolve(ir).sum().backward(reduction="sum")
    np.testing.assert_allclose(ir.grad.value[:, 0], np.cumsum(x)[::-1][:90], atol=1e-4)


@pytest.mark.parametrize("ir", [1.0, [], np.zeros((0, 2))])
def test_a_response_has_frames(ir):
    with pytest.raises(ShapeError, match=r"convolve: ir takes \(frames,\) or \(frames, \*lanes\)"):
        Signal.noise().convolve(ir)


def test_a_response_does_not_vary():
    with pytest.raises(ArgumentError, match="convolve: ir varies from frame to frame; give a recording as an array"):
        Signal.noise().convolve(Signal.from_samples([1.0, 0.5]))


def test_the_response_falls_by_60_db_in_its_decay_and_has_the_energy_of_its_source():
    ir = np.stack([impulse(9000).reverb(1.0, mix=1.0, seed=n).realize() for n in range(4)]).astype(np.float64)
    left = 10 * np.log10(np.cumsum((ir**2).mean(0)[::-1])[::-1])  # Schroeder's integral
    assert np.abs(left[0]) < 0.4
    seconds = (np.argmax(left < -35) - np.argmax(left < -5)) / RATE
    assert abs(seconds - 0.5) < 0.03


def test_it_is_the_convolution_with_its_response_mixed_with_the_signal():
    x = np.random.default_rng(1).uniform(-1, 1, 2000).astype(np.float32)
    ir = impulse(2000).reverb(0.2, mix=1.0, seed=5).realize().astype(np.float64)
    wet = np.pad(scipy.signal.fftconvolve(x, ir)[:2000], (80, 0))[:2000]
    y = Signal.from_samples(x).reverb(0.2, mix=0.25, predelay_ms=10.0, seed=5)
    np.testing.assert_allclose(y.realize(), 0.75 * x + 0.25 * wet, atol=2e-5)
    blocks = np.concatenate([y.realize(250, preserve_state=True) for _ in range(8)])
    np.testing.assert_allclose(blocks, y.realize(), atol=2e-6)


def test_seeds_and_lanes_have_noises_of_their_own():
    a, b, c = (impulse(100).reverb(0.1, mix=1.0, seed=seed).realize() for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    unseeded = [impulse(100).reverb(0.1, mix=1.0).realize() for _ in range(2)]
    stereo = dg.stack([impulse(100), impulse(100)]).reverb(0.1, mix=1.0, seed=1).realize()
    for one, other in ((a, c), unseeded, stereo.T):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.5
    assert impulse(100).reverb(Tensor([0.1, 0.2]), seed=1).shape == (2,)


def test_gradients_to_decay_mix_and_predelay_are_those_of_finite_differences():
    x = Signal.from_samples(np.random.default_rng(2).uniform(-1, 1, 600))
    leaves = {name: Tensor(value, requires_grad=True) for name, value in (("decay", 0.1), ("mix", 0.4), ("predelay_ms", 3.3))}

    def loss():
        return (x.reverb(**leaves, seed=3) ** 2 + x.reverb(**leaves, seed=3)).realize(600).astype(np.float64).mean()

    (x.reverb(**leaves, seed=3) ** 2 + x.reverb(**leaves, seed=3)).backward(600)
    for leaf in leaves.values():
        value, step = float(leaf.value), 1e-2 * float(leaf.value)
        found = []
        for moved in (value + step, value - step):
            leaf.value = moved
            found.append(loss())
        leaf.value = value
        np.testing.assert_allclose(leaf.grad.value, (found[0] - found[1]) / (2 * step), rtol=0.02)


def test_a_decay_that_is_learned_may_grow_to_its_bound():
    decay = Signal.param(0.1, min=0.01, max=0.5)
    y = impulse(4000).reverb(decay, mix=1.0, seed=1)
    decay.value = 0.5
    np.testing.assert_allclose(y.realize(1000), impulse(1000).reverb(0.5, mix=1.0, seed=1).realize()[:1000], atol=2e-5)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.inf, np.nan])
def test_a_decay_is_a_time(wrong):
    with pytest.raises(ArgumentError, match=r"reverb: decay=.* is not a finite time above 0"):
        impulse(10).reverb(wrong)


def test_times_that_vary_or_are_computed_are_errors():
    with pytest.raises(ArgumentError, match="reverb: decay varies from frame to frame"):
        impulse(10).reverb(Signal.from_samples(np.ones(10)))
    with pytest.raises(ArgumentError, match="reverb: decay is computed; give max_decay, the longest"):
        impulse(10).reverb(Tensor(0.0).exp())
    with pytest.raises(ArgumentError, match="reverb: predelay_ms is computed; give a number"):
        impulse(10).reverb(0.1, predelay_ms=Tensor(0.0).exp())
    assert impulse(10).reverb(Tensor(-2.0).exp(), max_decay=0.5, seed=1).realize().shape == (10,)
