"""Sums over frames that start again, for ops that register a form over whole blocks.

A float32 sum of many frames sticks: 1 added to 2**24 is 2**24. So a sum is kept as two numbers, the second what rounding has
left of the first: 48 bits, of which no more than rounding the result is lost in hours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..graph import Context
from .double import summed
from .tangents import tied


def exact(a: Any, b: Any) -> tuple[Any, Any]:
    """`a + b` as it is rounded, and what that left (D. E. Knuth, The Art of Computer Programming 2, section 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def joined(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    """The sum of two such pairs."""
    total, rest = exact(a[0], b[0])
    return exact(total, rest + (a[1] + b[1]))


def restarting(add: Callable, restart: Any, values: tuple[Any, ...], reverse: bool = False) -> tuple[Any, tuple[Any, ...]]:
    """Running `add` of `values` along the first axis that begins anew where `restart` is true, in log(frames) steps.

    Returns `(whether it has begun anew, all)`.
    """

    def combine(a, b):
        both = add(a[1], b[1])
        return a[0] | b[0], tuple(jnp.where(b[0], new, sum_) for new, sum_ in zip(b[1], both))

    return lax.associative_scan(combine, (restart, values), reverse)


def running(add: Callable, start: Any, restart: Any, x: Any, frames: int) -> tuple[Any, Any]:
    """`restarting` of one value that goes on from `start`: `(last, all)`."""
    shape = (frames, *start.shape)
    restart = jnp.concatenate([jnp.zeros((1, *start.shape), bool), jnp.broadcast_to(restart > 0, shape)])
    values = jnp.concatenate([start[None], jnp.broadcast_to(x, shape)])
    _, (total,) = restarting(lambda a, b: (add(a[0], b[0]),), restart, (values,))
    return total[-1], total[1:]


def sums(start: tuple[Any, Any], restart: Any, x: Any, ctx: Context) -> tuple[tuple[Any, Any], Any]:
    """Running sum of `x` from the pair `start` on, which begins anew where `restart` is true: `(last pair, all)`.

    Its derivative, and the sum from the end on that is its transpose, are kept as it is.
    """
    run = _at_once if ctx.parallel else _one_by_one

    def differences(unknown):
        (first, rest), (y,) = unknown
        before = jnp.concatenate([first[None], y[:-1]])
        return [first, rest], [y - jnp.where(restart, jnp.zeros_like(before), before)]

    def solved(_, given):
        (first, rest), (x,) = given
        (_, rest), y = run((first, rest), restart, x, ctx, False)
        return [first, rest], [y]

    def transposed(_, given):
        (first, rest), (y,) = given
        (last, _), x = run((jnp.zeros_like(first), jnp.zeros_like(first)), restart, y, ctx, True)
        return [first + last, rest], [x]

    first, rest = start
    given = tied([first, lax.stop_gradient(rest)], [jnp.broadcast_to(x, (ctx.frames, *first.shape))])
    (_, rest), (y,) = tied(*lax.custom_linear_solve(differences, given, solved, transposed))
    return (y[-1], lax.stop_gradient(rest)), y


def _one_by_one(start: Any, restart: Any, x: Any, ctx: Context, reverse: bool) -> tuple[Any, Any]:
    if not reverse:
        return summed(start, restart, x)
    ends = restart[0]  # a frame before which the sum begins anew is not reached from the end
    restart = restart if len(restart) == 1 else jnp.concatenate([restart[1:], jnp.zeros_like(restart[:1])])
    pair, y = summed(start, restart, x, reverse=True)
    return tuple(jnp.where(ends, jnp.zeros_like(p), p) for p in pair), y


def _at_once(start: Any, restart: Any, x: Any, ctx: Context, reverse: bool) -> tuple[Any, Any]:
    restart = jnp.broadcast_to(restart, x.shape)
    ends = restart[0] & reverse  # a frame before which the sum begins anew is not reached from the end
    if reverse:
        restart = jnp.concatenate([restart[1:], jnp.zeros_like(restart[:1])])
    begun, pair = restarting(joined, restart, (x, jnp.zeros_like(x)), reverse)
    pair = tuple(jnp.where(begun, p, q) for p, q in zip(pair, joined(start, pair)))
    return tuple(jnp.where(ends, jnp.zeros_like(p[0]), p[0 if reverse else -1]) for p in pair), pair[0]
