"""A table of words, and how numbers become words: the same rules in every format."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tabulate import tabulate

from core.scores import Score

NOTHING = "–"
PAGE = 45
"""Rows of a LaTeX table that a page holds."""


@dataclass(frozen=True)
class Table:
    """A title, what the table rests on, a header and rows of cells that are ready to print."""

    title: str
    intro: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[str, ...], ...] = ()
    """The records behind each row, by their keys; nothing where rows are not of records."""


def number(value: float | None) -> str:
    """Three decimals; a dash where there is no value.

    >>> number(2 / 3), number(None)
    ('0.667', '–')
    """
    return NOTHING if value is None else f"{value:.3f}"


def share(score: Score | None) -> str:
    """The value of a score, or a dash.

    >>> share(Score(finding="mean", metric="auroc", value=0.91)), share(None)
    ('0.910', '–')
    """
    return NOTHING if score is None else number(score.value)


def with_interval(score: Score | None) -> str:
    """The value and its 95 % interval, where it has one.

    >>> with_interval(Score(finding="mean", metric="hit@iou.3", value=.5, low=.25, high=.75, n=20))
    '0.500 [0.250, 0.750]'
    """
    if score is None or score.low is None:
        return share(score)
    return f"{share(score)} [{number(score.low)}, {number(score.high)}]"


def signed(score: Score | None) -> str:
    """A difference with its sign and its 95 % interval, where it has one.

    >>> signed(Score(finding="mean", metric="above_prior", value=.05, low=-.01, high=.1))
    '+0.050 [-0.010, +0.100]'
    """
    if score is None or score.value is None:
        return NOTHING
    ends = "" if score.low is None or score.high is None else f" [{score.low:+.3f}, {score.high:+.3f}]"
    return f"{score.value:+.3f}{ends}"


def chance(score: Score | None) -> str:
    """A probability: three decimals, those below as such.

    >>> chance(Score(finding="mean", metric="p", value=.0001))
    '< 0.001'
    """
    return "< 0.001" if score is not None and score.value is not None and score.value < 0.001 else share(score)


def with_n(score: Score | None) -> str:
    """The value and how many it rests on.

    >>> with_n(Score(finding="mean", metric="auroc", value=0.91, n=120))
    '0.910 (n 120)'
    """
    return NOTHING if score is None or score.value is None else f"{number(score.value)} (n {score.n})"


def markdown(table: Table) -> str:
    """A section: heading, what it rests on, the table.

    A ``|`` inside a cell is escaped.

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
    return "\n".join([f"## {table.title}", "", table.intro, "", *lines, ""])


def as_text(table: Table) -> str:
    """The title and the table as a terminal shows them.

    >>> print(as_text(Table("phantom", "", ("method", "auroc"), (("cam", "0.910"),))))
    phantom
    method    auroc
    --------  -------
    cam       0.910
    <BLANKLINE>
    """
    return f"{table.title}\n{tabulate(table.rows, headers=table.header, disable_numparse=True)}\n"


def latex(table: Table, label: str) -> str:
    """One LaTeX ``table`` a page: booktabs rules, its title as caption, a ``label``; what it rests on stands above.

    Needs ``booktabs`` and ``graphicx``, which shrinks what is wider than a line.
    """
    words = _escaped(table.title)
    parts = [table.rows[start : start + PAGE] for start in range(0, max(len(table.rows), 1), PAGE)]
    about = "\n".join(f"% {line}" for line in table.intro.splitlines() if line)
    captions = [(words, label), *((f"{words} (continued)", f"{label}-{n}") for n in range(2, len(parts) + 1))]
    return "\n".join([about, *(_float(table.header, *part) for part in zip(parts, captions, strict=True))])


def _float(header: Sequence[str], rows: Sequence[Sequence[str]], caption: tuple[str, str]) -> str:
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
    """The table with ``columns`` alone, by headings without ``[95 %]``; where it has none, with its first eight.

    >>> chosen(Table("", "", ("method", "auroc [95 %]"), (("cam", "0.910"),)), ["auroc"]).rows
    (('0.910',),)
    """
    headings = [heading.removesuffix(" [95 %]") for heading in table.header]
    kept = [i for i, heading in enumerate(headings) if heading in columns] or list(range(min(8, len(headings))))
    header, *rows = (tuple(line[i] for i in kept) for line in (table.header, *table.rows))
    return replace(table, header=header, rows=tuple(rows))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(text: str) -> str:
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
