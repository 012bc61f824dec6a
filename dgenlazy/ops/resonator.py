"""Resonant filters of synthesizers, made to be swept: their states are what the circuits hold, whatever the cutoff does."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..graph import lift
from ..op import composite, outputs_of, pointwise, recurrence, zeros
from .filter import LEAST_Q, above, half_angle

MODES = ("lowpass", "highpass", "bandpass", "notch", "peak", "allpass")


@pointwise
def svf_coefficients(cutoff, q, *, sample_rate):
    sin, cos = half_angle(cutoff, sample_rate)
    g, k = sin / cos, 1 / above(q, LEAST_Q)
    return g, k, g / (1 + g * (g + k))


@recurrence(init=lambda *values, mode: (zeros(*values),) * 2)
def state_variable(state, x, g, k, a, *, mode):
    """Two trapezoidal integrators in a loop that is solved within the frame; `a` is `g / (1 + g (g + k))`.

    States and outputs are written as steps from the states before, which float32 holds also where the steps are small.
    """
    first, second = state
    rise = a * (x - second - (g + k) * first)
    band = first + rise
    low = second + g * band
    if mode == "lowpass":
        y = low
    elif mode == "highpass":
        y = x - k * band - low
    elif mode == "bandpass":
        y = k * band
    elif mode == "notch":
        y = x - k * band
    elif mode == "peak":
        y = 2 * low + k * band - x
    else:
        y = x - 2 * k * band
    return (band + rise, low + g * band), y


@composite
def svf(x: Any, cutoff: Any, q: Any = 0.7071, mode: str = "lowpass") -> Any:
    """State-variable filter, second order: the one to sweep, since it stays calm however fast the cutoff moves.

    It is the analog circuit with trapezoidal integrators, its loop without delay solved in each frame. With parameters
    that do not move it equals `biquad` of the same mode ("peak" apart).

    Args:
        x: Any shape.
        cutoff: Corner or centre frequency in Hz, kept inside (0, sample_rate / 2).
        q: Quality factor, kept above 0: 0.7071 is the flattest lowpass.
        mode: "lowpass", "highpass", "bandpass" (0 dB at its peak), "notch", "peak" (lowpass less highpass: a resonance
            of gain `2 q` between two plateaus of gain 1), "allpass".

    `cutoff` and `q` may be learned, and may vary per frame and per lane.

    Returns:
        The shape of `x`, `cutoff` and `q` broadcast.

    Raises:
        ArgumentError: an unknown mode. ShapeError: shapes that do not broadcast.

    >>> Signal.constant(1.0).svf(1000, q=0.5, mode="highpass").realize(2)
    array([0.87122476, 0.6391103 ], dtype=float32)

    Source: A. Simper, Linear Trapezoidal Integrated State Variable Filter With Low Noise Optimisation, Cytomic, 2013;
    V. Zavalishin, The Art of VA Filter Design, chapter 4.
    """
    if not (isinstance(mode, str) and mode in MODES):
        raise ArgumentError(f"svf: mode={mode!r} is not one of {', '.join(MODES)}")
    coefficients = outputs_of(svf_coefficients(lift(cutoff, "svf: cutoff"), lift(q, "svf: q")))
    return state_variable(lift(x, "svf: x"), *coefficients, mode=mode)
