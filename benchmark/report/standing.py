"""How rows are ordered and ranked, and what a reader must be told about one."""

from collections.abc import Iterable, Sequence

from benchmark.records.record import Record
from benchmark.report.select import is_method, known, main_score, main_value, model_of, network
from benchmark.report.table import NOTHING
from benchmark.words import BASELINES, CEILINGS, LIMIT, PRIOR, READERS, UNTRAINED

KINDS = {
    **dict.fromkeys(BASELINES, "baseline"),
    PRIOR: "baseline: sees other patients' truth",
    UNTRAINED: "baseline: the same network, weights random",
    LIMIT: "limit: sees the truth, not ranked",
    READERS: "ceiling: each reader's boxes against the others', no threshold, not ranked",
}


def ranked(records: Sequence[Record]) -> list[Record]:
    """From the best main column down, those without one last; limit and ceiling at the very end."""
    return sorted(
        records, key=lambda r: (r.cell.method in CEILINGS, -(-1.0 if (v := main_value(r)) is None else v), network(r), r.cell.method)
    )


def ranks(records: Sequence[Record]) -> list[str]:
    """The place of each record, equal values sharing one; none for baselines, the limit, papers and rows without a value."""
    values = [main_value(r) if is_method(r) else None for r in records]
    entered = [value for value in values if value is not None]
    return [NOTHING if value is None else str(1 + sum(other > value for other in entered)) for value in values]


def best(records: Iterable[Record]) -> Record | None:
    """The method with the best main column; None where none has one."""
    entered = [r for r in records if is_method(r) and main_value(r) is not None]
    return ranked(entered)[0] if entered else None


def prior_of(record: Record, records: Iterable[Record]) -> float | None:
    """The main column of ``prior`` for the same model, else the best one on the same data set."""
    priors = [r for r in records if r.cell.method == PRIOR and r.cell.dataset == record.cell.dataset and main_value(r) is not None]
    same = [r for r in priors if model_of(r) == model_of(record)] or priors
    return max(known(map(main_score, same)), default=None)


def notes(record: Record, records: Sequence[Record]) -> str:
    """Limit, baseline, paper, not above prior, failed cases: joined by semicolons."""
    value, prior = main_value(record), prior_of(record, records)
    told = ["from a paper, not run here" if record.source == "paper" else KINDS.get(record.cell.method, "")]
    if is_method(record) and value is not None and prior is not None and value <= prior:
        told.append("does not beat prior")
    if record.status == "failed":
        told.append(f"failed: {record.reason}")
    return "; ".join(filter(None, told))
