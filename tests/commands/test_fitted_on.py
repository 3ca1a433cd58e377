"""Two suites on halves of a phantom with different patients: the second takes thresholds and baselines from the first."""

import numpy as np
import pytest

from locus import datasets
from locus.benchmark.records import cases, load

pytestmark = pytest.mark.commands

PHANTOM = "phantom:train=40,val=20,test=80,prevalence=0.4"
SIDE = 64
TRAIN = {"dataset": PHANTOM, "img_size": SIDE, "partition": "kfold", "folds": 2}
MODELS = [{"backbone": "custom", "global_pool": "AVG"}]
COMMON = {"models": MODELS, "methods": ["cam"], "protocols": ["single_box", "added"]}


@pytest.fixture(scope="module")
def suites(write_suite, tmp_path_factory):
    """The folder of three suites: ``first``, ``second`` fitted on it, and ``same``, which is fitted on its own patients."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "suites").mkdir()
    write_first(write_suite, folder, ["single_box"])
    write_suite(folder / "suites/second.yaml", TRAIN, folds=[1], fitted_on="first", **COMMON)
    write_suite(folder / "suites/same.yaml", TRAIN, folds=[0], fitted_on="first", **COMMON)
    return folder


def write_first(write_suite, folder, protocols):
    write_suite(folder / "suites/first.yaml", TRAIN, folds=[0], **{**COMMON, "protocols": protocols})


def flags(folder, results="results"):
    places = ["--suites", folder / "suites", "--results", folder / results, "--runs", folder / "runs", "--cache_dir", folder / "cache"]
    return [*places, "--threads", "1"]


@pytest.fixture(scope="module")
def second_without_added(suites, run_command):
    """The output of ``second`` after ``first`` ran without the protocol ``added``."""
    done = run_command("benchmark.run", "--suite", "first", *flags(suites))
    assert done.returncode == 0, done.stderr
    return run_command("benchmark.run", "--suite", "second", *flags(suites))


@pytest.fixture(scope="module")
def results(suites, second_without_added, write_suite, run_command):
    """The results folder after both suites ran, one after the other, with ``added`` in the protocols of ``first``."""
    write_first(write_suite, suites, COMMON["protocols"])
    for suite in ("first", "second"):
        done = run_command("benchmark.run", "--suite", suite, *flags(suites))
        assert done.returncode == 0, done.stderr
    return suites / "results"


def record(results, suite, method, fitted_on, protocol="single_box"):
    of_suite = [one for one in load(results / suite) if (one.cell.protocol, one.cell.method) == (protocol, method)]
    (found,) = [one for one in of_suite if one.cell.fitted_on == fitted_on]
    return found


def rows(results, suite, method, fitted_on):
    return cases.read(record(results, suite, method, fitted_on).cell, results / suite)


def truth(results, suite):
    """Finding -> truth boxes (M,4) of the suite's cases, as shares of the frame."""
    images = set(rows(results, suite, "cam", None)["image"])
    samples = [one for one in datasets.load(PHANTOM, partition="all", img_size=SIDE) if one.image_id in images]
    findings = {finding for one in samples for finding in one.boxes}
    return {finding: [one.boxes[finding] / SIDE for one in samples if finding in one.boxes] for finding in findings}


def test_each_row_has_a_fitted_and_a_cross_fitted_record(results):
    found = [one.cell for one in load(results / "second") if one.cell.protocol == "single_box"]
    by_fit = {fit: {cell.method for cell in found if cell.fitted_on == fit} for fit in ("first", None)}
    assert by_fit["first"] == by_fit[None] == {"cam", "fixed_box", "center", "prior", "noise", "untrained", "truth"}


def test_thresholds_are_those_that_the_other_suite_chose_on_all_its_cases(results):
    for method in ("cam", "prior", "center"):
        chosen = record(results, "first", method, None).thresholds["oracle"]
        used = rows(results, "second", method, "first").groupby("finding", observed=True)["threshold"].unique()
        for finding, thresholds in used.items():
            assert thresholds.tolist() == pytest.approx(chosen[finding], abs=1e-6)


def test_weight_thresholds_and_prior_of_added_are_those_of_the_other_suite(results):
    for method in ("cam", "shuffled", "untrained"):
        chosen = record(results, "first", method, None, "added").thresholds["oracle"]
        fitted = record(results, "second", method, "first", "added")
        assert fitted.thresholds == {"fitted": {finding: chosen[finding] for finding in fitted.thresholds["fitted"]}}
        assert {score.threshold_source for score in fitted.scores} == {"fitted"}
        assert fitted.find("weight").value == pytest.approx(next(iter(chosen.values()))["weight"][0])
        assert record(results, "second", method, None, "added").find("added").threshold_source == "cross-fitted"


def test_prior_alone_hits_the_same_with_and_without_a_map(results):
    """``combined`` − ``added`` is the share that prior hits: that of the row ``prior`` but for the steps of its threshold."""
    alone = record(results, "second", "prior", "first").find("hit@iou.3", threshold_source="fitted").value
    for method in ("cam", "noise", "center"):
        of = record(results, "second", method, "first", "added")
        assert of.find("combined").value - of.find("added").value == pytest.approx(alone, abs=0.05)


def test_table_and_column_of_added_are_on_the_page_of_both_kinds(results):
    page = (results / "second/leaderboard.md").read_text()
    assert page.count(": what maps add to prior") == 2
    assert page.count("| added [95%] |") == 4
    assert "What maps add to prior" in (results / "second/index.html").read_text()


def test_suite_without_added_cannot_fit_it(second_without_added, sentence):
    assert "fitted_on: first has no rows of added" in sentence(second_without_added)


def test_score_is_that_of_the_rows_at_these_thresholds(results):
    fitted, crossed = (record(results, "second", "cam", fit) for fit in ("first", None))
    hits = rows(results, "second", "cam", "first").groupby("finding", observed=True)["hit@iou.3"].mean()
    assert fitted.find("hit@iou.3", threshold_source="fitted").value == pytest.approx(hits.mean(), abs=1e-6)
    assert fitted.find("hit@iou.3", threshold_source="cross-fitted") == crossed.find("hit@iou.3", threshold_source="cross-fitted")


def test_fixed_box_hits_most_cases_of_the_other_suite(results):
    used = rows(results, "second", "fixed_box", "first").groupby("finding", observed=True)[["x0", "y0", "x1", "y1"]]
    side = np.arange(33) / 32
    x0, y0, x1, y1 = (axis.ravel() for axis in np.meshgrid(side, side, side, side, indexing="ij"))
    width, height = x1 - x0, y1 - y0
    allowed = (width > 0) & (height > 0) & (width < 0.75) & (height < 0.75) & (width * height < 0.5)
    every = np.stack([x0, y0, x1, y1], axis=1)[allowed]
    for finding, boxes in truth(results, "first").items():
        (box,) = used.get_group(finding).drop_duplicates().to_numpy() / SIDE
        counts = sum((overlaps(every, one[0]) > 0.3).astype(int) for one in boxes)
        assert sum(int(overlaps(box[None], one[0])[0] > 0.3) for one in boxes) == counts.max()


def overlaps(boxes, other):
    """IoU (N,) of boxes (N,4) with another box (4,)."""
    shared = (np.minimum(boxes[:, 2:], other[2:]) - np.maximum(boxes[:, :2], other[:2])).clip(min=0).prod(axis=1)
    return shared / ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (other[2:] - other[:2]).prod() - shared)


def test_tables_of_both_kinds_are_on_the_page_fitted_first(results):
    page = (results / "second/leaderboard.md").read_text()
    assert 0 < page.index("phantom, fitted on first: hits") < page.index("phantom, cross-fitted: hits")


def test_suite_that_shares_patients_with_the_one_that_it_is_fitted_on_is_refused(results, suites, run_command, sentence):
    error = sentence(run_command("benchmark.run", "--suite", "same", *flags(suites)))
    assert "fitted_on: first has" in error
    assert "patients" in error


def test_suite_without_thresholds_is_refused(suites, run_command, sentence):
    error = sentence(run_command("benchmark.run", "--suite", "second", *flags(suites, "elsewhere")))
    assert "first has no score thresholds" in error


def test_other_suite_must_exist(write_suite, tmp_path, run_command, sentence):
    write_suite(tmp_path / "lost.yaml", TRAIN, folds=[1], fitted_on="nowhere", **COMMON)
    error = sentence(run_command("benchmark.run", "--suite", "lost", "--suites", tmp_path, "--results", tmp_path / "results"))
    assert "fitted_on" in error
    assert "nowhere" in error
