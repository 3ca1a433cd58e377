"""Charts as files for a paper: PDF, SVG and PNG, one or two columns wide."""

import io
import re
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark.report.charts.chart import Chart, Spec
from benchmark.report.charts.theme import NAMES, PAPER
from benchmark.report.entries.aggregate import Leaderboard
from core.files import atomic

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
    pixels = inches * INCH
    legend = {**PAPER["legend"], "columns": max(1, int((pixels - NAMES) / made["usermeta"]["legend"]))}
    return str(_converter().vegalite_to_svg({**made, "width": pixels}, config={**PAPER, "legend": legend}))


def _sized(svg: str, factor: float, unit: str) -> str:
    """Change the unit of an SVG's size."""
    return re.sub(r'(width|height)="([\d.]+)"', lambda m: f'{m[1]}="{float(m[2]) * factor:.4g}{unit}"', svg, count=2)


@cache
def _converter() -> Any:
    """Return vl-convert with the fonts of Matplotlib, so that every machine draws the same."""
    import matplotlib as mpl
    import vl_convert

    vl_convert.register_font_directory(str(Path(mpl.get_data_path()) / "fonts" / "ttf"))
    return vl_convert
