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
    reads(node, start, [(region, [*out, *after, at])])


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
    reads(node, start, [(region, [going, *after])])


def _cond(made: Any, node: Value, parts: list[Value], eqns: Sequence[Any], args: Sequence[Value]) -> None:
    branches = []
    for i in range(len(eqns[0].params["branches"])):
        with inside(made) as region:
            out = made.program(_programs(eqns, "branches", i), args[1:])
        branches.append((region, out))
    node.params = {"parts": parts, "index": args[0], "branches": branches}
    reads(node, args[:1], branches)


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


def reads(node: Value, given: Sequence[Value], insides: Sequence[tuple[Region, Sequence[Value]]]) -> None:
    """Let a loop or branch have as arguments what is given to it, and what the roots of its regions read from outside."""
    node.params |= {"given": given, "insides": insides}
    node.args = (*given, *dict.fromkeys(v for region, roots in insides for v in read_by(region, roots)[1]))


def read_again(values: Iterable[Value]) -> None:
    """The same after instructions have changed, from the inmost on."""
    nodes = [v for v in values if "insides" in v.params]
    owners = {region: v for v in nodes for region, _ in v.params["insides"]}

    def depth(v: Value) -> int:
        return 1 + depth(owners[v.region]) if v.region in owners else 0

    for v in sorted(nodes, key=depth, reverse=True):
        reads(v, v.params["given"], v.params["insides"])
