"""Rates and look-ahead in files: players that are late as streams are, ticks by the block, gradients of aligned runs."""

import itertools

import numpy as np
import pytest
from quick import THOROUGH
from rated import ALL, CONTROLS, EXACT, FRAMES, MASK, X, control, x

import dgenlazy as dg
from dgenlazy import InputError, Signal, Tensor

TICKS = {hop: np.concatenate([ticks, np.repeat(ticks[-1:], 9)]) for hop, ticks in CONTROLS.items()}
ALWAYS = ["windows, start", "history of what is late", "hold", "vocoder", "two hops", "dry and wet"]


def exported(tmp_path, outputs, **options):
    path = tmp_path / "program.dgen"
    return dg.load(path, sha256=dg.export(outputs, path, **options))


def close(got, wanted, tol=3e-6):
    wanted = np.asarray(wanted, np.float64)
    assert np.shape(got) == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=tol * max(1.0, np.abs(wanted).max(initial=0)), rtol=0)


def played(player, sizes, takes):
    """Blocks of these sizes, one after the other; the input is followed by zeros."""
    padded = np.concatenate([X, np.zeros(sum(sizes), np.float32)])
    ends = np.cumsum([0, *sizes])
    blocks = [{"0": padded[a:b]} if takes else None for a, b in itertools.pairwise(ends)]
    return np.concatenate([player.process(block, frames=n) for block, n in zip(blocks, sizes)])


@pytest.mark.parametrize("frames", [None, 6])
@pytest.mark.parametrize("name", ALL if THOROUGH else ALWAYS)
def test_a_file_plays_the_stream_however_it_is_cut(name, frames, tmp_path):
    value = ALL[name]()
    player, hop = exported(tmp_path, value, frames=frames), value.hop or 1
    latency = player.manifest["latency"]
    assert latency == value.latency
    count = FRAMES + latency if player.manifest["samples"] is None else FRAMES // 6 * 6
    sizes = [6] * (count // 6) if frames else [7, 1, 20, 1, 7, 20, *[1] * (count - 56)]
    got = played(player, sizes, "0" in [row["name"] for row in player.manifest["inputs"]])
    assert not got[: latency // hop].any()
    got, expected = got[latency // hop :], value.realize(FRAMES, inputs={0: X})
    assert len(got) >= -(-(sum(sizes) - latency) // hop) - 1
    shorter = min(len(got), len(expected))
    if name in EXACT:
        np.testing.assert_array_equal(got[:shorter], expected[:shorter])
    close(got[:shorter], expected[:shorter])


def meeting():
    """Inputs at three rates, and outputs at two, late by 15."""
    late = (x().stft(16, 4) * Signal.input(1, hop=4)).istft() + Signal.input(2, hop=8).upsample()
    return {"sound": late, "ticks": Signal.input(1, hop=4) + Signal.input(2, hop=8).accum()}


def block(start, size):
    """Of all inputs of `meeting`, the frames and ticks that fall into a block."""
    padded = np.concatenate([X, np.zeros(99, np.float32)])
    ticks = {name: TICKS[hop][-(-start // hop) : -(-(start + size) // hop)] for name, hop in (("1", 4), ("2", 8))}
    return {"0": padded[start : start + size], **ticks}


def test_the_manifest_tells_hops_and_latency(tmp_path):
    manifest = exported(tmp_path, meeting(), frames=6).manifest
    assert manifest["latency"] == 15
    assert manifest["inputs"] == [
        {"name": "0", "shape": [], "frames": True},
        {"name": "1", "shape": [], "frames": True, "hop": 4},
        {"name": "2", "shape": [], "frames": True, "hop": 8},
    ]
    assert manifest["outputs"] == [
        {"name": "sound", "shape": [], "frames": True},
        {"name": "ticks", "shape": [], "frames": True, "hop": 4},
    ]


@pytest.mark.parametrize(("frames", "sizes"), [(None, [7, 20, 1, 1, 0, 20, 7, 20]), (6, [6] * 12), (1, [1] * 20)])
def test_a_player_takes_and_gives_ticks_as_a_stream_does(frames, sizes, tmp_path):
    graph = meeting()
    player, at = exported(tmp_path, graph, frames=frames), 0
    for size in sizes:
        got, given = player.process(block(at, size)), block(at, size)
        inputs = {int(name): samples for name, samples in given.items()}
        for name, expected in zip(graph, dg.realize(*graph.values(), frames=size, inputs=inputs, preserve_state=True)):
            close(got[name], expected)
        at += size
    assert player.position == at


def test_a_player_that_only_ticks_counts_its_frames(tmp_path):
    value = Signal.input(0, hop=8).accum()
    player = exported(tmp_path, value)
    np.testing.assert_array_equal(player.process([1.0, 2.0]), [1, 3])
    assert player.position == 16
    np.testing.assert_array_equal(player.process([3.0], frames=3), [6])
    assert player.process([], frames=3).shape == (0,)
    np.testing.assert_array_equal(player.process([4.0], frames=4), [10])
    with pytest.raises(InputError, match="0 has 3 ticks; one in 8 frames makes 1 of the 8 frames from 26 on"):
        player.process([1.0, 2.0, 3.0], frames=8)
    assert player.position == 26


def test_the_state_of_a_player_is_kept_inside_the_latency(tmp_path):
    player, again = (exported(tmp_path, meeting()) for _ in range(2))
    expected = [player.process(block(*b)) for b in ((0, 7), (7, 3), (10, 40))]
    again.process(block(0, 7))
    kept = again.state
    assert kept[1] == 7  # frames since it began: state that a host stores counts them beside the position
    again.reset()
    again.state = kept
    for b, wanted in zip(((7, 3), (10, 40)), expected[1:]):
        got = again.process(block(*b))
        for name in got:
            np.testing.assert_array_equal(got[name], wanted[name])


def test_ticks_go_on_where_the_position_of_a_player_wraps(tmp_path):
    player = exported(tmp_path, x().windows(3, 3, "start").sum().accum(), frames=50)
    noise = np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32)
    plain = [player.process(b) for b in noise]
    player.reset()
    player.process(noise[0])
    player.state = (np.array(2**32 - 20, np.uint32), *player.state[1:])
    for b, wanted in zip(noise[1:], plain[1:]):
        np.testing.assert_array_equal(player.process(b), wanted)


def test_own_samples_of_a_player_may_be_flushed_but_not_be_passed(tmp_path):
    player = exported(tmp_path, Signal.from_samples(X).stft(16, 4).istft())
    got = np.concatenate([player.process(frames=n) for n in (50, FRAMES - 35)])
    close(got[15:], X, 1e-6)
    with pytest.raises(InputError, match="1 frames from 76 on, but the program's own samples end at 61"):
        player.process(frames=1)


# Losses and gradients.

GAIN, WEIGHTS = 0.7, MASK[0]
LOSSES = {
    "spectra": lambda gain, w: dg.mse((x().stft(16, 4) * w).istft(), x().delay(1) * gain),
    "terms": lambda gain, w: dg.mse(x() * gain, 0.3) + dg.mse(Signal.input(1, hop=4) * gain**2, 0.1) + (w * w).sum(),
    "own ticks": lambda gain, w: dg.mse((control(5) * gain).upsample() * x(), 0.1) + (w * w).sum(),
    "whole run": lambda gain, w: dg.spectral_loss((x().stft(16, 4) * w).istft() * gain, x().delay(1), window_size=16),
}


@pytest.mark.parametrize("frames", [None, FRAMES])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_a_file_is_that_of_the_aligned_run(name, frames, tmp_path):
    gain, w = Tensor(GAIN, requires_grad=True), Tensor(WEIGHTS, requires_grad=True)
    loss = LOSSES[name](gain, w)
    expected = loss.backward(FRAMES, inputs={0: X, 1: CONTROLS[4]})
    player = exported(tmp_path, loss, params={"gain": gain, "w": w}, frames=frames, gradient=True)
    given = {row["name"]: CONTROLS[4] if "hop" in row else X for row in player.manifest["inputs"]}
    value, grads = player.gradient(given)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(grads["gain"], gain.grad.value, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(grads["w"], w.grad.value, rtol=1e-4, atol=1e-6)
    assert player.position == 0


def test_a_loss_of_what_looks_ahead_sees_each_block_as_a_run_of_its_own(tmp_path):
    loss = dg.spectral_loss((x().stft(16, 4) * WEIGHTS).istft(), x(), window_size=16)
    player = exported(tmp_path, {"loss": loss, "sound": x().stft(16, 4).istft()}, frames=FRAMES)
    assert (player.manifest["whole_run"], player.manifest["latency"]) == (True, 0)
    for sound in (X, X[::-1].copy()):
        got = player.process(sound)
        close(got["loss"], loss.realize(inputs={0: sound}))
        close(got["sound"], sound, 1e-6)
