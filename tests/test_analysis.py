"""What is read from a step's jaxpr, held to a table, and to what the step does when its state is changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import quick
from contract import double_precision
from hypothesis import HealthCheck, given, settings, strategies as st
from jax import lax

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.graph import Context
from dgenlazy.recurrence import AFFINE, FREE, NONLINEAR, analyse, choose
from dgenlazy.run import initial_state, stage

NAMES = {FREE: "free", AFFINE: "affine", NONLINEAR: "nonlinear"}
V, M, S, ONE = jnp.ones(3), jnp.ones((3, 3)), jnp.ones(()), jnp.ones(1)
W = np.arange(9, dtype=np.float32).reshape(3, 3)


@jax.custom_jvp
def doubled(x):
    return 2 * x


doubled.defjvp(lambda p, t: (2 * p[0], 3 * t[0]))


@jax.custom_vjp
def bent(x):
    return x * x


bent.defvjp(lambda x: (x * x, x), lambda x, g: (g,))


def own(f):
    """A step whose output is its next state."""

    def step(s, *xs):
        y = f(s, *xs)
        return y, y

    return step


# Name: next state as a function of state and inputs, state, inputs, order, lanewise.
TABLE = {
    "leaky sum": (lambda s, x: 0.5 * s + x, V, [V], AFFINE, True),
    "gain that is an input": (lambda s, x: x * s, V, [V], AFFINE, True),
    "ignores the state": (lambda s, x: jnp.sin(x), V, [V], FREE, True),
    "ignores its input": (lambda s, x: 0.5 * s, V, [V], AFFINE, True),
    "ignores all": (lambda s: jnp.zeros_like(s), V, [], FREE, True),
    "itself": (lambda s: s, V, [], AFFINE, True),
    "no lanes": (lambda s, x: 0.5 * s + x, S, [S], AFFINE, True),
    "one lane": (lambda s, x: 0.5 * s + x, ONE, [S], AFFINE, True),
    "power 2": (lambda s: s**2, V, [], NONLINEAR, True),
    "times itself": (lambda s: s * s, V, [], NONLINEAR, True),
    "times what is made of it": (lambda s, x: s * (x + 2 * s), V, [V], NONLINEAR, True),
    "over an input": (lambda s, x: s / x, V, [V], AFFINE, True),
    "over the state": (lambda s, x: x / s, V, [V], NONLINEAR, True),
    "over itself": (lambda s: s / s, V, [], NONLINEAR, True),
    "tanh": (lambda s, x: jnp.tanh(s) + x, V, [V], NONLINEAR, True),
    "tanh of the input": (lambda s, x: s * jnp.tanh(x), V, [V], AFFINE, True),
    "rounded": (jnp.floor, V, [], NONLINEAR, True),
    "wrapped": (lambda s, x: (s + x) % 1.0, V, [V], NONLINEAR, True),
    "limited": (lambda s: jnp.clip(s, -1, 1), V, [], NONLINEAR, True),
    "relu, a custom_jvp": (jax.nn.relu, V, [], NONLINEAR, True),
    "silu": (jax.nn.silu, V, [], NONLINEAR, True),
    "custom_jvp that is linear": (doubled, V, [], AFFINE, True),
    "custom_vjp that is not": (bent, V, [], NONLINEAR, True),
    "nested jit": (lambda s, x: jax.jit(lambda s, x: s * x + 1)(s, x), V, [V], AFFINE, True),
    "jit in jit": (lambda s: jax.jit(lambda s: jax.jit(jnp.tanh)(s) + s)(s), V, [], NONLINEAR, True),
    "jit that mixes": (lambda s: jax.jit(lambda s: s[::-1])(s), V, [], AFFINE, False),
    "checkpoint": (jax.checkpoint(lambda s: 0.5 * jnp.sin(s)), V, [], NONLINEAR, True),
    "checkpoint, affine": (jax.checkpoint(lambda s, x: 0.5 * s + x), V, [V], AFFINE, True),
    "select by input": (lambda s, x: jnp.where(x > 0, s, x), V, [V], AFFINE, True),
    "select by a shared input": (lambda s, x: jnp.where(x > 0, s, 0.0), V, [S], AFFINE, True),
    "select by state": (lambda s, x: jnp.where(s > 0, x, 0.0), V, [V], NONLINEAR, True),
    "select by state, constants": (lambda s: jnp.where(s > 0, 1.0, 0.0), V, [], NONLINEAR, True),
    "abs": (jnp.abs, V, [], NONLINEAR, True),
    "max": (lambda s, x: jnp.maximum(s, x), V, [V], NONLINEAR, True),
    "sum": (lambda s: s + s.sum(), V, [], AFFINE, False),
    "mean": (lambda s: s - s.mean(), V, [], AFFINE, False),
    "largest": (lambda s: s - s.max(), V, [], NONLINEAR, False),
    "norm": (lambda s: s / jnp.sqrt((s * s).sum()), V, [], NONLINEAR, False),
    "reversed": (lambda s: s[::-1], V, [], AFFINE, False),
    "rolled": (lambda s: jnp.roll(s, 1), V, [], AFFINE, False),
    "gathered": (lambda s: s[jnp.array([2, 0, 1])], V, [], AFFINE, False),
    "gathered by an input": (lambda s, i: jnp.take(s, i), V, [jnp.array([2, 0, 1])], AFFINE, False),
    "gathered by the state": (lambda s: jnp.take(V, s.astype(jnp.int32)), V, [], NONLINEAR, False),
    "shared from the first": (lambda s: jnp.broadcast_to(s[0], s.shape), V, [], AFFINE, False),
    "set": (lambda s: s.at[0].set(s[1]), V, [], AFFINE, False),
    "sliced by an input": (lambda s, i: lax.dynamic_slice(jnp.tile(s, 2), (i,), (3,)), V, [jnp.int32(1)], None, False),
    "cumsum": (jnp.cumsum, V, [], AFFINE, False),
    "cumprod": (jnp.cumprod, V, [], NONLINEAR, False),
    "sorted": (jnp.sort, V, [], NONLINEAR, False),
    "softmax": (jax.nn.softmax, V, [], NONLINEAR, False),
    "matrix": (lambda s: s @ W, V, [], AFFINE, False),
    "matrix that is an input": (lambda s, w: w @ s, V, [M], AFFINE, False),
    "matrix of the state": (lambda s, x: x @ s, M, [V[None] * M], AFFINE, False),
    "state by state": (lambda s: s @ s, M, [], NONLINEAR, False),
    "dot with itself": (lambda s: s * (s @ s), V, [], NONLINEAR, False),
    "square lanes": (lambda s, x: 0.5 * s + x, M, [M], AFFINE, True),
    "transposed square lanes": (lambda s: s.T, M, [], AFFINE, False),
    "transposed input": (lambda s, x: s + x.T, M, [M], AFFINE, False),
    "rows for columns": (lambda s, x: s + x[:, None], M, [V], AFFINE, False),
    "columns": (lambda s, x: s + x, M, [V], AFFINE, True),
    "outer": (lambda s: (s[:, None] + s[None, :])[0], V, [], AFFINE, False),
    "outer, diagonal": (lambda s: jnp.diag(s[:, None] * V[None, :]), V, [], None, False),
    "reshaped": (lambda s: s.reshape(3, 2).T.reshape(2, 3), jnp.ones((2, 3)), [], AFFINE, False),
    "ravelled and back": (lambda s: 0.5 * s.ravel().reshape(2, 3), jnp.ones((2, 3)), [], AFFINE, False),
    "leading axis": (lambda s: s[None][0] * 0.5, V, [], AFFINE, None),
    "stacked": (lambda s: jnp.stack([s, s]).sum(0), V, [], AFFINE, False),
    "iota": (lambda s: s + jnp.arange(3.0), V, [], AFFINE, False),
    "one hot": (lambda s: s * jax.nn.one_hot(1, 3), V, [], AFFINE, False),
    "eye": (lambda s: s * jnp.eye(3), M, [], AFFINE, False),
    "triangle": (jnp.tril, M, [], AFFINE, False),
    "constant of the lanes' shape": (lambda s: s * np.array([1.0, 2.0, 3.0], np.float32), V, [], AFFINE, False),
    "constant in a jit": (lambda s: jax.jit(lambda s: s + np.array([1.0, 2.0, 3.0], np.float32))(s), V, [], AFFINE, False),
    "constant of a device": (lambda s: s + V, V, [], AFFINE, False),
    "convolved": (lambda s: jnp.convolve(s, jnp.ones(3), mode="same"), V, [], None, False),
    "fft": (lambda s: jnp.fft.irfft(jnp.fft.rfft(s, 3), 3), V, [], NONLINEAR, False),
    "cond on an input": (lambda s, x: lax.cond(x > 0, lambda: s, lambda: 2 * s), V, [S], NONLINEAR, False),
    "while": (lambda s: lax.while_loop(lambda c: (c < 1).all(), lambda c: 2 * c, s), V, [], NONLINEAR, False),
    "scan": (lambda s: lax.scan(lambda c, _: (c[::-1], None), s, length=3)[0], V, [], NONLINEAR, False),
    "solve": (lambda s: jnp.linalg.solve(2 * jnp.eye(3), s), V, [], NONLINEAR, False),
    "whole numbers": (lambda s, x: s + x, jnp.ones(3, jnp.int32), [jnp.ones(3, jnp.int32)], AFFINE, True),
    "whole numbers, halved": (lambda s: s // 2, jnp.ones(3, jnp.int32), [], NONLINEAR, True),
    "and": (lambda s, x: s & x, jnp.ones(3, bool), [jnp.ones(3, bool)], NONLINEAR, True),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name):
    f, state, inputs, order, lanewise = TABLE[name]
    facts = analyse(own(f), state, inputs)
    assert order is None or NAMES[facts.order] == NAMES[order], facts.why
    assert lanewise is None or facts.lanewise == lanewise, facts.why


def test_a_gradient_that_is_stopped_may_cost_time_but_not_lanes():
    assert analyse(own(lax.stop_gradient), V, []).lanewise


STATES = {
    "two": (lambda s, x: ((0.5 * s[0] - s[1], s[0] + x), s[1]), (V, V), [V], AFFINE, True),
    "two, multiplied": (lambda s, x: ((s[0] * s[1], s[0] + x), s[1]), (V, V), [V], NONLINEAR, True),
    "bent only in the output": (lambda s, x: (0.5 * s + x, jnp.tanh(s)), V, [V], AFFINE, True),
    "mixed only in the output": (lambda s, x: (0.5 * s + x, s[::-1]), V, [V], AFFINE, False),
    "an output of another shape": (lambda s, x: (0.5 * s + x, s.sum()), V, [V], AFFINE, False),
    "two shapes": (lambda s, x: ((0.5 * s[0] + s[1], s[1] + x), s[0]), (V, S), [S], AFFINE, False),
    "two shapes, one lane": (lambda s, x: ((0.5 * s[0] + s[1], s[1]), s[0]), (ONE, S), [S], AFFINE, False),
    "a row and a matrix": (lambda s, x: ((s[0] + s[1], s[1] * x), s[0]), (M, V), [V], AFFINE, False),
    "a history in a pair": (lambda s, x: ((x, s[0]), s[1]), (V, V), [V], AFFINE, True),
    "an input that is a tree": (lambda s, x: (s * x["a"] + x["b"], s), V, [{"a": V, "b": S}], AFFINE, True),
    "wider than the lanes": (lambda s, x: (0.5 * s, s + x), V, [M], AFFINE, False),
    "a counter beside": (lambda s, x: ((0.5 * s[0] + x, s[1] + 1), s[0]), (V, jnp.zeros(3, jnp.int32)), [V], AFFINE, True),
    "a switch in the state": (
        lambda s, x: ((jnp.where(s[1], s[0], x), x > 0), s[0]),
        (V, jnp.zeros(3, bool)),
        [V],
        NONLINEAR,
        True,
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_states(name):
    step, state, inputs, order, lanewise = STATES[name]
    facts = analyse(step, state, inputs)
    assert (NAMES[facts.order], facts.lanewise) == (NAMES[order], lanewise), facts.why


@pytest.mark.parametrize("order", [FREE, AFFINE, NONLINEAR])
def test_the_reason_is_for_people(order):
    f = {FREE: lambda s: jnp.zeros_like(s), AFFINE: lambda s: s[::-1], NONLINEAR: jnp.tanh}[order]
    why = analyse(own(f), V, []).why
    assert (
        why
        == {FREE: "the state is not fed back", AFFINE: "affine in its state, mixes lanes: rev", NONLINEAR: "nonlinear: tanh"}[
            order
        ]
    )


def facts_of(value, parallel=True):
    """The plan of the last recurrence of a lazy value."""
    program, leaves = stage([value.node])
    ctx = Context(1000.0, 1000, 0, parallel)
    data = [np.float32(x.number) if hasattr(x, "number") else np.asarray(x.array) for x in leaves]
    states = iter(initial_state(program, ctx, data))
    for line in program.lines:
        if hasattr(line.op, "known"):
            specs = [program.specs[a] for a in line.args]
            shapes = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in specs]
            plan = choose(line.op, ctx, line.params, next(states), shapes, specs)
    return plan


X, LANES3 = Signal.from_samples(np.ones(1000)), Signal.from_samples(np.ones((1000, 3)))
ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
PLANS = {
    "onepole": (lambda: X.onepole(0.3), "linear", True),
    "biquad": (lambda: LANES3.biquad(100.0), "linear", True),
    "swept biquad": (lambda: LANES3.biquad(100.0 + 50 * X), "linear", True),
    "loop": (lambda: dg.feedback(lambda p: X + 0.5 * p), "linear", True),
    "loop through filters": (lambda: dg.feedback(lambda p: LANES3 + 0.5 * p.onepole(0.3).biquad(100.0)), "linear", True),
    "loop with a history": (lambda: dg.feedback(lambda p: X + 0.5 * p.history()), "linear", True),
    "loop with a latch": (lambda: dg.feedback(lambda p: X + 0.5 * p.latch(X)), "linear", True),
    "loop with a latch that it triggers": (lambda: dg.feedback(lambda p: X + 0.5 * X.latch(p)), "newton", True),
    "loop with a sum": (lambda: dg.feedback(lambda p: X - 0.1 * p.accum()), "linear", True),
    "loop with a phasor": (lambda: dg.feedback(lambda p: X + 0.1 * (0.1 * p).accum(min=0, max=1)), "newton", True),
    "gate": (lambda: dg.feedback(lambda p: dg.where(X > 0, p, X)), "linear", True),
    "gate by itself": (lambda: dg.feedback(lambda p: dg.where(p > 0.5, X, p + X)), "newton", True),
    "ladder": (lambda: dg.feedback(lambda p: (X - p).tanh().onepole(0.3)), "newton", True),
    "matrix": (lambda: dg.feedback(lambda p: LANES3 + 0.5 * (p @ ROTATION), init=np.zeros(3)), "linear", False),
    "bent matrix": (lambda: dg.feedback(lambda p: LANES3 + 0.5 * (p @ ROTATION).tanh(), init=np.zeros(3)), "newton", False),
    "mean": (lambda: dg.feedback(lambda p: LANES3 + 0.5 * p.mean()), "linear", False),
    "loop in a loop": (lambda: dg.feedback(lambda p: dg.feedback(lambda q: LANES3 + 0.2 * p + 0.3 * q)), "linear", True),
    "short delay": (lambda: dg.feedback(lambda p: X + 0.5 * p.delay(2)), "scan", False),
    "long delay": (lambda: dg.feedback(lambda p: X + 0.5 * p.delay(20)), "blocks", None),
    "learned per lane": (lambda: dg.feedback(lambda p: LANES3 + p * Tensor([0.1, 0.2, 0.3])), "linear", True),
    "pair": (lambda: dg.feedback(lambda s: (0.5 * s[0] - s[1], s[0] + X), init=(0.0, 0.0))[1], "linear", True),
    "pair of two shapes": (
        lambda: dg.feedback(lambda s: (0.5 * s[0] + s[1].sum(), 0.1 * s[1] + X), init=(0.0, np.zeros(3)))[1],
        "linear",
        False,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_what_users_write_gets_the_plan_it_can_have(name):
    make, plan, lanewise = PLANS[name]
    found = facts_of(make())
    assert found.name == plan, found
    assert lanewise is None or found.facts.lanewise == lanewise, found


# Known to be read wrongly: primitives whose inner function works on elements are walked as if it worked on the whole.

WRONG = {
    "reduce with a function": lambda s: lax.reduce(jnp.broadcast_to(s, (3, 3)), np.float32(0), lambda a, b: a + 0.5 * b, (1,)),
    "product by reduce": lambda s: lax.reduce(jnp.broadcast_to(s, (3, 3)), np.float32(1), lambda a, b: 1.0 * a * b, (1,)),
    "reduce_window": lambda s: lax.reduce_window(s, np.float32(0), lambda a, b: a + 0.5 * b, (3,), (1,), "SAME"),
    "bytes": lambda s: lax.bitcast_convert_type(
        lax.bitcast_convert_type(s, jnp.uint8) + jnp.broadcast_to(s.astype(jnp.uint8), (4, 4)), jnp.float32
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_lanes_that_mix_are_not_lanewise(name):
    assert not analyse(own(WRONG[name]), jnp.ones(4 if name == "bytes" else 3), []).lanewise


@pytest.mark.parametrize("kind", [jnp.int32, bool])
def test_a_change_to_whole_numbers_is_not_affine(kind):
    assert analyse(own(lambda s: s.astype(kind).astype(jnp.float32)), V, []).order == NONLINEAR


def test_a_product_by_reduce_is_not_affine():
    assert analyse(own(WRONG["product by reduce"]), V, []).order == NONLINEAR


# Random steps: what is claimed of them is what happens when one number is changed.

UNARY = {
    "neg": lambda x: -x,
    "half": lambda x: 0.5 * x,
    "tanh": jnp.tanh,
    "floor": lambda x: jnp.floor(3 * x),
    "relu": jax.nn.relu,
    "jit": lambda x: jax.jit(lambda x: x + 1)(x),
    "jit sum": lambda x: jax.jit(lambda x: x + x.sum())(x),
    "doubled": doubled,
    "bent": bent,
    "transpose": lambda x: x.T,
    "flip": lambda x: jnp.flip(x),
    "roll": lambda x: jnp.roll(x, 1),
    "first": lambda x: x[0] if x.ndim else x,
    "last column": lambda x: x[..., -1] if x.ndim else x,
    "row axis": lambda x: x[None],
    "column axis": lambda x: x[..., None],
    "squeeze": jnp.squeeze,
    "ravel": jnp.ravel,
    "sum": jnp.sum,
    "sum rows": lambda x: x.sum(0) if x.ndim else x,
    "sum columns": lambda x: x.sum(-1, keepdims=True) if x.ndim else x,
    "cumsum": lambda x: jnp.cumsum(x, -1) if x.ndim else x,
    "iota": lambda x: x + jnp.arange(x.shape[-1]) if x.ndim else x,
    "ramp": lambda x: x * np.linspace(1, 2, x.shape[-1]) if x.ndim else x,
    "widen": lambda x: jnp.broadcast_to(x, (3, *x.shape)),
    "widen ones": lambda x: (
        jnp.broadcast_to(x, np.broadcast_shapes(x.shape, (3, 1, 3)[-max(x.ndim, 1) :])) if 1 in x.shape else x
    ),
    "halves": lambda x: x.reshape(-1, x.shape[-1] // 2) if x.ndim and x.shape[-1] % 2 == 0 and x.size else x,
    "square": lambda x: x.reshape(3, -1) if x.size % 3 == 0 and x.size else x,
    "stack": lambda x: jnp.stack([x, 2 * x], -1),
    "concat": lambda x: jnp.concatenate([x, x])[: x.shape[0]] if x.ndim else x,
    "pad": lambda x: jnp.pad(x, [(1, 0)] * x.ndim),
    "gather": lambda x: jnp.take(x, jnp.array([0, 0, 0]), -1) if x.ndim else x,
    "set": lambda x: x.at[..., 0].set(1.0) if x.ndim else x,
    "swap": lambda x: jnp.swapaxes(x, 0, -1) if x.ndim else x,
    "scan": lambda x: lax.scan(lambda c, r: (c + r, c), jnp.zeros_like(x[0]), x)[1] if x.ndim else x,
    "whole numbers": lambda x: jnp.floor(x).astype(jnp.int32).astype(x.dtype),
    "max": lambda x: x.max(-1, keepdims=True) if x.ndim else x,
    "sort": lambda x: jnp.sort(x, -1) if x.ndim else x,
    "checkpoint": jax.checkpoint(lambda x: 0.5 * x + x.mean()),
    "vmapped": lambda x: jax.vmap(lambda r: r - r.sum())(x) if x.ndim else x,
}
BINARY = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": lambda x, y: x / (y * y + 1),
    "max": jnp.maximum,
    "where": lambda x, y: jnp.where(y > 0, x, 0.5 * x),
    "select": lambda x, y: jnp.where(x > 0, x, y),
    "clip": lambda x, y: jnp.clip(x, -0.5, y),
    "dot": lambda x, y: jnp.matmul(x, y) if x.ndim and y.ndim else x * y,
    "outer": lambda x, y: x[..., None] + y[..., None, :] if x.ndim and y.ndim else x + y,
    "jit mul": jax.jit(lambda x, y: x * y),
    "lerp": lambda x, y: x + 0.3 * (y - x),
}


@st.composite
def steps(draw):
    lanes = draw(st.sampled_from([(3,), (3, 3), (2, 3), (1, 3), (3, 1), (4,), (2, 2), ()]))
    shapes = [lanes, (), lanes[-1:], (1,) * len(lanes), lanes[:1] + (1,) * (len(lanes) - 1), lanes[:-1]]
    inputs = draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=3))
    count = draw(st.integers(1, 2))
    indices = st.integers(0, 20)
    one = st.tuples(st.sampled_from(sorted(UNARY)), indices)
    two = st.tuples(st.sampled_from(sorted(BINARY)), indices, indices)
    return lanes, inputs, count, draw(st.lists(st.one_of(one, two), min_size=1, max_size=7)), draw(st.integers(0, 2**16))


def made(drawn):
    """The step of a drawing; operations that do not fit are left out."""
    lanes, _, count, ops, _ = drawn

    def step(state, *xs):
        pool = [*state, *xs]
        for name, *at in ops:
            args = [pool[-1 - a % len(pool)] for a in at]
            try:
                y = (UNARY if len(args) == 1 else BINARY)[name](*args)
            except (TypeError, ValueError, IndexError):
                continue
            if y.size <= 100 and y.ndim <= 4:
                pool.append(y)
        fit = [y for y in pool if y.shape == lanes]
        loose = [jnp.broadcast_to(jnp.reshape(y, ()), lanes) for y in pool if y.shape != lanes and np.size(y) == 1]
        fit = [*loose, *fit]
        return tuple(fit[-1 - i % len(fit)] for i in range(count)), fit[-1]

    return step


@settings(
    max_examples=quick.EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(steps())
def test_what_is_claimed_of_a_random_step_is_what_it_does(drawn):
    lanes, shapes, count, _, seed = drawn
    rng = np.random.default_rng(seed)
    step = made(drawn)
    with double_precision():
        state = tuple(rng.normal(size=lanes) for _ in range(count))
        inputs = [rng.normal(size=s) for s in shapes]
        facts = analyse(step, state, inputs)
        size = int(np.prod(lanes, dtype=int))
        if facts.lanewise and size > 1:
            base = step(tuple(map(jnp.asarray, state)), *map(jnp.asarray, inputs))
            varied = [np.broadcast_to(x, (size, *np.shape(x))).copy() for x in (*state, *inputs)]
            for v in varied:  # in copy i, all that belongs to lane i alone is changed
                if v[0].shape == lanes:
                    v.reshape(size, size)[np.arange(size), np.arange(size)] += 2.7
            moved = jax.vmap(lambda *v: step(v[:count], *v[count:]))(*map(jnp.asarray, varied))
            for b, m in zip(jax.tree.leaves(base), jax.tree.leaves(moved)):
                change = np.abs(np.asarray(m).reshape(size, size) - np.asarray(b).reshape(1, size))
                np.fill_diagonal(change, 0)
                assert change.max() < 1e-12, f"lanes mix: {facts}"
        if facts.order != NONLINEAR:
            next_ = lambda t: step(tuple(s + t * d for s, d in zip(state, towards)), *map(jnp.asarray, inputs))[0]  # noqa: E731
            towards = [rng.normal(size=lanes) for _ in state]
            ends = jax.vmap(next_)(jnp.asarray([-2.0, -0.7, 0.0, 0.7, 2.0]))
            for y in jax.tree.leaves(ends):
                y = np.asarray(y, float)
                if facts.order == FREE:
                    assert (y == y[2]).all(), f"the state matters: {facts}"
                np.testing.assert_allclose(y[0] + y[4], 2 * y[2], atol=1e-9, rtol=1e-9, err_msg=str(facts))
                np.testing.assert_allclose(y[1] + y[3], 2 * y[2], atol=1e-9, rtol=1e-9, err_msg=str(facts))
