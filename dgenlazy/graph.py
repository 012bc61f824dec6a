"""The lazy graph: immutable nodes, leaves that hold data, and the walk over both."""

from __future__ import annotations

import abc
import numbers
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .config import real_array
from .errors import ArgumentError

FLOAT = np.dtype(np.float32)


@dataclass(frozen=True, slots=True)
class Spec:
    """What one frame of a value looks like, its type and its rate.

    Attributes:
        shape: Of one frame.
        signal: Whether it is of the Signal family (the type).
        hop: A new value every `hop` frames; None where it does not vary from frame to frame (the rate).
        dtype: Of an element.
    """

    shape: tuple[int, ...] = ()
    signal: bool = False
    hop: int | None = None
    dtype: np.dtype = FLOAT

    @property
    def varies(self) -> bool:
        return self.hop is not None


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Node:
    """One operation applied to earlier nodes. Compared by identity, never mutated."""

    op: Any  # an Op
    inputs: tuple[Any, ...]  # of Node and Leaf
    params: tuple[tuple[str, Hashable], ...]
    spec: Any  # a Spec; of an op with several outputs, a tuple of them
    requires_grad: bool


@dataclass(eq=False, slots=True, weakref_slot=True)
class Leaf(abc.ABC):
    """A value that enters the graph from outside. Its data is passed at run time."""

    spec: Spec
    requires_grad: bool = field(default=False, kw_only=True)
    inputs: tuple[()] = field(default=(), init=False)


@dataclass(eq=False, slots=True)
class Number(Leaf):
    """A Python number. All numbers of a graph travel as one packed argument."""

    number: float


@dataclass(eq=False, slots=True)
class Data(Leaf):
    """An array: a constant or a parameter, or with `spec.hop` set the samples of a signal, `(frames, *shape)`.

    `low` and `high` are the bounds a parameter is kept inside; `grad` is what `backward` has added up so far.
    """

    array: Any  # of NumPy, or of JAX once it has been placed on a device
    low: float = -np.inf
    high: float = np.inf
    grad: Any = None


@dataclass(eq=False, slots=True)
class Input(Leaf):
    """An audio input channel."""

    channel: int


@dataclass(eq=False, slots=True)
class Seed(Leaf):
    """What a noise is keyed by: a number given by the user, or None for its position in the graph."""

    seed: int | None


@dataclass(eq=False, slots=True)
class Hole(Leaf):
    """The previous output inside the body of a feedback loop."""


class Value(abc.ABC):
    """What users hold: a node and its class. The three final classes live in `values`."""

    node: Node | Leaf

    @staticmethod
    @abc.abstractmethod
    def wrap(node: Node | Leaf) -> Any:
        """The value whose class follows from the spec of `node`."""


def lift(x: Any, name: str = "value") -> Node | Leaf:
    """The node behind `x`; a number or an array becomes a constant leaf."""
    if isinstance(x, Value):
        return x.node
    if isinstance(x, (Node, Leaf)):
        return x
    if isinstance(x, numbers.Real):
        try:
            return Number(_SCALAR, float(x))
        except OverflowError:
            raise ArgumentError(f"{name}: {x!r} is beyond the range of a float") from None
    if isinstance(x, (np.ndarray, list, tuple)) or hasattr(x, "__array__"):
        array = real_array(name, x)
        return Data(Spec(array.shape), array)
    raise ArgumentError(f"{name}: {x!r} is not a Tensor, Signal, SignalTensor, number or array")


_SCALAR = Spec()


def toposort(roots: Iterable[Node | Leaf], leaves: Iterable[Node | Leaf] = ()) -> list[Node | Leaf]:
    """`leaves`, then every other node below `roots`, inputs first and in the order of a depth-first walk.

    The walk does not go below `leaves`. It is iterative, so that the depth of a graph does not matter.
    """
    order = list(leaves)
    seen = set(order)
    stack = list(reversed(list(roots)))
    while stack:
        node = stack[-1]
        if node in seen:
            stack.pop()
            continue
        waiting = [i for i in node.inputs if i not in seen]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            seen.add(node)
            order.append(node)
            stack.pop()
    return order
