"""What a loss computes on its way, watched: where a value or a gradient ceases to be finite."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import FLOAT, Batch, Recurrence, Spec, in_our_modes
from . import latency, samples
from .cache import kept
from .compiling import Compiled, title
from .length import sized
from .objective import context
from .program import Program, run_line
from .stage import initial_state

_NEVER = np.iinfo(np.int32).max  # the row of what stays finite


def edges(program: Program) -> list[tuple[int, int]]:
    """Each line with each value that it takes and that a gradient may flow to."""
    found = []
    for i, line in enumerate(program.lines, len(program.leaves)):
        specs = {a: program.specs[a] for a in line.args}
        found += [(i, a) for a, s in specs.items() if isinstance(s, Spec) and s.dtype == FLOAT]
    return found


@kept
def watched(
    program: Program,
    learned: tuple[int, ...],
    frames: int,
    sample_rate: float,
    where: Any,
    total: bool,
    batch: Batch | None = None,
    lengths: tuple[int, ...] = (),
) -> Any:
    """`(parameters, numbers, arrays) -> (loss, gradients, sums, firsts)`, the arguments those of `loss_of`.

    `sums` are of the gradient along each of `edges`; `firsts` tell of each line at which row of its output there is a number
    that is not finite first, or -1.
    """
    taken = {edge: k for k, edge in enumerate(edges(program))}

    def of_one(parameters, probes, numbers, arrays):
        arrays = list(arrays)
        for i, p in zip(learned, parameters):
            arrays[i] = p
        ctx = context(sample_rate, frames, np.uint32(0), where, batch, program.latency)
        env: list[Any] = samples.unpack(program, ctx, numbers, arrays)
        states, line_by_line, firsts = iter(initial_state(program, ctx, env)), sized(program, ctx.frames), []
        for i, line in enumerate(line_by_line.lines, len(env)):
            given = list(env)
            for a in set(line.args):
                if (i, a) in taken:
                    given[a] = env[a] + probes[taken[i, a]]
            held = next(states) if isinstance(line.op, Recurrence) else None
            if program.rated:
                _, out = latency.run_line(line_by_line, ctx, i, given, held)
            else:
                _, out = run_line(line_by_line, ctx, line, given, held)
            env.append(out)
            firsts.append(_first(out))
        outputs = [latency.given_out(program, ctx, i, env) if program.rated else env[i] for i in program.outputs]
        value = sum((jnp.sum if total else jnp.mean)(y) for y in outputs)
        return value, jnp.stack(firsts) if firsts else jnp.zeros(0, jnp.int32)

    @in_our_modes
    def loss(parameters, probes, numbers, arrays):
        if not batch:
            return of_one(parameters, probes, numbers, arrays)
        axes = list(batch.axes)
        each = jax.vmap(of_one, ([axes[i] for i in learned], None, None, axes))
        losses, firsts = each(parameters, probes, numbers, arrays)
        return jnp.mean(losses), jnp.min(firsts, axis=0)

    def watch(parameters, numbers, arrays):
        probes = jnp.zeros(len(taken), jnp.float32)
        (value, firsts), slopes = jax.value_and_grad(loss, (0, 1), has_aux=True)(parameters, probes, numbers, arrays)
        return value, *slopes, jnp.where(firsts == _NEVER, -1, firsts)

    return Compiled(watch, title(program, frames, "all gradients in "))


def _first(out: Any) -> Any:
    """The first row of what a line gives that holds what is not finite."""
    rows = [x.reshape(x.shape[0], -1) if x.ndim else x.reshape(1, 1) for x in map(jnp.asarray, jax.tree.leaves(out))]
    bad = [~jnp.isfinite(x).all(1) for x in rows if x.size and jnp.issubdtype(x.dtype, jnp.floating)]
    found = [jnp.where(b.any(), jnp.argmax(b).astype(jnp.int32), _NEVER) for b in bad]
    return jnp.min(jnp.stack(found)) if found else jnp.int32(_NEVER)
