"""Thresholds are chosen on validation images; the highest wins among equals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from locus.benchmark.training.metrics import GAINS, Predictions, best_threshold, choose


def one(values, labels):
    return Predictions(("A",), torch.tensor(values)[:, None].double(), torch.tensor(labels)[:, None], [str(i) for i in range(len(values))])


@pytest.mark.byhand
def test_youden_takes_the_highest_of_equal_thresholds():
    (result,) = choose(one([9.0, 8.0, 7.0, 6.0, 5.0, 4.0], [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]))  # J: 1/3, 0, 1/3
    assert (result["logit"], result["threshold_source"], result["choice"], result["n"], result.get("reason")) == (
        9,
        "validation",
        "youden",
        6,
        None,
    )


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("values", "labels", "choice", "threshold"),
    [
        ([5, 4, 3, 2, 1, 0], [1.0, 0, 0, 1, 0, 0], "youden", 5),  # J: 1/2, 1/4, 0, 1/2: the highest of two
        ([5, 4, 3, 2, 1, 0], [1.0, 0, 0, 1, 0, 0], "f1", 5),  # F1: 2/3, 1/2, 2/5, 2/3
        ([2, 1, 0], [1.0, 1, 0], "youden", 1),  # a logit at the threshold is positive
        ([1, 2, 3], [1.0, 0, 0], "youden", 1),  # ranks backwards: J is 0 at 1, and below 0 elsewhere
    ],
)
def test_threshold_is_that_worked_by_hand(values, labels, choice, threshold):
    (result,) = choose(one(values, labels), choice)
    assert result["logit"] == threshold
    assert result["probability"] == pytest.approx(1 / (1 + np.exp(-threshold)))


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([1.0, 1.0], "2 of 2 validation images are positive"),
        ([0.0, float("nan")], "0 of 1 validation images are positive"),
        ([float("nan")] * 2, "no validation label is known"),
    ],
)
def test_threshold_requires_both_classes(labels, told):
    (result,) = choose(one([0.1, 0.2], labels))
    assert np.isnan(result["logit"])
    assert result["reason"] == f"{told}: no threshold can be chosen"


@pytest.mark.byhand
def test_fixed_threshold_ignores_the_data():
    (result,) = choose(one([0.1], [1.0]), "fixed")
    assert (result["logit"], result["probability"], result["threshold_source"], result["n"]) == (0, 0.5, "fixed", 0)


@pytest.mark.oracle
@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=30), st.sampled_from(sorted(GAINS)))
def test_threshold_equals_exhaustive_search(cases, choice):
    values, truth = (np.array(side) for side in zip(*cases, strict=True))
    if truth.all() or not truth.any():
        return
    gains = {}
    for level in np.unique(values):
        true, false = (values[truth] >= level).sum(), (values[~truth] >= level).sum()
        gains[level] = true / truth.sum() - false / (~truth).sum() if choice == "youden" else 2 * true / (true + false + truth.sum())
    top = max(gains.values())
    wanted = max(level for level, gain in gains.items() if gain > top - 1e-12)
    assert best_threshold(values.astype(float), truth, GAINS[choice]) == wanted
