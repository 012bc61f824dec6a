"""Graphs as CLAP: one shared library; on macOS, as there a plug-in must be, in a folder that says what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from ...errors import ArgumentError
from . import plugin
from .source import Source

NOTES = ("freq", "gate", "velocity")


def clap(
    made: Source, identity: Any, units: Mapping[str, str] | None, title: Any, target: str | None
) -> bytes | dict[str, bytes]:
    """The library, or the files of the folder around it.

    Raises:
        ArgumentError: what a plug-in needs is missing. BackendError: there is no compiler for it.
    """
    if not isinstance(identity, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:+/-]*", identity):
        raise ArgumentError(f"export: a .clap file takes id=, its name in the world, like 'com.you.voice', not {identity!r}")
    held, end, title = plugin.controls(made, units), plugin.ending(target), plugin.title_of(title, made.name)
    places = {c.name: i for i, c in enumerate(held)}
    plays = {"freq", "gate"} <= places.keys()
    at = {name.upper(): str(places.get(name, -1) if plays else -1) for name in NOTES}
    kinds = ["instrument", "synthesizer"] if plays or not made.step.channels else ["audio-effect"]
    features = ", ".join(plugin.text(kind) for kind in kinds)
    given = {"ID": plugin.text(identity), "TITLE": plugin.text(title), "FEATURES": features}
    library = plugin.linked(plugin.wrapped(made, held, "clap.c", **given, **at), made.name, target)
    if end != ".dylib":
        return library
    return {"Contents/Info.plist": _plist(made.name, identity, title).encode(), f"Contents/MacOS/{made.name}": library}


def _plist(name: str, identity: str, title: str) -> str:
    keys = {
        "CFBundleExecutable": name,
        "CFBundleIdentifier": identity,
        "CFBundleName": title,
        "CFBundlePackageType": "BNDL",
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleVersion": "1.0.0",
    }
    rows = "\n".join(f"  <key>{key}</key>\n  <string>{escape(value)}</string>" for key, value in keys.items())
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
{rows}
</dict>
</plist>
"""
