"""Loops over frames, one after another, in the shapes that XLA runs fast on a CPU.

XLA:CPU compiles a `while` loop to a single piece of machine code if one iteration touches at most so many bytes, by default
about a kilobyte: see `limit`. Beyond it, each operation of the body becomes a call, and an iteration costs several times as
much (measured with jax 0.10: 8 lanes of a biquad 1 ms for 44,100 frames, 16 lanes 5 ms). So where the limit is not raised, few
lanes that are independent of each other are run tile by tile, and a loop that touches little does several frames in an
iteration, which saves what an iteration costs by itself.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .analysis import cheap, reads
from .batch_rule import axes_of, of_all, one_by_one, with_batch_rule
from .frames import CROWDED, by_pieces, ends_of, inside, over_frames, unwritten, whole
from .lanes import FILLED, is_column, laid_out, parts_of, rows, works
from .limit import limit
from .rising import Rising
from .summing import Summing

# What XLA counts for an iteration, fitted to where loops of 1 to 8 states became slow at a limit of 1024 bytes.
_SMALL = 1000 / 1024  # of the limit
_STATE, _READ_STATE, _READ_INPUT, _READ_BASE, _OUTPUT, _SHOW_BASE = 24.0, 4.0, 4.6, 9.2, 12.0, 4.0  # bytes per lane
_MOST_TILES, _MOST_COSTLY_TILES = 4, 6  # with more, one wide loop is faster
_COSTLY = 1.4  # times as many lanes of a costly body: it keeps what it makes, and reads less than it depends on
_MOST_EXAMPLES = 16  # at a time
_FEW_ARRAYS = 2  # of a loop over examples
_MOST_LINES = 40  # that a cache holds of what is `CROWDED`: one of each array and example
_MOST_WRITTEN, _MOST_PAGES = 32, 96  # places in memory at a time, one of each array and example: as many as a core knows pages
_SMALL_UNROLLED = 700.0  # bytes, of several frames in an iteration: what XLA counts then is less certain


def loop(
    body: Callable[[Any, Any, Any], tuple[Any, Any]],
    carry: Any,
    moving: Any,
    fixed: Any,
    frames: int,
    lanewise: bool,
    reverse: bool,
    apart: bool = False,
    at_once: int | None = None,
) -> tuple[Any, Any]:
    """`body(carry, moving, fixed) -> (carry, output)` for every frame: `(carry after the last, outputs)`.

    Args:
        moving: Arrays with the frame axis first.
        fixed: Arrays that are the same in every frame.
        lanewise: Whether lanes may be run apart on a CPU: then all of `carry` and the outputs have one shape, and the
            body works on any part of it.
        reverse: From the last frame to the first; outputs stay where they belong.
        apart: Whether the examples of a batch, under `vmap`, may be run apart: then the body works on each number by itself,
            and all examples are on one CPU.
        at_once: How many frames an iteration is of, where that has been measured.
    """

    def together(carry, moving, fixed):
        return _together(body, carry, moving, fixed, frames, lanewise, reverse, at_once)

    run = _apart(together, body, frames, reverse) if apart and frames else together
    return run(carry, moving, fixed)


def _together(
    body: Any, carry: Any, moving: Any, fixed: Any, frames: int, lanewise: bool, reverse: bool, at_once: int | None
) -> tuple[Any, Any]:
    first, same = inside(body, carry, fixed)
    tile = _tile(body, first, moving, same) if lanewise and frames else 0
    if tile and works(body, laid_out(body, tile, carry, moving), first, moving, same):
        return _tiled(body, carry, moving, fixed, frames, tile, reverse)
    if at_once is None:
        at_once = min(_unroll(body, first, moving, same), 4 if frames > 1024 else 2) if lanewise and frames else 1
    shape = jax.tree.leaves(first)[0].shape
    laid = laid_out(body, shape[0], carry, moving) if lanewise and frames and len(shape) == 1 else shape
    if laid == shape or not works(body, laid, first, moving, same):
        return whole(body, carry, moving, fixed, frames, reverse, at_once, lambda x: x)

    def turned(x):
        return x.reshape(laid if x.size > 1 else ())

    carry, fixed = jax.tree.map(turned, (carry, fixed))
    ends, outputs = whole(body, carry, moving, fixed, frames, reverse, at_once, turned)
    return jax.tree.map(lambda x: x.reshape(shape), ends), jax.tree.map(lambda x: x.reshape(frames, *shape), outputs)


def _tile(body: Any, carry: Any, moving: Any, fixed: Any) -> int:
    """How many lanes to run at a time; 0 for all."""
    leaves, inputs = jax.tree.leaves(carry), jax.tree.leaves(moving)
    lanes = leaves[0].size
    if lanes < 2 or leaves[0].ndim != 1:  # a part of lanes on several axes would have another rank
        return 0
    now = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), moving)
    tile = _fitting(body, carry, now, fixed, [math.prod(x.shape[1:]) > 1 for x in inputs])
    most = (_MOST_TILES if cheap(body, carry, now, fixed) else _MOST_COSTLY_TILES) * tile
    return tile if tile < lanes <= most else 0


def room(body: Any, carry: Any, moving: Any, fixed: Any) -> int:
    """How many frames of all lanes fit in an iteration, of a loop or of its few tiles; 0 where one is too many."""
    first, same = inside(body, carry, fixed)
    now = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), moving)
    wide = [math.prod(x.shape) > 1 for x in jax.tree.leaves(now)]
    frames = _fitting(body, first, now, same, wide) // jax.tree.leaves(first)[0].size
    return frames or int(_tile(body, first, moving, same) > 0)


def side_by_side(body: Any, carry: Any, moving: Any, fixed: Any) -> int:
    """How many numbers of each state fit in an iteration."""
    now = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), moving)
    return _fitting(body, carry, now, fixed, [True] * len(jax.tree.leaves(now)))


def _fitting(body: Any, carry: Any, now: Any, fixed: Any, wide: list[bool]) -> int:
    """How many lanes an iteration may be of: a power of two, which fills vectors; 0 where one is too many."""
    needs, states = reads(body, carry, now, fixed), len(jax.tree.leaves(carry))
    own, bases = {states + i for i, w in enumerate(wide) if w}, _bases(body, carry, now, fixed)
    touched = _OUTPUT * (len(needs) - states) + _SHOW_BASE * sum(len(need & bases) for need in needs[states:])
    for need in needs[:states]:
        touched += _STATE + _READ_STATE * sum(i < states for i in need)
        touched += _READ_INPUT * len(need & own) + _READ_BASE * len(need & bases)
    fits = _SMALL * limit() / touched * (1.0 if cheap(body, carry, now, fixed) else _COSTLY)
    return 2 ** int(math.log2(fits)) if fits >= 1 else 0


def _bases(body: Any, carry: Any, now: Any, fixed: Any) -> set[int]:
    """Which of what a body takes, in order, is where its states are counted from."""
    count, states = len(jax.tree.leaves((carry, now, fixed))), carry[0] if isinstance(body, Summing) else carry
    rises = isinstance(body, Rising) or (isinstance(body, Summing) and body.rises)
    return set(range(count - len(jax.tree.leaves(states)), count)) if rises else set()


def _unroll(body: Any, carry: Any, moving: Any, fixed: Any) -> int:
    """How many frames to run in an iteration."""
    leaves = jax.tree.leaves(carry)
    states, lanes = len(leaves), leaves[0].size
    now = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), moving)
    if _OUTPUT * states * lanes > _SMALL_UNROLLED or not cheap(body, carry, now, fixed):
        return 1
    needs = reads(body, carry, now, fixed)
    inputs, bases = range(states, states + len(jax.tree.leaves(moving))), _bases(body, carry, now, fixed)

    def touched(frames):
        ends: list[frozenset[Any]] = [frozenset([i]) for i in range(states)]
        outputs: list[frozenset[Any]] = [frozenset()] * (len(needs) - states)
        for n in range(frames):
            reached = [frozenset().union(*[ends[i] if i < states else [(i, n)] for i in need]) for need in needs]
            ends, outputs = reached[:states], [o | r for o, r in zip(outputs, reached[states:])]

        def read(found):
            own = sum(1 for i in found if not isinstance(i, tuple))
            base = len({i[0] for i in found if isinstance(i, tuple)} & bases)
            moved = sum(1 for i in found if isinstance(i, tuple) and i[0] in inputs)
            return _READ_STATE * own + _READ_INPUT * moved + _READ_BASE * base

        return lanes * (sum(_STATE + read(e) for e in ends) + sum(_OUTPUT + 4.0 * frames + read(o) for o in outputs))

    most = max(_SMALL_UNROLLED, _SMALL * limit() / 2) if FILLED // 2 <= states * lanes <= 4 * FILLED else _SMALL_UNROLLED
    return next((n for n in (4, 2) if touched(n) <= most), 1)


def _tiled(body: Any, carry: Any, moving: Any, fixed: Any, frames: int, tile: int, reverse: bool) -> tuple[Any, Any]:
    shape = jax.tree.leaves(carry)[0].shape
    lanes, laid = math.prod(shape), laid_out(body, tile, carry, moving)
    column = laid[1:]
    carry = jax.tree.map(lambda x: x.reshape(lanes, *column), carry)
    moving, fixed = jax.tree.map(lambda x: rows(x, shape), moving), jax.tree.map(lambda x: rows(x[None], shape), fixed)
    first, same = inside(body, carry, jax.tree.map(lambda x: x[0], fixed))
    made = jax.eval_shape(body, *parts_of(laid, first, moving, same))[1]
    outputs = unwritten(jax.tree.map(lambda x: jax.ShapeDtypeStruct((lanes, *column), x.dtype), made), (frames,), reverse)

    def at(x, n, lane):
        alone = x.ndim == 1
        row = lax.dynamic_index_in_dim(x, n, keepdims=False) if alone else lax.dynamic_slice(x, (n, lane), (1, tile))
        return row if alone else row.reshape(laid)

    def group(g, held):
        ends, outputs = held
        lane = jnp.minimum(g * tile, lanes - tile)  # the last tile may run some lanes again
        first = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, lane, tile), carry)
        same = jax.tree.map(lambda x: at(x, 0, lane), fixed)

        def at_frame(n):
            return jax.tree.map(lambda x: at(x, n, lane), moving)

        def put(all_, x, n):
            return lax.dynamic_update_slice(all_, x[None], (n, lane, *(0,) * len(column)))

        last, outputs = over_frames(body, ends_of(body), (first, outputs), at_frame, put, same, frames, reverse)
        return jax.tree.map(lambda all_, x: lax.dynamic_update_slice_in_dim(all_, x, lane, 0), ends, last), outputs

    ends, outputs = lax.fori_loop(0, -(-lanes // tile), group, (carry, outputs))
    return jax.tree.map(lambda x: x.reshape(shape), ends), jax.tree.map(lambda x: x.reshape(frames, *shape), outputs)


# The examples of a batch. `vmap` has a loop run all of them side by side in an iteration, for which every array is turned to
# have the frame axis first: both are slow. So a few at a time are run where they lie.


def _apart(together: Any, body: Any, frames: int, reverse: bool) -> Any:
    """`together(carry, moving, fixed)`, which runs `body`; under `vmap`, or one in another, a few examples at a time."""

    def rule(size, batched, carry, moving, fixed):
        carry = jax.tree.map(lambda x, b: x if b else jnp.broadcast_to(x, (size, *x.shape)), carry, batched[0])
        one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), carry)
        now = jax.tree.map(lambda x, b: jax.ShapeDtypeStruct(x.shape[1 + b :], x.dtype), moving, batched[1])
        same = jax.tree.map(lambda x, b: jax.ShapeDtypeStruct(x.shape[b:], x.dtype), fixed, batched[2])
        one, same = inside(body, one, same)
        lanes = jax.tree.leaves(one)[0].size
        fits = _fitting(body, one, now, same, jax.tree.leaves(batched[1])) // max(lanes, 1)
        made = jax.eval_shape(body, one, now, same)[1]
        axes = axes_of((True, *batched[1:]))
        # A few of a costly body take as long as many, but the states of every frame would have to be turned back.
        states_kept = len(jax.tree.leaves(made)) >= len(jax.tree.leaves(one))
        if not lanes or (fits < min(size, FILLED) and not states_kept and not cheap(body, one, now, same)):
            return jax.vmap(together, axes)(carry, moving, fixed)
        if not fits:
            return jax.vmap(one_by_one(together), axes)(carry, moving, fixed)
        outputs = unwritten(made, (size, frames), reverse)
        tile, written = min(size, fits, _MOST_EXAMPLES), len(jax.tree.leaves(made))
        arrays = written + sum(jax.tree.leaves(batched[1]))
        if cheap(body, one, now, same):  # and so waits for memory
            tile = tile if arrays <= _FEW_ARRAYS else min(tile, FILLED)
        elif tile > FILLED // 2:
            tile = 2 ** int(math.log2(tile))  # which fills vectors
            if written > _MOST_WRITTEN // tile or arrays > _MOST_PAGES // tile:
                tile = min(tile, FILLED)
        groups = ft.partial(_by_groups, body, frames, tile, reverse, batched)
        return one_by_one(groups)(carry, moving, fixed, outputs)

    return with_batch_rule(together, of_all(rule))


def _by_groups(
    body: Any, frames: int, tile: int, reverse: bool, batched: Any, carry: Any, moving: Any, fixed: Any, outputs: Any
) -> tuple[Any, Any]:
    """`tile` examples at a time; arrays have the axis of the examples before that of the frames, but those not `batched`."""
    size = jax.tree.leaves(carry)[0].shape[0]
    arrays = sum(jax.tree.leaves(batched[1])) + len(jax.tree.leaves(outputs))
    # Of many arrays whose examples lie apart, vectors would take longer to fetch than numbers.
    column = jax.tree.leaves(carry)[0].ndim == 1 and is_column(tile) and (tile <= FILLED or arrays <= _FEW_ARRAYS)
    axes = (0, *axes_of(batched[1:]))
    ends = ends_of(body)
    many = body
    for _ in range(1 + column):
        many = jax.vmap(many, (*axes[:2], (axes[2], 0)) if ends else axes)
        ends = ends and (jax.vmap(ends[0], axes), ends[1])

    def widened(x, axis=1):
        return jnp.expand_dims(x, axis) if column else x

    def narrowed(x, axis=1):
        return x.squeeze(axis) if column else x

    def part(x, at):
        return lax.dynamic_slice_in_dim(x, at, tile)

    def group(g, held):
        at = jnp.minimum(g * tile, size - tile)  # the last group may run some examples again
        same = jax.tree.map(lambda x, b: widened(part(x, at)) if b else x, fixed, batched[2])

        def near(n, count):
            def own(x, b):
                if not b:
                    return lax.dynamic_slice_in_dim(x, n, count)
                own = lax.dynamic_slice(x, (at, n, *(0,) * (x.ndim - 2)), (tile, count, *x.shape[2:])).swapaxes(0, 1)
                return widened(own, 2)

            return jax.tree.map(own, moving, batched[1])

        def at_frame(n):
            return jax.tree.map(lambda x: x[0], near(n, 1))

        def put(all_, x, n):
            return put_near(all_, x[None], n)

        def put_near(all_, x, n):
            return lax.dynamic_update_slice(all_, narrowed(x, 2).swapaxes(0, 1), (at, n, *(0,) * (all_.ndim - 2)))

        first = jax.tree.map(lambda x: widened(part(x, at)), carry)
        if frames % CROWDED == 0 and tile * arrays > _MOST_LINES:
            last, outputs = by_pieces(many, ends, (first, held[1]), near, put_near, same, frames, reverse)
        else:
            last, outputs = over_frames(many, ends, (first, held[1]), at_frame, put, same, frames, reverse)
        return jax.tree.map(lambda x, y: lax.dynamic_update_slice_in_dim(y, narrowed(x), at, 0), last, held[0]), outputs

    return lax.fori_loop(0, -(-size // tile), group, (carry, outputs))
