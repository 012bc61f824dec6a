"""Resynthesise a recording: partials of its pitch and filtered noise in a room, learned from its spectra.

    python examples/resynthesise.py                        the speech that comes with the examples
    python examples/resynthesise.py --input flute.wav      a melody of your own, one note at a time

`--output` (default: output/) receives `original.wav`, `resynthesis.wav` and `resynthesis.png`.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import workbench
from matplotlib.figure import Figure

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor, audio, features

DATA = Path(__file__).parent / "data"


def resynthesise(x, rate, low, high, steps, hop=256, partials=60, bands=64):
    """`x` as partials and noise in a room, all learned. Returns the sound before and after, and how training went."""
    DGen.sample_rate = rate
    level = 2 * np.abs(x).max()  # whispers and shouts begin alike
    window = math.ceil(rate * max(2 / low, 0.046))  # two periods, and at any rate short enough for a vibrato
    pitch = features.f0(x, rate, low, high, frame_length=window, hop=hop)
    ticks, voiced = np.arange(-(-len(x) // hop)), pitch.voiced & np.isfinite(pitch.f0)
    known = pitch.f0[voiced] if voiced.any() else [low]  # between notes the pitch glides to the next
    f0 = Signal.from_samples(np.interp(ticks, np.flatnonzero(voiced) if voiced.any() else [0], known), hop=hop).upsample()

    tones = Tensor(np.full((len(ticks), partials), -3.0), requires_grad=True)
    noise = Tensor(np.full((len(ticks), bands), -3.0), requires_grad=True)
    harmonic = dg.harmonic(f0, Signal.from_tensor(tones, hop).exp_sigmoid().upsample())
    dry = harmonic + Signal.from_tensor(noise, hop).exp_sigmoid().filtered_noise()
    mix, decay = Signal.param(0.05, min=0.0, max=0.5), Signal.param(0.3, min=0.1, max=1.0)
    sound = dry.reverb(decay, mix, seed=1)
    before = level * sound.realize(len(x))
    loss = dg.multi_scale_spectral_loss(sound, Signal.from_samples(x / level), logmag_weight=0.1)
    room = [{"params": [mix, decay], "lr": 0.01}]
    done = dg.fit(loss, steps=steps, lr=0.2, schedule=lambda step: 1 - step / steps, groups=room, frames=len(x))
    return before, level * sound.realize(len(x)), done


def mel_distance_db(x, sound, rate):
    """The mean distance of log-mel spectra, once both are as loud; what is 80 dB below the loudest of `x` is silence."""
    as_loud = sound * np.linalg.norm(x) / max(np.linalg.norm(sound), 1e-30)
    energy = [features.mel_spectrogram(s, rate) for s in (x, as_loud)]
    return np.abs(np.subtract(*(10 * np.log10(np.maximum(e, 1e-8 * energy[0].max())) for e in energy))).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=DATA / "speech.wav", help="a recording of one voice (WAV, FLAC, ...)")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the results")
    parser.add_argument("--low", type=workbench.above_zero, default=70.0, help="lowest pitch in Hz (default: 70)")
    parser.add_argument("--high", type=workbench.above_zero, default=1000.0, help="highest pitch in Hz (default: 1000)")
    parser.add_argument("--seconds", type=workbench.above_zero, default=30.0, help="of the recording, at most (default: 30)")
    parser.add_argument("--steps", type=workbench.whole, default=200, help="steps of training (default: 200)")
    args = parser.parse_args()

    x, rate = audio.read(args.input)
    x = workbench.not_silent("--input", x[: int(args.seconds * rate)])
    before, sound, done = resynthesise(x, rate, args.low, args.high, args.steps)

    args.output.mkdir(parents=True, exist_ok=True)
    audio.write(args.output / "original.wav", x, rate, bits=32)
    audio.write(args.output / "resynthesis.wav", sound, rate, bits=32)
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplot_mosaic([["loss", "loss"], ["original", "resynthesis"]])
    workbench.plot_losses(axes["loss"], done.history)
    sounds = {"Recording": x, "Resynthesis": sound}
    workbench.plot_spectra(figure, [axes["original"], axes["resynthesis"]], sounds, rate, 1024)
    figure.savefig(args.output / "resynthesis.png", dpi=120)
    first, last = done.history[0], done.best_loss
    print(f"spectral distance {first:.3f} -> {last:.3f}, {100 * (1 - last / first):.0f} % less, in {done.seconds:.0f} s")
    start, end = mel_distance_db(x, before, rate), mel_distance_db(x, sound, rate)
    print(f"log-mel distance, not trained on: {start:.1f} -> {end:.1f} dB, {100 * (1 - end / start):.0f} % less")
    print(f"see resynthesis.png, original.wav and resynthesis.wav in {args.output}/")


if __name__ == "__main__":
    try:
        main()
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"resynthesise: {error}")
