"""Columns of tables: of records, then of entries with their intervals, verdicts and the classifier's AUROC.

``tabulated`` makes a table from records and ``TableColumn`` objects; ``score`` and ``count`` make columns. ``same_as``
and ``equal_scores`` find methods that give the same map by construction, or that have equal scores, for the column
``same map as``. Cells are formatted in ``table``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from locus.benchmark.records.record import Record
from locus.benchmark.report import entry, select
from locus.benchmark.report.entry import NO_NETWORK, Entry, is_single, run_count, worse_by
from locus.benchmark.report.table import NOTHING, Table, number, share, signed, with_interval, with_n
from locus.core.names import MAIN, MAIN_PROTOCOL, UNRANKED_METHODS
from locus.core.scores import Origin, Score

FEWEST = 20
"""Number of cases from which equal scores are not a coincidence."""
PROPORTIONAL = ("AVG", "MAX", "LSE", "EXP", "AVG_MAX", "AVG_MAX_LSE")
"""Poolings whose gradients sum to the classifier's weights: Grad-CAM's weights are those of CAM up to a factor."""
UNCHANGING = (*PROPORTIONAL, "LINEAR")
"""Poolings with which mean gradients do not depend on the scale of the features: ShapleyCAM subtracts 0."""


def equal_scores(records: Sequence[Record]) -> dict[str, str]:
    """Return key of a record -> alphabetically first method with the same scores on the same network.

    This finds equal maps of users' methods: all findings, metrics and thresholds of the main protocol agree. Other
    protocols use less of a map, so different maps may have equal scores.
    """
    first: dict[tuple[object, ...], str] = {}
    out: dict[str, str] = {}
    for record in sorted(records, key=lambda record: record.method):
        scores = record.mean.scores if isinstance(record, Entry) else record.scores
        values = frozenset((s.finding, s.metric, s.threshold_origin, s.value, s.n) for s in scores)
        few = max((score.n for score in scores), default=0) < FEWEST
        if few or record.method in UNRANKED_METHODS or record.cell.protocol != MAIN_PROTOCOL:
            continue
        other = first.setdefault((record.cell.without_method.key, values), record.method)
        out |= {record.key: other} if other != record.method else {}
    return out


def same_as(method: str, pooling: str) -> str:
    """Return the method that gives the same map, up to a positive factor, with a pooling and a linear head; else "".

    ``rectified cam`` is max(0, ·) of that map. Averaging makes all gradients of a channel equal, so there HiResCAM is
    CAM, and X-Grad-CAM is Grad-CAM. With the poolings in ``UNCHANGING``, ShapleyCAM is Grad-CAM.

    >>> same_as("gradcam", "LSE:gamma=5"), same_as("hirescam", "AVG"), same_as("hirescam", "LSE")
    ('rectified cam', 'cam', '')
    """
    name = pooling.split(":")[0]
    if method == "gradcam" and name in PROPORTIONAL:
        return "rectified cam"
    if method == "shapleycam" and name in UNCHANGING:
        return "gradcam"
    same = {"hirescam:smooth=eigen": "eigengradcam", "kpcacam:kernel=linear": "eigencam"}
    if method in same:
        return same[method]
    return {"hirescam": "cam", "xgradcam": "gradcam"}.get(method, "") if name == "AVG" else ""


Kind = Literal["", "model", "varying", "declared", "optional"]
"""``model``: part of the network's name. ``varying``: the same, omitted if all rows agree. ``declared``: the same,
omitted if no row has a value. ``optional``: any other column, omitted if no row has a value."""
OF_NETWORK = ("model", "varying", "declared")
SINGLE, SPREAD, ONE_MORE, TRAININGS, MAY_BE_BEST, WORSE_BY, THAN = HEADINGS = (
    *("this run only [95%]", "sd over runs", "one more run [95%]", "training runs"),
    *("may be the best", "worse by [95%]", "compared with"),
)


@dataclass(frozen=True)
class TableColumn:
    """A heading, and a function that returns the text of a record's cell."""

    heading: str
    cell: Callable[[Record], str]
    kind: Kind = ""
    pick: Callable[[Record], Score | int | None] | None = None
    """Function that returns the score or count of the cell, for ``leaderboard.csv``."""


SAME = "same map as"
MODEL = (
    TableColumn("backbone", lambda r: r.cell.backbone or NOTHING, "model"),
    TableColumn("pooling", lambda r: r.cell.global_pool or NOTHING, "model"),
    TableColumn("attention", lambda r: r.cell.attention_map or NOTHING, "varying"),
    TableColumn("size", lambda r: str(r.cell.img_size or NOTHING), "varying"),
    TableColumn("seed", lambda r: NOTHING if r.cell.seed is None else str(r.cell.seed), "varying"),
    TableColumn("trained on", lambda r: str(r.cell.recipe.get("trained_on", NOTHING)), "declared"),
)
NAMES = (
    *MODEL,
    TableColumn("method", lambda r: r.method),
    TableColumn(SAME, lambda r: same_as(r.method, r.cell.global_pool), "optional"),
)
"""First columns of every table."""
NAMES_AND_ALIGNMENT = (*NAMES, TableColumn("alignment", lambda r: r.cell.alignment or NOTHING, "varying"))
"""First columns of tables with rows of both alignments."""

Formatter = Callable[[Score | None], str]


def score(
    metric: str, origin: Origin | None = None, heading: str = "", formatter: Formatter = share, kind: Kind = ""
) -> TableColumn:
    """Return a column with the mean of a metric over findings; a dash if a record has none.

    >>> from locus.benchmark.records import Cell
    >>> values = (Score(finding="mean", metric="pointing", value=0.5, n=8),)
    >>> score("pointing").cell(Record(cell=Cell(dataset="phantom", method="cam"), scores=values))
    '0.500'
    """

    def pick(record: Record) -> Score | None:
        return record.find(metric, origin=origin)

    return TableColumn(heading or metric, lambda record: formatter(pick(record)), kind, pick)


def count(metric: str, origin: Origin | None = None, heading: str = "n cases") -> TableColumn:
    """Return a column with a metric's n: the number of cases (image x finding), or of what ``heading`` names."""

    def pick(record: Record) -> int | None:
        result = record.find(metric, origin=origin)
        return None if result is None else result.n

    return TableColumn(heading, lambda record: str(pick(record) or NOTHING), pick=pick)


def with_common_n(
    heading: str, pick: Callable[[Record], Score | None], records: Sequence[Record], formatter: Formatter = share
) -> TableColumn:
    """Return a column of scores, with n in the heading if all ``records`` agree, else in the cells."""
    counts = {picked.n for r in records if (picked := pick(r)) is not None}
    if len(counts) != 1:
        return TableColumn(heading, lambda record: with_n(pick(record)))
    return TableColumn(f"{heading} (n {counts.pop()})", lambda record: formatter(pick(record)))


def tabulated(title: str, intro: str, columns: Sequence[TableColumn], records: Sequence[Record]) -> Table:
    """Return a table with a row per record, in their order.

    Baselines with equal scores for several networks are merged into one row, named ``any``.
    """
    equal = equal_scores(records)
    merged: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
    for n, record in enumerate(records):
        cells = tuple(_cell(column, record, equal) for column in columns)
        same = tuple(cell for cell, column in zip(cells, columns, strict=True) if column.kind not in OF_NETWORK)
        merged.setdefault(same if record.cell.method in NO_NETWORK else (str(n),), []).append((record.key, cells))
    groups = [list(zip(*group, strict=True)) for group in merged.values()]
    rows = [[of[0] if len({*of}) == 1 else "any" for of in zip(*cells, strict=True)] for _, cells in groups]
    indices = [i for i, column in enumerate(columns) if _is_included(column.kind, [row[i] for row in rows])]
    header, *body = (tuple(row[i] for i in indices) for row in ([column.heading for column in columns], *rows))
    return Table(title, intro, header, tuple(body), tuple(keys for keys, _ in groups))


def _cell(column: TableColumn, record: Record, equal: Mapping[str, str]) -> str:
    """Return the text of a cell; for ``same map as``, fall back to a method with ``equal`` scores."""
    return column.cell(record) or (equal.get(record.key, "") if column.heading == SAME else "")


def naming(records: Sequence[Record]) -> tuple[TableColumn, ...]:
    """Return the columns that name the networks of ``records``, without those that ``tabulated`` would omit."""
    return tuple(column for column in MODEL if _is_included(column.kind, [column.cell(record) for record in records]))


def _is_included(kind: str, cells: Sequence[str]) -> bool:
    if kind == "varying":
        return len({*cells} - {NOTHING}) > 1
    return kind not in ("optional", "declared") or any(cell not in ("", NOTHING) for cell in cells)


def with_runs(table: Table, rows: Sequence[Entry]) -> Table:
    """Return a table of networks or effects with the keys of the training runs of each row."""
    return replace(table, keys=tuple(tuple(run.key for run in row.runs) for row in rows))


def yes_or_no(score: Score | None) -> str:
    """Format a verdict; a dash if there is none."""
    return NOTHING if score is None else "yes" if score.value else "no"


def _may_be_best(record: Record) -> str:
    verdict = record.find("may_be_best")
    below = verdict is not None and verdict.value and not entry.may_be_best(record)
    return f"no: {entry.BELOW_PRIOR}" if below else yes_or_no(verdict)


def _main_of_method(record: Record) -> str:
    main = select.main_score(record)
    return f"{share(main)} (1 run)" if is_single(record) and main is not None else with_interval(main)


def _ends(score: Score | None) -> str:
    return NOTHING if score is None or score.low is None else f"[{number(score.low)}, {number(score.high)}]"


VERDICTS = (
    TableColumn(MAY_BE_BEST, _may_be_best, "optional"),
    TableColumn(WORSE_BY, lambda r: with_interval(worse_by(r)[1]), "optional"),
    TableColumn(THAN, lambda r: worse_by(r)[0] or NOTHING, "optional"),
)
"""Whether a row may be the best, by how much it is worse, and than which row."""
SPREAD_OVER_RUNS = score("seed_sd", heading=SPREAD, kind="optional")
ABOVE_PRIOR = score("above_prior", heading="− prior [95%]", formatter=signed, kind="optional")
FIRST = score("p_first", heading="P(best)", kind="optional")
AUROC = (score("auroc", formatter=with_n), score("auroc@boxed", heading="auroc, images with boxes", formatter=with_n))
"""Columns of the classifier of a row."""
MAIN_OF_METHODS = (
    TableColumn(f"{MAIN} [95%]", _main_of_method, pick=select.main_score),
    TableColumn(SINGLE, lambda r: _ends(select.main_score(r)) if is_single(r) else NOTHING, "optional"),
    SPREAD_OVER_RUNS,
    TableColumn(ONE_MORE, lambda r: _ends(r.find("one_more")), "optional"),
    TableColumn(TRAININGS, lambda r: str(run_count(r) or NOTHING), "model"),
    *VERDICTS,
)
"""The main column of a method, its intervals and spread over training runs, and the verdict on it."""
