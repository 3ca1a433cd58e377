"""On random maps, thresholds chosen on the scored truth overstate scores, and cross-fitted ones do not."""

import numpy as np
import pytest

from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Case
from locus.core.types import generator

WORLDS, PATIENTS = 24, 10
ASKED = {
    "locus": ("hit@iou.3", 0.03),
    "seed": ("hit@iou.3", 0.03),
    "maxbox": ("maxboxaccv2", 0.02),
    "chexlocalize": ("mask_iou@box", 0.0),  # a mean of few thresholds' mean IoUs: little to choose from
}
"""Metric, and minimum of its optimism."""
pytestmark = pytest.mark.planted


def noise(seed: int) -> list[Case]:
    """Two equal images per patient (folds dealt by image would give it away): a 4×4 map of noise, a truth box that it knows nothing of."""
    random = generator(seed, "honesty")
    out = []
    for n in range(PATIENTS):
        centre, half = random.uniform(8, 22, 2), random.uniform(3, 8, 2)
        truth = np.array([[*(centre - half), *(centre + half)]])
        known = ("mass", random.random((4, 4)), "conventional", (30, 30), truth)
        out += [Case(f"{seed} i{n} {image}", f"{seed} p{n}", *known) for image in "ab"]
    return out


@pytest.fixture(scope="module")
def worlds() -> list[list[Case]]:
    return [noise(seed) for seed in range(WORLDS)]


def test_all_protocols_with_thresholds_are_tested_here():
    assert set(ASKED) == {name for name in protocols.names() if protocols.get(name).chooses_thresholds}


@pytest.mark.parametrize("name", ASKED)
def test_oracle_is_optimistic_and_cross_fitted_is_not_better_than_a_fixed_threshold(name, worlds):
    """Pitfall: cut-offs and thresholds tuned on test."""
    metric, gain = ASKED[name]
    some = worlds[: WORLDS // 3] if protocols.get(name).geometry == "pixels" else worlds  # a map on pixels takes longer
    results = [told(name, cases) for cases in some]
    crossed, oracle = (np.mean([result[metric, origin] for result in results]) for origin in ("cross-fitted", "oracle"))
    expected = told(name, [case for cases in some for case in cases])[metric, "oracle"]  # the best that no 20 cases could choose
    assert crossed <= expected
    assert oracle > expected + gain
    assert oracle > crossed + gain


def told(name: str, cases: list[Case]) -> dict[tuple[str, str], float]:
    return {(s.metric, s.threshold_origin): s.value for s in protocols.get(name)().evaluate(cases, ("mass",)).scores}
