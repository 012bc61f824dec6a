"""`fit` against the loop that is written out, and what it does beside: schedules, groups, batches, noise, interrupts, files."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import SGD, Adam, ArgumentError, DGen, Optimizer, ShapeError, Signal, Tensor
from dgenlazy.train.once import parted

FRAMES = 256


def problem():
    """A loss whose every part is learned from, and its parameters."""
    gain, coefficient = Signal.param(0.5), Signal.param(0.9, min=0.0, max=1.0)
    target = Signal.noise(seed=1).onepole(0.25) * 0.8
    return dg.mse(Signal.noise(seed=1).onepole(coefficient) * gain, target), [gain, coefficient]


def looped(loss, opt, steps, before=lambda step: None, **run):
    """The loop, written out: the loss at each step."""
    history = []
    for step in range(steps):
        before(step)
        history.append(loss().backward(**run) if callable(loss) else loss.backward(**run))
        opt.step()
        opt.zero_grad()
    return history


def values(params):
    return [p.value for p in params]


def close(got, expected, rtol=2e-5, atol=1e-7):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def quiet(loss, params=None, **options):
    return dg.fit(loss, params, progress=False, **{"frames": FRAMES, **options})


# The loop that is written out.

MAKERS = {
    "adam": (lambda p: Adam(p, lr=0.02), {"lr": 0.02}),
    "adam by default": (Adam, {}),
    "sgd": (lambda p: SGD(p, lr=0.3), {"lr": 0.3, "optimizer": SGD}),
    "momentum": (lambda p: SGD(p, 0.1, momentum=0.9), {"optimizer": lambda p, lr: SGD(p, 0.1, momentum=0.9)}),
    "optax": (lambda p: Optimizer(p, optax.adabelief(0.02)), {"optimizer": optax.adabelief(0.02)}),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_numbers_are_those_of_the_written_out_loop(name):
    make, options = MAKERS[name]
    loss, params = problem()
    history = looped(loss, make(params), 12, frames=FRAMES)
    loss, again = problem()
    done = quiet(loss, again, steps=12, keep_best=False, **options)
    close([done.history, *values(again)], [history, *values(params)])
    assert done.history.shape == (12,)
    assert all(p.grad is None for p in again)


def test_an_optimizer_goes_on_from_its_state_and_keeps_the_new_one():
    loss, params = problem()
    history = looped(loss, Adam(params, lr=0.05), 9, frames=FRAMES)
    loss, again = problem()
    opt = Adam(again, lr=0.05)
    first = looped(loss, opt, 3, frames=FRAMES)
    middle = quiet(loss, steps=3, optimizer=opt, keep_best=False).history
    last = looped(loss, opt, 3, frames=FRAMES)
    close([[*first, *middle, *last], *values(again)], [history, *values(params)])


def test_a_norm_that_is_clipped_is_that_of_all_gradients():
    loss, params = problem()
    tx = optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(0.5))
    looped(loss, Optimizer(params, tx), 6, frames=FRAMES)
    loss, again = problem()
    quiet(loss, again, steps=6, lr=0.5, optimizer=SGD, clip=0.01, keep_best=False)
    close(values(again), values(params))


SCHEDULES = [optax.exponential_decay(1.0, 2, 0.5), lambda step: 1.0 if step < 3 else 0.25, lambda step: 1 - step / 6]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("lr", [None, 0.1])
def test_a_schedule_is_the_rate_of_each_step_or_a_factor_of_it(schedule, lr):
    loss, params = problem()
    opt = SGD(params, lr=1.0)

    def rate(step):
        opt.lr = float(schedule(step)) * (lr or 1.0)

    looped(loss, opt, 6, rate, frames=FRAMES)
    loss, again = problem()
    quiet(loss, again, steps=6, lr=lr, optimizer=SGD, schedule=schedule, keep_best=False)
    close(values(again), values(params))


def test_groups_have_rates_of_their_own():
    loss, params = problem()
    slow, fast = SGD(params[:1], lr=0.1), SGD(params[1:], lr=0.5)
    for _ in range(5):
        loss.backward(frames=FRAMES)
        for opt in (slow, fast):
            opt.step()
            opt.zero_grad()
    loss, again = problem()
    groups = [{"params": again[1:], "lr": 0.5}]
    quiet(loss, again, steps=5, lr=0.1, optimizer=SGD, groups=groups, keep_best=False)
    close(values(again), values(params))


def test_only_the_parameters_that_are_given_move():
    loss, (gain, coefficient) = problem()
    done = quiet(loss, [coefficient], steps=5, lr=0.05)
    assert gain.value == 0.5
    assert coefficient.value != np.float32(0.9)
    assert done.params == [coefficient]


# Where the loss of a step comes from.


def batched():
    gain = Signal.param(0.1)
    return dg.mse(Signal.input(0) * gain, Signal.input(0) * 0.7), gain


@pytest.mark.parametrize("kind", ["list", "function"])
def test_batches_are_the_inputs_of_each_step(kind):
    rng = np.random.default_rng(0)
    data = [{0: rng.standard_normal((2, 32)).astype(np.float32)} for _ in range(5)]
    loss, gain = batched()
    opt, history = Adam([gain], lr=0.05), []
    for step in range(70):
        history.append(loss.backward(inputs=data[step % 5]))
        opt.step()
        opt.zero_grad()
    loss, again = batched()
    batches = data if kind == "list" else lambda step: data[step % 5]
    done = dg.fit(loss, steps=70, lr=0.05, batches=batches, progress=False, keep_best=False)
    close([done.history, again.value], [history, gain.value])


def test_batches_of_other_lengths_take_turns():
    lengths = [16, 16, 24, 16, 24, 24]
    data = [{0: np.full(n, 0.5 + n / 10, np.float32)} for n in lengths]
    loss, gain = batched()
    opt = SGD([gain], lr=0.1)
    history = []
    for item in data:
        history.append(loss.backward(inputs=item))
        opt.step()
        opt.zero_grad()
    loss, again = batched()
    done = dg.fit(loss, steps=6, lr=0.1, optimizer=SGD, batches=data, progress=False, keep_best=False)
    close([done.history, again.value], [history, gain.value])


def test_an_iterator_that_ends_too_early_is_an_error():
    loss, _ = batched()
    once = iter([{0: np.ones(8, np.float32)}] * 3)
    with pytest.raises(ArgumentError, match="fit: batches ended at step 3 of 5"):
        dg.fit(loss, steps=5, batches=once, progress=False)


def test_a_value_hears_the_same_noise_in_every_step_and_a_function_another():
    gain = Signal.param(1.0)
    still = quiet(dg.mse(Signal.noise() * gain, 0.0), [gain], steps=3, lr=0.0, frames=64)
    assert len(set(still.history.tolist())) == 1
    with DGen.override(seed=7):
        moved = quiet(lambda: dg.mse(Signal.noise() * gain, 0.0), [gain], steps=40, lr=0.0, frames=64, keep_best=False)
    with DGen.override(seed=7):
        expected = [dg.mse(Signal.noise() * gain, 0.0).backward(frames=64) for _ in range(40)]
    close([moved.history], [expected], rtol=1e-6)


def test_a_function_may_build_other_data_in_each_step():
    w = Tensor([1.0, 2.0], requires_grad=True)
    numbers = itertools.count()
    done = quiet(lambda: (w * Tensor([next(numbers), 1.0])).sum(), steps=40, lr=0.0, keep_best=False)
    np.testing.assert_allclose(done.history, np.arange(40) + 2.0)


def test_all_steps_are_compiled_once_and_an_equal_fit_compiles_nothing():
    counts = []
    for lr in (0.01, 0.03):
        loss, params = problem()
        with compilations() as compiled:
            quiet(loss, params, steps=31, lr=lr, frames=FRAMES + 1)  # which no other test has compiled
        counts.append(len(compiled))
    assert counts[0] > 0
    assert counts[1] == 0


# What is computed once.


def test_what_does_not_depend_on_a_parameter_is_not_in_the_loop():
    def loss(moving, still):
        return abs(jax.numpy.fft.rfft(moving[0]) - jax.numpy.fft.rfft(still[0] * 2.0)).sum()

    x, y = np.ones(16, np.float32), np.arange(16, dtype=np.float32)
    once, each = parted(loss, [x], [y])
    kept = once([y])
    assert str(jax.make_jaxpr(each)([x], [y], kept)).count("fft[") == 1
    np.testing.assert_allclose(each([x], [y], kept), loss([x], [y]), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda x: each([x], [y], kept))(x), jax.grad(lambda x: loss([x], [y]))(x), rtol=1e-6)


def test_what_is_quick_to_compute_again_is_not_kept():
    once, each = parted(lambda moving, still: (moving[0] * still[0] * 2.0).sum(), [np.ones(4)], [np.float32(3.0)])
    assert once([np.float32(3.0)]) == []
    assert each([np.ones(4)], [np.float32(3.0)], []) == 24.0


# The best.


def valley():
    """Steps of 0.4 down |w| pass the best, and come back."""
    w = Tensor([1.0], requires_grad=True)
    return w.abs().sum(), w


def test_the_parameters_end_where_the_loss_was_least():
    loss, w = valley()
    done = quiet(loss, steps=4, lr=0.4, optimizer=SGD)
    np.testing.assert_allclose(done.history, [1.0, 0.6, 0.2, 0.2], atol=1e-6)
    assert done.best_step in (2, 3, 4)
    assert done.best_loss == pytest.approx(0.2, abs=1e-6)
    assert abs(w.value[0]) == pytest.approx(0.2, abs=1e-6)
    np.testing.assert_array_equal(done.best[0], w.value)


def test_the_parameters_after_the_last_step_are_tried_too():
    w = Tensor([1.0], requires_grad=True)
    done = quiet((w * w).sum(), steps=1, lr=0.25, optimizer=SGD)
    assert (w.value[0], done.best_loss, done.best_step) == (0.5, 0.25, 1)


def test_a_loss_that_is_not_finite_ends_it_with_the_best_and_is_told(caplog):
    x = Tensor([4.0], requires_grad=True)
    done = quiet((x - 1.0).log().sum() + x.sum(), steps=20, lr=1.0, optimizer=SGD)
    assert done.stopped == "not finite"
    said = f"fit: the loss of step {len(done.history)} is {done.history[-1]}; dg.health tells where that began"
    assert [record.getMessage() for record in caplog.records if record.name == "dgenlazy"] == [said]
    assert not np.isfinite(done.history[-1])
    assert len(done.history) < 20
    assert np.isfinite(x.value).all()
    assert done.best_loss == np.nanmin(done.history)


def test_parameters_that_end_as_nan_behind_a_finite_loss_are_told(caplog):
    x, y = Tensor([0.0], requires_grad=True), Tensor([1.0], requires_grad=True)

    def loss():  # its value at 0 is 0, its slope there 0 * inf
        return (dg.from_jax(lambda x: (x * 0.0) ** 0.5)(x) + (y - 1.0) ** 2).sum()

    done = quiet(loss(), [y, x], steps=1, lr=1.0, optimizer=SGD, keep_best=False)
    assert done.stopped == "steps"
    assert done.history.tolist() == [0.0]
    assert np.isnan(x.value).all()
    said = "fit: params[1] are not finite after 1 steps; dg.health tells where that began"
    assert [record.getMessage() for record in caplog.records if record.name == "dgenlazy"] == [said]
    caplog.clear()
    x.value = [0.0]
    done = quiet(loss(), [y, x], steps=1, lr=1.0, optimizer=SGD)  # and the best are finite
    assert x.value == 0
    assert not [record for record in caplog.records if record.name == "dgenlazy"]


def test_no_step_changes_nothing():
    loss, params = problem()
    done = quiet(loss, params, steps=0)
    assert len(done.history) == 0
    assert [float(v) for v in values(params)] == [0.5, np.float32(0.9)]


# Callbacks, interrupts, files.


def test_callbacks_are_called_at_fixed_steps_and_may_end_it():
    loss, (gain, _) = problem()
    seen = []

    def callback(done):
        seen.append((len(done.history), float(gain.value)))
        return len(done.history) >= 6

    done = quiet(loss, steps=20, lr=0.05, callbacks=[callback], every=3)
    assert [n for n, _ in seen] == [3, 6]
    assert done.stopped == "callback"
    assert len(done.history) == 6
    loss, params = problem()
    looped(loss, Adam(params, 0.05), 3, frames=FRAMES)
    close([seen[0][1]], [params[0].value])


def test_an_interrupt_ends_it_with_what_is_reached():
    loss, _ = problem()

    def interrupt(done):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    try:
        done = quiet(loss, steps=20, lr=0.05, callbacks=[interrupt], every=4)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.stopped == "interrupt"
    assert len(done.history) == 4
    np.testing.assert_array_equal(values(done.params), done.best)


def test_an_error_in_a_callback_comes_through_and_leaves_the_best():
    loss, (gain, _) = problem()
    with pytest.raises(ZeroDivisionError):
        quiet(loss, steps=20, lr=0.05, callbacks=[lambda done: 1 / 0], every=4)
    assert gain.value != 0.5


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path):
    def run(path, until):
        with DGen.override(seed=3):
            gain, coefficient = Signal.param(0.5), Signal.param(0.9, min=0.0, max=1.0)

            def loss():
                x = Signal.noise()
                return dg.mse(x.onepole(coefficient) * gain, x.onepole(0.25) * 0.8)

            stop = lambda done: len(done.history) >= until  # noqa: E731
            done = quiet(loss, [gain, coefficient], steps=40, lr=0.02, checkpoint=path, callbacks=[stop], every=1)
        return done, [gain.value, coefficient.value]

    whole, expected = run(None, 100)
    for until in (1, 7, 33, 40):
        path = tmp_path / f"{until}.npz"
        first, _ = run(path, until)
        assert len(first.history) == until
        done, got = run(path, 100)
        np.testing.assert_array_equal(done.history, whole.history)
        np.testing.assert_array_equal(got, expected)


def test_what_is_finished_is_not_run_again(tmp_path):
    data = [{0: np.full(16, 0.5 + step, np.float32)} for step in range(3)]
    loss, gain = batched()
    options = {
        "steps": 3,
        "lr": 0.05,
        "batches": lambda step: data[step],
        "checkpoint": tmp_path / "fit.npz",
        "progress": False,
    }
    first, value = dg.fit(loss, **options), gain.value
    loss, again = batched()
    second = dg.fit(loss, **options)
    np.testing.assert_array_equal(second.history, first.history)
    assert (second.best_loss, second.best_step, again.value) == (first.best_loss, first.best_step, value)


def test_a_checkpoint_of_another_fit_or_of_none_is_an_error(tmp_path):
    path = tmp_path / "fit.npz"
    loss, params = problem()
    quiet(loss, params, steps=3, checkpoint=path)
    with pytest.raises(ArgumentError, match="is of another loss, or of other settings; remove it"):
        quiet(loss, params, steps=3, lr=0.5, optimizer=SGD, checkpoint=path)
    path.write_bytes(b"no file of numbers")
    with pytest.raises(ArgumentError, match="is none that fit wrote"):
        quiet(loss, params, steps=3, checkpoint=path)


KILLED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
import dgenlazy as dg
from dgenlazy import Signal
gain, coefficient = Signal.param(0.5), Signal.param(0.9, min=0.0, max=1.0)
loss = dg.mse(Signal.noise(seed=1).onepole(coefficient) * gain, Signal.noise(seed=1).onepole(0.25) * 0.8)
print("ready", flush=True)
done = dg.fit(loss, steps=10**9, lr=0.001, frames=64, checkpoint=sys.argv[1], progress=False)
"""


def test_ctrl_c_in_a_process_of_its_own_returns(tmp_path):
    code = KILLED + "print(done.stopped, len(done.history) > 0, done.best_loss < done.history[0])"
    env = {**os.environ, "PYTHONPATH": str(Path(dg.__file__).parents[1])}
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "c.npz")], stdout=subprocess.PIPE, text=True, env=env)
    assert child.stdout.readline() == "ready\n"
    for _ in range(600):
        if (tmp_path / "c.npz").exists() or child.poll() is not None:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=120)
    assert out.split() == ["interrupt", "True", "True"]


# What is refused.

BAD = {
    "steps": ({"steps": -1}, "fit: steps=-1 is less than 0"),
    "loss": ({"loss": 3.0}, "fit: 3.0 is not a Tensor, Signal or SignalTensor"),
    "made": ({"loss": lambda: 3.0}, "fit: the function that makes the loss returned 3.0"),
    "lr": ({"lr": -1.0}, "fit: lr=-1.0 is less than 0"),
    "clip": ({"clip": 0.0}, "fit: clip=0.0 is not above 0"),
    "optimizer": ({"optimizer": "adam"}, "fit: optimizer='adam' is no Optimizer"),
    "schedule": ({"schedule": 0.1}, "fit: schedule=0.1 is not a function"),
    "rate": ({"schedule": lambda step: -1.0}, "fit: schedule: .* a rate is a number of at least 0"),
    "own": ({"optimizer": optax.sgd(0.1), "lr": 0.1}, "an optax transformation has its own rates"),
    "groups": ({"groups": [{"params": [], "rate": 1.0}]}, "fit: groups\\[0\\]"),
    "callbacks": ({"callbacks": [3]}, "fit: callbacks: 3 is not a function"),
    "batches": ({"batches": {0: [1.0]}}, "fit: batches=.* is not an iterable of mappings"),
    "keep": ({"keep_best": 1}, "fit: keep_best=1 is not True or False"),
    "frames": ({"frames": 0}, "fit: there is no loss over 0 frames"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_named(name):
    options, message = BAD[name]
    loss, params = problem()
    options = {"steps": 2, "loss": loss, **options}
    with pytest.raises((ArgumentError, ShapeError), match=message):
        quiet(**options)
    assert [float(v) for v in values(params)] == [0.5, np.float32(0.9)]


def test_a_parameter_that_the_loss_does_not_depend_on_is_an_error():
    loss, _ = problem()
    with pytest.raises(ArgumentError, match=re.escape("fit: params[0]: the loss does not depend on it")):
        quiet(loss, [Signal.param(1.0)], steps=1)


def test_progress_is_told_on_stderr(capsys):
    w = Tensor([1.0], requires_grad=True)
    dg.fit((w * w).sum(), steps=3, lr=0.1)
    out = capsys.readouterr()
    assert out.out == ""
    assert "fit" in out.err
    assert "3" in out.err


def test_its_repr_and_picture_tell_how_it_went():
    pytest.importorskip("matplotlib")
    loss, params = problem()
    done = quiet(loss, params, steps=5, lr=0.05)
    assert re.fullmatch(r"Fit\(5 steps, loss [\d.e-]+ to [\d.e-]+ in [\d.]+ s\)", repr(done))
    ax = done.plot()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), done.history)
