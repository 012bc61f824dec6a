"""The kind of op that sees the whole run, and gives one value for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from ..errors import ArgumentError, ShapeError
from .node import Spec
from .op import Context, Op, Params


class Block(Op):
    """Sees every frame at once, `(frames, *shape)`, and gives one value for the whole run. It takes at least one Signal."""

    def node(self, *inputs: Any, params: Params = ()) -> Any:
        if not any(i.spec.signal for i in inputs):
            given = ", ".join(str(i.spec.shape) for i in inputs)
            fix = "Signal.from_samples(...) makes a Signal of samples"
            raise ArgumentError(f"{self.__name__}: it sees all frames of a run, and what it is given, {given}, has none; {fix}")
        return super().node(*inputs, params=params)

    def kind(self, inputs: Sequence[Spec]) -> tuple[bool, int | None]:
        hops = sorted({i.every for i in inputs if i.varies})
        if len(hops) > 1:
            raise ShapeError(
                f"it takes values of one hop, not every {hops[0]} and every {hops[1]} frames: upsample() one of them"
            )
        return False, None

    def step(self, ctx: Context, params: Params, state: Any, *inputs: Any) -> tuple[Any, Any]:
        return state, self.fn(*[x[None] for x in inputs], **self.given(params, ctx))

    def run(self, ctx: Context, params: Params, inputs: Sequence[Any], specs: Sequence[Spec]) -> Any:
        blocks = [x if s.varies else jnp.broadcast_to(x, (ctx.frames, *s.shape)) for x, s in zip(inputs, specs)]
        return self.fn(*blocks, **self.given(params, ctx))


def block(fn: Callable[..., Any]) -> Block:
    """Decorator that makes a Block of a function of whole blocks."""
    return Block(fn)
