"""Training from end to end: where it arrives, against closed forms and loops written down apart."""

import numpy as np
import optax
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import SGD, Adam, ArgumentError, DGen, Optimizer, ShapeError, Signal, Tensor, mse


def fit(loss, *optimizers, steps, **run):
    """The loop of every training script. `loss` is a value, or a function that builds one in each step."""
    losses = []
    for _ in range(steps):
        losses.append((loss() if callable(loss) else loss).backward(**run))
        for opt in optimizers:
            opt.step()
            opt.zero_grad()
    return losses


def white(frames, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, frames).astype(np.float32)


def arrives(parameter, expected, rtol=1e-3, atol=1e-3):
    np.testing.assert_allclose(parameter.value, expected, rtol=rtol, atol=atol)


# Systems that are identified.


def lowpass(x, cutoff, q):
    w = 2 * np.pi * cutoff / 44100
    alpha = np.sin(w) / (2 * q)
    b = np.array([1 - np.cos(w), 2 * (1 - np.cos(w)), 1 - np.cos(w)]) / 2
    return scipy.signal.lfilter(b, [1 + alpha, -2 * np.cos(w), 1 - alpha], x)


def test_the_filter_of_the_specification_is_found():
    x = white(512)
    DGen.inputs = {0: x, 1: lowpass(x, 3100.0, 1.4)}
    cutoff, resonance = Signal.param(2000.0, min=20.0), Signal.param(0.7, min=0.1)
    loss = mse(Signal.input(0).biquad(cutoff=cutoff, q=resonance, mode="lowpass"), Signal.input(1))
    opt, opt2 = Adam([cutoff], lr=50.0), Adam([resonance], lr=0.05)
    fit(loss, opt, opt2, steps=120, frames=512)
    opt.lr, opt2.lr = 5.0, 0.005
    fit(loss, opt, opt2, steps=80, frames=512)
    arrives(cutoff, 3100.0, rtol=2e-3)
    arrives(resonance, 1.4, rtol=5e-3)


def test_a_linear_regression_ends_at_its_closed_form():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 3)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5] + 3.0 + 0.5 * rng.standard_normal(60)).astype(np.float32)
    w, b = Tensor.zeros([3], requires_grad=True), Tensor(0.0, requires_grad=True)
    fit(mse(Tensor(x) @ w + b, y), SGD([w, b], lr=0.2), steps=200)
    expected = np.linalg.lstsq(np.c_[x, np.ones(60)].astype(float), y.astype(float), rcond=None)[0]
    arrives(w, expected[:3], atol=1e-5)
    arrives(b, expected[3], atol=1e-5)


def test_the_taps_of_a_fir_filter_are_identified():
    taps, x = np.array([0.5, -0.3, 0.0, 0.8, -0.1], np.float32), white(400)
    target = Signal.from_samples(np.convolve(x, taps)[:400])
    source, learned = Signal.from_samples(x), Tensor.zeros([5], requires_grad=True)
    past = dg.stack([source.delay(k) for k in range(5)])
    fit(mse((past * learned).sum(), target), SGD([learned], lr=0.9), steps=80)
    arrives(learned, taps, atol=1e-5)


def test_the_same_taps_are_found_through_a_chain_of_histories():
    taps, x = np.array([0.5, -0.3, 0.8], np.float32), white(300)
    line = [Signal.from_samples(x)]
    while len(line) < 3:
        line.append(line[-1].history())
    gains = [Signal.param(0.0) for _ in taps]
    y = sum((g * v for g, v in zip(gains, line)), 0.0)
    fit(mse(y, Signal.from_samples(np.convolve(x, taps)[:300])), SGD(gains, lr=0.9), steps=80)
    for gain, tap in zip(gains, taps):
        arrives(gain, tap, atol=1e-5)


def test_amplitudes_are_found_whatever_phase_and_frequency_the_target_has():
    DGen.sample_rate = 8000.0
    n = np.arange(1024) / 8000
    target = Signal.from_samples(0.7 * np.cos(2 * np.pi * 1000 * n + 1.1) + 0.2 * np.cos(2 * np.pi * 2500 * n - 0.4))
    amplitudes = Tensor([0.3, 0.6], requires_grad=True)
    partials = dg.sin(2 * np.pi * Signal.phasor(Tensor([1000.0, 2500.0])))
    loss = dg.spectral_loss((partials * amplitudes).sum(), target, window_size=256, log_weight=0.0)
    opt = Adam([amplitudes], lr=0.02)
    for rate in (0.02, 0.004, 0.0008):
        opt.lr = rate
        fit(loss, opt, steps=60)
    arrives(amplitudes, [0.7, 0.2], rtol=5e-3, atol=2e-3)


def test_a_quadrature_pair_ends_at_the_projection_of_its_target():
    x, n = white(441, seed=3), np.arange(441)
    basis = np.stack([np.cos(2 * np.pi * n * 0.03), np.sin(2 * np.pi * n * 0.03)], 1)
    turn = 2 * np.pi * Signal.phasor(0.03 * 44100)
    a, b = Signal.param(0.0), Signal.param(0.0)
    fit(mse(a * dg.cos(turn) + b * dg.sin(turn), Signal.from_samples(x)), SGD([a, b], lr=0.5), steps=40)
    expected = np.linalg.lstsq(basis, x, rcond=None)[0]
    arrives(a, expected[0], atol=1e-4)
    arrives(b, expected[1], atol=1e-4)


def test_each_row_of_a_wavetable_ends_at_the_mean_of_the_frames_that_read_it():
    x = white(40, seed=4)
    table = Tensor.zeros([8], requires_grad=True)
    DGen.sample_rate = 8.0
    fit(mse(table.peek_row(8 * Signal.phasor(1.0)), Signal.from_samples(x)), SGD([table], lr=2.0), steps=60)
    arrives(table, x.reshape(5, 8).mean(0), atol=1e-5)


def test_a_fractional_delay_is_found():
    x = scipy.signal.lfilter([0.1], [1, -0.9], white(400, seed=5))
    late = np.interp(np.arange(400) - 3.4, np.arange(400), x, left=0.0)
    time = Signal.param(2.2, min=0.0, max=8.0)
    fit(mse(Signal.from_samples(x).delay(time), Signal.from_samples(late)), Adam([time], lr=0.05), steps=120)
    arrives(time, 3.4, atol=5e-3)


def test_learned_samples_arrive_at_their_target():
    target = white(30, seed=6)
    x = Signal.from_samples(np.zeros(30), requires_grad=True)
    fit(mse(x.onepole(0.5), Signal.from_samples(scipy.signal.lfilter([0.5], [1, -0.5], target))), SGD([x], lr=20.0), steps=400)
    arrives(x, target, atol=2e-3)


# Memory.


def test_the_coefficient_of_a_loop_is_learned():
    x = white(300)
    g, gain = Signal.param(0.1, min=-0.99, max=0.99), Signal.param(1.0)
    y = dg.feedback(lambda prev: gain * Signal.from_samples(x) + g * prev)
    target = scipy.signal.lfilter([0.5], [1, -0.7], x)
    fit(mse(y, Signal.from_samples(target)), Adam([g, gain], lr=0.03), steps=200)
    arrives(g, 0.7)
    arrives(gain, 0.5)


def test_a_loop_with_a_nonlinearity_a_delay_and_a_filter_inside_is_learned():
    x = white(200, seed=7)

    def loop(g, drive, cutoff):
        return dg.feedback(lambda prev: Signal.from_samples(x) + g * (drive * prev.delay(3)).tanh().onepole(cutoff))

    target = Signal.from_samples(loop(0.8, 1.5, 0.4).realize())
    found = [Signal.param(v, min=0.05, max=3.0) for v in (0.5, 1.0, 0.8)]
    loss, opt = mse(loop(*found), target), Adam(found, lr=0.02)
    fit(loss, opt, steps=200)
    opt.lr = 0.002
    fit(loss, opt, steps=100)
    for p, expected in zip(found, (0.8, 1.5, 0.4)):
        arrives(p, expected, rtol=2e-2)


def test_a_rotation_carried_by_a_pair_is_learned():
    n = np.arange(64)
    c, s = Signal.param(0.9), Signal.param(0.1)
    _, y = dg.feedback(lambda z: (c * z[0] - s * z[1], s * z[0] + c * z[1]), init=(1.0, 0.0))
    target = 0.99 ** (n + 1) * np.sin(0.2 * (n + 1))
    fit(mse(y, Signal.from_samples(target)), Adam([c, s], lr=0.005), steps=300)
    arrives(c, 0.99 * np.cos(0.2))
    arrives(s, 0.99 * np.sin(0.2))


def test_first_values_of_memories_are_learned():
    first, start = Signal.param(0.0), Tensor([0.0, 0.0], requires_grad=True)
    decay = dg.feedback(lambda prev: 0.5 * prev, init=start)
    loss = mse(Signal.constant(1.0).history(init=first), 3.0) + mse(decay, 0.25 * Signal.constant(1.0).history(init=8.0))
    fit(loss, SGD([first, start], lr=0.9), steps=150, frames=4)
    arrives(first, 3.0)
    target, falling = np.array([2.0, 0.25, 0.25, 0.25]), 0.5 ** np.arange(1, 5)
    arrives(start, np.full(2, target @ falling / (falling @ falling)))


# What is differentiated: frames, reductions, losses.


def test_the_inputs_may_change_in_every_step():
    """Least mean squares, block by block, against the same in NumPy."""
    gain, offset = Signal.param(0.0), Signal.param(0.0)
    loss = mse(gain * Signal.input(0) + offset, Signal.input(1))
    opt, (a, b) = SGD([gain, offset], lr=0.3), (0.0, 0.0)
    for step in range(60):
        x = white(64, seed=step)
        y = 0.37 * x - 0.2 + 0.01 * white(64, seed=1000 + step)
        assert loss.backward(inputs={0: x, 1: y}) == pytest.approx(np.mean((a * x + b - y) ** 2), rel=1e-3, abs=1e-7)
        opt.step()
        opt.zero_grad()
        error = a * x.astype(float) + b - y
        a, b = a - 0.3 * np.mean(2 * error * x), b - 0.3 * np.mean(2 * error)
        arrives(gain, a, atol=1e-5)
        arrives(offset, b, atol=1e-5)
    arrives(gain, 0.37, atol=0.01)
    arrives(offset, -0.2, atol=0.01)


def test_the_frames_may_change_in_every_step():
    x = white(100)
    p = Signal.param(0.0)
    loss = mse(p, Signal.from_samples(x))
    for frames in (1, 7, 100, 100, 3):
        p.value = 0.0
        assert loss.backward(frames) == pytest.approx(np.mean(x[:frames].astype(float) ** 2), rel=1e-5)
        np.testing.assert_allclose(p.grad.value, -2 * x[:frames].mean(), rtol=1e-4, atol=1e-6)
        SGD([p], lr=0.5).step()
        SGD([p], lr=0.5).zero_grad()
        arrives(p, x[:frames].mean(), atol=1e-6)


def test_a_loss_built_once_and_one_built_in_each_step_learn_the_same_bits():
    def problem():
        w, c = Tensor([0.3, -0.2], requires_grad=True), Signal.param(0.5)

        def make():
            DGen.seed = 0  # the same noise in each step
            return mse((Signal.noise() * w).sum().onepole(c), Signal.noise(seed=1)) + 0.1 * (w * w).sum()

        return w, c, make

    w, c, make = problem()
    once = fit(make(), Adam([w, c], lr=0.05), steps=20, frames=50)
    w2, c2, make = problem()
    again = fit(make, Adam([w2, c2], lr=0.05), steps=20, frames=50)
    assert once == again
    np.testing.assert_array_equal(w.value, w2.value)
    np.testing.assert_array_equal(c.value, c2.value)
    assert not np.array_equal(w.value, np.float32([0.3, -0.2]))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("frames", [1, 10, 50])
def test_a_penalty_counts_once_whatever_the_frames_and_the_reduction(reduction, frames):
    """Ridge regression with one weight has a closed form for each reduction."""
    x, y = white(50).astype(float), white(50, seed=1).astype(float)
    w = Signal.param(0.5)
    loss = mse(w * Signal.from_samples(x), Signal.from_samples(y)) + 0.3 * w * w
    counted = np.mean if reduction == "mean" else np.sum
    xx, xy = counted(x[:frames] ** 2), counted(x[:frames] * y[:frames])
    value = loss.backward(frames, reduction=reduction)
    assert value == pytest.approx(counted((0.5 * x - y)[:frames] ** 2) + 0.3 * 0.25, rel=1e-5)
    np.testing.assert_allclose(w.grad.value, 2 * (0.5 * (xx + 0.3) - xy), rtol=1e-4)
    opt = SGD([w], lr=0.4 / (xx + 0.3))
    opt.zero_grad()
    fit(loss, opt, steps=30, frames=frames, reduction=reduction)
    arrives(w, xy / (xx + 0.3), atol=1e-5)


def test_the_mean_is_the_default_and_the_sum_is_frames_times_it():
    x, p = white(20), Signal.param(0.3)
    loss = mse(p.history(init=0.5), Signal.from_samples(x))
    slopes = []
    for options in ({}, {"reduction": "mean"}, {"reduction": "sum"}):
        slopes.append((loss.backward(**options), float(p.grad.value)))
        SGD([p], 0.1).zero_grad()
    assert slopes[0] == slopes[1]
    np.testing.assert_allclose(slopes[2], 20 * np.array(slopes[0]), rtol=1e-5)


SPELLINGS = {
    "plain": lambda moving, fixed: moving + fixed,
    "negated": lambda moving, fixed: -(-fixed - moving),
    "scaled": lambda moving, fixed: (2 * fixed + 2 * moving) / 2,
    "halves": lambda moving, fixed: 0.5 * (moving + fixed) + (fixed + moving) * 0.5,
    "subtracted": lambda moving, fixed: fixed - (-moving),
    "sum": lambda moving, fixed: (moving + fixed).sum(),
    "mean": lambda moving, fixed: (moving + fixed).mean(),
    "reshape": lambda moving, fixed: (moving + fixed).reshape([]),
    "reshape and index": lambda moving, fixed: (moving + fixed).reshape([1, 1])[0, -1],
    "stack": lambda moving, fixed: dg.stack([moving, fixed]).sum(),
    "stack of sums": lambda moving, fixed: dg.stack([moving + fixed, moving + fixed]).mean(),
    "concat": lambda moving, fixed: dg.concat([moving.reshape([1]), fixed.reshape([1])]).sum(),
    "transpose": lambda moving, fixed: dg.stack([dg.stack([moving, fixed])]).transpose()[:, 0].sum(),
    "cumsum": lambda moving, fixed: dg.stack([fixed, moving]).cumsum()[-1],
    "rows": lambda moving, fixed: dg.stack([moving, fixed])[[1, 0]].sum(),
    "between rows": lambda moving, fixed: 2 * dg.stack([moving, fixed]).peek_row(0.5),
    "matmul": lambda moving, fixed: dg.stack([moving, fixed]) @ Tensor([1.0, 1.0]),
    "matmul from the left": lambda moving, fixed: Tensor([1.0, 1.0]) @ dg.stack([moving, fixed]),
    "conv1d": lambda moving, fixed: dg.stack([moving, fixed]).conv1d(Tensor([1.0, 1.0]))[0],
    "flip": lambda moving, fixed: dg.stack([moving, fixed]).flip().sum(),
    "einsum": lambda moving, fixed: dg.einsum("i,i->", dg.stack([moving, fixed]), Tensor([1.0, 1.0])),
    "rfft": lambda moving, fixed: dg.stack([moving, fixed]).rfft()[0][0],
    "irfft": lambda moving, fixed: dg.irfft(*dg.stack([moving, fixed]).rfft()).sum(),
    "broadcast": lambda moving, fixed: (moving * Tensor([0.25, 0.75]) + fixed * Tensor(0.5)).sum(),
    "broadcast fixed": lambda moving, fixed: (moving + fixed * Tensor([0.5, 1.5])).mean(),
    "where that does not vary": lambda moving, fixed: dg.where(Tensor(1.0), moving + fixed, 9.0),
    "first power": lambda moving, fixed: ((moving + fixed) ** 1) ** np.float64(1.0),
    "detach": lambda moving, fixed: moving + fixed + (moving + fixed).detach() - moving.detach() - fixed.detach(),
}


@pytest.mark.parametrize("combine", SPELLINGS.values(), ids=SPELLINGS)
def test_the_sum_over_frames_finds_the_static_part_of_a_loss_however_it_is_added(combine):
    x, p = white(20), Signal.param(0.3)
    moving, fixed = mse(p, Signal.from_samples(x)), 10 * p * p
    expected = np.sum((0.3 - x.astype(float)) ** 2) + 10 * 0.09
    assert combine(moving, fixed).backward(reduction="sum") == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(p.grad.value, np.sum(2 * (0.3 - x.astype(float))) + 6, rtol=1e-5)


UNSURE = {
    "abs": lambda moving, fixed: abs(moving + fixed),
    "abs inside": lambda moving, fixed: 0.5 * abs(moving + fixed).reshape([1]).sum() + fixed,
    "abs of abs": lambda moving, fixed: abs(abs(moving + fixed)),
    "abs of lanes": lambda moving, fixed: abs(dg.stack([moving, fixed])).sum(),
    "relu": lambda moving, fixed: dg.relu(moving + fixed),
    "leaky_relu": lambda moving, fixed: (moving + fixed).leaky_relu(),
    "a power that may be the first": lambda moving, fixed: (moving + fixed) ** Tensor(1.0),
    "round": lambda moving, fixed: moving + round(moving + fixed),
    "floor and ceil": lambda moving, fixed: moving + dg.ceil(dg.floor(moving + fixed)),
    "quotient by 1": lambda moving, fixed: moving + (moving + fixed) // 1,
    "clamp": lambda moving, fixed: (moving + fixed).clamp(0.0, 100.0),
    "mod": lambda moving, fixed: (moving + fixed) % 100.0,
    "max": lambda moving, fixed: (moving + fixed).max(0.0),
    "min": lambda moving, fixed: dg.min(100.0, moving + fixed),
    "max over an axis": lambda moving, fixed: dg.stack([moving + fixed, moving]).max(),
    "where": lambda moving, fixed: dg.where(moving > 0, moving + fixed, moving + fixed),
    "peek_row": lambda moving, fixed: dg.stack([moving + fixed, moving + fixed]).peek_row(moving),
    "delay": lambda moving, fixed: (moving + fixed).delay(0),
    "onepole": lambda moving, fixed: (moving + fixed).onepole(1.0),
    "feedback": lambda moving, fixed: dg.feedback(lambda prev: moving + fixed),
    "from_jax": lambda moving, fixed: dg.from_jax(lambda x: x)(moving + fixed),
    "from_jax of two": lambda moving, fixed: dg.from_jax(lambda x: (x, x))(moving + fixed)[1],
}


@pytest.mark.parametrize("name", UNSURE)
def test_a_sum_that_may_be_handed_on_or_not_is_an_error_and_the_mean_of_it_is_not(name):
    x, p = white(20), Signal.param(0.3)
    moving, fixed = mse(p, Signal.from_samples(x)), 10 * p * p
    loss = UNSURE[name](moving, fixed)
    with pytest.raises(ArgumentError, match=r"backward: reduction='sum' counts once .* before \S+, which may hand on the sum"):
        loss.backward(reduction="sum")
    assert p.grad is None
    loss.backward()
    assert p.grad is not None


def test_what_mixes_a_static_and_a_moving_part_is_one_term_that_is_summed():
    """Least squares with an offset, in several spellings, masked and with a penalty: each error counts in its frame."""
    x, y = white(20).astype(float), white(20, seed=1).astype(float)
    w, b = Signal.param(0.5), Signal.param(0.2)
    pred, target = w * Signal.from_samples(x) + b, Signal.from_samples(y)
    error, mask = 0.5 * x + 0.2 - y, x > 0
    masked = dg.where(Signal.from_samples(x) > 0, (pred - target) ** 2, 0.0)
    for loss, weight in (
        (mse(pred, target) + 3 * b * b, 1),
        ((pred - target) * (pred - target) + 3 * b * b, 1),
        ((pred - target) ** 2.0 + 3 * b * b, 1),
        ((abs(pred - target) ** 2).reshape([1]).sum() + 3 * b * b, 1),
        (3 * b * b + masked, mask),
    ):
        SGD([w, b], 0.1).zero_grad()
        assert loss.backward(reduction="sum") == pytest.approx((weight * error**2).sum() + 0.12, rel=1e-5)
        np.testing.assert_allclose(w.grad.value, (weight * 2 * error * x).sum(), rtol=1e-4)
        np.testing.assert_allclose(b.grad.value, (weight * 2 * error).sum() + 1.2, rtol=1e-4)


def test_the_sum_tells_the_parts_of_every_example_of_a_batch_apart():
    x, offset = np.stack([white(20), white(20, seed=1)]), Tensor([0.2, 0.4], requires_grad=True, batched=True)
    loss = dg.stack([mse(Signal.input(0), 0.0), offset * offset]).sum()
    expected = ((x.astype(float) ** 2).sum(1) + np.array([0.04, 0.16])).mean()
    assert loss.backward(inputs={0: x}, reduction="sum") == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(offset.grad.value, [0.2, 0.4], rtol=1e-5)


def test_the_sum_over_frames_is_taken_of_loops_as_well():
    p = Signal.param(0.5)
    (dg.feedback(lambda prev: p + 0.5 * prev) + 3 * p).backward(4, reduction="sum")
    np.testing.assert_allclose(p.grad.value, sum(2 - 0.5**n for n in range(4)) + 3, rtol=1e-6)


def test_a_static_loss_of_signals_counts_once():
    p = Signal.param(3.0)
    assert (p * p).backward(frames=10) == 9.0
    assert (p * p).backward(frames=10, reduction="sum") == 9.0
    np.testing.assert_array_equal(p.grad.value, 12.0)


@pytest.mark.parametrize("bad", ["max", "", None, 1, ["mean"], True])
def test_any_other_reduction_is_an_error(bad):
    p = Signal.param(1.0)
    with pytest.raises(ArgumentError, match="is not one of mean, sum"):
        (p * p).backward(reduction=bad)
    assert p.grad is None


def test_a_loss_is_one_number_in_each_frame():
    w, x = Tensor([1.0, 2.0], requires_grad=True), Signal.from_samples([1.0, -1.0, 3.0])
    lanes = w * x
    with pytest.raises(ShapeError, match=r"backward: a loss has shape \(\), this value has \(2,\); take its mean"):
        lanes.backward()
    with pytest.raises(ShapeError, match=r"a loss has shape \(\)"):
        w.backward()
    with pytest.raises(ShapeError, match=r"this value has \(1,\)"):
        Tensor([1.0], requires_grad=True).backward()
    assert w.grad is None
    assert lanes.sum().backward() == pytest.approx(3.0)  # a Signal: the mean over its frames
    np.testing.assert_allclose(w.grad.value, [1.0, 1.0], rtol=1e-6)


def test_a_leaf_may_be_the_loss_itself():
    p = Signal.param(3.0)
    assert p.backward(frames=5) == 3.0
    np.testing.assert_array_equal(p.grad.value, 1.0)
    x = Signal.from_samples([1.0, 2.0, 6.0], requires_grad=True)
    assert x.backward() == 3.0
    np.testing.assert_allclose(x.grad.value, np.full(3, 1 / 3))
    assert x.backward(frames=2, reduction="sum") == 3.0
    np.testing.assert_allclose(x.grad.value, [4 / 3, 4 / 3, 1 / 3])


def test_nothing_to_differentiate_and_no_frames_are_errors():
    with pytest.raises(ArgumentError, match="backward: nothing to differentiate"):
        mse(Signal.phasor(1.0), 0.5).backward()
    p = Signal.param(1.0)
    with pytest.raises(ArgumentError, match="there is no loss over 0 frames"):
        mse(p * Signal.phasor(1.0), 0.5).backward(frames=0)
    assert p.grad is None


# Parameters and graphs.


def test_two_parameters_of_two_graphs_share_one_optimizer():
    a, b = Signal.param(0.0), Tensor([0.0, 0.0], requires_grad=True)
    first, second = mse(a, Signal.from_samples(white(20))), mse(b, [3.0, -1.0])
    opt = SGD([a, b], lr=0.5)
    for _ in range(40):
        first.backward()
        second.backward()
        opt.step()
        opt.zero_grad()
    arrives(a, white(20).mean(), atol=1e-6)
    arrives(b, [3.0, -1.0], atol=1e-6)


def test_a_parameter_of_two_graphs_is_learned_from_both():
    p = Signal.param(0.0)
    first, second = mse(p, 4.0), mse(p, Signal.from_samples([1.0, 1.0, -5.0]))
    opt = SGD([p], lr=0.25)
    for _ in range(40):
        first.backward()
        second.backward()
        opt.step()
        opt.zero_grad()
    arrives(p, (4.0 - 1.0) / 2, atol=1e-6)
    first.backward()
    np.testing.assert_allclose(p.grad.value, 2 * (1.5 - 4.0), rtol=1e-5)


def test_a_parameter_used_twice_gathers_both_slopes():
    p = Signal.param(0.5)
    loss = mse(p * p, 2.0)
    loss.backward()
    np.testing.assert_allclose(p.grad.value, 2 * (0.25 - 2.0) * 2 * 0.5, rtol=1e-6)
    opt = SGD([p], lr=0.05)
    opt.zero_grad()
    fit(loss, opt, steps=100)
    arrives(p, np.sqrt(2.0), rtol=1e-5)


def test_a_parameter_used_as_gain_pitch_and_coefficient_gathers_all_slopes():
    x = Signal.from_samples(white(30))

    def build(a, b, c):
        return mse((a * x).onepole(b) + Signal.phasor(100.0 * c), 0.1)

    one = Signal.param(0.4)
    three = [Signal.param(0.4) for _ in range(3)]
    assert build(one, one, one).backward() == pytest.approx(build(*three).backward())
    np.testing.assert_allclose(one.grad.value, sum(p.grad.value for p in three), rtol=1e-5)


@pytest.mark.parametrize(
    "gate",
    [
        lambda p, x: p > x,
        lambda p, x: x <= p,
        lambda p, x: dg.sign(p - x),
        lambda p, x: dg.floor(3 * p) * x,
        lambda p, x: dg.round(p + x),
        lambda p, x: x.latch(x - p),
        lambda p, x: dg.where(x > p, x, 0.5),
        lambda p, x: (p * x).change(),
        lambda p, x: x.accum(reset=x - p),
    ],
    ids=["greater", "at most", "sign", "floor", "round", "trigger", "condition", "change", "reset"],
)
def test_nothing_is_learned_through_a_comparison(gate):
    p, gain = Signal.param(0.4), Signal.param(0.0)
    gated = gate(p, Signal.from_samples(white(50)))
    target = 0.3 * gated.realize()
    opt = SGD([p, gain], lr=0.4 / max(np.mean(gated.realize() ** 2), 1e-6))
    fit(mse(gain * gated, Signal.from_samples(target)), opt, steps=40)
    assert p.value == np.float32(0.4)
    arrives(gain, 0.3)
    mse(gated, 0.0).backward()
    np.testing.assert_array_equal(p.grad.value, 0.0)


def test_a_clamped_parameter_learns_only_while_it_is_inside():
    inside, outside = Signal.param(0.5), Signal.param(2.0)
    loss = mse(inside.clamp(0.0, 1.0), 0.9) + mse(outside.clamp(0.0, 1.0), 0.0)
    fit(loss, SGD([inside, outside], lr=0.3), steps=40)
    arrives(inside, 0.9, atol=1e-5)
    assert outside.value == 2.0


def test_a_bound_holds_the_optimum_at_the_edge():
    p = Signal.param(0.2, min=0.0, max=0.75)
    fit(mse(p, Signal.from_samples(np.full(10, 3.0))), Adam([p], lr=0.1), steps=30)
    assert p.value == 0.75


def test_training_leaves_a_stream_alone_and_the_stream_hears_what_was_learned():
    x = white(40)
    g = Signal.param(0.2)
    y = Signal.from_samples(x).onepole(g)
    first = y.realize(10, preserve_state=True)
    fit(mse(y, Signal.from_samples(scipy.signal.lfilter([0.6], [1, -0.4], x))), Adam([g], lr=0.02), steps=150)
    arrives(g, 0.6)
    second = y.realize(10, preserve_state=True)
    state, expected = first[-1], []
    for sample in x[10:20]:
        state = state + float(g.value) * (sample - state)
        expected.append(state)
    np.testing.assert_allclose(second, expected, atol=1e-5)


def test_a_small_network_learns_exclusive_or():
    x, y = Tensor([[0, 0], [0, 1], [1, 0], [1, 1]]), Tensor([0, 1, 1, 0])
    w1, b1 = Tensor.randn([2, 8], seed=1, requires_grad=True), Tensor.zeros([8], requires_grad=True)
    w2, b2 = Tensor.randn([8], seed=2, requires_grad=True), Tensor(0.0, requires_grad=True)
    pred = dg.sigmoid(dg.tanh(x @ w1 + b1) @ w2 + b2)
    fit(mse(pred, y), Optimizer([w1, b1, w2, b2], optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1))), steps=150)
    np.testing.assert_allclose(pred.realize(), [0, 1, 1, 0], atol=0.05)
