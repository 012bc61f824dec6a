"""Whole runs that are asked for again, for which all is found at once that they were run with before.

Short ones take little more than to be asked for.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from ..config import Current
from ..graph import Data, Input
from . import backend, samples
from .stage import Staged

_MOST = 4  # of one graph that are remembered


class Repeat(NamedTuple):
    """What a run was computed of and with.

    Attributes:
        settings: A weak reference to those that it is for.
        frames: How many.
        key: Of the compiled program.
        numbers: Of the graph, on the device.
        held: For each array a weak reference to it if it is a leaf's, if it is samples of an input its shape and theirs, else
            itself.
    """

    settings: weakref.ref[Current]
    frames: int
    key: tuple[Any, ...]
    numbers: Any
    held: tuple[Any, ...]


def remember(
    graph: Staged,
    asked: Any,
    inputs: Mapping[int, Any] | None,
    settings: Current,
    frames: int,
    key: tuple[Any, ...],
    arrays: Sequence[Any],
) -> None:
    """Keep what a run is computed of and with, for who asks for it again."""

    def of(leaf: Any, array: Any) -> Any:
        if isinstance(leaf, Input):
            return array.shape, samples.found(leaf, 0, inputs, settings["inputs"])[0].shape
        return weakref.ref(array) if isinstance(leaf, Data) else array

    if len(graph.runs) >= _MOST:
        graph.runs.clear()
    asked = asked if asked is None else int(asked)  # of NumPy it may be an array of no axis
    graph.runs[asked] = Repeat(weakref.ref(settings), frames, key, None, tuple(map(of, graph.arrays, arrays)))


def repeated(
    graph: Staged, asked: Any, inputs: Mapping[int, Any] | None, settings: Current
) -> tuple[tuple[Any, ...], Any, list[Any]] | None:
    """`(key, numbers, arrays)` of a run where nothing but samples of inputs is others than what was remembered; else None."""
    known = graph.runs.get(asked) if asked is None or type(asked) is int else None
    if known is None or known.settings() is not settings or backend.device(settings["backend"]) is not known.key[3]:
        return None
    arrays = []
    for leaf, held in zip(graph.arrays, known.held):
        kind = type(held)
        if kind is weakref.ref:
            array = leaf.array
            if array is not held():
                return None
        elif kind is tuple:
            session = settings["inputs"]
            if asked is None and samples.found(leaf, 0, inputs, session)[0].shape != held[1]:  # another number of frames
                return None
            array = samples.block(leaf, known.frames, 0, inputs, session, graph.program.latency)
            if array.shape != held[0]:
                return None
        else:
            array = held
        arrays.append(array)
    if known.numbers is None:  # which JAX takes faster from there
        known = graph.runs[asked] = known._replace(numbers=backend.concrete(jax.device_put(graph.numbers, known.key[3])))
    return known.key, known.numbers, arrays
