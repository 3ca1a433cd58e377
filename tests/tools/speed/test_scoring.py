"""The speed benchmark of scoring."""

import numpy as np
import pytest

from locus.core.errors import LocusError
from tools.speed import scoring
from tools.speed.scoring import BOXES, KINDS, LARGE, SIDE, SMALL, Ratios, ScoringConfig
from tools.speed.timing import Time

TINY = ScoringConfig(positions=(7,), thresholds=(10,), sizes=(32,), levels=(10, 20), rounds=1)


def test_every_contender_is_timed():
    assert {name for name, _ in scoring.on_small_map(7, TINY)} == set(SMALL)
    found = list(scoring.on_large_maps(TINY))
    assert {(row.contender, row.which) for row in found} == {(name, which) for name in LARGE for which in ("largest", "all")}
    assert set(found[0].by_map) == set(KINDS)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
def test_the_original_algorithm_gives_identical_ious(kind):
    scoring.check_large(scoring.picture(kind, 40))


def test_contenders_that_differ_are_not_timed():
    with pytest.raises(LocusError, match="another"):
        scoring.check_large(scoring.picture("spots", 40), {"another": lambda values, step, which: np.zeros(10)})
    with pytest.raises(LocusError, match=r"another.* 0\.01"):
        scoring.check_small(scoring.smooth(7), {"another": lambda values, thresholds: np.ones(len(thresholds))})


@pytest.mark.byhand
def test_the_tables_compare_with_locus():
    ours, theirs = ("Locus, surface", 100), ("OpenCV, contours per threshold", 100)
    lines = scoring.small_table({7: {ours: Time(0.1, 0.1), theirs: Time(32, 31)}}).splitlines()
    assert lines[3] == "| OpenCV, contours per threshold | 100 | 32.0 (310×) |"
    row = Ratios("original evaluator", "all", 224, 1000, {"spots": 40, "pixel noise": 160})
    assert scoring.ratio_table([row]).splitlines()[2] == "| original evaluator | all | 224 | 1000 | 2 | 40.0× | 80.0× | 160× | 160× |"


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
    one = scoring.whole("surface, maxbox and pxap", 7, 1, (30, 10))
    assert (one.maps, one.methods) == (30 * len(BOXES), 1)
    assert one.seconds > 0
