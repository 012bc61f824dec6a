"""Activations of networks, element by element."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import pointwise
from .slopes import magnitude

_SQRT_HALF = float(np.sqrt(0.5))


@pointwise
def softplus(x):
    """Smooth `relu`: `log(1 + exp(x))`, above 0.

    >>> Tensor([0.0, 100.0]).softplus().realize()
    array([  0.6931472, 100.       ], dtype=float32)
    """
    return jax.nn.softplus(x)


@pointwise
def softsign(x):
    """`x / (1 + |x|)`, into (-1, 1), nearing its ends slowly.

    >>> Tensor([0.0, 1.0, -3.0]).softsign().realize()
    array([ 0.  ,  0.5 , -0.75], dtype=float32)
    """
    return x / (1 + magnitude(x))


@pointwise
def leaky_relu(x, slope=0.01):
    """`x` above 0 and `slope` times `x` below; the gradient at 0 is `slope`. `slope` may be learned.

    >>> Tensor([-1.0, 2.0]).leaky_relu(0.25).realize()
    array([-0.25,  2.  ], dtype=float32)
    """
    return jnp.where(x > 0, x, slope * x)


@pointwise
def gelu(x):
    """`x` times the share of a normal distribution below it, by the exact error function, as PyTorch's default.

    >>> Tensor([0.0, 1.0]).gelu().realize()
    array([0.        , 0.84134...], dtype=float32)
    """
    return x * (0.5 + 0.5 * lax.erf(x * _SQRT_HALF))
