"""All benchmarks of this folder on your machine, as tables in Markdown: `python tests/bench/all.py [--quick] [--only step]`.

    python3 -m venv .venv && .venv/bin/pip install -e ".[bench]" && .venv/bin/python tests/bench/all.py > figures.md

Each runs in a process of its own, and asserts that contenders agree before it times them. What this machine lacks for one,
peers, a compiler or a GPU, is looked for first, and the benchmark skipped with a word. Loops on the CPU run twice: with XLA as
it comes, and with its limit for small loops raised (README, "Performance"). A benchmark that is new in the folder is run as
well. All take about 40 minutes; `--quick` takes a minute or two, and its figures are a sign of life, no more. Ctrl-C ends it,
with the tables of what is done. The exit status is 1 if a benchmark failed.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LIMIT = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=65536"
PACKAGES = (
    "dgenlazy",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "torch",
    "torchlpc",
    "torchaudio",
    "auraloss",
    "librosa",
    "dawdreamer",
)


class Benchmark(NamedTuple):
    """One file of the folder.

    Attributes:
        quick: Arguments for a sign of life; None if it has none.
        needs: Modules, "a C compiler", "a GPU" or "2 GPUs", without which it is skipped.
        loops: Whether it depends on XLA's limit for loops on the CPU.
    """

    name: str
    quick: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    loops: bool = True


KNOWN = [
    Benchmark("step", ("--processes", "1")),
    Benchmark("recurrences", ("--seconds", "0.1", "--only", "biquad")),
    Benchmark("widths", ("--quick", "--only", "biquad", "--seconds", "0.1", "--lanes", "4", "--examples", "1")),
    Benchmark("fit"),
    Benchmark("runs", ("--frames", "64"), loops=False),
    Benchmark("latency", ("--blocks", "100", "--size", "64")),
    Benchmark("fir", None, ("scipy",), loops=False),
    Benchmark("spectra", loops=False),
    Benchmark("synthesis", ("--seconds", "0.5", "--partials", "16", "--rounds", "3"), loops=False),
    Benchmark("losses", ("--seconds", "0.5", "--rounds", "3"), ("auraloss", "torch"), loops=False),
    Benchmark("compile", ("biquad",), loops=False),
    Benchmark("native", None, ("a C compiler",), loops=False),
    Benchmark("parity", None, ("auraloss", "librosa", "pyloudnorm", "soundfile", "torch"), loops=False),
    Benchmark("gpu", None, ("a GPU",), loops=False),
    Benchmark("scaling", None, ("2 GPUs",), loops=False),
]


def found(folder: Path) -> list[Benchmark]:
    """Those that are here: the known ones in their order, and what else in the folder can be run."""
    files = {path.stem: path.read_text() for path in sorted(folder.glob("*.py"))}
    runs = [name for name, text in files.items() if "__main__" in text and name != Path(__file__).stem]
    known = {benchmark.name: benchmark for benchmark in KNOWN}
    others = [Benchmark(name, ("--quick",) if '"--quick"' in files[name] else None) for name in runs if name not in known]
    return [known[name] for name in known if name in runs] + others


def about(path: Path) -> str:
    """The first paragraph that a benchmark says of itself, without the command, if that stands there."""
    text = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
    return re.sub(r"[:,]?\s*`python [^`]*`", "", " ".join(text.split()))


def missing(benchmark: Benchmark, gpus: int) -> list[str]:
    """What it needs and this machine has not."""
    there = {
        "a GPU": gpus > 0,
        "2 GPUs": gpus > 1,
        "a C compiler": bool(shutil.which("cc") or shutil.which("clang") or importlib.util.find_spec("ziglang")),
    }
    return [need for need in benchmark.needs if not there.get(need, bool(need not in there and importlib.util.find_spec(need)))]


def count_gpus() -> int:
    """Asked for in a process of its own, which gives them back."""
    script = "import jax; print(sum(d.platform == 'gpu' for d in jax.devices()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else 0


def row(line: str) -> tuple[str, str] | None:
    """A line that a benchmark printed, as what it is of and its figures; None if it has none.

    >>> row("time-varying biquad, 1 lane  naive scan        12.3 ms   0.5x")
    ('time-varying biquad, 1 lane, naive scan', '12.3 ms · 0.5x')
    >>> row("| ladder | 3.1 | 5.0 |"), row("sines: fit / by hand 0.9 (0.8 to 1.0)"), row("| --- |")
    (('ladder', '3.1 · 5.0'), ('sines', 'fit / by hand 0.9 (0.8 to 1.0)'), None)
    """
    cells = [cell for cell in re.split(r"\s{2,}|\s*\|\s*", line.strip()) if cell]
    first = next((i for i, cell in enumerate(cells) if i and re.match(r"[-+]?\d", cell)), None)
    if first is not None:
        return ", ".join(cells[:first]), " · ".join(cells[first:])
    name, colon, figures = line.strip().partition(": ")
    return (name, figures) if colon and re.search(r"\d", figures) and len(cells) == 1 else None


def table(outputs: dict[str, str]) -> list[str]:
    """What runs printed, by the name of their setting, as Markdown: a column of figures each, and what is not a row above."""
    rows: dict[str, dict[str, str]] = {}
    said: list[str] = []
    for setting, text in outputs.items():
        for line in filter(str.strip, text.splitlines()):
            if (entry := row(line)) is not None:
                rows.setdefault(entry[0], {})[setting] = entry[1]
            elif set(line) - set("|-: ") and (plain := " · ".join(re.split(r"\s{2,}|\s*\|\s*", line.strip(" |")))) not in said:
                said.append(plain)
    lines = [f"{text}  " for text in said]
    if rows:
        lines += ["", f"| | {' | '.join(outputs)} |", f"| --- |{' --- |' * len(outputs)}"]
        lines += [f"| {name} | {' | '.join(figures.get(s, '') for s in outputs)} |" for name, figures in rows.items()]
    return lines


def machine(gpus: int) -> list[str]:
    """Of which machine, which commit and which packages the figures are."""

    def said(*command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = said("git", "log", "-1", "--format=%h of %cs") if shutil.which("git") else ""
    changed = " and changes" if commit and said("git", "status", "--porcelain", "--untracked-files=no") else ""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((x.partition(": ")[2] for x in info.read_text().splitlines() if x.startswith("model name")), cpu)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    there, absent = [], []
    for name in PACKAGES:
        try:
            there.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            absent.append(name)
    return [
        f"- commit: {commit or 'unknown'}{changed}, run at {time.strftime('%Y-%m-%d %H:%M')}",
        f"- machine: {cpu}, {cores} cores, {platform.system()} {platform.release()}, {gpus} GPUs",
        f"- load when it began: {os.getloadavg()[0]:.1f}" if os.name == "posix" else "- load: unknown",
        f"- Python {platform.python_version()}, {', '.join(there)}",
        f"- not installed: {', '.join(absent) or 'nothing'}",
    ]


def settings(benchmark: Benchmark, gpus: int) -> dict[str, dict[str, str]]:
    """The environments to run it in, by their names."""
    mine = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    if {"a GPU", "2 GPUs"} & set(benchmark.needs):
        return {"on the GPU": mine}
    mine["JAX_PLATFORMS"] = "cpu"
    if not benchmark.loops:
        return {"figures": mine}
    flags = " ".join(flag for flag in os.environ.get("XLA_FLAGS", "").split() if "xla_backend_extra_options" not in flag)
    as_it_comes = {**mine, "XLA_FLAGS": flags, "DGENLAZY_XLA_FLAGS": "0"}
    raised = {**mine, "XLA_FLAGS": f"{flags} {LIMIT}".strip(), "DGENLAZY_XLA_FLAGS": "1"}
    return {"XLA as it comes": as_it_comes, "limit raised": raised}


def run(path: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[int, str, str]:
    """The status, output and errors of a benchmark. An interrupt ends it with all processes that it began."""
    begun = subprocess.Popen(
        [sys.executable, str(path), *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = begun.communicate()
    except BaseException:
        if os.name == "posix":
            os.killpg(begun.pid, signal.SIGKILL)
        begun.kill()
        begun.wait()
        raise
    return begun.returncode, out, errors


def report(benchmark: Benchmark, folder: Path, quick: bool, gpus: int) -> bool:
    """Run a benchmark and print its table; whether it went well."""
    path, outputs, failures = folder / f"{benchmark.name}.py", {}, []
    print(f"\n## {benchmark.name}\n\n{about(path)}\n", flush=True)
    if absent := missing(benchmark, gpus):
        print(f"Skipped: it needs {', '.join(absent)}, which is not here.", flush=True)
        return True
    if quick and benchmark.quick is None:
        print("Skipped: there is no quick way to run it.", flush=True)
        return True
    for name, environment in settings(benchmark, gpus).items():
        begun = time.monotonic()
        print(f"{benchmark.name}, {name} ...", end="", file=sys.stderr, flush=True)
        status, outputs[name], errors = run(path, (benchmark.quick or ()) if quick else (), environment)
        print(f" {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if status:
            told = [x for x in errors.splitlines() if x.strip() and not x.startswith("dgenlazy: ")]
            failures.append(f"**Failed** ({name}, status {status}): {told[-1] if told else 'its rows say what it missed'}")
    print("\n".join([*table(outputs), *(f"\n{failure}" for failure in failures)]), flush=True)
    return not failures


def main(argv: list[str] | None = None, folder: Path = HERE) -> int:
    here = found(folder)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute or two: does it run at all?")
    parser.add_argument("--only", choices=[b.name for b in here], action="append", help="this one; may be repeated")
    args = parser.parse_args(argv)
    try:
        gpus = count_gpus()
        print("\n".join([f"# Benchmarks of dgenlazy{', quick' * args.quick}", "", *machine(gpus)]), flush=True)
        well = [report(b, folder, args.quick, gpus) for b in here if not args.only or b.name in args.only]
    except KeyboardInterrupt:
        print("\nStopped here.", flush=True)
        return 130
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
