"""The speed benchmark of scoring."""

import numpy as np
import pytest

from locus.core.errors import LocusError
from tools.speed import scoring
from tools.speed.scoring import BOXES, SIDE, SMALL, ScoringConfig
from tools.speed.timing import Time

TINY = ScoringConfig(positions=(7,), thresholds=(10,), rounds=1)


def test_every_contender_is_timed():
    assert {name for name, _ in scoring.on_small_map(7, TINY)} == set(SMALL)


def test_contenders_that_differ_are_not_timed():
    with pytest.raises(LocusError, match=r"another.* 0\.01"):
        scoring.check_small(scoring.smooth(7), {"another": lambda values, thresholds: np.ones(len(thresholds))})


@pytest.mark.byhand
def test_the_tables_compare_with_locus():
    ours, theirs = ("Locus, surface", 100), ("OpenCV, contours per threshold", 100)
    lines = scoring.small_table({7: {ours: Time(0.1, 0.1), theirs: Time(32, 31)}}).splitlines()
    assert lines[3] == "| OpenCV, contours per threshold | 100 | 32.0 (310×) |"


@pytest.mark.planted
def test_the_truth_has_the_published_numbers_of_boxes():
    drawn = scoring.boxes()
    assert {finding: sum(finding in by_finding for by_finding in drawn) for finding in BOXES} == BOXES
    assert len(drawn) == 880
    assert all(drawn)
    inside = np.concatenate([box for by_finding in drawn for box in by_finding.values()])
    assert inside.min() >= 0
    assert inside.max() <= SIDE


def test_a_data_set_is_scored_by_all_protocols():
    one = scoring.whole("surface", 7, 1, (30, 10))
    assert (one.maps, one.methods) == (30 * len(BOXES), 1)
    assert one.seconds > 0
