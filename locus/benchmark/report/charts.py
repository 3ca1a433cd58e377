"""The parts of charts: their look, their Vega-Lite specification, their rows, and charts as files.

``PAPER``                colours, fonts and sizes of all charts: the colour-blind safe palette of Okabe and Ito. Yellow
                         is left out because it is hard to see on white. Shapes repeat the information of the colours.
``Chart``, ``view``      a chart, and the parts of its specification
``rows_of``, ``labels``  rows with the labels and kinds that charts use
``save``                 charts as files for a paper: PDF, SVG and PNG, one or two columns wide

The charts of a suite are in ``chart_list``, those of a validity check in its report.
"""

import hashlib
import importlib.metadata
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.row import Row, by_network
from locus.core.errors import NotAvailableError
from locus.core.files import atomic
from locus.core.names import CENTER, MAIN, PRIOR, UPPER_BOUND_AND_PEOPLE

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
GREY = "#8a8f98"
"""For rows that are not methods; readable on white and on black."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
LINES = {"symbolSize": 300, "symbolStrokeWidth": 2, "symbolType": "stroke"}
"""Legend of a chart of lines."""
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3]]
"""Dash patterns of lines, one per colour."""
FONT = "DejaVu Sans"
ROW = 17
"""Height of a row of a chart, in pixels."""
NAMES, LETTER, SYMBOL, LONGEST = 150, 7, 40, 300
"""Pixels: width of the row labels, of a letter, of a legend's symbol with its padding, and of a legend's label."""
LETTERS = {"labelFontSize": 9.5, "titleFontSize": 9.5, "labelColor": "#000000", "titleColor": "#000000"}
PAPER: dict[str, Any] = {
    "background": "white",
    "font": f"{FONT}, system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **LETTERS,
        "titleFontWeight": "normal",
        "labelLimit": 260,
        "gridColor": "#dddddd",
        "domainColor": "#444444",
        "tickColor": "#444444",
        "tickCount": 6,
        "labelSeparation": 5,
    },
    "axisQuantitative": {"labelLimit": 0},  # Vega measures a label once more to limit it
    "axisY": {"grid": False, "ticks": False, "domain": False, "labelPadding": 6},
    "legend": {
        **LETTERS,
        "orient": "top",
        "title": None,
        "titleFontWeight": "normal",
        "labelLimit": LONGEST,
        "columnPadding": 14,
        "symbolBaseFillColor": "#000000",
        "symbolBaseStrokeColor": "#000000",
        "layout": {side: {"anchor": "start", "bounds": "full", "direction": "vertical"} for side in ("top", "bottom")},
    },
    "text": {"color": "#000000", "fontSize": 8.0},
    "range": {"category": list(PALETTE), "symbol": list(SHAPES)},
}
"""Vega's settings of a printed figure: 9.5 pixels are 7 points."""


Values = dict[str, Any]
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


def view(values: Sequence[Values], about: str, height: float, *layers: Spec) -> Spec:
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


def strip(values: Sequence[Values], title: str, about: str) -> Spec:
    """Draw a line per ``network`` with a dot for the ``value`` of each method and a tick at their mean.

    Raises ``NotAvailableError`` without values.
    """
    if not values:
        raise NotAvailableError("no network has such scores")
    y = {"y": field("network:N", sort=None, title=None)}
    dots = mark("point", y, {"x": field("value:Q", title=title)}, filled=True, opacity=0.6, size=45, color=BLUE)
    tick = mark("tick", y, {"x": field("value:Q", aggregate="mean")}, thickness=2, size=16, color="black")
    return view(values, about, ROW * len({value["network"] for value in values}), dots, tick)


MOST = 30
"""Largest number of methods in a chart with a line per row: they fit on one printed page."""
NETWORKS = 4
"""Largest number of networks in a chart with a colour per row; with two baselines they use all colours."""
KINDS = MAY_BE_BEST, WORSE, UNCOMPARED, BASELINE, LIMIT = (
    *("may be the best", "worse or ≤ prior", "not compared", "baseline", "upper bound"),
)
Rows = dict[str, Row]
"""Unique label of a row in charts, from its method and network -> the row, which has a main score."""


def rows_of(board: Leaderboard) -> Rows:
    """Return all rows that have a value, network by network, then the baselines.

    Raises ``NotAvailableError`` if there are none.
    """
    rows = [row for row in (*board.methods, *board.baselines) if row.main.value is not None]
    if not rows:
        raise NotAvailableError(f"{board.dataset} has no record with {MAIN} at cross-fitted thresholds")
    return dict(zip(labels(rows), rows, strict=True))


def limited(board: Leaderboard) -> tuple[Rows, str]:
    """Return the first ``MOST`` methods and the baselines, and a description."""
    rows = rows_of(board)
    methods = [label for label, row in rows.items() if row.is_method]
    words = f"The first {MOST} of {len(methods)} rows" if len(methods) > MOST else f"All {len(methods)} rows"
    left_out = {*methods[MOST:]}
    return {label: row for label, row in rows.items() if label not in left_out}, words


def leading(board: Leaderboard) -> tuple[Rows, str]:
    """Return the best row of each of ``NETWORKS`` networks, ``prior`` and ``center``, and a description.

    Charts with a line per row show these; more lines would overlap.
    """
    rows = rows_of(board)
    groups = by_network([row for row in rows.values() if row.is_method])
    best = [group[0] for group in groups.values()]
    baselines = {row.name: row for row in reversed(board.baselines) if row.name in (PRIOR, CENTER)}
    networks = "each network" if len(best) <= NETWORKS else f"the first {NETWORKS} of {len(best)} networks"
    wanted = [*best[:NETWORKS], *baselines.values()]
    return {label: row for label, row in rows.items() if row in wanted}, f"the best row of {networks} and two baselines"


def labels(rows: Sequence[Row]) -> list[str]:
    """Return the method with its network, if there are several networks; repeated labels are numbered."""
    several = len({row.network for row in rows if row.is_method}) > 1
    words = []
    for row in rows:
        network = row.network if row.is_method and several else "" if row.is_method else row.note
        published = f" ({PUBLISHED})" if row.is_published and row.is_method else ""
        words.append(f"{row.name} · {network}{published}" if network else f"{row.name}{published}")
    return _numbered(words)


def _numbered(words: Sequence[str]) -> list[str]:
    """Number repeated labels.

    >>> _numbered(["cam", "pcam", "cam"])
    ['cam', 'pcam', 'cam (2)']
    """
    before = [words[:n].count(word) for n, word in enumerate(words)]
    return [f"{word} ({count + 1})" if count else word for word, count in zip(words, before, strict=True)]


def values_of(rows: Rows) -> list[Values]:
    """Return the data of rows for a chart: label, kind, value, n, and the interval if there is one."""
    out: list[Values] = []
    for label, row in rows.items():
        alone = "one training run" if row.is_single else "new patients"
        behind = "new training runs and patients" if len(row.runs) > 1 else alone
        main = row.main
        ends = {} if main.low is None else {"low": main.low, "high": main.high, "interval": behind}
        out.append({"entry": label, "kind": _kind(row), "value": main.value, "n": main.n, **ends})
    return out


def _kind(row: Row) -> str:
    if not row.is_method:
        return LIMIT if row.cell.method in UPPER_BOUND_AND_PEOPLE else BASELINE
    return UNCOMPARED if row.may_be_best is None else MAY_BE_BEST if row.may_be_best else WORSE


INCH = 96
"""Pixels of Vega per inch."""
WIDTHS = {"1col": 3.35, "2col": 7.0}
"""Name of a width -> inches."""
FORMATS = ("pdf", "svg", "png")
DPI = 300


def save(chart: Chart, leaderboard: Leaderboard, folder: Path, stem: str) -> list[Path]:
    """Write a chart in each of ``FORMATS`` and ``WIDTHS`` in ``folder``: ``<stem>-<chart>-1col.pdf``.

    The same records give the same pictures. Raises ``NotAvailableError`` for a chart without data and ``WriteError`` if
    a file cannot be written.
    """
    made = chart.spec(leaderboard)
    files = []
    for name, inches in WIDTHS.items():
        svg = drawing(made, inches)
        for kind in FORMATS:
            files.append(folder / f"{stem}-{chart.name}-{name}.{kind}")
            with atomic(files[-1]) as temporary:
                temporary.write_bytes(picture(svg, kind))
    return files


def picture(svg: str, kind: str) -> bytes:
    """Convert a ``drawing`` to PDF, SVG or PNG (``DPI`` pixels per inch)."""
    if kind == "svg":
        return _sized(svg, 1 / INCH, "in").encode()
    if kind == "pdf":
        return bytes(_converter().svg_to_pdf(_sized(svg, 72 / INCH, "")))
    png = io.BytesIO()
    drawn = Image.open(io.BytesIO(_converter().svg_to_png(svg, scale=DPI / INCH)), formats=("PNG",))
    drawn.convert("RGB").save(png, "PNG", dpi=(DPI, DPI), optimize=True)
    return png.getvalue()


def drawing(made: Spec, inches: float) -> str:
    """Draw a ``spec`` as SVG, ``inches`` wide, in black 7-point letters on white; the legend uses the full width."""
    pixels, legend, widest = inches * INCH, dict(PAPER["legend"]), made["usermeta"]["legend"]
    legend |= {"columns": max(1, int((pixels - NAMES) / widest)), "labelLimit": (widest > LONGEST) * LONGEST}
    return str(_converter().vegalite_to_svg({**made, "width": pixels}, config={**PAPER, "legend": legend}))


def _sized(svg: str, factor: float, unit: str) -> str:
    """Change the unit of an SVG's size."""
    return re.sub(r'(width|height)="([\d.]+)"', lambda m: f'{m[1]}="{float(m[2]) * factor:.4g}{unit}"', svg, count=2)


@cache
def _converter() -> Any:
    """Return vl-convert with the fonts of Matplotlib, so that every machine draws the same."""
    import vl_convert

    package = importlib.metadata.distribution("matplotlib")  # importing it takes a tenth of a second
    vl_convert.register_font_directory(str(package.locate_file("matplotlib/mpl-data/fonts/ttf")))
    return vl_convert
