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
from ..graph import RUN, Block, Pointwise, Spec, in_users_modes, lift, outputs_of
from ..lazy import Lazy
from ..ops import frames_of
from ..values import promoted


def from_jax(fn: Callable[..., Any], *, whole_run: bool = False) -> Callable[..., Any]:
    """Make an op of a JAX function, so that it can stand in a graph.

    Args:
        fn: A function of the arrays of one frame, jitted or not; it must be pure. It may return a tuple.
        whole_run: Give it all frames of a Signal or SignalTensor instead, `(frames, *shape)`, and a Tensor as it is; at least
            one Signal. Of what it returns, that which has as many rows as it was given frames, or ticks, is a Signal of them.
            All else is a result of the whole run, a Tensor, whose shape must be the same for any number of frames.

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
    >>> backwards = dg.from_jax(lambda x: x[::-1], whole_run=True)
    >>> backwards(Signal.from_samples([1.0, 2.0, 3.0])).realize()
    array([3., 2., 1.], dtype=float32)
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
        outputs = [promoted(op.as_frames(n, node)) for n in (outputs_of(node) if several else [node])]
        return tuple(outputs) if several else outputs[0]

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

    def as_frames(self, output, node):
        return output


class _WholeRun(Block):
    """Somebody's function of all frames."""

    foreign = True

    def __init__(self, fn: Callable[..., Any], skip: int = 0):
        super().__init__(_positional(fn), skip)
        self.of = fn

    def __reduce__(self):
        return _op, (type(self), _name(self.of) or self.of)

    def node(self, *inputs, params=()):
        return super().node(*inputs, params=(*params, (RUN, _PROBES[0])))

    def infer(self, inputs, params):
        """The result as what does not vary; one with a row for each frame is laid out as frames by `as_frames`."""
        given = dict(params)
        frames = given.pop(RUN)
        out = self._shapes(inputs, given, frames)
        for x, framewise in zip(jax.tree.leaves(out), self._framewise(inputs, given)):
            ticks = -(-frames // _every(inputs))
            if framewise and x.shape[0] != ticks:
                raise ArgumentError(f"it returns {x.shape[0]} rows of {ticks}; for other numbers it returned as many as it got")
        specs = tuple([Spec(x.shape, *self.kind(inputs), x.dtype) for x in jax.tree.leaves(out)])
        return specs if isinstance(out, tuple) else specs[0]

    def _shapes(self, inputs, given, frames):
        """What it returns for a run of so many frames."""
        ticks = -(-frames // _every(inputs))
        shapes = [(ticks, *s.shape) if s.varies or s.signal else s.shape for s in inputs]
        return jax.eval_shape(
            lambda *xs: self.fn(*xs, **given), *[jax.ShapeDtypeStruct(n, s.dtype) for n, s in zip(shapes, inputs)]
        )

    def _framewise(self, inputs, given):
        """Of each result, whether it has a row for each that is given."""
        every, found = _every(inputs), [jax.tree.leaves(self._shapes(inputs, given, frames)) for frames in _PROBES]
        out = []
        for first, second in zip(*found):
            rows = first.shape[1:] == second.shape[1:] and (*first.shape[:1], *second.shape[:1])
            out.append(rows == tuple(-(-frames // every) for frames in _PROBES))
            if not out[-1] and first.shape != second.shape:
                raise ArgumentError(
                    "what it returns has a shape that depends on the number of frames, and is not a row for each: "
                    f"{second.shape} for {-(-_PROBES[1] // every)}"
                )
        return out

    def as_frames(self, output, node):
        specs, given = tuple([i.spec for i in node.inputs]), dict(node.params)
        del given[RUN]
        index = dict(output.params).get("index", 0) if output is not node else 0
        return frames_of(self.__name__, output, _every(specs)) if self._framewise(specs, given)[index] else output

    def run(self, ctx, params, inputs, specs):
        full = [jnp.broadcast_to(x, (ctx.frames, *s.shape)) if s.signal and not s.varies else x for x, s in zip(inputs, specs)]
        return self.fn(*full, **{name: value for name, value in params if name != RUN})


def _every(inputs: Any) -> int:
    """The hop of what it takes."""
    return next((s.hop for s in inputs if s.varies), 1)


def _name(fn: Any) -> tuple[str, str] | None:
    """Module and name where a function is found again, also one that JAX has wrapped, which pickle would not find."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "")
    return (module, name) if module and getattr(sys.modules.get(module), name, None) is fn else None


def _op(kind: Any, fn: Any) -> Any:
    """An op from a pickle."""
    return kind(getattr(importlib.import_module(fn[0]), fn[1]) if isinstance(fn, tuple) else fn)


_PROBES = 4096, 8192  # numbers of frames that its result is found for
