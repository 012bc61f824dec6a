"""JAX's modes. Of promotion ours are the defaults, whatever those are in which users run what we trace.

Under `jax_numpy_rank_promotion="raise"` and `jax_numpy_dtype_promotion="strict"` JAX raises where shapes or types are not told
in full. A user asks that of their own code; ops broadcast by what they are. The functions of users keep the user's modes.
Whether there are numbers of 64 bits is the user's choice too, but where `with_float64` stands.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import jax
import jax.experimental

_place: Any = jax if hasattr(jax, "enable_x64") else jax.experimental  # before jax 0.8
with_float64: Callable[[bool], Any] = _place.enable_x64  # a context, of this thread

_DEFAULT = "standard", "allow"
_users: ContextVar[tuple[str, str]] = ContextVar("_users", default=_DEFAULT)  # while ours are on


def in_our_modes(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of what JAX traces: what an op runs, and rules of derivatives, which JAX may ask for later."""

    @ft.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        now = jax.config.jax_numpy_dtype_promotion, jax.config.jax_numpy_rank_promotion  # pyright: ignore[reportAttributeAccessIssue]
        if now == _DEFAULT:
            return fn(*args, **kwargs)
        users = _users.set(now)
        try:
            return _within(_DEFAULT, fn, *args, **kwargs)
        finally:
            _users.reset(users)

    return call


def derivative_of(fn: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator of the rule `(primals, tangents) -> (output, tangent)` of a `jax.custom_jvp`, given symbolic zeros."""
    return lambda rule: fn.defjvp(in_our_modes(rule), symbolic_zeros=True)


def in_users_modes(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `fn` gives, in the modes in which its owner called us."""
    modes = _users.get()
    return fn(*args, **kwargs) if modes == _DEFAULT else _within(modes, fn, *args, **kwargs)


def _within(modes: tuple[str, str], fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with jax.numpy_dtype_promotion(modes[0]), jax.numpy_rank_promotion(modes[1]):
        return fn(*args, **kwargs)
