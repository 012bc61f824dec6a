"""One element of an elementwise primitive as an expression of C, of the elements of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from .value import Value

C_TYPES = {"float32": "float", "int32": "int32_t", "uint32": "uint32_t", "bool": "int32_t"}

_FLOAT = {  # of one float
    **{f: f"dg_{f}" for f in ("exp", "log", "sin", "cos", "tanh", "logistic", "sign")},
    **{f: f"{f}f" for f in ("tan", "expm1", "log1p", "sqrt", "floor", "ceil", "asin", "acos", "atan", "sinh", "cosh", "asinh")},
    **{f: f"{f}f" for f in ("acosh", "atanh", "cbrt", "erf", "erfc", "exp2", "log2")},
    "abs": "fabsf",
}
_INFIX = {"add": "+", "add_any": "+", "sub": "-", "mul": "*"}
_COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_BITS = {"and": "&", "or": "|", "xor": "^"}


def literal(x: Any, dtype: str) -> str:
    x = np.asarray(x).reshape(())[()]
    if dtype == "float32":
        if not np.isfinite(x):
            return "DG_NAN" if np.isnan(x) else "DG_INF" if x > 0 else "(-DG_INF)"
        text = f"{float(x):.9g}"
        text = f"{text}f" if any(c in text for c in ".e") else f"{text}.0f"
        return f"({text})" if text[0] == "-" else text
    if dtype == "uint32":
        return f"{int(x)}u"
    x = int(x)
    return "(-2147483647 - 1)" if x == -(2**31) else f"({x})" if x < 0 else str(x)


def expression(v: Value, a: Sequence[str]) -> str | None:
    """C for one element of `v`, where `a` are those of its arguments; None where there is none."""
    t = v.args[0].dtype
    if v.prim in _FLOAT and t == "float32":
        return f"{_FLOAT[v.prim]}({a[0]})"
    if v.prim in _INFIX:
        return _arithmetic(_INFIX[v.prim], t, a)
    if v.prim in _COMPARED:
        return f"({a[0]} {_COMPARED[v.prim]} {a[1]})"
    if v.prim in _BITS:
        return f"({a[0]} {_BITS[v.prim]} {a[1]})"
    rule = _RULES.get(v.prim)
    return rule(v, t, a) if rule else None


def _arithmetic(sign: str, t: str, a: Sequence[str]) -> str | None:
    if t == "int32":  # wraps, which in C only unsigned numbers do
        return f"(int32_t)((uint32_t){a[0]} {sign} (uint32_t){a[1]})"
    return None if t == "bool" else f"({a[0]} {sign} {a[1]})"


def _div(v: Value, t: str, a: Sequence[str]) -> str | None:
    by = v.args[1].const
    if t == "float32" or (by is not None and (by > 0).all()):
        return f"({a[0]} / {a[1]})"
    return None if t == "bool" else f"dg_div_{t}({a[0]}, {a[1]})"


def _rem(v: Value, t: str, a: Sequence[str]) -> str | None:
    if t == "float32":
        return f"fmodf({a[0]}, {a[1]})"
    by = v.args[1].const
    return f"({a[0]} % {a[1]})" if by is not None and (by > 0).all() else f"dg_rem_{t}({a[0]}, {a[1]})"


def _neg(v: Value, t: str, a: Sequence[str]) -> str:
    return f"(-{a[0]})" if t == "float32" else f"(({C_TYPES[t]})(0u - (uint32_t){a[0]}))"


def _abs(v: Value, t: str, a: Sequence[str]) -> str:
    return f"({a[0]} < 0 ? (int32_t)(0u - (uint32_t){a[0]}) : {a[0]})" if t == "int32" else a[0]


def _max(v: Value, t: str, a: Sequence[str]) -> str:
    if t == "float32":
        return f"dg_{v.prim}({a[0]}, {a[1]})"
    return f"({a[0]} {'>' if v.prim == 'max' else '<'} {a[1]} ? {a[0]} : {a[1]})"


def _clamp(v: Value, t: str, a: Sequence[str]) -> str:
    low, x, high = a
    if t == "float32":
        return f"dg_min(dg_max({low}, {x}), {high})"
    return f"({x} > {high} ? {high} : {x} < {low} ? {low} : {x})"


def _sign(v: Value, t: str, a: Sequence[str]) -> str:
    return f"({a[0]} != 0u)" if t == "uint32" else f"(({a[0]} > 0) - ({a[0]} < 0))"


def _round(v: Value, t: str, a: Sequence[str]) -> str:
    return f"{'rintf' if v.params['rounding_method'] == lax.RoundingMethod.TO_NEAREST_EVEN else 'roundf'}({a[0]})"


def _pow(v: Value, t: str, a: Sequence[str]) -> str | None:
    return None if t != "float32" else f"powf({a[0]}, {'' if v.args[1].dtype == t else '(float)'}{a[1]})"


def _integer_pow(v: Value, t: str, a: Sequence[str]) -> str | None:
    y = v.params["y"]
    if t != "float32":
        return None
    return f"dg_ipow({a[0]}, {y})" if y >= 0 else f"(1.0f / dg_ipow({a[0]}, {-y}))"


def _shift(v: Value, t: str, a: Sequence[str]) -> str:
    sign, by = "<<" if v.prim == "shift_left" else ">>", v.args[1].const
    shifted = f"((uint32_t){a[0]} {sign} {a[1]})"
    small = by is not None and ((by >= 0) & (by < 32)).all()
    return f"(({C_TYPES[t]}){shifted})" if small else f"(({C_TYPES[t]})((uint32_t){a[1]} < 32u ? {shifted} : 0u))"


def _select(v: Value, t: str, a: Sequence[str]) -> str:
    if t == "bool":
        return f"({a[0]} ? {a[2]} : {a[1]})"
    chosen = a[-1]
    for i in reversed(range(len(a) - 2)):
        chosen = f"({a[0]} <= {i} ? {a[1 + i]} : {chosen})"
    return chosen


def _convert(v: Value, t: str, a: Sequence[str]) -> str:
    if v.dtype == "bool":
        return f"({a[0]} != 0)"
    if t == "float32" and v.dtype in ("int32", "uint32"):
        return f"dg_to_{v.dtype}({a[0]})"
    return f"(({C_TYPES[v.dtype]}){a[0]})"


def _bitcast(v: Value, t: str, a: Sequence[str]) -> str | None:
    if "float32" not in (t, v.dtype):
        return f"(({C_TYPES[v.dtype]}){a[0]})"
    if t == "float32":
        return f"dg_bits({a[0]})" if v.dtype == "uint32" else f"(int32_t)dg_bits({a[0]})"
    return f"dg_float((uint32_t){a[0]})"


_RULES: dict[str, Callable[[Value, str, Sequence[str]], str | None]] = {
    "copy": lambda v, t, a: a[0],
    "div": _div,
    "rem": _rem,
    "neg": _neg,
    "abs": _abs,
    "max": _max,
    "min": _max,
    "clamp": _clamp,
    "sign": _sign,
    "round": _round,
    "rsqrt": lambda v, t, a: f"(1.0f / sqrtf({a[0]}))",
    "square": lambda v, t, a: _arithmetic("*", t, [a[0], a[0]]),
    "is_finite": lambda v, t, a: f"(({a[0]} - {a[0]}) == 0.0f)",
    "nextafter": lambda v, t, a: f"nextafterf({a[0]}, {a[1]})",
    "atan2": lambda v, t, a: f"atan2f({a[0]}, {a[1]})",
    "pow": _pow,
    "integer_pow": _integer_pow,
    "not": lambda v, t, a: f"(!{a[0]})" if t == "bool" else f"(~{a[0]})",
    "shift_left": _shift,
    "shift_right_logical": _shift,
    "select_n": _select,
    "convert_element_type": _convert,
    "bitcast_convert_type": _bitcast,
    "threefry": lambda v, t, a: f"dg_threefry({', '.join(a)}, {v.params['half']})",
}
