"""What each op should compute, a second time: float64 loops, closed forms and scipy, slow and obvious.

A reference takes what the op takes. Every operand arrives as float64 with the frame axis first, `(frames, *shape)`,
also where it does not vary; the result has that axis too.
"""

import math
from fractions import Fraction

import numpy as np
import scipy.signal


def over(operands, fn):
    """`fn` of every array in `operands`, lists of them included."""
    return type(operands)(over(x, fn) if isinstance(x, (list, tuple)) else fn(x) for x in operands)


def each_frame(fn):
    """A reference from a function of one frame."""

    def whole_run(*operands, **params):
        count = len(operands[0][0] if isinstance(operands[0], list) else operands[0])
        with np.errstate(all="ignore"):
            return np.array([fn(*over(operands, lambda x, n=n: x[n]), **params) for n in range(count)], np.float64)

    return whole_run


def each_lane(fn):
    """A reference from a function of signals of one number per frame: `(frames,)` each."""

    def whole_run(*operands, **params):
        frames = len(operands[0])
        shape = np.broadcast_shapes(*(x.shape[1:] for x in operands))
        operands = [np.broadcast_to(x, (frames,)) if x.ndim == 0 else x for x in operands]
        lanes = [x.reshape(frames, *(1,) * (len(shape) - x.ndim + 1), *x.shape[1:]) for x in operands]
        lanes = [np.broadcast_to(x, (frames, *shape)) for x in lanes]
        out = np.zeros((frames, *shape))
        with np.errstate(all="ignore"):
            for lane in np.ndindex(*shape):
                out[(slice(None), *lane)] = fn(*(x[(slice(None), *lane)] for x in lanes), **params)
        return out

    return whole_run


# Elementwise.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def clamp(x, lo=-np.inf, hi=np.inf):
    return np.minimum(np.maximum(x, lo), hi)


# Tensors.


def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    x = x - np.max(x, axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def convolve(x, kernel, stride=1, padding="valid"):
    """Cross-correlation over the last axes, one output element after another."""
    plain = x.ndim == kernel.ndim
    if plain:
        x, kernel = x[None], kernel[None, None]
    sizes = kernel.shape[2:]
    strides = stride if isinstance(stride, tuple) else (stride,) * len(sizes)
    if padding == "same":
        x = np.pad(x, [(0, 0), *(((k - 1) // 2, k - 1 - (k - 1) // 2) for k in sizes)])
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:], sizes, strides)]
    out = np.zeros((len(kernel), *counts))
    for channel in range(len(kernel)):
        for place in np.ndindex(*counts):
            window = x[(slice(None), *(slice(p * s, p * s + k) for p, s, k in zip(place, strides, sizes)))]
            out[(channel, *place)] = (window * kernel[channel]).sum()
    return out[0] if plain else out


def peek_row(table, index, mode="clamp"):
    rows, out = len(table), np.zeros((*index.shape, *table.shape[1:]))
    for place in np.ndindex(*index.shape):
        i = index[place]
        i = i % rows if mode == "wrap" else min(max(i, 0.0), rows - 1.0)
        low = math.floor(i)
        high = (low + 1) % rows if mode == "wrap" else min(low + 1, rows - 1)
        out[place] = (1 - (i - low)) * table[low % rows] + (i - low) * table[high]
    return out


def read(table, speed, start=0.0, loop=True):
    """Exact: the position is a fraction. The table of the first frame; a lane for each speed."""
    table, start = np.asarray(table)[0], np.asarray(start)[0] if np.ndim(start) else np.asarray(start)
    shape = np.broadcast_shapes(speed.shape[1:], start.shape)
    out = np.zeros((len(speed), *shape, *table.shape[1:]))
    for lane in np.ndindex(*shape):
        place = Fraction(float(np.broadcast_to(start, shape)[lane]))
        for n in range(len(speed)):
            low = math.floor(place)
            near, far = (table[k % len(table)] * (loop or 0 <= k < len(table)) for k in (low, low + 1))
            out[(n, *lane)] = near + float(place - low) * (far - near)
            place += Fraction(float(np.broadcast_to(speed[n], shape)[lane]))
    return out


# Memory, one lane.


def history(x, init):
    return np.array([init[0], *x[:-1]])[: len(x)]


def delta(x):
    return x - history(x, np.zeros_like(x))


def latch(x, trigger):
    held, out = 0.0, []
    for sample, t in zip(x, trigger):
        held = sample if t > 0 else held
        out.append(held)
    return out


def accum(x, reset, low=None, high=None):
    total, out = 0.0, []
    for n, sample in enumerate(x):
        total = sample if reset[n] > 0 else total + sample
        if low is not None:
            total = low[n] + (total - low[n]) % (high[n] - low[n])
        out.append(total)
    return out


def delay(x, time, longest=np.inf):
    out = []
    for n in range(len(x)):
        t = min(max(time[n], 0.0), longest)
        whole = math.floor(t)
        near, far = (x[n - k] if n >= k else 0.0 for k in (whole, whole + 1))
        out.append(near if t == whole else near + (t - whole) * (far - near))
    return out


def phasor(freq, reset, sample_rate):
    """Exact: the phase is a fraction."""
    phase, out = Fraction(0), []
    for f, r in zip(freq, reset):
        phase = Fraction(0) if r > 0 else phase
        out.append(float(phase % 1))
        phase += Fraction(float(f)) / Fraction(sample_rate)
    return out


def onepole(x, cutoff):
    y, out = 0.0, []
    for sample, c in zip(x, cutoff):
        y += min(max(c, 0.0), 1.0) * (sample - y)
        out.append(y)
    return out


def cookbook(cutoff, q, gain_db, mode, sample_rate):
    """`b, a` of R. Bristow-Johnson's Audio EQ Cookbook, letter by letter."""
    w0 = 2 * np.pi * cutoff / sample_rate
    cos, alpha, A = np.cos(w0), np.sin(w0) / (2 * q), 10 ** (gain_db / 40)
    root = 2 * np.sqrt(A) * alpha
    b, a = {
        "lowpass": (((1 - cos) / 2, 1 - cos, (1 - cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)),
        "highpass": (((1 + cos) / 2, -(1 + cos), (1 + cos) / 2), (1 + alpha, -2 * cos, 1 - alpha)),
        "bandpass": ((alpha, 0.0, -alpha), (1 + alpha, -2 * cos, 1 - alpha)),
        "notch": ((1.0, -2 * cos, 1.0), (1 + alpha, -2 * cos, 1 - alpha)),
        "allpass": ((1 - alpha, -2 * cos, 1 + alpha), (1 + alpha, -2 * cos, 1 - alpha)),
        "peak": ((1 + alpha * A, -2 * cos, 1 - alpha * A), (1 + alpha / A, -2 * cos, 1 - alpha / A)),
        "lowshelf": (
            (A * (A + 1 - (A - 1) * cos + root), 2 * A * (A - 1 - (A + 1) * cos), A * (A + 1 - (A - 1) * cos - root)),
            (A + 1 + (A - 1) * cos + root, -2 * (A - 1 + (A + 1) * cos), A + 1 + (A - 1) * cos - root),
        ),
        "highshelf": (
            (A * (A + 1 + (A - 1) * cos + root), -2 * A * (A - 1 + (A + 1) * cos), A * (A + 1 + (A - 1) * cos - root)),
            (A + 1 - (A - 1) * cos + root, 2 * (A - 1 - (A + 1) * cos), A + 1 - (A - 1) * cos - root),
        ),
    }[mode]
    return np.array(b) / a[0], np.array(a) / a[0]


def biquad(x, cutoff, q, gain_db, mode, sample_rate):
    """Transposed direct form II, its coefficients computed anew in every frame."""
    s1, s2, out = 0.0, 0.0, []
    for sample, c, quality, gain in zip(x, cutoff, q, gain_db):
        (b0, b1, b2), (_, a1, a2) = cookbook(c, quality, gain, mode, sample_rate)
        y = b0 * sample + s1
        s1, s2 = b1 * sample - a1 * y + s2, b2 * sample - a2 * y
        out.append(y)
    return out


def svf(x, cutoff, q, mode, sample_rate):
    """A. Simper's equations, with the names of his paper."""
    ic1eq, ic2eq, out = 0.0, 0.0, []
    for v0, c, quality in zip(x, cutoff, q):
        g, k = np.tan(np.pi * c / sample_rate), 1 / quality
        a1 = 1 / (1 + g * (g + k))
        a2 = g * a1
        a3 = g * a2
        v3 = v0 - ic2eq
        v1 = a1 * ic1eq + a2 * v3
        v2 = ic2eq + a2 * ic1eq + a3 * v3
        ic1eq, ic2eq = 2 * v1 - ic1eq, 2 * v2 - ic2eq
        low, band, high = v2, v1, v0 - k * v1 - v2
        out.append(
            {"lowpass": low, "highpass": high, "bandpass": k * band, "notch": low + high, "peak": low - high,
             "allpass": low + high - k * band}[mode]
        )  # fmt: skip
    return out


def svf_constant(x, cutoff, q, mode, sample_rate):
    """The analog prototype, through scipy's bilinear transform, for parameters that do not move."""
    w, k = 2 * sample_rate * np.tan(np.pi * cutoff[0] / sample_rate), 1 / q[0]
    top = {"lowpass": (0, 0, 1), "highpass": (1, 0, 0), "bandpass": (0, k, 0), "notch": (1, 0, 1), "peak": (-1, 0, 1),
           "allpass": (1, -k, 1)}[mode]  # fmt: skip
    scale = np.array([1, w, w * w])
    return scipy.signal.lfilter(*scipy.signal.bilinear(top * scale, np.array([1, k, 1]) * scale, sample_rate), x)


def lfilter_moving(x, b, a):
    """The difference equation of transposed direct form II, its coefficients anew in every frame; `(frames, taps)` each."""
    order = max(b.shape[1], a.shape[1]) - 1
    b, a = (np.pad(c / a[:, :1], [(0, 0), (0, order + 1 - c.shape[1])]) for c in (b, a))
    held, out = np.zeros(order + 1), []
    for n, sample in enumerate(x):
        y = b[n, 0] * sample + held[0]
        held[:-1] = b[n, 1:] * sample - a[n, 1:] * y + held[1:]
        out.append(y)
    return out


def fir(x, taps):
    """The sum, tap by tap, with the taps of the frame that comes out; `(frames, taps, *lanes)`."""
    lanes = np.broadcast_shapes(x.shape[1:], taps.shape[2:])
    x = np.broadcast_to(x.reshape(len(x), *(1,) * (len(lanes) + 1 - x.ndim), *x.shape[1:]), (len(x), *lanes))
    taps = np.broadcast_to(
        taps.reshape(*taps.shape[:2], *(1,) * (len(lanes) + 2 - taps.ndim), *taps.shape[2:]), (len(x), taps.shape[1], *lanes)
    )
    return np.array([sum(taps[n, k] * x[n - k] for k in range(min(n + 1, taps.shape[1]))) for n in range(len(x))])


def reverb(x, decay, mix, rate, seed=3):
    """Noise that `numpy` draws for the seed, falling by 60 dB in `decay` seconds, of energy 1 on the average."""
    least = math.ceil(2 * decay * rate)
    frames = min(m << n for m in (8, 9, 10, 12, 15) for n in range(20) if m << n >= least)
    noise = np.random.default_rng((0, 1, seed)).standard_normal((frames, *x.shape[1:]), np.float32)
    fall = 10 ** (-3 * np.arange(frames) / (decay * rate))
    ir = (noise.T * fall / np.sqrt((fall**2).sum())).T
    wet = fir(x, np.broadcast_to(ir, (len(x), *ir.shape)))
    mix = mix.reshape(-1, *(1,) * (x.ndim - 1))
    return (1 - mix) * x + mix * wet


def waveshape(x, fn, factor):
    """By scipy at the higher rate, with a symmetric filter of 100 frames on the way up and on the way down."""
    at = np.arange(-50 * factor, 50 * factor + 1)
    taps = np.sinc(0.95 * at / factor) * np.kaiser(len(at), 7.86)
    taps /= taps.sum()
    x = np.pad(x, (100, 200))
    high = fn(scipy.signal.upfirdn(factor * taps, x, factor)[50 * factor :][: len(x) * factor])
    return np.convolve(high, taps)[50 * factor :: factor][100 : len(x) - 200]


def each_filter(fn):
    """`fn(x, *coefficients)` of every lane of x, `(frames,)`; the coefficients of all lanes are the same."""
    return lambda x, *coefficients: np.stack(
        [fn(lane, *coefficients) for lane in x.reshape(len(x), -1).T], 1).reshape(x.shape)  # fmt: skip


def ladder(x, cutoff, resonance, drive, sample_rate):
    """Huovilainen's four stages; pole and feedback from the phase and the gain of the loop at the cutoff, by geometry."""
    stages, out = np.zeros(4), []
    for sample, c, r, d in zip(x, cutoff, resonance, drive):
        w = 2 * np.pi * c / sample_rate
        turn = (np.pi - w) / 4  # what is left for each pole of half a turn, less the frame of delay
        pole = np.sin(turn) / np.sin(w + turn)
        gain = abs((1 - pole) / (1 - pole * np.exp(-1j * w)))
        u = np.tanh(d * (sample - r / gain**4 * stages[3])) / d
        for i in range(4):
            stages[i] += (1 - pole) * (u - np.tanh(d * stages[i]) / d)
            u = np.tanh(d * stages[i]) / d
        out.append(stages[3])
    return out


def tap(y, n, time):
    """What was `time` frames before frame `n`, between frames by linear interpolation, with zeros before the start."""
    whole = math.floor(time)
    near, far = (y[n - k] if 0 <= n - k < len(y) else 0.0 for k in (whole, whole + 1))
    return near if time == whole else near + (time - whole) * (far - near)


def comb(x, frames, feedback, damping):
    y, dull = [], 0.0
    for n, sample in enumerate(x):
        dull = (1 - damping[n]) * tap(y, n, frames[n]) + damping[n] * dull
        y.append(sample + feedback[n] * dull)
    return y


def allpass(x, frames, gain):
    y = []
    for n in range(len(x)):
        y.append(-gain[n] * x[n] + tap(x, n, frames[n]) + gain[n] * tap(y, n, frames[n]))
    return y


def karplus_strong(x, freq, decay, brightness, sample_rate):
    """Its line tuned by the phase of the two taps at the frequency, an angle of a complex number."""
    y, end = [], 0.0
    for n, sample in enumerate(x):
        w, s, loss = 2 * np.pi * freq[n] / sample_rate, (1 - brightness[n]) / 2, 10 ** (-3 / (freq[n] * decay[n]))
        time = sample_rate / freq[n] + np.angle(1 - s + s * np.exp(-1j * w)) / w
        before, end = end, tap(y, n, time)
        y.append(sample + loss * ((1 - s) * end + s * before))
    return y


def compressor(x, threshold_db, ratio, attack_ms, release_ms, knee_db, makeup_db, sample_rate):
    """Equations 4, 16 and 23 of Giannoulis, Massberg and Reiss, case by case."""
    smooth, out = 0.0, []
    for n, sample in enumerate(x):
        level, T, R, W = 20 * np.log10(max(abs(sample), 1e-10)), threshold_db[n], ratio[n], knee_db[n]
        if 2 * (level - T) < -W:
            wanted = level
        elif 2 * abs(level - T) <= W and W > 0:
            wanted = level + (1 / R - 1) * (level - T + W / 2) ** 2 / (2 * W)
        else:
            wanted = T + (level - T) / R
        down = level - wanted if np.isfinite(sample) else np.nan
        time = attack_ms[n] if down > smooth else release_ms[n]
        alpha = np.exp(-1 / (time / 1000 * sample_rate)) if time > 0 else 0.0
        smooth = alpha * smooth + (1 - alpha) * down
        out.append(sample * 10 ** ((makeup_db[n] - smooth) / 20))
    return out


def adsr(gate, attack_ms, decay_ms, sustain, release_ms, sample_rate):
    """A machine of three named segments."""
    level, segment, before, out = 0.0, "release", False, []
    for n, on in enumerate(gate > 0):
        if on and not before:
            segment = "attack"
        elif not on:
            segment = "release"
        before = on
        frames = {"attack": attack_ms, "decay": decay_ms, "release": release_ms}[segment][n] / 1000 * sample_rate
        if segment == "attack":
            level = level + 1 / frames if frames > 0 else 1.0
            if level >= 1:
                level, segment = 1.0, "decay"
        else:
            goal = sustain[n] if segment == "decay" else 0.0
            level = goal + (level - goal) * (0.001 ** (1 / frames) if frames > 0 else 0.0)
        out.append(level)
    return out


def smooth(x, time_ms, sample_rate):
    """A hundredth of the distance is left after `time_ms`; the first frame has none to go."""
    y, out = x[0], []
    for sample, ms in zip(x, time_ms):
        y = sample + (y - sample) * (0.01 ** (1000 / (ms * sample_rate)) if ms > 0 else 0.0)
        out.append(y)
    return out


# Units.


def hz_to_midi(freq):
    return np.where(freq <= 0, 0.0, 69 + 12 * np.log2(np.abs(freq) / 440))


def exp_sigmoid(x, exponent=10.0, max_value=2.0, threshold=1e-7):
    return max_value * (1 / (1 + np.exp(-x))) ** np.log(exponent) + threshold


def inverse_exp_sigmoid(y, exponent=10.0, max_value=2.0, threshold=1e-7):
    share = ((y - threshold) / max_value) ** (1 / np.log(exponent))
    return np.log(share / (1 - share))


# The whole run.


def magnitudes(x, size, hop):
    """Spectra of windows centred at 0, hop, 2 hop, ... while there are frames, zeros outside of them. One lane."""
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / size) for n in range(size)])
    padded = np.concatenate([np.zeros(size // 2), x, np.zeros(size)])
    return np.array([np.abs(np.fft.rfft(padded[at : at + size] * hann)) for at in range(0, len(x), hop)])


# Rates.


def before(align, size):
    return {"centre": size // 2, "start": 0, "end": size - 1}.get(align, align)


def windows(x, size, hop, align):
    """A window at every hop-th frame, element by element."""
    out = np.zeros((-(-len(x) // hop), *x.shape[1:], size))
    for k in range(len(out)):
        for i in range(size):
            n = k * hop - before(align, size) + i
            if 0 <= n < len(x):
                out[k, ..., i] = x[n]
    return out


def overlap_add(hop, frames=12):
    """Each window laid at its place; behind the last tick it comes again, as far as that reaches back into the run."""

    def laid(w, align):
        size = w.shape[-1]
        ahead = before(align, size)
        y = np.zeros((frames, *w.shape[1:-1]))
        for k in range(-(-(frames + ahead) // hop)):
            for i in range(size):
                n = k * hop - ahead + i
                if 0 <= n < frames:
                    y[n] += w[min(k, len(w) - 1)][..., i]
        return y

    return laid


def upsample(hop, frames=12):
    """Between ticks, of one, two or four of them; beyond the ends they are as there."""

    def interpolated(x, method):
        out = []
        for n in range(frames):
            k, u = n // hop, n % hop / hop
            p = [x[min(max(k + j, 0), len(x) - 1)] for j in (-1, 0, 1, 2)]
            if method == "cubic-ddsp":
                u = round(1024 * u) / 1024
            a = -0.75 if method == "cubic-ddsp" else -0.5
            near = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1  # noqa: B023, E731
            far = lambda d: ((a * d - 5 * a) * d + 8 * a) * d - 4 * a  # noqa: B023, E731
            fade = 0.5 - 0.5 * math.cos(math.pi * u)
            out.append({
                "hold": lambda p=p: p[1],
                "linear": lambda p=p, u=u: p[1] + (p[2] - p[1]) * u,
                "window": lambda p=p, fade=fade: p[1] + (p[2] - p[1]) * fade,
            }.get(method, lambda p=p, u=u: far(u + 1) * p[0] + near(u) * p[1] + near(1 - u) * p[2] + far(2 - u) * p[3])())  # noqa: B023  # fmt: skip
        return np.array(out)

    return interpolated


def stft(x, size, hop, align):
    """Real and imaginary parts under a periodic Hann window."""
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / size) for n in range(size)])
    spectra = np.fft.rfft(windows(x, size, hop, align) * hann)
    return np.stack([spectra.real, spectra.imag], 1)


def fdn(x, frames, matrix, gain, damping):
    """Lines that are fed a sum of all, one frame and one line after the other; `x` is `(frames, ..., lines)` or `(frames,)`."""
    if x.ndim > 2:
        return np.stack([fdn(lane, frames, matrix, gain, damping) for lane in np.moveaxis(x, 1, 0)], 1)
    lines, dull, out = [[] for _ in frames[0]], 0.0, []
    for n in range(len(x)):
        ends = np.array([tap(line, n, time) for line, time in zip(lines, frames[n])])
        dull = (1 - damping[n]) * ends + damping[n] * dull
        for line, back, new in zip(lines, matrix[n] @ (gain[n] * dull), np.broadcast_to(x[n], ends.shape)):
            line.append(new + back)
        out.append(ends)
    return np.array(out)


def spectral_loss(pred, target, window_size=1024, hop=None, mag_weight=1.0, log_weight=1.0, log_eps=1e-3):
    frames, shape = len(pred), np.broadcast_shapes(pred.shape[1:], target.shape[1:])
    pred, target = (np.broadcast_to(x.reshape(frames, *(1,) * (len(shape) - x.ndim + 1), *x.shape[1:]), (frames, *shape))
                    for x in (pred, target))  # fmt: skip
    mag_weight, log_weight = np.ravel(mag_weight)[0], np.ravel(log_weight)[0]
    sizes = window_size if isinstance(window_size, (list, tuple)) else [window_size]
    losses = []
    for size in sizes:
        step = max(size // 4, 1) if hop is None else hop
        lanes = []
        for lane in np.ndindex(*shape):
            a, b = (magnitudes(x[(slice(None), *lane)], size, step) for x in (pred, target))
            log = np.log(a + log_eps) - np.log(b + log_eps)
            lanes.append(mag_weight * np.mean(np.abs(a - b)) + log_weight * np.mean(np.abs(log)))
        losses.append(np.mean(lanes))
    return np.array([np.mean(losses)])


def lanes(pred, target):
    """`(lanes, frames)` of both."""
    shape = np.broadcast_shapes(pred.shape[1:], target.shape[1:])
    return [np.broadcast_to(x.reshape(len(x), *(1,) * (len(shape) - x.ndim + 1), *x.shape[1:]), (len(x), *shape))
            .reshape(len(x), -1).T for x in (pred, target)]  # fmt: skip


def by_lane(fn):
    return lambda pred, target, **how: np.array([np.mean([fn(x, t, **how) for x, t in zip(*lanes(pred, target))])])


@by_lane
def esr(x, t, eps=1e-8):
    return ((t - x) ** 2).sum() / ((t**2).sum() + eps)


@by_lane
def dc_loss(x, t, eps=1e-8):
    return (t - x).mean() ** 2 / ((t**2).mean() + eps)


@by_lane
def log_cosh(x, t, a=1.0, eps=1e-8):
    return np.mean(np.log(np.cosh(a * (x - t)) + eps)) / a


def sdr(x, t, scaled, invariant, eps=1e-8):
    x, t = x - x.mean(), t - t.mean()
    part = (x @ t) / (t @ t + eps) * t if scaled else t
    rest = x - (part if invariant else t)
    return -10 * np.log10((part @ part) / (rest @ rest + eps) + eps)


snr = by_lane(lambda x, t: sdr(x, t, False, False))
si_sdr = by_lane(lambda x, t: sdr(x, t, True, True))
sd_sdr = by_lane(lambda x, t: sdr(x, t, True, False))


def torch_stft(x, size, hop, length, window, eps):
    """Magnitudes of one lane as torch.stft has them, not under the floor: mirrored at both ends, the window amid zeros."""
    turn = 2 * np.pi * np.arange(length) / length
    table = {
        "hann": 0.5 - 0.5 * np.cos(turn),
        "hamming": 0.54 - 0.46 * np.cos(turn),
        "blackman": 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn),
        "bartlett": 1 - np.abs(2 * np.arange(length) / length - 1),
        "kaiser": np.kaiser(length + 1, 12.0)[:-1],
    }[window]
    full = np.zeros(size)
    full[(size - length) // 2 :][:length] = table
    padded = np.pad(x, size // 2, mode="reflect")
    windows = [padded[at : at + size] for at in range(0, len(padded) - size + 1, hop)]
    return np.maximum(np.abs(np.fft.rfft(np.array(windows) * full)), eps**0.5)


def mel_filters(sample_rate, size, count):
    """Slaney's, one triangle after the other."""
    edge = lambda hz: hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)  # noqa: E731
    back = lambda m: m * 200 / 3 if m < 15 else 1000 * math.exp((m - 15) * math.log(6.4) / 27)  # noqa: E731
    corners = [back(edge(sample_rate / 2) * i / (count + 1)) for i in range(count + 2)]
    out = np.zeros((count, size // 2 + 1))
    for i, (low, middle, high) in enumerate(zip(corners, corners[1:], corners[2:])):
        for k in range(size // 2 + 1):
            f = k * sample_rate / size
            out[i, k] = max(0, min((f - low) / (middle - low), (high - f) / (high - middle))) * 2 / (high - low)
    return out


def stft_loss(pred, target, resolutions, window="hann", weights=(1.0, 1.0, 0.0), distance="L1", eps=1e-8, mels=0, rate=1000.0):
    """auraloss, a mean over resolutions (size, hop, length)."""
    losses = []
    for size, hop, length in resolutions:
        a, b = (np.array([torch_stft(x, size, hop, length, window, eps) for x in part]) for part in lanes(pred, target))
        if mels:
            filters = mel_filters(rate, size, mels)
            a, b = (m @ filters.T for m in (a, b))
            a, b = (np.where(filters.any(1), m, 1e-300) for m in (a, b))
        apart = lambda u, v: np.mean(np.abs(u - v) ** (1 if distance == "L1" else 2))  # noqa: E731
        terms = np.linalg.norm(b - a) / np.linalg.norm(b), apart(np.log(a), np.log(b)), apart(a, b)
        losses.append(np.dot(weights, terms))
    return np.array([np.mean(losses)])


def multi_scale(pred, target, fft_sizes, weights, loss_type="L1", safe_log="2022"):
    """ddsp without the term of loudness: the weights are those of five distances."""
    total = 0.0
    safe = {
        "2019": lambda v: np.log(v + 1e-5),
        "2020": lambda v: np.log(np.maximum(v, 1e-5)),
        "2022": lambda v: np.log(np.where(v <= 0, 1e-5, v)),
    }[safe_log]
    for size in fft_sizes:
        even = size - size % 2
        table = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / even) for n in range(size)])
        power = next(2**k for k in range(20) if 2**k >= size)
        spectra = []
        for part in lanes(pred, target):
            padded = np.pad(part, ((0, 0), (0, size)))
            starts = range(0, part.shape[1], size // 4 or 1)
            spectra.append(np.abs(np.fft.rfft(np.stack([padded[:, at : at + size] * table for at in starts], 1), power)))
        of = [lambda m: m, lambda m: np.diff(m, axis=1), np.diff, lambda m: np.cumsum(m, -1), safe]
        for weight, fn in zip(weights, of):
            gap = np.abs(fn(spectra[0]) - fn(spectra[1])) ** (1 if loss_type == "L1" else 2)
            total += weight * gap.sum() / max(gap.size, 1)
    return np.array([total])


def loudness_loss(pred, target, rate=1000.0):
    """Of less than 400 ms: BS.1770's filters, one sample after the other, and one mean square."""
    k = [math.tan(math.pi * min(f / rate, 0.4)) for f in (1681.974450955533, 38.13547087602444)]
    q, vh = (0.7071752369554196, 0.5003270373238773), 10 ** (3.999843853973347 / 20)
    vb, a0 = vh**0.4996667741545416, [1 + x / q + x * x for x, q in zip(k, q)]
    tops = [
        [(vh + vb * k[0] / q[0] + k[0] ** 2) / a0[0], 2 * (k[0] ** 2 - vh) / a0[0], (vh - vb * k[0] / q[0] + k[0] ** 2) / a0[0]]
    ]
    tops += [[1.0, -2.0, 1.0]]
    levels = []
    for part in (pred, target):
        part = part.reshape(len(part), -1)
        part = np.broadcast_to(part, (len(part), max(np.prod(p.shape[1:], dtype=int) for p in (pred, target))))
        total = 0.0
        for lane, weight in zip(part.T, (1, 1, 1, 1.41, 1.41)):
            for i, top in enumerate(tops):
                bottom = 2 * (k[i] ** 2 - 1) / a0[i], (1 - k[i] / q[i] + k[i] ** 2) / a0[i]
                x, y = [0.0, 0.0, *lane], [0.0, 0.0]
                for n in range(2, len(x)):
                    y.append(top[0] * x[n] + top[1] * x[n - 1] + top[2] * x[n - 2] - bottom[0] * y[-1] - bottom[1] * y[-2])
                lane = np.array(y[2:])
            total += weight * np.mean(lane**2)
        levels.append(10 * math.log10(total))
    return np.array([abs(levels[0] - levels[1])])


@by_lane
def log_spectral_distance(x, t, fft_size, hop, eps=1e-8):
    a, b = (magnitudes(v, fft_size, hop) for v in (x, t))
    return np.mean(np.sqrt(np.mean((20 * np.log10((a + eps) / (b + eps))) ** 2, axis=1)))


@by_lane
def spectral_transport(x, t, fft_size, hop, p=2.0):
    """Mass after mass from the left: each goes to the first place that still takes some."""
    ways = []
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / fft_size) for n in range(fft_size)])
    starts = range(0, max(len(x) - fft_size, 0) + 1, hop)
    padded = (np.pad(v, (0, fft_size)) for v in (x, t))
    masses = ([np.abs(np.fft.rfft(v[at : at + fft_size] * hann)) ** p for at in starts] for v in padded)
    for a, b in zip(*masses):
        way = 0.0
        if a.sum() and b.sum():
            a, b, i, j = list(a / a.sum()), list(b / b.sum()), 0, 0
            while i < len(a) and j < len(b):
                mass = min(a[i], b[j])
                way += mass * (abs(i - j) / max(len(a) - 1, 1)) ** p
                a[i], b[j] = a[i] - mass, b[j] - mass
                i, j = (i + 1, j) if a[i] <= b[j] else (i, j + 1)
        ways.append(way)
    return np.mean(ways)


# Noise.


def threefry2x32(key, counter):
    """Threefry with 20 rounds, of Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3."""
    mask = 0xFFFFFFFF
    keys = (key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = (counter[0] + keys[0]) & mask, (counter[1] + keys[1]) & mask
    for block in range(5):
        for turn in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            a = (a + b) & mask
            b = ((b << turn) | (b >> (32 - turn))) & mask
            b ^= a
        a = (a + keys[(block + 1) % 3]) & mask
        b = (b + keys[(block + 2) % 3] + block + 1) & mask
    return a, b


def noise(seeds, frames, shape=(), start=0):
    """Uniform in [-1, 1): the 23 high bits of a block cipher of the seeds, the frame and the element."""
    out = np.zeros((frames, *shape), np.float32)
    for n in range(frames):
        key = (0, seeds[0])
        for part in (*seeds[1:], start + n):
            key = threefry2x32(key, (0, part))
        for element, place in enumerate(np.ndindex(*shape)):
            high, low = threefry2x32(key, (0, element))
            unit = np.float32(((high ^ low) >> 9) * 2.0**-23)
            out[(n, *place)] = unit * np.float32(2) - np.float32(1)
    return out


# Layers and control curves.


def gru(x, w, u, b, init=None):
    """One unit after another, `(frames, inputs)`; weights and bias are those of the first frame."""
    w, u, b = w[0], u[0], b[0]
    b_in, b_state = b if b.ndim == 2 else (b, np.zeros(len(b)))
    h, out = np.zeros(u.shape[1]) if init is None else init[0], []
    for now in x:
        (r_x, u_x, n_x), (r_h, u_h, n_h) = np.split(w @ now + b_in, 3), np.split(u @ h + b_state, 3)
        reset, update = sigmoid(r_x + r_h), sigmoid(u_x + u_h)
        h = (1 - update) * np.tanh(n_x + reset * n_h) + update * h
        out.append(h)
    return np.array(out)


def lfo(freq, shape="sine", low=None, high=None, *, sample_rate):
    """`freq` and the ends do not vary."""
    phase = np.outer(np.arange(len(freq)), freq[0] / sample_rate).reshape(freq.shape) % 1
    low, high = -np.ones(1) if low is None else low, np.ones(1) if high is None else high
    part = {
        "sine": (np.sin(2 * np.pi * phase) + 1) / 2,
        "triangle": np.where(phase < 0.25, 0.5 + 2 * phase, np.where(phase < 0.75, 1.5 - 2 * phase, 2 * phase - 1.5)),
        "saw": phase,
        "falling": 1 - phase,
        "square": 1.0 * (phase < 0.5),
    }[shape]
    return low + (high - low) * part


def sequence(values, times, *, sample_rate):
    """A loop over frames and values, a thousandth of a frame early is on time."""
    out = np.zeros((len(values), *values.shape[2:]))
    for n in range(len(values)):
        for k, time in enumerate(times[n]):
            if n + 1e-3 >= time * sample_rate:
                out[n] = values[n, k]
    return out


def response_of(magnitudes, size=None, convention="exact"):
    """The taps of a filter, and which of them is at time 0: the definitions, written out."""
    count = 2 * (len(magnitudes) - 1)
    size = count if size is None else min(size, count)
    twice = [1 if k in (0, count // 2) else 2 for k in range(len(magnitudes))]
    waves = [[math.cos(2 * math.pi * k * n / count) for k in range(len(magnitudes))] for n in range(count)]
    zero_phase = np.array([sum(t * m * w for t, m, w in zip(twice, magnitudes, wave)) / count for wave in waves])
    if convention == "exact":
        half = max(size // 2, 1)
        at = range(-half + 1, half)
        return np.array([zero_phase[n % count] * (1 + math.cos(math.pi * n / half)) / 2 for n in at]), half - 1
    period = size if size % 2 == 0 else size - 1
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * n / period) for n in range(size)])
    if size == count:
        taps = np.fft.fftshift(zero_phase * np.fft.fftshift(hann))
    else:
        half = (size + 1) // 2
        windowed = zero_phase * np.concatenate([hann[half:], np.zeros(count - size), hann[:half]])
        taps = np.concatenate([windowed[count - half + 2 :], windowed[: half + 1]])
    return taps, (len(taps) - 1) // 2 - 1


def filtered_noise(hop):
    """Every frame through the filter of its tick, one after another; zeros behind the end."""

    def whole_run(magnitudes, x, size=None, convention="exact"):
        out = np.zeros(3 * len(x) + 4 * magnitudes.shape[-1])
        for n, sample in enumerate(x):
            taps, first = response_of(magnitudes[n // hop], size, convention)
            at = len(x) + 2 * magnitudes.shape[-1] + n - first
            out[at : at + len(taps)] += sample * taps
        return out[len(x) + 2 * magnitudes.shape[-1] :][: len(x)]

    return whole_run
