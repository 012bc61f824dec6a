"""How a loss stands with its parameters: gradients, where they cease to be finite, and what the data determines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from ..config import whole_number
from ..errors import spelled
from ..graph import Data, Input, Value
from ..lazy import Lazy
from ..run import edges, watched
from .landscape import Landscape
from .named import named, shown, table
from .optim import Params

_APART = 1e-4  # of two gradients whose difference is the curvature, in sizes of a parameter
_FLAT = 1e-9  # of the largest curvature, from which on there is none


class Standing(NamedTuple):
    """How one parameter stands.

    Attributes:
        name: By which it was given, or its place.
        param: The parameter.
        norm: Of its gradient.
        finite: Whether all of its gradient is.
        curvature: Of the loss along it, the largest of its numbers; NaN where it was not asked for, or is not known.
        spread: So far may it move, while all others follow it, before the loss doubles; the largest of its numbers. Infinite
            where the loss does not tell.
        determined: Whether that is less than its size: that of its bounds, or else of its value. None where it is not known.
    """

    name: str
    param: Lazy
    norm: float
    finite: bool
    curvature: float
    spread: float
    determined: bool | None


class Trouble(NamedTuple):
    """Where something is not finite first.

    Attributes:
        what: "value" or "gradient".
        op: The op that makes it, or what it enters by: "Signal.input(0)", "samples", "value".
        row: In which frame or tick, or row of a Tensor, of a value; -1 of a gradient.
        line: Which line of the program it is, as `str()` of it counts.
    """

    what: str
    op: str
    row: int
    line: int


@final
class Health:
    """What `health` found. `str()` is a table.

    Attributes:
        loss: Its value.
        rows: A `Standing` of each parameter.
        first: The `Trouble` that the others come from, or None.
        ok: Whether the loss and all gradients are finite.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> found = dg.health((w * w).sum())
    >>> found.ok, found.rows[0].norm, found.rows[0].curvature
    (True, 10.0, 2.0)
    """

    def __init__(self, loss: float, rows: Sequence[Standing], first: Trouble | None):
        self.loss: float = loss
        self.rows: tuple[Standing, ...] = tuple(rows)
        self.first: Trouble | None = first
        self.ok: bool = first is None and bool(np.isfinite(loss)) and all(row.finite for row in rows)

    def __str__(self) -> str:
        cells: list[tuple[str, ...]] = [("parameter", "value", "gradient", "finite", "curvature", "spread", "determined")]
        for r in self.rows:
            known = ["-" if np.isnan(x) else f"{x:.4g}" for x in (r.curvature, r.spread)]
            told = "-" if r.determined is None else "yes" if r.determined else "no"
            cells.append((r.name, shown(r.param), f"{r.norm:.4g}", "yes" if r.finite else "NO", *known, told))
        title = "all is finite"
        if self.first:
            at = f", first in row {self.first.row}" if self.first.row >= 0 else ""
            title = f"the {self.first.what} is not finite from {self.first.op} on (line {self.first.line}{at})"
        return f"loss {self.loss:.6g}: {title}\n{table(cells)}"

    __repr__ = __str__


@spelled
def health(
    loss: Value | Callable[[], Value],
    params: Params | Mapping[str, Lazy] | None = None,
    *,
    frames: int | None = None,
    inputs: Mapping[int, Any] | None = None,
    most: int = 64,
) -> Health:
    """Look at a loss as it stands: is it finite, are its gradients, and which parameters does the data determine?

    Where a value is not finite, the first op that makes one is named; else, going back from the loss, the first op that makes a
    gradient that is not. Curvature is the difference of gradients in float64 to both sides of where the parameters are, and
    tells at a minimum of a loss that is smooth there, as `mse` is, how far each may move before the loss doubles while the
    others follow: a parameter that the recording does not excite, or whose effect another one can undo, may move far.

    Args:
        loss: A value of shape (), or a function of no arguments that makes one.
        params: Those to look at, or these by names for the table; by default all that the loss depends on.
        frames, inputs: As for `backward`.
        most: With more numbers to learn than that, no curvature is computed, which takes two gradients for each.

    Raises:
        ArgumentError: a parameter that the loss does not depend on. ShapeError: it is not of shape (). InputError: as for
            `backward`.

    >>> gain, unused = Signal.param(0.5, min=0.0, max=1.0), Signal.param(0.5, min=0.0, max=1.0)
    >>> x = Signal.noise(seed=1)
    >>> found = dg.health(dg.mse(x * gain + 0.0 * unused, x * 0.501), {"gain": gain, "unused": unused}, frames=64)
    >>> [row.determined for row in found.rows]
    [True, False]
    >>> w = Tensor([-1.0], requires_grad=True)
    >>> dg.health((w - w.relu() + 1.0).log().sum()).first
    Trouble(what='value', op='log', row=0, line=5)
    """
    most = whole_number("health: most", most)
    source, names = named("health", loss, params, frames, inputs)
    part = source.part(0)
    program, learned, settings = part.kind
    numbers, *arrays = part.arrays
    value, slopes, sums, firsts = watched(*part.kind[:2], *settings)([arrays[i] for i in learned], numbers, arrays)
    first = _trouble(program, source, arrays, np.asarray(sums), np.asarray(firsts))
    curves = _curvature(part, most, [p.node for p in source.params], float(value)) if first is None else None
    rows = []
    for i, (name, p) in enumerate(zip(names, source.params)):
        g = np.asarray(slopes[i], np.float64)
        curve, spread, sure = curves[i] if curves else (float("nan"), float("nan"), None)
        rows.append(Standing(name, p, float(np.linalg.norm(g)), bool(np.isfinite(g).all()), curve, spread, sure))
    return Health(float(value), rows, first)


def _trouble(program: Any, source: Any, arrays: Any, sums: Any, firsts: Any) -> Trouble | None:
    leaves = len(program.leaves)
    for i, (leaf, x) in enumerate(zip(source.leaves, arrays)):
        x = np.asarray(x)
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            op = f"Signal.input({leaf.channel})" if isinstance(leaf, Input) else "samples" if leaf.spec.varies else "value"
            row = np.argwhere(~np.isfinite(x))[0]
            axis = x.ndim - len(leaf.spec.shape) - 1 if leaf.spec.varies else 0
            return Trouble("value", op, int(row[axis]) if len(row) else 0, program.numbers + i)
    if (firsts >= 0).any():
        at = int(np.argmax(firsts >= 0))
        return Trouble("value", program.lines[at].op.__name__, int(firsts[at]), leaves + at)
    wrong = [line for (line, _), x in zip(edges(program), sums) if not np.isfinite(x)]
    if not wrong:
        return None
    return Trouble("gradient", program.lines[max(wrong) - leaves].op.__name__, -1, max(wrong))


def _curvature(part: Any, most: int, leaves: Sequence[Data], value: float) -> list[tuple[float, float, bool]] | None:
    """Of each parameter its curvature, how far it may move, and whether that is little."""
    double = Landscape(part, double=True)
    counts = [x.size for x in double.values]
    if not 0 < (count := sum(counts)) <= most:
        return None
    sizes = np.repeat([_size(x, leaf) for x, leaf in zip(double.values, leaves)], counts)
    flat = np.concatenate([x.ravel() for x in double.values])
    low, high = np.repeat([leaf.low for leaf in leaves], counts), np.repeat([leaf.high for leaf in leaves], counts)
    hessian = np.empty((count, count))
    for k in range(count):
        ends = np.clip(flat[k] + np.array([-_APART, _APART]) * sizes[k], low[k], high[k])
        slopes = []
        for end in ends:
            moved = flat.copy()
            moved[k] = end
            slopes.append(np.concatenate([g.ravel() for g in double.gradient(_split(moved, double.values))[1]]))
        hessian[k] = (slopes[1] - slopes[0]) / (ends[1] - ends[0]) * sizes[k] * sizes
    hessian = np.nan_to_num((hessian + hessian.T) / 2)
    curves, axes = np.linalg.eigh(hessian)
    fine = curves > max(_FLAT * np.abs(curves).max(), 1e-300)
    spread = np.sqrt(2 * abs(value) * (axes[:, fine] ** 2 / curves[fine]).sum(1))
    spread[(axes[:, ~fine] ** 2).sum(1) > 1e-4] = np.inf
    out, at = [], 0
    for x in double.values:
        own = slice(at, at + x.size)
        at += x.size
        diagonal = np.diag(hessian)[own] / sizes[own] ** 2
        out.append(
            (float(diagonal.max()), float((spread[own] * sizes[own]).max()), bool((spread[own] < 1).all()))
            if x.size
            else (float("nan"), float("nan"), True)
        )
    return out


def _size(x: Any, leaf: Data) -> float:
    if np.isfinite([leaf.low, leaf.high]).all():
        return leaf.high - leaf.low
    return float(np.sqrt(np.mean(np.square(x)))) or 1.0 if x.size else 1.0


def _split(flat: Any, like: Sequence[Any]) -> list[Any]:
    out, at = [], 0
    for x in like:
        out.append(flat[at : at + x.size].reshape(x.shape))
        at += x.size
    return out
