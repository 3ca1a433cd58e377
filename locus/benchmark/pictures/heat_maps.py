"""Write the pictures of ``heatmap.py`` for many images: a picture and a raw map per case, and boxes.json for all.

Images are explained by ``explained``, the picture of a case is drawn by ``panels``. One image: ``overlay``.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from locus.benchmark.pictures import panels
from locus.benchmark.pictures.case import CasePicture, prepare_case
from locus.benchmark.pictures.explained import (
    ADVICE,
    ExplainedImage,
    Explainer,
    Thresholds,
    dataset_images,
    open_network,
    users_images,
)
from locus.benchmark.training import machine
from locus.config import HeatmapConfig
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.files import atomic, safe_filename, write_json
from locus.core.types import Echo

log = logging.getLogger(__name__)


@machine.oom_as_error(ADVICE)
def run(config: HeatmapConfig, echo: Echo) -> int:
    """Explain the images of ``config``: write a picture and a raw map per case, and ``boxes.json`` for all.

    In ``boxes.json``, ``failed`` lists errors, and ``absent`` the methods that are not supported, with the reason. Both
    are also printed with ``echo``. ``config.checkpoint`` must be set. Returns 1 if anything failed, else 0. Raises
    ``LocusError`` for an unknown finding, method or layer, for too many unreadable images, and without a supported
    method.
    """
    machine.configure_torch(config.threads)
    explainer = Explainer(config)
    path = Path(str(config.checkpoint))
    checkpoint, model = open_network(path, config, config.image)
    recipe, findings = checkpoint.config, checkpoint.findings
    if unknown := [finding for finding in config.findings if finding not in findings]:
        raise UnknownNameError("finding", unknown[0], findings)
    thresholds = Thresholds(checkpoint.digest, Path(config.runs), config.alignment, config.layer, config.threshold)
    if config.image:
        samples = users_images(Path(config.image), recipe.preprocess)
    else:
        samples = dataset_images(recipe, config.data_root_dir, config.cases)
    folder, rows, failed = Path(config.output_dir), [], []
    for explained in explainer.explain(model, samples, config.max_bad_images):
        for k in _chosen(config.findings, explained, findings):
            finding = findings[k]
            for word in explained.maps:
                sample, threshold = explained.sample, thresholds.lookup(word, finding)
                try:
                    raw_map = explained.raw_map(word, k)
                    picture = prepare_case(sample, explained.pixels, finding, raw_map, *threshold)
                    rows.append(_write(picture, folder, config.format, config.save_raw))
                except BadValueError as error:
                    failed.append(f"{sample.image_id}, {finding}, {word}: {error}")
    failed += explainer.failed.values()
    settings = {"checkpoint": str(path)}
    settings |= {name: getattr(config, name) for name in ("alignment", "layer", "precision")}
    write_json(folder / "boxes.json", {**settings, "cases": rows, "failed": failed, "absent": explainer.unsupported})
    echo(f"{len(rows)} pictures of {path} are in {folder}/, boxes in {folder}/boxes.json")
    for sentence in [
        *(f"n/a: {word}" for word in explainer.unsupported_sentences),
        *(f"failed: {words}" for words in failed),
    ]:
        echo(sentence)
    return 1 if failed else 0


def _chosen(requested: tuple[str, ...], explained: ExplainedImage, findings: tuple[str, ...]) -> list[int]:
    """Return the indices of the requested findings, else of those with truth, else of the likeliest one."""
    names = requested or [finding for finding in findings if finding in explained.sample.boxes]
    return [findings.index(name) for name in names] or [explained.likeliest]


def _write(picture: CasePicture, folder: Path, kinds: tuple[str, ...], save_raw: bool) -> dict[str, Any]:
    """Write the files of a case; return its entry in ``boxes.json``."""
    name = safe_filename(picture.image_id, picture.finding, picture.raw.method)
    if picture.flat:
        words = f"{picture.image_id}, {picture.finding}, {picture.raw.method}"
        log.warning("%s: flat map: all positions have the same value, so there is no box", words)
    for kind in kinds:
        panels.save(picture, folder / f"{name}.{kind}")
    if save_raw:
        with atomic(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, picture.raw.values)
    return {**picture.row, "picture": f"{name}.{kinds[0]}", "raw": f"{name}.npy" if save_raw else None}
