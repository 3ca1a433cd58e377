"""Generate the files of ``results/`` from records; the same records give the same bytes.

``write``     the files of one suite: ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``
``index``     the overview of all suites, ``results/index.html`` and ``README.md``, with the agreement of their rankings
``headline``  the answer for a terminal

The contents come from ``page``, ``html``, ``main_table`` and ``all_tables``.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from locus.benchmark.records import Record, load, ordered
from locus.benchmark.report import literature, main_table
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.grouping import Row, by_network
from locus.benchmark.report.html import PAGE, anchor, link_documents, render, suite_page, view
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import (
    GENERATED,
    DatasetTables,
    Description,
    answers,
    cells_without_score,
    page,
    path_to_checkout,
)
from locus.benchmark.report.table import NOTHING, Table, latex, markdown, number, of_interval, short
from locus.benchmark.scoring.statistics.mrmc import RowSamples
from locus.benchmark.scoring.statistics.rank_reversals import agreement
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.core.files import write_text
from locus.core.names import MAIN

HEADER = ("suite", "question", "answer")
ABOUT = (
    "A suite is one experiment. Where methods are compared, the answer is the best method with its share of boxes hit "
    "at IoU > .3. In brackets: AUROC of its network, and the scores of `prior` and `fixed_box`, which see no image. "
    "The page of a suite says how sure that is."
)
MIN_RANKED_METHODS = 5
"""Smallest number of methods for a rank correlation: with fewer, even the same order has p above .05."""
AGREEMENT_ABOUT = (
    "Do two suites without a common image or network rank methods alike? τ is Kendall's tau-b of the methods that both "
    f"scored on the same kind of network, by `{MAIN}`: 1 is the same order, −1 the reverse. Its 95% interval covers "
    "patients and, if there are several, training runs. p: exact and two-sided, for unrelated rankings. Methods with "
    "equal maps count once; those with fewer training runs than others of the network are left out. "
    f"Fewer than {MIN_RANKED_METHODS} methods are not compared."
)
AGREEMENT_HEADER = ("suite", "other suite", "network", "methods", "τ [95%]", "p")


@ONE_BLAS_THREAD
def index(folder: Path | str, suites: Mapping[Path, Sequence[DatasetTables]]) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; return the path of ``index.html``.

    ``suites``: folder of each suite -> its tables.
    """
    folder, suites = Path(folder), dict(sorted(suites.items()))
    rows = tuple(_suite(*suite) for suite in suites.items())
    table, agreements = Table("Suites", ABOUT, HEADER, rows), rank_agreement(suites)
    linked = replace(table, rows=tuple((f"[{name}]({name}/leaderboard.md)", *rest) for name, *rest in rows))
    texts = [markdown(part).strip() for part in (linked, agreements) if part.rows]
    write_text(folder / "README.md", "\n\n".join(["# Results", GENERATED, *texts]) + "\n")
    below = view(agreements) if agreements.rows else None
    write_text(folder / PAGE, render("index.html", suites=table, agreements=below))
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
    p = "< 0.001" if a.p < 0.001 else number(a.p)
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


def _title(page: Path) -> str:
    """Return a suite's title: the first heading of its page."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
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
    boards = leaderboards(all_records, folders, description.rank_methods, description.listed)
    datasets = [DatasetTables(board, description.checks) for board in boards]
    write_text(folder / "leaderboard.csv", main_table.leaderboard_csv(boards))
    shown = [table for data in datasets for table in (*data.main, *data.of_checks)]
    in_latex = (latex(table, f"tab:{folder.name}-{anchor(table.title)}") for table in shown)
    write_text(folder / "leaderboard.tex", "\n".join(in_latex))
    for chart in filter(None, (literature.chart(data.leaderboard) for data in datasets)):
        write_text(folder / literature.FILE, chart.svg)
    for report in (report for data in datasets for report in data.reports if report.writes_chart):
        if (drawn := report.chart()) is not None:
            write_text(folder / f"{report.dataset}.svg", drawn.svg)
    write_text(folder / "leaderboard.md", page(all_records, description, datasets, linked_from))
    html = suite_page(folder, linked_from, description, all_records, datasets)
    write_text(folder / PAGE, link_documents(html, path_to_checkout(linked_from)))
    return datasets


def headline(datasets: Sequence[DatasetTables]) -> str:
    """Return the answer of a suite for a terminal, with the reasons for missing cells."""
    lines = [line.replace("**", "").replace("`", "") for data in datasets for line in answers(data)]
    return "\n".join([*lines, *cells_without_score([r for data in datasets for r in data.leaderboard.records])])
