"""Generate the files of ``results/`` from records; the same records give the same bytes.

``write``  the files of one suite: ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``
``index``  the overview of all suites, ``results/index.html`` and ``README.md``, with the agreement of their rankings

The contents come from ``page``, ``html``, ``main_table`` and ``all_tables``. Charts as files are
saved by ``locus.benchmark.figures``.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from locus.benchmark.records import Record, Score, load, ordered
from locus.benchmark.report import entry, main_table, select
from locus.benchmark.report.all_tables import DatasetTables, tables_of
from locus.benchmark.report.entry import Entry, run_count
from locus.benchmark.report.html import PAGE, WORDS, anchor, link_documents, render, suite_page, view
from locus.benchmark.report.leaderboard import Leaderboard, leaderboards
from locus.benchmark.report.page import (
    COMMITTED_PAGES,
    GENERATED,
    Description,
    main_tables,
    missing,
    page,
    path_to_checkout,
    short_tables,
)
from locus.benchmark.report.table import NOTHING, Table, as_text, chance, chosen, latex, markdown, number
from locus.benchmark.scoring.statistics.agreement import agreement
from locus.benchmark.scoring.statistics.entries import EntryScores
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.core.errors import BadValueError, hint
from locus.core.files import write_text
from locus.core.names import CENTER, MAIN, PAIRED, PRIOR, UNRANKED_METHODS, UPPER_BOUND

HEADER = (
    *("suite", "title", "data", "network", "best method", MAIN, PRIOR, CENTER),
    *("cells", "cells n/a", "cells failed"),
)
FORMATS = ("md", "csv", "tex")
ABOUT = (
    "A suite is one experiment. `network` has the highest mean over a fixed list of methods (`rank_methods` of the "
    "suite). If no networks are compared, it is the first in the suite's table. Another network may have a row "
    "with a higher score, also one that is above `prior`. `custom` is the small CNN. `best method` is the one that "
    "scores highest on this network. The next columns show its score and the scores of two baselines. The HTML "
    "page of a suite lists the rows that may also be the best, and the numbers of images and training runs. Where "
    "the link `page` is missing, `python -m benchmark.run --suite NAME` writes the page. Other terms: "
    "[concepts](../docs/concepts.md#other-terms)."
)
NOT_INCLUDED = {"nih": "the 112,120 NIH images are not part of this repository"}
"""Suite whose data is not in the repository -> the reason why its cells are n/a."""
FEWEST = 5
"""Smallest number of methods for a rank correlation: with fewer, even the same order has p above .05."""
AGREEMENT_ABOUT = (
    "Do two suites rank methods alike? τ is Kendall's tau-b of the methods that both suites scored on the same "
    f"network, by `{MAIN}`, without baselines: 1 is the same order, −1 the reverse. Its 95% interval covers patients "
    "and, if there are several, training runs. p: exact and two-sided, for unrelated rankings. Methods with equal maps "
    f"count once; fewer than {FEWEST} methods are not compared. Each suite trains its networks with its own images, "
    "sizes and recipes. A high τ does not mean that the best method is the same."
)
AGREEMENT_HEADER = ("suite", "other suite", "network", "methods", "τ [95%]", "p")


@ONE_BLAS_THREAD
def index(folder: Path | str, boards: Mapping[Path, Sequence[Leaderboard]]) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; return the path of ``index.html``.

    ``boards``: folder of each suite -> its leaderboards.
    """
    folder, suites = Path(folder), dict(sorted(boards.items()))
    rows = tuple(_suite(*suite) for suite in suites.items())
    linked = tuple((*row, _files(row[0])) for row in rows)
    table = Table("Suites", ABOUT, (*HEADER, "files"), linked, footnote=" ".join(_without_data(suites)))
    agreements = rank_agreement(suites)
    texts = [markdown(part).strip() for part in (table, agreements) if part.rows]
    write_text(folder / "README.md", "\n\n".join(["# Results", GENERATED, *texts]) + "\n")
    overview, below = view(Table("Suites", "", HEADER, rows), {}), view(agreements, {})
    write_text(
        folder / PAGE, render("index.html", suites=overview, agreements=below, committed=COMMITTED_PAGES, words=WORDS)
    )
    return folder / PAGE


def rank_agreement(suites: Mapping[Path, Sequence[Leaderboard]]) -> Table:
    """Return Kendall's tau of the methods of each network that two suites share."""
    networks = {
        folder.name if len(boards) == 1 else f"{folder.name} ({board.dataset})": _methods(board)
        for folder, boards in suites.items()
        for board in boards
    }
    rows = [
        (one, other, name, *cells)
        for (one, first), (other, second) in itertools.combinations(networks.items(), 2)
        for name in first
        if name in second and (cells := _agreement(first[name], second[name]))
    ]
    return Table("Rank agreement between suites", AGREEMENT_ABOUT, AGREEMENT_HEADER, tuple(rows))


def _agreement(one: Mapping[str, EntryScores], other: Mapping[str, EntryScores]) -> tuple[str, ...]:
    """Return the number of common methods, tau with its interval, and p; empty for fewer than ``FEWEST`` methods."""
    if len(one.keys() & other.keys()) < FEWEST or (a := agreement(one, other)).rows < FEWEST:
        return ()
    p = chance(Score(finding="mean", metric="p", value=a.p))
    return str(a.rows), f"{a.tau:.2f} [{a.low:.2f}, {a.high:.2f}]", p


def _methods(board: Leaderboard) -> dict[str, dict[str, EntryScores]]:
    """Return network -> method -> its scores; of several recipes of a network, those with most training runs."""
    rows = [row for row in board.entries if select.is_method(row) and row.source == "run"]
    recipes = select.grouped(sorted(rows, key=lambda row: row.method), select.network_key).values()
    out: dict[str, dict[str, EntryScores]] = {}
    for recipe in sorted(recipes, key=_most):
        scores = {row.method: row.by_patient for row in recipe if len(row.runs) == _most(recipe) and row.by_patient}
        out[select.network(recipe[0])] = scores
    return dict(sorted(out.items()))


def _most(rows: Sequence[Entry]) -> int:
    return max(len(row.runs) for row in rows)


def _without_data(suites: Mapping[Path, Sequence[Leaderboard]]) -> list[str]:
    """A sentence on each suite whose cells are all n/a because its data is not in the repository."""
    return [
        f"{folder.name}: nothing was run, because {NOT_INCLUDED[folder.name]}."
        for folder, boards in suites.items()
        if folder.name in NOT_INCLUDED and boards and all(record.status == "n/a" for record in _runs(boards))
    ]


def _files(suite: str) -> str:
    files = ", ".join(f"[{kind}]({suite}/leaderboard.{kind})" for kind in FORMATS)
    page = f"[page]({suite}/{PAGE}), " * (suite in COMMITTED_PAGES)
    return f"{page}{files}, [records]({suite}/records.parquet)"


def _runs(boards: Sequence[Leaderboard]) -> list[Record]:
    """Return the suite's own records."""
    return [r for board in boards[:1] for r in board.records if r.source == "run" and r.cell.protocol != PAIRED]


def _suite(folder: Path, boards: Sequence[Leaderboard]) -> tuple[str, ...]:
    runs = _runs(boards)
    gaps = (str(sum(r.status == status for r in runs)) for status in ("n/a", "failed"))
    names = (folder.name, _title(folder / "leaderboard.md"), ", ".join(select.datasets(runs)))
    return (*names, *_first([row for board in boards for row in board.entries]), str(len(runs)), *gaps)


def _first(rows: Sequence[Entry]) -> tuple[str, ...]:
    """Return network, method, score and the scores of two baselines, from the first method of a suite."""
    scored = (row for row in rows if row.method not in UNRANKED_METHODS and select.main_value(row) is not None)
    first = next(scored, None)
    if first is None:
        return (NOTHING,) * 5
    mine = [row for row in rows if _network(row) == _network(first)]
    beside = {row.method: select.main_value(row) for row in mine}
    scores = (select.main_value(first), beside.get(PRIOR), beside.get(CENTER))
    return (_which_network(first, rows), _which_method(first, mine), *map(number, scores))


def _network(row: Record) -> tuple[object, ...]:
    cell = row.cell
    return cell.dataset, cell.backbone, cell.global_pool, cell.attention_map, cell.img_size


def _which_network(first: Entry, rows: Sequence[Entry]) -> str:
    """The network's name, and how many other networks of the same grid may be as good."""
    bounds = {_network(row): select.main_value(row) for row in rows if row.method == UPPER_BOUND}
    by_network = {_network(row): row for row in rows if row.method == first.method}
    verdicts = {network: row.find("network_may_be_best") for network, row in by_network.items()}
    equal = [n for n, v in verdicts.items() if v and v.value and _grid(n, bounds) == _grid(_network(first), bounds)]
    words = f"{first.cell.backbone.split(':')[0]} {first.cell.global_pool}"  # without the options of the backbone
    if first.find("network_may_be_best") is None:
        return f"{words} (not compared)" if len(verdicts) > 1 else words
    return f"{words} ({len(equal) - 1} more may be the best)" if len(equal) > 1 else words


def _grid(network: tuple[object, ...], bounds: Mapping[tuple[object, ...], float | None]) -> tuple[object, ...]:
    """Return a network's grid as in ``comparisons.networks``: the score of ``truth``, else backbone and size."""
    return (bounds[network],) if bounds.get(network) is not None else (network[1], network[-1])


def _which_method(first: Entry, mine: Sequence[Entry]) -> str:
    """The method, with how many others may be as good, whether it is above ``prior``, and whether it has one run."""
    equal = sum(row.method != first.method and entry.may_be_best(row) for row in mine)
    notes = [
        entry.against_prior(first),
        f"{equal} more may be the best" if equal > 0 else "",
        "1 run" if run_count(first) == 1 else "",
    ]
    remarks = "; ".join(filter(None, notes))
    return f"{first.method} ({remarks})" if remarks else first.method


def _title(page: Path) -> str:
    """Return a suite's title: the first heading of its page."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    return lines[0].removeprefix("# ") if lines else NOTHING


GALLERY = "gallery.html"


@ONE_BLAS_THREAD
def write(
    folder: Path | str,
    description: Description | None = None,
    records: Sequence[Record] | None = None,
    columns: Sequence[str] = (),
    published: Path | None = None,
    linked_from: Path | None = None,
) -> list[DatasetTables]:
    """Write all files generated from a folder's records, and remove outdated ones.

    These are ``index.html``, ``leaderboard.md``, ``.csv`` and ``.tex``.
    Returns the tables of each data set. Nothing is written on an error.

    Args:
        folder: folder of the suite.
        description: texts on the pages; by default only a title, the name of the folder.
        records: records of the folder, if already loaded.
        columns: columns of ``leaderboard.tex``.
        published: folder with the published per-case rows, if the records include published ones.
        linked_from: final folder of ``leaderboard.md``, for its links to the documentation; default ``folder``.

    Raises:
        DataError: for an invalid record.
        BadValueError: for a column that no table has.
    """
    folder = Path(folder)
    description = description or Description(folder.name)
    linked_from = linked_from or folder
    folders = [folder, *([] if published is None else [published])]
    all_records = load(folder) if records is None else ordered(records)  # the output does not depend on the caller
    boards = leaderboards(all_records, folders, description.rank_methods)
    datasets = [tables_of(board) for board in boards]
    latex_text = _latex(folder.name, datasets, columns)
    write_text(folder / "leaderboard.csv", main_table.leaderboard_csv(boards))
    write_text(folder / "leaderboard.tex", latex_text)
    text = page(all_records, description, datasets, folder.name, linked_from)
    write_text(folder / "leaderboard.md", text)
    html = suite_page(folder.name, description, (folder / GALLERY).is_file(), all_records, datasets)
    write_text(folder / PAGE, link_documents(html, path_to_checkout(linked_from)))
    return datasets


def headline(datasets: Sequence[DatasetTables]) -> str:
    """Return the main tables of a suite for a terminal, with the reasons for missing cells."""
    tables = [table for data in datasets for table in data.checks[:1]]
    tables += [chosen(t, main_table.SHORT) for data in datasets for t in main_tables(data, main_table.SHORT)]
    tables += [missing(data.leaderboard.records) for data in datasets[:1]]
    return "\n".join(as_text(table) for table in tables if table.rows)


def _latex(suite: str, datasets: Sequence[DatasetTables], columns: Sequence[str]) -> str:
    """Return the selected tables as LaTeX; raise if no table has a column of ``columns``."""
    tables = [t for data in datasets for t in (*data.checks, *data.networks, *data.methods, *data.effects)]
    headings = {heading.removesuffix(" [95%]") for table in tables for heading in table.header}
    if unknown := [name for name in columns if name not in headings and tables]:
        raise BadValueError(
            f"--columns: unknown column {unknown[0]!r}: {hint(unknown[0], headings)}the columns of {suite} are "
            f"{', '.join(sorted(headings))}"
        )
    selected = (
        [chosen(table, columns) for table in tables]
        if columns
        else [table for data in datasets for table in (*data.checks, *short_tables(data))]
    )
    labels = (f"tab:{suite}-{anchor(table.title)}" for table in selected)
    return "\n".join(latex(table, label) for table, label in zip(selected, labels, strict=True))
