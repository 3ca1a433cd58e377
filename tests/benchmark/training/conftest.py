"""A training run that takes a second."""

import functools

import pytest

from locus.benchmark.training import run
from locus.config import TrainConfig
from locus.flags.cli import build

TINY = {
    "dataset": "phantom:train=48,val=24,test=24", "backbone": "custom", "img_size": 64, "pretrained": False, "epochs": 2,
    "batch_size": 16, "lr": 3e-3, "threads": 1, "logger": ["csv"], "plots": False,
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_in(tmp_path_factory):
    """tiny_in(folder, **flags) -> a TrainConfig whose files are in the folder (one cache for the session)."""

    def make(folder, **flags) -> TrainConfig:
        cache = tmp_path_factory.getbasetemp() / "cache"
        places = {"model_save_dir": str(folder / "train"), "log_dir": str(folder / "logs"), "cache_dir": str(cache)}
        return build(TrainConfig, {**TINY, **places, **flags})

    return make


@pytest.fixture
def tiny(tiny_in, tmp_path):
    """tiny(**flags) -> a TrainConfig whose files lie in the test's folder."""
    return functools.partial(tiny_in, tmp_path)


@pytest.fixture
def trained(tiny, tmp_path):
    """trained(**flags) -> the folder of a run that is trained and not evaluated."""

    def make(**flags):
        folder = tmp_path / f"trained{len(list(tmp_path.glob('trained*')))}"
        run.train(tiny(**flags), folder)
        return folder

    return make
