"""Curves and pictures for TensorBoard, written by the training's process.

A full disk is a sentence, not a thread's traceback.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from core.errors import DataError
from core.files import writing


class Events(Logger):
    """One event file per start of a run, in ``folder``; TensorBoard shows those of a folder as one run."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is made with the first row of numbers."""
        super().__init__()
        self.folder = folder
        self.path = folder / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def version(self) -> str:
        """Runs have a name and no version."""
        return ""

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Nothing: ``config.yaml`` holds the flags."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row of numbers at ``step``. Raises ``DataError`` when the disk refuses; the file stays as it was."""
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()]
        self._append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    @rank_zero_only
    def log_images(self, images: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Append (h,w,3) RGB pictures by tag at ``step``. Raises as ``log_metrics``."""
        values = [Summary.Value(tag=tag, image=_picture(image)) for tag, image in images.items()]
        self._append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _append(self, event: Event) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with writing(self.path), self.path.open("ab") as file:
                if not before:
                    heading = Event(wall_time=time.time(), file_version="brain.Event:2")
                    RecordWriter(file).write(heading.SerializeToString())
                RecordWriter(file).write(event.SerializeToString())
        except DataError:
            if before:
                os.truncate(self.path, before)
            else:
                self.path.unlink(missing_ok=True)
            raise


def _picture(image: NDArray[np.uint8]) -> Summary.Image:
    png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    return Summary.Image(height=image.shape[0], width=image.shape[1], colorspace=3, encoded_image_string=png)
