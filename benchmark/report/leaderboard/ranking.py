"""How rows are ordered and ranked, and what a reader must know of one."""

from collections.abc import Collection, Iterable, Sequence

from benchmark.records.record import PUBLISHED, Record
from benchmark.report.select import is_method, main_value, model_of, network
from benchmark.report.table import NOTHING
from core.names import BASELINES, CEILINGS, LIMIT, PRIOR, READERS, SECOND_READERS, UNTRAINED

NOT_RANKED = {
    **dict.fromkeys(BASELINES, "baseline"),
    PRIOR: "baseline: sees other patients' truth",
    UNTRAINED: "baseline: the same network, weights random",
    LIMIT: "limit: sees the truth, not ranked",
    READERS: "ceiling: each reader's boxes against the others', no threshold, not ranked",
    SECOND_READERS: "another team of radiologists, no threshold, not ranked",
}


def ranked(records: Sequence[Record]) -> list[Record]:
    """From the best main column down, those without one last; limit and ceiling at the very end.

    Equal values stand by network, then by method.
    """

    def order(r: Record) -> tuple[bool, float, str, str]:
        value = main_value(r)
        return r.cell.method in CEILINGS, 1.0 if value is None else -value, network(r), r.cell.method

    return sorted(records, key=order)


def ranks(records: Sequence[Record], tied: Collection[str] = ()) -> list[str]:
    """The rank of each record, one more than there are better ones; those whose key is ``tied`` share the first.

    None for baselines and the limit, for rows without a value, and for those that a baseline of their network beats.
    """
    values = [main_value(r) if is_method(r) and not beaten_by(r, records) else None for r in records]
    entered = [value for value in values if value is not None]
    by_value = [NOTHING if value is None else str(1 + sum(other > value for other in entered)) for value in values]
    return ["1" if r.key in tied and rank != NOTHING else rank for r, rank in zip(records, by_value, strict=True)]


def beaten_by(record: Record, records: Iterable[Record]) -> list[str]:
    """The baselines of the same network whose main column is above a record's, best first; nothing for no value."""
    value, model = main_value(record), model_of(record)
    rivals = [r for r in records if r.cell.method in BASELINES and model_of(r) == model and main_value(r) is not None]
    return [] if value is None else [r.cell.method for r in ranked(rivals) if (main_value(r) or 0.0) > value]


def best(records: Iterable[Record]) -> Record | None:
    """The method with the best main column; None where none has one.

    Baselines, limit and ceilings are no methods.
    """
    entered = [r for r in records if is_method(r) and main_value(r) is not None]
    return ranked(entered)[0] if entered else None


def notes(record: Record, records: Sequence[Record]) -> str:
    """Limit, baseline, below a baseline, failed cases: joined by semicolons.

    >>> from benchmark.records import Cell
    >>> notes(Record(cell=Cell(dataset="phantom", method="prior")), [])
    "baseline: sees other patients' truth"
    """
    sentences = [NOT_RANKED.get(record.cell.method, ""), PUBLISHED if record.source == PUBLISHED else ""]
    if is_method(record) and (rivals := beaten_by(record, records)):
        sentences.append(f"no rank: below {', '.join(rivals)}")
    if record.cell.method == SECOND_READERS:
        sentences.append(record.reason)
    if record.status == "failed":
        sentences.append(f"failed: {record.reason}")
    return "; ".join(filter(None, sentences))
