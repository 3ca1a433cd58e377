"""The files of ``heatmap.py``.

``write_pictures``  for many images: a picture and a raw map per case and method, a figure of all methods, boxes.json
``write_overlay``   for one image: the heat map of one finding over the image in its original size, in one file

Images are explained by ``explained``.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from locus import methods
from locus.benchmark.opening import Checkpoint
from locus.benchmark.pictures import panels
from locus.benchmark.pictures.explained import (
    ADVICE,
    ExplainedImage,
    Explainer,
    Thresholds,
    checkpoint_of,
    dataset_images,
    open_network,
    users_images,
)
from locus.benchmark.pictures.panels import CasePicture, blend, frame_of, heat_in_frame, prepare_case
from locus.benchmark.training import hardware
from locus.config import HeatmapConfig
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.files import atomic, json_hash, safe_filename, write_json
from locus.core.names import match
from locus.core.types import Echo
from locus.datasets.io import images
from locus.datasets.io.tables import reading_json

log = logging.getLogger(__name__)
FORMAT_BY_SUFFIX = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".webp": "WEBP",
}  # fmt: skip
"""Suffix of an overlay -> picture format."""


@hardware.oom_as_error(ADVICE)
def write_pictures(config: HeatmapConfig, echo: Echo) -> int:
    """Explain the images of ``config``: write pictures and raw maps of each case, and ``boxes.json`` for all.

    The files are in a subfolder of ``config.output_dir`` for each network, named after its run and its weights. Later
    calls add cases to ``boxes.json``, or replace those of the same image, finding and method. ``failed`` lists the
    errors of the last call, and ``absent`` the methods that are not supported, with the reason. Both are also printed
    with ``echo``. ``config.checkpoint`` must be set. Returns 1 if anything failed, else 0. Raises ``LocusError`` for an
    unknown finding, method or layer, for too many unreadable images, without a supported method, and if ``boxes.json``
    is broken.
    """
    hardware.configure_torch(config.threads)
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
    folder, rows, failed = Path(config.output_dir) / _network_folder(path, checkpoint.digest), [], []
    boxes = folder / "boxes.json"
    earlier = _earlier(boxes)
    names = _file_names([sample.image_id for sample in samples])
    for explained in explainer.explain(model, samples, config.max_bad_images):
        for k in _chosen(config.findings, explained, findings):
            pictures, errors = _pictures(explained, k, findings[k], thresholds)
            stem = folder / names[explained.sample.image_id]
            rows += [_write(picture, stem, config) for picture in pictures]
            failed += errors
            for kind in config.format if len(pictures) > 1 else ():
                panels.save_methods(pictures, folder / f"{safe_filename(stem.name, findings[k])}.{kind}")
    failed += explainer.failed.values()
    cases = {_case(row): row for row in (*earlier["cases"], *rows)}
    absent = {**earlier["absent"], **explainer.unsupported}
    absent = {word: reason for word, reason in absent.items() if word not in {row["method"] for row in rows}}
    write_json(boxes, {"checkpoint": str(path), "cases": [*cases.values()], "failed": failed, "absent": absent})
    echo(f"maps of {path} drawn: {len(rows)}, in {folder}/, boxes in {boxes}")
    for status, sentences in (("n/a", explainer.unsupported_sentences), ("failed", failed)):
        for words in sentences:
            echo(f"{status}: {words}")
    return 1 if failed else 0


def _pictures(
    explained: ExplainedImage, k: int, finding: str, thresholds: Thresholds
) -> tuple[list[CasePicture], list[str]]:
    """Return the picture of finding ``k`` by each method, and the errors of maps that are not finite."""
    pictures, errors, sample = [], [], explained.sample
    for word in explained.maps:
        raw, (threshold, threshold_source) = explained.raw_map(word, k), thresholds.lookup(word, finding)
        try:
            pictures.append(prepare_case(sample, explained.pixels, finding, raw, threshold, threshold_source))
        except BadValueError as error:
            errors.append(f"{sample.image_id}, {finding}, {word}: {error}")
    return pictures, errors


def _network_folder(path: Path, digest: str) -> str:
    """Return the name of a network's folder: its run or file of weights, and the first digits of its hash.

    >>> _network_folder(Path("runs/suites/demo/custom-PCAM-128px-seed0/best.ckpt"), "1a2b3c4d5e6f7081")
    'custom-PCAM-128px-seed0-1a2b3c4d'
    """
    of_run = path.suffix == ".ckpt" and path.stem in ("best", "last")
    name = path.resolve().parent.name if of_run else path.name.removesuffix(".safetensors").removesuffix(".ckpt")
    return safe_filename(f"{name or path.resolve().name}-{digest[:8]}")


def _earlier(boxes: Path) -> dict[str, Any]:
    """Return ``cases`` and ``absent`` of an existing ``boxes.json``. Raises ``DataError`` if it is broken."""
    if not boxes.exists():
        return {"cases": [], "absent": {}}
    with reading_json(boxes, "it was not written by heatmap.py; delete it") as content:
        known = {"cases": list(content["cases"]), "absent": dict(content["absent"])}
        for row in known["cases"]:
            _case(row)
    return known


def _case(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what identifies a case in ``boxes.json``: image, finding and method."""
    return row["image"], row["finding"], row["method"]


def _chosen(requested: tuple[str, ...], explained: ExplainedImage, findings: tuple[str, ...]) -> list[int]:
    """Return the indices of the requested findings, else of those with truth, else of the likeliest one."""
    names = requested or [finding for finding in findings if finding in explained.sample.boxes]
    return [findings.index(name) for name in names] or [explained.likeliest]


def _file_names(image_ids: Sequence[str]) -> dict[str, str]:
    """Return image -> name for its files, without suffix; images whose names would be equal also have a hash.

    >>> _file_names(["x.png", "a/b.png", "a_b.png"])
    {'x.png': 'x', 'a/b.png': 'a_b-cc803c03', 'a_b.png': 'a_b-acf494dd'}
    """
    stems = {image: safe_filename(image.removesuffix(Path(image).suffix) or image) for image in image_ids}
    count = Counter(stem.lower() for stem in stems.values())
    return {
        image: stem if count[stem.lower()] == 1 else f"{stem}-{json_hash(image)[:8]}" for image, stem in stems.items()
    }


def _write(picture: CasePicture, stem: Path, config: HeatmapConfig) -> dict[str, Any]:
    """Write the files of a case, whose names begin with ``stem``; return its entry in ``boxes.json``."""
    path = stem.parent / safe_filename(stem.name, picture.finding, picture.raw.method)
    if picture.flat:
        words = f"{picture.image_id}, {picture.finding}, {picture.raw.method}"
        log.warning("%s: flat map: all positions have the same value, so there is no box", words)
    for kind in config.format:
        panels.save(picture, Path(f"{path}.{kind}"))
    if config.save_raw:
        with atomic(Path(f"{path}.npy")) as temporary, temporary.open("wb") as file:
            np.save(file, picture.raw.values)
    files = {"picture": f"{path.name}.{config.format[0]}", "raw": f"{path.name}.npy" if config.save_raw else None}
    settings = {name: getattr(config, name) for name in ("alignment", "layer", "precision")}
    return {**picture.row, **files, **settings}


@hardware.oom_as_error(ADVICE)
def write_overlay(config: HeatmapConfig, echo: Echo) -> int:
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
    hardware.configure_torch(config.threads)
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
