"""Compare the records of one model with a new scoring of its stored results.

Nothing is trained, explained or written. A map is used only if its key matches the digests of the weights in the
record, the pixels and the current code: see ``benchmark.maps.requests``. So a record cannot be verified if its method
or engine has changed since.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmark.records import Cell, Record, cases
from benchmark.suite.plan import ModelPlan
from benchmark.suite.score import ModelScorer
from benchmark.suite.scorers import Scored
from benchmark.suite.training_runs import recorded
from benchmark.suite.verify.differences import VerificationResult, differences, row_differences
from core.errors import DataError, LocusError, examples


def rescore(
    model: ModelPlan, model_records: Sequence[Record], runs_dir: Path, folder: Path
) -> Iterator[tuple[Record, VerificationResult]]:
    """Yield each record of ``model`` with its result; training runs and maps are in ``runs_dir``, rows in ``folder``.

    Stored per-case rows must equal the current ones; missing rows are ignored, because not all protocols store them.
    """
    for digests in dict.fromkeys(record.checkpoints for record in model_records):
        same_weights = [record for record in model_records if record.checkpoints == digests]
        try:
            score_cell = _score_function(model, digests, same_weights, runs_dir)
        except LocusError as error:
            yield from ((record, error) for record in same_weights)
        else:
            same_weights.sort(key=lambda r: (r.cell.method, r.cell.alignment))  # the cases of a method are created once
            for record in same_weights:
                yield record, _verify_record(record, score_cell, folder, model.all_cells)


def _score_function(
    model: ModelPlan, digests: Sequence[str], same_weights: Sequence[Record], runs_dir: Path
) -> Callable[[Cell], Scored]:
    """Return the function that scores records of these weights. Raises ``DataError`` for missing or different data."""
    trained = recorded(model, digests, runs_dir)
    if other := sorted({name for record in same_weights for name in trained[0].unlike(record.data)}):
        raise DataError(f"the data set differs from the recorded one ({examples(other)})")
    if absent := [run.folder.name for run in trained if not (run.folder / "predictions.csv").is_file()]:
        raise DataError(f"predictions.csv is missing in these runs of {runs_dir}: {examples(absent)}")
    return ModelScorer(model, [record.cell for record in same_weights], trained, runs_dir, None).score


def _verify_record(
    record: Record, score_cell: Callable[[Cell], Scored], folder: Path, full: bool
) -> VerificationResult:
    """Score the cell again and return the differences from its record and rows, or the error."""
    try:
        fields, rows = score_cell(record.cell)
        if "scores" not in fields:
            return DataError(f"the cell has no score any more: {fields['reason']}")
        wrong = differences(record, Record(cell=record.cell, **fields))
        if cases.exist(record.cell, folder):
            stored, current = cases.read(record.cell, folder), cases.table(rows, record.cell)
            rest = stored.drop(columns=cases.brief([*stored]))
            in_brief = (record.cell.seed or not full) and bool(rest.isna().to_numpy().all())
            wrong += row_differences(*(t[cases.brief([*t])] if in_brief else t for t in (stored, current)))
    except LocusError as error:
        return error
    return wrong
