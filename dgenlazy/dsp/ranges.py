"""What the parameters of effects may be: numbers outside of a range are errors, what moves or is learned is kept inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..graph import Data, Leaf, Node, Number, lift
from ..ops import clamp


def kept(name: str, value: Any, low: float, high: float = np.inf) -> Node | Leaf:
    """The node of a parameter, in [low, high]."""
    node: Any = lift(value, name)
    known = number_of(node)
    if known is not None:
        if not (low <= known <= high and np.isfinite(known)):
            allowed = f"is not a number from {low:g} on" if high == np.inf else f"is not inside [{low:g}, {high:g}]"
            raise ArgumentError(f"{name}={known:g} {allowed}")
        return node
    if isinstance(node, Data) and not node.spec.varies and not node.requires_grad:
        array = np.asarray(node.array)
        outside = array[~((array >= low) & (array <= high))]
        if outside.size:
            kept(name, float(outside[0]), low, high)
    return clamp(node, low, high)


def number_of(node: Node | Leaf) -> float | None:
    """The number that a parameter is, if it is one and stays so."""
    return node.number if isinstance(node, Number) else None
