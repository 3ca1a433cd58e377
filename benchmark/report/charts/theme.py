"""Colours, letters and sizes of all charts: Okabe and Ito's colours, which colour-blind readers tell apart.

Yellow is left out, for it cannot be read on white; what colour says a mark's shape says too.
"""

from typing import Any

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
GREY = "#8a8f98"
"""Of what is no method; to be read on white and on black."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
LINES = {"symbolSize": 300, "symbolStrokeWidth": 2, "symbolType": "stroke"}
"""The legend of lines."""
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3]]
"""What tells lines apart beside their colour: as many as there are colours."""
FONT = "DejaVu Sans"
ROW = 17
"""Pixels of a line of a chart with a line per entry."""
NAMES, LETTER, SYMBOL = 150, 7, 40
"""Pixels of the names beside a chart, of a letter, and of a legend's symbol with the room around it."""
LIGHTER = {BLUE: "#3A8FD6"}
"""What is too dark for a dark page, and what stands for it there."""
FONTS = f"{FONT}, system-ui, sans-serif"


def config(ink: str, pale: str, rule: str, size: float) -> dict[str, Any]:
    """Vega's settings: letters in ``ink``, less important ones ``pale``, lines ``rule``; letters of ``size`` pixels."""
    letters = {"labelFontSize": size, "titleFontSize": size, "labelColor": ink, "titleColor": ink}
    return {
        "background": "transparent",
        "font": FONTS,
        "view": {"stroke": None},
        "axis": {
            **letters,
            "titleFontWeight": "normal",
            "labelLimit": 260,
            "gridColor": rule,
            "domainColor": pale,
            "tickColor": pale,
            "tickCount": 6,
            "labelSeparation": 5,
        },
        "axisY": {"grid": False, "ticks": False, "domain": False, "labelPadding": 6},
        "legend": {
            **letters,
            "orient": "top",
            "title": None,
            "titleFontWeight": "normal",
            "labelLimit": 300,
            "columnPadding": 14,
            "symbolBaseFillColor": ink,
            "symbolBaseStrokeColor": ink,
            "layout": {"top": {"anchor": "start", "bounds": "full", "direction": "vertical"}},
        },
        "text": {"color": ink, "fontSize": size - 1.5},
        "range": {"category": list(PALETTE), "symbol": list(SHAPES)},
    }


THEMES = {
    "light": config("#1d2733", "#6b7480", "#e3e6ea", 12),
    "dark": config("#e6e9ee", "#9aa3af", "#363c46", 12),
}
"""Of a page; charts stand on its own ground."""
PAPER = {**config("#000000", "#444444", "#dddddd", 9.5), "background": "white"}
"""Of a printed figure: 9.5 pixels are 7 points."""
