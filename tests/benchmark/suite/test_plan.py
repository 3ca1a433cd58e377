"""Plan of a suite: keys of training runs, seeds, invalid files."""

import dataclasses
from typing import Annotated

import pytest
import yaml

from locus.benchmark.suite import plan
from locus.benchmark.training.runs import identity
from locus.config import NEWER, WEIGHTS, TrainConfig
from locus.core.errors import BadValueError, DataError, UnknownNameError
from locus.core.files import json_hash


@pytest.mark.byhand
def test_folder_names_of_recorded_runs_do_not_change():
    suite = plan.load("demo")
    names = [plan.folder_name(training, model.init) for model in plan.models(suite) for training in model.trainings]
    assert [name.rpartition("-")[0] for name in names] == ["custom-AVG-fold0-3b9fe606c84b83e9", "custom-PCAM-fold0-fcc15fec75abccb8"]


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("stated", "kind", "facts"),
    [
        ({"folds": [0, 1]}, BadValueError, "'tiny'.*folds.*partition: kfold"),
        ({"train": {"dataset": "phantom", "partition": "all"}}, BadValueError, "'tiny'.*partition: all.*training images"),
        ({"folds": []}, DataError, r"tiny\.yaml.*folds: .* 1 "),
        ({"folds": [1, 1], "train": {"dataset": "phantom", "partition": "kfold"}}, DataError, r"tiny\.yaml.*folds.* 1 "),
        ({"truths": {"phantom": ["pointing"]}}, DataError, r"tiny\.yaml.*either `models`, `truths` or `joins`"),
        ({"models": [{"backbone": "custom", "lr": [0.001, 0.01]}]}, BadValueError, "'tiny'.*custom-PCAM-128px-seed0"),
        ({"models": [{"backbone": "custom", "fold": [0, 1]}]}, BadValueError, "'tiny'.*custom-PCAM-128px-seed0"),
        ({"protocols": ["pointing", "pointing"]}, DataError, r"tiny\.yaml.*protocols.*pointing"),
        ({"train": {"dataset": "phantom", "evaluate": "runs/a"}}, DataError, r"tiny\.yaml.*`evaluate` "),
        ({"train": {"dataset": "phantom", "seed": 3}, "seeds": [0, 1]}, DataError, r"tiny\.yaml.*seed.*train"),
        ({"init": {"dataset": "phantom"}, "models": [{"init": 0.001}]}, DataError, r"tiny\.yaml.*`init` 0\.001"),
        ({"models": [{"init": {"lr": 0.001}}]}, DataError, r"tiny\.yaml.*`init`"),
        ({"init": {"dataset": "phantom"}, "models": [{"init": {"resume": True}}]}, DataError, r"tiny\.yaml.*`resume`"),
        ({"rank_methods": ["gradcamp"]}, UnknownNameError, "gradcamp.*gradcampp"),
    ],
)
def test_suite_that_repeats_images_mixes_models_or_names_nothing_is_refused(tmp_path, stated, kind, facts):
    with pytest.raises(kind, match=facts):
        planned(tmp_path, **stated)


def test_newer_flags_are_in_the_key_only_if_not_default():
    @dataclasses.dataclass(frozen=True)
    class Later(TrainConfig):
        newest: Annotated[int, WEIGHTS | NEWER] = 3

    assert identity(Later()) == identity(TrainConfig())
    assert identity(Later(newest=4)) == {**identity(TrainConfig()), "newest": 4}


def test_data_root_applies_to_the_initial_run_if_it_has_one(tmp_path):
    for init, root in (({"dataset": "phantom"}, None), ({"dataset": "implanted", "data_root_dir": "here"}, "there")):
        (model,) = planned(tmp_path, "there", init=init, train={"dataset": "NIH", "data_root_dir": "here"})
        assert model.init.data_root_dir == root


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({}, [("AVG", 0), ("AVG", 1), ("PCAM", 0), ("PCAM", 1)]),
        ({"global_pool": "LSE"}, [("LSE", 0), ("LSE", 1)] * 2),
        ({"seed": 0}, [("AVG", 0), ("AVG", 0), ("PCAM", 0), ("PCAM", 0)]),
    ],
)
def test_initial_run_has_the_network_and_the_seed_of_the_model_by_default(tmp_path, stated, wanted):
    own = {"train": {"backbone": "custom"}, "models": [{"global_pool": ["AVG", "PCAM"]}], "seeds": [0, 1]}
    starts = [model.init for model in planned(tmp_path, init={"dataset": "phantom", **stated}, **own)]
    assert [(start.global_pool, start.seed) for start in starts] == wanted
    assert {start.backbone for start in starts} == {"custom"}


def test_flags_of_a_models_init_replace_those_of_the_suite(tmp_path):
    models = planned(
        tmp_path,
        init={"dataset": "phantom", "lr": 0.003, "epochs": 8},
        models=[{"global_pool": "AVG"}, {"global_pool": "PCAM", "init": {"lr": 0.001}}],
    )
    assert [(model.init.lr, model.init.epochs) for model in models] == [(0.003, 8), (0.001, 8)]
    assert [model.trainings[0].lr for model in models] == [models[0].trainings[0].lr] * 2
    assert len({plan.folder_name(model.init, None) for model in models}) == 2


def planned(folder, data_root_dir=None, **fields):
    """The models of a suite with one small network and ``fields``."""
    suite = {"title": "t", "about": "a", "train": {"dataset": "phantom"}, "models": [{"backbone": "custom"}], **fields}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(suite))
    return plan.models(plan.with_flags(plan.load("tiny", folder), data_root_dir=data_root_dir))


def folders(models):
    return [plan.folder_name(training, model.init) for model in models for training in model.trainings]


def test_seeds_are_models_of_the_same_images(tmp_path):
    models = planned(tmp_path, seeds=[0, 1], models=[{"backbone": "custom"}, {"backbone": "resnet18", "seed": 4}])
    assert [model.id for model in models] == ["custom-PCAM-128px-seed0", "custom-PCAM-128px-seed1", "resnet18-PCAM-128px-seed4"]
    assert [(model.trainings[0].seed, model.trainings[0].data_seed) for model in models] == [(0, 0), (1, 0), (4, 0)]
    alone = planned(tmp_path)
    assert (json_hash(models[0].recipe), folders(models[:1])) == (json_hash(alone[0].recipe), folders(alone))
    assert len(set(folders(models))) == 3


def test_fixed_threads_and_precision_define_another_run(tmp_path):
    start = {"dataset": "phantom:train=64"}
    (free,) = planned(tmp_path, init=start)
    (pinned,) = planned(tmp_path, init=start, train={"dataset": "phantom", "threads": 1, "precision": "32"})
    assert (pinned.init.threads, pinned.init.precision) == (1, "32")
    assert {"threads": 1, "precision": "32"}.items() <= pinned.recipe.items()
    assert "threads" not in free.recipe
    assert folders([pinned]) != folders([free])
