"""Filters side by side and one after another: equalizer and crossover."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import ArgumentError
from ..graph import composite, lift
from ..ops import MODES, biquad
from .ranges import number_of

_BUTTERWORTH = math.sqrt(0.5)  # two such filters in series are a Linkwitz-Riley filter of order 4


@composite
def equalizer(x: Any, bands: Sequence[tuple[str, Any, Any, Any]]) -> Any:
    """Equalizer: filters of the Audio EQ Cookbook, one after another, each what `biquad` is.

    Args:
        x: Any shape.
        bands: `(mode, freq, gain_db, q)` of each: a mode of `biquad`, a frequency in Hz, a gain in dB (of "peak", "lowshelf"
            and "highshelf"; others have none), a quality factor. With none, `x` stays as it is.

    All but the modes may be learned, and may vary per frame and per lane; what moves or is learned is kept inside (0,
    sample_rate / 2), and q above 0.

    Returns:
        The shape of all broadcast.

    Raises:
        ArgumentError: an unknown mode, a band that is not of four values, a frequency or a q that is a number not above 0.
            ShapeError: shapes that do not broadcast.

    >>> x = Signal.from_samples([1, 0, 0])
    >>> x.equalizer([("lowshelf", 200, 3.0, 0.7), ("peak", 1000, -6.0, 2.0)]).realize()
    array([ 0.97962195, -0.0381734 , -0.03284552], dtype=float32)

    Source: R. Bristow-Johnson, Audio EQ Cookbook.
    """
    y = lift(x, "equalizer: x")
    for i, (mode, freq, gain_db, q) in enumerate(_bands(bands)):
        if not isinstance(mode, str) or mode not in MODES:
            raise ArgumentError(f"equalizer: mode={mode!r} of band {i} is not one of {', '.join(MODES)}")
        freq, q = _positive(f"equalizer: freq of band {i}", freq), _positive(f"equalizer: q of band {i}", q)
        y = biquad(y, freq, q, mode, lift(gain_db, f"equalizer: gain_db of band {i}"))
    return y


def _bands(bands: Any) -> list[Any]:
    found = list(bands) if isinstance(bands, (list, tuple)) else None
    if found is None or not all(isinstance(band, (list, tuple)) and len(band) == 4 for band in found):
        raise ArgumentError(f"equalizer: bands={bands!r} is not a list of (mode, freq, gain_db, q)")
    return found


def _positive(name: str, value: Any) -> Any:
    node = lift(value, name)
    number = number_of(node)
    if number is not None and not (number > 0 and math.isfinite(number)):
        raise ArgumentError(f"{name}={number:g} is not above 0")
    return node


@composite
def crossover(x: Any, freqs: Sequence[Any]) -> tuple[Any, ...]:
    """Crossover: bands whose sum is the sound again, all frequencies of it as loud as before (Linkwitz-Riley, 24 dB an octave).

    At each frequency the sound is parted by two Butterworth lowpasses in series, and two highpasses. Their sum is an allpass of
    second order; lower bands pass those of all higher frequencies, so that the sum of all bands is these allpasses in series.

    Args:
        x: Any shape.
        freqs: Where bands meet, in Hz, rising: numbers, or values, which may be learned and vary per frame and per lane. With
            none there is one band, the sound itself.

    Returns:
        The bands from the lowest to the highest, one more than `freqs`; each of the shape of all broadcast.

    Raises:
        ArgumentError: a frequency that is a number not above 0, or not above the one before. ShapeError: shapes that do not
            broadcast.

    >>> low, middle, high = Signal.noise().crossover([200, 2000])
    >>> louder = 2.0 * low + middle + high

    Source: S. H. Linkwitz, Active Crossover Networks for Noncoincident Drivers, JAES 24(1), 1976; D. Bohn, Linkwitz-Riley
    Crossovers: A Primer, Rane Note 160.
    """
    if isinstance(freqs, str) or not isinstance(freqs, Iterable):
        raise ArgumentError(f"crossover: freqs={freqs!r} is not a list of frequencies")
    corners = [_positive(f"crossover: freqs[{i}]", f) for i, f in enumerate(freqs)]
    known = [(i, number) for i, node in enumerate(corners) if (number := number_of(node)) is not None]
    for (_, a), (i, b) in itertools.pairwise(known):
        if b <= a:
            raise ArgumentError(f"crossover: freqs[{i}]={b:g} is not above {a:g}, the one before")
    rest, bands = lift(x, "crossover: x"), []
    for corner in corners:
        bands = [biquad(band, corner, _BUTTERWORTH, "allpass") for band in bands]
        low, high = (biquad(biquad(rest, corner, _BUTTERWORTH, m), corner, _BUTTERWORTH, m) for m in ("lowpass", "highpass"))
        bands.append(low)
        rest = high
    return (*bands, rest)
