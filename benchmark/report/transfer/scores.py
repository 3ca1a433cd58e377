"""The rows of several suites by network and method, so that one suite's ranking can be held against another's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.records import Record
from benchmark.records.record import NOT_STATED
from benchmark.report import select
from benchmark.report.comparisons.main_column import MainColumn, main_column
from benchmark.report.leaderboard.entries import recipe_of, trainings
from benchmark.report.table import NOTHING
from benchmark.scoring.statistics.entries import EntryScores

Rows = dict[str, EntryScores]
"""What is ranked (a method, a network) -> its scores."""


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """A network of a suite with the scores of its methods."""

    recipe: str
    """Its size and how it was trained, in words."""
    methods: Rows
    """Those that all its trainings have; baselines are none."""

    @property
    def trainings(self) -> int:
        """Trainings of the network: those of its methods."""
        return max(len(row.theta) for row in self.methods.values())


@dataclass(frozen=True, eq=False)
class SuiteScores:
    """The main column of a suite's leaderboard, case by case."""

    name: str
    networks: dict[str, NetworkScores]
    """Backbone, pooling and attention -> the network; of several sizes or recipes the one with most trainings."""

    @property
    def patients(self) -> int:
        """Number of patients, the same for all rows."""
        return next(row.jackknife.shape[1] for net in self.networks.values() for row in net.methods.values())


def suite_scores(folder: Path, records: Sequence[Record], dataset: str) -> SuiteScores | None:
    """What the ``records`` of a suite's ``folder`` say of a data set; None where they have no rows per case.

    Baselines are left out, and methods that some training of a network lacks. Raises ``DataError`` for broken rows.
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
    known = {group[0].method: column.entry(group) for group in groups if len(group) == most}
    return NetworkScores(_recipe(groups[0][0]), {name: row for name, row in sorted(known.items()) if row is not None})


def _recipe(record: Record) -> str:
    recipe = record.cell.recipe
    steps = [step for step in (recipe.get("init") or {}, recipe) if "epochs" in step]
    learnt = ", then ".join(f"{step.get('dataset', NOTHING)} ({step['epochs']} epochs)" for step in steps)
    folds = len(recipe.get("fold", ()))
    return f"{record.cell.img_size} px, {learnt or NOT_STATED}" + (f", {folds} folds" if folds > 1 else "")
