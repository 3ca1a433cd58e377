"""The table of data sets in docs/data_setup.md."""

import pytest

from tools.site.data_sets import FILE, with_table

pytestmark = pytest.mark.freshness


def test_the_table_of_data_sets_is_made_from_the_classes():
    page = FILE.read_text(encoding="utf-8")
    assert page == with_table(page), "docs/data_setup.md is stale: python -m tools.site.data_sets"
