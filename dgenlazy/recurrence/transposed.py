"""A linear function that knows its transpose, where that is faster than what JAX makes of the function.

`jax.custom_vjp` has no derivative forwards, and `jax.lax.custom_linear_solve`, made for systems of equations, traces both ways
and what they solve whenever it is called. This has all derivatives, of any order, and traces what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.interpreters import ad, batching, mlir

from ..graph import Primitive, in_our_modes
from .alike import batched_alike


def with_transpose(forth: Callable[..., Any], back: Callable[..., Any], like: Sequence[Any]) -> Callable[..., Any]:
    """`forth(kept, moved)`, linear in the arrays `moved`, whose transpose is `back(kept, given)`.

    Args:
        forth: Of lists of arrays of floating-point numbers, as all here. May be called later, and by itself knows all else.
        back: Equal to JAX's transpose of `forth`, which takes its place in derivatives.
        like: Arrays or shapes with types, as `forth` returns.
    """

    @jax.custom_jvp
    def fast(kept, given):
        return batched_alike(back(kept, given), (kept, given))

    @fast.defjvp
    @in_our_modes
    def _(primals, tangents):
        def slow(kept, given):
            return jax.linear_transpose(lambda moved: forth(kept, moved), fast_like(*primals))(given)[0]

        return batched_alike((fast(*primals), jax.jvp(slow, primals, tangents)[1]), primals)

    def fast_like(kept, given):
        return jax.eval_shape(back, kept, given)

    def call(kept: list[Any], moved: list[Any]) -> list[Any]:
        shapes = tuple((x.shape, x.dtype) for x in like)
        return _linear.bind(*kept, *moved, count=len(kept), shapes=shapes, forth=forth, back=fast)

    return call


_linear = Primitive("linear_by_rule")
_linear.multiple_results = True


@_linear.def_impl
def _run(*args: Any, count: int, shapes: Any, forth: Any, back: Any) -> Any:
    return forth(list(args[:count]), list(args[count:]))


@_linear.def_abstract_eval
def _(*args: Any, count: int, shapes: Any, forth: Any, back: Any) -> Any:
    axes = [a.vma for a in args if getattr(a, "vma", None)]  # of a mesh, along which they differ
    return [jax.core.ShapedArray(*s, **({"vma": frozenset().union(*axes)} if axes else {})) for s in shapes]


@in_our_modes
def _derivative(primals: Any, tangents: Any, **params: Any) -> Any:
    count = params["count"]
    alive = [i for i, t in enumerate(tangents) if not isinstance(t, ad.Zero)]
    if not alive or alive[0] >= count:
        moved = [ad.instantiate_zeros(t) for t in tangents[count:]]
        return _linear.bind(*primals, **params), _linear.bind(*primals[:count], *moved, **params)

    def of(moved):
        values = list(primals)
        for i, x in zip(alive, moved):
            values[i] = x
        return _run(*values, **params)

    return jax.jvp(of, ([primals[i] for i in alive],), ([tangents[i] for i in alive],))


@in_our_modes
def _transpose(given: Any, *args: Any, count: int, shapes: Any, forth: Any, back: Any) -> Any:
    made = back(list(args[:count]), [ad.instantiate_zeros(g) for g in given])
    return [None] * count + [x if ad.is_undefined_primal(a) else None for x, a in zip(made, args[count:])]


@in_our_modes
def _batched(args: Any, dims: Any, *, count: int, shapes: Any, forth: Any, back: Any) -> Any:
    size = next(x.shape[d] for x, d in zip(args, dims) if d is not None)
    args = [x if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(args, dims)]
    moved = [x if d is not None else jnp.broadcast_to(x, (size, *x.shape)) for x, d in zip(args[count:], dims[count:])]
    axes = [None if d is None else 0 for d in dims[:count]], 0
    params = {"forth": jax.vmap(forth, axes), "back": jax.vmap(back, axes)}
    out = _linear.bind(*args[:count], *moved, count=count, shapes=tuple(((size, *s), t) for s, t in shapes), **params)
    return out, [0] * len(out)


ad.primitive_jvps[_linear] = _derivative
ad.primitive_transposes[_linear] = _transpose
batching.primitive_batchers[_linear] = _batched
mlir.register_lowering(_linear, mlir.lower_fun(_run, multiple_results=True))
