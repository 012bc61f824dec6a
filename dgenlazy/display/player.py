"""How samples sound: a player for a notebook."""

from __future__ import annotations

import functools as ft
import math
from typing import Any

import numpy as np

from ..config import real_array
from ..dsp import recordings
from ..errors import ArgumentError, ShapeError, spelled
from ..extras import imported


@spelled
def player(samples: Any, sample_rate: float) -> Any:
    """A player of samples for a notebook.

    Args:
        samples: In [-1, 1]; louder ones are turned down to it, and the player says by how much. `(frames,)`, or
            `(frames, 2)` for stereo.
        sample_rate: In Hz; browsers play 3000 to 384000.

    Returns:
        An `IPython.display.Audio`, which holds the sound itself: 2 bytes a sample, a third more as text. Its `turned_down_db`
            is 0, or else written below it.

    Raises:
        ShapeError: more than two channels. ArgumentError: samples that are not finite, or a rate that is not above 0.
        BackendError: IPython is not installed.

    >>> from dgenlazy import display
    >>> display.player(Signal.noise().realize(1000), 8000)
    <Player>
    """
    samples, rate = real_array("player", samples), recordings.rate_of("player", sample_rate)
    if samples.ndim == 0 or samples.shape[1:] not in ((), (1,), (2,)):
        raise ShapeError(f"player: takes (frames,), or (frames, 2) for stereo, got {samples.shape}; sum() the lanes first")
    if not np.isfinite(samples).all():
        raise ArgumentError("player: some samples are infinite or not numbers")
    loudest = float(np.abs(samples).max(initial=1.0))
    imported("IPython.display", "player", "notebook")
    return _audio()(samples.T / loudest, round(rate), 20 * math.log10(loudest))


@ft.cache
def _audio() -> Any:
    """The class, made where IPython is known to be there."""
    from IPython.display import Audio

    class Player(Audio):
        """A player, and by how much it was turned down."""

        def __init__(self, samples: Any, rate: int, turned_down_db: float):
            super().__init__(samples, rate=rate, normalize=False)
            self.turned_down_db = turned_down_db

        def __repr__(self) -> str:
            return f"<Player, turned down by {self.turned_down_db:.1f} dB>" if self.turned_down_db else "<Player>"

        def _repr_html_(self) -> str:
            said = f"turned down by {self.turned_down_db:.1f} dB, as its peak is above 1"
            return super()._repr_html_() + (f"<div><small>{said}</small></div>" if self.turned_down_db else "")

    return Player
