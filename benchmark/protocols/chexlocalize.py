"""Segmentation by a threshold, as CheXlocalize scores saliency maps against radiologists' masks."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.pixels.segment import Segmented, interior, segment
from benchmark.protocols.base import Case, Protocol, Result, failures, of_findings, prepare, whose
from benchmark.protocols.chosen import At, beside, rows
from benchmark.statistics.optimism import Votes, scores_with_optimism
from benchmark.statistics.summary import Column
from benchmark.statistics.who import SHARED, Who
from benchmark.thresholds.origins import CROSSED, Chosen, Way, choose, stated
from benchmark.thresholds.sampled import Listed, taken
from core.types import FloatArray

LEVELS = np.arange(0.2, 0.8, 0.1)
"""As the source writes it; in floating point .8 is among them."""
DEFAULT = 3
"""The place of .5."""
OTSU = len(LEVELS)
"""Where a case's own threshold stands behind the listed ones."""


class CheXlocalize(Protocol):
    """Mask IoU of {map > threshold} on the frame's pixels, and the hit rate of the map's maximum.

    The map is painted on the frame and scaled to [0,1] there. The threshold, one of .2, .3 … .8, is chosen by mean IoU:
    ``cross-fitted`` by patient, on the ``validation`` split as the source does, or as ``oracle``, per finding and for
    ``mask_iou@shared`` one for all; or it is .5 (``fixed``) or the map's own by ``otsu``, on 256 levels. ``mask_iou``
    is the mean over the cases where truth and prediction are both non-empty, so a flat or failed map is left out.
    ``mask_iou_all`` is the mean over those where either is: a miss or a false alarm counts as 0, and every map that is
    not flat is an alarm. ``hit_rate``: the first maximum in row-major order lies in the truth. ``optimism`` is oracle −
    cross-fitted. Names end in ``@box`` where boxes stand in for masks: the pixels whose centre lies in one; ``@shared``
    comes last. Saporta et al., "Benchmarking saliency methods for chest X-ray interpretation", Nature Machine
    Intelligence 2022, Methods.
    """

    name = "chexlocalize"
    main = "mask_iou"
    geometry = "pixels"
    chooses = True

    def evaluate(
        self, cases: Sequence[Case], findings: Sequence[str], seed: int = 0, validation: Sequence[Case] = ()
    ) -> Result:
        """``mask_iou`` and ``mask_iou_all`` at each origin, ``hit_rate``, ``optimism``; a row per case with truth."""
        true, others = of_findings(cases, findings), of_findings(validation, findings)
        kept = [*true, *(case for case in cases if case.finding in findings and not len(case.boxes))]
        seen, everyone, who, elsewhere = Seen(kept), whose(kept), whose(true), Seen(others)
        chosen = choose(
            seen.listed(len(true)),
            who,
            DEFAULT,
            seed,
            (elsewhere.listed(len(others)), whose(others)) if others else None,
        )
        chosen |= {("fixed", ""): np.full(len(true), float(DEFAULT)), ("otsu", ""): np.full(len(true), float(OTSU))}
        word = "" if all(case.read_mask is not None for case in true) else "@box"
        columns = [
            column
            for way, places in chosen.items()
            for column in _columns(seen, At(way, _known(way, places, everyone)), places, word)
        ]
        columns.append(Column("hit_rate" + word, "none", seen.hit, seen.truth))
        main = f"mask_iou{word}"
        return Result(
            scores_with_optimism(columns, everyone, findings, seed, {main: f"optimism{word}"}, {main: _votes(seen)}),
            rows(true, seen.reasons[: len(true)], _told(seen, chosen, true)),
            stated(
                {way: places for way, places in chosen.items() if way[0] != "otsu"},
                who.findings,
                LEVELS.round(6).tolist(),
            ),
            failures(kept, seen.reasons),
        )


class Seen:
    """N cases × T thresholds and Otsu's, as (N,...) arrays."""

    def __init__(self, cases: Sequence[Case]) -> None:
        ready = [prepare(case) for case in cases]
        found = [
            _segment(case) if on is not None and len(case.boxes) else None
            for (on, _), case in zip(ready, cases, strict=True)
        ]
        self.reasons = [why for _, why in ready]
        self.truth = np.array([float(len(case.boxes) > 0) for case in cases])
        """1 where there is truth."""
        self.drawn = np.array([float(on is not None) for on, _ in ready])
        """1 where the prediction has pixels: at every threshold below 1, if the map is not flat."""
        nothing = np.zeros(OTSU + 1)
        self.iou = np.array([nothing if one is None else np.nan_to_num(one.iou) for one in found]).reshape(
            len(cases), OTSU + 1
        )
        """(N,T+1); 0 where either mask is empty."""
        self.otsu = np.array([np.nan if one is None else one.otsu for one in found])
        self.hit = np.array([one is not None and one.hit for one in found], dtype=bool)

    def listed(self, true: int) -> Listed:
        """Of the first, those with truth: mean IoU alone decides."""
        return Listed(np.zeros((true, OTSU), dtype=bool), self.iou[:true, :OTSU])


def _segment(case: Case) -> Segmented:
    mask = interior(case.boxes, case.frame) if (mask := case.mask) is None else mask
    return segment(case.map, case.grid, mask, LEVELS)  # type: ignore[arg-type]  # a case without a map is not segmented


def _known(way: Way, places: FloatArray, who: Who) -> NDArray[np.bool_]:
    """(N,) the cases with a threshold; those without truth have no overlap at any, and follow their finding's."""
    known, n = np.isfinite(places), len(places)
    follow = np.isin(who.findings[n:], who.findings[:n][known]) | (way[0] != "validation")
    return np.append(known, follow)


def _columns(seen: Seen, at: At, places: FloatArray, word: str) -> list[Column]:
    """At thresholds that all findings share, only the main metric."""
    overlap = np.append(taken(seen.iou[: len(places)], places), np.zeros(len(seen.iou) - len(places)))
    main = at.column(f"mask_iou{word}", overlap, seen.truth * seen.drawn)
    return (
        [main]
        if at.way[1] == SHARED
        else [main, at.column(f"mask_iou_all{word}", overlap, np.maximum(seen.truth, seen.drawn))]
    )


def _votes(seen: Seen) -> Votes:
    """(N,1,T) mask IoUs of the cases where both masks have pixels, and (N,) which those are."""
    both = seen.truth * seen.drawn
    return seen.iou[:, None, :OTSU] * both[:, None, None], both


def _told(seen: Seen, chosen: Chosen, true: Sequence[Case]) -> Mapping[str, ArrayLike]:
    n = len(true)
    every = np.column_stack([np.tile(LEVELS.round(6), (n, 1)), seen.otsu[:n]])
    levels, overlaps = (
        {way: taken(table[:n], places) for way, places in chosen.items()} for table in (every, seen.iou)
    )
    own = {"threshold": levels.pop(CROSSED), "iou": overlaps.pop(CROSSED), "hit_rate": seen.hit[:n]}
    return {
        "truth": ["box" if case.read_mask is None else "mask" for case in true],
        **own,
        **beside(levels, iou=overlaps),
    }
