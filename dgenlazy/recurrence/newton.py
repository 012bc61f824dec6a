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

# Measured on an H200: a step of a scan, a level of an associative scan, a multiplication in one.
SCAN_SECONDS, _LEVEL_SECONDS, _PRODUCT_SECONDS = 1.9e-5, 1.0e-5, 7e-12
_MOST_ENTRIES = 2**28  # of the Jacobians held at a time: longer runs are cut into pieces
_FEW_STATES = 4  # whose maps are written out, number by number: compilers fuse what they can see
_GROUPS = {1: 4, 2: 4, 3: 2, 4: 2}  # frames that are joined to one map, by the number of states
_FAR, _NEAR = 64, 2  # frames around one that an error in it is held against: of an affine step, of a nonlinear one
_QUIET = 1e-7  # of the run's largest state: an affine step's error may be so large. Newton's would be one frame's overload.
_NOTHING = 1e-27  # below it numbers are as good as none
_MOST_ITERATIONS = 24


def seconds(frames: int, lanes: int, width: int, order: int) -> float:
    """Roughly what `states` takes, for `width` states in each of `lanes`."""
    once = _LEVEL_SECONDS * 2 * math.log2(frames) + _PRODUCT_SECONDS * frames * lanes * width**3
    return once * (1 if order < 2 else 3)


def states(rec: Any, state: Any, inputs: tuple[Any, ...], outputs: bool = False) -> tuple[Any, Any]:
    """The state after the last frame, and the states before every frame; with `outputs` those of the step instead."""
    leaves, rebuild = jax.tree.flatten(state)
    form = _Form(leaves, rec.lanewise)
    nothing = rebuild.unflatten([None] * len(leaves))

    def after(s, moving):
        return jax.vmap(lambda s, *xs: rec.next(s, nothing, *xs), (0, *rec.axes))(s, *rec.merged(moving, rec.fixed(inputs)))

    def jacobian(s, moving):
        return form.columns(lambda t: jax.jvp(lambda s: after(s, moving), (s,), (t,))[1], s)

    def step(s, *moving):
        end, y = rec.step(rebuild.unflatten(s), *rec.merged(moving, rec.fixed(inputs)))
        return jax.tree.leaves(end), y if outputs else s

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
            missed = jax.tree.map(jnp.subtract, form.pack(after(form.unpack(before), moving)), following(end, before))
            still = [jnp.zeros_like(x) for x in start]
            maps = lambda now: (jacobian(form.unpack(now[0]), now[2]), now[1])  # noqa: E731
            _, change_end, change = form.run(count, (before, missed, moving), still, maps)
            new = jax.tree.map(jnp.add, (end, before), (form.pack([x[None] for x in change_end]), change))
            return i + 1, form.distance(new[1], before, before, _NEAR, 0.0), new

        guess = form.pack([jnp.broadcast_to(x, (count, *x.shape)) for x in start])
        first = (0, jnp.asarray(jnp.inf, start[0].dtype), (jax.tree.map(lambda x: x[-1:], guess), guess))
        close = math.sqrt(jnp.finfo(start[0].dtype).eps)  # a change after which the next one is rounding
        found = lax.while_loop(lambda h: (h[0] < _MOST_ITERATIONS) & (h[1] > close), again, first)[2]
        s = form.unpack(found[1])
        good = form.solved(form.pack(after(s, moving)), following(*found), found[1], _NEAR, 0.0)
        return good, [e[0] for e in form.unpack(found[0])], jax.vmap(step)(s, *moving)[1]

    def piece(count, start, moving):
        good, *found = (newton if rec.plan.name == "newton" else affine)(count, start, moving)
        return _unless(good, tuple(found), lambda: lax.scan(lambda s, now: step(s, *now), start, moving, length=count))

    end, found = _in_pieces(piece, leaves, rec.moving(inputs), rec.ctx.frames, form.entries * rec.ctx.examples, False)
    return rebuild.unflatten(end), found if outputs else rebuild.unflatten(found)


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
    count, axes = len(rec.moving(inputs)), (0, *rec.axes, *[0] * len(held))

    def now(moving):
        return (*rec.merged(moving[:count], rec.fixed(inputs)), *moving[count:-1])

    def maps(moving):
        jacobian = form.columns(lambda t: jax.vmap(push, axes)(t, *now(moving)), moving[-1])
        return form.transposed(jacobian) if reverse else jacobian, form.pack(moving[-1])

    def piece(frames, start, moving):
        good, *found = form.run(frames, moving, start, maps, reverse=reverse)
        found[1] = form.unpack(found[1])
        step = lambda t, moving: one_frame(t, *now(moving), moving[-1])  # noqa: E731
        return _unless(good, tuple(found), lambda: lax.scan(step, start, moving, reverse=reverse))

    return _in_pieces(
        piece, start, (*rec.moving(inputs), *held, force), rec.ctx.frames, form.entries * rec.ctx.examples, reverse
    )


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


class _Form:
    """States as vectors and their Jacobians as matrices, for every frame and, where lanes stay apart, lane.

    A vector of few states is a list of arrays `(frames, lanes)`, a matrix a list of such columns. More are one array each,
    `(frames, states, lanes)` and `(frames, states, states, lanes)`.
    """

    def __init__(self, leaves: list[Any], lanewise: bool):
        self.shapes, self.lanewise = [x.shape for x in leaves], lanewise
        self.width = len(leaves) if lanewise else sum(x.size for x in leaves)
        self.entries = self.width**2 * (leaves[0].size if lanewise else 1)
        self.few = self.width <= _FEW_STATES

    def pack(self, leaves: list[Any]) -> Any:
        flat = [x.reshape(len(x), -1) for x in leaves]
        if not self.few:
            return jnp.stack(flat, 1) if self.lanewise else jnp.concatenate(flat, 1)[:, :, None]
        return flat if self.lanewise else [x[:, i : i + 1] for x in flat for i in range(x.shape[1])]

    def unpack(self, packed: Any) -> list[Any]:
        each = packed if self.few else [packed[:, i] for i in range(self.width)]
        if not self.lanewise:
            ends = [sum(math.prod(s) for s in self.shapes[: i + 1]) for i in range(len(self.shapes))]
            starts = [0, *ends[:-1]]
            joined = jnp.concatenate(each, 1) if self.few else packed[:, :, 0]
            each = [joined[:, a:b] for a, b in zip(starts, ends)]
        return [x.reshape(len(x), *s) for x, s in zip(each, self.shapes)]

    def columns(self, push: Callable[[list[Any]], list[Any]], like: list[Any]) -> Any:
        """The matrix of a linear map of states, from what it makes of unit vectors."""
        zero = self.pack([jnp.zeros_like(x) for x in like])
        at = [[x if i != j else x + 1 for i, x in enumerate(zero)] for j in range(self.width)] if self.few else None
        units = at or [zero.at[:, j].set(1) for j in range(self.width)]
        made = [self.pack(push(self.unpack(u))) for u in units]
        return made if self.few else jnp.stack(made, 2)

    def transposed(self, matrix: Any) -> Any:
        return [list(row) for row in zip(*matrix)] if self.few else jnp.swapaxes(matrix, 1, 2)

    def apply(self, matrix: Any, vector: Any) -> Any:
        if not self.few:
            return (matrix * vector[:, None]).sum(2)
        return [ft.reduce(jnp.add, [c[i] * x for c, x in zip(matrix, vector)]) for i in range(self.width)]

    def product(self, a: Any, b: Any) -> Any:
        if not self.few:
            return (a[:, :, :, None] * b[:, None]).sum(2)
        return [self.apply(a, column) for column in b]

    def associate(self, matrices: Any, forces: Any, start: Any) -> tuple[Any, Any]:
        """`t[n + 1] = matrices[n] t[n] + forces[n]`: the last `t`, as a run of one frame, and every one before it."""
        first = self.apply(jax.tree.map(lambda m: m[:1], matrices), start)
        forces = jax.tree.map(lambda f, x: f.at[0].add(x[0]), forces, first)
        _, after = lax.associative_scan(self.then, (matrices, forces))
        before = jax.tree.map(lambda s, x: jnp.concatenate([s, x[:-1]]), start, after)
        return jax.tree.map(lambda x: x[-1:], after), before

    def then(self, first: Any, second: Any) -> tuple[Any, Any]:
        """One map after another."""
        after = jax.tree.map(jnp.add, self.apply(second[0], first[1]), second[1])
        return self.product(second[0], first[0]), after

    def run(
        self, frames: int, moving: Any, start: list[Any], maps: Callable[..., Any], step: Any = None, reverse: bool = False
    ) -> tuple[Any, Any, Any]:
        """Solve `t[n + 1] = A[n] t[n] + b[n]`, or from the last frame to the first.

        Groups of a few frames are joined to one map each, which an associative scan multiplies up: so it works on a part
        of the frames only. Within the groups, step by step, from where it says that they start.

        Args:
            moving: What `maps` and `step` take, with the frame axis first.
            maps: `A` and `b` of such frames.
            step: `(t, moving) -> (next t, output)`; by default `A t + b`, and `t` itself.

        Returns:
            Whether the groups end where the next ones start, the last `t` and the outputs.
        """
        size = min(_GROUPS.get(self.width, 1), frames)
        cut = frames // size * size
        grouped = jax.tree.map(lambda x: x[:cut].reshape(cut // size, size, *x.shape[1:]), moving)
        phases = [jax.tree.map(lambda x: x[:, n], grouped) for n in range(size)]  # noqa: B023
        rest = [jax.tree.map(lambda x: x[n : n + 1], moving) for n in range(cut, frames)]  # noqa: B023
        flip = ft.partial(jax.tree.map, lambda x: x[::-1]) if reverse else lambda x: x
        order = range(size)[::-1] if reverse else range(size)
        known = [maps(p) for p in phases]

        def applied(t, known):
            return jax.tree.map(jnp.add, self.apply(known[0], t), known[1]), t

        t, outside = self.pack([x[None] for x in start]), []
        for now in rest[::-1] if reverse else ():
            t, y = step(t, now) if step else applied(t, maps(now))
            outside.insert(0, y)
        matrices, forces = flip(ft.reduce(self.then, [known[n] for n in order]))
        end, before = self.associate(matrices, forces, t)
        t, outputs = flip(before), [None] * size
        for n in order:
            t, outputs[n] = step(t, phases[n]) if step else applied(t, known[n])
        wanted = jax.tree.map(lambda e, x: jnp.concatenate([x[1:], e]), end, before)
        good = self.solved(flip(t), wanted, before, _FAR // size, _QUIET)
        for now in () if reverse else rest:
            end, y = step(end, now) if step else applied(end, maps(now))
            outside.append(y)

        def joined(outputs, outside):
            stacked = jnp.stack(outputs, 1).reshape(cut, *outputs[0].shape[1:])
            return jnp.concatenate([stacked, *outside]) if outside else stacked

        turned = [list(x) for x in zip(*map(jax.tree.leaves, outputs))], [jax.tree.leaves(y) for y in outside]
        found = [joined(x, [y[i] for y in turned[1]]) for i, x in enumerate(turned[0])]
        return good, [x[0] for x in self.unpack(end)], jax.tree.structure(outputs[0]).unflatten(found)

    def distance(self, a: Any, b: Any, before: Any, near: int, quiet: float) -> Any:
        """The largest difference, relative to the states of its lane nearby, or to `quiet` times the largest of the run.

        All states may pass through zero at once, but those nearby do not, and errors are of their size.
        """
        size = self.largest(jax.tree.map(lambda b, x: jnp.maximum(jnp.abs(b), jnp.abs(x)), b, before))
        run = jnp.max(size, 0, keepdims=True, initial=0.0)
        error = self.largest(jax.tree.map(lambda a, b: jnp.abs(a - b), a, b))
        return jnp.max(error / (_nearby(size, near) + quiet * run + _NOTHING), initial=0.0)

    def largest(self, vector: Any) -> Any:
        return ft.reduce(jnp.maximum, vector) if self.few else jnp.max(vector, 1)

    def solved(self, after: Any, wanted: Any, before: Any, near: int, quiet: float) -> Any:
        """Whether the step leads from each state to the next, but for rounding."""
        dtype = jax.tree.leaves(after)[0].dtype
        return self.distance(after, wanted, before, near, quiet) <= 100 * jnp.finfo(dtype).eps


def _nearby(x: Any, group: int) -> Any:
    """The largest in the group of frames around each, or in the groups beside it; `x` is `(frames, lanes)`, not negative."""
    groups = -(-len(x) // group)
    grouped = jnp.pad(x, ((0, groups * group - len(x)), (0, 0))).reshape(groups, group, x.shape[1]).max(1)
    edges = jnp.pad(grouped, ((1, 1), (0, 0)))
    largest = jnp.maximum(grouped, jnp.maximum(edges[:-2], edges[2:]))
    return jnp.repeat(largest, group, 0)[: len(x)]
