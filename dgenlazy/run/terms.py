"""A loss as a sum of terms, so that what does not vary from frame to frame counts once in a sum over frames."""

from __future__ import annotations

import weakref
from typing import Any

from ..graph import Leaf, Node, toposort
from ..ops import math
from .stage import Staged, flat, restage

_staged: weakref.WeakKeyDictionary[Node, Staged] = weakref.WeakKeyDictionary()


def staged_terms(root: Node) -> Staged:
    """`summed(root)` as one graph; remembered as long as `root` lives."""
    out = _staged.get(root)
    if out is None:
        out = _staged[root] = restage([part for part in summed(root) if part is not None])
    return out


def summed(root: Node) -> tuple[Any, Any]:
    """`root` as a sum `(fixed, moving)` of a node that does not vary and one that does; either may be None."""
    parts: dict[Any, tuple[Any, Any]] = {}
    for node in toposort([root]):
        if not any(s.varies for s in flat([node.spec])):
            parts[node] = node, None
            continue
        parts[node] = None, node
        if isinstance(node, Leaf) or any(s.shape for i in (node, *node.inputs) for s in flat([i.spec])):
            continue
        if node.op in (math.add, math.sub):
            pairs = zip(*(parts[i] for i in node.inputs))
            parts[node] = tuple(_joined(node.op, a, b) for a, b in pairs)  # type: ignore[assignment]
        elif node.op in (math.mul, math.div, math.neg):
            moving = [i for i in node.inputs if i.spec.varies]
            if len(moving) == 1 and (node.op is not math.div or moving[0] is node.inputs[0]):
                parts[node] = tuple(_scaled(node, moving[0], part) for part in parts[moving[0]])  # type: ignore[assignment]
    return parts[root]


def _joined(op: Any, a: Any, b: Any) -> Any:
    if b is None:
        return a
    return op.node(a, b) if a is not None else b if op is math.add else math.neg.node(b)


def _scaled(node: Node, moving: Any, part: Any) -> Any:
    return None if part is None else node.op.node(*[part if i is moving else i for i in node.inputs])
