"""Where the loss of each step comes from: one value, a function that makes one, batches of inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError
from ..graph import Value, needs_value
from ..run import runtime
from ..values import promoted
from .optim import parameters

MOST = 1024  # steps of one call to the device
_GATHERED = 32  # where each step has data of its own


class Part(NamedTuple):
    """The losses of some steps in a row, which run as one program.

    Attributes:
        kind: The program, which of its arrays are learned, and what else `loss_of` takes.
        arrays: The program's numbers and the data of its leaves; of those in `moving` with a step axis first.
        moving: Which of `arrays` differ from step to step.
        first, end, most: The steps that it is of, and how many one call may run.
        known: What of the loss is computed once, when it is known.
    """

    kind: tuple[Any, ...]
    arrays: list[Any]
    moving: tuple[int, ...]
    first: int
    end: int
    most: int
    known: list[Any]


class Source:
    """The loss of every step, and its parameters.

    `loss`, `frames`, `inputs` and `batches` are those of `fit`; `name` is that of the function that was called. `params` are
    those that are learned, `leaves` all that hold data of the first step.
    """

    def __init__(
        self, name: str, loss: Any, params: Any, steps: int, frames: Any = None, inputs: Any = None, batches: Any = None
    ):
        self._name, self._frames, self._inputs, self._batches, self._steps = name, frames, inputs, batches, steps
        self._made = callable(loss) and not isinstance(loss, Value)
        self._loss: Any = loss if self._made else needs_value(name, loss)
        if batches is not None and not callable(batches) and (isinstance(batches, Mapping) or not hasattr(batches, "__iter__")):
            raise ArgumentError(f"{name}: batches={batches!r:.80} is not an iterable of mappings from channel to samples")
        self._items: Iterator[Any] | None = None
        self._taken, self._item = 0, None  # of the iterable
        self._numbers: dict[int, int] = {}  # how many noises had been made before that of a step
        self._ready: dict[int, Any] = {}  # a loss that was made before its step is run
        self._part: Part | None = None
        self._differ: set[int] = set()
        self._ready[0] = self._objective(0)
        graph = self._ready[0].graph
        self.leaves: list[Any] = graph.arrays
        found = [graph.arrays[i] for i in graph.learned]
        self.params: list[Any] = [promoted(leaf) for leaf in found] if params is None else parameters(name, params)
        for i, p in enumerate(self.params):
            if p.node not in found:
                raise ArgumentError(f"{name}: params[{i}]: the loss does not depend on it: {p!r}")
        self._leaves = [p.node for p in self.params]

    def number(self, step: int) -> int:
        """The number of the first noise that is made for a step."""
        return self._numbers.get(step, runtime.numbering())

    def skip(self, number: int) -> None:
        """Forget what was made for the first steps: training goes on from a later one, whose noise has that number."""
        self._ready.clear()
        self._part = None
        if self._made:
            runtime.numbering(number)

    def part(self, step: int) -> Part:
        """The losses from a step on; after the last step that of the last once more."""
        part = self._part
        if part is None or not part.first <= min(step, self._steps - 1) < part.end:
            part = self._part = self._gathered(step)
        return part

    def _gathered(self, step: int) -> Part:
        kind, arrays = self._of(self._objective(step))
        if not self._made and self._batches is None:
            return Part(kind, arrays, (), 0, self._steps, min(MOST, max(self._steps, 1)), [])
        most, rows = max(1, min(_GATHERED, self._steps)), [arrays]
        for k in range(step + 1, min(step + most, self._steps)):
            objective = self._objective(k)
            other, arrays = self._of(objective)
            if other != kind or any(np.shape(a) != np.shape(b) for a, b in zip(arrays, rows[0])):
                self._ready[k] = objective
                break
            rows.append(arrays)
        first = rows[0]
        for i, x in enumerate(first):
            if i - 1 not in kind[1] and any(
                row[i] is not x and not np.array_equal(row[i], x, equal_nan=True) for row in rows[1:]
            ):
                self._differ.add(i)  # also of the parts to come: their loop is then the same
        end, moving = step + len(rows), tuple(sorted(i for i in self._differ if i < len(first)))
        rows += [rows[-1]] * (most - len(rows))
        arrays = [np.stack([row[i] for row in rows]) if i in moving else x for i, x in enumerate(first)]
        return Part(kind, arrays, moving, step, end, most, [])

    def _of(self, objective: Any) -> tuple[Any, list[Any]]:
        graph, arrays, settings = objective
        learned = tuple([graph.arrays.index(leaf) for leaf in self._leaves if leaf in graph.arrays])
        if len(learned) < len(self._leaves):
            raise ArgumentError(f"{self._name}: the loss of a later step does not depend on every parameter")
        return (graph.program, learned, settings), [graph.numbers, *arrays]

    def _objective(self, step: int) -> Any:
        if step in self._ready:
            return self._ready.pop(step)
        self._numbers = {k: n for k, n in self._numbers.items() if k >= step - MOST} | {step: runtime.numbering()}
        loss = self._loss
        if self._made:
            loss = loss()
            if not isinstance(loss, Value):
                raise ArgumentError(f"{self._name}: the function that makes the loss returned {loss!r:.80}, not a value")
        return runtime.objective(self._name, loss.node, self._frames, self._batch(step))

    def _batch(self, step: int) -> Any:
        """The inputs of a step."""
        batches: Any = self._batches
        if batches is None:
            return self._inputs
        item = batches(step) if callable(batches) else self._nth(step)
        if not isinstance(item, Mapping):
            raise ArgumentError(f"{self._name}: batches: {item!r:.80} is not a mapping from channel to samples")
        return {**(self._inputs or {}), **item}

    def _nth(self, step: int) -> Any:
        while self._taken <= step:
            try:
                if self._items is None:
                    raise StopIteration
                self._item = next(self._items)
            except StopIteration:
                self._items = iter(self._batches)
                self._item = next(self._items, None)
                if self._item is None:
                    message = f"{self._name}: batches ended at step {self._taken} of {self._steps}, and cannot begin again"
                    raise ArgumentError(message) from None
            self._taken += 1
        return self._item
