"""What users hold: Tensor, Signal and SignalTensor. Constructors, and methods bound from ops, a line each."""

from __future__ import annotations

import math as python_math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, final

import numpy as np

from . import display, loop, runtime
from .config import real_array, whole_number
from .errors import ArgumentError, ShapeError
from .graph import Data, Input, Leaf, Node, Number, Seed, Spec, Value, lift
from .ops import filter, index, loss, math, oscillator, signal, spectral, tensor


class Lazy(Value):
    """What the three types share: properties, operators, functions as methods, and running."""

    __array_ufunc__ = None  # NumPy leaves `array * value` to us

    def __init__(self, node: Node | Leaf):
        self.node: Any = node
        self._streams: dict[tuple[Any, ...], runtime.Stream] = {}

    @staticmethod
    def wrap(node: Node | Leaf) -> Any:
        """The one promotion rule: the class follows from the type and the shape of a node."""
        value = object.__new__(Tensor if not node.spec.signal else SignalTensor if node.spec.shape else Signal)
        Lazy.__init__(value, node)
        return value

    # Properties.

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one frame."""
        return self.node.spec.shape

    @property
    def ndim(self) -> int:
        """Number of axes of one frame."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of one frame."""
        return python_math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of an element: float32."""
        return self.node.spec.dtype

    @property
    def is_frame_varying(self) -> bool:
        """True for the Signal family, False for a Tensor."""
        return self.node.spec.signal

    @property
    def requires_grad(self) -> bool:
        """Whether it is learned, or computed from something that is."""
        return self.node.requires_grad

    @property
    def grad(self) -> Any:
        """What `backward` has added up since `zero_grad`: a lazy value like this one, or None."""
        node = self.node
        return None if not isinstance(node, Data) or node.grad is None else self.wrap(Data(node.spec, node.grad))

    @property
    def value(self) -> np.ndarray:
        """The data of a leaf as a read-only array. Assign to change it: `p.value = 3.0`."""
        leaf = self.node
        if isinstance(leaf, Number):
            return np.array(leaf.number, np.float32)
        if not isinstance(leaf, Data):
            raise ArgumentError(f"value: this {type(self).__name__} is computed or an input, and holds no data; use realize()")
        view = np.array(leaf.array)
        view.flags.writeable = False
        return view

    @value.setter
    def value(self, data: Any) -> None:
        leaf = self.node
        if not isinstance(leaf, Data):
            raise ArgumentError(f"value: this {type(self).__name__} is computed or an input, and holds no data to change")
        array = real_array("value", data)
        if array.shape != leaf.array.shape:
            try:
                array = np.array(np.broadcast_to(array, leaf.array.shape))
            except ValueError:
                raise ShapeError(f"value: shape {array.shape} does not fit into {leaf.array.shape}") from None
        leaf.array = _checked("value", array, leaf.requires_grad, leaf.low, leaf.high)

    def __repr__(self) -> str:
        return display.describe(type(self).__name__, self.node)

    def _repr_html_(self) -> str:
        return display.html(type(self).__name__, self.node)

    def program(self) -> Any:
        """The staged program: print it to see every op, its inputs and what varies per frame."""
        return runtime.staged([self.node]).program

    def __bool__(self) -> NoReturn:
        raise ArgumentError("bool: a lazy value is neither true nor false; use where(), or realize() it first")

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentError("len: a single number has no length; its frames are not counted until realize(frames)")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy value is computed when it becomes an array, which is always a copy")
        return self.realize().astype(dtype or np.float32, copy=False)

    # Operators.

    __add__ = math.add
    __sub__ = math.sub
    __mul__ = math.mul
    __truediv__ = math.div
    __mod__ = math.mod
    __matmul__ = tensor.matmul
    __neg__ = math.neg
    __abs__ = math.abs
    __gt__ = math.greater
    __ge__ = math.greater_equal
    __lt__ = math.less
    __le__ = math.less_equal
    __pow__ = math.pow
    __getitem__ = index.getitem

    def __radd__(self, other: Any) -> Any:
        return math.add(other, self)

    def __rsub__(self, other: Any) -> Any:
        return math.sub(other, self)

    def __rmul__(self, other: Any) -> Any:
        return math.mul(other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return math.div(other, self)

    def __rmod__(self, other: Any) -> Any:
        return math.mod(other, self)

    def __rpow__(self, other: Any) -> Any:
        return math.pow(other, self)

    def __rmatmul__(self, other: Any) -> Any:
        return tensor.matmul(other, self)

    def __pos__(self) -> Any:
        return self

    def __round__(self, digits: None = None) -> Any:
        if digits is not None:
            raise ArgumentError(f"round: digits={digits!r}; only whole numbers: multiply, round and divide")
        return math.round(self)

    # Functions.

    abs = math.abs
    sign = math.sign
    floor = math.floor
    ceil = math.ceil
    round = math.round
    mod = math.mod
    clamp = math.clamp
    exp = math.exp
    log = math.log
    log10 = math.log10
    sqrt = math.sqrt
    pow = math.pow
    sin = math.sin
    cos = math.cos
    tan = math.tan
    tanh = math.tanh
    atan2 = math.atan2
    relu = math.relu
    sigmoid = math.sigmoid

    min = tensor.min
    max = tensor.max
    sum = tensor.sum
    mean = tensor.mean
    transpose = tensor.transpose
    matmul = tensor.matmul
    conv1d = tensor.conv1d
    conv2d = tensor.conv2d
    cumsum = tensor.cumsum
    softmax = tensor.softmax
    log_softmax = tensor.log_softmax
    peek_row = index.peek_row

    def reshape(self, *shape: Any) -> Any:
        return tensor.reshape(self, shape[0] if len(shape) == 1 else shape)

    biquad = filter.biquad
    onepole = filter.onepole
    history = signal.history
    latch = signal.latch
    accum = signal.accum
    delta = signal.delta
    change = signal.change
    delay = signal.delay

    mse = loss.mse
    spectral_loss = spectral.spectral_loss

    # Running.

    def realize(
        self, frames: int | None = None, *, inputs: Mapping[int, Any] | None = None, preserve_state: bool = False
    ) -> np.ndarray:
        """Compute it: stage the graph below, compile that once, run it.

        Args:
            frames: How many; by default as many as `inputs` or `Signal.from_samples` hold, the shortest deciding, else
                `DGen.default_frame_count`. Ignored where nothing has frames.
            inputs: Samples of input channels for this call, `{channel: samples}`; else those of `DGen.inputs`.
            preserve_state: Go on from the end of the last such call on this value, in state and in frame position.

        Returns:
            float32 array: a Tensor's `shape`, a Signal's `(frames,)`, a SignalTensor's `(frames, *shape)`.

        Raises:
            InputError: a channel has no samples or too few. ArgumentError: `frames` is negative or not whole.
            BackendError: `DGen.backend` is not on this machine.
        """
        return realize(self, frames=frames, inputs=inputs, preserve_state=preserve_state)[0]

    def reset(self) -> None:
        """Forget the state and position of streaming: the next call with `preserve_state=True` starts afresh."""
        for stream in self._streams.values():
            stream.reset()

    def backward(self, frames: int | None = None, *, inputs: Mapping[int, Any] | None = None, reduction: str = "mean") -> float:
        """Differentiate this loss, and add to the `.grad` of every leaf below that has `requires_grad=True`.

        Args:
            frames, inputs: As for `realize`. A run always starts afresh.
            reduction: Over frames, "mean" or "sum". A part of the loss that does not vary counts once in both.

        Returns:
            The loss, the number that was differentiated.

        Raises:
            ShapeError: the loss is not of shape (). ArgumentError: nothing below it requires a gradient.
        """
        return runtime.backward(self.node, frames, inputs, reduction)


def _checked(name: str, array: np.ndarray, requires_grad: bool, low: float, high: float) -> np.ndarray:
    """Data of a leaf. What is learned must be finite and inside its bounds."""
    if requires_grad and not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)][0]
        raise ArgumentError(f"{name}: a value that is learned must be finite, this one is {wrong}")
    if array.size and not (np.nanmin(array, initial=np.inf) >= low and np.nanmax(array, initial=-np.inf) <= high):
        raise ArgumentError(f"{name}: {array.min()} to {array.max()} is not inside [{low}, {high}]")
    return array


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name}: requires_grad={value!r} is not True or False")
    return bool(value)


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    lengths = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else (shape,)
    return tuple(whole_number(f"{name}: shape", n) for n in lengths)


def _number(name: str, value: Any) -> float:
    array = real_array(name, value)
    if array.shape:
        raise ShapeError(f"{name}: takes one number, got shape {array.shape}; use Signal.from_samples for one per frame")
    return float(array)


@final
class Tensor(Lazy):
    """An array that does not vary from frame to frame.

    Args:
        data: A number, nested lists, a NumPy or a JAX array, of any rank; kept as float32.
        requires_grad: Whether `backward` computes its gradient.

    Raises:
        ArgumentError: ragged lists, strings, complex numbers; a learned value that is not finite.

    >>> w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> w.sum().backward()
    10.0
    >>> w.grad.realize()
    array([[1., 1.],
           [1., 1.]], dtype=float32)
    """

    def __init__(self, data: Any, requires_grad: bool = False):
        if isinstance(data, Value):
            raise ArgumentError(f"Tensor: {type(data).__name__} is a lazy value already; realize() it first for a copy")
        array = _checked("Tensor", real_array("Tensor", data), requires_grad, -np.inf, np.inf)
        super().__init__(Data(Spec(array.shape), array, requires_grad=_flag("Tensor", requires_grad)))

    @staticmethod
    def zeros(shape: Any, requires_grad: bool = False) -> Tensor:
        """Zeros.

        >>> Tensor.zeros([2]).realize()
        array([0., 0.], dtype=float32)
        """
        return Tensor(np.zeros(_shape("Tensor.zeros", shape), np.float32), requires_grad)

    @staticmethod
    def ones(shape: Any, requires_grad: bool = False) -> Tensor:
        """Ones.

        >>> Tensor.ones([2]).realize()
        array([1., 1.], dtype=float32)
        """
        return Tensor(np.ones(_shape("Tensor.ones", shape), np.float32), requires_grad)

    @staticmethod
    def full(shape: Any, value: float, requires_grad: bool = False) -> Tensor:
        """One value throughout.

        >>> Tensor.full([2], 0.5).realize()
        array([0.5, 0.5], dtype=float32)
        """
        value = _number("Tensor.full: value", value)
        return Tensor(np.full(_shape("Tensor.full", shape), value, np.float32), requires_grad)

    @staticmethod
    def randn(shape: Any, seed: int | None = None, requires_grad: bool = False) -> Tensor:
        """Normally distributed numbers, of mean 0 and variance 1.

        Args:
            shape: A number or a list of them.
            seed: The same gives the same numbers, for the same `DGen.seed`. Without one, each call gives others;
                assigning `DGen.seed` starts their sequence again.

        >>> Tensor.randn([64, 32]).shape
        (64, 32)
        """
        if seed is not None:
            seed = whole_number("Tensor.randn: seed", seed)
        return Tensor(runtime.normal(_shape("Tensor.randn", shape), seed), requires_grad)


@final
class Signal(Lazy):
    """One number per audio frame.

    `Signal(440.0)` is a constant; it is a Signal by type, but computed once and not in every frame.

    Args:
        value: The number.
        requires_grad: Whether `backward` computes its gradient.

    >>> (Signal.phasor(440.0) * 2 - 1).realize(frames=3)
    array([-1.        , -0.9800454 , -0.9600907 ], dtype=float32)
    """

    def __init__(self, value: Any, requires_grad: bool = False):
        super().__init__(_parameter("Signal", value, _flag("Signal", requires_grad), None, None))

    @staticmethod
    def constant(x: float) -> Signal:
        """The same number in every frame.

        >>> Signal.constant(440.0).realize(2)
        array([440., 440.], dtype=float32)
        """
        return Lazy.wrap(_parameter("Signal.constant", x, False, None, None))

    @staticmethod
    def param(x: float, min: float | None = None, max: float | None = None) -> Signal:
        """A number to learn, the same in every frame.

        Args:
            x: Its first value.
            min, max: Bounds, one or both; the parameter is inside them after every step of an optimizer.

        Raises:
            ArgumentError: `x` is not finite or not inside the bounds, or `min` is not below `max`.

        >>> cutoff = Signal.param(1000.0, min=20.0, max=20000.0)
        >>> cutoff.requires_grad
        True
        """
        return Lazy.wrap(_parameter("Signal.param", x, True, min, max))

    @staticmethod
    def input(channel: int = 0) -> Signal:
        """An audio input. Its samples come with `realize(inputs={channel: samples})` or from `DGen.inputs[channel]`.

        >>> (Signal.input(0) * 2).realize(inputs={0: [1.0, 2.0]})
        array([2., 4.], dtype=float32)
        """
        return Lazy.wrap(Input(Spec((), True, 1), whole_number("Signal.input: channel", channel)))

    @staticmethod
    def phasor(freq: Any, reset: Any = None) -> Any:
        node = oscillator.phasor(lift(freq, "phasor: freq"), None if reset is None else lift(reset, "phasor: reset"))
        return Lazy.wrap(node)

    phasor.__doc__ = oscillator.phasor.__doc__

    @staticmethod
    def noise(seed: int | None = None, shape: Any = ()) -> Any:
        """White noise, uniform in [-1, 1): a pure function of `DGen.seed`, `seed`, the frame and the element.

        Args:
            seed: The same gives the same noise. Without one, noises are numbered in the order in which they occur in
                the graph that is run, so that they differ, and a graph that is built again sounds the same.
            shape: Of one frame; other than () it gives a SignalTensor with independent lanes.

        >>> x = Signal.noise(seed=1).realize(frames=1000)
        >>> bool((x >= -1).all() and (x < 1).all())
        True
        """
        if seed is not None and (seed := whole_number("Signal.noise: seed", seed)) >= 2**32:
            raise ArgumentError(f"Signal.noise: seed={seed} is not less than 2**32")
        leaf = Seed(Spec((3,), True, None, np.dtype(np.uint32)), seed)
        return Lazy.wrap(oscillator.noise(leaf, shape=_shape("Signal.noise", shape)))

    @staticmethod
    def from_samples(array: Any, requires_grad: bool = False) -> Any:
        """Samples, one per frame: `(frames,)` gives a Signal, `(frames, *shape)` a SignalTensor.

        They set the default length of a run; asking for more frames than there are is an InputError.

        >>> Signal.from_samples([1.0, 2.0, 3.0]).realize()
        array([1., 2., 3.], dtype=float32)
        """
        name = "Signal.from_samples"
        samples = _checked(name, real_array(name, array), requires_grad, -np.inf, np.inf)
        if not samples.ndim:
            raise ShapeError(f"{name}: takes (frames,) or (frames, *shape), got one number; use Signal.constant")
        spec = Spec(samples.shape[1:], True, 1)
        return Lazy.wrap(Data(spec, samples, requires_grad=_flag(name, requires_grad)))


def _parameter(name: str, x: Any, requires_grad: bool, low: float | None, high: float | None) -> Data:
    if isinstance(x, Value):
        raise ArgumentError(f"{name}: takes a number, got a {type(x).__name__}")
    bounds = (
        -np.inf if low is None else _number(f"{name}: min", low),
        np.inf if high is None else _number(f"{name}: max", high),
    )
    if not bounds[0] < bounds[1]:
        raise ArgumentError(f"{name}: min={low!r} is not below max={high!r}")
    array = _checked(name, np.array(_number(name, x), np.float32), requires_grad, *bounds)
    return Data(Spec((), True), array, *bounds, requires_grad=requires_grad)


@final
class SignalTensor(Lazy):
    """A tensor per audio frame. It comes of mixing: `Tensor * Signal`, `Signal.phasor(Tensor)`, `stack([signal, ...])`.

    >>> partials = Signal.phasor(Tensor([440, 880, 1320]))
    >>> partials.shape
    (3,)
    >>> partials.realize(frames=64).shape
    (64, 3)
    """

    def __init__(self, *args: Any, **kwargs: Any):
        raise ArgumentError("SignalTensor: mix a Tensor with a Signal, or use Signal.from_samples for (frames, *shape)")


def realize(
    *values: Any, frames: int | None = None, inputs: Mapping[int, Any] | None = None, preserve_state: bool = False
) -> tuple[np.ndarray, ...]:
    """Compute several values in one run of one program, so that what they share is computed once.

    Args:
        values: Tensors, Signals and SignalTensors.
        frames, inputs, preserve_state: As for `x.realize`; with `preserve_state` the group keeps one stream.

    Returns:
        One array for each value.

    >>> x = Signal.phasor(11025.0)
    >>> dg.realize(x, x * 2, frames=4)
    (array([0.  , 0.25, 0.5 , 0.75], dtype=float32), array([0. , 0.5, 1. , 1.5], dtype=float32))
    """
    for value in values:
        if not isinstance(value, Lazy):
            raise ArgumentError(f"realize: {value!r} is not a Tensor, Signal or SignalTensor")
    if not values:
        raise ArgumentError("realize: takes at least one value")
    nodes = tuple([value.node for value in values])
    stream = None
    if preserve_state:
        stream = values[0]._streams.get(nodes) or runtime.Stream()
        for value in values:
            value._streams[nodes] = stream
    return tuple(runtime.realize(nodes, frames, inputs, stream))


def feedback(fn: Callable[[Any], Any], init: Any = 0.0) -> Any:
    """A loop through one frame of delay: `y = fn(prev)`, where `prev` is `y` one frame earlier.

    Args:
        fn: Body of the loop, a function of `prev` to a value like it. Any op may be used in it, filters and delays
            included; what does not depend on `prev` is computed outside of the loop. It is called once or a few times.
        init: What `prev` is at frame 0: a number, array or Tensor, or a tuple, list or dict of them; then `prev` and
            what `fn` returns have that structure. Its shape is the state's, widened where the body broadcasts.

    Returns:
        `y`: Signals and SignalTensors, in the structure of `init`.

    Raises:
        ArgumentError: the body returns another structure. ShapeError: the body's output does not keep its shape.

    >>> x = Signal.from_samples([1.0, 0.0, 0.0, 0.0])
    >>> dg.feedback(lambda prev: x + 0.5 * prev).realize()
    array([1.   , 0.5  , 0.25 , 0.125], dtype=float32)
    """
    return loop.close(fn, init, Lazy.wrap)
