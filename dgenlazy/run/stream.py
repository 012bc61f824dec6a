"""Values that are run block by block: where they have got to, and that as plain arrays, to go on from elsewhere."""

from __future__ import annotations

import functools as ft
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, NamedTuple, final

import jax
import numpy as np

from ..config import Current, seed_number, whole_number
from ..errors import ArgumentError, InputError, ShapeError
from ..graph import Context, Data, Input, Leaf, Recurrence, Seed
from . import backend
from .data import given, on_device
from .host import on_host
from .packed import packed
from .program import Program
from .stage import Staged, initial_state

_SELDOM = 64  # blocks


class At(NamedTuple):
    """Where a stream has got to, in one piece, so that an interrupt finds it before a block or after it.

    Attributes:
        state: Of its recurrences, packed; None before the first block.
        position: The number of the next frame.
        place: The sample rate and the device that the state and what is settled are for; None of what a snapshot brought.
        batch: How many examples the state is of; None outside of batches, where it has no batch axis.
        numbers: Of its unseeded noises, where a snapshot brought others than they were made with.
        blocks: How many were run since it began.
        restarts: After how many of them a state was not finite and began again, with `DGen.flush_nan`.
        settled: What follows from the Python numbers of the graph alone, packed.
        arrays: What the last block was computed of, beside these.
    """

    state: Any = None
    position: int = 0
    place: Any = None
    batch: int | None = None
    numbers: Mapping[Seed, int] = MappingProxyType({})
    blocks: int = 0
    restarts: int = 0
    settled: Any = None
    arrays: Sequence[Any] = ()


class Ready(NamedTuple):
    """What a block is run with, and so is the next one of as many frames in the same place.

    Attributes:
        frames: How many.
        place: The sample rate and the device.
        key: Of the compiled program.
        still: Whether all that it is computed of, beside its state and its place in time, is in leaves that no frame moves.
        settings: A weak reference to those that it is for.
    """

    frames: int
    place: tuple[float, Any]
    key: tuple[Any, ...]
    still: bool
    settings: weakref.ref[Current]


@final
class Stream:
    """A value, or a group of them, that is run block by block, and where it has got to.

    Attributes:
        graph: What `runtime.staged` made of them, kept because a host has little time for a block.
        at: Where it has got to.
        lock: Held during a block.
        ready: What the last block was run with.
        members: Of a group, weak references to its values.
    """

    def __init__(self, graph: Staged):
        self.graph = graph
        self.at = At()
        self.lock = threading.RLock()
        self.members: tuple[Any, ...] = ()
        self.ready: Ready | None = None

    def reset(self) -> None:
        with self.lock:
            self.at = At()

    @property
    def position(self) -> int:
        return self.at.position

    @position.setter
    def position(self, frame: int) -> None:
        self.at = self.at._replace(position=frame)

    def move(self, before: At, after: At) -> None:
        """Go on, from where a block began."""
        if self.at is not before:  # by the handler of a signal: a lock lets its own thread in
            raise ArgumentError("realize: the stream was moved while this block was computed")
        self.at = after

    def repeats(self, graph: Staged) -> bool:
        """Whether a graph is this one, made again."""
        mine, other = self.graph, graph
        if mine.program != other.program or not np.array_equal(mine.numbers, other.numbers):
            return False
        return all(_alike(a, b) for a, b in zip(mine.arrays, other.arrays))

    def takes(self, batch: int | None) -> None:
        """Raise an InputError unless a block of so many examples can go on from where it is."""
        at = self.at
        if batch != at.batch and at.state is not None:
            was, new = (f"a batch of {n}" if n is not None else "no batch" for n in (at.batch, batch))
            raise InputError(f"realize: the stream is of {was}, at frame {at.position}; this block has {new}; reset() it")

    def saved(self) -> dict[str, np.ndarray]:
        """A copy of the state, by names that any file takes. Of one that has not begun there is none."""
        program, at = self.graph.program, self.at
        state = None if at.state is None else at.state.on_host()
        arrays = {name: np.array(x) for name, x in zip(_names(program, state), jax.tree.leaves(state))}
        if at.batch is not None:
            arrays["batch"] = np.array(at.batch, np.int64)
        for name, leaf in _noises(self.graph).items():
            arrays[name] = np.array(at.numbers.get(leaf, leaf.number), np.int64)
        return {"position": np.array(at.position, np.int64), "program": np.array(str(program)), **arrays}

    def load(self, snapshot: Mapping[str, Any]) -> None:
        """Go to where `saved` was called, if that was for an equal program."""
        state, position, batch, numbers = _restored(self.graph, snapshot)
        with self.lock:
            before, kept = self.at, {}
            if state is not None and before.place:  # what is settled stays: the next block need not wait for it
                state = jax.device_put(state, before.place[1])
                kept = {"place": before.place, "settled": before.settled, "arrays": before.arrays}
            self.at = At(state, position, batch=batch, numbers=numbers, **kept)


def for_next(leaves: Sequence[Any], at: At, where: Any) -> list[Any]:
    """What the leaves hold for the next block, none of which a frame moves.

    A knob that has come to rest is seldom moved to the device, but in the end, which each block from then on gains by.
    """
    same = on_device if not at.blocks % _SELDOM else None
    pairs = zip(leaves, at.arrays)
    return [(same(leaf, where) if same else x) if leaf.array is x else given(leaf, where, at.position) for leaf, x in pairs]


def following(stream: Stream, frames: Any, settings: Current, compiled: Callable[..., Any]) -> list[np.ndarray] | None:
    """The next block, where all but leaves is as it was in the last one, which is seen at once; else None.

    Short blocks take little more than to be asked for.

    Args:
        settings: Those of now.
        compiled: What gives the program of a key.
    """
    ready, at = stream.ready, stream.at
    if ready is None or ready.settings() is not settings or at.place is not ready.place:
        return None
    where, start = ready.place[1], at.position
    if not ready.still or settings["flush_nan"] or type(frames) is not int or frames != ready.frames or at.batch is not None:
        return None
    if backend.device(settings["backend"]) is not where:  # after a fork it is asked for anew
        return None
    arrays = for_next(stream.graph.arrays, at, where)
    made, state = compiled(*ready.key)(at.settled, arrays, np.uint32(start % 2**32), at.state)
    outputs = on_host(made)
    after = At(state, start + frames, ready.place, None, at.numbers, at.blocks + 1, at.restarts, at.settled, arrays)
    stream.move(at, after)
    return outputs


def flushed(state: Sequence[Any], first: Callable[[], Sequence[Any]], batched: bool) -> Sequence[Any]:
    """`state`, itself where it is finite; else with each recurrence that is not as it is in `first()`, of its example alone."""
    broken = [_broken(tree, batched) for tree in state]
    if not any(map(np.any, broken)):
        return state

    def mended(old, new, wrong):
        return np.where(wrong.reshape(wrong.shape + (1,) * (np.ndim(old) - wrong.ndim)), new, old)

    pairs = zip(state, first(), broken)
    return tuple([jax.tree.map(ft.partial(mended, wrong=wrong), old, new) for old, new, wrong in pairs])


def _broken(tree: Any, batched: bool) -> np.ndarray:
    """Whether a state is not finite: one truth value, or in a batch one for each example."""
    wrong = np.zeros((), bool)
    for x in map(np.asarray, jax.tree.leaves(tree)):
        wrong = wrong | ~np.isfinite(x).all(axis=tuple(range(batched, x.ndim)))
    return wrong


def _alike(a: Leaf, b: Leaf) -> bool:
    if isinstance(a, Data) and isinstance(b, Data):
        return a is b or (not a.requires_grad and np.array_equal(np.asarray(a.array), np.asarray(b.array), equal_nan=True))
    return type(a) is type(b) and (not isinstance(a, Input) or a.channel == b.channel)  # type: ignore[attr-defined]


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
    return packed(structure.unflatten(arrays), batch is not None, np), position, batch, numbers


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
