"""Recordings as arrays: how they are checked, and cut into windows. In float64, for what measures them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..config import real_number, whole_number
from ..errors import ArgumentError, ShapeError, no_array
from ..graph import Value

Floats = npt.NDArray[np.float64]

_AT_ONCE = 2**21  # numbers in windows


def rate_of(name: str, sample_rate: Any) -> float:
    rate = real_number(f"{name}: sample_rate", sample_rate)
    if not rate > 0:
        raise ArgumentError(f"{name}: sample_rate={rate!r} is not above 0")
    return rate


def window_sizes(name: str, n_fft: Any, hop: Any, role: str = "n_fft") -> tuple[int, int]:
    """Size of the windows, and from one to the next: by default a quarter of it."""
    size = whole_number(f"{name}: {role}", n_fft, least=2)
    return size, max(size // 4, 1) if hop is None else whole_number(f"{name}: hop", hop, least=1)


def not_lazy(name: str, x: Any) -> None:
    if isinstance(x, Value):
        raise ArgumentError(f"{name}: takes the samples of a recording, not a {type(x).__name__}; realize() it")


def recording(name: str, x: Any, most: int | None = None) -> Floats:
    """A recording as `(frames, channels)`, of at most so many channels."""
    not_lazy(name, x)
    try:
        samples = np.asarray(x)
        if samples.dtype.kind not in "biuf" and samples.dtype.name != "bfloat16":
            raise TypeError(f"it holds {samples.dtype}")
    except (TypeError, ValueError) as e:
        raise no_array(name, x, e) from None
    x = samples.astype(np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or (most is not None and x.shape[1] > most):
        few = "" if most is None else f" of at most {most}"
        raise ShapeError(f"{name}: takes (frames,) or (frames, channels){few}, got shape {x.shape}")
    if not np.isfinite(x).all():
        frame, channel = np.argwhere(~np.isfinite(x))[0]
        raise ArgumentError(f"{name}: the sample at frame {frame} is {x[frame, channel]}, and would be heard to the end")
    return x


def over_windows(name: str, x: Any, of: Callable[[Floats], Floats], size: int, hop: int) -> Floats:
    """What `of` makes of windows of a recording, centred at 0, hop, ..., zeros outside of it.

    There are `1 + frames // hop` if the size is even, as in librosa; of no frames, none. `of` sees some of them at a time, as
    `(count, channels, size)`; the axis of channels is that of the recording, if it has one.
    """
    mono = np.ndim(x) == 1
    x = recording(name, x)
    frames, channels = x.shape
    count = max(1 + (frames - size % 2) // hop, 0) if frames else 0
    x = np.pad(x, ((size // 2, size), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=0)[::hop][:count]
    step = max(_AT_ONCE // max(size * channels, 1), 1)
    y = np.concatenate([of(windows[i : i + step]) for i in range(0, max(count, 1), step)])
    return y[:, 0] if mono else y
