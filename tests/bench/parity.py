"""Every function that has a peer, against it, on sounds: auraloss, librosa and pyloudnorm. Takes the extra `bench`.

    python tests/bench/parity.py [recordings/] [--seconds 4] [--json out.json]

The argument is a folder of WAV files, or one of them; without it a voice that glides and notes that fade are made. Peers are
given float64. A row gives the largest difference over all sounds, as a share of the peer's largest value, and the sound where
it was; more than 1e-5 (1e-4 of pitch) fails, where the last column does not say why it has to be. What magenta/ddsp has is held
by golden numbers in the tests.
"""

import argparse
import json
import warnings
from pathlib import Path

import auraloss
import librosa
import numpy as np
import pyloudnorm
import soundfile
import torch

import dgenlazy as dg
from dgenlazy import DGen, Signal, features

LIMIT = 1e-5
DECIBELS = ("snr", "si_sdr", "sd_sdr")
WINDOWS = ("hamming", "blackman", "bartlett", "kaiser")
KNOWN = {  # by the last word of a name
    "perceptual": "auraloss convolves in float32",
    "defaults": "the filters of pyloudnorm are not those of the standard",
}


def losses(x, t, rate):
    """`name, ours, theirs`: a recording against another, and two lanes against two."""
    freq, time, stft = auraloss.freq, auraloss.time, dg.stft_loss
    mono = (
        ("stft_loss", stft, freq.STFTLoss()),
        *((f"stft_loss, {w}", lambda *xt, w=w: stft(*xt, window=w), freq.STFTLoss(window=f"{w}_window")) for w in WINDOWS),
        ("stft_loss, linear", lambda *xt: stft(*xt, w_lin_mag=1.0), freq.STFTLoss(w_lin_mag=1.0)),
        (
            "stft_loss, squares",
            lambda *xt: stft(*xt, w_lin_mag=1.0, mag_distance="L2"),
            freq.STFTLoss(w_lin_mag=1.0, mag_distance="L2"),
        ),
        (
            "stft_loss, perceptual",
            lambda *xt: stft(*xt, perceptual_weighting=True),
            freq.STFTLoss(perceptual_weighting=True, sample_rate=rate),
        ),
        ("multi_resolution_stft_loss", dg.multi_resolution_stft_loss, freq.MultiResolutionSTFTLoss()),
        ("mel_stft_loss", dg.mel_stft_loss, freq.MelSTFTLoss(rate)),
        ("esr", dg.esr, time.ESRLoss()),
        ("dc_loss", dg.dc_loss, time.DCLoss()),
        ("log_cosh", dg.log_cosh, time.LogCoshLoss()),
        ("snr", dg.snr, time.SNRLoss()),
        ("si_sdr", dg.si_sdr, time.SISDRLoss()),
        ("sd_sdr", dg.sd_sdr, time.SDSDRLoss()),
    )
    pair = np.stack([x, t], 1), np.stack([t, 0.3 * x], 1)
    sizes = [1024, 2048, 512], [120, 240, 50], [600, 1200, 240]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, ours, theirs in mono:
            theirs = theirs.double() if "perceptual" not in name else theirs
            precision = torch.float32 if "perceptual" in name else torch.float64
            given = [torch.tensor(v, dtype=precision)[None, None] for v in (x, t)]
            yield name, ours(Signal.from_samples(x), Signal.from_samples(t)).realize(), float(theirs(*given))
        given = [torch.tensor(v.T)[None] for v in pair]
        lanes = [Signal.from_samples(v) for v in pair]
        yield "stft_loss, two lanes", dg.stft_loss(*lanes).realize(), float(freq.STFTLoss().double()(*given))
        both = freq.SumAndDifferenceSTFTLoss(*sizes).double()
        yield "sum_and_difference_stft_loss", dg.sum_and_difference_stft_loss(*lanes).realize(), float(both(*given))


def spectra(x, rate):
    """`name, ours, theirs` of what librosa has, ticks first."""
    how, theirs = {"y": x, "sr": rate}, librosa.feature
    yield "mel_filters", features.mel_filters(rate, 2048), librosa.filters.mel(sr=rate, n_fft=2048, dtype=np.float64)
    htk = {"n_mels": 40, "fmin": 50, "fmax": 7000, "htk": True, "norm": None}
    yield "mel_filters, htk", features.mel_filters(rate, 512, **htk), librosa.filters.mel(sr=rate, n_fft=512, **htk)
    yield "mel_spectrogram", features.mel_spectrogram(x, rate), theirs.melspectrogram(**how).T
    yield "mfcc", features.mfcc(x, rate), theirs.mfcc(**how).T
    yield "onset_strength", features.onset_strength(x, rate), librosa.onset.onset_strength(**how)
    yield "spectral_centroid", features.spectral_centroid(x, rate), theirs.spectral_centroid(**how)[0]
    yield "spectral_flatness", features.spectral_flatness(x, rate), theirs.spectral_flatness(y=x)[0]
    yield "spectral_rolloff", features.spectral_rolloff(x, rate), theirs.spectral_rolloff(**how)[0]
    yield "rms", features.rms(x), theirs.rms(y=x, dtype=np.float64)[0]
    ours = Signal.from_samples(x)
    ticks = -(-len(x) // 512)
    with DGen.override(sample_rate=float(rate)):
        yield "mel_spectrogram of a Signal", features.mel_spectrogram(ours).realize(), theirs.melspectrogram(**how).T[:ticks]
        yield "rms of a Signal", features.rms(ours).realize(), theirs.rms(y=x, dtype=np.float64)[0][:ticks]
        centroid = features.spectral_centroid(ours).realize()
        yield "spectral_centroid of a Signal", centroid, theirs.spectral_centroid(**how)[0][:ticks]
        spectrum, stft = ours.stft(2048, 512), librosa.stft(x, n_fft=2048, hop_length=512)[:, :ticks].T
        yield "stft", np.stack(dg.realize(spectrum.real, spectrum.imag)), np.stack([stft.real, stft.imag])
    span = {"fmin": 65.4, "fmax": 2093.0}
    pitch = features.f0(x, rate, **span)
    f0, voiced, probability = librosa.pyin(**how, **span)
    yield "f0, pyin", np.nan_to_num(pitch.f0), np.nan_to_num(f0)
    yield "f0, pyin: voiced", pitch.voiced.astype(float), voiced.astype(float)
    yield "f0, pyin: probability", pitch.probability, probability
    yield "f0, yin", features.f0(x, rate, method="yin", **span).f0, librosa.yin(**how, **span)


def levels(x, t, rate):
    tenths = int(len(x) * 10 / rate)  # pyloudnorm takes a last block that is half full; BS.1770 has only those that are full
    x, t = x[: tenths * rate // 10], t[: tenths * rate // 10]
    for name, samples in (("", x), (", stereo", np.stack([x, t], 1))):
        for kind, given in (("", "DeMan"), (", its defaults", "K-weighting")):
            meter = pyloudnorm.Meter(rate, filter_class=given)
            yield (
                f"integrated_loudness{name}{kind}",
                features.integrated_loudness(samples, rate),
                meter.integrated_loudness(samples),
            )


def difference(name, ours, theirs):
    """In parts of the largest; of decibels near 0, which say that two things are about as large, in decibels."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    assert ours.shape == theirs.shape, f"{ours.shape}, and of the peer {theirs.shape}"
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1.0 if name in DECIBELS else 0.0))


def glide(seconds, rate=44100):
    """A voice from 150 to 300 Hz and back, with vibrato, breath and two rests."""
    t = np.arange(int(seconds * rate)) / rate
    f0 = 150 * 2 ** (np.sin(np.pi * t / seconds) + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    phase = np.cumsum(f0) / rate
    tone = sum(np.sin(2 * np.pi * k * phase) / k**1.5 for k in range(1, 16))
    breath = np.random.default_rng(1).standard_normal(len(t))
    return "a glide", (0.3 * tone + 0.01 * breath) * np.clip(3 * np.sin(3 * np.pi * t / seconds) ** 2, 0, 1), rate


def plucked(seconds, rate=16000):
    """Four notes a second that fade, each of eight partials."""
    t = np.arange(int(seconds * rate)) / rate
    note, since = (t * 4).astype(int), t % 0.25
    freq = 110 * 2 ** ((note * 7 % 24) / 12)
    return (
        "plucked notes",
        sum(np.sin(2 * np.pi * k * freq * since) * np.exp(-k * 6 * since) / 4 / k for k in range(1, 9)),
        rate,
    )


def read(path, seconds):
    samples, rate = soundfile.read(path, always_2d=True)
    return path.name, samples.mean(1)[: int(seconds * rate)], rate


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="?", type=Path, help="a folder of WAV files, or one")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each sound")
    parser.add_argument("--json", type=Path, help="write the table here")
    args = parser.parse_args(argv)
    if args.recordings is None:
        sounds = [glide(args.seconds), plucked(args.seconds)]
    else:
        paths = sorted(args.recordings.glob("*.wav")) if args.recordings.is_dir() else [args.recordings]
        if not paths:
            parser.error(f"no WAV files in {args.recordings}")
        sounds = [read(path, args.seconds) for path in paths]
    worst = {}
    for sound, x, rate in sounds:
        x = x - 1e-3 * np.sin(np.arange(len(x)))  # no stretch of exact zeros, where a peer's ratio of spectra is undefined
        t = 0.7 * np.roll(x, 441) + 0.01 * np.random.default_rng(0).standard_normal(len(x))
        with DGen.override(sample_rate=float(rate)):
            for name, ours, theirs in (*losses(x, t, rate), *spectra(x, rate), *levels(x, t, rate)):
                worst[name] = max(worst.get(name, (0.0, sound)), (difference(name, ours, theirs), sound))
    failed = []
    for name, (found, where) in worst.items():
        known = KNOWN.get(name.split()[-1], "")
        if found > (1e-4 if name.startswith("f0") else LIMIT):
            failed += [] if known else [name]
        else:
            known = ""
        print(f"{name:42s} {found:9.1e}  {where:24s} {known}".rstrip())
    if args.json:
        args.json.write_text(
            json.dumps({name: {"difference": found, "sound": where} for name, (found, where) in worst.items()})
        )
    if failed:
        raise SystemExit(f"more than they may differ: {', '.join(failed)}")


if __name__ == "__main__":
    main()
