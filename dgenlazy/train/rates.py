"""Which optimizer `fit` steps with, and the rate of each parameter at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..config import real_number
from ..errors import ArgumentError
from ..lazy import Lazy
from .optim import Adam, Optimizer, parameters

_RATE = 0.001


class Rates:
    """The arguments of `fit`, or of what `name` says, that are about steps.

    Attributes:
        opt: The optimizer.
        kind: What tells it from others, as text.
    """

    def __init__(self, name: str, params: list[Lazy], lr: Any, optimizer: Any, schedule: Any, groups: Any, steps: int):
        if schedule is not None and not callable(schedule):
            raise ArgumentError(f"{name}: schedule={schedule!r} is not a function of the number of a step")
        if isinstance(lr, Mapping):
            raise ArgumentError(f"{name}: lr={lr!r:.80} is not a number; a parameter has a rate of its own in groups=")
        rate = None if lr is None else _at_least_zero(f"{name}: lr", lr)
        self.opt: Optimizer = _optimizer(name, params, rate, optimizer)
        own = self.opt._lr
        if own is None and (rate is not None or schedule is not None or groups is not None):
            raise ArgumentError(f"{name}: lr, schedule and groups: an optax transformation has its own rates; give it those")
        if rate is None and schedule is not None and own is not None:
            own = 1.0
        self._name, self._schedule, self._rates = name, schedule, None if own is None else _each(name, params, own, groups)
        self._last = max(steps - 1, 0)
        self.kind: str = f"{self.opt.state_dict()['kind']} {self._rates}"

    def of(self, step: int, most: int) -> Any:
        """The rate of each parameter at so many steps, `(steps, parameters)`; None where the transformation has its own."""
        if self._rates is None:
            return None
        factors = (
            np.ones(most, np.float32)
            if self._schedule is None
            else _scheduled(self._name, self._schedule, np.arange(step, step + most).clip(max=self._last))
        )
        return factors[:, None] * np.array(self._rates, np.float32)


def over(name: str, params: Any, optimizer: Any) -> Any:
    """The parameters that are learned: those of an optimizer that is there, in its order."""
    if not isinstance(optimizer, Optimizer):
        return params
    if params is not None and {p.node for p in optimizer.params} != {p.node for p in parameters(name, params)}:
        raise ArgumentError(f"{name}: optimizer: it is over other parameters than params")
    return optimizer.params


def above_zero(name: str, value: Any) -> float:
    number = real_number(name, value)
    if not number > 0:
        raise ArgumentError(f"{name}={value!r} is not above 0")
    return number


def _at_least_zero(name: str, value: Any) -> float:
    number = real_number(name, value)
    if number < 0:
        raise ArgumentError(f"{name}={value!r} is less than 0")
    return number


def _optimizer(name: str, params: list[Lazy], rate: float | None, optimizer: Any) -> Optimizer:
    if isinstance(optimizer, Optimizer):
        if rate is not None:
            raise ArgumentError(f"{name}: lr: an Optimizer has its own rate; assign it to optimizer.lr")
        return optimizer
    if optimizer is None:
        return Adam(params, _RATE if rate is None else rate)
    if hasattr(optimizer, "init") and hasattr(optimizer, "update"):
        return Optimizer(params, optimizer)
    made = optimizer(params, _RATE if rate is None else rate) if callable(optimizer) else None
    if not isinstance(made, Optimizer):
        raise ArgumentError(
            f"{name}: optimizer={optimizer!r} is no Optimizer, optax transformation, or function of (params, lr)"
        )
    return made


def _each(name: str, params: list[Lazy], rate: float, groups: Any) -> list[float]:
    """The rate of each parameter."""
    rates = [rate] * len(params)
    found: set[int] = set()
    group: Any
    for i, group in enumerate(groups or ()):
        where = f"{name}: groups[{i}]"
        if not isinstance(group, Mapping) or group.keys() != {"params", "lr"} or not isinstance(group["params"], Sequence):
            raise ArgumentError(f'{where}={group!r:.80} is not {{"params": [...], "lr": ...}}')
        for p in group["params"]:
            at = next((k for k, known in enumerate(params) if isinstance(p, Lazy) and known.node is p.node), None)
            if at is None or at in found:
                raise ArgumentError(f"{where}: {p!r} is not a parameter that is learned, or is in two groups")
            found.add(at)
            rates[at] = _at_least_zero(f"{where}: lr", group["lr"])
    return rates


def _scheduled(name: str, schedule: Any, steps: Any) -> Any:
    """What a schedule, any function of the number of a step, gives for each of these."""
    try:
        out = np.asarray(jax.vmap(lambda step: jnp.asarray(schedule(step), jnp.float32))(steps.astype(np.int32)))
    except (jax.errors.JAXTypeError, TypeError):  # it asks what the number is
        out = np.array([float(schedule(int(step))) for step in steps], np.float32)
    if out.shape != steps.shape:
        raise ArgumentError(f"{name}: schedule: it gives shape {out.shape[1:]} for a step, not one number")
    wrong = ~(np.isfinite(out) & (out >= 0))
    if wrong.any():
        raise ArgumentError(f"{name}: schedule: {out[wrong][0]:g} at step {steps[wrong][0]}: a rate is a number of at least 0")
    return out
