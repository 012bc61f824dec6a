"""Losses over samples, of the whole run: what is left of the target, against what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from ..config import real_number
from ..errors import ArgumentError
from ..graph import block, composite, derivative_of
from ..ops import magnitude
from .losses import compared, lanes_of

_TO_DB = float(10 / np.log(10))
_LN2 = float(np.log(2))


def _total(x: Any) -> Any:
    return jnp.sum(x, axis=0)


def _mean(x: Any) -> Any:
    """Over frames; of none it is 0."""
    return jnp.sum(x, axis=0) / max(x.shape[0], 1)


@jax.custom_jvp
def _offset(x: Any, t: Any) -> Any:
    """The mean of `t - x`, next to 0 and yet to 1e-6 of itself: what each addition rounds away is added up beside it.

    Source: T. Ogita, S. M. Rump and S. Oishi, Accurate Sum and Dot Product, SIAM J. Sci. Comput. 26(6), 2005.
    """
    both = jnp.concatenate([t, -x])
    size = 1 << max(len(both) - 1, 0).bit_length()
    total = jnp.pad(both, [(0, size - len(both))] + [(0, 0)] * (both.ndim - 1))
    lost = jnp.zeros_like(total)
    while len(total) > 1:
        a, b = total[: len(total) // 2], total[len(total) // 2 :]
        total = a + b
        part = total - a
        lost = lost[: len(a)] + lost[len(a) :] + ((a - (total - part)) + (b - part))
    total, lost = total[0], lost[0]
    return (total + jnp.where(jnp.isfinite(total), lost, 0)) / max(len(x), 1)


@derivative_of(_offset)
def _(primals, tangents):
    y = _offset(*primals)
    moved = jnp.zeros_like(y)
    for tangent, sign in zip(tangents, (-1, 1)):
        if not isinstance(tangent, SymbolicZero):
            moved += sign * _mean(tangent)
    return y, moved


def _esr(x: Any, t: Any, eps: float, scale: float) -> Any:
    return _total((t - x) ** 2) / (_total(t**2) + eps)


def _dc(x: Any, t: Any, eps: float, scale: float) -> Any:
    return _offset(x, t) ** 2 / (_mean(t**2) + eps)


def _log_cosh(x: Any, t: Any, eps: float, scale: float) -> Any:
    z = magnitude(x - t) * scale
    small = z < 1
    near = jnp.where(small, z, 0)
    half = (jnp.exp(near / 2) - jnp.exp(-near / 2)) / 2  # cosh z is 1 + 2 half**2
    near = jnp.log1p(2 * half**2 + eps)
    far = z - _LN2 + jnp.log1p(jnp.exp(-2 * z) + 2 * eps * jnp.exp(-z))
    return _mean(jnp.where(small, near, far)) / scale


def _decibels(signal: Any, rest: Any, eps: float) -> Any:
    return -_TO_DB * jnp.log(signal / (rest + eps) + eps)


def _snr(x: Any, t: Any, eps: float, scale: float) -> Any:
    x, t = x - _mean(x), t - _mean(t)
    return _decibels(_total(t**2), _total((x - t) ** 2), eps)


def _projected(x: Any, t: Any, eps: float) -> tuple[Any, Any, Any]:
    """Without their means, and the part of `x` along `t`."""
    x, t = x - _mean(x), t - _mean(t)
    return x, t, _total(x * t) / (_total(t**2) + eps) * t


def _si_sdr(x: Any, t: Any, eps: float, scale: float) -> Any:
    x, _, part = _projected(x, t, eps)
    return _decibels(_total(part**2), _total((x - part) ** 2), eps)


def _sd_sdr(x: Any, t: Any, eps: float, scale: float) -> Any:
    x, t, part = _projected(x, t, eps)
    return _decibels(_total(part**2), _total((x - t) ** 2), eps)


_KINDS: dict[str, Callable[..., Any]] = {
    "esr": _esr,
    "dc_loss": _dc,
    "log_cosh": _log_cosh,
    "snr": _snr,
    "si_sdr": _si_sdr,
    "sd_sdr": _sd_sdr,
}


@block
def waveform_distance(pred, target, *, kind, eps, scale):
    """A distance along the frames, of each lane alone; their mean."""
    return jnp.mean(_KINDS[kind](*lanes_of(pred, target), eps, scale))


def _distance(kind: str, pred: Any, target: Any, eps: Any, scale: Any = 1.0) -> Any:
    eps = real_number(f"{kind}: eps", eps)
    if not eps > 0:
        raise ArgumentError(f"{kind}: eps={eps!r} is not above 0")
    return waveform_distance(*compared(kind, pred, target), kind=kind, eps=eps, scale=scale)


@composite
def esr(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Error-to-signal ratio: `sum (target - pred)^2 / (sum target^2 + eps)`, over the frames of the run; the mean over lanes.

    0 where both are the same, 1 for silence. Of models of amplifiers, under 0.01 is good.

    Args:
        pred, target: As for `mse`. At least one is a Signal or SignalTensor.
        eps: Above 0; so that a silent target gives a number.

    Returns:
        A Tensor of shape () for the whole run.

    Raises:
        ShapeError: as for `mse`. ArgumentError: `eps` is not above 0, or two Tensors, which have no frames.

    Source: Wright et al., Real-time guitar amplifier emulation with deep learning; auraloss, `ESRLoss`.

    >>> dg.esr(Signal.from_samples([0.0, 1.0]), Signal.from_samples([1.0, 1.0])).realize()
    array(0.5, dtype=float32)
    """
    return _distance("esr", pred, target, eps)


@composite
def dc_loss(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Of the offset: `(mean (target - pred))^2 / (mean target^2 + eps)`, over the frames of the run; the mean over lanes.

    Args:
        pred, target, eps: As for `esr`.

    Returns:
        A Tensor of shape () for the whole run.

    Raises:
        What `esr` does.

    Source: Wright et al., Real-time guitar amplifier emulation with deep learning; auraloss, `DCLoss`.

    >>> dg.dc_loss(Signal.from_samples([2.0, 1.0]), Signal.from_samples([1.0, 1.0])).realize()
    array(0.25, dtype=float32)
    """
    return _distance("dc_loss", pred, target, eps)


@composite
def log_cosh(pred: Any, target: Any, a: float = 1.0, eps: float = 1e-8) -> Any:
    """Mean of `ln(cosh(a (pred - target)) + eps) / a` over frames and lanes: squares of small errors, sizes of large ones.

    Args:
        pred, target: As for `esr`.
        a: Above 0; errors under `1 / a` are small. Errors of any size have a finite loss.
        eps: Above 0.

    Returns:
        A Tensor of shape () for the whole run.

    Raises:
        What `esr` does; ArgumentError: `a` is not above 0.

    Source: Chen et al., Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder; auraloss, `LogCoshLoss`.

    >>> dg.log_cosh(Signal.from_samples([0.0, 100.0]), 0.0).realize()
    array(49.653427, dtype=float32)
    """
    a = real_number("log_cosh: a", a)
    if not a > 0:
        raise ArgumentError(f"log_cosh: a={a!r} is not above 0")
    return _distance("log_cosh", pred, target, eps, a)


@composite
def snr(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Signal-to-noise ratio in dB, negated, so that less is better; means removed; the mean over lanes.

    `-10 log10(sum t^2 / (sum (x - t)^2 + eps) + eps)`. It goes on falling where both are the same, to about -80 dB and less.

    Args:
        pred, target, eps: As for `esr`.

    Returns:
        A Tensor of shape () for the whole run, in dB. Its gradient at silence is finite.

    Raises:
        What `esr` does.

    Source: auraloss, `SNRLoss`.

    >>> t = Signal.phasor(4410.0)
    >>> dg.snr(t * 1.1, t).realize(100)
    array(-20., dtype=float32)
    """
    return _distance("snr", pred, target, eps)


@composite
def si_sdr(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Scale-invariant signal-to-distortion ratio in dB, negated, so that less is better; means removed; the mean over lanes.

    With `alpha = <x, t> / (|t|^2 + eps)`: `-10 log10(|alpha t|^2 / (|x - alpha t|^2 + eps) + eps)`. It has no optimum that is
    reached: a gradient of 0 is not to be expected where both are the same.

    Args:
        pred, target, eps: As for `esr`.

    Returns:
        A Tensor of shape () for the whole run, in dB. Its gradient at silence is finite.

    Raises:
        What `esr` does.

    Source: Le Roux et al., SDR: half-baked or well done?; auraloss, `SISDRLoss`.

    >>> x, t = Signal.from_samples([1.0, 0.0, -1.0, 0.0]), Signal.from_samples([1.0, 1.0, -1.0, -1.0])
    >>> bool(abs(dg.si_sdr(x, t).realize() - dg.si_sdr(3 * x, t).realize()) < 1e-4)
    True
    """
    return _distance("si_sdr", pred, target, eps)


@composite
def sd_sdr(pred: Any, target: Any, eps: float = 1e-8) -> Any:
    """Scale-dependent signal-to-distortion ratio in dB, negated: as `si_sdr`, but a wrong scale is an error, too.

    `-10 log10(|alpha t|^2 / (|x - t|^2 + eps) + eps)`, with the `alpha` of `si_sdr`.

    Args:
        pred, target, eps: As for `esr`.

    Returns:
        A Tensor of shape () for the whole run, in dB. Its gradient at silence is finite.

    Raises:
        What `esr` does.

    Source: Le Roux et al., SDR: half-baked or well done?; auraloss, `SDSDRLoss`.

    >>> t = Signal.from_samples([1.0, -1.0])
    >>> dg.sd_sdr(t * 0.9, t).realize()
    array(-19.084848, dtype=float32)
    """
    return _distance("sd_sdr", pred, target, eps)
