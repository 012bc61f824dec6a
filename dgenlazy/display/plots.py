"""How samples look: waveforms, spectra, spectrograms."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from ..errors import ArgumentError, ShapeError
from .extras import imported

Kind = Literal["waveform", "spectrum", "spectrogram"]
PLOTS = get_args(Kind)
_FLOOR_DB = -90.0  # below the loudest: what spectrum and spectrogram still show


def plot(samples: Any, sample_rate: float, kind: Kind = "waveform", ax: Any = None, **style: Any) -> Any:
    """Draw samples: a waveform over time, a spectrum over frequency, or a spectrogram over both.

    Args:
        samples: `(frames,)`, or `(frames, *shape)` for one line per lane. A spectrogram takes one lane.
        sample_rate: In Hz.
        kind: "waveform"; "spectrum", in dB below the loudest bin, of the whole run under a Hann window; or
            "spectrogram", in dB below the loudest bin, of windows of 1024 frames or of an eighth of a shorter run.
        ax: Matplotlib axes to draw into; new ones by default.
        style: What matplotlib's `plot` (of a spectrogram `pcolormesh`) takes: `label`, `color`, `cmap`, ...

    Returns:
        The axes.

    Raises:
        ArgumentError: an unknown kind. ShapeError: no frames, or a spectrogram of several lanes.
        BackendError: matplotlib is not installed.

    >>> from dgenlazy import display
    >>> display.plot(Signal.phasor(440.0).realize(512), DGen.sample_rate).get_xlabel()
    'time (ms)'
    """
    if kind not in PLOTS:
        raise ArgumentError(f"plot: kind={kind!r} is not one of {', '.join(PLOTS)}")
    samples = np.asarray(samples, np.float32)
    if not samples.ndim or not len(samples):
        raise ShapeError(f"plot: shape {samples.shape} has no frames to draw; it is (frames,) or (frames, *shape)")
    lanes = samples.reshape(len(samples), -1)
    if kind == "spectrogram" and lanes.shape[1] != 1:
        raise ShapeError(f"plot: a spectrogram takes one lane, this has shape {samples.shape[1:]}; pick one, or take the sum()")
    if ax is None:
        ax = imported("matplotlib.pyplot", "plot").subplots(figsize=(7.0, 2.4), layout="constrained")[1]
    if 1 < lanes.shape[1] <= 8 and kind != "spectrogram" and "label" not in style:
        style["label"] = [str(i) for i in np.ndindex(samples.shape[1:])] if samples.ndim > 2 else list(range(lanes.shape[1]))
    draw = {"waveform": _waveform, "spectrum": _spectrum, "spectrogram": _spectrogram}[kind]
    draw(ax, lanes, sample_rate, style)
    if "label" in style:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def _waveform(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    seconds = np.arange(len(lanes)) / sample_rate
    scale, unit = (1.0, "s") if seconds[-1] >= 0.2 else (1000.0, "ms")
    ax.plot(seconds * scale, lanes, **{"linewidth": 1.0, **style})
    ax.set(xlabel=f"time ({unit})", ylabel="amplitude")
    ax.margins(x=0)


def _decibels(magnitudes: Any) -> Any:
    """Below the largest."""
    largest = magnitudes.max()
    return 20 * np.log10(np.maximum(magnitudes / (largest or 1.0), 10 ** (_FLOOR_DB / 20)))


def _hann(size: int) -> Any:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _spectrum(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    frequency = np.fft.rfftfreq(len(lanes), 1 / sample_rate)
    level = _decibels(np.abs(np.fft.rfft(lanes * _hann(len(lanes))[:, None], axis=0)))
    ax.plot(frequency, level, **{"linewidth": 1.0, **style})
    ax.set(xlabel="frequency (Hz)", ylabel="level (dB)", ylim=(_FLOOR_DB, 3))
    ax.margins(x=0)


def _spectrogram(ax: Any, lanes: Any, sample_rate: float, style: dict[str, Any]) -> None:
    size = int(np.clip(len(lanes) // 8, min(len(lanes), 64), 1024))
    hop = max(size // 8, len(lanes) // 500, 1)
    windows = np.lib.stride_tricks.sliding_window_view(lanes[:, 0], size)[::hop]
    level = _decibels(np.abs(np.fft.rfft(windows * _hann(size)))).T
    time = (np.arange(len(windows)) * hop + size / 2) / sample_rate
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    mesh = ax.pcolormesh(time, frequency, level, **{"cmap": "magma", "rasterized": True, **style})
    ax.figure.colorbar(mesh, ax=ax, label="level (dB)")
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)")


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
    if ax is None:
        ax = imported("matplotlib.pyplot", "training").subplots(figsize=(7.0, 2.4), layout="constrained")[1]
    ax.plot(history, color="C0", linewidth=1.2)
    if np.isfinite(history).any():
        least = int(np.nanargmin(history))
        ax.plot(least, history[least], "o", color="C1", markersize=5, label=f"{history[least]:.3g} at step {least}")
        ax.legend(loc="upper right", frameon=False)
    if (history[np.isfinite(history)] > 0).all():
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel="loss")
    return ax
