"""Long filters of finite length as C: one by one and by transforms, without latency, in blocks of any length."""

import itertools
import re

import numpy as np
import pytest
import scipy.signal
from test_native import built, cache as cache, pytestmark as pytestmark

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.ship import native

random = np.random.default_rng(1)


def noise(*shape):
    return random.standard_normal(shape).astype(np.float32)


def played(player, samples, blocks):
    out, lengths = [], itertools.cycle(blocks)
    while len(samples):
        length = next(lengths)
        out.append(player.process(samples[:length]))
        samples = samples[length:]
    return np.concatenate(out)


def exact(samples, taps):
    return scipy.signal.fftconvolve(np.float64(samples), np.float64(taps))[: len(samples)]


@pytest.mark.parametrize("count", [9, 512, 513, 4001])
def test_any_number_of_taps_is_the_convolution_in_blocks_of_any_length(count, cache):
    taps, samples = noise(count), noise(3 * count + 100)
    player = dg.compile(Signal.input(0).fir(taps))
    found = played(player, samples, [64, 1, 7, 1000, 0, 333])
    assert np.abs(found - exact(samples, taps)).max() < 1e-6 * np.abs(taps).sum()
    player.reset()
    np.testing.assert_array_equal(played(player, samples, [128]), found)


@pytest.mark.parametrize("count", [20, 700])
@pytest.mark.parametrize(("given", "of_taps"), [((), (2,)), ((2,), ()), ((3, 1), (2,))])
def test_lanes_of_signal_and_taps_meet(given, of_taps, count, cache):
    taps, samples = Tensor(noise(count, *of_taps)), noise(1500, *given)
    found = played(dg.compile(Signal.input(0, shape=given).fir(taps)), samples, [64, 1, 7, 100])
    np.testing.assert_allclose(found, Signal.from_samples(samples).fir(taps).realize(), atol=1e-6 * count)


def test_taps_that_are_a_parameter_are_heard_once_they_are_moved(cache):
    taps, samples, other = Tensor.param(noise(700)), noise(3000), noise(700)
    player = dg.compile({"y": Signal.input(0).fir(taps)}, params={"taps": taps})
    player.params["taps"] = other
    assert np.abs(player.process(samples)["y"] - exact(samples, other)).max() < 1e-6 * np.abs(other).sum()


@pytest.mark.parametrize("count", [20, 700])
def test_what_is_not_finite_is_heard_as_long_as_the_taps_and_no_longer(count, cache):
    taps, samples = noise(count), noise(4000)
    samples[777], samples[1000] = np.nan, np.inf
    found = played(dg.compile(Signal.input(0).fir(taps)), samples, [64])
    wrong = np.zeros(4000, bool)
    wrong[777 : 777 + count] = wrong[1000 : 1000 + count] = True
    np.testing.assert_array_equal(~np.isfinite(found), wrong)
    clean = exact(np.where(np.isfinite(samples), samples, 0), taps)
    assert np.abs(found - clean)[~wrong].max() < 1e-6 * np.abs(taps).sum()


def test_a_player_that_flushes_does_not_wait_for_the_taps(cache):
    samples = noise(256)
    samples[10] = np.nan
    player = dg.compile(Signal.input(0).fir(noise(5000)))
    with dg.DGen.override(flush_nan=True):
        player.process(samples)
        assert np.isfinite(player.process(noise(256))).all()
    assert player.restarts == 1


def test_what_comes_before_time_0_is_not_heard(cache):
    taps = noise(700)
    late = Signal.input(0).stft(64, 16).istft()
    y = (late * 0.0 + 1.0).fir(taps)
    found = played(dg.compile(y), noise(3000), [50])
    np.testing.assert_allclose(found[y.latency :], np.cumsum(np.pad(taps, (0, 3000)))[: 3000 - y.latency], atol=1e-4)
    assert not found[: y.latency].any()


def test_taps_may_follow_the_rate_and_there_may_be_no_lanes(cache):
    shape, samples = noise(700), noise(1500)
    y = Signal.input(0).fir(Tensor(shape) * (dg.sample_rate / 1000.0))
    player = dg.compile(y, sample_rates=[1000.0, 2000.0])
    for rate in (1000.0, 2000.0):
        player.sample_rate = rate
        want = exact(samples, shape * (rate / 1000.0))
        assert np.abs(player.process(samples) - want).max() < 4e-6 * np.abs(shape).sum()
    none = dg.compile([Signal.input(0), Signal.input(1, shape=(0,)).fir(shape)])
    assert none.process({0: samples, 1: np.zeros((1500, 0))})[1].shape == (1500, 0)


def test_the_transforms_of_long_taps_are_tables_and_no_compiler_says_a_word(tmp_path):
    text = native.source(Signal.input(0).fir(noise(4001)), None, "room").file.text
    assert len(re.findall(r"dg_rfft\(", text)) == 2  # the function, and where a block of the signal is transformed
    texts = [text, *[native.source(Signal.input(0).fir(np.ones(n)), None, f"same{n}").file.text for n in (20, 700)]]
    built(tmp_path, texts)
    built(tmp_path, texts, compiler="g++", std="-std=c++11")


def test_a_state_with_a_place_that_is_outside_is_refused(cache):
    player = dg.compile(Signal.input(0).fir(noise(700)))
    player.process(noise(100))
    kept = player.state
    places = [i for i, row in enumerate(player.manifest["state"]) if row["dtype"] == "int32" and kept[i] > 0]
    assert len(places) == 2  # in the line, and among the blocks
    for i in places:
        for wild in (-1, 64):
            with pytest.raises(dg.ArgumentError, match=f"is {wild}, which is not within 0 and"):
                player.state = (*kept[:i], np.int32(wild), *kept[i + 1 :])
