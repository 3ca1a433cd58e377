"""The weights of a suite's networks that are published beside its results, and a card about them."""

from collections.abc import Sequence
from pathlib import Path

from locus import backbones
from locus.benchmark.suite import plan
from locus.benchmark.suite.plan import ModelPlan, settings_hash
from locus.benchmark.training import weights
from locus.benchmark.training.runs import WEIGHTS_FOLDER, done, weights_file

PUBLISHED_SEED = 0
"""Training seed of the networks whose weights are published; the records of the others stay, their weights do not."""


def publish_weights(models: Sequence[ModelPlan], runs_dir: Path, folder: Path) -> None:
    """Write the weights of the training runs in ``runs_dir`` that were rounded to float16, and a card about them.

    Only those with ``PUBLISHED_SEED`` are published. Their initial weights are written as float32. Files of runs that
    are elsewhere and of networks trained on all images stay; files of models that are no longer planned are removed.

    Args:
        models: the models of the suite.
        runs_dir: folder of their training runs.
        folder: folder of the suite's results.
    """
    weights_folder = folder / WEIGHTS_FOLDER
    trained = [model for model in models if model.external is None and model.grid is None]
    planned_files = set()
    for model in trained:
        config = model.trainings[0]
        if config.weights_dtype == "float16" and config.seed == PUBLISHED_SEED:
            planned_files.update(_publish_model(model, runs_dir=runs_dir, folder=weights_folder))
    if trained:
        for file in list(weights_folder.glob(f"*{backbones.SUFFIX}")):
            if file not in planned_files and not file.name.startswith(plan.FINAL):
                file.unlink()
    if any(weights_folder.glob(f"*{backbones.SUFFIX}")):
        weights.write_card(weights_folder)


def _publish_model(model: ModelPlan, runs_dir: Path, folder: Path) -> list[Path]:
    """Write the weights of a model's finished runs to ``folder``; return the files of all its runs."""
    runs = [
        (run, weights_file(config), config, model.init)
        for run, config in model.run_configs(runs_dir).items()
    ]
    start = model.start(runs_dir, None)
    if start is not None:
        runs.append((start.folder, plan.initial_weights_file(start.config), start.config, None))
    for run, name, config, init in runs:
        if done(run):
            weights.publish(
                run=run,
                file=folder / name,
                settings=settings_hash(config, init),
                pretrained_on="" if init is None else init.dataset,
            )
    return [folder / name for _, name, *_ in runs]
