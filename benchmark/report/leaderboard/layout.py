"""Layout of a protocol's table: thresholds, description and columns, and those of each origin of its threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.columns import NAMES_AND_ALIGNMENT, TableColumn, count, score, tabulated
from benchmark.report.sentences import basis_lines
from benchmark.report.table import Table, with_interval, with_n
from benchmark.scoring.protocols import registry
from core.scores import Origin

ORIGINS = (
    "fixed: .5 for all; otsu: by Otsu's rule, for each map; validation: the best on validation images; cross-fitted: "
    "the best on the patients of the other folds; oracle: the best on the test cases themselves, an upper bound for "
    "one threshold per finding"
)
SHARED = (
    "Thresholds are chosen per finding; `shared`: one threshold for all findings. optimism: oracle − cross-fitted, the "
    "gain from choosing on the test annotations. A dash: not scored, or no boxed image to choose a threshold on."
)


@dataclass(frozen=True)
class TableLayout:
    """One table of one protocol."""

    protocol: str
    title: str
    thresholds: str
    """Origin of the score thresholds."""
    about: str
    """Meaning of the columns."""
    columns: tuple[TableColumn, ...]
    main: tuple[str, Origin | None]
    """Metric and origin of its threshold (None: the only one) shown for a single finding."""
    needs: str = ""
    """Metric that a record must have to be a row; empty for any record."""

    def fill(self, records: Sequence[Record], dataset: str) -> Table:
        """Return the table of a data set on all its images."""
        scored = select.of_protocol(records, dataset, self.protocol)
        return self.table([r for r in scored if not self.needs or r.find(self.needs) is not None], dataset)

    def table(self, rows: Sequence[Record], dataset: str) -> Table:
        """Return the table of the records ``rows``, which may have both alignments."""
        intro = f"{basis_lines(rows, self.thresholds)}\n{self.about}"
        return tabulated(f"{dataset}: {self.title}", intro, [*NAMES_AND_ALIGNMENT, *self.columns], rows)


def layout_of_means(protocol: str, records: Sequence[Record]) -> TableLayout:
    """Return the default layout, used for protocols of users: every mean metric of its records, with n."""
    means = dict.fromkeys(
        (s.metric, s.threshold_origin) for r in records if r.cell.protocol == protocol for s in r.select(finding="mean")
    )
    columns = [
        score(metric, origin, metric if origin == "none" else f"{metric}, {origin}", with_n) for metric, origin in means
    ]
    main_metric = registry.read_attribute(protocol, "main") if protocol in registry.names() else None
    main = next((mean for mean in means if mean[0] == main_metric), next(iter(means), ("", None)))
    return TableLayout(protocol, protocol, "see the columns", "Mean over findings.", tuple(columns), main)


def origins(metric: str, optimism: str = "optimism") -> tuple[TableColumn, ...]:
    """Return the columns of ``metric`` at every origin, per finding and shared, then its ``optimism`` and n."""
    shared = f"{metric}@shared"
    return (
        score(metric, "fixed", "fixed"),
        score(metric, "otsu", "otsu"),
        score(metric, "validation", "validation"),
        score(shared, "validation", "validation, shared", kind="optional"),
        score(metric, "cross-fitted", "cross-fitted", with_interval),
        score(shared, "cross-fitted", "cross-fitted, shared", with_interval),
        score(metric, "oracle", "oracle", with_interval),
        score(shared, "oracle", "oracle, shared", with_interval),
        score(optimism, heading="optimism", formatter=with_interval),
        score(f"{optimism}@shared", heading="optimism, shared", formatter=with_interval),
        count(metric, "cross-fitted"),
    )
