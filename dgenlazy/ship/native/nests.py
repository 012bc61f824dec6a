"""Instructions that have loops of their own: sums, products of matrices, convolutions, joins, updates."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ArgumentError
from .expressions import C_TYPES, literal
from .text import Text, index, kept
from .value import Value
from .views import dense

_LEAST = {"float32": "(-DG_INF)", "int32": "INT32_MIN", "uint32": "0u", "bool": "0"}
_MOST = {"float32": "DG_INF", "int32": "INT32_MAX", "uint32": "UINT32_MAX", "bool": "1"}


def _joined(how: str, dtype: str, a: str, b: str) -> str:
    """Two elements as one: of a sum, a largest, ..."""
    if how in ("max", "min"):
        return f"dg_{how}({a}, {b})" if dtype == "float32" else f"dg_{how}_{dtype if dtype != 'bool' else 'int32'}({a}, {b})"
    sign = {"sum": "+", "prod": "*", "and": "&", "or": "|"}[how]
    if dtype == "int32" and sign in "+*":
        return f"(int32_t)((uint32_t){a} {sign} (uint32_t){b})"
    return f"{a} {sign} {b}"


def _first(how: str, dtype: str) -> str:
    if how in ("max", "min"):
        return (_LEAST if how == "max" else _MOST)[dtype]
    every_bit = "1" if dtype == "bool" else "(-1)" if dtype == "int32" else "UINT32_MAX"
    return every_bit if how == "and" else literal(1 if how == "prod" else 0, dtype)


def _reduced(text: Text, n: Value, name: str) -> None:
    (x,), how, axes = n.args, n.prim.removeprefix("reduce_"), n.params["axes"]
    left = [k for k in range(len(x.shape)) if k not in axes]
    with text.loops([x.shape[k] for k in left]) as at:
        place = dict(zip(left, at))
        inner = [k for k in axes if x.shape[k] != 1]
        if how == "sum" and n.dtype == "float32" and len(inner) == 1 and x.shape[inner[0]] >= _LANES:
            _in_lanes(text, n, name, x, inner[0], place, at)
            return
        if how == "sum" and len(inner) == 1 and x.size:
            each = [
                text.read(x, [place.get(k, str(r) if k == inner[0] else "0") for k in range(len(x.shape))])
                for r in range(x.shape[inner[0]])
            ]
            text.put(f"{text.target(name, n, at)} = {_short(n.dtype, each)};")
            return
        with text.block():
            text.put(f"{C_TYPES[n.dtype]} a = {_first(how, n.dtype)};")
            if x.size:
                with text.loops([d if k in axes else 1 for k, d in enumerate(x.shape)], "r") as r:
                    element = text.read(x, [place.get(k, r[k]) for k in range(len(x.shape))])
                    text.put(f"a = {_joined(how, n.dtype, 'a', element)};")
            text.put(f"{text.target(name, n, at)} = a;")


_LANES = 8


def _short(dtype: str, terms: Sequence[str]) -> str:
    """A sum of a few terms."""
    return ft.reduce(ft.partial(_joined, "sum", dtype), terms)


def _in_lanes(text: Text, n: Value, name: str, x: Value, axis: int, place: dict[int, str], at: Sequence[str]) -> None:
    """A long sum as eight that do not wait for each other."""
    length, rest = x.shape[axis], x.shape[axis] % _LANES

    def element(where: str) -> str:
        return text.read(x, [place.get(k, f"({where})" if k == axis else "0") for k in range(len(x.shape))])

    with text.block():
        text.put(f"float a[{_LANES}] = {{0}};")
        with text.block(f"for (int r = 0; r < {length - rest}; r += {_LANES})"):
            text.put(f"for (int k = 0; k < {_LANES}; k++) a[k] += {element('r + k')};")
        if rest:
            text.put(f"for (int k = 0; k < {rest}; k++) a[k] += {element(f'k + {length - rest}')};")
        text.put(f"{text.target(name, n, at)} = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));")


def _arg(text: Text, n: Value, name: str) -> None:
    """The first place of the largest or least, and where there is one of NaN."""
    (x,), (axis,) = n.args, n.params["axes"]
    sign = ">" if n.prim == "argmax" else "<"
    left = [k for k in range(len(x.shape)) if k != axis]
    with text.loops([x.shape[k] for k in left]) as at, text.block():
        place = dict(zip(left, at))
        first, here = (text.read(x, [place.get(k, where) for k in range(len(x.shape))]) for where in ("0", "r"))
        text.put(f"{C_TYPES[x.dtype]} a = {first};")
        text.put("int32_t best = 0;")
        with text.block(f"for (int r = 1; r < {x.shape[axis]}; r++)"):
            text.put(f"const {C_TYPES[x.dtype]} b = {here};")
            text.put(f"if (a == a && (b {sign} a || b != b)) {{ a = b; best = r; }}")
        text.put(f"{text.target(name, n, at)} = ({C_TYPES[n.dtype]})best;")


def _running(text: Text, n: Value, name: str) -> None:
    (x,), how, axis = n.args, n.prim.removeprefix("cum"), n.params["axis"]
    length = n.shape[axis]
    with text.loops([1 if k == axis else d for k, d in enumerate(n.shape)]) as at, text.block():
        text.put(f"{C_TYPES[n.dtype]} a = {_first(how, n.dtype)};")
        with text.block(f"for (int q = 0; q < {length}; q++)"):
            text.put(f"const int r = {f'{length - 1} - q' if n.params.get('reverse') else 'q'};")
            place = ["r" if k == axis else i for k, i in enumerate(at)]
            text.put(f"a = {_joined(how, n.dtype, 'a', text.read(x, place))};")
            text.put(f"{text.target(name, n, place)} = a;")


def _concatenated(text: Text, n: Value, name: str) -> None:
    axis, first, strides = n.params["dimension"], 0, dense(n.shape)
    for x in n.args:
        if x.size:
            with text.loops(x.shape) as at:
                text.put(f"{text.target(name, n, at, first * strides[axis])} = {text.read(x, at)};")
        first += x.shape[axis]


def _stacked(text: Text, n: Value, name: str) -> None:
    axis = n.params["axis"]
    for i, x in enumerate(n.args):
        with text.loops(x.shape) as at:
            text.put(f"{text.target(name, n, [*at[:axis], '0', *at[axis:]], i * dense(n.shape)[axis])} = {text.read(x, at)};")


def _padded(text: Text, n: Value, name: str) -> None:
    x, value = n.args
    with text.loops(n.shape) as at:
        text.put(f"{text.target(name, n, at)} = {text.read(value, [])};")
    if not x.size:
        return
    places, tests = [], []
    with text.loops(x.shape) as at:
        for i, (low, high, inner), d in zip(at, n.params["padding_config"], n.shape):
            place = f"({i} * {inner + 1} + {low})" if inner else f"({i} + {low})" if low else i
            places.append(place)
            if low < 0 or high < 0:
                tests.append(f"{place} >= 0 && {place} < {d}")
        guard = f"if ({' && '.join(tests)}) " if tests else ""
        text.put(f"{guard}{text.target(name, n, places)} = {text.read(x, at)};")


def _dot(text: Text, n: Value, name: str) -> None:
    (left, right), ((lc, rc), (lb, rb)) = n.args, n.params["dimension_numbers"]
    free = [[k for k in range(len(x.shape)) if k not in (*c, *b)] for x, c, b in ((left, lc, lb), (right, rc, rb))]
    lengths, common = [left.shape[k] for k in lc], len(lb)

    def product(at: Sequence[str], r: Sequence[str]) -> str:
        of_left = dict(zip((*lb, *free[0], *lc), (*at[: common + len(free[0])], *r)))
        of_right = dict(zip((*rb, *free[1], *rc), (*at[:common], *at[common + len(free[0]) :], *r)))
        factors = [text.read(x, [of[k] for k in range(len(x.shape))]) for x, of in ((left, of_left), (right, of_right))]
        return _joined("prod", n.dtype, *factors)

    if len(lengths) == 1 and 0 < lengths[0] < _LANES:
        with text.loops(n.shape) as at:
            text.put(f"{text.target(name, n, at)} = {_short(n.dtype, [product(at, [str(r)]) for r in range(lengths[0])])};")
        return
    with text.loops(n.shape) as at, text.block():
        text.put(f"{C_TYPES[n.dtype]} a = {literal(0, n.dtype)};")
        with text.loops(lengths, "r") as r:
            if left.size and right.size:
                text.put(f"a = {_joined('sum', n.dtype, 'a', product(at, r))};")
        text.put(f"{text.target(name, n, at)} = a;")


def _convolved(text: Text, n: Value, name: str) -> None:
    (x, kernel), given = n.args, n.params
    numbers = given["dimension_numbers"]
    x_axes, k_axes, out_axes = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    if given["feature_group_count"] != 1 or given["batch_group_count"] != 1 or {*given["lhs_dilation"]} != {1}:
        raise ArgumentError(f"export: {n.op}: a grouped or transposed convolution has no form in C")
    with text.loops(n.shape) as at, text.block():
        text.put("float a = 0.0f;")
        with text.loops([kernel.shape[k] for k in k_axes[1:]], "r") as r:
            of_x, of_kernel = {x_axes[0]: at[out_axes[0]], x_axes[1]: r[0]}, {k_axes[0]: at[out_axes[1]], k_axes[1]: r[0]}
            tests, steps = [], zip(given["window_strides"], given["rhs_dilation"], given["padding"])
            for axis, (step, wide, (low, _)) in enumerate(steps, 2):
                place = f"({at[out_axes[axis]]} * {step} + {r[axis - 1]} * {wide} - {low})"
                of_kernel[k_axes[axis]], of_x[x_axes[axis]] = r[axis - 1], place
                tests.append(f"{place} >= 0 && {place} < {x.shape[x_axes[axis]]}")
            factors = [text.read(v, [of[k] for k in range(len(v.shape))]) for v, of in ((x, of_x), (kernel, of_kernel))]
            guard = f"if ({' && '.join(tests)}) " if tests else ""
            text.put(f"{guard}a += {' * '.join(factors)};")
        text.put(f"{text.target(name, n, at)} = a;")


def starts(text: Text, n: Value, given: Sequence[Value], shape: Sequence[int], sizes: Sequence[int]) -> list[str]:
    """Where a slice begins whose place is computed: always so that it is inside."""
    out = []
    for axis, (start, length, size) in enumerate(zip(given, shape, sizes)):
        if start.const is not None or length == size:
            known: Any = start.const
            out.append(str(min(max(int(known), 0), length - size)) if length > size else "0")
            continue
        out.append(f"d{n.number}_{axis}")
        text.put(f"const int {out[-1]} = {place(text, start, text.read(start, []), length - size)};")
    return out


def place(text: Text, asked: Value, at: str, most: int) -> str:
    """The element `at` of what is asked for, or the nearest place that is inside."""
    if text.ranges.inside(asked, most):
        return at if asked.dtype == "int32" else f"(int){at}"
    return f"dg_place{'_u' if asked.dtype == 'uint32' else ''}({at}, {most})"


def update(text: Text, n: Value, name: str, stays: bool = False) -> None:
    """Write a slice into an array, where it lies; `stays`: which is a state."""
    x, new = n.args[:2]
    first = starts(text, n, n.args[2:], x.shape, new.shape)
    with text.loops(new.shape) as at:
        strides = dense(x.shape)
        begin = index(first, strides)
        inside = index(at, strides)
        value = kept(n.dtype, text.read(new, at)) if stays else text.read(new, at)
        text.put(f"{f'{name}[{begin} + {inside}]' if n.size > 1 else name} = {value};")


def _updated(text: Text, n: Value, name: str) -> None:
    with text.loops(n.shape) as at:
        text.put(f"{text.target(name, n, at)} = {text.read(n.args[0], at)};")
    update(text, n, name)


_SCATTERED = {"scatter": "", "scatter-add": "sum", "scatter-mul": "prod", "scatter-min": "min", "scatter-max": "max"}


def _scattered(text: Text, n: Value, name: str) -> None:
    """Elements put, or added, at places that are computed; what is outside is left out, or put at the nearest."""
    (x, indices, updates), numbers, how = n.args, n.params["dimension_numbers"], _SCATTERED[n.prim]
    with text.loops(n.shape) as at:
        text.put(f"{text.target(name, n, at)} = {text.read(x, at)};")
    if not updates.size:
        return
    axes = range(len(x.shape))
    gone = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    with text.loops(updates.shape) as at, text.block():
        batch = [lane for axis, lane in enumerate(at) if axis not in numbers.update_window_dims]
        window = dict(zip([axis for axis in axes if axis not in gone], numbers.update_window_dims))
        places = [at[window[axis]] if axis in window else "0" for axis in axes]
        for axis, of_batch in zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims):
            places[axis] = batch[of_batch]
        tests = []
        for i, axis in enumerate(numbers.scatter_dims_to_operand_dims):
            asked = text.read(indices, [*batch, str(i)])
            most = x.shape[axis] - (updates.shape[window[axis]] if axis in window else 1)
            text.put(f"const int p{axis} = {place(text, indices, asked, most)};")
            tests.append(f"{asked} == ({C_TYPES[indices.dtype]})p{axis}")
            places[axis] = f"p{axis}" if places[axis] == "0" else f"({places[axis]} + p{axis})"
        target, new = text.target(name, n, places), text.read(updates, at)
        drops = f"if ({' && '.join(tests)}) " if tests and "FILL" in str(n.params["mode"]) else ""
        text.put(f"{drops}{target} = {_joined(how, n.dtype, target, new) if how else new};")


NESTS: dict[str, Callable[[Text, Value, str], None]] = {
    **{f"reduce_{how}": _reduced for how in ("sum", "max", "min", "prod", "and", "or")},
    **{f"cum{how}": _running for how in ("sum", "prod", "max", "min")},
    "argmax": _arg,
    "argmin": _arg,
    "concatenate": _concatenated,
    "stack": _stacked,
    "pad": _padded,
    "dot_general": _dot,
    "conv_general_dilated": _convolved,
    "dynamic_update_slice": _updated,
    **dict.fromkeys(_SCATTERED, _scattered),
}
