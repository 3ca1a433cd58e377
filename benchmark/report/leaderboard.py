"""The main table: protocol ``locus`` at cross-fitted thresholds, best first within a data set."""

from collections.abc import Mapping, Sequence

from benchmark.records.record import Record, Score
from benchmark.report import select, standing
from benchmark.report.columns import NAMES, Column, count, score, tabulated
from benchmark.report.rests import rests_on
from benchmark.report.table import Table, chance, share, signed, with_interval, with_n
from benchmark.words import CLASSIFICATION, MAIN, PAIRED

THRESHOLDS = "cross-fitted by patient in 5 folds, per finding; oracle columns are chosen on the truth that they are scored on"
INTERVALS = "Intervals: BCa 95 %, 10,000 resamples of patients; none for fewer than 10 patients. `hit@…` mean over findings."
PART = (
    "Slow methods explain a part of the boxed images, drawn by patient; all methods are scored on that same part here, so these figures "
    "compare with each other and not with those of the other tables. `auroc` is that of all test images."
)
COMPARED = (
    "`− prior`: the main column minus that of `prior` on the same cases; `p` by a sign-flip test by patient, Holm-corrected over the rows "
    "of the network. `P(first)`: share of the resamples of patients in which the method is the best of its network, baselines "
    "left out; methods of equal maps share it."
)
SHORT = ("rank", "backbone", "pooling", "size", "method", "same map as", f"{MAIN} [95 %]", "− prior [95 %]", "pointing")
"""The columns that a terminal shows, with ``n cases`` and ``auroc``."""


def main(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """One row per model and method of a data set; None where nothing was scored.

    With ``images``, the table of the slow methods: all methods on the part of so many images that the slow ones explain.
    """
    every = standing.ranked(select.board(records, dataset, images))
    if not every:
        return None
    paired = {select.row_of(r): r for r in select.of_protocol(records, dataset, PAIRED, images)}
    title = f"{dataset}: leaderboard" if images is None else f"{dataset}: slow methods, on {select.images_in_words(every)} images"
    lines = [rests_on(every, THRESHOLDS), INTERVALS, *([COMPARED] if paired else []), *([PART] if images is not None else [])]
    columns = [_rank(every), *NAMES, *_first(paired), *_beside(), *_classifier(records), _notes(every)]
    return tabulated(title, "\n".join(lines), columns, every)


def short(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """The main table's first columns: rank, what was explained, the main column, pointing and n."""
    table = main(records, dataset, images)
    if table is None:
        return None
    kept = [i for i, name in enumerate(table.header) if name in (*SHORT, "n cases", "auroc")]
    header, *rows = (tuple(line[i] for i in kept) for line in (table.header, *table.rows))
    return Table(table.title, table.intro, header, tuple(rows))


def _rank(every: Sequence[Record]) -> Column:
    places = {r.key: rank for r, rank in zip(every, standing.ranks(every), strict=True)}
    return Column("rank", lambda r: places[r.key])


def _first(paired: Mapping[tuple[object, ...], Record]) -> list[Column]:
    """The main column, and what the comparison with ``prior`` and with all others says of it."""

    def found(record: Record, metric: str) -> Score | None:
        pair = paired.get(select.row_of(record))
        return None if pair is None else pair.find(metric)

    return [
        score(MAIN, "cross-fitted", f"{MAIN} [95 %]", with_interval),
        Column("− prior [95 %]", lambda r: signed(found(r, "above_prior")), "optional"),
        Column("p (Holm)", lambda r: chance(found(r, "p_holm")), "optional"),
        Column("P(first)", lambda r: share(found(r, "p_first")), "optional"),
    ]


def _beside() -> list[Column]:
    return [
        *(score(f"hit@{level}", "cross-fitted") for level in ("iou.1", "iou.5", "iobb.1", "iobb.5")),
        score("pointing"),
        count(MAIN, "cross-fitted"),
        score(MAIN, "oracle", f"{MAIN} oracle"),
        score("optimism", shown=with_interval),
        score("anyhit@iou.3", "cross-fitted"),
        count("anyhit@iou.3", "cross-fitted", "n boxes"),
        score("boxes_per_case", "cross-fitted"),
    ]


def _classifier(records: Sequence[Record]) -> list[Column]:
    known = {select.model_of(r): r for r in select.scored(records, CLASSIFICATION)}

    def found(record: Record, metric: str) -> str:
        own = known.get(select.model_of(record))
        return with_n(None if own is None else own.find(metric))

    return [Column("auroc", lambda r: found(r, "auroc")), Column("auroc, boxed images", lambda r: found(r, "auroc@boxed"))]


def _notes(every: Sequence[Record]) -> Column:
    return Column("note", lambda r: standing.notes(r, every))
