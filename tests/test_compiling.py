"""When programs are compiled: kept on disk for other processes, and told of where it takes long."""

import importlib
import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy import ArgumentError, DGen, Signal
from dgenlazy.run import cache, compiling, disk, runtime

_heard = []
jax.monitoring.register_event_listener(lambda event, **_: _heard.append(event.rpartition("/")[2]))


def graph(by=0.5):
    return (Signal.from_samples(np.arange(8.0)) * by).sin()


def forget():
    """What a new process does not know."""
    for fn in (runtime._compiled, runtime._compiled_state, runtime._compiled_gradient):
        fn.cache_clear()
    for module in ("ship.function", "train.optim", "train.steps"):
        importlib.import_module(f"dgenlazy.{module}")._compiled.cache_clear()
    cache._held.clear()
    disk._searched.clear()
    jax.clear_caches()
    _heard.clear()


def counts():
    return tuple([_heard.count(event) for event in ("cache_misses", "cache_hits")])


@pytest.fixture
def folder(tmp_path):
    forget()
    DGen.cache_dir = None
    yield tmp_path / "programs"
    forget()


# The setting


def no_folders(tmp_path):
    (tmp_path / "file").touch()
    bad = {"file": tmp_path / "file", "below": tmp_path / "file" / "below", "nul": "a\0b", "empty": "", "number": 3}
    return {**bad, "bytes": b"bytes", "truth": True, "kernel": "/proc/programs"}


@pytest.mark.parametrize("name", ["below", "bytes", "empty", "file", "kernel", "nul", "number", "truth"])
def test_what_is_no_folder_to_write_to_is_an_error_at_the_assignment(name, tmp_path):
    value = no_folders(tmp_path)[name]
    with pytest.raises(ArgumentError, match=r"DGen.cache_dir=.* is not a folder that can be written to: "):
        DGen.cache_dir = value
    with pytest.raises(ArgumentError, match="cache_dir="), DGen.override(cache_dir=value):
        pytest.fail("the block ran")  # pragma: no cover
    assert DGen.cache_dir is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ArgumentError, match="Permission denied"):
        DGen.cache_dir = tmp_path


def test_a_path_is_kept_as_an_absolute_one_and_comes_back_after_an_override(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with DGen.override(cache_dir="here"):
        assert DGen.cache_dir == str(tmp_path / "here")
        with DGen.override(cache_dir=None):
            assert DGen.cache_dir is None
        DGen.cache_dir = tmp_path / "a" / "b"
        assert (tmp_path / "a" / "b").is_dir()
        assert "cache_dir=" in repr(DGen)
        DGen.cache_dir = "~/c"
        assert DGen.cache_dir == str(tmp_path / "c")
    assert DGen.cache_dir is None
    assert "cache_dir" not in repr(DGen)


# The folder


PROGRAM = """
import collections, sys
import jax
heard = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: heard.update([event.rpartition("/")[2]]))
from dgenlazy import DGen, Signal
DGen.cache_dir = sys.argv[1]
gain = Signal.param(0.5)
loss = (Signal.from_samples([1.0, 2.0]) * gain).mean()
print(loss.realize().tolist(), loss.backward(), gain.grad, heard["cache_misses"], heard["cache_hits"])
"""


def test_a_second_process_compiles_nothing_and_two_at_once_do_not_mind_each_other(tmp_path):
    def begun():
        command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ended(process):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        *values, misses, hits = out.split()
        return values, int(misses), int(hits)

    both = [ended(process) for process in [begun(), begun()]]
    again = ended(begun())
    assert both[0][0] == both[1][0] == again[0]
    assert all(misses + hits == 2 for _, misses, hits in both)
    assert again[1:] == (0, 2)


def test_programs_of_ours_are_kept_and_no_others(folder):
    with DGen.override(cache_dir=folder):
        first = graph().realize()
        jax.jit(lambda x: jnp.cos(x) * 3)(1.0)
    assert counts() == (1, 0)
    assert jax.config.jax_compilation_cache_dir is None
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 1.0
    forget()
    graph().realize()
    assert counts() == (0, 0)  # not asked for
    forget()
    with DGen.override(cache_dir=folder):
        np.testing.assert_array_equal(graph().realize(), first)
    assert counts() == (0, 1)


def test_every_way_to_run_is_kept(folder):
    """A whole run, a block, its first state, a gradient, a fit, a function of plain arrays."""

    def run():
        octave, x = Signal.param(0.5), Signal.input(0)
        y = x * octave
        loss, given = dg.mse(y, 0.5 * x), {0: np.ones(8)}
        y.realize(inputs=given)
        y.realize(inputs=given, preserve_state=True)
        loss.backward(inputs=given)
        dg.function(y)(None, {0: np.ones(8, np.float32)})
        dg.fit(loss, steps=2, inputs=given, progress=False)

    with DGen.override(cache_dir=folder):
        run()
        assert counts() == (6, 1)  # a block of what has no memory is a whole run
        forget()
        run()
        assert counts() == (0, 7)


def test_two_folders_of_two_threads_are_kept_apart(folder):
    folders, gate = [folder / "a", folder / "b"], threading.Barrier(2)

    def work(mine):
        with DGen.override(cache_dir=mine):
            gate.wait()
            graph(0.25 if mine == folders[0] else 0.75).tanh().realize(8 if mine == folders[0] else 7)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [len(list(mine.glob("*-cache"))) for mine in folders] == [1, 1]


BROKEN = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "noise": lambda data: bytes(range(256)) * 8,
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_an_entry_that_is_broken_is_compiled_again_in_silence_and_replaced(how, folder, recwarn):
    with DGen.override(cache_dir=folder):
        first = graph().realize()
        (entry,) = folder.glob("*-cache")
        entry.write_bytes(BROKEN[how](entry.read_bytes()))
        for expected in [(1, 0), (0, 1)]:
            forget()
            np.testing.assert_array_equal(graph().realize(), first)
            assert counts() == expected
    assert not [w for w in recwarn if "compilation cache" in str(w.message)]


def test_a_folder_that_is_deleted_is_made_again(folder):
    with DGen.override(cache_dir=folder):
        graph().realize()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        forget()
        graph().realize()
        assert len(list(folder.glob("*-cache"))) == 1


# The line


class Clock:
    """In place of a `threading.Timer`: its time comes when a test says so."""

    def __init__(self, seconds, tell):
        self.tell, self.seconds, self.cancelled = tell, seconds, False

    def start(self):
        pass

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def clock(monkeypatch):
    made = []
    monkeypatch.setattr(compiling.threading, "Timer", lambda *args: made.append(Clock(*args)) or made[-1])
    return made


def test_a_line_tells_of_a_program_while_it_is_compiled_and_not_while_it_runs(clock, capsys):
    def runs(x):
        clock[-1].tell()
        return x

    def traced(x):
        clock[-1].tell()
        return jax.pure_callback(runs, jax.ShapeDtypeStruct((), jnp.float32), x)

    fn = compiling.Compiled(traced, "sin (a graph of 3 ops, 8 frames)")
    assert float(fn(np.float32(2.0))) == float(fn(np.float32(2.0))) == 2.0
    line = "dgenlazy: compiling for 5 s so far: sin (a graph of 3 ops, 8 frames); DGen.cache_dir keeps it for other processes\n"
    assert capsys.readouterr().err == line
    assert len(clock) == 1
    assert clock[0].cancelled
    assert clock[0].seconds == 5.0


def test_a_compile_that_fails_leaves_no_clock_behind(clock):
    def fails(x):
        raise ZeroDivisionError

    fn = compiling.Compiled(fails, "fails")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fn(1.0)
    assert [c.cancelled for c in clock] == [True, True]


@pytest.mark.parametrize("seconds", [0.0, 600.0])
def test_the_line_says_which_graph_and_only_where_it_takes_so_long(seconds, monkeypatch, capsys, folder):
    monkeypatch.setattr(compiling, "SLOW", seconds)
    gain = Signal.param(0.5)
    with DGen.override(cache_dir=folder):
        dg.mse((Signal.from_samples(np.arange(9.0)) * gain).tanh(), Signal.from_samples(np.ones(9))).backward()
    told = [line for line in capsys.readouterr().err.splitlines() if "compiling" in line]
    wanted = ["dgenlazy: compiling for 0 s so far: the gradient of mse (a graph of 3 ops, 9 frames)"]
    assert told == (wanted if seconds == 0.0 else [])
