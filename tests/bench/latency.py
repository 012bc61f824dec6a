"""Time per block of a voice that is streamed: dgenlazy's two ways, and the same graph written by hand in JAX.

    python tests/bench/latency.py [--blocks 2000] [--size 64] [--json out.json]

The voice is a bank of sines and noise through a ladder with a smoothed cutoff, an echo and a feedback delay network. In every
block the host sets the cutoff, gives the samples of the noise and takes the sound as a NumPy array. The contenders must agree
before anything is timed, and are timed in turns, so that a slow moment of the machine meets all alike.

A row gives the time per block at the median, at p99 and at p99.9; the share of the time that the block lasts which the last of
them takes (above 1, it is heard); and the ratio of the median to that of the hand-written one: below 1, dgenlazy is faster.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

RATE = 48000.0
SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
PARTIALS = np.float32([110, 220.5, 329, 441, 552, 658, 771, 884])
ECHO, LINES, GAIN = 3000, (1490, 1602, 1868, 2054), 0.85
HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32) / 2

Block = Callable[[float, np.ndarray], np.ndarray]  # cutoff and noise of a block to its sound


def voice(cutoff: Any) -> Any:
    tone = (Signal.phasor(Tensor(PARTIALS)) * (2 * np.pi)).sin().mean()
    x = (tone + 0.1 * Signal.input(0)).ladder(cutoff.smooth(20.0), resonance=0.5)
    echo = dg.feedback(lambda prev: x + 0.5 * prev.delay(ECHO - 1).onepole(0.4))
    return echo + 0.3 * echo.fdn(LINES, HADAMARD, gain=GAIN).sum()


def realized(frames: int) -> Block:
    cutoff = Signal.param(1000.0)
    y = voice(cutoff)

    def block(hz, noise):
        cutoff.value = hz
        return y.realize(frames, inputs={0: noise}, preserve_state=True)

    return block


def as_function(frames: int) -> Block:
    cutoff = Signal.param(1000.0)
    fn = dg.function(voice(cutoff), params={"cutoff": cutoff}, inputs={"noise": 0})
    first = jax.jit(lambda hz, noise: fn({"cutoff": hz}, {"noise": noise}))
    other = jax.jit(lambda hz, noise, state: fn({"cutoff": hz}, {"noise": noise}, state), donate_argnums=2)
    return _carried(first, other)


def by_hand(frames: int) -> Block:
    """One scan over all of it, as one would write it for one frame, and the sines outside."""
    share, size = 1 - 0.01 ** (1000 / (20.0 * RATE)), max(LINES)
    rest = jnp.float32(0), jnp.zeros(4), jnp.float32(0), jnp.zeros(ECHO), jnp.zeros((size, 4)), jnp.int32(0)

    def frame(hz, state, x):
        knob, stages, dull, ring, lines, n = state
        knob = knob + share * (hz - knob)
        w = 2 * jnp.pi * knob / RATE
        turn = (jnp.pi - w) / 4
        pole = jnp.sin(turn) / jnp.sin(w + turn)
        gain = (1 - pole) / jnp.sqrt(1 - 2 * pole * jnp.cos(w) + pole**2)
        u, after = jnp.tanh(x - 0.5 / gain**4 * stages[3]), []
        for i in range(4):
            after.append(stages[i] + (1 - pole) * (u - jnp.tanh(stages[i])))
            u = jnp.tanh(after[i])
        dull = dull + 0.4 * (ring[n % ECHO] - dull)
        echo = after[3] + 0.5 * dull
        ring = ring.at[n % ECHO].set(echo)
        ends = lines[(n - jnp.array(LINES)) % size, jnp.arange(4)]
        lines = lines.at[n % size].set(echo + HADAMARD @ (GAIN * ends))
        return (knob, jnp.stack(after), dull, ring, lines, n + 1), echo + 0.3 * ends.sum()

    def run(hz, noise, phase, state):
        turns = phase + jnp.arange(frames)[:, None] * (PARTIALS / np.float32(RATE))
        x = jnp.sin(2 * jnp.pi * turns).mean(1) + 0.1 * noise
        state, y = lax.scan(lambda s, x: frame(hz, s, x), state, x)
        return y, ((phase + frames * (PARTIALS / np.float32(RATE))) % 1, state)

    first = jax.jit(lambda hz, noise: run(hz, noise, jnp.zeros(8), (hz, *rest[1:])))
    return _carried(first, jax.jit(lambda hz, noise, state: run(hz, noise, *state), donate_argnums=2))


def _carried(first: Any, other: Any) -> Block:
    """A block after the other, the state handed on."""
    held: list[Any] = [None]

    def block(hz, noise):
        state, hz = held[0], np.float32(hz)
        y, held[0] = first(hz, noise) if state is None else other(hz, noise, state)
        return np.array(y)

    return block


CONTENDERS = {"dgenlazy realize": realized, "dgenlazy function, jitted": as_function, "hand-written JAX": by_hand}


def measure(frames: int, blocks: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, (16, frames)).astype(np.float32)
    hz = rng.uniform(300, 3000, 16)
    run = {name: make(frames) for name, make in CONTENDERS.items()}
    ours, *others = [np.concatenate([block(hz[i], noise[i]) for i in range(6)]) for block in run.values()]
    for other in others:
        np.testing.assert_allclose(other, ours, atol=2e-3 * np.abs(ours).max())
    taken: dict[str, list[float]] = {name: [] for name in run}
    for _ in range(-(-blocks // 100)):
        for name, block in run.items():
            for i in range(100):
                start = time.perf_counter()
                block(hz[i % 16], noise[i % 16])
                taken[name].append(time.perf_counter() - start)
    rows, budget = [], 1e6 * frames / RATE
    least = np.median(taken["hand-written JAX"])
    for name, times in taken.items():
        p50, p99, p999 = 1e6 * np.percentile(times, [50, 99, 99.9])
        row = {"frames": frames, "contender": name, "p50 us": p50, "p99 us": p99, "p99.9 us": p999}
        rows.append(row | {"budget us": budget, "share": p999 / budget, "ratio": float(np.median(times) / least)})
        shown = f"{p50:8.0f} {p99:8.0f} {p999:8.0f} us of {budget:6.0f} {p999 / budget:6.2f}"
        print(f"{frames:5} {name:26} {shown} {rows[-1]['ratio']:6.2f}x", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--blocks", type=int, default=2000, help="to time of each size (default: 2000)")
    parser.add_argument("--size", type=int, action="append", help="frames of a block; may be repeated")
    parser.add_argument("--json", help="file to write the rows to")
    args = parser.parse_args()
    DGen.sample_rate = RATE
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}, {RATE:.0f} Hz")
    print(f"{'block':5} {'':26} {'p50':>8} {'p99':>8} {'p99.9':>8} {'lasts':>12} {'share':>6} {'ratio':>7}")
    rows = [row for frames in args.size or SIZES for row in measure(frames, args.blocks)]
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"jax": jax.__version__, "platform": jax.default_backend(), "rate": RATE, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
