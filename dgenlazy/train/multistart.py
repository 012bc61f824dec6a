"""Training from many places at once, where a gradient leads only to what is near."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, final, get_args

import jax
import numpy as np
import numpy.typing as npt

from ..config import flag, one_of, seed_number, whole_number
from ..errors import ArgumentError, spelled
from ..graph import Value, in_our_modes
from ..lazy import Lazy
from ..run import Compiled, assign, backend, kept, loss_of, runtime, title
from . import search
from .checkpoint import Checkpoint
from .named import named, table
from .optim import Params
from .progress import Progress, functions
from .rates import Rates, above_zero
from .starts import Coordinates, values_at

Method = Literal["adam", "cma-es", "lbfgs", "newton"]
METHODS = get_args(Method)
_RATE = 0.02  # of the bounds, in a step
_WRITTEN = 1.0  # seconds between two checkpoints, at least
_log = logging.getLogger("dgenlazy")


@final
class Multistart:
    """What `multistart` found. `str()` is a table of where the starts ended, the best first.

    Attributes:
        params: The parameters.
        losses: The least loss that each start came by, `(starts,)`; infinite where it never was finite.
        first: The loss at each start.
        starts, ends: Of each parameter the values where the starts began and where their loss was least, `(starts, *shape)`.
        best: The parameters' values where the loss was least of all, which they have now.
        best_loss: That loss.
        best_start: The start that it came from.
        history: The loss of each start at each look, `(looks, starts)`; of the population for `method="cma-es"`.
        seconds: How long it took, with what went before a checkpoint.
        stopped: "steps", "callback" or "interrupt".

    >>> x = Signal.param(3.0, min=-4.0, max=4.0)
    >>> found = dg.multistart((x**2 - 1) ** 2 + 0.1 * x, starts=8, steps=60, frames=1, progress=False)
    >>> round(float(x.value), 2), found.ends[0].shape
    (-1.01, (8,))
    """

    def __init__(self, params: list[Lazy], names: list[str]):
        self.params: list[Lazy] = params
        self.losses: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self.first: npt.NDArray[np.float32] = self.losses
        self.starts: list[npt.NDArray[np.float32]] = []
        self.ends: list[npt.NDArray[np.float32]] = []
        self.best: list[npt.NDArray[np.float32]] = []
        self.best_loss: float = float("inf")
        self.best_start: int = 0
        self.history: npt.NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self.seconds: float = 0.0
        self.stopped: str = "steps"
        self._names = names

    def __str__(self) -> str:
        count, near = len(self.losses), int((self.losses <= 1.05 * abs(self.best_loss) + 1e-12).sum())
        title = f"{count} starts, loss {self.best_loss:.4g} at best, {near} of them there, in {self.seconds:.1f} s"
        title += "" if self.stopped == "steps" else f", ended by: {self.stopped}"
        rows = [("start", "loss", *self._names)]
        for k in np.argsort(self.losses, kind="stable")[:_SHOWN]:
            moves = [f"{_number(a[k])} to {_number(b[k])}" for a, b in zip(self.starts, self.ends)]
            rows.append((str(k), f"{self.first[k]:.4g} to {self.losses[k]:.4g}", *moves))
        more = [f"and {count - _SHOWN} more"] if count > _SHOWN else []
        return "\n".join([title, table(rows), *more])

    __repr__ = __str__


_SHOWN = 10


def _number(x: Any) -> str:
    return f"{float(x):.5g}" if np.ndim(x) == 0 else " x ".join(map(str, np.shape(x)))


@spelled
def multistart(
    loss: Value | Callable[[], Value],
    params: Params | Mapping[str, Lazy] | None = None,
    *,
    starts: int = 64,
    method: Method = "adam",
    steps: int = 200,
    lr: Any = None,
    frames: int | None = None,
    inputs: Mapping[int, Any] | None = None,
    optimizer: Any = None,
    clip: float | None = None,
    schedule: Callable[[Any], Any] | None = None,
    groups: Sequence[Mapping[str, Any]] | None = None,
    callbacks: Sequence[Callable[[Multistart], Any]] = (),
    every: int = 50,
    progress: bool = True,
    polish: int = 20,
    seed: int = 0,
    checkpoint: Any = None,
) -> Multistart:
    """Train from many random starts at once, and give the parameters the best that any of them found.

    All starts are one batch of one compiled program. It runs in shares of the bounds of each parameter, 0 to 1; where the upper
    bound is at least 10 times the lower one, and that is above 0, in shares of their ratio, so that a pitch is searched in
    octaves. Starts are a Latin hypercube: one in each 64th of each parameter's bounds; the first start is where the parameters
    are. One without two bounds, which the log of this package warns of, is drawn from a normal distribution around its value,
    as wide as its size (1 where it is 0), and kept inside the bound that it has.

    The best is at least as good as where the parameters were. For pitch take `spectral_loss` or `multi_scale_spectral_loss`:
    squared errors of waveforms have a minimum at every wrong cycle.

    Args:
        loss: A value of shape (), or a function of no arguments that makes one; it is called once: all starts hear one noise.
        params: What is learned, or these by names for the table; by default all that the loss depends on.
        starts: How many; for `method="cma-es"` also how many individuals there are in a generation.
        method: "adam", or another optimizer that `optimizer` gives; "cma-es", which takes no gradient (the package `cma`, of
            the extra "search"); "lbfgs"; "newton", for few parameters.
        steps: How many looks at the loss of all starts: each is a step of "adam" or a generation of "cma-es"; a step of "lbfgs"
            takes one or more, one of "newton" one for each number to learn and one.
        lr: Rate of "adam" in shares of the bounds, 0.02 by default, falling to 0 as a cosine unless there is a `schedule`.
        frames, inputs, clip, schedule, groups, progress: As for `fit`, with gradients along shares of the bounds.
        optimizer: As for `fit`; it steps shares of the bounds.
        callbacks: Functions of the `Multistart` as far as it is, called every `every` looks. One that returns True ends it.
        polish: Looks of L-BFGS after it, from the end of each start.
        seed: Of the starts: the same seed gives the same result.
        checkpoint: Path of a file that is written as it goes, whole or not at all, with all that was found at every look. Where
            there is one, the search goes on from there, on one CPU to the same bits as if it had not stopped.

    There are no `batches` as `fit` has: starts and looks are compared by their losses, which must be of the same data. Nor is
    there a `keep_best`: the best is what is kept.

    Returns:
        A `Multistart`: losses, where starts began and ended. Ctrl-C ends it with the best so far.

    Raises:
        ArgumentError: a bad setting; a parameter that the loss does not depend on; a checkpoint of another search.
        BackendError: `cma` is not installed.
        ShapeError: the loss is not of shape (). InputError: as for `backward`.

    >>> freq = Signal.param(80.0, min=50.0, max=2000.0)
    >>> tone, target = ((Signal.phasor(f) * (2 * np.pi)).sin() for f in (freq, 440.0))
    >>> found = dg.multistart(dg.spectral_loss(tone, target), starts=32, steps=60, frames=2048, progress=False)
    >>> round(float(freq.value))
    440
    """
    name = "multistart"
    count, looks, more = (
        whole_number(f"{name}: {what}", x, least=least)
        for what, x, least in (("starts", starts, 1), ("steps", steps, 0), ("polish", polish, 0))
    )
    every, seed = whole_number(f"{name}: every", every, least=1), seed_number(f"{name}: seed", seed)
    shown = flag(f"{name}: progress", progress)
    functions(name, callbacks)
    method = one_of(f"{name}: method", method, METHODS)
    clip = None if clip is None else above_zero(f"{name}: clip", clip)
    if method != "adam" and not all(x is None for x in (lr, optimizer, clip, schedule, groups)):
        raise ArgumentError(f"{name}: lr, optimizer, clip, schedule and groups are of method='adam', not of {method!r}")
    source, names = named(name, loss, params, frames, inputs)
    if optimizer is None and schedule is None:
        schedule = in_our_modes(lambda step: 0.5 + 0.5 * np.cos(np.pi * step / max(looks, 1)))
    own = lr is None and not (hasattr(optimizer, "init") and hasattr(optimizer, "update"))
    rates = Rates(name, source.params, _RATE if own else lr, optimizer, schedule, groups, looks)
    ranges = [(leaf.low, leaf.high, leaf.array.shape) for leaf in (p.node for p in source.params)]
    kind = f"{source.part(0).kind} {ranges} {rates.kind} {method} {count} {looks} {more} {clip} {seed}"
    saved = Checkpoint(
        name, checkpoint, kind, "parameters, bounds, rates, optimizer, method, starts, steps, polish, clip and seed"
    )
    run = _Run(source, names, count, np.random.default_rng((seed, 1)), saved)
    if free := [what for what, kind in zip(names, run.coordinates.kinds) if not kind[3]]:
        _log.warning("multistart: without two bounds, %s: starts are spread around the value of now", ", ".join(free))
    sizes, of_steps = [p.value.size for p in source.params], rates.of(0, max(looks, 1))

    def each(step: int) -> Any:
        return None if of_steps is None else np.repeat(of_steps[min(step, len(of_steps) - 1)], sizes)

    begun = written = time.monotonic()
    bar = Progress(name, looks + more, 0, shown)
    low, high = run.coordinates.low, run.coordinates.high
    search_by: dict[str, Callable[[Any], search.Looks]] = {
        "adam": lambda points: search.stepped(points, low, high, rates.opt._tx, each, clip),
        "lbfgs": lambda points: search.quasi_newton(points, low, high),
        "newton": lambda points: search.newton(points, low, high),
        "cma-es": lambda points: search.evolution(points, low, high, seed),
    }
    done, step = run.done, 0
    try:
        with jax.default_device(runtime.device()):
            for way, most in ((search_by[method], looks), (search_by["lbfgs"], more)):
                looking = way(run.best_points)
                found = run.look(next(looking))
                for _ in range(most):
                    if done.stopped != "steps":
                        break
                    again = run.told_again
                    found, step = run.look(looking.send(found)), step + 1
                    bar.moved(step, best=float(run.best_losses.min()))
                    if again:
                        continue
                    if time.monotonic() - written > _WRITTEN:
                        run.write(time.monotonic() - begun)
                        written = time.monotonic()
                    if callbacks and len(run.history) % every == 0:
                        run.settle(time.monotonic() - begun)
                        done.stopped = "callback" if any([c(done) is True for c in callbacks]) else "steps"
    except KeyboardInterrupt:
        done.stopped = "interrupt"
    finally:
        bar.close()
        run.settle(time.monotonic() - begun)
        run.write(time.monotonic() - begun)
    if not np.isfinite(done.best_loss):
        _log.warning("multistart: no start has a finite loss, and the parameters are as they were; dg.health tells more")
    return done


class _Run:
    """The starts, and the best that each has come by.

    A search is made of nothing but what it was told at each look. So a checkpoint holds that, and it is told again.
    """

    def __init__(self, source: Any, names: list[str], count: int, rng: np.random.Generator, saved: Checkpoint):
        part = source.part(0)
        self._leaves, self._saved, self._before, self._told = [p.node for p in source.params], saved, 0.0, []
        if (found := saved.read(())) is not None:
            held = found[1]
            assign(self._leaves, "array", [held[f"begun.{i}"] for i in range(len(self._leaves))])
            ends = np.cumsum(held["rows"])[:-1]
            self._told = [*zip(np.split(held["losses"], ends), np.split(held["slopes"], ends))]
            self._before = float(held["seconds"])
        self.coordinates = Coordinates(self._leaves)
        self._look = _compiled(part.kind, self.coordinates.kinds)
        self._arrays, self.done, self.history = part.arrays, Multistart(source.params, names), []
        self.best_points = self._starts = self.coordinates.drawn(count, rng)
        self.best_losses = np.full(count, np.inf, np.float32)

    def look(self, points: Any) -> tuple[Any, Any]:
        """The losses and slopes at points; where they are not finite, infinity and no slope."""
        losses, slopes = self._told[len(self.history)] if self.told_again else self._found(points)
        if self._saved and not self.told_again and self.done.stopped == "steps":  # not where the next method only begins
            self._told.append((losses, slopes))
        self.history.append(losses)
        rows = min(len(losses), len(self.best_losses))
        better = losses[:rows] < self.best_losses[:rows]
        points = np.where(better[:, None], points[:rows], self.best_points[:rows])
        self.best_points = np.concatenate([points, self.best_points[rows:]])
        self.best_losses = np.concatenate([np.minimum(losses[:rows], self.best_losses[:rows]), self.best_losses[rows:]])
        return losses, slopes

    @property
    def told_again(self) -> bool:
        """Whether the next look was before a checkpoint."""
        return len(self.history) < len(self._told)

    def _found(self, points: Any) -> tuple[Any, Any]:
        losses, slopes = map(np.array, self._look(points, self.coordinates.origins, self._arrays))
        backend.concrete(losses)
        fine = np.isfinite(losses) & np.isfinite(slopes).all(1)
        return np.where(np.isfinite(losses), losses, np.inf), np.where(fine[:, None], slopes, 0.0)

    def write(self, seconds: float) -> None:
        """The checkpoint."""
        if self._saved and self._told:
            losses, slopes = (np.concatenate(x) for x in zip(*self._told))
            begun = {f"begun.{i}": x for i, x in enumerate(self.coordinates.origins)}
            rows = np.array([len(x) for x, _ in self._told])
            self._saved.write((), seconds=self._before + seconds, rows=rows, losses=losses, slopes=slopes, **begun)

    def settle(self, seconds: float) -> None:
        """Give the parameters the best values, and tell what is reached."""
        done, at = self.done, int(np.argmin(self.best_losses))
        with jax.default_device(runtime.device()):
            done.starts, done.ends = (self._values(x) for x in (self._starts, self.best_points))
        done.losses, done.best_loss, done.best_start = self.best_losses, float(self.best_losses[at]), at
        done.first = self.history[0] if self.history else np.full(len(self.best_losses), np.inf, np.float32)
        widest = max((len(x) for x in self.history), default=0)
        done.history = np.array([np.pad(x, (0, widest - len(x)), constant_values=np.inf) for x in self.history], np.float32)
        done.seconds, done.best = self._before + seconds, [x[at] for x in done.ends]
        if np.isfinite(done.best_loss):
            assign(self._leaves, "array", done.best)

    def _values(self, points: Any) -> list[Any]:
        each = [values_at(self.coordinates.kinds, x, self.coordinates.origins) for x in points]
        return [np.stack([np.asarray(values[i], np.float32) for values in each]) for i in range(len(self._leaves))]


@kept
def _compiled(kind: tuple[Any, ...], kinds: tuple[Any, ...]) -> Any:
    """`(points, origins, arrays) -> (losses, slopes)` of all starts."""
    loss_in = loss_of(*kind[:2], *kind[2])

    def loss(point, origins, arrays):
        return loss_in(values_at(kinds, point, origins), arrays[0], arrays[1:])

    @in_our_modes
    def look(points, origins, arrays):
        return jax.vmap(jax.value_and_grad(loss), (0, None, None))(points, origins, arrays)

    return Compiled(look, title(kind[0], kind[2][0], "the gradients at all starts of "))
