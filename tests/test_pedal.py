"""The notebook of the pedal finds the knobs of a pedal that it was not built with, from recordings that it has not seen."""

import json
from pathlib import Path

import numpy as np
import pytest
import references as ref
from quick import THOROUGH

from dgenlazy import DGen, audio, health

plt = pytest.importorskip("matplotlib.pyplot")
pytest.importorskip("soundfile")

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT.parent / "shared" / "audio"
LATE, GAIN = 37, -0.5
NAMES = ["speech-female", "cello-phrase", "piano", "sax-phrase-short", "oboe-A4", "violin-B3", "flute-A4"]


def notebook(monkeypatch) -> dict:
    """What its cells define, up to where it learns."""
    monkeypatch.setenv("DGENLAZY_DATA", str(ROOT / "examples" / "data"))
    names: dict = {}
    for cell in json.loads((ROOT / "notebooks" / "pedal.ipynb").read_text())["cells"]:
        text = "".join(cell["source"])
        if "steps=STEPS" in text:
            break
        if cell["cell_type"] == "code":
            exec(text, names)
            plt.close("all")
    return names


def another(dry, drive, tone, threshold, ratio, attack, release, rate):
    """The pedal in float64, one frame after the other."""
    frames, y, dull = len(dry), 0.0, []
    for x in np.asarray(dry, np.float64):
        y += (1 - np.exp(-2 * np.pi * tone / rate)) * (np.tanh(drive * x) - y)
        dull.append(y)
    threshold, ratio, attack, release, knee, makeup = np.full((frames, 6), (threshold, ratio, attack, release, 6.0, 0.0)).T
    squeezed = np.array(ref.compressor(dull, threshold, ratio, attack, release, knee, makeup, rate))
    return (GAIN * np.concatenate([np.zeros(LATE), squeezed[: frames - LATE]])).astype(np.float32)


def dry_recordings(rate) -> dict:
    """Those of the folder beside the repository, or half a second of what comes with it."""
    if not THOROUGH:
        speech, original = audio.read(ROOT / "examples" / "data" / "speech.wav")
        return {"speech": audio.resample(speech, original, rate)[rate // 2 : rate]}
    if not RECORDINGS.is_dir():
        pytest.skip(f"there is no {RECORDINGS}")
    read = {name: audio.read(RECORDINGS / f"{name}.wav") for name in NAMES}
    return {name: audio.resample(x, original, rate)[: 3 * rate // 2] for name, (x, original) in read.items()}


def excited(row, octaves) -> bool:
    """Whether the loss doubles before this knob has moved by two percent, while all others follow."""
    return bool(row.determined) and (2**row.spread - 1 if row.name in octaves else row.spread / abs(row.param.item())) < 0.02


def test_the_notebook_finds_every_knob_that_a_recording_excites_within_two_percent(monkeypatch):
    """By the reference at half the level, inverted and 37 frames late; a held note is alike to itself a period later."""
    with plt.rc_context():  # what the notebook sets is its own
        names = notebook(monkeypatch)
    for recording, dry in dry_recordings(names["RATE"]).items():
        wet = another(dry, **names["TRUE"], rate=DGen.sample_rate)
        found, inputs, _ = names["find"](dry, wet, steps=names["STEPS"])
        rows = health(names["loss"], names["knobs"], inputs=inputs).rows
        told = {row.name for row in rows if excited(row, names["octaves"])}
        wanted = {**names["TRUE"], "gain": GAIN}
        off = {name: 100 * abs(found[name] / wanted[name] - 1) for name in wanted}
        print(recording, {name: f"{x:.3f} %" for name, x in off.items()}, "excited:", *sorted(told))
        assert found["late"] == LATE, recording
        assert told == set(wanted), recording  # all, here
        assert all(off[name] < 2 for name in told), (recording, off)
