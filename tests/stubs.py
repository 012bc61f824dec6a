"""Writes the stubs of all that is made of ops: `python tests/stubs.py`. They are held to the ops by test_types.py.

What an op takes is read from its function: an argument without a type, or of type Any, is a value; another has the type that
stands there. In arithmetic a value may be given as a list, as everywhere in NumPy; what a signal op takes for a number may not.
What an op gives is read from its cases: the first of `RULES` that all of them keep.
"""

import ast
import inspect
import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cases
import numpy as np
import references as ref

import dgenlazy as dg
from dgenlazy import sources
from dgenlazy.graph import Lists
from dgenlazy.methods import Methods
from dgenlazy.ops import Index, Spectrum

ROOT = Path(dg.__file__).parent

# What ops give.

TENSOR, SIGNAL, LANES = {"Tensor"}, {"Signal"}, {"SignalTensor"}
ANY = SIGNAL | LANES


def promoted(kinds: set[str]) -> set[str]:
    """As the operators: of the arguments' classes the one that varies more."""
    if LANES <= kinds:
        return LANES
    return TENSOR if not SIGNAL <= kinds else ANY if TENSOR <= kinds else SIGNAL


RULES: dict[str, Callable[[set[str]], set[str]]] = {
    "promoted": promoted,
    "remembers": lambda kinds: ANY if kinds <= TENSOR else promoted(kinds),
    "reduced": lambda kinds: TENSOR if kinds <= TENSOR else SIGNAL,
    "whole run": lambda kinds: TENSOR,
    "shaped": lambda kinds: TENSOR if kinds <= TENSOR else ANY,
    "signals": lambda kinds: ANY,
}


def kinds_of(x: Any) -> set[str]:
    if isinstance(x, (list, tuple)):
        return set().union(*map(kinds_of, x))
    if isinstance(x, cases.Lazy):
        return {type(x).__name__}
    return set(TENSOR) if isinstance(x, np.ndarray) and x.ndim else set()


def observed() -> dict[Any, list[tuple[set[str], Any]]]:
    """For each op what its cases are given, and what they give: as they are, and with Tensors for all that is drawn."""
    random, found = np.random.default_rng(0), {}
    for case in cases.TABLE:
        for as_they_are in (True, False):
            inputs = ref.over(case.inputs, lambda x, same=as_they_are: drawn(x if same else still(x), random))
            try:
                result = (case.call or case.op)(*inputs, **case.params)
            except dg.DGenError:  # it does not take Tensors
                assert not as_they_are
                continue
            found.setdefault(case.op, []).append((kinds_of(list(inputs)), result))
    return found


def still(x: Any) -> Any:
    return replace(x, kind="Tensor") if isinstance(x, cases.Drawn) else x


def drawn(x: Any, random: Any) -> Any:
    return x.draw(random) if isinstance(x, cases.Drawn) else x


OBSERVED = observed()


def returned(op: Any) -> Any:
    """The annotation of what a composite returns."""
    return typing.get_type_hints(inspect.unwrap(op)).get("return") if inspect.isfunction(op) else None


def rule_of(*ops: Any) -> str:
    """Which of `RULES` the cases of ops keep that are one and the same; "several" if they give a tuple of signals."""
    seen = [(given, result) for op in ops for given, result in OBSERVED[op]]
    if all(isinstance(result, tuple) for _, result in seen):
        return "several"
    if ... in typing.get_args(returned(ops[0])):
        return "signals"
    for name, rule in RULES.items():
        if all(kinds_of(result) <= rule(given) for given, result in seen):
            return name
    raise TypeError(f"{ops}: none of the rules fits {[(given, kinds_of(result)) for given, result in seen]}")


# What ops take.


ARITHMETIC = ("math", "comparison", "tensor", "index", "loss", "methods")  # the modules of it


class Argument(NamedTuple):
    """`kind` is "value", "lists" or "values" of what may be lazy, or "fixed"; then `type` is written as it stands."""

    parameter: inspect.Parameter
    kind: str
    type: str = ""

    def typed(self, lazy: str) -> str:
        """With the type of a lazy argument, as `name: type = default`."""
        p = self.parameter
        lists = f"{lazy} | Nested" if lazy in ("Fixed", "Operand") else lazy
        text = {"value": lazy, "lists": lists, "values": f"Sequence[{lazy}]", "fixed": self.type}[self.kind]
        optional = self.kind != "fixed" and p.default is None
        stars = "*" if p.kind is p.VAR_POSITIONAL else ""
        shown = "..." if p.default in (np.inf, -np.inf) else repr(p.default)
        default = "" if p.default is p.empty or lazy == "AnySignal" else f" = {shown}"
        return f"{stars}{p.name}: {text}{' | None' * optional}{default}"


def written(hint: Any) -> str:
    """A type as it is written in a stub."""
    if hint == Index:
        return "Index"
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is types.NoneType:
        return "None"
    if hint is ... or hint is types.EllipsisType:
        return "..." if hint is ... else "EllipsisType"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(written, inside))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, inside))}]"
    if isinstance(hint, list):
        return f"[{', '.join(map(written, hint))}]"
    name = getattr(origin or hint, "__name__", str(hint))
    module = getattr(origin or hint, "__module__", "")
    name = f"np.{name}" if module == "numpy" else name
    return f"{name}[{', '.join(map(written, inside))}]" if inside else name


def arguments(op: Any) -> list[Argument]:
    fn = getattr(op, "fn", inspect.unwrap(op))
    hints = typing.get_type_hints(fn, include_extras=True)
    static = getattr(op, "static", None)
    value = "lists" if fn.__module__.rpartition(".")[2] in ARITHMETIC else "value"
    out = []
    for p in inspect.signature(op).parameters.values():
        hint = hints.get(p.name, Any)
        if hint == Lists:
            out.append(Argument(p, "lists"))
        elif hint == Sequence[Any]:
            out.append(Argument(p, "values"))
        elif hint is not Any:
            out.append(Argument(p, "fixed", written(hint)))
        elif static is None or p.name not in static:
            out.append(Argument(p, value))
        elif p.default in (p.empty, None):
            raise TypeError(f"{op}: give the argument {p.name} a type, where it is defined")
        else:
            out.append(Argument(p, "fixed", type(p.default).__name__))
    return out


# Signatures: what is taken in one case, and what is given.

SOURCES = [x for x in vars(sources).values() if inspect.isfunction(x)]  # all that they are given may be numbers


def forms(rule: str, operands: int, method: bool) -> list[tuple[str, str, str]]:
    """Overloads: the type of the first argument ("" for `self` of any class), of other values, and of the result."""
    anything = "" if method else "Operand" if operands else "Lazy"
    fixed, number = ("Fixed", "Scalar | Signal") if operands and not method else ("Tensor", "Signal")
    if not operands and rule == "promoted":
        return [("", "", "Self")] if method else [("V", "", "V")]
    tensors, rest = (fixed, "Fixed", "Tensor"), (anything, "Operand", "AnySignal")
    signals = [
        ("AnySignal", "Operand", "AnySignal"),
        *([(number, "AnySignal", "AnySignal")] if operands == 1 else []),
        (number, "Scalar | Signal", "Signal"),
        ("SignalTensor", "Operand", "SignalTensor"),
    ]
    return {
        "promoted": [tensors, *signals, rest],
        "remembers": [*signals, rest],
        "reduced": [tensors, (anything, "Operand", "Signal")],
        "whole run": [(anything, "Operand", "Tensor")],
        "shaped": [tensors, rest],
        "signals": [rest],
        "several": [(anything, "Operand", "tuple[AnySignal, ...]")],
    }[rule]


def signatures(name: str, op: Any, method: bool) -> str:
    """A function or a method of a stub, with all its overloads."""
    own, *others = arguments(op)
    axis = next((a for a in others if a.parameter.name == "axis" and a.parameter.default is None), None)
    second = any(a.parameter.name == "y" for a in others)

    hint = returned(op)
    kinds = typing.get_args(hint)
    several = "tuple[{0}, ...]" if ... in kinds else f"tuple[{', '.join(['{0}'] * len(kinds))}]"
    whole = "Spectrum" if hint is Spectrum else several if typing.get_origin(hint) is tuple else "{0}"

    def line(first: str, lazy: str, result: str, **change: str) -> str:
        shown = [(f"self: {first}" if first else "self") if method else own.typed(first)]
        for a in others:
            if a.parameter.kind is a.parameter.KEYWORD_ONLY and not any(text.startswith("*") for text in shown):
                shown.append("*")
            shown.append(change.get(a.parameter.name, a.typed(lazy)))
        return f"def {name}({', '.join(shown)}) -> {whole.format(result)}"

    if axis:  # of one value along axes; of two, if it takes them, element by element
        lines, no = [], {"y": "y: None = None"} if second else {}
        for first, lazy, result in forms("promoted", 1, method) if second else ():
            lines.append(line(first, lazy, result, y=f"y: {lazy}", axis="axis: None = None"))
        lines.append(line("Tensor", "", "Tensor", **no))
        lines.append(line("Signal | SignalTensor", "", "Signal", **no, axis="axis: None = None"))
        along = axis.type.removesuffix(" | None")
        lines.append(line("Signal | SignalTensor", "", "AnySignal", **no, axis=f"{'*, ' * second}axis: {along}"))
    else:
        other = getattr(Methods, f"__{name[3:]}", op) if name.startswith("__r") else vars(dg).get(name, op)
        operands = sum(a.kind != "fixed" for a in others) + (own.kind == "values") + 2 * (op in SOURCES)
        lines = [line(*form) for form in forms(rule_of(op, other), operands, method)]
    decorator = "@overload\n" if len(lines) > 1 else ""
    # Editors find the docstring of a function in its source, that of a bound op only here; of overloads the first has it.
    doc = inspect.getdoc(op) if method and not name.startswith("__") else None
    ends = [f":\n{textwrap.indent(quoted(doc), '    ')}" if doc else ": ...", *[": ..."] * (len(lines) - 1)]
    return "\n".join(f"{decorator}{text}{end}" for text, end in zip(lines, ends))


def quoted(doc: str) -> str:
    end = "\n" * ("\n" in doc)
    return f'{"r" * (chr(92) in doc)}"""{doc}{end}"""'


# The files.

MADE = """# Made by `python tests/stubs.py`; what is changed here is lost.
# pyright: reportOverlappingOverload=false, reportGeneralTypeIssues=false, reportIncompatibleMethodOverride=false
"""

METHODS = '''
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Literal, Self, overload

import numpy as np
from numpy import ndarray

from .config import Array, Nested, Scalar
from .graph import Value
from .lazy import Lazy
from .ops import Index, Spectrum
from .values import Signal, SignalTensor, Tensor

Fixed = Array | Tensor
Operand = Array | Lazy

class AnySignal(Signal, SignalTensor):
    """A Signal or a SignalTensor: which of the two follows from shapes. For type checkers only, no class of its own."""

class Methods(Value):
    __array_ufunc__: None

    def __hash__(self) -> int: ...
    @overload
    def __iter__(self: Tensor) -> Iterator[Tensor]: ...
    @overload
    def __iter__(self: Signal | SignalTensor) -> Iterator[AnySignal]: ...
'''

FUNCTIONS = """
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, overload

from .config import Nested, Scalar
from .lazy import Lazy
from .methods import AnySignal, Fixed, Operand
"""


def methods() -> str:
    """The stub of `Methods`."""
    skipped = {"__iter__", "__array_ufunc__", "__hash__"}
    ops = {name: op for name, op in vars(Methods).items() if callable(op) and name not in skipped}
    texts = [signatures(name, op, True) for name, op in ops.items()]
    return MADE + METHODS + "".join(f"{textwrap.indent(text, '    ')}\n" for text in texts)


def functions() -> str:
    """The stub of the package: what it imports, less the ops, and their signatures."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    ops = {name: x for name, x in vars(dg).items() if isinstance(x, Hashable) and x in OBSERVED and x is not dg.feedback}
    imports = []
    for node in (n for n in tree.body if isinstance(n, ast.ImportFrom)):
        node.names = [alias for alias in node.names if alias.name not in ops]
        imports += [ast.unparse(node)] if node.names else []
    names = next(ast.unparse(n) for n in tree.body if isinstance(n, ast.Assign))
    texts = [signatures(name, op, False) for name, op in ops.items()]
    return "\n".join(
        [MADE + FUNCTIONS, *imports, 'V = TypeVar("V", bound=Lazy)', *texts, names, "def __dir__() -> list[str]: ..."]
    )


def made() -> dict[Path, str]:
    """The text of every stub."""
    out = {}
    for path, text in ((ROOT / "methods.pyi", methods()), (ROOT / "__init__.pyi", functions())):
        for command in (["check", "--select=I,F401", "--fix", "-q"], ["format", "-q"]):
            ruff = [sys.executable, "-m", "ruff", *command, f"--stdin-filename={path}", "-"]
            text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT.parent).stdout
        out[path] = text
    return out


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text)
