"""Gain from choosing a recipe, by hand: two seeds, three folds, two recipes, ten cases."""

import pytest

from benchmark.records import Cell, Record, Score
from benchmark.report.leaderboard import choice
from tests.benchmark.report.given import leaderboard

NETWORK = {"dataset": "NIH", "backbone": "custom", "global_pool": "PCAM", "attention_map": "none", "img_size": 64}
RECIPE = {"fold": [0, 1, 2], "candidates": {"a": {}, "b": {}}, "judged_by": {"method": "cam", "metric": "pointing"}}


def record(seed, value, protocol, n, digests, **recipe):
    scores = [Score(finding="mean", metric="pointing", value=value, n=n)]
    cell = Cell(**NETWORK, seed=seed, model_id=f"m-seed{seed}", method="cam", alignment="aligned", protocol=protocol, recipe=recipe)
    return Record(cell=cell, scores=scores, checkpoints=tuple(f"{seed}{digest}" for digest in digests))


def of_seed(seed, honest, chosen, on_all, inner):
    """The chosen model's record, the candidates' on all folds, and on inner ones: name -> a score per fold that is left out."""
    yield record(seed, honest, "locus", 10, "xyz", **RECIPE, chosen=chosen)
    for name, value in on_all.items():
        yield record(seed, value, "choice", 10, f"{name}pq", candidate=name)
        for fold, score in enumerate(inner[name]):
            yield record(seed, score, "choice", 7, f"{name}{fold}", candidate=name, leave_out_fold=fold)


RECORDS = [
    *of_seed(0, 0.5, ["a", "b", "b"], {"a": 0.4, "b": 0.7}, {"a": (0.6, 0.5, 0.1), "b": (0.5, 0.75, 0.5)}),
    *of_seed(1, 0.4, ["a", "a", "a"], {"a": 0.4, "b": 0.5}, {"a": (0.6, 0.5, 0.5), "b": (0.5, 0.5, 0.25)}),
]


@pytest.mark.byhand
def test_best_recipe_is_below_the_nested_score_with_its_gain():
    worth, _ = choice.tables(leaderboard(RECORDS, "NIH"))
    assert [row[1:] for row in worth.rows] == [
        ("chosen on inner folds", "pointing of cam", "0.450", "–", "6", "10", "6"),
        ("b (best on these images)", "pointing of cam", "0.600", "+0.150", "2", "10", "6"),
        ("a", "pointing of cam", "0.400", "-0.050", "4", "10", "6"),
    ]
    assert "The inner folds required 24 additional training runs" in worth.intro


@pytest.mark.byhand
def test_each_fold_has_recipe_difference_and_cases():
    _, picks = choice.tables(leaderboard(RECORDS, "NIH"))
    assert [row[1:] for row in picks.rows[:3]] == [
        ("0", "0", "a", "0.600", "+0.100", "7"),
        ("0", "1", "b", "0.750", "+0.250", "7"),
        ("0", "2", "b", "0.500", "+0.400", "7"),
    ]
    assert picks.rows[4][1:] == ("1", "1", "a", "0.500", "+0.000", "7")


def test_a_suite_without_a_choice_has_no_such_table():
    assert choice.tables(leaderboard([r for r in RECORDS if r.cell.protocol == "choice"], "NIH")) == []
