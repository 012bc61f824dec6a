# Made by `python tests/stubs.py`; what is changed here is lost.
# pyright: reportOverlappingOverload=false, reportGeneralTypeIssues=false, reportIncompatibleMethodOverride=false

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self, overload

from .config import Array, Nested, Scalar
from .graph import Value
from .lazy import Lazy
from .ops import Index, Spectrum
from .values import Signal, SignalTensor, Tensor

Fixed = Array | Tensor
Operand = Array | Lazy

class AnySignal(Signal, SignalTensor):
    """A Signal or a SignalTensor: which of the two follows from shapes. For type checkers only, no class of its own."""

class Methods(Value):
    __array_ufunc__: None

    def __hash__(self) -> int: ...
    @overload
    def __iter__(self: Tensor) -> Iterator[Tensor]: ...
    @overload
    def __iter__(self: Signal | SignalTensor) -> Iterator[AnySignal]: ...
    @overload
    def __add__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __add__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __add__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __add__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __add__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __add__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __sub__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __sub__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __sub__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __sub__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __sub__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __sub__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __mul__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __mul__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __mul__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __mul__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __mul__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __mul__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __truediv__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __truediv__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __truediv__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __truediv__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __truediv__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __truediv__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __floordiv__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __floordiv__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __floordiv__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __floordiv__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __floordiv__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __floordiv__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __mod__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __mod__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __mod__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __mod__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __mod__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __mod__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __matmul__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __matmul__(self, y: Operand | Nested) -> AnySignal: ...
    def __neg__(self) -> Self: ...
    def __abs__(self) -> Self: ...
    @overload
    def __gt__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __gt__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __gt__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __gt__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __gt__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __gt__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __ge__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __ge__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __ge__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __ge__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __ge__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __ge__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __lt__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __lt__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __lt__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __lt__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __lt__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __lt__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __le__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __le__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __le__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __le__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __le__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __le__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __pow__(self: Tensor, y: Fixed | Nested) -> Tensor: ...
    @overload
    def __pow__(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __pow__(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def __pow__(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def __pow__(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def __pow__(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def __getitem__(self: Tensor, index: Index) -> Tensor: ...
    @overload
    def __getitem__(self, index: Index) -> AnySignal: ...
    @overload
    def __eq__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __eq__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __eq__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __eq__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __eq__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __eq__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __ne__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __ne__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __ne__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __ne__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __ne__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __ne__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __radd__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __radd__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __radd__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __radd__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __radd__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __radd__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rsub__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rsub__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rsub__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __rsub__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __rsub__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __rsub__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rmul__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rmul__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rmul__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __rmul__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __rmul__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __rmul__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rtruediv__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rtruediv__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rtruediv__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __rtruediv__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __rtruediv__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __rtruediv__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rfloordiv__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rfloordiv__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rfloordiv__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __rfloordiv__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __rfloordiv__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __rfloordiv__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rmod__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rmod__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rmod__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __rmod__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __rmod__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __rmod__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rpow__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rpow__(self: AnySignal, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rpow__(self: Signal, other: AnySignal) -> AnySignal: ...
    @overload
    def __rpow__(self: Signal, other: Scalar | Signal) -> Signal: ...
    @overload
    def __rpow__(self: SignalTensor, other: Operand | Nested) -> SignalTensor: ...
    @overload
    def __rpow__(self, other: Operand | Nested) -> AnySignal: ...
    @overload
    def __rmatmul__(self: Tensor, other: Fixed | Nested) -> Tensor: ...
    @overload
    def __rmatmul__(self, other: Operand | Nested) -> AnySignal: ...
    def __pos__(self) -> Self: ...
    def __round__(self, digits: None = None) -> Self: ...
    def abs(self) -> Self:
        """Absolute value; the gradient at 0 is 0.

        >>> abs(Tensor([-2.0, 3.0])).realize()
        array([2., 3.], dtype=float32)
        """
    def sign(self) -> Self:
        """-1, 0 or 1; the gradient is 0.

        >>> Tensor([-2.0, 0.0, 3.0]).sign().realize()
        array([-1.,  0.,  1.], dtype=float32)
        """
    def floor(self) -> Self:
        """Largest whole number not above `x`; the gradient is 0.

        >>> Tensor([-0.5, 1.5]).floor().realize()
        array([-1.,  1.], dtype=float32)
        """
    def ceil(self) -> Self:
        """Smallest whole number not below `x`; the gradient is 0.

        >>> Tensor([-0.5, 1.5]).ceil().realize()
        array([-0.,  2.], dtype=float32)
        """
    def round(self) -> Self:
        """Nearest whole number, half to even; the gradient is 0.

        >>> Tensor([0.5, 1.5, 2.4]).round().realize()
        array([0., 2., 2.], dtype=float32)
        """
    @overload
    def mod(self: Tensor, y: Fixed | Nested) -> Tensor:
        """Remainder of the floored division: it has the sign of `y`. The gradient ignores the wrap. NaN where `y` is 0.

        >>> dg.mod(Tensor([-1.0, 4.0]), 3).realize()
        array([2., 1.], dtype=float32)
        """
    @overload
    def mod(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def mod(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def mod(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def mod(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def mod(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def clamp(self: Tensor, lo: Fixed | Nested = ..., hi: Fixed | Nested = ...) -> Tensor:
        """`x` kept inside [lo, hi]. The gradient goes to `x` inside, both ends included, and to the bound outside.

        NaN in any of the three gives NaN. Where `lo` is above `hi`, the result is `hi`.

        >>> dg.clamp(Tensor([-2.0, 0.5, 2.0]), -1, 1).realize()
        array([-1. ,  0.5,  1. ], dtype=float32)
        """
    @overload
    def clamp(self: AnySignal, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
    @overload
    def clamp(self: Signal, lo: Scalar | Signal = ..., hi: Scalar | Signal = ...) -> Signal: ...
    @overload
    def clamp(self: SignalTensor, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> SignalTensor: ...
    @overload
    def clamp(self, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
    @overload
    def clip(self: Tensor, lo: Fixed | Nested = ..., hi: Fixed | Nested = ...) -> Tensor:
        """`x` kept inside [lo, hi]. The gradient goes to `x` inside, both ends included, and to the bound outside.

        NaN in any of the three gives NaN. Where `lo` is above `hi`, the result is `hi`.

        >>> dg.clamp(Tensor([-2.0, 0.5, 2.0]), -1, 1).realize()
        array([-1. ,  0.5,  1. ], dtype=float32)
        """
    @overload
    def clip(self: AnySignal, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
    @overload
    def clip(self: Signal, lo: Scalar | Signal = ..., hi: Scalar | Signal = ...) -> Signal: ...
    @overload
    def clip(self: SignalTensor, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> SignalTensor: ...
    @overload
    def clip(self, lo: Operand | Nested = ..., hi: Operand | Nested = ...) -> AnySignal: ...
    @overload
    def floor_divide(self: Tensor, y: Fixed | Nested) -> Tensor:
        """Floored quotient, `x // y`: how often `y` fits into `x`; the gradient is 0.

        >>> (Tensor([-1.0, 4.0]) // 3).realize()
        array([-1.,  1.], dtype=float32)
        """
    @overload
    def floor_divide(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def floor_divide(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def floor_divide(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def floor_divide(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def floor_divide(self, y: Operand | Nested) -> AnySignal: ...
    def exp(self) -> Self:
        """e to the power `x`.

        >>> Tensor([0.0, 1.0]).exp().realize()
        array([1.       , 2.7182817], dtype=float32)
        """
    def log(self) -> Self:
        """Natural logarithm: -inf at 0, NaN below. The gradient at 0 is 8.5e37, which `where` can leave out.

        >>> Tensor([1.0, 0.0]).log().realize()
        array([  0., -inf], dtype=float32)
        """
    def log10(self) -> Self:
        """Logarithm to base 10: -inf at 0, NaN below. The gradient at 0 is 8.5e37, which `where` can leave out.

        >>> Tensor([1.0, 0.0]).log10().realize()
        array([  0., -inf], dtype=float32)
        """
    def sqrt(self) -> Self:
        """Square root: NaN below 0. The gradient at 0, infinite in mathematics, counts as 0.

        So a norm or a level has a gradient at silence, 0: `(x * x).sum().sqrt()`.

        >>> Tensor([0.0, 9.0]).sqrt().realize()
        array([0., 3.], dtype=float32)
        """
    @overload
    def pow(self: Tensor, y: Fixed | Nested) -> Tensor:
        """`x` to the power `y`. A negative `x` with a fractional `y` gives NaN.

        The whole number 2 is special: `x ** 2` becomes `x * x`, which is faster and exact. Any other exponent is data, so
        that changing it does not compile the program again.

        `x ** 0` is 1 and its gradient 0, also at 0. Gradients that are infinite or not real count as 0: to `x` at 0 where `y < 1`
        (of a root, of a pole), to `y` where `x <= 0`.

        >>> dg.pow(Tensor([1.0, 4.0]), 0.5).realize()
        array([1., 2.], dtype=float32)
        >>> (Tensor([-3.0, 4.0]) ** 2).realize()
        array([ 9., 16.], dtype=float32)
        """
    @overload
    def pow(self: AnySignal, y: Operand | Nested) -> AnySignal: ...
    @overload
    def pow(self: Signal, y: AnySignal) -> AnySignal: ...
    @overload
    def pow(self: Signal, y: Scalar | Signal) -> Signal: ...
    @overload
    def pow(self: SignalTensor, y: Operand | Nested) -> SignalTensor: ...
    @overload
    def pow(self, y: Operand | Nested) -> AnySignal: ...
    def sin(self) -> Self:
        """Sine; `x` in radians.

        >>> Tensor([0.0, np.pi / 2]).sin().realize()
        array([0., 1.], dtype=float32)
        """
    def cos(self) -> Self:
        """Cosine; `x` in radians.

        >>> Tensor([0.0]).cos().realize()
        array([1.], dtype=float32)
        """
    def tan(self) -> Self:
        """Tangent; `x` in radians. No float32 is a pole: the largest value next to one is about 2e7.

        >>> Tensor([0.0]).tan().realize()
        array([0.], dtype=float32)
        """
    def sinh(self) -> Self:
        """Hyperbolic sine.

        >>> Tensor([0.0]).sinh().realize()
        array([0.], dtype=float32)
        """
    def cosh(self) -> Self:
        """Hyperbolic cosine.

        >>> Tensor([0.0]).cosh().realize()
        array([1.], dtype=float32)
        """
    def tanh(self) -> Self:
        """Hyperbolic tangent, a soft clipper into (-1, 1).

        >>> Tensor([0.0, 100.0]).tanh().realize()
        array([0., 1.], dtype=float32)
        """
    @overload
    def atan2(self: Tensor, x: Fixed | Nested) -> Tensor:
        """Angle of the point `(x, y)`, in radians in [-pi, pi]. The gradient at the origin, which has no angle, is 0.

        >>> dg.atan2(Tensor([0.0]), Tensor([1.0])).realize()
        array([0.], dtype=float32)
        """
    @overload
    def atan2(self: AnySignal, x: Operand | Nested) -> AnySignal: ...
    @overload
    def atan2(self: Signal, x: AnySignal) -> AnySignal: ...
    @overload
    def atan2(self: Signal, x: Scalar | Signal) -> Signal: ...
    @overload
    def atan2(self: SignalTensor, x: Operand | Nested) -> SignalTensor: ...
    @overload
    def atan2(self, x: Operand | Nested) -> AnySignal: ...
    def relu(self) -> Self:
        """The larger of `x` and 0; the gradient at 0 is 0.

        >>> Tensor([-1.0, 2.0]).relu().realize()
        array([0., 2.], dtype=float32)
        """
    def sigmoid(self) -> Self:
        """Logistic function `1 / (1 + exp(-x))`, into (0, 1).

        >>> Tensor([0.0]).sigmoid().realize()
        array([0.5], dtype=float32)
        """
    def softplus(self) -> Self:
        """Smooth `relu`: `log(1 + exp(x))`, above 0.

        >>> Tensor([0.0, 100.0]).softplus().realize()
        array([  0.6931472, 100.       ], dtype=float32)
        """
    def softsign(self) -> Self:
        """`x / (1 + |x|)`, into (-1, 1), nearing its ends slowly.

        >>> Tensor([0.0, 1.0, -3.0]).softsign().realize()
        array([ 0.  ,  0.5 , -0.75], dtype=float32)
        """
    @overload
    def leaky_relu(self: Tensor, slope: Fixed = 0.01) -> Tensor:
        """`x` above 0 and `slope` times `x` below; the gradient at 0 is `slope`. `slope` may be learned.

        >>> Tensor([-1.0, 2.0]).leaky_relu(0.25).realize()
        array([-0.25,  2.  ], dtype=float32)
        """
    @overload
    def leaky_relu(self: AnySignal, slope: Operand = 0.01) -> AnySignal: ...
    @overload
    def leaky_relu(self: Signal, slope: AnySignal) -> AnySignal: ...
    @overload
    def leaky_relu(self: Signal, slope: Scalar | Signal = 0.01) -> Signal: ...
    @overload
    def leaky_relu(self: SignalTensor, slope: Operand = 0.01) -> SignalTensor: ...
    @overload
    def leaky_relu(self, slope: Operand = 0.01) -> AnySignal: ...
    def gelu(self) -> Self:
        """`x` times the share of a normal distribution below it, by the exact error function, as PyTorch's default.

        >>> Tensor([0.0, 1.0]).gelu().realize()
        array([0.        , 0.84134...], dtype=float32)
        """
    def isfinite(self) -> Self:
        """1 where `x` is neither infinite nor NaN, else 0; the gradient is 0.

        >>> Tensor([1.0, np.inf, np.nan]).isfinite().realize()
        array([1., 0., 0.], dtype=float32)
        """
    def midi_to_hz(self) -> Self:
        """Frequency in Hz of a MIDI note number, whole or not: 440 Hz at 69, twice as much every 12.

        Source: MIDI Tuning Standard.

        >>> dg.midi_to_hz(Tensor([69.0, 81.0])).realize()
        array([440., 880.], dtype=float32)
        """
    def hz_to_midi(self) -> Self:
        """MIDI note number of a frequency in Hz. 0, and without a gradient, at 0 Hz and below, as in magenta/ddsp.

        >>> dg.hz_to_midi(Tensor([440.0, 880.0, 0.0])).realize()
        array([69., 81.,  0.], dtype=float32)
        """
    def db_to_gain(self) -> Self:
        """Factor of an amplitude for a gain in decibels: 1 at 0 dB, 10 at 20 dB, 0 at -inf.

        >>> dg.db_to_gain(Tensor([0.0, 20.0, -20.0])).realize()
        array([ 1. , 10. ,  0.1], dtype=float32)
        """
    def gain_to_db(self) -> Self:
        """Decibels of a factor of amplitudes, `20 log10(gain)`: -inf at 0, NaN below. The gradient at 0 is 8.5e37.

        >>> dg.gain_to_db(Tensor([1.0, 10.0])).realize()
        array([ 0., 20.], dtype=float32)
        """
    @overload
    def exp_sigmoid(self: Tensor, exponent: Fixed = 10.0, max_value: Fixed = 2.0, threshold: Fixed = 1e-07) -> Tensor:
        """`max_value * sigmoid(x) ** ln(exponent) + threshold`: what a network gives, as amplitudes, which are above 0.

        Args:
            x: Any numbers, any shape.
            exponent: Above 1; how steep it falls towards -inf: by a factor of `exponent` where `x` falls by 1.
            max_value: The limit towards inf, less the threshold; above 0.
            threshold: The limit towards -inf.

        Source: Engel et al., DDSP: Differentiable Digital Signal Processing.

        >>> dg.exp_sigmoid(Tensor([0.0, 1.0, 100.0])).realize()
        array([0.4053992, 0.9722285, 2.0000002], dtype=float32)
        """
    @overload
    def exp_sigmoid(
        self: AnySignal, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
    ) -> AnySignal: ...
    @overload
    def exp_sigmoid(
        self: Signal, exponent: Scalar | Signal = 10.0, max_value: Scalar | Signal = 2.0, threshold: Scalar | Signal = 1e-07
    ) -> Signal: ...
    @overload
    def exp_sigmoid(
        self: SignalTensor, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
    ) -> SignalTensor: ...
    @overload
    def exp_sigmoid(self, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07) -> AnySignal: ...
    @overload
    def inverse_exp_sigmoid(self: Tensor, exponent: Fixed = 10.0, max_value: Fixed = 2.0, threshold: Fixed = 1e-07) -> Tensor:
        """What `exp_sigmoid` makes `y` of, to begin from known amplitudes.

        -inf at `threshold`, inf at `max_value + threshold`, and NaN outside of the two.

        >>> dg.inverse_exp_sigmoid(dg.exp_sigmoid(Tensor([-3.0, 1.0]))).realize()
        array([-3.,  1.], dtype=float32)
        """
    @overload
    def inverse_exp_sigmoid(
        self: AnySignal, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
    ) -> AnySignal: ...
    @overload
    def inverse_exp_sigmoid(
        self: Signal, exponent: Scalar | Signal = 10.0, max_value: Scalar | Signal = 2.0, threshold: Scalar | Signal = 1e-07
    ) -> Signal: ...
    @overload
    def inverse_exp_sigmoid(
        self: SignalTensor, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
    ) -> SignalTensor: ...
    @overload
    def inverse_exp_sigmoid(
        self, exponent: Operand = 10.0, max_value: Operand = 2.0, threshold: Operand = 1e-07
    ) -> AnySignal: ...
    @overload
    def min(self: Tensor, y: Fixed, axis: None = None) -> Tensor:
        """With `y`, the smaller of each pair of elements; without, the smallest over `axis` or over all.

        Where several are the smallest, they share the gradient in equal parts: halves, of a pair.

        >>> Tensor([1.0, 5.0]).min(3).realize()
        array([1., 3.], dtype=float32)
        >>> Tensor([[1, 2], [3, 0]]).min(axis=0).realize()
        array([1., 0.], dtype=float32)
        """
    @overload
    def min(self: AnySignal, y: Operand, axis: None = None) -> AnySignal: ...
    @overload
    def min(self: Signal, y: AnySignal, axis: None = None) -> AnySignal: ...
    @overload
    def min(self: Signal, y: Scalar | Signal, axis: None = None) -> Signal: ...
    @overload
    def min(self: SignalTensor, y: Operand, axis: None = None) -> SignalTensor: ...
    @overload
    def min(self, y: Operand, axis: None = None) -> AnySignal: ...
    @overload
    def min(self: Tensor, y: None = None, axis: int | Sequence[int] | None = None) -> Tensor: ...
    @overload
    def min(self: Signal | SignalTensor, y: None = None, axis: None = None) -> Signal: ...
    @overload
    def min(self: Signal | SignalTensor, y: None = None, *, axis: int | Sequence[int]) -> AnySignal: ...
    @overload
    def max(self: Tensor, y: Fixed, axis: None = None) -> Tensor:
        """With `y`, the larger of each pair of elements; without, the largest over `axis` or over all.

        Where several are the largest, they share the gradient in equal parts: halves, of a pair. `relu` and `clamp` do not.

        >>> Tensor([1.0, 5.0]).max(3).realize()
        array([3., 5.], dtype=float32)
        >>> Tensor([[1, 2], [3, 0]]).max().realize()
        array(3., dtype=float32)
        """
    @overload
    def max(self: AnySignal, y: Operand, axis: None = None) -> AnySignal: ...
    @overload
    def max(self: Signal, y: AnySignal, axis: None = None) -> AnySignal: ...
    @overload
    def max(self: Signal, y: Scalar | Signal, axis: None = None) -> Signal: ...
    @overload
    def max(self: SignalTensor, y: Operand, axis: None = None) -> SignalTensor: ...
    @overload
    def max(self, y: Operand, axis: None = None) -> AnySignal: ...
    @overload
    def max(self: Tensor, y: None = None, axis: int | Sequence[int] | None = None) -> Tensor: ...
    @overload
    def max(self: Signal | SignalTensor, y: None = None, axis: None = None) -> Signal: ...
    @overload
    def max(self: Signal | SignalTensor, y: None = None, *, axis: int | Sequence[int]) -> AnySignal: ...
    @overload
    def sum(self: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
        """Sum over all elements of a frame, or over `axis`.

        >>> Tensor([[1, 2], [3, 4]]).sum(axis=0).realize()
        array([4., 6.], dtype=float32)
        """
    @overload
    def sum(self: Signal | SignalTensor, axis: None = None) -> Signal: ...
    @overload
    def sum(self: Signal | SignalTensor, axis: int | Sequence[int]) -> AnySignal: ...
    @overload
    def mean(self: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
        """Mean over all elements of a frame, or over `axis`. NaN where there are none.

        >>> Tensor([[1, 2], [3, 4]]).mean(axis=1).realize()
        array([1.5, 3.5], dtype=float32)
        """
    @overload
    def mean(self: Signal | SignalTensor, axis: None = None) -> Signal: ...
    @overload
    def mean(self: Signal | SignalTensor, axis: int | Sequence[int]) -> AnySignal: ...
    def transpose(self, axes: Sequence[int] | None = None) -> Self:
        """Axes in another order; reversed without `axes`.

        >>> Tensor([[1, 2, 3], [4, 5, 6]]).transpose().shape
        (3, 2)
        >>> Tensor.zeros([2, 3, 4]).transpose(axes=[1, 0, 2]).shape
        (3, 2, 4)
        """
    @overload
    def flip(self: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
        """The elements of a frame in reverse order, along all axes or along `axis`.

        >>> Tensor([[1, 2], [3, 4]]).flip(axis=1).realize()
        array([[2., 1.],
               [4., 3.]], dtype=float32)
        """
    @overload
    def flip(self: Signal | SignalTensor, axis: None = None) -> Signal: ...
    @overload
    def flip(self: Signal | SignalTensor, axis: int | Sequence[int]) -> AnySignal: ...
    @overload
    def matmul(self: Tensor, y: Fixed | Nested) -> Tensor:
        """Matrix product, as NumPy's `@`: vectors, matrices and stacks of matrices.

        Args:
            x: Shape `(..., n, k)` or `(k,)`.
            y: Shape `(..., k, m)` or `(k,)`.

        Returns:
            Shape `(..., n, m)`, without the axis that a vector does not have.

        Raises:
            ShapeError: the inner dimensions differ, or one of them is a single number.

        >>> (Tensor([[1, 2], [3, 4]]) @ Tensor([1, 1])).realize()
        array([3., 7.], dtype=float32)
        """
    @overload
    def matmul(self, y: Operand | Nested) -> AnySignal: ...
    @overload
    def conv1d(self: Tensor, kernel: Fixed | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid") -> Tensor:
        """Cross-correlation along the last axis of one frame, as in PyTorch: the kernel is not flipped. Along time: `fir`.

        Args:
            x: Shape `(n,)`, or `(channels_in, n)`.
            kernel: Shape `(k,)`, or `(channels_out, channels_in, k)`.
            stride: Distance between outputs.
            padding: "valid" (none) or "same": zeros, (k - 1) // 2 of them before, so that with stride 1 the length stays.

        Returns:
            Shape `(m,)`, or `(channels_out, m)`.

        Raises:
            ShapeError: the ranks or channels do not go together, or the kernel is longer than the input.

        >>> Tensor([1, 2, 3, 4]).conv1d(Tensor([1, 1])).realize()
        array([3., 5., 7.], dtype=float32)
        """
    @overload
    def conv1d(
        self: AnySignal, kernel: Operand | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid"
    ) -> AnySignal: ...
    @overload
    def conv1d(self: Signal, kernel: AnySignal, stride: int, padding: Literal["valid", "same"]) -> AnySignal: ...
    @overload
    def conv1d(
        self: Signal, kernel: Scalar | Signal, stride: int = 1, padding: Literal["valid", "same"] = "valid"
    ) -> Signal: ...
    @overload
    def conv1d(
        self: SignalTensor, kernel: Operand | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid"
    ) -> SignalTensor: ...
    @overload
    def conv1d(self, kernel: Operand | Nested, stride: int = 1, padding: Literal["valid", "same"] = "valid") -> AnySignal: ...
    @overload
    def conv2d(
        self: Tensor, kernel: Fixed | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
    ) -> Tensor:
        """Cross-correlation along the last two axes, as in PyTorch: the kernel is not flipped.

        Args:
            x: Shape `(h, w)`, or `(channels_in, h, w)`.
            kernel: Shape `(kh, kw)`, or `(channels_out, channels_in, kh, kw)`.
            stride: Distance between outputs, one number or one for each axis.
            padding: "valid" (none) or "same": zeros, (k - 1) // 2 of them before, so that with stride 1 the size stays.

        Returns:
            Shape `(h', w')`, or `(channels_out, h', w')`.

        Raises:
            ShapeError: the ranks or channels do not go together, or the kernel is larger than the input.

        >>> Tensor.ones([3, 3]).conv2d(Tensor.ones([2, 2])).realize()
        array([[4., 4.],
               [4., 4.]], dtype=float32)
        """
    @overload
    def conv2d(
        self: AnySignal, kernel: Operand | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
    ) -> AnySignal: ...
    @overload
    def conv2d(
        self: Signal, kernel: AnySignal, stride: int | Sequence[int], padding: Literal["valid", "same"]
    ) -> AnySignal: ...
    @overload
    def conv2d(
        self: Signal, kernel: Scalar | Signal, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
    ) -> Signal: ...
    @overload
    def conv2d(
        self: SignalTensor,
        kernel: Operand | Nested,
        stride: int | Sequence[int] = 1,
        padding: Literal["valid", "same"] = "valid",
    ) -> SignalTensor: ...
    @overload
    def conv2d(
        self, kernel: Operand | Nested, stride: int | Sequence[int] = 1, padding: Literal["valid", "same"] = "valid"
    ) -> AnySignal: ...
    def cumsum(self, axis: int = -1) -> Self:
        """Running sum along an axis of a frame, the last by default. Over frames: `accum`.

        >>> Tensor([1, 2, 3]).cumsum().realize()
        array([1., 3., 6.], dtype=float32)
        """
    def softmax(self, axis: int = -1) -> Self:
        """`exp(x)` divided by its sum along `axis`.

        >>> Tensor([0.0, 0.0]).softmax().realize()
        array([0.5, 0.5], dtype=float32)
        """
    def log_softmax(self, axis: int = -1) -> Self:
        """Logarithm of `softmax`, without its rounding.

        >>> Tensor([0.0, 0.0]).log_softmax().realize()
        array([-0.6931472, -0.6931472], dtype=float32)
        """
    @overload
    def peek_row(self: Tensor, index: Fixed | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> Tensor:
        """Row `index` of a table, read between rows by linear interpolation.

        Args:
            x: The table; rows lie along its first axis, `(rows, *shape)`.
            index: Which row, from 0; any shape, it may vary per frame.
            mode: Outside the table, "clamp" gives the first or last row; "wrap" counts modulo the number of rows, and
                between the last row and the end leads back to the first.

        Returns:
            Shape `(*index.shape, *shape)`. At a whole index it is that row, whatever its neighbours are. The gradient goes to
            the table and to the index: there the slope to the next row, at the last of "clamp" from the row before; outside 0.

        Raises:
            ShapeError: the table is a single number or has no rows.

        >>> Tensor([[0, 10], [1, 20]]).peek_row(0.5).realize()
        array([ 0.5, 15. ], dtype=float32)
        """
    @overload
    def peek_row(self: AnySignal, index: Operand | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> AnySignal: ...
    @overload
    def peek_row(self: Signal, index: AnySignal, mode: Literal["clamp", "wrap"]) -> AnySignal: ...
    @overload
    def peek_row(self: Signal, index: Scalar | Signal, mode: Literal["clamp", "wrap"] = "clamp") -> Signal: ...
    @overload
    def peek_row(self: SignalTensor, index: Operand | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> SignalTensor: ...
    @overload
    def peek_row(self, index: Operand | Nested, mode: Literal["clamp", "wrap"] = "clamp") -> AnySignal: ...
    def detach(self) -> Self:
        """The same value, through which no gradient goes.

        >>> w = Tensor([3.0], requires_grad=True)
        >>> (w * w.detach()).sum().backward()
        9.0
        >>> w.grad.value
        array([3.], dtype=float32)
        """
    @overload
    def read(self: AnySignal, speed: Operand, start: Operand = 0.0, loop: bool = True) -> AnySignal:
        """A sampler: reads a recording from row `start` on, `speed` rows further in each frame, by linear interpolation.

        The position is kept as a whole row and a fraction of 64 bits, so that it is exact after hours; `peek_row` of a phasor keeps
        24 bits in all.

        Args:
            table: The recording, `(rows,)`, or `(rows, *lanes)` for several channels: a Tensor.
            speed: Rows per frame: 1 plays a recording of the same rate as it was, 0.5 an octave lower, -1 backwards. A number,
                Tensor, Signal or SignalTensor; numbers are taken as the float64 that they are. One at a hop is held until its
                next tick: a sampler runs at every frame, as a phasor does.
            start: The row of frame 0, fractions allowed: a number or a Tensor. It must not vary from frame to frame.
            loop: Whether the last row leads to the first. Else there is silence beyond the ends, towards which the row at an end
                fades within one row; a position that comes back is heard again.

        Returns:
            Shape `(*speed.shape, *lanes)`. The gradient goes to the table, to the speed and to the start.

        Raises:
            ShapeError: the table is a single number or has no rows. ArgumentError: the start varies.

        >>> Tensor([0, 1, 2, 3]).read(1.5).realize(4)
        array([0. , 1.5, 3. , 0.5], dtype=float32)
        >>> Tensor([1, 2, 3]).read(-1.0, start=1, loop=False).realize(4)
        array([2., 1., 0., 0.], dtype=float32)
        """
    @overload
    def read(self: Signal, speed: Scalar | Signal, start: Scalar | Signal = 0.0, loop: bool = True) -> Signal: ...
    @overload
    def read(self: SignalTensor, speed: Operand, start: Operand = 0.0, loop: bool = True) -> SignalTensor: ...
    @overload
    def read(self, speed: Operand, start: Operand = 0.0, loop: bool = True) -> AnySignal: ...
    @overload
    def reshape(self: Tensor, *shape: int | Sequence[int]) -> Tensor:
        """The same elements in another shape, given as one list or as several numbers. One length may be -1.

        >>> Tensor([1, 2, 3, 4]).reshape(2, -1).shape
        (2, 2)
        """
    @overload
    def reshape(self, *shape: int | Sequence[int]) -> AnySignal: ...
    @overload
    def biquad(
        self: AnySignal,
        cutoff: Operand,
        q: Operand = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
        gain_db: Operand = 0.0,
    ) -> AnySignal:
        """Second-order filter of the Audio EQ Cookbook, at `DGen.sample_rate`.

        For cutoffs up to 0.45 of the sample rate it is exact to 3e-5 of the largest output, for q up to 10, and its gradient to
        3e-4. From there to half the rate, float32 holds its poles ever less: 2e-4 at 0.49 of the rate (gradient 4e-3), 1e-2 at
        0.498 (gradient 10 %).

        While its parameters move it is the transposed direct form II, whose states are no signals of a circuit: sweeps are fine,
        but a cutoff that swings by octaves at an audio rate may pump them up without bound (1 kHz by 2 octaves up and down,
        1,000 times a second, q = 5). `svf` is the filter to modulate.

        Args:
            x: Any shape.
            cutoff: Corner, centre or midpoint frequency in Hz, kept inside (0, sample_rate / 2).
            q: Quality factor, kept above 0: 0.7071 is the flattest lowpass; the bandwidth of a peak is cutoff / q.
            mode: "lowpass", "highpass", "bandpass" (0 dB at its peak), "notch", "allpass", "peak", "lowshelf", "highshelf".
            gain_db: Gain of the last three, in dB.

        All but `mode` may be learned, and may vary per frame and per lane.

        Returns:
            The shape of `x`, `cutoff`, `q` and `gain_db` broadcast.

        Raises:
            ArgumentError: an unknown mode. ShapeError: shapes that do not broadcast.

        >>> Signal.constant(1.0).biquad(1000, q=0.5, mode="highpass").realize(2)
        array([0.87122476, 0.6391103 ], dtype=float32)

        Source: R. Bristow-Johnson, Audio EQ Cookbook.
        """
    @overload
    def biquad(
        self: Signal,
        cutoff: Scalar | Signal,
        q: Scalar | Signal = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
        gain_db: Scalar | Signal = 0.0,
    ) -> Signal: ...
    @overload
    def biquad(
        self: SignalTensor,
        cutoff: Operand,
        q: Operand = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
        gain_db: Operand = 0.0,
    ) -> SignalTensor: ...
    @overload
    def biquad(
        self,
        cutoff: Operand,
        q: Operand = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "allpass", "peak", "lowshelf", "highshelf"] = "lowpass",
        gain_db: Operand = 0.0,
    ) -> AnySignal: ...
    @overload
    def onepole(self: AnySignal, cutoff: Operand) -> AnySignal:
        """Smoothing filter `y[n] = y[n-1] + cutoff * (x[n] - y[n-1])`.

        It arrives however small `cutoff` is: what float32 would lose of a small step is kept for the next ones.

        Args:
            x: Any shape.
            cutoff: Coefficient (not Hz), kept inside [0, 1]: 1 passes everything, 0 nothing; beyond, its gradient is 0. May vary
                per frame and lane. At exactly 1 it gives `x`, at exactly 0 what it gave before, whatever the other is.

        >>> Signal.constant(1.0).onepole(0.5).realize(3)
        array([0.5  , 0.75 , 0.875], dtype=float32)
        """
    @overload
    def onepole(self: Signal, cutoff: AnySignal) -> AnySignal: ...
    @overload
    def onepole(self: Signal, cutoff: Scalar | Signal) -> Signal: ...
    @overload
    def onepole(self: SignalTensor, cutoff: Operand) -> SignalTensor: ...
    @overload
    def onepole(self, cutoff: Operand) -> AnySignal: ...
    def lfilter(self, b: Operand | Nested, a: Operand | Nested) -> AnySignal:
        """Filter of any order with `scipy.signal.lfilter`'s coefficients, along the frames.

        `a[0] y[n] = b[0] x[n] + b[1] x[n-1] + ... - a[1] y[n-1] - a[2] y[n-2] - ...`, in transposed direct form II. Its
        coefficients say little about its poles beyond order 2 or 3, less in float32, and nothing keeps it stable. So where
        `b` and `a` are numbers, the filter is tried out on 2,048 frames in direct form, in second-order sections and as a
        normalised lattice, and the form is taken whose float32 is close to the exact filter: to 5e-6 for most, to 1e-4
        where float64 itself is not better than 1e-8. Where none is closer than 1 % a warning says so. Lazy coefficients are
        taken as they are: use `sosfilt` for their high orders, and `biquad` or `svf` for what is learned. Where `a` is `a[0]`
        alone, or numbers of which the others are 0, it is `fir`, as fast with thousands of coefficients.

        Args:
            x: Any shape.
            b, a: Coefficients, `(taps,)` each, or `(taps, *lanes)` for different ones in each lane. May be learned, and may
                vary per frame.

        Returns:
            The shape of `x` and the lanes of `b` and `a` broadcast.

        Raises:
            ShapeError: `b` or `a` is not a list, or the lanes do not broadcast. ArgumentError: `a[0]` is 0.

        Warns:
            UserWarning: numbers of a filter that float32 does not hold.

        >>> Signal.from_samples([1, 0, 0]).lfilter([1, 1], [2, -1]).realize()
        array([0.5  , 0.75 , 0.375], dtype=float32)

        Source: J. O. Smith, Introduction to Digital Filters, "Transposed Direct-Forms"; A. H. Gray and J. D. Markel, A
        Normalized Digital Filter Structure, IEEE Transactions ASSP 23(3), 1975.
        """
    def sosfilt(self, sos: Operand | Nested) -> AnySignal:
        """Second-order sections in series, with `scipy.signal.sosfilt`'s coefficients, along the frames.

        Args:
            x: Any shape.
            sos: `(sections, 6)`, or `(sections, 6, *lanes)` for different ones in each lane: b0, b1, b2, a0, a1, a2 of each
                section. May be learned, and may vary per frame.

        Returns:
            The shape of `x` and the lanes of `sos` broadcast.

        Raises:
            ShapeError: another shape of `sos`, or lanes that do not broadcast. ArgumentError: an a0 is 0.

        >>> sos = [[1, 1, 0, 1, -0.5, 0], [1, 0, 0, 1, 0.5, 0]]  # scipy.signal.butter(6, 0.1, output="sos") gives one
        >>> Signal.from_samples([1, 0, 0]).sosfilt(sos).realize()
        array([1.  , 1.  , 0.25], dtype=float32)
        """
    def fir(self, taps: Operand | Nested) -> AnySignal:
        """Filter of finite length: `y[n] = taps[0] x[n] + taps[1] x[n-1] + ...`, the causal convolution with an impulse response.

        Of any length, and without latency: a whole run, and a block longer than the taps, by Fourier transforms; a stream adds what
        is to come of longer blocks, whose transforms are made once a block (48,000 taps in blocks of 64 frames). So does C, with
        blocks of its own.

        Args:
            x: Any shape. Zeros before its start. Where it is not finite, the frames that hear it are not either.
            taps: `(taps,)`, or `(taps, *lanes)` for different ones in each lane; at least one. May be learned. Taps that vary, one
                set at each tick of a hop or in every frame, are those of the frame that comes out: `y[n]` is the sum over `k` of
                `taps[n][k] x[n-k]`, not faded from set to set: `upsample()` them for that. They are held in every frame, so that a
                run takes as much memory as all of them. In a stream, later ones of more than 1,024 taps that are assigned anew are
                heard at the next multiple of 1,024 frames, those from 8,192 on of 8,192, from 65,536 on of 65,536.

        Returns:
            The shape of `x` and the lanes of `taps` broadcast. Within 1e-6 of the largest of `x` times the sum of all `|taps|`.

        Raises:
            ShapeError: `taps` is no list, or is empty, or lanes do not broadcast.

        >>> Signal.from_samples([1, 2, 0, 0]).fir([1.0, 0.5]).realize()
        array([1. , 2.5, 1. , 0. ], dtype=float32)

        Source: W. G. Gardner, Efficient convolution without input-output delay, JAES 43(3), 1995.
        """
    @overload
    def svf(
        self: AnySignal,
        cutoff: Operand,
        q: Operand = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
    ) -> AnySignal:
        """State-variable filter, second order: the one to sweep, since it stays calm however fast the cutoff moves.

        It is the analog circuit with trapezoidal integrators, its loop without delay solved in each frame. With parameters
        that do not move it equals `biquad` of the same mode ("peak" apart), and is exact in the same range of cutoffs.

        Args:
            x: Any shape.
            cutoff: Corner or centre frequency in Hz, kept inside (0, sample_rate / 2).
            q: Quality factor, kept above 0: 0.7071 is the flattest lowpass.
            mode: "lowpass", "highpass", "bandpass" (0 dB at its peak), "notch", "peak" (lowpass less highpass: a resonance
                of gain `2 q` between two plateaus of gain 1), "allpass".

        `cutoff` and `q` may be learned, and may vary per frame and per lane.

        Returns:
            The shape of `x`, `cutoff` and `q` broadcast.

        Raises:
            ArgumentError: an unknown mode. ShapeError: shapes that do not broadcast.

        >>> Signal.constant(1.0).svf(1000, q=0.5, mode="highpass").realize(2)
        array([0.87122476, 0.6391103 ], dtype=float32)

        Source: A. Simper, Linear Trapezoidal Integrated State Variable Filter With Low Noise Optimisation, Cytomic, 2013;
        V. Zavalishin, The Art of VA Filter Design, chapter 4.
        """
    @overload
    def svf(
        self: Signal,
        cutoff: Scalar | Signal,
        q: Scalar | Signal = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
    ) -> Signal: ...
    @overload
    def svf(
        self: SignalTensor,
        cutoff: Operand,
        q: Operand = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
    ) -> SignalTensor: ...
    @overload
    def svf(
        self,
        cutoff: Operand,
        q: Operand = 0.7071,
        mode: Literal["lowpass", "highpass", "bandpass", "notch", "peak", "allpass"] = "lowpass",
    ) -> AnySignal: ...
    @overload
    def ladder(self: AnySignal, cutoff: Operand, resonance: Operand = 0.0, drive: Operand = 1.0) -> AnySignal:
        """Moog's ladder: a lowpass of four poles that saturate, with feedback around them.

        Each pole is a step of Euler's rule, `y += g (tanh(input) - tanh(y))`, and what is fed back is the output of the
        frame before. `g` and the feedback are chosen so that this delay mistunes nothing: small signals resonate at
        `cutoff`, and begin to oscillate at `resonance` 1. Nothing is oversampled: hard drive aliases.

        Args:
            x: Any shape. The saturation is made for signals of size 1.
            cutoff: Frequency of the resonance in Hz, kept inside (0, sample_rate / 2).
            resonance: 0 for none, towards 1 for a peak; the filter sings by itself from 1 on. Kept inside [0, 1.1]: at a
                bound the gradient is the slope towards the inside, beyond it 0, as for all that is kept inside. Above 1
                silence is unstable, and so is a gradient through it. As in the circuit, resonance lowers what lies below
                the cutoff, to about `1 / (1 + 4 resonance)`.
            drive: How hard the poles saturate: `tanh(drive x) / drive` stands in place of tanh, so that small signals keep
                their level. Kept above 0; near 0 the filter is linear.

        All but `x` may be learned, and may vary per frame and per lane.

        Returns:
            The shape of `x`, `cutoff`, `resonance` and `drive` broadcast.

        Raises:
            ShapeError: shapes that do not broadcast.

        >>> Signal.constant(0.5).ladder(5000, resonance=0.8).realize(3)
        array([0.01298316, 0.04145002, 0.07763252], dtype=float32)

        Source: A. Huovilainen, Non-Linear Digital Implementation of the Moog Ladder Filter, DAFx 2004; T. Stilson and
        J. O. Smith, Analyzing the Moog VCF with Considerations for Digital Implementation, ICMC 1996.
        """
    @overload
    def ladder(
        self: Signal, cutoff: Scalar | Signal, resonance: Scalar | Signal = 0.0, drive: Scalar | Signal = 1.0
    ) -> Signal: ...
    @overload
    def ladder(self: SignalTensor, cutoff: Operand, resonance: Operand = 0.0, drive: Operand = 1.0) -> SignalTensor: ...
    @overload
    def ladder(self, cutoff: Operand, resonance: Operand = 0.0, drive: Operand = 1.0) -> AnySignal: ...
    @overload
    def compressor(
        self: AnySignal,
        threshold_db: Operand = -20.0,
        ratio: Operand = 4.0,
        attack_ms: Operand = 10.0,
        release_ms: Operand = 100.0,
        knee_db: Operand = 6.0,
        makeup_db: Operand = 0.0,
    ) -> AnySignal:
        """Turns down what is loud: a feed-forward compressor, its level taken and smoothed in dB.

        Args:
            x: Any shape; each lane is turned down by itself. 0 dB is an absolute value of 1.
            threshold_db: Level from which on it works.
            ratio: By how many dB the input rises for one more at the output, kept at 1 or above; `inf` limits.
            attack_ms, release_ms: Time constants in milliseconds of turning down and of letting go again: what is gone to
                1/e. 0 is at once, and flat: its gradient is 0.
            knee_db: Width of the bend around the threshold; 0 (kept at 0.001 or above) for a corner.
            makeup_db: Gain of all.

        All may be learned, and may vary per frame and per lane.

        Returns:
            The shape of all broadcast.

        Raises:
            ShapeError: shapes that do not broadcast.

        >>> x = Signal.from_samples([1.0, 1.0, 0.01])
        >>> x.compressor(threshold_db=-20, ratio=2, attack_ms=0, release_ms=0, knee_db=0).realize()
        array([0.31622776, 0.31622776, 0.01      ], dtype=float32)

        Source: D. Giannoulis, M. Massberg and J. D. Reiss, Digital Dynamic Range Compressor Design - A Tutorial and Analysis,
        JAES 60(6), 2012: equation 4 for the knee, 16 for the smooth branching detector, in the log domain.
        """
    @overload
    def compressor(
        self: Signal,
        threshold_db: Scalar | Signal = -20.0,
        ratio: Scalar | Signal = 4.0,
        attack_ms: Scalar | Signal = 10.0,
        release_ms: Scalar | Signal = 100.0,
        knee_db: Scalar | Signal = 6.0,
        makeup_db: Scalar | Signal = 0.0,
    ) -> Signal: ...
    @overload
    def compressor(
        self: SignalTensor,
        threshold_db: Operand = -20.0,
        ratio: Operand = 4.0,
        attack_ms: Operand = 10.0,
        release_ms: Operand = 100.0,
        knee_db: Operand = 6.0,
        makeup_db: Operand = 0.0,
    ) -> SignalTensor: ...
    @overload
    def compressor(
        self,
        threshold_db: Operand = -20.0,
        ratio: Operand = 4.0,
        attack_ms: Operand = 10.0,
        release_ms: Operand = 100.0,
        knee_db: Operand = 6.0,
        makeup_db: Operand = 0.0,
    ) -> AnySignal: ...
    @overload
    def adsr(self: AnySignal, attack_ms: Operand, decay_ms: Operand, sustain: Operand, release_ms: Operand) -> AnySignal:
        """Envelope of a note: attack, decay, sustain, release.

        While `gate > 0` it rises to 1 in a straight line, then falls to `sustain` along an exponential; afterwards it falls to
        0 along another. A gate that rises again starts a new attack from the level of now.

        Args:
            gate: On where it is above 0. Any shape.
            attack_ms: Time in milliseconds of a rise from 0 to 1; 0 is at once, and its gradient 0.
            decay_ms, release_ms: Times in milliseconds in which all but a thousandth (60 dB) of the way is gone.
            sustain: Level that is held, usually in [0, 1].

        All but the gate may be learned, and may vary per frame and per lane. The gradient is that of the levels, each stage as many
        frames long as it is: stages end with a frame, so what follows an attack comes a frame later as soon as its time is longer
        than so many frames, by a 64th of one, a jump that has no slope. At a time of whole frames the gradient to it is the slope
        to a shorter one; it is 0 in the frame at 1 that ends an attack, which is the same for all times around. A release in the
        midst of an attack starts from its level, and has the slope of that.

        Returns:
            The level, the shape of all broadcast.

        Raises:
            ShapeError: shapes that do not broadcast.

        >>> with DGen.override(sample_rate=1000.0):
        ...     Signal.from_samples([1, 1, 1, 1, 0, 0]).adsr(2, 3, 0.5, 3).realize()
        array([0.5  , 1.   , 0.55 , 0.505, 0.0505, 0.00505], dtype=float32)

        Source: N. Redmon, Envelope generators - ADSR, EarLevel Engineering, 2013, with a straight attack.
        """
    @overload
    def adsr(
        self: Signal,
        attack_ms: Scalar | Signal,
        decay_ms: Scalar | Signal,
        sustain: Scalar | Signal,
        release_ms: Scalar | Signal,
    ) -> Signal: ...
    @overload
    def adsr(
        self: SignalTensor, attack_ms: Operand, decay_ms: Operand, sustain: Operand, release_ms: Operand
    ) -> SignalTensor: ...
    @overload
    def adsr(self, attack_ms: Operand, decay_ms: Operand, sustain: Operand, release_ms: Operand) -> AnySignal: ...
    @overload
    def smooth(self: AnySignal, time_ms: Operand = 20.0) -> AnySignal:
        """Follows a parameter without clicks: a step becomes a glide along an exponential.

        It starts at the first value of `x`, not at 0. Where a parameter is changed between the blocks of a stream, it glides
        from the old value to the new one.

        Args:
            x: Any shape, a Tensor or a Signal that does not vary from frame to frame included.
            time_ms: Time in milliseconds in which all but a hundredth of a step is gone; 0 or less is at once,
                and flat: its gradient is 0.

        Both may be learned, and may vary per frame and per lane.

        Returns:
            A Signal or SignalTensor, the shape of both broadcast.

        Raises:
            ShapeError: shapes that do not broadcast.

        >>> gain = Signal.param(1.0)
        >>> glide = gain.smooth(time_ms=2)
        >>> with DGen.override(sample_rate=1000.0):
        ...     before = glide.realize(2, preserve_state=True)
        ...     gain.value = 0.0
        ...     np.concatenate([before, glide.realize(3, preserve_state=True)])
        array([1.   , 1.   , 0.1  , 0.01 , 0.001], dtype=float32)
        """
    @overload
    def smooth(self: Signal, time_ms: AnySignal) -> AnySignal: ...
    @overload
    def smooth(self: Signal, time_ms: Scalar | Signal = 20.0) -> Signal: ...
    @overload
    def smooth(self: SignalTensor, time_ms: Operand = 20.0) -> SignalTensor: ...
    @overload
    def smooth(self, time_ms: Operand = 20.0) -> AnySignal: ...
    @overload
    def comb(
        self: AnySignal,
        frames: Operand,
        feedback: Operand = 0.5,
        damping: Operand = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> AnySignal:
        """Comb filter: an echo that is fed back, `y[n] = x[n] + feedback * lowpass(y[n - frames])`.

        Args:
            x: Any shape.
            frames: Delay in frames, from 1, fractions allowed (linear interpolation). A shorter one counts as 1.
            feedback: Gain of the loop, kept inside [-1, 1].
            damping: Coefficient of the lowpass in the loop, `s[n] = (1 - damping) y[n - frames] + damping s[n-1]`: 0 for
                none, towards 1 for duller echoes; kept inside [0, 1].
            max_delay, min_delay: Bounds of `frames`, as for `delay`: a time that varies or is computed needs the first, and
                is far faster with the second.

        The gains and the time may be learned, and may vary per frame and per lane.

        Returns:
            The shape of `x`, `frames`, `feedback` and `damping` broadcast.

        Raises:
            ArgumentError: a time that varies or is computed comes without `max_delay`. ShapeError: shapes that do not
                broadcast.

        >>> Signal.from_samples([1, 0, 0, 0, 0]).comb(2, feedback=0.5).realize()
        array([1.  , 0.  , 0.5 , 0.  , 0.25], dtype=float32)

        Source: M. R. Schroeder, Natural Sounding Artificial Reverberation, JAES 10(3), 1962; the lowpass: J. A. Moorer,
        About This Reverberation Business, Computer Music Journal 3(2), 1979.
        """
    @overload
    def comb(
        self: Signal,
        frames: Scalar | Signal,
        feedback: Scalar | Signal = 0.5,
        damping: Scalar | Signal = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> Signal: ...
    @overload
    def comb(
        self: SignalTensor,
        frames: Operand,
        feedback: Operand = 0.5,
        damping: Operand = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> SignalTensor: ...
    @overload
    def comb(
        self,
        frames: Operand,
        feedback: Operand = 0.5,
        damping: Operand = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> AnySignal: ...
    @overload
    def allpass(
        self: AnySignal, frames: Operand, gain: Operand = 0.5, max_delay: float | None = None, min_delay: float = 1.0
    ) -> AnySignal:
        """Schroeder's allpass: echoes without colour, `y[n] = -gain x[n] + x[n - frames] + gain y[n - frames]`.

        Every frequency passes with gain 1 if `frames` is whole; linear interpolation between frames dulls a little.

        Args:
            x: Any shape.
            frames: Delay in frames, from 1, fractions allowed. A shorter one counts as 1.
            gain: Of what is fed back, kept inside [-1, 1].
            max_delay, min_delay: Bounds of `frames`, as for `delay`: a time that varies or is computed needs the first, and
                is far faster with the second.

        The gain and the time may be learned, and may vary per frame and per lane.

        Returns:
            The shape of `x`, `frames` and `gain` broadcast.

        Raises:
            ArgumentError: a time that varies or is computed comes without `max_delay`. ShapeError: shapes that do not
                broadcast.

        >>> Signal.from_samples([1, 0, 0, 0, 0]).allpass(2, gain=0.5).realize()
        array([-0.5  ,  0.   ,  0.75 ,  0.   ,  0.375], dtype=float32)

        Source: M. R. Schroeder, Natural Sounding Artificial Reverberation, JAES 10(3), 1962.
        """
    @overload
    def allpass(
        self: Signal,
        frames: Scalar | Signal,
        gain: Scalar | Signal = 0.5,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> Signal: ...
    @overload
    def allpass(
        self: SignalTensor, frames: Operand, gain: Operand = 0.5, max_delay: float | None = None, min_delay: float = 1.0
    ) -> SignalTensor: ...
    @overload
    def allpass(
        self, frames: Operand, gain: Operand = 0.5, max_delay: float | None = None, min_delay: float = 1.0
    ) -> AnySignal: ...
    @overload
    def fdn(
        self: AnySignal,
        frames: Operand | Nested,
        matrix: Operand | Nested,
        gain: Operand = 0.9,
        damping: Operand = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> AnySignal:
        """Feedback delay network: delay lines that feed each other through a matrix, the core of a reverberator.

        `y[n]` are the ends of the lines, one lane each; what enters them is `x[n] + matrix @ (gain * lowpass(y[n]))`.

        Args:
            x: What enters every line, or `(lines,)` for each its own; more axes before that are lanes.
            frames: Delay of each line in frames, `(lines,)`, from 1, fractions allowed.
            matrix: `(lines, lines)`. With an orthogonal one (Hadamard, Householder) sound is lost through `gain` alone.
            gain: Of what is fed back, `()` or `(lines,)`. For a decay by 60 dB in t seconds it is
                `10 ** (-3 * frames / (t * sample_rate))`.
            damping: Coefficient of the lowpass of each line, as in `comb`: 0 for none; kept inside [0, 1].
            max_delay, min_delay: Bounds of `frames`, as for `delay`: times that vary or are computed need the first, and
                are far faster with the second.

        All may be learned, and may vary per frame. Nothing keeps the network stable: it is where the matrix is orthogonal
        and the gain below 1.

        Returns:
            A SignalTensor `(lines,)`, the ends of the lines; sum them, or mix them to several channels by a `matmul`.

        Raises:
            ShapeError: `matrix` is not square, or does not fit `frames`. ArgumentError: times that vary or are computed
                come without `max_delay`.

        >>> impulse = Signal.from_samples([1, 0, 0, 0])
        >>> impulse.fdn([1, 2], [[0, 1], [1, 0]], gain=0.5).realize()
        array([[0. , 0. ],
               [1. , 0. ],
               [0. , 1. ],
               [0.5, 0.5]], dtype=float32)

        Source: J.-M. Jot and A. Chaigne, Digital Delay Networks for Designing Artificial Reverberators, AES 90, 1991.
        """
    @overload
    def fdn(
        self: Signal,
        frames: Scalar | Signal,
        matrix: Scalar | Signal,
        gain: Scalar | Signal = 0.9,
        damping: Scalar | Signal = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> Signal: ...
    @overload
    def fdn(
        self: SignalTensor,
        frames: Operand | Nested,
        matrix: Operand | Nested,
        gain: Operand = 0.9,
        damping: Operand = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> SignalTensor: ...
    @overload
    def fdn(
        self,
        frames: Operand | Nested,
        matrix: Operand | Nested,
        gain: Operand = 0.9,
        damping: Operand = 0.0,
        max_delay: float | None = None,
        min_delay: float = 1.0,
    ) -> AnySignal: ...
    @overload
    def karplus_strong(
        self: AnySignal,
        freq: Operand,
        decay: Operand = 1.0,
        brightness: Operand = 0.5,
        max_delay: int = 4096,
        min_delay: int = 2,
    ) -> AnySignal:
        """Plucked string: what excites it runs round a line one period long, and loses its high frequencies.

        `y[n] = excitation[n] + loss * ((1 - s) y[n - t] + s y[n - t - 1])`, t in fractions of a frame, by linear
        interpolation, such that the string sounds at `freq`.

        Args:
            excitation: Any shape: a burst of noise plucks it, any other sound makes it resonate.
            freq: In Hz. The period is kept inside `[min_delay, max_delay]` frames.
            decay: Time in seconds in which the lowest partials fall by 60 dB; higher ones fall sooner.
            brightness: From 0, s = 1/2, the string of Karplus and Strong, to 1, s = 0, where partials last alike; kept there.
            max_delay: Longest period in frames; 4096 is a lowest note of 10.8 Hz at 44.1 kHz.
            min_delay: Shortest period in frames. Strings whose frequency moves or is computed are far faster with one.

        `freq`, `decay` and `brightness` may be learned, and may vary per frame and per lane.

        Returns:
            The shape of `excitation` and the parameters broadcast.

        Raises:
            ArgumentError: not 2 <= `min_delay` <= `max_delay`, in whole frames. ShapeError: shapes that do not broadcast.

        >>> with DGen.override(sample_rate=8.0):
        ...     Signal.from_samples([1, 0, 0, 0, 0, 0]).karplus_strong(2.0, brightness=1.0, decay=1.5).realize()
        array([1. , 0. , 0. , 0. , 0.1, 0. ], dtype=float32)

        Source: K. Karplus and A. Strong, Digital Synthesis of Plucked-String and Drum Timbres, Computer Music Journal 7(2),
        1983; D. A. Jaffe and J. O. Smith, Extensions of the Karplus-Strong Plucked-String Algorithm, in the same issue.
        """
    @overload
    def karplus_strong(
        self: Signal,
        freq: Scalar | Signal,
        decay: Scalar | Signal = 1.0,
        brightness: Scalar | Signal = 0.5,
        max_delay: int = 4096,
        min_delay: int = 2,
    ) -> Signal: ...
    @overload
    def karplus_strong(
        self: SignalTensor,
        freq: Operand,
        decay: Operand = 1.0,
        brightness: Operand = 0.5,
        max_delay: int = 4096,
        min_delay: int = 2,
    ) -> SignalTensor: ...
    @overload
    def karplus_strong(
        self, freq: Operand, decay: Operand = 1.0, brightness: Operand = 0.5, max_delay: int = 4096, min_delay: int = 2
    ) -> AnySignal: ...
    @overload
    def convolve(self: AnySignal, ir: Operand | Nested) -> AnySignal:
        """The signal as it sounds through an impulse response, a recording of a room or of a loudspeaker.

        It is `fir` for what does not vary: as long as the signal, so that the tail behind its end is not there (ask for more
        frames), without latency, and not normalised. The response is taken at `DGen.sample_rate`.

        Args:
            x: Any shape.
            ir: `(frames,)`, or `(frames, *lanes)` for one in each lane: an array, as `audio.load` gives it, a list or a
                Tensor, which may be learned.

        Returns:
            The shape of `x` and the lanes of `ir` broadcast: a Signal through a stereo response has two lanes.

        Raises:
            ArgumentError: `ir` is a Signal. ShapeError: it is empty, or lanes do not broadcast.

        >>> Signal.from_samples([1.0, 0.0, 2.0]).convolve([[1.0, 0.5], [0.25, 0.0]]).realize()
        array([[1.  , 0.5 ],
               [0.25, 0.  ],
               [2.  , 1.  ]], dtype=float32)
        """
    @overload
    def convolve(self: Signal, ir: AnySignal) -> AnySignal: ...
    @overload
    def convolve(self: Signal, ir: Scalar | Signal) -> Signal: ...
    @overload
    def convolve(self: SignalTensor, ir: Operand | Nested) -> SignalTensor: ...
    @overload
    def convolve(self, ir: Operand | Nested) -> AnySignal: ...
    @overload
    def reverb(
        self: AnySignal,
        decay: Operand,
        mix: Operand = 0.3,
        predelay_ms: Operand = 0.0,
        seed: int | None = None,
        max_decay: float | None = None,
    ) -> AnySignal:
        """A room of decaying noise: `(1 - mix) x[n] + mix (x * ir)[n - predelay]`.

        `ir[n] = g noise[n] 10 ** (-3 n / (decay * sample_rate))`, with normal noise, another in each lane, and g such that noise
        comes out as loud as it goes in: the energy of `ir` is expected to be 1.

        Args:
            x: Any shape.
            decay: Time in which it falls by 60 dB, in seconds; kept above 1 ms. It may be learned and differ by lane, not vary. The
                response is as long as a number says, and then is lost in silence; of a Tensor or `Signal.param`, as its `max`, or
                twice its value of now: beyond, the tail is cut.
            mix: Part of the reverberation, kept inside [0, 1]. May be learned, and may vary.
            predelay_ms: Before the reverberation begins, in milliseconds, from 0; of what is learned, kept inside its `max`, or
                twice its value of now.
            seed: Of the noise. Without one it is numbered when it is made, as `Tensor.randn` is.
            max_decay: The longest decay, in seconds, where it is computed.

        Returns:
            The shape of `x`, `decay`, `mix` and `predelay_ms` broadcast. There is no latency.

        Raises:
            ArgumentError: a decay that varies, that is not above 0, or that is computed and comes without `max_decay`; a predelay
                that varies or is computed. ShapeError: shapes that do not broadcast.

        >>> x = Signal.from_samples(np.eye(1, 1000)[0])
        >>> bool(np.abs(x.reverb(0.5, mix=1.0, seed=1).realize()).max() < 0.1)
        True

        Source: J. A. Moorer, About This Reverberation Business, Computer Music Journal 3(2), 1979.
        """
    @overload
    def reverb(
        self: Signal,
        decay: Scalar | Signal,
        mix: Scalar | Signal = 0.3,
        predelay_ms: Scalar | Signal = 0.0,
        seed: int | None = None,
        max_decay: float | None = None,
    ) -> Signal: ...
    @overload
    def reverb(
        self: SignalTensor,
        decay: Operand,
        mix: Operand = 0.3,
        predelay_ms: Operand = 0.0,
        seed: int | None = None,
        max_decay: float | None = None,
    ) -> SignalTensor: ...
    @overload
    def reverb(
        self,
        decay: Operand,
        mix: Operand = 0.3,
        predelay_ms: Operand = 0.0,
        seed: int | None = None,
        max_decay: float | None = None,
    ) -> AnySignal: ...
    def waveshape(self, fn: Callable[[Any], Any], oversample: int = 1) -> Self:
        """The signal shaped by a function of its samples, `fn(x)`, at a multiple of the rate.

        A function that is no line makes harmonics, and those above half the rate fold back as tones that do not belong there. At 8
        times the rate and 44.1 kHz, what `(drive * u).tanh()` folds back of a full sine is below -60 dB up to 5 kHz for any drive
        to 10 (-95 dB); at all frequencies up to drive 3, up to 15 kHz at drive 5, and up to 8 kHz at drive 10. Beyond (-50 dB at
        20 kHz and drive 5) it is harmonics above 7.5 times the rate that come back, which no filter can tell apart.

        Both filters are symmetric: 0.01 dB flat up to 0.9 of half the rate, 80 dB down from half the rate on.

        Args:
            x: A Signal or SignalTensor.
            fn: From a value to a value of its shape, by ops without memory: `lambda u: (drive * u).tanh()`. With `oversample` it is
                given `(oversample, *shape)`, what lies between two frames first. What else it uses is the same for all of these.
            oversample: 1, 2, 4 or 8.

        Returns:
            The shape of `x`, aligned with it in a whole run. With `oversample` a stream is later by 100 frames: `latency` says so.

        Raises:
            ArgumentError: something in `fn` has a memory or looks ahead, which is named; another `oversample`. ShapeError: `fn`
                gives another shape.

        >>> x = Signal.from_samples([0.0, 0.5, 1.0])
        >>> x.waveshape(lambda u: u * u).realize()
        array([0.  , 0.25, 1.  ], dtype=float32)
        >>> Signal.phasor(440.0).waveshape(lambda u: (3 * u).tanh(), oversample=8).latency
        100
        """
    @overload
    def chorus(
        self: AnySignal, rate: Operand = 1.0, depth_ms: Operand = 3.0, delay_ms: Operand = 15.0, mix: Operand = 0.5
    ) -> AnySignal:
        """Chorus: a copy whose delay swings, and its pitch with it, beside the sound itself.

        `y[n] = (1 - mix) x[n] + mix x[n - t[n]]`, `t[n]` being `delay_ms + depth_ms sin(2 pi phase[n])`, never below 0, and
        `phase` the ramp of `Signal.phasor(rate)`; between frames, linear interpolation.

        Args:
            x: Any shape. At a hop the sweep has its values, and all times stay as long.
            rate: Of the sweep in Hz, from 0.
            depth_ms: By how much the delay swings to each side in milliseconds, in [0, 50].
            delay_ms: Its mean in milliseconds, in [0, 50].
            mix: Part of the copy, in [0, 1]: 0 is the sound itself, exactly.

        All may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range. A rate, delay
        or depth for each lane makes the voices of an ensemble.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: a number outside its range; a sample rate above 192 kHz. ShapeError: shapes that do not broadcast.

        >>> with DGen.override(sample_rate=1000.0):
        ...     Signal.from_samples([1, 0, 0, 0]).chorus(depth_ms=0, delay_ms=2.5).realize()
        array([0.5 , 0.  , 0.25, 0.25], dtype=float32)

        Source: J. Dattorro, Effect Design Part 2: Delay-Line Modulation and Chorus, JAES 45(10), 1997.
        """
    @overload
    def chorus(
        self: Signal,
        rate: Scalar | Signal = 1.0,
        depth_ms: Scalar | Signal = 3.0,
        delay_ms: Scalar | Signal = 15.0,
        mix: Scalar | Signal = 0.5,
    ) -> Signal: ...
    @overload
    def chorus(
        self: SignalTensor, rate: Operand = 1.0, depth_ms: Operand = 3.0, delay_ms: Operand = 15.0, mix: Operand = 0.5
    ) -> SignalTensor: ...
    @overload
    def chorus(
        self, rate: Operand = 1.0, depth_ms: Operand = 3.0, delay_ms: Operand = 15.0, mix: Operand = 0.5
    ) -> AnySignal: ...
    @overload
    def flanger(
        self: AnySignal,
        rate: Operand = 0.3,
        depth_ms: Operand = 2.0,
        delay_ms: Operand = 2.0,
        feedback: Operand = 0.5,
        mix: Operand = 0.5,
    ) -> AnySignal:
        """Flanger: a comb of notches that sweeps, from a short delay that swings and is fed back.

        `y[n] = (1 - mix) x[n] + mix w[n]`, `w[n] = v[n - t[n]]`, `v[n] = x[n] + feedback w[n]`, where `t[n]` is that of `chorus`,
        but never below one frame.

        Args:
            x: Any shape.
            rate: Of the sweep in Hz, from 0.
            depth_ms: By how much the delay swings to each side in milliseconds, in [0, 50].
            delay_ms: Its mean in milliseconds, in [0, 50].
            feedback: Gain of what is fed back, in [-1, 1]: at both ends it never dies away.
            mix: Part of the delayed sound, in [0, 1]: at 0.5 the notches are deepest, 0 is the sound itself.

        All may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: a number outside its range; a sample rate above 192 kHz. ShapeError: shapes that do not broadcast.

        >>> with DGen.override(sample_rate=1000.0):
        ...     Signal.from_samples([1, 0, 0, 0, 0]).flanger(depth_ms=0).realize()
        array([0.5  , 0.   , 0.5  , 0.   , 0.25 ], dtype=float32)

        Source: J. Dattorro, Effect Design Part 2: Delay-Line Modulation and Chorus, JAES 45(10), 1997.
        """
    @overload
    def flanger(
        self: Signal,
        rate: Scalar | Signal = 0.3,
        depth_ms: Scalar | Signal = 2.0,
        delay_ms: Scalar | Signal = 2.0,
        feedback: Scalar | Signal = 0.5,
        mix: Scalar | Signal = 0.5,
    ) -> Signal: ...
    @overload
    def flanger(
        self: SignalTensor,
        rate: Operand = 0.3,
        depth_ms: Operand = 2.0,
        delay_ms: Operand = 2.0,
        feedback: Operand = 0.5,
        mix: Operand = 0.5,
    ) -> SignalTensor: ...
    @overload
    def flanger(
        self, rate: Operand = 0.3, depth_ms: Operand = 2.0, delay_ms: Operand = 2.0, feedback: Operand = 0.5, mix: Operand = 0.5
    ) -> AnySignal: ...
    @overload
    def vibrato(self: AnySignal, rate: Operand = 5.0, depth_ms: Operand = 1.0) -> AnySignal:
        """Vibrato: the pitch swings, by a delay that does.

        `y[n] = x[n - t[n]]`, with `t[n] = depth_ms (1 + sin(2 pi phase[n]))`, `phase` the ramp of `Signal.phasor(rate)`. A
        frequency f becomes up to `2 pi rate depth_ms / 1000` times f higher and lower: 1 ms at 5 Hz is 3.1 %, half a semitone.

        Args:
            x: Any shape.
            rate: In Hz, from 0.
            depth_ms: By how much the delay swings to each side of itself in milliseconds, in [0, 50]; 0 is the sound itself.

        Both may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: a number outside its range; a sample rate above 192 kHz. ShapeError: shapes that do not broadcast.

        >>> with DGen.override(sample_rate=1000.0):
        ...     Signal.from_samples([1, 2, 3, 4]).vibrato(rate=250).realize()
        array([0., 0., 2., 4.], dtype=float32)

        Source: J. Dattorro, Effect Design Part 2: Delay-Line Modulation and Chorus, JAES 45(10), 1997.
        """
    @overload
    def vibrato(self: Signal, rate: Scalar | Signal = 5.0, depth_ms: Scalar | Signal = 1.0) -> Signal: ...
    @overload
    def vibrato(self: SignalTensor, rate: Operand = 5.0, depth_ms: Operand = 1.0) -> SignalTensor: ...
    @overload
    def vibrato(self, rate: Operand = 5.0, depth_ms: Operand = 1.0) -> AnySignal: ...
    @overload
    def phaser(
        self: AnySignal,
        rate: Operand = 0.5,
        low: Operand = 300.0,
        high: Operand = 3000.0,
        stages: int = 4,
        feedback: Operand = 0.5,
        mix: Operand = 0.5,
    ) -> AnySignal:
        """Phaser: notches that sweep, from a chain of first-order allpass filters.

        `y[n] = (1 - mix) x[n] + mix w[n]`, where `w` is what leaves the chain, and `x[n] + feedback w[n-1]` what enters it. All
        stages turn by -90 degrees at the same frequency, `low (high / low) ** (0.5 + 0.5 sin(2 pi phase[n]))`, with `phase` the
        ramp of `Signal.phasor(rate)`. Two stages make a notch.

        Args:
            x: Any shape.
            rate: Of the sweep in Hz, from 0.
            low, high: Where it turns, in Hz, from 1; kept below half the sample rate.
            stages: How many filters there are, 1 to 64; part of the program.
            feedback: Gain of what is fed back, in [-1, 1]: at both ends it never dies away.
            mix: Part of the filtered sound, in [0, 1]: at 0.5 the notches are deepest, 0 is the sound itself.

        All but `stages` may be learned, and may vary per frame and per lane: what moves or is learned is kept inside its range.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: a number outside its range, or `low` above `high`. ShapeError: shapes that do not broadcast.

        >>> with DGen.override(sample_rate=1000.0):
        ...     Signal.from_samples([1, 0, 0]).phaser(low=100, high=100, stages=1, feedback=0).realize()
        array([0.24523735, 0.37019196, 0.18862219], dtype=float32)

        Source: J. O. Smith, Physical Audio Signal Processing, "Phasing with First-Order Allpass Filters".
        """
    @overload
    def phaser(
        self: Signal,
        rate: Scalar | Signal = 0.5,
        low: Scalar | Signal = 300.0,
        high: Scalar | Signal = 3000.0,
        stages: int = 4,
        feedback: Scalar | Signal = 0.5,
        mix: Scalar | Signal = 0.5,
    ) -> Signal: ...
    @overload
    def phaser(
        self: SignalTensor,
        rate: Operand = 0.5,
        low: Operand = 300.0,
        high: Operand = 3000.0,
        stages: int = 4,
        feedback: Operand = 0.5,
        mix: Operand = 0.5,
    ) -> SignalTensor: ...
    @overload
    def phaser(
        self,
        rate: Operand = 0.5,
        low: Operand = 300.0,
        high: Operand = 3000.0,
        stages: int = 4,
        feedback: Operand = 0.5,
        mix: Operand = 0.5,
    ) -> AnySignal: ...
    @overload
    def equalizer(self: AnySignal, bands: Sequence[tuple[str, Any, Any, Any]]) -> AnySignal:
        """Equalizer: filters of the Audio EQ Cookbook, one after another, each what `biquad` is.

        Args:
            x: Any shape.
            bands: `(mode, freq, gain_db, q)` of each: a mode of `biquad`, a frequency in Hz, a gain in dB (of "peak", "lowshelf"
                and "highshelf"; others have none), a quality factor. With none, `x` stays as it is.

        All but the modes may be learned, and may vary per frame and per lane; what moves or is learned is kept inside (0,
        sample_rate / 2), and q above 0.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: an unknown mode, a band that is not of four values, a frequency or a q that is a number not above 0.
                ShapeError: shapes that do not broadcast.

        >>> x = Signal.from_samples([1, 0, 0])
        >>> x.equalizer([("lowshelf", 200, 3.0, 0.7), ("peak", 1000, -6.0, 2.0)]).realize()
        array([ 0.97962195, -0.0381734 , -0.03284552], dtype=float32)

        Source: R. Bristow-Johnson, Audio EQ Cookbook.
        """
    @overload
    def equalizer(self: Signal, bands: Sequence[tuple[str, Any, Any, Any]]) -> Signal: ...
    @overload
    def equalizer(self: SignalTensor, bands: Sequence[tuple[str, Any, Any, Any]]) -> SignalTensor: ...
    @overload
    def equalizer(self, bands: Sequence[tuple[str, Any, Any, Any]]) -> AnySignal: ...
    def crossover(self, freqs: Sequence[Operand]) -> tuple[AnySignal, ...]:
        """Crossover: bands whose sum is the sound again, all frequencies of it as loud as before (Linkwitz-Riley, 24 dB an octave).

        At each frequency the sound is parted by two Butterworth lowpasses in series, and two highpasses. Their sum is an allpass of
        second order; lower bands pass those of all higher frequencies, so that the sum of all bands is these allpasses in series.

        Args:
            x: Any shape.
            freqs: Where bands meet, in Hz, rising: numbers, or values, which may be learned and vary per frame and per lane. With
                none there is one band, the sound itself.

        Returns:
            The bands from the lowest to the highest, one more than `freqs`; each of the shape of all broadcast.

        Raises:
            ArgumentError: a frequency that is a number not above 0, or not above the one before. ShapeError: shapes that do not
                broadcast.

        >>> low, middle, high = Signal.noise().crossover([200, 2000])
        >>> louder = 2.0 * low + middle + high

        Source: S. H. Linkwitz, Active Crossover Networks for Noncoincident Drivers, JAES 24(1), 1976; D. Bohn, Linkwitz-Riley
        Crossovers: A Primer, Rane Note 160.
        """
    @overload
    def gate(
        self: AnySignal, threshold_db: Operand, ratio: Operand = 10.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
    ) -> AnySignal:
        """Noise gate: an `expander` so steep that it closes below the threshold.

        Args:
            x: Any shape; each lane is turned down by itself. 0 dB is an absolute value of 1.
            threshold_db: Level below which it closes.
            ratio: By how many dB the output falls for one less at the input, from 1.
            attack_ms: Time constant of opening in milliseconds, from 0.
            release_ms: Time constant of closing in milliseconds, from 0.

        All may be learned, and may vary per frame and per lane; what moves or is learned is kept inside its range. Nothing is
        turned down by more than 200 dB. It is open when it begins.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: a number outside its range. ShapeError: shapes that do not broadcast.

        >>> x = Signal.from_samples([1.0, 0.01])
        >>> x.gate(threshold_db=-38, attack_ms=0, release_ms=0).realize()
        array([1.        , 0.00125893], dtype=float32)

        Source: D. Giannoulis, M. Massberg and J. D. Reiss, Digital Dynamic Range Compressor Design - A Tutorial and Analysis,
        JAES 60(6), 2012, turned upside down.
        """
    @overload
    def gate(
        self: Signal,
        threshold_db: Scalar | Signal,
        ratio: Scalar | Signal = 10.0,
        attack_ms: Scalar | Signal = 1.0,
        release_ms: Scalar | Signal = 100.0,
    ) -> Signal: ...
    @overload
    def gate(
        self: SignalTensor, threshold_db: Operand, ratio: Operand = 10.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
    ) -> SignalTensor: ...
    @overload
    def gate(
        self, threshold_db: Operand, ratio: Operand = 10.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
    ) -> AnySignal: ...
    @overload
    def expander(
        self: AnySignal, threshold_db: Operand, ratio: Operand = 2.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
    ) -> AnySignal:
        """Downward expander: what is softer than a threshold is made softer still.

        Below the threshold a level of L dB becomes `threshold_db + ratio (L - threshold_db)`. The gain follows in dB, by the smooth
        branching detector of `compressor`.

        Args:
            x: Any shape; each lane is turned down by itself. 0 dB is an absolute value of 1.
            threshold_db: Level below which it works.
            ratio: By how many dB the output falls for one less at the input, from 1: nothing is changed.
            attack_ms: Time constant in milliseconds of letting go where it gets louder, from 0; 0 is at once.
            release_ms: Time constant in milliseconds of turning down where it gets softer, from 0.

        All may be learned, and may vary per frame and per lane; what moves or is learned is kept inside its range. Nothing is
        turned down by more than 200 dB, and nothing when it begins.

        Returns:
            The shape of all broadcast.

        Raises:
            ArgumentError: a number outside its range. ShapeError: shapes that do not broadcast.

        >>> x = Signal.from_samples([1.0, 0.01])
        >>> x.expander(threshold_db=-20, attack_ms=0, release_ms=0).realize()
        array([1.   , 0.001], dtype=float32)

        Source: D. Giannoulis, M. Massberg and J. D. Reiss, Digital Dynamic Range Compressor Design - A Tutorial and Analysis,
        JAES 60(6), 2012, turned upside down.
        """
    @overload
    def expander(
        self: Signal,
        threshold_db: Scalar | Signal,
        ratio: Scalar | Signal = 2.0,
        attack_ms: Scalar | Signal = 1.0,
        release_ms: Scalar | Signal = 100.0,
    ) -> Signal: ...
    @overload
    def expander(
        self: SignalTensor, threshold_db: Operand, ratio: Operand = 2.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
    ) -> SignalTensor: ...
    @overload
    def expander(
        self, threshold_db: Operand, ratio: Operand = 2.0, attack_ms: Operand = 1.0, release_ms: Operand = 100.0
    ) -> AnySignal: ...
    @overload
    def limiter(
        self: AnySignal, threshold_db: Operand = -1.0, release_ms: Operand = 50.0, lookahead_ms: float = 5.0
    ) -> AnySignal:
        """Limiter that looks ahead: no sample leaves it above the threshold, and the gain is down before a peak comes.

        The gain that a peak needs is held for the look-ahead before it, let go by an exponential after it, and smoothed by a mean
        over the look-ahead, all in dB.

        Args:
            x: A Signal or SignalTensor at hop 1; each lane is turned down by itself. 0 dB is an absolute value of 1.
            threshold_db: The ceiling.
            release_ms: Time constant in milliseconds of letting go, from 0.
            lookahead_ms: In milliseconds, in [0, 1000]; part of the program. It is rounded to whole frames of `DGen.sample_rate`
                as that is now; 0 turns down each peak by itself.

        The first two may be learned, and may vary per frame and per lane; a release that moves or is learned is kept from 0 on. A
        ceiling that moves is met at each frame by that of this frame.

        Returns:
            The shape of all broadcast, in time with `x`; a stream of it is later by the look-ahead, `latency` frames. Below the
            threshold the sound is what it was, exactly.

        Raises:
            ArgumentError: a number outside its range; a value that is not at hop 1, or in a loop. ShapeError: shapes that do not
                broadcast.

        >>> with DGen.override(sample_rate=1000.0):
        ...     y = Signal.from_samples([0.5, 0.5, 0.5, 2.0, 0.5]).limiter(threshold_db=0, release_ms=0, lookahead_ms=2)
        ...     y.realize(), y.latency
        (array([0.5       , 0.39685026, 0.31498027, 0.99999976, 0.31498027], dtype=float32), 2)

        Source: P. Haemaelaeinen, Smoothing of the Control Signal Without Clipped Output in Digital Peak Limiters, DAFx 2002.
        """
    @overload
    def limiter(
        self: Signal, threshold_db: Scalar | Signal = -1.0, release_ms: Scalar | Signal = 50.0, lookahead_ms: float = 5.0
    ) -> Signal: ...
    @overload
    def limiter(
        self: SignalTensor, threshold_db: Operand = -1.0, release_ms: Operand = 50.0, lookahead_ms: float = 5.0
    ) -> SignalTensor: ...
    @overload
    def limiter(self, threshold_db: Operand = -1.0, release_ms: Operand = 50.0, lookahead_ms: float = 5.0) -> AnySignal: ...
    @overload
    def pan(self: Tensor, position: Fixed = 0.0) -> Tensor:
        """A place between two loudspeakers, by equal power: the squares of both gains add up to 1.

        `sin((1 - position) pi / 4)` is the gain of the first lane, `sin((1 + position) pi / 4)` that of the second: in the middle
        both are 3 dB down.

        Args:
            x: One lane, `()` or `(..., 1)`, is laid on two. Of two, `(..., 2)`, each stays where it is, with the gain of its side.
            position: From -1, all in the first lane and the second silent, exactly, to 1, all in the second and the first silent.
                May be learned, and may vary per frame; a place for each voice, `(voices,)`, goes with voices of `(voices, 1)`.

        Returns:
            A SignalTensor `(..., 2)`.

        Raises:
            ArgumentError: a number outside [-1, 1]; what moves or is learned is kept inside. ShapeError: more than two lanes on the
                last axis, or shapes that do not broadcast.

        >>> Signal.from_samples([1.0, 2.0]).pan(1.0).realize()
        array([[0., 1.],
               [0., 2.]], dtype=float32)
        """
    @overload
    def pan(self, position: Operand = 0.0) -> AnySignal: ...
    @overload
    def latch(self: AnySignal, trigger: Operand) -> AnySignal:
        """Sample and hold: takes `x` in each frame where `trigger > 0` and holds it; 0 before the first.

        The gradient of the whole hold goes to the frame that was taken; none goes to `trigger`.

        >>> Signal.from_samples([1, 2, 3, 4]).latch(Signal.from_samples([0, 1, 0, 1])).realize()
        array([0., 2., 2., 4.], dtype=float32)
        """
    @overload
    def latch(self: Signal, trigger: AnySignal) -> AnySignal: ...
    @overload
    def latch(self: Signal, trigger: Scalar | Signal) -> Signal: ...
    @overload
    def latch(self: SignalTensor, trigger: Operand) -> SignalTensor: ...
    @overload
    def latch(self, trigger: Operand) -> AnySignal: ...
    @overload
    def accum(
        self: AnySignal, reset: Operand | None = None, min: Operand | None = None, max: Operand | None = None
    ) -> AnySignal:
        """Running sum over frames, this one included.

        What rounding leaves is kept: the sum is the exact one, rounded to float32, also after hours. A value that is not finite
        makes it NaN, to the next reset.

        Args:
            x: Any shape.
            reset: The sum starts again at `x` in each frame where `reset > 0`.
            min, max: Both or none: the sum wraps into [min, max).

        Raises:
            ArgumentError: only one bound is given (a sum cannot wrap into a half-line; use `clamp` for a limit), or
                both are numbers and `min` is not below `max`.

        >>> Signal.constant(1).accum().realize(3)
        array([1., 2., 3.], dtype=float32)
        >>> Signal.constant(1).accum(min=0, max=2).realize(4)
        array([1., 0., 1., 0.], dtype=float32)
        """
    @overload
    def accum(
        self: Signal,
        reset: Scalar | Signal | None = None,
        min: Scalar | Signal | None = None,
        max: Scalar | Signal | None = None,
    ) -> Signal: ...
    @overload
    def accum(
        self: SignalTensor, reset: Operand | None = None, min: Operand | None = None, max: Operand | None = None
    ) -> SignalTensor: ...
    @overload
    def accum(self, reset: Operand | None = None, min: Operand | None = None, max: Operand | None = None) -> AnySignal: ...
    @overload
    def delta(self: AnySignal) -> AnySignal:
        """Difference from the frame before; the value itself at frame 0.

        >>> Signal.from_samples([1, 3, 2]).delta().realize()
        array([ 1.,  2., -1.], dtype=float32)
        """
    @overload
    def delta(self: Signal) -> Signal: ...
    @overload
    def delta(self: SignalTensor) -> SignalTensor: ...
    @overload
    def delta(self) -> AnySignal: ...
    @overload
    def change(self: AnySignal) -> AnySignal:
        """Sign of `delta`: -1, 0 or 1; the gradient is 0.

        >>> Signal.from_samples([1, 3, 2, 2]).change().realize()
        array([ 1.,  1., -1.,  0.], dtype=float32)
        """
    @overload
    def change(self: Signal) -> Signal: ...
    @overload
    def change(self: SignalTensor) -> SignalTensor: ...
    @overload
    def change(self) -> AnySignal: ...
    @overload
    def history(self: AnySignal, init: Operand = 0.0) -> AnySignal:
        """The value of the frame before; `init` at frame 0.

        Args:
            x: Any shape.
            init: Number or Tensor; it must not vary from frame to frame. It may be learned.

        >>> Signal.from_samples([1, 2, 3]).history().realize()
        array([0., 1., 2.], dtype=float32)
        """
    @overload
    def history(self: Signal, init: AnySignal) -> AnySignal: ...
    @overload
    def history(self: Signal, init: Scalar | Signal = 0.0) -> Signal: ...
    @overload
    def history(self: SignalTensor, init: Operand = 0.0) -> SignalTensor: ...
    @overload
    def history(self, init: Operand = 0.0) -> AnySignal: ...
    @overload
    def delay(self: AnySignal, frames: Operand, max_delay: float | None = None, min_delay: float = 0.0) -> AnySignal:
        """The signal some frames later, with zeros before its start; between frames, linear interpolation.

        Args:
            x: Any shape.
            frames: The delay time in frames, from 0, fractions allowed. A time that moves or is learned counts as 0 below 0.
                Numbers are taken as the float64 that they are: 100000.1 keeps its fraction, a Tensor rounds it to 100000.1015625.
            max_delay: Longest time in frames; longer ones are clamped to it. A constant time needs none: a number is its
                own bound, and a Tensor, `Signal.constant` or `Signal.param` may grow to its `max`, or without one to twice its
                value of now (at least to 64). Beyond, it is clamped, which the log warns of where `value` is assigned.
            min_delay: Shortest time in frames; shorter ones are clamped to it. A feedback loop through a time that moves
                is far faster with one.

        Returns:
            The shape of `x` and `frames` broadcast. At a whole time it is that frame, whatever its neighbours are. The gradient
            goes to the signal and to the time: there the slope to a longer time, at the longest from a shorter; outside 0.

        Raises:
            ArgumentError: a constant time is negative or not finite; one that varies or is computed comes without
                `max_delay`; a bound is negative, or `min_delay` above `max_delay`.

        >>> Signal.from_samples([1, 2, 3]).delay(1).realize()
        array([0., 1., 2.], dtype=float32)
        >>> Signal.from_samples([1, 2, 3]).delay(0.5).realize()
        array([0.5, 1.5, 2.5], dtype=float32)
        """
    @overload
    def delay(self: Signal, frames: AnySignal, max_delay: float | None, min_delay: float) -> AnySignal: ...
    @overload
    def delay(self: Signal, frames: Scalar | Signal, max_delay: float | None = None, min_delay: float = 0.0) -> Signal: ...
    @overload
    def delay(self: SignalTensor, frames: Operand, max_delay: float | None = None, min_delay: float = 0.0) -> SignalTensor: ...
    @overload
    def delay(self, frames: Operand, max_delay: float | None = None, min_delay: float = 0.0) -> AnySignal: ...
    def collect(self, frames: int | None = None) -> Tensor:
        """A whole run as a Tensor, the frames its first axis, so that any mathematics of the whole run may follow.

        The way back is `Signal.from_tensor`. It sees the whole run, and so does not stream.

        Args:
            x: A Signal or SignalTensor. At a hop its ticks are collected, a row for each.
            frames: How many frames of the run; a shorter run is an error. By default all. `shape` then tells those that a run of
                `x` has now, by its samples or `DGen.default_frame_count`; a run that has another number is collected as well, but
                what was read from `shape` stays, and an op that depends on the length (an FFT, a list of rows) is an error.

        Returns:
            A Tensor `(frames, *shape)`, or at a hop `(ceil(frames / hop), *shape)`.

        Raises:
            ArgumentError: a Tensor, which has no frames; or when run, a stream, or fewer frames than are collected.

        >>> x = Signal.from_samples([1.0, 2.0, 3.0], requires_grad=True)
        >>> loss = (x.collect() ** 2).mean()
        >>> round(loss.backward(), 4)
        4.6667
        >>> Signal.from_tensor(x.collect().flip()).realize()
        array([3., 2., 1.], dtype=float32)
        """
    @overload
    def linear(self: Tensor, weight: Fixed | Nested, bias: Fixed | None = None) -> Tensor:
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
    @overload
    def linear(self: AnySignal, weight: Operand | Nested, bias: Operand | None = None) -> AnySignal: ...
    @overload
    def linear(self: Signal, weight: Scalar | Signal, bias: Scalar | Signal | None = None) -> Signal: ...
    @overload
    def linear(self: SignalTensor, weight: Operand | Nested, bias: Operand | None = None) -> SignalTensor: ...
    @overload
    def linear(self, weight: Operand | Nested, bias: Operand | None = None) -> AnySignal: ...
    @overload
    def gru(
        self: AnySignal,
        weight_input: Operand | Nested,
        weight_state: Operand | Nested,
        bias: Operand | Nested,
        init: Operand | Nested = 0.0,
    ) -> AnySignal:
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
    @overload
    def gru(
        self: Signal,
        weight_input: Scalar | Signal,
        weight_state: Scalar | Signal,
        bias: Scalar | Signal,
        init: Scalar | Signal = 0.0,
    ) -> Signal: ...
    @overload
    def gru(
        self: SignalTensor,
        weight_input: Operand | Nested,
        weight_state: Operand | Nested,
        bias: Operand | Nested,
        init: Operand | Nested = 0.0,
    ) -> SignalTensor: ...
    @overload
    def gru(
        self,
        weight_input: Operand | Nested,
        weight_state: Operand | Nested,
        bias: Operand | Nested,
        init: Operand | Nested = 0.0,
    ) -> AnySignal: ...
    def filtered_noise(
        self, noise: Operand | None = None, size: int | None = None, convention: Literal["exact", "ddsp"] = "exact"
    ) -> AnySignal:
        """Noise whose spectrum is given: each stretch of it, from tick to tick, through the filter that has these magnitudes.

        The filter of a tick is the inverse FFT of its magnitudes, of zero phase, under a Hann window. What comes in from a tick to
        the next is convolved with it in full, and all is added up. Nothing is late: what comes in at a frame sounds around it.

        Args:
            magnitudes: `(*lanes, bands)`, at a hop: the gain at `bands` frequencies in equal steps from 0 to half the sample rate,
                at least 2. Where they do not vary, the filter stays.
            noise: What is filtered, a Signal or SignalTensor at hop 1; by default white noise as that of `Signal.noise()`, another
                in each lane.
            size: Of the window in frames; shorter ones smooth the spectrum. By default, and at most, `2 * (bands - 1)`.
            convention: "exact": centred and without delay. "ddsp": that of magenta/ddsp, for models trained with it: with the
                default size the sound is 2 frames late, and a smaller odd window is a frame off its centre. Its synthesiser has
                size=257.

        Returns:
            `lanes` of magnitudes and noise, broadcast, at hop 1. In a stream it is later by hop - 1 frames, and half the window.

        Raises:
            ShapeError: fewer than 2 bands. ArgumentError: another convention, a size under 1, for "ddsp" under 3; noise at a hop.

        >>> flat = Signal.from_samples(np.ones((2, 5)), hop=4)
        >>> flat.filtered_noise(Signal.from_samples(np.arange(8.0))).realize().round(5)
        array([0., 1., 2., 3., 4., 5., 6., 7.], dtype=float32)

        Source: J. Engel et al., DDSP: Differentiable Digital Signal Processing, ICLR 2020, "Filtered Noise".
        """
    def upsample(self, method: Literal["hold", "linear", "window", "cubic", "cubic-ddsp"] = "linear") -> Self:
        """A value in every frame, from one every `x.hop` frames. At its ticks it is `x`.

        Before the second tick and behind the last one, what lies beyond is taken to be as the nearest tick.

        Args:
            x: A Signal or SignalTensor at a hop. At hop 1, and where it does not vary, it is returned as it is.
            method: "hold" keeps each value until the next. "linear" draws lines. "window" fades from one to the next by the halves
                of a Hann window. "cubic" draws a smooth curve, which keeps straight lines (Keys, A = -0.5); "cubic-ddsp" is that
                of TensorFlow (A = -0.75), for models trained with it.

        Returns:
            The same shape, at hop 1. In a stream it is later by what it looks ahead: "hold" 0 frames, "linear" and "window"
            `hop - 1`, both cubics `2 * hop - 1`.

        Raises:
            ArgumentError: another method.

        Source: R. Keys, Cubic convolution interpolation for digital image processing; Engel et al., DDSP.

        >>> Signal.from_samples([0.0, 4.0, 2.0], hop=4).upsample().realize()
        array([0. , 1. , 2. , 3. , 4. , 3.5, 3. , 2.5, 2. , 2. , 2. , 2. ],
              dtype=float32)
        """
    def downsample(self, hop: int) -> Self:
        """The value at every `hop`-th frame: nothing is filtered, nothing is averaged.

        Args:
            x: A Signal or SignalTensor.
            hop: In frames, at least 1; a multiple of `x.hop`.

        Returns:
            The same shape, at `hop`. It looks nothing ahead.

        Raises:
            ArgumentError: a hop below 1, or no multiple of that of `x`.

        >>> Signal.from_samples([0.0, 1.0, 2.0, 3.0, 4.0]).downsample(2).realize()
        array([0., 2., 4.], dtype=float32)
        """
    def windows(self, size: int, hop: int, align: Literal["centre", "start", "end"] | int = "centre") -> AnySignal:
        """Stretches of a signal: `size` frames of it every `hop` frames, zeros where it has not begun.

        Args:
            x: A Signal or SignalTensor at hop 1.
            size: Frames of each window, at least 1.
            hop: Frames from one window to the next, at least 1.
            align: Where the tick of a window lies in it: "centre" from `k hop - size // 2` on, "start" from `k hop` on, "end" up to
                and including `k hop`; or how many of its frames come before the tick, under `size`.

        Returns:
            `(*shape, size)` at `hop`. In a stream it is later by the frames of a window that come after its tick.

        Raises:
            ArgumentError: another `align`, a tick outside its window, a size or hop under 1, a value that is at a hop already.

        >>> Signal.from_samples([1.0, 2.0, 3.0, 4.0]).windows(3, 2).realize()
        array([[0., 1., 2.],
               [2., 3., 4.]], dtype=float32)
        """
    @overload
    def overlap_add(self: Tensor, align: Literal["centre", "start", "end"] | int = "centre") -> Tensor:
        """The signal that windows make up, each added at its place.

        Args:
            w: A SignalTensor at a hop, whose last axis is the window: `(*shape, size)`.
            align: Where in a window its tick lies, as for `windows`.

        Returns:
            `shape`, at hop 1. In a stream it is later by the frames of a window that come before its tick.

        Raises:
            ArgumentError: another `align`, or a value that does not vary. ShapeError: a value without a last axis.

        >>> w = Signal.from_samples([1.0, 2.0, 3.0, 4.0]).windows(2, 2, align="start")
        >>> w.overlap_add(align="start").realize()
        array([1., 2., 3., 4.], dtype=float32)
        """
    @overload
    def overlap_add(self, align: Literal["centre", "start", "end"] | int = "centre") -> AnySignal: ...
    def rfft(self, size: int | None = None) -> tuple[Self, Self]:
        """Real and imaginary part of the spectrum of the last axis, as `numpy.fft.rfft` has them, not normalised.

        Args:
            x: `(*shape, n)`.
            size: Cut, or pad with zeros, to so many elements first; at least 1. By default n.

        Returns:
            Two values `(*shape, size // 2 + 1)`.

        Raises:
            ShapeError: no last axis. ArgumentError: a size under 1.

        >>> real, imag = Tensor([1.0, 0.0, 0.0, 0.0]).rfft()
        >>> real.realize(), imag.realize()
        (array([1., 1., 1.], dtype=float32), array([0., 0., 0.], dtype=float32))
        """
    @overload
    def irfft(self: Tensor, im: Fixed = 0.0, size: int | None = None) -> Tensor:
        """What has the spectrum `re + i im`, as `numpy.fft.irfft` gives it.

        Args:
            re, im: `(*shape, bins)`; they broadcast.
            size: Elements of the result, at least 1. By default `2 * (bins - 1)`; say it where it is odd.

        Returns:
            `(*shape, size)`.

        Raises:
            ShapeError: no last axis, or shapes that do not broadcast. ArgumentError: a size under 1.

        >>> dg.irfft(*Tensor([1.0, 2.0, 3.0]).rfft(), size=3).realize()
        array([1., 2., 3.], dtype=float32)
        """
    @overload
    def irfft(self: AnySignal, im: Operand = 0.0, size: int | None = None) -> AnySignal: ...
    @overload
    def irfft(self: Signal, im: AnySignal, size: int | None) -> AnySignal: ...
    @overload
    def irfft(self: Signal, im: Scalar | Signal = 0.0, size: int | None = None) -> Signal: ...
    @overload
    def irfft(self: SignalTensor, im: Operand = 0.0, size: int | None = None) -> SignalTensor: ...
    @overload
    def irfft(self, im: Operand = 0.0, size: int | None = None) -> AnySignal: ...
    def stft(
        self, size: int = 1024, hop: int | None = None, align: Literal["centre", "start", "end"] | int = "centre"
    ) -> Spectrum:
        """Short-time spectra under periodic Hann windows, not normalised.

        Args:
            x: A Signal or SignalTensor at hop 1.
            size: Of the windows in frames, at least 2; any, a power of 2 is fastest.
            hop: From one to the next in frames; by default a quarter of the size.
            align: As for `windows`; "centre" by default, as librosa's `center=True` with zeros.

        Returns:
            A `Spectrum`. In a stream it is later by the frames of a window that come after its tick.

        Raises:
            ArgumentError: a size under 2, or a hop that leaves frames which no window covers.

        >>> x = Signal.from_samples(np.sin(np.arange(32)))
        >>> bool(np.abs(x.stft(16).istft().realize() - x.realize()).max() < 1e-6)
        True
        """
    @overload
    def mse(self: Tensor, target: Fixed | Nested) -> Tensor:
        """Mean of the squared error over the elements of a frame.

        Args:
            pred, target: Of equal shapes, or one of shape (), a number or one per frame. Beside a Signal, an array is to say what
                it holds: `Signal.from_samples(array)` one value per frame, `Tensor(array)` lanes, the same in every frame.

        Returns:
            Shape (): of Tensors a Tensor, else a Signal, one error per frame (`backward` takes the mean over frames).

        Raises:
            ShapeError: the shapes differ, or the hops, or an array with axes stands beside a Signal.

        >>> dg.mse(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).realize()
        array(2., dtype=float32)
        >>> dg.mse(Signal.from_samples([1.0, 2.0]), 1.0).realize()
        array([0., 1.], dtype=float32)
        """
    @overload
    def mse(self, target: Operand | Nested) -> Signal: ...
    def spectral_loss(
        self,
        target: Operand,
        window_size: int | Sequence[int] = 1024,
        hop: int | None = None,
        mag_weight: Operand = 1.0,
        log_weight: Operand = 1.0,
        log_eps: float = 0.001,
    ) -> Tensor:
        """Distance between the short-time magnitude spectra of two signals, at one resolution or several.

        With A, B the magnitudes of the periodic-Hann-windowed real FFTs, not normalised: `mag_weight * mean|A - B| +
        log_weight * mean|ln(A + log_eps) - ln(B + log_eps)|`, over windows, bins and elements, averaged over window sizes.
        Windows are centred at 0, hop, 2 hop, ..., `ceil(frames / hop)` of them, with zeros outside of the run: with a hop up to
        half of the window every frame is seen. (Once they began at 0, hop, ... while they fitted: frame 0, and the last ones, could
        be anything.)

        Args:
            pred, target: Of equal shapes, or one of shape (); as for `mse`. At least one is a Signal or SignalTensor.
            window_size: In frames, at least 2; a number or a list of them. A run may be shorter.
            hop: Distance between windows in frames; a quarter of each window by default.
            mag_weight, log_weight: Weights of the two distances. They may be learned.
            log_eps: Floor under the logarithm, above 0. Empty bins are kinks of it: at 1e-8 they dominate the gradient.

        Returns:
            A Tensor of shape () for the whole run. Its gradient is 0 where both are the same, and finite at silence, which can
            be left: where a bin of one is 0 and of the other not, the slope of its magnitude is 1 in the direction of the other's
            phase. That is a choice among the subgradients; finite differences see a corner there.

        Raises:
            ArgumentError: a window under 2, a hop under 1, `log_eps` not above 0, or two Tensors, which have no frames.
            ShapeError: as for `mse`.

        Source: Engel et al., DDSP: Differentiable Digital Signal Processing, "multi-scale spectral loss"; Yamamoto et al.,
        Parallel WaveGAN, "multi-resolution STFT loss".

        >>> x = Signal.phasor(440.0)
        >>> dg.spectral_loss(x, x, window_size=[64, 256]).realize(512)
        array(0., dtype=float32)
        >>> click = Signal.from_samples(np.eye(1, 256)[0] * 5)  # of 16 windows, one hears 5 and the next 2.5; once none did
        >>> dg.spectral_loss(click, 0.0, window_size=64, log_weight=0.0).realize()
        array(0.46875, dtype=float32)
        """
    def stft_loss(
        self,
        target: Operand,
        fft_size: int = 1024,
        hop_size: int = 256,
        win_length: int = 1024,
        window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
        w_sc: Operand = 1.0,
        w_log_mag: Operand = 1.0,
        w_lin_mag: Operand = 0.0,
        mag_distance: Literal["L1", "L2"] = "L1",
        eps: float = 1e-08,
        perceptual_weighting: bool = False,
        scale: Literal["mel"] | None = None,
        n_bins: int | None = None,
        live: bool = False,
    ) -> Tensor:
        """Distance of magnitude spectra, as `auraloss.freq.STFTLoss` has it: spectral convergence, logarithmic and linear.

        With X, Y the magnitudes of prediction and target, not under `sqrt(eps)`: `w_sc |Y - X| / |Y|` (Frobenius norms over
        windows, bins and lanes together), plus `w_log_mag` times the mean of `|ln X - ln Y|`, plus `w_lin_mag` times that of `|X -
        Y|`. Windows are centred at 0, hop, ..., the run is mirrored at its ends; a run of `fft_size // 2` frames or less is
        mirrored repeatedly.

        Args:
            pred, target: Of equal shapes, or one of shape (); as for `mse`. At least one is a Signal or SignalTensor; lanes are
                auraloss's channels.
            fft_size: In frames, at least 2.
            hop_size: From one window to the next, in frames.
            win_length: Of the periodic window, at most `fft_size`; zeros on both sides fill the FFT.
            window: "hann", "hamming", "blackman", "bartlett" or "kaiser" (beta 12).
            w_sc, w_log_mag, w_lin_mag: Weights. They may be learned; what has the weight 0 is not computed.
            mag_distance: "L1" or "L2", where squares stand for the sizes of the last two differences.
            eps: Floor of the squared magnitudes, above 0.
            perceptual_weighting: Filter both with the A curve first (101 taps), at the sample rate of the run.
            scale: "mel" for magnitudes in mel filters (`features.mel_filters`); a filter without a bin adds 0.
            n_bins: How many, 128 by default.
            live: The floor has no slope, so that from silence, where all is under it, nothing is learned: the gradient is exactly
                0. With `live=True` it has that of the magnitude, at 0 in the direction of the target's phase; values are the same.

        Returns:
            A Tensor of shape () for the whole run. Its gradient is finite at silence, and 0 where both are the same.

        Raises:
            ArgumentError: a number out of range, an unknown name, all weights 0, or two Tensors, which have no frames.
            ShapeError: as for `mse`, or a weight that is not a single number.

        Source: Steinmetz and Reiss, auraloss: Audio focused loss functions in PyTorch; Yamamoto et al., Parallel WaveGAN.

        >>> x = Signal.phasor(440.0)
        >>> dg.stft_loss(x, x, fft_size=256, hop_size=64, win_length=256).realize(1000)
        array(0., dtype=float32)
        """
    def mel_stft_loss(
        self,
        target: Operand,
        n_mels: int = 128,
        fft_size: int = 1024,
        hop_size: int = 256,
        win_length: int = 1024,
        window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
        w_sc: Operand = 1.0,
        w_log_mag: Operand = 1.0,
        w_lin_mag: Operand = 0.0,
        mag_distance: Literal["L1", "L2"] = "L1",
        eps: float = 1e-08,
        perceptual_weighting: bool = False,
        live: bool = False,
    ) -> Tensor:
        """`stft_loss` of mel spectra at the sample rate of the run, as `auraloss.freq.MelSTFTLoss` has it.

        Args:
            n_mels: How many filters, from 0 Hz to half the sample rate; at least 1. One without a bin adds 0.
            pred, target, fft_size, hop_size, win_length, window, w_sc, w_log_mag, w_lin_mag, mag_distance, eps,
                perceptual_weighting, live: As for `stft_loss`.

        Returns:
            A Tensor of shape () for the whole run.

        Raises:
            What `stft_loss` does.

        Source: Steinmetz and Reiss, auraloss: Audio focused loss functions in PyTorch.

        >>> x = Signal.phasor(440.0)
        >>> dg.mel_stft_loss(x, x, n_mels=32).realize(1500)
        array(0., dtype=float32)
        """
    def multi_resolution_stft_loss(
        self,
        target: Operand,
        fft_sizes: Sequence[int] = (1024, 2048, 512),
        hop_sizes: Sequence[int] = (120, 240, 50),
        win_lengths: Sequence[int] = (600, 1200, 240),
        window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
        w_sc: Operand = 1.0,
        w_log_mag: Operand = 1.0,
        w_lin_mag: Operand = 0.0,
        mag_distance: Literal["L1", "L2"] = "L1",
        eps: float = 1e-08,
        perceptual_weighting: bool = False,
        scale: Literal["mel"] | None = None,
        n_bins: int | None = None,
        live: bool = False,
    ) -> Tensor:
        """The mean of `stft_loss` over several resolutions, as `auraloss.freq.MultiResolutionSTFTLoss` has it.

        Args:
            fft_sizes, hop_sizes, win_lengths: Lists of one length, a number of each for a resolution.
            pred, target, window, w_sc, w_log_mag, w_lin_mag, mag_distance, eps, perceptual_weighting, scale, n_bins, live: As for
                `stft_loss`.

        Returns:
            A Tensor of shape () for the whole run.

        Raises:
            What `stft_loss` does; ArgumentError: lists of different lengths.

        Source: Steinmetz and Reiss, auraloss: Audio focused loss functions in PyTorch; Yamamoto et al., Parallel WaveGAN.

        >>> x = Signal.phasor(440.0)
        >>> dg.multi_resolution_stft_loss(x, x).realize(1500)
        array(0., dtype=float32)
        """
    def sum_and_difference_stft_loss(
        self,
        target: Operand,
        fft_sizes: Sequence[int] = (1024, 2048, 512),
        hop_sizes: Sequence[int] = (120, 240, 50),
        win_lengths: Sequence[int] = (600, 1200, 240),
        window: Literal["hann", "hamming", "blackman", "bartlett", "kaiser"] = "hann",
        w_sum: Operand = 1.0,
        w_diff: Operand = 1.0,
        w_sc: Operand = 1.0,
        w_log_mag: Operand = 1.0,
        w_lin_mag: Operand = 0.0,
        mag_distance: Literal["L1", "L2"] = "L1",
        eps: float = 1e-08,
        perceptual_weighting: bool = False,
        scale: Literal["mel"] | None = None,
        n_bins: int | None = None,
        live: bool = False,
    ) -> Tensor:
        """Of stereo: `(w_sum MR(left + right) + w_diff MR(left - right)) / 2` with MR the `multi_resolution_stft_loss`.

        As `auraloss.freq.SumAndDifferenceSTFTLoss` has it since 0.4.0. Sum and difference are not halved.

        Args:
            pred, target: SignalTensors of shape (2,): left and right.
            w_sum, w_diff: Weights of the two. They may be learned.
            fft_sizes, hop_sizes, win_lengths, window, w_sc, w_log_mag, w_lin_mag, mag_distance, eps, perceptual_weighting, scale,
                n_bins, live: As for `multi_resolution_stft_loss`.

        Returns:
            A Tensor of shape () for the whole run.

        Raises:
            What `multi_resolution_stft_loss` does; ShapeError: other shapes than (2,).

        Source: Steinmetz et al., Automatic multitrack mixing with a differentiable mixing console.

        >>> stereo = Signal.phasor(Tensor([440.0, 441.0]))
        >>> dg.sum_and_difference_stft_loss(stereo, stereo).realize(1500)
        array(0., dtype=float32)
        """
    def multi_scale_spectral_loss(
        self,
        target: Operand,
        fft_sizes: Sequence[int] = (2048, 1024, 512, 256, 128, 64),
        loss_type: Literal["L1", "L2"] = "L1",
        mag_weight: Operand = 1.0,
        delta_time_weight: Operand = 0.0,
        delta_freq_weight: Operand = 0.0,
        cumsum_freq_weight: Operand = 0.0,
        logmag_weight: Operand = 0.0,
        loudness_weight: Operand = 0.0,
        safe_log: Literal["2019", "2020", "2022"] = "2022",
        live: bool = False,
    ) -> Tensor:
        """Distances of magnitude spectra summed over window sizes, as magenta/ddsp's `SpectralLoss` has them.

        Windows begin at 0, a quarter of their size, ..., `ceil(frames / hop)` of them, zeros behind the end; periodic Hann
        (symmetric where the size is odd), not normalised. Each distance is the mean of `|a - b|` over windows, bins and lanes.

        Args:
            pred, target: As for `spectral_loss`. (ddsp takes the target first.)
            fft_sizes: Of the windows in frames, at least 2; zeros fill them up to a power of 2.
            loss_type: "L1", or "L2" for squares instead of sizes.
            mag_weight: Of the magnitudes; delta_time_weight, delta_freq_weight: of their differences from window to window and from
                bin to bin; cumsum_freq_weight: of their sums up to each bin; logmag_weight: of their logarithms; loudness_weight:
                of A-weighted loudness in dB, 250 times a second. They may be learned; what has the weight 0 is not computed. The
                models of the paper have `mag_weight=1, logmag_weight=1`.
            safe_log: Of magnitudes v, as in ddsp of that year: "2019" `ln(v + 1e-5)`, "2020" (v1.0 to v1.9) `ln max(v, 1e-5)`,
                "2022" (v2.0) `ln v`, and `ln 1e-5` at 0.
            live: From silence nothing is learned: the gradient there is exactly 0. With `live=True` the slope of a magnitude at 0
                is 1 in the direction of the target's phase, and floors have the slope of what they hold; values are the same.

        Returns:
            A Tensor of shape () for the whole run. Its gradient is finite at silence, and 0 where both are the same.

        Raises:
            ArgumentError: an unknown name, a size under 2, all weights 0, or two Tensors. ShapeError: as for `mse`.

        Source: Engel et al., DDSP: Differentiable Digital Signal Processing; its code, `ddsp/losses.py`.

        >>> x = Signal.phasor(440.0)
        >>> dg.multi_scale_spectral_loss(x, x, fft_sizes=(256, 64), logmag_weight=1.0).realize(512)
        array(0., dtype=float32)
        """
    def log_spectral_distance(
        self, target: Operand, fft_size: int = 2048, hop: int | None = None, eps: float = 1e-08
    ) -> Tensor:
        """Distance of spectra in dB: the mean over windows and lanes of `sqrt(mean over bins d^2)`.

        With X, Y the spectra, `d = 20 log10((|X| + eps) / (|Y| + eps))`.

        Windows are those of `spectral_loss`: periodic Hann, centred at 0, hop, ..., zeros outside of the run.

        Args:
            pred, target: As for `spectral_loss`.
            fft_size: Of the windows in frames, at least 2.
            hop: In frames; a quarter of the window by default.
            eps: Floor of the magnitudes, above 0.

        Returns:
            A Tensor of shape () for the whole run, in dB. Its gradient is 0 where both are the same, and at silence, which can be
            left, that of `spectral_loss`: finite, though as large as `1 / eps`.

        Raises:
            ArgumentError: a window under 2, a hop under 1, `eps` not above 0, or two Tensors. ShapeError: as for `mse`.

        Source: Gray and Markel, Distance measures for speech processing.

        >>> x = Signal.noise()
        >>> dg.log_spectral_distance(x * 10, x, fft_size=64).realize(500)
        array(20., dtype=float32)
        """
    def spectral_transport(self, target: Operand, fft_size: int = 2048, hop: int | None = None, p: float = 2.0) -> Tensor:
        """How far, along frequency, the energy of one spectrum has to move to become that of the other.

        Of each window, u and v are `|X|^p` and `|Y|^p` over their sums, distributions over the bins, which lie from 0 (0 Hz) to 1
        (half the sample rate). The loss is `W_p^p`, the least sum of mass times `way^p`, a mean over windows and lanes. Where two
        partials do not overlap, its gradient to a frequency still points to the target, where that of `spectral_loss` is flat. It
        does not see levels; a window of silence counts 0: add a loss that does.

        Args:
            pred, target: As for `spectral_loss`.
            fft_size: Of the windows in frames, at least 2: periodic Hann, from 0, hop, ... on while they fit: an edge
                inside of a window would scatter energy over all bins. A run that is shorter is one window, zeros behind it.
            hop: In frames; a quarter of the window by default.
            p: At least 1.

        Returns:
            A Tensor of shape () for the whole run, between 0 and 1. Its gradient is 0 at silence, and where both are the same.

        Raises:
            ArgumentError: a window under 2, a hop under 1, `p` under 1, or two Tensors. ShapeError: as for `mse`.

        Source: Torres, Peeters and Richard, Unsupervised harmonic parameter estimation using differentiable DSP and spectral
        optimal transport.

        >>> low, high = (Signal.from_samples(np.cos(2 * np.pi * np.arange(512) * k / 64)) for k in (8, 16))
        >>> dg.spectral_transport(low, high, fft_size=64).realize()  # 8 of 32 bins, squared
        array(0.0625, dtype=float32)
        """
    def esr(self, target: Operand, eps: float = 1e-08) -> Tensor:
        """Error-to-signal ratio: `sum (target - pred)^2 / (sum target^2 + eps)`, over the frames of the run; the mean over lanes.

        0 where both are the same, 1 for silence. Of models of amplifiers, under 0.01 is good.

        Args:
            pred, target: As for `mse`. At least one is a Signal or SignalTensor.
            eps: Above 0; so that a silent target gives a number.

        Returns:
            A Tensor of shape () for the whole run.

        Raises:
            ShapeError: as for `mse`. ArgumentError: `eps` is not above 0, or two Tensors, which have no frames.

        Source: Wright et al., Real-time guitar amplifier emulation with deep learning; auraloss, `ESRLoss`.

        >>> dg.esr(Signal.from_samples([0.0, 1.0]), Signal.from_samples([1.0, 1.0])).realize()
        array(0.5, dtype=float32)
        """
    def dc_loss(self, target: Operand, eps: float = 1e-08) -> Tensor:
        """Of the offset: `(mean (target - pred))^2 / (mean target^2 + eps)`, over the frames of the run; the mean over lanes.

        Args:
            pred, target, eps: As for `esr`.

        Returns:
            A Tensor of shape () for the whole run.

        Raises:
            What `esr` does.

        Source: Wright et al., Real-time guitar amplifier emulation with deep learning; auraloss, `DCLoss`.

        >>> dg.dc_loss(Signal.from_samples([2.0, 1.0]), Signal.from_samples([1.0, 1.0])).realize()
        array(0.25, dtype=float32)
        """
    def log_cosh(self, target: Operand, a: float = 1.0, eps: float = 1e-08) -> Tensor:
        """Mean of `ln(cosh(a (pred - target)) + eps) / a` over frames and lanes: squares of small errors, sizes of large ones.

        Args:
            pred, target: As for `esr`.
            a: Above 0; errors under `1 / a` are small. Errors of any size have a finite loss.
            eps: Above 0.

        Returns:
            A Tensor of shape () for the whole run.

        Raises:
            What `esr` does; ArgumentError: `a` is not above 0.

        Source: Chen et al., Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder; auraloss, `LogCoshLoss`.

        >>> dg.log_cosh(Signal.from_samples([0.0, 100.0]), 0.0).realize()
        array(49.653427, dtype=float32)
        """
    def loudness_loss(self, target: Operand) -> Tensor:
        """How far apart two programmes are in loudness, in LU: the distance of their `features.integrated_loudness`.

        It hears levels as BS.1770 does, K-weighted and gated, and nothing else: add a loss that hears spectra. Which blocks of 400
        ms pass the gates counts as given. Shorter runs are one block.

        Args:
            pred, target: As for `mse`: Signals, or SignalTensors of up to five channels: left, right, centre, two surrounds. Their
                sample rate is that of the run; where it is under 4205 Hz, no meter measures, the filters are kept inside of it.

        Returns:
            A Tensor of shape () for the whole run. What no meter reads, under -70 LUFS, is between that and -74.3 for silence, in a
            straight line of its power. The gradient is finite everywhere, 0 where both are as loud, and 0 in exact silence,
            where no direction is louder than another.

        Raises:
            ShapeError: as for `mse`, or more than five channels. ArgumentError: two Tensors, which have no frames.

        Source: ITU-R BS.1770-4.

        >>> x = Signal.noise(seed=1)
        >>> bool(abs(dg.loudness_loss(x / 2, x).realize(22050) - 20 * np.log10(2)) < 1e-3)
        True
        """
    def snr(self, target: Operand, eps: float = 1e-08) -> Tensor:
        """Signal-to-noise ratio in dB, negated, so that less is better; means removed; the mean over lanes.

        `-10 log10(sum t^2 / (sum (x - t)^2 + eps) + eps)`. It goes on falling where both are the same, to about -80 dB and less.

        Args:
            pred, target, eps: As for `esr`.

        Returns:
            A Tensor of shape () for the whole run, in dB. Its gradient at silence is finite.

        Raises:
            What `esr` does.

        Source: auraloss, `SNRLoss`.

        >>> t = Signal.phasor(4410.0)
        >>> dg.snr(t * 1.1, t).realize(100)
        array(-20., dtype=float32)
        """
    def si_sdr(self, target: Operand, eps: float = 1e-08) -> Tensor:
        """Scale-invariant signal-to-distortion ratio in dB, negated, so that less is better; means removed; the mean over lanes.

        With `alpha = <x, t> / (|t|^2 + eps)`: `-10 log10(|alpha t|^2 / (|x - alpha t|^2 + eps) + eps)`. It has no optimum that is
        reached: a gradient of 0 is not to be expected where both are the same.

        Args:
            pred, target, eps: As for `esr`.

        Returns:
            A Tensor of shape () for the whole run, in dB. Its gradient at silence is finite.

        Raises:
            What `esr` does.

        Source: Le Roux et al., SDR: half-baked or well done?; auraloss, `SISDRLoss`.

        >>> x, t = Signal.from_samples([1.0, 0.0, -1.0, 0.0]), Signal.from_samples([1.0, 1.0, -1.0, -1.0])
        >>> bool(abs(dg.si_sdr(x, t).realize() - dg.si_sdr(3 * x, t).realize()) < 1e-4)
        True
        """
    def sd_sdr(self, target: Operand, eps: float = 1e-08) -> Tensor:
        """Scale-dependent signal-to-distortion ratio in dB, negated: as `si_sdr`, but a wrong scale is an error, too.

        `-10 log10(|alpha t|^2 / (|x - t|^2 + eps) + eps)`, with the `alpha` of `si_sdr`.

        Args:
            pred, target, eps: As for `esr`.

        Returns:
            A Tensor of shape () for the whole run, in dB. Its gradient at silence is finite.

        Raises:
            What `esr` does.

        Source: Le Roux et al., SDR: half-baked or well done?; auraloss, `SDSDRLoss`.

        >>> t = Signal.from_samples([1.0, -1.0])
        >>> dg.sd_sdr(t * 0.9, t).realize()
        array(-19.084848, dtype=float32)
        """
