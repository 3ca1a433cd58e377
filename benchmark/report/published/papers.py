"""Numbers that others have published, in tables of their own: each row has its own images."""

from collections.abc import Sequence

from benchmark.records.record import NOT_STATED, Record, Reference
from benchmark.report.table import NOTHING, Table, share

ABOUT = (
    "From papers, not run here. Each row has its own network, images and tuning, so the rows compare neither with each "
    "other nor with ours. second: as somebody else quotes it. Mean over findings."
)
HEADER = ("who", "year", "paper", "where", "hand", "quoted by", "split", "n", "tuned on", "remark")


def published(records: Sequence[Record], dataset: str) -> list[Table]:
    """A table per protocol whose numbers somebody has published for a data set.

    Sorted by year, then by who. They never stand in a ranking with ours.
    """
    papers = [r for r in records if r.source == "paper" and r.cell.dataset == dataset]
    protocols = sorted({r.cell.protocol for r in papers})
    return [
        _table([r for r in papers if r.cell.protocol == word], f"{dataset}: published elsewhere, {word}")
        for word in protocols
    ]


def _table(papers: Sequence[Record], title: str) -> Table:
    metrics = sorted({metric for r in papers for metric, _ in r.names(finding="mean")})
    ordered = sorted(papers, key=lambda r: _reference(r.reference, r.reason)[1::-1])  # by year, then by who
    rows = ((*_reference(r.reference, r.reason), *(share(r.find(metric)) for metric in metrics)) for r in ordered)
    return Table(title, ABOUT, (*HEADER, *metrics), tuple(rows), tuple((r.key,) for r in ordered))


def _reference(stated: Reference | None, remark: str) -> tuple[str, ...]:
    if stated is None:  # of a record that was made before references were stated
        return (*(NOT_STATED for _ in HEADER[:-1]), remark)
    s, quoted = stated, stated.quoted_by or NOTHING
    return (s.authors, str(s.year), s.identifier, s.table, s.hand, quoted, s.split, s.n, s.tuned_on, remark)
