"""An external entry (maps or boxes for a data set), checked completely before anything is scored or written; its cases.

``read`` builds an ``ExternalEntry`` from the flags of ``python -m benchmark.score``. ``EntryCases`` gives the cases of
the entry and of its baselines to the protocols. Files are read in ``maps`` and ``boxes``; ``run`` scores and records.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from locus import datasets
from locus.benchmark.external import boxes, maps
from locus.benchmark.external.boxes import Geometry, Names
from locus.benchmark.external.maps import MAX_CACHED, Map, Pair
from locus.benchmark.maps import strata
from locus.benchmark.maps.baselines import Prior, Truth
from locus.benchmark.maps.cases import make_case
from locus.benchmark.records import Cell
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import NOT_GIVEN, Case, LazyMap
from locus.config import ScoreConfig
from locus.core import files
from locus.core.errors import BadValueError, DataError, NotAvailableError
from locus.core.frames import Grid, conventional
from locus.core.names import CENTER, NOISE, PRIOR, UNRANKED_METHODS, UPPER_BOUND
from locus.core.types import Sample
from locus.datasets.base import Dataset
from locus.methods.center import Center
from locus.methods.noise import Noise


@dataclass(frozen=True)
class ExternalEntry:
    """External maps or boxes, and the data set of their test images."""

    name: str
    data: Dataset
    values: Mapping[Pair, maps.Map | LazyMap]
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
        """Scored images without skipped ones: for maps, the images with boxes; for boxes, all images."""
        skipped = self.boxless if self.missing == "skip" else frozenset()
        return [s for s in self.data if s.image_id not in skipped and (self.boxes is not None or s.boxes)]

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings that determine the scores in addition to the data; part of the records' keys."""
        kind = "maps" if self.boxes is None else "boxes"
        read_as = {"geometry": self.geometry.declared, "missing": self.missing}
        return {"external": {"entry": self.name, "kind": kind, "files": files.json_hash(self.hashes), **read_as}}

    @property
    def about(self) -> str:
        """Paragraph above the tables."""
        kind = f"maps, {self.geometry.sentence}" if self.boxes is None else "boxes"
        trained = self.trained_on or "unknown"
        what = "Cases without a map" if self.boxes is None else "Images without a box"
        handling = {"miss": "count as misses", "skip": "are left out", "error": "are not allowed"}[self.missing]
        grid = "have the grid of these maps" if self.boxes is None else "use their own grid"
        return (
            f"External entry {self.name} ({kind}; {len(self.hashes)} files, hashes in sources.csv). "
            f"Training data as declared: {trained}. {what} {handling}. "
            f"The baselines {grid}; their scores depend on it."
        )


def read(config: ScoreConfig) -> ExternalEntry:
    """Read the entry that the flags describe. Raises ``LocusError`` for anything that cannot be scored."""
    _refuse_name(config)
    data = _data(config)
    names = Names([sample.image_id for sample in data], data.findings)
    where = boxes.of(config.alignment) if config.maps else boxes.NONE
    frames = {sample.image_id: sample.frame for sample in data}
    entry_boxes = boxes.read(Path(config.boxes), config.box_format, names, frames) if config.boxes else None
    boxless: list[str] = []
    if entry_boxes is not None:
        boxed, with_box = [sample.image_id for sample in data if sample.boxes], {image for image, _ in entry_boxes}
        boxless = [image for image in boxed if image not in with_box]
        count = f"{config.boxes} has no box for {len(boxless)} of {len(boxed)} images with a truth box"
        maps.check_missing(boxless, count, config.missing)
    scores = boxes.read_probabilities(Path(config.predictions), names) if config.predictions else {}
    index = None if config.index is None else Path(config.index)
    listed = maps.find(Path(config.maps), names, config.findings, index) if config.maps else {}
    map_values = maps.read_values(listed, data, where, config.missing) if config.maps else {}
    tables = {Path(file) for file in (config.boxes, config.predictions, config.index) if file}
    sources = sorted({one.file for one in listed.values()} | tables)
    root = Path(config.maps or ".")
    file_names = (file.relative_to(root).as_posix() if root in file.parents else file.name for file in sources)
    hashes = dict(zip(file_names, map(files.file_hash, sources), strict=True))
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


ScoredCase = tuple[Sample, str, float]
"""An image, a finding and its label."""
PRIOR_MAPS = Prior()
SIDE = PRIOR_MAPS.side
"""Side of the baselines' maps for entries of boxes, which have no grid."""


@dataclass
class EntryCases:
    """Cases of an entry and its baselines; only one method's cases are cached."""

    entry: ExternalEntry
    _last: dict[str, list[Case]] = field(default_factory=dict, repr=False)

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""
        return self.entry.data.findings

    @cached_property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of a case, for the variables that do not need a classifier."""
        columns = ["training", "split", "image", *(f"{k}_{f}" for f in self.findings for k in ("label", "logit"))]
        return strata.group_labels(self.entry.samples, pd.DataFrame(columns=columns), self.findings)

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises ``NotAvailableError`` if the entry lacks the input of its protocol."""
        if cell.method == self.entry.name:
            self._check(cell.protocol)
        if cell.method not in self._last:
            cases = self._entry() if cell.method == self.entry.name else self._baseline(cell.method)
            self._last = {cell.method: cases}
        return self._last[cell.method]

    def validation(self, cell: Cell) -> list[Case]:
        """Return no cases: external maps are of test images only."""
        return []

    @property
    def n_missing_maps(self) -> int:
        """Number of cases with truth but without a map."""
        pairs = ((sample.image_id, finding) for sample in self.entry.samples for finding in sample.boxes)
        return 0 if self.entry.boxes is not None else sum(pair not in self.entry.values for pair in pairs)

    def _check(self, protocol: str) -> None:
        part, entry = protocols.get(protocol), self.entry
        if entry.boxes is not None and not part.takes_boxes:
            raise NotAvailableError(f"{protocol} scores maps, but this entry has boxes")
        pairs = len(entry.samples) * len(self.findings)
        if entry.boxes is None and part.counts_false_alarms and len(entry.values) < pairs:
            raise NotAvailableError(
                f"{protocol} also needs the maps of findings that an image does not show: {pairs - len(entry.values)} "
                f"of {pairs} maps of the boxed images are missing"
            )
        if entry.boxes is None and part.judges == "confidences" and not entry.probabilities:
            raise NotAvailableError(f"{protocol} ranks boxes by confidence: use --predictions FILE")

    def _entry(self) -> list[Case]:
        cases = (self._case(*pair) for pair in _pairs(self.entry.samples, self.findings))
        return [case for case in cases if case is not None]

    def _case(self, sample: Sample, finding: str, label: float) -> Case | None:
        entry, pair = self.entry, (sample.image_id, finding)
        if entry.boxes is not None:
            boxes = entry.boxes.get(pair, np.zeros((0, 5)))
            return make_case(sample, finding, label, None, "conventional", submitted_boxes=boxes)
        values = entry.values.get(pair)
        if values is None and (finding not in sample.boxes or self._is_skipped(pair)):
            return None
        more = {"probability": entry.probabilities.get(pair), "reason": NOT_GIVEN}
        return make_case(sample, finding, label, values, entry.geometry.grid, **more)

    def _baseline(self, name: str) -> list[Case]:
        samples = [sample for sample in self.entry.samples if sample.boxes]
        probabilities, pairs = self.entry.probabilities, _pairs(samples, self.findings)
        shape, grid = self._shape, self.entry.geometry.on(self._shape)
        if name == PRIOR:
            shape, grid = (SIDE, SIDE), conventional(grid.size, (SIDE, SIDE))
        return [
            make_case(sample, finding, label, values, grid, probability=probabilities.get((sample.image_id, finding)))
            for (sample, finding, label), values in zip(pairs, self._maps(name, samples, grid, shape), strict=True)
            if finding not in sample.boxes or not self._is_skipped((sample.image_id, finding))
        ]

    def _maps(
        self, name: str, samples: Sequence[Sample], grid: Grid, shape: tuple[int, int]
    ) -> Sequence[Map | LazyMap]:
        """Return a baseline's maps of all cases: in memory, or computed on each access if they exceed the limit."""
        fits = len(samples) * len(self.findings) * shape[0] * shape[1] * 4 <= MAX_CACHED
        if name == PRIOR:  # one map per fold and finding, shared by many cases
            fold, means = PRIOR_MAPS.by_fold(samples, self.findings)
            maps = [one for number in fold for one in means[number]]
            return maps if fits else [LazyMap(shape, partial(np.asarray, one)) for one in maps]
        if name == UPPER_BOUND and fits:  # masks are read once per image
            return list(Truth().maps(samples, self.findings, grid, shape)[0].reshape(-1, *shape))
        make = [partial(_baseline_map, name, s, f, grid, shape) for s in samples for f in self.findings]
        return [one() for one in make] if fits else [LazyMap(shape, one) for one in make]

    def _is_skipped(self, pair: tuple[str, str]) -> bool:
        """Return True if a case with truth is excluded from all rows because it has no map."""
        entry = self.entry
        return entry.boxes is None and entry.missing == "skip" and pair not in entry.values

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Most frequent shape (h, w) of the maps."""
        shapes = Counter((values.shape[0], values.shape[1]) for values in self.entry.values.values())
        return shapes.most_common(1)[0][0] if shapes else (SIDE, SIDE)


def _baseline_map(name: str, sample: Sample, finding: str, grid: Grid, shape: tuple[int, int]) -> Map:
    """Return a baseline's map of one case, with the ``grid`` and ``shape`` (h, w) of the external maps."""
    if name == CENTER:
        return Center().gaussian(grid, shape).numpy()
    if name == NOISE:
        return Noise().draw(sample.image_id, finding, shape)
    return Truth().maps([sample], [finding], grid, shape)[0][0, 0]


def _pairs(samples: Sequence[Sample], findings: Sequence[str]) -> list[ScoredCase]:
    """Return all pairs of image and finding with their labels."""
    return [(s, f, label) for s in samples for f, label in zip(findings, s.labels.tolist(), strict=True)]
