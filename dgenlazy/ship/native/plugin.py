"""What plug-ins share: controls that hosts move, ramps between their values, and a library that is linked of one C file."""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError
from . import build
from .expressions import literal
from .source import Source, by_octaves

_INCLUDES = "#include <stdbool.h>\n#include <stdlib.h>\n#include <string.h>\n"
_BEGIN, _END = '\n#ifdef __cplusplus\nextern "C" {\n#endif\n\n', "\n#ifdef __cplusplus\n}\n#endif\n"
_ZIG = re.compile(r"(x86_64|x86|aarch64|arm|riscv64|powerpc64le)-(linux|windows|macos)([.\d]*)(-[a-z0-9.]+)?")


MOST = 128  # elements of an array that hosts move


class Control(NamedTuple):
    """A parameter as a host sees it: a number, or one element of an array.

    Attributes:
        name: For people: `gain`, or `gain[0]`.
        symbol: The same as an identifier, unlike that of any other.
        place: Where it is in the struct, as C.
        identity: A number that stays whatever other parameters come and go.
        low, high, first: Its bounds, and where it begins.
        unit: Text.
    """

    name: str
    symbol: str
    place: str
    identity: int
    low: np.float32
    high: np.float32
    first: np.float32
    unit: str

    @property
    def by_octaves(self) -> bool:
        """Whether people move it by ratios, and not by differences; hosts know no way to do so from 0 on."""
        return bool(self.low > 0) and by_octaves(self.name.partition("[")[0], self.unit, float(self.low), float(self.high))


def controls(made: Source, units: Mapping[str, str] | None) -> list[Control]:
    """All parameters, of arrays each element, in C order.

    Raises:
        ArgumentError: one has no bounds, which hosts must know, or an array has too many elements.
    """
    out: dict[int, Control] = {}
    symbols = set(made.step.params)
    for name, leaf in made.step.params.items():
        low, high, first = np.float32(leaf.low), np.float32(leaf.high), np.ravel(np.asarray(leaf.array, np.float32))
        if first.size > MOST:
            raise ArgumentError(
                f"export: params: {name!r} has {first.size} elements; a plug-in has at most {MOST} of one array"
            )
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ArgumentError(f"export: params: {name!r} has no bounds, which a plug-in needs: param(..., min=..., max=...)")
        for i, x in enumerate(first):
            shown, symbol, place = name, name, f"offsetof({made.name}_t, {name})"
            if leaf.spec.shape != ():
                shown, symbol, place = f"{name}[{i}]", f"{name}_{i}", f"{place} + {i} * sizeof(float)"
                while symbol in symbols:
                    symbol += "_"
                symbols.add(symbol)
            identity = int.from_bytes(hashlib.sha256(shown.encode()).digest()[:4], "little") >> 1
            while identity in out:
                identity += 1
            unit = (units or {}).get(name, "")
            out[identity] = Control(shown, symbol, place, identity, low, high, np.clip(x, low, high), unit)
    return list(out.values())


def wrapped(made: Source, held: list[Control], template: str, **given: str) -> str:
    """The C of a graph, of its ramps, and of the wrapper that a template is for."""
    rows = []
    for c in held:
        bounds = ", ".join(literal(x, "float32") for x in (c.low, c.high, c.first))
        rows.append(f"    {{{text(c.name)}, {c.identity}u, {c.place}, {bounds}, {text(c.unit)}, {_decimals(c)}}},")
    given = {"COUNT": str(len(held)), "ROWS": "\n".join(rows), **given}
    body = "\n".join((Path(__file__).parent / file).read_text(encoding="utf-8") for file in ("ramps.c", template))
    tokens = rf"\b(?:NAME_|(?:{'|'.join(given)})\b)"
    body = re.sub(tokens, lambda m: f"{made.name}_" if m[0] == "NAME_" else given[m[0]], body)
    return f"{made.file.text}\n{_INCLUDES}{_BEGIN}{body}{_END}"


def text(x: str) -> str:
    """A string of C: its bytes in UTF-8, those that are no plain letters as octals."""
    plain = [chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in x.encode()]
    return '"' + "".join(plain) + '"'


def title_of(given: Any, name: str) -> str:
    """What a plug-in is called by people."""
    title = name if given is None else given
    if not isinstance(title, str) or not title.strip() or not title.isprintable():
        raise ArgumentError(f"export: title={given!r} is no text of one line")
    return title


def ending(target: Any) -> str:
    """What the name of a library ends with on a machine: on this one, or on that which a target of zig names.

    Raises:
        ArgumentError: the target is not written as zig writes it.
    """
    if target is None:
        return {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    match = _ZIG.fullmatch(target) if isinstance(target, str) else None
    if not match:
        raise ArgumentError(
            f"export: target={target!r} is no machine as zig names it: x86_64-linux-gnu, aarch64-linux-gnu, "
            "x86_64-windows-gnu, x86_64-macos, aarch64-macos"
        )
    return {"windows": ".dll", "macos": ".dylib"}.get(match[2], ".so")


def linked(source: str, name: str, target: str | None) -> bytes:
    """A shared library of a C file, for this machine or another, that hands out no more than it must.

    Raises:
        BackendError: there is no compiler, or for another machine no zig.
    """
    end, command = ending(target), build.compiler(target or "")
    if "ziglang" in command or command[0] == "zig":  # which else builds for this very processor, and notes its paths
        command = [*command, "-mcpu=baseline", "-fno-sanitize=undefined", "-g0", "-s"]
    shared = ["-dynamiclib", f"-Wl,-install_name,@rpath/{name}{end}"] if end == ".dylib" else ["-shared"]
    shared += [] if end == ".dll" else ["-fPIC", "-lm"]
    return build.binary("export", source, [*command, *build.FLAGS, "-fvisibility=hidden"], shared)


def _decimals(c: Control) -> int:
    """How many decimals tell a thousand places between the bounds apart; by octaves, in the lowest of them."""
    span = float(c.low if c.by_octaves else c.high - c.low)
    return min(max(math.ceil(3 - math.log10(span)), 0), 9) if span > 0 and math.isfinite(span) else 6
