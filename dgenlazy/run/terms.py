"""A loss as a sum of terms, so that what does not vary from frame to frame counts once in a sum over frames.

What counts once must not depend on how a loss is written. So a sum of a part that varies and one that does not is followed
through every op that is linear. An op that mixes the two makes one term of them, which varies. An op that may hand on the sum
as it is, or not, which is not known before it runs, is an error.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError
from ..graph import Leaf, Node, Recurrence, lift, pick, toposort
from ..ops import index, math, tensor
from .program import flat
from .stage import Staged, restage

# Linear in all inputs together; in one, if the others do not vary; in some, if the others do not vary.
_LINEAR = {
    *(math.add, math.sub, math.neg, tensor.sum, tensor.mean, tensor.cumsum),
    *(tensor.reshape, tensor.transpose, tensor.concatenate, tensor.join, index.slices),
}
_PRODUCTS = {math.mul, tensor.matmul, tensor.conv1d, tensor.conv2d}
_PARTLY = {math.div: (0,), index.gather: (0,), index.peek_row: (0,), index.where: (1, 2)}

# What may hand on a sum as it is, beside recurrences and the functions of users.
_CHOICES = {
    *(math.abs, math.relu, math.clamp, math.mod, math.minimum, math.maximum, tensor.amin, tensor.amax),
    *(index.where, index.peek_row, pick),
}


class Parts(NamedTuple):
    """A value as a sum of a node that does not vary and one that does; either may be None.

    Attributes:
        unsure: An op that may hand on the sum that it is given as it is, or not.
    """

    still: Any
    moving: Any
    unsure: Any = None


_staged: weakref.WeakKeyDictionary[Node, Staged] = weakref.WeakKeyDictionary()


def staged_terms(root: Node) -> Staged:
    """The terms of `root` as one graph; remembered as long as `root` lives."""
    out = _staged.get(root)
    if out is None:
        still, moving, unsure = summed(root)
        if unsure:
            name = unsure.__name__
            raise ArgumentError(
                "backward: reduction='sum' counts once what does not vary from frame to frame, but here that is added to what "
                f"does before {name}, which may hand on the sum as it is, or not; add it after {name}, or take the mean"
            )
        out = _staged[root] = restage([part for part in (still, moving) if part is not None])
    return out


def summed(root: Node) -> Parts:
    """The parts of `root`."""
    found: dict[Any, Parts] = {}
    for node in toposort([root]):
        found[node] = _parts(node, found) if any(s.varies for s in flat([node.spec])) else Parts(node, None)
    return found[root]


def _parts(node: Any, found: dict[Any, Parts]) -> Parts:
    """The parts of a node that varies, by those of its inputs."""
    given = [found[i] for i in node.inputs]
    unsure = next((p.unsure for p in given if p.unsure), None)
    added = _added(node)
    if added and (unsure or any(given[k].still is not None for k in added)):
        still, moving = (_of(node, added, [parts[kind] for parts in given]) for kind in (0, 1))
        return Parts(still, moving, unsure)
    if not added and (unsure or any(p.still is not None and p.moving is not None for p in given)):
        if node.op in _CHOICES or node.op.foreign or isinstance(node.op, Recurrence):
            return Parts(None, node, unsure or node.op)
    return Parts(None, node)


def _added(node: Any) -> tuple[int, ...]:
    """Those inputs of a node that varies which it is linear in together, if all that vary are among them."""
    if isinstance(node, Leaf):
        return ()
    if node.op in _LINEAR:
        return tuple(range(len(node.inputs)))
    vary = tuple([k for k, i in enumerate(node.inputs) if any(s.varies for s in flat([i.spec]))])
    if node.op in _PRODUCTS:
        return vary if len(vary) == 1 else ()
    linear = _PARTLY.get(node.op, ())
    return linear if set(vary) <= set(linear) else ()


def _of(node: Any, added: tuple[int, ...], parts: list[Any]) -> Any:
    """The op of `node` of one part of each of the inputs that it adds up; None if there is none of it in any."""
    if all(parts[k] is None for k in added):
        return None
    inputs = list(node.inputs)
    for k in added:
        inputs[k] = lift(np.zeros(inputs[k].spec.shape, np.float32)) if parts[k] is None else parts[k]
    return node.op.node(*inputs, params=node.params)
