"""Rankings of two suites: scores by network and method, and the comparison of what both suites have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.records import Record
from benchmark.records.record import NOT_STATED
from benchmark.report import select
from benchmark.report.entries.entry import trainings
from benchmark.report.entries.main_column import MainColumn, main_column
from benchmark.report.table import NOTHING
from benchmark.scoring.statistics.agreement import Agreement, agreement
from benchmark.scoring.statistics.entries import ALPHA, EntryScores, mean_of_rows

Rows = dict[str, EntryScores]
"""Name of a method or network -> its scores."""
MEAN = "mean over common methods"
"""Name of the mean score that networks are ranked by, in addition to each single method."""
FEWEST = 5
"""Smallest number of rows for a rank correlation: with fewer, even the same order has p above .05."""


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
    runs = [record for record in select.main_records(records, dataset) if select.is_method(record)]
    column = main_column(runs, [folder])
    if column is None:
        return None
    networks: dict[str, NetworkScores] = {}
    for groups in select.grouped(trainings(runs), lambda group: select.network_key(group[0])).values():
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


@dataclass(frozen=True, eq=False)
class RankedTwice:
    """Rows ranked on two suites: the methods of a network, or the networks by a method.

    ``sides`` are the rows of the first and of the second suite, ``agreement`` compares their rankings.
    """

    of: str
    """The network, or the method."""
    suites: tuple[str, str]
    sides: tuple[Rows, Rows]
    agreement: Agreement

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the rows that both suites have."""
        return self.agreement.names

    @property
    def first(self) -> tuple[str, str]:
        """Best common row on each suite."""
        one, other = (ranking(rows, self.names)[0] for rows in self.sides)
        return one, other

    @property
    def trainings(self) -> tuple[list[int], list[int]]:
        """Number of training runs of each row, on each suite."""
        one, other = ([len(rows[name].theta) for name in self.names] for rows in self.sides)
        return one, other

    @property
    def holds(self) -> bool:
        """Whether the two rankings agree: exact p below .05 and the interval of tau above 0."""
        return self.enough and self.agreement.p < ALPHA and self.agreement.low > 0

    @property
    def enough(self) -> bool:
        """Whether there are enough rows for a rank correlation."""
        return self.agreement.rows >= FEWEST


def common_networks(one: SuiteScores, other: SuiteScores) -> list[str]:
    """Return the names of the networks that both suites have, in the order of the first suite."""
    return [name for name in one.networks if name in other.networks]


def of_methods(one: SuiteScores, other: SuiteScores) -> list[RankedTwice]:
    """Rank the methods within each common network that has two or more common methods."""
    names = common_networks(one, other)
    sides = ((name, one.networks[name].methods, other.networks[name].methods) for name in names)
    return list(_ranked(sides, one, other))


def of_networks(one: SuiteScores, other: SuiteScores) -> list[RankedTwice]:
    """Rank the common networks by the mean over the methods that all of them have, then by each method."""
    networks = common_networks(one, other)
    row_sets = [suite.networks[name].methods for name in networks for suite in (one, other)]
    methods = [name for name in row_sets[0] if all(name in rows for rows in row_sets)] if row_sets else []
    words = [MEAN, *methods] if methods else []
    sides = ((word, _by(word, methods, networks, one), _by(word, methods, networks, other)) for word in words)
    return list(_ranked(sides, one, other))


def ranking(rows: Mapping[str, EntryScores], names: Iterable[str]) -> list[str]:
    """Sort ``names`` by mean score, best first; equal scores by name."""
    return sorted(names, key=lambda name: (-float(rows[name].theta.mean()), name))


def _by(word: str, methods: Sequence[str], networks: Sequence[str], suite: SuiteScores) -> Rows:
    """Return network -> scores of a method there, or of the mean over ``methods``."""
    rows = {name: suite.networks[name].methods for name in networks}
    if word == MEAN:
        return {name: mean_of_rows([of[method] for method in methods]) for name, of in rows.items()}
    return {name: of[word] for name, of in rows.items()}


def _ranked(sides: Iterable[tuple[str, Rows, Rows]], one: SuiteScores, other: SuiteScores) -> Iterator[RankedTwice]:
    for word, first, second in sides:
        if len(first.keys() & second.keys()) > 1:
            yield RankedTwice(word, (one.name, other.name), (first, second), agreement(first, second))
