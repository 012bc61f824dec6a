"""What the library chose for each recurrence of a program, and why: a table to print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from ..graph import Context, Rated, Recurrence
from ..ops import clock
from ..recurrence import choose
from .program import Program, flat
from .stage import initial_state


class Row(NamedTuple):
    """One recurrence.

    Attributes:
        op: Its name.
        plan: "scan", "blocks", "linear", "newton" or "parallel form".
        states: Numbers kept from frame to frame.
        depth: Steps that wait for each other, for a run of the frames asked about.
        why: What decided.
    """

    op: str
    plan: str
    states: int
    depth: int
    why: str


@dataclass(frozen=True)
class Plans:
    """The recurrences of a program in order, for one backend and one length. Prints as a table."""

    platform: str
    frames: int
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        title = f"{self.frames} frames on {self.platform}"
        if not self.rows:
            return f"{title}: no recurrence, every frame at once"
        cells = [Row._fields, *[tuple(map(str, row)) for row in self.rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(Row._fields) - 1)]
        lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths)), row[-1]]) for row in cells]
        return "\n".join([title, *lines])

    __repr__ = __str__


def plans(program: Program, whole: Context, platform: str) -> Plans:
    """The plan of each recurrence of `program`."""

    def shapes(specs: Sequence[Any]) -> list[Any]:
        return [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in specs]

    leaves = [jax.ShapeDtypeStruct((-(-whole.frames // (s.hop or 1)),) * s.varies + s.shape, s.dtype) for s in program.leaves]
    states = iter(jax.eval_shape(lambda leaves: initial_state(program, whole, leaves), leaves))
    rows = []
    for at, (op, args, params) in enumerate(program.lines, len(leaves)):
        if isinstance(op, Recurrence):
            specs, state = [program.specs[a] for a in args], next(states)
            if isinstance(op, Rated) or op is clock:
                continue
            hop = next((s.hop for s in flat([program.specs[at]]) if s.varies), None) or 1
            ctx = whole._replace(frames=-(-whole.frames // hop))
            plan = choose(op, ctx, params, state, shapes(specs), specs)
            size = sum(x.size for x in jax.tree.leaves(state))
            at_once = op.takes_blocks(False, *specs)
            depth = 1 if plan.name == "parallel form" and at_once else _depth(plan.name, op, ctx.frames)
            rows.append(Row(op.__name__, plan.name, size, depth, plan.why))
    return Plans(platform, whole.frames, tuple(rows))


def _depth(name: str, op: Recurrence, frames: int) -> int:
    if name == "scan":
        return frames
    if name == "blocks":
        return -(-frames // max(op.block_frames, 1))
    levels = 2 * math.ceil(math.log2(frames)) if frames > 1 else frames
    return 3 * levels if name == "newton" else levels
