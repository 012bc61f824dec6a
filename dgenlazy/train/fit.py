"""Training in one call: many steps for each call to the device, with the best parameters kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import jax
import numpy as np
import numpy.typing as npt

from .. import display
from ..config import flag, whole_number
from ..errors import spelled
from ..graph import Value
from ..lazy import Lazy
from ..run import assign, on_device, runtime
from .checkpoint import Checkpoint
from .optim import Params
from .progress import Progress, functions
from .rates import Rates, above_zero, over
from .source import Source
from .steps import Now, advanced

_SECONDS = 0.25  # a call to the device takes about as long: as often an interrupt or a line of progress comes through
_WRITTEN = 1.0  # seconds between two checkpoints, at least
_log = logging.getLogger("dgenlazy")


@final
class Fit:
    """What `fit` did.

    Attributes:
        params: The parameters, in the order in which they occur in the loss or were given.
        history: The loss at each step, before its update, `(steps,)`.
        best: The parameters' values where the loss was least, in the order of `params`.
        best_loss: That loss; infinite where no step was made.
        best_step: At which step it was; `len(history)` for the parameters after the last one.
        seconds: How long it took, with what went before a checkpoint.
        stopped: Why it ended: "steps", "callback", "interrupt", or "not finite" after a loss that is NaN or infinite. The log
            of this package warns of that, with the step, and where parameters end that are not finite (`keep_best=False`).

    >>> w = Tensor([1.0], requires_grad=True)
    >>> done = dg.fit((w * w).sum(), steps=2, lr=0.25, optimizer=SGD, progress=False)
    >>> done.history, done.best_loss, done.best_step
    (array([1.  , 0.25], dtype=float32), 0.0625, 2)
    """

    def __init__(self, params: list[Lazy]) -> None:
        self.params: list[Lazy] = params
        self.history: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self.best: list[npt.NDArray[np.float32]] = [p.value for p in params]
        self.best_loss: float = float("inf")
        self.best_step: int = 0
        self.seconds: float = 0.0
        self.stopped: str = "steps"

    def __repr__(self) -> str:
        found = (
            f"{len(self.history)} steps, loss {self.history[0]:.4g} to {self.best_loss:.4g}" if len(self.history) else "no step"
        )
        why = "" if self.stopped == "steps" else f", ended by: {self.stopped}"
        return f"Fit({found} in {self.seconds:.1f} s{why})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the loss over the steps; see `display.training`. Returns the matplotlib axes.

        >>> w = Tensor([1.0], requires_grad=True)
        >>> dg.fit((w * w).sum(), steps=10, lr=0.1, progress=False).plot().get_xlabel()
        'step'
        """
        return display.training(self, ax)


@spelled
def fit(
    loss: Value | Callable[[], Value],
    params: Params | None = None,
    *,
    steps: int,
    lr: Any = None,
    frames: int | None = None,
    inputs: Mapping[int, Any] | None = None,
    batches: Iterable[Mapping[int, Any]] | Callable[[int], Mapping[int, Any]] | None = None,
    optimizer: Any = None,
    clip: float | None = None,
    schedule: Callable[[Any], Any] | None = None,
    groups: Sequence[Mapping[str, Any]] | None = None,
    callbacks: Sequence[Callable[[Fit], Any]] = (),
    every: int = 50,
    progress: bool = True,
    keep_best: bool = True,
    checkpoint: Any = None,
) -> Fit:
    """Train parameters: `steps` times the gradient of a loss, and a step of an optimizer.

    The numbers are those of the loop that is written out, `loss.backward()`, `opt.step()`, `opt.zero_grad()`. But many steps
    are one call to the device, and what of the loss does not depend on a parameter, like the spectra of a target, is computed
    once. Ctrl-C ends it as if these had been all steps. Nothing is added to any `.grad`.

    Args:
        loss: A value of shape (), whose noise is the same in every step; or a function of no arguments that makes one, called
            for every step: its unseeded noise is another in each.
        params: What is learned; by default every leaf below the loss with `requires_grad=True`.
        steps: How many, also of those before a checkpoint.
        lr: Learning rate, at least 0; 0.001 by default. With a `schedule` that is a factor of it.
        frames, inputs: As for `backward`.
        batches: Inputs of each step: an iterable of mappings as `inputs` takes, begun again at its end, or a function from the
            number of the step to one. Those of `inputs` are used beside them.
        optimizer: `Adam` by default; `SGD` or another function `(params, lr) -> Optimizer`; an optax transformation, which has
            its own rate; or an `Optimizer` over these parameters, which goes on from its state, and keeps the new one.
        clip: Gradients whose norm, over all parameters, is larger are scaled down to it.
        schedule: Rate of each step: a function of its number, as optax has them. With `lr` its result is a factor of that.
        groups: Rates of their own for some parameters, as in PyTorch: `[{"params": [cutoff], "lr": 10.0}]`.
        callbacks: Functions of a `Fit` as far as it is, called every `every` steps and at the end, when the parameters have
            their values of then. One that returns True ends it.
        progress: Whether to tell on stderr how far it is.
        keep_best: Whether the parameters end where the loss was least (those after the last step are tried as well), or after
            the last step, as the written-out loop does.
        checkpoint: Path of a file that is written as it goes, whole or not at all. Where there is one, training goes on from
            there, on one CPU to the same bits as if it had not stopped.

    Raises:
        ArgumentError: a bad setting; a parameter that the loss does not depend on; a checkpoint of another fit.
        ShapeError: the loss is not of shape (). InputError: as for `backward`.

    >>> cutoff = Signal.param(200.0, min=20.0, max=5000.0)
    >>> target = Signal.noise(seed=1).onepole(0.25)
    >>> coefficient = Signal.param(0.9, min=0.0, max=1.0)
    >>> done = dg.fit(dg.mse(Signal.noise(seed=1).onepole(coefficient), target), steps=200, lr=0.02, progress=False)
    >>> round(float(coefficient.value), 2), len(done.history)
    (0.25, 200)
    """
    count, every = whole_number("fit: steps", steps), whole_number("fit: every", every, least=1)
    keep, shown = flag("fit: keep_best", keep_best), flag("fit: progress", progress)
    functions("fit", callbacks)
    source = Source("fit", loss, over("fit", params, optimizer), count, frames, inputs, batches)
    rates = Rates("fit", source.params, lr, optimizer, schedule, groups, count)
    run = _Run(source, rates, None if clip is None else above_zero("fit: clip", clip), count)
    kind = f"{source.part(0).kind} {rates.kind} {run.clip} {keep}"
    saved = Checkpoint("fit", checkpoint, kind, "parameters, rates, optimizer, clip and keep_best")
    before, done, told = run.resume(saved), Fit(source.params), -1
    begun, finished = time.monotonic(), 0 < count <= run.now.step  # by the checkpoint, which knows of the last parameters too
    written = begun
    bar = Progress("fit", count, run.now.step, shown)

    def settle(best: bool) -> None:
        """Give the parameters the best values, or the last, and tell what is reached."""
        now = run.now
        done.seconds, done.history = before + time.monotonic() - begun, run.history
        done.best_loss, done.best_step = float(now.best_loss), int(now.best_step)
        done.best = [np.array(x) for x in now.best]
        assign(
            [p.node for p in source.params], "array", now.best if best else now.values, *rates.opt._at(now.states, run.where)
        )

    def write() -> None:
        seconds = before + time.monotonic() - begun
        saved.write(run.now, seconds=seconds, history=run.history, number=source.number(run.now.step))

    def call() -> bool:
        """Whether a callback ends it."""
        settle(best=False)
        return any([callback(done) is True for callback in callbacks])

    try:
        while run.now.step < count and done.stopped == "steps":
            at = run.now.step
            fine = run.advance(min(count, at - at % every + every) if callbacks else count)
            bar.moved(run.now.step, loss=float(run.history[-1]), best=float(run.now.best_loss))
            if not fine:
                done.stopped = "not finite"
                _log.warning("fit: the loss of step %d is %s; dg.health tells where that began", run.now.step, run.history[-1])
            elif callbacks and (run.now.step % every == 0 or run.now.step == count):
                told = run.now.step
                done.stopped = "callback" if call() else "steps"
            if run.now.step < count and time.monotonic() - written > _WRITTEN:
                write()
                written = time.monotonic()
        if keep and done.stopped != "not finite" and not finished:
            run.try_last()
    except KeyboardInterrupt:
        done.stopped = "interrupt"
    finally:
        bar.close()
        settle(keep)
        write()
    if callbacks and told != run.now.step:
        call()
        settle(keep)
    wrong = [i for i, p in enumerate(source.params) if not np.isfinite(p.value).all()]
    if wrong:
        _log.warning("fit: params%s are not finite after %d steps; dg.health tells where that began", wrong, run.now.step)
    return done


class _Run:
    """Training, some steps at a time.

    Attributes:
        clip, where: The largest norm of a gradient or None; the device.
    """

    def __init__(self, source: Source, rates: Rates, clip: float | None, count: int):
        self._source, self._rates, self.clip, self._count, self._size = source, rates, clip, count, 1
        self.where = runtime.device()
        values = [on_device(p.node, self.where) for p in source.params]
        best, step = jax.device_put((np.float32(np.inf), np.int32(0)), self.where)
        now = Now(values, jax.device_put(rates.opt._tree(), self.where), values, best, step, 0)
        self._reached: tuple[Now, list[Any]] = now, []  # in one piece: an interrupt finds it before some steps or after

    @property
    def now(self) -> Now:
        return self._reached[0]

    @property
    def history(self) -> npt.NDArray[np.float32]:
        """The loss at each step."""
        losses = self._reached[1]
        if len(losses) > 1:
            losses[:] = [np.concatenate(losses)]
        return losses[0] if losses else np.zeros(0, np.float32)

    def resume(self, saved: Checkpoint) -> float:
        """Go on from a file, if there is one: how many seconds it took to get there."""
        found = saved.read(self.now)
        if found is None:
            return 0.0
        now, others = found
        self._reached = now, [others["history"]]
        self._source.skip(int(others["number"]))
        return float(others["seconds"])

    def advance(self, until: int) -> bool:
        """Some steps on, at most until one. Whether the loss is finite still."""
        part, now = self._source.part(self.now.step), self.now
        count = min(self._size, until - now.step, part.end - now.step, part.most)
        begun = time.monotonic()
        after, losses = advanced(now, part, self._rates.opt._rule, count, True, self._rates.of(now.step, part.most), self.clip)
        self._size = max(1, min(round(count * _SECONDS / (time.monotonic() - begun + 1e-9)), 8 * count))
        self._reached = after, [self.history, losses]
        return bool(np.isfinite(losses[-1]))

    def try_last(self) -> None:
        """Whether the parameters after the last step are better than those before any."""
        part = self._source.part(self.now.step)
        rates = self._rates.of(self.now.step, part.most)
        now, _ = advanced(self.now, part, self._rates.opt._rule, 1, False, rates, self.clip)
        self._reached = now, self._reached[1]
