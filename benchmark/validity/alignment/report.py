"""Report of the check ``alignment``: the effect of the conventional placement on each backbone."""

from collections.abc import Iterator, Sequence

from benchmark.records import Record, Score
from benchmark.report import select
from benchmark.report.checks import CheckReport
from benchmark.report.columns import NAMES, TableColumn, count, naming, score, tabulated
from benchmark.report.sentences import basis_lines, counted
from benchmark.report.table import NOTHING, Table, number, share, signed, with_interval
from core.names import MAIN

GAIN = f"change@{MAIN}@aligned"
CAPTION = (
    "Gain: aligned − conventional, paired by patient. Shift: error of the conventional placement, as a share of the "
    "image's side."
)


class AlignmentReport(CheckReport):
    """Gain of the aligned over the conventional placement, for each network and method."""

    question = "How much does the conventional placement of maps lower scores?"
    limit = "The effect on other networks. It depends on strides, padding and image size."

    def tables(self) -> list[Table]:
        """Return the gain of each network and size over all methods, then of each method, paired by patient."""
        rows = sorted(self.rows, key=lambda r: (r.cell.backbone, r.cell.img_size or 0, r.cell.global_pool))
        intro = f"{CAPTION}\n{basis_lines(rows, 'cross-fitted by patient, per finding and placement')}"
        headings = (f"{MAIN} conventional", "aligned", "gain", "least … most", "up", "down")
        networks = naming(rows)
        summary = Table(
            f"{self.dataset}: gain of the exact grid, mean over methods",
            f"Up, down: number of methods with a gain whose interval is above or below 0. {intro}",
            (*(column.heading for column in networks), "shift", "n methods", *headings),
            tuple(_summary(group, networks) for group in select.by_model(rows)),
        )
        return [summary, tabulated(f"{self.dataset}: aligned and conventional ({MAIN})", intro, _columns(), rows)]

    def sentences(self) -> Iterator[str]:
        """Yield a sentence per backbone, the largest loss first."""
        networks = [group for group in select.by_model(self.rows) if gains(group)]
        backbones = select.grouped(networks, lambda group: group[0].cell.backbone)
        for backbone, groups in sorted(backbones.items(), key=lambda pair: min(map(_change, pair[1]))):
            yield _sentence(backbone, groups)


def _columns() -> list[TableColumn]:
    return [
        *NAMES,
        score("shift"),
        *(score(f"{MAIN}@{side}", "cross-fitted", side, with_interval) for side in ("conventional", "aligned")),
        score(GAIN, "cross-fitted", "gain", signed),
        *(score(f"pointing@{side}", heading=f"pointing, {side}") for side in ("conventional", "aligned")),
        score("change@pointing@aligned", heading="gain in pointing", formatter=signed),
        count(GAIN, "cross-fitted"),
    ]


def _summary(records: Sequence[Record], networks: Sequence[TableColumn]) -> tuple[str, ...]:
    """Return the row of one network: mean scores of both grids, and the gains of its methods."""
    scores = gains(records)
    values = select.defined_values(scores)
    means = [
        select.mean(r.find(f"{MAIN}@{side}", origin="cross-fitted") for r in records)
        for side in ("conventional", "aligned")
    ]
    up, down = sum((s.low or 0) > 0 for s in scores), sum((s.high or 0) < 0 for s in scores)
    gain = f"{sum(values) / len(values):+.3f}" if values else NOTHING
    ends = f"{min(values):+.3f} … {max(values):+.3f}" if values else NOTHING
    model = (column.cell(records[0]) for column in networks)
    return (
        *model,
        share(records[0].find("shift")),
        str(len(values)),
        *map(number, means),
        *(gain, ends, str(up), str(down)),
    )


def gains(records: Sequence[Record]) -> list[Score]:
    """Return the gain of each method that was scored with both placements, in the unit of the main column.

    A gain of +.05 means five more hits in a hundred cases.
    """
    scores = (record.find(GAIN, origin="cross-fitted") for record in records)
    return [score for score in scores if score is not None and score.value is not None]


def _sentence(backbone: str, networks: Sequence[Sequence[Record]]) -> str:
    gained = [gain for group in networks for gain in gains(group)]
    lost, won = (sum((gain.low or 0) > 0 for gain in gained), sum((gain.high or 0) < 0 for gain in gained))
    of = f"({counted(len(networks), 'network')}, mean over methods)"
    if not any(gain.value for gain in gained):
        return f"`{backbone}`: no difference. The conventional placement is exact {of}."
    verdict = "scores drop" if lost > won else "scores do not drop" if won else "no significant change"
    shifts = select.defined_values(group[0].find("shift") for group in networks)
    changes = _range([_change(group) for group in networks], "+")
    return (
        f"`{backbone}`: {verdict}. `{MAIN}` changes by {changes} {of}, because maps are shifted by {_range(shifts)} of "
        f"the image's side. Of {counted(len(gained), 'row')}, {lost} significantly drop and {won} rise."
    )


def _change(records: Sequence[Record]) -> float:
    """Return the change of a network's score by the conventional placement, mean over methods."""
    values = select.defined_values(gains(records))
    return -sum(values) / len(values)


def _range(values: Sequence[float], sign: str = "") -> str:
    """Format the smallest and largest number, or one number if they are equal."""
    return " to ".join(dict.fromkeys(f"{value:{sign}.3f}" for value in (min(values), max(values))))
