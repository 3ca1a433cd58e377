"""A training that takes a second."""

import pytest

from config import TrainConfig
from core.cli import build

TINY = {
    "dataset": "phantom:train=48,val=24,test=24", "backbone": "custom", "img_size": 64, "pretrained": False, "epochs": 2,
    "batch_size": 16, "lr": 3e-3, "threads": 1, "logger": ["csv"], "plots": False,
}  # fmt: skip


@pytest.fixture
def tiny(tmp_path, tmp_path_factory):
    """tiny(**flags) -> a TrainConfig whose files lie in the test's folder (the cache in one for the whole session)."""

    def make(**flags) -> TrainConfig:
        cache = tmp_path_factory.getbasetemp() / "cache"
        places = {"model_save_dir": str(tmp_path / "train"), "log_dir": str(tmp_path / "logs"), "cache_dir": str(cache)}
        return build(TrainConfig, {**TINY, **places, **flags})

    return make
