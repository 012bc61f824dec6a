"""One training step of the SPEC's neural synthesis, and a bank of sines, against the same written by hand in JAX.

    python tests/bench/neural.py [--frames 1024] [--window 2048] [--rounds 15] [--json out.json]

By hand there are three forms. "as it reads" has a running sum for each phase, wrapped, and looks two rows of the table up for
each frame. "products" knows that the frequencies rest, so that a phase is a product, and that the table is walked evenly, so
that reading it is a product of matrices. "sines known" has all sines computed beforehand, in NumPy: it is not for frequencies
that come in. All are one jitted call of value, gradients and Adam on arrays that stay on the device, must agree before anything
is timed, and are timed in turns. A row gives the median time, and the ratio of dgenlazy's to it: below 1, dgenlazy is faster.

Then a bank of 64 oscillators, forward and with the gradient to its frequencies and amplitudes, where the error of each is
printed, against float64, in parts of the peak.
"""

import argparse
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
from recurrences import agree, jitted, time_all

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

RATE, ROWS, PARTIALS, F0 = 44100.0, 32, 16, 100.0
HARMONICS = F0 * np.arange(1, PARTIALS + 1, dtype=np.float32)
random = np.random.default_rng(0)


def weights():
    shapes = (1, 64), (64,), (64, PARTIALS), (PARTIALS,)
    return tuple(0.5 * random.normal(size=shape).astype(np.float32) for shape in shapes)


def graph(params, harmonics, frames, window):
    """The loss of the SPEC, as it is written there."""
    w1, b1, w2, b2 = params
    time = Tensor(np.arange(ROWS) / (ROWS - 1)).reshape([ROWS, 1])
    h1 = dg.tanh(dg.matmul(time, w1) + b1)
    amps = dg.sigmoid(dg.matmul(h1, w2) + b2)
    playhead = Signal.phasor(DGen.sample_rate / frames)
    at_time = amps.peek_row(playhead * (ROWS - 1.0))
    sines = dg.sin(Signal.phasor(harmonics) * 2 * np.pi)
    return dg.spectral_loss((sines * at_time).sum(), Signal.input(0), window_size=window)


def network(params):
    w1, b1, w2, b2 = params
    time = jnp.arange(ROWS, dtype=jnp.float32)[:, None] / (ROWS - 1)
    return jax.nn.sigmoid(jnp.tanh(time @ w1 + b1) @ w2 + b2)


def as_it_reads(params, freqs, frames):
    amps = network(params)
    step = jnp.broadcast_to(freqs / RATE, (frames, PARTIALS))
    phases = (jnp.cumsum(step, 0) - step) % 1
    index = jnp.arange(frames) * ((ROWS - 1) / frames)
    low = jnp.floor(index).astype(int)
    part = (index - low)[:, None]
    at_time = (1 - part) * amps[low] + part * amps[jnp.minimum(low + 1, ROWS - 1)]
    return (jnp.sin(2 * jnp.pi * phases) * at_time).sum(-1)


def tents(frames):
    """What each frame reads of each row."""
    index = np.arange(frames)[:, None] * ((ROWS - 1) / frames)
    return np.maximum(1 - np.abs(index - np.arange(ROWS)), 0).astype(np.float32)


def by_products(params, freqs, frames):
    phases = jnp.arange(frames, dtype=jnp.float32)[:, None] * (freqs / RATE) % 1
    return (jnp.sin(2 * jnp.pi * phases) * (tents(frames) @ network(params))).sum(-1)


def with_sines(params, freqs, frames):
    waves = np.sin(2 * np.pi * (np.outer(np.arange(frames), HARMONICS.astype(np.float64) / RATE) % 1)).astype(np.float32)
    return (waves * (tents(frames) @ network(params))).sum(-1)


def spectral(pred, target, size):
    """`dg.spectral_loss`, whose windows are centred, by strided slices and one FFT of both."""
    hop, frames = size // 4, len(pred)
    count = -(-frames // hop)
    both = jnp.pad(jnp.stack([pred, target]), ((0, 0), (size // 2, size)))
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    cut = jnp.stack([both[:, k * hop : k * hop + size] for k in range(count)], 1)
    a, b = jnp.abs(jnp.fft.rfft(cut * window))
    return jnp.mean(jnp.abs(a - b)) + jnp.mean(jnp.abs(jnp.log(a + 1e-3) - jnp.log(b + 1e-3)))


def trained(loss, params, *given):
    """A step of Adam, a jitted call, from the same start each time: the loss, its gradients, and where they lead to."""
    tx = optax.adam(0.001)

    def step(params, state, *given):
        value, grads = jax.value_and_grad(loss)(params, *given)
        updates, _ = tx.update(grads, state, params)
        return value, grads, optax.apply_updates(params, updates)

    return jitted(step, params, tx.init(params), *given)


def neural(frames, window, rounds):
    params = weights()
    waves = np.sin(2 * np.pi * np.outer(np.arange(frames), HARMONICS.astype(np.float64)) / RATE)
    target = (waves * np.linspace(1, 0, PARTIALS)).sum(1).astype(np.float32)
    held, freqs = [Tensor(p, requires_grad=True) for p in params], Tensor(HARMONICS)
    inputs = {"freqs": freqs, "target": Signal.input(0)}
    fn = dg.function(graph(held, freqs, frames, window), params=tuple(held), inputs=inputs)
    losses = {"dgenlazy": lambda params, freqs, target: fn.whole(params, inputs={"freqs": freqs, "target": target})}
    for name, form in (("as it reads", as_it_reads), ("products", by_products), ("sines known", with_sines)):
        losses[f"JAX, {name}"] = lambda params, freqs, target, form=form: spectral(form(params, freqs, frames), target, window)
    steps = {name: trained(loss, params, HARMONICS, target) for name, loss in losses.items()}
    title = f"neural synthesis, {frames} frames"
    agree(title, {name: lambda run=run: run()[:2] for name, run in steps.items()}, 2e-2)
    return time_all(title, steps, rounds)


def bank(frames, count, rounds):
    """Frequencies that rest, and are learned."""
    freqs = (55 * 1.03 ** np.arange(count)).astype(np.float32)
    amps, weight = random.uniform(0, 1, count).astype(np.float32), random.uniform(-1, 1, frames).astype(np.float32)
    sources = Tensor(freqs), Tensor(amps)
    fn = dg.function(dg.oscillator_bank(*sources), inputs=dict(zip(("freqs", "amps"), sources)))

    def ours(freqs, amps):
        return fn.whole(inputs={"freqs": freqs, "amps": amps}, frames=frames)

    def by_sums(freqs, amps):
        step = jnp.broadcast_to(freqs / RATE, (frames, count))
        return jnp.sin(2 * jnp.pi * (jnp.cumsum(step, 0) - step)) @ amps

    def by_products(freqs, amps):
        return jnp.sin(jnp.arange(frames, dtype=jnp.float32)[:, None] * (2 * jnp.pi / RATE * freqs)) @ amps

    def gradient(form):
        return jitted(jax.grad(lambda freqs, amps: (form(freqs, amps) * weight).sum(), (0, 1)), freqs, amps)

    forms = {"dgenlazy": ours, "JAX, running sums": by_sums, "JAX, products": by_products}
    forwards = {name: jitted(form, freqs, amps) for name, form in forms.items()}
    want = np.sin(2 * np.pi * (np.outer(np.arange(frames), freqs.astype(np.float64) / RATE) % 1)) @ amps
    title = f"bank of {count}, {frames} frames"
    for name, run in forwards.items():
        off = np.abs(np.asarray(run()) - want).max() / np.abs(want).max()
        assert off < 1e-6 if name == "dgenlazy" else off < 1e-1, (name, off)
        print(f"{title:34} {name:26} {off:9.1e} of the peak off")
    gradients = {name: gradient(form) for name, form in forms.items()}
    agree(f"{title}, gradient", gradients, 2e-2)
    return time_all(title, forwards, rounds) + time_all(f"{title}, gradient", gradients, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1024)
    parser.add_argument("--window", type=int, default=2048)
    parser.add_argument("--bank-frames", type=int, default=44100)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="where to write the rows")
    args = parser.parse_args()
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}")
    with DGen.override(sample_rate=RATE):
        rows = neural(args.frames, args.window, args.rounds) + bank(args.bank_frames, 64, args.rounds)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
