"""A function that knows how it is best run for a whole batch.

`jax.custom_batching.custom_vmap` is made for this, but what it wraps cannot be differentiated in reverse. That happens to the
loops of a recurrence, in spite of its own derivative: inside a `lax.scan` JAX forgets a `custom_jvp` once it has used it, so
that a second derivative sees the loop itself.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching, mlir

from ..graph import Primitive, in_our_modes


def with_batch_rule(fn: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """`fn(*args)`, for which `vmap` calls `rule(size, batched, *args)`, and whose derivatives are those of `fn`.

    Args:
        rule: Is given how many examples there are, for each array of `args` whether it has the axis of the examples, which
            is the first, and the arrays. All arrays of what it returns have that axis.
    """

    def call(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(fn, return_shape=True)(*args)
        leaves, tree = jax.tree.flatten(args)
        traced = any(isinstance(x, jax.core.Tracer) for x in closed.consts)  # which `rule` would meet when they are gone
        out = _call.bind(*closed.consts, *leaves, jaxpr=closed.jaxpr, rule=None if traced else rule, tree=tree)
        return jax.tree.structure(shape).unflatten(out)

    return call


def of_all(rule: Callable[..., Any]) -> Callable[..., Any]:
    """`rule`, which within another `vmap` is asked once, about the examples of both, where both batch the same arrays."""

    def of_one(size, batched, *args):
        run = ft.partial(rule, size, batched)

        def of_both(more, outer, *args):
            if jax.tree.leaves(outer) != jax.tree.leaves(batched):
                return jax.vmap(run, axes_of(outer))(*args)
            flat = jax.tree.map(lambda x, b: x.reshape(more * size, *x.shape[2:]) if b else x, args, batched)
            return jax.tree.map(lambda x: x.reshape(more, size, *x.shape[1:]), of_one(more * size, batched, *flat))

        return with_batch_rule(run, of_both)(*args)

    return of_one


def counted(of: Callable[[int], Callable[..., Any]], examples: int = 1) -> Callable[..., Any]:
    """`of(examples)`, a function of arrays, where `vmap` says how many examples there are, and one within another of both."""

    def rule(size, batched, *args):
        return counted(lambda examples: jax.vmap(of(examples), axes_of(batched)), examples * size)(*args)

    return with_batch_rule(of(examples), rule)


def axes_of(batched: Any) -> Any:
    return jax.tree.map(lambda b: 0 if b else None, batched)


def one_by_one(fn: Any) -> Any:
    """`fn`, which under `vmap` runs for one example after another."""

    def rule(size, batched, *args):
        def example(i):
            own = jax.tree.map(lambda x, b: lax.dynamic_index_in_dim(x, i, keepdims=False) if b else x, args, batched)
            return one_by_one(fn)(*own)

        return lax.map(example, jnp.arange(size))

    return with_batch_rule(fn, rule)


_call = Primitive("batched_by_rule")
_call.multiple_results = True


@_call.def_impl
def _run(*args: Any, jaxpr: Any, rule: Any, tree: Any) -> Any:
    consts = len(jaxpr.constvars)
    return jax.core.eval_jaxpr(jaxpr, args[:consts], *args[consts:])


@_call.def_abstract_eval
def _(*args: Any, jaxpr: Any, rule: Any, tree: Any) -> Any:
    return [v.aval for v in jaxpr.outvars]


@in_our_modes
def _derivative(primals: Any, tangents: Any, **params: Any) -> Any:
    moving = [i for i, t in enumerate(tangents) if not isinstance(t, ad.Zero)]
    avals = [v.aval for v in params["jaxpr"].outvars]
    floats = [jnp.issubdtype(a.dtype, jnp.inexact) for a in avals]

    def of(moved):
        out = _run(*[moved[moving.index(i)] if i in moving else x for i, x in enumerate(primals)], **params)
        return [x for x, f in zip(out, floats) if f], [x for x, f in zip(out, floats) if not f]

    found, slopes, whole = jax.jvp(of, ([primals[i] for i in moving],), ([tangents[i] for i in moving],), has_aux=True)
    found, slopes, whole = iter(found), iter(slopes), iter(whole)
    still = [ad.Zero(jax.core.ShapedArray(a.shape, jax.dtypes.float0)) for a in avals]
    return [next(found if f else whole) for f in floats], [next(slopes) if f else zero for f, zero in zip(floats, still)]


@in_our_modes
def _batched(args: Any, dims: Any, **params: Any) -> Any:
    args = [x if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(args, dims)]
    size = next(x.shape[0] for x, d in zip(args, dims) if d is not None)
    rule, tree, consts = params["rule"], params["tree"], len(params["jaxpr"].constvars)
    if rule is None or not isinstance(size, int) or not size:
        out = jax.vmap(ft.partial(_run, **params), [None if d is None else 0 for d in dims])(*args)
    else:
        batched = [d is not None for d in dims[consts:]]
        out = jax.tree.leaves(rule(size, tree.unflatten(batched), *tree.unflatten(args[consts:])))
    return out, [0] * len(out)


ad.primitive_jvps[_call] = _derivative
batching.primitive_batchers[_call] = _batched
mlir.register_lowering(_call, mlir.lower_fun(_run, multiple_results=True))
