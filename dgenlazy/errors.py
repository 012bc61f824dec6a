"""Exceptions raised by dgenlazy. Each is also the built-in error that a caller would expect."""

from __future__ import annotations

import contextlib
import difflib
import functools as ft
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar


class DGenError(Exception):
    """Base of every error that this package raises on purpose. Its message is one line, however long what it shows.

    >>> try:
    ...     DGen.sample_rate = -1
    ... except DGenError as error:
    ...     print(error)
    DGen.sample_rate=-1 is not above 0 Hz
    """

    def __init__(self, message: str = ""):
        words = re.sub(r"\S{80,}", lambda word: f"{word[0][:40]}...{word[0][-20:]}", message)
        super().__init__(" ".join(words.split()))


class ShapeError(DGenError, ValueError):
    """Shapes that cannot be combined, or a value of the wrong shape.

    >>> Tensor([1, 2, 3]) @ Tensor([1, 2])
    Traceback (most recent call last):
    dgenlazy.errors.ShapeError: matmul: cannot combine (3,) with (2,): inner dimensions 3 and 2 differ
    """


class AxisError(ShapeError, IndexError):
    """An axis or an index that the value does not have.

    >>> Tensor([1, 2, 3])[5]
    Traceback (most recent call last):
    dgenlazy.errors.AxisError: getitem: index 5 is out of range for axis 0 of length 3
    """


class ArgumentError(DGenError, ValueError, TypeError):
    """An argument of the wrong kind, or outside the values allowed.

    >>> DGen.backend = "tpu"
    Traceback (most recent call last):
    dgenlazy.errors.ArgumentError: DGen.backend='tpu' is not one of auto, metal, gpu, cpu
    """


class InputError(DGenError, ValueError):
    """Audio samples that are missing, or fewer than the run needs.

    >>> Signal.input(0).realize(4, inputs={0: [1.0, 2.0]})
    Traceback (most recent call last):
    dgenlazy.errors.InputError: Signal.input(0): 4 frames were asked for, channel 0 has 2; ...
    """


class ReadError(InputError, OSError):
    """A file that the system does not let us read: a folder, a device, no permission.

    >>> try:
    ...     dg.audio.read(".")
    ... except OSError as error:
    ...     print(error)
    audio.read: .: this is a folder, not a file
    """


class MissingFileError(ReadError, FileNotFoundError):
    """A file to be read that is not there.

    >>> try:
    ...     dg.audio.read("missing.wav")
    ... except FileNotFoundError as error:
    ...     print(error)
    audio.read: missing.wav: there is no such file
    """


class BackendError(DGenError, RuntimeError):
    """The backend asked for, or a package that a function takes, is not on this machine."""


class OutOfMemoryError(DGenError, MemoryError):
    """A run, or an array, that takes more memory than there is.

    >>> Tensor.zeros((2**30, 2**30))
    Traceback (most recent call last):
    dgenlazy.errors.OutOfMemoryError: Tensor.zeros: shape (1073741824, 1073741824) takes 4,294,967,296.0 GiB of memory, and ...
    >>> dg.audio.resample(np.zeros(2**22), 1, 100_000)
    Traceback (most recent call last):
    dgenlazy.errors.OutOfMemoryError: audio.resample: 4194304 frames ... would be ... GB, more than ...
    """


class ArtifactError(DGenError, ValueError):
    """An exported file that is damaged, foreign or not allowed to run."""


class FileError(ArgumentError, OSError):
    """A file that the system does not let us write: no room, no permission, no such folder.

    >>> dg.audio.write("/no/such/folder/tone.wav", [0.0], 44100)
    Traceback (most recent call last):
    dgenlazy.errors.FileError: audio.write: ...
    """


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """What the system refuses, where a file is read, as a ReadError."""
    try:
        yield
    except DGenError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"{name}: there is no such file") from None
    except OSError as e:
        raise ReadError(f"{name}: the system does not let it be read: {e.strerror or e}") from None


F = TypeVar("F", bound=Callable[..., Any])
_MEANT = {"seconds": "frames", "duration": "frames", "epochs": "steps", "iterations": "steps"}
_MEANT |= {"learning_rate": "lr", "betas": "beta1"}


def no_array(name: str, value: Any, why: Exception) -> ArgumentError:
    """The error of what NumPy makes no array of; `why` is what it raised."""
    traced = type(why).__name__ == "TracerArrayConversionError"
    fix = "; what JAX traces gets into a graph as an argument of its dg.function" if traced else ""
    return ArgumentError(f"{name}: {type(value).__name__} is not an array of numbers: {str(why).splitlines()[0]}{fix}")


def spelled(fn: F) -> F:
    """Decorator of a function of many keywords: what Python says of a call that does not fit, with the names that do."""

    @ft.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except TypeError as e:
            if e.__traceback__ is None or e.__traceback__.tb_next is not None:  # it comes from within the function
                raise
            names = [name for name in inspect.signature(fn).parameters if name != "self"]
            near = [m for x in kwargs if x not in names for m in [_MEANT.get(x), *difflib.get_close_matches(x, names, 1)]]
            meant = next((f"did you mean {m}? It" for m in near if m in names), "it")
            fact = str(e).partition(". Did you mean")[0]  # which Python 3.13 asks as well
            called = fn.__qualname__.removesuffix(".__init__").rpartition(".")[2]
            raise ArgumentError(f"{called}: {fact}; {meant} takes {', '.join(names)}") from None

    return call  # pyright: ignore[reportReturnType]
