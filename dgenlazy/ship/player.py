"""Exported programs, loaded and played: their state, their parameters, block by block."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.export
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..errors import ArgumentError, ArtifactError, DGenError, InputError, ShapeError, reading, spelled
from ..run import Compiled, backend, flushed, kept, memory, runtime
from . import artifact, inspection
from .signature import Params, check, names_of, outside, taken, ticks


@spelled
def load(path: str | os.PathLike[str], *, sha256: str | None = None, allow: Sequence[str] = ()) -> Player:
    """Load what `dg.export` wrote, for the present backend.

    Every byte is checked before anything is compiled. Hashes inside a file find damage; against a hostile author they are no
    help. So a file that is not pinned by `sha256` is first read by another process, which takes a second or two: bytes that
    crash JAX's reader crash that one, and only custom calls that this library's own ops need are let in. Two things stay
    open: this process reads again what the other one read without harm, and a program that passes may take all of your time
    and memory when you run it. Where `sys.executable` is no Python, as in a program that embeds one, give `sha256`.

    Args:
        path: The file.
        sha256: What `dg.export` returned. A file with another hash is refused; one with this hash is trusted to be what it
            was when written, and read in this process.
        allow: Targets of custom calls to let in beside those that this library's ops need.

    Raises:
        ArtifactError: the file is damaged, foreign, of another version, not for this platform, or holds what may not run.
        MissingFileError: there is no such file.
        BackendError: the package flatbuffers is missing.

    >>> import tempfile
    >>> gain = Signal.param(0.5, min=0.0, max=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = dg.export(Signal.input(0) * gain, f"{folder}/gain.dgen", params={"gain": gain})
    ...     player = dg.load(f"{folder}/gain.dgen", sha256=digest)
    >>> player
    Player(platform=cpu, frames=any, inputs=0, outputs=output, params=gain)
    """
    artifact.needs_flatbuffers("load")
    allow = tuple(allow)
    data = _read(path)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != str(sha256).lower():
        raise ArtifactError(f"load: {os.fspath(path)!r} does not have the SHA-256 that was given")
    manifest, sections = artifact.unpack(data)
    device = _device(manifest["platforms"])
    names = artifact.programs(manifest, artifact.platform_of(device))
    wrong = inspection.apart([sections[name] for name in names], allow) if sha256 is None else ""
    programs = {}
    for name in names if not wrong else ():
        try:
            programs[name.split(".")[0]] = inspection.read(sections[name], allow)
        except Exception as e:  # whatever bytes that are no program make JAX raise
            wrong = " ".join(str(e).split())[:300] or type(e).__name__
            break
    if wrong:
        made = ", ".join(f"{k} {v}" for k, v in manifest["made_with"].items())
        raise ArtifactError(f"load: {wrong} (made with {made}; here is jax {jax.__version__}, and newer JAX reads older files)")
    arrays = {
        **{f"params.{p['name']}.npy": ("float32", p["shape"]) for p in manifest["params"]},
        **{f"state.{i}.npy": (s["dtype"], s["shape"]) for i, s in enumerate(manifest["state"])},
    }
    held = {name: artifact.array_of(sections[name], dtype, tuple(shape)) for name, (dtype, shape) in arrays.items()}
    for row in manifest["params"]:
        if wrong := outside(row, held[f"params.{row['name']}.npy"]):
            raise ArtifactError(f"load: params: {wrong}")
    return Player(manifest, programs, held, device)


def _device(platforms: Sequence[str]) -> Any:
    """The present backend's, if it is among these."""
    device = runtime.device()
    if (platform := artifact.platform_of(device)) not in platforms:
        raise ArtifactError(f"load: this is {platform}, and the artefact is for {', '.join(platforms)}")
    return device


def _read(path: str | os.PathLike[str]) -> bytes:
    name = f"load: {os.fspath(path)!r}"
    with reading(name):
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode) or about.st_size > artifact.LARGEST:
            raise ArtifactError(f"{name} is not a file of at most {artifact.LARGEST} bytes")
        with open(path, "rb") as file:
            return file.read(artifact.LARGEST + 1)


@final
class Player:
    """A loaded program and where it has got to; made by `dgenlazy.load`.

    Attributes:
        manifest: What the file says of itself, as `artifact.checked` lists it.
        params: The parameters by name, to read and to assign; a change takes effect with the next block.
        restarts: After how many blocks since the last `reset` a state was not finite and began again: see `DGen.flush_nan`.

    >>> import tempfile
    >>> gain = Signal.param(0.5, min=0.0, max=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = dg.export(Signal.input(0) * gain, f"{folder}/gain.dgen", params={"gain": gain})
    ...     player = dg.load(f"{folder}/gain.dgen", sha256=digest)
    >>> player.params["gain"] = 1.0
    >>> player.process(np.ones(2, np.float32)), player.position
    (array([1., 1.], dtype=float32), 2)
    """

    def __init__(self, manifest: dict[str, Any], programs: dict[str, Any], arrays: dict[str, np.ndarray], device: Any):
        self.manifest: dict[str, Any] = manifest
        self.params: Params = Params(
            manifest["params"], {p["name"]: arrays[f"params.{p['name']}.npy"] for p in manifest["params"]}
        )
        self._first = tuple(arrays[f"state.{i}.npy"] for i in range(len(manifest["state"])))
        self._inputs = {row["name"]: row for row in manifest["inputs"]}
        self._device = device
        self._state: Any = None
        check(manifest, programs)
        self._programs = {kind: _Program(p) for kind, p in programs.items()}
        self._lock = threading.RLock()
        self.restarts: int = 0

    def __getstate__(self) -> dict[str, Any]:
        """What a copy and a pickle are made of: all but the device, which is that of the process that it comes to."""
        with self._lock:
            arrays = {f"params.{name}.npy": np.array(x) for name, x in self.params.items()}
            arrays |= {f"state.{i}.npy": x for i, x in enumerate(self._first)}
            programs = {kind: bytes(program.exported.serialize()) for kind, program in self._programs.items()}
            state = None if self._state is None else self.state
            return {"made_of": (self.manifest, programs, arrays), "state": state, "restarts": self.restarts}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        manifest, programs, arrays = kept["made_of"]
        read = {kind: jax.export.deserialize(bytearray(x)) for kind, x in programs.items()}
        self.__init__(manifest, read, arrays, _device(manifest["platforms"]))
        if kept["state"] is not None:
            self.state = kept["state"]
        self.restarts = kept["restarts"]

    def __repr__(self) -> str:
        shown = ", ".join(f"{kind}={names_of(self.manifest[kind])}" for kind in ("inputs", "outputs", "params"))
        return f"Player(platform={artifact.platform_of(self._device)}, frames={self.manifest['frames'] or 'any'}, {shown})"

    def process(self, block: Any = None, frames: int | None = None) -> Any:
        """Run the next block.

        Args:
            block: The input, `(frames, *shape)`; where there are several, a mapping from name to input. No frames are fine.
                One at a hop has a row for each tick that falls into the block.
            frames: How many, where no input tells.

        Returns:
            The outputs as NumPy arrays, in what they were exported in, `manifest["latency"]` frames late, with zeros before.
            One at a hop has a row for each tick that falls into the block.

        Raises:
            InputError: an input is missing, unknown or of another length than it must be.
            ShapeError: it has another shape. ArtifactError: the program itself fails.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = dg.export(Signal.input(0).accum(), f"{folder}/sum.dgen")
        ...     player = dg.load(f"{folder}/sum.dgen", sha256=digest)
        >>> player.process([1.0, 2.0]), player.process([3.0])
        (array([1., 3.], dtype=float32), array([6.], dtype=float32))
        """
        with self._lock:  # each of two threads gets the next block
            inputs, count = taken(self.manifest, block, frames, 0 if self.manifest["whole_run"] else self._clock())
            return self._next(inputs, count) if count else self._nothing(inputs)

    def _clock(self) -> int:
        """Frames since the stream began, less a multiple of all hops after many: unlike the position it does not wrap."""
        state, counted = self._state, [row["name"] for row in self.manifest["state"][1:2]] == ["clock"]
        return 0 if state is None else int(state[1 if counted else 0])

    def _next(self, inputs: dict[str, np.ndarray], count: int) -> Any:
        before = self._state
        state = self._begin(inputs) if before is None or self.manifest["whole_run"] else before
        samples, start = self.manifest["samples"], int(state[0])
        if samples is not None and start + count > samples + self.manifest["latency"]:
            raise InputError(f"process: {count} frames from {start} on, but the program's own samples end at {samples}")
        outputs, state = self._ran("step", inputs, state)
        mended = self._flushed(state, inputs) if runtime.flush_nan() else state
        outputs = self._given(outputs, 0 if self.manifest["whole_run"] else self._clock(), count)
        if self._state is not before:  # by the handler of a signal: a lock lets its own thread in
            raise ArgumentError("process: the player was moved while this block was computed")
        self.__dict__.update(_state=mended, restarts=self.restarts + (mended is not state))
        return outputs

    def _nothing(self, inputs: dict[str, np.ndarray]) -> Any:
        """What a block of no frames gives. Outputs that do not vary are what they are in a block of some."""
        rows = self.manifest["outputs"]
        if all(row["frames"] for row in rows):
            return self._given([np.zeros((0, *row["shape"]), np.float32) for row in rows], 0, 0)
        moving = [row for row in self._inputs.values() if row["frames"]]
        some = {row["name"]: np.zeros(artifact.rows(row, self.manifest["frames"] or 1), np.float32) for row in moving}
        return self._given(
            self._ran("step", inputs | some, self._begin(inputs) if self._state is None else self._state)[0], 0, 0
        )

    def _given(self, outputs: Any, start: int, count: int) -> Any:
        """The outputs of a block as they were exported; of those at a hop the rows that hold a tick."""
        rows, start = self.manifest["outputs"], start - self.manifest["latency"]
        named = outputs if isinstance(outputs, dict) else dict(zip([row["name"] for row in rows], jax.tree.leaves(outputs)))
        kept = {row["name"]: ticks(row, start, count) if row["frames"] else None for row in rows}
        named = {name: np.array(named[name])[:n] if n is not None else np.array(named[name]) for name, n in kept.items()}
        values = list(named.values())
        return {"value": values[0], "dict": named, "list": values, "tuple": tuple(values)}[self.manifest["structure"]]

    def _flushed(self, state: Any, inputs: dict[str, np.ndarray]) -> Any:
        """`state` as `DGen.flush_nan` wants it: itself, or with the recurrences begun again that are not finite."""
        groups = _recurrences(self.manifest["state"])
        ended = [[state[i] for i in group] for group in groups]
        mended = flushed(ended, lambda: [[first[i] for i in g] for first in [self._begin(inputs)] for g in groups], False)
        return state if mended is ended else jax.device_put((state[0], *jax.tree.leaves(mended)), self._device)

    def gradient(self, block: Any = None, frames: int | None = None) -> tuple[float, dict[str, np.ndarray]]:
        """The mean of the output over a block begun afresh, and its gradient to each parameter.

        Takes what `process` takes, and leaves the state alone.

        Raises:
            ArgumentError: the program was exported without `gradient=True`.

        >>> import tempfile
        >>> gain = Signal.param(0.5)
        >>> loss = dg.mse(Signal.input(0) * gain, 2.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = dg.export(loss, f"{folder}/loss.dgen", params={"gain": gain}, gradient=True)
        ...     dg.load(f"{folder}/loss.dgen", sha256=digest).gradient([1.0, 1.0])
        (2.25, {'gain': array(-3., dtype=float32)})
        """
        if "gradient" not in self._programs:
            raise ArgumentError("gradient: the program was exported without gradient=True")
        inputs, count = taken(self.manifest, block, frames)
        if not count:
            raise ArgumentError("gradient: there is no loss over 0 frames")
        loss, grads = self._ran("gradient", inputs)
        return float(loss), {name: np.array(g) for name, g in grads.items()}

    def call(self, params: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
        """The program itself as a pure function of all it takes: `(outputs, state)`; it touches nothing here.

        For other JAX code, inside `jax.jit` too. It has no derivative and no `vmap`: a file holds a compiled program's text,
        not a graph; `dg.function` has both.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = dg.export(Signal.input(0).accum(), f"{folder}/sum.dgen")
        ...     player = dg.load(f"{folder}/sum.dgen", sha256=digest)
        >>> outputs, state = player.call({}, {"0": np.ones(3, np.float32)}, player.state)
        >>> print(outputs)
        [1. 2. 3.]
        """
        return self._compiled("step", inputs)(dict(params), inputs, state)

    def reset(self) -> None:
        """Begin again at frame 0, with the parameters of now.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = dg.export(Signal.input(0).accum(), f"{folder}/sum.dgen")
        ...     player = dg.load(f"{folder}/sum.dgen", sha256=digest)
        >>> first = player.process([1.0, 2.0])
        >>> player.reset()
        >>> player.process([1.0, 2.0])
        array([1., 3.], dtype=float32)
        """
        with self._lock:
            self.__dict__.update(_state=None, restarts=0)

    @property
    def position(self) -> int:
        """The number of frames that have been played.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = dg.export(Signal.input(0).accum(), f"{folder}/sum.dgen")
        ...     player = dg.load(f"{folder}/sum.dgen", sha256=digest)
        >>> player.process([1.0, 2.0]), player.position
        (array([1., 3.], dtype=float32), 2)
        """
        state = self._state
        return 0 if state is None else int(state[0])

    @property
    def state(self) -> tuple[np.ndarray, ...]:
        """What is kept from block to block, as arrays to store and to assign later: `manifest["state"]` says what is what.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = dg.export(Signal.input(0).accum(), f"{folder}/sum.dgen")
        ...     player = dg.load(f"{folder}/sum.dgen", sha256=digest)
        >>> first, kept = player.process([1.0, 2.0]), player.state
        >>> kept
        (array(2, dtype=uint32), array(3., dtype=float32), array(0., dtype=float32))
        >>> player.reset()
        >>> player.state = kept
        >>> player.process([1.0])
        array([4.], dtype=float32)
        """
        with self._lock:
            return tuple(np.array(backend.concrete(x)) for x in (self._begin() if self._state is None else self._state))

    @state.setter
    def state(self, arrays: Any) -> None:
        rows = self.manifest["state"]
        arrays = [np.asarray(x) for x in arrays] if isinstance(arrays, (tuple, list)) else []
        if [(x.shape, x.dtype.name) for x in arrays] != [(tuple(r["shape"]), r["dtype"]) for r in rows]:
            raise ShapeError("state: the arrays are not of the shapes and types that manifest['state'] lists")
        state = tuple([backend.concrete(jax.device_put(x, self._device)) for x in arrays])
        with self._lock:
            self._state = state

    def _begin(self, inputs: Mapping[str, Any] = {}) -> Any:
        """The state before the first frame, on the device where later ones are: one elsewhere would be compiled for anew."""
        state: Any = self._first
        if "start" in self._programs:
            rows = [row for row in self._inputs.values() if not row["frames"]]
            still = {row["name"]: inputs.get(row["name"], np.zeros(row["shape"], np.float32)) for row in rows}
            state = self._ran("start", still)
        return jax.device_put(state, self._device)

    def _ran(self, kind: str, *args: Any) -> Any:
        """One of the programs, run with the parameters of now."""
        backend.check_fork()
        try:
            return memory.finished(self._compiled(kind, args[0]), dict(self.params), *args)
        except DGenError:
            raise
        except Exception as e:  # the arguments were checked: it is the program that XLA cannot compile or run
            raise ArtifactError(f"{kind}: the program fails: {' '.join(str(e).split())[:300]}") from e

    def _compiled(self, kind: str, inputs: Mapping[str, Any]) -> Any:
        return _compiled(self._programs[kind], self._device, tuple([np.shape(inputs[name]) for name in sorted(inputs)]))


class _Program(NamedTuple):
    """A program, as what compiled ones are remembered by."""

    exported: Any

    __eq__, __hash__ = object.__eq__, object.__hash__


@kept
def _compiled(program: _Program, device: Any, shapes: Any) -> Any:
    """A program compiled, for inputs of these shapes."""
    place = SingleDeviceSharding(device)
    return Compiled(program.exported.call, "a program that was exported", in_shardings=place, out_shardings=place)


def _recurrences(rows: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Which arrays of a state belong to one recurrence: they have its name, and each a path of its own."""
    groups: list[list[int]] = []
    seen: set[str] = set()
    for i, row in enumerate(rows[1:], 1):
        op = row["name"].split("[")[0].split(".")[0]
        if not groups or row["name"] in seen or not all(name.startswith(op) for name in seen):
            groups.append([])
            seen = set()
        groups[-1].append(i)
        seen.add(row["name"])
    return groups
