"""The charts of a page: what each shows in words, and what draws it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.report.charts import CHARTS, ChartData, scripts, spec, starter
from benchmark.report.sections import DatasetTables
from core.errors import NotAvailableError, WriteError
from core.files import key, write_text

TABLES = ("matrix",)
"""Charts that stand on the page as tables."""
CACHE = Path(__file__).resolve().parents[3] / "runs" / "cache"


@dataclass(frozen=True)
class ChartView:
    """A chart of a page."""

    id: str
    title: str
    dataset: str
    about: str
    """What stands for it, and below it; the reason where there is none."""
    spec: Mapping[str, Any] | None
    """In Vega-Lite."""


def charts(data: ChartData, tables: DatasetTables) -> list[ChartView]:
    """The charts of a data set that has a leaderboard, and what its checks say.

    In the order of ``Chart.order``; a chart that nothing can be drawn of is there with the reason.
    """
    words = sorted((word for word in CHARTS.names() if word not in TABLES), key=lambda word: CHARTS.get(word).order)
    checked = {r.cell.protocol for r in data.records if r.cell.dataset == data.dataset}
    return [_view(w, data) for w in words if (check in checked if (check := CHARTS.get(w).check) else tables.boards)]


def _view(word: str, data: ChartData) -> ChartView:
    title, name = CHARTS.get(word).title, f"chart-{data.dataset}-{word}"
    try:
        made = spec(word, data)
    except NotAvailableError as error:
        return ChartView(name, title, data.dataset, str(error), None)
    return ChartView(name, title, data.dataset, str(made["description"]), made)


def drawing() -> str:
    """The scripts that draw the charts: put together once, which takes seconds, and kept below ``runs/cache``."""
    kept = CACHE / f"vega-{version('vl-convert-python')}-{key(starter())}.js"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    text = scripts()
    try:
        write_text(kept, text)
    except WriteError:  # a checkout that nobody may write to: the next page waits again
        return text
    return text
