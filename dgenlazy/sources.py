"""Sources of sound as users call them. All that a source is given may be numbers, so it finds its result's class itself."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable
from typing import Any

from .dsp import control, synthesis, waveforms
from .graph import Node, Spec, composite
from .ops import oscillator
from .values import Tensor, promoted

Source = Callable[..., Any]


def _source(fn: Source) -> Source:
    @composite
    @ft.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        return promoted(fn(*args, **kwargs))

    return call


oscillator_bank: Source = _source(synthesis.oscillator_bank)
harmonic: Source = _source(synthesis.harmonic)
normalize_harmonics: Source = _source(synthesis.normalize_harmonics)
fm: Source = _source(synthesis.fm)
wavetable: Source = _source(synthesis.wavetable)
saw: Source = _source(waveforms.saw)
square: Source = _source(waveforms.square)
triangle: Source = _source(waveforms.triangle)
pulse: Source = _source(waveforms.pulse)
lfo: Source = _source(control.lfo)
sequence: Source = _source(control.sequence)


@ft.wraps(control.notes)
def notes(midi: Any, start: Any, duration: Any, velocity: Any = 1.0) -> tuple[Any, Any, Any]:
    f0, gate, level = map(promoted, control.notes(midi, start, duration, velocity))
    return f0, gate, level


sample_rate: Tensor = promoted(Node(oscillator.frames_per_second, (), (), Spec(), False))  # what `DGen` says when it is run
