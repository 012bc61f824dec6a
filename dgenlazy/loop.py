"""Feedback loops: a body of ops that is fed its own previous output becomes one recurrence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .errors import ArgumentError, ShapeError
from .graph import Hole, Leaf, Node, Spec, lift, toposort
from .op import Block, Context, Recurrence, outputs_of
from .stage import Program, initial_state, number, step

_MOST_ROUNDS = 8  # of a body that is traced again because its output is wider than what it was fed


@final
class Feedback(Recurrence):
    """The recurrence that a loop's body makes. Its inputs: the first `prev`, then what the body takes from outside."""

    def __init__(self, body: Program, shapes: tuple[tuple[int, ...], ...]):
        self.key = (body, shapes)
        held = len(shapes)

        def init(*values):
            first = tuple(jnp.broadcast_to(v, s) for v, s in zip(values, shapes))
            return first, initial_state(body, Context(0.0, 1), [*first, *values[held:]])

        def feedback(state, *values, sample_rate):
            previous, inner = state
            outputs, inner = step(body, Context(sample_rate, 1), [*previous, *values[held:]], inner)
            outputs = tuple(jnp.broadcast_to(y, p.shape) for y, p in zip(outputs, previous))
            return (outputs, inner), outputs

        super().__init__(feedback, init)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feedback) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def infer(self, inputs, params):
        return tuple(Spec(shape, True, 1) for shape in self.key[1])


def close(fn: Callable[[Any], Any], init: Any, wrap: Callable[[Node | Leaf], Any]) -> Any:
    """Feed the output of `fn` back to it one frame later; see `dgenlazy.feedback`."""
    if not callable(fn):
        raise ArgumentError(f"feedback: {fn!r} is not a function of the previous output")
    first, structure = jax.tree.flatten(init)
    starts = [lift(x, "feedback: init") for x in first]
    if not starts:
        raise ArgumentError(f"feedback: init={init!r} holds no number, array or Tensor")
    for start in starts:
        if start.spec.varies:
            raise ArgumentError("feedback: init varies from frame to frame; it must be a number, an array or a Tensor")
    shapes = [start.spec.shape for start in starts]
    for _ in range(_MOST_ROUNDS):
        holes = [Hole(Spec(shape, True, 1)) for shape in shapes]
        outputs, given = jax.tree.flatten(fn(structure.unflatten([wrap(hole) for hole in holes])))
        if given != structure:
            raise ArgumentError(f"feedback: the body returns {given}, init is {structure}; the two must be alike")
        nodes = [lift(y, "feedback: the body's output") for y in outputs]
        try:
            wider = [np.broadcast_shapes(shape, node.spec.shape) for shape, node in zip(shapes, nodes)]
        except ValueError:
            made = ", ".join(str(node.spec.shape) for node in nodes)
            was = ", ".join(map(str, shapes))
            raise ShapeError(f"feedback: the body turns {was} into {made}; the shape must stay") from None
        if wider == shapes:
            return structure.unflatten([wrap(node) for node in _loop(starts, holes, nodes)])
        shapes = wider
    raise ShapeError(f"feedback: the output grows each time it is fed back, to {shapes[0]} so far; the shape must stay")


def _loop(starts: list[Any], holes: list[Any], outputs: list[Any]) -> list[Node]:
    """The nodes of the loop. Only what depends on `holes` goes into it; all else is an input, computed outside."""
    inside = set(holes)
    order = toposort(outputs)
    for node in order:
        if isinstance(node, Node) and any(i in inside for i in node.inputs):
            if isinstance(node.op, Block):
                raise ArgumentError(f"feedback: {node.op.__name__} sees the whole run and cannot be inside a loop")
            if "frame" in node.op.injected:
                raise ArgumentError(f"feedback: {node.op.__name__} counts frames and cannot depend on the loop")
            inside.add(node)
    entering = dict.fromkeys(i for node in order if node in inside for i in node.inputs if i not in inside)
    entering |= dict.fromkeys(node for node in outputs if node not in inside)
    body = number(outputs, [*holes, *entering], [node for node in order if node in inside])
    op = Feedback(body, tuple(hole.spec.shape for hole in holes))
    loop = op.node(*starts, *entering)
    return outputs_of(loop)
