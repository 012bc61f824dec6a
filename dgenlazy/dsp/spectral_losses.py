"""Losses over short-time spectra: at many scales as magenta/ddsp has them, in decibels, and by transport along frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import flag, one_of, real_number, whole_number
from ..errors import ArgumentError
from ..graph import block, composite
from ..ops import getitem, hann, magnitude, modulus, root, short_time
from .levels import TO_DB, weighted_log
from .losses import compared, lanes_of, magnitudes_of, used, weighted

SafeLog = Literal["2019", "2020", "2022"]
Norm = Literal["L1", "L2"]

_LOUDNESS_WINDOW, _LOUDNESS_RATE = 2048, 250


def tensorflow_hann(size: int) -> np.ndarray:
    """TensorFlow's periodic window, which is symmetric where the size is odd."""
    return hann(size) if size % 2 == 0 else np.append(hann(size - 1), 0.0)


def safe_log(x: Any, version: str) -> Any:
    """The logarithm of magnitudes, which may be 0, as one of three versions of ddsp has it."""
    if version == "2019":
        return jnp.log(x + 1e-5)
    low = x <= (1e-5 if version == "2020" else 0)
    return jnp.log(jnp.where(low, 1e-5, x))


def loudness(x: Any, sample_rate: float, rate: float, size: int, fft: bool) -> Any:
    """`(frames, lanes)` -> `(ticks, lanes)`: A-weighted power as ddsp has it since 2.0, not under -80 dB; its logarithm."""
    hop = max(int(sample_rate // rate), 1)
    count = max(1 + (x.shape[0] + 2 * (size // 2) - size) // hop, 1)
    spectra = short_time(x, hann(size), hop, count, -(size // 2), fft)
    level = modulus(*spectra, *map(jnp.zeros_like, spectra), fft)
    return weighted_log(jnp, level, size, sample_rate)


@block
def multi_scale_distances(pred, target, *, fft_sizes, terms, loss_type, log, live, sample_rate, fft):
    """Those of `terms`, summed over sizes: shape (terms,)."""
    pair = lanes_of(pred, target)

    def apart(a, b, scale=1.0):
        off = scale * (a - b)
        return jnp.sum(magnitude(off) if loss_type == "L1" else off**2) / max(a.size, 1)

    total: dict[str, Any] = dict.fromkeys(terms, 0.0)
    for size in fft_sizes:
        hop, window = max(size // 4, 1), tensorflow_hann(size)
        count, length = max(-(-pair[0].shape[0] // hop), 1), 1 << (size - 1).bit_length()
        x, t = (short_time(x, window, hop, count, 0, fft, length) for x in pair)
        a, b = magnitudes_of(x, t, live, fft)

        def logarithm(x):
            floored = x + lax.stop_gradient(jnp.maximum(x, 1e-5 if log == "2020" else 0) - x)
            silent = lax.stop_gradient(jnp.where(floored <= 0, 1e-5, 0.0))
            return safe_log(floored + silent if log == "2022" else floored, log) if live else safe_log(x, log)

        found = {
            "mag_weight": lambda a=a, b=b: apart(a, b),
            "delta_time_weight": lambda a=a, b=b: apart(jnp.diff(a, axis=0), jnp.diff(b, axis=0)),
            "delta_freq_weight": lambda a=a, b=b: apart(jnp.diff(a), jnp.diff(b)),
            "cumsum_freq_weight": lambda a=a, b=b: apart(jnp.cumsum(a, axis=-1), jnp.cumsum(b, axis=-1)),
            "logmag_weight": lambda a=a, b=b: apart(logarithm(a), logarithm(b)),
        }
        for term in found.keys() & total.keys():
            total[term] += found[term]()
    if "loudness_weight" in terms:
        levels = (loudness(x, sample_rate, _LOUDNESS_RATE, _LOUDNESS_WINDOW, fft) for x in pair)
        # In dB behind the difference: of two products one may be subtracted before it is rounded, and equal ones then differ.
        total["loudness_weight"] = apart(*levels, scale=TO_DB)
    return jnp.stack([total[term] for term in terms])


@composite
def multi_scale_spectral_loss(
    pred: Any,
    target: Any,
    fft_sizes: Sequence[int] = (2048, 1024, 512, 256, 128, 64),
    loss_type: Norm = "L1",
    mag_weight: Any = 1.0,
    delta_time_weight: Any = 0.0,
    delta_freq_weight: Any = 0.0,
    cumsum_freq_weight: Any = 0.0,
    logmag_weight: Any = 0.0,
    loudness_weight: Any = 0.0,
    safe_log: SafeLog = "2022",
    live: bool = False,
) -> Any:
    """Distances of magnitude spectra summed over window sizes, as magenta/ddsp's `SpectralLoss` has them.

    Windows begin at 0, a quarter of their size, ..., `ceil(frames / hop)` of them, zeros behind the end; periodic Hann
    (symmetric where the size is odd), not normalised. Each distance is the mean of `|a - b|` over windows, bins and lanes.

    Args:
        pred, target: As for `spectral_loss`. (ddsp takes the target first.)
        fft_sizes: Of the windows in frames, at least 2; zeros fill them up to a power of 2.
        loss_type: "L1", or "L2" for squares instead of sizes.
        mag_weight: Of the magnitudes; delta_time_weight, delta_freq_weight: of their differences from window to window and from
            bin to bin; cumsum_freq_weight: of their sums up to each bin; logmag_weight: of their logarithms; loudness_weight:
            of A-weighted loudness in dB, 250 times a second. They may be learned; what has the weight 0 is not computed. The
            models of the paper have `mag_weight=1, logmag_weight=1`.
        safe_log: Of magnitudes v, as in ddsp of that year: "2019" `ln(v + 1e-5)`, "2020" (v1.0 to v1.9) `ln max(v, 1e-5)`,
            "2022" (v2.0) `ln v`, and `ln 1e-5` at 0.
        live: From silence nothing is learned: the gradient there is exactly 0. With `live=True` the slope of a magnitude at 0
            is 1 in the direction of the target's phase, and floors have the slope of what they hold; values are the same.

    Returns:
        A Tensor of shape () for the whole run. Its gradient is finite at silence, and 0 where both are the same.

    Raises:
        ArgumentError: an unknown name, a size under 2, all weights 0, or two Tensors. ShapeError: as for `mse`.

    Source: Engel et al., DDSP: Differentiable Digital Signal Processing; its code, `ddsp/losses.py`.

    >>> x = Signal.phasor(440.0)
    >>> dg.multi_scale_spectral_loss(x, x, fft_sizes=(256, 64), logmag_weight=1.0).realize(512)
    array(0., dtype=float32)
    """
    name = "multi_scale_spectral_loss"
    sizes = tuple(fft_sizes) if isinstance(fft_sizes, (list, tuple)) else (fft_sizes,)
    if not sizes:
        raise ArgumentError(f"{name}: fft_sizes is an empty list")
    one_of(f"{name}: loss_type", loss_type, get_args(Norm))
    one_of(f"{name}: safe_log", safe_log, get_args(SafeLog))
    given = {
        "mag_weight": mag_weight,
        "delta_time_weight": delta_time_weight,
        "delta_freq_weight": delta_freq_weight,
        "cumsum_freq_weight": cumsum_freq_weight,
        "logmag_weight": logmag_weight,
        "loudness_weight": loudness_weight,
    }
    weights = used(name, given)
    distances = multi_scale_distances(
        *compared(name, pred, target),
        fft_sizes=tuple(whole_number(f"{name}: fft_sizes", n, least=2) for n in sizes),
        terms=tuple(weights),
        loss_type=loss_type,
        log=safe_log,
        live=flag(f"{name}: live", live),
    )
    return weighted(name, weights, [getitem(distances, i) for i in range(len(weights))])


@block
def log_spectral(pred, target, *, fft_size, hop, eps, fft):
    pair = lanes_of(pred, target)
    count = max(-(-pair[0].shape[0] // hop), 1)
    x, t = (short_time(x, hann(fft_size), hop, count, -(fft_size // 2), fft) for x in pair)
    a, b = magnitudes_of(x, t, True, fft)
    decibels = 2 * TO_DB * (jnp.log(a + eps) - jnp.log(b + eps))
    return jnp.mean(root(jnp.mean(decibels**2, axis=-1)))


def _sizes(name: str, fft_size: Any, hop: Any) -> tuple[int, int]:
    size = whole_number(f"{name}: fft_size", fft_size, least=2)
    return size, max(size // 4, 1) if hop is None else whole_number(f"{name}: hop", hop, least=1)


@composite
def log_spectral_distance(pred: Any, target: Any, fft_size: int = 2048, hop: int | None = None, eps: float = 1e-8) -> Any:
    """Distance of spectra in dB: the mean over windows and lanes of `sqrt(mean over bins d^2)`.

    With X, Y the spectra, `d = 20 log10((|X| + eps) / (|Y| + eps))`.

    Windows are those of `spectral_loss`: periodic Hann, centred at 0, hop, ..., zeros outside of the run.

    Args:
        pred, target: As for `spectral_loss`.
        fft_size: Of the windows in frames, at least 2.
        hop: In frames; a quarter of the window by default.
        eps: Floor of the magnitudes, above 0.

    Returns:
        A Tensor of shape () for the whole run, in dB. Its gradient is 0 where both are the same, and at silence, which can be
        left, that of `spectral_loss`: finite, though as large as `1 / eps`.

    Raises:
        ArgumentError: a window under 2, a hop under 1, `eps` not above 0, or two Tensors. ShapeError: as for `mse`.

    Source: Gray and Markel, Distance measures for speech processing.

    >>> x = Signal.noise()
    >>> dg.log_spectral_distance(x * 10, x, fft_size=64).realize(500)
    array(20., dtype=float32)
    """
    size, hop = _sizes("log_spectral_distance", fft_size, hop)
    eps = real_number("log_spectral_distance: eps", eps)
    if not eps > 0:
        raise ArgumentError(f"log_spectral_distance: eps={eps!r} is not above 0")
    return log_spectral(*compared("log_spectral_distance", pred, target), fft_size=size, hop=hop, eps=eps)


def transported(u: Any, v: Any, p: float) -> Any:
    """`W_p ** p` of two distributions over the same n places from 0 to 1, given as running sums that end at 1."""
    most = u.shape[-1] - 1
    levels = jnp.concatenate([u, v])
    levels = -lax.top_k(-levels, len(levels))[0]  # in ascending order; Metal has this, and no sort as NumPy means it
    at, to = (jnp.minimum(jnp.searchsorted(lax.stop_gradient(c), lax.stop_gradient(levels)), most) for c in (u, v))
    way = (magnitude(at - to) / max(most, 1)).astype(u.dtype) ** p
    return jnp.sum(jnp.diff(levels, prepend=0) * way)


@block
def transport(pred, target, *, fft_size, hop, p, fft):
    pair = lanes_of(pred, target)
    count = max(pair[0].shape[0] - fft_size, 0) // hop + 1
    x, t = (short_time(x, hann(fft_size), hop, count, 0, fft) for x in pair)
    masses = magnitudes_of(x, t, False, fft)
    sums = [jnp.cumsum(m * m if p == 2 else m**p, axis=-1) for m in masses]
    sounds = (sums[0][..., -1:] > 0) & (sums[1][..., -1:] > 0)
    u, v = (jnp.where(sounds, c / jnp.where(sounds, c[..., -1:], 1), 0).reshape(-1, c.shape[-1]) for c in sums)
    ways = jax.vmap(lambda u, v: transported(u, v, p))(u, v)
    return jnp.mean(ways)


@composite
def spectral_transport(pred: Any, target: Any, fft_size: int = 2048, hop: int | None = None, p: float = 2.0) -> Any:
    """How far, along frequency, the energy of one spectrum has to move to become that of the other.

    Of each window, u and v are `|X|^p` and `|Y|^p` over their sums, distributions over the bins, which lie from 0 (0 Hz) to 1
    (half the sample rate). The loss is `W_p^p`, the least sum of mass times `way^p`, a mean over windows and lanes. Where two
    partials do not overlap, its gradient to a frequency still points to the target, where that of `spectral_loss` is flat. It
    does not see levels; a window of silence counts 0: add a loss that does.

    Args:
        pred, target: As for `spectral_loss`.
        fft_size: Of the windows in frames, at least 2: periodic Hann, from 0, hop, ... on while they fit: an edge
            inside of a window would scatter energy over all bins. A run that is shorter is one window, zeros behind it.
        hop: In frames; a quarter of the window by default.
        p: At least 1.

    Returns:
        A Tensor of shape () for the whole run, between 0 and 1. Its gradient is 0 at silence, and where both are the same.

    Raises:
        ArgumentError: a window under 2, a hop under 1, `p` under 1, or two Tensors. ShapeError: as for `mse`.

    Source: Torres, Peeters and Richard, Unsupervised harmonic parameter estimation using differentiable DSP and spectral
    optimal transport.

    >>> low, high = (Signal.from_samples(np.cos(2 * np.pi * np.arange(512) * k / 64)) for k in (8, 16))
    >>> dg.spectral_transport(low, high, fft_size=64).realize()  # 8 of 32 bins, squared
    array(0.0625, dtype=float32)
    """
    size, hop = _sizes("spectral_transport", fft_size, hop)
    p = real_number("spectral_transport: p", p)
    if p < 1:
        raise ArgumentError(f"spectral_transport: p={p!r} is less than 1")
    return transport(*compared("spectral_transport", pred, target), fft_size=size, hop=hop, p=p)


multi_scale_distances.__name__, transport.__name__ = "multi_scale_spectral_loss", "spectral_transport"
log_spectral.__name__ = "log_spectral_distance"  # in programs
