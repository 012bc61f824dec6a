"""Transfer functions in the forms that float32 holds best, found in float64: what is known before the run is rounded last.

Coefficients of a high order say little about the poles. So a filter is tried out, in float32, in each form there is:
in second-order sections, in direct form, and as the one matrix of a normalised lattice.
"""

from __future__ import annotations

import decimal
import functools as ft
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..graph import Leaf, Node, Value

_GOOD = 5e-6  # of the output: the first form that is off by less is taken
_POOR = 1e-2  # more is told to the user
_LOST = 0.1  # of `a(-1)`, where rounding shows
_FRAMES = 2048  # of the trial
_DIGITS = 60  # lost one by one on the way from coefficients to reflections
_MOST_IN_SECTIONS, _MOST_IN_LATTICE = 32, 512  # orders; a section is a loop to compile, a lattice a square to multiply with


class Form(NamedTuple):
    """How to run a filter: `name` is "direct", "sections" or "lattice", and `values` are its coefficients in that form."""

    name: str
    values: np.ndarray


def of_sos(sos: Any) -> list[Form] | None:
    """The forms of sections `(b0, b1, b2, a0, a1, a2)` along the first axis; None if lazy.

    `second_order` loses poles next to -1, as the usual form loses those next to 1: they are held by a lattice.
    """
    if isinstance(sos, (Value, Node, Leaf)):
        return None
    out = []
    for section in np.asarray(sos, np.float64):
        b0, b1, b2, a0, a1, a2 = section
        held = lattice(section[:3] / a0, section[3:] / a0) if np.ndim(a0) == 0 and abs(a0 - a1 + a2) < _LOST * abs(a0) else None
        offsets = np.stack([x / a0 for x in (b0, 2 * b0 + b1, b0 + b1 + b2, 2 * a0 + a1, a0 + a1 + a2)])
        out.append(Form("sections", offsets[None]) if held is None else Form("lattice", held))
    return out


def of_transfer_function(b: Any, a: Any) -> Form | None:
    """`b(z) / a(z)` in the form that is most precise in float32; None where one of them is lazy or differs by lane.

    What none of them holds is warned of: the poles of some filters lie where not even float64 has their coefficients.
    """
    if any(isinstance(x, (Value, Node, Leaf)) for x in (b, a)):
        return None
    b, a = np.asarray(b, np.float64), np.asarray(a, np.float64)
    if not (np.isfinite(b).all() and np.isfinite(a).all()):
        return None
    if b.ndim != 1 or a.ndim != 1 or not b.any() or not a.any() or not a[0]:
        return None
    form, error = _best(*(tuple(x[: np.flatnonzero(x)[-1] + 1] / a[0]) for x in (b, a)))
    if error > _POOR:
        warnings.warn(
            f"lfilter: in float32 this filter is off by {error:.1g} of its output; give its sections to sosfilt instead",
            stacklevel=4,  # the user's line
        )
    return form


@ft.lru_cache(maxsize=256)
def _best(b: tuple[float, ...], a: tuple[float, ...]) -> tuple[Form, float]:
    """The first form that is good, else the best, and how far it is off in a trial on an impulse and noise."""
    top, bottom = np.array(b), np.array(a)
    x = np.random.default_rng(0).normal(size=_FRAMES).astype(np.float32)
    x[0] = 10
    with np.errstate(all="ignore"):
        exact = _direct(top, bottom, x, np.longdouble)
        x = x[: int(np.argmax(~(np.abs(exact) < 1e25))) or _FRAMES]  # unstable ones grow beyond what float32 holds
        exact, found = exact[: len(x)], []
        for name, make, run in _forms(max(len(b), len(a)) - 1):
            values = make(top, bottom)
            if values is not None:
                error = np.sqrt(np.mean((run(values, x) - exact) ** 2) / np.mean(exact**2))
                error = max(float(error), _moved(values) if name == "direct" else 0.0)
                found.append((error if error == error else math.inf, len(found), Form(name, values)))
                if error < _GOOD:
                    break
    error, _, form = min(found)
    return form, error


def _forms(order: int) -> list[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Forms of a filter, how to find and how to try them, the fastest first."""
    forms: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [("direct", direct, _in_direct)]
    if 0 < order <= _MOST_IN_SECTIONS:
        forms.append(("sections", sections, _in_sections))
    if 0 < order <= _MOST_IN_LATTICE:
        forms.append(("lattice", lattice, _in_lattice))
    return forms


def _moved(ba: np.ndarray) -> float:
    """How far rounding the coefficients moves the response where it may be largest: slow poles are slow to show it."""
    angles = np.angle(np.roots(ba[1])) if ba.shape[1] <= _MOST_IN_SECTIONS + 1 else np.zeros(0)
    z = np.exp(1j * np.concatenate([[0.0, np.pi], angles]))
    exact, rounded = (np.polyval(b, z) / np.polyval(a, z) for b, a in (ba, ba.astype(np.float32).astype(np.float64)))
    return float(np.abs(rounded - exact).max() / np.abs(exact).max())


def direct(b: np.ndarray, a: np.ndarray) -> np.ndarray:
    """`b` and `a` of one length."""
    length = max(len(b), len(a))
    return np.stack([np.pad(c, (0, length - len(c))) for c in (b, a)])


def _direct(b: Any, a: Any, x: Any, dtype: Any) -> np.ndarray:
    """What `transposed_direct` does to `x`."""
    (b, a), x, out = direct(b, a).astype(dtype), x.astype(dtype), np.empty(len(x), dtype)
    state = np.zeros(len(b), dtype)
    for n, sample in enumerate(x):
        out[n] = b[0] * sample + state[0]
        state[:-1] = state[1:] + (b * sample - a * out[n])[1:]
    return out


def _in_direct(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _direct(values[0], values[1], x, np.float32)


def _in_sections(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What `second_order` does to `x`, a section a frame later than the one before, which lets NumPy run all at once."""
    late = len(values) - 1
    b0, b1, b2, a1, a2 = values.astype(np.float32).T
    s1, t, y = np.zeros((3, len(values)), np.float32)
    out = []
    for sample in np.append(x, np.zeros(late, np.float32)):
        given = np.append(sample, y[:-1])
        y = b0 * given + s1
        s1, t = s1 + t + (b1 * given - a1 * y), t + (b2 * given - a2 * y)
        out.append(y[-1])
    return np.array(out[late:])


def _in_lattice(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What `state_space` does to `x`."""
    system, held, out = values.astype(np.float32), np.zeros(len(values), np.float32), []
    for sample in x:
        held[-1] = sample
        held = system @ held
        out.append(held[-1])
    return np.array(out)


def lattice(b: np.ndarray, a: np.ndarray) -> np.ndarray | None:
    """The filter as a matrix that takes states and input to the next states and the output; None if it is not stable.

    The states are what is held in the delays of a normalised lattice: they are of one size and independent for white
    noise, so that rounding disturbs them little wherever the poles are.

    Source: A. H. Gray and J. D. Markel, A Normalized Digital Filter Structure, IEEE Transactions ASSP 23(3), 1975.
    """
    with decimal.localcontext(prec=_DIGITS):
        top, bottom = (np.array([decimal.Decimal(float(c)) for c in x], object) for x in direct(b, a))
        order = len(bottom) - 1
        reflections, taps = [], []
        for m in range(order, 0, -1):
            k = bottom[m]
            if abs(k) == 1:
                return None
            reflections.append(k)
            taps.append(top[m])
            top = (top - top[m] * bottom[::-1])[:m]
            bottom = ((bottom - k * bottom[::-1]) / (1 - k * k))[:m]
        shares = [abs((1 - k) * (1 + k)).sqrt() for k in reflections]
        scales = np.array([1, *np.cumprod(np.array(shares, object))], object)
        weights = (np.array([*taps, top[0]], object) / scales).astype(float)
    unit = np.eye(order + 1)
    forward, backward = unit[order], []
    for m, k, c in zip(range(order - 1, -1, -1), map(float, reflections), map(float, shares)):
        backward.append(k * forward + math.copysign(c, 1 - abs(k)) * unit[m])
        forward = c * forward - k * unit[m]
    backward.append(forward)
    return np.array([*backward[:0:-1], weights @ np.array(backward)])


def sections(b: np.ndarray, a: np.ndarray) -> np.ndarray | None:
    """The filter in second-order sections, `(sections, 5)`, as `second_order` takes them, which are precise for low cutoffs.

    None where it is not stable, and where there are more coefficients of `b` than of `a`.

    Poles next to the unit circle come last, each pair with the zeros nearest to it, and all sections have the same share
    of the gain: so that signals between them neither overflow nor drown.
    """
    late = int(np.flatnonzero(b)[0])  # frames
    poles, zeros = np.roots(a), np.roots(b[late:])
    if not len(poles) or len(b) > len(a):
        return None
    bottoms = sorted(_pairs(poles), key=lambda pair: -max(map(abs, pair)))
    tops = _pairs(zeros, late)
    tops += [()] * (len(bottoms) - len(tops))
    gain = b[late] / a[0]
    share = abs(gain) ** (1 / len(bottoms))
    out = []
    for i, bottom in enumerate(bottoms):
        top = tops.pop(min(range(len(tops)), key=lambda n: _apart(tops[n], bottom)))
        out.append([*(math.copysign(share, gain if i == 0 else 1.0) * c for c in _expanded(top)), *_expanded(bottom)[1:]])
    return np.array(out[::-1])


_LATE = None  # stands for a factor `z**-1`, as a root does for `1 - root z**-1`
Factors = Sequence[Any]


def _pairs(roots: Any, late: int = 0) -> list[Any]:
    """The roots of a real polynomial, and so many delays, in groups of two whose product is real; the last may be one."""
    left: list[Any] = [*sorted(roots.real[roots.imag == 0], key=abs, reverse=True), *[_LATE] * late]
    return [(r, r.conjugate()) for r in roots[roots.imag > 0]] + [tuple(left[i : i + 2]) for i in range(0, len(left), 2)]


def _apart(top: Factors, bottom: Factors) -> float:
    """How far a pair of zeros is from a pair of poles."""
    first = max(bottom, key=abs)
    return min((abs(z - first) for z in top if z is not None), default=math.inf)


def _expanded(factors: Factors) -> list[float]:
    """The product `c0 + c1 z**-1 + c2 z**-2` of up to two factors, as `c0, 2 c0 + c1, c0 + c1 + c2`.

    Each is `a + b u` with `u = 1 - z**-1`: where factors have nearly cancelled at z = 1, `a` still has all its digits.
    """
    both = [(1.0, -1.0) if f is _LATE else (1 - f, f) for f in factors]
    (a, b), (c, d) = [*both, (1.0, 0.0), (1.0, 0.0)][:2]
    return [((a + b) * (c + d)).real, (2 * a * c + a * d + b * c).real, (a * c).real]
