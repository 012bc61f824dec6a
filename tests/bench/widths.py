"""One recursive filter of 1 to 256 lanes, and batches of 1 to 64 examples by `vmap`, against what one would write by hand.

    python tests/bench/widths.py [--quick] [--only biquad] [--seconds 1] [--json out.json]

By hand are a plain `lax.scan` with `jax.grad`, and the best of: that scan, the same with its states in one array, and each with
an adjoint by hand, a scan backwards that keeps nothing but inputs and outputs. All are one `jit` of the same arguments and must
agree before anything is timed. They take turns; of each the fastest run counts, which other work on the machine disturbs least.
A row gives dgenlazy's time and its ratio to both: below 1, dgenlazy is faster.

A cutoff of each lane is learned: one for all frames, or one that moves. Examples share the first, and have their own of the
second.
"""

import argparse
import json
import platform
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
LANES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 256)
EXAMPLES = (1, 2, 4, 8, 16, 32, 64)
QUICK = 4  # lanes or examples of every so many
TOLERANCE = 2e-3  # of the largest value: a plain biquad's states lose what dgenlazy keeps


# By hand: the solution of y[n] = drive[n] - a1 y[n-1] - a2 y[n-2] and its adjoint are one loop, forwards and backwards.


def onepole_scan(drive, a):
    """`a` is one number for each lane, or one for each frame and lane."""
    moves = a.ndim == drive.ndim

    def frame(y, now):
        y = now[0] + (now[1] if moves else a) * y
        return y, y

    return lax.scan(frame, jnp.zeros_like(drive[0]), (drive, a) if moves else (drive,))[1]


@jax.custom_vjp
def onepole_adjoint(drive, a):
    return onepole_scan(drive, a)


def _onepole_forward(drive, a):
    y = onepole_scan(drive, a)
    return y, (y, a)


def _onepole_backward(kept, g):
    y, a = kept
    moves = a.ndim == y.ndim

    def frame(t, now):
        t = now[0] + t
        return (now[1] if moves else a) * t, t

    t = lax.scan(frame, jnp.zeros_like(y[0]), (g, a) if moves else (g,), reverse=True)[1]
    slope = t * jnp.concatenate([jnp.zeros_like(y[:1]), y[:-1]])
    return t, slope if moves else slope.sum(0)


onepole_adjoint.defvjp(_onepole_forward, _onepole_backward)


def onepole(solve):
    return lambda x, c: solve(c * x, 1 - c)


def cookbook(cutoff, q=0.7071):
    w = 2 * jnp.pi * cutoff / RATE
    alpha, cos = jnp.sin(w) / (2 * q), jnp.cos(w)
    return [c / (1 + alpha) for c in ((1 - cos) / 2, 1 - cos, (1 - cos) / 2, -2 * cos, 1 - alpha)]


def biquad_scan(x, *coefficients):
    moves = coefficients[0].ndim == x.ndim

    def frame(state, now):
        s1, s2 = state
        x, *own = now
        b0, b1, b2, a1, a2 = own or coefficients
        y = b0 * x + s1
        return (b1 * x - a1 * y + s2, b2 * x - a2 * y), y

    rest = jnp.zeros_like(x[0])
    return lax.scan(frame, (rest, rest), (x, *coefficients) if moves else (x,))[1]


def biquad_array_scan(x, *coefficients):
    """The states as one array, and what comes from outside computed for all frames before."""
    b0, b1, b2, a1, a2 = coefficients
    moves = b0.ndim == x.ndim
    push = jnp.stack([(b1 - a1 * b0) * x, (b2 - a2 * b0) * x], 1)
    pull = jnp.stack([-a1, -a2], 1 if moves else 0)

    def frame(s, now):
        below = jnp.stack([s[1], jnp.zeros_like(s[1])])
        return (now[1] if moves else pull) * s[0] + below + now[0], s[0]

    s1 = lax.scan(frame, jnp.zeros_like(push[0]), (push, pull) if moves else (push,))[1]
    return b0 * x + s1


def with_adjoint(forward):
    """The same, and its adjoint by hand: with `u` the adjoint of `y`, those of the states are `u` one and two frames later."""

    @jax.custom_vjp
    def run(x, *coefficients):
        return forward(x, *coefficients)

    def keep(x, *coefficients):
        y = forward(x, *coefficients)
        return y, (x, y, coefficients)

    def back(kept, g):
        x, y, (b0, b1, b2, a1, a2) = kept
        moves = a1.ndim == x.ndim

        def frame(later, now):
            l1, l2 = later
            g, *own = now
            a = own or (a1, a2)
            u = g - a[0] * l1 - a[1] * l2
            return (u, l1), u

        rest = jnp.zeros_like(g[0])
        u = lax.scan(frame, (rest, rest), (g, a1, a2) if moves else (g,), reverse=True)[1]
        l1 = jnp.concatenate([u[1:], rest[None]])
        l2 = jnp.concatenate([l1[1:], rest[None]])
        slopes = [u * x, l1 * x, l2 * x, -l1 * y, -l2 * y]
        return b0 * u + b1 * l1 + b2 * l2, *[s if moves else s.sum(0) for s in slopes]

    run.defvjp(keep, back)
    return run


def biquad(solve):
    return lambda x, cutoff: solve(x, *cookbook(cutoff))


BY_HAND = {
    "onepole": {"scan": onepole(onepole_scan), "adjoint": onepole(onepole_adjoint)},
    "biquad": {
        "scan": biquad(biquad_scan),
        "array": biquad(biquad_array_scan),
        "adjoint": biquad(with_adjoint(biquad_scan)),
        "array, adjoint": biquad(with_adjoint(biquad_array_scan)),
    },
}
LAZY = {"onepole": lambda x, c: x.onepole(c), "biquad": lambda x, c: x.biquad(c, 0.7071)}


def ours(kind: str, moves: bool, lanes: int) -> Callable[[Any, Any], Any]:
    """`fn(x, control)` of a graph; `lanes` 0 is one without an axis of lanes."""
    shape = (lanes,) if lanes else ()
    x = Signal.input(0, shape=shape) if lanes else Signal.input(0)
    if moves:
        control = Signal.input(1, shape=shape) if lanes else Signal.input(1)
        fn = dg.function(LAZY[kind](x, control), params=[], inputs={"x": x, "control": control})
        return lambda x, control: fn([], {"x": x, "control": control})[0]
    control = Tensor(np.full(shape, 0.1, np.float32), requires_grad=True) if lanes else Signal.param(0.1)
    fn = dg.function(LAZY[kind](x, control), params=[control], inputs={"x": x})
    return lambda x, control: fn([control], {"x": x})[0]


def contenders(kind: str, moves: bool, lanes: int, size: int, frames: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """For "forward" and "gradient", each contender by name, dgenlazy first."""
    random = np.random.default_rng(0)
    shape = (frames, lanes) if lanes else (frames,)
    batch = (size,) if size else ()
    x, weights = random.normal(size=(2, *batch, *shape)).astype(np.float32)
    wanted = (*batch, *shape) if moves else shape[1:]
    control = random.uniform(0.05, 0.2, wanted).astype(np.float32)
    if kind == "biquad":
        control = (600 + 300 * random.uniform(size=wanted)).astype(np.float32)
    made: dict[str, Any] = {"forward": {}, "gradient": {}}
    for name, fn in {"dgenlazy": ours(kind, moves, lanes), **BY_HAND[kind]}.items():
        many = jax.vmap(fn, (0, 0 if moves else None)) if size else fn

        def loss(control, x, weights, many=many):
            return (many(x, control) * weights).sum()

        if "adjoint" not in name:
            made["forward"][name] = jitted(many, x, control)
        made["gradient"][name] = jitted(jax.value_and_grad(loss), control, x, weights)
    return made


def jitted(fn: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    compiled = jax.jit(fn)
    args = jax.device_put(args)
    return lambda: jax.block_until_ready(compiled(*args))


def agree(title: str, runs: dict[str, Callable[[], Any]]) -> None:
    first, *others = [[np.asarray(x, np.float64) for x in jax.tree.leaves(run())] for run in runs.values()]
    for name, theirs in zip(list(runs)[1:], others):
        for a, b in zip(first, theirs, strict=True):
            far = np.abs(a - b).max() / np.abs(b).max() if b.ndim else np.abs(a - b) / (1 + np.abs(b))
            assert far < TOLERANCE, f"{title}: {name} is {far:.1e} away"


def fastest(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(runs, np.inf)
    for _ in range(rounds):
        for name, run in runs.items():
            run()  # the first in a row takes longer
            for _ in range(3):
                start = time.perf_counter()
                run()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few widths, few rounds")
    parser.add_argument("--only", choices=BY_HAND, help="one kind of filter")
    parser.add_argument("--seconds", type=float, default=1.0, help="of sound at 44.1 kHz")
    parser.add_argument("--lanes", type=int, nargs="*", default=LANES)
    parser.add_argument("--examples", type=int, nargs="*", default=EXAMPLES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="file to write the rows to")
    args = parser.parse_args()
    if args.quick:
        args.lanes, args.examples, args.rounds = args.lanes[::QUICK], args.examples[::QUICK], 3
    DGen.sample_rate = RATE
    frames = int(args.seconds * RATE)
    print(f"{platform.processor() or platform.machine()}, jax {jax.__version__}, {frames} frames")
    print(f"{'':46} {'dgenlazy':>9} {'/ scan':>7} {'/ best':>7}")
    rows = []
    widths = [(n, 0) for n in args.lanes] + [(0, n) for n in args.examples]
    for kind in [args.only] if args.only else BY_HAND:
        for moves in (False, True):
            for lanes, size in widths:
                title = f"{kind}, {'moving' if moves else 'constant'}, {lanes or size} {'lanes' if lanes else 'examples'}"
                for way, runs in contenders(kind, moves, lanes, size, frames).items():
                    agree(title, runs)
                    times = fastest(runs, args.rounds)
                    mine = times["dgenlazy"]
                    best = min((t, name) for name, t in times.items() if name != "dgenlazy")
                    rows.append({"case": title, "way": way, "ms": {name: 1e3 * t for name, t in times.items()}})
                    ratios = f"{mine / times['scan']:7.2f} {mine / best[0]:7.2f}"
                    print(f"{title + ', ' + way:46} {1e3 * mine:6.2f} ms {ratios}  ({best[1]})", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"jax": jax.__version__, "frames": frames, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
