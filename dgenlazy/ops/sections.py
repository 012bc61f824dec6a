"""Transfer functions as second-order sections, in float64: what is known before the run is rounded as late as can be.

A section is given by the coefficients that `second_order` takes, which are precise for low cutoffs, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph import Leaf, Node, Value


def of_sos(sos: Any) -> np.ndarray | None:
    """Sections `(b0, b1, b2, a0, a1, a2)` along the first axis as such coefficients, `(sections, 5, *lanes)`; None if lazy."""
    if isinstance(sos, (Value, Node, Leaf)):
        return None
    b0, b1, b2, a0, a1, a2 = np.moveaxis(np.asarray(sos, np.float64), 1, 0)
    return np.stack([x / a0 for x in (b0, 2 * b0 + b1, b0 + b1 + b2, 2 * a0 + a1, a0 + a1 + a2)], 1)


def of_transfer_function(b: Any, a: Any) -> np.ndarray | None:
    """`b(z) / a(z)` of order 3 or more in sections, `(sections, 5)`.

    None where one of them is lazy or differs by lane, where the filter is not stable or of a lower order, and where there are
    more coefficients of `b` than of `a`.

    Poles next to the unit circle come last, each pair with the zeros nearest to it, and all sections have the same share
    of the gain: so that signals between them neither overflow nor drown.
    """
    if any(isinstance(x, (Value, Node, Leaf)) for x in (b, a)):
        return None
    b, a = np.asarray(b, np.float64), np.asarray(a, np.float64)
    if not (np.isfinite(b).all() and np.isfinite(a).all()):
        return None
    if b.ndim != 1 or a.ndim != 1 or not b.any() or not a.any():
        return None
    b, a = (x[: np.flatnonzero(x)[-1] + 1] for x in (b, a))
    late = int(np.flatnonzero(b)[0])  # frames
    poles, zeros = np.roots(a), np.roots(b[late:])
    if len(poles) < 3 or len(b) > len(a) or np.abs(poles).max() >= 1:
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
