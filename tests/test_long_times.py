"""Minutes and hours: states that go a small part of their way in a frame arrive, as in float64, and so do their gradients."""

import jax
import numpy as np
import pytest
import scipy.signal
from contract import _data
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.graph import Context
from dgenlazy.recurrence.rising import piece_of
from dgenlazy.run import initial_state, run, stage

ON_CPU = jax.default_backend() == "cpu"
MINUTE = 60 * 44100

pytestmark = pytest.mark.skipif(not ON_CPU, reason="loops over millions of frames")


def away(rate, frames):
    """What is left of a way after each frame, if a part of `rate` is gone in one."""
    return np.exp(np.log1p(-np.float64(rate)) * np.arange(1, frames + 1))


def lowpass(cutoff, frames, sample_rate=44100):
    """What a second-order lowpass makes of 1 from the first frame on: 1 and a sum of two modes, one for each pole.

    The poles are given by their distances from 1, which a float64 holds where it does not the poles.
    """
    sin, cos = np.sin(np.pi * cutoff / sample_rate), np.cos(np.pi * cutoff / sample_rate)
    a0 = 1 + sin * cos / 0.7071
    a1, a2, b0 = (4 * sin**2 + 2 * sin * cos / 0.7071) / a0, 4 * sin**2 / a0, sin**2 / a0
    far = np.roots([1, -a1, a2])
    starts = [b0 - 1, b0 * (5 - a1) - 1]  # of y - 1: b0, then b0 + b1 less what a1 feeds back
    modes = np.linalg.solve([[1, 1], 1 - far], starts)
    return 1 + (modes * np.exp(np.log1p(-far) * np.arange(frames)[:, None])).sum(1).real


def step(frames, at, before=0.0, after=1.0):
    return np.where(np.arange(frames) < at, before, after).astype(np.float32)


def run_with(value, frames, parallel=False, samples=()):
    """`(output, final state)` of one plan or the other."""
    program, leaves = stage([value.node])
    arrays = [_data(leaf, dict(enumerate(samples)), frames) for leaf in leaves]
    ctx = Context(44100.0, frames, np.uint32(0), parallel)
    (y,), end = jax.jit(lambda *xs: run(program, ctx, xs, initial_state(program, ctx, xs)))(*arrays)
    return np.asarray(y), end


@pytest.mark.parametrize("cutoff", [1 / 100, 1e-3, 1e-5, 1e-7])
def test_a_one_pole_filter_arrives_however_slow_it_is(cutoff):
    cutoff, frames = float(np.float32(cutoff)), 2**21
    np.testing.assert_allclose(Signal.constant(1.0).onepole(cutoff).realize(frames), 1 - away(cutoff, frames), atol=4e-6)


@pytest.mark.parametrize("seconds", [0.02, 1.0, 60.0])
@pytest.mark.parametrize(("before", "after", "at"), [(0.0, 1.0, 1), (1.0, 0.0, 1), (1.0, -2.0, 300_000)])
def test_a_parameter_glides_as_long_as_it_is_told_to(seconds, before, after, at):
    frames = 4 * MINUTE
    glide = Signal.input(0).smooth(1000 * seconds)
    y = glide.realize(inputs={0: step(frames, at, before, after)})
    left = away(-np.expm1(np.log(0.01) / (seconds * 44100)), frames - at)
    np.testing.assert_allclose(y[:at], before, atol=1e-7)
    np.testing.assert_allclose(y[at:], after + (before - after) * left, atol=1e-5)


def test_an_envelope_of_minutes_rises_in_a_line_and_falls_to_its_sustain_and_to_nothing():
    frames, on = 6 * MINUTE, 4 * MINUTE
    y = Signal.input(0).adsr(30_000, 120_000, 0.3, 20_000).realize(inputs={0: step(frames, on, 1.0, 0.0)})
    rising = 30 * 44100
    fall, release = (-np.expm1(np.log(1e-3) / (s * 44100)) for s in (120, 20))
    np.testing.assert_allclose(y[:rising], np.arange(1, rising + 1) / rising, atol=1e-5)
    np.testing.assert_allclose(y[rising + 1 : on], (0.3 + 0.7 * away(fall, on - rising))[:-1], atol=1e-5)
    np.testing.assert_allclose(y[on:], y[on - 1] * away(release, frames - on), atol=1e-5)
    assert 0 < y[-1] < 1e-3


@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_a_compressor_of_seconds_turns_down_and_lets_go_as_in_float64(seconds):
    frames, loud = 5 * MINUTE, 2 * MINUTE
    x = step(frames, loud, 1.0, 1e-3)
    y = Signal.input(0).compressor(-20.0, 4.0, 1000 * seconds, 1000 * seconds, 0.0).realize(inputs={0: x})
    rate = -np.expm1(-1 / (seconds * 44100))
    down = 15 * (1 - away(rate, loud))
    down = np.concatenate([down, down[-1] * away(rate, frames - loud)])
    np.testing.assert_allclose(20 * np.log10(y / x), -down, atol=1e-4)


@pytest.mark.parametrize("op", [dg.biquad, dg.svf])
@pytest.mark.parametrize("cutoff", [0.05, 1.0, 20.0])
def test_a_filter_of_a_very_low_cutoff_passes_what_is_constant(op, cutoff):
    frames = 2**22
    y = op(Signal.constant(1.0), cutoff).realize(frames)
    np.testing.assert_allclose(y, lowpass(cutoff, frames), atol=1e-5)
    if cutoff >= 1:
        np.testing.assert_allclose(y[-1], 1, atol=1e-6)


def test_lanes_are_each_as_slow_as_they_are():
    rates = np.float32([1e-7, 1e-5, 1e-3, 0.5, 1.0] * 5)
    x = np.float32(np.random.default_rng(0).normal(size=5000) + 1)
    y = (Signal.from_samples(x) * Tensor(np.ones(25))).onepole(Tensor(rates)).realize()
    expected = np.stack([scipy.signal.lfilter([c], [1, c - 1], x.astype(float)) for c in rates.astype(float)], 1)
    np.testing.assert_allclose(y, expected, atol=2e-6)


def test_a_cutoff_of_one_passes_everything_also_after_a_slow_time():
    cutoff, x = step(4096, 1024, 1e-6, 1.0), np.float32(np.random.default_rng(0).normal(size=4096))
    y = Signal.input(0).onepole(Signal.input(1)).realize(inputs={0: x, 1: cutoff})
    np.testing.assert_allclose(y[1024:], x[1024:], atol=1e-6)


STREAMS = {
    "onepole": lambda x: x.onepole(1e-6),
    "smooth": lambda x: x.smooth(60_000),
    "biquad": lambda x: x.biquad(0.05),
    "compressor": lambda x: x.compressor(-20, 4, 10_000, 60_000),
    "adsr": lambda x: x.adsr(30_000, 20_000, 0.5, 20_000),
    "feedback": lambda x: dg.feedback(lambda y: x + 0.5 * y.onepole(1e-6)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_slow_stream_in_blocks_is_one_run(name):
    graph, blocks = STREAMS[name], [511, 511, 100_000, 511, 2**17]
    x = np.float32(1 + 0.1 * np.random.default_rng(0).normal(size=sum(blocks)))
    value = graph(Signal.input(0))
    whole = value.realize(inputs={0: x})
    parts = np.split(x, np.cumsum(blocks)[:-1])
    y = np.concatenate([value.realize(inputs={0: p}, preserve_state=True) for p in parts])
    np.testing.assert_allclose(y, whole, atol=3e-7 * np.abs(whole).max())


def test_a_stream_goes_on_from_what_was_saved_with_all_its_digits():
    glide = Signal.constant(1.0).onepole(1e-7)
    whole = glide.realize(2**18)
    for _ in range(256):
        saved = glide.save_state()
        glide.reset()
        glide.load_state(saved)
        last = glide.realize(2**10, preserve_state=True)
    np.testing.assert_allclose(last, whole[-(2**10) :], rtol=1e-6)


SLOW = {
    "onepole": (lambda p: Signal.input(0).onepole(p), 1e-5),
    "onepole, slower": (lambda p: Signal.input(0).onepole(p), 1e-7),
    "smooth": (lambda p: Signal.input(0).smooth(p), 6e4),
    "biquad": (lambda p: Signal.input(0).biquad(p), 0.05),
    "svf": (lambda p: Signal.input(0).svf(p), 0.05),
    "compressor": (lambda p: Signal.input(0).compressor(-20.0, 4.0, p, p), 6e4),
    "adsr": (lambda p: Signal.input(0).adsr(1.0, p, 0.3, p), 1.2e5),
}


def in_float64(name, x, p):
    frames = len(x)
    if name.startswith("onepole"):
        return scipy.signal.lfilter([p], [1, p - 1], x)
    if name == "smooth":
        c = -np.expm1(np.log(0.01) * 1000 / (p * 44100))
        return x[0] + scipy.signal.lfilter([c], [1, c - 1], x - x[0])
    if name in ("biquad", "svf"):
        return lowpass(p, frames)
    if name == "compressor":
        c = -np.expm1(-1000 / (p * 44100))
        return x * 10 ** (-scipy.signal.lfilter([c], [1, c - 1], np.full(frames, 15.0)) / 20)
    c = -np.expm1(np.log(1e-3) * 1000 / (p * 44100))
    rising = int(np.ceil(44.1))
    line = np.minimum(np.arange(1, rising + 1) / 44.1, 1.0)
    return np.concatenate([line, 0.3 + 0.7 * away(c, frames - rising)])


@pytest.mark.parametrize("name", SLOW)
def test_the_gradient_of_a_slow_op_is_that_of_float64(name):
    graph, value = SLOW[name]
    value, frames = float(np.float32(value)), 2**21
    x = step(frames, 1000)
    x = x if name == "smooth" else np.ones_like(x)
    p = Signal(value, requires_grad=True)
    graph(p).backward(inputs={0: x})
    width = 1e-4 * value
    above, below = (in_float64(name, x.astype(float), value + w).mean() for w in (width, -width))
    np.testing.assert_allclose(p.grad.value, (above - below) / (2 * width), rtol=1e-3)


def test_the_gradient_to_the_input_of_a_slow_filter_is_its_response():
    frames, cutoff = 2**20, float(np.float32(1e-6))
    x = Signal.from_samples(np.zeros(frames), requires_grad=True)
    x.onepole(cutoff).backward(reduction="sum")
    np.testing.assert_allclose(np.asarray(x.grad.value), 1 - away(cutoff, frames)[::-1], rtol=1e-4)


@pytest.mark.parametrize("frames", [2**16, *[2**25] * THOROUGH])
@pytest.mark.parametrize("name", ["onepole, slower", "biquad", "compressor"])
def test_the_parallel_plan_of_a_slow_op_is_that_of_its_loop(name, frames):
    graph, value = SLOW[name]
    x = [np.ones(frames, np.float32)]
    one, _ = run_with(graph(Signal.param(value)), frames, False, x)
    other, _ = run_with(graph(Signal.param(value)), frames, True, x)
    scale = np.abs(np.asarray(one) - (1.0 if name == "compressor" else 0.0)).max()
    np.testing.assert_allclose(other, one, atol=max(1e-6 * scale, 1e-7 if name == "compressor" else 0.0))
    if name != "compressor":
        expected = in_float64(name, np.ones(frames), float(np.float32(value)))
        np.testing.assert_allclose(other, expected, atol=2e-6 * np.abs(expected).max())


def test_a_parallel_plan_keeps_the_digits_of_what_dies_away():
    x = np.zeros(2**14, np.float32)
    x[0] = 1.0
    y, _ = run_with(Signal.input(0).onepole(0.005), len(x), True, [x])
    expected = 0.005 * np.exp(np.log1p(-np.float64(np.float32(0.005))) * np.arange(len(x)))
    kept = expected > 1e-25
    np.testing.assert_allclose(y[kept], expected[kept], rtol=1e-4)


def test_the_loop_of_a_feedback_keeps_what_its_filters_would_lose():
    c = float(np.float32(1e-6))
    y = dg.feedback(lambda y: (1.0 + 0.0 * y).onepole(c)).realize(2**20)
    np.testing.assert_allclose(y, 1 - away(c, 2**20), atol=1e-6)


def test_a_rate_of_its_own_makes_no_difference():
    with DGen.override(sample_rate=8.0):
        y = Signal.constant(1.0).biquad(1e-5).realize(2**20)
    np.testing.assert_allclose(y, lowpass(1e-5, 2**20, 8.0), atol=1e-5)


def test_a_run_is_cut_into_equal_pieces_where_they_can_be_found():
    assert [piece_of(n) for n in (44_100, 48_000, 96_000, 16_000, 1024, 600)] == [588, 500, 500, 500, 512, 600]
    for frames in range(3000):
        size = piece_of(frames)
        assert 384 <= size <= 640
        assert size % 4 == 0
        assert frames % size == 0 or size == 512
