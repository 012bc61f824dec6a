"""Control curves: slow oscillations, steps at times, notes."""

import numpy as np
import pytest
import references as ref

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, SignalTensor, Tensor

RATE = 44100.0


@pytest.mark.parametrize("shape", ["falling", "saw", "sine", "square", "triangle"])
def test_an_oscillation_goes_from_low_to_high(shape):
    with DGen.override(sample_rate=1000.0):
        heard = dg.lfo(7.0, shape, low=-1.0, high=3.0).realize(1000)
    want = ref.lfo(np.full(1000, 7.0), shape, np.full(1, -1.0), np.full(1, 3.0), sample_rate=1000.0)
    jumps = np.abs(7.0 * np.arange(1000) % 500) < 1e-6 if shape != "sine" else np.zeros(1000, bool)  # on one side or the other
    np.testing.assert_allclose(heard[~jumps], want[~jumps], atol=1e-5)
    assert -1 <= heard.min() < -0.9
    assert 2.9 < heard.max() <= 3


def test_an_oscillation_takes_what_a_phasor_takes():
    assert type(dg.lfo(5.0)) is Signal
    assert type(dg.lfo(Tensor([5.0, 6.0]))) is SignalTensor
    rate = Signal.param(3.0)
    (dg.lfo(rate, "triangle") ** 2).backward(100)
    assert np.isfinite(rate.grad.value)
    late = dg.lfo(0.25, "saw")
    np.testing.assert_allclose(late.downsample(44100).realize(44100 * 9), np.arange(9) % 4 / 2 - 1, atol=1e-6)


def test_each_value_lasts_from_its_time_on():
    random = np.random.default_rng(0)
    for count in (3, 200):  # few are compared, many are searched
        times, values = np.sort(random.uniform(0, 0.1, count)), random.uniform(-1, 1, count)
        times[:2] = times[1]  # the last of two counts
        want = np.zeros(4410)
        for value, time in zip(values, times):
            want[np.arange(4410) / RATE >= time - 1e-9] = value
        np.testing.assert_array_equal(dg.sequence(values, times).realize(4410), want.astype(np.float32))


def test_times_are_frames_to_the_frame_hours_later():
    hours = np.array([0.1, 600.3, 3600.7, 36000.1])
    for rate in (16000.0, 22050.5, 44100.0, 96000.0):
        with DGen.override(sample_rate=rate):
            y = dg.sequence([1.0, 2.0, 3.0, 4.0], hours)
            for k, time in enumerate(hours):
                first = int(np.ceil(time * rate - 1e-3))
                snapshot = y.save_state() | {"position": np.asarray(first - 1, np.uint32)}
                y.load_state(snapshot)
                np.testing.assert_array_equal(y.realize(2, preserve_state=True), [k, k + 1])


def test_values_are_learned_and_times_are_data():
    values = Tensor([1.0, 2.0], requires_grad=True)
    with DGen.override(sample_rate=4.0):
        (dg.sequence(values, [0.25, 0.5]) ** 2).backward(4, reduction="sum")
        np.testing.assert_array_equal(values.grad.value, [2, 8])
        one, other = (dg.sequence(values, [0.0, t]).program() for t in (0.5, 0.75))
    assert one == other


def test_steps_count_frames_also_where_filters_run_more_seldom():
    with DGen.override(sample_rate=1000.0):
        slow = dg.sequence([1.0, 5.0], [0.0, 0.032]).downsample(8)
        np.testing.assert_array_equal(slow.smooth(0.0).realize(64), [1] * 4 + [5] * 4)


def test_rows_may_have_any_shape_and_there_may_be_none():
    with DGen.override(sample_rate=2.0):
        lanes = dg.sequence([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.5])
        assert lanes.shape == (2,)
        np.testing.assert_array_equal(lanes.realize(3), [[1, 2], [3, 4], [3, 4]])
    np.testing.assert_array_equal(dg.sequence([], []).realize(3), 0)
    assert dg.sequence([1.0], [0.0]).realize(0).shape == (0,)


def test_the_note_that_began_last_is_heard():
    with DGen.override(sample_rate=10.0):
        long, short = [69.0, 81.0], [0.0, 0.3]
        f0, gate, velocity = dg.notes(long, short, duration=[1.0, 0.2], velocity=[1.0, 0.5])
        np.testing.assert_allclose(f0.realize(8), [440] * 3 + [880] * 5)
        np.testing.assert_array_equal(gate.realize(8), [1, 1, 1, 1, 1, 0, 0, 0])
        np.testing.assert_array_equal(velocity.realize(8), [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5])


def test_notes_come_in_any_order_and_touch_without_a_gap():
    with DGen.override(sample_rate=10.0):
        f0, gate, _ = dg.notes([81.0, 69.0], [0.3, 0.1], 0.2)
        np.testing.assert_allclose(f0.realize(6), [0, 440, 440, 880, 880, 880])
        np.testing.assert_array_equal(gate.realize(6), [0, 1, 1, 1, 1, 0])
        f0, gate, _ = dg.notes([60.0, 69.0], [0.1, 0.1], [0.4, 0.0])  # the last in the list, which is over at once
        np.testing.assert_allclose(f0.realize(3), [0, 440, 440])
        np.testing.assert_array_equal(gate.realize(3), [0, 0, 0])
    assert [x.realize(2).tolist() for x in dg.notes([], [], [])] == [[0, 0]] * 3


def test_pitches_and_velocities_are_learned():
    midi, velocity = Tensor([69.0, 81.0], requires_grad=True), Tensor(0.5, requires_grad=True)
    with DGen.override(sample_rate=4.0):
        f0, _, level = dg.notes(midi, [0.0, 0.5], 0.5, velocity)
        (f0 * level).backward(4, reduction="sum")
    np.testing.assert_allclose(midi.grad.value, np.log(2) / 12 * np.array([440, 880]), rtol=1e-4)
    np.testing.assert_allclose(velocity.grad.value, 2 * (440 + 880), rtol=1e-5)


def test_a_part_is_the_same_block_by_block():
    with DGen.override(sample_rate=1000.0):
        part = dg.stack(list(dg.notes([60, 64, 67], [0.0, 0.011, 0.05], 0.02)))
        blocks = [part.realize(n, preserve_state=True) for n in (1, 15, 30, 40)]
        np.testing.assert_array_equal(np.concatenate(blocks), part.realize(86))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dg.lfo(1.0, "round"), ArgumentError, "lfo: shape='round' is not one of sine, triangle"),
        (lambda: dg.sequence(1.0, [0.0]), ShapeError, "sequence: values: takes values"),
        (lambda: dg.sequence([1.0, 2.0], [0.0]), ShapeError, r"sequence: times has shape \(1,\), not \(2,\)"),
        (lambda: dg.sequence([1.0, 2.0], [0.5, 0.0]), ArgumentError, "sequence: times fall from 0.5 to 0"),
        (lambda: dg.sequence([1.0], [np.nan]), ArgumentError, "sequence: times: nan is not a time"),
        (lambda: dg.notes(60, 0.0, 1.0), ShapeError, "notes: midi: takes values"),
        (lambda: dg.notes([60], [0.0, 1.0], 1.0), ShapeError, "notes: start: takes one number for each of 1"),
        (lambda: dg.notes([60], [0.0], -1.0), ArgumentError, "notes: duration=-1 is below 0"),
        (lambda: dg.notes([60], [0.0], 1.0, [1.0, 2.0]), ShapeError, r"notes: velocity has shape \(2,\), not \(1,\)"),
    ],
)
def test_wrong_uses_are_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
