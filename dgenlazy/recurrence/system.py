"""The linear system that the tangents of a recurrence's states are the solution of, forwards and transposed."""

from __future__ import annotations

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import carrying
from . import adjoint, newton
from .analysis import NONLINEAR
from .tangents import is_float, mark, tied


def solved(rec: Any, states: Any, rest: Any, inputs: tuple[Any, ...], first: Any, force: Any) -> tuple[Any, Any]:
    """Solve `t[0] = first`, `t[n + 1] = J[n] t[n] + force[n]`, J the step's Jacobian: `(last t, t of every frame)`."""
    count, parallel = len(rec.varies), rec.plan.name != "scan"
    costly = rec.lanewise and not parallel and rec.plan.facts is not None and rec.plan.facts.order == NONLINEAR

    def push(t, *frame):
        """`J t` at one frame, less `t` where J is of the rise."""
        inputs, (s, r) = frame[:count], frame[count:]
        return jax.jvp(lambda s: rec.next(s, r, *inputs), (s,), (t,))[1]

    pull = ft.partial(_pull, rec)

    def run(body, start, force, reverse):
        if not parallel:
            return _by_loop(rec, body, start, force, reverse, states, rest, inputs)
        one_frame = ft.partial(_one_frame, body)
        return newton.linear(rec, push, (*inputs, states, rest), start, force, one_frame, reverse)

    # JAX fails where nothing but `run` depends on what is differentiated: so the system seems to, too.
    one = jnp.where(np.False_, mark(x for x in (*inputs, *states) if is_float(x)), 1)

    def residual(unknown):
        end, t = unknown
        pushed = jax.jvp(lambda s: jax.vmap(rec.next, (0, 0, *rec.axes))(s, rest, *inputs), (states,), (t,))[1]
        pushed = jax.tree.map(jnp.add, t, pushed) if rec.rise else pushed
        after = jax.tree.map(lambda t, e: jnp.concatenate([t[1:], e[None]]), t, end)
        left = tied([x[0] for x in t], jax.tree.map(jnp.subtract, after, pushed))
        return jax.tree.map(lambda x: x * one.astype(x.dtype), left)

    def transposed(_, given):
        if not costly:
            return run(pull, given[0], given[1], True)
        return transposed_costly(rec, states, rest, inputs, *given)

    solved = lax.custom_linear_solve(
        residual, (first, force), lambda _, given: run(push, given[0], given[1], False), transposed
    )
    return tied(*solved)


def transposed_costly(rec: Any, states: Any, rest: Any, inputs: tuple[Any, ...], last: Any, force: Any) -> tuple[Any, Any]:
    """Solve the transpose of a step that is costly, whose lanes are apart, from `last` on: `(first t, t after every frame)`."""
    pull = ft.partial(_pull, rec)
    return adjoint.backwards(rec, pull, ft.partial(_by_loop, rec, pull, reverse=True), states, rest, inputs, last, force)


def _pull(rec: Any, t: Any, *frame: Any) -> Any:
    """`J^T t` at one frame."""
    inputs, (s, r) = frame[: len(rec.varies)], frame[len(rec.varies) :]
    return jax.vjp(lambda s: rec.next(s, r, *inputs), s)[1](t)[0]


def _one_frame(body: Any, t: Any, *frame: Any) -> tuple[Any, Any]:
    return jax.tree.map(jnp.add, body(t, *frame[:-1]), frame[-1]), t


def _by_loop(
    rec: Any, body: Any, start: Any, force: Any, reverse: bool, states: Any, rest: Any, inputs: tuple[Any, ...]
) -> tuple[Any, Any]:
    """The system of a `body(t, *inputs, states, rest)`, one frame after another; holds nothing of what is traced."""
    one_frame = ft.partial(_one_frame, body)
    if rec.rise is not None:
        end, t = rec.climb(one_frame, carrying(start), inputs, (states, rest, force), reverse)
        return end["held"], t
    return rec.loop(one_frame, start, (*rec.moving(inputs), states, rest, force), rec.fixed(inputs), reverse)
