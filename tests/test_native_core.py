"""What C files can hold: several sample rates, loops of JAX, what runs at hops; and random graphs."""

import ctypes
import itertools
import pickle
import re
import shutil
import time

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import THOROUGH
from test_native import TABLE, Instance, built, distance, shippable, stepped, value_of

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor
from dgenlazy.graph import pointwise
from dgenlazy.ship import native

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="there is no gcc")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DGENLAZY_CACHE", str(tmp_path / "cache"))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


# The sample rate as a lazy number.


def test_the_lazy_rate_is_that_of_the_run():
    half = dg.sample_rate / 2
    for rate in (44100.0, 8000.0, 44099.97):
        with DGen.override(sample_rate=rate):
            assert dg.sample_rate.realize() == np.float32(rate)
            assert half.realize() == np.float32(rate) / 2
            slow = Signal.input(0, hop=4) * dg.sample_rate  # at a hop it is the rate of audio
            np.testing.assert_array_equal(slow.realize(8, inputs={0: np.ones(2)}), np.full(2, np.float32(rate)))
    assert isinstance(dg.sample_rate, Tensor)
    assert dg.sample_rate.shape == ()


def test_the_lazy_rate_goes_where_numbers_go():
    x = noise(64)
    with DGen.override(sample_rate=8000.0):
        for by_rate, by_number in [
            (Signal.phasor(dg.sample_rate / 16), Signal.phasor(500.0)),
            (Signal.input(0).biquad(dg.sample_rate * 0.125), Signal.input(0).biquad(1000.0)),
            (Signal.input(0).delay(dg.sample_rate * 0.001, max_delay=16), Signal.input(0).delay(8.0)),
            (
                dg.feedback(lambda y: Signal.input(0) + y * dg.sample_rate / 16000),
                dg.feedback(lambda y: Signal.input(0) + y / 2),
            ),
        ]:
            np.testing.assert_allclose(
                by_rate.realize(64, inputs={0: x}), by_number.realize(64, inputs={0: x}), rtol=1e-5, atol=1e-6
            )
        gain = Tensor(1e-4, requires_grad=True)
        (gain * dg.sample_rate).backward()
        assert gain.grad.value == 8000.0


def test_the_lazy_rate_compiles_once_for_each_rate_and_ships_in_every_way(tmp_path):
    fn = dg.function(Signal.input(0) * dg.sample_rate, inputs={"x": Signal.input(0)})
    np.testing.assert_array_equal(fn(None, {"x": np.ones(2, np.float32)})[0], [44100.0, 44100.0])
    with DGen.override(sample_rate=8000.0):
        dg.export(Signal.input(0) * dg.sample_rate, tmp_path / "rate.dgen", frames=2)
    np.testing.assert_array_equal(dg.load(tmp_path / "rate.dgen").process(np.ones(2)), [8000.0, 8000.0])


# Several rates in one file.

RATES = [44100, 48000, 22050.5]


def at_rates():
    x, gate = Signal.input(0), Signal.input(0) > 0
    cutoff = Signal.param(700.0, min=20.0, max=20000.0)
    yield "biquad", x.biquad(dg.stack([cutoff, dg.sample_rate / 7]), 0.9), {"cutoff": cutoff}
    yield "modes", dg.stack([x.biquad(900.0, 1.1, mode=m, gain_db=3.0) for m in ("highpass", "peak", "lowshelf", "notch")]), {}
    yield "phasor", Signal.phasor(Tensor([440.3, 1.7, -3000.0])), {}
    yield "phasors", Signal.phasor(dg.sample_rate / 9 + x), {}
    yield "smooth", x.smooth(5.0), {}
    yield "adsr", gate.adsr(1.0, 2.0, 0.5, 3.0), {}
    yield "compressor", x.compressor(-20.0, 4.0, 5.0, 50.0), {}
    yield "svf", x.svf(cutoff, 2.0), {"cutoff": cutoff}
    yield "ladder", x.ladder(900.0, 0.5), {}
    yield "hop", x.downsample(16).biquad(300.0).upsample(), {}
    yield "loop", dg.feedback(lambda y: x + 0.5 * y.biquad(900.0) + dg.sample_rate * 1e-6), {}
    yield "plain", x.onepole(0.25), {}


def test_a_file_for_several_rates_is_at_each_what_realize_is_at_it(tmp_path):
    found = list(at_rates())
    made = [native.source(y, params, name, sample_rates=RATES) for name, y, params in found]
    library, x = ctypes.CDLL(str(built(tmp_path, [m.file.text for m in made]))), noise(300)
    for m, (name, y, _) in zip(made, found):
        assert m.file.text.count(f"void {name}_process(") == 1
        for rate in (*RATES, RATES[0]):
            instance = Instance(library, m)
            assert instance.call("init", ctypes.c_double(rate)) == 0
            assert instance.call("init", ctypes.c_double(96000.0)) == 1  # and is as it was
            got = instance.run([x] * len(m.step.channels), 300, (1, 64))
            with DGen.override(sample_rate=rate):
                want = y.realize(300, inputs={0: x}).reshape(300, -1)
            latency = m.step.program.latency
            assert distance(got[latency:], want[: 300 - latency]) < 1e-5, (name, rate)


def test_a_file_for_several_rates_is_little_longer_than_for_one():
    y = dg.stack([Signal.input(0).biquad(f) for f in (100.0, 900.0)]).sum() * Signal.phasor(dg.sample_rate / 8)
    one, three = (len(native.source(y, {}, "v", sample_rates=r).file.text) for r in ([44100], RATES))
    assert three < 1.3 * one


@pytest.mark.skipif(not THOROUGH, reason="minutes; DGENLAZY_EVERY=1")
def test_every_op_is_the_same_in_a_file_for_two_rates_as_in_one_for_each(tmp_path):
    for part, start in enumerate(range(0, len(TABLE), 40)):
        values = [value_of(c) for c in TABLE[start : start + 40] if shippable(c)]
        both = [native.source(v, None, f"b{i}", sample_rates=[48000, cases.RATE]) for i, v in enumerate(values)]
        alone = [native.source(v, None, f"a{i}", sample_rates=[cases.RATE]) for i, v in enumerate(values)]
        folder = tmp_path / str(part)
        folder.mkdir()
        library = ctypes.CDLL(str(built(folder, [m.file.text for m in (*both, *alone)])))
        for b, a in zip(both, alone):
            inputs = [noise(40, *shape, seed=n) for n, (shape, _) in b.step.channels.items()]
            instance = Instance(library, b)
            instance.call("init", ctypes.c_double(cases.RATE))
            np.testing.assert_array_equal(instance.run(inputs, 40, ()), Instance(library, a).run(inputs, 40, ()), b.name)


@pointwise
def longer_at_high_rates(x, *, sample_rate):
    return x * 2 if sample_rate > 45000 else x + 1


@pointwise
def more_taps_at_high_rates(x, *, sample_rate):
    return (x * np.ones(int(sample_rate // 10000), np.float32)).sum()


@pytest.mark.parametrize("op", [longer_at_high_rates, more_taps_at_high_rates])
def test_an_op_whose_program_differs_from_rate_to_rate_is_named(op):
    with pytest.raises(dg.ArgumentError, match=rf"export: {op.__name__}: its .* at 44100 and 50000 Hz"):
        native.source(op(Signal.input(0)), {}, "v", sample_rates=[44100, 50000])
    native.source(op(Signal.input(0)), {}, "v", sample_rates=[50000])


@pytest.mark.parametrize("rates", [[], "44100", [0], [-1], [np.inf], [np.nan], ["a"], 44100, [True], {44100: 1}])
def test_what_is_no_list_of_rates_is_refused(rates):
    with pytest.raises(dg.ArgumentError, match=r"^compile: sample_rates"):
        dg.compile(Signal.input(0), sample_rates=rates)


def test_a_player_goes_over_to_another_of_its_rates(cache):
    cutoff = Signal.param(900.0, min=20.0, max=20000.0)
    y, x = Signal.input(0).biquad(cutoff), noise(64)
    player = dg.compile(y, params={"cutoff": cutoff}, sample_rates=RATES)
    assert player.manifest["sample_rates"] == RATES
    player.params["cutoff"] = cutoff.value = 2000.0
    player.process(x)
    player.sample_rate = 48000
    for one in (player, pickle.loads(pickle.dumps(player))):
        assert (one.sample_rate, one.position) == (48000.0, 0)
        with DGen.override(sample_rate=48000.0):
            np.testing.assert_allclose(one.process(x), y.realize(64, inputs={0: x}), atol=1e-6)
    with pytest.raises(dg.ArgumentError, match="sample_rate=8000 is not one of 44100, 48000, 22050"):
        player.sample_rate = 8000


# Errors of `dg.compile`.


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: dg.compile(dg.spectral_loss(Signal.input(0), Signal.input(1))), "spectral_loss sees the whole run"),
        (lambda: dg.compile(Signal.from_samples(np.ones((2, 3)), batched=True)), "batched"),
        (lambda: dg.compile(Tensor(1.0), params={"1x": Tensor(1.0)}), "'1x' is no identifier of C"),
        (lambda: dg.compile(Tensor(1.0), params={"int": Tensor(1.0)}), "'int' is no identifier of C"),
        (lambda: dg.compile(Tensor(1.0), params=3), "params=3"),
        (lambda: dg.compile(3), ""),
        (lambda: dg.compile({}), ""),
        (lambda: dg.compile([[Signal.input(0)]]), "nothing deeper"),
        (lambda: dg.compile(Signal.input(0), params={"x": Signal.input(0) * 2}), ""),
        (lambda: dg.compile(Signal.input(0).downsample(4)), "an output has a value every 4 frames"),
        (lambda: dg.compile(Signal.input(0), sample_rates=[1, "a"]), "sample_rates"),
    ],
)  # fmt: skip
def test_errors_of_compile_begin_with_its_name(ask, says):
    with pytest.raises(dg.DGenError, match=rf"^compile: .*{re.escape(says)}"):
        ask()


# Loops and branches of JAX.


def scanned(x, w):
    def turn(c, t):
        c = jnp.tanh(c * 0.5 + t * w)
        return c[::-1], (c, x)

    c, (rows, same) = jax.lax.scan(turn, jnp.stack([x, -x]), jnp.arange(4.0), reverse=True)
    return jnp.concatenate([c, rows.ravel(), same])


def swapped(x, w):
    a, b = jax.lax.fori_loop(0, 5, lambda i, ab: (ab[1], ab[0] + i), (x, w[0]))
    return jnp.stack([a, b])


def counted(x, w):
    """As many turns as the sample says."""
    n, y = jax.lax.while_loop(lambda c: c[0] < jnp.abs(x) * 9, lambda c: (c[0] + 1, jnp.cos(c[1] + w)), (0, w))
    return y * n


def chosen(x, w):
    y = jax.lax.cond(x > 0, lambda a: jnp.sin(a * 2) + w, lambda a: a - w[::-1], x)
    double = lambda v: jax.lax.fori_loop(0, 3, lambda i, q: q * v + i, v)  # noqa: E731
    return jax.lax.switch(jnp.int32(x * 3), [lambda v: v, lambda v: v * v, double], y)


def nested(x, w):
    def outer(c, t):
        inner = lambda c, s: (c * 0.9 + s * t, c * w)  # noqa: E731
        c, rows = jax.lax.scan(inner, c + x, jnp.arange(3.0))
        return jax.lax.cond(c > 1, lambda c: c - 1, lambda c: c, c), rows.sum(0)

    c, rows = jax.lax.scan(outer, x, jnp.linspace(-1, 1, 4))
    return jnp.concatenate([rows.ravel(), c[None]])


def empty(x, w):
    c, rows = jax.lax.scan(lambda c, t: (c + 1, t), x, jnp.zeros((0, 2)))
    return c + rows.sum() + jax.lax.fori_loop(3, 3, lambda i, c: c * 2, w)


def mapped(x, w):
    return jax.lax.map(lambda v: v * x + w.sum(), jnp.arange(3.0)).at[1].set(x)


def flagged(x, w):
    seen, _ = jax.lax.scan(lambda seen, v: (seen | (v > x), None), False, w)
    return jnp.where(seen, x, w)


def large(x, w):
    """A table that is written row by row, too large for the stack."""
    rows = jax.lax.fori_loop(0, 300, lambda i, t: t.at[i].set(x * i), jnp.zeros(300))
    return rows[::100] + w.sum()


def scattered(x, w):
    at = jnp.int32(x * 5)  # also outside
    t = jnp.zeros((4, 2)).at[at].set(w)
    t = t.at[jnp.array([0, 3, 0]), jnp.array([1, 0, 1])].add(x)
    t = t.at[1:3].multiply(w).at[at, 0].min(-1.0, mode="clip").at[2].max(x)
    return t.ravel()


LOOPS = [scattered, scanned, swapped, counted, chosen, nested, empty, mapped, flagged, large]


def looped():
    w = Tensor([0.3, -0.2])
    for fn in LOOPS:
        yield fn.__name__, dg.from_jax(fn)(Signal.input(0), w), w
    yield "prepared", dg.from_jax(lambda w: jax.lax.fori_loop(0, 3, lambda i, q: q * q + i, w))(w) * Signal.input(0), w
    body = dg.from_jax(lambda y, x: jax.lax.fori_loop(0, 3, lambda i, y: jnp.tanh(0.5 * y + x), y))
    yield "in_a_loop", dg.feedback(lambda y: body(y, Signal.input(0))), w


def test_loops_and_branches_of_jax_are_those_of_c(tmp_path):
    found, x = list(looped()), noise(60)
    made = [native.source(y, {"w": w}, name) for name, y, w in found]
    flags = ("-O1", "-ffp-contract=off", "-fsanitize=undefined", "-fno-sanitize-recover=all") if THOROUGH else ()
    library = ctypes.CDLL(str(built(tmp_path, [m.file.text for m in made], *flags)))
    for m, (name, y, _) in zip(made, found):
        want = y.realize(60, inputs={0: x}).reshape(60, -1)
        got = Instance(library, m).run([x] * len(m.step.channels), 60, (1, 8))
        assert distance(got, want) < 2e-6, name


def test_cpp_takes_loops_and_what_ticks_without_a_warning(tmp_path):
    values = [(name, y) for name, y, _ in looped()] + list(ticking())
    texts = [native.source(y, None, name, sample_rates=[44100, 48000]).file.text for name, y in values]
    built(tmp_path, texts, "-O0", compiler="g++", std="-std=c++11")


def test_a_loop_with_what_has_no_form_is_named():
    fn = lambda x: jax.lax.fori_loop(0, 2, lambda i, v: jax.scipy.special.gammaln(v), x)  # noqa: E731
    with pytest.raises(dg.ArgumentError, match=r"export: \S+: the primitive lgamma of float32 has no form in C"):
        native.source(dg.from_jax(fn)(Signal.input(0)), None, "v")


# What runs at hops.


def ticking():
    x, y = Signal.input(0), Signal.noise(seed=3)
    w = [Tensor.randn([8, 8], seed=i) * 0.3 for i in (1, 2)]
    net = dg.feedback(lambda h: (w[0] @ h + w[1] @ (x.downsample(16) * Tensor.ones([8]))).tanh(), init=np.zeros(8))
    yield "net", net.upsample().sum()
    yield "spectra", x.stft(64).istft()
    yield "masked", (x.stft(64, 16) * (x.downsample(32).sigmoid() * Tensor.ones([33]))).istft()
    yield "filtered", x.downsample(16).biquad(300.0).upsample("cubic")
    yield "rates", x.downsample(4).onepole(0.5).downsample(8).upsample() + x.downsample(8).accum().upsample("hold")
    yield "windowed", x.windows(9, 3).sum(axis=0).upsample("hold") + x
    yield "noisy", y.downsample(4).upsample("window")
    yield "sampled", Signal.from_samples(noise(60, 5), hop=7).upsample().sum()
    yield "turned", Signal.phasor(x.downsample(8) * 100 + 300.0)
    yield "single", x.windows(1, 4).overlap_add()
    yield "shifted", x.windows(32, 8, align="start").overlap_add(align="end")
    yield "uneven", x.windows(10, 7, align=3).overlap_add(align=8)
    yield "lanes", (x * Tensor([1.0, 2.0])).stft(16).istft().sum()
    yield "memory", x.downsample(8).history().upsample() + x.downsample(8).delay(2.5, max_delay=4).upsample()


def made_of(frames, ticks):
    x, slow = Signal.from_samples(frames), Signal.from_samples(ticks, hop=7)
    return [x, x.biquad(4000.0), x.sum().stft(16).istft(), slow.upsample("hold"), slow.upsample(), slow.accum().upsample()]


@pytest.mark.parametrize(("rows", "shape"), [(60, (2,)), (1, ()), (0, ())])
def test_behind_the_end_of_its_samples_a_file_goes_on_in_silence_and_with_the_last_tick(rows, shape, tmp_path):
    x, ticks = noise(rows, *shape), noise(rows, *shape, seed=1)
    values = made_of(x, ticks)
    made = native.source(values, None, "g")
    latency, instance = made.step.program.latency, Instance(ctypes.CDLL(str(built(tmp_path, [made.file.text]))), made)
    got = instance.run([], 600 + latency, (1, 59, 64, 65))[latency:]
    last = ticks[-1:] if rows else np.zeros((1, *shape))
    longer = made_of(np.concatenate([x, np.zeros((600, *shape))]), np.concatenate([ticks, np.repeat(last, 100, 0)]))
    want = np.concatenate([y.reshape(600, -1) for y in dg.realize(*longer, frames=600)], axis=1)
    assert np.isfinite(got).all()
    assert distance(got, want) < 1e-5
    alone = [y.reshape(rows, int(np.prod(y.shape[1:]))) for y in dg.realize(*values)]
    assert distance(got[:rows], np.concatenate(alone, axis=1)) < 1e-5


def test_hours_behind_the_end_of_its_samples_a_file_is_as_silent_as_at_once(tmp_path):
    ticks = Signal.from_samples(np.float32([3, 5]), hop=7)
    made = native.source([Signal.from_samples([1.0, 2.0]), ticks.upsample("hold")], None, "g")
    instance = Instance(ctypes.CDLL(str(built(tmp_path, [made.file.text]))), made)
    instance.process([], 8)
    for frame in (2**31 - 3, 2**31 + 5, 2**32 - 20):
        instance.memory["dg_frame"] = frame
        np.testing.assert_array_equal(instance.process([], 16), [[0] * 16, [5] * 16])


def test_what_ticks_is_the_same_in_blocks_of_any_length(tmp_path):
    found = list(ticking())
    made = [native.source(y, None, name) for name, y in found]
    library, x = ctypes.CDLL(str(built(tmp_path, [m.file.text for m in made]))), noise(400)
    for m, (name, y) in zip(made, found):
        latency = m.step.program.latency
        given = [np.concatenate([x, np.zeros(latency, np.float32)])] * len(m.step.channels)
        got = Instance(library, m).run(given, 400 + latency, (1, 2, 9, 73))
        want = y.realize(400, inputs={0: x}).reshape(400, -1)
        assert distance(got[latency:], want) < 1e-5, name
        again = Instance(library, m).run(given, 400 + latency, ())
        np.testing.assert_array_equal(got, again, name)


def test_what_ticks_seldom_runs_only_then(tmp_path):
    """A network at hop 64 costs a part of the same at every frame."""
    x = Signal.input(0)
    w = Tensor.randn([64, 64], seed=1) * 0.1

    def net(x):
        return dg.feedback(lambda h: (w @ h + x).tanh(), init=np.zeros(64)).sum()

    seldom, always = native.source(net(x.downsample(64)).upsample("hold"), None, "a"), native.source(net(x), None, "b")
    library, block = ctypes.CDLL(str(built(tmp_path, [seldom.file.text, always.file.text], "-O2"))), noise(6400)
    spent = []
    for m in (seldom, always):
        instance = Instance(library, m)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            instance.process([block], 6400)
            times.append(time.perf_counter() - start)
        spent.append(min(times))
    assert spent[0] < 0.25 * spent[1], spent  # 1/64 and what copying costs


# What is known of places and of chains.


def test_places_that_are_always_inside_are_not_tested_again():
    echo = dg.feedback(lambda y: Signal.input(0) + 0.5 * y.delay(100))
    text = native.source(echo, None, "v").file.text
    assert "dg_place" not in text
    assert "DG_NAN :" not in text
    moving = native.source(Signal.input(0).delay(Signal.input(1), max_delay=32), None, "v").file.text
    assert "dg_place" in moving  # who knows what comes in


def test_a_state_with_a_place_that_is_outside_is_refused():
    player = dg.compile(dg.feedback(lambda y: Signal.input(0) + 0.5 * y.delay(100)))
    player.process(np.ones(10, np.float32))
    kept = player.state
    at = next(i for i, row in enumerate(player.manifest["state"]) if row["dtype"] == "int32")
    for wild in (-1, 1 << 20):
        with pytest.raises(dg.ArgumentError, match=f"is {wild}, which is not within 0 and"):
            player.state = (*kept[:at], np.int32(wild), *kept[at + 1 :])
    player.state = kept


def test_a_table_of_one_row_is_that_row_wherever_it_is_read():
    y = Tensor([[3.0, -1.0]]).peek_row(Signal.input(0), mode="wrap")
    x = np.array([0.0, 0.5, 7.25, -2.0], np.float32)
    np.testing.assert_array_equal(dg.compile(y).process(x), np.tile(np.float32([3, -1]), (4, 1)))


def test_what_finds_its_only_place_is_not_computed(tmp_path):
    text = native.source(Signal.input(0, shape=(3,)).delay(1), None, "v").file.text
    same = Tensor(np.ones(4))
    read = (
        same.peek_row(Signal.phasor(100.0) * 3.0),
        same.peek_row(Signal.input(0)),
        dg.read(same, Signal.input(0), Tensor(0.0)),
    )
    texts = [text, *[native.source(y, None, f"w{i}").file.text for i, y in enumerate(read)]]
    built(tmp_path, texts)  # without a word on what is not used
    assert "dg_s1" not in text.rpartition("void v_process")[2]


@pytest.mark.parametrize("cutoff", [1e-6, 1e-4, 0.1, 0.4, 1.0])
def test_a_smoother_arrives_however_slow_it_is(cutoff):
    frames = 200_000
    got = dg.compile(Signal.input(0).onepole(cutoff)).process(np.ones(frames, np.float32))
    want = -np.expm1(np.log1p(-float(np.float32(cutoff))) * np.arange(1, frames + 1)) if cutoff < 1 else np.ones(frames)
    np.testing.assert_allclose(got, want, atol=3e-7)


@pytest.mark.parametrize("q", [0.7, 20.0])
@pytest.mark.parametrize("op", ["biquad", "svf"])
def test_filters_whose_chains_are_shortened_are_as_exact(op, q):
    DGen.sample_rate = cases.RATE
    cutoff, x = Signal.param(30.0, min=20.0, max=20000.0), noise(20_000)
    y = getattr(Signal.input(0), op)(cutoff, q)
    got = dg.compile(y, params={"cutoff": cutoff}).process(x)
    assert distance(got, stepped(y, {0: x}, len(x))) < 1e-6


def test_the_live_example_plays_the_same_with_a_compiler_and_without(monkeypatch, capsys):
    for module in ("matplotlib", "tqdm"):
        pytest.importorskip(module, reason="the extras `train` and `notebook` are not installed")
    import live

    with DGen.override(sample_rate=live.RATE):
        built = list(itertools.islice(live.performance(500, []), 4))
        assert not capsys.readouterr().out
        monkeypatch.setenv("CC", "no-compiler")
        streamed = list(itertools.islice(live.performance(500, []), 4))
    assert "played by XLA: compile: CC='no-compiler' is no program" in capsys.readouterr().out
    assert np.ptp(built) > 0.1
    np.testing.assert_allclose(built, streamed, atol=1e-5)


# Fourier transforms.

SIZES = [1, 2, 3, 4, 5, 6, 8, 12, 14, 16, 22, 30, 49, 64, 97, 100, 128, 210, 262, 1024]


def test_transforms_of_any_length_are_those_of_numpy(tmp_path):
    made = []
    for n in SIZES:
        x = Signal.input(0, shape=[n])
        re, im = Signal.input(1, shape=[2, n // 2 + 1]), Signal.input(2, shape=[2, n // 2 + 1])
        made.append(native.source([*x.rfft(), dg.irfft(re, im, size=n)], None, f"n{n}"))
    library = ctypes.CDLL(str(built(tmp_path, [m.file.text for m in made])))
    for n, m in zip(SIZES, made):
        x, y = noise(3, n), noise(3, 2, 2, n // 2 + 1, seed=1)
        got = Instance(library, m).run([x, y[:, 0], y[:, 1]], 3, ())
        spectrum = np.fft.rfft(x.astype(np.float64))
        back = np.fft.irfft(y[:, 0].astype(np.float64) + 1j * y[:, 1], n).reshape(3, -1)
        want = np.concatenate([spectrum.real, spectrum.imag, back], axis=1)
        np.testing.assert_allclose(got, want, atol=3e-7 * max(4, np.sqrt(n) * 3), err_msg=str(n))


def test_a_transform_that_has_no_form_is_named():
    fn = lambda x: jnp.abs(jnp.fft.fft(x))  # noqa: E731
    with pytest.raises(dg.ArgumentError, match=r"export: \S+: the primitive fft .* has no form in C"):
        native.source(dg.from_jax(fn)(Signal.input(0, shape=[8])), None, "v")


# Graphs drawn by chance.


def drawn(seed):
    """Signals of continuous ops, so that rounding stays rounding."""
    random = np.random.default_rng(seed)
    hz = lambda: float(random.uniform(0.005, 0.4)) * cases.RATE  # at Nyquist a rounding grows without end  # noqa: E731
    pool = [Signal.input(0), Signal.input(1), (Signal.phasor(hz()) * 2 * np.pi).sin(), Signal.noise(seed=seed)]
    pick = lambda: pool[random.integers(len(pool))]  # noqa: E731
    table = Tensor(random.uniform(-0.3, 0.3, 16))
    makes = [
        lambda x, y: x.tanh() + 0.5 * y,
        lambda x, y: (x * y).sin(),
        lambda x, y: dg.where(x > 0, x, 0.5 * x),
        lambda x, y: dg.max(x, y) - dg.min(x, 0.3 * y).abs(),
        lambda x, y: x.biquad(hz(), random.uniform(0.5, 3.0), mode=str(random.choice(["lowpass", "highpass", "notch"]))),
        lambda x, y: x.svf(hz() * (1 + 0.2 * y.sigmoid()), 1.5),
        lambda x, y: x.onepole(0.2 + 0.5 * y.sigmoid()),
        lambda x, y: x.ladder(hz(), 0.4),
        lambda x, y: x.smooth(3.0) - y.history(),
        lambda x, y: x.delay(float(random.uniform(0, 90))),
        lambda x, y: x.delay(2 + 1.5 * y.tanh(), max_delay=4),  # a place 30 frames back is told to 2e-6 of a frame
        lambda x, y: x.comb(int(random.integers(2, 50)), 0.6),
        lambda x, y: dg.feedback(lambda p: 0.5 * p.delay(3) + (x - 0.3 * p).tanh()),
        lambda x, y: (x * Tensor(random.uniform(-1, 1, 5))).softmax().max(axis=0),
        lambda x, y: (Tensor(random.uniform(-1, 1, (4, 3))) @ dg.stack([x, y, x - y])).tanh().sum(),
        lambda x, y: table.peek_row(7 + 2 * x.tanh()),
        lambda x, y: x.downsample(int(random.choice([2, 8]))).tanh().onepole(0.5).upsample("linear") * y,
        lambda x, y: x.windows(int(random.integers(2, 9)), 4).mean(axis=0).upsample("hold"),
        lambda x, y: x.stft(16).istft() - y,
        lambda x, y: x.compressor(-20.0, 3.0, 2.0, 20.0),
    ]
    for _ in range(random.integers(2, 6)):
        pool.append(makes[random.integers(len(makes))](pick(), pick()).tanh())
    return pool[-1] * Tensor([1.0, -0.5])


@pytest.mark.parametrize("part", range(20 if THOROUGH else 1))
def test_graphs_drawn_by_chance_are_the_same_in_c(part, tmp_path):
    DGen.sample_rate = cases.RATE
    count, frames = (10, 4096) if THOROUGH else (5, 600)
    values = [drawn(100 * part + i) for i in range(count)]
    made = [native.source(y, None, f"g{i}") for i, y in enumerate(values)]
    library, x = ctypes.CDLL(str(built(tmp_path, [m.file.text for m in made]))), noise(2, frames)
    for i, (m, y) in enumerate(zip(made, values)):
        latency, inputs = m.step.program.latency, [x[n] for n in m.step.channels]
        first = Instance(library, m).run(inputs, frames, ())
        want = y.realize(frames, inputs={0: x[0], 1: x[1]}).reshape(frames, -1)
        assert distance(first[latency:], want[: frames - latency]) < 1e-5, i
        step = None if latency else stepped(y, {0: x[0], 1: x[1]}, frames)
        assert step is None or distance(first, step.reshape(frames, -1)) < 1e-6, i
        for length in (1, 7, 64, 1000):
            one, other, parts = Instance(library, m), Instance(library, m), []
            for at in range(0, frames, length):
                block = [c[at : at + length] for c in inputs]
                parts.append(one.process(block, min(length, frames - at)))
                other.process([-c for c in block], min(length, frames - at))
            np.testing.assert_array_equal(np.concatenate(parts, axis=1).T, first, str(i))
