"""Time of `dg.fit` against the loop that a JAX user writes: a jitted step of optax that waits for its loss every 50 steps.

    python tests/bench/fit.py [--steps 1000] [--repeats 7]

The goal is a ratio of at most 1.0. Both are held to the same losses before they are timed. Then 10,000 steps: memory must not
grow over the second half.
"""

import argparse
import statistics
import time
from pathlib import Path

import jax
import numpy as np
import optax

import dgenlazy as dg
from dgenlazy import Signal


def problems():
    """Losses by name, each with its parameters and frames."""
    gain, coefficient = Signal.param(0.5), Signal.param(0.9, min=0.0, max=1.0)
    x = Signal.noise(seed=1)
    yield "onepole", dg.mse(x.onepole(coefficient) * gain, x.onepole(0.25) * 0.8), [gain, coefficient], 2048
    amps = dg.Tensor(np.full(8, 0.1), requires_grad=True)
    voice = (dg.harmonic(Signal.constant(220.0), amps), dg.harmonic(Signal.constant(220.0), dg.Tensor(1 / np.arange(1.0, 9.0))))
    yield "harmonics", dg.spectral_loss(*voice, window_size=[256, 512]), [amps], 2048


def fitted(loss, params, frames, steps, first):
    for p, value in zip(params, first):
        p.value = value
    return dg.fit(loss, params, steps=steps, lr=0.01, frames=frames, progress=False, keep_best=False).history


def written(loss, params, frames, steps, first):
    """The loop by hand, over the pure function of the loss; bounds are kept, as they are by `fit`."""
    names = [f"p{i}" for i in range(len(params))]
    fn = dg.function(loss, params=dict(zip(names, params)))
    tx = optax.adam(0.01)
    bounds = [(p.node.low, p.node.high) for p in params]

    def mean(values):
        return jax.numpy.mean(fn(dict(zip(names, values)), frames=frames)[0])

    @jax.jit
    def step(values, state):
        value, slopes = jax.value_and_grad(mean)(values)
        changes, state = tx.update(slopes, state, values)
        values = optax.apply_updates(values, changes)
        return [jax.numpy.clip(v, *b) for v, b in zip(values, bounds)], state, value

    def run():
        values = [jax.numpy.asarray(x) for x in first]
        state, losses = tx.init(values), []
        for k in range(steps):
            values, state, value = step(values, state)
            losses.append(value)
            if k % 50 == 49:
                float(value)
        return np.array([float(x) for x in losses])

    return run


def resident():
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    for name, loss, params, frames in problems():
        first = [p.value for p in params]
        hand = written(loss, params, frames, args.steps, first)
        a, b = fitted(loss, params, frames, args.steps, first), hand()
        np.testing.assert_allclose(a[:100], b[:100], rtol=1e-3, atol=1e-6)
        ratios = []
        for _ in range(args.repeats):
            begun = time.perf_counter()
            fitted(loss, params, frames, args.steps, first)
            middle = time.perf_counter()
            hand()
            ratios.append((middle - begun) / (time.perf_counter() - middle))
        low, high = min(ratios), max(ratios)
        print(f"{name}: fit / by hand {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f}), {args.steps} steps")
    held = []
    for p, value in zip(params, first):
        p.value = value
    dg.fit(
        loss,
        params,
        steps=10_000,
        lr=1e-4,
        frames=frames,
        progress=False,
        every=1000,
        callbacks=[lambda _: held.append(resident()) and None],
    )
    grown = (held[-1] - held[len(held) // 2]) / 2**20
    print(f"10,000 steps: {grown:+.1f} MiB over the second half")
    assert grown < 4


if __name__ == "__main__":
    main()
