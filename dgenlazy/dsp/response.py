"""Rooms by their impulse response: a recorded one, and one of decaying noise."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..config import seed_number
from ..errors import ArgumentError, ShapeError
from ..graph import Data, Lists, Number, composite, lift, pointwise
from ..ops import above, add, clamp, delay, fir, good_size, mul, sub
from ..run import runtime

_LEAST_DECAY = 1e-3  # seconds
_ROW = 256  # frames of an exponential that is made as a product of two short ones


@composite
def convolve(x: Any, ir: Lists) -> Any:
    """The signal as it sounds through an impulse response, a recording of a room or of a loudspeaker.

    It is `fir` for what does not vary: as long as the signal, so that the tail behind its end is not there (ask for more
    frames), without latency, and not normalised. The response is taken at `DGen.sample_rate`.

    Args:
        x: Any shape.
        ir: `(frames,)`, or `(frames, *lanes)` for one in each lane: an array, as `audio.load` gives it, a list or a
            Tensor, which may be learned.

    Returns:
        The shape of `x` and the lanes of `ir` broadcast: a Signal through a stereo response has two lanes.

    Raises:
        ArgumentError: `ir` is a Signal. ShapeError: it is empty, or lanes do not broadcast.

    >>> Signal.from_samples([1.0, 0.0, 2.0]).convolve([[1.0, 0.5], [0.25, 0.0]]).realize()
    array([[1.  , 0.5 ],
           [0.25, 0.  ],
           [2.  , 1.  ]], dtype=float32)
    """
    response = lift(ir, "convolve: ir")
    if response.spec.varies:
        raise ArgumentError(
            "convolve: ir varies from frame to frame; give a recording as an array or a Tensor, and taps that move to fir()"
        )
    if not response.spec.shape or not response.spec.shape[0]:
        raise ShapeError(f"convolve: ir takes (frames,) or (frames, *lanes), at least one frame, got {response.spec.shape}")
    return fir(lift(x, "convolve: x"), response)


@pointwise
def decaying(noise, decay, *, sample_rate):
    """Noise, `(frames, *lanes)`, that falls by 60 dB in `decay` seconds; its expected energy is 1."""
    frames = len(noise)
    rate = 3 * math.log(10) / (above(decay, _LEAST_DECAY) * sample_rate)
    slow, fast = (jnp.arange(n, dtype=noise.dtype).reshape(-1, *(1,) * noise.ndim) for n in (-(-frames // _ROW), _ROW))
    envelope = jnp.exp(-rate * _ROW * slow) * jnp.swapaxes(jnp.exp(-rate * fast), 0, 1)
    envelope = envelope.reshape(-1, *envelope.shape[2:])[:frames]
    return noise * envelope * jnp.sqrt(jnp.expm1(-2 * rate) / jnp.expm1(-2 * rate * frames))


@pointwise
def frames_of(milliseconds, *, sample_rate):
    return milliseconds * (sample_rate / 1000)


@composite
def reverb(
    x: Any,
    decay: Any,
    mix: Any = 0.3,
    predelay_ms: Any = 0.0,
    seed: int | None = None,
    max_decay: float | None = None,
) -> Any:
    """A room of decaying noise: `(1 - mix) x[n] + mix (x * ir)[n - predelay]`.

    `ir[n] = g noise[n] 10 ** (-3 n / (decay * sample_rate))`, with normal noise, another in each lane, and g such that noise
    comes out as loud as it goes in: the energy of `ir` is expected to be 1.

    Args:
        x: Any shape.
        decay: Time in which it falls by 60 dB, in seconds; kept above 1 ms. It may be learned and differ by lane, not vary. The
            response is as long as a number says, and then is lost in silence; of a Tensor or `Signal.param`, as its `max`, or
            twice its value of now: beyond, the tail is cut.
        mix: Part of the reverberation, kept inside [0, 1]. May be learned, and may vary.
        predelay_ms: Before the reverberation begins, in milliseconds, from 0; of what is learned, kept inside its `max`, or
            twice its value of now.
        seed: Of the noise. Without one it is numbered when it is made, as `Tensor.randn` is.
        max_decay: The longest decay, in seconds, where it is computed.

    Returns:
        The shape of `x`, `decay`, `mix` and `predelay_ms` broadcast. There is no latency.

    Raises:
        ArgumentError: a decay that varies, that is not above 0, or that is computed and comes without `max_decay`; a predelay
            that varies or is computed. ShapeError: shapes that do not broadcast.

    >>> x = Signal.from_samples(np.eye(1, 1000)[0])
    >>> bool(np.abs(x.reverb(0.5, mix=1.0, seed=1).realize()).max() < 0.1)
    True

    Source: J. A. Moorer, About This Reverberation Business, Computer Music Journal 3(2), 1979.
    """
    x, mixed, time = lift(x, "reverb: x"), clamp(lift(mix, "reverb: mix"), 0.0, 1.0), lift(decay, "reverb: decay")
    seed = None if seed is None else seed_number("reverb: seed", seed)
    frames = good_size(int(np.ceil(_longest("decay", time, max_decay) * runtime.sample_rate())))
    try:
        lanes = np.broadcast_shapes(x.spec.shape, time.spec.shape)
    except ValueError:
        raise ShapeError(f"reverb: cannot combine {x.spec.shape} with {time.spec.shape}, of the decay") from None
    noise = runtime.generator(seed).standard_normal((frames, *lanes), np.float32)
    wet = fir(_later(x, lift(predelay_ms, "reverb: predelay_ms")), decaying(lift(noise), time))
    return add(mul(sub(1.0, mixed), x), mul(mixed, wet))


def _later(x: Any, milliseconds: Any) -> Any:
    if isinstance(milliseconds, Number) and milliseconds.number == 0:
        return x
    longest = _longest("predelay_ms", milliseconds, None, zero=True) * runtime.sample_rate() / 1000
    return delay(x, frames_of(milliseconds), max_delay=float(np.ceil(longest)))


def _longest(name: str, time: Any, most: Any, zero: bool = False) -> float:
    """The longest that a time may become: its bound, a number itself, or twice what it is now."""
    if time.spec.varies:
        raise ArgumentError(f"reverb: {name} varies from frame to frame, which the response of a room does not")
    if isinstance(time, Number):
        now = longest = time.number
    elif isinstance(time, Data):
        now = float(np.min(time.array, initial=np.inf)) if not time.requires_grad else np.inf
        longest = time.high if np.isfinite(time.high) else 2 * float(np.max(time.array, initial=_LEAST_DECAY))
    elif most is None:
        raise ArgumentError(f"reverb: {name} is computed; " + ("give max_decay, the longest" if not zero else "give a number"))
    else:
        now = longest = np.inf
    longest = float(most) if most is not None else longest
    if not (now >= 0 if zero else now > 0) or not (0 <= longest < np.inf):
        raise ArgumentError(f"reverb: {name}={min(now, longest):g} is not a finite time {'from' if zero else 'above'} 0")
    return max(longest, 0.0 if zero else _LEAST_DECAY)
