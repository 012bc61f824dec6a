"""Programs: a graph without its data, and how one line of it is run."""

from __future__ import annotations

import functools as ft
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..graph import FLOAT, RUN, Block, Context, Params, Pointwise, Rated, Recurrence, Spec, infer, pick
from ..ops import clock, collected, laid_out
from ..recurrence import fuse, solve


class Line(NamedTuple):
    """One op of a program; `args` number the leaves first, then the lines."""

    op: Any  # a Pointwise, Recurrence or Block
    args: tuple[int, ...]
    params: Params


@dataclass(frozen=True, eq=False)
class Program:
    """A graph without its data: a plain hashable value, and so its own key in a compile cache.

    Attributes:
        leaves: What enters, in order: first all Python numbers (`numbers` of them), then the arrays.
        lines: The ops, inputs first. Equal sub-graphs are one line.
        outputs: Which leaves or lines leave it.
    """

    numbers: int
    leaves: tuple[Spec, ...]
    lines: tuple[Line, ...]
    outputs: tuple[int, ...]

    @ft.cached_property
    def _key(self) -> tuple[Any, int]:
        key = (self.numbers, self.leaves, self.lines, self.outputs)
        return key, hash(key)

    def __hash__(self) -> int:
        return self._key[1]

    def __reduce__(self) -> Any:
        return Program, self._key[0]  # a hash is of one process

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Program) and self._key == other._key)

    @ft.cached_property
    def specs(self) -> tuple[Any, ...]:
        """The spec of every leaf and line."""
        out: list[Any] = list(self.leaves)
        for op, args, params in self.lines:
            out.append(infer(op, tuple([out[a] for a in args]), params))
        return tuple(out)

    @ft.cached_property
    def latencies(self) -> tuple[int, ...]:
        """How many frames late each leaf and line is in a stream: what it, and all before it, look ahead."""
        out = [0] * len(self.leaves)
        for i, (op, args, params) in enumerate(self.lines, len(out)):
            before = max((out[a] for a in args if any(s.varies for s in flat([self.specs[a]]))), default=0)
            varies = any(s.varies for s in flat([self.specs[i]]))
            out.append(before + op.lookahead([self.specs[a] for a in args], params) if varies else 0)
        return tuple(out)

    @ft.cached_property
    def latency(self) -> int:
        """How many frames late its outputs are in a stream, and how many it looks beyond the end of a whole run."""
        seen = [a for line in self.lines if isinstance(line.op, Block) for a in line.args]
        return max((self.latencies[i] for i in (*self.outputs, *seen)), default=0)

    @ft.cached_property
    def rated(self) -> bool:
        """Whether some of it is slower than frames, or changes rates, or looks ahead."""
        return any(isinstance(line.op, Rated) for line in self.lines) or any(s.every > 1 for s in flat(self.specs))

    @ft.cached_property
    def clock(self) -> int:
        """Which value counts the frames of a stream; of what is `rated`, there is one."""
        return next(i for i, line in enumerate(self.lines, len(self.leaves)) if line.op is clock)

    @ft.cached_property
    def moves(self) -> bool:
        """Whether anything in it varies from frame to frame."""
        return any(s.varies for s in flat(self.specs))

    @ft.cached_property
    def varies(self) -> bool:
        """Whether it has frames at all."""
        return self.moves or any(s.signal for s in self.output_specs) or bool(self.sees_whole_run)

    @ft.cached_property
    def sampled(self) -> tuple[tuple[int, int, int], ...]:
        """Which of the arrays hold samples, which of their axes, from the last on, counts them, and one in how many frames."""
        arrays = self.leaves[self.numbers :]
        return tuple([(i, -1 - len(spec.shape), spec.every) for i, spec in enumerate(arrays) if spec.varies])

    @ft.cached_property
    def sees_whole_run(self) -> str:
        """The names of the ops of it that cannot be run block by block."""
        return ", ".join(dict.fromkeys(line.op.__name__ for line in self.lines if isinstance(line.op, Block)))

    @ft.cached_property
    def takes_length(self) -> bool:
        """Whether some of it is as long as the run, or must be."""
        return any(line.op in (collected, laid_out) or RUN in dict(line.params) for line in self.lines)

    @ft.cached_property
    def fused(self) -> Program:
        """The same, for parallel backends: recurrences compute what only they need."""
        lines, outputs = fuse(self.lines, self.specs, len(self.leaves), self.outputs)
        return Program(self.numbers, self.leaves, tuple([Line(*line) for line in lines]), outputs)

    @property
    def output_specs(self) -> list[Spec]:
        return [self.specs[i] for i in self.outputs]

    @ft.cached_property
    def needed_first(self) -> frozenset[int]:
        """The values that do not vary and that the initial state may be made of."""
        needed: set[int] = set()
        for i in reversed(range(len(self.leaves), len(self.specs))):
            op, args, _ = self.lines[i - len(self.leaves)]
            if isinstance(op, Recurrence) or i in needed:
                needed.update(a for a in args if not any(s.varies for s in flat([self.specs[a]])))
        return frozenset(needed)

    @ft.cached_property
    def taken_first(self) -> frozenset[int]:
        """The values, of whatever rate, that are looked at to make the initial state."""
        out: set[int] = set()
        for i, (op, args, _) in enumerate(self.lines, len(self.leaves)):
            out.update(args if isinstance(op, Recurrence) or i in self.needed_first else ())
        return frozenset(out)

    @ft.cached_property
    def settled(self) -> frozenset[int]:
        """The numbers, and the lines that follow from them alone: the same in every block of a stream."""
        out = set(range(self.numbers))
        for i, (op, args, _) in enumerate(self.lines, len(self.leaves)):
            plain = isinstance(op, Pointwise) and not op.foreign and not any(s.varies for s in flat([self.specs[i]]))
            if plain and not self.takes_length and out.issuperset(args):
                out.add(i)
        return frozenset(out)

    @ft.cached_property
    def given(self) -> tuple[int, ...]:
        """Those of the `settled` that the rest is made of, in order."""
        rest = [line.args for i, line in enumerate(self.lines, len(self.leaves)) if i not in self.settled]
        return tuple(sorted(self.settled.intersection(self.outputs).union(*map(self.settled.intersection, rest))))

    @ft.cached_property
    def picked(self) -> dict[Line, frozenset[int]]:
        """Of each recurrence with several outputs, which of them anything is made of."""
        users: dict[int, list[Line]] = {}
        for line in self.lines:
            for a in line.args:
                users.setdefault(a, []).append(line)
        out = {}
        for i, line in enumerate(self.lines, len(self.leaves)):
            several = isinstance(self.specs[i], tuple) and isinstance(line.op, Recurrence) and i not in self.outputs
            if several and all(user.op is pick for user in users.get(i, ())):
                out[line] = frozenset([dict(user.params)["index"] for user in users.get(i, ())])
        return out

    def __str__(self) -> str:
        text = [f"%{i} = {'number' if i < self.numbers else _source(s)} {_shown(s)}" for i, s in enumerate(self.leaves)]
        names = [f"%{i}" for i in range(len(self.leaves))]
        shown = len(names)
        for (op, args, params), spec in zip(self.lines, self.specs[shown:]):
            if op is pick:
                names.append(f"{names[args[0]]}[{dict(params)['index']}]")
                continue
            names.append(f"%{shown}")
            shown += 1
            given = "".join(f" {name}={value!r}" for name, value in params)
            kind = ", ".join(dict.fromkeys(_shown(s) for s in flat([spec])))
            kind = f"{len(spec)} of {kind}" if isinstance(spec, tuple) and len(spec) > 1 else kind
            text.append(f"{names[-1]} = {op.__name__}({', '.join(names[a] for a in args)}){given} {kind}")
            text += ["    " + line for line in op.inside()]
        return "\n".join([*text, f"return {', '.join(names[i] for i in self.outputs)}"])


def _source(spec: Spec) -> str:
    return "samples" if spec.varies else "value" if spec.dtype == FLOAT else "seed"


def _shown(spec: Spec) -> str:
    rate = "" if not spec.varies else " per frame" if spec.hop == 1 else f" per {spec.hop} frames"
    return f"{spec.dtype.name}{list(spec.shape)}{rate}"


def flat(specs: Sequence[Any]) -> Iterator[Spec]:
    """The specs of all outputs; an op may have several."""
    for spec in specs:
        yield from (spec,) if isinstance(spec, Spec) else spec


def run_line(program: Program, ctx: Context, line: Line, env: Any, state: Any) -> tuple[Any, Any]:
    """Run one op over a block: `(state after the last frame, output)`; `env` holds the values that it takes."""
    inputs, specs = [env[a] for a in line.args], [program.specs[a] for a in line.args]
    if isinstance(line.op, Recurrence):
        picked = program.picked.get(line) if program.picked else None
        return solve(line.op, ctx, line.params, state, inputs, specs, picked)
    return state, line.op.run(ctx, line.params, inputs, specs)
