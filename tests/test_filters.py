"""Filters against scipy in float64: high orders, and frequencies next to half the sample rate."""

import warnings

import numpy as np
import pytest
import references
import scipy.signal

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.run import stage

RANDOM = np.random.default_rng(7)


def off(y, exact):
    """How far `y` is from `exact`, of its RMS."""
    return np.sqrt(np.mean((np.asarray(y, np.float64) - exact) ** 2) / np.mean(exact**2))


def comb(order, feedback=-0.9):
    return [1.0], [1.0, *[0.0] * (order - 1), feedback]


def all_pole(order, largest, seed):
    """Stable by its reflections, as linear prediction of speech is."""
    a = np.ones(1)
    for k in np.random.default_rng(seed).uniform(-largest, largest, order):
        a = np.append(a, 0) + k * np.append(a, 0)[::-1]
    return [1.0], a


def notches(*freqs):
    b, a = np.ones(1), np.ones(1)
    for freq in freqs:
        top, bottom = scipy.signal.iirnotch(freq, 30)
        b, a = np.convolve(b, top), np.convolve(a, bottom)
    return b, a


FILTERS = {
    **{f"comb {n}": comb(n) for n in (2, 10, 12, 33, 100, 150, 500)},
    "allpass comb": ([0.7, *[0.0] * 99, 1.0], [1.0, *[0.0] * 99, 0.7]),
    **{f"all-pole 64, {k}, {seed}": all_pole(64, k, seed) for k in (0.5, 0.8, 0.9) for seed in range(3)},
    "all-pole 16": all_pole(16, 0.9, 3),
    "eight equal poles": ([1.0], np.poly([0.9] * 8)),
    "five equal poles": ([1.0], np.poly([0.99] * 5)),
    "five notches": notches(0.05, 0.11, 0.2, 0.5, 0.8),
    "allpass": (np.poly([0.9, 0.8, -0.7, 0.99])[::-1], np.poly([0.9, 0.8, -0.7, 0.99])),
    "300 taps": (RANDOM.normal(size=300), [2.0]),
    "more zeros than poles": (RANDOM.normal(size=30), np.poly([0.99, 0.9, 0.5 + 0.5j, 0.5 - 0.5j])),
    "triple integrator": ([1.0], [1.0, -3.0, 3.0, -1.0]),
    "unstable": ([1.0, 0.5], [1.0, -2.2, 1.3, 0.1]),
    "a slow pole": ([1e-4], [1.0, -0.9999]),
    "a slow pair": scipy.signal.butter(2, 0.001),
    **{
        f"{kind} {n}, {c}": design(n, c)
        for kind, design in {
            "butter": scipy.signal.butter,
            "chebyshev": lambda n, c: scipy.signal.cheby1(n, 1, c),
            "elliptic": lambda n, c: scipy.signal.ellip(n, 1, 60, c),
        }.items()
        for n, cutoffs in ((4, (0.01, 0.5, 0.98)), (8, (0.1, 0.5, 0.9)), (12, (0.2, 0.5, 0.8)))
        for c in cutoffs
    },
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_of_numbers_is_scipys_of_any_order(name):
    b, a = FILTERS[name]
    x = np.random.default_rng(0).normal(size=300 if name == "unstable" else 3000).astype(np.float32)
    y = Signal.from_samples(x).lfilter(list(b), list(a)).realize()
    assert off(y, scipy.signal.lfilter(b, a, x.astype(np.float64))) < 1e-4


@pytest.mark.parametrize("name", ["comb 100", "all-pole 64, 0.8, 0", "butter 4, 0.98", "butter 4, 0.01", "300 taps"])
def test_the_gradient_of_a_filter_of_numbers_is_the_filter_backwards_in_time(name):
    b, a = FILTERS[name]
    x, weights = np.random.default_rng(0).normal(size=(2, 3000)).astype(np.float32)
    given = Signal.from_samples(x, requires_grad=True)
    (given.lfilter(b, a) * Signal.from_samples(weights)).backward(reduction="sum")
    assert off(given.grad.realize(3000), scipy.signal.lfilter(b, a, weights[::-1].astype(np.float64))[::-1]) < 1e-4


@pytest.mark.parametrize(("b", "a"), [comb(500), all_pole(64, 0.9, 0), ([1.0] * 300, [1.0])])
def test_a_filter_of_a_high_order_is_a_short_program(b, a):
    """A state of its own for each of 150 orders took 9 s to compile, and a section for each pair 27 s to find."""
    lines = stage([Signal.input(0).lfilter(b, a).node])[0].lines
    assert len(lines) < 5


def test_what_float32_does_not_hold_is_warned_of_on_the_users_line():
    b, a = scipy.signal.butter(12, 0.001)
    with pytest.warns(UserWarning, match="lfilter: in float32 this filter is off by .* its sections to sosfilt") as seen:
        Signal.input(0).lfilter(b, a)
    assert seen[0].filename == __file__


def test_ordinary_filters_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for b, a in FILTERS.values():
            Signal.input(0).lfilter(b, a)


def test_a_lazy_filter_of_a_high_order_has_lanes_and_gradients():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2)).astype(np.float32)
    b, a = random.normal(size=(30, 2)), np.concatenate([[2.0], 0.05 * random.normal(size=24)])
    top, bottom = Tensor(b, requires_grad=True), Tensor(a, requires_grad=True)
    weights = random.normal(size=(60, 2))

    def run(b, a):
        return np.stack([scipy.signal.lfilter(b[:, i], a, x[:, i].astype(np.float64)) for i in range(2)], 1)

    y = Signal.from_samples(x).lfilter(top, bottom)
    assert off(y.realize(), run(b, a)) < 1e-5
    (y * Signal.from_samples(weights)).sum().backward(reduction="sum")
    for leaf, step in ((top, lambda d: run(b + d, a)), (bottom, lambda d: run(b, a + d))):
        slope = np.zeros(leaf.shape)
        for place in np.ndindex(*leaf.shape):
            unit = np.zeros(leaf.shape)
            unit[place] = 1e-6
            slope[place] = ((step(unit) - step(-unit)) * weights).sum() / 2e-6
        assert off(leaf.grad.value, slope) < 1e-4


@pytest.mark.parametrize("name", ["comb 100", "all-pole 64, 0.8, 0", "butter 4, 0.98"])
def test_high_orders_stream_and_have_lanes(name):
    b, a = FILTERS[name]
    x = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    both = Tensor([1.0, 0.0]) * Signal.input(0) + Tensor([0.0, 1.0]) * Signal.input(1)
    y = both.lfilter(b, a)
    blocks = 1, 999, 2000
    ends = np.cumsum(blocks)
    parts = [y.realize(inputs={i: x[end - n : end, i] for i in range(2)}, preserve_state=True) for n, end in zip(blocks, ends)]
    assert off(np.concatenate(parts), scipy.signal.lfilter(b, a, x.astype(np.float64), axis=0)) < 1e-4


@pytest.mark.parametrize("cutoff", [0.9, 0.98, 0.996, 0.999])
@pytest.mark.parametrize("kind", ["low", "high"])
def test_sections_of_numbers_are_exact_next_to_half_the_rate(cutoff, kind):
    sos = scipy.signal.butter(6, cutoff, kind, output="sos")
    x = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    given, weights = Signal.from_samples(x, requires_grad=True), np.random.default_rng(1).normal(size=3000)
    y = given.sosfilt(sos)
    assert off(y.realize(), scipy.signal.sosfilt(sos, x.astype(np.float64))) < 3e-5
    (y * Signal.from_samples(weights)).backward(reduction="sum")
    assert off(given.grad.realize(3000), scipy.signal.sosfilt(sos, weights[::-1])[::-1]) < 3e-5


# The range in which they are exact, as their texts say.


def cookbook(cutoff, q, mode):
    w = 2 * np.pi * cutoff / 44100
    alpha, c, a = np.sin(w) / (2 * q), np.cos(w), 10 ** (6 / 40)
    top, wide, narrow = {
        "lowpass": ([(1 - c) / 2, 1 - c, (1 - c) / 2], alpha, alpha),
        "highpass": ([(1 + c) / 2, -1 - c, (1 + c) / 2], alpha, alpha),
        "peak": ([1 + alpha * a, -2 * c, 1 - alpha * a], alpha / a, alpha / a),
    }[mode]
    return np.array(top), np.array([1 + wide, -2 * c, 1 - narrow])


@pytest.mark.parametrize(("share", "value", "gradient"), [(0.45, 3e-5, 3e-4), (0.49, 2e-4, 4e-3), (0.498, 1e-2, 0.1)])
@pytest.mark.parametrize("q", [0.7071, 10.0])
@pytest.mark.parametrize(
    ("op", "mode"), [("biquad", "lowpass"), ("biquad", "highpass"), ("biquad", "peak"), ("svf", "highpass")]
)
def test_next_to_half_the_rate_they_are_as_exact_as_their_texts_say(op, mode, q, share, value, gradient):
    x, cutoff = np.random.default_rng(0).standard_normal(4000), share * 44100
    gain = {"gain_db": 6.0} if op == "biquad" else {}
    exact = scipy.signal.lfilter(*cookbook(cutoff, q, mode), x.astype(np.float32))
    step = 1e-5 * (22050 - cutoff)
    powers = [np.mean(scipy.signal.lfilter(*cookbook(cutoff + d, q, mode), x.astype(np.float32)) ** 2) for d in (step, -step)]
    p = Signal.param(cutoff)
    y = getattr(Signal.from_samples(x), op)(p, q, mode, **gain)
    assert np.abs(y.realize() - exact).max() < value * np.abs(exact).max()
    dg.mse(y, 0.0).backward()
    np.testing.assert_allclose(p.grad.value, (powers[0] - powers[1]) / (2 * step), rtol=gradient)


@pytest.mark.parametrize(("share", "tol"), [(0.47, 5e-6), (0.49, 1e-5)])
def test_a_svf_that_moves_next_to_half_the_rate_loses_no_more_than_its_angle_does(share, tol):
    random = np.random.default_rng(0)
    x, cutoff = random.uniform(-1, 1, 3000), share * 44100 * random.uniform(0.99, 1.01, 3000)
    x, cutoff = x.astype(np.float32), cutoff.astype(np.float32)
    exact = references.svf(np.float64(x), np.float64(cutoff), np.full(3000, 1.5), "lowpass", 44100)
    y = Signal.from_samples(x).svf(Signal.from_samples(cutoff), 1.5).realize()
    np.testing.assert_allclose(y, exact, atol=tol, rtol=0)
