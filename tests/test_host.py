"""What a host needs: a stream that can be kept and restored, nothing compiled after the first block, knobs without clicks."""

import io
import json
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, Tensor

SIZES = (16, 64, 256, 1024, 4096)


def voice(cutoff, feedback):
    """Something of everything with memory: phase, noise, filters, loops through delays, whole numbers in the state."""
    saw = (Signal.phasor(Tensor([110.0, 110.7, 220.3])) - 0.5).mean()
    x = (saw + 0.1 * Signal.noise()).ladder(cutoff.smooth(20.0), resonance=0.4)
    echo = dg.feedback(lambda prev: x + feedback.smooth(50.0) * prev.delay(1200.5).onepole(0.4))
    return (echo.comb(1557, feedback=0.8) + echo.biquad(cutoff.smooth(20.0), 2.0)).allpass(225)


def knobs():
    return Signal.param(900.0), Signal.param(0.5)


def streamed(value, sizes):
    return np.concatenate([value.realize(n, preserve_state=True) for n in sizes])


def through_npz(snapshot):
    file = io.BytesIO()
    np.savez(file, **snapshot)
    file.seek(0)
    return np.load(file)


def through_json(snapshot):
    return json.loads(json.dumps({name: x.tolist() for name, x in snapshot.items()}))


# Smoothing.


def test_a_knob_between_blocks_glides_over_the_block_boundary_and_arrives():
    knob = Signal.param(1.0)
    glide = knob.smooth(time_ms=10)
    first = glide.realize(100, preserve_state=True)
    rounded = 0 if jax.default_backend() == "cpu" else 4e-6  # by the parallel plan, frame after frame by another one
    np.testing.assert_allclose(first, 1, rtol=rounded)
    knob.value = 3.0
    y = np.concatenate([first, streamed(glide, [64, 1, 376])])
    assert 0 < np.diff(y).max() < 0.025  # a hundredth of the step, where it is steepest: no click
    assert (np.diff(y) >= -rounded).all()
    np.testing.assert_allclose(y[99 + 441], 3 - 0.01 * 2, rtol=1e-5)


def test_smoothing_takes_its_first_value_at_once_also_after_reset_and_where_it_is_not_constant():
    knob = Signal.param(440.0)
    glide = knob.smooth(1000.0)
    assert glide.realize(1, preserve_state=True) == np.float32(440)
    knob.value = 880.0
    assert glide.realize(1, preserve_state=True) < 441
    glide.reset()
    assert glide.realize(1, preserve_state=True) == np.float32(880)
    assert Signal.from_samples([5.0, 9.0]).smooth(1e9).realize()[0] == 5


def test_smoothing_does_not_start_again_when_the_count_of_frames_comes_back_to_zero():
    glide = Signal.input(0).smooth(100.0)
    glide.realize(inputs={0: [0.0]}, preserve_state=True)
    (stream,) = glide._streams.values()
    stream.position = 2**32 - 2
    assert glide.realize(inputs={0: np.ones(4)}, preserve_state=True).max() < 0.01


@pytest.mark.parametrize("time_ms", [0.0, -5.0])
def test_no_time_is_no_smoothing(time_ms):
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    np.testing.assert_allclose(Signal.from_samples(x).smooth(time_ms).realize(), x, atol=2e-7)


def test_each_lane_is_smoothed_by_itself_and_in_its_own_time():
    knob = Tensor([1.0, -1.0])
    glide = knob.smooth(Tensor([10.0, 20.0]))
    glide.realize(1, preserve_state=True)
    knob.value = [0.0, 0.0]
    y = glide.realize(882, preserve_state=True)
    np.testing.assert_allclose([y[440, 0], y[881, 1]], [0.01, -0.01], rtol=1e-4)


def test_a_smoothed_value_may_stand_in_a_loop_and_its_time_may_too():
    for time in (lambda prev: 3.0, lambda prev: 1 + prev):
        y = dg.feedback(lambda prev, time=time: (1 + 0.5 * prev).smooth(time(prev)))
        whole = y.realize(50)
        assert whole[0] == 1
        np.testing.assert_allclose(streamed(y, [20, 30]), whole, rtol=1e-5)


# State that is kept and restored.


@pytest.mark.parametrize("file", [dict, through_npz, through_json], ids=lambda f: f.__name__)
def test_a_restored_stream_goes_on_to_the_bit_in_a_graph_that_was_built_again(file):
    a = voice(*knobs())
    streamed(a, [64, 100])
    snapshot = file(a.save_state())
    expected = streamed(a, [64, 256])
    b = voice(*knobs())
    b.load_state(snapshot)
    np.testing.assert_array_equal(streamed(b, [64, 256]), expected)
    a.load_state(snapshot)
    np.testing.assert_array_equal(streamed(a, [64, 256]), expected)


def test_a_snapshot_is_a_copy_of_plain_arrays_and_moves_nothing():
    y = Signal.noise(seed=3).onepole(0.1)
    whole = y.realize(30)
    first = y.realize(10, preserve_state=True)
    snapshot = y.save_state()
    assert all(type(x) is np.ndarray and x.dtype != object for x in snapshot.values())
    assert snapshot["position"] == 10
    kept = {name: x.copy() for name, x in snapshot.items()}
    second = y.realize(20, preserve_state=True)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-6)
    for name, x in kept.items():
        np.testing.assert_array_equal(snapshot[name], x)
    y.load_state(snapshot)
    for x in snapshot.values():
        x[...] = 7 if x.dtype.kind in "fi" else x  # what was loaded is a copy as well
    np.testing.assert_array_equal(y.realize(20, preserve_state=True), second)


def test_a_stream_that_has_not_begun_can_be_kept():
    start = Signal.param(2.0)
    y = dg.feedback(lambda prev: 0.5 * prev, init=start)
    fresh = through_npz(y.save_state())
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [1, 0.5])
    y.load_state(fresh)
    start.value = 8.0
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [4, 2])


def test_a_value_without_memory_keeps_its_position():
    y = Signal.input(0) * 2
    DGen.inputs[0] = np.arange(10)
    y.realize(4, preserve_state=True)
    other = Signal.input(0) * 2
    other.load_state(y.save_state())
    np.testing.assert_array_equal(other.realize(2, preserve_state=True), [8, 10])


def test_a_group_is_kept_as_one_and_apart_from_its_members():
    def build():
        ramp = Signal.constant(1.0).accum()
        return ramp, ramp * 2

    a, double = build()
    dg.realize(a, double, frames=3, preserve_state=True)
    a.realize(1, preserve_state=True)
    snapshot = dg.save_state(a, double)
    assert snapshot["position"] == 3
    assert a.save_state()["position"] == 1
    group = build()
    dg.load_state(*group, snapshot=snapshot)
    np.testing.assert_array_equal(dg.realize(*group, frames=1, preserve_state=True), [[4], [8]])
    np.testing.assert_array_equal(group[0].realize(1, preserve_state=True), [1])
    with pytest.raises(ArgumentError, match=r"of another program: it has return .+; this one has return"):
        dg.load_state(*reversed(build()), snapshot=snapshot)


def test_positions_beyond_32_bits_are_kept():
    y = Signal.noise(seed=1)
    y.realize(0, preserve_state=True)
    snapshot = {**y.save_state(), "position": np.array(2**40)}
    y.load_state(snapshot)
    y.realize(3, preserve_state=True)
    assert through_npz(y.save_state())["position"] == 2**40 + 3


IN_A_FILE = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from test_host import knobs, voice
y = voice(*knobs())
y.load_state(np.load(sys.argv[2]))
np.save(sys.argv[3], y.realize(64, preserve_state=True))
"""


def test_another_process_goes_on_with_the_same_samples(tmp_path, request):
    y = voice(*knobs())
    y.realize(64, preserve_state=True)
    np.savez(tmp_path / "state.npz", **y.save_state())
    command = [sys.executable, "-c", IN_A_FILE, request.path.parent, tmp_path / "state.npz", tmp_path / "out.npy"]
    subprocess.run([str(c) for c in command], check=True, timeout=300)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), y.realize(64, preserve_state=True))


def test_a_snapshot_of_another_program_is_refused_with_the_line_that_differs():
    y = Signal.noise(seed=1).biquad(1000.0)
    y.realize(4, preserve_state=True)
    snapshot = y.save_state()
    for other in (Signal.noise(seed=1).biquad(1000.0, mode="highpass"), Signal.noise(seed=1).onepole(0.1), y * 2):
        with pytest.raises(ArgumentError, match=r"load_state: the snapshot is of another program: it has .+; this one has .+"):
            other.load_state(snapshot)
    Signal.noise(seed=9).biquad(20.0).load_state(snapshot)  # numbers and seeds are data


def test_a_refused_snapshot_moves_nothing_and_says_why():
    y = Signal.constant(1.0).accum()
    y.realize(2, preserve_state=True)
    snapshot = y.save_state()
    state = min(snapshot.keys() - {"position", "program"})
    lacking = {k: v for k, v in snapshot.items() if k != state} | {"other": 1}
    for wrong, error, says in (
        ({}, ArgumentError, "not what save_state gave"),
        (3, ArgumentError, "3 is not what save_state gave"),
        ({**snapshot, "other": 1}, ArgumentError, "the snapshot has 'other'"),
        (lacking, ArgumentError, f"the snapshot lacks '{state}'"),
        ({**snapshot, state: [1.0, 2.0]}, ShapeError, rf"{state} has shape \(2,\), not \(\)"),
        ({**snapshot, state: "loud"}, ArgumentError, state),
        ({**snapshot, "position": -1}, ArgumentError, "position"),
    ):
        with pytest.raises(error, match=says):
            y.load_state(wrong)
    for call in (dg.save_state, lambda: dg.load_state(snapshot=snapshot), lambda: dg.save_state(3.0)):
        with pytest.raises(ArgumentError, match=r"takes at least one value|3.0 is not a Tensor"):
            call()
    np.testing.assert_array_equal(y.realize(1, preserve_state=True), [3])


def test_a_snapshot_carries_the_numbers_of_noise_so_that_another_graph_goes_on_to_the_bit():
    def build():
        return (Signal.noise() + Signal.noise(seed=3)).onepole(0.2) + Signal.noise(shape=(2,)) @ [1.0, 2.0]

    one, other = build(), build()
    own = other.realize(20)
    first = one.realize(20, preserve_state=True)
    other.load_state(one.save_state())
    again = build()
    again.load_state(other.save_state())  # the numbers are handed on
    rest = [y.realize(20, preserve_state=True) for y in (one, other, again)]
    np.testing.assert_array_equal(rest[1], rest[0])
    np.testing.assert_array_equal(rest[2], rest[0])
    np.testing.assert_allclose(np.concatenate([first, rest[0]]), one.realize(40), atol=1e-5)
    np.testing.assert_array_equal(other.realize(20), own)  # what does not stream, and what begins again, is not touched
    other.reset()
    begun = other.realize(20, preserve_state=True)  # by a program for short blocks, which rounds in other places
    np.testing.assert_allclose(begun, own, rtol=0, atol=1e-6)


def test_a_snapshot_goes_on_in_another_process_that_has_made_other_noise():
    build = "dg.Signal.noise().onepole(0.5) * dg.Signal.noise(shape=(2,)).sum()"
    one = eval(build, {"dg": dg})
    one.realize(7, preserve_state=True)
    script = f"""
import pickle, sys
import dgenlazy as dg
for _ in range(5):
    dg.Signal.noise(), dg.Tensor.randn([2])
y = {build}
y.load_state(pickle.load(sys.stdin.buffer))
sys.stdout.buffer.write(pickle.dumps(y.realize(9, preserve_state=True)))
"""
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(one.save_state()), capture_output=True, check=True)
    np.testing.assert_array_equal(pickle.loads(done.stdout), one.realize(9, preserve_state=True))


def test_a_snapshot_of_a_stream_not_yet_begun_carries_the_numbers_too():
    one, other = (Signal.noise().onepole(0.5) for _ in range(2))
    other.load_state(one.save_state())
    np.testing.assert_array_equal(other.realize(9, preserve_state=True), one.realize(9))


def test_numbers_of_noise_that_do_not_fit_are_an_error_and_move_nothing():
    y = Signal.noise() + Signal.noise()
    y.realize(3, preserve_state=True)
    snapshot = y.save_state()
    assert [int(snapshot[name]) for name in ("noise.0", "noise.1")] == [0, 1]
    lacking = {name: x for name, x in snapshot.items() if name != "noise.1"}
    seeded = Signal.noise(seed=1) + Signal.noise(seed=2)
    for value, wrong, message in (
        (y, lacking, "the snapshot lacks 'noise.1'"),
        (y, {**snapshot, "noise.1": [1]}, r"load_state: noise.1=\[1\] is not a whole number"),
        (y, {**snapshot, "noise.0": -1}, "load_state: noise.0=-1 is less than 0"),
        (seeded, snapshot, "the snapshot has 'noise.0'"),
    ):
        with pytest.raises(ArgumentError, match=message):
            value.load_state(wrong)
    np.testing.assert_array_equal(y.realize(5, preserve_state=True), y.realize(8)[3:])


# Cost.


def test_nothing_is_compiled_after_the_first_block_of_each_size():
    cutoff, feedback = knobs()
    y = voice(cutoff, feedback)
    streamed(y, SIZES)
    rng = np.random.default_rng(0)
    with compilations() as compiled:
        for i, frames in enumerate(rng.permutation(np.repeat(SIZES, 4))):
            cutoff.value, feedback.value = 500 + 20.0 * i, rng.uniform(0.1, 0.9)
            y.realize(int(frames), preserve_state=True)
            if i % 3 == 0:
                snapshot = y.save_state()
            if i % 4 == 0:
                y.load_state(snapshot)
        again = voice(*knobs())
        again.load_state(through_npz(snapshot))
        streamed(again, SIZES)
        y.reset()
        streamed(y, SIZES)
    assert not compiled


def test_a_group_with_inputs_compiles_nothing_after_its_first_block():
    gain = Signal.param(0.5)
    x = Signal.input(0)
    group = x * gain.smooth(5.0), (x * gain).delay(40).svf(500.0)
    samples = np.ones(64, np.float32)
    dg.realize(*group, inputs={0: samples}, preserve_state=True)
    with compilations() as compiled:
        for i in range(5):
            gain.value = 0.1 * i
            dg.realize(*group, inputs={0: samples}, preserve_state=True)
            dg.load_state(*group, snapshot=dg.save_state(*group))
    assert not compiled


def test_knobs_that_rest_make_blocks_one_run():
    y = voice(*knobs())
    np.testing.assert_allclose(streamed(y, [16] * 8 + [64] * 14), y.realize(1024), atol=2e-5)
