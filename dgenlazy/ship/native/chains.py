"""What waits from frame to frame, made shorter: sums whose losses are carried, for a processor that could do more at once.

A state `s` that rises is `s + (rise + lost)`, and `rise` is made of `s` by three or four operations, each of which waits for
the one before. Of a single lane these are all the time that it takes. The rise is affine in the states, so that what does not
wait is computed apart: `rise = rest + A s`. A state that goes a quarter of its way in a frame forgets what rounding loses
within a few frames: it is `rest + (1 + A) s`, and carries no loss.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .step import Step
from .value import FRAME, Value

_QUICK = 0.75  # of a state, what is left of it after a frame: then the loss is below two units of its last place


class Sum(NamedTuple):
    """A state that rises: what it is after a frame, what it rises by, and of this what is not the loss of before."""

    state: Value
    after: Value
    risen: Value
    rise: Value


def shorten(step: Step) -> None:
    """Rewrite the sums of single numbers in place: all that reads them reads them as before."""
    sums = [found for i in range(len(step.state)) if (found := _sum(step, i))]
    states = {s.state for s in sums}
    for s in sums:
        step.made.op = s.rise.op
        parts = _affine(step.made, s.rise, states)
        own = parts.get(s.state)
        if own is None:
            continue
        left: Any = 2.0 if own.const is None else 1 + float(own.const)
        if abs(left) <= _QUICK and set(parts) == {None, s.state}:
            s.after.args = (_new(step.made, "mul", step.made.constant(np.float32(left)), s.state), parts[None])
            continue
        if s.rise.prim not in ("add", "sub"):  # a share of a small difference would be a difference of large shares
            continue
        others = [_scaled(step.made, k, v) for v, k in parts.items() if v and v is not s.state]
        terms = [*([parts[None]] if None in parts else []), *others, _scaled(step.made, own, s.state)]
        total = terms[0]
        for term in terms[1:]:
            total = _new(step.made, "add", total, term)
        s.risen.args = (total, s.risen.args[1])


def _sum(step: Step, i: int) -> Sum | None:
    """State `i`, if it is one number that carries what its sum loses."""
    state, after = step.state[i], step.after[i]
    if state.shape or state.dtype != "float32" or i in step.kept or after.prim != "add" or after.args[0] is not state:
        return None
    risen = after.args[1]
    if risen.prim != "add" or risen.region or after.region or risen.args[1].source[:1] != ("state",):
        return None
    lost = step.after[risen.args[1].source[1]]
    carried = lost.prim == "sub" and lost.args[0] is risen and lost.args[1].prim == "sub"
    return Sum(state, after, risen, risen.args[0]) if carried and lost.args[1].args == (after, state) else None


Parts = dict[Value | None, Value]


def _affine(made: Any, v: Value, states: set[Value]) -> Parts:
    """`v` as factors of states, which are no matter of the frame, and as None what else is added."""
    if v in states:
        return {v: made.constant(np.float32(1))}
    if v.shape or v.region or v.prim not in ("add", "sub", "mul", "neg"):
        return {None: v}
    known = [(k, x) for k, x in (v.args, v.args[::-1]) if k.level < FRAME and not k.shape] if v.prim == "mul" else []
    if v.prim == "mul" and not known:
        return {None: v}
    parts = [_affine(made, x, states) for x in v.args]
    if all(set(p) == {None} for p in parts):
        return {None: v}
    if v.prim == "neg":
        return {s: _new(made, "neg", part) for s, part in parts[0].items()}
    if v.prim == "mul":
        k, x = known[0]
        return {s: _new(made, "mul", k, part) for s, part in parts[v.args.index(x)].items()}
    out, more = parts
    for s, part in more.items():
        out[s] = _new(made, v.prim, out[s], part) if s in out else part if v.prim == "add" else _new(made, "neg", part)
    return out


def _scaled(made: Any, k: Value, v: Value) -> Value:
    return v if k.const is not None and k.const == 1 else _new(made, "mul", k, v)


_NUMBERS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "neg": np.negative}


def _new(made: Any, name: str, *args: Value) -> Value:
    if all(v.const is not None for v in args):
        return made.constant(_NUMBERS[name](*[np.float32(v.const) for v in args]))
    return made.made(name, {}, args, (), "float32")
