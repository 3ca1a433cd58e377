"""Heat maps of single images: which images and findings, and the pictures, boxes and raw maps that come out."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.engine import prepare
from benchmark.heatmap import figures, finished_runs
from benchmark.heatmap.evidence import ADVICE, Methods, gather_evidence
from benchmark.heatmap.images import readable_images
from benchmark.heatmap.picture import PreparedCase, RawMap, prepare_case
from benchmark.heatmap.threshold import Thresholds
from benchmark.maps.trained import digest_of
from benchmark.training import checkpoints, machine, memory
from config import HeatmapConfig
from core.errors import BadValueError, UnknownNameError
from core.files import atomic, stem, write_json
from core.types import Sample
from methods.evidence import Evidence

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeatmapFiles:
    """What was explained and where the results lie."""

    checkpoint: Path
    folder: Path
    pictures: tuple[Path, ...]
    failed: tuple[str, ...]
    """A sentence for each case whose map was not finite."""
    absent: tuple[str, ...]
    """A sentence for each method that has no answer for this model."""


@memory.enough(ADVICE)
def run(config: HeatmapConfig) -> HeatmapFiles:
    """Explain the images that ``config`` asks for: a picture and a raw map per case, ``boxes.json`` for all.

    A method that has no answer for the model is left out and named. Raises ``LocusError``: no finished run, an unknown
    finding, method or layer, more unreadable images than allowed, no method with an answer.
    """
    machine.configure_torch(config.threads)
    parts = Methods(config.method)
    checkpoint = finished_runs.newest(Path(config.runs)) if config.checkpoint is None else Path(config.checkpoint)
    model, train_config, findings = checkpoints.read_network(checkpoint, config.trust)
    _check(config.findings, findings)
    thresholds = Thresholds(config, digest_of(checkpoint))
    model = prepare(model, config)
    folder, rows, failed = Path(config.output_dir), [], []
    for sample, pixels in readable_images(config, train_config):
        seen = gather_evidence(model, pixels, train_config, config)
        maps = parts.maps(seen.evidence)
        for k in _chosen(config, sample, seen.evidence, findings):
            for word, answer in maps.items():
                raw_map = RawMap(word, answer.maps[0, k].numpy(), answer.grid, seen.probabilities[k])
                try:
                    threshold = thresholds.lookup(word, findings[k])
                    case = prepare_case(config, sample, pixels, findings[k], raw_map, threshold)
                    rows.append(_write(folder, case, config))
                except BadValueError as error:
                    failed.append(f"{sample.image_id}, {findings[k]}, {word}: {error}")
    failed += parts.broken.values()
    settings = {"checkpoint": str(checkpoint)}
    settings |= {name: getattr(config, name) for name in ("alignment", "layer", "precision")}
    write_json(folder / "boxes.json", {**settings, "cases": rows, "failed": failed, "absent": parts.absent})
    paths = tuple(folder / row["picture"] for row in rows)
    return HeatmapFiles(checkpoint, folder, paths, tuple(failed), parts.without_answer)


def _check(wanted: tuple[str, ...], findings: tuple[str, ...]) -> None:
    for finding in wanted:
        if finding not in findings:
            raise UnknownNameError("finding", finding, findings)


def _chosen(config: HeatmapConfig, sample: Sample, evidence: Evidence, findings: tuple[str, ...]) -> list[int]:
    """Positions of the findings to explain: those asked for, else those with truth, else the highest score."""
    names = config.findings or [finding for finding in findings if finding in sample.boxes]
    return [findings.index(name) for name in names] or [int(evidence.logits[0].argmax())]


def _write(folder: Path, prepared: PreparedCase, config: HeatmapConfig) -> dict[str, Any]:
    picture = prepared.picture
    name = stem(picture.image_id, picture.finding, picture.method)
    if picture.flat:
        case = f"{picture.image_id}, {picture.finding}, {picture.method}"
        log.warning("%s: flat map: every position has the same value, there is no box", case)
    for kind in config.format:
        figures.save(picture, folder / f"{name}.{kind}")
    if config.save_raw:
        with atomic(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, prepared.raw)
    return {
        **prepared.row,
        "picture": f"{name}.{config.format[0]}",
        "raw": f"{name}.npy" if config.save_raw else None,
    }
