"""What the choice of a recipe was worth: nested folds beside the best recipe on the images that it was chosen on."""

from collections.abc import Mapping, Sequence

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.leaderboard.entries import comparisons_by_row, mean_record, trainings
from benchmark.report.leaderboard.entry_columns import is_single, main_score_getter
from benchmark.report.table import NOTHING, Table, number, share, signed, with_interval
from core.names import CHOICE, MAIN
from core.scores import Score

HONEST, BEST = "chosen on inner folds", "best on these images"
ABOUT = (
    "Each fold is scored by the recipe that is best on the other folds, by trainings that saw no patient of it: that "
    "figure is honest. Below it each recipe as if it had been fixed before. Who reports the best of them on the very "
    "images that it was chosen on adds `− chosen`: what that choice is worth. It has no interval, for the best of "
    "several is biased upwards. `folds`: how many have the recipe. `networks`: how many are behind a row."
)
FOLDS = "Which recipe each fold has, its score on the other folds, and how far the next one is behind there."
HEADER = ("network", "recipe", "judged by", "score [95 %]", "− chosen", "folds", "n cases", "networks")
HEADER_OF_FOLDS = ("network", "seed", "fold", "recipe", "score on the other folds", "− next", "n cases")


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the choice was worth, and which recipe each fold has; nothing where a suite chooses none.

    ``− chosen``: how much higher a recipe scores that is picked on the images themselves; it flatters, so it has no
    interval.
    """
    trials = [r for r in records if r.cell.protocol == CHOICE and r.cell.dataset == dataset and r.scores]
    board = [r for r in select.board(records, dataset) if r.cell.method == _judged_by(r).get("method")]
    groups = trainings(board)
    if not groups:
        return []
    main = main_score_getter(comparisons_by_row(records, None))
    worth = [row for group in groups for row in _worth(group, trials, main(mean_record(group)))]
    picks = [row for record in board for row in _picks(record, trials)]
    inner = sum(len(r.checkpoints) for r in trials if _left_out(r) is not None)
    about = f"{ABOUT} Inner folds took {inner} trainings more."
    return [
        Table(f"{dataset}: what the choice was worth", about, HEADER, tuple(worth)),
        Table(f"{dataset}: what was chosen, fold by fold", FOLDS, HEADER_OF_FOLDS, tuple(picks)),
    ]


def judged(record: Record, metric: str) -> Score | None:
    """The mean over findings by which a candidate is judged.

    ``pointing`` takes no threshold; any other metric is that at the cross-fitted ones.
    """
    return record.find(metric, origin="none" if metric == "pointing" else "cross-fitted")


def _worth(group: Sequence[Record], trials: Sequence[Record], main: Score | None) -> list[tuple[str, ...]]:
    """The rows of one network: what was chosen, then its candidates, best first."""
    row, metric = mean_record(group), _judged_by(group[0])["metric"]
    honest = main if metric == MAIN else judged(row, metric)
    picked = [name for record in group for name in record.cell.recipe["chosen"]]
    shown = f"{share(honest)} (1 training)" if is_single(row) else with_interval(honest)
    rows = [(HONEST, shown, NOTHING, len(picked), group)]
    for n, name in enumerate(candidates := _candidates(group, trials, metric)):
        mean = select.mean(judged(record, metric) for record in candidates[name])
        words = name if n else f"{name} ({BEST})"
        rows.append((words, number(mean), _gap(mean, honest), picked.count(name), candidates[name]))
    by = f"{metric} of {row.method}"
    return [
        (select.network(row), words, by, score, gap, str(folds), _cases(behind, metric), _networks(behind))
        for words, score, gap, folds, behind in rows
    ]


def _candidates(group: Sequence[Record], trials: Sequence[Record], metric: str) -> dict[str, list[Record]]:
    """Candidate -> its records on all folds, a training seed each; the best one first."""
    on_all = [record for one in group for record in _of(one, trials) if _left_out(record) is None]
    names = dict.fromkeys(record.cell.recipe["candidate"] for record in on_all)
    of_each = {name: [record for record in on_all if record.cell.recipe["candidate"] == name] for name in names}
    means = {name: select.mean(judged(record, metric) for record in each) for name, each in of_each.items()}
    order = sorted(names, key=lambda name: -(means[name] or 0.0))
    return {name: of_each[name] for name in order}


def _picks(record: Record, trials: Sequence[Record]) -> list[tuple[str, ...]]:
    """The rows of one training seed, fold by fold."""
    recipe, metric = record.cell.recipe, _judged_by(record)["metric"]
    rows: list[tuple[str, ...]] = []
    for fold, name in zip(recipe["fold"], recipe["chosen"], strict=True):
        inner = {r.cell.recipe["candidate"]: r for r in _of(record, trials) if _left_out(r) == fold}
        scores = {candidate: judged(each, metric) for candidate, each in inner.items()}
        others = select.defined_values(score for candidate, score in scores.items() if candidate != name)
        gap = _gap(select.mean([scores[name]]), max(others)) if others else NOTHING
        cells = (str(record.cell.seed), str(fold), name, share(scores[name]), gap, _cases([inner[name]], metric))
        rows.append((select.network(record), *cells))
    return rows


def _judged_by(record: Record) -> Mapping[str, str]:
    judged_by: Mapping[str, str] = record.cell.recipe.get("judged_by", {})
    return judged_by


def _left_out(record: Record) -> int | None:
    left_out: int | None = record.cell.recipe.get("leave_out_fold")
    return left_out


def _of(record: Record, trials: Sequence[Record]) -> list[Record]:
    """The trials of a record's network and seed."""
    wanted = select.model_of(record)[:-1]
    return [trial for trial in trials if select.model_of(trial)[:-1] == wanted]


def _gap(one: float | None, other: Score | float | None) -> str:
    against = other.value if isinstance(other, Score) else other
    gap = None if one is None or against is None else one - against
    return signed(Score(finding="mean", metric="difference", value=gap))


def _cases(group: Sequence[Record], metric: str) -> str:
    counts = {score.n for record in group if (score := judged(record, metric)) is not None}
    return " or ".join(map(str, sorted(counts))) or NOTHING


def _networks(group: Sequence[Record]) -> str:
    return str(len({digest for record in group for digest in record.checkpoints}))
