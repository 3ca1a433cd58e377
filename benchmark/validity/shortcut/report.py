"""Report of the check ``shortcut``: the effect of a token on scores, and the share of maps that show it."""

from collections.abc import Callable, Iterator, Sequence

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.checks import CheckReport
from benchmark.report.columns import NAMES, TableColumn, count, score, tabulated
from benchmark.report.sentences import basis_lines, counted, network
from benchmark.report.table import NOTHING, Table, number, share, signed, with_interval
from core.names import CLASSIFIER, NOISE

PATIENTS = "All variants have the same test patients; intervals and changes are paired by patient."
INSIDE = (
    "On images with the finding and the token: share of peaks, and mean share of the positive integral, inside the "
    "boxes of the token and of the finding."
)


class ShortcutReport(CheckReport):
    """AUROC with tokens as drawn, without tokens and with exchanged tokens, and positions of the maps' peaks."""

    question = "Do the scores depend on a shortcut, and do the maps show it?"
    limit = "Unknown shortcuts. Here the position of the token is known."

    def tables(self) -> list[Table]:
        """Return the AUROC with and without the token, then the positions of peaks; empty tables are left out."""
        judged = [r for r in self.rows if r.cell.method == CLASSIFIER]
        mapped = sorted(
            (r for r in self.rows if r.cell.method != CLASSIFIER),
            key=lambda r: (*map(str, select.model_key(r)), -select.value(r, "energy@token")),
        )
        names = ", ".join(dict.fromkeys(finding_of(r) for r in self.rows))
        shares = dict.fromkeys(f"{r.data.get('shortcut_present')} / {r.data.get('shortcut_absent')}" for r in self.rows)
        intro = f"A corner token correlates with {names}: P(token | present) / P(token | absent) = {', '.join(shares)}."
        first = tabulated(
            f"{self.dataset}: shortcut, AUROC of {names} with tokens as drawn, without tokens, with exchanged tokens",
            f"{intro} {PATIENTS}\n{basis_lines(judged, 'none')}",
            _auroc_columns(),
            judged,
        )
        inside = [f"{what}@{where}" for what in ("peak", "energy") for where in ("token", "finding")]
        second = tabulated(
            f"{self.dataset}: shortcut, position of the maps of {names}",
            f"{intro} {INSIDE}\n{basis_lines(mapped, 'none')}",
            [*NAMES, *(score(metric, formatter=with_interval) for metric in inside), count("peak@token")],
            mapped,
        )
        return [table for table in (first, second) if table.rows]

    def sentences(self) -> Iterator[str]:
        """Yield the number of training runs that use the token; per network, its effect and the maps' positions."""
        trainings = select.by_model(self.rows)
        networks = select.grouped(trainings, lambda group: select.network_key(group[0]))
        if len(networks) < len(trainings):
            yield _overall(trainings)
        firsts = [groups[0][0] for groups in networks.values()]
        for first, groups in zip(firsts, networks.values(), strict=True):
            sentences = _of_one(groups[0]) if len(groups) == 1 else _of_several(groups)
            yield from (f"{network(first, firsts)}: {words}" for words in sentences)


def _auroc_columns() -> list[TableColumn]:
    """Return the columns with the AUROC as drawn, without the token, and with exchanged tokens."""

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
    """Return the finding that the token is correlated with, as the data set names it."""
    return str(record.data.get("shortcut"))


def _of_one(group: Sequence[Record]) -> Iterator[str]:
    yield from (_dependence(record) for record in _classifiers(group))
    if mapped := _mapped(group):
        yield _peaks(mapped)
        yield _energy(mapped, group)


def _of_several(groups: Sequence[Sequence[Record]]) -> Iterator[str]:
    """Yield the sentences on a network with several training runs, with a number for each run."""
    classifiers = [record for group in groups for record in _classifiers(group)]
    figures = "; ".join(
        f"seed {r.cell.seed} {_auroc(r, 'drawn')}, {_auroc(r, 'none')}, {_auroc(r, 'flipped')}" for r in classifiers
    )
    yield (
        f"the AUROC of {finding_of(classifiers[0])} depends on the token in {sum(map(_depends, classifiers))} of "
        f"{len(classifiers)} training runs. As drawn, without tokens, with tokens exchanged: {figures}."
    )
    mapped = [records for group in groups if (records := _mapped(group))]
    if mapped:
        at_token = "; ".join(f"seed {records[0].cell.seed} {_count(records, 'token', 'finding')}" for records in mapped)
        at_finding = ", ".join(_count(records, "finding", "token") for records in mapped)
        yield f"methods that point at the token: {at_token}. At the finding: {at_finding}."
        yield _energy([record for records in mapped for record in records], groups[0])


def _overall(trainings: Sequence[Sequence[Record]]) -> str:
    dependent = [group for group in trainings if any(map(_depends, _classifiers(group)))]
    visible = [group for group in dependent if _pointing(_mapped(group), "token", "finding")]
    return (
        f"{len(dependent)} of {len(trainings)} training runs depend on the token. In {len(visible)} of these "
        f"{len(dependent)}, at least one method points at it: maps may miss a shortcut."
    )


def _classifiers(group: Sequence[Record]) -> list[Record]:
    return [record for record in group if record.method == CLASSIFIER]


def _mapped(group: Sequence[Record]) -> list[Record]:
    return [record for record in group if record.find("peak@token") is not None and select.is_method(record)]


def _dependence(record: Record) -> str:
    change = signed(record.find("change@auroc@flipped", finding_of(record)))
    verdict = "depends on the token" if _depends(record) else "is not shown to depend on the token"
    return (
        f"the AUROC of {finding_of(record)} {verdict}: {_auroc(record, 'drawn')} as drawn, "
        f"{_auroc(record, 'none')} without tokens, {_auroc(record, 'flipped')} with tokens exchanged ({change})."
    )


def _auroc(record: Record, tokens: str) -> str:
    return share(record.find(f"auroc@{tokens}", finding_of(record)))


def _depends(record: Record) -> bool:
    change = record.find("change@auroc@flipped", finding_of(record))
    return change is not None and change.high is not None and change.high < 0


def _peaks(records: Sequence[Record]) -> str:
    """Count the methods that point at the token and at the finding, as far as the intervals allow."""
    on_token, on_finding = _pointing(records, "token", "finding"), _pointing(records, "finding", "token")
    images = next((score.n for r in records if (score := r.find("peak@token")) is not None), 0)
    unsettled = len(records) - len(on_token) - len(on_finding)
    listing = f" ({'; '.join(map(_both, on_token))})" if on_token else ""
    return (
        f"{len(on_token)} of {counted(len(records), 'method')} point at the token{listing}, {len(on_finding)} at "
        f"the finding; {unsettled} are undecided (peaks of maps on {counted(images, 'image')} with both)."
    )


def _count(records: Sequence[Record], one: str, other: str) -> str:
    return f"{len(_pointing(records, one, other))} of {len(records)}"


def _energy(records: Sequence[Record], group: Sequence[Record]) -> str:
    most = max(records, key=lambda record: select.value(record, "energy@token"))
    noise = [record for record in group if record.method == NOISE]
    chance = "".join(f"; `{NOISE}` has {share(record.find('energy@token'))}" for record in noise)
    return f"at most {share(most.find('energy@token'))} of a map's energy is on the token (`{most.method}`){chance}."


def _pointing(records: Sequence[Record], one: str, other: str) -> list[Record]:
    """Return the methods whose peaks are on ``one`` more often than on ``other``, with disjoint intervals."""
    return [record for record in records if _is_above(record, one, other)]


def _is_above(record: Record, one: str, other: str) -> bool:
    higher, lower = record.find(f"peak@{one}"), record.find(f"peak@{other}")
    ends = (None if higher is None else higher.low, None if lower is None else lower.high)
    return ends[0] is not None and ends[1] is not None and ends[0] > ends[1]


def _both(record: Record) -> str:
    return f"`{record.method}` {share(record.find('peak@token'))}, the finding {share(record.find('peak@finding'))}"
