"""The models that a suite's choice ends in, from the records of its candidates."""

from collections.abc import Iterable, Mapping, Sequence

from benchmark.records import Record
from benchmark.suite import plan
from benchmark.suite.cells import cells
from benchmark.suite.plan import ModelPlan, Suite
from core.names import CHOICE


def chosen_models(suite: Suite, models: Sequence[ModelPlan], records: Iterable[Record]) -> list[ModelPlan]:
    """For each network and seed the model that has on each fold the candidate that is best on the other folds.

    ``models`` are the suite's, its candidates among them. A network of which an inner score is missing has none.
    """
    if suite.choice is None:
        return []
    from benchmark.report.leaderboard.choice import judged  # tables, for which no other suite's plan waits

    metric = suite.choice.metric
    trials = [record for record in records if record.cell.protocol == CHOICE]
    values = {r.key: score.value for r in trials if (score := judged(r, metric)) is not None}
    groups: dict[tuple[str, int], list[ModelPlan]] = {}
    for model in models if values else ():
        if model.candidate:
            groups.setdefault((model.network, model.trainings[0].seed), []).append(model)
    picked = (_chosen(suite, group, values) for group in groups.values())
    return [model for model in picked if model is not None]


def _chosen(suite: Suite, group: Sequence[ModelPlan], values: Mapping[str, float | None]) -> ModelPlan | None:
    on_all = [model for model in group if model.left_out is None]
    names = [_best(suite, group, fold.fold, values) for fold in on_all[0].trainings]
    known = [name for name in names if name is not None]
    judged_by = suite.choice.model_dump(include={"method", "metric"}) if suite.choice is not None else {}
    return plan.chosen(on_all, known, judged_by) if len(known) == len(names) else None


def _best(suite: Suite, group: Sequence[ModelPlan], fold: int, values: Mapping[str, float | None]) -> str | None:
    """The candidate that is best where ``fold`` is left out, of equal ones the first; None where one has no score."""
    inner = {model.candidate: values.get(cells(suite, model)[0].key) for model in group if model.left_out == fold}
    known = {name: score for name, score in inner.items() if score is not None}
    return max(known, key=lambda name: known[name]) if len(known) == len(inner) else None
