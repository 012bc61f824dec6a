"""The kind of op that changes the rate of a value, or looks ahead; and where a block of a stream lies among its ticks.

A value with a hop has a new value, a tick, at times 0, hop, 2 hop, ... in frames. A whole run is computed in time: the array
of a value begins at time 0. In a stream what looks ahead comes late: the value of time t stands `latency` frames after t.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError
from .node import Spec
from .op import Context, Op, Params
from .recur import Recurrence


class Clock(NamedTuple):
    """Where a block of a stream lies. `start` counts frames and may be traced; a late hop ticks at `latency` modulo `hop`."""

    start: Any
    frames: Any

    def slots(self, hop: int) -> Any:
        """The most ticks that a block may hold; all but the last slot always hold one."""
        return -(-self.frames // hop)

    def offset(self, hop: int, latency: int) -> Any:
        """The frame of the block's first tick."""
        if hop == 1:
            return 0
        return (np.int32(latency % hop + hop) - (jnp.uint32(self.start) % np.uint32(hop)).astype(jnp.int32)) % np.int32(hop)

    def full(self, hop: int, latency: int) -> Any:
        """Whether the last slot holds a tick."""
        if isinstance(self.frames, int) and self.frames % hop == 0:
            return True
        return self.offset(hop, latency) + (self.slots(hop) - 1) * hop < self.frames

    def live(self, hop: int, latency: int) -> Any:
        """For each slot, whether its time is 0 or later: not that of anything before the beginning."""
        at = self.offset(hop, latency) + jnp.arange(self.slots(hop), dtype=jnp.int32) * hop
        return (jnp.uint32(self.start) >= np.uint32(latency)) | (at >= latency - jnp.uint32(self.start).astype(jnp.int32))


class Rated(Recurrence):
    """A change of rate or of time. It takes one value and is defined over blocks, so that it cannot be inside a loop."""

    fusible = False

    def __init__(self, fn: Callable[..., Any]):
        super().__init__(fn)
        Op.__init__(self, fn)  # the first parameter is a value, not a state

    @abc.abstractmethod
    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        """Spec of the output: its hop, too, follows from the parameters."""

    @abc.abstractmethod
    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        """Its output for the first `ctx.frames` frames of a whole run; `x` holds as many and those that it looks ahead."""

    @abc.abstractmethod
    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        """A block of a stream: `(state, output)`, where `x` is late by `latency`."""

    def step(self, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
        raise ArgumentError("it changes the rate or looks ahead, and cannot depend on a loop's own output")


def beside(mask: Any, x: Any) -> Any:
    """`mask`, one value for each row of `x`, with as many axes."""
    return mask.reshape(-1, *(1,) * (x.ndim - 1))
