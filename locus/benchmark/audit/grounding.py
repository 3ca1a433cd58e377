"""Published grounding and segmentation beside baselines that know a training part and never see an image.

``GroundingSection``  answer, chart and tables of a data set: published results, maps without content, people
``comparison``        the table of published results, also with a row of a user; ``gap`` is one difference

A published value is compared with the baseline of its own rule. See docs/grounding_audit.md.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from locus.benchmark.audit.literature import MARKS, PLACES
from locus.benchmark.audit.results import MEAN, result_name, reviewed
from locus.benchmark.baselines import is_of_training_part
from locus.benchmark.records.record import NOT_STATED, Record
from locus.benchmark.report import NOTES, charts
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import Row, listed
from locus.benchmark.report.leaderboard import Leaderboard, is_of_pairs
from locus.benchmark.report.section import Section
from locus.benchmark.report.table import Table
from locus.core.names import EMPTY_MASK, FIXED_POINT, FIXED_REGION
from locus.core.scores import Estimate, Mark, Score
from locus.scoring.statistics.resample import LEVEL, least_certain

SOURCE = (
    "− baseline [95%]",
    "trained on",
    "quoted or measured by",
    "threshold chosen on",
    "images",
)
NOT_A_SHARE = ("pointing@first_box",)
EMPTY_IS_1 = "dice@empty_is_1"
COUNT_NEGATIVES = ("dice@pooled", EMPTY_IS_1)
TITLES = {
    "rsna_pneumonia": "RSNA pneumonia",
    "siim_pneumothorax": "SIIM pneumothorax",
    "chestx_det10": "ChestX-Det10",
}
"""Data set -> its name in sentences."""
PEOPLE = {
    "rsna_pneumonia": ("dice", "Consolidation"),
    "siim_pneumothorax": ("dice", "Pneumothorax"),
    "chestx_det10": ("pointing", MEAN),
}
"""Data set -> the closest agreement of VinDr-CXR's readers: metric and finding."""
PAIRS = {
    "marked": "marked by the other",
    "hit@iou.3": "IoU > .3",
    "hit@iou.5": "> .5",
    "hit@iou.7": "> .7",
    "dice": "Dice",
    "pointing": "pointing",
}
"""Metric of pairs of readers -> its heading."""
WORDS: Mapping[Mark, str] = {
    "above": "above it",
    "level": "level with it",
    "below": "below it",
    "": "not compared, because their images are not known",
}
MAX_CHART_NAME_LENGTH = 40
"""Letters of a name in a chart."""
OPTIONS = {
    "": "",
    "lists=mgca": "split of MGCA's code",
    "by_patient=False": "patients of test images kept in training",
}
"""Options of a truth -> what they mean."""


class Rule(NamedTuple):
    """How a metric is counted."""

    heading: str
    words: str
    baseline: str
    """The baseline that a published value is compared with."""
    is_share: bool = False
    """Whether a case is a hit or a miss."""


RULES = {
    "dice": Rule("Dice", "mean over the images with the finding", FIXED_REGION),
    "iou": Rule("IoU", "mean over the images with the finding", FIXED_REGION),
    "pointing": Rule("pointing", "hit in any box, mean over findings", FIXED_POINT, is_share=True),
    "pointing@pooled": Rule(
        "pooled", "hit in any box, all pairs pooled", FIXED_POINT, is_share=True
    ),
    "pointing@first_box": Rule(
        "first box", "first box ± 20 px, times the number of boxes", FIXED_POINT
    ),
    "pointing@cell": Rule("cell", "a 16-pixel cell touches a box", FIXED_POINT, is_share=True),
    "dice@pooled": Rule("Dice, pooled", "over the pixels of all images", FIXED_REGION),
    "dice@empty_is_1": Rule(
        "Dice, empty is 1", "an empty mask without the finding scores 1", EMPTY_MASK
    ),
}
"""Metric -> its rule; other published metrics are not compared."""


def blind(records: Sequence[Record], metric: str) -> Score | None:
    """Return the score of the baseline for a metric, cut on the training part; None without one.

    Of several splits it is the default one; for ``empty_mask`` it is the lowest, also of the counts that papers print.
    """
    baseline = RULES[metric].baseline
    runs = [record for record in measured(records) if record.cell.method == baseline]
    runs.sort(key=lambda record: len(str(record.cell.data.get("dataset"))))  # default split first
    scores = [record.find(metric, MEAN, threshold_source(metric)) for record in runs]
    known_scores = [score for score in scores if score is not None and score.value is not None]
    if not known_scores:
        return None
    if baseline != EMPTY_MASK:
        return known_scores[0]
    printed = [
        Score(MEAN, metric, (images - positives) / images, n=images)
        for positives, images, _ in printed_counts(records)
    ]
    return min((*known_scores, *printed), key=lambda score: score.value or 0.0)


def measured(records: Sequence[Record]) -> list[Record]:
    """Return the records that are not from papers."""
    return [record for record in records if record.source != "paper"]


def threshold_source(metric: str) -> str:
    """Return the source of the threshold of a baseline."""
    return "none" if metric.startswith("pointing") else "validation"


def gap(record: Record, metric: str, records: Sequence[Record]) -> Estimate | None:
    """Return a value minus that of the baseline with a 95% interval, taking the two as independent.

    The variance of a share is binomial, by finding if the paper says so; that of another mean is that of the baseline,
    scaled to its number of images. None without a value or a baseline. Without an interval if a paper does not say
    which or how many images it scored.
    """
    score = record.find(metric)
    baseline = blind(records, metric)
    if score is None or score.value is None or baseline is None or baseline.value is None:
        return None
    difference = score.value - baseline.value
    if baseline.low is None or baseline.high is None or not has_known_images(record):
        return Estimate(difference)
    half_width = (baseline.high - baseline.low) / 2
    if RULES[metric].is_share:
        z = NormalDist().inv_cdf((1 + LEVEL) / 2)
        variance = _binomial_variance(record, metric, score.n or baseline.n)
        reach = float(np.sqrt(half_width**2 + z**2 * variance))
    else:
        reach = float(half_width * np.sqrt(1 + baseline.n / (score.n or baseline.n)))
    return Estimate(difference, low=difference - reach, high=difference + reach)


def _binomial_variance(record: Record, metric: str, case_count: int) -> float:
    """Return the variance of a mean of shares, by finding if the paper says so; ``case_count``: that of the mean."""
    by_finding = [score for score in record.select(metric) if score.finding != MEAN and score.n]
    if by_finding:
        counts = np.array([score.n for score in by_finding], dtype=np.float64)
        shares = np.array([score.value or 0.0 for score in by_finding])
    else:
        counts = np.array([case_count], dtype=np.float64)
        shares = least_certain(_value(record, metric), counts)
    return float((shares * (1 - shares) / counts).sum() / len(counts) ** 2)


def has_known_images(record: Record) -> bool:
    """Whether a result says how many images it scored; a user's own is scored on those of the baseline."""
    return record.reference is None or record.reference.n != NOT_STATED


def comparison(dataset: str, records: Sequence[Record], metrics: Sequence[str]) -> Table:
    """Return the baselines and the published results by some metrics; the difference is that of the first one given."""
    baselines = dict.fromkeys(RULES[metric].baseline for metric in metrics)
    lines = [_baseline(name, records, metrics) for name in baselines]
    for record in published(records):
        gaps = {
            metric: gap(record, metric, records)
            for metric in metrics
            if record.find(metric) is not None
        }
        if gaps:
            cells = [_with_mark(record.find(metric), gaps.get(metric)) for metric in metrics]
            first = number(next(iter(gaps.values())), sign="all")
            lines.append((result_name(record), *cells, first, *_source(record)))
    note = NOTES["grounding"].format(baseline=listed([f"`{name}`" for name in baselines]))
    meaning = "; ".join(f"{RULES[metric].heading}: {RULES[metric].words}" for metric in metrics)
    return Table(
        title=f"{dataset}: published results",
        intro=f"{note}\n{meaning}.{_on_other_draws(records, metrics)}",
        header=("result", *(RULES[metric].heading for metric in metrics), *SOURCE),
        rows=tuple(lines),
    )


def _on_other_draws(records: Sequence[Record], metrics: Sequence[str]) -> str:
    """Name the numbers of images of results that are on other images than the baseline; empty if there are none."""
    baselines = [blind(records, metric) for metric in metrics]
    image_counts = [score.n for score in baselines if score is not None]
    if not image_counts:
        return ""
    draws: dict[str, None] = {}
    for record in published(records):
        scores = [record.find(metric) for metric in metrics]
        counts = [score.n for score in scores if score is not None]
        if not counts or record.reference is None or not has_known_images(record):
            continue
        if counts[0] != image_counts[0]:
            draws[record.reference.n] = None
    if not draws:
        return ""
    return (
        f" The images of some papers ({listed([*draws])}) cannot be listed: they are compared with the baseline on "
        f"{image_counts[0]} images."
    )


def _baseline(name: str, records: Sequence[Record], metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the line of a baseline."""
    scores = [
        blind(records, metric) if RULES[metric].baseline == name else None for metric in metrics
    ]
    counts = [f"{score.n} cases" for score in scores if score is not None]
    cells = [number(score) for score in scores]
    return (f"`{name}`", *cells, "", "", "", "training part", counts[0] if counts else "")


def _with_mark(score: Score | None, difference: Estimate | None) -> str:
    if score is None:
        return NOTHING
    mark = "" if difference is None else MARKS[difference.mark]
    return number(score.value) + mark


def _source(record: Record) -> tuple[str, str, str, str]:
    reference = record.reference
    if reference is None:
        return "yours", "", "", ""
    tuned_on = reference.tuned_on.partition(" (")[0].removeprefix("the ")
    if tuned_on == "scored images":
        tuned_on = f"**{tuned_on}**"
    elif tuned_on == NOT_STATED:
        tuned_on = NOTHING
    images = NOTHING if reference.n == NOT_STATED else reference.n.replace(" positives", "")
    return reference.supervision, reference.quoted_by, tuned_on, images


def model_name(record: Record) -> str:
    """Return the model of a result: its settings, ablations and reprints share the name."""
    return (record.reference.model if record.reference is not None else "") or record.method


def published(records: Sequence[Record]) -> list[Record]:
    """Return a user's results, then those of papers, first-hand ones first; none that was not reviewed."""
    return [
        *(record for record in records if record.source == "external"),
        *reviewed(records),
    ]


def _left_out(records: Sequence[Record], metric: str) -> str:
    """Return the sentence about results of ``metric`` that were not reviewed; empty if there are none."""
    not_reviewed = [
        record
        for record in records
        if record.reference is not None and record.reference.hand == "grey"
    ]
    scores = [record.find(metric) for record in not_reviewed]
    values = [score.value for score in scores if score is not None and score.value is not None]
    if not values:
        return ""
    results = "1 result that was" if len(values) == 1 else f"{len(values)} results that were"
    return f" Left out: {results} not reviewed (up to {number(max(values))})."


def sentence(record: Record, metric: str, records: Sequence[Record]) -> str:
    """Return what a paper may say of a result."""
    rule = RULES[metric]
    score = record.find(metric)
    baseline = blind(records, metric)
    difference = gap(record, metric, records)
    if score is None or baseline is None or difference is None:
        return f"{record.method}: {rule.heading} has no baseline on this truth."
    value = f"{number(score.value)} ({rule.heading}: {rule.words})"
    compared = f"{PLACES[difference.mark]} {rule.baseline}, which never sees an image"
    gap_in_words = f"difference {number(difference, sign='all')}"
    return f"{record.method} scores {value}, {compared}: {number(baseline)}; {gap_in_words}."


class GroundingSection(Section):
    """Published results on one truth, maps without content, and people."""

    open_tables = 2
    writes_chart = True

    def __init__(self, leaderboard: Leaderboard) -> None:
        """Select the records of people and the metrics of published results."""
        super().__init__(leaderboard)
        self.records = leaderboard.records
        self.people = next(filter(is_of_pairs, measured(self.records)), None)
        self.is_of_people = self.people is not None and self.people.cell.dataset == self.dataset
        results = published(self.records)
        self.metrics = [name for name in RULES if any(record.find(name) for record in results)]

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The rows of the baselines of a training part, or of pairs of readers."""
        return [
            Row.of([record])
            for record in measured(self.records)
            if record.cell.dataset == self.dataset
            and (is_of_training_part(record.cell.method) or is_of_pairs(record))
        ]

    def tables(self) -> list[Table]:
        """Return the published results and the maps without content, then results by rules that count negatives."""
        if self.is_of_people and self.people is not None:
            return [_pairs(self.dataset, self.people)]
        main = [metric for metric in self.metrics if metric not in COUNT_NEGATIVES]
        tables = [
            comparison(self.dataset, self.records, main),
            _without_content(self.dataset, self.records),
        ]
        for metric in COUNT_NEGATIVES:
            if metric in self.metrics:
                table = comparison(self.dataset, self.records, [metric])
                tables.append(replace(table, title=f"{table.title}, {RULES[metric].heading}"))
        return tables

    def in_short(self) -> str:
        """Return the baseline and how many published models are above it, or the agreement of people."""
        if self.is_of_people and self.people is not None:
            hits = self.people.find("hit@iou.3")
            share = NOTHING if hits is None else number(hits.value)
            return f"two radiologists (VinDr-CXR): IoU > .3 in {share} of cases"
        metric = self.metrics[0]
        counts = self._counts(metric)
        score = f"`{RULES[metric].baseline}` {number(blind(self.records, metric))}"
        return (
            f"{TITLES[self.dataset]}: {score}; {counts['above']} of {counts.total()} models above"
        )

    def sentences(self) -> Iterator[str]:
        """Yield which results are above, level with and below the baseline, and what flatters; or where people are."""
        if self.is_of_people and self.people is not None:
            yield _people(self.people)
            return
        metric = self.metrics[0]
        rule = RULES[metric]
        counts = self._counts(metric)
        models = listed(
            [f"{counts[mark]} {description}" for mark, description in WORDS.items() if counts[mark]]
        )
        title = f"**{TITLES[self.dataset]}** ({rule.heading}, {rule.words})"
        score = number(blind(self.records, metric))
        baseline = f"`{rule.baseline}`, which never sees an image, has {score}."
        results = f"{counts.total()} published models, each counted once by its highest result"
        remarks = f"{self._agreement_of_people()}{self._empty_masks()}"
        yield f"{title}: {baseline} {results}: {models}.{remarks}"

    def _empty_masks(self) -> str:
        """Return a sentence on empty masks that score 1; empty without such scores."""
        empty = blind(self.records, EMPTY_IS_1)
        if empty is None or empty.value is None:
            return ""
        scores = [record.find(EMPTY_IS_1) for record in published(self.records)]
        values = [score.value or 0.0 for score in scores if score is not None]
        below = sum(value < empty.value for value in values)
        return (
            f" **Where an empty mask counts as 1** on images without the finding, empty masks everywhere have "
            f"{number(empty.value)}, above {below} of {len(values)} fine-tuned results."
            f"{_left_out(self.records, EMPTY_IS_1)}"
        )

    def _models(self, metric: str) -> dict[str, Record]:
        """Return model -> its highest result by a metric, on known images if it has one."""
        results = [
            record
            for record in published(self.records)
            if gap(record, metric, self.records) is not None
        ]
        results.sort(key=lambda record: (has_known_images(record), _value(record, metric)))
        return {model_name(record): record for record in results}  # the highest is the last

    def _counts(self, metric: str) -> "Counter[Mark]":
        """Count the models by the mark of their highest result."""
        gaps = [gap(record, metric, self.records) for record in self._models(metric).values()]
        return Counter(difference.mark for difference in gaps if difference is not None)

    def _agreement(self) -> tuple[Score | None, str]:
        """Return the agreement of two readers of another data set by the closest metric, and its finding."""
        metric, finding = PEOPLE[self.dataset]
        return None if self.people is None else self.people.find(metric, finding), finding

    def _agreement_of_people(self) -> str:
        """Return a sentence on the agreement of two readers of another data set."""
        agreement, finding = self._agreement()
        if agreement is None:
            return ""
        share = number(agreement.value)
        return f" One radiologist against another on VinDr-CXR ({finding}): {share}."

    def chart(self) -> Chart | None:
        """Draw the published results, the baseline and the agreement of readers on another data set."""
        if self.is_of_people:
            return None
        metric = self.metrics[0]
        rule = RULES[metric]
        agreement, finding = self._agreement()
        baseline = blind(self.records, metric)
        levels = [] if baseline is None else [baseline, agreement]
        values = [
            (
                name[:MAX_CHART_NAME_LENGTH],
                _value(record, metric),
                _chose_on_scored_images(record, metric),
            )
            for name, record in self._models(metric).items()
        ]
        values.sort(key=lambda value: -value[1])
        about = (
            f"{TITLES[self.dataset]}: {rule.heading}, {rule.words}. Line with band: "
            f"{rule.baseline}, which never sees an image (95% interval). Dots: the highest published result "
            "of each model; hollow: threshold chosen on the scored images. Dashed: one radiologist against another "
            f"(VinDr-CXR, {finding})."
        )
        return charts.dots(
            values,
            [(level.value or 0.0, level.low, level.high) for level in levels if level is not None],
            rule.heading,
            about,
        )


def _value(record: Record, metric: str) -> float:
    """Return the value of a metric, 0 without one."""
    score = record.find(metric)
    return 0.0 if score is None or score.value is None else score.value


def _chose_on_scored_images(record: Record, metric: str) -> bool:
    """Whether the threshold of a result was chosen on the scored images."""
    score = record.find(metric)
    return score is not None and score.threshold_source == "oracle"


def _without_content(dataset: str, records: Sequence[Record]) -> Table:
    """Return the score of every map without content under every rule, and what printed counts of papers imply."""
    lines: set[tuple[str, ...]] = set()
    for record in measured(records):
        if is_of_training_part(record.cell.method):
            lines.update(_maps_without_content(record))
    rule = RULES[EMPTY_IS_1]
    for positives, images, split in printed_counts(records):
        printed = f"{split}: {positives:,} of {images:,} with the finding, as printed"
        share = number((images - positives) / images)
        lines.add((f"{rule.heading}: {rule.words}", f"`{EMPTY_MASK}`", printed, share, ""))
    return Table(
        f"{dataset}: maps without content",
        NOTES["without_content"],
        ("rule", "map without content", "images", "score [95%]", "highest finding"),
        tuple(sorted(lines)),
    )


def _maps_without_content(record: Record) -> Iterator[tuple[str, ...]]:
    """Yield a line per rule under which a map without content has a score."""
    options = str(record.cell.data.get("dataset", "")).partition("images=False")[2].lstrip(",")
    for metric, rule in RULES.items():
        score = record.find(metric, MEAN, threshold_source(metric))
        if score is not None and score.value:
            yield (
                f"{rule.heading}: {rule.words}",
                f"`{record.cell.method}`",
                OPTIONS[options],
                number(score),
                _highest_finding(record, metric),
            )


def _highest_finding(record: Record, metric: str) -> str:
    """Return the finding with the highest score and the score; empty for a single finding."""
    scores = [score for score in record.select(metric) if score.finding != MEAN]
    if len({score.finding for score in scores}) < 2:
        return ""
    highest = max(scores, key=lambda score: score.value or 0.0)
    return f"{highest.finding} {highest.value:.2f}"


def printed_counts(records: Sequence[Record]) -> list[tuple[int, int, str]]:
    """Return the numbers of images with the finding and of all images, and the split, as papers print them."""
    counts = set()
    for record in records:
        if record.reference is not None:
            match = re.match(r"([\d,]+) positives of ([\d,]+)", record.reference.n)
            if match is not None:
                positives, images = (int(digits.replace(",", "")) for digits in match.groups())
                counts.add((positives, images, record.reference.split))
    return sorted(counts)


def _pairs(dataset: str, record: Record) -> Table:
    scores = {(score.finding, score.metric): score.value for score in record.scores}
    lines = []
    for finding in dict.fromkeys(finding for finding, _ in scores):
        lines.append((finding, *(number(scores[finding, metric]) for metric in PAIRS)))
    title = f"{dataset}: one radiologist against another"
    header = ("finding", *PAIRS.values())
    return Table(title, NOTES["pairs_of_readers"], header, tuple(lines))


def _people(record: Record) -> str:
    """Say how well the boxes of two radiologists agree."""
    scores = {metric: record.find(metric) for metric in PAIRS}
    shares = {name: number(score.value) for name, score in scores.items() if score is not None}
    return (
        f"**People** (VinDr-CXR, mean over findings): if two radiologists marked a finding, a box of one hits one of "
        f"the other's at IoU > .3 in {shares['hit@iou.3']} of cases, > .5 in {shares['hit@iou.5']}, > .7 in "
        f"{shares['hit@iou.7']}. Another radiologist marked the finding at all in {shares['marked']}."
    )
