"""Parameters by the names that a report calls them, and reports as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArgumentError
from ..lazy import Lazy
from .source import Source


def named(name: str, loss: Any, params: Any, frames: Any, inputs: Any) -> tuple[Source, list[str]]:
    """A loss, and what its parameters are called: by a mapping, or by the order in which they were given or occur."""
    keys = None
    if isinstance(params, Mapping):
        keys, params = [*params], [*params.values()]
        for key in keys:
            if not isinstance(key, str):
                raise ArgumentError(f"{name}: params: {key!r} is no name of a parameter")
    source = Source(name, loss, params, 1, frames, inputs)
    return source, keys or [f"params[{i}]" for i in range(len(source.params))]


def shown(p: Lazy) -> str:
    """The shape of a parameter's data, or of one number the number."""
    value = p.value
    return f"{float(value):.6g}" if value.shape == () else " x ".join(map(str, value.shape))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first of headings, with columns that stand under each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join("  ".join([*(cell.ljust(w) for cell, w in zip(row, widths)), row[-1]]).rstrip() for row in rows)
