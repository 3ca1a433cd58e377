"""Tables of formatted cells, and their output as Markdown, text, LaTeX and HTML.

``render``  a template of a page, with inlined styles, scripts and data
"""

import functools
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup, escape
from tabulate import tabulate

from locus.benchmark.report.formats import NOTHING
from locus.benchmark.report.grouping import NO_NETWORK, Row

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"
MAX_PAGE_ROWS = 45
"""Maximum number of rows of a LaTeX table on one page."""


Kind = Literal["", "network", "varying", "declared", "optional", "bold", "interval", "difference"]
"""``network``: part of the network's name. ``varying``: the same, omitted if all rows agree. ``declared``: the same,
omitted if no row has a value. ``optional``: any other column, omitted if no row has a value. ``bold``: bold in a marked
row. ``interval``: the same, with a 95% interval. ``difference``: with a 95% interval, never bold."""
WITH_INTERVAL = ("interval", "difference")
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
        return tuple(f"{name} [95%]" if kind in WITH_INTERVAL else name for name, kind in marked)

    @property
    def lines(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Mark and cells of each row: text and look, which is ``bold``, ``again`` (the network above) or empty."""
        before = ""
        for cells, mark in zip(self.rows, self.marks or [""] * len(self.rows), strict=True):
            kinds = self.kinds or [""] * len(cells)
            looks = [
                "bold" if mark == "bold" and kind in ("bold", "interval") else "" for kind in kinds
            ]
            looks[0] = "again" if self.marks and cells[0] == before else looks[0]
            before = cells[0]
            yield mark, [*zip(cells, looks, strict=True)]


def tabulated(title: str, intro: str, columns: Sequence[TableColumn], rows: Sequence[Row]) -> Table:
    """Return a table of ``rows``, in their order.

    Baselines with equal cells for several networks are merged into one row, named ``any``.
    """
    merged: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    source: dict[tuple[str, ...], Row] = {}
    for n, row in enumerate(rows):
        cells = [column.cell(row) for column in columns]
        same = tuple(
            cell
            for cell, column in zip(cells, columns, strict=True)
            if column.kind not in OF_NETWORK
        )
        key = same if row.cell.method in NO_NETWORK else (str(n),)
        merged.setdefault(key, []).append(tuple(cells))
        source.setdefault(key, row)
    lines = [
        [of[0] if len({*of}) == 1 else "any" for of in zip(*group, strict=True)]
        for group in merged.values()
    ]
    shown = [
        i
        for i, column in enumerate(columns)
        if _is_included(column.kind, [line[i] for line in lines])
    ]
    header, kinds = (
        tuple(of)
        for of in zip(*((columns[i].heading, columns[i].kind) for i in shown), strict=True)
    )
    body = tuple(tuple(line[i] for i in shown) for line in lines)
    return Table(title, intro, header, body, kinds=kinds, source=tuple(source.values()))


def _is_included(kind: Kind, cells: Sequence[str]) -> bool:
    if kind == "varying":
        return len({*cells} - {NOTHING}) > 1
    return kind not in ("optional", "declared") or any(cell not in ("", NOTHING) for cell in cells)


def markdown(table: Table) -> str:
    """Return a Markdown section: heading, notes, table, footnote. Their text is escaped by ``markdown_text``.

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
    rows = [
        [markdown_text(cell).replace("|", "\\|") for cell in cells]
        for cells in (table.headings, *_with_marks(table))
    ]
    head, *lines = (f"| {' | '.join(cells)} |" for cells in rows)
    lines = [head, "|" + "---|" * len(table.header), *lines]
    title, intro, footnote = map(markdown_text, (table.title, table.intro, table.footnote))
    parts = [f"## {title}", intro, "\n".join(lines), footnote]
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_marks(table: Table) -> list[list[str]]:
    """Return the rows of a threshold table with bold cells, and with each network named once."""
    return [
        [{"again": "", "bold": f"**{text}**"}.get(look, text) for text, look in cells]
        for _, cells in table.lines
    ]


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
    return render(
        "table.tex", table=table, rows=_with_marks(table), label=label, count=MAX_PAGE_ROWS
    )


def in_latex(text: str) -> str:
    """Return a cell in LaTeX; ``**bold**`` becomes bold."""
    bold = text.startswith("**") and text.endswith("**")
    return rf"\textbf{{{_escaped(text.strip('*'))}}}" if bold else _escaped(text)


def _escaped(text: str) -> str:
    """Return the text with the special characters of LaTeX escaped."""
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}", "–": "--", "−": "$-$", "<": "$<$",
        ">": "$>$", "≤": r"$\leq$", "≥": r"$\geq$", "×": r"$\times$",
    }  # fmt: skip
    return "".join(
        f"\\{letter}" if letter in "&%$#_{}" else special.get(letter, letter) for letter in text
    )


def render(template: str, folder: Path = FOLDER, **values: Any) -> str:
    """Render a template of ``folder`` with ``values``, escaped in HTML. It may include templates of this package."""
    return _environment(folder).get_template(template).render(**values).strip() + "\n"


@functools.cache
def _environment(folder: Path) -> "Environment":
    """Return the template environment for pages in ``folder``."""
    from jinja2 import (
        Environment,
        FileSystemLoader,
        StrictUndefined,
    )  # slow to import, and only needed for pages

    loader = FileSystemLoader([folder, FOLDER])
    options: dict[str, Any] = {
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    environment = Environment(
        autoescape=lambda name: str(name).endswith(".html"), loader=loader, **options
    )
    environment.filters |= {
        "marked": marked,
        "data": data,
        "tex": in_latex,
        "markdown": markdown,
        "text": markdown_text,
        "anchor": anchor,
    }
    environment.globals["file"] = lambda name: Markup(
        loader.get_source(environment, name)[0]
    )  # a style or script
    return environment


def data(value: Any) -> Markup:
    r"""Return JSON for use inside a ``<script>`` element; its characters cannot end the element.

    >>> print(data(["<b>"]))
    ["\u003cb\u003e"]
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def marked(text: str) -> Markup:
    """Escape plain text and mark up its `code` and **bold** words; a --flag in code is never broken.

    >>> str(marked("`a < b` & **c**"))
    '<code>a &lt; b</code> &amp; <b>c</b>'
    """
    if "`" not in text and "**" not in text:
        return escape(text)
    code = re.sub(r"`([^`]+)`", lambda m: f"<code>{_whole(m[1])}</code>", escape(text))
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", code))


CODE = re.compile(r"(?<!`)(`[^`]+`)(?!`)")
"""A word in code, as the texts of pages mark it up."""
ACTIVE = {
    r"<(?=[a-zA-Z/!?])": "&lt;",  # HTML, comments, and addresses in angle brackets
    r"\](?=[(\[:])": r"\\]",  # links, images and their definitions
    r"(?<=http|ttps)://": "&#58;//",  # addresses that GitHub makes links
    r"(?i)\bwww\.": "www&#46;",
    "`": r"\\`",  # outside a word in code
}
"""Pattern that Markdown would act on -> the same as text."""


def markdown_text(text: str) -> str:
    r"""Escape text for Markdown except its `code` and **bold** words; ``Markup`` is returned unchanged.

    >>> print(markdown_text("`a[1](b)` <img src=x> < 5, [.1, .2], ![x](y) and ```z"))
    `a[1](b)` &lt;img src=x> < 5, [.1, .2], ![x\](y) and \`\`\`z
    """
    if isinstance(text, Markup):
        return text
    parts = CODE.split(text)
    for pattern, plain in ACTIVE.items():
        parts[::2] = [re.sub(pattern, plain, part) for part in parts[::2]]
    return "".join(parts)


def link_documents(text: str, checkout: Path | None) -> str:
    """Link the names of documents in the text of an HTML page. ``checkout``: relative path of the checkout, or None.

    >>> link_documents("<p>see <code>docs/your_own.md</code></p>", Path("../.."))
    '<p>see <code><a href="../../docs/your_own.md">docs/your_own.md</a></code></p>'
    """
    if checkout is None:
        return text
    parts = re.split(r"(<script.*?</script>|<a .*?</a>|<[^>]*>)", text, flags=re.DOTALL)
    link = rf'<a href="{checkout.as_posix()}/\g<0>">\g<0></a>'
    name = re.compile(r"(?<![\w/])(?:docs|results)/\w+\.md\b")
    parts[::2] = [name.sub(link, part) if ".md" in part else part for part in parts[::2]]
    return "".join(parts)


def _whole(code: str) -> str:
    return re.sub(r"--\w+", r'<span class="flag">\g<0></span>', code)


def anchor(title: str) -> str:
    """Return the anchor of a section.

    >>> anchor("NIH: wang, T(IoU)")
    'nih-wang-t-iou'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
