"""Optimizers against loops written down from their papers, and what a step may and may not touch."""

import copy
import dataclasses
import functools as ft
import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import SGD, Adam, ArgumentError, Optimizer, ShapeError, Signal, Tensor

STEPS = 24
SHAPES = [(2, 3), (), (4,)]


def slopes(steps=STEPS, shapes=SHAPES, seed=0):
    """A gradient for each parameter, step after step."""
    rng = np.random.default_rng(seed)
    return [[rng.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(steps)]


def parameters(shapes=SHAPES, seed=1):
    rng = np.random.default_rng(seed)
    return [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes]


def push(params, gradient):
    """Give each parameter the gradient that is asked for; None gives it none."""
    terms = [(p * g).sum() for p, g in zip(params, gradient) if g is not None]
    sum(terms[1:], terms[0]).backward(frames=1)


def train(opt, params, gradients):
    """The values after each step."""
    out = []
    for gradient in gradients:
        push(params, gradient)
        opt.step()
        opt.zero_grad()
        out.append([p.value for p in params])
    return out


def close(got, expected, rtol=2e-6, atol=2e-6):
    for ours, theirs in zip(got, expected):
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def same(got, expected):
    for ours, theirs in zip(got, expected):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b)


def sgd_loop(start, gradients, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
    """torch.optim.SGD as its page writes it, dampening 0, of one parameter; `lr` may be a list. A gradient of None skips."""
    theta, buffer, out = np.asarray(start, np.float64), None, []
    for gradient, rate in zip(gradients, itertools.cycle(np.atleast_1d(lr))):
        if gradient is not None:
            g = gradient.astype(np.float64)
            if weight_decay:
                g = g + weight_decay * theta
            if momentum:
                buffer = g if buffer is None else momentum * buffer + g
                g = g + momentum * buffer if nesterov else buffer
            theta = theta - rate * g
        out.append(theta)
    return out


def adam_loop(start, gradients, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """Algorithm 1 of Kingma and Ba, of one parameter. A gradient of None skips."""
    theta, m, v, t, out = np.asarray(start, np.float64), 0.0, 0.0, 0, []
    for gradient in gradients:
        if gradient is not None:
            g, t = gradient.astype(np.float64), t + 1
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
            theta = theta - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
        out.append(theta)
    return out


def looped(loop, params, gradients, *args, **kwargs):
    """The values after each step, of every parameter."""
    each = [loop(p.value, [g[i] for g in gradients], *args, **kwargs) for i, p in enumerate(params)]
    return list(zip(*each))


# The rules.

COMBINATIONS = [
    {"momentum": momentum, "weight_decay": decay, "nesterov": nesterov}
    for momentum, decay, nesterov in itertools.product((0.0, 0.9), (0.0, 0.1), (False, True))
    if momentum or not nesterov
]


@pytest.mark.parametrize("options", COMBINATIONS, ids=str)
def test_sgd_is_pytorchs(options):
    params, gradients = parameters(), slopes()
    expected = looped(sgd_loop, params, gradients, 0.05, **options)
    close(train(SGD(params, lr=0.05, **options), params, gradients), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.05},
        {"lr": 0.05, "beta1": 0.0},
        {"lr": 0.05, "beta2": 0.0, "eps": 0.1},
        {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3, "lr": 0.2},
    ],
    ids=str,
)
def test_adam_is_that_of_its_paper(options):
    params, gradients = parameters(), slopes()
    expected = looped(adam_loop, params, gradients, **({"lr": 0.001} | options))
    got = train(Adam(params, **options), params, gradients)
    close(got, expected, rtol=1e-5, atol=2e-5 * options.get("lr", 0.001) * STEPS)


def test_the_first_step_of_adam_is_the_rate_whatever_the_scale_of_the_gradient():
    w = Tensor([1.0, 1.0, 1.0], requires_grad=True)
    ((values,),) = train(Adam([w], lr=0.25), [w], [[np.array([1e-4, -1.0, 1e6], np.float32)]])
    np.testing.assert_allclose(values, [0.75 + 0.25e-4, 1.25, 0.75], rtol=2e-5)


TRANSFORMATIONS = {
    "sgd": lambda: optax.sgd(0.05, momentum=0.9, nesterov=True),
    "adamw": lambda: optax.adamw(0.05, weight_decay=0.1),
    "rmsprop": lambda: optax.rmsprop(0.05, centered=True, momentum=0.5),
    "lion": lambda: optax.lion(0.01),
    "adafactor": lambda: optax.adafactor(0.05),
    "clipped": lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.05)),
    "scheduled": lambda: optax.sgd(optax.cosine_decay_schedule(0.1, STEPS)),
    "every third": lambda: optax.MultiSteps(optax.adam(0.05), every_k_schedule=3),
    "injected": lambda: optax.inject_hyperparams(optax.adam)(learning_rate=0.05),
    "apart": lambda: optax.multi_transform({"a": optax.sgd(0.1), "b": optax.adam(0.05)}, ["a", "b", "a"]),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_any_transformation_steps_as_optax_used_by_hand(name):
    params, gradients, tx = parameters(), slopes(8), TRANSFORMATIONS[name]()
    values = [jnp.asarray(p.value) for p in params]
    state, update, expected = tx.init(values), jax.jit(tx.update), []
    for gradient in gradients:
        changes, state = update([jnp.asarray(g) for g in gradient], state, values)
        values = optax.apply_updates(values, changes)
        expected.append(values)
    close(train(Optimizer(params, TRANSFORMATIONS[name]()), params, gradients), expected, rtol=1e-5, atol=1e-5)


# Bounds.


@pytest.mark.parametrize(
    "make", [lambda p: SGD(p, 0.3, momentum=0.5), lambda p: Adam(p, 0.3), lambda p: Optimizer(p, optax.sgd(9.0))]
)
def test_bounds_hold_after_each_step_and_the_parameter_comes_back_from_them(make):
    both, low, high = Signal.param(0.45, min=0.1, max=0.7), Signal.param(0.0, min=-0.3), Signal.param(0.0, max=0.1)
    free = Tensor([0.0], requires_grad=True)
    params = [both, low, high, free]
    opt, seen = make(params), []
    for sign in [1] * 4 + [-1] * 14:
        push(params, [np.float32(sign)] * 4)
        opt.step()
        opt.zero_grad()
        seen.append([float(p.value.reshape(())) for p in params])
    a, b, c, d = np.array(seen, np.float32).T
    assert a.min() == np.float32(0.1)
    assert a.max() == np.float32(0.7)
    assert b.min() == np.float32(-0.3)
    assert c.max() == np.float32(0.1)
    assert d.min() < -0.5
    assert b.max() > 0.1
    assert c.min() < -0.3
    for p in (both, low, high):
        p.value = p.value  # a value at its bound is inside it


def test_a_bounded_step_is_the_free_step_cut_to_the_bounds():
    p, gradients = Signal.param(0.5, min=0.0, max=1.0), [[np.float32(g)] for g in (0.3, 2.0, 0.1, -0.2, -9.0, 0.4)]
    opt, theta, buffer = SGD([p], lr=0.5, momentum=0.9), 0.5, 0.0
    for (value,), (g,) in zip(train(opt, [p], gradients), gradients):
        buffer = 0.9 * buffer + float(g)
        theta = min(max(theta - 0.5 * buffer, 0.0), 1.0)
        assert float(value) == pytest.approx(theta, abs=1e-6)


# Parameters without a gradient.

GAPS = [[None if (step + i) % 3 == 0 else g for i, g in enumerate(gradient)] for step, gradient in enumerate(slopes())]


def test_a_parameter_without_gradient_is_skipped_and_its_momentum_waits():
    params = parameters()
    options = {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}
    expected = looped(sgd_loop, params, GAPS, 0.05, **options)
    close(train(SGD(params, 0.05, **options), params, GAPS), expected)


def test_a_parameter_without_gradient_is_skipped_and_its_bias_correction_waits():
    params = parameters()
    expected = looped(adam_loop, params, GAPS, 0.05)
    close(train(Adam(params, 0.05), params, GAPS), expected, atol=2e-5)


def test_a_parameter_without_gradient_keeps_what_any_transformation_holds_for_it():
    params = parameters()
    expected = looped(sgd_loop, params, GAPS, 0.05, momentum=0.9)
    close(train(Optimizer(params, optax.sgd(0.05, momentum=0.9)), params, GAPS), expected)
    params = parameters()
    tx = optax.multi_transform({"a": optax.sgd(0.05, momentum=0.9), "b": optax.sgd(0.05)}, ["a", "b", "a"])
    momenta = [0.9, 0.0, 0.9]
    each = [sgd_loop(p.value, [g[i] for g in GAPS], 0.05, m) for i, (p, m) in enumerate(zip(params, momenta))]
    close(train(Optimizer(params, tx), params, GAPS), list(zip(*each)))


def test_weights_do_not_decay_without_a_gradient():
    params = parameters()
    before = [p.value for p in params]
    opt = Optimizer(params, optax.adamw(0.1, weight_decay=0.5))
    push(params, [np.float32(1.0), None, None])
    opt.step()
    np.testing.assert_array_equal(params[1].value, before[1])
    np.testing.assert_array_equal(params[2].value, before[2])
    assert not np.array_equal(params[0].value, before[0])


def test_a_gradient_of_zeros_is_a_gradient():
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    opt = SGD([a, b], lr=0.1, weight_decay=0.5)
    ((x, y),) = train(opt, [a, b], [[np.zeros(1, np.float32), None]])
    np.testing.assert_allclose(x, 0.95, rtol=1e-6)
    np.testing.assert_array_equal(y, [1.0])


def test_a_step_without_any_gradient_is_an_error_and_changes_nothing():
    w = Tensor([1.0], requires_grad=True)
    for opt in (SGD([w], 0.1, weight_decay=0.5), Adam([w]), Optimizer([w], optax.sgd(0.1))):
        with pytest.raises(ArgumentError, match=f"{type(opt).__name__}.step: no parameter has a gradient; call loss.backward"):
            opt.step()
    np.testing.assert_array_equal(w.value, [1.0])


# The learning rate.


def test_a_new_rate_holds_from_the_next_step_and_compiles_nothing():
    params, gradients = parameters(), slopes()
    rates = [0.05, 0.0, 0.5, 0.01, 1.0, 0.125] * (STEPS // 6)
    expected = looped(sgd_loop, params, gradients, rates, momentum=0.9)
    opt, got = SGD(params, lr=9.0, momentum=0.9), []
    opt.lr = rates[0]
    got += train(opt, params, gradients[:1])
    with compilations() as compiled:
        for rate, gradient in zip(rates[1:], gradients[1:]):
            opt.lr = rate
            assert opt.lr == rate
            got += train(opt, params, [gradient])
    close(got, expected)
    assert not compiled


@pytest.mark.parametrize("make", [Adam, ft.partial(SGD, momentum=0.9, weight_decay=0.1)])
def test_an_optimizer_that_equals_an_earlier_one_compiles_nothing_for_its_steps(make):
    gradients = slopes(3)
    first = train(make(params := parameters(), lr=0.1), params, gradients)
    again = make(params := parameters(), lr=0.1)
    with compilations() as compiled:
        same(train(again, params, gradients), first)
        train(make(params, lr=0.5), params, gradients)
    assert not compiled


def test_optimizers_that_differ_share_nothing():
    gradients, starts = slopes(4), [Signal.param(0.5, min=0.0, max=high) for high in (0.6, 2.0, 0.6)]
    up = [[-np.ones((), np.float32)]]
    for w, lr, expected in zip(starts, (1.0, 1.0, 1.0), (0.6, 1.5, 0.6)):
        np.testing.assert_allclose(train(SGD([w], lr=lr), [w], up)[-1], [expected], rtol=1e-6)
    a, b = (train(Adam(params := parameters(), lr=0.1, beta1=beta), params, gradients)[-1] for beta in (0.9, 0.5))
    assert any(np.abs(x - y).max() > 1e-3 for x, y in zip(a, b))


@dataclasses.dataclass
class Unhashable:
    rate: float

    def init(self, params):
        return ()

    def update(self, updates, state, params=None):
        return [-self.rate * u for u in updates], state


def test_a_transformation_of_ones_own_needs_no_hash():
    params, gradients = parameters(), slopes(2)
    got = train(Optimizer(params, Unhashable(0.1)), params, gradients)
    close(got, looped(sgd_loop, parameters(), gradients, [0.1, 0.1]))


@pytest.mark.parametrize("make", [lambda p: Adam(p, 0.1), lambda p: Optimizer(p, optax.inject_hyperparams(optax.adam)(0.1))])
def test_the_rate_of_adam_and_of_injected_transformations_is_assignable(make):
    params, gradients = parameters(), slopes(4)
    opt = make(params)
    assert opt.lr == pytest.approx(0.1)
    first = train(opt, params, gradients[:2])[-1]
    with compilations() as compiled:
        opt.lr = 0.0
        same(train(opt, params, gradients[2:3]), [first])
        opt.lr = np.float32(0.25)
    assert opt.lr == 0.25
    moved = train(opt, params, gradients[3:])[-1]
    assert not compiled
    assert all(np.abs(a - b).max() > 0.01 for a, b in zip(moved, first))


def test_a_rate_that_is_not_there_or_not_a_rate_is_an_error():
    w = Tensor([1.0], requires_grad=True)
    opt = Optimizer([w], optax.sgd(0.1))
    with pytest.raises(ArgumentError, match=r"Optimizer\.lr: this transformation keeps its learning rate to itself"):
        _ = opt.lr
    with pytest.raises(ArgumentError, match="inject_hyperparams"):
        opt.lr = 0.1
    opt = SGD([w], lr=0.1)
    for bad in (-0.1, float("nan"), float("inf"), "fast", None, True):
        with pytest.raises(ArgumentError, match="SGD: lr"):
            opt.lr = bad
    assert opt.lr == 0.1


# Going on from a saved state.

MAKERS = {
    "SGD": lambda p, lr=0.05: SGD(p, lr),
    "momentum": lambda p, lr=0.05: SGD(p, lr, momentum=0.9, weight_decay=0.1, nesterov=True),
    "Adam": lambda p, lr=0.05: Adam(p, lr),
    "optax": lambda p, lr=0.05: Optimizer(p, optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.05))),
    "injected": lambda p, lr=0.05: Optimizer(p, optax.inject_hyperparams(optax.adam)(learning_rate=lr)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_state_goes_on_to_the_same_bits(name):
    params, gradients = parameters(), slopes(8)
    opt = MAKERS[name](params)
    train(opt, params, gradients[:4])
    saved, values = opt.state_dict(), [p.value for p in params]
    before = copy.deepcopy(saved)
    expected = train(opt, params, gradients[4:])
    saved = pickle.loads(pickle.dumps(saved))

    others = parameters(seed=5)
    fresh = MAKERS[name](others, lr=0.7)
    train(fresh, others, slopes(3, seed=9))
    fresh.load_state_dict(saved)
    for p, value in zip(others, values):
        p.value = value
    same(train(fresh, others, gradients[4:]), expected)
    assert fresh.state_dict()["lr"] == before["lr"]

    opt.load_state_dict(saved)  # and the same optimizer goes back
    for p, value in zip(params, values):
        p.value = value
    same(train(opt, params, gradients[4:]), expected)
    same([saved["state"]], [before["state"]])


def test_a_state_of_another_optimizer_is_refused_and_changes_nothing():
    params = parameters()
    opt = Adam(params, lr=0.5)
    train(opt, params, slopes(2))
    before = opt.state_dict()
    other = parameters([(2, 3), (), (5,)])
    cases = [
        (SGD(params, 0.1).state_dict(), ArgumentError, "another optimizer"),
        (SGD(params, 0.1, momentum=0.9).state_dict(), ArgumentError, "another optimizer"),
        (Adam(params[:2]).state_dict(), ArgumentError, "other parameters"),
        (Adam(other).state_dict(), ShapeError, r"shape \(5,\), float32, where \(4,\), float32 belongs"),
        (Optimizer(params, optax.scale_by_adam()).state_dict(), ArgumentError, "another optimizer"),
        ({}, ArgumentError, "a mapping with lr, kind and state"),
        ({"lr": 0.1}, ArgumentError, "a mapping with lr, kind and state"),
        ({**before, "more": 1}, ArgumentError, "a mapping with lr, kind and state"),
        ([], ArgumentError, "a mapping with lr, kind and state"),
        (None, ArgumentError, "a mapping with lr, kind and state"),
        ({**before, "state": None}, ArgumentError, "another optimizer"),
        ({**before, "state": [0.0] * len(before["state"])}, ArgumentError, "is not a NumPy array"),
        ({**before, "lr": -1.0}, ArgumentError, "lr=-1.0 is less than 0"),
        ({**before, "lr": "fast"}, ArgumentError, "'fast' is not a number"),
        ({**before, "lr": None}, ArgumentError, "another optimizer"),
    ]
    for foreign, error, message in cases:
        with pytest.raises(error, match=message):
            opt.load_state_dict(foreign)
    after = opt.state_dict()
    assert after["lr"] == before["lr"]
    same([after["state"]], [before["state"]])


@pytest.mark.parametrize(
    ("saved", "other"),
    [
        (lambda a, b: Optimizer([a], optax.sgd(0.1, momentum=0.9)), lambda a, b: Optimizer([a], optax.rmsprop(0.1))),
        (lambda a, b: SGD([a, b], 0.1), lambda a, b: SGD([a], 0.1)),
    ],
    ids=["transformation", "parameters"],
)
def test_a_state_of_equal_arrays_is_refused_where_it_is_of_another_kind(saved, other):
    with pytest.raises((ArgumentError, ShapeError)):
        other(*parameters([(2,), (3,)])).load_state_dict(saved(*parameters([(2,), (3,)])).state_dict())


# Gradients.


def test_gradients_add_up_until_they_are_cleared():
    w = Tensor([1.0, 2.0], requires_grad=True)
    opt = SGD([w], lr=0.5)
    (w * w).sum().backward()
    (w * [10.0, 0.0]).sum().backward()
    np.testing.assert_allclose(w.grad.value, [12, 4])
    opt.step()
    np.testing.assert_allclose(w.value, [-5, 0])
    np.testing.assert_allclose(w.grad.value, [12, 4])
    opt.step()  # a step leaves the gradients as they are
    np.testing.assert_allclose(w.value, [-11, -2])
    opt.zero_grad()
    assert w.grad is None
    opt.zero_grad()
    (w * [1.0, 1.0]).sum().backward()
    np.testing.assert_allclose(w.grad.value, [1, 1])


def test_zero_grad_clears_only_the_parameters_of_its_own_optimizer():
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    (a * b).sum().backward()
    SGD([a], lr=0.1).zero_grad()
    assert a.grad is None
    np.testing.assert_array_equal(b.grad.value, [1.0])


def test_a_gradient_held_by_the_user_outlives_step_and_zero_grad():
    w = Tensor([1.0, -1.0], requires_grad=True)
    opt = Adam([w], lr=0.1)
    (w * [3.0, 4.0]).sum().backward()
    held = w.grad
    opt.step()
    opt.zero_grad()
    np.testing.assert_array_equal(held.value, [3, 4])
    np.testing.assert_array_equal((held * 2).realize(), [6, 8])


# Who else sees the buffers that a step reuses.


@pytest.mark.parametrize("name", MAKERS)
def test_what_was_read_before_a_step_is_not_changed_by_it(name):
    mine = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    on_device = jnp.asarray(mine)
    w, v = Tensor(mine, requires_grad=True), Tensor(on_device, requires_grad=True)
    x = w * 1.0
    opt = MAKERS[name]([w, v])
    for _ in range(3):
        value, computed, leaf, state = w.value, x.realize(), w.realize(), opt.state_dict()["state"]
        kept = [a.copy() for a in (value, computed, leaf, *state)]
        train(opt, [w, v], [[np.ones((2, 3), np.float32)] * 2])
        for a, b in zip((value, computed, leaf, *state), kept):
            np.testing.assert_array_equal(a, b)
        assert (w.value < value).all()
        np.testing.assert_array_equal(x.realize(), w.value)
    np.testing.assert_array_equal(mine, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(on_device, mine)


def test_parameters_set_to_the_value_of_another_are_stepped_apart():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    b.value = a.value
    train(SGD([a, b], 1.0), [a, b], [[np.float32([0.5]), np.float32([-0.5])]])
    assert (a.value, b.value) == ([0.5], [1.5])


def test_a_stream_goes_on_across_the_steps_of_its_parameters():
    start, gain = Signal.param(4.0), Signal.param(2.0)
    y = (Signal.constant(1.0) * gain).history(init=Tensor(1.0)) + dg.feedback(lambda prev: prev * 0.5, init=start)
    first = y.realize(1, preserve_state=True)
    train(SGD([start, gain], 1.0), [start, gain], [[np.float32(1.0), np.float32(1.0)]] * 2)
    np.testing.assert_allclose(np.concatenate([first, y.realize(2, preserve_state=True)]), [3.0, 3.0, 0.5])


def test_two_optimizers_may_step_one_parameter():
    w = Tensor([1.0], requires_grad=True)
    first, second = SGD([w], 0.1, momentum=0.9), Adam([w], 0.25)
    push([w], [np.float32([2.0])])
    first.step()
    second.step()
    np.testing.assert_allclose(w.value, [1 - 0.2 - 0.25], rtol=2e-5)


# What is refused.


def test_only_parameters_are_stepped_and_each_once():
    w, p = Tensor([1.0], requires_grad=True), Signal.param(1.0)
    samples = Signal.from_samples([1.0, 2.0], requires_grad=True)
    cases = [
        ([w, p, w], r"params\[2\] is given twice"),
        ([w, w * 1.0], r"params\[1\] is computed or an input, not a parameter"),
        ([Signal.input(0)], r"params\[0\] is computed or an input"),
        ([Signal.noise()], r"params\[0\] is computed or an input"),
        ([Tensor([1.0])], r"params\[0\] was made without requires_grad=True"),
        ([w, Signal.constant(1.0)], r"params\[1\] was made without requires_grad=True"),
        ([w, 1.0], r"params\[1\]=1.0 is not a Tensor or Signal"),
        ([w, np.ones(2)], r"params\[1\]=.* is not a Tensor or Signal"),
        ([], "the list of parameters is empty"),
        (w, "is not a list of parameters"),
        (None, "params=None is not a list of parameters"),
        (np.float32(1.0), "is not a list of parameters"),
    ]
    for make in (lambda p: SGD(p, 0.1), Adam, lambda p: Optimizer(p, optax.sgd(0.1))):
        for params, message in cases:
            with pytest.raises(ArgumentError, match=message):
                make(params)
        make(iter([w, p, samples]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, -0.1), "SGD: lr=-0.1 is less than 0"),
        (lambda p: SGD(p, 0.1, momentum=1.0), r"SGD: momentum=1.0 is not in \[0, 1\)"),
        (lambda p: SGD(p, 0.1, momentum=-0.5), "SGD: momentum=-0.5 is less than 0"),
        (lambda p: SGD(p, 0.1, weight_decay=-1.0), "SGD: weight_decay=-1.0 is less than 0"),
        (lambda p: SGD(p, 0.1, nesterov=True), "SGD: nesterov=True takes a momentum above 0"),
        (lambda p: SGD(p, 0.1, momentum=0.5, nesterov=1), "SGD: nesterov=1 is not True or False"),
        (lambda p: Adam(p, beta1=1.0), r"Adam: beta1=1.0 is not in \[0, 1\)"),
        (lambda p: Adam(p, beta2=-0.1), "Adam: beta2=-0.1 is less than 0"),
        (lambda p: Adam(p, eps=0.0), "Adam: eps=0.0 is not above 0"),
        (lambda p: Adam(p, lr=float("nan")), "Adam: lr=nan is not finite"),
        (lambda p: Optimizer(p, 0.1), "Optimizer: tx=0.1 is not an optax transformation"),
        (lambda p: Optimizer(p, optax.sgd), "is not an optax transformation"),
    ],
)
def test_a_bad_setting_is_an_error_where_it_is_made(make, message):
    with pytest.raises(ArgumentError, match=message):
        make([Tensor([1.0], requires_grad=True)])


def test_learned_samples_are_stepped_frame_by_frame():
    x = Signal.from_samples(np.zeros(6), requires_grad=True)
    opt = SGD([x], lr=1.0)
    dg.mse(x, Signal.from_samples(np.arange(6.0))).backward(reduction="sum")
    opt.step()
    np.testing.assert_allclose(x.value, 2 * np.arange(6.0))
    np.testing.assert_allclose(x.realize(), 2 * np.arange(6.0))


@pytest.mark.parametrize("key", [0, jax.random.key(3), jax.random.key(3, impl="rbg")], ids=["seed", "key", "rbg key"])
def test_noise_in_the_gradient_goes_on_from_a_state_that_was_kept(key):
    def made(value, key=key):
        w = Tensor(value, requires_grad=True)
        return w, Optimizer([w], optax.chain(optax.add_noise(0.1, 0.5, key), optax.sgd(0.1, momentum=0.5)))

    def stepped(w, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()
        return w.value

    w, optimizer = made([3.0, 4.0])
    stepped(w, optimizer, 2)
    kept, value = optimizer.state_dict(), w.value
    assert all(isinstance(x, np.ndarray) and x.dtype.kind in "fiu" for x in kept["state"])
    wanted = stepped(w, optimizer, 3)
    again, other = made(value)
    other.load_state_dict(kept)
    np.testing.assert_array_equal(stepped(again, other, 3), wanted)
    with pytest.raises(ShapeError, match="an array of shape"):
        other.load_state_dict({**kept, "state": [x[..., None] for x in kept["state"]]})


@pytest.mark.parametrize("tx", [optax.lbfgs(), optax.chain(optax.clip(1.0), optax.lbfgs())], ids=["lbfgs", "a chain"])
def test_a_transformation_that_runs_the_loss_again_says_how(tx):
    w = Tensor([3.0, 4.0], requires_grad=True)
    optimizer = Optimizer([w], tx)
    (w * w).sum().backward()
    with pytest.raises(ArgumentError, match=r"Optimizer.step: tx takes more than gradients .* dg.function"):
        optimizer.step()
    np.testing.assert_array_equal(w.value, [3.0, 4.0])


def test_lbfgs_learns_a_filter_by_way_of_a_function():
    share, gain = Signal.param(0.9, min=0.0, max=1.0), Signal.param(0.2)
    x = np.sin(np.arange(64) * 0.3) + np.cos(np.arange(64) * 1.9)
    target = (Signal.from_samples(x).onepole(0.3) * 0.7).realize()
    error = Signal.from_samples(x).onepole(share) * gain - Signal.from_samples(target)
    fn, tx = dg.function((error * error), [share, gain]), optax.lbfgs()

    def loss(params):
        return fn(params, frames=64)[0].mean()

    @jax.jit
    def step(params, state):
        value, grad = optax.value_and_grad_from_state(loss)(params, state=state)
        changes, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=loss)
        return optax.apply_updates(params, changes), state

    params, state = fn.params, tx.init(fn.params)
    for _ in range(15):
        params, state = step(params, state)
    np.testing.assert_allclose(params, [0.3, 0.7], atol=1e-3)
