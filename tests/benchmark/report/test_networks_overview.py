"""The table of the networks that were measured: its numbers are the records', its lines are those of a suite's file."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from locus.benchmark.report import networks_overview
from locus.benchmark.suite import plan

RESULTS = Path(__file__).resolve().parents[3] / "results"
SECTION = (RESULTS / "README.md").read_text().partition("## Networks\n")[2]
LINES = re.findall(r"^\| (.*) \|$", SECTION, re.MULTILINE)[1:]
CELLS = [[cell.strip() for cell in line.split("|")] for line in LINES]


def test_every_backbone_and_pooling_has_a_line():
    backbones = networks_overview.BACKBONES
    own_poolings = networks_overview.OWN_POOLINGS
    assert len(CELLS) == sum(len(own_poolings.get(name, networks_overview.POOLINGS)) for name in backbones)


@pytest.mark.parametrize(("column", "suite"), [(2, "phantom"), (3, "nih-sample")])
def test_a_cell_has_the_best_method_or_a_line_that_the_suite_accepts(column, suite):
    rows = pd.read_csv(RESULTS / suite / "leaderboard.csv")
    measured = 0
    for backbone, pooling, *cells in CELLS:
        cell = cells[column - 2]
        of_network = rows[(rows["network"] == f"{backbone} with {pooling}") & (rows["kind"] == "method")]
        if of_network.empty:
            (model,) = yaml.safe_load(cell.strip("`"))
            added = plan.Suite(**{**plan.load(suite).model_dump(exclude={"name", "models"}), "name": suite, "models": [model]})
            assert {one.trainings[0].global_pool for one in plan.models(added)} == {pooling}
            continue
        best = of_network.loc[of_network["hit@iou.3"].idxmax()]
        shown = f"{best['auroc']:.2f}; `{best['method']}` {best['hit@iou.3']:.3f}".replace("0.", ".")
        assert cell == shown
        measured += 1
    assert measured >= 3
