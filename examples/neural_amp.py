"""Teach a recurrent network to be an amplifier with knobs: Moog's ladder with its cutoff and its drive.

A GRU hears the sound times the drive, and where the cutoff knob stands; a weighted sum of its state and of what it hears
is the sound that comes out. It learns on short sounds that are generated, each with knobs of its own. What it reaches is
measured on other sounds, at settings of the knobs that it has not met: ESR is the energy of the error over that of the sound.

    python examples/neural_amp.py --seed 0 --steps 5000 --output examples/data

`--output` (default: output/) receives `neural_amp.safetensors`, the weights.
"""

import argparse
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import workbench

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

RATE, UNITS, RESONANCE = 12000, 12, 0.3
CUTOFF, DRIVE = (300.0, 3000.0), (0.5, 4.0)  # ends of the knobs, which turn in octaves
LANES, FRAMES = 24, 300  # of a batch: sounds, and how long gradients flow
HELD_OUT = [(cutoff, drive) for cutoff in (350.0, 800.0, 1300.0, 2600.0) for drive in (0.6, 1.5, 3.5)]


def weights(seed=0):
    """What is learned, by name."""
    return {
        "w": Tensor.glorot([3 * UNITS, 2], seed=seed, requires_grad=True),
        "u": Tensor.glorot([3 * UNITS, UNITS], seed=seed + 1, requires_grad=True),
        "b": Tensor.zeros([3 * UNITS], requires_grad=True),
        "out": Tensor.glorot([1, UNITS + 2], seed=seed + 2, requires_grad=True),
        "bias": Tensor.zeros([1], requires_grad=True),
    }


def amp(x, cutoff, drive, learned):
    """The network's sound: `x`, `cutoff` in Hz and `drive` of one shape, () or lanes."""
    loud = x * drive
    knob = dg.log((cutoff + 0 * loud) / np.sqrt(CUTOFF[0] * CUTOFF[1]))  # a value per frame, as the sound has
    heard = dg.stack([loud, knob], axis=len(x.shape))
    state = heard.gru(learned["w"], learned["u"], learned["b"])
    says = dg.concat([state, heard], axis=len(x.shape)).linear(learned["out"], learned["bias"])
    return says.sum(axis=len(x.shape)) / drive


def between(ends, random, size):
    """Random settings of a knob that turns in octaves."""
    return np.exp(random.uniform(*np.log(ends), size))


def excitation(random, frames, lanes):
    """`(frames, lanes)`: in turn noise that is dull or bright, notes of a sawtooth, and two sines that glide."""
    time = np.arange(frames)[:, None] / RATE
    pitch = between((50, 1500), random, lanes)
    phase = random.uniform(0, 1, lanes)
    pole = random.uniform(0, 0.95, lanes)
    noise, last = np.empty((frames, lanes)), np.zeros(lanes)
    for n, white in enumerate(random.standard_normal((frames, lanes))):
        noise[n] = last = pole * last + np.sqrt(1 - pole**2) * white
    saw = 2 * ((pitch * time + phase) % 1) - 1
    glide = pitch * time * (1 + random.uniform(-5, 5, lanes) * time)
    sines = np.sin(2 * np.pi * (glide + phase)) + 0.5 * np.sin(2 * np.pi * 2.7 * glide)
    kind = np.arange(lanes) % 3
    return np.choose(kind, [0.4 * noise, saw, sines]) * between((0.1, 1.0), random, lanes)


def batches(random, count):
    """`count` batches: in channel 0 sound and knobs, `(frames, lanes, 3)`, in channel 1 what the ladder makes of them."""
    given = Signal.input(0, shape=(LANES, 3))
    target = given[:, 0].ladder(given[:, 1], RESONANCE, given[:, 2])
    made = []
    for _ in range(count):
        knobs = [np.tile(between(ends, random, LANES), (FRAMES, 1)) for ends in (CUTOFF, DRIVE)]
        made.append(np.stack([excitation(random, FRAMES, LANES), *knobs], axis=-1).astype(np.float32))
    targets = target.realize(FRAMES, inputs={0: np.stack(made)})
    return [{0: x, 1: y} for x, y in zip(made, targets, strict=True)]


def train(learned, seed, steps, count):
    """Learn, with the loss that sees trebles as well: ESR behind a pre-emphasis."""
    given = Signal.input(0, shape=(LANES, 3))
    made = amp(given[:, 0], given[:, 1], given[:, 2], learned)
    emphasis = [1.0, -0.85]
    loss = dg.esr(made.fir(emphasis), Signal.input(1, shape=(LANES,)).fir(emphasis))
    data = batches(np.random.default_rng(seed), count)

    def rate(step):
        return 0.01 * jnp.cos(jnp.pi / 2 * step / steps) ** 2 + 1e-5

    return dg.fit(loss, lr=1.0, schedule=rate, steps=steps, batches=data, clip=1.0, every=100, keep_best=False).history


def table(learned, sound, settings=HELD_OUT):
    """ESR at each of `settings`, a cutoff and a drive, for one sound."""
    cutoffs, drives = (Tensor(list(column)) for column in zip(*settings, strict=True))
    x = Signal.input(0) * Tensor.ones([len(settings)])
    made = amp(x, cutoffs, drives, learned)
    wanted, got = dg.realize(x.ladder(cutoffs, RESONANCE, drives), made, inputs={0: sound})
    return ((got - wanted) ** 2).sum(0) / (wanted**2).sum(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the weights")
    parser.add_argument("--steps", type=workbench.whole, default=5000, help="steps of training (default: 5000)")
    parser.add_argument(
        "--seed",
        type=lambda text: workbench.whole(text, least=0),
        default=0,
        help="of the weights and of the sounds (default: 0)",
    )
    args = parser.parse_args()

    DGen.sample_rate = RATE
    learned = weights(args.seed)
    losses = train(learned, args.seed, args.steps, min(args.steps, 200))
    args.output.mkdir(parents=True, exist_ok=True)
    dg.save_params(args.output / "neural_amp.safetensors", learned)

    sounds = excitation(np.random.default_rng(args.seed + 1000), RATE, 3).T
    found = np.mean([table(learned, sound.astype(np.float32)) for sound in sounds], axis=0)
    for (cutoff, drive), ratio in zip(HELD_OUT, found, strict=True):
        print(f"cutoff {cutoff:6.0f} Hz  drive {drive:3.1f}  ESR {ratio:.2%}")
    print(f"loss {losses[0]:.4f} -> {np.mean(losses[-20:]):.4f}, ESR {found.mean():.2%}, at worst {found.max():.2%}")


if __name__ == "__main__":
    try:
        main()
    except (workbench.Refused, dg.DGenError, OSError) as error:
        sys.exit(f"neural_amp: {error}")
