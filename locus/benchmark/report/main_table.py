"""The three main tables, and ``leaderboard.csv`` with their rows as numbers.

``main``      methods within each network
``networks``  networks of each grid
``effects``   effects of a method across networks

The columns are defined here and in ``columns``. Tables with more detail are in ``breakdown``, tables of the other
protocols in ``protocol_tables``; ``all_tables`` puts them together.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from locus.benchmark.records.record import Record
from locus.benchmark.report import columns, entry, select
from locus.benchmark.report.columns import HEADINGS, MODEL, TableColumn, count, score, tabulated, with_runs
from locus.benchmark.report.comparisons import RANK_METHODS
from locus.benchmark.report.entry import WORSE_BY, Entry, is_single, run_count, worse_by
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.select import basis_lines
from locus.benchmark.report.table import NOTHING, Table, chance, signed, with_interval
from locus.config import CHECKS
from locus.core.files import csv_cell
from locus.core.names import MAIN, PAIRED, PEOPLE, RELATIVE_DROP
from locus.core.scores import Score

TITLE = "methods within each network"
THRESHOLDS = (
    "cross-fitted by patient in 5 folds, per finding; the oracle columns of the page use thresholds chosen on the "
    "test annotations"
)
INTERVALS = (
    "Intervals for a single training run reflect variation between patients (BCa, 95%, 10,000 resamples) and require "
    "10 patients. `hit@…`: mean over findings."
)
PART = (
    "The columns are those of the first table of methods. Slow methods were scored on a random subset of the images "
    "with boxes, sampled by patient. All methods in this table are scored on that subset: do not compare their "
    "scores with those in other tables. `auroc` (on the page) is computed on all test images."
)
COMPARED = (
    "`− prior`: the difference from `prior` on the same cases. `p (Holm)` (on the page): sign-flip test over patients "
    "for one run, otherwise a test over runs and patients, corrected over the methods and baselines of the network. "
    "The note `not shown to be above prior` means that this p is above .05 or that the interval contains 0. The "
    "interval is not corrected. `P(best)`: share of bootstrap draws (of patients, and of runs if there are several) in "
    "which the method scores highest on its network. It is descriptive, not a test."
)
SINGLE_RUN = (
    "A row is one method on one training run of a network. Its interval, in the column `this run only`, reflects "
    "variation between patients, but not between runs of the network."
)
ENTRIES = (
    "A row is one method on all training runs of a network, which differ only by seed. Its score is the mean over "
    "runs. The interval reflects variation between runs and between patients, with the thresholds held constant "
    "(Obuchowski and Rockette, Hillis; coverage: docs/coverage.md). `1 run`: the row has a single run. Its interval, "
    "in the column `this run only`, reflects variation between patients, but not between runs of the network. `one "
    "more run` (on the page): 95% prediction interval for the score of another run on these images."
)
WITHIN = (
    "Every method is compared with every other method of its network. `may be the best`: no other method is "
    "significantly better (5%, Holm over the comparisons of the row); a row that is significantly below `prior` is "
    "marked `no: below prior`. `worse by`: how much lower the row scores than the method under `compared with`, with "
    "the interval of the difference (not corrected for the number of comparisons). `compared with` names the top "
    "method. If the top method is not significantly better than the row but other methods are, it names the best of "
    "these."
)
BETWEEN = "To compare networks, use the table of networks instead."
ONE_RUN = "With one run, comparisons account only for variation between patients: another run may change the order."
TWO_RUNS = (
    "In simulations with two training runs and seven equally good methods, up to 17% of the methods were wrongly "
    "called worse (docs/coverage.md)."
)
TWO_RUNS_OF_A_NETWORK = (
    "A network has two training runs. In simulations of networks with two, three and five runs, the interval of a "
    "difference contained the true value in as few as 89% of the data sets instead of 95% (docs/coverage.md)."
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
    columns.ABOVE_PRIOR,
    score("p_holm", heading="p (Holm)", formatter=chance, kind="optional"),
    columns.FIRST,
    *(score(f"{RELATIVE_DROP}{who}", None, f"drop to {who} [95%]", with_interval, "optional") for who in PEOPLE),
    *(score(f"hit@{level}", "cross-fitted") for level in ("iou.1", "iou.5", "iobb.1", "iobb.5")),
    score("pointing"),
    count(MAIN, "cross-fitted"),
    score(MAIN, "oracle", f"{MAIN} oracle"),
    score("optimism", formatter=with_interval),
    score("anyhit@iou.3", "cross-fitted"),
    count("anyhit@iou.3", "cross-fitted", "n boxes"),
    score("boxes_per_case", "cross-fitted"),
    *columns.AUROC,
)
"""Comparisons with ``prior``, other methods and people, then the other metrics."""
NETWORKS_ABOUT = (
    "A network is represented by its mean over a fixed list of methods: {methods} (`rank_methods` of the suite). Only "
    "networks with the same grid, and so the same upper bound, are compared. `upper bound`: the score of `truth`, the "
    "best score that a map on that grid can reach. `share of upper bound`: the mean over the listed methods whose maps "
    "have this grid, divided by the bound; methods that work on pixels, such as `integrated_gradients`, are left out. "
    "Compare networks with different grids only by this share, and with care. `may be the best`: no other network with "
    "the same grid is significantly better (5%, Holm over all pairs of these networks; runs are nested in networks, "
    "and patients are shared). `worse by`: how much lower the row scores than the network under `compared with`. The "
    "text above the next table explains the interval."
)
EFFECTS_ABOUT = (
    "Each row is compared with the method under `compared with`, on the same networks. `worse by`: how much lower the "
    "row scores, averaged over the networks that have both methods and at least two training runs; a negative value "
    "means that the row scores higher. `on …`: the same difference on one network. The mean may hide differences of "
    "opposite sign. `networks`: number of networks with the method. The networks are fixed: intervals reflect "
    "variation between runs of these networks and between patients, not between networks. `may be the best`: no other "
    "method is significantly better (5%, Holm over the comparisons of the row)."
)
NO_NETWORK = "No network is compared: none has all these methods on all images and two or more training runs."
OF_NETWORKS = (
    *(column for column in columns.MODEL if column.heading != "seed"),
    score("bound", heading="upper bound", kind="optional"),
    score(MAIN, heading=f"{MAIN}, mean over methods [95%]", formatter=with_interval),
    columns.SPREAD_OVER_RUNS,
    TableColumn(columns.TRAININGS, lambda r: str(run_count(r) or NOTHING)),
    *columns.VERDICTS,
    columns.ABOVE_PRIOR,
    columns.FIRST,
    score("share_of_bound", heading="share of upper bound", kind="optional"),
    *columns.AUROC,
    TableColumn("note", lambda r: "; ".join(filter(None, (r.reason, entry.against_prior(r))))),
)
"""Columns of the table of networks."""


def main(leaderboard: Leaderboard, images: int | None = None, wanted: Sequence[str] = ()) -> Table:
    """Return the table with one row per method and network.

    ``images``: size of the part of the images that slow methods explain; None for all images. ``wanted``: headings
    without ``[95%]``; all columns by default.
    """
    rows = leaderboard.parts[images]
    part = images is not None
    title = f"methods within each network, on {select.images_in_words(rows)} images" if part else TITLE
    paired = any(r.cell.protocol == PAIRED for r in leaderboard.records)
    first = [ENTRIES if any((run_count(r) or 1) > 1 for r in rows) else SINGLE_RUN, WITHIN]
    first += [BETWEEN] if _networks_shown(leaderboard) else []
    about = [PART] if part else [*first, *([COMPARED] if paired else [])]
    about += [ONE_RUN] if any(map(is_single, rows)) else []
    intro = "\n".join([basis_lines(leaderboard.runs(images), THRESHOLDS), INTERVALS, *about])
    wanted_columns = [c for c in method_columns(rows) if not wanted or c.heading.removesuffix(" [95%]") in wanted]
    two = any(select.is_method(r) and run_count(r) == 2 for r in rows)
    table = tabulated(f"{leaderboard.dataset}: {title}", intro, wanted_columns, rows)
    return replace(table, footnote=TWO_RUNS if two else "")


def method_columns(rows: Sequence[Record]) -> list[TableColumn]:
    """Return the columns of the main table for its ``rows``, which the notes compare."""
    return [*columns.NAMES, *columns.MAIN_OF_METHODS, *OTHERS, TableColumn("note", lambda r: entry.notes(r, rows))]


def networks(leaderboard: Leaderboard) -> Table:
    """Return a row per network, with the reason if it is not compared; empty if fewer than two have several runs."""
    rows = _networks_shown(leaderboard)
    names = rows[0].data[RANK_METHODS] if rows else ()
    about = NETWORKS_ABOUT.format(methods=", ".join(f"`{name}`" for name in names) or "nothing")
    lines = [about, *([] if any(not r.reason for r in rows) else [NO_NETWORK])]
    filled = tabulated(f"{leaderboard.dataset}: networks", "\n".join(lines), OF_NETWORKS, rows)
    two = any(run_count(r) == 2 and r.find("may_be_best") is not None for r in rows)
    return replace(with_runs(filled, rows), footnote=TWO_RUNS_OF_A_NETWORK if two else "")


def _networks_shown(leaderboard: Leaderboard) -> Sequence[Entry]:
    """Return all networks if at least two have several training runs, else none."""
    several = sum((run_count(row) or 1) > 1 for row in leaderboard.networks)
    return leaderboard.networks if several > 1 else ()


def effects(leaderboard: Leaderboard) -> Table:
    """Return a row per method, best first; empty if no two networks have two methods in common."""
    rows = leaderboard.effects
    names = dict.fromkeys(f for r in rows for m, f in r.names() if m.startswith(WORSE_BY) and f != "mean")
    of_effects = [
        TableColumn("method", lambda r: r.method),
        score("networks", formatter=lambda total: NOTHING if total is None else f"{total.value:.0f}"),
        *columns.VERDICTS,
        *(TableColumn(f"on {name}", partial(_worse_in, name)) for name in names),
    ]
    filled = tabulated(f"{leaderboard.dataset}: effect of a method across networks", EFFECTS_ABOUT, of_effects, rows)
    return with_runs(filled, rows)


def _worse_in(network: str, row: Record) -> str:
    return signed(worse_by(row, network)[1])


CELL = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map"),
    *("img_size", "seed", "model_id", "alignment"),
)
"""Fields of the cell, followed by ``images`` (size of the part that slow methods explain) and ``method``."""
NAMED = {
    "− prior [95%]": "above_prior",
    "p (Holm)": "p_holm",
    "P(best)": "p_first",
    "auroc, images with boxes": "auroc@boxed",
    "share of upper bound": "share_of_bound",
    "this run only [95%]": "of_this_network",
}
"""Heading -> name of the CSV column, where they differ by more than ``[95%]``."""
MAY_BE_BEST = {"network_may_be_best": "network_may_be_best", "may_be_best": "method_may_be_best"}
"""Verdict of a row -> CSV column."""
Value = float | int | str | None


def leaderboard_csv(leaderboards: Sequence[Leaderboard]) -> str:
    """Return the text of ``leaderboard.csv``: a line per row of the main tables; for a check, a line per record.

    Missing values are empty. A column with an interval is followed by ``<name>_low`` and ``<name>_high``.
    """
    lines = [line for leaderboard in leaderboards for line in _lines(leaderboard)]
    names = list(dict.fromkeys(name for line in lines for name in line)) or [*CELL]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _lines(leaderboard: Leaderboard) -> Iterator[dict[str, Value]]:
    """Yield the rows of the table of numbers: those of checks, or those of entries."""
    if not leaderboard.entries:
        for word in CHECKS:
            yield from map(_check, select.of_check(leaderboard.records, leaderboard.dataset, word))
    for rows in leaderboard.parts.values():
        columns = [c for c in method_columns(rows) if c not in MODEL and c.heading not in HEADINGS]
        for row in rows:
            values = {name: value for column in columns for name, value in _values(column, row).items()}
            yield _cell(row) | _entry(row) | values


def _entry(row: Record) -> dict[str, Value]:
    """Return the score, intervals and verdicts of a row."""
    main, (than, gap) = select.main_score(row), worse_by(row)
    single = is_single(row)
    verdicts = {name: row.find(metric) for metric, name in MAY_BE_BEST.items()}
    return {
        "score": _value(main),
        **_ends("", None if single else main),
        **_ends("of_this_network_", main if single else None),
        "seed_sd": _value(row.find("seed_sd")),
        **_ends("one_more_", row.find("one_more")),
        "trainings": run_count(row),
        **{name: None if score is None else bool(score.value) for name, score in verdicts.items()},
        "worse_by": _value(gap),
        **_ends("worse_", gap),
        "worse_than": than,
    }


def _value(score: Score | None) -> float | None:
    return None if score is None else score.value


def _ends(name: str, score: Score | None) -> dict[str, Value]:
    return {f"{name}{end}": None if score is None else getattr(score, end) for end in ("low", "high")}


def _cell(record: Record) -> dict[str, Value]:
    return {name: getattr(record.cell, name) for name in CELL} | {"images": select.explained_images(record)}


def _check(record: Record) -> dict[str, Value]:
    """Return the line of a validity check: all means of its record."""
    cell = _cell(record) | {"method": record.method}
    for one in record.select(finding="mean"):
        origin = "" if one.threshold_origin in ("none", "cross-fitted") else f",{one.threshold_origin}"
        cell |= _with_interval(one.metric + origin, one)
    return cell


def _values(column: TableColumn, record: Record) -> dict[str, Value]:
    """Return the values of one column for ``record``: a text, a count, or a score with its interval."""
    name = NAMED.get(column.heading, column.heading.removesuffix(" [95%]")).replace(" ", "_")
    if column.pick is None:
        return {name: column.cell(record).replace(NOTHING, "")}
    picked = column.pick(record)
    return _with_interval(name, picked) if isinstance(picked, Score) else {name: picked}


def _with_interval(name: str, score: Score) -> dict[str, Value]:
    ends = {} if score.low is None else {f"{name}_low": score.low, f"{name}_high": score.high}
    return {name: score.value, **ends}
