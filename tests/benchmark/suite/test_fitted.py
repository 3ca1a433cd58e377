"""What a suite takes from another one: thresholds, ``prior`` and ``fixed_box``, and when it is refused."""

from pathlib import Path

import numpy as np
import pytest

from locus.benchmark.records import Cell
from locus.benchmark.suite import fitted, plan
from locus.benchmark.suite.cells import planned_cells
from locus.benchmark.suite.fitted import Fit, FittedBox
from locus.core.errors import DataError, LeakError, NotAvailableError
from locus.core.names import ADDED
from locus.core.types import Sample
from locus.scoring.protocols.base import Case

FRAME = (32, 32)
LEFT, RIGHT = [0.0, 8, 8, 24], [24.0, 8, 32, 24]  # so far apart that no box hits both


def sample(number, box, finding="Mass"):
    """An image of patient ``number`` with one box."""
    boxes = {finding: np.array([box])}
    names = {"image_id": f"i{number}", "patient_id": f"p{number}", "source": ""}
    return Sample(**names, frame=FRAME, labels=np.ones(1, np.float32), boxes=boxes, read=None)


@pytest.fixture
def fit():
    """Of six cases of six patients, four have the box ``LEFT``; the threshold of ``cam`` is .25."""
    samples = [sample(number, LEFT if number < 4 else RIGHT) for number in range(6)]
    return Fit("other", {("net-seed0", "cam"): {"Mass": 0.25}}, samples)


@pytest.mark.byhand
def test_fixed_box_is_that_with_most_hits_on_all_cases_of_the_other_suite(fit):
    assert (fit.fixed_boxes["Mass"] * 32).tolist() == LEFT


@pytest.mark.byhand
def test_prior_is_the_mean_of_all_boxes_of_the_other_suite(fit):
    prior = fit.priors["Mass"]
    assert prior.shape == (32, 32)
    assert (prior[16, 4], prior[16, 28], prior[0, 4]) == pytest.approx((4 / 6, 2 / 6, 0))


def test_fixed_box_of_fewer_than_five_patients_is_not_available():
    with pytest.raises(NotAvailableError, match=r"Mass.* 4 patients.* 5"):
        fitted.best_box([sample(number, LEFT) for number in range(4)], "Mass")


def test_row_without_thresholds_in_the_other_suite_is_not_available(fit):
    cell = Cell(dataset="phantom", model_id="net-seed1", method="cam", data={"fitted_on": "other"})
    with pytest.raises(NotAvailableError, match=r"other.*cam.*net-seed1"):
        fit.thresholds_of(cell)


def test_shared_patients_are_refused_by_name(fit):
    fitted.check(fit, [sample(7, LEFT)])
    with pytest.raises(LeakError, match=r"fitted_on.*other.*p3"):
        fitted.check(fit, [sample(3, LEFT), sample(7, LEFT)])


def test_finding_without_cases_in_the_other_suite_is_refused(fit):
    with pytest.raises(DataError, match=r"fitted_on.*other.*Nodule"):
        fitted.check(fit, [sample(7, LEFT, "Nodule")])


@pytest.mark.planted
def test_rows_are_at_the_given_threshold_and_nothing_is_chosen_for_them():
    heat = np.zeros((32, 32))
    heat[8:24, 0:16], heat[8:24, 0:8] = 0.5, 1.0
    truth = np.array([LEFT])
    cases = [Case(f"i{n}", f"p{n}", "Mass", heat, "conventional", FRAME, truth) for n in range(10)]
    for threshold, hit in ((0.25, True), (0.75, True), (0.01, True)):
        rows = FittedBox({"Mass": threshold}).evaluate(cases, ("Mass",)).rows
        assert {row["threshold"] for row in rows} == {threshold}
        assert {row["hit@iou.3"] for row in rows} == {hit}
    wide, narrow = (FittedBox({"Mass": threshold}).evaluate(cases, ("Mass",)).rows[0]["iou"] for threshold in (0.25, 0.75))
    assert wide < narrow


def test_published_suite_has_a_weight_of_each_row_of_added_that_is_fitted_on_it():
    suite = plan.load("nih-heldout")
    fit = fitted.read(suite.fitted_on, Path("results"))
    cells = [cell for task in planned_cells(suite) for cell in task.cells if cell.protocol == ADDED and cell.fitted_on]
    lacking = {(cell.global_pool, cell.method) for cell in cells if (cell.model_id, cell.method) not in fit.added}
    assert len(cells) > 100
    assert lacking == {("LSE", "pcam")}
