"""Critical-difference diagrams. Demšar, JMLR 7 (2006), figure 1."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.report.charts.svg import BAR, INK, PALE, Point, line, picture, text
from core.names import BASELINES

if TYPE_CHECKING:
    from benchmark.statistics.ranks import Diagram

AXIS, ROW, LETTER, MARGIN, HANG = 520, 22, 8, 100, 18
"""Pixels: of the axis, of a line of text, of a letter, beside the longest name, between the axis and a name."""
ABOVE, STEP = 4.2, 0.5
"""Lines above the axis (title, ruler, numbers), and lines per bar."""


def drawing(diagrams: Sequence[tuple[str, "Diagram"]]) -> str:
    """One panel per (title, diagram), below each other, as SVG. At least one."""
    room = MARGIN + LETTER * max(len(method) for _, diagram in diagrams for method in diagram.methods)
    parts, top = list[str](), 0.0
    for title, diagram in diagrams:
        panel = _Panel(diagram, room, top)
        parts += panel.draw(title)
        top += panel.height
    return picture(AXIS + 2 * room, top, parts)


@dataclass(frozen=True)
class _Panel:
    """A diagram below others; lines of text are counted from its axis upwards."""

    diagram: "Diagram"
    room: int
    """Pixels beside the axis."""
    top: float

    @property
    def depth(self) -> float:
        """Lines from the axis to the first name: the bars are between them."""
        return 1.1 + STEP * len(self.diagram.groups)

    @property
    def height(self) -> float:
        """Pixels that it takes."""
        return ROW * (ABOVE + self.depth + (len(self.diagram.methods) + 1) // 2 + 0.6)

    def at(self, rank: float, row: float, right: float = 0) -> Point:
        """Where a rank is at a line of text, so many pixels further right."""
        return (
            self.room + AXIS * (rank - 1) / (len(self.diagram.methods) - 1) + right,
            self.top + ROW * (ABOVE - row),
        )

    def draw(self, title: str) -> Iterator[str]:
        d, count = self.diagram, len(self.diagram.methods)
        summary = f"{count} methods, {d.findings} findings, Friedman p {d.friedman:.2g}"
        edge = 0.94 * self.room
        yield text(self.at(1, ABOVE - 1, -edge), title, size=15, style="font-weight:bold")
        yield text(self.at(count, ABOVE - 1, edge), summary, "end", PALE)
        yield from self._axis(count)
        end = min(1 + d.critical, count)
        yield line(self.at(1, 1.75), self.at(end, 1.75), colour=BAR, width=2)
        yield from (line(self.at(x, 1.6), self.at(x, 1.9), colour=BAR, width=2) for x in (1, end))
        yield text(self.at(1, 2.35), f"critical difference {d.critical:.2f}", colour=BAR)
        rank = dict(zip(d.methods, d.ranks.tolist(), strict=True))
        for position, (method, value) in enumerate(rank.items()):
            yield from self._name(position, method, value)
        for n, group in enumerate(d.groups):  # none of which differs from another
            ends = (self.at(rank[method], -0.6 - STEP * n) for method in (group[0], group[-1]))
            yield line(*ends, colour=BAR, width=4.5, cap="round")

    def _axis(self, count: int) -> Iterator[str]:
        yield line(self.at(1, 0), self.at(count, 0), width=1.5)
        for rank in range(1, count + 1):
            yield line(self.at(rank, 0), self.at(rank, 0.28))
            yield text(self.at(rank, 0.7), str(rank), "middle")
        yield text(self.at(1, 0.7, -HANG), "best", "end", PALE, style="font-style:italic")

    def _name(self, position: int, method: str, rank: float) -> Iterator[str]:
        """A method's name beside the axis, the better half on the left, with a line to its average rank."""
        count = len(self.diagram.methods)
        left = position < (count + 1) // 2
        row = -self.depth - (position if left else count - 1 - position)
        first, side, words = (1, -1, f"{method}  {rank:.2f}") if left else (count, 1, f"{rank:.2f}  {method}")
        colour, style = (PALE, "font-style:italic") if method in BASELINES else (INK, "")
        yield line(self.at(rank, 0), self.at(rank, row), self.at(first, row, side * HANG), colour=colour)
        at = self.at(first, row, side * (HANG + 6))
        yield text(at, words, "end" if left else "start", colour, 13, f"white-space:pre;{style}")
