"""Heat maps during training: the same few validation images after each epoch, in TensorBoard."""

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
"""The method; it supports every network and pooling."""
MOST, SIDE = 8, 256
"""Maximum number of images, and maximum side in pixels."""
WHITE = (255, 255, 255)


class HeatMaps(Callback):
    """After each epoch, draws a picture per finding: the image with its truth boxes, and its heat map.

    It uses the weights that are validated, and does not affect the training.
    """

    def __init__(self, module: ClassifierModule, validation: SplitImages) -> None:
        """Choose ``shown_images`` of ``validation``."""
        self.module, self.validation = module, validation
        self.shown = shown_images(validation)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Explain the images and write the pictures, on the first process; not for sharded weights (FSDP …)."""
        events = next((logger for logger in trainer.loggers if isinstance(logger, Events)), None)
        whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)
        if events is None or not self.shown or not (trainer.is_global_zero and whole):
            return
        try:
            events.log_images(self._pictures(), trainer.global_step - 1)  # same step as the epoch's curves
        except LocusError as error:
            log.warning("no heat maps in TensorBoard from here on: %s", error)
            self.shown = []

    def _pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Tag -> (h,w,3) RGB."""
        from benchmark.explain import explain  # slow imports, not needed before the first step

        rows, findings = zip(*self.shown, strict=True)
        images, _ = self.validation[np.array(rows)]
        average = self.module.average
        model = self.module.model if average is None else cast(Classifier, average.module)
        weight = next(model.parameters())
        maps = explain(model, transforms.evaluation()(images.to(weight.device)).to(weight.dtype), [METHOD], findings)
        names = [self.validation.findings[k] for k in findings]
        return {f"heat_maps/{name}": self._picture(n, images[n].numpy(), maps) for n, name in enumerate(names)}

    def _picture(self, n: int, image: NDArray[np.uint8], maps: "Maps") -> NDArray[np.uint8]:
        from benchmark.scoring.localize import to_frame
        from benchmark.scoring.surface import min_max

        row, finding = self.shown[n]
        frame, boxes = self.validation.truth.get(self.validation.ids[row][0], (image.shape, {}))
        truth = boxes.get(self.validation.findings[finding], np.zeros((0, 4)))
        heat = to_frame(min_max(maps[METHOD][n, n].cpu().numpy()), (image.shape[0], image.shape[1]), maps.grids[METHOD])
        return beside(image, heat, scale_boxes(truth, (frame[0], frame[1]), (image.shape[0], image.shape[1])))


def shown_images(split: SplitImages) -> list[tuple[int, int]]:
    """(position, finding) of the images to show: for each finding the first with a truth box, else with the label.

    At most ``MOST``, the same in every epoch, so that changes of a map are visible.
    """
    chosen = []
    for k, finding in enumerate(split.findings):
        positive = torch.nonzero(split.labels[:, k] == 1).ravel().tolist()
        boxed = [n for n in positive if split.ids[n][2] and finding in split.truth[split.ids[n][0]][1]]
        chosen += [(n, k) for n in (boxed or positive)[:1]]
    return chosen[:MOST]


def beside(image: NDArray[np.uint8], heat: NDArray[np.float32], truth: FloatArray) -> NDArray[np.uint8]:
    """(H,W) image and heat map in [0,1], (M,4) boxes in its pixels -> RGB: the image, and the image with the heat map.

    A map without heat (Grad-CAM's rectified map early in training) is labelled as flat.
    """
    gray = np.repeat(image[..., None], 3, axis=2)
    colours = cv2.cvtColor(cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    share = 0.8 * heat[..., None] ** 0.7  # low values are transparent
    over = (gray * (1 - share) + colours * share).astype(np.uint8)
    both = [_with_boxes(side, truth) for side in (gray, over)]
    if not heat.any():
        from benchmark.scoring.protocols.base import FLAT

        cv2.putText(both[1], FLAT, (4, both[1].shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, WHITE)
    return np.concatenate([both[0], np.full((both[0].shape[0], 4, 3), 255, np.uint8), both[1]], axis=1)


def _with_boxes(picture: NDArray[np.uint8], boxes: FloatArray) -> NDArray[np.uint8]:
    """The picture with white boxes, at most ``SIDE`` pixels large."""
    share = min(1.0, SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    for x0, y0, x1, y1 in np.round(boxes * share).astype(int).tolist():
        cv2.rectangle(small, (x0, y0), (x1 - 1, y1 - 1), WHITE, 1)
    return np.asarray(small, dtype=np.uint8)
