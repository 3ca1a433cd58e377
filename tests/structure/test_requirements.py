"""Imports match the dependencies in pyproject.toml."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import locus

ROOT = Path(__file__).resolve().parents[2]
FILES = [*(ROOT / "locus").rglob("*.py"), ROOT / "main.py", ROOT / "heatmap.py"]
STATED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
installed = functools.cache(packages_distributions)
pytestmark = pytest.mark.structure


def plain(name: str) -> str:
    """Return the normalised name of a distribution, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[; ]", name)[0]).lower()


def names(requirements: list[str]) -> set[str]:
    return {plain(requirement) for requirement in requirements}


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_in_memory():
    yield
    nodes_of.cache_clear()


def imported(path: Path) -> set[str]:
    """Return the distributions that a file imports."""
    nodes = nodes_of(path)
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    tops = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"locus"}
    return {plain(installed().get(top, [top])[0]) for top in tops}


BROUGHT = {"markupsafe": "jinja2"}
"""Package whose classes are part of the interface of another one."""
EXTRAS = {extra: names(requirements) for extra, requirements in STATED["optional-dependencies"].items()}


@functools.cache
def imports() -> dict[Path, set[str]]:
    return {path: imported(path) for path in FILES}


def optional() -> set[tuple[Path, str]]:
    return {(path, name) for path, needed in imports().items() for name in needed - names(STATED["dependencies"]) - {*BROUGHT}}


def test_every_import_is_a_dependency_or_in_an_extra():
    brought = set().union(*EXTRAS.values())
    assert sorted(f"{path.relative_to(ROOT)}: {name}" for path, name in optional() if name not in brought) == []


def test_the_core_has_at_most_21_packages_which_are_all_imported():
    used = set().union(*imports().values())
    assert len(STATED["dependencies"]) <= 21
    assert names(STATED["dependencies"]) - used == set()


def test_the_version_of_the_citation_is_that_of_the_package():
    assert f"version: {locus.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_a_missing_extra_raises_an_error_with_its_name():
    text = "".join(file.read_text() for file in FILES)
    for path, name in optional():
        extras = [extra for extra, brought in EXTRAS.items() if name in brought]
        assert any(f'require_extra("{extra}"' in text for extra in extras), f"{path}: {name}"


def test_every_extra_but_test_is_used():
    files = [*FILES, *(ROOT / "tools").rglob("*.py")]
    words = {node.value for path in files for node in nodes_of(path) if isinstance(node, ast.Constant)}
    known = set().union(*imports().values()) | {word for word in words if isinstance(word, str)}
    assert [extra for extra, brought in EXTRAS.items() if extra not in ("all", "test") and not brought & known] == []


TEXT_SUFFIXES = {"", ".html", ".ipynb", ".md", ".py", ".toml", ".yaml", ".yml"}
INSTALLED = re.compile(r"pip\s+install\s+(?:-\S+\s+)*['\"]?(\.|[A-Za-z][\w.-]*)(?:\[([\w,]+)\])?")
"""Command that installs a package: its name (or ``.``) and its extras."""
WITH_EXTRAS = re.compile(r"\b(locus[\w-]*)\[([\w,]+)\]")
OTHERS = {"build", "kaggle", "optuna", "pyarrow", "ray", "twine", "uv"}
"""Packages of other projects that a text tells the reader to install."""


def installations():
    """Yield file, package and extras of every installation that a committed text names."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if path.suffix in TEXT_SUFFIXES and path.is_file():
            text = path.read_text(encoding="utf-8").replace("\\", "").replace("&#39;", "'")
            for pattern in (INSTALLED, WITH_EXTRAS):
                for package, extras in pattern.findall(text):
                    yield name, package, [extra for extra in extras.split(",") if extra]


def test_every_text_that_names_an_installation_names_this_distribution_and_its_extras():
    """``locus`` on the package index is the package of another project."""
    found = list(installations())
    assert len(found) > 20
    assert [(name, package) for name, package, _ in found if package not in {STATED["name"], ".", *OTHERS}] == []
    ours = [(name, extra) for name, package, extras in found if package not in OTHERS for extra in extras]
    assert len(ours) > 10
    assert [(name, extra) for name, extra in ours if extra not in EXTRAS] == []
