"""Each record with a figure held against its sources: stored maps and predictions, per-case rows, or a paper's file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmark.records import Record, published
from benchmark.suite import paired, plan, results_folder, selection
from benchmark.suite.plan import ModelPlan, Suite
from benchmark.verify.figures import Answer, differences
from config import RunConfig
from core.errors import DataError, LocusError
from core.names import PAIRED


def answers(
    asked: Suite, stated: Sequence[Record], all_records: Sequence[Record], config: RunConfig
) -> Iterator[tuple[Record, Answer]]:
    """The ``stated`` among the suite's records with their answers: papers, then paired ones, then model by model."""
    papers = [record for record in stated if record.source == "paper"]
    pairs = [record for record in stated if record.cell.protocol == PAIRED]
    yield from _looked_up(papers, lambda: [record for word in asked.published for record in published.read(word)])
    yield from _looked_up(pairs, lambda: paired.paired_records(results_folder.base(config) / asked.name, all_records))
    rest = [record for record in stated if record not in papers and record not in pairs]
    models = {model.id: model for model in plan.models(asked, selection.overrides(config))}
    for word in dict.fromkeys(record.cell.model_id for record in rest):
        of_model = [record for record in rest if record.cell.model_id == word]
        yield from _of_model(models.get(word), of_model, asked, config)


def _looked_up(stated: Sequence[Record], made: Callable[[], Sequence[Record]]) -> Iterator[tuple[Record, Answer]]:
    """Held against the record of the same cell among those that are ``made`` anew, at once for all."""
    try:
        remade: dict[str, Record] = {record.key: record for record in made()} if stated else {}
    except LocusError as error:
        yield from ((record, error) for record in stated)
    else:
        gone = DataError("its per-case rows or its paper's file are gone")
        yield from ((r, differences(r, remade[r.key]) if r.key in remade else gone) for r in stated)


def _of_model(
    model: ModelPlan | None, stated: Sequence[Record], asked: Suite, config: RunConfig
) -> Iterator[tuple[Record, Answer]]:
    if model is not None and selection.absent(model) is None:
        from benchmark.verify.again import reevaluate  # torch and numba, where there is something to score

        runs, folder = Path(config.runs) / (asked.trainings or asked.name), results_folder.base(config) / asked.name
        yield from reevaluate(model, stated, runs, folder)
        return
    why = "the suite no longer has their model"
    if model is not None:
        why = f"{selection.ABSENT} ({model.trainings[0].dataset}): {asked.how_to_get}"
    yield from ((record, DataError(why)) for record in stated)
