"""Licences of the packages in a default installation, and their page."""

import re

import pytest
from packaging.utils import canonicalize_name

from tools.licences import FAMILIES, ROOT, family, installed, licence_text

PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([\w.-]+) \| (.*) \|$", PAGE, re.MULTILINE))
pytestmark = pytest.mark.structure


def test_all_packages_of_a_default_installation_allow_commercial_use():
    packages = installed()
    assert len(packages) > 50
    assert {name: licence_text(package) for name, package in packages.items() if family(name, package) not in FAMILIES} == {}
    closed = re.compile(r"non-?commercial|\bNC\b|academic|research only|\bA?GPL", re.IGNORECASE)
    assert {name: licence_text(package) for name, package in packages.items() if closed.search(licence_text(package))} == {}


def test_the_page_lists_every_package_under_its_licence():
    """The page is about the packages of constraints.txt, and may list some that only other systems need."""
    pinned = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines()]
    newest = {canonicalize_name(name): version for name, _, version in pinned}
    packages = {name: package for name, package in installed().items() if package.version == newest.get(name)}
    assert len(packages) > 30
    assert {name for name, package in packages.items() if name not in ROWS[family(name, package)].split(", ")} == set()
