"""Losses that are taken frame by frame."""

from __future__ import annotations

import jax.numpy as jnp

from ..graph import pointwise


@pointwise
def mse(pred, target):
    """Mean of the squared error over the elements of a frame.

    Args:
        pred, target: Shapes that broadcast.

    Returns:
        Shape (): of Tensors a Tensor, else a Signal, one error per frame (`backward` takes the mean over frames).

    >>> dg.mse(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).realize()
    array(2., dtype=float32)
    >>> dg.mse(Signal.from_samples([1.0, 2.0]), 1.0).realize()
    array([0., 1.], dtype=float32)
    """
    return jnp.mean((pred - target) ** 2)
