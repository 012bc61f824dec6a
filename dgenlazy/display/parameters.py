"""What is learned, as a table: values, bounds, gradients."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np

from ..errors import ArgumentError, spelled
from ..graph import Data, needs_value, toposort

_COLUMNS = ("name", "shape", "value", "min", "max", "gradient")


class Row(NamedTuple):
    """One parameter.

    Attributes:
        name: That it was given with, or its number.
        shape: Of one frame; with the length of a batch, or of samples, before.
        value: Its data.
        low, high: Its bounds; infinite where there is none.
        grad: What `backward` has added up since `zero_grad`, or None.
    """

    name: str
    shape: tuple[int, ...]
    value: np.ndarray
    low: float
    high: float
    grad: np.ndarray | None

    def cells(self) -> tuple[str, ...]:
        bounds = ("" if np.isinf(bound) else f"{bound:.6g}" for bound in (self.low, self.high))
        return self.name, str(self.shape), _short(self.value), *bounds, "" if self.grad is None else _short(self.grad)

    @property
    def at(self) -> str:
        """What is to be seen to: the value is at a bound, or the gradient is not finite."""
        said = [name for name, bound in (("min", self.low), ("max", self.high)) if (self.value == bound).any()]
        return ", ".join([f"at {name}" for name in said] + ["gradient not finite"] * bool(self._lost()))

    def _lost(self) -> bool:
        return self.grad is not None and not np.isfinite(self.grad).all()


def _short(x: np.ndarray) -> str:
    """A number, or of more of them least, mean and largest."""
    if x.size <= 1:
        return f"{x.item():.6g}" if x.size else ""
    return f"{x.min():.3g} ... {x.mean():.3g} ... {x.max():.3g}"


@final
class Parameters(tuple[Row, ...]):
    """The rows of a table, which `str` and a notebook show."""

    __slots__ = ()

    def __str__(self) -> str:
        lines = [_COLUMNS, *(row.cells() for row in self)]
        notes = ["", *(row.at for row in self)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
        cells = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines]
        return "\n".join(f"{line}  {note}".rstrip() for line, note in zip(cells, notes))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = [(*_COLUMNS, ""), *((*row.cells(), row.at) for row in self)]
        rows = []
        for line, tag in zip(lines, ["th", *["td"] * len(self)]):
            cells = "".join(f'<{tag} style="text-align: left">{html.escape(cell)}</{tag}>' for cell in line)
            rows.append(f"<tr>{cells}</tr>")
        return f"<table><thead>{rows[0]}</thead><tbody>{''.join(rows[1:])}</tbody></table>"


@spelled
def parameters(*values: Any) -> Parameters:
    """Tabulate what is learned: value, bounds, and the gradient that the last `backward` left. Nothing is run.

    Args:
        values: Dicts of leaves by name; leaves; or computed values, such as a loss, for all below that has
            `requires_grad=True`, numbered in the order of the graph. Each leaf has one row, under the first name it is given.

    Returns:
        `Parameters`, a tuple of rows with `name`, `shape`, `value`, `low`, `high` and `grad`. Of arrays it shows least, mean
            and largest, and beside each row whether the value is at a bound or the gradient is not finite.

    Raises:
        ArgumentError: what is no value, a dict's value that is computed, or nothing that is learned.

    >>> from dgenlazy import display
    >>> cutoff, w = Signal.param(1000.0, min=20.0, max=1000.0), Tensor([3.0, -1.0], requires_grad=True)
    >>> (w * w).sum().backward()
    10.0
    >>> print(display.parameters({"cutoff": cutoff, "w": w}))
    name    shape  value           min  max   gradient
    cutoff  ()     1000            20   1000            at max
    w       (2,)   -1 ... 1 ... 3             -2 ... 2 ... 6
    """
    rows: dict[Data, Row] = {}
    for given in values:
        named = given.items() if isinstance(given, Mapping) else [("", given)]
        for name, value in named:
            node = needs_value("parameters", value).node
            if name and not isinstance(node, Data):
                raise ArgumentError(f"parameters: {name!r} is computed, and holds no data; give the leaves it is made of")
            for leaf in [node] if isinstance(node, Data) else toposort([node]):
                if isinstance(leaf, Data) and leaf not in rows and (leaf.requires_grad or leaf is node):
                    rows[leaf] = _row(str(name) or f"%{len(rows)}", leaf)
    if not rows:
        raise ArgumentError("parameters: no value below has requires_grad=True")
    return Parameters(rows.values())


def _row(name: str, leaf: Data) -> Row:
    value = np.array(leaf.array)
    return Row(name, value.shape, value, leaf.low, leaf.high, None if leaf.grad is None else np.array(leaf.grad))
