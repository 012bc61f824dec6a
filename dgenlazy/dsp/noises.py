"""Kinds of noise, each made of the white one."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np

from ..config import one_of, seed_number
from ..graph import Seed, Spec, pointwise
from ..ops import mul, oscillator, sosfilt, within
from ..run import runtime

NoiseKind = Literal["white", "pink", "brown", "normal"]
_LEAKY, _NEAR_HALF = 1 - 2 * math.pi * 2e-4, 0.2  # pole and zero of brown noise: -6 dB an octave to 0.5 dB, up to half the rate

# A slope of 3 dB an octave from 2e-4 of the sample rate (9 Hz at 44.1 kHz) to half of it, to 0.04 dB: fitted by least squares.
_POLES = (0.9990952, 0.9956096, 0.9841638, 0.9448777, 0.8175417, 0.4790686, -0.1303289, -0.7707451)
_ZEROS = (0.9978087, 0.9916011, 0.9703487, 0.8986940, 0.6827454, 0.2126914, -0.2426580, -0.7812375)


def noise(seed: int | None, shape: tuple[int, ...], kind: NoiseKind) -> Any:
    """The node of `Signal.noise`."""
    one_of("Signal.noise: kind", kind, get_args(NoiseKind))
    seed = None if seed is None else seed_number("Signal.noise: seed", seed)
    leaf = Seed(Spec((3,), True, None, np.dtype(np.uint32)), seed, runtime.next_number() if seed is None else 0)
    white = oscillator.noise(leaf, shape=shape)
    if kind == "pink":
        return mul(sosfilt(white, _sections()), _same_power())
    if kind == "brown":
        power = 1 + (_LEAKY + _NEAR_HALF) ** 2 / (1 - _LEAKY**2)
        return mul(sosfilt(white, [[1.0, _NEAR_HALF, 0.0, 1.0, -_LEAKY, 0.0]]), 1 / math.sqrt(power))
    return normal(white) if kind == "normal" else white


def _sections() -> np.ndarray:
    pairs = [np.poly(pair) for roots in (_ZEROS, _POLES) for pair in zip(roots[::2], roots[1::2])]
    return np.concatenate([pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]], axis=1)


def _same_power() -> float:
    """What gives pink noise the power of the white: one over the root of the energy of the filter's response."""
    parts = [np.prod([p - z for z in _ZEROS]) / np.prod([p - q for q in _POLES if q != p]) / p for p in _POLES]
    direct = np.prod(_ZEROS) / np.prod(_POLES)  # h[n] = sum of parts * poles**n, and at n = 0 this too
    energy = sum(a * b / (1 - p * q) for a, p in zip(parts, _POLES) for b, q in zip(parts, _POLES))
    return float(1 / np.sqrt(energy + 1 - (1 - direct) ** 2))


_CENTRE = (1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087)
_CENTRE += (-4.39150654e-06, -3.5233877e-06, 3.43273939e-07, 2.81022636e-08)
_TAIL = (2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773)
_TAIL += (-0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257)


@pointwise
def normal(uniform):
    """Standard normal numbers of uniform ones in [-1, 1): the inverse of the error function, times the root of 2.

    Source: M. Giles, Approximating the erfinv function, GPU Computing Gems Jade Edition, 2011, single precision.
    """
    x = within(uniform, -1 + 2.0**-24, 1 - 2.0**-24)
    w = -jnp.log((1 - x) * (1 + x))
    centre, tail = w - 2.5, jnp.sqrt(w) - 3
    return math.sqrt(2) * x * jnp.where(w < 5, _polynomial(_CENTRE, centre), _polynomial(_TAIL, tail))


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    y = coefficients[-1]
    for c in coefficients[-2::-1]:
        y = y * x + c
    return y
