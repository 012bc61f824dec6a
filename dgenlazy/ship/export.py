"""Writing a graph to one file: as StableHLO that any JAX can run without this package, or as C that needs neither."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .. import files
from ..config import flag, whole_number
from ..errors import ArgumentError, spelled
from ..run import runtime
from . import artifact, native
from .programs import Programs


@spelled
def export(
    outputs: Any,
    path: str | os.PathLike[str],
    *,
    params: Mapping[str, Any] | None = None,
    inputs: Mapping[Any, Any] | None = None,
    frames: int | None = None,
    platforms: Sequence[str] | None = None,
    gradient: bool = False,
    allow: Sequence[str] = (),
    name: str | None = None,
    units: Mapping[str, str] | None = None,
    math: Literal["inline", "libm"] = "inline",
    sample_rates: Sequence[float] | None = None,
    title: str | None = None,
    uri: str | None = None,
    id: str | None = None,
    target: str | None = None,
) -> str:
    """Write a graph to a file, to be run without it. The suffix chooses: `.c` is C, `.wasm` and `.html` are for browsers,
    `.lv2` and `.clap` are plug-ins, all else is for `dg.load`; endings of something else, like `.htm` or `.wav`, are refused.

    Settings are those of now, and so is data that is no argument. A file that is there already is replaced whole, or on an
    error not touched. What is for `dg.load` is run by plain `jax.export` too, without this package; it takes the extra
    `export`.

    A `.c` file is one frame of the graph, frame after frame, as C99 that is C++ too, and needs nothing but `math.h`. Its
    comment says how it is compiled and called: a struct `NAME_t` that holds all there is, `NAME_init`, `NAME_process` for
    blocks of any length, `NAME_prepare` after fields of parameters were changed, `NAME_reset`; a table of the parameters;
    `NAME_inputs`, `NAME_outputs` and `NAME_latency`. Channels are planar: those of inputs in ascending order, those of outputs
    in the order given, lanes in C order. It takes `params`, `name`, `units`, `math` and `sample_rates`; the others are for
    `dg.load`. Samples that are part of the graph (`Signal.from_samples`) play once: behind their end, where `realize` and
    players raise an InputError, C, pages and plug-ins go on with frames of 0, and at a hop with the last tick.

    A `.wasm` file is that C through a compiler: zig (extra `native`; its first run can take a minute) or a clang that knows
    wasm32-wasi. It has no imports, and exports its memory, the four functions, and `_initialize`. The JSON in its custom
    section `dgenlazy` tells a host the size of the struct and where its parameters lie; a place for it is what `memory.grow`
    returns. As WebAssembly has no other way to keep away numbers so small that processors are slow with them, states below
    1e-30 become 0.

    A `.html` file is a page around that module, to be opened from a disk or put on a server: it has no address of the internet
    in it. It plays through an AudioWorklet at the rate of the export, has a slider for each parameter between its bounds, a
    file or the microphone for inputs, spectrum and scope, and for parameters `freq` and `gate` a keyboard. What is moved gets
    there in 20 ms. Sliders move by octaves where the unit is Hz or kHz; without a unit where the name ends like `cutoff`,
    `freq`, `frequency`, `hz` or `f0` and the maximum is above 1; and where bounds above 0 are a hundred times apart, unless
    the unit counts ratios itself, like dB or semitones. An LV2 plug-in tells its host the same of all whose minimum is above 0.

    A plug-in is that file with a wrapper, built by the C compiler that `dg.compile` takes; it refuses a sample rate that it is
    not for. Parameters are its controls, which take bounds, as in `Signal.param(..., min=..., max=...)`; of an array, as of
    `Tensor.param(...)`, each element is one, `gain[0]`, `gain[1]`, ..., at most 128. One that is moved goes there in 20 ms, in
    steps of 64 frames, but at once before the first frame. `.lv2` is a bundle: a folder of two texts, the library, and all of
    its C. `.clap` is one library (a folder on macOS), with its state, its latency, and notes where there are parameters `freq`
    and `gate`, and perhaps `velocity`: the newest key that is down sounds, at once.

    Args:
        outputs: A value, or a dict, list or tuple of values.
        path: Where to write. Its folder exists. A device or a FIFO is written to, and not replaced.
        params: Leaves that stay arguments, by name: Tensors and Signals that hold data. All others become constants.
        inputs: Leaves that are given anew with each block, by name: `{"source": Signal.input(0)}`; a channel number stands
            for its input. By default every channel, by its number.
        frames: How long a block is. None for any length: then each recurrence is run frame by frame, which is fast on a
            CPU only, and ops that see the whole run, like `spectral_loss`, mostly cannot be exported.
        platforms: Of "cpu", "cuda", "rocm", "tpu" and "mps"; by default that of the present backend. None of them needs to
            be on this machine.
        gradient: Also write the gradient to `params` of the mean over the frames of a block, begun afresh, as `backward` takes
            it: not late, each term of a sum at its own ticks. Takes one output, of shape ().
        allow: Targets of custom calls that the program may hold beside those of this library's ops, of the ones that JAX
            keeps stable; `dg.load` must be told the same. For ops made by `dg.from_jax`.
        name: What the functions and types of C begin with; by default the name of the file.
        units: Of parameters, by their names: text for the table and for sliders, like `{"cutoff": "Hz"}`.
        math: "inline" computes sine, exponential and logarithm by functions in the file, which compilers take several lanes
            at once, to 2e-7, the sine for angles up to 1e9; "libm" calls `math.h`.
        sample_rates: The rates in Hz that the file is for, by default `DGen.sample_rate`; its `NAME_init` takes each of them,
            with one copy of the code. What ops know of the rate, and what was made from `dg.sample_rate`, a lazy number,
            follows; what was made from `DGen.sample_rate` in Python stays as it is.
        title: Of a page, or what a plug-in is called by people; by default the name of the file, or of the plug-in.
        uri: The name of an LV2 plug-in in the world, `urn:you:voice`; songs find it by that. With it, `.c` is the C of the
            plug-in, to be built elsewhere.
        id: The same of a CLAP plug-in, `com.you.voice`.
        target: The machine that a plug-in is for, as zig names it, if it is not this one: "x86_64-windows-gnu",
            "aarch64-macos", "x86_64-macos", "x86_64-linux-gnu", "aarch64-linux-gnu". Takes the package ziglang.

    Returns:
        The SHA-256 of the file, for `dg.load(path, sha256=...)`; of a folder, that of a line `SHA-256  name` for each of its
        files, in the order of their names, as `sha256sum` writes it.

    Raises:
        ArgumentError: an argument is not as above, or an op does not go with what was asked for; what has no form in C is
            named with its op; parameters of a page have no bounds. BackendError: flatbuffers or a compiler is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = dg.export(Signal.input(0).onepole(0.5), f"{folder}/filter.dgen", frames=4)
    ...     dg.load(f"{folder}/filter.dgen", sha256=digest).process(np.ones(4, np.float32))
    array([0.5   , 0.75  , 0.875 , 0.9375], dtype=float32)
    >>> from pathlib import Path
    >>> cutoff = Signal.param(0.5, min=0.0, max=1.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = dg.export(Signal.input(0).onepole(cutoff), f"{folder}/voice.c", params={"cutoff": cutoff})
    ...     text = Path(f"{folder}/voice.c").read_text()
    >>> "float cutoff;" in text, "void voice_process(" in text
    (True, True)
    """
    file = files.checked_path("export", path)
    stem, suffix = os.path.splitext(os.path.basename(os.path.normpath(file)))
    asked = {"uri": uri, "id": id, "title": title, "target": target}
    loaded = {"platforms": platforms, "gradient": gradient or None, "allow": tuple(allow) or None}
    if suffix.lower() in _MISTAKEN or (suffix not in native.OPTIONS and suffix.lower() in native.OPTIONS):
        raise ArgumentError(
            f"export: {suffix!r} is not one of .dgen, {', '.join(native.OPTIONS)}; the suffix chooses what is written"
        )
    if suffix in native.OPTIONS:
        other = {option: x for option, x in asked.items() if option not in native.OPTIONS[suffix]}
        _refuse(suffix, inputs=inputs, frames=frames, **loaded, **other)
        wanted = outputs, params, native.name_of(stem) if name is None else name, units, math, sample_rates
        return native.write(suffix, file, wanted, asked)
    given = {"name": name, "units": units, "sample_rates": sample_rates, "math": None if math == "inline" else math}
    _refuse(suffix, **given, **asked)
    artifact.needs_flatbuffers("export")
    files.place("export", file)  # before the work, if there is none to write to
    source = Programs(outputs, params, inputs, None if frames is None else whole_number("export: frames", frames, least=1))
    if flag("export: gradient", gradient):
        source.differentiate()
    data = artifact.pack(*source.written(_platforms(platforms), gradient, tuple(allow)))
    if len(data) > artifact.LARGEST:
        raise ArgumentError(f"export: {len(data)} bytes are more than {artifact.LARGEST}; make constants inputs or params")
    files.replace("export", file, data)
    return hashlib.sha256(data).hexdigest()


# Of pages and of code that other tools build; whatever is not known otherwise holds a program for `dg.load`.
_MISTAKEN = {".htm", ".xhtml", ".js", ".h", ".cc", ".cpp", ".so", ".dll", ".dylib", ".vst", ".vst3", ".component"}


def _refuse(suffix: str, **given: Any) -> None:
    """Raise an ArgumentError for what a file of this kind does not take."""
    for name, value in given.items():
        if value is not None:
            raise ArgumentError(f"export: a {suffix} file takes no {name}={value!r}; the suffix chooses what is written")


def _platforms(given: Any) -> list[str]:
    platforms = [artifact.platform_of(runtime.device())] if given is None else given
    if isinstance(platforms, str) or not isinstance(platforms, Sequence) or not platforms:
        raise ArgumentError(f"export: platforms={given!r} is not a list of names")
    for name in platforms:
        if name not in artifact.PLATFORMS:
            raise ArgumentError(f"export: platforms: {name!r} is not one of {', '.join(artifact.PLATFORMS)}")
    return list(dict.fromkeys(platforms))
