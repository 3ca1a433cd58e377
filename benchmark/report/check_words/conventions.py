"""How much of a score is due to the way in which a map becomes a picture."""

from collections.abc import Iterator, Sequence

from benchmark.records import Record
from benchmark.report import placements, select
from benchmark.report.check_words.names import network
from benchmark.report.table import number
from benchmark.report.variance_decomposition import VarianceDecomposition
from core.names import MAIN

QUESTION = "How much of a score is convention?"
LIMIT = "Which picture is the best to look at. `ours` alone asks where the network looked."


def sentences(records: Sequence[Record], dataset: str) -> Iterator[str]:
    """A sentence per network, the one that conventions move most first."""
    rows = select.of_check(records, dataset, "conventions")
    names = placements.convention_names(rows)
    taken_apart = [
        (network(group[0], rows), of_all, placements.decomposed(group, MAIN, "cross-fitted", names[1:]))
        for group in select.by_model(rows)
        if (of_all := placements.decomposed(group, MAIN, "cross-fitted", names)) is not None
    ]
    for name, of_all, of_peers in sorted(taken_apart, key=lambda part: -part[1].conventions):
        yield _sentence(name, names[0], of_all, of_peers)


def _sentence(name: str, ours: str, of_all: VarianceDecomposition, of_peers: VarianceDecomposition | None) -> str:
    peers = f" ({_percent(of_peers.conventions)} without `{ours}`)" if of_peers is not None else ""
    return (
        f"{name}: {_percent(of_all.conventions)} of what differs in `{MAIN}` is convention{peers}, "
        f"{_percent(of_all.methods)} is method. The convention moves a method's score by "
        f"{number(of_all.over_conventions)} (mean over methods); under `{ours}` the methods lie "
        f"{number(of_all.over_methods)} apart. {of_all.rank_reversals} of {of_all.pairs} pairs of methods change order."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
