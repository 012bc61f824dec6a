"""What it takes to ask for a run: a gain by `realize`, beside the same jitted by hand, whose result is copied to NumPy.

    python tests/bench/runs.py [--frames 64] [--frames 44100]

Of samples that are held, which by hand are on the device, and of an input's, which by hand are an array of NumPy in each call.
Results of both are the caller's own, must agree before anything is timed, and are timed in turns. A row gives microseconds, the
least and the median, and the ratios. By hand nothing else is done between two calls, so that XLA's threads never sleep.
"""

import argparse
import os
import time

import jax
import numpy as np
from stream import in_turns

from dgenlazy import Signal

ROUNDS, SECONDS = 100, 0.01


def measure(frames, source):
    x, gain = np.random.default_rng(0).standard_normal(frames).astype(np.float32), np.float32(0.5)
    held, taken = Signal.from_samples(x) * 0.5, Signal.input(0) * 0.5
    step, on_device = jax.jit(lambda x: x * gain), jax.device_put(x)
    ours, hand = {
        "held": (lambda _: held.realize(frames), lambda _: np.array(step(on_device))),
        "input": (lambda _: taken.realize(frames, inputs={0: x}), lambda _: np.array(step(x))),
    }[source]
    for i in range(3):
        np.testing.assert_array_equal(ours(i), hand(i))
    start = time.perf_counter()
    hand(0)
    in_turns(f"{frames:8} {source:6}", ours, hand, ROUNDS, max(1, round(SECONDS / (time.perf_counter() - start))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, action="append", help="may be repeated (default: 64, a second and a minute)")
    args = parser.parse_args()
    print(f"jax {jax.__version__}, {os.cpu_count()} cores; least and median, us")
    for frames in args.frames or (64, 44_100, 2_646_000):
        for source in ("held", "input"):
            measure(frames, source)


if __name__ == "__main__":
    main()
