"""What a default install brings may be used by everybody, and the page says under which licence each part stands."""

import re

import pytest

from tools.licences import FAMILIES, ROOT, family, installed, stated

PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([\w.-]+) \| (.*) \|$", PAGE, re.MULTILINE))
pytestmark = pytest.mark.structure


def test_no_package_of_a_default_install_forbids_commercial_use():
    packages = installed()
    assert len(packages) > 50
    assert {name: stated(package) for name, package in packages.items() if family(name, package) not in FAMILIES} == {}
    closed = re.compile(r"non-?commercial|\bNC\b|academic|research only|\bA?GPL", re.IGNORECASE)
    assert {name: stated(package) for name, package in packages.items() if closed.search(stated(package))} == {}


def test_the_page_has_every_package_of_a_default_install_under_its_licence():
    """A package that only another system needs may stand there too."""
    assert {name for name, package in installed().items() if name not in ROWS[family(name, package)].split(", ")} == set()
