"""What a search file may say, and one sentence for what it may not."""

import re

import pytest
import yaml

from benchmark.search.plan import read, shared_flags, trial_config
from config import TrainConfig
from core.cli import CONFIGS, build
from core.errors import LocusError

PLAN = {"study": "tiny", "trials": 3, "space": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}}


def written(path, **changes):
    (path / "search.yaml").write_text(yaml.safe_dump({**PLAN, **changes}))
    return path / "search.yaml"


@pytest.mark.contract
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("search*.yaml")), ids=lambda path: path.stem)
def test_every_search_of_the_tree_is_valid_and_its_ends_build_a_training(path):
    plan = read(path)
    ends = [
        {name: values[i] if isinstance(values, list) else (values.low, values.high)[i] for name, values in plan.space.items()}
        for i in (0, -1)
    ]
    whole = {name for name in ("batch_size", "epochs") if name in plan.space}
    for chosen in ends:
        config = trial_config(plan.flags, {name: int(value) if name in whole else value for name, value in chosen.items()})
        assert config.lr in (plan.space["lr"].low, plan.space["lr"].high)


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"learning_rat": [1]}, "unknown flag 'learning_rat'"),
        ({"lrr": [1]}, "unknown flag 'lrr': did you mean 'lr'"),
        ({"lr": {"low": 1, "high": 0.1}}, "low must be below high"),
        ({"lr": {"low": 0, "high": 0.1, "log": True}}, "the logarithm needs low above 0"),
        ({"lr": {"low": -1, "high": 0.1}}, "--lr -1.0 is too small"),
        ({"lr": {"low": 0.1, "high": 0.2, "step": 3}}, "the step must be above 0 and fit"),
        ({"lr": {"low": "wide", "high": 0.1}}, "space.lr"),
        ({"lr": {"lo": 1, "high": 2}}, "space.lr"),
        ({"epochs": {"low": 1.5, "high": 3}}, "--epochs takes whole numbers"),
        ({"optimizer": {"low": 1, "high": 3}}, "--optimizer takes no numbers"),
        ({"optimizer": ["Adam", "Adm"]}, "unknown value of --optimizer 'Adm'"),
        ({"optimizer": []}, "write a list of numbers, words"),
        ({"logger": [["csv"]]}, "write a list of numbers, words"),
        ({"epochs.step": {"low": 1, "high": 3}}, "--epochs takes no word with options"),
        ({}, "space"),
    ],
)
def test_a_wrong_space_is_one_sentence(tmp_path, space, told):
    with pytest.raises(LocusError, match=re.escape(told)) as caught:
        read(written(tmp_path, space=space))
    assert "\n" not in str(caught.value)


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trials": 0}, "trials"),
        ({"sampler": "grid"}, "sampler"),
        ({"study": "a/b"}, "study"),
        ({"budget": 1}, "budget"),
        ({"flags": {"lr": 0.1}}, "has lr in flags and in space"),
        ({"flags": {"bakbone": "custom"}}, "did you mean 'backbone'"),
    ],
)
def test_a_wrong_field_is_one_sentence(tmp_path, changes, told):
    with pytest.raises(LocusError, match=re.escape(told)):
        read(written(tmp_path, **changes))


@pytest.mark.byhand
def test_typed_flags_hold_for_all_trials_and_are_not_searched(tmp_path):
    plan = read(written(tmp_path, flags={"dataset": "phantom", "epochs": 9}))
    config = build(TrainConfig, {"backbone": "custom", "pretrained": False, "img_size": 128})
    typed = build(TrainConfig, {**{k: getattr(trial_config({}, {}), k) for k in TrainConfig.__dataclass_fields__}, "epochs": 2})
    assert shared_flags(plan, typed, {"epochs", "search"}) == {"dataset": "phantom", "epochs": 2}
    with pytest.raises(LocusError, match="--lr is what the search looks for"):
        shared_flags(plan, config, {"lr"})


@pytest.mark.byhand
def test_an_option_of_a_word_is_searched_like_a_flag():
    config = trial_config(
        {"augment": "light"}, {"augment.rotation": 7.5, "augment.flip": False, "global_pool": "LSE", "global_pool.gamma": 3.0}
    )
    assert config.augment == "light:rotation=7.5,flip=False"
    assert config.global_pool == "LSE:gamma=3.0"
