"""Tables of the check ``shortcut``: what the scores owe to a token, and whether the maps show it."""

from collections.abc import Callable, Sequence

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.columns import NAMES, TableColumn, count, score, tabulated
from benchmark.report.rests import basis_lines
from benchmark.report.table import NOTHING, Table, number, signed, with_interval
from core.names import CLASSIFIER

PATIENTS = "The same test patients each time; intervals and changes paired by patient."
INSIDE = (
    "Images with both: share of peaks, and mean share of the positive integral, inside the token's and the finding's "
    "boxes."
)


def shortcut(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the scores owe to the token, then where the maps look.

    From records of the check ``shortcut``; a table without a row is left out.
    """
    rows = select.of_check(records, dataset, "shortcut")
    judged = [r for r in rows if r.cell.method == CLASSIFIER]
    mapped = sorted(
        (r for r in rows if r.cell.method != CLASSIFIER),
        key=lambda r: (*map(str, select.model_of(r)), -select.value(r, "energy@token")),
    )
    if not rows:
        return []
    names = ", ".join(dict.fromkeys(finding_of(r) for r in rows))
    shares = dict.fromkeys(f"{r.data.get('shortcut_present')} / {r.data.get('shortcut_absent')}" for r in rows)
    intro = f"A corner token goes with {names}, P(token | present) / P(token | absent) = {', '.join(shares)}."
    first = tabulated(
        f"{dataset}: shortcut, AUROC of {names} with tokens as drawn, without, and exchanged",
        f"{intro} {PATIENTS}\n{basis_lines(judged, 'none')}",
        _auroc(),
        judged,
    )
    inside = [f"{what}@{where}" for what in ("peak", "energy") for where in ("token", "finding")]
    second = tabulated(
        f"{dataset}: shortcut, where the maps of {names} look",
        f"{intro} {INSIDE}\n{basis_lines(mapped, 'none')}",
        [*NAMES, *(score(metric, formatter=with_interval) for metric in inside), count("peak@token")],
        mapped,
    )
    return [table for table in (first, second) if table.rows]


def _auroc() -> list[TableColumn]:
    def of(metric: str, formatter: Callable[[Score | None], str]) -> Callable[[Record], str]:
        return lambda record: formatter(record.find(metric, finding_of(record)))

    def others(metric: str) -> Callable[[Record], str]:
        return lambda r: number(select.mean(s for s in r.select(metric) if s.finding not in ("mean", finding_of(r))))

    drawings = {"drawn": "as drawn", "none": "no token", "flipped": "exchanged"}
    return [
        *NAMES[:-2],
        *(TableColumn(heading, of(f"auroc@{name}", with_interval)) for name, heading in drawings.items()),
        *(
            TableColumn(f"{heading} − as drawn", of(f"change@auroc@{name}", signed))
            for name, heading in list(drawings.items())[1:]
        ),
        *(TableColumn(f"other findings, {heading}", others(f"auroc@{name}")) for name, heading in drawings.items()),
        TableColumn("n images", of("auroc@drawn", lambda score: str(score.n) if score else NOTHING)),
    ]


def finding_of(record: Record) -> str:
    """The finding that the token goes with.

    By the data set's own word for it.
    """
    return str(record.data.get("shortcut"))
