"""`python -m dgenlazy doctor` says what is there, and finds what is broken."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import test_backends

import dgenlazy
from dgenlazy import DGen, Signal, __main__, doctor

plugin = test_backends.plugin  # a stand-in: the CPU under another name

# Plugins that are broken before they could be started.
WITHOUT_LIBRARY = "raise ImportError('the library is not for this system')"
TOO_OLD = "def initialize():\n    raise RuntimeError('made for another JAX\\nand so on')"


# As `python -m dgenlazy`, but it compares one op only.
SHORT = """
import sys
from dgenlazy import __main__, doctor

doctor.PROBES = {"biquad": doctor.PROBES["biquad"]}
sys.exit(__main__.main())
"""


def visit(folder, *arguments, command=("-c", SHORT), **environment):
    """`(exit code, report)` of a process, with the plugins that lie in `folder`."""
    paths = [str(folder), str(Path(dgenlazy.__file__).parents[1])]
    inherited = {k: v for k, v in os.environ.items() if k not in ("JAX_PLATFORMS", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, *command, "doctor", *arguments],
        env={**inherited, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.returncode, done.stdout


def told(name="auto"):
    """`(whether all is well, report)` in this process."""
    lines = []
    return doctor.report(name, lines.append), "\n".join(lines)


@pytest.fixture
def one_probe(monkeypatch):
    """Only one op is compared."""
    monkeypatch.setattr(doctor, "PROBES", {"biquad": doctor.PROBES["biquad"]})


def rows(text, title):
    """The rows of a section, by their first word."""
    section = text[text.index(f"\n{title}") + 1 :].split("\n\n")[0]
    return {line.split()[0]: line.split(maxsplit=1)[-1] for line in section.splitlines()[1:]}


def test_it_says_what_this_machine_has(one_probe):
    well, text = told()
    assert well
    assert text.startswith(f"dgenlazy {dgenlazy.__version__}, Python {sys.version_info.major}.{sys.version_info.minor}")
    assert rows(text, "packages")["jax"] == jax.__version__
    assert rows(text, "packages")["numpy"] == np.__version__
    for device in jax.devices():
        assert f"{device}  {device.platform}, {device.device_kind}" in text
    assert rows(text, "DGen.backend").keys() == {"auto", "metal", "gpu", "cpu"}
    assert rows(text, "DGen.backend")["cpu"] == f"{jax.devices('cpu')[0]} (cpu)"
    assert text.endswith("all is well")


def test_it_compares_the_cpu_with_itself_and_says_so(one_probe):
    well, text = told("cpu")
    assert well
    assert "the same device" in text
    assert rows(text, "cpu against cpu")["biquad"].split() == ["scan", "0.0e+00", "0.0e+00", "ok"]


@pytest.mark.parametrize(("op", "make"), doctor.PROBES.items())
def test_what_is_compared_moves_and_has_a_gradient(op, make):
    _, (value, gradient) = doctor._run(make, "cpu")
    assert np.isfinite(value).all()
    assert np.ptp(value) > 0.1 or op == "spectral_loss"
    assert np.abs(gradient) > 1e-4
    assert doctor._compared(op, make, "cpu")[2:] == ("0.0e+00", "0.0e+00", "ok")


def test_it_compares_another_device_with_the_cpu(plugin):
    code, text = visit(plugin, STANDIN="mps")
    assert code == 0, text
    assert rows(text, "plugins")["standin"] == "standin_plugin, standin 1.0"
    assert "the same device" not in text
    assert rows(text, "cpu against cpu")["biquad"].split()[-1] == "ok"  # the stand-in says of itself that it is a CPU


def test_a_backend_that_was_asked_for_and_is_missing_is_broken(tmp_path):
    code, text = visit(tmp_path, "--backend", "metal", command=("-m", "dgenlazy"), JAX_PLATFORMS="cpu")
    assert code == 1
    assert rows(text, "broken")["metal:"].startswith('no such device; to have one: pip install "dgenlazy[metal]"')


def test_a_plugin_that_does_not_start_is_one_line(plugin):
    code, text = visit(plugin, STANDIN="mps", BROKEN="1")
    assert code == 1
    assert [line for line in text.splitlines() if "this plugin is too old for this JAX" in line] == text.splitlines()[-1:]
    assert " against cpu" in text


@pytest.mark.parametrize(
    ("source", "says"),
    [(WITHOUT_LIBRARY, "ImportError: the library is not for this system"), (TOO_OLD, "RuntimeError: made for another JAX")],
)
def test_a_plugin_that_does_not_load_is_one_line(plugin, tmp_path, source, says):
    (tmp_path / "standin_plugin.py").write_text(source)
    (tmp_path / "standin-1.0.dist-info").mkdir()
    for file in (plugin / "standin-1.0.dist-info").iterdir():
        (tmp_path / "standin-1.0.dist-info" / file.name).write_text(file.read_text())
    code, text = visit(tmp_path)
    assert code == 1
    assert text.splitlines()[-1].endswith(says)


def off_by(error, gradient_error=0.0):
    """An op that is wrong in every second run, as if on the first of two backends."""
    runs = []

    def make():
        runs.append(None)
        first = len(runs) % 2
        x = Signal.param(1.0)
        return x + error * first + gradient_error * first * (x - 1.0), x

    return make


@pytest.mark.parametrize(("error", "gradient_error"), [(1.0, 0.0), (1e-3, 0.0), (np.nan, 0.0), (0.0, 1e-3)])
def test_a_difference_is_broken(monkeypatch, error, gradient_error):
    monkeypatch.setattr(doctor, "PROBES", {"wrong": off_by(error, gradient_error)})
    well, text = told("cpu")
    assert not well
    assert text.endswith("broken\n  wrong on cpu: differs")


def test_a_difference_of_rounding_is_not(monkeypatch):
    monkeypatch.setattr(doctor, "PROBES", {"rounded": off_by(1e-6, 1e-6)})
    assert told("cpu")[0]


def test_an_op_that_a_backend_cannot_run_is_one_line(monkeypatch):
    def make():
        raise RuntimeError("UNIMPLEMENTED: stablehlo.while\nand a long dump")

    monkeypatch.setattr(doctor, "PROBES", {"loop": make})
    well, text = told("cpu")
    assert not well
    assert text.endswith("broken\n  loop on cpu: failed: RuntimeError: UNIMPLEMENTED: stablehlo.while")


def test_settings_are_left_as_they_were(one_probe):
    with DGen.override(sample_rate=8000.0, backend="cpu"):
        told("cpu")
        assert (DGen.sample_rate, DGen.backend) == (8000.0, "cpu")


def test_the_command_takes_the_name_of_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dgenlazy"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 2
    assert "doctor" in capsys.readouterr().err


@pytest.mark.parametrize(("well", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_something_is_broken(monkeypatch, well, code):
    monkeypatch.setattr(sys, "argv", ["dgenlazy", "doctor", "--backend", "gpu"])
    monkeypatch.setattr(__main__, "report", lambda name: (name == "gpu") and well)
    assert __main__.main() == code
