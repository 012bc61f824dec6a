"""Graphs as pure functions of plain arrays, for use with plain JAX."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Mapping
from reprlib import repr as short
from typing import Any, final

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from ..config import whole_number
from ..errors import ArgumentError, InputError, ShapeError, spelled
from ..graph import Batch, Data, Input, Leaf, Seed, batch_of, needs_value
from ..lazy import Lazy
from ..run import Compiled, Program, Staged, backend, initial_state, kept, length, memory, restage, run, runtime, samples, title
from ..values import promoted
from .shard import per_shard
from .signature import fitting, position_of


@final
class Function:
    """A graph as a pure function, `fn(params, inputs, state) -> (outputs, state)`; made by `dgenlazy.function`.

    Call it inside anyone's `jax.jit`, `jax.grad`, `jax.vmap` or `jax.lax.scan`; a call outside of them is compiled as `jax.jit`
    does, once for each shape of its arguments. Settings (sample rate, seed, whether the backend is parallel) are those of the
    moment when it was made; data that is no argument is that of the graph.

    Attributes:
        params: The parameters as arrays: what they are now, in the structure that they were given in.
        graph, structure, settings, sources, samples: What it is made of, for `export`: the staged graph, the structure of the
            outputs, what it keeps of `DGen`, the leaves of the graph that each input stands for, by name, and the leaves that
            hold samples of its own.
    """

    def __init__(self, outputs: Any, params: Any, inputs: Any):
        values, structure = jax.tree.flatten(outputs, is_leaf=_is_lazy)
        self.structure: Any = structure
        if not values:
            raise ArgumentError("function: there is no output")
        nodes = [needs_value("function: outputs", v).node for v in values]
        self.graph: Staged = restage(nodes)
        self.settings: runtime.Settings = runtime.settings()
        leaves = self.graph.arrays
        if params is None:
            params = [promoted(leaves[i]) for i in self.graph.learned]
        if inputs is None:
            channels = sorted({leaf.channel for leaf in leaves if isinstance(leaf, Input)})
            inputs = {channel: channel for channel in channels}
        if not isinstance(inputs, Mapping):
            raise ArgumentError(f"function: inputs={inputs!r} is not a mapping from name to Signal.input, channel or leaf")
        self._params = _leaves("params", params)
        self.sources: dict[Any, list[Leaf]] = {name: _source(name, x, leaves) for name, x in inputs.items()}
        taken = [leaf for found in (*self.sources.values(), self._params[0]) for leaf in found]
        if len(set(taken)) < len(taken):
            raise ArgumentError("function: a leaf is given twice, as a parameter or as an input")
        missing = [leaf.channel for leaf in leaves if isinstance(leaf, Input) and leaf not in taken]
        if missing:
            raise ArgumentError(f"function: inputs do not name channel {missing[0]}, which the outputs use")
        given = {leaf for found in self.sources.values() for leaf in found}
        self.samples: list[Data] = [
            leaf for leaf in leaves if isinstance(leaf, Data) and leaf.spec.varies and leaf not in given
        ]
        self._begin()

    def _begin(self) -> None:
        self._held: list[tuple[str, int]] = [("Signal.from_samples", leaf.frames) for leaf in self.samples]
        self._held += [("Signal.from_tensor", rows) for rows in length.rows_laid(self.graph.program)]
        own = tuple([leaf in self.samples for leaf in self.graph.arrays])
        self._program: Any = self.graph.program, own, self.settings._replace(seed=0)  # noise has its seed among the arrays

    def __repr__(self) -> str:
        """The names of what it takes and gives, with shapes."""
        leaves, structure = self._params
        params = structure.unflatten([leaf.array.shape for leaf in leaves])
        outputs = self.structure.unflatten([spec.shape for spec in self.graph.program.output_specs])
        return f"Function(params={short(params)}, inputs={short(list(self.sources))}, outputs={short(outputs)})"

    @property
    def params(self) -> Any:
        leaves, structure = self._params
        return structure.unflatten([jnp.array(leaf.array) for leaf in leaves])  # copies: what is ours must not be donated

    def __reduce__(self) -> Any:
        outputs = self.structure.unflatten(range(self.structure.num_leaves))
        leaves, structure = self._params
        settings = self.settings.sample_rate, self.settings.seed
        params = structure.unflatten(map(promoted, leaves))
        return _restored, (self.graph, outputs, settings, params, self.sources, self.samples)

    def __call__(
        self, params: Any = None, inputs: Mapping[Any, Any] | None = None, state: Any = None, frames: int | None = None
    ) -> tuple[Any, Any]:
        """Run the graph.

        Args:
            params: Arrays in the structure of `self.params`; by default what the parameters are now. Those of batched leaves
                have the batch axis first; how many examples there are may differ from call to call.
            inputs: An array for each name, `(frames, *shape)`, or in a batch `(batch, frames, *shape)`; all of one length, but
                one at a hop has a row for each tick that falls into the block, or one more, which is not used.
            state: What the last block returned; None starts afresh. A dict of arrays.
            frames: How many, where no inputs vary; by default what is left of the graph's own samples.

        Returns:
            The outputs in the structure that they were given in, and the state after the last frame. In a batch all outputs,
            and all of the state but its position, have the batch axis first. An output at a hop has as many rows as ticks may
            fall into so many frames; where one less does, the last row means nothing.

        Raises:
            InputError: an input is missing, unknown, or of another length, or samples of the graph end before the block;
                where `state` is traced, under `jit` or `scan`, frames past their end are NaN instead. ShapeError: an array
                has another shape than its leaf, or the state is of another graph or batch. ArgumentError: `params` has
                another structure, or an op sees the whole run of what looks ahead, which only `whole` gives it.
        """
        if self.latency and (seer := self.graph.program.sees_whole_run):
            raise ArgumentError(f"function: {seer} sees the whole run, and what it takes comes late in a call; call whole()")
        bound = self.bound(params, inputs)
        position = 0 if state is None else position_of(state)
        clock = 0 if state is None else _clock(state) if self.graph.program.rated else None
        count = self._frames(bound, frames, position, clock)
        outputs, state = self._ran(_one_block, self.arrays(bound), state, count)
        return self.structure.unflatten(outputs), state

    def whole(self, params: Any = None, inputs: Mapping[Any, Any] | None = None, frames: int | None = None) -> Any:
        """The outputs of a whole run, as `realize` gives them: not late, whatever looks ahead, and with no state. For training.

        Takes what a call takes; an input may go on beyond `frames`, for what looks ahead.

        >>> fn = dg.function(Signal.input(0).windows(2, 1, align="start").sum())
        >>> print(fn(inputs={0: np.ones(3, np.float32)})[0], fn.whole(inputs={0: np.ones(3, np.float32)}))
        [0. 2. 2.] [2. 2. 1.]
        """
        bound = self.bound(params, inputs)
        count = self._frames(bound, frames, 0, 0, whole=True)
        outputs, _ = self._ran(_aligned, self.arrays(bound), None, count)
        return self.structure.unflatten(outputs)

    @property
    def latency(self) -> int:
        """How many frames late the outputs of a call are: what the graph looks ahead. Those of `whole` are not.

        >>> dg.function(Signal.input(0).stft(64).istft()).latency
        63
        """
        return self.graph.program.latency

    def _ran(self, make: Any, arrays: list[Any], state: Any, count: int) -> tuple[Any, Any]:
        key: Any = (*self._program, batch_of(self.graph.arrays, arrays, self.graph.batched), count)
        if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((arrays, state))):
            return make(*key)(self.graph.numbers, arrays, state)
        backend.check_fork()
        return _compiled(make, *key, tuple([x.shape for x in arrays]))(self.graph.numbers, arrays, state)

    def block(
        self, arrays: list[Any], start: Any, count: Any, settings: runtime.Settings, whole: bool = False
    ) -> tuple[Any, Any]:
        """`state -> (outputs, state)` for the frames from `start` on, None for the first, and what makes the first state."""
        program, own, _ = self._program
        batch = batch_of(self.graph.arrays, arrays, self.graph.batched)
        return _pure(program, own, settings, batch, count, whole)(self.graph.numbers, arrays, start)

    def initial_state(
        self, params: Any = None, inputs: Mapping[Any, Any] | None = None, frames: int | None = None
    ) -> dict[str, Any]:
        """The state before the first frame, for loops that want one of constant structure; takes what a call takes."""
        bound = self.bound(params, inputs)
        fresh = per_shard(lambda arrays: self.block(arrays, None, self._frames(bound, frames, 0, None), self.settings)[1]())
        recurrences = jax.tree.map(jnp.array, fresh(self.arrays(bound)))  # copies, which may be donated
        return {"position": jnp.uint32(0), "recurrences": recurrences}

    def arrays(self, bound: Mapping[Leaf, Any]) -> list[Any]:
        """The array of every leaf of the graph: of some as `bound` has it, of the others as it is now."""
        arrays: list[Any] = []
        for leaf in self.graph.arrays:
            if isinstance(leaf, Seed):
                arrays.append(runtime.key(leaf, self.settings.seed, leaf.number))
            elif leaf in bound:
                arrays.append(bound[leaf])
            elif isinstance(leaf, Data):
                arrays.append(jnp.asarray(leaf.array))  # a traced index does not go into an array of NumPy
            else:
                raise ArgumentError("feedback: the previous output was used outside of its loop")
        return arrays

    def bound(self, params: Any, inputs: Any) -> dict[Leaf, Any]:
        """The array of every leaf that is a parameter or an input."""
        inputs = {} if inputs is None else inputs
        if not isinstance(inputs, Mapping):
            raise ArgumentError(f"function: inputs={type(inputs).__name__} is not a mapping from name to array")
        leaves, structure = self._params
        given, shape = ([leaf.array for leaf in leaves], structure) if params is None else jax.tree.flatten(params)
        if shape != structure:
            raise ArgumentError(f"function: params have the structure {shape}, not {structure}")
        bound: dict[Leaf, Any] = {}
        for leaf, array in zip(leaves, given):
            bound[leaf] = fitting(f"params of {promoted(leaf)!r}", array, leaf, False)
        for name in inputs:
            if name not in self.sources:
                raise InputError(f"function: inputs[{name!r}] is none of {', '.join(map(repr, self.sources)) or 'no inputs'}")
        for name, found in self.sources.items():
            if name not in inputs:
                raise InputError(f"function: inputs[{name!r}] is missing")
            for leaf in found:
                bound[leaf] = fitting(f"inputs[{name!r}]", inputs[name], leaf, leaf.spec.varies)
        return bound

    def _frames(self, bound: Mapping[Leaf, Any], frames: Any, position: Any, clock: int | None, whole: bool = False) -> int:
        """How many frames a call is of. Inputs at a hop have a row for each tick; in a whole run inputs may be longer.

        Whether there are samples for it is checked as far as its position is known.
        """
        start = 0 if isinstance(position, jax.core.Tracer) else int(position)
        asked = None if frames is None else whole_number("function: frames", frames)
        moving = [(leaf, x) for leaf, x in bound.items() if leaf.spec.varies and leaf not in self.samples]
        rows = [(leaf.spec.every, x.shape[x.ndim - len(leaf.spec.shape) - 1]) for leaf, x in moving]
        lengths = sorted({n for hop, n in rows if hop == 1})
        if len(lengths) > 1 and not (whole and asked is not None):
            raise InputError(f"function: inputs have {' and '.join(map(str, lengths))} frames; they must be as long")
        if asked is None and not rows and self.graph.program.varies and not self._held:
            raise ArgumentError("function: give frames, the number of frames to run: there are no inputs to tell it")
        told = lengths or [n * hop for hop, n in rows]
        if asked is None and not told:
            told = [samples.rest(f"function: {name}", n, start) for name, n in self._held] or [1]
        count = min(told) if asked is None else asked
        if lengths and (count > lengths[0] if whole else count != lengths[0]):
            raise InputError(f"function: frames={count}, but the inputs have {lengths[0]}")
        for hop, n in rows:
            samples.enough(n, hop, count, None if whole else clock, whole)
        for leaf in self.samples:
            samples.inside(leaf, start, count, 0 if whole else self.latency)
        length.inside(self.graph.program, start, count, 0 if whole else self.latency)
        return count


@spelled
def function(outputs: Any, params: Any = None, inputs: Any = None) -> Function:
    """Make a pure function of a graph, for use with plain JAX: `fn(params, inputs, state) -> (outputs, state)`.

    Args:
        outputs: A value, or a dict, list or tuple of them.
        params: Leaves that become arguments: a dict, list or tuple of Tensors and Signals. By default all that are learned, as
            a list in the order in which they occur.
        inputs: Leaves that are given anew in each call, by name: `{"source": Signal.input(0)}`; a channel number stands for
            its input. By default every channel by its number.

    Returns:
        A `Function`; `fn.params` holds the first values, and `fn.initial_state` makes the first state. A call is a block of a
        stream, and late where something looks ahead; `fn.whole(params, inputs)` is a whole run, which is not, and has no
        state: what training takes of losses that see all frames, like `spectral_loss`.

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


def _clock(state: Any) -> int | None:
    """Frames since the stream of a state began, which tells ticks also where the position wraps; None where it is traced."""
    counts = jax.tree.leaves(state["recurrences"])[:1]
    known = counts and not isinstance(counts[0], jax.core.Tracer) and jnp.issubdtype(jnp.result_type(counts[0]), jnp.integer)
    return int(np.ravel(counts[0])[0]) if known and np.size(counts[0]) else None


def _state(state: Any, fresh: Callable[[], Any]) -> Any:
    """The state of the recurrences, if it is of the shapes that this graph, and this batch, has."""
    (given, shape), (own, wanted) = (jax.tree.flatten(x) for x in (state["recurrences"], jax.eval_shape(fresh)))
    if shape != wanted or [np.shape(x) for x in given] != [x.shape for x in own]:
        shapes = (", ".join(str(np.shape(x)) for x in leaves) or "nothing" for leaves in (given, own))
        raise ShapeError("function: the state is of another graph or batch: it holds {}, not {}".format(*shapes))
    for x, wants in zip(given, own):
        if jnp.issubdtype(jnp.result_type(x), jnp.inexact) != jnp.issubdtype(wants.dtype, jnp.inexact):
            raise ArgumentError(f"function: the state holds {jnp.result_type(x)} where {wants.dtype} belongs")
    return state["recurrences"]


def _pure(
    program: Program, own: tuple[bool, ...], settings: runtime.Settings, batch: Batch | None, frames: Any, whole: bool = False
) -> Any:
    """`(numbers, arrays, start) -> (run, fresh)`: a block as `state -> (outputs, state)`, and what makes the first state.

    `own` are the arrays that are samples of the graph, to be cut to the block; a `start` of None is the first frame. In a batch
    outputs and state have the batch axis, every array of them.
    """

    def block(numbers, arrays, start):
        if not whole:
            specs, beyond = program.leaves[program.numbers :], program.latency
            arrays = [samples.cut(x, spec, start, frames, beyond) if cut else x for x, spec, cut in zip(arrays, specs, own)]
            arrays = [samples.filled(x, spec, frames) for x, spec in zip(arrays, specs)]
        start, ahead = jnp.uint32(0) if start is None else start, program.latency if whole else None
        ctx = runtime.context(settings.sample_rate, frames, start, settings.where, batch, ahead)
        ctx = ctx._replace(one_device=_one_device(settings.where))

        def run_block(arrays, state):
            outputs, state = run(program, ctx, samples.unpack(program, ctx, numbers, arrays), state)
            return runtime.whole(program, outputs, frames), state

        def fresh(arrays):
            return initial_state(program, ctx, samples.unpack(program, ctx, numbers, arrays))

        if batch:
            axes = list(batch.axes)
            run_block, fresh = jax.vmap(run_block, (axes, 0)), jax.vmap(fresh, (axes,))
        return ft.partial(run_block, arrays), ft.partial(fresh, arrays)

    return block


def _one_block(program: Program, own: tuple[bool, ...], settings: runtime.Settings, batch: Batch | None, frames: int) -> Any:
    """`(numbers, arrays, state) -> (outputs, state)`, states as users have them."""
    block = _pure(program, own, settings, batch, frames)

    @per_shard
    def computed(numbers, arrays, state):
        run_block, fresh = block(numbers, arrays, None if state is None else state["position"])
        return run_block(fresh() if state is None else _state(state, fresh))

    def fn(numbers, arrays, state):
        outputs, recurrences = computed(numbers, arrays, state)
        start = jnp.uint32(0) if state is None else jnp.asarray(state["position"], jnp.uint32)
        return outputs, {"position": start + jnp.uint32(frames), "recurrences": recurrences}

    return fn


def _aligned(program: Program, own: tuple[bool, ...], settings: runtime.Settings, batch: Batch | None, frames: int) -> Any:
    """`(numbers, arrays, None) -> (outputs, None)`, of a whole run."""
    block = _pure(program, own, settings, batch, frames, whole=True)

    def fn(numbers, arrays, state):
        run_block, fresh = block(numbers, arrays, None)
        return run_block(fresh())[0], state

    return per_shard(fn)


@kept
def _compiled(make: Any, program: Program, own: Any, of: runtime.Settings, batch: Batch | None, frames: int, _: Any) -> Any:
    """What `make` makes, for arrays of the shapes that come last."""
    fn = Compiled(make(program, own, of, batch, frames), title(program, frames))
    return memory.fitted(fn, program, frames, of.where, batch)


def _restored(graph: Staged, outputs: Any, of: tuple[float, int], params: Any, sources: Any, own: list[Data]) -> Function:
    """A function from a copy or a pickle. The device is that of the process it comes to."""
    self = object.__new__(Function)
    self.graph, self.sources, self.samples = graph, sources, own
    self.structure, self._params = jax.tree.structure(outputs), _leaves("params", params)
    self.settings = runtime.Settings(*of, runtime.device())
    self._begin()
    return self


def _one_device(where: Any) -> bool:
    """Whether a batch is sure to be on one device: where there are more, a user's `jit` may spread it over them."""
    return not isinstance(where, jax.Device) or where.client.device_count() == 1
