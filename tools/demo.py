"""Draw the best method of the best network of the suite ``demo`` and a baseline: the last step of ``make demo``.

    python -m tools.demo RESULTS RUNS

``RESULTS`` and ``RUNS`` are the folders of the suite's records and of its training runs.
"""

import sys
from pathlib import Path

from locus import heatmap
from locus.benchmark import records
from locus.benchmark.report import main_table
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.suite import plan
from locus.core.errors import DataError

BASELINE = "center"
"""The baseline that is drawn beside the best method: a map with its peak in the middle of every image."""
PICTURES = "runs/demo-pictures"


def best_run(results: Path, runs: Path) -> tuple[Path, str]:
    """Return the run folder of the best row in ``results`` and the method of this row.

    Raises ``DataError`` for results without a scored method.
    """
    boards = leaderboards(records.load(results), CaseFolders(results))
    row = main_table.best(boards[0]) if boards else None
    if row is None:
        raise DataError(f"{results} has no scored method: run `make demo` again")
    models = {model.id: model for model in plan.models(plan.load("demo"))}
    return next(iter(models[row.cell.model_id].run_configs(runs))), row.name


def main(results: Path, runs: Path) -> int:
    """Write the pictures, and print the page of the results."""
    run, method = best_run(results, runs)
    arguments = ["--checkpoint", str(run), "--method", method, BASELINE, "--output_dir", PICTURES]
    status = heatmap.main(arguments)
    print(f"the best method, {method}, and the baseline {BASELINE} are drawn in {PICTURES}/")
    print(f"open {results / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
