"""Effects: their edges, what they promise of whole runs and of streams, and what they refuse."""

import numpy as np
import pytest
import scipy.signal

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor

RANDOM = np.random.default_rng(14)
SOUND = RANDOM.uniform(-1, 1, 600).astype(np.float32)

EFFECTS = {
    "chorus": lambda x: x.chorus(),
    "crossover": lambda x: dg.stack(list(x.crossover([500])), axis=-1),
    "equalizer": lambda x: x.equalizer([("peak", 900, 6.0, 1.0), ("highshelf", 5000, -6.0, 0.7)]),
    "expander": lambda x: x.expander(-20),
    "flanger": lambda x: x.flanger(),
    "gate": lambda x: x.gate(-20),
    "limiter": lambda x: x.limiter(-12),
    "pan": lambda x: x.reshape(*x.shape, 1).pan(0.3),
    "phaser": lambda x: x.phaser(),
    "vibrato": lambda x: x.vibrato(),
}
each_effect = pytest.mark.parametrize("name", sorted(EFFECTS))


@each_effect
def test_no_frames_and_one_frame(name):
    effect = EFFECTS[name]
    assert len(effect(Signal.from_samples(SOUND[:0])).realize()) == 0
    whole = effect(Signal.from_samples(SOUND)).realize()
    one, tol = effect(Signal.from_samples(SOUND[:1])).realize(), 0.3 if name == "limiter" else 1e-6  # it saw what came
    np.testing.assert_allclose(one, whole[:1], atol=tol)


@each_effect
def test_silence_stays_silent_with_finite_gradients(name):
    gain = Signal.param(1.0)
    y = EFFECTS[name](gain * Signal.from_samples(np.zeros(64)))
    assert not y.realize().any()
    loss = dg.mse(y, 0.5)
    loss.backward()
    assert np.isfinite(gain.grad.value)


@each_effect
def test_a_stream_in_any_blocks_is_the_whole_run_late(name):
    y = EFFECTS[name](Signal.input(0))
    late = y.latency
    samples = np.concatenate([SOUND, np.zeros(late, np.float32)])
    whole, out = y.realize(inputs={0: SOUND}), []
    for a, b in ((0, 1), (1, 8), (8, 300), (300, len(samples))):
        out.append(y.realize(inputs={0: samples[a:b]}, preserve_state=True))
    np.testing.assert_allclose(np.concatenate(out)[late:], whole, atol=3e-5)
    assert not np.concatenate(out)[:late].any()


@pytest.mark.parametrize("name", sorted(set(EFFECTS) - {"limiter"}))
def test_at_a_hop_it_is_the_effect_at_that_rate(name):
    at_hop = EFFECTS[name](Signal.from_samples(SOUND[:100], hop=4))
    assert at_hop.hop == 4
    with DGen.override(sample_rate=DGen.sample_rate / 4):
        plain = EFFECTS[name](Signal.from_samples(SOUND[:100])).realize()
    np.testing.assert_allclose(at_hop.realize(), plain, atol=1e-4)


@pytest.mark.parametrize("name", ["chorus", "flanger", "phaser"])
def test_a_mix_of_0_is_the_sound_itself_and_of_1_nothing_of_it(name):
    x = Signal.from_samples(SOUND)
    effect = getattr(dg, name)
    np.testing.assert_array_equal(effect(x, mix=0.0).realize(), SOUND)
    wet, half = effect(x, mix=1.0).realize(), effect(x, mix=0.5).realize()
    np.testing.assert_allclose(half, (SOUND + wet) / 2, atol=1e-6)


def test_without_depth_or_rate_a_sweep_stands_still():
    x = Signal.from_samples(SOUND)
    late = x.delay(2.0 * 44.1).realize()
    np.testing.assert_allclose(x.chorus(depth_ms=0, delay_ms=2.0, mix=1.0).realize(), late, atol=1e-4)
    np.testing.assert_allclose(x.chorus(rate=0, delay_ms=2.0, mix=1.0).realize(), late, atol=1e-4)
    np.testing.assert_array_equal(x.vibrato(depth_ms=0).realize(), SOUND)
    a, b = x.phaser(rate=0, low=300, high=3000).realize(), x.phaser(low=300 * 10**0.5, high=300 * 10**0.5).realize()
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_vibrato_moves_the_pitch_by_what_its_docstring_says():
    with DGen.override(sample_rate=8000.0):
        y = (Signal.phasor(400.0) * (2 * np.pi)).sin().vibrato(rate=2, depth_ms=2).realize(8000)
    phase = np.unwrap(np.angle(scipy.signal.hilbert(y)))[200:-200]
    freq = np.diff(phase) * 8000 / (2 * np.pi)
    swing = 400 * 2 * np.pi * 2 * 2 / 1000
    smooth = scipy.signal.savgol_filter(freq, 101, 2)
    np.testing.assert_allclose([smooth.min(), smooth.max()], [400 - swing, 400 + swing], atol=0.5)


@pytest.mark.parametrize("freqs", [[1000.0], [200.0, 2000.0, 9000.0]])
def test_the_bands_of_a_crossover_add_up_to_all_frequencies_as_loud_as_before(freqs):
    impulse = np.zeros(16384)
    impulse[0] = 1
    bands = Signal.from_samples(impulse).crossover(freqs)
    assert len(bands) == len(freqs) + 1
    parts = [band.realize().astype(np.float64) for band in bands]
    gain = np.abs(np.fft.rfft(np.sum(parts, 0)))
    np.testing.assert_allclose(gain, 1, atol=1e-4)
    meets = np.abs(np.fft.rfft(parts)[:, round(freqs[0] / 44100 * 16384)])
    np.testing.assert_allclose(meets[:2], 0.5, atol=2e-2)  # both are 6 dB down there


def test_an_equalizer_is_a_chain_of_biquads():
    x, gain = Signal.from_samples(SOUND), Signal.param(3.0)
    bands = [("lowshelf", 200, gain, 0.7), ("peak", Tensor([900.0, 1200.0]), -6.0, 2.0), ("highpass", 30.0, 0.0, 0.7)]
    chain = x.biquad(200, 0.7, "lowshelf", gain).biquad(Tensor([900.0, 1200.0]), 2.0, "peak", -6.0)
    chain = chain.biquad(30.0, 0.7, "highpass")
    np.testing.assert_array_equal(x.equalizer(bands).realize(), chain.realize())
    np.testing.assert_array_equal(x.equalizer([]).realize(), SOUND)


@pytest.mark.parametrize(("name", "ratio"), [("gate", 10.0), ("expander", 2.0), ("expander", 1.0)])
def test_the_static_curve_of_gate_and_expander(name, ratio):
    levels = np.array([-50.0, -31.0, -29.9, -10.0, 0.0])
    x = Signal.from_samples(np.tile(10 ** (levels / 20), (400, 1)))
    with DGen.override(sample_rate=1000.0):
        y = getattr(dg, name)(x, -30.0, ratio=ratio, release_ms=10).realize()[-1]
    want = np.where(levels < -30, -30 + ratio * (levels + 30), levels)
    np.testing.assert_allclose(20 * np.log10(np.abs(y)), want, atol=1e-3)


@pytest.mark.parametrize("ahead", [0.0, 0.1, 5.0])
@pytest.mark.parametrize("threshold", [-1.0, -12.5, 0.0])
def test_nothing_leaves_a_limiter_above_its_ceiling(threshold, ahead):
    loud = np.stack([8 * SOUND, np.where(np.arange(600) % 97 == 0, 3.0, 0.01), np.full(600, -2.0)], 1)
    y = Signal.from_samples(loud).limiter(threshold, release_ms=3.0, lookahead_ms=ahead)
    assert y.latency == round(ahead * 44.1)
    out = y.realize()
    assert np.abs(out).max() <= 10 ** (threshold / 20)
    np.testing.assert_allclose(np.abs(out[:, 2]), 10 ** (threshold / 20), rtol=2e-5)
    assert np.all(np.sign(out) == np.sign(loud))


def test_below_its_ceiling_a_limiter_changes_nothing():
    np.testing.assert_array_equal(Signal.from_samples(0.8 * SOUND).limiter().realize(), 0.8 * SOUND)


def test_the_gain_of_a_limiter_is_down_before_the_peak_and_comes_back_after_it():
    x = np.full(400, 0.1)
    x[200] = 2.0
    with DGen.override(sample_rate=1000.0):
        gain = Signal.from_samples(x).limiter(0.0, release_ms=20.0, lookahead_ms=10.0).realize() / x
    np.testing.assert_allclose(gain[:190], 1, atol=1e-6)
    assert np.all(np.diff(gain[189:201]) < 0)
    np.testing.assert_allclose(gain[200], 0.5, atol=1e-5)
    assert np.all(np.diff(gain[211:260]) > 0)
    assert gain[399] > 0.999


def test_pan_silences_one_lane_exactly_and_keeps_the_power():
    x = Signal.from_samples(SOUND)
    np.testing.assert_array_equal(x.pan(1.0).realize()[:, 0], 0)
    np.testing.assert_array_equal(x.pan(-1.0).realize()[:, 1], 0)
    np.testing.assert_allclose(x.pan(1.0).realize()[:, 1], SOUND, atol=1e-6)
    for position in (-0.7, 0.0, 0.4):
        np.testing.assert_allclose((x.pan(position).realize() ** 2).sum(1), SOUND**2, atol=1e-5)
    stereo = Signal.from_samples(np.stack([SOUND, -SOUND], 1))
    np.testing.assert_array_equal(stereo.pan(1.0).realize()[:, 0], 0)
    assert x.pan(Tensor([-0.5, 0.0, 0.5])).shape == (3, 2)


REFUSED = {
    "chorus: rate=-1": lambda x: x.chorus(rate=-1),
    "chorus: mix=1.5 is not inside [0, 1]": lambda x: x.chorus(mix=1.5),
    "chorus: depth_ms=-3 is not inside [0, 50]": lambda x: x.chorus(depth_ms=Tensor([1.0, -3.0])),
    "chorus: delay_ms=nan": lambda x: x.chorus(delay_ms=np.nan),
    "flanger: feedback=2 is not inside [-1, 1]": lambda x: x.flanger(feedback=2),
    "vibrato: depth_ms=51": lambda x: x.vibrato(depth_ms=51),
    "vibrato: rate=inf": lambda x: x.vibrato(rate=np.inf),
    "phaser: low=0": lambda x: x.phaser(low=0),
    "phaser: low=4000 is above high=3000": lambda x: x.phaser(low=4000),
    "phaser: stages=0 is less than 1": lambda x: x.phaser(stages=0),
    "equalizer: mode='peek' of band 0 is not one of lowpass": lambda x: x.equalizer([("peek", 100, 0, 1)]),
    "equalizer: freq of band 1=-5 is not above 0": lambda x: x.equalizer([("peak", 100, 0, 1), ("peak", -5, 0, 1)]),
    "equalizer: bands=[('peak', 100)] is not a list": lambda x: x.equalizer([("peak", 100)]),
    "crossover: freqs[1]=100 is not above 200": lambda x: x.crossover([200, 100]),
    "crossover: freqs[0]=0 is not above 0": lambda x: x.crossover([0]),
    "crossover: freqs=100 is not a list": lambda x: x.crossover(100),
    "gate: ratio=0.5": lambda x: x.gate(-20, ratio=0.5),
    "expander: attack_ms=-1": lambda x: x.expander(-20, attack_ms=-1),
    "limiter: release_ms=-1": lambda x: x.limiter(release_ms=-1),
    "limiter: lookahead_ms=-5 is not inside [0, 1000]": lambda x: x.limiter(lookahead_ms=-5),
    "pan: position=2 is not inside [-1, 1]": lambda x: x.pan(2),
}


@pytest.mark.parametrize("message", sorted(REFUSED))
def test_what_is_out_of_range_is_refused_by_name_value_and_what_is_allowed(message):
    with pytest.raises(dg.ArgumentError) as error:
        REFUSED[message](Signal.from_samples(SOUND))
    assert str(error.value).startswith(message)


def test_lanes_that_are_no_side_are_refused():
    with pytest.raises(dg.ShapeError, match=r"pan: .*one lane or two"):
        Signal.from_samples(np.zeros((4, 3))).pan(0.0)


def test_a_limiter_takes_what_has_a_value_every_frame():
    with pytest.raises(dg.ArgumentError, match=r"limiter: .*every 4; upsample"):
        Signal.from_samples(SOUND, hop=4).limiter()


def test_a_sample_rate_that_the_lines_are_too_short_for_is_refused():
    with DGen.override(sample_rate=384_000.0), pytest.raises(dg.ArgumentError, match="up to 192000 Hz, not 384000"):
        Signal.from_samples(SOUND).chorus().realize()


def test_an_equalizer_without_bands_is_the_sound_itself():
    np.testing.assert_array_equal(Signal.from_samples(SOUND).equalizer([]).realize(), np.float32(SOUND))
