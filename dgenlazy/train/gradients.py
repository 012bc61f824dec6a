"""Whether gradients are those of the loss: against differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from ..config import seed_number, whole_number
from ..errors import spelled
from ..graph import Data, Value
from ..lazy import Lazy
from .landscape import Floats, Landscape
from .named import named, shown, table
from .optim import Params
from .rates import above_zero

_STEPS = 10.0 ** -np.arange(2.0, 7.0)  # of the size of a parameter, from which the two in a row count that agree best
_SLOPES = "agrees", "kink"  # what is as it should be


class Slope(NamedTuple):
    """What was found about one parameter.

    Attributes:
        name: By which it was given, or its place.
        param: The parameter.
        checked: How many of its numbers, or with more numbers than that along how many random directions.
        gradient: What the derivative is there where it is farthest from the difference.
        difference: What the difference is there.
        error: How far apart they are, in shares of the larger of the two.
        rounding: How far the gradient in float32 is from that in float64, in shares of the norm.
        verdict: "agrees"; "kink", where slopes to the left and to the right differ, and the gradient is one between; "unsure"
            where differences do not settle, as beside a jump; "disagrees"; "not finite".
    """

    name: str
    param: Lazy
    checked: int
    gradient: float
    difference: float
    error: float
    rounding: float
    verdict: str


@final
class GradCheck:
    """What `check_grads` found. `str()` is a table.

    Attributes:
        rows: A `Slope` of each parameter.
        ok: Whether none disagrees, is unsure or is not finite.
        wrong: The names of those that do.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> found = dg.check_grads((w * w).sum())
    >>> found.ok, found.wrong, found.rows[0].checked
    (True, [], 2)
    """

    def __init__(self, rows: Sequence[Slope], loss: float):
        self.rows: tuple[Slope, ...] = tuple(rows)
        self.wrong: list[str] = [row.name for row in rows if row.verdict not in _SLOPES]
        self.ok: bool = not self.wrong
        self._loss = loss

    def __str__(self) -> str:
        cells = [("parameter", "value", "checked", "gradient", "difference", "error", "float32", "verdict")]
        for r in self.rows:
            size = r.param.value.size
            checked = f"all {size}" if r.checked == size else f"{r.checked} directions in {size}"
            numbers = f"{r.gradient:.6g}", f"{r.difference:.6g}", f"{r.error:.1e}", f"{r.rounding:.1e}"
            cells.append((r.name, shown(r.param), checked, *numbers, r.verdict))
        title = "all gradients are those of the loss" if self.ok else f"not those of the loss: {', '.join(self.wrong)}"
        return f"loss {self._loss:.6g}: {title}\n{table(cells)}"

    __repr__ = __str__


@spelled
def check_grads(
    loss: Value | Callable[[], Value],
    params: Params | Mapping[str, Lazy] | None = None,
    *,
    frames: int | None = None,
    inputs: Mapping[int, Any] | None = None,
    rtol: float = 1e-3,
    most: int = 16,
    seed: int = 0,
) -> GradCheck:
    """Hold the gradient of a loss to differences of the loss itself, computed in float64 on the CPU.

    Each number of a parameter is moved to both sides, at a bound to the inside, by steps of 1e-2 to 1e-6 of its size, and those
    two count whose differences agree best. Of a parameter with more than `most` numbers, all are moved at
    once, each up or down at random: a single wrong number shows in every such direction. What is no derivative on purpose
    disagrees: `detach`, `round`, the slope that `spectral_loss` has at silence.

    Args:
        loss: A value of shape (), or a function of no arguments that makes one, as for `fit`.
        params: Those to check, or these by names for the table; by default all that the loss depends on.
        frames, inputs: As for `backward`.
        rtol: How far a derivative may be from the difference, in shares of the larger of the two.
        most: How many numbers of a parameter, or directions, are tried.
        seed: Of the directions.

    Returns:
        A `GradCheck`, whose `str()` is a table and whose `ok` tells whether all agree.

    Raises:
        ArgumentError: a bad setting, or a parameter that the loss does not depend on. ShapeError: the loss is not of shape ().

    >>> cutoff = Signal.param(800.0, min=20.0, max=20000.0)
    >>> found = dg.check_grads(dg.mse(Signal.noise(seed=1).biquad(cutoff), 0.0), {"cutoff": cutoff}, frames=64)
    >>> found.rows[0].name, found.rows[0].verdict
    ('cutoff', 'agrees')
    """
    rtol, most = above_zero("check_grads: rtol", rtol), whole_number("check_grads: most", most, least=1)
    rng = np.random.default_rng(seed_number("check_grads: seed", seed))
    source, names = named("check_grads", loss, params, frames, inputs)
    part = source.part(0)
    double, single = Landscape(part, double=True), Landscape(part, double=False)
    value, slopes = double.gradient(double.values)
    _, float32 = single.gradient(single.values)
    rows = []
    for i, (name, p) in enumerate(zip(names, source.params)):
        directions = _directions(slopes[i].shape, most, rng)
        size = float(np.linalg.norm(double.values[i])) / max(slopes[i].size, 1) ** 0.5
        found = [_compared(double, i, p.node, d, size or 1.0, slopes[i], value, rtol) for d in directions]
        worst = max(found, key=lambda x: (_ORDER.index(x[-1]), x[2]), default=(0.0, 0.0, 0.0, "agrees"))
        norm = float(np.linalg.norm(slopes[i]))
        rounding = float(np.linalg.norm(float32[i] - slopes[i])) / norm if norm else float(np.linalg.norm(float32[i]))
        verdict = worst[-1] if np.isfinite(norm) and np.isfinite(float32[i]).all() else "not finite"
        rows.append(Slope(name, p, len(directions), *worst[:3], rounding, verdict))
    return GradCheck(rows, value)


_ORDER = "agrees", "kink", "unsure", "disagrees", "not finite"


def _directions(shape: tuple[int, ...], most: int, rng: np.random.Generator) -> list[Floats]:
    """Along which a parameter is moved: each of its numbers, or all at once up or down."""
    size = int(np.prod(shape))
    rows = np.eye(size) if size <= most else rng.choice([-1.0, 1.0], (most, size))
    return [row.reshape(shape) for row in rows]


def _compared(
    double: Landscape, i: int, leaf: Data, direction: Floats, size: float, slope: Floats, value: float, rtol: float
) -> tuple[float, float, float, str]:
    """Derivative and difference along a direction, how far they are apart, and the verdict."""
    before, here, after = double.values[:i], double.values[i], double.values[i + 1 :]
    reach = size * _STEPS[0]
    moved = np.abs(direction) > 0
    below, above = (here - reach < leaf.low) & moved, (here + reach > leaf.high) & moved
    inside = bool((below | above).any())
    if inside:  # to where there is room: of two bounds that are near, to the farther one
        up = np.where(below & above, leaf.high - here > here - leaf.low, below)
        direction = np.where(below | above, np.where(up, 1.0, -1.0), direction) * moved
        room = np.where(direction > 0, leaf.high - here, here - leaf.low)[moved].min()
        size = min(size, float(room) / _STEPS[0])
    places = np.array([0.0, 0.25, 0.5, 1.0]) if inside else np.array([-1.0, -0.5, 0.5, 1.0])
    h = size * _STEPS
    offsets = np.append((h[:, None] * places).ravel(), 0.0)
    losses = np.array([double.gradient([*before, here + x * direction, *after])[0] for x in offsets])
    f, middle = losses[:-1].reshape(len(h), 4), losses[-1]
    derivative = float((slope * direction).sum())
    if not np.isfinite([derivative, middle]).all():
        return derivative, float("nan"), float("nan"), "not finite"
    f = np.where(np.isfinite(f), f, np.nan)
    if inside:
        whole, half = (4 * f[:, 2] - 3 * f[:, 0] - f[:, 3]) / h, (4 * f[:, 1] - 3 * f[:, 0] - f[:, 2]) / (h / 2)
    else:
        whole, half = (f[:, 3] - f[:, 0]) / (2 * h), (f[:, 2] - f[:, 1]) / h
    found = (4 * half - whole) / 3  # to the fourth order
    apart = np.abs(whole - half)
    apart = np.maximum(np.maximum(apart[1:], apart[:-1]), np.abs(np.diff(found)))  # of a step and the next
    best = int(np.argmin(np.where(np.isfinite(apart), apart, np.inf)))
    difference, unsure = float(found[best + 1]), float(apart[best])
    scale = max(abs(derivative), abs(difference))
    rounding = 1e-13 * abs(value) / h[best + 1]  # of the losses that a difference is of
    error = abs(derivative - difference)
    share = error / scale if scale else 0.0
    if error <= rtol * scale + unsure + rounding:
        certain = unsure <= 0.1 * scale + rounding or error <= rtol * scale
        return derivative, difference, share, "agrees" if certain else "unsure"
    if not inside:
        left, right = (middle - f[-2:, 0]) / h[-2:], (f[-2:, 3] - middle) / h[-2:]
        gap = np.abs(right - left)
        edge = rtol * np.abs([left, right]).max()
        if gap[1] > max(edge, 0.5 * gap[0]) and min(left[1], right[1]) - edge <= derivative <= max(left[1], right[1]) + edge:
            return derivative, difference, share, "kink"
    return derivative, difference, share, "disagrees" if unsure <= 0.1 * scale else "unsure"
