"""The main table: protocol ``locus`` at cross-fitted thresholds, best first within a data set."""

from collections.abc import Callable, Sequence

from benchmark.records.record import Record
from benchmark.records.score import Score
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES, TableColumn, count, score, scored, tabulated
from benchmark.report.leaderboard import ranking
from benchmark.report.leaderboard.entries import ENTRY, comparisons_by_row, mean_records
from benchmark.report.leaderboard.entry_columns import RowComparisons, of_entries, score_getter
from benchmark.report.table import Table, chance, chosen, signed, with_interval, with_n
from core.names import CLASSIFICATION, MAIN, PAIRED, PEOPLE, RELATIVE_DROP

THRESHOLDS = (
    "cross-fitted by patient in 5 folds, per finding; oracle columns are chosen on the truth that they are scored on"
)
INTERVALS = (
    "Intervals by patient are of this network alone: BCa 95 %, 10,000 resamples of patients; none for fewer than 10 "
    "patients and for means over trainings. `hit@…` mean over findings."
)
PART = (
    "Slow methods explain a part of the boxed images, drawn by patient; all methods are scored on that same part "
    "here, so these figures compare with each other and not with those of the other tables. `auroc` is that of all "
    "test images."
)
COMPARED = (
    "`− prior`: the main column minus that of `prior` on the same cases; `p`, Holm-corrected over the rows of the "
    "network: of one training by a sign-flip test by patient, of several over trainings and patients. `P(first)`: "
    "share of the draws, of patients and of trainings where there are several, in which the method is the best of its "
    "network, baselines left out; methods of equal maps share it."
)
ENTRIES = (
    "A row is an entry: one method on all trainings of a network, which differ by their seed alone; figures are means "
    "over them. Interval: for new trainings and new patients (Obuchowski and Rockette, Hillis), thresholds held fixed: "
    "95 % from five trainings on; of two and three it holds the truth less often (docs/coverage.md). `1 training` "
    "stands in its place where there is no other; `of this network` is then that of patients alone "
    "and says nothing of another training. `one more training`: where the next one will score on these images (95 %). "
    "`tied with first`: no difference to the first row (5 %, Holm over all rows with a rank), paired on the same "
    "trainings, nested on others; `among these networks` where patients alone decided, for one of the two has one "
    "training. Tied rows share rank 1; the rank of any other is one more than there are rows above it."
)
SHORT = (
    *("rank", "backbone", "pooling", "size", "seed", "trained on", "method", "same map as"),
    *(MAIN, "of this network", "trainings", "tied with first", "among these networks"),
    *("− prior", "n cases", "pointing", "auroc", "note"),
)
"""The columns that a terminal shows."""


def main(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """One row per entry of a data set; None where nothing was scored.

    With ``images`` all methods stand in it on so many images, the part that slow ones explain.
    """
    rows = board(records, dataset, images)
    if not rows:
        return None
    part = images is not None
    title = f"slow methods, on {select.images_in_words(rows)} images" if part else "leaderboard"
    protocols = {r.cell.protocol for r in records}
    about = [*([ENTRIES] if ENTRY in protocols else []), *([COMPARED] if PAIRED in protocols else [])]
    intro = "\n".join(
        [basis_lines(select.board(records, dataset, images), THRESHOLDS), INTERVALS, *about, *([PART] if part else [])]
    )
    return tabulated(f"{dataset}: {title}", intro, columns(records, rows, images), rows)


def board(records: Sequence[Record], dataset: str, images: int | None = None) -> list[Record]:
    """The rows of the main table, best first: one record per entry.

    Of several trainings the means; limit and ceilings stand last, whatever their score.
    """
    return ranking.ranked(mean_records(select.board(records, dataset, images)))


def columns(records: Sequence[Record], rows: Sequence[Record], images: int | None) -> list[TableColumn]:
    """The columns of the main table that shows ``rows`` of a suite's ``records``.

    The comparisons between rows are found among the records: protocols ``entry`` and ``paired``.
    """
    known = comparisons_by_row(records, images)
    note = TableColumn("note", lambda r: ranking.notes(r, rows))
    return [_rank(rows, known), *NAMES, *of_entries(known), *_first(known), *_others(), *_classifier(records), note]


def short(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """The main table in a few columns.

    Those of ``SHORT``, for a terminal; None as in ``main``.
    """
    table = main(records, dataset, images)
    return None if table is None else chosen(table, SHORT)


def _rank(rows: Sequence[Record], known: RowComparisons) -> TableColumn:
    tied = {row.key for row in rows if (score := score_getter(known, "tied")(row)) is not None and score.value}
    ranks = {r.key: rank for r, rank in zip(rows, ranking.ranks(rows, tied), strict=True)}
    return TableColumn("rank", lambda r: ranks[r.key])


def _first(known: RowComparisons) -> list[TableColumn]:
    """What the comparison with ``prior`` and with all others says of a row."""
    return [
        scored("− prior [95 %]", score_getter(known, "above_prior"), signed, "optional"),
        scored("p (Holm)", score_getter(known, "p_holm"), chance, "optional"),
        scored("P(first)", score_getter(known, "p_first"), kind="optional"),
        *(
            scored(f"drop to {who} [95 %]", score_getter(known, f"{RELATIVE_DROP}{who}"), with_interval, "optional")
            for who in PEOPLE
        ),
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
    of_models = select.scored(records, CLASSIFICATION)
    known = {select.model_of(r): r for r in (*of_models, *mean_records(of_models))}

    def of(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: known[model].find(metric) if (model := select.model_of(record)) in known else None

    return [scored("auroc", of("auroc"), with_n), scored("auroc, boxed images", of("auroc@boxed"), with_n)]
