"""What is bounded: programs that are kept, memory that a run may take, streams of groups, and how long a NaN is heard."""

import itertools
import logging
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from compilations import compilations
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, DGenError, OutOfMemoryError, Signal, Tensor
from dgenlazy.run import cache, memory, runtime

# Programs that are kept.


@pytest.fixture
def small(monkeypatch):
    """Room for 20 programs, and a clean slate."""
    monkeypatch.setattr(cache, "_held", OrderedDict())
    monkeypatch.setattr(cache, "MOST", 20)


def test_programs_of_all_kinds_share_one_bound_and_the_oldest_go_first(small):
    y = Signal.input(0) * Signal.param(2.0)
    fn = dg.function(y)
    for frames in range(1, 24):
        x = {0: np.ones(frames, np.float32)}
        y.realize(inputs=x)
        if frames > 17:
            y.backward(inputs=x), fn(None, x)
        assert len(cache._held) <= 20
    again = Signal.input(0) * Signal.param(2.0)  # without a gradient, which would be added to: a program of JAX, not of ours
    for call in (lambda: again.realize(inputs=x), lambda: again.backward(inputs=x), lambda: fn(None, x)):
        with compilations() as compiled:
            call()
        assert not compiled
    with compilations() as compiled:
        np.testing.assert_array_equal(y.realize(inputs={0: [3.0]}), [6.0])
    assert compiled


def test_a_program_in_use_stays(small):
    ramp, y = Signal.constant(1.0).accum(), Signal.input(0) * 2
    ramp.realize(8, preserve_state=True), ramp.realize(8, preserve_state=True)
    for frames in range(30, 56):
        y.realize(inputs={0: np.ones(frames)})
        with compilations() as compiled:
            ramp.realize(8, preserve_state=True)
        assert not compiled


def test_samples_of_many_lengths_are_many_programs(small):
    before = runtime._compiled.cache_info().misses
    for frames in range(10, 20):
        (Signal.from_samples(np.ones(frames)) * 2.0).realize(5)
    assert runtime._compiled.cache_info().misses == before + 10
    y = Signal.from_samples(np.arange(20.0))
    np.testing.assert_array_equal([y.realize(4, preserve_state=True) for _ in range(5)], np.arange(20.0).reshape(5, 4))


def test_a_player_of_blocks_of_many_lengths_is_bounded_too(small, tmp_path):
    pytest.importorskip("flatbuffers")
    digest = dg.export(Signal.input(0).accum(), tmp_path / "a.dgen")
    player = dg.load(tmp_path / "a.dgen", sha256=digest)
    for frames in range(1, 25):
        assert player.process(np.ones(frames))[-1] == frames
        player.reset()
    assert len(cache._held) == 20


def test_programs_go_when_the_process_has_half_of_the_pieces_it_may_have(monkeypatch):
    for name, value in {"_held": OrderedDict(), "_EVERY": 2, "allowed": lambda: 400}.items():
        monkeypatch.setattr(cache, name, value)
    monkeypatch.setattr(cache, "pieces", lambda: 20 * len(cache._held))  # of 20 pieces each
    y, most = Signal.input(0) * 2, 0
    for frames in range(60, 76):
        y.realize(inputs={0: np.ones(frames)})
        most = max(most, len(cache._held))
    assert most in (10, 11)
    assert len(cache._held) >= 5


def test_programs_go_when_they_take_more_bytes_than_they_may(monkeypatch):
    taken = itertools.count(2**30, 5 * 2**20)
    for name, value in {"_held": OrderedDict(), "MOST_BYTES": 50 * 2**20, "resident": lambda: next(taken)}.items():
        monkeypatch.setattr(cache, name, value)
    y, sizes = Signal.input(0) * 2, []
    for frames in range(80, 111):  # of 5 MiB each
        y.realize(inputs={0: np.ones(frames)})
        sizes.append((len(cache._held), cache.held_bytes()))
    assert sizes[8] == (9, 45 * 2**20)
    assert max(sizes)[0] in (10, 11)
    assert min(sizes[11:])[0] >= 7
    with compilations() as compiled:
        y.realize(inputs={0: np.ones(110)})
    assert not compiled


def test_a_program_takes_at_least_something_and_what_it_runs_on_does_not_count(monkeypatch):
    monkeypatch.setattr(cache, "_held", OrderedDict())
    y = Signal.input(0) * 3
    for frames in (3, 2**22):  # whose samples are 16 MiB
        y.realize(inputs={0: np.ones(frames, np.float32)})
    assert 2 * 2**20 <= cache.held_bytes() < 14 * 2**20


def test_where_nobody_counts_bytes_programs_are_bounded_all_the_same(monkeypatch):
    for name, value in {"_held": OrderedDict(), "MOST_BYTES": 20 * 2**20, "resident": lambda: 0}.items():
        monkeypatch.setattr(cache, name, value)
    y = Signal.input(0) * 2
    for frames in range(120, 132):
        y.realize(inputs={0: np.ones(frames)})
        assert len(cache._held) <= 6


def test_functions_of_equal_graphs_share_their_programs():
    def build(k):
        return dg.function(Signal.input(0).onepole(0.1) * k)

    build(2.0)(None, {0: np.ones(37, np.float32)})
    with compilations() as compiled:
        last, _ = build(3.0)(None, {0: np.ones(37, np.float32)})
    assert not compiled
    np.testing.assert_allclose(last[0], 0.3, rtol=1e-6)


SCRIPT = """
import numpy as np, dgenlazy as dg
from dgenlazy import Signal
from dgenlazy.run import cache
y, room, most = Signal.input(0).biquad(Signal.param(1000.0)), {room}, 0
loss = dg.mse(y, 0.0)
for frames in range(1, {lengths}):
    x = {{0: np.ones(frames, np.float32)}}
    y.realize(inputs=x) if room else loss.backward(inputs=x)
    if frames == 1 and room:  # make it narrow
        allowed = 2 * (cache.pieces() + room)
        cache.allowed, cache._EVERY = lambda: allowed, 2
    most = max(most, cache.pieces())
print(most, cache.allowed() // 2)
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="nobody counts pieces here")
@pytest.mark.parametrize(
    ("lengths", "room"),
    [(42, 100), pytest.param(2001, 0, marks=pytest.mark.skipif(not THOROUGH, reason="half an hour; DGENLAZY_EVERY=1"))],
    ids=["short", "gradients"],
)
def test_runs_of_many_lengths_in_a_row_stay_within_what_a_process_may_map(lengths, room):
    env = {**os.environ, "PYTHONPATH": str(Path(dg.__file__).parent.parent)}
    script = SCRIPT.format(lengths=lengths, room=room)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    most, half = map(int, done.stdout.split())
    assert most < half + (800 if room else 2500)  # those in use, and what is made between two counts


# Memory.


def product(rows, columns):
    return Tensor(np.ones((rows, 1))) * Tensor(np.ones((1, columns)))


HUGE = {
    "product": (
        lambda: Tensor(np.ones((2**20, 1))) * Tensor(np.ones((1, 2**24))),
        "mul: shape .1048576, 16777216. takes 65,536",
    ),
    "what is summed": (
        lambda: (Tensor(np.ones((2**20, 1))) * Tensor(np.ones((1, 2**24)))).sum(),
        "mul: shape .1048576, 16777216.",
    ),
    "outer product": (lambda: Tensor(np.ones((2**20, 1))) @ Tensor(np.ones((1, 2**24))), "matmul: shape"),
    "lanes": (lambda: Signal.phasor(Tensor(np.ones(2**20))) * 1.0, "ramp: shape .16777216, 1048576."),
    "noise": (lambda: Signal.noise(shape=(2**20,)) * 1.0, "noise: shape"),
    "a constant": (lambda: Tensor(np.ones(2**20)) * Signal.constant(1.0), "realize: all that is returned: shape"),
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_beyond_any_memory_is_an_error_that_names_it(name):
    build, says = HUGE[name]
    y = build()
    with pytest.raises(MemoryError, match=says) as caught:
        y.realize(2**24)
    assert isinstance(caught.value, (OutOfMemoryError, DGenError))
    assert "GiB" in str(caught.value)


def test_gradients_batches_and_functions_are_held_to_it_too():
    a, b = Tensor(np.ones((2**20, 1)), requires_grad=True), Tensor(np.ones((1, 2**24)))
    with pytest.raises(OutOfMemoryError, match="mul: shape"):
        (a * b).mean().backward()
    assert a.grad is None
    with pytest.raises(OutOfMemoryError, match="mul: shape"):
        dg.function(a * b)()
    lanes = Tensor(np.ones(2**22)) * Signal.input(0)
    with pytest.raises(OutOfMemoryError, match=r"mul: shape \(4096, 512, 4194304\)"):
        lanes.realize(inputs={0: np.zeros((4096, 512))})
    with pytest.raises(OutOfMemoryError, match="ramp: shape"):
        dg.spectral_loss(Signal.phasor(Tensor(np.ones(2**20))) * 1.0, 0.0).realize(2**24)


@pytest.mark.parametrize("make", [Tensor.zeros, Tensor.ones, Tensor.randn, lambda shape: Tensor.full(shape, 2.0)])
def test_data_beyond_any_memory_is_an_error_where_it_is_made(make):
    with pytest.raises(OutOfMemoryError, match=r"shape \(1048576, 16777216\) takes 65,536.0 GiB of memory"):
        make((2**20, 2**24))


def test_what_memory_does_not_suffice_for_after_all_is_an_error_and_not_the_end(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda where=None: np.inf)
    x, y, z = (Tensor.ones(tuple(np.insert([1, 1], axis, 2**20))) for axis in range(3))
    with pytest.raises(OutOfMemoryError, match="ut of memory"):
        (x * y * z).realize()  # 2**62 bytes, which no machine can even address
    np.testing.assert_array_equal((Tensor([1.0]) * 2).realize(), [2])


def test_a_value_that_is_computed_piece_by_piece_may_be_larger_than_memory(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda where=None: 2.0**29)
    np.testing.assert_allclose(product(2**13, 2**15).sum().realize(), 2.0**28)
    with pytest.raises(OutOfMemoryError, match="mul"):
        product(2**13, 2**15).realize()


# Streams of groups.


def test_a_group_whose_values_are_made_anew_for_each_block_is_an_error():
    ramp = Signal.constant(1.0).accum()

    def block():
        return dg.realize(ramp, ramp * 2, frames=2, preserve_state=True)

    block()
    for _ in range(3):
        with pytest.raises(ArgumentError, match="outside of the loop"):
            block()
    double = ramp * 2
    ramp.reset()
    for expected in ([1, 2], [3, 4]):
        a, b = dg.realize(ramp, double, frames=2, preserve_state=True)
        np.testing.assert_array_equal(a, expected)
        np.testing.assert_array_equal(b, 2 * a)


@pytest.mark.parametrize(
    "made", [lambda x: x * np.float32([1.0, 2.0]), lambda x: Signal.input(0), lambda x: x + Signal.noise(), lambda x: x.accum()]
)
def test_it_is_found_out_whatever_the_value_is(made):
    ramp, inputs = Signal.constant(1.0).accum(), {0: np.ones(2)}
    dg.realize(ramp, made(ramp), frames=2, inputs=inputs, preserve_state=True)
    with pytest.raises(ArgumentError, match="made again"):
        dg.realize(ramp, made(ramp), frames=2, inputs=inputs, preserve_state=True)


def test_groups_of_ever_new_values_are_let_go():
    ramp = Signal.constant(1.0).accum()
    for k in range(50):
        a, b = dg.realize(ramp, ramp * float(k), frames=1, preserve_state=True)
        assert (a, b) == (1, k)
    assert len(ramp._streams) <= 2
    held = [ramp * float(k) for k in range(5)]
    for block in range(1, 4):
        for k, other in enumerate(held):
            a, b = dg.realize(ramp, other, frames=1, preserve_state=True)
            assert (a, b) == (block, k * block)
    assert len(ramp._streams) <= 6


def test_a_group_that_ran_and_was_built_again_begins_again():
    ramp = Signal.constant(1.0).accum()
    for _ in range(2):  # as a cell of a notebook that is run again
        double = ramp * 2
        for block in (1, 2, 3):
            assert dg.realize(ramp, double, frames=1, preserve_state=True)[0] == block
        del double


# Not finite.


def spoilt(frames, at, value=np.nan):
    x = np.ones(frames, np.float32)
    x[at] = value
    return x


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "build",
    [
        lambda x: x.biquad(1000.0),
        lambda x: x.onepole(0.5).onepole(0.5),
        lambda x: dg.feedback(lambda prev: x + 0.5 * prev.delay(20.0)),
        lambda x: x.svf(500.0) + x.delay(3.0),
        lambda x: x.accum() * Signal.phasor(440.0),
    ],
)
def test_a_stream_that_a_nan_got_into_recovers_with_the_next_block_and_counts_it(build, value):
    x = Signal.input(0)
    y, clean = build(x), build(x)
    block, bad = {0: np.ones(32, np.float32)}, {0: spoilt(32, 30, value)}
    y.realize(inputs=bad, preserve_state=True), clean.realize(inputs=block, preserve_state=True)
    assert not np.isfinite(y.realize(inputs=block, preserve_state=True)).all()
    assert y.restarts == 0  # it is what mathematics says
    with DGen.override(flush_nan=True):
        y.realize(inputs=block, preserve_state=True)
        assert y.restarts == 1
        for _ in range(3):
            assert np.isfinite(y.realize(inputs=block, preserve_state=True)).all()
        assert y.restarts == 1
        first = y.realize(inputs=bad, preserve_state=True)
        assert not np.isfinite(first).all()
        assert np.isfinite(y.realize(inputs=block, preserve_state=True)).all()
        assert y.restarts == 2
        y.reset()
        assert y.restarts == 0
        fresh = build(x).realize(inputs=block, preserve_state=True)
        np.testing.assert_array_equal(y.realize(inputs=block, preserve_state=True), fresh)


def test_only_what_is_not_finite_begins_again():
    x, start = Signal.input(0), Signal.param(0.5)
    group = x.accum(), Signal.constant(1.0).accum(), x.history(init=start)
    with DGen.override(flush_nan=True):
        dg.realize(*group, inputs={0: spoilt(4, 3)}, preserve_state=True)
        a, b, c = dg.realize(*group, inputs={0: np.ones(2)}, preserve_state=True)
    np.testing.assert_array_equal([a, b, c], [[1, 2], [5, 6], [0.5, 1]])
    assert [y.restarts for y in group] == [1, 1, 1]  # of the stream that they share


def test_of_a_batch_only_the_example_that_is_not_finite_begins_again():
    y = Signal.input(0).accum()
    with DGen.override(flush_nan=True):
        y.realize(inputs={0: np.stack([np.ones(4), spoilt(4, 1), np.ones(4)])}, preserve_state=True)
        got = y.realize(inputs={0: np.ones((3, 1))}, preserve_state=True)
    np.testing.assert_array_equal(got, [[5], [1], [5]])


def test_a_stream_that_stays_finite_is_the_same_to_the_bit_and_compiles_nothing_more():
    x, block = Signal.input(0), {0: np.random.default_rng(0).uniform(-1, 1, 32)}
    y, other = (dg.feedback(lambda prev: x.biquad(900.0) + 0.5 * prev.delay(9.0)) for _ in range(2))
    expected = [other.realize(inputs=block, preserve_state=True) for _ in range(4)]
    with compilations() as compiled, DGen.override(flush_nan=True):
        np.testing.assert_array_equal([y.realize(inputs=block, preserve_state=True) for _ in range(4)], expected)
    assert not compiled
    assert y.restarts == 0


def test_an_input_that_is_not_finite_is_named_in_the_log(caplog):
    y = Signal.input(3) * 1.0
    with caplog.at_level(logging.WARNING, "dgenlazy"):
        y.realize(inputs={3: spoilt(8, 5)})
        assert not caplog.messages
        with DGen.override(flush_nan=True):
            y.realize(inputs={3: spoilt(8, 5)})
            y.realize(inputs={3: np.ones(4)}, preserve_state=True)
            y.realize(inputs={3: spoilt(8, 2, np.inf)}, preserve_state=True)
    assert caplog.messages == ["Signal.input(3): nan at frame 5", "Signal.input(3): inf at frame 6"]


@pytest.mark.parametrize("frames", [None, 4])
def test_a_player_recovers_too(frames, tmp_path):
    pytest.importorskip("flatbuffers")
    x, start = Signal.input(0), Signal.param(2.0)
    y = {"a": x.onepole(0.5), "b": x.onepole(0.5).onepole(0.5), "c": Signal.constant(1.0).accum(), "d": x.history(init=start)}
    digest = dg.export(y, tmp_path / "a.dgen", frames=frames, params={"start": start})
    player = dg.load(tmp_path / "a.dgen", sha256=digest)
    player.process(spoilt(4, 3))
    assert np.isnan(player.process(np.ones(4))["a"]).all()
    with DGen.override(flush_nan=True):
        player.params["start"] = 3.0
        player.process(np.ones(4))
        assert player.restarts == 1
        got = player.process(np.ones(4))
        assert player.restarts == 1
    np.testing.assert_allclose(got["a"], 1 - 0.5 ** np.arange(1, 5))
    np.testing.assert_array_equal(got["c"], [13, 14, 15, 16])
    assert np.isfinite(got["b"]).all()
    assert got["d"][0] == 1.0
    player.reset()
    assert player.restarts == 0


# No frames.


@pytest.mark.parametrize("frames", [None, 4])
def test_a_player_takes_no_frames_at_any_time(frames, tmp_path):
    pytest.importorskip("flatbuffers")
    gain = Signal.param(2.0)
    y = {
        "sum": Signal.input(0).accum(),
        "lanes": Signal.input(1) * Tensor([1.0, 2.0]),
        "fixed": Tensor([1.0, 2.0]) * 3,
        "g": gain,
    }
    digest = dg.export(y, tmp_path / "a.dgen", frames=frames, params={"gain": gain})
    player = dg.load(tmp_path / "a.dgen", sha256=digest)
    none, some = {0: [], 1: []}, {0: np.ones(4), 1: np.ones(4)}
    for before in (0, 4):
        got = player.process(none)
        assert {name: x.shape for name, x in got.items()} == {"sum": (0,), "lanes": (0, 2), "fixed": (2,), "g": (0,)}
        np.testing.assert_array_equal(got["fixed"], [3, 6])
        assert player.position == before
        np.testing.assert_array_equal(player.process(some)["sum"], before + np.arange(1, 5))
    digest = dg.export(Signal.noise(seed=1), tmp_path / "b.dgen")
    assert dg.load(tmp_path / "b.dgen", sha256=digest).process(frames=0).shape == (0,)
    digest = dg.export((Tensor([1.0]) * 2, Signal.input(0) * 2), tmp_path / "c.dgen", frames=frames)
    fixed, moving = dg.load(tmp_path / "c.dgen", sha256=digest).process([])
    assert (fixed.tolist(), moving.shape) == ([2.0], (0,))


def test_a_loss_over_no_frames_is_an_error(tmp_path):
    pytest.importorskip("flatbuffers")
    gain = Signal.param(2.0)
    digest = dg.export(Signal.input(0) * gain, tmp_path / "a.dgen", params={"gain": gain}, gradient=True)
    with pytest.raises(ArgumentError, match="no loss over 0 frames"):
        dg.load(tmp_path / "a.dgen", sha256=digest).gradient([])


def test_a_function_takes_no_frames():
    fn = dg.function(Signal.input(0).accum())
    _, state = fn(None, {0: np.ones(3, np.float32)})
    y, state = fn(None, {0: np.zeros(0, np.float32)}, state)
    assert y.shape == (0,)
    np.testing.assert_array_equal(fn(None, {0: np.ones(1, np.float32)}, state)[0], [4])
