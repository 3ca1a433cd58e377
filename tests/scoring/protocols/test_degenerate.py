"""Degenerate cases under every protocol."""

import numpy as np
import pytest

from locus.scoring import protocols
from locus.scoring.protocols.base import Case

SIDE = 224
SPOT = np.zeros((7, 7), dtype=np.float32)
SPOT[3, 3] = 1  # at (112, 112); {> t} is the square 112 ± 32·(1 - t)
BOX = (94, 94, 130, 130)
"""Box of the spot at .4375, with IoU > .3 with its boxes at all thresholds in this file."""
every = pytest.mark.parametrize("name", protocols.of_maps())
pytestmark = pytest.mark.byhand


def case(values, *truth, image="a"):
    return Case(image, image, "mass", values, "conventional", (SIDE, SIDE), np.array(truth or [BOX], dtype=np.float64).reshape(-1, 4))


def result(name, *cases):
    return protocols.get(name)().evaluate(cases, ("mass",), 0)


def main(name, *cases, metric=None):
    """Return (value, n) of a metric, or of the main metric."""
    word = protocols.get(name).main
    asked = [metric] if metric else [(word + suffix, threshold_source) for suffix in ("", "@box") for threshold_source in ("none", "fixed")]
    found = next(s for s in result(name, *cases).scores if (s.metric, s.threshold_source) in asked and s.finding == "mass")
    return found.value, found.n


@every
def test_best_of_several_truth_boxes_counts_and_acc_counts_each(name):
    value, n = main(name, case(SPOT, BOX, (0, 0, 16, 16)))
    alone, _ = main(name, case(SPOT))
    if name == "wang":
        assert (value, n) == (alone / 2, 2)
    elif name in ("pxap", "chexlocalize"):  # their truth is all its pixels
        assert 0 < value < alone
    else:
        assert (value, n) == (pytest.approx(alone), 1)


TWICE = np.zeros((7, 7), dtype=np.float32)
TWICE[1, 5] = TWICE[5, 1] = 1
FIRST, LAST = (158, 30, 194, 66), (30, 158, 66, 194)


@pytest.mark.parametrize(
    ("name", "metric", "first", "last"),
    [
        ("pointing", None, 1, 0),
        ("single_box", None, 1, 0),
        ("chexlocalize", ("hit_rate@box", "none"), 1, 0),
        ("wang", None, 1, 1),  # any box
        ("adaptive_threshold", None, 1, 1),
    ],
)
def test_of_equal_maxima_the_first_in_row_major_order_is_the_peak(name, metric, first, last):
    assert [main(name, case(TWICE, truth), metric=metric)[0] for truth in (FIRST, LAST)] == [first, last]


@pytest.mark.parametrize(("name", "parted", "joined"), [("single_box", 2, 1), ("wang", 3, 2)])
def test_on_the_surface_a_saddle_joins_two_diagonal_neighbours(name, parted, joined):
    values = np.zeros((7, 7), dtype=np.float32)
    values[2, 2] = values[3, 3] = 1  # saddle .5: not above .5, above 60/255, below 180/255
    assert result(name, case(values)).rows[0]["boxes"] == parted
    values[2, 3] = values[3, 2] = 0.5  # saddle (1 - .25) / (2 - 1) = .75, above all of them
    assert result(name, case(values)).rows[0]["boxes"] == joined


def test_on_pixels_diagonal_neighbours_are_connected():
    values = np.zeros((SIDE, SIDE), dtype=np.float32)
    values[50:80, 50:80] = values[80:110, 80:110] = 1
    assert main("maxbox", case(values, (50, 50, 111, 111)))[0] == 1
