"""Whether the methods that hit the lesion are those that explain the network."""

from collections.abc import Iterator, Sequence

from benchmark.records import Record
from benchmark.report import faithfulness, select
from benchmark.report.entries import mean_records
from benchmark.report.table import with_interval
from core.names import BASELINES, FAITHFULNESS
from core.names import LIMIT as TRUTH

QUESTION = "Do methods that hit the lesion more often explain the network better?"
LIMIT = "Whether hidden pixels themselves move the answer. The network was trained on no such image."


def sentences(records: Sequence[Record], dataset: str) -> Iterator[str]:
    """How far the rankings agree, then each network's most faithful method beside the truth and the baselines."""
    yield from faithfulness.sentences(records, dataset)
    rows = mean_records(select.of_check(records, dataset, FAITHFULNESS))
    for group in select.by_model(record for record in rows if select.known([record.find("road")])):
        if entered := [record for record in group if select.is_method(record)]:
            yield f"{select.network(group[0])}: the most faithful by `road` is {_best(entered)}{_beside(group)}."


def _beside(rows: Sequence[Record]) -> str:
    """What the truth's own boxes and the best map without a network have."""
    words = [f"; the true boxes as a map have {_road(record)}" for record in rows if record.method == TRUTH]
    blind = [record for record in rows if record.method in BASELINES]
    return "".join(words) + (f"; of maps that see no network {_best(blind)} is the best" if blind else "")


def _best(rows: Sequence[Record]) -> str:
    best = max(rows, key=lambda record: select.value(record, "road"))
    return f"`{best.method}` with {_road(best)}"


def _road(record: Record) -> str:
    return with_interval(record.find("road"))
