"""Colours, fonts and sizes of all charts: the colour-blind safe palette of Okabe and Ito.

Yellow is left out because it is hard to see on white. Shapes repeat the information of the colours.
"""

from typing import Any

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
NAMES, LETTER, SYMBOL = 150, 7, 40
"""Pixels: width of the row labels, of a letter, and of a legend's symbol with its padding."""
LIGHTER = {BLUE: "#3A8FD6"}
"""Colour -> lighter colour on a dark page."""
FONTS = f"{FONT}, system-ui, sans-serif"


def config(ink: str, pale: str, rule: str, size: float) -> dict[str, Any]:
    """Return Vega's settings: colours of text (``ink``), axes (``pale``) and grid (``rule``), and the font ``size``."""
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
"""Themes of a page, with a transparent background."""
PAPER = {**config("#000000", "#444444", "#dddddd", 9.5), "background": "white"}
"""Theme of a printed figure: 9.5 pixels are 7 points."""
