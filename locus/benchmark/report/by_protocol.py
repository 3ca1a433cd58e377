"""First table and answer of a suite that scores the same maps by several protocols, from records alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from locus.benchmark.records import Record, load_metric
from locus.benchmark.report import select
from locus.benchmark.report.leaderboard import Leaderboard, auroc_by_model
from locus.benchmark.report.main_table import FEWEST, METHOD, NETWORK, auroc_words
from locus.benchmark.report.table import Table, short, signed_short
from locus.benchmark.scoring.statistics.agreement import kendall
from locus.core.names import MAIN, MAIN_PROTOCOL, PRIOR, UNRANKED_METHODS, UPPER_BOUND

MEASURES = {
    MAIN_PROTOCOL: (MAIN, "cross-fitted", "IoU > .3"),
    "seed": (MAIN, "cross-fitted", "seed ≥ .3"),
    "wang": ("acc@iou.3", "fixed", "wang > .3"),
    "pointing": ("pointing", "none", "pointing"),
    "energy": ("energy", "none", "energy"),
    "maxbox": ("maxboxaccv2", "cross-fitted", "MaxBoxAccV2"),
    "pxap": ("pxap", "none", "PxAP"),
    "chexlocalize": ("mask_iou", "cross-fitted", "mask IoU"),
}
"""Protocol -> its main metric, the origin of the threshold, and a heading.

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
    of_protocols = [select.of_protocol(board.records, board.dataset, name) for name in MEASURES]
    if board.methods or sum(map(bool, of_protocols)) < 2:
        return {}
    if board.maps_of is not None:
        keys = {select.row_key(record) for record in board.records}
        same = [record for record in load_metric(board.maps_of, MAIN) if select.row_key(record) in keys]
        of_protocols[0] = select.of_protocol(same, board.dataset, MAIN_PROTOCOL)
    groups = [group for of in of_protocols for group in select.trainings(select.one_alignment(of))]
    metrics = [f"{metric}{truth}" for metric, *_ in MEASURES.values() for truth in ("", "@box")]
    means, auroc = [select.mean_record(group, metrics) for group in groups], auroc_by_model(board.records)
    networks: dict[str, dict[str, dict[str, float]]] = {}
    named = select.networks_among(means)
    for record, group in zip(means, groups, strict=True):
        measured = [auroc[key] for run in group if (key := select.model_key(run)) in auroc]
        known = f" ({auroc_words(sum(measured) / len(measured))})" if measured else ""
        if (value := _value(record)) is not None:
            of_network = networks.setdefault(named(record) + known, {})
            of_network.setdefault(record.method, {})[record.cell.protocol] = value
    return networks


def _value(record: Record) -> float | None:
    metric, origin, _ = MEASURES[record.cell.protocol]
    return select.mean([record.find(metric, origin=origin) or record.find(f"{metric}@box", origin=origin)])


def table(board: Leaderboard) -> Table:
    """Return the best methods of each network, then ``prior`` and ``truth``, with a column per protocol."""
    networks = scores(board)
    present = _present(networks)
    header = (NETWORK, METHOD, *(MEASURES[name][2] for name in present))
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
    return [name for name in MEASURES if any(name in of for rows in networks.values() for of in rows.values())]


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
        words = ", ".join(f"{MEASURES[name][2]} {signed_short(means[name])}" for name in means)
        size = max(map(len, taus.values()))
        yield (
            f"**Order of the methods**: agreement with {MEASURES[first][2]} (Kendall's τ, mean over "
            f"{select.counted(size, 'network')}): {words}."
        )
