"""Imports run in one direction: from export to train to score, and inside each package from high units to low ones.

A unit is a top-level module or folder of a package. Imports inside functions and under TYPE_CHECKING count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOTS = ["score", "train", "export"]
PACKAGES = ["sentscore", "sentscore_train", "sentscore_export"]
"""The packages in these folders. Each may import those before it."""

LEVELS = {
    "sentscore": [
        "_version errors forks progress signs", "files formats text", "stores model columns",
        "scorer occlusion sources sinks", "jobs", "engines pages", "cli", "__init__ __main__",
    ],
    "sentscore_train": [
        "models data", "evaluation", "teachers", "training", "notebook release", "adapt", "cli", "__main__",
    ],
    "sentscore_export": ["checkpoint graphs parity precision sections", "card measure", "export", "cli", "__main__"],
}  # fmt: skip
"""The units of each package, the lowest level first. A unit may import lower levels, and nothing on its own level."""

Edge = tuple[str, str]
"""A module, and a module that it imports."""


def read_edges() -> set[Edge]:
    """Returns the imports among all modules of the three packages."""
    files = {}
    for root, package in zip(ROOTS, PACKAGES, strict=True):
        folder = Path(__file__).parents[1] / root
        for path in (folder / package).rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    edges = set()
    for module, path in files.items():
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            # `from package import name` imports a module of that name, or what the package itself defines.
            target = name if name in files else name.rpartition(".")[0]
            if target in files and target != module:
                edges.add((module, target))
    return edges


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import: name the module in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_wrong_directions(edges: set[Edge]) -> list[str]:
    wrong = []
    for module, target in sorted(edges):
        (package, unit), (target_package, target_unit) = split(module), split(target)
        if package != target_package:
            is_wrong = PACKAGES.index(package) < PACKAGES.index(target_package)
        else:
            is_wrong = unit != target_unit and level(package, unit) <= level(package, target_unit)
        if is_wrong:
            wrong.append(f"{module} imports {target}")
    return wrong


def split(module: str) -> tuple[str, str]:
    """Returns a module's package and unit."""
    package, _, inner = module.partition(".")
    return package, inner.partition(".")[0] or "__init__"


def level(package: str, unit: str) -> int:
    found = [number for number, units in enumerate(LEVELS[package]) if unit in units.split()]
    assert found, f"{package}.{unit}: give this unit a level in {Path(__file__).name}"
    return found[0]


def find_cycles(edges: set[Edge]) -> list[str]:
    """Returns the modules that import themselves through others."""
    imports: dict[str, set[str]] = {}
    for module, target in edges:
        imports.setdefault(module, set()).add(target)
    cycles = []
    for start in imports:
        seen, waiting = set(), [start]
        while waiting:
            new = imports.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        if start in seen:
            cycles.append(start)
    return sorted(cycles)


def test_imports_run_in_the_directions_of_the_design() -> None:
    assert find_wrong_directions(read_edges()) == []


def test_no_module_imports_itself_through_others() -> None:
    assert find_cycles(read_edges()) == []


def test_one_module_imports_onnxruntime() -> None:
    """It does so without the telemetry, which has to be turned off before."""
    top = Path(__file__).parents[1]
    found = {
        str(path.relative_to(top))
        for root in [*ROOTS, "tests"]
        for path in (top / root).rglob("*.py")
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] == "onnxruntime"
    }
    assert found == {"score/sentscore/model/runtime.py"}


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("sentscore.text.encoder", "sentscore_train.data.patterns"),
        ("sentscore_train.release", "sentscore_export.export"),
        ("sentscore.sinks.targets", "sentscore.jobs.plan"),
        ("sentscore.sinks.open", "sentscore.sources.open"),
        ("sentscore.jobs.run", "sentscore"),
        ("sentscore_train.data.batches", "sentscore_train.training.loop"),
        ("sentscore_export.graphs.build", "sentscore_export.export"),
    ],
)
def test_an_import_against_the_direction_is_named(module, target) -> None:
    allowed = {("sentscore_train.release", "sentscore.cli.guard"), ("sentscore.scorer", "sentscore.model.engine")}
    assert find_wrong_directions({(module, target), *allowed}) == [f"{module} imports {target}"]
    assert find_wrong_directions(allowed) == []


def test_a_cycle_is_found() -> None:
    edges = {("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")}
    assert find_cycles(edges) == ["b", "c"]
