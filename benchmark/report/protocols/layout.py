"""The table of a named protocol: what its thresholds are, what a reader must know, and its columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES_AND_ALIGNMENT, TableColumn, score, tabulated
from benchmark.report.table import Table, with_n
from core.registry import Registry
from core.scores import Origin

PROTOCOLS = Registry("benchmark.scoring.protocols", "protocol")
"""Their words; none of them is imported."""


@dataclass(frozen=True)
class TableLayout:
    """One table of one protocol."""

    protocol: str
    title: str
    thresholds: str
    """Where score thresholds come from."""
    about: str
    """What the columns mean."""
    columns: tuple[TableColumn, ...]
    main: tuple[str, Origin | None]
    """The metric, and the origin of its threshold (None: the only one), that one finding alone is shown by."""
    needs: str = ""
    """A metric that a record must have for a row; none: any."""

    def fill(self, records: Sequence[Record], dataset: str) -> Table | None:
        """The rows of a data set, of all its images. None where there is no row.

        Rows of both alignments stand below each other, told apart by a column.
        """
        scored = select.of_protocol(records, dataset, self.protocol)
        rows = [r for r in scored if not self.needs or r.find(self.needs) is not None]
        if not rows:
            return None
        intro = f"{basis_lines(rows, self.thresholds)}\n{self.about}"
        return tabulated(f"{dataset}: {self.title}", intro, [*NAMES_AND_ALIGNMENT, *self.columns], rows)


def layout_of_means(protocol: str, records: Sequence[Record]) -> TableLayout:
    """The layout for a protocol that has none of its own: every mean that its records hold, as they name it.

    What a user's protocol gets without a line of report: its metrics, with n.
    """
    means = dict.fromkeys(
        (s.metric, s.threshold_origin) for r in records if r.cell.protocol == protocol for s in r.select(finding="mean")
    )
    columns = [
        score(metric, origin, metric if origin == "none" else f"{metric}, {origin}", with_n) for metric, origin in means
    ]
    stated = PROTOCOLS.read_attribute(protocol, "main") if protocol in PROTOCOLS.names() else None
    main = next((each for each in means if each[0] == stated), next(iter(means), ("", None)))
    return TableLayout(protocol, protocol, "as the columns say", "Mean over findings.", tuple(columns), main)
