"""Losses that are taken frame by frame, and what any loss can compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ..errors import ShapeError
from ..graph import Leaf, Node, Value, composite, lift, pointwise


def alike(name: str, given: Sequence[Any], nodes: Sequence[Any]) -> None:
    """Raise a ShapeError unless a loss can compare what `nodes` were made of: equal hops and shapes, or a number."""
    one, two = nodes[0].spec, nodes[1].spec
    if not one.shape and not two.shape and one.hop == two.hop:
        return
    for role, x, node, other in zip(("pred", "target"), given, nodes, nodes[::-1]):
        if node.spec.shape and other.spec.signal and not isinstance(x, (Value, Node, Leaf)):
            fix = "Signal.from_samples(...) gives one for each frame, Tensor(...) the same lanes in every frame"
            raise ShapeError(f"{name}: {role} is an array of {node.spec.shape} beside a Signal, samples or lanes: {fix}")
    hops = sorted({node.spec.hop for node in nodes if node.spec.hop})
    if len(hops) > 1:
        fix = 'upsample("hold") or downsample() one of them'
        raise ShapeError(f"{name}: it takes values of one hop, not every {hops[0]} and every {hops[1]} frames: {fix}")
    if one.shape and two.shape and one.shape != two.shape:
        raise ShapeError(f"{name}: cannot combine {one.shape} with {two.shape}: a loss takes equal shapes, or a number")


@pointwise
def squared_error(pred, target):
    return jnp.mean((pred - target) ** 2)


squared_error.__name__ = "mse"  # in programs: the only op that uses it


@composite
def mse(pred: Any, target: Any) -> Any:
    """Mean of the squared error over the elements of a frame.

    Args:
        pred, target: Of equal shapes, or one of shape (), a number or one per frame. Beside a Signal, an array is to say what
            it holds: `Signal.from_samples(array)` one value per frame, `Tensor(array)` lanes, the same in every frame.

    Returns:
        Shape (): of Tensors a Tensor, else a Signal, one error per frame (`backward` takes the mean over frames).

    Raises:
        ShapeError: the shapes differ, or the hops, or an array with axes stands beside a Signal.

    >>> dg.mse(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).realize()
    array(2., dtype=float32)
    >>> dg.mse(Signal.from_samples([1.0, 2.0]), 1.0).realize()
    array([0., 1.], dtype=float32)
    """
    nodes = lift(pred, "mse"), lift(target, "mse")
    alike("mse", (pred, target), nodes)
    return squared_error.node(*nodes)
