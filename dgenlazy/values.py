"""What users hold: Tensor, Signal and SignalTensor. Their methods are those of `lazy.Lazy`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, final, overload

import numpy as np

from .config import Array, Numbers, Scalar, flag, real_array, seed_number, whole_number
from .dsp import NoiseKind, noises
from .errors import ArgumentError, ShapeError
from .graph import Data, Input, Leaf, Node, Spec, Value, checked, lift
from .lazy import Lazy
from .ops import frames_of, oscillator
from .run import close, leaves, runtime

if TYPE_CHECKING:
    from .methods import AnySignal, Fixed, Operand

Shape = int | Sequence[int]


def promoted(node: Node | Leaf) -> Any:
    """The one promotion rule: the class follows from the type and the shape of a node."""
    value = object.__new__(Tensor if not node.spec.signal else SignalTensor if node.spec.shape else Signal)
    Lazy.__init__(value, node)
    return value


_LONGEST_HOP = 2**29 - 1  # frames


@final
class Tensor(Lazy):
    """An array that does not vary from frame to frame.

    Args:
        data: A number, nested lists, a NumPy or a JAX array, of any rank; kept as float32.
        requires_grad: Whether `backward` computes its gradient.
        batched: Whether the first axis of `data` is a batch: one Tensor for each example.

    Raises:
        ArgumentError: ragged lists, strings, complex numbers; a learned value that is not finite.
        ShapeError: `batched`, and `data` is one number.

    >>> w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> w.sum().backward()
    10.0
    >>> w.grad.realize()
    array([[1., 1.],
           [1., 1.]], dtype=float32)
    >>> codes = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], batched=True)
    >>> codes.shape, codes.sum().realize()
    ((2,), array([ 3.,  7., 11.], dtype=float32))
    """

    __slots__ = ()
    wrap: Any = staticmethod(promoted)

    def __init__(self, data: Numbers, requires_grad: bool = False, *, batched: bool = False):
        if isinstance(data, Value):
            raise ArgumentError(f"Tensor: {type(data).__name__} is a lazy value already; realize() it first for a copy")
        requires_grad = flag("Tensor: requires_grad", requires_grad)
        array = checked("Tensor", real_array("Tensor", data), requires_grad, -np.inf, np.inf)
        super().__init__(Data(Spec(leaves.of_one("Tensor", array, batched)), array, requires_grad=requires_grad))

    @staticmethod
    def param(x: Numbers, min: Array | None = None, max: Array | None = None) -> Tensor:
        """Numbers to learn, all within bounds, one or both, as `Signal.param` is one number. Raises what that raises.

        >>> Tensor.param([1.0, 0.5], min=0.0, max=2.0).requires_grad
        True
        """
        return promoted(leaves.parameters("Tensor.param", x, min, max))

    @staticmethod
    def zeros(shape: Shape, requires_grad: bool = False) -> Tensor:
        """Zeros.

        >>> Tensor.zeros([2]).realize()
        array([0., 0.], dtype=float32)
        """
        return Tensor(np.zeros(leaves.shape("Tensor.zeros", shape), np.float32), requires_grad)

    @staticmethod
    def ones(shape: Shape, requires_grad: bool = False) -> Tensor:
        """Ones.

        >>> Tensor.ones([2]).realize()
        array([1., 1.], dtype=float32)
        """
        return Tensor(np.ones(leaves.shape("Tensor.ones", shape), np.float32), requires_grad)

    @staticmethod
    def full(shape: Shape, value: Array, requires_grad: bool = False) -> Tensor:
        """One value throughout.

        >>> Tensor.full([2], 0.5).realize()
        array([0.5, 0.5], dtype=float32)
        """
        value = leaves.number("Tensor.full: value", value)
        return Tensor(np.full(leaves.shape("Tensor.full", shape), value, np.float32), requires_grad)

    @staticmethod
    def arange(start: float, stop: float | None = None, step: float = 1.0, requires_grad: bool = False) -> Tensor:
        """Numbers from `start` on, `step` apart, below `stop`; with one number those from 0 to below it.

        >>> Tensor.arange(3).realize(), Tensor.arange(1, 2, 0.5).realize()
        (array([0., 1., 2.], dtype=float32), array([1. , 1.5], dtype=float32))
        """
        first, last = (0.0, start) if stop is None else (start, stop)
        numbers = [leaves.number(f"Tensor.arange: {name}", x) for name, x in (("start", first), ("stop", last), ("step", step))]
        if not np.isfinite(numbers).all() or not numbers[2]:
            raise ArgumentError(
                f"Tensor.arange: start={first!r}, stop={last!r}, step={step!r}: finite, and a step that is not 0"
            )
        return Tensor(np.arange(*numbers), requires_grad)

    @staticmethod
    def linspace(start: float, stop: float, num: int = 50, requires_grad: bool = False) -> Tensor:
        """`num` numbers in equal steps from `start` to `stop`, both included.

        >>> Tensor.linspace(0, 1, 3).realize()
        array([0. , 0.5, 1. ], dtype=float32)
        """
        ends = leaves.number("Tensor.linspace: start", start), leaves.number("Tensor.linspace: stop", stop)
        return Tensor(np.linspace(*ends, whole_number("Tensor.linspace: num", num)), requires_grad)

    @staticmethod
    def randn(shape: Shape, seed: int | None = None, requires_grad: bool = False) -> Tensor:
        """Normally distributed numbers, of mean 0 and variance 1.

        Args:
            shape: A number or a list of them.
            seed: The same gives the same numbers, for the same `DGen.seed`. Without one, each call gives others;
                assigning `DGen.seed` starts their sequence, which is that of `Signal.noise` too, again.

        >>> Tensor.randn([64, 32]).shape
        (64, 32)
        """
        shape, requires_grad = leaves.shape("Tensor.randn", shape), flag("Tensor.randn: requires_grad", requires_grad)
        seed = None if seed is None else seed_number("Tensor.randn: seed", seed)
        return Tensor(runtime.generator(seed).standard_normal(shape, np.float32), requires_grad)

    @staticmethod
    def glorot(shape: Shape, seed: int | None = None, requires_grad: bool = False) -> Tensor:
        """Weights of a layer to begin with: uniform within `sqrt(6 / (inputs + outputs))` of 0, seeded as `randn` is.

        `shape` is `(outputs, inputs)`, as `linear` and `gru` take them, or `(outputs, inputs, *kernel)` of a convolution, each
        element of whose kernel counts as an input and an output. Fewer than two axes are a ShapeError.

        >>> bool((abs(Tensor.glorot([2, 4], seed=1).value) <= 1).all())
        True

        Source: X. Glorot and Y. Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010.
        """
        shape, requires_grad = leaves.shape("Tensor.glorot", shape), flag("Tensor.glorot: requires_grad", requires_grad)
        seed = None if seed is None else seed_number("Tensor.glorot: seed", seed)
        if len(shape) < 2:
            raise ShapeError(f"Tensor.glorot: shape {shape} is not (outputs, inputs) or (outputs, inputs, *kernel)")
        limit = np.sqrt(6 / max((shape[0] + shape[1]) * math.prod(shape[2:]), 1))
        return Tensor(runtime.generator(seed).uniform(-limit, limit, shape), requires_grad)


@final
class Signal(Lazy):
    """One number per audio frame.

    `Signal(440.0)` is a constant; it is a Signal by type, but computed once and not in every frame.

    Args:
        value: The number.
        requires_grad: Whether `backward` computes its gradient.
        batched: Whether `value` is a list or array of such numbers, one for each example of a batch.

    >>> (Signal.phasor(440.0) * 2 - 1).realize(frames=3)
    array([-1.        , -0.9800454 , -0.9600907 ], dtype=float32)
    """

    __slots__ = ()
    wrap: Any = staticmethod(promoted)

    @overload
    def __init__(self, value: Array, requires_grad: bool = False, *, batched: bool = False): ...
    @overload
    def __init__(self, value: Numbers, requires_grad: bool = False, *, batched: Literal[True]): ...
    def __init__(self, value: Any, requires_grad: bool = False, *, batched: bool = False):
        super().__init__(leaves.parameter("Signal", value, flag("Signal: requires_grad", requires_grad), None, None, batched))

    @overload
    @staticmethod
    def constant(x: Array, *, batched: bool = False) -> Signal: ...
    @overload
    @staticmethod
    def constant(x: Numbers, *, batched: Literal[True]) -> Signal: ...
    @staticmethod
    def constant(x: Any, *, batched: bool = False) -> Signal:
        """The same number in every frame; with `batched`, a list or array of one for each example of a batch.

        >>> Signal.constant(440.0).realize(2)
        array([440., 440.], dtype=float32)
        """
        return promoted(leaves.parameter("Signal.constant", x, False, None, None, batched))

    @overload
    @staticmethod
    def param(x: Array, min: Array | None = None, max: Array | None = None, *, batched: bool = False) -> Signal: ...
    @overload
    @staticmethod
    def param(x: Numbers, min: Array | None = None, max: Array | None = None, *, batched: Literal[True]) -> Signal: ...
    @staticmethod
    def param(x: Any, min: Array | None = None, max: Array | None = None, *, batched: bool = False) -> Signal:
        """A number to learn, the same in every frame.

        Args:
            x: Its first value; what is learned is float32.
            min, max: Bounds, one or both; the parameter is inside them after every step of an optimizer.
            batched: Whether `x` is a list or array of such numbers, one for each example of a batch.

        Raises:
            ArgumentError: `x` is not finite or not inside the bounds, or `min` is not below `max`.

        >>> cutoff = Signal.param(1000.0, min=20.0, max=20000.0)
        >>> cutoff.requires_grad
        True
        """
        return promoted(leaves.parameter("Signal.param", x, True, min, max, batched))

    @staticmethod
    def input(channel: int = 0, shape: Any = (), *, hop: int = 1) -> Any:
        """An audio input. Its samples come with `realize(inputs={channel: samples})` or from `DGen.inputs[channel]`.

        Args:
            channel: The number that its samples are given under.
            shape: Of one frame; other than () it gives a SignalTensor: `shape=(2,)` for stereo, whose lanes are left and right.

        The samples are `(frames, *shape)`, or `(batch, frames, *shape)` for a batch of examples, each of which runs the whole
        graph. For shape () what has over 8 times as many rows as columns is an InputError: is it `(frames, channels)`?

        >>> (Signal.input(0) * 2).realize(inputs={0: [1.0, 2.0]})
        array([2., 4.], dtype=float32)
        >>> Signal.input(0).accum().realize(inputs={0: [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]})
        array([[1., 2.],
               [2., 4.],
               [3., 6.]], dtype=float32)
        >>> stereo = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> Signal.input(0, shape=(2,)).mean().realize(inputs={0: stereo})
        array([1.5, 3.5, 5.5], dtype=float32)
        """
        channel = whole_number("Signal.input: channel", channel)
        hop = whole_number("Signal.input: hop", hop, 1, _LONGEST_HOP)
        return promoted(Input(leaves.every(leaves.shape("Signal.input", shape), hop), channel))

    @overload
    @staticmethod
    def phasor(freq: AnySignal, reset: Operand | None = None) -> AnySignal: ...
    @overload
    @staticmethod
    def phasor(freq: Scalar | Signal, reset: Scalar | Signal | None = None) -> Signal: ...  # type: ignore[overload-overlap]
    @overload
    @staticmethod
    def phasor(freq: SignalTensor, reset: Operand | None = None) -> SignalTensor: ...
    @overload
    @staticmethod
    def phasor(freq: Operand, reset: Operand | None = None) -> AnySignal: ...
    @staticmethod
    def phasor(freq: Any, reset: Any = None) -> Any:
        """Ramp from 0 to 1, `freq` times a second: 0, f/sr, 2 f/sr, ... in [0, 1), downwards for negative `freq`.

        Args:
            freq: In Hz; a number, Tensor, Signal or SignalTensor. A shape other than () gives one lane per element. A number is
                taken as the float64 that it is, what is held or learned (`Tensor`, `Signal.param`) as float32: 440.1 is there
                440.1000061, 3.7e-3 cycles further after ten minutes.
            reset: The phase is 0 at each frame where `reset > 0`, and goes on from there.

        Returns:
            Phase in cycles: a Signal, or a SignalTensor of the shape of `freq` and `reset` broadcast. The phase does
            not drift, however long the run. The gradient to `freq` ignores the wrap and ends at a reset.

        >>> with DGen.override(sample_rate=8.0):
        ...     Signal.phasor(1.0).realize(4)
        array([0.   , 0.125, 0.25 , 0.375], dtype=float32)
        """
        freq = freq.node if isinstance(freq, Value) else freq
        return promoted(oscillator.phasor(freq, lift(0.0 if reset is None else reset, "phasor: reset")))

    @overload
    @staticmethod
    def noise(seed: int | None = None, shape: tuple[()] = (), kind: NoiseKind = "white") -> Signal: ...  # type: ignore[overload-overlap]
    @overload
    @staticmethod
    def noise(seed: int | None = None, shape: Shape = (), kind: NoiseKind = "white") -> AnySignal: ...
    @staticmethod
    def noise(seed: int | None = None, shape: Any = (), kind: NoiseKind = "white") -> Any:
        """Noise: a pure function of `DGen.seed`, `seed`, the frame and the element.

        Args:
            seed: The same gives the same noise. Without one, noises are numbered when they are made, as `Tensor.randn` is: any
                two differ, and one that is made again is another. Assigning `DGen.seed` starts the numbers again.
            shape: Of one frame; other than () it gives a SignalTensor with independent lanes.
            kind: "white", uniform in [-1, 1); "pink", which falls by 3 dB an octave, and "brown", by 6, both with the power of
                white (rms 0.577) and flat below 2e-4 of the sample rate; "normal", white with a standard deviation of 1.

        >>> x = Signal.noise(seed=1).realize(frames=1000)
        >>> bool((x >= -1).all() and (x < 1).all())
        True
        """
        return promoted(noises.noise(seed, leaves.shape("Signal.noise", shape), kind))

    @staticmethod
    def from_samples(array: Numbers, requires_grad: bool = False, *, batched: bool = False, hop: int = 1) -> AnySignal:
        """Samples, one per frame: `(frames,)` gives a Signal, `(frames, *shape)` a SignalTensor.

        With `batched` another axis, the first, is a batch: samples for each example.
        They set the default length of a run; asking for more frames than there are is an InputError. C files, pages and
        plug-ins, which have no errors, go on with frames of 0, or at a hop with the last tick.

        >>> Signal.from_samples([1.0, 2.0, 3.0]).realize()
        array([1., 2., 3.], dtype=float32)
        """
        name = "Signal.from_samples"
        requires_grad = flag(f"{name}: requires_grad", requires_grad)
        samples = checked(name, real_array(name, array), requires_grad, -np.inf, np.inf)
        shape = leaves.of_one(name, samples, batched)
        if not shape:
            raise ShapeError(f"{name}: takes (frames,) or (frames, *shape), got one number; use Signal.constant")
        spec = Spec(shape[1:], True, whole_number(f"{name}: hop", hop, 1, _LONGEST_HOP))
        return promoted(Data(spec, samples, requires_grad=requires_grad))

    @staticmethod
    def from_tensor(t: Fixed, hop: int = 1) -> AnySignal:
        """The rows of a Tensor `(T, *shape)` as frames, or at a hop as ticks: the way back from `collect`. It has a gradient.

        As samples do, they set the default length of a run. What looks ahead beyond their end sees zeros, or the last tick.
        Raises:
            ShapeError: `t` is one number. ArgumentError: it has frames already. When run, InputError: there are more frames.

        >>> Signal.from_tensor(Tensor([1.0, 2.0]) * 3, hop=2).upsample("hold").realize()
        array([3., 3., 6., 6.], dtype=float32)
        """
        return promoted(frames_of("Signal.from_tensor", t, whole_number("Signal.from_tensor: hop", hop, 1, _LONGEST_HOP)))


@final
class SignalTensor(Lazy):
    """A tensor per audio frame. It comes of mixing: `Tensor * Signal`, `Signal.phasor(Tensor)`, `stack([signal, ...])`.

    >>> Signal.phasor(Tensor([440, 880, 1320])).realize(frames=64).shape
    (64, 3)
    """

    __slots__ = ()
    wrap: Any = staticmethod(promoted)

    def __init__(self, *args: Any, **kwargs: Any):
        raise ArgumentError("SignalTensor: mix a Tensor with a Signal, or use Signal.from_samples for (frames, *shape)")


Plan = Literal["auto", "scan", "blocks", "linear", "newton"]


@overload
def feedback(fn: Callable[[AnySignal], Operand], init: Fixed = 0.0, *, plan: Plan = "auto") -> AnySignal: ...
@overload
def feedback(
    fn: Callable[[tuple[AnySignal, ...]], Sequence[Operand]], init: tuple[Fixed, ...], *, plan: Plan = "auto"
) -> tuple[AnySignal, ...]: ...
@overload
def feedback(
    fn: Callable[[dict[str, AnySignal]], dict[str, Any]], init: dict[str, Fixed], *, plan: Plan = "auto"
) -> dict[str, AnySignal]: ...
@overload
def feedback(fn: Callable[[Any], Any], init: Any, *, plan: Plan = "auto") -> Any: ...
def feedback(fn: Callable[[Any], Any], init: Any = 0.0, *, plan: Plan = "auto") -> Any:
    """A loop through one frame of delay: `y = fn(prev)`, where `prev` is `y` one frame earlier.

    Args:
        fn: Body of the loop, a function of `prev` to a value like it. Any op may be used in it, filters and delays
            included; what does not depend on `prev` is computed outside of the loop. It is called once or a few times.
        init: What `prev` is at frame 0: a number, array or Tensor, or a tuple, list or dict of them; then `prev` and
            what `fn` returns have that structure. Its shape is the state's, widened where the body broadcasts.
        plan: How it is run; results are the same. "auto" chooses by the body, the backend and the length, see `x.plan()`;
            "scan" takes one frame after another, "blocks" as many at once as the loop's delays allow, "linear" and
            "newton" all frames in log(frames) steps.

    Returns:
        `y`: Signals and SignalTensors, in the structure of `init`.

    Raises:
        ArgumentError: the body returns another structure, or does not allow `plan`.
        ShapeError: the body's output does not keep its shape.

    >>> x = Signal.from_samples([1.0, 0.0, 0.0, 0.0])
    >>> dg.feedback(lambda prev: x + 0.5 * prev).realize()
    array([1.   , 0.5  , 0.25 , 0.125], dtype=float32)
    """
    return close(fn, init, promoted, plan)
