"""Table of the methods within each network: protocol ``locus`` at cross-fitted thresholds, best first."""

from collections.abc import Callable, Sequence
from dataclasses import replace

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
    "cross-fitted by patient in 5 folds, per finding; oracle columns use thresholds chosen on the test annotations"
)
INTERVALS = (
    "Intervals of one training run are over patients: BCa 95 %, 10,000 resamples; none below 10 patients. `hit@…`: "
    "mean over findings."
)
PART = (
    "Columns as in the first table of methods. Slow methods were scored on a random part of the boxed images, sampled "
    "by patient. All methods in this table are scored on that part: do not compare these scores with other tables. "
    "`auroc` is computed on all test images."
)
COMPARED = (
    "`− prior`: the difference to `prior` on the same cases. `p`: Holm over the methods of the network; of one run by "
    "a sign-flip test over patients, of several runs over runs and patients. `P(best)`: share of bootstrap "
    "draws (of patients, and of runs if there are several) where the method has the highest score of its network. It "
    "is descriptive, not a test."
)
ENTRIES = (
    "A row is one method on all training runs of a network, which differ only by seed. Its score is the mean over "
    "runs. The interval covers new runs and new patients at fixed thresholds (Obuchowski and Rockette, Hillis; "
    "coverage: docs/coverage.md). `1 run`: a single run. `of this network`: its interval over patients, which does "
    "not cover other runs. `one more run`: where another run is expected to score on these images (95 %)."
)
WITHIN = (
    "Every method is compared with every other method of its network. `may be the best`: no other one is "
    "significantly better (5 %, Holm over the comparisons of the row). `worse by`: how much better the method named "
    "under `than` is, with the interval of that difference. That is the top method or, if the top method does not "
    "exclude the row, the best method that does. Do not compare rows of two networks here: use the table of networks."
)
ONE_RUN = "Methods with one run are compared over patients only: another run may change the order."
TWO_RUNS = "With two training runs, a best method is wrongly called worse in up to 17 of 100 cases (docs/coverage.md)."
COLUMNS = (
    *("backbone", "pooling", "attention", "size", "seed", "trained on", "method", "same map as"),
    *(MAIN, "of this network", "may be the best", "worse by", "than", "− prior", "pointing", "note"),
)
"""Main columns, in ``leaderboard.md`` and ``leaderboard.tex`` unless they are empty."""
SHORT = (
    *("backbone", "pooling", "size", "seed", "trained on", "method"),
    *(MAIN, "of this network", "may be the best", "worse by", "than", "− prior", "note"),
)
"""Columns shown in a terminal."""


def main(
    records: Sequence[Record], dataset: str, images: int | None = None, wanted: Sequence[str] = ()
) -> Table | None:
    """Return the table with one row per method and network, or None if nothing was scored.

    ``images``: size of the part of the images that slow methods explain; None for all images. ``wanted``: headings
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
    wanted_columns = [c for c in all_columns if not wanted or c.heading.removesuffix(" [95 %]") in wanted]
    runs = score_getter(comparisons_by_row(records, images), "trainings")
    two = any(select.is_method(r) and (number := runs(r)) is not None and number.value == 2 for r in rows)
    return replace(tabulated(f"{dataset}: {title}", intro, wanted_columns, rows), footnote=TWO_RUNS if two else "")


def board(records: Sequence[Record], dataset: str, images: int | None = None) -> list[Record]:
    """Return the rows of the main table, one record per method and network: the mean over its training runs.

    Networks are in the order of the table of networks, the methods of each best first. Baselines follow, then the
    upper bound.
    """
    rows = ranking.ranked(mean_records(select.board(records, dataset, images)))
    networks = compared(records, dataset, NETWORK)
    position = {key: n for n, key in enumerate(dict.fromkeys(map(network_of, [*networks, *rows])))}
    return sorted(rows, key=lambda r: position[network_of(r)] if select.is_method(r) else len(position))


def short(records: Sequence[Record], dataset: str, images: int | None = None) -> Table | None:
    """Return the main table with the columns ``SHORT``, for a terminal; None as in ``main``."""
    return main(records, dataset, images, SHORT)


def columns(records: Sequence[Record], rows: Sequence[Record], images: int | None) -> list[TableColumn]:
    """Return the columns of the main table for ``rows`` of a suite's ``records``.

    ``records`` include the comparisons between rows (protocols ``entry`` and ``paired``).
    """
    known = comparisons_by_row(records, images)
    above = score_getter(known, "above_prior")
    note = TableColumn("note", lambda r: ranking.notes(r, rows, above(r)))
    return [*NAMES, *of_entries(known), *_first(known), *_others(), *_classifier(records), note]


def _first(known: RowComparisons) -> list[TableColumn]:
    """Return the columns of the comparisons with ``prior``, with other methods and with people."""
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
    """Return the columns of the other metrics."""
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
    by_model = {select.model_of(r): r for r in (*of_models, *mean_records(of_models))}

    def of(metric: str) -> Callable[[Record], Score | None]:
        return lambda record: by_model[model].find(metric) if (model := select.model_of(record)) in by_model else None

    return [scored("auroc", of("auroc"), with_n), scored("auroc, boxed images", of("auroc@boxed"), with_n)]
