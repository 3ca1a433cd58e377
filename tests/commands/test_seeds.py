"""A suite of two seeds as a user runs it: two trainings of one recipe, one row of the leaderboard."""

import csv

import pytest

from locus.benchmark import records

pytestmark = pytest.mark.commands


def test_records_are_per_training_and_the_leaderboard_has_a_row_per_entry(succeed, write_suite, tmp_path):
    fields = {"seeds": [0, 1], "methods": ["cam", "gradcam"], "protocols": ["single_box", "pointing"]}
    write_suite(tmp_path / "two.yaml", models=[{"backbone": "custom", "global_pool": "AVG"}], **fields)
    results, cache = tmp_path / "results", tmp_path / "cache"
    flags = ["--suites", tmp_path, "--results", results, "--runs", tmp_path / "runs", "--cache_dir", cache]
    done = succeed("benchmark.run", "--suite", "two", *flags)
    every = [record for record in records.load(results / "two") if record.cell.protocol == "single_box" and record.scores]
    scored = {(r.cell.seed, r.cell.method): r.find("hit@iou.3", threshold_source="cross-fitted").value for r in every}
    with (results / "two/leaderboard.csv").open(newline="") as file:
        board = {line["method"]: line for line in csv.DictReader(file) if line["kind"] != "network"}
    assert len(board) == len(scored) / 2
    assert float(board["cam"]["hit@iou.3"]) == pytest.approx((scored[0, "cam"] + scored[1, "cam"]) / 2, abs=1e-6)
    assert {line["runs"] for line in board.values()} == {"2"}
    assert {line["in_top_group"] for line in board.values()} <= {"True", "False", ""}
    assert float(board["cam"]["low"]) <= float(board["cam"]["hit@iou.3"]) <= float(board["cam"]["high"])
    assert done.stdout.count("two training runs") == 1
    for blind in ("center", "prior", "noise"):  # folds of patients are the same for all trainings
        assert scored[0, blind] == scored[1, blind]
