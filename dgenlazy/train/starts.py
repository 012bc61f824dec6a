"""Where a search begins, and the coordinates that it runs in: shares of the bounds, in octaves where bounds span them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..graph import Data

_DECADE = 10.0  # from which ratio of bounds on a parameter is searched in ratios


class Coordinates:
    """Parameters as one vector: 0 to 1 between two bounds, else 0 at the value and 1 where it is about twice as large.

    Attributes:
        low, high: Of the vector.
        shapes: Of the parameters' data.
        kinds: What `values` computes with, hashable: of each parameter shape, bounds, and origin and size or None.
    """

    def __init__(self, leaves: Sequence[Data]):
        kinds, low, high = [], [], []
        for leaf in leaves:
            value = np.asarray(leaf.array, np.float64)
            bounded = bool(np.isfinite([leaf.low, leaf.high]).all())
            size = float(np.sqrt(np.mean(np.square(value)))) if value.size else 1.0
            kinds.append((value.shape, leaf.low, leaf.high, bounded, size or 1.0))
            at = np.zeros(value.size) if bounded else (leaf.low - value.ravel()) / (size or 1.0)
            low.append(at)
            high.append(np.ones(value.size) if bounded else (leaf.high - value.ravel()) / (size or 1.0))
        self.kinds: tuple[Any, ...] = tuple(kinds)
        self.origins: list[Any] = [np.asarray(leaf.array, np.float32) for leaf in leaves]
        self.low, self.high = np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32)

    def here(self) -> Any:
        """The vector of the values that the parameters have."""
        parts = []
        for (_, low, high, bounded, _), value in zip(self.kinds, self.origins):
            x = value.astype(np.float64).ravel()
            if not bounded:
                parts.append(np.zeros(x.size))
            elif _in_ratios(low, high):
                parts.append(np.log(x / low) / np.log(high / low))
            else:
                parts.append((x - low) / (high - low))
        return np.concatenate(parts).astype(np.float32).clip(self.low, self.high)

    def drawn(self, count: int, rng: np.random.Generator) -> Any:
        """`(count, size)`: the values of now, and others of a Latin hypercube: in each coordinate one in each `count`-th."""
        size = len(self.low)
        ranks = rng.permuted(np.tile(np.arange(count)[:, None], (1, size)), axis=0)
        shares = (ranks + rng.uniform(1e-6, 1 - 1e-6, (count, size))) / count
        normal = np.array([NormalDist().inv_cdf(x) for x in shares.ravel()]).reshape(shares.shape)
        bounded = np.concatenate([np.full(int(np.prod(k[0])), k[3]) for k in self.kinds])
        points = np.where(bounded, shares, normal).astype(np.float32).clip(self.low, self.high)
        points[0] = self.here()
        return points


def values_at(kinds: tuple[Any, ...], vector: Any, origins: Sequence[Any]) -> list[Any]:
    """The parameters' values at a vector; pure. Inside their bounds also where rounding leads out of them."""
    out, at = [], 0
    for (shape, low, high, bounded, size), origin in zip(kinds, origins):
        count = int(np.prod(shape))
        x = vector[at : at + count].reshape(shape)
        at += count
        if not bounded:
            x = origin + size * x
        elif _in_ratios(low, high):
            x = low * jnp.exp(x * np.float32(np.log(high / low)))
        else:
            x = low + (high - low) * x
        out.append(x if (low, high) == (-np.inf, np.inf) else jnp.clip(x, low, high))
    return out


def _in_ratios(low: float, high: float) -> bool:
    return low > 0 and high / low >= _DECADE
