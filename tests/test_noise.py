"""Noise through a filter that moves, and magenta/ddsp's conventions to the digit."""

import numpy as np
import pytest
import references as ref
import scipy.signal
import scipy.special

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, Tensor
from dgenlazy.dsp import noises

MAGNITUDES = np.array([1, 0.5, 0.25, 0.1, 0])
IMPULSE = np.eye(16)[6]


def still(magnitudes, ticks=2, hop=8):
    return Signal.from_samples(np.tile(magnitudes, (ticks, 1)), hop=hop)


@pytest.mark.parametrize(
    ("size", "taps", "at"),
    [
        (None, [0, 0.0079505, 0.03125, 0.1670495, 0.3375, 0.1670495, 0.03125, 0.0079505], 4),
        (5, [0.1957107, 0.16875, 0, 0, 0], 5),
        (4, [0.3375, 0.0978553, 0], 6),
    ],
)
def test_responses_are_those_of_ddsp(size, taps, at):
    heard = still(MAGNITUDES).filtered_noise(Signal.from_samples(IMPULSE), size, "ddsp").realize()
    np.testing.assert_allclose(heard[at : at + len(taps)], taps, atol=1e-7)
    assert np.abs(np.delete(heard, range(at, at + len(taps)))).max() < 1e-7


def test_two_filters_are_those_of_ddsp():
    two = Signal.from_samples(np.stack([MAGNITUDES, MAGNITUDES[::-1]]), hop=4)
    heard = two.filtered_noise(Signal.from_samples(np.arange(1.0, 9.0)), convention="ddsp").realize()
    want = [0.047151, 0.253401, 0.797151, 1.4284456, 2.1545942, 1.2181981, 1.6181981, 0.4192573]
    np.testing.assert_allclose(heard, want, atol=1e-6)


@pytest.mark.parametrize("size", [None, 1, 2, 5, 8, 100])
def test_what_is_flat_changes_nothing_and_nothing_is_late(size):
    x = np.random.default_rng(0).uniform(-1, 1, 16)
    heard = still(np.ones(5)).filtered_noise(Signal.from_samples(x), size).realize()
    np.testing.assert_allclose(heard, x, atol=1e-6)


@pytest.mark.parametrize("size", [None, 9, 4])
def test_a_response_is_even_about_its_time(size):
    heard = still(MAGNITUDES, 4).filtered_noise(Signal.from_samples(np.eye(32)[15]), size).realize()
    np.testing.assert_allclose(heard[15 - 8 : 15], heard[23:15:-1], atol=1e-7)


def test_silence_and_no_frames():
    silent = Signal.from_samples(np.zeros((2, 5)), hop=8)
    np.testing.assert_array_equal(silent.filtered_noise().realize(), np.zeros(16))
    assert silent.filtered_noise().realize(0).shape == (0,)
    assert silent.filtered_noise().realize(1).shape == (1,)


def test_lanes_have_noises_of_their_own():
    lanes = Signal.from_samples(np.ones((4, 2, 5)), hop=8).filtered_noise()
    assert lanes.shape == (2,)
    left, right = lanes.realize().T
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.6
    DGen.seed = 3
    first, second = (still(np.ones(5)).filtered_noise().realize() for _ in range(2))
    DGen.seed = 3
    np.testing.assert_array_equal(still(np.ones(5)).filtered_noise().realize(), first)
    assert np.abs(first - second).max() > 0.1


def test_a_stream_is_the_whole_run_late_by_its_latency():
    magnitudes = np.random.default_rng(1).uniform(0, 1, (8, 5))
    y = Signal.from_samples(magnitudes, hop=4).filtered_noise(Signal.noise(seed=1))
    assert y.latency == 3 + 3
    whole = y.realize()
    late = np.concatenate([y.realize(n, preserve_state=True) for n in (1, 6, 9, 7, 9, 6)])
    np.testing.assert_allclose(late[6:][:32], whole, atol=1e-6)
    np.testing.assert_array_equal(late[:6], 0)


def test_levels_are_learned():
    levels, x = Tensor(np.full(5, 0.1), requires_grad=True), Signal.noise(seed=2)
    target = still(MAGNITUDES, 32).filtered_noise(x)
    optimizer = dg.Adam([levels], lr=0.05)
    ticks = Signal.from_samples(np.ones((32, 1)), hop=8)
    for _ in range(150):
        dg.mse((ticks * levels).filtered_noise(x), target).backward()
        optimizer.step()
        optimizer.zero_grad()
    np.testing.assert_allclose(ref.response_of(levels.value)[0], ref.response_of(MAGNITUDES)[0], atol=5e-3)


def test_magnitudes_that_do_not_vary_are_one_filter():
    x = np.random.default_rng(3).uniform(-1, 1, 20)
    heard = Tensor(MAGNITUDES).filtered_noise(Signal.from_samples(x)).realize()
    taps, first = ref.response_of(MAGNITUDES)
    np.testing.assert_allclose(heard, np.convolve(x, taps)[first:][:20], atol=1e-6)


@pytest.mark.parametrize("size", [None, 1])
def test_magnitudes_may_come_in_every_frame(size):
    x = np.random.default_rng(4).uniform(-1, 1, 12)
    each = np.random.default_rng(5).uniform(0, 1, (12, 5))
    got = Signal.from_samples(each).filtered_noise(Signal.from_samples(x), size=size).realize()
    np.testing.assert_allclose(got, ref.filtered_noise(1)(each, x, size=size, convention="exact"), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m[:1].filtered_noise(), ShapeError, r"filtered_noise: magnitudes have shape \(1,\)"),
        (lambda m: m[0].filtered_noise(), ShapeError, r"filtered_noise: magnitudes have shape \(\)"),
        (lambda m: m.filtered_noise(convention="other"), ArgumentError, "convention='other' is not one of exact, ddsp"),
        (lambda m: m.filtered_noise(size=0), ArgumentError, "filtered_noise: size=0"),
        (lambda m: m.filtered_noise(size=2, convention="ddsp"), ArgumentError, "size=2 is less than 3"),
        (lambda m: m.filtered_noise(noise=m.sum()), ArgumentError, "filtered_noise: it takes a value every frame"),
    ],
)
def test_wrong_uses_are_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(still(MAGNITUDES))


# Kinds of noise.

SLOPES = {"white": 0.0, "pink": -3.0103, "brown": -6.0206, "normal": 0.0}
LONG = 2**17


def spectrum(x, size=4096):
    windows = x.astype(np.float64).reshape(-1, size) * np.hanning(size)
    power = (np.abs(np.fft.rfft(windows, axis=1)) ** 2).mean(0)
    return np.arange(len(power)) / size, 10 * np.log10(power)


@pytest.mark.parametrize("kind", SLOPES)
def test_each_kind_falls_as_its_name_says_and_has_the_power_that_its_text_says(kind):
    x = Signal.noise(seed=3, kind=kind).realize(LONG)
    share, level = spectrum(x)
    heard = (share > 2e-3) & (share < 0.45)
    slope = np.polyfit(np.log2(share[heard]), level[heard], 1)[0]
    assert abs(slope - SLOPES[kind]) < 0.25
    near = 0.25 if kind == "brown" else 0.03  # in three seconds there are few waves of 9 Hz
    assert x.std() == pytest.approx(1.0 if kind == "normal" else 3**-0.5, rel=near)


def test_the_response_of_pink_noise_is_half_an_octave_s_fall_to_a_twentieth_of_a_db():
    heard = np.zeros(2**16)
    heard[0] = 1.0
    sections = noises._sections()
    response = scipy.signal.sosfilt(sections, heard) * noises._same_power()
    share = np.geomspace(2e-4, 0.499, 200)
    level = 20 * np.log10(np.abs(scipy.signal.sosfreqz(sections, 2 * np.pi * share)[1]) * np.sqrt(share))
    assert np.abs(level - level.mean()).max() < 0.05
    assert (response**2).sum() == pytest.approx(1.0, rel=1e-5)


def test_normal_noise_is_the_white_one_through_the_inverse_of_its_distribution():
    white = Signal.noise(seed=3).realize(20_000).astype(np.float64)
    got = Signal.noise(seed=3, kind="normal").realize(20_000)
    np.testing.assert_allclose(got, np.sqrt(2) * scipy.special.erfinv(white), atol=2e-6, rtol=1e-6)
    edges = np.asarray(noises.normal(Tensor([-1.0, 0.0, 1.0 - 2.0**-24])))
    np.testing.assert_allclose(edges, np.sqrt(2) * scipy.special.erfinv([2.0**-24 - 1, 0.0, 1 - 2.0**-24]), rtol=1e-5)


@pytest.mark.parametrize("kind", ["pink", "brown", "normal"])
def test_kinds_stream_have_lanes_and_seeds_of_their_own(kind):
    make = lambda **options: Signal.noise(seed=5, shape=2, kind=kind, **options)  # noqa: E731
    whole, streamed = make().realize(150), make()
    parts = np.concatenate([streamed.realize(n, preserve_state=True) for n in (1, 64, 7, 78)])
    np.testing.assert_allclose(parts, whole, atol=2e-6)
    assert np.abs(np.corrcoef(np.diff(make().realize(4000), axis=0).T)[0, 1]) < 0.1
    first, second = (Signal.noise(kind=kind).realize(10) for _ in range(2))
    assert not np.array_equal(first, second)


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ArgumentError, match=r"Signal\.noise: kind='violet' is not one of white, pink, brown, normal"):
        Signal.noise(kind="violet")
