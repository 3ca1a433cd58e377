"""Columns of entries: intervals over training runs and patients, the verdicts, and the classifier's AUROC."""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.columns import TableColumn, score
from benchmark.report.entries.entry import Entry, is_single, run_count, worse_by
from benchmark.report.table import NOTHING, Table, number, share, signed, with_interval, with_n
from core.names import MAIN
from core.scores import Score

SINGLE, SPREAD, ONE_MORE, TRAININGS, MAY_BE_BEST, WORSE_BY, THAN = HEADINGS = (
    *("of this network [95 %]", "sd over runs", "one more run [95 %]", "training runs"),
    *("may be the best", "worse by [95 %]", "than"),
)


def with_runs(table: Table, rows: Sequence[Entry]) -> Table:
    """Return a table of networks or effects with the keys of the training runs of each row."""
    return replace(table, keys=tuple(tuple(run.key for run in row.runs) for row in rows))


def yes_or_no(score: Score | None) -> str:
    """Format a verdict; a dash if there is none."""
    return NOTHING if score is None else "yes" if score.value else "no"


def _main(record: Record) -> str:
    main = select.main_score(record)
    return f"{share(main)} (1 run)" if is_single(record) and main is not None else with_interval(main)


def _ends(score: Score | None) -> str:
    return NOTHING if score is None or score.low is None else f"[{number(score.low)}, {number(score.high)}]"


VERDICTS = (
    TableColumn(MAY_BE_BEST, lambda r: yes_or_no(r.find("may_be_best")), "optional"),
    TableColumn(WORSE_BY, lambda r: with_interval(worse_by(r)[1]), "optional"),
    TableColumn(THAN, lambda r: worse_by(r)[0] or NOTHING, "optional"),
)
"""Whether a row may be the best, by how much it is worse, and than which row."""
SPREAD_OVER_RUNS = score("seed_sd", heading=SPREAD, kind="optional")
ABOVE_PRIOR = score("above_prior", heading="− prior [95 %]", formatter=signed, kind="optional")
FIRST = score("p_first", heading="P(best)", kind="optional")
AUROC = (score("auroc", formatter=with_n), score("auroc@boxed", heading="auroc, boxed images", formatter=with_n))
"""Columns of the classifier of a row."""
MAIN_OF_METHODS = (
    TableColumn(f"{MAIN} [95 %]", _main, pick=select.main_score),
    TableColumn(SINGLE, lambda r: _ends(select.main_score(r)) if is_single(r) else NOTHING, "optional"),
    SPREAD_OVER_RUNS,
    TableColumn(ONE_MORE, lambda r: _ends(r.find("one_more")), "optional"),
    TableColumn(TRAININGS, lambda r: str(run_count(r) or NOTHING), "model"),
    *VERDICTS,
)
"""The main column of a method, its intervals and spread over training runs, and the verdict on it."""
