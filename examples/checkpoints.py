"""The folder of a run, which a crash cannot spoil: checkpoints, a log, and what the run was begun with.

A checkpoint is one safetensors file, which holds arrays, a state as JSON, and a digest of both. There are up to three:
`latest`, `previous`, and `best`, the one with the lowest loss in validation. A file is written aside, forced to disk, and
renamed, which either happens or does not: at any moment a good one lies under its final name.
"""

import contextlib
import hashlib
import json
import os

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes
from workbench import Refused

LATEST, PREVIOUS, BEST = "latest.safetensors", "previous.safetensors", "best.safetensors"


class Damaged(Refused):
    """A file is not what was written."""


def enter(folder, description, resume):
    """Open a folder for a run: an empty one, or with `resume` that of a run that was begun with the same description.

    Args:
        description: A dict of dicts for JSON: settings and data.

    Raises:
        Refused: the folder is of another run, and how it differs, or of none; without `resume`, it is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    here = [p for p in folder.iterdir() if not p.name.startswith(".")]  # those with a dot were never finished
    if here and not resume:
        raise Refused(f"{folder} is not empty; --resume goes on with the run there, another folder begins a new one")
    file, now = folder / "run.json", json.loads(json.dumps(description))
    if not here:
        write_file(file, json.dumps(now, indent=1).encode())
        return
    if not file.exists():
        raise Refused(f"{folder} is not empty, and holds no run to resume")
    try:
        before = json.loads(file.read_text())
    except ValueError as error:
        raise Damaged(f"{file}: {error}") from None
    for part in now:
        for name in sorted(before[part].keys() | now[part].keys()):
            was, is_now = before[part].get(name, "not there"), now[part].get(name, "not there")
            if was != is_now:
                raise Refused(f"{folder} is of another run: {part}: {name} was {was}, and is {is_now}")


def save(folder, tree, state, best=False):
    """Write `tree`, a pytree of arrays, and `state`, a dict for JSON, as the latest checkpoint; or as the best one."""
    arrays = named(tree)
    # One entry: safetensors writes several in random order, and equal checkpoints are to be equal files.
    data = to_bytes(arrays, {"run": json.dumps({"digest": _digest(arrays, state), "state": state}, sort_keys=True)})
    if best:
        write_file(folder / BEST, data)
        return
    with _written_aside(folder / LATEST, data) as finished:
        if (folder / LATEST).exists():
            os.replace(folder / LATEST, folder / PREVIOUS)
        os.replace(finished, folder / LATEST)


def load(file, like):
    """The pytree and the state of one checkpoint; `like` gives the tree's structure and the shapes.

    Raises:
        Damaged: the file is cut off or altered, or holds another tree.
    """
    try:
        with safe_open(file, framework="numpy") as opened:
            run = json.loads((opened.metadata() or {})["run"])
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}
        if run["digest"] != _digest(arrays, run["state"]):
            raise Damaged(f"{file}: its digest is not that of its content")
        return _shaped(arrays, like, file), run["state"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise Damaged(f"{file}: {error}") from None


def load_newest(folder, like, report):
    """The latest checkpoint that is good, or None if there never was one. A damaged one is put aside, and told to `report`.

    Raises:
        Damaged: there are checkpoints, and not one of them is good.
    """
    damaged = []
    for name in (LATEST, PREVIOUS):
        file = folder / name
        if not file.exists():
            continue
        try:
            found = load(file, like)
        except Damaged as error:
            damaged.append(error)
            continue
        for error in damaged:
            report(f"{error}; going on from {name}, the checkpoint before it")
            os.replace(folder / LATEST, folder / f"damaged-{LATEST}")  # or the next save would make it the previous one
        return found
    if damaged:
        raise damaged[0]
    return None


def named(tree):
    """The leaves of a pytree as NumPy arrays, by the way that leads to each."""
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def write_file(file, data):
    """Replace a file by `data`, whole or not at all."""
    with _written_aside(file, data) as finished:
        os.replace(finished, file)


def cut_log(file, step):
    """Remove from a log of JSON lines what comes after `step`, and a line that was not finished."""
    kept = [json.dumps(entry) + "\n" for entry in read_log(file) if entry["step"] <= step]
    write_file(file, "".join(kept).encode())


def read_log(file):
    """The entries of a log of JSON lines, up to the first that is damaged; none where there is no log."""
    entries = []
    for line in file.read_text(errors="replace").splitlines() if file.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if not (isinstance(entry, dict) and isinstance(entry.get("step"), int)):
            break
        entries.append(entry)
    return entries


@contextlib.contextmanager
def _written_aside(file, data):
    """A file beside `file` that holds `data` on disk, to be renamed by the caller; then the renaming is on disk as well."""
    unfinished = file.with_name(f".{file.name}.part")
    with open(unfinished, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    yield unfinished
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _digest(arrays, state):
    digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _shaped(arrays, like, file):
    wanted = named(like)
    if {n: (a.shape, a.dtype) for n, a in wanted.items()} != {n: (a.shape, a.dtype) for n, a in arrays.items()}:
        differing = sorted(wanted.keys() ^ arrays.keys()) or [n for n in wanted if wanted[n].shape != arrays[n].shape]
        raise Damaged(f"{file}: it holds other arrays than this model has: {', '.join(differing[:3])}")
    return jax.tree.unflatten(jax.tree.structure(like), [arrays[name] for name in wanted])
