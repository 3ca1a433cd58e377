"""Components of variance of a suite's trainings, from its records and their rows per case to page, picture and answer."""

import numpy as np
import pytest

from benchmark import power, records
from benchmark.records import cases
from benchmark.report import components, select, tables
from benchmark.report.design import design

METHODS, SEEDS = ("cam", "layercam"), (0, 1, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The committed rows of two methods on both networks of `demo`, as of three trainings: other cases hit in each."""
    folder = tmp_path_factory.mktemp("results") / "demo"
    for record in select.board(records.load("results/demo"), "phantom"):
        if record.cell.method in METHODS:
            rows = cases.read(record.cell, "results/demo").drop(columns=["key", *cases.CELL])
            for seed in SEEDS:
                name = record.cell.model_id.replace("seed0", f"seed{seed}")
                cell = record.cell.model_copy(update={"seed": seed, "model_id": name})
                records.write(record.model_copy(update={"cell": cell}), folder)
                flipped = np.random.default_rng(seed).random(len(rows)) < 0.1 * seed
                cases.write(rows.assign(**{"hit@iou.3": rows["hit@iou.3"] ^ flipped}).to_dict("records"), cell, folder)
    return folder


def test_trainings_methods_and_patients_of_a_suite_are_its_design(folder):
    part = design(records.load(folder), "phantom", [folder])
    assert part.values.shape[:4] == (1, 2, 2, 3)
    assert part.levels == {"backbone": ("custom 128px",), "pooling": ("AVG", "PCAM"), "method": METHODS}
    record = next(r for r in records.load(folder) if r.cell.global_pool == "PCAM" and r.cell.method == "cam")
    assert part.values[0, 1, 0, 0].mean() == pytest.approx(select.main_value(record), abs=1e-6)


def test_one_training_of_each_network_is_no_design(folder):
    first = [record for record in records.load(folder) if record.cell.seed == 0]
    assert design(first, "phantom", [folder]) is None


def test_shares_of_a_scores_variance_add_up(folder):
    table = components.components_table(design(records.load(folder), "phantom", [folder]), "phantom")
    assert sum(float(row[-1].removesuffix(" %")) for row in table.rows) == pytest.approx(100, abs=len(table.rows) / 2)
    assert table.rows[-1][0] == "method × seed × patient, rest"


def test_the_page_has_both_tables_and_the_same_picture_each_time(folder):
    pictures = []
    for _ in range(2):
        tables.write(folder, "Demo")
        pictures.append((folder / components.PICTURE).read_bytes())
    text = (folder / "leaderboard.md").read_text()
    assert "## phantom: components of variance" in text
    assert f"({components.PICTURE})" in text
    assert pictures[0] == pictures[1]


def test_power_answers_for_both_kinds_of_rows_and_three_differences(folder, capsys):
    assert power.main(["--suite", "demo", "--results", str(folder.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[:2] for line in lines if line.startswith(("paired", "nested"))]
    assert kinds == [[kind, gap] for kind in ("paired", "nested") for gap in ("0.02", "0.05", "0.10")]


def test_rows_that_cannot_be_compared_have_no_power(folder):
    single = [record for record in records.load(folder) if record.cell.global_pool == "AVG"]
    table = components.power_table(design(single, "phantom", [folder]), "phantom")
    assert [row[2:] == ("–",) * 5 for row in table.rows] == [False] * 3 + [True] * 3
