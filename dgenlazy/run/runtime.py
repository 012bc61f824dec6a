"""Running programs: the compile cache, realize, streams and gradients. `DGen` is read here and nowhere below."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..config import DGen, whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Batch, Data, Input, Leaf, Node, Seed, batch_of
from . import backend, length, memory, samples
from .again import remember, repeated
from .block import begun, computed, whole as whole
from .cache import kept
from .compiling import Compiled, title
from .data import added, given, key, name_what_is_not_finite
from .host import on_host
from .latency import came
from .objective import Objective, context as context, loss_of
from .packed import packed
from .plan import Plans, plans
from .program import Program
from .stage import Staged, staged
from .stream import At, Ready, Stream, flushed, following, for_next
from .terms import staged_terms


def device() -> Any:
    """The device that `DGen.backend` asks for."""
    return backend.device(DGen.backend)


def sample_rate() -> float:
    """In Hz, of the run that would begin now."""
    return DGen.sample_rate


def _collect(graph: Staged, frames: int, at: At, inputs: Mapping[int, Any] | None, where: Any, whole: bool) -> list[Any]:
    """The data of every leaf, for the frames from where a stream is `at`; of a whole run, for what is looked ahead too."""
    out: list[Any] = []
    latency = graph.program.latency
    length.inside(graph.program, at.position, frames, 0 if whole else latency)
    for leaf in graph.arrays:
        if isinstance(leaf, Data):
            part = None
            if leaf.spec.varies:
                samples.inside(leaf, at.position, frames, 0 if whole else latency)
                part = samples.later(leaf, frames, at.position)
            out.append(given(leaf, where, at.position) if part is None else part)
        elif isinstance(leaf, Input):
            out.append(samples.block(leaf, frames, at.position, inputs, DGen.inputs, latency if whole else 0))
        elif isinstance(leaf, Seed):
            out.append(key(leaf, DGen.seed, at.numbers.get(leaf, leaf.number)))
        else:
            raise ArgumentError("feedback: the previous output was used outside of its loop")
    return out


def next_number() -> int:
    """Of a noise that is made now, without a seed."""
    return DGen.next_randn()


def numbering(at: int | None = None) -> int:
    """How many noises and `Tensor.randn` were made without a seed; given, the next ones are numbered from there on."""
    return DGen.numbering(at)


def frame_count(
    graph: Staged, frames: Any = None, start: int = 0, inputs: Mapping[int, Any] | None = None, least: int = 0
) -> int:
    """How many frames to run: without `frames` what is left of the shortest samples, without samples `least` or what is usual.

    1 for a program that has none.
    """
    if frames is not None:
        frames = whole_number("frames", frames)
    if not graph.program.varies:
        return 1
    if frames is not None:
        return frames
    lengths, session = [], DGen.inputs
    for leaf in graph.arrays:
        if isinstance(leaf, Input) and (leaf.channel in session or (inputs and leaf.channel in inputs)):
            array, axis, first = samples.found(leaf, start, inputs, session)
            lengths.append(
                samples.rest(f"Signal.input({leaf.channel})", array.shape[axis] * leaf.spec.every, first * leaf.spec.every)
            )
        elif isinstance(leaf, Data) and leaf.spec.varies:
            lengths.append(samples.rest("Signal.from_samples", leaf.frames, start))
    if graph.program.takes_length:
        lengths += [samples.rest("Signal.from_tensor", rows, start) for rows in length.rows_laid(graph.program)]
    return min(lengths) if lengths else length.collects(graph.program) or max(DGen.default_frame_count, least)


def audible(node: Node | Leaf, frames: Any, inputs: Any) -> int:
    """How many frames to play: where nothing says so, a second."""
    return frame_count(staged([node]), frames, 0, samples.lent(inputs), round(DGen.sample_rate))


# Compiled programs. The program is the key, and of a batched run which arrays have the batch axis; all data is an argument.
# The key tells all shapes, so that each entry is one program and the cache knows how many there are.


def _more(graph: Staged, arrays: Sequence[Any], frames: int, batch: Batch | None, aligned: bool = False) -> tuple[Any, ...]:
    """What the key of a compiled program has besides: a batch, lengths of samples if not the block's, and if `aligned`."""
    sampled = graph.program.sampled
    lengths = tuple([arrays[i].shape[axis] for i, axis, _ in sampled])
    if aligned or any([n != -(-frames // hop) for n, (_, _, hop) in zip(lengths, sampled)]):
        return batch, lengths, *([True] if aligned else [])
    return (batch,) if batch else ()


@kept
def _compiled(
    program: Program,
    frames: int,
    sample_rate: float,
    where: Any,
    batch: Batch | None = None,
    lengths: tuple[int, ...] = (),
    aligned: bool = False,
) -> Any:
    """`(numbers, arrays, start, state) -> (outputs, state)`, the state `packed`; one of None starts afresh.

    A stream gives what is `settled` in the place of the numbers. In a batch all else have its axis.
    """

    def fn(numbers, arrays, start, state):
        ctx = context(sample_rate, frames, start, where, batch, program.latency if aligned else None)
        return computed(program, ctx, numbers, arrays, state)

    fn = jax.vmap(fn, (None, list(batch.axes), None, 0)) if batch else fn
    run_it = Compiled(fn, title(program, frames), in_shardings=SingleDeviceSharding(where))
    return memory.fitted(run_it, program, frames, where, batch)


@kept
def _compiled_state(
    program: Program, frames: int, sample_rate: float, where: Any, batch: Batch | None = None, lengths: tuple[int, ...] = ()
) -> Any:
    """`(numbers, arrays, start) -> (state, settled)`, for a stream to begin with: both packed."""

    def fn(numbers, arrays, start):
        return begun(program, context(sample_rate, frames, start, where), numbers, arrays)

    fn = jax.vmap(fn, (None, list(batch.axes), None), (0, None)) if batch else fn
    place = SingleDeviceSharding(where)
    what = title(program, frames, "the first state of ")
    return Compiled(fn, what, in_shardings=place, out_shardings=place)  # a state may be made of no argument at all


@kept
def _compiled_gradient(program: Program, learned: tuple[int, ...], *settings: Any) -> Any:
    """`(parameters, numbers, arrays) -> (loss, gradients)`."""
    frames, _, where, _, batch, *_ = *settings, None
    loss = jax.value_and_grad(loss_of(program, learned, *settings))
    fn = Compiled(loss, title(program, frames, "the gradient of "), in_shardings=SingleDeviceSharding(where))
    return memory.fitted(fn, program, frames, where, batch)


# What users call, by way of `values`.


def realize(nodes: Sequence[Node | Leaf], frames: Any, inputs: Any, stream: Stream | None) -> list[np.ndarray]:
    """Compute nodes in one program. With a stream, go on from where it is, and move it."""
    if stream is None:
        return _whole_run(staged(nodes), frames, samples.lent(inputs))
    with stream.lock:  # each of two threads gets the next block
        outputs = following(stream, frames, DGen._all(), _compiled) if inputs is None else None
        return _block(stream, frames, samples.lent(inputs)) if outputs is None else outputs


_START = At()
_FIRST = np.uint32(0)


def _whole_run(graph: Staged, frames: Any, inputs: Mapping[int, Any] | None) -> list[np.ndarray]:
    settings = DGen._all()  # before what is read of it: who assigns meanwhile makes another
    found = repeated(graph, frames, inputs, settings)
    if found is None:
        count, where, flush = frame_count(graph, frames, 0, inputs), device(), DGen.flush_nan
        arrays = _collect(graph, count, _START, inputs, where, True)
        if flush:
            name_what_is_not_finite(graph.arrays, arrays, 0)
        batch = batch_of(graph.arrays, arrays, graph.batched)
        key = (graph.program, count, DGen.sample_rate, where, *_more(graph, arrays, count, batch, graph.program.rated))
        if not flush:
            remember(graph, frames, inputs, settings, count, key, arrays)
        found = key, graph.numbers, arrays
    key, numbers, arrays = found
    outputs, _ = _compiled(*key)(numbers, arrays, _FIRST, None)
    return on_host(outputs)


def _ready(stream: Stream, frames: Any, inputs: Mapping[int, Any] | None) -> Ready:
    """What a block is run with."""
    settings = DGen._all()  # before what is read of it: who assigns meanwhile makes another
    graph, place, before = stream.graph, (DGen.sample_rate, device()), stream.ready
    if before and before.place == place and type(frames) is int and before.frames == frames:
        stream.ready = before if before.settings() is settings else before._replace(settings=weakref.ref(settings))
        return before
    count = frame_count(graph, frames, stream.position, inputs)
    still = not graph.program.rated and all(isinstance(x, Data) and not (x.spec.varies or x.batched) for x in graph.arrays)
    ready = Ready(count, place, (graph.program, count, *place), still and not graph.program.takes_length, weakref.ref(settings))
    stream.ready = ready if count == frames else stream.ready
    return ready


def _block(stream: Stream, frames: Any, inputs: Mapping[int, Any] | None) -> list[np.ndarray]:
    graph, at = stream.graph, stream.at
    if seen := graph.program.sees_whole_run:
        raise ArgumentError(f"realize: preserve_state=True streams block by block, but {seen} sees the whole run")
    count, place, key, still, _ = _ready(stream, frames, inputs)
    start, where, goes_on = at.position, place[1], at.place == place
    batch, more = None, ()
    if still and goes_on:  # which is asked in each block, and short ones take little more than to be asked for
        arrays = for_next(graph.arrays, at, where)
    else:
        arrays = _collect(graph, count, at, inputs, where, False)
        batch = batch_of(graph.arrays, arrays, graph.batched)
        more = _more(graph, arrays, count, batch)
    first, state, numbers, restarts, flush = np.uint32(start % 2**32), at.state, at.settled, at.restarts, DGen.flush_nan
    size = batch.size if batch else None
    stream.takes(size)
    if not goes_on:
        fresh, numbers = _compiled_state(*key, *more)(graph.numbers, arrays, first)
        state = fresh if state is None else jax.device_put(state, where)
    if flush:
        name_what_is_not_finite(graph.arrays, arrays, start)
    made, state = _compiled(*key, *more)(numbers, arrays, first, state)
    outputs = on_host(made)
    if graph.program.rated:
        outputs = [came(y, graph.program, i, start, count, bool(batch)) for y, i in zip(outputs, graph.program.outputs)]
    if flush:
        held, fresh = state.on_host(), lambda: _compiled_state(*key, *more)(graph.numbers, arrays, first)[0].on_host()
        again = flushed(held, fresh, batch is not None)
        if again is not held:
            restarts, state = restarts + 1, jax.device_put(packed(again, batch is not None, np), where)
    stream.move(at, At(state, start + count, place, size, at.numbers, at.blocks + 1, restarts, numbers, arrays))
    return outputs


def flush_nan() -> bool:
    """Whether states that are not finite begin again."""
    return DGen.flush_nan


class Settings(NamedTuple):
    """What of `DGen` a pure function keeps."""

    sample_rate: float
    seed: int
    where: Any


def settings() -> Settings:
    """Those of now."""
    return Settings(DGen.sample_rate, DGen.seed, device())


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
    count = frame_count(graph, frames, 0, None)
    examples = max([leaf.array.shape[0] for leaf in graph.arrays if isinstance(leaf, Data) and leaf.batched], default=1)
    ctx = context(DGen.sample_rate, count, 0, where)._replace(examples=examples)
    return plans(graph.program, ctx, where.platform)


def objective(name: str, node: Node | Leaf, frames: Any, inputs: Any, total: bool = False) -> Objective:
    """The loss that a node is, with the data of now. `name` is that of the function that asks for it."""
    if node.spec.shape != ():
        raise ShapeError(f"{name}: a loss has shape (), this value has {node.spec.shape}; take its mean() or sum()")
    graph = staged([node])
    if not graph.learned:
        raise ArgumentError(f"{name}: nothing to differentiate; no value below the loss has requires_grad=True")
    if isinstance(node, Node) and (total or graph.program.rated):
        graph = staged_terms(node, total)
    inputs = samples.given(inputs)  # training makes the losses of many steps before it runs one
    count = frame_count(graph, frames, 0, inputs)
    if count == 0:
        raise ArgumentError(f"{name}: there is no loss over 0 frames")
    where = device()
    arrays = _collect(graph, count, _START, inputs, where, True)
    batch = batch_of(graph.arrays, arrays, graph.batched)
    if batch and not batch.size:
        raise ArgumentError(f"{name}: there is no loss over a batch of 0 examples")
    return Objective(graph, arrays, (count, DGen.sample_rate, where, total, *_more(graph, arrays, count, batch)))


def backward(node: Node | Leaf, frames: Any, inputs: Any, reduction: Any) -> float:
    """Differentiate one number, and add its gradient to that of each leaf that requires one."""
    if not (isinstance(reduction, str) and reduction in ("mean", "sum")):
        raise ArgumentError(f"backward: reduction={reduction!r} is not one of mean, sum")
    graph, arrays, settings = objective("backward", node, frames, inputs, reduction == "sum")
    fn = _compiled_gradient(graph.program, graph.learned, *settings)
    loss, grads = fn([arrays[i] for i in graph.learned], graph.numbers, arrays)
    backend.concrete(loss)
    with added([graph.arrays[i] for i in graph.learned], grads, settings[2]):
        return float(loss)  # which waits for it


def generator(seed: int | None) -> np.random.Generator:
    """Random numbers, the same for the same seed on every machine."""
    key = (0, next_number()) if seed is None else (1, seed)
    return np.random.default_rng((DGen.seed, *key))
