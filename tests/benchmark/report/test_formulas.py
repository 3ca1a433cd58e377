"""Text that looks like a formula is escaped in spreadsheets, and HTML in Markdown."""

import csv
import io

import numpy as np
import pytest
import torch

from locus.benchmark.records import load
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.main_table import leaderboard_csv
from locus.benchmark.report.table import Table, markdown
from locus.benchmark.training.data import SplitImages
from locus.benchmark.training.evaluate import predictions_csv, read_predictions
from locus.datasets.base import Columns
from tests.benchmark.report.made_up import training

EVIL = ("=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\tx")
SHOWN = (*EVIL[:-1], "=1+1", "@x")
"""Those that a record may be named by: control characters are refused."""
pytestmark = pytest.mark.byhand


def test_formulas_in_names_are_escaped_in_leaderboard_csv(tmp_path):
    for n, word in enumerate(SHOWN):
        training(tmp_path, word, seed=0, count=5 + n)
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(leaderboards(load(tmp_path), CaseFolders(tmp_path / "absent"))), newline="")))
    assert {row["method"] for row in rows} == {f"'{word}" for word in SHOWN}
    assert {float(row["hit@iou.3"]) for row in rows} == {(5 + n) / 20 for n in range(len(EVIL) + 1)}


def test_names_in_predictions_are_escaped_and_read_back_unchanged():
    names = [*EVIL, "'=1", "'quoted'", "NA", "001", "-1.5"]
    columns = Columns(
        images=names,
        patients=names,
        sources=names,
        labels=np.zeros((len(names), 1)),
        boxed=np.ones(len(names), bool),
        studies=names,
        truth={},
    )
    split = SplitImages(("=x",), None, columns, np.arange(len(names)), torch.zeros(len(names), 1), {})
    text = predictions_csv({"test": split}, {"test": torch.zeros(len(names), 1)})
    cells = [row["image"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert cells == [f"'{name}" for name in [*EVIL, "'=1"]] + names[-4:]
    table = read_predictions(io.StringIO(text))
    assert all(table[column].tolist() == names for column in ("image", "patient", "study"))


def test_html_in_a_markdown_table_is_text():
    assert "| a\\|b &lt;img src=x> | < 0.001 |" in markdown(Table("x", "", ("a", "b"), (("a|b <img src=x>", "< 0.001"),)))
