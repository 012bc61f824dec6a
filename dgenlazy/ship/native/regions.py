"""Loops and branches of JAX: instructions that run several times, or only sometimes, with their own variables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .value import Region, Value

KINDS = ("scan", "while", "cond")


def lowered(made: Any, name: str, eqns: Sequence[Any], args: Sequence[Any]) -> list[Value]:
    """The outputs of a loop or branch, which is one for each rate; `made` holds the instructions."""
    if not all(isinstance(v, Value) for v in args):
        raise made.unsupported(f"{name} with keys of noises")
    node = made.new((), "int32", prim=name)
    parts = [made.new(v.aval.shape, v.aval.dtype, prim="part", args=(node,)) for v in eqns[0].outvars]
    {"scan": _scan, "while": _while, "cond": _cond}[name](made, node, parts, eqns, args)
    made.placed(node, parts)
    return parts


def _variable(made: Any, part: Value) -> Value:
    """What a part of a loop's state is before a turn."""
    return made.new(part.shape, part.dtype, source=("part", part))


def _own(made: Any, values: Iterable[Any]) -> list[Value]:
    """Values that are written where the variables lie; of what looks at a variable, a copy."""
    return [made.made("copy", {}, (v,), v.shape, v.dtype) if v.seen()[0].source[:1] == ("part",) else v for v in values]


def _programs(eqns: Sequence[Any], name: str, which: int | None = None) -> list[Any]:
    return [e.params[name] if which is None else e.params[name][which] for e in eqns]


def _scan(made: Any, node: Value, parts: list[Value], eqns: Sequence[Any], args: Sequence[Value]) -> None:
    given = eqns[0].params
    consts, carried = _counts(eqns[0])
    length, xs = given["length"], args[consts + carried :]
    with inside(made) as region:
        variables = [_variable(made, part) for part in parts[:carried]]
        turn = made.new((), "int32", source=("turn", node))
        at = made.made("sub", {}, (made.constant(np.int32(length - 1)), turn), (), "int32") if given["reverse"] else turn
        rows = [_row(made, x, at) for x in xs] if length else []
        out = made.program(_programs(eqns, "jaxpr"), [*args[:consts], *variables, *rows]) if length else []
        after = _own(made, out[:carried])
    start = args[consts : consts + carried]
    held = {"length": length, "start": start, "at": at, "after": after, "rows": out[carried:], "carried": parts[:carried]}
    node.params = {"region": region, "parts": parts, "stacked": parts[carried:], **held}
    node.args = (*start, *read_by(region, [*out, *after, at])[1])


def _counts(scan: Any) -> tuple[int, int]:
    """How many constants a scan has, and how many values it carries: those that are inside what they are outside."""
    inside = getattr(scan.params["jaxpr"], "jaxpr", scan.params["jaxpr"])

    def same(outer: Sequence[Any], inner: Sequence[Any]) -> int:
        return sum(len(a.aval.shape) == len(b.aval.shape) for a, b in zip(outer, inner))

    carried = same(scan.outvars, inside.outvars)
    return same(scan.invars, inside.invars) - carried, carried


def _row(made: Any, xs: Value, at: Value) -> Value:
    shape, zero = xs.shape[1:], made.constant(np.int32(0))
    sizes = (1, *shape)
    row = made.made("dynamic_slice", {"slice_sizes": sizes}, (xs, at, *[zero for _ in shape]), sizes, xs.dtype)
    return made.look("reshape", row, {}, shape)


def _while(made: Any, node: Value, parts: list[Value], eqns: Sequence[Any], args: Sequence[Value]) -> None:
    first, second = eqns[0].params["cond_nconsts"], eqns[0].params["body_nconsts"]
    start = args[first + second :]
    with inside(made) as region:
        variables = [_variable(made, part) for part in parts]
        (going,) = made.program(_programs(eqns, "cond_jaxpr"), [*args[:first], *variables])
        after = _own(made, made.program(_programs(eqns, "body_jaxpr"), [*args[first : first + second], *variables]))
    node.params = {"region": region, "parts": parts, "start": start, "going": going, "after": after}
    node.args = (*start, *read_by(region, [going, *after])[1])


def _cond(made: Any, node: Value, parts: list[Value], eqns: Sequence[Any], args: Sequence[Value]) -> None:
    branches, outside = [], {}
    for i in range(len(eqns[0].params["branches"])):
        with inside(made) as region:
            out = made.program(_programs(eqns, "branches", i), args[1:])
        branches.append((region, out))
        outside |= dict.fromkeys(read_by(region, out)[1])
    node.params = {"parts": parts, "index": args[0], "branches": branches}
    node.args = (args[0], *outside)


@contextlib.contextmanager
def inside(made: Any) -> Iterator[Region]:
    """What is made in it belongs to a region of its own."""
    outer, known = made.region, made.held
    made.region, made.held = Region(), known.new_child()
    try:
        yield made.region
    finally:
        made.region, made.held = outer, known


@contextlib.contextmanager
def again(made: Any, region: Region) -> Iterator[None]:
    """What is made in it belongs to a region of before, too."""
    outer, made.region, made.held = made.region, region, made.held.new_child()
    try:
        yield
    finally:
        made.region, made.held = outer, made.held.parents


def read_by(region: Region | None, roots: Iterable[Value]) -> tuple[list[Value], list[Value]]:
    """What `roots` are made of: the values of a region, and those from outside."""
    own: dict[Value, None] = {}
    outside: dict[Value, None] = {}
    stack = [v.seen()[0] for v in roots]
    while stack:
        v = stack.pop()
        if v.region is not region:
            outside[v] = None
        elif v not in own:
            own[v] = None
            stack += [a.seen()[0] for a in v.args]
    return sorted(own, key=lambda v: v.number), list(outside)
