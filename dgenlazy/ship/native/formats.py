"""What is written by way of C, by its suffix: the file or the folder, checked before the work and replaced whole after it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ... import files
from ...errors import ArgumentError
from .clap import clap
from .lv2 import lv2
from .page import page
from .plugin import ending
from .source import source
from .wasm import wasm

# Of each suffix, the options that it takes beside those of C.
OPTIONS = {
    ".c": (),
    ".wasm": (),
    ".html": ("title",),
    ".lv2": ("uri", "title", "target"),
    ".clap": ("id", "title", "target"),
}


def write(suffix: str, path: str, wanted: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """Write a graph as C, or as what is built from that, and return its digest.

    Args:
        wanted: What `source` takes.
        options: Those of `OPTIONS`, and others.
    """
    title = options["title"]
    if title is not None and not isinstance(title, str):
        raise ArgumentError(f"export: title={title!r} is no text")
    mark = _mark(suffix, options["target"])
    if mark:
        files.place_folder("export", path, mark)
    else:
        files.place("export", path)
    made = source(*wanted)
    names = title, options["target"]
    if suffix == ".lv2":
        data = lv2(made, options["uri"], wanted[3], *names)
    elif suffix == ".clap":
        data = clap(made, options["id"], wanted[3], *names)
    elif suffix == ".wasm":
        data = wasm(made)
    elif suffix == ".html":
        name = os.path.splitext(os.path.basename(path))[0] if title is None else title
        data = page(made, name).encode("utf-8", "replace")
    else:
        data = made.file.text.encode()
    if isinstance(data, bytes):
        files.replace("export", path, data)
        return hashlib.sha256(data).hexdigest()
    files.replace_folder("export", path, data, mark)
    lines = [f"{hashlib.sha256(data[name]).hexdigest()}  {name}\n" for name in sorted(data)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _mark(suffix: str, target: Any) -> str:
    """The file that tells a plug-in which is a folder from other folders; nothing where it is one file."""
    if suffix == ".lv2":
        return "manifest.ttl"
    return "Contents/Info.plist" if suffix == ".clap" and ending(target) == ".dylib" else ""
