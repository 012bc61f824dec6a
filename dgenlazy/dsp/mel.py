"""How the ear weights frequencies: mel filters and the A curve. Tables in float64, of a sample rate in Hz."""

from __future__ import annotations

import functools as ft
from typing import Any, Literal

import numpy as np

_KNEE, _STEP = 1000.0, np.log(6.4) / 27  # of Slaney's scale: linear below, logarithmic above, in steps of a mel


def hz_to_mel(freq: Any, htk: bool = False) -> Any:
    """Slaney's scale, or that of HTK."""
    freq = np.asarray(freq, float)
    if htk:
        return 2595 * np.log10(1 + freq / 700)
    return np.where(freq < _KNEE, freq * 3 / 200, 15 + np.log(np.maximum(freq, _KNEE) / _KNEE) / _STEP)


def mel_to_hz(mel: Any, htk: bool = False) -> Any:
    mel = np.asarray(mel, float)
    if htk:
        return 700 * (10 ** (mel / 2595) - 1)
    return np.where(mel < 15, mel * 200 / 3, _KNEE * np.exp(_STEP * (mel - 15)))


@ft.lru_cache(maxsize=32)
def triangles(
    sample_rate: float, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool, norm: Literal["slaney"] | None
) -> np.ndarray:
    """`(n_mels, n_fft // 2 + 1)`: triangles of equal width in mel; with `norm` all of the same area in Hz."""
    corners = mel_to_hz(np.linspace(hz_to_mel(fmin, htk), hz_to_mel(fmax, htk), n_mels + 2), htk)
    freq = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    slopes = (freq - corners[:, None]) / 1.0
    widths = np.diff(corners)[:, None]
    filters = np.maximum(0, np.minimum(slopes[:-2] / widths[:-1], -slopes[2:] / widths[1:]))
    return filters * (2 / (corners[2:] - corners[:-2]))[:, None] if norm else filters


def a_weighting(freq: Any) -> np.ndarray:
    """Gain in dB of the A curve (IEC 61672), not under -80."""
    square = np.maximum(np.asarray(freq, float), 1e-9) ** 2
    corners = (12194.217, 1.0), (20.598997, 1.0), (107.65265, 0.5), (737.86223, 0.5)
    below = sum(share * np.log10(square + corner**2) for corner, share in corners)
    return np.maximum(2.0 + 20 * (np.log10(12194.217**2) + 2 * np.log10(square) - below), -80)


@ft.lru_cache(maxsize=32)
def a_weighting_taps(sample_rate: float, taps: int = 101) -> np.ndarray:
    """The symmetric filter nearest to the A curve as auraloss has it: in the mean square, over 256 bands apart.

    The analog curve is warped by the bilinear transform, without prewarping, and straight within each band.
    """
    edges = np.arange(512) * np.pi / 512  # radians
    s = 1j * 2 * sample_rate * np.tan(edges / 2)
    f1, f2, f3, f4 = (2 * np.pi * f for f in (20.598997, 107.65265, 737.86223, 12194.217))
    wanted = np.abs(f4**2 * 10 ** (1.9997 / 20) * s**4 / ((s + f4) ** 2 * (s + f1) ** 2 * (s + f3) * (s + f2)))

    # Normal equations of least squares over the bands [w0, w1], in the basis cos(k w), k = 0 ... half.
    half = taps // 2
    (w0, w1), (d0, d1) = edges.reshape(-1, 2).T, wanted.reshape(-1, 2).T
    n = np.arange(2 * half + 1)[:, None]
    counts = np.maximum(n, 1)
    sines = np.where(n == 0, w1 - w0, (np.sin(n * w1) - np.sin(n * w0)) / counts).sum(1)
    at = np.arange(half + 1)
    matrix = (sines[np.abs(at[:, None] - at)] + sines[at[:, None] + at]) / 2
    n, counts, slope = n[: half + 1], counts[: half + 1], (d1 - d0) / (w1 - w0)
    swept = (d1 * np.sin(n * w1) - d0 * np.sin(n * w0)) / counts + slope * (np.cos(n * w1) - np.cos(n * w0)) / counts**2
    right = np.where(n == 0, (d0 + d1) / 2 * (w1 - w0), swept).sum(1)
    x = np.linalg.solve(matrix, right)
    return np.concatenate([x[:0:-1] / 2, x[:1], x[1:] / 2])
