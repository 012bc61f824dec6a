"""Every public op: what it is given, and the reference that it is held to. A new op is one more entry of `table`."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import contract
import effects_references as fx
import numpy as np
import references as ref
import scipy.signal
import scipy.special
import sounds
from contract import FRAMES
from references import each_frame, each_lane

import dgenlazy as dg
from dgenlazy import Signal, SignalTensor, Tensor
from dgenlazy.graph import outputs_of
from dgenlazy.ops import MODES, biquad_coefficients, resonator

Lazy = Tensor.__mro__[1]
RATE = 1000.0  # Hz
NAN, INF = np.nan, np.inf

# Inputs. Random ones are drawn when a case is checked, by the name of the case.


@dataclass(frozen=True)
class Drawn:
    """Random data: of a Tensor, a Signal, a SignalTensor or a constant Signal."""

    kind: str
    shape: tuple[int, ...] = ()
    low: float = -2.0
    high: float = 2.0
    hop: int = 1

    def draw(self, random):
        size = (-(-FRAMES // self.hop), *self.shape) if self.kind in ("Signal", "SignalTensor") else self.shape
        data = random.uniform(self.low, self.high, size)
        if self.hop > 1 and self.kind != "Tensor":
            return Signal.from_samples(data, hop=self.hop)
        make = {"Tensor": Tensor, "constant": Signal}.get(self.kind, Signal.from_samples)
        return make(data)


def tensor(*shape, low=-2.0, high=2.0):
    return Drawn("Tensor", shape, low, high)


def signal(*shape, low=-2.0, high=2.0):
    return Drawn("SignalTensor" if shape else "Signal", shape, low, high)


def ticks(hop, *shape):
    return Drawn("SignalTensor" if shape else "Signal", shape, hop=hop)


@dataclass(frozen=True)
class Case:
    """One op with one set of inputs. `options` are those of `check_op`."""

    op: Any
    inputs: tuple[Any, ...]
    reference: Any
    params: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    call: Callable[..., Any] | None = None  # how the op is called, where not as `op(*inputs, **params)`

    @property
    def id(self):
        given = [describe(x) for x in self.inputs] + [f"{k}={v}" for k, v in self.params.items()]
        return f"{NAMES.get(self.op, self.op)}({', '.join(given)}){' ' * bool(self.note)}{self.note}"

    def check(self):
        random = np.random.default_rng(zlib.crc32(self.id.encode()))
        inputs = ref.over(self.inputs, lambda x: x.draw(random) if isinstance(x, Drawn) else x)
        contract.check_op(
            self.call or self.op, *inputs, params=self.params, reference=self.reference, sample_rate=RATE, **self.options
        )


def describe(x):
    match x:
        case Drawn():
            return f"{x.kind}{list(x.shape) if x.shape else ''}{f' every {x.hop}' if x.hop > 1 else ''}"
        case list():
            return f"[{', '.join(map(describe, x))}]"
        case Lazy():
            return f"{type(x).__name__}{list(x.shape) if x.shape else ''}"
        case float() | int() | None:
            return str(x)
        case np.ndarray():
            return f"array{list(x.shape)}"
    return getattr(x, "__name__", type(x).__name__)


# Families. Each op of a family is run on every row of types; `domains` are the ranges of its arguments.

ROWS = [
    ("Signal", (), "Signal", (), "Signal", (), "Signal", ()),
    ("SignalTensor", (3,), "Signal", (), "Tensor", (2, 1), "constant", ()),
    ("Signal", (), "Tensor", (3,), "SignalTensor", (3,), "Tensor", (3,)),
    ("Tensor", (2, 3), "Tensor", (3,), "Tensor", (2, 1), "Tensor", ()),
    ("constant", (), "constant", (), "constant", (), "constant", ()),
]
EDGES = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -3.0, 1e4])


def rows(op, reference, *domains, rows=ROWS, still=(), **options):
    """A case for each row of types. Arguments in `still` cannot vary from frame to frame."""
    out, seen = [], set()
    for row in rows:
        kinds = [row[2 * i : 2 * i + 2] for i in range(len(domains))]
        kinds = [({"Signal": "constant", "SignalTensor": "Tensor"}.get(k, k), s) if i in still else (k, s)
                 for i, (k, s) in enumerate(kinds)]  # fmt: skip
        if not any(kind[0] in ("Signal", "SignalTensor") for kind in kinds) and len(kinds) > 1 and kinds[0][0] == "constant":
            continue
        if tuple(kinds) not in seen:
            seen.add(tuple(kinds))
            out.append(Case(op, tuple(Drawn(k, s, *d) for (k, s), d in zip(kinds, domains)), reference, **options))
    return out


def elementwise(op, reference, *domains, edges=EDGES, **options):
    """All rows, numbers and arrays on the right, and the edges of arithmetic against each other."""
    reference = each_frame(reference)
    domains = domains or ((-2.0, 2.0),)
    grid = [Tensor(x) for x in np.meshgrid(*[edges] * len(domains), sparse=True)]
    out = rows(op, reference, *domains, options=options)
    out.append(Case(op, tuple(grid), reference, options={**options, "wrt": ()}, note="edges"))
    if len(domains) == 2:
        number, array = domains[1][1] / 2, np.full(3, domains[1][1] / 2)
        out += [
            Case(op, (signal(low=domains[0][0], high=domains[0][1]), y), reference, options=options) for y in (number, array)
        ]
    return out


def framewise(op, reference, *shapes, low=-2.0, high=2.0, params={}, **rest):
    """On Tensors, on SignalTensors, and where there are two operands on one of each."""
    reference = each_frame(reference)
    given = {"T": tensor, "S": signal}
    patterns = {1: ("T", "S"), 2: ("TT", "SS", "TS", "ST"), 3: ("TTT", "STS")}[len(shapes)]
    return [
        Case(op, tuple(given[p](*s, low=low, high=high) for p, s in zip(pattern, shapes)), reference, params, **rest)
        for pattern in patterns
    ]


def memory(op, reference, *domains, edges=True, rows_=ROWS, params={}, still=(), call=None, note="", **options):
    """All rows lane by lane, and silence and NaN in the first argument."""
    options = {"signal": True, **options}
    common = {"params": params, "call": call}
    out = rows(op, reference, *domains, rows=rows_, still=still, options=options, note=note, **common)
    if edges:
        rest = out[0].inputs[1:]
        nan = np.where(np.arange(FRAMES) == 5, NAN, 1.0)
        silence = Case(op, (Signal.from_samples(np.zeros(FRAMES)), *rest), reference, options=options, note="silence", **common)
        broken = Case(op, (Signal.from_samples(nan), *rest), reference, options={**options, "wrt": ()}, note="NaN", **common)
        out += [silence, broken]
    return out


SAMPLES = {"silence": np.zeros(FRAMES), "NaN": np.where(np.arange(FRAMES) == 5, NAN, 1.0), "one frame": np.ones(1)}


def indexing(shape, *indices):
    for i in indices:
        for x in (tensor(*shape), signal(*shape)):
            yield Case(Lazy.__getitem__, (x,), each_frame(lambda x, i=i: x[i]), call=lambda x, i=i: x[i], note=f"[{i}]")


def joined(op, reference, *shapes, **params):
    """`op` takes a list."""
    for given in ([tensor] * 3, [signal] * 3, [tensor, signal, tensor]):
        yield Case(op, ([g(*s) for g, s in zip(given, shapes)],), each_frame(reference), params)


def loops():
    x, lanes = (np.random.default_rng(n).uniform(-1, 1, (FRAMES, *s)).astype(np.float32) for n, s in enumerate([(), (3,)]))

    def case(note, body, expected, init=0.0):
        return Case(dg.feedback, (body, init), lambda body, init: expected, options={"signal": True}, note=note)

    def loop(fn, x=x):
        """`y[n] = fn(n, y so far)`, with 0 before the start."""
        y = []
        for n in range(FRAMES):
            y.append(fn(n, lambda k, y=y: y[k] if k >= 0 else 0.0 * x[0]))
        return np.array(y)

    def smoothed():
        y, s = [], 0.0
        for n in range(FRAMES):
            s += 0.3 * ((y[-1] if y else 0.0) - s)
            y.append(x[n] + 0.5 * s)
        return y

    def echoes():
        y, s, t = [], [0.0], 0.0
        for n in range(FRAMES):
            s.append(s[-1] + 0.3 * ((y[-1] if y else 0.0) - s[-1]))
            t += 0.6 * ((s[-9] if len(s) > 9 else 0.0) - t)
            y.append(x[n] + 0.9 * t)
        return y

    def apart(n, y):
        past = [(1 - f) * y(n - 1 - k)[i] + f * y(n - 2 - k)[i] for i, (k, f) in enumerate(((8, 0.25), (9, 0.5), (10, 0.75)))]
        return lanes[n] + np.float32([0.3, 0.5, -0.7]) * np.array(past)

    def tail(n, y):
        return x[n] + 0.75 * y(n - 3) + 0.25 * y(n - 4)

    def shortened(body, init):
        short.value = 9.0
        out = dg.feedback(body, init)
        short.value = 2.25
        return out

    def pair():
        a, b, out = 0.3, 0.0, []
        for n in range(FRAMES):
            a, b = x[n] + 0.5 * b, a - 0.2 * b
            out.append(a * b)
        return out

    def moving(n, y):
        t = 2 + lanes[n, 0]
        k = int(np.floor(t))
        return x[n] + 0.5 * (y(n - 1 - k) + (t - k) * (y(n - 2 - k) - y(n - 1 - k)))

    s, st, gain = Signal.from_samples(x), Signal.from_samples(lanes), Tensor([0.3, 0.5, -0.7])
    time = Signal.from_samples(2 + lanes[:, 0])
    long, short = Tensor([8.25, 9.5, 10.75]), Tensor(9.0)

    def both(prev):
        return s + 0.5 * prev[1], prev[0] - 0.2 * prev[1]

    def product(body, init):
        a, b = dg.feedback(body, init)
        return a * b

    return [
        case("one pole", lambda p: s + 0.5 * p, loop(lambda n, y: x[n] + 0.5 * y(n - 1))),
        case("nonlinear", lambda p: (s + 2.0 * p).tanh(), loop(lambda n, y: np.tanh(x[n] + 2 * y(n - 1)))),
        case("lanes", lambda p: st + gain * p, loop(lambda n, y: lanes[n] + np.float32([0.3, 0.5, -0.7]) * y(n - 1), lanes)),
        case("a delay inside", lambda p: s + 0.5 * p.delay(3), loop(lambda n, y: x[n] + 0.5 * y(n - 4))),
        case("a moving delay inside", lambda p: s + 0.5 * p.delay(time, max_delay=4), loop(moving)),
        case("a long delay inside", lambda p: s - 0.7 * p.delay(8.5), loop(lambda n, y: x[n] - 0.35 * (y(n - 9) + y(n - 10)))),
        case("long delays of lanes", lambda p: st + gain * p.delay(long), loop(apart, lanes)),
        case("filters around a long delay", lambda p: s + 0.9 * p.onepole(0.3).delay(8).onepole(0.6), echoes()),
        replace(case("a delay that turned short", lambda p: s + p.delay(short), loop(tail)), call=shortened),
        case("a filter inside", lambda p: s + 0.5 * p.onepole(0.3), smoothed()),
        case("what does not depend on it", lambda p: s * 2.0, 2 * x),
        case("a first value that is learned", lambda p: 0.5 * p, loop(lambda n, y: np.full(1, 0.5 ** (n + 1))), Tensor([1.0])),
        replace(case("two values", both, pair(), (Tensor(0.3), 0.0)), call=product),
    ]


def spectra():
    def case(pred, target, note="", frames=None, mag_weight=None, **params):
        inputs = (replace(pred, low=-1, high=1), replace(target, low=-1, high=1))
        options = {"signal": False, "tol": 1e-4, "frames": frames}
        if mag_weight is None:
            return Case(dg.spectral_loss, inputs, ref.spectral_loss, params, options, note)
        call = lambda x, y, a, b, **params: dg.spectral_loss(x, y, mag_weight=a, log_weight=b, **params)  # noqa: E731
        reference = lambda x, y, a, b, **params: ref.spectral_loss(x, y, mag_weight=a, log_weight=b, **params)  # noqa: E731
        return Case(dg.spectral_loss, (*inputs, *mag_weight), reference, params, options, note, call)

    s, lanes = signal(), signal(3)
    return [
        case(s, s, window_size=8),
        case(s, s, "odd", window_size=7, hop=2),
        case(s, s, "several", window_size=(2, 3, 5, 8)),
        case(s, s, "hop beyond the window", window_size=3, hop=5),
        case(s, s, "hop of the run", window_size=4, hop=12),
        case(s, s, "one window", window_size=12),
        case(s, s, "shorter than the window", window_size=16, hop=4),
        case(s, s, "shorter than the window", window_size=15),
        case(s, s, "one frame", frames=1, window_size=4),
        case(s, s, "floor", window_size=6, log_eps=0.1),
        case(lanes, s, window_size=6, hop=1),
        case(lanes, tensor(3), window_size=5),
        case(tensor(3), signal(3), window_size=5),
        case(s, s, "weights", mag_weight=(Tensor(0.3), 2.0), window_size=6),
    ]


def losses():
    """Of the whole run, against definitions written down once more."""

    def case(op, inputs, reference, note="", frames=None, call=None, **params):
        inputs = tuple(replace(x, low=-1, high=1) for x in inputs)
        options = {"signal": False, "tol": 1e-4, "frames": frames, "gradient_tol": 1e-4}
        return Case(op, inputs, reference, params, options, note, call)

    s, lanes = signal(), signal(3)
    pairs = ((s, s), (lanes, lanes), (lanes, s), (tensor(3), lanes))
    of_samples = (dg.esr, dg.dc_loss, dg.log_cosh, dg.snr, dg.si_sdr, dg.sd_sdr)
    found = [case(op, pair, getattr(ref, op.__name__)) for op in of_samples for pair in pairs]
    found += [case(dg.log_cosh, (s, s), ref.log_cosh, a=7.0), case(dg.esr, (s, s), ref.esr, eps=0.5)]
    found += [case(op, (s, s), getattr(ref, op.__name__), "one frame", frames=1) for op in (dg.esr, dg.dc_loss, dg.log_cosh)]

    def auraloss(name, pair=(s, s), sizes=((8, 3, 6),), weights=(1.0, 1.0, 0.0), op=dg.stft_loss, mels=0, **how):
        roles = dict(zip(("fft_size", "hop_size", "win_length"), sizes[0]))
        if op is dg.multi_resolution_stft_loss:
            roles = dict(zip(("fft_sizes", "hop_sizes", "win_lengths"), zip(*sizes)))
        call = lambda x, y: op(x, y, **roles, **dict(zip(("w_sc", "w_log_mag", "w_lin_mag"), weights)), **how)  # noqa: E731
        known = {"window": "window", "mag_distance": "distance", "eps": "eps"}
        same = {known[k]: v for k, v in how.items() if k in known}
        reference = lambda x, y: ref.stft_loss(x, y, sizes, weights=weights, mels=mels, **same)  # noqa: E731
        return case(op, pair, reference, name, call=call)

    found += [auraloss(w, window=w) for w in ("hann", "hamming", "blackman", "bartlett", "kaiser")]
    found += [
        auraloss("odd", sizes=((7, 2, 4),)),
        auraloss("odd window", sizes=((8, 4, 5),)),
        auraloss("one", sizes=((20, 9, 20),)),
    ]
    found += [auraloss("mirrored repeatedly", sizes=((64, 9, 64),)), auraloss("live", live=True)]
    found += [auraloss("linear", weights=(0.0, 0.0, 2.0)), auraloss("squares", weights=(0.3, 1.0, 2.0), mag_distance="L2")]
    found += [auraloss("lanes", pair) for pair in pairs[1:]] + [auraloss("floor", eps=4.0)]
    found += [auraloss("mel", sizes=((16, 5, 16),), mels=m, scale="mel", n_bins=m) for m in (3, 12)]
    found += [auraloss("mel", sizes=((16, 5, 16),), mels=5, op=dg.mel_stft_loss, n_mels=5)]
    several = ((8, 3, 6), (4, 1, 4), (15, 6, 9))
    found += [auraloss("several", sizes=several, op=dg.multi_resolution_stft_loss)]
    lists = dict(zip(("fft_sizes", "hop_sizes", "win_lengths"), zip(*several)))
    both = lambda x, y: (ref.stft_loss(x.sum(1), y.sum(1), several)  # noqa: E731
                         + 3 * ref.stft_loss(x[:, 0] - x[:, 1], y[:, 0] - y[:, 1], several)) / 2  # fmt: skip
    stereo = dg.sum_and_difference_stft_loss
    found += [case(stereo, (signal(2),) * 2, both, call=lambda x, y: stereo(x, y, w_diff=3.0, **lists))]

    roles = ("mag_weight", "delta_time_weight", "delta_freq_weight", "cumsum_freq_weight", "logmag_weight")

    def ddsp(name, weights, pair=(s, s), sizes=(8, 6, 4), **how):
        op = dg.multi_scale_spectral_loss
        call = lambda x, y: op(x, y, sizes, **dict(zip(roles, weights)), **how)  # noqa: E731
        rest = {k: v for k, v in how.items() if k != "live"}
        return case(op, pair, lambda x, y: ref.multi_scale(x, y, sizes, weights, **rest), name, call=call)

    found += [ddsp(role, np.eye(5)[i].tolist()) for i, role in enumerate(roles)]
    # Of what rests, bins beside the first hold nothing but rounding, of which a logarithm is as large as can be.
    found += [ddsp("all", (1.0, 0.5, 0.25, 0.1, 1.0), pair, sizes=n) for pair in pairs[:3] for n in ((8, 6, 4), (7, 32), (2,))]
    found += [ddsp(f"log of {year}", (0.0, 0.0, 0.0, 0.0, 1.0), safe_log=year) for year in ("2019", "2020")]
    found += [ddsp("squares", (1.0, 1.0, 1.0, 0.1, 1.0), loss_type="L2"), ddsp("live", (1.0, 0.0, 0.0, 0.0, 1.0), live=True)]
    found += [case(dg.loudness_loss, pair, ref.loudness_loss) for pair in pairs]
    found += [case(dg.log_spectral_distance, pair, ref.log_spectral_distance, fft_size=6, hop=2) for pair in pairs[:3]]
    found += [case(dg.spectral_transport, pair, ref.spectral_transport, fft_size=8, hop=3) for pair in pairs]
    found += [case(dg.spectral_transport, (s, s), ref.spectral_transport, fft_size=7, hop=3, p=1.0)]
    return found


def constructors():
    x = np.random.default_rng(3).uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
    fixed = np.random.default_rng((0, 1, 7)).standard_normal((2, 3), np.float32)
    signals = {"signal": True}
    noises = [((), 5), ((), None), ((3,), 0), ((2, 2), 2**32 - 1)]
    return [
        *(Case(Tensor.zeros, (), lambda shape: np.zeros((1, *shape)), {"shape": s}) for s in ((), (2, 3), (0,))),
        Case(Tensor.ones, (), lambda shape: np.ones((1, *shape)), {"shape": (2, 3)}),
        Case(Tensor.param, ([0.5, 0.25],), lambda x, min, max: np.stack(x, -1).reshape(1, 2), {"min": 0.0, "max": 1.0}),
        Case(Tensor.full, (), lambda shape, value: np.full((1, *shape), value), {"shape": (2, 3), "value": 0.5}),
        Case(
            Tensor.arange,
            (),
            lambda start, stop, step: np.arange(start, stop, step)[None],
            {"start": 1, "stop": 3, "step": 0.5},
        ),
        Case(
            Tensor.linspace, (), lambda start, stop, num: np.linspace(start, stop, num)[None], {"start": 1, "stop": 3, "num": 5}
        ),
        Case(Tensor.randn, (), lambda shape, seed: fixed[None], {"shape": (2, 3), "seed": 7}),
        Case(Signal.constant, (0.5,), lambda x: x, options=signals),
        Case(Signal.param, (0.5,), lambda x: x, options=signals),
        Case(Signal.input, (), lambda channel: x[:, 0], {"channel": 1}, {**signals, "samples": {1: x[:, 0]}}),
        Case(Signal.from_samples, (x,), lambda _: x, options=signals),
        Case(Signal.from_samples, (x[:, 0],), lambda _: x[:, 0], options=signals),
        *(
            Case(
                Signal.noise,
                (),
                lambda seed, shape: ref.noise((0, *((0, 0) if seed is None else (1, seed))), FRAMES, shape),
                {"seed": seed, "shape": shape},
                {**signals, "exact": True, "tol": 1e-6},
            )
            for shape, seed in noises
        ),
    ]


def phasors():
    def reference(freq, reset=None):
        return each_lane(ref.phasor)(freq, np.zeros_like(freq) if reset is None else reset, sample_rate=RATE)

    options = {"signal": True, "exact": True, "circular": True, "tol": 1e-6}
    smooth = {**options, "eps": 1e-2, "gradient_tol": 1e-3}
    slow, resets = (20.0, 60.0), (-3.0, 1.0)
    out = rows(Signal.phasor, reference, slow, resets, options=smooth)
    out += rows(Signal.phasor, reference, slow, options=smooth)
    down = rows(Signal.phasor, reference, (-60.0, -20.0), resets, rows=ROWS[:2], options={**smooth}, note="downwards")
    folded = rows(Signal.phasor, reference, (-3000.0, 3000.0), resets, options={**options, "wrt": ()}, note="folded")
    every = Case(Signal.phasor, (signal(low=20, high=60), 1.0), reference, options=smooth, note="resets in every frame")
    exact = Case(Signal.phasor, (250.0,), reference, options={**smooth, "circular": False}, note="a whole number of cycles")
    still = Case(
        Signal.phasor, (Tensor([0.0, -0.0, 1000.0]),), reference, options={**smooth, "circular": False, "wrt": ()}, note="0 Hz"
    )
    return [*out, *down, *folded, every, exact, still]


def oscillators():
    """Frequencies that rest, move, come at a hop and go backwards; amplitudes for each lane; partials above half the rate."""

    def case(op, inputs, note="", wrt=None, **params):
        options = {"signal": True, "eps": 1e-3, "gradient_tol": 2e-3, "wrt": wrt}
        return Case(op, inputs, getattr(sounds, op.__name__), params, options, note)

    slow, low = signal(low=20, high=60), {"low": 20, "high": 60}
    edges = Tensor([499.5, 500.0, 1e4, -500.0, -499.5, 0.0])
    yield case(dg.oscillator_bank, (tensor(3, **low), signal(3)))
    yield case(dg.oscillator_bank, (signal(3, **low), 0.5))
    yield case(dg.oscillator_bank, (ticks(4, 3), signal(2, 1)), sum=False)
    yield case(dg.oscillator_bank, (edges, ticks(4, 6)), "edges", (1,), sum=False)
    yield case(dg.harmonic, (tensor(**low), signal(4)))
    yield case(dg.harmonic, (slow, tensor(4)))
    yield case(dg.harmonic, (signal(2, low=-60, high=-20), ticks(4, 2, 3)))
    yield case(dg.harmonic, (125.0, tensor(6)), "half the rate")
    yield case(dg.harmonic, (slow, signal(3), signal(3, low=-0.1, high=0.1)))
    yield case(dg.harmonic, (tensor(2, **low), tensor(3), tensor(3, low=0, high=0.1)))
    yield case(dg.harmonic, (slow, Tensor.zeros([0])), "no partials", (0,))
    for dist, f0 in ((signal(4, low=0.2), tensor(low=90, high=110)), (tensor(3), 600.0)):
        yield replace(case(dg.normalize_harmonics, (dist, f0)), options={"wrt": (0,) if f0 != 600.0 else ()})
    yield case(dg.fm, (tensor(**low), 2.0, signal(low=0, high=3)))
    yield case(dg.fm, (slow, signal(low=0.5, high=2), signal(low=-3, high=3)))
    yield case(dg.fm, (100, 1.4, 30.0))
    yield case(dg.wavetable, (signal(5, 2), tensor(**low)))
    yield case(dg.wavetable, (tensor(4), slow))
    yield case(dg.wavetable, (ticks(4, 3), -220.0))
    yield case(dg.wavetable, (tensor(1), slow), "one row")
    yield case(dg.pulse, (Tensor(41.3), tensor(2, low=0.2, high=0.8)))
    yield case(dg.pulse, (signal(low=41, high=41.5), signal(low=0.2, high=0.8)))
    for op in (dg.saw, dg.square, dg.triangle):
        yield case(op, (Tensor(41.3),))
        yield case(op, (Tensor([170.3, -41.3, 320.0]),))
        yield case(op, (signal(low=41, high=41.5),))


def samplers():
    """Speeds that are held, move, differ from lane to lane and go backwards, in loops and out of the table."""
    start, options = tensor(low=0, high=3), {"signal": True, "gradient_tol": 1e-4}
    for loop in (True, False):
        for table, speed in (
            (tensor(4), signal(low=-0.9, high=0.9)),
            (tensor(5, 2), tensor(3, low=-1, high=1)),
            (tensor(7), signal(2, low=0.1, high=0.9)),
            (tensor(1, 2), signal()),
        ):
            yield Case(dg.read, (table, speed, start), ref.read, {"loop": loop}, options)
        yield Case(dg.read, (tensor(6), 0.7), ref.read, {"loop": loop}, {**options, "wrt": (0,)})
        yield Case(
            dg.read, (tensor(3), -2, 1), ref.read, {"loop": loop}, {**options, "wrt": (0,), "frames": 1}, note="one frame"
        )


def biquads():
    """All of it for two modes; for the others, what differs: their coefficients."""
    domains = (50.0, 400.0), (0.5, 3.0), (-12.0, 12.0)

    def coefficients(cutoff, q, gain_db, mode):
        (b0, b1, b2), (_, a1, a2) = ref.cookbook(cutoff, q, gain_db, mode, RATE)
        return b0, 2 * b0 + b1, b0 + b1 + b2, 2 + a1, 1 + a1 + a2

    def together(*values, mode):
        nodes = outputs_of(biquad_coefficients(*(v.node for v in values), mode=mode))
        return dg.stack([Signal.wrap(node) for node in nodes])

    for mode in MODES:
        yield Case(biquad_coefficients, (signal(low=50, high=400), signal(low=0.5, high=3), signal(low=-12, high=12)),
                   each_frame(coefficients), {"mode": mode}, call=together)  # fmt: skip
    for mode, types in (("lowpass", ROWS[:4]), ("peak", ROWS[1:2])):
        yield from memory(
            dg.biquad,
            each_lane(lambda *x, mode=mode: ref.biquad(*x, mode, RATE)),
            (-1.0, 1.0),
            *domains,
            call=lambda x, cutoff, q, gain_db, mode=mode: dg.biquad(x, cutoff, q, mode, gain_db),
            edges=mode == "lowpass",
            rows_=types,
            note=mode,
        )


def svfs():
    domains = (-1.0, 1.0), (50.0, 400.0), (0.5, 3.0)
    for mode in resonator.MODES:
        moving = each_lane(lambda *x, mode=mode: ref.svf(*x, mode, RATE))
        still = each_lane(lambda *x, mode=mode: ref.svf_constant(*x, mode, RATE))
        yield Case(
            dg.svf, (signal(low=-1, high=1), 125.0, 2.5), still, {"mode": mode}, {"tol": 2e-5}, note="bilinear transform"
        )
        yield from rows(dg.svf, moving, *domains, rows=ROWS[:1], params={"mode": mode}, options={"signal": True})
    low = each_lane(lambda *x: ref.svf(*x, "lowpass", RATE))
    yield from memory(dg.svf, low, *domains, rows_=ROWS[1:])
    kept = each_lane(lambda x, c, q: ref.svf(x, np.clip(c, 1e-4, 499.0), np.maximum(q, 1e-3), "lowpass", RATE))
    outside = Tensor([-5.0, 0.0, 1e-3, 499.0, 1e9]), Tensor([1.0, 2.0, 0.0, 50.0, -1.0])
    yield Case(dg.svf, (signal(low=-1, high=1), *outside), kept, options={"tol": 1e-4, "wrt": (0,)}, note="extremes")
    yield Case(dg.svf, (signal(low=-1, high=1), 100.0, 2.0), low, options={"frames": 1}, note="one frame")


def lfilters():
    """Orders 0 to 8, coefficients that rest, that move and that differ by lane, and sections in series."""
    x = signal(low=-1, high=1)
    constant = ref.each_filter(lambda x, b, a: scipy.signal.lfilter(b[0], a[0], x))
    sections = ref.each_filter(lambda x, sos: scipy.signal.sosfilt(sos[0].copy(), x))
    for order, lanes in ((1, x), (2, signal(3, low=-1, high=1)), (3, x), (5, x), (8, x)):
        b, a = scipy.signal.butter(order, 0.3)
        yield Case(dg.lfilter, (lanes, Tensor(b), Tensor(2.5 * a)), constant, options={"tol": 2e-5}, note=f"order {order}")
    known = [scipy.signal.butter(4, 0.3), scipy.signal.ellip(5, 1, 40, 0.2), ([0.0, 0.0, 2.0, 1.0], [2.0, -1.0, 0.4, 0.2])]
    for b, a in known:
        for given in (x, signal(2, low=-1, high=1)):
            call = lambda x, b=b, a=a: x.lfilter(list(b), a)  # noqa: E731
            reference = ref.each_filter(lambda x, b=b, a=a: scipy.signal.lfilter(b, a, x))
            yield Case(dg.lfilter, (given,), reference, call=call, options={"tol": 2e-5}, note="numbers")
    for b, a in (([0.5], [2.0]), ([1.0, -0.5, 0.25], [1.0]), ([2.0], [1.0, 0.5, -0.2])):
        yield Case(dg.lfilter, (x, Tensor(b), Tensor(a)), constant, options={"signal": True}, note="unequal lengths")
    yield Case(
        dg.lfilter,
        (tensor(2), np.array([1.0, 0.5]), np.array([2.0, -1.0])),
        constant,
        options={"signal": True},
        note="a constant",
    )
    moving = signal(3), signal(2, low=0.5, high=1)
    yield Case(dg.lfilter, (x, *moving), ref.lfilter_moving, note="moving")
    apart = lambda x, b, a: np.stack([scipy.signal.lfilter(b[0, :, i], a[0, :, 0], x) for i in range(3)], 1)  # noqa: E731
    yield Case(dg.lfilter, (x, tensor(2, 3), tensor(2, 1, low=0.5, high=1)), apart, note="lanes of coefficients")
    sos = scipy.signal.butter(6, 0.3, output="sos")
    for given in (x, signal(2, 2, low=-1, high=1)):
        yield Case(dg.sosfilt, (given, Tensor(sos)), sections, options={"tol": 2e-5})
    by_lane = lambda x: np.stack([scipy.signal.sosfilt(k * sos * [1, 1, 1, k, k, k], x) for k in (1.0, -1.0)], 1)  # noqa: E731
    lanes = np.stack([sos, -sos * [1, 1, 1, -1, -1, -1]], 2)
    for given, reference in ((sos, lambda x: scipy.signal.sosfilt(sos, x)), (lanes, by_lane)):
        call = lambda x, given=given: x.sosfilt(given.tolist())  # noqa: E731
        yield Case(dg.sosfilt, (x,), reference, call=call, options={"tol": 2e-5}, note="numbers")
    scaled = lambda x, sos: sections(x, sos / sos[:, :, 3:4])  # noqa: E731
    yield Case(dg.sosfilt, (x, Tensor(sos[:1] * 3)), scaled, note="normalised")
    for op, given, reference in (
        (dg.lfilter, (Tensor([0.5, 0.2]), Tensor([1.0, -0.5])), constant),
        (dg.sosfilt, (Tensor(sos),), sections),
    ):
        for note, samples in SAMPLES.items():
            yield Case(op, (Signal.from_samples(samples), *given), reference, options={"wrt": (), "tol": 2e-5}, note=note)


def firs():
    """Taps that rest, that move, that differ by lane; more than frames; one; and what is transformed."""
    x, lanes = signal(low=-1, high=1), signal(3, low=-1, high=1)
    still = (x, tensor(4)), (lanes, tensor(4)), (x, tensor(4, 3)), (lanes, tensor(2, 3)), (x, tensor(1)), (x, tensor(20))
    for given, taps in still:
        yield Case(dg.fir, (given, taps), ref.fir)
    yield Case(dg.fir, (signal(2, low=-1, high=1), tensor(40)), ref.fir)
    yield Case(dg.fir, (tensor(2), tensor(3)), ref.fir, options={"signal": True})
    for given, taps in ((x, signal(4)), (lanes, signal(4)), (x, signal(2, 3)), (tensor(3), signal(2))):
        yield Case(dg.fir, (given, taps), ref.fir)
    yield Case(dg.fir, (x, signal(40)), ref.fir, note="many that move")
    held = lambda x, taps: ref.fir(x, np.repeat(taps, 4, 0)[: len(x)])  # noqa: E731
    yield Case(dg.fir, (x, ticks(4, 3)), held)
    for note, samples in SAMPLES.items():
        yield Case(dg.fir, (Signal.from_samples(samples), Tensor([0.5, 0.2])), ref.fir, options={"wrt": ()}, note=note)


def responses():
    """Rooms, and what shapes at a higher rate. `tests/test_reverb.py` and `tests/test_waveshape.py` hold them to more."""
    x, lanes = signal(low=-1, high=1), signal(2, low=-1, high=1)
    for given, ir in ((x, tensor(5)), (x, tensor(5, 2)), (lanes, tensor(20, 2))):
        yield Case(dg.convolve, (given, ir), ref.fir)
    for given in (x, lanes):
        reference = lambda x, decay, mix: ref.reverb(x, decay[0], mix, RATE)  # noqa: E731
        inputs = given, tensor(low=0.01, high=0.02), tensor(low=0.2, high=0.8)
        yield Case(dg.reverb, inputs, reference, call=lambda x, decay, mix: x.reverb(decay, mix, seed=3), options={"tol": 2e-5})
    shape = lambda x, **how: x.waveshape(lambda u: (2.0 * u).tanh(), **how)  # noqa: E731
    for given in (x, lanes):
        yield Case(dg.waveshape, (given,), lambda x, oversample: np.tanh(2 * x), {"oversample": 1}, call=shape)
    bent = lambda x, oversample: ref.waveshape(x, lambda u: np.tanh(2 * u), oversample)  # noqa: E731
    yield Case(dg.waveshape, (x,), bent, {"oversample": 2}, {"tol": 2e-5}, call=shape)


def ladders():
    domains = (-1.0, 1.0), (50.0, 400.0), (0.1, 0.9), (0.5, 3.0)
    yield from memory(dg.ladder, each_lane(lambda *x: ref.ladder(*x, RATE)), *domains, rows_=ROWS[:4])
    kept = each_lane(lambda x, c, r: ref.ladder(x, np.clip(c, 1e-4, 499.0), np.clip(r, 0.0, 1.1), np.ones_like(x), RATE))
    outside = Tensor([-5.0, 1e-3, 499.0, 1e9]), Tensor([1.2, -1.0, 1.0, 1.5])
    yield Case(dg.ladder, (signal(), *outside), kept, options={"tol": 1e-4, "wrt": (0,)}, note="extremes")
    yield Case(
        dg.ladder, (signal(), 100.0), each_lane(lambda x, c: ref.ladder(x, c, 0 * x, 0 * x + 1, RATE)), {}, {"frames": 1}
    )


def delays():
    def reference(x, time, max_delay=np.inf):
        return each_lane(ref.delay)(x, time, longest=max_delay)

    out = memory(dg.delay, reference, (-1.0, 1.0), (0.0, 7.0), params={"max_delay": 6})
    out.append(Case(dg.delay, (signal(), signal(3, low=-2, high=7)), reference, {"max_delay": 6}, note="kept inside"))
    for time in (0, 0.0, 0.25, 1, 3, 5.5, 20, 30.5):
        out.append(Case(dg.delay, (signal(3), time), reference, options={"signal": True}))
    out.append(Case(dg.delay, (signal(), tensor(3, low=0, high=12)), reference, options={"signal": True}, note="learned"))
    out += [Case(dg.delay, (signal(), signal()), reference, {"max_delay": m}, {"signal": True}) for m in (0, 0.5, 1)]
    return out


def reverbs():
    """Times that rest, learned or not; that move; and so long that the loop is run in blocks of 9 frames."""

    def combined(x, time, feedback=0.5, damping=0.0, max_delay=np.inf, min_delay=1.0):
        return each_lane(ref.comb)(x, np.clip(time, min_delay, max_delay), np.clip(feedback, -1, 1), np.asarray(damping))

    def passed(x, time, gain=0.5, max_delay=np.inf, min_delay=1.0):
        return each_lane(ref.allpass)(x, np.clip(time, min_delay, max_delay), np.clip(gain, -1, 1))

    for op, reference, ranges in (
        (dg.comb, combined, ((-0.9, 0.9), (0.0, 0.9))),
        (dg.allpass, passed, ((-0.9, 0.9),)),
    ):
        rest = [Drawn("Tensor", (2,), *r) for r in ranges]
        yield from memory(op, reference, (-1.0, 1.0), (0.5, 5.0), *ranges, rows_=ROWS[:2], params={"max_delay": 6})
        for x, time in ((signal(), 1), (signal(2), 2.5), (signal(), tensor(2, low=2, high=6)), (signal(), 40)):
            yield Case(op, (x, time, *rest), reference)
        for time in (10.5, tensor(2, low=9.0, high=11.9)):
            yield Case(op, (signal(), time, *rest), reference, {"min_delay": 10}, note="blocks")
        outside = 3, Tensor([1.0, -1.0, 7.0, -7.0])
        yield Case(op, (signal(), *outside), reference, options={"wrt": (0,)}, note="extremes")
        yield Case(op, (signal(), 3), reference, options={"frames": 1}, note="one frame")


def networks():
    """Lines that rest, that are learned and that move; shared input, one for each line, lanes of networks; blocks of 9."""

    def reference(x, time, matrix, gain=None, damping=None, max_delay=np.inf, min_delay=1.0):
        nothing = np.zeros(len(x))
        gain = nothing + 0.9 if gain is None else gain
        gain, damping = (g[:, None] if g.ndim == 1 else g for g in (gain, nothing if damping is None else damping))
        return ref.fdn(x, np.clip(time, min_delay, max_delay), matrix, gain, damping)

    turn, times = Tensor([[0.8, 0.6], [-0.6, 0.8]]), tensor(2, low=1.1, high=4)
    for x in (signal(), signal(2), signal(2, 2), tensor(2)):
        yield Case(dg.fdn, (x, times, turn), reference, options={"signal": True})
    yield Case(
        dg.fdn, (signal(), tensor(3, low=2, high=5), tensor(3, 3, low=-0.5, high=0.5), tensor(3, low=0, high=1), 0.3), reference
    )
    moving = signal(2, low=1.1, high=4), signal(2, 2, low=-0.7, high=0.7), signal(low=0, high=1), signal(low=0, high=0.9)
    yield Case(dg.fdn, (signal(), *moving), reference, {"max_delay": 5}, note="moving")
    for x in (signal(), Signal.from_samples(np.zeros(FRAMES))):
        yield Case(dg.fdn, (x, tensor(2, low=9, high=11), turn, 0.9, Tensor(0.2)), reference, {"min_delay": 10}, note="blocks")
    for note in ("NaN", "one frame"):
        yield Case(dg.fdn, (Signal.from_samples(SAMPLES[note]), times, turn), reference, options={"wrt": ()}, note=note)


def strings():
    """Periods of 2 to 7 frames, and of more than 10, in blocks of 8."""

    def reference(x, freq, decay=1.0, brightness=0.5, max_delay=None, min_delay=2):
        kept = np.clip(freq, RATE / max_delay, RATE / min_delay)
        decay, brightness = np.maximum(decay, 1e-6), np.clip(brightness, 0, 1)
        return each_lane(ref.karplus_strong)(x, kept, decay, brightness, sample_rate=RATE)

    short = (-1.0, 1.0), (150.0, 400.0), (0.01, 0.1), (0.1, 0.9)
    smooth = {"eps": 1e-5, "gradient_tol": 1e-4}
    yield from memory(dg.karplus_strong, reference, *short, rows_=ROWS[:3], params={"max_delay": 8}, **smooth)
    blocks = Case(
        dg.karplus_strong, (signal(), tensor(2, low=80, high=95), 0.1, 0.2), reference, {"max_delay": 16, "min_delay": 10}
    )
    outside = Tensor([250.0, 300.0, 1e5]), Tensor([0.0, -1.0, 5.0]), Tensor([2.0, -1.0, 0.5])
    yield from (
        replace(blocks, options=smooth, note="blocks"),
        Case(dg.karplus_strong, (signal(), 220.0), reference, {"max_delay": 8}, {"frames": 1}, note="one frame"),
        Case(
            dg.karplus_strong, (signal(), *outside), reference, {"max_delay": 8, "min_delay": 3}, {"wrt": ()}, note="extremes"
        ),
    )


def sweeps():
    """All that moves, lanes that are learned, and what is kept inside its range; times of a few frames at 1,000 Hz."""
    usual = {"rate": (5, 40), "depth_ms": (0.2, 1.4), "delay_ms": (2.6, 4), "feedback": (-0.8, 0.8), "mix": (0.1, 0.9)}
    usual |= {"low": (20, 90), "high": (100, 400)}
    beyond = {"rate": (-20, 20), "depth_ms": (-1, 2), "delay_ms": (-2, 1), "feedback": (-2, 2), "mix": (-1, 2)}
    beyond |= {"low": (-9, 9), "high": (300, 2000)}
    bounds = {"rate": (0, INF), "depth_ms": (0, 50), "delay_ms": (0, 50), "feedback": (-1, 1), "mix": (0, 1)}
    bounds |= {"low": (1, INF), "high": (1, INF)}
    for op, *names in (
        (dg.chorus, "rate", "depth_ms", "delay_ms", "mix"),
        (dg.flanger, "rate", "depth_ms", "delay_ms", "feedback", "mix"),
        (dg.vibrato, "rate", "depth_ms"),
        (dg.phaser, "rate", "low", "high", "feedback", "mix"),
    ):

        def case(x, *values, note="", op=op, names=names, **options):
            def reference(x, *values):
                values = [np.clip(v, *bounds[n]) for n, v in zip(names, values)]
                return getattr(fx, op.__name__)(x, *values, sample_rate=RATE)

            call = lambda x, *values: op(x, **dict(zip(names, values)))  # noqa: E731
            options = {"eps": 1e-5, "gradient_tol": 1e-4, "signal": True} | options
            return Case(op, (x, *values), each_lane(reference), options=options, note=note, call=call)

        drawn = lambda kind, ranges, *shape, names=names: [kind(*shape, low=ranges[n][0], high=ranges[n][1]) for n in names]  # noqa: E731
        every = (0, *range(2, len(names) + 1))  # a phase goes in steps, too large for small differences of the rate
        yield case(signal(), *drawn(signal, usual), wrt=every)
        yield case(signal(2), *drawn(tensor, usual, 2), wrt=every)
        yield case(signal(), *drawn(signal, beyond), note="extremes", wrt=(0,), tol=1e-4)
    slow = tensor(low=20, high=30), 0.2, 2.5
    sweep = each_lane(lambda x, *values: fx.chorus(x, *values, 0 * x + 0.5, RATE))
    yield Case(dg.chorus, (signal(), *slow), sweep, options={"wrt": (1,), "eps": 1e-3, "gradient_tol": 1e-3}, note="rate")
    still = each_lane(lambda x, mix: fx.flanger(x, 0 * x, 0 * x, 0 * x + 2.5, 0 * x, mix, RATE))
    plain = lambda x, mix: dg.flanger(x, 0, 0, 2.5, 0, mix)  # noqa: E731
    yield Case(dg.flanger, (signal(2), signal(low=0.1, high=0.9)), still, call=plain, note="nothing fed back")
    for count in (1, 6):
        chain = lambda x, stages: fx.phaser(x, *(0 * x + v for v in (9, 50, 200, 0.5, 0.5)), RATE, stages)  # noqa: E731
        call = lambda x, stages: dg.phaser(x, 9, 50, 200, stages)  # noqa: E731
        yield Case(dg.phaser, (signal(),), each_lane(chain), {"stages": count}, call=call)


def bands():
    """Against scipy where the filters rest, and against the cookbook's filter where they move."""

    ranges = (50, 400), (0.5, 3), (-9, 9)
    plain = each_lane(lambda x, f, q, gain: ref.biquad(x, f, q, gain, "peak", RATE))
    one = lambda x, f, q, gain: dg.equalizer(x, [("peak", f, gain, q)])  # noqa: E731
    moving = [signal(low=low, high=high) for low, high in ranges]
    yield Case(dg.equalizer, (signal(2, low=-1, high=1), *moving), plain, call=one, options={"gradient_tol": 1e-4})
    pair = each_lane(lambda x, *v: ref.biquad(ref.biquad(x, *v[:3], "lowshelf", RATE), *v[3:], "peak", RATE))
    two = lambda x, f, q, g, f2, q2, g2: dg.equalizer(x, [("lowshelf", f, g, q), ("peak", f2, g2, q2)])  # noqa: E731
    still = [tensor(low=low, high=high) for low, high in ranges * 2]
    yield Case(dg.equalizer, (signal(2, low=-1, high=1), *still), pair, call=two, options={"gradient_tol": 1e-4})
    butter = lambda f, kind: scipy.signal.butter(2, f, kind, output="sos", fs=RATE)  # noqa: E731

    def parted(x, *freqs):
        rest, out = x, []
        for i, f in enumerate(freqs):
            low, rest = (scipy.signal.sosfilt(np.repeat(butter(f[0], kind), 2, 0), rest) for kind in ("low", "high"))
            for g in freqs[i + 1 :]:  # the sum of both halves of a parting is its allpass
                low = sum(scipy.signal.sosfilt(np.repeat(butter(g[0], kind), 2, 0), low) for kind in ("low", "high"))
            out.append(low)
        return np.stack([*out, rest], 1)

    split = lambda x, *freqs: dg.stack(list(dg.crossover(x, freqs)))  # noqa: E731
    for freqs in ((tensor(low=50, high=300),), (80.0, 250.0)):
        yield Case(dg.crossover, (signal(low=-1, high=1), *freqs), parted, call=split, options={"tol": 5e-5})


def levels():
    x, options = signal(low=-1, high=1), {"signal": True, "gradient_tol": 1e-4}
    usual = (-12, -3), (1.5, 4), (1, 5), (5, 50)

    def plain(x, threshold, ratio, attack, release):
        return fx.expander(x, threshold, np.maximum(ratio, 1), np.maximum(attack, 0), np.maximum(release, 0), RATE)

    for op in (dg.gate, dg.expander):
        for kind, shape in ((signal, ()), (tensor, (2,))):
            values = [kind(*shape, low=low, high=high) for low, high in usual]
            yield Case(op, (x, *values), each_lane(plain), options=options)
        yield Case(op, (signal(2), -10.0, 3.0, 0.0, 0.0), each_lane(plain), options={"tol": 1e-4}, note="at once")
        outside = [signal(low=low, high=high) for low, high in ((-40, 10), (-1, 3), (-3, 3), (-3, 3))]
        yield Case(op, (x, *outside), each_lane(plain), options={"wrt": (), "tol": 1e-4}, note="extremes")
    for ahead in (0.0, 1.0, 2.0, 5.0):
        frames = ahead * RATE / 44100  # the look-ahead is taken at the rate that was set when it was built
        for given in ((x, -6.0, 3.0), (signal(2), tensor(2, low=-12, high=-3), tensor(low=1, high=9))):
            held = each_lane(lambda x, t, r, ahead=ahead: fx.limiter(x, t, r, ahead, RATE))
            call = lambda x, t, r, frames=frames: dg.limiter(x, t, r, frames)  # noqa: E731
            yield Case(dg.limiter, given, held, call=call, options=options, note=f"{ahead:g} frames ahead")
    yield Case(dg.pan, (signal(), signal(low=-1, high=1)), fx.pan)
    yield Case(dg.pan, (signal(2), signal(low=-2, high=2)), fx.pan, options={"wrt": (0,)})
    yield Case(dg.pan, (signal(3, 1), tensor(3, low=-1, high=1)), fx.pan)
    yield from (Case(dg.pan, (signal(), p), fx.pan) for p in (-1.0, 0.0, 1.0))


def dynamics():
    names = ("threshold_db", "ratio", "attack_ms", "release_ms", "knee_db", "makeup_db")
    usual = {"threshold_db": -20.0, "ratio": 4.0, "attack_ms": 10.0, "release_ms": 100.0, "knee_db": 6.0, "makeup_db": 0.0}

    def case(x, *values, note="", **options):
        given = dict(zip(names, values))
        call = lambda x, *values: dg.compressor(x, **dict(zip(given, values)))  # noqa: E731

        def reference(x, *values):
            values = {**{k: np.full(len(x), v) for k, v in usual.items()}, **dict(zip(given, values))}
            return each_lane(ref.compressor)(x, *values.values(), sample_rate=RATE)

        return Case(dg.compressor, (x, *values), reference, options={"signal": True, **options}, note=note, call=call)

    x, kinds = signal(low=-1, high=1), (tensor, lambda *shape, low, high: signal(low=low, high=high))
    yield case(x)
    for kind in kinds:
        ranges = (-30, -6), (1.5, 6), (1, 5), (5, 50), (2, 12), (-3, 3)
        yield case(signal(2, low=-1, high=1), *(kind(2, low=low, high=high) for low, high in ranges))
    yield case(tensor(2), -20.0, 4.0)
    yield case(x, -20.0, Tensor([1.0, INF]), 0.0, 0.0, 0.0, note="extremes", wrt=(0,), tol=1e-4)
    yield from (case(Signal.from_samples(samples), note=note, wrt=()) for note, samples in SAMPLES.items())

    def envelope(gate, *values):
        return each_lane(ref.adsr)(gate, *values, sample_rate=RATE)

    played = Signal.from_samples(np.float32([1, 1, 1, 1, 1, 0, -1, 1, 1, 1, 0, 0]))
    options = {"wrt": (1, 2, 3, 4), "signal": True}
    settings = tensor(2, low=2.1, high=2.9), tensor(2, low=2, high=9), tensor(low=0.2, high=0.8), tensor(low=2, high=9)
    moving = signal(low=2.1, high=3.9), signal(low=2, high=9), signal(low=0.2, high=0.8), signal(2, low=2, high=9)
    for gate, given in ((played, settings), (played, moving), (signal(3, 1), settings), (tensor(), settings)):
        yield Case(dg.adsr, (gate, *given), envelope, options=options)
    instant = Tensor([0.0, 3.0]), 0.0, Tensor([0.5, -0.5]), 0.0
    yield Case(dg.adsr, (played, *instant), envelope, options={"wrt": ()}, note="extremes")
    for note, samples in SAMPLES.items():
        yield Case(dg.adsr, (Signal.from_samples(samples), 2.5, 5.0, 0.5, 5.0), envelope, options={"wrt": ()}, note=note)


def table():
    unit, any_, positive = (-1.0, 1.0), (-2.0, 2.0), (0.2, 2.0)
    reversed_ = [
        (Lazy.__radd__, lambda x, y: y + x),
        (Lazy.__rsub__, lambda x, y: y - x),
        (Lazy.__rmul__, lambda x, y: y * x),
        (Lazy.__rtruediv__, lambda x, y: y / x),
        (Lazy.__rmod__, lambda x, y: np.mod(y, x)),
        (Lazy.__rpow__, lambda x, y: y**x),
    ]
    return [
        # Arithmetic.
        *elementwise(Lazy.__add__, np.add, any_, any_),
        *elementwise(Lazy.__sub__, np.subtract, any_, any_),
        *elementwise(Lazy.__mul__, np.multiply, any_, any_),
        *elementwise(Lazy.__truediv__, np.divide, any_, positive),
        *elementwise(dg.mod, np.mod, (-3.0, 3.0), (0.3, 1.0)),
        *elementwise(dg.pow, np.power, positive, any_),
        *[Case(dg.pow, (x, 2), each_frame(lambda x, y: x * x)) for x in (tensor(3), signal(), signal(3))],
        *[
            Case(op, (signal(3, low=0.5), y), each_frame(fn))
            for op, fn in reversed_
            for y in (0.7, np.float32([0.4, 1.1, 0.7]))
        ],
        *elementwise(Lazy.__neg__, np.negative),
        *elementwise(Lazy.__pos__, np.positive),
        *elementwise(dg.abs, np.abs),
        *elementwise(dg.sign, np.sign),
        *elementwise(dg.floor, np.floor),
        *elementwise(dg.ceil, np.ceil),
        *elementwise(dg.round, np.round),
        *elementwise(Lazy.__round__, np.round),
        *elementwise(dg.min, np.minimum, any_, any_),
        *elementwise(dg.max, np.maximum, any_, any_),
        *elementwise(dg.clamp, ref.clamp, any_, (-1.0, -0.5), (0.5, 1.0), edges=[NAN, -INF, -1.0, 0.0, 2.0]),
        *rows(dg.clamp, each_frame(ref.clamp), any_, unit),
        *elementwise(Lazy.__eq__, np.equal, any_, any_),
        *elementwise(Lazy.__ne__, np.not_equal, any_, any_),
        *elementwise(Lazy.__gt__, np.greater, any_, any_),
        *elementwise(Lazy.__ge__, np.greater_equal, any_, any_),
        *elementwise(Lazy.__lt__, np.less, any_, any_),
        *elementwise(Lazy.__le__, np.less_equal, any_, any_),
        *elementwise(dg.where, np.where, any_, any_, any_, edges=[NAN, INF, 0.0, -0.0, 1.0]),
        # Functions.
        *elementwise(dg.exp, np.exp),
        *elementwise(dg.log, np.log, positive),
        *elementwise(dg.log10, np.log10, positive),
        *elementwise(dg.sqrt, np.sqrt, positive),
        *elementwise(dg.sin, np.sin, (-4.0, 4.0)),
        *elementwise(dg.cos, np.cos, (-4.0, 4.0)),
        *elementwise(dg.tan, np.tan, unit),
        *elementwise(dg.tanh, np.tanh),
        *elementwise(dg.atan2, np.arctan2, any_, any_),
        *elementwise(dg.relu, lambda x: np.maximum(x, 0.0)),
        *elementwise(dg.sigmoid, ref.sigmoid),
        *elementwise(dg.sinh, np.sinh),
        *elementwise(dg.cosh, np.cosh),
        *elementwise(dg.softplus, lambda x: np.logaddexp(x, 0.0)),
        *elementwise(dg.softsign, lambda x: x / (1 + np.abs(x))),
        *elementwise(dg.leaky_relu, lambda x, a: np.where(x > 0, x, a * x), any_, (0.1, 0.3)),
        *elementwise(dg.gelu, lambda x: x * scipy.special.ndtr(x), edges=[NAN, INF, 0.0, -3.0, 1e4]),
        *elementwise(dg.isfinite, np.isfinite),
        *elementwise(dg.floor_divide, np.floor_divide, (-3.0, 3.0), (0.3, 1.0), edges=[NAN, 0.0, 1.0, -1.0, 2.5, -3.0]),
        *elementwise(Lazy.__rfloordiv__, lambda x, y: np.floor_divide(y, x), (0.3, 1.0), (-3.0, 3.0), edges=[1.0, 2.5])[:2],
        *[Case(dg.detach, (x,), each_frame(lambda x: x), options={"wrt": ()}) for x in (tensor(3), signal(), signal(3))],
        *framewise(dg.flip, lambda x, axis: np.flip(x, axis), (2, 3), params={"axis": None}),
        *framewise(dg.flip, lambda x, axis: np.flip(x, axis), (2, 3), params={"axis": -1}),
        *[
            replace(c, call=lambda *xs: dg.einsum("ij,kj->ki", *xs))
            for c in framewise(dg.einsum, lambda x, y: np.einsum("ij,kj->ki", x, y), (2, 3), (4, 3))
        ],
        # Units.
        *elementwise(dg.midi_to_hz, lambda x: 440 * 2 ** ((x - 69) / 12), (20.0, 100.0), edges=[NAN, INF, -INF, 0.0, 69.0]),
        *elementwise(dg.hz_to_midi, ref.hz_to_midi, (20.0, 9000.0), edges=[NAN, INF, -INF, 0.0, -0.0, -5.0, 440.0, 1e-3]),
        *elementwise(dg.db_to_gain, lambda x: 10 ** (x / 20), (-60.0, 20.0), edges=[NAN, INF, -INF, 0.0, -120.0, 20.0]),
        *elementwise(dg.gain_to_db, lambda x: 20 * np.log10(x), positive),
        *rows(dg.exp_sigmoid, each_frame(ref.exp_sigmoid), any_),
        *rows(dg.exp_sigmoid, each_frame(ref.exp_sigmoid), any_, (2.0, 12.0), (0.5, 3.0), (0.0, 0.1)),
        Case(dg.exp_sigmoid, (Tensor([NAN, INF, -INF, 0.0, 100.0, -100.0]),), each_frame(ref.exp_sigmoid), options={"wrt": ()}),
        *rows(dg.inverse_exp_sigmoid, each_frame(ref.inverse_exp_sigmoid), (0.1, 1.9)),
        *rows(dg.inverse_exp_sigmoid, each_frame(ref.inverse_exp_sigmoid), (0.2, 0.45), (2.0, 12.0), (0.5, 3.0), (0.0, 0.1)),
        # Shapes and reductions.
        *framewise(dg.reshape, np.reshape, (2, 3), params={"shape": (3, 2)}),
        *framewise(dg.reshape, np.reshape, (2, 3), params={"shape": (-1,)}),
        *framewise(Lazy.reshape, lambda x: x.reshape(3, 1, 2), (2, 3), call=lambda x: x.reshape(3, 1, 2)),
        *framewise(Lazy.reshape, lambda x: x.reshape(6), (2, 3), call=lambda x: x.reshape([6])),
        Case(dg.reshape, (signal(),), each_frame(np.reshape), {"shape": (1, 1)}),
        *framewise(dg.transpose, np.transpose, (2, 3, 2)),
        *framewise(dg.transpose, np.transpose, (2, 3, 1), params={"axes": (1, -1, 0)}),
        Case(dg.transpose, (signal(),), each_frame(np.transpose)),
        *[
            case
            for op, fn in ((dg.sum, np.sum), (dg.mean, np.mean), (dg.min, np.min), (dg.max, np.max))
            for axis in (None, 0, -1, (0, 2))
            for case in framewise(op, fn, (2, 3, 2), params={"axis": axis})
        ],
        *[Case(op, (signal(),), each_frame(fn)) for op, fn in ((dg.sum, np.sum), (dg.mean, np.mean), (dg.max, np.max))],
        *[
            Case(op, (Tensor([[1, NAN], [INF, -INF]]),), each_frame(fn), {"axis": 1}, {"wrt": ()})
            for op, fn in ((dg.max, np.max), (dg.sum, np.sum))
        ],
        Case(dg.sum, (Tensor.zeros([0, 3]),), each_frame(np.sum), {"axis": 0}, {"wrt": ()}),
        *framewise(dg.cumsum, lambda x: np.cumsum(x, -1), (2, 3)),
        *framewise(dg.cumsum, np.cumsum, (2, 3), params={"axis": 0}),
        *framewise(dg.softmax, ref.softmax, (2, 3)),
        *framewise(dg.softmax, ref.softmax, (2, 3), params={"axis": 0}),
        *framewise(dg.log_softmax, ref.log_softmax, (2, 3)),
        *framewise(dg.log_softmax, ref.log_softmax, (2, 3), params={"axis": 0}),
        *[
            Case(op, (Tensor([1e4, 0, -1e4]),), each_frame(fn), note="edges")
            for op, fn in ((dg.softmax, ref.softmax), (dg.log_softmax, ref.log_softmax))
        ],
        *joined(dg.concat, lambda xs, axis=0: np.concatenate(xs, axis), (2, 3), (1, 3), (2, 3)),
        *joined(dg.concat, lambda xs, axis=0: np.concatenate(xs, axis), (2, 3), (2, 1), (2, 2), axis=-1),
        *joined(dg.stack, lambda xs, axis=0: np.stack(xs, axis), (2, 3), (2, 3), (2, 3)),
        *joined(dg.stack, lambda xs, axis=0: np.stack(xs, axis), (2, 3), (2, 3), (2, 3), axis=-1),
        *joined(dg.stack, lambda xs, axis=0: np.stack(xs, axis), (), (), ()),
        *indexing(
            (4, 3), 0, -1, (1, 2), slice(1, None), slice(None, None, -2), (..., 1), (None, 2), (slice(3, 0, -1), None, 0)
        ),
        *indexing((4, 3), [2, 0, 2], [-1], np.array([[0, 1], [3, 2]]), np.array([True, False, True, False]), slice(2, 2), []),
        # Linear algebra and tables.
        *framewise(dg.matmul, np.matmul, (2, 3), (3, 4)),
        *[
            c
            for s in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (3, 2)))
            for c in framewise(dg.matmul, np.matmul, *s)[::2]
        ],
        Case(
            Lazy.__rmatmul__,
            (signal(3),),
            each_frame(lambda x: np.arange(6.0).reshape(2, 3) @ x),
            call=lambda x: np.arange(6.0).reshape(2, 3) @ x,
        ),
        *framewise(dg.conv1d, ref.convolve, (7,), (3,)),
        *framewise(dg.conv1d, ref.convolve, (2, 7), (3, 2, 4)),
        *[
            c
            for stride, padding, k in (
                (2, "valid", 3),
                (1, "same", 3),
                (1, "same", 4),
                (3, "same", 2),
                (1, "valid", 7),
                (1, "same", 9),
            )
            for c in framewise(dg.conv1d, ref.convolve, (7,), (k,), params={"stride": stride, "padding": padding})[:2]
        ],
        *framewise(dg.conv2d, ref.convolve, (5, 4), (3, 2)),
        *framewise(dg.conv2d, ref.convolve, (2, 4, 5), (3, 2, 2, 3))[:2],
        *[
            c
            for stride, padding, k in (
                (2, "valid", (2, 2)),
                ((1, 2), "same", (3, 2)),
                (1, "same", (4, 3)),
                (1, "valid", (5, 4)),
            )
            for c in framewise(dg.conv2d, ref.convolve, (5, 4), k, params={"stride": stride, "padding": padding})[:2]
        ],
        *[
            Case(dg.peek_row, (replace(table, low=-1, high=1), index), each_frame(ref.peek_row), {"mode": mode})
            for mode in ("clamp", "wrap")
            for table, index in (
                (tensor(4), signal(low=-6, high=9)),
                (tensor(4, 2), tensor(3, low=-6, high=9)),
                (signal(4, 2), signal(low=0, high=3)),
                (signal(4), tensor(2, 2, low=-2, high=5)),
                (tensor(1, 2), signal(low=-2, high=2)),
            )
        ],
        *[
            Case(dg.peek_row, (tensor(4), i), each_frame(ref.peek_row), {"mode": m}, {"wrt": (0,)})
            for m in ("clamp", "wrap")
            for i in (0, 3, 4, -1, -7.5)
        ],
        # Memory.
        *memory(dg.history, each_lane(ref.history), any_, any_, still=(1,)),
        *rows(dg.history, each_lane(lambda x: ref.history(x, [0.0])), any_, options={"signal": True}),
        *memory(dg.delta, each_lane(ref.delta), any_),
        *rows(dg.change, each_lane(lambda x: np.sign(ref.delta(x))), any_, options={"signal": True}),
        *[
            Case(
                dg.change, (Signal.from_samples(x),), each_lane(lambda x: np.sign(ref.delta(x))), options={"wrt": ()}, note=note
            )
            for x, note in ((np.zeros(FRAMES), "silence"), (np.where(np.arange(FRAMES) == 5, NAN, 1.0), "NaN"))
        ],
        *memory(dg.latch, each_lane(ref.latch), any_, (-2.0, 1.0)),
        *memory(dg.accum, each_lane(ref.accum), any_, (-3.0, 1.0)),
        *rows(dg.accum, each_lane(lambda x: ref.accum(x, np.zeros_like(x))), any_, options={"signal": True}),
        *memory(dg.accum, each_lane(ref.accum), any_, (-3.0, 1.0), (-1.0, -0.5), (0.7, 1.5)),
        *memory(dg.onepole, each_lane(ref.onepole), any_, (0.05, 0.95)),
        *[Case(dg.onepole, (signal(), c), each_lane(ref.onepole), options={"signal": True}) for c in (0.0, 1.0, -0.5, 1.5)],
        *biquads(),
        *lfilters(),
        *firs(),
        *responses(),
        *svfs(),
        *ladders(),
        *delays(),
        *reverbs(),
        *networks(),
        *dynamics(),
        *memory(dg.smooth, each_lane(lambda *x: ref.smooth(*x, sample_rate=RATE)), any_, (-2.0, 20.0)),
        *strings(),
        *sweeps(),
        *bands(),
        *levels(),
        *loops(),
        # Sources, losses.
        *constructors(),
        *phasors(),
        *framewise(dg.mse, lambda x, y: np.mean((x - y) ** 2), (2, 3), (2, 3)),
        *rows(dg.mse, each_frame(lambda x, y: np.mean((x - y) ** 2)), any_, any_, rows=ROWS[:3] + ROWS[4:]),
        *samplers(),
        *oscillators(),
        *spectra(),
        *losses(),
        # Rates.
        *rates(),
        *collections(),
        *controls(),
        *layers(),
    ]


def rates():
    """Changes of rate, windows, and their spectra: the shapes of what a hop makes of twelve frames, odd ones among them."""

    def case(op, inputs, reference, call=None, note="", **params):
        return Case(op, inputs, reference, params, {"signal": True, "eps": 1e-4}, note, call)

    both = lambda pair: dg.stack(list(pair))  # noqa: E731
    parts = lambda z: np.stack([z.real, z.imag], 1)  # noqa: E731
    of_frame = lambda re, im, size=None: np.fft.irfft(re + 1j * im, size)  # noqa: E731
    aligned = [
        ("centre", 6, 4),
        ("start", 6, 4),
        ("end", 5, 3),
        (2, 5, 7),
        ("centre", 1, 1),
        ("start", 3, 12),
    ]
    found = [case(dg.windows, (x,), ref.windows, size=n, hop=h, align=a) for a, n, h in aligned for x in (signal(), signal(2))]
    found += [
        case(dg.overlap_add, (ticks(h, *shape, n),), ref.overlap_add(h), align=a)
        for a, n, h in aligned
        if h not in (1, 7)
        for shape in ((), (2,))
    ]
    methods, hops = ("hold", "linear", "window", "cubic", "cubic-ddsp"), ((4, ()), (3, (2,)), (12, ()))
    found += [case(dg.upsample, (ticks(h, *s),), ref.upsample(h), method=m) for m in methods for h, s in hops]
    found += [case(dg.upsample, (signal(),), lambda x: x), case(dg.downsample, (signal(2),), lambda x, hop: x[::hop], hop=3)]
    found += [case(dg.downsample, (ticks(2),), lambda x, hop: x[:: hop // 2], hop=h) for h in (2, 4, 6)]
    found += [
        case(dg.rfft, (signal(n),), lambda x, size: parts(np.fft.rfft(x, size)), lambda x, size: both(dg.rfft(x, size)), size=s)
        for n, s in ((6, 6), (5, 5), (5, 8), (6, 3), (1, 1))
    ]
    found += [case(dg.irfft, (ticks(3, 4), ticks(3, 4)), of_frame, size=s) for s in (6, 7, 4)]
    spectra = [(8, 2, "centre"), (7, 3, "centre"), (6, 3, "end"), (8, 4, "start"), (2, 1, "centre")]
    found += [
        case(dg.stft, (signal(),), ref.stft, lambda x, **how: both((dg.stft(x, **how).real, dg.stft(x, **how).imag)),
             size=n, hop=h, align=a)
        for n, h, a in spectra
    ]  # fmt: skip
    there_and_back = lambda x, **how: dg.stft(x, **how).istft()  # noqa: E731
    found += [case(dg.stft, (x,), lambda x, **how: x, there_and_back, "and back", size=n, hop=h, align=a)
              for n, h, a in spectra if a != "start" for x in (signal(), signal(2))]  # fmt: skip
    return found


def collections():
    """The way from frames to a Tensor and back."""
    still = {"signal": False}
    for x in (signal(), signal(2)):  # a reference has a row for each frame, of which the first is the Tensor
        yield Case(dg.collect, (x,), lambda x, frames: x[None, :frames], {"frames": None}, still)
        yield Case(dg.collect, (x,), lambda x, frames: x[None, :frames], {"frames": 5}, still)
    yield Case(dg.collect, (ticks(4, 2),), lambda x: x[None], options=still)
    moving = {"signal": True}
    for shape in ((), (2,)):
        yield Case(Signal.from_tensor, (tensor(FRAMES, *shape),), lambda t: t[0], options=moving)
        yield Case(Signal.from_tensor, (tensor(3, *shape),), lambda t, hop: t[0], {"hop": 4}, moving)
        yield Case(
            Signal.from_tensor,
            (tensor(3, *shape),),
            lambda t, hop: np.repeat(t[0], hop, 0),
            {"hop": 4},
            moving,
            "held",
            lambda t, hop: Signal.from_tensor(t, hop).upsample("hold"),
        )


def controls():
    """Curves from numbers. The frequencies keep clear of where a cycle jumps at a frame."""
    moving = {"signal": True, "eps": 1e-2, "gradient_tol": 2e-3}
    curve = lambda *x, **how: ref.lfo(*x, **how, sample_rate=RATE)  # noqa: E731
    for shape in ("sine", "triangle", "saw", "falling", "square"):
        for freq in (Tensor(80.0), Tensor([30.0, 70.0])):
            yield Case(dg.lfo, (freq,), curve, {"shape": shape}, moving)
    between = lambda f, low, high: dg.lfo(f, low=low, high=high)  # noqa: E731
    ends = lambda f, low, high: ref.lfo(f, "sine", low, high, sample_rate=RATE)  # noqa: E731
    yield Case(dg.lfo, (Tensor(80.0), tensor(), signal()), ends, {}, moving, "ends", between)
    still = {"signal": True, "wrt": (0,)}
    steps = lambda v, t: ref.sequence(v, t, sample_rate=RATE)  # noqa: E731
    for shape in ((), (2,)):
        yield Case(dg.sequence, (tensor(4, *shape), np.array([0.001, 0.004, 0.004, 0.0073])), steps, options=still)
    yield Case(dg.sequence, (tensor(3), np.array([-1.0, 0.0, 1.0])), steps, options=still)
    yield Case(dg.sequence, (tensor(70), np.linspace(-0.05, 0.02, 70)), steps, options=still)
    melody = np.array([0.006, 0.001, 0.003]), np.array([0.002, 0.004, 0.001])
    order = [1, 2, 0]

    def played(midi, start, duration, velocity):
        start, end = start[0][order], (start + duration)[0][order]
        f0, level = 440 * 2 ** ((midi[:, order] - 69) / 12), velocity[:, order]
        frames = np.arange(len(midi))[:, None] / RATE + 1e-6
        gate = ((frames >= start) & (frames < np.minimum(end, [*start[1:], np.inf]))).any(1)
        begun = np.broadcast_to(start, level.shape)
        return np.stack([steps(f0, begun), gate, steps(level, begun)], 1)

    stacked = lambda *x: dg.stack(list(dg.notes(*x)))  # noqa: E731
    given = replace(tensor(3), low=50.0, high=80.0), *melody, tensor(3)
    yield Case(dg.notes, given, played, options={"signal": True, "wrt": (0, 3)}, call=stacked)


def layers():
    product = each_frame(lambda x, w, b: x @ w.T + b)
    for x in (tensor(3), signal(3), signal(2, 3), ticks(4, 3)):
        yield Case(dg.linear, (x, tensor(4, 3), tensor(4)), lambda x, w, b: product(x, w[: len(x)], b[: len(x)]))
    yield Case(dg.linear, (signal(3), tensor(4, 3)), each_frame(lambda x, w: w @ x))
    moving = {"signal": True}
    weights = tensor(6, 3, low=-1, high=1), tensor(6, 2, low=-1, high=1)
    yield Case(dg.gru, (signal(3), *weights, tensor(6)), ref.gru, options=moving)
    yield Case(dg.gru, (ticks(4, 3), *weights, tensor(2, 6), tensor(2)), ref.gru, options=moving)
    yield Case(
        dg.gru,
        (signal(2, 3), *weights, tensor(6)),
        lambda x, *given: np.stack([ref.gru(x[:, k], *given) for k in (0, 1)], 1),
        options=moving,
    )
    limit, drawn = np.sqrt(6 / ((2 + 3) * 4)), np.random.default_rng((0, 1, 7)).uniform(-1, 1, (2, 3, 4))
    moving = {"signal": True, "tol": 2e-5, "gradient_tol": 1e-4}
    for hop, bands, how in (
        (4, 5, {"size": None, "convention": "exact"}),
        (4, 5, {"size": None, "convention": "ddsp"}),
        (3, 5, {"size": 5, "convention": "exact"}),
        (6, 4, {"size": 5, "convention": "ddsp"}),
        (12, 6, {"size": 4, "convention": "ddsp"}),
        (5, 2, {"size": 1, "convention": "exact"}),
    ):
        yield Case(dg.filtered_noise, (ticks(hop, bands), signal()), ref.filtered_noise(hop), how, moving)
    lanes = lambda m, x, **how: np.stack([ref.filtered_noise(4)(m[:, k], x, **how) for k in (0, 1)], 1)  # noqa: E731
    how = {"size": None, "convention": "exact"}
    yield Case(dg.filtered_noise, (ticks(4, 2, 3), signal()), lanes, how, moving)
    yield Case(Tensor.glorot, (), lambda shape, seed: limit * drawn[None], {"shape": (2, 3, 4), "seed": 7})


# The public ops: what the package exports and its values have, less what gives no value.

NOT_OPS = {"realize", "backward", "reset", "program", "plan", "wrap", "play", "plot", "function", "from_jax"}
NOT_OPS |= {"save_state", "load_state", "export", "load", "compile", "fit"}
NOT_OPS |= {"save_params", "load_params", "check_grads", "health", "multistart"}
NOT_OPS |= {
    "__init__",
    "__getstate__",
    "__setstate__",
    "__repr__",
    "__bool__",
    "__len__",
    "__iter__",
    "__contains__",
    "__hash__",
    "__float__",
    "__format__",
    "__int__",
}


def public_ops():
    """Every public op by its name."""
    owners = {
        "": dg,
        "Lazy.": Lazy.__mro__[1],
        "Run.": Lazy,
        "Tensor.": Tensor,
        "Signal.": Signal,
        "SignalTensor.": SignalTensor,
    }
    found = {}
    for prefix, owner in owners.items():
        for name in vars(owner):
            x = getattr(owner, name)
            private = name.startswith("_") and not (prefix and name.startswith("__") and name.endswith("__"))
            if callable(x) and not isinstance(x, type) and not private and name not in NOT_OPS:
                found.setdefault(x, prefix + name)
    return found


NAMES = public_ops()
TABLE = table()
