"""Runs that are asked for again: nothing that has changed since is overlooked, and what they gave is the caller's own."""

import gc
import importlib
import weakref

import jax
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, InputError, Signal, Tensor

stage = importlib.import_module("dgenlazy.run.stage")
LONG = 40_000  # more than is copied
X = np.random.default_rng(0).uniform(-1, 1, LONG).astype(np.float32)


def _assign(leaf, value):
    leaf.value = value


def _filtered():
    gain = Tensor(0.5, requires_grad=True)
    return gain, Signal.phasor(440.0).onepole(0.2) * gain


CHANGES = {
    "the value of a parameter": lambda gain: _assign(gain, 0.25),
    "the sample rate": lambda gain: setattr(DGen, "sample_rate", 22050.0),
    "the number that runs by default": lambda gain: setattr(DGen, "default_frame_count", 96),
}


@pytest.mark.parametrize("frames", [None, 64, LONG])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_two_runs_is_in_the_second(change, frames):
    gain, y = _filtered()
    for _ in range(3):
        before = y.realize(frames)
    CHANGES[change](gain)
    after = y.realize(frames)
    twin, z = _filtered()
    twin.value = gain.value
    np.testing.assert_array_equal(after, z.realize(frames))
    assert after.shape != before.shape or not np.array_equal(after, before) or (frames and "default" in change)


def test_settings_inside_of_an_override_are_for_it_alone():
    y = Signal.phasor(440.0)
    for _ in range(3):
        outside = y.realize(64)
    with DGen.override(sample_rate=22050.0):
        inside = [y.realize(64) for _ in range(3)]
    np.testing.assert_allclose(inside[2][:32], outside[::2], atol=1e-6)
    np.testing.assert_array_equal(inside[0], inside[2])
    np.testing.assert_array_equal(y.realize(64), outside)


def test_a_new_seed_makes_other_noise_and_the_old_one_the_same_again():
    noise = Signal.noise()
    DGen.seed = 1
    one = [noise.realize(64) for _ in range(3)]
    DGen.seed = 2
    two = noise.realize(64)
    DGen.seed = 1
    np.testing.assert_array_equal(one[0], one[2])
    assert not np.array_equal(one[0], two)
    np.testing.assert_array_equal(noise.realize(64), one[0])


def _in_turn(run, expected, cases):
    """Each case after each other, twice."""
    for _ in range(2):
        for case in cases:
            np.testing.assert_array_equal(run(case), expected(case))


@pytest.mark.parametrize("frames", [None, 8])
def test_inputs_of_other_lengths_and_batches_are_each_run_as_they_are(frames):
    y = Signal.input(0) * 2.0
    batch = X[:60].reshape(3, 20)
    cases = [X[:10], X[:12], X[:10].copy(), batch, batch[:2], batch[:, :9], X[:10].astype(np.float64), list(X[:10])]

    def expected(x):
        return 2 * np.asarray(x, np.float32)[..., :frames]

    _in_turn(lambda x: y.realize(frames, inputs={0: x}), expected, cases)

    def session(x):
        DGen.inputs[0] = x
        return y.realize(frames)

    _in_turn(session, expected, cases)
    with pytest.raises(InputError, match="were asked for"):
        y.realize(8, inputs={0: X[:7]})


def test_a_call_with_inputs_after_one_without_takes_its_own():
    y = Signal.input(0) + Signal.input(1)
    DGen.inputs = {0: X[:8], 1: X[8:16]}
    for _ in range(2):
        np.testing.assert_array_equal(y.realize(8), X[:8] + X[8:16])
        np.testing.assert_array_equal(y.realize(8, inputs={0: X[16:24]}), X[16:24] + X[8:16])
        np.testing.assert_array_equal(y.realize(8, inputs={np.int64(1): X[16:24]}), X[:8] + X[16:24])
    del DGen.inputs[1]
    with pytest.raises(InputError, match="no samples for channel 1"):
        y.realize(8)


def test_ticks_of_inputs_are_as_many_as_frames_hold():
    y = Signal.input(0, hop=4).upsample()
    _in_turn(lambda n: y.realize(n, inputs={0: X[:16]}).shape, lambda n: (n,), [8, 9, 12, 8, 13])


def test_bad_frames_are_refused_though_as_many_were_run_before():
    y = Signal.phasor(440.0)
    for _ in range(3):
        y.realize(1)
    for bad in (True, 1.0, "1", [1], -1):
        with pytest.raises(ArgumentError, match="frames"):
            y.realize(bad)
    for one in (np.int64(1), np.array(1), np.uint8(1)):
        np.testing.assert_array_equal(y.realize(one), [0.0])


def test_what_is_not_finite_is_named_once_that_is_asked_for(caplog):
    y = Signal.input(0).onepole(0.5)
    x = np.array([1.0, np.nan], np.float32)
    with DGen.override(flush_nan=False):
        for _ in range(3):
            y.realize(2, inputs={0: x})
        assert not caplog.records
        DGen.flush_nan = True
        for n in (1, 2):
            y.realize(2, inputs={0: x})
            assert len([r for r in caplog.records if "nan at frame 1" in r.message]) == n


def test_a_parameter_is_seen_whoever_assigned_it():
    gain, y = _filtered()
    loss = (y * y).mean()
    opt = dg.SGD([gain], lr=0.1)
    seen = []
    for _ in range(3):
        y.realize(64)
        loss.backward(64)
        opt.step()
        opt.zero_grad()
        seen.append(y.realize(64)[5] / gain.value)
    np.testing.assert_allclose(seen, seen[0], rtol=1e-6)


def test_samples_of_another_length_are_another_run():
    y = Signal.from_samples(X[:8]) * 2.0
    _in_turn(lambda _: y.realize(), lambda _: 2 * X[:8], [0, 0])
    (leaf,) = stage.staged([y.node]).arrays
    leaf.array = X[:5].copy()  # as a loader of batches does
    _in_turn(lambda _: y.realize(), lambda _: 2 * X[:5], [0, 0])


# Who owns what.


@pytest.mark.parametrize("frames", [8, LONG])
def test_a_result_is_the_callers_own(frames):
    x = X[:frames].copy()
    source = Signal.from_samples(x)
    y = source * 1.0
    for _ in range(3):
        for value in (source, y):
            out = value.realize()
            np.testing.assert_array_equal(out, x)
            out[:] = 7.0  # which nobody else sees
    a, b, c = dg.realize(y, y, source)
    a[:] = 1.0
    np.testing.assert_array_equal(b, x)
    b[:] = 2.0
    np.testing.assert_array_equal(c, x)
    np.testing.assert_array_equal(y.realize(), x)


@pytest.mark.parametrize("frames", [8, LONG])
def test_a_block_of_a_stream_is_the_callers_own(frames):
    y = Signal.input(0).delay(float(frames)) if frames < 9 else Signal.input(0).onepole(1.0)
    twin = Signal.input(0).delay(float(frames)) if frames < 9 else Signal.input(0).onepole(1.0)
    for _ in range(3):
        out = y.realize(inputs={0: X[:frames]}, preserve_state=True)
        np.testing.assert_array_equal(out, twin.realize(inputs={0: X[:frames]}, preserve_state=True))
        out[:] = 5.0


def test_what_is_of_no_frame_and_long_is_the_callers_own():
    w = Tensor(X)
    for value in (w, w.reshape((200, 200)), w + 0.0, w.reshape((200, 200)).transpose()):
        first = value.realize()
        out = value.realize()
        out[...] = 3.0
        np.testing.assert_array_equal(value.realize(), first)
    np.testing.assert_array_equal(w.value, X)


def test_a_long_result_outlives_what_it_was_computed_of():
    y = Signal.from_samples(X) * 2.0
    out = y.realize()
    part = out[100:200]
    del y, out
    gc.collect()
    for _ in range(5):
        (Signal.from_samples(X) * 5.0).realize()  # would take the memory, if it were free
    np.testing.assert_array_equal(part, 2 * X[100:200])
    part += 1.0
    assert part.dtype == np.float32


def test_inputs_are_neither_changed_nor_kept():
    x = X.copy()
    y = Signal.input(0) * 1.0
    out = y.realize(inputs={0: x})
    out[:] = 0.0
    np.testing.assert_array_equal(x, X)
    out = y.realize(inputs={0: x})
    x[:] = 0.0
    np.testing.assert_array_equal(out, X)
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_inputs_of_a_stream_may_be_written_to_after_each_block():
    """As a host does, which has one buffer for all blocks."""
    buffer = np.empty(100, np.float32)
    y, blocks = Signal.input(0).delay(50.0), []
    for k in range(4):
        buffer[:] = X[100 * k : 100 * (k + 1)]
        blocks.append(y.realize(inputs={0: buffer}, preserve_state=True))
    np.testing.assert_array_equal(np.concatenate(blocks)[50:], X[:350])


@pytest.mark.parametrize("kind", ["function", "iterable"])
def test_batches_of_a_training_may_be_in_one_buffer(kind):
    """The losses of many steps are made before one is run."""
    buffer, p = np.empty(16, np.float32), Signal.param(0.0)

    def batch(step):
        buffer[:] = step + 1.0
        return {0: buffer}

    loss = (Signal.input(0) + p).mean()
    batches = batch if kind == "function" else (batch(k) for k in range(5))
    found = dg.fit(loss, [p], lr=0.0, steps=5, batches=batches, progress=False)
    np.testing.assert_allclose(found.history, [1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.mark.parametrize("channel", [-1, 2**31, True])
def test_a_channel_out_of_range_is_named_whatever_its_samples_are(channel):
    y = Signal.input(0) * 1.0
    for x in (X[:8], list(X[:8])):
        with pytest.raises(ArgumentError, match="inputs: channel"):
            y.realize(8, inputs={0: X[:8], channel: x})


# What is remembered.


def test_data_that_is_assigned_anew_is_not_held_by_a_run_that_saw_it():
    gain, y = _filtered()
    for _ in range(3):
        y.realize(64)
    (leaf,) = stage.staged([y.node]).arrays
    seen = weakref.ref(leaf.array)
    gain.value = 0.3
    gc.collect()
    assert seen() is None


def test_a_group_is_remembered_as_long_as_its_values_live_and_no_more_than_so_many():
    a, b = Signal.phasor(440.0), Signal.phasor(220.0)
    held = len(stage._groups)
    first = dg.realize(a, b, frames=8)
    graph = stage.staged([a.node, b.node])
    assert graph is stage.staged([a.node, b.node])
    assert graph is not stage.staged([b.node, a.node])
    for one, two in zip(first, dg.realize(a, b, frames=8)):
        np.testing.assert_array_equal(one, two)
    assert len(stage._groups) == held + 2
    del b
    gc.collect()
    assert len(stage._groups) == held
    others = [a * k for k in range(100)]
    for other in others:
        stage.staged([a.node, other.node])
    assert len(stage._groups) <= stage._MOST_GROUPS


def test_runs_of_many_lengths_are_each_right():
    y = Signal.input(0) * 0.5
    _in_turn(lambda n: y.realize(n, inputs={0: X}), lambda n: X[:n] * np.float32(0.5), [1, 2, 3, 5, 8, 13, 21, 0])
    assert len(stage.staged([y.node]).runs) <= 4


def test_a_run_inside_of_what_jax_traces_is_refused_and_leaves_nothing_behind():
    y = Signal.from_samples(X[:8]) * 3.0
    y.realize()  # remembered, and not yet asked for again

    @jax.jit
    def inside(x):
        return x + y.realize()

    with pytest.raises(ArgumentError, match=r"inside jax\.jit"):
        inside(1.0)
    np.testing.assert_array_equal(y.realize(), 3 * X[:8])
    with pytest.raises(ArgumentError, match=r"inside jax\.jit"):
        inside(1.0)
    np.testing.assert_array_equal(y.realize(), 3 * X[:8])
