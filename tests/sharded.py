"""Training steps on many devices, for `test_devices.py`, which runs them in processes of their own.

    python tests/sharded.py batch              8 devices, each with a part of the batch
    python tests/sharded.py lanes              4 x 2 devices, each with a part of the batch and a part of the lanes
    python tests/sharded.py PROCESS ADDRESS    one of two processes with 4 devices each

Nothing here is special to the library: `jit`, a mesh, and shardings of the arrays. Prints, as JSON by the name of the model,
the losses and gradients of each step on many devices ("many") and on one ("one"), and what the devices send each other.
"""

import functools as ft
import json
import os
import re
import sys

if __name__ == "__main__":  # before JAX starts
    count = 4 if sys.argv[1].isdigit() else 8
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count} --xla_cpu_multi_thread_eigen=false"
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

import dgenlazy as dg
from dgenlazy import Signal, Tensor
from dgenlazy.recurrence import loops

loops.limit = lambda: 1024  # else no lanes are run in tiles

shard_map = getattr(jax, "shard_map", None)
if shard_map is None:  # jax before 0.6
    from jax.experimental.shard_map import shard_map

BATCH, FRAMES, STEPS, LANES = 16, 256, 4, 16
COLLECTIVE = re.compile(r"= (\(.*?\)|\S+) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")


# Models: a loss, of input 0 and what it should become, input 1.


def biquad():
    octave, q = Signal.param(0.5), Signal.param(0.8)
    return dg.mse(Signal.input(0).biquad(500 * 2**octave, q), Signal.input(1))


def bank():
    """Lanes that a CPU runs tile by tile."""
    gains = Tensor(np.linspace(0.1, 1, LANES), requires_grad=True)
    filtered = (Signal.input(0) * gains).biquad(np.geomspace(100, 8000, LANES), 2.0)
    return dg.mse(filtered.sum(), Signal.input(1))


def tanh_bank(plan="auto", lanes=LANES):
    rates, x = Tensor(np.linspace(0.1, 0.5, lanes), requires_grad=True), Signal.input(0)
    pole = dg.feedback(lambda y: y + rates * ((x - 2 * y).tanh() - y.tanh()), np.zeros(lanes), plan=plan)
    return dg.mse(pole.sum(), Signal.input(1))


def newton():
    return tanh_bank("newton", 2)


def linear():
    pole, x = Tensor([0.1, 0.9], requires_grad=True), Signal.input(0)
    return dg.mse(dg.feedback(lambda y: x + pole * y, np.zeros(2), plan="linear").sum(), Signal.input(1))


def echo():
    """Noise, and a loop that runs in blocks."""
    gain = Signal.param(0.7)
    return dg.mse(dg.feedback(lambda y: Signal.noise(seed=1) + Signal.input(0) + gain * y.delay(99.5)), Signal.input(1))


def spectrum():
    freq, level = Tensor(np.linspace(200, 2000, LANES)), Tensor(np.ones(LANES), requires_grad=True)
    partials = (Signal.phasor(freq) * 2 * np.pi).sin() * level
    return dg.spectral_loss(partials.sum() * Signal.input(0), Signal.input(1), window_size=[64, 128])


# Training, as a user writes it.


def trained(loss, mesh, put, mapped=False):
    """Losses and gradients of a few steps, and what the devices of `mesh` send each other in one of them.

    Args:
        put: Places an array whose first axis is the batch.
        mapped: Whether each device maps over its examples by itself. XLA alone would give it all of them for an FFT.
    """
    fn = dg.function({"loss": loss}, inputs={"x": Signal.input(0), "y": Signal.input(1)})
    tx = optax.sgd(1e-3)

    def losses(params, x, y):
        return jax.vmap(lambda x, y: fn(params, {"x": x, "y": y})[0]["loss"].mean())(x, y)

    if mapped:
        losses = shard_map(losses, mesh=mesh, in_specs=(P(), P("batch"), P("batch")), out_specs=P("batch"))

    def mean_loss(params, x, y):
        return losses(params, x, y).mean()

    def step(params, state, x, y):
        loss, grads = jax.value_and_grad(mean_loss)(params, x, y)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss, grads

    shared = NamedSharding(mesh, P())
    compiled = jax.jit(step, out_shardings=shared)
    params = jax.device_put([np.asarray(p) for p in fn.params], shared)
    x, y = (put(a) for a in np.random.default_rng(0).normal(size=(2, BATCH, FRAMES)).astype(np.float32))
    state, out = jax.device_put(tx.init(params), shared), []
    text = compiled.lower(params, state, x, y).compile().as_text()
    for _ in range(STEPS):
        params, state, loss, grads = compiled(params, state, x, y)
        out.append([float(loss), *[np.asarray(g).tolist() for g in grads]])
    return out, COLLECTIVE.findall(text)


def batch():
    """Each device has two examples; parameters are on all."""
    out = {}
    for model in (biquad, bank, tanh_bank, newton, linear, echo, spectrum):
        made = {}
        for name, devices in (("one", jax.devices()[:1]), ("many", jax.devices())):
            mesh = Mesh(np.array(devices), ("batch",))
            place = NamedSharding(mesh, P("batch"))
            made[name], made["sent"] = trained(model(), mesh, ft.partial(jax.device_put, device=place), model is spectrum)
        out[model.__name__] = made
    return out | ({"mapped": mapped()} if jax.__version_info__ >= (0, 7, 2) else {})


def mapped():
    """Each device maps over its own examples, in `shard_map` as JAX has it by default."""
    x, scale = Signal.input(0), Signal.param
    outputs = {
        "pole": dg.feedback(lambda y: x + scale(0.4) * y.tanh()),
        "echo": dg.feedback(lambda y: x + scale(0.7) * y.delay(20.5)),
        "gate": dg.adsr(x > 0, 0.001, 0.001, scale(0.5), 0.002),
    }
    fn, mesh = dg.function(outputs), Mesh(np.array(jax.devices()), ("batch",))
    examples = np.random.default_rng(0).normal(size=(BATCH, 64)).astype(np.float32)
    params = [np.asarray(p) for p in fn.params]

    def mean_squares(params, x):
        return {name: jnp.mean(y**2) for name, y in fn(params, {0: x})[0].items()}

    def mean_loss(params, x):
        found = jax.tree.map(jnp.mean, jax.vmap(ft.partial(mean_squares, params))(x))
        return sum(found.values()), found

    def inside(params, x):
        def loss(params):
            return jax.lax.pmean(mean_loss(params, x), "batch")

        return jax.value_and_grad(loss, has_aux=True)(params)

    def around(params, x):
        def each(params, x):  # in blocks, of one example after another
            def block(state, x):
                outputs, state = fn(params, {0: x}, state)
                return state, outputs

            def example(x):
                first = fn.initial_state(params, {0: x[:32]})
                made = jax.lax.scan(block, first, x.reshape(2, 32))[1]
                return jax.tree.map(lambda y: jnp.mean(y**2), made)

            return jax.lax.map(example, x)

        def loss(params):
            found = shard_map(each, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P("batch"))(params, x)
            found = jax.tree.map(jnp.mean, found)
            return sum(found.values()), found

        return jax.value_and_grad(loss, has_aux=True)(params)

    runs = {
        "one": jax.value_and_grad(mean_loss, has_aux=True),
        "inside": shard_map(inside, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P()),
        "around": around,
    }
    made = {name: jax.jit(run)(params, examples) for name, run in runs.items()}
    return {name: jax.tree.map(lambda x: np.asarray(x).tolist(), (found, grads)) for name, ((_, found), grads) in made.items()}


def process(index, address):
    """Half of the examples are in this process. `bank` is trained."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # what newer versions do anyway
    jax.distributed.initialize(address, num_processes=2, process_id=index)
    mesh = Mesh(np.array(jax.devices()), ("batch",))

    def put(array):
        own = array[index * BATCH // 2 :][: BATCH // 2]
        return jax.make_array_from_process_local_data(NamedSharding(mesh, P("batch")), own)

    losses, sent = trained(bank(), mesh, put)
    played = Signal.from_samples([1.0, 2.0]).onepole(0.5).realize().tolist()  # on a device of this process
    return {"bank": {"many": losses, "sent": sent}, "devices": jax.device_count(), "played": played}


# Lanes as a second axis: controls (frames, lanes) per example, and a parameter per lane.


def controlled_bank(x, cutoffs, gains):
    return (x * gains).biquad(cutoffs, 2.0)


def controlled_loop(plan):
    def bank(x, cutoffs, gains):
        bend = dg.tanh if plan == "newton" else lambda y: y
        return dg.feedback(lambda y: bend(x * gains + cutoffs * 1e-4 * y), np.zeros(gains.shape), plan=plan)

    return bank


def lanes():
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("batch", "lanes"))
    out = {}
    for name, model, width in (
        ("few lanes", controlled_bank, 4),
        ("tiles of lanes", controlled_bank, LANES),
        ("many lanes", controlled_bank, 256),
        ("linear", controlled_loop("linear"), 4),
        ("newton", controlled_loop("newton"), 4),
    ):
        x, cutoffs = Signal.input(0), Signal.from_samples(np.ones((FRAMES, width), np.float32))
        gains = Tensor(np.ones(width), requires_grad=True)
        fn = dg.function(model(x, cutoffs, gains).sum(), params=[gains], inputs={"x": x, "cutoffs": cutoffs})

        def mean_loss(params, x, cutoffs, fn=fn):
            return jnp.mean(jax.vmap(lambda x, c: jnp.mean(fn(params, {"x": x, "cutoffs": c})[0] ** 2))(x, cutoffs))

        random = np.random.default_rng(0)
        x = random.normal(size=(BATCH, FRAMES)).astype(np.float32)
        cutoffs = random.uniform(100, 5000, (BATCH, FRAMES, width)).astype(np.float32)
        params = [np.asarray(p) for p in fn.params]
        step = jax.jit(jax.value_and_grad(mean_loss))
        one = step(params, x, cutoffs)
        specs = P("lanes"), P("batch"), P("batch", None, "lanes")
        placed = [jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip((*params, x, cutoffs), specs)]
        compiled = step.lower([placed[0]], *placed[1:]).compile()
        many = compiled([placed[0]], *placed[1:])
        made = {key: [[float(loss), np.asarray(grad).tolist()]] for key, (loss, (grad,)) in (("one", one), ("many", many))}
        out[name] = made | {"sent": COLLECTIVE.findall(compiled.as_text())}
    return out


if __name__ == "__main__":
    which = sys.argv[1]
    found = process(int(which), sys.argv[2]) if which.isdigit() else {"batch": batch, "lanes": lanes}[which]()
    print(json.dumps(found))
