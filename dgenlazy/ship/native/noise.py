"""Noise: keys are pairs of numbers, and threefry2x32 is JAX's documented stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from .value import Key, Value


def random(made: Any, name: str, params: dict[str, Any], args: Sequence[Any], aval: Any) -> Any:
    """The value of an instruction on keys, written into `made`."""
    zero = made.constant(np.uint32(0))
    if name == "random_seed" and not aval.shape and args[0].dtype in ("uint32", "int32"):
        seed = args[0]
        same = seed if seed.dtype == "uint32" else made.made("convert_element_type", {}, (seed,), (), "uint32")
        return Key((zero, same))
    if name == "random_wrap" and not aval.shape:
        halves = [made.look("slice", args[0], {"start_indices": (i,), "strides": None}, (1,)) for i in (0, 1)]
        return Key((halves[0], halves[1]))
    if name == "random_fold_in" and not aval.shape and args[1].shape == ():
        halves = [_numbers(made, args[0], zero, args[1], half, ()) for half in (0, 1)]
        return Key((halves[0], halves[1]))
    config: Any = jax.config
    if name == "random_bits" and params["bit_width"] == 32 and config.jax_threefry_partitionable:
        shape = tuple(params["shape"])
        places = made.constant(np.arange(math.prod(shape), dtype=np.uint32).reshape(shape))
        halves = [_numbers(made, args[0], zero, places, half, shape) for half in (0, 1)]
        return made.made("xor", {}, tuple(halves), shape, "uint32")
    raise made.unsupported(name)


def _numbers(made: Any, key: Key, high: Value, low: Value, half: int, shape: tuple[int, ...]) -> Value:
    args = (*key.pair, high, low)
    known = [v.const for v in args]
    if all(x is not None for x in known):
        return made.constant(threefry(*known)[half].reshape(shape))
    return made.made("threefry", {"half": half}, args, shape, "uint32")


def threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """Two numbers of the stream of threefry2x32 in 20 rounds, as `jax.random` has it."""
    with np.errstate(over="ignore"):
        k0, k1, x0, x1 = (np.asarray(v, np.uint32) for v in (k0, k1, x0, x1))
        keys = [k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)]
        x0, x1 = x0 + keys[0], x1 + keys[1]
        for i in range(5):
            for by in ((13, 15, 26, 6), (17, 29, 16, 24))[i % 2]:
                x0 = x0 + x1
                x1 = ((x1 << np.uint32(by)) | (x1 >> np.uint32(32 - by))) ^ x0
            x0, x1 = x0 + keys[(i + 1) % 3], x1 + keys[(i + 2) % 3] + np.uint32(i + 1)
        return x0, x1
