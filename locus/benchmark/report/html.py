"""``index.html`` of a suite: one file with the answer, a chart, pictures and all tables, readable without a server.

``render``      a template as HTML with inlined styles, scripts and data; other pages use it, too
``suite_page``  the page, from the same tables as ``leaderboard.md``

Tables come from ``all_tables``, the answer from ``answer``, the looks of charts from ``charts``; ``tables`` writes
the file.
"""

import functools
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape
from matplotlib.lines import Line2D

from locus.benchmark.records import Record
from locus.benchmark.report import literature, main_table
from locus.benchmark.report.charts import GREY, PALETTE, Chart, lines
from locus.benchmark.report.grouping import IOU, Row
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.page import DatasetTables, Description, answers, cells_without_score, notes
from locus.benchmark.report.table import Table, bold_columns
from locus.core.cli import CONFIGS
from locus.core.names import PRIOR, UPPER_BOUND

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent / "templates"


def render(template: str, folder: Path = FOLDER, **values: Any) -> str:
    """Render a template of ``folder`` with ``values``, which are escaped. It may include templates of this package."""
    return _environment(folder).get_template(template).render(**values).strip() + "\n"


@functools.cache
def _environment(folder: Path) -> "Environment":
    """Return the template environment for pages in ``folder``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to import, and only needed for pages

    loader = FileSystemLoader([folder, FOLDER])
    environment = Environment(
        autoescape=True, loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"marked": marked, "data": data}
    environment.globals["file"] = lambda name: Markup(loader.get_source(environment, name)[0])  # a style or script
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


def link_documents(page: str, checkout: Path | None) -> str:
    """Link the names of documents in the text of an HTML page. ``checkout``: relative path of the checkout, or None.

    >>> link_documents("<p>see <code>docs/your_own.md</code></p>", Path("../.."))
    '<p>see <code><a href="../../docs/your_own.md">docs/your_own.md</a></code></p>'
    """
    if checkout is None:
        return page
    parts = re.split(r"(<script.*?</script>|<a .*?</a>|<[^>]*>)", page, flags=re.DOTALL)
    link = rf'<a href="{checkout.as_posix()}/\g<0>">\g<0></a>'
    name = re.compile(r"(?<![\w/])(?:docs|results)/\w+\.md\b")
    parts[::2] = [name.sub(link, text) if ".md" in text else text for text in parts[::2]]
    return "".join(parts)


def _whole(code: str) -> str:
    return re.sub(r"--\w+", r'<span class="flag">\g<0></span>', code)


PAGE = "index.html"
GALLERY, EXAMPLES = "gallery.html", "examples.svg"
"""Files beside the page: all methods on some cases, and a hit and a miss of the best method."""
MAX_COLOURED = 5
"""Number of methods of the chart with a colour of their own."""
View = dict[str, Any]
"""A table of a page: ``id``, ``title``, paragraphs of the ``intro``, ``headings``, ``lines`` and ``footnote``."""


def suite_page(
    folder: Path,
    linked_from: Path,
    description: Description,
    records: Sequence[Record],
    datasets: Sequence[DatasetTables],
) -> str:
    """Render the page of a suite; the same records and files in ``folder`` give the same bytes.

    ``linked_from``: final folder of the page, for the commands that it shows.
    """
    name, homes = folder.name, (folder, description.maps_of or folder)
    drawn_in = next((home for home in homes if (home / EXAMPLES).is_file()), folder)
    return render(
        "suite.html",
        name=name,
        page=description,
        datasets=list(map(_dataset, datasets)),
        legend=main_table.LEGEND,
        drawn_in=drawn_in.name,
        gallery=_link(drawn_in / GALLERY, folder),
        examples=_link(drawn_in / EXAMPLES, folder),
        gallery_command=f"python -m benchmark.gallery {drawn_in.name}{results_flag(linked_from)}"
        * description.has_maps,
        missing=cells_without_score(records),
        command=description.command,
    )


def _link(file: Path, folder: Path) -> str:
    """Return the address of a file on a page in ``folder``, which may be a neighbour; empty if there is no file."""
    prefix = f"../{file.parent.name}/" if file.parent != folder else ""
    return f"{prefix}{file.name}" if file.is_file() else ""


def results_flag(folder: Path) -> str:
    """Return the flag ``--results`` for a suite's folder; empty for the published one.

    >>> results_flag(Path("results/demo")), results_flag(Path("runs/results/demo"))
    ('', ' --results runs/results')
    """
    parent, checkout = folder.parent.resolve(), CONFIGS.parent
    shown = parent.relative_to(checkout) if checkout in parent.parents else folder.parent
    return "" if shown == Path("results") else f" --results {shown.as_posix()}"


def _dataset(tables: DatasetTables) -> dict[str, Any]:
    """Return what the page shows of a data set."""
    board = tables.leaderboard
    has_thresholds = bool(tables.full) and bool(tables.full[0].marks)
    first, rest = (tables.full[0], tables.full[1:]) if has_thresholds else (None, tables.full)
    complete: tuple[Table, ...] = ()
    if board.theirs and first is not None:  # a user's rows and what they are compared with come first
        first, complete = tables.short[0], (first,)
    main = None if first is None else view(first, board.title)
    if main is not None:
        for before, line in itertools.pairwise(main["lines"]):
            name = line["cells"][0][0]
            line["cells"][0] = name, "again" * (before["cells"][0][0] == name)
    shown, more = (
        (*tables.literature, *rest, *tables.of_checks[: tables.shown]),
        (*complete, *tables.of_checks[tables.shown :], *tables.details, *tables.protocols, *tables.papers),
    )
    shown, more = (shown, more) if first is not None or shown else (more, ())
    return {
        "name": board.title,
        "answer": answers(tables),
        "charts": _charts(tables),
        "first": main,
        "rest": [view(table, board.title) for table in shown],
        "notes": notes(board),
        "more": [view(table, board.title) for table in more],
    }


def _charts(tables: DatasetTables) -> list[Chart]:
    """Return the charts of the first screen: hits over the IoU threshold or that of a check, and of papers."""
    board = tables.leaderboard
    first = [hits_chart(board)] if board.methods else [report.chart() for report in tables.reports]
    return [chart for chart in (*first, literature.chart(board)) if chart is not None]


def hits_chart(board: Leaderboard) -> Chart | None:
    """Draw hits over the IoU threshold for the methods of the best row's network; None without a method."""
    methods = main_table.best_network(board)
    if not methods:
        return None
    rest = f" Grey: the other {len(methods) - MAX_COLOURED} methods." if len(methods) > MAX_COLOURED else ""
    about = f"{board.dataset}, {methods[0].network}: share of cases whose box has more than this IoU.{rest}"
    labels = {"xlabel": "a hit has more than this IoU", "ylabel": "share of cases hit"}
    return lines(hit_curves(board, methods), about, 3.4, **labels, xlim=(0.1, 0.7), ylim=(0, 1))


def hit_curves(board: Leaderboard, methods: Sequence[Row]) -> list[Line2D]:
    """Return a line per method: the best ``MAX_COLOURED`` in colour, others grey, ``prior`` and ``truth`` dashed."""
    curves = [_hits(row, color=GREY, alpha=0.4, linewidth=1) for row in methods[MAX_COLOURED:]]
    curves += [_hits(row, label=row.name, color=c) for row, c in zip(methods[:MAX_COLOURED], PALETTE, strict=False)]
    for name, dashes in ((PRIOR, "--"), (UPPER_BOUND, ":")):
        if (row := board.baseline(name, methods[0])) is not None:
            curves.append(_hits(row, label=name, color="black", linestyle=dashes))
    return curves


def _hits(row: Row, **look: Any) -> Line2D:
    """Return the line of a row over the IoU thresholds that it has."""
    pairs = [(n / 10, row.scores[name].value) for n, name in enumerate(IOU, 1) if name in row.scores]
    return Line2D(*zip(*pairs, strict=True), **{"linewidth": 2, **look})


def view(table: Table, board: str = "") -> View:
    """Return a table for a template; ``board``: the title of its leaderboard."""
    marks, bold = table.marks or ("",) * len(table.rows), bold_columns(table)
    kinds = {"bold": ["bold" if n in bold else "" for n in range(len(table.header))]}
    plain = [""] * len(table.header)
    return {
        "id": anchor(table.title),
        "title": _capital(table.title.removeprefix(f"{board}: ")),
        "intro": table.intro.split("\n"),
        "headings": table.headings,
        "lines": [
            {"cells": [*zip(cells, kinds.get(mark, plain), strict=True)], "mark": mark}
            for cells, mark in zip(table.rows, marks, strict=True)
        ],
        "footnote": table.footnote if not table.marks else "",
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def anchor(title: str) -> str:
    """Return the anchor of a section.

    >>> anchor("NIH: wang, T(IoU)")
    'nih-wang-t-iou'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
