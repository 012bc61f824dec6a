"""The contract of `check_op` finds what it says it finds: for each of its clauses, ops that break that clause and no other.

Every op here is made by a function of `error`. With 0 it is sound and passes; with 1, and also with 1 %, it must not.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract import check_op
from jax import lax

from dgenlazy import Signal, Tensor
from dgenlazy.graph import Block, Pointwise, Recurrence, pointwise, recurrence

MOVING = np.array([0.5, -1.25, 2.0, 0.75, -0.5, 1.5, -2.0, 0.25], np.float32)
SMALL = 0.01


def ramp():
    return Signal.from_samples(MOVING)


def still():
    return Tensor([0.5, -1.25, 2.0, 0.75])


def running_sum(x):
    return np.cumsum(x, axis=0)


def holds(op, *inputs, **kwargs):
    check_op(op, *inputs, **kwargs)


def breaks(op, *inputs, clause, **kwargs):
    with pytest.raises(AssertionError, match=clause):
        check_op(op, *inputs, **kwargs)


# 1. What is inferred is what is computed.


class Claims(Pointwise):
    """Doubles, and says something else about it."""

    def __init__(self, claim):
        super().__init__(lambda x: 2 * x)
        self.__name__, self.claim = "claims", claim

    def infer(self, inputs, params):
        return dataclasses.replace(super().infer(inputs, params), **self.claim)


class ClaimsToRest(Recurrence):
    def kind(self, inputs):
        return True, None


class ClaimsToMove(Block):
    def kind(self, inputs):
        return True, 1


def test_an_honest_claim_holds():
    holds(Claims({}), still(), reference=lambda x: 2 * x)
    holds(Claims({}), ramp(), reference=lambda x: 2 * x)


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"shape": (5,)}, r"shape=\(5,\).* but computed \(4,\)"),
        ({"shape": (1, 4)}, r"shape=\(1, 4\).* but computed \(4,\)"),
        ({"shape": ()}, r"shape=\(\).* but computed \(4,\)"),
        ({"dtype": np.dtype(np.float16)}, r"dtype\('float16'\).* but computed float32"),
        ({"signal": True}, "Signal"),
        ({"hop": 1}, r"hop=1.* but it does not vary"),
    ],
)
def test_a_shape_type_or_rate_that_is_not_inferred_as_computed_is_found(claim, says):
    breaks(Claims(claim), still(), clause=says)


def test_a_result_that_is_not_float32_is_found_where_inference_knows_it_too():
    breaks(pointwise(lambda x: x.astype(jnp.float16)), still(), clause=r"float16.* but computed float16", wrt=())


def test_a_recurrence_that_claims_not_to_move_is_found():
    def total(state, x):
        return state + x, state + x

    holds(Recurrence(total), ramp(), reference=running_sum)
    breaks(ClaimsToRest(total), ramp(), clause="Signal")


def test_a_value_for_the_whole_run_that_claims_to_move_is_found():
    def total(x):
        return x.sum(axis=0)

    holds(Block(total), ramp(), reference=lambda x: x.sum(axis=0, keepdims=True), signal=False)
    breaks(ClaimsToMove(total), ramp(), clause="hop=1.* but it does not vary")


# 2. It equals an independent reference.


@pytest.mark.parametrize("make", [still, ramp])
def test_another_value_than_the_reference_is_found(make):
    def op(error):
        return pointwise(lambda x: 2 * x + error)

    holds(op(0.0), make(), reference=lambda x: 2 * x)
    for error in (1.0, SMALL, 1e-4):
        breaks(op(error), make(), reference=lambda x: 2 * x, clause="reference")


def test_one_wrong_frame_or_element_is_found():
    for where, make in ((2, ramp), (3, still)):
        wrong = 2 * np.asarray(make().value)
        wrong[where] += 1e-3
        breaks(pointwise(lambda x: 2 * x), make(), reference=wrong, clause="reference")


def test_another_shape_or_a_nan_than_the_reference_is_found():
    breaks(pointwise(lambda x: 2 * x), still(), reference=lambda x: x[:, :1], clause=r"reference \(1,\), computed \(4,\)")
    breaks(pointwise(lambda x: x), Tensor([1.0, np.nan]), reference=np.float32([1, 0]), clause="reference", wrt=())


# 3. Any split into blocks is one run, in value, final state and gradient.


def always(parallel, *specs):
    return True


def only_parallel(parallel, *specs):
    return parallel


def over_blocks(carry=lambda state: state, when=always):
    """A running sum over blocks. `carry` alters what comes from the block before."""

    @recurrence
    def total(state, x):
        return state + x, state + x

    @total.parallel(when=when)
    def _(state, x, *, frames):
        y = carry(state) + jnp.cumsum(jnp.broadcast_to(x, (frames, *state.shape)), axis=0)
        return jnp.concatenate([state[None], y])[-1], y

    return total


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_state_that_is_lost_between_blocks_is_found(error):
    holds(over_blocks(), ramp(), reference=running_sum)
    breaks(over_blocks(lambda state: (1 - error) * state), ramp(), reference=running_sum, clause="blocks of")


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_a_gradient_that_is_lost_between_blocks_is_found(error):
    def leaking(state):
        return (1 - error) * state + error * lax.stop_gradient(state)

    breaks(over_blocks(leaking), ramp(), reference=running_sum, clause="gradient, blocks of")


def with_a_count(error, when):
    """A running sum whose state also counts frames. The count is not put out; over blocks it is off by `error`."""

    @recurrence(init=lambda x: (jnp.zeros_like(x), jnp.zeros_like(x)))
    def total(state, x):
        return (state[0] + x, state[1] + 1), state[0] + x

    @total.parallel(when=when)
    def _(state, x, *, frames):
        y = state[0] + jnp.cumsum(jnp.broadcast_to(x, (frames, *state[0].shape)), axis=0)
        return (jnp.concatenate([state[0][None], y])[-1], state[1] + frames + error), y

    return total


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_another_final_state_is_found(error):
    holds(with_a_count(0.0, always), ramp(), reference=running_sum)
    breaks(with_a_count(error, always), ramp(), reference=running_sum, clause="final state, blocks of .* parallel=False")


def test_a_position_that_starts_anew_in_each_block_is_found():
    class Forgets(Pointwise):
        def run(self, ctx, params, inputs, specs):
            return super().run(ctx._replace(start=0), params, inputs, specs)

    def clock(x, *, frame):
        return x * jnp.asarray(frame, x.dtype)

    expected = MOVING * np.arange(len(MOVING), dtype=np.float32)
    holds(Pointwise(clock), ramp(), reference=expected)
    breaks(Forgets(clock), ramp(), reference=expected, clause="blocks of")


def test_a_value_that_depends_on_the_length_of_its_block_is_found():
    class Averages(Pointwise):
        def run(self, ctx, params, inputs, specs):
            y = super().run(ctx, params, inputs, specs)
            return y - SMALL * y.mean(axis=0)

    holds(Pointwise(lambda x: x), ramp())
    breaks(Averages(lambda x: x), ramp(), clause="blocks of")


# 4. Every plan and parallel form is the loop.


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_a_parallel_form_that_is_not_the_loop_is_found(error):
    holds(over_blocks(when=only_parallel), ramp(), reference=running_sum)
    off = over_blocks(lambda state: state + error, only_parallel)
    breaks(off, ramp(), reference=running_sum, clause="(?m)^(parallel|blocks of .* parallel=True)$")


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_a_parallel_form_with_another_gradient_is_found(error):
    @recurrence
    def total(state, x):
        return state + x, state + x

    @total.parallel
    def _(state, x, *, frames):
        x = (1 - error) * x + error * lax.stop_gradient(x)
        y = state + jnp.cumsum(jnp.broadcast_to(x, (frames, *state.shape)), axis=0)
        return jnp.concatenate([state[None], y])[-1], y

    breaks(total, ramp(), reference=running_sum, clause="gradient, (parallel|blocks of .* parallel=True)")


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_a_parallel_form_that_leaves_another_state_is_found(error):
    holds(with_a_count(0.0, only_parallel), ramp(), reference=running_sum)
    breaks(with_a_count(error, only_parallel), ramp(), clause="final state, (parallel|blocks of .* parallel=True)")


def test_exact_holds_every_way_to_the_last_bit():
    nearly = over_blocks(lambda state: state + 1e-6, only_parallel)
    holds(nearly, ramp(), reference=running_sum, wrt=())
    breaks(nearly, ramp(), reference=running_sum, wrt=(), exact=True, clause="parallel")


# 5. Gradients are those of finite differences.


def with_slope(error, only=None):
    """The square, with a gradient that is off by the share `error`, in one precision `only` if it is given."""

    @jax.custom_jvp
    def square(x):
        return x * x

    @square.defjvp
    def _(primals, tangents):
        (x,), (dx,) = primals, tangents
        wrong = 1 + error * (only is None or x.dtype == only)
        return x * x, 2 * wrong * x * dx

    return pointwise(square)


@pytest.mark.parametrize("make", [still, ramp])
@pytest.mark.parametrize("error", [-2.0, -1.0, 1.0, SMALL])
def test_a_wrong_gradient_is_found(make, error):
    breaks(with_slope(error), make(), reference=np.square, clause="gradient to leaf 0 and finite differences")


def test_the_right_gradient_holds():
    holds(with_slope(0.0), still(), reference=np.square)
    holds(with_slope(0.0), ramp(), reference=np.square)


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_a_gradient_that_is_wrong_only_in_float32_is_found(error):
    breaks(with_slope(error, np.float32), still(), reference=np.square, clause="gradient to leaf 0 in float32")


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_a_gradient_that_is_truncated_in_time_in_every_plan_is_found(error):
    def op(error):
        def decay(y, x):
            y = (1 - error) * y + error * lax.stop_gradient(y)
            return 0.5 * y + x, 0.5 * y + x

        return recurrence(decay)

    holds(op(0.0), ramp())
    breaks(op(error), ramp(), clause="gradient to leaf 0 and finite differences")


def test_a_gradient_to_the_second_of_two_inputs_is_found():
    def op(error):
        return pointwise(lambda x, y: x * ((1 - error) * y + error * lax.stop_gradient(y)))

    holds(op(0.0), still(), still(), reference=np.multiply)
    breaks(op(SMALL), still(), still(), reference=np.multiply, clause="gradient to leaf 1 and finite differences")


def test_an_infinite_gradient_is_found():
    breaks(pointwise(lambda x: jnp.sqrt(x * x)), Tensor([0.0, 1.0]), clause="gradient to leaf 0 and finite differences")


# 6. A batch is its elements one by one. The contract's batch has three; no other axis here has.


def in_a_batch(alone, together):
    """`alone`, but `together` over the first axis where `vmap` makes a batch of three of it, over frames or not."""
    function = jax.custom_batching.custom_vmap(alone)

    @function.def_vmap
    def _(size, batched, x):
        if size != 3:
            return in_a_batch(jax.vmap(alone), jax.vmap(together, 1, 1))(x), True
        return together(x), True

    return function


def test_elements_that_leak_into_each_other_are_found():
    def peak(x):
        return jnp.max(jnp.abs(x))

    def op(together):
        scale = in_a_batch(peak, together)
        return pointwise(lambda x: x / scale(lax.stop_gradient(x)))

    own, mixed = jax.vmap(peak), lambda x: jnp.full(x.shape[:1], peak(x))
    holds(op(own), still(), reference=lambda x: x / np.abs(x).max(), wrt=())
    breaks(op(mixed), still(), reference=lambda x: x / np.abs(x).max(), wrt=(), clause="element 1 of a batch")


@pytest.mark.parametrize("make", [still, ramp])
@pytest.mark.parametrize("error", [1.0, SMALL])
def test_another_value_in_a_batch_is_found(make, error):
    def op(error):
        one = in_a_batch(lambda x: jnp.ones_like(x), lambda x: jnp.ones_like(x) + error)
        return pointwise(lambda x: x * one(lax.stop_gradient(x)))

    holds(op(0.0), make(), reference=lambda x: x)
    breaks(op(error), make(), reference=lambda x: x, clause="element 0 of a batch")


@pytest.mark.parametrize("error", [1.0, SMALL])
def test_another_gradient_in_a_batch_is_found(error):
    def op(error):
        one = in_a_batch(lambda x: jnp.ones_like(x), lambda x: jnp.ones_like(x) + error)

        def same(x):
            share = one(lax.stop_gradient(x)) - 1
            return x + share * (x - lax.stop_gradient(x))

        return pointwise(same)

    holds(op(0.0), still(), reference=lambda x: x)
    breaks(op(error), still(), reference=lambda x: x, clause="element 0 of a batch")


def test_state_that_is_shared_by_a_batch_is_found():
    def op(together):
        keep = in_a_batch(lambda y: y, together)

        def total(y, x):
            y = keep(lax.stop_gradient(y)) + x
            return y, y

        return recurrence(total)

    holds(op(lambda y: y), ramp(), wrt=())
    breaks(op(lambda y: y + SMALL * y.mean()), ramp(), wrt=(), clause="element 0 of a batch")
