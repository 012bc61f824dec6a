"""Many devices: the step of one device, in a user's `jit` with shardings, gives the same losses and sends only what it must."""

import json
import math
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "sharded.py"
BATCHED = ["biquad", "bank", "tanh_bank", "newton", "linear", "echo", "spectrum"]
BY_LANES = ["few lanes", "tiles of lanes", "many lanes", "linear", "newton"]


def start(*arguments):
    """The script in a process of its own: how many devices there are is decided when JAX starts."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


def environment():
    return {name: x for name, x in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}


def result(process):
    out, errors = process.communicate(timeout=300)
    assert not process.returncode, errors
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def batch():
    return result(start("batch"))


@pytest.fixture(scope="module")
def lanes():
    return result(start("lanes"))


def assert_same(many, one):
    """Losses to 1e-6, gradients to 5e-6 of their largest number, in every step."""
    assert len(many) == len(one) > 0
    for (loss, *grads), (expected, *wanted) in zip(many, one):
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
        for grad, want in zip(grads, wanted, strict=True):
            np.testing.assert_allclose(grad, want, rtol=0, atol=5e-6 * np.abs(want).max())


def sizes(sent, *kinds):
    """How many numbers each collective of these kinds gives a device."""
    found = []
    for shapes, kind in sent:
        if kind in kinds:
            found += [math.prod(int(n) for n in dims.split(",") if n) for dims in re.findall(r"\w\[([\d,]*)\]", shapes)]
    return found


# A part of the batch on each of 8 devices.


@pytest.mark.parametrize("model", BATCHED)
def test_a_sharded_batch_gives_the_losses_and_gradients_of_one_device(batch, model):
    assert_same(batch[model]["many"], batch[model]["one"])


@pytest.mark.parametrize("model", BATCHED)
def test_devices_send_each_other_sums_of_gradients_and_nothing_of_the_batch(batch, model):
    sent = batch[model]["sent"]
    assert {kind for _, kind in sent} == {"all-reduce"}
    largest = max(np.size(grad) for grad in batch[model]["one"][0][1:])
    shared = 256 if model == "spectrum" else 0  # the gradient to the sines, which all examples share
    coefficients = 5  # of a filter that all examples share: their gradients are summed together
    assert max(sizes(sent, "all-reduce")) <= max(largest, shared, coefficients) < 2 * 256  # a device's examples


def test_training_moves_the_loss(batch):
    for model in BATCHED:
        losses = [step[0] for step in batch[model]["many"]]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < losses[0]


# Each device maps over its own examples.


@pytest.mark.skipif(jax.__version_info__ < (0, 7, 2), reason="takes check_vma=False")
@pytest.mark.parametrize("gradient", ["inside", "around"])
def test_recurrences_in_shard_map_are_those_of_one_device(batch, gradient):
    (found, grads), (expected, wanted) = batch["mapped"][gradient], batch["mapped"]["one"]
    assert found.keys() == expected.keys() >= {"pole", "echo", "gate"}
    np.testing.assert_allclose([*found.values()], [*expected.values()], rtol=1e-6)
    for grad, want in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(grad, want, rtol=2e-5, atol=2e-5 * np.abs(want).max())


# A part of the batch and a part of the lanes on each of 4 x 2.


@pytest.mark.parametrize("model", BY_LANES)
def test_sharded_lanes_give_the_losses_and_gradients_of_one_device(lanes, model):
    assert_same(lanes[model]["many"], lanes[model]["one"])


@pytest.mark.parametrize("model", [model for model in BY_LANES if model != "tiles of lanes"])  # which a CPU slices
def test_lanes_stay_on_their_devices(lanes, model):
    sent = lanes[model]["sent"]
    assert not sizes(sent, "all-gather", "all-to-all", "reduce-scatter")
    assert max(sizes(sent, "all-reduce", "collective-permute")) <= 4 * 256  # the sum over lanes, for a device's 4 examples


def test_no_device_gets_the_examples_of_another_where_lanes_are_gathered(lanes):
    sent = lanes["tiles of lanes"]["sent"]
    assert max(sizes(sent, "all-gather")) == 4 * 256 * 16


# Two processes with 4 devices each.


def test_two_processes_give_the_losses_and_gradients_of_one_device(batch):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    processes = [start(str(index), address) for index in range(2)]
    try:
        first, second = [result(p) for p in processes]
    finally:
        for p in processes:
            p.kill()
    assert first == second
    assert first["devices"] == 8
    assert first["played"] == [0.5, 1.25]
    assert_same(first["bank"]["many"], batch["bank"]["one"])
    assert {kind for _, kind in first["bank"]["sent"]} == {"all-reduce"}
