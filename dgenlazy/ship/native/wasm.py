"""A graph as WebAssembly: its C through a compiler that knows wasm32, and a section that says where things lie."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ...errors import BackendError
from .build import FLAGS, binary, compiler
from .source import Source, by_octaves, layout

TARGET = "wasm32-wasi"
_BEGUN = "void _initialize(void);\n__attribute__((weak)) void _initialize(void) {}\n"  # what hosts call first
_STACK = 1 << 20  # bytes; pages of it that nobody touches cost nothing


def wasm(made: Source) -> bytes:
    """A module without imports. It exports its memory, `NAME_init`, `NAME_reset`, `NAME_prepare` and `NAME_process`.

    Its custom section `dgenlazy` is JSON, what `about` returns.

    Raises:
        BackendError: there is no compiler for it.
    """
    command, names = compiler(TARGET), [f"{made.name}_{what}" for what in ("init", "reset", "prepare", "process")]
    linked = ["-mexec-model=reactor", "-Wl,--strip-all", f"-Wl,-z,stack-size={_STACK}"]
    linked += [f"-Wl,--export={name}" for name in (*names, "_initialize")]
    body = binary("export", made.file.text + _BEGUN, [*command, *FLAGS, "-msimd128", "-mbulk-memory"], ["-c"])
    try:  # first without the C library, which zig takes a minute to build: few graphs call what is in there only
        module = binary("export", body, command, ["-nostdlib", *linked])
    except BackendError:
        module = binary("export", body, command, linked)
    return module + _section("dgenlazy", json.dumps(about(made)).encode())


def about(made: Source) -> dict[str, Any]:
    """What who runs the module needs to know: sizes in bytes, and of each parameter where it lies in the struct."""
    fields = layout(made)
    offsets = {name: where[1] for name, where in (fields.fields or {}).items()}
    return {
        "name": made.name,
        "sample_rate": made.rate,
        "size": fields.itemsize,
        "inputs": sum(int(np.prod(shape)) for shape, _ in made.step.channels.values()),
        "outputs": sum(v.size for v in made.step.outputs),
        "latency": made.step.program.latency,
        "parameters": [
            {
                "name": name,
                "offset": offsets[name],
                "length": int(np.prod(leaf.spec.shape)),
                "scalar": leaf.spec.shape == (),
                "min": _number(leaf.low),
                "max": _number(leaf.high),
                "initial": [_number(x) for x in np.asarray(leaf.array, np.float32).ravel()],
                "unit": made.units.get(name, ""),
                "octaves": by_octaves(name, made.units.get(name, ""), leaf.low, leaf.high),
            }
            for name, leaf in made.step.params.items()
        ],
    }


def _number(x: Any) -> float | None:
    """JSON has no infinity."""
    return float(x) if np.isfinite(x) else None


def _section(name: str, data: bytes) -> bytes:
    content = _leb(len(name)) + name.encode() + data
    return b"\0" + _leb(len(content)) + content


def _leb(n: int) -> bytes:
    """A length as WebAssembly writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])
