"""Generate the files of ``results/`` from records; the same records give the same bytes.

``suite_page``  ``index.html`` of a suite: one file with the answer, a chart, pictures and all tables
``write``     the files of one suite: ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``
``index``     the overview of all suites, ``results/index.html`` and ``README.md``, with the agreement of their rankings
``headline``, ``terminal``  the answer and a table of at most eight rows for a terminal

The contents come from ``page``, ``main_table``, ``literature`` and ``charts``.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.lines import Line2D

from locus.benchmark.records import Record, load, ordered
from locus.benchmark.report import NOTES, added, literature, main_table, page, primary
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.charts import GREY, PALETTE, Chart, lines
from locus.benchmark.report.grouping import IOU, Row, by_network
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import DatasetTables, Description
from locus.benchmark.report.table import (
    NOTHING,
    Table,
    anchor,
    as_text,
    latex,
    link_documents,
    of_interval,
    render,
    short,
)
from locus.benchmark.scoring.statistics.mrmc import RowSamples
from locus.benchmark.scoring.statistics.rank_reversals import MIN_RANKED_METHODS, agreement
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.core.cli import CONFIGS
from locus.core.files import write_text
from locus.core.names import FIXED_BOX, MAIN, PRIOR, UPPER_BOUND

PAGE = "index.html"
GALLERY, EXAMPLES = "gallery.html", "examples.svg"
"""Files beside the page: all methods on some cases, and a hit and a miss of the best method."""
MAX_COLOURED = 5
"""Number of methods of the chart with a colour of their own."""


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
    gallery = f"python -m benchmark.gallery {drawn_in.name}{results_flag(linked_from)}"
    return render(
        "suite.html",
        name=name,
        page=description,
        datasets=list(map(_dataset, datasets)),
        drawn_in=drawn_in.name,
        gallery=_link(drawn_in / GALLERY, folder),
        examples=_link(drawn_in / EXAMPLES, folder),
        gallery_command=f"{gallery}{description.gallery_flags}" if description.has_maps else "",
        missing=page.cells_without_score(records),
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
    shown = (*tables.of_primary, *tables.literature, *rest, *tables.of_checks[: tables.shown])
    more = (*complete, *tables.of_checks[tables.shown :], *tables.details, *tables.protocols, *tables.papers)
    shown, more = (shown, more) if first is not None or shown else (more, ())
    texts = {"name": board.title, "answer": page.answers(tables), "notes": page.notes(board)}
    return {**texts, "charts": _charts(tables), "first": first, "rest": shown, "more": more}


def _charts(tables: DatasetTables) -> list[Chart]:
    """Return the charts of the first screen: hits over the IoU threshold or that of a check, and of papers."""
    board = tables.leaderboard
    first = [hits_chart(board)] if board.methods else [report.chart() for report in tables.reports]
    return [chart for chart in (*first, added.chart(board), literature.chart(board)) if chart is not None]


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
    """Return a line per method: the best ``MAX_COLOURED`` in colour, others grey; baselines and ``truth`` dashed."""
    curves = [_hits(row, color=GREY, alpha=0.4, linewidth=1) for row in methods[MAX_COLOURED:]]
    curves += [_hits(row, label=row.name, color=c) for row, c in zip(methods[:MAX_COLOURED], PALETTE, strict=False)]
    for name, dashes in ((PRIOR, "--"), (FIXED_BOX, "-."), (UPPER_BOUND, ":")):
        if (row := board.baseline(name, methods[0])) is not None:
            curves.append(_hits(row, label=name, color="black", linestyle=dashes))
    return curves


def _hits(row: Row, **look: Any) -> Line2D:
    """Return the line of a row over the IoU thresholds that it has."""
    pairs = [(n / 10, row.scores[name].value) for n, name in enumerate(IOU, 1) if name in row.scores]
    return Line2D(*zip(*pairs, strict=True), **{"linewidth": 2, **look})


HEADER = ("suite", "question", "answer")
AGREEMENT_ABOUT = NOTES["rank_agreement"].format(main=MAIN, min_ranked_methods=MIN_RANKED_METHODS)
AGREEMENT_HEADER = ("suite", "other suite", "network", "methods", "τ [95%]", "p")


@ONE_BLAS_THREAD
def index(folder: Path | str, suites: Mapping[Path, Sequence[DatasetTables]]) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; return the path of ``index.html``.

    ``suites``: folder of each suite -> its tables.
    """
    folder, suites = Path(folder), dict(sorted(suites.items()))
    rows = tuple(_suite(*suite) for suite in suites.items())
    table, agreements = Table("Suites", NOTES["suites"], HEADER, rows), rank_agreement(suites)
    linked = replace(table, rows=tuple((Markup(f"[{name}]({name}/leaderboard.md)"), *rest) for name, *rest in rows))
    write_text(folder / "README.md", render("index.md", tables=[linked, agreements]))
    write_text(folder / PAGE, render("index.html", suites=table, agreements=agreements))
    return folder / PAGE


def rank_agreement(suites: Mapping[Path, Sequence[DatasetTables]]) -> Table:
    """Return Kendall's tau of the methods of each kind of network, for suites without common images."""
    boards = {
        folder.name if len(datasets) == 1 else f"{folder.name} ({data.leaderboard.title})": data.leaderboard
        for folder, datasets in suites.items()
        for data in datasets
    }
    networks = {name: _methods(board) for name, board in boards.items()}
    sources = {name: _sources(board) for name, board in boards.items()}
    rows = [
        (one, other, name, *cells)
        for one, other in itertools.combinations(boards, 2)
        if sources[one].isdisjoint(sources[other])
        for name in networks[one]
        if name in networks[other] and (cells := _agreement(networks[one][name], networks[other][name]))
    ]
    return Table("Rank agreement between suites", AGREEMENT_ABOUT, AGREEMENT_HEADER, tuple(rows))


def _sources(board: Leaderboard) -> set[str]:
    """Return the data sets of a leaderboard and their tables: suites with one in common share images."""
    return {name for record in board.records for name in (record.cell.dataset, *record.data.get("tables", ()))}


def _agreement(one: Mapping[str, RowSamples], other: Mapping[str, RowSamples]) -> tuple[str, ...]:
    """Return the number of common methods, tau with its interval, and p; empty below ``MIN_RANKED_METHODS``."""
    if len(one.keys() & other.keys()) < MIN_RANKED_METHODS or (a := agreement(one, other)).rows < MIN_RANKED_METHODS:
        return ()
    p = "< 0.001" if a.p < 0.001 else f"{a.p:.3f}"
    return str(a.rows), f"{a.tau:.2f} [{a.low:.2f}, {a.high:.2f}]".replace("-", "−"), p


def _methods(board: Leaderboard) -> dict[str, dict[str, RowSamples]]:
    """Return network -> method -> its scores; of several recipes of a network, those with most training runs."""
    rows = [row for row in board.methods if row.runs[0].source == "run"]
    recipes = sorted(by_network(sorted(rows, key=lambda row: row.name)).values(), key=_most)
    out: dict[str, dict[str, RowSamples]] = {}
    for recipe in recipes:
        scores = {row.name: row.by_patient for row in recipe if len(row.runs) == _most(recipe) and row.by_patient}
        out[recipe[0].network] = scores
    return dict(sorted(out.items()))


def _most(rows: Sequence[Row]) -> int:
    return max(len(row.runs) for row in rows)


def _suite(folder: Path, datasets: Sequence[DatasetTables]) -> tuple[str, ...]:
    """Return name, question and answer of a suite."""
    lines = [_short_answer(of.leaderboard) if of.leaderboard.methods else _first_sentence(of) for of in datasets]
    records = [record for data in datasets for record in data.leaderboard.records]
    gaps = "" if any(record.status == "ok" for record in records if record.source == "run") else "nothing was run here"
    return folder.name, _title(folder / "leaderboard.md"), "; ".join(filter(None, lines)) or gaps or "see its page"


def _first_sentence(data: DatasetTables) -> str:
    """Return the first sentence of the answer of a check or of papers, without brackets."""
    of_checks, board = (sentence for report in data.reports for sentence in report.sentences()), data.leaderboard
    text = next(itertools.chain(of_checks, literature.answer(board)), "").replace("**", "")
    plain = re.sub(r" \([^)]*\)", "", text)
    return plain.partition(". ")[0].removesuffix(".")


def _short_answer(board: Leaderboard) -> str:
    first = main_table.best(board)
    if first is None:
        return ""
    above = ", not shown to be above both" if first.above_baselines is False else ""
    blind = ", ".join(f"`{row.name}` {short(row.main.value)}" for row in board.blind(first))
    beside = f" ({blind}{above})" if blind else ""
    network = main_table.network_cell(first)
    return f"`{first.name}` on {network}: {of_interval(first.main)}{beside}"


def _title(file: Path) -> str:
    """Return a suite's title: the first heading of its page."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return lines[0].removeprefix("# ") if lines else NOTHING


@ONE_BLAS_THREAD
def write(
    folder: Path | str,
    description: Description | None = None,
    records: Sequence[Record] | None = None,
    folders: CaseFolders | None = None,
    linked_from: Path | None = None,
) -> list[DatasetTables]:
    """Write all files generated from a folder's records.

    These are ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``, and charts of published results as SVG.
    Returns the tables of each data set. Nothing is written on an error.

    Args:
        folder: folder of the suite.
        description: texts on the pages; by default only a title, the name of the folder.
        records: records of the folder, if already loaded.
        folders: folders with the rows per case; by default only ``folder``.
        linked_from: final folder of ``leaderboard.md``, for its links to the documentation; default ``folder``.

    Raises:
        DataError: for an invalid record.
    """
    folder = Path(folder)
    description = description or Description(folder.name)
    linked_from = linked_from or folder
    folders = folders or CaseFolders(folder)
    all_records = load(folder) if records is None else ordered(records)  # the output does not depend on the caller
    is_primary = None if description.primary is None else description.primary.has
    boards = leaderboards(all_records, folders, description.rank_methods, description.listed, is_primary)
    datasets = [DatasetTables(board, description.checks) for board in boards]
    if datasets:
        lines = tuple(primary.sentences(description.primary, boards))
        of_suite = primary.table(description.primary, boards)
        datasets[0] = replace(datasets[0], primary=of_suite, primary_lines=lines)
    write_text(folder / "leaderboard.csv", main_table.leaderboard_csv(boards))
    shown = [table for data in datasets for table in (*data.main, *data.of_checks, *data.on_demand)]
    in_latex = (latex(table, f"tab:{folder.name}-{anchor(table.title)}") for table in shown)
    write_text(folder / "leaderboard.tex", "\n".join(in_latex))
    for chart in filter(None, (literature.chart(data.leaderboard) for data in datasets)):
        write_text(folder / literature.FILE, chart.svg)
    for report in (report for data in datasets for report in data.reports if report.writes_chart):
        if (drawn := report.chart()) is not None:
            write_text(folder / f"{report.dataset}.svg", drawn.svg)
    write_text(folder / "leaderboard.md", page.leaderboard_md(all_records, description, datasets, linked_from))
    text = suite_page(folder, linked_from, description, all_records, datasets)
    write_text(folder / PAGE, link_documents(text, page.path_to_checkout(linked_from)))
    return datasets


def headline(datasets: Sequence[DatasetTables]) -> str:
    """Return the answer of a suite for a terminal, with the reasons for missing cells."""
    lines = [line.replace("**", "").replace("`", "") for data in datasets for line in page.answers(data)]
    return "\n".join([*lines, *page.cells_without_score([r for data in datasets for r in data.leaderboard.records])])


def terminal(datasets: Sequence[DatasetTables]) -> str:
    """Return the short tables of the data sets with methods, for a terminal below ``headline``; empty without one."""
    boards = (data.leaderboard for data in datasets if data.leaderboard.methods)
    return "\n".join(as_text(main_table.terminal(board)) for board in boards)
