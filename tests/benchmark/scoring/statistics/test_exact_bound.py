"""Shares of exactly 0 or 1 have the binomial bound."""

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmark.scoring.statistics.intervals import exact
from benchmark.scoring.statistics.patients import CaseIndex
from benchmark.scoring.statistics.summary import Column, estimate, scores


@pytest.mark.oracle
@pytest.mark.parametrize("patients", [10, 11, 60, 501])
def test_bound_equals_clopper_and_pearson(patients):
    for hits in (0, patients):
        known = binomtest(hits, patients).proportion_ci(method="exact")
        assert exact(np.array([hits / patients]), np.array([patients]))[0] == pytest.approx([known.low, known.high], abs=1e-9)


def of(hits, metric="hit@iou.3", patients=11):
    who = CaseIndex.of(["mass"] * len(hits), [f"p{n % patients}" for n in range(len(hits))])
    column = Column(metric, "fixed", np.array(hits, float), np.ones(len(hits)))
    return scores(estimate([column], who, ["mass"], 0), ["mass"])


def test_bound_of_0_hits_is_above_0_and_counts_patients_not_cases():
    for score in of([0] * 22):
        assert (score.low, score.high) == (0.0, 0.284914)


def test_metric_that_is_not_a_share_has_no_interval_if_nothing_varies():
    assert {(s.value, s.low, s.high) for s in of([1] * 11, "boxes_per_case")} == {(1.0, None, None)}


def test_fewer_than_ten_patients_have_no_interval():
    assert {s.high for s in of([0] * 9, patients=9)} == {None}
