"""Rates and look-ahead: aligned whole runs, streams that are late, and every block split the same."""

import re
import zlib

import cases
import jax
import numpy as np
import pytest
import rated
from compilations import compilations
from quick import THOROUGH
from rated import ALL, CONTROLS, EXACT, FRAMES, LANES, MASK, PITCH, WEIGHTS, X, control, late

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, InputError, ShapeError, Signal, Spectrum, Tensor
from dgenlazy.graph import Block, Recurrence
from dgenlazy.run import stage

INPUTS = {0: X}


def whole(value, frames=FRAMES):
    return value.realize(frames, inputs=INPUTS)


def streamed(value, sizes):
    """Blocks of these sizes, one after the other; the input is followed by zeros."""
    padded = np.concatenate([X, np.zeros(sum(sizes), np.float32)])
    value.reset()
    out, at = [], 0
    for size in sizes:
        out.append(value.realize(size, inputs={0: padded[at : at + size]}, preserve_state=True))
        at += size
    return np.concatenate(out)


def splits(frames, seed):
    """Blocks of one frame; then some below and above every hop, at random."""
    random, sizes, left = np.random.default_rng(seed), [], frames
    while left:
        sizes.append(int(random.choice([n for n in (1, 3, 13, 20) if n <= left])))
        left -= sizes[-1]
    return [1] * frames, sizes


def close(got, wanted, tol=2e-6):
    wanted = np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=tol * max(1.0, np.abs(wanted).max(initial=0)), rtol=0)


def chosen(names):
    """A third of the graphs, or all; those that are equal in every bit always."""
    return [n for n in names if n in EXACT or THOROUGH or zlib.crc32(n.encode()) % 3 == 0]


@pytest.mark.parametrize("name", chosen(ALL))
def test_a_stream_is_its_whole_run_some_frames_late_however_it_is_cut(name):
    value = ALL[name]()
    expected, latency = whole(value), value.latency
    before = latency // (value.hop or 1)
    for sizes in splits(FRAMES + latency, zlib.crc32(name.encode())):
        got = streamed(value, sizes)
        assert not got[:before].any()
        got = got[before:][: len(expected)]
        if name in EXACT:
            np.testing.assert_array_equal(got, expected)
        close(got, expected, 3e-6)


@pytest.mark.parametrize("name", chosen(ALL))
def test_a_shorter_run_is_the_beginning_of_a_longer_one_up_to_what_it_looks_ahead(name):
    value = ALL[name]()
    hop, shorter = value.hop or 1, FRAMES - 16
    seen = max(-(-(shorter - value.latency) // hop), 0)
    close(whole(value, shorter)[:seen], whole(value)[:seen], 3e-6)


# Whole runs against independent references.

PADDED = np.pad(X.astype(np.float64), (100, 100))


def stretch(at, size):
    return PADDED[100 + at :][:size]


@pytest.mark.parametrize(("align", "before"), [("centre", 4), ("start", 0), ("end", 8), (3, 3)])
def test_windows_are_stretches_of_the_signal(align, before):
    close(whole(rated.x().windows(9, 4, align)), [stretch(4 * k - before, 9) for k in range(16)], 0)


def test_spectra_are_those_of_centred_windows_in_scipys_terms():
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16)
    spectra = np.array([np.fft.rfft(stretch(4 * k - 8, 16) * hann) for k in range(16)])
    got = rated.x().stft(16, 4)
    close(whole(got.real), spectra.real)
    close(whole(got.imag), spectra.imag)
    close(whole(got.abs()), abs(spectra))
    close(whole(got.power()), abs(spectra) ** 2)
    close(np.exp(1j * whole(got.angle()))[..., 3:6].real, np.exp(1j * np.angle(spectra))[..., 3:6].real, 1e-5)


@pytest.mark.parametrize(
    ("size", "hop"), [(16, 4), (16, 8), (15, 5), (7, 3), (64, 16), (128, 32), (2, 1), (33, 16), (1024, 256)]
)
def test_a_signal_comes_back_from_its_spectra_at_every_frame(size, hop):
    close(whole(rated.x().stft(size, hop).istft()), X, 1e-6)


def test_spectra_aligned_at_their_start_lose_frame_0_and_nothing_else():
    got = whole(rated.x().stft(16, 4, align="start").istft())
    assert got[0] == 0
    close(got[1:], X[1:], 1e-5)


@pytest.mark.parametrize(("align", "before"), [("start", 0), ("centre", 3), ("end", 5)])
def test_windows_are_laid_together_at_their_places(align, before):
    y = np.zeros(400)
    for k in range(40):
        y[100 + 4 * k - before :][:6] += stretch(4 * k, 6) if k < 30 else 0
    close(whole(rated.x().windows(6, 4, "start").overlap_add(align)), y[100 : 100 + FRAMES])


TIME = np.arange(FRAMES)


def tick(k):
    """Of the control at hop 5; before the first and behind the last tick, those again."""
    return CONTROLS[5].astype(np.float64)[np.clip(TIME // 5 + k, 0, len(CONTROLS[5]) - 1)]


def keys(distance, a):
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return np.where(distance < 1, near, a * (distance**3 - 5 * distance**2 + 8 * distance - 4))


FRACTION = TIME / 5 - TIME // 5
ROUNDED = np.rint(1024 * FRACTION) / 1024
UPSAMPLED = {
    "hold": tick(0),
    "linear": np.interp(TIME / 5, np.arange(len(CONTROLS[5])), CONTROLS[5]),
    "window": tick(0) + (tick(1) - tick(0)) * (0.5 - 0.5 * np.cos(np.pi * FRACTION)),
    "cubic": sum(tick(k) * keys(abs(FRACTION - k), -0.5) for k in (-1, 0, 1, 2)),
    "cubic-ddsp": sum(tick(k) * keys(abs(ROUNDED - k), -0.75) for k in (-1, 0, 1, 2)),
}


@pytest.mark.parametrize("method", UPSAMPLED)
def test_a_control_is_interpolated(method):
    close(whole(control(5).upsample(method)), UPSAMPLED[method])


@pytest.mark.parametrize("hop", [2, 7, 64])
def test_a_cubic_keeps_straight_lines(hop):
    line = Signal.from_samples(np.arange(9.0), hop=hop).upsample("cubic")
    inside = slice(hop, 7 * hop)  # what lies beyond the ends is taken to be level
    close(line.realize()[inside], (np.arange(9 * hop) / hop)[inside])


@pytest.mark.parametrize(
    ("method", "golden"),
    [
        ("linear", "0 .25 .5 .75 1 .75 .5 .25 0 .5 1 1.5 2 1.25 .5 -.25 -1 -1 -1 -1"),
        (
            "cubic-ddsp",
            "0 .2617188 .59375 .8789062 1 .8085938 .40625 .0507812 0 .453125 1.1875 1.828125 2 1.53125 .6875 -.25 "
            "-1 -1.3164062 -1.28125 -1.1054688",
        ),
        (
            "window",
            "0 .1464466 .5 .8535534 1 .8535534 .5 .1464466 0 .2928932 1 1.7071068 2 1.5606602 .5 -.5606602 -1 -1 -1 -1",
        ),
    ],
)
def test_upsampling_is_that_of_ddsp(method, golden):
    got = Signal.from_samples([0.0, 1.0, 0.0, 2.0, -1.0], hop=4).upsample(method).realize()
    np.testing.assert_allclose(got, np.fromstring(golden, sep=" "), atol=6e-7)


@pytest.mark.parametrize("method", UPSAMPLED)
@pytest.mark.parametrize("lanes", [1, 16, 20])  # from 16 on, what each tick has to do with is summed in a loop
def test_the_gradient_of_interpolation_is_its_transpose(method, lanes):
    random, ticks, hop, frames = np.random.default_rng(4), 6, 16, 90
    given = Signal.from_samples(np.zeros((ticks, lanes), np.float32), hop=hop)
    fn = dg.function(given.upsample(method), params=[], inputs={"x": given})

    def interpolated(x):
        return fn.whole([], {"x": x}, frames)

    ones = np.eye(ticks, dtype=np.float32)[..., None].repeat(lanes, 2)
    each = np.stack([np.asarray(interpolated(one))[:, 0] for one in ones])
    x, weight = random.normal(size=(ticks, lanes)).astype(np.float32), random.normal(size=(frames, lanes))

    def total(x):
        return (interpolated(x) ** 2 * weight.astype(np.float32)).sum()

    close(interpolated(x), each.T @ x)
    close(jax.grad(total)(x), each @ (2 * weight * (each.T @ x)), tol=1e-5)
    slope = jax.jvp(total, (x,), (np.ones_like(x),))[1]
    np.testing.assert_allclose(slope, (2 * weight * (each.T @ x) * each.sum(0)[:, None]).sum(), rtol=1e-3, atol=1e-3)
    close(jax.vmap(jax.grad(total))(np.stack([x, 2 * x]))[1], 2 * (each @ (2 * weight * (each.T @ x))), tol=1e-5)
    twice = jax.grad(lambda x: (jax.grad(total)(x) ** 2).sum() / 2)(x)
    close(twice, each @ (2 * weight * (each.T @ (each @ (2 * weight * (each.T @ x))))), tol=1e-5)


def test_ops_run_at_the_rate_of_their_fastest_input():
    held = {hop: CONTROLS[hop].astype(np.float64).repeat(hop) for hop in CONTROLS}
    close(whole(control(5) * rated.x()), held[5][:FRAMES] * X)
    both = control(4) + control(8) * 2
    assert both.hop == 4
    close(whole(both), CONTROLS[4] + 2 * CONTROLS[8].astype(np.float64).repeat(2)[: len(CONTROLS[4])])
    assert (both * rated.x()).hop == 1


def test_a_recurrence_steps_once_a_tick():
    close(whole(control(8).history(init=2.0)), np.concatenate([[2.0], CONTROLS[8][:-1]]))
    close(whole(control(5).accum()), np.cumsum(CONTROLS[5], dtype=np.float64))
    close(whole(control(8).delay(2)), np.concatenate([[0, 0], CONTROLS[8][:-2]]))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_network_steps_once_a_tick():
    state, out = np.zeros(3), []
    a, b, c, d = (w.astype(np.float64) for w in WEIGHTS.values())
    for drive in np.stack([CONTROLS[5], 2 * CONTROLS[5]], 1).astype(np.float64):
        update = sigmoid(a @ drive + b @ state)
        state = (1 - update) * state + update * np.tanh(c @ drive + d @ state)
        out.append(state)
    close(whole(rated.gru(dg.stack([control(5), control(5) * 2]))), out)


def test_an_oscillator_runs_at_every_frame_whatever_its_frequency_does():
    pitch = Signal.from_samples(PITCH, hop=5)
    assert Signal.phasor(pitch).hop == 1
    held = Signal.from_samples(PITCH.repeat(5)[:FRAMES])
    np.testing.assert_array_equal(whole(Signal.phasor(pitch)), whole(Signal.phasor(held)))
    table = Tensor(LANES[:9])
    assert table.read(pitch / 300).hop == 1
    np.testing.assert_array_equal(whole(table.read(pitch / 300)), whole(table.read(held / 300)))


# What takes Hz or seconds.


def told(case):
    """Whether a case of the op table asks for the sample rate, and steps as often as its inputs come."""
    value = _built(case, 1)
    ops = [line.op for line in stage([value.node])[0].lines]
    steps = [op for op in ops if isinstance(op, Recurrence)]
    whole_run = any(isinstance(op, Block) for op in ops)
    asks = steps and any("sample_rate" in op.injected for op in ops)
    return asks and not whole_run and not any(op.every_frame for op in steps) and _hop(case) == 3


def _hop(case):
    try:
        return _built(case, 3).hop
    except dg.ArgumentError as e:
        if not re.search("a value (of )?every frame", str(e)):
            raise
        return 1


def _built(case, hop):
    """The value of a case, its signals at a hop."""
    random = np.random.default_rng(zlib.crc32(case.id.encode()))

    def drawn(x):
        value = x.draw(random) if isinstance(x, cases.Drawn) else x
        moves = isinstance(value, cases.Lazy) and value.node.spec.varies
        return Signal.from_samples(value.value, hop=hop) if moves else value

    return (case.call or case.op)(*cases.ref.over(case.inputs, drawn), **case.params)


RATED_CASES = [case for case in cases.TABLE if told(case)]


def test_the_table_has_all_ops_that_ask_for_the_sample_rate():
    names = {case.op.__name__ for case in RATED_CASES}
    assert {"biquad", "svf", "ladder", "smooth", "adsr", "compressor", "karplus_strong"} <= names


@pytest.mark.parametrize("case", [pytest.param(c, id=c.id) for c in RATED_CASES])
def test_an_op_that_takes_hertz_or_seconds_is_at_a_hop_what_it_is_at_a_slower_rate(case):
    with DGen.override(sample_rate=1000.0):
        expected = _built(case, 1).realize()
    with DGen.override(sample_rate=3000.0):
        slow = _built(case, 3)
        assert slow.hop == 3
        close(slow.realize(3 * len(expected)), expected, 1e-6)


def test_coefficients_that_come_once_a_tick_are_those_of_the_rate_of_what_is_filtered():
    cutoff = 1000 + 3000 * CONTROLS[4]
    held = Signal.from_samples(cutoff.repeat(4)[:FRAMES])
    close(whole(rated.x().biquad(Signal.from_samples(cutoff, hop=4))), whole(rated.x().biquad(held)))
    slow = Signal.from_samples(cutoff, hop=4)
    both = rated.x().svf(slow) + control(4).svf(slow).upsample("hold")  # one control, filters of two rates
    with DGen.override(sample_rate=44100 / 4):
        at_ticks = Signal.from_samples(CONTROLS[4]).svf(Signal.from_samples(cutoff)).realize()
    close(whole(both), whole(rated.x().svf(held)) + at_ticks.repeat(4)[:FRAMES], 1e-5)


def test_a_filter_inside_a_loop_has_the_rate_of_the_loop():
    def echo(x):
        return dg.feedback(lambda before: x + 0.5 * before.biquad(900.0).delay(9))

    slow = echo(control(4))
    assert slow.hop == 4
    with DGen.override(sample_rate=44100 / 4):
        expected = echo(Signal.from_samples(CONTROLS[4])).realize()
    close(slow.realize(), expected)


def test_a_loop_runs_at_the_rate_of_the_fastest_of_what_enters():
    assert dg.feedback(lambda before: 0.5 * before + control(8)).hop == 8
    assert dg.feedback(lambda before: 0.5 * before + control(8) * control(4)).hop == 4
    assert dg.feedback(lambda before: 0.5 * before + control(8) + control(4).upsample()).hop == 1
    assert dg.feedback(lambda before: 0.5 * before + control(8) + Signal.noise()).hop == 1
    assert dg.feedback(lambda before: 0.5 * before + 1.0).hop == 1
    with pytest.raises(ShapeError, match="every 4 frames does not go with one every 5"):
        dg.feedback(lambda before: 0.5 * before + control(4) + control(5))


# Latency.


def test_latency_is_the_most_that_any_way_looks_ahead():
    x = rated.x()
    assert x.latency == control(4).latency == Tensor([1.0]).latency == x.biquad(900.0).latency == 0
    assert x.stft(16, 4).real.latency == 7
    assert x.stft(16, 4).istft().latency == 15
    assert [control(5).upsample(m).latency for m in ("hold", "linear", "window", "cubic")] == [0, 4, 4, 9]
    assert [x.windows(6, 4, a).latency for a in ("start", "centre", "end", 2)] == [5, 2, 0, 3]
    assert [x.windows(6, 4).overlap_add(a).latency for a in ("start", "centre", "end")] == [2, 5, 7]
    assert (x + x.stft(16, 4).istft() + x.stft(8, 2).istft()).latency == 15
    assert x.stft(16, 4).istft().stft(8, 2).istft().latency == 22
    assert dg.function(x.stft(16, 4).istft()).latency == 15
    assert x.downsample(4).latency == 0


def test_a_stream_of_ticks_gives_a_tick_for_each_that_falls_into_a_block():
    value = control(8) + 0.0
    assert [len(value.realize(5, preserve_state=True)) for _ in range(10)] == [1, 1, 0, 1, 1, 0, 1, 0, 1, 1]


def test_one_program_is_compiled_for_each_block_length():
    graphs = [
        rated.x().stft(16, 4).istft().accum(),
        control(8) * control(4) * rated.x(),
        Signal.input(1, hop=3).upsample() + rated.x().windows(8, 3)[0],
    ]
    for value in graphs:
        value.latency  # noqa: B018 - stages it
        with compilations() as compiled:
            at = 0
            for _ in range(8):
                ticks = -(-(at + 7) // 3) - -(-at // 3)
                value.realize(7, inputs={0: np.ones(7), 1: np.ones(ticks)}, preserve_state=True)
                at += 7
        assert len(compiled) <= 2  # one makes the first state


def test_a_snapshot_inside_the_latency_goes_on():
    padded = np.concatenate([X, np.zeros(15, np.float32)])
    value, again = ALL["dry and wet"](), ALL["dry and wet"]()
    first = value.realize(7, inputs={0: padded[:7]}, preserve_state=True)
    again.load_state(value.save_state())
    rest = again.realize(69, inputs={0: padded[7:]}, preserve_state=True)
    close(np.concatenate([first, rest])[15:], whole(value))


def test_a_stream_goes_on_where_its_position_wraps():
    value = rated.x().stft(12, 3).istft() + rated.x().windows(3, 3).sum().accum().upsample("hold")
    noise = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    blocks = [noise[k : k + 50] for k in range(0, 200, 50)]
    plain = [value.realize(50, inputs={0: b}, preserve_state=True) for b in blocks]
    value.reset()
    value.realize(50, inputs={0: blocks[0]}, preserve_state=True)
    snapshot = value.save_state()
    for name, moved in (("position", 2**32 - 20), ("clock", 3 * (2**29 // 3) - 60)):
        key = next(k for k in snapshot if name in k)
        value.load_state({**snapshot, key: np.array(snapshot[key] * (name == "clock") + moved, snapshot[key].dtype)})
        wrapped = [value.realize(50, inputs={0: b}, preserve_state=True) for b in blocks[1:]]
        np.testing.assert_allclose(wrapped, plain[1:], atol=1e-6)


def test_samples_of_a_stream_may_be_flushed_but_not_be_passed():
    value = Signal.from_samples(X).stft(16, 4).istft()
    got = value.realize(FRAMES + 15, preserve_state=True)
    close(got[15:], X, 1e-6)
    with pytest.raises(InputError, match="61 frames of samples"):
        value.realize(1, preserve_state=True)


def test_values_of_unequal_latency_are_realized_together_as_late_as_the_latest():
    late, early, ticks = rated.x().stft(16, 4).istft(), rated.x() + 0.0, control(4) + 0.0
    for got, value in zip(dg.realize(late, early, ticks, frames=FRAMES, inputs=INPUTS), (late, early, ticks)):
        close(got, whole(value))
    padded = np.concatenate([X, np.zeros(15, np.float32)])
    blocks = [dg.realize(late, early, frames=19, inputs={0: padded[k : k + 19]}, preserve_state=True) for k in range(0, 76, 19)]
    for got in map(np.concatenate, zip(*blocks)):
        assert not got[:15].any()
        close(got[15:], X, 1e-6)


@pytest.mark.parametrize(
    ("size", "build"),
    [
        (FRAMES, lambda: Signal.from_samples(X).windows(200, 8).sum()),
        (70, lambda: (rated.x().stft(128, 64, align="end") * Signal.from_samples([1.0, 2.0], hop=64)).istft()),
    ],
)
def test_samples_as_many_as_a_block_has_are_not_played_again_in_the_next(size, build):
    value = build()
    expected, latency = whole(value), value.latency
    sizes = [size] * (-(-(FRAMES + latency) // size) - 1)
    sizes.append(FRAMES + latency - sum(sizes))
    close(streamed(value, sizes)[latency // value.hop :][: len(expected)], expected)


# Batches, pure functions, gradients.


def test_a_batch_is_its_examples_whole_and_streamed():
    value = (Signal.input(0).stft(16, 4) * Signal.from_samples(MASK, hop=4)).istft().onepole(0.3) + Signal.noise(seed=1)
    batch = np.stack([X, 2 * X, X[::-1]])
    together = value.realize(inputs={0: batch})
    for one, x in zip(together, batch):
        close(one, value.realize(inputs={0: x}))
    longer = np.concatenate([batch, np.zeros((3, value.latency), np.float32)], 1)
    blocks = [value.realize(19, inputs={0: longer[:, k : k + 19]}, preserve_state=True) for k in range(0, 76, 19)]
    close(np.concatenate(blocks, 1)[:, 15:], together)


def test_batched_ticks():
    ticks = Signal.from_samples(np.stack([CONTROLS[4], 2 * CONTROLS[4]]), batched=True, hop=4)
    assert ticks.realize().shape == (2, 16)
    close((ticks.accum() * rated.x()).realize(inputs=INPUTS)[1], 2 * whole(control(4).accum() * rated.x()))


def test_a_pure_function_is_late_and_its_whole_run_is_not():
    value = (Signal.input(0).stft(16, 4) * Signal.input(1, hop=4)).istft() + Signal.input(2, hop=8).upsample()
    fn = dg.function(value)
    given = {0: X, 1: CONTROLS[4], 2: CONTROLS[8]}
    expected = value.realize(inputs=given)
    close(fn.whole(inputs=given), expected)
    ends = {1: (4, CONTROLS[4]), 2: (8, CONTROLS[8])}
    padded = np.concatenate([X, np.zeros(16, np.float32)])
    state, out, at = None, [], 0
    for size in (7, 13, 1, 2, 20, 16, 17):
        inputs = {0: padded[at : at + size]}
        for name, (hop, ticks) in ends.items():
            longer = np.concatenate([ticks, np.repeat(ticks[-1:], 5)])
            inputs[name] = longer[-(-at // hop) : -(-(at + size) // hop)]
        y, state = fn(None, inputs, state)
        out.append(y)
        at += size
    close(np.concatenate(out)[15:][:FRAMES], expected)


def test_a_pure_function_names_inputs_of_the_wrong_number_of_ticks():
    fn = dg.function(Signal.input(0) * Signal.input(1, hop=4))
    with pytest.raises(InputError, match=r"every 4 frames has 9; 61 frames hold 15 or 16 ticks"):
        fn(inputs={0: X, 1: np.ones(9)})


def test_a_pure_function_that_knows_where_it_is_misses_the_last_tick():
    fn = dg.function(Signal.input(0) * Signal.input(1, hop=4))
    with pytest.raises(InputError, match="every 4 frames has 1; the 5 frames from 0 on hold 2 ticks"):
        fn(inputs={0: X[:5], 1: np.ones(1)})
    _, state = fn(inputs={0: X[:5], 1: np.ones(2)})
    out, _ = fn(inputs={0: X[5:10], 1: [3.0]}, state=state)  # one tick, at frame 8
    close(out, X[5:10] * [1, 1, 1, 3, 3])


def differences(loss, leaf, picked):
    """Central differences of a loss, by `realize`."""
    at, out = leaf.value.copy(), []
    for i in picked:
        sides = []
        for sign in (1, -1):
            moved = at.copy()
            moved[i] += sign * 1e-2
            leaf.value = moved
            sides.append(float(loss.realize(FRAMES, inputs=INPUTS).astype(np.float64).mean()))
        out.append((sides[0] - sides[1]) / 2e-2)
    leaf.value = at
    return out


def test_gradients_go_through_spectra_ticks_and_loops():
    mask = Tensor(MASK[0], requires_grad=True)
    loss = dg.mse((rated.x().stft(16, 4) * mask).istft(), X[0].item())
    loss.backward(FRAMES, inputs=INPUTS)
    np.testing.assert_allclose(mask.grad.value[[1, 4, 8]], differences(loss, mask, [1, 4, 8]), rtol=2e-3, atol=2e-5)


def test_the_gradient_of_silence_is_finite():
    spectrum = Signal.from_samples(np.zeros(64), requires_grad=True)
    s = spectrum.stft(16, 4)
    loss = (s.abs().sum() + s.angle().sum()).mean() + Spectrum.polar(s.abs(), s.angle()).istft().mean()
    loss.backward()
    assert np.isfinite(spectrum.grad.value).all()


def framed_fft(x, size, hop):
    """Spectra by definition: periodic Hann windows centred at every hop, zeros outside."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    padded = np.concatenate([np.zeros(size // 2), x, np.zeros(size)]).astype(np.float64)
    return np.array([np.fft.rfft(padded[k : k + size] * window) for k in range(0, len(x), hop)]).reshape(-1, size // 2 + 1)


@pytest.mark.parametrize("frames", [0, 1, 5, 61])
def test_a_spectrum_realizes_as_complex_rows_of_bins(frames):
    found = Signal.input(0).stft(16, 4).realize(inputs={0: X[:frames]})
    assert found.dtype == np.complex64
    assert found.shape == (-(-frames // 4), 9)
    np.testing.assert_allclose(found, framed_fft(X[:frames], 16, 4), atol=2e-6)
    np.testing.assert_allclose((2 * Signal.input(0).stft(16, 4)).realize(frames, inputs={0: X[:frames]}), 2 * found, atol=2e-6)


def test_a_spectrum_of_lanes_and_of_a_batch_realizes_as_its_parts_do():
    stereo = np.stack([X, 2 * X], axis=1)
    found = Signal.from_samples(stereo).stft(16, 4).realize()
    np.testing.assert_allclose(found, np.stack([framed_fft(x, 16, 4) for x in stereo.T], axis=1), atol=4e-6)
    batch = Signal.input(0).stft(16, 4).realize(inputs={0: stereo.T})
    np.testing.assert_allclose(batch, np.moveaxis(found, 1, 0), atol=4e-6)


def test_a_part_of_a_spectrum_that_is_not_finite_leaves_the_other_alone():
    s = Signal.input(0).stft(4, 2, align="start")
    s = Spectrum(s.real * 0 + np.inf, s.imag * 0 + 1.0, s.size, s.hop, s.before)
    np.testing.assert_array_equal(s.realize(inputs={0: np.ones(2)}), np.full((1, 3), complex(np.inf, 1.0)))


def test_a_spectrum_streams_and_begins_again():
    whole = Signal.from_samples(X).stft(16, 4, align="end").realize()
    s = Signal.input(0).stft(16, 4, align="end")
    for _ in range(2):
        blocks = [s.realize(inputs={0: X[a:b]}, preserve_state=True) for a, b in ((0, 5), (5, 5), (5, 40), (40, len(X)))]
        np.testing.assert_allclose(np.concatenate(blocks), whole, atol=2e-6)
        s.reset()
    with pytest.raises(InputError, match="no samples for channel 0"):
        s.realize(4)
    with pytest.raises(ArgumentError, match="frames=-1"):
        s.realize(-1)


# Losses at rates.


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("frames", [1, 5, 61])
def test_each_term_of_a_loss_counts_at_its_own_ticks(frames, reduction):
    ticks = {hop: CONTROLS[hop][: -(-frames // hop)].astype(np.float64) for hop in (4, 8)}
    sound, reduce = X[:frames].astype(np.float64), getattr(np, reduction)
    gain, weight = Signal.param(0.7), Tensor(0.5, requires_grad=True)

    def loss(gain, weight):
        audio, slow = reduce((sound * gain - 0.3) ** 2), reduce((ticks[4] * gain**2 - 0.1) ** 2)
        return audio + 2 * (slow + reduce(weight * ticks[8])) / 4 + weight**2

    slow = dg.mse(Signal.input(1, hop=4) * gain**2, 0.1) + weight * Signal.input(2, hop=8)
    built = dg.mse(rated.x() * gain, 0.3) + 2 * slow / 4 + weight**2
    got = built.backward(frames, inputs={0: X, 1: CONTROLS[4], 2: CONTROLS[8]}, reduction=reduction)
    step = 1e-6
    assert got == pytest.approx(loss(0.7, 0.5), rel=1e-5)
    by_gain = (loss(0.7 + step, 0.5) - loss(0.7 - step, 0.5)) / (2 * step)
    by_weight = (loss(0.7, 0.5 + step) - loss(0.7, 0.5 - step)) / (2 * step)
    np.testing.assert_allclose([gain.grad.value, weight.grad.value], [by_gain, by_weight], rtol=1e-4)


@pytest.mark.parametrize("loss", [dg.mse, dg.spectral_loss])
@pytest.mark.parametrize(("pred", "target"), [(rated.x, lambda: control(8)), (lambda: control(8), lambda: control(4))])
def test_a_loss_of_unequal_hops_is_an_error(loss, pred, target):
    with pytest.raises(ShapeError, match=r"_loss: .*of one hop, not every \d and every 8|mse: .*of one hop, not every \d and"):
        loss(pred(), target())
    assert dg.mse(control(8), 0.5).hop == dg.mse(control(8), Signal.param(0.5)).hop == 8


def test_a_call_of_a_function_that_sees_the_whole_run_sees_ticks_and_nothing_late():
    loss = dg.spectral_loss(control(4).biquad(900.0), 0.1 * control(4), window_size=8)
    np.testing.assert_allclose(dg.function(loss)(frames=FRAMES)[0], loss.realize(), rtol=1e-6)
    late = dg.function(dg.spectral_loss(rated.x().stft(16, 4).istft(), rated.x().delay(1), window_size=8))
    with pytest.raises(ArgumentError, match=r"function: spectral_loss sees the whole run, .*late in a call; call whole\(\)"):
        late(inputs={0: X})
    assert np.isfinite(late.whole(inputs={0: X}))


# Errors.


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: control(4) + control(5), ShapeError, "add: .*every 4 frames does not go with one every 5"),
        (lambda: dg.feedback(lambda p: p + p.windows(4, 2).sum()), ArgumentError, "windows changes the rate or looks ahead"),
        (lambda: dg.feedback(lambda p: rated.x() + p.stft(8, 2).istft()), ArgumentError, "feedback: windows changes the rate"),
        (lambda: dg.feedback(lambda p: control(4) + p.upsample()), ArgumentError, "feedback: upsample changes the rate"),
        (lambda: control(4).windows(4, 2), ArgumentError, "windows: it takes a value every frame, this one comes every 4"),
        (lambda: rated.x().stft(16, 20), ArgumentError, "stft: hop=20 leaves frames that no window of 16 covers"),
        (lambda: rated.x().stft(16, 4) * rated.x(), ArgumentError, "a mask with a value every 1 frames does not go with hop=4"),
        (lambda: rated.x().stft(16, 4) * control(5), ArgumentError, "a mask with a value every 5 frames"),
        (lambda: rated.x().stft(16, 4) * rated.x().stft(16, 8), ArgumentError, "takes spectra of the same windows"),
        (lambda: rated.x().windows(4, 2, "middle"), ArgumentError, "windows: align='middle' is not one of"),
        (lambda: rated.x().windows(4, 2, 4), ArgumentError, "windows: align=4: the tick would lie behind its window of 4"),
        (lambda: rated.x().windows(4, 0), ArgumentError, "windows: hop=0 is less than 1"),
        (lambda: control(4).upsample("sinc"), ArgumentError, "upsample: method='sinc' is not one of hold, linear"),
        (lambda: Tensor([1.0]).upsample(), ShapeError, "upsample: takes a Signal"),
        (lambda: control(4).downsample(6), ArgumentError, "downsample: hop=6 is not a multiple of 4"),
        (lambda: rated.x().overlap_add(), ShapeError, "overlap_add: .*its last axis is the window"),
        (lambda: Tensor([1.0, 2.0]).overlap_add(), ArgumentError, "overlap_add: .*this value does not vary"),
        (lambda: Spectrum.polar(Tensor([1.0, 2.0]), 0.0), ArgumentError, "Spectrum.polar: magnitude and angle do not vary"),
        (lambda: Spectrum.polar(control(4) * np.ones(3), 0.0), ArgumentError, "Spectrum.polar: hop=4 leaves frames that no"),
        (lambda: Signal.input(0, hop=0), ArgumentError, "Signal.input: hop=0 is less than 1"),
        (lambda: Signal.from_samples([1.0], hop=2**29), ArgumentError, "Signal.from_samples: hop=536870912 is more than"),
        (lambda: Tensor(1.0).rfft(), ShapeError, "rfft: takes values with a last axis"),
        (
            lambda: Signal.input(0, hop=2**20 + 1).upsample() + Signal.input(1, hop=2**20 + 3).upsample(),
            ArgumentError,
            "add: hops of 1048577, 1048579 meet only every 1099515822083 frames, which is not less than 536870912",
        ),
        (lambda: rated.x().windows(2**29, 2**29), ArgumentError, "windows: hops of 536870912 meet"),
        (
            lambda: dg.realize(
                Signal.input(0, hop=2**20 + 1), Signal.input(1, hop=2**20 + 3), frames=2, inputs={0: [1], 1: [1]}
            ),
            ArgumentError,
            "realize: hops of 1048577, 1048579 meet",
        ),
        (lambda: control(5).realize(100), InputError, "Signal.from_samples: 65 frames of samples, but frames 0 to 100"),
        (lambda: Signal.input(1, hop=5).realize(100, inputs={1: CONTROLS[5]}), InputError, "channel 1 has 13"),
    ],
)
def test_what_cannot_be_is_said_where_it_is_built(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_what_does_not_wait_for_the_loop_may_look_ahead_inside_it():
    value = dg.feedback(lambda before: rated.x() + 0.1 * before + rated.x().windows(4, 2).sum().upsample("hold"))
    assert value.latency == 1


def test_nothing_happens_to_graphs_that_have_no_rates():
    program = stage([(rated.x().biquad(900.0) + Signal.noise()).node])[0]
    assert not program.rated
    assert not [line for line in program.lines if isinstance(line.op, Recurrence) and line.op.__name__ in ("clock", "late")]


@pytest.mark.parametrize("frames", [0, 1])
@pytest.mark.parametrize("name", ["vocoder", "upsample, cubic", "bank", "windows, start", "two hops and frames", "downsample"])
def test_runs_of_no_frame_and_of_one(name, frames):
    value = ALL[name]()
    got = whole(value, frames)
    assert len(got) == frames
    assert np.isfinite(got).all()
    assert len(streamed(ALL[name](), [frames, 3])) >= 1 if value.hop == 1 else True


@pytest.mark.parametrize(("size", "align"), [(1, "centre"), (2, "end"), (3, "start"), (4, 1)])
def test_a_block_of_no_frame_may_come_between_windows_that_leave_frames_out(size, align):
    value = rated.x().windows(size, 9, align)
    wanted = whole(value, 40)
    got = streamed(rated.x().windows(size, 9, align), [0, 3, 0, 7, 30 + value.latency])
    np.testing.assert_array_equal(got[value.latency // 9 :][: len(wanted)], wanted)


def test_a_late_value_is_the_value():
    np.testing.assert_array_equal(whole(late(rated.x(), 5)), X)
