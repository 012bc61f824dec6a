"""Training that is interrupted, in a file: whole or not at all, and gone on from to the same bits."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from typing import Any

import jax
import numpy as np

from .. import files
from ..errors import ArgumentError
from .optim import numbers_of, with_numbers


class Checkpoint:
    """A file beside training; without a path nothing is written.

    Args:
        name: Of the function that was called.
        kind: What tells this training from others, as text.
        settings: What must be as it was, for an error.
    """

    def __init__(self, name: str, path: Any, kind: str, settings: str):
        self._name, self._settings = name, settings
        self._path = None if path is None else files.checked_path(f"{name}: checkpoint", path)
        self._kind = hashlib.sha256(kind.encode()).hexdigest()
        if self._path is not None:
            files.place(f"{name}: checkpoint", self._path)

    def __bool__(self) -> bool:
        return self._path is not None

    def read(self, now: Any) -> tuple[Any, dict[str, Any]] | None:
        """Where the file has got to, in the structure of `now`, with what else it holds; None where there is no file.

        Raises:
            ArgumentError: it is no checkpoint, or that of another training.
        """
        if self._path is None or not os.path.exists(self._path) or not os.path.getsize(self._path):
            return None
        name = f"{self._name}: checkpoint {files.shown(self._path)}"
        try:
            with np.load(self._path, allow_pickle=False) as file:
                held = {key: file[key] for key in file.files}
            kind = str(held.pop("kind"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
            raise ArgumentError(f"{name}: is none that {self._name} wrote: {e}") from None
        leaves, structure = jax.tree.flatten(now)
        arrays = [held.pop(f"now.{i}", None) for i in range(len(leaves))]
        if kind != self._kind or any(
            a is None or a.shape != np.shape(b if isinstance(b, int) else numbers_of(b)) for a, b in zip(arrays, leaves)
        ):
            raise ArgumentError(
                f"{name}: is of another loss, or of other settings; remove it to begin anew, or give the {self._settings} "
                "that it was written with"
            )
        return structure.unflatten([_like(a, b) for a, b in zip(arrays, leaves)]), held

    def write(self, now: Any, **others: Any) -> None:
        """Replace the file."""
        if self._path is None:
            return
        arrays = {
            f"now.{i}": np.asarray(x if isinstance(x, int) else numbers_of(x)) for i, x in enumerate(jax.tree.leaves(now))
        }
        data = io.BytesIO()
        np.savez(data, kind=np.array(self._kind), **arrays, **others)
        files.replace(f"{self._name}: checkpoint", self._path, data.getbuffer())


def _like(array: Any, like: Any) -> Any:
    return int(array) if isinstance(like, int) else jax.device_put(with_numbers(like, array), like.sharding)
