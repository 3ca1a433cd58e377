"""A suite of two seeds as a user runs it: two trainings of one recipe, one row of the leaderboard."""

import csv

import pandas as pd
import pytest

from locus.benchmark import records

pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def run(run_command, succeed, write_suite, tmp_path_factory):
    folder, models = tmp_path_factory.mktemp("seeds"), [{"backbone": "custom", "global_pool": "AVG"}]
    fields = {"seeds": [0, 1], "methods": ["cam", "gradcam"], "protocols": ["locus", "pointing"]}
    write_suite(folder / "two.yaml", models=models, **fields)
    flags = ["--suites", folder, "--results", folder / "results", "--runs", folder / "runs", "--cache_dir", folder / "cache"]
    done = succeed("benchmark.run", "--suite", "two", *flags)
    return folder / "results", done, lambda *more: run_command("benchmark.compare", *more, *flags[2:4])


def test_records_are_per_training_and_the_leaderboard_has_a_row_per_entry(run):
    results, done, _ = run
    every = [record for record in records.load(results / "two") if record.cell.protocol == "locus" and record.scores]
    scored = {(r.cell.seed, r.cell.method): r.find("hit@iou.3", origin="cross-fitted").value for r in every}
    with (results / "two/leaderboard.csv").open(newline="") as file:
        board = {line["method"]: line for line in csv.DictReader(file) if line["kind"] != "network"}
    assert len(board) == len(scored) / 2
    assert float(board["cam"]["hit@iou.3"]) == pytest.approx((scored[0, "cam"] + scored[1, "cam"]) / 2, abs=1e-6)
    assert {line["runs"] for line in board.values()} == {"2"}
    assert {line["may_be_best"] for line in board.values()} <= {"True", "False", ""}
    assert float(board["cam"]["low"]) <= float(board["cam"]["hit@iou.3"]) <= float(board["cam"]["high"])
    assert done.stdout.count("two training runs") == 1
    for blind in ("center", "prior", "noise"):  # folds of patients are the same for all trainings
        assert scored[0, blind] == scored[1, blind]


def test_all_seeds_have_all_protocols_and_their_own_file_of_rows_per_case(run):
    results, _, _ = run
    seeds = {(record.cell.protocol, record.cell.seed) for record in records.load(results / "two")}
    assert {seed for protocol, seed in seeds if protocol == "pointing"} == {0, 1}
    columns = {file.name: "x0" in pd.read_parquet(file) for file in (results / "two").glob("cases*")}
    assert columns == {"cases.parquet": True, "cases-seed1.parquet": False}
    assert all("iobb" in pd.read_parquet(file) for file in (results / "two").glob("cases*"))


def test_the_methods_are_compared_over_both_trainings(run):
    said = run[2]("two/gradcam", "two/cam").stdout
    assert "training seeds: 0, 1" in said
    assert "several training runs: intervals and p over runs and patients" in said
