"""What of a loss does not depend on what is learned: computed once, where every step would compute it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from ..graph import is_literal

# What is not worth keeping: as quick to compute again as to read from memory.
_QUICK = frozenset(
    "broadcast_in_dim iota reshape squeeze expand_dims convert_element_type copy slice pad rev concatenate transpose add sub "
    "mul div neg max min abs sign select_n and or not integer_pow eq ne lt le gt ge floor ceil stop_gradient clamp".split()
)


def parted(fn: Callable[..., Any], moving: Sequence[Any], still: Sequence[Any]) -> tuple[Any, Any]:
    """`fn(moving, still)`, an array, as `once(still) -> kept` and `each(moving, still, kept)`.

    Args:
        moving, still: Arrays or their shapes: those that differ from step to step, and those that do not.
    """
    closed, count = jax.make_jaxpr(fn)(list(moving), list(still)), len(moving)
    jaxpr = closed.jaxpr
    known: dict[Any, bool] = dict.fromkeys((*jaxpr.constvars, *jaxpr.invars[count:]), False)  # whether it took long to compute
    before, after = [], []
    for eqn in jaxpr.eqns:
        inputs = [x for x in eqn.invars if not is_literal(x)]
        if not eqn.effects and all(x in known for x in inputs):
            slow = eqn.primitive.name not in _QUICK or any(known[x] for x in inputs)
            known.update((x, slow) for x in eqn.outvars)
            before.append(eqn)
        else:
            after.append(eqn)
    wanted = {x for eqn in after for x in eqn.invars if not is_literal(x)}
    wanted.update(x for x in jaxpr.outvars if not is_literal(x))
    kept = [x for eqn in before for x in eqn.outvars if x in wanted and known[x]]
    again = _needed(before, wanted - set(kept))
    quickly, slowly = [*again, *after], _needed(before, set(kept))
    consts, first, results = dict(zip(jaxpr.constvars, closed.consts)), jaxpr.invars[count:], jaxpr.outvars

    def once(still: Any) -> list[Any]:
        return _run(slowly, {**consts, **dict(zip(first, still))}, kept)

    def each(moving: Any, still: Any, found: Any) -> Any:
        env = {**consts, **dict(zip((*jaxpr.invars, *kept), (*moving, *still, *found)))}
        return _run(quickly, env, results)[0]

    return once, each


def _run(eqns: Sequence[Any], env: dict[Any, Any], wanted: Sequence[Any]) -> list[Any]:
    """What comes out of equations, given what goes in."""

    def read(x: Any) -> Any:
        return x.val if is_literal(x) else env[x]

    for eqn in eqns:
        given = eqn.primitive.get_bind_params(eqn.params)
        functions, params = given if isinstance(given, tuple) else ((), given)  # of older and of newer versions of JAX
        found = eqn.primitive.bind(*functions, *map(read, eqn.invars), **params)
        env.update(zip(eqn.outvars, found if eqn.primitive.multiple_results else [found]))
    return [read(x) for x in wanted]


def _needed(eqns: Sequence[Any], wanted: set[Any]) -> list[Any]:
    """Those that compute what is wanted."""
    wanted, found = set(wanted), []
    for eqn in reversed(eqns):
        if any(x in wanted for x in eqn.outvars):
            wanted.update(x for x in eqn.invars if not is_literal(x))
            found.append(eqn)
    return found[::-1]
