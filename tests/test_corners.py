"""What each op gives at its corners, bounds and poles: value and gradient.

The slope at a bound is the one towards the inside; where a value is finite so is its gradient; what has weight 0 is not read.
"""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import _data
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, Signal, Tensor
from dgenlazy.graph import Context
from dgenlazy.run import initial_state, run, stage

INF, NAN = np.inf, np.nan
STEEP = 8.507059e37  # 1 / the smallest normal float32: as good as infinite, and 0 times it is 0
NOISE = np.random.default_rng(0).uniform(-1, 1, 96).astype(np.float32)
SMOOTH = np.sin(np.arange(96) * 0.11).astype(np.float32)
X, S = Signal.from_samples(NOISE), Signal.from_samples(SMOOTH)

# op: [(point, value, gradient to each coordinate of the point), ...]; the reasons stand beside the lines.
TABLE = {
    "abs": (abs, [((0.0,), 0, (0,)), ((-0.0,), 0, (0,)), ((-2.0,), 2, (-1,)), ((1e-30,), 1e-30, (1,))]),
    "sign": (dg.sign, [((0.0,), 0, (0,)), ((-0.0,), 0, (0,)), ((3.0,), 1, (0,))]),
    "floor": (dg.floor, [((2.0,), 2, (0,)), ((-0.5,), -1, (0,))]),
    "ceil": (dg.ceil, [((2.0,), 2, (0,)), ((-0.5,), 0, (0,))]),
    "round": (dg.round, [((0.5,), 0, (0,)), ((1.5,), 2, (0,))]),
    "relu": (dg.relu, [((0.0,), 0, (0,)), ((-0.0,), 0, (0,)), ((1.0,), 1, (1,)), ((-1.0,), 0, (0,))]),
    # Of several that are the largest each gets an equal part, as in PyTorch and JAX.
    "max of a pair": (dg.max, [((1.0, 1.0), 1, (0.5, 0.5)), ((2.0, 1.0), 2, (1, 0)), ((1.0, 2.0), 2, (0, 1))]),
    "min of a pair": (dg.min, [((1.0, 1.0), 1, (0.5, 0.5)), ((2.0, 1.0), 1, (0, 1)), ((1.0, 2.0), 1, (1, 0))]),
    # Inclusive, as torch.clamp; hi wins over lo.
    "clamp": (
        dg.clamp,
        [
            ((-1.0, -1.0, 1.0), -1, (1, 0, 0)),
            ((1.0, -1.0, 1.0), 1, (1, 0, 0)),
            ((0.5, 0.5, 0.5), 0.5, (1, 0, 0)),
            ((-2.0, -1.0, 1.0), -1, (0, 1, 0)),
            ((2.0, -1.0, 1.0), 1, (0, 0, 1)),
            ((0.0, 2.0, 1.0), 1, (0, 0, 1)),
            ((INF, -1.0, 1.0), 1, (0, 0, 1)),
        ],
    ),
    # At 0 of a norm the slope is 0; the smallest numbers keep theirs.
    "sqrt": (dg.sqrt, [((0.0,), 0, (0,)), ((4.0,), 2, (0.25,)), ((INF,), INF, (0,)), ((1e-30,), 1e-15, (5e14,))]),
    "log": (dg.log, [((0.0,), -INF, (STEEP,)), ((2.0,), np.log(2), (0.5,)), ((INF,), INF, (0,))]),
    "log10": (dg.log10, [((0.0,), -INF, (STEEP,)), ((10.0,), 1, (0.1 / np.log(10),)), ((INF,), INF, (0,))]),
    "exp": (dg.exp, [((-INF,), 0, (0,)), ((0.0,), 1, (1,))]),
    "tan": (dg.tan, [((0.0,), 0, (1,)), ((np.float32(np.pi / 2),), -22877332, (22877332.0**2,))]),
    "tanh": (dg.tanh, [((100.0,), 1, (0,)), ((-INF,), -1, (0,)), ((0.0,), 0, (1,))]),
    "sigmoid": (dg.sigmoid, [((-INF,), 0, (0,)), ((INF,), 1, (0,)), ((0.0,), 0.5, (0.25,))]),
    # No angle at the origin; squares of small and of large numbers are not representable.
    "atan2": (
        dg.atan2,
        [
            ((0.0, 0.0), 0, (0, 0)),
            ((0.0, -0.0), np.pi, (0, 0)),
            ((1e-25, 1e-25), np.pi / 4, (5e24, -5e24)),
            ((1e25, 1e25), np.pi / 4, (5e-26, -5e-26)),
            ((INF, 1.0), np.pi / 2, (0, 0)),
            ((0.0, -1.0), np.pi, (-1, 0)),
            ((3.0, 4.0), np.arctan2(3, 4), (4 / 25, -3 / 25)),
        ],
    ),
    "pow": (
        dg.pow,
        [
            ((0.0, 0.0), 1, (0, 0)),
            ((0.0, 1.0), 0, (1, 0)),
            ((0.0, 2.0), 0, (0, 0)),
            ((0.0, 0.5), 0, (0, 0)),  # a root, as sqrt
            ((0.0, -1.0), INF, (0, 0)),  # a pole
            ((2.0, 0.0), 1, (0, np.log(2))),
            ((-2.0, 3.0), -8, (12, 0)),  # between whole exponents there is no real value
            ((-2.0, 0.0), 1, (0, 0)),
            ((-2.0, -1.0), -0.5, (-0.25, 0)),
            ((3.0, 2.0), 9, (6, 9 * np.log(3))),
            ((-8.0, 0.5), NAN, (NAN, 0)),
        ],
    ),
    # A pole: the gradient to what is divided is as good as infinite, to the divisor there is none.
    "division": (
        lambda x, y: x / y,
        [
            ((1.0, 0.0), INF, (STEEP, 0)),
            ((1.0, -0.0), -INF, (STEEP, 0)),
            ((0.0, 0.0), NAN, (STEEP, 0)),
            ((1.0, INF), 0, (0, 0)),
            ((3.0, 2.0), 1.5, (0.5, -0.75)),
        ],
    ),
    # The wrap has no slope; the whole turns have: -floor(x / y).
    "mod": (
        dg.mod,
        [
            ((0.0, 3.0), 0, (1, 0)),
            ((3.0, 3.0), 0, (1, -1)),
            ((-3.0, 3.0), 0, (1, 1)),
            ((-1.0, 3.0), 2, (1, 1)),
            ((5.0, -3.0), -1, (1, 2)),
            ((-5.0, -3.0), -2, (1, -1)),
            ((1.0, 0.0), NAN, (0, 0)),
        ],
    ),
    "==": (lambda x, y: x == y, [((1.0, 1.0), 1, (0, 0)), ((1.0, 2.0), 0, (0, 0)), ((NAN, NAN), 0, (0, 0))]),
    "!=": (lambda x, y: x != y, [((1.0, 1.0), 0, (0, 0)), ((1.0, 2.0), 1, (0, 0)), ((NAN, NAN), 1, (0, 0))]),
    # What is not taken does not matter.
    "where x > 0, log": (lambda x: dg.where(x > 0, x.log(), 0.0), [((0.0,), 0, (0,)), ((2.0,), np.log(2), (0.5,))]),
    "where x > 0, dB": (lambda x: dg.where(x > 0, 20 * x.log10(), -100), [((0.0,), -100, (0,))]),
    "where x > 0, root": (lambda x: dg.where(x > 0, x.sqrt(), 0.0), [((0.0,), 0, (0,)), ((4.0,), 2, (0.25,))]),
    "where x > 0, power": (lambda x: dg.where(x > 0, x**-1.5, 0.0), [((0.0,), 0, (0,)), ((1.0,), 1, (-1.5,))]),
    "where x != 0, 1 / x": (lambda x: dg.where(x != 0, 1 / x, 0.0), [((0.0,), 0, (0,)), ((2.0,), 0.5, (-0.25,))]),
    "sinc": (lambda x: dg.where(x == 0, 1.0, x.sin() / x), [((0.0,), 1, (0,)), ((np.pi,), 0, (-1 / np.pi,))]),
    "where y != 0, x % y": (lambda x, y: dg.where(y == 0, 0.0, x % y), [((1.0, 0.0), 0, (0, 0)), ((1.0, 3.0), 1, (1, 0))]),
    # Norms.
    "|x| as a root": (lambda x: (x * x).sqrt(), [((0.0,), 0, (0,)), ((-2.0,), 2, (-1,))]),
    "norm": (lambda x, y: 20 * (x * x + y * y).sqrt(), [((0.0, 0.0), 0, (0, 0)), ((3.0, 4.0), 100, (12, 16))]),
    "norm as a power": (lambda x, y: (x**2 + y**2) ** 0.5, [((0.0, 0.0), 0, (0, 0)), ((3.0, 4.0), 5, (0.6, 0.8))]),
}


def slopes(op, *leaves, frames=None, reduction="mean"):
    """The loss, and the gradient to each leaf."""
    for leaf in leaves:
        leaf.node.grad = None
    loss = op(*leaves).backward(frames, reduction=reduction)
    return loss, [np.array(leaf.grad.value) if leaf.grad is not None else None for leaf in leaves]


def learned(values):
    """A leaf that is differentiated, also where a learned number would have to be finite."""
    x = Tensor(np.zeros_like(values, np.float32), requires_grad=True)
    x.node.array = np.asarray(values, np.float32)
    return x


@pytest.mark.parametrize("name", TABLE)
def test_an_op_gives_at_its_corners_what_the_table_says(name):
    op, lines = TABLE[name]
    points, values, gradients = zip(*lines)
    leaves = [learned(x) for x in zip(*points)]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(op(*leaves).realize(), np.float32(values), rtol=1e-5, atol=1e-6)
        _, found = slopes(lambda *x: dg.where(Tensor(np.isfinite(values)), op(*x), op(*x)).sum(), *leaves)
    for got, wanted in zip(found, zip(*gradients)):
        np.testing.assert_allclose(np.zeros(len(lines)) if got is None else got, np.float32(wanted), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "x", "value", "gradient"),
    [
        (lambda x: x.max(), [1, 3, 3, 3], 3, [0, 1 / 3, 1 / 3, 1 / 3]),
        (lambda x: x.min(), [1, 1, 3, 3], 1, [0.5, 0.5, 0, 0]),
        (lambda x: (x.softmax() * Tensor([1.0, 2.0, 3.0])).sum(), [-INF, 0, 0], 2.5, [0, -0.25, 0.25]),
        (lambda x: x.log_softmax()[1:].sum(), [-INF, 0, 0], -2 * np.log(2), [0, 0, 0]),
        (lambda x: (x * x).sum().sqrt(), [0, 0, 0], 0, [0, 0, 0]),
        (lambda x: ((x - x.mean()) ** 2).mean().sqrt(), [2, 2, 2], 0, [0, 0, 0]),  # a standard deviation
        (lambda x: abs(x - Tensor([1.0, 2.0, 3.0])).mean(), [1, 2, 3], 0, [0, 0, 0]),  # L1 at its optimum
        (lambda x: (x / (x * x).sum().sqrt().clamp(1e-3)).sum(), [0, 0, 0], 0, [1e3, 1e3, 1e3]),  # made of length 1
    ],
)
def test_a_reduction_has_a_gradient_at_its_corners(op, x, value, gradient):
    loss, (found,) = slopes(op, learned(x))
    np.testing.assert_allclose(loss, value, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_a_whole_power_has_its_second_derivative_at_0(exponent):
    from dgenlazy.ops.slopes import power

    second = jax.grad(jax.grad(power))(0.0, exponent)
    assert second == {2.0: 2.0}.get(exponent, 0.0)


# Bounds: the gradient is the slope towards the inside, by magnitude.

LANES = np.random.default_rng(1).uniform(-1, 1, (96, 2)).astype(np.float32)
TURN = [[0.6, 0.8], [-0.8, 0.6]]
BOUNDS = [
    # (what, parameter to signal, the bound, step towards the inside)
    ("ladder: resonance", lambda p: S.ladder(3000, resonance=p), 0.0, 1e-3),
    ("ladder: resonance", lambda p: S.ladder(3000, resonance=p), 1.1, -1e-3),
    ("karplus_strong: brightness", lambda p: X.karplus_strong(4000, brightness=p), 0.0, 2e-2),
    ("karplus_strong: brightness", lambda p: X.karplus_strong(4000, brightness=p), 1.0, -2e-2),
    ("karplus_strong: freq", lambda p: X.karplus_strong(p, max_delay=10, min_delay=2), 4410.0, 20.0),
    ("karplus_strong: freq", lambda p: X.karplus_strong(p, max_delay=10, min_delay=4), 11025.0, -50.0),
    ("compressor: ratio", lambda p: X.compressor(-20, p, 0.1, 0.1), 1.0, 1e-3),
    ("compressor: ratio, slow to let go", lambda p: X.compressor(-20, p, 0.1, 10), 1.0, 1e-3),
    ("gate: ratio", lambda p: X.gate(-10, p, 0.1, 10), 1.0, 2e-2),
    ("expander: ratio", lambda p: X.expander(-10, p, 0.1, 10), 1.0, 2e-2),
    ("compressor: threshold", lambda p: Signal.constant(1.0).compressor(p, 4, 0, 0, knee_db=6), -3.0, 1e-2),
    ("compressor: threshold", lambda p: Signal.constant(1.0).compressor(p, 4, 0, 0, knee_db=6), -3.0, -1e-2),
    ("delay: longest", lambda p: S.delay(p, max_delay=64), 64.0, -0.25),
    ("delay: longest, of 1 frame", lambda p: S.delay(p, max_delay=1), 1.0, -0.25),
    (
        "delay: longest, of lanes",
        lambda p: Signal.from_samples(LANES).delay(p + Tensor([-0.5, 1.0]), max_delay=9).sum(),
        8.0,
        -0.25,
    ),
    ("delay: longest, not whole", lambda p: S.delay(p, max_delay=6.5), 6.5, -0.25),
    ("delay: 0", lambda p: S.delay(p, max_delay=64), 0.0, 0.25),
    ("delay: whole", lambda p: S.delay(p, max_delay=64), 5.0, 0.25),
    ("delay: shortest", lambda p: S.delay(p, max_delay=64, min_delay=8), 8.0, 0.25),
    ("delay: moving", lambda p: S.delay(p + 0 * X, max_delay=64), 64.0, -0.25),
    ("delay: moving, of lanes", lambda p: Signal.from_samples(LANES).delay(p + 0 * X, max_delay=9).sum(), 9.0, -0.25),
    ("delay: in a loop", lambda p: dg.feedback(lambda y: S + 0.5 * y.delay(p, max_delay=3)), 3.0, -0.25),
    ("comb: longest", lambda p: S.comb(p, 0.7, max_delay=16), 16.0, -0.125),
    ("comb: longest, in blocks", lambda p: S.comb(p, 0.7, max_delay=16, min_delay=12), 16.0, -0.125),
    ("comb: 1", lambda p: S.comb(p, 0.7, max_delay=16), 1.0, 0.01),
    ("comb: feedback", lambda p: S.comb(40, p), 1.0, -1e-2),
    ("comb: feedback", lambda p: S.comb(40, p), -1.0, 1e-2),
    ("comb: damping", lambda p: S.comb(40, 0.7, damping=p), 0.0, 1e-3),
    ("comb: damping", lambda p: S.comb(40, 0.7, damping=p), 1.0, -1e-3),
    ("allpass: longest", lambda p: S.allpass(p, 0.7, max_delay=16), 16.0, -0.125),
    ("allpass: 1", lambda p: S.allpass(p, 0.7, max_delay=16), 1.0, 0.01),
    ("allpass: gain", lambda p: S.allpass(40, p), 1.0, -1e-2),
    ("fdn: longest", lambda p: S.fdn(p * Tensor([1.0, 0.5]), TURN, 0.7, max_delay=16).sum(), 16.0, -0.125),
    ("onepole: 0", lambda p: S.onepole(p), 0.0, 1e-3),
    ("onepole: 1", lambda p: S.onepole(p), 1.0, -1e-2),
    ("svf: q", lambda p: X.svf(3000, p, mode="bandpass"), 1e-3, 1e-4),
    ("svf: cutoff", lambda p: S.svf(p, mode="bandpass"), 0.499 * 44100, -5.0),
    ("biquad: q", lambda p: X.biquad(3000, p, mode="bandpass"), 1e-3, 1e-4),
    ("biquad: cutoff", lambda p: S.biquad(p, mode="bandpass"), 0.499 * 44100, -5.0),
    ("peek_row: 0", lambda p: S * Tensor([1.0, 3.0, 8.0]).peek_row(p), 0.0, 0.25),
    ("peek_row: whole", lambda p: S * Tensor([1.0, 3.0, 8.0]).peek_row(p), 1.0, 0.25),
    ("peek_row: last", lambda p: S * Tensor([1.0, 3.0, 8.0]).peek_row(p), 2.0, -0.25),
    ("peek_row: last, wrapped", lambda p: S * Tensor([1.0, 3.0, 8.0]).peek_row(p, mode="wrap"), 2.0, 0.25),
    ("peek_row: 0, wrapped", lambda p: S * Tensor([1.0, 3.0, 8.0]).peek_row(p, mode="wrap"), 3.0, 0.25),
    ("clamp", lambda p: S * p.clamp(0, 1), 0.0, 0.25),
    ("clamp", lambda p: S * p.clamp(0, 1), 1.0, -0.25),
]

# Loops through delays compile for a second each: the first of each op, and all where DGENLAZY_EVERY is 1.
LOOPS = ("karplus_strong", "comb", "allpass", "fdn")
FIRST = {b[0].split(":")[0]: b for b in reversed(BOUNDS)}
if not THOROUGH:
    BOUNDS = [b for b in BOUNDS if b[0].split(":")[0] not in LOOPS or b in FIRST.values()]


@pytest.mark.parametrize(("what", "effect", "bound", "step"), [pytest.param(*b, id=f"{b[0]} {b[2]:g}") for b in BOUNDS])
def test_the_gradient_at_a_bound_is_the_slope_towards_the_inside(what, effect, bound, step):
    p = Tensor(bound, requires_grad=True)
    weights = Signal.from_samples(np.random.default_rng(2).uniform(0.5, 1.5, 96) * np.where(np.arange(96) % 3, 1, -1))
    loss = weights * effect(p)

    def at(value):
        p.value = value
        p.node.grad = None
        return loss.backward(reduction="sum")

    here, near, nearer = at(bound), at(bound + step), at(bound + step / 2)
    at(bound)
    one_sided = (4 * (nearer - here) - (near - here)) / step  # a parabola through the three
    assert abs(one_sided) > 1e-6
    assert float(p.grad.value) == pytest.approx(one_sided, rel=3e-2)


@pytest.mark.parametrize(
    ("effect", "outside"),
    [
        (lambda p: S.delay(p, max_delay=64), 65.0),
        (lambda p: S.delay(p, max_delay=64), -0.5),
        (lambda p: S.delay(p, max_delay=64, min_delay=8), 7.5),
        (lambda p: S * Tensor([1.0, 3.0]).peek_row(p), 1.5),
        (lambda p: S * Tensor([1.0, 3.0]).peek_row(p), -0.5),
        (lambda p: S * Tensor([4.0]).peek_row(p), 0.0),  # a single row has no slope
        (lambda p: S.ladder(3000, resonance=p), -0.1),
        (lambda p: S.onepole(p), 1.5),
        (lambda p: S.smooth(p), 0.0),  # at once is flat: exp(-1 / t) and all its slopes are 0 at 0
        (lambda p: S.compressor(-20, 4, p, p), 0.0),
        (lambda p: S.adsr(p, p, 0.5, p), 0.0),
    ],
)
def test_the_gradient_beyond_a_bound_is_0(effect, outside):
    _, (gradient,) = slopes(lambda p: X * effect(p), Tensor(outside, requires_grad=True))
    assert gradient == 0.0


@pytest.mark.parametrize("effect", [lambda x, c: x.onepole(c), lambda x, c: x.onepole(c.clamp(0.001, 0.999))])
def test_every_frame_within_the_bounds_has_its_slope_whatever_is_computed_twice(effect):
    # XLA rounds a product and a sum once, but not where the product is of use by itself, as it is for the gradient.
    swing, depth, base, x = np.random.default_rng(0).normal(size=(4, 2048)).astype(np.float32)
    swing, depth, base = (Signal.from_samples(p, requires_grad=True) for p in (swing, depth, base))
    cutoff = (swing * 0.1).exp() * (0.01 * depth) + 0.01 * base + 0.2
    dg.mse(effect(Signal.from_samples(x), cutoff), 0.3).backward()
    slope = base.grad.value * np.exp(0.1 * swing.value)
    np.testing.assert_allclose(depth.grad.value, slope, rtol=1e-4)
    np.testing.assert_allclose(swing.grad.value, 0.1 * depth.value * slope, rtol=1e-4)


@pytest.mark.parametrize("of", [lambda x: dg.stack([x, 0 * x - 90]).max(axis=0), lambda x: dg.stack([x, 0 * x + 90]).min()])
def test_the_largest_and_the_smallest_have_their_slope_whatever_is_computed_twice(of):
    found = []
    for effect in (of, lambda x: 1.0 * x):
        u, v, w = (Signal.from_samples(p, True) for p in np.random.default_rng(0).normal(size=(3, 1024)).astype(np.float32))
        extreme = effect(u.tanh() * v.tanh() + w * u)
        dg.mse(dg.feedback(lambda y, x=extreme: 0.5 * x + 0.5 * y), 0.3).backward()
        found.append([p.grad.value for p in (u, v, w)])
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 1), ((2, 0, 3), 2)])
def test_the_largest_of_each_of_no_rows_has_a_gradient_without_numbers(shape, axis):
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    assert x.max(axis=axis).sum().backward() == 0.0
    assert x.grad.value.shape == shape


def test_a_learned_time_comes_back_from_the_longest():
    for start in (64.0, 63.9):
        time = Signal.param(start, min=0.0, max=64.0)
        optimizer = dg.Adam([time], lr=0.5)
        loss = dg.mse(S.delay(time), S.delay(58.0))
        for _ in range(40):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert float(time.value) == pytest.approx(58.0, abs=1.0)


def test_an_l1_loss_leaves_its_optimum_alone():
    gain = Signal.param(1.0)
    optimizer = dg.Adam([gain], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        assert abs(gain * X - X).backward() == 0.0
        optimizer.step()
    assert gain.value == 1.0


@pytest.mark.parametrize(
    ("effect", "optimum"),
    [
        (lambda p: p * X, 1.0),
        (lambda p: X.onepole(p), 0.25),
        (lambda p: (2 * np.pi * Signal.phasor(p)).sin(), 440.0),
        (lambda p: p * Signal.from_samples(0 * NOISE), 1.0),
    ],
)
def test_the_spectral_loss_has_a_gradient_of_0_at_its_optimum(effect, optimum):
    p = Signal.param(optimum)
    target = Signal.from_samples(effect(p).realize(96))
    loss = dg.spectral_loss(effect(p), target, window_size=[16, 63])
    assert loss.backward(96) == 0.0
    assert p.grad.value == 0.0


# Weight 0: what is not read may be anything.


@pytest.mark.parametrize("bad", [INF, -INF, NAN])
@pytest.mark.parametrize("mode", ["clamp", "wrap"])
def test_a_whole_index_is_that_row_whatever_stands_beside_it(bad, mode):
    table, index = [1.0, bad, 3.0], learned([0.0, 2.0])
    rows = Tensor(table).peek_row(index, mode=mode)
    np.testing.assert_array_equal(rows.realize(), [1.0, 3.0])
    table = learned([[1.0, 5.0], [bad, 6.0], [3.0, 7.0]])
    _, (to_index, to_table) = slopes(lambda i, t: t.peek_row(i, mode=mode).sum(), index, table)
    assert np.isfinite(to_index).all()
    np.testing.assert_array_equal(to_table, [[1, 1], [0, 0], [1, 1]])
    np.testing.assert_array_equal(Tensor(table.value).peek_row(1, mode=mode).realize(), [bad, 6.0])


@pytest.mark.parametrize("bad", [INF, NAN])
@pytest.mark.parametrize(
    "reader",
    [lambda t, s: dg.read(t, s), lambda t, s: dg.read(t, s, loop=False), lambda t, s: dg.wavetable(t, s * (44100 / 4))],
    ids=["sampler", "sampler that ends", "wavetable"],
)
def test_a_reader_on_a_whole_row_gives_that_row_whatever_stands_beside_it(bad, reader):
    table, speed = learned([[1.0, 5.0], [bad, 6.0], [3.0, 7.0], [4.0, 8.0]]), learned(2.0)
    read = reader(table, speed)
    np.testing.assert_array_equal(read.realize(2), [[1, 5], [3, 7]])
    _, (to_table, to_speed) = slopes(lambda *x: reader(*x).sum(), table, speed, frames=2, reduction="sum")
    np.testing.assert_array_equal(to_table, [[1, 1], [0, 0], [1, 1], [0, 0]])
    assert np.isfinite(to_speed)


FORMS = {  # what decides how a delay is computed
    "a number": lambda x, k: x.delay(k),
    "a learned time": lambda x, k: x.delay(Tensor(k, requires_grad=True)),
    "at the longest": lambda x, k: x.delay(Tensor(k, requires_grad=True), max_delay=k),
    "lanes": lambda x, k: x.delay(Tensor([k, k]))[0],
    "a moving time": lambda x, k: x.delay(k + 0 * X, max_delay=7),
    "a long line": lambda x, k: x.delay(k + 0 * X, max_delay=4000),
    "in a loop": lambda x, k: dg.feedback(lambda y: dg.where(1.0, x.delay(k), y)),
    "of a loop": lambda x, k: dg.feedback(lambda y: (x, y[0].delay(k - 1)), (0.0, 0.0))[1],
}


@pytest.mark.parametrize("bad", [INF, NAN])
@pytest.mark.parametrize("form", FORMS)
def test_a_whole_delay_moves_a_frame_and_touches_no_other(form, bad):
    x = np.arange(1.0, 13.0, dtype=np.float32)
    x[4] = bad
    y = FORMS[form](Signal.from_samples(x), 2.0).realize(12)
    np.testing.assert_array_equal(y, [0, 0, *x[:-2]])


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_delay_passes_no_gradient_beside_an_infinite_frame(form):
    x = learned(np.where(np.arange(12) == 4, INF, 1.0))
    signal = Signal.from_samples(np.zeros(12), requires_grad=True)
    signal.node.array = x.node.array
    weights = np.where(np.arange(12) == 6, 0.0, 1.0)
    dg.where(Signal.from_samples(weights), FORMS[form](signal, 2.0), 0.0).backward(12)
    np.testing.assert_allclose(12 * signal.grad.value, [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0], rtol=1e-6)


def test_an_infinite_frame_stays_in_its_place_in_a_loop():
    x = np.zeros(10, np.float32)
    x[1] = INF
    s = Signal.from_samples(x)
    infinite = [n % 3 == 1 for n in range(10)]
    np.testing.assert_array_equal(np.isinf(s.comb(3, 0.5).realize()), infinite)
    np.testing.assert_array_equal(np.isfinite(s.comb(3, 0.5).realize()), np.logical_not(infinite))
    np.testing.assert_array_equal(np.isfinite(s.allpass(3, 0.5).realize()), np.logical_not(infinite))
    with DGen.override(sample_rate=12.0):  # a period of 3 frames
        string = s.karplus_strong(4.0, brightness=1.0, max_delay=16).realize()
    np.testing.assert_array_equal(np.isfinite(string), np.logical_not(infinite))


def test_the_frame_that_a_latch_or_where_does_not_take_does_not_matter():
    x = Signal.from_samples(np.float32([1, NAN, INF, 2]))
    np.testing.assert_array_equal(x.latch(Signal.from_samples([1, 0, 0, 1])).realize(), [1, 1, 1, 2])
    np.testing.assert_array_equal(dg.where(Signal.from_samples([1, 0, 0, 1]), x, 0.0).realize(), [1, 0, 0, 2])


# Delay times that cannot be.


@pytest.mark.parametrize("effect", ["delay", "comb", "allpass"])
@pytest.mark.parametrize("bad", [-5, -0.25, NAN, INF, -INF, np.float32(-1), np.array([1.0, -1.0]), Tensor([2.0, NAN]), [3, -1]])
@pytest.mark.parametrize("bounds", [{}, {"max_delay": 64}])
def test_a_constant_time_is_finite_and_not_negative(effect, bad, bounds):
    with pytest.raises(ArgumentError, match=f"^{effect}: frames=.* is (negative|not finite)"):
        getattr(S, effect)(bad, **bounds)


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "dgenlazy"]


@pytest.mark.parametrize(
    ("effect", "make"),
    [
        ("delay", Signal.param),
        ("delay", lambda x: Tensor.param([x, 3.0], min=0.0)),
        ("comb", Tensor),
        ("allpass", Signal.constant),
    ],
)
def test_a_time_beyond_what_a_delay_holds_is_told_where_it_is_assigned(effect, make, caplog):
    time = make(40.0)
    delayed = getattr(Signal.from_samples(np.cos(np.arange(200))), effect)(time)
    time.value = 128.0
    assert told(caplog) == []
    held = delayed.realize()
    time.value = 129.0
    (said,) = told(caplog)
    assert said.startswith("value: 129 is more than the 128 frames that a delay made with it holds, and counts as these; give")
    np.testing.assert_array_equal(delayed.realize(), held)
    caplog.clear()
    time.value = 1.0
    assert told(caplog) == []


def test_a_time_that_was_told_how_long_it_may_become_is_not_told_again(caplog):
    bounded, free = Signal.param(4.0, max=1000.0), Signal.param(4.0)
    S.delay(bounded)
    S.delay(free, max_delay=300)
    bounded.value, free.value = 1000.0, 400.0
    other = Signal.param(4.0)
    S.delay(other + 1.0, max_delay=9)
    other.value = 500.0
    assert told(caplog) == []
    late = Signal.from_samples(np.eye(1, 1200)[0]).delay(bounded)
    assert late.realize().argmax() == 1000


def test_the_times_of_a_network_are_finite_and_not_negative():
    with pytest.raises(ArgumentError, match=r"^fdn: frames=-1 is negative"):
        S.fdn([3, -1], TURN)
    with pytest.raises(ArgumentError, match=r"^delay: frames=-3 is negative"):
        S.delay(Signal.constant(-3))


@pytest.mark.parametrize("bound", ["min_delay", "max_delay"])
@pytest.mark.parametrize("bad", [-1, NAN])
def test_the_bounds_of_a_time_are_not_negative_and_numbers(bound, bad):
    with pytest.raises(ArgumentError, match=f"delay: .*{bound}={bad}"):
        S.delay(X, **{"max_delay": 8, bound: bad})


def test_a_time_that_moves_or_is_learned_counts_as_0_below_0():
    down = Signal.from_samples(np.linspace(-2, 2, 96))
    clamped = Signal.from_samples(np.maximum(np.linspace(-2, 2, 96), 0))
    np.testing.assert_array_equal(S.delay(down, max_delay=4).realize(), S.delay(clamped, max_delay=4).realize())
    time = Signal.param(0.5)
    loss = S.delay(time)
    time.value = -1.0
    np.testing.assert_array_equal(loss.realize(), SMOOTH)
    np.testing.assert_array_equal(S.delay(time).realize(), SMOOTH)  # built again in the midst of training


# A share of 0 or 1 of the way to a target: what is left, or the target, whatever the other is.

SHARES = {  # of each frame, the last again and again
    "1": [1.0],
    "0": [0.0],
    "0, then 1": [0.0] * 6 + [1.0],
    "1, then 0": [1.0] * 6 + [0.0],
    "NaN at a half, then 1": [0.5] * 6 + [1.0, 0.25],
}


def shared(x, shares):
    """The rule, frame by frame, in float64."""
    y, out = 0.0, []
    for sample, share in zip(x.astype(np.float64), shares):
        y = sample if share == 1 else y if share == 0 else y + share * (sample - y)
        out.append(y)
    return np.array(out)


def every_way(value, frames):
    """Of one loop, of the parallel plan, and of a stream in blocks."""
    program, leaves = stage([value.node])
    arrays = [_data(leaf, {}, frames) for leaf in leaves]
    plans = [Context(44100.0, frames, np.uint32(0), parallel) for parallel in (False, True)]
    yield from jax.jit(lambda xs: [run(program, ctx, xs, initial_state(program, ctx, xs))[0][0] for ctx in plans])(arrays)
    yield np.concatenate([value.realize(frames // 3, preserve_state=True) for _ in range(3)])


@pytest.mark.parametrize("bad", [[INF], [INF, -INF, NAN]], ids=["a signal", "lanes"])
@pytest.mark.parametrize("name", SHARES)
def test_a_share_of_0_or_1_gives_what_was_or_what_is_whatever_the_other_is(name, bad):
    x, shares = np.repeat(np.arange(1.0, 13.0, dtype=np.float32)[:, None], len(bad), 1), SHARES[name]
    x[4] = bad
    shares = (shares + shares[-1:] * 12)[:12]
    with np.errstate(invalid="ignore"):
        expected = np.stack([shared(lane, shares) for lane in x.T], 1)
    share = Signal.from_samples(np.float32(shares)) if len(set(shares)) > 1 else Tensor(shares[0])
    for y in every_way(Signal.from_samples(x if len(bad) > 1 else x[:, 0]).onepole(share), 12):
        np.testing.assert_array_equal(np.nan_to_num(np.reshape(y, x.shape)), np.nan_to_num(np.float32(expected)))


AT_ONCE = {
    "smooth": lambda s: s.smooth(0.0),
    "compressor": lambda s: s.compressor(-20, 4, 0, 0),
    "limiter": lambda s: s.limiter(0.0, release_ms=0, lookahead_ms=0),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_follows_at_once_leaves_no_infinite_frame_behind(name):
    x = np.float32([0.5, 2, INF, 0.25, 1, 0.5])
    for y in every_way(AT_ONCE[name](Signal.from_samples(x)), 6):
        alone = AT_ONCE[name](Signal.from_samples(x[3:])).realize()
        assert not np.isfinite(y[2])
        np.testing.assert_allclose(y[3:], alone, rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("parallel", [False, True])
def test_an_infinite_frame_at_a_share_of_0_or_1_leaves_all_gradients_finite(share, parallel):
    x = np.where(np.arange(12) == 4, INF, np.arange(12.0)).astype(np.float32)
    signal, c = Signal.from_samples(np.zeros(12), requires_grad=True), Tensor(share, requires_grad=True)
    signal.node.array = x
    heard = Signal.from_samples(np.where(np.arange(12) == 4, 0.0, 1.0))
    program, leaves = stage([dg.where(heard, signal.onepole(c), 0.0).node])
    arrays = [_data(leaf, {}, 12) for leaf in leaves]
    ctx = Context(44100.0, 12, np.uint32(0), parallel)

    def loss(own):
        values = [own.get(i, a) for i, a in enumerate(arrays)]
        return run(program, ctx, values, initial_state(program, ctx, values))[0][0].sum()

    at = {name: next(i for i, leaf in enumerate(leaves) if leaf is v.node) for name, v in (("x", signal), ("c", c))}
    found = jax.jit(jax.grad(loss))({i: jnp.asarray(arrays[i]) for i in at.values()})
    np.testing.assert_array_equal(found[at["x"]], np.where(np.arange(12) == 4, 0.0, share))
    assert np.isfinite(found[at["c"]])
    # From 1 what a frame had before, from 0 what comes in, for all frames that follow.
    if share == 0:
        ways = np.where(np.isfinite(x), x, 0.0)
        heard_later = [sum(n != 4 for n in range(k, 12)) for k in range(12)]
        np.testing.assert_allclose(found[at["c"]], (ways * heard_later).sum())
    else:
        steps = np.diff(np.r_[0.0, x])
        np.testing.assert_allclose(found[at["c"]], steps[np.isfinite(steps)].sum())


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_infinite_frame_at_a_share_of_0_or_1_stays_alone_in_a_compiled_program(share):
    x = np.arange(1.0, 13.0, dtype=np.float32)
    x[4] = INF
    compiled = dg.compile(Signal.input(0).onepole(share))
    np.testing.assert_array_equal(compiled.process({0: x}), shared(x, [share] * 12))


# An envelope: its stages are whole frames long.

HELD = {  # frames of the gate: what the attack of about 4 frames meets
    "a whole note": np.r_[np.ones(8), np.zeros(4)],
    "a release in its midst": np.r_[np.ones(2), np.zeros(10)],
    "a note again, in its release": np.r_[np.ones(2), np.zeros(2), np.ones(8)],
}


@pytest.mark.parametrize(("rate", "attack"), [(48000.0, 1.0), (48000.0, 5.0)])
def test_an_attack_of_whole_frames_ends_with_them_in_a_run_in_blocks_and_in_c(rate, attack):
    """A sum of 240 times 1/240 is 1 or a little less, by how it is rounded."""
    frames = round(rate * attack / 1000)
    x = np.ones(frames + 3, np.float32)
    with DGen.override(sample_rate=rate):
        y = Signal.input(0).adsr(attack, 30.0, 0.6, 100.0)
        blocks = [y.realize(inputs={0: part}, preserve_state=True) for part in np.split(x, [frames - 1])]
        for got in (y.realize(inputs={0: x}), np.concatenate(blocks), dg.compile(y).process(x)):
            assert got.argmax() == frames - 1


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("attack", [3.5, 4.0])
@pytest.mark.parametrize("name", HELD)
def test_the_gradient_to_the_times_of_an_envelope_is_its_slope_while_no_stage_has_another_frame(name, attack, side):
    gate = Signal.from_samples(np.float32(HELD[name]))
    times = Tensor([attack, 5.0, 0.5, 6.0], requires_grad=True)
    weights = Signal.from_samples(np.float32(np.random.default_rng(3).uniform(0.5, 1.5, 12)))
    loss = weights * gate.adsr(*[times[i] for i in range(4)])

    def at(values):
        times.value = values
        times.node.grad = None
        return loss.backward(reduction="sum")

    with DGen.override(sample_rate=1000.0):
        here = np.array([attack, 5.0, 0.5, 6.0])
        for i, width in enumerate([1 / 32, 1 / 32, 1 / 128, 1 / 32]):
            step = side * width * np.eye(4)[i]
            value, near, far = at(here), at(here + step), at(here + 2 * step)
            at(here)
            slope = (4 * (near - value) - (far - value)) / (2 * side * width)
            ends_later = i == 0 and attack == 4.0 and side > 0 and name == "a whole note"
            if ends_later:  # all that follows comes a frame later, however little longer it is
                assert abs(near - value) > 0.1
                assert abs(far - near) < 0.02
            else:
                assert float(times.grad.value[i]) == pytest.approx(slope, rel=1e-2, abs=1e-3)
