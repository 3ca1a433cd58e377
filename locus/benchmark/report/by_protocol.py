"""First table and answer of a suite that scores the same maps by several protocols, from records alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from locus.benchmark.records import Record, load_metric
from locus.benchmark.report import select
from locus.benchmark.report.leaderboard import Leaderboard, auroc_by_model
from locus.benchmark.report.main_table import FEWEST, METHOD, NETWORK, auroc_words
from locus.benchmark.report.row import Row
from locus.benchmark.report.table import Table, short, signed_short
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.statistics.rank_reversals import kendall
from locus.core.names import MAIN, MAIN_PROTOCOL, PRIOR, UNRANKED_METHODS, UPPER_BOUND

COMPARED = (MAIN_PROTOCOL, "seed", "wang", "pointing", "energy", "maxbox", "pxap", "chexlocalize")
"""Protocols in the order of the columns.

Rows are ordered by the first one, with which the others are compared. A suite without it uses that of the suite whose
maps it scores."""
Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Network -> method -> protocol -> main metric."""
NAMED = 3
"""Largest number of methods that the answer names."""
SMALLEST = 5
"""Networks with fewer methods are left out of the agreement."""


@lru_cache(maxsize=16)
def scores(board: Leaderboard) -> Scores:
    """Return the main metrics, means over training runs; empty with a main table, or for fewer than two protocols."""
    scored = {r.cell.protocol for r in board.records if r.scores and r.source != "paper"}
    if board.methods or len(scored & {*COMPARED}) < 2:
        return {}
    records, auroc = [*_records(board)], auroc_by_model(board.records)
    of_protocols = (select.of_protocol(records, board.dataset, name) for name in COMPARED)
    rows = [Row.of(runs) for of in of_protocols for runs in select.trainings(select.one_alignment(of))]
    networks: dict[str, dict[str, dict[str, float]]] = {}
    named, labels = select.networks_among(rows), dict[str, str]()
    for row in rows:
        measured = [auroc[run.cell.model_key] for run in row.runs if run.cell.model_key in auroc]
        known = f" ({auroc_words(sum(measured) / len(measured))})" if measured else ""
        protocol = protocols.get(row.cell.protocol)
        values = (row.value(metric, protocol.main_origin) for metric in (protocol.main, f"{protocol.main}@box"))
        if (value := next((value for value in values if value is not None), None)) is not None:
            label = named(row) + known
            if labels.setdefault(label, row.key_of_network) != row.key_of_network:  # another network of this name
                label = f"{label}, {row.cell.model_id}"
            of_network = networks.setdefault(label, {})
            of_network.setdefault(row.name, {})[protocol.name] = value
    return networks


def _records(board: Leaderboard) -> Iterator[Record]:
    """Yield the records of a leaderboard, with those of the main protocol from the suite whose maps it scores."""
    keys = {select.row_key(record) for record in board.records}
    yield from (r for r in board.records if board.maps_of is None or r.cell.protocol != MAIN_PROTOCOL)
    if board.maps_of is not None:
        yield from (r for r in load_metric(board.maps_of, MAIN) if select.row_key(r) in keys)


def table(board: Leaderboard) -> Table:
    """Return the best methods of each network, then ``prior`` and ``truth``, with a column per protocol."""
    networks = scores(board)
    present = _present(networks)
    header = (NETWORK, METHOD, *(protocols.get(name).heading for name in present))
    lines, baselines, rest = [], dict[tuple[str, ...], list[str]](), 0
    for network, rows in networks.items():
        methods = sorted(_ranked(rows), key=lambda name: (-rows[name].get(present[0], -1), name))
        rest += len(methods[FEWEST:])
        lines += [(network, name, *_cells(rows[name], present)) for name in methods[:FEWEST]]
        for name in (name for name in (PRIOR, UPPER_BOUND) if name in rows):
            baselines.setdefault((name, *_cells(rows[name], present)), []).append(network.split(" with ")[0])
    lines += [(", ".join(dict.fromkeys(baselines[cells])), *cells) for cells in sorted(baselines)]
    about = f"Main metric of each protocol; the best methods of each network by {header[2]}." if lines else ""
    more = f"{rest} more rows are in leaderboard.csv and on the page." if rest else ""
    return Table(f"{board.title}: methods by protocol", about, header, tuple(lines), footnote=more)


def _present(networks: Scores) -> list[str]:
    return [name for name in COMPARED if any(name in of for rows in networks.values() for of in rows.values())]


def _ranked(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [name for name in rows if name.split(":")[0] not in UNRANKED_METHODS]


def _cells(row: Mapping[str, float], present: Sequence[str]) -> tuple[str, ...]:
    return tuple(short(row.get(name)) for name in present)


def sentences(board: Leaderboard) -> Iterator[str]:
    """Yield which methods lead how often, and how far the protocols agree on the order; nothing without scores."""
    networks = scores(board)
    if not networks:
        return
    leaders, count, taus = Counter[str](), 0, dict[str, list[float]]()
    first, *others = _present(networks)
    for of_network in networks.values():
        rows = {name: of_network[name] for name in _ranked(of_network)}
        for protocol in others:
            values = {name: row[protocol] for name, row in rows.items() if protocol in row}
            leaders.update(name for name, value in values.items() if value == max(values.values()))
            count += bool(values)
            both = np.array([(row[first], row[protocol]) for row in rows.values() if {first, protocol} <= {*row}])
            if len(both) >= SMALLEST and np.isfinite(tau := float(kendall(*both.T))):
                taus.setdefault(protocol, []).append(tau)
    if leaders:
        ordered = sorted(leaders, key=lambda name: (-leaders[name], name))
        named = [f"`{ordered[0]}` leads in {leaders[ordered[0]]} of {count} combinations of network and protocol"]
        named += [f"`{name}` in {leaders[name]}" for name in ordered[1:NAMED]]
        more = f", {len(ordered) - NAMED} others in fewer" if len(ordered) > NAMED else ""
        yield f"{', '.join(named)}{more}."
    if taus:
        means = {name: sum(values) / len(values) for name, values in taus.items()}
        words = ", ".join(f"{protocols.get(name).heading} {signed_short(means[name])}" for name in means)
        size = max(map(len, taus.values()))
        yield (
            f"**Order of the methods**: agreement with {protocols.get(first).heading} (Kendall's τ, mean over "
            f"{select.counted(size, 'network')}): {words}."
        )
