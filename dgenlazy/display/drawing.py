"""How a graph looks: boxes and lines as SVG, from its inputs at the top to what it gives at the bottom."""

from __future__ import annotations

import base64
import html
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..errors import spelled
from ..graph import Input, Leaf, Node, Number, Recurrence, Spec, needs_value, toposort

_MOST = 60  # boxes
_HEIGHT, _ROW, _GAP, _CHARACTER = 38, 74, 18, 7.2  # pixels
_FILLS = {"learned": "#0072B2", "input": "#009E73", "memory": "#E69F00", "group": "#CC79A7", "rest": "#7F7F7F", "more": "none"}
_LEGEND = {"learned": "learned", "input": "input", "memory": "has memory", "group": "several ops"}


class Box(NamedTuple):
    """What is drawn as one.

    Attributes:
        title: The name of the op, of the composite or of the leaf, and the numbers it is given.
        note: Shape, and how often there is a new value.
        kind: Which decides its colour.
        inside: The names of the ops that it stands for.
        inputs: Boxes, by number, before it.
        varies: Whether there is a value in every frame, or in every so many.
    """

    title: str
    note: str
    kind: str
    inside: tuple[str, ...]
    inputs: tuple[int, ...]
    varies: bool

    @property
    def width(self) -> float:
        return _CHARACTER * max(len(self.title), 0.85 * len(self.note)) + 16


class Drawing:
    """A picture of a graph: `str` is the SVG, and a notebook shows it.

    Attributes:
        boxes: From inputs to output.
        left_out: How many boxes there are besides, which are too many to be seen.
    """

    def __init__(self, boxes: list[Box], left_out: int):
        self.boxes: list[Box] = boxes
        self.left_out: int = left_out

    def __repr__(self) -> str:
        return f"<Drawing of {'the last ' if self.left_out else ''}{len(self.boxes)} boxes>"

    def __str__(self) -> str:
        return _svg(self.boxes)

    def _repr_html_(self) -> str:
        """A picture of the SVG: of one in the page itself, a notebook that is not trusted would leave nothing but its words."""
        at, _, _, _ = _places(self.boxes)
        areas = "".join(_area(box, *at[i]) for i, box in enumerate(self.boxes))
        picture = base64.b64encode(_svg(self.boxes, '<rect width="100%" height="100%" fill="white"/>').encode()).decode()
        name, said = f"dgenlazy-{zlib.crc32(picture.encode()):x}", html.escape(repr(self))
        image = f'<img src="data:image/svg+xml;base64,{picture}" usemap="#{name}" alt="{said}" style="max-width: none">'
        return f'<div style="overflow: auto; max-height: 80vh">{image}<map name="{name}">{areas}</map></div>'


@spelled
def graph(*values: Any, expand: bool = False) -> Drawing:
    """Draw a graph. Nothing is run.

    A box is an op, a leaf, or all that a function such as `reverb` is made of; resting the mouse on it shows the ops. Numbers
    stand in the boxes of what takes them. Lines are dashed where a value is computed once for a whole run. At most 60 boxes
    are drawn, those nearest to the end. In a notebook the picture is on white; the SVG takes the colour of the text around it.

    Args:
        values: Tensors, Signals and SignalTensors.
        expand: Whether each op has a box of its own.

    Returns:
        A `Drawing`: in a notebook the picture; `str()` of it is SVG, to be written to a file.

    Raises:
        ArgumentError: what is no value.

    >>> from dgenlazy import display
    >>> display.graph(Signal.input().biquad(1000.0).tanh())
    <Drawing of 3 boxes>
    """
    roots = [needs_value("graph", value).node for value in values]
    boxes = _boxes(roots, bool(expand))
    if len(boxes) <= _MOST:
        return Drawing(boxes, 0)
    return Drawing(_last(boxes), len(boxes) - _MOST)


def _several(node: Any) -> bool:
    return isinstance(node, Node) and isinstance(node.spec, tuple)


def _boxes(roots: list[Any], expand: bool) -> list[Box]:
    order = toposort(roots)
    owner: dict[Any, Any] = {}  # of what a composite is made of, its result; the outermost has the last word
    for node in [] if expand else reversed(order):
        if isinstance(node, Node) and node.part_of and node not in owner:
            for inner in _between(node, order):
                owner.setdefault(inner, node)
    results = set(owner.values())
    for node in order:  # an op that has several outputs is one box with them
        if isinstance(node, Node) and _several(node.inputs[0] if node.inputs else None) and node not in owner:
            head = owner.get(node.inputs[0], node.inputs[0])
            if head is not node and node not in results:
                owner[node] = head
    heads: dict[Any, int] = {}
    out: list[Box] = []
    members: dict[Any, list[Any]] = {}
    for node in order:
        members.setdefault(owner.get(node, node), []).append(node)
    for node in order:
        if isinstance(node, Number) or owner.get(node, node) is not node:
            continue  # a number stands in the box of what takes it
        mine = members[node]
        entering = [i for m in mine for i in m.inputs if owner.get(i, i) is not node]
        before = dict.fromkeys(heads[h] for i in entering if (h := owner.get(i, i)) in heads)
        heads[node] = len(out)
        out.append(_box(node, mine, entering, tuple(before)))
    return out


def _between(result: Node, order: list[Any]) -> list[Any]:
    """What a composite made of what it was given, and nobody outside of it uses."""
    stop, found, stack = set(result.given), {result}, [result]
    while stack:
        for i in stack.pop().inputs:
            if i not in stop and i not in found and not (isinstance(i, Input) or (i.requires_grad and isinstance(i, Leaf))):
                found.add(i)
                stack.append(i)
    users: dict[Any, list[Any]] = {}
    for node in order:
        for i in node.inputs:
            users.setdefault(i, []).append(node)
    outside = [n for n in found if n is not result and any(u not in found for u in users.get(n, ()))]
    return [n for n in order if n in found and n not in outside]


def _box(node: Any, members: list[Any], entering: list[Any], before: tuple[int, ...]) -> Box:
    specs = node.spec if isinstance(node.spec, tuple) else (node.spec,)
    note = ", ".join(dict.fromkeys(map(_rate, specs)))
    varies = any(s.varies for s in specs)
    if isinstance(node, Leaf):
        learned, fed = node.requires_grad, isinstance(node, Input)
        name = f"input {node.channel}" if isinstance(node, Input) else "parameter" if learned else type(node).__name__.lower()
        return Box(name, note, "learned" if learned else "input" if fed or varies else "rest", (), before, varies)
    ops = tuple(m.op.__name__ for m in members if isinstance(m, Node) and m.op.__name__ != "pick")
    numbers = [f"{i.number:.5g}" for i in entering if isinstance(i, Number)][:3] if len(ops) < 2 else []
    memory = any(isinstance(m, Node) and isinstance(m.op, Recurrence) for m in members)
    kind = "memory" if memory else "group" if len(ops) > 1 else "rest"
    return Box(" ".join([node.name, *numbers]), note, kind, ops, before, varies)


def _rate(spec: Spec) -> str:
    often = "once" if not spec.varies else "per frame" if spec.hop == 1 else f"per {spec.hop} frames"
    return f"{' x '.join(map(str, spec.shape))} {often}" if spec.shape else often


def _last(boxes: list[Box]) -> list[Box]:
    """The boxes nearest to the end, and one for all others."""
    first = len(boxes) - _MOST + 1
    more = Box(f"{first} more", "not drawn", "more", tuple(b.title for b in boxes[:first][:200]), (), False)
    kept = [b._replace(inputs=tuple(dict.fromkeys(max(i - first + 1, 0) for i in b.inputs))) for b in boxes[first:]]
    return [more, *kept]


# Layers, as K. Sugiyama lays them out: long lines pass through points of their own, and rows are sorted by what they hang on.


def _layers(boxes: list[Box]) -> tuple[list[list[Any]], dict[Any, list[Any]]]:
    """Rows of boxes and of points of lines, and what each hangs on in the row above."""
    depth = [0] * len(boxes)
    for i, box in enumerate(boxes):
        depth[i] = max((depth[j] + 1 for j in box.inputs), default=0)
    users: dict[int, list[int]] = {}
    for i, box in enumerate(boxes):
        for j in box.inputs:
            users.setdefault(j, []).append(i)
    for i in range(len(boxes)):  # what begins, begins just above what uses it
        if not boxes[i].inputs and i in users:
            depth[i] = min(depth[k] for k in users[i]) - 1
    rows: list[list[Any]] = [[] for _ in range(max(depth, default=0) + 1)]
    above: dict[Any, list[Any]] = {}
    for i, box in enumerate(boxes):
        rows[depth[i]].append(i)
        above[i] = []
        for j in box.inputs:
            last: Any = j
            for d in range(depth[j] + 1, depth[i]):
                point = (j, d)
                if point not in above:
                    rows[d].append(point)
                    above[point] = [last]
                last = point
            above[i].append(last)
    return rows, above


def _places(boxes: list[Box]) -> tuple[dict[Any, tuple[float, float]], dict[Any, list[Any]], float, float]:
    """The middle of each box and point, what each hangs on, and the size of all."""
    rows, above = _layers(boxes)
    below: dict[Any, list[Any]] = {}
    for item, others in above.items():
        for other in others:
            below.setdefault(other, []).append(item)
    width = {item: boxes[item].width if isinstance(item, int) else 8.0 for row in rows for item in row}
    x = {item: float(i * 100) for row in rows for i, item in enumerate(row)}
    for sweep in range(12):
        links = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {item: float(np.mean([x[o] for o in links[item]])) if links.get(item) else x[item] for item in row}
            row.sort(key=wanted.__getitem__)
            x.update(_apart(row, wanted, width))
    left = min((x[i] - width[i] / 2 for i in x), default=0.0) - 8
    right = max((x[i] + width[i] / 2 for i in x), default=0.0) + 8
    at = {item: (x[item] - left, 8 + _HEIGHT / 2 + depth * _ROW) for depth, row in enumerate(rows) for item in row}
    return at, above, right - left, len(rows) * _ROW


def _apart(row: Iterable[Any], wanted: dict[Any, float], width: dict[Any, float]) -> dict[Any, float]:
    """Places near to those wanted, in their order, without overlap: blocks that touch share the mean of their wishes."""
    blocks: list[list[Any]] = []  # each of items, the sum of wishes for its left end, and its length
    for item in row:
        blocks.append([[item], wanted[item] - width[item] / 2, width[item] + _GAP])
        while len(blocks) > 1 and _left(blocks[-2]) + blocks[-2][2] > _left(blocks[-1]):
            items, wish, length = blocks.pop()
            blocks[-1][1] += wish - len(items) * blocks[-1][2]
            blocks[-1][0] += items
            blocks[-1][2] += length
    out = {}
    for block in blocks:
        at = _left(block)
        for item in block[0]:
            out[item] = at + width[item] / 2
            at += width[item] + _GAP
    return out


def _left(block: list[Any]) -> float:
    return block[1] / len(block[0])


def _svg(boxes: list[Box], behind: str = "") -> str:
    at, above, width, height = _places(boxes)
    lines, shapes = [], []
    for item, others in above.items():
        for other in others:
            (x0, y0), (x1, y1) = at[other], at[item]
            y0 += _HEIGHT / 2 if isinstance(other, int) else 0
            y1 -= _HEIGHT / 2 if isinstance(item, int) else 0
            source = boxes[other if isinstance(other, int) else other[0]]
            style = 'stroke-width="1.6"' if source.varies else 'stroke-width="1" stroke-dasharray="3 3"'
            bend = (y1 - y0) / 2
            curve = f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
            lines.append(f'<path d="M{x0:.1f} {y0:.1f}{curve}" {style}/>')
    for i, box in enumerate(boxes):
        shapes.append(_shape(box, *at[i]))
    kinds = [kind for kind in _LEGEND if any(box.kind == kind for box in boxes)]
    legend, x = [], 8.0
    for kind in kinds:
        legend.append(
            f'<rect x="{x}" y="{height + 2}" width="12" height="12" rx="3" fill="{_FILLS[kind]}" fill-opacity="0.35"/>'
        )
        legend.append(f'<text x="{x + 18}" y="{height + 12}">{_LEGEND[kind]}</text>')
        x += 18 + _CHARACTER * len(_LEGEND[kind]) + 18
    width, height = max(width, x), height + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="ui-monospace, monospace" font-size="12" fill="currentColor" role="img">'
        f'{behind}<g fill="none" stroke="currentColor" stroke-opacity="0.6">{"".join(lines)}</g>{"".join(shapes)}'
        f'<g font-size="11">{"".join(legend)}</g></svg>'
    )


def _inside(box: Box) -> str:
    return html.escape(", ".join(box.inside) or box.title)


def _area(box: Box, x: float, y: float) -> str:
    """Where the mouse rests on a box, and what is said there."""
    (left, right), (top, bottom) = ((centre - size / 2, centre + size / 2) for centre, size in ((x, box.width), (y, _HEIGHT)))
    return f'<area shape="rect" coords="{left:.0f},{top:.0f},{right:.0f},{bottom:.0f}" title="{_inside(box)}">'


def _shape(box: Box, x: float, y: float) -> str:
    edge = f'x="{x - box.width / 2:.1f}" y="{y - _HEIGHT / 2:.1f}" width="{box.width:.1f}" height="{_HEIGHT}" rx="6"'
    text = f'text-anchor="middle" x="{x:.1f}"'
    return (
        f'<g><title>{_inside(box)}</title><rect {edge} fill="{_FILLS[box.kind]}" fill-opacity="0.22" stroke="currentColor" '
        f'stroke-opacity="0.5"/><text {text} y="{y - 2:.1f}">{html.escape(box.title)}</text>'
        f'<text {text} y="{y + 12:.1f}" font-size="10" fill-opacity="0.75">{html.escape(box.note)}</text></g>'
    )
