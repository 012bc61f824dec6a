"""Functions made of ops: how their errors and results read, and of which class their results are."""

from __future__ import annotations

import functools as ft
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError, DGenError
from .node import Leaf, Node, Value


def composite(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A public function made of other ops. Its errors and its result carry its own name, whichever op inside made them.

    Like an op, it gives a value when it is given one, and a node when it is given nodes alone.
    """
    signature = inspect.signature(fn)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    signature = inspect.Signature(plain)

    @ft.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = fn(*args, **kwargs)
        except DGenError as e:
            inner, _, fact = str(e).partition(": ")
            if inner == fn.__name__:
                raise
            raise type(e)(f"{fn.__name__}: {fact if inner.isidentifier() else e}") from None
        except OverflowError as e:
            raise ArgumentError(f"{fn.__name__}: {e}") from None
        except TypeError:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as e:
                raise ArgumentError(f"{fn.__name__}{signature}: {e}") from None
            raise
        values = [*args, *kwargs.values()]
        if isinstance(result, tuple):
            return tuple([_own(fn.__name__, part, values) for part in result])
        return _own(fn.__name__, result, values)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _own(name: str, result: Any, values: Sequence[Any]) -> Any:
    """A result as the class that it has to users, with the name of the function that made it."""
    result = wrapped(name, result, values)
    _name(name, result, values)
    return result


def _name(name: str, result: Any, values: Sequence[Any]) -> None:
    """Write on the node of a result which function made it, unless the node came in with the arguments."""
    node = getattr(result, "node", result)  # asking for the class is half the time of a call
    if isinstance(node, Node):
        for v in values:
            if getattr(v, "node", v) is node:
                return
        node.part_of, node.given = name, tuple(_nodes(values))


PLAIN = frozenset([str, int, float, bool, type(None)])  # what arguments mostly are that are no values


def _nodes(values: Any) -> list[Node | Leaf]:
    """Those among the arguments of a call, also in lists."""
    found: list[Node | Leaf] = []
    for v in values:
        if type(v) in PLAIN:
            continue
        if isinstance(v, (list, tuple)):
            found += _nodes(v)
        elif isinstance(node := getattr(v, "node", v), Node) or isinstance(node, Leaf):
            found.append(node)
    return found


def wrapped(name: str, result: Any, values: Sequence[Any]) -> Any:
    """`result` as the class that the values of a call belong to."""
    if type(result) is not Node and isinstance(result, Value):
        return result
    lazy = False
    for value in values:
        if type(value) is Node:
            lazy = True
        elif isinstance(value, Value):
            return value.wrap(result)
        else:
            lazy = lazy or isinstance(value, Leaf)
    if lazy:
        return result
    raise ArgumentError(f"{name}: no Tensor, Signal or SignalTensor among ({', '.join(map(repr, values))})")
