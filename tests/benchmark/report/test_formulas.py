"""Text that looks like a formula is escaped in spreadsheets."""

import csv
import io

import pytest

from locus.benchmark.records import load
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.main_table import leaderboard_csv
from tests.benchmark.report.made_up import training

EVIL = ("=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\tx")
SHOWN = (*EVIL[:-1], "=1+1", "@x")
"""Those that a record may be named by: control characters are refused."""
pytestmark = pytest.mark.byhand


def test_formulas_in_names_are_escaped_in_leaderboard_csv(tmp_path):
    for n, word in enumerate(SHOWN):
        training(tmp_path, word, seed=0, count=5 + n)
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(leaderboards(load(tmp_path))), newline="")))
    assert {row["method"] for row in rows} == {f"'{word}" for word in SHOWN}
    assert {float(row["hit@iou.3"]) for row in rows} == {(5 + n) / 20 for n in range(len(EVIL) + 1)}
