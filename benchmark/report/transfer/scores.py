"""Scores of a suite by network and method, for comparing the rankings of two suites."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.records import Record
from benchmark.records.record import NOT_STATED
from benchmark.report import select
from benchmark.report.entries.entry import recipe_of, trainings
from benchmark.report.entries.main_column import MainColumn, main_column
from benchmark.report.table import NOTHING
from benchmark.scoring.statistics.entries import EntryScores

Rows = dict[str, EntryScores]
"""Name of a method or network -> its scores."""


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """A network of a suite with the scores of its methods."""

    recipe: str
    """Image size and training recipe in words."""
    methods: Rows
    """Methods that all training runs have, without baselines."""

    @property
    def trainings(self) -> int:
        """Number of training runs."""
        return max(len(row.theta) for row in self.methods.values())


@dataclass(frozen=True, eq=False)
class SuiteScores:
    """The main column of a suite's leaderboard, case by case."""

    name: str
    networks: dict[str, NetworkScores]
    """Backbone, pooling and attention -> network; of several sizes or recipes the one with most training runs."""

    @property
    def patients(self) -> int:
        """Number of patients, the same for all rows."""
        return next(row.jackknife.shape[1] for net in self.networks.values() for row in net.methods.values())


def suite_scores(folder: Path, records: Sequence[Record], dataset: str) -> SuiteScores | None:
    """Return the scores of a suite on a data set, or None if its ``folder`` has no per-case rows.

    Baselines and methods that a training run lacks are left out. Raises ``DataError`` for invalid rows.
    """
    board = [record for record in select.board(records, dataset) if select.is_method(record)]
    column = main_column(board, [folder])
    if column is None:
        return None
    by_network: dict[tuple[object, ...], list[list[Record]]] = {}
    for group in trainings(board):
        by_network.setdefault(recipe_of(group[0]), []).append(group)
    networks: dict[str, NetworkScores] = {}
    for groups in by_network.values():
        name, network = select.network(groups[0][0]), _network(groups, column)
        if network.methods and (name not in networks or network.trainings > networks[name].trainings):
            networks[name] = network
    return SuiteScores(folder.name, dict(sorted(networks.items()))) if networks else None


def _network(groups: Sequence[Sequence[Record]], column: MainColumn) -> NetworkScores:
    most = max(map(len, groups))
    entries = {group[0].method: column.entry(group) for group in groups if len(group) == most}
    return NetworkScores(_recipe(groups[0][0]), {name: row for name, row in sorted(entries.items()) if row is not None})


def _recipe(record: Record) -> str:
    recipe = record.cell.recipe
    steps = [step for step in (recipe.get("init") or {}, recipe) if "epochs" in step]
    learnt = ", then ".join(f"{step.get('dataset', NOTHING)} ({step['epochs']} epochs)" for step in steps)
    folds = len(recipe.get("fold", ()))
    return f"{record.cell.img_size} px, {learnt or NOT_STATED}" + (f", {folds} folds" if folds > 1 else "")
