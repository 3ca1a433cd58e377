"""Thresholds of pictures come from the records of suites."""

import pytest

from locus.benchmark.heatmaps.thresholds import Thresholds
from locus.benchmark.records import Cell, Record, pack, write

CHOSEN = {"validation": {"Mass": [0.8]}, "cross-fitted": {"Mass": [0.1], "Nodule": [0.5, 0.7, 0.6]}, "fixed": {"Mass": [0.5]}}


@pytest.fixture
def thresholds(tmp_path):
    folder = tmp_path / "runs" / "results" / "tiny"
    for alignment, thresholds in (("aligned", CHOSEN), ("conventional", {"validation": {"Mass": [0.2]}})):
        cell = Cell(dataset="phantom", method="cam", protocol="single_box", alignment=alignment)
        write(Record(cell=cell, checkpoints=("abc",), thresholds=thresholds), folder)
    pack(folder)
    return lambda digest="abc", suite="", **flags: Thresholds(digest, tmp_path / "runs" / suite, **flags)


def test_a_threshold_of_validation_images_comes_first_then_the_median_of_the_folds(thresholds):
    assert thresholds().lookup("cam", "Mass") == (0.8, "validation")
    assert thresholds().lookup("cam", "Nodule") == (0.6, "cross-fitted, median of 3")


def test_a_record_whose_thresholds_another_suite_chose_changes_none(thresholds, tmp_path):
    folder = tmp_path / "runs" / "results" / "with_thresholds_of_tiny"
    cell = Cell(dataset="phantom", method="cam", protocol="single_box", alignment="aligned", data={"fitted_on": "tiny"})
    write(Record(cell=cell, checkpoints=("abc",)), folder)
    pack(folder)
    assert thresholds().recorded["cam"] == CHOSEN


def test_runs_of_a_suite_use_its_thresholds(thresholds):
    """As ``make demo`` draws: --runs runs/suites/demo, records below runs/results."""
    assert thresholds(suite="suites/tiny").lookup("cam", "Mass") == (0.8, "validation")


def test_conventional_alignment_has_separate_thresholds(thresholds):
    assert thresholds(alignment="conventional").lookup("cam", "Mass") == (0.2, "validation")


@pytest.mark.parametrize(("digest", "method", "finding"), [("xyz", "cam", "Mass"), ("abc", "gradcam", "Mass"), ("abc", "cam", "Effusion")])
def test_default_threshold_is_half_and_fixed(thresholds, digest, method, finding):
    assert thresholds(digest).lookup(method, finding) == (0.5, "fixed")


def test_a_typed_threshold_wins_and_another_layer_has_none(thresholds):
    assert thresholds(from_command_line=0.3).lookup("cam", "Mass") == (0.3, "typed")
    assert thresholds(layer="layer3").lookup("cam", "Mass") == (0.5, "fixed")
