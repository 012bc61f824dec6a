"""How far a long run is, on stderr."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError

_SECONDS = 2.0  # between two lines, where nothing draws a bar


def functions(name: str, callbacks: Any) -> None:
    """Raise an ArgumentError unless callbacks are a list of functions."""
    if not isinstance(callbacks, Sequence):
        raise ArgumentError(f"{name}: callbacks={callbacks!r} is not a list of functions")
    for callback in callbacks:
        if not callable(callback):
            raise ArgumentError(f"{name}: callbacks: {callback!r} is not a function")


class Progress:
    """A bar where tqdm is installed, else a line now and then. With `shown` False, nothing."""

    def __init__(self, name: str, steps: int, first: int, shown: bool):
        self._name, self._steps, self._step, self._shown = name, steps, first, shown
        self._told, self._bar = time.monotonic(), None
        if shown and importlib.util.find_spec("tqdm"):
            from tqdm import tqdm

            self._bar: Any = tqdm(total=steps, initial=first, desc=name, unit="step", leave=True)

    def moved(self, step: int, **facts: float) -> None:
        """Tell that so many steps are made."""
        told = ", ".join(f"{key} {value:.4g}" for key, value in facts.items())
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(step - self._step)
        elif self._shown and (step == self._steps or time.monotonic() - self._told > _SECONDS):
            self._told = time.monotonic()
            print(f"{self._name}: step {step} of {self._steps}, {told}", file=sys.stderr)
        self._step = step

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
