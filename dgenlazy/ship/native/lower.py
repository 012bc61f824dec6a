"""A graph as a list of primitive instructions for one frame, each with the op that it came from. Nothing here knows C."""

from __future__ import annotations

import functools as ft
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ArgumentError
from . import regions, transform
from .noise import random
from .value import PREPARED, TYPES, Key, Region, Value, everywhere, part, view_of
from .views import LOOKS, View, dense, spread

_CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call", "custom_vjp_call", "custom_lin"}
_BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_RULES = (
    "jvp_jaxpr_fun",
    "jvp_jaxpr_thunk",
    "fwd_jaxpr_thunk",
    "bwd",
    "jvp",
    "update_jaxpr",
    "cond_jaxpr",
    "body_jaxpr",
    "branches",
)
_SAME = {"stop_gradient", "copy", "copy_p", "optimization_barrier", "sharding_constraint", "device_put"}
_SHAPED = {  # what says itself how its arguments meet; all others are elementwise, and lengths of 1 broadcast
    *LOOKS,
    *("gather", "dynamic_slice", "dynamic_update_slice", "dot_general", "conv_general_dilated", "concatenate", "stack", "pad"),
    *("cumsum", "cumprod", "cummax", "cummin", "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and"),
    *("reduce_or", "argmax", "argmin", "iota", "threefry", "sort"),
    *("scatter", "scatter-add", "scatter-mul", "scatter-min", "scatter-max"),
}


class Instructions:
    """Values as they are made. Equal instructions are one, and those of constants are computed at once.

    A function is traced at each of the sample rates. Its instructions are the same; what differs are their numbers.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        self.rates = tuple(rates)
        self.values: list[Value] = []
        self.op = ""
        self.region: Region | None = None
        self.held: ChainMap[Any, Value] = ChainMap()
        self._cpu = jax.local_devices(backend="cpu")[0]

    def unsupported(self, prim: str) -> ArgumentError:
        return ArgumentError(f"export: {self.op}: the primitive {prim} has no form in C")

    def new(self, shape: Sequence[int], dtype: Any, **rest: Any) -> Value:
        name = str(np.dtype(dtype))
        if name not in TYPES:
            raise ArgumentError(f"export: {self.op}: a value of {name} has no form in C; {', '.join(TYPES)} have")
        value = Value(len(self.values), tuple(shape), name, op=self.op, region=self.region, **rest)
        self.values.append(value)
        return value

    def constant(self, x: Any) -> Value:
        x = np.asarray(x)
        return self._fixed((x.shape, x.dtype.str, x.tobytes()), lambda: self.new(x.shape, x.dtype, const=x))

    def constants(self, given: Sequence[Any]) -> Any:
        """What is a number at each rate, as one value."""
        given = [np.asarray(x) for x in given]
        if given[0].dtype == np.complex64:
            return transform.Pair(*[self.constants([part(x) for x in given]) for part in (np.real, np.imag)])
        keys = [(x.shape, x.dtype.str, x.tobytes()) for x in given]
        if len({*keys}) == 1:
            return self.constant(given[0])
        self._alike([key[:2] for key in keys])
        new = lambda: self.new(given[0].shape, given[0].dtype, rated=tuple(given), source=("rate",))  # noqa: E731
        return self._fixed(tuple(keys), new)

    def _alike(self, facts: Sequence[Any], what: str = "its arrays differ") -> None:
        """Raise an ArgumentError unless a fact is the same at each rate."""
        other = next((rate for rate, fact in zip(self.rates, facts) if fact != facts[0]), None)
        if other is not None:
            raise ArgumentError(
                f"export: {self.op}: {what} at {self.rates[0]:.9g} and {other:.9g} Hz; a file for several rates has one program"
            )

    def _once(self, key: Any, make: Callable[[], Value]) -> Value:
        if key not in self.held:
            self.held[key] = make()
        return self.held[key]

    def _fixed(self, key: Any, make: Callable[[], Value]) -> Value:
        """The same, of what is known: it is in no loop."""
        everywhere = self.held.maps[-1]
        if key not in everywhere:
            everywhere[key] = make()
            everywhere[key].region = None
        return everywhere[key]

    def placed(self, node: Value, parts: Sequence[Value]) -> None:
        """A loop or branch, and the parts of what it makes, are computed as often as what it reads."""
        for v in (node, *parts):
            v.level = max([PREPARED, *[a.level for a in node.args]])

    def traced(self, fn: Callable[..., Any], *args: Any) -> Any:
        """What `fn(rate, *args)` returns, a tree of values, for arguments that are trees of values."""
        flat, tree = jax.tree.flatten(args, is_leaf=_is_value)
        shapes = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in flat]
        found = [self._traced(ft.partial(fn, rate), tree, shapes) for rate in self.rates]
        self._alike([structure for _, structure in found], "its outputs differ")
        return jax.tree.unflatten(found[0][1], self.program([jaxpr for jaxpr, _ in found], flat))

    def _traced(self, fn: Callable[..., Any], tree: Any, shapes: Sequence[Any]) -> tuple[Any, Any]:
        made = jax.make_jaxpr(lambda *flat: fn(*jax.tree.unflatten(tree, flat)), return_shape=True)
        closed, shape = made(*shapes)
        return closed, jax.tree.structure(shape)

    def _held(self, closed: Sequence[Any]) -> list[Value]:
        """The constants of a program, which is one for each rate."""
        held = [getattr(c, "consts", ()) for c in closed]
        self._alike([len(h) for h in held], "its constants differ")
        return [self.constants(xs) for xs in zip(*held)]

    def program(self, closed: Sequence[Any], args: Sequence[Any]) -> list[Any]:
        """The outputs of a program inside of another, which is one for each rate."""
        return self._inlined([getattr(c, "jaxpr", c) for c in closed], self._held(closed), args)

    def _inlined(self, jaxprs: Sequence[Any], consts: Sequence[Value], args: Sequence[Any]) -> list[Any]:
        """The values of a program, which is one for each rate: they are gone through in step."""
        envs: list[dict[Any, Any]] = [dict(zip(j.constvars, consts)) | dict(zip(j.invars, args)) for j in jaxprs]
        differ = "its program differs"

        def read(xs):
            self._alike([hasattr(x, "val") for x in xs], differ)
            if hasattr(xs[0], "val"):
                return self.constants([np.asarray(x.val, x.aval.dtype) for x in xs])
            values = [env[x] for env, x in zip(envs, xs)]
            self._alike(values, differ)
            return values[0]

        def each(lists):
            self._alike([len(x) for x in lists], differ)
            return [read(xs) for xs in zip(*lists)]

        self._alike([len(j.eqns) for j in jaxprs], differ)
        for eqns in zip(*[j.eqns for j in jaxprs]):
            self._alike([e.primitive.name for e in eqns], differ)
            inputs, name = each([e.invars for e in eqns]), eqns[0].primitive.name
            if len(eqns) > 1:
                self._alike([[(v.aval.shape, v.aval.dtype) for v in e.outvars] for e in eqns], differ)
                self._alike([_told(e.params) for e in eqns], differ)
            if name in _CALLS:
                inner = [next(e.params[p] for p in _BODIES if e.params.get(p) is not None) for e in eqns]
                outputs = self.program(inner, inputs)
            else:
                outputs = self._equation(eqns, name, inputs)
            for env, e in zip(envs, eqns):
                env.update(zip(e.outvars, outputs))
        return each([j.outvars for j in jaxprs])

    def _equation(self, eqns: Sequence[Any], name: str, inputs: Sequence[Any]) -> list[Any]:
        eqn = eqns[0]
        if name in ("split", "unstack"):
            return self._split(eqn, inputs[0])
        if (
            name in transform.KINDS
            or eqn.outvars[0].aval.dtype == np.complex64
            or any(isinstance(v, transform.Pair) for v in inputs)
        ):
            return [transform.lowered(self, name, eqn, inputs)]
        if name in regions.KINDS:
            if inputs and all(isinstance(v, Value) and v.known for v in inputs):
                return self._computed(eqns, inputs)
            return regions.lowered(self, name, eqns, inputs)
        if len(eqn.outvars) != 1:
            raise self.unsupported(name)
        if name.startswith("random_"):
            return [random(self, name, eqn.params, inputs, eqn.outvars[0].aval)]
        return [self._instruction(eqns, inputs, eqn.outvars[0].aval)]

    def _split(self, eqn: Any, x: Value) -> list[Value]:
        out, at, axis = [], 0, eqn.params["axis"]
        for size, made in zip(eqn.params.get("sizes", [1] * len(eqn.outvars)), eqn.outvars):
            low = [at if k == axis else 0 for k in range(len(x.shape))]
            part = [size if k == axis else n for k, n in enumerate(x.shape)]
            piece = self.look("slice", x, {"start_indices": low, "strides": None}, part)
            out.append(piece if piece.shape == made.aval.shape else self.look("squeeze", piece, {}, made.aval.shape))
            at += size
        return out

    def _instruction(self, eqns: Sequence[Any], args: Sequence[Value], aval: Any) -> Value:
        name, params, shape = eqns[0].primitive.name, eqns[0].params, tuple(aval.shape)
        if name in _SAME or (name == "convert_element_type" and args[0].dtype == str(aval.dtype)):
            return args[0]
        if (args and all(v.known for v in args)) or name == "iota":
            return self._computed(eqns, args)[0]
        if name in LOOKS and len(args) == 1:
            return self.look(name, args[0], params, shape)
        if name not in _SHAPED:
            args = [v if v.shape == shape or v.size == 1 else self.spread(v, shape) for v in args]
        return self.made(name, params, tuple(args), shape, str(aval.dtype))

    def _computed(self, eqns: Sequence[Any], args: Sequence[Value]) -> list[Value]:
        """What an instruction on numbers that are known makes: at each rate, where they or it differ."""
        several = range(len(self.rates) if len(eqns) > 1 and any(v.rated for v in args) else 1)
        outs = []
        with jax.default_device(self._cpu), jax.ensure_compile_time_eval():
            for r in several:
                out = eqns[r].primitive.bind(*[jnp.asarray(v.at(r)) for v in args], **eqns[r].params)
                outs.append(out if eqns[r].primitive.multiple_results else [out])
        return [self.constants(xs) for xs in zip(*outs)]

    def spread(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self._looked(x, spread(x.shape, view_of(x), shape), shape)

    def look(self, name: str, x: Value, params: Any, shape: Sequence[int]) -> Value:
        shape = tuple(shape)
        view = LOOKS[name](x.shape, view_of(x), params, shape)
        if view is None:
            x = self.made("copy", {}, (x,), x.shape, x.dtype)
            view = LOOKS[name](x.shape, view_of(x), params, shape)
        assert view is not None
        return self._looked(x, view, shape)

    def _looked(self, x: Value, view: View, shape: tuple[int, ...]) -> Value:
        base = x.seen()[0]
        if base.known:
            return self.constants([part(x, view, shape) for x in base.rated or (base.const,)])
        if view == (0, dense(shape)) and shape == base.shape:
            return base
        rest: Any = {"prim": "view", "base": base, "view": view, "level": base.level}
        return self._once(("view", base.number, view, shape), lambda: self.new(shape, base.dtype, **rest))

    def _needed(self, name: str, params: Mapping[str, Any], args: tuple[Value, ...]) -> tuple[Value, ...]:
        """The arguments, places among them 0 where there is no other."""
        first, sizes = 0, ()
        if name == "dynamic_slice":
            first, sizes = 1, params["slice_sizes"]
        elif name == "dynamic_update_slice":
            first, sizes = 2, args[1].shape
        elif name == "gather" and "FILL" not in str(params["mode"]):
            moves = [args[0].shape[axis] > params["slice_sizes"][axis] for axis in params["dimension_numbers"].start_index_map]
            return args if any(moves) else (args[0], self.constant(np.zeros(args[1].shape, args[1].dtype)))
        fixed = [self.constant(np.zeros((), v.dtype)) if n == d else v for v, n, d in zip(args[first:], sizes, args[0].shape)]
        return (*args[:first], *fixed) if first else args

    def made(self, name: str, params: dict[str, Any], args: tuple[Value, ...], shape: tuple[int, ...], dtype: str) -> Value:
        """The value of an instruction."""
        args = self._needed(name, params, args)
        known = [everywhere(v) for v in args]
        if name == "select_n" and known[0] is not None and args[1 + int(known[0])].shape == shape:
            return args[1 + int(known[0])]
        if name == "dynamic_slice" and known[0] is not None:
            return self.constant(np.full(shape, known[0]))
        if name in ("lt", "ge") and args[0].dtype == "uint32" and known[1] is not None and known[1] == 0:
            return self.constant(np.full(shape, name == "ge"))
        if dtype == "bool" and name in ("and", "or", "ne", "eq"):  # what `%` by a number leaves
            for truth, other in zip(known, reversed(args)):
                neutral = truth is not None and other.dtype == "bool" and bool(truth) == (name in ("and", "eq"))
                if neutral and other.shape == shape:
                    return other
        rest: Any = {"prim": name, "params": params, "args": args, "level": max(PREPARED, *[v.level for v in args])}
        return self._once(
            (name, tuple([v.number for v in args]), shape, dtype, _told(params)), lambda: self.new(shape, dtype, **rest)
        )


def _told(params: Mapping[str, Any]) -> str:
    """What of an instruction's parameters makes it another one; programs among them are compared as such."""
    skipped = ("accuracy", "sharding", "out_sharding", *_BODIES, *_RULES)
    return str(sorted((k, str(v)) for k, v in params.items() if k not in skipped))


def _is_value(x: Any) -> bool:
    return isinstance(x, (Value, Key))
