"""Filters of finite length: a stream in short blocks in parts of real time, and whole runs against transforms by hand.

    python tests/bench/fir.py [--seconds 10] [--rounds 15] [--taps 48000] [--json out.json]

Of the stream, the time that the processor spent is counted too, which other programs disturb less. Whole runs: a row gives the
median time, and the ratio of dgenlazy's time to it; contenders must agree before anything is timed.
"""

import argparse
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import scipy.signal
from recurrences import RATE, compare, jitted

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

random = np.random.default_rng(0)


def response(taps):
    return (random.standard_normal(taps) * np.exp(-6.9 * np.arange(taps) / taps)).astype(np.float32)


def stream(taps, block, rounds, compiled):
    """Blocks through `realize`, or through C, as a host asks for them."""
    y = Signal.input(0).fir(response(taps))
    samples = random.standard_normal((rounds, block)).astype(np.float32)
    player = dg.compile(y) if compiled else None
    if player:
        want = y.realize(640, inputs={0: samples[:10].ravel()})
        np.testing.assert_allclose(np.concatenate([player.process(x) for x in samples[:10]]), want, atol=1e-4)
    seconds = []
    for i, x in enumerate(samples):
        if i == rounds // 10:
            begin = time.process_time()
        start = time.perf_counter()
        player.process(x) if player else y.realize(block, inputs={0: x}, preserve_state=True)
        seconds.append(time.perf_counter() - start)
    spent = (time.process_time() - begin) / (rounds - rounds // 10)
    seconds, real = np.array(seconds[rounds // 10 :]), block / RATE
    row = {
        "taps": taps,
        "block": block,
        "form": "C" if compiled else "realize",
        "mean": seconds.mean(),
        "median": np.median(seconds),
        "least": seconds.min(),
    }
    row |= {"most": seconds.max(), "processor": spent}
    shown = ", ".join(f"{name} {100 * row[name] / real:.1f} %" for name in ("mean", "median", "least", "most", "processor"))
    print(f"{taps} taps in blocks of {block}, {row['form']}, of real time: {shown}")
    return row


def whole(taps, frames, rounds):
    x, h = random.standard_normal(frames).astype(np.float32), response(taps)
    source = Signal.from_samples(x)
    fn = dg.function(source.fir(Tensor(h)), params={}, inputs={"x": source})
    size = scipy.fft.next_fast_len(frames + taps - 1, real=True)

    def by_hand(x):
        return jnp.fft.irfft(jnp.fft.rfft(x, size) * jnp.fft.rfft(h, size), size)[:frames]

    forms = {"dgenlazy": lambda x: fn.whole({}, {"x": x}), "transforms by hand": by_hand}
    runs = {name: jitted(form, x) for name, form in forms.items()}
    runs["scipy"] = lambda: scipy.signal.oaconvolve(x, h)[:frames]
    return compare(f"{taps} taps, {frames} frames", runs, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--taps", type=int, default=48000)
    parser.add_argument("--json", help="where to write the rows")
    args = parser.parse_args()
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {RATE:.0f} Hz")
    with DGen.override(sample_rate=RATE):
        rows = [stream(taps, 64, 4000, form) for form in (False, True) for taps in (1, 1000, args.taps)]
        frames = int(args.seconds * RATE)
        for taps, length in ((4000, 4410), (64, frames), (4000, frames), (args.taps, frames)):
            rows += whole(taps, length, args.rounds)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
