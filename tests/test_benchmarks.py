"""`tests/bench/all.py`: it finds what is there, skips what cannot run, and prints what the benchmarks print as tables."""

import doctest
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick import THOROUGH

PATH = Path(__file__).parent / "bench" / "all.py"
spec = importlib.util.spec_from_file_location("bench_all", PATH)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)

PRINTS = '''"""Two rows: `python tests/bench/prints.py`.

More of it.
"""
import os
import sys
if __name__ == "__main__":
    assert os.environ["DGENLAZY_XLA_FLAGS"] == str(int("byte_threshold" in os.environ["XLA_FLAGS"]))
    print("jax 1, 44100 frames")
    print(f"{'sines':20} by hand        {'byte_threshold' in os.environ['XLA_FLAGS']:5d} ms")
    print("| ladder | 3.1 | 5.0 |")
    print("takes", *sys.argv[1:])
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "count_gpus", lambda: 0)
    (tmp_path / "prints.py").write_text(PRINTS)
    (tmp_path / "voices.py").write_text('"""No benchmark."""\n')
    return tmp_path


def test_rows_are_read_as_their_lines_show():
    assert doctest.run_docstring_examples(bench.row, vars(bench)) is None
    assert bench.row("128 lanes, forward   1.19 ms 0.8 x") == ("128 lanes, forward", "1.19 ms 0.8 x")
    assert bench.row("jax 0.10.2, cpu, 44100 Hz") is None
    assert bench.row("") is None


def test_all_benchmarks_of_the_folder_are_found_and_say_what_they_are():
    names = [b.name for b in bench.found(PATH.parent)]
    assert {"step", "recurrences", "native", "compile", "gpu"} <= set(names)
    assert not {"all", "faust_voices"} & set(names)
    assert len(names) == len(set(names))
    for name in names:
        assert len(bench.about(PATH.parent / f"{name}.py")) > 20


def test_a_report_has_a_column_for_each_setting_and_names_the_machine(folder, capsys):
    assert bench.main([], folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# Benchmarks of dgenlazy"
    assert [line.split(":")[0] for line in lines[2:4]] == ["- commit", "- machine"]
    assert any("jaxlib" in line for line in lines)
    assert lines[lines.index("## prints") + 2 :] == [
        "Two rows.",
        "",
        "jax 1, 44100 frames  ",
        "takes  ",
        "",
        "| | XLA as it comes | limit raised |",
        "| --- | --- | --- |",
        "| sines, by hand | 0 ms | 1 ms |",
        "| ladder | 3.1 · 5.0 | 3.1 · 5.0 |",
    ]


def test_what_fails_is_told_of_and_the_others_run(folder, capsys):
    (folder / "bad.py").write_text('"""Fails."""\nif __name__ == "__main__":\n    assert 1 == 2, "they differ"\n')
    assert bench.main([], folder) == 1
    out = capsys.readouterr().out
    assert "**Failed** (limit raised, status 1): AssertionError: they differ" in out
    assert "| ladder |" in out


def test_what_is_missing_is_skipped_with_a_word(folder, capsys, monkeypatch):
    needs = bench.Benchmark("prints", (), ("a_peer_that_is_nowhere", "os", "a GPU"))
    monkeypatch.setattr(bench, "KNOWN", [needs, bench.Benchmark("of_a_later_commit")])
    assert bench.main([], folder) == 0
    assert "Skipped: it needs a_peer_that_is_nowhere, a GPU, which is not here." in capsys.readouterr().out


def test_quick_runs_what_has_a_quick_way(folder, capsys, monkeypatch):
    (folder / "long.py").write_text('"""Long."""\nif __name__ == "__main__":\n    raise SystemExit("ran")\n')
    monkeypatch.setattr(bench, "KNOWN", [bench.Benchmark("prints", ("--rounds", "1"))])
    assert bench.main(["--quick"], folder) == 0
    out = capsys.readouterr().out
    assert "takes --rounds 1" in out
    assert out.count("Skipped: there is no quick way to run it.") == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of other systems")
def test_an_interrupt_ends_it_and_what_it_runs(tmp_path):
    (tmp_path / "sleeps.py").write_text(
        '"""Sleeps."""\nimport os, subprocess, sys, time\nif __name__ == "__main__":\n'
        '    inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])\n'
        '    open(sys.path[0] + "/pids", "w").write(f"{os.getpid()} {inner.pid} ")\n    time.sleep(99)\n'
    )
    code = f"""
import importlib.util, pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored below a shell that runs us in its background
spec = importlib.util.spec_from_file_location("bench_all", {str(PATH)!r})
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
bench.count_gpus = lambda: 0
sys.exit(bench.main([], pathlib.Path({str(tmp_path)!r})))
"""
    begun = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pids, end = tmp_path / "pids", time.monotonic() + 60
    while not (pids.exists() and pids.read_text().endswith(" ")) and time.monotonic() < end:
        time.sleep(0.02)
    begun.send_signal(signal.SIGINT)
    out, errors = begun.communicate(timeout=60)
    assert begun.returncode == 130, errors
    assert out.endswith("Stopped here.\n")
    assert "Traceback" not in errors
    for pid in pids.read_text().split():
        while ended(int(pid)) is False and time.monotonic() < end:
            time.sleep(0.02)
        assert ended(int(pid))


def ended(pid):
    """Whether a process is gone, or is what nobody has asked for yet."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.skipif(not THOROUGH, reason="two minutes; DGENLAZY_EVERY=1")
def test_the_benchmarks_run():
    done = subprocess.run([sys.executable, str(PATH), "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert done.stdout.count("\n| ") > 20
