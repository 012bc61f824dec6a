"""Optimizers: any optax transformation over the parameters of a graph; SGD and Adam as in the SPEC."""

from __future__ import annotations

import functools as ft
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..config import flag, real_number
from ..errors import ArgumentError, ShapeError, spelled
from ..graph import Data
from ..lazy import Lazy
from ..run import Packed, assign, backend, on_device, packed, runtime
from .update import compiled_update as _compiled, groups

Params = Sequence[Lazy] | ValuesView[Lazy] | Set[Lazy] | Iterator[Lazy]  # of Iterable, a value is one itself


class Optimizer:
    """Steps parameters along their gradients by an optax transformation.

    Args:
        params: Leaves that have `requires_grad=True`: Tensors, Signals or `Signal.from_samples`, each once.
        tx: Any `optax.GradientTransformation`. It sees the parameters as a list. Those without a gradient are
            skipped: they and what the transformation keeps for them stay as they are. One that runs the loss again, like
            `optax.lbfgs()`, takes a loop of its own over the pure function that `dg.function` makes.

    Bounds of `Signal.param(min=, max=)` hold after each step. All updates of a step are one compiled call.

    Raises:
        ArgumentError: a parameter is not a leaf that is learned, or is given twice; `tx` is not a transformation.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> opt = Optimizer([w], optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5)))
    >>> (w * w).sum().backward()
    25.0
    >>> opt.step()
    >>> w.value
    array([2.7, 3.6], dtype=float32)
    """

    def __init__(self, params: Params, tx: Any):
        self._start(params, tx, None)

    def _start(self, params: Params, tx: Any, lr: float | None) -> None:
        """With `lr`, `tx` is made without a rate and keeps its state for each parameter apart, as in PyTorch."""
        name = type(self).__name__
        if not (callable(getattr(tx, "init", None)) and callable(getattr(tx, "update", None))):
            raise ArgumentError(f"{name}: tx={tx!r} is not an optax transformation")
        self.params: list[Lazy] = parameters(name, params)
        self._lr = lr
        import optax  # takes as long as a third of JAX, and who trains nothing needs none of it

        self._tx = optax.GradientTransformation(tx.init, tx.update)  # which has a hash, whatever `tx` is
        self._leaves: list[Data] = [p.node for p in self.params]
        together = groups(len(self._leaves), lr is not None)
        with jax.default_device(runtime.device()):
            states = [tx.init([jnp.asarray(self._leaves[i].array) for i in group]) for group in together]
            self._states: Any = jax.tree.map(lambda x: backend.concrete(jnp.asarray(x)), states)
        self._where: Any = None  # the device that the states are sure to be on
        self._compiled: dict[Any, Any] = {}

    def __repr__(self) -> str:
        found = (len(self._leaves), "parameter"), (sum(leaf.array.size for leaf in self._leaves), "number")
        facts = [f"{n} {what}{'s' * (n != 1)}" for n, what in found] + ([] if self._lr is None else [f"lr={self._lr:g}"])
        return f"{type(self).__name__}({', '.join(facts)})"

    @property
    def _rule(self) -> tuple[Any, ...]:
        """What `update_of` takes: equal for optimizers that step alike."""
        kinds = tuple([(leaf.array.shape, leaf.array.dtype, leaf.low, leaf.high) for leaf in self._leaves])
        return type(self).__name__, self._tx, self._lr is not None, kinds

    @property
    def lr(self) -> float:
        """The learning rate; assign to change it, which compiles nothing again.

        >>> opt = Adam([Tensor([1.0], requires_grad=True)], lr=0.1)
        >>> opt.lr = 0.01
        >>> opt.lr
        0.01

        Raises:
            ArgumentError: the transformation has none that can be read; make it with `optax.inject_hyperparams`.
        """
        return float(self._injected()["learning_rate"]) if self._lr is None else self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        value = _at_least_zero(type(self).__name__, "lr", value)
        if self._lr is None:
            hyperparams = self._injected()
            hyperparams["learning_rate"] = backend.concrete(jnp.asarray(value, jnp.float32))
        else:
            self._lr = value

    def _injected(self) -> dict[str, Any]:
        hyperparams = getattr(self._states[0], "hyperparams", None)
        if not isinstance(hyperparams, dict) or "learning_rate" not in hyperparams:
            raise ArgumentError(
                f"{type(self).__name__}.lr: this transformation keeps its learning rate to itself; make it with "
                "optax.inject_hyperparams(optax.sgd)(learning_rate=...), to take an example"
            )
        return hyperparams

    def step(self) -> None:
        """Update every parameter that has a gradient. The gradients stay; `zero_grad` clears them.

        Raises:
            ArgumentError: none has one; call `backward` first. Or `tx` takes more than gradients.

        >>> w = Tensor([1.0], requires_grad=True)
        >>> opt = Adam([w], lr=0.25)
        >>> w.sum().backward()
        1.0
        >>> opt.step()
        >>> w.value
        array([0.75], dtype=float32)
        """
        grads = [leaf.grad for leaf in self._leaves]
        if not any([grad is not None for grad in grads]):
            raise ArgumentError(f"{type(self).__name__}.step: no parameter has a gradient; call loss.backward() first")
        where = runtime.device()
        if where not in self._compiled:
            self._compiled[where] = _compiled(*self._rule, where)
        values = [on_device(leaf, where) for leaf in self._leaves]
        states = self._states
        if self._lr is not None and not isinstance(states, Packed):
            states = packed(jax.tree.map(np.asarray, states), xp=np)
        if states is not self._states or self._where is not where:
            states = jax.device_put(states, where)
        values, states = self._compiled[where](values, grads, states, self._lr)
        backend.concrete(values[0])
        assign(self._leaves, "array", values, *self._at(states, where))

    def _tree(self) -> Any:
        """The states as `tx` gave them. Where each parameter has its own, a step leaves them packed."""
        return self._states.on_host() if isinstance(self._states, Packed) else self._states

    def _at(self, states: Any, where: Any) -> list[tuple[Any, str, Any]]:
        """What `assign` takes to have it go on from other states."""
        return [(self, "_states", states), (self, "_where", where)]

    def zero_grad(self) -> None:
        """Clear every gradient, to None. Without it the next `backward` adds to what is there.

        >>> w = Tensor([1.0], requires_grad=True)
        >>> opt = Adam([w])
        >>> w.sum().backward()
        1.0
        >>> opt.zero_grad()
        >>> print(w.grad)
        None
        """
        assign(self._leaves, "grad", [None] * len(self._leaves))

    def state_dict(self) -> dict[str, Any]:
        """What it takes to go on exactly: the learning rate and the state, as NumPy arrays; not the parameters.

        >>> w = Tensor([1.0], requires_grad=True)
        >>> Adam([w], lr=0.1).state_dict()["lr"]
        0.1
        """
        leaves, structure = jax.tree.flatten(self._tree())
        return {"lr": self._lr, "kind": str(structure), "state": [np.array(numbers_of(x)) for x in leaves]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of an optimizer of the same kind, over parameters of the same shapes.

        Raises:
            ArgumentError, ShapeError: it is of another optimizer; then nothing is changed.

        >>> w = Tensor([1.0], requires_grad=True)
        >>> saved = Adam([w], lr=0.1).state_dict()
        >>> opt = Adam([w])
        >>> opt.load_state_dict(saved)
        >>> opt.lr
        0.1
        """
        name = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or set(state_dict) != {"lr", "kind", "state"}:
            raise ArgumentError(f"{name}: takes a mapping with lr, kind and state, as state_dict() gives it")
        lr, new = state_dict["lr"], state_dict["state"]
        old, structure = jax.tree.flatten(self._tree())
        kind = str(structure) == state_dict["kind"] and (lr is None) == (self._lr is None)
        if not kind or not isinstance(new, Sequence) or len(new) != len(old):
            raise ArgumentError(f"{name}: the state is that of another optimizer, or of other parameters")
        for i, (a, b) in enumerate(zip(new, old)):
            if not isinstance(a, np.ndarray):
                raise ArgumentError(f"{name}: state[{i}]={a!r} is not a NumPy array")
            own = numbers_of(b)
            if a.shape != own.shape or a.dtype != own.dtype:
                raise ShapeError(f"{name}: an array of shape {a.shape}, {a.dtype}, where {own.shape}, {own.dtype} belongs")
        lr = None if lr is None else _at_least_zero(name, "lr", lr)
        with jax.default_device(runtime.device()):
            states = structure.unflatten([backend.concrete(with_numbers(b, jnp.array(a))) for a, b in zip(new, old)])
        assign([self], "_lr", [lr], *self._at(states, None))


@final
class SGD(Optimizer):
    """Stochastic gradient descent, PyTorch's: weight decay is added to the gradient, then momentum, then Nesterov.

    Args:
        params: Leaves that have `requires_grad=True`.
        lr: Learning rate, at least 0.
        momentum: Share of the last step that is kept, in [0, 1).
        weight_decay: Factor of the parameter that is added to its gradient, at least 0.
        nesterov: Look ahead along the momentum; takes a momentum above 0.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> opt = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    1.0
    >>> opt.step()
    >>> w.value
    array([0.8], dtype=float32)
    """

    @spelled
    def __init__(
        self,
        params: Params,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        momentum = _below_one("SGD", "momentum", momentum)
        weight_decay = _at_least_zero("SGD", "weight_decay", weight_decay)
        nesterov = flag("SGD: nesterov", nesterov)
        if nesterov and not momentum:
            raise ArgumentError("SGD: nesterov=True takes a momentum above 0")
        self._start(params, _sgd(momentum, weight_decay, nesterov), _at_least_zero("SGD", "lr", lr))


@final
class Adam(Optimizer):
    """Adam with bias correction.

    Args:
        params: Leaves that have `requires_grad=True`.
        lr: Learning rate, at least 0.
        beta1, beta2: Decay of the running means of the gradient and of its square, in [0, 1).
        eps: Added to the root of the second, above 0.

    Source: D. P. Kingma, J. Ba, Adam: A Method for Stochastic Optimization, algorithm 1.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> opt = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    1.0
    >>> opt.step()
    >>> w.value
    array([0.9], dtype=float32)
    """

    @spelled
    def __init__(self, params: Params, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8):
        beta1, beta2 = _below_one("Adam", "beta1", beta1), _below_one("Adam", "beta2", beta2)
        if not (eps := _at_least_zero("Adam", "eps", eps)) > 0:
            raise ArgumentError(f"Adam: eps={eps!r} is not above 0")
        self._start(params, _adam(beta1, beta2, eps), _at_least_zero("Adam", "lr", lr))


@ft.lru_cache
def _sgd(momentum: float, weight_decay: float, nesterov: bool) -> Any:
    """One transformation for all optimizers that are equal, so that they share what is compiled."""
    import optax

    parts = [optax.identity()]  # a chain of none is an error
    parts += [optax.add_decayed_weights(weight_decay)] if weight_decay else []
    parts += [optax.trace(momentum, nesterov=nesterov)] if momentum else []
    return optax.chain(*parts)


@ft.lru_cache
def _adam(beta1: float, beta2: float, eps: float) -> Any:
    import optax

    return optax.scale_by_adam(beta1, beta2, eps)


def _is_key(x: Any) -> bool:
    """Whether an array is of keys of random numbers, which have a type of their own."""
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def numbers_of(x: Any) -> Any:
    """What is kept of an array of a state."""
    return jax.random.key_data(x) if _is_key(x) else x


def with_numbers(x: Any, numbers: Any) -> Any:
    """The array that numbers were kept of, which was of the type of `x`."""
    return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(x)) if _is_key(x) else numbers


def parameters(name: str, params: Any) -> list[Lazy]:
    if isinstance(params, Lazy) or not isinstance(params, Iterable):
        raise ArgumentError(f"{name}: params={params!r} is not a list of parameters")
    try:
        out, seen = list(params), set()
    except TypeError:  # a 0-d array says that it is iterable, and is not
        raise ArgumentError(f"{name}: params={params!r} is not a list of parameters") from None
    for i, p in enumerate(out):
        if not isinstance(p, Lazy):
            fix = "; of a mapping give the values, list(params.values())" if isinstance(params, Mapping) else ""
            raise ArgumentError(f"{name}: params[{i}]={p!r} is not a Tensor or Signal{fix}")
        if not isinstance(p.node, Data):
            raise ArgumentError(f"{name}: params[{i}] is computed or an input, not a parameter: {p!r}")
        if not p.node.requires_grad:
            raise ArgumentError(f"{name}: params[{i}] was made without requires_grad=True: {p!r}")
        if p.node in seen:
            raise ArgumentError(f"{name}: params[{i}] is given twice: {p!r}")
        seen.add(p.node)
    if not out:
        raise ArgumentError(f"{name}: the list of parameters is empty")
    return out


def _at_least_zero(name: str, what: str, value: Any) -> float:
    number = real_number(f"{name}: {what}", value)
    if number < 0:
        raise ArgumentError(f"{name}: {what}={value!r} is less than 0")
    return number


def _below_one(name: str, what: str, value: Any) -> float:
    number = _at_least_zero(name, what, value)
    if number >= 1:
        raise ArgumentError(f"{name}: {what}={value!r} is not in [0, 1)")
    return number
