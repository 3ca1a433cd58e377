"""An external entry (maps or boxes for a data set), checked completely before anything is scored or written.

``read``                builds an ``ExternalEntry`` from the flags of ``python -m benchmark.score``
``read_probabilities``  a classifier's probabilities

``files`` and ``maps`` read maps, ``boxes`` reads boxes; ``score`` scores the entry and its baselines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from locus import datasets
from locus.arrays import Answers, Frame, Pair
from locus.benchmark.baselines import is_baseline
from locus.benchmark.entries import files
from locus.benchmark.entries.boxes import BoxesByCase, read_boxes
from locus.benchmark.entries.files import Map, MapSource
from locus.benchmark.entries.geometry import BOX_GEOMETRY, Geometry, geometry_of
from locus.benchmark.entries.maps import Missing, check_missing, read_values
from locus.benchmark.entries.readings import log_other_boxes
from locus.config import ScoreConfig
from locus.core.errors import BadValueError, DataError, examples, require_name
from locus.core.files import file_hash, json_hash
from locus.core.frames import Alignment, Grid
from locus.core.names import duplicates
from locus.core.types import Sample
from locus.datasets.base import Dataset
from locus.datasets.io.annotations import Names
from locus.datasets.io.tables import read_csv, refuse_duplicates
from locus.scoring.large_maps import LazyMap

HANDLING = {"miss": "count as misses", "skip": "are left out", "error": "are not allowed"}
"""Handling of cases without a map and images without a box, in words."""


@dataclass(frozen=True, kw_only=True)
class ExternalEntry:
    """External maps or boxes, and the data set of their test images."""

    name: str
    data: Dataset
    values: Mapping[Pair, Map | LazyMap]
    """(image, finding) -> (h,w) map; empty for boxes."""
    boxes: BoxesByCase | None
    """(image, finding) -> (M,5) boxes and confidences; None for maps."""
    boxless: frozenset[str]
    """Images with a truth box but without a submitted box; empty for maps."""
    probabilities: Mapping[Pair, float]
    geometry: Geometry
    missing: str
    """Handling of cases without a map and images without a box: ``miss``, ``skip`` or ``error``."""
    hashes: dict[str, str]
    """File -> first 16 hex digits of the SHA-256 of its bytes."""
    trained_on: str

    @cached_property
    def samples(self) -> list[Sample]:
        """Scored images without skipped ones: for maps, the images with boxes; for boxes, all images.

        Without the finding, protocols of masks score those images that have a map.
        """
        samples = list(self.data)
        if self.boxes is None:
            with_map = {image for image, _ in self.values}
            samples = [sample for sample in samples if sample.boxes or sample.image_id in with_map]
        if self.missing == "skip":
            samples = [sample for sample in samples if sample.image_id not in self.boxless]
        return samples

    @cached_property
    def answers(self) -> Answers:
        """Cases of the entry: all pairs of image and finding; for maps, only with a map or a counted miss."""
        pairs = [
            (sample.image_id, finding) for sample in self.samples for finding in self.data.findings
        ]
        if self.boxes is None:
            misses = self.missing_maps if self.missing != "skip" else set()
            pairs = [pair for pair in pairs if pair in self.values or pair in misses]
        samples = {sample.image_id: sample for sample in self.samples}
        return Answers(
            samples=samples,
            findings=self.data.findings,
            pairs=pairs,
            grids={pair: self._grid(pair, samples[pair[0]].frame) for pair in pairs},
            maps=self.values,
            boxes=self.boxes,
            probabilities=self.probabilities,
        )

    def _grid(self, pair: Pair, frame: Frame) -> Grid | Alignment:
        """Return the grid of a case; a missing map has that of the data set."""
        if pair not in self.values:
            return self.geometry.grid
        height, width = self.values[pair].shape
        return self.geometry.on_image((height, width), frame)

    @cached_property
    def missing_maps(self) -> set[Pair]:
        """Cases with truth but without a map; none for boxes."""
        if self.boxes is not None:
            return set()
        truth = {(sample.image_id, finding) for sample in self.samples for finding in sample.boxes}
        return truth - self.values.keys()

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings that determine the scores in addition to the data; part of the records' keys."""
        return {
            "external": {
                "entry": self.name,
                "kind": "maps" if self.boxes is None else "boxes",
                "files": json_hash(self.hashes),
                "geometry": self.geometry.declared,
                "missing": self.missing,
            }
        }

    @property
    def about(self) -> str:
        """Paragraph above the tables."""
        if self.boxes is None:
            kind = f"maps, {self.geometry.sentence}"
            absent = "Cases without a map"
            grid = "have the same grid"
        else:
            kind = "boxes"
            absent = "Images without a box"
            grid = "use their own grid"
        handling = HANDLING[self.missing]
        return (
            f"External entry {self.name} ({kind}; {len(self.hashes)} files, hashes in sources.csv). "
            f"Training data as declared: {self.trained_on or 'unknown'}. {absent} {handling}. "
            f"The maps of the baselines {grid}; their scores depend on it."
        )


def read(config: ScoreConfig) -> ExternalEntry:
    """Read the entry that the flags describe. Raises ``LocusError`` for anything that cannot be scored."""
    _check_name(config.entry)
    if (config.maps is None) == (config.boxes is None):
        raise BadValueError("use exactly one of --maps (a folder or a file) and --boxes (a file)")
    data = _load_data(config)
    names = Names([sample.image_id for sample in data], data.findings)
    tables = [Path(file) for file in (config.boxes, config.predictions, config.index) if file]
    geometry = geometry_of(config.alignment) if config.maps else BOX_GEOMETRY
    sources: dict[Pair, MapSource] = {}
    values: dict[Pair, Map | LazyMap] = {}
    boxes: BoxesByCase | None = None
    boxless: list[str] = []
    if config.maps:
        sources = files.find(Path(config.maps), names, config.findings)
        values = read_values(sources, data, geometry, config.missing)
    if config.boxes:
        index = None if config.index is None else Path(config.index)
        frames = {sample.image_id: sample.frame for sample in data}
        boxes = read_boxes(Path(config.boxes), config.box_format, names, frames, index)
        boxless = _boxless(boxes, data, Path(config.boxes), config.missing)
        log_other_boxes(boxes, list(data), Path(config.boxes))
    probabilities = {}
    if config.predictions:
        probabilities = read_probabilities(Path(config.predictions), names)
    map_files = {source.file for source in sources.values()}
    hashes = _hashes(Path(config.maps or "."), sorted(map_files.union(tables)))
    return ExternalEntry(
        name=config.entry,
        data=data,
        values=values,
        boxes=boxes,
        boxless=frozenset(boxless),
        probabilities=probabilities,
        geometry=geometry,
        missing=config.missing,
        hashes=hashes,
        trained_on=config.trained_on,
    )


def _check_name(name: str) -> None:
    """Raise ``BadValueError`` for a missing or invalid name of an entry, or that of a baseline."""
    if not name.strip():
        raise BadValueError(
            "--entry is required: use --entry NAME, the name of these maps or boxes in the tables"
        )
    require_name(name)
    if is_baseline(name):
        raise BadValueError(f"--entry {name!r} is the name of a baseline: choose another name")


def _load_data(config: ScoreConfig) -> Dataset:
    """Load the test images. Raises ``DataError`` if none of them has a truth box."""
    flags = {"img_size": config.img_size, **config.split_arguments(), "leave_out_fold": None}
    data = datasets.load(config.dataset, config.data_root_dir, "test", **flags)
    if not any(sample.boxes for sample in data):
        advice = "check the file of its truth boxes and --partition"
        raise DataError(
            f"no test image of {config.dataset} has a truth box, so nothing can be scored: {advice}"
        )
    return data


def _boxless(boxes: BoxesByCase, data: Dataset, file: Path, missing: Missing) -> list[str]:
    """Return the images with a truth box but without a box; raise ``DataError`` if these are not allowed."""
    with_box = {image for image, _ in boxes}
    with_truth = [sample.image_id for sample in data if sample.boxes]
    boxless = [image for image in with_truth if image not in with_box]
    count = f"{file} has no box for {len(boxless)} of {len(with_truth)} images with a truth box"
    check_missing(boxless, count, missing)
    return boxless


def _hashes(root: Path, entry_files: Sequence[Path]) -> dict[str, str]:
    """Return the name of each file of an entry, relative to ``root`` if it is below it -> its hash."""
    hashes = {}
    for file in entry_files:
        name = file.relative_to(root).as_posix() if root in file.parents else file.name
        hashes[name] = file_hash(file)
    return hashes


def read_probabilities(file: Path, names: Names) -> dict[Pair, float]:
    """Return (image, finding) -> probability in [0,1], from a table with a row per image and a column per finding.

    Raises ``DataError`` for unknown images or findings and invalid numbers.
    """
    table = read_csv(
        file, ("image",), "write a row per image and a column of probabilities per finding"
    )
    images = names.resolve_images(table.pop("image").tolist(), "rows")
    refuse_duplicates(file, pd.Series(images, dtype=str))
    findings = [names.finding(str(heading), str(file)) for heading in table]
    repeated = duplicates(findings)
    if repeated:
        raise DataError(
            f"{file} has several columns of the same finding: {examples(repeated)}; keep one per finding"
        )
    probabilities: dict[Pair, float] = {}
    for finding, heading in zip(findings, table, strict=True):
        values = pd.to_numeric(table[heading], errors="coerce").to_numpy(dtype=np.float64)
        if not ((values >= 0) & (values <= 1)).all():
            problem = f"the column {heading} has values that are not numbers from 0 to 1"
            raise DataError(f"{file}: {problem}: give probabilities, not logits")
        for image, value in zip(images, values.tolist(), strict=True):
            probabilities[image, finding] = value
    return probabilities
