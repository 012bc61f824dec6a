"""Sine and cosine of many numbers, which a CPU computes another way than of few."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.ops.sine import MANY

OPS = {"sin": np.sin, "cos": np.cos}
RANGES = [(-40, -1), (-1, 3), (3, 15), (14.9, 15.1), (15, 24), (24, 60), (60, 127.99)]  # powers of 2, both ways around 2**15


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_of_many_numbers_it_is_that_of_float64(name, low, high):
    random = np.random.default_rng(3)
    x = (random.choice([-1, 1], 5 * MANY) * 2 ** random.uniform(low, high, 5 * MANY)).astype(np.float32)
    assert np.abs(getattr(Tensor(x), name)().realize() - OPS[name](x.astype(np.float64))).max() < 1.3e-7


def test_small_angles_and_multiples_of_a_quarter_keep_their_digits():
    x = np.concatenate([2.0 ** np.arange(-126, 0), np.arange(1, 400) * np.pi / 2]).astype(np.float32)
    x = np.resize(x, MANY)
    want = np.sin(x.astype(np.float64))
    for sign in (1, -1):
        assert (np.abs(sign * Tensor(sign * x).sin().realize() - want) < 2e-7 * np.abs(want) + 3e-12).all()


@pytest.mark.parametrize("name", OPS)
def test_what_is_no_angle_is_nan_and_zeros_keep_their_sign(name):
    x = np.resize(np.float32([np.inf, -np.inf, np.nan, 0.0, -0.0, 3.4e38, -3.4e38]), MANY)
    got = getattr(Tensor(x), name)().realize()
    with np.errstate(invalid="ignore"):
        want = OPS[name](x.astype(np.float64))
    np.testing.assert_allclose(got, want, atol=2e-7)
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


@pytest.mark.parametrize("name", OPS)
def test_derivatives_of_every_order_are_those_of_few_numbers(name):
    x = np.linspace(-50, 50, MANY, dtype=np.float32)
    given = Tensor(x)
    fn = dg.function(getattr(given, name)(), params=[], inputs={"x": given})
    few = getattr(jnp, name)

    def many(x):
        return fn([], {"x": x})[0]

    for of in (lambda f: f, lambda f: lambda x: jax.jvp(f, (x,), (jnp.cos(x),))[1]):
        for other in (lambda f: f, lambda f: lambda x: jax.grad(lambda x: (f(x) * x).sum())(x)):
            np.testing.assert_allclose(jax.jit(other(of(many)))(x), other(of(few))(x), atol=2e-5)
    batch = jnp.stack([x, 2 * x])
    np.testing.assert_allclose(jax.vmap(many)(batch), few(batch), atol=1e-6)


def test_a_whole_run_and_its_blocks_agree_though_blocks_are_few_numbers():
    y = dg.sin(2 * np.pi * Signal.phasor(100.0) * 50)
    whole = y.realize(4 * MANY)
    blocks = [y.realize(256, preserve_state=True) for _ in range(4 * MANY // 256)]
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="another sine")
def test_a_sine_that_a_gradient_uses_too_is_computed_once():
    """Which XLA would not do, since each of its operations is a cheap one; so it is in one kernel of the program."""
    wave = Tensor(np.zeros((4 * MANY, 4), np.float32))
    fn = dg.function(wave.sin(), inputs={"x": wave})

    def loss(amplitudes, x, g):
        return jnp.sum(g * jnp.tanh(fn.whole(inputs={"x": x}) * amplitudes), 0) ** 2 @ amplitudes

    x = np.ones((4 * MANY, 4), np.float32)
    text = jax.jit(jax.value_and_grad(loss)).lower(x[0], x, x).compile().as_text()
    assert text.count("constant(-0.00138873165)") == 1
