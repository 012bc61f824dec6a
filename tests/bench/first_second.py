"""What the first second costs: import, first `realize`, first `backward`, and graphs of many ops; beside JAX written by hand.

    python tests/bench/first_second.py [--processes 5] [--only realize]

Each figure is of a fresh process, whose results are compared with the other's before any is counted. The two take turns. A
row gives the least time of each, in milliseconds, which other work on the machine disturbs least, and their ratio. What is
imported counts for the first row only; JAX has started its backend before anything else begins.
"""

import argparse
import json
import subprocess
import sys
import time

ROWS = "import", "realize", "backward", "1,000 ops", "10,000 ops"
FRAMES, RATE = 1024, 44100.0


def coefficients(jnp, cutoff, q):
    w = 2 * jnp.pi * cutoff / RATE
    alpha, cos = jnp.sin(w) / (2 * q), jnp.cos(w)
    return [c / (1 + alpha) for c in ((1 - cos) / 2, 1 - cos, (1 - cos) / 2, -2 * cos, 1 - alpha)]


def hand_biquad(cutoff, q, x):
    import jax
    import jax.numpy as jnp

    b0, b1, b2, a1, a2 = coefficients(jnp, cutoff, q)

    def frame(state, x):
        s1, s2 = state
        y = b0 * x + s1
        return (b1 * x - a1 * y + s2, b2 * x - a2 * y), y

    return jax.lax.scan(frame, (jnp.float32(0), jnp.float32(0)), x)[1]


def samples():
    import numpy as np

    return np.random.default_rng(0).normal(size=(2, FRAMES)).astype(np.float32)


def hand_realize():
    import jax
    import numpy as np

    return np.array(jax.jit(hand_biquad)(np.float32(1000.0), np.float32(0.5), samples()[0]))


def our_realize():
    from dgenlazy import Signal

    return Signal.input(0).biquad(Signal.param(1000.0), Signal.param(0.5)).realize(inputs={0: samples()[0]})


def hand_backward():
    import jax
    import numpy as np

    def loss(params, x, target):
        return ((hand_biquad(*params, x) - target) ** 2).mean()

    params = np.float32(1000.0), np.float32(0.5)
    value, (cutoff, q) = jax.jit(jax.value_and_grad(loss))(params, *samples())
    return np.array([value, cutoff, q])


def our_backward():
    import numpy as np

    import dgenlazy as dg
    from dgenlazy import Signal

    cutoff, q = Signal.param(1000.0), Signal.param(0.5)
    loss = dg.mse(Signal.input(0).biquad(cutoff, q), Signal.input(1))
    value = loss.backward(inputs=dict(enumerate(samples())))
    return np.array([value, cutoff.grad.value, q.grad.value])


def hand_chain(count):
    """Numbers are arguments, as they are in dgenlazy, so that other numbers compile nothing."""
    import jax
    import numpy as np

    def chain(x, numbers):
        for i in range(count // 2):
            x = x * numbers[2 * i] + numbers[2 * i + 1]
        return x

    numbers = np.tile(np.float32([0.5, 0.25]), count // 2)
    return np.array(jax.jit(chain)(samples()[0], numbers))


def our_chain(count):
    from dgenlazy import Signal

    x = Signal.input(0)
    for _ in range(count // 2):
        x = x * 0.5 + 0.25
    return x.realize(inputs={0: samples()[0]})


def once(row, ours):
    """Milliseconds, and what came out."""
    if row == "import":
        start = time.perf_counter()
        __import__("dgenlazy" if ours else "jax.numpy")
        return 1e3 * (time.perf_counter() - start), []
    import jax

    jax.device_put(0.0).block_until_ready()
    if ours:
        import dgenlazy  # noqa: F401
    work = {
        "realize": (hand_realize, our_realize),
        "backward": (hand_backward, our_backward),
        "1,000 ops": (lambda: hand_chain(1000), lambda: our_chain(1000)),
        "10,000 ops": (lambda: hand_chain(10000), lambda: our_chain(10000)),
    }[row][ours]
    start = time.perf_counter()
    out = work()
    return 1e3 * (time.perf_counter() - start), out.tolist()


def fresh(row, ours):
    done = subprocess.run([sys.executable, __file__, "--once", row, str(int(ours))], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=5, help="of each kind, for each row (default: 5)")
    parser.add_argument("--only", choices=ROWS, action="append", help="this row; may be repeated")
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        print(json.dumps(once(args.once[0], args.once[1] == "1")))
        return
    for row in args.only or ROWS:
        taken = [], []
        for _ in range(args.processes):
            (hand, theirs), (mine, ours) = fresh(row, False), fresh(row, True)
            assert len(ours) == len(theirs), row
            assert all(abs(a - b) <= 1e-3 * (1 + abs(b)) for a, b in zip(ours, theirs)), row
            taken[0].append(hand), taken[1].append(mine)
        hand, mine = map(min, taken)
        print(f"{row:12} hand-written JAX {hand:7.0f} ms   dgenlazy {mine:7.0f} ms   {mine / hand:5.2f}x", flush=True)


if __name__ == "__main__":
    main()
