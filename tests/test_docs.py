"""What the documentation says is true: README, docstrings and notebook run, and show what they give."""

import builtins
import contextlib
import doctest
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import optax
import pytest
from quick import THOROUGH

import dgenlazy as dg

pytest.importorskip("matplotlib").use("Agg")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPORTED = {name: x for name, x in vars(dg).items() if name[0] != "_" and not isinstance(x, types.ModuleType)}

# Public names whose docstring shows no example, and why.
WITHOUT_EXAMPLE = {
    "NativePlayer.gradient": "it always raises",
    "BackendError": "whether it is raised depends on the machine",
    "ArtifactError": "it takes a file to be wrong; see the loader of artefacts",
    "DGen.next_randn": "a counter for noise and Tensor.randn; not for users",
}
for _family in ("Tensor", "Signal", "SignalTensor"):
    WITHOUT_EXAMPLE[f"{_family}.wrap"] = "how ops make a value of a node; not for users"


class Checker(doctest.OutputChecker):
    """As doctest's, and numbers may differ in the last digits, which depend on the version of XLA and on the device."""

    NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?")

    def __init__(self, rtol: float = 1e-4, atol: float = 1e-6):
        self.rtol, self.atol = rtol, atol

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, optionflags):
            return True
        texts = ["".join(self.NUMBER.sub("#", text).split()) for text in (want, got)]
        numbers = [[float(n) for n in self.NUMBER.findall(text)] for text in (want, got)]
        same_text = texts[0] == texts[1] and len(numbers[0]) == len(numbers[1])
        return same_text and np.allclose(*numbers, rtol=self.rtol, atol=self.atol)


def run_examples(text: str, names: dict, where: str, line: int = 0) -> None:
    """Run the `>>>` examples of `text`, and compare what they give with what it shows."""
    test = doctest.DocTestParser().get_doctest(text, {}, where, where, line)
    test.globs = names
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    with dg.DGen.override(backend="cpu") if "cpu" in text else contextlib.nullcontext():  # where it shows what a CPU does
        failed = runner.run(test, out=report.append, clear_globs=False).failed
    assert not failed, "".join(report)


def user_names() -> dict:
    """What an example may use: the exported names that hide no builtin, `dg`, `np` and `optax`."""
    names = {name: x for name, x in EXPORTED.items() if not hasattr(builtins, name)}
    return {"__name__": "__main__", **names, "dg": dg, "np": np, "optax": optax}


# Docstrings.


def modules() -> list:
    found = [m.name for m in pkgutil.walk_packages(dg.__path__, "dgenlazy.")]
    return [dg, *map(importlib.import_module, found)]


def members(cls: type, prefix: str) -> dict:
    """Public functions and properties of a class, those of its bases included."""
    names = [n for base in cls.__mro__ if base.__module__.startswith("dgenlazy") for n in vars(base) if n[0] != "_"]
    found = {n: inspect.getattr_static(cls, n) for n in names}
    found = {n: x.__func__ if isinstance(x, (staticmethod, classmethod)) else x for n, x in found.items()}
    return {f"{prefix}.{n}": x for n, x in found.items() if callable(x) or isinstance(x, property)}


def docstrings() -> dict[str, str]:
    """Every docstring of the package, by where it stands; one that several names share occurs once."""
    found: dict[str, str] = {}
    for module in modules():
        found[module.__name__] = module.__doc__ or ""
        for name, x in vars(module).items():
            if getattr(x, "__module__", None) == module.__name__ and (callable(x) or isinstance(x, type)):
                for where, y in {name: x, **(members(x, name) if isinstance(x, type) else {})}.items():
                    found[f"{module.__name__}.{where}"] = inspect.getdoc(y) or ""
    shown = {text: where for where, text in reversed(found.items()) if ">>>" in text}
    return {where: text for text, where in reversed(shown.items())}


def public() -> dict[str, object]:
    """What a user of `dgenlazy` can reach: exported names, and the methods and properties of exported classes."""
    found = dict(EXPORTED)
    for name, x in EXPORTED.items():
        if isinstance(x, type) and not issubclass(x, Exception):
            found |= members(x, name)
    return found | members(type(dg.DGen), "DGen")


DOCSTRINGS = docstrings()


@pytest.mark.parametrize("where", DOCSTRINGS)
def test_docstring_examples_give_what_they_show(where):
    before = dict(vars(dg.DGen))
    run_examples(DOCSTRINGS[where], user_names(), where)
    assert {k: v for k, v in vars(dg.DGen).items() if k[0] != "_"} == {k: v for k, v in before.items() if k[0] != "_"}


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_name_has_a_docstring_with_an_example(name):
    text = inspect.getdoc(public()[name]) or ""
    assert text, f"{name} has no docstring"
    assert (">>>" in text) != (name in WITHOUT_EXAMPLE), f"{name}: give an example, or a reason in WITHOUT_EXAMPLE, not both"


def test_the_list_of_exceptions_names_nothing_that_is_gone():
    assert set(WITHOUT_EXAMPLE) <= set(public())


# README.


def blocks(language: str) -> list[tuple[int, str]]:
    """The code blocks of the README in one language, with the line at which each starts."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", README, re.S | re.M)
    return [(README[: m.start(1)].count("\n"), m[1]) for m in found]


def run_snippets(names: dict) -> None:
    for line, text in blocks("python"):
        if text.startswith(">>>"):
            run_examples(text, names, "README.md", line)
        else:
            exec(compile("\n" * line + text, "README.md", "exec"), names)


@pytest.fixture
def readme_names(tmp_path, monkeypatch):
    """The names that the README's snippets leave behind, once all have run in their order."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    run_snippets(names)
    return names


def cells() -> list[str]:
    """The pieces of code in the column `Python` of the README's tables."""
    out, column = [], None
    for line in README.splitlines():
        parts = [p.strip() for p in re.split(r"(?<!\\)\|", line)]
        if not line.startswith("|"):
            column = None
        elif "Python" in parts:
            column = parts.index("Python")
        elif column and "---" not in line:
            out += re.findall(r"`([^`]+)`", parts[column])
    return out


def test_readme_snippets_give_what_they_show_and_its_tables_run(readme_names):
    assert len(cells()) > 130
    settings = dict(vars(dg.DGen))
    for code in cells():
        exec(compile(code, f"README.md: {code}", "exec"), readme_names)
        vars(dg.DGen).update(settings)


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_readme_names_every_public_name(name):
    assert re.search(rf"\b{name}\b", README)


def test_readme_shows_each_method_of_the_three_types():
    for name in public().keys() - WITHOUT_EXAMPLE.keys():
        owner, _, method = name.partition(".")
        if method and owner in ("Tensor", "Signal"):
            assert re.search(rf"\.{method}\b", README), name


def test_readme_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert len(links) > 10
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_readme_commands_name_what_there_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    commands = "".join(text for _, text in blocks("bash"))
    extras = [extra for given in re.findall(r'-e "\.\[([\w,-]+)\]"', commands) for extra in given.split(",")]
    assert len(extras) > 1
    assert set(extras) <= set(project["optional-dependencies"])
    for path in re.findall(r"(?:examples|tests|notebooks)/[\w/.]+", README):
        assert (ROOT / path).exists(), path


def test_readme_lists_every_package_that_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    section = README[README.index("## What is installed") :]
    extras = project["optional-dependencies"]
    for needed in [*project["dependencies"], *extras, *(p for extra in extras.values() for p in extra)]:
        name = re.match(r"[\w-]+", needed)[0]
        assert name == "dgenlazy" or name in section, name


def test_readme_shows_how_an_op_is_added_as_it_is_done():
    section = README[README.index("## Add an op") : README.index("## What runs where")]
    for path, line in re.findall(r"^\| \[[^\]]+\]\(([^)]+)\) \| (.*) \|$", section, re.M):
        text = (ROOT / path).read_text()
        for code in re.findall(r"`([^`]+)`", line):
            assert code in text, (path, code)


# The notebooks.


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_with_small_outputs_and_no_errors(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert path.stat().st_size < 300 * 1024
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell["outputs"] if o["output_type"] == "error" or o.get("name") == "stderr"]
    kinds = {kind for cell in code for o in cell["outputs"] for kind in o.get("data", {})}
    assert {"image/png", "text/html"} <= kinds


# In a process of its own, since sockets that Jupyter leaves open are warnings, and here warnings are errors. No kernel
# directories: so it takes the interpreter that runs the tests, and none that the user has installed.
EXECUTE = """
import sys
import nbclient, nbformat
from jupyter_client import AsyncKernelManager, kernelspec

path, folder, result = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
kernels = kernelspec.KernelSpecManager(kernel_dirs=[])
manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
nbclient.NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, result)
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_prints_what_it_shows(path, tmp_path):
    """With few steps where it learns, and so other numbers; with all of them where DGENLAZY_EVERY=1."""
    pytest.importorskip("nbclient")
    if path.stem in ("ship", "neural_amp") and not (shutil.which("cc") or importlib.util.find_spec("ziglang")):
        pytest.skip("there is no C compiler")
    text = path.read_text()
    few = "DGENLAZY_STEPS" in text and not THOROUGH
    result = tmp_path / "executed.ipynb"
    run = [sys.executable, "-c", EXECUTE, str(path), str(tmp_path), str(result)]
    env = os.environ | {"DGENLAZY_DATA": str(ROOT / "examples" / "data")} | ({"DGENLAZY_STEPS": "3"} if few else {})
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, env=env)
    assert not done.returncode, done.stderr
    shown, given = (json.loads(x)["cells"] for x in (text, result.read_text()))
    loose = Checker(rtol=0.01, atol=0.01)  # what is learned varies a little from one version of XLA to the next
    for before, after in zip(shown, given, strict=True):
        if few and "steps=STEPS" in "".join(before["source"]):
            break  # from here on all depends on how long it learned
        assert loose.check_output(printed(before), printed(after), 0), printed(after)


def printed(cell: dict) -> str:
    """What a cell printed."""
    streams = [o for o in cell.get("outputs", []) if o["output_type"] == "stream" and o["name"] == "stdout"]
    return "".join("".join(o["text"]) for o in streams)
