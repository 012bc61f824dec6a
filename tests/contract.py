"""The contract that every op keeps, in one function (after verify_contract of google/sequence-layers)."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from dgenlazy import DGen, Signal, SignalTensor, Tensor
from dgenlazy.graph import Block, Context, Data, Input, Number, Recurrence, Seed, Value
from dgenlazy.run import initial_state, latency, run, stage, step

FRAMES = 12


def check_op(
    op,
    *inputs,
    reference=None,
    params={},
    signal=None,
    wrt=None,
    tol=1e-5,
    exact=False,
    circular=False,
    eps=1e-6,
    gradient_tol=1e-5,
    frames=None,
    sample_rate=1000.0,
    samples={},
):
    """Hold `op(*inputs, **params)` to the contract, or raise an AssertionError.

    Args:
        op: What a user calls.
        inputs: Lazy values that hold data, numbers, arrays, lists of them.
        reference: `(*operands, **params) -> (frames, *shape)`, see `references`; or the array itself.
        signal: Whether the result is of the Signal family; by default when an input is.
        wrt: Which inputs the gradient is taken to; all that are not integers by default, none with `()`.
        tol: Distance allowed from the reference and from one way of computing it to another, absolute and relative.
        exact: Whether ways to compute it must agree in every bit.
        circular: Whether values are phases, where 0.99999 and 0 are close.
        eps: Step of the finite differences, relative to the value or to 1.
        gradient_tol: Distance allowed from them, relative to the largest.
        frames: Of the run; by default what the shortest input holds, else 12.
        sample_rate: In Hz.
        samples: Of the input channels.
    """
    value = op(*inputs, **params)
    program, leaves = stage([value.node])
    held = [leaf.frames for leaf in leaves if isinstance(leaf, Data) and leaf.spec.varies]
    frames = min(held + [len(x) for x in samples.values()], default=FRAMES) if frames is None else frames
    values = [_data(leaf, samples, frames) for leaf in leaves]
    ways = Ways(program, frames, sample_rate)
    picked = _smooth(leaves, inputs, wrt)

    everything = jax.jit(lambda values: {name: ways.graded(way, picked)(values) for name, way in ways.all().items()})
    batch = [_variants(v, leaf) for v, leaf in zip(values, leaves)]
    singles = [everything([b[i] for b in batch]) for i in range(3)]

    # 1. What is inferred is what is computed.
    (whole, _), _ = singles[0]["whole"]
    spec = value.node.spec
    given = [x for x in jax.tree.leaves(inputs) if isinstance(x, Value)]
    family = any(x.is_frame_varying for x in given) if signal is None else signal
    assert type(value) is (Tensor if not family else SignalTensor if whole.shape[spec.varies :] else Signal), type(value)
    assert spec.varies == ways.moves, f"{spec}, but it {'varies' if ways.moves else 'does not vary'}"
    ticks = (-(-frames // spec.every),) * spec.varies
    assert whole.shape == ticks + spec.shape, f"{spec} but computed {whole.shape}"
    assert whole.dtype == spec.dtype == np.float32, f"{spec} but computed {whole.dtype}"

    # 2. It equals an independent reference.
    if callable(reference):
        count = frames if program.varies else 1
        with np.errstate(all="ignore"):
            reference = reference(*jax.tree.map(lambda x: _operand(x, count), inputs), **params)
            reference = np.asarray(reference, np.float32)
        reference = reference if spec.varies else reference[0]
    if reference is not None:
        assert np.shape(reference) == whole.shape, f"reference {np.shape(reference)}, computed {whole.shape}"
        if circular:
            reference = whole - (whole - reference + 0.5) % 1 + 0.5
        close(whole, reference, tol, "reference")

    # 3, 4. Any split into blocks, and any plan, is the same in value, final state and gradient.
    (y, state), gradient = singles[0].get("frame by frame", singles[0]["whole"])
    for name, ((other, after), other_gradient) in singles[0].items():
        close(other, y, 0 if exact else tol, name)
        if not program.rated:  # a whole run leaves no state to go on from where some of it looks ahead
            jax.tree.map(lambda a, b, name=name: close(a, b, 0 if exact else tol, f"final state, {name}"), after, state)
        jax.tree.map(lambda a, b, name=name: close_to_scale(a, b, 10 * tol, f"gradient, {name}"), other_gradient, gradient)

    # 5. Gradients are those of finite differences.
    if picked:
        with double_precision():
            doubled = [np.float64(v) if np.asarray(v).dtype == np.float32 else v for v in values]
            exactly, numeric = jax.jit(lambda v: differences(ways, picked, v, eps))(doubled)
        for i in picked:
            close_to_scale(exactly[i], numeric[i], gradient_tol, f"gradient to leaf {i} and finite differences")
            close_to_scale(gradient[i], exactly[i], max(1e-3, gradient_tol), f"gradient to leaf {i} in float32")

    # 6. A batch is its elements one by one.
    axes = [None if b[0] is b[1] else 0 for b in batch]
    if any(axis == 0 for axis in axes):
        plans = ["whole"] + ["parallel"] * ways.registered
        together = jax.vmap(lambda values: {name: ways.graded(ways.all()[name], picked)(values) for name in plans}, (axes,))
        at_once = jax.jit(together)([np.stack(b) if axis == 0 else b[0] for b, axis in zip(batch, axes)])
        for i, single in enumerate(singles):
            one, single = jax.tree.map(lambda x, i=i: x[i], at_once), {name: single[name] for name in plans}
            jax.tree.map(lambda a, b, i=i: close_to_scale(a, b, 10 * tol, f"element {i} of a batch"), one, single)


class Ways:
    """The ways to run one program. Each is a pure function of the leaves: `values -> (output, final state)`."""

    def __init__(self, program, frames, sample_rate):
        self.program, self.frames, self.sample_rate = program, frames, sample_rate
        self.recurs = any(isinstance(line.op, Recurrence) for line in program.lines)
        self.registered = any(isinstance(line.op, Recurrence) and line.op.block_form is not None for line in program.lines)
        self.blocks = any(isinstance(line.op, Block) for line in program.lines)
        counts = any("frame" in line.op.injected for line in program.lines)
        self.moves = not self.blocks and (self.recurs or counts or any(spec.varies for spec in program.leaves))

    def all(self):
        ways = {"whole": self.whole}
        if self.recurs:
            ways["parallel"] = lambda values: self.whole(values, parallel=True)
        if self.program.rated and not self.blocks:
            n = self.frames + self.program.latency
            for cuts in (range(n + 1), (*range(0, n, 5), n)):
                ways[f"a stream in blocks of {cuts[1]}"] = lambda values, cuts=cuts: self.streamed(values, cuts)
        elif self.program.varies and not self.blocks:
            ways["frame by frame"] = self.frame_by_frame
            n = self.frames
            cuts = [(0, 0, min(1, n), n)]
            cuts += [(0, n // 3, n // 3, n)] * self.registered  # plans of the engine have tests of their own
            for at, parallel in zip(cuts, (False, True)):
                name = f"blocks of {[b - a for a, b in itertools.pairwise(at)]}, parallel={parallel}"
                ways[name] = lambda values, at=at, parallel=parallel: self.split(values, at, parallel)
        return ways

    def context(self, frames, start, parallel=False):
        return Context(sample_rate=self.sample_rate, frames=frames, start=start, parallel=parallel)

    def block(self, values, state, start, stop, parallel):
        ctx = self.context(stop - start, jnp.uint32(start), parallel)
        part = [v[start:stop] if spec.varies else v for v, spec in zip(values, self.program.leaves)]
        (y,), state = run(self.program, ctx, part, initial_state(self.program, ctx, part) if state is None else state)
        return y, state

    def whole(self, values, parallel=False):
        if not self.program.rated:
            return self.block(values, None, 0, self.frames, parallel)
        ahead = self.program.latency
        ctx = self.context(self.frames, np.uint32(0), parallel)._replace(ahead=ahead)
        values = [extended(v, spec, self.frames + ahead) for v, spec in zip(values, self.program.leaves)]
        (y,), _ = run(self.program, ctx, values, initial_state(self.program, ctx, values))
        return y, ()

    def streamed(self, values, cuts):
        """Block after block, until all that is late has come; without the zeros before it."""
        program, state, out = self.program, None, []
        (spec,), (end,) = program.output_specs, program.outputs
        values = [extended(v, s, self.frames + program.latency) for v, s in zip(values, program.leaves)]
        for start, stop in itertools.pairwise(cuts):
            ctx = self.context(stop - start, jnp.uint32(start))
            part = [ticks_of(v, s, start, stop) for v, s in zip(values, program.leaves)]
            (y,), state = run(program, ctx, part, initial_state(program, ctx, part) if state is None else state)
            out.append(y[: latency.ticks(program, end, start, stop - start)])
        return jnp.concatenate(out)[program.latency // spec.every :][: -(-self.frames // spec.every)], ()

    def split(self, values, cuts, parallel):
        """Block after block, the state carried over."""
        out, state = [], None
        for start, stop in itertools.pairwise(cuts):
            y, state = self.block(values, state, start, stop, parallel)
            out.append(y)
        return (jnp.concatenate(out) if self.program.output_specs[0].varies else out[-1]), state

    def frame_by_frame(self, values):
        """The obvious slow plan: every op one step, over and over."""
        varies = [spec.varies for spec in self.program.leaves]

        def body(carry, moving):
            state, n = carry
            moving = iter(moving)
            now = [next(moving) if moves else v for moves, v in zip(varies, values)]
            (y,), state = step(self.program, self.context(1, n), now, state)
            return (state, n + 1), y

        first = initial_state(self.program, self.context(self.frames, jnp.uint32(0)), values)
        moving = [v for v, moves in zip(values, varies) if moves]
        (state, _), y = jax.lax.scan(body, (first, jnp.uint32(0)), moving, length=self.frames)
        return (y if self.program.output_specs[0].varies else y[-1]), state

    def graded(self, way, picked):
        """`values -> ((output, final state), gradient)`, the gradient of a weighted sum of the output."""

        def loss(some, values):
            y, state = way([some.get(i, v) for i, v in enumerate(values)])
            weights = np.random.default_rng(0).uniform(0.5, 1.5, y.shape) * np.where(np.arange(y.size) % 3, 1, -1).reshape(
                y.shape
            )
            return (y * jnp.asarray(weights, y.dtype)).sum(), (y, state)

        def both(values):
            gradient, out = jax.grad(loss, has_aux=True)({i: values[i] for i in picked}, values)
            return out, gradient

        return both


def extended(value, spec, frames):
    """Samples for so many frames: beyond their end zeros, or of ticks the last again."""
    if not spec.varies:
        return value
    missing = max(-(-frames // spec.every) - len(value), 0)
    last = value[-1:] if spec.every > 1 else jnp.zeros_like(value[:1])
    return jnp.concatenate([value, jnp.broadcast_to(last, (missing, *value.shape[1:]))])


def ticks_of(value, spec, start, stop):
    """The samples of a block, as many as it may hold ticks."""
    if not spec.varies:
        return value
    first, slots = -(-start // spec.every), -(-(stop - start) // spec.every)
    return extended(value, spec, (first + slots) * spec.every)[first : first + slots]


def differences(ways, picked, values, eps):
    """The gradient, and the same by central differences in every element."""
    flat, rebuild = ravel_pytree({i: values[i] for i in picked})

    def loss(flat):
        some = rebuild(flat)
        y = ways.whole([some.get(i, v) for i, v in enumerate(values)])[0]
        weights = np.random.default_rng(0).uniform(0.5, 1.5, y.shape) * np.where(np.arange(y.size) % 3, 1, -1).reshape(y.shape)
        return (y * weights).sum()

    width = eps * jnp.maximum(jnp.abs(flat), 1.0)
    slope = jax.lax.map(lambda unit: loss(flat + unit * width) - loss(flat - unit * width), jnp.eye(flat.size)) / (2 * width)
    return rebuild(jax.grad(loss)(flat)), rebuild(slope)


def close(a, b, tol, what):
    if tol == 0 or not jnp.issubdtype(jnp.result_type(b), jnp.inexact):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), what)
    else:
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol, err_msg=what)


def close_to_scale(a, b, tol, what):
    """As close as `tol` times the largest of `b`."""
    a, b = np.asarray(a), np.asarray(b)
    finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind == "f" else np.zeros(0)
    np.testing.assert_allclose(a, b, rtol=tol, atol=tol * np.max(finite, initial=1e-3), err_msg=what)


def double_precision():
    """float64 inside a `with`: the name depends on the version of JAX."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


def _data(leaf, samples, frames):
    """What a leaf brings into the run."""
    match leaf:
        case Number():
            return np.float32(leaf.number)
        case Data():
            return np.asarray(leaf.array)[: -(-frames // leaf.spec.every)] if leaf.spec.varies else np.asarray(leaf.array)
        case Input():
            return np.asarray(samples[leaf.channel], np.float32)[:frames]
        case Seed():
            return np.array([DGen.seed, *((0, leaf.number) if leaf.seed is None else (1, leaf.seed))], np.uint32)
    raise AssertionError(f"{leaf} has no data")


def _operand(x, frames):
    """An input as its reference takes it: float64, the frame axis first."""
    if callable(x):
        return x
    if isinstance(x, Value):
        data = np.asarray(x.value, np.float64)
        return data[: -(-frames // x.node.spec.every)] if x.hop else np.broadcast_to(data, (frames, *data.shape))
    data = np.asarray(x, np.float32).astype(np.float64)
    return np.broadcast_to(data, (frames, *data.shape))


def _smooth(leaves, inputs, wrt):
    """The numbers of the leaves that the gradient is taken to."""
    operands = jax.tree.leaves(inputs)
    nodes = None if wrt is None else [operands[i].node for i in wrt]
    floats = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Data) and leaf.spec.dtype == np.float32]
    return [i for i in floats if nodes is None or leaves[i] in nodes]


def _variants(value, leaf):
    """Three elements of a batch: the value itself, and two like it."""
    if not isinstance(leaf, Data) or leaf.spec.dtype != np.float32:
        return [value] * 3
    return [
        value,
        np.float32(0.9) * np.roll(value, 1),
        np.float32(0.8) * value[::-1] if value.ndim else np.float32(0.8) * value,
    ]
