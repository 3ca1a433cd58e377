"""Each record with a figure held against its sources: stored maps and predictions, per-case rows, or a paper's file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmark.records import Record, published
from benchmark.suite import paired, results_folder, selection
from benchmark.suite.plan import ModelPlan, Suite
from benchmark.verify.figures import VerificationResult, differences
from config import RunConfig
from core.errors import DataError, LocusError
from core.names import PAIRED

ENTERED = "their model was entered by --checkpoint or --model: write the same flags beside --verify"


def verify_records(
    suite: Suite, stated: Sequence[Record], all_records: Sequence[Record], config: RunConfig
) -> Iterator[tuple[Record, VerificationResult]]:
    """The ``stated`` among the suite's records with their answers: papers, then paired ones, then model by model."""
    papers = [record for record in stated if record.source == "paper"]
    pairs = [record for record in stated if record.cell.protocol == PAIRED]
    yield from _looked_up(papers, lambda: [record for word in suite.published for record in published.read(word)])
    yield from _looked_up(pairs, lambda: paired.paired_records(results_folder.base(config) / suite.name, all_records))
    rest = [record for record in stated if record not in papers and record not in pairs]
    models = {model.id: model for model in selection.planned_models(suite, config, all_records)}
    for word in dict.fromkeys(record.cell.model_id for record in rest):
        of_model = [record for record in rest if record.cell.model_id == word]
        yield from _of_model(models.get(word), of_model, suite, config)


def _looked_up(
    stated: Sequence[Record], made: Callable[[], Sequence[Record]]
) -> Iterator[tuple[Record, VerificationResult]]:
    """Held against the record of the same cell among those that are ``made`` anew, at once for all."""
    try:
        remade: dict[str, Record] = {record.key: record for record in made()} if stated else {}
    except LocusError as error:
        yield from ((record, error) for record in stated)
    else:
        gone = DataError("its per-case rows or its paper's file are gone")
        yield from ((r, differences(r, remade[r.key]) if r.key in remade else gone) for r in stated)


def _of_model(
    model: ModelPlan | None, stated: Sequence[Record], suite: Suite, config: RunConfig
) -> Iterator[tuple[Record, VerificationResult]]:
    if model is not None and selection.absent(model) is None:
        from benchmark.verify.rescore import rescore  # torch and numba, where there is something to score

        runs_dir, folder = Path(config.runs) / (suite.trainings or suite.name), results_folder.base(config) / suite.name
        yield from rescore(model, stated, runs_dir, folder)
        return
    entered = any("weights" in record.cell.recipe for record in stated)
    why = ENTERED if entered else "the suite no longer has their model"
    if model is not None:
        dataset = model.trainings[0].dataset
        why = f"{selection.ABSENT} ({dataset}): {selection.how_to_get(suite, dataset)}"
    yield from ((record, DataError(why)) for record in stated)
