"""Table of the methods within each network: protocol ``locus`` at cross-fitted thresholds, best first."""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import (
    ABOVE_PRIOR,
    AUROC,
    FIRST,
    MAIN_OF_METHODS,
    NAMES,
    TableColumn,
    count,
    score,
    tabulated,
)
from benchmark.report.entries import ranking
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import is_single, run_count
from benchmark.report.table import Table, chance, with_interval
from core.names import MAIN, PAIRED, PEOPLE, RELATIVE_DROP

TITLE = "methods within each network"
THRESHOLDS = (
    "cross-fitted by patient in 5 folds, per finding; the oracle columns in index.html use thresholds chosen on the "
    "test annotations"
)
INTERVALS = (
    "Intervals for a single training run reflect variation between patients (BCa, 95%, 10,000 resamples) and require "
    "10 patients. `hit@…`: mean over findings."
)
PART = (
    "The columns are those of the first table of methods. Slow methods were scored on a random subset of the images "
    "with boxes, sampled by patient. All methods in this table are scored on that subset: do not compare their "
    "scores with those in other tables. `auroc` (in index.html) is computed on all test images."
)
COMPARED = (
    "`− prior`: the difference from `prior` on the same cases. `p` (in index.html) comes from a sign-flip test over "
    "patients if there is one run, otherwise from a test over runs and patients. It is Holm-corrected across the "
    "network's methods. `P(best)`: share of bootstrap draws (of patients, and of runs if there are several) in which "
    "the method scores highest on its network. It is descriptive, not a test."
)
ENTRIES = (
    "A row is one method on all training runs of a network, which differ only by seed. Its score is the mean over "
    "runs. The interval reflects variation between runs and between patients, at fixed thresholds (Obuchowski and "
    "Rockette, Hillis; coverage: docs/coverage.md). `1 run`: the row has a single run. Its interval, in the column "
    "`this run only`, reflects variation between patients, but not between runs of the network. `one more run` (in "
    "index.html): 95% prediction interval for the score of another run on these images."
)
WITHIN = (
    "Every method is compared with every other method of its network. `may be the best`: no other method is "
    "significantly better (5%, Holm over the comparisons of the row). `worse by`: how much lower the row scores "
    "than the method under `compared with`, with the interval of the difference (not corrected for the number of "
    "comparisons). `compared with` names the top method. If the top method is not significantly better than the row "
    "but other methods are, it names the best of these. To compare networks, use the table of networks instead."
)
ONE_RUN = "With one run, comparisons account only for variation between patients: another run may change the order."
TWO_RUNS = (
    "In simulations with two training runs and several equally good methods, at least one method was wrongly "
    "called worse in up to 17% of the simulations (docs/coverage.md)."
)
COLUMNS = (
    *("backbone", "pooling", "attention", "size", "seed", "trained on", "method", "same map as"),
    *(MAIN, "this run only", "may be the best", "worse by", "compared with", "− prior", "pointing", "note"),
)
"""Main columns, in ``leaderboard.md`` and ``leaderboard.tex`` unless they are empty."""
SHORT = (
    *("backbone", "pooling", "size", "seed", "trained on", "method"),
    *(MAIN, "this run only", "may be the best", "worse by", "compared with", "− prior", "note"),
)
"""Columns shown in a terminal."""


OTHERS = (
    ABOVE_PRIOR,
    score("p_holm", heading="p (Holm)", formatter=chance, kind="optional"),
    FIRST,
    *(score(f"{RELATIVE_DROP}{who}", None, f"drop to {who} [95%]", with_interval, "optional") for who in PEOPLE),
    *(score(f"hit@{level}", "cross-fitted") for level in ("iou.1", "iou.5", "iobb.1", "iobb.5")),
    score("pointing"),
    count(MAIN, "cross-fitted"),
    score(MAIN, "oracle", f"{MAIN} oracle"),
    score("optimism", formatter=with_interval),
    score("anyhit@iou.3", "cross-fitted"),
    count("anyhit@iou.3", "cross-fitted", "n boxes"),
    score("boxes_per_case", "cross-fitted"),
    *AUROC,
)
"""Comparisons with ``prior``, other methods and people, then the other metrics."""


def main(leaderboard: Leaderboard, images: int | None = None, wanted: Sequence[str] = ()) -> Table:
    """Return the table with one row per method and network.

    ``images``: size of the part of the images that slow methods explain; None for all images. ``wanted``: headings
    without ``[95%]``; all columns by default.
    """
    rows = leaderboard.parts[images]
    part = images is not None
    title = f"methods within each network, on {select.images_in_words(rows)} images" if part else TITLE
    paired = any(r.cell.protocol == PAIRED for r in leaderboard.records)
    about = [PART] if part else [ENTRIES, WITHIN, *([COMPARED] if paired else [])]
    about += [ONE_RUN] if any(map(is_single, rows)) else []
    intro = "\n".join([basis_lines(leaderboard.runs(images), THRESHOLDS), INTERVALS, *about])
    wanted_columns = [c for c in columns(rows) if not wanted or c.heading.removesuffix(" [95%]") in wanted]
    two = any(select.is_method(r) and run_count(r) == 2 for r in rows)
    table = tabulated(f"{leaderboard.dataset}: {title}", intro, wanted_columns, rows)
    return replace(table, footnote=TWO_RUNS if two else "")


def columns(rows: Sequence[Record]) -> list[TableColumn]:
    """Return the columns of the main table for its ``rows``, which the notes compare."""
    return [*NAMES, *MAIN_OF_METHODS, *OTHERS, TableColumn("note", lambda r: ranking.notes(r, rows))]
