"""A whole run as a Tensor."""

from __future__ import annotations

from typing import Any

from ..config import whole_number
from ..graph import RUN, composite, lift
from ..ops import FRAMES, collected
from ..run import runtime


@composite
def collect(x: Any, frames: int | None = None) -> Any:
    """A whole run as a Tensor, the frames its first axis, so that any mathematics of the whole run may follow.

    The way back is `Signal.from_tensor`. It sees the whole run, and so does not stream.

    Args:
        x: A Signal or SignalTensor. At a hop its ticks are collected, a row for each.
        frames: How many frames of the run; a shorter run is an error. By default all. `shape` then tells those that a run of
            `x` has now, by its samples or `DGen.default_frame_count`; a run that has another number is collected as well, but
            what was read from `shape` stays, and an op that depends on the length (an FFT, a list of rows) is an error.

    Returns:
        A Tensor `(frames, *shape)`, or at a hop `(ceil(frames / hop), *shape)`.

    Raises:
        ArgumentError: a Tensor, which has no frames; or when run, a stream, or fewer frames than are collected.

    >>> x = Signal.from_samples([1.0, 2.0, 3.0], requires_grad=True)
    >>> loss = (x.collect() ** 2).mean()
    >>> round(loss.backward(), 4)
    4.6667
    >>> Signal.from_tensor(x.collect().flip()).realize()
    array([3., 2., 1.], dtype=float32)
    """
    node = lift(x, "collect: x")
    if frames is not None:
        return collected.node(node, params=((FRAMES, whole_number("collect: frames", frames)),))
    return collected.node(node, params=((RUN, runtime.frame_count(runtime.staged([node])) if node.spec.signal else 0),))
