"""``prior`` and ``fixed_box`` over draws of the patient folds."""

import numpy as np
import pytest

from locus.benchmark.baselines.fixed_box import FixedBox
from locus.benchmark.baselines.fold_draws import FOLD_DRAWS, over_fold_draws
from locus.benchmark.baselines.prior import Prior
from locus.core.names import DRAW_ERROR, MAIN
from locus.core.types import Sample
from locus.scoring.protocols.base import make_case
from locus.scoring.protocols.single_box import SingleBox

FRAME = (64, 64)
FINDINGS = ("Mass",)


@pytest.fixture(scope="module")
def samples():
    """Thirty patients with a box of random place and size."""
    random = np.random.default_rng(0)
    made = []
    for number in range(30):
        corner, size = random.integers(0, 30, 2), random.integers(10, 30, 2)
        boxes = {"Mass": np.array([[*corner, *(corner + size)]], dtype=np.float64)}
        name, image = f"{number}.png", lambda: np.zeros(FRAME)
        made.append(Sample(image_id=name, patient_id=str(number), labels=np.ones(1), frame=FRAME, boxes=boxes, read=image))
    return made


def cases_of(samples):
    return [make_case(sample, "Mass", 1.0, np.zeros((32, 32)), "conventional") for sample in samples]


def test_first_draw_has_the_boxes_and_maps_of_one_draw(samples):
    boxes = over_fold_draws("fixed_box", cases_of(samples))[0]
    for case, expected in zip(boxes, FixedBox().boxes(samples, FINDINGS), strict=True):
        np.testing.assert_allclose(case.submitted_boxes[0, :4], expected["Mass"])
    fold, means = Prior().by_fold(samples, FINDINGS)
    maps = over_fold_draws("prior", cases_of(samples))[0]
    np.testing.assert_allclose([case.map for case in maps], means[fold, 0], atol=1e-6)


def test_score_is_the_mean_over_draws_and_its_error_their_standard_error(samples):
    draws = over_fold_draws("prior", cases_of(samples))
    assert len(draws) == FOLD_DRAWS
    singly = [_main(SingleBox().evaluate(draw, FINDINGS)) for draw in draws]
    together = SingleBox().evaluate_draws(draws, FINDINGS)
    assert _main(together) == pytest.approx(np.mean(singly), abs=1e-6)
    (error,) = [score.value for score in together.scores if (score.metric, score.finding) == (DRAW_ERROR, "mean")]
    assert error == pytest.approx(np.std(singly, ddof=1) / np.sqrt(FOLD_DRAWS), abs=1e-6)
    assert np.mean([row[f"mean_{MAIN}"] for row in together.rows]) == pytest.approx(np.mean(singly), abs=1e-6)


def _main(result):
    (value,) = [s.value for s in result.scores if (s.metric, s.finding, s.threshold_source) == (MAIN, "mean", "cross-fitted")]
    return value
