"""A voice: harmonics and filtered noise, both controlled by a small network that hears loudness, pitch and bands.

After J. Engel et al., DDSP: Differentiable Digital Signal Processing.
"""

import itertools

import numpy as np
from voice_data import CONTROL_RATE, FEATURES

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

HARMONICS = 40
NOISES = 16  # bands of noise
HIDDEN = 64  # units in each of two layers
WINDOWS_MS = (16, 32, 64)  # of the spectra that are compared


def parameters(seed):
    """What is learned: the weights and biases of three layers, by name. At first the voice is quiet and even."""
    random = np.random.default_rng(seed)
    sizes = [FEATURES, HIDDEN, HIDDEN, 1 + HARMONICS + NOISES]
    learned = {}
    for i, (n, m) in enumerate(itertools.pairwise(sizes), start=1):
        learned[f"weights{i}"] = Tensor(random.standard_normal((n, m)) / np.sqrt(n), requires_grad=True)
        learned[f"biases{i}"] = Tensor.full([m], -3.0 if i == 3 else 0.0, requires_grad=True)
    return learned


def synthesizer(learned, features, f0, playhead):
    """The voice as a Signal.

    Args:
        learned: What `parameters` gives.
        features, f0: Tensors `(points, FEATURES)` and `(points,)`: what the network hears, and the pitch in Hz.
        playhead: Signal: which point is played now; the sound goes straight from one to the next.
    """
    hidden = dg.tanh(features @ learned["weights1"] + learned["biases1"])
    hidden = dg.tanh(hidden @ learned["weights2"] + learned["biases2"])
    controls = hidden @ learned["weights3"] + learned["biases3"]
    levels = 2 * dg.sigmoid(controls) ** np.log(10)  # at most 2, and moved in ratios where they are small

    k = np.arange(1, HARMONICS + 1)
    audible = f0.reshape([-1, 1]) * k < DGen.sample_rate / 2
    amplitudes = levels[:, :1] * dg.softmax(controls[:, 1 : HARMONICS + 1]) * audible
    phase = Signal.phasor(f0.peek_row(playhead))
    harmonics = (dg.sin(phase * (2 * np.pi * k)) * amplitudes.peek_row(playhead)).sum()

    centres = Tensor(np.geomspace(100, 0.45 * DGen.sample_rate, NOISES))
    bands = Signal.noise(seed=0, shape=[NOISES]).svf(centres, q=2.0, mode="bandpass")
    return harmonics + (bands * levels[:, HARMONICS + 1 :].peek_row(playhead)).sum()


def voice_function(frames, seed):
    """The voice and its loss over a stretch of `frames` frames: a pure function of parameters, an example, and a state.

    Examples are those of `voice_data`; the loss is the distance from the spectra of their audio.
    """
    points = round(frames * CONTROL_RATE / DGen.sample_rate) + 1
    features, f0, learned = Tensor.zeros([points, FEATURES]), Tensor.ones([points]), parameters(seed)
    heard, playhead = Signal.input(0), Signal.input(1)
    voice = synthesizer(learned, features, f0, playhead)
    windows = [2 * round(ms / 2000 * DGen.sample_rate) for ms in WINDOWS_MS]
    outputs = {"voice": voice, "loss": dg.spectral_loss(voice, heard, window_size=windows)}
    return dg.function(outputs, learned, {"features": features, "f0": f0, "audio": heard, "playhead": playhead})
