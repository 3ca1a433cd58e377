"""Tables below the main one: one per protocol, for comparison with published tables, then the breakdowns.

``NAMES`` are the first columns; ``score`` and ``count`` make others. A ``TableLayout`` is one table of one protocol:
thresholds, description and columns, and those of each source of its threshold. ``LAYOUTS`` lists them; a protocol
without a layout, such as a user's, has ``layout_of_means``. The scores come from
``locus.benchmark.scoring.protocols``. The breakdowns show the main metric by threshold, by training run and by group
of cases. ``by_protocol`` and ``protocol_sentences`` are the first table and the answer of a suite that scores the same
maps by several protocols.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from locus.benchmark.records import Record, load_metric
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report import grouping
from locus.benchmark.report.grouping import basis_lines
from locus.benchmark.report.leaderboard import Leaderboard, auroc_by_model
from locus.benchmark.report.main_table import METHOD, MIN_ROWS_PER_NETWORK, NETWORK, auroc_words
from locus.benchmark.report.row import Row, by_network
from locus.benchmark.report.table import (
    NOTHING,
    Kind,
    Table,
    TableColumn,
    share,
    short,
    signed_short,
    tabulated,
    with_interval,
    with_n,
)
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.statistics.rank_reversals import kendall
from locus.core.names import CENTER, MAIN, MAIN_PROTOCOL, PRIOR, UNRANKED_METHODS, UPPER_BOUND, backbone_words
from locus.core.scores import Score, ThresholdSource

NAMES = (
    TableColumn("backbone", lambda row: backbone_words(row.cell.backbone) or NOTHING, "network"),
    TableColumn("pooling", lambda row: row.cell.global_pool or NOTHING, "network"),
    TableColumn("attention", lambda row: row.cell.attention_map or NOTHING, "varying"),
    TableColumn("size", lambda row: str(row.cell.img_size or NOTHING), "varying"),
    TableColumn("seed", lambda row: NOTHING if row.cell.seed is None else str(row.cell.seed), "varying"),
    TableColumn("trained on", lambda row: str(row.cell.recipe.get("trained_on", NOTHING)), "declared"),
    TableColumn("results", lambda row: PUBLISHED if row.is_published else "yours", "varying"),
    TableColumn("method", lambda row: row.name),
)
"""First columns of every table of another protocol or of a check."""


def score(
    metric: str,
    threshold_source: ThresholdSource | None = None,
    heading: str = "",
    formatter: Callable[[Score | None], str] = share,
    kind: Kind = "",
) -> TableColumn:
    """Return a column with the mean of a metric over findings; a dash if a row has none.

    >>> from locus.benchmark.records import Cell, Record
    >>> values = (Score(finding="mean", metric="pointing", value=0.5, n=8),)
    >>> score("pointing").cell(Row.of([Record(cell=Cell(dataset="phantom", method="cam"), scores=values)]))
    '0.500'
    """
    return TableColumn(
        heading or metric, lambda row: formatter(row.find(metric, threshold_source=threshold_source)), kind
    )


def count(metric: str, threshold_source: ThresholdSource | None = None, heading: str = "n cases") -> TableColumn:
    """Return a column with a metric's n: the number of cases (image x finding), or of what ``heading`` names."""
    return score(metric, threshold_source, heading, lambda found: str(found.n if found and found.n else NOTHING))


THRESHOLD_SOURCES = (
    "fixed: .5 for all; otsu: by Otsu's rule, for each map; validation: the best on validation images; cross-fitted: "
    "the best on the patients of the other folds; oracle: the best on the test cases themselves, an upper bound for "
    "one threshold per finding"
)
SHARED = (
    "Thresholds are chosen per finding; `shared`: one threshold for all findings. optimism: oracle − cross-fitted, the "
    "gain from choosing on the test annotations. A dash: not scored, or no boxed image to choose a threshold on."
)


@dataclass(frozen=True)
class TableLayout:
    """One table of one protocol."""

    protocol: str
    title: str
    thresholds: str
    """Source of the score thresholds."""
    about: str
    """Meaning of the columns."""
    columns: tuple[TableColumn, ...]
    needs: str = ""
    """Metric that a record must have to be a row; empty for any record."""

    def fill(self, board: Leaderboard) -> Table:
        """Return the table of a leaderboard on all its images."""
        return self.table(board.of_protocol(self.protocol), board.title)

    def table(self, rows: Sequence[Row], dataset: str) -> Table:
        """Return the table of the ``rows`` that have what it ``needs``; they may have both alignments."""
        rows = [row for row in rows if not self.needs or row.find(self.needs) is not None]
        intro = f"{basis_lines(rows, self.thresholds)}\n{self.about}"
        return tabulated(f"{dataset}: {self.title}", intro, [*NAMES, *self.columns], rows)


def layout_of_means(protocol: str, rows: Sequence[Row]) -> TableLayout:
    """Return the default layout, used for protocols of users: every mean metric of its ``rows``, with n."""
    means = dict.fromkeys((s.metric, s.threshold_source) for row in rows for s in row.select("mean"))
    columns = [
        score(
            metric, threshold_source, metric if threshold_source == "none" else f"{metric}, {threshold_source}", with_n
        )
        for metric, threshold_source in means
    ]
    return TableLayout(protocol, protocol, "see the columns", "Mean over findings.", tuple(columns))


def sources(metric: str, optimism: str = "optimism") -> tuple[TableColumn, ...]:
    """Return the columns of ``metric`` for every threshold source, then its ``optimism`` and n."""
    shared = f"{metric}@shared"
    return (
        score(metric, "fixed", "fixed"),
        score(metric, "otsu", "otsu"),
        score(metric, "validation", "validation"),
        score(shared, "validation", "validation, shared", kind="optional"),
        score(metric, "cross-fitted", "cross-fitted", with_interval),
        score(shared, "cross-fitted", "cross-fitted, shared", with_interval),
        score(metric, "oracle", "oracle", with_interval),
        score(shared, "oracle", "oracle, shared", with_interval),
        score(optimism, heading="optimism", formatter=with_interval),
        score(f"{optimism}@shared", heading="optimism, shared", formatter=with_interval),
        count(metric, "cross-fitted"),
    )


IOU = (".1", ".2", ".3", ".4", ".5", ".6", ".7")
IOBB = (".1", ".25", ".5", ".75", ".9")
OVERLAPS = tuple(
    f"hit@{measure}{level}" for measure in ("iou", "iobb") for level in (".1", ".2", ".25", ".3", ".4", ".5")
)
GRID = "with factor and high from a 7×7 grid"


def _wang(measure: str, word: str, levels: tuple[str, ...]) -> TableLayout:
    """Return the layout of the table of protocol wang for one measure of overlap."""
    pairs = [(f"{kind} {level}", f"{kind.lower()}@{measure}{level}") for level in levels for kind in ("Acc", "AFP")]
    return TableLayout(
        "wang",
        f"wang, T({word})",
        "fixed: 60 and 180 of 255; the boxes of both levels are pooled",
        "Mean over findings. Acc: share of truth boxes localized; AFP: false boxes of a finding per truth box of all "
        "findings.",
        (
            *(score(metric, heading=name, kind="optional") for name, metric in pairs),
            count("acc@iou.1", heading="n boxes"),
        ),
        needs=pairs[0][1],
    )


def _seed(threshold_source: ThresholdSource, rule: str) -> TableLayout:
    """Return the layout of the table of ``adaptive_threshold`` for thresholds of one source."""
    means = (
        score("no_overlap", threshold_source),
        score("mean_iou", threshold_source),
        score("mean_iobb", threshold_source, formatter=with_n),
    )
    return TableLayout(
        "adaptive_threshold",
        f"adaptive_threshold, {threshold_source}",
        f"{threshold_source}: {rule}",
        "Mean over findings of the share of cases with an overlap ≥ the level. mean_iobb covers cases with a "
        "predicted box.",
        (*(score(metric, threshold_source) for metric in OVERLAPS), *means, count(OVERLAPS[0], threshold_source)),
    )


def _without(row: Row) -> str:
    """Format the number of cases without energy and of all cases."""
    energy, all_cases = row.find("energy"), row.find("no_energy")
    return NOTHING if energy is None or all_cases is None else f"{all_cases.n - energy.n} of {all_cases.n}"


WANG = (_wang("iou", "IoU", IOU), _wang("iobb", "IoBB", IOBB))
SEED = (
    _seed("fixed", "min(factor · mean, high) with factor 1.95 and high .6"),
    _seed("cross-fitted", f"the same rule, by patient, per finding, {GRID}"),
)
POINTING = TableLayout(
    "pointing",
    "pointing game",
    "none, the maximum of the map is used",
    "Mean over findings. pointing@15 also counts a maximum within 15·W/224 pixels of a box (W: image width).",
    (*(score(metric, formatter=with_interval) for metric in ("pointing", "pointing@15")), count("pointing")),
)
ENERGY = TableLayout(
    "energy",
    "energy",
    "none, the whole map is used",
    "energy: share of the rectified map's integral inside the truth, mean over findings. no energy: maps without "
    "positive values, which are left out.",
    (score("energy", formatter=with_interval), count("energy"), TableColumn("no energy", _without)),
)


def _maxbox(metric: str, name: str, what: str, *more: TableColumn) -> TableLayout:
    """Return the layout of a table of protocol maxbox for one metric."""
    return TableLayout(
        "maxbox",
        f"maxbox, {name}",
        THRESHOLD_SOURCES,
        f"{name}: {what}. At 224×224 pixels, mean over findings. Published scores use an oracle threshold shared by "
        f"all cases, as `oracle, shared` does; networks and images differ. {SHARED}",
        (*sources(metric, f"optimism@{metric}"), *more),
        needs=metric,
    )


def _chexlocalize(word: str, truth: str) -> TableLayout:
    """Return the layout of the table of protocol chexlocalize for one kind of truth."""
    masks, all_masks = f"mask_iou{word}", f"mask_iou_all{word}"
    return TableLayout(
        "chexlocalize",
        f"chexlocalize, {truth}",
        f"chosen from .2, .3 … .8 by mean IoU, except fixed and otsu; {THRESHOLD_SOURCES}",
        f"Truth is {truth}. Mask IoU over the cases where truth and prediction are both non-empty, mean over "
        f"findings; the published scores use `validation`. {SHARED} mask_iou_all: over the cases where at least one "
        "is non-empty; a miss or false alarm counts as 0. hit_rate: the map's first maximum is inside the truth.",
        (
            *sources(masks, f"optimism{word}"),
            *(
                score(all_masks, threshold_source, f"mask_iou_all, {threshold_source}", kind="optional")
                for threshold_source in ("fixed", "otsu", "validation", "oracle")
            ),
            score(all_masks, "cross-fitted", "mask_iou_all, cross-fitted", with_n),
            score(f"hit_rate{word}", heading="hit_rate", formatter=with_interval),
            count(f"hit_rate{word}", heading="n truths"),
        ),
        needs=f"hit_rate{word}",
    )


MAXBOX = (
    _maxbox("maxboxacc", "MaxBoxAcc", "the box of the largest contour has IoU ≥ .5"),
    _maxbox(
        "maxboxaccv2",
        "MaxBoxAccV2",
        "the box of any contour, mean over IoU ≥ .3, .5 and .7, each with its own threshold (last columns: one by one)",
        *(score(f"maxboxaccv2@iou.{tenth}", "cross-fitted", f"IoU ≥ .{tenth}") for tenth in (3, 5, 7)),
        *(score(f"maxboxaccv2@iou.{tenth}", "oracle", f"IoU ≥ .{tenth} oracle") for tenth in (3, 5, 7)),
    ),
)
PXAP = TableLayout(
    "pxap",
    "pxap",
    "none, all thresholds are used",
    "Pixel-wise average precision at 224×224 over the pooled pixels of all cases of a finding; mean over findings. "
    "Truth is the mask or, if there is none, the interior of the boxes.",
    (score("pxap", formatter=with_interval), count("pxap")),
)
CHEXLOCALIZE = (_chexlocalize("", "masks"), _chexlocalize("@box", "the interior of boxes"))
LAYOUTS = (*WANG, *SEED, POINTING, ENERGY, *MAXBOX, PXAP, *CHEXLOCALIZE)


ONE_NETWORK = (
    "Each row is one training run. Its interval reflects variation between patients, not between training runs."
)
SUBGROUPS_ABOUT = (
    "Rows: the best method of each network, then prior and center, each on its first training run. The scores are "
    "slightly too high because the method was selected. Thresholds are not chosen again within a group. size: share of "
    "the image covered by the largest box. co_occurrence: number of findings in the image. classifier_correct: whether "
    "the classifier detected the finding. Two groups may differ because their findings differ."
)


THRESHOLDS = "cross-fitted by patient in 5 folds, per finding"


def by_threshold(board: Leaderboard) -> Table:
    """Return the main column for each source of the score threshold, and the optimism of the oracle.

    The oracle threshold is chosen on the test annotations: an upper bound, never a result.
    """
    rows = (*board.methods, *board.baselines)
    intro = f"{basis_lines(rows, THRESHOLD_SOURCES)}\n{SHARED}"
    return tabulated(f"{board.title}: thresholds ({MAIN})", intro, [*NAMES, *sources(MAIN)], rows)


def per_training_run(board: Leaderboard) -> Table:
    """Return a row per training run of the rows that have several: the spread between seeds."""
    rows = [Row.of([run]) for row in board.methods if len(row.runs) > 1 for run in row.runs]
    columns = [
        *(replace(column, kind="network") if column.heading == "seed" else column for column in NAMES),
        score(MAIN, "cross-fitted", f"{MAIN} [95%, this run only]", with_interval),
        score("pointing", formatter=with_interval),
        count(MAIN, "cross-fitted"),
    ]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{ONE_NETWORK}"
    return tabulated(f"{board.title}: individual training runs", intro, columns, rows)


def subgroups(board: Leaderboard) -> Table:
    """Return the main column in groups of cases, such as box size, view, sex and age.

    Rows are the best method of each network, then ``prior`` and ``center``, each on its first training run. Headings or
    cells contain n.
    """
    best = [group[0] for group in by_network(board.methods).values()]
    blind = [row for row in board.baselines if row.name in (PRIOR, CENTER)]
    rows = [Row.of(row.runs[:1]) for row in (*best, *blind) if row.runs[0].subgroups]
    groups = dict.fromkeys((s.variable, s.group) for row in rows for s in row.runs[0].subgroups)
    columns = [_of_group(*name, rows) for name in groups]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{SUBGROUPS_ABOUT}" if rows else ""
    return tabulated(f"{board.title}: {MAIN} by group of cases", intro, [*NAMES, *columns], rows)


def _of_group(variable: str, group: str, rows: Sequence[Row]) -> TableColumn:
    """Return the main column in one group of cases, with n in the heading if all ``rows`` agree, else in the cells."""

    def pick(row: Row) -> Score | None:
        subgroups = (s for s in row.runs[0].subgroups if (s.variable, s.group) == (variable, group))
        wanted = (MAIN, "mean", "cross-fitted")
        scores = (s for subgroup in subgroups for s in subgroup.scores)
        return next((s for s in scores if (s.metric, s.finding, s.threshold_source) == wanted), None)

    counts = {score.n for row in rows if (score := pick(row)) is not None}
    heading = f"{variable}: {group}"
    if len(counts) != 1:
        return TableColumn(heading, lambda row: with_n(pick(row)))
    return TableColumn(f"{heading} (n {counts.pop()})", lambda row: share(pick(row)))


COMPARED = (MAIN_PROTOCOL, "adaptive_threshold", "wang", "pointing", "energy", "maxbox", "pxap", "chexlocalize")
"""Protocols in the order of the columns.

Rows are ordered by the first one, with which the others are compared. A suite without it uses that of the suite whose
maps it scores."""
MainMetrics = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Network -> method -> protocol -> main metric."""
MAX_LEADERS = 3
"""Largest number of methods that the answer names."""
MIN_METHODS = 5
"""Networks with fewer methods are left out of the agreement."""


@lru_cache(maxsize=16)
def protocol_scores(board: Leaderboard) -> MainMetrics:
    """Return the main metrics, means over training runs; empty with a main table, or for fewer than two protocols."""
    scored = {r.cell.protocol for r in board.records if r.scores and r.source != "paper"}
    if board.methods or len(scored & {*COMPARED}) < 2:
        return {}
    records, auroc = [*_records(board)], auroc_by_model(board.records)
    of_protocols = (grouping.of_protocol(records, board.dataset, name) for name in COMPARED)
    rows = [Row.of(runs) for of in of_protocols for runs in grouping.trainings(grouping.one_alignment(of))]
    networks: dict[str, dict[str, dict[str, float]]] = {}
    named, labels = grouping.networks_among(rows), dict[str, str]()
    for row in rows:
        measured = [auroc[run.cell.model_key] for run in row.runs if run.cell.model_key in auroc]
        known = f" ({auroc_words(sum(measured) / len(measured))})" if measured else ""
        protocol = protocols.get(row.cell.protocol)
        values = (row.value(metric, protocol.main_source) for metric in (protocol.main, f"{protocol.main}@box"))
        if (value := next((value for value in values if value is not None), None)) is not None:
            label = named(row) + known
            if labels.setdefault(label, row.key_of_network) != row.key_of_network:  # another network of this name
                label = f"{label}, {row.cell.model_id}"
            of_network = networks.setdefault(label, {})
            of_network.setdefault(row.name, {})[protocol.name] = value
    return networks


def _records(board: Leaderboard) -> Iterator[Record]:
    """Yield the records of a leaderboard, with those of the main protocol from the suite whose maps it scores."""
    keys = {grouping.row_key(record) for record in board.records}
    yield from (r for r in board.records if board.maps_of is None or r.cell.protocol != MAIN_PROTOCOL)
    if board.maps_of is not None:
        yield from (r for r in load_metric(board.maps_of, MAIN) if grouping.row_key(r) in keys)


def by_protocol(board: Leaderboard) -> Table:
    """Return the best methods of each network, then ``prior`` and ``truth``, with a column per protocol."""
    networks = protocol_scores(board)
    present = _present(networks)
    header = (NETWORK, METHOD, *(protocols.get(name).heading for name in present))
    lines, baselines, rest = [], dict[tuple[str, ...], list[str]](), 0
    for network, rows in networks.items():
        methods = sorted(_ranked(rows), key=lambda name: (-rows[name].get(present[0], -1), name))
        rest += len(methods[MIN_ROWS_PER_NETWORK:])
        lines += [(network, name, *_main_metrics(rows[name], present)) for name in methods[:MIN_ROWS_PER_NETWORK]]
        for name in (name for name in (PRIOR, UPPER_BOUND) if name in rows):
            baselines.setdefault((name, *_main_metrics(rows[name], present)), []).append(network.split(" with ")[0])
    lines += [(", ".join(dict.fromkeys(baselines[cells])), *cells) for cells in sorted(baselines)]
    about = f"Main metric of each protocol; the best methods of each network by {header[2]}." if lines else ""
    more = f"{rest} more rows are in leaderboard.csv and on the page." if rest else ""
    return Table(f"{board.title}: methods by protocol", about, header, tuple(lines), footnote=more)


def _present(networks: MainMetrics) -> list[str]:
    return [name for name in COMPARED if any(name in of for rows in networks.values() for of in rows.values())]


def _ranked(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [name for name in rows if name.split(":")[0] not in UNRANKED_METHODS]


def _main_metrics(row: Mapping[str, float], present: Sequence[str]) -> tuple[str, ...]:
    return tuple(short(row.get(name)) for name in present)


def protocol_sentences(board: Leaderboard) -> Iterator[str]:
    """Yield which methods lead how often, and how far the protocols agree on the order; nothing without scores."""
    networks = protocol_scores(board)
    if not networks:
        return
    leaders, count, taus = Counter[str](), 0, dict[str, list[float]]()
    first, *others = _present(networks)
    for of_network in networks.values():
        rows = {name: of_network[name] for name in _ranked(of_network)}
        for protocol in others:
            values = {name: row[protocol] for name, row in rows.items() if protocol in row}
            leaders.update(name for name, value in values.items() if value == max(values.values()))
            count += bool(values)
            both = np.array([(row[first], row[protocol]) for row in rows.values() if {first, protocol} <= {*row}])
            if len(both) >= MIN_METHODS and np.isfinite(tau := float(kendall(*both.T))):
                taus.setdefault(protocol, []).append(tau)
    if leaders:
        ordered = sorted(leaders, key=lambda name: (-leaders[name], name))
        named = [f"`{ordered[0]}` leads in {leaders[ordered[0]]} of {count} combinations of network and protocol"]
        named += [f"`{name}` in {leaders[name]}" for name in ordered[1:MAX_LEADERS]]
        more = f", {len(ordered) - MAX_LEADERS} others in fewer" if len(ordered) > MAX_LEADERS else ""
        yield f"{', '.join(named)}{more}."
    if taus:
        means = {name: sum(values) / len(values) for name, values in taus.items()}
        words = ", ".join(f"{protocols.get(name).heading} {signed_short(means[name])}" for name in means)
        size = max(map(len, taus.values()))
        yield (
            f"**Order of the methods**: agreement with {protocols.get(first).heading} (Kendall's τ, mean over "
            f"{grouping.counted(size, 'network')}): {words}."
        )
