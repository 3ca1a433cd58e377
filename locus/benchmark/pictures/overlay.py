"""The heat map of one finding over an image of the original size, in one file."""

import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from locus import methods
from locus.benchmark.pictures.case import frame_of, heat_in_frame, opacity
from locus.benchmark.pictures.explained import (
    ADVICE,
    Explainer,
    checkpoint_of,
    open_network,
    users_images,
)
from locus.benchmark.training import machine
from locus.benchmark.training.load import Checkpoint
from locus.config import HeatmapConfig
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.files import atomic, safe_filename
from locus.core.types import Echo
from locus.datasets.io import images
from locus.datasets.splits import match

log = logging.getLogger(__name__)
FORMAT_BY_SUFFIX = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".webp": "WEBP",
}  # fmt: skip
"""Suffix of an overlay -> picture format."""


@machine.oom_as_error(ADVICE)
def run(config: HeatmapConfig, echo: Echo) -> int:
    """Write the overlay of ``config.image_path`` to ``config.output_path``, a file or an existing folder.

    ``echo`` the file with the finding, its probability, the method and the checkpoint; returns 0.

    Raises ``LocusError`` for an unknown label or picture format, if the model has no training run, for an unreadable
    image, and for a method that is not supported or whose map is not finite.
    """
    source, target = Path(str(config.image_path)), Path(config.output_path)
    _check_target(target, source)
    if len(methods.expand(config.method)) != 1 or config.image is not None or (config.model and config.checkpoint):
        raise BadValueError(
            "with --image_path, pass exactly one --method, no --image, and at most one of --model and --checkpoint"
        )
    machine.configure_torch(config.threads)
    original = images.decode(source)
    run_path = config.checkpoint or checkpoint_of(str(config.model), config.label, Path(config.runs))
    checkpoint, model = open_network(Path(run_path), config, str(source))
    k = None if config.label is None else _position(config.label, checkpoint)
    samples = users_images(source, checkpoint.config.preprocess)
    (explained,) = Explainer(config).explain(model, samples, max_bad_images=0)
    k = explained.likeliest if k is None else k
    ((method, raw_map),) = ((word, explained.raw_map(word, k)) for word in explained.maps)
    heat = heat_in_frame(raw_map, frame_of(explained.sample, explained.pixels))
    finding = checkpoint.findings[k]
    if not heat.any():
        log.warning(
            "flat map: %s has the same value at all positions for %s; the picture shows only the image", method, finding
        )
    path = target / f"{safe_filename(source.stem, finding)}.png" if target.is_dir() else target
    height, width = original.shape
    picture = blend(original, heat[:height, :width])  # preprocessing may pad right and bottom
    with atomic(path) as temporary:
        Image.fromarray(picture).save(temporary, FORMAT_BY_SUFFIX[path.suffix.lower()], quality=95)
    echo(f"overlay: {path} ({finding}, score {raw_map.probability:.3f}, {method}, by {checkpoint.path})")
    return 0


def _check_target(path: Path, source: Path) -> None:
    """Raise ``BadValueError`` if ``path`` has no picture format, or is the image itself."""
    if path.is_dir():
        return
    if path.suffix.lower() not in FORMAT_BY_SUFFIX:
        endings = ", ".join(FORMAT_BY_SUFFIX)
        raise BadValueError(f"--output_path {path} is not a picture: write a {endings} file or an existing folder")
    if path.resolve() == source.resolve():
        raise BadValueError(f"--output_path {path} is the image itself: choose another name")


def _position(label: str, checkpoint: Checkpoint) -> int:
    """Return the index of the finding that matches a label. Raises ``BadValueError`` with the run."""
    try:
        return checkpoint.findings.index(match(label, checkpoint.findings))
    except UnknownNameError as error:
        raise BadValueError(f"{error} (the run {checkpoint.path.parent})") from error


def blend(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blend (H,W) grey pixels and a heat map in [0,1] into (H,W,3) colours of the colour map turbo.

    >>> blend(np.full((1, 2), 200, np.uint8), np.array([[0.0, 1.0]], np.float32)).tolist()
    [[[200, 200, 200], [145, 63, 62]]]
    """
    levels = np.minimum(heat * 256, 255).astype(np.uint8)
    colour, share = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1], opacity(heat)[..., None]
    return np.rint((1 - share) * image[..., None] + share * colour).astype(np.uint8)
