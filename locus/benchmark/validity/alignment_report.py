"""Report of the check ``alignment``: the effect of the conventional placement, and of pictures, on each network.

It is made from the records alone; ``alignment`` computes them.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from locus.benchmark.records import Record, Score
from locus.benchmark.report import select
from locus.benchmark.report.all_tables import CheckReport
from locus.benchmark.report.charts import Chart, Spec, strip
from locus.benchmark.report.columns import NAMES, TableColumn, count, naming, score, tabulated
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.select import basis_lines, counted, networks_among
from locus.benchmark.report.table import NOTHING, Table, number, share, signed, with_interval
from locus.core.names import MAIN, backbone_words
from locus.core.scores import Origin

IMAGES = 100
"""Number of boxed images, drawn by patient, on which pictures are compared."""


GAIN = f"change@{MAIN}@aligned"
CAPTION = (
    "Gain: aligned − conventional, paired by patient. Shift: error of the conventional placement, as a share of the "
    "image's side."
)
PLACEMENTS = ("conventional", "aligned")
MEASURES: tuple[tuple[str, Origin], ...] = ((MAIN, "cross-fitted"), (MAIN, "fixed"), ("pointing", "none"))
PICTURES = (
    "The same maps, rectified, scaled and resized in the order of each package; `ours` uses the exact grid. Scored on "
    f"at most {IMAGES} images with boxes, drawn by patient. Thresholds: cross-fitted by patient, per finding and "
    "convention; fixed: .5 of the scaled picture."
)


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw the change of each method by the conventional placement, a line per network, the largest loss first."""
    records = select.of_protocol(leaderboard.records, leaderboard.dataset, "alignment")
    groups = sorted((group for group in select.by_model(records) if gains(group)), key=_change)
    named = networks_among(records)
    values = [
        {"network": named(group[0]), "value": -gain.value}
        for group in groups
        for gain in gains(group)
        if gain.value is not None
    ]
    about = f"Change of {MAIN} by the conventional placement. A dot is a method, the tick is their mean."
    return strip(values, "conventional − aligned", about)


class AlignmentReport(CheckReport):
    """Gain of the aligned over the conventional placement, and scores of pictures, for each network and method."""

    question = "How much does the conventional placement of maps lower scores?"
    charts: ClassVar = (Chart("alignment", "Change by the conventional placement", draw),)
    limit = (
        "The effect on other networks, which depends on strides, padding and image size; and which convention gives "
        "the best pictures for people."
    )

    def tables(self) -> list[Table]:
        """Return the gain of each network, then of each method, then methods × conventions per metric."""
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
        single = tabulated(f"{self.dataset}: aligned and conventional ({MAIN})", intro, _columns(), rows)
        pictured, names = with_pictures(rows)
        return [
            summary,
            single,
            *(_pictures(self.dataset, pictured, names, *measure) for measure in MEASURES if pictured),
        ]

    def sentences(self) -> Iterator[str]:
        """Yield a sentence per backbone, the largest loss first, then one on pictures."""
        networks = [group for group in select.by_model(self.rows) if gains(group)]
        backbones = select.grouped(networks, lambda group: backbone_words(group[0].cell.backbone))
        for backbone, groups in sorted(backbones.items(), key=lambda pair: min(map(_change, pair[1]))):
            yield _sentence(backbone, groups)
        pictured, names = with_pictures(self.rows)
        several = [group for group in select.by_model(pictured) if len(group) > 1]
        if several:
            yield _picture_sentence([[_values(r, MAIN, "cross-fitted", names) for r in group] for group in several])


def _columns() -> list[TableColumn]:
    return [
        *NAMES,
        score("shift"),
        *(score(f"{MAIN}@{side}", "cross-fitted", side, with_interval) for side in PLACEMENTS),
        score(GAIN, "cross-fitted", "gain", signed),
        *(score(f"pointing@{side}", heading=f"pointing, {side}") for side in PLACEMENTS),
        score("change@pointing@aligned", heading="gain in pointing", formatter=signed),
        count(GAIN, "cross-fitted"),
    ]


def _summary(records: Sequence[Record], networks: Sequence[TableColumn]) -> tuple[str, ...]:
    """Return the row of one network: mean scores of both grids, and the gains of its methods."""
    scores = gains(records)
    values = select.defined_values(scores)
    means = [select.mean(r.find(f"{MAIN}@{side}", origin="cross-fitted") for r in records) for side in PLACEMENTS]
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
    shifts = select.defined_values(group[0].find("shift") for group in networks)
    changes = _range([_change(group) for group in networks], "+")
    return (
        f"`{backbone}`: the conventional placement changes `{MAIN}` by {changes} {of}, because maps are shifted by "
        f"{_range(shifts)} of the image's side. Of {counted(len(gained), 'row')}, {lost} significantly drop and {won} "
        "rise."
    )


def _change(records: Sequence[Record]) -> float:
    """Return the change of a network's score by the conventional placement, mean over methods."""
    values = select.defined_values(gains(records))
    return -sum(values) / len(values)


def _range(values: Sequence[float], sign: str = "") -> str:
    """Format the smallest and largest number, or one number if they are equal."""
    return " to ".join(dict.fromkeys(f"{value:{sign}.3f}" for value in (min(values), max(values))))


def with_pictures(records: Sequence[Record]) -> tuple[list[Record], tuple[str, ...]]:
    """Return the records that have scores of pictures, and the names of their conventions, ``ours`` first."""
    names = dict.fromkeys(name for record in records for name in select.variants(record, "pointing"))
    conventions = tuple(name for name in names if name not in PLACEMENTS)
    complete = [r for r in records if len(_values(r, MAIN, "cross-fitted", conventions)) == len(conventions)]
    return complete if conventions else [], conventions


def _pictures(dataset: str, records: Sequence[Record], names: Sequence[str], metric: str, origin: Origin) -> Table:
    """Return a table of methods × conventions of one metric."""
    columns = [
        *NAMES,
        *(score(f"{metric}@{name}", origin, name) for name in names),
        TableColumn("range", _spread(metric, origin, names)),
        count(f"{metric}@{names[0]}", origin),
    ]
    title = f"{dataset}: {metric} by convention" + ("" if origin == "none" else f", {origin} thresholds")
    return tabulated(title, PICTURES, columns, records)


def _spread(metric: str, origin: Origin, names: Sequence[str]) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        values = _values(record, metric, origin, names)
        return number(max(values) - min(values)) if values else NOTHING

    return cell


def _values(record: Record, metric: str, origin: Origin, names: Sequence[str]) -> list[float]:
    return select.defined_values(record.find(f"{metric}@{name}", origin=origin) for name in names)


def _picture_sentence(networks: Sequence[Sequence[Sequence[float]]]) -> str:
    """Say how much conventions (columns, ours first) change the scores of methods (rows) of the ``networks``."""
    pairs = [(a, b) for rows in networks for a, b in itertools.combinations(rows, 2) if a[0] != b[0]]
    changed = sum(any((x - y) * (a[0] - b[0]) < 0 for x, y in zip(a, b, strict=True)) for a, b in pairs)
    spread = _range([_over_conventions(rows) for rows in networks])
    return (
        f"A package's convention for pictures changes a method's `{MAIN}` by {spread} "
        f"({counted(len(networks), 'network')}, mean over methods), and the order of {changed} of "
        f"{counted(len(pairs), 'pair')} of methods."
    )


def _over_conventions(table: Sequence[Sequence[float]]) -> float:
    """Return the largest − smallest score in a row, mean over rows."""
    return sum(max(row) - min(row) for row in table) / len(table)
