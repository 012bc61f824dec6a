"""Recurrences that compute what only they need, for parallel backends.

A filter whose cutoff moves takes five coefficients for every frame. Where memory is slower than arithmetic, as on GPUs, making
them again wherever they are needed is faster than writing them down: the step reads the cutoff, and is the filter and its
coefficients at once.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ..graph import Context, Params, Pointwise, Recurrence, Spec, pick
from .analysis import elementwise

_MOST = 50  # ops that a recurrence takes in: more would be slow to make again, and to compile


class Fused(Recurrence):
    """A recurrence together with the pointwise ops that make its inputs. Its state is that of the recurrence.

    Attributes:
        op, specs: The recurrence by itself, and what it takes.
        lines: The pointwise ops `(number, op, args, params)`; numbers name values.
        sources, args: What enters, and what the recurrence takes, by number.
    """

    def __init__(self, op: Recurrence, specs: Sequence[Any], lines: Sequence[Any], sources: Sequence[int], args: Sequence[int]):
        ft.update_wrapper(self, op)  # its name, function, signature and plan
        self.op, self.specs, self.lines, self.sources, self.args = op, tuple(specs), lines, sources, args

    def made(self, ctx: Context, *values: Any) -> list[Any]:
        """The inputs of the recurrence at one frame."""
        env = dict(zip(self.sources, values))
        for i, op, args, params in self.lines:
            env[i] = op.step(ctx, params, (), *[env[a] for a in args])[1]
        return [env[a] for a in self.args]

    def made_before(self, ctx: Context, values: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
        """The inputs of the recurrence at all frames."""
        axes = [0 if s.varies else None for s in specs]
        out = [0 if s.varies else None for s in self.specs]
        return jax.vmap(ft.partial(self.made, ctx), axes, out)(*values)

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        return self.op.infer(self.specs, params)

    def step(self, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
        return self.op.step(ctx, params, state, *self.made(ctx, *inputs))

    def rise(self, ctx, params, held, *inputs):
        return self.op.rise(ctx, params, held, *self.made(ctx, *inputs))

    def pace(self, ctx, params, *inputs):
        return self.op.pace(ctx, params, *self.made(ctx, *inputs))

    def renewal(self, ctx, params, *inputs):
        return self.op.renewal(ctx, params, *self.made(ctx, *inputs))


def fuse(lines: Sequence[Any], specs: Sequence[Any], leaves: int, outputs: Sequence[int]) -> tuple[list[Any], tuple[int, ...]]:
    """A program in which each recurrence computes what only it needs, if that is element by element: its lines and outputs.

    Args:
        lines: `(op, args, params)` each.
        specs: Of the `leaves` and the lines.
    """
    users: dict[int, set[int]] = {i: {-1} for i in outputs}
    for i, (_, args, _) in enumerate(lines, leaves):
        for a in args:
            users.setdefault(a, set()).add(i)
    owner: dict[int, int] = {}  # the recurrence that a line becomes part of
    taken: dict[int, int] = {}  # how many each takes in
    for i in reversed(range(leaves, leaves + len(lines))):
        op, args, params = lines[i - leaves]
        owners = {owner.get(u, -1) for u in users.get(i, ())}
        if isinstance(op, Recurrence):
            if op.fusible and op.block_form is None and not op.block_frames:
                owner[i] = i
        elif len(owners) == 1 and -1 not in owners and _fits(op, args, params, specs, i):
            of = owners.pop()
            taken[of] = taken.get(of, 0) + 1
            if taken[of] <= _MOST:
                owner[i] = of
    for i, (op, args, _) in enumerate(lines, leaves):
        if op is pick and owner.get(args[0], -1) != owner.get(i):  # one number of several that are made elsewhere
            owner.pop(i, None)
    owned: dict[int, list[int]] = {}
    for i in sorted(owner):
        owned.setdefault(owner[i], []).append(i)
    number: dict[int, int] = {i: i for i in range(leaves)}
    made: list[Any] = []
    for i, (op, args, params) in enumerate(lines, leaves):
        if owner.get(i, i) != i:
            continue
        own = owned.get(i, [])[:-1]  # but for itself, which comes last
        if own:
            parts: list[Any] = [(j, *lines[j - leaves]) for j in own]
            needed = [*args, *[a for part in parts for a in part[2]]]
            sources = tuple(dict.fromkeys(a for a in needed if a not in own))
            op, args = Fused(op, [specs[a] for a in args], parts, sources, args), sources
        number[i] = leaves + len(made)
        made.append((op, tuple(number[a] for a in args), params))
    return made, tuple(number[i] for i in outputs)


def _fits(op: Any, args: Sequence[int], params: Params, specs: Sequence[Any], i: int) -> bool:
    """Whether line `i` varies from frame to frame and is cheap to make again."""
    if op is pick:
        return specs[i].varies
    if not isinstance(op, Pointwise) or "frame" in op.injected:
        return False
    own = specs[i] if isinstance(specs[i], tuple) else (specs[i],)
    return any(s.varies and s.dtype == np.float32 for s in own) and _elementwise(op, tuple(specs[a] for a in args), params)


@ft.lru_cache(maxsize=1024)
def _elementwise(op: Pointwise, specs: tuple[Spec, ...], params: Params) -> bool:
    shapes = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in specs]
    return elementwise(lambda *xs: op.step(Context(44100.0, 1), params, (), *xs)[1], *shapes)
