"""How a recurrence is solved over a block of frames. Knows JAX arrays, not the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from .graph import Spec
from .op import Context, Params, Recurrence


def solve(
    op: Recurrence, ctx: Context, params: Params, state: Any, inputs: Sequence[Any], specs: Sequence[Spec]
) -> tuple[Any, Any]:
    """Run `op` over every frame: `(state after the last frame, output of every frame)`."""
    if op.block_form and op.takes_blocks(ctx.parallel, *specs):
        return op.block_form(state, *blocks(inputs, specs), frames=ctx.frames, **op.given(params, ctx))
    return scan(lambda s, *xs: op.step(ctx, params, s, *xs), state, inputs, [s.varies for s in specs], ctx.frames)


def scan(step: Callable, state: Any, inputs: Sequence[Any], varies: Sequence[bool], frames: int) -> tuple[Any, Any]:
    """One frame after another. Inputs that do not vary stay outside the loop."""

    def body(state, frame):
        frame = iter(frame)
        return step(state, *[next(frame) if v else x for x, v in zip(inputs, varies)])

    return lax.scan(body, state, tuple(x for x, v in zip(inputs, varies) if v), length=frames)


def blocks(inputs: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
    """Every input with the frame axis first, of length 1 where it does not vary, all of one rank."""
    rank = max((len(s.shape) for s in specs), default=0)
    out = []
    for x, spec in zip(inputs, specs):
        first = x.shape[:1] if spec.varies else (1,)
        out.append(jnp.reshape(x, (*first, *(1,) * (rank - len(spec.shape)), *spec.shape)))
    return out


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
