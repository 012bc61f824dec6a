"""What JAX lowers a program to for Apple's GPUs, held against what their two plugins take. Runs on any machine.

Platform "mps" is jax-mps. The lists are those of github.com/tillahoffmann/jax-mps at commit 9cc6ce6 (version 0.10.11): every
name in a `handlers.insert` of src/pjrt_plugin/ops, what the handlers say they refuse, and its table of element types. A program
with any other op does not compile there.

Platform "METAL" is Apple's jax-metal. It is closed and has no list; it gets that of jax-mps without what it is known to lack:
FFT and complex numbers (jax-ml/jax issue 16416), and windows of cumulative sums (jax-ml/jax pull request 21498: JAX lowers
those in another way there, up to the 0.5.0 that the plugin can run with).
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

PLATFORMS = ("mps", "METAL")

_STABLEHLO = """
abs add after_all all_reduce and atan2 bitcast_convert broadcast_in_dim case cbrt ceil cholesky clamp compare complex composite
concatenate constant convert convolution cosine count_leading_zeros create_token custom_call divide dot_general dynamic_slice
dynamic_update_slice exponential exponential_minus_one fft floor gather imag iota is_finite log log_plus_one logistic maximum
minimum multiply negate not optimization_barrier or pad partition_id popcnt power real reduce reduce_precision reduce_window
remainder reshape return reverse rng_bit_generator round_nearest_afz round_nearest_even rsqrt scatter select select_and_scatter
shift_left shift_right_arithmetic shift_right_logical sign sine slice sort sqrt subtract tan tanh transpose triangular_solve
while xor
"""
_OTHER = {"builtin.module", "func.func", "func.call", "func.return", "chlo.top_k"}
_OPS = {f"stablehlo.{name}" for name in _STABLEHLO.split()} | _OTHER
_COMPLEX = {f"stablehlo.{name}" for name in ("fft", "complex", "real", "imag")}
_LOWERED_BY_PLUGIN = {f"chlo.{name}" for name in ("erf", "erf_inv")}  # as custom calls, on a Mac only
_WITHOUT = {"mps": set(), "METAL": _COMPLEX | ({"stablehlo.reduce_window"} if jax.__version_info__ < (0, 6) else set())}
OPS = {platform: (_OPS | _LOWERED_BY_PLUGIN) - _WITHOUT[platform] for platform in PLATFORMS}

# JAX writes these as StableHLO when it hands a program to a plugin; `test_metal` holds that it does.
SERIALIZED = {"chlo.square"}

_TYPES = {"f32", "f16", "bf16", "i1", *(f"{kind}{bits}" for kind in ("i", "ui") for bits in (8, 16, 32, 64))}
TYPES = {"mps": _TYPES | {"complex<f32>"}, "METAL": _TYPES}

CUSTOM_CALLS = {"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", *(
    f"mhlo.{name}" for name in "sinh cosh tan asin acos atan asinh acosh atanh erf erf_inv topk".split()
)}  # fmt: skip

_REDUCERS = {f"stablehlo.{name}" for name in ("add", "multiply", "maximum", "minimum", "and", "or")}


class Place(NamedTuple):
    """Stands for a device of a platform that is not here: all that the runtime asks of one when it plans."""

    platform: str


@contextlib.contextmanager
def _as_the_plugins_set_it() -> Iterator[None]:
    """jax-mps turns this off when it starts: it does not read the dialect of Shardy."""
    name = "jax_use_shardy_partitioner"
    before = getattr(jax.config, name, None)
    if before is not None:
        jax.config.update(name, False)
    try:
        yield
    finally:
        if before is not None:
            jax.config.update(name, before)


def refused(fn: Any, *args: Any, platform: str) -> list[str]:
    """What `fn(*args)` lowers to that the plugin of `platform` does not take, in words; empty if it takes all of it.

    Args:
        args: Arrays, or shapes and types of arrays.
    """
    with _as_the_plugins_set_it():
        try:
            lowered = jax.jit(fn).trace(*args).lower(lowering_platforms=(platform,))
        except (NotImplementedError, ValueError) as e:  # JAX has no rule for this platform
            if platform not in str(e):
                raise
            return [str(e)]
    found: dict[str, None] = {}
    for op in _operations(lowered.compiler_ir().operation):
        found |= dict.fromkeys(_complaints(op, platform))
    return list(found)


def _operations(op: Any) -> Iterator[Any]:
    """An op and all that are inside it."""
    yield op
    for inner in _inside(op):
        yield from _operations(inner)


def _inside(op: Any) -> list[Any]:
    return [inner.operation for region in op.regions for block in region for inner in block]


def _complaints(op: Any, platform: str) -> Iterator[str]:
    if op.name not in OPS[platform] | SERIALIZED:
        yield op.name
    values = [*op.results, *(value for region in op.regions for block in region for value in block.arguments)]
    for kind in {re.sub(r"^tensor<(?:\d+x)*(.*)>$", r"\1", str(value.type)) for value in values}:
        if kind not in TYPES[platform]:
            yield f"{kind}, from {op.name}"
    body = [inner.name for inner in _inside(op)]
    match op.name.removeprefix("stablehlo."):
        case "custom_call" if (target := _text(op, "call_target_name")) not in CUSTOM_CALLS:
            yield f"custom call of {target}"
        case "reduce" if body[0] not in _REDUCERS or body[1:] != ["stablehlo.return"]:
            yield f"reduce by {', '.join(body)}"
        case "reduce_window" | "scatter" as name if len(op.results) > 1:
            yield f"{name} of {len(op.results)} arrays"
        case "select_and_scatter" if "stablehlo.add" not in body:
            yield f"select_and_scatter by {', '.join(body)}"
        case "sort" if body != ["stablehlo.compare", "stablehlo.return"]:
            yield f"sort by {', '.join(body)}"
        case "convolution" if "1" not in (_number(op, "batch_group_count"), _number(op, "feature_group_count")):
            yield "convolution of groups in batches and features"


def _text(op: Any, attribute: str) -> str:
    return str(op.attributes[attribute]).strip('"')


def _number(op: Any, attribute: str) -> str:
    return str(op.attributes[attribute]).split(" :")[0]
