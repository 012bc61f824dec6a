"""Resonant filters of synthesizers, made to be swept: their states are what the circuits hold, whatever the cutoff does."""

from __future__ import annotations

from typing import Any, Literal, get_args

from ..errors import ArgumentError
from ..graph import composite, lift, outputs_of, pointwise, recurrence, zeros
from .filter import LEAST_Q, above, half_angle, half_tangent
from .math import tanh_of
from .slopes import within

Mode = Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"]
MODES = get_args(Mode)


@pointwise
def svf_coefficients(cutoff, q, *, sample_rate):
    g, k = half_tangent(cutoff, sample_rate), 1 / above(q, LEAST_Q)
    b = 1 / (1 + g * (g + k))
    return g, k, g * b, b


@recurrence(init=lambda *values, mode: (zeros(*values),) * 2, rises=lambda x, g, k, a, b, *, mode: 2 * g * (1 + k))
def state_variable(state, x, g, k, a, b, *, mode):
    """Two trapezoidal integrators in a loop that is solved within the frame; `b` is `1 / (1 + g (g + k))`, `a` is `g b`.

    States are written as steps from the states before, which float32 holds also where the steps are small. The band is
    not: towards Nyquist it is the small difference of a state and its step, and what that loses, `g` makes large.
    """
    first, second = state
    push = a * (x - second)
    rise = push - a * (g + k) * first
    band = push + b * first
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
    return (2 * rise, 2 * g * band), y


@composite
def svf(x: Any, cutoff: Any, q: Any = 0.7071, mode: Mode = "lowpass") -> Any:
    """State-variable filter, second order: the one to sweep, since it stays calm however fast the cutoff moves.

    It is the analog circuit with trapezoidal integrators, its loop without delay solved in each frame. With parameters
    that do not move it equals `biquad` of the same mode ("peak" apart), and is exact in the same range of cutoffs.

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


@pointwise
def ladder_coefficients(cutoff, resonance, drive, *, sample_rate):
    """Share of each pole, gain of the feedback, and the drive.

    With a pole of `y += g (x - y)` four times over and an output fed back one frame late, the phase of the loop is a
    half turn at `cutoff` for `g = 2 s / (1 + 2 s)`, s = sin(pi cutoff / sample_rate), where its gain is 1 for a
    feedback of `4 (1 + s)**2`. Both are exact; for low cutoffs they are those of the circuit, `2 s` and 4.
    """
    s, _ = half_angle(cutoff, sample_rate)
    return 2 * s / (1 + 2 * s), within(resonance, 0.0, 1.1) * 4 * (1 + s) ** 2, above(drive, 1e-3)


@recurrence(init=lambda *values: (zeros(*values),) * 4)
def ladder_poles(state, x, g, feedback, drive, *, parallel):
    def bent(x):
        return tanh_of(drive * x, parallel) / drive

    u, after = bent(x - feedback * state[-1]), []
    for y in state:
        after.append(y + g * (u - bent(y)))
        u = bent(after[-1])
    return tuple(after), after[-1]


@composite
def ladder(x: Any, cutoff: Any, resonance: Any = 0.0, drive: Any = 1.0) -> Any:
    """Moog's ladder: a lowpass of four poles that saturate, with feedback around them.

    Each pole is a step of Euler's rule, `y += g (tanh(input) - tanh(y))`, and what is fed back is the output of the
    frame before. `g` and the feedback are chosen so that this delay mistunes nothing: small signals resonate at
    `cutoff`, and begin to oscillate at `resonance` 1. Nothing is oversampled: hard drive aliases.

    Args:
        x: Any shape. The saturation is made for signals of size 1.
        cutoff: Frequency of the resonance in Hz, kept inside (0, sample_rate / 2).
        resonance: 0 for none, towards 1 for a peak; the filter sings by itself from 1 on. Kept inside [0, 1.1]: at a
            bound the gradient is the slope towards the inside, beyond it 0, as for all that is kept inside. Above 1
            silence is unstable, and so is a gradient through it. As in the circuit, resonance lowers what lies below
            the cutoff, to about `1 / (1 + 4 resonance)`.
        drive: How hard the poles saturate: `tanh(drive x) / drive` stands in place of tanh, so that small signals keep
            their level. Kept above 0; near 0 the filter is linear.

    All but `x` may be learned, and may vary per frame and per lane.

    Returns:
        The shape of `x`, `cutoff`, `resonance` and `drive` broadcast.

    Raises:
        ShapeError: shapes that do not broadcast.

    >>> Signal.constant(0.5).ladder(5000, resonance=0.8).realize(3)
    array([0.01298316, 0.04145002, 0.07763252], dtype=float32)

    Source: A. Huovilainen, Non-Linear Digital Implementation of the Moog Ladder Filter, DAFx 2004; T. Stilson and
    J. O. Smith, Analyzing the Moog VCF with Considerations for Digital Implementation, ICMC 1996.
    """
    parameters = lift(cutoff, "ladder: cutoff"), lift(resonance, "ladder: resonance"), lift(drive, "ladder: drive")
    return ladder_poles(lift(x, "ladder: x"), *outputs_of(ladder_coefficients(*parameters)))
