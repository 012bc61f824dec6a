"""A graph as a list of primitive instructions for one frame, each with the op that it came from. Nothing here knows C."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...errors import ArgumentError
from .views import LOOKS, View, dense, spread

CONSTANT, PREPARED, FRAME = range(3)  # how often a value is computed: never again, once per change of parameters, per frame
TYPES = ("float32", "int32", "uint32", "bool")
_CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call", "custom_vjp_call", "custom_lin"}
_SAME = {"stop_gradient", "copy", "copy_p", "optimization_barrier", "sharding_constraint", "device_put"}
_SHAPED = {  # what says itself how its arguments meet; all others are elementwise, and lengths of 1 broadcast
    *LOOKS,
    *("gather", "dynamic_slice", "dynamic_update_slice", "dot_general", "conv_general_dilated", "concatenate", "stack", "pad"),
    *("cumsum", "cumprod", "cummax", "cummin", "reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and"),
    *("reduce_or", "argmax", "argmin", "iota", "threefry", "sort"),
}


@dataclass(eq=False)
class Value:
    """An array of one frame.

    Attributes:
        number: In the order in which values are made: arguments come first.
        prim, params, args: The instruction; of what is none, "".
        level: How often it is computed.
        op: The op whose instruction it is.
        const: What it is, where that is known.
        source: Where it comes from, where from outside: "param", "input" and "state" with a number, "frame", "seed".
        base, view: Of a view, the value that it looks at, and how.
    """

    number: int
    shape: tuple[int, ...]
    dtype: str
    prim: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()
    level: int = CONSTANT
    op: str = ""
    const: Any = None
    source: tuple[Any, ...] = ()
    base: Any = None
    view: View | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def seen(self) -> tuple[Value, int, tuple[int, ...]]:
        """The array that it looks at, itself if it is no view, and offset and strides there."""
        return (self.base, self.view.offset, self.view.strides) if self.view else (self, 0, dense(self.shape))


@dataclass(eq=False)
class Key:
    """The key of a noise: two numbers."""

    pair: tuple[Value, Value]


class Instructions:
    """Values as they are made. Equal instructions are one, and those of constants are computed at once."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.op = ""
        self._known: dict[Any, Value] = {}
        self._cpu = jax.local_devices(backend="cpu")[0]

    def unsupported(self, prim: str) -> ArgumentError:
        return ArgumentError(f"export: {self.op}: the primitive {prim} has no form in C")

    def new(self, shape: Sequence[int], dtype: Any, **rest: Any) -> Value:
        name = str(np.dtype(dtype))
        if name not in TYPES:
            raise ArgumentError(f"export: {self.op}: a value of {name} has no form in C; {', '.join(TYPES)} have")
        value = Value(len(self.values), tuple(shape), name, op=self.op, **rest)
        self.values.append(value)
        return value

    def constant(self, x: Any) -> Value:
        x = np.asarray(x)
        return self._once((x.shape, x.dtype.str, x.tobytes()), lambda: self.new(x.shape, x.dtype, const=x))

    def _once(self, key: Any, make: Callable[[], Value]) -> Value:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def traced(self, fn: Callable[..., Any], *args: Any) -> Any:
        """What `fn` returns, a tree of values, for arguments that are trees of values."""
        flat, tree = jax.tree.flatten(args, is_leaf=_is_value)
        shapes = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in flat]
        traced = jax.make_jaxpr(lambda *flat: fn(*jax.tree.unflatten(tree, flat)), return_shape=True)
        closed, shape = traced(*shapes)
        out = self._inlined(closed.jaxpr, [self.constant(c) for c in closed.consts], flat)
        return jax.tree.unflatten(jax.tree.structure(shape), out)

    def _inlined(self, jaxpr: Any, consts: Sequence[Value], args: Sequence[Any]) -> list[Any]:
        env: dict[Any, Any] = dict(zip(jaxpr.constvars, consts)) | dict(zip(jaxpr.invars, args))

        def read(x):
            return self.constant(np.asarray(x.val, x.aval.dtype)) if hasattr(x, "val") else env[x]

        for eqn in jaxpr.eqns:
            inputs, name = [read(x) for x in eqn.invars], eqn.primitive.name
            if name in _CALLS:
                inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr") or eqn.params.get("fun_jaxpr")
                held = [self.constant(c) for c in getattr(inner, "consts", ())]
                outputs = self._inlined(getattr(inner, "jaxpr", inner), held, inputs)
            elif name in ("split", "unstack"):
                outputs = self._split(eqn, inputs[0])
            elif len(eqn.outvars) != 1:
                raise self.unsupported(name)
            elif name.startswith("random_"):
                outputs = [self._random(name, eqn.params, inputs, eqn.outvars[0].aval)]
            else:
                outputs = [self._instruction(eqn.primitive, eqn.params, inputs, eqn.outvars[0].aval)]
            env.update(zip(eqn.outvars, outputs))
        return [read(x) for x in jaxpr.outvars]

    def _split(self, eqn: Any, x: Value) -> list[Value]:
        out, at, axis = [], 0, eqn.params["axis"]
        for size, made in zip(eqn.params.get("sizes", [1] * len(eqn.outvars)), eqn.outvars):
            low = [at if k == axis else 0 for k in range(len(x.shape))]
            part = [size if k == axis else n for k, n in enumerate(x.shape)]
            piece = self._look("slice", x, {"start_indices": low, "strides": None}, part)
            out.append(piece if piece.shape == made.aval.shape else self._look("squeeze", piece, {}, made.aval.shape))
            at += size
        return out

    def _instruction(self, primitive: Any, params: dict[str, Any], args: Sequence[Value], aval: Any) -> Value:
        name, shape = primitive.name, tuple(aval.shape)
        if name in _SAME or (name == "convert_element_type" and args[0].dtype == str(aval.dtype)):
            return args[0]
        if (args and all(v.const is not None for v in args)) or name == "iota":
            return self.constant(self._computed(primitive, params, args))
        if name in LOOKS and len(args) == 1:
            return self._look(name, args[0], params, shape)
        if name not in _SHAPED:
            args = [
                v if v.shape == shape or v.size == 1 else self._looked(v, spread(v.shape, _view(v), shape), shape) for v in args
            ]
        return self.made(name, params, tuple(args), shape, str(aval.dtype))

    def _computed(self, primitive: Any, params: dict[str, Any], args: Sequence[Value]) -> np.ndarray:
        with jax.default_device(self._cpu), jax.ensure_compile_time_eval():
            return np.asarray(primitive.bind(*[jnp.asarray(v.const) for v in args], **params))

    def _spread(self, x: Value, shape: tuple[int, ...]) -> Value:
        return self._looked(x, spread(x.shape, _view(x), shape), shape)

    def _look(self, name: str, x: Value, params: Any, shape: Sequence[int]) -> Value:
        shape = tuple(shape)
        view = LOOKS[name](x.shape, _view(x), params, shape)
        if view is None:
            x = self.made("copy", {}, (x,), x.shape, x.dtype)
            view = LOOKS[name](x.shape, _view(x), params, shape)
        assert view is not None
        return self._looked(x, view, shape)

    def _looked(self, x: Value, view: View, shape: tuple[int, ...]) -> Value:
        base = x.seen()[0]
        if base.const is not None:
            flat = np.ascontiguousarray(base.const).ravel()
            strides = [s * flat.itemsize for s in view.strides]
            some = math.prod(shape) > 0
            seen = np.lib.stride_tricks.as_strided(flat[view.offset :], shape, strides) if some else np.zeros(shape, flat.dtype)
            return self.constant(seen.copy())
        if view == (0, dense(shape)) and shape == base.shape:
            return base
        rest: Any = {"prim": "view", "base": base, "view": view, "level": base.level}
        return self._once(("view", base.number, view, shape), lambda: self.new(shape, base.dtype, **rest))

    def made(self, name: str, params: dict[str, Any], args: tuple[Value, ...], shape: tuple[int, ...], dtype: str) -> Value:
        """The value of an instruction."""
        known = [_everywhere(v) for v in args]
        if name == "select_n" and known[0] is not None and args[1 + int(known[0])].shape == shape:
            return args[1 + int(known[0])]
        if name in ("lt", "ge") and args[0].dtype == "uint32" and known[1] is not None and known[1] == 0:
            return self.constant(np.full(shape, name == "ge"))
        if dtype == "bool" and name in ("and", "or", "ne", "eq"):  # what `%` by a number leaves
            for truth, other in zip(known, reversed(args)):
                neutral = truth is not None and other.dtype == "bool" and bool(truth) == (name in ("and", "eq"))
                if neutral and other.shape == shape:
                    return other
        told = str(sorted((k, str(v)) for k, v in params.items() if k not in ("accuracy", "sharding", "out_sharding")))
        rest: Any = {"prim": name, "params": params, "args": args, "level": max(v.level for v in args)}
        return self._once((name, tuple([v.number for v in args]), shape, dtype, told), lambda: self.new(shape, dtype, **rest))

    # Noise: keys are pairs of numbers, and threefry2x32 is JAX's documented stream.

    def _random(self, name: str, params: dict[str, Any], args: Sequence[Any], aval: Any) -> Any:
        zero = self.constant(np.uint32(0))
        if name == "random_seed" and not aval.shape and args[0].dtype in ("uint32", "int32"):
            seed = args[0]
            same = seed if seed.dtype == "uint32" else self.made("convert_element_type", {}, (seed,), (), "uint32")
            return Key((zero, same))
        if name == "random_wrap" and not aval.shape:
            halves = [self._look("slice", args[0], {"start_indices": (i,), "strides": None}, (1,)) for i in (0, 1)]
            return Key((halves[0], halves[1]))
        if name == "random_fold_in" and not aval.shape and args[1].shape == ():
            halves = [self._threefry(args[0], zero, args[1], half, ()) for half in (0, 1)]
            return Key((halves[0], halves[1]))
        config: Any = jax.config
        if name == "random_bits" and params["bit_width"] == 32 and config.jax_threefry_partitionable:
            shape = tuple(params["shape"])
            places = self.constant(np.arange(math.prod(shape), dtype=np.uint32).reshape(shape))
            halves = [self._threefry(args[0], zero, places, half, shape) for half in (0, 1)]
            return self.made("xor", {}, tuple(halves), shape, "uint32")
        raise self.unsupported(name)

    def _threefry(self, key: Key, high: Value, low: Value, half: int, shape: tuple[int, ...]) -> Value:
        args = (*key.pair, high, low)
        known = [v.const for v in args]
        if all(x is not None for x in known):
            return self.constant(threefry(*known)[half].reshape(shape))
        return self.made("threefry", {"half": half}, args, shape, "uint32")


def threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Two numbers of the stream of threefry2x32 in 20 rounds, as `jax.random` has it."""
    with np.errstate(over="ignore"):
        k0, k1, x0, x1 = (np.asarray(v, np.uint32) for v in (k0, k1, x0, x1))
        keys = [k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)]
        x0, x1 = x0 + keys[0], x1 + keys[1]
        for i in range(5):
            for by in ((13, 15, 26, 6), (17, 29, 16, 24))[i % 2]:
                x0 = x0 + x1
                x1 = ((x1 << np.uint32(by)) | (x1 >> np.uint32(32 - by))) ^ x0
            x0, x1 = x0 + keys[(i + 1) % 3], x1 + keys[(i + 2) % 3] + np.uint32(i + 1)
        return x0, x1


def _everywhere(v: Value) -> Any:
    """The number that all elements of a constant are, if they are one."""
    return v.const.flat[0] if v.const is not None and v.size and (v.const == v.const.flat[0]).all() else None


def _view(x: Value) -> View:
    return View(*x.seen()[1:])


def _is_value(x: Any) -> bool:
    return isinstance(x, (Value, Key))
