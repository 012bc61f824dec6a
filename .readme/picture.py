"""The picture of the README: a filter learns to sound like another. `python .readme/picture.py` draws it anew."""

from pathlib import Path

import matplotlib
import numpy as np

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal

matplotlib.use("Agg")
from matplotlib import pyplot as plt

STEPS, SHOWN = 121, (0, 30, 40, 50, 60, 120)

octave, q = Signal.param(0.0), Signal.param(0.7, min=0.3, max=10.0)
noise = Signal.noise()
guess = noise.biquad(500 * 2**octave, q)
target = noise.biquad(4000.0, q=3.0)
loss = dg.mse(guess, target)
optimizer = Adam([octave, q], lr=0.05)

impulse = Signal.from_samples(np.arange(8192) == 0)
response = impulse.biquad(500 * 2**octave, q)
wanted = impulse.biquad(4000.0, q=3.0)


def level(value):
    """Of the filter at each frequency, in dB."""
    return 20 * np.log10(np.abs(np.fft.rfft(value.realize())))


losses, levels = [], {}
for step in range(STEPS):
    if step in SHOWN:
        levels[step] = level(response)
    losses.append(loss.backward(frames=1024))
    optimizer.step()
    optimizer.zero_grad()

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.8), width_ratios=[3, 2], layout="constrained")
frequency = np.fft.rfftfreq(8192, 1 / DGen.sample_rate)
left.semilogx(frequency, level(wanted), color="0.75", linewidth=6, label="target")
for shade, (step, values) in zip(np.linspace(0.15, 0.85, len(levels)), levels.items()):
    left.semilogx(frequency, values, color=plt.cm.viridis(shade), label=f"step {step}")
left.set(title="response of the filter", xlabel="frequency (Hz)", ylabel="level (dB)", xlim=(100, 20000), ylim=(-50, 15))
left.legend(frameon=False, fontsize=8, loc="lower left")
right.semilogy(losses)
right.set(title="mean squared error", xlabel="step")
figure.savefig(Path(__file__).with_name("picture.png"), dpi=110, metadata={"Software": None})
