"""Linear recurrences over all frames at once: vectors, matrices and their products, by an associative scan."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

_GROUPS = {1: 4, 2: 4, 3: 2, 4: 2}  # frames that are joined to one map, by the number of states
FEW_STATES = 4  # whose maps are written out, number by number: compilers fuse what they can see
_FAR, NEAR = 64, 2  # frames around one that an error in it is held against: of an affine step, of a nonlinear one
_QUIET = 1e-7  # of the run's largest state: an affine step's error may be so large. Newton's would be one frame's overload.
_NOTHING = 1e-27  # below it numbers are as good as none


class Form:
    """States as vectors and their Jacobians as matrices, for every frame and, where lanes stay apart, lane.

    A vector of few states is a list of arrays `(frames, lanes)`, a matrix a list of such columns. More are one array each,
    `(frames, states, lanes)` and `(frames, states, states, lanes)`.

    Next to 1 a diagonal entry of a slow state's matrix loses to rounding how slow it is. So where a state `rises` and has few
    numbers, matrices are of the rise, a matrix less the unit, and have one column more, their diagonal with the unit: that is
    precise where it is far from 1, and what is left of a state that has gone most of its way depends on it.

    Where they are `apart`, states are checked once they are made. XLA else makes those of matrices that move in a GPU's loop
    over all frames of a lane, the one that finds the largest, three times as slow.
    """

    def __init__(self, leaves: list[Any], lanewise: bool, rises: bool = False, apart: bool = False):
        self.shapes, self.lanewise = [x.shape for x in leaves], lanewise
        self.width = len(leaves) if lanewise else sum(x.size for x in leaves)
        self.entries = self.width**2 * (leaves[0].size if lanewise else 1)
        self.few = self.width <= FEW_STATES
        self.rises, self.apart = rises, apart
        assert self.few or not rises

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
        """The matrix of a linear map of states, or of how they rise, from what it makes of unit vectors."""
        zero = self.pack([jnp.zeros_like(x) for x in like])
        at = [[x if i != j else x + 1 for i, x in enumerate(zero)] for j in range(self.width)] if self.few else None
        units = at or [zero.at[:, j].set(1) for j in range(self.width)]
        made = [self.pack(push(self.unpack(u))) for u in units]
        if self.rises:
            made.append([1 + column[i] for i, column in enumerate(made)])
        return made if self.few else jnp.stack(made, 2)

    def transposed(self, matrix: Any) -> Any:
        if self.rises:
            return [*self._turned(matrix[:-1]), matrix[-1]]
        return self._turned(matrix) if self.few else jnp.swapaxes(matrix, 1, 2)

    def _turned(self, columns: Any) -> Any:
        return [list(row) for row in zip(*columns)]

    def apply(self, matrix: Any, vector: Any) -> Any:
        if not self.few:
            return (matrix * vector[:, None]).sum(2)
        columns = self._full(matrix) if self.rises else matrix
        return [ft.reduce(jnp.add, [c[i] * x for c, x in zip(columns, vector)]) for i in range(self.width)]

    def _full(self, matrix: Any) -> Any:
        """The columns with the unit."""
        return [[matrix[-1][i] if i == j else x for i, x in enumerate(c)] for j, c in enumerate(matrix[:-1])]

    def product(self, a: Any, b: Any) -> Any:
        if not self.few:
            return (a[:, :, :, None] * b[:, None]).sum(2)
        if not self.rises:
            return [self.apply(a, column) for column in b]
        full = [self.apply(a, column) for column in self._full(b)]
        diagonal = []
        for i in range(self.width):
            others = [a[k][i] * b[i][k] for k in range(self.width) if k != i]
            rise = ft.reduce(jnp.add, [a[i][i] * b[i][i], *others], a[i][i] + b[i][i])
            near = jnp.abs(rise) < 0.5
            diagonal.append(jnp.where(near, 1 + rise, full[i][i]))
            full[i][i] = rise
        return [*full, diagonal]

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
            if self.rises:
                rise = [ft.reduce(jnp.add, [c[i] * x for c, x in zip(known[0][:-1], t)], b) for i, b in enumerate(known[1])]
                return jax.tree.map(jnp.add, t, rise), t
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
        last, starts = lax.optimization_barrier(lax.stop_gradient((end, before))) if self.apart else (end, before)
        wanted = jax.tree.map(lambda e, x: jnp.concatenate([x[1:], e]), last, starts)
        good = self.solved(flip(t), wanted, starts, _FAR // size, _QUIET)
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
