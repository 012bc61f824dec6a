"""Lines of C as they are written: where a value lies, loops over its axes, elements at their indices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from .expressions import C_TYPES, literal
from .ranges import Ranges
from .value import PREPARED, Value
from .views import dense

_ON_STACK = 256  # elements of an array that is needed for one frame; larger ones are fields


class Text:
    """C of one function body, and what it needs beside: tables, fields, locals of state."""

    def __init__(self, name: str, channels: dict[int, tuple[tuple[int, ...], int]], ranges: Ranges):
        self.name, self.channels, self.ranges = name, channels, ranges
        self.lines: list[str] = []
        self.indent = 1
        self.tables: dict[Value, str] = {}
        self.rated: dict[Value, str] = {}  # tables with a row for each sample rate
        self.fields: dict[Value, str] = {}
        self.names: dict[Value, str] = {}  # of what loops and branches make
        self.prepared: set[Value] = set()  # what is prepared and read later
        self.leaving: set[Value] = set()  # what the outputs read
        self.local: set[Value] = set()  # what only the present loop over lanes reads
        self.local_states: set[int] = set()  # those that process holds in local variables

    def put(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def taken(self) -> list[str]:
        """What was written since the last call."""
        lines, self.lines = self.lines, []
        return lines

    @contextlib.contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        self.put(f"{head} {{".lstrip())
        self.indent += 1
        yield
        self.indent -= 1
        self.put("}")

    @contextlib.contextmanager
    def loops(self, lengths: Sequence[int], prefix: str = "i") -> Iterator[list[str]]:
        """Loops over axes, and the index of each."""
        with contextlib.ExitStack() as stack:
            names = []
            for axis, length in enumerate(lengths):
                name = f"{prefix}{axis}" if length != 1 else "0"
                if length != 1:
                    stack.enter_context(self.block(f"for (int {name} = 0; {name} < {length}; {name}++)"))
                names.append(name)
            yield names

    def declared(self, v: Value) -> str:
        """The name of a value that is written now, declared where it is not."""
        if v in self.prepared:
            return f"self->{self.field(v, f'dg_p{v.number}')}"
        if v.size > _ON_STACK:
            return f"self->{self.field(v, f'dg_t{v.number}')}"
        self.put(f"{C_TYPES[v.dtype]} v{v.number}{f'[{v.size}]' if v.size > 1 else ''};")
        return f"v{v.number}"

    def field(self, v: Value, name: str) -> str:
        self.fields[v] = name
        return name

    def reference(self, v: Value, index: str) -> str:
        """An element of an array that is no view."""
        if v.const is not None:
            elements = v.const.tobytes()
            if elements == elements[: v.const.itemsize] * v.size:
                return literal(v.const.flat[0], v.dtype)
            return f"{self.table(v)}[{index}]"
        several = f"[{index}]" if v.shape != () else ""
        if v.source:
            return self._outside(v, index, several if v.size > 1 or v.source[0] != "rate" else "")
        several = several if v.size > 1 else ""
        if v in self.names:
            return self.names[v] + several
        if v in self.local:
            return f"v{v.number}"
        return (f"self->{self.fields[v]}" if v in self.fields else f"v{v.number}") + several

    def table(self, v: Value) -> str:
        """The name of an array that is known."""
        return self.tables.setdefault(v, f"{self.name}_c{v.number}")

    def _outside(self, v: Value, index: str, several: str) -> str:
        kind, *which = v.source
        if kind == "part":
            return self.names[which[0]] + (f"[{index}]" if v.size > 1 else "")
        if kind == "turn":
            return f"t{which[0].number}"
        if kind == "rate":
            return f"{self.rated.setdefault(v, f'{self.name}_r{v.number}')}[self->dg_rate]{several}"
        if kind == "param":
            return f"self->{which[0]}{several}"
        if kind == "input":
            first = self.channels[which[0]][1]
            at = f"{first} + {index}" if v.size > 1 and first else index if v.size > 1 else str(first)
            return f"in[{at}][n]"
        if kind == "state":
            return self.state(which[0], v.size, index)
        return {"frame": "frame", "seed": "self->seed"}[kind]

    def state(self, number: int, size: int, index: str) -> str:
        return f"s{number}" if number in self.local_states else f"self->dg_s{number}" + (f"[{index}]" if size > 1 else "")

    def read(self, v: Value, at: Sequence[str]) -> str:
        """The element of a value at an index for each axis."""
        base, offset, strides = v.seen()
        return self.reference(base, index(at, strides, offset))

    def target(self, name: str, v: Value, at: Sequence[str], shift: int = 0) -> str:
        return f"{name}[{index(at, dense(v.shape), shift)}]" if v.size > 1 else name


def index(at: Sequence[str], strides: Sequence[int], offset: int = 0) -> str:
    """An index as C: the sum of those of the axes."""
    terms = [name if stride == 1 else f"{name} * {stride}" for name, stride in zip(at, strides) if name != "0" and stride]
    return " + ".join([*terms, str(offset)] if offset or not terms else terms)


def array(dtype: str, name: str, size: int) -> str:
    return f"{C_TYPES[dtype]} {name}{f'[{size}]' if size > 1 else ''};"


def kept(dtype: str, value: str) -> str:
    """What a state becomes."""
    return f"DG_KEPT({value})" if dtype == "float32" else value


def is_prepared(v: Any) -> bool:
    return v.level == PREPARED and not v.source and v.const is None
