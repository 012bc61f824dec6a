"""Arrays that `vmap` batches where others are batched, at no cost: nothing of it is left in a compiled program."""

from __future__ import annotations

from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad, batching, mlir

from ..graph import Primitive


def batched_alike(tree: Any, inputs: Any) -> Any:
    """The same arrays; under `vmap` all are batched if an input is, along the first axis.

    How a `custom_jvp` is batched JAX learns from the function, and believes of the results of its rule too where it takes the
    derivative of a jit or a loop that was batched before: other axes there give an error, or wrong gradients where lengths
    are equal (jax-ml/jax#16374).
    """
    seen = _seen.bind(*jax.tree.leaves(inputs))
    return jax.tree.map(lambda x: x if x.dtype == jax.dtypes.float0 else _alike.bind(x, seen), tree)


# Whether some of many arrays are batched is known by one number, so that none of them is kept for a derivative.

_seen = Primitive("seen")
_alike = Primitive("batched_alike")
_NUMBER = jax.core.ShapedArray((), np.dtype(np.float32))


@_seen.def_impl
def _(*arrays: Any) -> Any:
    return np.zeros((), np.float32)


@_seen.def_abstract_eval
def _(*arrays: Any) -> Any:
    return _NUMBER


def _seen_of_batch(arrays: Any, dims: Any) -> Any:
    size = next(x.shape[d] for x, d in zip(arrays, dims) if d is not None)
    return jnp.broadcast_to(_seen.bind(*arrays), (size,)), 0


@_alike.def_impl
def _(x: Any, seen: Any) -> Any:
    return x


@_alike.def_abstract_eval
def _(x: Any, seen: Any) -> Any:
    return x


def _alike_of_batch(args: Any, dims: Any) -> Any:
    (x, seen), (own, others) = args, dims
    x = jnp.broadcast_to(x, (seen.shape[others], *x.shape)) if own is None else jnp.moveaxis(x, own, 0)
    return _alike.bind(x, seen), 0  # which another `vmap` around this one may have batched


batching.primitive_batchers[_seen] = _seen_of_batch
batching.primitive_batchers[_alike] = _alike_of_batch
ad.primitive_jvps[_seen] = lambda primals, tangents: (_seen.bind(*primals), ad.Zero(_NUMBER))
ad.primitive_jvps[_alike] = lambda primals, tangents: (_alike.bind(*primals), tangents[0])
ad.primitive_transposes[_alike] = lambda given, x, seen: [given, None]
mlir.register_lowering(_seen, mlir.lower_fun(lambda *arrays: jnp.zeros((), jnp.float32), multiple_results=False))
mlir.register_lowering(_alike, lambda ctx, x, seen: [x])
