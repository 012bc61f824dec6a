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
    try:
        index, walked = _walked(roots)
    except RecursionError:
        index, walked = _walked(toposort(roots))
    specs = tuple([leaf.spec for leaf in walked.numbers]), tuple([leaf.spec for leaf in walked.arrays])
    program = _known(*specs, tuple(walked.lines), tuple([index[r] for r in roots]))
    return program, walked.numbers + walked.arrays


class _Walked(NamedTuple):
    """What a walk comes by. Of arguments that are leaves, numbers are counted from -1 downwards, arrays from `_ARRAYS` on."""

    numbers: list[Any]
    arrays: list[Any]
    lines: list[tuple[Any, tuple[int, ...], Any]]  # plain tuples are made faster


_ARRAYS = 2**40


def _walked(nodes: Sequence[Node | Leaf]) -> tuple[dict[Node | Leaf, int], _Walked]:
    """All at or below some nodes, each after its inputs, and the number of each."""
    index: dict[Node | Leaf, int] = {}
    walked = _Walked([], [], [])
    for node in nodes:
        if node not in index:
            _walk(node, index, *walked)
    return index, walked


def _walk(node: Any, index: dict[Any, int], numbers: list[Any], arrays: list[Any], lines: list[Any]) -> int:
    """Number a node; by a call for each input, which takes half the time of a list of what is to be seen."""
    if type(node) is Node:
        args = []
        for i in node.inputs:
            at = index.get(i)
            args.append(_walk(i, index, numbers, arrays, lines) if at is None else at)
        at = len(lines)
        lines.append((node.op, tuple(args), node.params))
    elif type(node) is Number:
        numbers.append(node)
        at = -len(numbers)
    else:
        at = _ARRAYS + len(arrays)
        arrays.append(node)
    index[node] = at
    return at


@ft.lru_cache(maxsize=64)  # a function of `from_jax` is held with its program, and whatever arrays it closes over
def _known(numbers: tuple[Spec, ...], arrays: tuple[Spec, ...], lines: tuple[Any, ...], outputs: tuple[int, ...]) -> Program:
    """As it is run; one object for all that are equal, so that a graph built anew does not ask again what follows from it."""
    first = len(numbers) + len(arrays)
    place = {-1 - i: i for i in range(len(numbers))} | {_ARRAYS + i: len(numbers) + i for i in range(len(arrays))}
    different: dict[Line, int] = {}
    for i, (op, args, params) in enumerate(lines):
        line = Line(op, tuple([place[a] for a in args]), params)
        place[i] = different.setdefault(line, first + len(different))
    return latency.timed(Program(len(numbers), numbers + arrays, tuple(different), tuple([place[i] for i in outputs])))


def number(roots: Sequence[Node | Leaf], leaves: Sequence[Any], order: Sequence[Any]) -> Program:
    """The program that takes `leaves` and computes `roots`; `order` is sorted so that inputs come first."""
    index: dict[Node | Leaf, int] = {leaf: i for i, leaf in enumerate(leaves)}
    lines: dict[Line, int] = {}
    for node in order:
        if node not in index:
            line = Line(node.op, tuple([index[i] for i in node.inputs]), node.params)
            index[node] = lines.setdefault(line, len(leaves) + len(lines))
    return Program(0, tuple([leaf.spec for leaf in leaves]), tuple(lines), tuple([index[r] for r in roots]))


class Staged(NamedTuple):
    """A graph, taken apart: its program, and where the data of each leaf comes from."""

    program: Program
    numbers: np.ndarray  # all Python numbers, packed
    arrays: list[Any]  # the other leaves, in the program's order
    learned: tuple[int, ...]  # which of `arrays` require a gradient
    batched: tuple[int, ...]  # which of `arrays` have a batch axis, or may have one
    runs: dict[Any, Any]  # whole runs of it that are remembered, by the number of frames that was asked for


_staged: dict[weakref.ref[Any], Staged] = {}  # a WeakKeyDictionary takes longer, and longest when the graph goes
_groups: dict[tuple[weakref.ref[Any], ...], Staged] = {}
_MOST_GROUPS = 64  # of values that live, any number of which may be asked for together


def restage(nodes: Sequence[Node | Leaf]) -> Staged:
    """Stage a graph anew, and remember nothing."""
    program, leaves = stage(nodes)
    numbers: Any = leaves[: program.numbers]
    numbers, arrays = np.array([leaf.number for leaf in numbers], np.float32), leaves[program.numbers :]
    learned = tuple([i for i, leaf in enumerate(arrays) if leaf.requires_grad])
    return Staged(program, numbers, arrays, learned, may_be_batched(arrays), {})


def staged(nodes: Sequence[Node | Leaf]) -> Staged:
    """Stage a graph; one whose outputs are all computed is remembered as long as they live."""
    if any([isinstance(node, Leaf) for node in nodes]):  # which would live as long as what is remembered of it
        return restage(nodes)
    if len(nodes) == 1:
        out = _staged.get(weakref.ref(nodes[0]))
        if out is None:
            out = restage(nodes)
            _staged[weakref.ref(nodes[0], _staged.pop)] = out
        return out
    out = _groups.get(tuple([weakref.ref(node) for node in nodes]))
    if out is None:
        out = restage(nodes)
        _remember_group(nodes, out)
    return out


def _remember_group(nodes: Sequence[Node | Leaf], graph: Staged) -> None:
    def forget(_: Any) -> None:
        _groups.pop(key, None)

    key = tuple([weakref.ref(node, forget) for node in nodes])
    if len(_groups) >= _MOST_GROUPS:
        _groups.clear()  # in one step: a value that goes meanwhile takes its groups along
    _groups[key] = graph


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
