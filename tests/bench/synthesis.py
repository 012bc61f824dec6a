"""A bank of harmonics against JAX and PyTorch written by hand, with its gradient to the frequency and to all amplitudes.

    python tests/bench/synthesis.py [--seconds 4] [--partials 100] [--rounds 15] [--json out.json]

By hand there is one phase for all partials, a running sum of the frequency, and the sine of the library; PyTorch is a contender
on a CPU, where it is installed. float32 sums drift: of each contender the error is printed, against float64 of the same
frequencies, in parts of the peak. All take arrays on the device and leave their results there, and are timed in turns. A row
gives the median time, and the ratio of dgenlazy's time to it: below 1, dgenlazy is faster.
"""

import argparse
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

RATE, HOP = 16000.0, 64
random = np.random.default_rng(0)


def by_hand(f0, amps):
    """One running sum, then all partials of all frames at once."""
    k = np.arange(1, amps.shape[-1] + 1, dtype=np.float32)
    phase = jnp.cumsum(f0 / RATE) - f0 / RATE
    amps = jnp.repeat(amps, HOP, 0)[: len(f0)] if amps.ndim == 2 and len(amps) < len(f0) else amps
    amps = jnp.where(f0[:, None] * k < RATE / 2, amps, 0.0)
    return (amps * jnp.sin(2 * np.pi * phase[:, None] * k)).sum(-1)


def in_torch(f0, amps):
    k = torch.arange(1, amps.shape[-1] + 1, dtype=torch.float32)
    phase = torch.cumsum(f0 / RATE, 0) - f0 / RATE
    amps = amps.repeat_interleave(HOP, 0)[: len(f0)] if amps.ndim == 2 and len(amps) < len(f0) else amps
    amps = torch.where(f0[:, None] * k < RATE / 2, amps, 0.0)
    return (amps * torch.sin(2 * np.pi * phase[:, None] * k)).sum(-1)


def exactly(f0, amps):
    """The same in float64, partial by partial."""
    turns = np.concatenate([[0.0], np.cumsum(f0[:-1].astype(np.float64) / RATE)])
    amps = np.repeat(amps, HOP, 0)[: len(f0)] if amps.ndim == 2 and len(amps) < len(f0) else amps
    held = np.broadcast_to(amps, (len(f0), amps.shape[-1]))
    return sum(
        np.where(f0.astype(np.float64) * k < RATE / 2, held[:, k - 1], 0.0) * np.sin(2 * np.pi * (turns * k % 1))
        for k in range(1, amps.shape[-1] + 1)
    )


def torch_runs(f0, amps, weights):
    f0, amps, weights = (torch.tensor(x, requires_grad=i < 2) for i, x in enumerate((f0, amps, weights)))

    def gradient():
        f0.grad = amps.grad = None
        (in_torch(f0, amps) * weights).sum().backward()
        return f0.grad, amps.grad

    def forward():
        with torch.no_grad():
            return in_torch(f0, amps)

    return forward, gradient


def bank(title, f0, amps, rounds):
    sources = (
        Signal.from_samples(f0),
        Tensor(amps) if amps.ndim == 1 else Signal.from_samples(amps, hop=-(-len(f0) // len(amps))),
    )
    weights = random.uniform(-1, 1, len(f0)).astype(np.float32)
    fn = dg.function(dg.harmonic(*sources), inputs=dict(zip(("f0", "amps"), sources)))

    def ours(f0, amps):
        return fn.whole(inputs={"f0": f0, "amps": amps})

    def gradient(form):
        return jitted(jax.grad(lambda f0, amps: (form(f0, amps) * weights).sum(), (0, 1)), f0, amps)

    forms = {"dgenlazy": ours, "JAX by hand": by_hand}
    forwards = {name: jitted(form, f0, amps) for name, form in forms.items()}
    gradients = {name: gradient(form) for name, form in forms.items()}
    if torch and jax.default_backend() == "cpu":
        forwards["PyTorch"], gradients["PyTorch"] = torch_runs(f0, amps, weights)
    want = exactly(f0, amps)
    for name, run in forwards.items():
        print(f"{title:34} {name:26} {np.abs(np.asarray(run()) - want).max() / np.abs(want).max():9.1e} of the peak off")
    return time_all(title, forwards, rounds) + time_all(f"{title}, with gradient", gradients, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--partials", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="where to write the rows")
    args = parser.parse_args()
    frames = int(args.seconds * RATE)
    f0 = (70 + 5 * np.sin(np.arange(frames) / 500)).astype(np.float32)
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {args.partials} partials, {args.seconds} s at {RATE:.0f} Hz")
    rows = []
    with DGen.override(sample_rate=RATE):
        for title, shape in (
            ("amplitudes at rest", ()),
            (f"every {HOP} frames", (-(-frames // HOP),)),
            ("every frame", (frames,)),
        ):
            amps = random.uniform(0, 1, (*shape, args.partials)).astype(np.float32)
            rows += bank(f"{args.partials} partials, {title}", f0, amps, args.rounds)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
