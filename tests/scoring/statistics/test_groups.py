"""Groups of cases, and scores within a group."""

import numpy as np
import pytest

from locus.benchmark.maps.subgroups import youden_threshold
from locus.scoring.statistics import summary
from locus.scoring.statistics.resample import CaseIndex
from locus.scoring.statistics.summary import Column, estimate, scores

pytestmark = pytest.mark.byhand


def test_value_on_an_edge_belongs_to_the_upper_group():
    assert summary.size([0.0249, 0.025, 0.0799, 0.08]).tolist() == ["small", "medium", "medium", "large"]
    assert summary.age([17, 18, 40, 60, 120, 121]).tolist() == ["0-17", "18-39", "40-59", "60+", "60+", ""]
    assert summary.co_occurrence([1, 2, 3]).tolist() == ["single", "co-occurring", "co-occurring"]
    assert summary.prediction_correctness([0.4, 0.5], [0.5, 0.5]).tolist() == ["wrong", "right"]


def test_unknown_values_are_in_no_group():
    words = summary.metadata_groups([{"view": "AP"}, {"view": None}, {}, {"view": float("nan")}, {"view": "PA"}], "view")
    result = summary.masks(words)
    assert {word: mask.nonzero()[0].tolist() for word, mask in result.items()} == {"AP": [0], "PA": [4]}
    assert summary.size([np.nan]).tolist() == [""]


def test_group_is_scored_like_its_cases_alone():
    hits, patients = np.random.default_rng(0).random(60) < 0.5, [f"p{i // 2}" for i in range(60)]
    mask = np.arange(60) % 3 == 0
    column = Column("hit", "fixed", hits, np.ones(60))
    group = scores(estimate([summary.restrict(column, mask)], CaseIndex.of(["a"] * 60, patients), ("a",), 0), ("a",))[0]
    assert (group.n, group.value) == (20, round(hits[mask].mean(), 6))
    assert group.low < group.value < group.high


@pytest.mark.oracle
def test_cut_off_is_the_best_of_all_values():
    random = np.random.default_rng(0)
    for _ in range(50):
        said, truth = random.integers(0, 12, 60).astype(float), random.random(60) < 0.4
        gain = {level: (said[truth] >= level).mean() - (said[~truth] >= level).mean() for level in said}
        best = max(gain.values())
        largest = max(level for level, each in gain.items() if each > best - 1e-9)
        assert youden_threshold(said, truth) == largest or best < 1e-9


def test_cut_off_needs_five_known_positives_and_five_negatives():
    said, truth = np.arange(11.0), np.arange(11) > 5
    assert youden_threshold(said, truth) == 6
    assert np.isnan(youden_threshold(said, np.where(said == 10, np.nan, truth)))
    assert np.isnan(youden_threshold(said[2:], truth[2:]))
