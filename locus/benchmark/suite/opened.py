"""A model of a suite that was run before, opened with its records and stored maps to be drawn."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from locus.benchmark.evaluation.network import stored_cases
from locus.benchmark.pictures.gallery import OpenedModel
from locus.benchmark.records import Record
from locus.benchmark.report.grouping import is_method, main_value, ranked
from locus.benchmark.report.row import network_words
from locus.benchmark.suite import cells
from locus.benchmark.suite.plan import added_model
from locus.benchmark.suite.score import recorded, scored_model
from locus.config import PageConfig
from locus.core.errors import DataError, UnknownNameError
from locus.core.names import CLASSIFIER, MAIN_PROTOCOL, PEOPLE
from locus.core.user_code import refuse_code


def open_model(config: PageConfig) -> OpenedModel:
    """Open the model of ``config.suite``, by default the one with the best method.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    name, _, model_id = config.suite.partition("/")
    suite = cells.read_suite(name, config)
    folder, all_records = _folder_and_records(config)
    planned = cells.planned_cells(suite, sorted({record.cell.method for record in all_records} - {CLASSIFIER}))
    models = {cell.key: job.model for job in planned for cell in job.cells}
    existing = [record for record in all_records if record.key in models or "weights" in record.cell.recipe]
    chosen = of_model(existing, name, model_id)
    scored = [record for record in chosen if record.status == "ok"]
    if not any(map(is_method, scored)):
        raise DataError(f"no method of {chosen[0].cell.model_id} has a score, so there are no maps to show")
    words = [record.cell.method for record in scored]
    if not config.trust:
        refuse_code(words, folder)
    runs_dir = Path(config.runs) / (suite.training_runs_of or name)
    model = models.get(chosen[0].key) or added_model(suite, chosen[0].cell, runs_dir)
    digests = next(record.checkpoints for record in chosen if record.checkpoints)
    trained = recorded(model, digests, runs_dir)
    store = stored_cases(scored_model(model, trained, runs_dir), words, None)
    samples = {sample.image_id: sample for run in store.trained for sample in run.scorable_images}
    address, shown_as = f"{name}/{chosen[0].cell.model_id}", network_words(chosen[0].cell)
    shown = address, suite.title, shown_as, chosen, folder, runs_dir
    return OpenedModel(*shown, store.findings, store.cases, samples)


def _folder_and_records(config: PageConfig) -> tuple[Path, list[Record]]:
    """Return the folder of a suite and its records: the user's own, unless only the published ones have the model."""
    name, _, model_id = config.suite.partition("/")
    homes = [cells.UNPUBLISHED, cells.RESULTS] if config.results is None else [Path(config.results)]
    folders = [(home / name, cells.existing_records(home / name)) for home in homes]
    with_model = (pair for pair in folders if any(model_id in ("", record.cell.model_id) for record in pair[1]))
    return next(with_model, folders[-1])


def of_model(records: Sequence[Record], suite: str, model_id: str) -> list[Record]:
    """Return the records of a model in the main table, best method first; without ``model_id``, of the leading model.

    Raises ``DataError`` for a suite without such records, ``UnknownNameError`` for an unknown model.
    """
    main = [
        r for r in records if r.cell.protocol == MAIN_PROTOCOL and r.source == "run" and r.cell.method not in PEOPLE
    ]
    aligned = ranked(r for r in main if r.cell.alignment == "aligned")
    counts = Counter(r.cell.model_id for r in aligned)  # some models have fewer methods
    methods = [r for r in aligned if is_method(r) and main_value(r) is not None]
    leader = next((r for r in methods if counts[r.cell.model_id] == max(counts.values())), None)
    if leader is None:
        raise DataError(f"no method of the suite {suite!r} has a score by {MAIN_PROTOCOL}: run the suite first")
    model_ids = sorted({r.cell.model_id for r in aligned})
    if model_id and model_id not in model_ids:
        raise UnknownNameError(f"model of the suite {suite!r}:", model_id, model_ids)
    return [r for r in aligned if r.cell.model_id == (model_id or leader.cell.model_id)]
