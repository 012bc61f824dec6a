"""Comparisons: 1 where it is so, else 0."""

from __future__ import annotations

import jax.numpy as jnp

from ..graph import pointwise


@pointwise
def equal(x, y):
    """1 where `x == y`, else 0; the gradient is 0. NaN equals nothing, not even NaN.

    >>> (Tensor([1.0, 3.0]) == 3).realize()
    array([0., 1.], dtype=float32)
    """
    return (x == y).astype(jnp.result_type(x, y))


@pointwise
def not_equal(x, y):
    """1 where `x != y`, else 0; the gradient is 0. NaN equals nothing, not even NaN.

    >>> (Tensor([1.0, 3.0]) != 3).realize()
    array([1., 0.], dtype=float32)
    """
    return (x != y).astype(jnp.result_type(x, y))


@pointwise
def greater(x, y):
    """1 where `x > y`, else 0; the gradient is 0.

    >>> (Tensor([1.0, 3.0]) > 2).realize()
    array([0., 1.], dtype=float32)
    """
    return (x > y).astype(jnp.result_type(x, y))


@pointwise
def greater_equal(x, y):
    """1 where `x >= y`, else 0; the gradient is 0.

    >>> (Tensor([1.0, 2.0]) >= 2).realize()
    array([0., 1.], dtype=float32)
    """
    return (x >= y).astype(jnp.result_type(x, y))


@pointwise
def less(x, y):
    """1 where `x < y`, else 0; the gradient is 0.

    >>> (Tensor([1.0, 3.0]) < 2).realize()
    array([1., 0.], dtype=float32)
    """
    return (x < y).astype(jnp.result_type(x, y))


@pointwise
def less_equal(x, y):
    """1 where `x <= y`, else 0; the gradient is 0.

    >>> (Tensor([2.0, 3.0]) <= 2).realize()
    array([1., 0.], dtype=float32)
    """
    return (x <= y).astype(jnp.result_type(x, y))


@pointwise
def isfinite(x):
    """1 where `x` is neither infinite nor NaN, else 0; the gradient is 0.

    >>> Tensor([1.0, np.inf, np.nan]).isfinite().realize()
    array([1., 0., 0.], dtype=float32)
    """
    return jnp.isfinite(x).astype(x.dtype)
