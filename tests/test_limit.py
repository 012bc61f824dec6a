"""XLA:CPU's limit for small loops is raised as dgenlazy is imported, where nobody else has a say in it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import dgenlazy as dg
from dgenlazy.recurrence import limit, loops

OURS = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=65536"
IMPORT = "import dgenlazy as dg; from dgenlazy.recurrence import limit"
SAY = "; import json, os; print(json.dumps([os.environ.get('XLA_FLAGS'), limit.limit()]))"
# A loop whose iteration touches about 8 kB: XLA marks the call of what it has compiled to one piece.
LOOP = """
import jax, jax.numpy as jnp, json
loop = jax.jit(lambda x: jax.lax.scan(lambda s, x: ((s[0] + x, s[1] * 0.5 + s[0]), s[1]), (x[0], x[0]), x)[1])
print(json.dumps("xla_cpu_small_call" in loop.lower(jnp.ones((9, 300))).compile().as_text()))
"""

has_limit = pytest.mark.skipif(not limit._has_limit(), reason="XLA has no such limit before JAX 0.7.1")


def run(code: str, **env: str) -> list:
    """What a fresh process prints; without flags of XLA unless `env` has them."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "DGENLAZY_XLA_FLAGS")}
    done = subprocess.run([sys.executable, "-c", code], env={**kept, **env}, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line]


@has_limit
def test_importing_raises_the_limit_while_no_backend_has_started():
    before = "import jax; jax.make_jaxpr(lambda x: x + 1)(1.0); "  # JAX may have been imported, and used
    flags, small = run(before + IMPORT + SAY + LOOP)
    assert flags == [OURS, 65536]
    assert small


def test_importing_changes_nothing_once_a_backend_has_started():
    assert run(f"import jax; jax.devices(); {IMPORT}{SAY}") == [[None, 1024 if limit._has_limit() else 65536]]


@pytest.mark.skipif(limit._has_limit(), reason="all other tests run with the option")
def test_xla_without_the_limit_takes_the_option():
    assert run(f"{IMPORT}; print(float(dg.Signal.constant(3.0).onepole(1.0).realize(2)[1]))", XLA_FLAGS=OURS) == [3.0]


def test_processes_that_are_started_later_find_the_limit_raised_and_leave_it():
    child = f"{IMPORT}; import subprocess, sys; subprocess.run([sys.executable, '-c', {IMPORT + SAY!r}], check=True)"
    assert run(child) == [[OURS if limit._has_limit() else None, 65536]]


@has_limit
@pytest.mark.parametrize(
    ("flags", "after", "bytes_"),
    [
        (None, OURS, 65536),
        ("", OURS, 65536),
        ("--xla_cpu_multi_thread_eigen=false", f"--xla_cpu_multi_thread_eigen=false {OURS}", 65536),
        (OURS.replace("65536", "2048"), OURS.replace("65536", "2048"), 2048),
        ("--xla_backend_extra_options=xla_cpu_disable_loop_unrolling", None, 1024),
        ("/home/me/flags.txt", None, 1024),
    ],
)
def test_flags_of_the_user_stay(monkeypatch, flags, after, bytes_):
    monkeypatch.delenv("DGENLAZY_XLA_FLAGS", raising=False)
    monkeypatch.setattr(limit, "_started", lambda: False)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if flags is not None:
        monkeypatch.setenv("XLA_FLAGS", flags)
    limit.raise_limit()
    assert os.environ["XLA_FLAGS"] == (after or flags)
    assert limit.limit() == bytes_


def test_it_is_turned_off_by_a_variable(monkeypatch):
    monkeypatch.setattr(limit, "_started", lambda: False)
    monkeypatch.setenv("DGENLAZY_XLA_FLAGS", "0")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    limit.raise_limit()
    assert "XLA_FLAGS" not in os.environ


@has_limit
@pytest.mark.parametrize(("flags", "frames", "tiled"), [("", 64, True), (OURS, 65, False)])  # frames are compiled anew
def test_lanes_are_run_in_tiles_only_where_a_loop_of_all_is_too_large(monkeypatch, flags, frames, tiled):
    tiles, whole = [], loops._tiled
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setattr(loops, "_tiled", lambda *args: tiles.append(args[5]) or whole(*args))
    x, cutoff = np.ones((frames, 12), np.float32), np.full((frames, 12), 500.0, np.float32)
    dg.Signal.from_samples(x).biquad(dg.Signal.from_samples(cutoff)).realize()
    assert (len(tiles) > 0) == tiled
