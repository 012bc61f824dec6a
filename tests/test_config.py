"""DGen: every setting is checked at its assignment, and comes back after an override."""

import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, Signal, Tensor

DEFAULTS = {"backend": "auto", "sample_rate": 44100.0, "default_frame_count": 1024, "seed": 0}


def settings():
    return {name: getattr(DGen, name) for name in DEFAULTS}


def test_a_fresh_session_has_the_defaults():
    fresh = type(DGen)()
    assert {name: getattr(fresh, name) for name in DEFAULTS} == DEFAULTS
    assert dict(fresh.inputs) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("backend", "cuda", "DGen.backend='cuda' is not one of auto, metal, gpu, cpu"),
        ("backend", "CPU", "DGen.backend='CPU' is not one of"),
        ("backend", None, "DGen.backend=None is not one of"),
        ("backend", np.array(["cpu", "gpu"]), "is not one of auto, metal, gpu, cpu"),
        ("sample_rate", 0, "DGen.sample_rate=0 is not above 0 Hz"),
        ("sample_rate", -44100.0, "DGen.sample_rate=-44100.0 is not above 0 Hz"),
        ("sample_rate", float("nan"), "DGen.sample_rate=nan is not finite"),
        ("sample_rate", float("inf"), "DGen.sample_rate=inf is not finite"),
        ("sample_rate", "44100", "DGen.sample_rate: '44100' is not a number"),
        ("sample_rate", None, "DGen.sample_rate: None is not a number"),
        ("sample_rate", True, "DGen.sample_rate=True is not a number"),
        ("sample_rate", [44100], "DGen.sample_rate=.*44100.* is not a number"),
        ("sample_rate", 44100j, "complex128 is not a type of real numbers"),
        ("default_frame_count", 0, "DGen.default_frame_count=0 is less than 1"),
        ("default_frame_count", -1, "DGen.default_frame_count=-1 is less than 1"),
        ("default_frame_count", 512.0, "DGen.default_frame_count=512.0 is not a whole number"),
        ("default_frame_count", True, "DGen.default_frame_count=True is not a whole number"),
        ("default_frame_count", 2**31, "DGen.default_frame_count=2147483648 is more than 2147483647"),
        ("seed", -1, "DGen.seed=-1 is less than 0"),
        ("seed", 1.5, "DGen.seed=1.5 is not a whole number"),
        ("seed", 2**32, "DGen.seed=4294967296 is more than 4294967295"),
        ("seed", "lucky", "DGen.seed='lucky' is not a whole number"),
        ("inputs", [1.0], r"DGen.inputs=\[1.0\] is not a mapping from channel to samples"),
        ("inputs", {0: "x"}, r"inputs\[0\]: 'x' is not a number"),
        ("inputs", {-1: [1.0]}, "inputs: channel=-1 is less than 0"),
        ("samplerate", 1.0, "DGen has no setting 'samplerate'; it has backend, sample_rate"),
    ],
)
def test_a_bad_value_is_an_error_at_the_assignment_and_changes_nothing(name, value, message):
    before = settings()
    with pytest.raises(ArgumentError, match=message):
        setattr(DGen, name, value)
    with pytest.raises(ArgumentError, match=message), DGen.override(**{name: value}):
        pytest.fail("the block ran")  # pragma: no cover
    assert settings() == before
    assert Tensor([1.0]).realize() == [1.0]


def test_values_of_other_number_types_are_accepted_and_made_plain():
    DGen.sample_rate, DGen.default_frame_count, DGen.seed = np.float32(16000), np.int64(8), np.uint8(3)
    assert settings() == {"backend": "auto", "sample_rate": 16000.0, "default_frame_count": 8, "seed": 3}
    assert [type(v) for v in settings().values()] == [str, float, int, int]
    DGen.seed = 2**32 - 1
    assert Signal.noise().realize().shape == (8,)


def test_settings_are_read_when_a_program_runs():
    ramp = Signal.phasor(1000.0)
    DGen.default_frame_count = 3
    np.testing.assert_allclose(ramp.realize(), np.arange(3) * 1000 / 44100, rtol=1e-5)
    DGen.sample_rate = 8000
    np.testing.assert_allclose(ramp.realize(), [0, 0.125, 0.25])


def test_overrides_nest_and_come_back():
    with DGen.override(sample_rate=16000, seed=1) as outer:
        assert outer is DGen
        with DGen.override(sample_rate=8000, default_frame_count=2):
            assert (DGen.sample_rate, DGen.seed, DGen.default_frame_count) == (8000, 1, 2)
            np.testing.assert_allclose(Signal.phasor(1000.0).realize(), [0, 0.125])
        assert (DGen.sample_rate, DGen.seed, DGen.default_frame_count) == (16000, 1, 1024)
    assert settings() == DEFAULTS


def test_an_override_comes_back_after_an_error_inside_it():
    with pytest.raises(KeyError), DGen.override(backend="cpu", sample_rate=1.0, inputs={0: [1.0]}):
        raise KeyError
    assert settings() == DEFAULTS
    assert dict(DGen.inputs) == {}


def test_an_override_with_one_bad_setting_applies_none():
    with pytest.raises(ArgumentError, match="seed"), DGen.override(sample_rate=8000, seed=-1):
        pytest.fail("the block ran")  # pragma: no cover
    assert settings() == DEFAULTS


def test_what_is_assigned_inside_an_override_to_another_setting_stays():
    with DGen.override(sample_rate=8000):
        DGen.default_frame_count = 7
        DGen.sample_rate = 4000
    assert (DGen.sample_rate, DGen.default_frame_count) == (44100, 7)


def test_an_override_of_the_seed_puts_the_numbering_back():
    first = Tensor.randn([4]).value
    with DGen.override(seed=0):
        np.testing.assert_array_equal(Tensor.randn([4]).value, first)
        second = Tensor.randn([4]).value
    np.testing.assert_array_equal(Tensor.randn([4]).value, second)


def test_an_override_works_as_a_decorator():
    @DGen.override(default_frame_count=5)
    def run():
        return Signal.constant(1.0).realize()

    assert run().shape == (5,)
    assert run().shape == (5,)
    assert DGen.default_frame_count == 1024


# Inputs.


def test_inputs_are_a_mutable_mapping_of_float32_samples():
    DGen.inputs[0] = [1, 2, 3]
    DGen.inputs[np.int64(2)] = np.array([True, False])
    assert list(DGen.inputs) == [0, 2]
    assert len(DGen.inputs) == 2
    assert 2 in DGen.inputs
    assert DGen.inputs[0].dtype == np.float32
    np.testing.assert_array_equal((Signal.input(0) * 2).realize(3), [2, 4, 6])
    np.testing.assert_array_equal(Signal.input(2).realize(2), [1, 0])
    del DGen.inputs[2]
    assert 2 not in DGen.inputs
    DGen.inputs.update({1: [5.0]})
    np.testing.assert_array_equal(Signal.input(1).realize(1), [5])
    DGen.inputs.clear()
    with pytest.raises(KeyError):
        DGen.inputs[0]
    assert repr(DGen.inputs) == "{}"


def test_assigning_inputs_copies_the_mapping():
    mine = {0: [1.0, 2.0]}
    DGen.inputs = mine
    DGen.inputs[1] = [3.0]
    assert set(mine) == {0}
    DGen.inputs = DGen.inputs
    assert set(DGen.inputs) == {0, 1}


@pytest.mark.parametrize(
    ("channel", "samples", "message"),
    [
        (0, 1.0, r"inputs\[0\]: shape \(\) is not \(frames,\)"),
        (3, [1, [2, 3]], r"inputs\[3\]: list is not an array of numbers"),
        (0, [1j], r"inputs\[0\]: complex128 is not a type of real numbers; take the real and imaginary parts apart"),
        (0, np.array([None]), r"inputs\[0\]: object is not a type of real numbers"),
        (0, None, r"inputs\[0\]: None is not a number or an array of numbers"),
        (0, Signal.constant(1.0), r"inputs\[0\]: takes numbers, not lazy values"),
        (1.5, [1.0], "inputs: channel=1.5 is not a whole number"),
        ("left", [1.0], "inputs: channel='left' is not a whole number"),
        (True, [1.0], "inputs: channel=True is not a whole number"),
    ],
)
def test_bad_inputs_are_errors_at_the_assignment_and_at_the_call(channel, samples, message):
    with pytest.raises(ArgumentError, match=message):
        DGen.inputs[channel] = samples
    assert len(DGen.inputs) == 0
    with pytest.raises(ArgumentError, match=message):
        Signal.constant(1.0).realize(2, inputs={channel: samples})


def test_the_inputs_of_one_call_go_before_those_of_the_session_channel_by_channel():
    DGen.inputs = {0: [1.0, 2.0], 1: [10.0, 20.0]}
    both = Signal.input(0) + Signal.input(1)
    np.testing.assert_array_equal(both.realize(2), [11, 22])
    np.testing.assert_array_equal(both.realize(2, inputs={0: [5.0, 6.0]}), [15, 26])
    np.testing.assert_array_equal(both.realize(2), [11, 22])


def test_repr_shows_every_setting():
    DGen.inputs[3] = np.zeros(100)
    text = "DGen(backend='auto', sample_rate=44100.0, default_frame_count=1024, seed=0, inputs={3: 100 frames})"
    assert repr(DGen) == text
    assert repr(dg.DGen) == text
