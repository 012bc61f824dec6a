"""One training step of the SPEC's filter example, 1,024 frames, against the same step written by hand in JAX and optax.

    python tests/bench/step.py

They train side by side from the same start and must agree before anything is timed: `backward` and an `Adam` of dgenlazy, and
`dgenlazy.function` in the same hand-written `jit`. Then each trains alone in processes of its own, step after step, as a user's
loop does: a step takes 0.1 ms in 60 kernels, and how XLA's threads fall into step with each other differs by a third from one
process to another, and with whatever ran just before. Ratios are of the medians over the processes, which take turns.
"""

import argparse
import statistics
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal

FRAMES, RATE = 1024, 44100.0
RUNS, STEPS = 200, 20  # a run is so many steps


def hand_written_loss(params, x, target):
    """Transposed direct form II in a scan."""
    cutoff, q = params
    w = 2 * jnp.pi * cutoff / RATE
    alpha, cos = jnp.sin(w) / (2 * q), jnp.cos(w)
    b0, b1, b2, a1, a2 = (c / (1 + alpha) for c in ((1 - cos) / 2, 1 - cos, (1 - cos) / 2, -2 * cos, 1 - alpha))

    def frame(state, x):
        s1, s2 = state
        y = b0 * x + s1
        return (b1 * x - a1 * y + s2, b2 * x - a2 * y), y

    _, y = jax.lax.scan(frame, (jnp.float32(0), jnp.float32(0)), x)
    return jnp.mean((y - target) ** 2)


def graph_loss():
    """The same, of a graph."""
    cutoff, q = Signal.param(1000.0), Signal.param(0.5)
    error = dg.mse(Signal.input(0).biquad(cutoff, q, mode="lowpass"), Signal.input(1))
    fn = dg.function(error, params=(cutoff, q), inputs={"x": Signal.input(0), "target": Signal.input(1)})

    def loss(params, x, target):
        return fn(params, {"x": x, "target": target})[0].mean()

    return loss


def by_hand(loss, source, target):
    """A user's own step: one jitted call for gradient and update."""
    tx = optax.adam(0.001)

    @jax.jit
    def step(params, state, x, target):
        value, grads = jax.value_and_grad(loss)(params, x, target)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    params = jnp.float32(1000.0), jnp.float32(0.5)
    state = tx.init(params)

    def train():
        nonlocal params, state
        params, state, value = step(params, state, source, target)
        return float(value), params

    return train


def by_dgenlazy(rebuilt):
    cutoff, q = Signal.param(1000.0), Signal.param(0.5)
    optimizer = Adam([cutoff, q], lr=0.001)

    def build():
        return dg.mse(Signal.input(0).biquad(cutoff, q, mode="lowpass"), Signal.input(1))

    once = build()

    def train():
        value = (build() if rebuilt else once).backward(FRAMES)
        optimizer.step()
        optimizer.zero_grad()
        return value, (cutoff.node.array, q.node.array)

    return train


def steps():
    """A training step of each kind, by name."""
    noise = np.random.default_rng(0)
    DGen.sample_rate = RATE
    DGen.inputs[0] = source = noise.normal(size=FRAMES).astype(np.float32)
    DGen.inputs[1] = target = noise.normal(size=FRAMES).astype(np.float32)
    return {
        "hand-written jit + optax": by_hand(hand_written_loss, source, target),
        "the same around dg.function": by_hand(graph_loss(), source, target),
        "dgenlazy, graph built once": by_dgenlazy(rebuilt=False),
        "dgenlazy, graph rebuilt": by_dgenlazy(rebuilt=True),
    }


def agree():
    side_by_side = steps().values()
    for _ in range(100):
        (value, params), *others = [step() for step in side_by_side]
        for other, moved in others:
            np.testing.assert_allclose(other, value, rtol=1e-4)
            np.testing.assert_allclose(moved, params, rtol=1e-4)


def alone(step):
    """Microseconds of a step among others like it, the median over runs."""
    taken = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        taken.append((time.perf_counter() - start) / STEPS)
    return 1e6 * statistics.median(taken[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=9, help="that train each step (default: 9)")
    parser.add_argument("--only", help="time this one, in this process")
    args = parser.parse_args()
    if args.only:
        print(alone(steps()[args.only]))
        return
    agree()
    taken = {name: [] for name in steps()}
    for _ in range(args.processes):
        for name, found in taken.items():
            done = subprocess.run([sys.executable, __file__, "--only", name], capture_output=True, text=True, check=True)
            found.append(float(done.stdout.split()[-1]))
    hand = statistics.median(next(iter(taken.values())))
    for name, found in taken.items():
        middle = statistics.median(found)
        print(f"{name:28} {middle:5.0f} us ({min(found):.0f} to {max(found):.0f})   {middle / hand:5.2f}x")


if __name__ == "__main__":
    main()
