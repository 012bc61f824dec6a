"""When a program is compiled, which is when it is called first: into the folder asked for, and told of where it takes long."""

from __future__ import annotations

import contextlib
import functools as ft
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax

from ..config import cache_dir
from .cache import Size, new_size
from .disk import kept_in
from .program import Program

SLOW = 5.0  # seconds, after which somebody wonders whether it will ever end


class Compiled:
    """A function as `jax.jit` makes it, that knows when it is compiled; `what` is said where that lasts."""

    def __init__(self, fn: Callable[..., Any], what: str, **placing: Any) -> None:
        self._plain, self._placing, self._what, self._size = fn, placing, what, new_size()
        self._fn = jax.jit(fn, **placing)
        self._known: set[bool] = set()

    def lower(self, *args: Any) -> Any:
        return self._fn.lower(*args)

    def __call__(self, *args: Any) -> Any:
        afresh = args[-1] is None  # another program than one that goes on
        if afresh in self._known:
            return self._fn(*args)
        folder = cache_dir()
        hint = "" if folder else "; DGen.cache_dir keeps it for other processes"
        try:
            with _watched(f"{self._what}{hint}", self._size), kept_in(folder):
                out = self._fn(*args)
        except BaseException:  # a function whose compilation was interrupted, JAX compiles anew in each call from then on
            self._fn = jax.jit(_another(self._plain), **self._placing)
            raise
        self._known.add(afresh)
        return out


def _another(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The same, that JAX knows nothing of."""

    @ft.wraps(fn)
    def again(*args: Any) -> Any:
        return fn(*args)

    return again


def title(program: Program, frames: int, of: str = "") -> str:
    """What a program is, for those who wait for it."""
    first = len(program.leaves)
    ops = [program.lines[i - first].op.__name__ for i in program.outputs if i >= first]
    names = ", ".join(dict.fromkeys(ops[:3])) + ", ..." * (len(ops) > 3)
    return f"{of}{names or 'a leaf'} (a graph of {len(program.lines)} ops, {frames} frames)"


class _Watch:
    """One program that is compiled now, by a thread that JAX tells of its steps."""

    def __init__(self, size: Size) -> None:
        self.ready, self._size = False, size
        size.begin()

    def hear(self, event: str) -> None:
        self.ready = event == _ENDS
        if self.ready:
            self._size.end()


_thread = threading.local()  # `watch`: of what it compiles now
_BEGINS, _ENDS = "/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration"


def _listen(event: str, duration_secs: float, **kwargs: Any) -> None:
    if event in (_BEGINS, _ENDS) and (watch := getattr(_thread, "watch", None)):
        watch.hear(event)


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextlib.contextmanager
def _watched(what: str, size: Size) -> Iterator[None]:
    """Say on stderr what is compiled, if it is not ready after so many seconds."""
    outer, watch = getattr(_thread, "watch", None), _Watch(size)

    def tell() -> None:
        if not watch.ready:
            print(f"dgenlazy: compiling for {SLOW:g} s so far: {what}", file=sys.stderr, flush=True)

    timer = threading.Timer(SLOW, tell)
    timer.daemon, _thread.watch = True, watch
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _thread.watch = outer
