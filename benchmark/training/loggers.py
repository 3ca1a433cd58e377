"""Loggers of training curves beside metrics.csv: TensorBoard, Weights & Biases, MLflow."""

import importlib.util
from collections.abc import Collection
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from benchmark.training.events import Events
from core.errors import NotAvailableError
from core.flags.training import OutputFlags

PROJECT = "locus"
"""What wandb's project and mlflow's experiment are called."""
EXTRA = ("wandb", "mlflow")
"""Loggers that are packages of their own, not installed with the project."""


class Wandb(WandbLogger):
    """Lightning's logger, whose run ends with the training: the next training of this process is another run."""

    def finalize(self, status: str) -> None:
        """Write what is left, and end the run."""
        super().finalize(status)
        self.experiment.finish(exit_code=int(status != "success"))


def check(names: Collection[str]) -> None:
    """Raise ``NotAvailableError`` for a logger whose package is not there."""
    absent = [name for name in EXTRA if name in names and importlib.util.find_spec(name) is None]
    if absent:
        install = f"pip install '.[{absent[0]}]'"
        raise NotAvailableError(f"--logger {absent[0]} needs a package that is not installed: {install}")


def build(flags: OutputFlags, folder: Path) -> list[Logger]:
    """The loggers of the run in ``folder``, named after it; a resumed run goes on with its own curves.

    wandb and mlflow keep their files below ``--log_dir``; their own variables (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``
    …) send them elsewhere.
    """
    made: list[Logger] = []
    if "tensorboard" in flags.logger:
        made.append(Events(Path(flags.log_dir) / folder.name))
    if "wandb" in flags.logger:
        Path(flags.log_dir).mkdir(parents=True, exist_ok=True)
        made.append(Wandb(name=folder.name, id=folder.name, project=PROJECT, save_dir=flags.log_dir, resume="allow"))
    if "mlflow" in flags.logger:
        made.append(_mlflow(Path(flags.log_dir), folder))
    return made


def _mlflow(log_dir: Path, folder: Path) -> Logger:
    import mlflow  # type: ignore[import-not-found,unused-ignore]  # only who asks for it has it

    file = f"sqlite:///{log_dir.absolute()}/mlflow.db"
    uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else file
    mlflow.set_tracking_uri(uri)
    log_dir.mkdir(parents=True, exist_ok=True)
    named = f"attributes.run_name = '{folder.name}'"
    runs = mlflow.search_runs(experiment_names=[PROJECT], filter_string=named, output_format="list")
    return MLFlowLogger(PROJECT, run_name=folder.name, tracking_uri=uri, run_id=runs[0].info.run_id if runs else None)
