"""How many starts go down at once: each method takes the loss and the slope at all of them, and tells where to look next."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Generator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..extras import imported
from ..graph import in_our_modes
from ..run import Compiled, kept

Points = Any  # (starts, size), float32
Looks = Generator[Points, tuple[Any, Any], None]  # is sent what was found at the points that it gave: (losses, slopes)

_REACH = 0.2  # how far one step of a method that knows curvature may lead, in shares of the bounds
_SURE = 1e-4  # how much of the fall that the slope promises a step must bring


def stepped(points: Points, low: Any, high: Any, tx: Any, rates: Callable[[int], Any], clip: float | None) -> Looks:
    """By an optax transformation for each start. `rates` gives those of a step, `(size,)`, or None where it has its own."""
    begin, update = _vectorised(tx)
    state, step = begin(points), 0
    while True:
        _, slopes = yield points
        if clip is not None:
            norms = np.linalg.norm(slopes, axis=1, keepdims=True)
            slopes = slopes * np.minimum(1.0, clip / np.maximum(norms, 1e-30))
        changes, state = update(slopes, state, points)
        rate = rates(step)
        changes = np.asarray(changes) if rate is None else -rate * np.asarray(changes)
        points = (points + changes).astype(np.float32).clip(low, high)
        step += 1


def quasi_newton(points: Points, low: Any, high: Any) -> Looks:
    """L-BFGS for each start: a step is taken if the loss falls as the slope promises, else a shorter one is tried."""
    begin, update = _vectorised(_lbfgs())
    state = begin(points)
    losses, slopes = yield points
    while True:
        changes, state = update(slopes, state, points)
        ways = _inside(-np.asarray(changes), points, low, high)
        uphill = ((ways * slopes).sum(1) >= 0) | ~np.isfinite(ways).all(1)
        ways[uphill] = _inside(-slopes, points, low, high)[uphill]
        share = np.minimum(1.0, _REACH / np.maximum(np.abs(ways).max(1), 1e-30))
        done = np.zeros(len(points), bool)
        for _ in range(_HALVINGS):  # all starts wait for the last, so that the state of all is of one step
            tried = (points + (share * ~done)[:, None] * ways).astype(np.float32).clip(low, high)
            found, there = yield tried
            better = ~done & (found <= losses + _SURE * ((tried - points) * slopes).sum(1))
            points, losses = np.where(better[:, None], tried, points), np.where(better, found, losses)
            slopes = np.where(better[:, None], there, slopes)
            done |= better
            share = share * 0.3
            if done.all():
                break


_HALVINGS = 6


def newton(points: Points, low: Any, high: Any) -> Looks:
    """Newton's method for each start, with the Hessian as differences of slopes, and damping that follows success.

    Curvature counts by its size, so that a maximum or a saddle is left, not looked for.
    """
    count, size = points.shape
    damping = np.full(count, 1e-3)
    losses, slopes = yield points
    while True:
        hessians = np.empty((count, size, size))
        for k in range(size):
            moved = points.copy()
            step = np.where(moved[:, k] + _APART > high[k], -_APART, _APART).astype(np.float32)
            moved[:, k] += step
            _, there = yield moved
            hessians[:, k] = (there - slopes) / step[:, None]
        hessians = np.nan_to_num((hessians + hessians.transpose(0, 2, 1)) / 2, posinf=0.0, neginf=0.0)
        curves, axes = np.linalg.eigh(hessians)
        curves = np.abs(curves)
        floor = damping[:, None] * (curves.max(1, keepdims=True) + 1e-12) + 1e-12
        along = np.einsum("nij,ni->nj", axes, slopes) / (curves + floor)
        ways = _inside(-np.einsum("nij,nj->ni", axes, along), points, low, high)
        ways *= np.minimum(1.0, _REACH / np.maximum(np.abs(ways).max(1, keepdims=True), 1e-30))
        tried = (points + ways).astype(np.float32).clip(low, high)
        found, there = yield tried
        better = found < losses
        points, losses = np.where(better[:, None], tried, points), np.where(better, found, losses)
        slopes = np.where(better[:, None], there, slopes)
        damping = np.where(better, np.maximum(damping / 4, 1e-8), np.minimum(damping * 8, 1e4))


_APART = np.float32(1e-3)  # of two slopes, in shares of the bounds: their difference then has about three digits


def evolution(points: Points, low: Any, high: Any, seed: int) -> Looks:
    """CMA-ES, with as many individuals as starts. Where it has settled it begins again, at the next best start."""
    cma = imported("cma", "multistart: method='cma-es'", "search")
    losses, _ = yield points
    for k in range(10**9):
        first = points[np.argsort(losses, kind="stable")[k % len(points)]].astype(np.float64)
        bounds = [[None if np.isinf(x) else float(x) for x in side] for side in (low, high)]
        options = {"bounds": bounds, "popsize": max(len(points), 4), "seed": seed + k + 1, "verbose": -9}
        if len(first) == 1:
            options["maxstd"] = np.inf  # of one dimension cma fails to shorten steps that are longer than this
        settled = cma.CMAEvolutionStrategy(first, 0.2, options)
        while not settled.stop():
            asked = settled.ask()
            found, _ = yield np.array(asked, np.float32).clip(low, high)
            settled.tell(asked, [float(x) if np.isfinite(x) else 1e30 for x in found])


def _inside(ways: Any, points: Points, low: Any, high: Any) -> Any:
    """Directions without what leads out of the bounds."""
    out = ((points <= low) & (ways < 0)) | ((points >= high) & (ways > 0))
    return np.where(out, 0.0, ways)


@ft.cache
def _lbfgs() -> Any:
    import optax

    return optax.scale_by_lbfgs()


@kept
def _vectorised(tx: Any) -> tuple[Any, Any]:
    """`init` and `update` of a transformation for each start by itself."""
    begin, update = (Compiled(in_our_modes(jax.vmap(fn)), "a search") for fn in (tx.init, tx.update))  # as optax expects
    return lambda points: begin(jnp.asarray(points)), update
