"""The order of the house, read from the source: who imports whom, who names what, how long a module is."""

import ast
import builtins
from pathlib import Path

import pytest

import dgenlazy

ROOT = Path(dgenlazy.__file__).parent
MODULES = {str(path.relative_to(ROOT).with_suffix("")).replace("/", "."): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}

# The rooms, from the ground up: each a package or a module that stands alone, and imports only from rows above its own.
ORDER = [
    {"errors", "version"},
    {"extras"},
    {"config", "files", "codec", "timescale"},
    {"audio"},
    {"graph"},
    {"recurrence"},
    {"ops"},
    {"run"},
    {"dsp"},
    {"display"},
    {"arrays", "methods"},
    {"lazy"},
    {"values"},
    {"sources"},
    {"train", "ship"},
    {"doctor"},
    {"__init__"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
PACKAGES = sorted(name.removesuffix(".__init__") for name in MODULES if name.endswith(".__init__"))


def room(name):
    return name.split(".")[0]


BELOW_VALUES = [name for name in MODULES if LEVEL.get(room(name), 0) < LEVEL["values"]]


def imported(name):
    """The modules of dgenlazy that a module imports, also inside functions. What another package hands out is its own."""
    package = name.split(".")[:-1]
    out = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            assert not [a.name for a in node.names if a.name.split(".")[0] == "dgenlazy"], f"{name} imports itself by name"
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            whole, part = ".".join([*base, alias.name]), ".".join(base)
            another = part in PACKAGES and base != package
            found = whole if whole in MODULES and not another else whole if whole in PACKAGES else part
            out.add(f"{found}.__init__" if found in PACKAGES else found)
    return out


def identifiers(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name):
    for other in imported(name):
        if room(other) != room(name):
            assert LEVEL[room(other)] < LEVEL[room(name)], f"{name} imports {other}"


def test_every_module_has_a_place_in_the_order():
    assert {room(name) for name in MODULES} == LEVEL.keys()


@pytest.mark.parametrize("name", MODULES)
def test_the_inside_of_a_package_is_private_to_it(name):
    for other in imported(name):
        assert room(other) == room(name) or "." not in other.removesuffix(".__init__"), f"{name} imports {other}"


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_of_a_package_do_not_import_each_other_in_a_circle(package):
    left = {name: {other for other in imported(name) if room(other) == package} for name in MODULES if room(name) == package}
    while left:
        free = [name for name, needs in left.items() if not needs & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_in_one_sentence_what_it_answers_and_hands_out_names(package):
    tree = TREES[f"{package}.__init__"]
    says = ast.get_docstring(tree)
    assert says.endswith(".")
    assert "\n" not in says
    for node in tree.body[1:]:
        assert isinstance(node, ast.ImportFrom)
        assert all(alias.asname == alias.name for alias in node.names)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_first_what_it_is_for(name):
    assert ast.get_docstring(TREES[name])
    assert name.split(".")[-1] not in ("helpers", "utils", "common")


@pytest.mark.parametrize("name", BELOW_VALUES)
def test_nothing_below_values_names_a_type_of_the_user(name):
    assert not {"Tensor", "Signal", "SignalTensor"} & set(identifiers(TREES[name]))


AT_THE_BOUNDARY = ("config", "run.runtime", "ship.export", "doctor", "__init__")


@pytest.mark.parametrize("name", [name for name in MODULES if name not in AT_THE_BOUNDARY])
def test_configuration_is_read_at_the_boundary_only(name):
    assert "DGen" not in set(identifiers(TREES[name]))


def docstring_lines(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            yield from range(node.body[0].lineno, node.body[0].end_lineno + 1)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])  # which is a list of names
def test_modules_stay_short(name):
    lines = MODULES[name].read_text().splitlines()
    assert len(lines) <= 400
    assert len(lines) - len(set(docstring_lines(TREES[name]))) <= 300


def test_a_wildcard_import_is_not_needed_for_the_public_names():
    exported = [node for node in TREES["__init__"].body if isinstance(node, ast.ImportFrom)]
    assert all(alias.asname == alias.name or alias.asname.startswith("_") for node in exported for alias in node.names)


def test_a_wildcard_import_brings_all_public_names_but_those_of_python():
    exported = [node for node in TREES["__init__"].body if isinstance(node, ast.ImportFrom)]
    names = {alias.asname for node in exported for alias in node.names if not alias.asname.startswith("_")}
    assert set(dgenlazy.__all__) == {name for name in names if not hasattr(builtins, name)}
    assert names - set(dgenlazy.__all__) == {"abs", "compile", "max", "min", "pow", "round", "sum"}


def test_completion_shows_what_users_may_use_and_nothing_else():
    shown = {name for name in dir(dgenlazy) if not name.startswith("_")}
    assert shown == {*dgenlazy.__all__, "abs", "compile", "max", "min", "pow", "round", "sum"}


def test_what_takes_long_to_import_is_imported_where_it_is_used():
    for name, tree in TREES.items():
        imported = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
        imported += [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom) and not node.level]
        slow = {module.partition(".")[0] for module in imported} & {
            "optax",
            "scipy",
            "matplotlib",
            "soundfile",
            "IPython",
            "cma",
        }
        assert not slow, (name, slow)
