"""``results/index.html`` and ``README.md``: each suite with its first network and method; ``transfer.md``."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from benchmark import records
from benchmark.records import Record
from benchmark.report import select
from benchmark.report.comparisons.agreement import AGREEMENT
from benchmark.report.html.glossary import WORDS
from benchmark.report.html.render import render
from benchmark.report.html.suite import PAGE
from benchmark.report.html.views import view
from benchmark.report.leaderboard.entries import COMPARISONS
from benchmark.report.page import COMMITTED_PAGES, GENERATED
from benchmark.report.table import NOTHING, Table, markdown, number
from benchmark.report.transfer.page import write as write_transfer
from benchmark.scoring.statistics.bootstrap import BLAS
from core.files import write_text
from core.names import CENTER, MAIN, PAIRED, PRIOR, UNRANKED_METHODS

HEADER = (
    *("suite", "what it asks", "data", "network", "method on it", MAIN, PRIOR, CENTER),
    *("n cells", "not available", "failed"),
)
NETWORK = ("backbone", "global_pool", "attention_map", "img_size")
FORMATS = ("md", "csv", "tex")


@BLAS.wrap(limits=1, user_api="blas")  # as tables.write
def index(folder: Path | str, known: Mapping[Path, Sequence[Record]] = MappingProxyType({})) -> Path:
    """Write ``README.md`` and ``index.html`` of the results ``folder``; the path of the latter.

    ``known``: the records of those suites' folders that are read already. ``transfer.md``, too, where it has the suites
    for it. Raises ``DataError`` for a broken record.
    """
    folder = Path(folder)
    suites = {suite: _runs(known.get(suite) or records.load_metric(suite, MAIN)) for suite in records.suites(folder)}
    rows = tuple(_suite(*suite) for suite in suites.items())
    about = (
        "Network: the highest mean over the rank methods where networks of one grid are compared, else the first one "
        "of the suite's table. Method: the highest score on that network, beside its baselines. Each suite's page says "
        "what may be as good and what the numbers rest on. A page that is missing is written by "
        "`python -m benchmark.run --suite NAME`."
    )
    if page := write_transfer(folder, {suite.name: runs for suite, runs in suites.items()}):
        about += f" Does the phantom predict real images? [{page.name}]({page.name})"
    linked = tuple((*row, _files(row[0])) for row in rows)
    table = Table("Suites", about, (*HEADER, "files"), linked)
    write_text(folder / "README.md", f"# Results\n\n{GENERATED}\n\n{markdown(table)}")
    suites_view, link = view(Table("Suites", "", HEADER, rows), {}), page.name if page else ""
    write_text(
        folder / PAGE, render("index.html", suites=suites_view, committed=COMMITTED_PAGES, words=WORDS, transfer=link)
    )
    return folder / PAGE


def _files(suite: str) -> str:
    files = ", ".join(f"[{kind}]({suite}/leaderboard.{kind})" for kind in FORMATS)
    page = f"[page]({suite}/{PAGE}), " * (suite in COMMITTED_PAGES)
    return f"{page}{files}, [records]({suite}/records.parquet)"


def _runs(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if r.source == "run" and r.cell.protocol not in (*COMPARISONS, AGREEMENT, PAIRED)]


def _suite(folder: Path, runs: Sequence[Record]) -> tuple[str, ...]:
    gaps = (str(sum(r.status == status for r in runs)) for status in ("n/a", "failed"))
    names = (folder.name, _title(folder / "leaderboard.md"), ", ".join(select.datasets(runs)))
    return (*names, *_first(folder / "leaderboard.csv"), str(len(runs)), *gaps)


def _first(file: Path) -> tuple[str, ...]:
    """Network, method, its score and those of two baselines: of the first row of ``leaderboard.csv``."""
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
    """The network in words; how many may be as good where networks are compared."""
    names = {_network(line): line["network_may_be_best"] for line in lines if line["method"] == first["method"]}
    equal = sum(verdict == "True" for verdict in names.values()) - 1
    words = " ".join(first[name] for name in ("backbone", "global_pool"))
    if not first["network_may_be_best"]:
        return f"{words} (not compared)" if len(names) > 1 else words
    return f"{words} ({equal} more may be as good)" if equal else words


def _which_method(first: Mapping[str, str], mine: Sequence[Mapping[str, str]]) -> str:
    """The method, how many may be as good, whether it is above ``prior``, and if it rests on one run."""
    equal = sum(line["method_may_be_best"] == "True" for line in mine) - 1
    low = first.get("above_prior_low")
    notes = [
        f"{equal} more may be as good" if equal > 0 else "",
        "not shown to be above prior" if low and float(low) <= 0 else "",
        "1 run" if first["trainings"] == "1" else "",
    ]
    said = ", ".join(filter(None, notes))
    return f"{first['method']} ({said})" if said else first["method"]


def _title(page: Path) -> str:
    """A suite's title, which stands on top of its page."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    return lines[0].removeprefix("# ") if lines else NOTHING
