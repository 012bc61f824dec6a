"""Ops that change the rate, frame by frame: what they keep lies in rings, and what comes seldom is computed when it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...graph import Clock
from ...ops import laid_together, late, windows_of
from .regions import inside


def lowered(step: Any, i: int, start: Any) -> Any:
    """The output of line `i` of a step."""
    op, args, _ = step.program.lines[i - len(step.program.leaves)]
    spec, x = step.program.specs[args[0]], args[0]
    if op is windows_of:
        return _windows(step, i, x)
    if op is laid_together and spec.every > 1:
        return _overlap_add(step, i, x, spec)
    if op is late and spec.every == 1:
        return _late(step, i, x)
    held = step.places(start)
    ticks = spec.every, step.program.latencies[x]
    if ticks[0] > 1 and jax.tree.leaves(held):  # its state changes where it is given a tick
        due = step.due(ticks)
        with inside(step.made) as region:
            step.named(i)
            state = step.traced(i, held)[0]
        pairs = zip(jax.tree.leaves(held), jax.tree.leaves(state), strict=True)
        out = _at_ticks(step, i, lambda: step.traced(i, held)[1])
        step.guarded(due, region, list(pairs))
        return out
    if jax.tree.leaves(held):
        step.becomes(held, step.traced(i, held)[0])
    return _at_ticks(step, i, lambda: step.traced(i, held)[1])


def _at_ticks(step: Any, i: int, make: Callable[[], Any]) -> Any:
    """An output, computed at its ticks alone."""
    hop = step.program.specs[i].every
    if hop == 1:
        return make()
    due = step.due((hop, step.program.latencies[i]))
    with inside(step.made) as region:
        step.named(i)
        out = make()
    return step.guarded(due, region, [(step.held(out.shape, out.dtype), out)])[0]


def _turned(rate: float, at: Any, size: int) -> Any:
    return jnp.where(at + 1 == size, 0, at + 1).astype(jnp.int32)


def _put(rate: float, ring: Any, x: Any, at: Any) -> Any:
    return lax.dynamic_update_slice_in_dim(ring, x[None], at, 0)


def _around(at: Any, size: int) -> Any:
    """All places of a ring, from `at` on."""
    place = at + jnp.arange(size, dtype=jnp.int32)
    return jnp.where(place >= size, place - size, place)


def _windows(step: Any, i: int, source: int) -> Any:
    given = dict(step.params_of(i))
    size, latency = given["size"], step.program.latencies[source]
    x, now = step.now(source), step.now(step.program.clock)
    if latency:
        x = step.made.traced(lambda rate, now, x: jnp.where(Clock(now, 1).live(1, latency)[0], x, 0), now, x)
    ring, at = step.zeros((size, *x.shape), x.dtype), step.zeros((), np.int32)
    full = step.made.traced(_put, ring, x, at)
    step.becomes((ring, at), (full, step.made.traced(lambda rate, at: _turned(rate, at, size), at)))

    def window(rate, full, at):
        return jnp.moveaxis(full.at[_around(_turned(rate, at, size), size)].get(mode="promise_in_bounds"), 0, -1)

    return _at_ticks(step, i, lambda: step.made.traced(window, full, at))


def _overlap_add(step: Any, i: int, source: int, spec: Any) -> Any:
    op, _, params = step.program.lines[i - len(step.program.leaves)]
    size, latency = spec.shape[-1], step.program.latencies[source]
    ring, at = step.zeros((size, *spec.shape[:-1]), spec.dtype), step.zeros((), np.int32)
    due, now, w = step.due((spec.every, latency)), step.now(step.program.clock), step.now(source)

    def added(rate, ring, at, w, now):
        w = jnp.moveaxis(jnp.where(Clock(now, 1).live(spec.every, latency)[0], w, 0), -1, 0)
        place = jnp.arange(size, dtype=jnp.int32) - at
        return ring + w.at[jnp.where(place < 0, place + size, place)].get(mode="promise_in_bounds")

    with inside(step.made) as region:
        step.named(i)
        total = step.made.traced(added, ring, at, w, now)
    (total,) = step.guarded(due, region, [(ring, total)])
    step.named(i)

    def out(rate, total, at, now):
        y = lax.dynamic_index_in_dim(total, at, keepdims=False)
        return op.scaled(params, spec, latency, Clock(now, 1), y[None])[0]

    y = step.made.traced(out, total, at, now)
    after = step.made.traced(lambda rate, ring, at: _put(rate, ring, jnp.zeros(ring.shape[1:], ring.dtype), at), total, at)
    step.becomes((ring, at), (after, step.made.traced(lambda rate, at: _turned(rate, at, size), at)))
    return y


def _late(step: Any, i: int, source: int) -> Any:
    size, x = dict(step.params_of(i))["frames"], step.now(source)
    ring, at = step.zeros((size, *x.shape), x.dtype), step.zeros((), np.int32)
    y = step.made.traced(lambda rate, ring, at: lax.dynamic_index_in_dim(ring, at, keepdims=False), ring, at)
    after = step.made.traced(_put, ring, x, at)
    step.becomes((ring, at), (after, step.made.traced(lambda rate, at: _turned(rate, at, size), at)))
    return y
