"""The three types: promotion, operators, broadcasting, properties, data and gradients of leaves, random numbers."""

import contextvars
import copy
import math
import operator
import pickle
import re
import threading

import jax.numpy as jnp
import numpy as np
import pytest
import references as ref

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, SignalTensor, Tensor
from dgenlazy.graph.op import told_of
from dgenlazy.run import runtime

FRAMES = 6
A, B = np.array([1.5, -2.0, 3.0], np.float32), np.array([0.5, 1.25, 2.0], np.float32)
TIME = np.linspace(0.25, 2.0, FRAMES, dtype=np.float32)
LANES = np.outer(TIME, [1.0, 0.5, 3.0]).astype(np.float32)

OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip

# What stands in an expression, the type it counts as, and its values per frame.
OPERANDS = {
    "int": (3, float, np.float32(3)),
    "float": (0.75, float, np.float32(0.75)),
    "bool": (True, float, np.float32(1)),
    "numpy number": (np.float64(1.5), float, np.float32(1.5)),
    "list": ([1.0, 2.0, 4.0], Tensor, np.array([1, 2, 4], np.float32)),
    "array": (B, Tensor, B),
    "integers": (np.array([1, 2, 3]), Tensor, np.array([1, 2, 3], np.float32)),
    "jax array": (jnp.array([2.0, 3.0, 4.0]), Tensor, np.array([2, 3, 4], np.float32)),
    "Tensor": (Tensor(A), Tensor, A),
    "scalar Tensor": (Tensor(2.5), Tensor, np.float32(2.5)),
    "constant": (Signal.constant(1.75), Signal, np.full((FRAMES, 1), 1.75, np.float32)),
    "Signal": (Signal.from_samples(TIME), Signal, TIME[:, None]),
    "SignalTensor": (Signal.from_samples(LANES), SignalTensor, LANES),
}


def promoted(left, right, shape):
    """The SPEC's hierarchy, Float < Tensor < Signal < SignalTensor: a tensor of more than one element varies lane by lane."""
    if Signal in (left, right) or SignalTensor in (left, right):
        return SignalTensor if shape else Signal
    return Tensor


def one_frame_shape(*names):
    shapes = {float: (), Signal: (), SignalTensor: (3,)}
    return np.broadcast_shapes(*(shapes.get(OPERANDS[n][1], np.shape(OPERANDS[n][2])) for n in names))


@pytest.mark.parametrize("right", OPERANDS)
@pytest.mark.parametrize("left", ["Tensor", "scalar Tensor", "Signal", "SignalTensor"])
def test_every_operator_promotes_and_computes_in_both_orders(left, right):
    (x, kind, a), (y, other, b) = OPERANDS[left], OPERANDS[right]
    shape = one_frame_shape(left, right)
    for first, second, p, q in ((x, y, a, b), (y, x, b, a)):
        made = [op(first, second) for op in OPERATORS.values()]
        for value in made:
            assert type(value) is promoted(kind, other, shape)
            assert value.shape == shape
        for name, got in zip(OPERATORS, dg.realize(*made, frames=FRAMES)):
            expected = np.asarray(OPERATORS[name](p, q), np.float32)
            if made[0].is_frame_varying:
                expected = np.broadcast_to(expected, (FRAMES, *(shape or (1,)))).reshape(FRAMES, *shape)
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-6, err_msg=name)


def test_power_matmul_and_operators_of_one_value():
    x, t = Tensor([1.0, 4.0, 9.0]), np.array([1.0, 4.0, 9.0])
    table = [
        (x**2, t**2), (x**0.5, t**0.5), (2**x, 2**t), (x**x, t**t), (np.array([1.0, 2.0, 3.0]) ** x, np.array([1, 2, 3]) ** t),
        (-x, -t), (+x, t), (abs(-x), t), (round(x / 8), np.round(t / 8)),
        (x @ x, t @ t), (np.ones((2, 3)) @ x, np.ones((2, 3)) @ t), (x @ [[1.0], [2.0], [3.0]], t @ [[1], [2], [3]]),
        ([1.0, 1.0, 1.0] @ x, t.sum()),
    ]  # fmt: skip
    for got, expected in zip(dg.realize(*(value for value, _ in table)), (expected for _, expected in table)):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        assert got.shape == np.shape(expected)


def test_augmented_assignment_makes_a_new_value():
    x = y = Tensor([1.0, 2.0])
    x += 1
    np.testing.assert_array_equal(x.realize(), [2, 3])
    np.testing.assert_array_equal(y.realize(), [1, 2])


@pytest.mark.parametrize("shapes", [((), (3,)), ((2, 1), (3,)), ((4, 1, 3), (2, 1)), ((1,), (5,)), ((0,), (1,)), ((2, 0), ())])
def test_shapes_broadcast_as_in_numpy_never_with_the_frame_axis(shapes):
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    np.testing.assert_allclose((Tensor(a) + Tensor(b)).realize(), a + b, rtol=1e-6)
    frames = rng.standard_normal((5, *shapes[0])).astype(np.float32)
    lanes = Signal.from_samples(frames)
    expected = np.stack([frame * b for frame in frames])
    np.testing.assert_allclose((lanes * Tensor(b)).realize(), expected, rtol=1e-6)
    np.testing.assert_allclose((Tensor(b) * lanes).realize(), expected, rtol=1e-6)


def test_as_many_lanes_as_frames_are_not_mistaken_for_frames():
    x = Signal.from_samples([1.0, 2.0, 3.0]) * Tensor([1.0, 10.0, 100.0])
    np.testing.assert_array_equal(x.realize(), np.outer([1, 2, 3], [1, 10, 100]))


def test_properties_describe_one_frame():
    for value, shape, varies in [
        (Tensor(np.zeros((2, 3))), (2, 3), False),
        (Tensor(1.0), (), False),
        (Signal.constant(1.0), (), True),
        (Signal.phasor(440.0), (), True),
        (Signal.phasor(Tensor([1.0, 2.0])), (2,), True),
        (Tensor([1.0, 2.0]) * Signal.param(1.0), (2,), True),
    ]:
        assert value.shape == shape
        assert value.ndim == len(shape)
        assert value.size == math.prod(shape)
        assert value.dtype == np.float32
        assert value.is_frame_varying is varies


def test_requires_grad_follows_from_what_a_value_is_made_of():
    w, c = Tensor([1.0], requires_grad=True), Tensor([1.0])
    assert (w + c).requires_grad
    assert not (c + c).requires_grad
    assert (Signal.phasor(Signal.param(1.0)) * c).requires_grad


# Kinds of data.


@pytest.mark.parametrize(
    "data",
    [3, 3.5, True, np.int8(3), [True, False], [1, 2], (1, 2.5), [[1], [2]], np.arange(4), np.arange(3, dtype=np.uint8),
     np.ones(2, np.float64), np.ones(2, np.float16), np.array([True]), jnp.arange(3), jnp.ones(2, jnp.bfloat16), [], [[]],
     np.zeros((2, 0, 3)), [np.ones(2), np.zeros(2)], range(3)],
    ids=repr,
)  # fmt: skip
def test_data_of_any_real_type_becomes_float32(data):
    tensor = Tensor(data)
    expected = np.asarray(data, np.float32)
    assert tensor.dtype == np.float32
    assert tensor.realize().dtype == np.float32
    np.testing.assert_array_equal(tensor.realize(), expected)
    np.testing.assert_array_equal(tensor.value, expected)


def test_a_value_owns_its_data():
    mine = np.array([1.0, 2.0], np.float32)
    tensor, samples = Tensor(mine), Signal.from_samples(mine)
    DGen.inputs[0] = mine
    mine[:] = 9
    np.testing.assert_array_equal(tensor.realize(), [1, 2])
    np.testing.assert_array_equal(samples.realize(), [1, 2])
    np.testing.assert_array_equal(Signal.input(0).realize(2), [1, 2])
    out = tensor.realize()
    out[:] = 9
    np.testing.assert_array_equal(tensor.realize(), [1, 2])


# The data of leaves.


def test_value_is_a_read_only_view_that_later_steps_do_not_change():
    w = Tensor([1.0, 2.0], requires_grad=True)
    before = w.value
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 5.0
    w.value = [3.0, 4.0]
    np.testing.assert_array_equal(before, [1, 2])
    np.testing.assert_array_equal(w.value, [3, 4])
    np.testing.assert_array_equal((w * 2).realize(), [6, 8])


def test_assigning_value_changes_every_graph_that_uses_the_leaf():
    p = Signal.param(1.0)
    y = p * Signal.from_samples([1.0, 2.0])
    np.testing.assert_array_equal(y.realize(), [1, 2])
    p.value = 3.0
    np.testing.assert_array_equal(y.realize(), [3, 6])
    assert p.value.shape == ()
    assert float(p.value) == 3.0


def test_assigned_data_is_broadcast_to_the_shape_of_the_leaf_which_stays():
    w = Tensor(np.zeros((2, 2)))
    w.value = 7
    np.testing.assert_array_equal(w.realize(), np.full((2, 2), 7))
    w.value = np.array([1, 2])
    np.testing.assert_array_equal(w.realize(), [[1, 2], [1, 2]])
    with pytest.raises(ShapeError, match=r"value: shape \(3,\) does not fit into \(2, 2\)"):
        w.value = [1, 2, 3]
    np.testing.assert_array_equal(w.realize(), [[1, 2], [1, 2]])


def test_assigned_data_is_held_to_the_bounds_and_must_be_finite_where_learned():
    p = Signal.param(1.0, min=0.5, max=2.0)
    for bad in (0.25, 2.5):
        with pytest.raises(ArgumentError, match=rf"value: {bad} to {bad} is not inside \[0.5, 2.0\]"):
            p.value = bad
    with pytest.raises(ArgumentError, match="must be finite, this one is nan"):
        p.value = float("nan")
    assert float(p.value) == 1.0
    constant = Tensor([1.0])
    constant.value = [np.inf]
    assert np.isinf(constant.realize()).all()


def test_only_leaves_have_data():
    x = Tensor([1.0]) + 1
    with pytest.raises(ArgumentError, match="value: this Tensor is computed or an input, and holds no data; use realize"):
        _ = x.value
    with pytest.raises(ArgumentError, match="holds no data to change"):
        Signal.input(0).value = 1.0
    np.testing.assert_array_equal(Signal.constant(2.0).value, 2.0)
    np.testing.assert_array_equal(Signal.from_samples([[1, 2], [3, 4]]).value, [[1, 2], [3, 4]])


# Gradients of leaves.


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        (Tensor([[1.0, 2.0]], requires_grad=True), Tensor),
        (Signal.param(2.0), Signal),
        (Signal(2.0, requires_grad=True), Signal),
        (Signal.from_samples([1.0, 2.0], requires_grad=True), Signal),
        (Signal.from_samples([[1.0, 2.0], [3.0, 4.0]], requires_grad=True), SignalTensor),
    ],
    ids=["Tensor", "param", "Signal", "samples", "lanes"],
)
def test_a_gradient_has_the_type_and_shape_of_its_leaf_and_is_lazy(leaf, kind):
    assert leaf.grad is None
    (leaf * leaf).sum().backward(frames=2, reduction="sum")
    grad = leaf.grad
    assert type(grad) is kind
    assert grad.shape == leaf.shape
    assert not grad.requires_grad
    np.testing.assert_allclose(grad.value, 2 * leaf.value, rtol=1e-6)
    np.testing.assert_allclose((grad * 2).realize(2), 2 * grad.realize(2))
    assert (grad * 2).realize(2).shape == ((2,) if kind is not Tensor else ()) + leaf.shape


def test_computed_values_have_no_gradient():
    w = Tensor([1.0], requires_grad=True)
    y = w * 2
    y.sum().backward()
    assert y.grad is None
    np.testing.assert_array_equal(w.grad.value, [2.0])


# As a Python object.


@pytest.fixture
def told(caplog):
    """What is logged, of lines that may have been told of before."""
    told_of.clear()
    return caplog


def decay(count):
    return np.exp(-np.linspace(0, 5, count))


@pytest.mark.parametrize(
    "mixed",
    [
        lambda s, a: s * a,
        lambda s, a: a * s,
        lambda s, a: (s + 1.0) - a,
        lambda s, a: a > s,
        lambda s, a: s.clamp(0.0, a),
        lambda s, a: dg.max(s, a),
        lambda s, a: dg.pow(s, y=a),
        lambda s, a: s * jnp.asarray(a),
        lambda s, a: Signal.constant(1.0) * a,
    ],
)
def test_an_array_as_long_as_samples_beside_a_signal_is_told_to_be_lanes_with_the_line_of_the_user(mixed, told):
    s = Signal.phasor(440.0)
    assert mixed(s, decay(44100)).shape == (44100,)
    says = r": \w+: an array of shape \(44100,\) beside a Signal is 44,100 lanes .*from_samples"
    assert [re.match(re.escape(__file__) + r":\d+" + says, r.getMessage()) is not None for r in told.records] == [True]
    assert mixed(s, decay(4095)).shape == (4095,)
    assert len(told.records) == 1


def test_lanes_that_are_meant_are_not_told_of(told):
    s, lanes, rows = Signal.phasor(440.0), Signal.phasor(Tensor(np.ones(4096))), Tensor(np.ones((2, 4096)))
    for value in (s * Tensor(decay(4096)), lanes * decay(4096), s * np.ones((4096, 2)), (s + rows) * decay(4096)):
        assert 4096 in value.shape
    assert (Tensor(decay(4096)) * decay(4096)).shape == (4096,)
    assert (s * Signal.from_samples(decay(4096))).shape == ()
    assert s.fir(decay(4096)).shape == ()
    assert not told.records


def test_lanes_are_told_of_once_for_each_line(told):
    s = Signal.phasor(440.0)
    for _ in range(3):
        s * decay(4096)
    s * decay(4096)
    lines = [int(r.getMessage().split(":")[1]) for r in told.records]
    assert lines == [lines[0], lines[0] + 1]


def test_numpy_takes_a_value_by_computing_it():
    x = Tensor([1.0, 2.0]) * 2
    np.testing.assert_array_equal(np.asarray(x), [2, 4])
    assert np.asarray(x).dtype == np.float32
    assert np.asarray(x, np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.array(Signal.from_samples([1.0, 2.0, 3.0])), [1, 2, 3])
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, copy=False)


def test_values_have_a_length_and_are_iterated_along_their_first_axis():
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert len(x) == 3
    rows = list(x)
    assert [type(row) for row in rows] == [Tensor] * 3
    np.testing.assert_array_equal(dg.realize(*rows), [[1, 2], [3, 4], [5, 6]])
    left, right = Signal.from_samples([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(left, Signal)
    np.testing.assert_array_equal(right.realize(), [2, 4])
    with pytest.raises(ArgumentError, match="len: a single number has no length"):
        len(Signal.phasor(1.0))
    with pytest.raises(ArgumentError, match="len: a single number has no length"):
        list(Signal.phasor(1.0))


def test_repr_says_what_a_value_is_without_running_it():
    assert repr(Tensor([1.0, 2.5])) == "Tensor(shape=(2,), value=[1. , 2.5])"
    assert repr(Signal.param(3.0)) == "Signal(shape=(), value=3., requires_grad=True)"
    assert repr(Signal.input(2) * 2).startswith("Signal(shape=(), op=mul")
    assert repr(Signal.phasor(Tensor([1.0, 2.0]))).startswith("SignalTensor(shape=(2,), op=")
    assert len(repr(Tensor(np.zeros((1000, 10))))) < 200


def test_values_are_equal_to_themselves_only_and_can_be_keys():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert {x: 1, y: 2}[x] == 1


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda y: pickle.loads(pickle.dumps(y))}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_the_same_graph_with_streams_of_its_own(how):
    gain = Signal.param(2.0)
    loop = dg.feedback(lambda previous: gain * Signal.from_samples(TIME) + 0.5 * previous.biquad(1000.0).delay(9.0))
    y = (loop.comb(20.0) + Signal.noise()).accum()
    first = y.realize(2, preserve_state=True)
    other = COPIES[how](y)
    assert type(other) is type(y)
    assert other.program() == y.program()
    np.testing.assert_array_equal(other.realize(2, preserve_state=True), first)
    np.testing.assert_array_equal(y.realize(2, preserve_state=True), y.realize(4)[2:])
    assert dg.mse(other, 0.0).backward(reduction="sum") == dg.mse(y, 0.0).backward(reduction="sum")


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_deep_copy_has_parameters_of_its_own_and_counts_what_stands_still_once(how):
    gain = Signal.param(2.0)
    loss = gain * gain + gain * Signal.from_samples(TIME)
    other = COPIES[how](loss)
    gain.value = 3.0
    assert loss.backward(reduction="sum") == pytest.approx(9 + 3 * TIME.sum())
    assert other.backward(reduction="sum") == pytest.approx(4 + 2 * TIME.sum())


def test_the_program_prints_what_will_run():
    text = str((Signal.phasor(440.0) * Tensor([1.0, 2.0])).program())
    assert "mul(" in text
    assert "float32[2] per frame" in text


# Random numbers.


def test_randn_differs_from_call_to_call_and_repeats_after_the_seed_is_assigned():
    DGen.seed = 3
    first, second = Tensor.randn([5]).value, Tensor.randn([5]).value
    assert not np.array_equal(first, second)
    DGen.seed = 3
    np.testing.assert_array_equal(Tensor.randn([5]).value, first)
    np.testing.assert_array_equal(Tensor.randn([5]).value, second)
    DGen.seed = 4
    assert not np.array_equal(Tensor.randn([5]).value, first)


def test_randn_with_a_seed_of_its_own_does_not_move_the_numbering():
    DGen.seed = 0
    first, second = Tensor.randn([3]).value, Tensor.randn([3]).value
    DGen.seed = 0
    own = Tensor.randn([3], seed=0).value
    np.testing.assert_array_equal(Tensor.randn([3]).value, first)
    np.testing.assert_array_equal(Tensor.randn([3], seed=0).value, own)
    np.testing.assert_array_equal(Tensor.randn([3]).value, second)
    assert not np.array_equal(own, first)
    DGen.seed = 1
    assert not np.array_equal(Tensor.randn([3], seed=0).value, own)


def test_randn_is_standard_normal():
    x = Tensor.randn([100000], seed=1).value
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 0.01


def test_two_noises_of_a_graph_differ_and_a_shared_one_does_not():
    a, b = Signal.noise(), Signal.noise()
    x, y = dg.realize(a, b, frames=100)
    assert not np.array_equal(x, y)
    np.testing.assert_array_equal((a - a).realize(100), np.zeros(100))
    assert np.abs((a - b).realize(100)).max() > 0.1


def test_a_graph_built_again_hears_other_noise_and_the_same_once_the_seed_is_assigned():
    def build():
        return Signal.noise() + 10 * Signal.noise().onepole(0.5)

    graph = build()
    first = graph.realize(64)
    np.testing.assert_array_equal(graph.realize(64), first)
    assert np.abs(build().realize(64) - first).max() > 0.1
    DGen.seed = 1
    assert np.abs(build().realize(64) - first).max() > 0.1
    DGen.seed = 0
    np.testing.assert_array_equal(build().realize(64), first)


def test_unseeded_noises_are_numbered_when_they_are_made_wherever_they_stand():
    early, late = Signal.noise(), Signal.noise()
    alone = early.realize(32), late.realize(32)
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    np.testing.assert_array_equal(dg.realize(early, late, frames=32), alone)
    np.testing.assert_array_equal(dg.realize(late, early, frames=32), alone[::-1])
    np.testing.assert_array_equal((0 * early + late).realize(32), alone[1])
    for number, noise in enumerate(alone):
        np.testing.assert_array_equal(noise, ref.noise((0, 0, number), 32, ()))


def test_numbers_of_noise_go_on_after_a_block_with_another_seed():
    first = Signal.noise().realize(16)
    with DGen.override(seed=0):
        np.testing.assert_array_equal(Signal.noise().realize(16), first)
    with DGen.override(sample_rate=8000.0):
        second = Signal.noise().realize(16)
    third = Signal.noise().realize(16)
    for number, noise in enumerate((first, second, third)):
        np.testing.assert_array_equal(noise, ref.noise((0, 0, number), 16, ()))


def test_numbers_and_seeds_of_noise_never_meet():
    unseeded = [Signal.noise() for _ in range(4)]
    seeded = [Signal.noise(seed=n) for n in range(4)]
    heard = dg.realize(*unseeded, *seeded, frames=8)
    assert len({x.tobytes() for x in heard}) == 8


def test_what_fails_takes_no_number():
    with pytest.raises(ArgumentError):
        Signal.noise(shape=-1)
    np.testing.assert_array_equal(Signal.noise().realize(8), ref.noise((0, 0, 0), 8, ()))


def test_noises_made_in_several_threads_all_differ():
    made = [[] for _ in range(4)]
    work = [lambda own=own: own.extend(Signal.noise() for _ in range(500)) for own in made]
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    graph = dg.stack([noise for own in made for noise in own])
    assert sorted(leaf.number for leaf in runtime.staged([graph.node]).arrays) == list(range(2000))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_graph_hears_the_same_noise(copied):
    graph = Signal.noise().onepole(0.5) + Signal.noise(shape=(2,))
    np.testing.assert_array_equal(copied(graph).realize(16), graph.realize(16))


def test_noise_inside_a_loop_is_one_noise_and_another_for_another_loop():
    loops = [dg.feedback(lambda prev: Signal.noise() + 0.5 * prev) for _ in range(2)]
    heard = dg.realize(*loops, frames=16)
    assert np.abs(heard[0] - heard[1]).max() > 0.1
    for loop, own in zip(loops, heard):
        np.testing.assert_array_equal(loop.realize(16), own)


def test_the_seed_is_read_when_a_graph_runs():
    noise = Signal.noise()
    with DGen.override(seed=5):
        inside = noise.realize(16)
    assert not np.array_equal(inside, noise.realize(16))
    with DGen.override(seed=5):
        np.testing.assert_array_equal(noise.realize(16), inside)


def test_noise_with_a_seed_does_not_depend_on_its_place_in_the_graph():
    alone = Signal.noise(seed=7).realize(32)
    _, placed, again = dg.realize(Signal.noise(), Signal.noise(seed=7), Signal.noise(seed=7), frames=32)
    np.testing.assert_array_equal(placed, alone)
    np.testing.assert_array_equal(again, alone)
    assert not np.array_equal(Signal.noise(seed=8).realize(32), alone)
    assert not np.array_equal(Signal.noise(seed=0).realize(32), Signal.noise().realize(32))
    with DGen.override(seed=1):
        assert not np.array_equal(Signal.noise(seed=7).realize(32), alone)


def test_noise_is_a_function_of_the_absolute_frame_and_its_lanes_are_independent():
    noise = Signal.noise(seed=1, shape=[2, 3])
    assert noise.shape == (2, 3)
    whole = noise.realize(50)
    np.testing.assert_array_equal(noise.realize(20), whole[:20])
    parts = [noise.realize(n, preserve_state=True) for n in (7, 1, 42)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    lanes = noise.realize(4000).reshape(4000, 6)
    assert np.abs(np.corrcoef(lanes.T) - np.eye(6)).max() < 0.06


def test_backward_hears_the_noise_that_realize_hears():
    p = Signal.param(0.5)
    loss = (Signal.noise() * Signal.noise(seed=3) + Signal.noise()) * p
    heard = loss.realize(64).astype(float)
    assert loss.backward(frames=64) == pytest.approx(heard.mean(), rel=1e-4)
    np.testing.assert_allclose(p.grad.value, heard.mean() / 0.5, rtol=1e-4)
    assert loss.backward(frames=64, reduction="sum") == pytest.approx(heard.sum(), rel=1e-4)
