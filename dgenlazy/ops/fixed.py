"""Whole numbers of many bits, as words of 32, the most significant first.

Their sums wrap by themselves, are exact, and do not depend on the order in which they are taken: phases and positions made of
them are the same after hours, in whatever blocks.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Words = tuple[Any, ...]


def added(a: Words, b: Words) -> Words:
    """The sum, without what carries out of the first word."""
    out, carry = [], None
    for x, y in zip(a[::-1], b[::-1]):
        total = x + y
        over = total < x
        if carry is not None:
            total = total + carry
            over = over | (total < carry)
        out.append(total)
        carry = over.astype(jnp.uint32)
    return tuple(out[::-1])


def negative(a: Words) -> Words:
    """What adds up to 0 with it."""
    zero = jnp.zeros_like(a[0])
    return added(tuple(~x for x in a), (*[zero] * (len(a) - 1), zero + 1))


def fraction(x: Any) -> Words:
    """`x` in [0, 1) in units of 2**-64."""
    units = x * 2.0**32
    high = jnp.floor(units)
    return high.astype(jnp.uint32), ((units - high) * 2.0**32).astype(jnp.uint32)


def times(a: Words, k: Any) -> Words:
    """Two words times the uint32 `k`, modulo 2**64; by halves, since a product of two uint32 does not fit into one."""
    high, low = a
    low1, low0, k1, k0 = low >> 16, low & 0xFFFF, k >> 16, k & 0xFFFF
    cross1, cross0 = low1 * k0, low0 * k1
    middle = ((low0 * k0) >> 16) + (cross1 & 0xFFFF) + (cross0 & 0xFFFF)
    return high * k + low1 * k1 + (cross1 >> 16) + (cross0 >> 16) + (middle >> 16), low * k


_ROW = 256  # frames whose sums are taken one by one; with 16 bits each they stay within 32


def running(a: Words) -> Words:
    """Two words' sums of the first 1, 2, ... along the first axis, modulo 2**64.

    For what runs in parallel: a few passes over rows of frames, where a scan in log(frames) steps takes dozens.
    """
    frames, shape = a[0].shape[0], a[0].shape[1:]
    if not frames:
        return a
    rows = -(-frames // _ROW)
    halves = jnp.stack([half for word in a[::-1] for half in (word & 0xFFFF, word >> 16)])
    halves = jnp.pad(halves, [(0, 0), (0, rows * _ROW - frames)] + [(0, 0)] * len(shape))
    by_row = _in_rows(halves.reshape(4, rows, _ROW, *shape), 2)
    carry, out = jnp.zeros_like(by_row[0]), []
    for half in by_row:
        out.append((half + carry) & 0xFFFF)
        carry = (half + carry) >> 16
    sums = out[3] << 16 | out[2], out[1] << 16 | out[0]
    if rows > 1:
        before = running(tuple(x[:-1, -1] for x in sums))
        sums = added(tuple(jnp.pad(x, [(1, 0)] + [(0, 0)] * len(shape))[:, None] for x in before), sums)
    return tuple(x.reshape(-1, *shape)[:frames] for x in sums)


def running_float(x: Any) -> Any:
    """The same of numbers."""
    frames, shape = x.shape[0], x.shape[1:]
    if not frames:
        return x
    rows = -(-frames // _ROW)
    padded = jnp.pad(x, [(0, rows * _ROW - frames)] + [(0, 0)] * len(shape))
    sums = _in_rows(padded.reshape(rows, _ROW, *shape), 1)
    if rows > 1:
        before = running_float(sums[:-1, -1])
        sums = sums + jnp.pad(before, [(1, 0)] + [(0, 0)] * len(shape))[:, None]
    return sums.reshape(-1, *shape)[:frames]


def _in_rows(x: Any, axis: int) -> Any:
    """Sums of the first 1, 2, ... along one axis, each taken by itself."""
    window = [x.shape[i] if i == axis else 1 for i in range(x.ndim)]
    padding = [(w - 1, 0) for w in window]
    return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, window, (1,) * x.ndim, padding)
