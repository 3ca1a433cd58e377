"""Cases with maps in files: all protocols give the scores of arrays, and a map that cases share is read once."""

import numpy as np
import pytest

from locus.scoring import protocols
from locus.scoring.large_maps import LazyMap
from locus.scoring.protocols.base import Case

FRAME = (40, 40)
TRUTH = {"a": [3, 3, 12, 12], "b": [20, 8, 35, 30], "c": [1, 25, 9, 39]}


def cases(maps):
    return [
        Case(image, image, "mass", values, "conventional", FRAME, np.array([TRUTH[image]], dtype=float)) for image, values in maps.items()
    ]


@pytest.mark.parametrize("name", protocols.judging("maps", "masks"))
def test_maps_in_files_have_the_scores_of_arrays(name):
    random = np.random.default_rng(0)
    own = {image: random.random(FRAME) for image in TRUTH}
    for maps in (own, dict.fromkeys(TRUTH, own["a"])):
        lazy = {id(values): LazyMap(FRAME, lambda values=values: values) for values in maps.values()}
        in_files = {image: lazy[id(values)] for image, values in maps.items()}
        expected = protocols.get(name)().evaluate(cases(maps), ["mass"])
        found = protocols.get(name)().evaluate(cases(in_files), ["mass"])
        assert repr(found.rows) == repr(expected.rows)
        assert found.scores == expected.scores


@pytest.mark.parametrize("name", ["chexlocalize", "energy", "maxbox", "pointing", "pxap"])
def test_a_map_that_cases_share_is_read_once(name):
    reads = []

    def read():
        reads.append(name)
        return np.arange(1600.0).reshape(FRAME)

    shared = LazyMap(FRAME, read)
    protocols.get(name)().evaluate(cases(dict.fromkeys(TRUTH, shared)), ["mass"])
    assert len(reads) == 1
