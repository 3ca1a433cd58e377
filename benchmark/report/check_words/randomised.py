"""Whether maps change when the weights are drawn anew."""

from collections.abc import Callable, Iterator, Sequence

from benchmark.records import Record, Score
from benchmark.report import select, validity
from benchmark.report.check_words.names import counted, listed, network
from benchmark.report.table import number, signed
from core.names import MAIN

QUESTION = "Do maps change when the weights are drawn anew?"
LIMIT = "That a map is right because it changes. It depends on the weights, no more."


def sentences(records: Sequence[Record], dataset: str) -> Iterator[str]:
    """Which methods keep their maps or their hits with random weights, which only need no head."""
    rows = [r for r in select.of_check(records, dataset, "randomised") if select.variants(r, "rho")]
    entered = [record for record in rows if select.is_method(record)]
    kept = [record for record in entered if _is_marked(record, "does not change")]
    if kept:
        yield (
            f"The maps of {_by_method(kept, rows, _all)} stay much as they were with all weights drawn anew (rank "
            f"correlation above {validity.UNCHANGED}): they do not explain the network."
        )
    yield from _changed([record for record in entered if record not in kept], rows, "other " if kept else "")
    yield from _hits(entered, rows)
    if blind := [record for record in entered if _is_marked(record, "blind to the head")]:
        yield (
            f"With the head alone drawn anew, the maps of {_by_method(blind, rows, _head)} stay much as they were: "
            "they say little of the weights by which the network tells the finding."
        )
    if marked := dict.fromkeys(r.method for r in rows if r not in entered and _is_marked(r, "does not change")):
        yield f"{listed([f'`{word}`' for word in marked])} look at no weight. They are marked, as they must be."


def _changed(changed: Sequence[Record], rows: Sequence[Record], which: str) -> Iterator[str]:
    if changed:
        most = max(changed, key=_all)
        methods = counted(len({record.method for record in changed}), f"{which}method")
        networks = counted(len(select.by_model(changed)), "network")
        yield (
            f"The maps of {methods} on {networks} change: with all weights drawn anew, their mean rank correlation "
            f"with the trained network's maps is at most {number(_all(most))} (`{most.method}`, {network(most, rows)}; "
            "1 is the same map)."
        )


def _hits(entered: Sequence[Record], rows: Sequence[Record]) -> Iterator[str]:
    """Whether hits go with the weights: whose stay, and the least that the others lose."""
    staying = [record for record in entered if _is_marked(record, "hits stay")]
    if staying:
        yield f"Hits stay with all weights drawn anew: {_by_method(staying, rows, _change)}."
    changes = {r.key: change for r in entered if r not in staying and (change := _change_of(r)) is not None}
    if falling := [record for record in entered if record.key in changes]:
        least = max(falling, key=_change)
        yield (
            f"{'All others lose hits' if staying else 'Hits go, too'}: `{MAIN}` changes by at "
            f"least {signed(_change_of(least))} (`{least.method}`, {network(least, rows)})."
        )


def _by_method(records: Sequence[Record], rows: Sequence[Record], value: Callable[[Record], float]) -> str:
    """Each method with its networks and values."""
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(record.method, []).append(f"{network(record, rows)} {number(value(record))}")
    return listed([f"`{method}` ({', '.join(values)})" for method, values in groups.items()])


def _is_marked(record: Record, mark: str) -> bool:
    return mark in validity.unchanged(record).split("; ")


def _head(record: Record) -> float:
    return select.value(record, f"rho@{select.variants(record, 'rho')[0]}")


def _all(record: Record) -> float:
    return select.value(record, f"rho@{select.variants(record, 'rho')[-1]}")


def _change_of(record: Record) -> Score | None:
    return record.find(f"change@{MAIN}@{select.variants(record, 'rho')[-1]}")


def _change(record: Record) -> float:
    score = _change_of(record)
    return 0.0 if score is None or score.value is None else score.value
