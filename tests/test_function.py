"""Graphs as pure functions inside plain JAX, and JAX functions inside graphs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, InputError, ShapeError, Signal, Tensor

X = np.random.default_rng(0).uniform(-1, 1, 64).astype(np.float32)


def voice():
    """A graph with all that may be in one: memory, noise, parameters, inputs, constants, a loop."""
    cutoff, gain = Signal.param(900.0), Tensor([0.5, 0.25], requires_grad=True)
    x = Signal.input(0) + 0.1 * Signal.noise() + Signal.phasor(440.0)
    echo = dg.feedback(lambda previous: x + 0.5 * previous.delay(9))
    return {"cutoff": cutoff, "gain": gain}, echo.biquad(cutoff) * gain


def test_a_function_gives_what_realize_gives():
    params, out = voice()
    fn = dg.function({"y": out, "mean": out.mean()}, params=params, inputs={"x": Signal.input(0)})
    outputs, state = fn(fn.params, {"x": X})
    np.testing.assert_allclose(outputs["y"], out.realize(inputs={0: X}), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(outputs["mean"], out.mean().realize(inputs={0: X}), rtol=1e-6, atol=1e-6)
    assert state["position"] == 64
    same, _ = jax.jit(fn)(fn.params, {"x": X})
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), same, outputs)


def test_its_gradient_is_that_of_backward():
    params, out = voice()
    loss = dg.mse(out.sum(), 0.0)
    fn = dg.function(loss, params=params)
    value, grads = jax.jit(jax.value_and_grad(lambda p: fn(p, {0: X})[0].mean()))(fn.params)
    np.testing.assert_allclose(loss.backward(inputs={0: X}), value, rtol=1e-5)
    for name, leaf in params.items():
        np.testing.assert_allclose(grads[name], leaf.grad.value, rtol=1e-4)


def test_a_batch_is_its_elements_one_by_one_in_inputs_and_in_parameters():
    params, out = voice()
    fn = dg.function(out, params=params, inputs={"x": 0})
    xs = np.stack([X, 0.5 * X, X[::-1]])
    many = {"cutoff": jnp.array([300.0, 900.0, 2000.0]), "gain": jnp.arange(6.0).reshape(3, 2)}
    together, states = jax.vmap(fn)(many, {"x": xs})
    for i, x in enumerate(xs):
        alone, state = fn(jax.tree.map(lambda p, i=i: p[i], many), {"x": x})
        np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-6)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-6), states, state)
    shared, _ = jax.vmap(fn, (None, 0))(fn.params, {"x": xs})
    np.testing.assert_allclose(shared[1], fn(fn.params, {"x": xs[1]})[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cuts", [[64], [1, 63], [16, 16, 32], [0, 7, 57]])
def test_blocks_with_the_state_handed_on_are_one_run(cuts):
    params, out = voice()
    fn = dg.function(out, params=params)
    whole, end = fn(None, {0: X})
    state, pieces, at = None, [], 0
    for n in cuts:
        y, state = fn(None, {0: X[at : at + n]}, state)
        pieces.append(y)
        at += n
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), state, end)


def test_the_state_fits_a_scan():
    params, out = voice()
    fn = dg.function(out, params=params)
    blocks = X.reshape(8, 8)
    first = fn.initial_state(None, {0: blocks[0]})
    _, y = jax.lax.scan(lambda s, x: fn(None, {0: x}, s)[::-1], first, blocks)
    np.testing.assert_allclose(y.reshape(64, 2), fn(None, {0: X})[0], rtol=1e-5, atol=1e-6)


def test_settings_are_those_of_the_moment_when_it_is_made():
    ramp = Signal.phasor(1000.0)
    with DGen.override(sample_rate=8000.0, seed=5):
        fn = dg.function([ramp, Signal.noise(seed=1)])
        expected = dg.realize(ramp, Signal.noise(seed=1), frames=4)
    (y, noise), _ = fn(frames=4)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(noise, expected[1])


def test_any_leaf_may_be_an_input():
    table, x = Tensor([1.0, 2.0, 3.0]), Signal.from_samples([0.0, 1.0, 2.0])
    fn = dg.function(table.peek_row(x), params=[], inputs={"table": table, "index": x})
    y, _ = fn([], {"table": [4.0, 5.0, 6.0], "index": [2.0, 0.0]})
    np.testing.assert_array_equal(y, [6.0, 4.0])


def test_values_that_do_not_move_come_in_every_frame_of_a_signal_and_once_of_a_tensor():
    fn = dg.function((Signal.constant(2.0), Tensor([3.0])))
    (signal, tensor), _ = fn(frames=3)
    np.testing.assert_array_equal(signal, [2, 2, 2])
    np.testing.assert_array_equal(tensor, [3])


def test_it_trains_under_optax():
    cutoff = Signal.param(800.0)
    target = Signal.input(0).biquad(1500.0).realize(inputs={0: X})
    fn = dg.function(dg.mse(Signal.input(0).biquad(cutoff), Signal.input(1)), {"cutoff": cutoff}, {"x": 0, "y": 1})
    tx = optax.adam(20.0)

    @jax.jit
    def step(params, state):
        grads = jax.grad(lambda p: fn(p, {"x": X, "y": target})[0].mean())(params)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(params, updates), state

    params = fn.params
    state = tx.init(params)
    for _ in range(200):
        params, state = step(params, state)
    np.testing.assert_allclose(params["cutoff"], 1500.0, rtol=1e-3)
    assert cutoff.value == 800.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p, y: dg.function([]), ArgumentError, "there is no output"),
        (lambda p, y: dg.function(3.0), ArgumentError, "function: outputs: 3.0 is not a Tensor, Signal"),
        (lambda p, y: dg.function(y, params={"y": y}), ArgumentError, "function: params: .* is computed or an input"),
        (lambda p, y: dg.function(y, params={"a": p, "b": p}), ArgumentError, "a leaf is given twice"),
        (lambda p, y: dg.function(y, inputs={}), ArgumentError, "inputs do not name channel 0"),
        (lambda p, y: dg.function(y, inputs=[0]), ArgumentError, "is not a mapping from name to Signal.input"),
        (lambda p, y: dg.function(y, inputs={"x": y}), ArgumentError, r"inputs\['x'\].* is computed"),
        (lambda p, y: dg.function(y)([1.0], {}), InputError, r"inputs\[0\] is missing"),
        (lambda p, y: dg.function(y)([1.0], {0: X, 1: X}), InputError, r"inputs\[1\] is none of 0"),
        (lambda p, y: dg.function(y)([1.0], {0: X[None, None]}), ShapeError, r"\(1, 1, 64\), not \(frames,\) or \(batch"),
        (lambda p, y: dg.function(y)([[1.0, 2.0]], {0: X}), ArgumentError, "params have the structure"),
        (lambda p, y: dg.function(y)([np.ones(2)], {0: X}), ShapeError, r"has shape \(2,\), not \(\)"),
        (lambda p, y: dg.function(y)(["a"], {0: X}), ArgumentError, "function: params of"),
        (lambda p, y: dg.function(y)([1.0], {0: X}, frames=3), InputError, "frames=3, but the inputs have 64"),
        (lambda p, y: dg.function(Signal.noise())(), ArgumentError, "give frames"),
        (lambda p, y: dg.function(Signal.from_samples(X))(frames=65), InputError, "64 frames of .* 0 to 65 were asked for"),
        (lambda p, y: dg.function(y)([1.0], X), ArgumentError, "inputs=ndarray is not a mapping"),
        (lambda p, y: dg.function(y)([1.0], {0: 1j * X}), ArgumentError, "take the real and imaginary parts apart"),
        (lambda p, y: dg.function(y)([1.0], {0: jnp.asarray(1j * X)}), ArgumentError, "complex64 is not a type of real"),
        (lambda p, y: dg.function(y)([1j], {0: X}), ArgumentError, "complex128 is not a type of real"),
        (lambda p, y: dg.function(y)([1.0], {0: X}, {"position": 0.5, "recurrences": ()}), ArgumentError, "position"),
        (lambda p, y: dg.function(Signal.noise())(frames=-1), ArgumentError, "frames=-1 is less than 0"),
    ],
)
def test_wrong_uses_are_errors(make, error, message):
    p = Signal.param(1.0)
    with pytest.raises(error, match=message):
        make(p, Signal.input(0) * p)


def numbers(frames):
    return np.arange(frames, dtype=np.float32)


@pytest.mark.parametrize("learned", [False, True])
def test_samples_of_the_graph_end_with_an_error_as_those_of_realize(learned):
    held = Signal.from_samples(numbers(8), requires_grad=learned)
    fn = dg.function(held * Signal.input(0))
    parts, state = [], None
    for _ in range(2):
        out, state = fn(None, {0: np.ones(3)}, state)
        parts.append(out)
    np.testing.assert_array_equal(np.concatenate(parts), numbers(6))
    with pytest.raises(InputError, match="8 frames of samples, but frames 6 to 9 were asked for"):
        fn(None, {0: np.ones(3)}, state)
    with pytest.raises(InputError, match="8 frames of samples, but frames 0 to 9"):
        fn(None, {0: np.ones(9)})
    _, state = fn(None, {0: np.ones(8)})  # as long as the block: not begun again in the next
    with pytest.raises(InputError, match="frames 8 to 16"):
        fn(None, {0: np.ones(8)}, state)


def test_samples_of_the_graph_are_nan_past_their_end_where_the_position_is_traced():
    held = Signal.from_samples(numbers(8), requires_grad=True)
    fn = dg.function(held * Signal.input(0))
    start = fn.initial_state(None, {0: np.ones(3)})

    def blocks(params, count):
        return jax.lax.scan(lambda state, _: fn(params, {0: np.ones(3)}, state)[::-1], start, None, length=count)[1].ravel()

    np.testing.assert_array_equal(blocks(None, 4), [*range(8), *[np.nan] * 4])
    np.testing.assert_array_equal(jax.grad(lambda p: (blocks(p, 2) ** 2).sum())(fn.params)[0], [*range(0, 12, 2), 0, 0])


def test_batched_samples_of_the_graph_go_on_from_block_to_block():
    rows = np.arange(12, dtype=np.float32).reshape(2, 6)
    fn = dg.function(Signal.from_samples(rows, batched=True) * 1.0)
    first, state = fn(frames=4)
    second, _ = jax.jit(lambda state: fn(state=state, frames=2))(state)
    np.testing.assert_array_equal(np.concatenate([first, second], 1), rows)


def test_a_call_by_itself_compiles_once_for_each_shape():
    _, out = voice()
    fn = dg.function(out, inputs={"x": 0})
    _, state = fn(None, {"x": X})
    fn([900.0, np.ones(2)], {"x": X}, state)
    with compilations() as compiled:
        for scale in (0.5, 1.0):
            _, state = fn([900.0 * scale, np.array([scale, 1.0])], {"x": scale * X}, state)
    assert not compiled


def test_what_stands_for_an_array_in_jax_does_so_here():
    class Variable:  # as the modules of Flax hold
        def __init__(self, value):
            self.value = value

        def __jax_array__(self):
            return self.value

    gain = Signal.param(2.0)
    fn = dg.function(Signal.input(0) * gain, params=[gain])
    slope = jax.jit(jax.grad(lambda g: fn([Variable(g)], {0: np.ones(3)})[0].sum()))(5.0)
    np.testing.assert_array_equal([slope, fn([Variable(5.0)], {0: np.ones(3)})[0][0]], [3, 5])


def test_a_call_by_itself_sees_data_that_was_changed():
    gain = Tensor([1.0, 2.0])
    fn = dg.function(Signal.input(0) * gain)
    before, _ = fn(None, {0: np.ones(1)})
    gain.value = [3.0, 4.0]
    np.testing.assert_array_equal([before, fn(None, {0: np.ones(1)})[0]], [[[1, 2]], [[3, 4]]])


# JAX functions as ops.


def test_a_jax_function_is_an_op_on_all_types():
    softplus = dg.from_jax(jax.jit(jax.nn.softplus))
    np.testing.assert_allclose(softplus(Tensor(X)).realize(), np.logaddexp(X, 0), rtol=1e-5)
    np.testing.assert_allclose(softplus(Signal.from_samples(X)).realize(), np.logaddexp(X, 0), rtol=1e-5)
    lanes = Signal.from_samples(X) * Tensor([1.0, 2.0])
    assert softplus(lanes).shape == (2,)
    np.testing.assert_allclose(softplus(lanes).realize(), np.logaddexp(X[:, None] * [1, 2], 0), rtol=1e-5)


def test_gradients_go_through_it():
    p = Signal.param(0.3)
    dg.from_jax(jnp.sinc)(p * Signal.from_samples(X)).backward(reduction="sum")
    slope = jax.grad(lambda p: jnp.sinc(p * X).sum())(0.3)
    np.testing.assert_allclose(p.grad.value, slope, rtol=1e-4)


def test_it_takes_static_arguments_and_gives_several_results():
    def split(x, *, at):
        return x[:at], x[at:]

    low, high = dg.from_jax(split)(Tensor([1.0, 2.0, 3.0]), at=1)
    np.testing.assert_array_equal(low.realize(), [1])
    np.testing.assert_array_equal((high * 2).realize(), [4, 6])


def test_one_of_the_whole_run_sees_all_frames():
    energy = dg.from_jax(lambda x: jnp.sum(x**2), whole_run=True)
    value = energy(Signal.from_samples(X))
    assert type(value) is Tensor
    np.testing.assert_allclose(value.realize(), np.sum(X**2), rtol=1e-5)


def test_it_compiles_once_when_it_is_made_once():
    traces = []

    def count(x):
        traces.append(x)
        return x * 2

    op = dg.from_jax(count)
    for i in range(5):
        op(Signal.constant(float(i))).realize(3)
    assert len(traces) <= 3  # to infer, and to compile


def test_arguments_by_name_are_static_but_for_values():
    x = np.array([[1.0, 4.0], [2.0, 3.0]], np.float32)
    softmax = dg.from_jax(jax.nn.softmax)
    np.testing.assert_allclose(softmax(Tensor(x), axis=0).realize(), jax.nn.softmax(x, axis=0), rtol=1e-6)
    np.testing.assert_allclose(softmax(Tensor(x)).realize(), jax.nn.softmax(x), rtol=1e-6)
    np.testing.assert_allclose(dg.from_jax(jax.nn.gelu)(Tensor(x)).realize(), jax.nn.gelu(x), rtol=1e-6)
    high = Tensor(2.0, requires_grad=True)
    clipped = dg.from_jax(jnp.clip)(Tensor(x), max=high)
    np.testing.assert_array_equal(clipped.realize(), np.minimum(x, 2))
    clipped.sum().backward()
    np.testing.assert_allclose(high.grad.value, 2.5)  # half of what is equal
    np.testing.assert_array_equal(dg.from_jax(lambda frame: 2 * frame)(Tensor([3.0])).realize(), [6])


def test_any_callable_is_an_op():
    class Double:
        def __call__(self, x):
            return 2 * x

    np.testing.assert_array_equal(dg.from_jax(Double())(Tensor([1.0])).realize(), [2])
    unit = dg.from_jax(functools.partial(jnp.clip, min=0, max=1))(Tensor([-1.0, 0.5, 4.0]))
    np.testing.assert_array_equal(unit.realize(), [0, 0.5, 1])
    assert "clip(" in str(unit.program())


def test_a_tensor_of_a_whole_run_is_given_as_it_is():
    op = dg.from_jax(lambda x, weights, level: jnp.mean(x) * weights + level.mean(), whole_run=True)
    value = op(Signal.input(0), Tensor([1.0, 2.0]), Signal.constant(0.5))
    assert value.shape == (2,)
    np.testing.assert_array_equal(value.realize(inputs={0: np.full(5, 3.0)}), [3.5, 6.5])


def test_what_a_function_raises_can_be_found():
    def wrong(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dg.from_jax(wrong)(Tensor([1.0]))
    with pytest.raises(ShapeError, match="cannot combine") as found:
        dg.from_jax(lambda x: x if x > 0 else -x)(Tensor(1.0))
    assert isinstance(found.value.__cause__, jax.errors.TracerBoolConversionError)


@jax.custom_vjp
def steps(x):
    return jnp.round(x)


steps.defvjp(lambda x: (jnp.round(x), None), lambda _, g: (g,))  # "straight through"


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("delay", [1, 20])
def test_a_custom_vjp_in_a_loop_keeps_its_gradient(delay, batch):
    x = np.random.default_rng(0).normal(size=(64,) if batch is None else (batch, 64)).astype(np.float32)

    def by_hand(gain, x):
        def frame(held, x):
            y = steps(0.9 * held[0] + 4 * gain * x)
            return jnp.append(held[1:], y), y

        return jnp.mean(jax.lax.scan(frame, jnp.zeros(delay), x)[1] ** 2)

    gain, op = Signal.param(0.3), dg.from_jax(steps)

    def body(y):
        back = y if delay == 1 else y.delay(delay - 1, min_delay=delay - 1)
        return op(0.9 * back + 4 * gain * Signal.input(0))

    y = dg.feedback(body)
    value = dg.mse(y, 0.0).backward(inputs={0: x})
    expected = jax.value_and_grad(lambda g: jnp.mean(jax.vmap(lambda x: by_hand(g, x))(np.atleast_2d(x))))(0.3)
    np.testing.assert_allclose([value, gain.grad.value], expected, rtol=1e-5)
    assert float(gain.grad.value) != 0


def test_a_plan_that_takes_derivatives_forwards_does_not_fit_a_custom_vjp():
    y = dg.feedback(lambda y: dg.from_jax(steps)(y + Signal.input(0)), plan="newton")
    with pytest.raises(ArgumentError, match="plan='newton' does not fit: a custom_vjp has no derivative forwards"):
        y.realize(inputs={0: X})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dg.from_jax(3), "from_jax: 3 is not a function"),
        (lambda: dg.from_jax(jnp.isnan)(Tensor([1.0])), "isnan: it returns bool, not float32"),
        (lambda: dg.from_jax(jnp.exp)(2.0), "exp: no Tensor, Signal or SignalTensor"),
        (lambda: dg.from_jax(jnp.exp)(Tensor([1.0]), Tensor([1.0])), "exp"),
        (
            lambda: dg.from_jax(lambda x: {"a": x})(Tensor([1.0])),
            "<lambda>: it returns dict, not an array or a tuple of arrays",
        ),
        (lambda: dg.from_jax(lambda x: ())(Tensor([1.0])), "it returns nothing"),
        (lambda: dg.from_jax(lambda x: (x, [x]))(Tensor([1.0])), "it returns list"),
        (
            lambda: dg.from_jax(lambda x: x[::2], whole_run=True)(Signal.input(0)),
            r"depends on the number of frames, and is not a row for each: \(4096,\) for 8192",
        ),
    ],
)
def test_wrong_functions_are_errors(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


# Batches that JAX makes of a program it has already traced.


@pytest.mark.parametrize("batch", [3, 64])  # 64 is also the number of frames: axes that are mixed up still fit
@pytest.mark.parametrize(
    "build",
    [
        lambda x, g: (g * x).onepole(0.7),
        lambda x, g: x.biquad(1000 * g),
        lambda x, g: dg.feedback(lambda y: (x + g * y).tanh()),
        lambda x, g: sum(dg.feedback(lambda y: (0.1 + g * y[0], x + g * y[1]), (0.5, 0.0))),  # one is the same in all examples
        lambda x, g: dg.feedback(lambda y: x + g * y.delay(9.5).onepole(0.7)),
    ],
)
def test_the_gradient_of_a_batch_of_a_jitted_function_is_that_of_its_examples(build, batch):
    x = np.random.default_rng(0).normal(size=(batch, 64)).astype(np.float32)
    fn = dg.function(build(Signal.input(0), Signal.param(0.9)), inputs={"x": Signal.input(0)})

    def loss(params, x):
        return (fn(params, {"x": x})[0] * jnp.sin(jnp.arange(64.0))).sum()

    alone = jax.jit(jax.grad(loss))
    each = [alone(fn.params, a)[0] for a in x[:3]]
    many = jax.grad(lambda params: jax.vmap(jax.jit(loss), (None, 0))(params, x)[:3].sum())(fn.params)[0]
    np.testing.assert_allclose(many, sum(each), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("second", [lambda f: jax.grad(jax.grad(f)), jax.hessian, lambda f: jax.jacrev(jax.jacfwd(f))])
@pytest.mark.parametrize("plan", ["scan", "linear", "newton"])
def test_the_second_derivative_of_what_is_linear_is_zero(plan, second):
    """Nothing then depends on the parameter but how the gradient is found."""
    x = Signal.from_samples(np.random.default_rng(0).normal(size=64).astype(np.float32))
    gain = Signal.param(0.5)
    fn = dg.function(dg.feedback(lambda y: gain * x + 0.7 * y, plan=plan), params=[gain])
    assert jax.jit(second(lambda g: fn([g])[0].sum()))(jnp.float32(0.5)) == 0
    curved = jax.jit(second(lambda g: (fn([g])[0] ** 2).sum()))(jnp.float32(0.5))
    np.testing.assert_allclose(curved, 2 * (fn([1.0])[0] ** 2).sum(), rtol=1e-4)


def test_a_state_of_something_else_is_an_error():
    fn = dg.function(Signal.input(0).biquad(1000.0))
    other = dg.function(Tensor([1.0, 2.0]) * Signal.input(0).onepole(0.5))
    x = {0: np.ones(4, np.float32)}
    for wrong in (3, {}, {"position": 0}, ()):
        with pytest.raises(ArgumentError, match=r"function: state=.* is not what a call or initial_state of it returned"):
            fn(None, x, wrong)
    with pytest.raises(ShapeError, match=r"the state is of another graph or batch: it holds \(\), \(\), not (\(\), ){3}\(\)"):
        fn(None, x, other(None, x)[1])
    with pytest.raises(ShapeError, match=r"it holds (\(3,\), ){4}not (\(\), ){3}\(\)"):
        fn(None, x, fn(None, {0: np.ones((3, 4), np.float32)})[1])
