"""Details of the main column: by finding, training run, origin of the threshold, alignment and group of cases."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from locus.benchmark.records.record import Record
from locus.benchmark.report import entry, select
from locus.benchmark.report.columns import NAMES, TableColumn, count, score, tabulated, with_common_n
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.main_table import INTERVALS, THRESHOLDS
from locus.benchmark.report.protocol_tables import ORIGINS, SHARED, origins
from locus.benchmark.report.select import basis_lines
from locus.benchmark.report.table import Table, difference, with_interval
from locus.core.names import CENTER, MAIN, MAIN_PROTOCOL, PRIOR
from locus.core.scores import Score

ONE_NETWORK = (
    "Each row is one training run. Its interval reflects variation between patients, not between training runs."
)
EACH_ALIGNMENT = "cross-fitted by patient, per finding, separately for each alignment"
ALIGNMENT_ABOUT = (
    "Both placements are the same on a centred grid (the small CNN). Each interval belongs to the score in its own "
    "column. The suite `alignment` has paired intervals of the difference."
)
STRATA_ABOUT = (
    "Rows: the best method of each network over all cases, then prior and center. Other methods may be as good, and "
    "the scores are slightly too high because the method was selected. `records.parquet` has all methods, with "
    "intervals and by finding (columns `variable`, `group`). Thresholds are those of the main table, not chosen "
    "again within a group. size: share of the image covered by the largest box. company: number of findings in the "
    "image. answer: whether the classifier detected the finding. Scores are means over the findings of the group, so "
    "two groups may differ because their findings differ."
)


def per_finding(leaderboard: Leaderboard) -> Table:
    """Return the main column by finding.

    The number of cases is in the header if all rows agree, else in the cells. Intervals cover one training run.
    """
    rows = [entry.mean for entry in leaderboard.entries]
    findings = dict.fromkeys(finding for r in rows for _, finding in r.names(MAIN))
    columns = [with_common_n(f, partial(select.main_score, finding=f), rows, with_interval) for f in findings]
    intro = f"{basis_lines(leaderboard.runs(), THRESHOLDS)}\n{INTERVALS}"
    return tabulated(f"{leaderboard.dataset}: {MAIN} per finding", intro, [*NAMES, *columns], rows)


def by_threshold(leaderboard: Leaderboard) -> Table:
    """Return the main column for each origin of the score threshold, and the optimism of the oracle.

    The oracle threshold is chosen on the test annotations: an upper bound, never a result.
    """
    rows = [entry.mean for entry in leaderboard.entries]
    intro = f"{basis_lines(leaderboard.runs(), ORIGINS)}\n{SHARED}"
    return tabulated(f"{leaderboard.dataset}: thresholds ({MAIN})", intro, [*NAMES, *origins(MAIN)], rows)


def per_training_run(leaderboard: Leaderboard) -> Table:
    """Return a row per training run, best entry first: the spread between seeds. The main table has the means.

    Only entries with several training runs are included.
    """
    rows = [run for row in entry.ranked(leaderboard.entries) if len(row.runs) > 1 for run in row.runs]
    columns = [
        *(replace(column, kind="model") if column.heading == "seed" else column for column in NAMES),
        score(MAIN, "cross-fitted", f"{MAIN} [95%, this run only]", with_interval),
        score("pointing", formatter=with_interval),
        count(MAIN, "cross-fitted"),
    ]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{INTERVALS}\n{ONE_NETWORK}"
    return tabulated(f"{leaderboard.dataset}: individual training runs", intro, columns, rows)


def alignment(leaderboard: Leaderboard) -> Table:
    """Return the main column of the methods that were scored with both placements, side by side.

    The difference has no interval here: the check ``alignment`` pairs the two by patient.
    """
    rows = select.of_protocol(leaderboard.records, leaderboard.dataset, MAIN_PROTOCOL)
    conventional = {select.row_key(r): r for r in rows if r.cell.alignment == "conventional"}
    pairs = [r for r in rows if r.cell.alignment == "aligned" and select.row_key(r) in conventional]

    def other(record: Record) -> Record:
        return conventional[select.row_key(record)]

    columns = [
        *NAMES,
        score(MAIN, "cross-fitted", "aligned", with_interval),
        TableColumn("conventional", lambda r: with_interval(select.main_score(other(r)))),
        TableColumn("aligned − conventional", lambda r: difference(select.main_value(r), select.main_value(other(r)))),
        count(MAIN, "cross-fitted"),
    ]
    both = [*pairs, *map(other, pairs)]
    intro = f"{basis_lines(both, EACH_ALIGNMENT)}\n{ALIGNMENT_ABOUT}"
    return tabulated(f"{leaderboard.dataset}: alignment ({MAIN})", intro, columns, pairs)


def strata(leaderboard: Leaderboard) -> Table:
    """Return the main column in groups of cases, such as box size, view, sex and age.

    Rows are the best method of each network, then ``prior`` and ``center``. Headings or cells contain n.
    """
    scored = [r for r in leaderboard.runs() if r.strata]
    rows = best_methods_and_baselines(scored)
    groups = dict.fromkeys((s.variable, s.group) for r in scored for s in r.strata)
    columns = [with_common_n(": ".join(name), partial(within, name), rows) for name in groups]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{STRATA_ABOUT}"
    return tabulated(f"{leaderboard.dataset}: {MAIN} by group of cases", intro, [*NAMES, *columns], rows)


def best_methods_and_baselines(records: Sequence[Record]) -> list[Record]:
    """Return the best method of each model, best model first, then ``prior`` and ``center`` of the best model."""
    models = select.by_model(records)
    winners = entry.ranked([winner for group in models if (winner := entry.best(group)) is not None])
    first = next((group for group in models if winners and winners[0] in group), list(records))
    return [*winners, *(r for method in (PRIOR, CENTER) for r in first if r.cell.method == method)]


def within(name: tuple[str, str], record: Record) -> Score | None:
    """Return the main column of a record in one group of cases; ``name``: variable and group."""
    strata = (s for s in record.strata if (s.variable, s.group) == name)
    scores = (score for stratum in strata for score in stratum.scores)
    wanted = (MAIN, "mean", "cross-fitted")
    return next((s for s in scores if (s.metric, s.finding, s.threshold_origin) == wanted), None)
