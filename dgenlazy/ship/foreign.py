"""JAX functions as ops of a graph."""

from __future__ import annotations

import functools as ft
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError
from ..graph import Block, Pointwise, Spec, in_users_modes, lift, outputs_of
from ..lazy import Lazy
from ..values import promoted


def from_jax(fn: Callable[..., Any], *, whole_run: bool = False) -> Callable[..., Any]:
    """Make an op of a JAX function, so that it can stand in a graph.

    Args:
        fn: A function of the arrays of one frame, jitted or not; it must be pure. It may return a tuple.
        whole_run: Give it all frames of a Signal or SignalTensor instead, `(frames, *shape)`, and a Tensor as it is; at least
            one Signal. What it returns is one result of the whole run, whose shape is the same for any number of frames.

    Returns:
        A function of values, numbers and arrays, all of which `fn` takes as float32. What is given by name becomes part of the
        program, and must be hashable: `softmax(x, axis=0)`; but lazy values and arrays may be given by name too. To be made
        once and used again: each `from_jax` is another op, which compiles anew.

    Raises:
        ArgumentError: `fn` is not a function, or what it returns is not an array of float32, or a tuple of them; `whole_run`,
            and nothing that it is given has frames.
        ShapeError: `fn` fails for the shapes that it was given; the error that it raised is the cause.

    A `jax.custom_vjp` has no derivative forwards: `jax.jvp` and higher derivatives do not go through it, and a loop with one
    inside is run frame by frame.

    >>> import jax
    >>> softplus = dg.from_jax(jax.nn.softplus)
    >>> softplus(Tensor([0.0])).realize()
    array([0.6931472], dtype=float32)
    """
    if not callable(fn):
        raise ArgumentError(f"from_jax: {fn!r} is not a function")
    op = (_WholeRun if whole_run else _PerFrame)(fn)
    takes = _signature(fn)

    @ft.wraps(op.fn, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            takes.bind(*args, **kwargs)
        except TypeError as e:
            raise ArgumentError(f"{op.__name__}{takes}: {e}") from None
        named = {name: x for name, x in kwargs.items() if isinstance(x, (Lazy, np.ndarray, jax.Array))}
        values = [*args, *named.values()]
        if not any(isinstance(v, Lazy) for v in values):
            raise ArgumentError(f"{op.__name__}: no Tensor, Signal or SignalTensor among ({', '.join(map(repr, values))})")
        params = [(name, op.frozen(name, x)) for name, x in kwargs.items() if name not in named]
        params += [(_NAMED, tuple(named))] if named else []
        node = op.node(*[lift(v, op.__name__) for v in values], params=tuple(params))
        several = isinstance(node.spec, tuple)
        for spec in node.spec if several else (node.spec,):
            if spec.dtype != np.float32:
                raise ArgumentError(f"{op.__name__}: it returns {spec.dtype}, not float32")
        return tuple(promoted(n) for n in outputs_of(node)) if several else promoted(node)

    return call


_NAMED = "by name"  # no name of an argument


def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(fn)
    except ValueError:  # some functions that are not written in Python have none
        return inspect.signature(lambda *args, **kwargs: None)


def _positional(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, with its values by position: the last of them are those that were given by name."""

    def call(*values: Any, **params: Any) -> Any:
        named = params.pop(_NAMED, ())
        count = len(values) - len(named)
        out = in_users_modes(fn, *values[:count], **dict(zip(named, values[count:])), **params)
        several = isinstance(out, tuple)
        for x in out if several else (out,):
            if not isinstance(x, (jax.Array, np.ndarray, np.generic, float)):
                raise ArgumentError(f"it returns {type(x).__name__}, not an array or a tuple of arrays")
        if several and not out:
            raise ArgumentError("it returns nothing, not an array or a tuple of arrays")
        return tuple(map(jnp.asarray, out)) if several else jnp.asarray(out)

    inner = fn
    while isinstance(inner, ft.partial):
        inner = inner.func
    call.__name__ = getattr(inner, "__name__", type(inner).__name__)
    call.__doc__ = fn.__doc__
    return call


class _PerFrame(Pointwise):
    """Somebody's function, frame by frame. Its errors are theirs to find, so they are kept."""

    foreign = True

    def __init__(self, fn: Callable[..., Any], skip: int = 0):
        super().__init__(_positional(fn), skip)
        self.of = fn

    def __reduce__(self):
        return _op, (type(self), _name(self.of) or self.of)


class _WholeRun(Block):
    """Somebody's function of all frames."""

    foreign = True

    def __init__(self, fn: Callable[..., Any], skip: int = 0):
        super().__init__(_positional(fn), skip)
        self.of = fn

    def __reduce__(self):
        return _op, (type(self), _name(self.of) or self.of)

    def infer(self, inputs, params):
        found = []
        for frames in _PROBES:
            shapes = [(frames, *s.shape) if s.varies or s.signal else s.shape for s in inputs]
            given = [jax.ShapeDtypeStruct(shape, s.dtype) for shape, s in zip(shapes, inputs)]
            found.append(jax.eval_shape(lambda *xs: self.fn(*xs, **dict(params)), *given))
        first, second = ([x.shape for x in (out if isinstance(out, tuple) else (out,))] for out in found)
        if first != second:
            shown = ", ".join(map(str, second))
            raise ArgumentError(f"what it returns has a shape that depends on the number of frames: {shown} for {_PROBES[1]}")
        specs = tuple([Spec(x.shape, *self.kind(inputs), x.dtype) for x in jax.tree.leaves(found[0])])
        return specs if isinstance(found[0], tuple) else specs[0]

    def run(self, ctx, params, inputs, specs):
        full = [jnp.broadcast_to(x, (ctx.frames, *s.shape)) if s.signal and not s.varies else x for x, s in zip(inputs, specs)]
        return self.fn(*full, **dict(params))


def _name(fn: Any) -> tuple[str, str] | None:
    """Module and name where a function is found again, also one that JAX has wrapped, which pickle would not find."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "")
    return (module, name) if module and getattr(sys.modules.get(module), name, None) is fn else None


def _op(kind: Any, fn: Any) -> Any:
    """An op from a pickle."""
    return kind(getattr(importlib.import_module(fn[0]), fn[1]) if isinstance(fn, tuple) else fn)


_PROBES = 4096, 8192  # numbers of frames that its result is found for
