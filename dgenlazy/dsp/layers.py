"""Layers of networks, as functions of their weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..graph import Lists, composite, lift
from ..ops import add, getitem, matmul, mul, sigmoid, sub, tanh, transpose
from ..run import close


def _weights(name: str, weights: Any, inputs: Any) -> Any:
    """Weights `(outputs, inputs)`, checked against what they are applied to."""
    node = lift(weights, name)
    if len(node.spec.shape) != 2:
        raise ShapeError(f"{name} has shape {node.spec.shape}, not (outputs, inputs)")
    if not inputs.spec.shape or inputs.spec.shape[-1] != node.spec.shape[1]:
        raise ShapeError(f"{name} has shape {node.spec.shape}: it takes {node.spec.shape[1]} inputs, not {inputs.spec.shape}")
    return node


def _product(x: Any, weights: Any) -> Any:
    return matmul(weights, x) if len(x.spec.shape) == 1 else matmul(x, transpose(weights))


@composite
def linear(x: Any, weight: Lists, bias: Any = None) -> Any:
    """Every output a weighted sum of the inputs, `weight @ x + bias`, as PyTorch's `Linear`.

    Args:
        x: `(*lanes, inputs)`.
        weight: `(outputs, inputs)`; `Tensor.glorot` makes one to learn.
        bias: `(outputs,)`, or a number; none by default.

    Returns:
        `(*lanes, outputs)`.

    Raises:
        ShapeError: a weight of another shape, or a bias that does not broadcast.

    >>> Tensor([1.0, 2.0]).linear([[1.0, 1.0], [0.0, 2.0], [3.0, 0.0]], bias=0.5).realize()
    array([3.5, 4.5, 3.5], dtype=float32)
    """
    x = lift(x, "linear: x")
    y = _product(x, _weights("linear: weight", weight, x))
    if bias is None:
        return y
    bias = lift(bias, "linear: bias")
    if bias.spec.shape not in ((), (1,), y.spec.shape[-1:]):
        raise ShapeError(f"linear: bias has shape {bias.spec.shape}, not {y.spec.shape[-1:]}")
    return add(y, bias)


@composite
def gru(x: Any, weight_input: Lists, weight_state: Lists, bias: Lists, init: Lists = 0.0) -> Any:
    """Gated recurrent unit, PyTorch's: a step for each value of `x`, so at a hop one a tick. Its output is its state.

    With the parts of the weights in the order reset, update, new, and h the state before:

        r = sigmoid(W_r x + U_r h + b_r)
        u = sigmoid(W_u x + U_u h + b_u)
        n = tanh(W_n x + b_n + r (U_n h + c_n))
        y = (1 - u) n + u h

    Args:
        x: `(*lanes, inputs)`; lanes are units of the same weights.
        weight_input: W, `(3 units, inputs)`, PyTorch's `weight_ih_l0`.
        weight_state: U, `(3 units, units)`, its `weight_hh_l0`.
        bias: b, `(3 units,)` or a number; or `(2, 3 units)`, its `bias_ih_l0` and `bias_hh_l0`, of which the second is added to
            what comes of the state, and c is its part for n. Without it c is 0.
        init: The state before the first frame, `(units,)`, `(*lanes, units)` or a number. It may be learned.

    Returns:
        `(*lanes, units)`, at the hop of `x`.

    Raises:
        ShapeError: weights, bias or init of other shapes. ArgumentError: `init` varies from frame to frame.

    >>> x = Signal.from_samples([[1.0], [1.0]], hop=64)
    >>> x.gru([[0.0], [0.0], [1.0]], np.zeros((3, 1)), bias=0.0).realize().round(4)
    array([[0.3808],
           [0.5712]], dtype=float32)

    Source: K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; r is inside as PyTorch has it.
    """
    x, init = lift(x, "gru: x"), lift(init, "gru: init")
    weight_input = _weights("gru: weight_input", weight_input, x)
    weight_state, bias = lift(weight_state, "gru: weight_state"), lift(bias, "gru: bias")
    gates = weight_input.spec.shape[0]
    units = gates // 3
    if gates % 3 or weight_state.spec.shape != (gates, units):
        raise ShapeError(
            f"gru: weight_input has shape {weight_input.spec.shape}, weight_state {weight_state.spec.shape}; they are "
            "(3 units, inputs) and (3 units, units)"
        )
    if bias.spec.shape not in ((), (gates,), (2, gates)):
        raise ShapeError(f"gru: bias has shape {bias.spec.shape}, not {(gates,)} or {(2, gates)}")
    state = (*x.spec.shape[:-1], units)
    if init.spec.varies:
        raise ArgumentError("gru: init varies from frame to frame; it must be a number or a Tensor")
    if init.spec.shape not in ((), (units,), state):
        raise ShapeError(f"gru: init has shape {init.spec.shape}, not {state}")
    of_input, of_state = (getitem(bias, 0), getitem(bias, 1)) if len(bias.spec.shape) == 2 else (bias, None)
    ahead = add(_product(x, weight_input), of_input)

    def part(values, k):
        return getitem(values, (..., slice(k * units, (k + 1) * units)))

    def cell(h):
        back = _product(h, weight_state)
        back = back if of_state is None else add(back, of_state)
        reset, update = (sigmoid(add(part(ahead, k), part(back, k))) for k in (0, 1))
        new = tanh(add(part(ahead, 2), mul(reset, part(back, 2))))
        return add(new, mul(update, sub(h, new)))

    return close(cell, add(init, lift(np.zeros(state, np.float32))), lambda node: node)
