# Made by `python tests/stubs.py`; what is changed here is lost.
# pyright: reportOverlappingOverload=false, reportGeneralTypeIssues=false, reportIncompatibleMethodOverride=false

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, overload

from . import audio as audio, display as display
from .config import DGen as DGen, Nested, Scalar
from .dsp import features as features
from .errors import (
    ArgumentError as ArgumentError,
    ArtifactError as ArtifactError,
    AxisError as AxisError,
    BackendError as BackendError,
    DGenError as DGenError,
    FileError as FileError,
    InputError as InputError,
    MissingFileError as MissingFileError,
    OutOfMemoryError as OutOfMemoryError,
    ReadError as ReadError,
    ShapeError as ShapeError,
)
from .lazy import (
    Lazy,
    backward as backward,
    load_state as load_state,
    realize as realize,
    reset as reset,
    save_state as save_state,
)
from .methods import AnySignal, Fixed, Operand
from .ops import Spectrum as Spectrum
from .ship import (
    NativePlayer as NativePlayer,
    Player as Player,
    compile as compile,
    export as export,
    from_jax as from_jax,
    function as function,
    load as load,
)
from .sources import sample_rate as sample_rate
from .train import (
    SGD as SGD,
    Adam as Adam,
    Fit as Fit,
    GradCheck as GradCheck,
    Health as Health,
    Multistart as Multistart,
    Optimizer as Optimizer,
    check_grads as check_grads,
    fit as fit,
    health as health,
    load_params as load_params,
    multistart as multistart,
    save_params as save_params,
)
from .values import Signal as Signal, SignalTensor as SignalTensor, Tensor as Tensor, feedback as feedback
from .version import __version__ as __version__

V = TypeVar("V", bound=Lazy)

@overload
def allpass(
    x: AnySignal, frames: Operand, gain: Operand = 0.5, max_delay: float | None = None, min_delay: float = 1.0
) -> AnySignal: ...
@overload
def allpass(
    x: Scalar | Signal,
    frames: Scalar | Signal,
    gain: Scalar | Signal = 0.5,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> Signal: ...
@overload
def allpass(
    x: SignalTensor, frames: Operand, gain: Operand = 0.5, max_delay: float | None = None, min_delay: float = 1.0
) -> SignalTensor: ...
@overload
def allpass(
    x: Operand, frames: Operand, gain: Operand = 0.5, max_delay: float | None = None, min_delay: float = 1.0
) -> AnySignal: ...
@overload
def chorus(
    x: AnySignal, rate: Operand = 1.0, depth_ms: Operand = 3.0, delay_ms: Operand = 15.0, mix: Operand = 0.5
) -> AnySignal: ...
@overload
def chorus(
    x: Scalar | Signal,
    rate: Scalar | Signal = 1.0,
    depth_ms: Scalar | Signal = 3.0,
    delay_ms: Scalar | Signal = 15.0,
    mix: Scalar | Signal = 0.5,
) -> Signal: ...
@overload
def chorus(
    x: SignalTensor, rate: Operand = 1.0, depth_ms: Operand = 3.0, delay_ms: Operand = 15.0, mix: Operand = 0.5
) -> SignalTensor: ...
@overload
def chorus(
    x: Operand, rate: Operand = 1.0, depth_ms: Operand = 3.0, delay_ms: Operand = 15.0, mix: Operand = 0.5
) -> AnySignal: ...
def collect(x: Lazy, frames: int | None = None) -> Tensor: ...
@overload
def comb(
    x: AnySignal,
    frames: Operand,
    feedback: Operand = 0.5,
    damping: Operand = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> AnySignal: ...
@overload
def comb(
    x: Scalar | Signal,
    frames: Scalar | Signal,
    feedback: Scalar | Signal = 0.5,
    damping: Scalar | Signal = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> Signal: ...
@overload
def comb(
    x: SignalTensor,
    frames: Operand,
    feedback: Operand = 0.5,
    damping: Operand = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> SignalTensor: ...
@overload
def comb(
    x: Operand,
    frames: Operand,
    feedback: Operand = 0.5,
    damping: Operand = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> AnySignal: ...
@overload
def convolve(x: AnySignal, ir: Operand | Nested) -> AnySignal: ...
@overload
def convolve(x: Scalar | Signal, ir: AnySignal) -> AnySignal: ...
@overload
def convolve(x: Scalar | Signal, ir: Scalar | Signal) -> Signal: ...
@overload
def convolve(x: SignalTensor, ir: Operand | Nested) -> SignalTensor: ...
@overload
def convolve(x: Operand, ir: Operand | Nested) -> AnySignal: ...
def crossover(x: Operand, freqs: Sequence[Operand]) -> tuple[AnySignal, ...]: ...
def dc_loss(pred: Operand, target: Operand, eps: float = 1e-08) -> Tensor: ...
@overload
def equalizer(x: AnySignal, bands: Sequence[tuple[str, Any, Any, Any]]) -> AnySignal: ...
@overload
def equalizer(x: Signal, bands: Sequence[tuple[str, Any, Any, Any]]) -> Signal: ...
@overload
def equalizer(x: SignalTensor, bands: Sequence[tuple[str, Any, Any, Any]]) -> SignalTensor: ...
@overload
def equalizer(x: Lazy, bands: Sequence[tuple[str, Any, Any, Any]]) -> AnySignal: ...
def esr(pred: Operand, target: Operand, eps: float = 1e-08) -> Tensor: ...
@overload
def expander(
    x: AnySignal, threshold_db: Operand, ratio: Operand = 2.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
) -> AnySignal: ...
@overload
def expander(
    x: Scalar | Signal,
    threshold_db: Scalar | Signal,
    ratio: Scalar | Signal = 2.0,
    attack_ms: Scalar | Signal = 1.0,
    release_ms: Scalar | Signal = 100.0,
) -> Signal: ...
@overload
def expander(
    x: SignalTensor, threshold_db: Operand, ratio: Operand = 2.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
) -> SignalTensor: ...
@overload
def expander(
    x: Operand, threshold_db: Operand, ratio: Operand = 2.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
) -> AnySignal: ...
@overload
def fdn(
    x: AnySignal,
    frames: Operand | Nested,
    matrix: Operand | Nested,
    gain: Operand = 0.9,
    damping: Operand = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> AnySignal: ...
@overload
def fdn(
    x: Scalar | Signal,
    frames: Scalar | Signal,
    matrix: Scalar | Signal,
    gain: Scalar | Signal = 0.9,
    damping: Scalar | Signal = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> Signal: ...
@overload
def fdn(
    x: SignalTensor,
    frames: Operand | Nested,
    matrix: Operand | Nested,
    gain: Operand = 0.9,
    damping: Operand = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> SignalTensor: ...
@overload
def fdn(
    x: Operand,
    frames: Operand | Nested,
    matrix: Operand | Nested,
    gain: Operand = 0.9,
    damping: Operand = 0.0,
    max_delay: float | None = None,
    min_delay: float = 1.0,
) -> AnySignal: ...
def filtered_noise(
    magnitudes: Operand, noise: Operand | None = None, size: int | None = None, convention: Literal["exact", "ddsp"] = "exact"
) -> AnySignal: ...
@overload
def flanger(
    x: AnySignal,
    rate: Operand = 0.3,
    depth_ms: Operand = 2.0,
    delay_ms: Operand = 2.0,
    feedback: Operand = 0.5,
    mix: Operand = 0.5,
) -> AnySignal: ...
@overload
def flanger(
    x: Scalar | Signal,
    rate: Scalar | Signal = 0.3,
    depth_ms: Scalar | Signal = 2.0,
    delay_ms: Scalar | Signal = 2.0,
    feedback: Scalar | Signal = 0.5,
    mix: Scalar | Signal = 0.5,
) -> Signal: ...
@overload
def flanger(
    x: SignalTensor,
    rate: Operand = 0.3,
    depth_ms: Operand = 2.0,
    delay_ms: Operand = 2.0,
    feedback: Operand = 0.5,
    mix: Operand = 0.5,
) -> SignalTensor: ...
@overload
def flanger(
    x: Operand,
    rate: Operand = 0.3,
    depth_ms: Operand = 2.0,
    delay_ms: Operand = 2.0,
    feedback: Operand = 0.5,
    mix: Operand = 0.5,
) -> AnySignal: ...
@overload
def gate(
    x: AnySignal, threshold_db: Operand, ratio: Operand = 10.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
) -> AnySignal: ...
@overload
def gate(
    x: Scalar | Signal,
    threshold_db: Scalar | Signal,
    ratio: Scalar | Signal = 10.0,
    attack_ms: Scalar | Signal = 1.0,
    release_ms: Scalar | Signal = 100.0,
) -> Signal: ...
@overload
def gate(
    x: SignalTensor, threshold_db: Operand, ratio: Operand = 10.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
) -> SignalTensor: ...
@overload
def gate(
    x: Operand, threshold_db: Operand, ratio: Operand = 10.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
) -> AnySignal: ...
@overload
def gru(
    x: AnySignal,
    weight_input: Operand | Nested,
    weight_state: Operand | Nested,
    bias: Operand | Nested,
    init: Operand | Nested = 0.0,
) -> AnySignal: ...
@overload
def gru(
    x: Scalar | Signal,
    weight_input: Scalar | Signal,
    weight_state: Scalar | Signal,
    bias: Scalar | Signal,
    init: Scalar | Signal = 0.0,
) -> Signal: ...
@overload
def gru(
    x: SignalTensor,
    weight_input: Operand | Nested,
    weight_state: Operand | Nested,
    bias: Operand | Nested,
    init: Operand | Nested = 0.0,
) -> SignalTensor: ...
@overload
def gru(
    x: Operand,
    weight_input: Operand | Nested,
    weight_state: Operand | Nested,
    bias: Operand | Nested,
    init: Operand | Nested = 0.0,
) -> AnySignal: ...
@overload
def karplus_strong(
    excitation: AnySignal,
    freq: Operand,
    decay: Operand = 1.0,
    brightness: Operand = 0.5,
    max_delay: int = 4096,
    min_delay: int = 2,
) -> AnySignal: ...
@overload
def karplus_strong(
    excitation: Scalar | Signal,
    freq: Scalar | Signal,
    decay: Scalar | Signal = 1.0,
    brightness: Scalar | Signal = 0.5,
    max_delay: int = 4096,
    min_delay: int = 2,
) -> Signal: ...
@overload
def karplus_strong(
    excitation: SignalTensor,
    freq: Operand,
    decay: Operand = 1.0,
    brightness: Operand = 0.5,
    max_delay: int = 4096,
    min_delay: int = 2,
) -> SignalTensor: ...
@overload
def karplus_strong(
    excitation: Operand,
    freq: Operand,
    decay: Operand = 1.0,
    brightness: Operand = 0.5,
    max_delay: int = 4096,
    min_delay: int = 2,
) -> AnySignal: ...
@overload
def limiter(x: AnySignal, threshold_db: Operand = -1.0, release_ms: Operand = 50.0, lookahead_ms: float = 5.0) -> AnySignal: ...
@overload
def limiter(
    x: Scalar | Signal, threshold_db: Scalar | Signal = -1.0, release_ms: Scalar | Signal = 50.0, lookahead_ms: float = 5.0
) -> Signal: ...
@overload
def limiter(
    x: SignalTensor, threshold_db: Operand = -1.0, release_ms: Operand = 50.0, lookahead_ms: float = 5.0
) -> SignalTensor: ...
@overload
def limiter(x: Operand, threshold_db: Operand = -1.0, release_ms: Operand = 50.0, lookahead_ms: float = 5.0) -> AnySignal: ...
@overload
def linear(x: Fixed, weight: Fixed | Nested, bias: Fixed | None = None) -> Tensor: ...
@overload
def linear(x: AnySignal, weight: Operand | Nested, bias: Operand | None = None) -> AnySignal: ...
@overload
def linear(x: Scalar | Signal, weight: Scalar | Signal, bias: Scalar | Signal | None = None) -> Signal: ...
@overload
def linear(x: SignalTensor, weight: Operand | Nested, bias: Operand | None = None) -> SignalTensor: ...
@overload
def linear(x: Operand, weight: Operand | Nested, bias: Operand | None = None) -> AnySignal: ...
def log_cosh(pred: Operand, target: Operand, a: float = 1.0, eps: float = 1e-08) -> Tensor: ...
def log_spectral_distance(
    pred: Operand, target: Operand, fft_size: int = 2048, hop: int | None = None, eps: float = 1e-08
) -> Tensor: ...
def loudness_loss(pred: Operand, target: Operand) -> Tensor: ...
def mel_stft_loss(
    pred: Operand,
    target: Operand,
    n_mels: int = 128,
    fft_size: int = 1024,
    hop_size: int = 256,
    win_length: int = 1024,
    window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
    w_sc: Operand = 1.0,
    w_log_mag: Operand = 1.0,
    w_lin_mag: Operand = 0.0,
    mag_distance: Literal["L1", "L2"] = "L1",
    eps: float = 1e-08,
    perceptual_weighting: bool = False,
    live: bool = False,
) -> Tensor: ...
def multi_resolution_stft_loss(
    pred: Operand,
    target: Operand,
    fft_sizes: Sequence[int] = (1024, 2048, 512),
    hop_sizes: Sequence[int] = (120, 240, 50),
    win_lengths: Sequence[int] = (600, 1200, 240),
    window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
    w_sc: Operand = 1.0,
    w_log_mag: Operand = 1.0,
    w_lin_mag: Operand = 0.0,
    mag_distance: Literal["L1", "L2"] = "L1",
    eps: float = 1e-08,
    perceptual_weighting: bool = False,
    scale: Literal["mel"] | None = None,
    n_bins: int | None = None,
    live: bool = False,
) -> Tensor: ...
def multi_scale_spectral_loss(
    pred: Operand,
    target: Operand,
    fft_sizes: Sequence[int] = (2048, 1024, 512, 256, 128, 64),
    loss_type: Literal["L1", "L2"] = "L1",
    mag_weight: Operand = 1.0,
    delta_time_weight: Operand = 0.0,
    delta_freq_weight: Operand = 0.0,
    cumsum_freq_weight: Operand = 0.0,
    logmag_weight: Operand = 0.0,
    loudness_weight: Operand = 0.0,
    safe_log: Literal["2019", "2020", "2022"] = "2022",
    live: bool = False,
) -> Tensor: ...
@overload
def pan(x: Fixed, position: Fixed = 0.0) -> Tensor: ...
@overload
def pan(x: Operand, position: Operand = 0.0) -> AnySignal: ...
@overload
def phaser(
    x: AnySignal,
    rate: Operand = 0.5,
    low: Operand = 300.0,
    high: Operand = 3000.0,
    stages: int = 4,
    feedback: Operand = 0.5,
    mix: Operand = 0.5,
) -> AnySignal: ...
@overload
def phaser(
    x: Scalar | Signal,
    rate: Scalar | Signal = 0.5,
    low: Scalar | Signal = 300.0,
    high: Scalar | Signal = 3000.0,
    stages: int = 4,
    feedback: Scalar | Signal = 0.5,
    mix: Scalar | Signal = 0.5,
) -> Signal: ...
@overload
def phaser(
    x: SignalTensor,
    rate: Operand = 0.5,
    low: Operand = 300.0,
    high: Operand = 3000.0,
    stages: int = 4,
    feedback: Operand = 0.5,
    mix: Operand = 0.5,
) -> SignalTensor: ...
@overload
def phaser(
    x: Operand,
    rate: Operand = 0.5,
    low: Operand = 300.0,
    high: Operand = 3000.0,
    stages: int = 4,
    feedback: Operand = 0.5,
    mix: Operand = 0.5,
) -> AnySignal: ...
@overload
def reverb(
    x: AnySignal,
    decay: Operand,
    mix: Operand = 0.3,
    predelay_ms: Operand = 0.0,
    seed: int | None = None,
    max_decay: float | None = None,
) -> AnySignal: ...
@overload
def reverb(
    x: Scalar | Signal,
    decay: Scalar | Signal,
    mix: Scalar | Signal = 0.3,
    predelay_ms: Scalar | Signal = 0.0,
    seed: int | None = None,
    max_decay: float | None = None,
) -> Signal: ...
@overload
def reverb(
    x: SignalTensor,
    decay: Operand,
    mix: Operand = 0.3,
    predelay_ms: Operand = 0.0,
    seed: int | None = None,
    max_decay: float | None = None,
) -> SignalTensor: ...
@overload
def reverb(
    x: Operand,
    decay: Operand,
    mix: Operand = 0.3,
    predelay_ms: Operand = 0.0,
    seed: int | None = None,
    max_decay: float | None = None,
) -> AnySignal: ...
def sd_sdr(pred: Operand, target: Operand, eps: float = 1e-08) -> Tensor: ...
def si_sdr(pred: Operand, target: Operand, eps: float = 1e-08) -> Tensor: ...
def snr(pred: Operand, target: Operand, eps: float = 1e-08) -> Tensor: ...
def spectral_loss(
    pred: Operand,
    target: Operand,
    window_size: int | Sequence[int] = 1024,
    hop: int | None = None,
    mag_weight: Operand = 1.0,
    log_weight: Operand = 1.0,
    log_eps: float = 0.001,
) -> Tensor: ...
def spectral_transport(
    pred: Operand, target: Operand, fft_size: int = 2048, hop: int | None = None, p: float = 2.0
) -> Tensor: ...
def stft_loss(
    pred: Operand,
    target: Operand,
    fft_size: int = 1024,
    hop_size: int = 256,
    win_length: int = 1024,
    window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
    w_sc: Operand = 1.0,
    w_log_mag: Operand = 1.0,
    w_lin_mag: Operand = 0.0,
    mag_distance: Literal["L1", "L2"] = "L1",
    eps: float = 1e-08,
    perceptual_weighting: bool = False,
    scale: Literal["mel"] | None = None,
    n_bins: int | None = None,
    live: bool = False,
) -> Tensor: ...
def sum_and_difference_stft_loss(
    pred: Operand,
    target: Operand,
    fft_sizes: Sequence[int] = (1024, 2048, 512),
    hop_sizes: Sequence[int] = (120, 240, 50),
    win_lengths: Sequence[int] = (600, 1200, 240),
    window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
    w_sum: Operand = 1.0,
    w_diff: Operand = 1.0,
    w_sc: Operand = 1.0,
    w_log_mag: Operand = 1.0,
    w_lin_mag: Operand = 0.0,
    mag_distance: Literal["L1", "L2"] = "L1",
    eps: float = 1e-08,
    perceptual_weighting: bool = False,
    scale: Literal["mel"] | None = None,
    n_bins: int | None = None,
    live: bool = False,
) -> Tensor: ...
@overload
def vibrato(x: AnySignal, rate: Operand = 5.0, depth_ms: Operand = 1.0) -> AnySignal: ...
@overload
def vibrato(x: Scalar | Signal, rate: Scalar | Signal = 5.0, depth_ms: Scalar | Signal = 1.0) -> Signal: ...
@overload
def vibrato(x: SignalTensor, rate: Operand = 5.0, depth_ms: Operand = 1.0) -> SignalTensor: ...
@overload
def vibrato(x: Operand, rate: Operand = 5.0, depth_ms: Operand = 1.0) -> AnySignal: ...
def waveshape(x: V, fn: Callable[[Any], Any], oversample: int = 1) -> V: ...
def abs(x: V) -> V: ...
@overload
def accum(x: AnySignal, reset: Operand | None = None, min: Operand | None = None, max: Operand | None = None) -> AnySignal: ...
@overload
def accum(
    x: Scalar | Signal,
    reset: Scalar | Signal | None = None,
    min: Scalar | Signal | None = None,
    max: Scalar | Signal | None = None,
) -> Signal: ...
@overload
def accum(
    x: SignalTensor, reset: Operand | None = None, min: Operand | None = None, max: Operand | None = None
) -> SignalTensor: ...
@overload
def accum(x: Operand, reset: Operand | None = None, min: Operand | None = None, max: Operand | None = None) -> AnySignal: ...
@overload
def adsr(gate: AnySignal, attack_ms: Operand, decay_ms: Operand, sustain: Operand, release_ms: Operand) -> AnySignal: ...
@overload
def adsr(
    gate: Scalar | Signal,
    attack_ms: Scalar | Signal,
    decay_ms: Scalar | Signal,
    sustain: Scalar | Signal,
    release_ms: Scalar | Signal,
) -> Signal: ...
@overload
def adsr(gate: SignalTensor, attack_ms: Operand, decay_ms: Operand, sustain: Operand, release_ms: Operand) -> SignalTensor: ...
@overload
def adsr(gate: Operand, attack_ms: Operand, decay_ms: Operand, sustain: Operand, release_ms: Operand) -> AnySignal: ...
@overload
def atan2(y: Fixed | Nested, x: Fixed | Nested) -> Tensor: ...
@overload
def atan2(y: AnySignal, x: Operand | Nested) -> AnySignal: ...
@overload
def atan2(y: Scalar | Signal, x: AnySignal) -> AnySignal: ...
@overload
def atan2(y: Scalar | Signal, x: Scalar | Signal) -> Signal: ...
@overload
def atan2(y: SignalTensor, x: Operand | Nested) -> SignalTensor: ...
@overload
def atan2(y: Operand | Nested, x: Operand | Nested) -> AnySignal: ...
@overload
def biquad(
    x: AnySignal,
    cutoff: Operand,
    q: Operand = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
    gain_db: Operand = 0.0,
) -> AnySignal: ...
@overload
def biquad(
    x: Scalar | Signal,
    cutoff: Scalar | Signal,
    q: Scalar | Signal = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
    gain_db: Scalar | Signal = 0.0,
) -> Signal: ...
@overload
def biquad(
    x: SignalTensor,
    cutoff: Operand,
    q: Operand = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
    gain_db: Operand = 0.0,
) -> SignalTensor: ...
@overload
def biquad(
    x: Operand,
    cutoff: Operand,
    q: Operand = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
    gain_db: Operand = 0.0,
) -> AnySignal: ...
def ceil(x: V) -> V: ...
@overload
def change(x: AnySignal) -> AnySignal: ...
@overload
def change(x: Signal) -> Signal: ...
@overload
def change(x: SignalTensor) -> SignalTensor: ...
@overload
def change(x: Lazy) -> AnySignal: ...
@overload
def clamp(x: Fixed | Nested, lo: Fixed | Nested = ..., hi: Fixed | Nested = ...) -> Tensor: ...
@overload
def clamp(x: AnySignal, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
@overload
def clamp(x: Scalar | Signal, lo: Scalar | Signal = ..., hi: Scalar | Signal = ...) -> Signal: ...
@overload
def clamp(x: SignalTensor, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> SignalTensor: ...
@overload
def clamp(x: Operand | Nested, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
@overload
def clip(x: Fixed | Nested, lo: Fixed | Nested = ..., hi: Fixed | Nested = ...) -> Tensor: ...
@overload
def clip(x: AnySignal, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
@overload
def clip(x: Scalar | Signal, lo: Scalar | Signal = ..., hi: Scalar | Signal = ...) -> Signal: ...
@overload
def clip(x: SignalTensor, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> SignalTensor: ...
@overload
def clip(x: Operand | Nested, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
@overload
def compressor(
    x: AnySignal,
    threshold_db: Operand = -20.0,
    ratio: Operand = 4.0,
    attack_ms: Operand = 10.0,
    release_ms: Operand = 100.0,
    knee_db: Operand = 6.0,
    makeup_db: Operand = 0.0,
) -> AnySignal: ...
@overload
def compressor(
    x: Scalar | Signal,
    threshold_db: Scalar | Signal = -20.0,
    ratio: Scalar | Signal = 4.0,
    attack_ms: Scalar | Signal = 10.0,
    release_ms: Scalar | Signal = 100.0,
    knee_db: Scalar | Signal = 6.0,
    makeup_db: Scalar | Signal = 0.0,
) -> Signal: ...
@overload
def compressor(
    x: SignalTensor,
    threshold_db: Operand = -20.0,
    ratio: Operand = 4.0,
    attack_ms: Operand = 10.0,
    release_ms: Operand = 100.0,
    knee_db: Operand = 6.0,
    makeup_db: Operand = 0.0,
) -> SignalTensor: ...
@overload
def compressor(
    x: Operand,
    threshold_db: Operand = -20.0,
    ratio: Operand = 4.0,
    attack_ms: Operand = 10.0,
    release_ms: Operand = 100.0,
    knee_db: Operand = 6.0,
    makeup_db: Operand = 0.0,
) -> AnySignal: ...
@overload
def concat(xs: Sequence[Fixed], axis: int = 0) -> Tensor: ...
@overload
def concat(xs: Sequence[AnySignal], axis: int = 0) -> AnySignal: ...
@overload
def concat(xs: Sequence[Scalar | Signal], axis: int) -> AnySignal: ...
@overload
def concat(xs: Sequence[Scalar | Signal], axis: int = 0) -> Signal: ...
@overload
def concat(xs: Sequence[SignalTensor], axis: int = 0) -> SignalTensor: ...
@overload
def concat(xs: Sequence[Operand], axis: int = 0) -> AnySignal: ...
@overload
def conv1d(
    x: Fixed | Nested, kernel: Fixed | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid"
) -> Tensor: ...
@overload
def conv1d(
    x: AnySignal, kernel: Operand | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid"
) -> AnySignal: ...
@overload
def conv1d(x: Scalar | Signal, kernel: AnySignal, stride: int, padding: Literal["valid", "same"]) -> AnySignal: ...
@overload
def conv1d(
    x: Scalar | Signal, kernel: Scalar | Signal, stride: int = 1, padding: Literal["valid", "same"] = "valid"
) -> Signal: ...
@overload
def conv1d(
    x: SignalTensor, kernel: Operand | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid"
) -> SignalTensor: ...
@overload
def conv1d(
    x: Operand | Nested, kernel: Operand | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid"
) -> AnySignal: ...
@overload
def conv2d(
    x: Fixed | Nested, kernel: Fixed | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
) -> Tensor: ...
@overload
def conv2d(
    x: AnySignal, kernel: Operand | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
) -> AnySignal: ...
@overload
def conv2d(
    x: Scalar | Signal, kernel: AnySignal, stride: int | Sequence[int], padding: Literal["valid", "same"]
) -> AnySignal: ...
@overload
def conv2d(
    x: Scalar | Signal, kernel: Scalar | Signal, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
) -> Signal: ...
@overload
def conv2d(
    x: SignalTensor, kernel: Operand | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
) -> SignalTensor: ...
@overload
def conv2d(
    x: Operand | Nested, kernel: Operand | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
) -> AnySignal: ...
def cos(x: V) -> V: ...
def cosh(x: V) -> V: ...
def cumsum(x: V, axis: int = -1) -> V: ...
def db_to_gain(gain_db: V) -> V: ...
@overload
def delay(x: AnySignal, frames: Operand, max_delay: float | None = None, min_delay: float = 0.0) -> AnySignal: ...
@overload
def delay(x: Scalar | Signal, frames: AnySignal, max_delay: float | None, min_delay: float) -> AnySignal: ...
@overload
def delay(x: Scalar | Signal, frames: Scalar | Signal, max_delay: float | None = None, min_delay: float = 0.0) -> Signal: ...
@overload
def delay(x: SignalTensor, frames: Operand, max_delay: float | None = None, min_delay: float = 0.0) -> SignalTensor: ...
@overload
def delay(x: Operand, frames: Operand, max_delay: float | None = None, min_delay: float = 0.0) -> AnySignal: ...
@overload
def delta(x: AnySignal) -> AnySignal: ...
@overload
def delta(x: Signal) -> Signal: ...
@overload
def delta(x: SignalTensor) -> SignalTensor: ...
@overload
def delta(x: Lazy) -> AnySignal: ...
def detach(x: V) -> V: ...
def downsample(x: V, hop: int) -> V: ...
@overload
def einsum(subscripts: str, *xs: Fixed | Nested) -> Tensor: ...
@overload
def einsum(subscripts: str, *xs: Operand | Nested) -> AnySignal: ...
@overload
def einsum(subscripts: str, *xs: AnySignal) -> AnySignal: ...
@overload
def einsum(subscripts: str, *xs: Scalar | Signal) -> Signal: ...
@overload
def einsum(subscripts: str, *xs: Operand | Nested) -> SignalTensor: ...
@overload
def einsum(subscripts: str, *xs: Operand | Nested) -> AnySignal: ...
def exp(x: V) -> V: ...
@overload
def exp_sigmoid(x: Fixed, exponent: Fixed = 10.0, max_value: Fixed = 2.0, threshold: Fixed = 1e-07) -> Tensor: ...
@overload
def exp_sigmoid(x: AnySignal, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07) -> AnySignal: ...
@overload
def exp_sigmoid(
    x: Scalar | Signal, exponent: Scalar | Signal = 10.0, max_value: Scalar | Signal = 2.0, threshold: Scalar | Signal = 1e-07
) -> Signal: ...
@overload
def exp_sigmoid(
    x: SignalTensor, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
) -> SignalTensor: ...
@overload
def exp_sigmoid(x: Operand, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07) -> AnySignal: ...
def fir(x: Operand, taps: Operand | Nested) -> AnySignal: ...
@overload
def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def flip(x: Signal | SignalTensor, axis: None = None) -> Signal: ...
@overload
def flip(x: Signal | SignalTensor, axis: int | Sequence[int]) -> AnySignal: ...
def floor(x: V) -> V: ...
@overload
def floor_divide(x: Fixed | Nested, y: Fixed | Nested) -> Tensor: ...
@overload
def floor_divide(x: AnySignal, y: Operand | Nested) -> AnySignal: ...
@overload
def floor_divide(x: Scalar | Signal, y: AnySignal) -> AnySignal: ...
@overload
def floor_divide(x: Scalar | Signal, y: Scalar | Signal) -> Signal: ...
@overload
def floor_divide(x: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
@overload
def floor_divide(x: Operand | Nested, y: Operand | Nested) -> AnySignal: ...
def gain_to_db(gain: V) -> V: ...
def gelu(x: V) -> V: ...
@overload
def history(x: AnySignal, init: Operand = 0.0) -> AnySignal: ...
@overload
def history(x: Scalar | Signal, init: AnySignal) -> AnySignal: ...
@overload
def history(x: Scalar | Signal, init: Scalar | Signal = 0.0) -> Signal: ...
@overload
def history(x: SignalTensor, init: Operand = 0.0) -> SignalTensor: ...
@overload
def history(x: Operand, init: Operand = 0.0) -> AnySignal: ...
def hz_to_midi(freq: V) -> V: ...
@overload
def inverse_exp_sigmoid(y: Fixed, exponent: Fixed = 10.0, max_value: Fixed = 2.0, threshold: Fixed = 1e-07) -> Tensor: ...
@overload
def inverse_exp_sigmoid(
    y: AnySignal, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
) -> AnySignal: ...
@overload
def inverse_exp_sigmoid(
    y: Scalar | Signal, exponent: Scalar | Signal = 10.0, max_value: Scalar | Signal = 2.0, threshold: Scalar | Signal = 1e-07
) -> Signal: ...
@overload
def inverse_exp_sigmoid(
    y: SignalTensor, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
) -> SignalTensor: ...
@overload
def inverse_exp_sigmoid(
    y: Operand, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
) -> AnySignal: ...
@overload
def irfft(re: Fixed, im: Fixed = 0.0, size: int | None = None) -> Tensor: ...
@overload
def irfft(re: AnySignal, im: Operand = 0.0, size: int | None = None) -> AnySignal: ...
@overload
def irfft(re: Scalar | Signal, im: AnySignal, size: int | None) -> AnySignal: ...
@overload
def irfft(re: Scalar | Signal, im: Scalar | Signal = 0.0, size: int | None = None) -> Signal: ...
@overload
def irfft(re: SignalTensor, im: Operand = 0.0, size: int | None = None) -> SignalTensor: ...
@overload
def irfft(re: Operand, im: Operand = 0.0, size: int | None = None) -> AnySignal: ...
def isfinite(x: V) -> V: ...
@overload
def ladder(x: AnySignal, cutoff: Operand, resonance: Operand = 0.0, drive: Operand = 1.0) -> AnySignal: ...
@overload
def ladder(
    x: Scalar | Signal, cutoff: Scalar | Signal, resonance: Scalar | Signal = 0.0, drive: Scalar | Signal = 1.0
) -> Signal: ...
@overload
def ladder(x: SignalTensor, cutoff: Operand, resonance: Operand = 0.0, drive: Operand = 1.0) -> SignalTensor: ...
@overload
def ladder(x: Operand, cutoff: Operand, resonance: Operand = 0.0, drive: Operand = 1.0) -> AnySignal: ...
@overload
def latch(x: AnySignal, trigger: Operand) -> AnySignal: ...
@overload
def latch(x: Scalar | Signal, trigger: AnySignal) -> AnySignal: ...
@overload
def latch(x: Scalar | Signal, trigger: Scalar | Signal) -> Signal: ...
@overload
def latch(x: SignalTensor, trigger: Operand) -> SignalTensor: ...
@overload
def latch(x: Operand, trigger: Operand) -> AnySignal: ...
@overload
def leaky_relu(x: Fixed, slope: Fixed = 0.01) -> Tensor: ...
@overload
def leaky_relu(x: AnySignal, slope: Operand = 0.01) -> AnySignal: ...
@overload
def leaky_relu(x: Scalar | Signal, slope: AnySignal) -> AnySignal: ...
@overload
def leaky_relu(x: Scalar | Signal, slope: Scalar | Signal = 0.01) -> Signal: ...
@overload
def leaky_relu(x: SignalTensor, slope: Operand = 0.01) -> SignalTensor: ...
@overload
def leaky_relu(x: Operand, slope: Operand = 0.01) -> AnySignal: ...
def lfilter(x: Operand, b: Operand | Nested, a: Operand | Nested) -> AnySignal: ...
def log(x: V) -> V: ...
def log10(x: V) -> V: ...
def log_softmax(x: V, axis: int = -1) -> V: ...
@overload
def matmul(x: Fixed | Nested, y: Fixed | Nested) -> Tensor: ...
@overload
def matmul(x: Operand | Nested, y: Operand | Nested) -> AnySignal: ...
@overload
def max(x: Fixed | Nested, y: Fixed, axis: None = None) -> Tensor: ...
@overload
def max(x: AnySignal, y: Operand, axis: None = None) -> AnySignal: ...
@overload
def max(x: Scalar | Signal, y: AnySignal, axis: None = None) -> AnySignal: ...
@overload
def max(x: Scalar | Signal, y: Scalar | Signal, axis: None = None) -> Signal: ...
@overload
def max(x: SignalTensor, y: Operand, axis: None = None) -> SignalTensor: ...
@overload
def max(x: Operand | Nested, y: Operand, axis: None = None) -> AnySignal: ...
@overload
def max(x: Tensor, y: None = None, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def max(x: Signal | SignalTensor, y: None = None, axis: None = None) -> Signal: ...
@overload
def max(x: Signal | SignalTensor, y: None = None, *, axis: int | Sequence[int]) -> AnySignal: ...
@overload
def mean(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def mean(x: Signal | SignalTensor, axis: None = None) -> Signal: ...
@overload
def mean(x: Signal | SignalTensor, axis: int | Sequence[int]) -> AnySignal: ...
def midi_to_hz(midi: V) -> V: ...
@overload
def min(x: Fixed | Nested, y: Fixed, axis: None = None) -> Tensor: ...
@overload
def min(x: AnySignal, y: Operand, axis: None = None) -> AnySignal: ...
@overload
def min(x: Scalar | Signal, y: AnySignal, axis: None = None) -> AnySignal: ...
@overload
def min(x: Scalar | Signal, y: Scalar | Signal, axis: None = None) -> Signal: ...
@overload
def min(x: SignalTensor, y: Operand, axis: None = None) -> SignalTensor: ...
@overload
def min(x: Operand | Nested, y: Operand, axis: None = None) -> AnySignal: ...
@overload
def min(x: Tensor, y: None = None, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def min(x: Signal | SignalTensor, y: None = None, axis: None = None) -> Signal: ...
@overload
def min(x: Signal | SignalTensor, y: None = None, *, axis: int | Sequence[int]) -> AnySignal: ...
@overload
def mod(x: Fixed | Nested, y: Fixed | Nested) -> Tensor: ...
@overload
def mod(x: AnySignal, y: Operand | Nested) -> AnySignal: ...
@overload
def mod(x: Scalar | Signal, y: AnySignal) -> AnySignal: ...
@overload
def mod(x: Scalar | Signal, y: Scalar | Signal) -> Signal: ...
@overload
def mod(x: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
@overload
def mod(x: Operand | Nested, y: Operand | Nested) -> AnySignal: ...
@overload
def mse(pred: Fixed | Nested, target: Fixed | Nested) -> Tensor: ...
@overload
def mse(pred: Operand | Nested, target: Operand | Nested) -> Signal: ...
@overload
def onepole(x: AnySignal, cutoff: Operand) -> AnySignal: ...
@overload
def onepole(x: Scalar | Signal, cutoff: AnySignal) -> AnySignal: ...
@overload
def onepole(x: Scalar | Signal, cutoff: Scalar | Signal) -> Signal: ...
@overload
def onepole(x: SignalTensor, cutoff: Operand) -> SignalTensor: ...
@overload
def onepole(x: Operand, cutoff: Operand) -> AnySignal: ...
@overload
def overlap_add(w: Tensor, align: Literal["centre", "start", "end"] | int = "centre") -> Tensor: ...
@overload
def overlap_add(w: Lazy, align: Literal["centre", "start", "end"] | int = "centre") -> AnySignal: ...
@overload
def peek_row(x: Fixed | Nested, index: Fixed | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> Tensor: ...
@overload
def peek_row(x: AnySignal, index: Operand | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> AnySignal: ...
@overload
def peek_row(x: Scalar | Signal, index: AnySignal, mode: Literal["clamp", "wrap"]) -> AnySignal: ...
@overload
def peek_row(x: Scalar | Signal, index: Scalar | Signal, mode: Literal["clamp", "wrap"] = "clamp") -> Signal: ...
@overload
def peek_row(x: SignalTensor, index: Operand | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> SignalTensor: ...
@overload
def peek_row(x: Operand | Nested, index: Operand | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> AnySignal: ...
@overload
def pow(x: Fixed | Nested, y: Fixed | Nested) -> Tensor: ...
@overload
def pow(x: AnySignal, y: Operand | Nested) -> AnySignal: ...
@overload
def pow(x: Scalar | Signal, y: AnySignal) -> AnySignal: ...
@overload
def pow(x: Scalar | Signal, y: Scalar | Signal) -> Signal: ...
@overload
def pow(x: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
@overload
def pow(x: Operand | Nested, y: Operand | Nested) -> AnySignal: ...
@overload
def read(table: AnySignal, speed: Operand, start: Operand = 0.0, loop: bool = True) -> AnySignal: ...
@overload
def read(table: Scalar | Signal, speed: Scalar | Signal, start: Scalar | Signal = 0.0, loop: bool = True) -> Signal: ...
@overload
def read(table: SignalTensor, speed: Operand, start: Operand = 0.0, loop: bool = True) -> SignalTensor: ...
@overload
def read(table: Operand, speed: Operand, start: Operand = 0.0, loop: bool = True) -> AnySignal: ...
def relu(x: V) -> V: ...
@overload
def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor: ...
@overload
def reshape(x: Lazy, shape: int | Sequence[int]) -> AnySignal: ...
def rfft(x: V, size: int | None = None) -> tuple[V, V]: ...
def round(x: V) -> V: ...
def sigmoid(x: V) -> V: ...
def sign(x: V) -> V: ...
def sin(x: V) -> V: ...
def sinh(x: V) -> V: ...
@overload
def smooth(x: AnySignal, time_ms: Operand = 20.0) -> AnySignal: ...
@overload
def smooth(x: Scalar | Signal, time_ms: AnySignal) -> AnySignal: ...
@overload
def smooth(x: Scalar | Signal, time_ms: Scalar | Signal = 20.0) -> Signal: ...
@overload
def smooth(x: SignalTensor, time_ms: Operand = 20.0) -> SignalTensor: ...
@overload
def smooth(x: Operand, time_ms: Operand = 20.0) -> AnySignal: ...
def softmax(x: V, axis: int = -1) -> V: ...
def softplus(x: V) -> V: ...
def softsign(x: V) -> V: ...
def sosfilt(x: Operand, sos: Operand | Nested) -> AnySignal: ...
def sqrt(x: V) -> V: ...
@overload
def stack(xs: Sequence[Fixed], axis: int = 0) -> Tensor: ...
@overload
def stack(xs: Sequence[Operand], axis: int = 0) -> AnySignal: ...
def stft(
    x: Lazy, size: int = 1024, hop: int | None = None, align: Literal["centre", "start", "end"] | int = "centre"
) -> Spectrum: ...
@overload
def sum(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor: ...
@overload
def sum(x: Signal | SignalTensor, axis: None = None) -> Signal: ...
@overload
def sum(x: Signal | SignalTensor, axis: int | Sequence[int]) -> AnySignal: ...
@overload
def svf(
    x: AnySignal,
    cutoff: Operand,
    q: Operand = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
) -> AnySignal: ...
@overload
def svf(
    x: Scalar | Signal,
    cutoff: Scalar | Signal,
    q: Scalar | Signal = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
) -> Signal: ...
@overload
def svf(
    x: SignalTensor,
    cutoff: Operand,
    q: Operand = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
) -> SignalTensor: ...
@overload
def svf(
    x: Operand,
    cutoff: Operand,
    q: Operand = 0.7071,
    mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
) -> AnySignal: ...
def tan(x: V) -> V: ...
def tanh(x: V) -> V: ...
def transpose(x: V, axes: Sequence[int] | None = None) -> V: ...
def upsample(x: V, method: Literal["hold", "linear", "window", "cubic", "cubic-ddsp"] = "linear") -> V: ...
@overload
def where(condition: Fixed | Nested, x: Fixed | Nested, y: Fixed | Nested) -> Tensor: ...
@overload
def where(condition: AnySignal, x: Operand | Nested, y: Operand | Nested) -> AnySignal: ...
@overload
def where(condition: Scalar | Signal, x: Scalar | Signal, y: Scalar | Signal) -> Signal: ...
@overload
def where(condition: SignalTensor, x: Operand | Nested, y: Operand | Nested) -> SignalTensor: ...
@overload
def where(condition: Operand | Nested, x: Operand | Nested, y: Operand | Nested) -> AnySignal: ...
def windows(x: Lazy, size: int, hop: int, align: Literal["centre", "start", "end"] | int = "centre") -> AnySignal: ...
@overload
def fm(carrier: AnySignal, ratio: Operand, index: Operand) -> AnySignal: ...
@overload
def fm(carrier: Scalar | Signal, ratio: Scalar | Signal, index: Scalar | Signal) -> Signal: ...
@overload
def fm(carrier: SignalTensor, ratio: Operand, index: Operand) -> SignalTensor: ...
@overload
def fm(carrier: Operand, ratio: Operand, index: Operand) -> AnySignal: ...
def harmonic(f0: Operand, amps: Operand | Nested, shifts: Operand | Nested | None = None) -> AnySignal: ...
@overload
def lfo(
    freq: AnySignal,
    shape: Literal["sine", "triangle", "saw", "falling", "square"] = "sine",
    low: Operand = -1.0,
    high: Operand = 1.0,
) -> AnySignal: ...
@overload
def lfo(
    freq: Scalar | Signal,
    shape: Literal["sine", "triangle", "saw", "falling", "square"] = "sine",
    low: Scalar | Signal = -1.0,
    high: Scalar | Signal = 1.0,
) -> Signal: ...
@overload
def lfo(
    freq: SignalTensor,
    shape: Literal["sine", "triangle", "saw", "falling", "square"] = "sine",
    low: Operand = -1.0,
    high: Operand = 1.0,
) -> SignalTensor: ...
@overload
def lfo(
    freq: Operand,
    shape: Literal["sine", "triangle", "saw", "falling", "square"] = "sine",
    low: Operand = -1.0,
    high: Operand = 1.0,
) -> AnySignal: ...
@overload
def normalize_harmonics(dist: Fixed | Nested, f0: Fixed) -> Tensor: ...
@overload
def normalize_harmonics(dist: AnySignal, f0: Operand) -> AnySignal: ...
@overload
def normalize_harmonics(dist: Scalar | Signal, f0: Scalar | Signal) -> Signal: ...
@overload
def normalize_harmonics(dist: SignalTensor, f0: Operand) -> SignalTensor: ...
@overload
def normalize_harmonics(dist: Operand | Nested, f0: Operand) -> AnySignal: ...
@overload
def notes(
    midi: AnySignal, start: Operand | Nested, duration: Operand | Nested, velocity: Operand | Nested = 1.0
) -> tuple[AnySignal, AnySignal, AnySignal]: ...
@overload
def notes(
    midi: Scalar | Signal, start: Scalar | Signal, duration: Scalar | Signal, velocity: Scalar | Signal = 1.0
) -> tuple[Signal, Signal, Signal]: ...
@overload
def notes(
    midi: SignalTensor, start: Operand | Nested, duration: Operand | Nested, velocity: Operand | Nested = 1.0
) -> tuple[SignalTensor, SignalTensor, SignalTensor]: ...
@overload
def notes(
    midi: Operand | Nested, start: Operand | Nested, duration: Operand | Nested, velocity: Operand | Nested = 1.0
) -> tuple[AnySignal, AnySignal, AnySignal]: ...
def oscillator_bank(freqs: Operand | Nested, amps: Operand | Nested, sum: bool = True) -> AnySignal: ...
@overload
def pulse(freq: AnySignal, width: Operand = 0.5) -> AnySignal: ...
@overload
def pulse(freq: Scalar | Signal, width: Scalar | Signal = 0.5) -> Signal: ...
@overload
def pulse(freq: SignalTensor, width: Operand = 0.5) -> SignalTensor: ...
@overload
def pulse(freq: Operand, width: Operand = 0.5) -> AnySignal: ...
@overload
def saw(freq: AnySignal) -> AnySignal: ...
@overload
def saw(freq: Scalar | Signal) -> Signal: ...
@overload
def saw(freq: SignalTensor) -> SignalTensor: ...
@overload
def saw(freq: Operand) -> AnySignal: ...
@overload
def sequence(values: AnySignal, times: Operand | Nested) -> AnySignal: ...
@overload
def sequence(values: Scalar | Signal, times: Scalar | Signal) -> Signal: ...
@overload
def sequence(values: SignalTensor, times: Operand | Nested) -> SignalTensor: ...
@overload
def sequence(values: Operand | Nested, times: Operand | Nested) -> AnySignal: ...
@overload
def square(freq: AnySignal) -> AnySignal: ...
@overload
def square(freq: Scalar | Signal) -> Signal: ...
@overload
def square(freq: SignalTensor) -> SignalTensor: ...
@overload
def square(freq: Operand) -> AnySignal: ...
@overload
def triangle(freq: AnySignal) -> AnySignal: ...
@overload
def triangle(freq: Scalar | Signal) -> Signal: ...
@overload
def triangle(freq: SignalTensor) -> SignalTensor: ...
@overload
def triangle(freq: Operand) -> AnySignal: ...
def wavetable(table: Operand | Nested, freq: Operand) -> AnySignal: ...

__all__ = [
    "SGD",
    "Adam",
    "ArgumentError",
    "ArtifactError",
    "AxisError",
    "BackendError",
    "DGen",
    "DGenError",
    "FileError",
    "Fit",
    "GradCheck",
    "Health",
    "InputError",
    "MissingFileError",
    "Multistart",
    "NativePlayer",
    "Optimizer",
    "OutOfMemoryError",
    "Player",
    "ReadError",
    "ShapeError",
    "Signal",
    "SignalTensor",
    "Spectrum",
    "Tensor",
    "accum",
    "adsr",
    "allpass",
    "atan2",
    "audio",
    "backward",
    "biquad",
    "ceil",
    "change",
    "check_grads",
    "chorus",
    "clamp",
    "clip",
    "collect",
    "comb",
    "compressor",
    "concat",
    "conv1d",
    "conv2d",
    "convolve",
    "cos",
    "cosh",
    "crossover",
    "cumsum",
    "db_to_gain",
    "dc_loss",
    "delay",
    "delta",
    "detach",
    "display",
    "downsample",
    "einsum",
    "equalizer",
    "esr",
    "exp",
    "exp_sigmoid",
    "expander",
    "export",
    "fdn",
    "features",
    "feedback",
    "filtered_noise",
    "fir",
    "fit",
    "flanger",
    "flip",
    "floor",
    "floor_divide",
    "fm",
    "from_jax",
    "function",
    "gain_to_db",
    "gate",
    "gelu",
    "gru",
    "harmonic",
    "health",
    "history",
    "hz_to_midi",
    "inverse_exp_sigmoid",
    "irfft",
    "isfinite",
    "karplus_strong",
    "ladder",
    "latch",
    "leaky_relu",
    "lfilter",
    "lfo",
    "limiter",
    "linear",
    "load",
    "load_params",
    "load_state",
    "log",
    "log10",
    "log_cosh",
    "log_softmax",
    "log_spectral_distance",
    "loudness_loss",
    "matmul",
    "mean",
    "mel_stft_loss",
    "midi_to_hz",
    "mod",
    "mse",
    "multi_resolution_stft_loss",
    "multi_scale_spectral_loss",
    "multistart",
    "normalize_harmonics",
    "notes",
    "onepole",
    "oscillator_bank",
    "overlap_add",
    "pan",
    "peek_row",
    "phaser",
    "pulse",
    "read",
    "realize",
    "relu",
    "reset",
    "reshape",
    "reverb",
    "rfft",
    "sample_rate",
    "save_params",
    "save_state",
    "saw",
    "sd_sdr",
    "sequence",
    "si_sdr",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "smooth",
    "snr",
    "softmax",
    "softplus",
    "softsign",
    "sosfilt",
    "spectral_loss",
    "spectral_transport",
    "sqrt",
    "square",
    "stack",
    "stft",
    "stft_loss",
    "sum_and_difference_stft_loss",
    "svf",
    "tan",
    "tanh",
    "transpose",
    "triangle",
    "upsample",
    "vibrato",
    "waveshape",
    "wavetable",
    "where",
    "windows",
]

def __dir__() -> list[str]: ...
