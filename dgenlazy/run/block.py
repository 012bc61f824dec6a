"""A block of a run, and what a stream begins with, as pure functions of the data and of the state as it is handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from ..graph import Context
from . import samples
from .packed import Packed, packed
from .program import Program
from .short import in_one_piece, is_short
from .stage import initial_state, known, run, settled


def whole(program: Program, outputs: list[Any], frames: int) -> list[Any]:
    """The outputs as users get them: a Signal has a value in every frame, also where it does not vary."""
    specs = program.output_specs
    broadcast = [s.signal and not s.varies for s in specs]
    return [jnp.broadcast_to(y, (frames, *s.shape)) if b else y for y, s, b in zip(outputs, specs, broadcast)]


def computed(
    program: Program, ctx: Context, numbers: Any, arrays: Sequence[Any], state: Packed | None
) -> tuple[Any, Packed | None]:
    """`(outputs, state)` of a block. For numbers a stream gives what is settled; a state of None is that before a whole run.

    Nobody asks for the state after such a run, so that it is not computed.
    """

    def block(state):
        found = known(program, ctx, numbers.tree()) if isinstance(numbers, Packed) else None
        own = numbers if found is None else [found.get(i) for i in range(program.numbers)]
        leaves = samples.unpack(program, ctx, own, arrays)
        outputs, after = run(program, ctx, leaves, None if state is None else state.tree(), found)
        return whole(program, outputs, ctx.frames), None if state is None else packed(after)

    if isinstance(numbers, Packed) and state is not None and ctx.examples == 1 and is_short(program, ctx):
        return in_one_piece(block, program, ctx.frames, state)
    return block(state)


def begun(program: Program, ctx: Context, numbers: Any, arrays: Sequence[Any]) -> tuple[Packed, Packed]:
    """`(state, settled)` before the first block of a stream."""
    leaves = samples.unpack(program, ctx, numbers, arrays)
    return packed(initial_state(program, ctx, leaves)), packed(settled(program, ctx, leaves[: program.numbers]))
