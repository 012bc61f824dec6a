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
import jax.numpy as jnp
from jax import lax

# Measured on an H200: a step of a scan, a level of an associative scan, a multiplication in one.
SCAN_SECONDS, _LEVEL_SECONDS, _PRODUCT_SECONDS = 1.9e-5, 1.0e-5, 7e-12
_MOST_ENTRIES = 2**24  # of the Jacobians held at a time: longer runs are cut into pieces
_MOST_ITERATIONS = 24


def seconds(frames: int, lanes: int, width: int, order: int) -> float:
    """Roughly what `states` takes, for `width` states in each of `lanes`."""
    once = _LEVEL_SECONDS * 2 * math.log2(frames) + _PRODUCT_SECONDS * frames * lanes * width**3
    return once * (1 if order < 2 else 3)


def states(rec: Any, state: Any, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
    """The state after the last frame, and the states before every frame."""
    leaves, rebuild = jax.tree.flatten(state)
    form = _Form(leaves, rec.lanewise)
    nothing = rebuild.unflatten([None] * len(leaves))

    def piece(count, start, moving):
        inputs = rec.merged(moving, rec.fixed(all_inputs))

        def after(s):
            return jax.vmap(lambda s, *xs: rec.next(s, nothing, *xs), (0, *rec.axes))(s, *inputs)

        def push(s, t):
            return jax.jvp(after, (s,), (t,))[1]

        def improved(s):
            jacobian = form.columns(lambda t: push(s, t), s)
            force = form.pack(after(s)) - _apply(jacobian, form.pack(s))
            return associate(jacobian, force, form.pack([x[None] for x in start])[0])

        def again(held):
            i, _, (_, packed) = held
            new = improved(form.unpack(packed))
            return i + 1, _distance(new[1], packed, packed), new

        guess = [jnp.broadcast_to(x, (count, *x.shape)) for x in start]
        found = improved(guess)
        if rec.plan.name == "newton":
            held = (1, jnp.asarray(jnp.inf, found[0].dtype), found)
            close = math.sqrt(jnp.finfo(found[0].dtype).eps)  # a change after which the next one is rounding
            found = lax.while_loop(lambda h: (h[0] < _MOST_ITERATIONS) & (h[1] > close), again, held)[2]
        end, s = [x[0] for x in form.unpack(found[0][None])], form.unpack(found[1])
        wanted = [jnp.concatenate([x[1:], e[None]]) for x, e in zip(s, end)]
        good = _solved(form.pack(after(s)), form.pack(wanted), form.pack(s))

        def one_frame(s, moving):
            return rec.next(s, nothing, *rec.merged(moving, rec.fixed(all_inputs))), s

        return _unless(good, (end, s), lambda: lax.scan(one_frame, start, moving, length=count))

    all_inputs = inputs
    end, s = _in_pieces(piece, leaves, rec.moving(inputs), rec.ctx.frames, form.entries, False)
    return rebuild.unflatten(end), rebuild.unflatten(s)


def linear(
    rec: Any,
    push: Callable[..., Any],
    frame: Sequence[Any],
    start: list[Any],
    force: list[Any],
    one_frame: Callable[..., Any],
    reverse: bool,
) -> tuple[Any, Any]:
    """`t[n + 1] = J[n] t[n] + force[n]`, or with `reverse` backwards through the transposed; `push(t, *frame)` is `J t`."""
    form = _Form(start, rec.lanewise)
    inputs, held = frame[: len(rec.varies)], frame[len(rec.varies) :]

    def piece(_, start, moving):
        moving, force = moving[:-1], moving[-1]
        count = len(rec.moving(inputs))
        now = (*rec.merged(moving[:count], rec.fixed(inputs)), *moving[count:])
        axes = (0, *rec.axes, *[0] * len(held))
        jacobian = form.columns(lambda t: jax.vmap(push, axes)(t, *now), force)
        jacobian = jnp.swapaxes(jacobian, 1, 2) if reverse else jacobian
        packed, first = form.pack(force), form.pack([x[None] for x in start])[0]
        flip = (lambda x: x[::-1]) if reverse else lambda x: x
        end, before = associate(flip(jacobian), flip(packed), first)
        before = flip(before)
        after = _apply(jacobian, before) + packed
        wanted = jnp.concatenate([end[None], before[:-1]]) if reverse else jnp.concatenate([before[1:], end[None]])
        found = [x[0] for x in form.unpack(end[None])], form.unpack(before)

        def step(t, moving):
            now = rec.merged(moving[:count], rec.fixed(inputs))
            return one_frame(t, *now, *moving[count:])

        def scanned():
            return lax.scan(step, start, (*moving, force), reverse=reverse)

        return _unless(_solved(after, wanted, before), found, scanned)

    return _in_pieces(piece, start, (*rec.moving(inputs), *held, force), rec.ctx.frames, form.entries, reverse)


def associate(matrices: Any, forces: Any, start: Any) -> tuple[Any, Any]:
    """`t[n + 1] = matrices[n] t[n] + forces[n]` for `(frames, k, k, lanes)`: the last `t`, and every one before it."""
    forces = forces.at[0].add(_apply(matrices[:1], start[None])[0])

    def combine(first, then):
        product = (then[0][:, :, :, None] * first[0][:, None]).sum(2)
        return product, _apply(then[0], first[1]) + then[1]

    _, after = lax.associative_scan(combine, (matrices, forces))
    return after[-1], jnp.concatenate([start[None], after[:-1]])


def _apply(matrices: Any, vectors: Any) -> Any:
    return (matrices * vectors[:, None]).sum(2)


def _distance(a: Any, b: Any, before: Any) -> Any:
    """The largest difference, relative to the states of its own frame and lane, and to a ten-millionth of the run's."""
    run = jnp.max(jnp.abs(b), (0, 1), keepdims=True, initial=1e-20)
    size = jnp.max(jnp.maximum(jnp.abs(b), jnp.abs(before)), 1, keepdims=True) + 1e-7 * run
    return jnp.max(jnp.abs(a - b) / size, initial=0.0)


def _solved(after: Any, wanted: Any, before: Any) -> Any:
    """Whether the step leads from each state to the next, but for rounding."""
    return _distance(after, wanted, before) <= 100 * jnp.finfo(after.dtype).eps


def _unless(good: Any, found: Any, instead: Callable[[], Any]) -> Any:
    """`found`, or where it is not good what `instead` computes. A loop of no or one turn: under vmap it may still be none."""
    return lax.fori_loop(0, jnp.where(good, 0, 1), lambda _, __: instead(), found)


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


class _Form:
    """Leaves of a state as one array: `(frames, leaves, lanes)` where lanes stay apart, else `(frames, elements, 1)`."""

    def __init__(self, leaves: list[Any], lanewise: bool):
        self.shapes, self.lanewise = [x.shape for x in leaves], lanewise
        self.width = len(leaves) if lanewise else sum(x.size for x in leaves)
        self.entries = self.width**2 * (leaves[0].size if lanewise else 1)

    def pack(self, leaves: list[Any]) -> Any:
        flat = [x.reshape(len(x), -1) for x in leaves]
        return jnp.stack(flat, 1) if self.lanewise else jnp.concatenate(flat, 1)[:, :, None]

    def unpack(self, packed: Any) -> list[Any]:
        if self.lanewise:
            return [packed[:, i].reshape(len(packed), *s) for i, s in enumerate(self.shapes)]
        ends = [sum(math.prod(s) for s in self.shapes[: i + 1]) for i in range(len(self.shapes))]
        parts = jnp.split(packed[:, :, 0], ends[:-1], 1)
        return [p.reshape(len(packed), *s) for p, s in zip(parts, self.shapes)]

    def columns(self, push: Callable[[list[Any]], list[Any]], like: list[Any]) -> Any:
        """The matrix `(frames, width, width, lanes)` of a linear map of states, from what it makes of unit vectors."""
        frames = len(like[0])
        if self.lanewise:
            units = [[jnp.full_like(x, i == j) for j, x in enumerate(like)] for i in range(self.width)]
        else:
            eye = jnp.broadcast_to(
                jnp.eye(self.width, dtype=like[0].dtype)[:, None, :, None], (self.width, frames, self.width, 1)
            )
            units = [self.unpack(e) for e in eye]
        return jnp.stack([self.pack(push(u)) for u in units], 2)
