"""Writing a graph to one file: as StableHLO that any JAX can run without this package, or as C that needs neither."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from .. import files
from ..config import flag, whole_number
from ..errors import ArgumentError, DGenError
from ..graph import FLOAT, Data, Recurrence
from ..lazy import Lazy
from ..recurrence import reads
from ..run import runtime, terms
from ..values import promoted
from ..version import __version__
from . import artifact, inspection, native
from .function import Function, function


def export(
    outputs: Any,
    path: str | os.PathLike[str],
    *,
    params: Mapping[str, Any] | None = None,
    inputs: Mapping[Any, Any] | None = None,
    frames: int | None = None,
    platforms: Sequence[str] | None = None,
    gradient: bool = False,
    allow: Sequence[str] = (),
    name: str | None = None,
    units: Mapping[str, str] | None = None,
    math: Literal["inline", "libm"] = "inline",
    sample_rates: Sequence[float] | None = None,
) -> str:
    """Write a graph to a file, to be run without it. The suffix chooses: `.c` is C, all else is for `dg.load`.

    Settings are those of now, and so is data that is no argument. A file that is there already is replaced whole, or on an
    error not touched. What is for `dg.load` is run by plain `jax.export` too, without this package; it takes the extra
    `export`.

    A `.c` file is one frame of the graph, frame after frame, as C99 that is C++ too, and needs nothing but `math.h`. Its
    comment says how it is compiled and called: a struct `NAME_t` that holds all there is, `NAME_init`, `NAME_process` for
    blocks of any length, `NAME_prepare` after fields of parameters were changed, `NAME_reset`; a table of the parameters;
    `NAME_inputs`, `NAME_outputs` and `NAME_latency`. Channels are planar: those of inputs in ascending order, those of outputs
    in the order given, lanes in C order. It takes `params`, `name`, `units`, `math` and `sample_rates`; the others are for
    `dg.load`.

    Args:
        outputs: A value, or a dict, list or tuple of values.
        path: Where to write. Its folder exists. A device or a FIFO is written to, and not replaced.
        params: Leaves that stay arguments, by name: Tensors and Signals that hold data. All others become constants.
        inputs: Leaves that are given anew with each block, by name: `{"source": Signal.input(0)}`; a channel number stands
            for its input. By default every channel, by its number.
        frames: How long a block is. None for any length: then each recurrence is run frame by frame, which is fast on a
            CPU only, and ops that see the whole run, like `spectral_loss`, mostly cannot be exported.
        platforms: Of "cpu", "cuda", "rocm", "tpu" and "mps"; by default that of the present backend. None of them needs to
            be on this machine.
        gradient: Also write the gradient to `params` of the mean over the frames of a block, begun afresh, as `backward` takes
            it: not late, each term of a sum at its own ticks. Takes one output, of shape ().
        allow: Targets of custom calls that the program may hold beside those of this library's ops, of the ones that JAX
            keeps stable; `dg.load` must be told the same. For ops made by `dg.from_jax`.
        name: What the functions and types of C begin with; by default the name of the file.
        units: Of parameters, by their names: text for the table, like `{"cutoff": "Hz"}`.
        math: "inline" computes sine, exponential and logarithm by functions in the file, which compilers take several lanes
            at once, to 2e-7, the sine for angles up to 1e9; "libm" calls `math.h`.
        sample_rates: The rates in Hz that the file is for, by default `DGen.sample_rate`; its `NAME_init` takes each of them,
            with one copy of the code. What ops know of the rate, and what was made from `dg.sample_rate`, a lazy number,
            follows; what was made from `DGen.sample_rate` in Python stays as it is.

    Returns:
        The SHA-256 of the file, for `dg.load(path, sha256=...)`.

    Raises:
        ArgumentError: an argument is not as above, or an op does not go with what was asked for; what has no form in C is
            named with its op. BackendError: the package flatbuffers is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = dg.export(Signal.input(0).onepole(0.5), f"{folder}/filter.dgen", frames=4)
    ...     dg.load(f"{folder}/filter.dgen", sha256=digest).process(np.ones(4, np.float32))
    array([0.5   , 0.75  , 0.875 , 0.9375], dtype=float32)
    >>> from pathlib import Path
    >>> cutoff = Signal.param(0.5, min=0.0, max=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = dg.export(Signal.input(0).onepole(cutoff), f"{folder}/voice.c", params={"cutoff": cutoff})
    ...     text = Path(f"{folder}/voice.c").read_text()
    >>> "float cutoff;" in text, "void voice_process(" in text
    (True, True)
    """
    target = files.checked_path("export", path)
    stem, suffix = os.path.splitext(os.path.basename(target))
    if suffix == ".c":
        _refuse(".c", inputs=inputs, frames=frames, platforms=platforms, gradient=gradient or None, allow=tuple(allow) or None)
        files.place("export", target)
        made = native.source(outputs, params, native.name_of(stem) if name is None else name, units, math, sample_rates)
        data = made.file.text.encode()
        files.replace("export", target, data)
        return hashlib.sha256(data).hexdigest()
    if suffix in _NOT_YET:
        raise ArgumentError(f"export: {files.shown(target)}: this version writes .c, and all else for dg.load, but no {suffix}")
    _refuse(suffix, name=name, units=units, sample_rates=sample_rates, math=None if math == "inline" else math)
    artifact.needs_flatbuffers("export")
    files.place("export", target)  # before the work, if there is none to write to
    source = _Source(outputs, params, inputs, None if frames is None else whole_number("export: frames", frames, least=1))
    if flag("export: gradient", gradient):
        source.differentiate()
    data = artifact.pack(*source.written(_platforms(platforms), gradient, tuple(allow)))
    if len(data) > artifact.LARGEST:
        raise ArgumentError(f"export: {len(data)} bytes are more than {artifact.LARGEST}; make constants inputs or params")
    files.replace("export", target, data)
    return hashlib.sha256(data).hexdigest()


_NOT_YET = (".wasm", ".html", ".lv2", ".clap")


def _refuse(suffix: str, **given: Any) -> None:
    """Raise an ArgumentError for what a file of this kind does not take."""
    for name, value in given.items():
        if value is not None:
            raise ArgumentError(f"export: a {suffix} file takes no {name}={value!r}; the suffix chooses what is written")


class _Platform(NamedTuple):
    """What plans need to know of a device that may not be here."""

    platform: str


class _Source:
    """A graph and what it is exported with: the programs as functions of plain arrays, and what the manifest says."""

    def __init__(self, outputs: Any, params: Any, inputs: Any, frames: int | None):
        self.frames = frames
        self.kind, names, outputs = _structure(outputs)
        params = _named("params", {} if params is None else params)
        if inputs is None:
            inputs = {channel: channel for channel in function(outputs, params).sources}
        self.outputs, self.given = outputs, (params, _named("inputs", inputs))
        self.loss = self.fn = Function(outputs, *self.given)
        if any(isinstance(x, Data) and x.batched for x in self.fn.graph.arrays):
            raise ArgumentError("export: a leaf of the graph is batched; a file holds the graph of one example")
        self.params = {name: x.node for name, x in params.items()}
        specs = self.fn.graph.program.output_specs
        self.rows = [_row(n, s.shape, s.signal or s.varies, s.every) for n, s in zip(names, specs)]
        self.inputs: list[dict[str, Any]] = []
        for name, leaves in self.fn.sources.items():
            spec = leaves[0].spec if leaves else None
            self.inputs.append(_row(name, spec.shape if spec else (), spec is None or spec.varies, spec.every if spec else 1))
        self.timed = [row["name"] for row in self.inputs if row["frames"] and "hop" not in row]
        if not self.fn.graph.program.varies:
            self.frames = frames = 1
        if frames is None and not self.timed:  # what tells the program how many frames it is to run
            if "frames" in self.fn.sources:
                raise ArgumentError(
                    "export: inputs['frames'] is taken: where no input has a value in every frame, an input of that name counts"
                )
            self.inputs.append(_row("frames", (0,), True))
            self.timed = ["frames"]

    def differentiate(self) -> None:
        """Check that there is a gradient to write, and of which terms the loss is the sum."""
        if not self.params or self.kind != "value" or self.rows[0]["shape"]:
            raise ArgumentError("export: gradient=True takes params, and one output of shape (); take its mean() or sum()")
        if self.fn.graph.program.rated:
            self.loss = function([promoted(node) for node in terms(self.outputs.node)], *self.given)

    def programs(self, platform: str) -> dict[str, Any]:
        """`step`, `start` and `gradient` as functions."""
        fn = self.fn
        settings = fn.settings._replace(where=_Platform(platform))

        def block(fn, params, inputs, start, count, whole=False):
            arrays = fn.arrays(fn.bound(params, {name: inputs[name] for name in fn.sources}))
            return fn.block(arrays, start, count, settings, whole and fn.graph.program.rated)

        def start(params, inputs):
            still = {r["name"]: jnp.zeros((1, *r["shape"]), FLOAT) for r in self.inputs if r["frames"]} | inputs
            return (jnp.uint32(0), *jax.tree.leaves(block(fn, params, still, jnp.uint32(0), 1)[1]()))

        def step(params, inputs, state):
            count = self._count(inputs)
            run, fresh = block(fn, params, inputs, state[0], count, bool(fn.graph.program.sees_whole_run))
            values, after = run(jax.tree.structure(fresh()).unflatten(state[1:]))
            return fn.structure.unflatten(values), (state[0] + jnp.uint32(count), *jax.tree.leaves(after))

        def gradient(params, inputs):
            def loss(params):
                run, fresh = block(self.loss, params, inputs, jnp.uint32(0), self._count(inputs), True)
                return sum(map(jnp.mean, run(fresh())[0]))

            return jax.value_and_grad(loss)(params)

        return {"step": step, "start": start, "gradient": gradient}

    def _count(self, inputs: Any) -> Any:
        return self.frames or inputs[self.timed[0]].shape[0]

    def written(self, platforms: Sequence[str], gradient: bool, allowed: tuple[str, ...]) -> tuple[dict, dict[str, bytes]]:
        """The manifest, and the sections of the file."""
        params = {name: np.asarray(leaf.array, np.float32) for name, leaf in self.params.items()}
        still = {r["name"]: self._first(r) for r in self.inputs if not r["frames"]}
        start = self.programs(platforms[0])["start"]
        state = [np.asarray(x) for x in start(params, still)]
        depends = any(reads(start, params, still))
        for x in state:
            if x.dtype.name not in artifact.TYPES:
                raise ArgumentError(f"export: a state is of {x.dtype}, not of {', '.join(artifact.TYPES)}")
        length = self.frames
        if length is None:
            (length,) = jax.export.symbolic_shape("frames")
        args = {r["name"]: jax.ShapeDtypeStruct(artifact.rows(r, length), np.float32) for r in self.inputs}
        given = {
            "step": (params, args, tuple(state)),
            "start": (params, still),
            "gradient": (params, args),
        }
        manifest = self._manifest(platforms, state, depends, gradient)
        sections = {}
        for platform in platforms:
            programs = self.programs(platform)
            for name in artifact.programs(manifest, platform):
                kind = name.split(".")[0]
                sections[name] = self._lowered(programs[kind], given[kind], platform, allowed)
        sections |= {f"state.{i}.npy": artifact.array_bytes(x) for i, x in enumerate(state)}
        sections |= {f"params.{name}.npy": artifact.array_bytes(x) for name, x in params.items()}
        return manifest, sections

    def _first(self, row: dict[str, Any]) -> np.ndarray:
        """An input that does not vary, as it is now."""
        found = self.fn.sources[row["name"]][0]
        return np.asarray(found.array, np.float32) if isinstance(found, Data) else np.zeros(row["shape"], np.float32)

    def _lowered(self, fn: Any, given: tuple, platform: str, allowed: tuple[str, ...]) -> bytes:
        args = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), given)
        try:
            with _without_paths():
                exported = jax.export.export(jax.jit(fn, keep_unused=True), platforms=[platform])(*args)
                program = bytes(exported.serialize())
        except DGenError:
            raise
        except Exception as e:  # whatever JAX raises for what it cannot lower
            fact = (str(e).strip() or type(e).__name__).splitlines()[0]
            whole = self.fn.graph.program.sees_whole_run
            if self.frames is None:
                name = f"{whole}, which sees the whole run," if whole else "an op of the program"
                raise ArgumentError(f"export: {name} does not go with any number of frames; give frames=N: {fact}") from e
            raise ArgumentError(f"export: this program cannot be exported for {platform}: {fact}") from e
        wrong = inspection.complaint(exported.mlir_module(), allowed)
        if wrong:
            raise ArgumentError(f"export: {wrong}; allow=(...) allows it")
        return program

    def _manifest(self, platforms: Sequence[str], state: list[np.ndarray], start: bool, gradient: bool) -> dict[str, Any]:
        graph, kept = self.fn.graph, self.fn.settings
        names = ["position"]
        fresh = jax.eval_shape(lambda: self._fresh())
        recurrences = [line.op.__name__ for line in graph.program.lines if isinstance(line.op, Recurrence)]
        for name, tree in zip(recurrences, fresh):
            paths = jax.tree_util.tree_flatten_with_path(tree)[0]
            names += [f"{name}{jax.tree_util.keystr(path)}"[:200] for path, _ in paths]
        return {
            "format": artifact.FORMAT,
            "version": artifact.VERSION,
            "made_with": {"dgenlazy": __version__} | {p: version(p) for p in ("jax", "jaxlib", "numpy")},
            "sample_rate": float(kept.sample_rate),
            "seed": kept.seed,
            "frames": self.frames,
            "whole_run": bool(graph.program.sees_whole_run),
            "latency": 0 if graph.program.sees_whole_run else graph.program.latency,
            "samples": min((x.frames for x in self.fn.samples), default=None),
            "platforms": list(platforms),
            "start": start,
            "gradient": gradient,
            "structure": self.kind,
            "outputs": self.rows,
            "inputs": self.inputs,
            "params": [
                {**_row(n, p.array.shape), "min": _finite(p.low), "max": _finite(p.high)} for n, p in self.params.items()
            ],
            "state": [{**_row(n, x.shape), "dtype": x.dtype.name} for n, x in zip(names, state, strict=True)],
        }

    def _fresh(self) -> Any:
        inputs = {r["name"]: jnp.zeros((1,) * r["frames"] + tuple(r["shape"]), FLOAT) for r in self.inputs}
        bound = self.fn.bound({n: p.array for n, p in self.params.items()}, {n: inputs[n] for n in self.fn.sources})
        return self.fn.block(self.fn.arrays(bound), None, 1, self.fn.settings)[1]()


def _structure(outputs: Any) -> tuple[str, list[str], Any]:
    """What the outputs are in, their names, and the outputs, by names that can stand in a file."""
    kind = {dict: "dict", list: "list", tuple: "tuple"}.get(type(outputs), "value")
    if kind == "value":
        return kind, ["output"], outputs
    outputs = _named("outputs", outputs) if kind == "dict" else outputs
    if any(not isinstance(x, Lazy) for x in (outputs.values() if kind == "dict" else outputs)):
        raise ArgumentError("export: outputs are a value, or a dict, list or tuple of values, and nothing deeper")
    return kind, sorted(outputs) if kind == "dict" else [str(i) for i in range(len(outputs))], outputs


def _named(what: str, given: Any) -> dict[str, Any]:
    """A mapping with names that can stand in a file."""
    if not isinstance(given, Mapping):
        raise ArgumentError(f"export: {what}={given!r} is not a mapping from name to leaf")
    for name in given:
        if not (isinstance(name, (str, int)) and artifact.NAME.fullmatch(str(name))):
            raise ArgumentError(f"export: {what}: the name {name!r} is not made of letters, digits, _ and -, 64 at most")
    names = {str(name): x for name, x in given.items()}
    if len(names) < len(given):
        raise ArgumentError(f"export: {what}: two names read the same")
    return names


def _platforms(given: Any) -> list[str]:
    platforms = [artifact.platform_of(runtime.device())] if given is None else given
    if isinstance(platforms, str) or not isinstance(platforms, Sequence) or not platforms:
        raise ArgumentError(f"export: platforms={given!r} is not a list of names")
    for name in platforms:
        if name not in artifact.PLATFORMS:
            raise ArgumentError(f"export: platforms: {name!r} is not one of {', '.join(artifact.PLATFORMS)}")
    return list(dict.fromkeys(platforms))


def _row(name: str, shape: tuple[int, ...], frames: bool | None = None, hop: int = 1) -> dict[str, Any]:
    """An entry of the manifest."""
    row = {"name": name, "shape": list(shape)}
    return row | ({} if frames is None else {"frames": frames}) | ({"hop": hop} if hop > 1 else {})


def _finite(bound: float) -> float | None:
    return float(bound) if math.isfinite(bound) else None


@contextlib.contextmanager
def _without_paths() -> Iterator[None]:
    """Lower without the names of source files, which tell of the machine and make equal programs differ."""
    quiet = {"jax_hlo_source_file_canonicalization_regex": ".*", "jax_traceback_in_locations_limit": 0}
    before = {name: getattr(jax.config, name) for name in quiet}
    try:
        for name, value in quiet.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
