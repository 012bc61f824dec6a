"""What the effects should compute: float64 loops over one lane, slow and obvious. Every operand is `(frames,)`."""

import numpy as np

# Sweeps.


def swing(rate, sample_rate):
    """The sine of a phase that is 0 first and then the sum of all before."""
    phase, out = 0.0, []
    for f in rate:
        out.append(np.sin(2 * np.pi * phase))
        phase += f / sample_rate
    return np.array(out)


def late(v, n, time):
    """`v` some frames before `n`: a straight line between two frames, zeros before the beginning."""
    whole = int(np.floor(time))
    near, far = (v[n - k] if n >= k else 0.0 for k in (whole, whole + 1))
    part = time - whole
    return near if part == 0 else near + part * (far - near)


def chorus(x, rate, depth, delay, mix, sample_rate):
    time = np.maximum(delay + depth * swing(rate, sample_rate), 0) * sample_rate / 1000
    wet = np.array([late(x, n, t) for n, t in enumerate(time)])
    return (1 - mix) * x + mix * wet


def flanger(x, rate, depth, delay, feedback, mix, sample_rate):
    time = np.maximum((delay + depth * swing(rate, sample_rate)) * sample_rate / 1000, 1)
    line, wet = np.zeros(len(x)), np.zeros(len(x))
    for n in range(len(x)):
        wet[n] = late(line, n, time[n])
        line[n] = x[n] + feedback[n] * wet[n]
    return (1 - mix) * x + mix * wet


def vibrato(x, rate, depth, sample_rate):
    return chorus(x, rate, depth, depth, np.ones(len(x)), sample_rate)


def phaser(x, rate, low, high, feedback, mix, sample_rate, stages=4):
    """Each stage by its difference equation in transposed form, coefficients of the bilinear transform."""
    corner = low * (high / low) ** (0.5 + 0.5 * swing(rate, sample_rate))
    tan = np.tan(np.pi * np.minimum(corner, 0.499 * sample_rate) / sample_rate)
    memory, last, wet = [0.0] * stages, 0.0, np.zeros(len(x))
    for n, c in enumerate((tan - 1) / (tan + 1)):
        y = x[n] + feedback[n] * last
        for i in range(stages):
            through = c * y + memory[i]
            memory[i] = y - c * through
            y = through
        last = wet[n] = y
    return (1 - mix) * x + mix * wet


# Levels.


def follow(target, rise, fall):
    level, out = 0.0, []
    for x, up, down in zip(target, rise, fall):
        level += (up if x > level else down) * (x - level)
        out.append(level)
    return np.array(out)


def share(ms, sample_rate):
    return 1 - np.exp(-1000 / (np.maximum(ms, 1e-4) * sample_rate))


def expander(x, threshold, ratio, attack, release, sample_rate):
    under = np.maximum(threshold - 20 * np.log10(np.maximum(np.abs(x), 1e-10)), 0)
    reduction = follow(np.minimum((ratio - 1) * under, 200), share(release, sample_rate), share(attack, sample_rate))
    return x * 10 ** (-reduction / 20)


def limiter(x, threshold, release, lookahead, sample_rate):
    """What each frame needs, held for as long as it is seen ahead, let go, and averaged over that time."""
    ahead = round(lookahead * sample_rate / 1000)
    x, threshold, release = (
        np.concatenate([v, np.full(ahead, last)]) for v, last in zip((x, threshold, release), (0, 0, release[-1]))
    )
    need = np.maximum(20 * np.log10(np.maximum(np.abs(x), 1e-10)) - threshold, 0)
    need[len(x) - ahead :] = 0
    held = np.array([max(need[max(n - ahead, 0) : n + 1]) for n in range(len(x))])
    held = follow(held, np.ones(len(x)), share(release, sample_rate))
    smooth = [np.mean(held[n : n + ahead + 1]) for n in range(len(x) - ahead)]
    return x[: len(x) - ahead] * 10 ** (-np.array(smooth) / 20)


def pan(x, position):
    """`(frames, ..., 2)`."""
    x, angle = np.atleast_2d(x.T).T, (1 + np.clip(position, -1, 1)) * np.pi / 4
    return x * np.stack([np.cos(angle), np.sin(angle)], -1)
