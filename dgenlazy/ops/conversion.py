"""Between the units of the ear and those of signals, and from what a network gives to what a synthesizer takes."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ..graph import pointwise
from . import slopes

_PER_DB = float(np.log(10) / 20)


@pointwise
def midi_to_hz(midi):
    """Frequency in Hz of a MIDI note number, whole or not: 440 Hz at 69, twice as much every 12.

    Source: MIDI Tuning Standard.

    >>> dg.midi_to_hz(Tensor([69.0, 81.0])).realize()
    array([440., 880.], dtype=float32)
    """
    return 440.0 * jnp.exp2((midi - 69.0) / 12.0)


@pointwise
def hz_to_midi(freq):
    """MIDI note number of a frequency in Hz. 0, and without a gradient, at 0 Hz and below, as in magenta/ddsp.

    >>> dg.hz_to_midi(Tensor([440.0, 880.0, 0.0])).realize()
    array([69., 81.,  0.], dtype=float32)
    """
    sounds = (freq > 0) | jnp.isnan(freq)
    return jnp.where(sounds, 69.0 + 12.0 * jnp.log2(jnp.where(sounds, freq, 440.0) / 440.0), 0.0)


@pointwise
def db_to_gain(gain_db):
    """Factor of an amplitude for a gain in decibels: 1 at 0 dB, 10 at 20 dB, 0 at -inf.

    >>> dg.db_to_gain(Tensor([0.0, 20.0, -20.0])).realize()
    array([ 1. , 10. ,  0.1], dtype=float32)
    """
    return jnp.exp(gain_db * _PER_DB)


@pointwise
def gain_to_db(gain):
    """Decibels of a factor of amplitudes, `20 log10(gain)`: -inf at 0, NaN below. The gradient at 0 is 8.5e37.

    >>> dg.gain_to_db(Tensor([1.0, 10.0])).realize()
    array([ 0., 20.], dtype=float32)
    """
    return slopes.logarithm(gain, lambda x: 20.0 * jnp.log10(x))


@pointwise
def exp_sigmoid(x, exponent=10.0, max_value=2.0, threshold=1e-7):
    """`max_value * sigmoid(x) ** ln(exponent) + threshold`: what a network gives, as amplitudes, which are above 0.

    Args:
        x: Any numbers, any shape.
        exponent: Above 1; how steep it falls towards -inf: by a factor of `exponent` where `x` falls by 1.
        max_value: The limit towards inf, less the threshold; above 0.
        threshold: The limit towards -inf.

    Source: Engel et al., DDSP: Differentiable Digital Signal Processing.

    >>> dg.exp_sigmoid(Tensor([0.0, 1.0, 100.0])).realize()
    array([0.4053992, 0.9722285, 2.0000002], dtype=float32)
    """
    return max_value * jnp.exp(-jnp.log(exponent) * jnp.logaddexp(-x, 0.0)) + threshold


@pointwise
def inverse_exp_sigmoid(y, exponent=10.0, max_value=2.0, threshold=1e-7):
    """What `exp_sigmoid` makes `y` of, to begin from known amplitudes.

    -inf at `threshold`, inf at `max_value + threshold`, and NaN outside of the two.

    >>> dg.inverse_exp_sigmoid(dg.exp_sigmoid(Tensor([-3.0, 1.0]))).realize()
    array([-3.,  1.], dtype=float32)
    """
    share = slopes.logarithm((y - threshold) / max_value) / jnp.log(exponent)
    return share - slopes.logarithm(-jnp.expm1(share))
