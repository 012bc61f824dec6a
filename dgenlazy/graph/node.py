"""The lazy graph: immutable nodes, leaves that hold data, and the walk over both."""

from __future__ import annotations

import abc
import functools as ft
import math
import numbers
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import numpy as np

from ..config import real_array
from ..errors import ArgumentError

FLOAT = np.dtype(np.float32)
Lists = Annotated[Any, "numbers in lists, too"]  # the type of an argument: a value, or what `Tensor` takes


class Abstract(abc.ABCMeta):
    """Of abstract classes that nothing is registered with: `isinstance` is asked a hundred times a run, and ABCMeta is slow."""

    if not TYPE_CHECKING:
        __instancecheck__ = type.__instancecheck__


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
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.shape, self.signal, self.hop, self.dtype)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> Any:
        return Spec, (self.shape, self.signal, self.hop, self.dtype)  # a hash is of one process

    @property
    def varies(self) -> bool:
        return self.hop is not None

    @property
    def every(self) -> int:
        """Frames from one value to the next, as a number also where it does not vary."""
        return self.hop or 1


@dataclass(eq=False, slots=True, weakref_slot=True)  # not frozen, which takes three times as long to make
class Node:
    """One operation applied to earlier nodes. Compared by identity, never mutated once a user holds it."""

    op: Any  # an Op
    inputs: tuple[Any, ...]  # of Node and Leaf
    params: tuple[tuple[str, Hashable], ...]
    spec: Any  # a Spec; of an op with several outputs, a tuple of them
    requires_grad: bool
    part_of: str = ""  # of the composite whose result it is, the name; only people read it
    period: int = 1  # frames after which all that it is made of has a new value at once again
    given: tuple[Any, ...] = ()  # to that composite, of Node and Leaf: what is between is its inside; only people see it

    @property
    def name(self) -> str:
        """What a user called: a composite, or an op; of one output among several, the op that has them."""
        several = isinstance(self.inputs[0], Node) and isinstance(self.inputs[0].spec, tuple) if self.inputs else False
        return self.part_of or (self.inputs[0].name if several else self.op.__name__)


@dataclass(eq=False, slots=True, weakref_slot=True)
class Leaf(metaclass=Abstract):
    """A value that enters the graph from outside. Its data is passed at run time."""

    spec: Spec
    requires_grad: bool = field(default=False, kw_only=True)
    inputs: tuple[()] = field(default=(), init=False)

    @property
    def period(self) -> int:
        return self.spec.hop or 1


@dataclass(eq=False, slots=True)
class Number(Leaf):
    """A Python number. All numbers of a graph travel as one packed argument."""

    number: float


@dataclass(eq=False, slots=True)
class Data(Leaf):
    """An array: a constant or a parameter, or with `spec.hop` set the samples of a signal, `(frames, *shape)`.

    One that is batched has an axis more, the first, of one such array per example; `spec` is that of an example.
    `low` and `high` are the bounds a parameter is kept inside; `grad` is what `backward` has added up so far. `longest` is the
    most that delays hold which were made of it as a time, in frames, where nothing else said how long it may become.
    """

    array: Any  # of NumPy, or of JAX once it has been placed on a device
    low: float = -np.inf
    high: float = np.inf
    grad: Any = None
    longest: float = np.inf

    @property
    def batched(self) -> bool:
        return self.array.ndim > len(self.spec.shape) + self.spec.varies

    @property
    def frames(self) -> int:
        """How many there are, of samples: each lasts until the next."""
        return self.array.shape[self.array.ndim - len(self.spec.shape) - 1] * self.spec.every


def checked(name: str, array: np.ndarray, requires_grad: bool, low: float, high: float) -> np.ndarray:
    """Data of a leaf. What is learned must be finite and inside its bounds."""
    if requires_grad and not (np.isfinite(array).all() if array.ndim else math.isfinite(array)):
        wrong = array[~np.isfinite(array)][0]
        raise ArgumentError(f"{name}: a value that is learned must be finite, this one is {wrong}")
    if (low > -np.inf and (array < low).any()) or (high < np.inf and (array > high).any()):
        raise ArgumentError(f"{name}: {array.min()} to {array.max()} is not inside [{low}, {high}]")
    return array


@dataclass(eq=False, slots=True)
class Input(Leaf):
    """An audio input channel."""

    channel: int


@dataclass(eq=False, slots=True)
class Seed(Leaf):
    """What a noise is keyed by beside `DGen.seed`.

    Attributes:
        seed: Given by the user, or None.
        number: Of one that was given no seed: how many there were before it.
    """

    seed: int | None
    number: int


@dataclass(eq=False, slots=True)
class Hole(Leaf):
    """The previous output inside the body of a feedback loop."""


class Value(metaclass=Abstract):
    """What users hold: a node and its class. The three final classes live in `values`."""

    __slots__ = ()  # a misspelt attribute is an error
    node: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of one frame; frames themselves are not counted.

        >>> Signal.phasor(Tensor([440, 880, 1320])).shape
        (3,)
        """
        return self.node.spec.shape

    @property
    def ndim(self) -> int:
        """Number of axes of one frame: 0 for a Signal.

        >>> Tensor([[1, 2], [3, 4]]).ndim
        2
        """
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of one frame: 1 for a Signal.

        >>> Tensor([[1, 2, 3], [4, 5, 6]]).size
        6
        """
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of an element: float32, whatever it was made of.

        >>> Tensor([1, 2]).dtype
        dtype('float32')
        """
        return self.node.spec.dtype

    @property
    def is_frame_varying(self) -> bool:
        """True for the Signal family, False for a Tensor. It is the type: `Signal.constant` counts as varying.

        >>> Signal.phasor(440.0).is_frame_varying, Tensor([440.0]).is_frame_varying
        (True, False)
        """
        return self.node.spec.signal

    @property
    def requires_grad(self) -> bool:
        """Whether it is learned, or computed from something that is.

        >>> w = Tensor([1.0], requires_grad=True)
        >>> (w * 2).requires_grad
        True
        """
        return self.node.requires_grad

    def __bool__(self) -> NoReturn:
        hint = "`==` compares elements, `is` the values themselves, also in place of `in` a list"
        raise ArgumentError(f"bool: a lazy value is neither true nor false; use where(), or realize() it first ({hint})")

    def __contains__(self, x: Any) -> NoReturn:
        raise ArgumentError("in: a lazy value does not know its elements; use realize() first")

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len: a single number has no length; its frames are not counted until realize(frames)")
        return self.shape[0]

    @staticmethod
    @abc.abstractmethod
    def wrap(node: Node | Leaf) -> Any:
        """The value whose class follows from the spec of `node`."""


def needs_value(name: str, x: Any) -> Any:
    """`x`, if it is what users hold."""
    if not isinstance(x, Value):
        raise ArgumentError(f"{name}: {x!r} is not a Tensor, Signal or SignalTensor")
    return x


def comparable(x: Any) -> bool:
    """Whether `==` compares elements with it; all else is another thing, and not equal."""
    if isinstance(x, (Value, numbers.Number, np.ndarray, list, tuple)):
        return True
    return hasattr(x, "__array__") and not isinstance(x, type)


def lift(x: Any, name: str = "value") -> Node | Leaf:
    """The node behind `x`; a number or an array becomes a constant leaf."""
    if type(x) is Node:
        return x
    if type(x) is float:  # most are; an abstract class of numbers takes longer to ask than all of this
        return Number(_SCALAR, x)
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


def parts(x: Any, name: str = "value") -> list[Node | Leaf]:
    """`x` as a sum of nodes of float32: a Python number, or an array that is none yet, as three that hold all of its bits."""
    if isinstance(x, Number):
        return [Number(_SCALAR, part) for part in _three(x.number)]
    if isinstance(x, (Value, Node, Leaf)):
        return [lift(x, name)]
    first: Any = lift(x, name)
    if isinstance(first, Number):
        return parts(first)
    wide = np.asarray(x)
    wide = wide if wide.dtype == np.float64 else np.asarray(first.array, np.float64)
    return [Data(first.spec, part) for part in _float32s(wide)]


@ft.lru_cache(maxsize=1024)  # graphs that are built anew have the same numbers again
def _three(number: float) -> tuple[float, ...]:
    """A float64 as three float32 that add up to it."""
    return tuple([float(part) for part in _float32s(np.float64(number))])


def _float32s(number: Any) -> list[np.ndarray]:
    """float64 as three float32 that add up to it; what is not finite is all in the first."""
    out = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(3):
            out.append(np.asarray(number, np.float32))
            number = np.where(np.isfinite(out[-1]), number - out[-1].astype(np.float64), 0.0)
    return out


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
        for i in node.inputs:
            if i not in seen:
                stack += [i for i in node.inputs[::-1] if i not in seen]
                break
        else:
            seen.add(node)
            order.append(node)
            stack.pop()
    return order
