"""Graphs as C: equal to the streamed step and to `realize`, without a word from compilers and sanitizers."""

import copy
import ctypes
import itertools
import pickle
import re
import shutil
import subprocess
import warnings
import zlib

import cases
import contract
import jax
import numpy as np
import pytest
import references as ref
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import DGen, Signal, SignalTensor, Tensor
from dgenlazy.graph import Data
from dgenlazy.run import stage
from dgenlazy.ship import native

pytestmark = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="there is no gcc")

FIRST = {c.op: c for c in reversed(cases.TABLE)}
TABLE = [c for c in cases.TABLE if THOROUGH or FIRST[c.op] is c]
PARTS = 32 if THOROUGH else 4
QUICK = ("-O1", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")
STEEP = {"fm(100, 1.4, 30.0)": 2.0}  # a sine of 30 sines: of the inner one, each has its own last place
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")


def built(folder, texts, *flags, compiler="gcc", std="-std=c99"):
    """One shared library of many files."""
    files = []
    for i, text in enumerate(texts):
        files.append(folder / f"{i}.{'c' if compiler == 'gcc' else 'cpp'}")
        files[-1].write_text(text)
    out = folder / f"{compiler}.so"
    command = [compiler, std, *(flags or QUICK), *STRICT, "-shared", "-fPIC", *map(str, files), "-o", str(out), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    return out


class Instance:
    """One struct of a file, run by ctypes."""

    def __init__(self, library, made):
        self.library, self.made = library, made
        types = [(f.name, "int32" if f.dtype == "bool" else f.dtype, f.shape) for f in made.file.fields]
        self.memory = np.zeros((), np.dtype(types, align=True))
        assert self.call("init", ctypes.c_double(made.rate)) == 0

    def call(self, name, *args):
        return self.library[f"{self.made.name}_{name}"](ctypes.c_void_p(self.memory.ctypes.data), *args)

    def process(self, inputs, frames):
        """The outputs of a block, as planar channels."""
        channels = [np.ascontiguousarray(np.reshape(x, (frames, int(np.prod(x.shape[1:])))).T, np.float32) for x in inputs]
        made = np.full((sum(v.size for v in self.made.step.outputs), frames), 7.0, np.float32)
        self.call("process", pointers([r for x in channels for r in x]), pointers(made), frames)
        return made

    def run(self, inputs, frames, cuts):
        """The same in blocks, `(frames, channels)`."""
        at = [0, *cuts, frames]
        parts = [self.process([x[a:b] for x in inputs], b - a) for a, b in itertools.pairwise(at)]
        return np.concatenate(parts, axis=1).T


def pointers(rows):
    pointer = ctypes.POINTER(ctypes.c_float)
    return (pointer * max(len(rows), 1))(*[row.ctypes.data_as(pointer) for row in rows])


def distance(got, want):
    """The largest, relative to 1 or to what is wanted; infinite where one is NaN."""
    with np.errstate(all="ignore"):
        same = (got == want) | (np.isnan(got) & np.isnan(want))
        return np.nan_to_num(np.where(same, 0, np.abs(got - want) / np.maximum(1, np.abs(want))), nan=np.inf).max(initial=0)


def value_of(case):
    random = np.random.default_rng(zlib.crc32(case.id.encode()))
    inputs = ref.over(case.inputs, lambda x: x.draw(random) if isinstance(x, cases.Drawn) else x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (case.call or case.op)(*inputs, **case.params)


def stepped(value, samples, frames):
    """What the step gives, frame after frame, where it is one."""
    program, leaves = stage([value.node])
    ways = contract.Ways(program, frames, cases.RATE).all()
    if "frame by frame" not in ways:
        return None
    return np.asarray(jax.jit(ways["frame by frame"])([contract._data(leaf, samples, frames) for leaf in leaves])[0])


def shippable(case):
    value = value_of(case)
    slow = value.hop not in (None, 1)
    return value.size and not slow and not value.program().sees_whole_run


@pytest.mark.parametrize("part", range(PARTS))
def test_every_op_in_c_equals_the_streamed_step_and_realize(part, tmp_path):
    DGen.sample_rate = cases.RATE
    chosen = [c for c in TABLE[part::PARTS] if shippable(c)]
    values = [value_of(c) for c in chosen]
    made = [native.source(value, None, f"g{i}") for i, value in enumerate(values)]
    library = ctypes.CDLL(str(built(tmp_path, [m.file.text for m in made])))
    wrong = {}
    for case, value, m in zip(chosen, values, made):
        samples, latency = case.options.get("samples", {}), m.step.program.latency
        held = [leaf.frames for leaf in stage([value.node])[1] if isinstance(leaf, Data) and leaf.spec.varies]
        frames = min([case.options.get("frames") or contract.FRAMES, *held])
        random = np.random.default_rng(zlib.crc32(case.id.encode()))
        given = [np.asarray(samples[n], np.float32)[:frames] for n in m.step.channels]
        given = [np.concatenate([x, np.zeros((latency, *x.shape[1:]), np.float32)]) for x in given]
        cuts = np.sort(random.integers(0, frames + latency + 1, 3)).tolist()
        got = Instance(library, m).run(given, frames + latency, cuts)[latency:].reshape(frames, *value.shape)
        whole = value.realize(frames, inputs=samples or None)
        step = None if latency else stepped(value, samples, frames)
        for want, tol in ((whole, 1e-5), (step, 1e-6)):
            if want is not None:
                want = np.broadcast_to(want, got.shape)
                off = distance(got, want)
                if case.op is Signal.phasor:  # 0.9999999 is next to 0
                    off = min(off, distance((got - want + 0.5) % 1, np.float32(0.5)))
                if off > tol * STEEP.get(case.id, 1.0):
                    wrong[case.id] = float(off), tol
    assert not wrong


WILDEST = [
    np.nan,
    np.inf,
    -np.inf,
    0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -3,
    1e4,
    -1e4,
    3e8,
    -3e9,
    1e-3,
    1e30,
    88.7,
    89,
    -87,
    -104,
    1e-37,
]
UNARY = "abs sign floor ceil round exp log log10 sqrt tan tanh relu sigmoid sinh cosh gelu softplus softsign isfinite"


def test_edges_of_arithmetic_that_come_in_are_those_of_realize(tmp_path, monkeypatch):
    monkeypatch.setenv("DGENLAZY_CACHE", str(tmp_path))
    a, b = (np.ravel(x).astype(np.float32) for x in np.meshgrid(WILDEST, WILDEST))
    x, y = Signal.input(0), Signal.input(1)
    ops = {name: getattr(dg, name)(x) for name in UNARY.split()}
    ops |= {"mod": x % y, "div": x / y, "floor_divide": x // y, "pow": x**y, "min": dg.min(x, y), "max": dg.max(x, y)}
    ops |= {"atan2": dg.atan2(x, y), "less": x < y, "where": dg.where(x > 0, x, y), "clip": dg.clip(x, -1.0, y)}
    ops |= {"sin": dg.sin(x.clip(-1e9, 1e9)), "cos": dg.cos(x.clip(-1e9, 1e9)), "phasor": Signal.phasor(x)}
    ops |= {"peek_row": Tensor(np.arange(8.0)).peek_row(x), "delay": Signal.constant(1.0).delay(x, max_delay=16)}
    got = dg.compile(ops).process({0: a, 1: b})
    want = dg.realize(*ops.values(), frames=len(a), inputs={0: a, 1: b})
    wrong = {name: distance(got[name], w) for name, w in zip(ops, want) if distance(got[name], w) > 1e-6}
    assert not wrong


def test_what_comes_in_may_be_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("DGENLAZY_CACHE", str(tmp_path))
    x, y, weights = Signal.input(0, shape=(0,)), Signal.input(1), Tensor(np.zeros((2, 0)))
    ops = {"sum": x.sum() + y, "sums": Signal.input(2, shape=(2, 0)).sum(1) + y, "product": weights @ x + y}
    ops |= {"joined": dg.concat([x, dg.stack([y])]), "of none": dg.stack([y])[:0].sum() + y, "nothing": x * 2.0, "one": y}
    ops |= {"mean": (x * y).sum() + 1.0, "all": x.reshape((0, 3)).sum() * y, "turned": x.reshape((3, 0)).sum(1) + y}
    given = {0: np.zeros((4, 0)), 1: np.arange(4.0), 2: np.zeros((4, 2, 0))}
    got = dg.compile(ops, params={"w": weights}).process(given)
    want = dg.realize(*ops.values(), inputs=given)
    for name, w in zip(ops, want):
        np.testing.assert_array_equal(got[name], w, name)


# Whole instruments.


def graphs():
    """What examples play: `(outputs, params, inputs)`, inputs for 4096 frames."""
    for module in ("matplotlib", "tqdm"):
        pytest.importorskip(module, reason="the extras `train` and `notebook` are not installed")
    import live
    import neural_synthesis
    import voice_data
    import voice_model

    noise = np.random.default_rng(1).uniform(-1, 1, 4096).astype(np.float32)
    cutoff, q = Signal.param(500.0, min=20.0, max=20000.0), Signal.param(0.7, min=0.3, max=10.0)
    yield "filter", Signal.input(0).biquad(cutoff, q), {"cutoff": cutoff, "q": q}, [noise]
    y, cutoff = live.instrument()
    yield "live", y, {"cutoff": cutoff}, [noise * (np.arange(4096) < 240) * 0.5] * 5
    f0 = Tensor(220.0)
    y, _, weights = neural_synthesis.synthesizer(f0)
    yield "neural", y, {"f0": f0, **{f"w{i}": w for i, w in enumerate(weights)}}, []
    learned = voice_model.parameters(0)
    features = Tensor(np.random.default_rng(0).uniform(-1, 1, (9, voice_data.FEATURES)))
    f0 = Tensor(np.full(9, 180.0))
    y = voice_model.synthesizer(learned, features, f0, Signal.input(0))
    yield "voice", y, {"features": features, "f0": f0, **learned}, [np.linspace(0, 8, 4096, dtype=np.float32)]
    y = [(Signal.phasor(Tensor(55.0 * np.arange(1, 17))) * (2 * np.pi)).sin(), Signal.noise() + Signal.noise(seed=3)]
    yield "bank", y, {}, []
    spectrum = Signal.input(0).stft(64)
    yield "spectrum", spectrum.istft() * 0.5, {}, [noise]
    yield "swapped", [Signal.input(2), Signal.input(0)], {}, [noise, -noise]


@pytest.fixture(scope="module")
def instruments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    with DGen.override(sample_rate=44100.0, default_frame_count=4096):
        found = list(graphs())
        made = [native.source(y, params, name) for name, y, params, _ in found]
    library = built(folder, [m.file.text for m in made], *native.FLAGS[1:])
    return folder, library, [(m, y, inputs) for m, (_, y, _, inputs) in zip(made, found)]


def test_instruments_of_the_examples_are_the_same_in_blocks_of_any_length_and_two_at_a_time(instruments):
    _, library, found = instruments
    library = ctypes.CDLL(str(library))
    for made, outputs, inputs in found:
        latency, frames = made.step.program.latency, 4096
        channels = dict(zip(made.step.channels, inputs))
        outputs = outputs if isinstance(outputs, list) else [outputs]
        want = dg.realize(*outputs, frames=frames, inputs=channels or None)
        want = [want] if len(outputs) == 1 and isinstance(want, np.ndarray) else want
        want = np.concatenate([x.reshape(frames, -1) for x in want], axis=1)
        first = Instance(library, made).run(inputs, frames, ())
        assert distance(first[latency:], want[: frames - latency]) < 1e-4, made.name  # loops give back what rounding leaves
        for length in (1, 7, 64, 1000):
            one, other = Instance(library, made), Instance(library, made)
            parts = []
            for at in range(0, frames, length):
                block = [x[at : at + length] for x in inputs]
                count = min(length, frames - at)
                parts.append(one.process(block, count))
                other.process([-x for x in block], count)
            np.testing.assert_array_equal(np.concatenate(parts, axis=1).T, first, made.name)


def test_noise_and_phase_are_the_same_to_the_bit():
    y = {"noise": Signal.noise() + 0, "seeded": Signal.noise(seed=5, shape=[3]), "phase": Signal.phasor(Tensor([440.1, 3.7]))}
    want = dg.realize(*y.values(), frames=3000)
    for got, whole in zip(dg.compile(y).process(frames=3000).values(), want):
        np.testing.assert_array_equal(got, whole)


def test_two_instances_differ_if_their_seeds_do(tmp_path):
    made = native.source([Signal.noise(), Signal.noise(seed=1)], None, "two")
    library = ctypes.CDLL(str(built(tmp_path, [made.file.text])))
    one, other = Instance(library, made), Instance(library, made)
    other.memory["seed"] = 1
    other.call("prepare")
    a, b = one.process([], 8), other.process([], 8)
    assert (a[0] != b[0]).all()
    np.testing.assert_array_equal(a[1], b[1])


def test_inputs_and_outputs_may_be_the_same_memory(tmp_path):
    made = native.source([Signal.input(1), Signal.input(0).onepole(0.5)], None, "inplace")
    library = ctypes.CDLL(str(built(tmp_path, [made.file.text])))
    buffers = np.random.default_rng(0).standard_normal((2, 16)).astype(np.float32)
    want = Instance(library, made).process(list(buffers), 16)
    Instance(library, made).call("process", pointers(buffers), pointers(buffers), 16)
    np.testing.assert_array_equal(buffers, want)


def test_a_rate_that_the_file_is_not_for_is_refused(tmp_path):
    made = native.source(Signal.phasor(100.0), None, "rate", sample_rates=[8000])
    library = ctypes.CDLL(str(built(tmp_path, [made.file.text])))
    instance = Instance(library, made)
    assert instance.call("init", ctypes.c_double(44100.0)) == 1
    np.testing.assert_allclose(instance.process([], 3)[0], [0, 0.0125, 0.025], atol=1e-7)


def test_cpp_takes_every_file_without_a_warning(instruments):
    folder, _, found = instruments
    built(folder, [made.file.text for made, _, _ in found], "-O2", compiler="g++", std="-std=c++11")


def test_files_call_nothing_but_functions_of_math_and_of_memory(instruments):
    _, library, _ = instruments
    symbols = subprocess.run(["nm", "-u", str(library)], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1].split("@")[0] for line in symbols.splitlines()}
    names -= {name for name in names if name.startswith(("_ITM", "__gmon", "__cxa_finalize", "__stack_chk_fail"))}
    functions = (
        "sin cos tan exp expm1 exp2 log log1p log2 pow fmod tanh sinh cosh atan2 sqrt floor ceil rint round erf erfc cbrt"
    )
    allowed = {f"{f}f" for f in functions.split()} | {"memset", "memcpy", "memmove"}
    assert names <= allowed


WILD = """
#include <math.h>
#include <stdio.h>
{declared}
static const float wild[] = {{NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0.0f, -0.0f, 4e9f, -4e9f, 1e-42f, 0.5f, 3.0f}};
static float in[{inputs}][256], out[{outputs}][256];
int main(void) {{
    const float *inputs[{inputs}]; float *outputs[{outputs}];
    for (int c = 0; c < {inputs}; c++) {{
        for (int n = 0; n < 256; n++) in[c][n] = wild[(n * 7 + c) % 12];
        inputs[c] = in[c];
    }}
    for (int c = 0; c < {outputs}; c++) outputs[c] = out[c];
{calls}
    return 0;
}}
"""
PLAYED = """    {{ static {name}_t self; if ({name}_init(&self, {rate!r})) return 1;
      {name}_process(&self, inputs, outputs, 150); {name}_process(&self, inputs, outputs, 0);
      for (const {name}_parameter_t *p = {name}_parameters; p->name; p++)
          for (int i = 0; i < p->length; i++) ((float *)((char *)&self + p->offset))[i] = wild[i % 12];
      {name}_prepare(&self); {name}_process(&self, inputs, outputs, 50);
      {name}_reset(&self); {name}_process(&self, inputs, outputs, 56); }}"""


def sanitized(made, folder):
    """Run what comes in as wild numbers, and then such parameters, through one program with sanitizers; what they say."""
    width = max(256, *(sum(v.size for v in m.step.outputs) for m in made))
    heads = []
    for m in made:
        text = m.file.text
        (folder / f"{m.name}.c").write_text(text)
        for kind in (f"{m.name}_parameter_t", f"{m.name}_t"):
            heads += re.findall(rf"typedef struct {kind} \{{[\s\S]*?\}} {kind};", text)
        functions = re.findall(rf"^(?:void|int) {m.name}_\w+\(.*\)(?= \{{)", text, re.MULTILINE)
        heads += [f.replace("DG_RESTRICT ", "") + ";" for f in functions]
        heads.append(f"extern const {m.name}_parameter_t {m.name}_parameters[];")
    calls = "\n".join(PLAYED.format(name=m.name, rate=m.rate) for m in made)
    declared = "\n".join(["#include <stdint.h>", *heads])
    (folder / "main.c").write_text(WILD.format(declared=declared, inputs=width, outputs=width, calls=calls))
    sources = [str(folder / f"{name}.c") for name in ("main", *(m.name for m in made))]
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
    command = ["gcc", "-std=c99", *flags, *sources, "-o", str(folder / "main"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "cannot find" in done.stderr and "san" in done.stderr:
        pytest.skip("gcc has no sanitizers here")
    assert done.returncode == 0, done.stderr
    run = subprocess.run([str(folder / "main")], capture_output=True, text=True)
    return run.stderr[:2000] or f"it ended with {run.returncode}" * (run.returncode != 0)


def test_sanitizers_are_silent_whatever_comes_in(instruments, tmp_path):
    _, _, found = instruments
    x = Signal.input(0)
    table = Tensor(np.arange(8.0))
    wild = [
        x.delay(x * 50, max_delay=32),
        x.comb(x, 0.5, max_delay=16),
        table.peek_row(x),
        Signal.phasor(x * 1e9),
        dg.stack([x, x * 2]).svf(x * 1e6, q=2.0),
        x // 0.0 + x % 0.0,
        (x * 1e20).sin() + x.exp() + x.log(),
        x.fir(np.ones(20)),
        dg.stack([x, x * 2]).fir(np.ones((700, 2))),
    ]
    made = [m for m, _, _ in found] + [native.source(y, None, f"wild{i}") for i, y in enumerate(wild)]
    assert not sanitized(made, tmp_path)


def with_inputs(case):
    """A case of the table whose random data is inputs, where it has frames, and parameters."""
    random, channels, params = np.random.default_rng(0), itertools.count(64), {}

    def given(x):
        x = x.draw(random) if isinstance(x, cases.Drawn) else x
        if not isinstance(x, (Tensor, Signal, SignalTensor)) or not isinstance(x.node, Data) or x.node.spec.dtype != np.float32:
            return x
        if x.node.spec.varies:
            return Signal.input(next(channels), x.shape).downsample(x.hop)
        params[f"p{len(params)}"] = x
        return x

    value = (case.call or case.op)(*ref.over(case.inputs, given), **case.params)
    reached = set(stage([value.node])[1])
    return value, {name: x for name, x in params.items() if x.node in reached}


@pytest.mark.skipif(not THOROUGH, reason="ten minutes; DGENLAZY_EVERY=1")
@pytest.mark.parametrize("part", range(PARTS))
def test_sanitizers_are_silent_in_every_op_whatever_comes_in(part, tmp_path):
    DGen.sample_rate = cases.RATE
    made = []
    for i, case in enumerate(c for c in TABLE[part::PARTS] if shippable(c)):
        value, params = with_inputs(case)
        made.append(native.source(value, params, f"g{i}"))
    assert not sanitized(made, tmp_path)


# What is refused, and what a file says.


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda path: dg.export(dg.spectral_loss(Signal.input(0), Signal.input(1)), path), "spectral_loss sees the whole run"),
        (lambda path: dg.export(Signal.input(0), path, frames=4), "takes no frames=4"),
        (lambda path: dg.export(Signal.input(0), path, gradient=True), "takes no gradient=True"),
        (lambda path: dg.export(Signal.input(0), path, name="int"), "'int' is no identifier"),
        (lambda path: dg.export(Signal.input(0), path, name="a b"), "'a b' is no identifier"),
        (lambda path: dg.export(Tensor(1.0), path, params={"1x": Tensor(1.0)}), "'1x' is no identifier"),
        (lambda path: dg.export(Signal.input(0), path, units={"gain": "dB"}), "units: 'gain' is none of no params"),
        (lambda path: dg.export(Signal.input(0), path, math="fast"), "math='fast' is not one of inline, libm"),
        (lambda path: dg.export(Signal.input(0).downsample(4), path), "an output has a value every 4 frames"),
        (lambda path: dg.export(Signal.from_samples(np.ones((2, 3)), batched=True), path), "batched"),
        (lambda path: dg.export(dg.from_jax(lambda x: jax.scipy.special.gammaln(x))(Signal.input(0)), path), "lgamma"),
        (lambda path: dg.export(Signal.input(0), path.replace(".c", ".dgen"), units={}), "a .dgen file takes no units"),
    ],
)  # fmt: skip
def test_what_has_no_form_in_c_is_named(ask, says, tmp_path):
    file = tmp_path / "graph.c"
    file.write_text("old")
    with pytest.raises(dg.ArgumentError, match=re.escape(says)):
        ask(str(file))
    assert file.read_text() == "old"


READER = r"""
#include "my-voice.c"
#include <stdio.h>
int main(void) {
    static my_voice_t v;
    if (my_voice_init(&v, 44100)) return 1;
    for (const my_voice_parameter_t *p = my_voice_parameters; p->name; p++) {
        const float now = *(float *)((char *)&v + p->offset);
        printf("%s %d %g %g %g %s %g\n", p->name, p->length, p->min, p->max, p->initial[p->length - 1], p->unit, now);
    }
    printf("%d %d %d\n", my_voice_inputs, my_voice_outputs, my_voice_latency);
    return v.cutoff != 800.0f;
}
"""


def test_a_file_has_a_table_of_its_parameters_and_a_digest(tmp_path):
    cutoff, gains = Signal.param(800.0, min=20.0, max=20000.0), Tensor([1.0, 2.0], requires_grad=True)
    y = {"low": Signal.input(3).biquad(cutoff) * gains, "dry": Signal.input(1)}
    given = {"params": {"cutoff": cutoff, "gains": gains}, "units": {"cutoff": "Hz"}}
    digest = dg.export(y, tmp_path / "my-voice.c", **given)
    assert digest == dg.export(y, tmp_path / "again.c", name="my_voice", **given)
    main = tmp_path / "main.c"
    main.write_text(READER)
    subprocess.run(["gcc", "-std=c99", *STRICT, str(main), "-o", str(tmp_path / "main"), "-lm"], check=True)
    said = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["cutoff 1 20 20000 800 Hz 800", "gains 2 -inf inf 2  1", "2 3 0"]


# Played in this process.


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DGENLAZY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_player_follows_the_stream_and_its_knobs(cache):
    cutoff = Signal.param(0.5, min=0.0, max=1.0)
    y = Signal.input(0).onepole(cutoff)
    player, noise = dg.compile(y, params={"c": cutoff}), np.random.default_rng(0).standard_normal(100).astype(np.float32)
    dg.compile(y, params={"c": cutoff})
    assert len(list(cache.iterdir())) == 1
    for at, c in ((0, 0.5), (30, 0.1), (60, 0.9)):
        player.params["c"] = cutoff.value = c
        block = noise[at : at + 30]
        np.testing.assert_allclose(player.process(block), y.realize(30, inputs={0: block}, preserve_state=True), atol=1e-6)
    assert player.position == 90
    with pytest.raises(dg.ArgumentError, match="not inside"):
        player.params["c"] = 2.0


def test_a_player_goes_on_from_a_copy_a_pickle_and_a_state(cache):
    player = dg.compile({"b": Signal.input(0).accum(), "a": Tensor([1.0, 2.0])})
    player.process(np.ones(3))
    kept = player.state
    for other in (copy.deepcopy(player), pickle.loads(pickle.dumps(player))):
        np.testing.assert_array_equal(other.process(np.ones(2))["b"], [4, 5])
    out, after = player.call({}, {"0": np.ones(2)}, kept)
    np.testing.assert_array_equal(out["b"], [4, 5])
    assert list(out) == ["b", "a"]
    assert int(after[0]) == 5
    assert player.position == 3
    player.reset()
    np.testing.assert_array_equal(player.process(np.ones(2))["b"], [1, 2])
    player.state = kept
    np.testing.assert_array_equal(player.process(np.ones(1))["b"], [4])
    np.testing.assert_array_equal(player.process(np.ones(0))["a"], [1, 2])
    assert dg.compile(Signal.input(0, shape=[2])).process(np.ones((0, 2))).shape == (0, 2)


def test_what_a_player_gave_and_was_given_is_not_touched_by_later_blocks(cache):
    x = Signal.input(0, shape=[2])
    player = dg.compile({"sum": x.sum(), "one": x[:1] * 2.0, "both": x + 1.0})
    kept = []
    for frames in (3, 1, 0, 100, 9000, 64):  # also longer than those before, and than what is kept
        block = np.random.default_rng(frames).standard_normal((frames, 2)).astype(np.float32)
        kept.append((block.copy(), player.process(block)))
        np.testing.assert_array_equal(block, kept[-1][0])
    for x, got in kept:
        np.testing.assert_array_equal(got["sum"], x[:, 0] + x[:, 1])
        np.testing.assert_array_equal(got["one"], x[:, :1] * 2)
        np.testing.assert_array_equal(got["both"], x + 1)
    silent = dg.compile(Signal.phasor(100.0))
    assert [len(silent.process(frames=n)) for n in (0, np.int64(5), 3)] == [0, 5, 3]
    for wrong in (-1, 3.0, True):
        with pytest.raises(dg.ArgumentError, match="frames"):
            silent.process(frames=wrong)


def test_a_player_refuses_what_does_not_fit(cache):
    player = dg.compile(Signal.input(0) + Signal.input(2))
    with pytest.raises(dg.InputError, match="0, 2 are taken"):
        player.process({0: np.ones(2)})
    with pytest.raises(dg.InputError, match="2 and 3 frames"):
        player.process({0: np.ones(2), 2: np.ones(3)})
    with pytest.raises(dg.ShapeError, match=r"\(2, 2\), not \(frames\)"):
        player.process({0: np.ones((2, 2)), 2: np.ones(2)})
    with pytest.raises(dg.InputError, match="samples end at 2"):
        dg.compile(Signal.from_samples([1.0, 2.0])).process(frames=3)


def test_a_state_that_is_not_finite_begins_again_where_that_is_asked_for(cache):
    player = dg.compile(Signal.input(0).onepole(0.5))
    with DGen.override(flush_nan=True):
        player.process(np.array([np.nan]))
        np.testing.assert_array_equal(player.process(np.ones(1)), [0.5])
    assert player.restarts == 1


def test_a_compiler_that_is_not_there_is_named(cache, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(dg.BackendError, match=r"no-such-compiler.*pip install ziglang"):
        dg.compile(Signal.input(0) * 2)


def test_signal_tensors_are_channels(cache):
    x = Signal.input(0, shape=[2, 2])
    assert isinstance(x, SignalTensor)
    block = np.arange(12.0).reshape(3, 2, 2)
    np.testing.assert_array_equal(dg.compile(x.transpose()).process(block), block.transpose(0, 2, 1))
