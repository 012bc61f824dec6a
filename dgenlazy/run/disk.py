"""Compiled programs on disk, for other processes: JAX's persistent cache, switched on while a program of ours is compiled."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

_WHILE: Mapping[str, Any] = {
    "jax_enable_compilation_cache": True,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
_users: list[str | Path] = []  # the folder that JAX has now, once for each thread that compiles into it
_before: dict[str, Any] = {}  # what JAX had
_searched: set[str | Path] = set()  # for what is broken, by this process
_changed = threading.Condition()
_mine = threading.local()


@contextlib.contextmanager
def kept_in(folder: str | Path | None) -> Iterator[None]:
    """What is compiled in this block is looked for in a folder, and kept there. JAX has one for all threads."""
    if folder is None or getattr(_mine, "inside", False):
        yield
        return
    with _changed:
        _changed.wait_for(lambda: not _users or _users[0] == folder)
        if not _users:
            _before.update({name: getattr(jax.config, name) for name in ("jax_compilation_cache_dir", *_WHILE)})
            if folder not in _searched:
                _searched.add(folder)
                _remove_broken(Path(folder))
            _set({"jax_compilation_cache_dir": folder, **_WHILE})
        _users.append(folder)
    _mine.inside = True
    try:
        yield
    finally:
        _mine.inside = False
        with _changed:
            _users.pop()
            if not _users:
                _set(_before)
                _changed.notify_all()


def _set(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # it has the folder that it was used with first


def _remove_broken(folder: Path) -> None:
    """Remove what a process wrote in part before it ended: JAX would neither use nor replace it.

    Only what came since this was done last is read; the time of a file says when that was.
    """
    now, mark = time.time(), folder / "checked"
    with contextlib.suppress(OSError):
        last = mark.stat().st_mtime if mark.exists() else 0.0
        for entry in folder.glob("*-cache"):
            if entry.stat().st_mtime >= last and not _whole(entry.read_bytes()):
                entry.unlink(missing_ok=True)
        mark.touch()
        os.utime(mark, (now, now))


def _whole(entry: bytes) -> bool:
    if entry.startswith(b"\x28\xb5\x2f\xfd"):  # written with zstandard, which not every reader has
        return True
    try:
        return bool(zlib.decompress(entry))
    except zlib.error:
        return False
