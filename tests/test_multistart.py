"""Search from many starts: what it finds, where it begins, and that it never leaves the parameters worse than they were."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from compilations import compilations
from quick import THOROUGH

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, ShapeError, Signal, Tensor

METHODS = ["adam", "lbfgs", "newton"] + ["cma-es"] * (importlib.util.find_spec("cma") is not None)


def search(loss, params=None, **options):
    return dg.multistart(loss, params, **{"frames": 1, "starts": 8, "steps": 40, "progress": False, **options})


def valleys(low=-4.0, high=4.0, start=3.0):
    """Two valleys, at 1 and, deeper, near -1.0123."""
    x = Signal.param(start, min=low, max=high)
    return (x**2 - 1) ** 2 + 0.1 * x, x


LEAST = -1.012273  # of 4 x^3 - 4 x + 0.1


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_deeper_valley_from_the_wrong_side(method):
    loss, x = valleys()
    w = Tensor([5.0, 5.0], requires_grad=True)
    found = search(loss + ((w - Tensor([1.0, -2.0])) ** 2).sum(), method=method)
    assert x.value == pytest.approx(LEAST, abs=1e-3)
    np.testing.assert_allclose(w.value, [1.0, -2.0], atol=1e-3)
    assert found.best_loss == pytest.approx((LEAST**2 - 1) ** 2 + 0.1 * LEAST, abs=1e-5)
    assert found.best[0] == x.value
    assert found.losses[found.best_start] == found.best_loss == found.losses.min()


@pytest.mark.skipif("cma-es" not in METHODS, reason="there is no cma")
@pytest.mark.parametrize("starts", [1, 4])
def test_one_number_is_found_by_few_individuals(starts):
    x = Signal.param(0.9, min=0.0, max=1.0)
    search((x - 0.3) ** 2, starts=starts, method="cma-es")
    assert x.value == pytest.approx(0.3, abs=1e-3)


def test_the_losses_that_are_told_are_those_of_the_ends_and_of_the_starts():
    loss, x = valleys()
    found = search(loss, starts=4, steps=5, polish=2)
    for told, values in ((found.first, found.starts[0]), (found.losses, found.ends[0])):
        for a, value in zip(told, values):
            x.value = value
            assert loss.backward(frames=1) == pytest.approx(a, rel=1e-5, abs=1e-6)
    assert found.history.shape == (1 + 5 + 1 + 2, 4)
    np.testing.assert_array_equal(found.history.min(0), found.losses)


def test_the_first_start_is_where_the_parameters_are_and_the_others_fill_the_bounds():
    linear, ratios = Signal.param(0.25, min=-1.0, max=1.0), Signal.param(100.0, min=20.0, max=20000.0)
    free, half = Tensor([3.0, -4.0], requires_grad=True), Signal.param(2.0, min=1.5)
    loss = linear**2 + ratios**2 + (free * free).sum() + half**2
    found = search(loss, [linear, ratios, free, half], starts=50, steps=0, polish=0)
    a, b, c, d = found.starts
    assert (a[0], d[0], *c[0]) == (0.25, 2.0, 3.0, -4.0)
    assert b[0] == pytest.approx(100.0, rel=1e-5)
    for shares in ((a + 1) / 2, np.log(b / 20) / np.log(1000)):
        slices = np.floor(shares[1:] * 50).astype(int)
        assert len(set(slices)) == 49  # one in each, but the one that the first start took
        assert slices.min() >= 0
        assert slices.max() <= 49
    assert np.std(c[:, 0]) == pytest.approx(np.sqrt(12.5), rel=0.2)  # around the value, as wide as its size
    assert d.min() >= 1.5
    assert c.shape == (50, 2)
    assert found.losses[0] >= found.best_loss


def test_a_seed_gives_the_same_result_and_another_seed_another():
    ends = []
    for seed in (1, 1, 2):
        loss, _ = valleys()
        ends.append(search(loss, seed=seed, steps=3, polish=0).ends[0])
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])


def test_it_never_ends_worse_than_it_began():
    loss, x = valleys(start=LEAST)
    before = loss.backward(frames=1)
    found = search(loss, starts=1, steps=3, lr=0.5, polish=0)
    assert found.best_loss <= before + 1e-7  # another program rounds it otherwise
    assert x.value == pytest.approx(LEAST, abs=1e-6)


def test_bounds_hold_also_where_the_least_loss_is_outside():
    p, q = Signal.param(2.0, min=1.0, max=3.0), Signal.param(200.0, min=100.0, max=3000.0)
    for method in METHODS:
        search((p + 5) ** 2 + (q - 10000.0) ** 2 / 1e6, method=method)
        assert p.value == 1.0
        assert q.value == 3000.0


def test_starts_whose_loss_is_not_finite_are_left_out():
    x = Signal.param(0.5, min=-1.0, max=1.0)
    found = search(x.log() ** 2 + (x - 0.3) ** 2, steps=60)
    assert np.isinf(found.losses).any()
    assert np.isfinite(found.best_loss)
    assert float(x.value) > 0
    x.value = -0.5
    nowhere = search(x * np.nan, steps=2, polish=1)
    assert nowhere.best_loss == np.inf
    assert x.value == -0.5


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "dgenlazy"]


def test_parameters_without_bounds_and_losses_that_are_never_finite_are_told(caplog):
    loss, x = valleys()
    search(loss, steps=2, polish=0)
    assert told(caplog) == []
    low, free = Signal.param(1.0, min=0.0), Tensor([1.0, 2.0], requires_grad=True)
    found = search(loss + (low - 3.0) ** 2 + free.sum() ** 2, {"x": x, "low": low, "free": free}, steps=2, polish=0)
    assert told(caplog) == ["multistart: without two bounds, low, free: starts are spread around the value of now"]
    assert (found.starts[1] >= 0).all()
    caplog.clear()
    search(x * np.nan, steps=1, polish=0)
    assert told(caplog) == ["multistart: no start has a finite loss, and the parameters are as they were; dg.health tells more"]


def test_data_of_each_example_is_searched_as_well():
    gain = Signal.param([0.0, 0.0], batched=True)
    x = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    loss = dg.mse(Signal.input(0) * gain, Signal.input(1))
    found = search(loss, frames=None, inputs={0: x, 1: x * np.float32([[0.5], [-2.0]])})
    np.testing.assert_allclose(gain.value, [0.5, -2.0], atol=1e-3)
    assert found.ends[0].shape == (8, 2)


def test_all_starts_are_one_program_that_an_equal_search_takes_again():
    def run():
        loss, _ = valleys()
        search(loss, starts=5, steps=3)

    run()
    with compilations() as made:
        run()
    assert not made


def test_callbacks_are_called_with_what_is_reached_and_may_end_it():
    loss, x = valleys()
    seen = []

    def callback(found):
        seen.append((len(found.history), found.best_loss, float(x.value)))
        return len(seen) == 2

    found = search(loss, callbacks=[callback], every=10)
    assert [s[0] for s in seen] == [10, 20]
    assert seen[1][1] <= seen[0][1]
    assert found.stopped == "callback"

    def interrupt(_):
        raise KeyboardInterrupt

    found = search(loss, callbacks=[interrupt], every=10)
    assert found.stopped == "interrupt"
    assert x.value == found.best[0]


def test_rates_optimizers_and_clipping_are_those_of_fit():
    import optax

    for options in (
        {"lr": 0.05},
        {"optimizer": optax.adabelief(0.05)},
        {"optimizer": dg.SGD, "lr": 0.01, "clip": 1.0},
        {"schedule": lambda step: 0.9**step, "lr": 0.1},
    ):
        loss, x = valleys()
        search(loss, steps=60, **options)
        assert x.value == pytest.approx(LEAST, abs=1e-3), options
    loss, x = valleys()
    y = Signal.param(0.5, min=0.0, max=1.0)
    both = loss + (y - 0.7) ** 2
    found = search(both, groups=[{"params": [y], "lr": 0.0}], polish=0)
    np.testing.assert_array_equal(found.starts[1], found.ends[1])


def test_its_table_shows_where_the_starts_ended():
    loss, x = valleys()
    found = search(loss, {"where": x}, starts=12)
    lines = str(found).splitlines()
    assert lines[0].startswith("12 starts, loss -0.1012 at best") or lines[0].startswith("12 starts, loss -0.1006 at best")
    assert lines[1].split() == ["start", "loss", "where"]
    assert len(lines) == 2 + 10 + 1
    assert lines[2].endswith("to -1.0123") or lines[2].endswith("to -1.0122")


BAD = [
    ({"method": "simplex"}, "multistart: method='simplex' is not one of adam, cma-es, lbfgs, newton"),
    ({"starts": 0}, "multistart: starts=0 is less than 1"),
    ({"steps": -1}, "multistart: steps=-1 is less than 0"),
    ({"polish": 1.5}, "multistart: polish=1.5 is not a whole number"),
    ({"seed": -1}, "multistart: seed=-1 is less than 0"),
    ({"lr": -0.1}, "multistart: lr=-0.1 is less than 0"),
    ({"clip": 0.0}, "multistart: clip=0.0 is not above 0"),
    ({"method": "lbfgs", "lr": 0.1}, "multistart: lr, optimizer, clip, schedule and groups are of method='adam'"),
    ({"callbacks": [3]}, "multistart: callbacks: 3 is not a function"),
    ({"callbacks": print}, "multistart: callbacks=<built-in function print> is not a list of functions"),
    ({"progress": "yes"}, "multistart: progress='yes' is not True or False"),
    ({"optimizer": "adam"}, "multistart: optimizer='adam' is no Optimizer"),
    ({"schedule": 1.0}, "multistart: schedule=1.0 is not a function"),
    ({"params": [Signal.param(1.0)]}, r"multistart: params\[0\]: the loss does not depend on it"),
]


@pytest.mark.parametrize(("options", "says"), BAD)
def test_bad_settings_are_named(options, says):
    with pytest.raises(ArgumentError, match=says):
        search(valleys()[0], **options)


def test_a_loss_takes_shape_nothing():
    with pytest.raises(ShapeError, match="multistart: a loss has shape"):
        search(Tensor([1.0, 2.0], requires_grad=True) * 2.0)


def test_without_cma_the_extra_is_named():
    code = (
        "import sys; sys.modules['cma'] = None\n"
        "import dgenlazy as dg\n"
        "try: dg.multistart(dg.Signal.param(1.0) ** 2, frames=1, progress=False, method='cma-es')\n"
        "except dg.BackendError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert 'pip install "dgenlazy[search]"' in done.stdout, done.stderr


# Pitch, from anywhere in its bounds.

RATE = 16000.0
BOUNDS = {
    "sine": {"freq": (50.0, 5000.0)},
    "fm": {"freq": (50.0, 2000.0), "index": (0.1, 4.0)},
    "filter": {"freq": (50.0, 7000.0), "q": (0.3, 10.0)},
}
VOICES = {
    "sine": lambda freq: (Signal.phasor(freq) * (2 * np.pi)).sin(),
    "fm": lambda freq, index: dg.fm(freq, 2.0, index),
    "filter": lambda freq, q: Signal.noise(seed=3).biquad(freq, q),
}


def found_pitch(kind, seeds, **options):
    """At how many of some seeds the pitch is found within half a percent: truth, start and search are drawn anew for each."""
    bounds, good = BOUNDS[kind], 0
    params = {name: Signal.param(low, min=low, max=high) for name, (low, high) in bounds.items()}
    truth = {name: Signal.param(low, min=low, max=high) for name, (low, high) in bounds.items()}
    target, loss = VOICES[kind](**truth), dg.spectral_loss(VOICES[kind](**params), Signal.input(0))
    with DGen.override(sample_rate=RATE):
        for seed in seeds:
            rng = np.random.default_rng((seed, 99))
            for p in (*truth.values(), *params.values()):
                low, high = p.node.low, p.node.high
                p.value = low * (high / low) ** rng.uniform()
            samples = target.realize(1024)
            dg.multistart(loss, params, inputs={0: samples}, seed=seed, progress=False, **options)
            good += abs(params["freq"].value / truth["freq"].value - 1) < 0.005
    return good


@pytest.mark.parametrize("kind", BOUNDS if THOROUGH else ["sine", "fm"])
def test_the_pitch_of_a_voice_is_found_from_anywhere_in_its_bounds(kind):
    seeds = range(100 if THOROUGH else 2)
    assert found_pitch(kind, seeds, starts=64, steps=100) >= 0.95 * len(seeds)


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_of_a_search_goes_on_to_the_same_bits(method, tmp_path):
    """In whatever part it ended, with the parameters where they were then; and after the last look nothing is left to do."""

    def found(**options):
        loss, x = valleys()
        w = Tensor([5.0, 5.0], requires_grad=True)
        x.value, w.value = start
        return search(loss + ((w - Tensor([1.0, -2.0])) ** 2).sum(), method=method, steps=9, polish=3, **options)

    def stop(done):
        ended.append(len(done.history))
        return True

    start, ended, path = (3.0, [5.0, 5.0]), [], tmp_path / "search.npz"
    whole = found()
    for every in (3, 3, 100):
        part = found(checkpoint=path, callbacks=[stop], every=every)
        start = float(part.best[0]), part.best[1]
    assert ended == [3, 6]
    assert part.stopped == "steps"
    looked, part = part, found(checkpoint=path)
    for again in (looked, part):
        for name in ("history", "losses", "first", "best_loss", "best_start"):
            np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
        for a, b in zip(again.starts + again.ends + again.best, whole.starts + whole.ends + whole.best):
            np.testing.assert_array_equal(a, b)


def test_a_checkpoint_of_another_search_is_an_error(tmp_path):
    loss, x = valleys()
    path = tmp_path / "search.npz"
    search(loss, steps=2, checkpoint=path)
    now = x.value
    for other in ({"steps": 3}, {"starts": 9}, {"seed": 1}, {"method": "newton"}, {"lr": 0.1}):
        with pytest.raises(ArgumentError, match=r"multistart: checkpoint .*of another loss, or of other settings"):
            search(loss, checkpoint=path, **{"steps": 2, **other})
    with pytest.raises(ArgumentError, match="multistart: checkpoint"):
        search(valleys(high=5.0)[0], steps=2, checkpoint=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ArgumentError, match="is none that multistart wrote"):
        search(loss, steps=2, checkpoint=path)
    assert x.value == now


@pytest.mark.parametrize("option", ["batches", "keep_best"])
def test_what_starts_that_are_compared_cannot_take_is_told(option):
    with pytest.raises(ArgumentError, match=f"multistart.*{option}.*checkpoint"):
        search(valleys()[0], **{option: True})
