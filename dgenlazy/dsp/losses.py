"""Losses over short-time spectra. They see the whole run and give one number for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..config import real_number, whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import block, composite, lift
from ..ops import add, alike, framed, getitem, hann, hypot, magnitude, mul, real_dft


def _magnitudes(x: Any, size: int, hop: int, fft: bool) -> Any:
    """`(frames, lanes)` -> `(windows, lanes, bins)`: of windows centred at 0, hop, ... while there are frames."""
    windows = framed(x, size, hop, max(-(-x.shape[0] // hop), 1), -(size // 2)) * hann(size).astype(x.dtype)
    return jnp.abs(jnp.fft.rfft(windows)) if fft else hypot(*real_dft(windows))


@block
def spectral_distances(pred, target, *, window_size, hop, log_eps, fft):
    """Mean distance of magnitudes and of their logarithms, averaged over window sizes: shape (2,)."""
    pred, target = (x.reshape(x.shape[0], math.prod(x.shape[1:])) for x in jax.vmap(jnp.broadcast_arrays)(pred, target))
    out = []
    for size in window_size:
        step = hop or max(size // 4, 1)
        a, b = _magnitudes(pred, size, step, fft), _magnitudes(target, size, step, fft)
        log = jnp.log(a + log_eps) - jnp.log(b + log_eps)
        out.append(jnp.stack([jnp.mean(magnitude(a - b)), jnp.mean(magnitude(log))]))
    return jnp.mean(jnp.stack(out), axis=0)


spectral_distances.__name__ = "spectral_loss"  # in errors and programs: the only op that uses it


@composite
def spectral_loss(
    pred: Any,
    target: Any,
    window_size: int | Sequence[int] = 1024,
    hop: int | None = None,
    mag_weight: Any = 1.0,
    log_weight: Any = 1.0,
    log_eps: float = 1e-3,
) -> Any:
    """Distance between the short-time magnitude spectra of two signals, at one resolution or several.

    With A, B the magnitudes of the periodic-Hann-windowed real FFTs, not normalised: `mag_weight * mean|A - B| +
    log_weight * mean|ln(A + log_eps) - ln(B + log_eps)|`, over windows, bins and elements, averaged over window sizes.
    Windows are centred at 0, hop, 2 hop, ..., `ceil(frames / hop)` of them, with zeros outside of the run: every frame is seen.

    Args:
        pred, target: Of equal shapes, or one of shape (); as for `mse`. At least one is a Signal or SignalTensor.
        window_size: In frames, at least 2; a number or a list of them. A run may be shorter.
        hop: Distance between windows in frames; a quarter of each window by default.
        mag_weight, log_weight: Weights of the two distances. They may be learned.
        log_eps: Floor under the logarithm, above 0. Empty bins are kinks of it: at 1e-8 they dominate the gradient.

    Returns:
        A Tensor of shape () for the whole run. Its gradient is finite at silence, and 0 where both are the same.

    Raises:
        ArgumentError: a window under 2, a hop under 1, `log_eps` not above 0, or two Tensors, which have no frames.
        ShapeError: as for `mse`.

    Source: Engel et al., DDSP: Differentiable Digital Signal Processing, "multi-scale spectral loss"; Yamamoto et al.,
    Parallel WaveGAN, "multi-resolution STFT loss".

    >>> x = Signal.phasor(440.0)
    >>> dg.spectral_loss(x, x, window_size=[64, 256]).realize(512)
    array(0., dtype=float32)
    """
    sizes = tuple(window_size) if isinstance(window_size, (list, tuple)) else (window_size,)
    if not sizes:
        raise ArgumentError("spectral_loss: window_size is an empty list")
    sizes = tuple(whole_number("spectral_loss: window_size", n, least=2) for n in sizes)
    hop = None if hop is None else whole_number("spectral_loss: hop", hop, least=1)
    log_eps = real_number("spectral_loss: log_eps", log_eps)
    if not log_eps > 0:
        raise ArgumentError(f"spectral_loss: log_eps={log_eps!r} is not above 0")
    weights = lift(mag_weight, "spectral_loss: mag_weight"), lift(log_weight, "spectral_loss: log_weight")
    for name, weight in zip(("mag_weight", "log_weight"), weights):
        if weight.spec.shape or weight.spec.varies:
            given = weight.spec.shape if weight.spec.shape else "one per frame"
            raise ShapeError(f"spectral_loss: {name} is a single number, got {given}")
    values = lift(pred, "spectral_loss: pred"), lift(target, "spectral_loss: target")
    alike("spectral_loss", (pred, target), values)
    distances = spectral_distances(*values, window_size=sizes, hop=hop, log_eps=log_eps)
    both = getitem(distances, 0), getitem(distances, 1)
    return add(mul(weights[0], both[0]), mul(weights[1], both[1]))
