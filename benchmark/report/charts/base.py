"""What a chart is, and what it is drawn from."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.records.record import Record
from benchmark.report.charts.theme import GREY, PALETTE, SHAPES
from benchmark.report.variance.design import design
from benchmark.scoring.statistics.components import BalancedScores
from core.registry import Registry

CHARTS = Registry("benchmark.report.charts", "chart")
"""The words of the charts; none of them is imported."""
Row = dict[str, Any]
"""A line of a chart's data."""
Spec = dict[str, Any]
"""A chart, or a part of one, in Vega-Lite."""
TYPES = {"N": "nominal", "O": "ordinal", "Q": "quantitative"}
PARTS = ("layer", "data", "mark", "description", "encoding", "height", "datasets")
"""Of a chart, in the order in which a page has them."""


@dataclass(frozen=True, eq=False)
class ChartData:
    """A data set of a suite, as its tables know it."""

    records: Sequence[Record]
    """The suite's, as ``report.comparisons.rows.add_leaderboard_entries`` gives them."""
    dataset: str
    folders: Sequence[Path]
    """Where rows per case lie."""
    design: BalancedScores | None
    """The trainings of which components of variance can be told."""


class Chart(ABC):
    """A picture of a data set's results; a subclass stands in a file of its own.

    ``draw`` gives a Vega-Lite specification or raises ``NotAvailableError`` with what is missing; a page shows that
    sentence in the chart's place.
    """

    name: ClassVar[str]
    """Its word: of files, anchors and ``CHARTS``."""
    title: ClassVar[str]
    """Its heading, a few words."""
    order: ClassVar[int]
    """Where it stands among the others: the smallest number first."""
    check: ClassVar[str] = ""
    """The validity check whose records it shows; nothing: it shows a leaderboard."""

    @abstractmethod
    def draw(self, data: ChartData) -> Spec:
        """One view of free width, its ``description`` the text that stands for it and below it.

        Raises ``NotAvailableError`` with the reason where the records have nothing to draw.
        """


def chart_data(records: Sequence[Record], dataset: str, folders: Sequence[Path]) -> ChartData:
    """Return the data of the charts; ``records`` come from ``add_leaderboard_entries``. ``DataError``: broken rows."""
    return ChartData(records, dataset, folders, design(records, dataset, folders))


def field(word: str, **settings: Any) -> Spec:
    """A channel that shows a column of a chart's data.

    >>> field("value:Q", title="hits")
    {'field': 'value', 'title': 'hits', 'type': 'quantitative'}
    """
    name, kind = word.split(":")
    return _sorted({"field": name, "type": TYPES[kind], **settings})


def scale(**settings: Any) -> Spec:
    """What a channel's values become: ``scale(domain=[0, 1])`` for an axis of shares.

    >>> scale(zero=False, domain=[0, 1])
    {'scale': {'domain': [0, 1], 'zero': False}}
    """
    return {"scale": _sorted(settings)}


def mark(kind: str, *channels: Spec, **look: Any) -> Spec:
    """A layer: marks of a ``kind``, where and how the ``channels`` (channel -> its ``field``) put them.

    >>> mark("point", {"x": {"field": "value"}}, size=30)
    {'mark': {'type': 'point', 'size': 30}, 'encoding': {'x': {'field': 'value'}}}
    """
    encoding = {name: channel for part in channels for name, channel in part.items()}
    return {"mark": {"type": kind, **_sorted(look)}, "encoding": _sorted(encoding)}


def view(values: Sequence[Row], about: str, height: float, *layers: Spec) -> Spec:
    """The ``layers`` over the same ``values``, ``about`` in words; named by a hash, for a page has many.

    ``height`` in pixels; the width is the page's. The same values give the same bytes.
    """
    name = f"data-{hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]}"
    drawn = layers[0] if len(layers) == 1 else {"layer": [*layers]}
    made = {**drawn, "data": {"name": name}, "datasets": {name: values}, "description": about, "height": height}
    return {part: made[part] for part in PARTS if part in made}


def _sorted(settings: Spec) -> Spec:
    return dict(sorted(settings.items()))


def tooltip(*words: str) -> Spec:
    """What a mark tells under the pointer."""
    return {"tooltip": [field(word) for word in words]}


def by_network(values: Sequence[Row]) -> tuple[Spec, Spec]:
    """The colour and the shape of each row's ``network``, in the order in which they come.

    The same network has the same look wherever a chart has the same networks.
    """
    networks = list(dict.fromkeys(row["network"] for row in values))
    colours, shapes = [*PALETTE, GREY][: len(networks)], [*SHAPES][: len(networks)]
    return (
        {"color": field("network:N", **scale(domain=networks, range=colours))},
        {"shape": field("network:N", **scale(domain=networks, range=shapes))},
    )
