"""Output of ``python -m benchmark.power`` for one suite."""

from pathlib import Path

from benchmark import records
from benchmark.report import select
from benchmark.report.table import as_text
from benchmark.report.variance import components
from benchmark.report.variance.design import design
from core.errors import BadValueError, UnknownNameError


def text(suite: str, results: Path | str) -> str:
    """Return the components of variance and the power of each data set of a suite below ``results``.

    Raises ``UnknownNameError`` for a suite without records and ``BadValueError`` if no network has two training runs.
    """
    suites = [folder.name for folder in records.suites(results)]
    if suite not in suites:
        raise UnknownNameError("suite", suite, suites)
    folder = Path(results) / suite
    all_records = records.load(folder)
    parts = {name: design(all_records, name, [folder]) for name in select.datasets(all_records)}
    tables = [table for name, part in parts.items() if part for table in components.tables(part, name)]
    answers = [f"{as_text(table)}{table.intro}\n" for table in tables]
    if not answers:
        raise BadValueError(
            f"the suite {suite!r} has one training of each network: nothing says yet what another would give; write "
            "`seeds: [0, 1, 2]` into its file and run it"
        )
    return "\n".join(answers)
