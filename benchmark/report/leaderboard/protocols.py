"""Tables of the protocols other than the main one, for comparison with published tables."""

from benchmark.records.record import Record
from benchmark.report.columns import TableColumn, count, score
from benchmark.report.leaderboard.layout import ORIGINS, SHARED, TableLayout, origins
from benchmark.report.table import NOTHING, with_interval, with_n
from core.names import MAIN
from core.scores import Origin

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
