"""Spectra and rates against JAX written by hand: `stft -> mask -> istft`, and a GRU at a hop against one at every frame.

    python tests/bench/spectra.py [--seconds 10] [--rounds 15] [--json out.json]

Two hand-written forms of the vocoder: windows gathered by an index and scattered back, and windows put together from chunks
of a hop. All take arrays on the device and leave their results there. Contenders must agree before anything is timed; they are
timed in turns. A row gives the median time, and the ratio of dgenlazy's time to it: below 1, dgenlazy is faster.
"""

import argparse
import json

import jax
import jax.numpy as jnp
import numpy as np
from recurrences import RATE, compare, jitted, time_all

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

SIZE, HOP = 1024, 256
HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)
random = np.random.default_rng(0)


def _held(mask, count):
    return jnp.concatenate([mask, jnp.broadcast_to(mask[-1:], (count - len(mask), mask.shape[1]))])


def gathered(x, mask):
    """An index of every window, and a scatter back."""
    frames, count = len(x), -(-len(x) // HOP) + SIZE // HOP
    index = np.arange(count)[:, None] * HOP + np.arange(SIZE)
    padded = jnp.pad(x, (SIZE // 2, count * HOP + SIZE - frames))
    spectra = jnp.fft.rfft(padded[index] * HANN) * _held(mask, count)
    windows = jnp.fft.irfft(spectra, SIZE) * HANN
    y = jnp.zeros(count * HOP + SIZE, windows.dtype).at[index].add(windows)
    weight = np.zeros(count * HOP + SIZE)
    np.add.at(weight, index, HANN**2)
    return (y * np.float32(1 / np.where(weight < 1e-8, 1, weight)))[SIZE // 2 : SIZE // 2 + frames]


def chunked(x, mask):
    """Windows put together from chunks of a hop, and added chunk by chunk."""
    frames, count, chunks = len(x), -(-len(x) // HOP) + SIZE // HOP, SIZE // HOP
    parts = jnp.pad(x, (SIZE // 2, count * HOP + SIZE - frames - SIZE // 2)).reshape(-1, HOP)
    spectra = jnp.fft.rfft(jnp.concatenate([parts[i : i + count] for i in range(chunks)], 1) * HANN) * _held(mask, count)
    windows = (jnp.fft.irfft(spectra, SIZE) * HANN).reshape(count, chunks, HOP)
    y = sum(jnp.pad(windows[:, i], ((i, chunks - 1 - i), (0, 0))) for i in range(chunks)).reshape(-1)
    squares = np.broadcast_to((HANN**2).reshape(chunks, HOP), (count, chunks, HOP))
    weight = sum(np.pad(squares[:, i], ((i, chunks - 1 - i), (0, 0))) for i in range(chunks)).reshape(-1)
    return (y * np.float32(1 / np.where(weight < 1e-8, 1, weight)))[SIZE // 2 : SIZE // 2 + frames]


def vocoder(seconds, rounds):
    frames = int(seconds * RATE)
    x = random.standard_normal(frames).astype(np.float32)
    mask = random.uniform(0, 1, (-(-frames // HOP), SIZE // 2 + 1)).astype(np.float32)
    source, bands = Signal.from_samples(x), Signal.from_samples(mask, hop=HOP)
    fn = dg.function((source.stft(SIZE, HOP) * bands).istft(), params={}, inputs={"x": source, "mask": bands})

    def ours(x, mask):
        return fn.whole({}, {"x": x, "mask": mask})

    forms = {"dgenlazy": ours, "gathered by hand": gathered, "chunks by hand": chunked}
    rows = compare("stft -> mask -> istft", {name: jitted(form, x, mask) for name, form in forms.items()}, rounds)

    def slopes(form):
        return jax.grad(lambda x, mask: jnp.mean(form(x, mask) ** 2), (0, 1))

    return rows + compare("its gradient", {name: jitted(slopes(form), x, mask) for name, form in forms.items()}, rounds)


def gru(control, width, weights):
    """A gated recurrent unit, one step for each value of `control`."""

    def cell(state):
        drive = weights["input"] @ dg.stack([control, 1.0 - control])
        update = (drive + weights["state"] @ state).sigmoid()
        return (1 - update) * state + update * (drive - weights["state"] @ state).tanh()

    return dg.feedback(cell, init=np.zeros(width, np.float32))


def rates(seconds, rounds, width=64, hop=64):
    """The same network on a control that comes every hop, and on the control held at every frame."""
    frames = int(seconds * RATE)
    control = random.uniform(0, 1, -(-frames // hop)).astype(np.float32)
    weights = {name: Tensor(random.normal(0, 0.1, (width, n))) for name, n in (("input", 2), ("state", width))}
    runs = {}
    for name, every, samples in (("at hop 64", hop, control), ("at every frame", 1, np.repeat(control, hop)[:frames])):
        source = Signal.from_samples(samples, hop=every)
        fn = dg.function(gru(source, width, weights).sum(), inputs={"control": source})
        runs[name] = jitted(lambda x, fn=fn: fn.whole(inputs={"control": x}), samples)
    return time_all(f"GRU of {width}, {seconds} s", runs, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="where to write the rows")
    args = parser.parse_args()
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {args.seconds} s at {RATE:.0f} Hz, {SIZE}/{HOP}")
    with DGen.override(sample_rate=RATE):
        rows = vocoder(args.seconds, args.rounds) + rates(min(args.seconds, 1.0), args.rounds)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
