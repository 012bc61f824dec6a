"""Graphs that mix rates and look-ahead, each as a function that builds it, for the tests of rates."""

import numpy as np

import dgenlazy as dg
from dgenlazy import Signal, Spectrum, Tensor

FRAMES = 61
random = np.random.default_rng(0)
X = random.standard_normal(FRAMES).astype(np.float32)
LANES = random.standard_normal((FRAMES, 2)).astype(np.float32)
CONTROLS = {hop: random.uniform(0.2, 1, -(-FRAMES // hop)).astype(np.float32) for hop in (4, 5, 8)}
MASK = random.uniform(0.2, 1, (-(-FRAMES // 4), 9)).astype(np.float32)
PITCH = random.uniform(200, 900, -(-FRAMES // 5)).astype(np.float32)
SHAPES = {"input to update": (3, 2), "state to update": (3, 3), "input to new": (3, 2), "state to new": (3, 3)}
WEIGHTS = {name: random.uniform(-0.7, 0.7, shape).astype(np.float32) for name, shape in SHAPES.items()}


def x():
    return Signal.input(0)


def lanes():
    return Signal.from_samples(LANES)


def control(hop):
    return Signal.from_samples(CONTROLS[hop], hop=hop)


def late(x, frames):
    """The same, but known only so many frames later."""
    return (
        x.windows(frames + 1, 1, align="start").peek_row(0) if not x.shape else x.windows(frames + 1, 1, align="start")[..., 0]
    )


def gru(drive):
    w = [Tensor(a, requires_grad=True) for a in WEIGHTS.values()]

    def cell(state):
        update = (w[0] @ drive + w[1] @ state).sigmoid()
        return (1 - update) * state + update * (w[2] @ drive + w[3] @ state).tanh()

    return dg.feedback(cell, init=np.zeros(3, np.float32))


def bank():
    """Partials whose amplitudes a network finds, and whose pitch is a control."""
    levels = gru(dg.stack([control(5), control(5) * 2])).softmax().upsample()
    pitch = Signal.from_samples(PITCH, hop=5).upsample()
    return ((Signal.phasor(pitch * Tensor([1.0, 2.0, 3.0])) * 2 * np.pi).sin() * levels).sum()


def freeze():
    spectrum = x().stft(16, 4)
    held = spectrum.abs().latch(Signal.from_samples((np.arange(len(CONTROLS[4])) % 3 == 0).astype(np.float32), hop=4))
    return Spectrum.polar(held + 0.5 * spectrum.abs().history(), spectrum.angle()).istft()


def fir():
    """Noise through a filter for each tick, by its spectrum."""
    mask = Signal.from_samples(MASK, hop=4)
    response = dg.irfft(mask, 0.0 * mask)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16)).astype(np.float32)
    re, im = (dg.concat([response[8:], response[:8]]) * window).rfft(size=20)
    noise_re, noise_im = Signal.noise(seed=3).windows(4, 4, "start").rfft(size=20)
    return dg.irfft(re * noise_re - im * noise_im, re * noise_im + im * noise_re, size=20).overlap_add(align=8)


def vocoder():
    return (x().stft(16, 4) * Signal.from_samples(MASK, hop=4)).istft()


def _late_loop():
    drive = x().windows(5, 1, "start").sum()
    return dg.feedback(lambda before: drive + 0.7 * before.delay(9).onepole(0.5))


# Equal in every bit, however a stream of them is cut.
EXACT = {
    "noise beside what is late": lambda: Signal.noise(seed=1) + 0.0 * x().windows(8, 3)[0].upsample("hold"),
    "phase beside what is late": lambda: Signal.phasor(441.0) + 0.0 * x().stft(8, 2).istft(),
    "phase of a late frequency": lambda: Signal.phasor(Signal.from_samples(PITCH, hop=5).upsample("cubic")),
    "windows, centre": lambda: lanes().windows(7, 3),
    "windows, start": lambda: x().windows(6, 4, "start"),
    "windows, end": lambda: x().windows(6, 4, "end"),
    "windows, 2 before": lambda: x().windows(6, 4, 2),
    "windows with gaps": lambda: x().windows(3, 8, "start"),
    "windows of windows": lambda: x().windows(4, 3)[1].upsample("hold").windows(5, 5),
    "hold": lambda: control(5).upsample("hold"),
    "history at a hop": lambda: control(8).history(init=2.0),
    "history of what is late": lambda: x().windows(9, 4)[8].history(init=3.0),
    "delay of ticks": lambda: control(4).delay(3),
    "downsample": lambda: lanes().downsample(5),
    "downsample of ticks": lambda: control(4).downsample(12),
    "downsample of what is late": lambda: late(x(), 5).downsample(3),
}
CLOSE = {
    "control times signal": lambda: control(5) * x(),
    "two hops": lambda: control(4) + control(8) * 2,
    "two hops and frames": lambda: control(4) + control(8) * x(),
    "accum at a hop": lambda: control(5).accum(),
    "accum of a hold": lambda: control(5).upsample("hold").accum(),
    "biquad at a hop": lambda: control(4).biquad(1000.0),
    "biquad with a control": lambda: x().biquad(2000 * control(4), q=control(8)),
    "gru at a hop": lambda: gru(dg.stack([control(5), control(5) * 2])),
    "gru of windows": lambda: gru(x().windows(2, 5, "start")),
    "bank": bank,
    "freeze": freeze,
    "fir": fir,
    "vocoder": vocoder,
    "mask at a slower hop": lambda: (x().stft(16, 4) * control(8)).istft(),
    "sum of spectra": lambda: (x().stft(16, 4) - 0.5 * Signal.noise(seed=1).stft(16, 4)).istft(),
    "overlap, end": lambda: x().windows(6, 4, "start").overlap_add("end"),
    "overlap with gaps": lambda: x().windows(3, 8).overlap_add(),
    "overlap at 1": lambda: x().windows(5, 1).overlap_add(),
    "stft from the start": lambda: x().stft(16, 4, align="start").istft(),
    "stft to the end": lambda: x().stft(15, 4, align="end").istft(),
    "upsample, linear": lambda: control(5).upsample() * x(),
    "upsample, window": lambda: control(5).upsample("window") * x(),
    "upsample, cubic": lambda: control(5).upsample("cubic") * x(),
    "upsample, cubic-ddsp": lambda: control(8).upsample("cubic-ddsp"),
    "dry and wet": lambda: x() + 0.5 * x().stft(16, 4).istft().onepole(0.3) + Signal.noise(seed=2),
    "recurrences behind a latency": lambda: (
        x().stft(8, 2).istft().biquad(3000.0).delay(3.3).accum() + Signal.constant(1.0).accum()
    ),
    "accum of a late constant": lambda: (0.0 * x().stft(8, 2).istft() + 1.0).accum(),
    "loop behind a latency": _late_loop,
    "twice": lambda: x().stft(16, 4).istft().stft(8, 2).istft(),
    "late ticks meet early ones": lambda: x().windows(8, 4).sum() * control(4) + control(8),
    "cosine of what is late, in windows": lambda: x().stft(8, 2).istft().cos().windows(7, 3, "end"),
}
ALL = EXACT | CLOSE
