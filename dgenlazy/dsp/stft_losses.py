"""Losses over short-time spectra with the numbers of auraloss, names and all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import flag, one_of, real_number, whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import block, composite
from ..ops import add, getitem, hann, magnitude, mul, root, short_time, sub
from .losses import compared, lanes_of, magnitudes_of, used, weighted
from .mel import a_weighting_taps, triangles

Window = Literal["hann", "hamming", "blackman", "bartlett", "kaiser"]
Norm = Literal["L1", "L2"]
Scale = Literal["mel"] | None


def window_of(name: str, size: int) -> np.ndarray:
    """Periodic, as PyTorch's."""
    turn = 2 * np.pi * np.arange(size) / size
    if name == "hann":
        return hann(size)
    if name == "hamming":
        return 0.54 - 0.46 * np.cos(turn)
    if name == "blackman":
        return 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)
    if name == "bartlett":
        return 1 - np.abs(turn / np.pi - 1)
    return np.i0(12 * np.sqrt(1 - (turn / np.pi - 1) ** 2)) / np.i0(12)


def reflected(x: Any, pad: int) -> Any:
    """`x` with `pad` frames mirrored at its first and last frame on either side; a short one is mirrored again and again."""
    n = x.shape[0]
    if n == 0:
        return jnp.zeros((2 * pad, *x.shape[1:]), x.dtype)
    if pad < n:
        return jnp.concatenate([jnp.flip(x[1 : pad + 1], 0), x, jnp.flip(x[n - 1 - pad : n - 1], 0)])
    return x[np.abs((np.arange(-pad, n + pad) + n - 1) % max(2 * n - 2, 1) - (n - 1))]


def a_weighted(x: Any, sample_rate: float) -> Any:
    taps = jnp.asarray(a_weighting_taps(sample_rate), x.dtype)
    half = len(taps) // 2
    lanes = x.T[:, None]
    y = lax.conv_general_dilated(lanes, taps[None, None], (1,), [(half, half)], precision=lax.Precision.HIGHEST)
    return y[:, 0].T


@block
def stft_distances(pred, target, *, resolutions, window, terms, distance, eps, perceptual, n_mels, live, sample_rate, fft):
    """Those of `terms`, averaged over resolutions (size of the FFT, hop, window): shape (terms,)."""
    pair = lanes_of(pred, target)
    if perceptual:
        pair = [a_weighted(x, sample_rate) for x in pair]
    apart = (lambda a, b: jnp.mean(magnitude(a - b))) if distance == "L1" else (lambda a, b: jnp.mean((a - b) ** 2))
    floor, out = eps**0.5, []
    for size, hop, length in resolutions:
        edge, count = size // 2, max(1 + (pair[0].shape[0] + 2 * (size // 2) - size) // hop, 1)
        shape = window_of(window, length)
        x, t = (short_time(reflected(x, edge), shape, hop, count, (size - length) // 2, fft, size) for x in pair)
        a, b = magnitudes_of(x, t, live, fft)
        if live:
            a, b = (m + lax.stop_gradient(jnp.maximum(m, floor) - m) for m in (a, b))
        else:
            a, b = (jnp.where(m > floor, m, floor) for m in (a, b))
        empty = False
        if n_mels:
            filters = triangles(sample_rate, size, n_mels, 0.0, sample_rate / 2, False, "slaney")
            empty = ~filters.any(1)
            a, b = (jnp.matmul(m, jnp.asarray(filters.T, m.dtype), precision=lax.Precision.HIGHEST) for m in (a, b))
        found = {
            "w_sc": lambda a=a, b=b: root(jnp.sum((b - a) ** 2)) / root(jnp.sum(b**2)),
            "w_log_mag": lambda a=a, b=b, empty=empty: apart(*(jnp.log(jnp.where(empty, 1, m)) for m in (a, b))),
            "w_lin_mag": lambda a=a, b=b: apart(a, b),
        }
        out.append(jnp.stack([found[term]() for term in terms]))
    return jnp.mean(jnp.stack(out), axis=0)


def _loss(name: str, pred: Any, target: Any, resolutions: Sequence[tuple[Any, Any, Any]], **given: Any) -> Any:
    sizes = []
    for fft_size, hop_size, win_length in resolutions:
        size = whole_number(f"{name}: fft_size", fft_size, least=2)
        hop = whole_number(f"{name}: hop_size", hop_size, least=1)
        sizes.append((size, hop, whole_number(f"{name}: win_length", win_length, least=1, most=size)))
    window = one_of(f"{name}: window", given["window"], get_args(Window))
    distance = one_of(f"{name}: mag_distance", given["mag_distance"], get_args(Norm))
    scale = one_of(f"{name}: scale", given["scale"], (None, "mel"))
    eps = real_number(f"{name}: eps", given["eps"])
    if not eps > 0:
        raise ArgumentError(f"{name}: eps={eps!r} is not above 0")
    if scale is None and given["n_bins"] is not None:
        raise ArgumentError(f"{name}: n_bins={given['n_bins']!r} is a number of mel filters: it takes scale='mel'")
    bins = 0 if scale is None else whole_number(f"{name}: n_bins", 128 if given["n_bins"] is None else given["n_bins"], 1)
    weights = used(name, {role: given[role] for role in ("w_sc", "w_log_mag", "w_lin_mag")})
    distances = stft_distances(
        *compared(name, pred, target),
        resolutions=tuple(sizes),
        window=window,
        terms=tuple(weights),
        distance=distance,
        eps=eps,
        perceptual=flag(f"{name}: perceptual_weighting", given["perceptual_weighting"]),
        n_mels=bins,
        live=flag(f"{name}: live", given["live"]),
    )
    return weighted(name, weights, [getitem(distances, i) for i in range(len(weights))])


def _resolutions(name: str, **lists: Any) -> list[tuple[Any, Any, Any]]:
    for role, numbers in lists.items():
        if not isinstance(numbers, (list, tuple)) or not numbers:
            raise ArgumentError(f"{name}: {role}={numbers!r} is not a list of numbers")
    if len({len(numbers) for numbers in lists.values()}) > 1:
        raise ArgumentError(f"{name}: {', '.join(f'{len(n)} {role}' for role, n in lists.items())}: one of each a resolution")
    return list(zip(*lists.values()))


@composite
def stft_loss(
    pred: Any,
    target: Any,
    fft_size: int = 1024,
    hop_size: int = 256,
    win_length: int = 1024,
    window: Window = "hann",
    w_sc: Any = 1.0,
    w_log_mag: Any = 1.0,
    w_lin_mag: Any = 0.0,
    mag_distance: Norm = "L1",
    eps: float = 1e-8,
    perceptual_weighting: bool = False,
    scale: Scale = None,
    n_bins: int | None = None,
    live: bool = False,
) -> Any:
    """Distance of magnitude spectra, as `auraloss.freq.STFTLoss` has it: spectral convergence, logarithmic and linear.

    With X, Y the magnitudes of prediction and target, not under `sqrt(eps)`: `w_sc |Y - X| / |Y|` (Frobenius norms over
    windows, bins and lanes together), plus `w_log_mag` times the mean of `|ln X - ln Y|`, plus `w_lin_mag` times that of `|X -
    Y|`. Windows are centred at 0, hop, ..., the run is mirrored at its ends; a run of `fft_size // 2` frames or less is
    mirrored repeatedly.

    Args:
        pred, target: Of equal shapes, or one of shape (); as for `mse`. At least one is a Signal or SignalTensor; lanes are
            auraloss's channels.
        fft_size: In frames, at least 2.
        hop_size: From one window to the next, in frames.
        win_length: Of the periodic window, at most `fft_size`; zeros on both sides fill the FFT.
        window: "hann", "hamming", "blackman", "bartlett" or "kaiser" (beta 12).
        w_sc, w_log_mag, w_lin_mag: Weights. They may be learned; what has the weight 0 is not computed.
        mag_distance: "L1" or "L2", where squares stand for the sizes of the last two differences.
        eps: Floor of the squared magnitudes, above 0.
        perceptual_weighting: Filter both with the A curve first (101 taps), at the sample rate of the run.
        scale: "mel" for magnitudes in mel filters (`features.mel_filters`); a filter without a bin adds 0.
        n_bins: How many, 128 by default.
        live: The floor has no slope, so that from silence, where all is under it, nothing is learned: the gradient is exactly
            0. With `live=True` it has that of the magnitude, at 0 in the direction of the target's phase; values are the same.

    Returns:
        A Tensor of shape () for the whole run. Its gradient is finite at silence, and 0 where both are the same.

    Raises:
        ArgumentError: a number out of range, an unknown name, all weights 0, or two Tensors, which have no frames.
        ShapeError: as for `mse`, or a weight that is not a single number.

    Source: Steinmetz and Reiss, auraloss: Audio focused loss functions in PyTorch; Yamamoto et al., Parallel WaveGAN.

    >>> x = Signal.phasor(440.0)
    >>> dg.stft_loss(x, x, fft_size=256, hop_size=64, win_length=256).realize(1000)
    array(0., dtype=float32)
    """
    options = {
        "window": window, "w_sc": w_sc, "w_log_mag": w_log_mag, "w_lin_mag": w_lin_mag, "mag_distance": mag_distance,
        "eps": eps, "perceptual_weighting": perceptual_weighting, "scale": scale, "n_bins": n_bins, "live": live,
    }  # fmt: skip
    return _loss("stft_loss", pred, target, [(fft_size, hop_size, win_length)], **options)


@composite
def multi_resolution_stft_loss(
    pred: Any,
    target: Any,
    fft_sizes: Sequence[int] = (1024, 2048, 512),
    hop_sizes: Sequence[int] = (120, 240, 50),
    win_lengths: Sequence[int] = (600, 1200, 240),
    window: Window = "hann",
    w_sc: Any = 1.0,
    w_log_mag: Any = 1.0,
    w_lin_mag: Any = 0.0,
    mag_distance: Norm = "L1",
    eps: float = 1e-8,
    perceptual_weighting: bool = False,
    scale: Scale = None,
    n_bins: int | None = None,
    live: bool = False,
) -> Any:
    """The mean of `stft_loss` over several resolutions, as `auraloss.freq.MultiResolutionSTFTLoss` has it.

    Args:
        fft_sizes, hop_sizes, win_lengths: Lists of one length, a number of each for a resolution.
        pred, target, window, w_sc, w_log_mag, w_lin_mag, mag_distance, eps, perceptual_weighting, scale, n_bins, live: As for
            `stft_loss`.

    Returns:
        A Tensor of shape () for the whole run.

    Raises:
        What `stft_loss` does; ArgumentError: lists of different lengths.

    Source: Steinmetz and Reiss, auraloss: Audio focused loss functions in PyTorch; Yamamoto et al., Parallel WaveGAN.

    >>> x = Signal.phasor(440.0)
    >>> dg.multi_resolution_stft_loss(x, x).realize(1500)
    array(0., dtype=float32)
    """
    options = {
        "window": window, "w_sc": w_sc, "w_log_mag": w_log_mag, "w_lin_mag": w_lin_mag, "mag_distance": mag_distance,
        "eps": eps, "perceptual_weighting": perceptual_weighting, "scale": scale, "n_bins": n_bins, "live": live,
    }  # fmt: skip
    name = "multi_resolution_stft_loss"
    resolutions = _resolutions(name, fft_sizes=fft_sizes, hop_sizes=hop_sizes, win_lengths=win_lengths)
    return _loss(name, pred, target, resolutions, **options)


@composite
def mel_stft_loss(
    pred: Any,
    target: Any,
    n_mels: int = 128,
    fft_size: int = 1024,
    hop_size: int = 256,
    win_length: int = 1024,
    window: Window = "hann",
    w_sc: Any = 1.0,
    w_log_mag: Any = 1.0,
    w_lin_mag: Any = 0.0,
    mag_distance: Norm = "L1",
    eps: float = 1e-8,
    perceptual_weighting: bool = False,
    live: bool = False,
) -> Any:
    """`stft_loss` of mel spectra at the sample rate of the run, as `auraloss.freq.MelSTFTLoss` has it.

    Args:
        n_mels: How many filters, from 0 Hz to half the sample rate; at least 1. One without a bin adds 0.
        pred, target, fft_size, hop_size, win_length, window, w_sc, w_log_mag, w_lin_mag, mag_distance, eps,
            perceptual_weighting, live: As for `stft_loss`.

    Returns:
        A Tensor of shape () for the whole run.

    Raises:
        What `stft_loss` does.

    Source: Steinmetz and Reiss, auraloss: Audio focused loss functions in PyTorch.

    >>> x = Signal.phasor(440.0)
    >>> dg.mel_stft_loss(x, x, n_mels=32).realize(1500)
    array(0., dtype=float32)
    """
    options = {
        "window": window, "w_sc": w_sc, "w_log_mag": w_log_mag, "w_lin_mag": w_lin_mag, "mag_distance": mag_distance,
        "eps": eps, "perceptual_weighting": perceptual_weighting, "scale": "mel", "live": live,
        "n_bins": whole_number("mel_stft_loss: n_mels", n_mels, 1),
    }  # fmt: skip
    return _loss("mel_stft_loss", pred, target, [(fft_size, hop_size, win_length)], **options)


@composite
def sum_and_difference_stft_loss(
    pred: Any,
    target: Any,
    fft_sizes: Sequence[int] = (1024, 2048, 512),
    hop_sizes: Sequence[int] = (120, 240, 50),
    win_lengths: Sequence[int] = (600, 1200, 240),
    window: Window = "hann",
    w_sum: Any = 1.0,
    w_diff: Any = 1.0,
    w_sc: Any = 1.0,
    w_log_mag: Any = 1.0,
    w_lin_mag: Any = 0.0,
    mag_distance: Norm = "L1",
    eps: float = 1e-8,
    perceptual_weighting: bool = False,
    scale: Scale = None,
    n_bins: int | None = None,
    live: bool = False,
) -> Any:
    """Of stereo: `(w_sum MR(left + right) + w_diff MR(left - right)) / 2` with MR the `multi_resolution_stft_loss`.

    As `auraloss.freq.SumAndDifferenceSTFTLoss` has it since 0.4.0. Sum and difference are not halved.

    Args:
        pred, target: SignalTensors of shape (2,): left and right.
        w_sum, w_diff: Weights of the two. They may be learned.
        fft_sizes, hop_sizes, win_lengths, window, w_sc, w_log_mag, w_lin_mag, mag_distance, eps, perceptual_weighting, scale,
            n_bins, live: As for `multi_resolution_stft_loss`.

    Returns:
        A Tensor of shape () for the whole run.

    Raises:
        What `multi_resolution_stft_loss` does; ShapeError: other shapes than (2,).

    Source: Steinmetz et al., Automatic multitrack mixing with a differentiable mixing console.

    >>> stereo = Signal.phasor(Tensor([440.0, 441.0]))
    >>> dg.sum_and_difference_stft_loss(stereo, stereo).realize(1500)
    array(0., dtype=float32)
    """
    options = {
        "window": window, "w_sc": w_sc, "w_log_mag": w_log_mag, "w_lin_mag": w_lin_mag, "mag_distance": mag_distance,
        "eps": eps, "perceptual_weighting": perceptual_weighting, "scale": scale, "n_bins": n_bins, "live": live,
    }  # fmt: skip
    name = "sum_and_difference_stft_loss"
    resolutions = _resolutions(name, fft_sizes=fft_sizes, hop_sizes=hop_sizes, win_lengths=win_lengths)
    pair = compared(name, pred, target)
    for role, x in zip(("pred", "target"), pair):
        if x.spec.shape != (2,):
            raise ShapeError(f"{name}: {role} of shape {x.spec.shape} is not stereo, of shape (2,)")
    sides = [[op.node(getitem(x, 0), getitem(x, 1)) for x in pair] for op in (add, sub)]
    parts = [_loss(name, x, t, resolutions, **options) for x, t in sides]
    return mul(weighted(name, {"w_sum": w_sum, "w_diff": w_diff}, parts), 0.5)
