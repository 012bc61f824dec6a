"""What compiling costs, in a fresh process for each case: `python tests/bench/compile.py [case ...]`.

Seconds of tracing, of lowering and of XLA, from JAX's own events, the time of the whole first call, and how many equations the
program has, with those inside of its loops and branches. `DGen.cache_dir` is not used. A GPU is taken where there is one.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np


def synthesizer(dg, partials):
    """Partials of a moving pitch, as long as a second of 16 kHz, through a filter that moves, and noise."""
    amount = learned(dg, np.full(partials, 1 / partials))
    pitch = 220 * (1 + 0.01 * dg.Signal.phasor(5.0))
    tone = dg.harmonic(pitch, amount)
    return (tone + 0.1 * dg.Signal.noise(seed=1)).biquad(dg.Signal.param(1000.0))


def learned(dg, array):
    return dg.Tensor(array, requires_grad=True)


CASES = {
    "biquad": lambda dg: dg.Signal.input(0).biquad(dg.Signal.param(1000.0)),
    "moving biquad": lambda dg: dg.Signal.input(0).biquad(1000 + 100 * dg.Signal.phasor(3.0), dg.Signal.param(0.7)),
    "ladder": lambda dg: dg.Signal.input(0).ladder(dg.Signal.param(1000.0)),
    "fdn": lambda dg: dg.Signal.input(0).fdn([1031, 1327, 1523, 1871], 0.4 * np.eye(4)) * dg.Signal.param(0.5),
    "synthesizer of 60 partials": lambda dg: synthesizer(dg, 60),
    "fir of 4,000 taps": lambda dg: dg.Signal.input(0).fir(learned(dg, np.full(4000, 1e-3))),
    "lfilter of 4,000 zeros, a pole": lambda dg: dg.Signal.input(0).lfilter(learned(dg, np.full(4000, 1e-3)), [1.0, -0.5]),
    "lfilter of 4,000 poles": lambda dg: dg.Signal.input(0).lfilter([1.0], learned(dg, [1.0, *[1e-5] * 4000])),
    "lfilter of 12 poles": lambda dg: dg.Signal.input(0).lfilter([1.0], learned(dg, [1.0, *[1e-2] * 12])),
}
FRAMES = 16000


def equations(jaxpr):
    """How many there are, with all that is inside of them."""
    values = [x for e in jaxpr.eqns for v in e.params.values() for x in (v if isinstance(v, (tuple, list)) else [v])]
    inside = [getattr(v, "jaxpr", v) for v in values]
    return len(jaxpr.eqns) + sum(equations(j) for j in inside if hasattr(j, "eqns"))


def measured(case, gradient):
    """Run in a process of its own: prints one row."""
    import jax

    spent = dict.fromkeys(("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile"), 0.0)

    def listen(event, seconds, **_):
        name = event.rpartition("/")[2].removesuffix("_duration")
        if name in spent:
            spent[name] += seconds

    import dgenlazy as dg

    y = CASES[case](dg)
    x = {0: np.random.default_rng(1).standard_normal(FRAMES).astype(np.float32)}
    jax.monitoring.register_event_duration_secs_listener(listen)
    begun = time.perf_counter()
    result = (y * y).mean().backward(FRAMES, inputs=x) if gradient else y.realize(FRAMES, inputs=x)
    total = time.perf_counter() - begun
    assert np.isfinite(result).all()
    fn = dg.function((y * y).mean() if gradient else y)
    given = x if fn.sources else None

    def value(params):
        return fn.whole(params, given, FRAMES).mean()

    of = jax.value_and_grad(value) if gradient else value
    times = [f"{seconds:.2f}" for seconds in (*spent.values(), total)]
    print("\t".join([*times, str(equations(jax.make_jaxpr(of)(fn.params).jaxpr))]))


def main(names):
    print("| case | of | trace | lower | XLA | first call, s | equations |\n|" + " --- |" * 7)
    for case in names or CASES:
        for gradient in (False, True):
            run = [sys.executable, __file__, "--one", case, str(int(gradient))]
            done = subprocess.run(run, capture_output=True, text=True, timeout=1200)
            assert done.returncode == 0, done.stderr[-2000:]
            print(f"| {case} | {'gradient' if gradient else 'forward'} | {' | '.join(done.stdout.split())} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measured(sys.argv[2], sys.argv[3] == "1")
    else:
        main(sys.argv[1:])
