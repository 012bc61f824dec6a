"""The states of all frames at once, for backends that would rather not take one frame after another.

An affine recurrence is a product of maps `t -> A t + b`, which an associative scan multiplies up in log(frames) steps. A
nonlinear one is solved by Newton's method on all frames together: each iteration is one such linear recurrence of the step's
Jacobians (Lim et al., Parallelizing non-linear sequential models over the sequence length, ICLR 2024). What comes out is
checked against the step itself, and where that fails (no convergence, overflow, NaN) one frame after another decides.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.custom_batching
import jax.numpy as jnp
from jax import lax

from ..graph import carrying, renewed, risen
from .analysis import reads
from .form import FEW_STATES, NEAR, Form
from .rising import entered, left, slow_throughout
from .tangents import floats_of, joined

# Measured on an H200: a step of a scan, a level of an associative scan, a multiplication in one.
SCAN_SECONDS, _LEVEL_SECONDS, _PRODUCT_SECONDS = 1.9e-5, 1.0e-5, 7e-12
_MOST_ENTRIES = 2**28  # of the Jacobians held at a time: longer runs are cut into pieces
_MOST_ITERATIONS = 24
_WIDEST = 16  # states of a Jacobian that mixes lanes


def too_wide(width: int, lanewise: bool, rises: bool) -> bool:
    """Whether a state has no parallel form here: of one that rises, matrices are written out, number by number."""
    return width > FEW_STATES if rises else not lanewise and width > _WIDEST


def seconds(frames: int, lanes: int, width: int, order: int) -> float:
    """Roughly what `states` takes, for `width` states in each of `lanes`."""
    once = _LEVEL_SECONDS * 2 * math.log2(frames) + _PRODUCT_SECONDS * frames * lanes * width**3
    return once * (1 if order < 2 else 3)


def states(rec: Any, state: Any, inputs: tuple[Any, ...], outputs: bool = False) -> tuple[Any, Any]:
    """The state after the last frame, and the states before every frame; with `outputs` those of the step instead.

    A state that rises is counted from where it stands, `base`, as in `loops.Rising`, if that is near throughout.
    """
    rises = rec.rise is not None
    base, begin = entered(state, slow_throughout(rec, inputs)) if rises else (None, state)
    leaves, rest = floats_of(begin)
    rest = jax.tree.map(jnp.zeros_like, rest)

    def whole(s):
        """The state that arrays of it say, for one frame."""
        here = joined(s, rest)
        return jax.tree.map(jnp.add, base, here) if rises else here

    def one_after(s, *xs):
        return floats_of((rec.rise if rises else rec.step)(whole(s), *xs)[0])[0]

    def after(s, moving):
        """Of a state that rises: by how much."""
        return jax.vmap(one_after, (0, *rec.axes))(s, *rec.merged(moving, rec.fixed(inputs)))

    def push(t, *xs):
        return jax.jvp(lambda s: one_after(s, *xs), (leaves,), (t,))[1]

    form = Form(leaves, rec.lanewise, rises, _checked_apart(rec, push, leaves, inputs))

    def jacobian(s, moving):
        return form.columns(lambda t: jax.jvp(lambda s: after(s, moving), (s,), (t,))[1], s)

    def step(s: Any, *moving: Any) -> tuple[Any, Any]:
        end, y = careful(carrying(s) if rises else s, *moving)
        return end["held"] if rises else end, y

    def careful(s: Any, *moving: Any) -> tuple[Any, Any]:
        """`step` with what its sums lose."""
        xs = rec.merged(moving, rec.fixed(inputs))
        if not rises:
            end, y = rec.step(whole(s), *xs)
            return floats_of(end)[0], y if outputs else s
        before = jax.tree.leaves(whole(s["held"]))
        s = renewed(s, rec.renews(*xs))
        rise, y = rec.rise(whole(s["held"]), *xs)
        end = risen(s, jax.tree.leaves(rise))
        if not outputs:
            return end, before
        return end, jax.tree.leaves(whole(end["held"]))[0] if y is None else y

    def affine(count, start, moving):
        """All frames of a step that is `A s + b`."""

        def maps(now):
            zero = [jnp.zeros((len(now[0]), *x.shape), x.dtype) for x in start]
            return jacobian(zero, now[1]), form.pack(after(zero, now[1]))

        def steps(packed, now):
            s, out = jax.vmap(step)(form.unpack(packed), *now[1])
            return form.pack(s), out

        clock = jnp.zeros((count, 0))  # tells how many frames there are where no input varies
        return form.run(count, (clock, moving), start, maps, steps)

    def newton(count, start, moving):
        """All frames of any step: what it misses, and what of that later states must take up, again and again."""

        def following(end, before):
            return jax.tree.map(lambda e, x: jnp.concatenate([x[1:], e]), end, before)

        def again(held):
            i, _, (end, before) = held
            wanted = following(end, before)
            wanted = jax.tree.map(jnp.subtract, wanted, before) if rises else wanted
            missed = jax.tree.map(jnp.subtract, form.pack(after(form.unpack(before), moving)), wanted)
            still = [jnp.zeros_like(x) for x in start]
            maps = lambda now: (jacobian(form.unpack(now[0]), now[2]), now[1])  # noqa: E731
            _, change_end, change = form.run(count, (before, missed, moving), still, maps)
            new = jax.tree.map(jnp.add, (end, before), (form.pack([x[None] for x in change_end]), change))
            return i + 1, form.distance(new[1], before, before, NEAR, 0.0), new

        guess = form.pack([jnp.broadcast_to(x, (count, *x.shape)) for x in start])
        first = (0, jnp.asarray(jnp.inf, start[0].dtype), (jax.tree.map(lambda x: x[-1:], guess), guess))
        close = math.sqrt(jnp.finfo(start[0].dtype).eps)  # a change after which the next one is rounding
        found = lax.while_loop(lambda h: (h[0] < _MOST_ITERATIONS) & (h[1] > close), again, first)[2]
        s = form.unpack(found[1])
        reached = form.pack(after(s, moving))
        reached = jax.tree.map(jnp.add, found[1], reached) if rises else reached
        good = form.solved(reached, following(*found), found[1], NEAR, 0.0)
        return good, [e[0] for e in form.unpack(found[0])], jax.vmap(step)(s, *moving)[1]

    def piece(count, start, moving):
        def one_by_one():
            first: Any = carrying(start) if rises else start
            end, found = lax.scan(lambda s, now: careful(s, *now), first, moving, length=count)
            return end["held"] if rises else end, found

        good, *found = (newton if rec.plan.name == "newton" else affine)(count, start, moving)
        return _unless(good, tuple(found), one_by_one)

    end, found = _in_pieces(piece, leaves, rec.moving(inputs), rec.ctx.frames, form.entries * rec.ctx.examples, False)
    end = left(base, joined(end, rest)) if rises else joined(end, rest)
    if outputs:
        return end, found
    every = jax.tree.map(lambda x: jnp.zeros((rec.ctx.frames, *x.shape), x.dtype), rest)
    return end, carrying(joined(found, every)) if rises else joined(found, every)


def linear(
    rec: Any,
    push: Callable[..., Any],
    frame: Sequence[Any],
    start: list[Any],
    force: list[Any],
    one_frame: Callable[..., Any],
    reverse: bool,
) -> tuple[Any, Any]:
    """`t[n + 1] = J[n] t[n] + force[n]`, or with `reverse` backwards through the transposed; `push(t, *frame)` is `J t`.

    Of a state that rises `push` is `J t - t`, and `one_frame` says by how much `t` rises.
    """
    rises = rec.rise is not None
    inputs, held = frame[: len(rec.varies)], frame[len(rec.varies) :]
    form = Form(start, rec.lanewise, rises, _checked_apart(rec, push, start, inputs, held, reverse))
    count, axes = len(rec.moving(inputs)), (0, *rec.axes, *[0] * len(held))

    def now(moving):
        return (*rec.merged(moving[:count], rec.fixed(inputs)), *moving[count:-1])

    def maps(moving):
        jacobian = form.columns(lambda t: jax.vmap(push, axes)(t, *now(moving)), moving[-1])
        return form.transposed(jacobian) if reverse else jacobian, form.pack(moving[-1])

    def piece(frames, start, moving):
        good, *found = form.run(frames, moving, start, maps, reverse=reverse)
        found[1] = form.unpack(found[1])

        def step(t: Any, moving: Any) -> tuple[Any, Any]:
            rise, y = one_frame(t["held"] if rises else t, *now(moving), moving[-1])
            return risen(t, rise) if rises else rise, y

        def one_by_one():
            end, t = lax.scan(step, carrying(start) if rises else start, moving, reverse=reverse)
            return end["held"] if rises else end, t

        return _unless(good, tuple(found), one_by_one)

    return _in_pieces(
        piece, start, (*rec.moving(inputs), *held, force), rec.ctx.frames, form.entries * rec.ctx.examples, reverse
    )


_TOGETHER = range(16, 256)  # lanes whose states a GPU makes and checks in one go up to 1.4 times as fast, but not backwards


def _checked_apart(
    rec: Any, push: Callable[..., Any], t: list[Any], inputs: Sequence[Any], held: Sequence[Any] = (), reverse: bool = False
) -> bool:
    """Whether the states of a `Form` are: of what is affine, if an input that varies is part of the matrix.

    `push(t, *frame)` multiplies by that.
    """
    if rec.plan.name != "linear" or (rec.lanewise and not reverse and t[0].size * rec.ctx.examples in _TOGETHER):
        return False
    frame = rec.frame(inputs)
    more = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), held)
    needs = frozenset[int]().union(*reads(push, t, *frame, *more))
    return any(v and len(t) + i in needs for i, v in enumerate(rec.varies))


def _unless(good: Any, found: Any, instead: Callable[[], Any]) -> Any:
    """`found`, or where it is not good what `instead` computes."""
    return lax.cond(_everywhere(good), lambda: found, instead)


@jax.custom_batching.custom_vmap
def _everywhere(good):
    """`good`; under `vmap` whether it is in all examples, so that a `cond` stays one and does not run both its branches."""
    return good


@_everywhere.def_vmap
def _(size, batched, good):
    return _everywhere(jnp.all(good)), False


def _in_pieces(piece: Callable[..., Any], start: Any, moving: Any, frames: int, entries: int, reverse: bool) -> tuple[Any, Any]:
    """`piece(frames, start, moving) -> (end, values)` on one piece of the run after another."""
    size = max(_MOST_ENTRIES // max(entries, 1), 256)
    if frames <= size:
        return piece(frames, start, moving)
    whole = (frames - 1) // size * size  # and at least one frame in the last piece
    cut = jax.tree.map(lambda x: x[:whole].reshape(whole // size, size, *x.shape[1:]), moving)
    left = jax.tree.map(lambda x: x[whole:], moving)
    tail = None
    if reverse:
        start, tail = piece(frames - whole, start, left)
    end, values = lax.scan(ft.partial(piece, size), start, cut, reverse=reverse, length=whole // size)
    values = jax.tree.map(lambda x: x.reshape(whole, *x.shape[2:]), values)
    if not reverse:
        end, tail = piece(frames - whole, end, left)
    return end, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), values, tail)
