"""The training runs of a suite as a balanced design, for components of variance."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.entries.main_column import main_column
from benchmark.scoring.statistics.components import BalancedScores, ScoreKey, largest_balanced_part, patient_values


def design(records: Sequence[Record], dataset: str, folders: Sequence[Path]) -> BalancedScores | None:
    """Return the main column by network, method, training run and patient; None if no network has two training runs.

    Baselines and methods on a part of the images are left out. ``folders`` contain the per-case rows. Raises
    ``DataError`` for invalid rows.
    """
    runs = (record for record in records if record.source == "run")
    board = [r for r in select.board(runs, dataset) if select.is_method(r) and r.cell.seed is not None]
    if len({record.cell.seed for record in board}) < 2:
        return None
    column = main_column(board, folders)
    if column is None:
        return None
    values = patient_values(column.theta, column.jackknife)
    return largest_balanced_part({_row(r): values[column.columns[r.key]] for r in board if r.key in column.columns})


def _row(record: Record) -> ScoreKey:
    cell = record.cell
    words = (cell.backbone, f"{cell.img_size}px", *(word for word in [cell.attention_map] if word not in ("", "none")))
    return " ".join(words), cell.global_pool, record.method, cell.seed or 0
