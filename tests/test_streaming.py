"""preserve_state=True: blocks of any size are one run, and a stream is moved by nothing but its own calls."""

import contextvars
import itertools

import jax
import numpy as np
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, InputError, Signal, SignalTensor, Tensor, mse
from dgenlazy.run import runtime
from dgenlazy.run.packed import packed

FRAMES = 64
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-1.0, 1.0, (2, FRAMES)).astype(np.float32)
LANES = RNG.uniform(-1.0, 1.0, (FRAMES, 3)).astype(np.float32)
TRIGGER = (np.arange(FRAMES) % 7 == 3).astype(np.float32)

# Few sizes: each is compiled.
SPLITS = {
    "one": [FRAMES],
    "ones": [1] * FRAMES,
    "primes": [13, 7, 13, 7, 13, 7, 1, 1, 1, 1],
    "varying": [7, 1, 1, 13, 1, 7, 7, 1, 13, 13],
}
assert all(sum(sizes) == FRAMES for sizes in SPLITS.values())


def x():
    return Signal.from_samples(X)


def unit():
    return Signal.from_samples(0.5 + 0.4 * Y)


def lanes():
    return Signal.from_samples(LANES)


def trigger():
    return Signal.from_samples(TRIGGER)


def turn(prev):
    return 0.9 * prev[0] - 0.3 * prev[1] + x(), 0.3 * prev[0] + 0.9 * prev[1]


# Noise, phase, and whatever only moves numbers are the same to the bit, the rest to rounding.
EXACT = {
    "noise": lambda: Signal.noise(),
    "lanes of phasor": lambda: Signal.phasor(Tensor([440.0, -880.0, 30000.0])),
    "moving lanes": lambda: Signal.phasor(Signal.from_samples(5000 * LANES)),
    "reset moving phasor": lambda: Signal.phasor(Signal.from_samples(5000 * X), reset=trigger()),
    "phasor of a parameter": lambda: Signal.phasor(Signal.param(441.0)),
    "samples": x,
    "input": lambda: Signal.input(0),
    "constant": lambda: Signal.constant(2.5),
    "history from": lambda: lanes().history(init=[1.0, 2.0, 3.0]),
    "history of a constant": lambda: Signal.constant(2.0).history(init=Signal.param(0.5)),
    "histories": lambda: x().history(init=1.0).history(init=2.0).history(init=3.0),
    "latched lanes": lambda: lanes().latch(trigger()),
    "delta": lambda: x().delta(),
    "change": lambda: lanes().change(),
    "delay": lambda: x().delay(5),
    "delay beyond a block": lambda: lanes().delay(37),
    "delayed constant": lambda: Signal.constant(1.0).delay(3),
    "fixed point": lambda: dg.feedback(lambda prev: prev + 1.0),
}
CLOSE = {
    "reset accum": lambda: lanes().accum(reset=trigger()),
    "wrapped accum": lambda: Signal.constant(0.25).accum(min=-1.0, max=2.0),
    "moving delay": lambda: x().delay(20 * unit(), max_delay=19),
    "delay of lanes": lambda: x().delay(Tensor([0.0, 1.5, 40.0])),
    "moving onepole": lambda: lanes().onepole(unit()),
    "moving biquad": lambda: lanes().biquad(5000 * unit(), unit(), mode="peak", gain_db=12 * x()),
    "filters": lambda: x().biquad(300.0, mode="highpass").biquad(Tensor([1e3, 2e3]), mode="notch").onepole(0.9),
    "loop of lanes": lambda: dg.feedback(lambda prev: x() + prev * [0.5, -0.5, 0.9]),
    "comb": lambda: dg.feedback(lambda prev: x() + 0.7 * prev.delay(9).onepole(0.5)),
    "moving comb": lambda: dg.feedback(lambda prev: x() + 0.7 * prev.delay(5 * unit(), max_delay=8)),
    "pair": lambda: dg.feedback(turn, init=(0.0, 1.0))[1],
    "loop in a loop": lambda: dg.feedback(lambda a: 0.3 * a + dg.feedback(lambda b: x() + 0.2 * a + 0.4 * b)),
    "everything": lambda: dg.sin(Signal.phasor(2000 * unit())).biquad(900.0).delay(3.3).accum(),
    "memory of the loss": lambda: mse(lanes().onepole(0.1), x().history()),
}
OPS = EXACT | CLOSE


@pytest.fixture(autouse=True)
def _inputs():
    DGen.inputs = {0: X}


def compare(name, got, expected):
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    if name in EXACT:
        np.testing.assert_array_equal(got, expected, err_msg=name)
    else:
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6, err_msg=name)


def streamed(value, sizes, **run):
    return np.concatenate([value.realize(n, preserve_state=True, **run) for n in sizes])


# One run.


@pytest.mark.parametrize("name", SPLITS)
def test_a_group_of_everything_with_memory_is_one_run_in_blocks_of_any_size(name):
    group = [build() for build in OPS.values()]
    whole = dg.realize(*group, frames=FRAMES)
    blocks = [dg.realize(*group, frames=n, preserve_state=True) for n in SPLITS[name]]
    for op, got, expected in zip(OPS, zip(*blocks), whole):
        compare(op, np.concatenate(got), expected)


@pytest.mark.parametrize(
    "name", ["noise", "reset moving phasor", "delay beyond a block", "moving biquad", "moving comb", "pair"]
)
def test_blocks_of_one_value_are_one_run(name):
    value = OPS[name]()
    assert value.is_frame_varying
    compare(name, streamed(value, [13, 1, 0, 49, 0, 1]), value.realize(FRAMES))


@pytest.mark.parametrize("name", ["reset moving phasor", "moving biquad", "pair"])
def test_after_reset_a_stream_begins_again(name):
    value = OPS[name]()
    value.reset()  # of a stream that has not begun
    first = streamed(value, [5, 20])
    value.reset()
    np.testing.assert_array_equal(streamed(value, [5, 20]), first)
    value.reset()
    value.reset()
    compare(name, streamed(value, [25]), first)
    compare(name, first, value.realize(25))


def test_a_phase_does_not_drift_over_many_blocks():
    y = Signal.phasor(Tensor([441.0, 0.1, 19999.9]))
    last = [y.realize(4410, preserve_state=True) for _ in range(100)][-1]
    n = np.arange(99 * 4410, 100 * 4410)[:, None]
    expected = n * np.float32([441.0, 0.1, 19999.9]).astype(float) / 44100 % 1
    assert np.abs((last - expected + 0.5) % 1 - 0.5).max() < 2e-7


def test_what_a_stream_returned_is_not_changed_by_its_next_block():
    y = x().history(init=3.0)
    first = y.realize(8, preserve_state=True)
    kept = first.copy()
    y.realize(8, preserve_state=True)
    np.testing.assert_array_equal(first, kept)
    first[:] = 100
    np.testing.assert_array_equal(y.realize(4, preserve_state=True), X[15:19])


# Whose stream it is.


def test_runs_without_preserve_state_and_backward_leave_a_stream_alone():
    p = Signal.param(0.4)
    y = x().onepole(p) + Signal.phasor(900.0)
    whole = y.realize(24)
    first = y.realize(12, preserve_state=True)
    np.testing.assert_array_equal(y.realize(24), whole)
    y.backward(frames=30)
    dg.realize(y, y * 2, frames=3)
    second = y.realize(12, preserve_state=True)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-5, atol=1e-6)


def test_two_values_of_one_expression_are_two_streams():
    a, b = (x().accum() * Signal.phasor(700.0) for _ in range(2))
    whole = a.realize(30)
    got = {"a": [], "b": []}
    for name, value, frames in [("a", a, 10), ("b", b, 1), ("a", a, 10), ("b", b, 19), ("b", b, 10), ("a", a, 10)]:
        got[name].append(value.realize(frames, preserve_state=True))
    for blocks in got.values():
        np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-5)
    a.reset()
    assert a.realize(1, preserve_state=True) == whole[0]
    assert len(b.realize(5, preserve_state=True)) == 5


def test_a_value_and_what_is_made_of_it_are_two_streams():
    ramp = Signal.constant(1.0).accum()
    double = ramp * 2
    np.testing.assert_array_equal(ramp.realize(2, preserve_state=True), [1, 2])
    np.testing.assert_array_equal(double.realize(2, preserve_state=True), [2, 4])
    np.testing.assert_array_equal(ramp.realize(1, preserve_state=True), [3])
    ramp.reset()
    np.testing.assert_array_equal(double.realize(1, preserve_state=True), [6])


def test_a_group_is_one_stream_of_its_own():
    ramp = Signal.constant(1.0).accum()
    double, table = ramp * 2, Tensor([5.0])
    group = ramp, double, table
    a, b, c = dg.realize(*group, frames=2, preserve_state=True)
    np.testing.assert_array_equal([*a, *b, *c], [1, 2, 2, 4, 5])
    np.testing.assert_array_equal(ramp.realize(3, preserve_state=True), [1, 2, 3])
    np.testing.assert_array_equal(dg.realize(double, ramp, frames=1, preserve_state=True), [[2], [1]])
    a, b, _ = dg.realize(*group, frames=1, preserve_state=True)
    np.testing.assert_array_equal([*a, *b], [3, 6])
    np.testing.assert_array_equal(dg.realize(*group, frames=1)[0], [1])
    double.reset()  # of any member, the streams that it is part of
    a, b, _ = dg.realize(*group, frames=1, preserve_state=True)
    np.testing.assert_array_equal([*a, *b], [1, 2])
    np.testing.assert_array_equal(ramp.realize(1, preserve_state=True), [4])
    np.testing.assert_array_equal(dg.realize(ramp, ramp, frames=2, preserve_state=True), [[1, 2], [1, 2]])


def test_a_noise_in_a_group_is_heard_by_all_of_it():
    noise = Signal.noise()
    group = noise, noise * 2, Signal.noise()
    for _ in range(3):
        a, b, c = dg.realize(*group, frames=11, preserve_state=True)
        np.testing.assert_array_equal(2 * a, b)
        assert not np.array_equal(a, c)


def test_a_tensor_streams_as_itself():
    t = Tensor([1.0, 2.0]) * 2
    for _ in range(2):
        np.testing.assert_array_equal(t.realize(preserve_state=True), [2, 4])
    lanes = Tensor([1.0, 2.0]) * Signal.constant(1.0)
    assert isinstance(lanes, SignalTensor)
    for frames in (2, 0, 3):
        np.testing.assert_array_equal(lanes.realize(frames, preserve_state=True), np.tile([1, 2], (frames, 1)))


# Samples and inputs.


def test_the_inputs_of_a_call_begin_at_its_own_first_frame():
    y = Signal.input(0).accum() + Signal.input(1)
    got = [
        y.realize(inputs={0: [1, 2, 3], 1: [10, 10, 10]}, preserve_state=True),
        y.realize(inputs={0: [4, 5], 1: [0, 10]}, preserve_state=True),
        y.realize(inputs={0: [6, 7, 8], 1: [0]}, preserve_state=True),  # the shortest decides
        y.realize(1, inputs={0: [9, 99], 1: [0, 0, 0]}, preserve_state=True),
    ]
    for block, expected in zip(got, [[11, 13, 16], [10, 25], [21], [30]]):
        np.testing.assert_array_equal(block, expected)


def test_the_inputs_of_the_session_go_on_where_the_stream_is_channel_by_channel():
    y = Signal.input(0) + Signal.input(1)
    DGen.inputs = {0: np.arange(10), 1: np.arange(0, 1000, 100)}
    np.testing.assert_array_equal(y.realize(3, preserve_state=True), [0, 101, 202])
    np.testing.assert_array_equal(y.realize(2, inputs={0: [0.5, 0.5]}, preserve_state=True), [300.5, 400.5])
    np.testing.assert_array_equal(y.realize(1, preserve_state=True), [505])
    DGen.inputs[0] = np.full(20, 7.0)  # longer and other samples, from the same position on
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [607, 707])


def test_inputs_that_end_are_an_error_that_says_where_the_stream_is_and_moves_nothing():
    y = Signal.input(0).accum()
    DGen.inputs[0] = np.ones(10)
    y.realize(8, preserve_state=True)
    message = r"Signal.input\(0\): 3 frames from frame 8 on were asked for, channel 0 has 10"
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            y.realize(3, preserve_state=True)
    with pytest.raises(InputError, match=r"2 frames were asked for, channel 0 has 1"):
        y.realize(2, inputs={0: [1.0]}, preserve_state=True)
    with pytest.raises(ArgumentError, match="frames=-1"):
        y.realize(-1, preserve_state=True)
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [9, 10])
    np.testing.assert_array_equal(y.realize(2, inputs={0: [0.5, 0.5]}, preserve_state=True), [10.5, 11])


def test_samples_that_end_are_an_error_and_by_default_what_is_left_is_run():
    y = Signal.from_samples([1.0, 2.0, 3.0, 4.0, 5.0]).accum()
    np.testing.assert_array_equal(y.realize(3, preserve_state=True), [1, 3, 6])
    with pytest.raises(InputError, match=r"Signal\.from_samples: 5 frames of samples, but frames 3 to 6 were asked for"):
        y.realize(3, preserve_state=True)
    np.testing.assert_array_equal(y.realize(preserve_state=True), [10, 15])
    with pytest.raises(InputError, match=r"the stream is at frame 5, the end of the samples"):
        y.realize(preserve_state=True)
    with pytest.raises(InputError, match="frames 5 to 6 were asked for"):
        y.realize(1, preserve_state=True)
    assert y.realize(0, preserve_state=True).shape == (0,)
    np.testing.assert_array_equal(y.realize(), [1, 3, 6, 10, 15])
    y.reset()
    np.testing.assert_array_equal(y.realize(preserve_state=True), [1, 3, 6, 10, 15])


def test_samples_of_several_lengths_end_with_the_shortest():
    y = Signal.from_samples(np.arange(9.0)) + Signal.from_samples(np.arange(5.0)) * Signal.input(0)
    np.testing.assert_array_equal(y.realize(inputs={0: [1, 1, 1]}, preserve_state=True), [0, 2, 4])
    np.testing.assert_array_equal(y.realize(inputs={0: np.zeros(30)}, preserve_state=True), [3, 4])
    with pytest.raises(InputError, match="the end of the samples"):
        y.realize(inputs={0: [1.0]}, preserve_state=True)


def test_no_frames_give_an_empty_block_and_move_nothing():
    DGen.default_frame_count = 3
    y = lanes().accum() + Signal.noise(shape=3)
    for _ in range(2):
        assert y.realize(0, preserve_state=True).shape == (0, 3)
    first = y.realize(4, preserve_state=True)
    assert y.realize(0, preserve_state=True).shape == (0, 3)
    np.testing.assert_allclose(np.concatenate([first, y.realize(4, preserve_state=True)]), y.realize(8), atol=1e-5)
    ramp = Signal.constant(1.0).accum()
    np.testing.assert_array_equal([*ramp.realize(preserve_state=True), *ramp.realize(preserve_state=True)], range(1, 7))


# What changes between blocks.

MOVED = {
    "gain": lambda p: x() * p,
    "onepole": lambda p: x().onepole(p),
    "biquad": lambda p: x().biquad(3000 * p, 0.5 + p),
    "phasor": lambda p: Signal.phasor(1000 * p),
    "delay": lambda p: x().delay(12 * p, max_delay=20),
    "loop": lambda p: dg.feedback(lambda prev: x() + p * prev.tanh()),
    "history": lambda p: p.history(init=-1.0),
    "accum": lambda p: p.accum(min=0.0, max=0.97),
    "latch": lambda p: (p * x()).latch(trigger()),
}


@pytest.mark.parametrize("name", MOVED)
def test_a_parameter_set_between_blocks_holds_from_the_next_block_on(name):
    sizes, values = [15] * 4, [0.5, 0.9, 0.1, 0.3]
    p = Signal.param(0.7)
    y, got = MOVED[name](p), []
    for frames, value in zip(sizes, values):
        p.value = value
        got.append(y.realize(frames, preserve_state=True))
    moving = Signal.from_samples(np.repeat(values, sizes))
    np.testing.assert_allclose(np.concatenate(got), MOVED[name](moving).realize(), rtol=1e-4, atol=1e-5)


def test_a_first_value_counts_when_the_stream_begins():
    p = Signal.param(2.0)
    y = dg.feedback(lambda prev: 0.5 * prev, init=p)
    p.value = 4.0
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [2, 1])
    p.value = 64.0
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [0.5, 0.25])
    y.reset()
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), [32, 16])


def test_another_sample_rate_in_mid_stream_goes_on_from_the_same_phase_and_state():
    ramp = Signal.phasor(1.0)
    with DGen.override(sample_rate=8.0):
        np.testing.assert_array_equal(ramp.realize(3, preserve_state=True), [0, 0.125, 0.25])
    with DGen.override(sample_rate=16.0):
        np.testing.assert_array_equal(ramp.realize(3, preserve_state=True), [0.375, 0.4375, 0.5])
    y = x().biquad(1000.0, 0.9)
    with DGen.override(sample_rate=10000.0):
        first = y.realize(20, preserve_state=True)
    with DGen.override(sample_rate=5000.0):
        second = y.realize(20, preserve_state=True)
    with DGen.override(sample_rate=10000.0):
        swept = x().biquad(Signal.from_samples(np.repeat([1000.0, 2000.0], 20)), 0.9).realize()
    np.testing.assert_allclose(np.concatenate([first, second]), swept, atol=1e-5)


def test_another_seed_in_mid_stream_is_heard_at_once_and_frames_count_on():
    y = Signal.noise()
    first = y.realize(10, preserve_state=True)
    with DGen.override(seed=1):
        second, other = y.realize(10, preserve_state=True), y.realize(30)
    third = y.realize(10, preserve_state=True)
    np.testing.assert_array_equal(second, other[10:20])
    np.testing.assert_array_equal(np.concatenate([first, third]), y.realize(30)[np.r_[:10, 20:30]])


# Far into a stream.


def moved_to(value, frame):
    """`value` with its stream at `frame`, which is 27 hours in: no test can run there."""
    value.realize(0, preserve_state=True)
    (stream,) = value._streams.values()
    stream.position = frame
    return value


@pytest.mark.parametrize("start", [2**24 - 3, 2**31 - 5, 2**32 - 7, 2**32 + 5, 2**40])
def test_the_count_of_frames_may_pass_any_power_of_two(start):
    whole = moved_to(Signal.noise(seed=2), start).realize(20, preserve_state=True)
    assert np.abs(whole).max() <= 1
    assert len(np.unique(whole)) == 20
    for sizes in ([5, 15], [5, 5, 10]):
        np.testing.assert_array_equal(streamed(moved_to(Signal.noise(seed=2), start), sizes), whole)


def test_noise_far_away_differs_from_noise_nearby():
    parts = [moved_to(Signal.noise(seed=2), start).realize(20, preserve_state=True) for start in (0, 20, 2**16, 2**24, 2**31)]
    for a, b in itertools.combinations(parts, 2):
        assert not np.isin(a, b).any()


def test_samples_end_far_away_as_well():
    DGen.inputs[0] = np.ones(4)
    for start in (2**31, 2**32, 2**32 + 1):
        with pytest.raises(InputError, match=rf"1 frames from frame {start} on were asked for, channel 0 has 4"):
            moved_to(Signal.input(0) * 1, start).realize(1, preserve_state=True)
        np.testing.assert_array_equal(moved_to(Signal.input(0) * 1, start).realize(inputs={0: [5.0]}, preserve_state=True), [5])


# Cost.


def test_blocks_of_a_size_compile_once():
    p = Signal.param(0.4)

    def build():
        return (x() + Signal.input(0) + Signal.noise()).onepole(p).delay(4.5) + dg.feedback(lambda prev: 0.5 * prev, init=p)

    y = build()
    for frames in (8, 2):
        y.realize(frames, preserve_state=True)
    with compilations() as compiled:
        for frames in (8, 2, 2, 8):
            p.value = 0.01 * frames
            y.realize(frames, preserve_state=True)
            y.realize(frames, inputs={0: X[:frames]}, preserve_state=True)
        y.reset()
        y.realize(8, preserve_state=True)
        other = build()
        other.realize(8, preserve_state=True)
        with DGen.override(seed=4):
            other.realize(8, preserve_state=True)
    assert not compiled


# What cannot stream.


def test_a_value_of_the_whole_run_cannot_stream():
    loss = dg.spectral_loss(x(), Signal.phasor(100.0), window_size=16)
    message = "preserve_state=True streams block by block, but spectral_loss sees the whole run"
    for values in ([loss], [loss * 2 + x()], [x(), loss]):
        with pytest.raises(ArgumentError, match=message):
            dg.realize(*values, frames=16, preserve_state=True)
    assert loss.realize(16).shape == ()


@pytest.mark.parametrize("bad", [1, 0, None, "yes"])
def test_preserve_state_is_true_or_false(bad):
    with pytest.raises(ArgumentError, match=r"preserve_state=.* is not True or False"):
        x().realize(4, preserve_state=bad)


@pytest.mark.parametrize("lanes", [(), (2,), (3, 2)])
def test_short_blocks_through_a_long_line_are_those_of_one_run(lanes):
    rng = np.random.default_rng(1)
    x = Signal.from_samples(rng.normal(size=(900, *lanes)).astype(np.float32), requires_grad=True)
    times = Signal.from_samples(rng.uniform(0, 600, size=(900, *lanes)).astype(np.float32), requires_grad=True)
    y = x.delay(times, max_delay=1000)
    whole = y.realize()  # in one block, cut from the line
    at = np.arange(900).reshape(-1, *(1,) * len(lanes)) - times.value
    floor = np.floor(at).astype(int)
    padded = np.concatenate([np.zeros((700, *lanes)), x.value])
    near, far = (np.take_along_axis(padded, floor + 700 + k, 0) for k in (1, 0))
    np.testing.assert_allclose(whole, near + (floor + 1 - at) * (far - near), atol=2e-4)
    blocks = [y.realize(n, preserve_state=True) for n in (1, 30, 64, 5, 800)]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    # The same frames, as the end of a longer line of which they are a short block.
    longer = x.delay(times, max_delay=20_000)
    np.testing.assert_array_equal(longer.realize(), whole)
    gradients = []
    for value in (y, longer):
        x.node.grad = times.node.grad = None
        ((value * value).sum() if lanes else value * value).backward()
        gradients.append((x.grad.value, times.grad.value))
    for a, b in zip(*gradients):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_a_state_in_few_arrays_is_the_one_it_was_made_of():
    tree = (
        {"held": np.float32(3.0), "lost": ()},
        [np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(100.0, dtype=np.float32)],
    )
    tree += (np.uint32([7, 8]), np.zeros((0, 4), np.float32), np.array(True))
    for batched in (False, True):
        held = jax.tree.map(lambda x: np.stack([x, x + x]), tree) if batched else tree
        few = packed(held, batched, np)
        assert len(few.arrays) == 4  # the large one, and one of each type
        again = few.tree()
        assert jax.tree.structure(again) == jax.tree.structure(held)
        for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(held)):
            np.testing.assert_array_equal(a, b, strict=True)
    assert packed(()).tree() == ()


def test_a_stream_hands_over_as_many_arrays_as_its_state_has_types():
    y = Signal.phasor(440.0)
    for cutoff in (100.0, 200.0, 300.0):
        y = y.biquad(cutoff) + y.onepole(0.1)
    y = y.delay(0.01)
    whole = y.realize(30)
    np.testing.assert_allclose(streamed(y, [10, 20]), whole, atol=1e-7)
    (stream,) = y._streams.values()
    assert len(jax.tree.leaves(stream.at.state)) <= 3


# Short blocks, whose program is another than that of a whole run.


@pytest.mark.parametrize("frames", [64, 512])
def test_xla_counts_too_little_in_a_short_block_to_hand_it_to_another_thread(frames):
    y = Signal.phasor(440.0).biquad(Signal.param(1000.0), 0.7) * Signal.param(0.5)
    y.realize(frames, preserve_state=True)
    (stream,) = y._streams.values()
    arguments = stream.at.settled, stream.at.arrays, np.uint32(frames), stream.at.state
    compiled = runtime._compiled(*stream.ready.key).lower(*arguments).compile()
    if jax.default_backend() == "cpu":
        assert compiled.cost_analysis()["flops"] < 1000


def test_blocks_computed_some_frames_at_a_time_are_one_run():
    y = (Signal.phasor(440.0) * 6.283).sin() + Signal.noise(seed=1) * 0.1
    y = ((y.biquad(Signal.param(1000.0)) * 3.0).tanh() + y.history()) * Tensor([1.0, 0.5])
    whole = y.realize(224)
    np.testing.assert_allclose(streamed(y, [64, 96, 64]), whole, atol=1e-6)


def test_what_follows_from_numbers_alone_follows_the_sample_rate_and_a_snapshot():
    def tone():
        return Signal.phasor(440.0).biquad(1000.0, 0.7)

    y, again = tone(), tone()
    y.realize(32, preserve_state=True)
    again.load_state(y.save_state())
    with DGen.override(sample_rate=22050.0):
        changed = y.realize(32, preserve_state=True)
        np.testing.assert_array_equal(again.realize(32, preserve_state=True), changed)
    back = y.realize(32, preserve_state=True)
    np.testing.assert_array_equal(again.realize(32, preserve_state=True), back)


def test_a_knob_that_came_to_rest_is_moved_to_the_device_and_heard_as_before():
    knob = Signal.param(0.0)
    y, whole = Signal.phasor(441.0) * knob, Signal.phasor(441.0).realize(8 * 140)
    turns = {0: 0.25, 2: 0.75, 138: 0.5}
    for i in range(140):
        if i in turns:
            knob.value = turns[i]
        heard = y.realize(8, preserve_state=True)
        np.testing.assert_array_equal(heard, whole[8 * i : 8 * i + 8] * knob.value)
        if i in (130, 139):
            assert isinstance(knob.node.array, jax.Array) == (i == 130)


def blocks_of(y, knob, between):
    """Six blocks, a knob moved before each, and settings assigned before the fourth."""
    out = []
    for i in range(6):
        if i == 3:
            between()
        knob.value = 0.1 * (i + 1)
        out.append(y.realize(8, preserve_state=True))
    return np.concatenate(out), y.restarts


@pytest.mark.parametrize("setting", [{"sample_rate": 8000.0}, {"flush_nan": True}, {"default_frame_count": 3}])
def test_a_stream_that_goes_on_hears_what_is_assigned_between_blocks(setting):
    def run():
        knob, broken = Signal.param(0.0), Signal.constant(1.0)

        def between():
            broken.value = np.nan
            for name, value in setting.items():
                setattr(DGen, name, value)

        y = Signal.phasor(441.0).onepole(knob) + broken.accum()
        return blocks_of(y, knob, between)

    with DGen.override(sample_rate=44100.0, flush_nan=False, default_frame_count=1024):  # which goes the long way
        expected, restarts = run()
    session = contextvars.Context()  # outside of the override that tests run in
    before = session.run(lambda: {name: getattr(DGen, name) for name in setting})
    try:
        found, again = session.run(run)
    finally:
        session.run(lambda: [setattr(DGen, name, value) for name, value in before.items()])
    np.testing.assert_array_equal(found, expected)
    assert again == restarts == 3 * ("flush_nan" in setting)
