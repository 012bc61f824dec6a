"""What the first second costs: import, first `realize`, first `backward`, and graphs of many ops; beside JAX written by hand.

    python tests/bench/first_second.py [--processes 5] [--only realize]

Each figure is of a fresh process, whose results are compared with the other's before any is counted. The two take turns, after
one process of each whose time does not count: it writes the byte code. A row gives the least time of each, in milliseconds,
which other work on the machine disturbs least, and their ratio; and in brackets the same of the time on all cores together.
What is imported counts for the first row only; JAX has started its backend before anything else begins. The ops are products
and sums with numbers, which are arguments in dgenlazy, so that other numbers compile nothing; by hand they are arguments
in one row, and part of the program in the other.
"""

import argparse
import json
import os
import subprocess
import sys
import time

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


def hand_chain(count, fixed):
    import jax
    import numpy as np

    def chain(x, numbers):
        for i in range(count // 2):
            x = x * numbers[2 * i] + numbers[2 * i + 1]
        return x

    numbers = np.tile(np.float32([0.5, 0.25]), count // 2)
    if fixed:
        return np.array(jax.jit(lambda x: chain(x, numbers.tolist()))(samples()[0]))
    return np.array(jax.jit(chain)(samples()[0], numbers))


def our_chain(count):
    from dgenlazy import Signal

    x = Signal.input(0)
    for _ in range(count // 2):
        x = x * 0.5 + 0.25
    return x.realize(inputs={0: samples()[0]})


def imported(module):
    __import__(module)
    return []


ROWS = {
    "import": (lambda: imported("jax.numpy"), lambda: imported("dgenlazy")),
    "realize": (hand_realize, our_realize),
    "backward": (hand_backward, our_backward),
    "1,000 ops": (lambda: hand_chain(1000, False), lambda: our_chain(1000)),
    "1,000 ops, numbers fixed": (lambda: hand_chain(1000, True), lambda: our_chain(1000)),
    "10,000 ops": (lambda: hand_chain(10000, False), lambda: our_chain(10000)),
    "10,000 ops, numbers fixed": (lambda: hand_chain(10000, True), lambda: our_chain(10000)),
}


def once(row, ours):
    """Milliseconds by the clock and on all cores, and what came out."""
    if row != "import":
        started(ours)
    start, worked = time.perf_counter(), time.process_time()
    out = ROWS[row][ours]()
    return 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - worked), list(map(float, out))


def started(ours):
    import jax

    jax.jit(lambda x: x + 1)(0.0).block_until_ready()
    if ours:
        import dgenlazy  # noqa: F401


def fresh(row, ours):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, __file__, "--once", row, str(int(ours))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=5, help="of each kind, for each row (default: 5)")
    parser.add_argument("--only", choices=[*ROWS], action="append", help="this row; may be repeated")
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        print(json.dumps(once(args.once[0], args.once[1] == "1")))
        return
    for row in args.only or ROWS:
        found = []
        for _ in range(args.processes + 1):
            (*hand, theirs), (*mine, ours) = fresh(row, False), fresh(row, True)
            assert len(ours) == len(theirs), row
            assert all(abs(a - b) <= 1e-3 * (1 + abs(b)) for a, b in zip(ours, theirs)), row
            found.append((*hand, *mine))
        hand, hand_work, mine, work = map(min, zip(*found[1:]))
        print(
            f"{row:26} by hand {hand:6.0f} ({hand_work:6.0f}) ms   dgenlazy {mine:6.0f} ({work:6.0f}) ms   "
            f"{mine / hand:5.2f}x ({work / hand_work:.2f}x)",
            flush=True,
        )


if __name__ == "__main__":
    main()
