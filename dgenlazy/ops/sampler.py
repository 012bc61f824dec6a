"""Reading a recording at a position that moves on by itself."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from ..config import flag
from ..errors import ArgumentError, ShapeError
from ..graph import composite, lift, outputs_of, parts, pointwise, recurrence
from .fixed import added, fraction, negative
from .slopes import between

# A position is kept as a whole number of rows and a fraction in units of 2**-64 rows. In a loop the rows are counted modulo
# their number, in one word; else in two, so that it does not come back in a thousand years.


@pointwise
def rows_in_words(*rows, modulus):
    """A number of rows, given in parts that are to be added up, as words; with a `modulus` the first counts modulo it."""
    none = jnp.zeros_like(rows[0], jnp.uint32)
    total = (none, none, none) if modulus else (none, none, none, none)
    for part in rows:
        size = jnp.abs(part)
        whole = jnp.floor(size)
        bits = fraction(size - whole)
        whole = jnp.mod(whole, modulus) if modulus else jnp.minimum(whole, 2.0**31)
        words = (whole.astype(jnp.uint32), *bits) if modulus else (none, whole.astype(jnp.uint32), *bits)
        total = moved(total, tuple(jnp.where(part < 0, b, w) for w, b in zip(words, _back(words, modulus))), modulus)
    return total


def _back(words, modulus):
    first, *rest = negative(words)
    return (first + jnp.uint32(modulus) if modulus else first, *rest)


def moved(position, step, modulus):
    """A position a step on."""
    first, *rest = added(position, step)
    return (jnp.where(first >= modulus, first - jnp.uint32(modulus), first) if modulus else first, *rest)


def _row(words, drift, rows, modulus):
    """The row at or before a position, and how far it is to the next. Where there is none the row is -1 or `rows`."""
    *whole, high, low = words
    if modulus:
        row = whole[0].astype(jnp.int32)
    else:
        upper, lower = whole
        last = jnp.uint32(0xFFFFFFFF)
        inside = (upper == 0) & (lower < rows)
        row = jnp.where(inside, lower.astype(jnp.int32), jnp.where((upper == last) & (lower == last), -1, rows))
    part = (low.astype(drift.dtype) * 2.0**-32 + high.astype(drift.dtype)) * 2.0**-32
    return row.astype(jnp.int32), part + drift


def _first(*values, rows, modulus):
    *start, drift = values[len(values) // 2 :]
    shape = jnp.broadcast_shapes(*(v.shape for v in values))
    drift = drift - lax.stop_gradient(drift) + jnp.zeros_like(values[len(values) // 2 - 1])
    return tuple(jnp.broadcast_to(x, shape) for x in (*start, drift))


@recurrence(init=_first, every_frame=True)
def position(state, *values, rows, modulus):
    """Where a reader is in each frame: the row, and how far it is to the next.

    `values` are its step and where it starts, each in words and as a float. `drift` is always 0. It carries what integers
    cannot: the gradients, and NaN where a speed was not finite.
    """
    *words, drift = state
    *step, speed = values[: len(state)]
    end = moved(tuple(words), tuple(step), modulus)
    return (*end, drift + (speed - lax.stop_gradient(speed))), _row(words, drift, rows, modulus)


@position.parallel
def _(state, *values, rows, modulus, frames):
    def add(a, b):
        return *moved(a[:-1], b[:-1], modulus), a[-1] + b[-1]

    *step, speed = (jnp.broadcast_to(v, (frames, *state[0].shape)) for v in values[: len(state)])
    after = add(state, lax.associative_scan(add, (*step, speed - lax.stop_gradient(speed))))
    *words, drift = (jnp.concatenate([s[None], a[:-1]]) for s, a in zip(state, after))
    return tuple(a[-1] for a in after), _row(words, drift, rows, modulus)


@pointwise
def rows_between(x, row, part, *, loop):
    """A table at a row and a part of the way to the next. Beyond the ends there is silence, or the table again."""
    part = jnp.reshape(part, part.shape + (1,) * (x.ndim - 1))

    def at(row):
        if loop:
            return x[row % len(x)]
        inside = jnp.reshape((row >= 0) & (row < len(x)), part.shape)
        return jnp.where(inside, x[jnp.clip(row, 0, len(x) - 1)], jnp.zeros((), x.dtype))

    return between(at(row), at(row + 1), part)


@composite
def read(table: Any, speed: Any, start: Any = 0.0, loop: bool = True) -> Any:
    """A sampler: reads a recording from row `start` on, `speed` rows further in each frame, by linear interpolation.

    The position is kept as a whole row and a fraction of 64 bits, so that it is exact after hours; `peek_row` of a phasor keeps
    24 bits in all.

    Args:
        table: The recording, `(rows,)`, or `(rows, *lanes)` for several channels: a Tensor.
        speed: Rows per frame: 1 plays a recording of the same rate as it was, 0.5 an octave lower, -1 backwards. A number,
            Tensor, Signal or SignalTensor; numbers are taken as the float64 that they are. One at a hop is held until its
            next tick: a sampler runs at every frame, as a phasor does.
        start: The row of frame 0, fractions allowed: a number or a Tensor. It must not vary from frame to frame.
        loop: Whether the last row leads to the first. Else there is silence beyond the ends, towards which the row at an end
            fades within one row; a position that comes back is heard again.

    Returns:
        Shape `(*speed.shape, *lanes)`. The gradient goes to the table, to the speed and to the start.

    Raises:
        ShapeError: the table is a single number or has no rows. ArgumentError: the start varies.

    >>> Tensor([0, 1, 2, 3]).read(1.5).realize(4)
    array([0. , 1.5, 3. , 0.5], dtype=float32)
    >>> Tensor([1, 2, 3]).read(-1.0, start=1, loop=False).realize(4)
    array([2., 1., 0., 0.], dtype=float32)
    """
    table = lift(table, "read: table")
    if not table.spec.shape or not table.spec.shape[0]:
        raise ShapeError("read: the table has no rows")
    speed, start = parts(speed, "read: speed"), parts(start, "read: start")
    if start[0].spec.varies:
        raise ArgumentError("read: start varies from frame to frame; it must be a number or a Tensor")
    rows = table.spec.shape[0]
    modulus = rows if flag("read: loop", loop) else 0
    step, first = (outputs_of(rows_in_words(*x, modulus=modulus)) for x in (speed, start))
    row, part = outputs_of(position(*step, speed[0], *first, start[0], rows=rows, modulus=modulus))
    return rows_between(table, row, part, loop=modulus > 0)
