"""Files that are damaged, foreign or hostile: refused before anything in them is compiled, let alone run."""

import dataclasses
import hashlib
import json
import struct
import sys
import zlib

import jax
import jax.export
import numpy as np
import pytest
from compilations import compilations

import dgenlazy as dg
from dgenlazy import ArtifactError, Signal
from dgenlazy.ship import artifact, inspection

MUTATIONS = 500
HERE = artifact.platform_of(jax.devices()[0])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file with all kinds of sections."""
    gain, first = Signal.param(0.5, min=0.0, max=1.0), Signal.param(0.25)
    loss = dg.mse((Signal.input(0) * gain).biquad(900.0) + Signal.input(1).history(init=first), 0.0)
    path = tmp_path_factory.mktemp("artifact") / "good.dgen"
    dg.export(loss, path, params={"gain": gain, "first": first}, gradient=True)
    return path.read_bytes()


@pytest.fixture
def refused(tmp_path):
    """Holds that a file is refused, and nothing compiled; `pinned` as one whose author is trusted, so that it is read here."""

    def check(data, message=".", pinned=False):
        path = tmp_path / "bad.dgen"
        path.write_bytes(data)
        with compilations() as compiled, pytest.raises(ArtifactError, match=message):
            dg.load(path, sha256=hashlib.sha256(data).hexdigest() if pinned else None)
        assert compiled == []

    return check


def repacked(data, change=lambda manifest: None, sections=None):
    """The file with another manifest or other sections, and all hashes right."""
    manifest, held = artifact.unpack(data)
    del manifest["sections"]
    change(manifest)
    return artifact.pack(manifest, held | (sections or {}))


def enclosed(text, sections={}):
    """An archive whose manifest is any text; all hashes of the archive are right."""
    return artifact._archive(text, sections)


# Damage: every byte counts.


def damaged(data, seed):
    random = np.random.default_rng(seed)
    out, at = bytearray(data), int(random.integers(len(data)))
    other, n = int(random.integers(len(data))), int(random.integers(1, 200))
    match seed % 8:
        case 0 | 1 | 2:
            out[at] ^= 1 << int(random.integers(8))
        case 3:
            del out[at:]
        case 4:
            del out[at : at + n]
        case 5:
            out[at:at] = random.bytes(n)
        case 6:
            out[at : at + n] = bytes(n) if seed % 16 == 6 else b"\xff" * n
        case 7:
            a, b = sorted((at, other))
            out[a : a + n], out[b : b + n] = data[b : b + n], data[a : a + n]
    return bytes(out)


def test_any_damage_is_found_before_a_program_is_read(data, refused, monkeypatch):
    def never(*args):
        raise AssertionError("a damaged program was read")

    monkeypatch.setattr(inspection, "read", never)
    monkeypatch.setattr(inspection, "apart", never)
    files = [bad for seed in range(MUTATIONS + 50) if (bad := damaged(data, seed)) != data][:MUTATIONS]
    assert len(files) == MUTATIONS
    for i, bad in enumerate(files):
        refused(bad, pinned=bool(i % 2))


def test_files_that_are_something_else_are_refused(data, refused):
    for bad in (b"", b"PK", b"PK\x03\x04" + bytes(200), data + b"\n", b"#!" + data, data * 2, data[:-1], b"\x00" * 1000):
        refused(bad)


def test_a_file_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is not a file of at most"):
        dg.load(tmp_path)
    for error in (FileNotFoundError, dg.InputError, dg.MissingFileError):
        with pytest.raises(error, match=r"load: .*none.*: there is no such file"):
            dg.load(tmp_path / "none")


def test_another_hash_than_the_one_given_is_refused(data, tmp_path):
    (tmp_path / "a.dgen").write_bytes(data)
    with pytest.raises(ArtifactError, match="does not have the SHA-256 that was given"):
        dg.load(tmp_path / "a.dgen", sha256="0" * 64)


def test_a_good_file_is_an_archive_that_others_read(data, tmp_path):
    (tmp_path / "a.dgen").write_bytes(data)
    manifest, sections = artifact.unpack(data)
    with np.load(tmp_path / "a.dgen") as file:
        assert json.loads(file["manifest.json"]) == manifest
        assert file["params.gain"] == 0.5
        assert [bytes(file[name]) for name in sections if "." in name and name[-4:] != ".npy"] == [
            section for name, section in sections.items() if name[-4:] != ".npy"
        ]


# Hostile manifests, with every hash right.

DEEP = b"[" * 100_000 + b"]" * 100_000
JUNK = [None, True, -1, 0, 1, 1.5, 2**31, 10**30, "", "x", "../../x", [], [[]], [None], {}, {"name": "x"}]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"null", b"[]", b"{}", DEEP, b'{"format": NaN}', b'{"a": 1e999}', b"\xff\xfe", b"1" * 5000]
)
def test_manifests_that_are_none_are_refused(refused, text):
    refused(enclosed(text))


def test_manifests_with_junk_in_any_place_are_refused(data, refused):
    whole, sections = artifact.unpack(data)

    def places(tree, path=()):
        yield path
        items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
        for key, value in items:
            yield from places(value, (*path, key))

    random, count = np.random.default_rng(0), 0
    for path in list(places(whole))[1:]:
        for junk in random.choice(np.array(JUNK, object), 3, replace=False):
            manifest = json.loads(json.dumps(whole))
            at = manifest
            for key in path[:-1]:
                at = at[key]
            free = path[0] in ("made_with", "sample_rate", "seed", "samples") or path[-1] in ("min", "max")
            if free or (path[0] == "state" and path[-1] == "name") or at[path[-1]] == junk:
                continue  # what may be anything of its kind, or is the same
            at[path[-1]] = junk
            refused(enclosed(json.dumps(manifest, indent=1).encode(), sections), pinned=True)
            count += 1
    assert count > 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(version=2), "it has version 2, and this dgenlazy reads version 1"),
        (lambda m: m.update(version=True), "version=True"),
        (lambda m: m.update(format="another"), "it is none"),
        (lambda m: m.update(sample_rate=-1.0), "sample_rate=-1.0"),
        (lambda m: m.update(latency=5), "latency=5"),
        (lambda m: m.update(more=1), "its manifest has the keys"),
        (lambda m: m.update(platforms=["cpu", "cuda"]), "its sections are not those"),
        (lambda m: m.update(platforms=["cpu", "cpu"]), "platforms="),
        (lambda m: m.update(gradient=False), "its sections are not those"),
        (lambda m: m["inputs"].append(m["inputs"][0]), "two inputs have one name"),
        (lambda m: m["params"][0].update(name="../up"), "params="),
        (lambda m: m["params"][0].update(shape=[2**30, 2**30, 2**30]), "an array is not float32 of shape"),
        (lambda m: m["params"][0].update(min=1.0), "gain has min=1.0, which is not below max=1.0"),
        (lambda m: m["params"][0].update(min=2.0), "gain has min=2.0, which is not below max=1.0"),
        (lambda m: m["params"][0].update(min=0.75), r"gain=0.5 is not inside \[0.75, 1.0\]"),
        (lambda m: m["params"][1].update(max=0.125), r"first=0.25 is not inside \[-inf, 0.125\]"),
        (lambda m: m["state"][1].update(dtype="O"), "state="),
        (lambda m: m["state"][1].update(dtype="int32"), "is not what the manifest says|an array is not int32"),
        (lambda m: m["inputs"][0].update(shape=[2]), "is not what the manifest says"),
        (lambda m: m["inputs"][0].update(frames=False), "is not what the manifest says"),
        (lambda m: m["outputs"][0].update(shape=[10**9] * 3), "is not what the manifest says"),
        (lambda m: m.update(frames=64), "is not what the manifest says"),
        (lambda m: m.update(structure="list"), "is not what the manifest says"),
    ],
)
def test_manifests_that_lie_are_refused(data, refused, change, message):
    refused(repacked(data, change), message, pinned=True)


@pytest.mark.parametrize("shape", [[0, 2**31 - 1, 2**31 - 1, 2**31 - 1], [2**31 - 1] * 5 + [0], [2**31 - 1] * 31 + [0]])
@pytest.mark.parametrize("kind", ["params", "state"])
def test_arrays_of_nothing_on_axes_without_end_are_refused(data, refused, kind, shape):
    row = artifact.unpack(data)[0][kind][1]
    name = f"{kind}.{row['name'] if kind == 'params' else 1}.npy"
    bad = artifact._array_head("float32", tuple(shape))
    refused(repacked(data, lambda m: m[kind][1].update(shape=shape), {name: bad}), "there is no array|what the manifest", True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1.5])
def test_parameters_that_could_not_be_assigned_are_refused(data, refused, value):
    bad = artifact.array_bytes(np.asarray(value, np.float32))
    refused(repacked(data, sections={"params.gain.npy": bad}), r"gain=.* is not inside \[0.0, 1.0\]", pinned=True)
    if not np.isfinite(value):
        refused(repacked(data, sections={"params.first.npy": bad}), r"first=.* is not inside \[-inf, inf\]", pinned=True)


def test_sections_that_are_not_what_they_say_are_refused(data, refused):
    _, sections = artifact.unpack(data)
    other = repacked(data, sections={f"step.{HERE}": sections[f"gradient.{HERE}"]})
    refused(other, "is not what the manifest says", pinned=True)
    for bad in (b"", b"\x93NUMPY", sections["state.0.npy"][:-1], sections["state.0.npy"] + b"\x00"):
        refused(repacked(data, sections={"state.0.npy": bad}), "an array is not uint32", pinned=True)
    pickled = sections["params.gain.npy"].replace(b"<f4", b"|O ")
    refused(repacked(data, sections={"params.gain.npy": pickled}), "an array is not float32", pinned=True)


def test_archives_written_in_any_other_way_are_refused(data, refused):
    """Compressed, doubled or hidden entries: what others might read otherwise than we do."""
    manifest, sections = artifact.unpack(data)
    text = artifact._json(manifest)
    refused(enclosed(text, sections | {"more": b""}), "damaged between its sections")
    refused(enclosed(text, dict(list(sections.items())[::-1])), "truncated or damaged")
    size = struct.unpack_from("<I", data, 18)[0]
    huge = data[:18] + struct.pack("<I", 2**32 - 1) + data[22:]
    refused(huge, "shorter than its manifest")
    packed = zlib.compress(text)
    refused(data[:8] + b"\x08\x00" + data[10:43] + packed + data[43 + size :])


# Hostile programs, with every hash right.


def program(fn, *checks):
    args = ({"first": np.float32(0), "gain": np.float32(0)}, {"0": np.zeros(8, np.float32)})
    return bytes(jax.export.export(jax.jit(fn), platforms=[HERE], disabled_checks=checks)(*args).serialize())


def evil(params, inputs):
    call = jax.ffi.ffi_call("evil", jax.ShapeDtypeStruct((), np.float32))
    return call(params["gain"])


def test_a_program_that_does_not_compile_is_an_error_of_the_file(data, tmp_path):
    check = jax.export.DisabledSafetyCheck.custom_call("evil")
    args = ({}, {"0": np.zeros(8, np.float32)}, (np.uint32(0),))

    def step(params, inputs, state):
        return jax.ffi.ffi_call("evil", jax.ShapeDtypeStruct((8,), np.float32))(inputs["0"]), state

    dg.export(Signal.input(0) * 2, tmp_path / "a.dgen", frames=8)
    bad = jax.export.export(jax.jit(step), platforms=[HERE], disabled_checks=[check])(*args)
    bad = bytes(dataclasses.replace(bad, disabled_safety_checks=()).serialize())
    whole = repacked((tmp_path / "a.dgen").read_bytes(), sections={f"step.{HERE}": bad})
    (tmp_path / "a.dgen").write_bytes(whole)
    player = dg.load(tmp_path / "a.dgen", sha256=hashlib.sha256(whole).hexdigest(), allow=["evil"])
    with pytest.raises(ArtifactError, match="step: the program fails"):
        player.process(np.zeros(8))


@pytest.mark.parametrize("pinned", [True, False])
def test_custom_calls_are_refused(data, refused, pinned):
    check = jax.export.DisabledSafetyCheck.custom_call("evil")
    bad = repacked(data, sections={f"gradient.{HERE}": program(evil, check)})
    refused(bad, "custom call evil is not on the list of those allowed", pinned=pinned)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("%0 = stablehlo.add %1, %2", ""),
        ("stablehlo.custom_call @shape_assertion(%0)", ""),
        ("stablehlo.custom_call @evil(%0)", "custom call evil"),
        ('stablehlo.custom_call @"shape_assertion evil"(%0)', "custom call that cannot be read"),
        ('"stablehlo.custom_call"(%0) <{call_target_name = "evil"}>', "custom call that cannot be read"),
        ("stablehlo.custom_call @shape_assertion(%0) stablehlo.custom_call @evil(%0)", "custom call evil"),
        ('%0 = stablehlo.add\n#loc1 = loc("custom_call")\n', ""),
        ('"stablehlo.outfeed"(%0)', "stablehlo.outfeed"),
        ('"stablehlo.send"(%0)', "stablehlo.send"),
    ],
)
def test_what_text_may_hold(text, wrong):
    assert inspection.complaint(text).startswith(wrong)
    assert bool(inspection.complaint(text)) == bool(wrong)


def test_bytes_that_are_no_program_are_refused(data, refused):
    for bad in (b"", b"\x00" * 64, b"\xff" * 4096, bytes(range(256)) * 16):
        refused(repacked(data, sections={f"step.{HERE}": bad}), pinned=True)


def test_programs_altered_at_random_are_refused_or_read_and_crash_nothing_here(data):
    """An author may alter a program and hash it again. What comes of it is another program, or none."""
    _, sections = artifact.unpack(data)
    answers = []
    for seed in range(4):
        random, bad = np.random.default_rng(seed), bytearray(sections[f"step.{HERE}"])
        for at in random.integers(len(bad), size=3):
            bad[at : at + 4] = random.bytes(4)
        answers.append(inspection.apart([bytes(bad)]))
    assert any(answers)


def test_a_reader_that_crashes_or_cannot_start_is_a_refusal(data, refused, monkeypatch, tmp_path):
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\ncat > /dev/null\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crash))
    refused(data, "its StableHLO cannot be read")
    monkeypatch.setattr(sys, "executable", "")
    refused(data, "there is no Python here")
