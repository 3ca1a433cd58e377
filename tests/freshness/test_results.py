"""What is committed in results/ is what the records and the suites give today."""

import functools
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from locus.benchmark import records
from locus.benchmark.baselines import is_blind
from locus.benchmark.pictures import gallery
from locus.benchmark.report import tables
from locus.benchmark.suite import cells, folders, join, missing, plan, request
from locus.benchmark.suite.finalize import describe
from locus.config import RunConfig
from locus.core.files import json_hash
from locus.core.names import ADDED, MAIN, MAIN_PROTOCOL, duplicates
from tools import fullgrad_options
from tools.recipes import with_table
from tools.site.readme import with_answer

ROOT = Path(__file__).resolve().parents[2]
SUITES = [folder.name for folder in records.suites(ROOT / "results")]
DRAWN = ("gallery.html", "examples.svg")
"""Files with pictures, which records alone do not give."""
REUSING = [name for name in SUITES if plan.load(name).training_runs_of]
"""Suites that use the training runs of another suite."""
JOINED = [name for name in SUITES if plan.load(name).joins]
"""Suites whose rows are made from those of other suites."""
SCORED = [name for name in SUITES if name not in JOINED]
pytestmark = pytest.mark.freshness


@functools.cache
def committed(name):
    """The suite, its records and the cells that are planned: read once, to be looked at."""
    suite, existing = plan.load(name), folders.existing_records(ROOT / "results" / name)
    return suite, existing, cells.planned_cells(suite)


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_in_memory():
    yield
    committed.cache_clear()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write the tables of a suite from its committed records: the folder and the tables."""
    results = tmp_path_factory.mktemp("results")

    @functools.cache
    def write(name):
        folder, published = results / name, ROOT / "results" / name
        folder.mkdir()
        for file in published.iterdir():
            if file.suffix == ".parquet" or file.name in DRAWN:
                shutil.copy(file, folder / file.name)
        if name == "nih":  # its table has a row of nih-boxes
            write("nih-boxes")
        made = tables.write(folder, describe(plan.load(name), published), linked_from=published)
        return folder, made

    return write


def plain(path):
    """The bytes of a file, without the identifiers of a drawing's clip paths: they depend on how NumPy prints a number."""
    return re.sub(rb"\bp[0-9a-f]{10}\b", b"p", path.read_bytes())


@pytest.mark.parametrize("name", SUITES)
def test_the_committed_tables_are_what_the_records_give(name, written):
    given, published_files = (
        sorted(path for path in folder.iterdir() if path.is_file()) for folder in (written(name)[0], ROOT / "results" / name)
    )
    assert [path.name for path in given] == [path.name for path in published_files]
    for one, other in zip(given, published_files, strict=True):
        assert plain(one) == plain(other), f"{other} is stale: run python -m benchmark.run --all"


@pytest.mark.parametrize("name", SUITES)
def test_hits_over_the_score_threshold_are_those_of_the_main_protocol_alone(name):
    with_line = [record for record in committed(name)[1] if record.hits_by_threshold]
    assert {record.cell.protocol for record in with_line} <= {MAIN_PROTOCOL}
    for record in with_line:
        at_fixed = record.find(MAIN, threshold_source="fixed").value  # .5
        tolerance = 1e-3 if is_blind(record.method) else 1.5e-6  # of 20 draws, some reach .5 exactly or nearly so
        assert record.hits_by_threshold[10] == pytest.approx(at_fixed, abs=tolerance)


LABELS = ("network (AUROC)", "network", "data set", "size", "seed", "trained on", "results", "method")
"""Headings of the columns that name a row."""


def labels_of_rows(table):
    """The cells of each row that name it."""
    columns = [n for n, heading in enumerate(table.header) if heading in LABELS]
    return [tuple(row[n] for n in columns) for row in table.rows]


@pytest.mark.parametrize("name", SUITES)
def test_no_table_of_rows_has_two_rows_with_equal_labels(name, written):
    made = [of.all_tables for of in written(name)[1]]
    with_rows = [table for tables_of_data in made for table in tables_of_data if table.source]
    assert {table.title: duplicates(labels_of_rows(table)) for table in with_rows} == {table.title: [] for table in with_rows}


@pytest.mark.parametrize("name", SUITES)
def test_a_row_of_another_network_than_the_plain_one_is_named_by_it_in_every_table(name, written):
    for of in written(name)[1]:
        for table in (table for table in of.all_tables if table.source and "network" in table.header):
            named = [cells[table.header.index("network")] for cells in table.rows]
            pairs = [(cell, row.network) for cell, row in zip(named, table.source, strict=True) if cell not in ("any", "–")]
            assert [cell for cell, network in pairs if cell != network] == []
            assert "attention:" not in table.intro, "a setting of some rows, said of all"


@pytest.mark.parametrize("name", SUITES)
def test_no_two_lines_of_leaderboard_csv_name_the_same_row(name, written):
    table = pd.read_csv(written(name)[0] / "leaderboard.csv", dtype=str, keep_default_na=False)
    names = ["dataset", "network", "img_size", "model_id", "fitted_on", "protocol", "kind", "method"]
    assert not table.duplicated([column for column in names if column in table]).any()
    trained = table[table["backbone"] != ""]
    assert (trained["network"] != "").all()


def test_the_committed_index_is_what_the_records_give(written, tmp_path):
    tables.index(tmp_path, dict(map(written, SUITES)))
    for file in ("README.md", "index.html"):
        assert (tmp_path / file).read_text() == (ROOT / "results" / file).read_text()


@pytest.mark.parametrize("name", SUITES)
def test_the_committed_records_are_the_cells_of_the_suite(name):
    suite, existing, planned = committed(name)
    without_images = [job for job in planned if job.model.grid is not None]  # the networks of nih need its images
    expected = {cell.key for job in without_images or planned for cell in job.cells}
    if name in JOINED:
        expected = {join.cell_of(suite, of_parts).key for of_parts in join.parts(suite, records.published()).values()}
    if suite.private_images:  # protocols that were added after its images were scored
        expected -= {cell.key for job in planned for cell in job.cells if cell.protocol == ADDED}
    assert {record.key for record in existing if record.source == "run"} == expected
    assert {record.key for record in existing if record.source == "paper"} == {record.key for record in suite.published}


@pytest.mark.parametrize("name", SUITES)
def test_no_case_has_two_rows_of_one_method(name):
    for file in (ROOT / "results" / name).glob("cases*.parquet"):
        columns = set(parquet.read_schema(file).names) & {"key", "image", "finding", "variant"}
        assert len(columns) >= 3
        assert not pd.read_parquet(file, columns=sorted(columns)).duplicated().any(), file


@pytest.mark.parametrize("name", SCORED)
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


@pytest.mark.parametrize("name", SCORED)
def test_the_pictures_of_a_page_are_a_hit_and_a_miss_of_its_best_method(name):
    chosen = gallery.choose_examples(committed(name)[1], ROOT / "results" / name)
    picture = ROOT / "results" / name / "examples.svg"
    assert picture.is_file() == bool(chosen)
    if chosen:
        assert f"<title>{'; '.join(example.title for example in chosen)}</title>" in picture.read_text(), "delete it, run the suite"


def test_results_stay_small():
    files = [file for file in (ROOT / "results").rglob("*") if file.is_file() and "weights" not in file.parts]
    assert len(files) <= 180
    assert sum(file.stat().st_size for file in files) < 50e6
    assert max(file.stat().st_size for file in files) < 12e6


def test_a_run_of_all_suites_of_a_fresh_clone_has_nothing_to_do():
    config = RunConfig(all=True)
    names = request.requested_names(config)
    assert sorted(names) == SUITES
    for name in names:
        _, existing, planned = committed(name)
        assert missing.missing_cells(planned, config, existing) == [], name


def test_the_readmes_answer_is_that_of_the_suite():
    readme = (ROOT / "README.md").read_text()
    assert readme == with_answer(readme, ROOT / "results"), "README.md is stale: python -m tools.site.readme"


def test_the_table_of_fullgrads_options_is_that_of_its_suite():
    page = (ROOT / "docs" / "limits.md").read_text()
    assert page == fullgrad_options.with_table(page, ROOT / "results"), "docs/limits.md is stale: python -m tools.fullgrad_options"


def test_the_table_of_recipes_is_that_of_the_suites():
    page = (ROOT / "docs" / "limits.md").read_text()
    assert page == with_table(page, ROOT / "results"), "docs/limits.md is stale: python -m tools.recipes"
