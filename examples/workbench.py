"""What the examples share: arguments of a command line, recordings that belong together, and pictures of a training run."""

import argparse
import math

import numpy as np

from dgenlazy import audio


class Refused(Exception):
    """A run cannot begin or go on; the message says why."""


# Types of arguments, for `add_argument(type=...)`.


def whole(text, least=1, most=math.inf):
    """A whole number from `least` to `most`."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None
    if not least <= number <= most:
        within = f"in {least} to {most}" if most < math.inf else f"at least {least}"
        raise argparse.ArgumentTypeError(f"{text} is not {within}")
    return number


def above_zero(text, most=math.inf):
    """A finite number above 0, and at most `most`."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None
    if not (0 < number < math.inf and number <= most):  # which is also what NaN is not
        within = f" and at most {most:g}" if most < math.inf else ""
        raise argparse.ArgumentTypeError(f"{text} is not above 0{within}")
    return number


# Recordings.


def pair(names, files):
    """Two recordings that begin at the same instant, as long as the shorter one, and their rate.

    `names` is what a user calls them, for the errors.
    """
    (x, rate), (target, target_rate) = map(audio.read, files)
    if rate != target_rate:
        here = f"{names[0]} has {rate} Hz, {names[1]} {target_rate} Hz"
        raise Refused(f"{here}; give the recordings at one rate (see audio.resample)")
    if len(x) != len(target):
        print(f"{names[0]} has {len(x)} frames, {names[1]} {len(target)}; the shorter decides")
    frames = min(len(x), len(target))
    return x[:frames], not_silent(names[1], target[:frames]), rate


def not_silent(name, samples):
    """`samples`, in which there is something to learn."""
    if not samples.any():
        raise Refused(f"{name} is silent")
    return samples


# A run of training.


def finite(loss, step):
    """`loss`, that of a step counted from 1. What is no number would be in all that is learned from it."""
    if not math.isfinite(loss):
        raise Refused(f"the loss is {loss} in step {step}; try a lower learning rate, or another start")
    return float(loss)


def plot_losses(axis, losses, label="spectral loss"):
    """Draw losses over steps: a list of the loss of each step, or a dict of `(steps, losses)` by name."""
    if not isinstance(losses, dict):
        losses = {"": (range(len(losses)), losses)}
    for name, (steps, values) in losses.items():
        few = {"marker": "o"} if len(values) < 100 and len(losses) > 1 else {"linewidth": 0.8 if len(losses) > 1 else 1.5}
        axis.semilogy(steps, values, label=name, **few)
    axis.set(title="Loss", xlabel="step", ylabel=label)
    axis.grid(alpha=0.3, which="both")
    if len(losses) > 1:
        axis.legend()


def magnitudes(samples, size=2048, hop=None):
    """Short-time spectrum, shape `(windows, bins)`, of windows that begin `hop` frames (size // 8) apart.

    A full-scale sine has magnitude 1.
    """
    padded = np.pad(samples, (size // 2, size))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: hop or size // 8]
    return np.abs(np.fft.rfft(windows * np.hanning(size))) * 4 / size


def plot_spectra(figure, axes, sounds, rate, size=2048, top_db=None, highest=None):
    """Draw the short-time spectra of sounds side by side, all in one scale of colours.

    Args:
        figure, axes: A matplotlib figure, and its axes, one for each sound.
        sounds: Arrays `(frames,)` by title.
        rate: Their sample rate in Hz.
        size: Of a window, in frames.
        top_db: The level of the brightest colour, in dB; by default the loudest of the first sound. The darkest is 80 below.
        highest: Where the frequency axis ends, in Hz; by default at half of the rate.
    """
    levels = {title: 20 * np.log10(magnitudes(samples, size) + 1e-6) for title, samples in sounds.items()}
    top = next(iter(levels.values())).max() if top_db is None else top_db
    for axis, (title, level_db) in zip(axes, levels.items(), strict=True):
        extent = (0, len(sounds[title]) / rate, 0, rate / 2000)
        look = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": top - 80, "vmax": top, "extent": extent}
        image = axis.imshow(level_db.T, **look)
        axis.set(title=title, xlabel="time (s)", ylabel="frequency (kHz)")
        axis.set_ylim(0, min(highest or rate / 2, rate / 2) / 1000)
    figure.colorbar(image, ax=list(axes), label="magnitude (dB)")
