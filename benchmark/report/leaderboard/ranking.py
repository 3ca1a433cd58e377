"""How rows are ordered, and what a reader must know of one."""

from collections.abc import Iterable, Sequence

from benchmark.records.record import PUBLISHED, Record
from benchmark.report import select
from benchmark.report.select import main_value, model_of, network
from core.names import BASELINES, CEILINGS, LIMIT, PRIOR, READERS, SECOND_READERS, UNTRAINED
from core.scores import Score

NOT_RANKED = {
    **dict.fromkeys(BASELINES, "baseline"),
    PRIOR: "baseline: sees other patients' truth",
    UNTRAINED: "baseline: the same network, weights random",
    LIMIT: "upper bound: sees the truth",
    READERS: "upper bound: each reader's boxes against the others', no threshold",
    SECOND_READERS: "another team of radiologists, no threshold",
}


def ranked(records: Sequence[Record]) -> list[Record]:
    """From the best main column down, those without one last; limit and ceiling at the very end.

    Equal values stand by network, then by method.
    """

    def order(r: Record) -> tuple[bool, float, str, str]:
        value = main_value(r)
        return r.cell.method in CEILINGS, 1.0 if value is None else -value, network(r), r.cell.method

    return sorted(records, key=order)


def beaten_by(record: Record, records: Iterable[Record]) -> list[str]:
    """The baselines of the same network whose main column is above a record's, best first; nothing for no value."""
    value, model = main_value(record), model_of(record)
    rivals = [r for r in records if r.cell.method in BASELINES and model_of(r) == model and main_value(r) is not None]
    return [] if value is None else [r.cell.method for r in ranked(rivals) if (main_value(r) or 0.0) > value]


def best(records: Iterable[Record]) -> Record | None:
    """The method with the best main column; None where none has one.

    Baselines, limit and ceilings are no methods.
    """
    entered = [r for r in records if select.is_method(r) and main_value(r) is not None]
    return ranked(entered)[0] if entered else None


def against_prior(above: Score | None) -> str:
    """How a row stands to ``prior``, where it is not significantly above it; nothing where it is.

    ``above`` is the difference to ``prior`` with its interval, None where there is none.

    >>> against_prior(Score(finding="mean", metric="above_prior", value=0.01, low=-0.02, high=0.04))
    'not shown to be above prior'
    """
    if above is None or above.value is None:
        return ""
    if above.high is not None and above.high < 0:
        return "below prior"
    clear = above.value > 0 if above.low is None else above.low > 0
    return "" if clear else "not shown to be above prior"


def notes(record: Record, records: Sequence[Record], above: Score | None = None) -> str:
    """Limit, baseline, not above a baseline, failed cases: joined by semicolons.

    ``above``: the row's difference to ``prior``.

    >>> from benchmark.records import Cell
    >>> notes(Record(cell=Cell(dataset="phantom", method="prior")), [])
    "baseline: sees other patients' truth"
    """
    sentences = [NOT_RANKED.get(record.cell.method, ""), PUBLISHED if record.source == PUBLISHED else ""]
    if select.is_method(record):
        rivals = [name for name in beaten_by(record, records) if name != PRIOR or above is None]
        sentences += [against_prior(above), f"lower score than {', '.join(rivals)}" if rivals else ""]
    if record.cell.method == SECOND_READERS:
        sentences.append(record.reason)
    if record.status == "failed":
        sentences.append(f"failed: {record.reason}")
    return "; ".join(filter(None, sentences))
