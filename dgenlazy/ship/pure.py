"""A program as a pure function of plain arrays and a state, cut into blocks or whole, and compiled."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError, ShapeError
from ..graph import Batch, Spec
from ..run import Program, initial_state, kept, memory, run, runtime, samples


def pure(
    program: Program, own: tuple[bool, ...], settings: runtime.Settings, batch: Batch | None, frames: Any, whole: bool = False
) -> Any:
    """`(numbers, arrays, start) -> (run, fresh)`: a block as `state -> (outputs, state)`, and what makes the first state.

    `own` are the arrays that are samples of the graph, to be cut to the block; a `start` of None is the first frame. In a batch
    outputs and state have the batch axis, every array of them.
    """

    def block(numbers, arrays, start):
        if not whole:
            specs, beyond = program.leaves[program.numbers :], program.latency
            arrays = [_cut(x, spec, start, frames, beyond) if cut else x for x, spec, cut in zip(arrays, specs, own)]
            arrays = [_filled(x, spec, frames) for x, spec in zip(arrays, specs)]
        start, ahead = jnp.uint32(0) if start is None else start, program.latency if whole else None
        ctx = runtime.context(settings.sample_rate, frames, start, settings.where, batch, ahead)
        ctx = ctx._replace(one_device=_one_device(settings.where))

        def run_block(arrays, state):
            outputs, state = run(program, ctx, samples.unpack(program, ctx, numbers, arrays), state)
            return runtime.whole(program, outputs, frames), state

        def fresh(arrays):
            return initial_state(program, ctx, samples.unpack(program, ctx, numbers, arrays))

        if batch:
            axes = list(batch.axes)
            run_block, fresh = jax.vmap(run_block, (axes, 0)), jax.vmap(fresh, (axes,))
        return ft.partial(run_block, arrays), ft.partial(fresh, arrays)

    return block


def one_block(program: Program, own: tuple[bool, ...], settings: runtime.Settings, batch: Batch | None, frames: int) -> Any:
    """`(numbers, arrays, state) -> (outputs, state)`, states as users have them."""
    block = pure(program, own, settings, batch, frames)

    def fn(numbers, arrays, state):
        run_block, fresh = block(numbers, arrays, None if state is None else state["position"])
        start = jnp.uint32(0) if state is None else jnp.asarray(state["position"], jnp.uint32)
        outputs, recurrences = run_block(fresh() if state is None else _state(state, fresh))
        return outputs, {"position": start + jnp.uint32(frames), "recurrences": recurrences}

    return fn


def aligned(program: Program, own: tuple[bool, ...], settings: runtime.Settings, batch: Batch | None, frames: int) -> Any:
    """`(numbers, arrays, None) -> (outputs, None)`, of a whole run."""
    block = pure(program, own, settings, batch, frames, whole=True)

    def fn(numbers, arrays, state):
        run_block, fresh = block(numbers, arrays, None)
        return run_block(fresh())[0], state

    return fn


@kept
def compiled(
    make: Any, program: Program, own: tuple[bool, ...], of: runtime.Settings, batch: Batch | None, frames: int, shapes: Any
) -> Any:
    """What `make` makes, for arrays of these shapes."""
    return memory.fitted(jax.jit(make(program, own, of, batch, frames)), program, frames, of.where, batch)


def _state(state: Any, fresh: Callable[[], Any]) -> Any:
    """The state of the recurrences, if it is of the shapes that this graph, and this batch, has."""
    (given, shape), (own, wanted) = (jax.tree.flatten(x) for x in (state["recurrences"], jax.eval_shape(fresh)))
    if shape != wanted or [np.shape(x) for x in given] != [x.shape for x in own]:
        shapes = (", ".join(str(np.shape(x)) for x in leaves) or "nothing" for leaves in (given, own))
        raise ShapeError("function: the state is of another graph or batch: it holds {}, not {}".format(*shapes))
    for x, wants in zip(given, own):
        if jnp.issubdtype(jnp.result_type(x), jnp.inexact) != jnp.issubdtype(wants.dtype, jnp.inexact):
            raise ArgumentError(f"function: the state holds {jnp.result_type(x)} where {wants.dtype} belongs")
    return state["recurrences"]


def _filled(rows: Any, spec: Spec, count: Any) -> Any:
    """Ticks of a block, and one more that is not used where it holds one less than it could: all blocks are one program."""
    if not (spec.varies and isinstance(count, int)) or spec.hop == 1:
        return rows
    axis = rows.ndim - len(spec.shape) - 1
    missing = -(-count // spec.every) - rows.shape[axis]
    return jnp.pad(rows, [(0, max(missing, 0) * (i == axis)) for i in range(rows.ndim)]) if missing > 0 else rows


def _cut(samples: Any, spec: Spec, start: Any, count: Any, beyond: int) -> Any:
    """The samples of a block. For `beyond` frames past their end they are 0, or the last tick again; then there is nothing to
    play, and no error to raise where `start` is traced: NaN."""
    hop, axis = spec.every, samples.ndim - len(spec.shape) - 1
    slots, rows = -(-count // hop), samples.shape[axis]
    if start is None and isinstance(slots, int) and slots <= rows:
        return jax.lax.slice_in_dim(samples, 0, slots, axis=axis)
    first = (jnp.asarray(0 if start is None else start, jnp.uint32) + np.uint32(hop - 1)) // np.uint32(hop)
    at = first + jnp.arange(slots, dtype=jnp.uint32)
    if beyond:
        size = [(0, -(-beyond // hop) * (i == axis)) for i in range(samples.ndim)]
        samples = jnp.pad(samples, size, mode="edge") if hop > 1 and rows else jnp.pad(samples, size)
    place = (slice(None),) * axis + (at,)
    return samples.at[place].get(mode="fill", fill_value=jnp.nan, indices_are_sorted=True, unique_indices=True)


def _one_device(where: Any) -> bool:
    """Whether a batch is sure to be on one device: where there are more, a user's `jit` may spread it over them."""
    return not isinstance(where, jax.Device) or where.client.device_count() == 1
