"""A chart, and the parts of its Vega-Lite specification."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.report.charts.theme import GREY, LETTER, PALETTE, SHAPES, SYMBOL
from benchmark.report.entries.aggregate import Leaderboard

Row = dict[str, Any]
"""A row of a chart's data."""
Spec = dict[str, Any]
"""A chart, or a part of one, in Vega-Lite."""
TYPES = {"N": "nominal", "O": "ordinal", "Q": "quantitative"}
PARTS = ("layer", "data", "mark", "description", "encoding", "height", "datasets")
"""Keys of a chart, in the order in which they are written."""
FIT: Spec = {"autosize": {"type": "fit-x", "contains": "padding"}}
"""Fit the given width, including axes and labels."""


@dataclass(frozen=True)
class Chart:
    """A chart of a data set's results."""

    name: str
    """Name in files and anchors."""
    title: str
    """Short heading."""
    draw: Callable[[Leaderboard], Spec]
    """Return a view of variable width; its ``description`` is the caption and the alternative text.

    Raises ``NotAvailableError`` with the reason if there is nothing to draw.
    """

    def spec(self, leaderboard: Leaderboard) -> Spec:
        """Return the chart as Vega-Lite, without a theme. Raises ``NotAvailableError`` without data.

        Only the tests validate it, because Altair's validation is slow.
        """
        made = self.draw(leaderboard)
        return made | FIT | {"usermeta": {"legend": LETTER * max(map(len, _words(made)), default=0) + SYMBOL}}


def _words(part: Any) -> Iterator[str]:
    """Yield the labels of a chart's legends."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if key == "domain" and value and isinstance(value[0], str):
            yield from value
        else:
            yield from _words(value)


def field(word: str, **settings: Any) -> Spec:
    """Return a channel that shows a column of the data; ``word`` is ``name:type`` with a key of ``TYPES``.

    >>> field("value:Q", title="hits")
    {'field': 'value', 'title': 'hits', 'type': 'quantitative'}
    """
    name, kind = word.split(":")
    return _sorted({"field": name, "type": TYPES[kind], **settings})


def scale(**settings: Any) -> Spec:
    """Return the scale of a channel, such as ``scale(domain=[0, 1])`` for an axis of shares.

    >>> scale(zero=False, domain=[0, 1])
    {'scale': {'domain': [0, 1], 'zero': False}}
    """
    return {"scale": _sorted(settings)}


def mark(kind: str, *channels: Spec, **look: Any) -> Spec:
    """Return a layer with marks of a ``kind``; ``channels`` map a channel to its ``field``.

    >>> mark("point", {"x": {"field": "value"}}, size=30)
    {'mark': {'type': 'point', 'size': 30}, 'encoding': {'x': {'field': 'value'}}}
    """
    encoding = {name: channel for part in channels for name, channel in part.items()}
    return {"mark": {"type": kind, **_sorted(look)}, "encoding": _sorted(encoding)}


def view(values: Sequence[Row], about: str, height: float, *layers: Spec) -> Spec:
    """Combine ``layers`` over the same ``values``, with ``about`` as description.

    ``height`` is in pixels; the page sets the width. The data is named by its hash, so the same values give the same
    bytes.
    """
    name = f"data-{hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]}"
    drawn = layers[0] if len(layers) == 1 else {"layer": [*layers]}
    made = {**drawn, "data": {"name": name}, "datasets": {name: values}, "description": about, "height": height}
    return {part: made[part] for part in PARTS if part in made}


def _sorted(settings: Spec) -> Spec:
    return dict(sorted(settings.items()))


def tooltip(*words: str) -> Spec:
    """Return the tooltip of a mark."""
    return {"tooltip": [field(word) for word in words]}


def by_network(values: Sequence[Row]) -> tuple[Spec, Spec]:
    """Return the colour and shape channels of each row's ``network``, in the order of first appearance.

    Charts with the same networks use the same colours and shapes.
    """
    networks = list(dict.fromkeys(row["network"] for row in values))
    colours, shapes = [*PALETTE, GREY][: len(networks)], [*SHAPES][: len(networks)]
    return (
        {"color": field("network:N", **scale(domain=networks, range=colours))},
        {"shape": field("network:N", **scale(domain=networks, range=shapes))},
    )
