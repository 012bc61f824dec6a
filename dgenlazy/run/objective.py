"""A loss as a pure function of its parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import Batch, Context
from . import backend, samples
from .program import Program
from .stage import Staged, run


def context(
    sample_rate: float, frames: int, start: Any, where: Any, batch: Batch | None = None, ahead: int | None = None
) -> Context:
    """Of a block of a stream, or where `ahead` says how far it looks beyond its end, of a whole run."""
    parallel, fft = where.platform != "cpu", where.platform not in backend.WITHOUT_FFT
    return Context(sample_rate, frames, start, parallel, fft, batch.size if batch else 1, ahead=ahead)


class Objective(NamedTuple):
    """A loss, and the data that it is of, ready to be differentiated.

    Attributes:
        graph: Its outputs are the terms of the loss.
        arrays: The data of every leaf of the graph.
        settings: What a program for it is compiled for: what `loss_of` takes after the parameters.
    """

    graph: Staged
    arrays: list[Any]
    settings: tuple[Any, ...]


def loss_of(
    program: Program,
    learned: tuple[int, ...],
    frames: int,
    sample_rate: float,
    where: Any,
    total: bool,
    batch: Batch | None = None,
    lengths: tuple[int, ...] = (),
) -> Any:
    """`(parameters, numbers, arrays) -> loss`, pure; `learned` are those of the arrays that are parameters."""

    def of_one(parameters, numbers, arrays):
        arrays = list(arrays)
        for i, p in zip(learned, parameters):
            arrays[i] = p
        ctx = context(sample_rate, frames, np.uint32(0), where, batch, program.latency)
        leaves = samples.unpack(program, ctx, numbers, arrays)
        terms, _ = run(program, ctx, leaves, None)
        reduce = jnp.sum if total else jnp.mean
        return sum(reduce(t) for t in terms)

    def of_batch(parameters, numbers, arrays):
        axes = list(batch.axes) if batch else []
        return jnp.mean(jax.vmap(of_one, ([axes[i] for i in learned], None, axes))(parameters, numbers, arrays))

    return of_batch if batch else of_one
