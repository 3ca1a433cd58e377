"""The check ``controls``: controlled experiments in which it is known what a network sees and what it uses.

``class``     on an image with two findings, whether the map of the other finding hits the box as often
``use``       the finding's pixels are taken away in the order of the map: the same radiograph without it is known
``shortcut``  whether the map is highest at a marker that goes with the finding in training
``weights``   how far the map agrees with that of the same network with random weights

docs/validity.md has the formulas. Images without a finding and markers are known for the data set ``implanted`` only;
on others the check answers ``class`` and ``weights``.
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from locus.backbones import Classifier
from locus.benchmark.checks.base import Check
from locus.benchmark.checks.controls_report import ControlsReport
from locus.benchmark.maps.runs import ModelRun
from locus.core.frames import as_boxes, resample, resize_image, resolve
from locus.core.names import MAIN, MAIN_PROTOCOL, PRIOR, UPPER_BOUND
from locus.core.scores import Score, ThresholdSource
from locus.core.types import FloatArray, Sample, generator
from locus.datasets.implanted import MARKER, Implanted
from locus.datasets.io import transforms
from locus.scoring.protocols.base import (
    Case,
    Result,
    case_index,
    failures,
    finite_map,
    rows,
    with_truth,
)
from locus.scoring.protocols.pointing import Pointing
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.statistics.summary import Column, difference, estimate, scores

Mask = NDArray[np.bool_]
AREAS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of the image whose pixels are exchanged. For a finding that changes a larger share than the last one, they are
scaled so that the last one is that share."""
AROUND = 0.05
"""Distance from the marker at which a maximum counts as on it, as a share of the image side."""
MARKED_FINDING = "Pneumothorax"
"""Finding that the marker belongs to in tests of networks without a shortcut: its own pixels are few, and do not look
like the marker, which is a letter."""
BATCH = 64
"""Images in a forward pass."""
UNTRAINED = "requires a network that was trained with the marker here"
NOT_DRAWN = "requires the same image without the finding: use the data set implanted"


@dataclass(frozen=True)
class MarkedRun(ModelRun):
    """A training run on the test images that have a marker; the truth of the finding is a box around the marker."""

    @cached_property
    def scorable_images(self) -> list[Sample]:
        """The images with a marker."""
        samples = []
        for sample in self.data:
            is_used = self.image_ids is None or sample.image_id in self.image_ids
            if MARKER in sample.meta and is_used:
                boxes = {self.data.describe[MARKER]: _around(sample)}
                samples.append(replace(sample, boxes=boxes, read_masks=None))
        return samples


def _around(sample: Sample) -> FloatArray:
    """Return the box (1,4) in which a maximum counts as on the marker."""
    height, width = sample.frame
    x0, y0, x1, y1 = sample.meta[MARKER]
    dx = AROUND * width
    dy = AROUND * height
    return as_boxes([[max(x0 - dx, 0), max(y0 - dy, 0), min(x1 + dx, width), min(y1 + dy, height)]])


@dataclass(eq=False)
class Pair:
    """An image with a finding and the same one without it, on the network's input, and logits of mixtures of both."""

    image: NDArray[np.uint8]
    """(S,S)."""
    without: NDArray[np.uint8]
    """(S,S)."""
    logits: dict[bytes, float] = field(default_factory=dict)
    """Digest of the pixels taken from ``without`` -> the finding's logit."""

    @cached_property
    def changed(self) -> Mask:
        """(S·S,) pixels in which the two differ."""
        return (self.image != self.without).ravel()

    def mixed(self, mask: Mask) -> NDArray[np.uint8]:
        """Return the image with the pixels of a ``mask`` (S·S,) from the image without the finding."""
        return np.where(mask.reshape(self.image.shape), self.without, self.image)


class Controls(Check):
    """Score a method by hits, and by the answers to the questions of the module.

    ``use`` and ``sufficiency`` are sums over cases divided by the sum of the logits' falls, so a finding that the
    network does not see does not count. ``swap`` and ``own`` are hits on images with several findings, each with its
    own score thresholds, chosen on other patients; ``class`` is their difference.
    """

    name = "controls"
    report = ControlsReport
    reads = (MAIN_PROTOCOL,)

    def evaluate(self, method: str, seed: int) -> Result:
        """Return the scores, and a row per case with all values; those of the marker are in rows of its finding."""
        all_cases = self.cases(method, self.runs)
        cases = with_truth(all_cases)
        values = {
            MAIN: _hits(all_cases, self.findings, seed),
            **self._classes(cases, seed),
            "weights": self._weights(method, cases),
            **self._use(method, cases),
        }
        estimates = estimate([*_columns(values, cases)], case_index(cases), self.findings, seed)
        by_metric = {metric_estimate.metric: metric_estimate for metric_estimate in estimates}
        gap = difference(by_metric["own"], by_metric["swap"], "class")
        answers = scores([*estimates, gap], self.findings)
        for name in ("use", "sufficiency"):
            if name not in values:
                answers.append(Score("mean", name, reason=NOT_DRAWN))
        of_marker = self._marker(method, seed)
        reasons = [case.load_surface[1] for case in cases]
        return Result(
            scores=[*answers, *of_marker.scores],
            rows=_joined(rows(cases, reasons, values), of_marker.rows),
            failed=failures(cases, reasons),
        )

    def _classes(self, cases: Sequence[Case], seed: int) -> dict[str, FloatArray]:
        """Return hits (N,) by a finding's own map and by that of another finding of the image; nan if it has none."""
        partner_of = _other_findings(cases)
        with_partner = sorted(partner_of)
        values = {"own": np.full(len(cases), np.nan), "swap": np.full(len(cases), np.nan)}
        if not with_partner:
            return values
        with_own_map = [cases[n] for n in with_partner]
        partners = [cases[partner_of[n]] for n in with_partner]
        swapped = [
            replace(case, map=partner.map, reason=partner.reason)
            for case, partner in zip(with_own_map, partners, strict=True)
        ]
        values["own"][with_partner] = _hits(with_own_map, self.findings, seed)
        values["swap"][with_partner] = _hits(swapped, self.findings, seed)
        return values

    def _weights(self, method: str, cases: Sequence[Case]) -> FloatArray:
        """Return the rank correlation (N,) of each map with that of the network with random weights."""
        random_cases = with_truth(self.cases(method, self._random, "random"))
        pairs = zip(cases, random_cases, strict=True)
        return np.array(
            [spearman(_raveled_map(case), _raveled_map(random_case)) for case, random_case in pairs]
        )

    @cached_property
    def _random(self) -> list[ModelRun]:
        """The training runs with random weights."""
        return [replace(run, random_weights=True) for run in self.runs]

    def _use(self, method: str, cases: Sequence[Case]) -> dict[str, FloatArray]:
        """Return ``fall`` (N,), the logit minus that without the finding, and the areas under both curves (N,).

        The areas, ``use`` and ``sufficiency``, are differences of logits, too: they are not divided by ``fall``.
        """
        if any(sample.read_without is None for run in self.runs for sample in run.scorable_images):
            return {}
        pairs = [self._pairs[case.training, case.image_id, case.finding] for case in cases]
        masks = []
        for case, pair in zip(cases, pairs, strict=True):
            nothing = np.zeros_like(pair.changed)
            tops = _highest_changed(pair, _order(method, case, pair))
            rests = pair.changed & ~tops
            masks.append(np.stack([nothing, pair.changed, *tops, *rests]))
        logits = self._logits(cases, pairs, masks)
        # columns in the order of the masks: one, one, one per area, one per area
        ends = (1, 2, 2 + len(AREAS))
        with_finding, without_finding, without_tops, without_rests = np.split(logits, ends, axis=1)
        return {
            "fall": (with_finding - without_finding)[:, 0],
            "use": (with_finding - without_tops).mean(1),
            "sufficiency": (without_rests - without_finding).mean(1),
        }

    @cached_property
    def _pairs(self) -> dict[tuple[int, str, str], Pair]:
        """Training run, image and finding -> its pair of images."""
        pairs = {}
        for n, run in enumerate(self.runs):
            for sample, image in zip(run.scorable_images, run.pixels, strict=True):
                for finding in sample.boxes:
                    without = resize_image(
                        sample.without(finding), (image.shape[0], image.shape[1])
                    )
                    pairs[n, sample.image_id, finding] = Pair(image, without)
        return pairs

    @cached_property
    def _networks(self) -> list[Classifier]:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return [
            run.model(device).to(memory_format=torch.channels_last) for run in self.runs
        ]  # a third faster

    def _logits(
        self, cases: Sequence[Case], pairs: Sequence[Pair], masks: Sequence[Mask]
    ) -> FloatArray:
        """Return the logits (N,M) of each case's finding for its ``masks`` (M,S·S); equal mixtures once."""
        keys = [[_digest(mask) for mask in of_case] for of_case in masks]
        pending: dict[
            int, dict[tuple[int, bytes], Mask]
        ] = {}  # by training run, so that batches of it are full
        for n, (case, pair) in enumerate(zip(cases, pairs, strict=True)):
            masks_of_run = pending.setdefault(case.training, {})
            for key, mask in zip(keys[n], masks[n], strict=True):
                if key not in pair.logits:
                    masks_of_run[n, key] = mask
        for training, mixtures in pending.items():
            images = (pairs[n].mixed(mask) for (n, _), mask in mixtures.items())
            predicted = _predicted(self._networks[training], images)
            for (n, key), logits in zip(mixtures, predicted, strict=True):
                pairs[n].logits[key] = float(logits[self.findings.index(cases[n].finding)])
        return np.array([[pair.logits[key] for key in keys[n]] for n, pair in enumerate(pairs)])

    def _marker(self, method: str, seed: int) -> Result:
        """Return how often the map is highest at the marker, with the change of the logit if that is taken away."""
        if method in (UPPER_BOUND, PRIOR) or not self._marked:
            return Result([Score("mean", MARKER, reason=UNTRAINED)], [])
        cases = with_truth(self.cases(method, self._marked, MARKER))
        seen = np.array(
            [row["pointing"] for row in Pointing().evaluate(cases, self.findings, seed).rows],
            np.float64,
        )
        changes = np.array([self._changes[case.training, case.image_id] for case in cases])
        values = {MARKER: seen, "marker_change": changes}
        column = Column(MARKER, "none", seen, np.ones(len(cases)), is_share=False)
        estimates = estimate([column], case_index(cases), self.findings, seed)
        reasons = [case.load_surface[1] for case in cases]
        return Result(scores(estimates, self.findings), rows(cases, reasons, values))

    @cached_property
    def _marked(self) -> Sequence[ModelRun]:
        """The training runs on images with a marker; none if the networks were not trained here on drawn findings.

        They are in the order of ``runs``, so ``_networks`` has their networks in this order, too.
        """
        if any(type(run) is not ModelRun or run.external is not None for run in self.trained):
            return []
        runs: list[ModelRun] = []
        for run in self.trained:
            dataset = run.config.dataset
            if not dataset.startswith(Implanted.name):
                return []
            if MARKER not in run.data.describe:
                separator = "," if ":" in dataset else ":"
                dataset = f"{dataset}{separator}{MARKER}={MARKED_FINDING}"
            config = replace(run.config, dataset=dataset)
            runs.append(MarkedRun(config, run.folder, recorded_digest=run.recorded_digest))
        restricted = self.restricted(runs)
        return [run for run in restricted if isinstance(run, MarkedRun)]

    @cached_property
    def _changes(self) -> dict[tuple[int, str], float]:
        """Training run and image -> the finding's logit with the marker minus that without it."""
        changes: dict[tuple[int, str], float] = {}
        for n, run in enumerate(self._marked):
            finding_index = self.findings.index(run.data.describe[MARKER])
            images_without = (
                resize_image(sample.without(MARKER), (image.shape[0], image.shape[1]))
                for sample, image in zip(run.scorable_images, run.pixels, strict=True)
            )
            logits_with = _predicted(self._networks[n], run.pixels)
            logits_without = _predicted(self._networks[n], images_without)
            for sample, with_marker, without_marker in zip(
                run.scorable_images, logits_with, logits_without, strict=True
            ):
                change = with_marker[finding_index] - without_marker[finding_index]
                changes[n, sample.image_id] = float(change)
        return changes


def _other_findings(cases: Sequence[Case]) -> dict[int, int]:
    """Return case -> the next case of the same image and training run; cases alone on their image are left out."""
    by_image: dict[tuple[int, str], list[int]] = {}
    for n, case in enumerate(cases):
        by_image.setdefault((case.training, case.image_id), []).append(n)
    partner_of: dict[int, int] = {}
    for numbers in by_image.values():
        if len(numbers) > 1:
            following = [*numbers[1:], numbers[0]]
            partner_of.update(zip(numbers, following, strict=True))
    return partner_of


def _digest(mask: Mask) -> bytes:
    return hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).digest()


def _hits(cases: Sequence[Case], findings: Sequence[str], seed: int) -> FloatArray:
    """Return whether each case with a truth box is hit at IoU > .3, (N,)."""
    result = SingleBox().evaluate(cases, findings, seed)
    return np.array([row[MAIN] for row in result.rows], np.float64)


def _columns(values: Mapping[str, FloatArray], cases: Sequence[Case]) -> Iterator[Column]:
    """Yield a column of each value; those of curves are divided by the fall of the logit, scaled to a mean of 1.

    A finding whose logit does not fall on average has no value of the curves. Of the hits, only those of ``MAIN`` are
    shares of all cases: the other two are not defined for all.
    """
    for name, metric_values in values.items():
        if name in ("use", "sufficiency"):
            findings = np.array([case.finding for case in cases])
            fall = values["fall"]
            mean_fall = np.array([fall[findings == case.finding].mean() for case in cases])
            falls = mean_fall > 0
            numerator = np.divide(metric_values, mean_fall, out=np.zeros(len(cases)), where=falls)
            denominator = np.divide(fall, mean_fall, out=np.zeros(len(cases)), where=falls)
            yield Column(name, "none", numerator, denominator, is_share=False)
        elif name != "fall":
            is_defined = np.isfinite(metric_values)
            source: ThresholdSource = "cross-fitted" if name in (MAIN, "own", "swap") else "none"
            numerator = np.where(is_defined, metric_values, 0)
            denominator = is_defined.astype(np.float64)
            yield Column(name, source, numerator, denominator, is_share=name == MAIN)


def _order(method: str, case: Case, pair: Pair) -> NDArray[np.int64]:
    """Return the pixels (S·S,) by the map, highest first, equal ones at random; for the truth, by their change."""
    shape = (pair.image.shape[0], pair.image.shape[1])
    values = finite_map(case)[0]
    if method == UPPER_BOUND:
        importance = np.abs(pair.image.astype(np.float64) - pair.without)
    elif values is None:
        importance = np.zeros(shape)
    else:
        grid = resolve(case.grid, (values.shape[0], values.shape[1]), case.frame)
        importance = resample(values, grid, shape).astype(np.float64)
    noise = generator("equal pixels", case.image_id, case.finding).random(importance.size)
    return np.lexsort((noise, -importance.ravel()))


def _highest_changed(pair: Pair, order: NDArray[np.int64]) -> Mask:
    """Return (A,S·S) the changed pixels among the first ones in ``order``, for each of the ``AREAS``."""
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    last = max(AREAS[-1], float(pair.changed.mean()))
    counts = [round(area / AREAS[-1] * last * order.size) for area in AREAS]
    return np.stack([(rank < count) & pair.changed for count in counts])


def _predicted(model: Classifier, images: Any) -> Iterator[FloatArray]:
    """Yield the logits (K,) of each of some (S,S) images."""
    device = next(model.parameters()).device
    remaining = iter(images)
    while batch := list(itertools.islice(remaining, BATCH)):
        pixels = transforms.evaluation()(torch.from_numpy(np.stack(batch)).to(device))
        with torch.no_grad():
            yield from model.predict(pixels).double().cpu().numpy()


def _joined(
    first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return one row per image and finding, with the columns of both; nan for a missing number.

    Several training runs have different test images (folds), so the training run is not part of the key. All rows of
    ``first`` have the same columns, and so have those of ``second``.
    """
    names: dict[str, Any] = {}
    for table in (first, second):
        if table:
            names |= dict.fromkeys(table[0])
    joined: dict[tuple[str, str], dict[str, Any]] = {}
    for row in (*first, *second):
        key = row["image"], row["finding"]
        joined[key] = {**joined.get(key, dict.fromkeys(names, np.nan)), **row}
    return [*joined.values()]


def _raveled_map(case: Case) -> FloatArray:
    values, _ = finite_map(case)
    return np.full(1, np.nan) if values is None else values.ravel()


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Return the rank correlation of two maps; nan if one is constant or the shapes differ.

    >>> spearman(np.array([1.0, 2, 3]), np.array([10.0, 100, 1000]))
    1.0
    """
    if first.shape != second.shape or np.isnan([first.sum(), second.sum()]).any():
        return float("nan")
    mean_rank = (len(first) + 1) / 2
    ranks = rankdata(first) - mean_rank
    other_ranks = rankdata(second) - mean_rank
    scale = float(np.sqrt((ranks**2).sum() * (other_ranks**2).sum()))
    return float((ranks * other_ranks).sum() / scale) if scale else float("nan")
