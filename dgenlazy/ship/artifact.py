"""The file of an exported program: bytes to sections and back, every byte checked.

It is a ZIP archive without compression, and so also what `numpy.load` opens:

    manifest.json               what the program is; see `checked` for its keys
    step.PLATFORM               `step(params, inputs, state) -> (outputs, state)`, written by `jax.export`
    start.PLATFORM              `start(params, inputs) -> state`, only where the first state depends on parameters or inputs
    gradient.PLATFORM           `gradient(params, inputs) -> (loss, gradients)`, if it was asked for
    state.0.npy, state.1.npy    the state before the first frame, a tuple of arrays; the first is the frame's number
    params.NAME.npy             the parameters, where they are arguments

The manifest lists size and SHA-256 of every section, and the archive's comment is the SHA-256 of the manifest. There is one
way to write given sections, and what does not read as it would be written is refused: so no byte of a file is without effect.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from ..errors import ArtifactError, BackendError

FORMAT, VERSION = "dgenlazy artefact", 1
PLATFORMS = ("cpu", "cuda", "rocm", "tpu", "mps")
TYPES = {"float32": "<f4", "int32": "<i4", "uint32": "<u4", "bool": "|b1"}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", re.ASCII)
LARGEST = 2**30  # bytes of a file
_MANIFEST = "manifest.json"
_LARGEST_MANIFEST, _MOST = 2**22, 2**14  # bytes; entries of a list
_LOCAL, _CENTRAL, _END = "<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"
_HEAD = struct.calcsize(_LOCAL) + len(_MANIFEST)


def needs_flatbuffers(name: str) -> None:
    """Raise BackendError unless jax.export can read and write."""
    if importlib.util.find_spec("flatbuffers") is None:
        raise BackendError(f'{name}: the package flatbuffers is missing; to get it: pip install "dgenlazy[export]"')


def platform_of(device: Any) -> str:
    """What a JAX device is called in an artefact."""
    if device.platform != "gpu":
        return device.platform
    return "rocm" if "rocm" in device.client.platform_version.lower() else "cuda"


# Arrays, as NumPy writes them, but with one header for one shape and type.


def array_bytes(array: np.ndarray) -> bytes:
    """An array in the format of `.npy`."""
    return _array_head(array.dtype.name, array.shape) + array.astype(TYPES[array.dtype.name]).tobytes()


def array_of(data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array that `data` holds, which must be of this type and shape."""
    head, size = _array_head(dtype, shape), math.prod(shape) * np.dtype(TYPES[dtype]).itemsize
    if len(data) != len(head) + size or not data.startswith(head):
        _refuse(f"an array is not {dtype} of shape {shape}")
    try:
        return np.frombuffer(data, TYPES[dtype], offset=len(head)).reshape(shape).astype(dtype)
    except ValueError:  # of no elements, on axes that are too long to count even so
        _refuse(f"there is no array of shape {shape}")


def _array_head(dtype: str, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '{TYPES[dtype]}', 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


# The archive.


def pack(manifest: dict[str, Any], sections: Mapping[str, bytes]) -> bytes:
    """The file: `manifest`, to which the sections are added, and the sections."""
    listed = [{"name": n, "size": len(x), "sha256": hashlib.sha256(x).hexdigest()} for n, x in sections.items()]
    return _archive(_json({**manifest, "sections": listed}), sections)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and sections of a file. Raises ArtifactError unless every byte is as `pack` would write it."""
    if len(data) > LARGEST:
        _refuse(f"{len(data)} bytes are more than {LARGEST}")
    if len(data) < _HEAD or data[:4] != b"PK\x03\x04" or data[_HEAD - len(_MANIFEST) : _HEAD] != _MANIFEST.encode():
        _refuse("it does not begin as one")
    size = struct.unpack_from("<I", data, 18)[0]
    if size > min(_LARGEST_MANIFEST, len(data) - _HEAD):
        _refuse("it is shorter than its manifest, or that is too long")
    text = data[_HEAD : _HEAD + size]
    manifest = checked(_parsed(text))
    sections, at = {}, _HEAD + size
    for listed in manifest["sections"]:
        at += struct.calcsize(_LOCAL) + len(listed["name"])
        section = data[at : at + listed["size"]]
        if len(section) != listed["size"] or hashlib.sha256(section).hexdigest() != listed["sha256"]:
            _refuse(f"section {listed['name']} is truncated or damaged")
        sections[listed["name"]], at = section, at + len(section)
    if _archive(text, sections) != data:
        _refuse("it is truncated or damaged between its sections")
    return manifest, sections


def _archive(manifest: bytes, sections: Mapping[str, bytes]) -> bytes:
    out, directory = [], []
    at = 0
    for name, section in {_MANIFEST: manifest, **sections}.items():
        about = (20, 0, 0, 0, 0x21, zlib.crc32(section), len(section), len(section), len(name), 0)
        out += [struct.pack(_LOCAL, b"PK\x03\x04", *about), name.encode(), section]
        directory += [struct.pack(_CENTRAL, b"PK\x01\x02", 20, *about, 0, 0, 0, 0, at), name.encode()]
        at += sum(map(len, out[-3:]))
    count, comment = len(sections) + 1, hashlib.sha256(manifest).hexdigest().encode()
    end = struct.pack(_END, b"PK\x05\x06", 0, 0, count, count, sum(map(len, directory)), at, len(comment))
    return b"".join([*out, *directory, end, comment])


# The manifest.


def _json(manifest: Any) -> bytes:
    return json.dumps(manifest, indent=1, allow_nan=False).encode()


def _parsed(text: bytes) -> Any:
    try:
        manifest = json.loads(text)
        same = _json(manifest) == text
    except (ValueError, RecursionError):  # not JSON, not UTF-8, NaN, numbers without end, nested without end
        same, manifest = False, None
    if not same:
        _refuse("its manifest is damaged")
    return manifest


def checked(manifest: Any) -> dict[str, Any]:
    """`manifest`, if it has all keys, each of the right type and within bounds, and they fit together."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        _refuse("it is none")
    if manifest.get("version") != VERSION:
        _refuse(f"it has version {manifest.get('version')!r}, and this dgenlazy reads version {VERSION}")
    if manifest.keys() != _KEYS.keys():
        _refuse(f"its manifest has the keys {', '.join(map(str, manifest))}, not {', '.join(_KEYS)}")
    for key, fits in _KEYS.items():
        if not fits(manifest[key]):
            _refuse(f"its manifest has {key}={manifest[key]!r:.80}")
    if manifest["state"][0] != {"name": "position", "shape": [], "dtype": "uint32"}:
        _refuse("its state does not begin with the position")
    ticks = [row for kind in ("inputs", "outputs") for row in manifest[kind] if "hop" in row]
    if not all(row["frames"] for row in ticks):
        _refuse("what comes at a hop does not vary")
    if (ticks or manifest["latency"]) and manifest["state"][1:2] != [_CLOCK]:
        _refuse(f"it has latency={manifest['latency']} and {len(ticks)} hops, and its state no clock")
    names = [n for p in manifest["platforms"] for n in programs(manifest, p)]
    names += [f"state.{i}.npy" for i in range(len(manifest["state"]))]
    names += [f"params.{p['name']}.npy" for p in manifest["params"]]
    if [s["name"] for s in manifest["sections"]] != names or len(set(names)) != len(names):
        _refuse("its sections are not those that its manifest speaks of")
    for p in manifest["params"]:
        if None not in (p["min"], p["max"]) and not p["min"] < p["max"]:
            _refuse(f"params: {p['name']} has min={p['min']}, which is not below max={p['max']}")
    for kind in ("inputs", "outputs"):
        if len({x["name"] for x in manifest[kind]}) != len(manifest[kind]):
            _refuse(f"two {kind} have one name")
    return manifest


def programs(manifest: Mapping[str, Any], platform: str) -> list[str]:
    """The sections that are programs for one platform."""
    kinds = ["step", *["start"] * manifest["start"], *["gradient"] * manifest["gradient"]]
    return [f"{kind}.{platform}" for kind in kinds]


def rows(row: Mapping[str, Any], frames: Any) -> tuple[Any, ...]:
    """The shape of an input or output of a block: a row for each frame, for each tick that there may be, or one for all."""
    return (-(-frames // row.get("hop", 1)),) * row["frames"] + tuple(row["shape"])


def _count(x: Any, least: int = 0) -> bool:
    return type(x) is int and least <= x < 2**31


def _number(x: Any) -> bool:
    return type(x) is float and math.isfinite(x)


def _text(x: Any) -> bool:
    return type(x) is str and len(x) <= 200


def _name(x: Any) -> bool:
    return type(x) is str and NAME.fullmatch(x) is not None


def _shape(x: Any) -> bool:
    return type(x) is list and len(x) <= 32 and all(map(_count, x))


def _flag(x: Any) -> bool:
    return type(x) is bool


def _hop(x: Any) -> bool:
    return _count(x, 2) and x < 2**29


def _listed(least: int = 0, more: Mapping[str, Any] = {}, **keys: Any) -> Any:
    """Rows of these keys; those of `more` may be missing."""

    def fits(x):
        rows = type(x) is list and least <= len(x) <= _MOST
        return rows and all(type(r) is dict and keys.keys() == r.keys() - more.keys() and all(map(of, r.items())) for r in x)

    def of(item):
        return {**keys, **more}[item[0]](item[1])

    return fits


_CLOCK = {"name": "clock", "shape": [], "dtype": "uint32"}  # frames since a stream began, for what has ticks or is late
_TICKS = {"hop": _hop}

_KEYS: dict[str, Any] = {
    "format": _text,
    "version": _count,
    "made_with": lambda x: type(x) is dict and len(x) <= 16 and all(map(_text, [*x, *x.values()])),
    "sample_rate": lambda x: _number(x) and x > 0,  # Hz
    "seed": lambda x: type(x) is int and 0 <= x < 2**32,  # of noise
    "frames": lambda x: x is None or _count(x, 1),  # of a block; None for any number
    "whole_run": _flag,  # each block is a run of its own: a loss sees all its frames
    "latency": _count,  # frames that outputs come late: what the program looks ahead; 0 where each block is a run of its own
    "samples": lambda x: x is None or _count(x),  # frames after which samples that are part of the program end
    "platforms": lambda x: type(x) is list and len(x) > 0 and set(map(str, x)) <= set(PLATFORMS) and len(set(x)) == len(x),
    "start": _flag,  # whether there is a program `start`
    "gradient": _flag,
    "structure": lambda x: x in ("value", "dict", "list", "tuple"),  # of the outputs
    "outputs": _listed(1, _TICKS, name=_name, shape=_shape, frames=_flag),  # `frames`: whether there is one for each frame
    "inputs": _listed(0, _TICKS, name=_name, shape=_shape, frames=_flag),  # with a `hop`, one in so many frames
    "params": _listed(name=_name, shape=_shape, min=lambda x: x is None or _number(x), max=lambda x: x is None or _number(x)),
    "state": _listed(1, name=_text, shape=_shape, dtype=lambda x: type(x) is str and x in TYPES),
    "sections": _listed(1, name=_text, size=_count, sha256=_text),
}


def _refuse(why: str) -> NoReturn:
    raise ArtifactError(f"not an artefact that can be loaded: {why}")
