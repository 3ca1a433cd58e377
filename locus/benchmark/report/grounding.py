"""Published grounding and segmentation beside baselines that know a training part and never see an image.

``GroundingReport``  answer, chart and tables of a data set: published results, maps without content, people
``comparison``       the table of published results, also with a row of a user; ``gap`` is one difference

A published value is compared with the baseline of its own rule. See docs/grounding_audit.md.
"""

import re
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from locus.benchmark.records.record import Record
from locus.benchmark.report import charts, literature
from locus.benchmark.report.all_tables import CheckReport
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.literature import MARKS
from locus.benchmark.report.select import grouped, listed
from locus.benchmark.report.table import NOTHING, Table, of_interval, short, signed_short
from locus.benchmark.scoring.statistics.published import Gap, least_certain
from locus.benchmark.scoring.statistics.resample import LEVEL
from locus.core.names import EMPTY_MASK, FIXED_POINT, FIXED_REGION, OF_TRAINING_PART, READERS
from locus.core.scores import Score

MEAN = "mean"


class Rule(NamedTuple):
    """How a metric is counted."""

    words: str
    baseline: str
    """The baseline that a published value is compared with."""
    is_share: bool = False
    """Whether a case is a hit or a miss."""


RULES = {
    "dice": Rule("Dice, images with the finding", FIXED_REGION),
    "iou": Rule("IoU, images with the finding", FIXED_REGION),
    "pointing": Rule("any box; mean over findings", FIXED_POINT, is_share=True),
    "pointing@pooled": Rule("any box; all pairs pooled", FIXED_POINT, is_share=True),
    "pointing@first_box": Rule("first box ± 20 px, times the number of boxes", FIXED_POINT),
    "pointing@cell": Rule("a 16-pixel cell touches a box", FIXED_POINT, is_share=True),
    "dice@pooled": Rule("Dice of the pixels of all images", FIXED_REGION),
    "dice@empty_is_1": Rule("Dice, 1 for an empty mask without the finding", EMPTY_MASK),
}
"""Metric -> its rule; other published metrics are not compared."""
NOT_A_SHARE = ("pointing@first_box",)
COUNT_NEGATIVES = ("dice@pooled", "dice@empty_is_1")
TITLES = {
    "rsna_pneumonia": "RSNA pneumonia",
    "siim_pneumothorax": "SIIM pneumothorax",
    "chestx_det10": "ChestX-Det10",
    "vindr_cxr": "VinDr-CXR",
}
"""Data set -> its name in sentences."""
PEOPLE = {"rsna_pneumonia": ("dice", "Consolidation"), "siim_pneumothorax": ("dice", "Pneumothorax")}
"""Data set -> metric and finding of VinDr-CXR's readers that are closest to it."""
OPTIONS = {
    "": "",
    "lists=mgca": "split of MGCA's code",
    "by_patient=False": "patients of the test images kept in the training part",
}
"""Options of a truth -> what they mean."""
FEW = 3
"""Fewer results than this are named in a sentence."""
ABOUT = (
    "{baseline} knows the truth of the training part and never sees an image. ↑ above it, = level, ↓ below (95% "
    "interval), where the rule is the same. A published Dice or IoU is taken to vary from image to image as that of the "
    "region does; a share is binomial. Bold: threshold chosen on the scored images. –: not stated."
)
ABOUT_CONTENT = (
    "What a map without content scores: a point or region chosen on the training part for this rule, and a mask that "
    "selects nothing."
)
LIMIT = (
    "That a model does not localize. The baselines know the truths of a training part; zero-shot models know none. "
    "Papers differ in images, thresholds and supervision."
)


def blind(records: Sequence[Record], metric: str) -> Score | None:
    """Return the score of the baseline for a metric, cut on the training part; None without one.

    Of several splits it is the default one; for ``empty_mask`` it is the lowest, also of the counts that papers print.
    """
    runs = [r for r in records if r.source != "paper" and r.cell.method == RULES[metric].baseline]
    runs.sort(key=lambda record: len(str(record.cell.data.get("dataset"))))  # other lists and patients after the default
    scores = (r.find(metric, MEAN, origin(metric)) for r in runs)
    found = [score for score in scores if score is not None and score.value is not None]
    if found and RULES[metric].baseline == EMPTY_MASK:
        found += [Score(MEAN, metric, (n - positives) / n, n=n) for positives, n, _ in printed_counts(records)]
        found.sort(key=lambda score: score.value or 0.0)
    return found[0] if found else None


def origin(metric: str) -> str:
    """Return the origin of the threshold of a baseline."""
    return "none" if metric.startswith("pointing") else "validation"


def gap(record: Record, metric: str, records: Sequence[Record]) -> Gap | None:
    """Return a value minus that of the baseline with a 95% interval, taking the two as independent.

    The variance of a share is binomial, by finding if the paper says so; that of another mean is that of the baseline,
    scaled to its number of images. None without a value or a baseline.
    """
    score, other = record.find(metric), blind(records, metric)
    if score is None or score.value is None or other is None or other.value is None:
        return None
    difference = score.value - other.value
    if other.low is None or other.high is None:
        return Gap(difference)
    z, half = NormalDist().inv_cdf((1 + LEVEL) / 2), (other.high - other.low) / 2
    if not RULES[metric].is_share:
        reach = half * np.sqrt(1 + other.n / (score.n or other.n))
        return Gap(difference, difference - reach, difference + reach)
    parts = [s for s in record.select(metric) if s.finding != MEAN and s.n]
    counts = np.array([s.n for s in parts] or [score.n or other.n], dtype=np.float64)
    shares = np.array([s.value or 0.0 for s in parts]) if parts else least_certain(score.value, counts)
    reach = np.sqrt(half**2 + z**2 * (shares * (1 - shares) / counts).sum() / len(counts) ** 2)
    return Gap(difference, difference - float(reach), difference + float(reach))


HEADER = ("result", "score", "− baseline [95%]", "rule", "trained on", "read in", "threshold chosen on", "images")


def comparison(dataset: str, records: Sequence[Record], metrics: Sequence[str]) -> Table:
    """Return the baselines and the published results by these metrics, those of the first metric first."""
    lines = [line for metric in metrics for line in _lines(records, metric)]
    names = listed([f"`{name}`" for name in dict.fromkeys(RULES[m].baseline for m in metrics)])
    return Table(f"{dataset}: published results", ABOUT.format(baseline=names), HEADER, tuple(lines))


def _lines(records: Sequence[Record], metric: str) -> Iterator[tuple[str, ...]]:
    rule, score = RULES[metric], blind(records, metric)
    having = [record for record in published(records) if record.find(metric) is not None]
    if score is None or not having:
        return
    start = score.value, score.low, score.high
    yield (f"`{rule.baseline}`", of_interval(start), "", rule.words, *("", "", "training part"), f"{score.n} cases")
    for record in having:
        value, difference = record.find(metric), gap(record, metric, records)
        cell = "" if value is None else short(value.value)
        yield (literature.result_name(record), cell, _difference(difference), rule.words, *_source(record))


def _difference(of: Gap | None) -> str:
    if of is None:
        return NOTHING
    ends = f" [{signed_short(of.low)}, {signed_short(of.high)}]" if of.mark else ""
    return signed_short(of.difference) + ends + MARKS[of.mark]


def _source(record: Record) -> tuple[str, str, str, str]:
    of = record.reference
    if of is None:
        return "yours", "", "", ""
    verb = "quoted" if of.hand == "second" else "measured"
    read_in = f"{verb} by {of.quoted_by}" if of.quoted_by else "its authors"
    tuned, _, _ = of.tuned_on.partition(" (")
    return of.supervision, read_in, f"**{tuned}**" if tuned == "the scored images" else tuned, of.n


def published(records: Sequence[Record]) -> list[Record]:
    """Return a user's results, then those of papers, first-hand ones first; none that was not reviewed."""
    own = [record for record in records if record.source == "external"]
    papers = [r for r in records if r.reference is not None and r.reference.hand != "grey"]
    return [*own, *sorted(papers, key=lambda r: (r.reference.hand, r.reference.year, r.method) if r.reference else ())]


def sentence(record: Record, metric: str, records: Sequence[Record]) -> str:
    """Return what a paper may say of a result."""
    score, other, of, rule = record.find(metric), blind(records, metric), gap(record, metric, records), RULES[metric]
    if score is None or other is None or of is None:
        return f"{record.method}: {rule.words} has no baseline."
    place = {"above": "above", "level": "not significantly different from", "below": "below", "": "beside"}[of.mark]
    level = of_interval((other.value, other.low, other.high))
    return (
        f"{record.method} scores {short(score.value)} ({rule.words}), {place} {rule.baseline}, which never sees an image: "
        f"{level}; difference {_difference(of).rstrip(' ↑=↓')}."
    )


class GroundingReport(CheckReport):
    """Published results on one truth, maps without content, and people."""

    check = "grounding"
    question = ""
    shown = 2

    def __init__(self, leaderboard: Leaderboard) -> None:
        """Select the rows of the baselines of a training part, or of pairs of readers."""
        self.leaderboard, self.dataset, self.records = leaderboard, leaderboard.dataset, leaderboard.records
        names = (*OF_TRAINING_PART, READERS)
        runs = [r for r in self.records if r.source != "paper" and r.cell.method in names]
        self.rows = [row for protocol in {r.cell.protocol for r in runs} for row in leaderboard.of_protocol(protocol)]
        self.title = TITLES.get(self.dataset, self.dataset)

    def _metrics(self) -> list[str]:
        return [metric for metric in RULES if any(r.find(metric) for r in published(self.records))]

    def tables(self) -> list[Table]:
        """Return the published results and the maps without content, then results by rules that count negatives."""
        if self.dataset == "vindr_cxr":
            return [_pairs(self.dataset, next(row.runs[0] for row in self.rows))]
        metrics = self._metrics()
        main, others = ([m for m in metrics if (m in COUNT_NEGATIVES) == rest] for rest in (False, True))
        rest = [comparison(self.dataset, self.records, [metric]) for metric in others]
        named = [Table(f"{self.dataset}: {RULES[m].words}", t.intro, t.header, t.rows) for m, t in zip(others, rest, strict=True)]
        return [comparison(self.dataset, self.records, main), _without_content(self.dataset, self.records), *named]

    def sentences(self) -> Iterator[str]:
        """Yield which results are above, level with and below the baseline, and what flatters."""
        if self.dataset == "vindr_cxr":
            yield _people(next(row.runs[0] for row in self.rows))
            return
        metric = self._metrics()[0]
        score, words = blind(self.records, metric), RULES[metric].words
        value = NOTHING if score is None else of_interval((score.value, score.low, score.high))
        marks = grouped(
            [r for r in published(self.records) if r.find(metric)],
            lambda record: of.mark if (of := gap(record, metric, self.records)) else "",
        )
        counts = {mark: f"{len(of)} {'is' if len(of) == 1 else 'are'} {mark}" for mark, of in marks.items() if mark}
        above = [literature.result_name(record) for record in marks.get("above", ())]
        if len(above) < FEW:
            counts["above"] = f"only {listed(above) or 'none'} {'is' if len(above) < 2 else 'are'} above it"
        total = sum(map(len, marks.values()))
        yield (
            f"**{self.title}** ({words}): `{RULES[metric].baseline}`, which never sees an image, has {value}. Of {total} "
            f"published results, {listed([counts[mark] for mark in MARKS if mark in counts])}."
        )
        if (empty := blind(self.records, "dice@empty_is_1")) is not None:
            others = [score for r in published(self.records) if (score := r.find("dice@empty_is_1")) is not None]
            below = sum((score.value or 0) < (empty.value or 0) for score in others)
            yield (
                f"**The rule that flatters** ({self.title}): where an empty mask on an image without the finding counts as "
                f"1, empty masks everywhere score {short(empty.value)}, above {below} of {len(others)} fine-tuned results."
            )

    def chart(self) -> Chart | None:
        """Draw the published results, the baseline and, if there is one, the closest agreement of readers."""
        if self.dataset == "vindr_cxr" or (score := blind(self.records, metric := self._metrics()[0])) is None:
            return None
        values = {
            literature.result_name(r)[:40]: (found.value, found.threshold_origin == "oracle")
            for r in published(self.records)
            if (found := r.find(metric)) is not None and found.value is not None
        }
        about = (
            f"{self.title}, {RULES[metric].words}. Line with band: {RULES[metric].baseline}, which never sees an image "
            "(95% interval). Dots: published; hollow: threshold chosen on the scored images."
        )
        values = dict(sorted(values.items(), key=lambda item: -item[1][0]))
        return charts.dots(values, (score.value or 0.0, score.low, score.high), RULES[metric].words, about)


def _without_content(dataset: str, records: Sequence[Record]) -> Table:
    """Return the score of every map without content under every rule, and what printed counts of papers imply."""
    lines = []
    for record in (r for r in records if r.source != "paper" and r.cell.method in OF_TRAINING_PART):
        for metric, rule in RULES.items():
            score = record.find(metric, MEAN, origin(metric))
            if score is None or score.value is None or (record.cell.method == EMPTY_MASK and score.value == 0):
                continue
            most = max((s for s in record.select(metric) if s.finding != MEAN), key=lambda s: s.value or 0, default=None)
            several = most is not None and most.value is not None and len({s.finding for s in record.select(metric)}) > 2
            top = f"{most.finding} {most.value:.2f}" if several and most and most.value is not None else ""
            options = OPTIONS[str(record.cell.data.get("dataset", "")).partition("images=False")[2].lstrip(",")]
            value = of_interval((score.value, score.low, score.high))
            lines.append((rule.words, f"`{record.cell.method}`", options, value, top))
    for positives, images, split in printed_counts(records):
        printed = f"{split}: {positives:,} of {images:,} with the finding, as printed"
        share = short((images - positives) / images)
        lines.append((RULES["dice@empty_is_1"].words, f"`{EMPTY_MASK}`", printed, share, ""))
    head = ("rule", "map without content", "images", "score [95%]", "highest finding")
    return Table(f"{dataset}: maps without content", ABOUT_CONTENT, head, tuple(sorted({*lines})))


def printed_counts(records: Sequence[Record]) -> list[tuple[int, int, str]]:
    """Return the numbers of images with the finding and of all images, and the split, as papers print them."""
    references = [record.reference for record in records if record.reference is not None]
    found = [(re.match(r"([\d,]+) positives of ([\d,]+)", of.n), of.split) for of in references]
    return sorted({(*(int(n.replace(",", "")) for n in of.groups()), split) for of, split in found if of})


PAIRS = {"marked": "marked by the other", "hit@iou.3": "IoU > .3", "hit@iou.5": "> .5", "hit@iou.7": "> .7", "dice": "Dice", "pointing": "pointing"}


def _pairs(dataset: str, record: Record) -> Table:
    findings = dict.fromkeys(score.finding for score in record.scores)
    lines = [
        (finding, *(short(record.find(metric, finding).value) for metric in PAIRS))  # type: ignore[union-attr]
        for finding in findings
    ]
    about = "One reader's boxes against those of another reader of the same image. All columns but the first: if both marked the finding."
    return Table(f"{dataset}: one radiologist against another", about, ("finding", *PAIRS.values()), tuple(lines))


def _people(record: Record) -> str:
    values = {metric: short(found.value) for metric in PAIRS if (found := record.find(metric)) is not None}
    return (
        f"**People** ({TITLES['vindr_cxr']}, {len(record.scores) // len({s.metric for s in record.scores}) - 1} findings): if two "
        f"radiologists marked the same finding, a box of one hits one of the other at IoU > .3 in {values['hit@iou.3']}, > .5 in "
        f"{values['hit@iou.5']} and > .7 in {values['hit@iou.7']} of cases. Another marked the finding at all in {values['marked']}."
    )
