"""What whole numbers can be in any frame, so that places which are always inside need no test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .regions import read_again
from .value import Value, everywhere

Range = tuple[int, int]

_WHOLE: dict[str, Range] = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "bool": (0, 1)}
_ROUNDS = 40  # of looking for what states can be
_DEPTH = 4  # of instructions that are gone through again for one side of a comparison


class Ranges:
    """The least and the largest element of values that are whole numbers.

    What a state can be is looked for upwards from its start: what it can be after a frame must be among that. It grows to the
    next of the numbers that the program itself names, such as the length of a ring.
    """

    def __init__(self, values: Sequence[Value], states: Sequence[tuple[Value, Value, Value]]) -> None:
        """Of `values`, arguments first, and of states before a frame, before the first and after a frame."""
        self._found: dict[Value, Range] = {}
        self._states: dict[Value, Range] = {}
        whole = [v for v in values if v.dtype in _WHOLE]
        states = [row for row in states if row[0].dtype in _WHOLE and row[0].size]
        steps = {v: _named(after) for v, _, after in states}
        self._states = {v: self.of(start) for v, start, _ in states}
        for _ in range(_ROUNDS if states else 0):
            self._found = {}
            for v in whole:
                self.of(v)
            grown = {v: _grown(self._states[v], self.of(after), steps[v], _WHOLE[v.dtype]) for v, _, after in states}
            if grown == self._states:
                return
            self._states = grown
        self._states, self._found = {}, {}

    def inside(self, v: Value, most: int) -> bool:
        """Whether all elements are from 0 to `most`."""
        low, high = self.of(v)
        return 0 <= low and high <= most

    def decide(self, made: Any) -> None:
        """Let a choice that always goes one way be what it chooses, and what has one place alone not ask where."""
        for v in list(made.values):
            if v.prim == "select_n":
                test, *ways = v.args
                least, most = self.of(test)
                if least == most and 0 <= most < len(ways) and ways[most].shape == v.shape:
                    v.prim, v.params, v.args = "copy", {}, (ways[most],)
            elif v.prim == "gather":
                self._settle(made, v)
        read_again(made.values)

    def _settle(self, made: Any, v: Value) -> None:
        """A gather where there is one place alone, or where all of the array is one number."""
        (x, indices), sizes = v.args, v.params["slice_sizes"]
        most = [x.shape[axis] - sizes[axis] for axis in v.params["dimension_numbers"].start_index_map]
        if "FILL" in str(v.params["mode"]) and not all(self.inside(indices, m) for m in most):
            return
        number = everywhere(x)
        if number is not None:
            v.prim, v.params, v.args = "copy", {}, (made.constant(np.full(v.shape, number, v.dtype)),)
        elif not any(most):
            v.args = (x, made.constant(np.zeros(indices.shape, indices.dtype)))

    def of(self, v: Value) -> Range:
        if v not in self._found:
            self._found[v] = self._range(v, {}, _DEPTH)
        return self._found[v]

    def _of(self, v: Value, given: dict[Value, Range], depth: int) -> Range:
        """The same, where it is known of some values what they are now."""
        if v in given:
            return given[v]
        return self._range(v, given, depth) if given and depth else self.of(v)

    def _range(self, v: Value, given: dict[Value, Range], depth: int) -> Range:
        if v.known and v.size and v.dtype in _WHOLE:
            return _ends(v)
        whole = _WHOLE.get(v.dtype, _WHOLE["uint32"])
        if v.base is not None:  # its elements are others than those that a comparison was of
            return self.of(v.base) if v.dtype in _WHOLE else whole
        if v.source:
            turns = v.source[1].params.get("length") if v.source[0] == "turn" else None
            return (0, turns - 1) if turns else self._states.get(v, whole)
        if v.dtype not in _WHOLE or any(a.dtype not in ("int32", "bool") for a in v.args):
            return whole
        if v.prim == "select_n":
            return self._chosen(v, given, depth)
        rule = (_TRUTHS if v.dtype == "bool" and v.args[0].dtype == "bool" else _RULES).get(v.prim)
        if not rule:
            return whole
        low, high = rule(*[self._of(a, given, depth - 1) for a in v.args])
        return (low, high) if whole[0] <= low and high <= whole[1] else whole

    def _chosen(self, v: Value, given: dict[Value, Range], depth: int) -> Range:
        test, *ways = v.args
        least, most = self._of(test, given, depth - 1)
        found = []
        for k in range(max(least, 0), min(most, len(ways) - 1) + 1):
            told = self._told(test, bool(k), given, depth) if test.dtype == "bool" else given
            if told is not None:
                found.append(self._of(ways[k], told, depth - 1))
        return (min(low for low, _ in found), max(high for _, high in found)) if found else _WHOLE[v.dtype]

    def _told(self, test: Value, true: bool, given: dict[Value, Range], depth: int) -> dict[Value, Range] | None:
        """What is known where a comparison is true, or where it is false; None where it never is."""
        if test.prim not in _COMPARED or test.args[0].dtype != "int32":
            return given
        x, (least, most) = test.args[0], self._of(test.args[1], given, depth - 1)
        low, high = self._of(x, given, depth - 1)
        name = test.prim if true else _COMPARED[test.prim]
        if name in ("lt", "le"):
            high = min(high, most - (name == "lt"))
        elif name in ("gt", "ge"):
            low = max(low, least + (name == "gt"))
        elif name == "eq":
            low, high = max(low, least), min(high, most)
        elif least == most:
            low, high = low + (low == least), high - (high == least)
        return {**given, x: (low, high)} if low <= high else None


_COMPARED = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}  # and where they are false


def _named(after: Value) -> list[int]:
    """The numbers, and those beside them, that the next value of a state is made with."""
    found, stack, named = set(), [after], set()
    while stack:
        v = stack.pop().seen()[0]
        if v not in found and v.dtype in _WHOLE:
            found.add(v)
            stack += v.args
            named |= {*_ends(v)} if v.known and v.size else set()
    return sorted({x + d for x in named for d in (-1, 0, 1)})


def _grown(had: Range, after: Range, steps: list[int], whole: Range) -> Range:
    low = had[0] if after[0] >= had[0] else max([x for x in steps if x <= after[0]], default=whole[0])
    high = had[1] if after[1] <= had[1] else min([x for x in steps if x >= after[1]], default=whole[1])
    return max(low, whole[0]), min(high, whole[1])


def _ends(v: Value) -> Range:
    parts = [np.asarray(x).astype(np.int64) for x in v.rated or (v.const,) if np.size(x)]
    return (int(min(x.min() for x in parts)), int(max(x.max() for x in parts))) if parts else (0, 0)


def _product(a: Range, b: Range) -> Range:
    ends = [x * y for x in a for y in b]
    return min(ends), max(ends)


def _remainder(a: Range, b: Range) -> Range:
    """As in C: of the sign of what is divided."""
    if b[0] <= 0:
        return _WHOLE["int32"]
    most = b[1] - 1
    return max(a[0], -most) if a[0] < 0 else 0, min(a[1], most) if a[1] > 0 else 0


def _truth(always: bool, never: bool) -> Range:
    return (1, 1) if always else (0, 0) if never else (0, 1)


_RULES: dict[str, Any] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": _product,
    "neg": lambda a: (-a[1], -a[0]),
    "rem": _remainder,
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "clamp": lambda low, x, high: (min(max(low[0], x[0]), high[0]), min(max(low[1], x[1]), high[1])),
    "copy": lambda a: a,
    "convert_element_type": lambda a: a,
    "lt": lambda a, b: _truth(a[1] < b[0], a[0] >= b[1]),
    "le": lambda a, b: _truth(a[1] <= b[0], a[0] > b[1]),
    "gt": lambda a, b: _truth(a[0] > b[1], a[1] <= b[0]),
    "ge": lambda a, b: _truth(a[0] >= b[1], a[1] < b[0]),
    "eq": lambda a, b: _truth(a[0] == a[1] == b[0] == b[1], a[1] < b[0] or b[1] < a[0]),
    "ne": lambda a, b: _truth(a[1] < b[0] or b[1] < a[0], a[0] == a[1] == b[0] == b[1]),
}
_TRUTHS: dict[str, Any] = {
    "and": lambda a, b: (a[0] & b[0], a[1] & b[1]),
    "or": lambda a, b: (a[0] | b[0], a[1] | b[1]),
    "not": lambda a: (1 - a[1], 1 - a[0]),
    "ne": _RULES["ne"],
    "eq": _RULES["eq"],
    "copy": _RULES["copy"],
    "convert_element_type": _RULES["convert_element_type"],
}
