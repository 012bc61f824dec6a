"""Running sums in float64, which a CPU adds as fast as float32, whatever types JAX was told to have.

A float32 sum that carries what rounding leaves of it takes two to four times as long as one that does not. JAX has float64 only
where that is switched on, and its transformations stumble where it is on for a part. So none of them sees the loop: it is an
operation of float32 to them, of its own, and traced where it becomes machine code.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import batching, mlir

from ..graph import Primitive, in_our_modes, with_float64

_AT_ONCE = 4  # frames of one lane in an iteration, which by itself costs more than to add


def summed(start: tuple[Any, Any], restart: Any, x: Any, reverse: bool = False) -> tuple[tuple[Any, Any], Any]:
    """Running sum of `x`, a row for each frame, from the pair `start` on: `(last pair, all)`.

    Before a frame where `restart` is true it begins anew; that has a row for each frame, too, or one for all.
    """
    first, rest, y = _summed.bind(*start, restart, x, reverse=reverse)
    return (first, rest), y


def _run(first: Any, rest: Any, restart: Any, x: Any, *, reverse: bool) -> list[Any]:
    def wide(x):
        return lax.convert_element_type(x, np.float64)

    def narrow(x):
        """NaN where it is infinite, or beyond float32, from where the next block could not go on."""
        y = lax.convert_element_type(x, first.dtype)
        return y + (y - y)

    none, moves = wide(jnp.zeros_like(first)), restart.shape[0] != 1

    def frame(total, moving):
        x, again = (*moving, *(() if moves else restart))
        total = lax.select(jnp.broadcast_to(again, total.shape), none, total) + wide(x)
        return total, narrow(total)

    def several(total, moving):
        rows: list[Any] = [None] * len(moving[0])
        for n in range(len(rows))[:: -1 if reverse else 1]:
            total, rows[n] = frame(total, [m[n] for m in moving])
        return total, jnp.stack(rows)

    frames, moving = x.shape[0], [x, restart] if moves else [x]
    size = _AT_ONCE if first.size == 1 and isinstance(frames, int) else 1
    cut = frames // size * size
    rows = moving if size == 1 else [m[:cut].reshape(cut // size, size, *m.shape[1:]) for m in moving]
    left = [m[cut:] for m in moving] if cut != frames else []
    total: Any = wide(first) + wide(rest)
    after: Any = None
    if left and reverse:
        total, after = several(total, left)
    total, y = lax.scan(frame if size == 1 else several, total, rows, reverse=reverse)
    if left and not reverse:
        total, after = several(total, left)
    y = y.reshape(cut, *x.shape[1:])
    last = narrow(total)
    lost = lax.convert_element_type(total - wide(last), last.dtype)
    return [last, lost, jnp.concatenate([y, after]) if left else y]


_summed = Primitive("running_sum")
_summed.multiple_results = True


_summed.def_impl(jax.jit(_summed.bind, static_argnames="reverse"))  # one function, that a call outside of a jit compiles once


@_summed.def_abstract_eval
def _(first: Any, rest: Any, restart: Any, x: Any, *, reverse: bool) -> Any:
    axes = [a.vma for a in (first, rest, restart, x) if getattr(a, "vma", None)]  # of a mesh, along which they differ
    more: Any = {"vma": frozenset().union(*axes)} if axes else {}
    return [jax.core.ShapedArray(a.shape, first.dtype, **more) for a in (first, first, x)]


@in_our_modes
def _batched(args: Any, dims: Any, *, reverse: bool) -> Any:
    """Examples are lanes like any others."""
    size = next(x.shape[d] for x, d in zip(args, dims) if d is not None)

    def along(x, d, axis):
        if d is not None:
            return jnp.moveaxis(x, d, axis)
        return jnp.broadcast_to(jnp.expand_dims(x, axis), (*x.shape[:axis], size, *x.shape[axis:]))

    return _summed.bind(*[along(x, d, axis) for x, d, axis in zip(args, dims, (0, 0, 1, 1))], reverse=reverse), [0, 0, 1]


def _lowered(ctx: Any, *args: Any, **params: Any) -> Any:
    with with_float64(True):
        return _lower(ctx, *args, **params)


_lower = mlir.lower_fun(in_our_modes(_run), multiple_results=True)
batching.primitive_batchers[_summed] = _batched
mlir.register_lowering(_summed, _lowered)
