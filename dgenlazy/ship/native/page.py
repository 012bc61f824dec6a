"""A graph as one page of a browser: its WebAssembly inside, a slider for each parameter, a keyboard, what it looks like."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArgumentError
from .source import Source
from .wasm import about, wasm

RATES = (3000, 384000)  # Hz, what browsers play
CHANNELS = 32  # what a node of WebAudio has at most


def page(made: Source, title: str) -> str:
    """The text of the page.

    Raises:
        ArgumentError: parameters without bounds, a rate or a number of channels that browsers do not play, or no output.
        BackendError: there is no compiler.
    """
    meta = _checked(made) | {"title": title, "channels": _channels(made), "named": made.kind == "dict"}
    module = base64.b64encode(wasm(made)).decode()
    text = Path(__file__).with_name("page.html").read_text("utf-8")
    inside = {"__TITLE__": html.escape(title), "__META__": _json(meta), "__WASM__": module}
    before, *parts = _cut(text, list(inside))
    return "".join([before, *(value + part for value, part in zip(inside.values(), parts, strict=True))])


def _checked(made: Source) -> dict[str, Any]:
    meta = about(made)
    open_ended = [p["name"] for p in meta["parameters"] if p["min"] is None or p["max"] is None]
    if open_ended:
        names = ", ".join(map(repr, open_ended))
        raise ArgumentError(f"export: params without bounds have no slider: {names}; give them min= and max=")
    if not RATES[0] <= made.rate <= RATES[1]:
        raise ArgumentError(f"export: browsers do not play {made.rate:g} Hz, but {RATES[0]} to {RATES[1]}")
    for what, least in (("outputs", 1), ("inputs", 0)):
        if not least <= meta[what] <= CHANNELS:
            raise ArgumentError(f"export: a page has {least} to {CHANNELS} channels of {what}, not {meta[what]}")
    return meta


def _channels(made: Source) -> list[str]:
    """The names of the outputs, of each lane one."""
    names = []
    for output in made.outputs:
        size = int(np.prod(output.shape))
        names += [output.name] if output.shape == () else [f"{output.name}[{i}]" for i in range(size)]
    return names


def _json(x: Any) -> str:
    """JSON that can stand in a script of a page."""
    return json.dumps(x).replace("<", "\\u003c")


def _cut(text: str, marks: list[str]) -> list[str]:
    """The text between marks, each of which is there once, in this order."""
    parts = []
    for mark in marks:
        part, text = text.split(mark)
        parts.append(part)
    return [*parts, text]
