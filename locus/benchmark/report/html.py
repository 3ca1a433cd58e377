"""``index.html`` of a suite: one file with the answer, a chart, pictures and all tables, readable without a server.

``render``      a template as HTML with inlined styles, scripts and data; other pages use it, too
``suite_page``  the page, from the same tables as ``leaderboard.md``

Tables come from ``all_tables``, the answer from ``answer``, the looks of charts from ``charts``; ``tables`` writes
the file.
"""

import functools
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
from locus.benchmark.report.comparisons import SPREAD
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.page import DatasetTables, Description, answers, cells_without_score, notes
from locus.benchmark.report.row import IOU, NO_NETWORK, Comparison, Row
from locus.benchmark.report.table import NOTHING, Table, bold_columns, of_interval, short
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
    rows: list[tuple[str, dict[str, str]]] = []
    views = [_dataset(tables, rows) for tables in datasets]
    return render(
        "suite.html",
        name=name,
        page=description,
        datasets=views,
        facts=_compact(rows),
        legend=main_table.LEGEND,
        drawn_in=drawn_in.name,
        gallery=_link(drawn_in / GALLERY, folder),
        examples=_link(drawn_in / EXAMPLES, folder),
        gallery_command=f"python -m benchmark.gallery {drawn_in.name}{results_flag(linked_from)}"
        * description.has_maps,
        missing=cells_without_score(records),
        command=description.command,
    )


def _compact(rows: Sequence[tuple[str, dict[str, str]]]) -> dict[str, list[Any]]:
    """Return the facts of all rows with their names once, since a page has hundreds of rows.

    >>> _compact([("cam", {"runs": "3"}), ("gradcam", {"runs": "3", "note": "same boxes"})])
    {'names': ['runs', 'note'], 'rows': [['cam', '3', ''], ['gradcam', '3', 'same boxes']]}
    """
    names = list(dict.fromkeys(name for _, facts in rows for name in facts))
    return {"names": names, "rows": [[title, *(facts.get(name, "") for name in names)] for title, facts in rows]}


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


def _dataset(tables: DatasetTables, rows: list[tuple[str, dict[str, str]]]) -> dict[str, Any]:
    """Return what the page shows of a data set; the details of its rows are appended to ``rows``."""
    board = tables.leaderboard
    has_thresholds = bool(tables.full) and bool(tables.full[0].marks)
    first, rest = (tables.full[0], tables.full[1:]) if has_thresholds else (None, tables.full)
    complete: tuple[Table, ...] = ()
    if board.theirs and first is not None:  # a user's rows and what they are compared with come first
        first, complete = tables.short[0], (first,)
    main = None if first is None else view(first, board.title)
    if main is not None and first is not None:
        names = [name for name, *_ in first.rows]
        for n, (line, row) in enumerate(zip(main["lines"], first.source, strict=True)):
            if n > 0 and names[n] == names[n - 1]:
                line["cells"][0] = names[n], "again"
            line["row"] = len(rows)
            rows.append(details(row))
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


def details(row: Row) -> tuple[str, dict[str, str]]:
    """Return the name of a row and everything that the table does not show of it, as text; empty if unknown."""
    of_network = row.cell.method not in NO_NETWORK
    facts = {
        "training runs": f"{len(row.runs)}{_seeds(row)}" if of_network else "",
        "AUROC of the classifier": short(row.auroc) if of_network else "",
        "hits at IoU > .3 [95%]": of_interval(row.main),
        "cases": str(row.main.n),
        **{f"difference from {gap.name}": _comparison(gap) for gap in row.over_baselines},
        "best_other": NOTHING if row.best_other is None else f"{row.best_other.name} by {_comparison(row.best_other)}",
        "may be the best": {True: "yes", False: "no", None: NOTHING}[row.in_top_group],
    }
    if SPREAD in row.scores and of_network:
        facts["standard deviation over runs"] = of_interval(row.scores[SPREAD])
    facts |= {f"{finding}, n {share.n}": short(share.value) for finding, share in row.findings.items()}
    facts |= {"note": row.note}
    name = f"{row.name} on {row.network}" if row.is_method else row.name
    return name, {word: "" if text == NOTHING else text for word, text in facts.items()}


def _seeds(row: Row) -> str:
    seeds = [str(record.cell.seed) for record in row.runs if record.cell.seed is not None]
    return f" ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)})" if seeds else ""


def _comparison(gap: Comparison | None) -> str:
    if gap is None:
        return NOTHING
    p = "" if gap.p is None else ", p < .001" if gap.p < 0.001 else f", p {short(gap.p)}"
    return f"{of_interval(gap.difference)}{p}"


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
            {"cells": [*zip(cells, kinds.get(mark, plain), strict=True)], "mark": mark, "row": None}
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
