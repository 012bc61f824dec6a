"""Loops and branches as C: their variables, and around what runs in them `for`, `if` and `switch`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .regions import read_by
from .text import Text
from .value import Value

Emit = Callable[[Sequence[Value]], None]


def _declared(text: Text, parts: Iterable[Value]) -> None:
    for part in parts:
        if part.size:
            text.names[part] = text.declared(part)
            text.put(f"(void){text.names[part]};")  # of what is not read


def _copied(text: Text, parts: Sequence[Value], values: Sequence[Value]) -> None:
    for part, v in zip(parts, values, strict=True):
        if part.size:
            with text.loops(part.shape) as at:
                text.put(f"{text.target(text.names[part], part, at)} = {text.read(v, at)};")


def _run(text: Text, emit: Emit, region: Any, roots: Sequence[Value], done: Sequence[Value] = ()) -> list[Value]:
    """Write what `roots` need and is not there yet."""
    needed = [v for v in read_by(region, roots)[0] if v not in done]
    text.leaving |= {v.seen()[0] for v in roots}
    emit(needed)
    return needed


def _scan(text: Text, n: Value, emit: Emit) -> None:
    p = n.params
    _declared(text, p["parts"])
    _copied(text, p["carried"], p["start"])
    if not p["length"]:
        return
    with text.block(f"for (int t{n.number} = 0; t{n.number} < {p['length']}; t{n.number}++)"):
        _run(text, emit, p["region"], [*p["after"], *p["rows"], p["at"]])
        for part, row in zip(p["stacked"], p["rows"], strict=True):
            if part.size:
                with text.loops(row.shape) as at:
                    text.put(f"{text.target(text.names[part], part, [text.read(p['at'], []), *at])} = {text.read(row, at)};")
        _copied(text, p["carried"], p["after"])


def _while(text: Text, n: Value, emit: Emit) -> None:
    p = n.params
    _declared(text, p["parts"])
    _copied(text, p["parts"], p["start"])
    with text.block("for (;;)"):
        first = read_by(p["region"], [p["going"]])[0]
        later = [v for v in read_by(p["region"], p["after"])[0] if v not in first]
        text.leaving |= {a.seen()[0] for v in later for a in v.args}
        _run(text, emit, p["region"], [p["going"], *[v for v in p["after"] if v.seen()[0] in first]])
        text.put(f"if (!({text.read(p['going'], [])})) break;")
        _run(text, emit, p["region"], p["after"], first)
        _copied(text, p["parts"], p["after"])


def _cond(text: Text, n: Value, emit: Emit) -> None:
    p = n.params
    _declared(text, p["parts"])
    index, last = text.read(p["index"], []), len(p["branches"]) - 1
    for i, (region, out) in enumerate(p["branches"]):
        test = f"if ({index} <= {i})" if i < last else ""
        with text.block(f"{'else ' if i else ''}{test}".strip()):
            _run(text, emit, region, out)
            _copied(text, p["parts"], out)


def _guard(text: Text, n: Value, emit: Emit) -> None:
    """What runs only at ticks, and writes where it lies from frame to frame."""
    p = n.params
    for part in p["parts"]:
        text.names[part] = f"self->dg_s{part.params['state']}"
    with text.block(f"if ({text.read(p['due'], [])})"):
        _run(text, emit, p["region"], p["values"])
        _copied(text, p["parts"], p["values"])


BLOCKS: dict[str, Callable[[Text, Value, Emit], None]] = {"scan": _scan, "while": _while, "cond": _cond, "guard": _guard}
