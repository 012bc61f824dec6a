"""Fourier transforms of real numbers, and the complex numbers between them as pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .text import Text
from .value import Value

KINDS = ("fft", "complex")


@dataclass(eq=False)
class Pair:
    """A complex array: its real and imaginary parts."""

    re: Value
    im: Value
    dtype: str = "complex64"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.re.shape


def lowered(made: Any, name: str, eqn: Any, args: Sequence[Any]) -> Any:
    """The value of an instruction on complex numbers."""
    shape = tuple(eqn.outvars[0].aval.shape)
    if name == "fft":
        return _transformed(made, eqn.params, args[0], shape)
    if name == "complex":
        return Pair(*[made.spread(v, shape) for v in args])
    x = args[0]
    if name in ("real", "imag"):
        return x.re if name == "real" else x.im
    if name == "conj" and isinstance(x, Pair):
        return Pair(x.re, _negative(made, x.im))
    if name == "neg":
        return Pair(_negative(made, x.re), _negative(made, x.im))
    if name in ("add", "sub") and all(isinstance(v, Pair) for v in args):
        a, b = args
        re, im = ([made.spread(v, shape) for v in pair] for pair in ((a.re, b.re), (a.im, b.im)))
        return Pair(*[made.made(name, {}, tuple(v), shape, "float32") for v in (re, im)])
    if name in ("reshape", "transpose", "squeeze", "expand_dims", "slice", "rev", "broadcast_in_dim"):
        return Pair(*[made.look(name, v, eqn.params, shape) for v in (x.re, x.im)])
    if name == "pad":
        parts = [(x.re, args[1].re), (x.im, args[1].im)]
        same = x.shape == shape
        return x if same else Pair(*[made.made("pad", eqn.params, pair, shape, "float32") for pair in parts])
    if name == "convert_element_type" and isinstance(x, Pair):
        return x
    if name == "convert_element_type" and x.known:
        return made.constants([np.asarray(v, np.complex64) for v in x.rated or (x.const,)])
    if name == "convert_element_type" and x.dtype == "float32":
        return Pair(x, made.constant(np.zeros(shape, np.float32)))
    raise made.unsupported(f"{name} of complex numbers")


def _negative(made: Any, v: Value) -> Value:
    if v.known:
        return made.constants([-x for x in v.rated or (v.const,)])
    return made.made("neg", {}, (v,), v.shape, v.dtype)


def _transformed(made: Any, params: Any, x: Any, shape: tuple[int, ...]) -> Any:
    kind, lengths = str(params["fft_type"]).rsplit(".", 1)[-1].upper(), params["fft_lengths"]
    if len(lengths) != 1 or kind not in ("RFFT", "IRFFT", "2", "3"):
        raise made.unsupported(f"fft ({kind}, over {len(lengths)} axes)")
    size, forward = int(lengths[0]), isinstance(x, Value)
    given = (x,) if isinstance(x, Value) else (x.re, x.im)
    if all(v.known for v in given):
        return _known(made, given, size, forward)
    table, room = made.constant(turns(size)), made.new((5 * size,), "float32")
    node = made.new((), "int32", prim="fft", args=given, params={"size": size, "table": table, "room": room})
    parts = [made.new(shape, "float32", prim="part", args=(node,)) for _ in range(2 if forward else 1)]
    node.params["parts"] = parts
    made.placed(node, parts)
    return Pair(*parts) if forward else parts[0]


def turns(size: int) -> np.ndarray:
    """The table that a transform is computed with."""
    turn: Any = np.exp(-2j * np.pi * np.arange(size) / size)
    return np.stack([turn.real, turn.imag], axis=-1).astype(np.float32)


def _known(made: Any, given: Sequence[Value], size: int, forward: bool) -> Any:
    several = range(len(made.rates) if any(v.rated for v in given) else 1)
    if forward:
        out = [np.fft.rfft(given[0].at(r)) for r in several]
        return Pair(*[made.constants([part(y).astype(np.float32) for y in out]) for part in (np.real, np.imag)])
    out = [np.fft.irfft(given[0].at(r) + 1j * given[1].at(r), size) for r in several]
    return made.constants([y.astype(np.float32) for y in out])


def written(text: Text, n: Value) -> None:
    """The transforms of all rows."""
    size, parts = n.params["size"], n.params["parts"]
    forward = len(parts) == 2
    own = n.params["room"]
    room = f"self->{text.field(own, f'dg_t{own.number}')}"
    table = text.table(n.params["table"])
    for part in parts:
        text.names[part] = text.declared(part)
    outside, inside = ([3 * size, 4 * size], [0]) if forward else ([0], [3 * size, 4 * size])
    *lanes, count = n.args[0].shape
    with text.loops(lanes) as at, text.block():
        with text.block(f"for (int k = 0; k < {count}; k++)"):
            for x, first in zip(n.args, inside):
                text.put(f"{room}[k + {first}] = {text.read(x, [*at, 'k'])};")
        text.put(f"dg_{'r' if forward else 'ir'}fft({size}, {table}, {room});")
        with text.block(f"for (int k = 0; k < {parts[0].shape[-1]}; k++)"):
            for part, first in zip(parts, outside):
                text.put(f"{text.target(text.names[part], part, [*at, 'k'])} = {room}[k + {first}];")
