"""A graph's step as one C99 file: the struct, its functions and tables, and what is said above them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError
from ...graph import Data
from ...version import __version__
from . import library
from .chains import shorten
from .expressions import C_TYPES, literal
from .loops import Order, emit
from .step import Step
from .text import Text, array, index, is_prepared
from .value import FRAME, Value
from .views import dense

_RESERVED = set(
    (
        "auto break case char const continue default do double else enum extern float for goto if inline int long register "
        "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while and and_eq asm "
        "bitand bitor bool catch class compl const_cast constexpr delete dynamic_cast explicit export false friend mutable "
        "namespace new not not_eq nullptr operator or or_eq private protected public reinterpret_cast static_assert "
        "static_cast template this throw true try typeid typename using virtual wchar_t xor xor_eq alignas alignof char16_t "
        "char32_t decltype noexcept thread_local seed self in out frames n"
    ).split()
)


_BUFFERS = "const float *const *in, float *const *out"


class Field(NamedTuple):
    """One member of the struct, for who reads it from outside."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class CFile(NamedTuple):
    """A file, and what stands in its struct.

    Attributes:
        text: Of the file.
        fields: All members, in order.
        states: Which of them are the state: all that goes on from frame to frame but their count.
        places: Of those that say where something is: the least and the largest that they can be, which nothing tests again.
    """

    text: str
    fields: list[Field]
    states: list[str]
    places: dict[str, tuple[int, int]]


def identifier(what: str, name: Any) -> str:
    """`name`, if C takes it for one."""
    fit = isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
    if not fit or name in _RESERVED or name.startswith("dg_"):
        raise ArgumentError(f"export: {what} {name!r} is no identifier of C, or one that is taken")
    return name


def written(step: Step, name: str, seed: int, units: Mapping[str, str], math: str) -> CFile:
    """The file of a step."""
    shorten(step)
    order = Order(step)
    text = Text(name, step.channels, order.ranges)
    first = [v.seen()[0] for v in step.start]
    read = {a.seen()[0] for task in order.frame if isinstance(task, Value) for a in task.args}
    read |= {v.seen()[0] for v in (*step.outputs, *step.after)} | set(first)
    text.prepared = read.intersection(order.prepared)
    text.leaving = {v.seen()[0] for v in step.outputs if v.seen()[0].level == FRAME}
    emit(text, order, order.prepared)
    prepare = text.taken()
    reset = _reset(text, step)
    text.local_states = {i for i in order.written - step.kept.keys() if step.state[i].size == 1}
    process = _process(text, order, step)
    fields = [Field(n, "float32", leaf.spec.shape) for n, leaf in step.params.items()]
    fields.append(Field("seed", "uint32", ()))
    sized = {v: (v.size,) if v.size > 1 else () for v in step.made.values}
    held = sorted(text.fields, key=lambda v: v.number)
    fields += [Field(text.fields[v], v.dtype, sized[v]) for v in held if is_prepared(v)]
    states = [Field(f"dg_s{i}", v.dtype, sized[v]) for i, v in enumerate(step.state) if v.size]
    fields += states
    fields += [Field(text.fields[v], v.dtype, sized[v]) for v in held if not is_prepared(v)]
    fields.append(Field("dg_frame", "uint32", ()))
    fields += [Field("dg_rate", "int32", ())] if text.rated else []
    body = "\n".join(
        [
            *_struct(name, step, fields),
            *_parameters(name, step, units),
            *[_table(v, table) for v, table in text.tables.items()],
            *[_rated(v, table) for v, table in text.rated.items()],
            "",
            *_function(f"void {name}_prepare({name}_t *self)", ["    (void)self;", *prepare]),
            *_function(f"void {name}_reset({name}_t *self)", reset),
            *_function(f"int {name}_init({name}_t *self, double sample_rate)", _init(name, step, bool(text.rated), seed)),
            *_function(
                f"void {name}_process({name}_t *DG_RESTRICT self, const float *const *in, float *const *out, int frames)",
                process,
            ),
        ]
    )
    head = [
        _about(name, step.made.rates, math),
        library.HEAD,
        library.used(body, math),
        '\n#ifdef __cplusplus\nextern "C" {\n#endif\n',
    ]
    return CFile(
        "\n".join([*head, body, "#ifdef __cplusplus\n}\n#endif\n"]), fields, [f.name for f in states], _places(order, step)
    )


def _places(order: Order, step: Step) -> dict[str, tuple[int, int]]:
    return {f"dg_s{i}": order.ranges.of(v) for i, v in enumerate(step.state) if v.dtype == "int32" and v.size}


def _reset(text: Text, step: Step) -> list[str]:
    for i, value in enumerate(step.start):
        if value.size:
            with text.loops(value.shape) as at:
                text.put(f"{text.target(f'self->dg_s{i}', value, at)} = {text.read(value, at)};")
    text.put("self->dg_frame = 0u;")
    return text.taken()


def _process(text: Text, order: Order, step: Step) -> list[str]:
    local = sorted(text.local_states)
    text.indent = 2
    emit(text, order, order.frame)
    first = 0
    for output in step.outputs:
        if output.size:
            with text.loops(output.shape) as at:
                text.put(f"out[{index(at, dense(output.shape), first)}][n] = {_float(output, text.read(output, at))};")
        first += output.size
    body = text.taken()
    text.indent = 1
    counts = any(re.search(r"\bframe\b", line) for line in body)
    return [
        "    DG_FLUSH",
        *[f"    {C_TYPES[step.state[i].dtype]} s{i} = self->dg_s{i};" for i in local],
        "    (void)in;",
        "    (void)out;",
        "    for (int n = 0; n < frames; n++) {",
        *(["        const uint32_t frame = self->dg_frame + (uint32_t)n;"] if counts else []),
        *body,
        "    }",
        *[f"    self->dg_s{i} = s{i};" for i in local],
        "    self->dg_frame += (uint32_t)frames;",
        "    DG_RESTORE",
    ]


def _float(v: Value, element: str) -> str:
    return element if v.dtype == "float32" else f"(float)({element})"


def _init(name: str, step: Step, several: bool, seed: int) -> list[str]:
    rates = step.made.rates
    lines = [f"    if ({' && '.join(f'sample_rate != {rate!r}' for rate in rates)}) return 1;", f"    self->seed = {seed}u;"]
    if several:
        chosen = " : ".join([f"sample_rate == {rate!r} ? {i}" for i, rate in enumerate(rates[:-1])])
        lines.append(f"    self->dg_rate = {chosen} : {len(rates) - 1};")
    for given, leaf in step.params.items():
        size = int(np.prod(leaf.spec.shape))
        if leaf.spec.shape == ():
            lines.append(f"    self->{given} = {name}_d_{given}[0];")
        elif size:
            lines.append(f"    for (int i = 0; i < {size}; i++) self->{given}[i] = {name}_d_{given}[i];")
    return [*lines, f"    {name}_prepare(self);", f"    {name}_reset(self);", "    return 0;"]


def _struct(name: str, step: Step, fields: Sequence[Field]) -> list[str]:
    inputs = sum(int(np.prod(shape)) for shape, _ in step.channels.values())
    outputs = sum(v.size for v in step.outputs)
    length = {f.name: int(np.prod(f.shape)) for f in fields}
    named = [f"    float {n}{f'[{length[n]}]' if leaf.spec.shape else ''};" for n, leaf in step.params.items() if length[n]]
    return [
        f"enum {{ {name}_inputs = {inputs}, {name}_outputs = {outputs}, {name}_latency = {step.program.latency}, "
        f"{name}_parameter_count = {len(step.params)} }};",
        "",
        f"typedef struct {name}_t {{",
        *(["    /* parameters: call prepare after you changed some */"] if named else []),
        *named,
        "    uint32_t seed; /* of noises that were made without one: also a parameter */",
        "    /* all else is its own */",
        *[f"    {array(f.dtype, f.name, length[f.name])}" for f in fields[len(step.params) + 1 :]],
        f"}} {name}_t;",
        "",
    ]


def _parameters(name: str, step: Step, units: Mapping[str, str]) -> list[str]:
    """A table of the parameters, ended by one without a name."""
    lines, rows = [], []
    for given, leaf in step.params.items():
        data = np.asarray(leaf.array, np.float32).ravel()
        if data.size:
            lines.append(f"static const float {name}_d_{given}[{data.size}] = {{{_list(data, 'float32')}}};")
        place, first = (f"offsetof({name}_t, {given})", f"{name}_d_{given}") if data.size else ("0", "NULL")
        low, high = (literal(np.float32(x), "float32") for x in (leaf.low, leaf.high))
        rows.append(f'    {{"{given}", {place}, {data.size}, {low}, {high}, {first}, {_quoted(units.get(given, ""))}}},')
    kind = f"{name}_parameter_t"
    return [
        f"typedef struct {kind} {{",
        "    const char *name;",
        "    size_t offset; /* in the struct, in bytes */",
        "    int length;",
        "    float min, max;",
        "    const float *initial;",
        "    const char *unit;",
        f"}} {kind};",
        "",
        *lines,
        f"extern const {kind} {name}_parameters[];",
        f"const {kind} {name}_parameters[] = {{",
        *rows,
        "    {NULL, 0, 0, 0.0f, 0.0f, NULL, NULL},",
        "};",
        "",
    ]


def _table(v: Value, name: str) -> str:
    return f"static const {C_TYPES[v.dtype]} {name}[{v.size}] = {{{_list(v.const.ravel(), v.dtype)}}};"


def _rated(v: Value, name: str) -> str:
    """What an array is at each of the rates."""
    size = f"[{v.size}]" if v.size > 1 else ""
    rows = [_list(x.ravel(), v.dtype) for x in v.rated]
    held = ", ".join([f"{{{row}}}" if size else row for row in rows])
    return f"static const {C_TYPES[v.dtype]} {name}[{len(rows)}]{size} = {{{held}}};"


def _list(x: Any, dtype: str) -> str:
    texts = [literal(e, dtype) for e in x]
    rows = [", ".join(texts[i : i + 10]) for i in range(0, len(texts), 10)]
    return rows[0] if len(rows) == 1 else "\n    " + ",\n    ".join(rows) + "\n"


def _quoted(x: str) -> str:
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else " " for c in x) + '"'


def _function(head: str, body: Sequence[str]) -> list[str]:
    return [f"{head} {{", *body, "}", ""]


def _about(name: str, rates: Sequence[float], math: str) -> str:
    beside = " and the functions below" if math == "inline" else ""
    every = " or ".join(f"{rate:.9g}" for rate in rates)
    return f"""\
/*
 * {name}: a graph as C99 (or C++), for {every} Hz, written by export of dgenlazy {__version__}.
 * The file is yours: it is under the licence that you give it.
 *
 * Compile:  cc -std=c99 -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off -c {name}.c    (never with -ffast-math)
 *
 *     {name}_t self;                                      anywhere: it holds all that there is, nothing is allocated
 *     if ({name}_init(&self, {rates[0]:.9g})) ...                  not 0 where the file is not for this rate
 *     {name}_process(&self, in, out, frames);             planar channels, any number of frames; in and out may be the same
 *     {name}_prepare(&self);                              after fields of parameters were changed
 *     {name}_reset(&self);                                from frame 0 again
 *
 * No function takes a lock, allocates, or calls more than math.h{beside}.
 */
"""


def parameters(params: Mapping[str, Data]) -> None:
    """Raise an ArgumentError unless all names are identifiers of C."""
    for name in params:
        identifier("params:", name)
