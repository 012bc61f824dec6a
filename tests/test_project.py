"""What surrounds the code: the command of the package, and the settings of its tests."""

import subprocess
import sys
from pathlib import Path

import dgenlazy

ROOT = Path(__file__).parents[1]


def python(*args, **options):
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, timeout=120, check=False, **options)


def test_the_command_tells_the_version():
    done = python("-m", "dgenlazy", "--version", cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, f"dgenlazy {dgenlazy.__version__}\n")


PLUGIN = """
import warnings, pytest

def pytest_configure(config):
    warnings.warn(pytest.PytestWarning("this plugin has something to say about itself"))
"""


def test_a_plugin_that_warns_does_not_end_the_tests(tmp_path):
    (tmp_path / "talkative.py").write_text(PLUGIN)
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    run = ["-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "-p", "talkative", "-p", "no:cacheprovider", "test_it.py"]
    done = python(*run, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"})
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_warning_in_a_test_is_an_error(tmp_path):
    (tmp_path / "test_it.py").write_text("import warnings\n\ndef test_it():\n    warnings.warn('old', DeprecationWarning)\n")
    run = ["-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "test_it.py"]
    done = python(*run, cwd=tmp_path, env={"PYTHONPATH": ":".join(sys.path)})
    assert "1 failed" in done.stdout, done.stdout + done.stderr
