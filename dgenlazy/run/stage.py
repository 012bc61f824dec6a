"""Lazy graph -> straight-line program -> one pure JAX function over a block of frames."""

from __future__ import annotations

import functools as ft
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..graph import FLOAT, Block, Context, Leaf, Node, Number, Recurrence, Spec, in_our_modes, may_be_batched, toposort
from . import latency
from .length import sized
from .program import Line, Program, run_line
from .short import by_tiles, stretches


def stage(roots: Sequence[Node | Leaf]) -> tuple[Program, list[Leaf]]:
    """Number the graph below `roots`, and list its leaves in the order in which the program takes them."""
    order = toposort(roots)
    numbers: list[Any] = []
    others: list[Any] = []
    for n in order:
        if not isinstance(n, Node):
            (numbers if type(n) is Number else others).append(n)
    leaves = numbers + others
    return _known(len(numbers), *_numbered(roots, leaves, order)), leaves


@ft.lru_cache(maxsize=64)  # a function of `from_jax` is held with its program, and whatever arrays it closes over
def _known(numbers: int, specs: Any, lines: Any, outputs: tuple[int, ...]) -> Program:
    """As it is run; one object for all that are equal, so that a graph built anew does not ask again what follows from it."""
    return latency.timed(_program(numbers, specs, lines, outputs))


def number(roots: Sequence[Node | Leaf], leaves: Sequence[Any], order: Sequence[Any]) -> Program:
    """The program that takes `leaves` and computes `roots`; `order` is sorted so that inputs come first."""
    return _program(0, *_numbered(roots, leaves, order))


def _program(numbers: int, specs: Any, lines: Any, outputs: tuple[int, ...]) -> Program:
    return Program(numbers, specs, tuple([Line(*line) for line in lines]), outputs)


def _numbered(roots: Sequence[Node | Leaf], leaves: Sequence[Any], order: Sequence[Any]) -> tuple[Any, Any, tuple[int, ...]]:
    """The specs of the leaves, the lines as plain tuples, which are made faster, and the outputs."""
    index: dict[Node | Leaf, int] = {leaf: i for i, leaf in enumerate(leaves)}
    lines: dict[tuple[Any, ...], int] = {}
    first = len(leaves)
    for node in order:
        if node not in index:
            line = node.op, tuple([index[i] for i in node.inputs]), node.params
            index[node] = lines.setdefault(line, first + len(lines))
    return tuple([leaf.spec for leaf in leaves]), tuple(lines), tuple([index[r] for r in roots])


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


@in_our_modes
def run(
    program: Program, ctx: Context, leaves: Sequence[Any], state: Any, known: Mapping[int, Any] | None = None
) -> tuple[list[Any], Any]:
    """Interpret `program` over a block: `(outputs, state after the last frame)`. Pure: safe under jit, grad and vmap.

    A state of None is the initial one. Where `known` is given, it is what `settled` gave.
    """
    if state is None and (ctx.parallel or program.rated or program.sees_whole_run or program.takes_length):
        state = initial_state(program, ctx, leaves)
    program = sized(_form(program, ctx), ctx.frames)
    env, after, before = list(leaves), [], None if state is None else iter(state)
    tiles = {} if known is None else stretches(program, ctx)
    later = {i for stretch in tiles.values() for i in stretch.lines}
    for i, line in enumerate(program.lines, len(env)):
        if known is not None and i in program.settled:
            env.append(known.get(i))
            continue
        if i in later:
            env.append(None)
            for at, out in by_tiles(program, ctx, tiles[i], env).items() if i in tiles else ():
                env[at] = out
            continue
        held = None
        if isinstance(line.op, Recurrence):
            held = next(before) if before else _first(program, line, env)
        end, out = latency.run_line(program, ctx, i, env, held) if program.rated else run_line(program, ctx, line, env, held)
        after += [end] if isinstance(line.op, Recurrence) else []
        env.append(out)
    outputs = [latency.given_out(program, ctx, i, env) if program.rated else env[i] for i in program.outputs]
    return outputs, tuple(after)


def _form(program: Program, ctx: Context) -> Program:
    """As it is run on a backend."""
    return program.fused if ctx.parallel else program


@in_our_modes
def settled(program: Program, ctx: Context, numbers: Any) -> list[Any]:
    """What follows from the numbers of a program alone, as far as the rest of it takes that."""
    program = _form(program, ctx)
    env: dict[int, Any] = dict(enumerate(numbers))
    for i, line in enumerate(program.lines, len(program.leaves)):
        if i in program.settled:
            env[i] = run_line(program, ctx, line, env, None)[1]
    return [env[i] for i in program.given]


def known(program: Program, ctx: Context, values: Any) -> dict[int, Any]:
    """What `settled` gave, by the place that it has in the program."""
    return dict(zip(_form(program, ctx).given, values))


@in_our_modes
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


@in_our_modes
def initial_state(program: Program, ctx: Context, leaves: Sequence[Any]) -> tuple[Any, ...]:
    """The state before the first frame. Of `leaves` that vary only the type is read."""
    program, real = sized(program, ctx.frames), _real(leaves)
    env: dict[int, Any] = {}
    for i, spec in enumerate(program.leaves):
        if i in program.taken_first:
            env[i] = _filled(spec, 0.0, real) if spec.varies else leaves[i]
    state = []
    for i, (op, args, params) in enumerate(program.lines, len(program.leaves)):
        spec = program.specs[i]
        if isinstance(op, Recurrence):
            state.append(op.init([env[a] for a in args], params))
        if i not in program.taken_first:
            continue
        if isinstance(spec, tuple):
            known = i in program.needed_first and not any(s.varies for s in spec)
            zeros = () if known else tuple(_filled(s, 0.0, real) for s in spec)
            env[i] = op.step(ctx, params, (), *[env[a] for a in args])[1] if known else zeros
        elif spec.varies:
            env[i] = _filled(spec, 0.0, real)
        elif isinstance(op, Block):  # not known before the run: whatever starts from it must not look like a number
            env[i] = _filled(spec, jnp.nan, real)
        elif i in program.needed_first:
            env[i] = op.step(ctx, params, (), *[env[a] for a in args])[1]
    return tuple(state)


def _first(program: Program, line: Line, env: Sequence[Any]) -> Any:
    """The state of one recurrence before the first frame of a whole run, whose values up to it are in `env`."""
    real, specs = _real(env[: len(program.leaves)]), [program.specs[a] for a in line.args]
    inputs = [_filled(s, 0.0, real) if s.varies else env[a] for s, a in zip(specs, line.args)]
    return line.op.init(inputs, line.params)


def _real(leaves: Sequence[Any]) -> Any:
    """The type of numbers, of leaves that may be of a wider one."""
    return jnp.result_type(FLOAT, *[t for x in leaves if jnp.issubdtype(t := jnp.result_type(x), jnp.inexact)])


def _filled(spec: Spec, value: float, real: Any) -> Any:
    return jnp.full(spec.shape, value, real if spec.dtype == FLOAT else spec.dtype)
