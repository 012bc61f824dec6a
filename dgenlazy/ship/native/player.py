"""Graphs built for this machine and played in this process: their state, their parameters, block by block."""

from __future__ import annotations

import ctypes
import itertools
import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from ...errors import ArgumentError, InputError, ShapeError, spelled
from ...graph import Recurrence
from ...run import flushed, runtime
from ..signature import Params, names_of, taken
from .build import built
from .source import Source, layout, named, source

_KEPT = 8192  # frames of the longest block whose channels are kept for the next one


@spelled
def compile(
    outputs: Any, *, params: Mapping[str, Any] | None = None, sample_rates: Sequence[float] | None = None
) -> NativePlayer:
    """Build a graph for this machine, by way of C, and play it in this process: without JAX, from the first block on.

    What `dg.export(..., "voice.c")` would write is built by the system's C compiler (cc, clang or gcc, or what the variable CC
    says; else zig, from the package ziglang, whose first run takes a minute). What was built is kept in the folder that
    DGENLAZY_CACHE names, or in the user's cache folder, and taken again for an equal graph.

    Args:
        outputs: A value, or a dict, list or tuple of values.
        params: Leaves that stay arguments, by names that C takes. All others become constants.
        sample_rates: The rates in Hz that it is built for, all in one library; by default `DGen.sample_rate`. It begins at the
            first, and `player.sample_rate` takes the others.

    Returns:
        A player with the interface of the one that `dg.load` returns. It has no gradient.

    Raises:
        ArgumentError: an op has no form in C, it is named; a name is no identifier. BackendError: there is no compiler.

    >>> cutoff = Signal.param(0.5, min=0.0, max=1.0)
    >>> player = dg.compile(Signal.input(0).onepole(cutoff), params={"cutoff": cutoff})
    >>> player.process(np.ones(2, np.float32))
    array([0.5 , 0.75], dtype=float32)
    >>> player.params["cutoff"] = 1.0
    >>> player.process(np.ones(2, np.float32)), player.position
    (array([1., 1.], dtype=float32), 4)
    """
    with named("compile"):
        made = source(outputs, params, "voice", sample_rates=sample_rates)
    return NativePlayer(_manifest(made), made.file.text, layout(made))


@final
class NativePlayer:
    """A graph built for this machine, and where it has got to; made by `dg.compile`.

    Attributes:
        manifest: Sample rate, latency, and the inputs, outputs, parameters and state with their shapes.
        params: The parameters by name. What is assigned is checked for shape and range, and counts from the next block on.
        restarts: How often a state that was not finite began again, with `DGen.flush_nan`.

    >>> dg.compile({"sum": Signal.input(0) + Signal.input(1)})
    NativePlayer(inputs=0, 1, outputs=sum, params=none)
    """

    def __init__(self, manifest: dict[str, Any], text: str, layout: np.dtype):
        self.manifest = manifest
        self.restarts: int = 0
        self._text, self._layout = text, layout
        self._library = ctypes.CDLL(str(built(text)))
        self._functions = {name: self._library[f"voice_{name}"] for name in ("init", "reset", "prepare", "process")}
        self._inputs, self._outputs = _spans(manifest["inputs"]), _spans(manifest["outputs"])
        self._single = len(self._inputs) == 1 and tuple(manifest["inputs"][0]["shape"])
        self._still = not all(row["frames"] for row in manifest["outputs"])
        self._lock = threading.RLock()
        self._self = np.zeros((), layout)
        self._at = ctypes.c_void_p(self._self.ctypes.data)
        self._channels = self._room(64)
        self._rate: float = manifest["sample_rate"]
        self._called("init", ctypes.c_double(self._rate))
        first = {row["name"]: np.array(self._self[row["name"]]) for row in manifest["params"]}
        self._told, self._now = dict(first), first
        self.params: Params = Params(manifest["params"], self._now)
        self._begun = False

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            params = {name: np.array(x) for name, x in self.params.items()}
            state = self.state if self._begun else None
            made_of = self.manifest, self._text, self._layout
            return {"made_of": made_of, "rate": self._rate, "params": params, "state": state, "restarts": self.restarts}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__init__(*kept["made_of"])
        self.sample_rate = kept["rate"]
        self.params.update(kept["params"])
        if kept["state"] is not None:
            self.state = kept["state"]
        self.restarts = kept["restarts"]

    def __repr__(self) -> str:
        shown = ", ".join(f"{kind}={names_of(self.manifest[kind])}" for kind in ("inputs", "outputs", "params"))
        return f"NativePlayer({shown})"

    def process(self, block: Any = None, frames: int | None = None) -> Any:
        """Run the next block.

        Args:
            block: The input, `(frames, *shape)`; where there are several, a mapping from channel to input.
            frames: How many, where no input tells.

        Returns:
            The outputs as NumPy arrays, in what they were given in.

        Raises:
            InputError: an input is missing, unknown or of another length than it must be. ShapeError: it has another shape.

        >>> player = dg.compile(Signal.input(0).accum())
        >>> player.process([1.0, 2.0]), player.process([3.0])
        (array([1., 3.], dtype=float32), array([6.], dtype=float32))
        """
        inputs, count = self._block(block, frames)
        with self._lock:  # each of two threads gets the next block
            samples = self.manifest["samples"]
            if samples is not None and self.position + count > samples + self.manifest["latency"]:
                at = self.position
                raise InputError(f"process: {count} frames from {at} on, but the graph's own samples end at {samples}")
            self._turn()
            outputs = self._run(None, inputs, count)
            if count and runtime.flush_nan():
                self._flush()
            return outputs

    def gradient(self, block: Any = None, frames: int | None = None) -> Any:
        """There is none: C is the graph played forward.

        Raises:
            ArgumentError: always; `dg.function` has gradients.
        """
        raise ArgumentError("gradient: what was built has no gradient; dg.function has one")

    def call(self, params: Mapping[str, Any], inputs: Mapping[str, Any], state: Any) -> tuple[Any, Any]:
        """The program itself as a pure function of NumPy arrays: `(outputs, state)`; it touches nothing here.

        >>> player = dg.compile(Signal.input(0).accum())
        >>> outputs, state = player.call({}, {"0": np.ones(3, np.float32)}, player.state)
        >>> outputs, player.position
        (array([1., 2., 3.], dtype=float32), 0)
        """
        other = np.zeros_like(self._self)
        with self._lock:
            other[...] = self._self
        for name, value in params.items():
            other[name] = value
        self._called("prepare", of=other)
        _assign(other, self.manifest["state"], state)
        given, count = self._block({str(name): x for name, x in inputs.items()} if inputs else None, None if inputs else 1)
        outputs = self._run(other, given, count)
        return outputs, _arrays(other, self.manifest["state"])

    def reset(self) -> None:
        """Begin again at frame 0, with the parameters of now.

        >>> player = dg.compile(Signal.input(0).accum())
        >>> first = player.process([1.0, 2.0])
        >>> player.reset()
        >>> player.process([1.0, 2.0])
        array([1., 3.], dtype=float32)
        """
        with self._lock:
            self._begun, self.restarts = False, 0
            self._turn()

    @property
    def sample_rate(self) -> float:
        """The rate in Hz that it plays at. One of those that it was built for may be assigned: it begins again at frame 0.

        Raises:
            ArgumentError: it was not built for that rate.

        >>> player = dg.compile(dg.sample_rate / 2, sample_rates=[44100, 48000])
        >>> player.sample_rate = 48000
        >>> player.process()
        array(24000., dtype=float32)
        """
        return self._rate

    @sample_rate.setter
    def sample_rate(self, rate: float) -> None:
        known = self.manifest["sample_rates"]
        if rate not in known:
            raise ArgumentError(f"sample_rate={rate!r} is not one of {', '.join(f'{r:.9g}' for r in known)} Hz; compile for it")
        with self._lock:
            self._rate = float(rate)
            self._called("init", ctypes.c_double(self._rate))
            self._told = dict.fromkeys(self._told)
            self.reset()

    @property
    def position(self) -> int:
        """The number of frames that have been played.

        >>> player = dg.compile(Signal.input(0).accum())
        >>> player.process([1.0, 2.0]), player.position
        (array([1., 3.], dtype=float32), 2)
        """
        return int(self._self["dg_frame"])

    @property
    def state(self) -> tuple[np.ndarray, ...]:
        """What is kept from block to block, as arrays to store and to assign later: `manifest["state"]` says what is what.

        >>> player = dg.compile(Signal.input(0).history())
        >>> first, kept = player.process([1.0, 2.0]), player.state
        >>> kept
        (array(2, dtype=uint32), array(2., dtype=float32))
        >>> player.reset()
        >>> player.state = kept
        >>> player.process([1.0])
        array([2.], dtype=float32)
        """
        with self._lock:
            self._turn()
            return _arrays(self._self, self.manifest["state"])

    @state.setter
    def state(self, arrays: Any) -> None:
        with self._lock:
            self._turn()
            _assign(self._self, self.manifest["state"], arrays)

    def _called(self, name: str, *args: Any, of: Any = None) -> int:
        return self._functions[name](self._at if of is None else ctypes.c_void_p(of.ctypes.data), *args)

    def _room(self, frames: int) -> _Channels:
        ends = [spans[-1][-1] if spans else 0 for spans in (self._inputs, self._outputs)]
        return _Channels(ends[0], ends[1], frames)

    def _turn(self) -> None:
        """Take the parameters of now, and before the first block make the first state of them."""
        turned = [(name, x) for name, x in self._now.items() if x is not self._told[name]]
        for name, x in turned:
            self._self[name] = self._told[name] = x
        if turned:
            self._called("prepare")
        if not self._begun:
            self._called("reset")
            self._begun = True

    def _run(self, memory: np.ndarray | None, inputs: dict[str, np.ndarray], count: int) -> Any:
        """The outputs of a block, from the memory of this player or from another."""
        if not count and self._still:  # what does not vary is there without frames, too
            memory = (self._self if memory is None else memory).copy()
            inputs = {name: np.zeros((1, *x.shape[1:]), np.float32) for name, x in inputs.items()}
        frames = max(count, int(self._still))
        channels = self._channels
        if memory is not None or frames > channels.frames:
            channels = self._room(frames)
            if memory is None and frames <= _KEPT:
                self._channels = channels
        for row, first, end in self._inputs:
            channels.inputs[first:end, :frames] = inputs[row["name"]].reshape(frames, end - first).T
        self._called("process", *channels.pointers, frames, of=memory)
        values = []
        for row, first, end in self._outputs:
            value = channels.outputs[first:end, :frames].T.copy().reshape(frames, *row["shape"])
            values.append(value[:count] if row["frames"] else np.array(value[0]))
        kind = self.manifest["structure"]
        if kind == "value":
            return values[0]
        if kind == "dict":
            return {row["name"]: value for (row, *_), value in zip(self._outputs, values)}
        return values if kind == "list" else tuple(values)

    def _flush(self) -> None:
        """Begin recurrences again that are not finite."""
        rows = [row for row in self.manifest["state"] if row["of"] >= 0]
        groups = [[row for row in rows if row["of"] == of] for of in dict.fromkeys(row["of"] for row in rows)]

        def held(memory):
            return [[np.array(memory[row["field"]]) for row in group] for group in groups]

        def first():
            other = self._self.copy()
            self._called("reset", of=other)
            return held(other)

        before = held(self._self)
        after = flushed(before, first, False)
        if after is not before:
            for group, arrays in zip(groups, after):
                for row, x in zip(group, arrays):
                    self._self[row["field"]] = x
            self.restarts += 1

    def _block(self, block: Any, frames: Any) -> tuple[dict[str, np.ndarray], int]:
        """The inputs of a block, checked, and its length; a frame where nothing has any."""
        if block is None and not self._inputs and type(frames) is int and frames >= 0:  # what streams give needs no look
            return {}, frames
        if frames is None and type(block) is np.ndarray and block.dtype == np.float32:
            if block.ndim and block.shape[1:] == self._single:
                return {self._inputs[0][0]["name"]: block}, len(block)
        one = frames is None and not self.manifest["varies"]
        return taken(self.manifest, block, 1 if one else frames)


class _Channels:
    """Planar channels for blocks of up to so many frames, and what C is given to find them."""

    def __init__(self, inputs: int, outputs: int, frames: int):
        self.frames = frames
        self.inputs, self.outputs = (np.zeros((count, frames), np.float32) for count in (inputs, outputs))
        self.pointers = [_pointers(x) for x in (self.inputs, self.outputs)]


def _pointers(channels: np.ndarray) -> Any:
    rows = [channels.ctypes.data + n * channels.strides[0] for n in range(len(channels))]
    return (ctypes.c_void_p * max(len(rows), 1))(*rows)


def _spans(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int, int]]:
    """Of each of several arrays its channels: the first, and where the next ones begin."""
    ends = [0, *itertools.accumulate(math.prod(row["shape"]) for row in rows)]
    return list(zip(rows, ends, ends[1:]))


def _arrays(memory: np.ndarray, rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, ...]:
    return tuple([np.array(memory[row["field"]]).astype(row["dtype"]).reshape(row["shape"]) for row in rows])


def _assign(memory: np.ndarray, rows: Sequence[Mapping[str, Any]], arrays: Any) -> None:
    arrays = [np.asarray(x) for x in arrays] if isinstance(arrays, (tuple, list)) else []
    if [(x.shape, x.dtype.name) for x in arrays] != [(tuple(r["shape"]), r["dtype"]) for r in rows]:
        raise ShapeError("state: the arrays are not of the shapes and types that manifest['state'] lists")
    for row, x in zip(rows, arrays):
        low, high = row.get("within", (-np.inf, np.inf))
        if x.size and not (low <= x.min() and x.max() <= high):
            raise ArgumentError(f"state: {row['name']} is {x.tolist()}, which is not within {low} and {high}")
    for row, x in zip(rows, arrays):
        memory[row["field"]] = x.reshape(memory[row["field"]].shape)


def _manifest(made: Source) -> dict[str, Any]:
    step = made.step
    lines = [line.op.__name__ for line in step.program.lines if isinstance(line.op, Recurrence)]
    state = [{"name": "position", "shape": [], "dtype": "uint32", "field": "dg_frame", "of": -1}]
    for i, (v, of) in enumerate(zip(step.state, step.owners)):
        if v.size:
            name = f"{lines[of] if of >= 0 else 'held'}.{i}"
            state.append({"name": name, "shape": list(v.shape), "dtype": v.dtype, "field": f"dg_s{i}", "of": of})
            if f"dg_s{i}" in made.file.places:
                state[-1]["within"] = list(made.file.places[f"dg_s{i}"])
    return {
        "sample_rate": made.rate,
        "sample_rates": list(made.rates),
        "frames": None,
        "whole_run": False,
        "latency": step.program.latency,
        "samples": step.samples,
        "varies": step.program.varies,
        "structure": made.kind,
        "outputs": [{"name": o.name, "shape": list(o.shape), "frames": o.frames} for o in made.outputs],
        "inputs": [{"name": str(n), "shape": list(shape), "frames": True} for n, (shape, _) in step.channels.items()],
        "params": [
            {"name": n, "shape": list(leaf.spec.shape), "min": _bound(leaf.low), "max": _bound(leaf.high)}
            for n, leaf in step.params.items()
        ],
        "state": state,
    }


def _bound(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
