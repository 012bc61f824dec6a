"""Ops that go from frame to frame: a step function, and the state that it carries on."""

from __future__ import annotations

import functools as ft
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .node import Spec
from .op import EVERY, Context, Op, Params, varying


def _on_parallel_backends(parallel: bool, *specs: Spec) -> bool:
    return parallel


class Recurrence(Op):
    """`fn(state, *values, **static) -> (state, output)`, one frame after another.

    `init(*values, **static)` makes the state before the first frame from the values of one frame (zeros for those
    that vary); without it, zeros of the shape that all values broadcast to. It steps once for each value of the fastest of its
    inputs, or with `every_frame` once a frame, whatever they are.

    A state that goes a small part of its way in a frame stops where the part is less than rounding. So such an op says by how
    much its state rises, `fn(state, *values, **static) -> (rise, output)`, the output None where it is the state after, or the
    first of several; of what is no float the rise is the new value. What sums lose is then part of the state: `carrying`.
    `rises(*values, **static)` is which part of its way the state goes in a frame, at most. `renews(*values, **static)` is where
    it goes all of its way: there it is counted from 0, whatever it was, infinite and NaN included.
    """

    fusible: bool = True  # whether it may compute the pointwise ops that only it needs

    def __init__(
        self,
        fn: Callable[..., Any],
        init: Callable[..., Any] | None = None,
        every_frame: bool = False,
        rises: Callable[..., Any] | None = None,
        renews: Callable[..., Any] | None = None,
    ):
        super().__init__(fn, skip=1)
        self.every_frame: bool = every_frame
        self._init = init or (lambda *values, **static: zeros(*values))
        self.rises: Callable[..., Any] | None = rises
        self.renews: Callable[..., Any] | None = renews
        self.block_form: Callable[..., Any] | None = None
        self.takes_blocks: Callable[..., bool] = _on_parallel_backends
        self.loops: bool = False  # whether that form is a loop where the backend is not parallel
        self.plan = "auto"
        self.block_frames = 0  # how many frames the plan "blocks" may run at once

    def parallel(self, fn: Callable[..., Any] | None = None, *, when: Callable[..., bool] = _on_parallel_backends) -> Callable:
        """Register an equal form over whole blocks: `fn(state, *blocks, frames, **static) -> (state, output)`.

        Every block has the frame axis first, of length 1 where the value does not vary, and the same number of axes.
        A form that names `ctx` is given the context, and is itself a loop where the backend is not parallel.
        `when(parallel, *specs)` says whether it replaces the loop; by default, where the backend is parallel.
        """
        if fn is None:
            return ft.partial(self.parallel, when=when)
        self.block_form, self.takes_blocks = fn, when
        self.loops = "ctx" in inspect.signature(fn).parameters
        return fn

    def known(self, ctx: Context, specs: Sequence[Spec]) -> tuple[str, str] | None:
        """Name and reason of the plan that `whole` is, if there is one for these inputs and it is the one to take."""
        if not self.block_form or not self.takes_blocks(ctx.parallel, *specs):
            return None
        if self.loops and not ctx.parallel:
            return "scan", "a loop is fastest on a CPU; registered with the op"
        return "parallel form", "registered with the op"

    def whole(self, ctx: Context, params: Params, state: Any, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        """Every frame by a form that is known to be equal: `(state, output)`."""
        assert self.block_form is not None
        given = self.given(params, ctx) | ({"ctx": ctx} if self.loops else {})
        return self.block_form(state, *_blocks(inputs, specs), frames=ctx.frames, **given)

    def kind(self, inputs: Sequence[Spec]) -> tuple[bool, int | None]:
        return True, 1 if self.every_frame else varying(inputs) or 1

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        first = self._init(*inputs, **_static(params))
        return first if self.rises is None else carrying(first)

    def step(self, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
        if self.rises is None:
            return self.fn(state, *inputs, **self.given(params, ctx, ctx.start))
        state = renewed(state, self.renewal(ctx, params, *inputs))
        rise, y = self.rise(ctx, params, state["held"], *inputs)
        state = risen(state, rise)
        return state, jax.tree.leaves(state["held"])[0] if y is None else y

    def rise(self, ctx: Context, params: Params, held: Any, *inputs: Any) -> tuple[Any, Any]:
        """By how much the state rises, and the output or None."""
        return self.fn(held, *inputs, **self.given(params, ctx, ctx.start))

    def pace(self, ctx: Context, params: Params, *inputs: Any) -> Any:
        """Which part of its way the state goes in a frame, at most."""
        assert self.rises is not None
        return self.rises(*inputs, **_static(params))

    def renewal(self, ctx: Context, params: Params, *inputs: Any) -> Any:
        """Where the state goes all of its way; None where that is not known."""
        return self.renews(*inputs, **_static(params)) if self.renews else None


def _static(params: Params) -> dict[str, Any]:
    return {name: value for name, value in params if name != EVERY}


def _blocks(inputs: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
    """Every input with the frame axis first, of length 1 where it does not vary, all of one rank."""
    rank = max((len(s.shape) for s in specs), default=0)
    out = []
    for x, spec in zip(inputs, specs):
        first = x.shape[:1] if spec.varies else (1,)
        out.append(jnp.reshape(x, (*first, *(1,) * (rank - len(spec.shape)), *spec.shape)))
    return out


def recurrence(
    fn: Callable[..., Any] | None = None,
    *,
    init: Callable[..., Any] | None = None,
    every_frame: bool = False,
    rises: Callable[..., Any] | None = None,
    renews: Callable[..., Any] | None = None,
) -> Any:
    """Decorator that makes a Recurrence of a step function, or with `rises` of one that says by how much the state rises."""
    make = ft.partial(Recurrence, init=init, every_frame=every_frame, rises=rises, renews=renews)
    return make(fn) if fn else make


def zeros(*values: Any) -> Any:
    """Zeros of the shape and type that `values` broadcast to."""
    return jnp.zeros(jnp.broadcast_shapes(*(jnp.shape(v) for v in values)), jnp.result_type(*values))


# States that rise by steps, and what the rounding of the sums has lost.


def carrying(held: Any) -> dict[str, Any]:
    """The state of a recurrence that rises, which has lost nothing yet."""
    return {"held": held, "lost": tuple(jnp.zeros_like(x) for x in jax.tree.leaves(held) if _is_float(x))}


def risen(state: dict[str, Any], rise: Any) -> dict[str, Any]:
    """The state after a rise, and what its rounding lost, which the next rise makes up for.

    Source: W. Kahan, Further Remarks on Reducing Truncation Errors, CACM 8(1), 1965.
    """
    leaves, rebuild = jax.tree.flatten(state["held"])
    left, after, lost = iter(state["lost"]), [], []
    for x, r in zip(leaves, jax.tree.leaves(rise)):
        if _is_float(x):
            r = r + next(left)
            after.append(x + r)
            lost.append(r - (after[-1] - x))
        else:
            after.append(r)
    return {"held": rebuild.unflatten(after), "lost": tuple(lost)}


def renewed(state: Any, where: Any) -> Any:
    """The state, all of it 0 where it goes all of its way."""
    if where is None:
        return state
    return jax.tree.map(lambda x: jnp.where(where, jnp.zeros_like(x), x) if _is_float(x) else x, state)


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)
