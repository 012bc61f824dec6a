"""Backends: where a program runs, and what is said when it cannot.

Each test is a process of its own, since JAX starts its platforms once. There a stand-in plugin, found by JAX as any plugin
is, registers the CPU once more under the name of another platform and makes it JAX's default, as Metal plugins do. Its
device is not equal to that of the CPU, and so one can see where arrays live and what is compiled for whom.
"""

import functools as ft
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest

import dgenlazy

PLUGIN = """
import os
from jax._src import xla_bridge

def initialize():
    for name in os.environ["STANDIN"].split():
        xla_bridge.register_backend_factory(name, start, priority=1000, fail_quietly=False)

def start(*args):
    if "BROKEN" in os.environ:
        raise RuntimeError("this plugin is too old for this JAX")
    return xla_bridge.make_cpu_client()
"""

NO_GPU = pytest.mark.skipif(jax.default_backend() == "gpu", reason="a stand-in for a GPU, and there is one")

# What every process starts with: `where` names the device of an array, `compiled` lists whom XLA has compiled for.
PRELUDE = """
import json
import os
import jax
import numpy as np
from jax._src import compiler
import dgenlazy as dg
from dgenlazy import SGD, Adam, BackendError, DGen, Signal, Tensor

compiled, compile = [], compiler.compile_or_get_cached

def spied(client, *args, **kwargs):
    compiled.append(name_of(client))
    return compile(client, *args, **kwargs)

def name_of(client):
    return next((name for name in (*os.environ["STANDIN"].split(), "cpu") if client is client_of(name)), None)

def client_of(name):
    try:
        return jax.devices(name)[0].client
    except RuntimeError:
        return None

def where(tree):
    return sorted({name_of(device.client) for array in jax.tree.leaves(tree) for device in array.devices()})

def tell(**facts):
    print(json.dumps(jax.tree.map(lambda x: x.tolist() if isinstance(x, np.ndarray) else x, facts)))

compiler.compile_or_get_cached = spied
"""


@pytest.fixture(scope="session")
def plugin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "standin_plugin.py").write_text(PLUGIN)
    (folder / "standin-1.0.dist-info").mkdir()
    (folder / "standin-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: standin\nVersion: 1.0\n")
    (folder / "standin-1.0.dist-info" / "entry_points.txt").write_text("[jax_plugins]\nstandin = standin_plugin\n")
    return folder


@ft.lru_cache
def process(plugin, code, **environment):
    """The facts that `code` tells about itself, and what it wrote to stderr."""
    paths = [str(plugin), str(Path(dgenlazy.__file__).parents[1])]
    inherited = {k: v for k, v in os.environ.items() if k not in ("JAX_PLATFORMS", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
        env={**inherited, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


# Where things are.

SESSION = """
DGen.backend = os.environ["BACKEND"]
x = Signal.input(0)
w = Tensor([1.0, 2.0], requires_grad=True)
data, held = Tensor([1.0, 2.0]), Signal.from_samples([1.0, 2.0, 3.0])
total = data.sum().realize()
values = {
    "filter": held.biquad(100.0).realize().shape,
    "input": (x * 2).realize(inputs={0: [1.0, 2.0]}),
    "noise": Signal.noise().realize(4).shape,
    "loop": dg.feedback(lambda prev: held + 0.5 * prev).realize(),
    "spectra": dg.spectral_loss(held, held, window_size=2).realize(),
}
for _ in range(2):
    loss = (w * w).sum().backward()
ran = sorted(set(compiled))
compiled.clear()
optimizer = Adam([w], lr=0.5)
optimizer.load_state_dict(optimizer.state_dict())
made = sorted(set(compiled))
optimizer.step()
compiled.clear()
optimizer.step()
stepped = sorted(set(compiled))
compiled.clear()
ramp = Signal.phasor(4410.0)
pieces = [ramp.realize(2, preserve_state=True) for _ in range(2)]
streamed = sorted(set(compiled))
tell(
    total=total, values=values, loss=loss, learned=w.value, pieces=pieces,
    default=where(jax.numpy.zeros(3)), ran=ran, made=made, stepped=stepped, streamed=streamed,
    data=where(data.node.array), samples=where(held.node.array), parameter=where(w.node.array),
    gradient=where(w.grad.node.array), state=where([s.at.state for s in ramp._streams.values()]),
)
"""


def session(plugin, backend, standin):
    return process(plugin, SESSION, BACKEND=backend, STANDIN=standin)


PLACES = [("cpu", "mps", "cpu"), ("cpu", "METAL", "cpu"), ("metal", "mps", "mps"), ("auto", "METAL", "METAL")]


@pytest.mark.parametrize(("backend", "standin", "place"), PLACES)
def test_data_parameters_gradients_and_state_are_on_the_device_that_was_asked_for(plugin, backend, standin, place):
    facts, _ = session(plugin, backend, standin)
    assert facts["default"] == [standin]
    for what in ("ran", "data", "samples", "parameter", "gradient", "state"):
        assert facts[what] == [place], what
    assert facts["stepped"] in ([], [place])


@pytest.mark.parametrize(("backend", "standin", "place"), PLACES)
def test_results_are_the_same_on_every_device(plugin, backend, standin, place):
    facts, _ = session(plugin, backend, standin)
    assert facts["total"] == 3
    assert facts["loss"] == 5
    assert facts["values"]["input"] == [2, 4]
    assert facts["values"]["loop"] == [1, 2.5, 4.25]
    assert facts["values"]["spectra"] == 0
    np.testing.assert_allclose(facts["learned"], [0, 1], atol=1e-5)
    np.testing.assert_allclose(facts["pieces"], [[0, 0.1], [0.2, 0.3]], atol=1e-6)


def test_an_optimizer_that_is_made_on_the_cpu_compiles_nothing_for_the_default_device(plugin):
    facts, _ = session(plugin, "cpu", "mps")
    assert facts["made"] in ([], ["cpu"])


def test_a_stream_on_the_cpu_compiles_nothing_for_the_default_device(plugin):
    facts, _ = session(plugin, "cpu", "mps")
    assert facts["streamed"] == ["cpu"]


# Which one "auto" takes.

FIRST = """
for _ in range(2):
    x = Tensor([1.0, 2.0])
    x.realize()
with DGen.override(backend="cpu"):
    Tensor([1.0]).realize()
x.sum().realize()
tell(place=where(x.node.array))
"""


@pytest.mark.parametrize(
    ("standin", "place"),
    [
        *(("mps", "mps"), ("METAL", "METAL"), ("METAL mps", "mps"), ("rocm mps", "mps"), ("mps rocm", "mps")),
        pytest.param("rocm", "rocm", marks=NO_GPU),
    ],
)
def test_auto_takes_metal_then_a_gpu_and_says_so_once(plugin, standin, place):
    facts, said = process(plugin, FIRST, STANDIN=standin)
    assert facts["place"] == [place]
    assert len(re.findall(r"dgenlazy: running on \w+ \(.+\); DGen\.backend chooses another\n", said)) == 1


def test_auto_takes_the_cpu_where_there_is_nothing_else(plugin):
    facts, said = process(plugin, FIRST, STANDIN="", JAX_PLATFORMS="cpu")
    assert facts["place"] == ["cpu"]
    assert said.count("dgenlazy: running on cpu (cpu); DGen.backend chooses another\n") == 1


@NO_GPU
def test_a_strict_backend_says_nothing(plugin):
    code = 'DGen.backend = "gpu"; x = Tensor([1.0]); x.realize(); tell(place=where(x.node.array))'
    facts, said = process(plugin, code, STANDIN="rocm")
    assert facts["place"] == ["rocm"]
    assert "dgenlazy" not in said


# What is said when it is not there.

MISSING = """
messages = {}
for backend in ("auto", "metal", "gpu", "cpu"):
    DGen.backend = backend
    value = Tensor([1.0, 2.0], requires_grad=True).sum()
    for name, run in (("realize", value.realize), ("backward", value.backward)):
        try:
            run()
            messages[f"{backend} {name}"] = None
        except BackendError as error:
            messages[f"{backend} {name}"] = str(error)
tell(**messages)
"""
HERE = (
    f"This is {platform.system()} {platform.machine()}, Python {platform.python_version()}, jax {jax.__version__}, "
    "plugins: [^:]*standin.*, default platform: "
)
FIXES = {
    "auto": "unset JAX_PLATFORMS, or set it to a platform that JAX can start",
    "metal": 'pip install "dgenlazy[metal]"',
    "gpu": 'pip install "jax[cuda13]"',
    "cpu": "unset JAX_PLATFORMS, or add cpu to it",
}


@pytest.mark.parametrize(
    ("platforms", "default", "missing"),
    [("cpu", "cpu", ("metal", "gpu")), ("mps", r"\w+", ("gpu", "cpu")), ("abacus", "none", ("auto", "metal", "gpu", "cpu"))],
)
def test_a_strict_backend_that_is_missing_says_what_is_here_and_how_to_mend_it(plugin, platforms, default, missing):
    messages, _ = process(plugin, MISSING, STANDIN="mps", JAX_PLATFORMS=platforms)
    for call, message in messages.items():
        backend = call.split()[0]
        if backend not in missing:
            assert message is None, call
            continue
        assert message.startswith(f"DGen.backend={backend!r}: JAX has no such device here. "), call
        assert re.search(f"{HERE}{default}\\. To fix it: {re.escape(FIXES[backend])}", message), message
        assert ("DGen.backend = 'auto'" in message) == (backend != "auto")


def test_a_plugin_that_fails_to_start_leaves_the_other_backends(plugin):
    messages, _ = process(plugin, MISSING, STANDIN="mps", BROKEN="1")
    assert messages["auto realize"] is None
    assert messages["cpu realize"] is None
    assert re.search(f"{HERE}(cpu|gpu)\\. To fix it: {re.escape(FIXES['metal'])}", messages["metal realize"])


TWICE = """
DGen.backend = "cpu"
told = []
for _ in range(2):
    try:
        told.append(Tensor([1.0]).realize())
    except BackendError as error:
        told.append(str(error))
tell(told=told)
"""


def test_the_cpu_is_there_at_the_first_call_though_a_plugin_fails_to_start(plugin):
    facts, _ = process(plugin, TWICE, STANDIN="mps", BROKEN="1")
    assert facts["told"] == [[1], [1]]


def test_a_plugin_that_fails_to_start_is_quoted(plugin):
    messages, _ = process(plugin, MISSING, STANDIN="mps", BROKEN="1")
    assert "this plugin is too old for this JAX" in messages["metal realize"]


# From one to another.

SWITCH = """
def on(backend, run):
    with DGen.override(backend=backend):
        return run()

w = Tensor([1.0, 2.0], requires_grad=True)
optimizer = SGD([w], lr=0.25, momentum=0.5)
places = []
for backend in ("cpu", "metal", "cpu"):
    optimizer.zero_grad()
    on(backend, (w * w).sum().backward)
    on(backend, optimizer.step)
    places.append(where(w.node.array)[0])
learned = w.value
optimizer.zero_grad()
on("cpu", (w * w).sum().backward)
on("metal", optimizer.step)
across = w.value
gradient = on("metal", (w.grad * 2).realize)
ramp = Signal.phasor(4410.0)
pieces = [on(backend, lambda: ramp.realize(2, preserve_state=True)) for backend in ("cpu", "metal", "cpu")]
optimizer.zero_grad()
try:
    on("cpu", (w * w).sum().backward)
    on("metal", (w * w).sum().backward)
    sum, failure = w.grad.value, None
except ValueError as error:
    sum, failure = None, str(error)
tell(places=places, learned=learned, across=across, gradient=gradient, pieces=pieces, sum=sum, failure=failure, last=w.value)
"""


def heavy_ball(w, steps):
    momentum = 0.0
    for _ in range(steps):
        momentum = 0.5 * momentum + 2 * w
        w = w - 0.25 * momentum
    return w


def test_a_parameter_its_optimizer_and_a_stream_move_with_the_backend(plugin):
    facts, _ = process(plugin, SWITCH, STANDIN="mps")
    assert facts["places"] == ["cpu", "mps", "cpu"]
    start = np.array([1.0, 2.0])
    np.testing.assert_allclose(facts["learned"], heavy_ball(start, 3), rtol=1e-5)
    np.testing.assert_allclose(facts["across"], heavy_ball(start, 4), rtol=1e-5)
    np.testing.assert_allclose(facts["gradient"], 4 * heavy_ball(start, 3), rtol=1e-5)
    np.testing.assert_allclose(np.ravel(facts["pieces"]), np.arange(6) / 10, atol=1e-6)


def test_gradients_from_two_backends_add_up(plugin):
    facts, _ = process(plugin, SWITCH, STANDIN="mps")
    assert facts["failure"] is None
    np.testing.assert_allclose(facts["sum"], 4 * np.array(facts["last"]), rtol=1e-5)
