"""What ``python -m benchmark.power`` answers of one suite."""

from pathlib import Path

from benchmark import records
from benchmark.report import select
from benchmark.report.table import as_text
from benchmark.report.variance import components
from benchmark.report.variance.design import design
from core.errors import BadValueError, UnknownNameError


def text(suite: str, results: Path | str) -> str:
    """The components of variance of each data set of a suite below ``results``, and the power that follows.

    Raises ``UnknownNameError`` for a suite that has no records and ``BadValueError`` for one without two trainings of a
    network.
    """
    known = [folder.name for folder in records.suites(results)]
    if suite not in known:
        raise UnknownNameError("suite", suite, known)
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
