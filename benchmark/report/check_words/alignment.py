"""What the conventional placement of maps costs each backbone."""

from collections.abc import Iterator, Sequence

from benchmark.records import Record
from benchmark.report import placements, select
from benchmark.report.check_words.names import counted
from core.names import MAIN

QUESTION = "What does the conventional placement of maps cost?"
LIMIT = "What it costs a network that is not here. That follows from its strides, its padding and the image's size."


def sentences(records: Sequence[Record], dataset: str) -> Iterator[str]:
    """A sentence per backbone, the one that loses most first."""
    rows = select.of_check(records, dataset, "alignment")
    backbones: dict[str, list[list[Record]]] = {}
    for group in select.by_model(rows):
        if placements.gains(group):
            backbones.setdefault(group[0].cell.backbone, []).append(group)
    for backbone, groups in sorted(backbones.items(), key=lambda pair: min(map(_change, pair[1]))):
        yield _sentence(backbone, groups)


def _sentence(backbone: str, networks: Sequence[Sequence[Record]]) -> str:
    gains = [gain for group in networks for gain in placements.gains(group)]
    lost, won = (sum((gain.low or 0) > 0 for gain in gains), sum((gain.high or 0) < 0 for gain in gains))
    of = f"({counted(len(networks), 'network')}, mean over methods)"
    if not any(gain.value for gain in gains):
        return f"`{backbone}`: nothing. Its maps lie where the convention puts them {of}."
    verdict = "it loses" if lost > won else "it loses nothing" if won else "no loss can be told"
    shifts = select.known(group[0].find("shift") for group in networks)
    changes = _range([_change(group) for group in networks], "+")
    return (
        f"`{backbone}`: {verdict}. `{MAIN}` changes by {changes} {of}: its maps lie {_range(shifts)} of the image's "
        f"side off. Of {counted(len(gains), 'row')} {lost} really lose and {won} gain."
    )


def _change(records: Sequence[Record]) -> float:
    """What the conventional placement adds to a network's score, mean over methods."""
    gains = select.known(placements.gains(records))
    return -sum(gains) / len(gains)


def _range(values: Sequence[float], sign: str = "") -> str:
    """The least and the greatest of some numbers, once where they are the same."""
    return " to ".join(dict.fromkeys(f"{value:{sign}.3f}" for value in (min(values), max(values))))
