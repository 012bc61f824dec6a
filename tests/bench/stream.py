"""Time per block of a small stream: a phasor through a filter and a gain, beside the same step jitted by hand.

    python tests/bench/stream.py [--frames 64] [--frames 512]

With the cutoff as it is, and with one that the host moves before each block. Both must agree before anything is timed, and are
timed in turns. A row gives the time of a block in microseconds, the least and the median of runs of 50 blocks, and the ratios.
`DGENLAZY_XLA_FLAGS=0` leaves JAX as it is by itself, which hands what it computes to another thread.
"""

import argparse
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from dgenlazy import DGen, Signal

RATE, Q = 44100.0, 0.7
FREQ = RATE / 128  # whose phase is exact in float32, so that both jump in the same frame
RUNS, BLOCKS = 100, 50


def by_dgenlazy(frames):
    cutoff = Signal.param(1000.0)
    y = Signal.phasor(FREQ).biquad(cutoff, Q) * Signal.param(0.5)

    def block(hz):
        if hz:
            cutoff.value = hz
        return y.realize(frames, preserve_state=True)

    return block


def by_hand(frames):
    """Transposed direct form II in a scan; what is carried is a tuple of numbers."""

    @jax.jit
    def step(cutoff, gain, phase, state):
        w = 2 * jnp.pi * cutoff / RATE
        alpha, cos = jnp.sin(w) / (2 * Q), jnp.cos(w)
        b0, b1, b2, a1, a2 = (c / (1 + alpha) for c in ((1 - cos) / 2, 1 - cos, (1 - cos) / 2, -2 * cos, 1 - alpha))

        def frame(carry, _):
            phase, s1, s2 = carry
            y = b0 * phase + s1
            return ((phase + np.float32(FREQ / RATE)) % 1, b1 * phase - a1 * y + s2, b2 * phase - a2 * y), y * gain

        return jax.lax.scan(frame, (phase, *state), None, length=frames)

    carry, cutoff, gain = (np.float32(0), np.float32(0), np.float32(0)), np.float32(1000), np.float32(0.5)

    def block(hz):
        nonlocal carry, cutoff
        cutoff = np.float32(hz) if hz else cutoff
        carry, y = step(cutoff, gain, carry[0], carry[1:])
        return np.array(y)

    return block


def in_turns(name, ours, hand, rounds, calls):
    """Print the least and the median time of a call, `run(i)`, of each, and their ratios."""
    taken = {ours: [], hand: []}
    for _ in range(rounds):
        for run, found in taken.items():
            start = time.perf_counter()
            for i in range(calls):
                run(i)
            found.append(1e6 * (time.perf_counter() - start) / calls)
    (least, middle), (least_hand, middle_hand) = [(min(t), statistics.median(t)) for t in taken.values()]
    print(
        f"{name} dgenlazy {least:7.0f} {middle:7.0f}   by hand {least_hand:7.0f} {middle_hand:7.0f}   "
        f"{least / least_hand:5.2f}x {middle / middle_hand:5.2f}x",
        flush=True,
    )


def measure(frames, moved):
    blocks = by_dgenlazy(frames), by_hand(frames)
    hz = [900.0 + 10 * i if moved else None for i in range(16)]
    ours, hand = [lambda i, block=block: block(hz[i % 16]) for block in blocks]
    for i in range(40):
        np.testing.assert_allclose(ours(i), hand(i), atol=1e-4)
    in_turns(f"{frames:5} {'moved' if moved else 'fixed':6}", ours, hand, RUNS, BLOCKS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, action="append", help="of a block; may be repeated (default: 64 and 512)")
    args = parser.parse_args()
    DGen.sample_rate = RATE
    print(f"jax {jax.__version__}, {os.cpu_count()} cores; least and median, us")
    for frames in args.frames or (64, 512):
        for moved in (False, True):
            measure(frames, moved)


if __name__ == "__main__":
    main()
