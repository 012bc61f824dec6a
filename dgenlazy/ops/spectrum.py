"""Spectra as pairs of real values, short-time spectra, and the way back to a signal."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax

from ..config import whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Value, composite, lift, needs_value, outputs_of, pointwise
from .math import add, cos, mul, neg, sin, sub
from .slopes import hypot
from .tensor import stack
from .window import Align, before, divisor, framed, hann, laid_together, windows_of


def real_dft(x: Any) -> tuple[Any, Any]:
    """Real and imaginary parts of `rfft` along the last axis, by products of real matrices.

    One step of Cooley and Tukey: a length `a * b` takes matrices of `a * a` and `b * b` numbers, which are 80 kB for 4,096
    frames, where a single matrix would have 67 MB. A prime length does take the single one.
    """
    size = x.shape[-1]
    a = max(k for k in range(1, math.isqrt(size) + 1) if size % k == 0)
    b, bins = size // a, size // 2 + 1

    def turned(re, im, rows, columns, cycle, product):
        """The numbers turned back by `rows * columns / cycle` of a circle."""
        angle = 2 * np.pi / cycle * (np.outer(np.arange(rows), np.arange(columns)) % cycle)
        cos, sin = np.cos(angle).astype(x.dtype), -np.sin(angle).astype(x.dtype)
        if im is None:
            return product(re, cos), product(re, sin)
        return product(re, cos) - product(im, sin), product(re, sin) + product(im, cos)

    matmul = ft.partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    re, im = turned(x.reshape(*x.shape[:-1], a, b), None, a, a, a, lambda x, basis: matmul(basis, x))
    re, im = turned(re, im, a, b, size, jnp.multiply)
    re, im = turned(re, im, b, -(-bins // a), b, matmul)
    re, im = (jnp.swapaxes(y, -1, -2).reshape(*x.shape[:-1], -1)[..., :bins] for y in (re, im))
    return re, im


def _inverse_real_dft(re: Any, im: Any, size: int) -> Any:
    """The inverse of `real_dft`: its transpose, where every bin but the first and that of Nyquist counts twice."""
    twice = np.full(size // 2 + 1, 2.0 / size)
    twice[0] = 1 / size
    if size % 2 == 0:
        twice[-1] = 1 / size
    twice = twice.astype(re.dtype)
    back = jax.linear_transpose(real_dft, jax.ShapeDtypeStruct((*re.shape[:-1], size), re.dtype))
    return back((re * twice, im * twice))[0]


def short_time(
    x: Any, window: np.ndarray, hop: int, count: int, start: int, fft: bool, size: int | None = None
) -> tuple[Any, Any]:
    """`(frames, *shape)` -> two of `(count, *shape, bins)`: spectra of windows from `start`, `start + hop`, ... on.

    Outside of `x` are zeros. `size` is that of the FFT, by default that of the window: zeros follow where it is larger.
    """
    size = size or len(window)
    windows = _fitted(framed(x, len(window), hop, count, start) * window.astype(x.dtype), size)
    if not fft:
        return real_dft(windows)
    y = jnp.fft.rfft(windows)
    return y.real, y.imag


def _fitted(x: Any, size: int) -> Any:
    """`x` cut, or padded with zeros, to `size` along its last axis."""
    x = x[..., :size]
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size - x.shape[-1])]) if x.shape[-1] < size else x


@pointwise
def spectrum_of(x, *, size, window, fft):
    """Real and imaginary part of the real FFT of the last axis; with `window`, under a Hann window."""
    x = _fitted(x * jnp.asarray(hann(x.shape[-1]), x.dtype) if window else x, size)
    if not fft:
        return real_dft(x)
    y = jnp.fft.rfft(x)
    return y.real, y.imag


@pointwise
def signal_of(re, im, *, size, window, fft):
    """The inverse of `spectrum_of`; with `window`, under a Hann window."""
    re, im = jnp.broadcast_arrays(re, im)
    re, im = _fitted(re, size // 2 + 1), _fitted(im, size // 2 + 1)
    y = jnp.fft.irfft(lax.complex(re, im), size) if fft else _inverse_real_dft(re, im, size)
    return y * jnp.asarray(hann(size), y.dtype) if window else y


spectrum_of.__name__, signal_of.__name__ = "rfft", "irfft"


@pointwise
def magnitude(re, im):
    """`sqrt(re**2 + im**2)`, with a gradient of 0 at 0."""
    return hypot(re, im)


@pointwise
def angle(re, im):
    """Angle in radians, in [-pi, pi]; the gradient at 0 is 0."""
    silent = (re == 0) & (im == 0)
    return jnp.where(silent, 0, jnp.arctan2(im, jnp.where(silent, 1, re)))


def _last_axis(name: str, node: Any) -> int:
    if not node.spec.shape or not node.spec.shape[-1]:
        raise ShapeError(f"{name}: takes values with a last axis, got shape {node.spec.shape}")
    return node.spec.shape[-1]


def _size(name: str, bins: int, size: int | None, least: int) -> int:
    """How many elements have a spectrum of so many bins, where that is not said."""
    if size is None and bins == 1:
        raise ArgumentError(
            f"{name}: 1 bin is not enough to tell the size, by default 2 * (bins - 1); give size, at least {least}"
        )
    return whole_number(f"{name}: size", 2 * (bins - 1) if size is None else size, least=least)


def rfft(x: Any, size: int | None = None) -> tuple[Any, Any]:
    """Real and imaginary part of the spectrum of the last axis, as `numpy.fft.rfft` has them, not normalised.

    Args:
        x: `(*shape, n)`.
        size: Cut, or pad with zeros, to so many elements first; at least 1. By default n.

    Returns:
        Two values `(*shape, size // 2 + 1)`.

    Raises:
        ShapeError: no last axis. ArgumentError: a size under 1.

    >>> real, imag = Tensor([1.0, 0.0, 0.0, 0.0]).rfft()
    >>> real.realize(), imag.realize()
    (array([1., 1., 1.], dtype=float32), array([0., 0., 0.], dtype=float32))
    """
    node = needs_value("rfft: x", x).node
    length = _last_axis("rfft", node)
    size = length if size is None else whole_number("rfft: size", size, least=1)
    return tuple(x.wrap(n) for n in outputs_of(spectrum_of.node(node, params=(("size", size), ("window", False)))))


@composite
def irfft(re: Any, im: Any = 0.0, size: int | None = None) -> Any:
    """What has the spectrum `re + i im`, as `numpy.fft.irfft` gives it.

    Args:
        re, im: `(*shape, bins)`; they broadcast.
        size: Elements of the result, at least 1. By default `2 * (bins - 1)`; say it where it is odd.

    Returns:
        `(*shape, size)`.

    Raises:
        ShapeError: no last axis, or shapes that do not broadcast. ArgumentError: a size under 1.

    >>> dg.irfft(*Tensor([1.0, 2.0, 3.0]).rfft(), size=3).realize()
    array([1., 2., 3.], dtype=float32)
    """
    re, im = lift(re, "irfft: re"), lift(im, "irfft: im")
    bins = max(_last_axis("irfft", re), im.spec.shape[-1] if im.spec.shape else 1)
    size = _size("irfft", bins, size, least=1)
    return signal_of.node(re, im, params=(("size", size), ("window", False)))


def _covering(name: str, size: int, hop: int, align: Any) -> int:
    """How many frames of windows that leave no frame uncovered come before their tick."""
    lead = before(name, align, size)
    try:
        divisor(size, hop, lead)
    except ArgumentError as e:
        raise ArgumentError(f"{name}: {e}") from None
    return lead


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Short-time spectra: real and imaginary parts, `(*shape, size // 2 + 1)`, every `hop` frames; `x.stft()` makes them.

    Spectra add, and multiply each other and masks: values of the shape of the bins, at a hop of which theirs is a divisor.

    Attributes:
        real, imag: The two parts, values like any other.
        size: Of the windows, in frames.
        hop: From one to the next, in frames.
        before: How many frames of a window come before its tick.

    >>> x = Signal.phasor(1000.0)
    >>> spectrum = x.stft(64)
    >>> spectrum.shape, spectrum.hop
    ((33,), 16)
    >>> lower = np.arange(33) < 8
    >>> (spectrum * lower).istft()
    Signal(shape=(), op=overlap_add)
    """

    real: Any
    imag: Any
    size: int
    hop: int
    before: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the two parts: that of the signal, and the bins.

        >>> Signal.input(0).stft(1024).shape
        (513,)
        """
        return self.real.shape

    def abs(self) -> Any:
        """Magnitudes; their gradient at 0 is 0.

        >>> Signal.from_samples([0.0, 1.0, 0.0, 0.0]).stft(4).abs().realize()[1]
        array([1., 1., 1.], dtype=float32)
        """
        return self._wrap(magnitude.node(*self._parts))

    __abs__ = abs

    def angle(self) -> Any:
        """Phases in radians, in [-pi, pi]; their gradient at 0 is 0.

        >>> Signal.from_samples([0.0, 1.0, 0.0, 0.0]).stft(4, align="start").angle().realize()[1]
        array([0., 0., 0.], dtype=float32)
        """
        return self._wrap(angle.node(*self._parts))

    def power(self) -> Any:
        """Squared magnitudes.

        >>> Signal.from_samples([0.0, 2.0, 0.0, 0.0]).stft(4).power().realize()[1]
        array([4., 4., 4.], dtype=float32)
        """
        re, im = self._parts
        return self._wrap(add.node(mul.node(re, re), mul.node(im, im)))

    def realize(
        self, frames: int | None = None, *, inputs: Mapping[int, Any] | None = None, preserve_state: bool = False
    ) -> npt.NDArray[np.complex64]:
        """Compute it, both parts in one run; all as for `realize` of a Signal, also what is raised.

        Returns:
            complex64 array, `(ticks, *shape)`: a row of bins for each of `ceil(frames / hop)` ticks, time first.

        >>> Signal.from_samples([0.0, 1.0, 0.0, 0.0]).stft(4, 2, align="start").realize()
        array([[ 0.5+0.j ,  0. -0.5j, -0.5+0.j ],
               [ 0. +0.j ,  0. +0.j ,  0. +0.j ]], dtype=complex64)
        """
        parts = self._pair.realize(frames, inputs=inputs, preserve_state=preserve_state)
        return np.ascontiguousarray(parts).view(np.complex64)[..., 0]

    def reset(self) -> None:
        """Forget the stream of `realize(preserve_state=True)`: the next such call starts afresh.

        >>> Signal.noise().stft(64).reset()
        """
        self._pair.reset()

    @ft.cached_property
    def _pair(self) -> Any:
        """Both parts in one value, which has the stream."""
        return stack([self.real, self.imag], axis=-1)

    @property
    def _parts(self) -> tuple[Any, Any]:
        return self.real.node, self.imag.node

    def _wrap(self, node: Any) -> Any:
        return self.real.wrap(node)

    def _with(self, real: Any, imag: Any) -> Spectrum:
        return Spectrum(self._wrap(real), self._wrap(imag), self.size, self.hop, self.before)

    def _other(self, op: str, other: Spectrum) -> tuple[Any, Any]:
        if (self.size, self.hop, self.before) != (other.size, other.hop, other.before):
            one, two = (f"size={s.size}, hop={s.hop}, before={s.before}" for s in (self, other))
            raise ArgumentError(f"Spectrum: {op} takes spectra of the same windows, not {one} and {two}")
        return other._parts

    def _mask(self, mask: Any) -> Any:
        node = lift(mask, "Spectrum: mask")
        if node.spec.varies and node.spec.every % self.hop:
            raise ArgumentError(
                f"Spectrum: a mask with a value every {node.spec.hop} frames does not go with hop={self.hop}; "
                f"downsample() it to a multiple"
            )
        return node

    def __add__(self, other: Spectrum) -> Spectrum:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return self._with(*map(add.node, self._parts, self._other("+", other)))

    def __sub__(self, other: Spectrum) -> Spectrum:
        if not isinstance(other, Spectrum):
            return NotImplemented
        return self._with(*map(sub.node, self._parts, self._other("-", other)))

    def __neg__(self) -> Spectrum:
        return self._with(*map(neg.node, self._parts))

    def __mul__(self, other: Any) -> Spectrum:
        re, im = self._parts
        if not isinstance(other, Spectrum):
            mask = self._mask(other)
            return self._with(mul.node(re, mask), mul.node(im, mask))
        a, b = self._other("*", other)
        return self._with(sub.node(mul.node(re, a), mul.node(im, b)), add.node(mul.node(re, b), mul.node(im, a)))

    __rmul__ = __mul__
    __array_ufunc__ = None  # NumPy leaves `mask * spectrum` to us

    @staticmethod
    def polar(magnitude: Any, angle: Any, size: int | None = None, align: Align = "centre") -> Spectrum:
        """The spectra of these magnitudes and angles, `(*shape, bins)` at one hop.

        Args:
            magnitude, angle: Values; the angle in radians. One of them may vary more slowly, or not at all.
            size: Of the windows; `2 * (bins - 1)` by default, as an even size has it.
            align: Of the windows, as for `stft`.

        Raises:
            ArgumentError: neither varies. ShapeError: the number of bins does not go with the size.

        >>> s = Signal.noise().stft(16, 4)
        >>> Spectrum.polar(s.abs(), s.angle()).istft()
        Signal(shape=(), op=overlap_add)
        """
        m, a = lift(magnitude, "Spectrum.polar: magnitude"), lift(angle, "Spectrum.polar: angle")
        wrap = next((x.wrap for x in (magnitude, angle) if isinstance(x, Value)), None)
        real, imag = mul.node(m, cos.node(a)), mul.node(m, sin.node(a))
        if wrap is None or not real.spec.varies:
            raise ArgumentError("Spectrum.polar: magnitude and angle do not vary: they need a hop, as spectra of stft() have")
        bins = _last_axis("Spectrum.polar", real)
        size = _size("Spectrum.polar", bins, size, least=2)
        if bins != size // 2 + 1:
            raise ShapeError(f"Spectrum.polar: windows of size={size} have {size // 2 + 1} bins, not {bins}")
        lead = _covering("Spectrum.polar", size, real.spec.hop, align)
        return Spectrum(wrap(real), wrap(imag), size, real.spec.hop, lead)

    def istft(self) -> Any:
        """The signal whose spectra are nearest to these in the least squares sense; of those of a signal, the signal itself.

        Windows are weighted once more, added, and divided by the sum of their squares. In a stream it is later by the whole
        window, less a frame. With `align="start"` frame 0 is lost: no window gives it a weight.

        Source: Griffin and Lim, Signal estimation from modified short-time Fourier transform.

        >>> x = Signal.from_samples([1.0, 2.0, 3.0, 4.0])
        >>> x.stft(4, 2).istft().realize().round(5)
        array([1., 2., 3., 4.], dtype=float32)
        """
        w = signal_of.node(*self._parts, params=(("size", self.size), ("window", True)))
        return self._wrap(laid_together.node(w, params=(("before", self.before), ("divided", True))))


def stft(x: Any, size: int = 1024, hop: int | None = None, align: Align = "centre") -> Spectrum:
    """Short-time spectra under periodic Hann windows, not normalised.

    Args:
        x: A Signal or SignalTensor at hop 1.
        size: Of the windows in frames, at least 2; any, a power of 2 is fastest.
        hop: From one to the next in frames; by default a quarter of the size.
        align: As for `windows`; "centre" by default, as librosa's `center=True` with zeros.

    Returns:
        A `Spectrum`. In a stream it is later by the frames of a window that come after its tick.

    Raises:
        ArgumentError: a size under 2, or a hop that leaves frames which no window covers.

    >>> x = Signal.from_samples(np.sin(np.arange(32)))
    >>> bool(np.abs(x.stft(16).istft().realize() - x.realize()).max() < 1e-6)
    True
    """
    node = needs_value("stft: x", x).node
    size = whole_number("stft: size", size, least=2)
    hop = max(size // 4, 1) if hop is None else whole_number("stft: hop", hop, least=1)
    lead = _covering("stft", size, hop, align)
    w = windows_of.node(node, params=(("size", size), ("hop", hop), ("before", lead)))
    re, im = outputs_of(spectrum_of.node(w, params=(("size", size), ("window", True))))
    return Spectrum(x.wrap(re), x.wrap(im), size, hop, lead)
