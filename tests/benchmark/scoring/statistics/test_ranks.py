"""Being first: counted over resamples, shared among equals."""

import numpy as np
import pytest

from benchmark.scoring.statistics.bootstrap import bootstrap_draws, over_findings
from benchmark.scoring.statistics.patients import by_patient
from benchmark.scoring.statistics.ranks import probability_of_first


@pytest.mark.byhand
def test_being_first_is_counted_over_resamples_and_shared_among_equals():
    samples = np.array([[0.5, 0.4, np.nan], [0.5, 0.5, 0.1], [0.1, 0.4, 0.2], [np.nan] * 3])
    assert probability_of_first(samples) == pytest.approx([0.5, 0.5, 0])
    assert probability_of_first(np.array([[[1, 0], [0, 1]]])).tolist() == [[1, 0], [0, 1]]  # per finding


@pytest.mark.planted
def test_the_better_method_is_first_in_most_resamples_and_a_copy_shares_the_place():
    rng = np.random.default_rng(0)
    hits = rng.random((120, 2)) < (0.6, 0.3)
    part = np.concatenate([hits, hits[:, :1]], 1)
    sums = by_patient(part, np.ones_like(part), ["a", "b"] * 60, np.arange(120) // 2, ["a", "b"])
    chance = probability_of_first(over_findings(bootstrap_draws(sums)).samples)
    assert chance == pytest.approx([0.5, 0, 0.5], abs=0.01)
    assert chance.sum() == pytest.approx(1)
