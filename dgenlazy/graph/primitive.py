"""Two names of `jax.extend.core`, without it: importing that imports Pallas, which takes longer than a third of dgenlazy."""

from __future__ import annotations

from typing import Any

from jax import lax

Primitive: Any = type(lax.add_p)


def is_literal(x: Any) -> bool:
    """Whether an atom of a jaxpr is a number that is written there, and no variable."""
    return hasattr(x, "val")
