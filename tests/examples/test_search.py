"""examples/search.py as a user runs it."""

import pandas as pd
import pytest
import yaml

from locus.benchmark import opening

pytestmark = pytest.mark.commands
DATA = ["--dataset", "phantom:train=24,val=16,test=8", "--img_size", "32", "--backbone", "custom", "--epochs", "1"]


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """searched(trials) -> the table of a search of so many trials, in the folder of the test."""
    pytest.importorskip("optuna")
    from examples import search

    def run(trials):
        monkeypatch.setattr(search, "TRIALS", trials)
        places = ["--model_save_dir", tmp_path, "--cache_dir", tmp_path / "cache", "--log_dir", tmp_path / "logs"]
        assert search.main([*map(str, [*DATA, *places, "--threads", "1", "--logger", "csv"])]) == 0
        return pd.read_csv(tmp_path / "search/trials.csv")

    return run


def test_a_search_continues_and_writes_the_flags_of_its_best_trial(searched, tmp_path):
    first, more = searched(1), searched(2)
    assert more.loc[0, ["params_lr", "value"]].tolist() == first.loc[0, ["params_lr", "value"]].tolist()
    assert len(more) == 2
    flags = yaml.safe_load((tmp_path / "search/config.yaml").read_text())
    best = opening.checkpoint(tmp_path / f"search/trial-{more.value.idxmax():04d}").config
    assert (flags["lr"], flags["augment"]) == (best.lr, best.augment)
    assert len(searched(2)) == 2
