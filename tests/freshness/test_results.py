"""What is committed in results/ is what the records and the suites give today."""

import filecmp
import functools
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from locus.benchmark import records
from locus.benchmark.records import cases, papers
from locus.benchmark.report import tables
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.finalize import describe, leaderboards_of
from locus.config import RunConfig
from locus.core.files import json_hash
from locus.core.names import MAIN, MAIN_PROTOCOL, PAIRED

ROOT = Path(__file__).resolve().parents[2]
SUITES = [folder.name for folder in records.suites(ROOT / "results")]
PAGES = ("demo", "phantom", "nih-sample")
"""The suites whose ``index.html`` is committed; that of the others is written on the spot."""
REUSING = [name for name in SUITES if plan.load(name).training_runs_of]
"""Suites that use the training runs of another suite."""
pytestmark = pytest.mark.freshness


@functools.cache
def committed(name):
    """The suite, its records and the cells that are planned: read once, to be looked at."""
    suite, existing = plan.load(name), cells.existing_records(ROOT / "results" / name)
    return suite, existing, cells.planned_cells(suite)


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_in_memory():
    yield
    committed.cache_clear()


def copy(name, folder):
    (folder / name).mkdir()
    for file in (*(ROOT / "results" / name).glob("*.parquet"), *(ROOT / "results" / name).glob("gallery.html")):
        shutil.copy(file, folder / name / file.name)


@pytest.mark.parametrize("name", SUITES)
def test_the_committed_tables_are_what_the_records_give(name, tmp_path):
    """A gallery shows maps too: see ``test_pages``."""
    copy(name, tmp_path)
    suite = plan.load(name)
    tables.write(tmp_path / name, describe(suite), linked_from=ROOT / "results" / name)
    left_out = {"gallery.html"} | ({"index.html"} if name not in PAGES else set())
    given, published_files = (
        sorted(path for path in folder.iterdir() if path.is_file() and path.name not in left_out)
        for folder in (tmp_path / name, ROOT / "results" / name)
    )
    assert [path.name for path in given] == [path.name for path in published_files]
    for one, other in zip(given, published_files, strict=True):
        assert filecmp.cmp(one, other, shallow=False), f"{other} is stale: run python -m benchmark.run --all"


@pytest.mark.parametrize("name", SUITES)
def test_hits_over_the_score_threshold_are_those_of_the_main_protocol_alone(name):
    with_line = [record for record in committed(name)[1] if record.hits_by_threshold]
    assert {record.cell.protocol for record in with_line} <= {MAIN_PROTOCOL}
    for record in with_line:  # at .5 that of the fixed threshold
        if record.hits_by_threshold[10] != pytest.approx(record.find(MAIN, origin="fixed").value, abs=1.5e-6):
            rows = cases.read(record.cell, ROOT / "results" / name)  # an IoU of exactly .3 may be a hit by rounding
            tied = rows[(rows["iou_fixed"] - 0.3).abs() < 1e-6]["finding"]
            most = sum(1 / (rows["finding"] == finding).sum() for finding in tied) / rows["finding"].nunique()
            assert record.hits_by_threshold[10] == pytest.approx(record.find(MAIN, origin="fixed").value, abs=most + 1.5e-6)


def test_the_committed_index_is_what_the_records_give(tmp_path):
    for name in SUITES:
        copy(name, tmp_path)
        shutil.copy(ROOT / "results" / name / "leaderboard.md", tmp_path / name)
    tables.index(tmp_path, {tmp_path / name: leaderboards_of(tmp_path / name) for name in SUITES})
    for file in ("README.md", "index.html"):
        assert (tmp_path / file).read_text() == (ROOT / "results" / file).read_text()


@pytest.mark.parametrize("name", SUITES)
def test_the_committed_records_are_the_cells_of_the_suite(name):
    suite, existing, planned = committed(name)
    kept = [record for record in existing if record.cell.protocol != PAIRED]
    assert {record.key for record in kept if record.source == "run"} == {cell.key for job in planned for cell in job.cells}
    keys = {record.key for word in suite.papers for record in papers.read(word)}
    assert {record.key for record in kept if record.source == "paper"} == keys


@pytest.mark.parametrize("name", SUITES)
def test_no_case_has_two_rows_of_one_method(name):
    for file in (ROOT / "results" / name).glob("cases*.parquet"):
        columns = set(parquet.read_schema(file).names) & {"model_id", "method", "image", "finding", "variant"}
        assert not pd.read_parquet(file, columns=sorted(columns)).duplicated().any(), file


@pytest.mark.parametrize("name", SUITES)
def test_the_recorded_trainings_have_the_keys_that_are_planned_today(name):
    _, existing, planned = committed(name)
    of_models = {(record.cell.model_id, json_hash(record.cell.recipe)) for record in existing if record.cell.recipe}
    assert of_models <= {(job.model.id, json_hash(job.model.recipe)) for job in planned}


@pytest.mark.parametrize("name", REUSING)
def test_suites_use_the_weights_of_the_suite_whose_training_runs_they_name(name):
    (suite, existing, _), weights = committed(name), {}
    for record in committed(suite.training_runs_of)[1]:
        if record.checkpoints:
            weights[record.cell.model_id] = record.checkpoints
    used = {(r.cell.model_id, r.checkpoints) for r in existing if r.cell.model_id in weights and r.checkpoints}
    assert used
    assert used == {(model, weights[model]) for model, _ in used}


def test_results_stay_small():
    files = [file for file in (ROOT / "results").rglob("*") if file.is_file() and file.suffix != ".html"]  # pages apart
    assert len(files) <= 120
    assert sum(file.stat().st_size for file in files) < 33e6
    assert max(file.stat().st_size for file in files) < 12e6


def test_a_run_of_all_suites_of_a_fresh_clone_has_nothing_to_do():
    config = RunConfig(all=True)
    names = cells.requested_names(config)
    assert sorted(names) == SUITES
    for name in names:
        _, existing, planned = committed(name)
        assert cells.missing_cells(planned, config, existing) == [], name


def test_the_readmes_excerpt_is_in_the_leaderboard():
    readme = (ROOT / "README.md").read_text()
    lines = readme.split("<!-- leaderboard -->")[1].strip().splitlines()
    board = (ROOT / "results/phantom/leaderboard.md").read_text()
    shown = [cells for line in lines[2:] if (cells := [cell.strip() for cell in line.strip("|").split("|")])]
    methods = pd.read_csv(ROOT / "results/phantom/leaderboard.csv").query("images.isna() and method_may_be_best.notna()")
    first = methods[["backbone", "global_pool", "method"]].values.tolist()[:4]
    assert [row[:2] for row in first] == [["custom", "PCAM"]] * 4
    assert [cells[0] for cells in shown] == [*(row[2] for row in first), "prior"]
    on_first = methods[methods["model_id"] == methods["model_id"].iloc[0]]
    worse = on_first.query("method_may_be_best == False and worse_than == 'integrated_gradients'")
    count = f"{len(worse)} of the other {len(on_first) - 1} methods"
    assert f"Integrated Gradients is significantly better than {count}" in readme
    for cells in shown:
        rows = (row for row in board.splitlines() if row.startswith(("| custom | PCAM |", "| any | any |")))
        assert any(all(f"| {cell} |" in row for cell in cells) for row in rows), cells
