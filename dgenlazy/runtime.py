"""Running programs: the compile cache, realize, streams and gradients. `DGen` is read here and nowhere below."""

from __future__ import annotations

import functools as ft
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import SingleDeviceSharding

from . import backend
from .config import DGen, Inputs, whole_number
from .errors import ArgumentError, InputError, ShapeError
from .graph import Data, Input, Leaf, Node, Number, Seed
from .op import Context
from .plan import Plans, plans
from .stage import Program, initial_state, run, stage
from .stream import Stream
from .terms import summed


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
        array = leaf.array = jax.device_put(array, where)
    return array


def _given(leaf: Data, where: Any) -> Any:
    """The array of a leaf for a run. A knob that a host turns in every block is handed over in less time than it is moved."""
    array = leaf.array
    turned = isinstance(array, np.ndarray) and array.size <= _SMALL and where.platform == "cpu"
    return array if turned else on_device(leaf, where)


_SMALL = 64  # elements

# What a graph is made of, once.


class Staged(NamedTuple):
    """A graph, taken apart: its program, and where the data of each leaf comes from."""

    program: Program
    numbers: np.ndarray  # all Python numbers, packed
    arrays: list[Any]  # the other leaves, in the program's order
    learned: tuple[int, ...]  # which of `arrays` require a gradient
    noises: dict[Seed, int]  # unseeded noises, numbered in the order in which they occur


_staged: weakref.WeakKeyDictionary[Node, Staged] = weakref.WeakKeyDictionary()


def restage(nodes: Sequence[Node | Leaf], noises: dict[Seed, int] | None = None) -> Staged:
    """Stage a graph anew, and remember nothing; `noises` numbers its noises as another graph's."""
    program, leaves = stage(nodes)
    numbers = np.array([leaf.number for leaf in leaves if isinstance(leaf, Number)], np.float32)
    arrays = leaves[program.numbers :]
    learned = tuple([i for i, leaf in enumerate(arrays) if leaf.requires_grad])
    if noises is None:
        unseeded = [leaf for leaf in arrays if isinstance(leaf, Seed) and leaf.seed is None]
        noises = {leaf: i for i, leaf in enumerate(unseeded)}
    return Staged(program, numbers, arrays, learned, noises)


def staged(nodes: Sequence[Node | Leaf]) -> Staged:
    """Stage a graph; one with a single output is remembered as long as it lives."""
    if len(nodes) > 1 or isinstance(nodes[0], Leaf):
        return restage(nodes)
    out = _staged.get(nodes[0])
    if out is None:
        out = _staged[nodes[0]] = restage(nodes)
    return out


def _collect(graph: Staged, frames: int, start: int, inputs: Mapping[int, Any] | None, where: Any) -> list[Any]:
    """The data of every leaf, for the frames from `start` on."""
    out: list[Any] = []
    for leaf in graph.arrays:
        if isinstance(leaf, Data):
            if leaf.spec.varies and start + frames > leaf.array.shape[0]:
                have, name = leaf.array.shape[0], "Signal.from_samples"
                raise InputError(f"{name}: {have} frames of samples, but frames {start} to {start + frames} were asked for")
            out.append(_given(leaf, where))
        elif isinstance(leaf, Input):
            out.append(_samples(leaf.channel, frames, start, inputs))
        elif isinstance(leaf, Seed):
            kind = (0, graph.noises[leaf]) if leaf.seed is None else (1, leaf.seed)
            out.append(np.array([DGen.seed, *kind], np.uint32))
        else:
            raise ArgumentError("feedback: the previous output was used outside of its loop")
    return out


def _samples(channel: int, frames: int, start: int, inputs: Mapping[int, Any] | None) -> np.ndarray:
    given = inputs is not None and channel in inputs
    samples = inputs[channel] if inputs is not None and given else DGen.inputs.get(channel)
    name = f"Signal.input({channel})"
    if samples is None:
        fix = f"pass inputs={{{channel}: samples}}, or assign DGen.inputs[{channel}] = samples"
        raise InputError(f"{name}: there are no samples for channel {channel}; {fix}")
    first = 0 if given else start
    if len(samples) < first + frames:
        at = f" from frame {first} on" if first else ""
        fix = f"ask for fewer frames, or give channel {channel} longer samples"
        raise InputError(f"{name}: {frames} frames{at} were asked for, channel {channel} has {len(samples)}; {fix}")
    return samples[first : first + frames]


def _inputs(inputs: Any) -> Mapping[int, Any] | None:
    """The `inputs=` of one call, checked as `DGen.inputs` is."""
    if inputs is None:
        return None
    if not isinstance(inputs, Mapping):
        raise ArgumentError(f"inputs={inputs!r} is not a mapping from channel to samples, like {{0: samples}}")
    return Inputs(inputs)


def _frame_count(graph: Staged, frames: Any, start: int, inputs: Mapping[int, Any] | None) -> int:
    """How many frames to run; 1 for a program that has none."""
    if frames is not None:
        frames = whole_number("frames", frames)
    if not graph.program.varies:
        return 1
    if frames is not None:
        return frames
    lengths = []
    for leaf in graph.arrays:
        if isinstance(leaf, Input) and inputs is not None and leaf.channel in inputs:
            lengths.append(len(inputs[leaf.channel]))
        elif isinstance(leaf, Data) and leaf.spec.varies:
            if start and start >= leaf.array.shape[0]:
                raise InputError(f"Signal.from_samples: the stream is at frame {start}, the end of the samples")
            lengths.append(leaf.array.shape[0] - start)
    return min(lengths, default=DGen.default_frame_count)


# Compiled programs. The program is the key; everything that is data is an argument.


def unpack(program: Program, ctx: Context, numbers: Any, arrays: Sequence[Any]) -> list[Any]:
    """The leaves of `program` in order. Samples longer than the block are cut to it."""
    out = [numbers[i] for i in range(program.numbers)]
    for spec, array in zip(program.leaves[program.numbers :], arrays):
        if spec.varies and array.shape[0] != ctx.frames:
            array = lax.dynamic_slice_in_dim(array, jnp.asarray(ctx.start, jnp.int32), ctx.frames)
        out.append(array)
    return out


def _context(sample_rate: float, frames: int, start: Any, where: Any) -> Context:
    return Context(sample_rate, frames, start, parallel=where.platform != "cpu", fft=where.platform not in backend.WITHOUT_FFT)


@ft.lru_cache(maxsize=1024)
def _compiled(program: Program, frames: int, sample_rate: float, where: Any) -> Any:
    """`(numbers, arrays, start, state) -> (outputs, state)`; a state of None starts afresh."""

    def fn(numbers, arrays, start, state):
        ctx = _context(sample_rate, frames, start, where)
        leaves = unpack(program, ctx, numbers, arrays)
        state = initial_state(program, ctx, leaves) if state is None else state
        outputs, state = run(program, ctx, leaves, state)
        return _whole(program, outputs, frames), state

    return jax.jit(fn, in_shardings=SingleDeviceSharding(where))


@ft.lru_cache(maxsize=1024)
def _compiled_state(program: Program, frames: int, sample_rate: float, where: Any) -> Any:
    def fn(numbers, arrays, start):
        ctx = _context(sample_rate, frames, start, where)
        return initial_state(program, ctx, unpack(program, ctx, numbers, arrays))

    place = SingleDeviceSharding(where)
    return jax.jit(fn, in_shardings=place, out_shardings=place)  # a state may be made of no argument at all


@ft.lru_cache(maxsize=1024)
def _compiled_gradient(
    program: Program, learned: tuple[int, ...], frames: int, sample_rate: float, where: Any, total: bool
) -> Any:
    """`(parameters, numbers, arrays) -> (loss, gradients)`; the outputs of `program` are terms of the loss."""

    def loss(parameters, numbers, arrays):
        arrays = list(arrays)
        for i, p in zip(learned, parameters):
            arrays[i] = p
        ctx = _context(sample_rate, frames, np.uint32(0), where)
        leaves = unpack(program, ctx, numbers, arrays)
        terms, _ = run(program, ctx, leaves, initial_state(program, ctx, leaves))
        reduce = jnp.sum if total else jnp.mean
        return sum(reduce(t) for t in terms)

    return jax.jit(jax.value_and_grad(loss), in_shardings=SingleDeviceSharding(where))


# What users call, by way of `values`.


def realize(nodes: Sequence[Node | Leaf], frames: Any, inputs: Any, stream: Stream | None) -> list[np.ndarray]:
    """Compute nodes in one program. With a stream, go on from where it is, and move it."""
    graph = stream.graph if stream else staged(nodes)
    where, start = device(), stream.position if stream else 0
    if stream and graph.program.sees_whole_run:
        raise ArgumentError("realize: preserve_state=True streams block by block, but spectral_loss sees the whole run")
    inputs = _inputs(inputs)
    count = _frame_count(graph, frames, start, inputs)
    arrays = _collect(graph, count, start, inputs, where)
    first = np.uint32(start % 2**32)
    state = None
    if stream:
        state = stream.state
        if state is None:
            state = _compiled_state(graph.program, count, DGen.sample_rate, where)(graph.numbers, arrays, first)
        if stream.where is not where:
            state = jax.device_put(state, where)
    run_block = _compiled(graph.program, count, DGen.sample_rate, where)
    outputs, state = run_block(graph.numbers, arrays, first, state)
    outputs = [np.array(y) for y in outputs]
    if stream:
        stream.go_to(state, start + count, where)
    return outputs


class Settings(NamedTuple):
    """What of `DGen` a pure function keeps."""

    sample_rate: float
    seed: int
    where: Any


def settings() -> Settings:
    """Those of now."""
    return Settings(DGen.sample_rate, DGen.seed, device())


def pure(graph: Staged, kept: Settings, bound: Mapping[Leaf, Any], frames: int, start: Any) -> tuple[Any, Any]:
    """`state -> (outputs, state)` over a block, and what makes the first state. `bound` holds the arrays of some leaves."""
    ctx = _context(kept.sample_rate, frames, start, kept.where)
    arrays = []
    for leaf in graph.arrays:
        if isinstance(leaf, Seed):
            kind = (0, graph.noises[leaf]) if leaf.seed is None else (1, leaf.seed)
            arrays.append(np.array([kept.seed, *kind], np.uint32))
        elif leaf in bound:
            arrays.append(bound[leaf])
        elif isinstance(leaf, Data):
            arrays.append(jnp.asarray(leaf.array))  # a traced index does not go into an array of NumPy
        else:
            raise ArgumentError("feedback: the previous output was used outside of its loop")
    leaves = unpack(graph.program, ctx, graph.numbers, arrays)

    def run_block(state):
        outputs, state = run(graph.program, ctx, leaves, state)
        return _whole(graph.program, outputs, frames), state

    return run_block, lambda: initial_state(graph.program, ctx, leaves)


def _whole(program: Program, outputs: list[Any], frames: int) -> list[Any]:
    """The outputs as users get them: a Signal has a value in every frame, also where it does not vary."""
    specs = program.output_specs
    broadcast = [s.signal and not s.varies for s in specs]
    return [jnp.broadcast_to(y, (frames, *s.shape)) if b else y for y, s, b in zip(outputs, specs, broadcast)]


def plan(node: Node | Leaf, frames: Any) -> Plans:
    """How each recurrence below a node would be run now."""
    graph, where = staged([node]), device()
    count = _frame_count(graph, frames, 0, None)
    return plans(graph.program, _context(DGen.sample_rate, count, 0, where), where.platform)


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
        graph = restage([part for part in summed(node) if part is not None], graph.noises)
    inputs = _inputs(inputs)
    count = _frame_count(graph, frames, 0, inputs)
    if count == 0:
        raise ArgumentError("backward: there is no loss over 0 frames")
    where = device()
    arrays = _collect(graph, count, 0, inputs, where)
    fn = _compiled_gradient(graph.program, graph.learned, count, DGen.sample_rate, where, reduction == "sum")
    loss, grads = fn([arrays[i] for i in graph.learned], graph.numbers, arrays)
    for i, grad in zip(graph.learned, grads):
        leaf: Any = graph.arrays[i]
        leaf.grad = grad if leaf.grad is None else jax.device_put(leaf.grad, where) + grad
    return float(loss)


def normal(shape: tuple[int, ...], seed: int | None) -> np.ndarray:
    """Standard normal numbers, the same for the same seed on every machine."""
    key = (DGen.seed, 0, DGen.next_randn()) if seed is None else (DGen.seed, 1, seed)
    return np.random.default_rng(key).standard_normal(shape, np.float32)
