"""Steps of training as one loop on the device, with the best parameters that it came by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import in_our_modes
from ..run import Compiled, kept, loss_of, memory, title
from .once import parted
from .source import Part
from .update import update_of


class Now(NamedTuple):
    """Where training has got to. A step that is interrupted leaves the one before.

    Attributes:
        values, states: Of the parameters and of the optimizer.
        best, best_loss, best_step: The parameters where the loss was least, the loss, and the step.
        step: How many were made.
    """

    values: list[Any]
    states: Any
    best: list[Any]
    best_loss: Any
    best_step: Any
    step: int


def advanced(now: Now, part: Part, rule: tuple[Any, ...], count: int, moves: bool, rates: Any, clip: float | None) -> Any:
    """`count` steps on, or with `moves` False the loss once: where that leads, and the loss at each step.

    Ends early, before its update, at a step whose loss is not finite.
    """
    shapes = tuple([(np.shape(x), jnp.result_type(x)) for x in part.arrays])
    once, run, still = _compiled(part.kind, part.moving, shapes, part.most, rule, clip is not None)
    fixed = [part.arrays[i] for i in still]
    if not part.known:
        part.known.append(once(fixed))
    data = [part.arrays[i] for i in part.moving]
    at = np.int32(min(now.step, part.end - 1) - part.first if part.moving else 0)
    after, losses, ran = run(now, fixed, part.known[0], data, at, np.int32(count), moves, rates, np.float32(clip or 0.0))
    ran = int(ran)  # waits for the device
    return after._replace(step=now.step + ran * moves), np.array(losses)[:ran]


@kept
def _compiled(
    kind: tuple[Any, ...], moving: tuple[int, ...], shapes: tuple[Any, ...], most: int, rule: tuple[Any, ...], clipped: bool
) -> tuple[Callable[..., Any], Callable[..., Any], list[int]]:
    """What is computed once of the arrays that stay, the loop, and which arrays those are."""
    learned = [i + 1 for i in kind[1]]
    still = [i for i in range(len(shapes)) if i not in moving and i not in learned]
    loss_in, update = loss_of(*kind[:2], *kind[2]), update_of(*rule)

    def loss(changing, fixed):
        arrays: list[Any] = [None] * len(shapes)
        for i, x in zip((*learned, *moving, *still), (*changing, *fixed)):
            arrays[i] = x
        return loss_in(changing[: len(learned)], arrays[0], arrays[1:])

    def aval(i):
        shape, dtype = shapes[i]
        return jax.ShapeDtypeStruct(shape[1:] if i in moving else shape, dtype)

    once, each = parted(loss, [aval(i) for i in (*learned, *moving)], [aval(i) for i in still])

    @in_our_modes
    def run(now, fixed, known, data, at, count, moves, rates, most_norm):
        def step(carry):
            i, now, losses = carry
            x = [lax.dynamic_index_in_dim(d, at + i, keepdims=False) for d in data]
            value, slopes = jax.value_and_grad(lambda values: each([*values, *x], fixed, known))(now.values)
            better, goes = value < now.best_loss, moves & jnp.isfinite(value)
            if clipped:
                norm = jnp.sqrt(sum(jnp.sum(g * g) for g in slopes))
                slopes = [g * jnp.minimum(1.0, most_norm / jnp.maximum(norm, most_norm)) for g in slopes]
            stepped = update(now.values, slopes, now.states, rates if rates is None else tuple(rates[i]))
            values, states = jax.tree.map(lambda a, b: jnp.where(goes, a, b), stepped, (now.values, now.states))
            best = [jnp.where(better, a, b) for a, b in zip(now.values, now.best)]
            least = jnp.where(better, value, now.best_loss), jnp.where(better, now.step + i, now.best_step)
            now = Now(values, states, best, *least, now.step)
            return i + 1, now, losses.at[i].set(value)

        def goes_on(carry):
            i, _, losses = carry
            return (i < count) & ((i == 0) | jnp.isfinite(losses[jnp.maximum(i - 1, 0)]))

        ran, now, losses = lax.while_loop(goes_on, step, (jnp.int32(0), now, jnp.zeros(most, jnp.float32)))
        return now, losses, ran

    frames, _, where, _, *more = kind[2]
    loop = Compiled(run, title(kind[0], frames, "training on "))
    fixed = Compiled(once, title(kind[0], frames, "what stays the same in "))
    return fixed, memory.fitted(loop, kind[0], frames, where, more[0] if more else None), still
