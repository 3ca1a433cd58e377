"""Loggers of training curves, in addition to metrics.csv: TensorBoard and Weights & Biases."""

import importlib.util
from collections.abc import Collection
from pathlib import Path

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from core.errors import NotAvailableError
from core.flags.training import OutputFlags


def check(names: Collection[str]) -> None:
    """Raise ``NotAvailableError`` for a logger whose package is not installed."""
    if "wandb" in names and importlib.util.find_spec("wandb") is None:
        raise NotAvailableError("--logger wandb requires a package that is not installed: pip install '.[wandb]'")


def build(flags: OutputFlags, folder: Path) -> list[Logger]:
    """Return the loggers of the run in ``folder``; a resumed run appends to its existing curves."""
    built: list[Logger] = []
    if "tensorboard" in flags.logger:
        built.append(TensorBoardLogger(flags.log_dir, name=folder.name, version=""))
    if "wandb" in flags.logger:
        import wandb  # type: ignore[import-not-found,unused-ignore]  # optional package

        wandb.finish()  # an earlier training of this process
        Path(flags.log_dir).mkdir(parents=True, exist_ok=True)
        built.append(WandbLogger(folder.name, flags.log_dir, id=folder.name, project="locus", resume="allow"))
    return built
