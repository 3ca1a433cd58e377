"""A suite that chooses its recipe on inner folds."""

import pandas as pd
import pytest
import yaml

from benchmark import records
from benchmark.records import Record, Score
from benchmark.suite import cells, plan, selection
from benchmark.suite.choice import chosen_models
from benchmark.suite.executors.local import Local
from benchmark.suite.run import run
from benchmark.suite.selection import ModelCells
from benchmark.suite.steps import model_steps
from benchmark.training import data
from config import RunConfig
from core.errors import DataError, UnknownNameError
from datasets import splits

SUITE = {
    "title": "t", "about": "a", "models": [{"backbone": "custom", "global_pool": "PCAM"}], "folds": [0, 1, 2],
    "train": {"dataset": "phantom:train=24,val=6,test=30", "partition": "kfold", "folds": 3, "img_size": 64, "epochs": 2, "lr": 0.003,
              "threads": 1, "logger": ["csv"], "plots": False, "heat_maps": False},
    "init": {"dataset": "phantom:train=24,val=6,test=6", "img_size": 64, "epochs": 1, "logger": ["csv"], "plots": False,
             "heat_maps": False},
    "choice": {"candidates": {"slow": {}, "quick": {"lr": 0.02}}, "method": "cam"}, "methods": ["cam"], "protocols": ["locus"],
}  # fmt: skip


def loaded(folder, name="small", **fields):
    recorded = {key: value for key, value in {**SUITE, **fields}.items() if value is not None}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(recorded, sort_keys=False))
    return plan.load(name, folder)


def names(models):
    return [plan.folder_name(training, model.init) for model in models for training in model.trainings]


@pytest.mark.byhand
def test_each_candidate_is_trained_on_all_folds_and_without_each_in_turn(tmp_path):
    models = plan.models(loaded(tmp_path))
    trained = [(model.candidate, model.left_out_fold, [item.fold for item in model.trainings]) for model in models]
    of_each = [(None, [0, 1, 2]), (0, [1, 2]), (1, [0, 2]), (2, [0, 1])]
    assert trained == [(name, *rest) for name in ("slow", "quick") for rest in of_each]
    assert [{item.lr for item in model.trainings} for model in models] == [{0.003}] * 4 + [{0.02}] * 4
    assert [[(c.method, c.protocol) for c in cells.cells(loaded(tmp_path), model)] for model in models] == [[("cam", "choice")]] * 8


def test_choice_uses_no_patient_of_the_scored_fold(tmp_path):
    models = plan.models(loaded(tmp_path))
    scored = {item.fold: {*data.load(item, "test").patients} for item in models[0].trainings}
    assert sum(map(len, scored.values())) == 60 == len(set.union(*scored.values()))
    for model in models:
        for training in model.trainings if model.left_out_fold is not None else ():
            seen = [(patient, split) for split in ("train", "val", "test") for patient in data.load(training, split).patients]
            seen += [(patient, "scored") for patient in scored[model.left_out_fold]]
            splits.check_patients(*zip(*seen, strict=True))
            assert len(seen) == 60


def test_candidates_and_folds_share_the_initial_run(tmp_path):
    suite = loaded(tmp_path, seeds=[0, 1])
    jobs = [ModelCells(model, tuple(cells.cells(suite, model))) for model in plan.models(suite)]
    trained = {step.id for job in jobs for step in model_steps(job, tmp_path / "runs", tmp_path, RunConfig()) if step.kind == "train"}
    assert len(trained) == 2 * (1 + 2 * (3 + 6))


def trial(suite, model, value):
    score = Score(finding="mean", metric="hit@iou.3", value=value, n=9, threshold_origin="cross-fitted")
    return Record(cell=cells.cells(suite, model)[0], scores=(score,))


def judged(suite, **inner):
    """Records of all candidates: of each ``name=(…)`` the scores without fold 0, 1 and 2; on all folds the others are best."""
    values = {(name, fold): value for name, scores in inner.items() for fold, value in enumerate(scores)}
    return [trial(suite, model, values.get((model.candidate, model.left_out_fold), 1.0)) for model in plan.models(suite)]


@pytest.mark.byhand
def test_each_fold_has_the_candidate_that_is_best_on_the_others_and_of_equal_ones_the_first(tmp_path):
    suite = loaded(tmp_path)
    (model,) = chosen_models(suite, plan.models(suite), judged(suite, slow=(0.3, 0.4, 0.5), quick=(0.6, 0.4, 0.1)))
    assert [(item.fold, item.lr) for item in model.trainings] == [(0, 0.02), (1, 0.003), (2, 0.003)]
    assert (model.id, model.recipe["chosen"]) == ("custom-PCAM-64px-seed0", ["quick", "slow", "slow"])
    assert model.recipe["candidates"] == {"slow": {"lr": 0.003}, "quick": {"lr": 0.02}}
    on_all = {name for item in plan.models(suite) if item.left_out_fold is None for name in names([item])}
    assert {*names([model])} <= on_all
    assert {c.protocol for c in cells.cells(suite, model)} == {"locus", "classification"}


def test_nothing_is_chosen_before_all_candidates_are_judged(tmp_path):
    suite = loaded(tmp_path)
    labelled = judged(suite, slow=(0.3, 0.4, 0.5), quick=(0.6, 0.4, None))
    assert chosen_models(suite, plan.models(suite), labelled) == []
    assert chosen_models(suite, plan.models(suite), []) == []


def test_seeds_with_different_choices_are_one_entry(tmp_path):
    suite = loaded(tmp_path, seeds=[0, 1])
    planned = plan.models(suite)
    scores = [(0.5 if (m.candidate == "slow") == (m.trainings[0].seed == 0) else 0.4) for m in planned]
    labelled = [trial(suite, model, score) for model, score in zip(planned, scores, strict=True)]
    first, second = (cells.cells(suite, model)[0] for model in chosen_models(suite, planned, labelled))
    assert (first.recipe["chosen"], second.recipe["chosen"]) == (["slow"] * 3, ["quick"] * 3)
    assert first.without_seed.key == second.without_seed.key


def test_with_one_candidate_the_trainings_are_those_of_the_plain_suite(tmp_path):
    one, plain = loaded(tmp_path, choice={"candidates": {"only": {}}, "method": "cam"}), loaded(tmp_path, choice=None)
    (model,) = chosen_models(one, plan.models(one), judged(one, only=(0.1, 0.2, 0.3)))
    assert names([model]) == names(plan.models(plain))


@pytest.mark.parametrize(
    ("wrong", "kind", "facts"),
    [
        ({"candidates": {name: {} for name in "abcd"}}, DataError, "choice.candidates.* 3 "),
        ({"candidates": {"wide": {"img_size": 96}}}, DataError, "'wide'.*img_size.*epochs"),
        ({"method": "occlusion"}, DataError, "occlusion.*gradcam"),
        ({"method": "evil.py:Cam"}, UnknownNameError, r"evil\.py"),
    ],
)
def test_invalid_choice_is_refused_when_the_suite_is_read(tmp_path, wrong, kind, facts):
    with pytest.raises(kind, match=facts):
        loaded(tmp_path, choice={**SUITE["choice"], **wrong})


def test_a_choice_without_folds_is_refused(tmp_path):
    with pytest.raises(DataError, match="folds"):
        loaded(tmp_path, folds=None)


@pytest.mark.byhand
def test_a_fold_has_its_own_training_flags_and_the_record_lists_them_by_fold(tmp_path):
    plain = plan.models(loaded(tmp_path, choice=None))[0]
    model = plan.models(loaded(tmp_path, choice=None, fold_flags={2: {"lr": 0.02, "ema": 0.9}}))[0]
    assert [(item.lr, item.ema) for item in model.trainings] == [(0.003, 0), (0.003, 0), (0.02, 0.9)]
    assert model.recipe == plain.recipe | {"lr": [0.003, 0.003, 0.02], "ema": [None, None, 0.9]}
    assert [a == b for a, b in zip(names([model]), names([plain]), strict=True)] == [True, True, False]


@pytest.mark.parametrize(
    ("flags", "choice", "facts"),
    [
        ({3: {"lr": 1}}, None, "fold 3"),
        ({0: {"img_size": 96}}, None, "fold 0.*img_size.*epochs"),
        ({0: {"lr": 1}}, SUITE["choice"], "fold_flags.*choice"),
    ],
)
def test_invalid_flags_of_a_fold_are_refused(tmp_path, flags, choice, facts):
    with pytest.raises(DataError, match=facts):
        loaded(tmp_path, choice=choice, fold_flags=flags)


@pytest.mark.slow
def test_choice_with_one_candidate_equals_the_plain_suite(tmp_path):
    loaded(tmp_path, "one", choice={"candidates": {"only": {}}, "method": "cam"})
    loaded(tmp_path, "plain", choice=None, training_runs_of="one")
    results, lines = tmp_path / "results", []
    flags = {"suites": str(tmp_path), "results": str(results), "runs": str(tmp_path / "runs"), "cache_dir": str(tmp_path / "cache")}
    for name in ("one", "plain", "one"):
        lines.append([])
        config = RunConfig(suite=(name,), **flags)
        run(selection.requested_suite(name, config), config, lines[-1].append, Local(1))
    assert lines[-1] == ["one: 0 cells to run, tables only"]
    one, plain = (of_locus(results / name) for name in ("one", "plain"))
    assert one == plain
    trials = {r.cell.recipe.get("leave_out_fold"): r for r in records.load(results / "one") if r.cell.protocol == "choice"}
    assert (len(trials), trials[None].scores) == (4, one["cam"][0])
    held_out = [{*data.load(item, "test").patients} for item in plan.models(plan.load("plain", tmp_path))[0].trainings]
    for fold, patients in enumerate(held_out):
        inner = records.cases.read(trials[fold].cell, results / "one")
        predicted = [pd.read_csv(path, dtype=str) for path in predictions(tmp_path, fold)]
        assert patients.isdisjoint(inner["patient"])
        assert all(patients.isdisjoint(table["patient"]) for table in predicted)
        assert len(predicted) == 2


def of_locus(folder):
    return {r.cell.method: (r.scores, r.checkpoints) for r in records.load(folder) if r.cell.protocol == "locus"}


def predictions(folder, fold):
    (model,) = (m for m in plan.models(plan.load("one", folder)) if m.left_out_fold == fold)
    return [folder / "runs/one" / name / "predictions.csv" for name in names([model])]
