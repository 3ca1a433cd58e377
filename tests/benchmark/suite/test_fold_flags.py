"""Training flags that differ on a fold, because inner folds chose them."""

import pytest
import yaml

from benchmark.suite import plan
from core.errors import DataError

SUITE = {
    "title": "t", "about": "a", "models": [{"backbone": "custom", "global_pool": "PCAM"}], "folds": [0, 1, 2],
    "train": {"dataset": "phantom:train=24,val=6,test=30", "partition": "kfold", "folds": 3, "img_size": 64, "lr": 0.003},
    "methods": ["cam"], "protocols": ["locus"],
}  # fmt: skip


def loaded(folder, **fields):
    (folder / "small.yaml").write_text(yaml.safe_dump({**SUITE, **fields}, sort_keys=False))
    return plan.load("small", folder)


def folders(model):
    return [plan.folder_name(training, model.init) for training in model.trainings]


@pytest.mark.byhand
def test_a_fold_has_its_own_training_flags_and_the_record_lists_them_by_fold(tmp_path):
    (plain,) = plan.models(loaded(tmp_path))
    (model,) = plan.models(loaded(tmp_path, fold_flags={2: {"lr": 0.02, "ema": 0.9}}))
    assert [(item.lr, item.ema) for item in model.trainings] == [(0.003, 0), (0.003, 0), (0.02, 0.9)]
    assert model.recipe == plain.recipe | {"lr": [0.003, 0.003, 0.02], "ema": [None, None, 0.9]}
    assert [a == b for a, b in zip(folders(model), folders(plain), strict=True)] == [True, True, False]


@pytest.mark.parametrize(("flags", "facts"), [({3: {"lr": 1}}, "fold 3"), ({0: {"img_size": 96}}, "fold 0.*img_size.*epochs")])
def test_invalid_flags_of_a_fold_are_refused(tmp_path, flags, facts):
    with pytest.raises(DataError, match=facts):
        loaded(tmp_path, fold_flags=flags)
