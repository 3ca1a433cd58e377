"""Components of variance and power, from records to tables."""

import pytest

from benchmark import power, records
from benchmark.report import select, tables
from benchmark.report.entries.main_column import design
from benchmark.report.leaderboard import components

METHODS = ("cam", "layercam")


def test_design_has_runs_methods_and_patients(three_trainings):
    part = design(records.load(three_trainings), "phantom", [three_trainings])
    assert part.values.shape[:4] == (1, 2, 2, 3)
    assert part.levels == {"backbone": ("custom 128px",), "pooling": ("AVG", "PCAM"), "method": METHODS}
    record = next(r for r in records.load(three_trainings) if r.cell.global_pool == "PCAM" and r.cell.method == "cam")
    assert part.values[0, 1, 0, 0].mean() == pytest.approx(select.main_value(record), abs=1e-6)


def test_single_runs_give_no_design(three_trainings):
    first = [record for record in records.load(three_trainings) if record.cell.seed == 0]
    assert design(first, "phantom", [three_trainings]) is None


def test_shares_of_a_scores_variance_add_up(three_trainings):
    table = components.components_table(design(records.load(three_trainings), "phantom", [three_trainings]), "phantom")
    assert sum(float(row[-1].removesuffix("%")) for row in table.rows) == pytest.approx(100, abs=len(table.rows) / 2)
    assert table.rows[-1][0] == "method × seed × patient, rest"


def test_page_has_both_tables_and_a_reproducible_picture(three_trainings):
    tables.write(three_trainings)
    first = (three_trainings / tables.PICTURE).read_text()
    tables.write(three_trainings)
    assert ">components of variance</caption>" in (three_trainings / "index.html").read_text()
    assert f"({tables.PICTURE})" in (three_trainings / "leaderboard.md").read_text()
    assert first.startswith("<svg")
    assert "method × seed" in first
    assert (three_trainings / tables.PICTURE).read_text() == first


def test_power_covers_paired_and_nested_rows_and_three_differences(three_trainings, capsys):
    assert power.main(["--suite", "demo", "--results", str(three_trainings.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[:2] for line in lines if line.startswith(("paired", "nested"))]
    assert kinds == [[kind, gap] for kind in ("paired", "nested") for gap in ("0.02", "0.05", "0.10")]


def test_rows_that_cannot_be_compared_have_no_power(three_trainings):
    single = [record for record in records.load(three_trainings) if record.cell.global_pool == "AVG"]
    table = components.power_table(design(single, "phantom", [three_trainings]), "phantom")
    assert [row[2:] == ("–",) * 5 for row in table.rows] == [False] * 3 + [True] * 3
