"""What functions and loaded programs take and give: arrays that fit, types held to a manifest, parameters by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from ..config import real_array, whole_number
from ..errors import ArgumentError, ArtifactError, InputError, ShapeError
from ..graph import Data, Input, Leaf
from ..run import samples
from . import artifact


def check(manifest: Mapping[str, Any], programs: Mapping[str, Any]) -> None:
    """Hold the programs to the manifest: their arguments and results are those that it lists."""
    frames = manifest["frames"] or jax.export.symbolic_shape("frames")[0]
    fixed = {row["name"] for row in manifest["inputs"] if not row["frames"]}

    def typed(kind, dtype="float32"):
        rows = manifest[kind]
        return {r["name"]: _Type(_dims(artifact.rows({"frames": False} | r, frames)), r.get("dtype", dtype)) for r in rows}

    params, inputs, outputs = typed("params"), typed("inputs"), typed("outputs")
    still = {name: t for name, t in inputs.items() if name in fixed}
    state = tuple(_Type(tuple(r["shape"]), r["dtype"]) for r in manifest["state"])
    values = list(outputs.values())
    packed = {"value": values[0], "dict": outputs, "list": values, "tuple": tuple(values)}[manifest["structure"]]
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


def _type(aval: Any) -> _Type:
    return _Type(_dims(aval.shape), aval.dtype.name)


def _dims(shape: Sequence[Any]) -> tuple[int | str, ...]:
    return tuple([d if isinstance(d, int) else str(d) for d in shape])


def names_of(rows: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(row["name"] for row in rows) or "none"


def outside(row: Mapping[str, Any], array: np.ndarray) -> str:
    """What is wrong with the value of a parameter, which is finite and inside its bounds; nothing if nothing is."""
    low, high = (np.inf * sign if row[key] is None else row[key] for key, sign in (("min", -1), ("max", 1)))
    inside = np.isfinite(array).all() and (array >= np.float32(low)).all() and (array <= np.float32(high)).all()
    return "" if inside else f"{row['name']}={array} is not inside [{low}, {high}]"


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
            raise ArgumentError(f"params: {name!r} is not one of {names_of(list(self._rows.values()))}")
        array = real_array(f"params: {name}", value)
        if array.shape != tuple(row["shape"]):
            raise ShapeError(f"params: {name} has shape {tuple(row['shape'])}, this value has {array.shape}")
        if wrong := outside(row, array):
            raise ArgumentError(f"params: {wrong}")
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


def fitting(name: str, array: Any, leaf: Leaf, any_length: bool) -> Any:
    """An array for a leaf: as the leaf's own, or of another number of examples, or with `any_length` of frames."""
    dtype = np.dtype(complex) if isinstance(array, complex) else getattr(array, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind == "c":
        raise ArgumentError(f"function: {name}: {dtype} is not a type of real numbers; take the real and imaginary parts apart")
    try:
        array = jnp.asarray(array, jnp.float32)
    except (TypeError, ValueError) as e:
        raise ArgumentError(f"function: {name}: {str(e).splitlines()[0]}") from None
    shape = leaf.spec.shape
    batched = leaf.batched if isinstance(leaf, Data) else array.ndim > 1 + len(shape)
    free = batched + any_length  # axes that may be of any length
    own = leaf.array.shape if isinstance(leaf, Data) else (0,) * free + shape
    if array.ndim != len(own) or array.shape[free:] != own[free:]:
        wanted = own if isinstance(leaf, Data) else " or ".join(samples.layouts(shape))
        raise ShapeError(f"function: {name} has shape {array.shape}, not {wanted}")
    if isinstance(leaf, Input) and not shape:
        samples.one_reading(f"function: {name}", array.shape)
    return array


def ticks(row: Mapping[str, Any], start: int, count: int) -> int:
    """How many values of an input or output fall into `count` frames from `start` on."""
    hop = row.get("hop", 1)
    return -(-(start + count) // hop) - -(-start // hop)


def taken(manifest: Mapping[str, Any], block: Any, frames: Any, start: int = 0) -> tuple[dict[str, np.ndarray], int]:
    """The inputs of a block from `start` on, checked and as the program takes them, and its length."""
    counts = _COUNTS in manifest["inputs"]
    rows = [row for row in manifest["inputs"] if row != _COUNTS]
    if block is not None and not isinstance(block, Mapping):
        if not rows:
            raise InputError("process: takes no inputs; give the number of frames, as process(frames=64)")
        if len(rows) != 1:
            raise InputError(f"process: takes {len(rows)} inputs by name: {', '.join(row['name'] for row in rows)}")
        block = {rows[0]["name"]: block}
    given = {str(name): real_array(f"process: {name}", x) for name, x in (block or {}).items()}
    if given.keys() != {row["name"] for row in rows}:
        raise InputError(f"process: inputs are {', '.join(given) or 'missing'}; {names_of(rows)} are taken")
    for row in rows:
        shape, unit = given[row["name"]].shape, "ticks" if "hop" in row else "frames"
        wanted = (unit,) * row["frames"] + tuple(row["shape"])
        if len(shape) != len(wanted) or shape[row["frames"] :] != wanted[row["frames"] :]:
            raise ShapeError(f"process: {row['name']} has shape {shape}, not ({', '.join(map(str, wanted))})")
    count = _frames(manifest, rows, given, frames)
    for row in rows:
        if "hop" in row:
            given[row["name"]] = _slots(row, given[row["name"]], start, count)
    return given | ({"frames": np.zeros((count, 0), np.float32)} if counts else {}), count


def _frames(manifest: Mapping[str, Any], rows: Sequence[Any], given: Mapping[str, np.ndarray], frames: Any) -> int:
    """How many frames a block is of."""
    fixed, least = manifest["frames"], 1 if manifest["whole_run"] else 0
    lengths = {len(given[row["name"]]) for row in rows if row["frames"] and "hop" not in row}
    if frames is not None:
        lengths.add(whole_number("process: frames", frames))
    told = [len(given[row["name"]]) * row["hop"] for row in rows if "hop" in row]
    if not lengths and fixed is None and not told:
        raise InputError("process: give frames, the number of frames to run: there is no input to tell it")
    if len(lengths) > 1:
        raise InputError(f"process: {' and '.join(map(str, sorted(lengths)))} frames do not go together")
    count = lengths.pop() if lengths else fixed or min(told)
    if count != (fixed or max(count, least)) and (count or least):
        raise InputError(f"process: {count} frames; the program takes {fixed or '1 or more'}")
    return count


def _slots(row: Mapping[str, Any], array: np.ndarray, start: int, count: int) -> np.ndarray:
    """Ticks of a block, and one more that is not used where it holds one less than it could."""
    held, slots = ticks(row, start, count), ticks(row, 0, count)
    if not held <= len(array) <= slots:
        block = f"the {count} frames from {start} on" if start else f"{count} frames"
        raise InputError(f"process: {row['name']} has {len(array)} ticks; one in {row['hop']} frames makes {held} of {block}")
    return np.concatenate([array, np.zeros((slots - len(array), *array.shape[1:]), np.float32)])


_COUNTS = {"name": "frames", "shape": [0], "frames": True}  # an empty input that tells how many frames to run


def position_of(state: Any) -> Any:
    """Of the state of a function, where its next block begins."""
    if not (isinstance(state, Mapping) and state.keys() == {"position", "recurrences"}):
        raise ArgumentError(f"function: state={state!r:.80} is not what a call or initial_state of it returned")
    position = state["position"]
    if np.shape(position) or not jnp.issubdtype(jnp.result_type(position), jnp.integer):
        raise ArgumentError(f"function: the position of the state, {position!r}, is not a whole number")
    return position
