"""Tables of the validity checks: pure functions of their records."""

from collections.abc import Callable, Sequence

from benchmark.records import Record, Score
from benchmark.report import placements, select
from benchmark.report.columns import WORDS, Column, count, score, tabulated
from benchmark.report.rests import rests_on
from benchmark.report.table import NOTHING, Table, number, signed, with_interval

UNCHANGED = 0.5
RULE = (
    "Marked, by the mean rank correlation with the trained network's map, signed or of absolute values: `does not change` where it is "
    f"above {UNCHANGED} with all weights random, else `blind to the head` where it is with a random head; and `hits stay` where, with all "
    f"weights random, the interval of the change of {select.MAIN} reaches 0."
)
THRESHOLDS = "cross-fitted by patient, per finding, each network for itself"


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the checks say, check by check; nothing for a suite without one."""
    parts: list[Callable[[Sequence[Record], str], list[Table]]] = [randomised, shortcut, placements.alignment, placements.conventions]
    return [table for part in parts for table in part(records, dataset)]


def randomised(records: Sequence[Record], dataset: str) -> list[Table]:
    """Per sequence of parts (backbones that are built alike): the correlations, then the hits, step by step from the head down."""
    every = placements.of(records, dataset, "randomised")
    kinds = filter(None, dict.fromkeys(map(_parts, every)))
    return [table for parts in kinds for table in _steps([r for r in every if _parts(r) == parts], parts, dataset)]


def _steps(records: Sequence[Record], parts: Sequence[str], dataset: str) -> list[Table]:
    rows = sorted(records, key=lambda r: (*map(str, select.model_of(r)), _value(r, f"rho@{parts[-1]}")))
    of = f"{dataset}: randomised from the head down, {', '.join(dict.fromkeys(r.cell.backbone for r in rows))}"
    intro = f"{RULE}\n{rests_on(rows, THRESHOLDS)}"
    return [
        tabulated(f"{of}, rank correlation with the trained network's map", intro, _correlations(parts), rows),
        tabulated(f"{of}, {select.MAIN}", intro, _hits(parts), rows),
    ]


def unchanged(record: Record) -> str:
    """How a method is marked whose maps or hits do not depend on the weights; nothing for any other."""
    parts = _parts(record)
    if not parts:
        return NOTHING
    change = record.find(f"change@{select.MAIN}@{parts[-1]}")
    top = None if change is None else change.value if change.high is None else change.high
    marks = {"does not change": _same(record, parts[-1]), "blind to the head": _same(record, parts[0]) and not _same(record, parts[-1])}
    return "; ".join(mark for mark, holds in {**marks, "hits stay": top is not None and top >= 0}.items() if holds)


def _same(record: Record, part: str) -> bool:
    return max(_value(record, f"{metric}@{part}") for metric in ("rho", "rho_abs")) > UNCHANGED


def _parts(record: Record) -> tuple[str, ...]:
    return placements.variants(record, "rho")


def _value(record: Record, metric: str) -> float:
    found = record.find(metric)
    return -1.0 if found is None or found.value is None else found.value


def _correlations(parts: Sequence[str]) -> list[Column]:
    *some, last = parts
    return [
        *WORDS,
        *(score(f"rho@{part}", heading=part) for part in some),
        score(f"rho@{last}", heading=f"{last} (all)", shown=with_interval),
        score(f"rho_abs@{last}", heading="absolute values, all", shown=with_interval),
        count(f"rho@{last}"),
        Column("", unchanged),
    ]


def _hits(parts: Sequence[str]) -> list[Column]:
    *some, last = parts
    main = select.MAIN
    return [
        *WORDS,
        score(f"{main}@trained", "cross-fitted", "trained", with_interval),
        *(score(f"{main}@{part}", "cross-fitted", part) for part in some),
        score(f"{main}@{last}", "cross-fitted", f"{last} (all)"),
        score(f"change@{main}@{last}", "cross-fitted", "all − trained", signed),
        score("pointing@trained", heading="pointing, trained"),
        score(f"pointing@{last}", heading="pointing, all"),
        count(f"{main}@{last}", "cross-fitted"),
        Column("", unchanged),
    ]


def shortcut(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the scores owe to the token, then where the maps look."""
    every = placements.of(records, dataset, "shortcut")
    judged = [r for r in every if r.cell.method == "classifier"]
    looked = sorted(
        (r for r in every if r.cell.method != "classifier"), key=lambda r: (*map(str, select.model_of(r)), -_value(r, "energy@token"))
    )
    if not every:
        return []
    names = ", ".join(dict.fromkeys(_finding(r) for r in every))
    shares = dict.fromkeys(f"{r.data.get('shortcut_present')} / {r.data.get('shortcut_absent')}" for r in every)
    told = f"A corner token goes with {names}, P(token | present) / P(token | absent) = {', '.join(shares)}."
    first = tabulated(
        f"{dataset}: shortcut, AUROC of {names} with tokens as drawn, without, and exchanged",
        f"{told} The same test patients each time; intervals and changes paired by patient.\n{rests_on(judged, 'none')}",
        _auroc(),
        judged,
    )
    second = tabulated(
        f"{dataset}: shortcut, where the maps of {names} look",
        f"{told} Images with both: share of peaks, and mean share of the positive integral, inside the token's and the finding's boxes.\n"
        + rests_on(looked, "none"),
        [
            *WORDS,
            *(score(f"{what}@{where}", shown=with_interval) for what in ("peak", "energy") for where in ("token", "finding")),
            count("peak@token"),
        ],
        looked,
    )
    return [table for table in (first, second) if table.rows]


def _auroc() -> list[Column]:
    def of(metric: str, shown: Callable[[Score | None], str]) -> Callable[[Record], str]:
        return lambda record: shown(record.find(metric, _finding(record)))

    def others(metric: str) -> Callable[[Record], str]:
        return lambda record: number(_others(record, metric))

    drawings = {"drawn": "as drawn", "none": "no token", "flipped": "exchanged"}
    return [
        *WORDS[:-2],
        *(Column(heading, of(f"auroc@{name}", with_interval)) for name, heading in drawings.items()),
        *(Column(f"{heading} − as drawn", of(f"change@auroc@{name}", signed)) for name, heading in list(drawings.items())[1:]),
        *(Column(f"other findings, {heading}", others(f"auroc@{name}")) for name, heading in drawings.items()),
        Column("n images", lambda record: str(found.n) if (found := record.find("auroc@drawn", _finding(record))) else NOTHING),
    ]


def _others(record: Record, metric: str) -> float | None:
    values = [s.value for s in record.scores if s.metric == metric and s.finding not in ("mean", _finding(record)) and s.value is not None]
    return sum(values) / len(values) if values else None


def _finding(record: Record) -> str:
    return str(record.data.get("shortcut"))
