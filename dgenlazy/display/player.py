"""How samples sound: a player for a notebook."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .extras import imported


def player(samples: Any, sample_rate: float) -> Any:
    """A player of samples for a notebook.

    Args:
        samples: In [-1, 1]; louder ones are scaled down to it. `(frames,)`, or `(frames, 2)` for stereo.
        sample_rate: In Hz; browsers play 3000 to 384000.

    Returns:
        An `IPython.display.Audio`, which holds the sound itself: 2 bytes a sample, a third more as text.

    Raises:
        ShapeError: more than two channels. ArgumentError: samples that are not finite. BackendError: IPython is not installed.

    >>> from dgenlazy import display
    >>> display.player(Signal.noise().realize(1000), 8000)
    <IPython.lib.display.Audio object>
    """
    samples = np.asarray(samples, np.float32)
    if samples.ndim == 0 or samples.shape[1:] not in ((), (1,), (2,)):
        raise ShapeError(f"player: takes (frames,), or (frames, 2) for stereo, got {samples.shape}; sum() the lanes first")
    if not np.isfinite(samples).all():
        raise ArgumentError("player: some samples are infinite or not numbers")
    loudest = float(np.abs(samples).max(initial=1.0))
    audio = imported("IPython.display", "player").Audio
    return audio(samples.T / loudest, rate=round(sample_rate), normalize=False)
