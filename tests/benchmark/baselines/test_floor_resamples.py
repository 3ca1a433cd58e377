"""``prior`` and ``fixed_box``, made again in resamples of patients."""

import numpy as np
import pytest

from locus.benchmark.baselines import floor_resamples
from locus.benchmark.baselines.floor_resamples import FindingResamples, resampled_scores
from locus.benchmark.baselines.fold_draws import FOLDS, choose_boxes
from locus.core.frames import box_coverage, iou
from locus.core.types import patient_folds
from locus.scoring.protocols.base import Case, case_index
from locus.scoring.rechosen import as_jackknife, chosen_again, with_fixed_hits
from locus.scoring.statistics.mrmc import RowSamples, compared
from locus.scoring.surface.batch import TruthBoxes

PATIENTS, RESAMPLES = 40, 100
FRAME = (64, 64)
RUNS = ("a", "b", "c")


@pytest.fixture(scope="module")
def cases():
    """Forty patients with a box near one of two places; every fourth patient has a second image."""
    random = np.random.default_rng(0)
    made = []
    for number in range(PATIENTS):
        for image in range(2 if number % 4 == 0 else 1):
            corner = np.array([8, 20]) + random.integers(-4, 5, 2) + (20 if random.random() < 0.4 else 0)
            box = np.append(corner, corner + random.integers(12, 20, 2)).astype(float)
            made.append(Case(f"{number}-{image}.png", f"p{number:02}", "Mass", np.zeros((1, 1)), "conventional", FRAME, box[None]))
    return made


@pytest.fixture(scope="module")
def scores(cases):
    return resampled_scores(cases, RESAMPLES)


@pytest.fixture(scope="module")
def resamples(cases):
    """The cases as one finding, drawn between 0 and 3 times in each of five resamples."""
    random = np.random.default_rng(1)
    patients = [case.patient_id for case in cases]
    return FindingResamples(
        truths=[case.boxes / FRAME[0] for case in cases],
        times=random.integers(0, 4, (5, len(cases))).astype(np.float32),
        fold=np.array([patient_folds(patients, FOLDS, seed) for seed in range(5)]),
        threshold_fold=patient_folds(patients, FOLDS, 0),
    )


def test_same_cases_in_any_order_give_the_same_resamples(cases, scores):
    again = resampled_scores(cases[::-1], 5)
    for name, of_floor in scores.items():
        np.testing.assert_allclose(again[name], of_floor[:5], atol=1e-6)


@pytest.mark.byhand
def test_score_of_several_draws_is_their_mean(cases):
    single, of_two = resampled_scores(cases, 1, draws=1), resampled_scores(cases, 1, draws=2)
    patients = [case.patient_id for case in cases]
    assert patient_folds(patients, FOLDS, 0).tolist() != patient_folds(patients, FOLDS, 1).tolist()
    for name, (score,) in of_two.items():
        second = 2 * score - single[name][0]
        assert 0 <= second <= 1
    assert any(of_two[name][0] != single[name][0] for name in of_two)


@pytest.mark.oracle
def test_fixed_box_is_the_one_chosen_on_cases_that_are_repeated_as_often_as_drawn(resamples):
    hits = floor_resamples.fixed_box_hits(resamples)
    for n, (times, fold) in enumerate(zip(resamples.times.astype(int), resamples.fold, strict=True)):
        repeated = np.repeat(np.arange(len(times)), times)
        (boxes,) = choose_boxes([resamples.truths[case] for case in repeated], fold[repeated][None])
        expected = [iou(boxes[number][None], truth)[0, 0] > 0.3 for number, truth in zip(fold, resamples.truths, strict=True)]
        assert hits[n].tolist() == expected


@pytest.mark.oracle
def test_map_of_prior_is_the_mean_of_other_folds_cases_repeated_as_often_as_drawn(resamples):
    coverage = np.stack([box_coverage(boxes, (1, 1), (32, 32)) for boxes in resamples.truths])
    times, fold = resamples.times[0], resamples.fold[0]
    maps = floor_resamples.mean_maps(coverage, times, fold)
    for number in range(FOLDS):
        others = np.repeat(coverage, np.where(fold != number, times, 0).astype(int), axis=0)
        np.testing.assert_allclose(maps[number], others.mean(axis=0), atol=1e-6)


@pytest.mark.planted
@pytest.mark.parametrize("name", ["prior", "fixed_box"])
def test_resamples_vary_more_than_with_maps_and_boxes_held_fixed(cases, scores, name):
    held = with_fixed_hits(np.random.default_rng(0).random(len(cases)) < scores[name].mean(), case_index(cases))
    assert scores[name].std() > held.std()


@pytest.mark.planted
def test_row_with_the_maps_of_prior_does_not_differ_from_prior(cases, scores):
    index = case_index(cases)
    fold = patient_folds(index.patients.tolist(), FOLDS, 1)
    boxes = [case.boxes / FRAME[0] for case in cases]
    coverage = np.stack([box_coverage(of_case, (1, 1), (32, 32)) for of_case in boxes])
    maps = floor_resamples.mean_maps(coverage, np.ones(len(cases), np.float32), fold)
    curves = floor_resamples.hits_of_maps(maps, fold, TruthBoxes.from_boxes([32 * of_case for of_case in boxes]))
    again = chosen_again(curves, index)[:RESAMPLES]
    left_out = np.zeros((3, PATIENTS))
    row, floor = (
        RowSamples(RUNS, np.full(3, one.mean()), left_out, resampled=as_jackknife(np.tile(one, (3, 1)))) for one in (again, scores["prior"])
    )
    gap = compared(row, floor)
    assert abs(gap.value) < 0.1
    assert gap.low < 0 < gap.high
