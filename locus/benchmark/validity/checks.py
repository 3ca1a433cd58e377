"""Validity checks: what a score depends on. They compute records; a report beside them makes tables of these.

``Check``      base class: the networks of a check, their maps and images
``Protocols``  every case scored under every rule of the field: a protocol with a metric, a source of the score
    threshold and a placement of the maps. It writes one column per rule and one per trait of the maps

The check ``controls`` is in ``locus.benchmark.validity.controls``. These are no checks of a user's input: see
``locus.benchmark.check`` (before use) and ``locus.benchmark.explain``.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from locus.benchmark.maps.cases import CaseStore, make_cases
from locus.benchmark.maps.generate import StoredMapsByMethod, load_or_generate, requests_of
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.maps.store import StoredMaps
from locus.benchmark.records import Cell
from locus.benchmark.scoring.protocols.base import Case, Result, case_index, failures, rows, with_truth
from locus.benchmark.scoring.rules import placed_rules, pooled_rules, rule_values, scored, traits
from locus.benchmark.scoring.statistics.summary import Column, estimate, scores
from locus.config import EngineFlags
from locus.core.errors import LocusError
from locus.core.scores import Score

TRAINED = "trained"
"""Folder of the maps of the networks as they are."""


@dataclass(eq=False)
class Check(ABC):
    """Base class of the checks of one model's maps. A subclass sets ``name`` and defines ``evaluate``.

    See docs/validity.md.

    Maps of all ``methods`` are generated on first access, with shared forward passes, and stored in the check's folder
    in ``folder``.
    """

    trained: Sequence[ModelRun]
    methods: Sequence[str]
    """Methods that can be evaluated."""
    folder: Path
    flags: EngineFlags
    max_images: int | None
    """Number of boxed images to use; None: all."""
    _maps: dict[str, StoredMapsByMethod] = field(default_factory=dict, init=False, repr=False)
    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()
    """Protocols whose maps are enough: slow methods explain only the findings that these read. Empty: all findings."""

    @abstractmethod
    def evaluate(self, method: str, seed: int) -> Result:
        """Return the check's result for a method. Raises the stored error if the method has no maps."""

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings of the data set."""
        return self.trained[0].data.findings

    @cached_property
    def runs(self) -> list[ModelRun]:
        """The training runs, restricted to the images that are used."""
        return self.restricted(self.trained)

    def restricted(self, runs: Sequence[ModelRun]) -> list[ModelRun]:
        """Restrict the explained images of ``runs`` to the number that the check uses."""
        if self.max_images is None:
            return [*runs]
        image_ids = frozenset(sample.image_id for sample in select_samples(runs, self.max_images))
        return [replace(run, image_ids=image_ids) for run in runs]

    def cases(self, method: str, runs: Sequence[ModelRun], label: str = TRAINED) -> list[Case]:
        """Return the cases of a method with aligned maps; ``label`` names the maps of ``runs``: one per set of runs."""
        return make_cases(runs, self.maps(method, runs, label), "aligned")

    def maps(self, method: str, runs: Sequence[ModelRun], label: str = TRAINED) -> StoredMaps:
        """Return the stored maps of a method. Raises the stored error if there are none."""
        if label not in self._maps:
            folder = self.folder / self.name / label
            requests, broken = requests_of(runs, self.methods, folder, protocols=self.reads)
            self._maps[label] = broken | load_or_generate(requests, self.flags)
        maps = self._maps[label][method]
        if isinstance(maps, LocusError):
            raise maps
        return maps


class Protocols(Check):
    """Score the maps of a method under every rule: at least one of each protocol.

    Most rules are a share of hits; ``IoU``, ``mask IoU``, ``energy`` and ``PxAP`` are means. Wang's rule counts a case
    if any box hits; the original counts truth boxes. For average precision and FROC, the negatives of a finding are the
    images with a box of another finding.
    """

    name = "protocols"

    def evaluate(self, method: str, seed: int) -> Result:
        """Return the score under each rule, and a row per case with a column per rule and trait."""
        maps = self.maps(method, self.runs)
        rated = CaseStore(self.runs, {method: maps}).cases(Cell(dataset="", method=method, alignment="aligned"))
        cases, plain = with_truth(rated), with_truth(make_cases(self.runs, maps, "conventional"))
        columns_of, placed = (scored(part, self.findings, seed) for part in (cases, plain))
        values = {**rule_values(columns_of), **placed_rules(placed("single_box"))}
        known = {rule: np.isfinite(column).astype(np.float64) for rule, column in values.items()}
        columns = [Column(rule, "none", np.nan_to_num(column), known[rule]) for rule, column in values.items()]
        by_rule = scores(estimate(columns, case_index(cases), self.findings, seed), self.findings)
        pooled = pooled_rules(rated, self.findings, seed)
        without = {rule: np.array([of[case.patient_id] for case in cases]) for rule, (_, of) in pooled.items()}
        reasons = [case.load_surface[1] for case in cases]
        table = rows(cases, reasons, {**values, **without, **traits(cases, columns_of("single_box"))})
        totals = [Score("mean", rule, value, n=len(cases)) for rule, (value, _) in pooled.items()]
        return Result([*by_rule, *totals], table, {}, failures(cases, reasons))
