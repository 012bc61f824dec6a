"""Interrupts, threads, traces and forks: whatever comes between leaves what was or what is to be, and nothing broken."""

import contextlib
import copy
import dis
import importlib.util
import itertools
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import SGD, Adam, ArgumentError, DGen, Optimizer, Signal, Tensor
from dgenlazy.graph import toposort
from dgenlazy.run import compiling, runtime

ROOT = str(Path(dg.__file__).parent)


def run_python(text):
    """Its output, from a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(Path(ROOT).parent), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


# Interrupts.


@contextlib.contextmanager
def interrupted_at(number):
    """Ctrl-C in this package after the `number`-th call, begin of a function or turn of a loop: where Python sees signals."""
    left = itertools.count(number, -1)
    before = {}

    def step(frame, event, _):
        frame.f_trace_opcodes = True
        if event == "opcode":
            sees = before.get(frame, "CALL").startswith(("CALL", "JUMP_BACKWARD"))
            before[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if sees and next(left) == 0:
                raise KeyboardInterrupt
        return step

    sys.settrace(lambda frame, event, _: step(frame, event, _) if frame.f_code.co_filename.startswith(ROOT) else None)
    try:
        yield left
    finally:
        sys.settrace(None)


def interrupts(run, after):
    """Interrupt `run()` wherever it can be, one place after the other; each time call `after(whether it got to its end)`."""
    with interrupted_at(sys.maxsize):
        toposort([Tensor(1.0).node])  # Python 3.12 shows no steps to the first who asks for them
    for number in itertools.count():
        ended = True
        try:
            with interrupted_at(number) as left:
                run()
        except KeyboardInterrupt:
            ended = False
        after(ended)
        if next(left) >= 0:  # there was no such place; Python loses an interrupt of a generator that is being closed
            return


MAKERS = {
    "adam": lambda p: Adam(p, 0.1),
    "momentum": lambda p: SGD(p, 0.1, momentum=0.9),
    "optax": lambda p: Optimizer(p, optax.adamw(0.1)),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("make", MAKERS)
def test_a_step_that_is_interrupted_has_moved_every_parameter_and_the_state_or_none(make):
    params = [Tensor([1.0, 2.0], requires_grad=True), Signal.param(1.0), Tensor([1.0], requires_grad=True)]
    optimizer, twin = MAKERS[make](params), [Tensor(p.value, requires_grad=True) for p in params]
    other = MAKERS[make](twin)

    def backward(leaves):
        sum([leaf.sum() if leaf.shape else leaf * 1.0 for leaf in leaves], 0.0).backward(1)

    backward(params), backward(twin)
    optimizer.step(), other.step()  # compiled
    outcomes = []

    def check(_):
        now = [p.value for p in params]
        moved = not np.array_equal(now[0], twin[0].value)
        if moved:  # then all is as one step of the twin makes it
            other.step()
        for a, b in zip(now, twin):
            np.testing.assert_array_equal(a, b.value)
        for a, b in zip(optimizer.state_dict()["state"], other.state_dict()["state"]):
            np.testing.assert_array_equal(a, b)
        outcomes.append(moved)

    interrupts(optimizer.step, check)
    assert outcomes[0] is False or sys.version_info[:2] == (3, 12)  # which loses that one
    assert outcomes.count(False) > 5
    assert outcomes[-1] is True
    assert len(outcomes) > 20


def test_gradients_are_added_and_cleared_all_or_none():
    params = [Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0], requires_grad=True), Signal.param(4.0)]
    loss = params[0].sum() + params[1].sum() + params[2] * 1.0
    loss.backward(1)
    count = [1]

    def added(_):
        now = {float(p.grad.value.ravel()[0]) for p in params}
        assert len(now) == 1
        assert now <= {count[0], count[0] + 1}
        count[0] = now.pop()

    interrupts(lambda: loss.backward(1), added)
    optimizer = SGD(params, 0.1)

    def cleared(_):
        assert len({p.grad is None for p in params}) == 1
        if params[0].grad is None:
            loss.backward(1)

    interrupts(optimizer.zero_grad, cleared)


@pytest.mark.parametrize("step", ["_BEGINS", "_ENDS"])
@pytest.mark.parametrize("added", [False, True])
def test_what_was_interrupted_while_jax_compiled_it_is_compiled_once_more_and_then_kept(step, added, monkeypatch):
    w = Tensor([3.0] * (5 + added + 2 * (step == "_ENDS")), requires_grad=True)
    loss = (w * w).sum()  # of another shape each time, so that nothing is compiled yet
    hear, left = compiling._Watch.hear, [1]

    def interrupt(self, event):
        if event == getattr(compiling, step) and left and left.pop():
            raise KeyboardInterrupt
        hear(self, event)

    if added:
        loss.backward()
    monkeypatch.setattr(compiling._Watch, "hear", interrupt)
    with pytest.raises(KeyboardInterrupt):
        loss.backward()
    loss.backward(), loss.backward()
    with compilations() as compiled:
        loss.backward(), loss.backward()
    assert compiled == []
    assert (w.grad.value == 6.0 * (4 + added)).all()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_gradients_are_as_they_were_where_the_wait_for_the_loss_ends_in_an_error(error, monkeypatch):
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()

    def wait(_):
        raise error

    for before in (None, [2.0, 4.0]):
        with monkeypatch.context() as patch:
            patch.setattr(runtime, "float", wait, raising=False)
            with pytest.raises(error):
                loss.backward()
        assert w.grad is None if before is None else w.grad.value.tolist() == before
        loss.backward()
    assert w.grad.value.tolist() == [4.0, 8.0]


def test_a_stream_that_is_interrupted_is_before_or_after_the_block():
    ramp = Signal.constant(1.0).accum()
    ramp.realize(4, preserve_state=True), ramp.realize(4, preserve_state=True)

    def check(_):
        snapshot = ramp.save_state()
        state = sum(x for name, x in snapshot.items() if name not in ("position", "program"))  # a sum and what rounding lost
        assert state == snapshot["position"]

    interrupts(lambda: ramp.realize(4, preserve_state=True), check)


def test_a_training_loop_survives_hundreds_of_interrupts_at_any_time():
    script = """
import random, signal
import numpy as np
from dgenlazy import Adam, Signal, Tensor
random.seed(0)
a, b = Tensor([1.0] * 3, requires_grad=True), Tensor([1.0] * 3, requires_grad=True)
target, ramp = Signal.from_samples(np.ones(32)), Signal.constant(1.0).accum()
loss, optimizer = ((a * target - 0.5) ** 2).sum() + ((b * target - 0.5) ** 2).sum(), Adam([a, b], 0.01)
def stop(*_):
    raise KeyboardInterrupt
def body():
    loss.backward(); optimizer.step(); optimizer.zero_grad(); ramp.realize(8, preserve_state=True)
body(), loss.backward(), body()  # the second adds to a gradient, which JAX compiles
signal.signal(signal.SIGALRM, stop)
count = 0
while count < 300:
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 6e-3))
        for _ in range(100):  # one that comes while JAX's callback of the garbage collector runs is lost
            body()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as e:  # what is raised while MLIR or a cache calls back comes out of JAX as another error
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert "KeyboardInterrupt" in f"{e!r} {e}", e
        count += 1
    assert np.array_equal(a.value, b.value) and np.isfinite(a.value).all()
    assert (a.grad is None) == (b.grad is None)
    optimizer.state_dict()
    snapshot = ramp.save_state()
    state = sum(x for name, x in snapshot.items() if name not in ("position", "program"))
    assert state == snapshot["position"]
body()
print("whole")
"""
    assert run_python(script) == "whole\n"


# Donation.


def donate(tree):
    """Give the arrays of `tree` away, so that they are gone."""
    return jax.jit(lambda t: jax.tree.map(lambda x: x + 1.0, t), donate_argnums=0)(tree)


def test_nothing_that_is_handed_out_is_an_array_of_ours():
    gain, table = Signal.param(2.0), Tensor([1.0, 2.0], requires_grad=True)
    held = Signal.constant(1.0).history(init=gain)
    loss = (table.sum() * held * gain).mean()
    loss.backward(4)
    optimizer = Adam([gain, table], 0.1)
    optimizer.step()
    fn = dg.function({"held": held, "table": table, "gain": gain}, params=[gain, table])
    outputs, state = fn(frames=0)
    kept = fn.params
    for handed in (fn.params, fn.initial_state(frames=4)["recurrences"], outputs, state["recurrences"]):
        donate(handed)
    optimizer.step()
    assert np.isfinite(gain.value)
    np.testing.assert_array_equal(jax.tree.leaves(kept)[0] * 0, 0)
    assert np.isfinite(loss.realize(4)).all()
    assert np.isfinite(gain.grad.value)
    jax.jit(lambda p: fn(p, frames=4)[0]["held"].sum(), donate_argnums=0)(fn.params)
    assert np.isfinite(fn(frames=4)[0]["held"]).all()


def test_a_state_may_be_donated_as_it_comes():
    fn = dg.function(Signal.input(0).biquad(1000.0).biquad(1000.0))
    state = fn.initial_state(None, {0: np.zeros(4, np.float32)})
    step = jax.jit(lambda x, s: fn(None, {0: x}, s), donate_argnums=1)
    for _ in range(3):
        _, state = step(np.ones(4, np.float32), state)
    assert int(state["position"]) == 12


# Threads.


def test_one_thread_trains_while_another_streams():
    cutoff, gain = Signal.param(0.5, min=0.0, max=1.0), Tensor([1.0] * 100, requires_grad=True)
    voice = (Signal.constant(1.0).onepole(cutoff) * gain).sum()
    loss = ((Signal.constant(1.0).onepole(cutoff) * gain).sum() - 3.0) ** 2
    optimizer = Adam([cutoff, gain], 1e-3)
    loss.backward(8), optimizer.step(), voice.realize(8, preserve_state=True)
    done = threading.Event()

    def stream():
        blocks = 0
        while not done.is_set():
            assert np.isfinite(voice.realize(8, preserve_state=True)).all()
            blocks += 1
        return blocks

    with ThreadPoolExecutor(2) as pool:
        streams = [pool.submit(stream) for _ in range(2)]
        for _ in range(200):
            loss.backward(8)
            optimizer.step()
            optimizer.zero_grad()
        done.set()
        assert all(s.result() > 10 for s in streams)


def test_an_array_that_is_moved_to_a_device_does_not_undo_an_assignment(monkeypatch):
    table = Tensor([1.0] * 100)
    put = jax.device_put

    def slow(x, *args):
        if np.shape(x) == (100,) and float(np.ravel(x)[0]) == 1.0:
            table.value = 2.0  # what another thread does meanwhile
        return put(x, *args)

    monkeypatch.setattr(jax, "device_put", slow)
    table.realize()
    assert table.value[0] == 2.0


def test_two_threads_add_to_one_gradient():
    w = Tensor([1.0], requires_grad=True)
    loss = (w * 1.0).sum()
    loss.backward()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: loss.backward(), range(400)))
    assert w.grad.value == [401.0]


def shared_between(process, blocks=500):
    """The blocks of `process()` that four threads got."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda _: process(), range(blocks)))
    finally:
        sys.setswitchinterval(interval)


def test_a_stream_of_several_threads_gives_each_block_once():
    ramp = Signal.constant(1.0).accum()
    got = shared_between(lambda: float(ramp.realize(1, preserve_state=True)[0]))
    assert sorted(got) == list(range(1, 501))
    fresh = Signal.constant(1.0).accum()  # also where they begin it together
    together = threading.Barrier(4)

    def first(_):
        together.wait()
        return float(fresh.realize(1, preserve_state=True)[0])

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(first, range(4))) == [1, 2, 3, 4]


def test_a_player_of_several_threads_gives_each_block_once(tmp_path):
    pytest.importorskip("flatbuffers")
    digest = dg.export(Signal.input(0).accum(), tmp_path / "sum.dgen")
    player = dg.load(tmp_path / "sum.dgen", sha256=digest)
    got = shared_between(lambda: float(player.process([1.0])[0]), 300)
    assert sorted(got) == list(range(1, 301))
    assert player.position == 300


# Traces.


def within_jit(fn):
    return jax.jit(lambda x: (fn(), x)[1])(jnp.ones(3))


def within_scan(fn):
    return jax.lax.scan(lambda c, x: (c, (fn(), x)[1]), 0.0, jnp.ones(3))


def within_from_jax(fn):
    return dg.from_jax(lambda x: (fn(), x)[1])(Tensor([1.0, 2.0])).realize()


TRACES = {"jit": within_jit, "scan": within_scan, "from_jax": within_from_jax}


def everything(tmp_path):
    """Calls that compute, and a check that all they touch is whole."""
    gain, table = Signal.param(2.0), Tensor(np.ones(100), requires_grad=True)
    ramp = Signal.constant(1.0).accum() * gain
    loss = (table.sum() * gain * Signal.input(0)).mean()
    optimizer = Optimizer([gain, table], optax.inject_hyperparams(optax.sgd)(learning_rate=0.0))
    samples = {0: np.ones(4, np.float32)}
    loss.backward(inputs=samples)
    saved, made = optimizer.state_dict(), []
    calls = {
        "realize": lambda: loss.realize(inputs=samples),
        "a leaf alone": lambda: Tensor(np.ones(100)).realize(),
        "realize a stream": lambda: ramp.realize(4, preserve_state=True),
        "backward": lambda: loss.backward(inputs=samples),
        "step": optimizer.step,
        "a new optimizer": lambda: made.append(Adam([gain])),
        "load_state_dict": lambda: optimizer.load_state_dict(saved),
        "a rate": lambda: setattr(optimizer, "lr", 0.0),
    }
    if tmp_path:
        digest = dg.export(Signal.input(0).accum(), tmp_path / "sum.dgen")
        player = dg.load(tmp_path / "sum.dgen", sha256=digest)
        calls["process"] = lambda: player.process(np.zeros(4))
        calls["the state of a player"] = lambda: setattr(player, "state", player.state)

    def whole():
        assert gain.value == 2.0
        np.testing.assert_array_equal(table.value, np.ones(100))
        for _ in range(2):
            assert loss.realize(inputs=samples)[0] == 200
            assert ramp.realize(1, preserve_state=True).shape == (1,)
            assert loss.backward(inputs=samples) == 200
            optimizer.step()
            optimizer.lr = 0.0
        assert np.isfinite([gain.grad.value, *table.grad.value]).all()
        assert optimizer.state_dict()["kind"] == saved["kind"]
        assert not made
        if tmp_path:
            assert player.process(np.zeros(4))[0] == 0

    return calls, whole


@pytest.mark.parametrize("where", TRACES)
def test_what_is_called_while_jax_traces_is_an_error_and_nothing_traced_is_kept(where, tmp_path):
    with_player = tmp_path if importlib.util.find_spec("flatbuffers") else None
    calls, whole = everything(with_player)
    for call in calls.values():
        with pytest.raises(ArgumentError, match="take dg"):
            TRACES[where](call)
        whole()


def test_inside_vmap_and_grad_what_does_not_depend_on_them_is_computed():
    gain = Signal.param(2.0)
    y = gain * Signal.from_samples([1.0, 2.0])
    np.testing.assert_array_equal(jax.vmap(lambda x: x * y.realize()[1])(jnp.ones(3)), [4, 4, 4])
    assert jax.grad(lambda x: x * y.realize()[1])(1.0) == 4
    assert y.backward() == 3
    assert gain.grad.value == 1.5


OPTIMIZER = Adam([Signal.param(1.0)])


@pytest.mark.parametrize(
    "store",
    [
        lambda x: setattr(Signal.param(1.0), "value", x[0]),
        lambda x: DGen.inputs.update({0: x}),
        lambda x: DGen.override(inputs={0: x}).__enter__(),
        lambda x: setattr(DGen, "sample_rate", x[0]),
        lambda x: setattr(OPTIMIZER, "lr", x[0]),
        Tensor,
        lambda x: Signal(x[0]),
        Signal.from_samples,
        lambda x: Signal.phasor(x[0]),
        lambda x: Signal.input(0).realize(inputs={0: x}),
    ],
)
def test_a_traced_array_is_not_data(store):
    with pytest.raises(ArgumentError, match="not an array of numbers"):
        jax.jit(lambda x: (store(x), x)[1])(jnp.ones(3))
    assert (dict(DGen.inputs), DGen.sample_rate) == ({}, 44100)


# Copies.


def pickled(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("again", [copy.deepcopy, pickled], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("ops", [150, 20_000])
def test_graphs_of_any_depth_are_copied_with_what_they_share(again, ops):
    gain = Signal.param(0.5)
    x = middle = gain
    for k in range(ops // 2):
        x = x * 0.5 + 1.0
        middle = x if k == ops // 4 else middle
    noise = Signal.noise()
    other, half, whole, *rest = again([gain, middle, x, noise * x, noise])
    assert whole.program() == x.program()
    nodes = set(toposort([whole.node]))
    assert {other.node, half.node} <= nodes
    assert gain.node not in nodes
    assert set(toposort([rest[0].node])) >= {rest[1].node, other.node}
    other.value = 0.25
    assert gain.value == 0.5
    if ops == 150:
        np.testing.assert_allclose(whole.realize(1), 2.0, rtol=1e-6)


def softened(x):
    return jnp.tanh(x)


def power(x):
    return jnp.mean(x**2)


def test_a_function_of_jax_is_pickled_by_its_name():
    y = dg.from_jax(softened)(dg.from_jax(jax.nn.relu)(Signal.param(0.5)))
    np.testing.assert_array_equal(pickled(y).realize(2), y.realize(2))
    energy = dg.from_jax(power, whole_run=True)(Signal.from_samples([1.0, 2.0]))
    np.testing.assert_array_equal(pickled(energy).realize(), energy.realize())
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(dg.from_jax(lambda x: x)(Tensor([1.0])))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled], ids=["copy", "deepcopy", "pickle"])
def test_a_pure_function_is_copied_with_its_settings(again):
    gain = Signal.param(2.0)
    with DGen.override(sample_rate=8000, seed=3):
        y = Signal.input(0).biquad(1000.0) * gain + Signal.noise(seed=1)
        fn = dg.function({"y": y, "all": [gain, y * 2]}, params={"gain": gain}, inputs={"x": 0})
    x = {"x": np.ones(8, np.float32)}
    expected, state = fn(None, x)
    other = again(fn)
    got, _ = other({"gain": 2.0}, x)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    jax.tree.map(np.testing.assert_array_equal, other(None, x, state), fn(None, x, state))
    gain.value = 3.0
    assert other.params["gain"] == (3.0 if again is copy.copy else 2.0)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled], ids=["copy", "deepcopy", "pickle"])
def test_a_player_is_copied_with_its_place_and_its_parameters(again, tmp_path):
    pytest.importorskip("flatbuffers")
    gain = Signal.param(1.0)
    digest = dg.export(Signal.input(0).accum() * gain, tmp_path / "a.dgen", params={"gain": gain})
    player = dg.load(tmp_path / "a.dgen", sha256=digest)
    fresh = again(player)
    player.process([1.0, 1.0])
    player.params["gain"] = 2.0
    other = again(player)
    player.process([1.0])
    player.params["gain"] = 5.0
    np.testing.assert_array_equal(other.process([1.0]), [6.0])
    np.testing.assert_array_equal(fresh.process([1.0]), [1.0])
    assert (player.position, other.position) == (3, 3)


# Forks.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_forked_after_a_run_says_why_it_cannot_run_and_one_forked_before_runs():
    script = """
import os
import dgenlazy as dg
from dgenlazy import Adam, BackendError, Signal, Tensor
ramp, w = Signal.constant(1.0).accum(), Tensor([1.0], requires_grad=True)
def child(body):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
def runs():
    assert ramp.realize(3)[2] == 3
child(runs)
runs()
fn = dg.function(ramp)
fn(frames=3)
loss = (w * w).sum()
loss.backward()
optimizer = Adam([w])
def refuses():
    calls = [lambda: ramp.realize(3), lambda: ramp.realize(3, preserve_state=True), lambda: fn(frames=3), loss.backward,
             optimizer.step, lambda: dg.function(ramp), lambda: (Signal.noise().biquad(500.0) * w.sum()).realize(2)]
    for call in calls:
        try:
            call()
        except BackendError as e:
            assert "spawn" in str(e)
        else:
            raise AssertionError
child(refuses)
child(lambda: child(refuses))
runs()
print("all")
"""
    assert run_python(script) == "all\n"
