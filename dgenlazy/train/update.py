"""What a step of an optimizer computes: a pure function, compiled once for all optimizers that step alike."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..errors import ArgumentError
from ..graph import in_our_modes
from ..run import Compiled, kept, packed


@kept
def compiled_update(name: str, tx: Any, apart: bool, kinds: tuple[tuple[Any, ...], ...], where: Any) -> Any:
    """What `update_of` gives; where each parameter has a state of its own, the states are `packed`."""
    update = update_of(name, tx, apart, kinds)

    def update_packed(values, grads, states, lr):
        values, states = update(values, grads, states.tree(), lr)
        return values, packed(states)

    what = f"an update of {len(kinds)} parameters by {name}"
    return Compiled(update_packed if apart else update, what, in_shardings=SingleDeviceSharding(where))


def update_of(name: str, tx: Any, apart: bool, kinds: tuple[tuple[Any, ...], ...]) -> Any:
    """`(values, gradients, states, lr) -> (values, states)`: what optimizers of a kind share over parameters of these kinds.

    Where each parameter has a state of its own, there may be a rate for each: a tuple of them.

    Args:
        apart: Whether each parameter has a state of its own.
        kinds: Of each parameter shape, type and bounds.
    """

    import optax

    @in_our_modes  # which optax takes for granted
    def update(values: list[Any], grads: list[Any], states: list[Any], lr: Any) -> tuple[list[Any], list[Any]]:
        after, states_after = list(values), []
        together = groups(len(kinds), apart)
        rates = lr if isinstance(lr, tuple) else (lr,) * len(together)
        for group, state, rate in zip(together, states, rates):
            given = [grads[i] is not None for i in group]
            if not any(given):
                states_after.append(state)
                continue
            old = [values[i] for i in group]
            slopes = [jnp.zeros_like(values[i]) if grads[i] is None else grads[i] for i in group]
            try:
                changes, new = tx.update(slopes, state, old)
            except TypeError as e:
                if "keyword-only" not in str(e):
                    raise
                raise ArgumentError(
                    f"{name}.step: tx takes more than gradients ({e}), as optax.lbfgs() does, which runs the "
                    "loss again; dg.function makes a pure function of the loss, for a loop of tx.update over its params"
                ) from e
            if lr is not None:
                changes = [-rate * change for change in changes]
            stepped: Any = optax.apply_updates(old, changes)
            if not all(given):
                moves = optax.tree_utils.tree_map_params(
                    tx, lambda _, g: g, state, given, transform_non_params=lambda _: True, is_leaf=_is_masked
                )
                new = jax.tree.map(lambda m, n, s: n if m is True else s, moves, new, state, is_leaf=_is_masked)
            states_after.append(new)
            for i, value, has in zip(group, stepped, given):
                if has:
                    after[i] = _bounded(value, *kinds[i][2:])
        return after, states_after

    return update


def groups(count: int, apart: bool) -> list[list[int]]:
    """Which parameters share a state of the transformation."""
    return [[i] for i in range(count)] if apart else [[*range(count)]]


def _is_masked(x: Any) -> bool:
    import optax

    return isinstance(x, optax.MaskedNode)


def _bounded(value: Any, low: Any, high: Any) -> Any:
    return value if (low, high) == (-np.inf, np.inf) else jnp.clip(value, low, high)
