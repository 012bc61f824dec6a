"""Rates and look-ahead: a program rewritten so that whatever meets has one rate and is equally late, and how it is run.

A whole run is computed in time. The array of a value that is late by l in a stream begins at time 0 and holds what the run
asks for and `ahead - l` frames more, so that nothing is cut off and nothing has to wait. In a stream, delays stand where ways
of unequal latency meet, and a recurrence behind a latency keeps its first state until time 0.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import (
    EVERY,
    Block,
    Clock,
    Context,
    Params,
    Pointwise,
    Rated,
    Recurrence,
    Spec,
    beside,
    common_period,
    pick,
    varying,
)
from ..ops import clock, hold, late, resample
from ..recurrence import scan, solve
from . import program as programs
from .program import Line, Program, flat


def timed(program: Program) -> Program:
    """The same, with rates said, slower values held, and delays where what is early meets what is late."""
    if not program.rated:
        return program
    program = _told(program)
    lines: dict[Line, int] = {}
    new, specs, late_by = list(range(len(program.leaves))), list(program.leaves), [0] * len(program.leaves)

    def put(line: Line, spec: Any, latency: int) -> int:
        at = lines.setdefault(line, len(program.leaves) + len(lines))
        if at == len(specs):
            specs.append(spec)
            late_by.append(latency)
        return at

    def until(i: int, hop: int | None, latency: int) -> int:
        """Value `i`, held to `hop`, and delayed until it is so late."""
        at = new[i]
        if not any(s.varies for s in flat([specs[at]])):
            return at
        if hop and isinstance(specs[at], Spec) and specs[at].hop != hop:
            spec = specs[at]
            at = put(Line(resample, (at,), hold(hop)), Spec(spec.shape, spec.signal, hop, spec.dtype), late_by[at])
        if late_by[at] != latency:
            wait = latency - late_by[at]
            at = put(Line(late, (at,), (("frames", wait), ("hop", specs[at].hop))), specs[at], latency)
        return at

    hops = [s.hop for s in flat(program.specs) if s.hop]
    least = max(program.latencies) + max(hops)
    put(Line(clock, (), (("period", common_period("realize", hops)), ("least", least))), Spec(dtype=np.dtype(np.uint32)), 0)
    for i, (op, args, params) in enumerate(program.lines, len(program.leaves)):
        moving = [a for a in args if any(s.varies for s in flat([program.specs[a]]))]
        wanted = max((program.latencies[a] for a in moving), default=0)
        taken = tuple([until(a, _hop_of(program, op, i), wanted) for a in args])
        new.append(put(Line(op, taken, params), program.specs[i], program.latencies[i]))
    latency = max((program.latencies[i] for i in program.outputs), default=0)
    outputs = tuple([until(i, None, latency) for i in program.outputs])  # which may add lines
    return Program(program.numbers, program.leaves, tuple(lines), outputs)


def _hop_of(program: Program, op: Any, i: int) -> int | None:
    """The hop at which line `i` takes its inputs; None where it takes them as they come."""
    if op is pick or isinstance(op, (Rated, Block)):
        return None
    return next((s.hop for s in flat([program.specs[i]]) if s.varies), None)


def _told(program: Program) -> Program:
    """The same, with every op that asks for the sample rate told how many frames lie between the steps that it serves.

    A recurrence, and what sees the whole run, steps at its own hop. What has no memory computes for what it leads to: the
    coefficients of a filter are those of the rate at which the filter runs, however seldom they change. Where it leads to
    recurrences of several hops, it is a line for each. What counts frames is not told: its frames are those of the run.
    """
    first = len(program.leaves)
    serves: list[set[int]] = [set() for _ in program.specs]
    for i in reversed(range(first, len(program.specs))):
        op, args, _ = program.lines[i - first]
        through = isinstance(op, (Pointwise, Rated))
        for a in args:
            serves[a] |= serves[i] if through else {_own_hop(program, i)}
    asks = ["sample_rate" in line.op.injected and "frame" not in line.op.injected for line in program.lines]
    if not any(asks):
        return program
    lines: dict[Line, int] = {}
    new: list[dict[int, int]] = [{} for _ in range(first)]  # of each value, the line for each hop that it serves

    def find(a: int, every: int) -> int:
        return a if a < first else new[a].get(every, next(iter(new[a].values())))

    for i, (op, args, params) in enumerate(program.lines, first):
        through = isinstance(op, (Pointwise, Rated))
        made: dict[int, int] = {}
        for every in (sorted(serves[i]) or [1]) if through else [_own_hop(program, i)]:
            told = (*params, (EVERY, every)) if asks[i - first] and every > 1 else params
            line = Line(op, tuple([find(a, every) for a in args]), told)
            made[every] = lines.setdefault(line, first + len(lines))
        new.append(made)
    return Program(program.numbers, program.leaves, tuple(lines), tuple([find(i, 1) for i in program.outputs]))


def _own_hop(program: Program, i: int) -> int:
    """The hop at which line `i`, which is not pointwise, steps."""
    op, args, _ = program.lines[i - len(program.leaves)]
    if isinstance(op, Block):
        return varying([s for a in args for s in flat([program.specs[a]])]) or 1
    return next((s.hop for s in flat([program.specs[i]]) if s.varies), None) or 1


def run_line(program: Program, ctx: Context, i: int, env: Sequence[Any], state: Any) -> tuple[Any, Any]:
    """Run line `i` of a program that is `rated` over a whole run or a block of a stream: `(state after it, output)`."""
    op, args, params = line = program.lines[i - len(program.leaves)]
    hop: Any = next((s.hop for s in flat([program.specs[i]]) if s.varies), None)
    if op is clock:
        return (clock.after(params, state, ctx.frames), state) if ctx.ahead is None else (state, np.uint32(0))
    if op is pick or (hop is None and not isinstance(op, Block)):
        return programs.run_line(program, ctx, line, env, state)
    run = _run_in_stream if ctx.ahead is None else _run_in_time
    return run(program, ctx, i, line, hop, [env[a] for a in args], env, state)


def _run_in_time(
    program: Program, ctx: Context, i: int, line: Line, hop: Any, inputs: list[Any], env: Any, state: Any
) -> tuple[Any, Any]:
    """One line of a whole run."""
    (op, args, params), specs = line, [program.specs[a] for a in line.args]
    assert ctx.ahead is not None
    if isinstance(op, Block):
        step = next((s.hop for s in specs if s.varies), 1)
        ticks = -(-ctx.frames // step)
        inputs = [x[:ticks] if s.varies else x for x, s in zip(inputs, specs)]
        return state, op.run(ctx._replace(frames=ticks, hop=step), params, inputs, specs)
    frames = ctx.frames + ctx.ahead - program.latencies[i]
    if isinstance(op, Rated):
        (x,), (spec,) = inputs, specs
        x = x if spec.varies else jnp.broadcast_to(x, (ctx.frames + ctx.ahead - program.latencies[args[0]], *spec.shape))
        return state, op.aligned(ctx._replace(frames=frames), params, x, spec)
    ticks = -(-frames // hop)
    inputs = [x[:ticks] if s.varies else x for x, s in zip(inputs, specs)]
    ctx = ctx._replace(frames=ticks, hop=hop, start=np.uint32(0))
    if isinstance(op, Recurrence):
        return solve(op, ctx, params, state, inputs, specs)
    return state, op.run(ctx, params, inputs, specs)


def _run_in_stream(
    program: Program, ctx: Context, i: int, line: Line, hop: Any, inputs: list[Any], env: Any, state: Any
) -> tuple[Any, Any]:
    """One line of a block of a stream."""
    (op, args, params), specs = line, [program.specs[a] for a in line.args]
    latency, now = program.latencies[i], Clock(env[program.clock], ctx.frames)
    if isinstance(op, Block):
        step = next((s.hop for s in specs if s.varies), 1) or 1
        return state, op.run(ctx._replace(frames=now.slots(step), hop=step), params, inputs, specs)
    if isinstance(op, Rated):
        (x,), (spec,) = inputs, specs
        x = x if spec.varies else jnp.broadcast_to(x, (ctx.frames, *spec.shape))
        return op.block(params, now, state, x, spec, program.latencies[args[0]])
    if isinstance(op, Recurrence):
        return _solve_ticks(op, ctx._replace(hop=hop), params, state, inputs, specs, now, latency)
    shift = jnp.asarray(now.offset(hop, latency) - np.int32(latency), jnp.int32).astype(jnp.uint32)
    ctx = ctx._replace(frames=now.slots(hop), start=jnp.asarray(ctx.start, jnp.uint32) + shift, hop=hop)
    return state, op.run(ctx, params, inputs, specs)


def _solve_ticks(
    op: Recurrence, ctx: Context, params: Params, state: Any, inputs: Any, specs: Any, now: Clock, latency: int
) -> tuple[Any, Any]:
    """`solve` for a block of a stream: a step for each tick, none where a slot holds no tick, and none before time 0."""
    hop, slots = ctx.hop, now.slots(ctx.hop)

    def gated():
        full = jnp.where(jnp.arange(slots) < slots - 1, True, now.full(hop, latency))
        live = now.live(hop, latency) & full if latency else full

        def step(state, live, *xs):
            after, y = op.step(ctx._replace(start=0, frames=1), params, state, *xs)
            after = jax.tree.map(lambda a, b: jnp.where(live, a, b), after, state)
            return after, jax.tree.map(lambda y: jnp.where(live, y, jnp.zeros_like(y)), y)

        return scan(step, state, (live, *inputs), (Spec(hop=hop), *specs), slots)

    def plain():
        if isinstance(now.frames, int) and now.frames % hop == 0:
            return solve(op, ctx._replace(frames=slots), params, state, inputs, specs)
        first = [x[:-1] if s.varies else x for x, s in zip(inputs, specs)]
        last = [x[-1] if s.varies else x for x, s in zip(inputs, specs)]
        before, out = solve(op, ctx._replace(frames=slots - 1), params, state, first, specs) if slots > 1 else (state, None)
        end, y = op.step(ctx._replace(frames=1), params, before, *last)
        end = jax.tree.map(ft.partial(jnp.where, now.full(hop, latency)), end, before)
        y = jax.tree.map(lambda y: y[None], y)
        return end, y if out is None else jax.tree.map(lambda a, b: jnp.concatenate([a, b]), out, y)

    if not isinstance(now.frames, int):  # symbolic: what is exported for any number of frames
        return gated() if latency or hop > 1 else solve(op, ctx, params, state, inputs, specs)
    return lax.cond(jnp.uint32(now.start) >= np.uint32(latency), plain, gated) if latency and slots else plain()


def given_out(program: Program, ctx: Context, i: int, env: Sequence[Any]) -> Any:
    """An output: of a whole run without what it looked ahead, of a stream with zeros before its beginning."""
    hop, latency, x = program.specs[i].hop, program.latencies[i], env[i]
    if hop is None:
        return x
    if ctx.ahead is not None:
        return x[: -(-ctx.frames // hop)]
    live = Clock(env[program.clock], ctx.frames).live(hop, latency)
    return jnp.where(beside(live, x), x, jnp.zeros_like(x)) if latency else x


def came(y: np.ndarray, program: Program, i: int, start: int, frames: int, batched: bool) -> np.ndarray:
    """Of the slots of a block of output `i`, those that hold a tick."""
    count = ticks(program, i, start, frames)
    return y[:, :count] if batched else y[:count]


def ticks(program: Program, i: int, start: int, frames: int) -> int | None:
    """How many values of output `i` fall into a block of a stream; None where it has as many as there are frames."""
    hop, latency = program.specs[i].hop, program.latencies[i]
    if hop in (None, 1):
        return None
    return -(-(start + frames - latency) // hop) - -(-(start - latency) // hop)
