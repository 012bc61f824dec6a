"""Backends: which JAX device a program runs on."""

from __future__ import annotations

import functools as ft
import importlib.metadata
import os
import platform
import sys
from typing import Any

import jax
import jax.core

from ..errors import ArgumentError, BackendError

PLATFORMS: dict[str, tuple[str, ...]] = {"metal": ("mps", "METAL"), "gpu": ("gpu",), "cpu": ("cpu",)}
WITHOUT_FFT = ("METAL",)  # Apple's plugin has no complex numbers either
FIX = {
    "metal": 'pip install "dgenlazy[metal]"  (Apple silicon; jax-mps)',
    "gpu": 'pip install "jax[cuda13]"  (Linux with an NVIDIA driver; "jax[cuda12]" for an older one)',
    "cpu": "unset JAX_PLATFORMS, or add cpu to it",
    "auto": "unset JAX_PLATFORMS, or set it to a platform that JAX can start",
}

failures: list[str] = []  # of plugins to start, in JAX's words: it gives them once


def plugins() -> list[importlib.metadata.EntryPoint]:
    """What installed packages have registered with JAX."""
    return sorted(importlib.metadata.entry_points(group="jax_plugins"), key=lambda e: e.name)


_started_in: int | None = None  # the process in which JAX has been asked for a device first


def check_fork() -> None:
    """Raise a BackendError in a process that was forked after JAX had started, where what runs would wait for ever."""
    if _started_in not in (None, os.getpid()):
        raise BackendError(
            "this process was forked after JAX had started, whose threads a fork does not have, so that a run would never end: "
            "use multiprocessing.get_context('spawn'), or fork before anything is computed"
        )


def _devices(name: str | None) -> list[Any]:
    """All that JAX has of a platform; None is JAX's default."""
    global _started_in
    check_fork()
    _started_in = os.getpid()
    for _ in range(2):  # a plugin that fails to start makes JAX's first call fail, whatever that asks for
        try:
            return jax.local_devices(backend=name)
        except RuntimeError as e:  # also how JAX says that it has no such platform
            fact = str(e).splitlines()[0]
            if fact.startswith("Unable to initialize") and fact not in failures:
                failures.append(fact)
    return []


def devices() -> list[Any]:
    """All that a backend could be, the default platform's first."""
    names = [None, *(name for names in PLATFORMS.values() for name in names)]
    return list(dict.fromkeys(d for name in names for d in _devices(name)))


def find(backend: str) -> Any:
    """The device of a backend, or None."""
    names = (*PLATFORMS["metal"], *PLATFORMS["gpu"], None) if backend == "auto" else PLATFORMS[backend]
    return next((found[0] for name in names if (found := _devices(name))), None)


@ft.lru_cache
def device(backend: str) -> Any:
    """The device of a backend. "auto" says once on stderr which it took."""
    found = find(backend)
    if found is None:
        raise BackendError(_missing(backend))
    if backend == "auto":
        print(f"dgenlazy: running on {found.platform} ({found.device_kind}); DGen.backend chooses another", file=sys.stderr)
    return found


def concrete(array: Any) -> Any:
    """`array`, unless JAX is tracing: what it is then must not be kept."""
    if isinstance(array, jax.core.Tracer):
        raise traced()
    return array


def traced() -> ArgumentError:
    """The error of a call that computes, inside of what JAX traces."""
    return ArgumentError(
        "realize, backward, step and process run now; inside jax.jit, scan, from_jax or else where JAX traces, take "
        "dg.function, whose calls become part of what is traced"
    )


def _missing(backend: str) -> str:
    names, default = ", ".join(e.name for e in plugins()), _devices(None)
    other = "" if backend == "auto" else "; or set DGen.backend = 'auto'"
    return (
        f"DGen.backend={backend!r}: JAX has no such device here. This is {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, jax {jax.__version__}, plugins: {names or 'none'}, "
        f"default platform: {default[0].platform if default else 'none'}. "
        f"To fix it: {FIX[backend]}{other}{''.join(f'. JAX says: {fact}' for fact in failures)}"
    )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=device.cache_clear)  # what is asked for next finds out where it is
