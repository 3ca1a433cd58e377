"""``components.svg``: components of variance of a suite's scores, as a static picture."""

from collections.abc import Mapping

from benchmark.report.charts.svg import BAR, PALE, line, picture, text
from benchmark.report.variance.components import in_a_score, name_of
from benchmark.scoring.statistics.components import BalancedScores

PICTURE = "components.svg"
LABELS, BARS, ROW = 260, 480, 20
"""Pixels: width of the names, length of the longest bar, height of a row."""


def drawing(parts: Mapping[str, BalancedScores]) -> str:
    """Draw a bar per component of each data set as SVG: its sd in the score of one training run.

    The longest bar always has ``BARS`` pixels, and each bar is labelled with its value. Empty without components.
    """
    longest = max((sd for part in parts.values() for sd in in_a_score(part).values()), default=0.0) or 1.0
    drawn: list[str] = []
    y = ROW
    for dataset, part in parts.items():
        drawn.append(text((LABELS, y), f"{dataset}: sd in one training's score", size=15, style="font-weight:bold"))
        for term, sd in in_a_score(part).items():
            y, end = y + ROW, LABELS + BARS * sd / longest
            drawn += [
                text((LABELS - 8, y), name_of(term), "end"),
                line((LABELS, y), (end, y), colour=BAR, width=13),
                text((end + 6, y), f"{sd:.3f}", colour=PALE),
            ]
        y += 2 * ROW
    return picture(LABELS + BARS + 60, y - ROW, drawn) if parts else ""
