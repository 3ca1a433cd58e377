"""The check ``randomised``: planted maps, and a briefly trained network."""

import functools

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from locus import backbones
from locus.benchmark.maps.runs import untrained
from locus.benchmark.validity.checks import Randomised, part_names, parts, reinitialise, spearman, subset_runs
from locus.config import EngineFlags

IMAGES = 8


@pytest.mark.oracle
def test_correlation_equals_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 64).astype(float), rng.integers(0, 9, 64).astype(float)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_flat_missing_and_differently_shaped_maps_have_no_correlation():
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
    result = {s.metric: s for s in result_of(check, word).scores if s.finding == "mean"}
    return [result[f"{metric}@{part}"].value for part in part_names(check.runs[0])]


@pytest.mark.planted
@pytest.mark.parametrize("word", ["prior", *(pytest.param(word, marks=pytest.mark.slow) for word in ("center", "noise"))])
def test_map_that_ignores_the_weights_never_changes(check, word):
    assert values(check, word, "rho") == pytest.approx([1] * 5)
    assert values(check, word, "change@hit@iou.3") == [0] * 5


@pytest.mark.planted
def test_map_of_the_features_alone_does_not_change_with_the_head(check):
    rho = values(check, "eigencam", "rho")
    assert rho[0] == pytest.approx(1)
    assert max(rho[1:]) < 0.9


@pytest.mark.planted
def test_class_map_changes_with_the_head(check):
    assert abs(values(check, "cam", "rho")[0]) < 0.5


def test_all_steps_have_the_same_cases_of_the_requested_images(check):
    rows, steps = result_of(check, "cam").rows, ("trained", *part_names(check.runs[0]))
    each = [tuple((row["image"], row["finding"]) for row in rows if row["variant"] == step) for step in steps]
    assert len({*each}) == 1
    assert len({image for image, _ in each[0]}) == IMAGES


NAMES = {
    "custom": ["head", "last stage", "features.2", "features.1", "features.0"],
    "resnet18": ["head", "last stage", "layer3", "layer2", "layer1", "act1"],
}


@pytest.mark.parametrize(
    ("backbone", "attention"),
    [("custom", None), ("resnet18", None), ("custom", "SAM"), pytest.param("densenet121", None, marks=pytest.mark.slow)],
)
def test_every_weight_belongs_to_one_part(backbone, attention):
    model = backbones.build(backbone, 8, attention_map=attention)
    keys = [key for _, own in parts(model) for key in own]
    assert sorted(keys) == sorted(model.state_dict())


@pytest.mark.parametrize("backbone", NAMES)
def test_parts_go_from_the_head_to_the_image(backbone):
    assert [name for name, _ in parts(backbones.build(backbone, 8))] == NAMES[backbone]


def test_stem_is_cut_where_the_first_level_ends():
    result = dict(parts(backbones.build("resnet18", 8)))
    for part, layers in (("act1", {"conv1", "bn1"}), ("last stage", {"layer4"})):
        assert {key.removeprefix("extractor.net.").split(".")[0] for key in result[part]} == layers


def test_attention_is_a_separate_part():
    assert [name for name, _ in parts(backbones.build("custom", 8, attention_map="SAM"))][:3] == ["head", "attention", "features.3"]


def drawn(run, depth):
    return reinitialise(subset_runs([run], run.scorable_images)[0], depth).model("cpu").state_dict()


def changed(first, second):
    return {key for key in first if not torch.equal(first[key], second[key])}


def test_each_step_randomises_one_more_part(trained):
    (run,) = trained
    model = run.model("cpu")
    states = [drawn(run, depth) for depth in range(len(part_names(run)) + 1)]
    for depth, (name, keys) in enumerate(parts(model), start=1):
        assert changed(states[depth - 1], states[depth]) <= {*keys}, name
        assert any(key.endswith("weight") for key in changed(states[depth - 1], states[depth]))
    assert not changed(states[0], model.state_dict())


def test_last_step_has_no_trained_or_initial_weights(trained):
    (run,) = trained
    last = drawn(run, len(part_names(run)))
    torch.manual_seed(run.config.seed)
    began = backbones.build(run.config.backbone, len(run.data.findings), run.config.global_pool, run.config.attention_map).state_dict()
    assert not changed(untrained(subset_runs([run], run.scorable_images)[0]).model("cpu").state_dict(), last)
    assert not any(last[key].any() for key in last if key.endswith("running_mean"))
    kernels = [key for key in last if last[key].ndim == 4]
    assert not [key for key in kernels if torch.corrcoef(torch.stack([last[key].ravel(), began[key].ravel()]))[0, 1] > 0.1]


def test_each_step_has_a_different_digest(trained):
    kept = subset_runs(trained, trained[0].scorable_images)[0]
    assert len({reinitialise(kept, depth).digest for depth in range(4)} | {trained[0].digest}) == 5
