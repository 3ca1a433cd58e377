"""Validity checks: what a score depends on. They compute records; a report beside them makes tables of these.

``Check``       base class: the networks of a check, their maps and images
``compare``     scores several variants (networks, placements) on the same cases, by hits and paired differences
``Protocols``   every case scored under every rule of the field: a protocol with a metric, a source of the score
    threshold and a placement of the maps. It writes one column per rule and one per trait of the maps
``Randomised``  the change of maps if weights are replaced by random ones, from the head down. ``parts`` splits a
    network, and ``reinitialise`` returns a training run with random weights in its first parts

A check changes the network, the images or the conventions of scoring, explains and scores again, and compares. These
are no checks of a user's input: see ``locus.benchmark.check`` (before use) and ``locus.benchmark.explain``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.stats import rankdata
from tqdm import tqdm

from locus.backbones import Classifier
from locus.backbones.layers import path
from locus.benchmark.maps.cases import CaseStore, make_cases
from locus.benchmark.maps.generate import StoredMapsByMethod, load_or_generate, requests_of
from locus.benchmark.maps.runs import ModelRun, convert_run, select_samples, untrained
from locus.benchmark.maps.store import StoredMaps
from locus.benchmark.records import Cell
from locus.benchmark.scoring.protocols.base import Case, Result, case_index, failures, finite_map, rows, with_truth
from locus.benchmark.scoring.protocols.single_box import IOU, SingleBox
from locus.benchmark.scoring.rules import placed_rules, pooled_rules, rule_values, scored, traits
from locus.benchmark.scoring.statistics.summary import Column, difference, estimate, scores
from locus.config import EngineFlags
from locus.core.errors import LocusError
from locus.core.names import MAIN
from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray, Sample

TRAINED = "trained"
"""Label of unchanged networks in metric names, and folder of their maps."""
MEASURES: Mapping[tuple[str, ThresholdSource], str] = {
    (MAIN, "cross-fitted"): "hit",
    (MAIN, "fixed"): "fixed",
    ("pointing", "none"): "pointing",
}
"""Metric and source of its threshold -> column of the rows; ``fixed`` is a hit at the threshold .5."""
REST = "last stage"
"""Name of the part after the last level; its output is pooled."""


@dataclass(frozen=True)
class RunOnSubset(ModelRun):
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

    trained: Sequence[ModelRun]
    methods: Sequence[str]
    """Methods that can be evaluated."""
    folder: Path
    flags: EngineFlags
    max_images: int | None
    """Number of boxed images to use; None: all."""
    _maps: dict[str, StoredMapsByMethod] = field(default_factory=dict, init=False, repr=False)
    name: ClassVar[str]

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

    def cases(self, method: str, runs: Sequence[ModelRun] | None = None, label: str = TRAINED) -> list[Case]:
        """Return the cases of a method with aligned maps; ``label`` names the maps of ``runs``: one per set of runs."""
        runs = self.runs if runs is None else runs
        return make_cases(runs, self.maps(method, runs, label), "aligned")

    def maps(self, method: str, runs: Sequence[ModelRun], label: str = TRAINED) -> StoredMaps:
        """Return the stored maps of a method. Raises the stored error if there are none."""
        if label not in self._maps:
            requests, broken = requests_of(runs, self.methods, self.folder / self.name / label)
            self._maps[label] = broken | load_or_generate(requests, self.flags)
        maps = self._maps[label][method]
        if isinstance(maps, LocusError):
            raise maps
        return maps


def subset_runs(trained: Sequence[ModelRun], samples: Sequence[Sample]) -> list[RunOnSubset]:
    """Restrict the explained images of each training run to ``samples``."""
    image_ids = frozenset(sample.image_id for sample in samples)
    return [convert_run(run, RunOnSubset, image_ids=image_ids) for run in trained]


def compare(
    variants: Mapping[str, Sequence[Case]], findings: Sequence[str], seed: int, more: Sequence[Column] = ()
) -> Result:
    """Compare variants by ``single_box``'s ``hit@iou.3`` (thresholds cross-fitted or .5, per variant) and ``pointing``.

    Scores are ``METRIC@VARIANT`` for every variant, then ``change@METRIC@VARIANT`` = variant − first, paired by
    patient, per finding and mean, with BCa intervals; rows are per variant and case.

    All variants have the same cases in the same order. Cases without truth are left out. ``more``: further columns over
    the remaining cases.
    """
    with_boxes = {name: with_truth(cases) for name, cases in variants.items()}
    bar = tqdm(with_boxes.items(), desc="score variants", unit="variant", leave=False, disable=None)
    results = {name: SingleBox().evaluate(cases, findings, seed) for name, cases in bar}
    by_case = {name: [_row(name, row) for row in result.rows] for name, result in results.items()}
    first, *others = by_case
    columns = [
        Column(
            f"{metric}@{name}",
            threshold_source,
            np.array([row[column] for row in part], np.float64),
            np.ones(len(part)),
        )
        for (metric, threshold_source), column in MEASURES.items()
        for name, part in by_case.items()
    ]
    estimates = estimate([*columns, *more], case_index(with_boxes[first]), findings, seed)
    by_key = {(e.metric, e.threshold_source): e for e in estimates}
    pairs = [
        (f"{metric}@{name}", f"{metric}@{first}", threshold_source)
        for metric, threshold_source in MEASURES
        for name in others
    ]
    changes = [difference(by_key[other, at], by_key[start, at], f"change@{other}") for other, start, at in pairs]
    failed = [one for result in results.values() for one in result.failed]
    together = [row for part in by_case.values() for row in part]
    return Result(scores([*estimates, *changes], findings), together, {}, list(dict.fromkeys(failed)))


def _row(variant: str, row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("image", "patient", "finding", "reason", "threshold", "x0", "y0", "x1", "y1", "iou")
    base = {name: row[name] for name in names}
    return {"variant": variant, **base, "hit": row[MAIN], "fixed": row["iou_fixed"] > IOU, "pointing": row["pointing"]}


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


class Randomised(Check):
    """Compare the maps of the trained network with those of networks randomised part by part, from the head down.

    ``rho@PART`` is Spearman's rank correlation over the h×w positions, mean over cases, between the maps of the trained
    network and of the network randomised from the head down to PART; ``rho_abs@PART`` that of absolute values. A case
    with a constant map has no correlation and is excluded. ``hit@iou.3@PART`` and ``pointing@PART`` are scores of the
    randomised network, ``change@…`` their differences from the trained network. Adebayo et al., "Sanity checks for
    saliency maps", NeurIPS 2018, section 3.
    """

    name = "randomised"

    def evaluate(self, method: str, seed: int) -> Result:
        """Evaluate all randomisation steps for one method."""
        variants = {TRAINED: self.cases(method)}
        for depth, part in enumerate(part_names(self.runs[0]), start=1):
            variants[part] = self.cases(method, [reinitialise(run, depth) for run in self.runs], f"randomised-{depth}")
        drawn = list(variants)[1:]
        correlations = [column for part in drawn for column in _columns(part, variants[TRAINED], variants[part])]
        return compare(variants, self.findings, seed, correlations)


def _columns(part: str, first: Sequence[Case], second: Sequence[Case]) -> list[Column]:
    pairs = [(_values(one), _values(two)) for one, two in zip(with_truth(first), with_truth(second), strict=True)]
    plain = np.array([spearman(one, two) for one, two in pairs])
    sizes = np.array([spearman(np.abs(one), np.abs(two)) for one, two in pairs])
    metrics = {f"rho@{part}": plain, f"rho_abs@{part}": sizes}
    return [Column(m, "none", np.nan_to_num(rho), np.isfinite(rho).astype(np.float64)) for m, rho in metrics.items()]


def _values(case: Case) -> FloatArray:
    values, _ = finite_map(case)
    return np.full(1, np.nan) if values is None else values.ravel()


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Return the rank correlation of two maps; nan if one is constant or the shapes differ.

    >>> spearman(np.array([1.0, 2, 3]), np.array([10.0, 100, 1000]))
    1.0
    """
    if first.shape != second.shape or np.isnan([first.sum(), second.sum()]).any():
        return float("nan")
    one, two = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum() / scale) if scale else float("nan")


@dataclass(frozen=True)
class PartlyReinitialised(RunOnSubset):
    """A training run with the first ``depth`` parts, counted from the head, reinitialised.

    All steps use the weights and batch norm statistics of one randomly initialised network, so a deeper step keeps the
    random weights of a shallower one.
    """

    depth: int = 0

    @property
    def digest(self) -> str:
        """Description of the weights: those of the training run and the number of reinitialised parts."""
        return f"{super().digest}, {self.depth} parts as in {untrained(self).digest}"

    def model(self, device: str) -> Classifier:
        """Return the network, in evaluation mode on ``device``."""
        trained, drawn = super().model(device), untrained(self).model(device).state_dict()
        anew = {key for _, keys in parts(trained)[: self.depth] for key in keys}
        state = trained.state_dict()
        trained.load_state_dict({key: drawn[key] if key in anew else value for key, value in state.items()})
        return trained


def parts(model: Classifier) -> list[tuple[str, tuple[str, ...]]]:
    """Split the network into parts from the head down: names with disjoint entries of ``state_dict``.

    The network is cut after the layers ``model.layer_names``, in the order of its modules. A part has the name of the
    layer at its end. ``last stage`` follows the last of them. An attention module is a separate part.
    """
    index = {name: n for n, (name, _) in enumerate(model.named_modules())}
    layers = model.layer_names
    ends = {layer: max(n for name, n in index.items() if _within(name, path(model, layer))) for layer in layers}
    keys: dict[str, list[str]] = {}
    for key in model.state_dict():
        owner = key.rpartition(".")[0]
        top = owner.split(".")[0]
        name = top if top != "extractor" else next((layer for layer, end in ends.items() if index[owner] <= end), REST)
        keys.setdefault(name, []).append(key)
    order = ["head", "attention", REST, *reversed(layers)]
    return [(name, tuple(keys[name])) for name in order if name in keys]


def _within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def part_names(run: RunOnSubset) -> tuple[str, ...]:
    """Return the names of the parts of a training run's network, from the head down.

    ``reinitialise`` counts the same way: depth 1 is the head only.
    """
    return tuple(name for name, _ in parts(untrained(run).model("cpu")))


def reinitialise(run: RunOnSubset, depth: int) -> PartlyReinitialised:
    """Return a training run with the weights of the network's first ``depth`` parts reinitialised.

    Cascading randomisation from the head down: Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    return convert_run(run, PartlyReinitialised, image_ids=run.image_ids, depth=depth)


CHECK_OF_NAME: dict[str, type[Check]] = {check.name: check for check in (Protocols, Randomised)}
"""Name -> check."""
