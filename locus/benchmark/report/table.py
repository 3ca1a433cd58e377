"""Tables of formatted cells, and their output as Markdown, text and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tabulate import tabulate

from locus.core.scores import Score

NOTHING = "–"
PAGE = 45
"""Maximum number of rows of a LaTeX table on one page."""


@dataclass(frozen=True)
class Table:
    """Title, notes above the table (``intro``), header and rows of formatted cells."""

    title: str
    intro: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[str, ...], ...] = ()
    """Keys of the records of each row; empty if the rows have no records."""
    footnote: str = ""
    """Remark below the table."""


def number(value: float | None) -> str:
    """Format a number with three decimals; a dash for None.

    >>> number(2 / 3), number(None)
    ('0.667', '–')
    """
    return NOTHING if value is None else f"{value:.3f}"


def share(score: Score | None) -> str:
    """Format the value of a score, or a dash.

    >>> share(Score(finding="mean", metric="auroc", value=0.91)), share(None)
    ('0.910', '–')
    """
    return NOTHING if score is None else number(score.value)


def with_interval(score: Score | None) -> str:
    """Format a value with its 95% interval, if it has one.

    >>> with_interval(Score(finding="mean", metric="hit@iou.3", value=.5, low=.25, high=.75, n=20))
    '0.500 [0.250, 0.750]'
    """
    if score is None or score.low is None:
        return share(score)
    return f"{share(score)} [{number(score.low)}, {number(score.high)}]"


def signed(score: Score | None) -> str:
    """Format a difference with its sign and its 95% interval, if it has one.

    >>> signed(Score(finding="mean", metric="above_prior", value=.05, low=-.01, high=.1))
    '+0.050 [-0.010, +0.100]'
    """
    if score is None or score.value is None:
        return NOTHING
    ends = "" if score.low is None or score.high is None else f" [{score.low:+.3f}, {score.high:+.3f}]"
    return f"{score.value:+.3f}{ends}"


def difference(one: float | None, other: float | None) -> str:
    """Format ``one`` minus ``other`` with its sign; a dash if one of them is missing.

    >>> difference(0.5, 0.25), difference(None, 0.25)
    ('+0.250', '–')
    """
    return NOTHING if one is None or other is None else f"{round(one - other, 6) + 0.0:+.3f}"


def chance(score: Score | None) -> str:
    """Format a probability with three decimals, or as ``< 0.001``.

    >>> chance(Score(finding="mean", metric="p", value=.0001))
    '< 0.001'
    """
    return "< 0.001" if score is not None and score.value is not None and score.value < 0.001 else share(score)


def with_n(score: Score | None) -> str:
    """Format a value with its n.

    >>> with_n(Score(finding="mean", metric="auroc", value=0.91, n=120))
    '0.910 (n 120)'
    """
    return NOTHING if score is None or score.value is None else f"{number(score.value)} (n {score.n})"


def markdown(table: Table) -> str:
    """Return a Markdown section: heading, notes, table, footnote. A ``|`` in a cell is escaped.

    >>> print(markdown(Table("phantom", "501 images.", ("method", "auroc"), (("cam", "0.910"),))))
    ## phantom
    <BLANKLINE>
    501 images.
    <BLANKLINE>
    | method | auroc |
    | --- | --- |
    | cam | 0.910 |
    <BLANKLINE>
    """
    lines = [_line(table.header), _line(["---"] * len(table.header)), *map(_line, table.rows)]
    footnote = ["", table.footnote] if table.footnote else []
    return "\n".join([f"## {table.title}", "", table.intro, "", *lines, *footnote, ""])


def as_text(table: Table) -> str:
    """Format the title and the table for a terminal.

    >>> print(as_text(Table("phantom", "", ("method", "auroc"), (("cam", "0.910"),))))
    phantom
    method    auroc
    --------  -------
    cam       0.910
    <BLANKLINE>
    """
    footnote = f"{table.footnote}\n" if table.footnote else ""
    return f"{table.title}\n{tabulate(table.rows, headers=table.header, disable_numparse=True)}\n{footnote}"


def latex(table: Table, label: str) -> str:
    """Return one LaTeX ``table`` per page, with booktabs rules, caption and ``label``; notes are comments above it.

    Requires the packages ``booktabs`` and ``graphicx``, which scales wide tables to the line width.
    """
    words = _escaped(table.title)
    parts = [table.rows[start : start + PAGE] for start in range(0, max(len(table.rows), 1), PAGE)]
    about = "\n".join(f"% {line}" for line in [*table.intro.splitlines(), table.footnote] if line)
    captions = [(words, label), *((f"{words} (continued)", f"{label}-{n}") for n in range(2, len(parts) + 1))]
    return "\n".join([about, *(_float(table.header, *part) for part in zip(parts, captions, strict=True))])


def _float(header: Sequence[str], rows: Sequence[Sequence[str]], caption: tuple[str, str]) -> str:
    """Return a LaTeX table environment, scaled down if it is wider than the line."""
    body = [" & ".join(map(_escaped, row)) + r" \\" for row in (header, *rows)]
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


def chosen(table: Table, columns: Sequence[str]) -> Table:
    """Select ``columns`` by heading (without ``[95%]``); the first eight columns if the table has none of them.

    >>> chosen(Table("", "", ("method", "auroc [95%]"), (("cam", "0.910"),)), ["auroc"]).rows
    (('0.910',),)
    """
    headings = [heading.removesuffix(" [95%]") for heading in table.header]
    indices = [i for i, heading in enumerate(headings) if heading in columns] or list(range(min(8, len(headings))))
    header, *rows = (tuple(line[i] for i in indices) for line in (table.header, *table.rows))
    return replace(table, header=header, rows=tuple(rows))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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
