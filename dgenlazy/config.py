"""The settings of a session, `DGen`. Read in one place, when a program is run."""

from __future__ import annotations

import contextlib
import itertools
import math
import operator
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args

import jax
import numpy as np
import numpy.typing as npt

from .errors import ArgumentError, no_array

Scalar = float | np.floating[Any] | np.integer[Any] | np.bool_  # the type of one number
Array = Scalar | npt.NDArray[Any] | jax.Array
Nested = list[Any] | tuple[Any, ...] | range
Numbers = Array | Nested  # what an array is made of

Backend = Literal["auto", "metal", "gpu", "cpu"]
BACKENDS = get_args(Backend)


def whole_number(name: str, value: Any, least: int = 0, most: int = 2**31 - 1) -> int:
    """`value` as an `int` in [least, most], or an ArgumentError that names `name`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name}={value!r} is not a whole number, an int") from None
    if number < least:
        raise ArgumentError(f"{name}={value!r} is less than {least}")
    if number > most:
        raise ArgumentError(f"{name}={value!r} is more than {most}")
    return number


def seed_number(name: str, value: Any) -> int:
    """`value` as an `int` in [0, 2**32), or an ArgumentError that names `name`."""
    return whole_number(name, value, most=2**32 - 1)


def one_of(name: str, value: Any, known: tuple[str | None, ...]) -> Any:
    """`value`, if it is one of these names, or an ArgumentError that names `name`."""
    if not (value is None or isinstance(value, str)) or value not in known:
        raise ArgumentError(f"{name}={value!r} is not one of {', '.join(map(str, known))}")
    return value


def real_array(name: str, value: Any) -> npt.NDArray[np.float32]:
    """`value` as a float32 array, or an ArgumentError that names `name` and says what is wrong."""
    if type(value) is float and abs(value) < 3e38:  # a knob that is turned while a stream runs, well inside of a float32
        return np.array(value, np.float32)
    if type(value) is np.ndarray and value.dtype == np.float32:  # a block of a stream
        return value.astype(np.float32)
    if isinstance(value, (str, bytes)) or value is None:
        raise ArgumentError(f"{name}: {value!r} is not a number or an array of numbers")
    if _opts_out(value):  # lazy values in a list would be computed here, and cut off from their gradient
        raise ArgumentError(f"{name}: takes numbers, not lazy values; realize() them, or join them with stack() or concat()")
    try:
        array = np.asarray(value)
    except Exception as e:  # array-likes raise what they please: JAX tracers, ragged lists, foreign tensors
        raise no_array(name, value, e) from None
    if array.dtype.kind in "biuf" or array.dtype.name == "bfloat16":
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    fix = "; take the real and imaginary parts apart" if array.dtype.kind == "c" else ""
    if array.dtype.kind == "O" and array.size and all(isinstance(x, int) for x in array.ravel()):
        raise ArgumentError(f"{name}: a whole number is beyond the range of a float")
    raise ArgumentError(f"{name}: {array.dtype} is not a type of real numbers{fix}")


def real_number(name: str, value: Any) -> float:
    """`value` as a finite `float`, or an ArgumentError that names `name`."""
    array = None if isinstance(value, (bool, np.bool_)) else real_array(name, value)
    if array is None or array.shape:
        raise ArgumentError(f"{name}={value!r} is not a number")
    if not math.isfinite(number := float(value)):
        raise ArgumentError(f"{name}={value!r} is not finite")
    return number


def flag(name: str, value: Any) -> bool:
    """`value` as a `bool`, or an ArgumentError that names `name`."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name}={value!r} is not True or False")
    return bool(value)


def _opts_out(value: Any) -> bool:
    """Whether `value` is, or a list of any depth holds, what NumPy is told to leave alone."""
    if not isinstance(value, (list, tuple)):
        return getattr(type(value), "__array_ufunc__", ...) is None
    lists, kinds = {list, tuple}, set(map(type, value))
    opted = any(getattr(kind, "__array_ufunc__", ...) is None for kind in kinds)
    return opted or (not kinds.isdisjoint(lists) and any(_opts_out(v) for v in value if type(v) in lists))


class Inputs(MutableMapping[int, npt.NDArray[np.float32]]):
    """The samples of each input channel: `DGen.inputs[0] = samples`, `(frames, *shape)`, or `(batch, frames, *shape)`.

    Which of the two they are, and the shape of a frame, the `Signal.input` that reads them tells.
    """

    def __init__(self, samples: Mapping[int, Any] = {}) -> None:
        self._samples: dict[int, npt.NDArray[np.float32]] = {}
        self.update(samples)

    def __setitem__(self, channel: int, samples: Any) -> None:
        channel = whole_number("inputs: channel", channel)
        array = real_array(f"inputs[{channel}]", samples)
        if not array.ndim:
            raise ArgumentError(f"inputs[{channel}]: shape () is not (frames,): a number has no frames")
        self._samples[channel] = array

    def __getitem__(self, channel: int) -> npt.NDArray[np.float32]:
        return self._samples[channel]

    def __contains__(self, channel: object) -> bool:
        return channel in self._samples

    def __delitem__(self, channel: int) -> None:
        del self._samples[channel]

    def __iter__(self) -> Iterator[int]:
        return iter(self._samples)

    def __len__(self) -> int:
        return len(self._samples)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{c}: {' x '.join(map(str, x.shape))} frames" for c, x in self.items()) + "}"


def _sample_rate(value: Any) -> float:
    if (rate := real_number("DGen.sample_rate", value)) <= 0:
        raise ArgumentError(f"DGen.sample_rate={value!r} is not above 0 Hz")
    return rate


def _inputs(value: Any) -> Inputs:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"DGen.inputs={value!r} is not a mapping from channel to samples")
    return Inputs(value)


def _cache_dir(value: Any) -> str | None:
    """The path of a folder, made if it is not there, that can be written to."""
    if value is None:
        return None
    try:
        if value == "":
            raise ValueError("it is empty")
        path = Path(value).expanduser().absolute()
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except (OSError, RuntimeError, TypeError, ValueError) as e:
        raise ArgumentError(f"DGen.cache_dir={value!r} is not a folder that can be written to: {e}") from None
    return str(path)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "backend": lambda value: one_of("DGen.backend", value, BACKENDS),
    "sample_rate": _sample_rate,
    "default_frame_count": lambda value: whole_number("DGen.default_frame_count", value, least=1),
    "seed": lambda value: seed_number("DGen.seed", value),
    "inputs": _inputs,
    "flush_nan": lambda value: flag("DGen.flush_nan", value),
    "cache_dir": _cache_dir,
}
_assigning = threading.Lock()


def _checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting, checked; with a seed comes a new numbering of what is made without one."""
    for name in settings.keys() - _CHECKS.keys():
        raise ArgumentError(f"DGen has no setting {name!r}; it has {', '.join(_CHECKS)}")
    out = {name: _CHECKS[name](value) for name, value in settings.items()}
    return out | ({"numbers": [0]} if "seed" in out else {})


class _Layer:
    """The session, or a `with` block: the name of its settings in `vars(DGen)`, a copy of which is one of all settings.

    It has `ended` where it met its end in another context than its beginning, where it still stands. What it is `merged` from,
    and to, is that of all layers which it is the innermost of.
    """

    _numbers = itertools.count()

    def __init__(self) -> None:
        self.name, self.ended = f"settings {next(self._numbers)}", False
        self.merged: tuple[list[Any], Current] = [], Current()


class Current(dict[str, Any]):
    """Settings at one time, which may be referred to weakly: they hold samples."""


class Settings(TypedDict, total=False):
    """What may be assigned to each setting."""

    backend: Backend
    sample_rate: Scalar
    default_frame_count: int
    seed: int
    inputs: Mapping[int, Any]
    flush_nan: bool
    cache_dir: str | Path | None


class Config:
    """Settings of the session, each checked when it is assigned.

    An assignment holds for the whole process, all threads included; an `override` for the thread, or the asyncio task, that is
    inside it, and for tasks begun there. What is assigned to an overridden setting changes the override, and ends with it.

    Attributes:
        backend: "auto" (Metal where a plugin has registered it, then a GPU, else JAX's default device),
            or strictly "metal", "gpu" or "cpu".
        sample_rate: Frames per second, in Hz. 44100.0 at first.
        default_frame_count: Frames of a run that does not say how many, and has no samples that do. 1024 at first.
        seed: Of noise and `Tensor.randn`; assigning it restarts the numbering of those made without a seed. In [0, 2**32).
        inputs: Mapping from channel to samples, for `Signal.input(channel)`.
        flush_nan: Whether a stream, or a player, recovers from a NaN or an infinity that got into it: after each block every
            recurrence whose state is not finite begins again, which `x.restarts` counts, and the log of this package names
            inputs that are not finite. False at first: a NaN that stays is right as mathematics, and wrong on a stage.
        cache_dir: A folder, made if it is not there, where compiled programs are kept, so that another process need not compile
            them again; None, which it is at first, keeps them in this process only. It counts when a program runs first, for
            programs of this package. It is JAX's persistent cache: any number of processes may share it, and it grows until
            somebody deletes it, which is safe at any time. Who can write there can run code as you.

    >>> with DGen.override(sample_rate=16000):
    ...     DGen.sample_rate
    16000.0
    >>> DGen.sample_rate
    44100.0
    """

    backend: Backend
    default_frame_count: int
    seed: int
    flush_nan: bool
    cache_dir: str | Path | None
    if TYPE_CHECKING:  # what is assigned is wider than what is kept

        @property
        def sample_rate(self) -> float: ...

        @sample_rate.setter
        def sample_rate(self, value: Scalar) -> None: ...

        @property
        def inputs(self) -> Inputs: ...

        @inputs.setter
        def inputs(self, value: Mapping[int, Any]) -> None: ...

    _session: _Layer
    _inside: ContextVar[tuple[_Layer, ...]]  # the overrides that a thread or a task is inside of, the innermost first

    def __init__(self) -> None:
        first = {"backend": "auto", "sample_rate": 44100.0, "default_frame_count": 1024, "seed": 0, "inputs": {}}
        vars(self).update(_session=_Layer(), _inside=ContextVar("overrides", default=()))
        vars(self)[self._session.name] = Current(_checked(first | {"flush_nan": False, "cache_dir": None}))

    if not TYPE_CHECKING:  # a type checker would take them for leave to name anything

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"DGen has no setting {name!r}; it has {', '.join(_CHECKS)}", name=name, obj=self)

        def __setattr__(self, name: str, value: Any) -> None:
            new, inside = _checked({name: value}), [layer for layer in self._inside.get() if not layer.ended]
            layer = next((layer.name for layer in inside if name in vars(self)[layer.name]), self._session.name)
            with _assigning:
                vars(self)[layer] = Current(vars(self)[layer] | new)

    def _all(self) -> Current:
        """Every setting, in an object that is another once one of them may be."""
        inside = self._inside.get()
        if not inside:
            return vars(self)[self._session.name]
        layers = [vars(self)[layer.name] for layer in (*inside, self._session) if not layer.ended]
        before, merged = inside[0].merged
        if len(before) != len(layers) or not all(map(operator.is_, before, layers)):
            merged = Current({name: value for layer in reversed(layers) for name, value in layer.items()})
            inside[0].merged = layers, merged
        return merged

    def next_randn(self) -> int:
        """A number for a `Tensor.randn` or a noise made without a seed: how many there were since `seed` was assigned."""
        numbers = self._all()["numbers"]
        with _assigning:
            numbers[0] += 1
            return numbers[0] - 1

    def numbering(self, at: int | None = None) -> int:
        """How many there were; given, the next ones are numbered from there on, as where a run that was saved goes on.

        >>> DGen.numbering(at=3)
        3
        >>> noise = Signal.noise()
        >>> DGen.numbering()
        4
        """
        numbers = self._all()["numbers"]
        if at is not None:
            numbers[0] = whole_number("DGen.numbering: at", at)
        return numbers[0]

    @contextlib.contextmanager
    def override(self, **settings: Unpack[Settings]) -> Iterator[Config]:
        """Other settings inside a `with` block; those from before come back after it, also on an error.

        Threads and asyncio tasks do not see each other's; a thread that shall run inside of the block is begun with
        `Thread(target=contextvars.copy_context().run, args=(work,))`. Generators are no tasks: one that is suspended inside of
        the block leaves it open for whoever runs it, until it goes on to the end of the block, or is closed.

        >>> with DGen.override(default_frame_count=4, sample_rate=8.0):
        ...     Signal.phasor(1.0).realize()
        array([0.   , 0.125, 0.25 , 0.375], dtype=float32)
        """
        mine, new = _Layer(), _checked(settings)
        vars(self)[mine.name] = new
        weakref.finalize(mine, vars(self).pop, mine.name, None)  # tasks that were begun in it may outlive it
        try:
            self._inside.set((mine, *self._inside.get()))
            yield self
        finally:  # blocks may end in any order
            held = self._inside.get()
            mine.ended = mine not in held
            self._inside.set(tuple([layer for layer in held if layer is not mine]))

    def __repr__(self) -> str:
        shown = [name for name in _CHECKS if name not in ("flush_nan", "cache_dir") or getattr(self, name)]
        return "DGen(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in shown) + ")"


class _Setting:
    """A setting as it is read, found at once: what `__getattr__` gives is looked for everywhere else before."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, config: Config | None, _: Any) -> Any:
        return self if config is None else config._all()[self._name]


for _name in _CHECKS:
    setattr(Config, _name, _Setting(_name))

DGen: Config = Config()


def cache_dir() -> str | Path | None:
    """`DGen.cache_dir` of now, for what is compiled late."""
    return DGen.cache_dir
