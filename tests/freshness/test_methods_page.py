"""docs/methods.md is up to date."""

from pathlib import Path

import pytest

from benchmark.check.method import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"


@pytest.mark.freshness
def test_the_page_about_methods_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/methods.md is stale: python -m benchmark.check methods > docs/methods.md"
