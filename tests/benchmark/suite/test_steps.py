"""Steps of a model: no work is repeated, and needs come first."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from locus import backbones
from locus.benchmark import records
from locus.benchmark.executors import Step
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.run import check_parallel, model_steps
from locus.config import RunConfig
from locus.core.errors import BadValueError

SUITE = {
    "name": "small", "title": "S", "about": "A.", "train": {"dataset": "phantom", "partition": "kfold", "pretrained": False},
    "models": [{"backbone": "custom", "img_size": [64, 96]}], "folds": [0, 1],
    "init": {"dataset": "phantom", "backbone": "custom", "img_size": 64, "pretrained": False}, "methods": ["cam", "occlusion"],
}  # fmt: skip


def tasks(**fields):
    suite = plan.Suite(**{**SUITE, **fields})
    return [ModelTask(model, tuple(cells.cells(suite, model))) for model in plan.models(suite)]


def steps(task, **flags) -> list[Step]:
    return model_steps(task, Path("runs/small"), Path("results/small"), RunConfig(**flags))


def test_models_share_the_step_of_their_initial_run():
    one, other = ({step.id for step in steps(task) if step.kind == "train"} for task in tasks())
    (first,) = one & other
    assert (len(one), len(other)) == (3, 3)
    assert all(step.needs == (first,) for task in tasks() for step in steps(task) if step.kind == "train" and step.id != first)


def test_published_weights_of_the_same_settings_replace_training(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "published", lambda: tmp_path)
    (task, *_) = tasks()
    files = task.model.weights_files(tmp_path / "small/weights")
    settings = [plan.settings_hash(config, task.model.init) for config in task.model.trainings]
    for file, hashed in zip(files, [settings[0], "other"], strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"settings": hashed})
        safetensors.numpy.save_file({"w": np.zeros(1)}, file, {backbones.METADATA: about})
    words = [step.id.split()[0] for step in steps(task) if step.kind == "train"]
    assert sorted(words) == ["restore", "train", "train"]  # the other fold, and its initial weights
    about = {backbones.METADATA: json.dumps({"settings": plan.settings_hash(task.model.init, None)})}
    initial = plan.initial_weights_file(task.model.init)
    safetensors.numpy.save_file({"w": np.zeros(1)}, tmp_path / "small/weights" / initial, about)
    words = [step.id.split()[0] for step in steps(task) if step.kind == "train"]
    assert sorted(words) == ["restore", "restore", "train"]
    assert {step.id.split()[0] for step in steps(task, published_weights="never") if step.kind == "train"} == {"train"}


@pytest.mark.parametrize("fields", [{}, {"folds": None, "init": None}, {"check": "controls", "protocols": None}])
def test_steps_are_ordered_and_score_each_cell_once(fields):
    for task in tasks(**fields):
        names: set[str] = set()
        for step in steps(task):
            assert names.issuperset(step.needs)
            names.add(step.id)
        scored = [cell.key for step in steps(task) if step.kind == "score" for cell in step.arguments[0].cells]
        assert sorted(scored) == sorted(cell.key for cell in task.cells)


def test_each_slow_method_is_explained_by_a_step_that_only_its_scoring_waits_for():
    task = tasks()[0]
    explained = {tuple(step.arguments[1]): step.id for step in steps(task) if step.kind == "explain"}
    assert sorted(map(len, explained)) == [1, 6]
    waiting = [step for step in steps(task) if explained["occlusion",] in step.needs]
    assert ["occlusion" in {cell.method for cell in step.arguments[0].cells} for step in waiting] == [True]


def test_a_check_makes_its_maps_itself_in_one_step():
    kinds = [step.kind for step in steps(tasks(check="controls", folds=None, init=None)[0])]
    assert kinds == ["train", "score"]


@pytest.mark.parametrize(
    "flags", [{"threads": None}, {"threads": 1, "devices": "2"}, {"threads": 1, "devices": "0,1"}, {"threads": 1, "num_nodes": 2}]
)
def test_several_jobs_need_the_threads_of_each_and_one_device(flags):
    models = tasks(init=None, train={**SUITE["train"], **flags})
    check_parallel(models, 1, None)
    with pytest.raises(BadValueError, match="--jobs 2"):
        check_parallel(models, 2, None)
    with pytest.raises(BadValueError, match="--step_minutes"):
        check_parallel(models, 1, None, minutes=5)
