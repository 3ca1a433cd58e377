"""Tables below the main one: one per protocol, for comparison with published tables, then the breakdowns.

A ``TableLayout`` is one table of one protocol: thresholds, description and columns, and those of each origin of its
threshold. ``LAYOUTS`` lists them; a protocol without a layout, such as a user's, has ``layout_of_means``. The scores
come from ``locus.benchmark.scoring.protocols``. The breakdowns show the main metric by finding, by training run and by
group of cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from locus.benchmark.records.record import Record
from locus.benchmark.report import entry, select
from locus.benchmark.report.columns import (
    NAMES,
    NAMES_AND_ALIGNMENT,
    TableColumn,
    count,
    score,
    tabulated,
    with_common_n,
)
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.main_table import INTERVALS, THRESHOLDS
from locus.benchmark.report.select import basis_lines
from locus.benchmark.report.table import NOTHING, Table, difference, with_interval, with_n
from locus.benchmark.scoring.protocols import registry
from locus.core.names import CENTER, MAIN, MAIN_PROTOCOL, PRIOR
from locus.core.scores import Origin, Score

ORIGINS = (
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
    """Origin of the score thresholds."""
    about: str
    """Meaning of the columns."""
    columns: tuple[TableColumn, ...]
    main: tuple[str, Origin | None]
    """Metric and origin of its threshold (None: the only one) shown for a single finding."""
    needs: str = ""
    """Metric that a record must have to be a row; empty for any record."""

    def fill(self, records: Sequence[Record], dataset: str) -> Table:
        """Return the table of a data set on all its images."""
        scored = select.of_protocol(records, dataset, self.protocol)
        return self.table([r for r in scored if not self.needs or r.find(self.needs) is not None], dataset)

    def table(self, rows: Sequence[Record], dataset: str) -> Table:
        """Return the table of the records ``rows``, which may have both alignments."""
        intro = f"{basis_lines(rows, self.thresholds)}\n{self.about}"
        return tabulated(f"{dataset}: {self.title}", intro, [*NAMES_AND_ALIGNMENT, *self.columns], rows)


def layout_of_means(protocol: str, records: Sequence[Record]) -> TableLayout:
    """Return the default layout, used for protocols of users: every mean metric of its records, with n."""
    means = dict.fromkeys(
        (s.metric, s.threshold_origin) for r in records if r.cell.protocol == protocol for s in r.select(finding="mean")
    )
    columns = [
        score(metric, origin, metric if origin == "none" else f"{metric}, {origin}", with_n) for metric, origin in means
    ]
    main_metric = registry.read_attribute(protocol, "main") if protocol in registry.names() else None
    main = next((mean for mean in means if mean[0] == main_metric), next(iter(means), ("", None)))
    return TableLayout(protocol, protocol, "see the columns", "Mean over findings.", tuple(columns), main)


def origins(metric: str, optimism: str = "optimism") -> tuple[TableColumn, ...]:
    """Return the columns of ``metric`` at every origin, per finding and shared, then its ``optimism`` and n."""
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
        (f"acc@{measure}{levels[2]}", "fixed"),
        needs=pairs[0][1],
    )


def _seed(origin: Origin, rule: str) -> TableLayout:
    """Return the layout of the table of protocol seed for thresholds of one origin."""
    means = (score("no_overlap", origin), score("mean_iou", origin), score("mean_iobb", origin, formatter=with_n))
    return TableLayout(
        "seed",
        f"seed, {origin}",
        f"{origin}: {rule}",
        "Mean over findings of the share of cases with an overlap ≥ the level. mean_iobb covers cases with a "
        "predicted box.",
        (*(score(metric, origin) for metric in OVERLAPS), *means, count(OVERLAPS[0], origin)),
        (MAIN, origin),
    )


def _without(record: Record) -> str:
    """Format the number of cases without energy and of all cases."""
    energy, all_cases = record.find("energy"), record.find("no_energy")
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
    ("pointing", None),
)
ENERGY = TableLayout(
    "energy",
    "energy",
    "none, the whole map is used",
    "energy: share of the rectified map's integral inside the truth, mean over findings. no energy: maps without "
    "positive values, which are left out.",
    (score("energy", formatter=with_interval), count("energy"), TableColumn("no energy", _without)),
    ("energy", None),
)


def _maxbox(metric: str, name: str, what: str, *more: TableColumn) -> TableLayout:
    """Return the layout of a table of protocol maxbox for one metric."""
    return TableLayout(
        "maxbox",
        f"maxbox, {name}",
        ORIGINS,
        f"{name}: {what}. At 224×224 pixels, mean over findings. Published scores use an oracle threshold shared by "
        f"all cases, as `oracle, shared` does; networks and images differ. {SHARED}",
        (*origins(metric, f"optimism@{metric}"), *more),
        (metric, "cross-fitted"),
        needs=metric,
    )


def _chexlocalize(word: str, truth: str) -> TableLayout:
    """Return the layout of the table of protocol chexlocalize for one kind of truth."""
    masks, all_masks = f"mask_iou{word}", f"mask_iou_all{word}"
    return TableLayout(
        "chexlocalize",
        f"chexlocalize, {truth}",
        f"chosen from .2, .3 … .8 by mean IoU, except fixed and otsu; {ORIGINS}",
        f"Truth is {truth}. Mask IoU over the cases where truth and prediction are both non-empty, mean over "
        f"findings; the published scores use `validation`. {SHARED} mask_iou_all: over the cases where at least one "
        "is non-empty; a miss or false alarm counts as 0. hit_rate: the map's first maximum is inside the truth.",
        (
            *origins(masks, f"optimism{word}"),
            *(
                score(all_masks, origin, f"mask_iou_all, {origin}", kind="optional")
                for origin in ("fixed", "otsu", "validation", "oracle")
            ),
            score(all_masks, "cross-fitted", "mask_iou_all, cross-fitted", with_n),
            score(f"hit_rate{word}", heading="hit_rate", formatter=with_interval),
            count(f"hit_rate{word}", heading="n truths"),
        ),
        (masks, "cross-fitted"),
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
    ("pxap", None),
)
CHEXLOCALIZE = (_chexlocalize("", "masks"), _chexlocalize("@box", "the interior of boxes"))
LAYOUTS = (*WANG, *SEED, POINTING, ENERGY, *MAXBOX, PXAP, *CHEXLOCALIZE)


ONE_NETWORK = (
    "Each row is one training run. Its interval reflects variation between patients, not between training runs."
)
EACH_ALIGNMENT = "cross-fitted by patient, per finding, separately for each alignment"
ALIGNMENT_ABOUT = (
    "Both placements are the same on a centred grid (the small CNN). Each interval belongs to the score in its own "
    "column. The suite `alignment` has paired intervals of the difference."
)
STRATA_ABOUT = (
    "Rows: the best method of each network over all cases, then prior and center. Other methods may be as good, and "
    "the scores are slightly too high because the method was selected. `records.parquet` has all methods, with "
    "intervals and by finding (columns `variable`, `group`). Thresholds are those of the main table, not chosen "
    "again within a group. size: share of the image covered by the largest box. company: number of findings in the "
    "image. answer: whether the classifier detected the finding. Scores are means over the findings of the group, so "
    "two groups may differ because their findings differ."
)


def per_finding(leaderboard: Leaderboard) -> Table:
    """Return the main column by finding.

    The number of cases is in the header if all rows agree, else in the cells. Intervals cover one training run.
    """
    rows = [entry.mean for entry in leaderboard.entries]
    findings = dict.fromkeys(finding for r in rows for _, finding in r.names(MAIN))
    columns = [with_common_n(f, partial(select.main_score, finding=f), rows, with_interval) for f in findings]
    intro = f"{basis_lines(leaderboard.runs(), THRESHOLDS)}\n{INTERVALS}"
    return tabulated(f"{leaderboard.dataset}: {MAIN} per finding", intro, [*NAMES, *columns], rows)


def by_threshold(leaderboard: Leaderboard) -> Table:
    """Return the main column for each origin of the score threshold, and the optimism of the oracle.

    The oracle threshold is chosen on the test annotations: an upper bound, never a result.
    """
    rows = [entry.mean for entry in leaderboard.entries]
    intro = f"{basis_lines(leaderboard.runs(), ORIGINS)}\n{SHARED}"
    return tabulated(f"{leaderboard.dataset}: thresholds ({MAIN})", intro, [*NAMES, *origins(MAIN)], rows)


def per_training_run(leaderboard: Leaderboard) -> Table:
    """Return a row per training run, best entry first: the spread between seeds. The main table has the means.

    Only entries with several training runs are included.
    """
    rows = [run for row in entry.ranked(leaderboard.entries) if len(row.runs) > 1 for run in row.runs]
    columns = [
        *(replace(column, kind="model") if column.heading == "seed" else column for column in NAMES),
        score(MAIN, "cross-fitted", f"{MAIN} [95%, this run only]", with_interval),
        score("pointing", formatter=with_interval),
        count(MAIN, "cross-fitted"),
    ]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{INTERVALS}\n{ONE_NETWORK}"
    return tabulated(f"{leaderboard.dataset}: individual training runs", intro, columns, rows)


def alignment(leaderboard: Leaderboard) -> Table:
    """Return the main column of the methods that were scored with both placements, side by side.

    The difference has no interval here: the check ``alignment`` pairs the two by patient.
    """
    rows = select.of_protocol(leaderboard.records, leaderboard.dataset, MAIN_PROTOCOL)
    conventional = {select.row_key(r): r for r in rows if r.cell.alignment == "conventional"}
    pairs = [r for r in rows if r.cell.alignment == "aligned" and select.row_key(r) in conventional]

    def other(record: Record) -> Record:
        return conventional[select.row_key(record)]

    columns = [
        *NAMES,
        score(MAIN, "cross-fitted", "aligned", with_interval),
        TableColumn("conventional", lambda r: with_interval(select.main_score(other(r)))),
        TableColumn("aligned − conventional", lambda r: difference(select.main_value(r), select.main_value(other(r)))),
        count(MAIN, "cross-fitted"),
    ]
    both = [*pairs, *map(other, pairs)]
    intro = f"{basis_lines(both, EACH_ALIGNMENT)}\n{ALIGNMENT_ABOUT}"
    return tabulated(f"{leaderboard.dataset}: alignment ({MAIN})", intro, columns, pairs)


def strata(leaderboard: Leaderboard) -> Table:
    """Return the main column in groups of cases, such as box size, view, sex and age.

    Rows are the best method of each network, then ``prior`` and ``center``. Headings or cells contain n.
    """
    scored = [r for r in leaderboard.runs() if r.strata]
    rows = best_methods_and_baselines(scored)
    groups = dict.fromkeys((s.variable, s.group) for r in scored for s in r.strata)
    columns = [with_common_n(": ".join(name), partial(within, name), rows) for name in groups]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{STRATA_ABOUT}"
    return tabulated(f"{leaderboard.dataset}: {MAIN} by group of cases", intro, [*NAMES, *columns], rows)


def best_methods_and_baselines(records: Sequence[Record]) -> list[Record]:
    """Return the best method of each model, best model first, then ``prior`` and ``center`` of the best model."""
    models = select.by_model(records)
    winners = entry.ranked([winner for group in models if (winner := entry.best(group)) is not None])
    first = next((group for group in models if winners and winners[0] in group), list(records))
    return [*winners, *(r for method in (PRIOR, CENTER) for r in first if r.cell.method == method)]


def within(name: tuple[str, str], record: Record) -> Score | None:
    """Return the main column of a record in one group of cases; ``name``: variable and group."""
    strata = (s for s in record.strata if (s.variable, s.group) == name)
    scores = (score for stratum in strata for score in stratum.scores)
    wanted = (MAIN, "mean", "cross-fitted")
    return next((s for s in scores if (s.metric, s.finding, s.threshold_origin) == wanted), None)
