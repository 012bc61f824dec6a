"""Filters of finite length: any length, any split into blocks, exact gradients, and what is no filter."""

import shutil
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references as ref
import scipy.signal
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import ArgumentError, Signal, SignalTensor, Tensor
from dgenlazy.errors import ShapeError

LONG = sorted({1, 33, 1025, 9000} | ({48000} if THOROUGH else set()))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def decaying(taps, *lanes):
    return noise(taps, *lanes, seed=1) * np.exp(-6.9 * np.arange(taps) / taps).reshape(-1, *(1,) * len(lanes))


def exactly(x, taps):
    return scipy.signal.fftconvolve(x.astype(np.float64), taps.astype(np.float32).astype(np.float64))[: len(x)]


def bound(x, taps):
    """What float32 may be off by."""
    return 1e-6 * np.abs(taps).sum() * max(np.abs(x).max(initial=0), 1e-30)


def streamed(y, blocks):
    y.reset()
    return np.concatenate([y.realize(n, preserve_state=True) for n in blocks])


@pytest.mark.parametrize("taps", LONG)
@pytest.mark.parametrize("frames", [0, 1, 50, 4410])
def test_a_whole_run_is_the_convolution_with_taps_of_any_length(taps, frames):
    x, h = noise(frames), decaying(taps)
    y = Signal.from_samples(x).fir(h).realize()
    assert y.shape == (frames,)
    assert not frames or np.abs(y - exactly(x, h)).max() < bound(x, h)


@pytest.mark.parametrize("taps", LONG)
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_any_split_into_blocks_gives_the_whole_run(taps, block):
    frames = 60 * block if block < 1000 else 3 * block
    x, h = noise(frames), decaying(taps)
    y = streamed(Signal.from_samples(x).fir(h), [block] * (frames // block))
    assert np.abs(y - exactly(x, h)).max() < bound(x, h)


def test_blocks_of_many_lengths_follow_each_other():
    x, h = noise(20000), decaying(9000)
    blocks = [64, 7, 2000, 7, 64, 64, 2000, 2000, 64, 2000, 7, 64]
    y = streamed(Signal.from_samples(x).fir(h), blocks)
    assert np.abs(y - exactly(x, h)[: sum(blocks)]).max() < bound(x, h)


def test_taps_may_be_assigned_during_a_stream():
    x, h = Signal.from_samples(noise(400)), Tensor(decaying(40))
    y = x.fir(h)
    first = y.realize(100, preserve_state=True)
    h.value = 2 * h.value
    second = y.realize(100, preserve_state=True)
    expected = exactly(noise(400), decaying(40))
    np.testing.assert_allclose(np.concatenate([first, second / 2]), expected[:200], atol=1e-5)


def test_an_impulse_gives_the_taps_and_then_nothing():
    h = decaying(1500)
    y = Signal.from_samples(np.eye(1, 3000, dtype=np.float32)[0]).fir(h).realize()
    np.testing.assert_allclose(y, np.pad(h, (0, 1500)), atol=1e-6)


def test_lanes_meet_lanes_of_taps():
    x, h = noise(300, 2, 1), decaying(70, 3)
    y = Signal.from_samples(x).fir(h)
    assert isinstance(y, SignalTensor)
    assert y.shape == (2, 3)
    expected = [[exactly(x[:, i, 0], h[:, j]) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(y.realize(), np.moveaxis(expected, -1, 0), atol=1e-5)
    np.testing.assert_allclose(streamed(y, [100] * 3), y.realize(), atol=1e-5)


@pytest.mark.parametrize("loud", [1e-3, 1e4])
def test_lanes_of_many_taps_are_streamed_as_the_whole_run_however_loud(loud):
    x, h = loud * noise(2300, 2, 1), np.stack([decaying(1500), np.zeros(1500), 1e-3 * decaying(1500)], 1)
    x[:, 1] *= np.arange(2300)[:, None] > 1500
    y = streamed(Signal.from_samples(x).fir(h), [100] * 23)
    for i in range(2):
        for j in range(3):
            assert np.abs(y[:, i, j] - exactly(x[:, i, 0], h[:, j])).max() <= bound(x[:, i, 0], h[:, j])


@pytest.mark.parametrize("taps", [3, 200, 2000])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_heard_from_its_frame_on_as_long_as_the_taps_and_nowhere_else(taps, wrong):
    x, h = noise(4500), np.abs(decaying(taps)) + 0.01
    expected = np.delete(exactly(x, h), np.s_[1000 : 1000 + taps])
    x[1000] = wrong
    for y in (Signal.from_samples(x).fir(h).realize(), streamed(Signal.from_samples(x).fir(h), [100] * 45)):
        np.testing.assert_array_equal(np.flatnonzero(~np.isfinite(y)), np.arange(1000, min(1000 + taps, 4500)))
        np.testing.assert_allclose(np.delete(y, np.s_[1000 : 1000 + taps]), expected, atol=1e-3)


@pytest.mark.parametrize("taps", [5, 60, 1200])
def test_gradients_to_signal_and_taps_are_those_of_the_definition(taps):
    x = Signal.from_samples(noise(80), requires_grad=True)
    h = Tensor(decaying(taps), requires_grad=True)
    w = noise(80, seed=3)
    (x.fir(h) * Signal.from_samples(w)).backward(reduction="sum")
    n, k = np.arange(80)[:, None], np.arange(80)[None]
    line, weights = np.pad(np.float64(h.value), (0, 80))[:80], np.float64(w)
    to_x = (np.where(n >= k, line[(n - k) % 80], 0) * weights[:, None]).sum(0)
    to_h = [sum(weights[i:] * np.float64(x.value)[: 80 - i]) for i in range(min(taps, 80))]
    np.testing.assert_allclose(x.grad.value, to_x, atol=1e-4)
    np.testing.assert_allclose(h.grad.value, np.pad(to_h, (0, max(taps - 80, 0))), atol=1e-4)


def test_second_derivatives_mix_signal_and_taps():
    taps = 40
    x = Signal.from_samples(np.zeros(50))
    h = Tensor(np.zeros(taps), requires_grad=True)
    fn = dg.function(x.fir(h), params={"h": h}, inputs={"x": x})

    def energy(h, x):
        return (fn.whole({"h": h}, {"x": x}) ** 2).sum()

    def by_hand(h, x):
        return (jnp.convolve(x, h, precision="highest")[:50] ** 2).sum()

    h, x = jnp.asarray(decaying(taps), jnp.float32), jnp.asarray(noise(50))
    along = jnp.asarray(noise(taps, seed=4)), jnp.asarray(noise(50, seed=5))
    found, expected = (jax.jit(lambda *at, f=f: jax.jvp(jax.grad(f, (0, 1)), at, along)[1])(h, x) for f in (energy, by_hand))
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_taps_at_a_hop_are_those_of_the_frame_that_comes_out():
    x, h = noise(230), noise(4, 50, seed=5)
    taps = Signal.from_samples(h, hop=64)
    expected = ref.fir(x.astype(np.float64), np.repeat(h, 64, 0)[:230])
    y = Signal.from_samples(x).fir(taps)
    np.testing.assert_allclose(y.realize(230), expected, atol=2e-5)
    for block in (1, 7, 64):
        np.testing.assert_allclose(streamed(y, [block] * (230 // block)), expected[: 230 // block * block], atol=2e-5)


def test_a_signal_at_a_hop_is_filtered_tick_by_tick():
    x = noise(30)
    y = Signal.from_samples(x, hop=8).fir([1.0, 0.5, 0.25])
    assert (y.hop, y.latency) == (8, 0)
    np.testing.assert_allclose(y.realize(), exactly(x, np.array([1.0, 0.5, 0.25])), atol=1e-6)


def test_a_batch_is_its_examples():
    x = noise(3, 400)
    y = Signal.from_samples(x, batched=True).fir(decaying(100)).realize()
    np.testing.assert_allclose(y, [exactly(one, decaying(100)) for one in x], atol=1e-5)


def test_a_filter_without_poles_is_fir_and_fast_with_thousands_of_coefficients():
    x, h = noise(4410), decaying(4000)
    begin = time.perf_counter()
    for a in ([2.0], [2.0, 0.0, 0.0], Tensor([2.0])):
        np.testing.assert_allclose(Signal.from_samples(x).lfilter(h, a).realize(), exactly(x, h) / 2, atol=1e-4)
    assert time.perf_counter() - begin < 60  # it took minutes
    taps = noise(300, 3, seed=2)
    y = Signal.from_samples(x).lfilter(taps, [2.0, 4.0, 8.0] * np.ones((1, 3))).realize()
    np.testing.assert_allclose(y, np.stack([exactly(x, taps[:, i]) / 2 ** (i + 1) for i in range(3)], 1), atol=1e-4)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler")
@pytest.mark.parametrize("taps", [5, 300, 1100])
def test_as_c_it_is_the_sum_itself(taps):
    x, h = noise(1500), decaying(taps)
    y = dg.compile(Signal.input(0).fir(h)).process({0: x})
    assert np.abs(np.ravel(y) - exactly(x, h)).max() < bound(x, h)


@pytest.mark.parametrize("taps", [[], 1.0, np.zeros((0, 2))])
def test_taps_are_a_list_of_at_least_one(taps):
    with pytest.raises(ShapeError, match="fir: taps are a list of at least one"):
        Signal.noise().fir(taps)


def test_lanes_that_do_not_go_together_are_named():
    with pytest.raises(ShapeError, match=r"fir: cannot combine \(3,\) with \(5, 2\)"):
        Signal.noise(shape=(3,)).fir(noise(5, 2))


def test_conv1d_of_a_signal_leads_to_fir():
    with pytest.raises(ShapeError, match=r"conv1d: .*along time, over the frames of a Signal, it is fir\(taps\)"):
        Signal.noise().conv1d([1.0, 0.5])
    with pytest.raises(ShapeError, match=r"larger than the input; along time.*fir\(taps\)"):
        Signal.noise(shape=(2,)).conv1d(np.ones(100))
    with pytest.raises(ArgumentError):
        dg.fir(Signal.noise(), "taps")
