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

from locus.benchmark.records.record import NOT_STATED, Record
from locus.benchmark.report import NOTES, charts, literature
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import Row, listed
from locus.benchmark.report.leaderboard import Leaderboard, is_of_pairs
from locus.benchmark.report.literature import MARKS, MEAN, PLACES
from locus.benchmark.report.section import Section
from locus.benchmark.report.table import Table
from locus.core.names import EMPTY_MASK, FIXED_POINT, FIXED_REGION, OF_TRAINING_PART
from locus.core.scores import Estimate, Mark, Score
from locus.scoring.statistics.resample import LEVEL, least_certain


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


def blind(records: Sequence[Record], metric: str) -> Score | None:
    """Return the score of the baseline for a metric, cut on the training part; None without one.

    Of several splits it is the default one; for ``empty_mask`` it is the lowest, also of the counts that papers print.
    """
    runs = [r for r in records if r.source != "paper" and r.cell.method == RULES[metric].baseline]
    runs.sort(
        key=lambda record: len(str(record.cell.data.get("dataset")))
    )  # the default split first
    scores = (r.find(metric, MEAN, threshold_source(metric)) for r in runs)
    found = [score for score in scores if score is not None and score.value is not None]
    if found and RULES[metric].baseline == EMPTY_MASK:
        found += [
            Score(MEAN, metric, (n - positives) / n, n=n)
            for positives, n, _ in printed_counts(records)
        ]
        found.sort(key=lambda score: score.value or 0.0)
    return found[0] if found else None


def threshold_source(metric: str) -> str:
    """Return the source of the threshold of a baseline."""
    return "none" if metric.startswith("pointing") else "validation"


def gap(record: Record, metric: str, records: Sequence[Record]) -> Estimate | None:
    """Return a value minus that of the baseline with a 95% interval, taking the two as independent.

    The variance of a share is binomial, by finding if the paper says so; that of another mean is that of the baseline,
    scaled to its number of images. None without a value or a baseline. Without an interval if a paper does not say
    which or how many images it scored.
    """
    score, other = record.find(metric), blind(records, metric)
    if score is None or score.value is None or other is None or other.value is None:
        return None
    difference = score.value - other.value
    if other.low is None or other.high is None or not has_known_images(record):
        return Estimate(difference)
    z, half = NormalDist().inv_cdf((1 + LEVEL) / 2), (other.high - other.low) / 2
    if not RULES[metric].is_share:
        reach = half * np.sqrt(1 + other.n / (score.n or other.n))
        return Estimate(difference, difference - reach, difference + reach)
    parts = [s for s in record.select(metric) if s.finding != MEAN and s.n]
    counts = np.array([s.n for s in parts] or [score.n or other.n], dtype=np.float64)
    shares = (
        np.array([s.value or 0.0 for s in parts]) if parts else least_certain(score.value, counts)
    )
    reach = np.sqrt(half**2 + z**2 * (shares * (1 - shares) / counts).sum() / len(counts) ** 2)
    return Estimate(difference, difference - float(reach), difference + float(reach))


def has_known_images(record: Record) -> bool:
    """Whether a result says how many images it scored; a user's own is scored on those of the baseline."""
    return record.reference is None or record.reference.n != NOT_STATED


SOURCE = (
    "− baseline [95%]",
    "trained on",
    "quoted or measured by",
    "threshold chosen on",
    "images",
)


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
        cells = (_with_mark(record.find(metric), gaps.get(metric)) for metric in metrics)
        if gaps:
            first = number(next(iter(gaps.values())), sign="all")
            lines.append((literature.result_name(record), *cells, first, *_source(record)))
    meaning = "; ".join(f"{RULES[metric].heading}: {RULES[metric].words}" for metric in metrics)
    note = NOTES["grounding"].format(baseline=listed([f"`{name}`" for name in baselines]))
    about = f"{note}\n{meaning}.{_on_other_draws(records, metrics)}"
    head = ("result", *(RULES[metric].heading for metric in metrics), *SOURCE)
    return Table(f"{dataset}: published results", about, head, tuple(lines))


def _on_other_draws(records: Sequence[Record], metrics: Sequence[str]) -> str:
    """Name the numbers of images of results that are on other images than the baseline; empty if there are none."""
    other_draws: dict[str, int] = {}
    for record in published(records):
        score = next(
            (found for metric in metrics if (found := record.find(metric)) is not None), None
        )
        baseline = next(
            (found for metric in metrics if (found := blind(records, metric)) is not None), None
        )
        if (
            score is None
            or baseline is None
            or record.reference is None
            or not has_known_images(record)
        ):
            continue
        if score.n != baseline.n:
            other_draws[record.reference.n] = baseline.n
    if not other_draws:
        return ""
    draws, n = listed([*other_draws]), next(iter(other_draws.values()))
    return f" The images of some papers ({draws}) cannot be listed: they are compared with the baseline on {n} images."


def _baseline(name: str, records: Sequence[Record], metrics: Sequence[str]) -> tuple[str, ...]:
    found = [
        blind(records, metric) if RULES[metric].baseline == name else None for metric in metrics
    ]
    n = next((f"{score.n} cases" for score in found if score is not None), "")
    return (f"`{name}`", *map(_with_interval, found), "", "", "", "training part", n)


def _with_interval(score: Score | None) -> str:
    return NOTHING if score is None else number(score)


def _with_mark(score: Score | None, of: Estimate | None) -> str:
    return NOTHING if score is None else number(score.value) + (MARKS[of.mark] if of else "")


def _source(record: Record) -> tuple[str, str, str, str]:
    of = record.reference
    if of is None:
        return "yours", "", "", ""
    tuned = of.tuned_on.partition(" (")[0].removeprefix("the ")
    tuned = (
        f"**{tuned}**" if tuned == "scored images" else NOTHING if tuned == NOT_STATED else tuned
    )
    return (
        of.supervision,
        of.quoted_by,
        tuned,
        NOTHING if of.n == NOT_STATED else of.n.replace(" positives", ""),
    )


def model_name(record: Record) -> str:
    """Return the model of a result: its settings, ablations and reprints share the name."""
    return (record.reference.model if record.reference is not None else "") or record.method


def published(records: Sequence[Record]) -> list[Record]:
    """Return a user's results, then those of papers, first-hand ones first; none that was not reviewed."""
    return [
        *(record for record in records if record.source == "external"),
        *literature.reviewed(records),
    ]


def _left_out(records: Sequence[Record], metric: str) -> str:
    """Return the sentence about results of ``metric`` that were not reviewed; empty if there are none."""
    not_reviewed = [
        record
        for record in records
        if record.reference is not None and record.reference.hand == "grey"
    ]
    values = [
        score.value
        for record in not_reviewed
        if (score := record.find(metric)) and score.value is not None
    ]
    if not values:
        return ""
    count = (
        f"{len(values)} result that was" if len(values) == 1 else f"{len(values)} results that were"
    )
    return f" Left out: {count} not reviewed (up to {number(max(values))})."


def sentence(record: Record, metric: str, records: Sequence[Record]) -> str:
    """Return what a paper may say of a result."""
    score, other, of, rule = (
        record.find(metric),
        blind(records, metric),
        gap(record, metric, records),
        RULES[metric],
    )
    if score is None or other is None or of is None:
        return f"{record.method}: {rule.heading} has no baseline on this truth."
    return (
        f"{record.method} scores {number(score.value)} ({rule.heading}: {rule.words}), {PLACES[of.mark]} "
        f"{rule.baseline}, which never sees an image: {_with_interval(other)}; difference {number(of, sign='all')}."
    )


class GroundingSection(Section):
    """Published results on one truth, maps without content, and people."""

    shown = 2
    writes_chart = True

    def __init__(self, leaderboard: Leaderboard) -> None:
        """Select the records of people and the metrics of published results."""
        super().__init__(leaderboard)
        self.records = leaderboard.records
        runs = [record for record in self.records if record.source != "paper"]
        self.people = next(filter(is_of_pairs, runs), None)
        self.is_of_people = self.people is not None and self.people.cell.dataset == self.dataset
        self.metrics = [
            metric for metric in RULES if any(r.find(metric) for r in published(self.records))
        ]

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The rows of the baselines of a training part, or of pairs of readers."""
        runs = [record for record in self.records if record.source != "paper"]
        here = [record for record in runs if record.cell.dataset == self.dataset]
        return [
            Row.of([record])
            for record in here
            if record.cell.method in OF_TRAINING_PART or is_of_pairs(record)
        ]

    def tables(self) -> list[Table]:
        """Return the published results and the maps without content, then results by rules that count negatives."""
        if self.is_of_people and self.people is not None:
            return [_pairs(self.dataset, self.people)]
        main = [metric for metric in self.metrics if metric not in COUNT_NEGATIVES]
        tables = {
            metric: comparison(self.dataset, self.records, [metric]) for metric in COUNT_NEGATIVES
        }
        others = [
            replace(t, title=f"{t.title}, {RULES[m].heading}")
            for m, t in tables.items()
            if m in self.metrics
        ]
        return [
            comparison(self.dataset, self.records, main),
            _without_content(self.dataset, self.records),
            *others,
        ]

    def in_short(self) -> str:
        """Return the baseline and how many published models are above it, or the agreement of people."""
        if self.is_of_people and self.people is not None:
            hits = self.people.find("hit@iou.3")
            return f"two radiologists (VinDr-CXR): IoU > .3 in {number(hits.value if hits else None)} of cases"
        metric = self.metrics[0]
        score = _with_interval(blind(self.records, metric))
        counts = self._counts(metric)
        above = f"{counts['above']} of {counts.total()} models above"
        return f"{TITLES[self.dataset]}: `{RULES[metric].baseline}` {score}; {above}"

    def sentences(self) -> Iterator[str]:
        """Yield which results are above, level with and below the baseline, and what flatters; or where people are."""
        if self.is_of_people and self.people is not None:
            yield _people(self.people)
            return
        metric = self.metrics[0]
        rule, marks = RULES[metric], self._counts(metric)
        counts = listed([f"{marks[mark]} {word}" for mark, word in WORDS.items() if marks[mark]])
        line = (
            f"**{TITLES[self.dataset]}** ({rule.heading}, {rule.words}): `{rule.baseline}`, which never sees an image, "
            f"has {_with_interval(blind(self.records, metric))}. {marks.total()} published models, each counted once "
            f"by its highest result: {counts}.{self._of_people()}"
        )
        if (empty := blind(self.records, EMPTY_IS_1)) is not None and empty.value is not None:
            others = [
                score.value or 0.0
                for r in published(self.records)
                if (score := r.find(EMPTY_IS_1)) is not None
            ]
            below = sum(value < empty.value for value in others)
            line += (
                f" **Where an empty mask counts as 1** on images without the finding, empty masks everywhere have "
                f"{number(empty.value)}, above {below} of {len(others)} fine-tuned results."
            )
            line += _left_out(self.records, EMPTY_IS_1)
        yield line

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

    def _of_people(self) -> str:
        """Return a sentence on the agreement of two readers of another data set by the same metric."""
        metric, finding = PEOPLE[self.dataset]
        agreement = None if self.people is None else self.people.find(metric, finding)
        if agreement is None:
            return ""
        return (
            f" One radiologist against another on VinDr-CXR ({finding}): {number(agreement.value)}."
        )

    def chart(self) -> Chart | None:
        """Draw the published results, the baseline and the agreement of readers on another data set."""
        if self.is_of_people:
            return None
        metric, (metric_of_people, finding) = self.metrics[0], PEOPLE[self.dataset]
        models = self._models(metric)
        values = [
            (
                name[:MAX_CHART_NAME_LENGTH],
                _value(record, metric),
                _chose_on_scored_images(record, metric),
            )
            for name, record in models.items()
        ]
        values.sort(key=lambda value: -value[1])
        agreement = None if self.people is None else self.people.find(metric_of_people, finding)
        about = (
            f"{TITLES[self.dataset]}: {RULES[metric].heading}, {RULES[metric].words}. Line with band: "
            f"{RULES[metric].baseline}, which never sees an image (95% interval). Dots: the highest published result "
            "of each model; hollow: threshold chosen on the scored images. Dashed: one radiologist against another "
            f"(VinDr-CXR, {finding})."
        )
        score = blind(self.records, metric)
        lines = (score, agreement) if score is not None else ()
        return charts.dots(
            values,
            [(s.value or 0.0, s.low, s.high) for s in lines if s],
            RULES[metric].heading,
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
    lines = []
    for record in (r for r in records if r.source != "paper" and r.cell.method in OF_TRAINING_PART):
        options = OPTIONS[
            str(record.cell.data.get("dataset", "")).partition("images=False")[2].lstrip(",")
        ]
        for metric, rule in RULES.items():
            score = record.find(metric, MEAN, threshold_source(metric))
            if score is not None and score.value:
                parts = [s for s in record.select(metric) if s.finding != MEAN]
                most = (
                    max(parts, key=lambda s: s.value or 0.0)
                    if len({s.finding for s in parts}) > 1
                    else None
                )
                top = "" if most is None else f"{most.finding} {most.value:.2f}"
                value = _with_interval(score)
                lines.append(
                    (
                        f"{rule.heading}: {rule.words}",
                        f"`{record.cell.method}`",
                        options,
                        value,
                        top,
                    )
                )
    rule = RULES[EMPTY_IS_1]
    for positives, images, split in printed_counts(records):
        printed = f"{split}: {positives:,} of {images:,} with the finding, as printed"
        share = number((images - positives) / images)
        lines.append((f"{rule.heading}: {rule.words}", f"`{EMPTY_MASK}`", printed, share, ""))
    head = ("rule", "map without content", "images", "score [95%]", "highest finding")
    return Table(
        f"{dataset}: maps without content", NOTES["without_content"], head, tuple(sorted({*lines}))
    )


def printed_counts(records: Sequence[Record]) -> list[tuple[int, int, str]]:
    """Return the numbers of images with the finding and of all images, and the split, as papers print them."""
    references = [record.reference for record in records if record.reference is not None]
    found = [(re.match(r"([\d,]+) positives of ([\d,]+)", of.n), of.split) for of in references]
    pairs = [([int(n.replace(",", "")) for n in of.groups()], split) for of, split in found if of]
    return sorted({(positives, images, split) for (positives, images), split in pairs})


def _pairs(dataset: str, record: Record) -> Table:
    scores = {(score.finding, score.metric): score.value for score in record.scores}
    findings = dict.fromkeys(finding for finding, _ in scores)
    lines = [
        (finding, *(number(scores[finding, metric]) for metric in PAIRS)) for finding in findings
    ]
    head = ("finding", *PAIRS.values())
    return Table(
        f"{dataset}: one radiologist against another", NOTES["pairs_of_readers"], head, tuple(lines)
    )


def _people(record: Record) -> str:
    value = {
        metric: number(score.value)
        for metric in PAIRS
        if (score := record.find(metric)) is not None
    }
    return (
        f"**People** (VinDr-CXR, mean over findings): if two radiologists marked a finding, a box of one hits one of "
        f"the other's at IoU > .3 in {value['hit@iou.3']} of cases, > .5 in {value['hit@iou.5']}, > .7 in "
        f"{value['hit@iou.7']}. Another radiologist marked the finding at all in {value['marked']}."
    )
