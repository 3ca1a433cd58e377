"""An external entry (maps or boxes for a data set), checked completely before anything is scored or written.

``read`` builds an ``ExternalEntry`` from the flags of ``python -m benchmark.score``. Files are read in ``files`` and
``boxes``; ``external`` scores the entry and its baselines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from locus import datasets
from locus.benchmark.evaluation import boxes, files
from locus.benchmark.evaluation.arrays import Answers, Pair
from locus.benchmark.evaluation.boxes import Geometry
from locus.benchmark.scoring.protocols.base import LazyMap
from locus.config import ScoreConfig
from locus.core.errors import BadValueError, DataError
from locus.core.files import file_hash, json_hash
from locus.core.names import UNRANKED_METHODS
from locus.core.types import Sample
from locus.datasets.base import Dataset
from locus.datasets.io.annotations import Names


@dataclass(frozen=True)
class ExternalEntry:
    """External maps or boxes, and the data set of their test images."""

    name: str
    data: Dataset
    values: Mapping[Pair, files.Map | LazyMap]
    """(image, finding) -> (h,w) map; empty for boxes."""
    boxes: boxes.BoxesByCase | None
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
        skipped = self.boxless if self.missing == "skip" else frozenset()
        scored = {image for image, _ in self.values}
        every = self.boxes is not None
        return [s for s in self.data if s.image_id not in skipped and (every or s.boxes or s.image_id in scored)]

    @cached_property
    def answers(self) -> Answers:
        """Cases of the entry: all pairs of image and finding; for maps, only with a map or a counted miss."""
        pairs = [(sample.image_id, finding) for sample in self.samples for finding in self.data.findings]
        if self.boxes is None:
            missed = self.missing_maps if self.missing != "skip" else set()
            pairs = [pair for pair in pairs if pair in self.values or pair in missed]
        samples = {sample.image_id: sample for sample in self.samples}
        of_maps = dict.fromkeys(pairs, self.geometry.grid)
        return Answers(samples, self.data.findings, pairs, of_maps, self.values, self.boxes, self.probabilities)

    @cached_property
    def missing_maps(self) -> set[Pair]:
        """Cases with truth but without a map; none for boxes."""
        truth = {(sample.image_id, finding) for sample in self.samples for finding in sample.boxes}
        return truth - self.values.keys() if self.boxes is None else set()

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings that determine the scores in addition to the data; part of the records' keys."""
        kind = "maps" if self.boxes is None else "boxes"
        read_as = {"geometry": self.geometry.declared, "missing": self.missing}
        return {"external": {"entry": self.name, "kind": kind, "files": json_hash(self.hashes), **read_as}}

    @property
    def about(self) -> str:
        """Paragraph above the tables."""
        kind = f"maps, {self.geometry.sentence}" if self.boxes is None else "boxes"
        trained = self.trained_on or "unknown"
        what = "Cases without a map" if self.boxes is None else "Images without a box"
        handling = {"miss": "count as misses", "skip": "are left out", "error": "are not allowed"}[self.missing]
        grid = "have the same grid" if self.boxes is None else "use their own grid"
        return (
            f"External entry {self.name} ({kind}; {len(self.hashes)} files, hashes in sources.csv). "
            f"Training data as declared: {trained}. {what} {handling}. "
            f"The maps of the baselines {grid}; their scores depend on it."
        )


def read(config: ScoreConfig) -> ExternalEntry:
    """Read the entry that the flags describe. Raises ``LocusError`` for anything that cannot be scored."""
    _refuse_name(config)
    data = _data(config)
    names = Names([sample.image_id for sample in data], data.findings)
    where = boxes.of(config.alignment) if config.maps else boxes.BOX_GEOMETRY
    frames = {sample.image_id: sample.frame for sample in data}
    index = None if config.index is None else Path(config.index)
    entry_boxes = boxes.read(Path(config.boxes), config.box_format, names, frames, index) if config.boxes else None
    boxless: list[str] = []
    if entry_boxes is not None:
        boxed, with_box = [sample.image_id for sample in data if sample.boxes], {image for image, _ in entry_boxes}
        boxless = [image for image in boxed if image not in with_box]
        count = f"{config.boxes} has no box for {len(boxless)} of {len(boxed)} images with a truth box"
        files.check_missing(boxless, count, config.missing)
        boxes.log_other_frame(entry_boxes, list(data), Path(str(config.boxes)))
    scores = boxes.read_probabilities(Path(config.predictions), names) if config.predictions else {}
    listed = files.find(Path(config.maps), names, config.findings) if config.maps else {}
    map_values = files.read_values(listed, data, where, config.missing) if config.maps else {}
    tables = {Path(file) for file in (config.boxes, config.predictions, config.index) if file}
    sources = sorted({one.file for one in listed.values()} | tables)
    root = Path(config.maps or ".")
    file_names = (file.relative_to(root).as_posix() if root in file.parents else file.name for file in sources)
    hashes = dict(zip(file_names, map(file_hash, sources), strict=True))
    stated = where, config.missing, hashes, config.trained_on
    return ExternalEntry(config.entry, data, map_values, entry_boxes, frozenset(boxless), scores, *stated)


def _refuse_name(config: ScoreConfig) -> None:
    if not config.entry.strip():
        raise BadValueError("--entry is required: use --entry NAME, the name of these maps or boxes in the tables")
    if config.entry in UNRANKED_METHODS:
        raise BadValueError(f"--entry {config.entry!r} is the name of a baseline: choose another name")
    if (config.maps is None) == (config.boxes is None):
        raise BadValueError("use exactly one of --maps (a folder or a file) and --boxes (a file)")


def _data(config: ScoreConfig) -> Dataset:
    flags = {
        "root": config.data_root_dir,
        "img_size": config.img_size,
        **config.split_arguments(),
        "leave_out_fold": None,
    }
    data = datasets.load(config.dataset, split="test", **flags)
    if not any(sample.boxes for sample in data):
        advice = "check the file of its truth boxes and --partition"
        raise DataError(f"no test image of {config.dataset} has a truth box, so nothing can be scored: {advice}")
    return data
