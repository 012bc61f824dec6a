"""Graphs as pure functions of plain arrays, and JAX functions as ops of a graph: the way out, and the way in."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from . import runtime
from .config import whole_number
from .errors import ArgumentError, InputError, ShapeError
from .graph import Data, Input, Leaf, lift, needs_value
from .lazy import Lazy
from .op import Block, Op, Pointwise, outputs_of
from .stage import restage
from .values import promoted


@final
class Function:
    """A graph as a pure function, `fn(params, inputs, state) -> (outputs, state)`; made by `dgenlazy.function`.

    Call it inside anyone's `jax.jit`, `jax.grad`, `jax.vmap` or `jax.lax.scan`. Settings (sample rate, seed, whether the
    backend is parallel) are those of the moment when it was made; data that is no argument is that of the graph.

    Attributes:
        params: The parameters as arrays: what they are now, in the structure that they were given in.
        graph, structure, settings, sources: What it is made of, for `export`: the staged graph, the structure of the outputs,
            what it keeps of `DGen`, and the leaves of the graph that each input stands for, by name.
    """

    def __init__(self, outputs: Any, params: Any, inputs: Any):
        values, self.structure = jax.tree.flatten(outputs, is_leaf=_is_lazy)
        if not values:
            raise ArgumentError("function: there is no output")
        nodes = [needs_value("function: outputs", v).node for v in values]
        self.graph = restage(nodes)
        self.settings = runtime.settings()
        leaves = self.graph.arrays
        if params is None:
            params = [promoted(leaves[i]) for i in self.graph.learned]
        if inputs is None:
            channels = sorted({leaf.channel for leaf in leaves if isinstance(leaf, Input)})
            inputs = {channel: channel for channel in channels}
        if not isinstance(inputs, Mapping):
            raise ArgumentError(f"function: inputs={inputs!r} is not a mapping from name to Signal.input, channel or leaf")
        self._params = _leaves("params", params)
        self.sources = {name: _source(name, x, leaves) for name, x in inputs.items()}
        taken = [leaf for found in (*self.sources.values(), self._params[0]) for leaf in found]
        if len(set(taken)) < len(taken):
            raise ArgumentError("function: a leaf is given twice, as a parameter or as an input")
        missing = [leaf.channel for leaf in leaves if isinstance(leaf, Input) and leaf not in taken]
        if missing:
            raise ArgumentError(f"function: inputs do not name channel {missing[0]}, which the outputs use")

    @property
    def params(self) -> Any:
        leaves, structure = self._params
        return structure.unflatten([jnp.asarray(leaf.array) for leaf in leaves])

    def __call__(
        self, params: Any = None, inputs: Mapping[Any, Any] | None = None, state: Any = None, frames: int | None = None
    ) -> tuple[Any, Any]:
        """Run the graph.

        Args:
            params: Arrays in the structure of `self.params`; by default what the parameters are now. Those of batched leaves
                have the batch axis first; how many examples there are may differ from call to call.
            inputs: An array for each name, `(frames,)` for a Signal, or in a batch `(batch, frames)`; all of one length.
            state: What the last block returned; None starts afresh. A dict of arrays.
            frames: How many, where there are no inputs that vary.

        Returns:
            The outputs in the structure that they were given in, and the state after the last frame. In a batch all outputs,
            and all of the state but its position, have the batch axis first.

        Raises:
            InputError: an input is missing, unknown, or of another length. ShapeError: an array has another shape than
                its leaf, or the state is of another graph or batch. ArgumentError: `params` has another structure.
        """
        bound = self.bound(params, {} if inputs is None else inputs)
        count = self._frames(bound, frames)
        start = jnp.uint32(0) if state is None else _position(state)
        run, fresh = runtime.pure(self.graph, self.settings, bound, count, start)
        outputs, recurrences = run(fresh() if state is None else _state(state, fresh))
        state = {"position": start + jnp.uint32(count), "recurrences": recurrences}
        return self.structure.unflatten(outputs), state

    def initial_state(
        self, params: Any = None, inputs: Mapping[Any, Any] | None = None, frames: int | None = None
    ) -> dict[str, Any]:
        """The state before the first frame, for loops that want one of constant structure; takes what a call takes.

        Make it in a `jax.jit` where it is to be donated: outside of one, equal arrays of it may share their memory.
        """
        bound = self.bound(params, {} if inputs is None else inputs)
        start = jnp.uint32(0)
        _, fresh = runtime.pure(self.graph, self.settings, bound, self._frames(bound, frames), start)
        return {"position": start, "recurrences": fresh()}

    def bound(self, params: Any, inputs: Mapping[Any, Any]) -> dict[Leaf, Any]:
        """The array of every leaf that is a parameter or an input."""
        leaves, structure = self._params
        given, shape = jax.tree.flatten(self.params if params is None else params)
        if shape != structure:
            raise ArgumentError(f"function: params have the structure {shape}, not {structure}")
        bound: dict[Leaf, Any] = {}
        for leaf, array in zip(leaves, given):
            bound[leaf] = _fitting(f"params of {promoted(leaf)!r}", array, leaf, False)
        for name in inputs:
            if name not in self.sources:
                raise InputError(f"function: inputs[{name!r}] is none of {', '.join(map(repr, self.sources)) or 'no inputs'}")
        for name, found in self.sources.items():
            if name not in inputs:
                raise InputError(f"function: inputs[{name!r}] is missing")
            for leaf in found:
                bound[leaf] = _fitting(f"inputs[{name!r}]", inputs[name], leaf, leaf.spec.varies)
        return bound

    def _frames(self, bound: Mapping[Leaf, Any], frames: Any) -> int:
        moving = [(leaf, x) for leaf, x in bound.items() if leaf.spec.varies and leaf not in self._params[0]]
        lengths = {x.shape[x.ndim - len(leaf.spec.shape) - 1] for leaf, x in moving}
        if len(lengths) > 1:
            raise InputError(f"function: inputs have {' and '.join(map(str, sorted(lengths)))} frames; they must be as long")
        if frames is None and not lengths and self.graph.program.varies:
            held = [leaf.frames for leaf in self.graph.arrays if isinstance(leaf, Data) and leaf.spec.varies]
            if not held:
                raise ArgumentError("function: give frames, the number of frames to run: there are no inputs to tell it")
            return min(held)
        count = next(iter(lengths), 1) if frames is None else whole_number("function: frames", frames)
        if lengths and count != next(iter(lengths)):
            raise InputError(f"function: frames={count}, but the inputs have {next(iter(lengths))}")
        for leaf in self.graph.arrays:
            if isinstance(leaf, Data) and leaf.spec.varies and leaf not in bound and leaf.frames < count:
                raise InputError(f"function: Signal.from_samples holds {leaf.frames} frames, {count} were asked for")
        return count


def function(outputs: Any, params: Any = None, inputs: Any = None) -> Function:
    """Make a pure function of a graph, for use with plain JAX: `fn(params, inputs, state) -> (outputs, state)`.

    Args:
        outputs: A value, or a dict, list or tuple of them.
        params: Leaves that become arguments: a dict, list or tuple of Tensors and Signals. By default all that are learned, as
            a list in the order in which they occur.
        inputs: Leaves that are given anew in each call, by name: `{"source": Signal.input(0)}`; a channel number stands for
            its input. By default every channel by its number.

    Returns:
        A `Function`; `fn.params` holds the first values.

    Raises:
        ArgumentError: an output is not a lazy value, a parameter is computed, or an input channel is not named.

    >>> import jax
    >>> gain = Signal.param(0.5)
    >>> fn = dg.function({"out": Signal.input(0) * gain}, params={"gain": gain}, inputs={"source": Signal.input(0)})
    >>> outputs, state = fn({"gain": 2.0}, {"source": np.ones(3, np.float32)})
    >>> print(outputs["out"])
    [2. 2. 2.]
    >>> loss = lambda params: fn(params, {"source": np.ones(3, np.float32)})[0]["out"].sum()
    >>> print(jax.jit(jax.grad(loss))(fn.params))
    {'gain': Array(3., dtype=float32)}
    """
    return Function(outputs, params, inputs)


def from_jax(fn: Callable[..., Any], *, whole_run: bool = False) -> Callable[..., Any]:
    """Make an op of a JAX function, so that it can stand in a graph.

    Args:
        fn: A function of the arrays of one frame, jitted or not; it must be pure. What it takes by keyword only becomes part
            of the program, and must be hashable. It may return a tuple.
        whole_run: Give it all frames instead, `(frames, *shape)`, for one result of the whole run.

    Returns:
        A function of values, numbers and arrays, to be made once and used again: each `from_jax` is another op, which
        compiles anew.

    Raises:
        ArgumentError: `fn` is not a function, or what it returns is not of float32.

    >>> import jax
    >>> softplus = dg.from_jax(jax.nn.softplus)
    >>> softplus(Tensor([0.0])).realize()
    array([0.6931472], dtype=float32)
    """
    if not callable(fn):
        raise ArgumentError(f"from_jax: {fn!r} is not a function")
    op: Op = (Block if whole_run else Pointwise)(fn)

    @ft.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        values, params = op.bind(args, kwargs)
        if not any(isinstance(v, Lazy) for v in values):
            raise ArgumentError(f"{op.__name__}: no Tensor, Signal or SignalTensor among ({', '.join(map(repr, values))})")
        node = op.node(*[lift(v, op.__name__) for v in values], params=params)
        several = isinstance(node.spec, tuple)
        for spec in node.spec if several else (node.spec,):
            if spec.dtype != np.float32:
                raise ArgumentError(f"{op.__name__}: it returns {spec.dtype}, not float32")
        return tuple(promoted(n) for n in outputs_of(node)) if several else promoted(node)

    return call


def _is_lazy(x: Any) -> bool:
    return isinstance(x, Lazy)


def _leaves(what: str, tree: Any) -> tuple[list[Data], Any]:
    values, structure = jax.tree.flatten(tree, is_leaf=_is_lazy)
    for v in values:
        if not isinstance(needs_value(f"function: {what}", v).node, Data):
            raise ArgumentError(f"function: {what}: {v!r} is computed or an input, not a leaf that holds data")
    return [v.node for v in values], structure


def _source(name: Any, x: Any, leaves: list[Any]) -> list[Leaf]:
    """The leaves of the graph that an input stands for: one channel may occur several times."""
    if isinstance(x, Lazy) and isinstance(x.node, Data):
        return [x.node]
    channel = x.node.channel if isinstance(x, Lazy) and isinstance(x.node, Input) else x
    if isinstance(channel, Lazy):
        raise ArgumentError(f"function: inputs[{name!r}]={x!r} is computed; it takes a Signal.input, a channel or a leaf")
    channel = whole_number(f"function: inputs[{name!r}]", channel)
    return [leaf for leaf in leaves if isinstance(leaf, Input) and leaf.channel == channel]


def _position(state: Any) -> Any:
    if not (isinstance(state, Mapping) and state.keys() == {"position", "recurrences"}):
        raise ArgumentError(f"function: state={state!r:.80} is not what a call or initial_state of it returned")
    return state["position"]


def _state(state: Any, fresh: Callable[[], Any]) -> Any:
    """The state of the recurrences, if it is of the shapes that this graph, and this batch, has."""
    (given, shape), (own, wanted) = (jax.tree.flatten(x) for x in (state["recurrences"], jax.eval_shape(fresh)))
    if shape != wanted or [np.shape(x) for x in given] != [x.shape for x in own]:
        shapes = (", ".join(str(np.shape(x)) for x in leaves) or "nothing" for leaves in (given, own))
        raise ShapeError("function: the state is of another graph or batch: it holds {}, not {}".format(*shapes))
    return state["recurrences"]


def _fitting(name: str, array: Any, leaf: Leaf, any_length: bool) -> Any:
    """An array for a leaf: as the leaf's own, or of another number of examples, or with `any_length` of frames."""
    try:
        array = jnp.asarray(array, jnp.float32)
    except (TypeError, ValueError) as e:
        raise ArgumentError(f"function: {name}: {str(e).splitlines()[0]}") from None
    batched = leaf.batched if isinstance(leaf, Data) else array.ndim > 1
    free = batched + any_length  # axes that may be of any length
    own = leaf.array.shape if isinstance(leaf, Data) else (0,) * free
    if array.ndim != len(own) or array.shape[free:] != own[free:]:
        wanted = own if isinstance(leaf, Data) else "(frames,) or (batch, frames)"
        raise ShapeError(f"function: {name} has shape {array.shape}, not {wanted}")
    return array
