"""Whether maps follow the weights: planted answers, and a network of a moment's training."""

import functools

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmark.validity.randomised import Randomised, spearman
from benchmark.validity.reinitialised import part_names
from config import EngineFlags

IMAGES = 8


@pytest.mark.oracle
def test_the_correlation_is_scipys():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 64).astype(float), rng.integers(0, 9, 64).astype(float)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_independent_maps_have_no_correlation_on_average():
    rng = np.random.default_rng(0)
    rho = [spearman(rng.random(64), rng.random(64)) for _ in range(2000)]
    assert np.mean(rho) == pytest.approx(0, abs=0.01)


def test_a_flat_map_a_missing_one_and_one_of_another_shape_have_no_correlation():
    ramp = np.arange(4.0)
    for other in (np.ones(4), np.full(1, np.nan), np.arange(9.0)):
        assert np.isnan(spearman(ramp, other))


@pytest.fixture(scope="module")
def check(trained, tmp_path_factory):
    words = ["cam", "eigencam", "center", "noise", "prior"]
    return Randomised(trained, words, tmp_path_factory.mktemp("maps"), EngineFlags(), IMAGES)


@functools.cache
def result_of(check, word):
    return check.evaluate(word, 0)


def values(check, word, metric):
    found = {s.metric: s for s in result_of(check, word).scores if s.finding == "mean"}
    return [found[f"{metric}@{part}"].value for part in part_names(check.runs[0])]


@pytest.mark.planted
@pytest.mark.parametrize("word", ["prior", *(pytest.param(word, marks=pytest.mark.slow) for word in ("center", "noise"))])
def test_a_map_that_ignores_the_weights_never_changes(check, word):
    assert values(check, word, "rho") == pytest.approx([1] * 5)
    assert values(check, word, "change@hit@iou.3") == [0] * 5


@pytest.mark.planted
def test_a_map_of_the_features_alone_does_not_change_with_the_head(check):
    rho = values(check, "eigencam", "rho")
    assert rho[0] == pytest.approx(1)
    assert max(rho[1:]) < 0.9


@pytest.mark.planted
def test_a_class_map_changes_with_the_head(check):
    assert abs(values(check, "cam", "rho")[0]) < 0.5


def test_all_steps_are_of_the_same_cases_of_as_many_images_as_were_asked_for(check):
    rows = result_of(check, "cam").rows
    each = {
        variant: [(row["image"], row["finding"]) for row in rows if row["variant"] == variant]
        for variant in ("trained", *part_names(check.runs[0]))
    }
    assert len({tuple(cases) for cases in each.values()}) == 1
    assert len({image for image, _ in each["trained"]}) == IMAGES
