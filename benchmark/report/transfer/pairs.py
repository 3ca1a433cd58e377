"""Two suites held against each other: the methods of each network that both have, and these networks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmark.report.transfer.scores import Rows, SuiteScores, mean_over
from benchmark.statistics.agreement import Agreement, agreement
from benchmark.statistics.entries import EntryScores

MEAN, BEST = BY_ALL = ("mean over methods", "first method of each")
"""What networks are ranked by, beside one method after the other."""


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
        """Whether the two rankings agree beyond chance."""
        return self.agreement.low > 0


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
    """The common networks: by the mean over the methods that all of them have, by their best, then by each of these."""
    networks = common_networks(one, other)
    known = [suite.networks[name].methods for name in networks for suite in (one, other)]
    methods = [name for name in known[0] if all(name in rows for rows in known)] if known else []
    words = [*BY_ALL, *methods] if methods else []
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
        return {name: mean_over([of[method] for method in methods]) for name, of in rows.items()}
    return {name: of[ranking(of, of)[0] if word == BEST else word] for name, of in rows.items()}


def _ranked(sides: Iterable[tuple[str, Rows, Rows]], one: SuiteScores, other: SuiteScores) -> Iterator[RankedTwice]:
    for word, first, second in sides:
        if len(first.keys() & second.keys()) > 1:
            yield RankedTwice(word, (one.name, other.name), (first, second), agreement(first, second))
