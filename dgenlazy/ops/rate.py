"""Rates: from ticks to faster ticks or to frames, and back; and what keeps a stream together that looks ahead."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..config import whole_number
from ..errors import ArgumentError, ShapeError
from ..graph import Clock, Context, Op, Params, Rated, Recurrence, Spec, beside, composite, lift
from ..recurrence import with_transpose
from .slopes import LINE

Method = Literal["hold", "linear", "window", "cubic", "cubic-ddsp"]
TAPS = {"hold": 1, "linear": 2, "window": 2, "cubic": 4, "cubic-ddsp": 4}  # how many ticks each value is made of


@ft.lru_cache(maxsize=256)
def _weights(method: str, ratio: int) -> np.ndarray:
    """`(ratio, taps)`: the part of each of the last ticks, the oldest first, in the values that follow the newest."""
    taps = TAPS[method]
    if method == "hold":
        return np.ones((ratio, 1))
    at = (np.arange(ratio)[:, None] + 1) / ratio
    if method == "cubic-ddsp":
        at = np.rint(1024 * at) / 1024  # TensorFlow has a table of as many
    u = np.abs(at + taps // 2 - 1 - np.arange(taps)[None])  # distance in ticks
    if method == "linear":
        return np.maximum(1 - u, 0)
    if method == "window":
        return np.where(u < 1, 0.5 + 0.5 * np.cos(np.pi * u), 0)
    a = -0.5 if method == "cubic" else -0.75  # Keys' parameter: -0.5 reproduces straight lines
    near = (a + 2) * u**3 - (a + 3) * u**2 + 1
    far = a * u**3 - 5 * a * u**2 + 8 * a * u - 4 * a
    return np.where(u < 1, near, np.where(u < 2, far, 0))


def _segments(joined: Any, weights: np.ndarray, parallel: bool) -> Any:
    """`(n + taps - 1, *shape)` -> `(n * ratio, *shape)`: what follows each tick, of the last `taps`."""
    ratio, taps = weights.shape
    count, shape = joined.shape[0] - taps + 1, joined.shape[1:]
    if taps == 1:
        return jnp.broadcast_to(joined[:, None], (count, ratio, *shape)).reshape(count * ratio, *shape)

    def forth(_, moved):
        w = weights.astype(joined.dtype).reshape(ratio, taps, *(1,) * len(shape))
        parts = [moved[0][k : k + count, None] * w[:, k] for k in range(taps)]
        return [sum(parts[1:], parts[0]).reshape(count * ratio, *shape)]

    def back(_, given):
        return [_gathered(given[0].reshape(count, ratio, *shape), weights)]

    plain = parallel or not isinstance(count, int) or joined.dtype != jnp.float32
    if plain or ratio < LINE or math.prod(shape) < LINE:
        return forth([], [joined])[0]
    like = jax.ShapeDtypeStruct((count * ratio, *shape), joined.dtype)
    return with_transpose(forth, back, [like])([], [joined])[0]


def _gathered(y: Any, weights: np.ndarray) -> Any:
    """What each tick has to do with the frames around it: the transpose of the above, in one pass over `y`.

    Of the sum of products that JAX makes of it, XLA:CPU writes out all products or the weights, as large as `y`, for each tap.
    """
    count, ratio, *shape = y.shape
    taps = weights.shape[1]
    w = jnp.asarray(weights, y.dtype)

    def add(at, sums):
        row = lax.dynamic_index_in_dim(y, at, 1, keepdims=False)
        return [total + row * w[at, k] for k, total in enumerate(sums)]

    sums = lax.fori_loop(0, ratio, add, [jnp.zeros((count, *shape), y.dtype)] * taps)
    return sum(jnp.pad(x, ((k, taps - 1 - k), *((0, 0),) * len(shape))) for k, x in enumerate(sums))


def _taps(params: Params) -> int:
    return TAPS[str(dict(params)["method"])]


class Resample(Rated):
    """Values every `to` frames, from ticks that come more seldom."""

    def lookahead(self, inputs: Sequence[Spec], params: Params) -> int:
        (x,), taps = inputs, _taps(params)
        return taps // 2 * x.every - 1 if taps > 1 and x.varies else 0

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        (x,) = inputs
        return Spec(x.shape, True, dict(params)["to"] if x.varies else None, x.dtype)

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        return jnp.zeros((_taps(params), *inputs[0].shape), inputs[0].dtype)

    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        given: dict[str, Any] = dict(params)
        ratio, reach = spec.every // given["to"], TAPS[given["method"]] // 2
        first = jnp.broadcast_to(x[:1], (reach if x.shape[0] else 0, *x.shape[1:]))  # what lies before time 0 is as then
        flat = _segments(jnp.concatenate([first, x]), _weights(given["method"], ratio), ctx.parallel) if x.shape[0] else x
        skip = ratio - 1 if reach else 0
        return flat[skip : skip + -(-ctx.frames // given["to"])]

    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        hop = spec.every
        given: dict[str, Any] = dict(params)
        to, taps, ratio = given["to"], TAPS[given["method"]], hop // given["to"]
        slots, offset = clock.slots(hop), clock.offset(hop, latency)
        joined = jnp.concatenate([state, x])
        if taps > 1:  # what lies before the first tick is like it
            number = (jnp.uint32(clock.start).astype(jnp.int32) + offset - latency) // hop - taps  # of the tick joined[0]
            first = lax.dynamic_index_in_dim(joined, jnp.clip(-number, 0, taps + slots - 1))
            joined = jnp.where(beside(jnp.arange(taps + slots) < -number, joined), first, joined)
        flat = _segments(joined, _weights(given["method"], ratio), True)
        begin = ratio - (offset - clock.offset(to, latency + self.lookahead((spec,), params))) // to
        out = lax.dynamic_slice_in_dim(flat, begin, clock.slots(to))
        full = jnp.asarray(clock.full(hop, latency)).astype(jnp.int32)
        return lax.dynamic_slice_in_dim(joined, slots - 1 + full, taps), out


@Resample
def resample(x, *, to, method):
    """Values between those of a slower signal, every `to` frames."""


resample.__name__ = "upsample"


def hold(to: int) -> Params:
    """The parameters of `resample` that keep each value until the next."""
    return ("to", to), ("method", "hold")


def _hop(params: Params) -> Any:
    return dict(params)["hop"]


class Thinned(Rated):
    """The values at the ticks of a slower rate, which all are ticks of this one."""

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        (x,), hop = inputs, _hop(params)
        if x.varies and hop % x.every:
            raise ArgumentError(f"hop={hop} is not a multiple of {x.every}, the hop of the value")
        return Spec(x.shape, True, hop if x.varies else None, x.dtype)

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        return ()

    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        hop = _hop(params)
        return x[:: hop // spec.every][: -(-ctx.frames // hop)]

    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        hop = _hop(params)
        ratio = hop // spec.every
        first = (clock.offset(hop, latency) - clock.offset(spec.every, latency)) // spec.every
        room = (clock.slots(hop) - 1) * ratio + 1 if not isinstance(clock.frames, int) or clock.frames else 0
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, ratio, 0)] + [(0, 0, 0)] * (x.ndim - 1))
        return state, lax.dynamic_slice_in_dim(x, first, room)[::ratio]


@Thinned
def thinned(x, *, hop):
    """The value at every tick of `hop`."""


thinned.__name__ = "downsample"


class Late(Rated):
    """What comes some frames later in a stream, so that it meets what looks ahead. `hop` is that of the value."""

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        return inputs[0]

    def lookahead(self, inputs: Sequence[Spec], params: Params) -> int:
        return dict(params)["frames"]

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        given: dict[str, Any] = dict(params)
        return jnp.zeros((-(-given["frames"] // given["hop"]), *inputs[0].shape), inputs[0].dtype)

    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        return x[: -(-ctx.frames // spec.every)]

    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        hop, by, slots, count = spec.every, dict(params)["frames"], clock.slots(spec.every), state.shape[0]
        joined = jnp.concatenate([state, x])
        back = (by + clock.offset(hop, latency) - clock.offset(hop, latency + by)) // hop
        out = lax.dynamic_slice_in_dim(joined, count - back, slots)
        full = clock.full(hop, latency)
        if full is True:
            return joined[slots:], out
        return lax.dynamic_slice_in_dim(joined, slots - 1 + full.astype(jnp.int32), count), out


@Late
def late(x, *, frames, hop):
    """`x`, so many frames later in a stream."""


class Ahead(Rated):
    """What is so many ticks on. In a stream it is what it is given, which is as much later."""

    def lookahead(self, inputs: Sequence[Spec], params: Params) -> int:
        return dict(params)["ticks"] * inputs[0].every

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        return inputs[0]

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        return ()

    def aligned(self, ctx: Context, params: Params, x: Any, spec: Spec) -> Any:
        return x[dict(params)["ticks"] :][: -(-ctx.frames // spec.every)]

    def block(self, params: Params, clock: Clock, state: Any, x: Any, spec: Spec, latency: int) -> tuple[Any, Any]:
        return state, x


@Ahead
def sooner(x, *, ticks):
    """`x`, so many ticks sooner in a whole run: what makes up for the delay of a symmetric filter."""


class Ticking(Recurrence):
    """Frames since a stream began, at the first of a block. A state, so that hops go on where a position wraps.

    It goes back by a multiple of all hops when it is large, and never to before all latencies are over.
    """

    fusible = False

    def __init__(self, fn: Any):
        super().__init__(fn)
        Op.__init__(self, fn)

    def infer(self, inputs: tuple[Any, ...], params: Params) -> Any:
        return Spec((), False, None, np.dtype(np.uint32))

    def init(self, inputs: Sequence[Any], params: Params) -> Any:
        return jnp.uint32(0)

    def after(self, params: Params, state: Any, frames: Any) -> Any:
        """The count `frames` frames later."""
        given: dict[str, Any] = dict(params)
        span = given["period"] * max(2**29 // given["period"], 1)
        after = state + jnp.asarray(frames, jnp.uint32)
        return jnp.where(after >= np.uint32(span + given["least"]), after - np.uint32(span), after)


@Ticking
def clock(*, period, least):
    """Frames since the stream began; `period` is a multiple of all hops, `least` more than every latency."""


# What users call.


@composite
def upsample(x: Any, method: Method = "linear") -> Any:
    """A value in every frame, from one every `x.hop` frames. At its ticks it is `x`.

    Before the second tick and behind the last one, what lies beyond is taken to be as the nearest tick.

    Args:
        x: A Signal or SignalTensor at a hop. At hop 1, and where it does not vary, it is returned as it is.
        method: "hold" keeps each value until the next. "linear" draws lines. "window" fades from one to the next by the halves
            of a Hann window. "cubic" draws a smooth curve, which keeps straight lines (Keys, A = -0.5); "cubic-ddsp" is that
            of TensorFlow (A = -0.75), for models trained with it.

    Returns:
        The same shape, at hop 1. In a stream it is later by what it looks ahead: "hold" 0 frames, "linear" and "window"
        `hop - 1`, both cubics `2 * hop - 1`.

    Raises:
        ArgumentError: another method.

    Source: R. Keys, Cubic convolution interpolation for digital image processing; Engel et al., DDSP.

    >>> Signal.from_samples([0.0, 4.0, 2.0], hop=4).upsample().realize()
    array([0. , 1. , 2. , 3. , 4. , 3.5, 3. , 2.5, 2. , 2. , 2. , 2. ],
          dtype=float32)
    """
    if not (isinstance(method, str) and method in TAPS):
        raise ArgumentError(f"upsample: method={method!r} is not one of {', '.join(TAPS)}")
    node = lift(x, "upsample: x")
    if not node.spec.signal:
        raise ShapeError("upsample: takes a Signal or SignalTensor, a Tensor has no rate")
    return node if node.spec.hop in (None, 1) else resample.node(node, params=(("to", 1), ("method", method)))


@composite
def downsample(x: Any, hop: int) -> Any:
    """The value at every `hop`-th frame: nothing is filtered, nothing is averaged.

    Args:
        x: A Signal or SignalTensor.
        hop: In frames, at least 1; a multiple of `x.hop`.

    Returns:
        The same shape, at `hop`. It looks nothing ahead.

    Raises:
        ArgumentError: a hop below 1, or no multiple of that of `x`.

    >>> Signal.from_samples([0.0, 1.0, 2.0, 3.0, 4.0]).downsample(2).realize()
    array([0., 2., 4.], dtype=float32)
    """
    hop = whole_number("downsample: hop", hop, least=1)
    node = lift(x, "downsample: x")
    if not node.spec.signal:
        raise ShapeError("downsample: takes a Signal or SignalTensor, a Tensor has no rate")
    return node if node.spec.hop in (None, hop) else thinned.node(node, params=(("hop", hop),))
