"""What graphs cost in C: nanoseconds per frame inside of a C program, and microseconds per block through `dg.compile`.

    python tests/bench/native.py [--blocks 4000] [--only ladder echo] [--json out.json]

Inside C a program of one main plays blocks of 64 frames and takes the best of several rounds; in Python the time of each block
of 64 is taken, and shown at the median and at p99.9. The ringing filter is timed while it rings and when it has fallen to where
numbers are denormal; the ratio of the two should be near 1.

Against Faust, where DawDreamer is installed (extra `bench`): the same voices in Faust (faust_voices.py), as the C that
Faust's own compiler writes, in the same program around it, by the same C compiler with the same flags, denormals flushed.
Both are called through a pointer, as hosts do. First they play 16,384 frames of the same noise, and must be equal to 1e-3 of
the largest: Faust adds its phases up in float32. Then they are timed in turns. The ratio is ours to Faust as it is by default;
`-vec` is Faust's other way to write loops, and tables are what its oscillators read: quicker than sines, and good to 1e-4.
"""

import argparse
import json
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import faust_voices
import numpy as np

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.ship import native
from dgenlazy.ship.native import build

MAIN = r"""
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static float in[8][64], out[64][64];
static float *inputs[8], *outputs[64];
static uint32_t seed = 1u;
static void noise(void) {
    for (int n = 0; n < 64; n++) {
        seed = seed * 1664525u + 1013904223u;
        in[0][n] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
}
int main(int argc, char **argv) {
    static SELF v;
    double best = 1e30;
    for (int c = 0; c < 8; c++) inputs[c] = in[c];
    for (int c = 0; c < 64; c++) outputs[c] = out[c];
    INIT
#ifdef __SSE2__
    _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
    if (argc > 1 && !strcmp(argv[1], "play")) {
        for (int n = 0; n < 256; n++) { noise(); PROCESS fwrite(out[0], sizeof(float), 64, stdout); }
        return 0;
    }
    if (argc > 1) {
        in[0][0] = 1.0f;
        PROCESS
        in[0][0] = 0.0f;
        for (int n = 0; n < SKIP; n++) PROCESS
    } else {
        for (int n = 0; n < 256; n++) { noise(); PROCESS }
    }
    for (int round = 0; round < 30; round++) {
        const double start = now();
        for (int n = 0; n < 100; n++) PROCESS
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


class Built:
    """A voice as a C program of its own."""

    def __init__(self, folder, name, text, self_type, init, process, skip=0):
        main = MAIN.replace("SELF", self_type).replace("INIT", init).replace("PROCESS", process).replace("SKIP", str(skip))
        self.path = Path(folder) / name
        (Path(folder) / f"{name}.c").write_text(f"#define _POSIX_C_SOURCE 199309L\n{text}\n{main}")
        command = [*build.compiler(), *native.FLAGS, f"{self.path}.c", "-o", str(self.path), "-lm"]
        subprocess.run(command, check=True)

    def out(self, *how):
        return subprocess.run([self.path, *how], check=True, capture_output=True).stdout

    def played(self):
        return np.frombuffer(self.out("play"), np.float32)

    def spent(self, *how):
        """Nanoseconds per frame."""
        return float(self.out(*how))


def ours(folder, y, params, skip=0):
    made = native.source(y, params, "voice")
    init = f"if (voice_init(&v, {made.rate!r})) return 1;"
    run = "static void (*volatile run)(voice_t *, const float *const *, float *const *, int) = voice_process;"
    process = "run(&v, (const float *const *)inputs, outputs, 64);"
    return Built(folder, f"ours{skip}", f"{made.file.text}\n{run}", "voice_t", init, process, skip)


def faust(folder, program, way, name):
    rate = int(dg.DGen.sample_rate)
    run = "static void (*volatile run)(faust *, int, float **, float **) = computefaust;"
    text = f"{faust_voices.source(program, way)}\n{run}"
    return Built(folder, name, text, "faust", f"initfaust(&v, {rate});", "run(&v, 64, inputs, outputs);")


def against_faust(name, y, params, rounds):
    """Nanoseconds per frame of ours, and of each way to have it of Faust; and how far apart they are."""
    with tempfile.TemporaryDirectory() as folder:
        built = {"ours": ours(folder, y, params)}
        built |= {way: faust(folder, faust_voices.VOICES[name], way, f"faust{i}") for i, way in enumerate(faust_voices.WAYS)}
        played = {way: b.played() for way, b in built.items()}
        off = max(float(np.abs(x - played["ours"]).max() / np.abs(played["ours"]).max()) for x in played.values())
        assert off < EQUAL, f"{name}: Faust plays something else, {off:.1g} of the largest"
        if name in faust_voices.TABLES:
            built["tables"] = faust(folder, faust_voices.TABLES[name], "scalar", "tables")
        spent = {way: [] for way in built}
        for _ in range(rounds):
            for way, b in built.items():
                spent[way].append(b.spent())
        return {way: min(x) for way, x in spent.items()}, off


EQUAL = 1e-3  # of the largest


def inside(y, params, skip=0):
    """Nanoseconds per frame in a C program: of noise, or of an impulse that came so many blocks before."""
    with tempfile.TemporaryDirectory() as folder:
        return ours(folder, y, params, skip).spent(*["impulse"] * bool(skip))


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
    loud, still = inside(y, {}, skip=1), inside(y, {}, skip=4100)
    return loud, still


def compared(asked, rows):
    """The table of Faust, or why there is none."""
    missing = faust_voices.missing()
    if missing:
        rows["faust"] = missing
        print(f"\n{missing}")
        return
    print("\n| voice | ours, ns per frame | Faust | ratio | Faust -vec | with tables | apart by |\n|" + " --- |" * 7)
    rows["faust"] = {}
    for name, (y, params) in voices().items():
        if name not in faust_voices.VOICES or (asked.only and not any(part in name for part in asked.only)):
            continue
        spent, off = against_faust(name, y, params, asked.rounds)
        rows["faust"][name] = spent | {"apart": off}
        shown = [f"{spent[way]:.2f}" if way in spent else "" for way in ("ours", "scalar", "-vec", "tables")]
        shown.insert(2, f"{spent['ours'] / spent['scalar']:.2f}x")
        print(f"| {name} | {' | '.join(shown)} | {off:.1g} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
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
    compared(asked, rows)
    if asked.json:
        Path(asked.json).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
