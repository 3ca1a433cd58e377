"""``--against suite/model/method``: compare an entry with a row of a suite, paired on their common cases."""

from pathlib import Path

from benchmark.records import Record, cases
from benchmark.suite import results_folder
from benchmark.suite.compare import table
from benchmark.suite.compare.run import compare_selections
from benchmark.suite.compare.selector import Selection, resolve_first
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
    main = next(one.comparison for one in rows if (one.comparison.metric, one.comparison.finding) == (MAIN, "mean"))
    if main.difference is None or main.p is None or main.low is None:
        return text, f"Against {row.selector}: no difference on {main.n} cases."
    interval = f"{main.difference:+.3f} [{main.low:+.3f}, {main.high:+.3f}]"
    return text, f"Against {row.selector}, {MAIN} on the same {main.n} cases: {interval}, p = {main.p:.4f} ({FILE})."
