"""What a shell asks for: a file of `dg.export` played, and one written from a script."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import audio
from ..config import real_number
from ..errors import ArgumentError, BackendError
from ..graph import Data
from ..lazy import Lazy
from .export import export
from .function import function
from .player import Player, load

BLOCK = 512  # frames, where the file takes any number


def play(
    path: str,
    *,
    output: str | None = None,
    seconds: float | None = None,
    inputs: Sequence[str] = (),
    params: Sequence[str] = (),
) -> str:
    """Play a file that `dg.load` takes on the sound card, or render it into an audio file.

    Args:
        path: The file.
        output: An audio file, with each lane of each output as a channel.
        seconds: How long; by default as long as the longest input, or without an output until Ctrl-C.
        inputs: Audio files, one for each input in their order; the others are silent.
        params: Like `cutoff=500`.

    Returns:
        What to say at the end.

    Raises:
        ArgumentError: there is no such parameter, an input is no audio, or nothing says how long. BackendError: sounddevice, or
            a sound card, is missing.
    """
    player = load(path)
    for text in params:
        name, value = _assigned("--set", text)
        if name not in player.params:
            raise ArgumentError(f"play: --set {name}: there is {', '.join(player.params) or 'no parameter'}")
        player.params[name] = real_number(f"play: --set {name}", float(value) if _is_number(value) else value)
    rate = player.manifest["sample_rate"]
    given = _inputs(player, inputs, rate)
    longest = max(map(len, given.values())) if inputs else None
    frames = longest if seconds is None else round(real_number("play: --seconds", seconds) * rate)
    if output is not None:
        if frames is None:
            raise ArgumentError("play: --output takes --seconds, where no --input says how long it is")
        blocks = [np.zeros((0, _channels(player)), np.float32), *_blocks(player, given, frames)]
        audio.write(output, np.concatenate(blocks), rate)
        return f"{frames} frames at {rate:g} Hz in {output}"
    return _aloud(_blocks(player, given, frames), min(_channels(player), 2), rate)


def _aloud(blocks: Iterator[np.ndarray], channels: int, rate: float) -> str:
    try:
        sounddevice = importlib.import_module("sounddevice")
    except (ImportError, OSError) as e:  # an OSError is a missing PortAudio
        told = f"play: sounddevice does not load ({e}); {sys.executable} -m pip install sounddevice, or --output FILE.wav"
        raise BackendError(told) from None
    played = 0
    try:
        with sounddevice.OutputStream(samplerate=rate, channels=channels, dtype="float32") as stream:
            for block in blocks:
                stream.write(np.ascontiguousarray(block[:, :channels]))
                played += len(block)
    except KeyboardInterrupt:
        pass
    except sounddevice.PortAudioError as e:
        raise BackendError(f"play: the sound card says: {e}; --output FILE.wav renders without one") from None
    return f"{played / rate:.1f} s played"


def _inputs(player: Player, paths: Sequence[str], rate: float) -> dict[str, np.ndarray]:
    """The samples of each input, `(frames, *shape)`; of one that no file is for, none."""
    rows = [row for row in player.manifest["inputs"] if row["shape"] != [0]]
    for row in rows:
        if not row["frames"] or "hop" in row:
            raise ArgumentError(f"play: the input {row['name']} is no audio")
    if len(paths) > len(rows):
        raise ArgumentError(f"play: {len(paths)} --input for {len(rows)} inputs")
    given = {row["name"]: np.zeros((0, *row["shape"]), np.float32) for row in rows}
    for row, path in zip(rows, paths):
        samples, _ = audio.read(path, rate, mono=not row["shape"])
        if list(samples.shape[1:]) != row["shape"]:
            raise ArgumentError(
                f"play: {path} has the shape {samples.shape[1:]}, the input {row['name']} {tuple(row['shape'])}"
            )
        given[row["name"]] = samples
    return given


def _blocks(player: Player, given: Mapping[str, np.ndarray], frames: int | None) -> Iterator[np.ndarray]:
    """What it plays, `(frames, channels)`, block by block; a file for one length plays all of that, and is cut."""
    size = player.manifest["frames"] or BLOCK
    counts = itertools.count(0, size) if frames is None else range(0, frames, size)
    for start in counts:
        block = {name: _cut(x, start, size) for name, x in given.items()}
        made = player.process(block or None, None if block else size)
        values = made.values() if isinstance(made, dict) else made if isinstance(made, (list, tuple)) else [made]
        rows = zip(player.manifest["outputs"], values)
        lanes = [np.broadcast_to(x, (size, *x.shape[not row["frames"] :])) if not row["frames"] else x for row, x in rows]
        whole = np.concatenate([x.reshape(size, -1) for x in lanes], axis=1)
        yield whole if frames is None else whole[: frames - start]


def _cut(samples: np.ndarray, start: int, size: int) -> np.ndarray:
    part = samples[start : start + size]
    return np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), np.float32)])


def _channels(player: Player) -> int:
    return sum(int(np.prod(row["shape"])) for row in player.manifest["outputs"])


def written(
    place: str, path: str, *, params: str | None = None, units: Sequence[str] = (), rate: float | None = None, **options: Any
) -> str:
    """Write what a script has made, by `dg.export`.

    Args:
        place: `module:name`, or `file.py:name`. The name is that of a value, of a dict, list or tuple of values, of a pair
            `(outputs, params)`, or of a function without arguments that returns one of these.
        path: What is written; its suffix chooses.
        params: Names of variables of the module that stay parameters, with commas between them. By default all that hold a
            parameter of the graph with bounds.
        units: Like `cutoff=Hz`.
        rate: In Hz, for C and what is built from it.
        options: Those of `dg.export` that are not None.

    Returns:
        What to say at the end.

    Raises:
        ArgumentError: there is no such module or name; and what `dg.export` raises.
    """
    module, name = _module(place)
    found = getattr(module, name, None)
    if found is None:
        raise ArgumentError(f"export: {place}: the module has no {name}")
    made = found() if callable(found) and not isinstance(found, Lazy) else found
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], Mapping):
        outputs, held = made
    else:
        outputs, held = made, None
    chosen = _params(module, outputs, held, params)
    given = {option: x for option, x in options.items() if x is not None}
    if units:
        given["units"] = dict(_assigned("--unit", text) for text in units)
    if rate is not None:
        given["sample_rates"] = [rate]
    digest = export(outputs, path, params=chosen, **given)
    files = [os.path.join(folder, file) for folder, _, files in os.walk(path) for file in files] or [path]  # .lv2 is a folder
    return f"{path}: {sum(map(os.path.getsize, files))} bytes, params {', '.join(chosen) or 'none'}, SHA-256 {digest}"


def _module(place: str) -> tuple[Any, str]:
    where, colon, name = place.rpartition(":")
    if not colon or not where or not name.isidentifier():
        raise ArgumentError(f"export: {place!r} is not like module:name")
    if not where.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        try:
            return importlib.import_module(where), name
        except ModuleNotFoundError as e:
            if e.name and (where == e.name or where.startswith(f"{e.name}.")):
                raise ArgumentError(f"export: there is no module {where}") from None
            raise
    if not os.path.isfile(where):
        raise ArgumentError(f"export: there is no file {where}")
    sys.path.insert(0, os.path.dirname(os.path.abspath(where)))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(where))[0], where)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"export: {where} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, name


def _params(module: Any, outputs: Any, held: Mapping[str, Any] | None, names: str | None) -> dict[str, Any]:
    if held is not None or names is not None:
        known = vars(module) if held is None else held
        chosen = list(known) if names is None else [name for name in names.split(",") if name]
        for name in chosen:
            if not isinstance(known.get(name), Lazy):
                raise ArgumentError(f"export: --params {name}: there is no such value")
        return {name: known[name] for name in chosen}
    values = list(outputs.values()) if isinstance(outputs, dict) else outputs
    learned = {leaf for leaf in function(values).graph.arrays if isinstance(leaf, Data) and leaf.requires_grad}
    bounded = {leaf for leaf in learned if np.isfinite([leaf.low, leaf.high]).all()}
    return {name: x for name, x in vars(module).items() if isinstance(x, Lazy) and x.node in bounded}


def _assigned(option: str, text: str) -> tuple[str, str]:
    name, equal, value = text.partition("=")
    if not (name and equal):
        raise ArgumentError(f"{option} {text}: it is not like name=value")
    return name, value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
