"""The cross-fitted primary comparison of `nih-heldout` with and without the stored resamples of its floors."""

import shutil

import pytest

from locus.benchmark import records
from locus.benchmark.records.floors import FLOORS
from locus.benchmark.report import main_table, primary
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.suite import plan

SUITE = "nih-heldout"


def findings_and_texts(folder):
    """Cross-fitted findings of the primary comparison, and all notes and sentences."""
    stated = plan.load(SUITE).primary
    kept = [r for r in records.load(folder) if r.cell.fitted_on is None and r.cell.method in ("fullgrad", "prior", "fixed_box")]
    boards = leaderboards(kept, CaseFolders(folder), ("fullgrad",), None, stated.is_tested_first)
    texts = [*(note for board in boards for note in main_table.notes(board)), *primary.sentences(stated, boards)]
    return primary.findings(stated, boards), "\n".join(texts)


@pytest.fixture(scope="module")
def with_floors():
    return findings_and_texts(records.published() / SUITE)


@pytest.fixture(scope="module")
def without_floors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / SUITE
    shutil.copytree(records.published() / SUITE, folder, ignore=shutil.ignore_patterns("weights", FLOORS))
    return findings_and_texts(folder)


def width(finding):
    (gap,) = finding.floors
    return gap.estimate.high - gap.estimate.low


def test_missing_file_is_said_on_the_page(without_floors):
    assert without_floors[1].count(FLOORS) == 2
    assert without_floors[1].count("too narrow") == 2


def test_page_says_that_floors_are_made_again(with_floors):
    assert FLOORS not in with_floors[1]
    assert with_floors[1].count("again") >= 2


def test_intervals_are_wider_where_floors_are_made_again(with_floors, without_floors):
    assert len(with_floors[0]) == len(without_floors[0]) == 2
    for again, held in zip(with_floors[0], without_floors[0], strict=True):
        assert width(again) > width(held)
        assert again.p > held.p
