"""All charts of a suite as PDF, SVG and PNG, its tables in LaTeX, and a grid of maps for ``benchmark.figures``."""

from pathlib import Path

from benchmark.report.charts import CHARTS, figures
from benchmark.report.checks import reports
from benchmark.report.entries.aggregate import leaderboards
from benchmark.suite import results_folder, selection
from benchmark.suite.gallery import grid
from benchmark.suite.gallery.page import open_model
from config import PageConfig
from core.errors import DataError, NotAvailableError
from core.files import write_text
from core.types import Echo

FOLDER = Path("runs/figures")
TABLES = "leaderboard.tex"


def run(config: PageConfig, echo: Echo) -> int:
    """Write all figures of ``config.suite``, and ``echo`` their folder and the missing ones; returns 0.

    Raises ``LocusError`` for an unknown suite, a suite without records, and if a file cannot be written.
    """
    name = config.suite.partition("/")[0]
    selection.read_suite(name, config)  # check that it exists and is complete
    source = results_folder.base(config) / name
    records = selection.existing_records(source)
    if not records:
        raise DataError(f"{source} has no records: run python -m benchmark.run --suite {name} first")
    target = FOLDER / name if config.output is None else Path(config.output)
    try:
        grid.save(open_model(config), target, name)
    except DataError as error:
        echo(f"grid: n/a: {error}; to generate them, run python -m benchmark.run --suite {name} --overwrite always")
    boards = leaderboards(records, [source])
    for board in boards:
        stem = name if len(boards) == 1 else f"{name}-{board.dataset}"
        for chart in (*CHARTS, *(chart for check in reports(board) for chart in check.charts)):
            try:
                figures.save(chart, board, target, stem)
            except NotAvailableError as error:
                echo(f"{chart.name}: n/a: {error}")
    if (source / TABLES).is_file():
        write_text(target / TABLES, (source / TABLES).read_text(encoding="utf-8"))
    echo(f"figures: {target} ({len(list(target.iterdir()))} files)")
    return 0
