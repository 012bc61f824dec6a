"""Teach a small neural network to play a note.

A network maps time to the amplitudes of 16 harmonics, an oscillator bank plays them, and gradient descent through both
makes the short-time spectrum of the sound that of a recording.

    python examples/neural_synthesis.py                               a plucked string, generated
    python examples/neural_synthesis.py --target note.wav --f0 442    a note of your own, and its pitch in Hz

What is not a harmonic of one steady pitch (breath, bow noise, vibrato) is beyond this instrument and stays out of its
sound. `--output` (default: output/) receives `target.wav`, `synthesis.wav`, and `synthesis.png`, which compares them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import workbench
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal, Tensor, audio, spectral_loss

HARMONICS = 16
CONTROL_FRAMES = 32  # points in time at which the network is asked; the sound goes straight from one to the next
WINDOWS = [512, 2048]  # of the spectra, in frames: short ones hear when, long ones which pitch


def plucked_string(f0, sample_rate, seconds=1.0):
    """A note whose harmonics fade at speeds of their own, the high ones first."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    k = np.arange(1, HARMONICS + 1)[:, None]
    envelopes = (1 - np.exp(-time / 0.03)) * np.exp(-time * (1 + 0.5 * k)) / k
    return (0.4 * envelopes * np.sin(2 * np.pi * k * f0 * time)).sum(axis=0).astype(np.float32)


def synthesizer(f0):
    """The sound of one note as a Signal, its amplitudes `(control frames, harmonics)`, and the weights to learn.

    `f0` is its pitch in Hz, a number or a Tensor.
    """
    # Each hidden unit is a soft step at a moment of its own: together they can follow an attack. All start out quiet.
    random = np.random.default_rng(0)
    steepness, moments = 20 * random.standard_normal(64), random.uniform(0, 1, 64)
    w1 = Tensor(steepness.reshape([1, 64]), requires_grad=True)
    b1 = Tensor(-steepness * moments, requires_grad=True)
    w2 = Tensor(0.3 * random.standard_normal([64, HARMONICS]), requires_grad=True)
    b2 = Tensor.full([HARMONICS], -4.0, requires_grad=True)

    # The network runs at control rate: one row of amplitudes for each of 32 points in time.
    time = Tensor(np.linspace(0, 1, CONTROL_FRAMES)).reshape([CONTROL_FRAMES, 1])
    hidden = dg.tanh(time @ w1 + b1)
    amplitudes = dg.sigmoid(hidden @ w2 + b2)

    # A ramp through the whole note reads the rows at audio rate, with interpolation between them.
    playhead = Signal.phasor(DGen.sample_rate / DGen.default_frame_count)
    now = amplitudes.peek_row(playhead * (CONTROL_FRAMES - 1))

    # One phasor per harmonic. Harmonics that would fold back at half of the sample rate stay silent.
    harmonics = f0 * Tensor(np.arange(1, HARMONICS + 1))
    audible = harmonics < DGen.sample_rate / 2
    sines = dg.sin(Signal.phasor(harmonics) * 2 * np.pi)
    return (sines * now * audible).sum(), amplitudes, [w1, b1, w2, b2]


def train(sound, weights, steps, lr=0.02):
    """Learn `weights` so that `sound` has the spectrum of input channel 0. Returns the losses."""
    loss = spectral_loss(sound, Signal.input(0), window_size=WINDOWS)
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
    """Draw the training, what the network learned, and the two spectra."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    figure.suptitle(f"A network plays a note of {f0:g} Hz", fontweight="bold")
    axes = figure.subplot_mosaic([["loss", "amplitudes"], ["target", "result"]], height_ratios=[1, 1.3])
    seconds = len(target) / DGen.sample_rate

    workbench.plot_losses(axes["loss"], losses)

    axes["amplitudes"].plot(np.linspace(0, seconds, CONTROL_FRAMES), amplitudes[:, :6], label=range(1, 7))
    axes["amplitudes"].set(title="Amplitudes learned", xlabel="time (s)", ylabel="amplitude")
    axes["amplitudes"].legend(title="harmonic", ncols=2)
    axes["amplitudes"].grid(alpha=0.3)

    sounds = {"Target": target, "Synthesis": result}
    highest = 1.2 * HARMONICS * f0
    workbench.plot_spectra(figure, [axes["target"], axes["result"]], sounds, DGen.sample_rate, highest=highest)
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, help="recording of one note (WAV, FLAC, ...)")
    parser.add_argument("--f0", type=workbench.above_zero, help="its pitch in Hz (220 for the generated note)")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the results")
    parser.add_argument("--steps", type=workbench.whole, default=400, help="steps of training (default: 400)")
    parser.add_argument("--frames", type=workbench.whole, help="use only so many frames of the target (default: all)")
    args = parser.parse_args()
    if args.target and not args.f0:
        parser.error("--target takes --f0, the pitch of the note in Hz")

    f0 = args.f0 or 220.0
    rate = 44100
    target = plucked_string(f0, rate)
    if args.target:
        target, rate = audio.read(args.target)
    if f0 >= rate / 2:
        parser.error(f"--f0 {f0:g} is not below half of the sample rate, {rate / 2:g} Hz")
    target = workbench.not_silent("--target", target[: args.frames])

    DGen.sample_rate = rate
    DGen.default_frame_count = len(target)
    DGen.inputs[0] = target
    sound, amplitudes, weights = synthesizer(f0)
    losses = train(sound, weights, args.steps)

    result = sound.realize()
    args.output.mkdir(parents=True, exist_ok=True)
    audio.write(args.output / "target.wav", target, rate, bits=32)
    audio.write(args.output / "synthesis.wav", result, rate, bits=32)
    plot(args.output / "synthesis.png", target, result, amplitudes.realize(), f0, losses)

    wanted, got = workbench.magnitudes(target), workbench.magnitudes(result)
    off = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, spectrum off by {off:.1%}; see synthesis.png and .wav in {args.output}/")


if __name__ == "__main__":
    try:
        main()
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"neural_synthesis: {error}")
