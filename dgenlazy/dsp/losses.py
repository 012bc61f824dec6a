"""Losses over short-time spectra. They see the whole run and give one number for it."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..config import real_number, whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import block, composite, derivative_of, lift
from ..ops import add, alike, framed, getitem, hann, magnitude, modulus, mul, short_time

Spectra = tuple[Any, Any]  # real and imaginary parts, (windows, lanes, bins)


def lanes_of(pred: Any, target: Any) -> tuple[Any, Any]:
    """Two runs `(frames, *shape)` as `(frames, lanes)`, the smaller shape broadcast to the other."""
    pred, target = jax.vmap(jnp.broadcast_arrays)(pred, target)
    lanes = math.prod(pred.shape[1:])
    return pred.reshape(-1 if lanes else len(pred), lanes), target.reshape(-1 if lanes else len(target), lanes)


def _short_times(pair: Any, window: np.ndarray, hop: int, count: int, start: int, fft: bool, parallel: bool) -> Any:
    """`short_time` of two of one shape; where the backend is parallel, by one FFT, since there each takes as long as both."""
    if not (fft and parallel):
        return [short_time(x, window, hop, count, start, fft) for x in pair]
    windows = [framed(x, len(window), hop, count, start) * window.astype(x.dtype) for x in pair]
    return [(y.real, y.imag) for y in _transformed(*windows)]


@jax.custom_jvp
def _transformed(a: Any, b: Any) -> Any:
    """The real FFT of both at once; slopes, of which there may be but one, each by itself."""
    return tuple(jnp.fft.rfft(jnp.stack([a, b])))


@derivative_of(_transformed)
def _(primals, tangents):
    y = _transformed(*primals)
    return y, tuple(jnp.zeros_like(x) if isinstance(t, SymbolicZero) else jnp.fft.rfft(t) for x, t in zip(y, tangents))


def magnitudes_of(pred: Spectra, target: Spectra, live: bool, fft: bool) -> tuple[Any, Any]:
    """Of two spectra. The slope of one at 0 is 0, or if `live` 1 in the direction of the other, so that silence can be left."""
    other, own = (tuple(lax.stop_gradient(part) if live else jnp.zeros_like(part) for part in z) for z in (target, pred))
    return modulus(*pred, *other, fft), modulus(*target, *own, fft)


@block
def spectral_distances(pred, target, *, window_size, hop, log_eps, fft, parallel):
    """Mean distance of magnitudes and of their logarithms, averaged over window sizes: shape (2,)."""
    pred, target = lanes_of(pred, target)
    out = []
    for size in window_size:
        step = hop or max(size // 4, 1)
        count = max(-(-pred.shape[0] // step), 1)
        x, t = _short_times((pred, target), hann(size), step, count, -(size // 2), fft, parallel)
        a, b = magnitudes_of(x, t, True, fft)
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
    Windows are centred at 0, hop, 2 hop, ..., `ceil(frames / hop)` of them, with zeros outside of the run: with a hop up to
    half of the window every frame is seen. (Once they began at 0, hop, ... while they fitted: frame 0, and the last ones, could
    be anything.)

    Args:
        pred, target: Of equal shapes, or one of shape (); as for `mse`. At least one is a Signal or SignalTensor.
        window_size: In frames, at least 2; a number or a list of them. A run may be shorter.
        hop: Distance between windows in frames; a quarter of each window by default.
        mag_weight, log_weight: Weights of the two distances. They may be learned.
        log_eps: Floor under the logarithm, above 0. Empty bins are kinks of it: at 1e-8 they dominate the gradient.

    Returns:
        A Tensor of shape () for the whole run. Its gradient is 0 where both are the same, and finite at silence, which can
        be left: where a bin of one is 0 and of the other not, the slope of its magnitude is 1 in the direction of the other's
        phase. That is a choice among the subgradients; finite differences see a corner there.

    Raises:
        ArgumentError: a window under 2, a hop under 1, `log_eps` not above 0, or two Tensors, which have no frames.
        ShapeError: as for `mse`.

    Source: Engel et al., DDSP: Differentiable Digital Signal Processing, "multi-scale spectral loss"; Yamamoto et al.,
    Parallel WaveGAN, "multi-resolution STFT loss".

    >>> x = Signal.phasor(440.0)
    >>> dg.spectral_loss(x, x, window_size=[64, 256]).realize(512)
    array(0., dtype=float32)
    >>> click = Signal.from_samples(np.eye(1, 256)[0] * 5)  # of 16 windows, one hears 5 and the next 2.5; once none did
    >>> dg.spectral_loss(click, 0.0, window_size=64, log_weight=0.0).realize()
    array(0.46875, dtype=float32)
    """
    sizes = tuple(window_size) if isinstance(window_size, (list, tuple)) else (window_size,)
    if not sizes:
        raise ArgumentError("spectral_loss: window_size is an empty list")
    sizes = tuple(whole_number("spectral_loss: window_size", n, least=2) for n in sizes)
    hop = None if hop is None else whole_number("spectral_loss: hop", hop, least=1)
    log_eps = real_number("spectral_loss: log_eps", log_eps)
    if not log_eps > 0:
        raise ArgumentError(f"spectral_loss: log_eps={log_eps!r} is not above 0")
    values = compared("spectral_loss", pred, target)
    distances = spectral_distances(*values, window_size=sizes, hop=hop, log_eps=log_eps)
    weights = {"mag_weight": mag_weight, "log_weight": log_weight}
    return weighted("spectral_loss", weights, [getitem(distances, 0), getitem(distances, 1)])


def compared(name: str, pred: Any, target: Any) -> tuple[Any, Any]:
    """The nodes of what a loss compares."""
    values = lift(pred, f"{name}: pred"), lift(target, f"{name}: target")
    alike(name, (pred, target), values)
    return values


def weighted(name: str, weights: Mapping[str, Any], distances: Sequence[Any]) -> Any:
    """The sum of distances, each times its weight, a single number that may be lazy."""
    terms = []
    for (role, weight), distance in zip(weights.items(), distances):
        node = lift(weight, f"{name}: {role}")
        if node.spec.shape or node.spec.varies:
            given = node.spec.shape if node.spec.shape else "one per frame"
            raise ShapeError(f"{name}: {role} is a single number, got {given}")
        terms.append(mul(node, distance))
    return ft.reduce(add, terms)


def used(name: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    """The weights that are not the number 0: the distances of the others are not computed."""
    found = {role: w for role, w in weights.items() if isinstance(w, bool) or not isinstance(w, (int, float)) or w != 0}
    if not found:
        raise ArgumentError(f"{name}: all of {', '.join(weights)} are 0: there is nothing to compare")
    return found
