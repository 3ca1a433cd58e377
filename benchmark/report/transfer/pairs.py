"""Two suites held against each other: the methods of each network that both have, and these networks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.report.transfer.scores import Rows, SuiteScores
from benchmark.scoring.statistics.agreement import Agreement, agreement
from benchmark.scoring.statistics.entries import ALPHA, EntryScores, mean_of_rows

MEAN = "mean over methods"
"""What networks are ranked by, beside one method after the other."""
FEWEST = 5
"""Rows of which a rank correlation is stated: of fewer not even the same order has p below .05."""


@dataclass(frozen=True, eq=False)
class RankedTwice:
    """Rows ranked on two suites: the methods of a network, or the networks by a method.

    ``sides`` are the rows of the first and of the second suite, ``agreement`` what their rankings have in common.
    """

    of: str
    """The network, or the method."""
    suites: tuple[str, str]
    sides: tuple[Rows, Rows]
    agreement: Agreement

    @property
    def names(self) -> tuple[str, ...]:
        """The rows that both have."""
        return self.agreement.names

    @property
    def first(self) -> tuple[str, str]:
        """The best of the common rows on either suite."""
        one, other = (ranking(rows, self.names)[0] for rows in self.sides)
        return one, other

    @property
    def trainings(self) -> tuple[list[int], list[int]]:
        """How many each row has on either suite."""
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
    """Those that both suites have.

    By backbone, pooling and attention, in the order of the first suite.
    """
    return [name for name in one.networks if name in other.networks]


def of_methods(one: SuiteScores, other: SuiteScores) -> list[RankedTwice]:
    """The methods within each common network.

    One ranking per network that two methods or more of both suites have.
    """
    names = common_networks(one, other)
    sides = ((name, one.networks[name].methods, other.networks[name].methods) for name in names)
    return list(_ranked(sides, one, other))


def of_networks(one: SuiteScores, other: SuiteScores) -> list[RankedTwice]:
    """The common networks: by the mean over the methods that all of them have, then by each of these."""
    networks = common_networks(one, other)
    known = [suite.networks[name].methods for name in networks for suite in (one, other)]
    methods = [name for name in known[0] if all(name in rows for rows in known)] if known else []
    words = [MEAN, *methods] if methods else []
    sides = ((word, _by(word, methods, networks, one), _by(word, methods, networks, other)) for word in words)
    return list(_ranked(sides, one, other))


def ranking(rows: Mapping[str, EntryScores], names: Iterable[str]) -> list[str]:
    """``names`` from the best mean score down.

    Equal scores stand by name.
    """
    return sorted(names, key=lambda name: (-float(rows[name].theta.mean()), name))


def _by(word: str, methods: Sequence[str], networks: Sequence[str], suite: SuiteScores) -> Rows:
    """The row that stands for each network."""
    rows = {name: suite.networks[name].methods for name in networks}
    if word == MEAN:
        return {name: mean_of_rows([of[method] for method in methods]) for name, of in rows.items()}
    return {name: of[word] for name, of in rows.items()}


def _ranked(sides: Iterable[tuple[str, Rows, Rows]], one: SuiteScores, other: SuiteScores) -> Iterator[RankedTwice]:
    for word, first, second in sides:
        if len(first.keys() & second.keys()) > 1:
            yield RankedTwice(word, (one.name, other.name), (first, second), agreement(first, second))
