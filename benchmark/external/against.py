"""``--against suite/model/method``: compare an entry with a row of a suite, paired on their common cases."""

from pathlib import Path

from benchmark.records import Record, cases
from benchmark.scoring.statistics.intervals import SMALLEST
from benchmark.suite import results_folder
from benchmark.suite.compare import table
from benchmark.suite.compare.run import compare_selections
from benchmark.suite.compare.selector import Selection, resolve_first
from benchmark.suite.compare.table import ComparisonRow
from core.errors import BadValueError
from core.names import MAIN
from core.types import Sample

FILE = "against.csv"


def find(selector: str, results: Path, samples: list[Sample]) -> Selection:
    """Return the row that ``selector`` names in the published results or in ``results``.

    Raises ``LocusError`` if there is no such row, or if it was scored on none of the images of ``samples``.
    """
    row = resolve_first(selector, [results_folder.published(), results])
    if row.model is None or row.method is None:
        raise BadValueError(f"--against {selector} is not a single row: use suite/model/method")
    scored = cases.read_columns([record.cell for record in row.records], row.folder, ["image"])
    if not {sample.image_id for sample in samples} & set(scored["image"].to_pylist()):
        raise BadValueError(f"--against {selector} was scored on other images: choose a row of the same data set")
    return row


def compare(record: Record, folder: Path, row: Selection) -> tuple[str, str]:
    """Compare an entry's ``record`` in ``folder`` with ``row``: all tables as text, and one sentence.

    The tables are also written to ``against.csv`` in the folder.
    """
    entry = Selection(record.cell.method, folder, record.cell.model_id, record.cell.method, (record,))
    text, rows = compare_selections(entry, row)
    table.write(rows, folder / FILE)
    main = next(one for one in rows if (one.comparison.metric, one.comparison.finding) == (MAIN, "mean"))
    return text, f"Against {row.selector}, {MAIN} on the same {main.comparison.n} cases: {_result(main)}."


def _result(row: ComparisonRow) -> str:
    """Return the difference with its interval, or why it has none, and p if there is one."""
    main = row.comparison
    if main.difference is None:
        return "not compared, because a side has no score"
    few = f"which requires {SMALLEST} patients (there are {row.patients})"
    without = f" without an interval, {few if row.patients < SMALLEST else 'which is undefined'}"
    interval = without if main.low is None else f" [{main.low:+.3f}, {main.high:+.3f}]"
    p = "" if main.p is None else f", p = {main.p:.4f}"
    return f"{main.difference:+.3f}{interval}{p} ({FILE})"
