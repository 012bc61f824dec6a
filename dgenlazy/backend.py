"""Backends: which JAX device a program runs on."""

from __future__ import annotations

import functools as ft
import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from typing import Any

import jax

from .errors import BackendError

PLATFORMS = {"metal": ("mps", "METAL"), "gpu": ("gpu",), "cpu": ("cpu",)}
WITHOUT_FFT = ("METAL",)  # Apple's plugin has no complex numbers either
_FIX = {
    "metal": 'pip install "dgenlazy[metal]"  (Apple silicon; jax-mps)',
    "gpu": 'pip install "jax[cuda13]"  (Linux with an NVIDIA driver; "jax[cuda12]" for an older one)',
    "cpu": "unset JAX_PLATFORMS, or add cpu to it",
    "auto": "unset JAX_PLATFORMS, or set it to a platform that JAX can start",
}


_failures: list[str] = []  # of plugins to start, in JAX's words: it gives them once


def _first_device(platforms: Sequence[str | None]) -> Any:
    """The first device that JAX has of these platforms, or None; a platform of None is JAX's default."""
    for name in platforms:
        for _ in range(2):  # a plugin that fails to start makes JAX's first call fail, whatever that asks for
            try:
                return jax.devices(name)[0]
            except RuntimeError as e:  # also how JAX says that it has no such platform
                fact = str(e).splitlines()[0]
                if fact.startswith("Unable to initialize") and fact not in _failures:
                    _failures.append(fact)
    return None


@ft.lru_cache
def device(backend: str) -> Any:
    """The device of a backend. "auto" says once on stderr which it took."""
    if backend != "auto":
        found = _first_device(PLATFORMS[backend])
        if found is None:
            raise BackendError(_missing(backend))
        return found
    found = _first_device((*PLATFORMS["metal"], *PLATFORMS["gpu"], None))
    if found is None:
        raise BackendError(_missing(backend))
    print(f"dgenlazy: running on {found.platform} ({found.device_kind}); DGen.backend chooses another", file=sys.stderr)
    return found


def _missing(backend: str) -> str:
    plugins = sorted(e.name for e in importlib.metadata.entry_points(group="jax_plugins"))
    default = _first_device((None,))
    other = "" if backend == "auto" else "; or set DGen.backend = 'auto'"
    return (
        f"DGen.backend={backend!r}: JAX has no such device here. This is {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, jax {jax.__version__}, plugins: {', '.join(plugins) or 'none'}, "
        f"default platform: {default.platform if default else 'none'}. "
        f"To fix it: {_FIX[backend]}{other}{''.join(f'. JAX says: {fact}' for fact in _failures)}"
    )
