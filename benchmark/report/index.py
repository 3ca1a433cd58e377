"""Overview of all suites (``results/index.html`` and ``README.md``), and ``transfer.md``."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from benchmark import records
from benchmark.records import Record
from benchmark.report import select
from benchmark.report.entries import ranking
from benchmark.report.html.glossary import WORDS
from benchmark.report.html.render import render
from benchmark.report.html.suite import PAGE, view
from benchmark.report.page import COMMITTED_PAGES, GENERATED
from benchmark.report.table import NOTHING, Table, markdown, number
from benchmark.report.transfer.page import write as write_transfer
from benchmark.scoring.statistics.bootstrap import ONE_BLAS_THREAD
from core.files import write_text
from core.names import CENTER, MAIN, PAIRED, PRIOR, UNRANKED_METHODS, UPPER_BOUND

HEADER = (
    *("suite", "title", "data", "network", "best method", MAIN, PRIOR, CENTER),
    *("cells", "cells n/a", "cells failed"),
)
NETWORK = ("backbone", "global_pool", "attention_map", "img_size")
FORMATS = ("md", "csv", "tex")
NOT_INCLUDED = {"nih": "the 112,120 NIH images are not part of this repository"}
"""Suite whose data is not in the repository -> the reason why its cells are n/a."""


@ONE_BLAS_THREAD
def index(folder: Path | str, loaded: Mapping[Path, Sequence[Record]] = MappingProxyType({})) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; return the path of ``index.html``.

    ``loaded``: folder of a suite -> its records, if they are already loaded. Also writes ``transfer.md`` if its suites
    have records. Raises ``DataError`` for an invalid record.
    """
    folder = Path(folder)
    suites = {suite: _runs(loaded.get(suite) or records.load_metric(suite, MAIN)) for suite in records.suites(folder)}
    rows = tuple(_suite(*suite) for suite in suites.items())
    about = (
        "A suite is one experiment. `network` has the highest mean over a fixed list of methods (`rank_methods` of the "
        "suite). If no networks are compared, it is the first in the suite's table. Another network may have a row "
        "with a higher score, also one that is above `prior`. `custom` is the small CNN. `best method` is the one that "
        "scores highest on this network. The next columns show its score and the scores of two baselines. The HTML "
        "page of a suite lists the rows that may also be the best, and the numbers of images and training runs. Where "
        "the link `page` is missing, `python -m benchmark.run --suite NAME` writes the page. Other terms: "
        "[concepts](../docs/concepts.md#other-terms)."
    )
    if page := write_transfer(folder, {suite.name: runs for suite, runs in suites.items()}):
        about += f" Do rankings on synthetic images hold on radiographs? See [{page.name}]({page.name})."
    linked = tuple((*row, _files(row[0])) for row in rows)
    table = Table("Suites", about, (*HEADER, "files"), linked, footnote=" ".join(_without_data(suites)))
    write_text(folder / "README.md", f"# Results\n\n{GENERATED}\n\n{markdown(table)}")
    suites_view, link = view(Table("Suites", "", HEADER, rows), {}), page.name if page else ""
    write_text(
        folder / PAGE, render("index.html", suites=suites_view, committed=COMMITTED_PAGES, words=WORDS, transfer=link)
    )
    return folder / PAGE


def _without_data(suites: Mapping[Path, Sequence[Record]]) -> list[str]:
    """A sentence on each suite whose cells are all n/a because its data is not in the repository."""
    return [
        f"{folder.name}: nothing was run, because {NOT_INCLUDED[folder.name]}."
        for folder, runs in suites.items()
        if folder.name in NOT_INCLUDED and runs and all(record.status == "n/a" for record in runs)
    ]


def _files(suite: str) -> str:
    files = ", ".join(f"[{kind}]({suite}/leaderboard.{kind})" for kind in FORMATS)
    page = f"[page]({suite}/{PAGE}), " * (suite in COMMITTED_PAGES)
    return f"{page}{files}, [records]({suite}/records.parquet)"


def _runs(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.source == "run" and r.cell.protocol != PAIRED]


def _suite(folder: Path, runs: Sequence[Record]) -> tuple[str, ...]:
    gaps = (str(sum(r.status == status for r in runs)) for status in ("n/a", "failed"))
    names = (folder.name, _title(folder / "leaderboard.md"), ", ".join(select.datasets(runs)))
    return (*names, *_first(folder / "leaderboard.csv"), str(len(runs)), *gaps)


def _first(file: Path) -> tuple[str, ...]:
    """Return network, method, score and the scores of two baselines, from the first row of ``leaderboard.csv``."""
    lines: list[dict[str, str]] = []
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as text:
            lines = [line for line in csv.DictReader(text) if "score" in line and not line["images"]]
    first = next((line for line in lines if line["method"] not in UNRANKED_METHODS and line["score"]), None)
    if first is None:
        return (NOTHING,) * 5
    mine = [line for line in lines if _network(line) == _network(first)]
    beside = ({line["method"]: line["score"] for line in mine}.get(word) for word in (PRIOR, CENTER))
    scores = (number(float(value) if value else None) for value in (first["score"], *beside))
    return (_which_network(first, lines), _which_method(first, mine), *scores)


def _network(line: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(line[name] for name in ("dataset", *NETWORK))


def _which_network(first: Mapping[str, str], lines: Sequence[Mapping[str, str]]) -> str:
    """The network's name, and how many other networks of the same grid may be as good."""
    names = {_network(line): line["network_may_be_best"] for line in lines if line["method"] == first["method"]}
    bounds = {_network(line): line["score"] for line in lines if line["method"] == UPPER_BOUND}
    grid = _grid(_network(first), bounds)
    equal = sum(verdict == "True" and _grid(network, bounds) == grid for network, verdict in names.items()) - 1
    words = f"{first['backbone'].split(':')[0]} {first['global_pool']}"  # without the options of the backbone
    if not first["network_may_be_best"]:
        return f"{words} (not compared)" if len(names) > 1 else words
    return f"{words} ({equal} more may be the best)" if equal else words


def _grid(network: tuple[str, ...], bounds: Mapping[tuple[str, ...], str]) -> tuple[str, ...]:
    """Return a network's grid as in ``entries.networks``: the score of ``truth``, else backbone and size."""
    return (bounds[network],) if bounds.get(network) else (network[1], network[-1])


def _which_method(first: Mapping[str, str], mine: Sequence[Mapping[str, str]]) -> str:
    """The method, with how many others may be as good, whether it is above ``prior``, and whether it has one run."""
    others = [line for line in mine if line["method"] != first["method"]]
    equal = sum(line["method_may_be_best"] == "True" and _against_prior(line) != ranking.BELOW_PRIOR for line in others)
    notes = [
        _against_prior(first),
        f"{equal} more may be the best" if equal > 0 else "",
        "1 run" if first["trainings"] == "1" else "",
    ]
    remarks = "; ".join(filter(None, notes))
    return f"{first['method']} ({remarks})" if remarks else first["method"]


def _against_prior(line: Mapping[str, str]) -> str:
    """Return the part of a line's ``note`` that compares it with ``prior``."""
    notes = line.get("note", "").split("; ")
    return next((note for note in notes if note in (ranking.BELOW_PRIOR, ranking.NOT_SHOWN)), "")


def _title(page: Path) -> str:
    """Return a suite's title: the first heading of its page."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    return lines[0].removeprefix("# ") if lines else NOTHING
