"""Oscillators once more, in float64 and partial by partial: what `cases` and tests hold them to."""

import numpy as np

RATE = 1000.0


def held(x, frames):
    """Values at a hop, each until the next."""
    return np.repeat(x, -(-frames // len(x)), 0)[:frames]


def together(*values):
    frames = max(map(len, values))
    return [held(np.asarray(v, np.float64), frames) for v in values]


def phase(freq, rate=RATE):
    """In cycles, 0 at the first frame."""
    steps = freq / rate
    return np.cumsum(steps, 0) - steps


def aligned(*values):
    """With as many axes of lanes each."""
    axes = max(v.ndim for v in values)
    return [v.reshape(len(v), *(1,) * (axes - v.ndim), *v.shape[1:]) for v in values]


def oscillator_bank(freqs, amps, sum=True, rate=RATE):
    freqs, amps = aligned(*together(freqs, amps))
    y = np.where(np.abs(freqs) >= rate / 2, 0.0, amps) * np.sin(2 * np.pi * phase(freqs, rate))
    return y.sum(-1) if sum and y.ndim > 1 else y


def harmonic(f0, amps, shifts=None, rate=RATE):
    f0, amps, shifts = together(f0, amps, np.zeros((1, np.shape(amps)[-1])) if shifts is None else shifts)
    f0, shifts = aligned(f0[..., None], shifts)
    return oscillator_bank(f0 * np.arange(1, amps.shape[-1] + 1) * (1 + shifts), amps, rate=rate)


def normalize_harmonics(dist, f0, rate=RATE):
    dist, f0 = together(dist, f0)
    dist = np.where(np.abs(f0[..., None] * np.arange(1, dist.shape[-1] + 1)) >= rate / 2, 0.0, dist)
    total = dist.sum(-1, keepdims=True)
    return dist / np.where(total == 0, 1.0, total)


def fm(carrier, ratio, index, rate=RATE):
    carrier, ratio, index = together(carrier, ratio, index)
    return np.sin(2 * np.pi * phase(carrier, rate) + index * np.sin(2 * np.pi * phase(carrier * ratio, rate)))


def wavetable(table, freq, rate=RATE):
    table, freq = together(table, freq)
    rows, out = table.shape[1], []
    for now, turns in zip(table, phase(freq, rate)):
        at = turns % 1 * rows
        row = np.int64(np.floor(at))
        part = np.reshape(at - row, (*np.shape(at), *(1,) * (now.ndim - 1)))
        out.append((1 - part) * now[row % rows] + part * now[(row + 1) % rows])
    return np.array(out)


def waveform(kind, freq, width=0.5, rate=RATE):
    """The series, of all partials below half the rate; the last fades in within a tenth of the band, or until the next."""
    freq, width = together(freq, width if np.ndim(width) else [width])
    freq, width = aligned(freq, width)
    turns, out = phase(freq, rate), np.zeros(np.broadcast_shapes(freq.shape, width.shape))
    for k in range(1, int(rate / 2 / np.min(np.abs(freq))) + 1):
        size = np.abs(freq)
        last = (k * size < rate / 2) & ((k + 1) * size >= rate / 2)
        heard = np.where(last, np.clip((rate / 2 - k * size) / np.minimum(size, rate / 20), 0, 1), 1.0 * (k * size < rate / 2))
        at = 2 * np.pi * k
        if kind == "saw":
            out -= 2 / np.pi * heard * np.sin(at * turns) / k
        elif kind == "triangle":
            out -= 8 / np.pi**2 * heard * (k % 2) * np.cos(at * turns) / k**2
        else:
            out += 2 / np.pi * heard * (np.sin(at * turns) - np.sin(at * (turns - width))) / k
    return out + (2 * width - 1 if kind == "pulse" else 0)


def saw(freq):
    return waveform("saw", freq)


def triangle(freq):
    return waveform("triangle", freq)


def square(freq):
    return waveform("square", freq)


def pulse(freq, width=0.5):
    return waveform("pulse", freq, width)
