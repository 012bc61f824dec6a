"""Whether a program can fit into memory at all, asked before it is compiled: XLA ends the process where it cannot."""

from __future__ import annotations

import contextlib
import functools as ft
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from ..errors import DGenError, OutOfMemoryError
from ..graph import Batch, Block, Recurrence
from . import backend
from .length import sized
from .program import Program, flat


def available(where: Any = None) -> float:
    """Bytes that a device can still give; infinite where nobody says. None is the host."""
    stats = where.memory_stats() if isinstance(where, jax.Device) and where.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return min(_host(), default=math.inf)


def _host() -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        yield int(next(x for x in lines if x.startswith("MemAvailable")).split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):  # a container's own limit
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
        yield limit - used
    with contextlib.suppress(OSError, ValueError, AttributeError):
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def needs(name: str, shape: tuple[int, ...], itemsize: int = 4, where: Any = None, times: int = 1) -> int:
    """The bytes of an array. Raises an OutOfMemoryError if it takes more than so many times the memory that there is."""
    size = math.prod(shape) * itemsize
    if size > _SMALL and size > times * (free := available(where)):
        raise OutOfMemoryError(f"{name}: shape {shape} takes {_shown(size)} of memory, and {_shown(free)} are free")
    return size


_SMALL = 2**28  # bytes that are not worth asking for


_FUSED = 8  # times the memory there is, that a value may take which XLA is likely to compute piece by piece


def fitted(fn: Callable[..., Any], program: Program, frames: int, where: Any, batch: Batch | None) -> Callable[..., Any]:
    """`fn`, a run of `program`; where that is large, with an OutOfMemoryError that says so if memory does not suffice.

    Raises one now if one value of the run, or all that it returns, is more than there is memory for.
    """
    program = sized(program, frames)
    examples, first = (batch.size,) if batch else (), len(program.leaves)
    whole = set(program.outputs)  # values that are not computed piece by piece, in one loop with what takes them
    for i, line in enumerate(program.lines, first):
        whole.update((i, *line.args) if isinstance(line.op, (Recurrence, Block)) else ())
    total = 0
    for i, line in enumerate(program.lines, first):
        for spec in flat([program.specs[i]]):
            shape = (*examples, *(-(-frames // spec.every),) * spec.varies, *spec.shape)
            total += needs(line.op.__name__, shape, spec.dtype.itemsize, where, 1 if i in whole else _FUSED)
    sizes = [math.prod((*examples, *(-(-frames // s.every),) * (s.signal or s.varies), *s.shape)) for s in program.output_specs]
    total += needs("realize: all that is returned", (sum(sizes),), 4, where)
    return ft.partial(finished, fn) if total > _SMALL else fn


def finished(fn: Callable[..., Any], *args: Any) -> Any:
    """`fn(*args)`, waited for: an array that there was no memory for ends the process when NumPy reads it."""
    try:
        out = fn(*args)
        backend.concrete(jax.tree.leaves(out[0])[0]).block_until_ready()
    except RuntimeError as e:
        if isinstance(e, DGenError) or not ("RESOURCE_EXHAUSTED" in str(e) or "ut of memory" in str(e)):
            raise
        raise OutOfMemoryError(f"realize: {str(e).splitlines()[0]}") from None
    return out


def _shown(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
