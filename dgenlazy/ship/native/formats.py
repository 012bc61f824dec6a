"""What is written by way of C, by its suffix: checked before the work, and replaced whole after it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ... import files
from ...errors import ArgumentError
from .page import page
from .source import source
from .wasm import wasm

# Of each suffix, the options that it takes beside those of C.
OPTIONS = {".c": (), ".wasm": (), ".html": ("title",)}


def write(suffix: str, path: str, wanted: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """Write a graph as C, or as what is built from that, and return its digest.

    Args:
        wanted: What `source` takes.
        options: Those of `OPTIONS`, and others.
    """
    files.place("export", path)
    title = options["title"]
    if title is not None and not isinstance(title, str):
        raise ArgumentError(f"export: title={title!r} is no text")
    made = source(*wanted)
    if suffix == ".wasm":
        data = wasm(made)
    elif suffix == ".html":
        name = os.path.splitext(os.path.basename(path))[0] if title is None else title
        data = page(made, name).encode("utf-8", "replace")
    else:
        data = made.file.text.encode()
    files.replace("export", path, data)
    return hashlib.sha256(data).hexdigest()
