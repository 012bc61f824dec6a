"""Values as numbers of Python and arrays of NumPy, and how what was called reads."""

import copy
import inspect
import math
import pickle
import pydoc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import SGD, Adam, ArgumentError, DGen, Optimizer, Signal, Tensor

V = np.array([1.5, -2.0, 4.0], np.float32)


@pytest.fixture
def v():
    return Tensor(V) * 1.0


# Without frames.


@pytest.mark.parametrize(
    "make", [Tensor, Signal.constant, Signal.param, lambda x: Signal.param(x) * 1.0, lambda x: Tensor(x) + 0]
)
def test_one_number_is_a_number_of_python(make):
    x = make(2.75)
    assert (float(x), x.item(), x.tolist(), int(x), math.sqrt(x)) == (2.75, 2.75, 2.75, 2, math.sqrt(2.75))
    assert (type(float(x)), type(x.item()), type(int(x))) == (float, float, int)
    assert f"{x:.1f} {x:>8.3f}" == "2.8    2.750"
    assert f"{x}" == repr(x)
    for array in (x.numpy(), np.asarray(x)):
        assert (type(array), array.shape, array.dtype) == (np.ndarray, (), np.float32)


def test_a_tensor_is_an_array_of_numpy(v):
    for array in (v.numpy(), np.asarray(v), np.array(v), np.asarray(v, np.float32)):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, V)
    assert np.asarray(v, np.float64).dtype == np.float64
    assert v.tolist() == [1.5, -2.0, 4.0]
    assert Tensor([[3.0]]).item() == 3.0
    np.testing.assert_array_equal(jnp.asarray(v), V)
    assert Tensor(np.zeros((0, 3))).numpy().shape == (0, 3)


@pytest.mark.parametrize(
    "name", ["mean", "sum", "max", "min", "std", "median", "prod", "sort", "cumsum", "round", "copy", "ravel"]
)
def test_functions_of_numpy_take_what_a_value_holds(v, name):
    given, wanted = getattr(np, name)(v), getattr(np, name)(V)
    assert type(given) is type(wanted)
    np.testing.assert_array_equal(given, wanted)


def test_functions_of_numpy_take_values_in_lists_and_by_name(v):
    np.testing.assert_array_equal(np.stack([v, V]), np.stack([V, V]))
    np.testing.assert_array_equal(np.concatenate((v, v)), np.concatenate((V, V)))
    np.testing.assert_array_equal(np.mean(a=Tensor([[1.0, 3.0]]), axis=1, keepdims=True), [[2.0]])
    np.testing.assert_array_equal(np.clip(v, a_min=0.0, a_max=v), np.clip(V, 0.0, V))
    assert np.linalg.norm(v) == np.linalg.norm(V)
    np.testing.assert_allclose(v, V)


def test_the_shape_of_a_signal_is_known_without_a_run():
    lanes = Signal.noise(shape=(2, 3))
    assert (np.shape(lanes), np.ndim(lanes), np.size(lanes)) == ((2, 3), 2, 6)


def test_operators_with_an_array_stay_lazy(v):
    assert isinstance(V * v, Tensor)
    assert isinstance(np.float32(2) * v, Tensor)
    assert isinstance(np.float64(2) - v, Tensor)
    assert isinstance(V[:, None] * Signal.noise(), dg.SignalTensor)


def test_lists_of_values_are_no_data(v):
    for make in (Tensor, Signal.from_samples, lambda x: Tensor([1.0, 2.0]) + x):
        with pytest.raises(ArgumentError, match="not lazy values"):
            make([v, v])


def test_a_batch_is_an_array_with_the_batch_first():
    codes = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], batched=True)
    np.testing.assert_array_equal(codes.sum().numpy(), [3, 7, 11])
    np.testing.assert_array_equal((Signal.param([1.0, 2.0], batched=True) * 2).numpy(), [2, 4])
    with pytest.raises(dg.ShapeError, match=r"holds 3, of shape \(3,\)"):
        float(codes.sum())


def test_what_varies_is_known_as_far_as_its_samples_go():
    x = Signal.from_samples(V)
    np.testing.assert_array_equal(x.numpy(), V)
    np.testing.assert_allclose(np.mean(x * 2), np.mean(V * 2))
    assert float(dg.spectral_loss(x, 0.0, window_size=2)) == dg.spectral_loss(x, 0.0, window_size=2).realize()
    played = Signal.input(3) * 1.0
    with pytest.raises(ArgumentError, match=r"realize\(frames\)"):
        played.numpy()
    DGen.inputs[3] = np.ones(DGen.default_frame_count)
    assert np.mean(played) == 1


@pytest.mark.parametrize(
    "make", [lambda: Signal.phasor(440.0), lambda: dg.spectral_loss(Signal.noise(), 0.0)], ids=["signal", "run"]
)
@pytest.mark.parametrize("call", [float, int, np.asarray, np.mean, Tensor.item, Tensor.numpy, Tensor.tolist, "{:.2f}".format])
def test_what_takes_frames_says_so(make, call):
    with pytest.raises(ArgumentError, match=r"computed over frames; realize\(frames\) tells how many"):
        call(make())


def test_nothing_lazy_is_true_or_false(v):
    with pytest.raises(ArgumentError, match="neither true nor false"):
        bool(v.sum())


def test_under_a_trace_a_value_is_a_constant_and_stays_whole():
    for transform in (jax.jit, jax.grad):
        w = Tensor([1.0, 2.0])
        double = w * 2
        assert transform(lambda a, x=double: a * float(x.sum()))(1.0) == 6.0
        assert jax.vmap(lambda a, x=double: a * np.mean(x))(jnp.ones(2)).tolist() == [3.0, 3.0]
        np.testing.assert_array_equal(w.numpy(), [1, 2])
        np.testing.assert_array_equal((w + 1).realize(), [2, 3])


def test_a_number_taken_out_has_no_gradient():
    w = Tensor([3.0], requires_grad=True)
    (w * float(w)).sum().backward()
    assert w.grad.item() == 3.0


# How it reads.


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda x: x.biquad(1000.0), "biquad"),
        (lambda x: Signal.phasor(440.0), "phasor"),
        (lambda x: Signal.phasor(Tensor([1.0, 2.0])), "phasor"),
        (lambda x: x.onepole(0.5), "onepole"),
        (lambda x: dg.svf(x, 1000.0), "svf"),
        (lambda x: x.comb(100.0), "comb"),
        (lambda x: x.max(0.0), "max"),
        (lambda x: x**2, "pow"),
        (lambda x: dg.stack([x, x])[0], "getitem"),
        (lambda x: dg.stack([x, x]), "stack"),
        (lambda x: x.change(), "change"),
        (lambda x: x.sin(), "sin"),
        (lambda x: dg.feedback(lambda p: (p[0] + x, p[1] * x), init=(0.0, 1.0))[1], "feedback"),
    ],
)
def test_a_value_is_called_what_was_called(make, name):
    y = make(Signal.noise(seed=1))
    for value in (y, copy.deepcopy(y), pickle.loads(pickle.dumps(y)) if name == "biquad" else y):
        assert f"op={name}" in repr(value)
    assert f"op={name}" in y._repr_html_()


def test_a_name_is_given_to_what_a_call_made_and_to_nothing_else():
    from dgenlazy.graph import composite

    @composite
    def same(x):
        return x

    @composite
    def twice(x):
        return x.biquad(100.0)

    y = Signal.noise().sin()
    assert "op=sin" in repr(same(y))
    assert "op=twice" in repr(twice(y))


def test_names_are_no_part_of_a_program():
    from dgenlazy.run import stage

    x = Signal.noise(seed=1)
    one, other = x.biquad(1000.0), x.biquad(1000.0)
    object.__setattr__(other.node, "part_of", "another")
    assert stage([one.node])[0] == stage([other.node])[0]
    assert "second_order" in str(one.program())


@pytest.mark.parametrize("name", ["sin", "biquad", "latch", "max", "softmax", "reshape"])
def test_a_method_has_the_docstring_and_signature_of_its_op(name):
    bound, method, function = getattr(Signal.noise(), name), getattr(Signal, name), getattr(dg, name)
    assert bound.__name__ == method.__name__ == name
    assert inspect.getdoc(bound) == inspect.getdoc(method)
    first = next(iter(inspect.signature(method).parameters))
    assert list(inspect.signature(method).parameters) == [first, *inspect.signature(bound).parameters]
    shown = pydoc.render_doc(method, renderer=pydoc.plaintext)
    assert f"{name}{inspect.signature(method)}" in shown
    assert inspect.getdoc(method).splitlines()[0] in shown
    assert inspect.getdoc(bound).splitlines()[0] in pydoc.render_doc(bound, renderer=pydoc.plaintext)
    if name != "reshape":
        assert inspect.getdoc(method) == inspect.getdoc(function)
        assert inspect.signature(method) == inspect.signature(function)


def test_a_signature_names_what_users_may_give():
    assert str(inspect.signature(Signal.biquad)) == "(x, cutoff, q=0.7071, mode='lowpass', gain_db=0.0)"
    assert str(inspect.signature(Signal.noise().biquad)) == "(cutoff, q=0.7071, mode='lowpass', gain_db=0.0)"
    assert str(inspect.signature(dg.conv1d)) == "(x, kernel, stride=1, padding='valid')"


def test_ipython_shows_docstring_and_signature():
    oinspect = pytest.importorskip("IPython.core.oinspect")
    x = Signal.noise()
    for method, definition in ((x.sin, "sin()"), (x.biquad, "biquad(cutoff, q=0.7071, mode='lowpass', gain_db=0.0)")):
        about = oinspect.Inspector.info(_inspector(oinspect), method, oname=method.__name__)
        assert about["definition"] == definition
        assert inspect.getdoc(method).splitlines()[0] in about["docstring"]


def _inspector(oinspect):
    try:
        return oinspect.Inspector()
    except TypeError:  # newer than 9
        return oinspect.Inspector(theme_name="nocolor")


def test_optimizers_and_functions_tell_what_they_hold():
    import optax

    w, gain = Tensor([1.0, 2.0], requires_grad=True), Signal.param(0.5)
    assert repr(Adam([w, gain], lr=0.01)) == "Adam(2 parameters, 3 numbers, lr=0.01)"
    assert repr(SGD([w], lr=0.1)) == "SGD(1 parameter, 2 numbers, lr=0.1)"
    assert repr(Optimizer([w], optax.adamw(1e-3))) == "Optimizer(1 parameter, 2 numbers)"
    fn = dg.function({"out": Signal.input(0) * gain}, params={"gain": gain}, inputs={"source": Signal.input(0)})
    assert repr(fn) == "Function(params={'gain': ()}, inputs=['source'], outputs={'out': ()})"
    assert repr(dg.function(gain * w)) == "Function(params=[(), (2,)], inputs=[], outputs=(2,))"
    assert len(repr(dg.function({str(i): gain * i for i in range(1000)}))) < 300
