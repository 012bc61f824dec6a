"""Graphs as CLAP: one shared library; on macOS, as there a plug-in must be, in a folder that says what it is."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from ...errors import ArgumentError
from . import plugin
from .source import Source

NOTES = ("freq", "gate", "velocity")


def clap_source(made: Source, identity: Any, units: Mapping[str, str] | None, title: Any) -> str:
    """The C of a plug-in.

    Raises:
        ArgumentError: what a plug-in needs is missing.
    """
    if not isinstance(identity, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:+/-]*", identity):
        raise ArgumentError(f"export: a CLAP plug-in takes id=, its name in the world, like 'com.you.voice', not {identity!r}")
    held, title = plugin.controls(made, units), plugin.title_of(title, made.name)
    places = {c.name: i for i, c in enumerate(held)}
    plays = {"freq", "gate"} <= places.keys()
    notes = {name.upper(): str(places.get(name, -1) if plays else -1) for name in NOTES}
    kinds = ["instrument", "synthesizer"] if plays or not made.step.channels else ["audio-effect"]
    features = ", ".join(plugin.text(kind) for kind in kinds)
    given = {"ID": plugin.text(identity), "TITLE": plugin.text(title), "FEATURES": features}
    return plugin.wrapped(made, held, "clap.c", **given, **notes)


def clap(source: str, name: str, identity: Any, title: Any, target: str | None) -> bytes | dict[str, bytes]:
    """The library of a plug-in's C, or the files of the folder around it.

    Raises:
        BackendError: there is no compiler for it.
    """
    library = plugin.linked(source, name, target)
    if plugin.ending(target) != ".dylib":
        return library
    plist = _plist(name, identity, plugin.title_of(title, name))
    return {"Contents/Info.plist": plist.encode(), f"Contents/MacOS/{name}": library}


def _plist(name: str, identity: str, title: str) -> str:
    keys = {
        "CFBundleExecutable": name,
        "CFBundleIdentifier": identity,
        "CFBundleName": title,
        "CFBundlePackageType": "BNDL",
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleVersion": "1.0.0",
    }
    rows = "\n".join(f"  <key>{key}</key>\n  <string>{html.escape(value, quote=False)}</string>" for key, value in keys.items())
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
{rows}
</dict>
</plist>
"""
