"""Whether the scores rest on the token, and whether the maps tell."""

from collections.abc import Iterator, Sequence

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.check_words.names import counted, network
from benchmark.report.shortcut import finding_of
from benchmark.report.table import share, signed
from core.names import CLASSIFIER, NOISE

QUESTION = "Do the scores rest on a shortcut, and would a map tell?"
LIMIT = "A shortcut that nobody knows of. Here it is known where the token lies, for it was drawn."


def sentences(records: Sequence[Record], dataset: str) -> Iterator[str]:
    """Per network what the scores owe to the token, then where its maps look."""
    rows = select.of_check(records, dataset, "shortcut")
    for group in select.by_model(rows):
        yield from (_owed(record, network(record, rows)) for record in group if record.method == CLASSIFIER)
        mapped = [record for record in group if record.find("peak@token") is not None and select.is_method(record)]
        if mapped:
            name = network(mapped[0], rows)
            yield f"{name}: {_peaks(mapped)}"
            yield f"{name}: {_energy(mapped, [record for record in group if record.method == NOISE])}"


def _owed(record: Record, name: str) -> str:
    finding = finding_of(record)
    drawn, none, exchanged = (share(record.find(f"auroc@{word}", finding)) for word in ("drawn", "none", "flipped"))
    change = record.find("change@auroc@flipped", finding)
    figures = f"{drawn} as drawn, {none} without tokens, {exchanged} with tokens exchanged ({signed(change)})"
    rests = change is not None and change.high is not None and change.high < 0
    verdict = "rests on the token" if rests else "shows no sign of resting on the token"
    return f"{name}: the AUROC of {finding} {verdict}: {figures}."


def _peaks(records: Sequence[Record]) -> str:
    """On which of the two the maxima lie, as far as the intervals tell."""
    on_token = [record for record in records if _is_above(record, "token", "finding")]
    on_finding = [record for record in records if _is_above(record, "finding", "token")]
    images = next((score.n for r in records if (score := r.find("peak@token")) is not None), 0)
    unsettled = len(records) - len(on_token) - len(on_finding)
    listing = f" ({'; '.join(map(_both, on_token))})" if on_token else ""
    return (
        f"{len(on_token)} of {counted(len(records), 'method')} point at the token{listing}, {len(on_finding)} at "
        f"the finding; of {unsettled} it cannot be told (peaks of maps, {counted(images, 'image')} with both)."
    )


def _energy(records: Sequence[Record], noise: Sequence[Record]) -> str:
    most = max(records, key=lambda record: select.value(record, "energy@token"))
    chance = "".join(f"; `{NOISE}` has {share(record.find('energy@token'))}" for record in noise)
    return f"of a map's energy at most {share(most.find('energy@token'))} lies on the token (`{most.method}`){chance}."


def _is_above(record: Record, one: str, other: str) -> bool:
    higher, lower = record.find(f"peak@{one}"), record.find(f"peak@{other}")
    ends = (None if higher is None else higher.low, None if lower is None else lower.high)
    return ends[0] is not None and ends[1] is not None and ends[0] > ends[1]


def _both(record: Record) -> str:
    return f"`{record.method}` {share(record.find('peak@token'))}, the finding {share(record.find('peak@finding'))}"
