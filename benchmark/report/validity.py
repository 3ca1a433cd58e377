"""Tables of the validity checks: pure functions of their records."""

from collections.abc import Callable, Sequence
from functools import partial

from benchmark.records import Record
from benchmark.report import faithfulness, placements, select, sheets, shortcut
from benchmark.report.columns import NAMES, NAMES_AND_ALIGNMENT, TableColumn, count, score, tabulated
from benchmark.report.rests import basis_lines
from benchmark.report.table import NOTHING, Table, signed, with_interval
from core.names import FAITHFULNESS, MAIN

UNCHANGED = 0.5
RULE = (
    "Marked, by the mean rank correlation with the trained network's map: `does not change` where it is "
    f"above {UNCHANGED} with all weights random, else `blind to the head` where it is with a random head; and "
    f"`hits stay` where, with all weights random, the interval of the change of {MAIN} reaches 0. Absolute values "
    "stand beside and mark nothing: a map whose sign turns with the head keeps them, and does not keep its hits."
)
THRESHOLDS = "cross-fitted by patient, per finding, each network for itself"


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the checks say, check by check; a check without tables of its own has the plain one."""
    makers: dict[str, Callable[[Sequence[Record], str], list[Table]]] = {
        **{"randomised": randomised, "shortcut": shortcut.shortcut},
        **{"alignment": placements.alignment, "conventions": placements.conventions},
        FAITHFULNESS: faithfulness.faithfulness,
    }
    words = [*makers, *(word for word in select.CHECKS.names() if word not in makers)]
    return [table for word in words for table in makers.get(word, partial(plain, word))(records, dataset)]


def plain(check: str, records: Sequence[Record], dataset: str) -> list[Table]:
    """Every mean of a check's records, as they name it; nothing without a record."""
    rows = select.of_check(records, dataset, check)
    sheet = sheets.plain(check, rows)
    intro = f"{sheet.about}\n{basis_lines(rows, sheet.thresholds)}"
    return [tabulated(f"{dataset}: {check}", intro, [*NAMES_AND_ALIGNMENT, *sheet.columns], rows)] if rows else []


def randomised(records: Sequence[Record], dataset: str) -> list[Table]:
    """The correlations, then the hits, step by step from the head down.

    Two tables per sequence of parts: backbones that are built alike have the same.
    """
    rows = select.of_check(records, dataset, "randomised")
    kinds = filter(None, dict.fromkeys(map(_parts, rows)))
    return [table for parts in kinds for table in _steps([r for r in rows if _parts(r) == parts], parts, dataset)]


def _steps(records: Sequence[Record], parts: Sequence[str], dataset: str) -> list[Table]:
    rows = sorted(records, key=lambda r: (*map(str, select.model_of(r)), select.value(r, f"rho@{parts[-1]}")))
    of = f"{dataset}: randomised from the head down, {', '.join(dict.fromkeys(r.cell.backbone for r in rows))}"
    intro = f"{RULE}\n{basis_lines(rows, THRESHOLDS)}"
    return [
        tabulated(f"{of}, rank correlation with the trained network's map", intro, _correlations(parts), rows),
        tabulated(f"{of}, {MAIN}", intro, _hits(parts), rows),
    ]


def unchanged(record: Record) -> str:
    """How a method is marked whose maps or hits do not depend on the weights; nothing for any other."""
    parts = _parts(record)
    if not parts:
        return NOTHING
    change = record.find(f"change@{MAIN}@{parts[-1]}")
    top = None if change is None else change.value if change.high is None else change.high
    marks = {
        "does not change": _same(record, parts[-1]),
        "blind to the head": _same(record, parts[0]) and not _same(record, parts[-1]),
    }
    return "; ".join(mark for mark, holds in {**marks, "hits stay": top is not None and top >= 0}.items() if holds)


def _same(record: Record, part: str) -> bool:
    return select.value(record, f"rho@{part}") > UNCHANGED


def _parts(record: Record) -> tuple[str, ...]:
    return select.variants(record, "rho")


def _correlations(parts: Sequence[str]) -> list[TableColumn]:
    *some, last = parts
    return [
        *NAMES,
        *(score(f"rho@{part}", heading=part) for part in some),
        score(f"rho@{last}", heading=f"{last} (all)", formatter=with_interval),
        score(f"rho_abs@{last}", heading="absolute values, all", formatter=with_interval),
        count(f"rho@{last}"),
        TableColumn("", unchanged),
    ]


def _hits(parts: Sequence[str]) -> list[TableColumn]:
    *some, last = parts
    return [
        *NAMES,
        score(f"{MAIN}@trained", "cross-fitted", "trained", with_interval),
        *(score(f"{MAIN}@{part}", "cross-fitted", part) for part in some),
        score(f"{MAIN}@{last}", "cross-fitted", f"{last} (all)"),
        score(f"change@{MAIN}@{last}", "cross-fitted", "all − trained", signed),
        score("pointing@trained", heading="pointing, trained"),
        score(f"pointing@{last}", heading="pointing, all"),
        count(f"{MAIN}@{last}", "cross-fitted"),
        TableColumn("", unchanged),
    ]
