"""What is shipped as C: outputs, parameters and names checked, the graph lowered, and the file that it becomes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...config import real_number
from ...errors import ArgumentError, DGenError
from ...graph import Data, with_float64
from ..function import Function, function
from .file import CFile, identifier, written
from .step import Step

MATH = ("inline", "libm")

_FREQUENCY = re.compile(r"(freqs?|frequenc(y|ies)|cutoffs?|hz|(^|_)f0)_?\d*$", re.IGNORECASE)
_RATIOS = set("db bit bits cent cents ct semitone semitones st oct octave octaves note notes midi".split())


class Output(NamedTuple):
    """One of the outputs: its name, the shape of a frame, and whether it has frames."""

    name: str
    shape: tuple[int, ...]
    frames: bool


class Source(NamedTuple):
    """A graph as C.

    Attributes:
        file: The text, and what is in its struct.
        step: What it was made of.
        name: What its functions begin with.
        kind: What the outputs are in: "value", "dict", "list" or "tuple".
        outputs: In the order of the channels.
        rates: The sample rates that it is for.
        units: Of parameters, by their names.
    """

    file: CFile
    step: Step
    name: str
    kind: str
    outputs: list[Output]
    rates: tuple[float, ...]
    units: dict[str, str]

    @property
    def rate(self) -> float:
        """The first of the rates."""
        return self.rates[0]


def source(
    outputs: Any,
    params: Mapping[str, Any] | None,
    name: str,
    units: Mapping[str, str] | None = None,
    math: str = "inline",
    sample_rates: Sequence[float] | None = None,
) -> Source:
    """The C of a graph, at the settings of now.

    Raises:
        ArgumentError: a name is no identifier of C, an argument is not as `dg.export` says, or an op has no form in C.
    """
    kind, names, values = _listed(outputs)
    identifier("name", name)
    params = {} if params is None else params
    if not isinstance(params, Mapping):
        raise ArgumentError(f"export: params={params!r} is not a mapping from name to leaf")
    for given in params:
        identifier("params:", given)
    units = _units(units, params)
    if math not in MATH:
        raise ArgumentError(f"export: math={math!r} is not one of {', '.join(MATH)}")
    with named("export"):
        fn: Function = function(values, dict(params))
    if any(isinstance(x, Data) and x.batched for x in fn.graph.arrays):
        raise ArgumentError("export: a leaf of the graph is batched; a file holds the graph of one example")
    rates = _rates(sample_rates, fn.settings.sample_rate)
    with with_float64(False):  # C has no numbers of 64 bits, which users may have switched on
        step = Step(fn.graph, fn.settings, {given: leaf.node for given, leaf in params.items()}, rates)
        file = written(step, name, fn.settings.seed, units, math)
    shapes = [Output(n, s.shape, s.signal or s.varies) for n, s in zip(names, fn.graph.program.output_specs)]
    return Source(file, step, name, kind, shapes, rates, units)


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Let the errors of `export` and `function` begin with the name of what was called."""
    try:
        yield
    except DGenError as e:
        inner, _, fact = str(e).partition(": ")
        if inner == name or inner not in ("export", "function"):
            raise
        raise type(e)(f"{name}: {fact}") from e.__cause__


def layout(made: Source) -> np.dtype:
    """The struct for NumPy; C keeps truth values in 32 bits."""
    return np.dtype([(f.name, "int32" if f.dtype == "bool" else f.dtype, f.shape) for f in made.file.fields], align=True)


def by_octaves(name: str, unit: str, low: float, high: float) -> bool:
    """Whether people move a parameter by ratios, and not by differences.

    So they do with what is in Hz or kHz; without a unit, with what a name like `cutoff` or `lfo_freq` says is a frequency (one
    up to 1 is a share of the rate); and with all whose bounds are above 0 and a hundred times apart, such as times, unless the
    unit counts ratios itself, as dB do.
    """
    low, high, unit = float(low), float(high), unit.strip().lower()
    if not 0 <= low < high < np.inf:
        return False
    named = not unit and high > 1 and _FREQUENCY.search(name) is not None
    return unit in ("hz", "khz") or named or (low > 0 and high >= 100 * low and unit not in _RATIOS)


def name_of(stem: str) -> str:
    """The name of a file as an identifier, as far as it can be one."""
    return re.sub(r"\W", "_", stem, flags=re.ASCII)


def _listed(outputs: Any) -> tuple[str, list[str], list[Any]]:
    """What the outputs are in, their names, and they themselves in the order given."""
    kind = {dict: "dict", list: "list", tuple: "tuple"}.get(type(outputs), "value")
    if kind == "value":
        return kind, ["output"], [outputs]
    values = list(outputs.values() if kind == "dict" else outputs)
    if any(isinstance(x, (dict, list, tuple)) for x in values):
        raise ArgumentError("export: outputs are a value, or a dict, list or tuple of values, and nothing deeper")
    names = [str(n) for n in (outputs if kind == "dict" else range(len(values)))]
    if len({*names}) < len(names):
        raise ArgumentError("export: outputs: two names read the same")
    return kind, names, values


def _units(units: Any, params: Mapping[str, Any]) -> dict[str, str]:
    units = {} if units is None else units
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        raise ArgumentError(f"export: units={units!r} is not a mapping from the name of a parameter to text")
    for name in units:
        if name not in params:
            raise ArgumentError(f"export: units: {name!r} is none of {', '.join(params) or 'no params'}")
    return dict(units)


def _rates(given: Any, now: float) -> tuple[float, ...]:
    if given is None:
        return (float(now),)
    if isinstance(given, (str, Mapping)) or not isinstance(given, (Sequence, np.ndarray)) or not len(given):
        raise ArgumentError(f"export: sample_rates={given!r} is not a list of rates in Hz")
    rates = [_number(rate) for rate in given]
    return tuple(dict.fromkeys(rates))


def _number(given: Any) -> float:
    real_number("export: sample_rates", given)
    rate = float(given)
    if not rate > 0:
        raise ArgumentError(f"export: sample_rates: {rate} Hz is not above 0 Hz")
    return rate
