"""Short blocks of a stream, computed at once by the thread that asks for them.

On a CPU, XLA hands a program to another thread where it counts 1,000 operations or more in it, of a loop those of an iteration;
and of the others, parts where more than a few are ready at once. Either takes longer than a short block itself. So what has no
memory is computed some frames at a time, and all of a block is the body of a loop, which XLA makes one piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import Context, Pointwise
from ..recurrence import small_loop_bytes
from .packed import Packed
from .program import Program, flat, run_line

_TILE = 16  # frames, which fill vectors
_MOST = 4096  # elements of a value in a block, and of the state
_LINES = 128  # of a program; one piece of many more takes long to compile


class Stretch(NamedTuple):
    """Ops without memory that none with memory stands between; the values that they take, and those that others take."""

    lines: tuple[int, ...]
    taken: tuple[int, ...]
    given: tuple[int, ...]


def is_short(program: Program, ctx: Context) -> bool:
    """Whether a block is."""
    if ctx.parallel or program.rated or program.takes_length or not isinstance(ctx.frames, int) or len(program.lines) > _LINES:
        return False
    sizes = [math.prod(s.shape) for s in flat(program.specs) if s.varies]
    return 0 < max(sizes, default=0) * ctx.frames <= min(_MOST, small_loop_bytes() // 16)  # else it is not one piece


def in_one_piece(block: Callable[..., Any], program: Program, frames: int, state: Packed) -> tuple[Any, Any]:
    """`block(state)`, the outputs and the state after, in one piece where the state is small."""
    words = [x for x in state.arrays if x.size and x.dtype.itemsize == 4]
    if not words or sum(x.size for x in state.arrays) > _MOST:
        return block(state)
    outputs = [jnp.zeros((frames,) * (s.signal or s.varies) + s.shape, s.dtype) for s in program.output_specs]
    once = (lax.bitcast_convert_type(words[0].ravel()[0], jnp.uint32) >> 16 >> 16) + 1  # by a 1 that XLA does not see through
    held = jnp.zeros_like(once), outputs, state
    return lax.while_loop(lambda held: held[0] < once, lambda held: (held[0] + 1, *block(held[2])), held)[1:]


def stretches(program: Program, ctx: Context) -> dict[int, Stretch]:
    """Those of a block, by their last lines."""
    first = len(program.leaves)
    if not is_short(program, ctx) or ctx.frames % _TILE or ctx.frames < 2 * _TILE:
        return {}
    groups: list[list[int]] = [[]]
    for i, line in enumerate(program.lines, first):
        if _varies(program, i):
            groups += [] if isinstance(line.op, Pointwise) else [[]]
            groups[-1] += [i] if isinstance(line.op, Pointwise) else []
    out = {}
    for group in filter(None, groups):
        used = {a for i, line in enumerate(program.lines, first) if i not in group for a in line.args}.union(program.outputs)
        taken = {a for i in group for a in program.lines[i - first].args if _varies(program, a)}.difference(group)
        out[group[-1]] = Stretch(tuple(group), tuple(taken), tuple(used.intersection(group)))
    return out


def _varies(program: Program, i: int) -> bool:
    return any(s.varies for s in flat([program.specs[i]]))


def by_tiles(program: Program, ctx: Context, stretch: Stretch, env: Sequence[Any]) -> Mapping[int, Any]:
    """What a stretch gives, by line."""
    lines = {i: program.lines[i - len(program.leaves)] for i in stretch.lines}
    starts = np.arange(0, ctx.frames, _TILE, dtype=np.uint32)
    if any("frame" in line.op.injected for line in lines.values()):  # else a block takes one argument less, which takes time
        starts = jnp.uint32(ctx.start) + starts
    cut = jax.tree.map(lambda x: x.reshape(-1, _TILE, *x.shape[1:]), [env[i] for i in stretch.taken])

    def tile(_, now):
        start, taken = now
        values = dict(enumerate(env)) | dict(zip(stretch.taken, taken))
        for i, line in lines.items():
            values[i] = run_line(program, ctx._replace(frames=_TILE, start=start), line, values, None)[1]
        return None, [values[i] for i in stretch.given]

    made = lax.scan(tile, None, (starts, cut))[1]
    return dict(zip(stretch.given, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), made)))
