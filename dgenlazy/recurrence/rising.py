"""States that rise by small steps, over many frames: what rounding would lose of each is kept.

A sum of small steps to a large state loses them to rounding, and a state that goes less than about 1e-7 of its size in a frame
stops. So frames are run in pieces, and within one what is carried is how far the state is from where it stood: as many numbers
as before, where to carry the loss of every step would take twice as many, and XLA up to twice as long or more. At the end of a
piece the two are added, and what that loses is where the next one starts. A state that goes more than its way within a piece
is no sum of small steps: it is counted from 0, which is the plain loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ..graph import renewed
from .analysis import reads
from .tangents import is_float

PIECE = 512  # frames, or near it; half as many take longer where there is one lane, twice as many lose a bit more
SLOW = 4 / PIECE  # of its way in a frame: a state that goes less is after a piece no less than a hundredth of what it was


def piece_of(frames: int, about: int = PIECE) -> int:
    """How many frames a piece of a run is of. Where it divides the run, no second loop is compiled for what is left."""
    near = [about + 4 * n for k in range(33) for n in (k, -k) if about + 4 * n > 0]  # of which several at a time can be run
    return next((size for size in near if frames % size == 0), about)


@dataclass(frozen=True, eq=False)
class Rising:
    """The body of a loop that says by how much its state rises: `rise(state, moving, fixed) -> (rise, output)`.

    Attributes:
        rise: Its output may be None, for the state after, or the first of several.
        affine: Whether the rise is of the distance and of where the state stood apart: the second does not wait for the frame
            before. Of many lanes it would be more to compute.
        renews: `(moving, fixed)` -> where the state goes all of its way, which no slow one does: it is 0 before.
        before: Of the state before the output, if it is that.

    What moves and what is fixed are pairs, of what `rise` takes and of whether the state is slow, which is in one of the two.
    """

    rise: Callable[[Any, Any, Any], tuple[Any, Any]]
    affine: bool
    renews: Callable[[Any, Any], Any] | None = None
    before: Callable[[Any], Any] | None = None

    def __call__(self, away: Any, moving: Any, fixed: Any) -> tuple[Any, Any]:
        (own, _), base = fixed
        before = state = _sum(base, away)
        if self.renews is not None and (where := self.renews(moving[0], own)) is not None:
            away = renewed(away, where)
            state = _sum(base, away)
        rise, y = self.rise(state, moving[0], own)
        if self.affine and not any(x.ndim for x in jax.tree.leaves(away)):
            stood, change = jax.jvp(lambda s: self.rise(s, moving[0], own)[0], (base,), (away,))
            rise = jax.tree.map(lax.add, stood, change)
        away = _sum(away, rise)
        if self.before is not None:
            return away, self.before(before)
        return away, jax.tree.leaves(_sum(base, away))[0] if y is None else y

    def inside(self, state: Any, fixed: Any) -> tuple[Any, Any]:
        """What is carried within a piece, and what is fixed in it."""
        return state["held"], (fixed, state["held"])

    def enter(self, state: Any, moving: Any, fixed: Any) -> tuple[Any, Any]:
        """Where a piece counts from, and how far from there it starts."""
        (slow,) = (*moving[1], *fixed[1])
        return entered(state, slow)

    def leave(self, base: Any, away: Any) -> dict[str, Any]:
        """The state at the end of a piece."""
        return left(base, away)


def entered(state: Any, slow: Any) -> tuple[Any, Any]:
    """Where the state of a recurrence that rises is counted from, and how far it is from there."""
    held, rebuild = jax.tree.flatten(state["held"])
    lost = iter(state["lost"])
    pairs = [(x, next(lost)) if is_float(x) else (x, None) for x in held]
    base = [jnp.where(slow, x, jnp.zeros_like(x)) for x in held]
    away = [x if e is None else jnp.where(slow, e, x + e) for x, e in pairs]
    return rebuild.unflatten(base), rebuild.unflatten(away)


def left(base: Any, away: Any) -> dict[str, Any]:
    """The state that is so far away.

    Source: D. E. Knuth, The Art of Computer Programming, vol. 2, 4.2.2, theorem B: what a sum loses, whichever is larger.
    """
    held = _sum(base, away)
    lost = []
    for h, b, a in zip(*map(jax.tree.leaves, (held, base, away))):
        if is_float(a):
            part = lax.sub(h, b)
            lost.append(lax.add(lax.sub(b, lax.sub(h, part)), lax.sub(a, part)))
    return {"held": held, "lost": tuple(lost)}


def _sum(base: Any, away: Any) -> Any:
    return jax.tree.map(lambda b, a: lax.add(b, a) if is_float(b) else a, base, away)


def paced(rec: Any, inputs: tuple[Any, ...]) -> tuple[Any, bool]:
    """Which part of its way the state of a recurrence goes, and whether that is of every frame."""
    frame = rec.frame(inputs)
    if any(rec.varies[i] for i in reads(rec.pace, *frame)[0]):
        return jax.vmap(rec.pace, rec.axes)(*inputs), True
    return rec.pace(*[x[0] if v else x for v, x in zip(rec.varies, inputs)]), False


def slow_at(rec: Any, inputs: tuple[Any, ...], reverse: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Whether the state is slow: as one thing that moves, of all of a frame's piece, or as one that is fixed."""
    pace, moves = paced(rec, inputs)
    if not moves:
        return (), (pace <= SLOW,)
    frames = len(pace)
    size = piece_of(frames)
    pieces = -(-frames // size)
    reverse = reverse and frames % size > 0  # else the pieces are the same, and so is what is computed
    slow = jnp.flip(pace <= SLOW, 0) if reverse else pace <= SLOW
    slow = jnp.pad(slow, ((0, pieces * size - frames), *((0, 0),) * (slow.ndim - 1)), constant_values=True)
    slow = jnp.repeat(slow.reshape(pieces, size, *slow.shape[1:]).all(1), size, 0)[:frames]
    return (jnp.flip(slow, 0) if reverse else slow,), ()


def slow_throughout(rec: Any, inputs: tuple[Any, ...]) -> Any:
    """Whether the state goes no more of its way in the whole run than a slow one in a piece."""
    pace, moves = paced(rec, inputs)
    return (pace.max(0) if moves else pace) * rec.ctx.frames <= SLOW * PIECE
