"""Suites that were run before, opened from their records.

``open_model``  a model with its records and stored maps, to be drawn
``of_model``    the records of a model in the main table
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from locus.benchmark.baselines import is_people
from locus.benchmark.evaluation.network import stored_cases
from locus.benchmark.pictures.gallery import OpenedModel
from locus.benchmark.records import Record
from locus.benchmark.report.grouping import is_method, main_value, ranked
from locus.benchmark.suite import cells, folders, request
from locus.benchmark.suite.plan import added_model
from locus.benchmark.suite.score import recorded, scored_model
from locus.config import PageConfig
from locus.core.errors import DataError, UnknownNameError
from locus.core.names import CLASSIFIER, MAIN_PROTOCOL
from locus.core.user_code import refuse_code


def open_model(config: PageConfig) -> OpenedModel:
    """Open the model of ``config.suite``, by default the one with the best method.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    name, _, model_id = config.suite.partition("/")
    suite = request.read_suite(name, config)
    folder, all_records = _folder_and_records(config)
    recorded_methods = {record.cell.method for record in all_records} - {CLASSIFIER}
    planned = cells.planned_cells(suite, sorted(recorded_methods))
    model_by_key = {cell.key: task.model for task in planned for cell in task.cells}
    existing = [
        record
        for record in all_records
        if record.key in model_by_key or "weights" in record.cell.recipe
    ]
    chosen = of_model(existing, name, model_id)
    first = chosen[0].cell
    scored = [record for record in chosen if record.status == "ok"]
    if not any(map(is_method, scored)):
        raise DataError(f"no method of {first.model_id} has a score, so there are no maps to show")
    method_names = [record.cell.method for record in scored]
    if not config.trust:
        refuse_code(method_names, folder)
    runs_dir = suite.runs_dir(config.runs)
    model = model_by_key.get(chosen[0].key) or added_model(suite, first, runs_dir)
    digests = next(record.checkpoints for record in chosen if record.checkpoints)
    trained = recorded(model, digests, runs_dir)
    store = stored_cases(scored_model(model, trained, runs_dir), method_names, flags=None)
    samples = [sample for run in store.trained for sample in run.scorable_images]
    return OpenedModel(
        address=f"{name}/{first.model_id}",
        title=suite.title,
        network=first.network,
        records=chosen,
        folder=folder,
        runs_dir=runs_dir,
        findings=store.findings,
        cases_of=store.cases,
        samples={sample.image_id: sample for sample in samples},
    )


def _folder_and_records(config: PageConfig) -> tuple[Path, list[Record]]:
    """Return the folder of a suite and its records: the user's own, unless only the published ones have the model."""
    name, _, model_id = config.suite.partition("/")
    homes = (
        [folders.UNPUBLISHED, folders.RESULTS] if config.results is None else [Path(config.results)]
    )
    for home in homes:
        folder = home / name
        existing = folders.existing_records(folder)
        if any(model_id in ("", record.cell.model_id) for record in existing):
            break
    return folder, existing


def of_model(records: Sequence[Record], suite: str, model_id: str) -> list[Record]:
    """Return the records of a model in the main table, best method first; without ``model_id``, of the leading model.

    Raises ``DataError`` for a suite without such records, ``UnknownNameError`` for an unknown model.
    """
    main = ranked(record for record in records if _is_in_main_table(record))
    counts = Counter(record.cell.model_id for record in main)  # some models have fewer methods
    complete = [record for record in main if counts[record.cell.model_id] == max(counts.values())]
    methods = [
        record for record in complete if is_method(record) and main_value(record) is not None
    ]
    if not methods:
        raise DataError(
            f"no method of the suite {suite!r} has a score by {MAIN_PROTOCOL}: run the suite first"
        )
    if model_id and model_id not in counts:
        raise UnknownNameError(f"model of the suite {suite!r}:", model_id, sorted(counts))
    chosen = model_id or methods[0].cell.model_id
    return [record for record in main if record.cell.model_id == chosen]


def _is_in_main_table(record: Record) -> bool:
    """Whether a record is of a run on the aligned grid, with cross-fitted thresholds, and not of people's boxes."""
    cell = record.cell
    if record.source != "run" or cell.protocol != MAIN_PROTOCOL or is_people(cell.method):
        return False
    return cell.alignment == "aligned" and cell.fitted_on is None
