"""``locus.score`` on plain arrays gives the scores of a suite, requires all grids, and does not import torch."""

import subprocess
import sys

import numpy as np
import pytest

import locus
from locus.core.errors import BadValueError, NotAvailableError, UnknownNameError
from locus.scoring import protocols
from locus.scoring.protocols.base import Case

FRAME = (40, 60)
GRID = locus.Grid((64, 64), (16, 16), (7.5, 7.5))


@pytest.fixture(scope="module")
def arrays():
    """Return maps, truth and patients of 20 images and two findings."""
    rng = np.random.default_rng(0)
    pairs = [(f"{n}.png", finding) for n in range(20) for finding in ("Mass", "Nodule")]
    maps = {pair: rng.random((4, 4)) for pair in pairs}
    truth = {pair: np.array([[x, y, x + 20, y + 20]]) for pair in pairs[::3] for x, y in [rng.integers(0, 20, 2)]}
    return maps, truth, {f"{n}.png": str(n // 2) for n in range(20)}


@pytest.mark.oracle
@pytest.mark.parametrize("protocol", protocols.of_maps())
def test_arrays_have_the_scores_of_the_same_cases_in_a_suite(arrays, protocol):
    maps, truth, patients = arrays
    cases = [
        Case(image, patients[image], finding, values, GRID, FRAME, truth.get((image, finding), np.zeros((0, 4))),
             label=1.0 if (image, finding) in truth else np.nan)
        for (image, finding), values in maps.items()
    ]  # fmt: skip
    suite = protocols.get(protocol)().evaluate(cases, ("Mass", "Nodule"))
    plain = locus.score(maps, truth, frames=FRAME, grids=GRID, patients=patients, protocol=protocol)
    assert plain.scores == suite.scores
    assert str(plain.rows) == str(suite.rows)


@pytest.mark.byhand
def test_frames_grids_and_lists_may_differ_by_image():
    maps = {("a", "Mass"): [[0, 0], [0, 1]], ("b", "Mass"): [[0, 1], [0, 0]], ("c", "Mass"): None}
    truth = {("a", "Mass"): [[50, 50, 90, 90]], ("b", "Mass"): [[10, 0, 20, 10]], ("c", "Mass"): [[0, 0, 1, 1]]}
    frames, grids = {"a": (100, 100), "b": (20, 20), "c": (9, 9)}, {("a", "Mass"): "conventional", "b": "conventional", "c": "conventional"}
    result = locus.score(maps, truth, frames=frames, grids=grids, protocol="pointing")
    assert [row["pointing"] for row in result.rows] == [True, True, False]
    assert result.failed == []


def test_boxes_are_ranked_by_probabilities_and_negatives_count(arrays):
    maps, truth, _ = arrays
    negatives = [pair for pair in maps if pair not in truth]
    given = {"frames": FRAME, "grids": GRID, "negatives": negatives, "protocol": "froc"}
    with pytest.raises(NotAvailableError):
        locus.score(maps, truth, **given)
    result = locus.score(maps, truth, **given, probabilities=dict.fromkeys(maps, 0.5))
    assert next(one for one in result.scores if one.metric == "froc@iou.3").value is not None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"truth": {}}, BadValueError),
        ({"truth": {("b", "Mass"): [[0, 0, 9, 9]]}}, BadValueError),  # no map
        ({"truth": {("a", "Mass"): [[9, 9, 0, 0]]}}, BadValueError),
        ({"truth": {("a", "Mass"): [[9, 9, 0]]}}, BadValueError),
        ({"maps": {("a", "Mass"): np.zeros((1, 2, 2))}}, BadValueError),
        ({"maps": {"a": np.zeros((2, 2))}}, BadValueError),
        ({"truth": {("a", "Mass"): [[0, 10, 9, 12]]}}, BadValueError),  # outside the frame
        ({"maps": {("a", "Mass"): [["x", "y"]]}}, BadValueError),
        ({"maps": {("a", "Mass"): [[object()]]}}, BadValueError),
        ({"frames": {"b": (9, 9)}}, BadValueError),
        ({"frames": (20, 9), "maps": {("a", "Mass"): np.ones((9, 20))}}, BadValueError),  # sides are swapped
        ({"frames": (-9, 9)}, BadValueError),
        ({"frames": (9,)}, BadValueError),
        ({"grids": "aligned"}, BadValueError),
        ({"grids": {"b": GRID}}, BadValueError),
        ({"grids": GRID}, BadValueError),  # its input has 64 rows
        ({"patients": {}}, BadValueError),
        ({"patients": {"a": float("nan")}}, BadValueError),
        ({"patients": {"a": "001", "b": "1"}, "maps": {(i, "Mass"): [[0, 1]] for i in "ab"}}, BadValueError),
        ({"frames": ("9", "9")}, BadValueError),
        *[({"probabilities": {("a", "Mass"): value}}, BadValueError) for value in (float("nan"), 2, -1, "x", 1j)],
        ({"probabilities": {("z", "Mass"): 0.5}}, BadValueError),  # no map
        *[({"maps": {("a", "Mass"): np.zeros((2, 2), kind)}}, BadValueError) for kind in ("complex", "M8[D]", "U1", "O")],
        ({"maps": {("a", "Mass"): np.ma.masked_less(np.arange(4.0).reshape(2, 2), 2)}}, BadValueError),
        ({"truth": {("a", "Mass"): np.array([[0, 0, 9, 9]], "complex")}}, BadValueError),
        ({"maps": {("a", "mean"): [[0, 1]]}, "truth": {("a", "mean"): [[0, 0, 9, 9]]}}, BadValueError),
        ({"negatives": ["a"]}, BadValueError),  # it has a box
        ({"negatives": ["z"]}, BadValueError),
        ({"protocol": "loccus"}, UnknownNameError),
        ({"protocol": "wang", "maps": {("a", "Mass"): [[0, 1]], ("b", "Nodule"): [[0, 1]]}}, NotAvailableError),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused(change, error):
    given = {"maps": {("a", "Mass"): [[0, 1]]}, "truth": {("a", "Mass"): [[0, 0, 9, 9]]}, "frames": (9, 9), "grids": "conventional"}
    assert locus.score(**given, protocol="pointing").scores
    with pytest.raises(error):
        locus.score(**{**given, **change})


@pytest.mark.structure
def test_neither_locus_nor_scores_of_arrays_import_torch():
    code = """
import sys, locus
maps, truth = {("a", "Mass"): [[0, 1]]}, {("a", "Mass"): [[0, 0, 9, 9]]}
locus.score(maps, truth, frames=(9, 9), grids="conventional", protocol="pointing")
print("torch" in sys.modules, "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_negatives_of_any_collection_count_as_those_of_a_list(arrays):
    pandas = pytest.importorskip("pandas")
    maps, truth, patients = arrays
    negatives = sorted({image for image, _ in maps} - {image for image, _ in truth})
    fixed = {"frames": FRAME, "grids": GRID, "patients": patients, "protocol": "pxap"}
    scores = [locus.score(maps, truth, negatives=given, **fixed).scores for given in (negatives, pandas.Series(negatives), set(negatives))]
    assert scores[0] == scores[1] == scores[2]


def test_probabilities_that_are_no_dictionary_are_an_error(arrays):
    pandas = pytest.importorskip("pandas")
    maps, truth, _ = arrays
    with pytest.raises(BadValueError, match="probabilities is a Series"):
        locus.score(maps, truth, frames=FRAME, grids=GRID, probabilities=pandas.Series([0.5, 0.2]))


def test_names_of_images_are_no_spellings_of_a_patient():
    maps = {("x_1", "Mass"): [[0, 1]], ("x_01", "Mass"): [[1, 0]]}
    truth = {pair: [[50, 0, 100, 100]] for pair in maps}
    assert locus.score(maps, truth, frames=(100, 100), grids="conventional", protocol="pointing").scores[0].n == 2
