"""The published galleries say what the published records say."""

from pathlib import Path

import pandas as pd
import pytest

from benchmark import records
from tests.gallery import pictures, scores_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("results/*/gallery.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_each_figure_of_a_published_gallery_stands_in_the_records(page):
    text = page.read_text()
    assert len(text.encode()) <= 6_000_000
    main = [r for r in records.load(page.parent) if (r.cell.protocol, r.cell.alignment, r.source) == ("locus", "aligned", "run")]
    stated = {(r.method, f"{score.value:.3f}") for r in main if (score := r.find("hit@iou.3", origin="cross-fitted")) is not None}
    assert {(method, score) for method, score in scores_of(text).items() if score != "n/a"} <= stated
    rows = pd.read_parquet(page.parent / "cases.parquet", columns=["method", "image", "finding", "threshold", "iou"])
    known = set(rows.astype({"threshold": float, "iou": float}).itertuples(index=False, name=None))
    shown = [(p["method"], p["image"], p["finding"], float(p["threshold"]), float(p["iou"])) for p in pictures(text)]
    assert [each for each in shown if each not in known] == []
    assert shown
