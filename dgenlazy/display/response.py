"""What a graph does to each frequency on its way from input to output, and where its poles and zeros are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from ..errors import ArgumentError, ShapeError, spelled
from ..graph import Data, Input, Node, needs_value, toposort
from ..run import initial_state, runtime, step
from .figures import colours, subplots

_SHORTEST, _LONGEST = 2**14, 2**18  # frames of an impulse response
_QUIET = 1e-10  # of the power of an impulse response, in its last quarter, for it to have ended
_MOST_STATES = 32  # for whose polynomials float64 is enough
_NEAR = 1e-3  # of a run's power, in amplitude: what may differ between two that ought to be the same


@dataclass(frozen=True, repr=False)
class Response:
    """What `filter_response` found and drew.

    Attributes:
        frequency: In Hz, from 0 to half of the sample rate: `(bins,)`.
        response: Complex, `(bins,)`, or `(bins, lanes)`.
        delay: Group delay in seconds, of the same shape; NaN where the response is 0.
        poles, zeros: In the plane of z, or None where there are none to be told: more than 32 states (a delay is one a frame),
            lanes, or an op that is no recurrence.
        axes: Of matplotlib: magnitude, phase, delay, and poles where there are some.
    """

    frequency: np.ndarray
    response: np.ndarray
    delay: np.ndarray
    poles: np.ndarray | None
    zeros: np.ndarray | None
    axes: tuple[Any, ...]

    def __repr__(self) -> str:
        roots = "" if self.poles is None or self.zeros is None else f", {len(self.poles)} poles, {len(self.zeros)} zeros"
        largest = np.unravel_index(np.abs(self.response).argmax(), self.response.shape)
        level = round(20 * np.log10(max(float(np.abs(self.response[largest])), 1e-30)), 1)
        return f"<Response: at most {level + 0.0:.1f} dB, at {self.frequency[largest[0]]:.0f} Hz{roots}>"


@spelled
def filter_response(x: Any, ax: Any = None) -> Response:
    """Draw what a graph does to each frequency: magnitude, phase, group delay, and poles and zeros where it has them.

    It is run on impulses and noise to see that it is linear and the same at all times; changes slower than a few seconds are
    not seen. Where its recurrences have at most 32 states together, the response is that of their matrices, in float64; else it
    is that of an impulse, of up to 262,144 frames.

    Args:
        x: A value of shape () or of one axis, made of one `Signal.input()`.
        ax: Three axes to draw magnitude, phase and delay into, or four, the last for poles and zeros; new ones by default.

    Returns:
        A `Response`: the numbers, and the axes.

    Raises:
        ArgumentError: there is no input, or more than one, or the graph is not linear or not the same at all times: it names
            the first op that is not. ShapeError: an input with lanes, an output of more than one axis, or other than 3 or 4
            axes. BackendError: matplotlib is not installed.

    >>> from dgenlazy import display
    >>> display.filter_response(Signal.input().biquad(1000.0, q=4.0))
    <Response: at most 12.1 dB, at 985 Hz, 2 poles, 2 zeros>
    """
    node = needs_value("filter_response", x).node
    leaf = _input(node)
    rate = runtime.sample_rate()
    system, frames = _system(node), _SHORTEST
    answers = _answers([node], leaf, frames)[0]
    if system is not None and not _explains(system, answers[0, :, 0]):
        system = None
    while system is None and frames < _LONGEST and not _ended(answers[0]):
        frames *= 2
        answers = _answers([node], leaf, frames)[0]
    if fault := _fault(answers):
        raise ArgumentError(f"filter_response: {_culprit(node, leaf, fault)}; takes what is linear and the same at all times")
    impulse = answers[0]
    frequency = np.fft.rfftfreq(len(impulse), 1 / rate)
    if system is None:
        response, delay = _of_impulse(impulse)
    else:
        response, delay = _of_system(system, frequency / rate)
    poles, zeros = _roots(system) if system is not None else (None, None)
    shape = (len(frequency), *node.spec.shape)
    cut = (
        "" if system is not None or _ended(impulse) else f"; still sounding after {len(impulse) / rate:.1f} s, where it is cut"
    )
    axes = _draw(frequency, response, delay / rate, poles, zeros, ax, cut)
    return Response(frequency, response.reshape(shape), (delay / rate).reshape(shape), poles, zeros, axes)


def _input(node: Any) -> Input:
    order = toposort([node])
    inputs = list({leaf.channel: leaf for leaf in order if isinstance(leaf, Input)}.values())
    if not inputs:
        raise ArgumentError("filter_response: there is no input; begin the graph with Signal.input()")
    if len(inputs) > 1:
        channels = ", ".join(str(leaf.channel) for leaf in inputs)
        raise ArgumentError(f"filter_response: there are {len(inputs)} inputs, of channels {channels}; takes a graph of one")
    if any(isinstance(leaf, Data) and leaf.batched for leaf in order):
        raise ArgumentError("filter_response: this is a batch; build the graph of one example")
    if inputs[0].spec.shape or len(node.spec.shape) > 1:
        given = f"from {inputs[0].spec.shape} to {node.spec.shape}"
        raise ShapeError(f"filter_response: takes a graph from one lane to shape () or one axis, this is {given}")
    if node.spec.hop != 1 or inputs[0].spec.hop != 1:
        raise ArgumentError(f"filter_response: takes a value in every frame, this has one every {node.spec.hop} frames")
    return inputs[0]


# What it does, as runs tell.


def _answers(nodes: list[Any], leaf: Input, frames: int) -> list[np.ndarray]:
    """What each node gives for an impulse, for nothing, and for noises that are sums, multiples and delays of each other.

    `(rows, frames, lanes)` in float64, from one run.
    """
    x, y = np.random.default_rng(0).standard_normal((2, frames))
    impulse = np.eye(1, frames)[0]
    later = np.concatenate([np.zeros(frames // 2), x[: frames - frames // 2]])
    samples = np.stack([impulse, 0 * x, x, y, x + y, 100 * x, 0.01 * x, later])
    out = runtime.realize(nodes, frames, {leaf.channel: samples.astype(np.float32)}, None)
    return [np.asarray(one, np.float64).reshape(*samples.shape, -1) for one in out]


def _ended(impulse: np.ndarray) -> bool:
    power = (impulse**2).sum(1)
    return bool(0 < power.sum() and power[-len(power) // 4 :].sum() <= _QUIET * power.sum())


def _culprit(node: Any, leaf: Input, fault: str) -> str:
    """The first op on the way that is no filter, and why it is none."""
    inputs: set[Any] = set()
    for other in toposort([node]):
        if isinstance(other, Input) or any(i in inputs for i in other.inputs):
            inputs.add(other)
    after = [n for n in toposort([node]) if n in inputs and isinstance(n, Node)]
    after = [n for n in after if not isinstance(n.spec, tuple) and n.spec.hop == 1]
    faults = [_fault(y) for y in _answers(after, leaf, 2**12)]
    return next((f"{n.name} {found}" for n, found in zip(after, faults) if found), f"{node.name} {fault}")


def _fault(y: np.ndarray) -> str:
    """What is wrong with answers; nothing with those of a filter."""
    _, nothing, x, other, both, loud, soft, later = y
    size = np.linalg.norm(x) or np.linalg.norm(loud)
    if np.linalg.norm(nothing) > 1e-6 * size:
        return "adds what does not come from the input"
    wrong = [both - x - other, (loud - 100 * x) / 100, 100 * (soft - 0.01 * x)]
    if not all(np.linalg.norm(w) <= _NEAR * size for w in wrong):
        return "is not linear: it changes what is loud in another way than what is soft"
    moved = later[len(x) // 2 :] - x[: len(x) - len(x) // 2]
    if np.linalg.norm(later[: len(x) // 2]) > _NEAR * size or np.linalg.norm(moved) > _NEAR * size:
        return "changes with time"
    return ""


def _of_impulse(impulse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    response = np.fft.rfft(impulse, axis=0)
    ramped = np.fft.rfft(impulse * np.arange(len(impulse))[:, None], axis=0)
    return response, _quotient(ramped, response)


def _quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The real part, where b is not 0 but for rounding."""
    heard = np.abs(b) > 1e-6 * np.abs(b).max(initial=1e-30)
    return np.where(heard, np.real(a / np.where(heard, b, 1.0)), np.nan)


# What it does, as its matrices tell: s' = A s + B u, y = C s + D u.

System = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _system(node: Any) -> System | None:
    """The matrices of one step of the whole program, if all of its memory is few numbers."""
    graph = runtime.staged([node])
    program = graph.program
    known = all(isinstance(a, Input) or (isinstance(a, Data) and not a.spec.varies) for a in graph.arrays)
    if program.rated or program.sees_whole_run or program.takes_length or node.spec.shape or not known:
        return None
    ctx = runtime.context(runtime.sample_rate(), 1, 0, runtime.device())
    numbers = [np.float32(number) for number in graph.numbers]

    def leaves(u):
        return [*numbers, *[u if isinstance(a, Input) else np.asarray(a.array) for a in graph.arrays]]

    state = initial_state(program, ctx, leaves(np.float32(0)))
    if any(not np.issubdtype(np.asarray(s).dtype, np.floating) for s in jax.tree.leaves(state)):
        return None
    flat, unflat = ravel_pytree(state)
    if flat.size > _MOST_STATES:
        return None

    def one(s, u):
        outputs, after = step(program, ctx, leaves(u), unflat(s))
        return ravel_pytree(after)[0], outputs[0]

    (a, b), (c, d) = jax.jacobian(one, (0, 1))(flat, np.float32(0))
    a, b, c, d = (np.asarray(m, np.float64) for m in (a, b, c, d))
    return a, b.reshape(-1, 1), c.reshape(1, -1), d.reshape(1, 1)


def _explains(system: System, impulse: np.ndarray) -> bool:
    """Whether the matrices give the beginning of an impulse response: ops whose step reads more than its state do not."""
    a, b, c, d = system
    given, s = [d[0, 0]], b
    for _ in range(255):
        given.append((c @ s)[0, 0])
        s = a @ s
    wanted = impulse[: len(given)]
    return bool(np.abs(np.array(given) - wanted).max() <= _NEAR * np.abs(wanted).max(initial=1e-30))


def _of_system(system: System, cycles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d = system
    response, slope = np.empty((2, len(cycles), 1), complex)
    unit = np.eye(len(a))
    for first in range(0, len(cycles), 512):
        part = slice(first, first + 512)
        z = np.exp(2j * np.pi * cycles[part])[:, None, None] * (1 + 1e-12)  # beside a pole that is on the circle
        once = np.linalg.solve(z * unit - a, b)
        response[part] = (c @ once + d)[:, 0]
        slope[part] = -(z * (c @ np.linalg.solve(z * unit - a, once)))[:, 0]
    return response, -_quotient(slope, response)


def _roots(system: System) -> Any:
    """Poles and zeros, without those of both that lie on each other."""
    a, b, c, d = system
    if not len(a):
        return np.zeros((2, 0), complex)
    poles = np.linalg.eigvals(a)
    numerator = np.poly(a - b @ c) + (d[0, 0] - 1) * np.poly(a)
    while len(numerator) > 1 and abs(numerator[0]) <= 1e-6 * np.abs(numerator).max():
        numerator = numerator[1:]
    zeros = list(np.roots(numerator))
    left = []
    for pole in poles:
        near = min(zeros, key=lambda zero: abs(zero - pole), default=None)
        if near is not None and abs(near - pole) < 1e-4:
            zeros.remove(near)
        else:
            left.append(pole)
    return np.array(left, complex), np.array(zeros, complex)


def _draw(frequency: Any, response: Any, delay: Any, poles: Any, zeros: Any, ax: Any, cut: str) -> tuple[Any, ...]:
    if ax is None:
        size = (9.0, 5.4) if poles is not None else (7.0, 5.4)
        columns = {"width_ratios": [3, 2]} if poles is not None else {}
        figure, grid = subplots("filter_response", 3, 2 if poles is not None else 1, size, **columns)
        axes = list(grid[:, 0])
        if poles is not None:
            spec = grid[0, 1].get_gridspec()
            for old in grid[:, 1]:
                old.remove()
            axes.append(figure.add_subplot(spec[:, 1]))
    else:
        axes = list(np.atleast_1d(np.asarray(ax, object)).ravel())
        if len(axes) not in (3, 4):
            raise ShapeError(f"filter_response: ax={len(axes)} axes; takes three, or four for poles and zeros")
    level = 20 * np.log10(np.maximum(np.abs(response), 1e-10))
    top = level.max()
    heard = np.abs(response) > 1e-6 * np.abs(response).max(axis=0)  # elsewhere an angle is one of rounding
    phase = np.where(heard, np.degrees(np.unwrap(np.where(heard, np.angle(response), 0.0), axis=0)), np.nan)
    rows = (level, "magnitude (dB)"), (phase, "phase (degrees)")
    for one, (y, label) in zip(axes, (*rows, (delay * 1000, "group delay (ms)"))):
        for i, lane in enumerate(y[1:].T):
            one.plot(frequency[1:], lane, color=colours(one)[i % 8], linewidth=1.2, label=str(i))
        one.set(xscale="log", ylabel=label, xlim=(max(frequency[1], min(10.0, frequency[-1] / 100)), frequency[-1]))
        one.grid(True, alpha=0.3)
    axes[0].set_ylim(max(top - 120, level[1:].min() - 3), top + 3)
    axes[2].ticklabel_format(axis="y", useOffset=False)
    low, high = axes[2].get_ylim()
    if high - low < 0.02:  # the same everywhere, but for rounding
        axes[2].set_ylim(low - 0.5, high + 0.5)
    axes[2].set_xlabel(f"frequency (Hz){cut}")
    if response.shape[1] > 1:
        axes[0].legend(title="lane", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if len(axes) == 4 and poles is not None:
        _plane(axes[3], poles, zeros)
    return tuple(axes)


def _plane(ax: Any, poles: np.ndarray, zeros: np.ndarray) -> None:
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color="0.5", linewidth=1.0)
    for roots, mark, colour, name in ((poles, "x", 1, "poles"), (zeros, "o", 0, "zeros")):
        style = {"color": colours(ax)[colour], "markersize": 8, "markeredgewidth": 2, "fillstyle": "none"}
        ax.plot(np.real(roots), np.imag(roots), mark, label=name, **style)
    far = 1.1 * max(1.0, min(3.0, np.abs([*poles, *zeros, 1.0]).max()))
    out = sum(np.abs([*poles, *zeros]) > far)
    ax.set(aspect="equal", xlim=(-far, far), ylim=(-far, far), xlabel="real part of z", ylabel="imaginary part of z")
    ax.legend(frameon=False, loc="upper left", title=f"{out} beyond the picture" if out else None)
    ax.grid(True, alpha=0.3)
