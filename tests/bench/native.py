"""What graphs cost in C: nanoseconds per frame inside of a C program, and microseconds per block through `dg.compile`.

    python tests/bench/native.py [--blocks 4000] [--only ladder echo] [--json out.json]

Inside C a program of one main plays blocks of 64 frames and takes the best of several rounds; in Python the time of each block
of 64 is taken, and shown at the median and at p99.9. The ringing filter is timed while it rings and when it has fallen to where
numbers are denormal; the ratio of the two should be near 1.
"""

import argparse
import json
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.ship import native

MAIN = r"""
#include <stdio.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
int main(void) {
    static voice_t v;
    static float in[8][64], out[64][64];
    const float *inputs[8]; float *outputs[64];
    double best = 1e30;
    for (int c = 0; c < 8; c++) inputs[c] = in[c];
    for (int c = 0; c < 64; c++) outputs[c] = out[c];
    if (voice_init(&v, RATE)) return 1;
    in[0][0] = 1.0f;
    voice_process(&v, inputs, outputs, 64);
    in[0][0] = 0.0f;
    for (int n = 0; n < SKIP; n++) voice_process(&v, inputs, outputs, 64);
    for (int round = 0; round < 30; round++) {
        const double start = now();
        for (int n = 0; n < 100; n++) voice_process(&v, inputs, outputs, 64);
        const double spent = (now() - start) / 6400.0;
        if (spent < best) best = spent;
    }
    printf("%.3f\n", best);
    return 0;
}
"""


def bank(count):
    return (Signal.phasor(Tensor(55.0 * np.arange(1, count + 1))) * (2 * np.pi)).sin().sum()


def voices():
    x, cutoff = Signal.input(0), Signal.param(800.0, min=20.0, max=20000.0)
    hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    return {
        "phasor and filter": ((Signal.phasor(110.0) * 2 - 1).biquad(cutoff, 2.0), {"cutoff": cutoff}),
        "bank of 16": (bank(16), {}),
        "bank of 100": (bank(100), {}),
        "ladder": (x.ladder(cutoff, 0.5), {"cutoff": cutoff}),
        "echo": (dg.feedback(lambda y: x + 0.5 * y.delay(11024).onepole(0.4)), {}),
        "fdn": (x.fdn((1490, 1602, 1868, 2054), hadamard, gain=0.85).sum(), {}),
        "spectra": ((x.stft(1024) * 0.5).istft(), {}),
    }


def inside(y, params, skip=0):
    """Nanoseconds per frame in a C program."""
    made = native.source(y, params, "voice")
    main = MAIN.replace("RATE", repr(made.rate)).replace("SKIP", str(skip))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.c").write_text("#define _POSIX_C_SOURCE 199309L\n" + made.file.text + main)
        command = ["gcc", *native.FLAGS, f"{folder}/main.c", "-o", f"{folder}/main", "-lm"]
        subprocess.run(command, check=True)
        return float(subprocess.run([f"{folder}/main"], check=True, capture_output=True, text=True).stdout)


def from_python(y, params, blocks):
    """Microseconds per block of 64 at the median and at p99.9."""
    player, block = dg.compile(y, params=params), np.zeros(64, np.float32)
    given = {"block": block} if player.manifest["inputs"] else {"frames": 64}
    spent = []
    for _ in range(blocks):
        start = time.perf_counter()
        player.process(**given)
        spent.append(time.perf_counter() - start)
    return [float(x) for x in 1e6 * np.percentile(spent, [50, 99.9])]


def ringing():
    """How much longer a filter takes whose state is denormal than while it rings."""
    y = Signal.input(0).biquad(1000.0, 200.0)
    loud, still = inside(y, {}), inside(y, {}, skip=4100)
    return loud, still


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=4000)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--json")
    asked = parser.parse_args()
    rows = {}
    print(f"{platform.machine()}, {platform.system()}\n")
    print("| voice | ns per frame in C | us per block of 64 in Python | p99.9 |\n| --- | --- | --- | --- |")
    for name, (y, params) in voices().items():
        if asked.only and not any(part in name for part in asked.only):
            continue
        rows[name] = inside(y, params), *from_python(y, params, asked.blocks)
        print(f"| {name} | {rows[name][0]:.1f} | {rows[name][1]:.1f} | {rows[name][2]:.1f} |")
    loud, still = ringing()
    rows["denormals"] = loud, still
    print(f"\na ringing filter: {loud:.2f} ns per frame; fallen to denormals: {still:.2f} ({still / loud:.2f}x)")
    if asked.json:
        Path(asked.json).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
