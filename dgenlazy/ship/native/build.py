"""From a C file to a library of this machine: compilers, and a folder where what was built is kept."""

from __future__ import annotations

import functools as ft
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ... import files
from ...errors import BackendError

# Those keep the arithmetic as it is written, and still let compilers take several lanes at once.
FLAGS = ("-std=c99", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")


def compiler(target: str = "") -> list[str]:
    """The command of a C compiler: for this machine, or for a target as zig names it, like "wasm32-wasi".

    For this machine that of the variable CC, one of the system, or zig as a package of Python. For a target that of the
    variable CC, if it can build for it, zig, or clang, if that can.

    Raises:
        BackendError: there is none.
    """
    given, zig = os.environ.get("CC"), _zig()
    named = shlex.split(given or "")
    if not target:
        tries = [named] if given else [["cc"], ["clang"], ["gcc"], zig]
        found = next((command for command in tries if command and shutil.which(command[0])), None)
    elif zig and not _can(named, target):
        found = [*zig, "-target", target]
    else:
        found = next(([*c, f"--target={target}"] for c in (named, ["clang"]) if _can(c, target)), None)
    if found:
        return found
    if target:
        wanted = f"export: there is no C compiler for {target}"
    else:
        wanted = f"compile: CC={given!r} is no program" if given else "compile: there is no C compiler (cc, clang, gcc)"
    raise BackendError(f"{wanted}; install one, or run: {sys.executable} -m pip install ziglang")


def found() -> list[tuple[str, str]]:
    """For what there is a compiler: its command and version, or how to get one."""
    out = []
    for what, target in (("C", ""), ("WebAssembly", "wasm32-wasi")):
        try:
            command = compiler(target)
            out.append((what, f"{shlex.join(command)}, {_version(tuple(command)).splitlines()[0]}"))
        except BackendError as e:
            out.append((what, str(e).partition(": ")[2]))
    return out


def _zig() -> list[str]:
    """The command of zig's compiler, if it is there: as a package of Python, or in the system."""
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    return ["zig", "cc"] if shutil.which("zig") else []


def _can(command: list[str], target: str) -> bool:
    """Whether a compiler of the system has all that a target needs: its headers, its mathematics and its linker."""
    return bool(command and shutil.which(command[0])) and _builds((*command, f"--target={target}"))


@ft.lru_cache
def _builds(command: tuple[str, ...]) -> bool:
    text = "#include <math.h>\nfloat f(float x);\nfloat f(float x) { return tanhf(x); }\n"
    try:
        binary("probe", text, list(command), ["-mexec-model=reactor"] if "wasm" in command[-1] else ["-shared", "-fPIC", "-lm"])
    except BackendError:
        return False
    return True


def cache() -> Path:
    """The folder where built libraries are kept: DGENLAZY_CACHE, or dgenlazy in the user's cache folder."""
    given = os.environ.get("DGENLAZY_CACHE")
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    home = Path(base) if base else Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(given) if given else home / "dgenlazy"


def built(text: str) -> Path:
    """A shared library of a C file. One that was built before, from the same text and by the same compiler, is taken again."""
    plain = compiler()
    command = [*plain, *FLAGS, "-shared", "-fPIC"]
    key = hashlib.sha256("\0".join([text, *command, _version(tuple(plain)), platform.machine()]).encode()).hexdigest()[:32]
    folder = cache()
    target = folder / f"{key}{'.dll' if os.name == 'nt' else '.so'}"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = binary("compile", text, command, [] if os.name == "nt" else ["-lm"], folder)
    except OSError as e:
        raise BackendError(f"compile: {folder} cannot be written ({e.strerror}); set DGENLAZY_CACHE to a folder") from None
    files.replace("compile", str(target), made)
    return target


def binary(
    what: str, given: str | bytes, command: list[str], arguments: Sequence[str] = (), folder: Path | None = None
) -> bytes:
    """What a compiler makes of a C file, or of an object, by way of a folder of its own in `folder`, which is gone afterwards.

    Raises:
        BackendError: the compiler refuses, and what it says.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="dgenlazy-") as private:
        source, made = Path(private) / f"graph.{'c' if isinstance(given, str) else 'o'}", Path(private) / "graph.out"
        source.write_bytes(given.encode() if isinstance(given, str) else given)
        try:
            done = subprocess.run([*command, str(source), *arguments, "-o", str(made)], capture_output=True, text=True)
        except OSError as e:
            raise BackendError(f"{what}: {shlex.join(command[:1])} cannot be run ({e.strerror})") from None
        if done.returncode:
            said = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()
            fact = next((x for x in said if "error" in x), said[0])
            raise BackendError(f"{what}: {shlex.join(command[:1])} failed: {fact}")
        return made.read_bytes()


@ft.lru_cache
def _version(command: tuple[str, ...]) -> str:
    """What a compiler says about itself."""
    return subprocess.run([*command, "--version"], capture_output=True, text=True).stdout or "of no version"
