"""Base class of the validity checks: the networks of a check, their maps and images; and ``compare``.

A validity check asks what a score depends on. It changes the network, the images or the conventions of scoring,
explains and scores again, and compares. ``compare`` scores several variants (networks, placements, pictures) on the
same cases, by hits and paired differences. Validity checks do not check a user's input: that is
``locus.benchmark.check`` (before use) and ``locus.benchmark.explain.batch`` (while explaining).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

from locus.benchmark.maps.cases import make_cases
from locus.benchmark.maps.generate import StoredMapsByMethod, load_or_generate, requests_of
from locus.benchmark.maps.runs import TrainingRun, convert_run, select_samples
from locus.benchmark.maps.store import StoredMaps
from locus.benchmark.scoring.protocols.base import Case, Result, case_index, with_truth
from locus.benchmark.scoring.protocols.locus import IOU, Locus
from locus.benchmark.scoring.statistics.summary import Column, difference, estimate, scores
from locus.config import EngineFlags
from locus.core.errors import LocusError
from locus.core.names import MAIN
from locus.core.scores import Origin
from locus.core.types import Sample

TRAINED = "trained"
"""Label of unchanged networks in metric names, and folder of their maps."""
MEASURES: Mapping[tuple[str, Origin], str] = {
    (MAIN, "cross-fitted"): "hit",
    (MAIN, "fixed"): "fixed",
    ("pointing", "none"): "pointing",
}
"""Metric and origin of its threshold -> column of the rows; ``fixed`` is a hit at the threshold .5."""


@dataclass(frozen=True)
class RunOnSubset(TrainingRun):
    """A training run of which only a subset of the test images is explained. Its training is not affected."""

    image_ids: frozenset[str] = frozenset()
    """Names of these images."""

    @cached_property
    def scorable_images(self) -> list[Sample]:
        """The images of the subset that have a truth box."""
        return [sample for sample in self.data if sample.boxes and sample.image_id in self.image_ids]


@dataclass(eq=False)
class Check(ABC):
    """Base class of the checks of one model's maps. A subclass sets ``name`` and defines ``evaluate``.

    See docs/validity.md.

    Maps of all ``methods`` are generated on first access, with shared forward passes, and stored in the check's folder
    in ``folder``.
    """

    trained: Sequence[TrainingRun]
    methods: Sequence[str]
    """Methods that can be evaluated."""
    folder: Path
    flags: EngineFlags
    max_images: int | None
    """Number of boxed images to use; None: all."""
    _maps: dict[str, StoredMapsByMethod] = field(default_factory=dict, init=False, repr=False)
    name: ClassVar[str]
    settings: ClassVar[Mapping[str, str]] = {}
    """Settings of the check, shown in its records and above its tables."""

    @abstractmethod
    def evaluate(self, method: str, seed: int) -> Result:
        """Return the check's result for a method. Raises the stored error if the method has no maps."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings of the data set."""
        return self.trained[0].data.findings

    @cached_property
    def runs(self) -> list[RunOnSubset]:
        """The training runs, restricted to the images that are used."""
        return subset_runs(self.trained, select_samples(self.trained, self.max_images))

    def cases(self, method: str, runs: Sequence[TrainingRun] | None = None, label: str = TRAINED) -> list[Case]:
        """Return the cases of a method with aligned maps; ``label`` names the maps of ``runs``: one per set of runs."""
        runs = self.runs if runs is None else runs
        return make_cases(runs, self.maps(method, runs, label), "aligned")

    def maps(self, method: str, runs: Sequence[TrainingRun], label: str = TRAINED) -> StoredMaps:
        """Return the stored maps of a method. Raises the stored error if there are none."""
        if label not in self._maps:
            requests, broken = requests_of(runs, self.methods, self.folder / self.name / label)
            self._maps[label] = broken | load_or_generate(requests, self.flags)
        maps = self._maps[label][method]
        if isinstance(maps, LocusError):
            raise maps
        return maps


def subset_runs(trained: Sequence[TrainingRun], samples: Sequence[Sample]) -> list[RunOnSubset]:
    """Restrict the explained images of each training run to ``samples``."""
    image_ids = frozenset(sample.image_id for sample in samples)
    return [convert_run(run, RunOnSubset, image_ids=image_ids) for run in trained]


def compare(
    variants: Mapping[str, Sequence[Case]], findings: Sequence[str], seed: int, more: Sequence[Column] = ()
) -> Result:
    """Compare variants by ``locus``'s ``hit@iou.3`` (thresholds cross-fitted or .5, per variant) and ``pointing``.

    Scores are ``METRIC@VARIANT`` for every variant, then ``change@METRIC@VARIANT`` = variant − first, paired by
    patient, per finding and mean, with BCa intervals; rows are per variant and case.

    All variants have the same cases in the same order. Cases without truth are left out. ``more``: further columns over
    the remaining cases.
    """
    with_boxes = {name: with_truth(cases) for name, cases in variants.items()}
    bar = tqdm(with_boxes.items(), desc="score variants", unit="variant", leave=False, disable=None)
    results = {name: Locus().evaluate(cases, findings, seed) for name, cases in bar}
    rows = {name: [_row(name, row) for row in result.rows] for name, result in results.items()}
    first, *others = rows
    columns = [
        Column(f"{metric}@{name}", origin, np.array([row[column] for row in part], np.float64), np.ones(len(part)))
        for (metric, origin), column in MEASURES.items()
        for name, part in rows.items()
    ]
    estimates = estimate([*columns, *more], case_index(with_boxes[first]), findings, seed)
    by_key = {(e.metric, e.origin): e for e in estimates}
    pairs = [(f"{metric}@{name}", f"{metric}@{first}", origin) for metric, origin in MEASURES for name in others]
    changes = [difference(by_key[other, at], by_key[start, at], f"change@{other}") for other, start, at in pairs]
    failed = [one for result in results.values() for one in result.failed]
    together = [row for part in rows.values() for row in part]
    return Result(scores([*estimates, *changes], findings), together, {}, list(dict.fromkeys(failed)))


def _row(variant: str, row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("image", "patient", "finding", "reason", "threshold", "x0", "y0", "x1", "y1", "iou")
    base = {name: row[name] for name in names}
    return {"variant": variant, **base, "hit": row[MAIN], "fixed": row["iou_fixed"] > IOU, "pointing": row["pointing"]}
