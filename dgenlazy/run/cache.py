"""What is compiled, remembered while there is room for it: one memory for all, the least used forgotten first.

A program takes memory, a biquad 4 MB and its gradient 8, most of it LLVM's and XLA's; and there is one for each number of
frames. So the memory of the process is looked at before and after each was compiled, and the oldest programs go while those
that are held took more than `MOST_BYTES`. XLA also maps each program into memory piece by piece, a biquad's gradient in about
70 pieces, and Linux ends a process that has 65,530 of them. So the pieces are counted, and the oldest programs go while there
are more than half of what is allowed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools as ft
import mmap
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

MOST = 512  # programs, where they are small
MOST_BYTES = 2**30
IN_USE = 16  # of each kind, that stay whatever else there is, and are found at once
_EVERY = 8  # programs that are made between two counts of pieces, which take milliseconds
_LEAST = 2**20  # bytes of a program at the least: one that came into what others left shows less
_UNKNOWN = 2**22  # of one where nobody says

_held: OrderedDict[tuple[Callable[..., Any], tuple[Hashable, ...]], Any] = OrderedDict()
_lock = threading.RLock()


class Size:
    """The bytes that a program took; 0 before it is compiled."""

    bytes = _before = 0

    def begin(self) -> None:
        """It is compiled from now on."""
        self._before = resident()

    def end(self) -> None:
        """It is compiled, and has not run, which takes memory that it gives back."""
        self.bytes += max(resident() - self._before, _LEAST) if self._before else _UNKNOWN
        self.begin()


_made: list[Size] = []  # of what is made now


def new_size() -> Size:
    """The size of a program that is made now."""
    _made.append(Size())
    return _made[-1]


def kept(make: Callable[..., Any]) -> Any:
    """Decorator of a function of hashable arguments that compiles something: its results are remembered."""

    @ft.lru_cache(maxsize=IN_USE)
    @ft.wraps(make)
    def get(*args: Hashable) -> Any:
        key = (make, args)
        with _lock:
            if key in _held:
                _held.move_to_end(key)
            else:
                _made.clear()
                _held[key] = make(*args), tuple(_made)
                _make_room()
            return _held[key][0]

    return get


def _make_room() -> None:
    while len(_held) > MOST:
        _held.popitem(last=False)
    if (total := held_bytes()) > MOST_BYTES:
        while len(_held) > 1 and total > MOST_BYTES * 3 // 4:
            total -= sum(size.bytes for size in _held.popitem(last=False)[1][1])
        _give_back()
    if len(_held) % _EVERY == 0:
        while len(_held) > 1 and pieces() > allowed() // 2:
            for _ in range(len(_held) // 2):
                _held.popitem(last=False)


def _give_back() -> None:
    """Let the system have what was freed; the C library of Linux keeps it, in pieces too small for what comes next."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # of other systems
        ctypes.CDLL(None).malloc_trim(0)


def held_bytes() -> int:
    """What all programs took that are remembered."""
    return sum(size.bytes for _, sizes in _held.values() for size in sizes)


def resident() -> int:
    """Bytes of memory that this process has; 0 where nobody counts them."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * mmap.PAGESIZE
    return 0


def pieces() -> int:
    """How many mappings this process has; 0 where nobody counts them."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    return 0


@ft.cache
def allowed() -> int:
    """How many it may have."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/sys/vm/max_map_count").read_bytes())
    return 65530
