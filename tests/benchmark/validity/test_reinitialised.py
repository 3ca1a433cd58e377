"""Networks whose weights are drawn anew from the head down."""

import pytest
import torch

import backbones
from benchmark.maps import untrained
from benchmark.validity.base import restrict
from benchmark.validity.reinitialised import part_names, parts, reinitialise

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


def test_the_stem_is_cut_where_the_first_level_ends():
    found = dict(parts(backbones.build("resnet18", 8)))
    assert {key.removeprefix("extractor.net.").split(".")[0] for key in found["act1"]} == {"conv1", "bn1"}
    assert {key.removeprefix("extractor.net.").split(".")[0] for key in found["last stage"]} == {"layer4"}


def test_attention_is_a_part_of_its_own():
    assert [name for name, _ in parts(backbones.build("custom", 8, attention_map="SAM"))][:3] == ["head", "attention", "features.3"]


def drawn(run, depth):
    return reinitialise(restrict([run], run.scorable_images)[0], depth).model("cpu").state_dict()


def changed(first, second):
    return {key for key in first if not torch.equal(first[key], second[key])}


def test_each_step_draws_one_part_more_and_leaves_the_rest(trained):
    (run,) = trained
    model = run.model("cpu")
    states = [drawn(run, depth) for depth in range(len(part_names(run)) + 1)]
    for depth, (name, keys) in enumerate(parts(model), start=1):
        assert changed(states[depth - 1], states[depth]) <= {*keys}, name
        assert any(key.endswith("weight") for key in changed(states[depth - 1], states[depth]))
    assert not changed(states[0], model.state_dict())


def test_the_last_step_has_nothing_of_the_training_left_not_even_what_it_began_with(trained):
    (run,) = trained
    last = drawn(run, len(part_names(run)))
    torch.manual_seed(run.config.seed)
    began = backbones.build(run.config.backbone, len(run.data.findings), run.config.global_pool, run.config.attention_map).state_dict()
    assert not changed(untrained.of(restrict([run], run.scorable_images)[0]).model("cpu").state_dict(), last)
    assert not any(last[key].any() for key in last if key.endswith("running_mean"))
    kernels = [key for key in last if last[key].ndim == 4]
    assert not [key for key in kernels if torch.corrcoef(torch.stack([last[key].ravel(), began[key].ravel()]))[0, 1] > 0.1]


def test_a_step_has_its_own_digest_so_that_maps_are_not_mistaken(trained):
    kept = restrict(trained, trained[0].scorable_images)[0]
    assert len({reinitialise(kept, depth).digest for depth in range(4)} | {trained[0].digest}) == 5
