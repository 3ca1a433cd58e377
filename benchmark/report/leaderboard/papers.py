"""Tables of numbers from papers. Each row has its own images, so they are never ranked with ours."""

from collections.abc import Sequence

from benchmark.records.record import NOT_STATED, Record
from benchmark.report.table import NOTHING, Table, share

ABOUT = (
    "From papers, not run here. Each row has its own network, images and tuning, so do not compare rows with each "
    "other or with ours. second: quoted by another paper. Mean over findings."
)
HEADER = ("entry", "who", "year", "paper", "where", "hand", "quoted by", "split", "n", "tuned on", "remark")


def published(records: Sequence[Record], dataset: str) -> list[Table]:
    """Return a table per protocol with published numbers for a data set, sorted by year, author and entry."""
    papers = [r for r in records if r.source == "paper" and r.cell.dataset == dataset]
    protocols = sorted({r.cell.protocol for r in papers})
    return [
        _table([r for r in papers if r.cell.protocol == word], f"{dataset}: numbers from papers, {word}")
        for word in protocols
    ]


def _table(papers: Sequence[Record], title: str) -> Table:
    metrics = sorted({metric for r in papers for metric, _ in r.names(finding="mean")})
    by_record = {record.key: _reference(record) for record in papers}
    ordered = sorted(papers, key=lambda r: (by_record[r.key][2], by_record[r.key][1], r.method))
    rows = ((*by_record[r.key], *(share(r.find(metric)) for metric in metrics)) for r in ordered)
    return Table(title, ABOUT, (*HEADER, *metrics), tuple(rows), tuple((r.key,) for r in ordered))


def _reference(record: Record) -> tuple[str, ...]:
    s, remark = record.reference, record.reason
    if s is None:  # old record
        return (record.method, *(NOT_STATED for _ in HEADER[1:-1]), remark)
    source = (s.authors, str(s.year), s.identifier, s.table, s.hand, s.quoted_by or NOTHING)
    return (record.method, *source, s.split, s.n, s.tuned_on, remark)
