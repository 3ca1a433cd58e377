"""Gain of the exact grid over the placement that ``interpolate`` assumes, and over the pictures of other packages."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from benchmark.maps.trained import select_samples
from benchmark.records import Score
from benchmark.scoring.protocols.base import Case, Result, finite_map, with_truth
from benchmark.validity.alignment import IMAGES
from benchmark.validity.alignment.pictures import CONVENTIONS, Convention
from benchmark.validity.base import Check
from benchmark.validity.variants import compare
from core.errors import BadValueError
from core.frames import Grid, conventional


class Alignment(Check):
    """Score maps on the conventional grid, on the exact grid of the network, and as pictures of other packages.

    ``hit@iou.3@conventional``, ``hit@iou.3@aligned`` and ``pointing@…`` are scores of the ``locus`` protocol;
    ``change@…@aligned`` is the gain of the exact grid, paired by patient. ``shift`` is the error of the conventional
    placement along the worse axis, as a share of the image's side; 0 for a centred grid.

    ``…@grad-cam`` and so on are the scores of maps that are rectified, scaled and resized as by other packages, on
    ``IMAGES`` images, with thresholds per convention; ``change@…`` is the difference from ``ours``. The pixels of a
    picture are the vertices of the scored surface, so that all conventions have the same precision.
    """

    name = "alignment"

    def evaluate(self, method: str, seed: int) -> Result:
        """Score both placements and all pictures of one method's maps."""
        aligned = self.cases(method)
        placements = {"conventional": [replace(case, grid="conventional") for case in aligned], "aligned": aligned}
        placed, pictures = compare(placements, self.findings, seed), self._pictures(aligned, seed)
        n = sum(len(case.boxes) > 0 for case in aligned)
        shift = Score(finding="mean", metric="shift", value=self._shift(method), n=n)
        return replace(
            placed,
            scores=[*placed.scores, shift, *pictures.scores],
            rows=[*placed.rows, *pictures.rows],
            failed=list(dict.fromkeys([*placed.failed, *pictures.failed])),
        )

    def _pictures(self, aligned: Sequence[Case], seed: int) -> Result:
        """Compare the pictures of a part of the cases under all conventions."""
        part = {sample.image_id for sample in select_samples(self.runs, IMAGES)}
        cases = [case for case in with_truth(aligned) if case.image_id in part]
        bar = tqdm(CONVENTIONS.items(), desc="paint", unit="convention", leave=False, disable=None)
        variants = {name: [painted(case, convention) for case in cases] for name, convention in bar}
        return compare(variants, self.findings, seed)

    def _shift(self, method: str) -> float:
        index = self.maps(method, self.runs).index
        supposed = conventional(index.grid.size, index.shape[1:])
        both = zip(supposed.offset, index.grid.offset, index.grid.size, strict=True)
        return max(abs(first - second) / size for first, second, size in both)


def painted(case: Case, convention: Convention) -> Case:
    """Return the case with its map as a picture of the network's input size; failed maps are unchanged.

    Raises ``BadValueError`` for a case without an exact grid.
    """
    if not isinstance(case.grid, Grid):
        raise BadValueError("a picture requires the exact grid of each map: pass aligned cases")
    values, _ = finite_map(case)
    if values is None:
        return case
    picture = convention(np.asarray(values, dtype=np.float32), case.grid)
    return replace(case, map=picture, grid=Grid(case.grid.size, (1, 1), (0, 0)))
