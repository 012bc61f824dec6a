"""A graph as StableHLO: the programs and the manifest of a file for `dg.load`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from ..errors import ArgumentError, DGenError
from ..graph import FLOAT, Data, Recurrence
from ..lazy import Lazy
from ..recurrence import reads
from ..run import terms
from ..values import promoted
from ..version import __version__
from . import artifact, inspection
from .function import Function, function


class _Platform(NamedTuple):
    """What plans need to know of a device that may not be here."""

    platform: str


class Programs:
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
