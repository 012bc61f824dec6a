"""What a type checker sees: stubs that are those of the ops, wrong calls found before they run, right ones left alone."""

import ast
import doctest
import inspect
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("pyright")
pytest.importorskip("ruff")

import cases
import stubs
import test_docs

import dgenlazy as dg
from dgenlazy.methods import Methods

ROOT = Path(__file__).parents[1]


def pyright(*args, folder):
    """Its report, on files of a user."""
    run = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *args]
    here = os.environ | {"PYTHONPATH": str(ROOT)}  # where pyright finds it, however it is installed
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False, cwd=folder, env=here)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """What pyright finds in basic mode, by file: lists of `(line, rule, message)`. One run for all, since it takes seconds."""
    folder = tmp_path_factory.mktemp("user")
    strict = "# pyright: strict, reportUnusedExpression=false\n" + CHAIN
    files = {"mistakes.py": SETUP + "\n".join(MISTAKES), "strict.py": strict, **right()}
    for name, text in files.items():
        (folder / name).write_text(text)
    off = {"reportMissingImports": "none", "reportMissingModuleSource": "none"}  # of packages that are extras
    settings = {"typeCheckingMode": "basic", "extraPaths": [str(ROOT), str(ROOT / "examples")], **off}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    found = {name: [] for name in files}
    for d in pyright(folder=folder)["generalDiagnostics"]:
        if d["severity"] == "error":
            found[Path(d["file"]).name].append((d["range"]["start"]["line"] + 1, d.get("rule"), d["message"]))
    return found


# Stubs.


def test_the_stubs_are_those_of_the_ops():
    for path, text in stubs.made().items():
        assert path.read_text() == text, f"python tests/stubs.py, for {path.name}"


def stub_signatures(path):
    """Every overload of a stub: `(name, names of arguments, those that have a default)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            a = node.args
            plain = [*a.posonlyargs, *a.args]
            star = [a.vararg] if a.vararg else []
            names = [x.arg for x in [*plain, *star, *a.kwonlyargs]]
            given = {x.arg for x in plain[len(plain) - len(a.defaults) :]}
            yield node.name, names, given | {x.arg for x, d in zip(a.kwonlyargs, a.kw_defaults) if d}


@pytest.mark.parametrize(
    ("path", "owner"), [(ROOT / "dgenlazy" / "methods.pyi", Methods), (ROOT / "dgenlazy" / "__init__.pyi", dg)]
)
def test_a_stub_takes_what_the_function_takes(path, owner):
    seen = {}
    for name, names, given in stub_signatures(path):
        if name not in ("__dir__", "__iter__"):
            own = inspect.signature(getattr(owner, name)).parameters
            assert names == [("self" if owner is Methods and i == 0 else n) for i, n in enumerate(own)], name
            seen.setdefault(name, set()).update(given)
    assert len(seen) > 50
    for name, given in seen.items():
        assert given == {
            n for n, p in inspect.signature(getattr(owner, name)).parameters.items() if p.default is not p.empty
        }, name


def test_every_public_name_is_in_the_stub_of_the_package():
    tree = ast.parse((ROOT / "dgenlazy" / "__init__.pyi").read_text())
    names = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {*dg.__all__, "abs", "compile", "max", "min", "pow", "round", "sum", "__version__"} <= names


def test_every_method_is_in_the_stub_of_methods():
    tree = ast.parse((ROOT / "dgenlazy" / "methods.pyi").read_text())
    owner = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Methods")
    names = {node.name for node in owner.body if isinstance(node, ast.FunctionDef)}
    assert names == {name for name, x in vars(Methods).items() if callable(x)}


@pytest.mark.parametrize("op", [pytest.param(op, id=name) for op, name in cases.NAMES.items()])
def test_public_functions_and_methods_have_a_signature_at_run_time(op):
    assert str(inspect.signature(op)).startswith("(")


# Mistakes.

SETUP = """
import numpy as np
import dgenlazy as dg
from dgenlazy import SGD, Adam, DGen, Signal, SignalTensor, Tensor, audio, display
x, w = Signal.noise(), Tensor([1.0, 2.0], requires_grad=True)
lanes, cutoff = x * w, Signal.param(1000.0)
loss = dg.mse(x, 0.0)
"""
MISTAKES = """x.bikwad(1000)
lanes.sum().bikwad(1000)
lanes[0].bikwad(1000)
(2 * x + 1).sin().tan().foo()
dg.bikwad(x, 1000)
x.biquad(1000, Q=2.0)
x.biquad(1000, mode="low")
x.biquad(1000, gain=3.0)
dg.biquad(x, 1000, mode="low")
x.svf(1000, mode="lowshelf")
w.peek_row(x, mode="clip")
dg.conv1d(w, w, padding="full")
dg.spectral_loss(x, x, windowsize=3)
dg.spectral_loss(x, x, window_size="long")
x.sin(3)
x.sin(dg)
dg.sin()
dg.sin(x, x)
dg.mse(x)
dg.where(x > 0, 1.0)
x.biquad()
dg.biquad(x)
x.delay()
x.onepole()
Signal.phasor()
DGen.sample_rte
DGen.sample_rte = 48000
DGen.sample_rate = [48000]
DGen.sample_rate = "fast"
DGen.default_frame_count = "many"
DGen.backend = "gppu"
DGen.inputs = 3
DGen.override(backend="gppu")
DGen.override(sample_rte=1.0)
x.biquad([1000.0])
x.biquad(1000, q=[1.0])
x.onepole([0.5])
Signal.phasor([440.0])
Signal([440.0])
Signal.constant([440.0])
Signal.param([440.0])
Signal.param(440.0, min=[0.0])
Tensor.full([2], [1.0])
x.realize([3])
Adam([w], lr=[0.1])
Adam(w)
Adam()
Adam([w], rate=0.1)
Adam([1.0])
SGD([w])
dg.Optimizer([w])
x.realize(frame=3)
x.realize("3")
x.realize(3, True)
dg.realize([x])
loss.backward(frame=3)
loss.backward(reduction="men")
x + "a"
"a" + x
x - None
x * {}
x ** "2"
x > "a"
x @ "a"
x.max("a")
x.clamp("a")
w["a"]
w.sum(axis="0")
w.reshape("a")
w.value = "a"
w.value.foo
w.grad.foo
w.shape.foo
Tensor("abc")
Tensor([1.0], grad=True)
Tensor.zeros("a")
Tensor.randn([2], sead=1)
Signal.noise(sead=3)
Signal.input("a")
Signal.phasor("a")
Signal.from_samples("a.wav")
dg.stack(x)
dg.concat([x, "a"])
dg.feedback(lambda prev: prev.bikwad(3))
dg.feedback(lambda prev: x + prev, plan="fast")
dg.load_state(x)
dg.load_state(x, {})
x.plot("wave")
x.save()
[lane.foo() for lane in lanes]
audio.read(3)
dg.export(x)
""".splitlines()


def test_mistakes_are_found_before_they_run(errors):
    first = SETUP.count("\n") + 1
    found = {line for line, _, _ in errors["mistakes.py"]}
    assert [mistake for line, mistake in enumerate(MISTAKES, first) if line not in found] == []
    assert min(found) >= first


# What is right.

CHAIN = """
import numpy as np
import dgenlazy as dg
from dgenlazy import Adam, DGen, Signal, SignalTensor, Tensor, display
from typing import assert_type

x, t, level = Signal.noise(seed=1), Tensor([1.0, 2.0]), Signal.param(0.5)
a = x.sin().cos().tan().tanh().abs().sign().floor().ceil().round().exp().clamp(-1, 1).relu().sigmoid().sqrt().log().log10()
b = a.biquad(1000).onepole(0.5).history().delta().change().accum().latch(x).delay(10.5).svf(1000).ladder(1000).smooth()
c = b.max(0).min(1).mod(1).pow(2).comb(100.0).allpass(225).compressor().adsr(1, 2, 0.5, 3).karplus_strong(220.0).mse(0.0)
d = (2 * c + 1 - c / 3) ** 2 % 1 > 0.5
assert_type(d, Signal)
assert_type(a.biquad(cutoff=1000 * 2**level, q=level, mode="peak", gain_db=3), Signal)
assert_type(t.sin().tanh() * 2 + t - 1, Tensor)
assert_type(dg.sin(x), Signal)
assert_type(dg.sin(t), Tensor)
assert_type(dg.max(0.0, x), Signal)
assert_type(dg.max(t), Tensor)
assert_type(dg.where(x > 0, x, 0.0), Signal)
assert_type(dg.mse(x * t, t), Signal)
assert_type(dg.mse(t, 0.0), Tensor)
assert_type((x * t).sum(), Signal)
assert_type(t.sum(axis=0), Tensor)
assert_type(dg.spectral_loss(x, x), Tensor)
assert_type(Signal.phasor(level), Signal)
assert_type(-x, Signal)
assert_type(abs(t), Tensor)
assert_type(round(x), Signal)
assert_type(0.5 < x, Signal)
assert_type(t @ t, Tensor)
assert_type(t[0], Tensor)
assert_type(t.grad, Tensor)
assert_type(float(t.sum()), float)
assert_type(dg.mse(x, 0.0).backward(), float)
assert_type(np.float32(2) + x, Signal)
assert_type(2.0 - t, Tensor)
for row in t:
    assert_type(row, Tensor)

# A Tensor and a Signal give a Signal or a SignalTensor, as their shapes are: both names fit.
lanes: SignalTensor = t * x
alone: Signal = Tensor(2.0) * x
first: Signal = lanes[0]
rest: SignalTensor = lanes[1:]
summed: Signal = lanes.sum(axis=0)
stacked: SignalTensor = dg.stack([x, x])
partials: SignalTensor = Signal.phasor(t)
moving: SignalTensor = x.biquad(t)
delayed: SignalTensor = t.delay(3)
samples: Signal = Signal.from_samples([1.0])
sines: SignalTensor = (x.reshape(1, 1) * partials).transpose().softmax()
left, right = lanes
for lane in lanes:
    loud: Signal = lane.biquad(1000)
echo: Signal = dg.feedback(lambda prev: x + 0.5 * prev.onepole(0.3), init=0.0)
p, q = dg.feedback(lambda s: (s[0] + x, s[1] * 0.5), init=(0.0, 0.0))
both = dg.feedback(lambda s: {"a": s["a"] + x}, init={"a": 0.0})
one: Signal = both["a"]


def voice(freq: Signal | Tensor, level: Signal) -> Signal | SignalTensor:
    return Signal.phasor(freq).sin() * level


def shaped(x: Tensor | Signal | SignalTensor) -> Tensor | Signal | SignalTensor:
    return (x.sin() * 2 + 1).softmax().transpose()


error = dg.mse(voice(level, level), 0.0)
optimizer = Adam([level, t], lr=0.1)
Adam({"level": level}.values())
Adam(p for p in [level, t])
for _ in range(3):
    print(f"{error.backward(frames=10):.3f}", optimizer, optimizer.lr)
    optimizer.step()
    optimizer.zero_grad()
block = x.realize(64, preserve_state=True)
print(block.mean(), np.mean(t), np.asarray(t), t.numpy() + 1, t.item(), t.tolist(), level.value, x.shape)
print(dg.realize(x, t)[0].shape)
level.value = 0.25
t.value = [0.5, 0.6]
with DGen.override(sample_rate=16000, inputs={0: block}):
    DGen.backend, DGen.sample_rate, DGen.inputs[1] = "cpu", np.float32(48000), block
DGen.inputs = {0: block}
fn = dg.function({"out": echo}, params={"level": level})
outputs, state = fn(fn.params, {}, frames=3)
x.load_state(x.save_state())
print(x.program(), x.plan(frames=3), x.plot("spectrum"), display.plot(block, 44100))
player = dg.load("voice.dgen")
player.params["level"] = 0.5
print(player.process(block), player.position)
"""


def right():
    """Files that are right: the chain, examples, README, and docstrings."""
    parser = doctest.DocTestParser()

    def code(text):
        return "".join(e.source for e in parser.get_examples(text) if not e.exc_msg)

    blocks = [code(text) if text.startswith(">>>") else text for _, text in test_docs.blocks("python")]
    readme = "\n".join([*blocks, *test_docs.cells()])
    shown = {where: code(text) for where, text in test_docs.DOCSTRINGS.items()}
    bodies = [
        f"def f{i}():  # {where}\n{textwrap.indent(text, '    ')}" for i, (where, text) in enumerate(shown.items()) if text
    ]
    docs = "\n".join(["import numpy as np, optax", "import dgenlazy as dg", "from dgenlazy import *", *bodies])
    examples = {path.name: path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))}
    return {"chain.py": CHAIN, "readme.py": readme, "docs.py": docs, **examples}


def test_what_is_right_has_no_errors(errors):
    for name in errors.keys() - {"mistakes.py"}:
        # In the README, read as one file, names stand for one thing after another.
        assert [e for e in errors[name] if not (name == "readme.py" and "refers to itself" in e[2])] == [], name


def test_the_package_is_typed_throughout(tmp_path):
    found = pyright("--ignoreexternal", "--verifytypes", "dgenlazy", folder=tmp_path)["typeCompleteness"]
    assert found["completenessScore"] > 0.95
