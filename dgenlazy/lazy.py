"""What the three types of value share: their data, how they look, and how they are run."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from . import display
from .arrays import AsArray
from .config import Numbers, flag, real_array
from .errors import ArgumentError, ShapeError, spelled
from .graph import Data, Leaf, Node, Number, Value, checked, needs_value
from .methods import Methods
from .run import Plans, Program, Stream, assigning, name_what_is_too_long, runtime


def reset(x: Value) -> None:
    """Forget the state and position of streaming: the next call with `preserve_state=True` starts afresh.

    >>> ramp = Signal.constant(1.0).accum()
    >>> ramp.realize(frames=2, preserve_state=True)
    array([1., 2.], dtype=float32)
    >>> ramp.reset()
    >>> ramp.realize(frames=2, preserve_state=True)
    array([1., 2.], dtype=float32)
    """
    for stream in list(needs_value("reset", x)._streams.values()):
        stream.reset()


def save_state(*values: Value) -> dict[str, Any]:
    """Where a stream has got to: its state and its frame position, as plain arrays.

    They can be kept in memory, or in a file (`np.savez(file, **snapshot)`), and given to `load_state` as often as one likes,
    also in another process. Parameters and settings of `DGen` are not part of it. A call does not move the stream.

    Args:
        values: One, or the group that `dgenlazy.realize(..., preserve_state=True)` streams, in the same order.

    Returns:
        A copy: "position", the number of the next frame; "program", the text of what runs; the state of each recurrence; the
            number of each noise made without a seed; and of a batch "batch", how many examples there are, on the first axis of
            each state.

    >>> ramp = Signal.constant(1.0).accum()
    >>> ramp.realize(frames=2, preserve_state=True)
    array([1., 2.], dtype=float32)
    >>> snapshot = ramp.save_state()
    >>> ramp.realize(frames=2, preserve_state=True)
    array([3., 4.], dtype=float32)
    >>> ramp.load_state(snapshot)
    >>> ramp.realize(frames=2, preserve_state=True)
    array([3., 4.], dtype=float32)
    """
    _, stream = _stream("save_state", values)
    return stream.saved()


def load_state(*values: Value, snapshot: Mapping[str, Any]) -> None:
    """Put a stream where another, or itself, was when `save_state` was called: what follows is the same to the bit.

    Args:
        values: One, or the group that is streamed. Their program must be that of the snapshot; a graph that was built again, in
            this process or in another, has it. Until `reset` the stream hears the snapshot's noises, not its own.
        snapshot: What `save_state` gave, or the file that `np.load` opened.

    Raises:
        ArgumentError: the snapshot is of another program; the message shows the first line that differs.
        ShapeError: an array of it has another shape.

    >>> ramp = Signal.constant(1.0).accum()
    >>> ramp.realize(frames=2, preserve_state=True)
    array([1., 2.], dtype=float32)
    >>> again = Signal.constant(1.0).accum()
    >>> dg.load_state(again, snapshot=ramp.save_state())
    >>> again.realize(frames=2, preserve_state=True)
    array([3., 4.], dtype=float32)
    """
    _, stream = _stream("load_state", values)
    stream.load(snapshot)


@spelled
def backward(
    loss: Value,
    frames: int | None = None,
    *,
    inputs: Mapping[int, Any] | None = None,
    reduction: Literal["mean", "sum"] = "mean",
) -> float:
    """Differentiate a loss, and add to the `.grad` of every leaf below that has `requires_grad=True`.

    Args:
        frames, inputs: As for `realize`. A run always starts afresh.
        reduction: Over frames, "mean" or "sum". A term of the loss that does not vary counts once in both, however it is added:
            a sum is followed through all that is linear (`sum`, `mean`, `stack`, indexing, `@`, factors that do not vary).
            Over the examples of a batch it is the mean in both.

    Returns:
        The loss, the number that was differentiated.

    Raises:
        ShapeError: the loss is not of shape (). ArgumentError: nothing below it requires a gradient; there are no frames, or
            no examples; or, for a "sum", a term that does not vary is added to one that does before `abs`, `where`, `max`, a
            filter or another op that may hand on their sum as it is, or not. InputError: as for `realize`.

    >>> gain = Signal.param(2.0)
    >>> dg.mse(gain * Signal.from_samples([1.0, 3.0]), 0.0).backward()
    20.0
    >>> gain.grad.value
    array(20., dtype=float32)
    """
    return runtime.backward(needs_value("backward", loss).node, frames, inputs, reduction)


class Lazy(Methods, AsArray):
    """What the three types share; their methods are those of `Methods` and `AsArray`."""

    __slots__ = ("__weakref__", "_streams", "node")

    def __init__(self, node: Node | Leaf):
        self.node: Any = node
        self._streams: dict[tuple[Any, ...], Stream] = {}

    # Data.

    @property
    def grad(self) -> Self:  # where None is part of a type, `w.grad.value` is an error to type checkers
        """What `backward` has added up since `zero_grad`: a lazy value like this one, or None.

        Of a leaf that has `requires_grad=True`; on all else it is None.

        >>> w = Tensor([3.0], requires_grad=True)
        >>> (w * w).sum().backward()
        9.0
        >>> w.grad.value
        array([6.], dtype=float32)
        """
        node = self.node
        grad: Any = None if not isinstance(node, Data) or node.grad is None else self.wrap(Data(node.spec, node.grad))
        return grad

    @property
    def value(self) -> npt.NDArray[np.float32]:
        """The data of a leaf as a read-only array. Assign to change it: what is assigned must fit its shape and bounds.

        Raises:
            ArgumentError: the value is computed or an input, so it holds no data; or the data is out of bounds.
            ShapeError: the data does not fit the shape.

        >>> p = Signal.param(1000.0)
        >>> p.value = 500.0
        >>> p.value
        array(500., dtype=float32)
        """
        leaf = self.node
        if isinstance(leaf, Number):
            return np.array(leaf.number, np.float32)
        if not isinstance(leaf, Data):
            raise ArgumentError(f"value: this {type(self).__name__} is computed or an input, and holds no data; use realize()")
        view = np.array(leaf.array)
        view.flags.writeable = False
        return view

    @value.setter
    def value(self, data: Numbers) -> None:
        leaf = self.node
        if not isinstance(leaf, Data):
            raise ArgumentError(f"value: this {type(self).__name__} is computed or an input, and holds no data to change")
        array = real_array("value", data)
        if array.shape != leaf.array.shape:
            try:
                array = np.array(np.broadcast_to(array, leaf.array.shape))
            except ValueError:
                raise ShapeError(f"value: shape {array.shape} does not fit into {leaf.array.shape}") from None
        array = checked("value", array, leaf.requires_grad, leaf.low, leaf.high)
        name_what_is_too_long(leaf, array)
        with assigning:
            leaf.array = array

    def __repr__(self) -> str:
        return display.describe(type(self).__name__, self.node)

    def _repr_html_(self) -> str:
        return display.html(type(self).__name__, self.node)

    @property
    def hop(self) -> int | None:
        """Frames from one value to the next: 1 at audio rate, None where it does not vary.

        >>> Signal.from_samples([0.0, 1.0], hop=64).hop
        64
        """
        return self.node.spec.hop

    @property
    def latency(self) -> int:
        """How many frames late a stream of it is: the most that any way to it looks ahead. A whole run is not late.

        >>> Signal.input(0).stft(1024).istft().latency
        1023
        """
        return runtime.staged([self.node]).program.latency

    def program(self) -> Program:
        """The staged program: print it to see every op, its inputs and what varies per frame.

        >>> print((Signal.phasor(440.0) * 2).program())
        %0 = number float32[]
        ...
        return %9
        """
        return runtime.staged([self.node]).program

    def plan(self, frames: int | None = None) -> Plans:
        """How each recurrence would be run on the present backend, and why: print it.

        >>> print(Signal.noise().onepole(0.1).plan(frames=100))
        100 frames on cpu
        op           plan  states  depth  why
        first_order  scan  2       100    a loop is fastest on a CPU; affine in its state
        """
        return runtime.plan(self.node, frames)

    # Running.

    @spelled
    def realize(
        self, frames: int | None = None, *, inputs: Mapping[int, Any] | None = None, preserve_state: bool = False
    ) -> npt.NDArray[np.float32]:
        """Compute it: stage the graph below, compile that once, run it.

        Args:
            frames: How many; by default as many as the samples in use hold, be they of `inputs`, `DGen.inputs` or
                `Signal.from_samples`: the shortest decides, and of a stream what is left of it. Where nothing has a length,
                `DGen.default_frame_count`. Ignored where nothing has frames.
            inputs: Samples of input channels for this call, `{channel: samples}`; else those of `DGen.inputs`.
                `(frames, *shape)`, or `(batch, frames, *shape)` for a batch of examples, with the shape of the `Signal.input`;
                what has no batch axis beside a batch is shared by all of its examples.
            preserve_state: Go on from the end of the last such call on this value, in state and in frame position.

        Returns:
            float32 array: a Tensor's `shape`, a Signal's `(frames,)`, a SignalTensor's `(frames, *shape)`. In a batch every
            result has the batch axis before these, and each example is what it would be alone, noise included.

        Raises:
            InputError: a channel has no samples or too few, or batches differ in size, or samples may be `(batch, frames)` or
                `(frames, channels)`. ArgumentError: `frames` is negative or not whole, or samples are of another shape.
                BackendError: `DGen.backend` is not on this machine.

        >>> ramp = Signal.constant(1.0).accum()
        >>> ramp.realize(frames=3)
        array([1., 2., 3.], dtype=float32)
        >>> ramp.realize(frames=2, preserve_state=True)
        array([1., 2.], dtype=float32)
        >>> ramp.realize(frames=2, preserve_state=True)
        array([3., 4.], dtype=float32)
        """
        nodes = (self.node,)
        if preserve_state is not True and not flag("realize: preserve_state", preserve_state):
            return runtime.realize(nodes, frames, inputs, None)[0]
        return runtime.realize(nodes, frames, inputs, self._streams.get(nodes) or _stream("realize", (self,))[1])[0]

    @property
    def restarts(self) -> int:
        """After how many blocks a state that was not finite began again, where `DGen.flush_nan` is on; since the last `reset`.

        >>> echo = Signal.input(0).onepole(0.5)
        >>> with DGen.override(flush_nan=True):
        ...     for block in ([1.0, np.nan], [1.0, 1.0]):
        ...         echo.realize(inputs={0: block}, preserve_state=True)
        array([0.5, nan], dtype=float32)
        array([0.5 , 0.75], dtype=float32)
        >>> echo.restarts
        1
        """
        return sum(stream.at.restarts for stream in list(self._streams.values()))

    reset = reset
    save_state = save_state
    backward = backward

    def load_state(self, snapshot: Mapping[str, Any]) -> None:
        """Put the stream where it, or that of an equal graph, was when `save_state` was called; see `dgenlazy.load_state`.

        >>> ramp = Signal.constant(1.0).accum()
        >>> fresh = ramp.save_state()
        >>> ramp.realize(frames=2, preserve_state=True)
        array([1., 2.], dtype=float32)
        >>> ramp.load_state(fresh)
        >>> ramp.realize(frames=2, preserve_state=True)
        array([1., 2.], dtype=float32)
        """
        load_state(self, snapshot=snapshot)

    @spelled
    def plot(
        self, kind: display.Kind = "waveform", frames: int | None = None, *, inputs: Any = None, ax: Any = None, **style: Any
    ) -> Any:
        """Run it and draw what comes out; see `display.plot`. Returns the matplotlib axes.

        >>> Signal.phasor(440.0).plot(frames=512).get_xlabel()
        'time (ms)'
        """
        return display.plot(self._alone("plot", frames, inputs), runtime.sample_rate(), kind, ax, **style)

    @spelled
    def play(self, frames: int | None = None, *, inputs: Any = None) -> Any:
        """Run it and give a player for a notebook; see `display.player`.

        Args:
            frames, inputs: As for `realize`, but where nothing has a length it is a second, if that is more than
                `DGen.default_frame_count`.

        >>> Signal.noise().play()
        <Player>
        """
        return display.player(self._alone("play", runtime.audible(self.node, frames, inputs), inputs), runtime.sample_rate())

    def _alone(self, name: str, frames: int | None, inputs: Any) -> npt.NDArray[np.float32]:
        samples = self.realize(frames, inputs=inputs)
        if samples.ndim > self.ndim + self.is_frame_varying:
            raise ArgumentError(f"{name}: this is a batch of {len(samples)}; take one example of what realize() gives")
        return samples


@spelled
def realize(
    *values: Value, frames: int | None = None, inputs: Mapping[int, Any] | None = None, preserve_state: bool = False
) -> tuple[npt.NDArray[np.float32], ...]:
    """Compute several values in one run of one program, so that what they share is computed once.

    Args:
        values: Tensors, Signals and SignalTensors.
        frames, inputs, preserve_state: As for `x.realize`; with `preserve_state` the group keeps one stream, as long as all of
            its values live.

    Returns:
        One array for each value.

    Raises:
        ArgumentError: a value of a group that is streamed is made again for each block, as in `dg.realize(x, x * 2, ...)` in a
            loop: each such group is another, and would begin at frame 0. And what `x.realize` raises.

    >>> x = Signal.phasor(11025.0)
    >>> dg.realize(x, x * 2, frames=4)
    (array([0.  , 0.25, 0.5 , 0.75], dtype=float32), array([0. , 0.5, 1. , 1.5], dtype=float32))
    """
    if flag("realize: preserve_state", preserve_state):
        nodes, stream = _stream("realize", values)
    else:
        nodes, stream = _nodes("realize", values), None
    return tuple(runtime.realize(nodes, frames, inputs, stream))


def _nodes(name: str, values: Sequence[Any]) -> tuple[Node | Leaf, ...]:
    for value in values:
        needs_value(name, value)
    if not values:
        raise ArgumentError(f"{name}: takes at least one value")
    return tuple([value.node for value in values])


def _stream(name: str, values: Sequence[Any]) -> tuple[tuple[Node | Leaf, ...], Stream]:
    """The nodes of a value or of a group, and the one stream that they share."""
    nodes = _nodes(name, values)
    stream = values[0]._streams.get(nodes)
    if stream is None:
        with _beginning:
            stream = values[0]._streams.get(nodes) or _begun(name, nodes, values)
    if len(values) > 1:
        stream.members = tuple([weakref.ref(value) for value in values])
        for value in values:
            value._streams[nodes] = stream
    return nodes, stream


def _begun(name: str, nodes: tuple[Node | Leaf, ...], values: Sequence[Any]) -> Stream:
    """A new stream. Those of groups of which a member is gone cannot be called any more, and go."""
    stream = Stream(runtime.staged(nodes))
    for value in values:
        for key, old in list(value._streams.items()):
            if all(member() is not None for member in old.members):
                continue
            if old.at.blocks == 1 and old.repeats(stream.graph):
                raise ArgumentError(
                    f"{name}: preserve_state=True: a value of the group was made again since the last block, so that the "
                    "stream would begin anew with each; make the values once, outside of the loop, or reset() the others first"
                )
            del value._streams[key]
    values[0]._streams[nodes] = stream
    return stream


_beginning = threading.RLock()
