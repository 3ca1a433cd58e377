"""Valid and invalid search files."""

import pytest
import yaml

from locus.benchmark.training.search import merge_flags, read, trial_config
from locus.config import TrainConfig
from locus.core.cli import CONFIGS, build
from locus.core.errors import BadValueError, DataError, UnknownNameError

PLAN = {"study": "tiny", "trials": 3, "space": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}}


def written(path, **changes):
    (path / "search.yaml").write_text(yaml.safe_dump({**PLAN, **changes}))
    return path / "search.yaml"


@pytest.mark.contract
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("search*.yaml")), ids=lambda path: path.stem)
def test_committed_searches_are_valid(path):
    plan = read(path)
    for i in (0, -1):
        ends = {name: v if isinstance(v, list) else (v.low, v.high) for name, v in plan.space.items()}
        chosen = {name: values[i] for name, values in ends.items()}
        whole = {name: int(chosen[name]) for name in ("batch_size", "epochs") if name in chosen}
        config = trial_config(plan.flags, {**chosen, **whole})
        assert config.lr in (plan.space["lr"].low, plan.space["lr"].high)


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("space", "kind", "facts"),
    [
        ({"learning_rat": [1]}, BadValueError, "'learning_rat'"),
        ({"lrr": [1]}, BadValueError, r"search\.yaml.*'lrr'.*'lr'"),
        ({"lr": {"low": 1, "high": 0.1}}, BadValueError, r"\blr\b.*low.* 1.*high.*0\.1"),
        ({"lr": {"low": 0, "high": 0.1, "log": True}}, BadValueError, r"\blr\b.*low 0\b.*log.* 0 "),
        ({"lr": {"low": -1, "high": 0.1}}, BadValueError, r"--lr -1\.0.* 0 "),
        ({"lr": {"low": 0.1, "high": 0.2, "step": 3}}, BadValueError, r"\blr\b.*0\.1.*0\.2.*step 3"),
        ({"lr": {"low": "wide", "high": 0.1}}, DataError, r"space\.lr"),
        ({"lr": {"lo": 1, "high": 2}}, DataError, r"space\.lr"),
        ({"epochs": {"low": 1.5, "high": 3}}, BadValueError, "--epochs.*numbers"),
        ({"optimizer": {"low": 1, "high": 3}}, BadValueError, "--optimizer.*numbers"),
        ({"optimizer": ["Adam", "Adm"]}, UnknownNameError, "'Adm'.*--optimizer.*'Adam'"),
        ({"optimizer": []}, BadValueError, r"optimizer.*\[\].*True, False"),
        ({"logger": [["csv"]]}, BadValueError, "logger.*'csv'.*True, False"),
        ({"epochs.step": {"low": 1, "high": 3}}, BadValueError, r"epochs\.step.*--epochs"),
        ({}, DataError, "space.* 1 .* 0;"),
    ],
)
def test_invalid_space_is_an_error(tmp_path, space, kind, facts):
    with pytest.raises(kind, match=facts):
        read(written(tmp_path, space=space))


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("changes", "kind", "facts"),
    [
        ({"trials": 0}, DataError, "trials: .* 1;"),
        ({"sampler": "grid"}, DataError, "sampler: .*'tpe'.*'random'"),
        ({"study": "a/b"}, DataError, "study: "),
        ({"budget": 1}, DataError, "budget: .*study, trials"),
        ({"flags": {"lr": 0.1}}, BadValueError, r"search\.yaml.* lr .*flags.*space"),
        ({"flags": {"bakbone": "custom"}}, BadValueError, "'bakbone'.*'backbone'"),
    ],
)
def test_invalid_field_is_an_error(tmp_path, changes, kind, facts):
    with pytest.raises(kind, match=facts):
        read(written(tmp_path, **changes))


@pytest.mark.byhand
def test_explicit_flags_apply_to_all_trials(tmp_path):
    plan = read(written(tmp_path, flags={"dataset": "phantom", "epochs": 9}))
    config = build(TrainConfig, {"backbone": "custom", "pretrained": False, "img_size": 128})
    typed = build(TrainConfig, {**{k: getattr(trial_config({}, {}), k) for k in TrainConfig.__dataclass_fields__}, "epochs": 2})
    assert merge_flags(plan, typed, {"epochs", "search"}) == {"dataset": "phantom", "epochs": 2}
    with pytest.raises(BadValueError, match=r"--lr .*search.*space"):
        merge_flags(plan, config, {"lr"})


@pytest.mark.byhand
def test_an_option_of_a_word_is_searched_like_a_flag():
    chosen = {"augment.rotation": 7.5, "augment.flip": False, "global_pool": "LSE", "global_pool.gamma": 3.0}
    config = trial_config({"augment": "light"}, chosen)
    assert (config.augment, config.global_pool) == ("light:rotation=7.5,flip=False", "LSE:gamma=3.0")
