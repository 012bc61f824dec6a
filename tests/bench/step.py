"""One training step of the SPEC's filter example, 1,024 frames, against the same step written by hand in JAX and optax.

    python tests/bench/step.py

They train side by side from the same start and must agree before anything is timed: `backward` and an `Adam` of dgenlazy, and
`dgenlazy.function` in the same hand-written `jit`. Each round times all of them, in another order, so that a slow moment of the
machine meets all alike; the ratio printed is the median over rounds.
"""

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal

FRAMES, RATE, ROUNDS = 1024, 44100.0, 1000


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


def main():
    noise = np.random.default_rng(0)
    DGen.sample_rate = RATE
    DGen.inputs[0] = source = noise.normal(size=FRAMES).astype(np.float32)
    DGen.inputs[1] = target = noise.normal(size=FRAMES).astype(np.float32)
    steps = {
        "hand-written jit + optax": by_hand(hand_written_loss, source, target),
        "the same around dg.function": by_hand(graph_loss(), source, target),
        "dgenlazy, graph built once": by_dgenlazy(rebuilt=False),
        "dgenlazy, graph rebuilt": by_dgenlazy(rebuilt=True),
    }
    for _ in range(100):
        (value, params), *others = [step() for step in steps.values()]
        for other, moved in others:
            np.testing.assert_allclose(other, value, rtol=1e-4)
            np.testing.assert_allclose(moved, params, rtol=1e-4)
    times = {name: [] for name in steps}
    order = list(steps.items())
    for _ in range(ROUNDS):
        order.append(order.pop(0))
        for name, step in order:
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    hand = next(iter(times.values()))
    for name, taken in times.items():
        ratio = statistics.median(t / h for t, h in zip(taken, hand))
        print(f"{name:28} {1e6 * statistics.median(taken):7.0f} us   {ratio:5.2f}x")


if __name__ == "__main__":
    main()
