"""The main table: protocol ``locus`` at cross-fitted thresholds, best first within a data set."""

from collections.abc import Sequence

from benchmark.records.record import Record, Score
from benchmark.report import select
from benchmark.report.rests import rests_on
from benchmark.report.table import NOTHING, Table, share, with_interval, with_n

THRESHOLDS = "cross-fitted by patient in 5 folds, per finding; oracle columns are chosen on the truth that they are scored on"
INTERVALS = "Intervals: percentile 95 %, 10,000 resamples of patients; none for n < 10. `hit@…` mean over findings."
PART = (
    "Slow methods explain a part of the boxed images, drawn by patient; all methods are scored on that same part here, so these figures "
    "compare with each other and not with those of the other tables. `auroc` is that of all test images."
)
HEADER = (
    *("rank", *select.WORDS, "hit@iou.3 [95 %]", "hit@iou.1", "hit@iou.5", "hit@iobb.1", "hit@iobb.5", "pointing", "n cases"),
    *("hit@iou.3 oracle", "optimism", "anyhit@iou.3", "n boxes", "boxes_per_case", "auroc", "auroc, boxed images", "note"),
)

SHORT = ("rank", "backbone", "pooling", "size", "method", "same map as", "hit@iou.3 [95 %]", "pointing", "n cases", "auroc")


def main(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """One row per model and method of a data set; None where nothing was scored.

    With ``images``, the table of the slow methods: all methods on the part of so many images that the slow ones explain.
    """
    every = _rows_of(records, dataset, images)
    if not every:
        return None
    classifiers = {select.model_of(r): r for r in select.scored(records, "classification")}
    rows = [
        (rank, *select.words(r), *_scores(r), *_auroc(classifiers.get(select.model_of(r))), select.notes(r, every))
        for rank, r in zip(select.ranks(every), every, strict=True)
    ]
    counts = sorted({str(select.explained(r)) for r in every})
    title = f"{dataset}: leaderboard" if images is None else f"{dataset}: slow methods, on {' or '.join(counts)} images"
    return Table(title, _intro(every), HEADER, tuple(rows))


def short(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """The main table's first columns: rank, what was explained, the main column, pointing and n."""
    table = main(records, dataset, images)
    if table is None:
        return None
    columns = [HEADER.index(name) for name in SHORT]
    return Table(table.title, table.intro, SHORT, tuple(tuple(row[i] for i in columns) for row in table.rows))


def per_finding(records: Sequence[Record], dataset: str) -> Table | None:
    """The main column finding by finding; n in the header where all rows agree, else in the cells."""
    every = _rows_of(records, dataset)
    if not every:
        return None
    findings = list(dict.fromkeys(s.finding for r in every for s in r.scores if s.metric == select.MAIN))
    header = [_heading(every, finding) for finding in findings]
    rows = tuple((*select.words(r), *(_cell(r, *pair) for pair in zip(findings, header, strict=True))) for r in every)
    return Table(f"{dataset}: {select.MAIN} per finding", _intro(every), (*select.WORDS, *header), rows)


def _rows_of(records: Sequence[Record], dataset: str, images: int | None = None) -> list[Record]:
    return select.ranked(select.once([r for r in select.scored(records, "locus", images) if r.cell.dataset == dataset]))


def _intro(records: Sequence[Record]) -> str:
    part = f"\n{PART}" if records[0].cell.images is not None else ""
    return f"{rests_on(records, THRESHOLDS)}\n{INTERVALS}{part}"


def _scores(record: Record) -> tuple[str, ...]:
    main, many = select.main_score(record), record.find("anyhit@iou.3", origin="cross-fitted")
    beside = [share(record.find(f"hit@{level}", origin="cross-fitted")) for level in ("iou.1", "iou.5", "iobb.1", "iobb.5")]
    oracle = [share(record.find(select.MAIN, origin="oracle")), with_interval(record.find("optimism"))]
    boxes = [share(many), _n(many), share(record.find("boxes_per_case", origin="cross-fitted"))]
    return (with_interval(main), *beside, share(record.find("pointing")), _n(main), *oracle, *boxes)


def _auroc(classifier: Record | None) -> tuple[str, str]:
    if classifier is None:
        return NOTHING, NOTHING
    return with_n(classifier.find("auroc")), with_n(classifier.find("auroc@boxed"))


def _n(score: Score | None) -> str:
    return NOTHING if score is None else str(score.n)


def _heading(records: Sequence[Record], finding: str) -> str:
    counts = {score.n for r in records if (score := select.main_score(r, finding)) is not None}
    return f"{finding} (n {counts.pop()})" if len(counts) == 1 else finding


def _cell(record: Record, finding: str, heading: str) -> str:
    score = select.main_score(record, finding)
    return with_interval(score) if heading != finding else with_n(score)
