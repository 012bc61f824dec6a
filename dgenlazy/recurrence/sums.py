"""Sums over frames that start again, for ops that register a parallel form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax


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
