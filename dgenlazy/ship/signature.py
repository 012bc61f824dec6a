"""What functions and loaded programs take and give: arrays that fit, types held to a manifest, parameters by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ..config import real_array
from ..errors import ArgumentError, ArtifactError, ShapeError
from ..graph import Data, Input, Leaf
from ..run import samples


def check(manifest: Mapping[str, Any], programs: Mapping[str, Any]) -> None:
    """Hold the programs to the manifest: their arguments and results are those that it lists."""
    frames = manifest["frames"]
    fixed = {row["name"] for row in manifest["inputs"] if not row["frames"]}

    def typed(kind, dtype="float32"):
        rows = manifest[kind]
        return {
            r["name"]: _Type((frames or "frames",) * r.get("frames", False) + tuple(r["shape"]), r.get("dtype", dtype))
            for r in rows
        }

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
    return _Type(tuple(d if isinstance(d, int) else str(d) for d in aval.shape), aval.dtype.name)


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
