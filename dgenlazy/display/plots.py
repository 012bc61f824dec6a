"""How samples look: waveforms, spectra, and spectrograms on scales of Hz, mel and notes."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from ..config import real_array
from ..dsp import hz_to_mel, mel_to_hz, recordings
from ..errors import ArgumentError, ShapeError, spelled
from ..ops import hann
from . import spectra
from .figures import one

Kind = Literal["waveform", "spectrum", "spectrogram", "mel", "cqt"]
PLOTS = get_args(Kind)
_OVER_TIME = ("spectrogram", "mel", "cqt")  # and so of one lane


@spelled
def plot(samples: Any, sample_rate: float, kind: Kind = "waveform", ax: Any = None, **style: Any) -> Any:
    """Draw samples: a waveform over time, a spectrum over frequency, or a spectrogram over both, also in mel or in notes.

    Args:
        samples: `(frames,)`, or `(frames, *shape)` for one line per lane. What is drawn over time and frequency takes one lane.
        sample_rate: In Hz.
        kind: "waveform"; "spectrum", in dB below the loudest bin, of the whole run under a Hann window; "spectrogram", in dB
            below the loudest bin, of windows of 1024 frames or of an eighth of a shorter run; "mel", the same of 2048 frames
            through 128 triangles of equal width and area in mel, fewer of a short run; "cqt", by notes: three windows to a
            semitone, from C1 to below half the sample rate, each 16.8 cycles long or as long as the run.
        ax: Matplotlib axes to draw into; new ones by default.
        style: What matplotlib's `plot` (over time and frequency `pcolormesh`) takes: `label`, `color`, `cmap`, ...

    Returns:
        The axes.

    Raises:
        ArgumentError: an unknown kind, what is no array of numbers, or a sample rate that is not above 0, or for "cqt" below
            every note. ShapeError: no frames, or several lanes where one is drawn.
        BackendError: matplotlib is not installed.

    >>> from dgenlazy import display
    >>> display.plot(Signal.phasor(440.0).realize(512), DGen.sample_rate).get_xlabel()
    'time (ms)'

    Source: of "cqt": J. C. Brown, Calculation of a Constant Q Spectral Transform, 1991.
    """
    if kind not in PLOTS:
        raise ArgumentError(f"plot: kind={kind!r} is not one of {', '.join(PLOTS)}")
    real_array("plot", samples)
    samples, sample_rate = np.asarray(samples, np.float64), recordings.rate_of("plot", sample_rate)
    if not samples.ndim or not len(samples):
        raise ShapeError(f"plot: shape {samples.shape} has no frames to draw; it is (frames,) or (frames, *shape)")
    lanes = samples.reshape(len(samples), -1)
    if kind in _OVER_TIME and lanes.shape[1] != 1:
        raise ShapeError(f"plot: a {kind} takes one lane, this has shape {samples.shape[1:]}; pick one, or take the sum()")
    ax = one("plot", ax)
    if 1 < lanes.shape[1] <= 8 and "label" not in style:
        style["label"] = [str(i) for i in np.ndindex(samples.shape[1:])] if samples.ndim > 2 else list(range(lanes.shape[1]))
    draw = {"waveform": _waveform, "spectrum": _spectrum, "spectrogram": _spectrogram, "mel": _mel, "cqt": _cqt}
    draw[kind](ax, lanes, sample_rate, style)
    if "label" in style:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def _waveform(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    seconds = np.arange(len(lanes)) / sample_rate
    scale, unit = (1.0, "s") if seconds[-1] >= 0.2 else (1000.0, "ms")
    ax.plot(seconds * scale, lanes, **{"linewidth": 1.0, **style})
    ax.set(xlabel=f"time ({unit})", ylabel="amplitude")
    ax.margins(x=0)


def _spectrum(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    frequency = np.fft.rfftfreq(len(lanes), 1 / sample_rate)
    level = spectra.decibels(np.abs(np.fft.rfft(lanes * hann(len(lanes))[:, None], axis=0)) ** 2)
    ax.plot(frequency, level, **{"linewidth": 1.0, **style})
    ax.set(xlabel="frequency (Hz)", ylabel="level (dB)", ylim=(spectra.FLOOR_DB, 3))
    ax.margins(x=0)


def mesh(ax: Any, levels: spectra.Levels, loudest: float | None = None, **style: Any) -> Any:
    """Draw levels over time in dB below the loudest."""
    shown = {"cmap": "magma", "rasterized": True, "vmin": spectra.FLOOR_DB, "vmax": 0.0, **style}
    out = ax.pcolormesh(levels.time, levels.frequency, spectra.decibels(levels.power, loudest), **shown)
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)")
    return out


def _spectrogram(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    _bar(ax, mesh(ax, spectra.short_time(lanes[:, 0], sample_rate), **style))


def _mel(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    levels = spectra.mel(lanes[:, 0], sample_rate)
    _bar(ax, mesh(ax, levels, **style))
    if len(levels.frequency) > 1:
        ax.set_yscale("function", functions=(hz_to_mel, mel_to_hz))
    ticks = [f for f in (100, 500, 1000, 2000, 4000, 8000, 16000, 32000) if f <= levels.frequency[-1]]
    ax.set_yticks(ticks, labels=[str(f) for f in ticks], minor=False)
    ax.set(ylabel="mel scale (Hz)", ylim=None)


def _cqt(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    levels = spectra.constant_q(lanes[:, 0], sample_rate)
    _bar(ax, mesh(ax, levels, **style))
    ax.set_yscale("log")
    lowest = levels.frequency[1]
    octaves = [(lowest * 2**i, i + 1) for i in range(16) if lowest * 2**i <= levels.frequency[-1]]
    octaves = octaves[:: 1 + len(octaves) // 7]
    ax.set_yticks([f for f, _ in octaves], labels=[f"C{i}, {f:.0f} Hz" for f, i in octaves])
    ax.set_yticks([], minor=True)
    ax.set(ylabel="note, frequency")


def _bar(ax: Any, drawn: Any) -> None:
    ax.figure.colorbar(drawn, ax=ax, label="level (dB)")


@spelled
def training(fit: Any, ax: Any = None) -> Any:
    """Draw how a loss fell: the loss at each step, on a logarithmic scale where it is positive, and where it was least.

    Args:
        fit: What `dgenlazy.fit` returned, or what has its `history`: an array of losses, `(steps,)`.
        ax: Matplotlib axes to draw into; new ones by default.

    Returns:
        The axes.

    Raises:
        ShapeError: there is no step. BackendError: matplotlib is not installed.

    >>> from dgenlazy import display
    >>> display.training(np.array([4.0, 2.0, 1.0])).get_ylabel()
    'loss'
    """
    history = np.asarray(getattr(fit, "history", fit), np.float32)
    if history.ndim != 1 or not len(history):
        raise ShapeError(f"training: shape {history.shape} is not (steps,), with at least one step")
    ax = one("training", ax)
    ax.plot(history, linewidth=1.2)
    if np.isfinite(history).any():
        least = int(np.nanargmin(history))
        ax.plot(least, history[least], "o", markersize=5, label=f"{history[least]:.3g} at step {least}")
        ax.legend(loc="upper right", frameon=False)
    if (history[np.isfinite(history)] > 0).all():
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    return ax
