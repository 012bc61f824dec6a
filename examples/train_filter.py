"""Find the lowpass filter between two recordings.

Given a recording, and the same recording after it went through an unknown second-order lowpass, gradient descent through
the filter finds its cutoff and q. What recording adds is found as well: another level, the other polarity, and a delay of
whole frames, which the cross spectrum of the two shows.

    python examples/train_filter.py                                       the speech in examples/data
    python examples/train_filter.py --input dry.wav --target filtered.wav     your own

The two files have the same sample rate, whichever it is, and begin within half a second of each other. Channels are mixed
to mono; where one file is longer, its end is not used. `--output` (default: output/) receives `filtered.wav`, the input
through the filter that was found, and `filter.png`, a picture of how it was found. Where no lowpass explains the target, they
show the best that there is, and the exit status is 1.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import workbench
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal, audio, mse

DATA = Path(__file__).parent / "data"


def train(x, target, cutoff, q, steps):
    """Learn the filter that turns `x` into `target` but for a gain.

    Returns the filter, the cutoff and q of every step, the gain that goes with the last, and the losses.
    """
    # A filter is heard in ratios, so learn logarithms: a step of 0.1 octaves is as much at 100 Hz as at 10 kHz. The
    # bounds keep the search where a digital filter can be.
    octaves = Signal.param(np.log2(cutoff), min=np.log2(20), max=np.log2(0.49 * DGen.sample_rate))
    sharpness = Signal.param(np.log2(q), min=np.log2(0.05), max=np.log2(50))

    # The gain is not learned: of each filter it is the best one, which is known (variable projection).
    filtered = Signal.input(0).biquad(cutoff=2**octaves, q=2**sharpness, mode="lowpass")
    heard, wanted = filtered.collect(), Signal.input(1).collect()
    gain = (heard * wanted).mean() / (heard * heard).mean()
    loss = mse(gain * heard, wanted) / np.mean(target**2)  # relative: quiet recordings train like loud ones

    # The loss falls by a factor of a million, and its gradient with it. Adam's step keeps its size all the same, if it
    # forgets old gradients quickly: beta2=0.9.
    opt = Adam([octaves, sharpness], beta2=0.9)
    path, losses = [(cutoff, q)], []
    progress = tqdm(range(steps), desc="training")
    for step in progress:
        opt.lr = 0.1 * np.cos(np.pi / 2 * step / steps) ** 2  # long steps to get there, short ones to settle
        losses.append(workbench.finite(loss.backward(inputs={0: x, 1: target}), step + 1))
        opt.step()
        opt.zero_grad()
        path.append((2 ** float(octaves.value), 2 ** float(sharpness.value)))
        progress.set_postfix_str(f"loss {losses[-1]:.1e}, cutoff {path[-1][0]:.1f} Hz, q {path[-1][1]:.3f}")
    return filtered, np.array(path), float(gain.realize(inputs={0: x, 1: target})), losses


def measure(x, target, rate):
    """Where to begin, as the recordings show it: `(cutoff, q, delay)`, the delay of the target in frames.

    Of lowpasses on a grid that grows finer around the best, the one counts whose output has the strongest correlation with the
    target at any delay: that is where the squared error is least for the best gain.
    """
    frames = min(len(x), 2**16)
    size = 2 * frames
    a, b = np.fft.rfft(x[:frames].astype(np.float64), size), np.fft.rfft(target[:frames].astype(np.float64), size)
    z = np.exp(-2j * np.pi * np.arange(len(a)) / size)
    far = min(rate // 2, frames - 1)

    def tried(cutoff, q):
        """The error that is explained, the filter and the delay."""
        w = 2 * np.pi * cutoff / rate
        alpha = np.sin(w) / (2 * q)
        through = a * (1 - np.cos(w)) / 2 * (1 + z) ** 2 / (1 + alpha - 2 * np.cos(w) * z + (1 - alpha) * z**2)
        match = np.fft.irfft(through.conj() * b, size)
        near = np.concatenate([match[: far + 1], match[size - far :]])
        at, power = int(np.argmax(np.abs(near))), float(2 * (through.real**2 + through.imag**2).sum() / size)
        delay = at if at <= far else at - len(near)
        return near[at] ** 2 / max(power, 1e-300), cutoff, q, delay

    cutoffs, qs = np.geomspace(30, 0.48 * rate, 14), np.geomspace(0.1, 20, 6)
    for _ in range(9):
        best = max(tried(cutoff, q) for cutoff in cutoffs for q in qs)
        ratios = [(values[1] / values[0]) for values in (cutoffs, qs)]
        cutoffs, qs = (
            np.clip(value * np.geomspace(1 / ratio, ratio, 5), low, high)
            for value, ratio, low, high in zip(best[1:3], ratios, (20, 0.05), (0.49 * rate, 50))
        )
    return best[1:]


def shifted(x, delay):
    """`x` so many frames later, or with a negative delay earlier, as long as before."""
    return np.concatenate([np.zeros(delay, x.dtype), x])[: len(x)] if delay >= 0 else np.pad(x[-delay:], (0, -delay))


def loudest(target, frames):
    """The stretch of `frames` frames that has the most energy."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(target, dtype=np.float64))])
    start = int(np.argmax(energy[frames:] - energy[:-frames]))
    return slice(start, start + frames)


def measured_response(x, target, size=2048):
    """Gain at each frequency as the recordings show it: their cross spectrum over the spectrum of `x`."""

    def spectra(samples):
        padded = np.pad(samples, size // 2)
        return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 4] * np.hanning(size))

    a, b = spectra(x), spectra(target)
    return np.abs((a.conj() * b).sum(axis=0)) / (np.abs(a) ** 2).sum(axis=0)


def filter_response(cutoff, q, gain, size=2048):
    """Gain at each frequency of the filter itself: the spectrum of its answer to an impulse."""
    impulse = np.zeros(16 * size)
    impulse[0] = 1
    return abs(gain) * np.abs(np.fft.rfft(Signal.from_samples(impulse).biquad(cutoff, q).realize()))[::16]


def plot(file, x, target, path, gain, losses, explained):
    """Draw the training and its result, which is what was looked for if it `explained` the target."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    (cutoff, q), (start_cutoff, start_q) = path[-1], path[0]
    figure.suptitle(
        f"{'Lowpass found' if explained else 'No lowpass, the nearest'}: cutoff {cutoff:.1f} Hz, q {q:.3f}", fontweight="bold"
    )
    axes = figure.subplot_mosaic([["loss", "cutoff", "q"], ["response"] * 3], height_ratios=[1, 1.3])

    workbench.plot_losses(axes["loss"], losses, "squared error / power of target")
    for name, values, label in (("cutoff", path[:, 0], "Cutoff (Hz)"), ("q", path[:, 1], "q")):
        axes[name].plot(values, color="C0")
        axes[name].axhline(values[-1], color="C0", linewidth=0.8, linestyle=":")
        axes[name].set(title=label)

    def decibels(gain):
        return 20 * np.log10(np.maximum(gain, 1e-6))

    hz = np.fft.rfftfreq(2048, 1 / DGen.sample_rate)
    response = axes["response"]
    response.semilogx(hz, decibels(measured_response(x, target)), color="0.65", linewidth=4, label="measured: target / input")
    start = f"start: {start_cutoff:.0f} Hz, q {start_q:.2f}"
    found = f"{'found' if explained else 'nearest'}: {cutoff:.1f} Hz, q {q:.3f}"
    response.semilogx(hz, decibels(filter_response(start_cutoff, start_q, gain)), "C1--", label=start)
    response.semilogx(hz, decibels(filter_response(cutoff, q, gain)), "C0", label=found)
    response.set(title="Magnitude response", xlabel="frequency (Hz)", ylabel="gain (dB)", xlim=(30, hz[-1]))
    response.set_ylim(max(-60, decibels(filter_response(cutoff, q, gain)[-2]) - 10), 6 + decibels(abs(gain) * max(1, q)))
    response.legend()
    for name, axis in axes.items():
        axis.grid(alpha=0.3, which="both" if name == "response" else "major")
        if name != "response":
            axis.set_xlabel("step")
    figure.savefig(file, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help="the recording before the filter (WAV, FLAC, ...)")
    parser.add_argument("--target", type=Path, help="the recording after it")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the results")
    parser.add_argument("--cutoff", type=workbench.above_zero, default=1000.0, help="first guess, in Hz (default: 1000)")
    parser.add_argument("--q", type=workbench.above_zero, default=0.7071, help="first guess (default: 0.7071)")
    parser.add_argument("--steps", type=workbench.whole, default=400, help="steps of training (default: 400)")
    parser.add_argument("--frames", type=workbench.whole, help="train on the loudest so many frames (default: 10 seconds)")
    args = parser.parse_args()
    if (args.input is None) != (args.target is None):
        parser.error("--input and --target belong together: give both, or neither")

    files = args.input or DATA / "speech.wav", args.target or DATA / "speech-lowpass.wav"
    x, target, rate = workbench.pair(("--input", "--target"), files)
    if not (20 <= args.cutoff <= 0.49 * rate and 0.05 <= args.q <= 50):
        parser.error(f"the first guess is outside of 20 to {0.49 * rate:.0f} Hz, or its q outside of 0.05 to 50")

    DGen.sample_rate = rate
    workbench.not_silent("--input", x)
    part = loudest(target, min(args.frames or 10 * rate, len(target)))
    *measured, delay = measure(x, target, rate) if len(x) < 2**16 else measure(x[around(part)], target[around(part)], rate)
    x = shifted(x, delay)
    workbench.not_silent("--input, where --target is loudest,", x[part])

    for cutoff, q in ((args.cutoff, args.q), measured):
        filtered, path, gain, losses = train(x[part], target[part], cutoff, q, args.steps)
        result = gain * filtered.realize(inputs={0: x})
        error_db = 10 * np.log10(np.mean((result - target) ** 2) / np.mean(target**2) + 1e-12)
        explained = bool(error_db <= -20)
        if explained:
            break
    args.output.mkdir(parents=True, exist_ok=True)
    audio.write(args.output / "filtered.wav", result, rate, bits=32)
    plot(args.output / "filter.png", x, target, path, gain, losses, explained)

    cutoff, q = path[-1]
    facts = f"cutoff {cutoff:.1f} Hz, q {q:.3f}, error {error_db:.1f} dB, gain {gain:.3f}, {late(delay)}"
    print(f"{'found' if explained else 'nearest'}: {facts}; see {args.output}/filter.png and filtered.wav")
    if not explained:
        print(
            "An error above -20 dB is more than a lowpass explains, with a gain and a delay: is there another filter, or noise?"
        )
        print("If not, training may have got stuck: begin nearer to the filter, with --cutoff and --q.")
        return 1
    return 0


def late(delay):
    return f"{abs(delay)} frames {'late' if delay >= 0 else 'early'}"


def around(part, frames=2**16):
    """The frames from which a measurement is made: as many as it takes, around those that are trained on."""
    return slice(max(0, part.start - frames // 4), max(0, part.start - frames // 4) + frames)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"train_filter: {error}")
