"""What the documentation says is true: README, docstrings and notebook run, and show what they give."""

import builtins
import doctest
import importlib
import inspect
import pkgutil
import re
import types
from pathlib import Path

import numpy as np
import optax
import pytest

import dgenlazy as dg

pytest.importorskip("matplotlib").use("Agg")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
NOTEBOOK = ROOT / "notebooks" / "tour.ipynb"
EXPORTED = {name: x for name, x in vars(dg).items() if name[0] != "_" and not isinstance(x, types.ModuleType)}

# Public names whose docstring shows no example, and why.
WITHOUT_EXAMPLE = {
    "BackendError": "whether it is raised depends on the machine",
    "ArtifactError": "it takes a file to be wrong; see the loader of artefacts",
    "DGen.next_randn": "a counter for Tensor.randn; not for users",
}
for _family in ("Tensor", "Signal", "SignalTensor"):
    WITHOUT_EXAMPLE[f"{_family}.wrap"] = "how ops make a value of a node; not for users"


class Checker(doctest.OutputChecker):
    """As doctest's, and numbers may differ in the last digits, which depend on the version of XLA and on the device."""

    NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?")

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, optionflags):
            return True
        texts = ["".join(self.NUMBER.sub("#", text).split()) for text in (want, got)]
        numbers = [[float(n) for n in self.NUMBER.findall(text)] for text in (want, got)]
        same_text = texts[0] == texts[1] and len(numbers[0]) == len(numbers[1])
        return same_text and np.allclose(*numbers, rtol=1e-4, atol=1e-6)


def run_examples(text: str, names: dict, where: str, line: int = 0) -> None:
    """Run the `>>>` examples of `text`, and compare what they give with what it shows."""
    test = doctest.DocTestParser().get_doctest(text, {}, where, where, line)
    test.globs = names
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    assert not runner.run(test, out=report.append, clear_globs=False).failed, "".join(report)


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
