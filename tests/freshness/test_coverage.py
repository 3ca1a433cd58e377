"""docs/coverage.md is up to date."""

from pathlib import Path

import pandas as pd
import pytest

from tools.coverage.page import page
from tools.coverage.worlds import NAME, settings

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tools" / "coverage" / "coverage.csv"


@pytest.mark.freshness
def test_the_page_about_coverage_is_up_to_date():
    table = pd.read_csv(TABLE)
    names = set(pd.read_csv(TABLE, dtype=str)[list(NAME)].itertuples(index=False, name=None))
    assert names == {setting.name for setting in settings()}
    assert (ROOT / "docs" / "coverage.md").read_text() == page(table), "docs/coverage.md is stale: python -m tools.coverage"
