"""Hours of frames: sums, phases, positions and delays that a float32 by itself would lose."""

import functools as ft
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import Signal, Tensor, ops
from dgenlazy.graph import Context, Number, Recurrence, Spec
from dgenlazy.recurrence import scan
from dgenlazy.run import initial_state, run, stage

LONG = 2**25


@ft.lru_cache
def compiled(program, frames, parallel):
    ctx = Context(44100.0, frames, np.uint32(0), parallel)
    return jax.jit(lambda xs: run(program, ctx, xs, initial_state(program, ctx, xs))[0][0])


def data(leaf):
    return np.float32(leaf.number) if isinstance(leaf, Number) else np.asarray(leaf.array)


def both_ways(value, frames):
    """The value as loops over frames compute it, and as parallel backends do."""
    program, leaves = stage([value.node])
    return [np.asarray(compiled(program, frames, parallel)([data(leaf) for leaf in leaves])) for parallel in (False, True)]


def ulps(y, exact):
    return np.max(np.abs(y.astype(np.float64) - exact) / np.spacing(np.maximum(np.abs(exact), 1e-30).astype(np.float32)))


# Every form that an op registers for whole blocks is its loop, also after 2**25 frames.

UP, DOWN, ONE = np.uint32(0x12345678), np.uint32(0xFFFF0000), np.float32(1)
FORMS = {
    "previous": ([0.1, 0.2], {}),
    "latch": ([0.3, 1.0], {}),
    "accumulate": ([1 / 44100, 0.0], {}),
    "accumulate_wrapped": ([0.1, 0.0, -0.1, 0.7], {}),
    "ramp": ([UP, DOWN, 0.01, 0.0], {}),
    "delay_line": ([0.3, 5.25], {"size": 8, "least": 0}),
    "position": ([np.uint32(3), UP, DOWN, 3.07, np.uint32(0), UP, UP, 0.07], {"rows": 100, "modulus": 100}),
}


def registered():
    found = [op for module in vars(ops).values() for op in getattr(module, "__dict__", {}).values()]
    return {op.__name__: op for op in found if isinstance(op, Recurrence) and op.block_form is not None}


def test_every_registered_form_is_held_to_its_loop():
    assert registered().keys() == FORMS.keys()


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_a_registered_form_is_its_loop_after_hours(name, moving):
    op, (values, params) = registered()[name], FORMS[name]
    values, params = [jnp.asarray(v, getattr(v, "dtype", np.float32)) for v in values], tuple(params.items())
    still = [Spec((), dtype=v.dtype) for v in values]
    ctx = Context(44100.0, 1)
    first = op.init(values, params)

    @jax.jit
    def long_run(state):
        return jax.lax.fori_loop(0, LONG, lambda _, s: op.step(ctx, params, s, *values)[0], state)

    state, frames = long_run(first), 300
    specs = [Spec((), True, 1, v.dtype) for v in values[:1]] + still[1:] if moving else still
    inputs = [jnp.broadcast_to(values[0], (frames,)), *values[1:]] if moving else values
    end, loop = jax.jit(lambda s: scan(lambda s, *xs: op.step(ctx, params, s, *xs), s, inputs, specs, frames))(state)
    for parallel in (False, True):
        whole = Context(44100.0, frames, np.uint32(0), parallel)
        if parallel or op.takes_blocks(False, *specs):
            after, form = jax.jit(lambda s, whole=whole: op.whole(whole, params, s, inputs, specs))(state)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-7, atol=1e-7), form, loop)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-7, atol=1e-7), after, end)
    if THOROUGH:
        whole = Context(44100.0, LONG, np.uint32(0), True)
        inputs = [jnp.broadcast_to(values[0], (LONG,)), *values[1:]] if moving else values
        after = jax.jit(lambda s: op.whole(whole, params, s, inputs, specs)[0])(first)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-7, atol=1e-7), after, state)


# accum


def test_a_sum_of_ones_counts_beyond_the_24_bits_of_a_float32():
    y = Signal.constant(1).accum().realize(2**24 + 99)
    np.testing.assert_array_equal(y[-150:], np.float32(np.arange(2**24 - 50, 2**24 + 100)))


def test_a_clock_made_by_accum_is_exact_after_half_an_hour_in_blocks():
    step, count, block = np.float32(1 / 44100), 20, 2**22
    clock = Signal.constant(step).accum()
    for _ in range(count):
        y = clock.realize(block, preserve_state=True)
    n = np.arange((count - 1) * block, count * block) + 1
    assert ulps(y[::997], n[::997] * np.float64(step)) <= 0.51


SUMMED = {
    "a constant": np.full(1500, 1 / 44100),
    "noise": np.random.default_rng(0).normal(size=1500),
    "a tone on an offset": np.sin(np.arange(1500) * 0.3) + 1e-3,
    "what cancels": np.where(np.arange(1500) % 2, 1e6, -1e6) + np.random.default_rng(1).normal(size=1500),
}


@pytest.mark.parametrize("name", SUMMED)
def test_a_sum_is_that_of_float64_rounded(name):
    x = SUMMED[name].astype(np.float32)
    exact = np.cumsum(x.astype(np.float64))
    for y in both_ways(Signal.from_samples(x).accum(), len(x)):
        assert ulps(y, exact) <= 0.51


def test_a_sum_of_lanes_is_that_of_each():
    x = np.stack([SUMMED[name] for name in SUMMED], 1).astype(np.float32)
    for y in both_ways(Signal.from_samples(x).accum(), len(x)):
        assert ulps(y, np.cumsum(x.astype(np.float64), 0)) <= 0.51


def test_a_sum_of_a_batch_is_that_of_each_example_to_the_bit_and_so_is_its_gradient():
    x = np.stack([SUMMED[name] for name in SUMMED]).astype(np.float32)[:, :1003]
    again = np.random.default_rng(3).uniform(size=x.shape) > 0.99
    total = dg.function(Signal.input(0).accum(Signal.input(1)))

    def loss(x, again):
        y = total.whole([], {0: x, 1: again})
        return (y * x[::-1]).sum(), y

    one = jax.jit(jax.grad(loss, has_aux=True))
    for axes, given in ((0, again), (None, again[0]), (1, again.T)):
        found = jax.jit(jax.vmap(jax.grad(loss, has_aux=True), (0, axes)))(x, given)
        for i in range(len(x)):
            each = one(x[i], given if axes is None else again[i])
            jax.tree.map(lambda a, b, i=i: np.testing.assert_array_equal(a[i], b), found, each)


def test_no_transformation_of_a_sum_meets_a_type_that_jax_was_not_told_to_have():
    total = dg.function(Signal.input(0).accum(Signal.input(1)))
    program = jax.make_jaxpr(jax.hessian(lambda x: (total.whole([], {0: x, 1: x})[0] ** 2).sum()))(np.ones(9, np.float32))
    assert "f64" not in str(program)
    assert "i64" not in str(program)


def test_a_gradient_of_a_sum_outside_of_a_jit_compiles_once():
    total = dg.function(Signal.input(0).accum())
    slope = jax.grad(lambda x: (total.whole([], {0: x}) * jnp.arange(9.0)).sum())
    x = np.ones(9, np.float32)
    with compilations() as first:
        one = slope(x)
    with compilations() as again:
        two = slope(2 * x)
    assert first
    assert not again
    for found in (one, two):
        np.testing.assert_array_equal(found, np.cumsum(np.arange(9.0)[::-1])[::-1])


def test_a_sum_that_starts_again_is_that_of_float64_rounded():
    x = SUMMED["noise"].astype(np.float32)
    reset = np.random.default_rng(2).uniform(size=len(x)) > 0.999
    exact, total = [], 0.0
    for sample, again in zip(x.astype(np.float64), reset):
        total = sample + (0.0 if again else total)
        exact.append(total)
    for y in both_ways(Signal.from_samples(x).accum(Signal.from_samples(reset)), len(x)):
        assert ulps(y, np.array(exact)) <= 0.51


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.1, 0.7), (-3.0, 100.0)])
@pytest.mark.parametrize("name", ["a constant", "noise", "a tone on an offset"])
def test_a_sum_that_wraps_does_not_drift(name, low, high):
    x = (700 * SUMMED[name]).astype(np.float32)
    first, span = float(np.float32(low)), float(np.float32(high)) - float(np.float32(low))
    exact = (np.cumsum(x.astype(np.float64)) - first) % span
    for y in both_ways(Signal.from_samples(x).accum(min=low, max=high), len(x)):
        error = np.abs(y - first - exact) % span
        assert np.minimum(error, span - error).max() < 1e-7 * max(span, 1)
        assert y.min() >= np.float32(low)
        assert y.max() < np.float32(high)


def test_a_value_that_is_not_finite_makes_a_sum_nan_until_it_starts_again():
    x = np.array([1, np.inf, 1, 2, 3, -np.inf, 1, 4, np.nan], np.float32)
    reset = np.array([0, 0, 0, 1, 0, 0, 0, 1, 0])
    expected = np.float32([1, np.nan, np.nan, 2, 5, np.nan, np.nan, 4, np.nan])
    x, reset = Signal.from_samples(x), Signal.from_samples(reset)
    y = x.accum(reset)
    for found in (*both_ways(y, 9), dg.feedback(lambda p: dg.where(p > 0, x, x).accum(reset)).realize()):
        np.testing.assert_array_equal(found, expected)
    blocks = np.concatenate([y.realize(3, preserve_state=True) for _ in range(3)])
    np.testing.assert_array_equal(blocks, expected)


@pytest.mark.parametrize("parallel", [False, True])
def test_the_gradient_of_a_sum_is_the_sum_from_the_end_as_exact(parallel):
    x = Signal.from_samples(np.zeros(1500), requires_grad=True)
    reset = Signal.from_samples(np.arange(1500) == 300)
    program, leaves = stage([x.accum(reset).node])
    weights = SUMMED["a constant"].astype(np.float32)
    ctx = Context(44100.0, 1500, np.uint32(0), parallel)

    def loss(samples):
        values = [samples if leaf is x.node else np.asarray(leaf.array) for leaf in leaves]
        return (run(program, ctx, values, initial_state(program, ctx, values))[0][0] * weights).sum()

    found = np.asarray(jax.jit(jax.grad(loss))(jnp.zeros(1500)))
    exact = np.concatenate([np.cumsum(part[::-1].astype(np.float64))[::-1] for part in (weights[:300], weights[300:])])
    assert ulps(found, exact) <= 0.51


# Phases


def phase_error(phase, freq, frames, sample_rate):
    exact = np.array([float(int(n) * Fraction(freq) / Fraction(sample_rate) % 1) for n in frames])
    error = np.abs(phase - exact)
    return np.minimum(error, 1 - error).max()


FREQS = [440.1, 12345.67, -440.1, 1e-6, 1e6 + 0.1, 1 / 3, np.float64(0.1), 440 * 2 ** (1 / 12), Fraction(1, 7)]


def later(like, frames, sample_rate, count=1000):
    """What gives `count` frames of a value, whose program is that of `like`, after `frames` others: of these only the state."""
    program, _ = stage([like.node])

    @jax.jit
    def both(xs):
        ctx = Context(sample_rate, frames, np.uint32(0))
        state = run(program, ctx, xs, initial_state(program, ctx, xs))[1]
        return run(program, ctx._replace(frames=count, start=jnp.uint32(frames)), xs, state)[0][0]

    return lambda value: np.asarray(both([data(leaf) for leaf in stage([value.node])[1]]))


@pytest.mark.parametrize("sample_rate", [44100.0, 22050.5, 48000.0, 44100.1])
def test_a_frequency_that_is_a_number_keeps_all_its_digits_for_an_hour(sample_rate):
    start = int(3600 * sample_rate)
    run_on = later(Signal.phasor(1.0), start, sample_rate)
    for freq in FREQS:
        assert phase_error(run_on(Signal.phasor(freq)), float(freq), start + np.arange(1000), sample_rate) < 1e-7


def test_numbers_in_a_list_keep_all_their_digits_and_a_tensor_those_of_float32():
    freqs = [440.1, 12345.67]
    n, start = np.arange(1000), 10 * 60 * 44100
    found = {}
    for name, freq in (("list", freqs), ("array", np.array(freqs)), ("tensor", Tensor(freqs))):
        phase = Signal.phasor(freq)
        assert phase.shape == (2,)
        found[name] = later(phase, start, 44100.0)(phase)
    for lane, freq in enumerate(freqs):
        assert phase_error(found["list"][:, lane], freq, start + n, 44100) < 1e-7
        assert phase_error(found["tensor"][:, lane], float(np.float32(freq)), start + n, 44100) < 1e-7
    np.testing.assert_array_equal(found["array"], found["list"])


def test_another_number_is_not_compiled_again():
    x = Signal.from_samples(np.ones(64))
    table = Tensor(np.arange(5))

    def values(k):
        return Signal.phasor(k) + x.delay(20 + k) + table.read(k, start=k / 3), Signal.phasor([k, 2 * k])

    dg.realize(*values(1.0), frames=64)
    with compilations() as count:
        for k in (2.5, 440.1, np.float64(3.3)):
            dg.realize(*values(min(k, 11)), frames=64)
    assert not count


# Delays


def delayed(x, time):
    whole = int(np.floor(time))
    padded = np.concatenate([np.zeros(whole + 1), x.astype(np.float64)])
    return padded[1 : len(x) + 1] + (time - whole) * (padded[: len(x)] - padded[1 : len(x) + 1])


@pytest.mark.parametrize("options", [{}, {"max_delay": 100_001.0}, {"min_delay": 10.0}])
def test_a_long_delay_that_is_a_number_keeps_its_fraction(options):
    x = np.random.default_rng(0).normal(size=100_300).astype(np.float32)
    for time in (100_000.25, 100_000.1, np.float64(77_777.7)):
        np.testing.assert_allclose(Signal.from_samples(x).delay(time, **options).realize(), delayed(x, float(time)), atol=1e-6)
    lanes = Signal.from_samples(x).delay([100_000.1, 55_555.3], **options).realize()
    np.testing.assert_allclose(lanes, np.stack([delayed(x, 100_000.1), delayed(x, 55_555.3)], 1), atol=1e-6)


def test_a_delay_beyond_the_24_bits_of_a_float32_is_of_its_own_frames():
    time, x = 2**24 + 1, np.zeros(2**24 + 8, np.float32)
    x[2] = 1
    y = Signal.from_samples(x).delay(time + 0.25).realize()
    np.testing.assert_array_equal(np.flatnonzero(y), [time + 2, time + 3])
    np.testing.assert_array_equal(y[time + 2 :][:2], [0.75, 0.25])


def test_an_echo_at_a_time_that_is_a_number_keeps_its_fraction():
    x = np.zeros(40_010)
    x[0] = 1
    y = Signal.from_samples(x).comb(20_000.1, feedback=0.5).realize()
    np.testing.assert_allclose(y[20_000:20_002], [0.45, 0.05], atol=1e-6)
    np.testing.assert_allclose(y[40_000:40_003], [0.2025, 0.045, 0.0025], atol=1e-6)


# Samplers

TABLE = (np.sin(np.arange(1000) * 2 * np.pi * 37 / 1000) + 0.3 * np.random.default_rng(0).normal(size=1000)).astype(np.float32)


def played(speed, start, frames, loop):
    table, out = np.concatenate([TABLE, TABLE[:1] if loop else [0.0]]).astype(np.float64), []
    for n in frames:
        place = Fraction(start) + int(n) * Fraction(speed)
        place = place % 1000 if loop else place
        row = int(np.floor(float(place))) if abs(place) < 10**6 else 10**6
        near, far = (table[k] if 0 <= k < len(table) else 0.0 for k in (row, row + 1))
        out.append(near + float(place - row) * (far - near) if row < 10**6 else 0.0)
    return np.array(out)


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("seconds", [300, *[3 * 3600] * THOROUGH])
def test_a_sampler_is_as_exact_after_hours(seconds, loop):
    frames = seconds * 44100
    run_on = later(Tensor(TABLE).read(1.0, 0.0, loop), frames, 44100.0)
    for speed in (0.7310585786, -1.2345, 1.0, 1 / 3):
        start = 0.25 if loop else float(500 - frames * Fraction(speed))
        y, exact = run_on(Tensor(TABLE).read(speed, start, loop)), played(speed, start, frames + np.arange(1000), loop)
        assert 10 * np.log10((exact**2).mean() / max(((y - exact) ** 2).mean(), 1e-30)) > 100
    assert np.abs(run_on(Tensor(TABLE).read(-40.0, 0.0, False))).max() == 0 or loop


def test_a_sampler_at_speed_1_is_the_recording_to_the_bit_in_any_blocks():
    value = Tensor(TABLE).read(1.0, start=990)
    whole = value.realize(2500)
    np.testing.assert_array_equal(whole, np.tile(TABLE, 4)[990:3490])
    value = Tensor(TABLE).read(-0.3, start=0.1)
    blocks = [value.realize(n, preserve_state=True) for n in (1, 0, 36, 963)]
    np.testing.assert_array_equal(np.concatenate(blocks), value.realize(1000))


def test_a_sampler_takes_a_speed_that_moves_and_is_silent_where_it_has_left_its_table():
    speed = np.array([0.5, 2.0, -3.0, 0.25, 1e9, -1e9, 1.0], np.float32)
    y = Tensor([1.0, 2.0, 4.0]).read(Signal.from_samples(speed), loop=False)
    np.testing.assert_allclose(y.realize(), [1, 1.5, 2, 0.5, 0.75, 0, 0.75])
    with pytest.raises(dg.ShapeError, match="read: the table has no rows"):
        Tensor(1.0).read(1.0)
    with pytest.raises(dg.ArgumentError, match="read: start varies"):
        Tensor([1.0]).read(1.0, start=Signal.noise())
