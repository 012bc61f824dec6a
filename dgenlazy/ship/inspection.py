"""Whether a serialized program may be loaded: what it would call, found without compiling or running it.

MLIR's reader of bytecode crashes on some bytes that nobody's compiler wrote, and takes the process with it. So a program from
elsewhere is read first in a process of its own, for which this module is the script: it imports nothing of this package.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

ALLOWED = ("shape_assertion",)  # targets of custom calls: all that the library's own programs need, on any platform
_NAMES = re.compile(r"^#loc.*$", re.MULTILINE)  # of places in source files, among which may be a function's name
_TALKS = re.compile(r"stablehlo\.(?:infeed|outfeed|send|recv)\b")
_CALLS = re.compile(r"custom_call(?: @([\w.$]+)\()?")
_SECONDS, _MEMORY = 60.0, 2**34  # bytes: what the other process may take


def complaint(text: str, allowed: Sequence[str] = ()) -> str:
    """What StableHLO text holds that may not be run; empty if there is nothing."""
    text = _NAMES.sub("", text)
    for found in _CALLS.finditer(text):
        if found[1] not in (*ALLOWED, *allowed):
            return f"custom call {found[1] or 'that cannot be read'} is not on the list of those allowed"
    talks = _TALKS.search(text)
    return f"{talks[0]} is not allowed" if talks else ""


def read(program: bytes, allowed: Sequence[str] = ()) -> Any:
    """The `jax.export.Exported` that `program` is. Raises ValueError where it may not be run."""
    from jax import export

    exported = export.deserialize(bytearray(program))
    wrong = complaint(exported.mlir_module(), allowed)
    if not wrong and (exported.ordered_effects or exported.unordered_effects or exported.disabled_safety_checks):
        wrong = "it has effects, or safety checks are switched off"
    if not wrong and (exported.nr_devices != 1 or len(exported.platforms) != 1):
        wrong = "it is not for one device of one platform"
    if wrong:
        raise ValueError(wrong)
    return exported


def lowered(exported: Any) -> None:
    """Build the call of a program without compiling it, which verifies that the program has the types that it claims."""
    import jax

    args = [jax.ShapeDtypeStruct([d if isinstance(d, int) else 8 for d in a.shape], a.dtype) for a in exported.in_avals]
    args, kwargs = jax.tree.unflatten(exported.in_tree, args)
    jax.jit(exported.call).trace(*args, **kwargs).lower(lowering_platforms=exported.platforms)


def apart(programs: Sequence[bytes], allowed: Sequence[str] = ()) -> str:
    """What is wrong with `programs`, found by another process; empty if nothing is."""
    if not sys.executable:
        return "there is no Python here to check it apart from this process; give sha256="
    head = json.dumps({"sizes": [len(p) for p in programs], "allowed": list(allowed)}).encode()
    paths = os.pathsep.join(os.path.abspath(p) for p in sys.path if p)
    env = {**os.environ, "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-P", os.path.abspath(__file__)]
    try:
        told = b"\n".join([head, b"".join(programs)])
        done = subprocess.run(command, input=told, capture_output=True, env=env, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return "it takes too long to read"
    answer = done.stdout.decode(errors="replace")
    if done.returncode == 0 and answer == "allowed":
        return ""
    return answer.removeprefix("refused: ") if answer.startswith("refused: ") else "its StableHLO cannot be read"


def main() -> None:
    """Read programs from stdin, and say on stdout whether they may be run."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # where there is no such limit, or a lower one
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    try:
        head = json.loads(sys.stdin.buffer.readline())
        for size in head["sizes"]:
            lowered(read(sys.stdin.buffer.read(size), head["allowed"]))
        answer = "allowed"
    except Exception as e:  # whatever a hostile program makes JAX raise
        answer = f"refused: {type(e).__name__}: {' '.join(str(e).split())[:300]}"
    sys.stdout.write(answer)


if __name__ == "__main__":
    main()
