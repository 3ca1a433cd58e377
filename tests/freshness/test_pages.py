"""Generated pages are up to date."""

from pathlib import Path

import pandas as pd
import pytest

from locus.benchmark import records
from locus.benchmark.baselines import is_blind
from locus.benchmark.inspect import method
from locus.benchmark.suite import plan
from tests.gallery import pictures, scores_of

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.freshness


def test_the_page_about_methods_is_up_to_date():
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert text == method.page(), "docs/methods.md is stale: python -m benchmark.check methods > docs/methods.md"


@pytest.mark.parametrize("page", sorted(ROOT.glob("results/*/gallery.html")), ids=lambda page: page.parent.name)
def test_each_figure_of_a_published_gallery_stands_in_the_records(page):
    text = page.read_text()
    assert len(text.encode()) <= 6_000_000
    main = [r for r in records.load(page.parent) if (r.cell.protocol, r.cell.alignment, r.source) == ("single_box", "aligned", "run")]
    stated = {(r.method, f"{score.value:.3f}") for r in main if (score := r.find("hit@iou.3", threshold_source="cross-fitted")) is not None}
    assert {(method, score) for method, score in scores_of(text).items() if score != "n/a"} <= stated
    rows = pd.read_parquet(page.parent / "cases.parquet", columns=["method", "image", "finding", "threshold", "iou"])
    known = set(rows.astype({"threshold": float, "iou": float}).itertuples(index=False, name=None))
    drawn = [p for p in pictures(text) if not is_blind(p["method"])]  # their rows are of one draw of the folds of twenty
    shown = [(p["method"], p["image"], p["finding"], float(p["threshold"]), float(p["iou"])) for p in drawn]
    assert [each for each in shown if each not in known] == []
    assert shown


def test_the_page_about_suites_lists_every_suite():
    table = (ROOT / "docs/reproduce.md").read_text(encoding="utf-8").partition("## What is in")[0]
    assert [name for name in plan.suites() if f"`{name}`" not in table] == []


def test_the_page_about_suites_names_the_hits_that_the_rows_per_case_have():
    text = (ROOT / "docs/reproduce.md").read_text(encoding="utf-8")
    columns = pd.read_parquet(ROOT / "results/demo/cases.parquet").columns
    assert [name for name in columns if name.startswith("hit@")] == ["hit@iou.1", "hit@iou.3", "hit@iou.5", "hit@iobb.1", "hit@iobb.5"]
    assert "hits (`hit@iou.1`, `.3`, `.5`, `hit@iobb.1`, `.5`)" in text


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_no_empty_line_interrupts_a_table(page):
    """Rows behind it would be a paragraph."""
    lines = page.read_text(encoding="utf-8").splitlines()
    starts = [n for n in range(2, len(lines)) if lines[n].startswith("| ") and lines[n - 1] == "" and lines[n - 2].startswith("|")]
    assert [n + 1 for n in starts if not lines[n + 1].startswith("|--")] == []
