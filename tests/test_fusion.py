"""Recurrences that compute what only they need: which ops they take in, and that nothing else changes."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.graph import Context, Number
from dgenlazy.recurrence import Fused
from dgenlazy.run import initial_state, run, stage

FRAMES = 40
rng = np.random.default_rng(0)


def samples(*shape, learned=True):
    return Signal.from_samples(rng.uniform(-1, 1, (FRAMES, *shape)).astype(np.float32), requires_grad=learned)


def fused(value):
    """Each recurrence of a value with the names of the ops that it takes in, and the names of the ops that are left."""
    lines = stage([value.node])[0].fused.lines
    inside = [[line[1].__name__ for line in x.op.lines if line[1].__name__ != "pick"] for x in lines if isinstance(x.op, Fused)]
    return inside, [x.op.__name__ for x in lines]


def test_a_filter_takes_in_its_coefficients_and_what_they_are_made_of():
    x, cutoff = samples(), samples()
    assert fused(x.biquad(500 + 400 * cutoff)) == ([["mul", "add", "biquad_coefficients"]], ["second_order"])


def test_filters_in_a_row_take_in_their_own():
    x, cutoff = samples(), samples()
    inside, left = fused(x.biquad(400 * cutoff).onepole(cutoff * 0.1))
    assert left == ["second_order", "first_order"]
    assert [len(names) for names in inside] == [2, 2]


def doubled(use):
    return lambda x, c: use(x, 2 * c)


def test_of_a_long_chain_the_nearest_ops_are_taken_in():
    """Among them only those numbers of several whose maker is taken in, too."""
    x = cutoff = samples()
    for _ in range(200):
        cutoff = cutoff * 0.99
    (inside,), left = fused(x.biquad(500 + 400 * cutoff))
    assert 30 < len(inside) <= 50
    assert left[-1] == "second_order"
    assert len(inside) + left.count("mul") == 203


KEPT = {
    "what does not vary": (lambda x, c: x.biquad(Signal.param(100.0)), "biquad_coefficients"),
    "what another recurrence takes": (doubled(lambda x, d: x.onepole(d) + (x + 1).onepole(d)), "mul"),
    "what another op takes": (doubled(lambda x, d: x.onepole(d) * d), "mul"),
    "a sum of lanes": (lambda x, c: x.onepole(samples(3).sum()), "sum"),
    "what counts frames": (lambda x, c: x.onepole(Signal.noise(seed=1)), "noise"),
    "what an op with a form of its own takes": (lambda x, c: Signal.phasor(440 + c), "add"),
    "what is run in blocks": (lambda x, c: dg.feedback(lambda s: 2 * x + 0.5 * s.delay(20)), "mul"),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_not_only_its_own_or_costly_stays_outside(name):
    build, kept = KEPT[name]
    inside, left = fused(build(samples(), samples()))
    assert kept in left
    assert not any(kept in names for names in inside)


def pure(value, parallel):
    program, leaves = stage([value.node])
    ctx = Context(44100.0, FRAMES, 0, parallel)
    data = [jnp.float32(x.number) if isinstance(x, Number) else jnp.asarray(x.array) for x in leaves]

    def fn(data):
        return run(program, ctx, data, initial_state(program, ctx, data))

    return fn, data


VALUES = {
    "lanes": lambda: samples(3).biquad(500 + 400 * samples(), Tensor([0.5, 0.7, 0.9], requires_grad=True)),
    "two numbers": lambda: samples().svf(2000 * samples() ** 2, 0.5 + samples() ** 2),
    "whole numbers": lambda: (samples() > 0).onepole(0.3),
    "nonlinear": lambda: samples().ladder(800 + 700 * samples(), 0.3),
    "a mean over lanes": lambda: (samples(4) * samples()).mean().biquad(900 + 100 * samples()),
}


@pytest.mark.parametrize("name", VALUES)
def test_nothing_else_changes(name):
    value = VALUES[name]()
    (taken, data), (plain, _) = pure(value, True), pure(value, False)
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), jax.eval_shape(plain, data))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), jax.eval_shape(taken, data)) == shapes

    def graded(fn):
        return jax.jit(jax.value_and_grad(lambda data: (fn(data)[0][0] ** 2).sum()))(data)

    for a, b in zip(jax.tree.leaves(graded(taken)), jax.tree.leaves(graded(plain)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_any_number_of_frames_is_exported_for_parallel_backends():
    x = Signal.input(0)
    value = x.biquad(500 + 400 * x)
    program, leaves = stage([value.node])
    numbers = [jnp.float32(leaf.number) for leaf in leaves if isinstance(leaf, Number)]

    def fn(x):
        ctx = Context(44100.0, x.shape[0], 0, True)
        data = [*numbers, x]
        return run(program, ctx, data, initial_state(program, ctx, data))[0][0]

    (frames,) = jax.export.symbolic_shape("frames")
    exported = jax.export.export(jax.jit(fn))(jax.ShapeDtypeStruct((frames,), np.float32))
    held = rng.uniform(-1, 1, FRAMES).astype(np.float32)
    np.testing.assert_allclose(exported.call(held), fn(held), atol=1e-5)
