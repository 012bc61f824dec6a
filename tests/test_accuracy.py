"""Long runs, statistics and precision: what a few frames cannot show."""

import functools as ft
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.graph import Context
from dgenlazy.ops import tanh_of
from dgenlazy.ops.fixed import summed, times
from dgenlazy.run import initial_state, run, stage

ON_CPU = jax.default_backend() == "cpu"

TEN_MINUTES = 10 * 60 * 44100


def exact_phase(freq, frames, sample_rate=44100):
    """Phase in cycles by rational arithmetic, of a number as it is."""
    cycles = Fraction(float(freq)) / sample_rate
    return np.array([float(int(n) * cycles % 1) for n in frames])


def picked_frames(frames):
    return np.unique(np.r_[0:1000, np.linspace(0, frames - 1, 3000).astype(int), frames - 1000 : frames])


@pytest.mark.parametrize("freq", [0.1, 440.0, 12345.6, -440.0, 22050.0])
def test_a_phasor_stays_exact_for_ten_minutes(freq):
    phase = Signal.phasor(freq).realize(TEN_MINUTES)
    n = picked_frames(TEN_MINUTES)
    error = np.abs(phase[n] - exact_phase(freq, n))
    assert np.minimum(error, 1 - error).max() < 1e-5
    assert phase.min() >= 0
    assert phase.max() < 1


@pytest.mark.parametrize("freq", [0.1, 440.0, 12345.6])
def test_a_phasor_whose_frequency_comes_per_frame_stays_exact_for_ten_minutes(freq):
    value = Signal.phasor(Signal.input(0))
    minute = np.full(TEN_MINUTES // 10, freq)
    last = [value.realize(inputs={0: minute}, preserve_state=True) for _ in range(10)][-1]
    n = picked_frames(len(minute))
    error = np.abs(last[n] - exact_phase(np.float32(freq), n + 9 * len(minute)))
    assert np.minimum(error, 1 - error).max() < 1e-5


@pytest.mark.parametrize(("frames", "resets"), [(5000, True), (1, False), (256, False), (70_000, False)])
def test_the_parallel_form_of_a_phasor_is_bit_identical_to_its_steps(frames, resets):
    from dgenlazy.graph import Context, Number
    from dgenlazy.run import initial_state, run, stage

    freq = np.random.default_rng(0).uniform(-3e4, 3e4, (frames, 2)).astype(np.float32)
    freq[frames // 2, 1] = np.nan
    reset = (np.random.default_rng(1).uniform(size=frames) > 0.999).astype(np.float32)
    program, leaves = stage([Signal.phasor(Signal.from_samples(freq), Signal.from_samples(reset) if resets else None).node])
    arrays = [np.float32(leaf.number) if isinstance(leaf, Number) else leaf.array for leaf in leaves]
    weights = np.random.default_rng(2).uniform(-1, 1, freq.shape).astype(np.float32)

    def whole(parallel):
        ctx = Context(44100.0, frames, np.uint32(0), parallel)

        def loss(xs):
            (y,), last = run(program, ctx, xs, initial_state(program, ctx, xs))
            return (y[:, 0] * weights[:, 0]).sum(), (y, last)

        return jax.jit(jax.grad(loss, has_aux=True))(arrays)

    slope, (steps, last) = whole(False)
    along, (blocks, end) = whole(True)
    np.testing.assert_array_equal(steps, blocks)
    jax.tree.map(np.testing.assert_array_equal, last, end)
    a, b = (next(np.asarray(x)[:, 0] for x in slopes if x.ndim == 2) for slopes in (slope, along))
    np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4 * np.abs(a).max())


def test_a_sweep_is_the_integral_of_its_frequency():
    freq = np.linspace(20, 20000, 44100).astype(np.float32)
    phase = Signal.phasor(Signal.from_samples(freq)).realize()
    want = np.concatenate([[0], np.cumsum(freq.astype(np.float64))[:-1]]) / 44100 % 1
    error = np.abs(phase - want)
    assert np.minimum(error, 1 - error).max() < 1e-6


def test_a_frequency_that_is_not_finite_gives_nan_from_there_on():
    phase = Signal.phasor(Signal.from_samples([100.0, np.nan, 100.0, 100.0])).realize()
    np.testing.assert_array_equal(np.isnan(phase), [False, False, True, True])


def test_noise_is_white_uniform_and_differs_from_lane_to_lane():
    x = Signal.noise(seed=3, shape=(2,)).realize(100_000).astype(np.float64)
    assert -1 <= x.min() < -0.9999
    assert 0.9999 < x.max() < 1
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(x.var(axis=0), 1 / 3, rtol=0.01)
    histogram, _ = np.histogram(x, bins=20, range=(-1, 1))
    assert (np.abs(histogram - 10_000) < 500).all()
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(x[lag:, 0], x[:-lag, 0])[0, 1]) < 0.02
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 0.02


def test_noise_is_a_function_of_the_absolute_frame():
    noise = Signal.noise(seed=3)
    whole = noise.realize(100)
    blocks = [noise.realize(n, preserve_state=True) for n in (1, 0, 36, 63)]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_a_low_cutoff_keeps_its_gain_in_float32():
    with DGen.override(sample_rate=96000.0):
        y = Signal.constant(1.0).biquad(Tensor([20.0, 200.0]), 0.5).realize(400_000)
    np.testing.assert_allclose(y[-1], 1.0, atol=1e-4)


@pytest.mark.parametrize("parallel", [False, True] if ON_CPU else [True])
def test_tanh_is_exact_to_float32_everywhere(parallel):
    """Of every size from the smallest normal number on, of both signs, where it bends and where it is 1."""
    x = np.concatenate([np.geomspace(1.2e-38, 3e38, 400_001), np.linspace(0.01, 10, 400_001)]).astype(np.float32)
    x = np.concatenate([x, -x])
    y = np.asarray(jax.jit(lambda x: tanh_of(x, parallel))(x))
    exact = np.tanh(x.astype(np.float64))
    np.testing.assert_allclose(y, exact, rtol=4e-7)
    assert np.abs(y).max() == 1
    assert (np.abs(y[np.abs(x) > 9.1]) == 1).all()
    first = jax.grad(lambda x: tanh_of(x, parallel))
    slope, bend = (np.asarray(jax.jit(jax.vmap(f))(x[::40])) for f in (first, jax.grad(first)))
    np.testing.assert_allclose(slope, 1 - exact[::40] ** 2, atol=1e-6)
    np.testing.assert_allclose(bend, -2 * exact[::40] * (1 - exact[::40] ** 2), atol=2e-6)


@pytest.mark.parametrize("parallel", [False, True])
def test_tanh_at_its_edges(parallel):
    edges = jnp.array([0.0, -0.0, np.inf, -np.inf, np.nan, 100.0], jnp.float32)
    y = np.asarray(tanh_of(edges, parallel))
    np.testing.assert_array_equal(y, np.float32([0, -0.0, 1, -1, np.nan, 1]))
    assert list(np.signbit(y[:2])) == [False, True]
    np.testing.assert_array_equal(
        jax.vmap(jax.grad(lambda x: tanh_of(x, parallel)))(edges), np.float32([1, 1, 0, 0, np.nan, 0])
    )


DESIGNS = {
    **{f"butter {n}, {c}": scipy.signal.butter(n, c) for n in (3, 4, 5, 6) for c in (0.01, 0.1, 0.5, 0.9)},
    "elliptic": scipy.signal.ellip(7, 0.5, 60, 0.2),
    "chebyshev, highpass": scipy.signal.cheby2(6, 50, 0.3, "high"),
    "bandpass": scipy.signal.butter(4, [0.1, 0.2], "band"),
    "bandstop": scipy.signal.butter(3, [0.1, 0.2], "stop"),
    "poles only": ([0.3], [1.0, -0.9, 0.3, 0.1, 0.05]),
    "real poles, one of them at 0": ([1.0, 2.0, 1.0], np.poly([0.5, 0.6, 0.7, -0.8, 0.0])),
    "late": ([0.0, 1.0, 0.5, 0.0], [1.0, -0.5, 0.2, 0.1, 0.0]),
    "negative": ([-0.5, 0.0, 0.0, 0.1], [-2.0, 1.0, -0.4, -0.2]),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_a_filter_of_high_order_that_is_known_is_exact_to_float32(name):
    """In direct form with float32 coefficients the fourth order at 0.01 is 24 % off, the fifth overflows."""
    b, a = DESIGNS[name]
    x = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    expected = scipy.signal.lfilter(b, a, x.astype(np.float64))
    y = Signal.from_samples(x).lfilter(b, list(a)).realize()
    np.testing.assert_allclose(y, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("b", "a"), [([1.0], [1.0, -3.0, 3.0, -1.1]), ([1.0, 0.5], [1.0, -0.5]), (np.ones(9), [1.0, 0, 0, 0.5])]
)
def test_what_is_not_stable_or_of_another_order_stays_in_direct_form(b, a):
    x = Signal.from_samples(np.float32([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3]))
    y = x.lfilter(b, a)
    assert [line.op.__name__ for line in stage([y.node])[0].lines if line.op.__name__ != "pick"][-1] == "transposed_direct"
    np.testing.assert_allclose(y.realize(), scipy.signal.lfilter(b, a, x.value), rtol=1e-4)


@pytest.mark.parametrize("cutoff", [0.001, 0.1])
def test_sections_that_are_known_are_rounded_after_they_are_made_fit_for_low_cutoffs(cutoff):
    sos = scipy.signal.butter(8, cutoff, output="sos")
    x = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    expected = scipy.signal.sosfilt(sos, x.astype(np.float64))
    atol = (1e-5 if ON_CPU else 2e-5) * np.abs(expected).max()  # many frames at once are rounded once more
    np.testing.assert_allclose(Signal.from_samples(x).sosfilt(sos).realize(), expected, atol=atol)


@pytest.mark.parametrize("mode", ["clamp", "wrap"])
@pytest.mark.parametrize(("rows", "lanes"), [(1, ()), (5, ()), (5, (3,)), (64, (2, 2)), (65, (2,))])
def test_a_table_read_on_a_parallel_backend_is_that_of_others_with_its_gradients(rows, lanes, mode):
    """There the gradient of few rows is a sum over frames and not an addition for each."""
    random = np.random.default_rng(0)
    x, index = Tensor(random.normal(size=(rows, *lanes))), Signal.from_samples(random.uniform(-2, rows + 2, (50, 2)))
    program, leaves = stage([x.peek_row(index, mode).node])
    values = [jnp.asarray(leaf.array) for leaf in leaves]

    def read(values, parallel):
        ctx = Context(1000.0, 50, np.uint32(0), parallel)
        return run(program, ctx, values, initial_state(program, ctx, values))[0][0]

    weights = jnp.asarray(random.normal(size=(50, 2, *lanes)), jnp.float32)

    def loss(values, parallel, weights=weights):
        return (jnp.sin(read(values, parallel)) * weights).sum()

    @ft.partial(jax.jit, static_argnums=1)
    def everything(values, parallel):
        return read(values, parallel), jax.grad(loss)(values, parallel), jax.hessian(loss)(values, parallel)

    one, other = everything(values, False), everything(values, True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5), one, other)
    lost = jax.grad(loss)(values, True, weights.at[7].set(np.nan))[0]
    hit = np.isnan(np.asarray(lost).reshape(rows, -1)).any(1)
    assert hit.any()
    assert hit.sum() <= 4  # rows that the frame reads, of two indices


def test_the_gradient_of_a_small_table_takes_no_scatter_on_a_parallel_backend():
    for shape, scatters in (((64, 16), False), ((65, 2), True), ((32, 33), True)):
        program, leaves = stage([Tensor(np.zeros(shape)).peek_row(Signal.from_samples(np.arange(50))).node])
        table, index = sorted((jnp.asarray(leaf.array) for leaf in leaves), key=lambda x: -x.ndim)

        def loss(table, program=program, index=index):
            ctx = Context(1000.0, 50, np.uint32(0), True)
            return run(program, ctx, [table, index], initial_state(program, ctx, [table, index]))[0][0].sum()

        assert ("scatter" in str(jax.make_jaxpr(jax.grad(loss))(table))) == scatters


def test_a_table_wraps_at_indices_beyond_the_range_of_an_integer():
    index = np.array([4.25, -4.25, 2.0**24 + 2, 3e9, -3e9, 2.0**31, 2.0**40, 1e30], np.float32)
    for rows in (1, 2, 3, 7, 1000):
        at = np.mod(index.astype(np.float64), rows)  # exact, as np.fmod is
        low = np.floor(at).astype(int)
        table = np.arange(rows, dtype=np.float32) ** 2
        expected = table[low] + (at - low) * (table[(low + 1) % rows] - table[low])
        found = Tensor(table).peek_row(Tensor(index), mode="wrap").realize()
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_spectral_loss_of_no_frames_is_that_of_silence_and_of_no_lanes_is_not_a_number():
    x = Signal.input(0)
    assert dg.spectral_loss(x, 1.0, window_size=[4, 16]).realize(0, inputs={0: np.zeros(0)}) == 0
    assert np.isnan(dg.spectral_loss(x * Tensor.zeros((0,)), 0.0, window_size=4).realize(inputs={0: np.ones(9)}))


def test_words_are_added_up_modulo_two_words():
    words = np.random.default_rng(0).integers(0, 2**32, (2, 1000, 3), np.uint32)
    exact = [sum(int(h) << 32 | int(low) for h, low in zip(*words[:, :, lane])) % 2**64 for lane in range(3)]
    high, low = (np.asarray(x) for x in summed(tuple(map(jnp.asarray, words))))
    assert [int(h) << 32 | int(x) for h, x in zip(high, low)] == exact
    assert high.dtype == low.dtype == np.uint32


@pytest.mark.parametrize("most", [None, 0xFFFFFFFF, 0xFFFF, 1])
def test_words_times_a_count_are_whole_numbers_modulo_two_to_the_64(most):
    random, top = np.random.default_rng(5), 0xFFFFFFFF if most is None else most
    high, low = random.integers(0, 1 << 32, (2, 1000), dtype=np.uint32)
    high[:4], low[:4] = (0, 0, 0xFFFFFFFF, 0xFFFFFFFF), (0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFF0000)
    k = random.integers(0, top, 1000, endpoint=True, dtype=np.uint32)
    k[:6] = (top, top, top, top, 0, 1)
    got = [np.asarray(x, object) for x in times((jnp.asarray(high), jnp.asarray(low)), jnp.asarray(k), most)]
    want = ((high.astype(object) << 32) + low) * k.astype(object) % (1 << 64)
    assert ((got[0] << 32) + got[1] == want).all()


@pytest.mark.parametrize("frames", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1])
def test_phases_are_the_same_whichever_way_they_are_multiplied(frames):
    freqs = np.array([21999.9, -0.3, 440.0], np.float32)
    phases = Signal.phasor(Tensor(freqs)).realize(frames)
    n = np.array([0, 1, 2, 12345, 65533, 65534, frames - 1])
    for freq, phase in zip(freqs, phases[n].T):
        error = np.abs(phase - exact_phase(freq, n))
        assert np.minimum(error, 1 - error).max() < 1e-7
