"""Programs some of whose values are as long as the run: what `collect` gives, and what is made of it."""

from __future__ import annotations

import functools as ft
from typing import Any

from ..errors import ArgumentError, DGenError, InputError
from ..graph import RUN, infer, pick
from ..ops import FRAMES, collected, laid_out
from .program import Line, Program

# Parameters that mean the same for any length. What else a shape has led to when the graph was built is not known any more.
_OF_ANY_LENGTH = {RUN, FRAMES, "axis", "axes", "shape", "subscripts", "stride", "padding", "mode"}


def sized(program: Program, frames: Any) -> Program:
    """The same for a run of so many frames.

    Raises an ArgumentError where fewer are run than are collected, or where a graph that was built for another length does what
    depends on it.
    """
    return _sized(program, frames) if program.takes_length else program


@ft.lru_cache(maxsize=1024)
def _sized(program: Program, frames: Any) -> Program:
    lines: list[Line] = []
    specs: list[Any] = list(program.leaves)
    for op, args, params in program.lines:
        given: dict[str, Any] = dict(params)
        if op is collected and isinstance(frames, int) and frames < given.get(FRAMES, 0):
            raise ArgumentError(f"collect: frames={given[FRAMES]}, but the run has {frames}")
        if op not in (laid_out, pick) and any(specs[a] != program.specs[a] for a in args):
            _check(op, params, [(program.specs[a], specs[a]) for a in args], frames)
        lines.append(Line(op, args, tuple([(k, frames if k == RUN else v) for k, v in params])))
        try:
            specs.append(infer(op, tuple([specs[a] for a in args]), lines[-1].params))
        except DGenError as e:
            raise type(e)(f"{e}; {_HINT.format(frames)}") from None
    return Program(program.numbers, program.leaves, tuple(lines), program.outputs)


_HINT = "the run has {} frames, and the graph was built for another number: say collect(frames=...)"


def _check(op: Any, params: Any, specs: list[tuple[Any, Any]], frames: Any) -> None:
    """Raise an ArgumentError where an op may mean something else, now that what it takes has another shape."""
    lengths = [n for was, now in specs if was != now for n in (*was.shape, *now.shape)]
    known = all(isinstance(n, int) for n in lengths)  # not symbolic
    if not _goes_with(op, params, min(lengths) if known else 0):
        raise ArgumentError(f"{op.__name__}: it depends on how long the run is; {_HINT.format(frames)}")


def _goes_with(op: Any, params: Any, least: int) -> bool:
    """Whether an op means the same whatever the shapes are, of which `least` is the shortest axis."""
    for name, value in params:
        if name == "index":  # what is out of range is only found where the graph is built
            parts = value if isinstance(value, tuple) else (value,)
            if any(isinstance(i, int) and not -least <= i < least for i in parts):
                return False
        elif name not in _OF_ANY_LENGTH:
            return False
    return op.__name__ != "gather"


def rows_laid(program: Program) -> list[int]:
    """How many frames each Tensor holds that is laid out as frames, of those whose length is not that of the run."""
    of_run: set[int] = set()
    for i, (op, args, params) in enumerate(program.lines, len(program.leaves)):
        if RUN in dict(params) or (op is not laid_out and not of_run.isdisjoint(args)):
            of_run.add(i)
    laid = [line for line in program.lines if line.op is laid_out and line.args[0] not in of_run]
    return [_held(program, line) for line in laid]


def collects(program: Program) -> int:
    """How many frames are collected at least, where that is said; 0 where it is not."""
    return max([dict(line.params).get(FRAMES, 0) for line in program.lines if line.op is collected], default=0)


def inside(program: Program, start: int, frames: int, beyond: int) -> None:
    """Raise an InputError where a Tensor that is laid out as frames ends before a block does; `beyond` may be missing."""
    if not program.takes_length:
        return
    program = sized(program, frames)
    least = min([_held(program, line) for line in program.lines if line.op is laid_out], default=start + frames)
    if start + frames > least + beyond:
        asked = f"frames {start} to {start + frames} were asked for"
        raise InputError(f"Signal.from_tensor: the Tensor holds {least} frames, but {asked}")


def _held(program: Program, line: Line) -> int:
    return program.specs[line.args[0]].shape[0] * dict(line.params)["hop"]
