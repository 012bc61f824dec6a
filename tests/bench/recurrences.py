"""Recursive DSP against naive `lax.scan` + `jax.grad`, and against torchlpc and scipy where they are installed.

    python -m pip install -e ".[bench]" && python tests/bench/recurrences.py [--seconds 1] [--only biquad] [--json out.json]

Contenders compute the same thing and must agree before anything is timed. They are timed in turns, so that a slow moment of the
machine meets all alike. A row gives the median time, and the ratio of dgenlazy's time to it: below 1, dgenlazy is faster.
"""

import argparse
import functools as ft
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

RATE = 44100.0
WARM_UP = 0.3  # seconds
TURN = 0.02  # seconds, in which what is short runs often
random = np.random.default_rng(0)


def turns(contenders: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Times of each, a few in a row and then the next one's turn: threads that wait by spinning would slow the others down.

    Before that each runs for a while, untimed: the first calls after compiling take longer. What is short runs often in its
    turn: the median of a few runs of 0.2 ms, each soon after a pause, was up to 1.14x that of the same kernels on a GPU.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        end = time.perf_counter() + WARM_UP
        while time.perf_counter() < end:
            run()
    for _ in range(-(-rounds // 3)):
        for name, run in contenders.items():
            time.sleep(0.1)
            run()
            end, runs = time.perf_counter() + TURN, 0
            while runs < 3 or time.perf_counter() < end:
                start = time.perf_counter()
                run()
                taken[name].append(time.perf_counter() - start)
                runs += 1
    return taken


def agree(title: str, contenders: dict[str, Callable[[], Any]], tol: float = 1e-3) -> None:
    """Hold the results of all to those of the first, dgenlazy's."""
    ours, *others = [[np.asarray(x) for x in jax.tree.leaves(run())] for run in contenders.values()]
    for name, theirs in zip(list(contenders)[1:], others):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=tol, atol=tol * np.abs(b).max(), err_msg=f"{title}: {name}")


def compare(title: str, contenders: dict[str, Callable[[], Any]], rounds: int = 15, tol: float = 1e-3) -> list[dict[str, Any]]:
    """Hold all to the same results, then time them."""
    agree(title, contenders, tol)
    return time_all(title, contenders, rounds)


def time_all(title: str, contenders: dict[str, Callable[[], Any]], rounds: int = 15) -> list[dict[str, Any]]:
    taken = turns(contenders, rounds)
    mine = next(iter(taken.values()))
    rows = []
    for name, times in taken.items():
        ratio = statistics.median(mine) / statistics.median(times)
        rows.append({"case": title, "contender": name, "ms": 1e3 * statistics.median(times), "ratio": ratio})
        print(f"{title:34} {name:26} {rows[-1]['ms']:9.2f} ms {ratio:9.3f}x", flush=True)
    return rows


def gradients(loss: Any, params: list[Any], **how: Any) -> Callable[[], Any]:
    """The value of a loss and its gradients, by the library's own calls."""

    def run():
        for p in params:
            p.node.grad = None
        value = loss.backward(**how)
        return [value, *[np.asarray(p.node.grad) for p in params]]

    return run


def jitted(fn: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    compiled = jax.jit(fn)
    args = jax.device_put(args)
    return lambda: jax.block_until_ready(compiled(*args))


# The time-varying biquad.


def cookbook(cutoff, q=0.7071):
    w = 2 * jnp.pi * cutoff / RATE
    alpha, cos = jnp.sin(w) / (2 * q), jnp.cos(w)
    return [c / (1 + alpha) for c in ((1 - cos) / 2, 1 - cos, (1 - cos) / 2, -2 * cos, 1 - alpha)]


def naive_biquad(x, cutoff, unroll=1):
    def frame(state, now):
        s1, s2 = state
        x, b0, b1, b2, a1, a2 = now
        y = b0 * x + s1
        return (b1 * x - a1 * y + s2, b2 * x - a2 * y), y

    rest = jnp.zeros_like(x[0])
    return lax.scan(frame, (rest, rest), (x, *cookbook(cutoff)), unroll=unroll)[1]


def torch_biquad(x, cutoff, weights):
    """Forward and gradient by torchlpc, the FIR part included; None where it is not installed."""
    try:
        import torch
        from torchlpc import sample_wise_lpc
    except ImportError:
        return None
    x, cutoff, weights = (torch.tensor(np.atleast_2d(a.T)) for a in (x, cutoff, weights))
    cutoff.requires_grad_()

    def run():
        w = 2 * torch.pi * cutoff / RATE
        alpha, cos = torch.sin(w) / (2 * 0.7071), torch.cos(w)
        b0, b1, a = (1 - cos) / 2 / (1 + alpha), (1 - cos) / (1 + alpha), [-2 * cos / (1 + alpha), (1 - alpha) / (1 + alpha)]
        past = torch.nn.functional.pad(x, (2, 0))
        y = sample_wise_lpc(b0 * x + b1 * past[:, 1:-1] + b0 * past[:, :-2], torch.stack(a, -1))
        cutoff.grad = None
        loss = (y * weights).sum()
        loss.backward()
        return [loss.detach().numpy(), cutoff.grad.numpy().T.squeeze()]

    return run


def biquads(frames: int) -> list[dict[str, Any]]:
    rows = []
    for lanes in (1, 16, 64):
        shape = (frames,) if lanes == 1 else (frames, lanes)
        x, weights = random.normal(size=(2, *shape)).astype(np.float32)
        n = np.arange(frames).reshape(-1, *(1,) * (len(shape) - 1))
        cutoff = (600 + 300 * np.sin(n / 3000 + np.arange(lanes) * (lanes > 1))).reshape(shape).astype(np.float32)
        moving = Signal.from_samples(cutoff, requires_grad=True)
        y = Signal.from_samples(x).biquad(moving, 0.7071)
        loss = y * Signal.from_samples(weights)
        loss = loss if lanes == 1 else loss.sum()
        naive = jax.value_and_grad(lambda cutoff, x, weights: (naive_biquad(x, cutoff) * weights).sum())
        graded = {
            "dgenlazy": gradients(loss, [moving], reduction="sum"),
            "naive scan + grad": jitted(naive, cutoff, x, weights),
        }
        title = f"biquad, {lanes} lanes, gradient"
        agree(title, graded)
        # torchlpc's direct form is another system while coefficients move: it is held to ours where they do not.
        still = np.full_like(cutoff, 700.0)
        if torch := torch_biquad(x, still, weights):
            moving.value = still
            loss_, (grad,), (theirs, slope) = graded["dgenlazy"]()[0], graded["dgenlazy"]()[1:], torch()
            np.testing.assert_allclose(loss_, theirs, rtol=1e-2)
            np.testing.assert_allclose(grad.sum(0), slope.sum(0), rtol=1e-2, atol=1e-2 * np.abs(slope.sum(0)).max())
            moving.value = cutoff
            graded["torchlpc"] = torch_biquad(x, cutoff, weights)
        rows += time_all(title, graded)
        rows += compare(
            f"biquad, {lanes} lanes, forward", {"dgenlazy": y.realize, "naive scan": jitted(naive_biquad, x, cutoff)}
        )
    x = random.normal(size=frames).astype(np.float32)
    y = Signal.from_samples(x).biquad(1000.0, 0.7071)
    b0, b1, b2, a1, a2 = (float(c) for c in cookbook(np.float32(1000.0)))
    try:
        import scipy.signal
    except ImportError:
        return rows
    sections = np.array([[b0, b1, b2, 1, a1, a2]], np.float32)
    constant = {"dgenlazy": y.realize, "scipy.signal.sosfilt": lambda: scipy.signal.sosfilt(sections, x)}
    return rows + compare("biquad, constant, forward", constant, tol=1e-2)


# Loops through long delays.


def naive_comb(x, gain, delay=1500):
    def frame(state, x):
        ring, n = state
        y = x + gain * ring[n]
        return (ring.at[n].set(y), (n + 1) % delay), y

    return lax.scan(frame, (jnp.zeros(delay), 0), x)[1]


DELAYS = (1490, 1602, 1868, 2054)
HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float32) / 2


def naive_fdn(x, gain):
    size, times = max(DELAYS), jnp.array(DELAYS)

    def frame(state, x):
        ring, n = state
        y = x + gain * (HADAMARD @ ring[(n - times) % size, jnp.arange(4)])
        return (ring.at[n].set(y), (n + 1) % size), y.sum()

    return lax.scan(frame, (jnp.zeros((size, 4)), 0), x)[1]


def rows_of(x, size):
    """Blocks of so many frames, zeros behind the last."""
    count = -(-len(x) // size)
    return jnp.pad(x, (0, count * size - len(x))).reshape(count, size)


def comb_in_blocks(x, gain, delay=1500):
    def block(before, x):
        y = x + gain * before
        return y, y

    return lax.scan(block, jnp.zeros(delay), rows_of(x, delay))[1].reshape(-1)[: len(x)]


def fdn_in_blocks(x, gain):
    size, longest = min(DELAYS), max(DELAYS)

    def block(line, x):
        late = jnp.stack([line[longest - d : longest - d + size, i] for i, d in enumerate(DELAYS)], 1)
        y = x[:, None] + gain * (late @ HADAMARD.T)
        return jnp.concatenate([line[size:], y]), y.sum(1)

    return lax.scan(block, jnp.zeros((longest, 4)), rows_of(x, size))[1].reshape(-1)[: len(x)]


def delays(frames: int) -> list[dict[str, Any]]:
    rows = []
    x = random.normal(size=frames).astype(np.float32)
    gain = Signal.param(0.7)

    def comb(s):
        return dg.feedback(lambda previous: s + gain * previous.delay(1499))

    def network(s):
        late = [d - 1.0 for d in DELAYS]
        return dg.feedback(lambda previous: s + gain * (Tensor(HADAMARD) @ previous.delay(late)), Tensor.zeros([4])).sum()

    for name, ours, naive, blocks in (
        ("comb of 1,500 frames", comb, naive_comb, comb_in_blocks),
        ("FDN of 4 lines", network, naive_fdn, fdn_in_blocks),
    ):
        samples = Signal.from_samples(x)
        y = ours(samples)
        fn = dg.function(y, params=(gain,), inputs={"x": samples})
        forms = {
            "dgenlazy in a jit": lambda x, gain, fn=fn: fn.whole((gain,), {"x": x}),
            "naive scan": naive,
            "blocks by hand": blocks,
        }
        forwards = {form: jitted(of, x, np.float32(0.7)) for form, of in forms.items()}
        rows += compare(f"{name}, forward", {"dgenlazy": y.realize, **forwards}, 9)
        graded = {
            form: jitted(jax.value_and_grad(lambda gain, x, of=of: (of(x, gain) ** 2).mean()), np.float32(0.7), x)
            for form, of in forms.items()
        }
        rows += compare(f"{name}, gradient", {"dgenlazy": gradients(y * y, [gain]), **graded}, 9)
        for seconds in (1, 4, 16):
            held = memory(ours, gain, int(seconds * RATE))
            rows.append({"case": f"{name}, gradient memory", "seconds": seconds, "bytes per frame": held})
            print(f"{name + ', gradient memory':34} {seconds:2} s {held:26.1f} bytes per frame")
    return rows


def memory(build: Callable[..., Any], gain: Any, frames: int) -> float:
    """What the compiled gradient keeps beside its arguments and results, for each frame."""
    fn = dg.function(build(Signal.input(0)), params=(gain,), inputs={"x": Signal.input(0)})
    loss = jax.jit(jax.grad(lambda gain, x: (fn.whole((gain,), {"x": x}) ** 2).mean()))
    compiled = loss.lower(np.float32(0.7), np.zeros(frames, np.float32)).compile()
    return compiled.memory_analysis().temp_size_in_bytes / frames


# A nonlinear loop: a ladder of four one-poles with tanh.


def ladder(x, g, state):
    a, b, c, d = state
    a = a + g * (jnp.tanh(x - 3.0 * d) - jnp.tanh(a))
    b = b + g * (jnp.tanh(a) - jnp.tanh(b))
    c = c + g * (jnp.tanh(b) - jnp.tanh(c))
    return a, b, c, d + g * (jnp.tanh(c) - jnp.tanh(d))


def lazy_ladder(x, g, rest=0.0):
    def body(state):
        a, b, c, d = state
        a = a + g * ((x - 3.0 * d).tanh() - a.tanh())
        b = b + g * (a.tanh() - b.tanh())
        c = c + g * (b.tanh() - c.tanh())
        return a, b, c, d + g * (c.tanh() - d.tanh())

    return dg.feedback(body, (rest,) * 4)[3]


def naive_ladder(x, g, unroll=1):
    rest = jnp.zeros_like(x[0])

    def frame(state, now):
        state = ladder(*now, state)
        return state, state[3]

    return lax.scan(frame, (rest,) * 4, (x, g), unroll=unroll)[1]


def ladders(frames: int) -> list[dict[str, Any]]:
    rows = []
    for lanes in (1, 16):
        shape = (frames,) if lanes == 1 else (frames, lanes)
        x = random.normal(size=shape).astype(np.float32)
        g = (0.2 + 0.1 * random.uniform(size=shape)).astype(np.float32)
        s, moving = Signal.from_samples(x), Signal.from_samples(g, requires_grad=True)
        y = lazy_ladder(s, moving, 0.0 if lanes == 1 else np.zeros(lanes, np.float32))
        loss = y * y if lanes == 1 else (y * y).sum()
        naive = jax.value_and_grad(lambda g, x: (naive_ladder(x, g) ** 2).sum())
        graded = {"dgenlazy": gradients(loss, [moving], reduction="sum"), "naive scan + grad": jitted(naive, g, x)}
        rows += compare(f"ladder, {lanes} lanes, gradient", graded, 7)
        rows += compare(f"ladder, {lanes} lanes, forward", {"dgenlazy": y.realize, "naive scan": jitted(naive_ladder, x, g)}, 7)
    return rows


# Batches: each example with a control of its own that moves, as in training.


def batches(frames: int) -> list[dict[str, Any]]:
    rows = []
    models = {
        "biquad": (lambda x, cutoff: x.biquad(cutoff, 0.7071), naive_biquad, 600.0, 300.0),
        "ladder": (lazy_ladder, naive_ladder, 0.2, 0.1),
    }
    for name, (lazy, naive, low, wide) in models.items():
        fn = dg.function(lazy(Signal.input(0), Signal.input(1)), inputs={"x": Signal.input(0), "control": Signal.input(1)})
        for size in (4, 16, 64):
            x = random.normal(size=(size, frames)).astype(np.float32)
            control = (low + wide * random.uniform(size=(size, frames))).astype(np.float32)

            def loss(control, x, each):
                return (jax.vmap(each)(x, control) ** 2).sum() / frames

            contenders = {
                "dgenlazy": ft.partial(loss, each=lambda x, control, fn=fn: fn([], {"x": x, "control": control})[0]),
                "naive scan + grad": ft.partial(loss, each=naive),
            }
            graded = {key: jitted(jax.value_and_grad(of), control, x) for key, of in contenders.items()}
            rows += compare(f"{name}, batch of {size}, gradient", graded, 7)
    return rows


# Growth with the length of the run.


def growth(_: int) -> list[dict[str, Any]]:
    rows = []
    lengths = [10_000, 100_000, 1_000_000]
    for name, build in {
        "biquad": lambda s, c: s.biquad(c, 0.7071),
        "comb": lambda s, c: dg.feedback(lambda p: s + c * 1e-3 * p.delay(1499)),
        "tanh loop": lambda s, c: dg.feedback(lambda p: (s + c * 1e-3 * p).tanh()),
    }.items():
        times = []
        for frames in lengths:
            cutoff = Signal.param(700.0)
            y = build(Signal.from_samples(random.normal(size=frames).astype(np.float32)), cutoff)
            taken = turns({"dgenlazy": gradients(y * y, [cutoff])}, 7)["dgenlazy"]
            times.append(min(taken))
        exponent = float(np.polyfit(np.log(lengths), np.log(times), 1)[0])
        rows.append({"case": f"growth, {name}", "seconds": times, "exponent": exponent})
        print(f"{'growth, ' + name:34} gradient takes frames ** {exponent:.2f} from 1e4 to 1e6 frames")
    return rows


CASES = {"biquad": biquads, "delays": delays, "ladder": ladders, "batches": batches, "growth": growth}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of sound at 44.1 kHz")
    parser.add_argument("--only", choices=CASES, action="append", help="one kind of case; may be repeated")
    parser.add_argument("--json", help="file to write the rows to")
    args = parser.parse_args()
    DGen.sample_rate = RATE
    frames = int(args.seconds * RATE)
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}, {frames} frames")
    rows = [row for name in args.only or CASES for row in CASES[name](frames)]
    if args.json:
        with open(args.json, "w") as file:
            json.dump(
                {"jax": jax.__version__, "platform": jax.default_backend(), "frames": frames, "rows": rows}, file, indent=1
            )


if __name__ == "__main__":
    main()
