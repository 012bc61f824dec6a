"""What is composed of ops: oscillators, controls, layers, effects, losses over spectra and samples; features of recordings."""

from . import (
    bands as bands,
    collection as collection,
    control as control,
    distortion as distortion,
    echo as echo,
    features as features,
    gains as gains,
    layers as layers,
    levels as levels,
    losses as losses,
    loudness as loudness,
    loudness_losses as loudness_losses,
    modulation as modulation,
    noise as noise,
    noises as noises,
    pitch as pitch,
    recordings as recordings,
    response as response,
    spectral_features as spectral_features,
    spectral_losses as spectral_losses,
    stft_losses as stft_losses,
    synthesis as synthesis,
    waveform_losses as waveform_losses,
    waveforms as waveforms,
)
from .bands import crossover as crossover, equalizer as equalizer
from .collection import collect as collect
from .distortion import waveshape as waveshape
from .echo import allpass as allpass, comb as comb, fdn as fdn, karplus_strong as karplus_strong
from .gains import expander as expander, gate as gate, limiter as limiter, pan as pan
from .layers import gru as gru, linear as linear
from .losses import spectral_distances as spectral_distances, spectral_loss as spectral_loss
from .loudness_losses import loudness_loss as loudness_loss
from .mel import hz_to_mel as hz_to_mel, mel_to_hz as mel_to_hz
from .modulation import chorus as chorus, flanger as flanger, phaser as phaser, vibrato as vibrato
from .noise import filtered_noise as filtered_noise
from .noises import NoiseKind as NoiseKind
from .response import convolve as convolve, reverb as reverb
from .spectral_losses import (
    log_spectral_distance as log_spectral_distance,
    multi_scale_spectral_loss as multi_scale_spectral_loss,
    spectral_transport as spectral_transport,
)
from .stft_losses import (
    mel_stft_loss as mel_stft_loss,
    multi_resolution_stft_loss as multi_resolution_stft_loss,
    stft_loss as stft_loss,
    sum_and_difference_stft_loss as sum_and_difference_stft_loss,
)
from .waveform_losses import (
    dc_loss as dc_loss,
    esr as esr,
    log_cosh as log_cosh,
    sd_sdr as sd_sdr,
    si_sdr as si_sdr,
    snr as snr,
)
