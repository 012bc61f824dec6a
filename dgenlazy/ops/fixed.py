"""Whole numbers of many bits, as words of 32, the most significant first.

Their sums wrap by themselves, are exact, and do not depend on the order in which they are taken: phases and positions made of
them are the same after hours, in whatever blocks.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
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


def times(a: Words, k: Any, most: Any = None) -> Words:
    """Two words times the uint32 `k`, modulo 2**64; by halves, since a product of two uint32 does not fit into one.

    Where `k` is known to be `most` at the most, and that is of 16 bits, it takes half as many operations.
    """
    high, low = a
    if isinstance(most, int) and most < 1 << 16:
        upper, lower = (low >> 16) * k, (low & 0xFFFF) * k
        return high * k + ((upper + (lower >> 16)) >> 16), (upper << 16) + lower
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


_ROW = (1 << 16) - 1  # frames whose halves of words, and what is carried into them, add up to no more than a word holds


def running(a: Words, marks: Any) -> tuple[Words, Any]:
    """Two words' sums of the first 1, 2, ... along the first axis, modulo 2**64, and 0 where none of these has a mark of 1.

    For what runs in parallel: each half of a word is summed by itself, since sums of words take several times as many passes.
    Of the first half nothing is carried on, and marks are counted where that would be.
    """
    (high, low), frames, shape = a, a[0].shape[0], a[0].shape[1:]
    rows = -(-frames // _ROW)
    size = -(-frames // rows)
    if rows > 1:
        padding = [(0, rows * size - frames)] + [(0, 0)] * len(shape)
        high, low, marks = (jnp.pad(x, padding).reshape(rows, size, *shape) for x in (high, low, marks))
    halves = jnp.stack([low & 0xFFFF, low >> 16, high & 0xFFFF, (high & jnp.uint32(0xFFFF0000)) | marks])
    sum0, sum1, sum2, sum3 = jnp.cumsum(halves, 1 + (rows > 1), dtype=jnp.uint32)
    sum1 = sum1 + (sum0 >> 16)
    sum2 = sum2 + (sum1 >> 16)
    high, low, marks = (sum3 & jnp.uint32(0xFFFF0000)) + sum2, sum1 << 16 | (sum0 & 0xFFFF), sum3 & 0xFFFF
    if rows < 2:
        return (high, low), marks
    before, marked = running((high[:-1, -1], low[:-1, -1]), jnp.minimum(marks[:-1, -1], 1))
    *before, marked = (jnp.pad(x, [(1, 0)] + [(0, 0)] * len(shape))[:, None] for x in (*before, marked))
    high, low, marks = (x.reshape(-1, *shape)[:frames] for x in (*added(tuple(before), (high, low)), marked + marks))
    return (high, low), marks


def made_once(*words: Any) -> list[Any]:
    """Whole numbers that rest, and take long to make.

    XLA makes what rests again for every frame that reads it, unless it ends in a division of whole numbers, which it takes
    for too dear: here by a 1 that it does not see through. It takes barriers out on a CPU, and old JAX has no vmap of them.
    """
    one = (words[0] >> 16 >> 16) + 1
    return [lax.div(word, one) for word in words]
