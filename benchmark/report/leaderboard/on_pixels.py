"""Layouts of the protocols on pixels: MaxBoxAcc, PxAP, CheXlocalize."""

from benchmark.report.columns import TableColumn, count, score
from benchmark.report.leaderboard.layout import ORIGINS, SHARED, TableLayout, origins
from benchmark.report.table import with_interval, with_n


def _maxbox(metric: str, name: str, what: str, *more: TableColumn) -> TableLayout:
    return TableLayout(
        "maxbox",
        f"maxbox, {name}",
        ORIGINS,
        f"{name}: {what}. At 224×224 pixels, mean over findings. Published figures are oracle figures with one "
        f"threshold for all cases, nearest to `oracle, shared`. {SHARED}",
        (*origins(metric, f"optimism@{metric}"), *more),
        (metric, "cross-fitted"),
        needs=metric,
    )


def _chexlocalize(word: str, truth: str) -> TableLayout:
    masks, all_masks = f"mask_iou{word}", f"mask_iou_all{word}"
    return TableLayout(
        "chexlocalize",
        f"chexlocalize, {truth}",
        f"of .2, .3 … .8, by mean IoU; {ORIGINS}",
        f"Truth is {truth}. Mask IoU over the cases where truth and prediction are both non-empty, mean over findings; "
        f"the source shows `validation`. {SHARED} mask_iou_all: over the cases where either is, a miss or false alarm "
        "counts as 0. hit_rate: the map's first maximum is inside the truth.",
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
    _maxbox("maxboxacc", "MaxBoxAcc", "the one box of the largest contour has IoU ≥ .5"),
    _maxbox(
        "maxboxaccv2",
        "MaxBoxAccV2",
        "any contour's box, mean over IoU ≥ .3, .5, .7, each with its own threshold (last columns: each of the three)",
        *(score(f"maxboxaccv2@iou.{tenth}", "cross-fitted", f"IoU ≥ .{tenth}") for tenth in (3, 5, 7)),
        *(score(f"maxboxaccv2@iou.{tenth}", "oracle", f"IoU ≥ .{tenth} oracle") for tenth in (3, 5, 7)),
    ),
)
PXAP = TableLayout(
    "pxap",
    "pxap",
    "none: all of them",
    "Pixel-wise average precision at 224×224, the pixels of all cases of a finding pooled; mean over findings. Truth "
    "is the mask, or where there is none the boxes' interior.",
    (score("pxap", formatter=with_interval), count("pxap")),
    ("pxap", None),
)
CHEXLOCALIZE = (_chexlocalize("", "masks"), _chexlocalize("@box", "the interior of boxes"))
LAYOUTS = (*MAXBOX, PXAP, *CHEXLOCALIZE)
