"""Recurrences from the outside: whatever the loop, every plan is the loop written down in NumPy, in value and derivative."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import quick
from contract import double_precision
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.graph import Context, Data, Number, recurrence as recurrence_op
from dgenlazy.recurrence import linear, loops, newton
from dgenlazy.recurrence.solve import Recursion
from dgenlazy.run import initial_state, run, stage

RATE = 1000.0
LANES = [(), (1,), (3,), (16,), (2, 3)]
FRAMES = [0, 1, 2, 3, 7, 13, 29]


def examples(share):
    """A share of the examples that the environment asks for, 100 by default."""
    count = max(1, quick.EXAMPLES * share // 100)
    phases = [Phase.explicit, Phase.reuse, Phase.generate]  # to shrink a program that takes seconds to compile takes an hour
    return settings(max_examples=count, phases=phases, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def numbers(shape, seed):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(np.float32)


def matrix(size):
    """Mixes lanes, and makes no vector longer."""
    return np.linalg.qr(np.random.default_rng(size).normal(size=(size, size)))[0].astype(np.float32)


# One body of a loop, a tree of operations, written once and run twice: as a lazy graph, and frame by frame in NumPy.


class Graph:
    """The operations that a tree is made of, as a user calls them."""

    tanh, sin, where = staticmethod(dg.tanh), staticmethod(dg.sin), staticmethod(dg.where)
    onepole, history, delay = staticmethod(dg.onepole), staticmethod(dg.history), staticmethod(dg.delay)

    def lowpass(self, x):
        return dg.biquad(x, 0.15 * RATE, 0.8)

    def inner(self, x):
        return dg.feedback(lambda prev: 0.4 * prev + 0.5 * x)


class Loop:
    """The same at one frame of NumPy; what has memory finds its own by the order of the calls."""

    tanh, sin, where = staticmethod(np.tanh), staticmethod(np.sin), staticmethod(np.where)

    def __init__(self):
        self.memory, self.calls = {}, 0

    def past(self, x):
        """What this call was given in earlier frames, and what it remembers."""
        self.calls += 1
        held = self.memory.setdefault(self.calls, {"x": [], "y": []})
        held["x"].append(np.asarray(x))
        return held

    def frame(self, function, *args):
        self.calls = 0
        return function(self, *args)

    def before(self, held, name, k, zero=0.0):
        return held[name][-k] if len(held[name]) >= k else zero

    def onepole(self, x, c):
        held = self.past(x)
        y = self.before(held, "y", 1)
        held["y"].append(y + c * (x - y))
        return held["y"][-1]

    def history(self, x):
        return self.before(self.past(x), "x", 2, np.zeros_like(x))

    def inner(self, x):
        held = self.past(x)
        held["y"].append(0.4 * self.before(held, "y", 1) + 0.5 * x)
        return held["y"][-1]

    def delay(self, x, time, max_delay=np.inf, min_delay=0.0):
        held = self.past(x)
        time = np.clip(np.broadcast_to(time, np.shape(x)), min_delay, max_delay)
        line = np.stack([self.before(held, "x", k, np.zeros_like(x)) for k in range(1, 40)])
        whole = np.floor(time).astype(int)
        near, far = (np.take_along_axis(line, (whole + k)[None], 0)[0] for k in (0, 1))
        return near + (time - whole) * (far - near)

    def lowpass(self, x):
        held = self.past(x)
        w = 2 * np.pi * 0.15
        alpha = np.sin(w) / 1.6
        b = np.array([0.5 - 0.5 * np.cos(w), 1 - np.cos(w), 0.5 - 0.5 * np.cos(w)]) / (1 + alpha)
        a = np.array([-2 * np.cos(w), 1 - alpha]) / (1 + alpha)
        y = sum(b[k] * self.before(held, "x", k + 1) for k in range(3)) - sum(
            a[k] * self.before(held, "y", k + 1) for k in range(2)
        )
        held["y"].append(y)
        return y


def value(tree, m, s, env):
    """What a tree computes from the states `s` and from what enters the loop."""
    name, *args = tree
    if name == "state":
        return s[args[0] % len(s)]
    if name in ("x", "c", "p", "q"):
        return env[name]
    a = value(args[0], m, s, env)
    b = value(args[1], m, s, env) if len(args) > 1 and isinstance(args[1], tuple) else None
    match name:
        case "tanh":
            return m.tanh(1.5 * a)
        case "sin":
            return m.sin(a)
        case "half":
            return 0.5 * a
        case "add":
            return a + b
        case "prod":
            return m.tanh(a) * m.tanh(b)
        case "gain":
            return a * env["c"]
        case "learned":
            return env["p"] * a
        case "lanes":
            return a * env["q"]
        case "select":
            return m.where(env["x"] > 0, a, b)
        case "leaky":
            return m.where(a > 0, a, 0.3 * a)
        case "over":
            return a / (1.5 + env["c"])
        case "mix":
            return a @ env["w"] if a.shape and a.shape[-1] == env["w"].shape[0] else a
        case "onepole":
            return m.onepole(a, 0.35)
        case "history":
            return m.history(a)
        case "lowpass":
            return m.lowpass(a)
        case "inner":
            return m.inner(a)
        case "fixed delay":
            return m.delay(a, 9.0)
        case "broken delay":
            return m.delay(a, 12.5)
        case "learned delay":
            return m.delay(a, env["t"], max_delay=30.0)
        case "moving delay":
            return m.delay(a, 11.0 + 2.5 * env["c"], max_delay=16.0, min_delay=8.0)
        case "short delay":
            return m.delay(a, 2.4)
    raise AssertionError(name)


STEEP = {"tanh": 1.5, "half": 0.5, "over": 2.0, "lowpass": 1.5, "learned": 0.8}


def slope(tree):
    """No smaller than how much the tree can magnify its state."""
    name, *args = tree
    inner = sum(slope(a) for a in args if isinstance(a, tuple))
    return 1.0 if name == "state" else STEEP.get(name, 1.0) * inner


def has(tree, *names):
    return tree[0] in names or any(has(a, *names) for a in tree[1:] if isinstance(a, tuple))


LEAVES = [("state", 0), ("state", 1), ("state", 2), ("x",), ("c",), ("q",)]
AFFINE = ["half", "add", "gain", "learned", "lanes", "select", "over", "onepole", "history", "lowpass", "inner"]
DELAYS = ["fixed delay", "broken delay", "learned delay", "moving delay"]


ANY = st.sampled_from(LEAVES)


def trees(names, leaf=ANY, depth=2):
    if depth == 0:
        return leaf
    inner = trees(names, leaf, depth - 1)
    two = ("add", "prod", "select")
    grown = [st.tuples(st.just(n), inner, inner) if n in two else st.tuples(st.just(n), inner) for n in names]
    return st.one_of(*grown, leaf)


@st.composite
def loop(draw, kinds=("affine", "bent", "delayed", "mixed", "mixed bent", "short")):
    """`(kind, lanes, form, bodies, seed)`: a random loop of one to three states."""
    kind = draw(st.sampled_from(kinds))
    lanes = draw(st.sampled_from([s for s in LANES if s] if "mixed" in kind else LANES))
    bent = [*AFFINE, "tanh", "sin", "prod", "leaky"]
    names = {
        "affine": AFFINE,
        "bent": bent,
        "delayed": [*bent, "mix"],
        "mixed": [*AFFINE, "mix"],
        "mixed bent": [*bent, "mix"],
        "short": [*bent, "short delay"],
    }[kind]
    leaf = st.sampled_from(LEAVES)
    if kind == "delayed":
        leaf = st.one_of(
            st.sampled_from(LEAVES[3:]),
            st.tuples(st.sampled_from(DELAYS), st.sampled_from(LEAVES[:3])),
            st.sampled_from(LEAVES[3:]),
        )
        leaf = st.one_of(leaf, st.tuples(st.sampled_from(DELAYS), trees(["half", "tanh", "add"], depth=1)))
    form = draw(st.sampled_from(["plain", "tuple", "dict"]))
    count = 1 if form == "plain" else draw(st.integers(2, 3))
    bodies = [draw(trees(names, leaf)) for _ in range(count)]
    if kind.startswith("mixed"):
        bodies[0] = ("add", ("mix", ("state", 0)), bodies[0])
    return kind, lanes, form, tuple(bodies), draw(st.integers(0, 2**16))


class Built:
    """A random loop with its data: as a lazy value under any plan, and in NumPy."""

    def __init__(self, drawn, frames, narrow=False):
        self.kind, self.lanes, self.form, self.bodies, seed = drawn
        self.frames = frames
        held = max(frames, 1)
        lanes = self.lanes
        self.data = {
            "x": numbers((held, *(() if narrow else lanes)), seed) + np.float32(0.01),
            "c": numbers((held,) if seed % 2 else (held, *lanes), seed + 1) * np.float32(0.9),
            "p": np.float32(numbers((), seed + 2) * 0.4 + 0.3),
            "q": numbers(lanes, seed + 3),
            "w": matrix(lanes[-1] if lanes else 1),
            "t": np.float32(10.0 + 1.3 * abs(numbers((), seed + 4))),
        }
        self.starts = [numbers(lanes, seed + 5 + i) for i in range(len(self.bodies))]
        self.gains = [0.85 / max(1.0, slope(b)) / (1 if self.form == "plain" else 1.4) for b in self.bodies]

    def shaped(self, states):
        return {
            "plain": lambda: states[0],
            "tuple": lambda: tuple(states),
            "dict": lambda: {f"s{i}": s for i, s in enumerate(states)},
        }[self.form]()

    def outputs(self, m, s, env):
        return [env["x"] + g * value(b, m, s, env) for g, b in zip(self.gains, self.bodies)]

    def lazy(self, plan="auto"):
        """The lazy outputs, and what they are learned from."""
        d = self.data
        env = {
            "x": Signal.from_samples(d["x"], requires_grad=True),
            "c": Signal.from_samples(d["c"], requires_grad=True),
            **{k: Tensor(d[k], requires_grad=True) for k in ("p", "q", "w", "t")},
        }

        def body(prev):
            s = list(prev.values()) if self.form == "dict" else list(prev) if self.form == "tuple" else [prev]
            return self.shaped(self.outputs(Graph(), s, env))

        init = self.shaped([Tensor(s, requires_grad=True) for s in self.starts])
        return jax.tree.leaves(dg.feedback(body, init=init, plan=plan))

    def numpy(self):
        d = {k: np.asarray(v, np.float64) for k, v in self.data.items()}
        s, m, out = [np.asarray(x, np.float64) for x in self.starts], Loop(), []
        for n in range(self.frames):
            env = {**d, "x": d["x"][n], "c": d["c"][n]}
            s = m.frame(lambda m, s, env: [np.broadcast_to(y, self.lanes) for y in self.outputs(m, s, env)], s, env)
            out.append(s)
        return [np.array([o[i] for o in out]).reshape(self.frames, *self.lanes) for i in range(len(self.starts))]

    def plans(self):
        """`(plan, parallel)` of every way to run it."""
        used = any(has(b, "state") for b in self.bodies)
        delays = any(has(b, *DELAYS, "short delay") for b in self.bodies)
        mixes = any(has(b, "mix") for b in self.bodies)
        bends = any(has(b, "tanh", "sin", "prod", "leaky") for b in self.bodies)
        inside = sum(
            count(b, "onepole") + count(b, "history") + count(b, "inner") + 2 * count(b, "lowpass") for b in self.bodies
        )
        ways = [("scan", False), ("auto", True)]
        wide = mixes and (len(self.bodies) + inside) * np.prod(self.lanes, dtype=int) > 16
        if not delays and not wide:
            ways += [("newton", False)] + ([] if bends else [("linear", False)])
        if used and delays and self.kind == "delayed" and self.frames >= 2:
            ways += [("blocks", False), ("blocks", True)]
        return ways


def count(tree, name):
    return (tree[0] == name) + sum(count(a, name) for a in tree[1:] if isinstance(a, tuple))


class Pure:
    """The staged program of lazy values as a pure function of the leaves that are learned, in float64."""

    def __init__(self, values, frames, parallel):
        self.program, leaves = stage([v.node for v in values])
        self.frames, self.parallel = frames, parallel
        self.data = [self.at_run_time(leaf) for leaf in leaves]
        self.learned = [i for i, leaf in enumerate(leaves) if leaf.requires_grad]
        self.key = [self.name(leaves[i]) for i in self.learned]

    def at_run_time(self, leaf):
        if isinstance(leaf, Number):
            return np.float64(leaf.number)
        assert isinstance(leaf, Data)
        return np.asarray(leaf.array[: self.frames] if leaf.spec.varies else leaf.array, np.float64)

    def name(self, leaf):
        return leaf.array.tobytes()  # the order of leaves may differ from plan to plan

    def first(self):
        return dict(zip(self.key, (jnp.asarray(self.data[i]) for i in self.learned)))

    def __call__(self, learned, cuts=None):
        """`(outputs, final state)`, of one run or of blocks between `cuts`."""
        data = [jnp.asarray(x) for x in self.data]
        for i, k in zip(self.learned, self.key):
            data[i] = learned[k]
        state, out = None, []
        for start, stop in itertools.pairwise(cuts or (0, self.frames)):
            ctx = Context(RATE, stop - start, jnp.uint32(start), self.parallel)
            part = [x[start:stop] if spec.varies else x for x, spec in zip(data, self.program.leaves)]
            y, state = run(self.program, ctx, part, initial_state(self.program, ctx, part) if state is None else state)
            out.append(y)
        whole = [jnp.concatenate(y) if s.varies else y[-1] for y, s in zip(zip(*out), self.program.output_specs)]
        return whole, state

    def loss(self, learned, cuts=None):
        """A number that every output and every state depends on."""
        return self.rated(learned, cuts)[0]

    def graded(self, learned, cuts=None):
        """`(gradient, (outputs, final state))`."""
        return jax.grad(self.rated, has_aux=True)(learned, cuts)

    def rated(self, learned, cuts):
        y, state = self(learned, cuts)
        floats = [x for x in jax.tree.leaves((y, state)) if jnp.issubdtype(x.dtype, jnp.inexact)]
        return sum((jnp.sin(1.0 + 0.7 * jnp.arange(x.size)).reshape(x.shape) * (x + 0.3 * x**2)).sum() for x in floats), (
            y,
            state,
        )


def direction(first, seed):
    rng = np.random.default_rng(seed)
    return {k: rng.normal(size=np.shape(v)) for k, v in first.items()}


def along(first, towards, step):
    return {k: first[k] + step * towards[k] for k in first}


def dot(a, b):
    return sum((a[k] * b[k]).sum() for k in b)


def tolerance(plan, parallel):
    """Newton's method stops where float32 would."""
    return 1e-5 if plan == "newton" or (plan == "auto" and parallel) else 1e-9


def close(a, b, tol, what):
    jax.tree.map(lambda x, y: closer(x, y, tol, what), a, b)


def closer(x, y, tol, what):
    x, y = np.asarray(x), np.asarray(y)
    if y.dtype.kind in "iub":
        np.testing.assert_array_equal(x, y, what)
    else:
        finite = np.abs(y[np.isfinite(y)])
        np.testing.assert_allclose(x, y, rtol=tol, atol=tol * max(1.0, np.max(finite, initial=0.0)), err_msg=what)


@examples(12)
@given(loop(), st.sampled_from(FRAMES), st.booleans())
def test_every_plan_is_the_loop_written_in_numpy(drawn, frames, narrow):
    built = Built(drawn, frames, narrow)
    expected = built.numpy()
    with double_precision():
        pures = {way: Pure(built.lazy(way[0]), frames, way[1]) for way in built.plans()}

        @jax.jit
        def everything():
            return {way: pure.graded(pure.first()) for way, pure in pures.items()}

        found = everything()
        reference = pures["scan", False]
        first = reference.first()
        towards = direction(first, 1)
        numeric = jax.jit(
            lambda e: (reference.loss(along(first, towards, e)) - reference.loss(along(first, towards, -e))) / (2 * e)
        )
        gradient, (_, end) = found["scan", False]
        for way, (slopes, (y, after)) in found.items():
            tol = tolerance(*way)
            close(y, expected, tol, f"{way} and NumPy")
            assert {k: v.shape for k, v in slopes.items()} == {k: v.shape for k, v in gradient.items()}, way
            close(slopes, gradient, 10 * tol, f"gradient of {way}")
            if way[0] != "blocks" and jax.tree.structure(after) == jax.tree.structure(end):
                close(after, end, tol, f"final state of {way}")
        closer(dot(jax.tree.map(np.asarray, gradient), towards), numeric(1e-6), 1e-6, "finite differences")


@examples(8)
@given(loop(), st.sampled_from(FRAMES), st.data())
def test_any_split_into_blocks_is_one_run(drawn, frames, data):
    built = Built(drawn, frames)
    plan, parallel = data.draw(st.sampled_from(built.plans()))
    cuts = (0, *sorted(data.draw(st.lists(st.integers(0, frames), max_size=3))), frames)
    cuts = tuple(sorted(set(cuts))) if built.lanes == (16,) else cuts
    if plan == "blocks":
        cuts = (0, *[c for c in cuts[1:-1] if 2 <= c <= frames - 2][:1], frames)
    with double_precision():
        pure = Pure(built.lazy(plan), frames, parallel)
        first, tol = pure.first(), tolerance(plan, parallel)
        whole, parts = jax.jit(lambda x: [pure.graded(x, c) for c in (None, cuts)])(first)
    close(parts[1], whole[1], tol, f"{plan}, {cuts}")
    close(parts[0], whole[0], 10 * tol, f"gradient, {plan}, {cuts}")


@examples(6)
@given(loop(), st.sampled_from([2, 5, 11]), st.data())
def test_forward_mode_is_reverse_mode_and_a_batch_is_its_elements(drawn, frames, data):
    built = Built(drawn, frames)
    plan, parallel = data.draw(st.sampled_from(built.plans()))
    with double_precision():
        pure = Pure(built.lazy(plan), frames, parallel)
        first = pure.first()
        u = direction(first, 2)

        @jax.jit
        def everything(first):
            batch = {k: jnp.stack([first[k], first[k] + 0.1 * u[k]]) for k in first}
            return {
                "gradient": jax.grad(pure.loss)(first),
                "forward": jax.jvp(pure.loss, (first,), (u,))[1],
                "batch": jax.vmap(pure.graded)(batch),
                "one by one": [pure.graded({k: b[i] for k, b in batch.items()}) for i in range(2)],
            }

        found = jax.tree.map(np.asarray, everything(first))
    tol = tolerance(plan, parallel)
    closer(found["forward"], dot(found["gradient"], u), 10 * tol, "forward and reverse")
    stacked = jax.tree.map(lambda *x: np.stack(x), *found["one by one"])
    close(found["batch"], stacked, 10 * tol, "a batch and its elements")


# Second derivatives, every way to take them.


def learned(shape=(6,)):
    return Signal.from_samples(numbers(shape, 3), requires_grad=True)


def number(x=0.5):
    return Tensor(x, requires_grad=True)


SECOND = {
    "tanh": lambda plan: dg.feedback(lambda s: learned() + 0.5 * s.tanh(), plan=plan),
    "tanh, learned": lambda plan: dg.feedback(lambda s: Signal.from_samples(numbers(6, 3)) + number() * s.tanh(), plan=plan),
    "affine, learned": lambda plan: dg.feedback(lambda s: learned() + number() * s, init=number(0.1), plan=plan),
    "lanes": lambda plan: dg.feedback(lambda s: learned((6, 3)) + number() * s, init=Tensor(np.ones(3)), plan=plan),
    "onepole": lambda plan: learned().onepole(number()),
    "biquad of what is learned": lambda plan: learned().biquad(0.1 * RATE),
    "biquad, learned": lambda plan: Signal.from_samples(numbers(6, 3)).biquad(number(100.0)),
}
MODES = {
    "forward over reverse": lambda f, v: lambda x: jax.jvp(jax.grad(f), (x,), (v,))[1],
    "reverse over forward": lambda f, v: lambda x: jax.grad(lambda x: jax.jvp(f, (x,), (v,))[1])(x),
    "reverse over reverse": lambda f, v: lambda x: jax.grad(lambda x: dot(jax.grad(f)(x), v))(x),
}


def second():
    for name, mode, plan in itertools.product(SECOND, MODES, ["scan", "newton"]):
        if plan == "scan" or name.startswith(("tanh", "affine", "lanes")):
            yield name, mode, plan


@pytest.mark.parametrize(("name", "mode", "plan"), list(second()))
def test_second_derivatives_are_differences_of_the_first(name, mode, plan):
    with double_precision():
        pure = Pure([SECOND[name](plan)], 6, False)
        first = pure.first()
        v = direction(first, 4)
        found = jax.jit(MODES[mode](pure.loss, v))(first)
        gradient = jax.jit(jax.grad(pure.loss))
        ends = [gradient(along(first, v, step)) for step in (1e-4, -1e-4)]
        close(found, jax.tree.map(lambda a, b: (a - b) / 2e-4, *ends), 1e-5, f"{name}, {mode}")


INSIDE_A_SCAN = {
    "onepole": lambda x, p: x.onepole(p),
    "ladder": lambda x, p: x.ladder(5000.0, resonance=p),
    "comb": lambda x, p: x.comb(20.0, damping=p),
    "fdn": lambda x, p: x.fdn([11, 17], [[0.6, 0.8], [-0.8, 0.6]], damping=p).sum(),
    "lanes": lambda x, p: (x * Tensor(np.linspace(0.5, 1.0, 9, dtype=np.float32))).onepole(p).sum(),
}


WAYS_INSIDE = [("onepole", mode) for mode in (*MODES, "forward over forward")]
WAYS_INSIDE += [(name, "forward over reverse") for name in list(INSIDE_A_SCAN)[1:]]
WAYS_INSIDE += [(name, "reverse over reverse") for name in ("ladder", "lanes")]


@pytest.mark.parametrize(("name", "mode"), WAYS_INSIDE)
def test_second_derivatives_inside_a_scan_are_differences_of_the_first(name, mode):
    """There JAX forgets a `custom_jvp` once it is used, and differentiates the loop itself."""
    if (name, mode) == ("ladder", "reverse over reverse") and jax.default_backend() != "cpu":
        pytest.skip("Newton's method runs until it is done, which JAX does not differentiate in reverse")
    x, p = numbers(48, 1), Signal.param(0.3)
    fn = dg.function(INSIDE_A_SCAN[name](Signal.input(0), p), params={"p": p})
    modes = MODES | {"forward over forward": lambda f, v: lambda x: jax.jvp(lambda x: jax.jvp(f, (x,), (v,))[1], (x,), (v,))[1]}

    def scanned(p):
        start = fn.initial_state(p, {0: x[:12]})
        return (jax.lax.scan(lambda state, b: fn(p, {0: b}, state)[::-1], start, x.reshape(4, 12))[1] ** 2).sum()

    at, v = {"p": jnp.float32(0.3)}, {"p": jnp.float32(1)}
    found = jax.jit(modes[mode](scanned, v))(at)
    many = jax.jit(jax.vmap(modes[mode](scanned, v)))({"p": jnp.array([0.2, 0.3], jnp.float32)})
    np.testing.assert_allclose(jax.tree.leaves(many)[0][1], jax.tree.leaves(found)[0], rtol=1e-4)
    gradient = jax.jit(jax.grad(scanned))
    ends = [gradient({"p": jnp.float32(0.3 + step)})["p"] for step in (2e-3, -2e-3)]
    np.testing.assert_allclose(jax.tree.leaves(found)[0], (ends[0] - ends[1]) / 4e-3, rtol=2e-3)


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_of_blocks_with_a_filter_in_the_loop(mode):
    def body(s):
        return Signal.from_samples(numbers(40, 3)) + number() * s.delay(9).biquad(number(100.0)).tanh()

    with double_precision():
        pure, reference = (Pure([dg.feedback(body, plan=plan)], 40, plan == "blocks") for plan in ("blocks", "scan"))
        first = pure.first()
        v = direction(first, 4)
        found, expected = (jax.jit(MODES[mode](p.loss, v))(first) for p in (pure, reference))
    close(found, expected, 1e-5, mode)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("at_once", [2, 3, 4])
def test_frames_that_share_an_iteration_are_one_loop(monkeypatch, frames, at_once):
    x = learned((frames, 2))
    y = dg.feedback(lambda s: (x + number() * s[0] - s[1], 0.3 * s[1] + s[0]), init=(Tensor(np.ones(2)), number(0.1)))
    with double_precision():
        pure = Pure(y, frames, False)
        found = []
        for n in (at_once, 1):
            asked = []
            monkeypatch.setattr(loops, "_unroll", lambda *_, n=n, asked=asked: asked.append(n) or n)
            found.append(jax.jit(pure.graded)(pure.first()))
            assert asked
    close(*found, 1e-12, f"{at_once} at once")


def test_only_loops_that_touch_little_do_several_frames_in_an_iteration(monkeypatch):
    """Beyond what XLA compiles to one piece of machine code, a loop is many times slower."""
    chosen, choose = [], loops._unroll
    monkeypatch.setattr(loops, "_unroll", lambda *args: chosen.append(choose(*args)) or chosen[-1])
    x, lanes = Signal.from_samples(numbers(50, 1)), Signal.from_samples(numbers((50, 1000), 1))
    for value, wanted in [
        (x.onepole(0.1), 4),
        (x.biquad(100.0 + 9 * x), 4),
        (dg.feedback(lambda s: (x - s).tanh()), 1),
        (dg.feedback(lambda s: x / (1 + s * s)), 1),
        (lanes.onepole(0.1), 1),
    ]:
        chosen.clear()
        Pure([value], 50, False)({})
        assert chosen == [wanted]


def test_gradients_of_numbers_that_stand_still_are_one_sum():
    """Those of a filter's coefficients took longer than the filter."""
    pure = Pure([Signal.from_samples(numbers(50, 1)).biquad(number(100.0), number(0.7))], 50, False)
    first = {k: v.astype(np.float32) for k, v in pure.first().items()}
    text = str(jax.make_jaxpr(jax.grad(pure.loss))(first))
    assert len(re.findall(r"f32\[5\] = reduce_sum\[axes=\((?:np\.int64\()?1\b", text)) == 1  # five coefficients, over frames


@pytest.mark.parametrize("room", [0, 4])
def test_slopes_of_lanes_are_summed_up_by_the_loop_or_after_pieces_of_it(monkeypatch, room):
    x, cutoff = learned((27, 5)), Tensor(np.linspace(0.2, 0.9, 5), requires_grad=True)
    asked = []
    monkeypatch.setattr(linear, "room", lambda *_: asked.append(room) or room)
    monkeypatch.setattr(linear, "piece_of", lambda *_: 8)
    with double_precision():
        pure = Pure([x.onepole(cutoff)], 27, False)
        first = pure.first()
        v = direction(first, 3)
        loss = jax.jit(pure.loss)
        numeric = (loss(along(first, v, 1e-6)) - loss(along(first, v, -1e-6))) / 2e-6
        closer(dot(jax.jit(jax.grad(pure.loss))(first), v), numeric, 1e-6, "finite differences")
    assert asked


def test_what_is_the_next_state_is_not_computed_again_for_the_gradient(monkeypatch):
    """A ladder's output is its last pole: its backward pass made all four poles again."""
    known, ask = [], Recursion.next_states
    monkeypatch.setattr(Recursion, "next_states", lambda *args: known.append(ask(*args)) or known[-1])
    x = learned((50,))
    for value, wanted in [(x.onepole(0.3), [0]), (x.biquad(100.0), [None]), (x.ladder(100.0), [3])]:
        pure = Pure([value], 50, False)
        known.clear()
        jax.eval_shape(jax.grad(pure.loss), pure.first())
        assert known == [wanted]


@pytest.mark.parametrize("lanes", [3, 15, 16, 255, 256])
@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("kind", ["biquad", "onepole"])
def test_states_whose_matrices_move_are_made_before_they_are_checked(kind, moves, lanes):
    """On a GPU they otherwise are made in the loop that checks; what rests is as fast without, and many lanes forwards."""
    rng = np.random.default_rng(0)
    x, low = rng.normal(size=(2, 64, lanes))
    low = 100 + low**2
    control = Signal.from_samples(low, requires_grad=True) if moves else Tensor(low[0], requires_grad=True)
    pure = Pure([getattr(Signal.from_samples(x), kind)(control)], 64, parallel=True)
    programs = [str(jax.make_jaxpr(run)(pure.first())) for run in (pure.loss, jax.grad(pure.loss))]
    assert ["optimization_barrier" in program for program in programs] == [moves and not 16 <= lanes < 256, moves]


@pytest.mark.parametrize("parallel", [False, True])
def test_an_output_that_is_the_next_state_has_its_gradients(parallel):
    """Next to one that is not, and states that are no output, of several shapes."""

    def body(s):
        a, b, c = s
        return 0.5 * a + learned((9,)), (a + number(0.2)) * b.tanh(), (a * c).sin()

    start = (number(0.1), Tensor(np.ones(2)), number(0.3))
    with double_precision():
        found, expected = (Pure(dg.feedback(body, start, plan=plan)[1:], 9, parallel) for plan in ("auto", "scan"))
        first = found.first()
        v = direction(first, 3)
        slopes = jax.jit(jax.grad(found.loss))(first)
        close(slopes, jax.jit(jax.grad(expected.loss))(first), 1e-6, "scan")
        numeric = (found.loss(along(first, v, 1e-6)) - found.loss(along(first, v, -1e-6))) / 2e-6
        closer(dot(slopes, v), numeric, 1e-6, "finite differences")


@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize("lanes", [3, 16])
def test_a_block_after_filters_in_a_loop_has_its_gradients_through_their_state(lanes, bent):
    """Each filter's state is in two parts, of which what rounding has lost has no tangent."""
    p, x = Tensor(np.full(lanes, 0.5), requires_grad=True), Signal.input(0, shape=(lanes,))

    def body(prev):
        y = x + p * prev.onepole(0.4).onepole(0.3)
        return y.tanh() if bent else y

    fn = dg.function(dg.feedback(body, Tensor(np.zeros(lanes))), params=[p], inputs={"x": x})
    first, second = numbers((2, 20, lanes), 3)

    def loss(p):
        _, state = fn([p], {"x": first})
        return (fn([p], {"x": second}, state=state)[0] ** 2).sum()

    def by_hand(p):
        y, a, b, total = *np.zeros((3, lanes)), 0.0
        for n, now in enumerate(np.float64([*first, *second])):
            a = a + 0.4 * (y - a)
            b = b + 0.3 * (a - b)
            y = np.tanh(now + p * b) if bent else now + p * b
            total += (n >= 20) * (y**2).sum()
        return total

    at, step = np.linspace(0.3, 0.7, lanes), 1e-5 * np.eye(lanes)
    expected = [(by_hand(at + d) - by_hand(at - d)) / 2e-5 for d in step]
    np.testing.assert_allclose(jax.grad(loss)(np.float32(at)), expected, rtol=1e-4, atol=1e-5)


# Batches of plans that are checked.


def test_one_example_that_fails_its_check_does_not_spoil_the_others_and_is_right_itself():
    gain = Tensor(0.5, requires_grad=True)
    x = Signal.from_samples(numbers(300, 1))
    plans = [
        Pure([dg.feedback(lambda s: x + gain * 4 * s * (1 - s.tanh()), plan=plan)], 300, False) for plan in ("newton", "scan")
    ]
    gains = {plans[0].key[0]: jnp.array([0.1, 0.9, 0.2])}  # the second one is chaotic
    with double_precision():
        found, expected = (jax.jit(jax.vmap(lambda v, p=p: p(v)[0][0]))(gains) for p in plans)
    np.testing.assert_array_equal(found[1], expected[1])
    close(found, expected, 1e-7, "a batch with chaos in it")


def test_a_batch_computes_what_stands_in_for_a_plan_only_where_it_is_needed():
    pure = Pure([dg.feedback(lambda s: learned() + number() * s, plan="linear")], 6, False)
    batch = {k: jnp.stack([v, v]) for k, v in pure.first().items()}
    assert "cond[" in str(jax.make_jaxpr(jax.vmap(pure.graded))(batch))


# What users do by mistake.


def ways(body, frames, init=0.0, plans=("scan", "newton")):
    return {plan: np.asarray(dg.feedback(body, init=init, plan=plan).realize(frames)) for plan in plans}


@pytest.mark.parametrize("growth", [1.05, 2.0])
def test_an_unstable_loop_overflows_alike_under_every_plan_and_recovers(growth):
    reset = np.zeros(3000, np.float32)
    reset[[2000, 2500]] = 1
    x, r = Signal.from_samples(numbers(3000, 1)), Signal.from_samples(reset)
    found = ways(lambda s: dg.where(r > 0, 0.0, growth * s) + x, 3000, plans=("scan", "linear", "newton"))
    assert not np.isfinite(found["scan"][1999]) or growth < 1.1
    assert np.isfinite(found["scan"][2000:2010]).all()
    for plan, y in found.items():
        np.testing.assert_allclose(y, found["scan"], rtol=2e-4, err_msg=plan)


def test_chaos_is_left_to_the_scan():
    found = ways(lambda s: 3.99 * s * (1 - s), 500, init=0.3)
    np.testing.assert_array_equal(found["newton"], found["scan"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("plan", ["linear", "newton"])
def test_what_is_not_finite_stays_in_its_lane_and_after_its_frame(bad, plan):
    x = numbers((60, 3), 2)
    x[20, 1] = bad
    held = Signal.from_samples(x)
    found = ways(lambda s: held + 0.5 * s, 60, plans=("scan", plan))
    np.testing.assert_allclose(found[plan], found["scan"], rtol=1e-6)
    assert np.isfinite(found[plan][:, [0, 2]]).all()
    assert np.isfinite(found[plan][:20]).all()
    assert not np.isfinite(found[plan][20:, 1]).any()


@pytest.mark.parametrize(("frames", "at"), [(60, 5), (1000, 976)])
@pytest.mark.parametrize("size", [100.0, 1e10, 1e30])
def test_a_click_does_not_spoil_what_is_quiet(size, frames, at):
    x = 0.3 * np.random.default_rng(1).normal(size=frames)
    x[at] = size
    held = Signal.from_samples(x)
    found = ways(lambda s: held + 0.95 * s.tanh(), frames)
    np.testing.assert_allclose(found["newton"], found["scan"], atol=1e-5, rtol=1e-5)


def test_a_loud_half_does_not_spoil_the_quiet_one():
    x = np.random.default_rng(1).uniform(-1, 1, 600) * np.repeat([1, 1e12, 1], 200)
    held = Signal.from_samples(x)
    found = ways(lambda s: held + 0.95 * s.tanh(), 600)
    np.testing.assert_allclose(found["newton"], found["scan"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_loop_in_a_loop_is_one_in_numpy(depth):
    x = numbers(40, 5)

    def nested(level):
        return lambda s: 0.3 * s + (Signal.from_samples(x) if level == 0 else dg.feedback(nested(level - 1)).tanh() + 0.2 * s)

    ran = ways(nested(depth), 40, plans=("scan", "newton", "auto"))
    y = x.astype(float)
    for level in range(depth + 1):
        given, y, s = (np.tanh(y) if level else y), np.zeros(40), 0.0
        for n in range(40):
            s = y[n] = (0.5 if level else 0.3) * s + given[n]
    for plan, found in ran.items():
        np.testing.assert_allclose(found, y, atol=1e-5, err_msg=plan)


@recurrence_op(init=lambda x: (jnp.zeros_like(x), jnp.zeros(x.shape, jnp.int32), jnp.zeros(x.shape, bool)))
def counted(state, x):
    """A float, a counter and a switch that depend on each other."""
    total, count, up = state
    total = jnp.where(up, 0.7 * total + x, 0.5 * total + 0.1 * count * x)
    return (total, (count + 1) % 5, total > 0), total


@pytest.mark.parametrize("lanes", [(), (50,)])
@pytest.mark.parametrize("parallel", [False, True])
def test_whole_numbers_and_switches_in_a_state(lanes, parallel):
    held = Signal.from_samples(numbers((30, *lanes), 6), requires_grad=True)
    value = held.wrap(counted.node(held.node))
    with double_precision():
        pure = Pure([value], 30, parallel)
        first = pure.first()
        gradient, ((y,), _) = jax.jit(pure.graded)(first)
        split = jax.jit(lambda x: pure.graded(x, (0, 7, 8, 30)))(first)
        towards = direction(first, 8)
        slope = (pure.loss(along(first, towards, 1e-6)) - pure.loss(along(first, towards, -1e-6))) / 2e-6
        total, count, up, x = np.zeros(lanes), 0, np.zeros(lanes, bool), next(iter(jax.tree.map(np.asarray, first).values()))
        for n in range(30):
            total = np.where(up, 0.7 * total + x[n], 0.5 * total + 0.1 * count * x[n])
            count, up = (count + 1) % 5, total > 0
            np.testing.assert_allclose(y[n], total, atol=1e-12)
        close(split[0], gradient, 1e-9, "gradient of blocks")
        closer(dot(gradient, towards), slope, 1e-6, "finite differences")


@pytest.mark.parametrize("plan", ["linear", "newton"])
@pytest.mark.parametrize("frames", [257, 700, 3000])
def test_long_runs_in_pieces(monkeypatch, plan, frames):
    x = Signal.from_samples(numbers((frames, 2), 7), requires_grad=True)
    whole = lambda plan: dg.feedback(lambda s: x + 0.9 * (s if plan_is_linear else s.tanh()), init=np.ones(2), plan=plan)  # noqa: E731
    plan_is_linear = plan == "linear"
    with double_precision():
        reference = Pure([whole("scan")], frames, False)
        expected = jax.jit(reference.graded)(reference.first())
        monkeypatch.setattr(newton, "_MOST_ENTRIES", 1)
        pieces = Pure([whole(plan)], frames, False)
        found = jax.jit(pieces.graded)(pieces.first())
        close(found, expected, 1e-5, "pieces")


def test_a_long_run_without_inputs_in_pieces(monkeypatch):
    monkeypatch.setattr(newton, "_MOST_ENTRIES", 1)
    turn = lambda s: (0.9 * s[0] - 0.1 * s[1], 0.1 * s[0] + 0.9 * s[1])  # noqa: E731
    found = [dg.feedback(turn, init=(1.0, 0.0), plan=plan)[0].realize(600) for plan in ("linear", "scan")]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


@pytest.mark.parametrize("tile", [1, 3, 4, 16])
def test_tiles_of_any_width_are_one_loop(monkeypatch, tile):
    for lanes in (2, 5, 13, 40):
        x, c = Signal.from_samples(numbers((9, lanes), 8), requires_grad=True), Signal.from_samples(numbers(9, 9))
        y = dg.feedback(lambda s, x=x, c=c: (x + 0.5 * s[0].tanh() * c, 0.3 * s[1] + s[0]), init=(0.0, np.ones(lanes)))

        def graded(y=y):
            pure = Pure(y, 9, False)
            return pure.graded(pure.first())

        monkeypatch.setattr(loops, "_tile", lambda *_: 0)
        with double_precision():
            whole = jax.jit(graded)()
        asked = []
        monkeypatch.setattr(loops, "_tile", lambda *_, t=tile, n=lanes, asked=asked: asked.append(n) or (t if t < n else 0))
        with double_precision():
            tiled = jax.jit(lambda graded=graded: graded())()  # another function, which is traced anew
        assert asked
        close(tiled, whole, 1e-12, f"{lanes} lanes in tiles of {tile}")


@pytest.mark.parametrize("lanes", [(40,), (5, 8), (41,)])
def test_tiles_with_what_spans_some_axes(monkeypatch, lanes):
    monkeypatch.setattr(loops, "limit", lambda: 1024)  # else all lanes are one loop
    held, row = Signal.from_samples(numbers((9, *lanes), 8)), Signal.from_samples(numbers((9, lanes[-1]), 9))
    y = dg.feedback(lambda s: held + row * s.tanh() * Tensor(numbers((*lanes[:-1], 1), 3)), init=np.zeros(lanes)).realize(9)
    s = np.zeros(lanes)
    for n in range(9):
        s = held.value[n] + row.value[n] * np.tanh(s) * numbers((*lanes[:-1], 1), 3)
        np.testing.assert_allclose(y[n], s, atol=1e-5)


SHAPED = {
    "reshape": lambda s: s.reshape((5, 8)),
    "transpose": lambda s: s.transpose((0, 1)),
    "index": lambda s: s[:, :],
    "concat": lambda s: dg.concat([s], axis=1),
}


@pytest.mark.parametrize("name", SHAPED)
def test_tiles_of_a_body_that_names_axes(monkeypatch, name):
    monkeypatch.setattr(loops, "limit", lambda: 1024)  # else all lanes are one loop
    held = Signal.from_samples(numbers((9, 5, 8), 8))
    plain = dg.feedback(lambda s: held + 0.5 * s.tanh(), init=np.zeros((5, 8))).realize(9)
    same = dg.feedback(lambda s: held + 0.5 * SHAPED[name](s).tanh(), init=np.zeros((5, 8))).realize(9)
    np.testing.assert_allclose(same, plain, atol=1e-6)


def test_no_frames_of_many_lanes():
    assert Signal.from_samples(np.zeros((4, 50))).onepole(0.3).realize(0).shape == (0, 50)


@pytest.mark.parametrize("plan", ["linear", "newton"])
def test_no_lanes(plan):
    held = Signal.from_samples(np.zeros((4, 0)))
    assert dg.feedback(lambda s: held + 0.5 * s, init=np.zeros(0), plan=plan).realize(4).shape == (4, 0)


def test_no_lanes_in_a_scan():
    held = Signal.from_samples(np.zeros((4, 0)))
    assert dg.feedback(lambda s: held + 0.5 * s, init=np.zeros(0)).realize(4).shape == (4, 0)


@pytest.mark.parametrize("frames", [0, 1])
def test_a_loop_in_blocks_runs_a_single_frame(frames):
    held = Signal.from_samples(numbers(4, 1))
    assert dg.feedback(lambda s: held + 0.5 * s.delay(16), plan="blocks").realize(frames).shape == (frames,)


WAYS_BACK = {
    "itself, and filtered": lambda s, p: s.delay([16.0, 19.25]) - 0.5 * (p * s.history()).delay(12),
    "on a line far longer": lambda s, p: s.delay(9 + p, max_delay=300, min_delay=9),
    "itself alone, lanes apart": lambda s, p: s.delay([16.0, 19.25]),
    "on two lines, bent": lambda s, p: (s.delay(20.5) - 0.4 * p * s.delay(17)).tanh(),
}


@pytest.mark.parametrize("way", WAYS_BACK)
def test_lines_that_a_loop_in_blocks_lays_out_are_the_rings_of_single_frames(way):
    """The last block is shorter than the others, and a stream goes on from it."""
    x = Signal.from_samples(numbers((50, 2), 2))

    def loop(gain, plan):
        return dg.feedback(lambda s: x + gain * WAYS_BACK[way](s, gain), np.zeros(2), plan=plan)

    found = []
    for plan in ("blocks", "scan"):
        gain = number(0.7)
        y = loop(gain, plan)
        found.append(((y * y).sum().backward(), gain.grad.value))
    close(found[0], found[1], 1e-5, way)
    stream = loop(Tensor(0.7), "blocks")
    parts = [stream.realize(25, preserve_state=True) for _ in range(2)]
    close(np.concatenate(parts), y.realize(), 1e-5, way)
