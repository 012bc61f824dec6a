"""Oscillators at the edges: nothing, silence, half the sample rate, hours, and what they cost in accuracy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sounds

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.graph import Context, Number
from dgenlazy.run import initial_state, run, stage

RATE = 44100.0


@pytest.fixture(autouse=True)
def rate():
    with DGen.override(sample_rate=RATE):
        yield


def sources():
    """One of each, at the frequency of a value."""
    return {
        "bank": lambda f: dg.oscillator_bank(f * Tensor([1.0, 2.0]), [0.5, 0.25]),
        "harmonic": lambda f: dg.harmonic(f, [0.5, 0.25, 0.1]),
        "shifted": lambda f: dg.harmonic(f, [0.5, 0.25], shifts=[0.0, 0.01]),
        "fm": lambda f: dg.fm(f, 1.5, 2.0),
        "saw": dg.saw,
        "square": dg.square,
        "pulse": lambda f: dg.pulse(f, 0.5),
        "wavetable": lambda f: dg.wavetable([0.0, 1.0, 0.0, -1.0], f),
    }


def test_sources_begin_at_phase_0_and_are_one_stream_up_to_what_is_no_number():
    freq = np.linspace(200, 900, 100)
    freq[60] = np.nan
    values = [build(Signal.from_samples(freq)) for build in sources().values()]
    whole = np.stack(dg.realize(*values, frames=100))
    np.testing.assert_allclose(whole[:, 0], 0, atol=1e-6)
    assert np.isfinite(whole[:, :60]).all()
    assert np.isnan(whole[:, 61:]).all()
    blocks = [np.stack(dg.realize(*values, frames=50, preserve_state=True)) for _ in range(2)]
    np.testing.assert_allclose(np.concatenate(blocks, 1), whole, atol=1e-6)
    assert all(x.shape == (0,) for x in dg.realize(*values, frames=0))


def test_a_bank_is_silent_at_half_the_rate_exactly_and_heard_below():
    freqs = np.float32([22049.998, 22050, 30000, -22050, -22049.998, np.inf])
    y = dg.oscillator_bank(Tensor(freqs), np.ones(6), sum=False).realize(1000)
    assert (y[:, [1, 2, 3, 5]] == 0).all()
    assert (abs(y[:, [0, 4]]).max(0) > 0).all()


@pytest.mark.parametrize("f0", [7350.0, 44100 / 14, 22050 / 9.0, 220.5, 22050.0, -22050 / 7])
def test_a_harmonic_is_silent_where_its_multiple_is_not_below_half_the_rate(f0):
    f0 = np.float32(f0)
    k = np.arange(1, 121)
    gradient = Tensor(np.ones(120), requires_grad=True)
    (dg.harmonic(Tensor(f0), gradient) ** 2).backward(200)
    heard = abs(np.float64(f0)) * k < 22050  # the product is exact
    np.testing.assert_array_equal(gradient.grad.value != 0, heard)


@pytest.mark.parametrize("f0", [20.1, 110.3, 441.7])
def test_harmonics_of_a_moving_pitch_are_within_1e_6_of_the_peak_of_float64(f0):
    count = int(22050 / f0 / 1.1)
    pitch = np.float32(f0 * (1 + 0.05 * np.sin(np.arange(4000) / 300)))
    amps = np.random.default_rng(0).uniform(0, 1, count).astype(np.float32)
    want = sounds.harmonic(pitch, amps[None], rate=RATE)
    y = dg.harmonic(Signal.from_samples(pitch), amps).realize()
    assert abs(y - want).max() < 1e-6 * abs(want).max()


def test_phases_do_not_drift_in_ten_minutes():
    frames, freq = 600 * 44100, np.float32(441.3)
    for y, times in ((dg.harmonic(Tensor(freq), [0, 0, 0, 0, 1]), 5), (dg.oscillator_bank(Tensor([freq]), [1.0]), 1)):
        turns = np.arange(frames - 4, frames) * (np.float64(freq) * times) / RATE % 1
        assert abs(y.realize(frames)[-4:] - np.sin(2 * np.pi * turns)).max() < 2 * np.pi * 1e-6


def test_the_gradient_of_a_bank_at_rest_is_that_of_float64_after_many_frames():
    frames, freqs, amps = 20000, np.float32([55.1, 440.3, 9999.7]), np.float32([1.0, 0.5, 0.2])
    weights = np.random.default_rng(0).uniform(-1, 1, frames).astype(np.float32)
    learned = Tensor(freqs, requires_grad=True), Tensor(amps, requires_grad=True)
    (dg.oscillator_bank(*learned) * Signal.from_samples(weights)).backward(reduction="sum")
    n, f = np.arange(frames)[:, None], freqs.astype(np.float64)
    phase = 2 * np.pi * (n * f / RATE % 1)
    wanted = (
        (weights[:, None] * amps * np.cos(phase) * (2 * np.pi / RATE) * n).sum(0),
        (weights[:, None] * np.sin(phase)).sum(0),
    )
    for leaf, exact in zip(learned, wanted):
        np.testing.assert_allclose(leaf.grad.value, exact, rtol=1e-4, atol=1e-5 * abs(exact).max())


@pytest.mark.parametrize(("frames", "count"), [(1, 3), (50, 70), (127, 64), (1000, 1), (44100, 64), (70001, 66)])
def test_the_sum_of_sines_at_rest_is_within_3e_7_of_the_peak_of_float64(frames, count):
    """Whether it is cut into rows or not, of one sine or of more than are added at once."""
    random = np.random.default_rng(count)
    freqs, amps = random.uniform(-21000, 21000, count).astype(np.float32), random.uniform(-1, 1, count).astype(np.float32)
    y = dg.oscillator_bank(Tensor(freqs), Tensor(amps)).realize(frames)
    turns = np.arange(frames)[:, None] * (freqs.astype(np.float64) / RATE) % 1
    want = np.sin(2 * np.pi * turns) @ amps.astype(np.float64)
    assert abs(y - want).max() <= 3e-7 * abs(want).max()


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("count", [64, 70])
def test_sines_that_begin_together_are_summed_as_exactly_as_others(parallel, count):
    """At first all of them are above 0: one by one their sum would be off by 4e-7 of the peak."""
    freqs, amps = np.float32(55 * 1.03 ** np.arange(count)), np.random.default_rng(0).uniform(0, 1, count).astype(np.float32)
    want = np.sin(2 * np.pi * (np.arange(44100)[:, None] * (freqs.astype(np.float64) / RATE) % 1)) @ amps.astype(np.float64)
    program, leaves = stage([dg.oscillator_bank(Tensor(freqs), Tensor(amps)).node])
    arrays = [np.float32(leaf.number) if isinstance(leaf, Number) else leaf.array for leaf in leaves]
    ctx = Context(RATE, 44100, np.uint32(0), parallel)
    (y,), _ = jax.jit(lambda xs: run(program, ctx, xs, initial_state(program, ctx, xs)))(arrays)
    assert abs(np.asarray(y) - want).max() < 2e-7 * abs(want).max()


def test_slopes_of_all_orders_of_a_sum_of_sines_at_rest_are_those_of_the_formula():
    freqs, amps = np.float32([220.5, 21000.1, 23000.0, -441.3]), np.float32([0.5, -0.2, 1.0, 0.3])
    weights = np.random.default_rng(0).uniform(-1, 1, 300).astype(np.float32)
    held = Tensor(freqs), Tensor(amps)
    fn = dg.function(dg.oscillator_bank(*held), inputs=dict(zip("fa", held)))

    def ours(f, a):
        return (fn.whole(inputs={"f": f, "a": a}, frames=300) ** 2 * weights).sum()

    def wanted(f, a):
        waves = jnp.where(abs(f) < RATE / 2, jnp.sin(2 * np.pi / RATE * np.arange(300.0)[:, None] * f), 0)
        return ((waves * a).sum(1) ** 2 * weights).sum()

    along = np.float32([1, -2, 3, 4]), np.float32([0.1, 0.05, 0.02, -0.01])

    def slopes(form):
        return jax.tree.leaves(jax.jit(lambda *given: jax.jvp(jax.grad(form, (0, 1)), given, along))(freqs, amps))

    for x, y in zip(slopes(ours), slopes(wanted)):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4 * abs(y).max())


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="on a GPU these frames may be NaN")
def test_an_infinite_amplitude_is_heard_in_a_sum_of_sines_at_rest_as_in_any():
    """Infinite with the sign of the sine, and no number only where it is 0 or meets another of the other sign."""
    freqs = np.float32([441.0, 11025.0, 30000.0])
    amps = np.float32([[np.inf, 1, 2], [1, 1, 1], [np.inf, -np.inf, 2], [1, np.inf, np.inf], [np.nan, np.inf, 1]])
    waves = dg.oscillator_bank(Tensor(freqs), np.ones(3), sum=False).realize(300)
    with np.errstate(invalid="ignore"):
        want = (amps[:, None] * waves).sum(2)
    held = Tensor(amps[1])
    fn = dg.function(dg.oscillator_bank(Tensor(freqs), held), inputs={"amps": held})

    def weighted(amps):
        y = fn.whole(inputs={"amps": amps}, frames=300)
        return (y * np.arange(300.0)).sum(), y

    slopes, y = jax.jit(jax.vmap(jax.grad(weighted, has_aux=True)))(amps)
    np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(slopes, [np.arange(300.0) @ waves] * 5, rtol=1e-5, atol=2e-2)


@pytest.mark.parametrize("frames", [0, 1, 2, 300])
def test_a_sum_of_no_sines_is_silent_in_every_frame(frames):
    bank = dg.oscillator_bank(Tensor(np.zeros(0)), Tensor(np.zeros(0)))
    assert (bank.realize(frames) == np.zeros(frames)).all()
    assert bank.realize(frames, preserve_state=True).shape == (frames,)


def test_a_sum_of_sines_at_rest_goes_on_where_it_was():
    bank = dg.oscillator_bank(Tensor([220.0, 441.3]), [0.5, 0.2])
    blocks = [bank.realize(n, preserve_state=True) for n in (435, 435)]
    np.testing.assert_allclose(np.concatenate(blocks), bank.realize(870), atol=1e-6)


@pytest.mark.parametrize("frames", [2, 300])
def test_what_is_no_frequency_is_silent_or_no_number_in_a_sum_of_sines_at_rest_too(frames):
    freqs = Tensor([1.0, np.inf, 22050.0])
    silent = dg.oscillator_bank(freqs, np.ones(3)).realize(frames)
    np.testing.assert_allclose(silent, np.sin(2 * np.pi * np.arange(frames) / RATE), atol=1e-6)
    assert np.isnan(dg.oscillator_bank(Tensor([1.0, np.nan, 2.0]), np.ones(3)).realize(frames)).all()


def test_what_a_frequency_at_rest_moves_by_is_not_computed_for_every_frame():
    """That takes 40 roundings, and was most of the time that a bank took."""
    freqs = Tensor([100.0, 200.0, 300.0])
    fn = dg.function(dg.oscillator_bank(freqs, Tensor(np.ones(3)), sum=False), inputs={"freqs": freqs})
    bank = jax.jit(lambda freqs: fn.whole(inputs={"freqs": freqs}, frames=777))
    kernels = bank.lower(np.ones(3, np.float32)).compile().as_text().split("\n\n")
    rounding = [kernel for kernel in kernels if " floor(" in kernel]
    assert rounding
    assert not any("[777" in kernel for kernel in rounding)


def test_a_pitch_and_amplitudes_at_a_hop_are_those_of_each_frame():
    amps = np.random.default_rng(1).uniform(0, 1, (5, 3))
    slow = dg.harmonic(300.0, Signal.from_samples(amps, hop=8)).realize(40)
    every = dg.harmonic(300.0, Signal.from_samples(np.repeat(amps, 8, 0))).realize(40)
    np.testing.assert_array_equal(slow, every)
    f0 = np.float32(np.linspace(100, 400, 5))
    want = sounds.harmonic(f0, amps[:1].repeat(40, 0), rate=RATE)
    np.testing.assert_allclose(dg.harmonic(Signal.from_samples(f0, hop=8), amps[0]).realize(40), want, atol=1e-6)


def test_shares_of_harmonics_add_up_to_1_and_are_0_where_none_is_heard():
    dist = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    np.testing.assert_allclose(dg.normalize_harmonics(dist, 8000.0).realize(), [1 / 3, 2 / 3, 0], rtol=1e-6)
    np.testing.assert_array_equal(dg.normalize_harmonics(dist, 22050.0).realize(), 0)
    (dg.normalize_harmonics(dist, 22050.0) ** 2).sum().backward()
    np.testing.assert_array_equal(dist.grad.value, 0)
    np.testing.assert_array_equal(dg.normalize_harmonics([0.0, 0.0], 100.0).realize(), 0)


@pytest.mark.parametrize(
    ("carrier", "ratio"), [(441.3, 1.4142135623730951), (Tensor(441.3), 1.4), (Tensor(441.3), Tensor(2.5))]
)
def test_modulator_and_carrier_keep_their_ratio_for_minutes(carrier, ratio):
    frames = 60 * 44100
    c, r = (float(x.value) if isinstance(x, Tensor) else x for x in (carrier, ratio))
    n = np.arange(frames - 8, frames)
    want = np.sin(2 * np.pi * (n * c / RATE % 1) + 3 * np.sin(2 * np.pi * (n * (c * r) / RATE % 1)))
    np.testing.assert_allclose(dg.fm(carrier, ratio, 3.0).realize(frames)[-8:], want, atol=1e-5)


def test_a_wavetable_of_the_definition_and_one_far_below_0():
    table, cycle = [0.0, 1.0, 0.0, -1.0], np.float32([0.0, 0.1, 0.25, 0.9, 0.99])
    steps = np.append(np.diff(cycle), 0.0) * RATE
    np.testing.assert_allclose(dg.wavetable(table, Signal.from_samples(steps)).realize(), [0, 0.4, 1, -0.4, -0.04], atol=1e-6)
    down = dg.wavetable(table, -11025.0).realize(5)
    np.testing.assert_array_equal(down, [0, -1, 0, 1, 0])


def test_what_has_no_partials_or_rows_is_an_error():
    with pytest.raises(dg.ShapeError, match="harmonic: amps is one number"):
        dg.harmonic(100.0, 1.0)
    with pytest.raises(dg.ShapeError, match="wavetable: the table has no rows"):
        dg.wavetable(1.0, 100.0)
    with pytest.raises(dg.ShapeError, match="oscillator_bank"):
        dg.oscillator_bank([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(dg.ArgumentError, match="oscillator_bank: sum"):
        dg.oscillator_bank([1.0], [1.0], sum=3)


WAVEFORMS = {"saw": dg.saw, "square": dg.square, "triangle": dg.triangle, "pulse": lambda f: dg.pulse(f, 0.3)}


@pytest.fixture(scope="module")
def waveforms():
    """Each at frequencies that are bins of a prime number of frames, and some more from 20 Hz to above half the rate."""
    bins = np.array([3, 41, 92, 227, 228, 255, 311, 463])
    with DGen.override(sample_rate=RATE):
        freqs = np.float32([*bins * RATE / 4093, 20, 440, 2450, 4410, 4410.2, 7350, 12000, 21000, -300])
        return bins, freqs, dict(zip(WAVEFORMS, dg.realize(*(make(Tensor(freqs)) for make in WAVEFORMS.values()), frames=4093)))


@pytest.mark.parametrize("kind", sorted(WAVEFORMS))
def test_a_waveform_is_the_series_of_its_partials_to_2e_6(kind, waveforms):
    _, freqs, found = waveforms
    want = np.stack(
        [sounds.waveform(kind, np.full(1000, f), np.float32(0.3 if kind == "pulse" else 0.5), RATE) for f in freqs], 1
    )
    assert abs(found[kind][:1000] - want).max() < 2e-6


@pytest.mark.parametrize("kind", sorted(WAVEFORMS))
def test_what_is_folded_back_is_80_db_below_what_is_heard(kind, waveforms):
    bins, _, found = waveforms
    for i, k in enumerate(bins):
        power = abs(np.fft.rfft(found[kind][:, i].astype(np.float64))) ** 2
        heard = power[::k].sum()
        assert power.sum() - heard < 1e-8 * heard


@pytest.mark.parametrize("kind", sorted(WAVEFORMS))
def test_a_waveform_of_a_moving_pitch_has_a_slope_that_is_that_of_its_series(kind):
    low, high, frames = 900.0, 3000.0, 60
    ramp = np.linspace(0, 1, frames)
    start = Tensor(low, requires_grad=True)
    weights = np.random.default_rng(0).uniform(-1, 1, frames)
    y = WAVEFORMS[kind](start + Signal.from_samples((high - low) * ramp))

    def exactly(low):
        return sounds.waveform(kind, low + (high - 900.0) * ramp, np.float32(0.3 if kind == "pulse" else 0.5), RATE)

    np.testing.assert_allclose(y.realize(), exactly(low), atol=2e-4)  # float32 rounds where partials come in
    (y * Signal.from_samples(weights)).backward(reduction="sum")
    slope = ((exactly(low + 1e-4) - exactly(low - 1e-4)) / 2e-4) @ weights
    assert abs(start.grad.value - slope) < 2e-3 * abs(slope)


def test_a_waveform_is_silent_from_half_the_rate_on_and_a_pulse_is_its_mean():
    freqs = Tensor([22050.0, 30000.0, -22050.0])
    for make in (dg.saw, dg.square, dg.triangle):
        np.testing.assert_array_equal(make(freqs).realize(50), 0)
    np.testing.assert_allclose(dg.pulse(freqs, 0.25).realize(50), -0.5, atol=1e-6)


def test_a_pulse_of_no_width_or_all_of_it_is_a_constant_and_has_a_slope():
    for width, level in ((0.0, -1.0), (1.0, 1.0), (-3.0, -1.0), (7.0, 1.0)):
        np.testing.assert_allclose(dg.pulse(440.0, width).realize(50), level, atol=1e-6)


def test_waveforms_at_rest_and_far_below_hearing_are_finite():
    for make in WAVEFORMS.values():
        y = make(Tensor([0.0, 1e-6, 0.3])).realize(500)
        assert np.isfinite(y).all()
        assert abs(y).max() < 1.2


@pytest.mark.parametrize("width", [0.0, 0.25, 0.5, 1.0])
def test_the_slope_of_a_pulse_is_right_where_its_jumps_meet_frames(width):
    weights = np.random.default_rng(0).standard_normal(800)
    at = Signal.param(width)
    (dg.pulse(441.0, at) * Signal.from_samples(weights)).backward()
    # In closed form: both jumps are impulses of the partials below half the rate, of which the highest fades in.
    t = 2 * np.pi * (np.arange(800) / 100 - width)
    partials = 2 * np.cos(np.arange(1, 50)[:, None] * t).sum(0)
    heard = min((RATE / 2 - 49 * 441) / min(441.0, RATE / 20), 1.0)
    slope = 2 * (1 + partials - (1 - heard) * 2 * np.cos(49 * t))
    assert float(at.grad.value) == pytest.approx(np.mean(slope * weights), rel=1e-3)
