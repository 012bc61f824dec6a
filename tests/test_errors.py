"""Every wrong call is an error of the right class, which names the op, the value and what is allowed, and harms nothing.

`CALLS` is the table: a call as a user would write it, the class, and what its message says (a regular expression).
"""

import re
import warnings

import jax
import numpy as np
import optax
import pytest
from compilations import compilations

import dgenlazy as dg
import dgenlazy.audio
from dgenlazy import SGD, Adam, ArgumentError, AxisError, DGen, DGenError, InputError, Optimizer, ShapeError, Signal, Tensor

t2, t3, t23 = Tensor([1.0, 2.0]), Tensor([1.0, 2.0, 3.0]), Tensor(np.ones((2, 3)))
s, held = Signal.phasor(440.0), Signal.from_samples([1.0, 2.0, 3.0])
slow = Signal.from_samples(np.ones((3, 5)), hop=2)
st = s * t3
p, g = Tensor([1.0, 2.0], requires_grad=True), Signal.param(1.0)
bounded = Signal.param(0.5, min=0.0, max=1.0)
adam, sgd, plain = Adam([p]), SGD([p], 0.1), Optimizer([p], optax.sgd(0.1))
_escaped = []
dg.feedback(lambda prev: _escaped.append(prev) or held + 0.5 * prev)
escaped = _escaped[0]
BIG = 10**400


NOT_A_VALUE = "is not a Tensor, Signal, SignalTensor, number or array"

CALLS = [
    # Operands.
    ("t3 + 'a'", ArgumentError, f"add: 'a' {NOT_A_VALUE}"),
    ("'a' + t3", ArgumentError, f"add: 'a' {NOT_A_VALUE}"),
    ("t3 + None", ArgumentError, f"add: None {NOT_A_VALUE}"),
    ("None - t3", ArgumentError, f"sub: None {NOT_A_VALUE}"),
    ("t3 * object()", ArgumentError, f"mul: <object object at .*> {NOT_A_VALUE}"),
    ("t3 / {}", ArgumentError, f"div: {{}} {NOT_A_VALUE}"),
    ("t3 ** '2'", ArgumentError, f"pow: '2' {NOT_A_VALUE}"),
    ("t3 + 1j", ArgumentError, f"add: 1j {NOT_A_VALUE}"),
    ("t3 + np.array([1j, 2, 3])", ArgumentError, "add: complex128 is not a type of real numbers; take the real and imaginary"),
    ("t3 + np.array(['a'])", ArgumentError, "add: <U1 is not a type of real numbers"),
    ("t3 + [1.0, [2.0]]", ArgumentError, "add: list is not an array of numbers: .* inhomogeneous"),
    ("jax.jit(lambda a: t3 * a)(1.0)", ArgumentError, "mul: .*Tracer is not an array of numbers: .* dg.function"),
    ("t3 + [t2, t2]", ArgumentError, r"add: takes numbers, not lazy values; realize\(\) them, or join them with stack\(\)"),
    ("t3 + BIG", ArgumentError, r"add: 10+\.\.\.0+ is beyond the range of a float"),
    ("np.sin(t3)", TypeError, "does not support ufuncs"),
    ("dg.sin('a')", ArgumentError, f"sin: 'a' {NOT_A_VALUE}"),
    ("dg.abs(None)", ArgumentError, f"abs: None {NOT_A_VALUE}"),
    ("dg.sin(1.0)", ArgumentError, r"sin: no Tensor, Signal or SignalTensor among \(1.0\)"),
    ("dg.pow(2.0, 3.0)", ArgumentError, r"pow: no Tensor, Signal or SignalTensor among \(2.0, 3.0\)"),
    ("dg.max(1.0, 2.0)", ArgumentError, r"max: no Tensor, Signal or SignalTensor among \(1.0, 2.0\)"),
    ("dg.mse(1.0, 2.0)", ArgumentError, r"mse: no Tensor, Signal or SignalTensor among \(1.0, 2.0\)"),
    ("dg.where(True, 1.0, 2.0)", ArgumentError, r"where: no Tensor, Signal or SignalTensor among \(True, 1.0, 2.0\)"),
    ("dg.where(t3, 'a', 1.0)", ArgumentError, f"where: 'a' {NOT_A_VALUE}"),
    ("dg.clamp(t3, 'a', 1.0)", ArgumentError, f"clamp: 'a' {NOT_A_VALUE}"),
    # Shapes that do not broadcast.
    ("t3 + t2", ShapeError, r"add: cannot combine \(3,\) with \(2,\)"),
    ("st + t2", ShapeError, r"add: cannot combine \(3,\) with \(2,\)"),
    ("t3 > t2", ShapeError, r"greater: cannot combine \(3,\) with \(2,\)"),
    ("t3.clamp(t2, 1.0)", ShapeError, r"clamp: cannot combine \(3,\) with \(2,\) with \(\)"),
    ("dg.where(t3, t2, t3)", ShapeError, r"where: cannot combine \(3,\) with \(2,\) with \(3,\)"),
    ("dg.mse(t3, t2)", ShapeError, r"mse: cannot combine \(3,\) with \(2,\)"),
    ("st.onepole(t2)", ShapeError, r"onepole: cannot combine \(3,\) with \(2,\)"),
    ("st.biquad(t2)", ShapeError, r"biquad: cannot combine \(3,\) with \(2,\)"),
    ("st.history(t2)", ShapeError, r"history: cannot combine \(3,\) with \(2,\)"),
    ("st.latch(t2)", ShapeError, r"latch: cannot combine \(3,\) with \(2,\)"),
    ("st.accum(t2)", ShapeError, r"accum: cannot combine \(3,\) with \(2,\)"),
    ("st.delay(t2)", ShapeError, r"delay: cannot combine \(3,\) with \(2,\)"),
    ("Signal.phasor(t3, t2)", ShapeError, r"phasor: cannot combine \(3,\) .*with \(2,\)"),
    ("dg.spectral_loss(st, s * t2)", ShapeError, r"spectral_loss: cannot combine \(3,\) with \(2,\)"),
    # Linear algebra and convolution.
    ("t3 @ t2", ShapeError, r"matmul: cannot combine \(3,\) with \(2,\): inner dimensions 3 and 2 differ"),
    ("t23 @ t23", ShapeError, r"matmul: cannot combine \(2, 3\) with \(2, 3\): inner dimensions 3 and 2 differ"),
    ("st @ t2", ShapeError, r"matmul: cannot combine \(3,\) with \(2,\): inner dimensions 3 and 2 differ"),
    ("t3 @ 3.0", ShapeError, r"matmul: cannot combine \(3,\) with \(\): a single number has no inner dimension; use \*"),
    ("s @ s", ShapeError, r"matmul: cannot combine \(\) with \(\): a single number has no inner dimension"),
    ("t3.conv1d(np.ones(5))", ShapeError, r"conv1d: cannot combine \(3,\) with \(5,\).*: the kernel is larger than the input"),
    ("t3.conv1d(np.ones(0))", ShapeError, r"conv1d: cannot combine \(3,\) with \(0,\).*: the kernel is empty"),
    ("t3.conv1d(t23)", ShapeError, "conv1d: .*: the input takes 1 axes with a kernel of 1, or 2 with 3"),
    ("t23.conv1d(np.ones((1, 3, 2)))", ShapeError, "conv1d: .*: the input has 2 channels, the kernel takes 3"),
    ("t3.conv1d('k')", ArgumentError, f"conv1d: 'k' {NOT_A_VALUE}"),
    ("t3.conv1d(t2, stride=0)", ArgumentError, "conv1d: stride=0 is less than 1"),
    ("t3.conv1d(t2, stride=1.5)", ArgumentError, "conv1d: stride=1.5 is not a whole number"),
    ("t3.conv1d(t2, stride=t2)", ArgumentError, "conv1d: stride is part of the program and cannot be a Tensor"),
    ("t3.conv1d(t2, padding='full')", ArgumentError, "conv1d: padding='full' is not one of valid, same"),
    ("t3.conv1d(t2, padding=1)", ArgumentError, "conv1d: padding=1 is not one of valid, same"),
    ("t23.conv2d(t3)", ShapeError, "conv2d: .*: the input takes 2 axes with a kernel of 2, or 3 with 4"),
    ("t23.conv2d(np.ones((3, 3)))", ShapeError, "conv2d: .*: the kernel is larger than the input"),
    ("t23.conv2d([[1.0]], stride=[1, 2, 3])", ArgumentError, r"conv2d: stride=\(1, 2, 3\) is not one number or 2"),
    ("t23.conv2d([[1.0]], stride='2')", ArgumentError, "conv2d: stride='2' is not a whole number"),
    # Shapes, axes and reductions.
    ("t23.reshape(4)", ShapeError, r"reshape: cannot combine \(2, 3\), shape=4: 6 elements do not fit into 4"),
    ("t23.reshape([2, 2])", ShapeError, r"reshape: .*shape=\(2, 2\): 6 elements do not fit into 4"),
    ("t23.reshape(-1, -1)", ShapeError, "reshape: .*: more than one length is -1"),
    ("t23.reshape(-1, 4)", ShapeError, "reshape: .*: 6 elements do not divide into it"),
    ("t23.reshape(-2, 3)", ArgumentError, "reshape: shape=-2 is less than -1"),
    ("t23.reshape(2.5)", ArgumentError, "reshape: shape=2.5 is not a whole number"),
    ("t23.reshape('a')", ArgumentError, "reshape: shape='a' is not a whole number"),
    ("t23.reshape(None)", ArgumentError, "reshape: shape=None is not a whole number"),
    ("t23.transpose([0, 0])", AxisError, r"transpose: .*axis=\(0, 0\) names an axis twice"),
    ("t23.transpose([0])", AxisError, r"transpose: .*axes=\(0,\) does not name each of 2 axes once"),
    ("t23.transpose([0, 2])", AxisError, "transpose: .*axis 2 is out of range for 2 axes"),
    ("t23.transpose('ab')", ArgumentError, "transpose: axis='ab' is not a whole number"),
    ("t23.sum(axis=2)", AxisError, r"sum: cannot combine \(2, 3\), axis=2: axis 2 is out of range for 2 axes"),
    ("t23.sum(axis=-3)", AxisError, "sum: .*axis -3 is out of range for 2 axes"),
    ("t23.mean(axis=(0, 0))", AxisError, r"mean: .*axis=\(0, 0\) names an axis twice"),
    ("t23.sum(axis='x')", ArgumentError, "sum: axis='x' is not a whole number"),
    ("t23.sum(axis=1.0)", ArgumentError, "sum: axis=1.0 is not a whole number"),
    ("t23.sum(axis=True)", ArgumentError, "sum: axis=True is not a whole number"),
    ("t23.sum(axis=t2)", ArgumentError, "sum: axis is part of the program and cannot be a Tensor"),
    ("s.sum(axis=0)", AxisError, r"sum: .*axis 0 is out of range for 0 axes \(a frame is a single number; accum\(\) sums"),
    ("s.softmax()", AxisError, "softmax: .*axis -1 is out of range for 0 axes"),
    ("s.cumsum()", AxisError, r"cumsum: .*axis -1 is out of range .*accum\(\) sums over frames"),
    ("t23.max(axis=5)", AxisError, "max: .*axis 5 is out of range for 2 axes"),
    ("t23.max(t23, axis=0)", ArgumentError, "max: takes a second value or an axis, not both"),
    ("t23.min('a')", ArgumentError, f"min: 'a' {NOT_A_VALUE}"),
    ("Tensor([]).max()", ShapeError, r"max: cannot combine \(0,\).* no identity"),
    ("t23.cumsum(axis=None)", DGenError, "cumsum: axis=None"),
    ("t23.cumsum(axis=(1, 0))", ArgumentError, r"cumsum: axis=\(1, 0\)"),
    ("dg.concat([t23, t23], axis=(0, 1))", ArgumentError, r"concat: axis=\(0, 1\)"),
    # Lists of values.
    ("dg.concat([])", ArgumentError, "concat: the list is empty"),
    ("dg.stack([])", ArgumentError, "stack: the list is empty"),
    ("dg.concat(t3)", ArgumentError, "concat: takes a list of values first, got Tensor"),
    ("dg.concat(t3, t2)", ArgumentError, "concat: takes a list of values first, got Tensor"),
    ("dg.concat(5)", ArgumentError, "concat: takes a list of values first, got int"),
    ("dg.stack(x for x in [t3])", ArgumentError, "stack: takes a list of values first, got generator"),
    ("dg.stack({'a': t3})", ArgumentError, "stack: takes a list of values first, got dict"),
    ("dg.concat([t3, 'a'])", ArgumentError, f"concat: 'a' {NOT_A_VALUE}"),
    ("dg.stack([t3, None])", ArgumentError, f"stack: None {NOT_A_VALUE}"),
    ("dg.concat([t3, t23])", ShapeError, r"concat: cannot combine \(3,\) with \(2, 3\)"),
    ("dg.concat([t3, t2], axis=1)", AxisError, "concat: .*axis 1 is out of range for 1 axes"),
    ("dg.concat([s, s])", AxisError, r"concat: cannot combine \(\) with \(\).*axis 0 is out of range for 0 axes"),
    ("dg.concat([t3, t2], axis='x')", ArgumentError, "concat: axis='x' is not a whole number"),
    ("dg.stack([t3, t2])", ShapeError, r"stack: cannot combine \(3,\) with \(2,\)"),
    ("dg.stack([t3, t3], axis=3)", AxisError, "stack: .*axis 3 is out of range for 2 axes"),
    # Indices.
    ("s[0]", AxisError, r"getitem: 1 indices for shape \(\); frames are no axis of it: index what realize\(\) gives"),
    ("t23[2]", AxisError, "getitem: index 2 is out of range for axis 0 of length 2"),
    ("t23[0, -4]", AxisError, "getitem: index -4 is out of range for axis 1 of length 3"),
    ("t23[0, 0, 0]", AxisError, r"getitem: 3 indices for shape \(2, 3\)"),
    ("s[[0]]", AxisError, "getitem: a single number has no rows"),
    ("t23[[0, 2]]", AxisError, "getitem: rows 0 to 2 are out of range for 2 rows"),
    ("t23[np.array([True])]", ShapeError, r"getitem: a mask of shape \(1,\) for 2 rows"),
    ("t23[1.0]", ArgumentError, "getitem: 1.0 is not a whole number, slice, None, ... or list of rows"),
    ("t23['a']", ArgumentError, "getitem: 'a' is not a whole number"),
    ("t23[True]", ArgumentError, "getitem: True is not a whole number"),
    ("t23[[0.5]]", ArgumentError, "getitem: rows of type float64 are not whole numbers"),
    ("t23[[0, [1]]]", ArgumentError, r"getitem: \[0, \[1\]\] is not a list of whole numbers"),
    ("t23[0.5:]", ArgumentError, r"getitem: slice\(0.5, None, None\) is not made of whole numbers"),
    ("t23[::0]", ArgumentError, "getitem: the step of a slice cannot be 0"),
    ("t23[..., ...]", ArgumentError, "getitem: more than one ..."),
    ("t23[t2]", ArgumentError, r"getitem: a Tensor is not a fixed index; use peek_row\(index\)"),
    ("t23[s]", ArgumentError, r"getitem: a Signal is not a fixed index; use peek_row\(index\)"),
    ("t3.__setitem__(0, 1.0)", AttributeError, "__setitem__"),
    ("t23.peek_row('a')", ArgumentError, f"peek_row: 'a' {NOT_A_VALUE}"),
    ("t23.peek_row(0.0, mode='loop')", ArgumentError, "peek_row: mode='loop' is not one of clamp, wrap"),
    ("t23.peek_row(t2, t2)", ArgumentError, "peek_row: mode is part of the program and cannot be a Tensor"),
    ("s.peek_row(0.0)", ShapeError, r"peek_row: cannot combine \(\) with \(\).*the table has no rows"),
    ("Tensor(np.zeros((0, 2))).peek_row(0.0)", ShapeError, r"peek_row: cannot combine \(0, 2\).*the table has no rows"),
    # What a lazy value is not.
    ("2.0 in t3", ArgumentError, r"in: a lazy value does not know its elements; use realize\(\) first"),
    ("setattr(p, 'vlaue', 3)", AttributeError, "'vlaue'"),
    ("bool(t3)", ArgumentError, r"bool: a lazy value is neither true nor false; use where\(\), or realize\(\) it first"),
    ("bool(s)", ArgumentError, "bool: a lazy value is neither true nor false"),
    ("t3 > 0 and t3", ArgumentError, "bool: a lazy value is neither true nor false"),
    ("0 < t3 < 1", ArgumentError, "bool: a lazy value is neither true nor false"),
    ("len(s)", ArgumentError, r"len: a single number has no length; its frames are not counted until realize\(frames\)"),
    ("list(s)", ArgumentError, ".*a single number has no length"),
    ("float(t3)", ShapeError, r"float: takes one number, this Tensor holds 3, of shape \(3,\)"),
    ("t3.item()", ShapeError, "item: takes one number"),
    ("float(s)", ArgumentError, r"float: this Signal is computed over frames; realize\(frames\) tells how many"),
    ("int(Tensor(np.inf))", ArgumentError, "int: inf is not a whole number"),
    ("np.mean(s)", ArgumentError, r"mean: this Signal is computed over frames; realize\(frames\) tells how many"),
    ("np.asarray(dg.spectral_loss(s, s))", ArgumentError, "asarray: this Tensor is computed over frames"),
    ("np.array(t3, copy=False)", ValueError, "always a copy"),
    ("t3.value.__setitem__(0, 5.0)", ValueError, "read-only"),
    ("t3.foo", AttributeError, "'Tensor' object has no attribute 'foo'"),
    ("setattr(p, 'grad', None)", AttributeError, "grad"),
    ("setattr(p, 'requires_grad', False)", AttributeError, "requires_grad"),
    # Tensors.
    ("Tensor()", TypeError, "missing 1 required positional argument: 'data'"),
    ("Tensor('a')", ArgumentError, "Tensor: 'a' is not a number or an array of numbers"),
    ("Tensor(None)", ArgumentError, "Tensor: None is not a number or an array of numbers"),
    ("Tensor([[1.0, 2.0], [3.0]])", ArgumentError, "Tensor: list is not an array of numbers: .*inhomogeneous"),
    ("Tensor([1.0, 'a'])", ArgumentError, "Tensor: <U32 is not a type of real numbers"),
    ("Tensor([1.0, None])", ArgumentError, "Tensor: object is not a type of real numbers"),
    ("Tensor({})", ArgumentError, "Tensor: object is not a type of real numbers"),
    ("Tensor(1j)", ArgumentError, "Tensor: complex128 is not a type of real numbers; take the real and imaginary parts apart"),
    (
        "Tensor(np.array('2020-01-01', 'datetime64[D]'))",
        ArgumentError,
        "Tensor: datetime64.* is not a type of real numbers",
    ),
    ("Tensor(t3)", ArgumentError, r"Tensor: Tensor is a lazy value already; realize\(\) it first for a copy"),
    ("Tensor([g, g])", ArgumentError, r"Tensor: takes numbers, not lazy values; .*stack\(\)"),
    ("Tensor([1.0], requires_grad='yes')", ArgumentError, "Tensor: requires_grad='yes' is not True or False"),
    ("Tensor([1.0], requires_grad=1)", ArgumentError, "Tensor: requires_grad=1 is not True or False"),
    ("Tensor([1.0], dtype=float)", TypeError, "dtype"),
    ("Tensor([1.0, np.nan], requires_grad=True)", ArgumentError, "Tensor: a value that is learned must be finite, .* nan"),
    ("Tensor([np.inf], requires_grad=True)", ArgumentError, "Tensor: a value that is learned must be finite, .* inf"),
    ("Tensor.zeros(-1)", ArgumentError, "Tensor.zeros: shape=-1 is less than 0"),
    ("Tensor.ones([2, -1])", ArgumentError, "Tensor.ones: shape=-1 is less than 0"),
    ("Tensor.zeros(2.0)", ArgumentError, "Tensor.zeros: shape=2.0 is not a whole number"),
    ("Tensor.zeros('a')", ArgumentError, "Tensor.zeros: shape='a' is not a whole number"),
    ("Tensor.zeros([2, None])", ArgumentError, "Tensor.zeros: shape=None is not a whole number"),
    ("Tensor.zeros(2, 3)", ArgumentError, "Tensor.*: requires_grad=3 is not True or False"),
    ("Tensor.full([2], 'a')", ArgumentError, "Tensor.full: value: 'a' is not a number"),
    ("Tensor.full([2], [1.0, 2.0])", ShapeError, r"Tensor.full: value: takes one number, got shape \(2,\)"),
    ("Tensor.full([2], np.nan, requires_grad=True)", ArgumentError, "Tensor.*: a value that is learned must be finite"),
    ("Tensor.randn([2], seed=-1)", ArgumentError, "Tensor.randn: seed=-1 is less than 0"),
    ("Tensor.randn([2], seed=1.5)", ArgumentError, "Tensor.randn: seed=1.5 is not a whole number"),
    ("Tensor.randn([2], seed='x')", ArgumentError, "Tensor.randn: seed='x' is not a whole number"),
    ("Tensor.randn([2], seed=2**32)", ArgumentError, "Tensor.randn: seed=4294967296 is more than 4294967295"),
    ("Tensor.randn([-2])", ArgumentError, "Tensor.randn: shape=-2 is less than 0"),
    ("Tensor.randn([2], requires_grad=1)", ArgumentError, "Tensor.*: requires_grad=1"),
    ("Tensor(BIG)", ArgumentError, "Tensor: .*range of a float"),
    # Signals.
    ("Signal('a')", ArgumentError, "Signal: 'a' is not a number"),
    ("Signal(None)", ArgumentError, "Signal: None is not a number"),
    (
        "Signal([1.0, 2.0])",
        ShapeError,
        r"Signal: takes one number, got shape \(2,\); use Signal.from_samples",
    ),
    ("Signal(t3)", ArgumentError, "Signal: takes a number, got a Tensor"),
    ("Signal(np.nan, requires_grad=True)", ArgumentError, "Signal: a value that is learned must be finite, this one is nan"),
    ("Signal(1.0, requires_grad=None)", ArgumentError, "Signal: requires_grad=None is not True or False"),
    ("Signal.constant([1.0])", ShapeError, r"Signal.constant: takes one number, got shape \(1,\)"),
    ("Signal.constant(s)", ArgumentError, "Signal.constant: takes a number, got a Signal"),
    ("Signal.param(np.nan)", ArgumentError, "Signal.param: a value that is learned must be finite, this one is nan"),
    ("Signal.param(5.0, min=0.0, max=1.0)", ArgumentError, r"Signal.param: 5.0 .*is not inside \[0.0, 1.0\]"),
    ("Signal.param(0.5, min=1.0, max=0.0)", ArgumentError, "Signal.param: min=1.0 is not below max=0.0"),
    ("Signal.param(0.5, min='a')", ArgumentError, "Signal.param: min: 'a' is not a number"),
    ("Signal.param(0.5, min=np.nan)", ArgumentError, "Signal.param: min=nan is not below max=None"),
    ("Signal.input(-1)", ArgumentError, "Signal.input: channel=-1 is less than 0"),
    ("Signal.input(0.5)", ArgumentError, "Signal.input: channel=0.5 is not a whole number"),
    ("Signal.input('left')", ArgumentError, "Signal.input: channel='left' is not a whole number"),
    ("Signal.phasor('a')", ArgumentError, f"phasor: freq: 'a' {NOT_A_VALUE}"),
    ("Signal.phasor(None)", ArgumentError, f"phasor: freq: None {NOT_A_VALUE}"),
    ("Signal.phasor(440.0, reset='a')", ArgumentError, f"phasor: reset: 'a' {NOT_A_VALUE}"),
    ("Signal.phasor(440.0, phase=1.0)", TypeError, "unexpected keyword argument 'phase'"),
    ("Signal.noise(seed=-1)", ArgumentError, "Signal.noise: seed=-1 is less than 0"),
    ("Signal.noise(seed=1.5)", ArgumentError, "Signal.noise: seed=1.5 is not a whole number"),
    ("Signal.noise('x')", ArgumentError, "Signal.noise: seed='x' is not a whole number"),
    ("Signal.noise(shape=-1)", ArgumentError, "Signal.noise: shape=-1 is less than 0"),
    ("Signal.from_samples(1.0)", ShapeError, r"Signal.from_samples: takes \(frames,\) or \(frames, \*shape\), got one number"),
    ("Signal.from_samples('a.wav')", ArgumentError, "Signal.from_samples: 'a.wav' is not a number or an array of numbers"),
    ("Signal.from_samples([[1.0], [2.0, 3.0]])", ArgumentError, "Signal.from_samples: list is not an array of numbers"),
    ("Signal.from_samples([np.nan], requires_grad=True)", ArgumentError, "Signal.from_samples: a value .* must be finite"),
    ("Signal.from_samples(s)", ArgumentError, "Signal.from_samples: takes numbers, not lazy values"),
    ("dg.SignalTensor([1.0])", ArgumentError, "SignalTensor: mix a Tensor with a Signal, or use Signal.from_samples"),
    # Filters and memory.
    ("s.biquad('a')", ArgumentError, f"biquad: cutoff: 'a' {NOT_A_VALUE}"),
    ("s.biquad(100.0, q='a')", ArgumentError, f"biquad: q: 'a' {NOT_A_VALUE}"),
    ("s.biquad(100.0, gain_db=None)", ArgumentError, f"biquad: gain_db: None {NOT_A_VALUE}"),
    ("s.biquad(100.0, mode='low')", ArgumentError, "biquad: mode='low' is not one of lowpass, highpass, .*, highshelf"),
    ("s.biquad(100.0, mode=None)", ArgumentError, "biquad: mode=None is not one of lowpass"),
    ("s.biquad(100.0, mode=['lowpass'])", ArgumentError, r"biquad: mode=\('lowpass',\) is not one of lowpass"),
    ("s.biquad(100.0, mode={})", ArgumentError, "biquad: mode={} is not"),
    ("s.biquad(100.0, mode=s)", ArgumentError, "biquad: mode is part of the program and cannot be a Signal"),
    ("dg.biquad(1.0, 100.0)", ArgumentError, "biquad: no Tensor, Signal or SignalTensor among"),
    ("s.onepole('a')", ArgumentError, f"onepole: cutoff: 'a' {NOT_A_VALUE}"),
    ("s.history('a')", ArgumentError, f"history: init: 'a' {NOT_A_VALUE}"),
    ("s.history(held)", ArgumentError, "history: init varies from frame to frame; it must be a number or a Tensor"),
    ("s.latch('a')", ArgumentError, f"latch: 'a' {NOT_A_VALUE}"),
    ("s.accum('a')", ArgumentError, f"accum: 'a' {NOT_A_VALUE}"),
    ("s.accum(min=0.0)", ArgumentError, "accum: min=0.0, max=None; the sum wraps between both bounds, or has none"),
    ("s.accum(max=1.0)", ArgumentError, "accum: min=None, max=1.0; the sum wraps between both bounds, or has none"),
    ("s.accum(min=1.0, max=0.0)", ArgumentError, "accum: min=1.0 is not below max=0.0"),
    ("s.accum(min=1.0, max=1.0)", ArgumentError, "accum: min=1.0 is not below max=1.0"),
    ("s.accum(min=np.float32(1), max=np.float32(0))", ArgumentError, "accum: min=.*is not below"),
    ("s.delay('a')", ArgumentError, f"delay: frames: 'a' {NOT_A_VALUE}"),
    ("s.delay(s)", ArgumentError, "delay: the time varies or is computed; give max_delay, the longest time in frames"),
    ("s.delay(t3.sum())", ArgumentError, "delay: the time varies or is computed; give max_delay"),
    ("s.delay(True)", ArgumentError, "delay: frames=True is not a number"),
    ("s.comb([True, False])", ArgumentError, r"comb: frames=\[True, False\] is not a number"),
    ("s.allpass(np.bool_(True), max_delay=4)", ArgumentError, "allpass: frames=.*True.* is not a number"),
    ("s.delay(s, max_delay=-1)", ArgumentError, "delay: .*max_delay=-1"),
    ("s.delay(s, max_delay='a')", ArgumentError, "delay: max_delay: 'a' is not a number"),
    ("s.delay(s, max_delay=np.nan)", ArgumentError, "delay: max_delay=nan is not finite"),
    ("s.delay(s, max_delay=s)", ArgumentError, "delay: max_delay: takes numbers, not lazy values"),
    ("s.delay(np.nan)", ArgumentError, "delay: frames=nan is not finite"),
    ("s.delay(np.inf)", ArgumentError, "delay: frames=inf"),
    ("s.delay(Tensor([np.inf]))", ArgumentError, "delay: frames=inf"),
    ("s.delay(BIG)", ArgumentError, r"delay: frames: 10+\.\.\.0+ is beyond the range of a float"),
    ("s.delay(1e30)", ArgumentError, r"delay: frames=1e\+30"),
    ("s.delay(s, max_delay=1e30)", ArgumentError, r"delay: max_delay=1e\+30"),
    # Feedback.
    ("dg.feedback(None)", ArgumentError, "feedback: None is not a function of the previous output"),
    ("dg.feedback(3)", ArgumentError, "feedback: 3 is not a function of the previous output"),
    ("dg.feedback(lambda: s)", TypeError, "takes 0 positional arguments but 1 was given"),
    ("dg.feedback(lambda y: 'a')", ArgumentError, f"feedback: the body's output: 'a' {NOT_A_VALUE}"),
    (
        "dg.feedback(lambda y: None)",
        ArgumentError,
        "feedback: the body returns nothing, None: .*, init is .*; the two must be alike",
    ),
    ("dg.feedback(lambda y: (y, y))", ArgumentError, "feedback: the body returns .*, init is .*; the two must be alike"),
    ("dg.feedback(lambda y: y[0], init=(0.0, 0.0))", ArgumentError, "feedback: the body returns .*; the two must be alike"),
    ("dg.feedback(lambda y: {'b': y['a']}, init={'a': 0.0})", ArgumentError, "feedback: .*'b'.*'a'.*; the two must be alike"),
    ("dg.feedback(lambda y: y, init=())", ArgumentError, r"feedback: init=\(\) holds no number, array or Tensor"),
    ("dg.feedback(lambda y: y, init=None)", ArgumentError, "feedback: init=None holds no number, array or Tensor"),
    ("dg.feedback(lambda y: y, init='a')", ArgumentError, f"feedback: init: 'a' {NOT_A_VALUE}"),
    ("dg.feedback(lambda y: y, init=held)", ArgumentError, "feedback: init varies from frame to frame; it must be a number"),
    ("dg.feedback(lambda y: y, init=np.array(['a']))", ArgumentError, "feedback: init: <U1 is not a type of real numbers"),
    ("dg.feedback(lambda y: y, init=[1j])", ArgumentError, f"feedback: init: 1j {NOT_A_VALUE}"),
    ("dg.feedback(lambda y: y + t2, init=t3)", ShapeError, r"add: cannot combine \(3,\) with \(2,\)"),
    (
        "dg.feedback(lambda y: y.reshape(6), init=t23)",
        ShapeError,
        r"feedback: the body turns \(2, 3\) into \(6,\); ",
    ),
    ("dg.feedback(lambda y: dg.concat([y, y]), init=t2)", ShapeError, r"feedback: the body turns \(2,\) into \(4,\)"),
    ("dg.feedback(lambda y: dg.stack([y, y]))", ShapeError, "feedback: the output grows each time it is fed back"),
    ("dg.feedback(lambda y: y > 0 and y)", ArgumentError, "bool: a lazy value is neither true nor false"),
    ("dg.feedback(lambda y: y + dg.spectral_loss(y, s))", ArgumentError, "feedback: spectral.* cannot be inside a loop"),
    ("dg.feedback(lambda y: y + dg.si_sdr(y, s))", ArgumentError, "feedback: si_sdr sees the whole run and cannot be inside"),
    ("dg.feedback(lambda y: s + y.limiter())", ArgumentError, "feedback: limiter changes the rate or looks ahead, and cannot"),
    ("dg.feedback(lambda y: dg.limiter(s * y).delay(1))", ArgumentError, "feedback: limiter changes the rate or looks ahead"),
    ("dg.feedback(lambda y: y.windows(4, 2).sum())", ArgumentError, "feedback: windows changes .* cannot be inside a loop$"),
    ("dg.feedback(lambda y: s + y.stft(8).istft())", ArgumentError, "feedback: windows .* cannot be .*; it is part of stft"),
    ("dg.feedback(lambda y: dg.Spectrum.polar(slow * y, 0.0).istft())", ArgumentError, "feedback: overlap_add .*part of istft"),
    ("dg.feedback(lambda y: y, start=0.0)", TypeError, "unexpected keyword argument 'start'"),
    ("escaped.realize(4)", ArgumentError, "feedback: the previous output was used outside of its loop"),
    # Spectra.
    ("dg.irfft(dg.stack([s]), dg.stack([s]))", ArgumentError, "irfft: 1 bin is not enough to tell the size, by default 2"),
    ("dg.irfft(*dg.Tensor([1.0]).rfft())", ArgumentError, r"irfft: 1 bin .* the size, by default 2 \* \(bins - 1\); give size"),
    ("dg.Spectrum.polar(slow[:1], 0.0)", ArgumentError, r"Spectrum.polar: 1 bin is not .*; give size, at least 2"),
    # Losses.
    ("dg.mse(t3, 'a')", ArgumentError, f"mse: 'a' {NOT_A_VALUE}"),
    ("dg.spectral_loss(s, None)", ArgumentError, f"spectral_loss: target: None {NOT_A_VALUE}"),
    ("dg.spectral_loss(s, s, window_size=1)", ArgumentError, "spectral_loss: window_size=1 is less than 2"),
    ("dg.spectral_loss(s, s, window_size=-4)", ArgumentError, "spectral_loss: window_size=-4 is less than 2"),
    ("dg.spectral_loss(s, s, window_size=64.0)", ArgumentError, "spectral_loss: window_size=64.0 is not a whole number"),
    ("dg.spectral_loss(s, s, window_size='64')", ArgumentError, "spectral_loss: window_size='64' is not a whole number"),
    ("dg.spectral_loss(s, s, window_size=[])", ArgumentError, "spectral_loss: window_size is an empty list"),
    ("dg.spectral_loss(s, s, window_size=[64, 1])", ArgumentError, "spectral_loss: window_size=1 is less than 2"),
    ("dg.spectral_loss(s, s, hop=0)", ArgumentError, "spectral_loss: hop=0 is less than 1"),
    ("dg.spectral_loss(s, s, hop=1.5)", ArgumentError, "spectral_loss: hop=1.5 is not a whole number"),
    ("dg.spectral_loss(s, s, log_eps=0)", ArgumentError, "spectral_loss: log_eps=0.0 is not above 0"),
    ("dg.spectral_loss(s, s, log_eps=np.nan)", ArgumentError, "spectral_loss: log_eps=nan is not finite"),
    ("dg.spectral_loss(s, s, log_eps='a')", ArgumentError, "spectral_loss: log_eps: 'a' is not a number"),
    ("dg.spectral_loss(s, s, mag_weight='a')", ArgumentError, f"spectral_loss: mag_weight: 'a' {NOT_A_VALUE}"),
    ("dg.spectral_loss(s, s, mag_weight=t3)", ShapeError, r"spectral_loss: .*\(3,\)"),
    # The number and the names of arguments.
    ("dg.sin()", ArgumentError, r"sin\(x\): missing a required argument: 'x'"),
    ("t3.sin(1.0)", ArgumentError, r"sin\(x\): too many positional arguments"),
    ("t3.sin(axis=0)", ArgumentError, r"sin\(x\): got an unexpected keyword argument 'axis'"),
    ("t23.sum(0, 1)", ArgumentError, r"sum\(x, axis=None\): too many positional arguments"),
    ("t23.sum(dim=0)", ArgumentError, r"sum\(x, axis=None\): got an unexpected keyword argument 'dim'"),
    ("t3.conv1d()", ArgumentError, r"conv1d\(x, kernel, .*\): missing a required argument: 'kernel'"),
    ("t3.conv1d(t2, 1, 'same', 3)", ArgumentError, r"conv1d\(.*\): too many positional arguments"),
    ("dg.where(t3 > 0, t3)", ArgumentError, r"where\(condition, x, y\): missing a required argument: 'y'"),
    ("dg.clamp(t3, 0.0, 1.0, 2.0)", ArgumentError, r"clamp\(.*\): too many positional arguments"),
    ("dg.mse(t3)", ArgumentError, r"mse\(pred, target\): missing a required argument: 'target'"),
    ("s.latch()", ArgumentError, r"latch\(x, trigger\): missing a required argument: 'trigger'"),
    ("s.delta(1.0)", ArgumentError, r"delta\(.*too many positional arguments"),
    ("s.delay()", ArgumentError, r"delay\(.*missing a required argument: 'frames'"),
    ("s.delay(1, 2, 3, 4, 5)", ArgumentError, r"delay\(.*too many positional arguments"),
    ("s.biquad()", ArgumentError, r"biquad\(.*missing a required argument: 'cutoff'"),
    ("s.biquad(100.0, gain=3.0)", ArgumentError, r"biquad\(.*got an unexpected keyword argument 'gain'"),
    ("dg.concat([t3, t2], dim=0)", ArgumentError, r"concat\(.*got an unexpected keyword argument 'dim'"),
    ("dg.spectral_loss(s)", ArgumentError, r"spectral_loss\(.*missing a required argument: 'target'"),
    ("dg.spectral_loss(s, s, window=64)", ArgumentError, r"spectral_loss\(.*got an unexpected keyword argument 'window'"),
    ("t23.peek_row()", ArgumentError, r"peek_row\(.*missing a required argument: 'index'"),
    ("s.realize(4, 4)", TypeError, "positional arguments"),
    ("s.realize(frame=4)", TypeError, "unexpected keyword argument 'frame'"),
    ("SGD([p])", TypeError, "missing 1 required positional argument: 'lr'"),
    (
        "s.realize(seconds=1.0)",
        ArgumentError,
        r"realize: .*argument 'seconds'; did you mean frames\? It takes frames",
    ),
    ("s.realize(frame=4)", ArgumentError, r"realize: .*unexpected keyword argument 'frame'; did you mean frames\?"),
    ("s.realize(wait=True)", ArgumentError, "realize: .*'wait'; it takes frames, inputs, preserve_state"),
    ("dg.realize(s, frame=4)", ArgumentError, r"realize: .*'frame'; did you mean frames\?"),
    (
        "(s * g).backward(input={})",
        ArgumentError,
        r"backward: .*'input'; did you mean inputs\? It takes loss, frames",
    ),
    (
        "dg.fit(p.sum(), step=3)",
        ArgumentError,
        r"fit: .*argument 'step'; did you mean steps\? It takes loss, params",
    ),
    ("dg.fit(p.sum(), epochs=3)", ArgumentError, r"fit: .*'epochs'; did you mean steps\?"),
    ("dg.fit(p.sum())", ArgumentError, "fit: .*missing 1 required keyword-only argument: 'steps'; it takes loss"),
    ("dg.multistart(g, start=3)", ArgumentError, r"multistart: .*'start'; did you mean starts\?"),
    ("dg.export(s, 'x.c', param={})", ArgumentError, r"export: .*'param'; did you mean params\?"),
    ("dg.export(s)", ArgumentError, "export: .*missing 1 required positional argument: 'path'"),
    ("dg.function(s, input={})", ArgumentError, r"function: .*'input'; did you mean inputs\?"),
    ("dg.compile(s, sample_rate=8000)", ArgumentError, r"compile: .*'sample_rate'; did you mean sample_rates\?"),
    ("dg.load('x', sha='')", ArgumentError, "load: .*'sha'; "),
    ("dg.load_params('x', {}, stric=False)", ArgumentError, r"load_params: .*'stric'; did you mean strict\?"),
    ("dg.check_grads(g, frame=3)", ArgumentError, r"check_grads: .*'frame'; did you mean frames\?"),
    ("Adam([p], betas=(0.9, 0.99))", ArgumentError, r"Adam: .*'betas'; did you mean beta1\? It takes params, lr, beta1, beta2"),
    ("SGD([p], 0.1, moment=0.9)", ArgumentError, r"SGD: .*'moment'; did you mean momentum\?"),
    ("dg.health(g, frame=3)", ArgumentError, r"health: .*'frame'; did you mean frames\?"),
    ("dg.display.graph(s, expanded=True)", ArgumentError, r"graph: .*'expanded'; did you mean expand\?"),
    ("dg.display.player(np.zeros(3), 44100, loop=True)", ArgumentError, "player: .*'loop'; it takes samples, sample_rate"),
    ("dg.display.compare(s, s, frame=3)", ArgumentError, r"compare: .*'frame'; did you mean frames\?"),
    # Running.
    ("s.realize(-1)", ArgumentError, "frames=-1 is less than 0"),
    ("s.realize(1.5)", ArgumentError, "frames=1.5 is not a whole number"),
    ("s.realize('a')", ArgumentError, "frames='a' is not a whole number"),
    ("s.realize(True)", ArgumentError, "frames=True is not a whole number"),
    ("s.realize(np.nan)", ArgumentError, "frames=nan is not a whole number"),
    ("s.realize(2**31)", ArgumentError, "frames=2147483648 is more than 2147483647"),
    ("t3.realize(-1)", ArgumentError, "frames=-1 is less than 0"),
    ("s.realize(4, preserve_state='yes')", ArgumentError, "realize: preserve_state='yes' is not True or False"),
    ("held.realize(4)", InputError, "Signal.from_samples: 3 frames of samples, but frames 0 to 4 were asked for"),
    (
        "Signal.input(3).realize(4)",
        InputError,
        r"Signal.input\(3\): there are no samples for channel 3; pass inputs={3:",
    ),
    ("Signal.input(0).realize(4, inputs={1: [1.0]})", InputError, r"Signal.input\(0\): there are no samples for channel 0"),
    (
        "Signal.input(0).realize(4, inputs={0: [1.0]})",
        InputError,
        r"Signal.input\(0\): 4 frames .* channel 0 has 1",
    ),
    ("Signal.input(0).realize(4, inputs=[1.0])", ArgumentError, r"inputs=\[1.0\] is not a mapping .* like {0: samples}"),
    ("Signal.input(0).realize(4, inputs={0: 'a'})", ArgumentError, r"inputs\[0\]: 'a' is not a number"),
    ("Signal.input(0).realize(4, inputs={0: [[[1.0]]]})", ArgumentError, r"inputs\[0\]: shape \(1, 1, 1\) is not \(frames,\)"),
    ("Signal.input(0).realize(4, inputs={'a': [1.0]})", ArgumentError, "inputs: channel='a' is not a whole number"),
    ("Signal.input(0).realize(4, inputs={0: s})", ArgumentError, r"inputs\[0\]: takes numbers, not lazy values"),
    ("dg.realize()", ArgumentError, "realize: takes at least one value"),
    ("dg.realize([s])", ArgumentError, r"realize: \[Signal.*\] is not a Tensor, Signal or SignalTensor"),
    ("dg.realize(s, 3)", ArgumentError, "realize: 3 is not a Tensor, Signal or SignalTensor"),
    ("dg.spectral_loss(s, s).realize(preserve_state=True)", ArgumentError, "realize: .*spectral_loss sees the whole run"),
    # Training.
    ("(p * 2).backward()", ShapeError, r"backward: a loss has shape \(\), this value has \(2,\); take its mean\(\) or sum\(\)"),
    ("(st * g).backward()", ShapeError, r"backward: a loss has shape \(\), this value has \(3,\)"),
    ("s.backward()", ArgumentError, "backward: nothing to differentiate; no value below the loss has requires_grad=True"),
    ("t3.sum().backward()", ArgumentError, "backward: nothing to differentiate"),
    ("(s * g).backward(0)", ArgumentError, "backward: there is no loss over 0 frames"),
    ("(s * g).backward(-1)", ArgumentError, "frames=-1 is less than 0"),
    ("(s * g).backward(1.5)", ArgumentError, "frames=1.5 is not a whole number"),
    ("(s * g).backward(reduction='max')", ArgumentError, "backward: reduction='max' is not one of mean, sum"),
    ("(Signal.input(0) * g).backward(4)", InputError, r"Signal.input\(0\): there are no samples for channel 0"),
    ("(held * g).backward(4)", InputError, "Signal.from_samples: 3 frames of samples, but frames 0 to 4 were asked for"),
    ("Adam([])", ArgumentError, "Adam: the list of parameters is empty"),
    ("Adam(p)", ArgumentError, "Adam: params=Tensor.* is not a list of parameters"),
    ("Adam(None)", ArgumentError, "Adam: params=None is not a list of parameters"),
    ("Adam([t3])", ArgumentError, r"Adam: params\[0\] was made without requires_grad=True: Tensor"),
    ("SGD([p * 2], 0.1)", ArgumentError, r"SGD: params\[0\] is computed or an input, not a parameter: Tensor.*op=mul"),
    ("Adam([p, Signal.input(0)])", ArgumentError, r"Adam: params\[1\] is computed or an input, not a parameter"),
    ("Adam([p, p])", ArgumentError, r"Adam: params\[1\] is given twice"),
    ("Adam([np.ones(3)])", ArgumentError, r"Adam: params\[0\]=array.* is not a Tensor or Signal"),
    (
        "Adam({'a': p})",
        ArgumentError,
        r"Adam: params\[0\]='a' is not a Tensor or Signal; .* give the values, list\(params.values",
    ),
    ("dg.fit(p.sum(), steps=1, lr={'p': 0.1})", ArgumentError, r"fit: lr=\{'p': 0.1\} is not a number; .* in groups="),
    ("Signal.param([1.0, 2.0])", ShapeError, r"Signal.param: takes one number, got shape \(2,\); .*, Tensor for an array"),
    ("Adam([p], lr=-1)", ArgumentError, "Adam: lr=-1 is less than 0"),
    ("Adam([p], lr=np.nan)", ArgumentError, "Adam: lr=nan is not finite"),
    ("Adam([p], lr='a')", ArgumentError, "Adam: lr: 'a' is not a number"),
    ("Adam([p], lr=g)", ArgumentError, "Adam: lr: takes numbers, not lazy values"),
    ("Adam([p], lr=None)", ArgumentError, "Adam: lr"),
    ("SGD([p], None)", ArgumentError, "SGD: lr"),
    ("Adam([p], beta1=1.0)", ArgumentError, r"Adam: beta1=1.0 is not in \[0, 1\)"),
    ("Adam([p], beta2=-0.1)", ArgumentError, "Adam: beta2=-0.1 is less than 0"),
    ("Adam([p], eps=0.0)", ArgumentError, "Adam: eps=0.0 is not above 0"),
    ("SGD([p], 0.1, momentum=1.0)", ArgumentError, r"SGD: momentum=1.0 is not in \[0, 1\)"),
    ("SGD([p], 0.1, weight_decay=-1.0)", ArgumentError, "SGD: weight_decay=-1.0 is less than 0"),
    ("SGD([p], 0.1, nesterov=True)", ArgumentError, "SGD: nesterov=True takes a momentum above 0"),
    ("Optimizer([p], None)", ArgumentError, "Optimizer: tx=None is not an optax transformation"),
    ("Optimizer([p], optax.sgd)", ArgumentError, "Optimizer: tx=<function sgd .*> is not an optax transformation"),
    ("plain.lr", ArgumentError, "Optimizer.lr: .*optax.inject_hyperparams"),
    ("setattr(plain, 'lr', 0.2)", ArgumentError, "Optimizer.lr: .*optax.inject_hyperparams"),
    ("setattr(adam, 'lr', -1)", ArgumentError, "Adam: lr=-1 is less than 0"),
    ("adam.step()", ArgumentError, r"Adam.step: no parameter has a gradient; call loss.backward\(\) first"),
    ("adam.load_state_dict({})", ArgumentError, "Adam.load_state_dict: takes a mapping with lr, kind and state"),
    ("adam.load_state_dict(sgd.state_dict())", ArgumentError, "Adam.load_state_dict: the state is that of another optimizer"),
    # Data of leaves.
    ("(t3 * 2).value", ArgumentError, r"value: this Tensor is computed or an input, and holds no data; use realize\(\)"),
    ("setattr(t3 * 2, 'value', 1.0)", ArgumentError, "value: this Tensor is computed or an input, and holds no data to change"),
    ("setattr(t3, 'value', [1.0, 2.0])", ShapeError, r"value: shape \(2,\) does not fit into \(3,\)"),
    ("setattr(t3, 'value', 'a')", ArgumentError, "value: 'a' is not a number"),
    ("setattr(p, 'value', s)", ArgumentError, "value: takes numbers, not lazy values"),
    ("setattr(p, 'value', [np.nan, 1.0])", ArgumentError, "value: a value that is learned must be finite, this one is nan"),
    ("setattr(bounded, 'value', 2.0)", ArgumentError, r"value: 2.0 .*is not inside \[0.0, 1.0\]"),
    # Settings; test_config has the others.
    ("setattr(DGen, 'sample_rate', 0)", ArgumentError, "DGen.sample_rate=0 is not above 0 Hz"),
    ("setattr(DGen, 'seed', -1)", ArgumentError, "DGen.seed=-1 is less than 0"),
    ("setattr(DGen, 'foo', 1)", ArgumentError, "DGen has no setting 'foo'; it has backend, sample_rate"),
    ("DGen.inputs.update({0: 'a'})", ArgumentError, r"inputs\[0\]: 'a' is not a number"),
    # Files; test_audio has what is in them.
    ("dg.audio.read('missing.wav')", InputError, "audio.read: missing.wav: there is no such file"),
    ("dg.audio.read('.')", InputError, "audio.read: .: this is a folder, not a file"),
    (
        "dg.audio.write('missing/x.wav', [0.0], 44100)",
        ArgumentError,
        "audio.write: missing/x.wav: there is no folder",
    ),
    ("dg.audio.write('x.mp3', [0.0], 44100)", ArgumentError, "audio.write: x.mp3: the ending is not one of .wav, .flac"),
    ("dg.audio.write('x.wav', [0.0], 0)", ArgumentError, "audio.write: x.wav: sample_rate=0 is not above 0 Hz"),
    ("dg.audio.write('x.wav', [], 44100)", ArgumentError, "audio.write: x.wav: there are no samples"),
    ("dg.audio.write('x.wav', [2.0], 44100)", ArgumentError, "audio.write: x.wav: samples of up to 2 would be clipped"),
    ("dg.audio.write('x.wav', s, 44100)", ArgumentError, "audio.write: x.wav: takes numbers, not lazy values"),
    ("dg.audio.write('x.wav', [0.0], 44100, bits=8)", ArgumentError, "audio.write: x.wav: bits=8 is not one of 16, 24, 32"),
    ("dg.audio.write('x.wav', [0.0], 44100, bits=[16])", ArgumentError, r"audio.write: x.wav: bits=\[16\] is not one of"),
    ("dg.audio.read(None)", ArgumentError, "audio.read: None"),
    ("dg.audio.write(3, [0.0], 44100)", ArgumentError, "audio.write: 3"),
]


def state():
    """What an error must not change."""
    settings = DGen.backend, DGen.sample_rate, DGen.default_frame_count, DGen.seed, dict(DGen.inputs)
    leaves = [(x.value.tolist(), x.grad) for x in (t2, t3, t23, held, p, g, bounded)]
    return (
        settings,
        leaves,
        adam.lr,
        jax.config.jax_enable_x64,
        jax.config.jax_default_device,
        np.geterr(),
        len(warnings.filters),
    )


FIRST_RANDN = Tensor.randn([2])  # of seed 0, and this is the first


@pytest.fixture(scope="module", autouse=True)
def _started():
    """JAX has started, and what the checks below compute is compiled."""
    with DGen.override(seed=0):
        FIRST_RANDN.value = Tensor.randn([2]).value
    Tensor([1.0]).realize()


ROWS = [pytest.param(*row, id=row[0]) if type(row) is tuple else row for row in CALLS]


@pytest.mark.parametrize(("call", "error", "says"), ROWS)
def test_a_wrong_call_is_an_error_at_once_and_changes_nothing(call, error, says, tmp_path, monkeypatch):
    if "audio" in call:
        pytest.importorskip("soundfile")
    monkeypatch.chdir(tmp_path)
    before = state()
    with compilations() as compiled, pytest.raises(error) as caught:
        eval(call, globals())
    message = str(caught.value)
    assert re.search(says, message), message
    assert "\n" not in message
    if issubclass(error, DGenError):
        assert re.match(says, message), message
    assert compiled == []
    assert state() == before
    assert list(tmp_path.iterdir()) == []
    assert Tensor([1.0]).realize() == [1.0]
    np.testing.assert_array_equal(Tensor.randn([2]).value, FIRST_RANDN.value)


def test_every_class_is_also_the_builtin_error_that_a_caller_expects():
    for error, builtin in {
        ShapeError: ValueError, AxisError: IndexError, ArgumentError: (ValueError, TypeError), InputError: ValueError,
        dg.BackendError: RuntimeError, dg.ArtifactError: ValueError,
    }.items():  # fmt: skip
        assert issubclass(error, DGenError)
        assert all(issubclass(error, b) for b in (builtin if isinstance(builtin, tuple) else (builtin,)))
    assert issubclass(AxisError, ShapeError)


def test_a_message_is_one_line_however_long_what_it_shows():
    with pytest.raises(ArgumentError) as caught:
        t3 + ("x" * 1000 + "\n" + "y" * 1000)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_an_error_comes_from_the_line_of_the_user():
    with pytest.raises(ShapeError) as caught:
        t3 + t2
    assert caught.traceback[0].path.name == "test_errors.py"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_stream_goes_on_after_an_error():
    ramp = Signal.from_samples([1.0, 2.0, 3.0, 4.0]).accum()
    np.testing.assert_array_equal(ramp.realize(2, preserve_state=True), [1, 3])
    for frames, error in ((3, InputError), (-1, ArgumentError), (0.5, ArgumentError)):
        with pytest.raises(error):
            ramp.realize(frames, preserve_state=True)
    np.testing.assert_array_equal(ramp.realize(2, preserve_state=True), [6, 10])


def test_an_error_in_the_body_of_a_loop_is_passed_on_and_leaves_no_trace():
    with pytest.raises(ZeroDivisionError):
        dg.feedback(lambda prev: prev * (1 / 0))
    np.testing.assert_array_equal(dg.feedback(lambda prev: held + prev).realize(), [1, 3, 6])


def test_a_failing_backward_adds_nothing_to_a_gradient():
    gain = Signal.param(2.0)
    loss = gain * held
    loss.backward()
    before = gain.grad.value
    for wrongly in ({"frames": 4}, {"frames": -1}, {"reduction": "max"}):
        with pytest.raises(DGenError):
            loss.backward(**wrongly)
    with pytest.raises(ShapeError):
        (loss * t2).backward()
    np.testing.assert_array_equal(gain.grad.value, before)


def test_what_a_function_of_the_user_raises_is_theirs():
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        dg.fit(lambda: 1 + None, steps=1, progress=False)
    assert type(caught.value) is TypeError
    with pytest.raises(TypeError, match=r"<lambda>\(\) missing 1 required positional argument: 'x'$") as caught:
        dg.fit(lambda x: x, steps=1, progress=False)
    assert type(caught.value) is TypeError


def test_an_optimizer_goes_on_after_an_error():
    weight = Tensor([1.0], requires_grad=True)
    optimizer = SGD([weight], lr=0.25)
    with pytest.raises(ArgumentError, match="no parameter has a gradient"):
        optimizer.step()
    with pytest.raises(ArgumentError, match="lr=-1"):
        optimizer.lr = -1
    with pytest.raises(ArgumentError, match="another optimizer"):
        optimizer.load_state_dict(adam.state_dict())
    weight.sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(weight.value, [0.75])
