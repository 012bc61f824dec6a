"""What a machine has for dgenlazy, where a program would run, and whether its numbers are those of the CPU."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .config import BACKENDS, Backend, DGen
from .lazy import Lazy
from .run import backend
from .ship import found
from .values import Signal, Tensor, feedback
from .version import __version__

PACKAGES = ("jax", "jaxlib", "numpy", "optax", "jax-mps", "jax-metal", "soundfile", "soxr", "ziglang", "sounddevice")
FRAMES = 2048
TOLERANCE = 1e-4  # of values and gradients, relative to the largest, or to 1


def report(name: Backend = "auto", write: Callable[[str], Any] = print) -> bool:
    """Write a report about this machine and `DGen.backend = name`, line by line. Returns whether all is well."""
    with _logged() as said:
        devices = backend.devices()
    wrong = [line for line in said if line.startswith("Jax plugin")] + backend.failures
    write(f"dgenlazy {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    _section(write, "packages", [(p, version) for p in PACKAGES if (version := _version(p))])
    _section(write, "plugins", [(e.name, f"{e.value}, {_origin(e)}") for e in backend.plugins()])
    _section(write, "devices", [(str(d), f"{d.platform}, {d.device_kind}") for d in devices])
    _section(write, "compilers", found())
    _section(write, "DGen.backend", [(b, _where(b)) for b in BACKENDS])
    if warned := [(line,) for line in said if line not in wrong]:
        _section(write, "JAX says", warned)

    here, cpu = backend.find(name), backend.find("cpu")
    if here is None or cpu is None:
        wrong += [f"{b}: {_where(b)}" for b, found in ((name, here), ("cpu", cpu)) if found is None]
    else:
        rows = [_compared(op, make, name) for op, make in PROBES.items()]
        wrong += [f"{row.op} on {here.platform}: {row.result}" for row in rows if row.result != "ok"]
        same = "; the same device, so all that this shows is that it runs" if here == cpu else ""
        title = f"{here.platform} against cpu, {FRAMES} frames, {TOLERANCE:g} allowed{same}"
        _section(write, title, [("op", "plan", "value off by", "gradient off by", ""), *rows])
    if wrong:
        _section(write, "broken", [(line,) for line in wrong])
    else:
        write("\nall is well")
    return not wrong


def _section(write: Callable[[str], Any], title: str, rows: Sequence[Sequence[str]]) -> None:
    """A title and its rows, in columns."""
    write(f"\n{title}")
    rows = rows or [("none",)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        write("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _origin(plugin: importlib.metadata.EntryPoint) -> str:
    return f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else "of no package"


def _where(name: str) -> str:
    found = backend.find(name)
    return f"{found} ({found.device_kind})" if found else f"no such device; to have one: {backend.FIX[name]}"


class _Kept(logging.Handler):
    """Keeps what is logged, one line each."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        cause = f": {_line(error)}" if error else ""
        self.lines.append(record.getMessage().splitlines()[0] + cause)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """What JAX logs meanwhile, which it would print with tracebacks."""
    log, kept = logging.getLogger("jax"), _Kept()
    before = log.handlers, log.propagate
    log.handlers, log.propagate = [kept], False
    try:
        yield kept.lines
    finally:
        log.handlers, log.propagate = before


# What is compared.


def _probes() -> dict[str, Callable[[], tuple[Lazy, Lazy]]]:
    """By the name of an op: what makes a value with it, and what of it is learned."""

    def probe(learned: float, make: Callable[[Any], Lazy]) -> Callable[[], tuple[Lazy, Lazy]]:
        def both():
            parameter = Signal.param(learned)
            return make(parameter), parameter

        return both

    def noise() -> Any:
        return Signal.noise(seed=1)

    def moving(low: float, high: float) -> Any:
        return low + (high - low) * Signal.phasor(3.0)

    weights = Tensor(np.cos(np.arange(64.0)).reshape(8, 8))
    return {
        "phasor": probe(440.0, lambda f: (Signal.phasor(f) * 2 * np.pi).sin()),
        "noise": probe(0.5, lambda g: Signal.noise(seed=1, shape=[2]) * g),
        "matmul": probe(0.5, lambda g: (weights @ (Signal.noise(seed=1, shape=[8]) * g)).tanh()),
        "peek_row": probe(0.5, lambda g: (weights * g).peek_row(moving(0.0, 7.0))),
        "accum": probe(0.5, lambda g: (noise() * g).accum(reset=noise() > 0.99)),
        "biquad": probe(2.0, lambda q: noise().biquad(moving(200.0, 8000.0), q)),
        "delay": probe(20.0, lambda d: noise().delay(d + moving(0.0, 10.0), max_delay=40)),
        "comb": probe(0.7, lambda g: noise().comb(150, feedback=g, damping=0.2)),
        "ladder": probe(0.6, lambda r: noise().ladder(moving(200.0, 4000.0), resonance=r, drive=2.0)),
        "feedback": probe(0.8, lambda g: feedback(lambda previous: (noise() + g * previous).tanh())),
        "spectral_loss": probe(0.5, lambda g: (noise() * g).spectral_loss(noise(), window_size=[64, 256])),
    }


class Row(NamedTuple):
    """How far a backend is from the CPU for one op."""

    op: str
    plan: str
    value: str
    gradient: str
    result: str


def _compared(op: str, make: Callable[[], tuple[Lazy, Lazy]], name: Backend) -> Row:
    try:
        plan, here = _run(make, name)
        _, there = _run(make, "cpu")
    except Exception as e:  # whatever a plugin raises is what the report is for
        return Row(op, "", "", "", f"failed: {_line(e)}")
    off = [float(np.max(np.abs(a - b)) / max(1.0, np.max(np.abs(b)))) for a, b in zip(here, there)]
    good = all(x <= TOLERANCE for x in off)
    return Row(op, plan, f"{off[0]:.1e}", f"{off[1]:.1e}", "ok" if good else "differs")


def _run(make: Callable[[], tuple[Lazy, Lazy]], name: Backend) -> tuple[str, tuple[Any, Any]]:
    """The plan of the last recurrence, and value and gradient."""
    with DGen.override(backend=name):
        value, parameter = make()
        samples = value.realize(FRAMES)
        (value * value).mean().backward(FRAMES)
        rows = value.plan(FRAMES).rows
        return rows[-1].plan if rows else "-", (samples, parameter.grad.value)


PROBES = _probes()
