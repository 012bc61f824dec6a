"""What is composed of ops: reverberators, strings, losses over spectra."""

from . import losses as losses, reverb as reverb
from .losses import spectral_distances as spectral_distances, spectral_loss as spectral_loss
from .reverb import allpass as allpass, comb as comb, fdn as fdn, karplus_strong as karplus_strong
