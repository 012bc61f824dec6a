"""The frames of a run as an array, and an array as the frames of a run: between them, mathematics that knows no frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..errors import ArgumentError, ShapeError
from ..graph import RUN, Block, Context, Params, Pointwise, Spec, lift

FRAMES = "frames"  # how many of a run are collected, where that is said


class Collected(Block):
    """All frames of a run, or the first of them, as what does not vary. Of what comes at a hop, the ticks."""

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        (x,), given = inputs, dict(params)
        frames = given[RUN] if RUN in given else given[FRAMES]
        return Spec((-(-frames // x.every), *x.shape), False, None, x.dtype)

    def run(self, ctx: Context, params: Params, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        (x,), (spec,) = inputs, specs
        if not spec.varies:
            return jnp.broadcast_to(x, self.infer((spec,), params).shape)
        return x[: self.infer((spec,), params).shape[0]]


@Collected
def collected(x):
    """The run as an array, its frames first."""


collected.__name__ = "collect"


class LaidOut(Pointwise):
    """Rows of an array as frames, or as ticks. Behind its end frames are 0 and ticks the last again, for what looks ahead."""

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        (rows,) = inputs
        return Spec(rows.shape[1:], True, dict(params)["hop"], rows.dtype)

    def run(self, ctx: Context, params: Params, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        (rows,), hop = inputs, dict(params)["hop"]
        end = rows[-1:] if hop > 1 and specs[0].shape[0] else jnp.zeros((1, *rows.shape[1:]), rows.dtype)
        longer = jnp.concatenate([rows, jnp.broadcast_to(end, (ctx.frames, *rows.shape[1:]))])
        first = jnp.minimum(jnp.asarray(ctx.start, jnp.uint32) // np.uint32(hop), np.uint32(rows.shape[0]))
        return lax.dynamic_slice_in_dim(longer, first.astype(jnp.int32), ctx.frames)


@LaidOut
def laid_out(rows, *, hop, frame):
    """The row of a frame."""
    count = rows.shape[0]
    row = jnp.minimum(frame // np.uint32(hop), np.uint32(count)).astype(jnp.int32)
    end = rows[-1:] if hop > 1 and count else jnp.zeros((1, *rows.shape[1:]), rows.dtype)
    return jnp.concatenate([rows, end])[row]


laid_out.__name__ = "from_tensor"


def frames_of(name: str, t: Any, hop: int) -> Any:
    """The Signal whose frames, or ticks, are the rows of a Tensor."""
    rows = lift(t, name)
    if rows.spec.signal:
        raise ArgumentError(f"{name}: takes a Tensor, this has frames already; collect() makes a Tensor of them")
    if not rows.spec.shape:
        raise ShapeError(f"{name}: takes (frames,) or (frames, *shape), got one number; use Signal.constant")
    return laid_out.node(rows, params=(("hop", hop),))
