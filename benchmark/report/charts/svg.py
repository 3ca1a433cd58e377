"""Static SVG pictures of lines and text; the same numbers give the same bytes."""

from collections.abc import Iterable
from html import escape

from benchmark.report.charts.theme import FONTS

INK, PALE, BAR = "#1d2733", "#6b7480", "#2f6fb5"
Point = tuple[float, float]


def line(*points: Point, colour: str = INK, width: float = 1.0, cap: str = "butt") -> str:
    """Draw a stroke through ``points``, in pixels from the top left corner.

    >>> line((0, 0), (1.25, 2), colour="red")
    '<polyline points="0,0 1.25,2" stroke="red" stroke-width="1" stroke-linecap="butt" fill="none"/>'
    """
    drawn = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    look = f'stroke="{colour}" stroke-width="{width:g}" stroke-linecap="{cap}"'
    return f'<polyline points="{drawn}" {look} fill="none"/>'


def text(at: Point, words: str, anchor: str = "start", colour: str = INK, size: float = 12, style: str = "") -> str:
    """One line of ``words`` with its middle at a height, its start, middle or end at a width; ``style``: of CSS.

    >>> text((10, 20), "a < b", size=10)
    '<text x="10" y="23.5" font-size="10" fill="#1d2733" text-anchor="start">a &lt; b</text>'
    """
    x, y = at
    look = f'font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"' + (f' style="{style}"' if style else "")
    return f'<text x="{_number(x)}" y="{_number(y + size * 0.35)}" {look}>{escape(words)}</text>'


def picture(width: float, height: float, parts: Iterable[str]) -> str:
    """The ``parts`` on white, in the letters of a page.

    Width and height in pixels; ``parts`` are elements of SVG.
    """
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONTS}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
