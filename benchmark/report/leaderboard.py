"""The main table: protocol ``locus`` at cross-fitted thresholds, best first within a data set."""

from collections.abc import Callable, Mapping, Sequence

from benchmark.records.record import Record, Score
from benchmark.report import ranking, select
from benchmark.report.columns import NAMES, TableColumn, count, score, scored, tabulated
from benchmark.report.rests import basis_lines
from benchmark.report.table import Table, chance, chosen, signed, with_interval, with_n
from core.names import CLASSIFICATION, MAIN, PAIRED

THRESHOLDS = (
    "cross-fitted by patient in 5 folds, per finding; oracle columns are chosen on the truth that they are scored on"
)
INTERVALS = (
    "Intervals: BCa 95 %, 10,000 resamples of patients; none for fewer than 10 patients. `hit@…` mean over findings."
)
PART = (
    "Slow methods explain a part of the boxed images, drawn by patient; all methods are scored on that same part "
    "here, so these figures compare with each other and not with those of the other tables. `auroc` is that of all "
    "test images."
)
COMPARED = (
    "`− prior`: the main column minus that of `prior` on the same cases; `p` by a sign-flip test by patient, "
    "Holm-corrected over the rows of the network. `P(first)`: share of the resamples of patients in which the method "
    "is the best of its network, baselines left out; methods of equal maps share it."
)
SHORT = (
    *("rank", "backbone", "pooling", "size", "seed", "method", "same map as"),
    *(MAIN, "− prior", "n cases", "pointing", "auroc", "note"),
)
"""The columns that a terminal shows."""


def main(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """One row per model and method of a data set; None where nothing was scored.

    With ``images`` all methods stand in it on so many images, the part that slow ones explain.
    """
    rows = ranking.ranked(select.board(records, dataset, images))
    if not rows:
        return None
    part = images is not None
    title = f"slow methods, on {select.images_in_words(rows)} images" if part else "leaderboard"
    compared = [COMPARED] if any(r.cell.protocol == PAIRED for r in records) else []
    intro = "\n".join([basis_lines(rows, THRESHOLDS), INTERVALS, *compared, *([PART] if part else [])])
    return tabulated(f"{dataset}: {title}", intro, columns(records, rows, images), rows)


def columns(records: Sequence[Record], rows: Sequence[Record], images: int | None) -> list[TableColumn]:
    """The columns of the main table that shows ``rows`` of a suite's ``records``."""
    paired = {select.row_of(r): r for r in records if r.cell.protocol == PAIRED and r.cell.images == images}
    note = TableColumn("note", lambda r: ranking.notes(r, rows))
    return [_rank(rows), *NAMES, *_first(paired), *_others(), *_classifier(records), note]


def short(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """The main table in a few columns."""
    table = main(records, dataset, images)
    return None if table is None else chosen(table, SHORT)


def _rank(rows: Sequence[Record]) -> TableColumn:
    ranks = {r.key: rank for r, rank in zip(rows, ranking.ranks(rows), strict=True)}
    return TableColumn("rank", lambda r: ranks[r.key])


def _first(paired: Mapping[tuple[object, ...], Record]) -> list[TableColumn]:
    """The main column, and what the comparison with ``prior`` and with all others says of it."""

    def of(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: paired[row].find(metric) if (row := select.row_of(record)) in paired else None

    return [
        score(MAIN, "cross-fitted", f"{MAIN} [95 %]", with_interval),
        scored("− prior [95 %]", of("above_prior"), signed, "optional"),
        scored("p (Holm)", of("p_holm"), chance, "optional"),
        scored("P(first)", of("p_first"), kind="optional"),
    ]


def _others() -> list[TableColumn]:
    """What else the protocol says of a method."""
    return [
        *(score(f"hit@{level}", "cross-fitted") for level in ("iou.1", "iou.5", "iobb.1", "iobb.5")),
        score("pointing"),
        count(MAIN, "cross-fitted"),
        score(MAIN, "oracle", f"{MAIN} oracle"),
        score("optimism", formatter=with_interval),
        score("anyhit@iou.3", "cross-fitted"),
        count("anyhit@iou.3", "cross-fitted", "n boxes"),
        score("boxes_per_case", "cross-fitted"),
    ]


def _classifier(records: Sequence[Record]) -> list[TableColumn]:
    known = {select.model_of(r): r for r in select.scored(records, CLASSIFICATION)}

    def of(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: known[model].find(metric) if (model := select.model_of(record)) in known else None

    return [scored("auroc", of("auroc"), with_n), scored("auroc, boxed images", of("auroc@boxed"), with_n)]
