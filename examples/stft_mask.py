"""Learn a mask that takes noise out of a recording.

Noise is added to a recording. A mask over its short-time spectra, which each bin finds from its own level and from that of
all, is learned on the first part, with other noise in every step, so that what it lets through is the recording. The second
part, which it has never heard, tells what it is worth.

    python examples/stft_mask.py                               the speech that comes with the examples
    python examples/stft_mask.py --input voice.wav --snr 0     a clean recording of your own, as loud as the noise

`--output` (default: output/) receives `noisy.wav`, `cleaned.wav`, and `mask.png`, which shows their spectra.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import workbench
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal, Tensor, audio

DATA = Path(__file__).parent / "data"
SIZE = 512  # of the windows, in frames
BINS = SIZE // 2 + 1
PART = 0.6  # of the recording, that is learned from


def cleaner(noisy):
    """`noisy` through a mask, and what the mask has to learn. At first it lets half of everything through."""
    spectrum = noisy.stft(SIZE)
    level = (spectrum.power() + 1e-4).log()
    before, around = level.history(), level.mean()
    slopes = [Tensor.zeros([BINS], requires_grad=True) for _ in range(3)]
    threshold = Tensor.zeros([BINS], requires_grad=True)
    mask = (slopes[0] * level + slopes[1] * before + slopes[2] * around + threshold).sigmoid()
    return (spectrum * mask).istft(), [*slopes, threshold]


def train(cleaned, learned, clean, noise, steps, lr=0.05):
    """Learn to find `clean` in itself and `noise`, a function that gives other noise at each call. Returns the losses."""
    loss = dg.mse(cleaned, Signal.input(1)) / np.mean(clean**2)
    opt = Adam(learned, lr=lr)
    losses = []
    progress = tqdm(range(steps), desc="training")
    for step in progress:
        opt.lr = lr * np.cos(np.pi / 2 * step / steps) ** 2
        inputs = {0: clean + noise(len(clean)), 1: clean}
        losses.append(workbench.finite(loss.backward(inputs=inputs), step + 1))
        opt.step()
        opt.zero_grad()
        progress.set_postfix_str(f"loss {losses[-1]:.4f}")
    return losses


def snr_db(clean, heard):
    return 10 * np.log10(np.mean(clean**2) / (np.mean((heard - clean) ** 2) + 1e-20))


def plot(file, sounds, losses, rate):
    """Draw the training, and the spectra of the recording, with noise, and cleaned."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    axes = figure.subplot_mosaic([["loss", "clean"], ["noisy", "cleaned"]])
    workbench.plot_losses(axes["loss"], losses, "squared error / power of recording")
    workbench.plot_spectra(figure, [axes[name] for name in ("clean", "noisy", "cleaned")], sounds, rate, SIZE)
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=DATA / "speech.wav", help="a clean recording (WAV, FLAC, ...)")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the results")
    parser.add_argument("--snr", type=float, default=5.0, help="level of the recording above the noise, in dB (default: 5)")
    parser.add_argument("--steps", type=workbench.whole, default=300, help="steps of training (default: 300)")
    args = parser.parse_args()
    if not -60 <= args.snr <= 60:
        parser.error(f"--snr {args.snr:g} is not in -60 to 60 dB")

    clean, rate = audio.read(args.input)
    known = workbench.not_silent("--input", clean[: int(PART * len(clean))])
    DGen.sample_rate = rate
    random, level = np.random.default_rng(0), np.sqrt(np.mean(clean**2)) * 10 ** (-args.snr / 20)

    def noise(frames):
        return level * random.standard_normal(frames).astype(np.float32)

    cleaned, learned = cleaner(Signal.input(0))
    losses = train(cleaned, learned, known, noise, args.steps)

    noisy = clean + noise(len(clean))
    result = cleaned.realize(inputs={0: noisy})
    args.output.mkdir(parents=True, exist_ok=True)
    audio.write(args.output / "noisy.wav", noisy, rate, bits=32)
    audio.write(args.output / "cleaned.wav", result, rate, bits=32)
    plot(args.output / "mask.png", {"Recording": clean, "With noise": noisy, "Cleaned": result}, losses, rate)

    for name, part in (("learned from", slice(len(known))), ("never heard", slice(len(known), None))):
        before, after = snr_db(clean[part], noisy[part]), snr_db(clean[part], result[part])
        print(f"{name}: SNR {before:.1f} dB -> {after:.1f} dB")
    print(f"see mask.png, noisy.wav and cleaned.wav in {args.output}/")


if __name__ == "__main__":
    try:
        main()
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"stft_mask: {error}")
