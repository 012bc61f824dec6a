"""Convolutions, frame by frame and without latency: the first taps one by one, the later ones by transforms of whole blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...graph import Clock
from . import transform
from .text import Text, index
from .value import Value
from .views import dense

# Every block of p frames is transformed with the one before, and kept; the next block hears of all that is kept the product
# with the transform of as many later taps. `line` holds each of the last p frames twice, so that they lie in a row.
# Source: T. G. Stockham, High-speed convolution and correlation, 1966; W. G. Gardner, Efficient convolution without
# input-output delay, JAES 43(3), 1995.
FUNCTIONS = {
    "dg_convolved": """\
static float dg_convolved(int p, int parts, const float *taps, const float *spectra, const float *w, float *line, float *before,
                          float *kept, float *heard, float *x, int at, int newest, float now) {
    float a[16] = {0};
    int i, k;
    if (parts && at == 0) {
        const int m = p + 1;
        float *re = x + 6 * p, *im = x + 8 * p, *own = kept + 2 * m * newest;
        for (k = 0; k < p; k++) {
            x[k] = before[k];
            x[k + p] = before[k] = line[k];
        }
        dg_rfft(2 * p, w, x);
        for (k = 0; k < m; k++) {
            own[k] = re[k];
            own[k + m] = im[k];
            re[k] = im[k] = 0.0f;
        }
        for (i = 0; i < parts; i++) {
            const float *h = spectra + 2 * m * i, *s = kept + 2 * m * (newest - i + (i > newest ? parts : 0));
            for (k = 0; k < m; k++) {
                re[k] += h[k] * s[k] - h[k + m] * s[k + m];
                im[k] += h[k] * s[k + m] + h[k + m] * s[k];
            }
        }
        dg_irfft(2 * p, w, x);
        for (k = 0; k < p; k++) heard[k] = x[k + p];
    }
    line[at] = line[at + p] = DG_KEPT(now);
    for (i = 0; i < p; i += 16)
        for (k = 0; k < 16; k++) a[k] += taps[i + k] * line[at + 1 + i + k];
    for (k = 0; k < 8; k++) a[k] += a[k + 8];
    now = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
    return parts ? now + heard[at] : now;
}""",
}
_FEW = 8  # taps that are added one by one
_AT_ONCE = 16  # that the function above adds side by side
_DIRECT = 512  # taps up to which no transform is quicker
_LARGEST = 2048  # frames of a block: the work of a transform is done in one frame


def sizes(count: int) -> tuple[int, int]:
    """Of so many taps, how many are taken one by one, and how many times as many are left."""
    if count <= _DIRECT:
        return -(-count // _AT_ONCE) * _AT_ONCE, 0
    near = min(2 ** round(math.log2(2 * math.sqrt(count))), _LARGEST)
    return near, -(-count // near) - 1


def suits(x: Any, taps: Any) -> bool:
    """Whether a filter is better off here than as its own step, by the specs of what it takes."""
    return not taps.varies and taps.shape[0] > _FEW and 0 not in (*x.shape, *taps.shape)


def lowered(step: Any, i: int) -> Value:
    """The output of line `i` of a step."""
    made, taps = step.made, step.now(step.program.lines[i - len(step.program.leaves)].args[1])
    x, mark = _heard(step, i, taps.shape[0])
    near, parts = sizes(taps.shape[0])
    first, later = made.traced(lambda rate, taps: _laid_out(taps, near, parts), taps)
    lanes = np.broadcast_shapes(x.shape, taps.shape[1:])
    at, newest = step.zeros((), np.int32), step.zeros((), np.int32)
    lengths = (2 * near, near, parts * 2 * (near + 1), near) if parts else (2 * near,)
    states = [step.zeros((*lanes, n), np.float32) for n in lengths]
    given = made.spread(x, lanes), _in_a_row(made, first), _in_a_row(made, later), at, newest
    node = made.new((), "int32", prim="convolved", args=(*given, step.frame))  # in every frame, also of what rests
    y = made.new(lanes, "float32", prim="part", args=(node,))
    kept = [made.new(v.shape, "float32", prim="part", args=(node,), params={"state": v.source[1]}) for v in states]
    node.params = {"parts": [y, *kept], "near": near, "later": parts}
    if parts:
        node.params |= {"table": made.constant(transform.turns(2 * near)), "room": made.new((10 * near,), "float32")}
    made.placed(node, [y, *kept])
    for part in kept:
        step.after[part.params["state"]] = step.kept[part.params["state"]] = part

    def turned(rate, at, newest):
        at = jnp.where(at + 1 == near, 0, at + 1)
        return at, jnp.where(at == 0, jnp.where(newest + 1 >= parts, 0, newest + 1), newest)

    step.becomes((at, newest), made.traced(turned, at, newest))
    return made.traced(lambda rate, y, mark: y + mark, y, mark)


def _heard(step: Any, i: int, count: int) -> tuple[Value, Value]:
    """What line `i` is given, 0 where that is not finite, and NaN as long as such a frame is heard."""
    x, late = step.now(step.program.lines[i - len(step.program.leaves)].args[0]), step.program.latencies[i]
    if late:  # of what comes before time 0 nothing is heard
        live = lambda rate, now, x: jnp.where(Clock(now, 1).live(1, late)[0], x, 0)  # noqa: E731
        x = step.made.traced(live, step.now(step.program.clock), x)
    before = step.zeros(x.shape, np.float32), step.zeros(x.shape, np.int32)

    def told(rate, x, before):
        mark, left = before
        left = jnp.where(jnp.isfinite(x), jnp.where(mark == 0, 0, jnp.maximum(left - 1, 0)), count).astype(jnp.int32)
        return jnp.where(jnp.isfinite(x), x, 0).astype(jnp.float32), (jnp.where(left > 0, jnp.nan, jnp.zeros_like(mark)), left)

    x, after = step.made.traced(told, x, before)
    step.becomes(before, after)
    return x, after[0]


def _laid_out(taps: Any, near: int, parts: int) -> tuple[Any, Any]:
    """The first taps, the latest last, and the transforms of the others."""
    taps = jnp.moveaxis(taps, 0, -1).astype(jnp.float32)
    taps = jnp.pad(taps, [(0, 0)] * (taps.ndim - 1) + [(0, near * (parts + 1) - taps.shape[-1])])
    first, later = jnp.flip(taps[..., :near], -1), taps[..., near:].reshape(*taps.shape[:-1], parts, near)
    if not parts:
        return first, first
    later = jnp.fft.rfft(later, 2 * near)
    return first, jnp.stack([later.real, later.imag], -2).reshape(*taps.shape[:-1], -1)


def written(text: Text, n: Value) -> None:
    """A frame of each lane."""
    x, first, later, at, newest, _ = n.args
    near, parts, (y, *kept) = n.params["near"], n.params["later"], n.params["parts"]
    text.names[y] = text.declared(y)
    with text.loops(y.shape) as lanes:
        places = [f"self->dg_s{v.params['state']} + {_begin(v, lanes)}" for v in kept]
        taps = _place(text, first, lanes)
        of_later = ["NULL"] * 6
        if parts:
            room = text.field(n.params["room"], f"dg_t{n.params['room'].number}")
            of_later = [_place(text, later, lanes), text.table(n.params["table"]), *places[1:], f"self->{room}"]
        spectra, table, *rest = of_later
        numbers = [text.read(v, []) for v in (at, newest)]
        given = [str(near), str(parts), taps, spectra, table, places[0], *rest, *numbers, text.read(x, lanes)]
        text.put(f"{text.target(text.names[y], y, lanes)} = dg_convolved({', '.join(given)});")


def _place(text: Text, v: Value, lanes: Sequence[str]) -> str:
    """Where in an array that lies in a row what is of these lanes begins."""
    return f"{text.table(v)} + {_begin(v, lanes)}" if v.const is not None else f"&{text.reference(v, _begin(v, lanes))}"


def _begin(v: Value, lanes: Sequence[str]) -> str:
    """The same, as an index."""
    own = v.shape[:-1]
    return index(["0" if d == 1 else lane for d, lane in zip(own, lanes[len(lanes) - len(own) :])], dense(v.shape))


def _in_a_row(made: Any, v: Value) -> Value:
    """A value that lies in a row in memory."""
    return v if v.const is not None or not (v.view or v.source) else made.made("copy", {}, (v,), v.shape, v.dtype)
