"""Parameters in a file: the same numbers back, all of them or none, and an error that names the one that is wrong."""

import json
import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, FileError, InputError, ShapeError, Signal, Tensor

pytest.importorskip("safetensors")


def leaves():
    return {
        "cutoff": Signal.param(800.0, min=20.0, max=5000.0),
        "weight": Tensor(np.arange(6.0).reshape(2, 3).T, requires_grad=True),  # does not lie in the order of C
        "table": Signal.from_samples([0.5, -0.25], requires_grad=True),
        "none": Tensor(np.zeros((0, 2)), requires_grad=True),
        "each": Signal.param([0.1, 0.2], batched=True),
        "fixed": Tensor([7.0]),
    }


def written(path, arrays, kind="F32", size=4):
    """A file of safetensors by its own description: https://github.com/huggingface/safetensors#format."""
    header, data = {}, b""
    for name, array in arrays.items():
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + size * array.size]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def read(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header, rest = json.loads(data[8 : 8 + size]), data[8 + size :]
    return {
        name: np.frombuffer(rest[slice(*x["data_offsets"])], "<f4").reshape(x["shape"])
        for name, x in header.items()
        if name != "__metadata__"
    }


def test_the_file_is_what_its_format_says(tmp_path):
    params = leaves()
    dg.save_params(tmp_path / "all.safetensors", params)
    found = read(tmp_path / "all.safetensors")
    assert found.keys() == params.keys()
    for name, leaf in params.items():
        np.testing.assert_array_equal(found[name], leaf.value)
        assert found[name].shape == leaf.value.shape


def test_what_is_loaded_is_what_was_saved_to_the_bit(tmp_path):
    params = leaves()
    before = {name: leaf.value.copy() for name, leaf in params.items()}
    dg.save_params(tmp_path / "all", params)
    for leaf in params.values():
        leaf.value = leaf.value * 0.5 + 20.0
    dg.load_params(tmp_path / "all", dict(reversed(params.items())))
    for name, leaf in params.items():
        np.testing.assert_array_equal(leaf.value, before[name])
    loss = (params["cutoff"] - 700.0) ** 2  # a graph that was there before sees them, and the bounds are the leaf's own
    assert loss.backward(frames=1) == 1e4
    opt = dg.SGD([params["cutoff"]], lr=1e6)
    opt.step()
    assert params["cutoff"].value == 20.0


def test_a_file_of_another_program_is_read(tmp_path):
    w = Tensor([0.0, 0.0], requires_grad=True)
    dg.load_params(written(tmp_path / "w", {"w": np.float32([1.5, -2.0])}), {"w": w})
    assert w.value.tolist() == [1.5, -2.0]


def test_equal_values_are_equal_files_in_any_order(tmp_path):
    dg.save_params(tmp_path / "a", leaves())
    dg.save_params(tmp_path / "b", dict(reversed(leaves().items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def two():
    return {"a": Tensor([1.0, 2.0], requires_grad=True), "b": Signal.param(0.5, min=0.0, max=1.0)}


good = {"a": np.float32([3.0, 4.0]), "b": np.float32(0.25)}
BAD = {
    "missing": ({"a": good["a"]}, ArgumentError, "no array 'b'; it has 'a'"),
    "extra": (good | {"c": np.float32(0)}, ArgumentError, "it has 'c' as well, which params does not name"),
    "shape": (good | {"a": np.float32([1.0])}, ShapeError, "'a': shape (1,) is not that of its leaf, (2,)"),
    "axis": (good | {"b": np.float32([0.5])}, ShapeError, "'b': shape (1,) is not that of its leaf, ()"),
    "NaN": (good | {"a": np.float32([np.nan, 0.0])}, ArgumentError, "'a': a value that is learned must be finite"),
    "infinity": (good | {"b": np.float32(np.inf)}, ArgumentError, "'b': a value that is learned must be finite"),
    "bounds": (good | {"b": np.float32(1.5)}, ArgumentError, "'b': 1.5 to 1.5 is not inside [0.0, 1.0]"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named_and_nothing_is_changed(tmp_path, name):
    arrays, error, says = BAD[name]
    params = two()
    path = written(tmp_path / "p.safetensors", arrays)
    with pytest.raises(error) as raised:
        dg.load_params(path, params)
    assert says in str(raised.value)
    assert "p.safetensors" in str(raised.value)
    assert params["a"].value.tolist() == [1.0, 2.0]
    assert params["b"].value == 0.5


@pytest.mark.parametrize(
    ("kind", "numbers"), [("F16", np.float16), ("BF16", np.uint16), ("F64", np.float64), ("I32", np.int32)]
)
def test_another_type_is_named(tmp_path, kind, numbers):
    path = written(
        tmp_path / "p", {"a": np.array([1, 2], numbers), "b": np.array(0, numbers)}, kind, np.dtype(numbers).itemsize
    )
    with pytest.raises(ArgumentError, match=rf"'a': it is of {kind}, not of F32"):
        dg.load_params(path, two())


@pytest.mark.parametrize("data", [b"", b"\x08", b"\xff" * 64, b"RIFF....WAVE" * 5])
def test_what_is_no_such_file_is_an_error(tmp_path, data):
    (tmp_path / "p").write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        dg.load_params(tmp_path / "p", two())
    for place in (tmp_path / "not here", tmp_path / "not" / "here"):
        for error in (InputError, dg.MissingFileError, FileNotFoundError):
            with pytest.raises(error, match="there is no such file"):
                dg.load_params(place, two())
    with pytest.raises(InputError, match="cannot be read"):
        dg.load_params(tmp_path, two())


def test_a_file_that_is_cut_off_changes_nothing(tmp_path):
    dg.save_params(tmp_path / "p", two())
    data, params = (tmp_path / "p").read_bytes(), two()
    for size in (7, 20, len(data) - 1):
        (tmp_path / "p").write_bytes(data[:size])
        with pytest.raises(InputError, match="cannot be read as safetensors"):
            dg.load_params(tmp_path / "p", params)
    assert params["b"].value == 0.5


def test_what_cannot_be_saved_is_named_and_leaves_the_file(tmp_path):
    path = tmp_path / "p"
    path.write_text("before")
    bad = {
        "w": (Tensor([np.nan]), "'w': a value that is learned must be finite"),
        "x": (Signal.param(1.0) * 2, "'x': .* is not a leaf"),
        "y": (1.0, "'y': 1.0 is not a leaf"),
        3: (Tensor([1.0]), "3 is no name"),
        "__metadata__": (Tensor([1.0]), "'__metadata__' is no name"),
    }
    for name, (leaf, says) in bad.items():
        with pytest.raises(ArgumentError, match=f"save_params: {says}"):
            dg.save_params(path, {"ok": Tensor([1.0]), name: leaf})
    for params in ({}, [Tensor([1.0])], None):
        with pytest.raises(ArgumentError, match="is not a mapping from names to leaves"):
            dg.save_params(path, params)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["p"]
    with pytest.raises(FileError, match="there is no folder"):
        dg.save_params(tmp_path / "no" / "p", two())


def test_one_leaf_under_two_names_is_saved_and_cannot_be_loaded(tmp_path):
    w = Tensor([1.0], requires_grad=True)
    dg.save_params(tmp_path / "p", {"a": w, "b": w})
    with pytest.raises(ArgumentError, match="'a', 'b' are one leaf"):
        dg.load_params(tmp_path / "p", {"a": w, "b": w})


def test_without_the_library_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['safetensors'] = None\n"
        "import dgenlazy as dg\n"
        "for f in (dg.save_params, dg.load_params):\n"
        "    try: f('p', {'w': dg.Tensor([1.0])})\n"
        "    except dg.BackendError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert done.stdout.count("safetensors is not installed") == 2, done.stderr
    assert done.stdout.count('pip install "dgenlazy[train]"') == 2


def test_names_that_only_one_of_both_has_may_be_allowed(tmp_path):
    path = written(tmp_path / "p", {"a": good["a"], "z": np.float32(0), "c": np.float32([1, 2, 3])})
    params = two()
    missing, unexpected = dg.load_params(path, params, strict=False)
    assert (missing, unexpected) == (["b"], ["c", "z"])
    assert params["a"].value.tolist() == [3.0, 4.0]
    assert params["b"].value == 0.5
    assert dg.load_params(written(tmp_path / "q", good), params) == ([], [])
    assert params["b"].value == 0.25
    nothing = dg.load_params(written(tmp_path / "r", {"x": good["a"]}), params, strict=False)
    assert nothing == (["a", "b"], ["x"])
    assert params["b"].value == 0.25


@pytest.mark.parametrize("name", ["shape", "axis", "NaN", "infinity", "bounds"])
def test_what_does_not_fit_under_its_name_is_an_error_also_if_names_may_differ(tmp_path, name):
    arrays, error, says = BAD[name]
    params = two()
    path = written(tmp_path / "p", arrays | {"more": np.float32(1)})
    with pytest.raises(error, match=re.escape(says)):
        dg.load_params(path, params | {"less": Signal.param(1.0)}, strict=False)
    assert params["a"].value.tolist() == [1.0, 2.0]
    assert params["b"].value == 0.5


def test_strict_is_true_or_false(tmp_path):
    with pytest.raises(ArgumentError, match="load_params: strict='no' is not True or False"):
        dg.load_params(written(tmp_path / "p", good), two(), strict="no")
