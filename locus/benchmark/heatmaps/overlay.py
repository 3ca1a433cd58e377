"""Write the heat map of one finding over one image in its original size."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from locus import methods
from locus.benchmark import opening
from locus.benchmark.heatmaps.checkpoints import checkpoint_of, open_network
from locus.benchmark.heatmaps.explain import ADVICE, Explainer
from locus.benchmark.heatmaps.images import users_images
from locus.benchmark.pictures.panels import frame_of, heat_in_frame
from locus.benchmark.training import hardware
from locus.config import HeatmapConfig
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.files import atomic, safe_filename
from locus.core.names import match
from locus.core.types import Echo
from locus.datasets.io import images
from locus.drawing import blend

log = logging.getLogger(__name__)
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Suffixes of an overlay."""


@hardware.oom_as_error(ADVICE)
def write_overlay(config: HeatmapConfig, echo: Echo) -> int:
    """Write the overlay of ``config.image_path`` to ``config.output_path``, a file or an existing folder.

    ``config`` has a model or a checkpoint: ``locus.heatmap`` adds the newest run if a user names neither.
    ``echo`` the file with the finding, its probability, the method and the checkpoint; returns 0.

    Raises ``LocusError`` for an unknown label or picture format, if the model has no training run, for an unreadable
    image, and for a method that is not supported or whose map is not finite.
    """
    source = Path(str(config.image_path))
    target = Path(config.output_path)
    _check_target(target, source)
    _check_flags(config)
    hardware.configure_torch(config.threads)
    original = images.decode(source)
    if config.checkpoint:
        path = Path(config.checkpoint)
    else:
        path = checkpoint_of(str(config.model), config.label, Path(config.runs))
    checkpoint, model = open_network(path, config, config.trust, image=str(source))
    # an unknown label is an error before the image is explained
    label_index = None if config.label is None else _finding_index(config.label, checkpoint)
    samples = users_images(source, checkpoint.config.preprocess)
    (explained,) = Explainer(config).explain(model, samples, max_bad_images=0)
    finding_index = explained.likeliest if label_index is None else label_index
    finding = checkpoint.findings[finding_index]
    (method,) = explained.maps
    raw_map = explained.raw_map(method, finding_index)
    heat = heat_in_frame(raw_map, frame_of(explained.sample, explained.pixels))
    if not heat.any():
        warning = "flat map: %s has the same value at all positions for %s; the picture shows only the image"
        log.warning(warning, method, finding)
    if target.is_dir():
        target = target / f"{safe_filename(source.stem, finding)}.png"
    height, width = original.shape
    picture = blend(original, heat[:height, :width])  # preprocessing may pad right and bottom
    _save(picture, target)
    score = f"score {raw_map.probability:.3f}"
    if config.label is None:
        score += " and the highest of all findings (--label draws another)"
    echo(f"overlay: {target} ({finding}, {score}, {method}, by {checkpoint.path})")
    return 0


def _check_flags(config: HeatmapConfig) -> None:
    """Raise ``BadValueError`` unless the flags name one method, at most one network, and no other images."""
    has_one_method = len(methods.expand(config.method)) == 1
    if not has_one_method or config.image is not None or (config.model and config.checkpoint):
        raise BadValueError(
            "with --image_path, pass exactly one --method, no --image, and at most one of --model and --checkpoint"
        )


def _save(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a picture (H, W, 3) in the format of its suffix."""
    picture_format = Image.registered_extensions()[path.suffix.lower()]
    with atomic(path) as temporary:
        Image.fromarray(picture).save(temporary, picture_format, quality=95)


def _check_target(path: Path, source: Path) -> None:
    """Raise ``BadValueError`` if ``path`` has no picture format, or is the image itself."""
    if path.is_dir():
        return
    if path.suffix.lower() not in SUFFIXES:
        endings = ", ".join(SUFFIXES)
        raise BadValueError(
            f"--output_path {path} is not a picture: write a {endings} file or an existing folder"
        )
    if path.resolve() == source.resolve():
        raise BadValueError(f"--output_path {path} is the image itself: choose another name")


def _finding_index(label: str, checkpoint: opening.Checkpoint) -> int:
    """Return the index of the finding that matches a label. Raises ``BadValueError`` with the run."""
    try:
        return checkpoint.findings.index(match(label, checkpoint.findings))
    except UnknownNameError as error:
        raise BadValueError(f"{error} (the run {checkpoint.path.parent})") from error
