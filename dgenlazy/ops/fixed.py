"""Whole numbers of many bits, as words of 32, the most significant first.

Their sums wrap by themselves, are exact, and do not depend on the order in which they are taken: phases and positions made of
them are the same after hours, in whatever blocks.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

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


def summed(a: Words) -> Words:
    """The sum of two words along the first axis, modulo 2**64, of up to 2**16 of them."""
    high, low = a
    low0, low1 = (jnp.sum(half, 0, dtype=jnp.uint32) for half in (low & 0xFFFF, low >> 16))
    upper = low1 + (low0 >> 16)
    return jnp.sum(high, 0, dtype=jnp.uint32) + (upper >> 16), (upper << 16) + (low0 & 0xFFFF)


_ROW = 1 << 16  # frames whose halves of words add up to no more than a word holds


def running(a: Words) -> Words:
    """Two words' sums of the first 1, 2, ... along the first axis, modulo 2**64: each half of a word is summed by itself.

    For what runs in parallel: sums of single numbers, where sums of words take several times as many passes.
    """
    frames, shape = a[0].shape[0], a[0].shape[1:]
    rows = -(-frames // _ROW)
    if rows > 1:
        padding = [(0, rows * _ROW - frames)] + [(0, 0)] * len(shape)
        a = tuple(jnp.pad(x, padding).reshape(rows, _ROW, *shape) for x in a)
    halves = jnp.stack([half for word in a[::-1] for half in (word & 0xFFFF, word >> 16)])
    carry, out = jnp.zeros_like(a[0]), []
    for half in jnp.cumsum(halves, 1 + (rows > 1), dtype=jnp.uint32):
        out.append((half + carry) & 0xFFFF)
        carry = (half + carry) >> 16
    sums = out[3] << 16 | out[2], out[1] << 16 | out[0]
    if rows < 2:
        return sums
    before = running(tuple(x[:-1, -1] for x in sums))
    before = tuple(jnp.pad(x, [(1, 0)] + [(0, 0)] * len(shape))[:, None] for x in before)
    return tuple(x.reshape(-1, *shape)[:frames] for x in added(before, sums))
