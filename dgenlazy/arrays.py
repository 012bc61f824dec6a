"""Values as Python and NumPy take them: as numbers and arrays, where that takes no number of frames, and for copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, ShapeError
from .graph import Value, toposort
from .run import runtime


class AsArray(Value):
    """What Python and NumPy ask of a value that is to be a number or an array."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        """A copy begins streams of its own. Nodes go inputs first, so that a copy or a pickle does not recurse down a graph."""
        return _again, (self.wrap, toposort([self.node]))

    def numpy(self) -> npt.NDArray[np.float32]:
        """It as an array, where it is known without a number of frames: of a Tensor, or of a Signal that does not vary.

        What varies is computed for as many frames as the samples below it have (`Signal.from_samples`). `np.asarray(x)` and
        NumPy's functions do the same: `np.mean(x)`. No gradient flows through them.

        Raises:
            ArgumentError: it varies from frame to frame, and nothing says for how many: `realize(frames)` is told.

        >>> (Tensor([1.0, 2.0]) * 2).numpy()
        array([2., 4.], dtype=float32)
        >>> float(np.mean(Tensor([1.0, 2.0]))), np.asarray(Signal.param(440.0))
        (1.5, array(440., dtype=float32))
        """
        return self._at_once("numpy")

    def item(self) -> float:
        """It as one number, where that is known without a number of frames; `float(x)` and `int(x)` do the same.

        Raises:
            ShapeError: it is more than one number. ArgumentError: it varies from frame to frame.

        >>> (Tensor([1.0, 2.0]).sum() / 2).item()
        1.5
        """
        return self._number("item")

    def tolist(self) -> Any:
        """It as a number, or as lists of numbers; see `numpy`.

        >>> (Tensor([[1, 2], [3, 4]]) + 1).tolist()
        [[2.0, 3.0], [4.0, 5.0]]
        """
        return self._at_once("tolist").tolist()

    def __float__(self) -> float:
        return self._number("float")

    def __int__(self) -> int:
        number = self._number("int")
        if not np.isfinite(number):
            raise ArgumentError(f"int: {number} is not a whole number")
        return int(number)

    def __format__(self, spec: str) -> str:
        return format(self._number("format"), spec) if spec else str(self)

    # It gives float32. NumPy's stubs do not know that `array * x` is left to us; where it is "of objects" they leave it open.
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[np.object_]:
        if copy is False:
            raise ValueError("a lazy value is computed when it becomes an array, which is always a copy")
        array: Any = self._at_once("asarray").astype(dtype or np.float32, copy=False)
        return array

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions take what it holds; what they ask of it without computing, they find."""
        if function in (np.shape, np.ndim, np.size) and args == (self,) and not kwargs:
            return getattr(self, function.__name__)
        return function(*_held(function.__name__, args), **_held(function.__name__, kwargs))

    def _at_once(self, name: str) -> npt.NDArray[np.float32]:
        array = runtime.at_once(self.node)
        if array is None:
            raise ArgumentError(f"{name}: this {type(self).__name__} is computed over frames; realize(frames) tells how many")
        return array

    def _number(self, name: str) -> float:
        array = self._at_once(name) if self.size == 1 else self  # else it is not worth a run
        if array.size != 1:
            raise ShapeError(f"{name}: takes one number, this {type(self).__name__} holds {array.size}, of shape {array.shape}")
        return array.item()


def _held(name: str, given: Any) -> Any:
    """The arguments of a function of NumPy, with arrays for lazy values."""
    if isinstance(given, AsArray):
        return given._at_once(name)
    if isinstance(given, (list, tuple)):
        return type(given)([_held(name, x) for x in given])
    return {key: _held(name, x) for key, x in given.items()} if isinstance(given, dict) else given


def _again(wrap: Any, nodes: list[Any]) -> Any:
    return wrap(nodes[-1])
