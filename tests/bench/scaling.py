"""A training step of the neural synthesis example, its batch spread over 1, 2, 4, ... devices.

    python tests/bench/scaling.py                                        all GPUs, a batch of 512
    XLA_FLAGS=--xla_force_host_platform_device_count=4 python tests/bench/scaling.py --batch 8 --frames 4096

Each note of the batch has a pitch and a decay of its own. All counts of devices take the same batch, start from the same
weights and must agree on the losses before anything is timed. A run is some steps in a row, and only its end is waited for, as
in training; a row gives the time of a step in the median run, and the throughput against one device. Takes what the examples
take (extra `notebook`).
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

sys.path.append(str(Path(__file__).parents[2] / "examples"))
from neural_synthesis import WINDOWS, plucked_string, synthesizer

shard_map = getattr(jax, "shard_map", None)
if shard_map is None:  # jax before 0.6
    from jax.experimental.shard_map import shard_map


def model(frames):
    """The example's loss as a function of its weights, one recording, and its pitch."""
    DGen.default_frame_count = frames
    f0 = Tensor(220.0)
    sound, _, weights = synthesizer(f0)
    loss = dg.spectral_loss(sound, Signal.input(0), window_size=WINDOWS)
    return dg.function(loss, params=weights, inputs={"target": Signal.input(0), "f0": f0})


def notes(batch, frames):
    """Recordings `(batch, frames)` and their pitches in Hz."""
    random = np.random.default_rng(0)
    pitches = random.uniform(100, 1000, batch).astype(np.float32)
    played = np.stack([plucked_string(f0, DGen.sample_rate, frames / DGen.sample_rate) for f0 in pitches])
    decays = np.linspace(0, 1, frames) * random.uniform(0, 3, (batch, 1))
    return {"target": (played * np.exp(-decays)).astype(np.float32), "f0": pitches}


def training(fn, batch, devices):
    """A function that takes a step and returns the loss, on the device."""
    mesh = Mesh(np.array(devices), ("batch",))
    tx = optax.adam(0.02)

    # Each device maps over its own examples: XLA by itself does not split an FFT, and would gather the batch for it.
    def losses(params, batch):
        return jax.vmap(lambda example: fn(params, example)[0])(batch)

    losses = shard_map(losses, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P("batch"))

    def step(params, state, batch):
        loss, grads = jax.value_and_grad(lambda params: losses(params, batch).mean())(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    compiled = jax.jit(step, donate_argnums=(0, 1))
    params = jax.device_put([np.asarray(p) for p in fn.params], NamedSharding(mesh, P()))
    state = jax.device_put(tx.init(params), NamedSharding(mesh, P()))
    placed = jax.device_put(batch, NamedSharding(mesh, P("batch")))
    gathers = "all-gather" in compiled.lower(params, state, placed).compile().as_text()

    def train():
        nonlocal params, state
        params, state, loss = compiled(params, state, placed)
        return loss

    return train, gathers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512, help="examples in a step, over all devices (default: 512)")
    parser.add_argument("--frames", type=int, default=44100, help="of each example (default: 44100)")
    parser.add_argument("--steps", type=int, default=20, help="steps of a run, started one after another (default: 20)")
    parser.add_argument("--runs", type=int, default=9, help="runs that are timed (default: 9)")
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    args = parser.parse_args()

    devices = jax.devices()
    counts = [2**k for k in range(len(devices).bit_length())]
    if args.batch % counts[-1]:
        parser.error(f"--batch {args.batch} is not a multiple of {counts[-1]} devices")
    kind = devices[0].device_kind
    print(f"{len(devices)} x {kind}, jax {jax.__version__}, batch {args.batch}, {args.frames} frames")
    fn, batch = model(args.frames), notes(args.batch, args.frames)

    rows, first = [], None
    for count in counts:
        train, gathers = training(fn, batch, devices[:count])
        losses = [float(train()) for _ in range(5)]
        first = first or losses
        np.testing.assert_allclose(losses[0], first[0], rtol=1e-6)
        np.testing.assert_allclose(losses, first, rtol=1e-4)  # rounding, and what Adam makes of it in five steps
        assert not gathers, "a device is given what belongs to another"
        taken = []
        for _ in range(args.runs):
            start = time.perf_counter()
            for _ in range(args.steps):
                loss = train()
            jax.block_until_ready(loss)
            taken.append((time.perf_counter() - start) / args.steps)
        seconds = statistics.median(taken)
        row = {"devices": count, "ms": 1e3 * seconds, "examples_per_s": args.batch / seconds}
        rows.append(row | {"scaling": row["examples_per_s"] / rows[0]["examples_per_s"] if rows else 1.0, "losses": losses})
        print(
            "{devices:3} devices {ms:10.2f} ms {examples_per_s:10.1f} examples/s {scaling:6.2f}x".format(**rows[-1]), flush=True
        )
    if args.json:
        about = {"jax": jax.__version__, "device": kind, "batch": args.batch, "frames": args.frames}
        args.json.write_text(json.dumps(about | {"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
