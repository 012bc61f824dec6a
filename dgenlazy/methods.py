"""Methods and operators of every value: bound from ops, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .dsp import (
    bands,
    collection,
    distortion,
    echo,
    gains,
    layers,
    losses,
    loudness_losses,
    modulation,
    noise,
    response,
    spectral_losses,
    stft_losses,
    waveform_losses,
)
from .errors import ArgumentError
from .graph import Value, comparable
from .ops import (
    activation,
    comparison,
    conversion,
    convolution,
    dynamics,
    filter,
    index,
    loss,
    math,
    rate,
    resonator,
    sampler,
    signal,
    spectrum,
    tensor,
    window,
)


class Methods(Value):
    """Ops as methods. The value comes first, then what the function of that name takes."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy leaves `array * value` to us

    # Operators.

    __add__ = math.add
    __sub__ = math.sub
    __mul__ = math.mul
    __truediv__ = math.div
    __floordiv__ = math.floor_divide
    __mod__ = math.mod
    __matmul__ = tensor.matmul
    __neg__ = math.neg
    __abs__ = math.abs
    __hash__ = object.__hash__  # by identity: `==` compares elements
    __gt__ = comparison.greater
    __ge__ = comparison.greater_equal
    __lt__ = comparison.less
    __le__ = comparison.less_equal
    __pow__ = math.pow
    __getitem__ = index.getitem

    def __eq__(self, other: Any) -> Any:
        return comparison.equal(self, other) if comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return comparison.not_equal(self, other) if comparable(other) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return math.add(other, self)

    def __rsub__(self, other: Any) -> Any:
        return math.sub(other, self)

    def __rmul__(self, other: Any) -> Any:
        return math.mul(other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return math.div(other, self)

    def __rfloordiv__(self, other: Any) -> Any:
        return math.floor_divide(other, self)

    def __rmod__(self, other: Any) -> Any:
        return math.mod(other, self)

    def __rpow__(self, other: Any) -> Any:
        return math.pow(other, self)

    def __rmatmul__(self, other: Any) -> Any:
        return tensor.matmul(other, self)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __pos__(self) -> Any:
        return self

    def __round__(self, digits: None = None) -> Any:
        if digits is not None:
            raise ArgumentError(f"round: digits={digits!r}; only whole numbers: multiply, round and divide")
        return math.round(self)

    # Functions.

    abs = math.abs
    sign = math.sign
    floor = math.floor
    ceil = math.ceil
    round = math.round
    mod = math.mod
    clamp = clip = math.clamp
    floor_divide = math.floor_divide
    exp = math.exp
    log = math.log
    log10 = math.log10
    sqrt = math.sqrt
    pow = math.pow
    sin = math.sin
    cos = math.cos
    tan = math.tan
    sinh, cosh, tanh = math.sinh, math.cosh, math.tanh
    atan2 = math.atan2
    relu = math.relu
    sigmoid = math.sigmoid
    softplus, softsign = activation.softplus, activation.softsign
    leaky_relu, gelu = activation.leaky_relu, activation.gelu
    isfinite = comparison.isfinite
    midi_to_hz, hz_to_midi = conversion.midi_to_hz, conversion.hz_to_midi
    db_to_gain, gain_to_db = conversion.db_to_gain, conversion.gain_to_db
    exp_sigmoid, inverse_exp_sigmoid = conversion.exp_sigmoid, conversion.inverse_exp_sigmoid

    min = tensor.min
    max = tensor.max
    sum = tensor.sum
    mean = tensor.mean
    transpose = tensor.transpose
    flip = tensor.flip
    matmul = tensor.matmul
    conv1d = tensor.conv1d
    conv2d = tensor.conv2d
    cumsum = tensor.cumsum
    softmax = tensor.softmax
    log_softmax = tensor.log_softmax
    peek_row = index.peek_row
    detach = index.detach
    read = sampler.read

    def reshape(self, *shape: int | Sequence[int]) -> Any:
        """The same elements in another shape, given as one list or as several numbers. One length may be -1.

        >>> Tensor([1, 2, 3, 4]).reshape(2, -1).shape
        (2, 2)
        """
        return tensor.reshape(self, shape[0] if len(shape) == 1 else shape)

    biquad, onepole = filter.biquad, filter.onepole
    lfilter, sosfilt = filter.lfilter, filter.sosfilt
    fir = convolution.fir
    svf, ladder = resonator.svf, resonator.ladder
    compressor, adsr = dynamics.compressor, dynamics.adsr
    smooth = dynamics.smooth
    comb, allpass, fdn, karplus_strong = echo.comb, echo.allpass, echo.fdn, echo.karplus_strong
    convolve, reverb = response.convolve, response.reverb
    waveshape = distortion.waveshape
    chorus, flanger, vibrato, phaser = modulation.chorus, modulation.flanger, modulation.vibrato, modulation.phaser
    equalizer, crossover = bands.equalizer, bands.crossover
    gate, expander, limiter, pan = gains.gate, gains.expander, gains.limiter, gains.pan
    latch, accum = signal.latch, signal.accum
    delta, change = signal.delta, signal.change
    history, delay = signal.history, signal.delay

    collect = collection.collect
    linear, gru = layers.linear, layers.gru
    filtered_noise = noise.filtered_noise
    upsample, downsample = rate.upsample, rate.downsample
    windows, overlap_add = window.windows, window.overlap_add
    rfft, irfft, stft = spectrum.rfft, spectrum.irfft, spectrum.stft

    mse = loss.mse
    spectral_loss = losses.spectral_loss
    stft_loss, mel_stft_loss = stft_losses.stft_loss, stft_losses.mel_stft_loss
    multi_resolution_stft_loss = stft_losses.multi_resolution_stft_loss
    sum_and_difference_stft_loss = stft_losses.sum_and_difference_stft_loss
    multi_scale_spectral_loss = spectral_losses.multi_scale_spectral_loss
    log_spectral_distance, spectral_transport = spectral_losses.log_spectral_distance, spectral_losses.spectral_transport
    esr, dc_loss, log_cosh = waveform_losses.esr, waveform_losses.dc_loss, waveform_losses.log_cosh
    loudness_loss = loudness_losses.loudness_loss
    snr, si_sdr, sd_sdr = waveform_losses.snr, waveform_losses.si_sdr, waveform_losses.sd_sdr
