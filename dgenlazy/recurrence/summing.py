"""Sums over the frames of a loop that are of no use within it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .rising import Rising


@dataclass(frozen=True, eq=False)
class Summing:
    """The body of a loop that adds up: one whose outputs are `(output, terms)`, with `(state, sums)` for its state.

    A float32 sum of many frames sticks: so the terms of a piece are added up by themselves.
    """

    body: Any

    def __call__(self, carry: Any, moving: Any, fixed: Any) -> tuple[Any, Any]:
        own, base = fixed
        state, (y, terms) = self.body(carry[0], moving, (own, base[0]) if self.rises else own)
        return (state, jax.tree.map(jnp.add, carry[1], terms)), y

    @property
    def rises(self) -> bool:
        return isinstance(self.body, Rising)

    def inside(self, carry: Any, fixed: Any) -> tuple[Any, Any]:
        state, (own, base) = self.body.inside(carry[0], fixed) if self.rises else (carry[0], (fixed, ()))
        return (state, carry[1]), (own, (base, ()))

    def enter(self, carry: Any, moving: Any, fixed: Any) -> tuple[Any, Any]:
        base, state = self.body.enter(carry[0], moving, fixed) if self.rises else ((), carry[0])
        return (base, carry[1]), (state, jax.tree.map(jnp.zeros_like, carry[1]))

    def leave(self, base: Any, carry: Any) -> Any:
        state = self.body.leave(base[0], carry[0]) if self.rises else carry[0]
        return state, jax.tree.map(jnp.add, base[1], carry[1])
