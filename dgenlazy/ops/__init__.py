"""What one frame can compute: the ops, a module for each family."""

from . import (
    activation as activation,
    collection as collection,
    comparison as comparison,
    conversion as conversion,
    convolution as convolution,
    dynamics as dynamics,
    filter as filter,
    index as index,
    loss as loss,
    math as math,
    oscillator as oscillator,
    rate as rate,
    resonator as resonator,
    sampler as sampler,
    signal as signal,
    slopes as slopes,
    spectrum as spectrum,
    tensor as tensor,
    window as window,
)
from .activation import gelu as gelu, leaky_relu as leaky_relu, softplus as softplus, softsign as softsign
from .collection import FRAMES as FRAMES, collected as collected, frames_of as frames_of, laid_out as laid_out
from .comparison import isfinite as isfinite
from .conversion import (
    db_to_gain as db_to_gain,
    exp_sigmoid as exp_sigmoid,
    gain_to_db as gain_to_db,
    hz_to_midi as hz_to_midi,
    inverse_exp_sigmoid as inverse_exp_sigmoid,
    midi_to_hz as midi_to_hz,
)
from .convolution import finite as finite, fir as fir, good_size as good_size
from .dynamics import (
    adsr as adsr,
    amplified as amplified,
    ballistics as ballistics,
    compressor as compressor,
    seen as seen,
    share_per_frame as share_per_frame,
    smooth as smooth,
)
from .filter import (
    MODES as MODES,
    above as above,
    biquad as biquad,
    biquad_coefficients as biquad_coefficients,
    half_angle as half_angle,
    lfilter as lfilter,
    onepole as onepole,
    second_order as second_order,
    sosfilt as sosfilt,
)
from .fixed import added as added, made_once as made_once, times as times
from .index import Index as Index, detach as detach, getitem as getitem, peek_row as peek_row, where as where
from .loss import alike as alike, mse as mse
from .math import (
    abs as abs,
    add as add,
    atan2 as atan2,
    ceil as ceil,
    clamp as clamp,
    clip as clip,
    cos as cos,
    cosh as cosh,
    exp as exp,
    floor as floor,
    floor_divide as floor_divide,
    log as log,
    log10 as log10,
    mod as mod,
    mul as mul,
    pow as pow,
    relu as relu,
    round as round,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    sinh as sinh,
    sqrt as sqrt,
    sub as sub,
    tan as tan,
    tanh as tanh,
    tanh_of as tanh_of,
)
from .oscillator import (
    per_frame as per_frame,
    phasor as phasor,
    sine as sine,
    sine_and_cosine as sine_and_cosine,
    turned as turned,
    turning as turning,
    turns as turns,
)
from .rate import (
    clock as clock,
    downsample as downsample,
    hold as hold,
    late as late,
    resample as resample,
    sooner as sooner,
    upsample as upsample,
)
from .resonator import ladder as ladder, svf as svf
from .sampler import read as read, rows_between as rows_between
from .signal import (
    accum as accum,
    bounded as bounded,
    change as change,
    delay as delay,
    delay_line as delay_line,
    delta as delta,
    history as history,
    latch as latch,
    parted as parted,
    rolled as rolled,
    unrolled as unrolled,
)
from .slopes import (
    between as between,
    hypot as hypot,
    magnitude as magnitude,
    modulus as modulus,
    root as root,
    within as within,
)
from .spectrum import (
    Spectrum as Spectrum,
    irfft as irfft,
    rfft as rfft,
    short_time as short_time,
    spectrum_of as spectrum_of,
    stft as stft,
)
from .tensor import (
    concat as concat,
    conv1d as conv1d,
    conv2d as conv2d,
    cumsum as cumsum,
    einsum as einsum,
    flip as flip,
    log_softmax as log_softmax,
    matmul as matmul,
    max as max,
    mean as mean,
    min as min,
    reshape as reshape,
    softmax as softmax,
    stack as stack,
    sum as sum,
    transpose as transpose,
)
from .window import (
    framed as framed,
    hann as hann,
    laid_together as laid_together,
    overlap_add as overlap_add,
    padded as padded,
    windows as windows,
    windows_of as windows_of,
)
