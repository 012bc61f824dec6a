"""How a recurrence is solved over a block of frames, and differentiated. Knows JAX arrays, not the graph.

The states of all frames are the solution of one system of equations, `state[n + 1] = step(state[n], inputs[n])`. However
they are found, their derivative is the solution of a linear system, of the step's Jacobians: a linear recurrence, which
transposed runs backwards. So every plan has the same exact derivatives, forwards and in reverse, of any order, and
keeps no more than the states.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from . import adjoint, newton
from .analysis import AFFINE, NONLINEAR, Facts, analyse
from .errors import ArgumentError
from .graph import Spec
from .loops import loop
from .op import Context, Params, Recurrence

_MOST_STATES = 16  # times the output: with more, a plain scan keeps less for its gradient than all states would take
_WIDEST = 16  # of a Jacobian that mixes lanes


class Plan(NamedTuple):
    """How a recurrence is run, and why. `name` is "parallel form", "scan", "linear", "newton" or "blocks"."""

    name: str
    why: str
    facts: Facts | None = None


def solve(
    op: Recurrence, ctx: Context, params: Params, state: Any, inputs: Sequence[Any], specs: Sequence[Spec]
) -> tuple[Any, Any]:
    """Run `op` over every frame: `(state after the last frame, output of every frame)`."""
    if not isinstance(ctx.frames, int):  # symbolic: what is exported for any number of frames
        return scan(ft.partial(_step, op, ctx._replace(frames=1), params), state, inputs, specs, ctx.frames)
    if op.known(ctx, specs):
        return op.whole(ctx, params, state, inputs, specs)
    step = ft.partial(_step, op, ctx._replace(start=0, frames=1), params)
    shapes = [jax.ShapeDtypeStruct(s.shape, jnp.result_type(x)) for s, x in zip(specs, inputs)]
    plan = choose(op, ctx, params, state, shapes, specs)
    rec = Recursion(step, plan, tuple(s.varies for s in specs), ctx)
    large = _size(state) > _MOST_STATES * _size(jax.eval_shape(step, state, *shapes)[1])
    if not ctx.frames or large:
        return rec.loop(step, state, rec.moving(tuple(inputs)), rec.fixed(tuple(inputs)))
    return rec(state, tuple(inputs))


def _size(tree: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(tree))


def _step(op: Recurrence, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
    return op.step(ctx, params, state, *inputs)


def choose(op: Recurrence, ctx: Context, params: Params, state: Any, shapes: Sequence[Any], specs: Sequence[Spec]) -> Plan:
    """The plan for a recurrence whose state and inputs have these shapes."""
    known = op.known(ctx, specs)
    if known:
        return Plan(*known)
    facts = analyse(ft.partial(_step, op, ctx._replace(start=0, frames=1), params), state, shapes)
    leaves = jax.tree.leaves(state)
    lanes = (leaves[0].size if facts.lanewise else 1) * ctx.examples
    width = len(leaves) if facts.lanewise else _size(state)
    parallel = "linear" if facts.order <= AFFINE else "newton"
    whole_numbers = not all(jnp.issubdtype(x.dtype, jnp.inexact) for x in leaves)
    few = op.plan == "blocks" and ctx.frames < 2  # frames for more than one block
    wanted = "scan" if few else op.plan if op.plan != "auto" else parallel if ctx.parallel else "scan"
    if wanted == "scan":
        return Plan("scan", "as asked for" if op.plan == "scan" else f"a loop is fastest on a CPU; {facts.why}", facts)
    if whole_numbers or (not facts.lanewise and width > _WIDEST) or wanted not in ("newton", parallel):
        why = "part of the state is whole numbers" if whole_numbers else f"{facts.why}, {width} states"
        if op.plan != "auto":
            raise ArgumentError(f"feedback: plan={op.plan!r} does not fit: {why}")
        return Plan("scan", f"no faster plan: {why}", facts)
    if op.plan != "auto":
        return Plan(op.plan, f"as asked for; {facts.why}", facts)
    if ctx.frames < 2:
        return Plan("scan", "a single frame", facts)
    if newton.seconds(ctx.frames, lanes, width, facts.order) > newton.SCAN_SECONDS * ctx.frames:
        return Plan("scan", f"{lanes} lanes keep the device busy; {facts.why}", facts)
    return Plan(parallel, facts.why, facts)


def scan(step: Callable[..., Any], state: Any, inputs: Sequence[Any], specs: Sequence[Spec], frames: int) -> tuple[Any, Any]:
    """One frame after another, without any of the above."""
    moving = tuple(x for x, s in zip(inputs, specs) if s.varies)

    def body(state, frame):
        left = iter(frame[0])
        return step(state, *[next(left) if s.varies else x for x, s in zip(inputs, specs)])

    clock = jnp.zeros((frames, 0))  # tells a length that is symbolic, which lax.scan does not take by name
    return lax.scan(body, state, (moving, clock))


class Recursion:
    """One recurrence over a block: its step, and the plan to run it. Inputs with `varies` have the frame axis first."""

    def __init__(self, step: Callable[..., Any], plan: Plan, varies: tuple[bool, ...], ctx: Context):
        self.step, self.plan, self.varies, self.ctx = step, plan, varies, ctx
        self.axes = [0 if v else None for v in varies]
        self.lanewise = plan.facts is not None and plan.facts.lanewise

    def __call__(self, state: Any, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        @jax.custom_jvp
        def whole(state, inputs):
            if self.plan.name == "scan":
                found = self.loop(self.step, state, self.moving(inputs), self.fixed(inputs))
            else:
                found = newton.states(self, state, inputs, outputs=True)
            return _batched_alike(found, (state, inputs))

        def by_states(state, inputs):
            end, states = trajectory(state, inputs)
            return end, jax.vmap(lambda s, *xs: self.step(s, *xs)[1], (0, *self.axes))(states, *inputs)

        @jax.custom_jvp
        def trajectory(state, inputs):
            found = self.scanned(state, inputs) if self.plan.name == "scan" else newton.states(self, state, inputs)
            return _batched_alike(found, (state, inputs))

        @ft.partial(whole.defjvp, symbolic_zeros=True)
        def _(primals, tangents):
            leaves, rebuild = jax.tree.flatten(primals)
            live, moved, merge = _live(leaves, jax.tree.leaves(tangents, is_leaf=_is_zero))
            found = jax.jvp(lambda live: by_states(*rebuild.unflatten(merge(live))), (live,), (moved,))
            return _batched_alike(found, primals)

        @ft.partial(trajectory.defjvp, symbolic_zeros=True)
        def _(primals, tangents):
            state, inputs = primals
            end, states = trajectory(state, inputs)
            floats, rest = _floats(states)
            live, moved, merge = _live(inputs, tangents[1])

            def after(floats, inputs):
                return jax.vmap(self.next, (0, 0, *self.axes))(floats, rest, *inputs)

            first = [t for t in jax.tree.leaves(tangents[0], is_leaf=_is_zero) if _is_float(t)]
            first = [jnp.zeros(t.shape, t.dtype) if _is_zero(t) else t for t in first]
            force = jax.tree.map(jnp.zeros_like, floats)
            if live:
                force = jax.jvp(lambda live: after(floats, merge(live)), (live,), (moved,))[1]
            first, force = _tied(first, force)
            last, moved = _batched_alike(self.linear(floats, rest, inputs, first, force), primals)
            return (end, states), (_tangents(end, last), _tangents(states, moved))

        return whole(state, inputs)

    # Inputs: those that vary from frame to frame, and the others.

    def moving(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x for v, x in zip(self.varies, inputs) if v)

    def fixed(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x for v, x in zip(self.varies, inputs) if not v)

    def merged(self, moving: Sequence[Any], fixed: Sequence[Any]) -> list[Any]:
        left, right = iter(moving), iter(fixed)
        return [next(left) if v else next(right) for v in self.varies]

    def next(self, floats: list[Any], rest: Any, *inputs: Any) -> list[Any]:
        """The floating-point part of the next state."""
        return _floats(self.step(_joined(floats, rest), *inputs)[0])[0]

    # Loops over frames.

    def loop(self, body: Callable[..., Any], carry: Any, moving: Any, fixed: Any, reverse: bool = False) -> tuple[Any, Any]:
        """`body(carry, *inputs) -> (carry, output)` over the frames, where `moving` may hold more than inputs."""
        count = sum(self.varies)

        def one_frame(carry, moving, fixed):
            return body(carry, *self.merged(moving[:count], fixed), *moving[count:])

        return loop(one_frame, carry, moving, fixed, self.ctx.frames, self.lanewise and not self.ctx.parallel, reverse)

    def scanned(self, state: Any, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        """The state after the last frame, and the states before every frame, one frame after another."""
        body = lambda s, *xs: (self.step(s, *xs)[0], s)  # noqa: E731
        return self.loop(body, state, self.moving(inputs), self.fixed(inputs))

    # The linear recurrence of the derivative.

    def linear(self, states: Any, rest: Any, inputs: tuple[Any, ...], first: Any, force: Any) -> tuple[Any, Any]:
        """Solve `t[0] = first`, `t[n + 1] = J[n] t[n] + force[n]`, J the step's Jacobian: `(last t, t of every frame)`."""
        count, parallel = len(self.varies), self.plan.name != "scan"
        costly = self.lanewise and not parallel and self.plan.facts is not None and self.plan.facts.order == NONLINEAR

        def push(t, *frame):
            """`J t` at one frame."""
            inputs, (s, r) = frame[:count], frame[count:]
            return jax.jvp(lambda s: self.next(s, r, *inputs), (s,), (t,))[1]

        def pull(t, *frame):
            """`J^T t` at one frame."""
            inputs, (s, r) = frame[:count], frame[count:]
            return jax.vjp(lambda s: self.next(s, r, *inputs), s)[1](t)[0]

        def run(body, start, force, reverse):
            def one_frame(t, *frame):
                return jax.tree.map(jnp.add, body(t, *frame[:-1]), frame[-1]), t

            if not parallel:
                moving = (*self.moving(inputs), states, rest, force)
                return self.loop(one_frame, start, moving, self.fixed(inputs), reverse)
            return newton.linear(self, push, (*inputs, states, rest), start, force, one_frame, reverse)

        # JAX fails where nothing but `run` depends on what is differentiated: so the system seems to, too.
        one = jnp.where(np.False_, _mark(x for x in (*inputs, *states) if _is_float(x)), 1)

        def residual(unknown):
            end, t = unknown
            pushed = jax.vmap(push, (0, *self.axes, 0, 0))(t, *inputs, states, rest)
            after = jax.tree.map(lambda t, e: jnp.concatenate([t[1:], e[None]]), t, end)
            left = _tied([x[0] for x in t], jax.tree.map(jnp.subtract, after, pushed))
            return jax.tree.map(lambda x: x * one.astype(x.dtype), left)

        def transposed(_, given):
            early = adjoint.backwards(self, states, rest, inputs, *given) if costly else None
            return early or run(pull, given[0], given[1], True)

        solved = lax.custom_linear_solve(
            residual, (first, force), lambda _, given: run(push, given[0], given[1], False), transposed
        )
        return _tied(*solved)


def _batched_alike(tree: Any, inputs: Any) -> Any:
    """The same arrays; under `vmap` all are batched if an input is, along the first axis.

    How a `custom_jvp` is batched JAX learns from the function, and believes of the results of its rule too where it takes the
    derivative of a jit or a loop that was batched before: other axes there give an error, or wrong gradients where lengths
    are equal (jax-ml/jax#16374).
    """
    mark = _mark(jax.tree.leaves(inputs))

    def alike(x):
        if not x.size or x.dtype == jax.dtypes.float0:
            return x
        x = lax.squeeze(lax.expand_dims(x, (0,)), (0,))  # which put the batch axis first
        return jnp.where(np.False_, jnp.asarray(mark, x.dtype), x)

    return jax.tree.map(alike, tree)


def _mark(arrays: Iterable[Any]) -> Any:
    """A number that depends on all arrays; where it is not used but seems to be, compilers leave it out."""
    return sum(x.ravel()[0] for x in arrays if x.size)


def _is_zero(x: Any) -> bool:
    return isinstance(x, SymbolicZero)


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _tied(first: list[Any], force: list[Any]) -> tuple[list[Any], list[Any]]:
    """The same numbers, each linear in whatever one of them is linear in: a linear solve is transposed as a whole."""
    mark = _mark((*first, *force))
    return jax.tree.map(lambda x: jnp.where(np.False_, mark, x), (first, force))


def _live(values: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any], Callable[[list[Any]], list[Any]]]:
    """The values that have a tangent, the tangents, and how to put such values back among the others."""
    at = [i for i, t in enumerate(tangents) if not _is_zero(t) and _is_float(values[i])]

    def merge(live):
        out = list(values)
        for i, x in zip(at, live):
            out[i] = x
        return out

    return [values[i] for i in at], [tangents[i] for i in at], merge


def _floats(tree: Any) -> tuple[list[Any], Any]:
    """The floating-point leaves, and the tree without them."""
    leaves, rebuild = jax.tree.flatten(tree)
    return [x for x in leaves if _is_float(x)], rebuild.unflatten([None if _is_float(x) else x for x in leaves])


def _joined(floats: list[Any], rest: Any) -> Any:
    left = iter(floats)
    return jax.tree.map(lambda x: next(left) if x is None else x, rest, is_leaf=lambda x: x is None)


def _tangents(tree: Any, floats: list[Any]) -> Any:
    """`floats` in the structure of `tree`, and tangents of whole numbers, which have none."""
    left = iter(floats)
    return jax.tree.map(lambda x: next(left) if _is_float(x) else np.zeros(x.shape, jax.dtypes.float0), tree)


# Sums that start again, for ops that register a parallel form.


def restarting(add: Callable, restart: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Running `add` of `values` along the first axis that begins anew where `restart` is true, in log(frames) steps."""

    def combine(a, b):
        joined = add(a[1], b[1])
        return a[0] | b[0], tuple(jnp.where(b[0], new, both) for new, both in zip(b[1], joined))

    return lax.associative_scan(combine, (restart, values))[1]


def running(add: Callable, start: Any, restart: Any, x: Any, frames: int) -> tuple[Any, Any]:
    """`restarting` of one value that goes on from `start`: `(last, all)`."""
    shape = (frames, *start.shape)
    restart = jnp.concatenate([jnp.zeros((1, *start.shape), bool), jnp.broadcast_to(restart > 0, shape)])
    values = jnp.concatenate([start[None], jnp.broadcast_to(x, shape)])
    (total,) = restarting(lambda a, b: (add(a[0], b[0]),), restart, (values,))
    return total[-1], total[1:]
