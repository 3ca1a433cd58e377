"""The stored resamples of baselines are what the truth gives today."""

import numpy as np
import pytest

from locus.benchmark import records
from locus.benchmark.baselines.floor_resamples import resampled_scores
from locus.benchmark.records import floors
from tools import floor_resamples

SUITES = [folder.name for folder in records.suites(records.published()) if floors.path(folder).is_file()]
RECOMPUTED = 3
"""Number of resamples that are made again; all would take minutes."""
pytestmark = [pytest.mark.freshness, pytest.mark.slow]


@pytest.mark.parametrize("suite", SUITES)
def test_first_resamples_are_as_stored(suite):
    cases = floor_resamples.scored_cases(suite)
    stored = floors.read(records.published() / suite, floor_resamples.hash_of(cases))
    for name, scores in resampled_scores(cases, RECOMPUTED).items():
        np.testing.assert_allclose(scores, stored[name][:RECOMPUTED], atol=1e-6)
