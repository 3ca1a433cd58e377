"""Order and notes of the rows."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from benchmark.records import Record
from benchmark.records.record import PUBLISHED
from benchmark.report import select
from benchmark.report.select import main_value, model_key, network
from benchmark.report.sentences import listed
from benchmark.scoring.statistics.entries import ALPHA
from core.names import BASELINES, PRIOR, READERS, SECOND_READERS, UNTRAINED, UPPER_BOUND, UPPER_BOUND_AND_PEOPLE

BELOW_PRIOR, NOT_SHOWN = "below prior", "not shown to be above prior"
Row = TypeVar("Row", bound=Record)
NOT_RANKED = {
    **dict.fromkeys(BASELINES, "baseline"),
    PRIOR: "baseline: knows other patients' boxes",
    UNTRAINED: "baseline: the same network with random weights",
    UPPER_BOUND: "upper bound: sees the truth",
    READERS: "upper bound: each reader's boxes against the others', no threshold",
    SECOND_READERS: "another team of radiologists, no threshold",
}


def ranked(records: Iterable[Row]) -> list[Row]:
    """Sort rows by the main column, best first; rows without a value follow, then the upper bounds.

    Equal values are sorted by network, then by method.
    """

    def order(r: Record) -> tuple[bool, float, str, str]:
        value = main_value(r)
        return r.cell.method in UPPER_BOUND_AND_PEOPLE, 1.0 if value is None else -value, network(r), r.cell.method

    return sorted(records, key=order)


def beaten_by(record: Record, records: Iterable[Record]) -> list[str]:
    """Return the baselines of the same network that score higher than a record, best first."""
    value, model = main_value(record), model_key(record)
    rivals = [r for r in records if r.cell.method in BASELINES and model_key(r) == model and main_value(r) is not None]
    return [] if value is None else [r.cell.method for r in ranked(rivals) if (main_value(r) or 0.0) > value]


def best(records: Iterable[Row]) -> Row | None:
    """Return the method with the best main column, or None. Baselines and upper bounds do not count as methods."""
    entered = [r for r in records if select.is_method(r) and main_value(r) is not None]
    return ranked(entered)[0] if entered else None


def against_prior(record: Record, finding: str = "mean") -> str:
    """Return a note unless a row is significantly above ``prior``: after Holm's correction if it has ``p_holm``.

    >>> from benchmark.records import Cell, Score
    >>> above = Score(finding="mean", metric="above_prior", value=0.01, low=-0.02, high=0.04)
    >>> against_prior(Record(cell=Cell(dataset="phantom", method="cam"), scores=(above,)))
    'not shown to be above prior'
    """
    above, p = record.find("above_prior", finding), record.find("p_holm", finding)
    if above is None or above.value is None:
        return ""
    significant = p is None or p.value is None or p.value <= ALPHA
    if significant and above.high is not None and above.high < 0:
        return BELOW_PRIOR
    clear = above.value > 0 if above.low is None else above.low > 0
    return "" if clear and significant else NOT_SHOWN


def may_be_best(record: Record) -> bool:
    """Return whether no other row is significantly better; a row below ``prior`` is never called the best."""
    verdict = record.find("may_be_best")
    return verdict is not None and bool(verdict.value) and against_prior(record) != BELOW_PRIOR


def notes(record: Record, records: Sequence[Record]) -> str:
    """Return the notes of a row (baseline, upper bound, not above a baseline, failed), joined by semicolons.

    >>> from benchmark.records import Cell
    >>> notes(Record(cell=Cell(dataset="phantom", method="prior")), [])
    "baseline: knows other patients' boxes"
    """
    sentences = [NOT_RANKED.get(record.cell.method, ""), PUBLISHED if record.source == PUBLISHED else ""]
    if select.is_method(record):
        rivals = [name for name in beaten_by(record, records) if name != PRIOR or record.find("above_prior") is None]
        sentences += [against_prior(record), f"lower score than {listed(rivals)}" if rivals else ""]
    if record.cell.method == SECOND_READERS:
        sentences.append(record.reason)
    if record.status == "failed":
        sentences.append(f"failed: {record.reason}")
    return "; ".join(filter(None, sentences))
