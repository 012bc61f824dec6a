"""Graphs as LV2: a bundle of two texts that say what there is, the library, and the C file that it was made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ArgumentError
from . import plugin
from .plugin import Control
from .source import Source

# Of units as people write them, those that LV2 knows; all others are said in words.
_UNITS = {
    "%": "pc", "bar": "bar", "bars": "bar", "beat": "beat", "beats": "beat", "bpm": "bpm", "cent": "cent", "cents": "cent",
    "ct": "cent", "cm": "cm", "db": "db", "deg": "degree", "degree": "degree", "degrees": "degree", "frame": "frame",
    "frames": "frame", "hz": "hz", "khz": "khz", "km": "km", "m": "m", "mhz": "mhz", "midi": "midiNote", "min": "min",
    "mm": "mm", "ms": "ms", "oct": "oct", "octave": "oct", "octaves": "oct", "s": "s", "sample": "frame", "samples": "frame",
    "semitone": "semitone12TET", "semitones": "semitone12TET", "st": "semitone12TET", "°": "degree",
}  # fmt: skip

_PREFIXES = """\
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .
"""


def lv2_source(made: Source, uri: Any, units: Mapping[str, str] | None) -> str:
    """The C of a plug-in.

    Raises:
        ArgumentError: what a plug-in needs is missing.
    """
    if not isinstance(uri, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\\x7f-\x9f\s]+", uri):
        raise ArgumentError(f"export: an LV2 plug-in takes uri=, its name in the world, like 'urn:you:voice', not {uri!r}")
    return plugin.wrapped(made, plugin.controls(made, units), "lv2.c", URI=plugin.text(uri))


def lv2(
    source: str, made: Source, uri: Any, units: Mapping[str, str] | None, title: Any, target: str | None
) -> dict[str, bytes]:
    """The files of the bundle of a plug-in's C, by name.

    Raises:
        ArgumentError: the title is no text. BackendError: there is no compiler for it.
    """
    name, end = made.name, plugin.ending(target)
    texts = {
        "manifest.ttl": _manifest(name, uri, end),
        f"{name}.ttl": _description(made, plugin.controls(made, units), uri, plugin.title_of(title, name)),
        f"{name}.c": source,
    }
    return {file: text.encode() for file, text in texts.items()} | {f"{name}{end}": plugin.linked(source, name, target)}


def _manifest(name: str, uri: str, end: str) -> str:
    return f"""\
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .

<{uri}>
    a lv2:Plugin ;
    lv2:binary <{name}{end}> ;
    rdfs:seeAlso <{name}.ttl> .
"""


def _description(made: Source, held: list[Control], uri: str, title: str) -> str:
    """What the plug-in is, and its ports: audio, controls, latency, in the order of `lv2.c`."""
    symbols = {c.symbol for c in held}
    ports = [_audio("Input", *_unique(symbols, name, shown)) for name, shown in _channels(made)]
    ports += [_audio("Output", *_unique(symbols, name, shown)) for name, shown in _outputs(made)]
    ports += [_control(c) for c in held]
    if made.step.program.latency:
        ports.append(_latency(made.step.program.latency, *_unique(symbols, "latency", "Latency")))
    rows = [f"[\n        lv2:index {i} ;\n{port}    ]" for i, port in enumerate(ports)]
    kind = "lv2:Plugin" if made.step.channels else "lv2:Plugin , lv2:GeneratorPlugin"
    if not made.step.channels and {"freq", "gate"} <= {c.name for c in held}:
        kind = "lv2:Plugin , lv2:InstrumentPlugin"
    return f"""\
{_PREFIXES}
<{uri}>
    a {kind} ;
    doap:name {_text(title)} ;
    lv2:optionalFeature lv2:hardRTCapable{" ;" if ports else " ."}
{"    lv2:port " + " , ".join(rows) + " ." if ports else ""}
"""


def _channels(made: Source) -> list[tuple[str, str]]:
    """Symbols and names of the planar channels that come in."""
    return [
        (f"in{number}{s}", f"In {number}{t}") for number, (shape, _) in made.step.channels.items() for s, t in _lanes(shape)
    ]


def _outputs(made: Source) -> list[tuple[str, str]]:
    """And of those that go out."""
    out = []
    for i, output in enumerate(made.outputs):
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", output.name) and made.kind == "dict"
        symbol = output.name if plain else "out" if made.kind == "value" else f"out{i}"
        shown = output.name if made.kind == "dict" else "Out" if made.kind == "value" else f"Out {i}"
        out += [(symbol + s, shown + t) for s, t in _lanes(output.shape)]
    return out


def _lanes(shape: tuple[int, ...]) -> list[tuple[str, str]]:
    return [(f"_{i}", f" {i}") for i in range(int(np.prod(shape)))] if shape else [("", "")]


def _unique(symbols: set[str], symbol: str, shown: str) -> tuple[str, str]:
    while symbol in symbols:
        symbol += "_"
    symbols.add(symbol)
    return symbol, shown


def _audio(way: str, symbol: str, shown: str) -> str:
    return f"        a lv2:AudioPort , lv2:{way}Port ;\n        lv2:symbol {_text(symbol)} ;\n        lv2:name {_text(shown)}\n"


def _control(c: Control) -> str:
    lines = [
        "a lv2:ControlPort , lv2:InputPort",
        f"lv2:symbol {_text(c.symbol)}",
        f"lv2:name {_text(c.name)}",
        *[f"lv2:{name} {_number(x)}" for name, x in (("default", c.first), ("minimum", c.low), ("maximum", c.high))],
    ]
    if c.by_octaves:
        lines.append("lv2:portProperty pprops:logarithmic")
    known = _UNITS.get(c.unit.strip().lower())
    if known:
        lines.append(f"units:unit units:{known}")
    elif c.unit.strip():
        said = c.unit.strip()
        named, render = _text(said), _text("%f " + said.replace("%", "%%"))
        lines.append(f"units:unit [ a units:Unit ; rdfs:label {named} ; units:symbol {named} ; units:render {render} ]")
    return "        " + " ;\n        ".join(lines) + "\n"


def _latency(frames: int, symbol: str, shown: str) -> str:
    return f"""\
        a lv2:ControlPort , lv2:OutputPort ;
        lv2:symbol {_text(symbol)} ;
        lv2:name {_text(shown)} ;
        lv2:designation lv2:latency ;
        lv2:portProperty lv2:reportsLatency , lv2:integer ;
        lv2:default {frames} ;
        lv2:minimum 0 ;
        lv2:maximum {frames} ;
        units:unit units:frame
"""


def _text(x: str) -> str:
    """A string of Turtle."""
    return '"' + "".join(f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08X}" for c in x) + '"'


def _number(x: np.float32) -> str:
    return np.format_float_positional(x, trim="0")
