"""Shaping at a higher rate: what folds back, that it is aligned, and what a function may not do."""

import numpy as np
import pytest
import references as ref

from dgenlazy import ArgumentError, Signal, Tensor
from dgenlazy.errors import ShapeError

LENGTH = 4409  # a prime, so that what folds back never meets a harmonic
RATE = 44100.0


def aliasing(shape, exactly, cycles, oversample):
    """Power of all that is no harmonic to that of the harmonics, in dB, of a sine of so many cycles in `LENGTH` frames."""
    x = np.sin(2 * np.pi * cycles * np.arange(LENGTH + 1200) / LENGTH)
    y = Signal.from_samples(x).waveshape(shape, oversample=oversample).realize()[1000 : 1000 + LENGTH]
    power = np.abs(np.fft.rfft(y.astype(np.float64))) ** 2
    harmonics = np.arange(cycles, LENGTH // 2 + 1, cycles)
    wanted = np.abs(np.fft.rfft(exactly(np.sin(2 * np.pi * cycles * np.arange(64 * LENGTH) / (64 * LENGTH))))) ** 2 / 64**2
    low = harmonics[harmonics < 0.44 * LENGTH]
    np.testing.assert_allclose(np.sqrt(power[low[:3]]), np.sqrt(wanted[low[:3]]), rtol=5e-3, atol=1e-3 * LENGTH)
    return 10 * np.log10((power[1:].sum() - power[harmonics].sum()) / power[harmonics].sum())


@pytest.mark.parametrize(
    ("drive", "hertz"),
    [(3, 10000), (3, 15000), (3, 20000), (5, 1000), (5, 3000), (5, 5000), (5, 10000), (5, 15000), (10, 5000), (10, 8000)],
)
def test_at_8_times_the_rate_what_folds_back_is_below_minus_60_db(drive, hertz):
    cycles = round(hertz / RATE * LENGTH)
    assert aliasing(lambda u: (drive * u).tanh(), lambda x: np.tanh(drive * x), cycles, 8) < -60


def test_a_higher_rate_folds_back_less():
    cycles = round(5000 / RATE * LENGTH)
    found = [aliasing(lambda u: (5.0 * u).tanh(), lambda x: np.tanh(5.0 * x), cycles, n) for n in (1, 2, 4)]
    assert found[0] > found[1] + 20 > found[2] + 40


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("frames", [0, 1, 30, 300])
def test_a_whole_run_is_aligned_from_the_first_frame_on(factor, frames):
    x = np.random.default_rng(0).uniform(-1, 1, frames).astype(np.float32)
    y = Signal.from_samples(x).waveshape(lambda u: (2.0 * u).tanh() + 0.5, oversample=factor)
    expected = ref.waveshape(x.astype(np.float64), lambda u: np.tanh(2.0 * u) + 0.5, factor) if frames else x
    np.testing.assert_allclose(y.realize(frames), expected, atol=1e-5)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("block", [7, 64, 200])
def test_a_stream_is_the_whole_run_late_by_its_latency(block, moving):
    x = Signal.from_samples(np.sin(0.3 * np.arange(420)))
    drive = Signal.from_samples(np.linspace(1, 3, 420)) if moving else 2.0
    y = x.waveshape(lambda u: (drive * u).tanh(), oversample=4)
    assert y.latency == 100
    blocks = np.concatenate([y.realize(block, preserve_state=True) for _ in range(420 // block)])
    assert not blocks[:100].any()
    np.testing.assert_allclose(blocks[100:], y.realize()[: len(blocks) - 100], atol=2e-6)


def test_what_else_varies_is_met_at_its_time():
    n = np.arange(600)
    x, gain = np.sin(0.1 * n), 1 + (n >= 300)
    y = Signal.from_samples(x).waveshape(lambda u: u * Signal.from_samples(gain), oversample=2)
    assert y.latency == 100
    away = np.abs(n - 300) > 60
    np.testing.assert_allclose(y.realize()[away][60:400], (x * gain)[away][60:400], atol=3e-3)


def test_lanes_are_shaped_one_by_one():
    x = np.random.default_rng(1).uniform(-1, 1, (80, 2)).astype(np.float32)
    both = Signal.from_samples(x).waveshape(lambda u: u * u * u, oversample=2).realize()
    one = [Signal.from_samples(x[:, i]).waveshape(lambda u: u * u * u, oversample=2).realize() for i in (0, 1)]
    np.testing.assert_allclose(both, np.stack(one, 1), atol=1e-6)
    stereo = Signal.from_samples(x).waveshape(lambda u: u * Tensor([1.0, 2.0]), oversample=2).realize()
    mono = Signal.from_samples(x).waveshape(lambda u: u * 1.0, oversample=2).realize()
    np.testing.assert_allclose(stereo, mono * [1.0, 2.0], atol=1e-6)


@pytest.mark.parametrize("oversample", [1, 4])
def test_gradients_are_those_of_finite_differences(oversample):
    drive = Tensor(1.5, requires_grad=True)
    x = Signal.from_samples(np.sin(0.5 * np.arange(60)))
    target = Signal.from_samples(np.cos(0.2 * np.arange(60)))

    def loss():
        return x.waveshape(lambda u: (drive * u).tanh(), oversample=oversample).mse(target)

    loss().backward()
    values = []
    for value in (1.52, 1.48):
        drive.value = value
        values.append(loss().realize().astype(np.float64).mean())
    np.testing.assert_allclose(drive.grad.value, (values[0] - values[1]) / 0.04, rtol=2e-3)


def test_without_oversampling_it_is_the_function():
    x = Signal.from_samples([-1.0, np.nan, 0.5])
    y = x.waveshape(lambda u: u * 2.0)
    assert y.latency == 0
    np.testing.assert_array_equal(y.realize(), np.float32([-2.0, np.nan, 1.0]))


@pytest.mark.parametrize("oversample", [1, 2])
@pytest.mark.parametrize(
    ("fn", "error", "says"),
    [
        (lambda u: u.onepole(0.5), ArgumentError, "onepole in it has a memory"),
        (lambda u: (u * 2.0).delay(3), ArgumentError, "delay in it has a memory"),
        (lambda u: u + u.history(), ArgumentError, "history in it has a memory"),
        (lambda u: u.lfilter([1.0, 0.5], [1.0]), ArgumentError, "has a memory"),
        (lambda u: u.reshape(1), ShapeError, r"gives shape \(1,\) for \(\)"),
        (lambda u: Tensor(1.0), ArgumentError, "does not depend"),
        (lambda u: "u", ArgumentError, "what fn gives"),
    ],
)
def test_what_a_function_may_not_do_is_an_error_that_names_it(fn, error, says, oversample):
    with pytest.raises(error, match=f"waveshape: .*{says}"):
        Signal.noise().waveshape(fn, oversample=oversample)


@pytest.mark.parametrize("oversample", [0, 3, 16, 2.5, "8", True])
def test_other_rates_are_errors(oversample):
    with pytest.raises(ArgumentError, match=r"waveshape: oversample=.* is not one of 1, 2, 4, 8"):
        Signal.noise().waveshape(lambda u: u.tanh(), oversample=oversample)


def test_what_is_no_function_is_an_error():
    with pytest.raises(ArgumentError, match=r"waveshape: fn=2.0 is no function"):
        Signal.noise().waveshape(2.0)
