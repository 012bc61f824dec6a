"""Exported programs, loaded and played: their state, their parameters, block by block."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from ..config import real_array, whole_number
from ..errors import ArgumentError, ArtifactError, InputError, ShapeError
from ..run import runtime
from . import artifact, inspection


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
    device = runtime.device()
    platform = artifact.platform_of(device)
    if platform not in manifest["platforms"]:
        raise ArtifactError(f"load: this is {platform}, and the artefact is for {', '.join(manifest['platforms'])}")
    names = artifact.programs(manifest, platform)
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
    return Player(manifest, programs, held, device)


def _read(path: str | os.PathLike[str]) -> bytes:
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode) or about.st_size > artifact.LARGEST:
        raise ArtifactError(f"load: {os.fspath(path)!r} is not a file of at most {artifact.LARGEST} bytes")
    with open(path, "rb") as file:
        return file.read(artifact.LARGEST + 1)


@final
class Player:
    """A loaded program and where it has got to; made by `dgenlazy.load`.

    Attributes:
        manifest: What the file says of itself, as `artifact.checked` lists it.
        params: The parameters by name, to read and to assign; a change takes effect with the next block.

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
        self._check(programs)
        place = SingleDeviceSharding(device)
        self._run = {kind: jax.jit(p.call, in_shardings=place, out_shardings=place) for kind, p in programs.items()}

    def __repr__(self) -> str:
        shown = ", ".join(f"{kind}={_names(self.manifest[kind])}" for kind in ("inputs", "outputs", "params"))
        return f"Player(platform={artifact.platform_of(self._device)}, frames={self.manifest['frames'] or 'any'}, {shown})"

    def process(self, block: Any = None, frames: int | None = None) -> Any:
        """Run the next block.

        Args:
            block: The input, `(frames, *shape)`; where there are several, a mapping from name to input.
            frames: How many, where no input tells.

        Returns:
            The outputs as NumPy arrays, in what they were exported in.

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
        inputs, count = self._block(block, frames)
        state = self._begin(inputs) if self._state is None or self.manifest["whole_run"] else self._state
        samples = self.manifest["samples"]
        if samples is not None and int(state[0]) + count > samples:
            raise InputError(f"process: {count} frames from {state[0]} on, but the program's own samples end at {samples}")
        outputs, self._state = self._ran("step", inputs, state)
        return jax.tree.map(np.array, outputs)

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
        if "gradient" not in self._run:
            raise ArgumentError("gradient: the program was exported without gradient=True")
        inputs, _ = self._block(block, frames)
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
        return self._run["step"](dict(params), inputs, state)

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
        self._state = None

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
        return 0 if self._state is None else int(self._state[0])

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
        return tuple(np.array(x) for x in (self._begin() if self._state is None else self._state))

    @state.setter
    def state(self, arrays: Any) -> None:
        rows = self.manifest["state"]
        arrays = [np.asarray(x) for x in arrays] if isinstance(arrays, (tuple, list)) else []
        if [(x.shape, x.dtype.name) for x in arrays] != [(tuple(r["shape"]), r["dtype"]) for r in rows]:
            raise ShapeError("state: the arrays are not of the shapes and types that manifest['state'] lists")
        self._state = jax.device_put(tuple(arrays), self._device)

    def _begin(self, inputs: Mapping[str, Any] = {}) -> Any:
        """The state before the first frame, on the device where later ones are: one elsewhere would be compiled for anew."""
        state: Any = self._first
        if "start" in self._run:
            rows = [row for row in self._inputs.values() if not row["frames"]]
            still = {row["name"]: inputs.get(row["name"], np.zeros(row["shape"], np.float32)) for row in rows}
            state = self._ran("start", still)
        return jax.device_put(state, self._device)

    def _ran(self, kind: str, *args: Any) -> Any:
        """One of the programs, run with the parameters of now."""
        try:
            return self._run[kind](dict(self.params), *args)
        except Exception as e:  # the arguments were checked: it is the program that XLA cannot compile or run
            raise ArtifactError(f"{kind}: the program fails: {' '.join(str(e).split())[:300]}") from e

    def _block(self, block: Any, frames: Any) -> tuple[dict[str, np.ndarray], int]:
        """The inputs of a block, checked, and its length."""
        rows = [row for row in self._inputs.values() if row != _CLOCK]
        if block is not None and not isinstance(block, Mapping):
            if len(rows) != 1:
                raise InputError(f"process: takes {len(rows)} inputs by name: {', '.join(row['name'] for row in rows)}")
            block = {rows[0]["name"]: block}
        given = {str(name): real_array(f"process: {name}", x) for name, x in (block or {}).items()}
        if given.keys() != {row["name"] for row in rows}:
            raise InputError(f"process: inputs are {', '.join(given) or 'missing'}; {_names(rows)} are taken")
        lengths = set()
        for row in rows:
            shape, wanted = given[row["name"]].shape, ("frames",) * row["frames"] + tuple(row["shape"])
            if len(shape) != len(wanted) or shape[row["frames"] :] != wanted[row["frames"] :]:
                raise ShapeError(f"process: {row['name']} has shape {shape}, not ({', '.join(map(str, wanted))})")
            lengths |= {shape[0]} if row["frames"] else set()
        fixed = self.manifest["frames"]
        if frames is not None:
            lengths.add(whole_number("process: frames", frames))
        if not lengths and fixed is None:
            raise InputError("process: give frames, the number of frames to run: there is no input to tell it")
        if len(lengths) > 1:
            raise InputError(f"process: {' and '.join(map(str, sorted(lengths)))} frames do not go together")
        count = lengths.pop() if lengths else fixed
        if count != (fixed or max(count, 1)):
            raise InputError(f"process: {count} frames; the program takes {fixed or '1 or more'}")
        return given | ({"frames": np.zeros((count, 0), np.float32)} if _CLOCK in self._inputs.values() else {}), count

    def _check(self, programs: dict[str, Any]) -> None:
        """Hold the programs to the manifest: their arguments and results are those that it lists."""
        frames = self.manifest["frames"]

        def typed(kind, dtype="float32"):
            rows = self.manifest[kind]
            return {
                r["name"]: _Type((frames or "frames",) * r.get("frames", False) + tuple(r["shape"]), r.get("dtype", dtype))
                for r in rows
            }

        params, inputs, outputs = typed("params"), typed("inputs"), typed("outputs")
        still = {name: t for name, t in inputs.items() if not self._inputs[name]["frames"]}
        state = tuple(_Type(tuple(r["shape"]), r["dtype"]) for r in self.manifest["state"])
        values = list(outputs.values())
        packed = {"value": values[0], "dict": outputs, "list": values, "tuple": tuple(values)}[self.manifest["structure"]]
        wanted = {
            "step": ((params, inputs, state), (packed, state)),
            "start": ((params, still), state),
            "gradient": ((params, inputs), (_Type((), "float32"), params)),
        }
        for kind, exported in programs.items():
            given = (exported.in_tree, exported.in_avals), (exported.out_tree, exported.out_avals)
            for (tree, avals), types in zip(given, ((wanted[kind][0], {}), wanted[kind][1])):
                leaves, structure = jax.tree.flatten(types, is_leaf=lambda x: isinstance(x, _Type))
                if tree != structure or [_type(a) for a in avals] != leaves:
                    raise ArtifactError(f"load: the program {kind} is not what the manifest says")


class _Type(NamedTuple):
    shape: tuple[int | str, ...]
    dtype: str


_CLOCK = {"name": "frames", "shape": [0], "frames": True}  # an empty input that tells how many frames to run


def _type(aval: Any) -> _Type:
    return _Type(tuple(d if isinstance(d, int) else str(d) for d in aval.shape), aval.dtype.name)


def _names(rows: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(row["name"] for row in rows) or "none"


@final
class Params(MutableMapping[str, np.ndarray]):
    """The parameters of a player by name; what is assigned is checked for shape and range."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], values: dict[str, np.ndarray]):
        self._rows, self._values = {row["name"]: row for row in rows}, values
        for array in values.values():
            array.flags.writeable = False  # what is written past __setitem__ would not be checked

    def __getitem__(self, name: str) -> np.ndarray:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        row = self._rows.get(name)
        if row is None:
            raise ArgumentError(f"params: {name!r} is not one of {_names(list(self._rows.values()))}")
        array = real_array(f"params: {name}", value)
        if array.shape != tuple(row["shape"]):
            raise ShapeError(f"params: {name} has shape {tuple(row['shape'])}, this value has {array.shape}")
        low, high = (np.inf * sign if row[key] is None else row[key] for key, sign in (("min", -1), ("max", 1)))
        if not (np.isfinite(array).all() and (array >= np.float32(low)).all() and (array <= np.float32(high)).all()):
            raise ArgumentError(f"params: {name}={array} is not inside [{low}, {high}]")
        array.flags.writeable = False
        self._values[name] = array

    def __delitem__(self, name: str) -> None:
        raise ArgumentError(f"params: {name!r} cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(self._values)
