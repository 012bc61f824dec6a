"""How the next state of a recurrence depends on its state, read from the step's jaxpr. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..graph import is_literal

FREE, AFFINE, NONLINEAR = range(3)  # how a value depends on the state
SAME, PLACED, MIXED = range(3)  # one number everywhere; element i is made of elements i; anything else

# An operation that is not listed counts as nonlinear in what it is given, and as mixing places.
_ELEMENTWISE = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh bitcast_convert_type cbrt ceil clamp convert_element_type copy "
    "cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt "
    "max min mul ne neg nextafter not or pow rem round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical "
    "sign sin sinh sqrt square stop_gradient sub tan tanh xor".split()
)
_LINEAR = frozenset(
    "add add_any broadcast_in_dim concatenate convert_element_type copy cumsum expand_dims neg pad reduce_sum reshape rev "
    "slice squeeze stack sub transpose".split()
)
_CHEAP = frozenset(
    "abs add add_any and broadcast_in_dim ceil clamp convert_element_type copy eq expand_dims floor ge gt le lt max min mul ne "
    "neg not or reshape select_n sign squeeze stop_gradient sub xor".split()
)
_INDEXED = frozenset(
    "dynamic_slice dynamic_update_slice gather scatter scatter-add select_n".split()
)  # linear in what they move
_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # where an equation keeps what it calls with its own operands
_LOOPS = ("scan", "while", "cond")


class Facts(NamedTuple):
    """What is known of a step.

    Attributes:
        order: FREE, AFFINE or NONLINEAR: the next state as a function of the state.
        lanewise: Whether element i of the next state and of the output depends on elements i alone, so that lanes can
            be run apart from each other.
        why: The operation that decided `order` or that mixes lanes, for people to read.
        forwards: Whether it has a derivative forwards; what a `jax.custom_vjp` is part of has none.
    """

    order: int
    lanewise: bool
    why: str
    forwards: bool


class _Value(NamedTuple):
    order: int
    place: int


def analyse(step: Callable[..., Any], state: Any, inputs: Sequence[Any]) -> Facts:
    """Facts of `step(state, *inputs) -> (state, output)`, for arrays or shapes with types."""
    closed = jax.make_jaxpr(step)(state, *inputs)
    leaves = jax.tree.leaves(state)
    lanes = max((x.shape for x in leaves), key=len, default=())
    walk = _Walk(lanes)
    given = [_Value(AFFINE, walk.place(x)) for x in leaves]
    given += [_Value(FREE, walk.place(x)) for x in jax.tree.leaves(list(inputs))]
    consts = [_Value(FREE, SAME if not jnp.shape(c) else MIXED) for c in closed.consts]
    out = walk.jaxpr(closed.jaxpr, consts, given)
    order = max((v.order for v in out[: len(leaves)]), default=FREE)
    lanewise = all(v.place != MIXED for v in out) and all(x.shape == lanes for x in (*leaves, *closed.out_avals))
    reasons = {FREE: "the state is not fed back", AFFINE: "affine in its state", NONLINEAR: f"nonlinear: {walk.bends}"}
    mixes = "" if lanewise or not lanes else f", mixes lanes: {walk.mixes or 'states of several shapes'}"
    return Facts(order, lanewise, reasons[order] + mixes, not _has_custom_vjp(closed.jaxpr))


def _has_custom_vjp(jaxpr: Any) -> bool:
    for eqn in jaxpr.eqns:
        if eqn.primitive.name.startswith("custom_vjp_call"):
            return True
        bodies = [getattr(x, "jaxpr", x) for x in jax.tree.leaves(list(eqn.params.values()), is_leaf=_is_jaxpr)]
        if any(_has_custom_vjp(body) for body in bodies if _is_jaxpr(body)):
            return True
    return False


def _is_jaxpr(x: Any) -> bool:
    return hasattr(x, "eqns")


def reads(fn: Callable[..., Any], *args: Any) -> list[frozenset[int]]:
    """For each leaf of `fn(*args)`: which leaves of `args` it depends on, by number."""
    closed = jax.make_jaxpr(fn)(*args)
    none: frozenset[int] = frozenset()

    def walk(jaxpr: Any, consts: Sequence[frozenset[int]], given: Sequence[frozenset[int]]) -> list[frozenset[int]]:
        env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *given]))

        def read(v: Any) -> frozenset[int]:
            return none if is_literal(v) else env[v]

        for eqn in jaxpr.eqns:
            inputs = [read(v) for v in eqn.invars]
            body = _inner(eqn)
            out = walk(body, [none] * len(body.constvars), inputs) if body else [none.union(*inputs)] * len(eqn.outvars)
            env.update(zip(eqn.outvars, out))
        return [read(v) for v in jaxpr.outvars]

    given = [frozenset([i]) for i in range(len(closed.jaxpr.invars))]
    return walk(closed.jaxpr, [none] * len(closed.consts), given)


def elementwise(fn: Callable[..., Any], *args: Any) -> bool:
    """Whether element i of everything that `fn(*args)` returns is made of elements i alone."""
    closed = jax.make_jaxpr(fn)(*args)
    walk = _Walk(max((x.shape for x in closed.out_avals), key=len, default=()))
    consts = [_Value(FREE, SAME if not jnp.shape(c) else MIXED) for c in closed.consts]
    given = [_Value(FREE, walk.place(x)) for x in jax.tree.leaves(args)]
    return all(v.place != MIXED for v in walk.jaxpr(closed.jaxpr, consts, given))


def cheap(fn: Callable[..., Any], *args: Any) -> bool:
    """Whether `fn(*args)` is a few additions, multiplications, comparisons and the like, each of single elements."""

    def walk(jaxpr: Any) -> bool:
        return all(e.primitive.name in _CHEAP or ((body := _inner(e)) is not None and walk(body)) for e in jaxpr.eqns)

    return walk(jax.make_jaxpr(fn)(*args).jaxpr)


def _inner(eqn: Any) -> Any:
    """The jaxpr that an equation calls with its own operands, if that is what it does."""
    if eqn.primitive.name in _LOOPS or eqn.primitive.name.startswith("reduce"):
        return None
    inner = next((eqn.params[key] for key in _CALLS if key in eqn.params), None)
    body = getattr(inner, "jaxpr", inner)
    return body if body is not None and len(body.invars) == len(eqn.invars) else None


class _Walk:
    """The walk over a jaxpr, and the first operations that were found to bend or to mix."""

    def __init__(self, lanes: tuple[int, ...]):
        self.lanes, self.bends, self.mixes = lanes, "", ""

    def place(self, x: Any) -> int:
        """Where the elements of an input or of a state belong. One that spans some of the lanes' axes is placed too."""
        if all(n == 1 for n in x.shape):
            return SAME
        fits = len(x.shape) <= len(self.lanes) and all(a in (1, b) for a, b in zip(x.shape[::-1], self.lanes[::-1]))
        return PLACED if fits else MIXED

    def jaxpr(self, jaxpr: Any, consts: Sequence[_Value], given: Sequence[_Value]) -> list[_Value]:
        env = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *given]))

        def read(v: Any) -> _Value:
            return _Value(FREE, SAME if not jnp.shape(v.val) else MIXED) if is_literal(v) else env[v]

        for eqn in jaxpr.eqns:
            inputs = [read(v) for v in eqn.invars]
            for var, value in zip(eqn.outvars, self.equation(eqn, inputs)):
                env[var] = value
        return [read(v) for v in jaxpr.outvars]

    def equation(self, eqn: Any, inputs: list[_Value]) -> list[_Value]:
        name = eqn.primitive.name
        body = _inner(eqn)
        if body is not None:
            bent = self.bends
            out = self.jaxpr(body, [_Value(FREE, MIXED if v.aval.shape else SAME) for v in body.constvars], inputs)
            if not bent and self.bends and "name" in eqn.params:  # of a function, which says more than what it is made of
                self.bends = eqn.params["name"].lstrip("_")
            return out
        value = _Value(self.order(name, inputs), self.placed(name, eqn, inputs))
        if name == "convert_element_type" and value.order and not jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.inexact):
            value = value._replace(order=NONLINEAR)
        if value.order == NONLINEAR and not self.bends:
            self.bends = name
        if value.place == MIXED and not self.mixes:
            self.mixes = name
        return [value] * len(eqn.outvars)

    def order(self, name: str, inputs: list[_Value]) -> int:
        orders = [v.order for v in inputs]
        highest = max(orders, default=FREE)
        if highest != AFFINE:
            return highest
        if name in _LINEAR:
            return AFFINE
        if name in ("mul", "dot_general"):
            return min(sum(orders), NONLINEAR)
        if name == "div":
            return AFFINE if orders[1] == FREE else NONLINEAR
        if name in _INDEXED:
            moved = {"dynamic_update_slice": (0, 1), "scatter": (0, 2), "scatter-add": (0, 2)}.get(name, (0,))
            fixed = orders[:1] if name == "select_n" else [o for i, o in enumerate(orders) if i not in moved]
            return AFFINE if max(fixed, default=FREE) == FREE else NONLINEAR
        return NONLINEAR

    def placed(self, name: str, eqn: Any, inputs: list[_Value]) -> int:
        place = max((v.place for v in inputs), default=MIXED if eqn.outvars[0].aval.shape else SAME)
        if name in _ELEMENTWISE:
            return place if eqn.outvars[0].aval.shape in {v.aval.shape for v in eqn.invars} else MIXED
        if name in ("broadcast_in_dim", "reshape", "squeeze", "expand_dims"):
            return place if place == SAME or _keeps_trailing_axes(eqn) else MIXED
        return MIXED


def _keeps_trailing_axes(eqn: Any) -> bool:
    """Whether a change of shape only adds or drops leading axes, or widens axes of length 1, as NumPy broadcasts."""
    before, after = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape
    if eqn.primitive.name == "broadcast_in_dim":
        return tuple(eqn.params["broadcast_dimensions"]) == tuple(range(len(after) - len(before), len(after)))
    rank = min(len(before), len(after))
    extra = (*before[: len(before) - rank], *after[: len(after) - rank])
    return before[len(before) - rank :] == after[len(after) - rank :] and all(n == 1 for n in extra)
