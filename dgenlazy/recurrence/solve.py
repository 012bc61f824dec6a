"""How a recurrence is solved over a block of frames, and differentiated. Knows JAX arrays, not the graph.

The states of all frames are the solution of one system of equations, `state[n + 1] = step(state[n], inputs[n])`. However
they are found, their derivative is the solution of a linear system, of the step's Jacobians: a linear recurrence, which
transposed runs backwards. So every plan has the same exact derivatives, forwards and in reverse, of any order, and
keeps no more than the states.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..errors import ArgumentError
from ..graph import Context, Params, Recurrence, Spec, carrying, derivative_of, in_our_modes
from . import linear, newton, system
from .alike import batched_alike
from .analysis import AFFINE, Facts, analyse
from .fusion import Fused
from .loops import loop
from .rising import Rising, slow_at
from .tangents import (
    floats_of,
    is_zero,
    joined,
    kept,
    live,
    live_of,
    spread,
    tangents_of,
    tied,
)

_MOST_STATES = 16  # times the output: with more, a plain scan keeps less for its gradient than all states would take


class Plan(NamedTuple):
    """How a recurrence is run, and why. `name` is "parallel form", "scan", "linear", "newton" or "blocks"."""

    name: str
    why: str
    facts: Facts | None = None


def solve(
    op: Recurrence,
    ctx: Context,
    params: Params,
    state: Any,
    inputs: Sequence[Any],
    specs: Sequence[Spec],
    picked: frozenset[int] | None = None,
) -> tuple[Any, Any]:
    """Run `op` over every frame: `(state after the last frame, output of every frame)`.

    Of several outputs those that are not `picked` may be None: XLA does not drop what a loop within a loop writes for nobody.
    """
    if not isinstance(ctx.frames, int):  # symbolic: what is exported for any number of frames
        return scan(ft.partial(_step, op, ctx._replace(frames=1), params), state, inputs, specs, ctx.frames)
    if ctx.frames and op.known(ctx, specs):
        return op.whole(ctx, params, state, inputs, specs)
    step = ft.partial(_step, op, ctx._replace(start=0, frames=1), params)
    shapes = [jax.ShapeDtypeStruct(s.shape, jnp.result_type(x)) for s, x in zip(specs, inputs)]
    plan = choose(op, ctx, params, state, shapes, specs)
    if isinstance(op, Fused) and plan.name != "linear":  # where inputs are read again and again, they are made first
        return solve(op.op, ctx, params, state, op.made_before(ctx, inputs, specs), op.specs, picked)
    rises: Any = [None, None, None]
    if op.rises is not None:
        rises = [ft.partial(fn, ctx._replace(start=0, frames=1), params) for fn in (op.rise, op.pace, op.renewal)]
    large = _size(state) > _MOST_STATES * _size(jax.eval_shape(step, state, *shapes)[1])
    if picked is not None:
        step, rises[0] = _picking(step, picked), rises[0] and _picking(rises[0], picked)
    rec = Recursion(step, plan, tuple(s.varies for s in specs), ctx, rises)
    if not ctx.frames or large or (plan.facts and not plan.facts.forwards):
        return rec.loop(step, state, rec.moving(tuple(inputs)), rec.fixed(tuple(inputs)), apart=False)
    return rec(state, tuple(inputs))


def _size(tree: Any) -> int:
    return sum(x.size for x in jax.tree.leaves(tree))


def _picking(step: Callable[..., Any], picked: frozenset[int]) -> Callable[..., Any]:
    """A step whose other outputs are None."""

    def some(*args):
        after, outputs = step(*args)
        return after, tuple([y if i in picked else None for i, y in enumerate(outputs)])

    return some


def _step(op: Recurrence, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
    return op.step(ctx, params, state, *inputs)


def choose(op: Recurrence, ctx: Context, params: Params, state: Any, shapes: Sequence[Any], specs: Sequence[Spec]) -> Plan:
    """The plan for a recurrence whose state and inputs have these shapes."""
    known = op.known(ctx, specs)
    if known:
        return Plan(*known)
    facts = analyse(ft.partial(_step, op, ctx._replace(start=0, frames=1), params), state, shapes)
    leaves = [x for x, k in zip(jax.tree.leaves(state), kept(state)) if k]
    lanes = (leaves[0].size if facts.lanewise else 1) * ctx.examples
    width = len(leaves) if facts.lanewise else _size(leaves)
    parallel = "linear" if facts.order <= AFFINE else "newton"
    whole_numbers = not all(jnp.issubdtype(x.dtype, jnp.inexact) for x in leaves)
    if not facts.forwards:
        if op.plan not in ("auto", "scan"):
            raise ArgumentError(f"feedback: plan={op.plan!r} does not fit: a custom_vjp has no derivative forwards")
        return Plan("scan", "a custom_vjp has no derivative forwards", facts)
    few = op.plan == "blocks" and ctx.frames < 2  # frames for more than one block
    wanted = "scan" if few else op.plan if op.plan != "auto" else parallel if ctx.parallel else "scan"
    if wanted == "scan":
        return Plan("scan", "as asked for" if op.plan == "scan" else f"a loop is fastest on a CPU; {facts.why}", facts)
    if whole_numbers or newton.too_wide(width, facts.lanewise, op.rises is not None) or wanted not in ("newton", parallel):
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
    """One recurrence over a block: its step, and the plan to run it. Inputs with `varies` have the frame axis first.

    Of one that says by how much its state rises, `rises` is that, how fast, and maybe where it is renewed: then its Jacobians
    are those of the rise.
    """

    def __init__(self, step: Callable[..., Any], plan: Plan, varies: tuple[bool, ...], ctx: Context, rises: Any):
        self.step, self.plan, self.varies = step, plan, varies
        self.ctx = ctx._replace(start=0)  # rules of derivatives outlive a trace, and what is traced must not
        self.rise, self.pace, self.renews = rises
        self.axes = [0 if v else None for v in varies]
        self.lanewise = plan.facts is not None and plan.facts.lanewise

    def __call__(self, state: Any, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        @jax.custom_jvp
        def whole(state, inputs):
            if self.plan.name == "scan":
                climbs = self.rise is not None
                found = self.climb(self.rise, state, inputs) if climbs else self.loop(self.step, state, *self.parted(inputs))
            else:
                found = newton.states(self, state, inputs, outputs=True)
            return batched_alike(found, (state, inputs))

        def by_states(state, inputs, each, after):
            end, states = trajectory(state, inputs, each)
            return outputs_of(state, inputs, each, end, states, after)

        def outputs_of(state, inputs, each, end, states, after):
            values, axes = self.replaced(inputs, each)
            made, output = jax.tree.flatten(jax.vmap(lambda s, *xs: self.step(s, *xs)[1], (0, *axes))(states, *values))
            later = jax.tree.map(lambda x, e: jnp.concatenate([x[1:], e[None]]), jax.tree.leaves(states), jax.tree.leaves(end))
            return end, output.unflatten([y if i is None else later[i] for y, i in zip(made, after)])

        @jax.custom_jvp
        def trajectory(state, inputs, each):
            if self.plan.name == "scan":
                end, held = self.scanned(state, inputs)
                found = end, held if self.rise is None else carrying(held)
            else:
                found = newton.states(self, state, inputs)
            return batched_alike(found, (state, inputs, each))

        def observed(state, inputs, seen):
            """The end, and the arrays `seen` of the states before every frame."""

            @jax.custom_jvp
            def some(state, inputs):
                return batched_alike(self.scanned(state, inputs, seen), (state, inputs))

            @some.defjvp
            @in_our_modes
            def _(primals, tangents):
                def of_all(state, inputs):
                    end, states = trajectory(state, inputs, [None] * len(inputs))
                    return end, seen(states if self.rise is None else states["held"])

                return batched_alike(jax.jvp(of_all, primals, tangents), primals)

            return some(state, inputs)

        @derivative_of(whole)
        def _(primals, tangents):
            state, inputs = primals
            after = self.next_states(state, inputs)
            if linear.fits(self, state, inputs, tangents[1], after):
                solved = linear.derivative(self, ft.partial(observed, state, inputs), outputs_of, primals, tangents, after)
                return batched_alike(solved, primals)
            each, each_moved = spread(inputs, tangents[1], self.varies, self.ctx.frames)
            others = [inputs[i] if e is None else None for i, e in enumerate(each)]
            leaves, rebuild = jax.tree.flatten((state, others))
            moves = [t for t, e in zip(tangents[1], each) if e is None]
            some, moved, merge = live_of(leaves, jax.tree.leaves((tangents[0], moves), is_leaf=is_zero))

            def found(some, each):
                state, others = rebuild.unflatten(merge(some))
                return by_states(state, tuple(x if o is None else o for x, o in zip(inputs, others)), each, after)

            return batched_alike(jax.jvp(found, (some, each), (moved, each_moved)), primals)

        @derivative_of(trajectory)
        def _(primals, tangents):
            state, inputs, each = primals
            end, states = trajectory(state, inputs, each)
            floats, rest = floats_of(states)
            values, axes = self.replaced(inputs, each)
            some, moved, merge = live_of(values, [t if e is None else e for t, e in zip(tangents[1], tangents[2])])

            def after(floats, inputs):
                return jax.vmap(self.next, (0, 0, *axes))(floats, rest, *inputs)

            first = [t for t, alive in zip(jax.tree.leaves(tangents[0], is_leaf=is_zero), live(state)) if alive]
            first = [jnp.zeros(t.shape, t.dtype) if is_zero(t) else t for t in first]
            force = jax.tree.map(jnp.zeros_like, floats)
            if some:
                force = jax.jvp(lambda some: after(floats, merge(some)), (some,), (moved,))[1]
            first, force = tied(first, force)
            last, moved = batched_alike(system.solved(self, floats, rest, inputs, first, force), primals)
            return (end, states), (tangents_of(end, last), tangents_of(states, moved))

        return whole(state, inputs)

    # Inputs: those that vary from frame to frame, and the others.

    def parted(self, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        return self.moving(inputs), self.fixed(inputs)

    def moving(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x for v, x in zip(self.varies, inputs) if v)

    def fixed(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x for v, x in zip(self.varies, inputs) if not v)

    def merged(self, moving: Sequence[Any], fixed: Sequence[Any]) -> list[Any]:
        left, right = iter(moving), iter(fixed)
        return [next(left) if v else next(right) for v in self.varies]

    def frame(self, inputs: Sequence[Any]) -> list[Any]:
        """Of each input its shape at one frame."""
        return [jax.ShapeDtypeStruct(x.shape[v:], x.dtype) for v, x in zip(self.varies, inputs)]

    def replaced(self, inputs: tuple[Any, ...], each: Sequence[Any]) -> tuple[list[Any], list[int | None]]:
        """The inputs with those of `each` in their places, which have the frame axis, and the axes of all."""
        values = [x if e is None else e for x, e in zip(inputs, each)]
        return values, [a if e is None else 0 for a, e in zip(self.axes, each)]

    def next(self, floats: list[Any], rest: Any, *inputs: Any) -> list[Any]:
        """The floating-point part of the next state, or by how much it rises."""
        if self.rise is None:
            return floats_of(self.step(joined(floats, rest), *inputs)[0])[0]
        return floats_of(self.rise(joined(floats, rest)["held"], *inputs)[0])[0]

    def next_states(self, state: Any, inputs: tuple[Any, ...]) -> list[int | None]:
        """For each array of the output the one of the next state that it is, if it is one: known with the states."""
        made = jax.make_jaxpr(self.step)(state, *self.frame(inputs)).jaxpr.outvars
        count = len(jax.tree.leaves(state))
        at = {id(v): i for i, v in enumerate(made[:count])}
        return [at.get(id(v)) for v in made[count:]]

    # Loops over frames.

    def loop(
        self, body: Callable[..., Any], carry: Any, moving: Any, fixed: Any, reverse: bool = False, apart: bool = True
    ) -> tuple[Any, Any]:
        """`body(carry, *inputs) -> (carry, output)` over the frames, where `moving` may hold more than inputs."""
        count = sum(self.varies)

        def one_frame(carry, moving, fixed):
            return body(carry, *self.merged(moving[:count], fixed), *moving[count:])

        lanewise = self.lanewise and not self.ctx.parallel
        return loop(
            one_frame, carry, moving, fixed, self.ctx.frames, lanewise, reverse, apart and lanewise and self.ctx.one_device
        )

    def climb(
        self, rise: Any, state: Any, inputs: tuple[Any, ...], more: Any = (), reverse: bool = False, before: Any = None
    ) -> tuple[Any, Any]:
        """`loop` of a `rise(held, *inputs, *more) -> (rise, output)`; the state is also of what its sums have lost."""
        moving_slow, fixed_slow = slow_at(self, inputs, reverse)
        count = sum(self.varies)

        def one_frame(held, moving, fixed):
            return rise(held, *self.merged(moving[:count], fixed), *moving[count:])

        renews = None if more else lambda moving, fixed: self.renews(*self.merged(moving, fixed))  # not of derivatives
        body = Rising(one_frame, self.plan.facts is not None and self.plan.facts.order == AFFINE, renews, before)
        moving, fixed = ((*self.moving(inputs), *more), moving_slow), (self.fixed(inputs), fixed_slow)
        lanewise = self.lanewise and not self.ctx.parallel
        return loop(body, state, moving, fixed, self.ctx.frames, lanewise, reverse, lanewise and self.ctx.one_device)

    def scanned(self, state: Any, inputs: tuple[Any, ...], seen: Any = None) -> tuple[Any, Any]:
        """The state after the last frame, and the states before every frame, or what is `seen` of them, one after another."""
        seen = seen or (lambda held: held)
        if self.rise is None:
            body = lambda s, *xs: (self.step(s, *xs)[0], seen(s))  # noqa: E731
            return self.loop(body, state, *self.parted(inputs))
        return self.climb(self.rise, state, inputs, before=seen)
