"""What a chart is, and what it is drawn from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.records.record import Record
from benchmark.report.charts.theme import GREY, PALETTE, SHAPES
from benchmark.report.design import design
from benchmark.statistics.components import BalancedScores
from core.registry import Registry

if TYPE_CHECKING:
    import altair as alt

    Drawing = alt.Chart | alt.LayerChart | alt.FacetChart

CHARTS = Registry("benchmark.report.charts", "chart")
"""The words of the charts; none of them is imported."""
Row = dict[str, Any]
"""A line of a chart's data."""


@dataclass(frozen=True, eq=False)
class ChartData:
    """A data set of a suite, as its tables know it."""

    records: Sequence[Record]
    """Those of ``report.compared.with_entries``."""
    dataset: str
    folders: Sequence[Path]
    """Where rows per case lie."""
    design: BalancedScores | None
    """The trainings of which components of variance can be told."""


class Chart(ABC):
    """A picture of a data set's results; a subclass stands in a file of its own."""

    name: ClassVar[str]
    """Its word: of files, anchors and ``CHARTS``."""
    title: ClassVar[str]
    """Its heading, a few words."""
    order: ClassVar[int]
    """Where it stands among the others: the smallest number first."""
    check: ClassVar[str] = ""
    """The validity check whose records it shows; nothing: it shows a leaderboard."""

    @abstractmethod
    def draw(self, data: ChartData) -> "Drawing":
        """One view of free width, its ``description`` the text that stands for it and below it.

        Raises ``NotAvailableError`` with the reason where the records have nothing to draw.
        """


def gather(records: Sequence[Record], dataset: str, folders: Sequence[Path]) -> ChartData:
    """What the charts of a data set are drawn from; ``records`` as of ``with_entries``. ``DataError``: broken rows."""
    return ChartData(records, dataset, folders, design(records, dataset, folders))


def tooltip(*words: str) -> "list[alt.Tooltip]":
    """What a mark tells under the pointer. Spelled out, for Altair takes 20 ms to make each of a bare word."""
    import altair as alt

    return [alt.Tooltip(word) for word in words]


def by_network(values: Sequence[Row]) -> "tuple[alt.Color, alt.Shape]":
    """The colour and the shape of each row's ``network``, in the order in which they come."""
    import altair as alt

    networks = list(dict.fromkeys(row["network"] for row in values))
    colours, shapes = [*PALETTE, GREY][: len(networks)], [*SHAPES][: len(networks)]
    return (
        alt.Color("network:N", scale=alt.Scale(domain=networks, range=colours)),
        alt.Shape("network:N", scale=alt.Scale(domain=networks, range=shapes)),
    )
