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

from locus.benchmark.baselines import is_without_network
from locus.benchmark.report.formats import NOTHING
from locus.benchmark.report.grouping import Row

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"
MAX_PAGE_ROWS = 45
"""Maximum number of rows of a LaTeX table on one page."""
MAX_COLUMN_WIDTH = 24
"""Largest width of a column in a terminal, in letters."""
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
LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}", "–": "--", "−": "$-$"},
    **{"<": "$<$", ">": "$>$", "≤": r"$\leq$", "≥": r"$\geq$", "×": r"$\times$"},
}
"""Special character -> how LaTeX writes it."""
TAGS = re.compile(r"(<script.*?</script>|<a .*?</a>|<[^>]*>)", flags=re.DOTALL)
DOCUMENT = re.compile(r"(?<![\w/])(?:docs|results)/\w+\.md\b")


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


NETWORK_NAME = TableColumn(
    "network", lambda row: row.network if row.has_network else NOTHING, "network"
)
"""The name of a row's network."""


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
        if not self.kinds:
            return self.header
        return tuple(
            f"{heading} [95%]" if kind in WITH_INTERVAL else heading
            for heading, kind in zip(self.header, self.kinds, strict=True)
        )

    @property
    def lines(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Mark and cells of each row: text and look, which is ``bold``, ``again`` (the network above) or empty."""
        if not self.marks:
            for cells in self.rows:
                yield "", [(text, "") for text in cells]
            return
        above = ""
        for cells, mark in zip(self.rows, self.marks, strict=True):
            styles = [
                "bold" if mark == "bold" and kind in ("bold", "interval") else ""
                for kind in self.kinds
            ]
            if cells[0] == above:
                styles[0] = "again"
            above = cells[0]
            yield mark, [*zip(cells, styles, strict=True)]


def tabulated(title: str, intro: str, columns: Sequence[TableColumn], rows: Sequence[Row]) -> Table:
    """Return a table of rows, in their order.

    Baselines with equal cells for several networks are merged into one row, named ``any``.

    Args:
        title: title of the table.
        intro: text above the table; empty: none.
        columns: headings of the columns, and how each makes a cell of a row.
        rows: the rows.
    """
    merged: dict[tuple[str, ...], list[list[str]]] = {}
    source: dict[tuple[str, ...], Row] = {}
    is_of_network = [column.kind in OF_NETWORK for column in columns]
    for position, row in enumerate(rows):
        cells = [column.cell(row) for column in columns]
        key: tuple[str, ...] = (str(position),)
        if is_without_network(row.cell.method):
            key = tuple(
                cell for cell, skipped in zip(cells, is_of_network, strict=True) if not skipped
            )
        merged.setdefault(key, []).append(cells)
        source.setdefault(key, row)
    lines = [_merged(group) for group in merged.values()]
    included = [
        number
        for number, column in enumerate(columns)
        if _is_included(column.kind, [line[number] for line in lines])
    ]
    shown_columns = [columns[number] for number in included]
    cells_of_lines = [tuple(line[number] for number in included) for line in lines]
    return Table(
        title,
        intro,
        header=tuple(column.heading for column in shown_columns),
        rows=tuple(cells_of_lines),
        kinds=tuple(column.kind for column in shown_columns),
        source=tuple(source.values()),
    )


def _merged(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for several; cells that differ become ``any``."""
    columns = [set(cells) for cells in zip(*lines, strict=True)]
    return [cells.pop() if len(cells) == 1 else "any" for cells in columns]


def _is_included(kind: Kind, cells: Sequence[str]) -> bool:
    """Return whether a column of this kind is shown."""
    if kind == "varying":
        return len(set(cells) - {NOTHING}) > 1
    if kind in ("optional", "declared"):
        return bool(set(cells) - {NOTHING, ""})
    return True


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
    lines = []
    for cells in (table.headings, *_with_marks(table)):
        escaped = (markdown_text(cell).replace("|", "\\|") for cell in cells)
        lines.append(f"| {' | '.join(escaped)} |")
    lines.insert(1, "|" + "---|" * len(table.header))
    sections = [
        f"## {markdown_text(table.title)}",
        markdown_text(table.intro),
        "\n".join(lines),
        markdown_text(table.footnote),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _with_marks(table: Table) -> list[list[str]]:
    """Return the rows of a threshold table with bold cells, and with each network named once."""
    return [[_marked(text, look) for text, look in cells] for _, cells in table.lines]


def _marked(text: str, look: str) -> str:
    if look == "again":
        return ""
    return f"**{text}**" if look == "bold" else text


def as_text(table: Table) -> str:
    """Format title, table and footnote for a terminal; long cells are wrapped.

    >>> print(as_text(Table("phantom", "", ("method", "auroc"), (("cam", "0.910"),))))
    phantom
    method    auroc
    --------  -------
    cam       0.910
    <BLANKLINE>
    """
    text = tabulate(
        [[cell.replace("**", "") for cell in row] for row in table.rows],
        headers=[textwrap.fill(heading, MAX_COLUMN_WIDTH) for heading in table.headings],
        disable_numparse=True,
        maxcolwidths=MAX_COLUMN_WIDTH,
    )
    lines = [table.title, text]
    if table.footnote:
        lines.append(table.footnote)
    return "\n".join([*lines, ""])


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
    return "".join(LATEX.get(letter, letter) for letter in text)


def render(template: str, folder: Path = FOLDER, **values: Any) -> str:
    """Render a template of ``folder`` with ``values``, escaped in HTML. It may include templates of this package."""
    return _environment(folder).get_template(template).render(**values).strip() + "\n"


@functools.cache
def _environment(folder: Path) -> "Environment":
    """Return the template environment for pages in ``folder``."""
    import jinja2  # slow to import, and only needed for pages

    loader = jinja2.FileSystemLoader([folder, FOLDER])
    environment = jinja2.Environment(
        autoescape=lambda name: str(name).endswith(".html"),
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "marked": marked,
        "data": data,
        "tex": in_latex,
        "markdown": markdown,
        "text": markdown_text,
        "anchor": anchor,
    }

    def file(name: str) -> Markup:
        """Return the text of a style or script."""
        return Markup(loader.get_source(environment, name)[0])

    environment.globals["file"] = file
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


def markdown_text(text: str) -> str:
    r"""Escape text for Markdown except its `code` and **bold** words; ``Markup`` is returned unchanged.

    >>> print(markdown_text("`a[1](b)` <img src=x> < 5, [.1, .2], ![x](y) and ```z"))
    `a[1](b)` &lt;img src=x> < 5, [.1, .2], ![x\](y) and \`\`\`z
    """
    if isinstance(text, Markup):
        return text
    pieces = CODE.split(text)  # every second one is code
    for pattern, plain in ACTIVE.items():
        pieces[::2] = [re.sub(pattern, plain, piece) for piece in pieces[::2]]
    return "".join(pieces)


def link_documents(text: str, checkout: Path | None) -> str:
    """Link the names of documents in the text of an HTML page. ``checkout``: relative path of the checkout, or None.

    >>> link_documents("<p>see <code>docs/your_own.md</code></p>", Path("../.."))
    '<p>see <code><a href="../../docs/your_own.md">docs/your_own.md</a></code></p>'
    """
    if checkout is None:
        return text
    link = rf'<a href="{checkout.as_posix()}/\g<0>">\g<0></a>'
    pieces = TAGS.split(text)  # every second one is a tag, a link or a script
    pieces[::2] = [DOCUMENT.sub(link, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _whole(code: str) -> str:
    return re.sub(r"--\w+", r'<span class="flag">\g<0></span>', code)


def anchor(title: str) -> str:
    """Return the anchor of a section.

    >>> anchor("NIH: wang, T(IoU)")
    'nih-wang-t-iou'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
