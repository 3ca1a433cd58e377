"""Generate the files of ``results/`` from records; the same records give the same bytes.

``suite_page``  ``index.html`` of a suite: one file with the answer, a chart, pictures and all tables
``write``     the files of one suite: ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``
``index``     the overview of all suites, ``results/index.html`` and ``README.md``, and the pages of rank agreement
``headline``, ``terminal``  the answer and a table of at most eight rows for a terminal

The contents come from ``page``, ``main_table`` and ``charts``, and from the reports in ``Description.reports``.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.lines import Line2D

from locus.benchmark.records import Record, load, ordered
from locus.benchmark.report import (
    NOTES,
    added,
    main_table,
    networks_overview,
    page,
    primary,
)
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.charts import GREY, PALETTE, Chart, lines
from locus.benchmark.report.formats import NOTHING, number, p_value
from locus.benchmark.report.grouping import IOU, Row, by_network
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import DatasetTables, Description, Place
from locus.benchmark.report.section import first_sentence
from locus.benchmark.report.table import Table, anchor, as_text, latex, link_documents, render
from locus.core.files import write_text
from locus.core.names import FIXED_BOX, MAIN, PRIOR, UPPER_BOUND
from locus.core.scores import Estimate
from locus.flags.cli import CONFIGS
from locus.scoring.statistics.mrmc import RowSamples
from locus.scoring.statistics.rank_reversals import MIN_RANKED_METHODS, agreement
from locus.scoring.statistics.resample import ONE_BLAS_THREAD

PAGE = "index.html"
GALLERY = "gallery.html"
"""File beside the page: all methods on some cases."""
EXAMPLES = "examples.svg"
"""File beside the page: a hit and a miss of the best method."""
MAX_COLOURED = 5
"""Number of methods of the chart with a colour of their own."""
HEADER = ("suite", "question", "answer")
RADIOGRAPHS = "Radiographs"
GROUPS = {
    "drawn into radiographs": "Findings drawn into radiographs",
    "drawn by code": "Images drawn by code",
}
"""Source of the images -> heading of its suites in the overview; all other suites have radiographs and come first."""
AGREEMENT_PAGE = "rank_agreement.html"
AGREEMENT_TEXT = "rank_agreement.md"
"""Files beside the overview."""
AGREEMENT_ABOUT = NOTES["rank_agreement"].format(main=MAIN, min_ranked_methods=MIN_RANKED_METHODS)
AGREEMENT_HEADER = ("suite", "other suite", "network", "methods", "τ [95%]", "p")


def suite_page(
    folder: Path,
    linked_from: Path,
    description: Description,
    records: Sequence[Record],
    datasets: Sequence[DatasetTables],
) -> str:
    """Render the page of a suite; the same records and files in ``folder`` give the same bytes.

    Args:
        folder: folder of the page, with pictures.
        linked_from: final folder of the page, for the commands that it shows.
        description: texts about the suite.
        records: the records of the suite.
        datasets: the tables of its data sets.
    """
    homes = (folder, description.maps_of or folder)
    drawn_in = next((home for home in homes if (home / EXAMPLES).is_file()), folder)
    gallery = _link(drawn_in / GALLERY, folder)
    examples = _link(drawn_in / EXAMPLES, folder)
    gallery_command = _gallery_command(drawn_in.name, linked_from, description, datasets)
    return render(
        "suite.html",
        name=folder.name,
        page=description,
        datasets=list(map(_page_context, datasets)),
        drawn_in=drawn_in.name,
        gallery=gallery,
        examples=examples,
        gallery_command=gallery_command,
        missing=page.cells_without_score(records),
        command=description.command,
    )


def _gallery_command(
    suite_name: str, linked_from: Path, description: Description, datasets: Sequence[DatasetTables]
) -> str:
    """Return the command that draws the gallery; empty if a reader cannot run it or if it would draw nothing."""
    has_methods = any(data.leaderboard.methods for data in datasets)
    if not description.can_be_run or not (has_methods or description.maps_of):
        return ""
    flags = f"{results_flag(linked_from)}{description.gallery_flags}"
    return f"python -m benchmark.gallery {suite_name}{flags}"


def _link(file: Path, folder: Path) -> str:
    """Return the address of a file on a page in ``folder``, which may be a neighbour; empty if there is no file."""
    prefix = f"../{file.parent.name}/" if file.parent != folder else ""
    return f"{prefix}{file.name}" if file.is_file() else ""


def results_flag(folder: Path) -> str:
    """Return the flag ``--results`` for a suite's folder; empty for the published one.

    >>> results_flag(Path("results/demo")), results_flag(Path("runs/results/demo"))
    ('', ' --results runs/results')
    """
    results = folder.parent
    checkout = CONFIGS.parent
    if checkout in results.resolve().parents:
        results = results.resolve().relative_to(checkout)
    return "" if results == Path("results") else f" --results {results.as_posix()}"


def _page_context(tables: DatasetTables) -> dict[str, Any]:
    """Return what the page shows of a data set: the ``first`` table, the ``rest``, and ``more`` in its details."""
    board = tables.leaderboard
    first = tables.at(Place.FIRST_ON_PAGE)
    page_tables = tables.at(Place.ON_PAGE)
    detail_tables = tables.at(Place.DETAILS_OF_PAGE)
    if not first and not page_tables:
        page_tables = detail_tables
        detail_tables = ()
    return {
        "name": board.title,
        "answer": tables.answers,
        "notes": page.notes(board),
        "charts": _charts(tables),
        "first": first[0] if first else None,
        "rest": page_tables,
        "more": detail_tables,
    }


def _charts(tables: DatasetTables) -> list[Chart]:
    """Return the charts of the first screen: hits over the IoU threshold or that of a check, and of papers."""
    board = tables.leaderboard
    of_sections = [section.chart() for section in tables.sections]
    first = [hits_chart(board)] if board.methods else of_sections
    charts = [*first, added.chart(board), tables.published.chart]
    return [chart for chart in charts if chart is not None]


def hits_chart(board: Leaderboard) -> Chart | None:
    """Draw hits over the IoU threshold for the methods of the best row's network; None without a method."""
    methods = main_table.best_network(board)
    if not methods:
        return None
    network = methods[0].network
    about = f"{board.dataset}, {network}: share of cases whose box has more than this IoU."
    if len(methods) > MAX_COLOURED:
        about += f" Grey: the other {len(methods) - MAX_COLOURED} methods."
    return lines(
        hit_curves(board, methods),
        about,
        height=3.4,
        xlabel="a hit has more than this IoU",
        ylabel="share of cases hit",
        xlim=(0.1, 0.7),
        ylim=(0, 1),
    )


def hit_curves(board: Leaderboard, methods: Sequence[Row]) -> list[Line2D]:
    """Return a line per method: the best ``MAX_COLOURED`` in colour, others grey; baselines and ``truth`` dashed."""
    curves = [_hits(row, color=GREY, alpha=0.4, linewidth=1) for row in methods[MAX_COLOURED:]]
    for row, colour in zip(methods[:MAX_COLOURED], PALETTE, strict=False):
        curves.append(_hits(row, label=row.name, color=colour))
    for name, dashes in ((PRIOR, "--"), (FIXED_BOX, "-."), (UPPER_BOUND, ":")):
        baseline = board.baseline(name, methods[0])
        if baseline is not None:
            curves.append(_hits(baseline, label=name, color="black", linestyle=dashes))
    return curves


def _hits(row: Row, **look: Any) -> Line2D:
    """Return the line of a row over the IoU thresholds that it has."""
    columns = [name for name in IOU if name in row.scores]
    levels = [(IOU.index(name) + 1) / 10 for name in columns]
    shares = np.array([row.scores[name].value for name in columns], dtype=np.float64)
    return Line2D(levels, shares, **{"linewidth": 2, **look})


@ONE_BLAS_THREAD
def index(folder: Path | str, suites: Mapping[Path, Sequence[DatasetTables]]) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; return the path of ``index.html``.

    If suites can be compared, the two pages of rank agreement are written, too. ``suites``: folder of each suite
    -> its tables.
    """
    folder = Path(folder)
    suites = dict(sorted(suites.items()))
    groups = _suites_by_images(suites)
    agreements = rank_agreement(suites)
    has_agreements = bool(agreements.rows)
    linked = [replace(group, rows=tuple(map(_with_link, group.rows))) for group in groups]
    measured = networks_overview.networks(suites)
    if measured is not None:
        linked.append(measured)
    texts = {
        "README.md": render(
            "index.md",
            title="Results",
            about=NOTES["suites"],
            tables=linked,
            agreements=AGREEMENT_TEXT if has_agreements else "",
        ),
        PAGE: render(
            "index.html",
            about=NOTES["suites"],
            groups=groups,
            agreements=AGREEMENT_PAGE if has_agreements else "",
        ),
    }
    if has_agreements:
        texts[AGREEMENT_TEXT] = render(
            "index.md", title=agreements.title, about="", tables=[agreements], agreements=""
        )
        texts[AGREEMENT_PAGE] = render("rank_agreement.html", agreements=agreements, overview=PAGE)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / PAGE


def _suites_by_images(suites: Mapping[Path, Sequence[DatasetTables]]) -> list[Table]:
    """Return a table of suites per kind of images, radiographs first; a line per data set with an answer."""
    rows_by_heading: dict[str, list[tuple[str, ...]]] = {
        heading: [] for heading in (RADIOGRAPHS, *GROUPS.values())
    }
    for folder, datasets in suites.items():
        records = [record for data in datasets for record in data.leaderboard.records]
        image_kinds = [str(record.data.get("source")) for record in records]
        heading = next((GROUPS[kind] for kind in image_kinds if kind in GROUPS), RADIOGRAPHS)
        rows_by_heading[heading] += _overview_rows(folder, datasets)
    return [
        Table(heading, "", HEADER, tuple(rows)) for heading, rows in rows_by_heading.items() if rows
    ]


def _with_link(row: tuple[str, ...]) -> tuple[str, ...]:
    """Return a line of the overview whose first cell links to the page of the suite, in Markdown."""
    suite_name, *other_cells = row
    return (
        Markup(f"[{suite_name}]({suite_name}/leaderboard.md)") if suite_name else "",
        *other_cells,
    )


def rank_agreement(suites: Mapping[Path, Sequence[DatasetTables]]) -> Table:
    """Return Kendall's tau of the methods of each kind of network, for suites without common images."""
    boards: dict[str, Leaderboard] = {}
    for folder, datasets in suites.items():
        for data in datasets:
            board = data.leaderboard
            name = folder.name if len(datasets) == 1 else f"{folder.name} ({board.title})"
            boards[name] = board
    networks = {name: _samples_by_network(board) for name, board in boards.items()}
    sources = {name: _sources(board) for name, board in boards.items()}
    rows: list[tuple[str, ...]] = []
    for left, right in itertools.combinations(boards, 2):
        if not sources[left].isdisjoint(sources[right]):
            continue
        for network, methods in networks[left].items():
            if network in networks[right]:
                cells = _agreement(methods, networks[right][network])
                if cells:
                    rows.append((left, right, network, *cells))
    return Table("Rank agreement between suites", AGREEMENT_ABOUT, AGREEMENT_HEADER, tuple(rows))


def _sources(board: Leaderboard) -> set[str]:
    """Return the data sets of a leaderboard and their tables: suites with one in common share images."""
    sources: set[str] = set()
    for record in board.records:
        sources.add(record.cell.dataset)
        sources.update(record.data.get("tables", ()))
    return sources


def _agreement(left: Mapping[str, RowSamples], right: Mapping[str, RowSamples]) -> tuple[str, ...]:
    """Return the number of common methods, tau with its interval, and p; empty below ``MIN_RANKED_METHODS``."""
    if len(left.keys() & right.keys()) < MIN_RANKED_METHODS:
        return ()
    ranks = agreement(left, right)
    if ranks.rows < MIN_RANKED_METHODS:
        return ()
    tau = number(Estimate(ranks.tau, ranks.low, ranks.high), digits=2, leading_zero=True)
    return str(ranks.rows), tau.replace("-", "−"), p_value(ranks.p, leading_zero=True)


def _samples_by_network(board: Leaderboard) -> dict[str, dict[str, RowSamples]]:
    """Return network -> method -> its scores; of several recipes of a network, those with most training runs."""
    rows = [row for row in board.methods if row.runs[0].source == "run"]
    rows.sort(key=lambda row: row.name)
    networks: dict[str, dict[str, RowSamples]] = {}
    for recipe_rows in sorted(by_network(rows).values(), key=_max_runs):
        most_runs = _max_runs(recipe_rows)
        networks[recipe_rows[0].network] = {
            row.name: row.by_patient
            for row in recipe_rows
            if row.by_patient is not None and len(row.runs) == most_runs
        }
    return dict(sorted(networks.items()))


def _max_runs(rows: Sequence[Row]) -> int:
    """Return the largest number of training runs of a row."""
    return max(len(row.runs) for row in rows)


def _overview_rows(folder: Path, datasets: Sequence[DatasetTables]) -> list[tuple[str, ...]]:
    """Return a line per answer of a data set; the first one names the suite and its question."""
    answers = [_short_answer(data) for data in datasets]
    first_answer, *other_answers = [text for text in answers if text] or [_without_answer(datasets)]
    title = _title(folder / "leaderboard.md")
    return [(folder.name, title, first_answer), *(("", "", text) for text in other_answers)]


def _without_answer(datasets: Sequence[DatasetTables]) -> str:
    """Say why a suite has no answer."""
    records = [record for data in datasets for record in data.leaderboard.records]
    was_run = any(record.status == "ok" for record in records if record.source == "run")
    return "see its page" if was_run else "nothing was run here"


def _short_answer(data: DatasetTables) -> str:
    """Return the answer of a data set in about ten words; empty without one."""
    first = main_table.best(data.leaderboard)
    if first is not None:
        answer = _best_in_short(first)
        if first.cell.fitted_on is not None:
            return f"thresholds of `{first.cell.fitted_on}`: {answer}"
        return answer
    if data.sections:
        return data.sections[0].in_short()
    return first_sentence(next(iter(data.published.answer()), ""))


def _best_in_short(row: Row) -> str:
    """Return a method with its share of hits, and its difference from the floor with the verdict."""
    texts = [f"`{row.name}` {number(row.main.value)}"]
    if row.over_floor is not None:
        texts.append(main_table.over_floor(row))
        verdict = main_table.floor_verdict(row)
        if verdict != NOTHING:
            texts.append(verdict)
    return ", ".join(texts)


def _title(file: Path) -> str:
    """Return a suite's title: the first heading of its page."""
    page_lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return page_lines[0].removeprefix("# ") if page_lines else NOTHING


@ONE_BLAS_THREAD
def write(
    folder: Path | str,
    description: Description | None = None,
    records: Sequence[Record] | None = None,
    folders: CaseFolders | None = None,
    linked_from: Path | None = None,
) -> list[DatasetTables]:
    """Write all files generated from a folder's records.

    These are ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``, and as SVG the charts of published results and
    of the sections that write theirs.
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
    # The output does not depend on the order of the caller's records.
    all_records = load(folder) if records is None else ordered(records)
    datasets = tables_of_datasets(all_records, folders or CaseFolders(folder), description)
    markdown_page = page.leaderboard_md(all_records, description, datasets, linked_from)
    html_page = suite_page(
        folder,
        linked_from=linked_from,
        description=description,
        records=all_records,
        datasets=datasets,
    )
    texts = {
        "leaderboard.csv": main_table.leaderboard_csv(
            [data.leaderboard for data in datasets], description.reports.published
        ),
        "leaderboard.tex": _all_in_latex(folder.name, datasets),
        **_chart_files(datasets),
        "leaderboard.md": markdown_page,
        PAGE: link_documents(html_page, page.path_to_checkout(linked_from)),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return datasets


def tables_of_datasets(
    records: Sequence[Record], folders: CaseFolders, description: Description
) -> list[DatasetTables]:
    """Return the tables of each data set; those of the first one have the primary comparison of the suite."""
    primary_test = None if description.primary is None else description.primary.is_tested_first
    boards = leaderboards(
        records,
        folders=folders,
        rank_methods=description.rank_methods,
        listed=description.listed,
        is_primary=primary_test,
    )
    datasets = [DatasetTables(board, description.reports) for board in boards]
    if datasets:
        datasets[0] = replace(
            datasets[0],
            primary=primary.table(description.primary, boards),
            primary_lines=tuple(primary.sentences(description.primary, boards)),
        )
    return datasets


def _all_in_latex(suite_name: str, datasets: Sequence[DatasetTables]) -> str:
    """Return the text of ``leaderboard.tex``."""
    texts = []
    for data in datasets:
        for table in data.at(Place.LATEX):
            texts.append(latex(table, f"tab:{suite_name}-{anchor(table.title)}"))
    return "\n".join(texts)


def _chart_files(datasets: Sequence[DatasetTables]) -> dict[str, str]:
    """Return file name -> chart as SVG: published results, and the sections that write their chart."""
    files: dict[str, str] = {}
    for data in datasets:
        chart = data.published.chart
        if chart is not None:
            files[data.published.chart_file] = chart.svg
        for section in data.sections:
            chart = section.chart() if section.writes_chart else None
            if chart is not None:
                files[f"{section.dataset}.svg"] = chart.svg
    return files


def headline(datasets: Sequence[DatasetTables]) -> str:
    """Return the answer of a suite for a terminal, with the reasons for missing cells."""
    answers = [answer for data in datasets for answer in data.answers]
    plain_answers = [answer.replace("**", "").replace("`", "") for answer in answers]
    records = [record for data in datasets for record in data.leaderboard.records]
    return "\n".join([*plain_answers, *page.cells_without_score(records)])


def terminal(datasets: Sequence[DatasetTables]) -> str:
    """Return the short tables of the data sets with methods, for a terminal below ``headline``; empty without one."""
    boards = (data.leaderboard for data in datasets if data.leaderboard.methods)
    return "\n".join(as_text(main_table.terminal(board)) for board in boards)
