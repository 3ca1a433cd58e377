"""A briefly trained network on a phantom."""

import pytest

from locus.benchmark.suite import plan
from locus.benchmark.suite.score import finished_runs
from locus.benchmark.training import fit

TRAIN = {
    "dataset": "phantom:train=32,val=16,test=24,prevalence=0.5", "backbone": "custom", "img_size": 64,
    "pretrained": False, "epochs": 1, "batch_size": 16, "threads": 1, "logger": ["csv"], "plots": False,
}  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validity")
    suite = plan.Suite(name="s", title="S", about="A.", train=TRAIN, models=[{"global_pool": "AVG"}])
    (model,) = plan.models(plan.with_flags(suite, cache_dir=str(folder / "cache")))
    for run, config in model.run_configs(folder / "runs").items():
        fit(config, run)
    return finished_runs(model, folder / "runs")
