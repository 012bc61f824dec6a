"""dgenlazy: a lazy frontend on JAX for tensors, audio signals and differentiable DSP.

Values (`Tensor`, `Signal`, `SignalTensor`) build a graph; `realize` stages it into one pure JAX function over a block of
frames; `backward` differentiates that function; `Adam` and `SGD` step what is learned.
"""

from . import audio as audio, display as display
from .config import DGen as DGen
from .errors import (
    ArgumentError as ArgumentError,
    ArtifactError as ArtifactError,
    AxisError as AxisError,
    BackendError as BackendError,
    DGenError as DGenError,
    InputError as InputError,
    ShapeError as ShapeError,
)
from .export import export as export
from .foreign import from_jax as from_jax
from .function import function as function
from .lazy import (
    backward as backward,
    load_state as load_state,
    realize as realize,
    reset as reset,
    save_state as save_state,
)
from .ops.dynamics import adsr as adsr, compressor as compressor, smooth as smooth
from .ops.filter import biquad as biquad, lfilter as lfilter, onepole as onepole, sosfilt as sosfilt
from .ops.index import peek_row as peek_row, where as where
from .ops.loss import mse as mse
from .ops.math import (
    abs as abs,
    atan2 as atan2,
    ceil as ceil,
    clamp as clamp,
    cos as cos,
    exp as exp,
    floor as floor,
    log as log,
    log10 as log10,
    mod as mod,
    pow as pow,
    relu as relu,
    round as round,
    sigmoid as sigmoid,
    sign as sign,
    sin as sin,
    sqrt as sqrt,
    tan as tan,
    tanh as tanh,
)
from .ops.resonator import ladder as ladder, svf as svf
from .ops.signal import (
    accum as accum,
    change as change,
    delay as delay,
    delta as delta,
    history as history,
    latch as latch,
)
from .ops.spectral import spectral_loss as spectral_loss
from .ops.tensor import (
    concat as concat,
    conv1d as conv1d,
    conv2d as conv2d,
    cumsum as cumsum,
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
from .optim import SGD as SGD, Adam as Adam, Optimizer as Optimizer
from .player import Player as Player, load as load
from .reverb import allpass as allpass, comb as comb, fdn as fdn, karplus_strong as karplus_strong
from .values import Signal as Signal, SignalTensor as SignalTensor, Tensor as Tensor, feedback as feedback
from .version import __version__ as __version__

# What `from dgenlazy import *` brings: not abs, max, min, pow, round and sum, which would stand in the way of Python's own.
__all__ = [
    "SGD",
    "Adam",
    "ArgumentError",
    "ArtifactError",
    "AxisError",
    "BackendError",
    "DGen",
    "DGenError",
    "InputError",
    "Optimizer",
    "Player",
    "ShapeError",
    "Signal",
    "SignalTensor",
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
    "clamp",
    "comb",
    "compressor",
    "concat",
    "conv1d",
    "conv2d",
    "cos",
    "cumsum",
    "delay",
    "delta",
    "display",
    "exp",
    "export",
    "fdn",
    "feedback",
    "floor",
    "from_jax",
    "function",
    "history",
    "karplus_strong",
    "ladder",
    "latch",
    "lfilter",
    "load",
    "load_state",
    "log",
    "log10",
    "log_softmax",
    "matmul",
    "mean",
    "mod",
    "mse",
    "onepole",
    "peek_row",
    "realize",
    "relu",
    "reset",
    "reshape",
    "save_state",
    "sigmoid",
    "sign",
    "sin",
    "smooth",
    "softmax",
    "sosfilt",
    "spectral_loss",
    "sqrt",
    "stack",
    "svf",
    "tan",
    "tanh",
    "transpose",
    "where",
]
