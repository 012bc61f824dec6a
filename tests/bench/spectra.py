"""Spectra and rates: what they cost beside JAX written by hand, and that they cost nothing where there are none.

    python tests/bench/spectra.py [--before 5fc98d1] [--seconds 10] [--rounds 15] [--json out.json]

`stft -> mask -> istft` stands against two hand-written forms: windows gathered by an index and scattered back, and windows put
together from chunks of a hop. A GRU that steps at a hop stands against itself at every frame. All take arrays on the device and
leave their results there; all must agree, the GRUs with NumPy, before anything is timed; they are timed in turns.

With `--before`, a commit or a folder of a checkout, a plain biquad is compiled, trained and streamed by the library of then and
by this one, in processes of their own that take turns. A table at the end says what was wanted; the exit status is 1 where
it is missed.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
from recurrences import RATE, compare, jitted, time_all

import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal, Tensor

SIZE, HOP = 1024, 256
PROCESSES = 9
HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)).astype(np.float32)
random = np.random.default_rng(0)


def _held(mask, count):
    return jnp.concatenate([mask, jnp.broadcast_to(mask[-1:], (count - len(mask), mask.shape[1]))])


def gathered(x, mask):
    """An index of every window, and a scatter back."""
    frames, count = len(x), -(-len(x) // HOP) + SIZE // HOP
    index = np.arange(count)[:, None] * HOP + np.arange(SIZE)
    padded = jnp.pad(x, (SIZE // 2, count * HOP + SIZE - frames))
    spectra = jnp.fft.rfft(padded[index] * HANN) * _held(mask, count)
    windows = jnp.fft.irfft(spectra, SIZE) * HANN
    y = jnp.zeros(count * HOP + SIZE, windows.dtype).at[index].add(windows)
    weight = np.zeros(count * HOP + SIZE)
    np.add.at(weight, index, HANN**2)
    return (y * np.float32(1 / np.where(weight < 1e-8, 1, weight)))[SIZE // 2 : SIZE // 2 + frames]


def chunked(x, mask):
    """Windows put together from chunks of a hop, and added chunk by chunk."""
    frames, count, chunks = len(x), -(-len(x) // HOP) + SIZE // HOP, SIZE // HOP
    parts = jnp.pad(x, (SIZE // 2, count * HOP + SIZE - frames - SIZE // 2)).reshape(-1, HOP)
    spectra = jnp.fft.rfft(jnp.concatenate([parts[i : i + count] for i in range(chunks)], 1) * HANN) * _held(mask, count)
    windows = (jnp.fft.irfft(spectra, SIZE) * HANN).reshape(count, chunks, HOP)
    y = sum(jnp.pad(windows[:, i], ((i, chunks - 1 - i), (0, 0))) for i in range(chunks)).reshape(-1)
    squares = np.broadcast_to((HANN**2).reshape(chunks, HOP), (count, chunks, HOP))
    weight = sum(np.pad(squares[:, i], ((i, chunks - 1 - i), (0, 0))) for i in range(chunks)).reshape(-1)
    return (y * np.float32(1 / np.where(weight < 1e-8, 1, weight)))[SIZE // 2 : SIZE // 2 + frames]


def vocoder(seconds, rounds):
    frames = int(seconds * RATE)
    x = random.standard_normal(frames).astype(np.float32)
    mask = random.uniform(0, 1, (-(-frames // HOP), SIZE // 2 + 1)).astype(np.float32)
    source, bands = Signal.from_samples(x), Signal.from_samples(mask, hop=HOP)
    fn = dg.function((source.stft(SIZE, HOP) * bands).istft(), params={}, inputs={"x": source, "mask": bands})

    def ours(x, mask):
        return fn.whole({}, {"x": x, "mask": mask})

    forms = {"dgenlazy": ours, "gathered by hand": gathered, "chunks by hand": chunked}
    rows = compare("stft -> mask -> istft", {name: jitted(form, x, mask) for name, form in forms.items()}, rounds)

    def slopes(form):
        return jax.grad(lambda x, mask: jnp.mean(form(x, mask) ** 2), (0, 1))

    return rows + compare("its gradient", {name: jitted(slopes(form), x, mask) for name, form in forms.items()}, rounds)


def gru(control, width, weights):
    """A gated recurrent unit, one step for each value of `control`."""

    def cell(state):
        drive = weights["input"] @ dg.stack([control, 1.0 - control])
        update = (drive + weights["state"] @ state).sigmoid()
        return (1 - update) * state + update * (drive - weights["state"] @ state).tanh()

    return dg.feedback(cell, init=np.zeros(width, np.float32))


def gru_in_numpy(control, width, weights):
    state, out = np.zeros(width), []
    into, back = (weights[name].value.astype(np.float64) for name in ("input", "state"))
    for now in control.astype(np.float64):
        drive, fed = into @ [now, 1 - now], back @ state
        update = 1 / (1 + np.exp(-drive - fed))
        state = (1 - update) * state + update * np.tanh(drive - fed)
        out.append(state.sum())
    return np.array(out)


def rates(seconds, rounds, width=64, hop=64):
    """The same network on a control that comes every hop, and on the control held at every frame."""
    frames = int(seconds * RATE)
    control = random.uniform(0, 1, -(-frames // hop)).astype(np.float32)
    weights = {name: Tensor(random.normal(0, 0.1, (width, n))) for name, n in (("input", 2), ("state", width))}
    runs = {}
    for name, every, samples in (("at hop 64", hop, control), ("at every frame", 1, np.repeat(control, hop)[:frames])):
        source = Signal.from_samples(samples, hop=every)
        fn = dg.function(gru(source, width, weights).sum(), inputs={"control": source})
        runs[name] = jitted(lambda x, fn=fn: fn.whole(inputs={"control": x}), samples)
        np.testing.assert_allclose(runs[name](), gru_in_numpy(samples, width, weights), atol=1e-4, err_msg=name)
    return time_all(f"GRU of {width}, {seconds} s", runs, rounds)


# What does not use rates.


def plain():
    """Of a plain biquad: seconds to compile it, and its gradient; of a training step and a streamed block, microseconds."""
    noise = np.random.default_rng(0).standard_normal((2, 1024)).astype(np.float32)
    DGen.inputs[0], DGen.inputs[1] = noise
    (Signal.input(0) * 2.0).realize(1024)  # what happens once in a process
    cutoff = Signal.param(1000.0)
    y, streamed = Signal.input(0).biquad(cutoff), Signal.input(0).biquad(900.0)
    loss, optimizer = dg.mse(y, Signal.input(1)), Adam([cutoff], lr=0.001)

    def seconds(run):
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    def step():
        loss.backward(1024)
        optimizer.step()
        optimizer.zero_grad()

    def block():
        streamed.realize(64, inputs={0: noise[0, :64]}, preserve_state=True)

    found = {
        "compile": 1e3 * seconds(lambda: y.realize(1024)),
        "compile its gradient": 1e3 * seconds(lambda: loss.backward(1024)),
    }
    for name, run in (("training step", step), ("streamed block of 64", block)):
        for _ in range(50):
            run()
        found[name] = 1e3 * statistics.median(seconds(run) for _ in range(1000))
    return found


@contextlib.contextmanager
def library_of(before):
    """The folder of the library at a commit, or that of a checkout."""
    if pathlib.Path(before).is_dir():
        yield pathlib.Path(before).resolve()
        return
    here = pathlib.Path(__file__).parents[2]
    archive = subprocess.run(["git", "archive", before, "dgenlazy"], cwd=here, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
        yield pathlib.Path(folder)


def unchanged(before):
    """Rows of a plain biquad now and before, in milliseconds, the median over processes."""
    taken = {"now": [], "before": []}
    with library_of(before) as then:
        for _ in range(PROCESSES):
            for name, folder in (("now", pathlib.Path(__file__).parents[2]), ("before", then)):
                paths = {**os.environ, "PYTHONPATH": str(folder)}
                done = subprocess.run(
                    [sys.executable, __file__, "--plain"], env=paths, capture_output=True, text=True, check=True
                )
                measured = json.loads(done.stdout.splitlines()[-1])
                assert measured.pop("library") == str(folder / "dgenlazy"), measured
                taken[name].append(measured)
    rows = []
    for case in taken["now"][0]:
        middle = {name: statistics.median(one[case] for one in found) for name, found in taken.items()}
        for name, ms in middle.items():
            rows.append({"case": f"biquad, {case}", "contender": name, "ms": ms, "ratio": middle["now"] / ms})
            print(f"{rows[-1]['case']:34} {name:26} {ms:9.3f} ms {rows[-1]['ratio']:9.3f}x", flush=True)
    return rows


WANTED = {  # the most that the time of the first contender may be of that of the best of the others
    "stft -> mask -> istft": 1.05,
    "its gradient": 1.15,
    "GRU of 64": 1 / 50,
    "biquad": 1.05,
}


def verdict(rows):
    """Print each case beside what is wanted; whether all are so."""
    print("\n| case | ms | best other, ms | ratio | wanted |\n| --- | --- | --- | --- | --- |")
    good = True
    for case in dict.fromkeys(row["case"] for row in rows):
        mine, *others = [row["ms"] for row in rows if row["case"] == case]
        most = next(most for name, most in WANTED.items() if case.startswith(name))
        held = mine <= most * min(others)
        good &= held
        print(
            f"| {case} | {mine:.3f} | {min(others):.3f} | {mine / min(others):.3f} | <= {most:g}{'' if held else ', MISSED'} |"
        )
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", help="a commit, or the folder of a checkout, to compare a plain biquad with")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="where to write the rows")
    parser.add_argument("--plain", action="store_true", help="only time a plain biquad, in this process")
    args = parser.parse_args()
    if args.plain:
        print(json.dumps({**plain(), "library": str(pathlib.Path(dg.__file__).parent)}))
        return
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {args.seconds} s at {RATE:.0f} Hz, {SIZE}/{HOP}")
    with DGen.override(sample_rate=RATE):
        rows = vocoder(args.seconds, args.rounds) + rates(args.seconds, args.rounds)
    if args.before:
        rows += unchanged(args.before)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)
    sys.exit(not verdict(rows))


if __name__ == "__main__":
    main()
