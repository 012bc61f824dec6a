"""A training step of a DDSP synthesizer against the same written by hand in JAX and, on a CPU, in PyTorch.

    python tests/bench/ddsp_step.py [--seconds 4] [--partials 100] [--bands 16] [--rounds 15] [--json out.json]

Controls come every 64 frames: a fundamental, an amplitude for each partial, and the gains of noise in bands. The first two are
interpolated linearly; noise is filtered from tick to tick; the loss compares spectra at six sizes. A step is the loss with its
gradients to all controls. Of each there are forms with a phase, a running sum, for each partial, as it is often written, and
with one for all. All hear the same noise, must agree before anything is timed, and are timed in turns. A row gives the median
time, and the ratio of the first one's time to it: below 1, `dg.harmonic` is faster.
"""

import argparse
import functools as ft
import json

import jax
import jax.numpy as jnp
import numpy as np
from recurrences import jitted, time_all

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

try:
    import torch
except ImportError:
    torch = None

RATE, HOP, SIZES = 16000.0, 64, (2048, 1024, 512, 256, 128, 64)


def controls(seconds, partials, bands):
    """Fundamental, amplitudes, gains, noise, and what is to be heard."""
    random, ticks = np.random.default_rng(0), int(seconds * RATE) // HOP
    n = np.arange(ticks * HOP)
    f0 = 60 + 5 * np.sin(np.arange(ticks) / 40)
    amps, gains = random.uniform(0, 0.02, (ticks, partials)), random.uniform(0.01, 0.1, (ticks, bands))
    noise, heard = random.uniform(-1, 1, (2, len(n)))
    return [x.astype(np.float32) for x in (f0, amps, gains, noise, 0.1 * np.sin(0.1 * n) + 0.1 * heard)]


def hann(size):
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def lines():
    """How much of a tick each frame after it has, and of the next."""
    part = np.arange(HOP, dtype=np.float32)[None, :] / HOP
    return 1 - part, part


def centred(bands):
    """The window over a response of zero phase, whose first tap is then `bands - 2` frames early."""
    half = bands - 1
    return (0.5 + 0.5 * np.cos(np.pi * np.arange(1 - half, half) / half)).astype(np.float32)


def held_between(x):
    now, later = lines()
    after = jnp.concatenate([x[1:], x[-1:]])
    more = (1,) * (x.ndim - 1)
    y = x[:, None] * now.reshape(1, HOP, *more) + after[:, None] * later.reshape(1, HOP, *more)
    return y.reshape(-1, *x.shape[1:])


def harmonics(f0, amps, each):
    f0, amps, k = held_between(f0), held_between(amps), np.arange(1, amps.shape[-1] + 1, dtype=np.float32)
    step = f0[:, None] * k / RATE if each else f0 / RATE
    phase = jnp.cumsum(step, 0) - step
    phase = phase if each else phase[:, None] * k
    return (jnp.where(f0[:, None] * k < RATE / 2, amps, 0.0) * jnp.sin(2 * jnp.pi * phase)).sum(-1)


def filtered(gains, noise):
    bands = gains.shape[-1]
    window = centred(bands)
    taps = jnp.roll(jnp.fft.irfft(gains), bands - 2, -1)[:, : len(window)] * window
    long = HOP + len(window) - 1
    points = 1 << (long - 1).bit_length()
    y = jnp.fft.irfft(jnp.fft.rfft(noise.reshape(-1, HOP), points) * jnp.fft.rfft(taps, points), points)
    first, second = y[:, :HOP].reshape(-1), jnp.pad(y[:, HOP:long], ((0, 0), (0, 2 * HOP - long))).reshape(-1)
    y = jnp.pad(first, (0, HOP)) + jnp.pad(second, (HOP, 0))
    return y[bands - 2 :][: len(noise)]


def distance(sound, target):
    total = 0.0
    for size in SIZES:
        hop = size // 4
        count = -(-len(sound) // hop)
        both = jnp.pad(jnp.stack([sound, target]), ((0, 0), (0, size)))
        chunks = both[:, : (count + 3) * hop].reshape(2, -1, hop)
        cut = jnp.concatenate([chunks[:, i : i + count] for i in range(4)], -1)
        a, b = jnp.abs(jnp.fft.rfft(cut * hann(size)))
        total += jnp.abs(a - b).mean() + jnp.abs(jnp.log(a + 1e-5) - jnp.log(b + 1e-5)).mean()
    return total


def by_hand(f0, amps, gains, noise, target, each):
    return distance(harmonics(f0, amps, each) + filtered(gains, noise), target)


def torch_step(given, each):
    """The same by PyTorch: a gradient to all controls."""
    hold, hear = map(torch.tensor, lines()), map(torch.tensor, given[3:])
    (now, later), (noise, target) = hold, hear
    live = [torch.tensor(x, requires_grad=True) for x in given[:3]]
    windows = {size: torch.tensor(hann(size)) for size in SIZES}

    def between(x):
        more = (1,) * (x.ndim - 1)
        y = x[:, None] * now.reshape(1, HOP, *more) + torch.cat([x[1:], x[-1:]])[:, None] * later.reshape(1, HOP, *more)
        return y.reshape(-1, *x.shape[1:])

    def tones(f0, amps):
        f0, amps, k = between(f0), between(amps), torch.arange(1, amps.shape[-1] + 1, dtype=torch.float32)
        step = f0[:, None] * k / RATE if each else f0 / RATE
        phase = torch.cumsum(step, 0) - step
        phase = phase if each else phase[:, None] * k
        return (torch.where(f0[:, None] * k < RATE / 2, amps, 0.0) * torch.sin(2 * np.pi * phase)).sum(-1)

    def breath(gains):
        bands, window = gains.shape[-1], torch.tensor(centred(gains.shape[-1]))
        taps = torch.roll(torch.fft.irfft(gains), bands - 2, -1)[:, : len(window)] * window
        long = HOP + len(window) - 1
        points = 1 << (long - 1).bit_length()
        y = torch.fft.irfft(torch.fft.rfft(noise.reshape(-1, HOP), points) * torch.fft.rfft(taps, points), points)
        second = torch.nn.functional.pad(y[:, HOP:long], (0, 2 * HOP - long)).reshape(-1)
        y = torch.nn.functional.pad(y[:, :HOP].reshape(-1), (0, HOP)) + torch.nn.functional.pad(second, (HOP, 0))
        return y[bands - 2 :][: len(noise)]

    def spectra(sound, size):
        count = -(-len(sound) // (size // 4))
        chunks = torch.nn.functional.pad(sound, (0, size)).unfold(0, size, size // 4)[:count]
        return torch.fft.rfft(chunks * windows[size]).abs()

    def step():
        for x in live:
            x.grad = None
        sound, total = tones(*live[:2]) + breath(live[2]), 0.0
        for size in SIZES:
            a, b = spectra(sound, size), spectra(target, size)
            total = total + (a - b).abs().mean() + (torch.log(a + 1e-5) - torch.log(b + 1e-5)).abs().mean()
        total.backward()
        return total.detach().numpy(), tuple(x.grad.numpy() for x in live)

    return step


def order(amps):
    return Tensor(np.arange(1, amps.shape[0] + 1))


SOUNDS = {
    "dgenlazy, harmonic": lambda f0, amps: dg.harmonic(f0, amps),
    "dgenlazy, a phasor each": lambda f0, amps: (amps * dg.sin(2 * np.pi * Signal.phasor(f0 * order(amps)))).sum(),
    "dgenlazy, one phasor": lambda f0, amps: (amps * dg.sin(2 * np.pi * Signal.phasor(f0) * order(amps))).sum(),
}


def graph(given, sounding):
    values = [Signal.from_samples(x, hop=HOP if i < 3 else 1) for i, x in enumerate(given)]
    f0, amps, gains, noise, target = values
    sound = sounding(f0.upsample(), amps.upsample()) + dg.filtered_noise(gains, noise)
    loss = dg.multi_scale_spectral_loss(sound, target, SIZES, logmag_weight=1.0, safe_log="2019")
    names = "f0", "amps", "gains", "noise", "target"
    fn = dg.function(loss, inputs=dict(zip(names, values)))
    return lambda *now: fn.whole(inputs=dict(zip(names, now)))


def steps(given):
    losses = {
        **{name: graph(given, sounding) for name, sounding in SOUNDS.items()},
        "JAX, a phase each": ft.partial(by_hand, each=True),
        "JAX, one phase": ft.partial(by_hand, each=False),
    }
    found = {name: jitted(jax.value_and_grad(loss, (0, 1, 2)), *given) for name, loss in losses.items()}
    if torch and jax.default_backend() == "cpu":
        found |= {"PyTorch, a phase each": torch_step(given, True), "PyTorch, one phase": torch_step(given, False)}
    return found


def alike(contenders):
    """In a short run, where phases by hand drift less; but for gradients where a bin is nearly silent."""
    ours, *others = [jax.tree.leaves(run()) for run in contenders.values()]
    for theirs in others:
        for a, b in zip(ours, theirs, strict=True):
            assert np.quantile(np.abs(a - b), 0.9) < 1e-2 * np.abs(b).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--partials", type=int, default=100)
    parser.add_argument("--bands", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", help="where to write the rows")
    args = parser.parse_args()
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}")
    with DGen.override(sample_rate=RATE):
        alike(steps(controls(0.1, args.partials, args.bands)))
        rows = time_all(f"DDSP step, {args.seconds} s", steps(controls(args.seconds, args.partials, args.bands)), args.rounds)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
