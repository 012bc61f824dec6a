"""Recurrences on a GPU against naive `lax.scan`, unrolled and associative scans, and torchaudio where it is installed.

    python tests/bench/gpu.py [--lanes 1 64 1024] [--only biquad ladder] [--json out.json]

All take arrays on the device and leave their results there; what a user of `dgenlazy.function` runs in a `jit` of their own.
Contenders compute the same thing and must agree before anything is timed; they are timed in turns. A row gives the median
time, and the ratio of dgenlazy's time to it: below 1, dgenlazy is faster.
"""

import argparse
import functools as ft
import json

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from recurrences import RATE, agree, compare, cookbook, lazy_ladder, naive_biquad, naive_ladder, time_all

import dgenlazy as dg
from dgenlazy import DGen, Signal

random = np.random.default_rng(0)


def ready(fn, *args):
    """A call of a jitted function of arrays on the device."""
    compiled = jax.jit(fn)
    args = jax.device_put(args)
    return lambda: jax.block_until_ready(compiled(*args))


def samples(frames, lanes):
    shape = (frames,) if lanes == 1 else (frames, lanes)
    return shape, random.normal(size=shape).astype(np.float32)


# The time-varying biquad.


def associative_biquad(x, cutoff):
    """By hand: 2x2 maps multiplied up."""
    b0, b1, b2, a1, a2 = cookbook(cutoff)
    one = jnp.ones_like(a1)
    maps = (-a1, one, -a2, 0 * one, (b1 - a1 * b0) * x, (b2 - a2 * b0) * x)

    def combine(f, g):
        a, b, c, d, u, v = f
        p, q, r, s, y, z = g
        return p * a + q * c, p * b + q * d, r * a + s * c, r * b + s * d, p * u + q * v + y, r * u + s * v + z

    s1 = lax.associative_scan(combine, maps)[4]
    return b0 * x + jnp.concatenate([jnp.zeros_like(s1[:1]), s1[:-1]])


def torchaudio_biquad(x, cutoff, weights):
    """torchaudio's kernel for coefficients that stand still, forward and with the gradient to the coefficients."""
    try:
        import torch
        from torchaudio.functional import lfilter
    except ImportError:
        return None, None
    b0, b1, b2, a1, a2 = (np.float32(c) for c in cookbook(jnp.float32(cutoff)))
    x, weights = (torch.tensor(np.atleast_2d(v.T), device="cuda").contiguous() for v in (x, weights))
    a = torch.tensor([1.0, a1, a2], device="cuda", requires_grad=True)
    b = torch.tensor([b0, b1, b2], device="cuda", requires_grad=True)

    def forward():
        with torch.no_grad():
            y = lfilter(x, a, b, clamp=False)
        torch.cuda.synchronize()
        return y

    def gradient():
        a.grad = b.grad = None
        (lfilter(x, a, b, clamp=False) * weights).sum().backward()
        torch.cuda.synchronize()
        return a.grad, b.grad

    return forward, gradient


def biquads(frames, lanes):
    shape, x = samples(frames, lanes)
    weights = random.normal(size=shape).astype(np.float32)
    n = np.arange(frames).reshape(-1, *(1,) * (len(shape) - 1))
    cutoff = (600 + 300 * np.sin(n / 3000 + np.arange(lanes) * (lanes > 1))).reshape(shape).astype(np.float32)
    moving, source = Signal.from_samples(cutoff, requires_grad=True), Signal.from_samples(x)
    fn = dg.function(source.biquad(moving, 0.7071), params=[moving], inputs={"x": source})

    def ours(x, cutoff):
        return fn([cutoff], {"x": x})[0]

    forms = {
        "dgenlazy": ours,
        "associative scan": associative_biquad,
        "scan, unroll=32": ft.partial(naive_biquad, unroll=32),
    }
    if lanes == 1:
        forms["naive scan"] = naive_biquad

    def graded(form):
        return jax.value_and_grad(lambda cutoff, x, weights: (form(x, cutoff) * weights).sum())

    title = f"biquad, {lanes} lanes"
    rounds = 6
    # Direct forms with low cutoffs are that far from float64.
    rows = compare(f"{title}, forward", {k: ready(f, x, cutoff) for k, f in forms.items()}, rounds, tol=1e-2)
    rows += compare(f"{title}, gradient", {k: ready(graded(f), cutoff, x, weights) for k, f in forms.items()}, rounds, tol=1e-2)
    forward, gradient = torchaudio_biquad(x, 700.0, weights)
    if forward:
        still = np.float32(700.0)
        source = Signal.from_samples(x)
        fixed = dg.function(source.biquad(Signal.param(700.0), 0.7071), inputs={"x": source})
        ours_still = ready(lambda x, c: fixed([c], {"x": x})[0], x, still)
        loss = jax.value_and_grad(lambda c, x, weights: (fixed([c], {"x": x})[0] * weights).sum())
        theirs = np.asarray(forward().cpu()).T.reshape(shape)
        agree(f"{title}, constant", {"dgenlazy": ours_still, "torchaudio": lambda: theirs})
        rows += time_all(f"{title}, constant, forward", {"dgenlazy": ours_still, "torchaudio.lfilter": forward}, rounds)
        graded_still = ready(loss, still, x, weights)
        rows += time_all(f"{title}, constant, gradient", {"dgenlazy": graded_still, "torchaudio.lfilter": gradient}, rounds)
    return rows


# A nonlinear loop: a ladder of four one-poles with tanh.


def ladders(frames, lanes):
    shape, x = samples(frames, lanes)
    g = (0.2 + 0.1 * random.uniform(size=shape)).astype(np.float32)
    source, moving = Signal.from_samples(x), Signal.from_samples(g, requires_grad=True)
    y = lazy_ladder(source, moving, 0.0 if lanes == 1 else np.zeros(lanes, np.float32))
    fn = dg.function(y, params=[moving], inputs={"x": source})
    forms = {
        "dgenlazy": lambda x, g: fn([g], {"x": x})[0],
        "scan, unroll=16": ft.partial(naive_ladder, unroll=16),
    }
    if lanes == 1:
        forms["naive scan"] = naive_ladder

    def graded(form):
        return jax.value_and_grad(lambda g, x: (form(x, g) ** 2).sum())

    title = f"ladder, {lanes} lanes"
    rows = compare(f"{title}, forward", {k: ready(f, x, g) for k, f in forms.items()}, 3, tol=1e-5)
    return rows + compare(f"{title}, gradient", {k: ready(graded(f), g, x) for k, f in forms.items()}, 3)


CASES = {"biquad": biquads, "ladder": ladders}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=44100)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 64, 1024])
    parser.add_argument("--only", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--json", help="file to write the rows to")
    args = parser.parse_args()
    DGen.sample_rate = RATE
    device = jax.devices()[0]
    print(f"{device.device_kind}, jax {jax.__version__}, {args.frames} frames")
    rows = [row for name in args.only for lanes in args.lanes for row in CASES[name](args.frames, lanes)]
    if args.json:
        with open(args.json, "w") as file:
            json.dump(
                {"jax": jax.__version__, "device": device.device_kind, "frames": args.frames, "rows": rows}, file, indent=1
            )


if __name__ == "__main__":
    main()
