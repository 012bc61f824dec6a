"""The kinds of operation. An op is defined once, as a function of one frame.

`pointwise` ops have no memory, `recurrence` ops carry a state from frame to frame, `block` ops see the whole run.
Positional parameters are lazy values, keyword-only parameters are static: they are part of the compiled program.
"""

from __future__ import annotations

import abc
import functools as ft
import inspect
import logging
import math
import sys
import types
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError, DGenError, ShapeError
from .composite import PLAIN, wrapped
from .modes import in_our_modes
from .node import Abstract, Leaf, Node, Spec, Value, lift

Params = tuple[tuple[str, Any], ...]  # hashable
LONGEST = 2**29  # frames; what counts them goes back by the period of all hops, before 2**32
RUN = "run of frames"  # a parameter that staging sets: of how many frames the run is that gives the value its shape
EVERY = "every"  # a parameter that staging adds: frames from one step to the next of what the op computes for


class Context(NamedTuple):
    """What an op may know about the run that it is part of."""

    sample_rate: float  # Hz
    frames: int
    start: Any = 0  # absolute index of the first frame, uint32
    parallel: bool = False  # prefer parallel forms to loops over frames
    fft: bool = True  # whether the backend has one, and complex numbers
    examples: int = 1  # of the batch that the run is mapped over, as far as that is known
    one_device: bool = True  # whether all examples of a batch are sure to be on one
    hop: int = 1  # frames from one value to the next, of what is computed
    ahead: int | None = None  # of a whole run: how many frames it looks beyond its end; None for a block of a stream


class Op(metaclass=Abstract):
    """One operation: `fn`, its name, its signature and what follows from them."""

    __name__: str
    __qualname__: str
    foreign = False  # whether `fn` is a user's, who wants to see what it raises
    mixes = False  # whether it takes arrays as lanes beside signals, as arithmetic does

    def __init__(self, fn: Callable[..., Any], skip: int = 0):
        ft.update_wrapper(self, fn)
        self.fn = fn
        own = list(inspect.signature(fn).parameters.values())[skip:]
        kinds = inspect.Parameter
        self.injected: frozenset[str] = frozenset(p.name for p in own if p.name in ("sample_rate", "frame", "parallel", "fft"))
        own = [p.replace(annotation=p.empty) for p in own if p.name not in self.injected]
        self.static: frozenset[str] = frozenset(p.name for p in own if p.kind is kinds.KEYWORD_ONLY)
        own = [p.replace(kind=kinds.POSITIONAL_OR_KEYWORD) if p.kind is kinds.KEYWORD_ONLY else p for p in own]
        self.variadic: str | None = next((p.name for p in own if p.kind is kinds.VAR_POSITIONAL), None)
        if self.variadic:  # what follows *values can only be given by name
            own = [p.replace(kind=kinds.KEYWORD_ONLY) if p.name in self.static else p for p in own]
        self.__signature__: inspect.Signature = inspect.Signature(own)
        self._values = len(own) - len(self.static) - bool(self.variadic)
        self._defaults = [(p.name, p.default) for p in own if p.name in self.static]

    def __repr__(self) -> str:
        return f"<op {self.__name__}>"

    def __copy__(self) -> Op:
        return self

    def __deepcopy__(self, memo: Any) -> Op:
        return self  # ops are told apart by what they are, so a graph's copy has the same ones

    def __reduce__(self) -> Any:
        return self.__qualname__  # found again in its module

    def __get__(self, obj: Any, owner: type | None = None) -> Any:
        """`sin = math.sin` in the body of a class is a method."""
        return self if obj is None else types.MethodType(self, obj)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values, params = self.bind(args, kwargs)
        node = self.node(*[v if type(v) is Node else lift(v, self.__name__) for v in values], params=params)
        spec = node.spec
        if self.mixes and type(spec) is Spec and spec.shape and spec.signal and max(spec.shape) >= _MANY:
            _tell_of_lanes(self.__name__, values)
        return wrapped(self.__name__, node, values)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Sequence[Any], Params]:
        """Split a call into lazy values and static parameters."""
        fits = len(args) == self._values or (self.variadic and len(args) > self._values)
        if fits and kwargs.keys() <= self.static:
            given = [(name, kwargs.get(name, default)) for name, default in self._defaults]
            if not any([value is inspect.Parameter.empty for _, value in given]):
                return args, tuple([(name, x if type(x) in PLAIN else self.frozen(name, x)) for name, x in given])
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as e:
            raise ArgumentError(f"{self.__name__}{self.__signature__}: {e}") from None
        bound.apply_defaults()
        values: list[Any] = []
        params: list[tuple[str, Hashable]] = []
        for name, value in bound.arguments.items():
            if name in self.static:
                params.append((name, self.frozen(name, value)))
            elif name == self.variadic:
                values.extend(value)
            else:
                values.append(value)
        return values, tuple(params)

    def frozen(self, name: str, value: Any) -> Hashable:
        """A static parameter as part of a program."""
        if type(value) in PLAIN:  # most are; to ask the abstract classes takes longer
            return value
        if isinstance(value, Value):
            raise ArgumentError(f"{self.__name__}: {name} is part of the program and cannot be a {type(value).__name__}")
        if isinstance(value, (list, tuple, np.ndarray)):
            return tuple(self.frozen(name, v) for v in value)
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, Hashable):
            raise ArgumentError(f"{self.__name__}: {name}={value!r} is not a number, string or tuple")
        return value

    def node(self, *inputs: Node | Leaf, params: Params = ()) -> Node:
        spec = infer(self, tuple([i.spec for i in inputs]), params)
        learned, hops = False, {spec.hop or 1} if type(spec) is Spec else set()
        for i in inputs:
            learned = learned or i.requires_grad
            hops.add(i.period if type(i) is Node else i.spec.hop or 1)
        period = 1 if hops <= _EACH else common_period(self.__name__, hops)
        return Node(self, inputs, params, spec, learned, "", period)

    def given(self, params: Params, ctx: Context, frame: Any = 0) -> dict[str, Any]:
        """The keyword arguments of `fn`: the static parameters, and what the stager fills in."""
        kwargs: dict[str, Any] = dict(params)
        every, _ = kwargs.pop(EVERY, 1), kwargs.pop(RUN, None)
        if "sample_rate" in self.injected:
            kwargs["sample_rate"] = ctx.sample_rate / every
        if "frame" in self.injected:
            kwargs["frame"] = frame
        if "parallel" in self.injected:
            kwargs["parallel"] = ctx.parallel
        if "fft" in self.injected:
            kwargs["fft"] = ctx.fft
        return kwargs

    def lookahead(self, inputs: Sequence[Spec], params: Params) -> int:
        """How many frames of the future it needs."""
        return 0

    def inside(self) -> list[str]:
        """Text of the program that it runs, line by line, if there is one."""
        return []

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        """The state before the first frame, from the values of one frame (zeros for those that vary)."""
        return ()

    @abc.abstractmethod
    def step(self, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
        """One frame: `(state, output)`."""

    @abc.abstractmethod
    def kind(self, inputs: tuple[Spec, ...]) -> tuple[bool, int | None]:
        """Type and rate of the output: `(signal, hop)`."""

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        """Spec of the output, by tracing one frame: no op writes a shape rule."""

        def one_frame(*frames):
            return self.step(_PROBE, params, self.init(frames, params), *frames)[1]

        out = jax.eval_shape(one_frame, *[jax.ShapeDtypeStruct(i.shape, i.dtype) for i in inputs])
        specs = tuple([Spec(x.shape, *self.kind(inputs), x.dtype) for x in (out if isinstance(out, tuple) else (out,))])
        return specs if isinstance(out, tuple) else specs[0]


_PROBE = Context(sample_rate=44100.0, frames=1)
_EACH = {1}  # the hop of what has a value in every frame, or none


def varying(inputs: Sequence[Spec]) -> int | None:
    """The hop of a value computed from `inputs` alone: that of the fastest. Slower ones are held until their next value."""
    hops = sorted({i.hop for i in inputs if i.hop is not None})
    wrong = next((h for h in hops if h % hops[0]), None)
    if wrong is not None:
        raise ShapeError(
            f"a value every {hops[0]} frames does not go with one every {wrong}: one hop must divide the other; "
            f"upsample() one of them"
        )
    return hops[0] if hops else None


def common_period(name: str, hops: Iterable[int]) -> int:
    """The least common multiple of hops, if a count of frames holds it."""
    period = math.lcm(*hops)
    if period >= LONGEST:
        given = ", ".join(str(hop) for hop in sorted({*hops} - {1}))
        raise ArgumentError(f"{name}: hops of {given} meet only every {period} frames, which is not less than {LONGEST}")
    return period


@ft.lru_cache(maxsize=4096)
@in_our_modes
def infer(op: Op, inputs: tuple[Spec, ...], params: Params) -> Any:
    """`op.infer`, cached, with an error that names the op and the shapes it was given."""
    try:
        return op.infer(inputs, params)
    except ArgumentError as e:
        raise type(e)(f"{op.__name__}: {e}") from (e if op.foreign else None)
    except (DGenError, TypeError, ValueError, LookupError, ArithmeticError, MemoryError) as e:
        if op.foreign and not isinstance(e, (TypeError, ValueError)):
            raise
        given = "".join(f", {name}={value!r}" for name, value in params)
        fact = (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(".")
        error = type(e) if isinstance(e, ShapeError) else ShapeError
        text = f"{op.__name__}: cannot combine {' with '.join(str(i.shape) for i in inputs)}{given}: {fact}"
        raise error(text) from (e if op.foreign else None)


class Pointwise(Op):
    """The same function at every frame; no memory."""

    mixes = True

    def kind(self, inputs: Sequence[Spec]) -> tuple[bool, int | None]:
        counts = "frame" in self.injected
        return any(i.signal for i in inputs) or counts, varying(inputs) or (1 if counts else None)

    def step(self, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
        return state, self.fn(*inputs, **self.given(params, ctx, ctx.start))

    def run(self, ctx: Context, params: Params, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        """Every frame at once; what does not vary is computed once."""
        axes = [0 if s.varies else None for s in specs]
        if "frame" in self.injected:
            frame = jnp.uint32(ctx.start) + jnp.arange(ctx.frames, dtype=jnp.uint32) * np.uint32(ctx.hop)
            return jax.vmap(lambda frame, *xs: self.fn(*xs, **self.given(params, ctx, frame)), [0, *axes])(frame, *inputs)
        fn = ft.partial(self.fn, **self.given(params, ctx))
        return fn(*inputs) if self.broadcasts(specs) else jax.vmap(fn, axes)(*inputs)

    def broadcasts(self, specs: Sequence[Spec]) -> bool:
        """Whether `fn` gives every frame at once as it is: nothing varies."""
        return not any(s.varies for s in specs)


class Elementwise(Pointwise):
    """Broadcasts as NumPy does, which saves most of the time that tracing takes: an axis of frames is one more."""

    def broadcasts(self, specs: Sequence[Spec]) -> bool:
        ranks = {len(s.shape) for s in specs if s.varies}
        return not ranks or (len(ranks) == 1 and max(len(s.shape) for s in specs) in ranks)


_MANY = 4096  # lanes, from which on an array beside a Signal is more likely meant as samples


def _tell_of_lanes(name: str, values: Sequence[Any]) -> None:
    """Say in the log, once for each line of the user, where a Signal gets its lanes from an array as long as samples are."""
    shapes = [np.shape(v) for v in values if not isinstance(v, Value)]
    lazy = [v.shape for v in values if isinstance(v, Value)]
    if not lazy or any(lazy) or not any(len(s) == 1 and s[0] >= _MANY for s in shapes):
        return
    frame = sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        frame = frame.f_back
    line = frame.f_code.co_filename, frame.f_lineno
    if line not in told_of:
        told_of.add(line)
        count = max(s[0] for s in shapes if s)
        _log.warning(
            "%s:%d: %s: an array of shape (%d,) beside a Signal is %s lanes in every frame, not samples; for samples use "
            "Signal.from_samples(array), or for so many lanes Tensor(array)",
            *(*line, name, count, f"{count:,}"),
        )


told_of: set[tuple[str, int]] = set()  # lines of users
_log = logging.getLogger("dgenlazy")


class Pick(Pointwise):
    """One output of an op that has several."""

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        return inputs[0][dict(params)["index"]]

    def run(self, ctx: Context, params: Params, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        return self.fn(*inputs, **dict(params))


@Pick
def pick(outputs, *, index):
    """Output number `index`."""
    return outputs[index]


def outputs_of(node: Node) -> list[Node]:
    """The outputs of an op that has several, one node each."""
    hop, learned, inputs = node.period, node.requires_grad, (node,)
    out = []
    for i, spec in enumerate(node.spec):
        period = hop if hop == (spec.hop or 1) else common_period("pick", (hop, spec.every))
        out.append(Node(pick, inputs, (("index", i),), spec, learned, "", period))
    return out


def pointwise(fn: Callable[..., Any]) -> Pointwise:
    """Decorator that makes a Pointwise of a function of one frame."""
    return Pointwise(fn)


def elementwise(fn: Callable[..., Any]) -> Elementwise:
    """Decorator of one that gives each element by those in the same place, of arrays of any shapes that go together."""
    return Elementwise(fn)
