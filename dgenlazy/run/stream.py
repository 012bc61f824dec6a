"""Values that are run block by block: where they have got to, and that as plain arrays, to go on from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, final

import jax
import numpy as np

from ..config import seed_number, whole_number
from ..errors import ArgumentError, InputError, ShapeError
from ..graph import Context, Recurrence, Seed
from .program import Program
from .stage import initial_state


@final
class Stream:
    """A value, or a group of them, that is run block by block, and where it has got to.

    Attributes:
        graph: What `runtime.staged` made of them, kept because a host has little time for a block.
        state: Of its recurrences; None before the first block.
        position: The number of the next frame.
        where: The device that the state is on, if it is on one.
        batch: How many examples the state is of; None outside of batches, where it has no batch axis.
        numbers: Of its unseeded noises, where a snapshot brought others than they were made with.
    """

    def __init__(self, graph: Any):
        self.graph: Any = graph
        self.reset()

    def reset(self) -> None:
        self.numbers: dict[Seed, int] = {}
        self.go_to(None, 0)

    def go_to(self, state: Any, position: int, where: Any = None, batch: int | None = None) -> None:
        self.state, self.position, self.where, self.batch = state, position, where, batch

    def takes(self, batch: int | None) -> None:
        """Raise an InputError unless a block of so many examples can go on from where it is."""
        if batch != self.batch and self.state is not None:
            was, new = (f"a batch of {n}" if n is not None else "no batch" for n in (self.batch, batch))
            raise InputError(f"realize: the stream is of {was}, at frame {self.position}; this block has {new}; reset() it")

    def saved(self) -> dict[str, np.ndarray]:
        """A copy of the state, by names that any file takes. Of one that has not begun there is none."""
        program = self.graph.program
        arrays = {name: np.array(x) for name, x in zip(_names(program, self.state), jax.tree.leaves(self.state))}
        if self.batch is not None:
            arrays["batch"] = np.array(self.batch, np.int64)
        for name, leaf in _noises(self.graph).items():
            arrays[name] = np.array(self.numbers.get(leaf, leaf.number), np.int64)
        return {"position": np.array(self.position, np.int64), "program": np.array(str(program)), **arrays}

    def load(self, snapshot: Mapping[str, Any]) -> None:
        """Go to where `saved` was called, if that was for an equal program."""
        state, position, batch, self.numbers = _restored(self.graph, snapshot)
        self.go_to(state, position, None, batch)


def _noises(graph: Any) -> dict[str, Seed]:
    """Those made without a seed, by names in the order of the program."""
    unseeded = [leaf for leaf in graph.arrays if isinstance(leaf, Seed) and leaf.seed is None]
    return {f"noise.{i}": leaf for i, leaf in enumerate(unseeded)}


def _restored(graph: Any, snapshot: Mapping[str, Any]) -> tuple[Any, int, int | None, dict[Seed, int]]:
    """`(state, position, batch, numbers)` of a snapshot, if it is one of this program."""
    program, noises = graph.program, _noises(graph)
    held: set[str] = {"position", "program"}
    if not isinstance(snapshot, Mapping) or not held <= snapshot.keys():
        raise ArgumentError(f"load_state: {snapshot!r} is not what save_state gave: it has no position and program")
    _same(str(program), str(np.asarray(snapshot["program"])))
    position = whole_number("load_state: position", np.array(snapshot["position"]).tolist(), most=2**63 - 1)
    batch = None
    if "batch" in snapshot:
        held = held | {"batch"}
        batch = whole_number("load_state: batch", np.array(snapshot["batch"]).tolist())
    held = held | noises.keys()
    first = _first_state(program)
    names = _names(program, first)
    begun = not names or snapshot.keys() != held
    if begun and snapshot.keys() != held | set(names):
        wrong = sorted(snapshot.keys() ^ (held | set(names)))[0]
        raise ArgumentError(f"load_state: the snapshot {'has' if wrong in snapshot else 'lacks'} {wrong!r}")
    numbers = {leaf: seed_number(f"load_state: {n}", np.array(snapshot[n]).tolist()) for n, leaf in noises.items()}
    if not begun:
        return None, position, batch, numbers
    leaves, structure = jax.tree.flatten(first)
    examples = () if batch is None else (batch,)
    arrays = [_fitting(n, snapshot[n], (*examples, *x.shape), x.dtype) for n, x in zip(names, leaves)]
    return structure.unflatten(arrays), position, batch, numbers


def _names(program: Program, state: Any) -> list[str]:
    """A name for each array of a state: the recurrence's number and op, and the array's number."""
    ops = [line.op.__name__ for line in program.lines if isinstance(line.op, Recurrence)]
    trees = [] if state is None else state
    return [f"{i}.{op}.{k}" for i, (op, tree) in enumerate(zip(ops, trees)) for k in range(len(jax.tree.leaves(tree)))]


def _first_state(program: Program) -> Any:
    """Shapes and types of a state."""
    ctx = Context(sample_rate=44100.0, frames=1)
    leaves = [jax.ShapeDtypeStruct((1,) * s.varies + s.shape, s.dtype) for s in program.leaves]
    return jax.eval_shape(lambda leaves: initial_state(program, ctx, leaves), leaves)


def _same(ours: str, theirs: str) -> None:
    for a, b in zip_longest(ours.splitlines(), theirs.splitlines(), fillvalue="nothing"):
        if a != b:
            raise ArgumentError(f"load_state: the snapshot is of another program: it has {b.strip()}; this one has {a.strip()}")


def _fitting(name: str, given: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    try:
        array = np.array(given).astype(dtype)
    except (TypeError, ValueError) as e:
        raise ArgumentError(f"load_state: {name}: {e}") from None
    if array.shape != shape:
        raise ShapeError(f"load_state: {name} has shape {array.shape}, not {shape}")
    return array
