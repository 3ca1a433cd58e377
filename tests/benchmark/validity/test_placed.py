"""The check ``alignment``: placements and pictures of the same maps."""

import numpy as np
import pytest

from locus.benchmark.scoring.protocols.base import Case
from locus.benchmark.scoring.protocols.locus import Locus
from locus.benchmark.validity import alignment
from locus.benchmark.validity.alignment import CONVENTIONS, Alignment, ours, painted
from locus.config import EngineFlags
from locus.core.errors import BadValueError
from locus.core.frames import Grid


@pytest.fixture(scope="module")
def placed(trained, tmp_path_factory):
    return Alignment(trained, ["cam", "center"], tmp_path_factory.mktemp("maps"), EngineFlags(), None)


def known(result):
    return {(s.metric, s.threshold_origin): s for s in result.scores if s.finding == "mean"}


@pytest.mark.planted
def test_gain_of_a_centred_grid_is_0(placed):
    found = known(placed.evaluate("cam", 0))
    zero = (("shift", "none"), ("change@hit@iou.3@aligned", "cross-fitted"), ("change@pointing@aligned", "none"))
    assert [found[key].value for key in zero] == [0, 0, 0]


def test_aligned_score_equals_that_of_locus(placed):
    cases = placed.cases("cam")
    direct = {(s.metric, s.threshold_origin): s for s in Locus().evaluate(cases, placed.findings, 0).scores if s.finding == "mean"}
    found = known(placed.evaluate("cam", 0))
    for origin in ("cross-fitted", "fixed"):
        assert found["hit@iou.3@aligned", origin].value == direct["hit@iou.3", origin].value


def test_change_is_the_difference_of_both_placements(trained, tmp_path):
    check = Alignment(trained, ["cam"], tmp_path, EngineFlags(), 12)
    found = known(check.evaluate("cam", 0))
    for name in list(CONVENTIONS)[1:]:
        value, change = (found[f"{word}hit@iou.3@{name}", "cross-fitted"].value for word in ("", "change@"))
        assert change == pytest.approx(value - found["hit@iou.3@ours", "cross-fitted"].value, abs=2e-6)


def test_pictures_are_scored_on_a_part_of_the_images(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(alignment, "IMAGES", 6)
    whole, part = (known(Alignment(trained, ["cam"], tmp_path / str(n), EngineFlags(), n).evaluate("cam", 0)) for n in (None, 6))
    pictures = {key for key in whole if key[0].split("@")[-1] in CONVENTIONS}
    assert len(pictures) == 3 * (2 * len(CONVENTIONS) - 1)
    assert {key: whole[key] for key in pictures} == {key: part[key] for key in pictures}
    assert whole["hit@iou.3@ours", "fixed"].n < whole["hit@iou.3@aligned", "fixed"].n


def test_bars_count_conventions_and_variants(trained, tmp_path, terminal):
    Alignment(trained, ["cam"], tmp_path, EngineFlags(), 2).evaluate("cam", 0)
    shown = terminal()
    assert "paint:   0%" in shown
    assert "score variants:   0%" in shown


GRID = Grid((64, 64), (32, 32), (0, 0))


def case(values, grid):
    return Case("i", "p", "Mass", values, grid, (64, 64), np.array([[0.0, 0, 32, 32]]))


def test_picture_has_the_pixels_of_the_input():
    one = painted(case(np.eye(2, dtype=np.float32), GRID), ours)
    assert one.grid == Grid((64, 64), (1, 1), (0, 0))
    assert one.map.shape == (64, 64)
    assert one.load_surface[0].peak == (0.5, 0.5)


def test_failed_case_is_unchanged_and_a_case_without_grid_is_refused():
    assert painted(case(None, GRID), ours).map is None
    with pytest.raises(BadValueError, match=r"picture.*grid.*aligned"):
        painted(case(np.eye(2), "conventional"), ours)
