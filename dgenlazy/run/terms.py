"""A loss as a sum of terms, so that each counts as often as it comes: once where it does not vary, else at its own ticks.

How often a part counts must not depend on how a loss is written. So a sum of parts that come at different rates is followed
through every op that is linear. An op that mixes them makes one term of them, at the rate of the fastest. An op that may hand
on the sum as it is, or not, which is not known before it runs, is an error where the terms are summed over frames.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError
from ..graph import Leaf, Node, Number, Recurrence, lift, pick, toposort
from ..ops import activation, amplified, index, math, spectrum, tensor
from .program import flat
from .stage import Staged, restage

# Linear in all inputs together; in one, if the others do not vary; in some, if the others do not vary.
_LINEAR = {
    *(math.add, math.sub, math.neg, tensor.sum, tensor.mean, tensor.cumsum),
    *(tensor.reshape, tensor.transpose, tensor.flip, tensor.concatenate, tensor.join, index.slices),
    *(spectrum.spectrum_of, spectrum.signal_of, pick, index.detached),
}
_PRODUCTS = {math.mul, tensor.matmul, tensor.contract, tensor.conv1d, tensor.conv2d}
_PARTLY = {math.div: (0,), amplified: (0,), index.gather: (0,), index.peek_row: (0,), index.where: (1, 2)}

# What may hand on a sum as it is, beside recurrences and the functions of users.
_CHOICES = {
    *(math.abs, math.relu, activation.leaky_relu, math.clamp, math.mod, math.minimum, math.maximum, tensor.amin, tensor.amax),
    *(math.power, math.floor, math.ceil, math.round, math.floor_divide, spectrum.magnitude, index.where, index.peek_row),
}


class Parts(NamedTuple):
    """A value as a sum of nodes: by hop, None for that which does not vary.

    Attributes:
        unsure: An op that may hand on the sum that it is given as it is, or not.
    """

    terms: dict[int | None, Any]
    unsure: Any = None


_staged: weakref.WeakKeyDictionary[Node, tuple[Staged, Any]] = weakref.WeakKeyDictionary()


def staged_terms(root: Node, total: bool) -> Staged:
    """The terms of `root` as one graph, to be averaged or, if `total`, summed; remembered as long as `root` lives."""
    out = _staged.get(root)
    if out is None:
        out = _staged[root] = restage(terms(root)), _summed(root).unsure
    graph, unsure = out
    if unsure and total:
        name = unsure.__name__
        raise ArgumentError(
            "backward: reduction='sum' counts once what does not vary from frame to frame, and what comes at a hop once a "
            f"tick, but here that is added to what comes more often before {name}, which may hand on the sum as it is, or "
            f"not; add it after {name}, or take the mean"
        )
    return graph


def terms(root: Any) -> list[Any]:
    """The nodes that add up to `root`, each at a rate of its own."""
    found = _summed(root).terms
    return [found[hop] for hop in sorted(found, key=lambda hop: hop or 0)]


def _summed(root: Any) -> Parts:
    """The parts of `root`."""
    found: dict[Any, Parts] = {}
    for node in toposort([root]):
        hop = _hop(node)
        found[node] = Parts({hop: node}) if hop is None or isinstance(node, Leaf) else _parts(node, hop, found)
    return found[root]


def _hop(node: Any) -> int | None:
    return next((s.hop for s in flat([node.spec]) if s.varies), None)


def _parts(node: Any, hop: int, found: dict[Any, Parts]) -> Parts:
    """The parts of a node that comes every `hop` frames, by those of its inputs."""
    given = [found[i] for i in node.inputs]
    unsure = next((p.unsure for p in given if p.unsure), None)
    added = _added(node)
    hops = list(dict.fromkeys(h for k in added for h in given[k].terms))
    if len(hops) > 1:
        return Parts({h: _of(node, added, [parts.terms.get(h) for parts in given]) for h in hops}, unsure)
    if not added and (unsure or any(len(p.terms) > 1 for p in given)):
        if (node.op in _CHOICES and not _bends(node)) or node.op.foreign or isinstance(node.op, Recurrence):
            return Parts({hop: node}, unsure or node.op)
    return Parts({hop: node}, unsure if added else None)


def _added(node: Any) -> tuple[int, ...]:
    """Those inputs of a node that varies which it is linear in together, if all that vary are among them."""
    if node.op in _LINEAR:
        return tuple(range(len(node.inputs)))
    vary = tuple([k for k, i in enumerate(node.inputs) if any(s.varies for s in flat([i.spec]))])
    if node.op in _PRODUCTS:
        return vary if len(vary) == 1 else ()
    linear = (0,) if node.op is math.power and _exponent(node) == 1 else _PARTLY.get(node.op, ())
    return linear if set(vary) <= set(linear) else ()


def _bends(node: Any) -> bool:
    """Whether it is a power that is known not to be the first."""
    return node.op is math.power and _exponent(node) not in (None, 1)


def _exponent(node: Any) -> float | None:
    """Of a power: what it is raised to, where that is a number for good."""
    by = node.inputs[1]
    return by.number if isinstance(by, Number) else None


def _of(node: Any, added: tuple[int, ...], parts: list[Any]) -> Any:
    """The op of `node` of one part of each of the inputs that it adds up."""
    inputs = list(node.inputs)
    for k in added:
        inputs[k] = lift(np.zeros(inputs[k].spec.shape, np.float32)) if parts[k] is None else parts[k]
    return node.op.node(*inputs, params=node.params)
