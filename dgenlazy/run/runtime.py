"""Running programs: the compile cache, realize, streams and gradients. `DGen` is read here and nowhere below."""

from __future__ import annotations

import functools as ft
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..config import DGen, Inputs, whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Batch, Context, Data, Input, Leaf, Node, Seed, batch_of
from . import backend, samples
from .latency import came
from .plan import Plans, plans
from .program import Program
from .stage import Staged, initial_state, run, staged
from .stream import Stream
from .terms import staged_terms


def device() -> Any:
    """The device that `DGen.backend` asks for."""
    return backend.device(DGen.backend)


def sample_rate() -> float:
    """In Hz, of the run that would begin now."""
    return DGen.sample_rate


def on_device(leaf: Data, where: Any) -> Any:
    """The array of a leaf, moved to `where` once and kept there."""
    array = leaf.array
    if not isinstance(array, jax.Array) or array.devices() != {where}:
        with jax.ensure_compile_time_eval():  # also inside somebody's jit: what is kept must not be a tracer
            array = leaf.array = jax.device_put(array, where)
    return array


def _given(leaf: Data, where: Any, start: int) -> Any:
    """The array of a leaf for a run from `start` on. A knob turned between blocks is handed over faster than it is moved."""
    array = leaf.array
    turned = start and isinstance(array, np.ndarray) and array.size <= _SMALL and where.platform == "cpu"
    return array if turned else on_device(leaf, where)


_SMALL = 64  # elements


def _collect(
    graph: Staged, frames: int, start: int, inputs: Mapping[int, Any] | None, where: Any, stream: Stream | None = None
) -> list[Any]:
    """The data of every leaf, for the frames from `start` on."""
    numbers = stream.numbers if stream else {}
    out: list[Any] = []
    latency = graph.program.latency
    for leaf in graph.arrays:
        if isinstance(leaf, Data):
            if leaf.spec.varies:
                samples.inside(leaf, start, frames, latency if stream else 0)
            out.append(_given(leaf, where, start))
        elif isinstance(leaf, Input):
            out.append(samples.block(leaf, frames, start, inputs, DGen.inputs, 0 if stream else latency))
        elif isinstance(leaf, Seed):
            out.append(key(leaf, DGen.seed, numbers.get(leaf, leaf.number)))
        else:
            raise ArgumentError("feedback: the previous output was used outside of its loop")
    return out


def key(leaf: Seed, seed: int, number: int) -> np.ndarray:
    """What a noise is a function of. Given seeds and numbers never meet: the second of three tells them apart."""
    return np.array([seed, *((0, number) if leaf.seed is None else (1, leaf.seed))], np.uint32)


def next_number() -> int:
    """Of a noise that is made now, without a seed."""
    return DGen.next_randn()


def _inputs(inputs: Any) -> Mapping[int, Any] | None:
    """The `inputs=` of one call, checked as `DGen.inputs` is."""
    if inputs is None:
        return None
    if not isinstance(inputs, Mapping):
        raise ArgumentError(f"inputs={inputs!r} is not a mapping from channel to samples, like {{0: samples}}")
    return Inputs(inputs)


def _frame_count(graph: Staged, frames: Any, start: int, inputs: Mapping[int, Any] | None) -> int:
    """How many frames to run: without `frames` what is left of the shortest samples. 1 for a program that has none."""
    if frames is not None:
        frames = whole_number("frames", frames)
    if not graph.program.varies:
        return 1
    if frames is not None:
        return frames
    lengths = []
    for leaf in graph.arrays:
        if isinstance(leaf, Input) and leaf.channel in {*(inputs or ()), *DGen.inputs}:
            array, axis, first = samples.found(leaf, start, inputs, DGen.inputs)
            lengths.append(
                samples.rest(f"Signal.input({leaf.channel})", array.shape[axis] * leaf.spec.every, first * leaf.spec.every)
            )
        elif isinstance(leaf, Data) and leaf.spec.varies:
            lengths.append(samples.rest("Signal.from_samples", leaf.frames, start))
    return min(lengths, default=DGen.default_frame_count)


# Compiled programs. The program is the key, and of a batched run which arrays have the batch axis; all data is an argument.


def context(
    sample_rate: float, frames: int, start: Any, where: Any, batch: Batch | None = None, ahead: int | None = None
) -> Context:
    """Of a block of a stream, or where `ahead` says how far it looks beyond its end, of a whole run."""
    parallel, fft = where.platform != "cpu", where.platform not in backend.WITHOUT_FFT
    return Context(sample_rate, frames, start, parallel, fft, batch.size if batch else 1, ahead=ahead)


@ft.lru_cache(maxsize=1024)
def _compiled(
    program: Program, frames: int, sample_rate: float, where: Any, batch: Batch | None = None, aligned: bool = False
) -> Any:
    """`(numbers, arrays, start, state) -> (outputs, state)`; a state of None starts afresh. In a batch all have its axis."""

    def fn(numbers, arrays, start, state):
        ctx = context(sample_rate, frames, start, where, batch, program.latency if aligned else None)
        leaves = samples.unpack(program, ctx, numbers, arrays)
        state = initial_state(program, ctx, leaves) if state is None else state
        outputs, state = run(program, ctx, leaves, state)
        return whole(program, outputs, frames), state

    fn = jax.vmap(fn, (None, list(batch.axes), None, 0)) if batch else fn
    return jax.jit(fn, in_shardings=SingleDeviceSharding(where))


@ft.lru_cache(maxsize=1024)
def _compiled_state(program: Program, frames: int, sample_rate: float, where: Any, batch: Batch | None = None) -> Any:
    def fn(numbers, arrays, start):
        ctx = context(sample_rate, frames, start, where)
        return initial_state(program, ctx, samples.unpack(program, ctx, numbers, arrays))

    fn = jax.vmap(fn, (None, list(batch.axes), None)) if batch else fn
    place = SingleDeviceSharding(where)
    return jax.jit(fn, in_shardings=place, out_shardings=place)  # a state may be made of no argument at all


@ft.lru_cache(maxsize=1024)
def _compiled_gradient(
    program: Program,
    learned: tuple[int, ...],
    frames: int,
    sample_rate: float,
    where: Any,
    total: bool,
    batch: Batch | None = None,
) -> Any:
    """`(parameters, numbers, arrays) -> (loss, gradients)`; the outputs of `program` are terms of the loss."""

    def of_one(parameters, numbers, arrays):
        arrays = list(arrays)
        for i, p in zip(learned, parameters):
            arrays[i] = p
        ctx = context(sample_rate, frames, np.uint32(0), where, batch, program.latency)
        leaves = samples.unpack(program, ctx, numbers, arrays)
        terms, _ = run(program, ctx, leaves, initial_state(program, ctx, leaves))
        reduce = jnp.sum if total else jnp.mean
        return sum(reduce(t) for t in terms)

    def of_batch(parameters, numbers, arrays):
        axes = list(batch.axes) if batch else []
        return jnp.mean(jax.vmap(of_one, ([axes[i] for i in learned], None, axes))(parameters, numbers, arrays))

    loss = of_batch if batch else of_one
    return jax.jit(jax.value_and_grad(loss), in_shardings=SingleDeviceSharding(where))


# What users call, by way of `values`.


def realize(nodes: Sequence[Node | Leaf], frames: Any, inputs: Any, stream: Stream | None) -> list[np.ndarray]:
    """Compute nodes in one program. With a stream, go on from where it is, and move it."""
    graph = stream.graph if stream else staged(nodes)
    where, start = device(), stream.position if stream else 0
    if stream and graph.program.sees_whole_run:
        name = graph.program.sees_whole_run
        raise ArgumentError(f"realize: preserve_state=True streams block by block, but {name} sees the whole run")
    inputs = _inputs(inputs)
    count = _frame_count(graph, frames, start, inputs)
    arrays = _collect(graph, count, start, inputs, where, stream)
    batch = batch_of(graph.arrays, arrays, graph.batched)
    aligned = graph.program.rated and not stream
    key = (graph.program, count, DGen.sample_rate, where, *((batch,) if batch or aligned else ()))
    first = np.uint32(start % 2**32)
    state = None
    if stream:
        stream.takes(batch.size if batch else None)
        state = stream.state
        if state is None:
            state = _compiled_state(*key)(graph.numbers, arrays, first)
        if stream.where is not where:
            state = jax.device_put(state, where)
    outputs, state = _compiled(*key, *((True,) if aligned else ()))(graph.numbers, arrays, first, state)
    outputs = [np.array(y) for y in outputs]
    if stream:
        if graph.program.rated:
            outputs = [came(y, graph.program, i, start, count, bool(batch)) for y, i in zip(outputs, graph.program.outputs)]
        stream.go_to(state, start + count, where, batch.size if batch else None)
    return outputs


class Settings(NamedTuple):
    """What of `DGen` a pure function keeps."""

    sample_rate: float
    seed: int
    where: Any


def settings() -> Settings:
    """Those of now."""
    return Settings(DGen.sample_rate, DGen.seed, device())


def whole(program: Program, outputs: list[Any], frames: int) -> list[Any]:
    """The outputs as users get them: a Signal has a value in every frame, also where it does not vary."""
    specs = program.output_specs
    broadcast = [s.signal and not s.varies for s in specs]
    return [jnp.broadcast_to(y, (frames, *s.shape)) if b else y for y, s, b in zip(outputs, specs, broadcast)]


def at_once(node: Node | Leaf) -> np.ndarray | None:
    """What a node holds, where that takes no number of frames: it does not vary, or the samples below it end somewhere."""
    if isinstance(node, Data):
        return np.array(node.array)
    graph = staged([node])
    with jax.ensure_compile_time_eval():  # inside somebody's jit it is a constant
        if not graph.program.moves:
            out = realize([node], 1, None, None)[0]
            return np.array(out.take(0, axis=out.ndim - len(node.spec.shape) - 1)) if node.spec.signal else out
        return realize([node], None, None, None)[0] if any(map(_ends, graph.arrays)) else None


def _ends(leaf: Leaf) -> bool:
    """Whether a leaf holds samples now, whose end is that of a run."""
    return leaf.channel in DGen.inputs if isinstance(leaf, Input) else isinstance(leaf, Data) and leaf.spec.varies


def plan(node: Node | Leaf, frames: Any) -> Plans:
    """How each recurrence below a node would be run now."""
    graph, where = staged([node]), device()
    count = _frame_count(graph, frames, 0, None)
    examples = max([leaf.array.shape[0] for leaf in graph.arrays if isinstance(leaf, Data) and leaf.batched], default=1)
    ctx = context(DGen.sample_rate, count, 0, where)._replace(examples=examples)
    return plans(graph.program, ctx, where.platform)


def backward(node: Node | Leaf, frames: Any, inputs: Any, reduction: Any) -> float:
    """Differentiate one number, and add its gradient to that of each leaf that requires one."""
    if not (isinstance(reduction, str) and reduction in ("mean", "sum")):
        raise ArgumentError(f"backward: reduction={reduction!r} is not one of mean, sum")
    if node.spec.shape != ():
        raise ShapeError(f"backward: a loss has shape (), this value has {node.spec.shape}; take its mean() or sum()")
    graph = staged([node])
    if not graph.learned:
        raise ArgumentError("backward: nothing to differentiate; no value below the loss has requires_grad=True")
    if reduction == "sum" and isinstance(node, Node):
        graph = staged_terms(node)
    inputs = _inputs(inputs)
    count = _frame_count(graph, frames, 0, inputs)
    if count == 0:
        raise ArgumentError("backward: there is no loss over 0 frames")
    where = device()
    arrays = _collect(graph, count, 0, inputs, where)
    batch = batch_of(graph.arrays, arrays, graph.batched)
    if batch and not batch.size:
        raise ArgumentError("backward: there is no loss over a batch of 0 examples")
    key = (graph.program, graph.learned, count, DGen.sample_rate, where, reduction == "sum", *((batch,) if batch else ()))
    fn = _compiled_gradient(*key)
    loss, grads = fn([arrays[i] for i in graph.learned], graph.numbers, arrays)
    for i, grad in zip(graph.learned, grads):
        leaf: Any = graph.arrays[i]
        leaf.grad = grad if leaf.grad is None else jax.device_put(leaf.grad, where) + grad
    return float(loss)


def normal(shape: tuple[int, ...], seed: int | None) -> np.ndarray:
    """Standard normal numbers, the same for the same seed on every machine."""
    key = (0, next_number()) if seed is None else (1, seed)
    return np.random.default_rng((DGen.seed, *key)).standard_normal(shape, np.float32)
