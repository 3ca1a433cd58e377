"""The models with the chosen recipe of each fold, from the records of the candidates."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.records import Record
from benchmark.suite.cells import cells
from benchmark.suite.plan import ModelPlan, Suite
from core.names import CHOICE


def chosen_models(suite: Suite, models: Sequence[ModelPlan], records: Iterable[Record]) -> list[ModelPlan]:
    """Return a model for each network and seed: on each fold, the candidate that is best on the other folds.

    ``models`` are all models of the suite. A network without all inner scores has no chosen model.
    """
    if suite.choice is None:
        return []
    from benchmark.report.leaderboard.choice import judged  # slow import, only for suites with a choice

    trials = [record for record in records if record.cell.protocol == CHOICE]
    values = {r.key: score.value for r in trials if (score := judged(r, suite.choice.metric)) is not None}
    judged_by = suite.choice.model_dump(include={"method", "metric"})
    groups: dict[tuple[str, int], list[ModelPlan]] = {}
    for model in models if values else ():
        if model.candidate:
            groups.setdefault((model.network, model.trainings[0].seed), []).append(model)
    picked = []
    for group in groups.values():
        on_all = [model for model in group if model.left_out_fold is None]
        names = [_best(suite, group, training.fold, values) for training in on_all[0].trainings]
        if "" not in names:
            picked.append(_chosen(on_all, names, judged_by))
    return picked


def _best(suite: Suite, group: Sequence[ModelPlan], fold: int, values: Mapping[str, float | None]) -> str:
    """Return the best candidate with ``fold`` left out, the first one if tied; "" if a score is missing."""
    inner = {model.candidate: values.get(cells(suite, model)[0].key) for model in group if model.left_out_fold == fold}
    scores = {name: score for name, score in inner.items() if score is not None}
    return max(scores, key=lambda name: scores[name]) if len(scores) == len(inner) else ""


def _chosen(candidates: Sequence[ModelPlan], names: Sequence[str], judged_by: Mapping[str, str]) -> ModelPlan:
    """Return the model with the chosen candidate on each fold; ``candidates`` cover all folds.

    ``judged_by``: method and metric of the choice on the inner folds.
    """
    by_name = {plan.candidate: plan for plan in candidates}
    trainings = tuple(by_name[name].trainings[n] for n, name in enumerate(names))
    id_ = f"{candidates[0].network}-seed{trainings[0].seed}"
    recipe = _recipe(candidates) | {"chosen": list(names), "judged_by": dict(judged_by)}
    recipe_items = tuple(recipe.items())
    return dataclasses.replace(candidates[0], id=id_, candidate="", trainings=trainings, chosen_recipe=recipe_items)


def _recipe(candidates: Sequence[ModelPlan]) -> dict[str, Any]:
    """Return the shared part of the recipes of ``candidates``, and their differences."""
    recipes = {plan.candidate: {k: v for k, v in plan.recipe.items() if k != "candidate"} for plan in candidates}
    first = next(iter(recipes.values()))
    shared = {k: v for k, v in first.items() if all(k in other and other[k] == v for other in recipes.values())}
    different = {name: {k: v for k, v in recipe.items() if k not in shared} for name, recipe in recipes.items()}
    return {**shared, "candidates": different}
