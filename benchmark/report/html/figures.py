"""The charts of a page: title, description and Vega-Lite specification."""

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
"""Charts that the page shows as tables."""
CACHE = Path(__file__).resolve().parents[3] / "runs" / "cache"


@dataclass(frozen=True)
class ChartView:
    """A chart of a page."""

    id: str
    title: str
    dataset: str
    about: str
    """Caption and alternative text; the reason if there is no chart."""
    spec: Mapping[str, Any] | None
    """Vega-Lite specification; None if there is nothing to draw."""


def charts(data: ChartData, tables: DatasetTables) -> list[ChartView]:
    """Return the charts of a data set and of its checks, in the order of ``Chart.order``.

    A chart without data has the reason in place of a specification.
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
    """Return the scripts that draw the charts. Bundling takes seconds, so they are cached in ``runs/cache``."""
    cached = CACHE / f"vega-{version('vl-convert-python')}-{key(starter())}.js"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    text = scripts()
    try:
        write_text(cached, text)
    except WriteError:  # read-only checkout: the next page bundles them again
        return text
    return text
