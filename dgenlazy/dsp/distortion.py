"""Distortion by a function of the sample, at a higher rate where its harmonics would fold back."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..graph import Node, Pointwise, composite, lift, needs_value, toposort
from ..ops import add, fir, getitem, sooner, sub, sum

_FACTORS = (1, 2, 4, 8)
_DELAY = 100  # frames, of both filters together
_BETA = 7.86  # of a Kaiser window whose sidelobes lie 80 dB below
_CUTOFF = 0.95  # of half the rate: flat up to 0.9, silent from 1 on


@ft.lru_cache(maxsize=len(_FACTORS))
def _lowpass(factor: int) -> np.ndarray:
    """Taps at the higher rate, `(frames, factor)`, whose sum is 1.

    Source: J. F. Kaiser, Nonrecursive digital filter design using the I0-sinh window function, 1974.
    """
    at = np.arange(_DELAY * factor + 1) - _DELAY * factor / 2
    taps = np.sinc(_CUTOFF / factor * at) * np.kaiser(len(at), _BETA)
    return np.pad(taps / taps.sum(), (0, factor - 1)).reshape(_DELAY + 1, factor)


def _checked(value: Any, shaped: Any) -> bool:
    """Whether what was made of `value` is also made of what varies besides. It has no memory, and looks at nothing ahead."""
    made = {value}
    besides = False
    for node in toposort([shaped], [value]):
        if isinstance(node, Node) and not made.isdisjoint(node.inputs):
            if not isinstance(node.op, Pointwise):
                raise ArgumentError(f"waveshape: fn is to shape each sample by itself, and {node.name} in it has a memory")
            made.add(node)
            besides = besides or any(i not in made and not isinstance(i.spec, tuple) and i.spec.varies for i in node.inputs)
    if shaped not in made:
        raise ArgumentError("waveshape: what fn gives does not depend on what it is given")
    return besides


@composite
def waveshape(x: Any, fn: Callable[[Any], Any], oversample: int = 1) -> Any:
    """The signal shaped by a function of its samples, `fn(x)`, at a multiple of the rate.

    A function that is no line makes harmonics, and those above half the rate fold back as tones that do not belong there. At 8
    times the rate and 44.1 kHz, what `(drive * u).tanh()` folds back of a full sine is below -60 dB up to 5 kHz for any drive
    to 10 (-95 dB); at all frequencies up to drive 3, up to 15 kHz at drive 5, and up to 8 kHz at drive 10. Beyond (-50 dB at
    20 kHz and drive 5) it is harmonics above 7.5 times the rate that come back, which no filter can tell apart.

    Both filters are symmetric: 0.01 dB flat up to 0.9 of half the rate, 80 dB down from half the rate on.

    Args:
        x: A Signal or SignalTensor.
        fn: From a value to a value of its shape, by ops without memory: `lambda u: (drive * u).tanh()`. With `oversample` it is
            given `(oversample, *shape)`, what lies between two frames first. What else it uses is the same for all of these.
        oversample: 1, 2, 4 or 8.

    Returns:
        The shape of `x`, aligned with it in a whole run. With `oversample` a stream is later by 100 frames: `latency` says so.

    Raises:
        ArgumentError: something in `fn` has a memory or looks ahead, which is named; another `oversample`. ShapeError: `fn`
            gives another shape.

    >>> x = Signal.from_samples([0.0, 0.5, 1.0])
    >>> x.waveshape(lambda u: u * u).realize()
    array([0.  , 0.25, 1.  ], dtype=float32)
    >>> Signal.phasor(440.0).waveshape(lambda u: (3 * u).tanh(), oversample=8).latency
    100
    """
    value = needs_value("waveshape: x", x)
    if not value.node.spec.signal:
        raise ShapeError("waveshape: takes a Signal or SignalTensor, a Tensor has no rate")
    if isinstance(oversample, bool) or oversample not in _FACTORS:
        raise ArgumentError(f"waveshape: oversample={oversample!r} is not one of {', '.join(map(str, _FACTORS))}")
    if not callable(fn):
        raise ArgumentError(f"waveshape: fn={fn!r} is no function from a value to a value")

    def shaped(u: Any) -> Any:
        y = lift(fn(u), "waveshape: what fn gives")
        if y.spec.shape != u.shape:
            raise ShapeError(f"waveshape: fn gives shape {y.spec.shape} for {u.shape}; it is to shape each sample by itself")
        return y

    plain = shaped(value)
    besides = plain is not value.node and _checked(value.node, plain)
    if oversample == 1 or plain is value.node:
        return plain
    taps = _lowpass(int(oversample))
    taps = taps.reshape(*taps.shape, *(1,) * len(value.shape))
    here, there = (_DELAY // 2, _DELAY // 2) if besides else (0, _DELAY)  # what is used besides is met at its time
    between = value.wrap(_sooner(fir(getitem(value, None).node, oversample * taps), here))
    y = shaped(between)
    _checked(between.node, y)
    if besides:
        return _sooner(sum(fir(y, taps[::-1]), axis=0), there)
    rest = shaped(value.wrap(lift(np.zeros(between.shape, np.float32))))  # before the signal begins
    return add(_sooner(sum(fir(sub(y, rest), taps[::-1]), axis=0), there), getitem(rest, 0))


def _sooner(node: Any, ticks: int) -> Any:
    return sooner.node(node, params=(("ticks", ticks),)) if ticks else node
