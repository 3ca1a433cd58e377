"""Strata: which group a case is in, and scores within one."""

import numpy as np
import pytest

from benchmark.statistics import strata
from benchmark.statistics.summary import Column, estimate, scores

pytestmark = pytest.mark.byhand


def test_edges_belong_to_the_group_above():
    assert strata.size([0.0249, 0.025, 0.0799, 0.08]).tolist() == ["small", "medium", "medium", "large"]
    assert strata.age([17, 18, 40, 60, 120, 121]).tolist() == ["0-17", "18-39", "40-59", "60+", "60+", ""]
    assert strata.company([1, 2, 3]).tolist() == ["single", "co-occurring", "co-occurring"]
    assert strata.answer([0.4, 0.5], [0.5, 0.5]).tolist() == ["wrong", "right"]


def test_what_is_unknown_is_in_no_group():
    words = strata.field([{"view": "AP"}, {"view": None}, {}, {"view": float("nan")}, {"view": "PA"}], "view")
    groups = strata.masks(words)
    assert {word: mask.nonzero()[0].tolist() for word, mask in groups.items()} == {"AP": [0], "PA": [4]}
    assert strata.size([np.nan]).tolist() == [""]


def test_groups_part_the_known_cases():
    groups = strata.masks(strata.size(np.random.default_rng(0).random(50) / 8))
    assert (np.sum(list(groups.values()), axis=0) == 1).all()


def test_a_group_is_scored_as_its_cases_alone():
    hits, patients = np.random.default_rng(0).random(60) < 0.5, [f"p{i // 2}" for i in range(60)]
    mask = np.arange(60) % 3 == 0
    column = Column("hit", "fixed", hits, np.ones(60))
    group = scores(estimate([strata.within(column, mask)], ["a"] * 60, patients, ("a",), 0), ("a",))[0]
    assert (group.n, group.value) == (20, round(hits[mask].mean(), 6))
    assert group.low < group.value < group.high


def test_a_group_of_few_patients_has_no_interval():
    column = strata.within(Column("hit", "fixed", np.ones(60), np.ones(60)), np.arange(60) < 18)
    few = scores(estimate([column], ["a"] * 60, [f"p{i // 2}" for i in range(60)], ("a",), 0), ("a",))[0]
    assert (few.n, few.value, few.low) == (18, 1, None)
