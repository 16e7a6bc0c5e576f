"""The package's layers: imports go one way only, and importing it is cheap.

    cli, bench, plot -> estimators, analysis -> cells, network, symbolic, tasks, zoo, files
    -> cone, fraction -> kernels

The engine of four and more dimensions and its parts are on the floor of `fraction`.
Errors and parallel loops serve all of them.  Kernels know nothing but kernels.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import conevol

PACKAGE = Path(conevol.__file__).parent
# Parts of the package by height: each may import its own layer and those below.
LAYERS = [
    {"kernels"},
    {"precision"},
    {
        "boundary",
        "budget",
        "chain",
        "cone",
        "cone_sampling",
        "covariance",
        "duality",
        "engine",
        "exact_rays",
        "fraction",
        "incidence",
        "intrinsic",
        "measures",
        "orthant",
        "precise_rule",
        "reduction",
        "refinement",
        "report",
        "separation",
        "slivers",
    },
    {
        "ascent",
        "bounds",
        "branches",
        "cells",
        "derivative",
        "files",
        "frontier_file",
        "network",
        "patterns",
        "subtrees",
        "symbolic",
        "tasks",
        "ties",
        "tree",
        "zoo",
    },
    {"estimators", "analysis", "surprise"},
    {
        "accuracy_command",
        "cli",
        "command_output",
        "plot",
        "training",
        "training_equality",
        "bench",
        "__main__",
    },
]
ANYWHERE = {"errors", "parallel", "version"}
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return part_named(path.parts[0].removesuffix(".py"))


def part_named(name: str) -> str:
    """A private module `_part` holds a part of that name."""
    return name if name.startswith("__") else name.removeprefix("_")


def imported(path: Path) -> set[str]:
    """Dotted names of the modules of the package that a file imports, wherever in it."""
    package = ["conevol", *path.parent.parts]
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "conevol"}


def parts_imported(path: Path) -> set[str]:
    """Parts of the package that a file imports; the package itself counts as its top."""
    return {part_named(name.split(".")[1]) if "." in name else "" for name in imported(path)}


def test_the_reader_of_imports_sees_them():
    assert {"kernels", "network", "tasks", "errors"} <= parts_imported(Path("cells.py"))
    assert "conevol.kernels._jit.kernel" in imported(Path("kernels/cells.py"))


def test_every_part_has_a_layer():
    unknown = {part_of(path) for path in FILES} - set(HEIGHT) - ANYWHERE - {"__init__"}
    assert not unknown, f"give {sorted(unknown)} a layer in this test"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_down(path):
    part = part_of(path)
    if part == "__init__":
        return  # the package itself only names what the parts hold
    others = parts_imported(path) - {part}
    if part in ANYWHERE:
        assert others <= ANYWHERE
    elif part == "kernels":
        assert not others
    elif part == "precision":
        assert others <= ANYWHERE
    else:
        names = {name for name in others - ANYWHERE if name in HEIGHT}
        assert {name for name in names if HEIGHT[name] > HEIGHT[part]} == set()
        # Whatever is not a part is a name of the package itself: only the top may use those.
        assert others - ANYWHERE - names == set() or HEIGHT[part] == len(LAYERS) - 1


def test_the_package_imports_nothing_at_once():
    """Names of the package are looked up when they are used."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    modules = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert modules <= {"__future__", "importlib", "typing", "conevol._version"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_is_light():
    heavy = ("numba", "sympy", "mpmath", "matplotlib", "torch", "scipy", "click", "rich")
    code = f"import sys, conevol; print([m for m in {heavy} if m in sys.modules])"
    assert run(code) == "[]"


def test_import_sets_nothing_global():
    code = (
        "import warnings, os; before = (list(warnings.filters), dict(os.environ)); import conevol;"
        "print(before == (list(warnings.filters), dict(os.environ)))"
    )
    assert run(code) == "True"


@pytest.mark.parametrize("name", sorted(set(conevol.__all__) - {"__version__"}))
def test_every_public_name_is_there(name):
    assert getattr(conevol, name) is not None
    assert name in dir(conevol)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'conevol' has no attribute 'volume'"):
        _ = conevol.volume


@pytest.mark.parametrize("path", [p for p in FILES if part_of(p) == "kernels"], ids=str)
def test_kernels_do_not_use_fastmath(path):
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert "fastmath" not in keywords | strings
