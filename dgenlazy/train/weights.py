"""What was learned, in a file that other programs read too: safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import files
from ..config import flag
from ..errors import ArgumentError, InputError, MissingFileError, ReadError, ShapeError, spelled
from ..extras import imported
from ..graph import Data, checked
from ..lazy import Lazy
from ..run import assign


@spelled
def save_params(path: Any, params: Mapping[str, Lazy]) -> None:
    """Write the values of leaves as one safetensors file, whole or not at all.

    PyTorch, JAX and Hugging Face's tools read it: each leaf is a float32 array of its shape under its name. Equal values give
    equal files.

    Args:
        path: Of the file; one that is there is replaced.
        params: Leaves by name: Tensors, Signals or `Signal.from_samples`.

    Raises:
        ArgumentError: there is none, one is not a leaf, or it is not finite. FileError: the file cannot be written.
        BackendError: safetensors is not installed; it comes with the extra "train".

    >>> cutoff = Signal.param(800.0, min=20.0, max=20000.0)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.save_params(folder + "/filter.safetensors", {"cutoff": cutoff})
    ...     cutoff.value = 100.0
    ...     dg.load_params(folder + "/filter.safetensors", {"cutoff": cutoff})
    Loaded(missing=[], unexpected=[])
    >>> cutoff.value
    array(800., dtype=float32)
    """
    library = imported("safetensors.numpy", "save_params", "train")
    leaves = _leaves("save_params", params)
    # In the order of the names, and in that of C: the library writes an array as it lies in memory.
    arrays = {name: np.array(leaves[name].array, np.float32, order="C") for name in sorted(leaves)}
    for name, array in arrays.items():
        _fine(f"save_params: {name!r}", array, leaves[name])
    files.replace("save_params", files.checked_path("save_params", path), library.save(arrays))


class Loaded(NamedTuple):
    """What `load_params` found otherwise than it was asked for.

    Attributes:
        missing: Names of `params` that the file does not have; their leaves are as they were.
        unexpected: Names of the file that `params` does not have.
    """

    missing: list[str]
    unexpected: list[str]


@spelled
def load_params(path: Any, params: Mapping[str, Lazy], *, strict: bool = True) -> Loaded:
    """Give leaves the values of a file of `save_params`, or any of safetensors with float32 arrays; on an error, none of them.

    Their bounds stay as they are, and hold for what is read. An optimizer keeps its state; gradients stay.

    Args:
        path: Of the file.
        params: Leaves by name.
        strict: Whether the file has to hold these names and no others. False takes those that both have, as PyTorch does.

    Returns:
        The names that only one of both has, `(missing, unexpected)`, each in order; none if `strict`.

    Raises:
        MissingFileError: there is no such file. InputError: it is none of safetensors.
        ArgumentError: a name is missing in the file, or one is there that is not in `params`; an array is not of float32, holds
            NaN or infinity, or is out of bounds. ShapeError: it has another shape than its leaf.
        BackendError: safetensors is not installed; it comes with the extra "train".

    >>> w = Tensor([[1.0, 2.0]], requires_grad=True)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.save_params(folder + "/w.safetensors", {"w": w})
    ...     dg.load_params(folder + "/w.safetensors", {"weight": w})
    Traceback (most recent call last):
    dgenlazy.errors.ArgumentError: load_params: ...w.safetensors: no array 'weight'; it has 'w'; ...
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     dg.save_params(folder + "/w.safetensors", {"w": w})
    ...     dg.load_params(folder + "/w.safetensors", {"w": w, "gain": Signal.param(1.0)}, strict=False)
    Loaded(missing=['gain'], unexpected=[])
    """
    strict = flag("load_params: strict", strict)
    library = imported("safetensors", "load_params", "train")
    leaves = _leaves("load_params", params)
    twice = [name for name in leaves if sum(leaf is leaves[name] for leaf in leaves.values()) > 1]
    if twice:
        raise ArgumentError(f"load_params: {_listed(twice)} are one leaf, which cannot have the values of both")
    path = files.checked_path("load_params", path)
    where = f"load_params: {files.shown(path)}"
    try:
        with library.safe_open(path, framework="numpy") as file:
            found = set(file.keys())
            loaded = Loaded(sorted(leaves.keys() - found), sorted(found - leaves.keys()))
            if strict and loaded.missing:
                raise ArgumentError(
                    f"{where}: no array {_listed(loaded.missing)}; it has {_listed(sorted(found)) or 'none'}; {_BOTH}"
                )
            if strict and loaded.unexpected:
                more = _listed(loaded.unexpected)
                raise ArgumentError(f"{where}: it has {more} as well, which params does not name; {_BOTH}")
            taken = {name: leaf for name, leaf in leaves.items() if name in found}
            arrays = [_read(f"{where}: {name!r}", file, name, leaf) for name, leaf in taken.items()]
    except FileNotFoundError:
        raise MissingFileError(f"{where}: there is no such file") from None
    except OSError as e:
        raise ReadError(f"{where}: it cannot be read as safetensors: {e}") from None
    except library.SafetensorError as e:
        raise InputError(f"{where}: it cannot be read as safetensors: {e}") from None
    if taken:
        assign([*taken.values()], "array", arrays)
    return loaded


_BOTH = "strict=False takes what both have"


def _read(where: str, file: Any, name: str, leaf: Data) -> np.ndarray:
    """One array, if it fits its leaf."""
    part = file.get_slice(name)
    if part.get_dtype() != "F32":
        raise ArgumentError(f"{where}: it is of {part.get_dtype()}, not of F32, that is float32")
    if tuple(part.get_shape()) != leaf.array.shape:
        raise ShapeError(f"{where}: shape {tuple(part.get_shape())} is not that of its leaf, {leaf.array.shape}")
    return _fine(where, file.get_tensor(name), leaf)


def _fine(where: str, array: np.ndarray, leaf: Data) -> np.ndarray:
    return checked(where, array, True, leaf.low, leaf.high)


def _leaves(name: str, params: Any) -> dict[str, Data]:
    if not isinstance(params, Mapping) or not params:
        raise ArgumentError(f'{name}: params={params!r:.80} is not a mapping from names to leaves, like {{"cutoff": cutoff}}')
    for key, leaf in params.items():
        if not isinstance(key, str) or key == "__metadata__":
            raise ArgumentError(f"{name}: {key!r} is no name of an array")
        if not isinstance(leaf, Lazy) or not isinstance(leaf.node, Data):
            raise ArgumentError(f"{name}: {key!r}: {leaf!r} is not a leaf, which holds data")
    return {key: leaf.node for key, leaf in params.items()}


def _listed(names: Any) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
