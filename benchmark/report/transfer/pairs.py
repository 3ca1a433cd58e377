"""Comparison of two suites: the methods of each network that both have, and these networks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.report.transfer.scores import Rows, SuiteScores
from benchmark.scoring.statistics.agreement import Agreement, agreement
from benchmark.scoring.statistics.entries import ALPHA, EntryScores, mean_of_rows

MEAN = "mean over methods"
"""Name of the mean score that networks are ranked by, in addition to each single method."""
FEWEST = 5
"""Smallest number of rows for a rank correlation: with fewer, even the same order has p above .05."""


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
        return len(self.names) >= FEWEST


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
