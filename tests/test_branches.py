"""`lax.cond` and `lax.switch` in functions of users: gradients are those of a scan written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import dgenlazy as dg
from dgenlazy import Signal, Tensor

X = np.sin(np.arange(24) * 0.7).astype(np.float32)


def on_state(s, gain):
    return lax.cond(s > 0, lambda s: 0.9 * jnp.sin(gain * s), lambda s: 0.5 * s * s - 0.1 * gain, s)


def by_state(s, gain):
    at = (jnp.abs(s) * 4).astype(jnp.int32)
    return lax.switch(at, [lambda s: 0.9 * jnp.sin(gain * s), lambda s: 0.5 * s * s, lambda s: -gain * s], s)


def on_gain(s, gain):
    return lax.cond(gain > 0, lambda: gain * s, lambda: jnp.cos(gain * s))


def affine(s, gain):
    return lax.cond(gain > 0, lambda: 0.5 * s, lambda: -0.7 * s + gain)


def by_hand(fn, first, gain, x):
    def step(s, x):
        s = fn(s, gain) + 0.4 * x
        return s, s

    return lax.scan(step, first, x)[1]


def loop(fn, first, gain, x):
    op = dg.from_jax(fn)
    return dg.feedback(lambda s: op(s, gain) + 0.4 * x, init=first)


@pytest.mark.parametrize("fn", [on_state, by_state, on_gain, affine])
@pytest.mark.parametrize("batched", [(), (1,), (0, 1, 2)], ids=lambda b: f"batched {list(b)}")
def test_a_loop_of_branches_has_the_gradient_of_a_scan(fn, batched):
    first, gain = Tensor(0.3, requires_grad=True), Tensor(0.8, requires_grad=True)
    value = dg.function(loop(fn, first, gain, Signal.input(0)), [first, gain], {"x": Signal.input(0)})
    given = [np.float32(0.3), np.float32(0.8), X]
    several = [np.float32([0.3, -0.2, 0.6]), np.float32([0.8, -0.5, 0.3]), np.stack([X, X[::-1], 0.5 * X])]
    given = [several[i] if i in batched else x for i, x in enumerate(given)]
    axes = [0 if i in batched else None for i in range(3)]

    def graded(run):
        run = jax.vmap(run, axes) if batched else run
        return jax.jit(jax.value_and_grad(lambda *given: jnp.sum(jnp.cos(3 * run(*given))), (0, 1, 2)))(*given)

    found = graded(lambda first, gain, x: value([first, gain], {"x": x})[0])
    wanted = graded(lambda first, gain, x: by_hand(fn, first, gain, x))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, wanted)
    if batched == (0, 1, 2):
        each = jax.jit(jax.vmap(jax.grad(lambda f, g, x: jnp.sum(jnp.cos(3 * value([f, g], {"x": x})[0])), (0, 1, 2))))(*given)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), list(each), list(wanted[1]))


@pytest.mark.parametrize("plan", ["scan", "newton"])
@pytest.mark.parametrize("fn", [on_state, by_state])
def test_backward_through_branches_is_that_of_a_scan_whatever_the_plan(fn, plan):
    gain, op = Tensor(0.8, requires_grad=True), dg.from_jax(fn)
    x = Signal.from_samples(X)
    loss = (dg.feedback(lambda s: op(s, gain) + 0.4 * x, init=0.3, plan=plan) * 3).cos().mean()
    wanted = jax.value_and_grad(lambda gain: jnp.mean(jnp.cos(3 * by_hand(fn, jnp.float32(0.3), gain, X))))(jnp.float32(0.8))
    assert loss.backward() == pytest.approx(float(wanted[0]), rel=1e-5)
    np.testing.assert_allclose(gain.grad, wanted[1], rtol=1e-4)
