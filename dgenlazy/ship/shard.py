"""A function inside `jax.shard_map`, whose own values have no types by the axes of the mesh.

JAX tells there of every value along which axes it varies, and zeros vary along none: the carry of a loop that begins with them,
or a derivative that is none, does not fit. But a graph runs on each device by itself. So what it takes is made to vary along
all axes that any of it does, of which the transpose sums gradients over devices; what it makes varies so too; and in between it
is traced as if there was no mesh.
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
from jax.tree_util import Partial

from ..graph import Primitive, in_our_modes

_TYPED = jax.__version_info__ >= (0, 7, 2)  # what such types are in older JAX differs


def per_shard(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn(*args)`, of trees of arrays; where none of them varies along an axis of a mesh, it is `fn` that is called."""

    @ft.wraps(fn)
    def call(*args: Any) -> Any:
        return _apart(fn, False, *args) if _TYPED and _axes(jax.tree.leaves(args)) else fn(*args)

    return call


def _axes(arrays: Any) -> frozenset[Any]:
    """Of a mesh, along which any of these arrays, or of these types, varies."""
    types = [getattr(x, "aval", x) for x in arrays]
    named = [t.mat.varying if hasattr(t, "mat") else getattr(t, "vma", None) or () for t in types]  # before jax 0.10
    return frozenset().union(*named)


def _varied(x: Any, axes: frozenset[Any]) -> Any:
    cast = ft.partial(lax.pcast, to="varying") if hasattr(lax, "pcast") else lax.pvary  # pyright: ignore
    more = tuple(sorted(axes - _axes([x]), key=str))
    return cast(x, more) if more else x


def _apart(fn: Callable[..., Any], linear: bool, *args: Any) -> Any:
    """`fn(*args)` as one operation. If `linear`, it is so in the last of `args`."""
    leaves, tree = jax.tree.flatten(args)
    shapes = [jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves]
    closed, shape = jax.make_jaxpr(fn, return_shape=True)(*tree.unflatten(shapes))
    leaves = [*closed.consts, *leaves]
    axes, kept = _axes(leaves), len(leaves) - len(jax.tree.leaves(args[-1])) if linear else None
    out = _call.bind(*[_varied(x, axes) for x in leaves], jaxpr=closed.jaxpr, kept=kept)
    return jax.tree.structure(shape).unflatten(out)


_call = Primitive("per_shard")  # linear in what comes after the first `kept`
_call.multiple_results = True


@_call.def_impl
def _run(*args: Any, jaxpr: Any, kept: int | None = None) -> Any:
    consts = len(jaxpr.constvars)
    return jax.core.eval_jaxpr(jaxpr, args[:consts], *args[consts:])


@_call.def_abstract_eval
def _(*args: Any, jaxpr: Any, kept: int | None) -> Any:
    made, axes = [v.aval for v in jaxpr.outvars], _axes(args)
    typed = jax.make_jaxpr(lambda: [_varied(jnp.zeros(a.shape, a.dtype), axes) for a in made])()
    return [v.aval for v in typed.jaxpr.outvars]


@in_our_modes
def _derivative(primals: Any, tangents: Any, *, jaxpr: Any, kept: int | None) -> Any:
    alive = [i for i, t in enumerate(tangents) if not isinstance(t, ad.Zero)]
    moved = [tangents[i] for i in alive]
    if kept is not None and alive[0] >= kept:
        axes, given = _axes(primals), [ad.instantiate_zeros(t) for t in tangents[kept:]]
        run = ft.partial(_call.bind, jaxpr=jaxpr, kept=kept)
        return run(*primals), run(*primals[:kept], *[_varied(t, axes) for t in given])
    floats = [jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in jaxpr.outvars]

    def ahead(values):
        def of(moved):
            out = _run(*[moved[alive.index(i)] if i in alive else x for i, x in enumerate(values)], jaxpr=jaxpr)
            return [x for x, f in zip(out, floats) if f], [x for x, f in zip(out, floats) if not f]

        some = [values[i] for i in alive]
        found, push, whole = jax.linearize(of, some, has_aux=True)
        push = jax.make_jaxpr(push)(some)  # which tells all that it keeps
        return found, whole, Partial(ft.partial(jax.core.eval_jaxpr, push.jaxpr), push.consts)

    found, whole, push = _apart(ahead, False, list(primals))
    slopes = iter(_apart(lambda push, moved: push(*moved), True, push, moved))
    found, whole = iter(found), iter(whole)
    out = [next(found if f else whole) for f in floats]
    return out, [next(slopes) if f else ad.Zero(jax.typeof(x).to_tangent_aval()) for f, x in zip(floats, out)]


@in_our_modes
def _transpose(given: Any, *args: Any, jaxpr: Any, kept: int) -> Any:
    asked = [i for i, g in enumerate(given) if not isinstance(g, ad.Zero)]
    like = [jax.ShapeDtypeStruct(a.aval.shape, a.aval.dtype) for a in args[kept:]]

    def back(fixed, given):
        def forth(moved):
            out = _run(*fixed, *moved, jaxpr=jaxpr)
            return [out[i] for i in asked]

        return jax.linear_transpose(forth, like)(given)[0]

    return [None] * kept + _apart(back, True, list(args[:kept]), [given[i] for i in asked])


@in_our_modes
def _batched(args: Any, dims: Any, *, jaxpr: Any, kept: int | None) -> Any:
    axes = [None if d is None else 0 for d in dims]
    args = [x if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(args, dims)]

    def many(fixed, moved):
        return jax.vmap(ft.partial(_run, jaxpr=jaxpr), axes)(*fixed, *moved)

    out = _apart(many, kept is not None, args[:kept], args[len(args) if kept is None else kept :])
    return out, [0] * len(out)


def _lowered(ctx: Any, *args: Any, **params: Any) -> Any:
    untyped = ctx.replace(avals_in=[jax.core.ShapedArray(a.shape, a.dtype) for a in ctx.avals_in])
    return mlir.lower_fun(_run, multiple_results=True)(untyped, *args, **params)


ad.primitive_jvps[_call] = _derivative
ad.primitive_transposes[_call] = _transpose
batching.primitive_batchers[_call] = _batched
mlir.register_lowering(_call, _lowered)
