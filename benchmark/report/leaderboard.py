"""The main table: protocol ``locus`` at cross-fitted thresholds, best first within a data set."""

from collections.abc import Callable, Mapping, Sequence

from benchmark.records.record import Record, Score
from benchmark.report import ranking as standing
from benchmark.report import select
from benchmark.report.columns import NAMES, Column, count, score, scored, tabulated
from benchmark.report.rests import rests_on
from benchmark.report.table import Table, chance, signed, with_interval, with_n
from core.names import CLASSIFICATION, MAIN, PAIRED

THRESHOLDS = (
    "cross-fitted by patient in 5 folds, per finding; oracle columns are chosen on the truth that they are scored on"
)
INTERVALS = (
    "Intervals: BCa 95 %, 10,000 resamples of patients; none for fewer than 10 patients. `hit@…` mean over findings."
)
PART = (
    "Slow methods explain a part of the boxed images, drawn by patient; all methods are scored on that same part here, so these figures "
    "compare with each other and not with those of the other tables. `auroc` is that of all test images."
)
COMPARED = (
    "`− prior`: the main column minus that of `prior` on the same cases; `p` by a sign-flip test by patient, Holm-corrected over the rows "
    "of the network. `P(first)`: share of the resamples of patients in which the method is the best of its network, baselines "
    "left out; methods of equal maps share it."
)
SHORT = (
    "rank",
    "backbone",
    "pooling",
    "size",
    "seed",
    "method",
    "same map as",
    f"{MAIN} [95 %]",
    "− prior [95 %]",
    "pointing",
    "note",
)
"""The columns that a terminal shows, with ``n cases`` and ``auroc``."""


def main(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """One row per model and method of a data set; None where nothing was scored.

    With ``images``, the table of the slow methods: all methods on the part of so many images that the slow ones
    explain.
    """
    every = standing.ranked(select.board(records, dataset, images))
    if not every:
        return None
    compared = any(r.cell.protocol == PAIRED for r in records)
    title = (
        f"{dataset}: leaderboard"
        if images is None
        else f"{dataset}: slow methods, on {select.images_in_words(every)} images"
    )
    lines = [
        rests_on(every, THRESHOLDS),
        INTERVALS,
        *([COMPARED] if compared else []),
        *([PART] if images is not None else []),
    ]
    return tabulated(title, "\n".join(lines), columns(records, every, images), every)


def columns(records: Sequence[Record], every: Sequence[Record], images: int | None) -> list[Column]:
    """The columns of the main table of ``every`` row among a suite's ``records``."""
    paired = {select.row_of(r): r for r in records if r.cell.protocol == PAIRED and r.cell.images == images}
    return [_rank(every), *NAMES, *_first(paired), *_beside(), *_classifier(records), _notes(every)]


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

    def of(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: pair.find(metric) if (pair := paired.get(select.row_of(record))) is not None else None

    return [
        score(MAIN, "cross-fitted", f"{MAIN} [95 %]", with_interval),
        scored("− prior [95 %]", of("above_prior"), signed, "optional"),
        scored("p (Holm)", of("p_holm"), chance, "optional"),
        scored("P(first)", of("p_first"), kind="optional"),
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

    def of(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: own.find(metric) if (own := known.get(select.model_of(record))) is not None else None

    return [scored("auroc", of("auroc"), with_n), scored("auroc, boxed images", of("auroc@boxed"), with_n)]


def _notes(every: Sequence[Record]) -> Column:
    return Column("note", lambda r: standing.notes(r, every))
