"""The methods within each network: protocol ``locus`` at cross-fitted thresholds, best first."""

from collections.abc import Callable, Sequence

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES, TableColumn, count, score, scored, tabulated
from benchmark.report.leaderboard import ranking
from benchmark.report.leaderboard.entries import (
    ENTRY,
    NETWORK,
    compared,
    comparisons_by_row,
    mean_records,
    network_of,
)
from benchmark.report.leaderboard.entry_columns import RowComparisons, is_single, of_entries, score_getter
from benchmark.report.table import Table, chance, signed, with_interval, with_n
from core.names import CLASSIFICATION, MAIN, PAIRED, PEOPLE, RELATIVE_DROP
from core.scores import Score

TITLE = "methods within each network"
THRESHOLDS = (
    "cross-fitted by patient in 5 folds, per finding; oracle columns are chosen on the truth that they are scored on"
)
INTERVALS = (
    "Intervals of one training run are over patients: BCa 95 %, 10,000 resamples; none below 10 patients. `hit@…`: "
    "mean over findings."
)
PART = (
    "Columns as in the first table of methods. Slow methods were scored on a part of the boxed images, drawn by "
    "patient. All methods here are scored on that part. Do not compare these figures with those of other tables. "
    "`auroc` is that of all test images."
)
COMPARED = (
    "`− prior`: the difference to `prior` on the same cases. `p`: Holm over the methods of the network; of one run by "
    "a sign-flip test over patients, of several runs over runs and patients. `P(best)`: the share of draws, of "
    "patients and of runs where there are several, in which the method has the highest score of its network. It "
    "describes and does not test."
)
ENTRIES = (
    "A row is one method on all training runs of a network, which differ by their seed alone. Its score is the mean "
    "over runs. The interval is for new runs and new patients, thresholds held fixed (Obuchowski and Rockette, "
    "Hillis; what it covers: docs/coverage.md). `1 run`: a single run; `of this network` is then the interval over "
    "patients and does not show what another run would give. `one more run`: where the next run is expected to "
    "score on these images (95 %)."
)
WITHIN = (
    "Every method is compared with every other method of its network. `may be the best`: no other one is "
    "significantly better (5 %, Holm over the comparisons of the row). `worse by`: how much better the method named "
    "under `than` is, with the interval of that difference alone. That is the top method or, where the top method "
    "does not exclude the row, the best one that does. Do not compare rows of two networks here: see the table of "
    "networks."
)
ONE_RUN = "Where a method has one run, the comparison is over patients: another run may turn it."
COLUMNS = (
    *("backbone", "pooling", "attention", "size", "seed", "trained on", "method", "same map as"),
    *(MAIN, "of this network", "may be the best", "worse by", "than", "− prior", "pointing", "note"),
)
"""The columns that decide: ``leaderboard.md`` and ``leaderboard.tex`` have them where they say something."""
SHORT = (
    *("backbone", "pooling", "size", "seed", "trained on", "method"),
    *(MAIN, "of this network", "may be the best", "worse by", "than", "− prior", "note"),
)
"""The columns that a terminal shows."""


def main(
    records: Sequence[Record], dataset: str, images: int | None = None, wanted: Sequence[str] = ()
) -> Table | None:
    """One row per method and network; None where nothing was scored.

    With ``images`` all methods are scored on so many images, the part that slow ones explain. ``wanted``: headings
    without ``[95 %]``; all columns by default.
    """
    rows = board(records, dataset, images)
    if not rows:
        return None
    part = images is not None
    title = f"methods within each network, on {select.images_in_words(rows)} images" if part else TITLE
    protocols = {r.cell.protocol for r in records}
    about = [*([ENTRIES, WITHIN] if ENTRY in protocols else []), *([COMPARED] if PAIRED in protocols else [])]
    about = [PART] if part else about
    about += [ONE_RUN] if any(map(is_single, rows)) else []
    intro = "\n".join([basis_lines(select.board(records, dataset, images), THRESHOLDS), INTERVALS, *about])
    all_columns = columns(records, rows, images)
    shown = [c for c in all_columns if not wanted or c.heading.removesuffix(" [95 %]") in wanted]
    return tabulated(f"{dataset}: {title}", intro, shown, rows)


def board(records: Sequence[Record], dataset: str, images: int | None = None) -> list[Record]:
    """The rows of the main table, one record per method and network: of several training runs the mean.

    Network by network, in the order of the table of networks, the methods of each best first; then the baselines and,
    last, the upper bound.
    """
    rows = ranking.ranked(mean_records(select.board(records, dataset, images)))
    networks = compared(records, dataset, NETWORK)
    position = {key: n for n, key in enumerate(dict.fromkeys(map(network_of, [*networks, *rows])))}
    return sorted(rows, key=lambda r: position[network_of(r)] if select.is_method(r) else len(position))


def short(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """The main table in the columns of ``SHORT``, for a terminal; None as in ``main``."""
    return main(records, dataset, images, SHORT)


def columns(records: Sequence[Record], rows: Sequence[Record], images: int | None) -> list[TableColumn]:
    """The columns of the main table that shows ``rows`` of a suite's ``records``.

    The comparisons between rows are found among the records: protocols ``entry`` and ``paired``.
    """
    known = comparisons_by_row(records, images)
    above = score_getter(known, "above_prior")
    note = TableColumn("note", lambda r: ranking.notes(r, rows, above(r)))
    return [*NAMES, *of_entries(known), *_first(known), *_others(), *_classifier(records), note]


def _first(known: RowComparisons) -> list[TableColumn]:
    """What the comparison with ``prior`` and with all others says of a row."""
    return [
        scored("− prior [95 %]", score_getter(known, "above_prior"), signed, "optional"),
        scored("p (Holm)", score_getter(known, "p_holm"), chance, "optional"),
        scored("P(best)", score_getter(known, "p_first"), kind="optional"),
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
