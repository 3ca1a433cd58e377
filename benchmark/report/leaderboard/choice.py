"""Gain from choosing a recipe: nested selection compared with the best recipe on the test images."""

from collections.abc import Sequence
from typing import Any

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import Entry, is_single
from benchmark.report.table import NOTHING, Table, difference, number, share, with_interval
from core.names import CHOICE, MAIN
from core.scores import Score

HONEST, BEST = "chosen on inner folds", "best on these images"
ABOUT = (
    "First row: each fold is scored by the recipe that is best on the other folds, with training runs that saw none "
    "of its patients, so this score is unbiased. Other rows: each recipe as if it had been fixed in advance. If you "
    "report the best recipe on the images that it was chosen on, the score rises by `− chosen`. It has no interval "
    "because the best of several scores is biased upwards. `folds`: number of folds with the recipe. `networks`: "
    "number of trained networks in a row."
)
FOLDS = "The recipe of each fold, its score on the other folds, and the difference to the second-best recipe."
HEADER = ("network", "recipe", "judged by", "score [95%]", "− chosen", "folds", "n cases", "networks")
HEADER_OF_FOLDS = ("network", "seed", "fold", "recipe", "score on the other folds", "− next", "n cases")


def tables(leaderboard: Leaderboard) -> list[Table]:
    """Return the gain from choosing a recipe and the recipe of each fold; empty for a suite without a choice.

    ``− chosen``: how much higher a recipe scores if it is chosen on the test images; biased, so without an interval.
    """
    dataset = leaderboard.dataset
    trials = [r for r in leaderboard.records if r.cell.protocol == CHOICE and r.cell.dataset == dataset and r.scores]
    entries = [e for e in leaderboard.entries if e.cell.method == _judged_by(e.runs[0]).get("method")]
    if not entries:
        return []
    worth = [row for entry in entries for row in _worth(entry, trials)]
    picks = [row for entry in entries for run in entry.runs for row in _picks(run, trials)]
    inner = sum(len(r.checkpoints) for r in trials if _left_out(r) is not None)
    about = f"{ABOUT} The inner folds required {inner} additional training runs."
    return [
        Table(f"{dataset}: gain from choosing the recipe", about, HEADER, tuple(worth)),
        Table(f"{dataset}: chosen recipe by fold", FOLDS, HEADER_OF_FOLDS, tuple(picks)),
    ]


def judged(record: Record, metric: str) -> Score | None:
    """Return the mean over findings that a candidate is judged by.

    ``pointing`` needs no threshold; other metrics use the cross-fitted ones.
    """
    return record.find(metric, origin="none" if metric == "pointing" else "cross-fitted")


def _worth(entry: Entry, trials: Sequence[Record]) -> list[tuple[str, ...]]:
    """Return the rows of one network: nested selection, then its candidates, best first."""
    group, metric = entry.runs, _judged_by(entry.runs[0])["metric"]
    honest = select.main_score(entry) if metric == MAIN else judged(entry, metric)
    picked = [name for record in group for name in record.cell.recipe["chosen"]]
    cell = f"{share(honest)} (1 training run)" if is_single(entry) else with_interval(honest)
    rows: list[tuple[str, str, str, int, Sequence[Record]]] = [(HONEST, cell, NOTHING, len(picked), group)]
    for n, name in enumerate(candidates := _candidates(group, trials, metric)):
        mean = select.mean(judged(record, metric) for record in candidates[name])
        words = name if n else f"{name} ({BEST})"
        gap = difference(mean, None if honest is None else honest.value)
        rows.append((words, number(mean), gap, picked.count(name), candidates[name]))
    by = f"{metric} of {entry.method}"
    return [
        (select.network(entry), words, by, score, gap, str(folds), _cases(behind, metric), _networks(behind))
        for words, score, gap, folds, behind in rows
    ]


def _candidates(group: Sequence[Record], trials: Sequence[Record], metric: str) -> dict[str, list[Record]]:
    """Return candidate -> its records on all folds, one per training seed; best candidate first."""
    on_all = [record for one in group for record in _of(one, trials) if _left_out(record) is None]
    by_name = select.grouped(on_all, lambda record: str(record.cell.recipe["candidate"]))
    means = {name: select.mean(judged(record, metric) for record in runs) or 0.0 for name, runs in by_name.items()}
    return {name: by_name[name] for name in sorted(by_name, key=lambda name: -means[name])}


def _picks(record: Record, trials: Sequence[Record]) -> list[tuple[str, ...]]:
    """Return the rows of one training seed, one per fold."""
    recipe, metric = record.cell.recipe, _judged_by(record)["metric"]
    rows: list[tuple[str, ...]] = []
    for fold, name in zip(recipe["fold"], recipe["chosen"], strict=True):
        inner = {r.cell.recipe["candidate"]: r for r in _of(record, trials) if _left_out(r) == fold}
        scores = {candidate: judged(trial, metric) for candidate, trial in inner.items()}
        others = select.defined_values(score for candidate, score in scores.items() if candidate != name)
        gap = difference(select.mean([scores[name]]), max(others, default=None))
        cells = (str(record.cell.seed), str(fold), name, share(scores[name]), gap, _cases([inner[name]], metric))
        rows.append((select.network(record), *cells))
    return rows


def _judged_by(record: Record) -> Any:
    return record.cell.recipe.get("judged_by", {})


def _left_out(record: Record) -> Any:
    return record.cell.recipe.get("leave_out_fold")


def _of(record: Record, trials: Sequence[Record]) -> list[Record]:
    """Return the trials of a record's network and seed."""
    wanted = select.model_key(record)[:-1]
    return [trial for trial in trials if select.model_key(trial)[:-1] == wanted]


def _cases(group: Sequence[Record], metric: str) -> str:
    counts = {score.n for record in group if (score := judged(record, metric)) is not None}
    return " or ".join(map(str, sorted(counts))) or NOTHING


def _networks(group: Sequence[Record]) -> str:
    return str(len({digest for record in group for digest in record.checkpoints}))
