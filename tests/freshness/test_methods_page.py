"""The page of all methods equals a new generation."""

from pathlib import Path

import pytest

from benchmark.check.method import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"


@pytest.mark.freshness
def test_the_page_of_methods_is_what_the_methods_say_of_themselves():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m benchmark.check methods > docs/methods.md"
