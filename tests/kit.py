"""The signals of the golden numbers: exact in integers, of a seed and a rate."""

import numpy as np


def congruential(seed, frames):
    """In [-1, 1), by a linear congruential generator."""
    out = []
    for _ in range(frames):
        seed = (1664525 * seed + 1013904223) % 2**32
        out.append(seed / 2**31 - 1)
    return np.array(out)


def pair(frames, rate):
    """Prediction and target."""
    n = np.arange(frames) / rate
    turn = 2 * np.pi * n
    target = 0.6 * np.sin(440 * turn) + 0.2 * np.sin(1320.5 * turn + 0.3) + 0.05 * congruential(1, frames)
    pred = 0.5 * np.sin(445 * turn + 0.1) + 0.25 * np.sin(1320.5 * turn + 0.9) + 0.04 * congruential(2, frames) + 0.01
    return pred, target
