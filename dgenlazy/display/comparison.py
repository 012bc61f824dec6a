"""How a result differs from its target: pictures on common scales, and players to switch between."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..config import real_array
from ..dsp import recordings
from ..errors import ArgumentError, ShapeError, spelled
from ..extras import imported
from ..graph import Value
from ..run import runtime
from . import spectra
from .figures import colours, subplots
from .player import player
from .plots import mesh

_ROWS = ("target", "result", "residual")
# Playing one stops the others and goes on where they were, so that two takes are compared in the middle of a note.
_SWITCH = (
    "for(const o of this.closest('.dgenlazy-ab').querySelectorAll('audio'))"
    "if(o!==this&&!o.paused){o.pause();this.currentTime=o.currentTime}"
)


class Comparison:
    """What `compare` gives: in a notebook pictures and players, in text three numbers.

    Attributes:
        figure: Of matplotlib.
        players: By name: "target"; "result", as loud as the target in RMS; "residual", as loud as it is beside the target.
        level_db: Level of the result above the target's, in RMS.
        residual_db: Level of what is left of the target without the result, relative to the target: its ESR in dB.
        matched_db: By how much the player of the result was turned up to match; 0 where one of the two is silent.
        turned_down_db: By how much all players are turned down, so that no peak is above 1.
    """

    def __init__(self, target: np.ndarray, result: np.ndarray, sample_rate: float, figure: Any):
        self.figure = figure
        residual = target - result
        levels = [_level(x) for x in (target, result, residual)]
        with np.errstate(divide="ignore", invalid="ignore"):
            level, residual_level = (float(20 * np.log10(np.divide(x, levels[0]))) for x in levels[1:])
        self.level_db: float = level
        self.residual_db: float = residual_level
        both = levels[0] > 0 and levels[1] > 0
        self.matched_db: float = -self.level_db if both else 0.0
        heard = {"target": target, "result": result * 10 ** (self.matched_db / 20), "residual": residual}
        peak = max(1.0, *(np.abs(x).max() for x in heard.values()))
        self.turned_down_db: float = 20 * float(np.log10(peak))
        self.players: dict[str, Any] = {name: player(x / peak, sample_rate) for name, x in heard.items()}

    def __str__(self) -> str:
        if not np.isfinite(self.residual_db) and not self.residual_db < 0:
            return "the target is silent"
        return f"result {round(self.level_db, 1) + 0.0:+.1f} dB, residual {self.residual_db:+.1f} dB, relative to the target"

    def __repr__(self) -> str:
        return f"<Comparison: {self}>"

    def _repr_html_(self) -> str:
        png = io.BytesIO()
        self.figure.savefig(png, format="png", dpi=self.figure.dpi)
        matched = f"turned {'up' if self.matched_db > 0 else 'down'} by {abs(self.matched_db):.1f} dB to match"
        notes = {"result": matched if abs(self.matched_db) >= 0.05 else ""}
        rows = "".join(_row(name, one, notes.get(name, "")) for name, one in self.players.items())
        down = f"; all turned down by {self.turned_down_db:.1f} dB, as a peak is above 1" if self.turned_down_db else ""
        return (
            f'<div class="dgenlazy-ab"><img alt="{html.escape(str(self))}" style="max-width: 100%" '
            f'src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'
            f"<p>{html.escape(str(self))}{down}. Playing one stops the others and goes on from there.</p>"
            f'<div style="display: grid; grid-template-columns: max-content max-content 1fr; gap: 4px; align-items: center">'
            f"{rows}</div></div>"
        )


def _row(name: str, one: Any, note: str) -> str:
    audio = f'<audio controls preload="auto" aria-label="{name}" onplay="{_SWITCH}" src="{one.src_attr()}"></audio>'
    return f"<span>{name}</span>{audio}<small>{note}</small>"


def _level(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


@spelled
def compare(
    target: Any,
    result: Any,
    sample_rate: float | None = None,
    frames: int | None = None,
    *,
    inputs: Mapping[int, Any] | None = None,
) -> Comparison:
    """Show a result beside its target: waveforms on one scale, spectrograms on one scale of colours, and what is left.

    Beneath are players of the target, of the result as loud as the target (in RMS; it says what that took), and of the
    residual, target - result, at its own level. Louder takes sound better: what is compared by ear must be as loud.

    Args:
        target, result: Values, which are run once and together, or arrays of samples: `(frames,)` or `(frames, 2)`; the longer
            one of arrays is cut to the other.
        sample_rate: In Hz; by default `DGen.sample_rate`.
        frames, inputs: Of the run, as for `realize`.

    Returns:
        A `Comparison`: shown in a notebook, and with `figure`, `players`, `level_db` and `residual_db` to use.

    Raises:
        ShapeError: other shapes, or no frames. ArgumentError: a batch, samples that are not finite, a rate that is not above 0,
            or frames or inputs beside arrays. BackendError: matplotlib or IPython is not installed.

    >>> from dgenlazy import display
    >>> tone = (Signal.phasor(440.0) * 6.2831853).sin()
    >>> display.compare(tone, tone * 0.5, frames=4410)
    <Comparison: result -6.0 dB, residual -6.0 dB, relative to the target>
    """
    rate = runtime.sample_rate() if sample_rate is None else recordings.rate_of("compare", sample_rate)
    a, b = _samples(target, result, frames, inputs)
    both = np.concatenate([a, b, a - b], 1)
    if not np.isfinite(both).all():
        raise ArgumentError("compare: some samples are infinite or not numbers")
    return Comparison(a, b, rate, _figure((a, b, a - b), rate))


def _samples(target: Any, result: Any, frames: Any, inputs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as `(frames, lanes)`."""
    values = [x for x in (target, result) if isinstance(x, Value)]
    if not values and (frames is not None or inputs is not None):
        raise ArgumentError("compare: frames and inputs are of values; arrays have all samples")
    ran = iter(runtime.realize([x.node for x in values], frames, inputs, None) if values else ())
    out = []
    for name, x in (("target", target), ("result", result)):
        if not isinstance(x, Value):
            real_array(f"compare: the {name}", x)
        samples = np.asarray(next(ran) if isinstance(x, Value) else x, np.float64)
        if isinstance(x, Value) and samples.ndim > len(x.node.spec.shape) + x.node.spec.signal:
            raise ArgumentError(f"compare: the {name} is a batch of {len(samples)}; take one example of what realize() gives")
        if samples.ndim == 0 or samples.shape[1:] not in ((), (1,), (2,)) or not len(samples):
            raise ShapeError(f"compare: the {name} has shape {samples.shape}; takes (frames,) or (frames, 2)")
        out.append(samples.reshape(len(samples), -1))
    if out[0].shape[1] != out[1].shape[1]:
        raise ShapeError(f"compare: the target has {out[0].shape[1]} lanes, the result {out[1].shape[1]}")
    length = min(map(len, out))
    return out[0][:length], out[1][:length]


def _figure(rows: tuple[np.ndarray, ...], sample_rate: float) -> Any:
    figure, axes = subplots("compare", 3, 2, (9.0, 5.4), sharex=True)
    seconds = np.arange(len(rows[0])) / sample_rate
    peak = max(float(np.abs(x).max()) for x in rows) or 1.0
    levels = []
    for lanes in rows:  # of two lanes the mean of their powers
        parts = [spectra.short_time(lane, sample_rate) for lane in lanes.T]
        levels.append(parts[0]._replace(power=np.mean([part.power for part in parts], 0)))
    loudest = float(levels[0].power.max()) or float(levels[1].power.max())
    drawn = None
    for (left, right), name, lanes, level in zip(axes, _ROWS, rows, levels):
        for i, lane in enumerate(lanes.T):
            left.plot(seconds, lane, color=colours(left)[i], linewidth=0.7, alpha=0.8 if i else 1.0)
        left.set(ylabel=name, ylim=(-1.05 * peak, 1.05 * peak), xlim=(0, max(seconds[-1], 1 / sample_rate)))
        drawn = mesh(right, level, loudest)
        right.set(xlabel="", ylabel="frequency (Hz)")
    for ax in axes[2]:
        ax.set_xlabel("time (s)")
    axes[0, 0].set_title("amplitude", fontsize="medium")
    figure.colorbar(drawn, ax=axes[:, 1], label="level (dB below the target's loudest)")
    imported("matplotlib.pyplot", "compare", "notebook").close(figure)  # which would show it once more
    return figure
