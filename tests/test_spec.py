"""Every snippet of the specification, translated, in its order. Expectations are NumPy's, computed apart."""

import math

import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import SGD, Adam, DGen, Signal, SignalTensor, Tensor, matmul, mse, relu, sigmoid, sin, spectral_loss, tanh

SR = 44100.0


def close(value, expected, atol=1e-6, **run):
    got = value.realize(**run)
    assert got.dtype == np.float32
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got, expected, atol=atol, rtol=1e-5)


def ramp(freq, frames):
    return np.arange(frames)[:, None] * np.atleast_1d(np.asarray(freq, float)) / SR % 1


# Core types: Tensor.


def test_tensors_are_created_from_arrays_shapes_and_random_numbers():
    close(Tensor([1, 2, 3, 4]), [1, 2, 3, 4])
    close(Tensor([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    close(Tensor.zeros([3, 4]), np.zeros((3, 4)))
    close(Tensor.ones([3, 4]), np.ones((3, 4)))
    normal = Tensor.randn([64, 32]).realize()
    assert normal.shape == (64, 32)
    assert abs(normal.mean()) < 0.1
    assert abs(normal.std() - 1) < 0.1
    close(Tensor.full([3, 4], value=0.5), np.full((3, 4), 0.5))


def test_learnable_tensors_hold_their_data_and_have_no_gradient_at_first():
    w = Tensor([0.1, 0.2, 0.3], requires_grad=True)
    w2 = Tensor.randn([64, 32], requires_grad=True)
    assert w.requires_grad
    assert w2.requires_grad
    close(w, [0.1, 0.2, 0.3])
    assert w2.shape == (64, 32)
    assert w.grad is None


def test_a_tensor_has_a_shape_requires_grad_and_a_gradient_after_backward():
    t1 = Tensor([1, 2, 3, 4])
    assert t1.shape == (4,)
    assert not t1.requires_grad
    w = Tensor([0.1, 0.2, 0.3], requires_grad=True)
    (w * w).sum().backward()
    assert isinstance(w.grad, Tensor)
    close(w.grad, [0.2, 0.4, 0.6])


# Core types: Signal.


def test_signals_are_created_as_constants_parameters_and_inputs():
    close(Signal.constant(440.0), np.full(1024, 440))
    close(Signal.param(440.0), np.full(1024, 440))
    close(Signal(440.0, requires_grad=True), np.full(1024, 440))
    assert Signal.param(440.0).requires_grad
    assert Signal(440.0, requires_grad=True).requires_grad
    assert not Signal.constant(440.0).requires_grad
    close(Signal.input(0), [0.5, -0.5, 0.25], inputs={0: [0.5, -0.5, 0.25]})


def test_generators_make_a_ramp_and_white_noise():
    close(Signal.phasor(440.0), ramp(440, 1024)[:, 0])
    noise = Signal.noise().realize(frames=10000)
    assert noise.min() >= -1
    assert noise.max() < 1
    assert abs(noise.mean()) < 0.03
    assert abs(noise.var() - 1 / 3) < 0.02
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.03


def test_a_signal_has_a_gradient_after_backward():
    s2 = Signal.param(440.0)
    assert s2.requires_grad
    assert s2.grad is None
    (s2 * 3).backward()
    assert isinstance(s2.grad, Signal)
    close(s2.grad, [3.0, 3.0], frames=2)


# Core types: SignalTensor.


def test_mixing_a_signal_and_a_tensor_makes_a_signal_tensor():
    freqs = Tensor([440, 880, 1320])
    phases = Signal.phasor(freqs)
    assert isinstance(phases, SignalTensor)
    assert phases.shape == (3,)
    assert phases.is_frame_varying
    close(phases, ramp([440, 880, 1320], 64), frames=64)

    t = Tensor([0, 1, 1, 0])
    s = Signal.phasor(440)
    st = t * s
    assert isinstance(st, SignalTensor)
    close(st, ramp(440, 64) * [0, 1, 1, 0], frames=64)

    mixed = st.sum()
    assert isinstance(mixed, Signal)
    close(mixed, 2 * ramp(440, 64)[:, 0], frames=64)


# Type promotion.

TENSOR, SIGNAL, LANES = Tensor([1.0, 2.0]), Signal.phasor(441.0), Tensor([3.0, 5.0]) * Signal.phasor(882.0)
FLOAT = 2.0
SLOW, FAST = ramp(441, 8), ramp(882, 8) * [3, 5]


@pytest.mark.parametrize(
    ("left", "right", "result", "x", "y"),
    [
        (TENSOR, FLOAT, Tensor, np.array([1.0, 2.0]), 2.0),
        (SIGNAL, FLOAT, Signal, SLOW[:, 0], 2.0),
        (TENSOR, SIGNAL, SignalTensor, np.array([1.0, 2.0]), SLOW),
        (LANES, SIGNAL, SignalTensor, FAST, SLOW),
        (LANES, TENSOR, SignalTensor, FAST, np.array([1.0, 2.0])),
    ],
    ids=["tensor-float", "signal-float", "tensor-signal", "lanes-signal", "lanes-tensor"],
)
def test_the_promotion_table(left, right, result, x, y):
    for op in (np.add, np.subtract, np.multiply, np.divide):
        symbol = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}[op]
        made = eval(f"left {symbol} right", {"left": left, "right": right})
        assert type(made) is result
        with np.errstate(divide="ignore", invalid="ignore"):
            close(made, op(x, y), frames=8)


def test_broadcasting_is_numpys():
    close(Tensor([[1], [2]]) + Tensor([10, 20, 30]), [[11, 21, 31], [12, 22, 32]])


# Operations: arithmetic and mathematics, of all types, as functions and as methods.


def everything(a):
    """The same numbers as a Tensor, a Signal and a SignalTensor."""
    a = np.asarray(a, np.float32)
    return [Tensor(a), Signal.from_samples(a), Signal.from_samples(np.stack([a, a], 1))], [a, a, np.stack([a, a], 1)]


ONE = {
    "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "round": np.round, "exp": np.exp,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip
ABOVE_ZERO = {"log": np.log, "log10": np.log10, "sqrt": np.sqrt}
TWO = {"mod": np.mod, "min": np.minimum, "max": np.maximum, "atan2": np.arctan2}


@pytest.mark.parametrize("name", [*ONE, *ABOVE_ZERO])
def test_functions_of_one_value_are_numpys_for_all_types(name):
    numbers = [0.25, 1.0, 2.5, 9.0] if name in ABOVE_ZERO else [-1.5, -0.5, 0.0, 0.5, 1.2]
    reference = (ONE | ABOVE_ZERO)[name]
    for x, a in zip(*everything(numbers)):
        close(getattr(dg, name)(x), reference(a), atol=1e-5)
        close(getattr(x, name)(), reference(a), atol=1e-5)


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_values_are_numpys_for_all_types(name):
    for x, a in zip(*everything([-2.5, -0.5, 0.7, 1.5, 4.0])):
        close(getattr(dg, name)(x, 1.5), TWO[name](a, 1.5))
        close(getattr(x, name)(1.5), TWO[name](a, 1.5))
        close(getattr(dg, name)(x, x * x), TWO[name](a, a * a))


def test_operators_negation_power_and_clamp_of_all_types():
    for x, a in zip(*everything([-1.5, 0.25, 3.0])):
        b = a * 2 + 7
        y = x * 2 + 7
        close(x + y, a + b)
        close(x - y, a - b)
        close(x * y, a * b)
        close(x / y, a / b)
        close(-x, -a)
        close(dg.clamp(x, -1, 1), np.clip(a, -1, 1))
        close(x.clamp(-1, 1), np.clip(a, -1, 1))
        close(dg.pow(y, 1.5), b**1.5)
        close(y.pow(0.5), b**0.5)


# Operations: tensors.


def test_shape_operations():
    a = np.arange(24.0).reshape(2, 3, 4)
    close(Tensor(np.arange(6)).reshape([2, 3]), [[0, 1, 2], [3, 4, 5]])
    close(Tensor(a[0]).transpose(), a[0].T)
    close(Tensor(a).transpose(axes=[1, 0, 2]), a.transpose(1, 0, 2))


def test_reductions():
    a = np.arange(6.0).reshape(2, 3)
    x = Tensor(a)
    close(x.sum(), a.sum())
    close(x.sum(axis=0), a.sum(axis=0))
    close(x.mean(), a.mean())
    close(x.mean(axis=1), a.mean(axis=1))


def test_linear_algebra():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4) - 5
    for product in (matmul(Tensor(a), Tensor(b)), Tensor(a).matmul(Tensor(b)), Tensor(a) @ Tensor(b)):
        close(product, a @ b)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_are_cross_correlations(stride):
    a, k = np.array([1.0, -2.0, 3.0, 5.0, 8.0]), np.array([1.0, 0.5])
    slow = [a[i] * k[0] + a[i + 1] * k[1] for i in range(0, 4, stride)]
    close(dg.conv1d(Tensor(a), Tensor(k), stride=stride), slow)
    image, kernel = np.arange(20.0).reshape(4, 5) ** 1.5, np.array([[1.0, -1.0], [0.5, 2.0]])
    slow = [[(image[i : i + 2, j : j + 2] * kernel).sum() for j in range(0, 4, stride)] for i in range(0, 3, stride)]
    close(dg.conv2d(Tensor(image), Tensor(kernel), stride=stride), slow, atol=1e-4)


def test_indexing_takes_rows_fixed_or_moving():
    x = Tensor([[1, 2], [3, 4], [5, 6]])
    close(x[0], [1, 2])
    close(Tensor([7, 8])[0], 7.0)
    index = Signal.from_samples([0.0, 0.5, 1.75, 9.0])
    row = x.peek_row(index)
    assert isinstance(row, SignalTensor)
    close(row, [[1, 2], [2, 3], [4.5, 5.5], [5, 6]])


def test_softmax_and_its_logarithm():
    a = np.array([1.0, 2.0, 4.0])
    soft = np.exp(a) / np.exp(a).sum()
    close(dg.softmax(Tensor(a)), soft)
    close(Tensor(a).softmax(), soft)
    close(dg.log_softmax(Tensor(a)), np.log(soft))
    close(Tensor(a).log_softmax(), np.log(soft))


# Operations: signals.


def test_a_phasor_restarts_at_its_trigger():
    trigger = Signal.from_samples([0.0, 0.0, 1.0, 0.0])
    close(Signal.phasor(SR / 8, reset=trigger), [0, 0.125, 0, 0.125])


def cookbook_lowpass(cutoff, q):
    w = 2 * np.pi * cutoff / SR
    alpha = np.sin(w) / (2 * q)
    b = np.array([(1 - np.cos(w)) / 2, 1 - np.cos(w), (1 - np.cos(w)) / 2])
    return b, np.array([1 + alpha, -2 * np.cos(w), 1 - alpha])


def test_filters():
    x = np.random.default_rng(0).standard_normal(256)
    b, a = cookbook_lowpass(1000, 0.707)
    close(Signal.from_samples(x).biquad(cutoff=1000, q=0.707, mode="lowpass"), scipy.signal.lfilter(b, a, x), atol=1e-5)
    close(Signal.from_samples(x).onepole(cutoff=0.5), scipy.signal.lfilter([0.5], [1, -0.5], x), atol=1e-5)


def test_state_operations():
    x = Signal.from_samples([3.0, 1.0, 4.0, 1.0, 5.0])
    trigger = Signal.from_samples([0.0, 1.0, 0.0, 0.0, 1.0])
    close(x.history(), [0, 3, 1, 4, 1])
    close(x.latch(trigger), [0, 1, 1, 1, 5])
    close(x.accum(), [3, 4, 8, 9, 14])


def test_utilities():
    x = Signal.from_samples([3.0, 1.0, 4.0, 4.0])
    close(x.delta(), [3, -2, 3, 0])
    close(x.change(), [1, -1, 1, 0])


def slow_spectral_loss(x, y, size):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    mags, logs = [], []
    x, y = (np.concatenate([np.zeros(size // 2), s, np.zeros(size)]) for s in (x, y))
    for start in range(0, len(x) - size // 2 - size, size // 4):
        a, b = (np.abs(np.fft.rfft(s[start : start + size] * window)) for s in (x, y))
        mags.append(np.abs(a - b))
        logs.append(np.abs(np.log(a + 1e-3) - np.log(b + 1e-3)))
    return np.mean(mags) + np.mean(logs)


def test_losses():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 2048))
    close(mse(Tensor(x), Tensor(y)), np.mean((x - y) ** 2), atol=1e-5)
    close(mse(Signal.from_samples(x), Signal.from_samples(y)), (x - y) ** 2, atol=1e-5)
    loss = spectral_loss(Signal.from_samples(x), Signal.from_samples(y), window_size=1024)
    close(loss, slow_spectral_loss(x, y, 1024), atol=1e-3)


# Execution.


def test_realize_returns_raw_data_of_each_type():
    tensor, signal = Tensor([1.0, 2.0]) * 2, Signal.phasor(440.0)
    close(tensor, [2, 4])
    assert signal.realize().shape == (DGen.default_frame_count,)
    close(signal, ramp(440, 1024)[:, 0])
    DGen.default_frame_count = 16
    assert signal.realize().shape == (16,)
    assert signal.realize(frames=1024).shape == (1024,)
    data = (Tensor([1.0, 10.0]) * signal).realize(frames=64).ravel()
    assert data.shape == (64 * 2,)
    np.testing.assert_allclose(data[:4], [0, 0, 440 / SR, 4400 / SR], rtol=1e-5)


def test_state_is_reset_for_training_and_preserved_on_request():
    signal = Signal.phasor(440.0).onepole(0.1)
    first, again = signal.realize(frames=512), signal.realize(frames=512)
    np.testing.assert_array_equal(first, again)
    out1 = signal.realize(frames=512, preserve_state=True)
    out2 = signal.realize(frames=512, preserve_state=True)
    np.testing.assert_array_equal(out1, first)
    np.testing.assert_allclose(np.concatenate([out1, out2]), signal.realize(frames=1024), atol=1e-6)


def test_training_recovers_a_filter_since_each_step_starts_afresh():
    DGen.inputs = {0: np.random.default_rng(0).uniform(-1, 1, 256)}
    c = Signal.param(0.5, min=0.0, max=1.0)
    filtered, target = Signal.input(0).onepole(c), Signal.input(0).onepole(0.2)
    opt = Adam(params=[c], lr=0.02)
    losses = []
    for _ in range(100):
        loss = mse(filtered, target)
        losses.append(loss.backward(frames=256))
        opt.step()
        opt.zero_grad()
    assert losses[-1] < 1e-4 * losses[0]
    assert abs(float(c.value) - 0.2) < 0.01


# Training.


def test_backward_computes_lazy_gradients_of_a_layer():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((5, 64)), rng.standard_normal((5, 32))
    w = Tensor.randn([64, 32], requires_grad=True)
    pred = relu(matmul(Tensor(a), w))
    loss = mse(pred, Tensor(b))
    loss.backward()
    before = a @ w.value.astype(float)
    expected = a.T @ (2 * (np.maximum(before, 0) - b) * (before > 0)) / b.size
    close(w.grad, expected, atol=1e-4)


def test_optimizers_step_an_explicit_list_of_parameters():
    w1, w2 = Tensor([1.0, -2.0], requires_grad=True), Tensor([[3.0]], requires_grad=True)
    opt, opt2 = Adam(params=[w1], lr=0.001), SGD(params=[w2], lr=0.01, momentum=0.9)
    velocity = 0.0
    for _ in range(3):
        loss = (w1 * w1).sum() + (w2 * w2).sum()
        before, slope = w2.value.copy(), 2 * w2.value
        loss.backward()
        opt.step()
        opt2.step()
        opt.zero_grad()
        opt2.zero_grad()
        velocity = 0.9 * velocity + slope
        np.testing.assert_allclose(w2.value, before - 0.01 * velocity, rtol=1e-6)
        assert w1.grad is None
    np.testing.assert_allclose(w1.value, [1 - 0.003, -2 + 0.003], atol=1e-5)


def test_the_optimizers_take_the_arguments_of_the_table():
    w = Tensor([1.0], requires_grad=True)
    SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
    Adam([w], lr=0.1, beta1=0.8, beta2=0.99, eps=1e-6)
    (w * w).sum().backward()
    opt = Adam([w], lr=0.1, beta1=0.8, beta2=0.99, eps=1.0)
    opt.step()  # bias-corrected means of one slope are the slope: 2 / (2 + eps)
    np.testing.assert_allclose(w.value, [1 - 0.1 * 2 / 3], rtol=1e-6)


# Configuration.


def test_the_configuration_is_global():
    assert (DGen.backend, DGen.sample_rate, DGen.default_frame_count) == ("auto", 44100.0, 1024)
    DGen.backend, DGen.sample_rate, DGen.default_frame_count = "cpu", 8.0, 4
    close(Signal.phasor(1.0), [0, 0.125, 0.25, 0.375])


# Errors.


def test_incompatible_shapes_are_a_runtime_error_that_says_so():
    t1, t2 = Tensor([1, 2, 3]), Tensor([1, 2])
    message = r"matmul: cannot combine \(3,\) with \(2,\): inner dimensions 3 and 2 differ"
    with pytest.raises(dg.ShapeError, match=message):
        matmul(t1, t2)


# Complete examples.


def test_the_audio_filter_is_trained_and_used():
    DGen.sample_rate = 44100.0
    DGen.default_frame_count = 1024
    noise = np.random.default_rng(3).uniform(-1, 1, 4096)
    wanted = scipy.signal.lfilter(*cookbook_lowpass(1100, 0.6), noise)
    DGen.inputs = {0: noise, 1: wanted}

    cutoff = Signal.param(1000.0)
    resonance = Signal.param(0.5)

    source = Signal.input(0)
    filtered = source.biquad(cutoff=cutoff, q=resonance, mode="lowpass")
    target = Signal.input(1)

    loss = mse(filtered, target)

    opt = Adam(params=[cutoff, resonance], lr=0.001)

    values = []
    for epoch in range(101):
        loss.backward()
        opt.step()
        opt.zero_grad()

        if epoch % 100 == 0:
            values.append(loss.realize(frames=1024).sum() / 1024)

    first = scipy.signal.lfilter(*cookbook_lowpass(1000, 0.5), noise[:1024])
    assert values[0] == pytest.approx(np.mean((first - wanted[:1024]) ** 2), rel=0.02)
    assert values[1] < 0.8 * values[0]
    assert 0.55 < float(resonance.value) < 0.65

    output = filtered.realize(frames=2048, preserve_state=True)
    more = filtered.realize(frames=2048, preserve_state=True)
    now = cookbook_lowpass(float(cutoff.value), float(resonance.value))
    np.testing.assert_allclose(np.concatenate([output, more]), scipy.signal.lfilter(*now, noise), atol=1e-4)


def test_the_neural_synthesis_is_trained():
    w1 = Tensor.randn([1, 64], requires_grad=True)
    b1 = Tensor.zeros([64], requires_grad=True)
    w2 = Tensor.randn([64, 16], requires_grad=True)
    b2 = Tensor.zeros([16], requires_grad=True)

    time = Tensor([i / 31.0 for i in range(32)]).reshape([32, 1])

    h1 = tanh(matmul(time, w1) + b1)
    amps = sigmoid(matmul(h1, w2) + b2)
    assert amps.shape == (32, 16)

    f0 = 100.0
    harmonics = Tensor([f0 * i for i in range(1, 17)])

    playhead = Signal.phasor(DGen.sample_rate / DGen.default_frame_count)
    frame_index = playhead * 31.0

    amps_at_time = amps.peek_row(frame_index)
    assert isinstance(amps_at_time, SignalTensor)

    phases = Signal.phasor(harmonics)
    sines = sin(phases * 2 * math.pi)
    output = (sines * amps_at_time).sum()
    assert isinstance(output, Signal)

    frames = 1024
    n = np.arange(frames)
    table = 1 / (1 + np.exp(-(np.tanh(np.linspace(0, 1, 32)[:, None] @ w1.value) @ w2.value)))
    at = n / frames * 31
    rows = np.stack([np.interp(at, np.arange(32), column) for column in table.T], 1)
    waves = np.sin(2 * np.pi * np.outer(n, 100.0 * np.arange(1, 17)) / SR)
    np.testing.assert_allclose(output.realize(), (waves * rows).sum(1), atol=1e-3)

    DGen.inputs[0] = (waves * np.linspace(1, 0, 16)).sum(1)
    target = Signal.input(0)
    loss = spectral_loss(output, target, window_size=512)

    opt = Adam(params=[w1, b1, w2, b2], lr=0.01)
    losses = []
    for _ in range(60):
        losses.append(loss.backward())
        opt.step()
        opt.zero_grad()
    assert losses[-1] < 0.4 * losses[0]
