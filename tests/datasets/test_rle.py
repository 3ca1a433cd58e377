"""Run-length masks: COCO's encoding by hand, masks and connected parts compared with OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locus.core.errors import DataError
from locus.datasets.io import rle
from tests.datasets.trees import packed

masks = st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0, 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < drawn[3]
)


@pytest.mark.byhand
@pytest.mark.parametrize(("size", "text"), [((2320, 2828), "PVWX6"), ((2022, 2021), "nefl3")])
def test_an_empty_mask_of_chexlocalize_has_no_box(size, text):
    runs = rle.decode({"size": list(size), "counts": text}, "a mask")
    assert (runs.size, runs.boxes().shape) == (size, (0, 4))
    assert not runs.mask().any()


@pytest.mark.byhand
def test_runs_are_decoded_as_differences():
    """Runs 2, 3, 4, 2, 1 are encoded as 2, 3, 4, 2-3, 1-4."""
    text = "".join(chr(48 + value) for value in (2, 3, 4, 31, 29))
    assert np.flatnonzero(rle.decode({"size": [12, 1], "counts": text}, "a mask").mask()).tolist() == [2, 3, 4, 9, 10]


@settings(max_examples=50, deadline=None)
@given(masks)
def test_an_encoded_mask_is_decoded_unchanged(mask):
    assert (rle.decode({"size": list(mask.shape), "counts": packed(mask)}, "a mask").mask() == mask).all()


@pytest.mark.oracle
@settings(max_examples=50, deadline=None)
@given(masks)
def test_boxes_equal_those_of_opencvs_connected_components(mask):
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    theirs = sorted([x, y, x + width, y + height] for x, y, width, height, _ in stats[1:].tolist())
    assert sorted(rle.decode({"size": list(mask.shape), "counts": packed(mask)}, "a mask").boxes().tolist()) == theirs


@settings(max_examples=20, deadline=None)
@given(masks)
def test_a_union_covers_what_either_covers(mask):
    parts = [rle.decode({"size": list(mask.shape), "counts": packed(one)}, "a mask") for one in (mask, mask[::-1])]
    assert (rle.union(parts).mask() == (mask | mask[::-1])).all()


@pytest.mark.parametrize(
    "broken",
    [
        *({"size": [4, 4], "counts": runs} for runs in ("4", "", "é", f"{'P' * 20}0", "P", [20, -4], [1e99])),
        {"size": [4], "counts": [16]},
        {"size": [0, 4], "counts": []},
        {"size": [10**9, 10**9], "counts": [1, 10**18 - 1]},
        {"size": [-4, -4], "counts": [16]},
        {"counts": [16]},
        [4, 4],
        None,
    ],
    ids=str,
)
def test_an_invalid_mask_raises_a_clear_error(broken):
    with pytest.raises(DataError, match=r"^(the run lengths of )?Edema"):
        rle.decode(broken, "Edema")
