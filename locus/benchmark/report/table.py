"""Tables of formatted cells, and their output as Markdown, text and LaTeX."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tabulate import tabulate

from locus.benchmark.report.grouping import NO_NETWORK, Row
from locus.core.files import markdown_cell
from locus.core.scores import Score

NOTHING = "–"
MAX_PAGE_ROWS = 45
"""Maximum number of rows of a LaTeX table on one page."""


Kind = Literal["", "network", "varying", "declared", "optional", "bold", "interval"]
"""``network``: part of the network's name. ``varying``: the same, omitted if all rows agree. ``declared``: the same,
omitted if no row has a value. ``optional``: any other column, omitted if no row has a value. ``bold``: bold in a marked
row. ``interval``: the same, with a 95% interval."""
OF_NETWORK = ("network", "varying", "declared")


@dataclass(frozen=True)
class TableColumn:
    """A heading, and a function that returns the text of a row's cell."""

    heading: str
    cell: Callable[[Row], str]
    kind: Kind = ""


@dataclass(frozen=True)
class Table:
    """Title, notes above the table (``intro``), header and rows of formatted cells."""

    title: str
    intro: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnote: str = ""
    """Remark below the table."""
    kinds: tuple[Kind, ...] = ()
    """Kind of each column; empty if none has one."""
    source: tuple[Row, ...] = ()
    """Row behind each line; empty if the lines were not made from rows."""
    marks: tuple[str, ...] = ()
    """Look of each row of the threshold table: ``bold``, ``grey``, ``baseline`` or empty; no marks for other tables."""

    @property
    def headings(self) -> tuple[str, ...]:
        """The header as it is shown: with ``[95%]`` where cells have an interval."""
        marked = zip(self.header, self.kinds or [""] * len(self.header), strict=True)
        return tuple(f"{name} [95%]" if kind == "interval" else name for name, kind in marked)


def tabulated(title: str, intro: str, columns: Sequence[TableColumn], rows: Sequence[Row]) -> Table:
    """Return a table of ``rows``, in their order.

    Baselines with equal cells for several networks are merged into one row, named ``any``.
    """
    merged: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    source: dict[tuple[str, ...], Row] = {}
    for n, row in enumerate(rows):
        cells = [column.cell(row) for column in columns]
        same = tuple(cell for cell, column in zip(cells, columns, strict=True) if column.kind not in OF_NETWORK)
        key = same if row.cell.method in NO_NETWORK else (str(n),)
        merged.setdefault(key, []).append(tuple(cells))
        source.setdefault(key, row)
    lines = [[of[0] if len({*of}) == 1 else "any" for of in zip(*group, strict=True)] for group in merged.values()]
    shown = [i for i, column in enumerate(columns) if _is_included(column.kind, [line[i] for line in lines])]
    header, kinds = (tuple(of) for of in zip(*((columns[i].heading, columns[i].kind) for i in shown), strict=True))
    body = tuple(tuple(line[i] for i in shown) for line in lines)
    return Table(title, intro, header, body, kinds=kinds, source=tuple(source.values()))


def _is_included(kind: Kind, cells: Sequence[str]) -> bool:
    if kind == "varying":
        return len({*cells} - {NOTHING}) > 1
    return kind not in ("optional", "declared") or any(cell not in ("", NOTHING) for cell in cells)


def number(value: float | None) -> str:
    """Format a number with three decimals; a dash for None.

    >>> number(2 / 3), number(None)
    ('0.667', '–')
    """
    return NOTHING if value is None else f"{value:.3f}"


def short(value: float | None) -> str:
    """Format a share with three decimals and without a leading zero; a dash for None.

    >>> short(0.3254), short(1.0), short(-0.006), short(None)
    ('.325', '1.00', '−.006', '–')
    """
    if value is None:
        return NOTHING
    sign, size = "−" if value < -0.0005 else "", abs(value)
    return sign + ("1.00" if size >= 0.9995 else f"{size:.3f}".replace("0.", ".", 1))


def signed_short(value: float | None) -> str:
    """Format a difference of shares with its sign.

    >>> signed_short(0.067), signed_short(-0.2)
    ('+.067', '−.200')
    """
    return NOTHING if value is None else f"{'−' if value < 0 else '+'}{short(abs(value))}"


def of_interval(interval: tuple[Any, ...]) -> str:
    """Format an ``Interval`` of shares.

    >>> of_interval((0.325, 0.285, 0.365)), of_interval((0.3, None, None))
    ('.325 [.285, .365]', '.300')
    """
    value, low, high = interval[:3]
    return short(value) if low is None or high is None else f"{short(value)} [{short(low)}, {short(high)}]"


def share(score: Score | None) -> str:
    """Format the value of a score, or a dash.

    >>> share(Score(finding="mean", metric="auroc", value=0.91)), share(None)
    ('0.910', '–')
    """
    return NOTHING if score is None else number(score.value)


def with_interval(score: Any, digits: str = ".3f") -> str:
    """Format a value with its 95% interval, if it has one: of a ``Score`` or an ``Interval``; None: a dash.

    >>> with_interval(Score(finding="mean", metric="hit@iou.3", value=.5, low=.25, high=.75, n=20))
    '0.500 [0.250, 0.750]'
    """
    if score is None or score.value is None:
        return NOTHING
    ends = "" if score.low is None or score.high is None else f" [{score.low:{digits}}, {score.high:{digits}}]"
    return f"{score.value:{digits}}{ends}"


def signed(score: Any) -> str:
    """Format a difference with its sign and its 95% interval, if it has one.

    >>> signed(Score(finding="mean", metric="above_prior", value=.05, low=-.01, high=.1))
    '+0.050 [-0.010, +0.100]'
    """
    return with_interval(score, "+.3f")


def with_n(score: Score | None) -> str:
    """Format a value with its n.

    >>> with_n(Score(finding="mean", metric="auroc", value=0.91, n=120))
    '0.910 (n 120)'
    """
    return NOTHING if score is None or score.value is None else f"{number(score.value)} (n {score.n})"


def markdown(table: Table) -> str:
    """Return a Markdown section: heading, notes, table, footnote. ``|`` and HTML in a cell are escaped.

    >>> print(markdown(Table("phantom", "501 images.", ("method", "auroc"), (("cam", "0.910"),))))
    ## phantom
    <BLANKLINE>
    501 images.
    <BLANKLINE>
    | method | auroc |
    |---|---|
    | cam | 0.910 |
    <BLANKLINE>
    """
    lines = [_line(table.headings), "|" + "---|" * len(table.header), *map(_line, _with_marks(table))]
    parts = [f"## {table.title}", table.intro, "\n".join(lines), table.footnote]
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_marks(table: Table) -> list[list[str]]:
    """Return the rows of a threshold table with bold cells, and with each network named once."""
    rows, before, bold = [], "", bold_columns(table)
    for cells, mark in zip(table.rows, table.marks or [None] * len(table.rows), strict=True):
        network, *rest = cells
        if mark is not None:
            rest = [f"**{cell}**" if mark == "bold" and n in bold else cell for n, cell in enumerate(rest, 1)]
        rows.append([network if mark is None or network != before else "", *rest])
        before = network
    return rows


def bold_columns(table: Table) -> list[int]:
    """Return the columns that are bold in a marked row."""
    return [n for n, kind in enumerate(table.kinds) if kind in ("bold", "interval")]


MAX_COLUMN_WIDTH = 24
"""Largest width of a column in a terminal, in letters."""


def as_text(table: Table) -> str:
    """Format title, table and footnote for a terminal; long cells are wrapped.

    >>> print(as_text(Table("phantom", "", ("method", "auroc"), (("cam", "0.910"),))))
    phantom
    method    auroc
    --------  -------
    cam       0.910
    <BLANKLINE>
    """
    rows = [[cell.replace("**", "") for cell in row] for row in table.rows]
    heads = [textwrap.fill(word, MAX_COLUMN_WIDTH) for word in table.headings]
    text = tabulate(rows, headers=heads, disable_numparse=True, maxcolwidths=MAX_COLUMN_WIDTH)
    return "\n".join([table.title, text, *([table.footnote] if table.footnote else []), ""])


def latex(table: Table, label: str) -> str:
    """Return one LaTeX ``table`` per page, with booktabs rules, caption and ``label``; notes are comments above it.

    Requires the packages ``booktabs`` and ``graphicx``, which scales wide tables to the line width.
    """
    words = _escaped(table.title)
    rows = _with_marks(table)
    parts = [rows[start : start + MAX_PAGE_ROWS] for start in range(0, max(len(rows), 1), MAX_PAGE_ROWS)]
    about = "\n".join(f"% {line}" for line in [*table.intro.splitlines(), table.footnote] if line)
    captions = [(words, label), *((f"{words} (continued)", f"{label}-{n}") for n in range(2, len(parts) + 1))]
    return "\n".join([about, *(_float(table.headings, *part) for part in zip(parts, captions, strict=True))])


def _float(header: Sequence[str], rows: Sequence[Sequence[str]], caption: tuple[str, str]) -> str:
    """Return a LaTeX table environment, scaled down if it is wider than the line."""
    body = [" & ".join(map(_cell, row)) + r" \\" for row in (header, *rows)]
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{caption[0]}}}",
        rf"\label{{{caption[1]}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{'l' * len(header)}}}",
        *(r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule"),
        r"\end{tabular}}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Return a cell in LaTeX; ``**bold**`` becomes bold."""
    bold = text.startswith("**") and text.endswith("**")
    return rf"\textbf{{{_escaped(text.strip('*'))}}}" if bold else _escaped(text)


def _escaped(text: str) -> str:
    """Return the text with the special characters of LaTeX escaped."""
    special = {
        "\\": r"\textbackslash{}",
        "–": "--",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "<": "$<$",
        ">": "$>$",
        "−": "$-$",
        "×": r"$\times$",
        "~": r"\textasciitilde{}",
        "^": r"\^{}",
    }
    return "".join(f"\\{letter}" if letter in "&%$#_{}" else special.get(letter, letter) for letter in text)
