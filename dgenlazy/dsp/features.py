"""Features of recordings, arrays in and arrays out, and of Signals: levels, loudness, pitch and spectra."""

from .levels import loudness as loudness, rms as rms
from .loudness import (
    integrated_loudness as integrated_loudness,
    loudness_range as loudness_range,
    momentary as momentary,
    short_term as short_term,
    true_peak as true_peak,
)
from .pitch import Pitch as Pitch, f0 as f0
from .spectral_features import (
    mel_filters as mel_filters,
    mel_spectrogram as mel_spectrogram,
    mfcc as mfcc,
    onset_strength as onset_strength,
    spectral_centroid as spectral_centroid,
    spectral_flatness as spectral_flatness,
    spectral_rolloff as spectral_rolloff,
)
