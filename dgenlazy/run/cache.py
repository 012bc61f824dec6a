"""What is compiled, remembered while there is room for it: one memory for all, the least used forgotten first.

XLA maps each compiled program into memory piece by piece, a biquad's gradient in about 70 pieces, and Linux ends a process that
has 65,530 of them. So the pieces are counted, and the oldest programs go while there are more than half of what is allowed.
"""

from __future__ import annotations

import contextlib
import functools as ft
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

MOST = 512  # programs, where pieces cannot be counted or are few: each takes some megabytes
IN_USE = 16  # of each kind, that stay whatever else there is, and are found at once
_EVERY = 8  # programs that are made between two counts, which take milliseconds

_held: OrderedDict[tuple[Callable[..., Any], tuple[Hashable, ...]], Any] = OrderedDict()
_lock = threading.RLock()


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
                _held[key] = make(*args)
                _make_room()
            return _held[key]

    return get


def _make_room() -> None:
    while len(_held) > MOST:
        _held.popitem(last=False)
    if len(_held) % _EVERY == 0:
        while len(_held) > 1 and pieces() > allowed() // 2:
            for _ in range(len(_held) // 2):
                _held.popitem(last=False)


def pieces() -> int:
    """How many mappings this process has; 0 where nobody counts them."""
    with contextlib.suppress(OSError), open("/proc/self/maps", "rb") as file:
        return sum(1 for _ in file)
    return 0


@ft.cache
def allowed() -> int:
    """How many it may have."""
    with contextlib.suppress(OSError, ValueError), open("/proc/sys/vm/max_map_count", "rb") as file:
        return int(file.read())
    return 65530
