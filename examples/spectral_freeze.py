"""Hold a sound still: a spectral freeze, run whole and streamed block by block.

While a gate is on, each spectrum is the one from before it: its magnitudes stay, its phases go on by as much per hop as
they last did. The gate comes once a hop, the sound at every frame; one graph has both.

    python examples/spectral_freeze.py                                     the speech that comes with the examples
    python examples/spectral_freeze.py --input song.wav --freeze 2 5       a recording of your own, from 2 to 5 seconds
    python examples/spectral_freeze.py --block 64                          streamed in blocks of another size

A stream cannot know what comes, and so is late; what it plays is the same. `--output` (default: output/) receives
`frozen.wav`, and `freeze.png`, which shows the spectra.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import workbench
from matplotlib.figure import Figure

import dgenlazy as dg
from dgenlazy import DGen, Signal, Spectrum, audio

DATA = Path(__file__).parent / "data"
SIZE, HOP = 1024, 256  # of the windows, in frames


def freeze(x, gate):
    """`x`, its spectra held while `gate`, a value at HOP, is above 0."""
    spectrum = x.stft(SIZE, HOP)
    moving = gate <= 0
    angle = spectrum.angle()
    advance = (angle - angle.history()).latch(moving)
    phase = dg.feedback(lambda before: dg.where(moving, angle, (before + advance) % (2 * np.pi)))
    return Spectrum.polar(spectrum.abs().latch(moving), phase, SIZE).istft()


def stream(frozen, x, gate, block):
    """The same sound played in blocks: late by `frozen.latency` frames, so that as many of silence go after `x`."""
    frames = len(x) + frozen.latency
    x = np.pad(x, (0, frozen.latency))
    gate = np.pad(gate, (0, -(-frames // HOP) - len(gate)), mode="edge")
    played = []
    for start in range(0, frames, block):
        end = min(start + block, frames)
        ticks = gate[-(-start // HOP) : -(-end // HOP)]  # those of this block: some have one more than others
        played.append(frozen.realize(end - start, inputs={0: x[start:end], 1: ticks}, preserve_state=True))
    return np.concatenate(played)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=DATA / "speech.wav", help="a recording (WAV, FLAC, ...)")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the results")
    seconds = {"type": workbench.above_zero, "nargs": 2, "metavar": ("FROM", "TO")}
    parser.add_argument("--freeze", **seconds, default=(0.9, 1.9), help="when, in seconds (default: 0.9 1.9)")
    parser.add_argument("--block", type=workbench.whole, default=500, help="frames of a block of the stream (default: 500)")
    args = parser.parse_args()
    begin, end = args.freeze
    if begin >= end:
        parser.error(f"--freeze {begin:g} {end:g}: it ends before it begins")

    x, rate = audio.read(args.input)
    x = workbench.not_silent("--input", x)
    DGen.sample_rate = rate
    time = np.arange(-(-len(x) // HOP)) * HOP / rate
    gate = ((begin <= time) & (time < end)).astype(np.float32)

    frozen = freeze(Signal.input(0), Signal.input(1, hop=HOP))
    whole = frozen.realize(inputs={0: x, 1: gate})
    streamed = stream(frozen, x, gate, args.block)
    off = np.abs(streamed[frozen.latency :] - whole).max()

    args.output.mkdir(parents=True, exist_ok=True)
    audio.write(args.output / "frozen.wav", whole, rate, bits=32)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.subplots(1, 2)
    workbench.plot_spectra(figure, axes, {"Recording": x, f"Frozen from {begin:g} to {end:g} s": whole}, rate)
    figure.savefig(args.output / "freeze.png", dpi=120)

    print(f"latency {frozen.latency} frames ({1000 * frozen.latency / rate:.1f} ms)")
    print(f"whole and in blocks of {args.block}: equal, but for {off:.1e} at most; see {args.output}/freeze.png and frozen.wav")


if __name__ == "__main__":
    try:
        main()
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"spectral_freeze: {error}")
