"""What is written by way of C, by its suffix: the file or the folder, checked before the work and replaced whole after it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ... import files
from ...errors import ArgumentError
from .clap import clap, clap_source
from .lv2 import lv2, lv2_source
from .page import page
from .plugin import ending
from .source import source
from .wasm import wasm

# Of each suffix, the options that it takes beside those of C. With the name of a plug-in, C is that of the plug-in.
OPTIONS = {
    ".c": ("uri", "id", "title"),
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
    uri, identity, title, target = (options[name] for name in ("uri", "id", "title", "target"))
    if suffix == ".c" and ((uri is not None and identity is not None) or (title is not None and uri is identity)):
        raise ArgumentError(
            "export: a .c file takes uri= or id= and then title=, for the C of a plug-in: one of LV2 or of CLAP"
        )
    if title is not None and not isinstance(title, str):
        raise ArgumentError(f"export: title={title!r} is no text")
    mark = _mark(suffix, target)
    if mark:
        files.place_folder("export", path, mark)
    else:
        files.place("export", path)
    made, units = source(*wanted), wanted[3]
    if suffix == ".lv2" or uri is not None:
        text = lv2_source(made, uri, units)
    elif suffix == ".clap" or identity is not None:
        text = clap_source(made, identity, units, title)
    else:
        text = made.file.text
    if suffix == ".lv2":
        data = lv2(text, made, uri, units, title, target)
    elif suffix == ".clap":
        data = clap(text, made.name, identity, title, target)
    elif suffix == ".wasm":
        data = wasm(made)
    elif suffix == ".html":
        data = page(made, os.path.splitext(os.path.basename(path))[0] if title is None else title).encode("utf-8", "replace")
    else:
        data = text.encode()
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
