"""From a C file to a library of this machine: compilers, and a folder where what was built is kept."""

from __future__ import annotations

import functools as ft
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ... import files
from ...errors import BackendError

# Those keep the arithmetic as it is written, and still let compilers take several lanes at once.
FLAGS = ("-std=c99", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")


def compiler() -> list[str]:
    """The command of a C compiler: that of the variable CC, one of the system, or zig as a package of Python.

    Raises:
        BackendError: there is none.
    """
    given = os.environ.get("CC")
    names = [shlex.split(given)] if given else [["cc"], ["clang"], ["gcc"]]
    for command in names:
        if command and shutil.which(command[0]):
            return command
    if not given and _has_zig():
        return [sys.executable, "-m", "ziglang", "cc"]
    wanted = f"CC={given!r} is no program" if given else "there is no C compiler (cc, clang, gcc)"
    raise BackendError(f"compile: {wanted}; install one, or run: {sys.executable} -m pip install ziglang")


def _has_zig() -> bool:
    import importlib.util

    return importlib.util.find_spec("ziglang") is not None


def cache() -> Path:
    """The folder where built libraries are kept: DGENLAZY_CACHE, or dgenlazy in the user's cache folder."""
    given = os.environ.get("DGENLAZY_CACHE")
    base = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    home = Path(base) if base else Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(given) if given else home / "dgenlazy"


def built(text: str) -> Path:
    """A shared library of a C file. One that was built before, from the same text and by the same compiler, is taken again."""
    command = [*compiler(), *FLAGS, "-shared", "-fPIC"]
    key = hashlib.sha256("\0".join([text, *command, _version(tuple(command)), platform.machine()]).encode()).hexdigest()[:32]
    folder = cache()
    target = folder / f"{key}{'.dll' if os.name == 'nt' else '.so'}"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        private = tempfile.TemporaryDirectory(dir=folder)
    except OSError as e:
        raise BackendError(f"compile: {folder} cannot be written ({e.strerror}); set DGENLAZY_CACHE to a folder") from None
    with private as made:
        source, made_here = Path(made) / "graph.c", Path(made) / target.name
        source.write_text(text)
        built_by(command, [str(source), "-o", str(made_here), *([] if os.name == "nt" else ["-lm"])])
        files.replace("compile", str(target), made_here.read_bytes())
    return target


def built_by(command: list[str], arguments: list[str]) -> None:
    """Run a compiler, or raise a BackendError with what it says."""
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()
        raise BackendError(f"compile: {shlex.join(command[:1])} failed: {next((x for x in said if 'error' in x), said[0])}")


@ft.lru_cache
def _version(command: tuple[str, ...]) -> str:
    done = subprocess.run([*command[: command.index(FLAGS[0])], "--version"], capture_output=True, text=True)
    return done.stdout
