"""Instructions in the order in which C runs them: elementwise ones of a shape as one loop, states written where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError
from . import convolution, transform
from .blocks import BLOCKS
from .expressions import C_TYPES, expression, literal
from .nests import NESTS, place, starts, update
from .ranges import Ranges
from .step import Step
from .text import Text, index, is_prepared, kept
from .value import FRAME, Value
from .views import dense, longer, moving

_WRITTEN = {"fft": transform.written, "convolved": convolution.written}
_WHOLE = {*NESTS, *BLOCKS, *_WRITTEN, "part"}  # what is no element of a loop over lanes
_COMPUTED = ("gather", "dynamic_slice")  # one element for each of the result, at a place that is computed


class Write(NamedTuple):
    """A state becomes what it is after the frame."""

    number: int
    state: Value
    after: Value


Task = Value | Write


class Order:
    """What of a step is run at all, when, and what must be done before.

    Attributes:
        prepared, frame: The tasks of each.
        rings: States that are written in place, by what writes them: their update has no other reader.
        ranges: What whole numbers can be.
    """

    def __init__(self, step: Step):
        self.ranges = Ranges(step.made.values, list(zip(step.state, step.start, step.after)))
        self.ranges.decide(step.made)
        live, unread = _read(step)
        made = [v for v in step.made.values if v in live and v.prim not in ("", "view") and v.size]
        for v in made:
            needs_form(v)
        self.prepared: list[Task] = [v for v in made if is_prepared(v)]
        frame = [v for v in made if v.level == FRAME]
        self.readers: dict[Value, list[Task]] = {}
        for v in frame:
            for a in v.args:
                self.readers.setdefault(a.seen()[0], []).append(v)
        self.rings: dict[Value, int] = {}
        self.states, self._kept = step.state, step.kept
        writes = []
        leaving = {v.seen()[0] for v in step.outputs}
        for i, (before, after) in enumerate(zip(step.state, step.after)):
            if after is before or after is step.kept.get(i) or i in unread or not before.size:
                continue
            updates = after.prim == "dynamic_update_slice" and after.args[0] in (before, step.kept.get(i)) and before.size > 1
            # Where both what it was and what it is are read, readers might wait for each other.
            alone = after not in self.readers or self._reading(i) == {after}
            if updates and alone and after not in leaving and step.after.count(after) == 1:
                self.rings[after] = i
            else:
                writes.append(Write(i, before, after))
        self.written: set[int] = {w.number for w in writes}
        self.frame: list[Task] = [*frame, *writes]

    def before(self, task: Task) -> set[Any]:
        """What must be done before a task: its arguments, and where it writes a state, all that reads it."""
        if isinstance(task, Write):
            return {task.after.seen()[0], *self._reading(task.number)}
        found: set[Any] = {a.seen()[0] for a in task.args}
        if task in self.rings:
            found |= self._reading(self.rings[task])
        if task.prim == "guard":
            found |= {v for part in task.params["parts"] for v in self.readers.get(self.states[part.params["state"]], [])}
        return found - {task}

    def _reading(self, number: int) -> set[Any]:
        """What reads a state before it is what it is after the frame."""
        return {v for x in (self.states[number], self._kept.get(number)) if x for v in self.readers.get(x, [])}


def needs_form(v: Value) -> None:
    """Raise an ArgumentError if C has no form for an instruction."""
    if v.prim in _WHOLE or v.prim in _COMPUTED:
        return
    if expression(v, ["x"] * len(v.args)) is None:
        raise ArgumentError(f"export: {v.op}: the primitive {v.prim} of {v.args[0].dtype} has no form in C")


def _read(step: Step) -> tuple[set[Value], set[int]]:
    """What is read at all, and the states that are not, which stay as they are."""
    live = _live((*step.outputs, *step.start, *[step.after[i] for i in step.kept]))
    unread = set(range(len(step.state))) - step.kept.keys()
    while read := {i for i in unread if step.state[i] in live}:
        live |= _live([step.after[i] for i in read])
        unread -= read
    return live, unread


def _live(roots: Iterable[Value]) -> set[Value]:
    found: set[Value] = set()
    stack = list(roots)
    while stack:
        v = stack.pop()
        if v not in found:
            found.add(v)
            stack += [v.base] if v.base is not None else list(v.args)
    return found


def emit(text: Text, order: Order, tasks: Sequence[Task]) -> None:
    """Write all tasks."""
    inside = set(tasks)
    before = {task: order.before(task) & inside for task in tasks}
    readers: dict[Any, list[Task]] = {task: [] for task in tasks}
    for task in tasks:
        for other in {a.seen()[0] for a in _arguments(task)} & inside:
            readers[other].append(task)
    left = dict.fromkeys(tasks)
    while left:
        first = next(task for task in left if not before[task] & left.keys())
        if _elementwise(first):
            group = _group(first, left, before)
            _emit_group(text, order, group, {t for t in group if any(r not in group for r in readers[t])})
        else:
            group = dict.fromkeys([first])
            _emit_nest(text, order, first)
        for task in group:
            del left[task]


def _shape(task: Any) -> tuple[int, ...]:
    return task.state.shape if isinstance(task, Write) else task.shape


def _elementwise(task: Task) -> bool:
    return isinstance(task, Write) or task.prim not in _WHOLE


def _arguments(task: Task) -> Sequence[Value]:
    return (task.after,) if isinstance(task, Write) else task.args


def _group(first: Task, left: dict[Task, None], before: dict[Task, set[Any]]) -> dict[Task, None]:
    """What can be one loop over lanes with `first`: of its shape, and reading of the others only their own lane."""
    shape, group = longer(_shape(first)), {}
    changed = True
    while changed:
        changed = False
        for task in left:
            if task in group or not _elementwise(task) or longer(_shape(task)) != shape:
                continue
            waits = [t for t in before[task] if t in left]
            if all(t in group and _meets(task, t) for t in waits):
                group[task] = None
                changed = True
    return group


def _meets(task: Task, earlier: Task) -> bool:
    """Whether both can be in one loop: each lane of `task` needs of `earlier` what that does in the same lane."""
    reads = isinstance(task, Write) and not _own_lane(
        earlier, task.state
    )  # a lane of the state that is written before its turn
    return isinstance(earlier, Value) and _own_lane(task, earlier) and not reads


def _own_lane(task: Task, base: Any) -> bool:
    shape = longer(_shape(task))
    for i, a in enumerate(_arguments(task)):
        seen, offset, strides = a.seen()
        if seen is not base:
            continue
        if isinstance(task, Value) and task.prim in _COMPUTED and shape:
            indices = task.prim == "gather" and i == 1 and longer(a.shape) == shape
            if not indices:
                return False
        if offset or longer(base.shape) != shape or moving(a.shape, strides) != dense(shape):
            return False
    return True


def _emit_group(text: Text, order: Order, group: dict[Task, None], kept: set[Task]) -> None:
    shape = longer(_shape(next(iter(group))))
    flat = len(shape) > 1 and all(_in_order(task, shape) for task in group)
    names: dict[Task, str] = {}
    for task in group:
        if isinstance(task, Value) and (task in text.prepared or (shape and (task in kept or task in text.leaving))):
            names[task] = text.declared(task)
    text.local = {task for task in group if isinstance(task, Value) and shape and task not in names}
    lengths = (int(np.prod(shape)),) if flat else shape
    said = ""
    with text.loops(lengths) as at:
        for task in group:
            if isinstance(task, Value) and task.op != said:
                said = task.op
                text.put(f"/* {said} */")
            _emit_element(text, task, shape, at, flat, names.get(task, ""))
    text.local = set()


def _emit_element(text: Text, task: Any, shape: tuple[int, ...], at: Sequence[str], flat: bool, name: str) -> None:
    lane = index(at, (1,) if flat else dense(shape))
    if isinstance(task, Write):
        value = kept(task.state.dtype, _bare(_element(text, task.after, at, flat)))
        text.put(f"{text.state(task.number, task.state.size, lane)} = {value};")
        return
    if task.prim == "gather":
        value = _gathered(text, task, at)
    elif task.prim == "dynamic_slice":
        value = _sliced(text, task, at)
    else:
        value = expression(task, [_element(text, a, at, flat) for a in task.args]) or ""
    if name:
        text.put(f"{name}{f'[{lane}]' if task.size > 1 else ''} = {_bare(value)};")
    else:
        text.put(f"const {C_TYPES[task.dtype]} v{task.number} = {_bare(value)};")


def _element(text: Text, a: Value, at: Sequence[str], flat: bool) -> str:
    base, offset, strides = a.seen()
    along = moving(a.shape, strides)
    if flat:
        return text.reference(base, index(at if any(along) else (), (1,), offset))
    return text.reference(base, index(at if along else (), along, offset))


def _in_order(task: Task, shape: tuple[int, ...]) -> bool:
    """Whether all that a task reads lies as the lanes do, or is one for all of them, so that one loop goes over all axes."""
    if isinstance(task, Value) and task.prim in _COMPUTED:
        return False
    for a in _arguments(task):
        strides = moving(a.shape, a.seen()[2])
        if any(strides) and strides != dense(shape):
            return False
    return True


def _gathered(text: Text, n: Value, at: Sequence[str]) -> str:
    """An element of an array at a place that is computed; where that is outside, the nearest, or what fills."""
    (x, indices), numbers, sizes = n.args, n.params["dimension_numbers"], n.params["slice_sizes"]
    left = iter(at)
    lanes = [next(left) if d != 1 else "0" for d in n.shape]
    batch = [lane for axis, lane in enumerate(lanes) if axis not in numbers.offset_dims]
    window = iter([lane for axis, lane in enumerate(lanes) if axis in numbers.offset_dims])
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    inside = {axis: next(window) for axis in range(len(x.shape)) if axis not in gone}
    for axis, of_batch in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims):
        inside[axis] = batch[of_batch]
    tests, places = [], [inside.get(axis, "0") for axis in range(len(x.shape))]
    for i, axis in enumerate(numbers.start_index_map):
        asked, most = text.read(indices, [*batch, str(i)]), x.shape[axis] - sizes[axis]
        found = f"g{n.number}_{axis}" if most else "0"
        if most:
            text.put(f"const int {found} = {place(text, indices, asked, most)};")
        if "FILL" in str(n.params["mode"]) and not text.ranges.inside(indices, most):
            tests.append(f"{asked} == ({C_TYPES[indices.dtype]}){found}")
        places[axis] = found if places[axis] == "0" else f"({found} + {places[axis]})"
    value = text.read(x, places)
    if not tests:
        return value
    fill = n.params.get("fill_value")
    nothing = {"float32": np.nan, "int32": -(2**31), "uint32": 2**32 - 1, "bool": 1}[n.dtype] if fill is None else fill
    return f"({' && '.join(tests)} ? {value} : {literal(np.asarray(nothing, n.dtype), n.dtype)})"


def _sliced(text: Text, n: Value, at: Sequence[str]) -> str:
    x, left = n.args[0], iter(at)
    first = starts(text, n, n.args[1:], x.shape, n.params["slice_sizes"])
    return text.read(x, [f"({s} + {next(left)})" if d != 1 else s for s, d in zip(first, n.shape)])


def _emit_nest(text: Text, order: Order, n: Any) -> None:
    if n.prim == "part":  # its loop or branch has made it
        return
    text.put(f"/* {n.op}: {n.prim} */")
    if n.prim in BLOCKS:
        BLOCKS[n.prim](text, n, lambda values: _emit_inside(text, order, values))
    elif n.prim in _WRITTEN:
        _WRITTEN[n.prim](text, n)
    elif n in order.rings:
        text.names[n] = f"self->dg_s{order.rings[n]}"
        update(text, n, text.names[n], stays=True)
    else:
        NESTS[n.prim](text, n, text.declared(n))


def _emit_inside(text: Text, order: Order, values: Sequence[Value]) -> None:
    """Write the instructions inside of a loop or branch."""
    made = [v for v in values if v.prim not in ("", "view") and v.size]
    for v in made:
        needs_form(v)
    emit(text, order, made)


def _bare(value: str) -> str:
    """Without the parentheses around all of it."""
    depth = 0
    for i, c in enumerate(value):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return value[1:-1] if i == len(value) - 1 and value[0] == "(" else value
    return value
