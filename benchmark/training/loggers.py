"""Loggers of training curves beside metrics.csv: TensorBoard, Weights & Biases, MLflow."""

import importlib.util
from pathlib import Path

from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from benchmark.training.events import Events
from config import TrainConfig
from core.errors import NotAvailableError

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


def check(config: TrainConfig) -> None:
    """Raise ``NotAvailableError`` for a logger whose package is not there."""
    absent = [name for name in EXTRA if name in config.logger and importlib.util.find_spec(name) is None]
    if absent:
        raise NotAvailableError(
            f"--logger {absent[0]} needs a package that is not installed: pip install '.[{absent[0]}]'"
        )


def build(config: TrainConfig, folder: Path) -> list[Logger]:
    """The loggers of the run in ``folder``, named after it; a resumed run goes on with its own curves.

    wandb and mlflow keep their files below ``--log_dir``; their own variables (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``
    …) send them elsewhere.
    """
    made: list[Logger] = []
    if "tensorboard" in config.logger:
        made.append(Events(Path(config.log_dir) / folder.name))
    if "wandb" in config.logger:
        Path(config.log_dir).mkdir(parents=True, exist_ok=True)
        made.append(Wandb(name=folder.name, id=folder.name, project=PROJECT, save_dir=config.log_dir, resume="allow"))
    if "mlflow" in config.logger:
        made.append(_mlflow(config, folder))
    return made


def _mlflow(config: TrainConfig, folder: Path) -> Logger:
    import mlflow  # type: ignore[import-not-found,unused-ignore]  # only who asks for it has it

    file = f"sqlite:///{Path(config.log_dir).absolute()}/mlflow.db"
    uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else file
    mlflow.set_tracking_uri(uri)
    Path(config.log_dir).mkdir(parents=True, exist_ok=True)
    runs = mlflow.search_runs(
        experiment_names=[PROJECT], filter_string=f"attributes.run_name = '{folder.name}'", output_format="list"
    )
    return MLFlowLogger(PROJECT, run_name=folder.name, tracking_uri=uri, run_id=runs[0].info.run_id if runs else None)
