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
    asked: Suite, own: Sequence[Record], every: Sequence[Record], config: RunConfig
) -> Iterator[tuple[Record, Answer]]:
    """The records ``own`` of ``every`` that the suite has: papers first, then paired ones, then model by model."""
    papers = [record for record in own if record.source == "paper"]
    pairs = [record for record in own if record.cell.protocol == PAIRED]
    yield from _looked_up(papers, lambda: [record for word in asked.published for record in published.read(word)])
    yield from _looked_up(pairs, lambda: paired.made(results_folder.base(config) / asked.name, every))
    rest = [record for record in own if record not in papers and record not in pairs]
    models = {model.id: model for model in plan.models(asked, selection.overrides(config))}
    for word in dict.fromkeys(record.cell.model_id for record in rest):
        yield from _of_model(
            models.get(word), [record for record in rest if record.cell.model_id == word], asked, config
        )


def _looked_up(own: Sequence[Record], made: Callable[[], Sequence[Record]]) -> Iterator[tuple[Record, Answer]]:
    """Held against the record of the same cell among those that are ``made`` anew, at once for all."""
    try:
        found: dict[str, Record] = {record.key: record for record in made()} if own else {}
    except LocusError as error:
        yield from ((record, error) for record in own)
    else:
        gone = DataError("its per-case rows or its paper's file are gone")
        yield from ((r, differences(r, found[r.key]) if r.key in found else gone) for r in own)


def _of_model(
    model: ModelPlan | None, own: Sequence[Record], asked: Suite, config: RunConfig
) -> Iterator[tuple[Record, Answer]]:
    if model is not None and selection.absent(model) is None:
        from benchmark.verify.again import again  # torch and numba, where there is something to score

        yield from again(
            model, own, Path(config.runs) / (asked.trainings or asked.name), results_folder.base(config) / asked.name
        )
        return
    why = (
        "the suite no longer has their model"
        if model is None
        else f"{selection.ABSENT} ({model.trainings[0].dataset}): {asked.how_to_get}"
    )
    yield from ((record, DataError(why)) for record in own)
