"""The loss of loudness: how far two programmes are apart for a broadcaster's meter."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ShapeError
from ..graph import block, composite, lift, outputs_of, pointwise
from ..ops import framed, magnitude, second_order
from .losses import compared, lanes_of
from .loudness import OFFSET, WEIGHTS, k_weighting

_TO_DB = float(10 / np.log(10))
_QUIETEST = float(10 ** ((-70 - OFFSET) / 10))  # power at -70 LUFS


@pointwise
def k_coefficients(*, sample_rate):
    """Those of `second_order` for the two filters of BS.1770."""
    filters = k_weighting(sample_rate)
    found = [(b0, 2 * b0 + b1, b0 + b1 + b2, 2 + a1, 1 + a1 + a2) for b0, b1, b2, _, a1, a2 in filters]
    return tuple(jnp.float32(c) for section in found for c in section)


def level(power: Any) -> Any:
    """LUFS; under -70 it goes on as a straight line in power, to -74.3 at silence, so that its slope stays finite."""
    heard = power > _QUIETEST
    log = _TO_DB * jnp.log(jnp.where(heard, power, _QUIETEST)) + OFFSET
    return jnp.where(heard, log, log + _TO_DB * (power / _QUIETEST - 1))


def programme(x: Any, sample_rate: float) -> Any:
    """`(frames, channels)`, K-weighted, -> LUFS of those 400 ms that pass both gates, of all if none is above -70."""
    frames, channels = x.shape
    length, hop = max(min(round(0.4 * sample_rate), frames), 1), max(round(0.1 * sample_rate), 1)
    heard = jnp.sum(x * x * np.array(WEIGHTS[:channels], x.dtype), axis=1)
    power = jnp.mean(framed(heard, length, hop, max(frames - length, 0) // hop + 1), axis=1)
    heard = lax.stop_gradient(power)
    loud = heard > _QUIETEST
    mean = jnp.sum(jnp.where(loud, heard, 0)) / jnp.maximum(jnp.sum(loud), 1)
    kept = loud & (heard > mean / 10)
    kept = jnp.where(jnp.any(kept), kept, True)
    return level(jnp.sum(jnp.where(kept, power, 0)) / jnp.sum(kept))


@block
def loudness_distance(pred, target, *, sample_rate):
    pair = jnp.stack(lanes_of(pred, target))  # one computation for both, so that what is equal stays so to the bit
    pred, target = jax.vmap(lambda x: programme(x, sample_rate))(pair)
    return magnitude(pred - target)


loudness_distance.__name__ = "loudness_loss"  # in errors and programs: the only op that uses it


@composite
def loudness_loss(pred: Any, target: Any) -> Any:
    """How far apart two programmes are in loudness, in LU: the distance of their `features.integrated_loudness`.

    It hears levels as BS.1770 does, K-weighted and gated, and nothing else: add a loss that hears spectra. Which blocks of 400
    ms pass the gates counts as given. Shorter runs are one block.

    Args:
        pred, target: As for `mse`: Signals, or SignalTensors of up to five channels: left, right, centre, two surrounds. Their
            sample rate is that of the run; where it is under 4205 Hz, no meter measures, the filters are kept inside of it.

    Returns:
        A Tensor of shape () for the whole run. What no meter reads, under -70 LUFS, is between that and -74.3 for silence, in a
        straight line of its power. The gradient is finite everywhere, 0 where both are as loud, and 0 in exact silence,
        where no direction is louder than another.

    Raises:
        ShapeError: as for `mse`, or more than five channels. ArgumentError: two Tensors, which have no frames.

    Source: ITU-R BS.1770-4.

    >>> x = Signal.noise(seed=1)
    >>> bool(abs(dg.loudness_loss(x / 2, x).realize(22050) - 20 * np.log10(2)) < 1e-3)
    True
    """
    pair = compared("loudness_loss", pred, target)
    for role, x in zip(("pred", "target"), pair):
        if math.prod(x.spec.shape) > len(WEIGHTS):
            raise ShapeError(f"loudness_loss: {role} of shape {x.spec.shape} is more than {len(WEIGHTS)} channels")
    filters = [lift(c) for c in outputs_of(k_coefficients.node())]
    for i in (0, 5):
        pair = [second_order.node(x, *filters[i : i + 5]) for x in pair]
    return loudness_distance(*pair)
