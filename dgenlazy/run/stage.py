"""Lazy graph -> straight-line program -> one pure JAX function over a block of frames."""

from __future__ import annotations

import functools as ft
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..graph import (
    FLOAT,
    Block,
    Context,
    Leaf,
    Node,
    Number,
    Params,
    Recurrence,
    Spec,
    infer,
    may_be_batched,
    pick,
    toposort,
)
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
    def moves(self) -> bool:
        """Whether anything in it varies from frame to frame."""
        return any(s.varies for s in flat(self.specs))

    @ft.cached_property
    def varies(self) -> bool:
        """Whether it has frames at all."""
        return self.moves or any(s.signal for s in self.output_specs) or bool(self.sees_whole_run)

    @ft.cached_property
    def sees_whole_run(self) -> str:
        """The names of the ops of it that cannot be run block by block."""
        return ", ".join(dict.fromkeys(line.op.__name__ for line in self.lines if isinstance(line.op, Block)))

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
    return f"{spec.dtype.name}{list(spec.shape)}{' per frame' if spec.varies else ''}"


def flat(specs: Sequence[Any]) -> Iterator[Spec]:
    """The specs of all outputs; an op may have several."""
    for spec in specs:
        yield from (spec,) if isinstance(spec, Spec) else spec


def stage(roots: Sequence[Node | Leaf]) -> tuple[Program, list[Leaf]]:
    """Number the graph below `roots`, and list its leaves in the order in which the program takes them."""
    order = toposort(roots)
    found = [n for n in order if isinstance(n, Leaf)]
    numbers = [n for n in found if isinstance(n, Number)]
    leaves = numbers + [n for n in found if not isinstance(n, Number)]
    return number(roots, leaves, order, len(numbers)), leaves


def number(roots: Sequence[Node | Leaf], leaves: Sequence[Any], order: Sequence[Any], numbers: int = 0) -> Program:
    """The program that takes `leaves` and computes `roots`; `order` is sorted so that inputs come first."""
    index: dict[Node | Leaf, int] = {leaf: i for i, leaf in enumerate(leaves)}
    lines: dict[Line, int] = {}
    for node in order:
        if node not in index:
            line = Line(node.op, tuple([index[i] for i in node.inputs]), node.params)
            index[node] = lines.setdefault(line, len(leaves) + len(lines))
    return Program(numbers, tuple([leaf.spec for leaf in leaves]), tuple(lines), tuple([index[r] for r in roots]))


class Staged(NamedTuple):
    """A graph, taken apart: its program, and where the data of each leaf comes from."""

    program: Program
    numbers: np.ndarray  # all Python numbers, packed
    arrays: list[Any]  # the other leaves, in the program's order
    learned: tuple[int, ...]  # which of `arrays` require a gradient
    batched: tuple[int, ...]  # which of `arrays` have a batch axis, or may have one


_staged: weakref.WeakKeyDictionary[Node, Staged] = weakref.WeakKeyDictionary()


def restage(nodes: Sequence[Node | Leaf]) -> Staged:
    """Stage a graph anew, and remember nothing."""
    program, leaves = stage(nodes)
    numbers = np.array([leaf.number for leaf in leaves if isinstance(leaf, Number)], np.float32)
    arrays = leaves[program.numbers :]
    learned = tuple([i for i, leaf in enumerate(arrays) if leaf.requires_grad])
    return Staged(program, numbers, arrays, learned, may_be_batched(arrays))


def staged(nodes: Sequence[Node | Leaf]) -> Staged:
    """Stage a graph; one with a single output is remembered as long as it lives."""
    if len(nodes) > 1 or isinstance(nodes[0], Leaf):
        return restage(nodes)
    out = _staged.get(nodes[0])
    if out is None:
        out = _staged[nodes[0]] = restage(nodes)
    return out


def run(program: Program, ctx: Context, leaves: Sequence[Any], state: Any) -> tuple[list[Any], Any]:
    """Interpret `program` over a block: `(outputs, state after the last frame)`. Pure: safe under jit, grad and vmap."""
    program = program.fused if ctx.parallel else program
    env, after, before = list(leaves), [], iter(state)
    for line in program.lines:
        recurs = isinstance(line.op, Recurrence)
        end, out = run_line(program, ctx, line, env, next(before) if recurs else None)
        after += [end] if recurs else []
        env.append(out)
    return [env[i] for i in program.outputs], tuple(after)


def run_line(program: Program, ctx: Context, line: Line, env: Any, state: Any) -> tuple[Any, Any]:
    """Run one op over a block: `(state after the last frame, output)`; `env` holds the values that it takes."""
    inputs, specs = [env[a] for a in line.args], [program.specs[a] for a in line.args]
    if isinstance(line.op, Recurrence):
        return solve(line.op, ctx, line.params, state, inputs, specs)
    return state, line.op.run(ctx, line.params, inputs, specs)


def step(program: Program, ctx: Context, leaves: Sequence[Any], state: Any) -> tuple[list[Any], Any]:
    """Interpret `program` at one frame: `(outputs, state)`."""
    env, after, before = list(leaves), [], iter(state)
    for op, args, params in program.lines:
        inputs = [env[a] for a in args]
        if isinstance(op, Recurrence):
            end, out = op.step(ctx, params, next(before), *inputs)
            after.append(end)
        else:
            out = op.step(ctx, params, (), *inputs)[1]
        env.append(out)
    return [env[i] for i in program.outputs], tuple(after)


def initial_state(program: Program, ctx: Context, leaves: Sequence[Any]) -> tuple[Any, ...]:
    """The state before the first frame. Of `leaves` that vary only the type is read."""
    real = jnp.result_type(FLOAT, *[jnp.result_type(x) for x in leaves])
    env: dict[int, Any] = {}
    for i, spec in enumerate(program.leaves):
        env[i] = _filled(spec, 0.0, real) if spec.varies else leaves[i]
    state = []
    for i, (op, args, params) in enumerate(program.lines, len(program.leaves)):
        spec = program.specs[i]
        if isinstance(op, Recurrence):
            state.append(op.init([env[a] for a in args], params))
        if isinstance(spec, tuple):
            env[i] = tuple(_filled(s, 0.0, real) for s in spec)
        elif spec.varies:
            env[i] = _filled(spec, 0.0, real)
        elif isinstance(op, Block):  # not known before the run: whatever starts from it must not look like a number
            env[i] = _filled(spec, jnp.nan, real)
        elif i in program.needed_first:
            env[i] = op.step(ctx, params, (), *[env[a] for a in args])[1]
    return tuple(state)


def _filled(spec: Spec, value: float, real: Any) -> Any:
    return jnp.full(spec.shape, value, real if spec.dtype == FLOAT else spec.dtype)
