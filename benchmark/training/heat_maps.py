"""Heat maps in TensorBoard after each epoch, of the same few validation images."""

import logging
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from backbones import Classifier
from benchmark.training.data import SplitImages
from benchmark.training.lightning import Callback, DDPStrategy, LightningModule, SingleDeviceStrategy, Trainer
from benchmark.training.loggers import Events
from benchmark.training.module import ClassifierModule
from core.errors import LocusError
from core.frames import scale_boxes
from core.types import FloatArray
from datasets.io import transforms

if TYPE_CHECKING:
    from benchmark.explain import Maps

log = logging.getLogger(__name__)
METHOD = "gradcam"
"""Method of the heat maps; it supports all networks and poolings."""
MOST, SIDE = 8, 256
"""Maximum number of images, and maximum side length in pixels."""
WHITE = (255, 255, 255)


class HeatMaps(Callback):
    """Draws a picture per finding after each epoch: an image with its truth boxes, and its heat map.

    It uses the validated weights and does not affect the training.
    """

    def __init__(self, module: ClassifierModule, validation: SplitImages) -> None:
        """Select images of ``validation``: see ``select_images``."""
        self.module, self.validation = module, validation
        self.selected = select_images(validation)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Explain the images and write the pictures, on the first process; not for sharded weights (FSDP …)."""
        events = next((logger for logger in trainer.loggers if isinstance(logger, Events)), None)
        whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)
        if events is None or not self.selected or not (trainer.is_global_zero and whole):
            return
        try:
            events.log_images(self._pictures(), trainer.global_step - 1)  # same step as the epoch's curves
        except LocusError as error:
            log.warning("no more heat maps in TensorBoard: %s", error)
            self.selected = []

    def _pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Return tag -> (h,w,3) RGB picture."""
        from benchmark.explain import explain  # slow imports, not needed before the first step

        rows, findings = zip(*self.selected, strict=True)
        images, _ = self.validation[np.array(rows)]
        average = self.module.average
        model = self.module.model if average is None else cast(Classifier, average.module)
        weight = next(model.parameters())
        maps = explain(model, transforms.evaluation()(images.to(weight.device)).to(weight.dtype), [METHOD], findings)
        names = [self.validation.findings[k] for k in findings]
        return {f"heat_maps/{name}": self._picture(n, images[n].numpy(), maps) for n, name in enumerate(names)}

    def _picture(self, n: int, image: NDArray[np.uint8], maps: "Maps") -> NDArray[np.uint8]:
        """Return the image beside its heat map and truth boxes."""
        from benchmark.scoring.localize import to_frame
        from benchmark.scoring.surface import min_max

        row, finding = self.selected[n]
        columns = self.validation.columns
        frame, boxes = columns.truth.get(columns.images[self.validation.rows[row]], (image.shape, {}))
        truth = boxes.get(self.validation.findings[finding], np.zeros((0, 4)))
        heat = to_frame(min_max(maps[METHOD][n, n].cpu().numpy()), (image.shape[0], image.shape[1]), maps.grids[METHOD])
        return beside(image, heat, scale_boxes(truth, (frame[0], frame[1]), (image.shape[0], image.shape[1])))


def select_images(split: SplitImages) -> list[tuple[int, int]]:
    """Return (position, finding) of at most ``MOST`` images.

    For each finding it is the first image with a truth box, else the first with the label.
    """
    chosen, ids, truth = [], split.ids, split.columns.truth
    for k, finding in enumerate(split.findings):
        positive = torch.nonzero(split.labels[:, k] == 1).ravel().tolist()
        boxed = [n for n in positive if ids[n][2] and finding in truth[ids[n][0]][1]]
        chosen += [(n, k) for n in (boxed or positive)[:1]]
    return chosen[:MOST]


def beside(image: NDArray[np.uint8], heat: NDArray[np.float32], truth: FloatArray) -> NDArray[np.uint8]:
    """Return an RGB picture of the image and, next to it, the image with the heat map, both with boxes.

    ``image`` (H,W), ``heat`` (H,W) in [0,1], ``truth`` (M,4) in pixels. A map that is 0 everywhere is labelled as flat.
    """
    grey = np.repeat(image[..., None], 3, axis=2)
    colours = cv2.cvtColor(cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    share = 0.8 * heat[..., None] ** 0.7  # low values are transparent
    over = (grey * (1 - share) + colours * share).astype(np.uint8)
    both = [_with_boxes(side, truth) for side in (grey, over)]
    if not heat.any():
        from benchmark.scoring.protocols.base import FLAT

        cv2.putText(both[1], FLAT, (4, both[1].shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, WHITE)
    return np.concatenate([both[0], np.full((both[0].shape[0], 4, 3), 255, np.uint8), both[1]], axis=1)


def _with_boxes(picture: NDArray[np.uint8], boxes: FloatArray) -> NDArray[np.uint8]:
    """Return the picture with white boxes, with sides of at most ``SIDE`` pixels."""
    share = min(1.0, SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    for x0, y0, x1, y1 in np.round(boxes * share).astype(int).tolist():
        cv2.rectangle(small, (x0, y0), (x1 - 1, y1 - 1), WHITE, 1)
    return np.asarray(small, dtype=np.uint8)
