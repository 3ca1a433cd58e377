"""PxAP, against the original evaluator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from locus.core.errors import BadValueError
from locus.scoring import protocols
from locus.scoring.pixels import interior, score_thresholds
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.pxap import LAST_BIN_EDGES, histogram, pxap


@pytest.mark.oracle
@pytest.mark.parametrize("step", [0.01, 0.001])
def test_pxap_of_forty_maps_equals_the_original_evaluator_bit_for_bit(wsol, step):
    maps = [wsol[f"{name}/map"] for name in wsol["ids"]]
    masks = [interior(wsol[f"{name}/gt"] + [0, 0, 1, 1], wsol[f"{name}/map"].shape) for name in wsol["ids"]]
    assert pxap(maps, masks, step) == wsol[f"PxAP_step{step}"]


@pytest.mark.oracle
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]), st.sampled_from([0.01, 0.03, 0.001]))
def test_bins_equal_numpy_histogram(seed, kind, step):
    rng, edges = np.random.default_rng(seed), np.append(score_thresholds(step), LAST_BIN_EDGES)
    values = np.concatenate([rng.random(50), rng.choice(edges[edges <= 1], 50), [0, 1]]).astype(kind).clip(0, 1).reshape(-1, 6)
    mask = rng.random(values.shape) < 0.5
    assert np.array_equal(histogram(values, mask, step), [np.histogram(values[m], bins=edges)[0] for m in (~mask, mask)])


@pytest.mark.oracle
def test_scores_on_bin_edges_give_the_usual_average_precision():
    rng = np.random.default_rng(3)
    values = rng.choice(score_thresholds(0.01), (4, 30, 20))
    masks = rng.random(values.shape) < values
    assert pxap(values, masks) == pytest.approx(100 * average_precision_score(masks.ravel(), values.ravel()), rel=1e-12)


@pytest.mark.byhand
def test_scores_below_one_share_a_bin_and_one_has_its_own():
    assert pxap([[[1, 0.995]]], [[[True, False]]]) == 100
    assert pxap([[[0.999, 0.991]]], [[[True, False]]]) == 50


@pytest.mark.byhand
def test_pixels_of_all_maps_are_pooled():
    maps, masks = [[[1, 0.5]], [[0.75, 0.25]]], [[[True, False]], [[False, True]]]
    assert pxap(maps, masks) == pytest.approx(100 * (1 + 2 / 4) / 2)


def test_pxap_without_truth_pixels_is_undefined():
    assert np.isnan(pxap([[[0, 1]]], [[[False, False]]]))
    assert np.isnan(pxap([], []))


@pytest.mark.parametrize(
    ("values", "mask", "facts"),
    [
        ([[0, 2]], [[True, False]], r"\b0\b.*\b2\b.*\[0, 1\]"),
        ([[0, 1]], [[True]], r"map.*\(1, 2\).*mask.*\(1, 1\)"),
        ([[0, np.nan]], [[True, False]], r"NaN.*\(0, 1\)"),
    ],
)
def test_invalid_maps_and_masks_are_refused(values, mask, facts):
    with pytest.raises(BadValueError, match=facts):
        pxap([values], [mask])


@pytest.mark.byhand
def test_flat_or_failed_map_counts_as_0_everywhere():
    truth = np.array([[0.0, 0, 224, 112]])
    good = np.repeat([1.0, 0.0], 112)[:, None] * np.ones(224)
    maps = enumerate([good, None, good * 0])
    cases = [Case(f"i{n}", f"i{n}", "mass", values, "conventional", (224, 224), truth) for n, values in maps]
    found = [protocols.get("pxap")().evaluate(cases[:n], ("mass",)).scores[0].value for n in (1, 2, 3)]
    assert found == pytest.approx([1, (1 + 2 / 4) / 2, (1 + 2 * 3 / 6) / 3])


@pytest.mark.byhand
def test_mask_is_the_truth_if_there_is_one():
    values = np.repeat([1.0, 0.0], [100, 348])[:, None] * np.ones(448)
    truth = np.array([[0.0, 0, 448, 300]])
    case = Case("a", "a", "mass", values, "conventional", (448, 448), truth, read_mask=lambda: values > 0)
    assert protocols.get("pxap")().evaluate([case], ("mass",)).scores[0].value == 1
