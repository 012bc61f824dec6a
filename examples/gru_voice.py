"""Teach a recurrent network that runs 250 times a second to speak with the harmonics and the breath of a recording.

A GRU hears the loudness and the pitch of a recording, a value every 64 frames at 16 kHz, and steps once for each. What it
says, the levels of 40 harmonics and of 65 bins of noise, is a value every 64 frames too: lines between them move the
harmonics, and the noise takes its levels as a mask of its spectra. Gradient descent through all of it makes the short-time
spectrum of the sound that of the recording.

    python examples/gru_voice.py                         the speech that comes with the examples
    python examples/gru_voice.py --input sax.wav         a recording of your own, of one voice; a few seconds are enough

`--output` (default: output/) receives `target.wav`, `synthesis.wav`, and `voice.png`, which compares them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import workbench
from matplotlib.figure import Figure
from tqdm.auto import tqdm
from voice_data import WINDOW_MS, analyse

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal, Tensor, audio

DATA = Path(__file__).parent / "data"
RATE, HOP = 16000, 64
UNITS, HARMONICS, NOISES = 64, 40, 65
WINDOWS = [256, 512, 1024, 2048]  # of the spectra that are compared, in frames


def layer(inputs, outputs, random):
    """Weights to learn, of order one over the root of the inputs."""
    return Tensor(random.standard_normal((outputs, inputs)) / np.sqrt(inputs), requires_grad=True)


def synthesizer(features, f0):
    """The voice as a Signal, the levels of its harmonics at HOP, and the weights to learn.

    `features`, a few numbers, and `f0`, the pitch in Hz, come every HOP frames.
    """
    random, says = np.random.default_rng(0), 1 + HARMONICS + NOISES
    w, u = layer(features.shape[0], 3 * UNITS, random), layer(UNITS, 3 * UNITS, random)
    out = layer(UNITS, says, random)
    b = Tensor.zeros([3 * UNITS], requires_grad=True)
    bias = Tensor.full([says], -3.0, requires_grad=True)  # at first the voice is quiet
    controls = features.gru(w, u, b).linear(out, bias)
    levels = 2 * dg.sigmoid(controls) ** np.log(10)  # at most 2, and moved in ratios where they are small

    k = Tensor(np.arange(1, HARMONICS + 1))
    audible = f0 * k < RATE / 2
    amplitudes = levels[0] * dg.softmax(controls[1 : HARMONICS + 1]) * audible
    sines = dg.sin(Signal.phasor(f0.upsample()) * (2 * np.pi) * k)
    noise = Signal.noise(seed=0).stft(2 * (NOISES - 1), HOP) * levels[HARMONICS + 1 :]
    return (sines * amplitudes.upsample()).sum() + noise.istft(), amplitudes, [w, u, b, out, bias]


def train(voice, weights, steps, lr=0.01):
    """Learn `weights` so that `voice` has the spectrum of input channel 0. Returns the losses."""
    loss = dg.spectral_loss(voice, Signal.input(0), window_size=WINDOWS)
    opt = Adam(weights, lr=lr)
    losses = []
    progress = tqdm(range(steps), desc="training")
    for step in progress:
        opt.lr = lr * np.cos(np.pi / 2 * step / steps) ** 2  # long steps to get there, short ones to settle
        losses.append(workbench.finite(loss.backward(), step + 1))
        opt.step()
        opt.zero_grad()
        progress.set_postfix_str(f"loss {losses[-1]:.3f}")
    return losses


def plot(file, target, result, amplitudes, f0, losses):
    """Draw the training, what the network says, and the two spectra."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplot_mosaic([["loss", "amplitudes"], ["target", "result"]], height_ratios=[1, 1.3])
    workbench.plot_losses(axes["loss"], losses)
    time = np.arange(len(f0)) * HOP / RATE
    axes["amplitudes"].plot(time, amplitudes[:, :6], label=range(1, 7))
    axes["amplitudes"].set(title=f"Amplitudes, {RATE // HOP} times a second", xlabel="time (s)", ylabel="amplitude")
    axes["amplitudes"].legend(title="harmonic", ncols=2)
    workbench.plot_spectra(figure, [axes["target"], axes["result"]], {"Recording": target, "Synthesis": result}, RATE, 1024)
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=DATA / "speech.wav", help="a recording of one voice (WAV, FLAC, ...)")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the results")
    parser.add_argument("--steps", type=workbench.whole, default=300, help="steps of training (default: 300)")
    parser.add_argument("--frames", type=workbench.whole, help="use only so many frames, 16,000 a second (default: all)")
    args = parser.parse_args()

    target = workbench.not_silent("--input", audio.read(args.input, RATE)[0][: args.frames])
    half = round(WINDOW_MS / 2000 * RATE)  # of what is heard around each point
    f0, features = analyse(np.pad(target, (half, half + HOP)), RATE, HOP)
    ticks = -(-len(target) // HOP)
    f0, features = f0[:ticks], features[:ticks, :2]  # of the features, loudness and pitch

    DGen.sample_rate = RATE
    DGen.default_frame_count = len(target)
    DGen.inputs[0] = target
    voice, amplitudes, weights = synthesizer(Signal.from_samples(features, hop=HOP), Signal.from_samples(f0, hop=HOP))
    losses = train(voice, weights, args.steps)

    result = voice.realize(len(target))
    args.output.mkdir(parents=True, exist_ok=True)
    audio.write(args.output / "target.wav", target, RATE, bits=32)
    audio.write(args.output / "synthesis.wav", result, RATE, bits=32)
    plot(args.output / "voice.png", target, result, amplitudes.realize(len(target)), f0, losses)

    wanted, got = workbench.magnitudes(target), workbench.magnitudes(result)
    off = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, spectrum off by {off:.1%}; see voice.png and .wav in {args.output}/")


if __name__ == "__main__":
    try:
        main()
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"gru_voice: {error}")
