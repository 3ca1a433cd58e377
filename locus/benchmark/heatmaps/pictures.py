"""Explain many images and write their files: a picture and a raw map per case and method, and ``boxes.json``."""

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from locus.benchmark.heatmaps.checkpoints import open_network
from locus.benchmark.heatmaps.explain import ADVICE, ExplainedImage, Explainer
from locus.benchmark.heatmaps.images import dataset_images, users_images
from locus.benchmark.heatmaps.thresholds import Thresholds
from locus.benchmark.pictures import panels
from locus.benchmark.training import hardware
from locus.config import HeatmapConfig, TrainConfig
from locus.core.errors import BadValueError, UnknownNameError
from locus.core.files import atomic, json_hash, safe_filename, write_json
from locus.core.types import Echo, Sample
from locus.datasets.io.tables import reading_json

log = logging.getLogger(__name__)
BOXES = "boxes.json"
"""File of all cases of a network: boxes, scores, files and settings."""
MAX_REASONS = 8
"""Largest number of images for which the drawn finding is printed."""


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
    checkpoint, model = open_network(path, config, config.trust, config.image)
    findings = checkpoint.findings
    for finding in config.findings:
        if finding not in findings:
            raise UnknownNameError("finding", finding, findings)
    thresholds = Thresholds(
        digest=checkpoint.digest,
        runs=Path(config.runs),
        alignment=config.alignment,
        layer=config.layer,
        from_command_line=config.threshold,
    )
    samples = _requested_images(config, checkpoint.config)
    folder = Path(config.output_dir) / _network_folder(path, checkpoint.digest)
    boxes = folder / BOXES
    _earlier(boxes)  # a broken file is an error before the images are explained
    names = _file_names([sample.image_id for sample in samples])
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    for explained in explainer.explain(model, samples, config.max_bad_images):
        stem = folder / names[explained.sample.image_id]
        for k in _chosen(config.findings, explained, findings):
            pictures, errors = _pictures(explained, k, findings[k], thresholds)
            rows += _write_case(pictures, stem, config)
            failed += errors
    failed += explainer.failed.values()
    _write_boxes(boxes, checkpoint=path, explainer=explainer, rows=rows, failed=failed)
    if config.image and not config.findings:
        for line in _reasons(rows):
            echo(line)
    echo(f"maps of {path} drawn: {len(rows)}, in {folder}/, boxes in {boxes}")
    for sentence in explainer.unsupported_sentences:
        echo(f"n/a: {sentence}")
    for sentence in failed:
        echo(f"failed: {sentence}")
    return 1 if failed else 0


def _requested_images(config: HeatmapConfig, recipe: TrainConfig) -> list[Sample]:
    """Return the user's images of ``--image``, or test images of the data set of the network's ``recipe``."""
    if config.image:
        return users_images(Path(config.image), recipe.preprocess)
    return dataset_images(recipe, config.data_root_dir, config.cases)


def _write_case(
    pictures: Sequence[panels.CasePicture], stem: Path, config: HeatmapConfig
) -> list[dict[str, Any]]:
    """Write the pictures of a case, and one of all methods if there are several; return the rows for ``boxes.json``."""
    rows = [_write(picture, stem, config) for picture in pictures]
    if len(pictures) > 1:
        name = safe_filename(stem.name, pictures[0].finding)
        for suffix in config.format:
            panels.save_methods(pictures, stem.parent / f"{name}.{suffix}")
    return rows


def _write_boxes(
    file: Path,
    checkpoint: Path,
    explainer: Explainer,
    rows: Sequence[Mapping[str, Any]],
    failed: Sequence[str],
) -> None:
    """Write ``boxes.json`` with its earlier cases and the new ``rows``, which replace those of the same case."""
    earlier = _earlier(file)
    cases = {_case(row): row for row in (*earlier["cases"], *rows)}
    drawn_methods = {row["method"] for row in rows}
    reasons = {**earlier["absent"], **explainer.unsupported}
    absent = {name: reason for name, reason in reasons.items() if name not in drawn_methods}
    content = {
        "checkpoint": str(checkpoint),
        "cases": [*cases.values()],
        "failed": [*failed],
        "absent": absent,
    }
    write_json(file, content)


def _reasons(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which finding was drawn for each of a user's images, and why."""
    drawn = {row["image"]: row for row in rows}
    for image, row in itertools.islice(drawn.items(), MAX_REASONS):
        why = f"the finding with the highest score ({row['probability']:.3f})"
        yield f"{image}: {row['finding']} is drawn, {why}; --findings draws others"
    if len(drawn) > MAX_REASONS:
        yield f"{len(drawn) - MAX_REASONS} more images: the finding with the highest score is drawn"


def _pictures(
    explained: ExplainedImage, k: int, finding: str, thresholds: Thresholds
) -> tuple[list[panels.CasePicture], list[str]]:
    """Return the picture of finding ``k`` by each method, and the errors of maps that are not finite."""
    pictures = []
    errors = []
    sample = explained.sample
    for method in explained.maps:
        threshold, threshold_source = thresholds.lookup(method, finding)
        try:
            picture = panels.prepare_case(
                sample=sample,
                pixels=explained.pixels,
                finding=finding,
                raw=explained.raw_map(method, k),
                threshold=threshold,
                threshold_source=threshold_source,
            )
        except BadValueError as error:
            errors.append(f"{sample.image_id}, {finding}, {method}: {error}")
        else:
            pictures.append(picture)
    return pictures, errors


def _network_folder(path: Path, digest: str) -> str:
    """Return the name of a network's folder: its run or file of weights, and the first digits of its hash.

    >>> _network_folder(Path("runs/suites/demo/custom-PCAM-128px-seed0/best.ckpt"), "1a2b3c4d5e6f7081")
    'custom-PCAM-128px-seed0-1a2b3c4d'
    """
    if path.suffix == ".ckpt" and path.stem in ("best", "last"):
        name = path.resolve().parent.name
    else:
        name = path.name.removesuffix(".safetensors").removesuffix(".ckpt")
    return safe_filename(f"{name or path.resolve().name}-{digest[:8]}")


def _earlier(boxes: Path) -> dict[str, Any]:
    """Return ``cases`` and ``absent`` of an existing ``boxes.json``. Raises ``DataError`` if it is broken."""
    if not boxes.exists():
        return {"cases": [], "absent": {}}
    with reading_json(boxes, "it was not written by heatmap.py; delete it") as content:
        earlier = {"cases": list(content["cases"]), "absent": dict(content["absent"])}
        for row in earlier["cases"]:
            _case(row)  # raises an error for a row without its image, finding or method
    return earlier


def _case(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what identifies a case in ``boxes.json``: image, finding and method."""
    return row["image"], row["finding"], row["method"]


def _chosen(
    requested: tuple[str, ...], explained: ExplainedImage, findings: tuple[str, ...]
) -> list[int]:
    """Return the indices of the requested findings, else of those with truth, else of the likeliest one."""
    with_truth = [finding for finding in findings if finding in explained.sample.boxes]
    chosen = requested or with_truth
    if not chosen:
        return [explained.likeliest]
    return [findings.index(name) for name in chosen]


def _file_names(image_ids: Sequence[str]) -> dict[str, str]:
    """Return image -> name for its files, without suffix; images whose names would be equal also have a hash.

    >>> _file_names(["x.png", "a/b.png", "a_b.png"])
    {'x.png': 'x', 'a/b.png': 'a_b-cc803c03', 'a_b.png': 'a_b-acf494dd'}
    """
    stems = {}
    for image in image_ids:
        stems[image] = safe_filename(image.removesuffix(Path(image).suffix) or image)
    count = Counter(stem.lower() for stem in stems.values())  # some file systems ignore case
    names = {}
    for image, stem in stems.items():
        is_unique = count[stem.lower()] == 1
        names[image] = stem if is_unique else f"{stem}-{json_hash(image)[:8]}"
    return names


def _write(picture: panels.CasePicture, stem: Path, config: HeatmapConfig) -> dict[str, Any]:
    """Write the files of a case, whose names begin with ``stem``; return its entry in ``boxes.json``."""
    path = stem.parent / safe_filename(stem.name, picture.finding, picture.raw.method)
    if picture.flat:
        case = f"{picture.image_id}, {picture.finding}, {picture.raw.method}"
        log.warning("%s: flat map: all positions have the same value, so there is no box", case)
    for suffix in config.format:
        panels.save(picture, Path(f"{path}.{suffix}"))
    if config.save_raw:
        with atomic(Path(f"{path}.npy")) as temporary, temporary.open("wb") as file:
            np.save(file, picture.raw.values)
    return {
        **picture.row,
        "picture": f"{path.name}.{config.format[0]}",
        "raw": f"{path.name}.npy" if config.save_raw else None,
        "alignment": config.alignment,
        "layer": config.layer,
        "precision": config.precision,
    }
