"""Loggers of training curves, in addition to metrics.csv: TensorBoard, Weights & Biases, MLflow.

TensorBoard files are written here, so that a full disk gives an error message, not the traceback of a thread.
"""

import importlib.util
import os
import socket
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.training.lightning import Logger, MLFlowLogger, WandbLogger, rank_zero_only
from core.errors import DataError, NotAvailableError
from core.files import writing
from core.flags.training import OutputFlags
from core.lazy import Lazy

if TYPE_CHECKING:
    from tensorboard.compat.proto import event_pb2, summary_pb2  # type: ignore[import-untyped]
    from tensorboard.summary.writer import record_writer  # type: ignore[import-untyped]
else:
    event_pb2, summary_pb2 = (Lazy(f"tensorboard.compat.proto.{name}_pb2") for name in ("event", "summary"))
    record_writer = Lazy("tensorboard.summary.writer.record_writer")

PROJECT = "locus"
"""Name of the wandb project and of the mlflow experiment."""
EXTRA = ("wandb", "mlflow")
"""Loggers that require an optional package."""


class Events(Logger):
    """Writes one event file per start of a run; TensorBoard shows all files of a folder as one run."""

    def __init__(self, folder: Path) -> None:
        """Write to ``folder``, which is created with the first row of numbers."""
        super().__init__()
        self.folder = folder
        self.path = folder / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    @property
    def version(self) -> str:
        """Empty: runs have a name and no version."""
        return ""

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Do nothing: ``config.yaml`` has the flags."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row of numbers at ``step``. Raises ``DataError`` if that fails, and leaves the file unchanged."""
        self._append(
            step, [summary_pb2.Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()]
        )

    @rank_zero_only
    def log_images(self, images: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Append (h,w,3) RGB pictures by tag at ``step``. Raises as ``log_metrics``."""
        self._append(step, [summary_pb2.Summary.Value(tag=tag, image=_picture(image)) for tag, image in images.items()])

    def _append(self, step: int | None, values: list[Any]) -> None:
        """Append an event to the file; if it cannot be written completely, restore the file as it was."""
        event = event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=values))
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with writing(self.path), self.path.open("ab") as file:
                if not before:
                    heading = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
                    record_writer.RecordWriter(file).write(heading.SerializeToString())
                record_writer.RecordWriter(file).write(event.SerializeToString())
        except DataError:
            if before:
                os.truncate(self.path, before)
            else:
                self.path.unlink(missing_ok=True)
            raise


def _picture(image: NDArray[np.uint8]) -> Any:
    png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    return summary_pb2.Summary.Image(
        height=image.shape[0], width=image.shape[1], colorspace=3, encoded_image_string=png
    )


class Wandb(WandbLogger):
    """Lightning's logger, which ends its run with the training: the next training in this process is a new run."""

    def finalize(self, status: str) -> None:
        """Write pending data, and end the run."""
        super().finalize(status)
        self.experiment.finish(exit_code=int(status != "success"))


def check(names: Collection[str]) -> None:
    """Raise ``NotAvailableError`` for a logger whose package is not installed."""
    if absent := [name for name in EXTRA if name in names and importlib.util.find_spec(name) is None]:
        install = f"pip install '.[{absent[0]}]'"
        raise NotAvailableError(f"--logger {absent[0]} requires a package that is not installed: {install}")


def build(flags: OutputFlags, folder: Path) -> list[Logger]:
    """Return the loggers of the run in ``folder``; a resumed run appends to its existing curves.

    wandb and mlflow write to ``--log_dir``, unless their variables (``WANDB_MODE``, ``MLFLOW_TRACKING_URI``) change
    that.
    """
    built: list[Logger] = []
    if "tensorboard" in flags.logger:
        built.append(Events(Path(flags.log_dir) / folder.name))
    if "wandb" in flags.logger:
        Path(flags.log_dir).mkdir(parents=True, exist_ok=True)
        built.append(Wandb(name=folder.name, id=folder.name, project=PROJECT, save_dir=flags.log_dir, resume="allow"))
    if "mlflow" in flags.logger:
        built.append(_mlflow(Path(flags.log_dir), folder))
    return built


def _mlflow(log_dir: Path, folder: Path) -> Logger:
    """Return the logger of MLflow; a run that is resumed continues its earlier record."""
    import mlflow  # type: ignore[import-not-found,unused-ignore]  # optional package

    file = f"sqlite:///{log_dir.absolute()}/mlflow.db"
    uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else file
    mlflow.set_tracking_uri(uri)
    log_dir.mkdir(parents=True, exist_ok=True)
    named = f"attributes.run_name = '{folder.name}'"
    runs = mlflow.search_runs(experiment_names=[PROJECT], filter_string=named, output_format="list")
    return MLFlowLogger(PROJECT, run_name=folder.name, tracking_uri=uri, run_id=runs[0].info.run_id if runs else None)
