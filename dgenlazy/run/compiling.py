"""When a program is compiled, which is when it is called first: into the folder asked for, and told of where it takes long."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax

from ..config import cache_dir
from .disk import kept_in
from .program import Program

SLOW = 5.0  # seconds, after which somebody wonders whether it will ever end


class Compiled:
    """A function as `jax.jit` makes it, that knows when it is compiled; `what` is said where that lasts."""

    def __init__(self, fn: Callable[..., Any], what: str, **placing: Any) -> None:
        self._fn, self._what = jax.jit(fn, **placing), what
        self._known: set[tuple[bool, ...]] = set()
        self.lower = self._fn.lower

    def __call__(self, *args: Any) -> Any:
        given = tuple([x is None for x in args])  # a run that begins afresh is another program than one that goes on
        if given in self._known:
            return self._fn(*args)
        folder = cache_dir()
        with _told(f"{self._what}{'' if folder else '; DGen.cache_dir keeps it for other processes'}"), kept_in(folder):
            out = self._fn(*args)
        self._known.add(given)
        return out


def title(program: Program, frames: int, of: str = "") -> str:
    """What a program is, for those who wait for it."""
    first = len(program.leaves)
    ops = [program.lines[i - first].op.__name__ for i in program.outputs if i >= first]
    names = ", ".join(dict.fromkeys(ops[:3])) + ", ..." * (len(ops) > 3)
    return f"{of}{names or 'a leaf'} (a graph of {len(program.lines)} ops, {frames} frames)"


_thread = threading.local()  # `waits`: a list of one, whether the program that it compiles is ready


def _listen(event: str, duration_secs: float, **kwargs: Any) -> None:
    if (waits := getattr(_thread, "waits", None)) and event in (_BEGINS, _ENDS):
        waits[0] = event == _ENDS


_BEGINS, _ENDS = "/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration"
jax.monitoring.register_event_duration_secs_listener(_listen)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Say on stderr what is compiled, if it is not ready after so many seconds."""
    outer, ready = getattr(_thread, "waits", None), [False]

    def tell() -> None:
        if not ready[0]:
            print(f"dgenlazy: compiling for {SLOW:g} s so far: {what}", file=sys.stderr, flush=True)

    timer = threading.Timer(SLOW, tell)
    timer.daemon, _thread.waits = True, ready
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _thread.waits = outer
